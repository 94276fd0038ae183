//! Each receiver finds what its own mapping reads, on the span of a model call.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use tidegauge_core::Record;

use super::Preset;
use tidegauge_otel::testing::conformance::{Output, Registry};
use tidegauge_otel::testing::{events, records, shown, spans};
use tidegauge_otel::{CacheWriteName, CallDetail, Names, Rendering, SpanOptions};

const ALL: [Preset; 8] = [
    Preset::None,
    Preset::Langfuse,
    Preset::Phoenix,
    Preset::Datadog,
    Preset::Honeycomb,
    Preset::GrafanaCloud,
    Preset::Openlit,
    Preset::Jaeger,
];

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
const BESIDES: &[(Preset, &str, Option<&str>)] = &[
    (Preset::Langfuse, "gen_ai.usage.cost", Some("0.000229")),
    (Preset::Langfuse, "gen_ai.usage.cache_creation.input_tokens", Some("10")),
    (Preset::Langfuse, "gen_ai.usage.cache_write.input_tokens", None),
    (Preset::Langfuse, "gen_ai.usage.audio.input_tokens", None),
    (Preset::Langfuse, "langfuse.observation.prompt.name", Some("greet")),
    (Preset::Langfuse, "langfuse.observation.prompt.version", Some("3")),
    (Preset::Langfuse, "langfuse.trace.tags", Some("[team:search, plan:pro]")),
    (
        Preset::Langfuse,
        "langfuse.observation.completion_start_time",
        Some("2026-11-18T11:06:40.221Z"),
    ),
    (Preset::Langfuse, "llm.model_name", None),
    (Preset::Phoenix, "openinference.span.kind", Some("LLM")),
    (Preset::Phoenix, "llm.model_name", Some("gpt-4o-mini-2024-07-18")),
    (Preset::Phoenix, "llm.provider", Some("openai")),
    (Preset::Phoenix, "llm.token_count.prompt", Some("1213")),
    (Preset::Phoenix, "llm.token_count.completion", Some("210")),
    (Preset::Phoenix, "llm.token_count.total", Some("1423")),
    (Preset::Phoenix, "gen_ai.usage.cache_creation.input_tokens", Some("10")),
    (Preset::Honeycomb, "gen_ai.usage.cache_write.input_tokens", Some("10")),
    (Preset::Openlit, "gen_ai.usage.cost", Some("0.000229")),
    (Preset::Openlit, "gen_ai.user", Some("u-1")),
    (Preset::None, "openinference.span.kind", None),
    (Preset::None, "langfuse.observation.prompt.name", None),
    (Preset::None, "gen_ai.user", None),
];

#[test]
fn each_receiver_finds_what_it_reads() {
    for preset in ALL {
        let has = attributes(preset);
        for (key, value) in COMMON {
            assert_eq!(has.get(*key).map(String::as_str), Some(*value), "{preset:?} {key}");
        }
        for (_, key, value) in BESIDES.iter().filter(|(of, ..)| *of == preset) {
            assert_eq!(has.get(*key).map(String::as_str), *value, "{preset:?} {key}");
        }
    }
}

/// Dashboards that know the names of today get them whatever is chosen for the others.
#[test]
fn names_of_metrics_follow_the_choice_but_for_known_dashboards() {
    let base = Rendering { names: Names::Next, ..Rendering::default() };
    for preset in ALL {
        let fixed = matches!(preset, Preset::GrafanaCloud | Preset::Openlit);
        let expected = if fixed { Names::Current } else { Names::Next };
        assert_eq!(preset.rendering(base).names, expected, "{preset:?}");
    }
}

/// Where the caller's own span says tokens and money, ours does not.
#[test]
fn a_link_says_no_tokens_and_no_money() {
    for preset in ALL {
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
    for preset in ALL {
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
