//! What observing costs. Prints; asserts nothing, since machines differ.
//!
//! `cargo test --release -p tidegauge-wire --test wire speed -- --ignored --nocapture`

use std::time::Duration;

use http::StatusCode;
use tidegauge_wire::{Observer, provider};

use crate::cassettes::{folders, load};
use crate::exchange::headers;

#[test]
#[ignore = "a measurement, run by hand: the head of this file says how"]
fn speed_of_observing() {
    let case = load(&folders().into_iter().find(|f| f.ends_with("openai/chat-stream")).unwrap());
    let provider = provider("openai").unwrap();
    let operation = provider.matched(case.head()).operation;
    let measure = |name: &str, kind: &str, pieces: &[Vec<u8>], rounds: usize| {
        let mut observer = Observer::new(provider, operation, case.head());
        observer.response_head(Duration::ZERO, StatusCode::OK, &headers([("content-type", kind)]));
        let bytes: usize = pieces.iter().map(Vec::len).sum::<usize>() * rounds;
        let start = cpu_time();
        for _ in 0..rounds {
            pieces.iter().for_each(|piece| observer.response(Duration::ZERO, piece));
        }
        let spent = cpu_time() - start;
        let each = spent.as_nanos() as f64 / (pieces.len() * rounds) as f64;
        let rate = bytes as f64 / spent.as_secs_f64() / 1e6;
        println!("{name}: {each:.0} ns a piece, {rate:.0} MB/s");
    };
    let delta = br#"data: {"id":"chatcmpl-AfhuNDvVfpeTo6dHUzXlhuCKVNMyp","object":"chat.completion.chunk","created":1734566400,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_1234567890","choices":[{"index":0,"delta":{"content":" hello"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"abcdefgh"}

"#;
    let stream = "text/event-stream";
    measure("one delta a piece", stream, &[delta.to_vec()], 200_000);
    measure(
        "deltas in pieces of 100",
        stream,
        &delta.chunks(100).map(<[u8]>::to_vec).collect::<Vec<_>>(),
        50_000,
    );
    measure("deltas, 40 a piece", stream, &[delta.repeat(40)], 5_000);
    let event = br#"event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":7,"item_id":"msg_1","output_index":0,"content_index":0,"delta":" hello","logprobs":[],"obfuscation":"abc"}

"#;
    measure("other deltas", stream, &[event.to_vec()], 200_000);
    let json = "application/json";
    let text = [b"{\"data\":[{\"b64_json\":\"".to_vec(), vec![b'A'; 1 << 20]].concat();
    measure("long strings", json, &[text], 1);
    let long = vec![b'A'; 64 << 10];
    let mut pieces = vec![b"{\"data\":[{\"b64_json\":\"".to_vec()];
    pieces.extend(std::iter::repeat_n(long, 2000));
    measure("a very long string", json, &pieces, 1);
    let floats =
        [b"{\"data\":[{\"embedding\":[0.1".to_vec(), b",-0.0123456".repeat(1 << 20)].concat();
    measure("numbers", json, &[floats], 1);
    let prose =
        [b"{\"a\":[\"".to_vec(), br#"It said:\n\u00e9 \"x\" and so on, "#.repeat(1 << 18)].concat();
    measure("escaped text", json, &[prose], 1);
    let byte: Vec<Vec<u8>> = delta.repeat(3000).chunks(1).map(<[u8]>::to_vec).collect();
    measure("one byte a piece", stream, &byte, 1);
    let start = cpu_time();
    for _ in 0..100_000 {
        let matched = provider.matched(case.head());
        std::hint::black_box(provider.may_splice(matched.operation, case.head()));
        std::hint::black_box(Observer::new(provider, matched.operation, case.head()));
    }
    println!("a head: {} ns", (cpu_time() - start).as_nanos() / 100_000);
    let body = [
        br#"{"model":"m","stream":true,"messages":[{"content":""#.to_vec(),
        vec![b'x'; 4000],
        b"\"}]}".to_vec(),
    ]
    .concat();
    let start = cpu_time();
    for _ in 0..100_000 {
        std::hint::black_box(provider.splice(std::hint::black_box(&body)));
    }
    println!("a splice of 4 KB: {} ns", (cpu_time() - start).as_nanos() / 100_000);
}

/// What this thread has used of a processor: other load does not count.
fn cpu_time() -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = told.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
    Duration::from_nanos(nanos)
}
