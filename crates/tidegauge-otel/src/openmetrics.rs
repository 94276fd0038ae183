//! Sums and distributions into the OpenMetrics text format.
//!
//! Names are translated as Prometheus does for OTLP (`UnderscoreEscapingWithSuffixes`), so that a
//! query works on scraped and on pushed data. Expects fixed buckets: exponential ones have no text
//! form. Sources: OpenMetrics 1.0, prometheus/otlptranslator.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};

use crate::metric::{Buckets, Family, Histogram, Value};
use crate::resource::ResourceAttributes;
use crate::semconv::{Kind, Metric};

/// The content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page.
pub(crate) fn render(families: &[Family], resource: &ResourceAttributes) -> String {
    let mut page = String::with_capacity(16 << 10);
    target(&mut page, resource);
    for family in families {
        write_family(&mut page, family);
    }
    page.push_str("# EOF\n");
    page
}

fn target(page: &mut String, resource: &ResourceAttributes) {
    page.push_str("# TYPE target info\n# HELP target Who emits these metrics.\n");
    let labels = Labels::new(resource.iter().map(|(key, value)| (key, value.to_owned())));
    line(page, "target_info", &labels, None, 1);
}

fn write_family(page: &mut String, family: &Family) {
    let metric = family.metric;
    let (name, suffix) = match metric.kind {
        Kind::Counter => (head(page, metric, "counter"), "_total"),
        Kind::UpDownCounter | Kind::Gauge => (head(page, metric, "gauge"), ""),
        Kind::Histogram => (head(page, metric, "histogram"), ""),
    };
    let sample = format!("{name}{suffix}");
    for point in &family.points {
        let labels = Labels::of(&point.attributes);
        match &point.value {
            Value::Count(count) => line(page, &sample, &labels, None, count),
            Value::Money(amount) => line(page, &sample, &labels, None, amount),
            Value::Level(level) => line(page, &sample, &labels, None, level),
            Value::Distribution(histogram) => distribution(page, &name, &labels, histogram),
        }
    }
}

fn distribution(page: &mut String, name: &str, labels: &Labels, histogram: &Histogram) {
    let Buckets::Explicit { bounds, counts } = &histogram.buckets else { return };
    let bucket = format!("{name}_bucket");
    let mut total = 0;
    for (bound, count) in bounds.iter().copied().chain([f64::INFINITY]).zip(counts) {
        total += count;
        line(page, &bucket, labels, Some(bound), total);
    }
    line(page, &format!("{name}_count"), labels, None, histogram.count);
    line(page, &format!("{name}_sum"), labels, None, Real(histogram.sum));
}

/// Type, unit and help; returns the name without the suffixes of samples.
fn head(page: &mut String, metric: &Metric, kind: &str) -> String {
    let name = family_name(metric.name, metric.unit, kind);
    let _ = writeln!(page, "# TYPE {name} {kind}");
    if metric.unit == "s" {
        let _ = writeln!(page, "# UNIT {name} seconds");
    }
    let _ = writeln!(page, "# HELP {name} {}", Escaped(metric.about));
    name
}

/// The name of a metric in PromQL, without `_total`, `_bucket` and the like.
pub(crate) fn family_name(name: &str, unit: &str, kind: &str) -> String {
    let mut name = sanitised(name);
    match unit {
        "s" => name.push_str("_seconds"),
        "1" if kind == "gauge" => name.push_str("_ratio"),
        // Text in braces says what is counted and adds nothing.
        _ => {}
    }
    name
}

fn line(
    page: &mut String,
    name: &str,
    labels: &Labels,
    bound: Option<f64>,
    value: impl fmt::Display,
) {
    page.push_str(name);
    let mut separator = '{';
    let mut label = |page: &mut String, key: &str, value: &dyn fmt::Display| {
        let _ = write!(page, "{separator}{key}=\"{value}\"");
        separator = ',';
    };
    for (key, value) in &labels.0 {
        label(page, key, &Escaped(value));
    }
    if let Some(bound) = bound {
        label(page, "le", &Real(bound));
    }
    if separator == ',' {
        page.push('}');
    }
    let _ = writeln!(page, " {value}");
}

/// Labels by their translated names. Where two names become one, the values are joined.
struct Labels(BTreeMap<String, String>);

impl Labels {
    fn of(attributes: &[KeyValue]) -> Self {
        Self::new(attributes.iter().map(|pair| (pair.key.as_str(), shown(pair))))
    }

    fn new<'a>(attributes: impl Iterator<Item = (&'a str, String)>) -> Self {
        let mut labels = BTreeMap::<String, String>::new();
        for (key, value) in attributes {
            labels
                .entry(sanitised(key))
                .and_modify(|known| *known = format!("{known};{value}"))
                .or_insert(value);
        }
        Self(labels)
    }
}

/// The kinds of value that sets have.
fn shown(pair: &KeyValue) -> String {
    match pair.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Any::StringValue(text)) => text.clone(),
        Some(Any::IntValue(number)) => number.to_string(),
        Some(Any::BoolValue(flag)) => flag.to_string(),
        _ => String::new(),
    }
}

/// What is not a letter, digit or underscore becomes an underscore.
fn sanitised(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("key_{name}") } else { name }
}

/// A real number as OpenMetrics writes it: `1.0`, `0.005`, `+Inf`.
struct Real(f64);

impl fmt::Display for Real {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_finite() => write!(f, "{value:?}"),
            value if value.is_nan() => f.write_str("NaN"),
            value => f.write_str(if value > 0.0 { "+Inf" } else { "-Inf" }),
        }
    }
}

/// A text with backslash, quote and line feed escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
