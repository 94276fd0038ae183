//! Legacy completions of a prompt, whole and streamed.

use tidegauge_core::Request;

use super::{request, usage, words};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader};
use crate::transcript::{Prompt, Reply};

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
            into.finish(index, choice.get("finish_reason"));
            into.response.content_filter |= choice.get("finish_reason").is("content_filter");
            into.text(choice.get("text"));
            // One that fills in the middle answers in the shape of a chat.
            into.text(words::message_of(choice, event.stream).get("content"));
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

    fn write_reply(&self, event: Event<'_>, into: &mut Reply) {
        words::write_choices(event.data, event.stream, into);
    }
}
