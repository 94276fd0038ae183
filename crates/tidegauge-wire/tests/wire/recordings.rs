//! Recorded traffic of real providers, where a folder of it is at hand: `TIDEGAUGE_RECORDINGS`, and a
//! second set in a folder of that name with `-2` at its end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::Observation;

use crate::exchange::{Case, headers};
use crate::properties::timeless;

/// Categories of ours that the recordings have no word for.
const UNSAID: &[&str] = &["truncated", "empty", "client_cancelled"];

/// Where we read otherwise, and why: recording and field.
const JUDGED: &[(&str, &str)] = &[
    // A bare total is the input: docs/judgement-calls.md.
    ("embeddings-01a7367a", "input_tokens"),
    ("rerank-b0762c9b", "input_tokens"),
    // A step that calls a function is a call.
    ("other-a703fb01", "tool_calls"),
];

/// Every recording of an HTTP exchange, with its provider's label.
fn recordings() -> Vec<(String, Value)> {
    of_kind("http")
}

/// Every recording of that kind, with its provider's label.
pub(crate) fn of_kind(kind: &str) -> Vec<(String, Value)> {
    let Ok(folder) = std::env::var("TIDEGAUGE_RECORDINGS") else {
        println!("skipped: TIDEGAUGE_RECORDINGS names no folder of recordings");
        return Vec::new();
    };
    let mut found = Vec::new();
    // What sessions of the second set state can be read in several ways.
    let second = format!("{folder}-2");
    let second = Some(Path::new(&second)).filter(|folder| kind == "http" && folder.is_dir());
    let folders = [Path::new(&folder)].into_iter().chain(second);
    for file in folders.flat_map(json_files) {
        let text = std::fs::read_to_string(&file).expect("a recording");
        let recording: Value = serde_json::from_str(&text).expect("a recording is JSON");
        if let Some(label) = recording["provider"].as_str().filter(|_| recording["kind"] == kind) {
            found.push((label.to_owned(), recording));
        }
    }
    found
}

#[test]
fn recordings_read_as_expected() {
    let mut table: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (label, recording) in recordings() {
        let found = disagreements(&recording, &label);
        let row = table.entry(label).or_default();
        row.0 += usize::from(found.is_empty());
        row.1 += 1;
        wrong.extend(found);
    }
    for line in &wrong {
        println!("{line}");
    }
    for (label, (good, all)) in &table {
        println!("{good:4} / {all:<4} {label}");
    }
    assert!(wrong.is_empty(), "recordings are read otherwise");
}

/// Bytes that flipped on the way spoil what is told, never more.
#[test]
fn mangled_recordings_do_no_harm() {
    for (label, recording) in recordings() {
        let original = case(&recording, &label);
        if original.response.len() > 20_000 || original.response.is_empty() {
            continue;
        }
        let whole = timeless(original.observe(|left| left));
        assert_eq!(timeless(original.observe(|_| 11)), whole, "{label} {}", recording["id"]);
        let mut at = 7;
        for flip in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut mangled = original.clone();
            for _ in 0..3 {
                at = (at * 31 + 17) % mangled.response.len();
                mangled.response[at] ^= flip;
            }
            let _ = mangled.observe(|_| 97);
        }
    }
}

fn disagreements(recording: &Value, label: &str) -> Vec<String> {
    let case = case(recording, label);
    let mut seed = 1_u64;
    let seen = case.observe(move |left| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let size = [1, 2, 3, 7, 31, 113, 512, 1400, 4096][(seed >> 33) as usize % 9];
        if left < 60_000 { size } else { 4096 }
    });
    let provider = tidegauge_wire::provider(&case.kind).expect("a provider");
    let operation = provider.matched(case.head()).operation;
    let expected = &recording["expected"];
    let id = recording["id"].as_str().unwrap_or_default();
    let told = told(&seen, operation.name(), case.status);
    let told = told.as_object().expect("an object");
    told.iter()
        .filter(|(field, _)| expected.get(field.as_str()).is_some())
        .filter(|(field, got)| !same(field, &expected[field.as_str()], got))
        .filter(|(field, _)| !JUDGED.contains(&(id, field)))
        .map(|(field, got)| format!("{label}/{id}  {field}  want {} got {got}", expected[field]))
        .collect()
}

/// What is compared, under the names the recordings use.
fn told(seen: &Observation, operation: &str, status: StatusCode) -> Value {
    let category = seen.outcome.category.map(|category| category.name());
    json!({
        "operation": operation,
        "stream": seen.stream,
        "status": status.as_u16(),
        "request_model": seen.request.model,
        "response_model": seen.response.model,
        "response_id": seen.response.id,
        "finish_reasons": seen.response.finish_reasons,
        "tool_calls": seen.response.tool_calls,
        "input_tokens": seen.usage.input_tokens(),
        "output_tokens": seen.usage.output_tokens(),
        "cached_tokens": seen.usage.cache_read_tokens(),
        "cache_write_tokens": seen.usage.cache_write_tokens(),
        "reasoning_tokens": seen.usage.reasoning_tokens(),
        "error_category": category.filter(|word| !UNSAID.contains(word)),
        "stream_events": if seen.response.events > 0 { json!(seen.response.events) } else { Value::Null },
        "counted_tokens": seen.response.counted_tokens,
    })
}

fn same(field: &str, want: &Value, got: &Value) -> bool {
    match field {
        "cached_tokens" | "cache_write_tokens" | "reasoning_tokens" | "tool_calls" => {
            want.as_u64().unwrap_or(0) == got.as_u64().unwrap_or(0)
        }
        "finish_reasons" => {
            // Some write their enumerations as numbers.
            let word = |value: &Value| value.to_string().trim_matches('"').to_owned();
            let words = |value: &Value| -> Vec<String> {
                value.as_array().into_iter().flatten().map(word).collect()
            };
            words(want) == words(got)
        }
        "stream_events" => want.is_null() || want == got,
        _ => want == got,
    }
}

fn case(recording: &Value, label: &str) -> Case {
    let (request, response) = (&recording["request"], &recording["response"]);
    let target = request["path"].as_str().unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let kind = match label {
        "vercel-gateway" => "vercel",
        known if tidegauge_wire::provider(known).is_some() => known,
        _ => "openai-compatible",
    };
    let fields = |part: &Value| {
        let pairs = part["headers"].as_array().cloned().unwrap_or_default();
        let pairs: Vec<(String, String)> = pairs
            .iter()
            .filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned())))
            .collect();
        headers(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    };
    Case {
        kind: kind.to_owned(),
        method: request["method"].as_str().and_then(|m| m.parse().ok()).unwrap_or(Method::POST),
        path: path.to_owned(),
        query,
        request_headers: fields(request),
        request: body(request),
        status: StatusCode::from_u16(response["status"].as_u64().unwrap_or(0) as u16)
            .expect("a status"),
        headers: fields(response),
        response: body(response),
    }
}

fn body(part: &Value) -> Vec<u8> {
    match part["body_base64"].as_str() {
        Some(text) => base64(text),
        None => part["body"].as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u8> = text.bytes().filter_map(digit).collect();
    let mut bytes = Vec::new();
    for group in digits.chunks(4) {
        let value = group.iter().fold(0_u32, |value, digit| value << 6 | u32::from(*digit));
        let value = value << (6 * (4 - group.len()));
        bytes.extend_from_slice(&value.to_be_bytes()[1..group.len()]);
    }
    bytes
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "json") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
