//! Results of batch jobs: a list in the finished operation, or a file with an answer a line.

use tidegauge_core::Request;

use super::embed::Embed;
use super::generate::PUBLIC;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::{Asked, Event, Reader, Streams};
use crate::providers::results;

/// `GET .../batches/ID`. The operation may hold its results twice; the first list counts.
pub(super) struct Operation;

impl Reader for Operation {
    fn has_terminator(&self) -> bool {
        false
    }

    fn streams(&self) -> Streams {
        Streams::Listed("inlinedResponses")
    }

    fn read_request(&self, _head: &Asked, _body: Json<'_>, _into: &mut Request) {}

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        read_result(event.data, into);
    }
}

/// `GET .../files/ID:download`, which gives out files of every kind.
pub(super) struct File;

impl Reader for File {
    fn has_terminator(&self) -> bool {
        false
    }

    fn streams(&self) -> Streams {
        Streams::Results
    }

    fn read_request(&self, _head: &Asked, _body: Json<'_>, _into: &mut Request) {}

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        read_result(event.data, into);
    }
}

/// `{key, response}`, `{key, error}`, or the answer itself. A request is none of them.
fn read_result(result: Json<'_>, into: &mut Answer) {
    let answer = result.get("response");
    if answer.is_object() {
        results::add(read_answer(answer), false, into);
    } else if result.get("error").is_object() {
        results::add(Answer::default(), true, into);
    } else if result.get("usageMetadata").is_object() {
        results::add(read_answer(result), false, into);
    }
}

/// Vectors and their usage stand in other places than what is generated.
fn read_answer(body: Json<'_>) -> Answer {
    let is_vector = body.get("embedding").is_object();
    let mut answer = results::read(if is_vector { &Embed } else { &PUBLIC }, body);
    let counted = body.get("tokenCount").size().filter(|_| is_vector);
    answer.usage.input = answer.usage.input.or(counted);
    answer
}
