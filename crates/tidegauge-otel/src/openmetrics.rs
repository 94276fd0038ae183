//! Sums and distributions into the text formats of Prometheus and OpenMetrics.
//!
//! Expects fixed buckets: exponential ones have no text form. Sources: OpenMetrics 1.0; Prometheus'
//! "Exposition formats", text format 0.0.4.

use std::fmt::{self, Write as _};

use crate::exemplar::Exemplar;
use crate::exposition::{Labels, family_name, suffix, unit};
use crate::metric::{Buckets, Family, Histogram, Value};
use crate::resource::ResourceAttributes;
use crate::semconv::{Kind, Metric};

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Text {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' own, 0.0.4: no units, no exemplars, and a counter is called what its samples are.
    Plain,
}

/// The whole page.
pub(crate) fn render(families: &[Family], resource: &ResourceAttributes, text: Text) -> String {
    let mut page = String::with_capacity(16 << 10);
    target(&mut page, resource, text);
    for family in families {
        write_family(&mut page, family, text);
    }
    if text == Text::OpenMetrics {
        page.push_str("# EOF\n");
    }
    page
}

fn target(page: &mut String, resource: &ResourceAttributes, text: Text) {
    let head = match text {
        Text::OpenMetrics => "# TYPE target info\n# HELP target",
        Text::Plain => "# TYPE target_info gauge\n# HELP target_info",
    };
    let _ = writeln!(page, "{head} Who emits these metrics.");
    let labels = Labels::new(resource.iter().map(|(key, value)| (key, value.to_owned())));
    line(page, "target_info", &labels, None, 1);
}

fn write_family(page: &mut String, family: &Family, text: Text) {
    let name = head(page, family.metric, text);
    let sample = format!("{name}{}", suffix(family.metric));
    for point in &family.points {
        let labels = Labels::of(&point.attributes);
        match &point.value {
            Value::Count(count) => line(page, &sample, &labels, None, count),
            Value::Money(amount) => line(page, &sample, &labels, None, amount),
            Value::Level(level) => line(page, &sample, &labels, None, level),
            Value::Real(real) => line(page, &sample, &labels, None, Real(*real)),
            Value::Distribution(histogram) => distribution(page, &name, &labels, histogram, text),
        }
        if text == Text::OpenMetrics
            && matches!(family.metric.kind, Kind::Counter | Kind::Histogram)
        {
            let since = Moment(family.since(point));
            line(page, &format!("{name}_created"), &labels, None, since);
        }
    }
}

fn distribution(page: &mut String, name: &str, labels: &Labels, histogram: &Histogram, text: Text) {
    let Buckets::Explicit { bounds, counts } = &histogram.buckets else { return };
    let bucket = format!("{name}_bucket");
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let mut total = 0;
    for (place, (bound, count)) in bounds.zip(counts).enumerate() {
        total += count;
        let example = histogram.examples.of(place).filter(|_| text == Text::OpenMetrics);
        line(page, &bucket, labels, Some(bound), Exemplified(total, example));
    }
    line(page, &format!("{name}_count"), labels, None, histogram.count);
    line(page, &format!("{name}_sum"), labels, None, Real(histogram.sum));
}

/// Type, unit and help; returns the name without the suffixes of samples.
fn head(page: &mut String, metric: &Metric, text: Text) -> String {
    let name = family_name(metric);
    let suffix = if text == Text::Plain { suffix(metric) } else { "" };
    let kind = match metric.kind {
        Kind::Counter => "counter",
        Kind::UpDownCounter | Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
    };
    let _ = writeln!(page, "# TYPE {name}{suffix} {kind}");
    if let Some(unit) = unit(metric).filter(|_| text == Text::OpenMetrics) {
        let _ = writeln!(page, "# UNIT {name} {unit}");
    }
    let _ = writeln!(page, "# HELP {name}{suffix} {}", Escaped(metric.about));
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

/// A count, and one of those counted.
struct Exemplified<'a>(u64, Option<&'a Exemplar>);

impl fmt::Display for Exemplified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, example) = self;
        write!(f, "{count}")?;
        let Some(exemplar) = example else { return Ok(()) };
        let [(trace, trace_id), (span, span_id)] = exemplar.labels();
        let (time, value) = (Moment(exemplar.example.time), Real(exemplar.value));
        write!(f, " # {{{trace}=\"{trace_id}\",{span}=\"{span_id}\"}} {value} {time}")
    }
}

/// Nanoseconds since the Unix epoch, as seconds.
struct Moment(u64);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
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
