//! Everything emitted keeps every rule, and every rule finds a planted fault.

use std::collections::BTreeSet;
use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::trace::v1::{Status, span::SpanKind};
use tidegauge_core::{Health, Record};

use super::{Output, Registry};
use crate::attribute::pair;
use crate::metric::Histograms;
use crate::semconv::{ATTRIBUTES, CHOSEN, Kind, METRICS};
use crate::span::SpanOptions;
use crate::testing::{events, meter, metrics, records, spans};

fn output(records: &[Record], histograms: Histograms) -> Output {
    let health = Arc::new(Health::default());
    health.ledger("default");
    let meter = meter(histograms, &health);
    let mut output = Output::default();
    for record in records {
        meter.record(record);
        let spans = spans(record, &SpanOptions::default());
        output.spans.extend(spans.into_iter().map(|(_, span)| span));
        let options = SpanOptions { details: true, ..SpanOptions::default() };
        output.logs.extend(events(record, &options));
        output.captured |= record.observation.content.is_some();
    }
    output.metrics = metrics(&meter);
    output
}

#[test]
fn every_way_a_call_can_go_conforms() {
    let registry = Registry::load();
    for histograms in [Histograms::Exponential, Histograms::Explicit] {
        for (name, record) in records::all() {
            // A turn is never without its session.
            let with = record.session().map(|_| records::session());
            let records: Vec<_> = with.into_iter().chain([record]).collect();
            let findings = registry.check(&output(&records, histograms));
            assert_eq!(findings, [], "{name} {histograms:?}");
        }
    }
}

#[test]
fn every_rule_finds_its_fault() {
    let registry = Registry::load();
    let base = output(&[records::rate_limited()], Histograms::Explicit);
    assert_eq!(registry.check(&base), []);
    let text = |word: &str| Any::StringValue(word.to_owned());
    type Fault<'a> = (&'static str, Box<dyn Fn(&mut Output) + 'a>);
    let add = |span: usize, key: &'static str, value: Any| {
        move |output: &mut Output| output.spans[span].attributes.push(pair(key, value.clone()))
    };
    let set = |span: usize, key: &'static str, value: Any| {
        move |output: &mut Output| replace(&mut output.spans[span].attributes, key, value.clone())
    };
    let faults: Vec<Fault<'_>> = vec![
        ("unknown_attribute", Box::new(add(1, "gen_ai.usage.tokens", Any::IntValue(1)))),
        ("deprecated", Box::new(add(1, "gen_ai.system", text("openai")))),
        ("duplicate_attribute", Box::new(add(1, "gen_ai.operation.name", text("chat")))),
        ("type", Box::new(set(1, "gen_ai.request.temperature", text("0.2")))),
        ("enum", Box::new(set(0, "http.request.method", text("post")))),
        ("required_missing", Box::new(|output| drop_key(output, 1, "gen_ai.provider.name"))),
        ("required_missing", Box::new(|output| drop_key(output, 0, "url.path"))),
        ("required_missing", Box::new(|output| drop_key(output, 2, "url.full"))),
        ("port_iff_address", Box::new(|output| drop_key(output, 1, "server.port"))),
        ("stream_false", Box::new(add(1, "gen_ai.request.stream", Any::BoolValue(false)))),
        ("content_absent_by_default", Box::new(add(1, "gen_ai.input.messages", text("[]")))),
        ("content_absent_by_default", Box::new(add(1, "exception.message", text("no")))),
        ("genai_on_server", Box::new(add(0, "gen_ai.operation.name", text("chat")))),
        ("span_name", Box::new(|output| output.spans[1].name = "chat".to_owned())),
        ("span_kind", Box::new(|output| output.spans[1].kind = SpanKind::Internal.into())),
        ("status_ok", Box::new(|output| set_status(output, 0, 1, ""))),
        ("status_message", Box::new(|output| set_status(output, 1, 2, "text of a provider"))),
        ("error_type_iff_error", Box::new(|output| output.spans[1].status = None)),
        ("http_status_rule", Box::new(|output| set_status(output, 0, 2, ""))),
        ("resend_count", Box::new(add(2, "http.request.resend_count", Any::IntValue(0)))),
        (
            "first_chunk_iff_streaming",
            Box::new(add(1, "gen_ai.response.time_to_first_chunk", Any::DoubleValue(0.1))),
        ),
        (
            "token_arithmetic",
            Box::new(add(1, "gen_ai.usage.reasoning.output_tokens", Any::IntValue(5))),
        ),
        ("trace_continuity", Box::new(|output| output.spans[2].parent_span_id = vec![9; 8])),
        ("trace_continuity", Box::new(|output| output.spans[1].parent_span_id = vec![5; 8])),
        ("ids", Box::new(|output| output.spans[0].span_id.clear())),
        ("times", Box::new(|output| output.spans[0].end_time_unix_nano = 1)),
        ("unknown_metric", Box::new(|output| output.metrics[0].name = "x".to_owned())),
        ("unit", Box::new(|output| output.metrics[0].unit = "ms".to_owned())),
        ("instrument", Box::new(|output| monotonic(output, "tidegauge.spans.queued"))),
        ("bucket_advice", Box::new(|output| duration(output, |_, bounds| bounds[0] = 0.02))),
        (
            "metric_attribute",
            Box::new(|output| {
                duration(output, |list, _| list.push(pair("session.id", Any::IntValue(1))));
            }),
        ),
        (
            "token_type",
            Box::new(|output| {
                let kind = pair("gen_ai.token.type", Any::StringValue("cached".to_owned()));
                duration(output, |list, _| list.push(kind.clone()));
            }),
        ),
        (
            "span_metric_agreement",
            Box::new(|output| output.spans[1].end_time_unix_nano += 2_000_000),
        ),
        ("unknown_event", Box::new(|output| output.logs[0].event_name = "x".to_owned())),
        ("event_severity", Box::new(|output| output.logs[0].severity_number = 17)),
        ("event_parent", Box::new(|output| output.logs[0].span_id.clear())),
    ];
    for (rule, plant) in faults {
        let mut faulty = base.clone();
        plant(&mut faulty);
        let rules: Vec<_> = registry.check(&faulty).into_iter().map(|(rule, _)| rule).collect();
        assert!(rules.contains(&rule), "{rule}: {rules:?}");
    }
}

/// The same for what is said: each breach of the schemas, on spans and on events.
#[test]
fn every_fault_in_what_is_said_is_found() {
    let registry = Registry::load();
    let base = output(&[records::spoken()], Histograms::Explicit);
    assert_eq!(registry.check(&base), []);
    let rules = |output: &Output| -> Vec<_> {
        registry.check(output).into_iter().map(|(rule, _)| rule).collect()
    };
    assert_eq!(
        rules(&Output { captured: false, ..base.clone() }),
        ["content_absent_by_default"; 8]
    );
    for (key, faulty) in [
        ("gen_ai.input.messages", "no JSON"),
        ("gen_ai.input.messages", r#"{"role": "user", "parts": []}"#),
        ("gen_ai.input.messages", r#"["Hi"]"#),
        ("gen_ai.input.messages", r#"[{"parts": []}]"#),
        ("gen_ai.input.messages", r#"[{"role": "user", "parts": [{"content": "Hi"}]}]"#),
        ("gen_ai.input.messages", r#"[{"role": "user", "parts": [{"type": "text"}]}]"#),
        (
            "gen_ai.input.messages",
            r#"[{"role": "user", "parts": [{"type": "text", "content": 1}]}]"#,
        ),
        (
            "gen_ai.input.messages",
            r#"[{"role": "user", "parts": [{"type": "tool_call", "id": 1, "name": "f"}]}]"#,
        ),
        (
            "gen_ai.input.messages",
            r#"[{"role": "user", "parts": [{"type": "blob", "content": ""}]}]"#,
        ),
        (
            "gen_ai.input.messages",
            r#"[{"role": "a", "parts": [{"type": "server_tool_call", "name": "f", "server_tool_call": {}}]}]"#,
        ),
        ("gen_ai.output.messages", r#"[{"role": "assistant", "parts": []}]"#),
        ("gen_ai.system_instructions", r#"[{"type": "text"}]"#),
        ("gen_ai.tool.definitions", r#"[{"type": "function"}]"#),
    ] {
        let mut faulty_span = base.clone();
        let text = Any::StringValue(faulty.to_owned());
        replace(&mut faulty_span.spans[1].attributes, key, text.clone());
        assert_eq!(rules(&faulty_span), ["content_schema"], "{faulty}");
        // A text is no value.
        let mut faulty_event = base.clone();
        replace(&mut faulty_event.logs[0].attributes, key, text);
        assert_eq!(rules(&faulty_event), ["content_schema"], "{faulty}");
    }
    // And the other way round.
    let mut swapped = base.clone();
    let values = base.logs[0].attributes.iter().find(|pair| pair.key == "gen_ai.input.messages");
    let values = values.and_then(|pair| pair.value.clone()).and_then(|value| value.value);
    replace(&mut swapped.spans[1].attributes, "gen_ai.input.messages", values.expect("values"));
    assert_eq!(rules(&swapped), ["content_schema"]);
}

/// Both directions: nothing is emitted that is not registered, nothing registered is never emitted.
#[test]
fn names_in_code_and_in_the_registry_are_the_same() {
    let registry = Registry::load();
    let ours = registry.ours();
    let keys = |what: &str| -> BTreeSet<String> {
        ours[what].as_object().unwrap().keys().cloned().collect()
    };
    let in_code: BTreeSet<_> = METRICS
        .iter()
        .filter(|metric| metric.name.starts_with("tidegauge."))
        .map(|metric| metric.name.to_owned())
        .collect();
    assert_eq!(in_code, keys("metrics"));
    for metric in METRICS.iter() {
        let known = registry.metric(metric.name).unwrap();
        let kind = match metric.kind {
            Kind::Counter => "counter",
            Kind::UpDownCounter => "updowncounter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        assert_eq!((&known["unit"], &known["instrument"]), (&metric.unit.into(), &kind.into()));
        if metric.name.starts_with("tidegauge.") {
            assert_eq!(known["description"], metric.about, "{}", metric.name);
        }
    }
    let theirs = |name: &str| registry.conventions()["attributes"].get(name).is_some();
    let renamed = |name: &str| registry.conventions()["renamed"].get(name).is_some();
    let of_ours = |name: &&str| !theirs(name) && !renamed(name);
    let mut in_code: BTreeSet<String> =
        ATTRIBUTES.iter().filter(|name| of_ours(name)).map(|name| (*name).to_owned()).collect();
    in_code.extend(CHOSEN.map(|prefix| format!("{prefix}*")));
    assert_eq!(in_code, keys("attributes"));
}

/// A client that makes up models, teams and error codes cannot fill a metric.
#[test]
fn a_hostile_client_is_folded() {
    let records: Vec<_> = (0..500)
        .map(|id| {
            let mut record = records::unary();
            record.observation.request.model = Some(format!("model-{id}"));
            record.observation.response.model = None;
            record.who.tags.insert("team".to_owned(), format!("team-{id}"));
            record
        })
        .collect();
    let output = output(&records, Histograms::Explicit);
    let duration = output.metrics.iter().find(|m| m.name == "gen_ai.client.operation.duration");
    let Some(Data::Histogram(data)) = &duration.unwrap().data else { panic!("a histogram") };
    assert_eq!(data.data_points.len(), 201);
    let folded = output.metrics.iter().find(|m| m.name == "tidegauge.labels.folded").unwrap();
    let Some(Data::Sum(sum)) = &folded.data else { panic!("a sum") };
    assert_eq!(
        sum.data_points[0].value,
        Some(opentelemetry_proto::tonic::metrics::v1::number_data_point::Value::AsInt(600))
    );
}

fn replace(list: &mut Vec<KeyValue>, key: &str, value: Any) {
    list.retain(|pair| pair.key != key);
    list.push(pair(key, value));
}

fn drop_key(output: &mut Output, span: usize, key: &str) {
    output.spans[span].attributes.retain(|pair| pair.key != key);
}

fn set_status(output: &mut Output, span: usize, code: i32, message: &str) {
    output.spans[span].status = Some(Status { code, message: message.to_owned() });
}

fn monotonic(output: &mut Output, name: &str) {
    let metric = output.metrics.iter_mut().find(|metric| metric.name == name).unwrap();
    let Some(Data::Sum(sum)) = &mut metric.data else { panic!("a sum") };
    sum.is_monotonic = true;
}

fn duration(output: &mut Output, change: impl Fn(&mut Vec<KeyValue>, &mut Vec<f64>)) {
    let name = "gen_ai.client.operation.duration";
    let metric = output.metrics.iter_mut().find(|metric| metric.name == name).unwrap();
    let Some(Data::Histogram(data)) = &mut metric.data else { panic!("a histogram") };
    let point = &mut data.data_points[0];
    change(&mut point.attributes, &mut point.explicit_bounds);
}
