//! Sums of the OpenTelemetry SDK into the OpenMetrics text format.
//!
//! Names are translated as Prometheus does for OTLP (`UnderscoreEscapingWithSuffixes`), so that a
//! query works on scraped and on pushed data. Expects fixed buckets: exponential ones have no text
//! form. Sources: OpenMetrics 1.0, prometheus/otlptranslator.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Histogram, Metric, MetricData, ResourceMetrics,
};
use tidegauge_core::Money;

use crate::resource::ResourceAttributes;
use crate::semconv;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The whole page.
pub(crate) fn render(sums: &ResourceMetrics, resource: &ResourceAttributes) -> String {
    let mut page = String::with_capacity(16 << 10);
    target(&mut page, resource);
    for metric in sums.scope_metrics().flat_map(|group| group.metrics()) {
        family(&mut page, metric);
    }
    page.push_str("# EOF\n");
    page
}

fn target(page: &mut String, resource: &ResourceAttributes) {
    page.push_str("# TYPE target info\n# HELP target Who emits these metrics.\n");
    let labels = Labels::new(resource.iter().map(|(key, value)| (key, value.to_owned())));
    line(page, "target_info", &labels, None, 1);
}

fn family(page: &mut String, metric: &Metric) {
    match metric.data() {
        AggregatedMetrics::U64(data) if metric.name() == semconv::COST.name => {
            numbers(page, metric, data, &Money::from_nanos);
        }
        AggregatedMetrics::U64(data) => numbers(page, metric, data, &|value| value),
        AggregatedMetrics::I64(data) => numbers(page, metric, data, &|value| value),
        AggregatedMetrics::F64(data) => numbers(page, metric, data, &|value| Real(value)),
    }
}

/// One family; `show` turns a value into what is printed.
fn numbers<T: Copy, S: fmt::Display>(
    page: &mut String,
    metric: &Metric,
    data: &MetricData<T>,
    show: &impl Fn(T) -> S,
) {
    match data {
        MetricData::Gauge(gauge) => {
            let name = head(page, metric, "gauge");
            for point in gauge.data_points() {
                line(page, &name, &Labels::of(point.attributes()), None, show(point.value()));
            }
        }
        MetricData::Sum(sum) if sum.is_monotonic() => {
            let name = head(page, metric, "counter") + "_total";
            for point in sum.data_points() {
                line(page, &name, &Labels::of(point.attributes()), None, show(point.value()));
            }
        }
        MetricData::Sum(sum) => {
            let name = head(page, metric, "gauge");
            for point in sum.data_points() {
                line(page, &name, &Labels::of(point.attributes()), None, show(point.value()));
            }
        }
        MetricData::Histogram(histogram) => distribution(page, metric, histogram, show),
        MetricData::ExponentialHistogram(_) => {}
    }
}

fn distribution<T: Copy, S: fmt::Display>(
    page: &mut String,
    metric: &Metric,
    histogram: &Histogram<T>,
    show: &impl Fn(T) -> S,
) {
    let name = head(page, metric, "histogram");
    let bucket = format!("{name}_bucket");
    for point in histogram.data_points() {
        let labels = Labels::of(point.attributes());
        let bounds = point.bounds().chain([f64::INFINITY]);
        let mut total = 0;
        for (bound, count) in bounds.zip(point.bucket_counts()) {
            total += count;
            line(page, &bucket, &labels, Some(bound), total);
        }
        line(page, &format!("{name}_count"), &labels, None, point.count());
        line(page, &format!("{name}_sum"), &labels, None, show(point.sum()));
    }
}

/// Type, unit and help; returns the name without the suffixes of samples.
fn head(page: &mut String, metric: &Metric, kind: &str) -> String {
    let name = family_name(metric.name(), metric.unit(), kind);
    let _ = writeln!(page, "# TYPE {name} {kind}");
    if metric.unit() == "s" {
        let _ = writeln!(page, "# UNIT {name} seconds");
    }
    let _ = writeln!(page, "# HELP {name} {}", Escaped(metric.description()));
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
    fn of<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Self {
        let text = |pair: &'a KeyValue| (pair.key.as_str(), pair.value.as_str().into_owned());
        Self::new(attributes.map(text))
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
