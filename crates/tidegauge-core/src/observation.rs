//! What was said in an exchange, read from the bytes.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use http::StatusCode;

use crate::{Content, Labels, Outcome, Usage};

/// The form of output a request asks for (`gen_ai.output.type`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OutputType {
    /// Plain text.
    Text,
    /// JSON, free or by schema.
    Json,
    /// Pictures.
    Image,
    /// Spoken audio.
    Speech,
}

impl OutputType {
    /// Every form.
    pub const ALL: [Self; 4] = [Self::Text, Self::Json, Self::Image, Self::Speech];

    /// The word of the convention.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Image => "image",
            Self::Speech => "speech",
        }
    }
}

/// What the request asked. Absent means the body does not say.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Request {
    /// The model asked for.
    pub model: Option<String>,
    /// A stream was asked for.
    pub stream: bool,
    /// The provider's own name of the surface (`openai.api.type`), where it has one.
    pub api: Option<&'static str>,
    /// Upper bound of output tokens.
    pub max_tokens: Option<u64>,
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    pub top_p: Option<f64>,
    /// Top-k sampling.
    pub top_k: Option<u64>,
    /// Frequency penalty.
    pub frequency_penalty: Option<f64>,
    /// Presence penalty.
    pub presence_penalty: Option<f64>,
    /// Seed.
    pub seed: Option<i64>,
    /// Stop sequences, in order.
    pub stop_sequences: Vec<String>,
    /// Number of choices asked for.
    pub choices: Option<u64>,
    /// Form of the output.
    pub output_type: Option<OutputType>,
    /// Reasoning effort, as written.
    pub reasoning_level: Option<String>,
    /// Service tier asked for, as written.
    pub service_tier: Option<String>,
    /// The response this one continues.
    pub previous_response_id: Option<String>,
    /// Encodings asked for embeddings.
    pub encoding_formats: Vec<String>,
    /// Dimensions asked for embeddings.
    pub dimensions: Option<u64>,
    /// Messages (or input items) in the request.
    pub messages: Option<u64>,
    /// Tools declared.
    pub tools: Option<u64>,
    /// Tool results in the request that say they failed.
    pub tool_errors: u64,
    /// Who is calling, as the provider's own body fields tell it; in a [`Record`](crate::Record) they are
    /// in its `who`.
    pub labels: Labels,
}

/// An error object of the provider, from a body or from inside a stream.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ProviderError {
    /// The provider's word for the kind of error.
    pub kind: Option<String>,
    /// The provider's code, if it has one beside the kind.
    pub code: Option<String>,
    /// The provider's text. May hold what the client sent: never exported as it is.
    pub message: Option<String>,
}

/// When a limit is whole again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reset {
    /// So long after the response head came.
    In(Duration),
    /// At this time of the provider's clock.
    At(SystemTime),
}

/// One limit that the provider told in its headers.
#[derive(Clone, PartialEq, Debug)]
pub struct RateLimit {
    /// What is limited: `requests`, `tokens`, `input_tokens`, `output_tokens`, ...
    pub resource: &'static str,
    /// The limit.
    pub limit: Option<u64>,
    /// What is left of it.
    pub remaining: Option<u64>,
    /// When it is whole again.
    pub reset: Option<Reset>,
}

/// What the provider answered. Absent means the response does not say.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Response {
    /// The upstream's status.
    pub status: Option<StatusCode>,
    /// The provider's id of the response object.
    pub id: Option<String>,
    /// The provider's id of the request, from its headers.
    pub request_id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// One per choice, in order, in the provider's words.
    pub finish_reasons: Vec<String>,
    /// Distinct tool calls for the client to run.
    pub tool_calls: u64,
    /// Tool calls whose arguments do not parse or that the provider calls malformed.
    pub bad_tool_calls: u64,
    /// The model declined to answer.
    pub refusal: bool,
    /// A filter removed or blocked something.
    pub content_filter: bool,
    /// There was visible output (text, a tool call, audio, a picture, a vector).
    pub output: bool,
    /// Service tier that served the call.
    pub service_tier: Option<String>,
    /// `system_fingerprint`.
    pub system_fingerprint: Option<String>,
    /// Length of the vectors of an embeddings answer.
    pub dimensions: Option<u64>,
    /// The error object, if there was one.
    pub error: Option<ProviderError>,
    /// What a token-counting endpoint counted. Not usage.
    pub counted_tokens: Option<u64>,
    /// Events of a stream that carried data.
    pub events: u64,
    /// The stream's own end mark was seen. `None` when the protocol has none.
    pub terminated: Option<bool>,
    /// Time the provider says it spent.
    pub processing: Option<Duration>,
    /// Limits told in the headers.
    pub rate_limits: Vec<RateLimit>,
    /// `retry-after`, in whole seconds.
    pub retry_after: Option<u64>,
    /// Headers worth keeping that have no field of their own, by low-cardinality name.
    pub extra: BTreeMap<&'static str, String>,
}

/// Calls of one batch job that can be priced together: to one model, with prompts of about the same
/// length.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct BatchCalls {
    /// The model that answered.
    pub model: Option<String>,
    /// How many calls.
    pub count: u64,
    /// The longest prompt among them, in tokens. No price list has a step between it and the
    /// shortest.
    pub prompt: u64,
    /// What they used, added up.
    pub usage: Usage,
}

/// The results of a batch job, read from their file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Batch {
    /// How many results there are.
    pub results: u64,
    /// How many of them are errors.
    pub failed: u64,
    /// The calls with known usage, by model and length of prompt; bounded.
    pub calls: Vec<BatchCalls>,
    /// Results with usage for which there was no room.
    pub left_out: u64,
}

/// When a stream said what, since the exchange began.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StreamTimes {
    /// The first event with data.
    pub first_chunk: Option<Duration>,
    /// The first event with visible text, reasoning or tool arguments.
    pub first_token: Option<Duration>,
    /// The last such event.
    pub last_token: Option<Duration>,
    /// Gaps between data events after the first, at most [`StreamTimes::MAX_GAPS`] of them: once
    /// full, later gaps are counted in `gaps_dropped`.
    pub gaps: Vec<Duration>,
    /// Gaps that found no room.
    pub gaps_dropped: u64,
}

impl StreamTimes {
    /// How many gaps are kept.
    pub const MAX_GAPS: usize = 4096;
}

/// What was said in an exchange.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Observation {
    /// The asking half.
    pub request: Request,
    /// The answering half.
    pub response: Response,
    /// The response was a stream.
    pub stream: bool,
    /// What was used. For the results of a batch job, by all its calls.
    pub usage: Usage,
    /// The results of a batch job, where these were read.
    pub batch: Option<Batch>,
    /// Times inside a stream; empty for a unary response.
    pub times: StreamTimes,
    /// What it comes to.
    pub outcome: Outcome,
    /// Something was too large, too deep or not decodable, so parts were not read.
    pub partial: bool,
    /// What was said, word by word. `None` unless its capture was permitted, and then as far as it
    /// was: whoever puts it here has taken out what must not be kept.
    pub content: Option<Box<Content>>,
    /// How many turns a session had. Each has a record of its own, which alone tells their usage.
    /// `None` for everything that is not a session whose messages were read.
    pub turns: Option<u64>,
}
