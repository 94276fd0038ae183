//! Examples for a distribution: from a percentile to a trace that has it.

use opentelemetry_proto::tonic::metrics::v1::{Exemplar as Told, exemplar::Value};
use tidegauge_core::{Record, SpanId, TraceId};

use crate::span::{at, has_inference};

/// Which exchanges may become an example (`OTEL_METRICS_EXEMPLAR_FILTER`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ExemplarFilter {
    /// Those whose spans are exported.
    #[default]
    Sampled,
    /// All.
    All,
    /// None.
    Off,
}

/// The way back to an exchange.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Example {
    /// Its trace.
    pub(crate) trace_id: TraceId,
    /// The span in it.
    pub(crate) span_id: SpanId,
    /// When it was over, in nanoseconds since the Unix epoch.
    pub(crate) time: u64,
    sampled: bool,
}

impl Example {
    /// The way back to this one.
    pub(crate) fn of(record: &Record) -> Self {
        let exchange = &record.exchange;
        let trace = &exchange.trace;
        Self {
            trace_id: trace.trace_id,
            span_id: if has_inference(record) { trace.inference } else { trace.server },
            time: at(exchange.started, exchange.times.ended),
            sampled: trace.sampled,
        }
    }

    /// Whether a reader with that filter wants it.
    pub(crate) fn fits(&self, filter: ExemplarFilter) -> bool {
        match filter {
            ExemplarFilter::Off => false,
            ExemplarFilter::Sampled => self.sampled,
            ExemplarFilter::All => true,
        }
    }
}

/// What is kept of a distribution to show the way back.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Examples {
    /// The largest and the latest value.
    Two(Option<Box<[Exemplar; 2]>>),
    /// The latest value of each bucket that had one, by the bucket's place; in no order.
    Each(Vec<(usize, Exemplar)>),
}

impl Examples {
    /// Another one of the same kind, empty.
    pub(crate) fn fresh(&self) -> Self {
        match self {
            Self::Two(_) => Self::Two(None),
            Self::Each(_) => Self::Each(Vec::new()),
        }
    }

    /// Adds the latest one, whose value lies in that bucket.
    pub(crate) fn add(&mut self, bucket: usize, latest: Exemplar) {
        match self {
            Self::Two(Some(kept)) => {
                let [largest, last] = &mut **kept;
                *last = latest;
                if latest.value > largest.value {
                    *largest = latest;
                }
            }
            Self::Two(none) => *none = Some(Box::new([latest, latest])),
            Self::Each(kept) => match kept.iter_mut().find(|(known, _)| *known == bucket) {
                Some((_, last)) => *last = latest,
                None => kept.push((bucket, latest)),
            },
        }
    }

    /// Every one, once.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Exemplar> {
        let (two, each) = match self {
            Self::Two(kept) => (kept.as_deref(), &[][..]),
            Self::Each(kept) => (None, kept.as_slice()),
        };
        let two = two.into_iter().flat_map(|two| {
            let [largest, latest] = two;
            two.iter().skip(usize::from(largest == latest))
        });
        two.chain(each.iter().map(|(_, one)| one))
    }

    /// The one of a bucket, where there is one for each.
    pub(crate) fn of(&self, bucket: usize) -> Option<&Exemplar> {
        let Self::Each(kept) = self else { return None };
        kept.iter().find(|(known, _)| *known == bucket).map(|(_, one)| one)
    }
}

/// A value and whose it was.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Exemplar {
    /// Whose.
    pub(crate) example: Example,
    /// The value.
    pub(crate) value: f64,
}

impl Exemplar {
    /// The way back as labels of Prometheus.
    pub(crate) fn labels(&self) -> [(&'static str, String); 2] {
        let Example { trace_id, span_id, .. } = self.example;
        [("trace_id", trace_id.to_string()), ("span_id", span_id.to_string())]
    }

    /// As it goes over the wire.
    pub(crate) fn proto(&self) -> Told {
        Told {
            filtered_attributes: Vec::new(),
            time_unix_nano: self.example.time,
            span_id: self.example.span_id.0.to_vec(),
            trace_id: self.example.trace_id.0.to_vec(),
            value: Some(Value::AsDouble(self.value)),
        }
    }
}
