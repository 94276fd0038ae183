//! Legacy completions of a prompt, whole and streamed.

use tidegauge_core::Request;

use super::{chat, request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../completions`
pub(crate) struct Completions;

impl Reader for Completions {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Request) {
        request::read_common(head, body, into);
        request::read_sampling(body, into);
        into.messages = request::how_many(body.get("prompt"));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.model(body.get("model"));
        into.fingerprint(body.get("system_fingerprint"));
        for (place, choice) in body.get("choices").items().enumerate() {
            let index = choice.get("index").size().unwrap_or(place as u64);
            into.text(index, None, choice.get("text"));
            // One that fills in the middle answers in the shape of a chat.
            let message = chat::message_of(choice, event.stream);
            into.role(index, message.get("role"));
            into.text(index, None, message.get("content"));
            into.finish(index, choice.get("finish_reason"));
        }
        usage::read(body.get("usage"), into);
        usage::read_timings(body.get("timings"), &mut into.response);
    }

    /// One prompt, or several; tokens are not words.
    fn write_prompt(&self, body: Json<'_>, into: &mut Prompt) {
        let prompt = body.get("prompt");
        for text in into.scribe.items(prompt).chain([prompt]) {
            let said = into.scribe.said(text);
            into.says("user", said.into_iter().collect());
        }
    }
}
