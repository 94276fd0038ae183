//! Which upstream, and which path it sees.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tidegauge_core::{Dialect, Head, Matched, Operation, Owner, Policy, Upstream};

use super::{Asked, find};
use crate::tests::fixture;

/// Knows what ends in `/known`; claims everything with an `x-alpha` header, and what begins
/// with `/up/alpha`.
#[derive(Debug)]
struct Alpha;

impl Dialect for Alpha {
    fn kind(&self) -> &'static str {
        "alpha"
    }
    fn provider(&self) -> &'static str {
        "alpha"
    }
    fn claims(&self, head: Head<'_>) -> bool {
        head.headers.contains_key("x-alpha") || head.path.starts_with("/up/alpha")
    }
    fn matched(&self, head: Head<'_>) -> Matched {
        let known = head.path.ends_with("/known") || head.path.starts_with("/up/alpha/");
        let operation = if known { Operation::Embeddings } else { Operation::Other };
        Matched { operation, route: Cow::Borrowed("/{path}") }
    }
    fn error_body(&self, _: StatusCode, _: &str, _: &str) -> Bytes {
        Bytes::new()
    }
}

fn upstream(name: &str, dialect: &'static dyn Dialect) -> Upstream {
    Upstream { name: name.into(), dialect, ..fixture::upstream(([127, 0, 0, 1], 1).into()) }
}

fn routed(policy: &Policy, method: &Method, path: &str, alpha: bool) -> Option<String> {
    let mut headers = HeaderMap::new();
    if alpha {
        headers.insert("x-alpha", "1".parse().unwrap());
    }
    let route = find(policy, Asked { method, path, query: None, headers: &headers })?;
    Some(format!("{} {}", route.upstream.name, route.path))
}

#[test]
fn a_path_leads_to_one_upstream() {
    let upstreams = vec![upstream("up", &fixture::Fake), upstream("alpha", &Alpha)];
    let mut policy = fixture::policy(upstreams);
    for with_default in [false, true] {
        policy.default_upstream = with_default.then(|| Arc::clone(&policy.upstreams[0]));
        let other = |path: &str| with_default.then(|| format!("up {path}"));
        let table: &[(&str, bool, Option<String>)] = &[
            ("/up/chat", false, Some("up /chat".into())),
            ("/up/chat/", false, Some("up /chat/".into())),
            ("/up", false, Some("up /".into())),
            ("/up/", false, Some("up /".into())),
            ("/up//chat", false, Some("up //chat".into())),
            ("/up/%75p", false, Some("up /%75p".into())),
            ("/alpha/known", false, Some("alpha /known".into())),
            // Not at a boundary, not the same bytes.
            ("/upper/chat", false, None),
            ("/UP/chat", false, None),
            ("/%75p/chat", false, None),
            ("//up/chat", false, None),
            ("/chat", false, None),
            ("/", false, None),
            ("/v1", false, None),
            ("/v1/chat", false, other("/v1/chat")),
            ("/v12/chat", false, None),
            ("/opu/v1/chat", false, None),
            // Claimed at the root.
            ("/claimed/x", false, Some("up /claimed/x".into())),
            ("/known", true, Some("alpha /known".into())),
            ("/strange", true, Some("alpha /strange".into())),
            // Named and claimed: the name wins, unless the path is claimed and only that makes sense.
            ("/up/chat", true, Some("up /chat".into())),
            ("/up/strange", true, Some("up /strange".into())),
            // A header takes nothing away from a name.
            ("/up/v1/known", true, Some("up /v1/known".into())),
            ("/alpha/strange", true, Some("alpha /strange".into())),
            ("/up/alpha/known", false, Some("alpha /up/alpha/known".into())),
            ("/up/alpha/chat", false, Some("up /alpha/chat".into())),
        ];
        for (path, alpha, expected) in table {
            let got = routed(&policy, &Method::POST, path, *alpha);
            assert_eq!(got, *expected, "{path} {alpha} {with_default}");
        }
    }
}

/// Issued by the vendor whose kind is its value; certain where that stands in `x-issued`.
fn owner(headers: &HeaderMap) -> Option<Owner> {
    let certain = headers.contains_key("x-issued");
    let value = headers.get("x-issued").or_else(|| headers.get("x-sent-as"))?;
    let kinds: &'static [&'static str] = match value.as_bytes() {
        b"alpha" => &["alpha"],
        b"beta" => &["beta"],
        _ => return None,
    };
    Some(Owner { kinds, certain })
}

#[test]
fn a_credential_goes_to_no_other_vendor() {
    let upstreams = vec![upstream("up", &fixture::Fake), upstream("alpha", &Alpha)];
    let mut policy = fixture::policy(upstreams);
    policy.default_upstream = Some(Arc::clone(&policy.upstreams[0]));
    policy.owner = owner;
    let table: &[(&str, (&str, &str), Option<&str>)] = &[
        ("/v1/chat", ("x-issued", "nobody"), Some("up /v1/chat")),
        ("/v1/chat", ("x-issued", "alpha"), Some("alpha /v1/chat")),
        ("/v1/chat", ("x-sent-as", "alpha"), Some("alpha /v1/chat")),
        // Its vendor is not configured.
        ("/v1/chat", ("x-issued", "beta"), None),
        ("/v1/chat", ("x-sent-as", "beta"), None),
        // A claimed path stands against a header, and not against the key itself.
        ("/claimed/x", ("x-sent-as", "alpha"), Some("up /claimed/x")),
        ("/claimed/x", ("x-issued", "alpha"), None),
        // Who names an upstream has chosen.
        ("/up/chat", ("x-issued", "alpha"), Some("up /chat")),
    ];
    for (path, (name, value), expected) in table {
        let mut headers = HeaderMap::new();
        headers.insert(*name, value.parse().unwrap());
        let asked = Asked { method: &Method::POST, path, query: None, headers: &headers };
        let route = find(&policy, asked);
        let got = route.map(|route| format!("{} {}", route.upstream.name, route.path));
        assert_eq!(got.as_deref(), *expected, "{path} {name} {value}");
    }
}
