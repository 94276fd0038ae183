//! Checks spans, metrics and events against the registries in `tests/semconv`.
//!
//! Each rule has an id. The rules are checked on everything that records by hand become, and each
//! rule on a planted fault, so that the checker is checked too.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use serde_json::Value;

use crate::testing::{plain, shown};

/// Everything that some exchanges became.
#[derive(Clone, Debug, Default)]
pub struct Output {
    pub spans: Vec<Span>,
    pub metrics: Vec<Metric>,
    pub logs: Vec<LogRecord>,
    /// What was said was to be captured.
    pub captured: bool,
}

/// One breach: the rule and where.
pub type Finding = (&'static str, String);

/// What may be emitted.
pub struct Registry {
    genai: Value,
    ours: Value,
    content: Value,
}

impl Registry {
    pub fn load() -> Self {
        let parse = |text| serde_json::from_str(text).expect("valid JSON");
        Self {
            genai: parse(include_str!("../../../../tests/semconv/genai.json")),
            ours: parse(include_str!("../../../../tests/semconv/tidegauge.json")),
            content: parse(include_str!("../../../../tests/semconv/content.json")),
        }
    }

    pub fn ours(&self) -> &Value {
        &self.ours
    }

    pub fn conventions(&self) -> &Value {
        &self.genai
    }

    /// Type, allowed words and whether it is deprecated.
    fn attribute(&self, key: &str) -> Option<&Value> {
        let known = |registry: &'static str, key: &str| {
            let registry = if registry == "genai" { &self.genai } else { &self.ours };
            registry["attributes"].get(key)
        };
        known("genai", key).or_else(|| known("ours", &starred(key)))
    }

    fn metric(&self, name: &str) -> Option<&Value> {
        self.genai["metrics"].get(name).or_else(|| self.ours["metrics"].get(name))
    }

    /// Every breach in `output`.
    pub fn check(&self, output: &Output) -> Vec<Finding> {
        let mut found = Findings(Vec::new());
        for span in &output.spans {
            let place = format!("span {:?}", span.name);
            self.attributes(&span.attributes, &place, &mut found);
            self.said(&span.attributes, output.captured, Form::Text, &place, &mut found);
            self.span(span, &place, &mut found);
        }
        tree(&output.spans, &mut found);
        for metric in &output.metrics {
            self.sums(metric, &mut found);
        }
        for log in &output.logs {
            let place = format!("event {}", log.event_name);
            self.attributes(&log.attributes, &place, &mut found);
            self.said(&log.attributes, output.captured, Form::Values, &place, &mut found);
            self.event(log, &place, &mut found);
        }
        agreement(output, &mut found);
        found.0
    }

    fn attributes(&self, list: &[KeyValue], place: &str, found: &mut Findings) {
        let mut seen = BTreeMap::new();
        for pair in list {
            let key = pair.key.as_str();
            let place = format!("{place}: {key}");
            if seen.insert(key, ()).is_some() {
                found.add("duplicate_attribute", &place);
            }
            let Some(known) = self.attribute(key) else {
                found.add("unknown_attribute", &place);
                continue;
            };
            if known.get("deprecated").is_some() {
                found.add("deprecated", &place);
            }
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            if known["type"] != "any" && known["type"] != kind_of(value) {
                found.add("type", &place);
            }
            let word = shown(list, key).unwrap_or_default();
            let words = known.get("enum").and_then(Value::as_array);
            if words.is_some_and(|words| !words.iter().any(|known| *known == word)) {
                found.add("enum", &place);
            }
            if key == "exception.message" {
                found.add("content_absent_by_default", &place);
            }
        }
        let has = |key| shown(list, key).is_some();
        if has("server.address") != has("server.port") {
            found.add("port_iff_address", place);
        }
        if shown(list, "gen_ai.request.stream").as_deref() == Some("false") {
            found.add("stream_false", place);
        }
    }

    /// What was said is there only if it was captured, and then in the shape of its schema: as text
    /// on spans, as values on events.
    fn said(
        &self,
        list: &[KeyValue],
        captured: bool,
        form: Form,
        place: &str,
        found: &mut Findings,
    ) {
        for pair in list {
            let Some(shape) = self.content["attributes"].get(&pair.key) else { continue };
            let place = format!("{place}: {}", pair.key);
            if !captured {
                found.add("content_absent_by_default", &place);
                continue;
            }
            let value = pair.value.as_ref().and_then(|value| value.value.as_ref());
            let said = match (form, value) {
                (Form::Text, Some(Any::StringValue(text))) => serde_json::from_str(text).ok(),
                (Form::Values, Some(value @ Any::ArrayValue(_))) => Some(plain(value)),
                _ => None,
            };
            let things = said.as_ref().and_then(Value::as_array);
            if !things.is_some_and(|things| things.iter().all(|one| self.fits(one, shape))) {
                found.add("content_schema", &place);
            }
        }
    }

    /// Whether a value is what a word of `content.json` says, or has the members that it lists.
    fn fits(&self, value: &Value, shape: &Value) -> bool {
        match shape.as_str() {
            Some("string") => value.is_string(),
            Some("typed") => value["type"].is_string(),
            Some("part") => self.is_part(value),
            Some("parts") => {
                value.as_array().is_some_and(|parts| parts.iter().all(|part| self.is_part(part)))
            }
            Some(_) => true,
            None => self.has_members(value, shape),
        }
    }

    fn is_part(&self, part: &Value) -> bool {
        let Some(kind) = part["type"].as_str() else { return false };
        self.content["parts"].get(kind).is_none_or(|shape| self.has_members(part, shape))
    }

    fn has_members(&self, value: &Value, shape: &Value) -> bool {
        let Some(members) = value.as_object() else { return false };
        let all = |shape: &Value, must: bool| {
            shape.as_object().into_iter().flatten().all(|(name, shape)| match members.get(name) {
                Some(member) => self.fits(member, shape),
                None => !must,
            })
        };
        all(shape, true) && all(&self.content["optional"], false)
    }

    fn required(&self, of: &Value, list: &[KeyValue], place: &str, found: &mut Findings) {
        for (key, level) in of["attributes"].as_object().into_iter().flatten() {
            if level == "required" && shown(list, key).is_none() {
                found.add("required_missing", &format!("{place}: {key}"));
            }
        }
    }

    fn span(&self, span: &Span, place: &str, found: &mut Findings) {
        let get = |key: &str| shown(&span.attributes, key);
        let kind = SpanKind::try_from(span.kind).expect("a kind");
        let operation = get("gen_ai.operation.name");
        let kind_name = match (kind, operation.as_deref()) {
            (SpanKind::Server, _) => "http.server",
            (SpanKind::Client, None) => "http.client",
            (SpanKind::Client, Some("embeddings")) => "gen_ai.embeddings.client",
            (SpanKind::Client, Some("fetch_response")) => "gen_ai.fetch_response.client",
            (SpanKind::Client, Some(_)) => "gen_ai.inference.client",
            _ => {
                found.add("span_kind", place);
                return;
            }
        };
        self.required(&self.genai["spans"][kind_name], &span.attributes, place, found);
        let genai = |pair: &KeyValue| pair.key.starts_with("gen_ai.");
        if kind == SpanKind::Server && span.attributes.iter().any(genai) {
            found.add("genai_on_server", place);
        }
        if span.name != expected_name(kind_name, &get) {
            found.add("span_name", place);
        }
        self.status(span, kind_name, place, found);
        let resent = get("http.request.resend_count").map(|resent| resent.parse().unwrap_or(0));
        if resent.is_some_and(|resent: u32| kind_name != "http.client" || resent == 0) {
            found.add("resend_count", place);
        }
        if kind_name.starts_with("gen_ai.") {
            streaming(&get, place, found);
            tokens(&get, place, found);
        }
    }

    fn status(&self, span: &Span, kind_name: &str, place: &str, found: &mut Findings) {
        let code = span.status.as_ref().map(|status| status.code());
        let failed = code == Some(StatusCode::Error);
        if code == Some(StatusCode::Ok) {
            found.add("status_ok", place);
        }
        if span.status.as_ref().is_some_and(|status| !status.message.is_empty()) {
            found.add("status_message", place);
        }
        if shown(&span.attributes, "error.type").is_some() != failed {
            found.add("error_type_iff_error", place);
        }
        let http = shown(&span.attributes, "http.response.status_code");
        let http = http.and_then(|code| code.parse::<u16>().ok()).unwrap_or(0);
        let must = match kind_name {
            "http.server" => http >= 500,
            "http.client" => http >= 400,
            _ => failed,
        };
        let may = kind_name != "http.server" || !(400..500).contains(&http);
        if must && !failed || failed && !may {
            found.add("http_status_rule", place);
        }
    }

    fn sums(&self, metric: &Metric, found: &mut Findings) {
        let place = format!("metric {}", metric.name);
        let Some(known) = self.metric(&metric.name) else {
            found.add("unknown_metric", &place);
            return;
        };
        if known["unit"] != metric.unit {
            found.add("unit", &place);
        }
        let (instrument, points) = points(metric);
        if known["instrument"] != instrument {
            found.add("instrument", &place);
        }
        if let Some(Data::Histogram(data)) = &metric.data {
            let advised = known.get("buckets").and_then(Value::as_array);
            let bounds = |bounds: &[f64]| {
                advised.is_none_or(|advised| {
                    advised.iter().filter_map(Value::as_f64).eq(bounds.iter().copied())
                })
            };
            if !data.data_points.iter().all(|point| bounds(&point.explicit_bounds)) {
                found.add("bucket_advice", &place);
            }
        }
        let more = self.ours["attributes_on_other_metrics"].get(&metric.name);
        for list in points {
            self.attributes(list, &place, found);
            self.required(known, list, &place, found);
            for pair in list {
                let key = starred(&pair.key);
                let ours = ["tidegauge.upstream", "tidegauge.tag.*"].contains(&key.as_str());
                let named = known["attributes"].get(&key).is_some();
                let more = more.and_then(Value::as_array).into_iter().flatten();
                if !(ours || named || more.into_iter().any(|more| *more == key)) {
                    found.add("metric_attribute", &format!("{place}: {key}"));
                }
            }
            let kind = shown(list, "gen_ai.token.type");
            if kind.is_some_and(|kind| kind != "input" && kind != "output") {
                found.add("token_type", &place);
            }
        }
    }

    fn event(&self, log: &LogRecord, place: &str, found: &mut Findings) {
        let Some(known) = self.genai["events"].get(&log.event_name) else {
            found.add("unknown_event", place);
            return;
        };
        self.required(known, &log.attributes, place, found);
        let has = |key| shown(&log.attributes, key).is_some();
        let failure = log.event_name.ends_with("exception");
        if failure && !has("exception.type") && !has("exception.message") {
            found.add("required_missing", &format!("{place}: exception.type"));
        }
        if log.severity_number != if failure { 13 } else { 9 } {
            found.add("event_severity", place);
        }
        if log.trace_id.len() != 16 || log.span_id.len() != 8 {
            found.add("event_parent", place);
        }
    }
}

/// How what was said is written.
#[derive(Clone, Copy)]
enum Form {
    /// As a text with JSON in it.
    Text,
    /// As values.
    Values,
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: &'static str, place: &str) {
        self.0.push((rule, place.to_owned()));
    }
}

/// The registered name: a caller's tag stands under one.
fn starred(key: &str) -> String {
    let chosen = crate::semconv::CHOSEN.iter().find(|prefix| key.starts_with(*prefix));
    chosen.map_or_else(|| key.to_owned(), |prefix| format!("{prefix}*"))
}

fn kind_of(value: Option<&Any>) -> &'static str {
    match value {
        Some(Any::StringValue(_)) => "string",
        Some(Any::BoolValue(_)) => "boolean",
        Some(Any::IntValue(_)) => "int",
        Some(Any::DoubleValue(_)) => "double",
        Some(Any::ArrayValue(list)) => {
            let text = |value: &&Any| matches!(value, Any::StringValue(_));
            let mut values = list.values.iter().filter_map(|value| value.value.as_ref());
            if values.all(|value| text(&value)) { "string[]" } else { "mixed[]" }
        }
        _ => "nothing",
    }
}

fn expected_name(kind_name: &str, get: &impl Fn(&str) -> Option<String>) -> String {
    let join = |first: Option<String>, second: Option<String>| match (first, second) {
        (Some(first), Some(second)) => format!("{first} {second}"),
        (first, _) => first.unwrap_or_default(),
    };
    let method = get("http.request.method");
    let method = method.map(|method| if method == "_OTHER" { "HTTP".to_owned() } else { method });
    match kind_name {
        "http.server" => join(method, get("http.route")),
        "http.client" => method.unwrap_or_default(),
        "gen_ai.fetch_response.client" => get("gen_ai.operation.name").unwrap_or_default(),
        _ => join(get("gen_ai.operation.name"), get("gen_ai.request.model")),
    }
}

fn streaming(get: &impl Fn(&str) -> Option<String>, place: &str, found: &mut Findings) {
    let times = [
        "gen_ai.response.time_to_first_chunk",
        "tidegauge.response.time_to_first_token",
        "tidegauge.response.time_per_output_token",
    ];
    if get("gen_ai.request.stream").is_none() && times.iter().any(|key| get(key).is_some()) {
        found.add("first_chunk_iff_streaming", place);
    }
}

fn tokens(get: &impl Fn(&str) -> Option<String>, place: &str, found: &mut Findings) {
    let count = |key: &str| get(key).map(|count| count.parse::<i64>().unwrap_or(-1));
    let sum = |keys: &[&str]| keys.iter().filter_map(|key| count(key)).sum::<i64>();
    let cached =
        sum(&["gen_ai.usage.cache_read.input_tokens", "gen_ai.usage.cache_write.input_tokens"]);
    let hidden = sum(&["gen_ai.usage.reasoning.output_tokens"]);
    let inside = |total: &str, part: i64| part == 0 || count(total).unwrap_or(-1) >= part;
    if !inside("gen_ai.usage.input_tokens", cached)
        || !inside("gen_ai.usage.output_tokens", hidden)
        || cached < 0
        || hidden < 0
        || count("gen_ai.usage.input_tokens").is_some_and(|count| count < 0)
    {
        found.add("token_arithmetic", place);
    }
}

/// Parents are there, in the same trace, and hold their children's times.
fn tree(spans: &[Span], found: &mut Findings) {
    for span in spans {
        let place = format!("span {:?}", span.name);
        if span.trace_id.len() != 16 || span.span_id.len() != 8 {
            found.add("ids", &place);
        }
        if span.end_time_unix_nano < span.start_time_unix_nano {
            found.add("times", &place);
        }
        if span.kind() == SpanKind::Server {
            continue;
        }
        let parent =
            |other: &&Span| other.span_id == span.parent_span_id && other.trace_id == span.trace_id;
        match spans.iter().find(parent) {
            None => found.add("trace_continuity", &place),
            Some(parent) => {
                let genai =
                    |span: &Span| shown(&span.attributes, "gen_ai.operation.name").is_some();
                let session = |span: &Span| {
                    let operation = shown(&span.attributes, "gen_ai.operation.name");
                    operation.is_some_and(|operation| operation == "realtime")
                };
                let chain = if genai(span) {
                    parent.kind() == SpanKind::Server || session(parent)
                } else {
                    genai(parent) || parent.kind() == SpanKind::Server
                };
                if !chain {
                    found.add("trace_continuity", &place);
                }
            }
        }
    }
}

/// With one call, its span and its duration metric say the same.
fn agreement(output: &Output, found: &mut Findings) {
    let genai = |span: &&Span| shown(&span.attributes, "gen_ai.operation.name").is_some();
    let calls: Vec<_> = output.spans.iter().filter(genai).collect();
    let duration = |metric: &&Metric| metric.name == "gen_ai.client.operation.duration";
    let (Some(Metric { data: Some(data), .. }), [span]) =
        (output.metrics.iter().find(duration), calls.as_slice())
    else {
        return;
    };
    let (sum, attributes) = match data {
        Data::Histogram(data) => (data.data_points[0].sum, &data.data_points[0].attributes),
        Data::ExponentialHistogram(data) => {
            (data.data_points[0].sum, &data.data_points[0].attributes)
        }
        _ => return,
    };
    let nanos = span.end_time_unix_nano - span.start_time_unix_nano;
    let seconds = std::time::Duration::from_nanos(nanos).as_secs_f64();
    let error = |list: &[KeyValue]| shown(list, "error.type");
    if (sum.unwrap_or(-1.0) - seconds).abs() > 0.001 || error(attributes) != error(&span.attributes)
    {
        found.add("span_metric_agreement", &span.name);
    }
}

/// What kind of instrument a metric comes from, and the attributes of its points.
fn points(metric: &Metric) -> (&'static str, Vec<&[KeyValue]>) {
    macro_rules! lists {
        ($data:ident) => {
            $data.data_points.iter().map(|point| point.attributes.as_slice()).collect()
        };
    }
    match &metric.data {
        Some(Data::Gauge(data)) => ("gauge", lists!(data)),
        Some(Data::Sum(data)) if data.is_monotonic => ("counter", lists!(data)),
        Some(Data::Sum(data)) => ("updowncounter", lists!(data)),
        Some(Data::Histogram(data)) => ("histogram", lists!(data)),
        Some(Data::ExponentialHistogram(data)) => ("histogram", lists!(data)),
        _ => ("nothing", Vec::new()),
    }
}

#[cfg(test)]
mod tests;
