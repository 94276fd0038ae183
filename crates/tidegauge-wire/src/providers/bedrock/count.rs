//! Tokens counted without a model call: no usage.

use super::path;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST /model/MODEL/count-tokens`
pub(super) struct CountTokens;

impl Reader for CountTokens {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        path::read(&head.path, &mut into.request);
        into.request.messages = body.get("input").get("converse").get("messages").len();
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("inputTokens").size();
    }
}
