//! One call into the token metrics of the next names.
//!
//! They count differently from those of today: a counter says what the provider counted, or 0 where no
//! response came; an estimate has no place in it; a distribution has no failed calls. So they are counted
//! here and not made out of today's. Source: semantic-conventions-genai, pull requests 374, 530 and the
//! page of token metrics.

use tidegauge_core::{Bucket, Operation, Record, Usage};

use super::family::{MOST, real};
use super::registry::Series;
use super::slot::{Side, Slot, TokenCounter};

/// The operations that are an inference in the sense of the conventions.
pub(crate) const INFERENCE: [Operation; 3] =
    [Operation::Chat, Operation::GenerateContent, Operation::TextCompletion];

/// Where the provider does not tell contents apart.
const UNKNOWN: &str = "unknown";

/// Adds one call.
pub(super) fn record(series: &mut Series<'_>, record: &Record) {
    let operation = record.exchange.operation;
    let usage = &record.observation.usage;
    // What an inference used that was over only when it was fetched is of the fetch.
    if INFERENCE.contains(&operation) || operation == Operation::FetchResponse {
        count(series, usage);
    }
    if record.observation.outcome.error.is_some() {
        return;
    }
    let input = usage.told_input().map(|count| real(count.min(MOST)));
    if let Some(input) = input.filter(|_| operation == Operation::Embeddings) {
        series.record(Slot::EmbeddingTokens, input, None);
    }
    if INFERENCE.contains(&operation) {
        let output = usage.told_output().map(|count| real(count.min(MOST)));
        for (side, count) in [(Side::Input, input), (Side::Output, output)] {
            if let Some(count) = count {
                series.record(Slot::OperationTokens(side), count, None);
            }
        }
    }
}

fn count(series: &mut Series<'_>, usage: &Usage) {
    let (input, output) = (usage.told_input(), usage.told_output());
    // The details are the provider's only where the whole side is.
    let whole = |side: Option<u64>, all: Option<u64>| side.is_some() && side == all;
    for (counter, told, is_whole) in [
        (TokenCounter::Input, input, whole(input, usage.input_tokens())),
        (TokenCounter::Output, output, whole(output, usage.output_tokens())),
    ] {
        let buckets = Bucket::ALL.into_iter().filter(|bucket| parts(*bucket).0 == counter);
        let mut details = 0;
        for bucket in buckets.filter(|_| is_whole) {
            let (_, within, modality) = parts(bucket);
            let Some(count) = usage.get(bucket).filter(|count| *count > 0) else { continue };
            let count = count.min(MOST);
            details += count;
            series.add(Slot::InferenceTokens(counter, modality), count);
            if let Some(within) = within {
                series.add(Slot::InferenceTokens(within, modality), count);
            }
        }
        // What has no detail, and the 0 of a call that used nothing or got no answer.
        let rest = told.unwrap_or(0).min(MOST).saturating_sub(details);
        if rest > 0 || details == 0 {
            series.add(Slot::InferenceTokens(counter, UNKNOWN), rest);
        }
    }
}

/// The counters that a bucket of tokens is part of, and the kind of content it is of.
fn parts(bucket: Bucket) -> (TokenCounter, Option<TokenCounter>, &'static str) {
    use TokenCounter::{CacheRead, CacheWrite, Input, Output, Reasoning};
    match bucket {
        Bucket::Input => (Input, None, UNKNOWN),
        Bucket::CacheRead => (Input, Some(CacheRead), UNKNOWN),
        Bucket::CacheReadAudio => (Input, Some(CacheRead), "audio"),
        Bucket::CacheWrite5m | Bucket::CacheWrite1h => (Input, Some(CacheWrite), UNKNOWN),
        Bucket::InputAudio => (Input, None, "audio"),
        Bucket::InputImage => (Input, None, "image"),
        Bucket::Output => (Output, None, UNKNOWN),
        Bucket::Reasoning => (Output, Some(Reasoning), UNKNOWN),
        Bucket::OutputAudio => (Output, None, "audio"),
        Bucket::OutputImage => (Output, None, "image"),
    }
}
