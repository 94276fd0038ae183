//! Sends the script's calls to the proxy, as a company's programs would, and reads the answers.
//!
//! Plain HTTP to an address: nothing in process. The script decides what is sent; only when it is
//! sent depends on the clock. Must not know: what the proxy measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::script::{AskUsage, Case, Script, Surface, rhythm};
use super::text;
use super::upstream::SEQUENCE;

/// The hour at which the simulated day begins.
const FIRST_HOUR: f64 = 9.0;

/// Simulated seconds that a simulated hour takes: a day passes in 24 minutes.
const SECONDS_PER_HOUR: f64 = 60.0;

/// The longest that one call may take, in real time.
const PATIENCE: Duration = Duration::from_secs(300);

type Http = Client<HttpConnector, Full<Bytes>>;

/// What became of the calls, as the clients saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Calls made.
    pub calls: u64,
    /// Answers with a status of 400 or more.
    pub refused: u64,
    /// Answers that broke off, or never came.
    pub broken: u64,
    /// Streams that the client left.
    pub left: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ended {
    Well,
    Refused,
    Broken,
    Left,
}

/// Sends calls to `proxy` until `options.once` of them are over, or `stop`.
///
/// Paths begin with `/openai` and `/anthropic`. At most `options.concurrency` calls are open at a
/// time; when all are, the next one waits.
pub async fn run(options: &Options, proxy: SocketAddr, stop: &CancellationToken) -> Sent {
    let script = Script::new(options.seed);
    let mut builder = Client::builder(TokioExecutor::new());
    let http: Http = builder.pool_timer(TokioTimer::new()).build(connector());
    let slots = Arc::new(Semaphore::new(options.concurrency.max(1)));
    let mut calls = JoinSet::new();
    let mut sent = Sent::default();
    let began = Instant::now();
    let mut due = Duration::ZERO;
    for sequence in 0..options.once.unwrap_or(u64::MAX) {
        let case = script.case(sequence);
        due += wait(options, &case, due);
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(began + due) => {}
        }
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = slots.clone().acquire_owned() => slot,
        };
        // What was held up is not caught up with: that would be a burst of our own making.
        due = due.max(began.elapsed());
        let (http, stop) = (http.clone(), stop.clone());
        calls.spawn(async move {
            let ended = tokio::select! {
                () = stop.cancelled() => Ended::Left,
                ended = tokio::time::timeout(PATIENCE, call(&http, proxy, script, &case)) => {
                    ended.unwrap_or(Ended::Broken)
                }
            };
            drop(slot);
            ended
        });
        while let Some(ended) = calls.try_join_next() {
            sent.count(ended.unwrap_or(Ended::Broken));
        }
    }
    while let Some(ended) = calls.join_next().await {
        sent.count(ended.unwrap_or(Ended::Broken));
    }
    sent
}

impl Sent {
    fn count(&mut self, ended: Ended) {
        self.calls += 1;
        match ended {
            Ended::Well => {}
            Ended::Refused => self.refused += 1,
            Ended::Broken => self.broken += 1,
            Ended::Left => self.left += 1,
        }
    }
}

/// The real time from the call before to this one.
fn wait(options: &Options, case: &Case, due: Duration) -> Duration {
    let speed = f64::from(options.speed.max(1));
    let simulated = due.as_secs_f64() * speed;
    let rate = options.rate * rhythm(FIRST_HOUR + simulated / SECONDS_PER_HOUR);
    Duration::from_secs_f64((case.pause / rate.max(0.001) / speed).clamp(0.0, 60.0))
}

fn connector() -> HttpConnector {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector
}

async fn call(http: &Http, proxy: SocketAddr, script: Script, case: &Case) -> Ended {
    let Some(request) = request(proxy, script, case) else { return Ended::Broken };
    let Ok(response) = http.request(request).await else { return Ended::Broken };
    let refused = response.status().as_u16() >= 400;
    let mut body = response.into_body();
    let leaves_at = leaves_at(case);
    let mut events = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Ended::Broken };
        let data = frame.data_ref().map_or(&[][..], |data| &data[..]);
        events += data.windows(5).filter(|window| *window == b"data:").count();
        if leaves_at.is_some_and(|at| events >= at) {
            return Ended::Left;
        }
    }
    if refused { Ended::Refused } else { Ended::Well }
}

/// After how many events the client has had enough.
fn leaves_at(case: &Case) -> Option<usize> {
    let events = usize::try_from(case.output).unwrap_or(0) / text::TOKENS_PER_EVENT;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "small"
    )]
    case.leaves.map(|share| 4 + (share * events as f64) as usize)
}

/// The call as the client's program writes it.
pub(crate) fn request(
    proxy: SocketAddr,
    script: Script,
    case: &Case,
) -> Option<Request<Full<Bytes>>> {
    let path = match case.surface {
        Surface::Chat => "/openai/v1/chat/completions",
        Surface::Responses => "/openai/v1/responses",
        Surface::Embeddings => "/openai/v1/embeddings",
        Surface::Messages => "/anthropic/v1/messages",
    };
    let mut request = Request::post(format!("http://{proxy}{path}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(SEQUENCE, case.sequence)
        .header("x-tidegauge-session", &case.session)
        .header("x-tidegauge-user", &case.user)
        .header("x-tidegauge-tag-team", case.team)
        .header("x-tidegauge-prompt", format!("{}@{}", case.prompt.name, case.version));
    request = match case.surface {
        Surface::Messages => request
            .header("x-api-key", "demo-key")
            .header("anthropic-version", "2023-06-01")
            .header(header::USER_AGENT, "Anthropic/Python 0.79.0"),
        Surface::Chat | Surface::Responses | Surface::Embeddings => request
            .header(header::AUTHORIZATION, "Bearer demo-key")
            .header(header::USER_AGENT, "OpenAI/Python 2.21.0"),
    };
    request.body(Full::new(Bytes::from(body(script, case).to_string()))).ok()
}

fn body(script: Script, case: &Case) -> Value {
    let rng = &mut script.random(case.sequence, 2);
    let question = text::text(rng, case.input);
    match case.surface {
        Surface::Chat => chat(case, &question),
        Surface::Responses => responses(case, &question),
        Surface::Embeddings => json!({
            "model": case.model.name, "input": [question], "encoding_format": "float", "dimensions": 64,
        }),
        Surface::Messages => messages(case, &question),
    }
}

fn chat(case: &Case, question: &str) -> Value {
    let mut body = json!({
        "model": case.model.name,
        "messages": [
            { "role": "system", "content": case.prompt.system },
            { "role": "user", "content": question },
        ],
        "max_completion_tokens": 2048,
        "stream": case.stream,
    });
    match case.ask_usage {
        _ if !case.stream => {}
        AskUsage::Yes => set(&mut body, "stream_options", json!({ "include_usage": true })),
        AskUsage::No => set(&mut body, "stream_options", json!({ "include_usage": false })),
        AskUsage::Unset => {}
    }
    if case.tools {
        let function = json!({
            "name": "assign_berth", "description": "Gives a vessel a berth.", "parameters": parameters(),
        });
        set(&mut body, "tools", json!([{ "type": "function", "function": function }]));
    }
    body
}

fn responses(case: &Case, question: &str) -> Value {
    let mut body = json!({
        "model": case.model.name,
        "instructions": case.prompt.system,
        "input": question,
        "max_output_tokens": 2048,
        "store": false,
        "stream": case.stream,
    });
    if case.tools {
        let tool = json!({
            "type": "function", "name": "assign_berth", "description": "Gives a vessel a berth.",
            "parameters": parameters(), "strict": true,
        });
        set(&mut body, "tools", json!([tool]));
    }
    body
}

fn messages(case: &Case, question: &str) -> Value {
    let mut body = json!({
        "model": case.model.name,
        "system": case.prompt.system,
        "messages": [{ "role": "user", "content": question }],
        "max_tokens": 2048,
        "stream": case.stream,
        "metadata": { "user_id": case.user },
    });
    if case.tools {
        let tool = json!({
            "name": "assign_berth", "description": "Gives a vessel a berth.", "input_schema": parameters(),
        });
        set(&mut body, "tools", json!([tool]));
    }
    body
}

fn parameters() -> Value {
    json!({
        "type": "object",
        "properties": { "berth": { "type": "integer" }, "vessel": { "type": "string" } },
        "required": ["berth", "vessel"],
        "additionalProperties": false,
    })
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests;
