//! Reads what providers tell in their response heads: ids, limits, times.
//!
//! One table for all: the names do not collide.

use std::time::Duration;

use http::HeaderMap;
use tidegauge_core::{RateLimit, Response};

use super::reset;
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

/// The name of that time in a `server-timing` header.
const SERVER_TIMING: &str = "gfet4t7";

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

/// What is limited, and the headers that say the limit, what is left of it and when it is whole
/// again. The first row of a resource that is told counts.
const LIMITS: &[(&str, &str, &str, &str)] = &[
    (
        "requests",
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ),
    (
        "tokens",
        "x-ratelimit-limit-tokens",
        "x-ratelimit-remaining-tokens",
        "x-ratelimit-reset-tokens",
    ),
    (
        "input_images",
        "x-ratelimit-limit-input-images",
        "x-ratelimit-remaining-input-images",
        "x-ratelimit-reset-input-images",
    ),
    (
        "requests",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    (
        "tokens",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
    ),
    (
        "input_tokens",
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "output_tokens",
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
    ("requests", "x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute", ""),
    ("tokens", "x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute", ""),
    ("requests", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
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
    into.processing = into.processing.or_else(|| text("server-timing").and_then(server_timing));
    into.retry_after = number("retry-after")
        .or_else(|| number("retry-after-ms").map(|milliseconds| milliseconds.div_ceil(1000)));
    for (resource, limit, remaining, whole) in LIMITS {
        let told = RateLimit {
            resource,
            limit: number(limit),
            remaining: number(remaining),
            reset: Some(*whole)
                .filter(|name| !name.is_empty())
                .and_then(text)
                .and_then(reset::read),
        };
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

/// The provider's own time among those of a `server-timing` header, in milliseconds there.
fn server_timing(text: &str) -> Option<Duration> {
    let ours = text
        .split(',')
        .map(str::trim)
        .find(|metric| metric.split(';').next().is_some_and(|name| name.trim() == SERVER_TIMING))?;
    let millis = ours.split(';').find_map(|part| part.trim().strip_prefix("dur="))?;
    Duration::try_from_secs_f64(millis.parse::<f64>().ok()? / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use tidegauge_core::Reset;

    use super::*;

    /// What a head says: request id, processing in milliseconds, limits as `resource limit remaining
    /// reset`.
    fn told(head: &[(&'static str, &'static str)]) -> (Option<String>, Option<u128>, Vec<String>) {
        let headers: HeaderMap = head
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let mut response = Response::default();
        read(&headers, &mut response);
        let number = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let limits = response.rate_limits.iter().map(|limit| {
            let reset = match limit.reset {
                Some(Reset::In(time)) => format!("in {time:?}"),
                Some(Reset::At(time)) => {
                    format!("at {}", time.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs())
                }
                None => "-".to_owned(),
            };
            let (limit, left, name) =
                (number(limit.limit), number(limit.remaining), limit.resource);
            format!("{name} {limit} {left} {reset}")
        });
        let limits = limits.collect();
        (response.request_id, response.processing.map(|time| time.as_millis()), limits)
    }

    #[test]
    fn what_each_provider_tells_in_its_head() {
        type Case = (
            &'static [(&'static str, &'static str)],
            &'static str,
            Option<u128>,
            &'static [&'static str],
        );
        let cases: &[Case] = &[
            (
                &[
                    ("x-request-id", "req_1"),
                    ("openai-processing-ms", "412"),
                    ("x-ratelimit-limit-requests", "10000"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "1m2s"),
                    ("x-ratelimit-limit-tokens", "2000000"),
                    ("x-ratelimit-remaining-tokens", "1999970"),
                    ("x-ratelimit-reset-tokens", "6ms"),
                    ("x-ratelimit-limit-input-images", "50"),
                ],
                "req_1",
                Some(412),
                &[
                    "requests 10000 0 in 62s",
                    "tokens 2000000 1999970 in 6ms",
                    "input_images 50 - -",
                ],
            ),
            (
                &[
                    ("request-id", "req_2"),
                    ("anthropic-ratelimit-requests-limit", "50"),
                    ("anthropic-ratelimit-requests-remaining", "49"),
                    ("anthropic-ratelimit-requests-reset", "2026-11-22T05:27:50Z"),
                    ("anthropic-ratelimit-output-tokens-remaining", "0"),
                ],
                "req_2",
                None,
                &["requests 50 49 at 1795325270", "output_tokens - 0 -"],
            ),
            (
                &[
                    ("x-ratelimit-limit", "600"),
                    ("x-ratelimit-remaining", "599"),
                    ("x-ratelimit-reset", "0.1"),
                    ("x-request-id", ""),
                    ("x-trace-id", "t"),
                ],
                "t",
                None,
                &["requests 600 599 in 100ms"],
            ),
            (
                &[("server-timing", "edge;dur=1, gfet4t7; dur=903"), ("x-ds-trace-id", "d")],
                "d",
                Some(903),
                &[],
            ),
            (
                &[
                    ("x-kong-request-id", "k"),
                    ("x-request-id", "m"),
                    ("x-envoy-upstream-service-time", "77"),
                    ("x-ratelimit-limit-req-minute", "300"),
                    ("x-ratelimit-remaining-tokens-minute", "12"),
                ],
                "m",
                Some(77),
                &["requests 300 - -", "tokens - 12 -"],
            ),
            (
                &[("x-ratelimit-remaining-requests", "many"), ("apim-request-id", "a")],
                "a",
                None,
                &[],
            ),
        ];
        for (head, id, processing, limits) in cases {
            let (seen_id, seen_processing, seen_limits) = told(head);
            assert_eq!(seen_id.as_deref(), Some(*id), "{head:?}");
            assert_eq!(
                (seen_processing, seen_limits.as_slice()),
                (*processing, &limits.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()[..]),
                "{head:?}"
            );
        }
    }
}
