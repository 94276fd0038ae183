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

/// How every name begins that is looked for.
const LEADS: &[&str] = &[
    "x-",
    "request-id",
    "apim-",
    "inference-id",
    "openai-",
    "anthropic-ratelimit-",
    "retry-after",
];

/// Reads the headers that are known.
pub(crate) fn read(headers: &HeaderMap, into: &mut Response) {
    // Looked through once: most heads hold few of many names, or none.
    let may_tell = |name: &str| LEADS.iter().any(|lead| name.starts_with(lead));
    let candidates = headers.iter().filter(|(name, _)| may_tell(name.as_str()));
    let candidates: Vec<_> = candidates.map(|(name, value)| (name.as_str(), value)).collect();
    let told = |name: &str| candidates.iter().find(|(header, _)| *header == name);
    let text = |name: &str| told(name).and_then(|(_, value)| value.to_str().ok());
    let number = |name: &str| text(name).and_then(|value| value.trim().parse::<u64>().ok());
    into.request_id = REQUEST_IDS
        .iter()
        .find_map(|name| text(name).filter(|id| !id.is_empty()))
        .map(|id| clip(id, 256).to_owned());
    into.processing = PROCESSING.iter().find_map(|name| number(name)).map(Duration::from_millis);
    into.retry_after = number("retry-after")
        .or_else(|| number("retry-after-ms").map(|milliseconds| milliseconds.div_ceil(1000)));
    for (resource, limit, remaining) in LIMITS {
        let told = RateLimit { resource, limit: number(limit), remaining: number(remaining) };
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

#[cfg(test)]
mod tests {
    use super::{EXTRA, LEADS, LIMITS, PROCESSING, REQUEST_IDS};

    #[test]
    fn every_name_is_looked_for() {
        let limits = LIMITS.iter().flat_map(|(_, limit, remaining)| [limit, remaining]);
        let others = ["retry-after", "retry-after-ms"];
        for name in REQUEST_IDS.iter().chain(PROCESSING).chain(EXTRA).chain(limits).chain(&others) {
            assert!(LEADS.iter().any(|lead| name.starts_with(lead)), "{name}");
        }
    }
}
