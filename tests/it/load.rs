//! Many streams at once, and what a stop does to them: all end, and the books balance (F-44, F-48).
//!
//! Streams are opened and ended in waves, so that however many there are, none waits for more than its
//! wave.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::accounting::at_rest;
use crate::durable::balances;
use crate::support::answers::{LAST_CHUNK, Said, chunk, stream_head};
use crate::support::client::{Client, post};
use crate::support::collector::Collector;
use crate::support::program::{Program, Start};
use crate::support::upstream::{Gate, Script, Seen, Step, Upstream};
use crate::support::wait::{until, until_async};
use crate::support::{long, say};

const WAVE: usize = 100;

/// File descriptors that a process may have open.
fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    soft.unwrap_or(1024)
}

/// As many streams as are wanted, or as descriptors allow: each takes two, here and in the program.
/// Most of the rest is left to the tests beside this one.
fn as_many_as(wanted: usize) -> usize {
    let spare = if long() { 800 } else { descriptors() / 2 };
    let room = (descriptors() - spare.min(descriptors())) / 2;
    let count = wanted.min(room) / WAVE * WAVE;
    if count < wanted {
        say(&format!("{count} streams instead of {wanted}: {} descriptors", descriptors()));
    }
    assert!(count > 0, "there are descriptors for a wave");
    count
}

/// Tokens of the answer to request `number`.
fn tokens(number: usize) -> (u64, u64) {
    let number = number as u64;
    (100 + number, 2 + number % 50)
}

fn body_of(number: usize) -> Vec<bytes::Bytes> {
    let (input, output) = tokens(number);
    let text = format!(" number {number}");
    Said { model: "rig-model", words: &["It is", &text], input, output }.chat_events(true)
}

/// Says two events, waits at the gate, says the rest.
fn answer(seen: &Seen, gate: &Gate) -> Script {
    let number = seen.json()["user"].as_str().and_then(|text| text.parse().ok()).expect("a number");
    let mut script = vec![Step::Send(stream_head())];
    let events = body_of(number);
    for (place, event) in events.iter().enumerate() {
        if place == 2 {
            script.push(Step::Wait(gate.clone()));
        }
        script.push(Step::Send(chunk(event)));
    }
    script.push(Step::Send(LAST_CHUNK));
    script
}

/// A stream that has begun and waits.
struct Open {
    number: usize,
    client: Client,
    /// What it has said, as it was framed.
    said: Vec<u8>,
}

struct Rig {
    gate: Gate,
    /// Held for as long as anybody asks.
    _upstream: Upstream,
    collector: Collector,
    program: Program,
}

impl Rig {
    async fn start(more: &str) -> Self {
        let gate = Gate::new();
        let upstream = Upstream::start({
            let gate = gate.clone();
            move |seen| answer(seen, &gate)
        })
        .await;
        let collector = Collector::start().await;
        let program = Start::upstreams(&[("openai", &upstream.origin())])
            .and(
                "pricing:\n  models:\n    \
                 - { model: rig-model, per_million: { input: 1.5, output: 6.0 } }\n",
            )
            .and(more)
            .export(&collector.origin(), "http/protobuf")
            .run()
            .await;
        Self { gate, _upstream: upstream, collector, program }
    }

    /// Opens streams; each has said something when this returns.
    async fn open(&self, numbers: Range<usize>) -> Vec<Open> {
        let mut open = Vec::new();
        let numbers: Vec<usize> = numbers.collect();
        for wave in numbers.chunks(WAVE) {
            let mut tasks = JoinSet::new();
            for &number in wave {
                let addr = self.program.listen;
                tasks.spawn(async move {
                    let mut client = Client::connect(addr).await;
                    let body = json!({
                        "model": "rig-model", "user": number.to_string(), "messages": [],
                        "stream": true, "stream_options": {"include_usage": true}
                    });
                    client.write(&post("/openai/v1/chat/completions", &body)).await;
                    assert_eq!(client.head().await.map(|head| head.0), Some(200), "{number}");
                    let said = client.read_to("It is").await;
                    Open { number, client, said }
                });
            }
            open.extend(tasks.join_all().await);
        }
        open
    }

    /// Lets every stream end, and compares to the last byte what came of them.
    async fn end(&self, open: Vec<Open>) {
        let mut open = open.into_iter().peekable();
        // Whichever scripts pass: the last streams of a wave may have to wait for those of the next.
        self.gate.open_for(open.len());
        while open.peek().is_some() {
            let mut tasks = JoinSet::new();
            for mut one in open.by_ref().take(WAVE) {
                tasks.spawn(async move {
                    one.said.extend(one.client.read_to("\r\n0\r\n\r\n").await);
                    assert!(unframed(&one.said) == body_of(one.number).concat(), "{}", one.number);
                });
            }
            tasks.join_all().await;
        }
    }
}

/// A chunked body without its framing.
fn unframed(mut framed: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = framed.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&framed[..at]).expect("a size");
        let size = usize::from_str_radix(size, 16).expect("a size");
        body.extend_from_slice(&framed[at + 2..at + 2 + size]);
        framed = &framed[at + 2 + size + 2..];
    }
    body
}

/// Streams that are open now, as the program counts them.
async fn streams(program: &Program) -> u64 {
    program.page("/readyz?verbose").await.json()["streams"].as_u64().expect("a count")
}

/// F-48: all streams finish, every byte is the upstream's, and identities I1 to I5 hold at the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f48_many_streams_at_once_all_finish_and_the_books_balance() {
    let count = as_many_as(if long() { 10_000 } else { 500 });
    let rig = Rig::start("limits: { connections: 12000 }\n").await;
    let open = rig.open(0..count).await;
    assert_eq!(streams(&rig.program).await, count as u64, "all at once");
    let held = rig.program.resident();
    rig.end(open).await;
    say(&format!("{count} streams at once; {} MiB with all of them open", held >> 20));

    let records = records(&rig.program, count).await;
    assert_eq!(records.len(), count);
    let books = at_rest(&rig.program).await;
    let made = 3 * count as u64;
    assert_eq!(books["exchanges"]["records"], json!(count), "{books}");
    assert_eq!(
        (&books["exchanges"]["lost"], &books["panics"]),
        (&json!({}), &json!({})),
        "{books}"
    );
    assert_eq!((&books["streams"], &books["active"]), (&json!(0), &json!(0)), "{books}");
    assert_eq!(
        (&books["spans"]["made"], &books["spans"]["delivered"]),
        (&json!(made), &json!(made))
    );
    let ids: BTreeSet<String> = rig.collector.spans().into_iter().map(|span| span.id).collect();
    assert_eq!(ids.len() as u64, made, "what was acknowledged is there");

    let sums = (0..count).map(tokens).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let page = rig.program.metrics().await;
    let bucket = |word: &str| {
        page.sum("tidegauge_tokens_total", |s| s.labels.values().any(|value| value == word)) as u64
    };
    assert_eq!((bucket("input"), bucket("output")), sums);
    let nanos = sums.0 * 1500 + sums.1 * 6000;
    assert_eq!((page.total("tidegauge_cost_total") * 1e9).round() as u64, nanos);
    let told: u64 = records.iter().filter_map(|r| r["response"]["bytes"].as_u64()).sum();
    let sent: usize = (0..count).map(|number| body_of(number).concat().len()).sum();
    assert_eq!(told, sent as u64, "bytes out");
    balances(&rig.program).await;
}

/// The records of so many streams; thousands are not read again and again.
async fn records(program: &Program, count: usize) -> Vec<Value> {
    until_async("the last record", || async {
        let books = program.page("/readyz?verbose").await.json();
        Some(()).filter(|()| books["exchanges"]["records"] == json!(count))
    })
    .await;
    program.first_records(count).await
}

/// F-44: a stop ends no stream that ends in time; nothing new is taken; what was recorded is delivered
/// before the process ends, and it ends well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f44_a_stop_cuts_none_of_500_streams() {
    for signal in ["TERM", "INT"] {
        let count = as_many_as(500);
        let mut rig = Rig::start("").await;
        let open = rig.open(0..count).await;
        rig.program.signal(signal).await;
        let listen = rig.program.listen;
        until("new connections to be refused", || {
            std::net::TcpStream::connect(listen).is_err().then_some(())
        })
        .await;
        rig.end(open).await;
        assert!(rig.program.ended().await.success(), "{signal}: {}", rig.program.said());
        let records = rig.program.records();
        assert_eq!(records.len(), count, "{signal}");
        assert!(records.iter().all(|record| record["end"] == "complete"), "{signal}");
        let ids: BTreeSet<String> = rig.collector.spans().into_iter().map(|span| span.id).collect();
        assert_eq!(ids.len(), 3 * count, "{signal}: delivered before the end");
    }
}

/// F-44: a second word ends all of them at once, and each says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f44_a_second_signal_cuts_500_streams_and_each_is_told() {
    let count = as_many_as(500);
    let mut rig = Rig::start("limits: { drain: 15m }\n").await;
    let open = rig.open(0..count).await;
    rig.program.signal("TERM").await;
    let listen = rig.program.listen;
    until("new connections to be refused", || {
        std::net::TcpStream::connect(listen).is_err().then_some(())
    })
    .await;
    rig.program.signal("TERM").await;
    rig.program.ended().await;
    let mut cut = 0;
    for mut one in open {
        let mut rest = Vec::new();
        loop {
            let (_, piece) = one.client.piece().await;
            if piece.is_empty() {
                break;
            }
            rest.extend_from_slice(&piece);
        }
        assert!(!rest.ends_with(b"0\r\n\r\n"), "a cut stays a cut");
        cut += 1;
    }
    assert_eq!(cut, count);
    let records = rig.program.records();
    assert_eq!(records.len(), count, "each made a record");
    assert!(records.iter().all(|record| record["end"] == "failed"), "{:?}", records.first());
}
