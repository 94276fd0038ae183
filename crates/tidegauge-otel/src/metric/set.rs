//! One record into the attribute sets under which its measurements are counted.
//!
//! A set is written in always the same order, so that equal sets are equal bytes: an encoded
//! `KeyValueList`. Pure but for the bound on values that clients and upstreams choose.

use tidegauge_core::{Attempt, Category, Domain, ErrorType, Exchange, Record};

use super::options::MetricOptions;
use crate::attribute::{AttributeLimits, Attributes};
use crate::cardinality::Cardinality;
use crate::semconv as name;
use crate::span::{Caller, attempt_error, method, protocol, scheme, server_error};

/// A set being written.
pub(super) type List<'a> = Attributes<'a>;

/// An empty set in an empty buffer.
pub(super) fn list(out: &mut Vec<u8>) -> List<'_> {
    Attributes::new(out, 1, AttributeLimits::default())
}

/// What becomes of a value that a client or an upstream chose.
pub(super) enum Bound<'a> {
    /// It is taken as it is: to ask whether the set is known.
    Any,
    /// It takes room, or is folded.
    Checked {
        /// What is known.
        bound: &'a mut Cardinality,
        /// How many were folded here.
        folded: u64,
    },
}

impl Bound<'_> {
    fn value<'v>(&mut self, key: &str, value: &'v str, known_only: bool) -> &'v str {
        match self {
            Self::Any => value,
            Self::Checked { bound, folded } => {
                if bound.admits(key, value, known_only) {
                    return value;
                }
                *folded += 1;
                name::OTHER
            }
        }
    }
}

/// What is configured about sets.
#[derive(Debug)]
pub(super) struct Sets {
    tags: Vec<Told>,
}

/// What of a caller becomes attributes.
#[derive(Debug)]
enum Told {
    /// A tag, and the name of its attribute.
    Tag(String, String),
    Prompt,
    Agent,
}

impl Sets {
    /// With these tags.
    pub(super) fn new(tags: &[String]) -> Self {
        let named = |tag: &String| match tag.as_str() {
            MetricOptions::PROMPT => Told::Prompt,
            MetricOptions::AGENT => Told::Agent,
            _ => Told::Tag(tag.clone(), format!("{}{tag}", name::TAG_PREFIX)),
        };
        Self { tags: tags.iter().map(named).collect() }
    }

    /// How a request ended.
    pub(super) fn requests(&self, list: &mut List<'_>, record: &Record, bound: &mut Bound<'_>) {
        let exchange = &record.exchange;
        let category = record.observation.outcome.category;
        list.text(name::UPSTREAM, &*exchange.to.name);
        list.text(name::OPERATION, exchange.operation.name());
        list.text(name::END, exchange.end.name());
        list.text(name::CATEGORY, category.map(Category::name));
        list.text(name::DOMAIN, category.and_then(Category::domain).map(Domain::name));
        status(list, exchange.status);
        model(list, name::REQUEST_MODEL, &record.observation.request.model, record, bound);
        self.tags(list, record, bound);
    }

    /// What all GenAI metrics share.
    pub(super) fn call(&self, list: &mut List<'_>, record: &Record, bound: &mut Bound<'_>) {
        let (exchange, observation) = (&record.exchange, &record.observation);
        let origin = &exchange.to.origin;
        list.text(name::OPERATION_NAME, exchange.operation.name());
        list.text(name::PROVIDER_NAME, exchange.to.provider);
        list.text(name::SERVER_ADDRESS, &*origin.host);
        list.whole(name::SERVER_PORT, origin.port);
        list.text(name::UPSTREAM, &*exchange.to.name);
        model(list, name::REQUEST_MODEL, &observation.request.model, record, bound);
        model(list, name::RESPONSE_MODEL, &observation.response.model, record, bound);
        self.tags(list, record, bound);
    }

    /// The same for the duration of a call: with the error.
    pub(super) fn duration(&self, list: &mut List<'_>, record: &Record, bound: &mut Bound<'_>) {
        self.call(list, record, bound);
        let observation = &record.observation;
        if let Some(error) = observation.outcome.error.as_ref().map(ErrorType::as_str) {
            list.text(name::ERROR_TYPE, bound.value(name::ERROR_TYPE, error, false));
        }
        list.flag(name::REQUEST_STREAM, observation.request.stream || observation.stream);
    }

    fn tags(&self, list: &mut List<'_>, record: &Record, bound: &mut Bound<'_>) {
        let caller = Caller::of(record);
        let mut text = |key: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                list.text(key, bound.value(key, value, false));
            }
        };
        for told in &self.tags {
            match told {
                Told::Tag(tag, key) => text(key, caller.tag(tag)),
                Told::Agent => text(name::AGENT_NAME, caller.agent()),
                Told::Prompt => {
                    let prompt = caller.prompt();
                    text(name::PROMPT_NAME, prompt.map(|prompt| &*prompt.name));
                    let version = prompt.and_then(|prompt| prompt.version.as_deref());
                    text(name::PROMPT_VERSION, version);
                }
            }
        }
    }
}

/// A model that somebody named. A request that the provider refused can be sent by anyone, so it may not
/// take the last room.
fn model(
    list: &mut List<'_>,
    key: &str,
    model: &Option<String>,
    record: &Record,
    bound: &mut Bound<'_>,
) {
    let domain = record.observation.outcome.category.and_then(Category::domain);
    let refused = domain == Some(Domain::Client);
    if let Some(model) = model.as_deref().filter(|model| !model.is_empty()) {
        list.text(key, bound.value("model", model, refused));
    }
}

/// A client's request.
pub(super) fn server(list: &mut List<'_>, record: &Record) {
    let exchange = &record.exchange;
    list.text(name::HTTP_METHOD, method(&exchange.method).0);
    list.text(name::URL_SCHEME, scheme(exchange.secure));
    list.text(name::HTTP_ROUTE, &*exchange.route);
    status(list, exchange.status);
    list.text(name::ERROR_TYPE, server_error(record).as_deref());
    list.text(name::NETWORK_PROTOCOL_VERSION, protocol(exchange.version));
}

/// A request of ours to the upstream.
pub(super) fn attempt(list: &mut List<'_>, exchange: &Exchange, attempt: &Attempt) {
    let origin = &exchange.to.origin;
    list.text(name::HTTP_METHOD, method(&exchange.method).0);
    list.text(name::SERVER_ADDRESS, &*origin.host);
    list.whole(name::SERVER_PORT, origin.port);
    status(list, attempt.status);
    list.text(name::ERROR_TYPE, attempt_error(attempt).as_deref());
    list.text(name::NETWORK_PROTOCOL_VERSION, attempt.version.and_then(protocol));
}

/// What is counted by upstream alone.
pub(super) fn upstream(list: &mut List<'_>, record: &Record) {
    list.text(name::UPSTREAM, &*record.exchange.to.name);
}

fn status(list: &mut List<'_>, status: Option<http::StatusCode>) {
    if let Some(status) = status {
        list.whole(name::HTTP_STATUS_CODE, status.as_u16());
    }
}
