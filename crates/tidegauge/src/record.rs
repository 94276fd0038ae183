//! A record as JSON: what the record file holds, a line each, and what the console gives out.
//!
//! Absent means unknown, never a filler. Adding a field keeps `v`; changing or removing one does not.

mod line;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tidegauge_core::{
    Billed, Bucket, Content, CostStatus, Field, Fields, Message, Money, Part, Record,
    ToolDefinition, Unpriced, Usage, Value,
};

pub(crate) use self::line::line;

/// Version of the format.
const VERSION: u32 = 1;

/// One exchange, as it is written.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct RecordJson<'a> {
    v: u32,
    id: String,
    time: String,
    trace_id: String,
    span_id: String,
    upstream: &'a str,
    provider: &'a str,
    operation: &'static str,
    route: &'a str,
    stream: bool,
    request: RequestJson<'a>,
    response: ResponseJson<'a>,
    usage: UsageJson<'a>,
    cost: CostJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchJson<'a>>,
    timing: TimingJson,
    end: &'static str,
    category: Option<&'static str>,
    domain: Option<&'static str>,
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<PromptJson<'a>>,
    /// What was said; only where it was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<ContentJson<'a>>,
    /// The id of the session that this is a turn of.
    #[serde(skip_serializing_if = "Option::is_none")]
    within: Option<String>,
    /// How many turns this session had, each a record of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    turns: Option<u64>,
    /// Parts of it were not read: too large, too deep or not understood.
    #[serde(skip_serializing_if = "is_false")]
    partial: bool,
    /// Nothing makes scores yet.
    scores: [(); 0],
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct RequestJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<u64>,
    /// Failing tool results that the request carries; left out when there are none.
    #[serde(skip_serializing_if = "is_zero")]
    tool_errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct ResponseJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    /// In the provider's words; one that writes its enums as integers has numbers here.
    #[serde(skip_serializing_if = "<[String]>::is_empty", serialize_with = "as_written")]
    finish_reasons: &'a [String],
    /// Known once there was an answer that could have had some.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<u64>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'a str>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct UsageJson<'a> {
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_write_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_tokens: Option<u64>,
    /// What is priced: the kinds of token that were used.
    #[serde(skip_serializing_if = "no_buckets", serialize_with = "as_buckets")]
    buckets: &'a Usage,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    searches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grounded_prompts: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_searches: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosted_tools: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    search_size: Option<&'a str>,
    /// What is priced in their place, where the provider bills something else.
    #[serde(skip_serializing_if = "<[Billed]>::is_empty", serialize_with = "as_bill")]
    billed: &'a [Billed],
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audio_output_tokens: Option<u64>,
    /// What was counted here; never among the figures above, which are the provider's.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated: Option<EstimateJson>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct EstimateJson {
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_tokens: Option<u64>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct CostJson<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd: Option<String>,
    /// What a price list says, beside the provider's own bill.
    #[serde(skip_serializing_if = "Option::is_none")]
    list_usd: Option<String>,
    /// The provider's own bill, beside a price of the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    reported_usd: Option<String>,
    /// Why there is no amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    unpriced: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<&'a str>,
}

/// The results of a batch job.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct BatchJson<'a> {
    results: u64,
    failed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    left_out: u64,
    models: Vec<BatchModelJson<'a>>,
}

/// What the calls to one model used and cost.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct BatchModelJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    calls: u64,
    #[serde(skip_serializing_if = "no_buckets", serialize_with = "as_buckets")]
    buckets: &'a Usage,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usd: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalogue: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<LineJson<'a>>,
}

/// One line of a cost.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct LineJson<'a> {
    charge: &'static str,
    quantity: u64,
    usd: &'a str,
    nanos: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct TimingJson {
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttfb_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_first_chunk_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttft_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tpot_ms: Option<f64>,
    overhead_ms: f64,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
struct PromptJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

/// In the shape of the GenAI conventions.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct ContentJson<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system_instructions: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    input_messages: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    output_messages: Vec<Written<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_definitions: Vec<Written<'a>>,
    /// Something was shortened or left out.
    #[serde(skip_serializing_if = "is_false")]
    truncated: bool,
}

/// A message, part or tool.
#[derive(Clone, PartialEq, Debug)]
struct Written<'a>(Fields<'a>);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        for (name, field) in &self.0 {
            match field {
                Field::Text(text) => map.serialize_entry(name, text)?,
                Field::Value(value) => map.serialize_entry(name, &Plain(value))?,
                Field::Parts(parts) => map.serialize_entry(name, &written(parts, Part::fields))?,
            }
        }
        map.end()
    }
}

/// A value as it stood in the body.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => to.serialize_unit(),
            Value::Bool(truth) => to.serialize_bool(*truth),
            Value::Whole(whole) => to.serialize_i64(*whole),
            Value::Real(real) => to.serialize_f64(*real),
            Value::Text(text) => to.serialize_str(text),
            Value::List(values) => to.collect_seq(values.iter().map(Plain)),
            Value::Map(members) => {
                to.collect_map(members.iter().map(|(name, value)| (name, Plain(value))))
            }
        }
    }
}

fn written<'a, T>(all: &'a [T], fields: fn(&'a T) -> Fields<'a>) -> Vec<Written<'a>> {
    all.iter().map(|one| Written(fields(one))).collect()
}

fn content(said: &Content) -> ContentJson<'_> {
    ContentJson {
        system_instructions: written(&said.system, Part::fields),
        input_messages: written(&said.input, Message::fields),
        output_messages: written(&said.output, Message::fields),
        tool_definitions: written(&said.tools, ToolDefinition::fields),
        truncated: said.truncated,
    }
}

impl<'a> RecordJson<'a> {
    /// The record in its written form. `span_id` is the span that stands for the call: the inference
    /// span, or the server span where no model was asked.
    pub fn of(record: &'a Record) -> Self {
        let Record { exchange, observation: seen, .. } = record;
        let labels = &record.who;
        let trace = &exchange.trace;
        let span = if exchange.operation.is_inference() { trace.inference } else { trace.server };
        let outcome = &seen.outcome;
        Self {
            v: VERSION,
            id: exchange.id.to_string(),
            time: rfc3339(exchange.started),
            trace_id: trace.trace_id.to_string(),
            span_id: span.to_string(),
            upstream: &exchange.to.name,
            provider: exchange.to.provider,
            operation: exchange.operation.name(),
            route: &exchange.route,
            stream: seen.stream,
            request: request(record),
            response: response(record),
            usage: usage(record),
            cost: cost(record),
            batch: batch(record),
            timing: timing(record),
            end: exchange.end.name(),
            category: outcome.category.map(|category| category.name()),
            domain: outcome.category.and_then(|category| category.domain()).map(|one| one.name()),
            error: outcome.error.as_ref().map(|error| error.as_str()),
            session: labels.session.as_deref(),
            user: labels.user.as_deref(),
            agent: labels.agent.as_deref(),
            request_id: labels.request_id.as_deref(),
            tags: &labels.tags,
            prompt: labels.prompt.as_ref().map(|prompt| PromptJson {
                name: &prompt.name,
                version: prompt.version.as_deref(),
            }),
            content: seen.content.as_deref().map(content),
            within: record.session().map(|session| session.to_string()),
            turns: seen.turns,
            partial: seen.partial,
            scores: [],
        }
    }
}

fn request(record: &Record) -> RequestJson<'_> {
    let asked = &record.observation.request;
    RequestJson {
        model: asked.model.as_deref(),
        bytes: record.exchange.request_bytes,
        max_tokens: asked.max_tokens,
        tools: asked.tools,
        messages: asked.messages,
        tool_errors: asked.tool_errors,
        service_tier: asked.service_tier.as_deref(),
    }
}

fn response(record: &Record) -> ResponseJson<'_> {
    let answered = &record.observation.response;
    let said = answered.output || answered.tool_calls > 0 || !answered.finish_reasons.is_empty();
    ResponseJson {
        status: record.exchange.status.or(answered.status).map(|status| status.as_u16()),
        id: answered.id.as_deref(),
        model: answered.model.as_deref(),
        finish_reasons: &answered.finish_reasons,
        tool_calls: said.then_some(answered.tool_calls),
        bytes: record.exchange.response_bytes,
        service_tier: answered.service_tier.as_deref(),
    }
}

/// A reason of digits only was a number on the wire, and is one again.
fn as_written<S: Serializer>(reasons: &&[String], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(reasons.iter().map(|reason| match reason.parse::<u64>() {
        Ok(number) if number.to_string() == *reason => serde_json::Value::from(number),
        _ => serde_json::Value::from(reason.as_str()),
    }))
}

fn usage(record: &Record) -> UsageJson<'_> {
    let usage = &record.observation.usage;
    UsageJson {
        source: usage.source.name(),
        input_tokens: usage.told_input(),
        output_tokens: usage.told_output(),
        cache_read_tokens: usage.cache_read_tokens(),
        cache_write_tokens: usage.cache_write_tokens(),
        reasoning_tokens: usage.reasoning_tokens(),
        audio_input_tokens: audio_input(usage),
        audio_output_tokens: usage.output_audio,
        buckets: usage,
        billed: &usage.billed,
        region: usage.region.as_deref(),
        audio_seconds: usage.audio_seconds,
        searches: usage.searches,
        grounded_prompts: usage.grounded_prompts,
        file_searches: usage.file_searches,
        hosted_tools: usage.hosted_tools,
        search_size: usage.search_size.as_deref(),
        estimated: usage.estimate.map(|estimate| EstimateJson {
            by: estimate.by.name(),
            input_tokens: estimate.input,
            output_tokens: estimate.output,
        }),
    }
}

/// Cached or not.
fn audio_input(usage: &Usage) -> Option<u64> {
    let audio = [usage.input_audio, usage.cache_read_audio].into_iter().flatten();
    audio.reduce(u64::saturating_add)
}

/// The buckets that hold something, in the order of the documentation.
fn buckets(usage: &Usage) -> impl Iterator<Item = (&'static str, u64)> {
    let held =
        |bucket: Bucket| Some((bucket.name(), usage.get(bucket).filter(|count| *count > 0)?));
    Bucket::ALL.into_iter().filter_map(held)
}

fn no_buckets(usage: &&Usage) -> bool {
    buckets(usage).next().is_none()
}

fn as_buckets<S: Serializer>(usage: &&Usage, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(buckets(usage))
}

/// Each part with its kinds of token, like the buckets.
fn as_bill<S: Serializer>(parts: &&[Billed], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct PartJson<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        model: Option<&'a str>,
        buckets: BTreeMap<&'static str, u64>,
    }
    let buckets =
        |part: &Billed| part.tokens.iter().map(|(one, count)| (one.name(), *count)).collect();
    to.collect_seq(
        parts.iter().map(|part| PartJson { model: part.model.as_deref(), buckets: buckets(part) }),
    )
}

fn cost(record: &Record) -> CostJson<'_> {
    let cost = &record.measurement.cost;
    let usd = |amount: Option<Money>| amount.map(|amount| amount.to_string());
    CostJson {
        status: cost.status.name(),
        usd: usd(cost.amount),
        list_usd: usd(cost.list),
        reported_usd: usd(cost.reported).filter(|_| cost.status != CostStatus::Reported),
        unpriced: cost.unpriced.map(Unpriced::name),
        model: cost.model.as_deref(),
        catalogue: cost.catalogue.as_deref(),
    }
}

fn batch(record: &Record) -> Option<BatchJson<'_>> {
    let batch = record.observation.batch.as_ref()?;
    let models = record.measurement.batch.iter().map(|part| BatchModelJson {
        model: part.model.as_deref(),
        calls: part.calls,
        buckets: &part.usage,
        status: part.cost.status.name(),
        usd: part.cost.amount.map(|amount| amount.to_string()),
        catalogue: part.cost.catalogue.as_deref(),
        lines: part
            .cost
            .lines
            .iter()
            .map(|line| LineJson {
                charge: line.charge.name(),
                quantity: line.quantity,
                usd: &line.usd,
                nanos: line.amount.nanos(),
            })
            .collect(),
    });
    Some(BatchJson {
        results: batch.results,
        failed: batch.failed,
        left_out: batch.left_out,
        models: models.collect(),
    })
}

fn timing(record: &Record) -> TimingJson {
    let measured = &record.measurement;
    TimingJson {
        duration_ms: ms(measured.duration),
        ttfb_ms: measured.ttfb.map(ms),
        time_to_first_chunk_ms: measured.time_to_first_chunk.map(ms),
        ttft_ms: measured.ttft.map(ms),
        // Under half a microsecond nothing is left of it, and 0 would be a time.
        tpot_ms: measured.tpot.map(ms).filter(|time| *time > 0.0),
        overhead_ms: ms(measured.overhead.total()),
    }
}

fn is_false(value: &bool) -> bool {
    !value
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// Milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    let micros = (time.as_nanos() + 500) / 1000;
    u32::try_from(micros / 1_000_000_000).map_or(f64::MAX, |thousands| {
        let rest = u32::try_from(micros % 1_000_000_000).unwrap_or(0);
        (f64::from(thousands) * 1e9 + f64::from(rest)) / 1000.0
    })
}

/// UTC with milliseconds, `2026-11-22T05:27:50.049Z`. A time before 1970 is shown as 1970.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:03}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        since.subsec_millis()
    )
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The time that [`rfc3339`] writes; `None` for any other form.
pub(crate) fn from_rfc3339(text: &str) -> Option<SystemTime> {
    let number = |from: usize, len: usize| text.get(from..from + len)?.parse::<u64>().ok();
    let marks = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":"), (19, "."), (23, "Z")];
    if text.len() != 24 || marks.iter().any(|(at, mark)| text.get(*at..*at + 1) != Some(*mark)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let shifted = year.checked_sub(u64::from(month <= 2))?;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let (era, year_of_era) = (shifted / 400, shifted % 400);
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    let seconds = days * 86_400 + number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
    let time = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_millis(number(20, 3)?);
    // What is no date (month 13) is one of another name.
    (rfc3339(time) == text).then_some(time)
}

#[cfg(test)]
mod tests;
