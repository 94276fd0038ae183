//! A client that makes everything up: names of models, sessions, users, tags and paths. It gets its
//! answers, fills no memory, makes no endless series, and hides no sum.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::answers::{self, Said};
use crate::support::client::{Client, request};
use crate::support::collector::Collector;
use crate::support::metrics::Page;
use crate::support::program::{Program, Start};
use crate::support::upstream::{Script, Seen, Upstream};
use crate::support::wait::until;

/// Requests, each with names of its own.
const REQUESTS: usize = 10_000;
/// Clients at once.
const CLIENTS: usize = 8;
/// Values of one attribute: 200, `_OTHER`, none.
const VALUES: usize = 202;

const INPUT: u64 = 5;
const OUTPUT: u64 = 2;

/// What comes of a request, by its number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// An answer by a model that has a price.
    Priced,
    /// An answer by a model that was made up.
    Unpriced,
    /// A refusal with a code that was made up.
    Refused,
    /// A path that was made up.
    Path,
}

impl Fate {
    fn of(number: usize) -> Self {
        match number % 10 {
            0..=5 => Self::Priced,
            6..=7 => Self::Unpriced,
            8 => Self::Refused,
            _ => Self::Path,
        }
    }

    /// How many of the requests.
    fn count(self) -> u64 {
        (0..REQUESTS).filter(|number| Self::of(*number) == self).count() as u64
    }
}

fn answer(seen: &Seen) -> Script {
    let asked = seen.json()["model"].as_str().unwrap_or_default().to_owned();
    let number = asked.rsplit('-').next().and_then(|number| number.parse().ok()).expect("a number");
    let model = match Fate::of(number) {
        Fate::Priced => "gpt-4o-mini",
        Fate::Unpriced => asked.as_str(),
        Fate::Refused => {
            let code = format!("odd-{number}");
            let error = json!({"message": "no", "type": "invalid_request_error", "code": code});
            return answers::value(400, &json!({ "error": error }));
        }
        Fate::Path => return answers::value(200, &json!({})),
    };
    let said = Said { model, words: &["x"], input: INPUT, output: OUTPUT };
    answers::value(200, &said.chat())
}

fn question(number: usize) -> Vec<u8> {
    let target = match Fate::of(number) {
        Fate::Path => format!("/openai/v1/made-up-{number}"),
        _ => "/openai/v1/chat/completions".to_owned(),
    };
    let [session, user, team, other] =
        ["session", "user", "team", "other"].map(|name| format!("{name}-{number}"));
    let headers = [
        ("content-type", "application/json"),
        ("x-tidegauge-session", session.as_str()),
        ("x-tidegauge-user", user.as_str()),
        ("x-tidegauge-tag-team", team.as_str()),
        (&format!("x-tidegauge-tag-{other}"), other.as_str()),
    ];
    let body = json!({"model": format!("made-up-{number}"), "messages": []}).to_string();
    request("POST", &target, &headers, body.as_bytes())
}

/// Asks the questions of these numbers, a few at a time.
async fn ask(listen: SocketAddr, numbers: std::ops::Range<usize>) {
    let mut clients = JoinSet::new();
    for lane in 0..CLIENTS {
        let numbers = numbers.clone();
        clients.spawn(async move {
            let mut client = Client::connect(listen).await;
            for number in numbers.skip(lane).step_by(CLIENTS) {
                client.write(&question(number)).await;
                let refused = Fate::of(number) == Fate::Refused;
                assert_eq!(client.answer().await.status, if refused { 400 } else { 200 });
            }
        });
    }
    clients.join_all().await;
}

/// Waits until so many records are written. They are only counted: there are many.
async fn recorded(program: &Program, count: usize) {
    until(&format!("{count} records"), || {
        let text = std::fs::read(program.record_file()).unwrap_or_default();
        (text.iter().filter(|byte| **byte == b'\n').count() >= count).then_some(())
    })
    .await;
}

fn values<'a>(labels: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    labels.collect()
}

/// Billionths of a dollar.
fn nanos(dollars: f64) -> u64 {
    (dollars * 1e9).round() as u64
}

#[tokio::test]
async fn a_hostile_client_makes_no_endless_series_and_hides_no_sum() {
    let collector = Collector::start().await;
    let upstream = Upstream::start(answer).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "http/protobuf")
        // Spans are not what this is about, and there are many.
        .env("OTEL_TRACES_EXPORTER", "none")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "2000")
        .run()
        .await;
    let half = REQUESTS / 2;
    ask(program.listen, 0..half).await;
    recorded(&program, half).await;
    let (halfway, resident) = (program.metrics().await, program.resident());
    ask(program.listen, half..REQUESTS).await;
    recorded(&program, REQUESTS).await;
    let page = program.metrics().await;

    let grown = program.resident().saturating_sub(resident);
    assert!(grown < 24 << 20, "{} KiB more for {half} new names of everything", grown >> 10);
    assert_eq!(page.0.len(), halfway.0.len(), "new names make no new series");
    bounded(&page);

    // Read before the program stops, as it goes on writing until then.
    let records = program.records();
    let sum = |path: &str| {
        let told = records.iter().filter_map(|record| record.pointer(path)?.as_u64());
        told.sum::<u64>()
    };
    let tokens = sum("/usage/input_tokens") + sum("/usage/output_tokens");
    assert_eq!(tokens, (Fate::Priced.count() + Fate::Unpriced.count()) * (INPUT + OUTPUT));
    let dollars = |record: &Value| record["cost"]["usd"].as_str().map(|usd| usd.parse().unwrap());
    let cost: u64 = records.iter().filter_map(dollars).map(nanos).sum();
    assert!(cost > 0 && cost.is_multiple_of(Fate::Priced.count()), "{cost}");

    let calls = REQUESTS as u64 - Fate::Path.count();
    totals_on_the_page(&page, calls, tokens, cost);
    program.stop().await;
    totals_at_the_collector(&collector, calls, tokens, cost);
}

/// Every label has few values, and what was folded is counted.
fn bounded(page: &Page) {
    for label in [
        "gen_ai_request_model",
        "gen_ai_response_model",
        "error_type",
        "tidegauge_tag_team",
        "http_route",
    ] {
        let values = values(page.0.iter().map(|sample| sample.label(label)));
        // Where the error is that of HTTP, it is a status.
        let more = usize::from(label == "error_type" && values.contains("400"));
        assert!(values.len() <= VALUES + more, "{label} has {} values", values.len());
    }
    for label in ["gen_ai_request_model", "error_type", "tidegauge_tag_team"] {
        assert!(page.0.iter().any(|sample| sample.label(label) == "_OTHER"), "{label} is folded");
    }
    let named = |sample: &&crate::support::metrics::Sample| {
        let about_callers = ["session-", "user-", "other-"];
        sample.labels.values().any(|value| about_callers.iter().any(|one| value.starts_with(one)))
    };
    assert_eq!(page.0.iter().find(named).map(|sample| &sample.labels), None);
    let folded = page.total("tidegauge_labels_folded_total") as usize;
    // Each request but the first ones has a team without room.
    assert!(folded >= REQUESTS - VALUES, "{folded}");
}

fn totals_on_the_page(page: &Page, calls: u64, tokens: u64, cost: u64) {
    let total = |name: &str| page.total(name) as u64;
    assert_eq!(total("tidegauge_requests_total"), REQUESTS as u64);
    assert_eq!(total("http_server_request_duration_seconds_count"), REQUESTS as u64);
    assert_eq!(total("gen_ai_client_operation_duration_seconds_count"), calls);
    assert_eq!(total("tidegauge_tokens_total"), tokens);
    assert_eq!(total("gen_ai_client_token_usage_sum"), tokens);
    assert_eq!(nanos(page.total("tidegauge_cost_total")), cost);
}

fn totals_at_the_collector(collector: &Collector, calls: u64, tokens: u64, cost: u64) {
    let sum = |name: &str| {
        let points = collector.points(name);
        assert!(points.len() <= 7001, "{name} has {} series", points.len());
        let values = values(points.iter().filter_map(|point| point.text("gen_ai.request.model")));
        assert!(values.len() <= VALUES, "{name} has {} models", values.len());
        (points.iter().map(|p| p.count).sum::<u64>(), points.iter().map(|p| p.value).sum::<f64>())
    };
    assert_eq!(sum("tidegauge.requests").1 as u64, REQUESTS as u64);
    assert_eq!(sum("gen_ai.client.operation.duration").0, calls);
    assert_eq!(sum("gen_ai.client.token.usage").1 as u64, tokens);
    assert_eq!(sum("tidegauge.tokens").1 as u64, tokens);
    assert_eq!(nanos(sum("tidegauge.cost").1), cost);
}
