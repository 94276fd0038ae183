//! Metrics under the names of the GenAI conventions as they are, and as they will be.
//!
//! In: families as they were counted. Out: those under another set of names, or under both. What is
//! renamed is a table; tokens, which are counted otherwise, are there under both names. Source:
//! semantic-conventions-genai, pull requests 374, 521 and 530 (open in September 2026).

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use tidegauge_core::Operation;

use crate::metric::{Family, INFERENCE, Point};
use crate::semconv::{self as name, Metric};

/// Which names metrics of model calls have.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Names {
    /// Those that everybody emits and every dashboard reads today.
    #[default]
    Current,
    /// Those that are agreed for later.
    Next,
    /// Both.
    Both,
}

/// Distributions that only change their name, for the operations that they are of.
const RENAMED: [(&Metric, &[Operation], &Metric); 4] = [
    (&name::CLIENT_OPERATION_DURATION, &INFERENCE, &name::INFERENCE_DURATION),
    (&name::CLIENT_OPERATION_DURATION, &[Operation::Embeddings], &name::EMBEDDINGS_DURATION),
    (&name::CLIENT_TIME_TO_FIRST_CHUNK, &INFERENCE, &name::INFERENCE_TIME_TO_FIRST_CHUNK),
    (&name::CLIENT_TIME_PER_OUTPUT_CHUNK, &INFERENCE, &name::INFERENCE_TIME_PER_OUTPUT_CHUNK),
];

/// What is counted for the next names alone.
const NEXT: [&Metric; 8] = [
    &name::INFERENCE_OPERATION_INPUT_TOKENS,
    &name::INFERENCE_OPERATION_OUTPUT_TOKENS,
    &name::EMBEDDINGS_OPERATION_INPUT_TOKENS,
    &name::INFERENCE_INPUT_TOKENS,
    &name::INFERENCE_OUTPUT_TOKENS,
    &name::INFERENCE_CACHE_READ_TOKENS,
    &name::INFERENCE_CACHE_WRITE_TOKENS,
    &name::INFERENCE_REASONING_TOKENS,
];

impl Names {
    /// The families under these names.
    pub(crate) fn of(self, families: Vec<Family>) -> Vec<Family> {
        let mut named = Vec::with_capacity(families.len());
        for mut family in families {
            let is_next = NEXT.iter().any(|metric| metric.name == family.metric.name);
            if self == Self::Current {
                named.extend((!is_next).then_some(family));
                continue;
            }
            let renamed: Vec<_> = renamed(&family).collect();
            if self == Self::Next {
                family.points.retain(|point| !leaves(family.metric, point));
            }
            named.push(family);
            named.extend(renamed);
        }
        named.retain(|family| self == Self::Current || !family.points.is_empty());
        named
    }
}

/// Whether a point has another name in the next set, or others in its place.
fn leaves(metric: &Metric, point: &Point) -> bool {
    let renamed = RENAMED.iter().any(|(now, of, _)| now.name == metric.name && is_of(point, of));
    let counted = metric.name == name::CLIENT_TOKEN_USAGE.name
        && (is_of(point, &INFERENCE) || is_of(point, &[Operation::Embeddings]));
    renamed || counted
}

/// What a family becomes under its next names.
fn renamed(family: &Family) -> impl Iterator<Item = Family> {
    RENAMED.iter().filter(|(now, ..)| now.name == family.metric.name).map(|(_, of, metric)| {
        let points = family.points.iter().filter(|point| is_of(point, of)).cloned().collect();
        Family { metric, points, ..*family }
    })
}

fn is_of(point: &Point, operations: &[Operation]) -> bool {
    let operation = told(point, name::OPERATION_NAME);
    operations.iter().any(|known| known.name() == operation)
}

fn told<'p>(point: &'p Point, key: &str) -> &'p str {
    let pair = point.attributes.iter().find(|pair| pair.key == key);
    match pair.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
        Some(Any::StringValue(text)) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests;
