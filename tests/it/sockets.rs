//! Sessions over websockets through the real program: bytes pass unchanged, each turn is a record,
//! and the books balance.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::accounting::{at_rest, nanos_of};
use crate::support::collector::{Collector, Span};
use crate::support::program::Start;
use crate::support::say;
use crate::support::socket::{Coding, Pair};
use crate::support::wait::until;

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// The program with an upstream of that provider there.
fn start(provider: &str, upstream: &TcpListener) -> Start {
    let origin = format!("http://{}", upstream.local_addr().unwrap());
    Start::upstreams(&[(provider, &origin)])
}

const REALTIME: &str = "/openai/v1/realtime?model=gpt-realtime";

fn ask() -> Value {
    json!({"type": "response.create"})
}

fn created(id: &str) -> Value {
    json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}})
}

fn delta(id: &str) -> Value {
    json!({"type": "response.output_text.delta", "response_id": id, "delta": "hello"})
}

fn done(id: &str, input: u64, output: u64) -> Value {
    json!({"type": "response.done", "response": {"id": id, "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}],
        "usage": {"total_tokens": input + output, "input_tokens": input, "output_tokens": output}}})
}

/// One turn, from what asks for it to its end.
async fn turn(pair: &mut Pair, id: &str, input: u64, output: u64) {
    pair.up(&ask()).await;
    pair.down(&created(id)).await;
    pair.down(&delta(id)).await;
    pair.down(&done(id, input, output)).await;
}

/// Records of turns and of sessions.
fn sorted(records: Vec<Value>) -> (Vec<Value>, Vec<Value>) {
    records.into_iter().partition(|record| !record["within"].is_null())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_turn_is_a_record_as_soon_as_it_is_over() {
    let (collector, upstream) = (Collector::start().await, listener().await);
    let program = start("openai", &upstream)
        .and("pricing:\n  models:\n    - { model: gpt-realtime, per_million: { input: 4.0, output: 16.0 } }\n")
        .export(&collector.origin(), "grpc")
        .run()
        .await;
    let secret = "sec-websocket-protocol: realtime, openai-insecure-api-key.sk-very-secret\r\n";
    let mut pair = Pair::open(&program, &upstream, REALTIME, Coding::Deflate, secret).await;
    assert!(pair.asked.contains("openai-insecure-api-key.sk-very-secret"), "{}", pair.asked);
    pair.down(
        &json!({"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime"}}),
    )
    .await;
    turn(&mut pair, "r1", 100, 10).await;
    // The session goes on, and the turn is there already, in records, spans and metrics.
    let first = program.first_records(1).await;
    assert_eq!(
        (&first[0]["response"]["id"], &first[0]["operation"]),
        (&json!("r1"), &json!("chat"))
    );
    collector.span("of the first turn", |span| span.name == "chat gpt-realtime").await;
    turn(&mut pair, "r2", 200, 20).await;
    pair.close().await;

    let (turns, sessions) = sorted(program.first_records(3).await);
    assert_eq!((turns.len(), sessions.len()), (2, 1));
    let session = &sessions[0];
    for (turn, (id, input, output)) in turns.iter().zip([("r1", 100, 10), ("r2", 200, 20)]) {
        assert_eq!(turn["response"]["id"], id);
        assert_eq!(turn["within"], session["id"]);
        assert_eq!(turn["trace_id"], session["trace_id"]);
        assert_eq!(
            (&turn["usage"]["input_tokens"], &turn["usage"]["output_tokens"]),
            (&json!(input), &json!(output))
        );
        assert_eq!((&turn["cost"]["status"], &turn["stream"]), (&json!("priced"), &json!(true)));
        assert_eq!(nanos_of(turn["cost"]["usd"].as_str().unwrap()), input * 4000 + output * 16000);
        assert!(
            turn["timing"]["ttft_ms"].as_f64().is_some() && turn["response"]["status"].is_null(),
            "{turn}"
        );
        assert_eq!((&turn["end"], &turn["category"]), (&json!("complete"), &Value::Null));
    }
    assert_eq!((&session["operation"], &session["turns"]), (&json!("realtime"), &json!(2)));
    assert_eq!(session["usage"], json!({"source": "missing"}));
    assert_eq!(
        (&session["cost"]["status"], &session["cost"]["usd"]),
        (&json!("unknown"), &Value::Null)
    );
    assert_eq!((&session["end"], &session["category"]), (&json!("complete"), &Value::Null));

    // A session is one request and one record; its turns are counted beside it (I1).
    let books = at_rest(&program).await;
    assert_eq!(
        books["exchanges"],
        json!({"accepted": 1, "records": 1, "lost": {}, "in_flight": 0})
    );
    assert_eq!(books["turns"], json!({"over": 2, "records": 2, "lost": {}}));
    assert_eq!(books["messages_skipped"], 0);
    let spans = collector.first_spans(5).await;
    assert_eq!(books["spans"]["made"], 5, "server, session, attempt and two turns");
    below_its_session(&spans, 2);

    // I4: nothing is counted twice.
    let page = program.metrics().await;
    let bucket = |word: &str| {
        page.sum("tidegauge_tokens_total", |s| s.labels.values().any(|v| v == word)) as u64
    };
    assert_eq!((bucket("input"), bucket("output")), (300, 30));
    assert_eq!((page.total("tidegauge_cost_total") * 1e9).round() as u64, 300 * 4000 + 30 * 16000);
    assert_eq!(page.total("tidegauge_requests_total") as u64, 1);
    let calls = |word: &str| {
        let count = "gen_ai_client_operation_duration_seconds_count";
        page.sum(count, |s| s.label("gen_ai_operation_name") == word) as u64
    };
    assert_eq!((calls("chat"), calls("realtime")), (2, 1));
    let everything = format!("{:?}{}", program.records(), program.said());
    assert!(!everything.contains("very-secret"));
    assert!(!String::from_utf8_lossy(&collector.bytes()).contains("very-secret"));
}

/// The spans of the turns are children of the session's, in its trace.
fn below_its_session(spans: &[Span], turns: usize) {
    let session = spans.iter().find(|span| span.name.starts_with("realtime")).expect("a session");
    let server = spans.iter().find(|span| span.kind == 2).expect("a server span");
    assert_eq!(session.parent, server.id);
    let below: Vec<&Span> = spans
        .iter()
        .filter(|span| span.parent == session.id && span.scope == "tidegauge.genai")
        .collect();
    assert_eq!(below.len(), turns, "{spans:#?}");
    for turn in below {
        assert_eq!(turn.trace, session.trace);
        assert!(turn.start >= session.start && turn.end <= session.end, "{turn:?} {session:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abrupt_end_is_told_and_balances() {
    // How it ends, and what becomes of the open turn and the session.
    let rows = [
        ("client", "client_cancelled", "client_cancelled"),
        ("client resets", "client_cancelled", "client_cancelled"),
        ("server", "stream_cut", "stream_cut"),
        ("server resets", "stream_cut", "stream_cut"),
        ("server closes with 1011", "stream_cut", "server_error"),
    ];
    for (how, turn_category, session_category) in rows {
        let upstream = listener().await;
        let program = start("openai", &upstream).run().await;
        let mut pair = Pair::open(&program, &upstream, REALTIME, Coding::Plain, "").await;
        turn(&mut pair, "r1", 100, 10).await;
        pair.up(&ask()).await;
        pair.down(&created("r2")).await;
        pair.down(&delta("r2")).await;
        match how {
            "client" => {
                drop(pair.client);
                pair.server.ended().await;
            }
            "client resets" => pair.client.reset(),
            "server" => {
                drop(pair.server);
                pair.client.ended().await;
            }
            "server resets" => pair.server.reset(),
            _ => {
                let close =
                    pair.server.frame(0x88, &[&1011_u16.to_be_bytes()[..], b"broken"].concat());
                pair.raw_down(&close).await;
                drop(pair.server);
                pair.client.ended().await;
            }
        }
        let (turns, sessions) = sorted(program.first_records(3).await);
        assert_eq!((turns.len(), sessions.len()), (2, 1), "{how}");
        assert_eq!(
            (&turns[0]["category"], &turns[0]["usage"]["input_tokens"]),
            (&Value::Null, &json!(100)),
            "{how}"
        );
        assert_eq!(turns[1]["category"], turn_category, "{how}: {}", turns[1]);
        assert_eq!(turns[1]["usage"], json!({"source": "missing"}), "{how}");
        assert_eq!(sessions[0]["category"], session_category, "{how}: {}", sessions[0]);
        assert_eq!(sessions[0]["turns"], 2, "{how}");
        let books = at_rest(&program).await;
        assert_eq!(books["turns"], json!({"over": 2, "records": 2, "lost": {}}), "{how}");
        assert_eq!(
            (&books["exchanges"]["records"], &books["active"]),
            (&json!(1), &json!(0)),
            "{how}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_message_passes_and_is_not_read() {
    let upstream = listener().await;
    let program = start("openai", &upstream).run().await;
    for coding in [Coding::Plain, Coding::Deflate, Coding::Fresh] {
        let mut pair = Pair::open(&program, &upstream, REALTIME, coding, "").await;
        turn(&mut pair, "r1", 1, 2).await;
        // Hardly compressible.
        let mut seed = 1_u64;
        let noise: String = (0..5 << 20)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'A' + ((seed >> 33) % 26) as u8)
            })
            .collect();
        pair.up(&json!({"type": "input_audio_buffer.append", "audio": noise})).await;
        pair.down(
            &json!({"type": "response.output_audio.delta", "response_id": "x", "delta": noise}),
        )
        .await;
        turn(&mut pair, "r2", 3, 4).await;
        pair.close().await;
    }
    let (turns, sessions) = sorted(program.first_records(9).await);
    assert_eq!((turns.len(), sessions.len()), (6, 3));
    assert!(
        turns.iter().all(|turn| turn["usage"]["source"] == "provider" && turn["partial"].is_null())
    );
    assert!(sessions.iter().all(|session| session["partial"] == true));
    let books = at_rest(&program).await;
    assert_eq!((&books["messages_skipped"], &books["partial"]), (&json!(6), &json!(3)));
}

/// Nonsense, and an encoding nobody knows, pass as they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_passes_all_the_same() {
    let upstream = listener().await;
    let program = start("openai", &upstream).run().await;
    let mut pair = Pair::open(&program, &upstream, REALTIME, Coding::Plain, "").await;
    turn(&mut pair, "r1", 1, 2).await;
    let garbage: Vec<u8> =
        (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    pair.raw_up(&garbage).await;
    pair.raw_down(&garbage).await;
    drop(pair.server);
    drop(pair.client);
    let (turns, sessions) = sorted(program.first_records(2).await);
    assert_eq!((turns.len(), &sessions[0]["partial"]), (1, &json!(true)));
    assert_eq!(sessions[0]["request"]["bytes"].as_u64().map(|bytes| bytes > 100_000), Some(true));
    let books = at_rest(&program).await;
    assert_eq!((&books["messages_skipped"], &books["panics"]), (&json!(2), &json!({})));
}

/// A session may say nothing for longer than any answer may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_may_be_idle() {
    let upstream = listener().await;
    let origin = format!("http://{}", upstream.local_addr().unwrap());
    let config = format!(
        "upstreams:\n  openai: {{ base_url: \"{origin}\", timeouts: {{ idle: 100ms, head: 5s }} }}\n"
    );
    let program = Start::with(config).run().await;
    let mut pair = Pair::open(&program, &upstream, REALTIME, Coding::Plain, "").await;
    turn(&mut pair, "r1", 1, 2).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    turn(&mut pair, "r2", 3, 4).await;
    pair.close().await;
    let (turns, sessions) = sorted(program.first_records(3).await);
    assert_eq!((turns.len(), &sessions[0]["category"]), (2, &Value::Null));
}

/// A stop ends what is open, and everything is written down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_cuts_a_session_and_records_it() {
    let upstream = listener().await;
    let mut program = start("openai", &upstream).and("limits: { drain: 200ms }\n").run().await;
    let mut pair = Pair::open(&program, &upstream, REALTIME, Coding::Plain, "").await;
    turn(&mut pair, "r1", 1, 2).await;
    pair.up(&ask()).await;
    pair.down(&created("r2")).await;
    program.stop().await;
    let (turns, sessions) = sorted(program.records());
    let categories: Vec<&Value> = turns.iter().map(|turn| &turn["category"]).collect();
    assert_eq!(categories, [&Value::Null, &json!("proxy")]);
    assert_eq!((sessions.len(), &sessions[0]["category"]), (1, &json!("proxy")));
}

/// Without a 101 there is no session, only an answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_session_is_an_answer() {
    use crate::support::answers;
    use crate::support::client::{Client, request};
    use crate::support::upstream::Upstream;
    let upstream = Upstream::start(|_| {
        let error =
            answers::openai_error("invalid_request_error", "invalid_api_key", "Incorrect API key");
        answers::value(401, &error)
    })
    .await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let fields = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut client = Client::connect(program.listen).await;
    client.write(&request("GET", REALTIME, &fields, b"")).await;
    assert_eq!(client.answer().await.status, 401);
    let record = program.record().await;
    assert_eq!(
        (&record["category"], &record["error"]),
        (&json!("auth"), &json!("invalid_api_key"))
    );
    assert_eq!((&record["operation"], &record["turns"]), (&json!("realtime"), &Value::Null));
}

fn websocket_recordings() -> Vec<Value> {
    let Ok(folder) = std::env::var("TIDEGAUGE_RECORDINGS") else {
        say("skipped: TIDEGAUGE_RECORDINGS names no folder of recordings");
        return Vec::new();
    };
    let read = |file: &PathBuf| -> Option<Value> {
        let text = std::fs::read_to_string(file).ok()?;
        serde_json::from_str(&text).ok()
    };
    let all = json_files(Path::new(&folder));
    all.iter().filter_map(read).filter(|recording| recording["kind"] == "websocket").collect()
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
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
    files
}

/// Recorded sessions of real providers: both ends are played, frame by frame, in every encoding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_sessions_pass_and_are_understood() {
    let mut agreed = 0;
    for recording in websocket_recordings() {
        for coding in [Coding::Plain, Coding::Deflate, Coding::Fresh] {
            play(&recording, coding).await;
            agreed += 1;
        }
    }
    say(&format!("{agreed} sessions agree in bytes and truth"));
}

async fn play(recording: &Value, coding: Coding) {
    let (label, id) = (recording["provider"].as_str().unwrap(), &recording["id"]);
    let upstream = listener().await;
    let program = start(label, &upstream).run().await;
    let live = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
    let path = if label == "gemini" { live } else { "/openai/v1/realtime" };
    let target = format!("/{label}{path}");
    let mut pair = Pair::open(&program, &upstream, &target, coding, "").await;
    for message in recording["messages"].as_array().unwrap() {
        match message["direction"].as_str() {
            Some("sent") => pair.up(&message["data"]).await,
            _ => pair.down(&message["data"]).await,
        }
    }
    pair.close().await;
    let expected = &recording["expected"];
    let wanted = expected["responses"].as_array().unwrap();
    let records = until(&format!("the records of {id}"), || {
        Some(program.records()).filter(|all| all.iter().any(|one| one["within"].is_null()))
    })
    .await;
    let (turns, sessions) = sorted(records);
    assert_eq!((sessions.len(), &sessions[0]["category"]), (1, &Value::Null), "{id}");
    assert_eq!(sessions[0]["turns"], turns.len(), "{id}");
    let turns: Vec<Value> =
        turns.into_iter().filter(|turn| turn["operation"] != "transcription").collect();
    assert_eq!(turns.len(), wanted.len(), "{id} {coding:?}: {turns:?}");
    for (turn, want) in turns.iter().zip(wanted) {
        let usage = &turn["usage"];
        let rows = [
            ("input_tokens", &usage["input_tokens"]),
            ("output_tokens", &usage["output_tokens"]),
            ("cached_tokens", &usage["cache_read_tokens"]),
            ("reasoning_tokens", &usage["reasoning_tokens"]),
            ("cache_write_tokens", &usage["cache_write_tokens"]),
            ("audio_input_tokens", &usage["audio_input_tokens"]),
            ("audio_output_tokens", &usage["audio_output_tokens"]),
            ("response_id", &turn["response"]["id"]),
            ("status", &turn["response"]["finish_reasons"][0]),
        ];
        for (field, got) in rows {
            if let Some(want) = want.get(field) {
                assert_eq!(got, want, "{id} {coding:?}: {field} in {turn}");
            }
        }
        assert_eq!(
            turn["response"].get("model").unwrap_or(&Value::Null),
            &expected["response_model"],
            "{id}"
        );
        assert_eq!(turn["category"], expected["error_category"], "{id}");
        assert!(turn["cost"]["status"] != "unknown", "{id}: {turn}");
    }
    let books = at_rest(&program).await;
    assert_eq!(
        (&books["turns"]["lost"], &books["messages_skipped"]),
        (&json!({}), &json!(0)),
        "{id}"
    );
}

/// Stand in what is asked and in what is answered.
const EMAIL: &str = "ann@example.com";
const CANARY: &str = "canary-7f3a91";
/// Sound as it comes over the wire.
const SOUND: &str = "U09VTkRTT1VORA==";

/// A turn of each protocol: asked and answered with the same words, and with sound.
async fn tell(pair: &mut Pair, target: &str) {
    let words = format!("{CANARY} {EMAIL}");
    let content = json!([{"type": "input_text", "text": words}]);
    let item = json!({"type": "message", "role": "user", "content": content});
    if target == REALTIME {
        let session = json!({"id": "s", "instructions": format!("be kind, {CANARY}")});
        pair.down(&json!({"type": "session.updated", "session": session})).await;
        pair.up(&json!({"type": "input_audio_buffer.append", "audio": SOUND})).await;
        pair.up(&json!({"type": "conversation.item.create", "item": item})).await;
        pair.up(&ask()).await;
    } else {
        let instructions = format!("be kind, {CANARY}");
        pair.up(&json!({"type": "response.create", "model": "m", "instructions": instructions, "input": [item]}))
            .await;
    }
    pair.down(&created("r1")).await;
    let sound = json!({"type": "response.output_audio.delta", "response_id": "r1", "delta": SOUND});
    pair.down(&sound).await;
    pair.down(&json!({"type": "response.output_text.delta", "response_id": "r1", "delta": words}))
        .await;
    let over = if target == REALTIME { "response.done" } else { "response.completed" };
    let response = json!({"id": "r1", "status": "completed", "output": [],
        "usage": {"total_tokens": 3, "input_tokens": 1, "output_tokens": 2}});
    pair.down(&json!({"type": over, "response": response})).await;
}

/// The record of the turn, and everything that came out of the program.
async fn told(target: &str, capture: &str, extra: &str) -> (Value, String) {
    let (collector, upstream) = (Collector::start().await, listener().await);
    let start = start("openai", &upstream).and(capture).env("TIDEGAUGE_LOG", "trace");
    let start = start.env("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT");
    let mut program = start.export(&collector.origin(), "http/protobuf").run().await;
    let mut pair = Pair::open(&program, &upstream, target, Coding::Deflate, extra).await;
    tell(&mut pair, target).await;
    pair.close().await;
    let (mut turns, sessions) = sorted(program.first_records(2).await);
    assert_eq!((turns.len(), &sessions[0]["content"]), (1, &Value::Null), "{target} {capture}");
    let mut all = program.page("/metrics").await.text();
    assert!(program.stop().await.success());
    all += &program.said();
    all += &std::fs::read_to_string(program.record_file()).unwrap();
    all += &String::from_utf8_lossy(&collector.bytes());
    assert!(!all.contains(SOUND) && all.contains("\"r1\""), "{target} {capture}");
    (turns.remove(0), all)
}

/// What a turn says goes where what a call says does, and only if it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_turns_are_captured_as_permitted() {
    for target in [REALTIME, "/openai/v1/responses"] {
        let silent = "x-tidegauge-capture: off\r\n";
        for (capture, extra) in [("", ""), ("capture: full\n", silent)] {
            let (turn, all) = told(target, capture, extra).await;
            assert_eq!(turn["content"], Value::Null, "{target}");
            assert!(!all.contains(CANARY) && !all.contains(EMAIL), "{target}");
        }
        for (capture, email) in
            [("capture: redacted\n", "[REDACTED:email]"), ("capture: full\n", EMAIL)]
        {
            let (turn, all) = told(target, capture, "").await;
            let text = |text: &str| json!({"type": "text", "content": text});
            let words = text(&format!("{CANARY} {email}"));
            let want = json!({
                "system_instructions": [text(&format!("be kind, {CANARY}"))],
                "input_messages": [{"role": "user", "parts": [words]}],
                "output_messages": [{"role": "assistant", "parts": [words], "finish_reason": "stop"}],
            });
            assert_eq!(turn["content"], want, "{target} {capture}");
            assert_eq!(all.contains(EMAIL), email == EMAIL, "{target} {capture}");
        }
    }
}
