//! One record into encoded OTLP spans, with explicit times.
//!
//! ```text
//! SERVER  "POST /v1/chat/completions"     tidegauge.http
//! └─ CLIENT  "chat some-model"            tidegauge.genai   only if a model was asked
//!    ├─ CLIENT  "POST"                    tidegauge.http    attempt
//!    └─ CLIENT  "POST"                    tidegauge.http    resend_count = 1
//! ```
//!
//! A session over a socket is the same, and the spans of its turns, each a record of its own, are
//! children of its `tidegauge.genai` span.
//!
//! Pure. Knows no queue, no exporter and no provider; GenAI attributes never go on the SERVER span,
//! because the two have opposite rules of what an error is.

mod compat;
mod facts;
mod options;

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Method, Version};
use opentelemetry_proto::tonic::trace::v1::{span::SpanKind, status::StatusCode};
use tidegauge_core::{
    Attempt, Category, CostStatus, End, ErrorType, Exchange, Record, RecordKind, Request, Response,
    Scope, SpanId, TraceId, Usage,
};

use crate::attribute::Attributes;
use crate::encoded::Encoded;
use crate::{content, protobuf, redact, semconv as name};

pub use compat::{Compat, Extra};
pub(crate) use facts::Caller;
use facts::subject;
pub use options::{CacheWriteName, CallDetail, SpanOptions, SpanTree};

/// Writes the spans of one exchange, parents first. Whether it is sampled is the caller's question.
pub(crate) fn encode(record: &Record, options: &SpanOptions, out: &mut Encoded) {
    let exchange = &record.exchange;
    if record.kind.is_turn() {
        return out.message(Scope::GenAi, |out| inference(out, record, options));
    }
    if options.tree == SpanTree::Calls {
        if has_inference(record) {
            out.message(Scope::GenAi, |out| inference(out, record, options));
        }
        return;
    }
    out.message(Scope::Http, |out| server(out, record, options));
    let mut parent = exchange.trace.server;
    if has_inference(record) {
        out.message(Scope::GenAi, |out| inference(out, record, options));
        parent = exchange.trace.inference;
    }
    for (index, attempt) in exchange.attempts.iter().enumerate() {
        out.message(Scope::Http, |out| client(out, exchange, attempt, index, parent, options));
    }
}

/// Whether a model was really asked: only then is there an inference span and are there GenAI metrics.
pub(crate) fn has_inference(record: &Record) -> bool {
    record.exchange.operation.is_inference() && record.exchange.times.sent.is_some()
}

/// The value of `error.type` on the SERVER span and metric; `None` when the server side went well.
pub(crate) fn server_error(record: &Record) -> Option<Cow<'_, str>> {
    let exchange = &record.exchange;
    let status = exchange.status.as_ref().filter(|status| status.is_server_error());
    if let Some(status) = status {
        return Some(status.as_str().into());
    }
    if exchange.end != End::Failed {
        return None;
    }
    let failure = exchange.failure.map(tidegauge_core::Failure::error_type);
    let error = failure.or_else(|| record.observation.outcome.error.clone());
    Some(error.unwrap_or(ErrorType::OTHER).as_str().to_owned().into())
}

/// The value of `error.type` of one attempt.
pub(crate) fn attempt_error(attempt: &Attempt) -> Option<Cow<'_, str>> {
    let refused = attempt.status.as_ref().filter(|status| status.as_u16() >= 400);
    match (refused, attempt.failure) {
        (Some(status), _) => Some(status.as_str().into()),
        (None, Some(failure)) => Some(failure.error_type().as_str().to_owned().into()),
        (None, None) => None,
    }
}

/// A method as the convention wants it, and the original when it is not a known one.
pub(crate) fn method(method: &Method) -> (&str, Option<&str>) {
    const KNOWN: [&str; 10] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];
    let given = method.as_str();
    if KNOWN.contains(&given) { (given, None) } else { (name::OTHER, Some(given)) }
}

/// `network.protocol.version`.
pub(crate) fn protocol(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 => Some("0.9"),
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        Version::HTTP_3 => Some("3"),
        _ => None,
    }
}

/// The scheme the client used.
pub(crate) fn scheme(secure: bool) -> &'static str {
    if secure { "https" } else { "http" }
}

/// Nanoseconds since the Unix epoch, of a moment inside an exchange.
pub(crate) fn at(started: SystemTime, offset: Duration) -> u64 {
    let since = started.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(offset);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

fn server(out: &mut Vec<u8>, record: &Record, options: &SpanOptions) {
    let exchange = &record.exchange;
    let trace = &exchange.trace;
    let (known, original) = method(&exchange.method);
    head(out, exchange, trace.server, Parent::of_exchange(exchange), SpanKind::Server);
    title(out, if original.is_some() { "HTTP" } else { known }, &exchange.route);
    lasting(out, exchange.started, Duration::ZERO, exchange.times.ended);
    links(out, exchange);

    let outcome = &record.observation.outcome;
    let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
    list.text(name::HTTP_METHOD, known);
    list.text(name::HTTP_METHOD_ORIGINAL, original);
    list.text(name::URL_PATH, path_or_root(&exchange.path));
    list.text(name::URL_QUERY, exchange.query.as_deref().map(redact::query).as_deref());
    list.text(name::URL_SCHEME, scheme(exchange.secure));
    list.text(name::HTTP_ROUTE, &*exchange.route);
    status_code(&mut list, exchange.status);
    let error = server_error(record);
    list.text(name::ERROR_TYPE, error.as_deref());
    if let Some((host, port)) =
        exchange.host.as_deref().and_then(|host| asked(host, exchange.secure))
    {
        list.text(name::SERVER_ADDRESS, host);
        list.whole(name::SERVER_PORT, port);
    }
    if let Some(client) = exchange.client {
        list.show(name::CLIENT_ADDRESS, client.ip());
        list.show(name::NETWORK_PEER_ADDRESS, client.ip());
        list.whole(name::NETWORK_PEER_PORT, client.port());
    }
    list.text(name::NETWORK_PROTOCOL_VERSION, protocol(exchange.version));
    list.text(name::USER_AGENT, exchange.user_agent.as_deref());

    list.show(name::EXCHANGE_ID, exchange.id);
    list.text(name::UPSTREAM, &*exchange.to.name);
    list.text(name::OPERATION, exchange.operation.name());
    list.text(name::END, exchange.end.name());
    category(&mut list, outcome.category);
    list.count(name::COUNTED_TOKENS, record.observation.response.counted_tokens);
    let overhead = &record.measurement.overhead;
    list.seconds(name::OVERHEAD_ACCEPT, overhead.accept);
    list.seconds(name::OVERHEAD_ADMISSION, overhead.admission);
    list.seconds(name::OVERHEAD_CONNECT, overhead.connect);
    list.seconds(name::OVERHEAD_RELAY, overhead.relay);
    list.seconds(name::OVERHEAD_TOTAL, overhead.total());
    let from = Caller::of(record);
    list.text(name::REQUEST_ID, from.request_id());
    caller(&mut list, from);
    close(list, error.is_some());
}

fn inference(out: &mut Vec<u8>, record: &Record, options: &SpanOptions) {
    let Record { exchange, observation, measurement, .. } = record;
    let trace = &exchange.trace;
    // Without a server span the call has its parent and its links.
    let alone = options.tree == SpanTree::Calls && !record.kind.is_turn();
    let parent = match record.kind {
        RecordKind::Turn { parent, .. } => Parent::Ours(parent),
        RecordKind::Request | RecordKind::Killed if alone => Parent::of_exchange(exchange),
        RecordKind::Request | RecordKind::Killed => Parent::Ours(trace.server),
    };
    head(out, exchange, trace.inference, parent, SpanKind::Client);
    title(out, exchange.operation.name(), subject(record));
    let sent = exchange.times.sent.unwrap_or_default();
    lasting(out, exchange.started, sent, sent.saturating_add(measurement.duration));
    if alone {
        links(out, exchange);
    }

    let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
    call(&mut list, record, options);
    if options.content {
        content::on_span(&mut list, record);
    }
    close(list, observation.outcome.error.is_some());
}

/// Everything about a model call but what was said in it, for its span and its event.
pub(crate) fn call(list: &mut Attributes<'_>, record: &Record, options: &SpanOptions) {
    let Record { exchange, observation, measurement, .. } = record;
    let (request, response) = (&observation.request, &observation.response);
    let streaming = request.stream || observation.stream;
    list.text(name::OPERATION_NAME, exchange.operation.name());
    list.text(name::PROVIDER_NAME, exchange.to.provider);
    list.text(name::REQUEST_MODEL, request.model.as_deref());
    list.text(name::SERVER_ADDRESS, &*exchange.to.origin.host);
    list.whole(name::SERVER_PORT, exchange.to.origin.port);
    let error = observation.outcome.error.as_ref();
    list.text(name::ERROR_TYPE, error.map(ErrorType::as_str));
    list.flag(name::REQUEST_STREAM, streaming);
    asked_for(list, request);
    answered(list, record);
    if streaming {
        list.seconds(name::RESPONSE_TIME_TO_FIRST_CHUNK, measurement.time_to_first_chunk);
        list.seconds(name::RESPONSE_TIME_TO_FIRST_TOKEN, measurement.ttft);
        list.seconds(name::RESPONSE_TIME_PER_OUTPUT_TOKEN, measurement.tpot);
    }
    // What the request says of its caller's spans counts more than what is set for all.
    let counts = match exchange.trace.caller_counts {
        Some(caller_counts) => !caller_counts,
        None => options.detail == CallDetail::Full,
    };
    if counts {
        usage(list, &observation.usage, options);
        cost(list, record, options);
    }
    let from = Caller::of(record);
    list.text(name::CONVERSATION_ID, from.session());
    list.text(name::AGENT_NAME, from.agent());
    if let Some(prompt) = from.prompt() {
        list.text(name::PROMPT_NAME, &*prompt.name);
        list.text(name::PROMPT_VERSION, prompt.version.as_deref());
    }
    list.show(name::EXCHANGE_ID, exchange.id);
    list.text(name::UPSTREAM, &*exchange.to.name);
    list.text(name::END, exchange.end.name());
    category(list, observation.outcome.category);
    tools(list, request, response);
    list.count(name::SESSION_TURNS, observation.turns);
    list.flag(name::PARTIAL, observation.partial);
    caller(list, from);
    options.compat.write(list, record, options.content, counts);
}

fn client(
    out: &mut Vec<u8>,
    exchange: &Exchange,
    attempt: &Attempt,
    index: usize,
    parent: SpanId,
    options: &SpanOptions,
) {
    let (known, original) = method(&exchange.method);
    head(out, exchange, attempt.span, Parent::Ours(parent), SpanKind::Client);
    title(out, if original.is_some() { "HTTP" } else { known }, "");
    lasting(out, exchange.started, attempt.started, attempt.ended);

    let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
    list.text(name::HTTP_METHOD, known);
    list.text(name::HTTP_METHOD_ORIGINAL, original);
    list.text(name::SERVER_ADDRESS, &*exchange.to.origin.host);
    list.whole(name::SERVER_PORT, exchange.to.origin.port);
    url(&mut list, exchange);
    status_code(&mut list, attempt.status);
    let error = attempt_error(attempt);
    list.text(name::ERROR_TYPE, error.as_deref());
    if index > 0 {
        list.whole(name::HTTP_RESEND_COUNT, i64::try_from(index).unwrap_or(i64::MAX));
    }
    if let Some(peer) = attempt.peer {
        list.show(name::NETWORK_PEER_ADDRESS, peer.ip());
        list.whole(name::NETWORK_PEER_PORT, peer.port());
    }
    list.text(name::NETWORK_PROTOCOL_VERSION, attempt.version.and_then(protocol));
    list.text(name::UPSTREAM, &*exchange.to.name);

    close(list, error.is_some());
}

/// What the request says about the generation it wants.
fn asked_for(list: &mut Attributes<'_>, request: &Request) {
    list.count(name::REQUEST_MAX_TOKENS, request.max_tokens);
    list.real(name::REQUEST_TEMPERATURE, request.temperature);
    list.real(name::REQUEST_TOP_P, request.top_p);
    list.count(name::REQUEST_TOP_K, request.top_k);
    list.real(name::REQUEST_FREQUENCY_PENALTY, request.frequency_penalty);
    list.real(name::REQUEST_PRESENCE_PENALTY, request.presence_penalty);
    list.texts(name::REQUEST_STOP_SEQUENCES, &request.stop_sequences);
    if let Some(seed) = request.seed {
        list.whole(name::REQUEST_SEED, seed);
    }
    list.count(name::REQUEST_CHOICE_COUNT, request.choices.filter(|choices| *choices != 1));
    list.text(name::OUTPUT_TYPE, request.output_type.map(tidegauge_core::OutputType::name));
    list.text(name::REQUEST_REASONING_LEVEL, request.reasoning_level.as_deref());
    list.text(name::REQUEST_PREVIOUS_RESPONSE_ID, request.previous_response_id.as_deref());
    list.texts(name::REQUEST_ENCODING_FORMATS, &request.encoding_formats);
    if request.api.is_some() {
        list.text(name::API_TYPE, request.api);
        let tier = request.service_tier.as_deref().filter(|tier| *tier != "auto");
        list.text(name::REQUEST_SERVICE_TIER, tier);
    }
}

/// What the response says about itself.
fn answered(list: &mut Attributes<'_>, record: &Record) {
    let (request, response) = (&record.observation.request, &record.observation.response);
    list.text(name::RESPONSE_ID, response.id.as_deref());
    list.text(name::RESPONSE_MODEL, response.model.as_deref());
    finish_reasons(list, record);
    list.count(name::DIMENSION_COUNT, response.dimensions.or(request.dimensions));
    list.text(name::RESPONSE_REQUEST_ID, response.request_id.as_deref());
    list.seconds(name::RESPONSE_PROCESSING, response.processing);
    if request.api.is_some() {
        list.text(name::RESPONSE_SERVICE_TIER, response.service_tier.as_deref());
        list.text(name::SYSTEM_FINGERPRINT, response.system_fingerprint.as_deref());
    }
}

/// The provider's reasons; `error` where a reason was due and the answer broke off before it.
fn finish_reasons(list: &mut Attributes<'_>, record: &Record) {
    let response = &record.observation.response;
    let answered = response.status.is_some_and(|status| status.is_success());
    let turn = record.kind.is_turn() && response.events > 0;
    let due = record.observation.outcome.error.is_some() && (answered || turn);
    if response.finish_reasons.is_empty() && due {
        list.texts(name::RESPONSE_FINISH_REASONS, &["error"]);
    } else {
        list.texts(name::RESPONSE_FINISH_REASONS, &response.finish_reasons);
    }
}

/// Totals that include their details; nothing for what nobody counted.
fn usage(list: &mut Attributes<'_>, usage: &Usage, options: &SpanOptions) {
    list.count(name::USAGE_INPUT, usage.input_tokens());
    list.count(name::USAGE_CACHE_READ, usage.cache_read_tokens());
    let write = usage.cache_write_tokens();
    if options.cache_write != CacheWriteName::Old {
        list.count(name::USAGE_CACHE_WRITE, write);
    }
    if options.cache_write != CacheWriteName::New {
        list.count(name::USAGE_CACHE_WRITE_OLD, write);
    }
    list.count(name::USAGE_OUTPUT, usage.output_tokens());
    // A detail of nothing is noise on every call.
    let some = |count: Option<u64>| count.filter(|count| *count > 0);
    list.count(name::USAGE_REASONING, some(usage.reasoning));
    if options.modalities {
        let audio = [usage.input_audio, usage.cache_read_audio].into_iter().flatten();
        list.count(name::USAGE_INPUT_AUDIO, some(audio.reduce(u64::saturating_add)));
        list.count(name::USAGE_CACHE_READ_AUDIO, some(usage.cache_read_audio));
        list.count(name::USAGE_INPUT_IMAGE, some(usage.input_image));
        list.count(name::USAGE_OUTPUT_AUDIO, some(usage.output_audio));
        list.count(name::USAGE_OUTPUT_IMAGE, some(usage.output_image));
    }
    list.text(name::USAGE_SOURCE, usage.source.name());
    if let Some(estimate) = usage.estimate {
        list.text(name::USAGE_ESTIMATOR, estimate.by.name());
    }
}

/// What it cost and which price says so. An amount only where one is known: unpriced is not zero.
fn cost(list: &mut Attributes<'_>, record: &Record, options: &SpanOptions) {
    let cost = &record.measurement.cost;
    list.text(name::COST_STATUS, cost.status.name());
    if matches!(cost.status, CostStatus::Priced | CostStatus::Reported) {
        let usd = cost.amount.map(dollars);
        list.real(name::COST_USD, usd);
        if options.usage_cost {
            list.real(name::COMPAT_USAGE_COST, usd);
        }
    }
    list.text(name::COST_MODEL, cost.model.as_deref());
    list.text(name::COST_CATALOGUE, cost.catalogue.as_deref());
}

/// US dollars as a number for people and backends; the exact amount stays in whole billionths.
#[expect(
    clippy::cast_precision_loss,
    reason = "a double holds nine million dollars to the billionth"
)]
pub(crate) fn dollars(amount: tidegauge_core::Money) -> f64 {
    amount.nanos() as f64 / 1e9
}

fn tools(list: &mut Attributes<'_>, request: &Request, response: &Response) {
    list.count(name::REQUEST_MESSAGES, request.messages);
    list.count(name::REQUEST_TOOLS, request.tools);
    let some = |count: u64| Some(count).filter(|count| *count > 0);
    list.count(name::REQUEST_TOOL_ERRORS, some(request.tool_errors));
    list.count(name::RESPONSE_TOOL_CALLS, some(response.tool_calls));
    list.count(name::RESPONSE_BAD_TOOL_CALLS, some(response.bad_tool_calls));
}

/// Session, user and tags. No name of the GenAI conventions is among them.
fn caller(list: &mut Attributes<'_>, from: Caller<'_>) {
    list.text(name::SESSION_ID, from.session());
    list.text(name::USER_ID, from.user());
    for (tag, value) in from.tags() {
        list.text_under(name::TAG_PREFIX, tag, value);
    }
}

fn category(list: &mut Attributes<'_>, category: Option<Category>) {
    list.text(name::CATEGORY, category.map(Category::name));
    list.text(name::DOMAIN, category.and_then(Category::domain).map(tidegauge_core::Domain::name));
}

fn status_code(list: &mut Attributes<'_>, status: Option<http::StatusCode>) {
    if let Some(status) = status {
        list.whole(name::HTTP_STATUS_CODE, status.as_u16());
    }
}

fn path_or_root(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

/// Host and port that a client asked for; the scheme's port when none is written.
fn asked(host: &str, secure: bool) -> Option<(&str, u16)> {
    let authority: &str = host.rsplit_once('@').map_or(host, |(_, after)| after);
    let split = authority.rsplit_once(':').filter(|(before, after)| {
        !after.is_empty()
            && after.bytes().all(|byte| byte.is_ascii_digit())
            && !before.ends_with(':')
    });
    let (address, port) = match split {
        Some((address, port)) => (address, port.parse().ok()?),
        None => (authority, if secure { 443 } else { 80 }),
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    (!address.is_empty()).then_some((address, port))
}

/// The URL of an upstream request: origin, the path without our own first segment, and the query
/// without secrets.
fn url(list: &mut Attributes<'_>, exchange: &Exchange) {
    let to = &exchange.to;
    let ours = exchange.path.strip_prefix('/').and_then(|path| path.strip_prefix(&*to.name));
    let rest = ours.filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let path = path_or_root(rest.unwrap_or(&exchange.path));
    match &exchange.query {
        Some(query) => {
            list.show(name::URL_FULL, format_args!("{}{path}?{}", to.origin, redact::query(query)));
        }
        None => list.show(name::URL_FULL, format_args!("{}{path}", to.origin)),
    }
}

/// The caller's span is in another process or not: known.
const HAS_IS_REMOTE: u32 = 0x100;
/// It is.
const IS_REMOTE: u32 = 0x200;
/// W3C flag of a sampled trace.
pub(crate) const SAMPLED: u32 = 1;
/// W3C flag of a trace whose id is random.
const RANDOM: u32 = 2;

/// The field of `Span` that holds its attributes. Source of it and of the numbers below:
/// opentelemetry-proto 1.10, `trace.proto`.
const ATTRIBUTES: u32 = 9;

/// Whose child a span is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Parent {
    /// Nobody's: it is a root.
    None,
    /// That of a span of the caller's, in another process.
    Callers(SpanId),
    /// That of another span of this process.
    Ours(SpanId),
}

impl Parent {
    /// The parent of the first span of an exchange.
    fn of_exchange(exchange: &Exchange) -> Self {
        exchange.trace.parent.map_or(Self::None, Self::Callers)
    }

    fn id(self) -> Option<SpanId> {
        match self {
            Self::None => None,
            Self::Callers(id) | Self::Ours(id) => Some(id),
        }
    }
}

/// Who a span is.
fn head(out: &mut Vec<u8>, exchange: &Exchange, id: SpanId, parent: Parent, kind: SpanKind) {
    let trace = &exchange.trace;
    let remote = matches!(parent, Parent::Callers(_));
    let sampled = if trace.sampled { SAMPLED } else { 0 };
    protobuf::bytes(out, 1, &trace.trace_id.0);
    protobuf::bytes(out, 2, &id.0);
    protobuf::bytes(out, 3, trace.state.as_bytes());
    if let Some(parent) = parent.id() {
        protobuf::bytes(out, 4, &parent.0);
    }
    protobuf::number(out, 6, kind as u64);
    let random = if trace.random { RANDOM } else { 0 };
    let flags = sampled | random | HAS_IS_REMOTE | if remote { IS_REMOTE } else { 0 };
    protobuf::fixed32(out, 16, flags);
}

/// What a span is called: the second word may be empty.
fn title(out: &mut Vec<u8>, first: &str, second: &str) {
    let more = if second.is_empty() { 0 } else { 1 + second.len() };
    protobuf::length(out, 5, first.len() + more);
    out.extend_from_slice(first.as_bytes());
    if more > 0 {
        out.push(b' ');
        out.extend_from_slice(second.as_bytes());
    }
}

fn lasting(out: &mut Vec<u8>, started: SystemTime, from: Duration, to: Duration) {
    protobuf::fixed64(out, 7, at(started, from));
    protobuf::fixed64(out, 8, at(started, to.max(from)));
}

/// The caller's span where it is not the parent.
fn links(out: &mut Vec<u8>, exchange: &Exchange) {
    if let Some((trace_id, span_id)) = exchange.trace.link {
        link(out, trace_id, span_id);
    }
}

fn link(out: &mut Vec<u8>, trace_id: TraceId, span_id: SpanId) {
    // Both ids with their heads, and the flags with theirs.
    protobuf::length(out, 13, 18 + 10 + 5);
    protobuf::bytes(out, 1, &trace_id.0);
    protobuf::bytes(out, 2, &span_id.0);
    protobuf::fixed32(out, 6, HAS_IS_REMOTE | IS_REMOTE);
}

/// What found no room, and the status. `Ok` is never set: that is for the application to say.
fn close(list: Attributes<'_>, failed: bool) {
    let (out, dropped) = list.finish();
    protobuf::number(out, 10, dropped.into());
    if failed {
        protobuf::length(out, 15, 2);
        protobuf::number(out, 3, StatusCode::Error as u64);
    }
}

#[cfg(test)]
mod tests;
