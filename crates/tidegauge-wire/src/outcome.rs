//! Decides what an exchange comes to, once everything about it is known.

use http::StatusCode;
use tidegauge_core::{
    Category, End, ErrorType, Exchange, Failure, Observation, Outcome, ProviderError, Response,
};

use crate::failure;
use crate::finish::Meaning;
use crate::provider::Provider;

/// What the readers know beside the observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// Nothing of the answer was lost on us.
    pub(crate) understood: bool,
    /// The answer is of an API that is known, and could be decoded.
    pub(crate) readable: bool,
    /// The answer calls itself what it is not.
    pub(crate) malformed: bool,
    /// What the reasons to finish mean.
    pub(crate) ends: &'a [Meaning],
    /// The answer says that it is not ready yet, or to be continued.
    pub(crate) pending: bool,
}

/// What the exchange comes to.
pub(crate) fn judge(
    exchange: &Exchange,
    seen: &Observation,
    facts: Facts<'_>,
    provider: &dyn Provider,
) -> Outcome {
    let told = seen.response.error.is_some();
    if let Some(outcome) = on_the_way(exchange, seen, facts, provider, told) {
        return outcome;
    }
    let inference = exchange.operation.is_inference();
    match seen.response.status {
        Some(status) if status.is_success() && inference => meaning(seen, facts),
        _ => Outcome::default(),
    }
}

/// What it comes to to be shown a response that was made before, whatever that one came to.
pub(crate) fn judge_fetch(
    exchange: &Exchange,
    seen: &Observation,
    facts: Facts<'_>,
    provider: &dyn Provider,
) -> Outcome {
    on_the_way(exchange, seen, facts, provider, false).unwrap_or_default()
}

/// How it failed before it had a meaning, if it did. `told`: an error inside a success is one of its
/// own.
fn on_the_way(
    exchange: &Exchange,
    seen: &Observation,
    facts: Facts<'_>,
    provider: &dyn Provider,
    told: bool,
) -> Option<Outcome> {
    if exchange.end == End::Cancelled && !is_over(seen) {
        return Some(nobody(Category::ClientCancelled));
    }
    let response = &seen.response;
    if told || response.status.is_some_and(failure::is_failure) {
        let (category, error, unclassified) = failure::judge(provider, response);
        return Some(Outcome { category: Some(category), error: Some(error), unclassified });
    }
    if let Some(failure) = exchange.failure {
        return Some(failed(failure));
    }
    if is_cut(exchange, seen, facts) {
        return Some(failed(Failure::StreamCut));
    }
    if let Some(status) = response.status.filter(|status| is_no_answer(*status, exchange)) {
        return Some(malformed(ErrorType::of_provider(status.as_str())));
    }
    let success = response.status.is_some_and(|status| status.is_success());
    (success && facts.malformed).then(|| malformed(ErrorType::fixed("malformed_response")))
}

fn malformed(error: ErrorType) -> Outcome {
    Outcome { category: Some(Category::MalformedResponse), error: Some(error), unclassified: false }
}

/// Whether a status answers nothing: one that no protocol knows, or a redirect of a model call, such
/// as to a page that asks for a login.
fn is_no_answer(status: StatusCode, exchange: &Exchange) -> bool {
    let unknown = status.as_u16() >= 600;
    unknown || status.is_redirection() && exchange.operation.is_inference()
}

/// What a turn of a session comes to.
pub(crate) fn judge_turn(
    exchange: &Exchange,
    seen: &Observation,
    facts: Facts<'_>,
    provider: &dyn Provider,
) -> Outcome {
    let response = &seen.response;
    if response.error.is_some() {
        let (category, error, unclassified) = failure::judge(provider, response);
        return Outcome { category: Some(category), error: Some(error), unclassified };
    }
    if let Some(failure) = exchange.failure {
        return failed(failure);
    }
    if exchange.end == End::Cancelled {
        return nobody(Category::ClientCancelled);
    }
    meaning(seen, facts)
}

/// What a session comes to that was switched to. Its turns' failures are theirs.
pub(crate) fn judge_session(
    exchange: &Exchange,
    response: &Response,
    closed: &Closed,
    provider: &dyn Provider,
) -> Outcome {
    if response.error.is_some() {
        let (category, error, unclassified) = failure::judge(provider, response);
        let (category, unclassified) = match closed.category() {
            Some(by_code) if unclassified => (by_code, false),
            _ => (category, unclassified),
        };
        return Outcome { category: Some(category), error: Some(error), unclassified };
    }
    match closed.cuts(exchange) {
        _ if closed.said() => Outcome::default(),
        (_, Some(failure)) => failed(failure),
        (_, None) => nobody(Category::ClientCancelled),
    }
}

/// How a socket was closed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Closed {
    /// Who said so first.
    said: Option<Said>,
    /// Whose bytes ended first: the client's?
    client_first: Option<bool>,
}

/// Who said first that a socket closes.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Said {
    Client,
    /// With this code, if it named one, and reason.
    Server(Option<u16>, Vec<u8>),
}

impl Closed {
    /// A side says that it closes.
    pub(crate) fn close(&mut self, client: bool, code: Option<u16>, reason: &[u8]) {
        self.said.get_or_insert_with(|| match client {
            true => Said::Client,
            false => Said::Server(code, reason.to_vec()),
        });
    }

    /// A side's bytes end.
    pub(crate) fn end(&mut self, client: bool) {
        self.client_first.get_or_insert(client);
    }

    /// The socket was closed by its own words, however its connection ended then.
    pub(crate) fn said(&self) -> bool {
        self.said.is_some()
    }

    /// The error that the end amounts to, if the server made it: the one it told before, or what it
    /// closed with.
    pub(crate) fn error(&self, told: Option<ProviderError>) -> Option<ProviderError> {
        match &self.said {
            Some(Said::Client) => None,
            Some(Said::Server(code, reason)) => told.or_else(|| error_of(*code, reason)),
            None => told.filter(|_| self.client_first == Some(false)),
        }
    }

    /// What the server's code means where its words say nothing.
    fn category(&self) -> Option<Category> {
        let Some(Said::Server(Some(code), _)) = &self.said else { return None };
        Some(match code {
            1009 => Category::RequestTooLarge,
            1013 => Category::Overloaded,
            1002 | 1003 | 1007 | 1008 | 1010 => Category::InvalidRequest,
            _ => Category::ServerError,
        })
    }

    /// How what is open breaks off with the socket: by the server, or because the client left.
    pub(crate) fn cuts(&self, exchange: &Exchange) -> (End, Option<Failure>) {
        let client = match (&self.said, exchange.end) {
            (Some(said), _) => *said == Said::Client,
            (None, End::Failed) => return (End::Failed, exchange.failure),
            (None, End::Cancelled) => true,
            (None, End::Complete) => self.client_first == Some(true),
        };
        if client { (End::Cancelled, None) } else { (End::Failed, Some(Failure::StreamCut)) }
    }
}

/// What a close tells; nothing if it is an ordinary one (RFC 6455, 7.4.1).
fn error_of(code: Option<u16>, reason: &[u8]) -> Option<ProviderError> {
    let code = code.filter(|code| !matches!(code, 1000 | 1001 | 1005))?;
    let reason = failure::of_text(reason).unwrap_or_default();
    Some(ProviderError { code: Some(format!("close_{code}")), ..reason })
}

/// The provider had said its last word before the client left.
fn is_over(seen: &Observation) -> bool {
    match seen.response.terminated {
        Some(terminated) => terminated,
        None => seen.stream && !seen.response.finish_reasons.is_empty(),
    }
}

/// The stream ended well on the wire, but neither with its mark nor with a finish reason.
fn is_cut(exchange: &Exchange, seen: &Observation, facts: Facts<'_>) -> bool {
    let response = &seen.response;
    let unmarked = response.terminated == Some(false) && response.finish_reasons.is_empty();
    let success = response.status.is_some_and(|status| status.is_success());
    exchange.end == End::Complete && seen.stream && success && unmarked && facts.readable
}

/// What a success means.
fn meaning(seen: &Observation, facts: Facts<'_>) -> Outcome {
    let response = &seen.response;
    let ended_by = |meaning: Meaning| facts.ends.contains(&meaning);
    let empty = !response.output && facts.understood && !facts.pending;
    // Accepted: the answer is to be fetched later.
    let no_content = matches!(response.status, Some(StatusCode::NO_CONTENT | StatusCode::ACCEPTED));
    if response.content_filter {
        nobody(Category::ContentFilter)
    } else if response.refusal {
        nobody(Category::Refusal)
    } else if ended_by(Meaning::Cancelled) {
        nobody(Category::ClientCancelled)
    } else if ended_by(Meaning::Overflow) {
        nobody(Category::ContextOverflow)
    } else if ended_by(Meaning::Length) {
        nobody(Category::Truncated)
    } else if response.bad_tool_calls > 0 {
        nobody(Category::ToolFailure)
    } else if empty && !no_content {
        nobody(Category::Empty)
    } else {
        Outcome::default()
    }
}

/// It matters, but nothing failed.
fn nobody(category: Category) -> Outcome {
    Outcome { category: Some(category), error: None, unclassified: false }
}

fn failed(failure: Failure) -> Outcome {
    let error: ErrorType = failure.error_type();
    Outcome { category: Some(failure.category()), error: Some(error), unclassified: false }
}
