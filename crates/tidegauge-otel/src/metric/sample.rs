//! One record into the attribute sets under which its measurements are counted.
//!
//! Pure but for the bound on values that clients and upstreams choose.

use opentelemetry::KeyValue;
use tidegauge_core::{Attempt, Category, Domain, ErrorType, Record};

use super::MetricOptions;
use crate::cardinality::Cardinality;
use crate::semconv as name;
use crate::span::{attempt_error, labels, method, protocol, scheme, server_error};

/// One record with its attribute sets, made once however many meters there are. Sets are sorted by
/// name: the SDK would otherwise keep every set twice.
pub(crate) struct Sample<'a> {
    /// What was measured.
    pub(crate) record: &'a Record,
    /// For the count of requests.
    pub(super) requests: Vec<KeyValue>,
    /// For the client's request.
    pub(super) server: Vec<KeyValue>,
    /// For each request of ours to the upstream.
    pub(super) attempts: Vec<Vec<KeyValue>>,
    /// For what the proxy added.
    pub(super) overhead: Vec<KeyValue>,
    /// For everything about the model call but its duration.
    pub(super) call: Vec<KeyValue>,
    /// For the duration of the model call: with the error.
    pub(super) duration: Vec<KeyValue>,
}

impl<'a> Sample<'a> {
    /// Every value that a client or an upstream can choose goes through `bound`.
    pub(crate) fn new(record: &'a Record, options: &MetricOptions, bound: &Cardinality) -> Self {
        let tags = tags(record, options, bound);
        let call = call(record, &tags, bound);
        let mut duration = call.clone();
        let error = record.observation.outcome.error.as_ref().map(ErrorType::as_str);
        push(&mut duration, name::ERROR_TYPE, error.map(|error| limited(bound, error)));
        let streaming = record.observation.request.stream || record.observation.stream;
        if streaming {
            duration.push(KeyValue::new(name::REQUEST_STREAM, true));
        }
        Self {
            record,
            requests: sorted(requests(record, &tags)),
            server: sorted(server(record)),
            attempts: attempts(record),
            overhead: vec![text(name::UPSTREAM, &*record.exchange.upstream.name)],
            call: sorted(call),
            duration: sorted(duration),
        }
    }
}

fn requests(record: &Record, tags: &[KeyValue]) -> Vec<KeyValue> {
    let exchange = &record.exchange;
    let category = record.observation.outcome.category;
    let mut set = vec![
        text(name::UPSTREAM, &*exchange.upstream.name),
        text(name::OPERATION, exchange.operation.name()),
        text(name::END, exchange.end.name()),
    ];
    push(&mut set, name::CATEGORY, category.map(Category::name));
    push(&mut set, name::DOMAIN, category.and_then(Category::domain).map(Domain::name));
    set.extend(exchange.status.map(status));
    set.extend_from_slice(tags);
    set
}

fn server(record: &Record) -> Vec<KeyValue> {
    let exchange = &record.exchange;
    let mut set = vec![
        text(name::HTTP_METHOD, method(&exchange.method).0),
        text(name::URL_SCHEME, scheme(exchange.secure)),
    ];
    push(&mut set, name::HTTP_ROUTE, Some(&*exchange.route).filter(|route| !route.is_empty()));
    set.extend(exchange.status.map(status));
    push(&mut set, name::ERROR_TYPE, server_error(record));
    push(&mut set, name::NETWORK_PROTOCOL_VERSION, protocol(exchange.version));
    set
}

fn attempts(record: &Record) -> Vec<Vec<KeyValue>> {
    let exchange = &record.exchange;
    let origin = &exchange.upstream.origin;
    let set = |attempt: &Attempt| {
        let mut set = vec![
            text(name::HTTP_METHOD, method(&exchange.method).0),
            text(name::SERVER_ADDRESS, &*origin.host),
            KeyValue::new(name::SERVER_PORT, i64::from(origin.port)),
        ];
        set.extend(attempt.status.map(status));
        push(&mut set, name::ERROR_TYPE, attempt_error(attempt));
        push(&mut set, name::NETWORK_PROTOCOL_VERSION, attempt.version.and_then(protocol));
        sorted(set)
    };
    exchange.attempts.iter().map(set).collect()
}

/// What all GenAI metrics share.
fn call(record: &Record, tags: &[KeyValue], bound: &Cardinality) -> Vec<KeyValue> {
    let (exchange, observation) = (&record.exchange, &record.observation);
    let origin = &exchange.upstream.origin;
    // A request that the provider refused can be sent by anyone, so it may not take the last room.
    let domain = observation.outcome.category.and_then(Category::domain);
    let refused = domain == Some(Domain::Client);
    let model = |key: &'static str, model: &Option<String>| {
        let model = model.as_deref().filter(|model| !model.is_empty())?;
        Some(KeyValue::new(key, bound.bound("model", model, refused)))
    };
    let mut set = vec![
        text(name::OPERATION_NAME, exchange.operation.name()),
        text(name::PROVIDER_NAME, exchange.upstream.dialect.provider()),
        text(name::SERVER_ADDRESS, &*origin.host),
        KeyValue::new(name::SERVER_PORT, i64::from(origin.port)),
        text(name::UPSTREAM, &*exchange.upstream.name),
    ];
    set.extend(model(name::REQUEST_MODEL, &observation.request.model));
    set.extend(model(name::RESPONSE_MODEL, &observation.response.model));
    set.extend_from_slice(tags);
    set
}

fn tags(record: &Record, options: &MetricOptions, bound: &Cardinality) -> Vec<KeyValue> {
    let labels = labels(record);
    let tag = |tag: &String| {
        let value = labels.tags.get(tag).filter(|value| !value.is_empty())?;
        let key = format!("{}{tag}", name::TAG_PREFIX);
        let value = bound.bound(&key, value, false);
        Some(KeyValue::new(key, value))
    };
    options.tags.iter().filter_map(tag).collect()
}

fn limited(bound: &Cardinality, error: &str) -> String {
    bound.bound(name::ERROR_TYPE, error, false)
}

fn status(status: http::StatusCode) -> KeyValue {
    KeyValue::new(name::HTTP_STATUS_CODE, i64::from(status.as_u16()))
}

/// One attribute.
pub(super) fn text(key: &'static str, value: impl Into<String>) -> KeyValue {
    KeyValue::new(key, value.into())
}

fn push(set: &mut Vec<KeyValue>, key: &'static str, value: Option<impl Into<String>>) {
    set.extend(value.map(|value| text(key, value)));
}

/// A set with more in it.
pub(super) fn with<const N: usize>(set: &[KeyValue], more: [KeyValue; N]) -> Vec<KeyValue> {
    sorted(set.iter().cloned().chain(more).collect())
}

fn sorted(mut set: Vec<KeyValue>) -> Vec<KeyValue> {
    set.sort_by(|a, b| a.key.cmp(&b.key));
    set
}
