//! Responses that run in the background, through the real program: asked for once, fetched again and
//! again, and accounted once.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::accounting::{at_rest, nanos_of};
use crate::support::answers;
use crate::support::client::{Client, call, get, post, request};
use crate::support::collector::Collector;
use crate::support::program::{Program, Start};
use crate::support::upstream::{Script, Seen, Step, Upstream};

const PRICES: &str = "pricing:\n  models:\n    - { model: o3*, per_million: { input: 2.0, output: 8.0 }, per_request: 0.01 }\n";
/// What a response costs: 30 tokens in, 9 out, and the call.
const NANOS: u64 = 30 * 2000 + 9 * 8000 + 10_000_000;

fn response(status: &str) -> Value {
    let over = status != "queued" && status != "in_progress";
    let usage = json!({"input_tokens": 30, "output_tokens": 9, "total_tokens": 39});
    let error = json!({"code": "server_error", "message": "it broke"});
    json!({"id": "resp_1", "object": "response", "status": status, "background": true,
        "model": "o3-2025-04-16", "incomplete_details": null,
        "error": if status == "failed" { error } else { Value::Null },
        "output": [{"type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": "hello"}]}],
        "usage": if over { usage } else { Value::Null }})
}

fn event(kind: &str, status: &str) -> bytes::Bytes {
    let data = json!({"type": kind, "sequence_number": 1, "response": response(status)});
    format!("event: {kind}\ndata: {data}\n\n").into()
}

/// Answers fetches with these states, one after the other, and the last for good.
async fn upstream(states: &'static [&'static str]) -> Upstream {
    let fetched = Mutex::new(0);
    Upstream::start(move |seen: &Seen| -> Script {
        let path = seen.target.split('?').next().unwrap_or_default();
        if path == "/v1/responses" && seen.json()["stream"] == true {
            let mut script = answers::stream(&[event("response.created", "queued")]);
            script.pop();
            script.push(Step::Hang);
            return script;
        }
        if path == "/v1/responses" {
            let status = if seen.json()["background"] == true { "queued" } else { "completed" };
            return answers::value(200, &response(status));
        }
        let mut fetched = fetched.lock().unwrap();
        let status = states.get(*fetched).or(states.last()).unwrap();
        *fetched += 1;
        match seen.target.contains("stream=true") {
            true => answers::stream(&[event(&format!("response.{status}"), status)]),
            false => answers::value(200, &response(status)),
        }
    })
    .await
}

async fn start(upstream: &Upstream) -> Program {
    Start::upstreams(&[("openai", &upstream.origin())]).and(PRICES).run().await
}

fn ask(background: bool) -> Vec<u8> {
    let body = json!({"model": "o3", "input": "hi", "background": background, "user": "ann"});
    post("/openai/v1/responses", &body)
}

const FETCH: &str = "/openai/v1/responses/resp_1";

async fn fetch(program: &Program, times: usize) {
    for _ in 0..times {
        assert_eq!(get(program.listen, FETCH).await.status, 200);
    }
}

/// The places of the records with usage or cost, in the order in which they came.
fn accounted(records: &[Value]) -> Vec<usize> {
    let told = |record: &Value| {
        record["usage"]["source"] != "missing" || record["cost"]["status"] != "unknown"
    };
    let places = records.iter().enumerate().filter(|(_, record)| told(record));
    places.map(|(place, _)| place).collect()
}

fn is_whole(record: &Value) {
    assert_eq!(record["usage"]["source"], "provider", "{record}");
    let usage = &record["usage"];
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(30), &json!(9)));
    assert_eq!(record["cost"]["status"], "priced", "{record}");
    assert_eq!(nanos_of(record["cost"]["usd"].as_str().unwrap()), NANOS);
    // Of whoever asked.
    assert_eq!((&record["request"]["model"], &record["user"]), (&json!("o3"), &json!("ann")));
    assert_eq!(record["operation"], "fetch_response");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_of_a_background_response_are_one_usage() {
    let collector = Collector::start().await;
    let upstream = upstream(&["queued", "in_progress", "completed"]).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .and(PRICES)
        .export(&collector.origin(), "grpc")
        .run()
        .await;
    assert_eq!(call(program.listen, &ask(true)).await.json()["status"], "queued");
    fetch(&program, 2).await;
    let books = at_rest(&program).await;
    assert_eq!(books["responses"], json!({"open": 1, "forgotten": 0}));
    fetch(&program, 2).await;
    let records = program.first_records(5).await;
    assert_eq!(accounted(&records), [3]);
    is_whole(&records[3]);
    assert_eq!((&records[0]["operation"], &records[0]["user"]), (&json!("chat"), &json!("ann")));
    for fetched in [&records[1], &records[2], &records[4]] {
        assert_eq!(
            (&fetched["operation"], &fetched["category"]),
            (&json!("fetch_response"), &Value::Null)
        );
        assert_eq!(fetched["user"], Value::Null);
    }

    let books = at_rest(&program).await;
    assert_eq!(books["responses"], json!({"open": 0, "forgotten": 0}));
    assert_eq!(books["exchanges"]["records"], 5);
    assert_eq!(books["unpriced"], 0);
    let page = program.metrics().await;
    assert_eq!(page.total("tidegauge_tokens_total") as u64, 39);
    assert_eq!((page.total("tidegauge_cost_total") * 1e9).round() as u64, NANOS);
    assert_eq!(page.total("tidegauge_responses_forgotten_total") as u64, 0);
    // Server, call and attempt each.
    let spans = collector.first_spans(15).await;
    let calls: Vec<_> = spans.iter().filter(|span| span.name == "fetch_response").collect();
    assert_eq!(calls.len(), 4);
    let told = |span: &&&_| {
        crate::support::collector::Span::text(span, "tidegauge.usage.source") == Some("provider")
    };
    assert_eq!(calls.iter().filter(told).count(), 1);
    for call in calls {
        assert_eq!(call.text("gen_ai.response.id"), Some("resp_1"));
        assert_eq!(call.text("openai.api.type"), Some("responses"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_came_to_is_told_once() {
    let upstream = upstream(&["failed"]).await;
    let program = start(&upstream).await;
    call(program.listen, &ask(true)).await;
    fetch(&program, 3).await;
    let records = program.first_records(4).await;
    assert_eq!(accounted(&records), [1]);
    is_whole(&records[1]);
    let categories: Vec<_> = records.iter().map(|record| &record["category"]).collect();
    assert_eq!(categories, [&Value::Null, &json!("server_error"), &Value::Null, &Value::Null]);
    assert_eq!(records[1]["error"], "server_error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_tells_it_too() {
    let upstream = upstream(&["in_progress", "cancelled"]).await;
    let program = start(&upstream).await;
    call(program.listen, &ask(true)).await;
    fetch(&program, 1).await;
    for _ in 0..2 {
        let cancel = request("POST", &format!("{FETCH}/cancel"), &[], b"");
        assert_eq!(call(program.listen, &cancel).await.json()["status"], "cancelled");
    }
    fetch(&program, 1).await;
    let records = program.first_records(5).await;
    assert_eq!(accounted(&records), [2]);
    is_whole(&records[2]);
    assert_eq!(records[2]["route"], "/v1/responses/{id}/cancel");
    assert_eq!(records[2]["category"], "client_cancelled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_left_and_resumed_tells_it() {
    let upstream = upstream(&["completed"]).await;
    let program = start(&upstream).await;
    let body =
        json!({"model": "o3", "input": "hi", "background": true, "stream": true, "user": "ann"});
    let mut client = Client::connect(program.listen).await;
    client.write(&post("/openai/v1/responses", &body)).await;
    client.read_to("response.created").await;
    drop(client);
    program.first_records(1).await;
    for _ in 0..2 {
        let resumed = get(program.listen, &format!("{FETCH}?stream=true&starting_after=1")).await;
        assert!(resumed.text().contains("response.completed"));
    }
    let records = program.first_records(3).await;
    assert_eq!(accounted(&records), [1]);
    is_whole(&records[1]);
    assert_eq!(
        (&records[0]["category"], &records[1]["stream"]),
        (&json!("client_cancelled"), &json!(true))
    );
    assert_eq!(records[1]["timing"]["ttft_ms"], Value::Null);
}

/// One that was over when it was asked for was accounted then; one that is not known, elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_seen_to_begin_is_not_told() {
    let upstream = upstream(&["completed"]).await;
    let program = start(&upstream).await;
    fetch(&program, 1).await;
    call(program.listen, &ask(false)).await;
    fetch(&program, 2).await;
    let records = program.first_records(4).await;
    assert_eq!(accounted(&records), [1]);
    assert_eq!(records[1]["operation"], "chat");
}

/// What was asked is with the `POST`, what was answered with the fetch that tells it, and not again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_are_told_once_too() {
    let upstream = upstream(&["in_progress", "completed"]).await;
    for (capture, kept) in [("", false), ("capture: full\n", true)] {
        let start = Start::upstreams(&[("openai", &upstream.origin())]);
        let program = start.and(capture).run().await;
        call(program.listen, &ask(true)).await;
        fetch(&program, 3).await;
        let records = program.first_records(4).await;
        let words: Vec<bool> = records.iter().map(|record| !record["content"].is_null()).collect();
        let told = accounted(&records)[0];
        assert_eq!(
            words,
            [0, 1, 2, 3].map(|place| kept && (place == 0 || place == told)),
            "{capture}"
        );
        if kept {
            let said = &records[told]["content"]["output_messages"][0]["parts"][0]["content"];
            assert_eq!(said, "hello");
        }
    }
}
