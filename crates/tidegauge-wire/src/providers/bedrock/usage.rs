//! Three ways to tell the same: in the body, in response headers, in the last chunk of a stream. The
//! input is always stated without its cached parts.

use http::HeaderMap;
use tidegauge_core::{Source, Usage};

use crate::field::Json;

/// `usage` of Converse and of the models that answer in its shape.
pub(super) fn read(told: Json<'_>, into: &mut Usage) {
    let mut odd = false;
    let mut first = |names: [&str; 2]| names.iter().find_map(|name| told.get(name).count(&mut odd));
    let told_now = Counts {
        input: first(["inputTokens", "inputTokenCount"]),
        output: first(["outputTokens", "outputTokenCount"]),
        cache_read: first(["cacheReadInputTokens", "cacheReadInputTokenCount"]),
        cache_write: first(["cacheWriteInputTokens", "cacheWriteInputTokenCount"]),
    };
    into.stated_total = told.get("totalTokens").size().or(into.stated_total);
    into.odd |= odd;
    told_now.fill(into);
    let hour = told.get("cacheDetails").items().filter(|detail| detail.get("ttl").is("1h"));
    let hour =
        hour.filter_map(|detail| detail.get("inputTokens").size()).reduce(u64::saturating_add);
    if let (Some(hour), Some(written)) = (hour, told_now.cache_write) {
        into.cache_write_1h = Some(hour.min(written));
        into.cache_write_5m = Some(written.saturating_sub(hour));
    }
}

/// `amazon-bedrock-invocationMetrics` of a stream's last chunk: the service's own count, which wins
/// over the model's.
pub(super) fn of_metrics(metrics: Json<'_>, into: &mut Usage) {
    let output = metrics.get("outputTokenCount").size();
    // What the model said of its reasoning is a part of what it said of its output.
    if let (Some(output), Some(reasoning)) = (output, into.reasoning) {
        into.reasoning = Some(reasoning.min(output));
    }
    read(metrics, into);
    if let (Some(output), Some(reasoning)) = (output, into.reasoning) {
        into.output = Some(output.saturating_sub(reasoning));
    }
}

/// The headers of an invocation without stream.
pub(super) fn of_headers(headers: &HeaderMap, into: &mut Usage) {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    Counts {
        input: number("x-amzn-bedrock-input-token-count"),
        output: number("x-amzn-bedrock-output-token-count"),
        cache_read: number("x-amzn-bedrock-cache-read-input-token-count"),
        cache_write: number("x-amzn-bedrock-cache-write-input-token-count"),
    }
    .fill(into);
}

#[derive(Clone, Copy)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

impl Counts {
    /// What is told replaces what was known.
    fn fill(self, into: &mut Usage) {
        into.input = self.input.or(into.input);
        into.output = self.output.or(into.output);
        into.cache_read = self.cache_read.or(into.cache_read);
        // What is known to live longer is a part of what is written.
        let hour = into.cache_write_1h.unwrap_or(0);
        let written = self.cache_write.map(|written| written.saturating_sub(hour));
        into.cache_write_5m = written.or(into.cache_write_5m);
        if into.is_known() {
            into.source = Source::Provider;
        }
    }
}
