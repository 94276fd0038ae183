//! Each receiver finds what its own mapping reads, on the span of a model call.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use tidegauge_core::Record;

use super::*;
use tidegauge_otel::CallDetail;
use tidegauge_otel::testing::conformance::{Output, Registry};
use tidegauge_otel::testing::{events, records, shown, spans};

/// A stream with everything a receiver may look for.
fn record() -> Record {
    let mut record = records::stream();
    record.observation.usage.cache_write_5m = Some(10);
    record.observation.usage.input_audio = Some(3);
    record
}

fn call(record: &Record, options: &SpanOptions) -> Span {
    let spans = spans(record, options).into_iter().map(|(_, span)| span);
    let is_call = |span: &Span| shown(&span.attributes, "gen_ai.operation.name").is_some();
    spans.into_iter().find(is_call).expect("an inference span")
}

fn attributes(preset: Preset) -> BTreeMap<String, String> {
    let rendering = preset.rendering(Rendering::default());
    let span = call(&record(), &rendering.spans);
    let shown = |key: &String| shown(&span.attributes, key).unwrap();
    let keys = span.attributes.iter().map(|pair| pair.key.clone());
    keys.map(|key| (key.clone(), shown(&key))).collect()
}

/// What every one of them reads.
const COMMON: &[(&str, &str)] = &[
    ("gen_ai.operation.name", "chat"),
    ("gen_ai.provider.name", "openai"),
    ("gen_ai.request.model", "gpt-4o-mini"),
    ("gen_ai.response.model", "gpt-4o-mini-2024-07-18"),
    ("gen_ai.usage.input_tokens", "1213"),
    ("gen_ai.usage.output_tokens", "210"),
    ("gen_ai.usage.cache_read.input_tokens", "1024"),
    ("gen_ai.conversation.id", "s-1"),
    ("gen_ai.agent.name", "helper"),
    ("session.id", "s-1"),
    ("user.id", "u-1"),
    ("gen_ai.response.time_to_first_chunk", "0.2"),
];

/// What single ones read besides, with its value; without one it must be absent.
const BESIDES: &[(&str, &str, Option<&str>)] = &[
    ("langfuse", "gen_ai.usage.cost", Some("0.000229")),
    ("langfuse", "gen_ai.usage.cache_creation.input_tokens", Some("10")),
    ("langfuse", "gen_ai.usage.cache_write.input_tokens", None),
    ("langfuse", "gen_ai.usage.audio.input_tokens", None),
    ("langfuse", "langfuse.observation.prompt.name", Some("greet")),
    ("langfuse", "langfuse.observation.prompt.version", Some("3")),
    ("langfuse", "langfuse.trace.tags", Some("[team:search, plan:pro]")),
    ("langfuse", "langfuse.observation.completion_start_time", Some("2026-11-18T11:06:40.221Z")),
    ("langfuse", "llm.model_name", None),
    ("phoenix", "openinference.span.kind", Some("LLM")),
    ("phoenix", "llm.model_name", Some("gpt-4o-mini-2024-07-18")),
    ("phoenix", "llm.provider", Some("openai")),
    ("phoenix", "llm.token_count.prompt", Some("1213")),
    ("phoenix", "llm.token_count.completion", Some("210")),
    ("phoenix", "llm.token_count.total", Some("1423")),
    ("phoenix", "gen_ai.usage.cache_creation.input_tokens", Some("10")),
    ("honeycomb", "gen_ai.usage.cache_write.input_tokens", Some("10")),
    ("openlit", "gen_ai.usage.cost", Some("0.000229")),
    ("openlit", "gen_ai.user", Some("u-1")),
    ("none", "openinference.span.kind", None),
    ("none", "langfuse.observation.prompt.name", None),
    ("none", "gen_ai.user", None),
];

#[test]
fn each_receiver_finds_what_it_reads() {
    for preset in Preset::all() {
        let has = attributes(preset);
        for (key, value) in COMMON {
            assert_eq!(has.get(*key).map(String::as_str), Some(*value), "{preset:?} {key}");
        }
        for (_, key, value) in BESIDES.iter().filter(|(of, ..)| *of == preset.name()) {
            assert_eq!(has.get(*key).map(String::as_str), *value, "{preset:?} {key}");
        }
    }
}

/// Dashboards that know the names of today get them whatever is chosen for the others.
#[test]
fn names_of_metrics_follow_the_choice_but_for_known_dashboards() {
    let base = Rendering { names: Names::Next, ..Rendering::default() };
    for preset in Preset::all() {
        let fixed = matches!(preset.name(), "grafana-cloud" | "openlit");
        let expected = if fixed { Names::Current } else { Names::Next };
        assert_eq!(preset.rendering(base).names, expected, "{preset:?}");
    }
}

/// Where the caller's own span says tokens and money, ours does not.
#[test]
fn a_link_says_no_tokens_and_no_money() {
    for preset in Preset::all() {
        let rendering = preset.rendering(Rendering::default());
        let options = SpanOptions { detail: CallDetail::LinkOnly, ..rendering.spans };
        let span = call(&record(), &options);
        for pair in &span.attributes {
            let counts =
                ["gen_ai.usage.", "tidegauge.cost.", "tidegauge.usage.", "llm.token_count."];
            assert!(!counts.iter().any(|start| pair.key.starts_with(start)), "{}", pair.key);
        }
        assert!(shown(&span.attributes, "gen_ai.response.id").is_some());
        assert!(shown(&span.attributes, "tidegauge.exchange.id").is_some());
    }
}

/// The conformance checker holds for every preset, with the event of each call; the old name of the
/// cache is the one thing it is told to overlook.
#[test]
fn every_rendering_conforms() {
    let registry = Registry::load();
    for preset in Preset::all() {
        let rendering = preset.rendering(Rendering::default());
        let write = CacheWriteName::New;
        let options = SpanOptions { details: true, cache_write: write, ..rendering.spans };
        for (name, record) in records::all() {
            let captured = record.observation.content.is_some();
            let mut output = Output { captured, ..Output::default() };
            // A turn is never without its session.
            let session = record.exchange.within.map(|_| records::session());
            for record in session.into_iter().chain([record]) {
                output.spans.extend(spans(&record, &options).into_iter().map(|(_, span)| span));
                output.logs.extend(events(&record, &options));
            }
            assert_eq!(registry.check(&output), [], "{preset:?} {name}");
        }
    }
}

/// The event says what the span says; what was said in the call has another form in each.
#[test]
fn the_details_of_a_call_are_those_of_its_span() {
    let options = SpanOptions { details: true, ..SpanOptions::default() };
    for (name, record) in records::all() {
        let events = events(&record, &options);
        let details = events.iter().find(|event| event.event_name.ends_with(".details"));
        let spans = spans(&record, &options).into_iter().map(|(_, span)| span);
        let id = record.exchange.trace.inference.0;
        let call = spans.into_iter().find(|span| span.span_id == id);
        assert_eq!(details.is_some(), call.is_some(), "{name}");
        if let (Some(details), Some(call)) = (details, call) {
            let said = |pairs: &[KeyValue]| -> (Vec<KeyValue>, Vec<String>) {
                let words =
                    ["gen_ai.input.", "gen_ai.output.messages", "gen_ai.system_", "gen_ai.tool."];
                let apart = |pair: &&KeyValue| words.iter().any(|word| pair.key.starts_with(word));
                let keys = pairs.iter().filter(apart).map(|pair| pair.key.clone()).collect();
                let rest: Vec<_> = pairs.iter().filter(|pair| !apart(pair)).cloned().collect();
                (rest, keys)
            };
            assert_eq!(said(&details.attributes), said(&call.attributes), "{name}");
            assert_eq!((&details.trace_id, &details.span_id), (&call.trace_id, &call.span_id));
        }
    }
}

/// The table of the page, from the rows.
fn table() -> String {
    let mut table = "| preset | signals | protocol | header | changed names | shown |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for row in ROWS {
        let signals = if row.signals == Signals::ALL { "all" } else { "traces" };
        let protocol = row.protocol.map(|protocol| format!("`{}`", protocol.name()));
        let headers: Vec<_> =
            row.headers.iter().map(|(name, value)| format!("`{name}: {value}`")).collect();
        let _ = writeln!(
            table,
            "| `{}` | {signals} | {} | {} | {} | {} |",
            row.name,
            protocol.unwrap_or_default(),
            headers.join(", "),
            changed(row),
            row.shown,
        );
    }
    table
}

/// What a receiver is told otherwise than any other.
fn changed(row: &PresetRow) -> String {
    let cache = row.cache_write.map(|name| match name {
        CacheWriteName::New => "new name of cache writes",
        CacheWriteName::Old => "old name of cache writes",
        CacheWriteName::Both => "both names of cache writes",
    });
    let when = |yes: bool, text: &'static str| yes.then_some(text);
    let all = [
        cache,
        when(row.modalities == Some(false), "no tokens by modality"),
        when(row.usage_cost == Some(true), "`gen_ai.usage.cost`"),
        when(row.compat.langfuse, "`langfuse.*`"),
        when(row.compat.openinference, "OpenInference's names"),
        when(row.compat.openlit, "`gen_ai.user`"),
        when(row.metric_names == Some(Names::Current), "metrics always under today's names"),
        when(row.limits.is_some(), "shorter values"),
    ];
    let all: Vec<_> = all.into_iter().flatten().collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

#[test]
fn the_reference_of_presets_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/backends.md");
    let there = std::fs::read_to_string(path).unwrap();
    let (before, rest) = there.split_once("<!-- generated: presets -->").unwrap();
    let (_, after) = rest.split_once("<!-- end -->").unwrap();
    let table = table();
    let fresh = format!("{before}<!-- generated: presets -->\n\n{table}\n<!-- end -->{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, fresh).unwrap();
        return;
    }
    assert!(there == fresh, "run: UPDATE=1 cargo test -p tidegauge --lib -- reference");
}

#[test]
fn every_preset_is_found_by_its_name() {
    let mut names: Vec<_> = Preset::all().map(Preset::name).collect();
    assert!(Preset::all().all(|preset| Preset::of_name(preset.name()) == Some(preset)));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ROWS.len(), "no two have the same name");
}
