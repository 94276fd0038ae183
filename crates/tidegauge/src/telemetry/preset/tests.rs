//! Each receiver finds what its own mapping reads, on the span of a model call.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use tidegauge_core::Record;

use super::*;
use tidegauge_otel::testing::conformance::{Output, Registry};
use tidegauge_otel::testing::{events, records, shown, spans};
use tidegauge_otel::{
    CacheWriteName, CallDetail, Compat, Extra, Histograms, Names, SpanTree, Sums,
};

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

/// What a receiver that reads old names finds in place of a new one.
const CACHE_OLD: &str = "gen_ai.usage.cache_creation.input_tokens";

/// What single ones read besides, with its value; without one it must be absent.
const BESIDES: &[(&str, &str, Option<&str>)] = &[
    ("langfuse", "gen_ai.usage.cost", Some("0.000229")),
    ("langfuse", "gen_ai.usage.cache_creation.input_tokens", Some("10")),
    ("langfuse", "gen_ai.usage.cache_write.input_tokens", None),
    ("langfuse", "gen_ai.usage.audio.input_tokens", None),
    ("langfuse", "langfuse.observation.prompt.name", Some("greet")),
    ("langfuse", "langfuse.observation.prompt.version", Some("3")),
    ("langfuse", "langfuse.trace.tags", Some("[plan:pro, team:search]")),
    ("langfuse", "langfuse.observation.completion_start_time", Some("2026-11-18T11:06:40.221Z")),
    ("langfuse", "langfuse.trace.name", Some("helper")),
    ("langfuse", "llm.model_name", None),
    ("arize", "openinference.span.kind", Some("LLM")),
    ("galileo", "openinference.span.kind", Some("LLM")),
    ("braintrust", "braintrust.tags", Some("[plan:pro, team:search]")),
    ("braintrust", "braintrust.metadata.team", Some("search")),
    ("braintrust", "braintrust.metadata.session_id", Some("s-1")),
    ("langsmith", "langsmith.trace.session_id", Some("s-1")),
    ("langsmith", "langsmith.metadata.user_id", Some("u-1")),
    ("langsmith", "gen_ai.system", Some("openai")),
    ("opik", "gen_ai.usage.cost", None),
    ("opik", "gen_ai.system", Some("openai")),
    ("laminar", "gen_ai.usage.cost", Some("0.000229")),
    ("laminar", "gen_ai.usage.reasoning_tokens", Some("64")),
    ("laminar", "lmnr.association.properties.session_id", Some("s-1")),
    ("weave", "gen_ai.usage.reasoning_tokens", Some("64")),
    ("signoz", "gen_ai.server.ttft", Some("0.22")),
    ("axiom", "gen_ai.capability.name", Some("helper")),
    ("axiom", "gen_ai.step.name", Some("greet")),
    ("none", "gen_ai.server.ttft", None),
    ("none", "gen_ai.system", None),
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

/// The conformance checker holds for every preset, with the event of each call; the old names of
/// the cache and of the provider are what it is told to overlook.
#[test]
fn every_rendering_conforms() {
    let registry = Registry::load();
    for preset in Preset::all() {
        let rendering = preset.rendering(Rendering::default());
        let write = CacheWriteName::New;
        // Where the call stands alone its parent is in another process.
        let tree = SpanTree::All;
        let extras = Extra::ALL.into_iter().filter(|extra| rendering.spans.compat.has(*extra));
        let compat = extras.filter(|extra| *extra != Extra::System).fold(Compat::NONE, Compat::and);
        let options =
            SpanOptions { details: true, cache_write: write, tree, compat, ..rendering.spans };
        for (name, record) in records::all() {
            let captured = record.observation.content.is_some();
            let mut output = Output { captured, ..Output::default() };
            // A turn is never without its session.
            let session = record.session().map(|_| records::session());
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

/// The receivers that know no new name of the cache find the old one.
#[test]
fn cache_writes_have_the_name_that_is_read() {
    for name in ["langfuse", "signoz", "mlflow", "laminar", "phoenix", "opik", "weave", "galileo"] {
        let has = attributes(Preset::of_name(name).unwrap());
        assert_eq!(has.get(CACHE_OLD).map(String::as_str), Some("10"), "{name}");
    }
}

/// A tool for calls gets the call as the root, or under the caller's span; what shows trees gets all.
#[test]
fn tools_for_calls_get_calls_alone() {
    let tools = [
        "langfuse",
        "phoenix",
        "arize",
        "galileo",
        "braintrust",
        "langsmith",
        "opik",
        "laminar",
        "weave",
        "mlflow",
        "axiom",
        "datadog",
    ];
    for preset in Preset::all() {
        let rendering = preset.rendering(Rendering::default());
        for (_, record) in records::all() {
            let scopes = spans(&record, &rendering.spans).into_iter().map(|(scope, _)| scope);
            let http = scopes.filter(|scope| *scope != tidegauge_core::Scope::GenAi).count();
            if tools.contains(&preset.name()) {
                assert_eq!(http, 0, "{preset:?}");
            } else {
                assert!(http > 0 || record.kind.is_turn(), "{preset:?}");
            }
        }
    }
}

#[test]
fn those_that_show_input_and_output_find_them_where_they_were_captured() {
    let mut short = records::spoken();
    let content = short.observation.content.as_mut().unwrap();
    content.system.clear();
    let text = |text: &str| vec![tidegauge_core::Part::Text { content: text.to_owned() }];
    content.input.truncate(1);
    content.output.truncate(1);
    content.input[0].parts = text("Why?");
    content.output[0].parts = text("Because.");
    for name in ["phoenix", "arize", "galileo"] {
        let options = Preset::of_name(name).unwrap().rendering(Rendering::default()).spans;
        let shown_of = |record: &Record, options: &SpanOptions, key: &str| {
            shown(&call(record, options).attributes, key)
        };
        for (key, whole, alone) in [
            ("input.value", "[{\"role\":\"", "Why?"),
            ("input.mime_type", "application/json", "text/plain"),
            ("output.value", "[{\"role\":\"assistant\"", "Because."),
            ("output.mime_type", "application/json", "text/plain"),
        ] {
            let long = shown_of(&records::spoken(), &options, key).unwrap();
            assert!(long.starts_with(whole), "{name} {key} {long}");
            assert_eq!(shown_of(&short, &options, key).unwrap(), alone, "{name} {key}");
            let off = SpanOptions { content: false, ..options };
            assert_eq!(shown_of(&short, &off, key), None, "{name} {key}");
            assert_eq!(shown_of(&record(), &options, key), None, "{name} {key}");
        }
    }
}

fn told(missing: Vec<(&'static str, String)>) -> Vec<String> {
    missing.into_iter().map(|(key, expected)| format!("{key}: {expected}")).collect()
}

/// What only the user knows is named where it is missing, with what it looks like.
#[test]
fn what_is_missing_is_named() {
    let braintrust = Preset::of_name("braintrust").unwrap();
    let at = |url: &str, headers: &[&str]| Receiver {
        endpoint: Some(url.to_owned()),
        headers: headers.iter().map(|name| ((*name).to_owned(), "x".to_owned())).collect(),
        ..Receiver::default()
    };
    let nothing = ResourceAttributes::default();
    let parent = "headers: the header `x-bt-parent: project_name:${BRAINTRUST_PROJECT}` for Braintrust: \
                  spans without one are dropped";
    let missing = braintrust.missing(&at("https://b", &["Authorization"]), &nothing);
    assert_eq!(told(missing), [parent]);
    let missing = braintrust.missing(&at("https://b", &[]), &nothing);
    assert_eq!(missing.len(), 2);
    // An agent beside us knows the key.
    assert_eq!(told(braintrust.missing(&at("http://b", &[]), &nothing)), [parent]);
    let weave = Preset::of_name("weave").unwrap();
    let mut known = ResourceAttributes::default();
    known.set("wandb.entity", "me");
    let missing = told(weave.missing(&at("https://w", &["wandb-api-key"]), &known));
    assert_eq!(missing.len(), 1);
    assert!(missing[0].starts_with("resource: the attribute `wandb.project: "), "{missing:?}");
}

/// The table of the page, from the rows.
fn table() -> String {
    let mut table = "| preset | signals | spans | protocol | where | changed names | shown |\n\
                     |---|---|---|---|---|---|---|\n"
        .to_owned();
    for row in ROWS {
        let signals = if row.signals == Signals::ALL { "all" } else { "traces" };
        let spans = if row.tree == SpanTree::Calls { "`calls`" } else { "`all`" };
        let protocol = row.protocol.map(|protocol| format!("`{}`", protocol.name()));
        let place = match row.endpoint {
            Endpoint::Yours(_) => "yours".to_owned(),
            Endpoint::Usual(url) | Endpoint::UsualTraces(url) => format!("`{url}`"),
        };
        let _ = writeln!(
            table,
            "| `{}` | {signals} | {spans} | {} | {place} | {} | {} |",
            row.name,
            protocol.unwrap_or_default(),
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
        when(row.usage_cost == Some(false), "no `gen_ai.usage.cost`"),
    ];
    let extras = Extra::ALL.into_iter().filter(|extra| row.compat.has(*extra)).map(Extra::about);
    let more = [
        when(row.metric_names == Some(Names::Current), "metrics always under today's names"),
        when(row.sums == Some(Sums::Delta), "sums as deltas"),
        when(row.sums == Some(Sums::Cumulative), "sums always cumulative"),
        when(row.histograms == Some(Histograms::Explicit), "fixed histogram boundaries"),
        when(row.limits.is_some(), "shorter values"),
    ];
    let all: Vec<_> =
        all.into_iter().flatten().chain(extras).chain(more.into_iter().flatten()).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// The example of each receiver: what a user must set, and what else is to be known.
fn examples() -> String {
    let mut page = String::new();
    for row in ROWS {
        let name = if row.name == "none" { "other" } else { row.name };
        let _ = write!(
            page,
            "## {}\n\n```yaml\ntelemetry:\n  exporters:\n    - name: {name}\n",
            row.title
        );
        let _ = writeln!(page, "      preset: {}", row.name);
        if let Endpoint::Yours(url) = row.endpoint {
            let _ = writeln!(page, "      endpoint: {url}");
        }
        for (key, resource) in [("headers", false), ("resource", true)] {
            let mut needs = row.needs.iter();
            let needs: Vec<_> = needs
                .by_ref()
                .filter(|need| (need.place == NeedPlace::Resource) == resource)
                .collect();
            if !needs.is_empty() {
                let _ = writeln!(page, "      {key}:");
            }
            for need in needs {
                let _ =
                    writeln!(page, "        {}: \"{}\"   # {}", need.name, need.sample, need.about);
            }
        }
        page.push_str("```\n\n");
        if !row.note.is_empty() {
            let _ = write!(page, "{}\n\n", row.note);
        }
    }
    page.trim_end().to_owned() + "\n"
}

#[test]
fn the_reference_of_presets_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/backends.md");
    let there = std::fs::read_to_string(path).unwrap();
    let mut fresh = there.clone();
    for (name, text) in [("presets", table()), ("examples", examples())] {
        let mark = format!("<!-- generated: {name} -->");
        let (before, rest) = fresh.split_once(&mark).unwrap();
        let (_, after) = rest.split_once("<!-- end -->").unwrap();
        fresh = format!("{before}{mark}\n\n{text}\n<!-- end -->{after}");
    }
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
