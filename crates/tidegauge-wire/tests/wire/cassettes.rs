//! Small exchanges written by hand: one folder each, with what must be observed beside them.
//!
//! `request.http` begins with method and target, `response.http` with the status; header fields, an
//! empty line and the body follow. With `TIDEGAUGE_BLESS` set the expectations are written anew, to
//! be read in review like code.

use std::fs;
use std::path::{Path, PathBuf};

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::{Billed, Bucket, Observation, Texts, Usage};

use crate::exchange::{Case, headers};

#[test]
fn cassettes_are_read_as_written_down() {
    let bless = std::env::var_os("TIDEGAUGE_BLESS").is_some();
    let mut wrong = 0;
    for folder in folders() {
        let case = load(&folder);
        let provider = tidegauge_wire::provider(&case.kind).expect("a provider");
        let matched = provider.matched(case.head());
        let seen = case.observe(|left| left);
        let got = shown(&seen, matched.operation.name(), &matched.route);
        let file = folder.join("observation.json");
        if bless {
            let text = serde_json::to_string_pretty(&got).expect("JSON");
            fs::write(&file, text + "\n").expect("written");
            continue;
        }
        let want = fs::read_to_string(&file).expect("an expectation");
        let want: Value = serde_json::from_str(&want).expect("an expectation is JSON");
        if want != got {
            wrong += 1;
            println!("{}\n want {want:#}\n got {got:#}", folder.display());
        }
    }
    assert_eq!(wrong, 0);
}

/// A short body is kept as it is, a long one is reduced: what is read is the same.
#[test]
fn long_bodies_read_like_short_ones() {
    let padded = |body: &[u8]| match body.trim_ascii_start().first() {
        Some(b'{' | b'[') => [body, &[b' '; 5_000]].concat(),
        _ => body.to_vec(),
    };
    let mut longer = 0;
    for folder in folders() {
        let case = load(&folder);
        let long = Case {
            request: padded(&case.request),
            response: padded(&case.response),
            ..load(&folder)
        };
        longer += usize::from(long.request.len() > case.request.len());
        let read = |case: &Case| {
            let (seen, Texts { asked, answered, .. }) =
                case.observe_with_texts(&mut |left| left, |_| {});
            (seen, asked, answered)
        };
        assert_eq!(read(&long), read(&case), "{folder:?}");
    }
    assert!(longer > 50, "{longer}");
}

/// Every folder with a request in it.
pub(crate) fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cassettes");
    let inside = |folder: &Path| -> Vec<PathBuf> {
        fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path()).collect()
    };
    let mut found: Vec<PathBuf> =
        inside(&root).iter().flat_map(|provider| inside(provider)).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

pub(crate) fn load(folder: &Path) -> Case {
    let kind = folder.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    let (first, request_headers, request) = message(&folder.join("request.http"));
    let (status, response_headers, response) = message(&folder.join("response.http"));
    let (method, target) = first.split_once(' ').expect("method and target");
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Case {
        kind: kind.expect("a provider's folder").to_owned(),
        method: method.parse().expect("a method"),
        path: path.to_owned(),
        query,
        request_headers,
        request,
        status: StatusCode::from_bytes(status.as_bytes()).expect("a status"),
        headers: response_headers,
        response,
    }
}

fn message(file: &Path) -> (String, HeaderMap, Vec<u8>) {
    let bytes = fs::read(file).expect("a message");
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").expect("an empty line");
    let (head, body) = (&bytes[..end], &bytes[end + 2..]);
    let mut lines = std::str::from_utf8(head).expect("a head").lines();
    let first = lines.next().expect("a first line").to_owned();
    let fields = lines.map(|line| line.split_once(": ").expect("a header field"));
    (first, headers(fields), body.to_vec())
}

/// All of an observation that a test can hold on to.
pub(crate) fn shown(seen: &Observation, operation: &str, route: &str) -> Value {
    let Observation { request, response, usage, times, outcome, .. } = seen;
    let buckets = Bucket::ALL
        .iter()
        .filter_map(|bucket| Some((bucket.name().to_owned(), Value::from(usage.get(*bucket)?))));
    let milliseconds = |at: Option<std::time::Duration>| at.map(|at| at.as_millis() as u64);
    let mut value = json!({
        "operation": operation,
        "route": route,
        "stream": seen.stream,
        "partial": seen.partial,
        "request": {
            "model": request.model, "stream": request.stream, "api": request.api,
            "max_tokens": request.max_tokens, "temperature": request.temperature,
            "top_k": request.top_k, "seed": request.seed, "stop": request.stop_sequences,
            "choices": request.choices, "output": request.output_type.map(|kind| kind.name()),
            "reasoning": request.reasoning_level, "tier": request.service_tier,
            "messages": request.messages, "tools": request.tools,
            "tool_errors": request.tool_errors, "dimensions": request.dimensions,
            "encodings": request.encoding_formats, "user": request.labels.user,
            "session": request.labels.session, "tags": request.labels.tags,
            "prompt": request.labels.prompt.as_ref().map(|p| json!([p.name, p.version])),
        },
        "response": {
            "id": response.id, "request_id": response.request_id, "model": response.model,
            "finish_reasons": response.finish_reasons, "tool_calls": response.tool_calls,
            "bad_tool_calls": response.bad_tool_calls, "refusal": response.refusal,
            "content_filter": response.content_filter, "output": response.output,
            "tier": response.service_tier, "fingerprint": response.system_fingerprint,
            "dimensions": response.dimensions, "counted": response.counted_tokens,
            "events": response.events, "end_mark": response.terminated.map(|seen| if seen { "seen" } else { "missing" }),
            "processing": response.processing.map(|time| time.as_millis() as u64),
            "retry_after": response.retry_after,
            "limits": response.rate_limits.iter().map(|limit| json!([limit.resource, limit.limit, limit.remaining])).collect::<Vec<_>>(),
            "error": response.error.as_ref().map(|e| json!([e.kind, e.code, e.message])),
        },
        "usage": {
            "source": usage.source.name(), "buckets": Value::Object(buckets.collect()),
            "input": usage.input_tokens(), "output": usage.output_tokens(),
            "total": usage.stated_total, "seconds": usage.audio_seconds,
            "searches": usage.searches, "usd": usage.reported_usd, "odd": usage.odd,
            "billed": billed(usage), "region": usage.region,
        },
        "times": {
            "first_chunk": milliseconds(times.first_chunk),
            "first_token": milliseconds(times.first_token),
            "last_token": milliseconds(times.last_token), "gaps": times.gaps.len(),
        },
        "outcome": {
            "category": outcome.category.map(|category| category.name()),
            "error": outcome.error.as_ref().map(|error| error.as_str()),
            "unclassified": outcome.unclassified,
        },
    });
    prune(&mut value);
    value
}

/// Each part of a bill: its model and its tokens by kind.
pub(crate) fn billed(usage: &Usage) -> Vec<Value> {
    let part = |part: &Billed| {
        let tokens = part.tokens.iter().map(|(one, count)| (one.name().to_owned(), json!(count)));
        json!([part.model, Value::Object(tokens.collect())])
    };
    usage.billed.iter().map(part).collect()
}

/// Leaves out what says nothing.
fn prune(value: &mut Value) {
    if let Value::Object(members) = value {
        members.values_mut().for_each(prune);
        members.retain(|_, member| {
            let empty = member.as_array().is_some_and(Vec::is_empty)
                || member.as_object().is_some_and(serde_json::Map::is_empty);
            !member.is_null() && *member != json!(false) && !empty
        });
    }
}
