//! Texts classified by a safety model.

use super::request;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../moderations`
pub(crate) struct Moderations;

impl Reader for Moderations {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        into.request.messages = request::how_many(body.get("input"));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.model(body.get("model"));
        into.response.output |= body.get("results").items().next().is_some();
    }
}
