//! The results of batch jobs: files of one JSON object a line, each with the answer to one request, or
//! the same in a list.
//!
//! The same path gives out files of every kind; a line that is no result comes to nothing.

use tidegauge_core::{Source, Usage};

use super::anthropic::Messages;
use super::openai::{
    chat::Chat, completions::Completions, embeddings::Embeddings, responses::Responses,
};
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader, Streams};
use crate::results;
use crate::transcript::Prompt;

/// Reads what a job came to, one result after the other.
pub(crate) struct Results {
    /// Where they stand.
    pub(crate) streams: Streams,
    /// Reads one, which may be none.
    pub(crate) read: fn(Json<'_>, &mut Answer),
}

/// `GET .../files/{id}/content` and `GET .../messages/batches/{id}/results`.
pub(crate) const FILE: Results = Results { streams: Streams::Results, read: read_result };

/// `GET .../batch/jobs/{id}?inline=true`: the lines of the file stand in the job itself.
pub(crate) const INLINE: Results =
    Results { streams: Streams::Listed("outputs"), read: read_result };

impl Reader for Results {
    fn has_terminator(&self) -> bool {
        false
    }

    fn streams(&self) -> Streams {
        self.streams
    }

    fn read_request(&self, _head: &Asked, _body: Json<'_>, _into: &mut Prompt) {}

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        (self.read)(event.data, into);
    }
}

/// `{custom_id, response: {status_code, body}, error}`, or `{custom_id, result: {type, message}}`.
fn read_result(line: Json<'_>, into: &mut Answer) {
    if !line.get("custom_id").exists() {
        return;
    }
    let result = line.get("result");
    let (answer, failed) = if result.is_object() {
        let failed = !result.get("type").is("succeeded");
        (read(&Messages, result.get("message")), failed)
    } else if line.get("response").is_object() {
        let response = line.get("response");
        let status = response.get("status_code").size();
        let failed = status.is_some_and(|status| !(200..300).contains(&status));
        (read_body(response.get("body")), failed || line.get("error").is_object())
    } else if line.get("error").is_object() {
        (Answer::default(), true)
    } else {
        // The file of requests, which looks alike.
        return;
    };
    add(answer, failed, into);
}

/// Adds one answer to those of the job.
pub(super) fn add(answer: Answer, failed: bool, into: &mut Answer) {
    let usage = if answer.usage.is_known() { answer.usage } else { Usage::default() };
    results::add(&mut into.batch, failed, answer.response.model, &usage);
    into.usage.add(&usage);
    into.usage.source = Source::Provider;
}

/// An answer in one of the forms that jobs may be of.
fn read_body(body: Json<'_>) -> Answer {
    let object = body.get("object");
    if object.is("response") {
        read(&Responses, body)
    } else if object.is("text_completion") {
        read(&Completions, body)
    } else if object.is("list") {
        read(&Embeddings, body)
    } else {
        read(&Chat, body)
    }
}

/// An answer by itself.
pub(super) fn read(reader: &dyn Reader, body: Json<'_>) -> Answer {
    let mut answer = Answer::default();
    if body.is_object() {
        reader.read_event(Event { name: None, data: body, stream: false }, &mut answer);
    }
    answer
}
