//! Writes the tables of `docs/telemetry.md` from the names that are emitted and from the registries,
//! and checks them against what records become.
//!
//! The prose of the page is written by hand; what stands between `<!-- generated: NAME -->` and
//! `<!-- end -->` is written by `UPDATE=1 cargo test -p tidegauge-otel reference`.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{Metric as Sums, metric::Data};
use tidegauge_core::Health;

use super::conformance::Registry;
use super::{events, meter, metrics, records, spans};
use crate::exposition::{family_name, suffix};
use crate::metric::Histograms;
use crate::semconv::{self, ATTRIBUTES, Kind, METRICS, Metric, TAG_PREFIX};
use crate::span::SpanOptions;

/// A signal that carries attributes, as the table writes it.
const SERVER: &str = "server";
const CALL: &str = "call";
const ATTEMPT: &str = "attempt";
const EVENT: &str = "event";
const METRIC: &str = "metric";
const RESOURCE: &str = "resource";
const LOG: &str = "log";

/// An attribute of the conventions, where it stands, and what it means here.
type Row = (&'static str, &'static [&'static str], &'static str);

/// Attributes of the conventions.
const THEIRS: &[Row] = &[
    ("client.address", &[SERVER], "Address of the client's connection."),
    ("error.type", &[SERVER, CALL, ATTEMPT, METRIC], "See [errors](#errors)."),
    ("exception.type", &[EVENT], "The `error.type` of the call."),
    ("http.request.method", &[SERVER, ATTEMPT, METRIC], "Method; `_OTHER` if not a known one."),
    ("http.request.method_original", &[SERVER, ATTEMPT], "The method as sent, if not a known one."),
    ("http.request.resend_count", &[ATTEMPT], "Attempts before this one; absent on the first."),
    (
        "http.response.status_code",
        &[SERVER, ATTEMPT, METRIC],
        "On `server` the status the client got, on `attempt` the upstream's.",
    ),
    (
        "http.route",
        &[SERVER, METRIC],
        "Pattern of the path without the upstream's name, such as `/v1/chat/completions`; `/{path}` for an unknown one.",
    ),
    ("network.peer.address", &[SERVER, ATTEMPT], "Address at the other end of the connection."),
    ("network.peer.port", &[SERVER, ATTEMPT], "Port at the other end of the connection."),
    ("network.protocol.version", &[SERVER, ATTEMPT, METRIC], "`1.0`, `1.1` or `2`."),
    (
        "server.address",
        &[SERVER, CALL, ATTEMPT, EVENT, METRIC],
        "On `server` the host the client asked for, elsewhere the upstream's.",
    ),
    ("server.port", &[SERVER, CALL, ATTEMPT, EVENT, METRIC], "Port of `server.address`."),
    (
        "url.full",
        &[ATTEMPT],
        "URL of the upstream request; query values that are not known to be harmless are `REDACTED`.",
    ),
    ("url.path", &[SERVER], "Path as the client sent it."),
    ("url.query", &[SERVER], "Query, redacted like `url.full`."),
    ("url.scheme", &[SERVER, METRIC], "`https` if the proxy's listener speaks TLS, else `http`."),
    ("user_agent.original", &[SERVER], "`user-agent` of the client."),
    ("session.id", &[SERVER, CALL], "Session that the caller tells."),
    ("user.id", &[SERVER, CALL], "User that the caller tells."),
    ("gen_ai.agent.name", &[CALL], "Agent that the caller tells."),
    ("gen_ai.conversation.id", &[CALL], "The session again, under the GenAI name."),
    (
        "gen_ai.embeddings.dimension.count",
        &[CALL],
        "Length of the vectors: as answered, else as asked for.",
    ),
    (
        "gen_ai.operation.name",
        &[CALL, EVENT, METRIC],
        "What was asked, see [operations](#operations).",
    ),
    (
        "gen_ai.output.type",
        &[CALL],
        "Form of output that the request asks for: text, json, image or speech.",
    ),
    ("gen_ai.input.messages", &[CALL], "Messages of the request, if [captured](capture.md)."),
    ("gen_ai.output.messages", &[CALL], "One message a choice, if [captured](capture.md)."),
    (
        "gen_ai.system_instructions",
        &[CALL],
        "Instructions apart from the messages, if [captured](capture.md).",
    ),
    ("gen_ai.tool.definitions", &[CALL], "Tools of the request, if [captured](capture.md)."),
    ("gen_ai.prompt.name", &[CALL], "Prompt that the caller tells."),
    ("gen_ai.prompt.version", &[CALL], "Version of that prompt."),
    ("gen_ai.provider.name", &[CALL, EVENT, METRIC], "Provider of the upstream, by configuration."),
    ("gen_ai.request.choice.count", &[CALL], "Choices asked for; absent when 1."),
    ("gen_ai.request.encoding_formats", &[CALL], "Encodings asked for embeddings."),
    ("gen_ai.request.frequency_penalty", &[CALL], "As asked for."),
    ("gen_ai.request.max_tokens", &[CALL], "Upper bound of output tokens."),
    ("gen_ai.request.model", &[CALL, EVENT, METRIC], "Model asked for."),
    ("gen_ai.request.presence_penalty", &[CALL], "As asked for."),
    ("gen_ai.request.previous_response.id", &[CALL], "Response that this one continues."),
    ("gen_ai.request.reasoning.level", &[CALL], "Reasoning effort, as written."),
    ("gen_ai.request.seed", &[CALL], "As asked for."),
    ("gen_ai.request.stop_sequences", &[CALL], "As asked for; at most 16."),
    (
        "gen_ai.request.stream",
        &[CALL, METRIC],
        "`true` if a stream was asked for or came; else absent.",
    ),
    ("gen_ai.request.temperature", &[CALL], "As asked for."),
    ("gen_ai.request.top_k", &[CALL], "As asked for."),
    ("gen_ai.request.top_p", &[CALL], "As asked for."),
    (
        "gen_ai.response.finish_reasons",
        &[CALL],
        "One a choice, in the provider's words; `error` where a successful answer broke off before it had one.",
    ),
    ("gen_ai.response.id", &[CALL, EVENT], "The provider's id of the response."),
    ("gen_ai.response.model", &[CALL, METRIC], "Model that answered."),
    ("gen_ai.response.time_to_first_chunk", &[CALL], "Seconds, see [times](#times). Streams only."),
    (
        "gen_ai.token.modality",
        &[METRIC],
        "Kind of content; `unknown` where the provider does not tell. Only among the next names.",
    ),
    (
        "gen_ai.system",
        &[CALL],
        "The former name of `gen_ai.provider.name`, for [receivers](backends.md) that read only that.",
    ),
    ("gen_ai.token.type", &[METRIC], "`input` or `output`."),
    (
        "gen_ai.usage.cache_read.input_tokens",
        &[CALL],
        "Part of the input read from the provider's cache.",
    ),
    (
        "gen_ai.usage.cache_write.input_tokens",
        &[CALL],
        "Part of the input written to the provider's cache.",
    ),
    (
        "gen_ai.usage.cache_creation.input_tokens",
        &[CALL],
        "The former name of the line above, for [receivers](backends.md) that read only that.",
    ),
    ("gen_ai.usage.input_tokens", &[CALL], "All prompt tokens, cached ones included."),
    ("gen_ai.usage.audio.input_tokens", &[CALL], "Audio part of the input, cached or not."),
    ("gen_ai.usage.image.input_tokens", &[CALL], "Image part of the input."),
    (
        "gen_ai.usage.audio.cache_read.input_tokens",
        &[CALL],
        "Audio part of what was read from the cache.",
    ),
    ("gen_ai.usage.output_tokens", &[CALL], "All generated tokens, reasoning included."),
    ("gen_ai.usage.audio.output_tokens", &[CALL], "Audio part of the output."),
    ("gen_ai.usage.image.output_tokens", &[CALL], "Image part of the output."),
    ("gen_ai.usage.reasoning.output_tokens", &[CALL], "Reasoning part of the output."),
    ("openai.api.type", &[CALL], "Surface that was called: `chat_completions` or `responses`."),
    (
        "openai.request.service_tier",
        &[CALL],
        "Tier asked for, unless `auto`. Only beside `openai.api.type`.",
    ),
    (
        "openai.response.service_tier",
        &[CALL],
        "Tier that served the call. Only beside `openai.api.type`.",
    ),
    (
        "openai.response.system_fingerprint",
        &[CALL],
        "`system_fingerprint` of the answer. Only beside `openai.api.type`.",
    ),
    ("host.arch", &[RESOURCE, METRIC], "Architecture."),
    ("host.name", &[RESOURCE], "Host name."),
    ("os.type", &[RESOURCE, METRIC], "Operating system."),
    ("process.executable.name", &[RESOURCE], "File name of the program."),
    ("process.pid", &[RESOURCE], "Process id."),
    ("service.instance.id", &[RESOURCE], "A random UUID, new at every start."),
    ("service.name", &[RESOURCE], "`tidegauge`, unless told otherwise."),
    ("service.version", &[RESOURCE, METRIC], "Version of the program."),
    ("telemetry.sdk.language", &[RESOURCE], "`rust`."),
    ("telemetry.sdk.name", &[RESOURCE], "`tidegauge`."),
    ("telemetry.sdk.version", &[RESOURCE], "Version of the program."),
];

/// Where our own attributes stand; what they mean is in the registry.
const OURS: &[(&str, &[&str])] = &[
    ("output.value", &[CALL]),
    ("output.mime_type", &[CALL]),
    ("lmnr.association.properties.*", &[CALL]),
    ("langsmith.trace.session_id", &[CALL]),
    ("langsmith.metadata.*", &[CALL]),
    ("langfuse.trace.name", &[CALL]),
    ("input.value", &[CALL]),
    ("input.mime_type", &[CALL]),
    ("gen_ai.usage.reasoning_tokens", &[CALL]),
    ("gen_ai.step.name", &[CALL]),
    ("gen_ai.server.ttft", &[CALL]),
    ("gen_ai.capability.name", &[CALL]),
    ("braintrust.tags", &[CALL]),
    ("braintrust.metadata.*", &[CALL]),
    ("gen_ai.usage.cost", &[CALL]),
    ("tidegauge.content.truncated", &[CALL]),
    ("gen_ai.user", &[CALL]),
    ("langfuse.observation.completion_start_time", &[CALL]),
    ("langfuse.observation.prompt.name", &[CALL]),
    ("langfuse.observation.prompt.version", &[CALL]),
    ("langfuse.trace.tags", &[CALL]),
    ("llm.model_name", &[CALL]),
    ("llm.provider", &[CALL]),
    ("llm.token_count.completion", &[CALL]),
    ("llm.token_count.prompt", &[CALL]),
    ("llm.token_count.prompt_details.cache_read", &[CALL]),
    ("llm.token_count.total", &[CALL]),
    ("openinference.span.kind", &[CALL]),
    ("tidegauge.cost.catalogue", &[CALL]),
    ("tidegauge.cost.model", &[CALL]),
    ("tidegauge.cost.status", &[CALL, METRIC]),
    ("tidegauge.cost.usd", &[CALL]),
    ("tidegauge.counted_tokens", &[SERVER]),
    ("tidegauge.end", &[SERVER, CALL, METRIC]),
    ("tidegauge.error.category", &[SERVER, CALL, EVENT, METRIC]),
    ("tidegauge.error.domain", &[SERVER, CALL, EVENT, METRIC]),
    ("tidegauge.exchange.id", &[SERVER, CALL, EVENT]),
    ("tidegauge.exporter", &[METRIC]),
    ("tidegauge.log.target", &[LOG]),
    ("tidegauge.observation.partial", &[CALL]),
    ("tidegauge.operation", &[SERVER, METRIC]),
    ("tidegauge.overhead.accept", &[SERVER]),
    ("tidegauge.overhead.admission", &[SERVER]),
    ("tidegauge.overhead.connect", &[SERVER]),
    ("tidegauge.overhead.phase", &[METRIC]),
    ("tidegauge.overhead.relay", &[SERVER]),
    ("tidegauge.overhead.total", &[SERVER]),
    ("tidegauge.rate_limit.resource", &[METRIC]),
    ("tidegauge.reason", &[METRIC]),
    ("tidegauge.request.id", &[SERVER]),
    ("tidegauge.request.messages", &[CALL]),
    ("tidegauge.request.tool_errors", &[CALL]),
    ("tidegauge.request.tools", &[CALL]),
    ("tidegauge.response.bad_tool_calls", &[CALL]),
    ("tidegauge.response.processing_time", &[CALL]),
    ("tidegauge.response.request_id", &[CALL]),
    ("tidegauge.response.time_per_output_token", &[CALL]),
    ("tidegauge.response.time_to_first_token", &[CALL]),
    ("tidegauge.response.tool_calls", &[CALL]),
    ("tidegauge.session.turns", &[CALL]),
    ("tidegauge.tag.*", &[SERVER, CALL, METRIC]),
    ("tidegauge.task", &[METRIC]),
    ("tidegauge.token.bucket", &[METRIC]),
    ("tidegauge.upstream", &[SERVER, CALL, ATTEMPT, EVENT, METRIC]),
    ("tidegauge.usage.estimator", &[CALL]),
    ("tidegauge.usage.source", &[CALL, METRIC]),
];

/// What every metric about a model call has; the page calls it "call set".
const CALL_SET: &[&str] = &[
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "gen_ai.response.model",
    "server.address",
    "server.port",
    "tidegauge.upstream",
    "tidegauge.tag.*",
];

/// What the metrics of the conventions have beside that.
const THEIR_METRICS: &[(Metric, bool, &[&str])] = &[
    (semconv::CLIENT_OPERATION_DURATION, true, &["error.type", "gen_ai.request.stream"]),
    (semconv::CLIENT_TIME_TO_FIRST_CHUNK, true, &[]),
    (semconv::CLIENT_TIME_PER_OUTPUT_CHUNK, true, &[]),
    (semconv::CLIENT_TOKEN_USAGE, true, &["gen_ai.token.type"]),
    (semconv::INFERENCE_DURATION, true, &["error.type", "gen_ai.request.stream"]),
    (semconv::EMBEDDINGS_DURATION, true, &["error.type", "gen_ai.request.stream"]),
    (semconv::EMBEDDINGS_OPERATION_INPUT_TOKENS, true, &[]),
    (semconv::INFERENCE_TIME_TO_FIRST_CHUNK, true, &[]),
    (semconv::INFERENCE_TIME_PER_OUTPUT_CHUNK, true, &[]),
    (semconv::INFERENCE_OPERATION_INPUT_TOKENS, true, &[]),
    (semconv::INFERENCE_OPERATION_OUTPUT_TOKENS, true, &[]),
    (semconv::INFERENCE_INPUT_TOKENS, true, &["gen_ai.token.modality"]),
    (semconv::INFERENCE_OUTPUT_TOKENS, true, &["gen_ai.token.modality"]),
    (semconv::INFERENCE_CACHE_READ_TOKENS, true, &["gen_ai.token.modality"]),
    (semconv::INFERENCE_CACHE_WRITE_TOKENS, true, &["gen_ai.token.modality"]),
    (semconv::INFERENCE_REASONING_TOKENS, true, &["gen_ai.token.modality"]),
    (
        semconv::HTTP_SERVER_DURATION,
        false,
        &[
            "http.request.method",
            "url.scheme",
            "http.route",
            "http.response.status_code",
            "error.type",
            "network.protocol.version",
        ],
    ),
    (
        semconv::HTTP_CLIENT_DURATION,
        false,
        &[
            "http.request.method",
            "server.address",
            "server.port",
            "http.response.status_code",
            "error.type",
            "network.protocol.version",
        ],
    ),
    (semconv::HTTP_SERVER_ACTIVE, false, &["http.request.method", "url.scheme"]),
];

/// The attributes a metric may have, those of the call set first.
fn attributes_of(metric: &Metric, registry: &Registry) -> Vec<String> {
    let theirs = THEIR_METRICS.iter().find(|(known, ..)| known == metric);
    if let Some((_, is_call, more)) = theirs {
        let call = if *is_call { CALL_SET } else { &[] };
        return call.iter().chain(*more).map(|name| (*name).to_owned()).collect();
    }
    let told = registry.ours()["metrics"][metric.name]["attributes"].as_object();
    told.expect("a metric of ours is in the registry").keys().cloned().collect()
}

fn attribute_table(registry: &Registry) -> String {
    let mut rows: Vec<(String, String, String, String)> = THEIRS
        .iter()
        .map(|(name, places, meaning)| {
            let kind = &registry.conventions()["attributes"][name]["type"];
            row(name, kind.as_str(), places, meaning)
        })
        .collect();
    rows.extend(OURS.iter().map(|(name, places)| {
        let known = &registry.ours()["attributes"][name];
        let meaning = known["description"].as_str().expect("a description");
        row(&name.replace('*', "NAME"), known["type"].as_str(), places, meaning)
    }));
    rows.sort();
    let mut table = "| attribute | type | on | meaning |\n|---|---|---|---|\n".to_owned();
    for (name, kind, places, meaning) in rows {
        let _ = writeln!(table, "| `{name}` | {kind} | {places} | {meaning} |");
    }
    table
}

fn row(
    name: &str,
    kind: Option<&str>,
    places: &[&str],
    meaning: &str,
) -> (String, String, String, String) {
    let kind = kind.expect("a type").to_owned();
    (name.to_owned(), kind, places.join(", "), meaning.replace('|', "\\|"))
}

fn metric_table(registry: &Registry) -> String {
    let mut table = "| metric | instrument | unit | in Prometheus | attributes | meaning |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for metric in METRICS.iter() {
        let instrument = match metric.kind {
            Kind::Counter => "counter",
            Kind::UpDownCounter => "updowncounter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        let (name, suffix) = (family_name(metric), suffix(metric));
        let attributes = attributes_of(metric, registry);
        let is_call = CALL_SET.iter().all(|name| attributes.iter().any(|known| known == name));
        let call = is_call.then(|| "*call set*".to_owned());
        let own = attributes
            .iter()
            .filter(|name| !is_call || !CALL_SET.contains(&name.as_str()))
            .map(|name| format!("`{}`", name.replace('*', "NAME")));
        let attributes: Vec<String> = call.into_iter().chain(own).collect();
        let unit =
            if metric.unit.is_empty() { String::new() } else { format!("`{}`", metric.unit) };
        let _ = writeln!(
            table,
            "| `{}` | {instrument} | {unit} | `{name}{suffix}` | {} | {} |",
            metric.name,
            attributes.join(", "),
            metric.about,
        );
    }
    table
}

fn operation_table() -> String {
    let mut table = "| operation | model call |\n|---|---|\n".to_owned();
    for operation in tidegauge_core::Operation::ALL {
        let call = if operation.is_inference() { "yes" } else { "no" };
        let _ = writeln!(table, "| `{}` | {call} |", operation.name());
    }
    table
}

/// The page with the tables written anew.
fn fresh(page: &str) -> String {
    let registry = Registry::load();
    let mut page = page.to_owned();
    for (name, table) in [
        ("operations", operation_table()),
        ("attributes", attribute_table(&registry)),
        ("metrics", metric_table(&registry)),
    ] {
        let begin = format!("<!-- generated: {name} -->\n");
        let (before, rest) = page.split_once(&begin).expect("the page has the mark");
        let (_, after) = rest.split_once("<!-- end -->").expect("the mark has an end");
        page = format!("{before}{begin}\n{table}\n<!-- end -->{after}");
    }
    page
}

fn path() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", "docs", "telemetry.md"].iter().collect()
}

#[test]
fn the_page_is_fresh() {
    let there = std::fs::read_to_string(path()).expect("docs/telemetry.md");
    let fresh = fresh(&there);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(), &fresh).expect("docs/telemetry.md can be written");
        return;
    }
    assert!(there == fresh, "run: UPDATE=1 cargo test -p tidegauge-otel reference");
}

#[test]
fn every_name_has_a_row_and_every_row_a_name() {
    let mut rows: Vec<&str> = THEIRS.iter().map(|(name, ..)| *name).collect();
    rows.extend(OURS.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('*')));
    rows.sort_unstable();
    let mut names = ATTRIBUTES.to_vec();
    names.sort_unstable();
    assert_eq!(rows, names);
}

#[test]
fn what_records_become_stands_in_the_tables() {
    let registry = Registry::load();
    for (name, record) in records::all() {
        for (_, span) in spans(&record, &SpanOptions::default()) {
            let has = |key: &str| span.attributes.iter().any(|pair| pair.key == key);
            let place = match () {
                () if has("url.path") => SERVER,
                () if has("gen_ai.operation.name") => CALL,
                () => ATTEMPT,
            };
            span.attributes.iter().for_each(|pair| assert_at(place, pair, name));
        }
        for log in events(&record, &SpanOptions::default()) {
            log.attributes.iter().for_each(|pair| assert_at(EVENT, pair, name));
        }
        let meter = meter(Histograms::Explicit, &Arc::new(Health::default()));
        meter.record(&record);
        for sums in metrics(&meter) {
            let metric = METRICS.iter().find(|metric| metric.name == sums.name).expect("a name");
            let known = attributes_of(metric, &registry);
            for pair in attributes(&sums) {
                assert_at(METRIC, &pair, name);
                let key = starred(&pair.key);
                assert!(known.contains(&key), "{}: {key} ({name})", sums.name);
            }
        }
    }
}

fn assert_at(place: &str, pair: &KeyValue, record: &str) {
    let key = starred(&pair.key);
    let theirs = THEIRS.iter().map(|(name, places, _)| (*name, *places));
    let found = theirs.chain(OURS.iter().copied()).find(|(name, _)| *name == key);
    let (_, places) = found.unwrap_or_else(|| panic!("{key} has no row"));
    assert!(places.contains(&place), "{key} is on {place} ({record})");
}

fn starred(key: &str) -> String {
    if key.starts_with(TAG_PREFIX) { format!("{TAG_PREFIX}*") } else { key.to_owned() }
}

fn attributes(sums: &Sums) -> Vec<KeyValue> {
    match sums.data.as_ref().expect("data") {
        Data::Gauge(data) => of(&data.data_points, |point| &point.attributes),
        Data::Sum(data) => of(&data.data_points, |point| &point.attributes),
        Data::Histogram(data) => of(&data.data_points, |point| &point.attributes),
        other => panic!("no such data is made here: {other:?}"),
    }
}

fn of<P>(points: &[P], attributes: impl Fn(&P) -> &Vec<KeyValue>) -> Vec<KeyValue> {
    points.iter().flat_map(|point| attributes(point).clone()).collect()
}
