//! Documents ordered by relevance.

use super::{request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../rerank`
pub(crate) struct Rerank;

impl Reader for Rerank {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.messages = body.get("documents").len();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        let lists = ["results", "data"].map(|name| body.get(name));
        into.response.output |= lists.into_iter().any(|list| list.items().next().is_some());
        usage::read(body.get("usage"), into);
    }
}
