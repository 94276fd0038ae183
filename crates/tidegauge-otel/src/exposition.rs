//! Sums and distributions into the page that Prometheus and its kin scrape, in the form they ask for.
//!
//! In: what a scraper accepts, and families. Out: bytes and their content type. Names are translated
//! as Prometheus does for OTLP (`UnderscoreEscapingWithSuffixes`), so that a query works on scraped
//! and on pushed data. Sources: prometheus/otlptranslator; RFC 9110, section 12.5.1.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value as Any};

use crate::semconv::{Kind, Metric};

/// A form of the metrics page. The order is that of preference where a scraper has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Format {
    /// Prometheus' text of version 0.0.4: what everybody reads; without exemplars.
    Text,
    /// OpenMetrics text 1.0: with exemplars.
    OpenMetrics,
    /// Prometheus' protobuf messages, each after its length: with exemplars and native histograms.
    Protobuf,
}

impl Format {
    const ALL: [Self; 3] = [Self::Text, Self::OpenMetrics, Self::Protobuf];

    /// The best form for an `Accept` header: the one of the highest quality, [`Format::Text`] for
    /// who asks for none of them.
    pub fn accepted(accept: &str) -> Self {
        let best = Self::ALL.into_iter().map(|format| (format.quality(accept), format)).max();
        best.filter(|(quality, _)| *quality > 0).map_or(Self::Text, |(_, format)| format)
    }

    /// The value of the `Content-Type` header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; \
                 proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// How much it is wanted, in thousandths.
    fn quality(self, accept: &str) -> u32 {
        let wanted = accept.split(',').filter_map(|range| self.fits(range));
        wanted.max().unwrap_or(0)
    }

    /// The quality of a media range that this is one of.
    fn fits(self, range: &str) -> Option<u32> {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next()?.to_ascii_lowercase();
        let (mut quality, mut proto, mut encoding, mut version) = (1000, None, None, None);
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match key.trim().to_ascii_lowercase().as_str() {
                "q" => quality = thousandths(value)?,
                "proto" => proto = Some(value),
                "encoding" => encoding = Some(value),
                "version" => version = Some(value),
                // What Prometheus says of names does not matter to ours, nor does a character set.
                _ => {}
            }
        }
        let fits = match self {
            Self::Text => match kind.as_str() {
                "*/*" | "text/*" => true,
                "text/plain" => matches!(version, None | Some("0.0.4")),
                _ => false,
            },
            Self::OpenMetrics => {
                kind == "application/openmetrics-text"
                    && matches!(version, None | Some("1.0.0" | "0.0.1"))
            }
            Self::Protobuf => {
                kind == "application/vnd.google.protobuf"
                    && proto == Some("io.prometheus.client.MetricFamily")
                    && encoding == Some("delimited")
            }
        };
        fits.then_some(quality)
    }
}

/// A quality from 0 to 1.
fn thousandths(quality: &str) -> Option<u32> {
    let quality: f64 = quality.parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 1000; no number becomes 0"
    )]
    Some((quality.clamp(0.0, 1.0) * 1000.0).round() as u32)
}

/// The name of a metric in PromQL, without `_total`, `_bucket` and the like.
pub(crate) fn family_name(metric: &Metric) -> String {
    let mut name = sanitised(metric.name);
    if let Some(unit) = unit(metric) {
        name.push('_');
        name.push_str(unit);
    }
    // Text in braces says what is counted and adds nothing.
    if metric.unit == "1" && matches!(metric.kind, Kind::Gauge | Kind::UpDownCounter) {
        name.push_str("_ratio");
    }
    name
}

/// The unit in Prometheus' words, which then ends the name.
pub(crate) fn unit(metric: &Metric) -> Option<&'static str> {
    match metric.unit {
        "s" => Some("seconds"),
        "By" => Some("bytes"),
        _ => None,
    }
}

/// What follows that name in the samples of a metric that has only one.
pub(crate) fn suffix(metric: &Metric) -> &'static str {
    if metric.kind == Kind::Counter { "_total" } else { "" }
}

/// Labels by their translated names. Where two names become one, the values are joined.
pub(crate) struct Labels(pub(crate) BTreeMap<String, String>);

impl Labels {
    pub(crate) fn of(attributes: &[KeyValue]) -> Self {
        Self::new(attributes.iter().map(|pair| (pair.key.as_str(), shown(pair))))
    }

    pub(crate) fn new<'a>(attributes: impl Iterator<Item = (&'a str, String)>) -> Self {
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

#[cfg(test)]
mod tests;
