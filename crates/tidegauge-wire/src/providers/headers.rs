//! Reads what providers tell in their response heads: ids, limits, times.
//!
//! One table for all: the names do not collide.

use std::time::Duration;

use http::HeaderMap;
use tidegauge_core::{RateLimit, Response};

use crate::field::clip;

/// Where the provider's id of the request stands, best first.
const REQUEST_IDS: &[&str] = &[
    "x-request-id",
    "request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-generation-id",
    "x-ds-trace-id",
    "x-debug-trace-id",
    "inference-id",
    "x-trace-id",
];

/// Where the provider's own time stands, in milliseconds.
const PROCESSING: &[&str] = &["openai-processing-ms", "x-envoy-upstream-service-time"];

/// Headers that are kept as they are.
const EXTRA: &[&str] = &[
    "openai-version",
    "x-ms-region",
    "x-groq-region",
    "x-inference-provider",
    "x-inference-version",
    "x-ms-deployment-name",
    "x-ms-served-model",
];

/// What is limited, and the two headers that say the limit and what is left of it.
const LIMITS: &[(&str, &str, &str)] = &[
    ("requests", "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
    ("tokens", "x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens"),
    ("requests", "anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining"),
    ("tokens", "anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining"),
    (
        "input_tokens",
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
    ),
    (
        "output_tokens",
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
    ),
    ("requests", "x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute"),
    ("tokens", "x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute"),
    ("requests", "x-ratelimit-limit", "x-ratelimit-remaining"),
];

/// Reads the headers that are known.
pub(crate) fn read(headers: &HeaderMap, into: &mut Response) {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| text(name).and_then(|value| value.trim().parse::<u64>().ok());
    into.request_id = REQUEST_IDS
        .iter()
        .find_map(|name| text(name).filter(|id| !id.is_empty()))
        .map(|id| clip(id, 256).to_owned());
    into.processing = PROCESSING.iter().find_map(|name| number(name)).map(Duration::from_millis);
    into.retry_after = number("retry-after")
        .or_else(|| number("retry-after-ms").map(|milliseconds| milliseconds.div_ceil(1000)));
    for (resource, limit, remaining) in LIMITS {
        let told =
            RateLimit { resource, limit: number(limit), remaining: number(remaining), reset: None };
        let known = into.rate_limits.iter().any(|known| known.resource == *resource);
        if !known && (told.limit.is_some() || told.remaining.is_some()) {
            into.rate_limits.push(told);
        }
    }
    for name in EXTRA {
        if let Some(value) = text(name) {
            into.extra.insert(name, clip(value, 256).to_owned());
        }
    }
}
