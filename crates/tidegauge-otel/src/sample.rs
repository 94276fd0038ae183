//! One span, one metric point and one log record that only say that a receiver is reached.
//!
//! In: the time. Out: the three, encoded as those of real calls are. For trying a configuration; they
//! carry no record.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, metric::Data, number_data_point::Value as Number,
};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;
use tidegauge_core::{Piece, Scope, Signal};

use crate::span::at;

/// The name of the span and of the metric, and the text of the log record.
const NAME: &str = "tidegauge.check";

/// The sample of a signal.
pub fn sample(signal: Signal, now: SystemTime) -> Piece {
    let time = at(now, Duration::ZERO);
    let bytes = match signal {
        Signal::Traces => span(time).encode_to_vec(),
        Signal::Metrics => metric(time).encode_to_vec(),
        Signal::Logs => log(time).encode_to_vec(),
    };
    Piece { scope: Scope::Own, bytes: bytes.into(), units: 1 }
}

fn span(time: u64) -> Span {
    let random = |salt: u64| RandomState::new().hash_one(salt) | 1;
    Span {
        trace_id: [random(1).to_be_bytes(), random(2).to_be_bytes()].concat(),
        span_id: random(3).to_be_bytes().to_vec(),
        name: NAME.to_owned(),
        kind: SpanKind::Internal.into(),
        start_time_unix_nano: time,
        end_time_unix_nano: time.saturating_add(1_000_000),
        flags: crate::span::SAMPLED,
        ..Span::default()
    }
}

fn metric(time: u64) -> Metric {
    let point = NumberDataPoint {
        start_time_unix_nano: time,
        time_unix_nano: time,
        value: Some(Number::AsInt(1)),
        ..NumberDataPoint::default()
    };
    Metric {
        name: NAME.to_owned(),
        description: "1: a receiver is being tried.".to_owned(),
        data: Some(Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    }
}

fn log(time: u64) -> LogRecord {
    LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(NAME.to_owned())) }),
        ..LogRecord::default()
    }
}
