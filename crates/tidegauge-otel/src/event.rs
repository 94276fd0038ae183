//! One failed record into an encoded OTLP event.
//!
//! Pure. Says what kind of failure it was and never what the provider wrote: its texts may repeat
//! what the client sent.

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use tidegauge_core::{Category, Domain, ErrorType, Record};

use crate::attribute::Attributes;
use crate::encoded::Encoded;
use crate::span::{SAMPLED, Scope, SpanOptions, at, has_inference};
use crate::{protobuf, semconv as name};

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

fn failed(out: &mut Vec<u8>, record: &Record, error: &ErrorType, options: &SpanOptions) {
    let exchange = &record.exchange;
    let time = at(exchange.started, exchange.times.ended);
    protobuf::fixed64(out, 1, time);
    protobuf::fixed64(out, 11, time);
    protobuf::number(out, 2, SeverityNumber::Warn as u64);
    protobuf::bytes(out, 3, b"WARN");
    body(out, error.as_str());
    protobuf::fixed32(out, 8, if exchange.trace.sampled { SAMPLED } else { 0 });
    protobuf::bytes(out, 9, &exchange.trace.trace_id.0);
    protobuf::bytes(out, 10, &exchange.trace.inference.0);
    protobuf::bytes(out, 12, name::EVENT_EXCEPTION.as_bytes());

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
