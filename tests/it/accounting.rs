//! The books balance (identities I1 to I5): what was asked is what was recorded or counted as lost,
//! what was used is what the counters say, to the last token and the last billionth of a dollar.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::answers::{self, LAST_CHUNK, Said, asks_usage, chunk, stream_head};
use crate::support::client::{Client, Ended, post};
use crate::support::collector::Collector;
use crate::support::metrics::Page;
use crate::support::program::{Program, Start};
use crate::support::upstream::{Script, Seen, Step, Upstream};
use crate::support::wait::until_async;

/// Requests, and how many run at a time.
const CALLS: u64 = 240;
const AT_A_TIME: u64 = 16;

/// What becomes of a request, by its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Fate {
    Chat,
    Stream,
    Message,
    MessageStream,
    Embeddings,
    Limited,
    Cut,
    Left,
    Refused,
    Nowhere,
}

impl Fate {
    fn of(number: u64) -> Self {
        use Fate::*;
        let all = [
            Chat,
            Stream,
            Message,
            MessageStream,
            Embeddings,
            Limited,
            Cut,
            Left,
            Refused,
            Nowhere,
        ];
        all[(number % 10) as usize]
    }

    fn target(self) -> &'static str {
        match self {
            Self::Chat | Self::Stream | Self::Limited => "/openai/v1/chat/completions",
            Self::Embeddings => "/openai/v1/embeddings",
            Self::Message | Self::MessageStream | Self::Cut | Self::Left => {
                "/anthropic/v1/messages"
            }
            Self::Refused => "/openai/../v1/chat/completions",
            Self::Nowhere => "/down/v1/chat/completions",
        }
    }

    fn streams(self) -> bool {
        matches!(self, Self::Stream | Self::MessageStream | Self::Cut | Self::Left)
    }
}

/// Tokens of the answer to request `number`: the oracle and the upstream agree on them.
fn tokens(number: u64) -> (u64, u64) {
    (100 + number * 7, 1 + number * 3)
}

fn number_of(seen: &Seen) -> u64 {
    seen.json()["user"]
        .as_str()
        .or(seen.json()["metadata"]["user_id"].as_str())
        .and_then(|text| text.parse().ok())
        .expect("a number")
}

fn answer(seen: &Seen) -> Script {
    let number = number_of(seen);
    let (input, output) = tokens(number);
    let said = Said { model: "rig-model", words: &["one", " two", " three"], input, output };
    match Fate::of(number) {
        Fate::Chat => answers::value(200, &said.chat()),
        Fate::Stream => answers::stream(&said.chat_events(asks_usage(&seen.json()))),
        Fate::Message => answers::value(200, &said.message()),
        Fate::MessageStream => answers::stream(&said.message_events()),
        Fate::Embeddings => {
            let mut body = answers::embeddings("rig-model", false);
            body["usage"] = json!({"prompt_tokens": input, "total_tokens": input});
            answers::value(200, &body)
        }
        Fate::Limited => {
            let error = answers::openai_error("requests", "rate_limit_exceeded", "slow down");
            answers::value(429, &error)
        }
        Fate::Cut | Fate::Left => {
            let mut script = vec![Step::Send(stream_head())];
            script.extend(said.message_events().iter().take(5).map(|e| Step::Send(chunk(e))));
            script.push(if Fate::of(number) == Fate::Cut { Step::Fin } else { Step::Hang });
            script
        }
        Fate::Refused | Fate::Nowhere => vec![Step::Send(LAST_CHUNK)],
    }
}

/// Body bytes that clients got, of responses that are complete.
#[derive(Default)]
struct Got {
    bytes: AtomicU64,
    hashes: std::sync::Mutex<BTreeMap<u64, Vec<u8>>>,
}

async fn one(addr: SocketAddr, number: u64, got: Arc<Got>) {
    let fate = Fate::of(number);
    let who = number.to_string();
    let mut body = json!({"model": "rig-model", "user": who, "metadata": {"user_id": who},
        "max_tokens": 10, "messages": [], "input": "x"});
    if fate.streams() {
        body["stream"] = json!(true);
    }
    let mut client = Client::connect(addr).await;
    client.write(&post(fate.target(), &body)).await;
    if fate == Fate::Left {
        client.read_to("two").await;
        return;
    }
    let answer = client.answer().await;
    let status = match fate {
        Fate::Limited => 429,
        Fate::Refused => 400,
        Fate::Nowhere => 502,
        _ => 200,
    };
    let ended = if fate == Fate::Cut { Ended::Cut } else { Ended::Clean };
    assert_eq!((answer.status, answer.ended), (status, ended), "{fate:?}: {}", answer.text());
    if !matches!(fate, Fate::Cut | Fate::Refused | Fate::Nowhere) {
        got.bytes.fetch_add(answer.body.len() as u64, Relaxed);
        got.hashes.lock().unwrap().insert(number, answer.body);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_under_mixed_load_and_faults() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(answer).await;
    let origin = upstream.origin();
    // Prices whose products are whole billionths: 1.5 and 6 dollars a million. The oracle knows what the
    // provider told, not what is estimated.
    let program = Start::with(format!(
        "upstreams:\n  openai: {{ base_url: \"{origin}\" }}\n  anthropic: {{ base_url: \"{origin}\" }}\n  \
         down: {{ provider: openai, base_url: \"http://127.0.0.1:9\" }}\npricing:\n  models:\n    \
         - {{ model: rig-model, per_million: {{ input: 1.5, output: 6.0 }} }}\n\
         telemetry:\n  estimate_usage: false\n"
    ))
    .export(&collector.origin(), "grpc")
    .run()
    .await;

    let got = Arc::new(Got::default());
    let mut calls = JoinSet::new();
    for number in 0..CALLS {
        calls.spawn(one(program.listen, number, got.clone()));
        if number >= AT_A_TIME {
            calls.join_next().await.expect("a call").expect("a call that went as foreseen");
        }
    }
    while let Some(done) = calls.join_next().await {
        done.expect("a call that went as foreseen");
    }
    let each = CALLS / 10;
    let accepted = CALLS - each;
    let records = program.first_records(accepted as usize).await;

    // I1: a request is a record, a counted loss or a counted refusal.
    assert_eq!(records.len() as u64, accepted, "one record each");
    let books = at_rest(&program).await;
    assert_eq!(books["exchanges"]["accepted"], json!(accepted), "{books}");
    assert_eq!(books["exchanges"]["records"], json!(accepted), "{books}");
    assert_eq!(books["exchanges"]["lost"], json!({}), "{books}");
    assert_eq!(books["rejected"], json!({"path": each}), "{books}");
    assert_eq!((&books["active"], &books["streams"]), (&json!(0), &json!(0)), "{books}");
    assert_eq!(books["panics"], json!({}), "{books}");
    assert_eq!(books["disconnects"], json!(each), "{books}");

    // I2 and I3: a span is acknowledged, dropped or queued, and what is acknowledged is there.
    let spans = &books["spans"];
    let made = accepted * 3;
    assert_eq!((&spans["made"], &spans["queued"]), (&json!(made), &json!(0)), "{books}");
    assert_eq!((&spans["delivered"], &spans["dropped"]), (&json!(made), &json!({})), "{books}");
    let mut ids: Vec<String> = collector.spans().into_iter().map(|span| span.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len() as u64, made);

    balances_with_oracle(&program.metrics().await, &records);
    bytes_are_the_same(&records, &got, &upstream);
}

/// The program's own books, once nothing moves any more.
pub(crate) async fn at_rest(program: &Program) -> Value {
    until_async("the books to come to rest", || async {
        let books = program.page("/readyz?verbose").await.json();
        let spans = &books["spans"];
        let moving = books["exchanges"]["in_flight"] != json!(0)
            || books["active"] != json!(0)
            || spans["queued"] != json!(0)
            || spans["made"] != spans["delivered"];
        Some(books).filter(|_| !moving)
    })
    .await
}

/// I4: the counters equal the oracle's own sums exactly.
fn balances_with_oracle(page: &Page, records: &[Value]) {
    let (mut input, mut output, mut nanos) = (0, 0, 0);
    for number in 0..CALLS {
        let (told_in, told_out) = tokens(number);
        let (told_in, told_out) = match Fate::of(number) {
            Fate::Chat | Fate::Stream | Fate::Message | Fate::MessageStream => (told_in, told_out),
            Fate::Embeddings => (told_in, 0),
            // What the provider said before the break: the whole input and its first output token.
            Fate::Cut | Fate::Left => (told_in, 1),
            Fate::Limited | Fate::Refused | Fate::Nowhere => (0, 0),
        };
        input += told_in;
        output += told_out;
        nanos += told_in * 1500 + told_out * 6000;
    }
    let of = |record: &Value, field: &str| record["usage"][field].as_u64().unwrap_or(0);
    assert_eq!(records.iter().map(|r| of(r, "input_tokens")).sum::<u64>(), input, "records: input");
    assert_eq!(
        records.iter().map(|r| of(r, "output_tokens")).sum::<u64>(),
        output,
        "records: output"
    );
    let usd = |record: &Value| nanos_of(record["cost"]["usd"].as_str().unwrap_or("0"));
    assert_eq!(records.iter().map(usd).sum::<u64>(), nanos, "records: cost");

    let bucket = |word: &str| {
        page.sum("tidegauge_tokens_total", |s| s.labels.values().any(|value| value == word)) as u64
    };
    assert_eq!((bucket("input"), bucket("output")), (input, output), "tokens: {page:?}");
    let cost = page.total("tidegauge_cost_total");
    assert_eq!((cost * 1e9).round() as u64, nanos, "cost: {page:?}");
}

/// Dollars as written, in billionths.
pub(crate) fn nanos_of(usd: &str) -> u64 {
    let (whole, fraction) = usd.split_once('.').unwrap_or((usd, ""));
    assert!(fraction.len() <= 9, "{usd} is whole billionths");
    let fraction: u64 = format!("{fraction:0<9}").parse().expect("digits");
    whole.parse::<u64>().expect("digits") * 1_000_000_000 + fraction
}

/// I5: what a client got is what the upstream sent, and the records say how much it was.
fn bytes_are_the_same(records: &[Value], got: &Got, upstream: &Upstream) {
    let hashes = got.hashes.lock().unwrap();
    for seen in upstream.seen() {
        let number = number_of(&seen);
        let Some(body) = hashes.get(&number) else { continue };
        let sent: Vec<u8> = answer(&seen)
            .into_iter()
            .skip(1)
            .filter_map(|step| if let Step::Send(bytes) = step { Some(bytes) } else { None })
            .flat_map(
                |bytes| if Fate::of(number).streams() { unchunked(&bytes) } else { bytes.to_vec() },
            )
            .collect();
        let sent = match Fate::of(number) {
            // Only what we asked for is not the client's.
            Fate::Stream => String::from_utf8(sent)
                .unwrap()
                .split_inclusive("\n\n")
                .filter(|event| !event.contains("prompt_tokens"))
                .collect::<String>()
                .replace(r#","usage":null"#, "")
                .into_bytes(),
            _ => sent,
        };
        assert!(*body == sent, "{:?} {number}", Fate::of(number));
    }
    let complete = records.iter().filter(|r| r["end"] == "complete" && r["upstream"] != "down");
    let told: u64 = complete.filter_map(|r| r["response"]["bytes"].as_u64()).sum();
    assert_eq!(told, got.bytes.load(Relaxed), "bytes out");
}

fn unchunked(framed: &[u8]) -> Vec<u8> {
    let text = framed.windows(2).position(|two| two == b"\r\n").map_or(0, |at| at + 2);
    framed[text..framed.len().saturating_sub(2).max(text)].to_vec()
}
