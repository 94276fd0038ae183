//! Legacy completions of a prompt, whole and streamed.

use super::{chat, request, usage};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::Prompt;

/// `POST .../completions`
pub(crate) struct Completions;

impl Reader for Completions {
    fn read_request(&self, head: &Asked, body: Json<'_>, into: &mut Prompt) {
        request::read_common(head, body, &mut into.request);
        request::read_sampling(body, &mut into.request);
        into.request.messages = request::how_many(body.get("prompt"));
        // One prompt, or several; tokens are not words.
        let prompt = body.get("prompt");
        prompt.items().chain([prompt]).for_each(|text| into.text("user", text));
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("id"));
        into.model(body.get("model"));
        into.fingerprint(body.get("system_fingerprint"));
        for (place, choice) in body.get("choices").items().enumerate() {
            let index = choice.get("index").size().unwrap_or(place as u64);
            into.response.content_filter |= chat::filtered(choice);
            // One that fills in the middle answers in the shape of a chat; some send both shapes.
            let message = chat::message_of(choice, event.stream);
            let text = choice.get("text");
            into.role(index, message.get("role"));
            let text = if text.has_text() { text } else { message.get("content") };
            into.text(index, None, text);
            into.finish(index, choice.get("finish_reason"));
        }
        usage::read(body.get("usage"), into);
        usage::read_timings(body.get("timings"), &mut into.response);
    }
}
