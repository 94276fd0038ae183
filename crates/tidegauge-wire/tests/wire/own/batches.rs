//! Files of batch jobs: results of several forms, and what lies at the same paths.

use http::{HeaderMap, Method, StatusCode};
use proptest::prelude::*;
use tidegauge_core::{Batch, Observation, Source};

use crate::exchange::Case;

const CHAT: &str = r#"{"id":"b1","custom_id":"a","response":{"status_code":200,"request_id":"r","body":{"id":"c","object":"chat.completion","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1200,"completion_tokens":210,"total_tokens":1410,"prompt_tokens_details":{"cached_tokens":1024}}}},"error":null}"#;
const RESPONSE: &str = r#"{"id":"b2","custom_id":"b","response":{"status_code":200,"body":{"id":"resp","object":"response","status":"completed","model":"o3","output":[],"usage":{"input_tokens":10,"output_tokens":30,"output_tokens_details":{"reasoning_tokens":20},"total_tokens":40}}},"error":null}"#;
const VECTORS: &str = r#"{"id":"b3","custom_id":"c","response":{"status_code":200,"body":{"object":"list","model":"text-embedding-3-small","data":[{"embedding":[0.1,0.2]}],"usage":{"prompt_tokens":8,"total_tokens":8}}},"error":null}"#;
const FAILED: &str = r#"{"id":"b4","custom_id":"d","response":{"status_code":400,"body":{"error":{"message":"no","type":"invalid_request_error"}}},"error":null}"#;
const EXPIRED: &str = r#"{"id":"b5","custom_id":"e","response":null,"error":{"code":"batch_expired","message":"late"}}"#;
const MESSAGE: &str = r#"{"custom_id":"f","result":{"type":"succeeded","message":{"id":"m","type":"message","model":"claude-haiku-4-5","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"cache_read_input_tokens":7,"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":4,"ephemeral_5m_input_tokens":5},"output_tokens":3,"service_tier":"batch"}}}}"#;
const ERRORED: &str = r#"{"custom_id":"g","result":{"type":"errored","error":{"type":"error","error":{"type":"api_error","message":"x"}}}}"#;
const ASKED: &str = r#"{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[]}}"#;

const KEYED: &str = r#"{"key":"a","response":{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"modelVersion":"gemini-2.5-flash","usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22}}}"#;
const BARE: &str = r#"{"candidates":[],"modelVersion":"gemini-2.5-pro","usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}}"#;
const VECTOR: &str =
    r#"{"key":"v","response":{"embedding":{"values":[0.1,0.2]},"tokenCount":"9"}}"#;
const KEYED_ERROR: &str =
    r#"{"key":"b","error":{"code":13,"message":"internal","status":"INTERNAL"}}"#;
const KEYED_REQUEST: &str = r#"{"key":"a","request":{"contents":[{"parts":[{"text":"x"}]}]}}"#;

const FILE: (&str, &str) = ("openai", "/v1/files/file-1/content");

fn file((kind, path): (&str, &str), body: &[u8]) -> Case {
    Case {
        kind: kind.to_owned(),
        method: Method::GET,
        path: path.to_owned(),
        query: None,
        request_headers: HeaderMap::new(),
        request: Vec::new(),
        status: StatusCode::OK,
        headers: crate::exchange::headers([("content-type", "application/octet-stream")]),
        response: body.to_vec(),
    }
}

/// The observation, the same for pieces of several sizes.
fn seen(at: (&str, &str), body: &[u8]) -> Observation {
    let case = file(at, body);
    let whole = case.observe(|rest| rest);
    for size in [5, 64, 1000] {
        assert_eq!(case.observe(|rest| rest.min(size)), whole, "{size}");
    }
    whole
}

/// Model, calls, input, output.
type Sum<'a> = (Option<&'a str>, u64, Option<u64>, Option<u64>);

fn sums(batch: &Batch) -> Vec<Sum<'_>> {
    let calls = batch.calls.iter();
    calls
        .map(|calls| {
            let (input, output) = (calls.usage.input_tokens(), calls.usage.output_tokens());
            (calls.model.as_deref(), calls.count, input, output)
        })
        .collect()
}

#[test]
fn results_are_added_up_by_model() {
    let body = [CHAT, RESPONSE, CHAT, FAILED, VECTORS, EXPIRED].join("\n");
    let seen = seen(FILE, body.as_bytes());
    let batch = seen.batch.as_ref().unwrap();
    assert_eq!((batch.results, batch.failed, batch.left_out), (6, 2, 0));
    assert_eq!(
        sums(batch),
        [
            (Some("gpt-4o-mini-2024-07-18"), 2, Some(2400), Some(420)),
            (Some("o3"), 1, Some(10), Some(30)),
            (Some("text-embedding-3-small"), 1, Some(8), None),
        ]
    );
    assert_eq!(batch.calls[0].usage.cache_read, Some(2048));
    assert_eq!(batch.calls[1].usage.reasoning, Some(20));
    assert_eq!((seen.usage.input_tokens(), seen.usage.output_tokens()), (Some(2418), Some(450)));
    assert_eq!(seen.usage.source, Source::Provider);
    assert_eq!((seen.stream, seen.partial, seen.response.model.as_deref()), (false, false, None));
    assert_eq!((seen.outcome.category, seen.outcome.error), (None, None));
}

#[test]
fn messages_keep_their_caches_apart() {
    let body = [MESSAGE, MESSAGE, ERRORED, ""].join("\n");
    let seen = seen(("anthropic", "/v1/messages/batches/msgbatch_1/results"), body.as_bytes());
    let batch = seen.batch.unwrap();
    assert_eq!((batch.results, batch.failed), (3, 1));
    let usage = &batch.calls[0].usage;
    assert_eq!(
        (usage.input, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h, usage.output),
        (Some(10), Some(14), Some(10), Some(8), Some(6))
    );
    assert_eq!(seen.response.model.as_deref(), Some("claude-haiku-4-5"));
}

/// A finished operation tells its results in two places; they are counted once, whichever comes first.
#[test]
fn results_inside_an_operation() {
    let at = ("gemini", "/v1beta/batches/abc123");
    let list = format!(r#"{{"inlinedResponses":[{KEYED}, {KEYED_ERROR},{KEYED}]}}"#);
    let metadata = format!(
        r#""metadata":{{"@type":"type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch","model":"models/gemini-2.5-flash","displayName":"\"inlinedResponses\":[","output":{{"inlinedResponses":{list}}},"state":"BATCH_STATE_SUCCEEDED"}}"#
    );
    let response = format!(
        r#""response":{{"@type":"type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatchOutput","inlinedResponses":{list}}}"#
    );
    for body in [
        format!(r#"{{"name":"batches/abc123",{metadata},"done":true,{response}}}"#),
        format!(r#"{{"done":true,{response},"name":"batches/abc123",{metadata}}}"#),
        format!(r#"{{"name":"batches/abc123","done":true,{response}}}"#),
    ] {
        let seen = seen(at, body.as_bytes());
        let batch = seen.batch.as_ref().unwrap();
        assert_eq!((batch.results, batch.failed), (3, 1));
        assert_eq!(sums(batch), [(Some("gemini-2.5-flash"), 2, Some(20), Some(24))]);
        let usage = &batch.calls[0].usage;
        assert_eq!((usage.cache_read, usage.reasoning), (Some(8), Some(14)));
        assert_eq!(
            (seen.stream, seen.partial, seen.usage.source),
            (false, false, Source::Provider)
        );
        assert_eq!(seen.response.model.as_deref(), Some("gemini-2.5-flash"));
    }
    let running = r#"{"name":"batches/abc123","metadata":{"state":"BATCH_STATE_RUNNING"}}"#;
    let filed = r#"{"name":"batches/abc123","done":true,"response":{"responsesFile":"files/x"}}"#;
    for body in [running, filed, r#"{"response":{"inlinedResponses":{}}}"#, "[]", "", "no"] {
        let seen = seen(at, body.as_bytes());
        assert_eq!(
            (seen.batch, seen.partial, seen.outcome.category),
            (None, false, None),
            "{body}"
        );
    }
    let cut = format!(
        r#"{{"done":true,"response":{{"inlinedResponses":{{"inlinedResponses":[{KEYED},{{"#
    );
    let seen = seen(at, cut.as_bytes());
    assert!(seen.partial);
    assert_eq!(seen.batch.unwrap().results, 1);
}

#[test]
fn results_in_a_file_that_is_downloaded() {
    let body = [KEYED, BARE, KEYED_ERROR, VECTOR, KEYED_REQUEST].join("\n");
    for path in ["/download/v1beta/files/batch-x:download", "/v1beta/files/batch-x:download"] {
        let seen = seen(("gemini", path), body.as_bytes());
        let batch = seen.batch.as_ref().unwrap();
        assert_eq!((batch.results, batch.failed, batch.left_out), (4, 1, 0), "{path}");
        assert_eq!(
            sums(batch),
            [
                (Some("gemini-2.5-flash"), 1, Some(10), Some(12)),
                (Some("gemini-2.5-pro"), 1, Some(3), None),
                (None, 1, Some(9), None),
            ]
        );
    }
    for other in [KEYED_REQUEST, "\u{89}PNG", "{}", r#"{"key":"a"}"#, "7\n[]"] {
        let seen = seen(("gemini", "/v1beta/files/x:download"), other.as_bytes());
        assert_eq!(
            (seen.batch, seen.partial, seen.outcome.category),
            (None, false, None),
            "{other}"
        );
    }
}

/// Hosts whose files have OpenAI's form, and one that also puts the lines into the job.
#[test]
fn results_of_other_hosts() {
    let line = CHAT.replace("gpt-4o-mini-2024-07-18", "m");
    let body = [line.as_str(), FAILED].join("\n");
    for (kind, path) in [
        ("mistral", "/v1/files/f/content"),
        ("groq", "/openai/v1/files/f/content"),
        ("together", "/v1/files/f/content"),
        ("azure", "/openai/files/f/content"),
        ("azure", "/openai/v1/files/f/content"),
        ("moonshot", "/v1/files/f/content"),
        ("zai", "/api/paas/v4/files/f/content"),
        ("fireworks", "/inference/v1/files/f/content"),
        ("openai-compatible", "/v1/files/f/content"),
        ("gemini", "/v1beta/openai/files/f/content"),
    ] {
        let batch = seen((kind, path), body.as_bytes()).batch.unwrap();
        assert_eq!((batch.results, batch.failed), (2, 1), "{kind}");
        assert_eq!(sums(&batch), [(Some("m"), 1, Some(1200), Some(210))], "{kind}");
    }
    let job = ("mistral", "/v1/batch/jobs/j");
    let inline =
        format!(r#"{{"id":"j","object":"batch","status":"SUCCESS","outputs":[{line},{FAILED}]}}"#);
    let batch = seen(job, inline.as_bytes()).batch.unwrap();
    assert_eq!((batch.results, batch.failed), (2, 1));
    let plain =
        r#"{"id":"j","object":"batch","status":"SUCCESS","outputs":null,"output_file":"f"}"#;
    assert_eq!(seen(job, plain.as_bytes()).batch, None);
}

#[test]
fn a_result_of_any_length_is_read_in_a_list() {
    let long = KEYED.replace(r#""text":"x""#, &format!(r#""text":"{}""#, "x".repeat(3 << 20)));
    let body =
        format!(r#"{{"response":{{"inlinedResponses":{{"inlinedResponses":[{long},{KEYED}]}}}}}}"#);
    let seen =
        file(("gemini", "/v1beta/batches/b"), body.as_bytes()).observe(|rest| rest.min(70_000));
    assert_eq!(sums(&seen.batch.unwrap()), [(Some("gemini-2.5-flash"), 2, Some(20), Some(24))]);
}

#[test]
fn a_line_of_any_length_is_read() {
    let long = CHAT.replace("hello", &"x".repeat(3 << 20));
    let seen = seen(FILE, format!("{long}\n{CHAT}\n").as_bytes());
    let batch = seen.batch.unwrap();
    assert_eq!(sums(&batch), [(Some("gpt-4o-mini-2024-07-18"), 2, Some(2400), Some(420))]);
}

#[test]
fn other_files_come_to_nothing() {
    let long = [ASKED; 3].join("\n");
    let files: [&[u8]; 6] = [
        long.as_bytes(),
        b"\x89PNG\r\n\x1a\n{\x00\x00",
        b"",
        b"{\n  \"a\": 1\n}\n",
        b"a,b\n1,2\n",
        b"{\"custom_id\":\"a\"}",
    ];
    for file in files {
        let seen = seen(FILE, file);
        assert_eq!((seen.batch, seen.usage.source, seen.partial), (None, Source::Missing, false));
        assert_eq!(seen.outcome.category, None, "{file:?}");
    }
}

#[test]
fn a_file_that_breaks_off_is_partial() {
    let body = format!("{CHAT}\n{}", &CHAT[..CHAT.len() / 2]);
    let seen = seen(FILE, body.as_bytes());
    assert!(seen.partial);
    assert_eq!(seen.batch.unwrap().calls[0].usage.input_tokens(), Some(1200));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order and the pieces, the sums are those of the lines.
    #[test]
    fn sums_are_those_of_the_lines(
        lines in proptest::collection::vec(0_usize..8, 0..30),
        size in 1_usize..400,
    ) {
        let all = [CHAT, RESPONSE, VECTORS, FAILED, EXPIRED, MESSAGE, ERRORED, "no result"];
        let body: Vec<&str> = lines.iter().map(|line| all[*line]).collect();
        let seen = file(FILE, body.join("\n").as_bytes()).observe(|rest| rest.min(size));
        let of = |which: &[usize]| lines.iter().filter(|line| which.contains(line)).count() as u64;
        let batch = seen.batch.unwrap_or_default();
        prop_assert_eq!(batch.results, of(&[0, 1, 2, 3, 4, 5, 6]));
        prop_assert_eq!(batch.failed, of(&[3, 4, 6]));
        let input = of(&[0]) * 1200 + of(&[1]) * 10 + of(&[2]) * 8 + of(&[5]) * 21;
        prop_assert_eq!(seen.usage.input_tokens().unwrap_or(0), input);
        let parts: u64 = batch.calls.iter().filter_map(|calls| calls.usage.input_tokens()).sum();
        prop_assert_eq!(parts, input);
    }

    #[test]
    fn any_bytes_are_read_or_not(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for at in [FILE, ("gemini", "/v1beta/batches/b"), ("gemini", "/v1beta/files/f:download")] {
            file(at, &body).observe(|rest| rest.min(7));
        }
    }
}
