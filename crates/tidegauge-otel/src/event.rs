//! One record into encoded OTLP events: that a model was called, if that is wanted, and how it failed.
//!
//! Pure. Says what kind of failure it was and never what the provider wrote: its texts may repeat
//! what the client sent. What was said is told only where it was captured.

use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use tidegauge_core::{Category, Domain, ErrorType, Record, Scope};

use crate::attribute::Attributes;
use crate::encoded::Encoded;
use crate::span::{SAMPLED, SpanOptions, at, call, has_inference};
use crate::{content, protobuf, semconv as name};

/// The field of `LogRecord` that holds its attributes. Source of it and of the numbers below:
/// opentelemetry-proto 1.10, `logs.proto`.
const ATTRIBUTES: u32 = 6;

/// Writes the events of a record; they belong to the inference span, and a record without one has
/// none.
pub(crate) fn encode(record: &Record, options: &SpanOptions, out: &mut Encoded) {
    if !has_inference(record) {
        return;
    }
    if options.details {
        out.message(Scope::GenAi, |out| details(out, record, options));
    }
    if let Some(error) = &record.observation.outcome.error {
        out.message(Scope::GenAi, |out| exception(out, record, error, options));
    }
}

/// `gen_ai.client.inference.operation.details`: what the span says, and what was said in the call, for
/// those who keep logs longer.
fn details(out: &mut Vec<u8>, record: &Record, options: &SpanOptions) {
    head(out, record, (SeverityNumber::Info, "INFO"), name::EVENT_DETAILS);
    let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
    call(&mut list, record, options);
    if options.content {
        content::on_event(&mut list, record);
    }
    close(list);
}

/// `gen_ai.client.operation.exception`.
fn exception(out: &mut Vec<u8>, record: &Record, error: &ErrorType, options: &SpanOptions) {
    let exchange = &record.exchange;
    head(out, record, (SeverityNumber::Warn, "WARN"), name::EVENT_EXCEPTION);
    let category = record.observation.outcome.category;
    let mut list = Attributes::new(out, ATTRIBUTES, options.limits);
    list.text(name::EXCEPTION_TYPE, error.as_str());
    list.text(name::OPERATION_NAME, exchange.operation.name());
    list.text(name::PROVIDER_NAME, exchange.to.provider);
    list.text(name::REQUEST_MODEL, record.observation.request.model.as_deref());
    list.text(name::RESPONSE_ID, record.observation.response.id.as_deref());
    list.text(name::SERVER_ADDRESS, &*exchange.to.origin.host);
    list.whole(name::SERVER_PORT, exchange.to.origin.port);
    list.text(name::UPSTREAM, &*exchange.to.name);
    list.show(name::EXCHANGE_ID, exchange.id);
    list.text(name::CATEGORY, category.map(Category::name));
    list.text(name::DOMAIN, category.and_then(Category::domain).map(Domain::name));
    close(list);
}

/// Everything but body and attributes.
fn head(out: &mut Vec<u8>, record: &Record, severity: (SeverityNumber, &str), event: &str) {
    let exchange = &record.exchange;
    let time = at(exchange.started, exchange.times.ended);
    protobuf::fixed64(out, 1, time);
    protobuf::fixed64(out, 11, time);
    protobuf::number(out, 2, severity.0 as u64);
    protobuf::bytes(out, 3, severity.1.as_bytes());
    protobuf::fixed32(out, 8, if exchange.trace.sampled { SAMPLED } else { 0 });
    protobuf::bytes(out, 9, &exchange.trace.trace_id.0);
    protobuf::bytes(out, 10, &exchange.trace.inference.0);
    protobuf::bytes(out, 12, event.as_bytes());
}

/// What found no room.
fn close(list: Attributes<'_>) {
    let (out, dropped) = list.finish();
    protobuf::number(out, 7, dropped.into());
}
