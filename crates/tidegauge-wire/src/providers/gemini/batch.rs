//! Results of batch jobs: a list in the finished operation, or a file with an answer a line.

use super::embed::Embed;
use super::generate::PUBLIC;
use crate::answer::Answer;
use crate::field::Json;
use crate::provider::Streams;
use crate::providers::results::{self, Results};

/// `GET .../batches/ID`. The operation may hold its results twice; the first list counts.
pub(super) const OPERATION: Results =
    Results { streams: Streams::Listed("inlinedResponses"), read: read_result };

/// `GET .../files/ID:download`, which gives out files of every kind.
pub(super) const FILE: Results = Results { streams: Streams::Results, read: read_result };

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
