//! One record into encoded OTLP events.
//!
//! Pure. Says what kind of failure it was and never what the provider wrote: its texts may repeat
//! what the client sent. What was said is told only where it was captured.

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use tidegauge_core::{Category, Domain, ErrorType, Record};

use crate::attribute::Attributes;
use crate::encoded::Encoded;
use crate::span::{self, SAMPLED, Scope, SpanOptions, at, has_inference};
use crate::{content, protobuf, semconv as name};

/// The field of `LogRecord` that holds its attributes. Source of it and of the numbers below:
/// opentelemetry-proto 1.10, `logs.proto`.
const ATTRIBUTES: u32 = 6;

/// Writes `gen_ai.client.operation.exception` for a model call that failed; nothing for every other
/// record. It belongs to the inference span.
pub(crate) fn exception(record: &Record, options: &SpanOptions, out: &mut Encoded) {
    let error = record.observation.outcome.error.as_ref().filter(|_| has_inference(record));
    if let Some(error) = error {
        out.message(Scope::GenAi, |out| failed(out, record, error, options));
    }
}

/// Writes `gen_ai.client.inference.operation.details` for a model call: what its span says, and what
/// was said in it. It belongs to the inference span.
pub(crate) fn details(record: &Record, options: &SpanOptions, out: &mut Encoded) {
    if !has_inference(record) {
        return;
    }
    out.message(Scope::GenAi, |out| {
        head(out, record, SeverityNumber::Info, name::EVENT_DETAILS);
        let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
        span::call(&mut list, record, options);
        if options.content {
            content::on_event(&mut list, record);
        }
        let (out, dropped) = list.finish();
        protobuf::number(out, 7, dropped.into());
    });
}

/// Everything of an event but its body and attributes.
fn head(out: &mut Vec<u8>, record: &Record, severity: SeverityNumber, event: &str) {
    let exchange = &record.exchange;
    let time = at(exchange.started, exchange.times.ended);
    protobuf::fixed64(out, 1, time);
    protobuf::fixed64(out, 11, time);
    protobuf::number(out, 2, severity as u64);
    let word: &[u8] = if severity == SeverityNumber::Warn { b"WARN" } else { b"INFO" };
    protobuf::bytes(out, 3, word);
    protobuf::fixed32(out, 8, if exchange.trace.sampled { SAMPLED } else { 0 });
    protobuf::bytes(out, 9, &exchange.trace.trace_id.0);
    protobuf::bytes(out, 10, &exchange.trace.inference.0);
    protobuf::bytes(out, 12, event.as_bytes());
}

fn failed(out: &mut Vec<u8>, record: &Record, error: &ErrorType, options: &SpanOptions) {
    let exchange = &record.exchange;
    head(out, record, SeverityNumber::Warn, name::EVENT_EXCEPTION);
    body(out, error.as_str());

    let category = record.observation.outcome.category;
    let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
    list.text(name::EXCEPTION_TYPE, error.as_str());
    list.text(name::OPERATION_NAME, exchange.operation.name());
    list.text(name::PROVIDER_NAME, exchange.upstream.dialect.provider());
    list.text(name::REQUEST_MODEL, record.observation.request.model.as_deref());
    list.text(name::RESPONSE_ID, record.observation.response.id.as_deref());
    list.text(name::SERVER_ADDRESS, &*exchange.upstream.origin.host);
    list.whole(name::SERVER_PORT, exchange.upstream.origin.port);
    list.text(name::UPSTREAM, &*exchange.upstream.name);
    list.show(name::EXCHANGE_ID, exchange.id);
    list.text(name::CATEGORY, category.map(Category::name));
    list.text(name::DOMAIN, category.and_then(Category::domain).map(Domain::name));
    let (out, dropped) = list.finish();
    protobuf::number(out, 7, dropped.into());
}

/// An `AnyValue` with a text in it.
fn body(out: &mut Vec<u8>, text: &str) {
    protobuf::length(out, 5, 1 + protobuf::varint_len(text.len()) + text.len());
    protobuf::bytes(out, 1, text.as_bytes());
}
