//! One request and its response, as the data plane saw them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode, Version};
use ulid::Ulid;

use crate::{Failure, Origin, SpanId, Trace};

/// Sortable by time of arrival; shown as the 26 characters of a ULID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExchangeId(Ulid);

impl ExchangeId {
    /// From milliseconds since the Unix epoch and random bits (the low 80 are used).
    pub fn new(unix_ms: u64, random: u128) -> Self {
        Self(Ulid::from_parts(unix_ms, random))
    }

    /// All of it, for storing.
    pub fn bits(self) -> u128 {
        self.0.0
    }

    /// From what [`ExchangeId::bits`] gave.
    pub fn from_bits(bits: u128) -> Self {
        Self(Ulid(bits))
    }
}

impl fmt::Display for ExchangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What was asked of the provider. The first five are OpenTelemetry's words, the rest are ours.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// A conversation turn: chat completions, responses, messages, converse.
    Chat,
    /// Gemini's and Vertex's multimodal generation.
    GenerateContent,
    /// A legacy prompt completion.
    TextCompletion,
    /// Vectors for texts.
    Embeddings,
    /// A response that was asked for before, shown or cancelled by its id.
    FetchResponse,
    /// Documents ordered by relevance.
    Rerank,
    /// Pictures made or edited.
    ImageGeneration,
    /// Video made.
    VideoGeneration,
    /// Text to audio.
    Speech,
    /// Audio to text, translated or not.
    Transcription,
    /// A text classified by a safety model.
    Moderation,
    /// Tokens counted without a model call.
    CountTokens,
    /// Models listed or shown.
    Models,
    /// A batch job made, read or cancelled, and its files.
    Batch,
    /// A session over a websocket.
    Realtime,
    /// Anything else: forwarded, timed and counted.
    Other,
}

impl Operation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Self; 16] = [
        Self::Chat,
        Self::GenerateContent,
        Self::TextCompletion,
        Self::Embeddings,
        Self::FetchResponse,
        Self::Rerank,
        Self::ImageGeneration,
        Self::VideoGeneration,
        Self::Speech,
        Self::Transcription,
        Self::Moderation,
        Self::CountTokens,
        Self::Models,
        Self::Batch,
        Self::Realtime,
        Self::Other,
    ];

    /// The word used in records, metrics and spans (`gen_ai.operation.name`).
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::GenerateContent => "generate_content",
            Self::TextCompletion => "text_completion",
            Self::Embeddings => "embeddings",
            Self::FetchResponse => "fetch_response",
            Self::Rerank => "rerank",
            Self::ImageGeneration => "image_generation",
            Self::VideoGeneration => "video_generation",
            Self::Speech => "speech",
            Self::Transcription => "transcription",
            Self::Moderation => "moderation",
            Self::CountTokens => "count_tokens",
            Self::Models => "models",
            Self::Batch => "batch",
            Self::Realtime => "realtime",
            Self::Other => "other",
        }
    }

    /// Whether a model produced something, now or before: these get an inference span and GenAI
    /// metrics, the others only HTTP ones.
    pub fn is_inference(self) -> bool {
        !matches!(self, Self::CountTokens | Self::Models | Self::Batch | Self::Other)
    }
}

/// How an exchange ended, seen from the client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum End {
    /// The whole response was passed on, whatever its status.
    Complete,
    /// The response could not be had, or broke off.
    Failed,
    /// The client left first.
    Cancelled,
}

impl End {
    /// Every end.
    pub const ALL: [Self; 3] = [Self::Complete, Self::Failed, Self::Cancelled];

    /// The word used in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A prompt that the caller names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prompt {
    /// Its name.
    pub name: String,
    /// Its version, if told.
    pub version: Option<String>,
}

/// Who is calling and on whose behalf. Never invented: absent means not told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Labels {
    /// Session or conversation.
    pub session: Option<String>,
    /// End user, as the caller names them.
    pub user: Option<String>,
    /// Prompt name and version.
    pub prompt: Option<Prompt>,
    /// Agent name.
    pub agent: Option<String>,
    /// The caller's own id for this request.
    pub request_id: Option<String>,
    /// Free tags, such as `team`.
    pub tags: BTreeMap<String, String>,
}

impl Labels {
    /// Fills what is absent here from `weaker`. What is told here stays.
    pub fn or(&mut self, weaker: Labels) {
        let Labels { session, user, prompt, agent, request_id, tags } = weaker;
        self.session = self.session.take().or(session);
        self.user = self.user.take().or(user);
        self.prompt = self.prompt.take().or(prompt);
        self.agent = self.agent.take().or(agent);
        self.request_id = self.request_id.take().or(request_id);
        for (name, value) in tags {
            self.tags.entry(name).or_insert(value);
        }
    }
}

/// One try at the upstream: an HTTP request of ours, answered or not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// The id of its HTTP client span.
    pub span: SpanId,
    /// When the request was handed to the upstream connection, since the exchange began.
    pub started: Duration,
    /// When its response head came or it failed; the last attempt of a stream ends here too.
    pub ended: Duration,
    /// The status the upstream sent.
    pub status: Option<StatusCode>,
    /// Why there is no status.
    pub failure: Option<Failure>,
    /// Protocol of the response.
    pub version: Option<Version>,
    /// The address that was connected to.
    pub peer: Option<SocketAddr>,
}

/// When the data plane saw what, since the exchange began. Monotonic.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// The upstream request was issued (the first attempt). `None`: nothing was sent.
    pub sent: Option<Duration>,
    /// The response head came from the upstream.
    pub head: Option<Duration>,
    /// The first response body byte came from the upstream.
    pub first_byte: Option<Duration>,
    /// The last response body byte came from the upstream.
    pub last_byte: Option<Duration>,
    /// The exchange was over.
    pub ended: Duration,
}

/// The time the proxy itself added, by phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Overhead {
    /// Request head read until the route was known.
    pub accept: Duration,
    /// Route known until the request was handed to the upstream client (policy, held-back body).
    /// Waiting for the client's own bytes is not counted.
    pub admission: Duration,
    /// A connection had to be made or waited for. Zero on a pooled one.
    pub connect: Duration,
    /// Inside the proxy with response bytes in hand, summed over the response.
    pub relay: Duration,
}

impl Overhead {
    /// What the proxy adds to a call. Making a connection is not in it: going direct would need one
    /// too.
    pub fn total(&self) -> Duration {
        self.accept + self.admission + self.relay
    }
}

/// Where an exchange went: what of an [`Upstream`](crate::Upstream) may be kept. No header, no key and
/// no way to speak to it; a copy costs two counters.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// The upstream's name by configuration.
    pub name: Arc<str>,
    /// The word a configuration uses for its protocol ([`Dialect::kind`](crate::Dialect::kind)).
    pub kind: &'static str,
    /// The provider's name in telemetry (`gen_ai.provider.name`).
    pub provider: &'static str,
    /// Where it is.
    pub origin: Arc<Origin>,
}

/// Everything the data plane knows about one exchange once it is over.
///
/// A turn of a session (one response over a socket) is told by the same words: it has an id, times
/// and an inference span of its own, and no attempts, status or overhead, which are the session's.
#[derive(Clone, PartialEq, Debug)]
pub struct Exchange {
    /// Our id for it.
    pub id: ExchangeId,
    /// Wall clock when the request head was read; every other time is an offset from here.
    pub started: SystemTime,
    /// Its place in a trace.
    pub trace: Trace,
    /// Where it went, by configuration.
    pub to: Destination,
    /// What was asked.
    pub operation: Operation,
    /// Low-cardinality route pattern (`http.route`), such as `/v1/chat/completions`.
    pub route: Cow<'static, str>,
    /// The client's method.
    pub method: Method,
    /// The client's path, as it came, without the query.
    pub path: String,
    /// The client's query with the values of secret parameters replaced.
    pub query: Option<String>,
    /// `https` when our listener speaks TLS.
    pub secure: bool,
    /// The client's address.
    pub client: Option<SocketAddr>,
    /// Host and port the client asked for.
    pub host: Option<String>,
    /// Protocol of the client's request.
    pub version: Version,
    /// `user-agent` of the client.
    pub user_agent: Option<String>,
    /// Who is calling, from headers and baggage; in a [`Record`](crate::Record) they are in its `who`.
    pub labels: Labels,
    /// The tries at the upstream, in order.
    pub attempts: Vec<Attempt>,
    /// The status the client got; `None` when it got none.
    pub status: Option<StatusCode>,
    /// Request body bytes read from the client.
    pub request_bytes: u64,
    /// Response body bytes read from the upstream.
    pub upstream_bytes: u64,
    /// Response body bytes passed to the client.
    pub response_bytes: u64,
    /// When what happened.
    pub times: Times,
    /// What the proxy added.
    pub overhead: Overhead,
    /// How it ended.
    pub end: End,
    /// Why, when it failed on the way.
    pub failure: Option<Failure>,
    /// Usage was asked for by us: the request body was spliced and the extra chunk removed again.
    pub injected: bool,
}
