//! `countTokens`: what it counts is no usage.

use super::either;
use super::generate::PUBLIC;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../models/MODEL:countTokens`
pub(in crate::providers) struct CountTokens;

impl Reader for CountTokens {
    /// What is counted may be a whole request of the other kind.
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        let inner = either(body, "generateContentRequest", "generate_content_request");
        PUBLIC.read_request(head, if inner.is_object() { inner } else { body }, into);
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        into.response.counted_tokens = event.data.get("totalTokens").size();
    }
}
