//! The golden table of fields, in both directions.

use http::{HeaderMap, HeaderName, HeaderValue, Version};
use tidegauge_core::{Propagate, SpanId, Trace, TraceId, Upstream};

use super::{Inward, Outward, inward, outward};
use crate::hops::Hop;
use crate::tests::fixture::{self, unnumbered};

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::try_from(*name).unwrap();
        map.append(name, HeaderValue::try_from(*value).unwrap());
    }
    map
}

fn lines(map: &HeaderMap) -> Vec<String> {
    map.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
}

fn trace() -> Trace {
    Trace {
        trace_id: TraceId([0xab; 16]),
        state: "a=1,b=2".to_owned(),
        server: SpanId([1; 8]),
        inference: SpanId([2; 8]),
        ..tidegauge_core::testing::trace()
    }
}

fn upstream() -> Upstream {
    fixture::upstream(([127, 0, 0, 1], 1).into())
}

fn sent(
    from: &[(&str, &str)],
    upstream: &Upstream,
    adapt: impl FnOnce(&mut Outward<'_>),
) -> Vec<String> {
    let trace = trace();
    let span = SpanId([3; 8]);
    let mut out = Outward {
        version: Version::HTTP_11,
        upstream,
        trace: &trace,
        span,
        spliced: false,
        length: None,
        upgrade: false,
        via: Hop::new().via(Version::HTTP_11),
    };
    adapt(&mut out);
    lines(&outward(&map(from), out)).iter().map(|line| unnumbered(line)).collect()
}

/// Field of a request, and whether it passes.
const REQUEST: &[(&str, &str, bool)] = &[
    ("accept", "text/event-stream", true),
    ("accept-encoding", "gzip, br", true),
    ("accept-language", "en", true),
    ("authorization", "Bearer sk-x", true),
    ("cache-control", "no-cache", true),
    ("cookie", "a=b; c=d", true),
    ("content-type", "application/json", true),
    ("content-encoding", "gzip", true),
    ("content-length", "5", true),
    ("content-md5", "x", true),
    ("date", "Sun, 22 Nov 2026 08:00:00 GMT", true),
    ("dnt", "1", true),
    ("idempotency-key", "k", true),
    ("if-none-match", "x", true),
    ("origin", "http://a", true),
    ("pragma", "no-cache", true),
    ("priority", "u=1", true),
    ("range", "bytes=0-", true),
    ("referer", "http://a/", true),
    ("sec-fetch-mode", "cors", true),
    ("user-agent", "SDK/1", true),
    ("x-api-key", "sk-x", true),
    ("x-goog-api-key", "sk-x", true),
    ("api-key", "sk-x", true),
    ("x_api_key", "underscore", true),
    ("openai-organization", "org", true),
    ("anthropic-version", "2023-06-01", true),
    ("anthropic-beta", "a,b", true),
    ("x-stainless-os", "Linux", true),
    ("x-request-id", "r", true),
    ("x-client-request-id", "r", true),
    ("x-claude-code-session-id", "s", true),
    ("session-id", "s", true),
    ("session_id", "s", true),
    ("x-session-id", "s", true),
    ("x-amz-date", "d", true),
    ("via", "1.1 before", true),
    ("connection", "x-nominated, keep-alive", false),
    ("x-nominated", "1", false),
    ("keep-alive", "timeout=5", false),
    ("proxy-connection", "keep-alive", false),
    ("proxy-authorization", "Basic x", false),
    ("proxy-authenticate", "Basic", false),
    ("te", "gzip", false),
    ("trailer", "x-t", false),
    ("transfer-encoding", "chunked", false),
    ("upgrade", "h2c", false),
    ("http2-settings", "AAMAAABk", false),
    ("host", "there", false),
    ("expect", "100-continue", false),
    ("forwarded", "for=1.2.3.4", false),
    ("x-forwarded-for", "1.2.3.4", false),
    ("x-forwarded-proto", "https", false),
    ("x-forwarded-host", "there", false),
    ("x-real-ip", "1.2.3.4", false),
    ("traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01", false),
    ("tracestate", "a=1", false),
    ("baggage", "user.id=1", false),
    ("b3", "x", false),
    ("x-b3-traceid", "x", false),
    ("x-b3-sampled", "1", false),
    ("uber-trace-id", "x", false),
    ("uberctx-user", "x", false),
    ("x-amzn-trace-id", "Root=1-x", false),
    ("x-cloud-trace-context", "x", false),
    ("grpc-trace-bin", "x", false),
    ("sentry-trace", "x", false),
    ("x-datadog-parent-id", "1", false),
    ("newrelic", "x", false),
    ("x-tidegauge-session", "s", false),
    ("x-tidegauge-capture", "off", false),
    ("x-tidegauge-usage", "link_only", false),
    ("helicone-auth", "Bearer x", false),
    ("helicone-session-id", "s", false),
    ("x-portkey-api-key", "x", false),
    ("x-portkey-metadata", "{}", false),
    ("x-litellm-api-key", "x", false),
    ("x-litellm-tags", "a", false),
    ("cf-aig-authorization", "Bearer x", false),
    ("cf-aig-metadata", "{}", false),
    ("langfuse_public_key", "x", false),
];

#[test]
fn requests_keep_what_is_the_providers() {
    let from: Vec<_> = REQUEST.iter().map(|(name, value, _)| (*name, *value)).collect();
    let kept = REQUEST.iter().filter(|(.., kept)| *kept);
    let mut expected: Vec<_> = kept.map(|(name, value, _)| format!("{name}: {value}")).collect();
    let at = expected.iter().position(|line| line == "via: 1.1 before").unwrap();
    expected.insert(at + 1, "via: 1.1 tidegauge".to_owned());
    assert_eq!(sent(&from, &upstream(), |_| {}), expected);
}

#[test]
fn requests_change_where_the_route_says_so() {
    let parent = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01";
    let context = [
        ("traceparent", parent),
        ("tracestate", "x=y"),
        ("baggage", "user.id=1"),
        ("b3", "0"),
        ("x-b3-sampled", "1"),
    ];
    let mut passing = upstream();
    passing.propagate = Propagate::Passthrough;
    assert_eq!(
        sent(&context, &passing, |_| {}),
        [
            &format!("traceparent: {parent}"),
            "tracestate: x=y",
            "baggage: user.id=1",
            "b3: 0",
            "x-b3-sampled: 1",
            "via: 1.1 tidegauge"
        ]
    );
    let mut injecting = upstream();
    injecting.propagate = Propagate::Inject;
    let ours = format!("traceparent: 00-{}-{}-01", "ab".repeat(16), "03".repeat(8));
    assert_eq!(
        sent(&context, &injecting, |_| {}),
        [&ours, "tracestate: a=1,b=2", "via: 1.1 tidegauge"]
    );
    let mut set = upstream();
    let value = HeaderValue::from_static("Bearer ours");
    set.headers = vec![
        (http::header::AUTHORIZATION, value),
        ("x-added".parse().unwrap(), "1".parse().unwrap()),
    ];
    assert_eq!(
        sent(&[("authorization", "Bearer theirs"), ("a", "b")], &set, |_| {}),
        ["a: b", "authorization: Bearer ours", "x-added: 1", "via: 1.1 tidegauge"]
    );
    let from = [("accept-encoding", "gzip"), ("content-length", "9"), ("a", "b")];
    assert_eq!(
        sent(&from, &upstream(), |out| (out.spliced, out.length) = (true, Some(12))),
        ["a: b", "accept-encoding: identity", "content-length: 12", "via: 1.1 tidegauge"]
    );
    assert_eq!(
        sent(
            &[("cookie", "a=b"), ("x", "y"), ("cookie", "c=d"), ("te", "trailers")],
            &upstream(),
            |out| {
                out.version = Version::HTTP_2;
                out.via = Hop::new().via(out.version);
            }
        ),
        ["cookie: a=b; c=d", "x: y", "te: trailers", "via: 2.0 tidegauge"]
    );
    assert_eq!(
        sent(&[("connection", "upgrade"), ("upgrade", "websocket")], &upstream(), |out| out
            .upgrade =
            true),
        ["connection: upgrade", "upgrade: websocket", "via: 1.1 tidegauge"]
    );
}

/// A-11: nobody takes a field out by naming it in `Connection`, unless it is nobody's.
#[test]
fn nominated_fields_go_unless_protected() {
    for (name, goes) in [
        ("authorization", false),
        ("x-api-key", false),
        ("x-goog-api-key", false),
        ("cookie", false),
        ("content-type", false),
        ("content-length", false),
        ("content-encoding", false),
        ("anthropic-version", false),
        ("x-amz-security-token", false),
        ("user-agent", false),
        ("x-hop", true),
        ("cache-control", true),
    ] {
        let from = [("connection", name), (name, "1")];
        let sent = sent(&from, &upstream(), |_| {});
        assert_eq!(sent.len() == 1, goes, "{name}: {sent:?}");
    }
}

/// Field of a response, and whether it passes.
const RESPONSE: &[(&str, &str, bool)] = &[
    ("alt-svc", "h3=\":443\"", true),
    ("cache-control", "no-cache", true),
    ("cf-ray", "x", true),
    ("content-encoding", "gzip", true),
    ("content-length", "5", true),
    ("content-type", "text/event-stream", true),
    ("date", "Sun, 22 Nov 2026 08:00:00 GMT", true),
    ("location", "http://169.254.169.254/", true),
    ("openai-processing-ms", "5", true),
    ("proxy-status", "theirs; error=dns_error", true),
    ("request-id", "r", true),
    ("retry-after", "1", true),
    ("server", "cloudflare", true),
    ("set-cookie", "a=b", true),
    ("set-cookie", "c=d", true),
    ("strict-transport-security", "max-age=1", true),
    ("vary", "origin", true),
    ("via", "1.1 theirs", true),
    ("www-authenticate", "Bearer", true),
    ("x-ratelimit-remaining-tokens", "9", true),
    ("connection", "close, x-nominated", false),
    ("x-nominated", "1", false),
    ("keep-alive", "timeout=5", false),
    ("proxy-authenticate", "Basic", false),
    ("proxy-connection", "close", false),
    ("trailer", "x-t", false),
    ("upgrade", "h2", false),
];

#[test]
fn responses_keep_what_is_the_clients() {
    let plain = Inward { filtered: false, upgrade: false };
    let from: Vec<_> = RESPONSE.iter().map(|(name, value, _)| (*name, *value)).collect();
    let kept = RESPONSE.iter().filter(|(.., kept)| *kept);
    let expected: Vec<_> = kept.map(|(name, value, _)| format!("{name}: {value}")).collect();
    assert_eq!(lines(&inward(&map(&from), plain)), expected);

    let length = |from: &[(&str, &str)], inward_: Inward| lines(&inward(&map(from), inward_));
    let twice = [("content-length", "5"), ("content-length", "5")];
    assert_eq!(length(&twice, plain), ["content-length: 5"]);
    let coded = [("content-length", "5"), ("transfer-encoding", "chunked")];
    assert!(length(&coded, plain).is_empty());
    assert!(length(&[("content-length", "5")], Inward { filtered: true, ..plain }).is_empty());
    let switched = [("connection", "Upgrade"), ("upgrade", "websocket")];
    assert_eq!(
        length(&switched, Inward { upgrade: true, ..plain }),
        ["connection: upgrade", "upgrade: websocket"]
    );
}

/// Whether a field of a request stays here.
pub(crate) fn is_withheld(name: &str) -> bool {
    super::withheld(&HeaderName::try_from(name).unwrap())
}

/// The reference page names every field that is not forwarded.
#[test]
fn the_page_tells_them_all() {
    let page = include_str!("../../../../docs/forwarding.md");
    let plain = super::HOP_BY_HOP.iter().chain(super::WITHHELD).chain(super::TRACE_CONTEXT);
    let prefixes = super::WITHHELD_PREFIXES.iter().chain(super::TRACE_CONTEXT_PREFIXES);
    let prefixes = prefixes.map(|prefix| format!("{prefix}*"));
    let names = plain.map(|name| (*name).to_owned()).chain(prefixes);
    let missing: Vec<String> = names.filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
