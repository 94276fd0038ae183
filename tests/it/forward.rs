//! Bytes: what the client sends is what the upstream gets, what the upstream answers is what the
//! client gets, as soon as it comes and no cleaner than it ends.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::answers::{
    self, HELLO, LAST_CHUNK, Said, asks_usage, chunk, joined, stream_head,
};
use crate::support::client::{Client, Ended, call, call_h2, post, request};
use crate::support::program::{Program, Start};
use crate::support::upstream::{Gate, Script, Seen, Step, Take, Upstream};

const CHAT: &str = "/openai/v1/chat/completions";

async fn before(upstream: &Upstream) -> Program {
    let origin = upstream.origin();
    Start::upstreams(&[("openai", &origin), ("anthropic", &origin)]).run().await
}

/// A chat request that streams and says nothing of usage.
fn stream_request() -> Value {
    json!({"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "Hi"}]})
}

#[tokio::test]
async fn bodies_pass_unchanged_however_they_are_cut_and_framed() {
    let upstream = Upstream::start(|seen| {
        let mut rng = fastrand::Rng::with_seed(seen.body.len() as u64);
        let body = noise(&mut rng);
        let piece = rng.usize(1..4000);
        let kind = ("content-type", "application/octet-stream");
        match rng.u8(..3) {
            0 => {
                let length = body.len().to_string();
                let head = answers::head(200, &[kind, ("content-length", &length)]);
                vec![Step::Send(head), Step::Split(body, piece)]
            }
            1 => {
                let head = answers::head(200, &[kind, ("transfer-encoding", "chunked")]);
                let chunks = body.chunks(piece).map(|piece| Step::Send(chunk(piece)));
                [Step::Send(head)]
                    .into_iter()
                    .chain(chunks)
                    .chain([Step::Send(LAST_CHUNK)])
                    .collect()
            }
            _ => {
                let head = answers::head(200, &[kind, ("connection", "close")]);
                vec![Step::Send(head), Step::Split(body, piece), Step::Fin]
            }
        }
    })
    .await;
    let program = before(&upstream).await;
    for seed in 0..60 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let body = noise(&mut rng);
        let mut client = Client::connect(program.listen).await;
        let target = format!("/openai/v1/unheard/of/{seed}");
        send_in_pieces(&mut client, &target, &body, &mut rng).await;
        let answer = client.answer().await;
        let seen = upstream.first(seed as usize + 1).await.remove(seed as usize);
        assert_eq!(seen.target, format!("/v1/unheard/of/{seed}"));
        assert_eq!(seen.body, body, "request {seed}");
        let mut rng = fastrand::Rng::with_seed(body.len() as u64);
        assert_eq!(Bytes::from(answer.body), noise(&mut rng), "response {seed}");
        assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
    }
    let records = program.first_records(60).await;
    for (record, seen) in records.iter().zip(upstream.seen()) {
        assert_eq!(record["request"]["bytes"], json!(seen.body.len()));
        let mut rng = fastrand::Rng::with_seed(seen.body.len() as u64);
        assert_eq!(record["response"]["bytes"], json!(noise(&mut rng).len()));
        assert_eq!(record["end"], "complete");
    }
}

/// Bytes that mean nothing, empty now and then.
fn noise(rng: &mut fastrand::Rng) -> Bytes {
    let length = if rng.u8(..8) == 0 { 0 } else { rng.usize(1..40_000) };
    std::iter::repeat_with(|| rng.u8(..)).take(length).collect()
}

async fn send_in_pieces(client: &mut Client, target: &str, body: &[u8], rng: &mut fastrand::Rng) {
    let head = format!("POST {target} HTTP/1.1\r\nhost: rig\r\n");
    let chunked = rng.bool();
    let raw = if chunked {
        let chunks = body.chunks(rng.usize(1..5000)).map(chunk).collect::<Vec<_>>().concat();
        [head.as_bytes(), b"transfer-encoding: chunked\r\n\r\n", &chunks, &LAST_CHUNK].concat()
    } else {
        let length = format!("content-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), length.as_bytes(), body].concat()
    };
    let mut rest = &raw[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rng.usize(1..=rest.len()));
        client.write(piece).await;
        rest = after;
    }
}

#[tokio::test]
async fn a_byte_is_passed_on_before_the_next_exists() {
    let gate = Gate::new();
    let events = joined(&HELLO.message_events());
    let mut script = vec![Step::Send(stream_head())];
    for byte in events.iter().take(40) {
        script.push(Step::Send(chunk(&[*byte])));
        script.push(Step::Wait(gate.clone()));
    }
    script.push(Step::Send(LAST_CHUNK));
    let upstream = Upstream::always(script).await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    client.write(&post("/anthropic/v1/messages", &json!({"stream": true, "model": "m"}))).await;
    assert_eq!(client.head().await.map(|head| head.0), Some(200));
    for byte in events.iter().take(40) {
        let framed = client.read_to("\r\n").await;
        assert_eq!(framed, b"1\r\n");
        assert_eq!(client.read_to("\r\n").await, [*byte, b'\r', b'\n']);
        gate.open();
    }
    assert_eq!(client.read_to("0\r\n\r\n").await, b"0\r\n\r\n");
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_and_recorded() {
    let said = Said { model: "claude-sonnet-4-5", ..HELLO };
    let mut script = vec![Step::Send(stream_head())];
    script.extend(said.message_events().iter().take(5).map(|event| Step::Send(chunk(event))));
    script.push(Step::Hang);
    let upstream = Upstream::always(script).await;
    let program = before(&upstream).await;
    let mut took = Vec::new();
    for turn in 0..5 {
        let mut client = Client::connect(program.listen).await;
        let body = json!({"stream": true, "model": "claude-sonnet-4-5", "max_tokens": 9});
        client.write(&post("/anthropic/v1/messages", &body)).await;
        client.read_to("there").await;
        let left = Instant::now();
        drop(client);
        let seen = upstream.first(turn + 1).await.remove(turn);
        took.push(seen.closed().await.saturating_duration_since(left));
    }
    let best = took.iter().min().copied().unwrap_or_default();
    assert!(best < Duration::from_millis(100), "the upstream learns of it at once: {took:?}");
    for record in program.first_records(5).await {
        assert_eq!(record["end"], "cancelled", "{record}");
        assert_eq!(record["category"], "client_cancelled", "{record}");
        assert_eq!(record["error"], Value::Null, "{record}");
        // The input was told, and a first token of the output; what came after it was counted.
        let usage = &record["usage"];
        assert_eq!((&usage["source"], &usage["input_tokens"]), (&json!("estimated"), &json!(12)));
        assert_eq!(
            (&usage["output_tokens"], usage["estimated"].get("input_tokens")),
            (&json!(1), None)
        );
        assert_eq!(usage["estimated"]["output_tokens"], 2, "{record}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_the_first_byte_is_noticed() {
    let upstream = Upstream::always(vec![Step::Hang]).await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    client.write(&post(CHAT, &json!({"model": "gpt-4o-mini"}))).await;
    let seen = upstream.only().await;
    drop(client);
    seen.closed().await;
    let record = program.record().await;
    assert_eq!((&record["end"], &record["error"]), (&json!("cancelled"), &Value::Null));
}

#[tokio::test]
async fn a_client_that_leaves_before_its_body_begins_costs_nothing() {
    // F-26
    let upstream = Upstream::always(answers::whole(200, &[], b"ok")).await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    client.write(b"POST /openai/v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n").await;
    client.finish().await;
    drop(client);
    let record = program.record().await;
    assert_eq!((&record["end"], &record["error"]), (&json!("cancelled"), &Value::Null), "{record}");
    assert!(upstream.seen().is_empty(), "no upstream is called for it");
}

#[tokio::test]
async fn a_client_that_has_everything_may_leave() {
    let said = Said { model: "claude-sonnet-4-5", ..HELLO };
    let upstream = Upstream::always(answers::stream(&said.message_events())).await;
    let program = before(&upstream).await;
    for _ in 0..20 {
        let mut client = Client::connect(program.listen).await;
        let body = json!({"stream": true, "model": "claude-sonnet-4-5", "max_tokens": 9});
        client.write(&post("/anthropic/v1/messages", &body)).await;
        client.read_to("0\r\n\r\n").await;
    }
    for record in program.first_records(20).await {
        assert_eq!((&record["end"], &record["category"]), (&json!("complete"), &Value::Null));
        assert_eq!(record["usage"]["output_tokens"], 3);
    }
}

/// Ways for a stream to end that are not its end.
fn cuts(gate: &Gate) -> Vec<(&'static str, Script)> {
    let event = HELLO.message_events().remove(0);
    let length = ("content-length", "100000");
    let kind = ("content-type", "text/event-stream");
    let waits = [Step::Wait(gate.clone())];
    let chunked = |end: Vec<Step>| {
        let begin = [Step::Send(stream_head()), Step::Send(chunk(&event))];
        begin.into_iter().chain(waits.clone()).chain(end).collect::<Script>()
    };
    vec![
        ("closed without a last chunk", chunked(vec![Step::Fin])),
        ("reset", chunked(vec![Step::Rst])),
        ("a chunk size that is none", chunked(vec![Step::Send("zz\r\nabc\r\n".into()), Step::Fin])),
        (
            "a chunk size that overflows",
            chunked(vec![Step::Send("fffffffffffffffff\r\nabc\r\n".into()), Step::Fin]),
        ),
        ("closed short of its length", {
            let begin =
                [Step::Send(answers::head(200, &[kind, length])), Step::Send(event.clone())];
            begin.into_iter().chain(waits.clone()).chain([Step::Fin]).collect()
        }),
    ]
}

#[tokio::test]
async fn a_cut_stays_a_cut() {
    let gate = Gate::new();
    for (name, script) in cuts(&gate) {
        let upstream = Upstream::always(script).await;
        let program = before(&upstream).await;
        let mut client = Client::connect(program.listen).await;
        let body = json!({"stream": true, "model": "claude-sonnet-4-5", "max_tokens": 9});
        client.write(&post("/anthropic/v1/messages", &body)).await;
        client.read_to("message_start").await;
        gate.open();
        let (_, rest) = client.piece().await;
        let rest = String::from_utf8_lossy(&rest).into_owned();
        assert!(!rest.ends_with("0\r\n\r\n"), "{name}: no clean end is invented: {rest:?}");
        assert!(client.closed().await, "{name}: the connection ends");
        let record = program.record().await;
        assert_eq!(record["end"], "failed", "{name}: {record}");
        assert_eq!(record["category"], "stream_cut", "{name}: {record}");
        assert_eq!(record["domain"], "provider", "{name}: {record}");
        assert_eq!(record["error"], "stream_cut", "{name}: {record}");
        assert_eq!(record["usage"]["source"], "partial", "{name}: {record}");
        assert_eq!(record["response"]["status"], 200, "{name}: {record}");
    }
}

#[tokio::test]
async fn a_stream_without_its_end_mark_is_passed_on_and_flagged() {
    // Closed where the length is told by closing: a legal end on the wire, not in the protocol.
    let event = HELLO.message_events().remove(0);
    let head =
        answers::head(200, &[("content-type", "text/event-stream"), ("connection", "close")]);
    let upstream =
        Upstream::always(vec![Step::Send(head), Step::Send(event.clone()), Step::Fin]).await;
    let program = before(&upstream).await;
    let body = json!({"stream": true, "model": "claude-sonnet-4-5", "max_tokens": 9});
    let answer = call(program.listen, &post("/anthropic/v1/messages", &body)).await;
    assert_eq!((Bytes::from(answer.body), answer.ended), (event, Ended::Clean));
    let record = program.record().await;
    assert_eq!(record["category"], "stream_cut", "{record}");
    assert_eq!(record["usage"]["source"], "partial", "{record}");
}

/// One chat answer in three codings, made once by the reference tools.
const CODED: [(&str, &str); 3] = [
    (
        "br",
        "1b1101401c05ee9e9b7669db78f111462dd242b61702db96fae5573c7531498cd661e9eafbb6bded384f10f5\
         f47c4605d10b57d00bfabb9dce2d342230f09c1783f3f3c6817a289f7a3d16798d3d018023d7ef100a512160\
         436326747e81fe78a4b7b78edb2805784a134a1b11b29e883f10048c708e8e8f9936405725f460b876a35718\
         873f763ae504386068e38bb7e07a5cfb7a3cf99ac00deb280e0d645798a7b830d3fdff",
    ),
    (
        "zstd",
        "28b52ffd601200ed0500e20c271f6049db06002a763309951afb3f6b4d4209708922075571ccebaf9c0c41b0\
         784d1370acd4db3f00c881e79609db89766c9f53f82968eeb6f9f8b69cf22516d6a6073fcd8b7cb9b461d7ca\
         8196ddb65b6a56e6747cae7d67f0a924e6c42f64d2f40c019e53e92e02074218e8801808d2a60ced01b5538e\
         5f992cfb3110073ec94ef9d4cfdb6ae7726c55d12a110cf6e78a3eb41c539d16757ca267020b00340beb9448\
         3e02212c49412561e27955605a8545568188cb98cd661e",
    ),
    (
        "gzip",
        "1f8b0800000000000203454f6d6ac3300cbdca78bfed92642d1d3ec1ee3046f11c2df1e658c156a11072f7c9\
         d0aefa23785f7ada10473884d94b58d6644b9c60c05f3f14e48e1f022b4312392b150a7921f5f4e7ee3e060b\
         8f94543ead628f6c9798a31dbae168bbb3eddf9a6be618a8c27d6c8879a41b5cb351ad7e22b80d85936ef85a\
         63159fa579380be5d6e29d52e21799a9d001bbc1b7e6d7f9a24daa7672a8c22bf64f83eb236e2dda592ec2bf\
         94f56a3fb4b8c717fff0ab81b0f8f4d49df6fd0fa4c3d17c12010000",
    ),
];

#[tokio::test]
async fn coded_bodies_stay_coded_and_are_read_all_the_same() {
    let upstream = Upstream::start(|seen| {
        let coding = seen.header("accept-encoding").unwrap_or_default().to_owned();
        let (_, hex) = CODED.iter().find(|(name, _)| *name == coding).expect("a known coding");
        let headers = [("content-type", "application/json"), ("content-encoding", &coding)];
        answers::whole(200, &headers, &unhex(hex))
    })
    .await;
    let program = before(&upstream).await;
    for (coding, hex) in CODED {
        let headers = [("accept-encoding", coding), ("content-type", "application/json")];
        let raw = request("POST", CHAT, &headers, br#"{"model":"gpt-4o-mini","messages":[]}"#);
        let answer = call(program.listen, &raw).await;
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert_eq!(answer.body, unhex(hex), "{coding}");
    }
    for record in program.first_records(3).await {
        assert_eq!(record["usage"]["input_tokens"], 12, "{record}");
        assert_eq!(record["usage"]["output_tokens"], 3, "{record}");
        assert_eq!(record["response"]["model"], "gpt-4o-mini-2024-07-18", "{record}");
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|char| char.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

#[tokio::test]
async fn large_bodies_pass_whole() {
    const SIZE: usize = 20 << 20;
    let answer: Bytes = (0..SIZE).map(|at| (at % 251) as u8).collect();
    let said = answer.clone();
    let upstream = Upstream::start(move |_| {
        let length = said.len().to_string();
        let headers = [("content-type", "application/octet-stream"), ("content-length", &length)];
        vec![Step::Send(answers::head(200, &headers)), Step::Send(said.clone())]
    })
    .await;
    let program = before(&upstream).await;
    let mut body = br#"{"model":"gpt-4o-mini","stream":true,"messages":[{"content":""#.to_vec();
    body.resize(SIZE, b'x');
    body.extend_from_slice(br#""}]}"#);
    let got = call(program.listen, &request("POST", CHAT, &[], &body)).await;
    assert!(got.body == answer, "the response is the same");
    assert!(upstream.only().await.body == body, "a body too large to hold back is not touched");
    let record = program.record().await;
    assert_eq!(record["request"]["bytes"], json!(body.len()));
    assert_eq!(record["response"]["bytes"], json!(SIZE));
}

/// Answers as OpenAI does: a usage chunk exactly if it is asked for.
fn chat_stream(seen: &Seen) -> Script {
    answers::stream(&HELLO.chat_events(asks_usage(&seen.json())))
}

#[tokio::test]
async fn usage_is_asked_for_and_the_answer_put_back() {
    let upstream = Upstream::start(|seen| {
        let mut script = chat_stream(seen);
        // In single bytes, to find a filter that counts on whole events.
        for step in &mut script[1..] {
            if let Step::Send(bytes) = step {
                *step = Step::Split(bytes.clone(), 1);
            }
        }
        script
    })
    .await;
    let program = before(&upstream).await;
    // Odd white space, an odd order and a decoy must survive.
    let body = concat!(
        "{ \"messages\" : [ {\"role\":\"user\", \"content\":\"\\\"stream_options\\\": {}\"} ] ,\n",
        "\t\"stream\"\t:  true , \"model\":\"gpt-4o-mini\" , \"n\":1}  "
    );
    let raw = request("POST", CHAT, &[("content-type", "application/json")], body.as_bytes());
    let answer = call(program.listen, &raw).await;
    let seen = upstream.only().await;
    assert!(
        asks_usage(&seen.json()),
        "usage is asked for: {}",
        String::from_utf8_lossy(&seen.body)
    );
    assert_is_splice_of(&seen.body, body.as_bytes());
    // What the upstream sends to somebody who does not ask.
    let direct = HELLO.chat_events(false);
    assert_eq!(answer.text(), String::from_utf8(joined(&direct)).unwrap());
    assert_eq!(answer.ended, Ended::Clean);
    let record = program.record().await;
    assert_eq!(record["usage"]["source"], "injected", "{record}");
    assert_eq!(record["usage"]["input_tokens"], 12, "{record}");
    assert_eq!(record["usage"]["output_tokens"], 3, "{record}");
    assert_eq!(record["request"]["bytes"], json!(body.len()), "{record}");
}

/// Whether removing one run of bytes from `longer` gives `shorter`.
fn assert_is_splice_of(longer: &[u8], shorter: &[u8]) {
    let front = longer.iter().zip(shorter).take_while(|(a, b)| a == b).count();
    let back = longer.iter().rev().zip(shorter.iter().rev()).take_while(|(a, b)| a == b).count();
    assert!(
        front + back >= shorter.len() && longer.len() > shorter.len(),
        "{:?} is not {:?} with something put in",
        String::from_utf8_lossy(longer),
        String::from_utf8_lossy(shorter)
    );
}

#[tokio::test]
async fn a_client_that_spoke_of_usage_is_left_alone() {
    let upstream = Upstream::start(chat_stream).await;
    let program = before(&upstream).await;
    for (number, asked) in [true, false].into_iter().enumerate() {
        let mut body = stream_request();
        body["stream_options"] = json!({"include_usage": asked});
        let answer = call(program.listen, &post(CHAT, &body)).await;
        let seen = upstream.first(number + 1).await.remove(number);
        assert_eq!(seen.body, body.to_string().as_bytes());
        assert_eq!(answer.body, joined(&HELLO.chat_events(asked)));
    }
    let records = program.first_records(2).await;
    assert_eq!(records[0]["usage"]["source"], "provider");
    assert_eq!(records[1]["usage"]["source"], "estimated");
    assert_eq!(records[1]["usage"].get("input_tokens"), None, "an estimate is no told figure");
    assert_eq!(records[1]["usage"]["estimated"]["by"], "o200k");
    assert_eq!(records[1]["cost"]["status"], "priced");
}

#[tokio::test]
async fn usage_is_asked_for_where_the_stream_comes_coded() {
    let upstream = Upstream::start(|seen| {
        let events = joined(&HELLO.chat_events(asks_usage(&seen.json())));
        if !seen.header("accept-encoding").unwrap_or_default().contains("gzip") {
            return answers::stream(&[events.into()]);
        }
        let mut coder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        coder.write_all(&events).expect("coded");
        let coded = coder.finish().expect("coded");
        let head = [
            ("content-type", "text/event-stream"),
            ("content-encoding", "gzip"),
            ("transfer-encoding", "chunked"),
        ];
        let mut script = vec![Step::Send(answers::head(200, &head))];
        script.extend(coded.chunks(11).map(|piece| Step::Send(chunk(piece))));
        script.push(Step::Send(LAST_CHUNK));
        script
    })
    .await;
    let program = before(&upstream).await;
    let headers = [("accept-encoding", "gzip, deflate"), ("content-type", "application/json")];
    let raw = request("POST", CHAT, &headers, stream_request().to_string().as_bytes());
    let answer = call(program.listen, &raw).await;
    let mut text = String::new();
    match answer.header("content-encoding") {
        Some("gzip") => {
            flate2::read::MultiGzDecoder::new(&answer.body[..]).read_to_string(&mut text).unwrap();
        }
        None => text = answer.text(),
        other => panic!("not asked for: {other:?}"),
    }
    assert!(text.contains(" there") && text.ends_with("data: [DONE]\n\n"), "{text}");
    assert!(!text.contains("prompt_tokens"), "the usage chunk is gone: {text}");
    let record = program.record().await;
    assert_eq!(record["usage"]["source"], "injected", "{record}");
    assert_eq!(record["usage"]["input_tokens"], 12, "{record}");
}

#[tokio::test]
async fn a_refused_splice_is_taken_back_once_and_remembered() {
    let upstream = Upstream::start(|seen| {
        if seen.json().get("stream_options").is_none() {
            return answers::stream(&HELLO.chat_events(false));
        }
        let message = "Unrecognized request argument supplied: stream_options";
        answers::value(400, &answers::openai_error("invalid_request_error", "", message))
    })
    .await;
    let program = before(&upstream).await;
    for _ in 0..3 {
        let answer = call(program.listen, &post(CHAT, &stream_request())).await;
        assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
        assert_eq!(answer.body, joined(&HELLO.chat_events(false)));
    }
    let asked: Vec<bool> = upstream.seen().iter().map(|seen| asks_usage(&seen.json())).collect();
    assert_eq!(asked, [true, false, false, false]);
    let records = program.first_records(3).await;
    assert!(records.iter().all(|record| record["usage"]["source"] == "estimated"), "{records:?}");
}

#[tokio::test]
async fn another_refusal_of_a_spliced_request_is_the_clients() {
    let error = answers::openai_error("invalid_request_error", "", "messages is required");
    let upstream = Upstream::always(answers::value(400, &error)).await;
    let program = before(&upstream).await;
    let answer = call(program.listen, &post(CHAT, &stream_request())).await;
    assert_eq!((answer.status, answer.json()), (400, error));
    assert_eq!(upstream.seen().len(), 1, "a request is not repeated for that");
}

#[tokio::test]
async fn heads_without_bodies_end_where_they_should() {
    let upstream = Upstream::start(|seen| {
        let stray = Step::Send("stray bytes".into());
        match seen.target.as_str() {
            "/v1/head" => vec![Step::Send(answers::head(200, &[("content-length", "11")]))],
            "/v1/head-with-body" => {
                vec![Step::Send(answers::head(200, &[("content-length", "11")])), stray]
            }
            "/v1/204" => vec![Step::Send(answers::head(204, &[]))],
            "/v1/304" => vec![Step::Send(answers::head(304, &[("etag", "\"x\"")]))],
            _ => answers::whole(200, &[], b"next"),
        }
    })
    .await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    for (method, target, status) in [
        ("HEAD", "/openai/v1/head", 200),
        ("GET", "/openai/v1/204", 204),
        ("GET", "/openai/v1/304", 304),
        ("HEAD", "/openai/v1/head-with-body", 200),
    ] {
        client.write(&request(method, target, &[], b"")).await;
        let answer = client.try_answer(method == "HEAD").await.expect("an answer");
        assert_eq!((answer.status, answer.body.len()), (status, 0), "{target}");
        if method == "HEAD" {
            assert_eq!(answer.header("content-length"), Some("11"));
        }
        client.write(&request("GET", "/openai/v1/next", &[], b"")).await;
        assert_eq!(client.answer().await.text(), "next", "after {target}");
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_upload_reaches_the_client() {
    let answer = answers::whole(413, &[("content-type", "application/json")], b"{\"error\":{}}");
    let upstream = Upstream::taking(move |_| Take::Head(answer.clone()), |_| vec![]).await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    let head = format!(
        "POST /openai/v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        20 << 20
    );
    client.write(head.as_bytes()).await;
    client.write(&[b'x'; 1000]).await;
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.ended), (413, Ended::Clean));
    assert_eq!(answer.text(), "{\"error\":{}}");
    drop(client);
    let record = program.record().await;
    assert_eq!(record["response"]["status"], 413, "{record}");
}

#[tokio::test]
async fn interim_answers_are_not_the_answer() {
    // F-13
    let hint = Step::Send("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".into());
    let upstream = Upstream::start(move |_| {
        let mut script = vec![hint.clone(); 3];
        script.extend(answers::whole(200, &[], b"final"));
        script
    })
    .await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    client.write(&request("GET", "/openai/v1/models", &[], b"")).await;
    let answer = loop {
        let answer = client.try_answer(false).await.expect("an answer");
        if answer.status >= 200 {
            break answer;
        }
    };
    assert_eq!((answer.status, answer.text().as_str()), (200, "final"));
    assert_eq!(program.record().await["response"]["status"], 200);
}

#[tokio::test]
async fn a_client_that_ends_its_half_is_gone() {
    // F-30: nobody is to pay for an answer nobody reads.
    let upstream = Upstream::always(vec![Step::Hang]).await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    client.write(&request("GET", "/openai/v1/models", &[], b"")).await;
    let seen = upstream.only().await;
    client.finish().await;
    seen.closed().await;
    assert_eq!(program.record().await["end"], "cancelled");
}

#[tokio::test]
async fn headers_pass_but_for_those_of_the_connection_and_of_proxies() {
    let upstream = Upstream::always({
        let head = [
            ("Content-Type", "application/json"),
            ("X-Request-Id", "req_1"),
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Connection", "keep-alive, X-Hop"),
            ("X-Hop", "gone"),
            ("Keep-Alive", "timeout=5"),
        ];
        answers::whole(200, &head, b"{}")
    })
    .await;
    let program = before(&upstream).await;
    let sent = [
        ("Authorization", "Bearer sk-rig"),
        ("X-Twice", "one"),
        ("X-Between", "kept"),
        ("X-Twice", "two"),
        ("OpenAI-Beta", "v=1"),
        ("Accept-Encoding", "gzip;q=0.5"),
        ("Connection", "close, X-Nominated"),
        ("X-Nominated", "gone"),
        ("TE", "gzip"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("x-tidegauge-user", "u"),
        ("x-tidegauge-tag-team", "search"),
        ("Helicone-Auth", "Bearer other"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("baggage", "session.id=7"),
    ];
    let answer =
        call(program.listen, &request("GET", "/openai/v1/models?a=%2F&b", &sent, b"")).await;
    let seen = upstream.only().await;
    assert_eq!(seen.target, "/v1/models?a=%2F&b");
    let kept: Vec<(&str, &str)> = seen
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("via"))
        .collect();
    let mut kept_sorted = kept.clone();
    kept_sorted.sort_unstable();
    let mut want = vec![
        ("Authorization", "Bearer sk-rig"),
        ("X-Twice", "one"),
        ("X-Twice", "two"),
        ("X-Between", "kept"),
        ("OpenAI-Beta", "v=1"),
        ("Accept-Encoding", "gzip;q=0.5"),
    ];
    want.sort_unstable();
    assert_eq!(kept_sorted, want, "as written: {kept:?}");
    let twice: Vec<&str> =
        kept.iter().filter(|(name, _)| *name == "X-Twice").map(|(_, value)| *value).collect();
    assert_eq!(twice, ["one", "two"]);
    assert_eq!(seen.header("host"), Some(upstream.addr.to_string().as_str()));
    assert!(seen.header("via").is_some_and(|via| via.starts_with("1.1 tidegauge-")));

    assert_eq!(answer.header("x-request-id"), Some("req_1"));
    assert_eq!((answer.header("x-hop"), answer.header("keep-alive")), (None, None));
    let cookies = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    assert_eq!(cookies.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert!(answer.headers.iter().any(|(name, _)| name == "X-Request-Id"), "{:?}", answer.headers);
    assert_eq!(answer.header("x-tidegauge-trace-id"), Some("0af7651916cd43dd8448eb211c80319c"));
    let record = program.record().await;
    assert_eq!(record["user"], "u");
    assert_eq!(record["session"], "7");
    assert_eq!(record["tags"], json!({"team": "search"}));
}

#[tokio::test]
async fn requests_at_the_root_find_their_provider() {
    let upstream = Upstream::start(answers::provider).await;
    let origin = upstream.origin();
    let named = ["openai", "anthropic", "gemini"].map(|name| (name, origin.as_str()));
    let program = Start::upstreams(&named).run().await;
    let version = [("anthropic-version", "2023-06-01")];
    for (number, (method, target, headers, upstream_name)) in [
        ("POST", "/v1/chat/completions", &[][..], "openai"),
        ("POST", "/v1/messages", &[][..], "anthropic"),
        ("GET", "/v1/models", &version[..], "anthropic"),
        ("POST", "/v1beta/models/gemini-2.5-flash:generateContent", &[][..], "gemini"),
        ("GET", "/v1/models", &[("x-goog-api-key", "k")][..], "gemini"),
    ]
    .into_iter()
    .enumerate()
    {
        call(program.listen, &request(method, target, headers, b"")).await;
        assert_eq!(upstream.first(number + 1).await[number].target, target);
        let record = program.first_records(number + 1).await.remove(number);
        assert_eq!(record["upstream"], upstream_name, "{target}: {record}");
    }
}

#[tokio::test]
async fn http2_without_tls_is_spoken() {
    let upstream = Upstream::start(answers::provider).await;
    let program = before(&upstream).await;
    let body = stream_request().to_string();
    let request = http::Request::post(format!("{}{CHAT}", program.origin()))
        .header("content-type", "application/json")
        .body(Bytes::from(body))
        .unwrap();
    let answer = call_h2(program.listen, request).await;
    assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
    assert!(answer.text().contains(" there"));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert_eq!(upstream.only().await.header("host"), Some(upstream.addr.to_string().as_str()));
    assert_eq!(program.record().await["usage"]["output_tokens"], 3);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|seen| {
        answers::whole(200, &[("content-type", "text/plain")], seen.target.as_bytes())
    })
    .await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    let targets = ["/openai/v1/a", "/openai/v1/b", "/openai/v1/c"];
    client.write(&targets.map(|target| request("POST", target, &[], b"body")).concat()).await;
    for target in targets {
        assert_eq!(format!("/openai{}", client.answer().await.text()), target);
    }
}

#[tokio::test]
async fn an_expected_continue_is_sent_once() {
    let upstream = Upstream::always(answers::whole(200, &[], b"ok")).await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    client
        .write(
            b"POST /openai/v1/files HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
              content-length: 4\r\n\r\n",
        )
        .await;
    assert_eq!(client.read_to("\r\n\r\n").await, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write(b"body").await;
    assert_eq!(client.answer().await.text(), "ok");
    assert_eq!(&upstream.only().await.body[..], b"body");
}

#[tokio::test]
async fn a_connection_the_upstream_closed_is_not_an_error() {
    // F-22 where it can be told: the close came before the request.
    let upstream = Upstream::start(|seen| {
        let mut script = answers::whole(200, &[], &seen.body);
        script.push(Step::Sleep(Duration::from_micros(fastrand::u64(..1000))));
        script.push(Step::Fin);
        script
    })
    .await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    for number in 0..200 {
        let body = number.to_string();
        client.write(&request("POST", "/openai/v1/x", &[], body.as_bytes())).await;
        let answer = client.answer().await;
        assert_eq!((answer.status, answer.text()), (200, body), "request {number}");
        upstream.first(number + 1).await[number].closed().await;
    }
    assert_eq!(upstream.seen().len(), 200, "each request comes once");
}

#[tokio::test]
async fn a_request_that_meets_a_close_is_sent_once_at_most() {
    // P10: whether the upstream took the bytes can not be known, so nothing is sent again.
    let upstream = Upstream::start(|seen| {
        let mut script = answers::whole(200, &[], &seen.body);
        script.push(Step::Sleep(Duration::from_micros(fastrand::u64(..600))));
        script.push(Step::Fin);
        script
    })
    .await;
    let program = before(&upstream).await;
    let mut client = Client::connect(program.listen).await;
    let mut met = 0;
    for number in 0..300_u32 {
        let body = number.to_string();
        client.write(&request("POST", "/openai/v1/x", &[], body.as_bytes())).await;
        let answer = client.answer().await;
        if answer.status == 502 {
            met += 1;
            assert_eq!(answer.json()["error"]["type"], "connection_terminated");
        } else {
            assert_eq!((answer.status, answer.text()), (200, body), "request {number}");
        }
    }
    let mut bodies: Vec<Bytes> = upstream.seen().into_iter().map(|seen| seen.body).collect();
    bodies.sort();
    let all = bodies.len();
    bodies.dedup();
    assert_eq!(bodies.len(), all, "no request comes twice");
    assert!(met < 300, "some get through");
}
