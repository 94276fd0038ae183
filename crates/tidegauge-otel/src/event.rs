//! One failed record into an OTLP event.
//!
//! Pure. Says what kind of failure it was and never what the provider wrote: its texts may repeat
//! what the client sent.

use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, SeverityNumber};
use tidegauge_core::{Category, Domain, ErrorType, Record};

use crate::attribute::Attributes;
use crate::semconv as name;
use crate::span::{SAMPLED, SpanOptions, at, has_inference};

/// `gen_ai.client.operation.exception` for a model call that failed; `None` for every other record.
/// It belongs to the inference span.
pub(crate) fn exception(record: &Record, options: &SpanOptions) -> Option<LogRecord> {
    let error = record.observation.outcome.error.as_ref().filter(|_| has_inference(record))?;
    let exchange = &record.exchange;
    let category = record.observation.outcome.category;
    let mut list = Attributes::new(options.limits);
    list.text(name::EXCEPTION_TYPE, ErrorType::as_str(error));
    list.text(name::OPERATION_NAME, exchange.operation.name());
    list.text(name::PROVIDER_NAME, exchange.upstream.dialect.provider());
    list.text(name::REQUEST_MODEL, record.observation.request.model.as_deref());
    list.text(name::RESPONSE_ID, record.observation.response.id.as_deref());
    list.text(name::SERVER_ADDRESS, &*exchange.upstream.origin.host);
    list.whole(name::SERVER_PORT, exchange.upstream.origin.port);
    list.text(name::UPSTREAM, &*exchange.upstream.name);
    list.text(name::EXCHANGE_ID, &*exchange.id.to_string());
    list.text(name::CATEGORY, category.map(Category::name));
    list.text(name::DOMAIN, category.and_then(Category::domain).map(Domain::name));
    let (attributes, dropped_attributes_count) = list.finish();
    let time = at(exchange.started, exchange.times.ended);
    Some(LogRecord {
        time_unix_nano: time,
        observed_time_unix_nano: time,
        severity_number: SeverityNumber::Warn.into(),
        severity_text: "WARN".to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(error.as_str().to_owned())) }),
        attributes,
        dropped_attributes_count,
        flags: if exchange.trace.sampled { SAMPLED } else { 0 },
        trace_id: exchange.trace.trace_id.0.to_vec(),
        span_id: exchange.trace.inference.0.to_vec(),
        event_name: name::EVENT_EXCEPTION.to_owned(),
    })
}
