//! The shape of the JSON, field by field and in its order.
//!
//! Closed lists are text here: a word that a later version writes is kept as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ContentJson, Counts, Json};

/// Version of the format.
pub const VERSION: u32 = 1;

/// One exchange, as it is written.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RecordJson<'a> {
    /// Version of this format: 1.
    #[serde(default = "version")]
    pub v: u32,
    /// Our id, a ULID: sorts by time of arrival.
    pub id: Cow<'a, str>,
    /// When the request head was read; UTC, milliseconds.
    pub time: Cow<'a, str>,
    /// 32 hex digits; the caller's if its trace is continued.
    pub trace_id: Cow<'a, str>,
    /// 16 hex digits: the `call` span of a model call, else the `server` span. Also there when the trace is not sampled.
    pub span_id: Cow<'a, str>,
    /// Where it went, by configuration.
    pub upstream: Cow<'a, str>,
    /// The provider's name in telemetry, see the table.
    pub provider: Cow<'a, str>,
    /// What was asked, from a closed list.
    pub operation: Cow<'a, str>,
    /// Pattern of the path; `/{path}` for an unknown one.
    pub route: Cow<'a, str>,
    /// The answer was a stream; or one was asked for and none came.
    pub stream: bool,
    /// What was asked.
    pub request: RequestJson<'a>,
    /// What came back.
    pub response: ResponseJson<'a>,
    /// Who counted what.
    pub usage: UsageJson<'a>,
    /// What it cost.
    pub cost: CostJson<'a>,
    /// The results of a batch job, where these were fetched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchJson<'a>>,
    /// How long it took.
    pub timing: TimingJson,
    /// `complete`: the whole response was passed on, whatever its status. `failed`: it could not be had or broke off. `cancelled`: the client left before the end, of a stream before its last event.
    pub end: Cow<'a, str>,
    /// What went wrong or mattered.
    pub category: Option<Cow<'a, str>>,
    /// Whose fault it is.
    pub domain: Option<Cow<'a, str>>,
    /// The value of `error.type`; null unless the call failed.
    pub error: Option<Cow<'a, str>>,
    /// Who is calling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Cow<'a, str>>,
    /// Who is calling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Cow<'a, str>>,
    /// Who is calling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Cow<'a, str>>,
    /// Who is calling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Cow<'a, str>>,
    /// Tags of the caller.
    #[serde(skip_serializing_if = "no_tags")]
    pub tags: Cow<'a, BTreeMap<String, String>>,
    /// Prompt that the caller names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<PromptJson<'a>>,
    /// What was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<ContentJson<'a>>,
    /// `id` of the session that this is a turn of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub within: Option<Cow<'a, str>>,
    /// Turns of this session, each a record of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<u64>,
    /// `true`: parts were not read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
    /// What graders think; nothing makes scores yet.
    pub scores: Vec<Json>,
}

/// What was asked.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestJson<'a> {
    /// Model asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// Body bytes read from the client.
    pub bytes: u64,
    /// Bound on output that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// Tools declared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<u64>,
    /// Messages or input items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<u64>,
    /// Tool results in the request that say they failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub tool_errors: u64,
    /// Service tier that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Cow<'a, str>>,
}

/// What came back.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ResponseJson<'a> {
    /// Status the client got; else the upstream's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The provider's id of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Cow<'a, str>>,
    /// Model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// One a choice, in the provider's words; a reason that is a number on the wire is one here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finish_reasons: Vec<Reason<'a>>,
    /// Distinct tool calls for the client to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<u64>,
    /// Body bytes passed to the client.
    pub bytes: u64,
    /// Service tier that served the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<Cow<'a, str>>,
}

/// Who counted what.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageJson<'a> {
    /// Who counted.
    pub source: Cow<'a, str>,
    /// All prompt tokens, cached ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// All generated tokens, reasoning included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// Part of the input read from the provider's cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_tokens: Option<u64>,
    /// Part of the input written to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Part of the output that is reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_tokens: Option<u64>,
    /// Tokens in each bucket that is not empty; no token is in two.
    #[serde(skip_serializing_if = "Counts::is_empty")]
    pub buckets: Counts,
    /// Seconds of audio that are billed by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_seconds: Option<f64>,
    /// Searches of the provider's own tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searches: Option<u64>,
    /// Prompts that were grounded in searches.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grounded_prompts: Option<u64>,
    /// Searches in the caller's stored files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_searches: Option<u64>,
    /// Calls of other tools that have a fee, of which no price is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosted_tools: Option<u64>,
    /// How much a search reads, told by a provider that bills by it (`low`, `medium`, `high`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search_size: Option<Cow<'a, str>>,
    /// What is billed in place of the buckets: `buckets` of each part, and its `model` if that is another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub billed: Vec<BilledJson<'a>>,
    /// Where the model ran, as the answer, the path or the host of a provider tells that bills by it (`us`, `global`, `europe-west1`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Cow<'a, str>>,
    /// Part of the input that is audio, cached or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_input_tokens: Option<u64>,
    /// Part of the output that is audio.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audio_output_tokens: Option<u64>,
    /// What was counted here; never among the figures above, which are the provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated: Option<EstimateJson<'a>>,
}

/// What was counted here.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EstimateJson<'a> {
    /// What counted: `o200k` or `o200k_approximate`.
    pub by: Cow<'a, str>,
    /// Prompt tokens, counted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Generated tokens, counted here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
}

/// What it cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CostJson<'a> {
    /// How sure it is.
    pub status: Cow<'a, str>,
    /// US dollars, a decimal with 2 to 9 places.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<Cow<'a, str>>,
    /// What a price list says, beside the provider's own bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_usd: Option<Cow<'a, str>>,
    /// The provider's own bill, beside a price of yours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported_usd: Option<Cow<'a, str>>,
    /// Why there is no amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unpriced: Option<Cow<'a, str>>,
    /// Entry of the price list that matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// Version and date of the price list; `own prices` for one of yours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Cow<'a, str>>,
}

/// The results of a batch job.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchJson<'a> {
    /// Results in the file of a batch job, and those of them that are errors.
    pub results: u64,
    /// Results in the file of a batch job, and those of them that are errors.
    pub failed: u64,
    /// Results with usage for which there was no room; the cost is `unpriced` then.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
    /// One a model: `model`, `calls`, `buckets`, and of the cost `status`, `usd`, `catalogue` and `lines`, each with `charge`, `quantity`, `usd` (the price) and `nanos` (what it makes, in billionths of a dollar).
    pub models: Vec<BatchModelJson<'a>>,
}

/// What the calls to one model used and cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchModelJson<'a> {
    /// The model that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// How many calls.
    pub calls: u64,
    /// Tokens in each bucket that is not empty.
    #[serde(skip_serializing_if = "Counts::is_empty")]
    pub buckets: Counts,
    /// How sure the cost is.
    pub status: Cow<'a, str>,
    /// US dollars, a decimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd: Option<Cow<'a, str>>,
    /// Version and date of the price list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub catalogue: Option<Cow<'a, str>>,
    /// The lines of the cost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<LineJson<'a>>,
}

/// One line of a cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LineJson<'a> {
    /// What is charged for.
    pub charge: Cow<'a, str>,
    /// How much of it.
    pub quantity: u64,
    /// The price.
    pub usd: Cow<'a, str>,
    /// What it makes, in billionths of a dollar.
    pub nanos: u64,
}

/// How long it took, in milliseconds to the microsecond.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TimingJson {
    /// Upstream request issued until the response was over; if nothing was sent, the whole exchange.
    pub duration_ms: f64,
    /// Issued until the first byte of the response body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttfb_ms: Option<f64>,
    /// Issued until the first event with data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_first_chunk_ms: Option<f64>,
    /// Issued until the first event with visible text, reasoning or tool arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttft_ms: Option<f64>,
    /// (last − first such event) ÷ (output tokens − 1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tpot_ms: Option<f64>,
    /// What the proxy added; making a connection is not in it.
    pub overhead_ms: f64,
}

/// A prompt that the caller names.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PromptJson<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Cow<'a, str>>,
}

/// One part of what is billed in place of the buckets.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BilledJson<'a> {
    /// Its model, if that is another than the call's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Cow<'a, str>>,
    /// Its tokens by bucket, in the order of their names.
    pub buckets: Counts,
}

/// A finish reason. One of digits only was a number on the wire, and is one again.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reason<'a> {
    /// Of a provider that writes its enums as integers.
    Number(u64),
    /// In the provider's words.
    Word(Cow<'a, str>),
}

fn no_tags(tags: &BTreeMap<String, String>) -> bool {
    tags.is_empty()
}

/// What has no version is taken for the first.
fn version() -> u32 {
    VERSION
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}
