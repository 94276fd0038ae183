//! Metrics under the names of the GenAI conventions as they are, and as they will be.
//!
//! In: families under the names of today. Out: the same under another set of names, or under both.
//! What is renamed is a table; the token histogram, which becomes counters and two histograms, is
//! made out of the tokens that are counted anyway. Source: semantic-conventions-genai, pull requests
//! 374 and 521 (open in September 2026).

use std::collections::HashMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use tidegauge_core::{Bucket, Operation};

use crate::attribute::pair;
use crate::metric::{Family, Point, Value};
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

/// Distributions that only change their name, where the operation is an inference in the sense of
/// the conventions.
const RENAMED: [(&Metric, &Metric); 3] = [
    (&name::CLIENT_OPERATION_DURATION, &name::INFERENCE_DURATION),
    (&name::CLIENT_TIME_TO_FIRST_CHUNK, &name::INFERENCE_TIME_TO_FIRST_CHUNK),
    (&name::CLIENT_TIME_PER_OUTPUT_CHUNK, &name::INFERENCE_TIME_PER_OUTPUT_CHUNK),
];

/// The operations that are.
const INFERENCE: [&str; 3] = ["chat", "generate_content", "text_completion"];

/// The counters that a bucket of tokens is part of, and the kind of content it is of. Where the
/// provider does not tell contents apart, it is not known.
fn counters(bucket: &str) -> Option<(&'static [&'static Metric], &'static str)> {
    const INPUT: &[&Metric] = &[&name::INFERENCE_INPUT_TOKENS];
    const READ: &[&Metric] = &[&name::INFERENCE_INPUT_TOKENS, &name::INFERENCE_CACHE_READ_TOKENS];
    const WRITE: &[&Metric] = &[&name::INFERENCE_INPUT_TOKENS, &name::INFERENCE_CACHE_WRITE_TOKENS];
    const OUTPUT: &[&Metric] = &[&name::INFERENCE_OUTPUT_TOKENS];
    const THOUGHT: &[&Metric] =
        &[&name::INFERENCE_OUTPUT_TOKENS, &name::INFERENCE_REASONING_TOKENS];
    let bucket = Bucket::ALL.into_iter().find(|known| known.name() == bucket)?;
    Some(match bucket {
        Bucket::Input => (INPUT, "unknown"),
        Bucket::CacheRead => (READ, "unknown"),
        Bucket::CacheReadAudio => (READ, "audio"),
        Bucket::CacheWrite5m | Bucket::CacheWrite1h => (WRITE, "unknown"),
        Bucket::InputAudio => (INPUT, "audio"),
        Bucket::InputImage => (INPUT, "image"),
        Bucket::Output => (OUTPUT, "unknown"),
        Bucket::Reasoning => (THOUGHT, "unknown"),
        Bucket::OutputAudio => (OUTPUT, "audio"),
        Bucket::OutputImage => (OUTPUT, "image"),
    })
}

impl Names {
    /// The families under these names.
    pub(crate) fn of(self, families: Vec<Family>) -> Vec<Family> {
        if self == Self::Current {
            return families;
        }
        let mut named = Vec::with_capacity(families.len());
        for mut family in families {
            let next = next(&family);
            if self == Self::Next {
                family.points.retain(|point| !leaves(family.metric, point));
            }
            named.push(family);
            named.extend(next);
        }
        named.retain(|family| !family.points.is_empty());
        named
    }
}

/// Whether a point has another name in the next set.
fn leaves(metric: &Metric, point: &Point) -> bool {
    let renamed = RENAMED.iter().any(|(now, _)| now.name == metric.name);
    (renamed || metric.name == name::CLIENT_TOKEN_USAGE.name) && is_inference(point)
}

/// What a family becomes besides.
fn next(family: &Family) -> Vec<Family> {
    let moved = || family.points.iter().filter(|point| is_inference(point));
    let under = |metric, points| Family { metric, points, ..*family };
    if let Some((_, metric)) = RENAMED.iter().find(|(now, _)| now.name == family.metric.name) {
        return vec![under(metric, moved().cloned().collect())];
    }
    if family.metric.name == name::CLIENT_TOKEN_USAGE.name {
        let sides = [
            ("input", &name::INFERENCE_OPERATION_INPUT_TOKENS),
            ("output", &name::INFERENCE_OPERATION_OUTPUT_TOKENS),
        ];
        return sides
            .into_iter()
            .map(|(side, metric)| {
                let of_side = moved().filter(|point| told(point, name::TOKEN_TYPE) == side);
                under(metric, of_side.map(|point| without(point, &[name::TOKEN_TYPE])).collect())
            })
            .collect();
    }
    if family.metric.name == name::TOKENS_USED.name { tokens(family) } else { Vec::new() }
}

/// The counters of tokens: buckets added up by kind of content.
fn tokens(counted: &Family) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for point in counted.points.iter().filter(|point| is_inference(point) || is_told_later(point)) {
        let Value::Count(count) = point.value else { continue };
        let Some((metrics, modality)) = counters(told(point, name::BUCKET)) else { continue };
        let mut set = without(point, &[name::BUCKET, name::USAGE_SOURCE]);
        set.attributes.push(pair(name::MODALITY, Any::StringValue(modality.to_owned())));
        for metric in metrics {
            let known = families.iter().position(|family| family.metric.name == metric.name);
            let place = known.unwrap_or(families.len());
            if known.is_none() {
                families.push(Family { metric, points: Vec::new(), ..*counted });
            }
            let Some(family) = families.get_mut(place) else { continue };
            let key = format!("{} {:?}", metric.name, set.attributes);
            let at = *places.entry(key).or_insert(family.points.len());
            match family.points.get_mut(at) {
                Some(Point { value: Value::Count(total), since, .. }) => {
                    *total = total.saturating_add(count);
                    *since = (*since).min(set.since);
                }
                _ => family.points.push(set.clone()),
            }
        }
    }
    families
}

fn is_inference(point: &Point) -> bool {
    INFERENCE.contains(&told(point, name::OPERATION_NAME))
}

/// What an inference used that was over only when it was fetched.
fn is_told_later(point: &Point) -> bool {
    told(point, name::OPERATION_NAME) == Operation::FetchResponse.name()
}

fn told<'p>(point: &'p Point, key: &str) -> &'p str {
    let pair = point.attributes.iter().find(|pair| pair.key == key);
    match pair.and_then(|pair| pair.value.as_ref()?.value.as_ref()) {
        Some(Any::StringValue(text)) => text,
        _ => "",
    }
}

fn without(point: &Point, keys: &[&str]) -> Point {
    let kept = |pair: &&KeyValue| !keys.contains(&pair.key.as_str());
    Point {
        attributes: point.attributes.iter().filter(kept).cloned().collect(),
        value: point.value.clone(),
        since: point.since,
    }
}

#[cfg(test)]
mod tests;
