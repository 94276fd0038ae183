//! Vectors for texts.

use super::{request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../embeddings`
pub(crate) struct Embeddings;

impl Reader for Embeddings {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.dimensions = body.get("dimensions").size();
        into.request.encoding_formats = body.get("encoding_format").kept(64).into_iter().collect();
        into.request.messages = request::how_many(body.get("input"));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.model(body.get("model"));
        if let Some(first) = body.get("data").items().next() {
            into.response.output = true;
            into.response.dimensions = first.get("embedding").len();
        }
        usage::read(body.get("usage"), into);
    }
}
