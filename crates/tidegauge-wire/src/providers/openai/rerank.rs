//! Documents ordered by relevance.

use tidegauge_core::Request;

use super::{request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};

/// `POST .../rerank`
pub(crate) struct Rerank;

impl Reader for Rerank {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        request::read_common(head, body, into);
        into.messages = body.get("documents").len();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let lists = ["results", "data"].map(|name| body.get(name));
        into.response.output |= lists.into_iter().any(|list| list.items().next().is_some());
        usage::read(body.get("usage"), into);
    }
}
