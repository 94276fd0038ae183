//! A simulated provider on loopback: turns a request into the answer that the script has for it.
//!
//! It speaks two wire formats well enough for their real clients. Times are simulated and divided by
//! the speed. Must not know: the proxy, prices, who calls.

mod anthropic;
mod openai;
mod paced;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::paced::Paced;
use super::script::{Case, Script, Surface, mix, model};
use super::text;

/// Carries the number of a call. Requests without it get one from their body.
pub(crate) const SEQUENCE: &str = "x-demo-sequence";

/// Connections at a time; more wait in the listener's backlog.
const CONNECTIONS: usize = 512;

/// The largest request body that is read.
const BODY_BYTES: usize = 4 << 20;

/// When the simulated world began, in seconds since the epoch: what `created` fields count from.
const CREATED: u64 = 1_795_176_000;

/// What the request itself says; it decides over the script, so that a person can try things out.
pub(crate) struct Wanted {
    pub(crate) surface: Surface,
    pub(crate) model: String,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) dimensions: u64,
    pub(crate) inputs: usize,
}

/// An answer with its times, counted from the request.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) head: Duration,
    /// What is sent when; `None` closes the connection without an end.
    pub(crate) pieces: Vec<(Duration, Option<Bytes>)>,
}

/// A running simulated provider; stops when dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Upstream {
    /// Listens on a free loopback port and answers from `seed` with times divided by `speed`.
    pub async fn start(seed: u64, speed: u32) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Script::new(seed), speed.max(1)));
        Ok(Self { address, _tasks: tasks })
    }

    /// Where it listens. Both wire formats are served here, told apart by path.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: TcpListener, script: Script, speed: u32) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(slot) = slots.clone().acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else { continue };
        connections.spawn(async move {
            serve(stream, script, speed).await;
            drop(slot);
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, script: Script, speed: u32) {
    // Events are small and must not wait for each other.
    let _ = stream.set_nodelay(true);
    let service =
        service_fn(
            |request| async move { Ok::<_, Infallible>(respond(request, script, speed).await) },
        );
    // A client that leaves, or a cut that was asked for, ends it with an error: nobody's business.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(request: Request<Incoming>, script: Script, speed: u32) -> Response<Paced> {
    let began = Instant::now();
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::new(),
    };
    let reply = match Wanted::read(&head.method, head.uri.path(), &body) {
        Some(wanted) => {
            let sequence =
                head.headers.get(SEQUENCE).and_then(|value| value.to_str().ok()?.parse().ok());
            let case = script.case(sequence.unwrap_or_else(|| number(&body)));
            wanted.reply(&case, script)
        }
        None if head.method == Method::GET && head.uri.path().ends_with("/v1/models") => {
            openai::models()
        }
        None => openai::not_found(),
    };
    sleep_until(began + reply.head / speed).await;
    reply.into_response(began, speed)
}

impl Wanted {
    /// `None` for what is not a call of a model.
    pub(crate) fn read(method: &Method, path: &str, body: &[u8]) -> Option<Self> {
        let surface = match path {
            _ if method != Method::POST => return None,
            path if path.ends_with("/v1/chat/completions") => Surface::Chat,
            path if path.ends_with("/v1/responses") => Surface::Responses,
            path if path.ends_with("/v1/embeddings") => Surface::Embeddings,
            path if path.ends_with("/v1/messages") => Surface::Messages,
            _ => return None,
        };
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let options = body.get("stream_options");
        Some(Self {
            surface,
            model: body.get("model").and_then(Value::as_str).unwrap_or_default().to_owned(),
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: options
                .and_then(|options| options.get("include_usage")?.as_bool())
                .unwrap_or(false),
            dimensions: body.get("dimensions").and_then(Value::as_u64).unwrap_or(1536).min(4096),
            inputs: body.get("input").and_then(Value::as_array).map_or(1, Vec::len).clamp(1, 64),
        })
    }

    fn reply(&self, case: &Case, script: Script) -> Reply {
        if model(&self.model).is_none() {
            return match self.surface {
                Surface::Messages => anthropic::unknown_model(case, &self.model),
                Surface::Chat | Surface::Responses | Surface::Embeddings => {
                    openai::unknown_model(case, &self.model)
                }
            };
        }
        let mut rng = script.random(case.sequence, 1);
        let words = text::pieces(&mut rng, case.output);
        match self.surface {
            Surface::Messages => anthropic::reply(self, case, &words),
            Surface::Chat => openai::chat(self, case, &words),
            Surface::Responses => openai::responses(self, case, &words),
            Surface::Embeddings => openai::embeddings(self, case, &mut rng),
        }
    }

    /// The name that the answer carries.
    pub(crate) fn answered(&self) -> &str {
        model(&self.model).map_or(&self.model, |model| model.dated)
    }
}

impl Reply {
    /// A JSON document after `head`.
    pub(crate) fn json(status: StatusCode, head: Duration, body: &Value) -> Self {
        let body = Bytes::from(body.to_string());
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, head, pieces: vec![(head, Some(body))] }
    }

    /// A stream of server-sent events, the head with the first one.
    pub(crate) fn events(pieces: Vec<(Duration, Bytes)>) -> Self {
        let head = pieces.first().map_or(Duration::ZERO, |(at, _)| *at);
        let headers = vec![("content-type", "text/event-stream; charset=utf-8".to_owned())];
        let pieces = pieces.into_iter().map(|(at, bytes)| (at, Some(bytes))).collect();
        Self { status: StatusCode::OK, headers, head, pieces }
    }

    pub(crate) fn with(mut self, headers: Vec<(&'static str, String)>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Breaks a stream off in the middle: with a last event, or without an end.
    pub(crate) fn break_off(mut self, last: Option<Bytes>) -> Self {
        let kept = (self.pieces.len() / 2).max(1);
        let next = self.pieces.get(kept).map_or(self.head, |(at, _)| *at);
        self.pieces.truncate(kept);
        self.pieces.push((next, last));
        self
    }

    fn into_response(self, began: Instant, speed: u32) -> Response<Paced> {
        let is_stream = self.pieces.len() > 1;
        let length: usize = self.pieces.iter().flat_map(|(_, piece)| piece).map(Bytes::len).sum();
        let pieces = self.pieces.into_iter();
        let pieces = pieces.map(|(at, piece)| (began + at / speed, piece));
        let mut response = Response::new(Paced::new(pieces.collect()));
        *response.status_mut() = self.status;
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        if !is_stream {
            response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        }
        response
    }
}

/// One event that has only data.
pub(crate) fn data(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

/// One named event.
pub(crate) fn event(name: &str, value: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {value}\n\n"))
}

/// An id that is a function of the call.
pub(crate) fn id(prefix: &str, case: &Case) -> String {
    format!("{prefix}{:016x}{:08x}", mix(case.sequence), case.sequence)
}

/// Seconds since the epoch in the simulated world.
pub(crate) fn created(case: &Case) -> Value {
    json!(CREATED.saturating_add(case.sequence))
}

/// When the token with that number (from 0) is out.
pub(crate) fn at_token(case: &Case, token: usize) -> Duration {
    case.first + case.gap * u32::try_from(token).unwrap_or(u32::MAX)
}

/// When a whole answer is out.
pub(crate) fn at_end(case: &Case) -> Duration {
    at_token(case, usize::try_from(case.output).unwrap_or(0))
}

/// When the head of a stream is out: a moment before its first token.
pub(crate) fn at_head(case: &Case) -> Duration {
    case.first.mul_f64(0.97)
}

/// When a call that never reaches the model is turned away.
pub(crate) fn at_error(case: &Case) -> Duration {
    case.first / 5
}

/// A number for a body that carries none (FNV-1a).
fn number(body: &[u8]) -> u64 {
    body.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
