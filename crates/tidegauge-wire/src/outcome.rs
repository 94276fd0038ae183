//! Decides what an exchange comes to, once everything about it is known.

use http::StatusCode;
use tidegauge_core::{Category, End, ErrorType, Exchange, Failure, Observation, Outcome};

use crate::failure;
use crate::provider::Provider;

/// What the readers know beside the observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Nothing of the answer was lost on us.
    pub(crate) understood: bool,
    /// The answer is of an API that is known, and could be decoded.
    pub(crate) readable: bool,
    /// The answer calls itself what it is not.
    pub(crate) malformed: bool,
    /// The output hit its limit, though no finish reason says so in words.
    pub(crate) truncated: bool,
    /// The answer says that it is not ready yet, or to be continued.
    pub(crate) pending: bool,
}

/// What the exchange comes to.
pub(crate) fn judge(
    exchange: &Exchange,
    seen: &Observation,
    facts: Facts,
    provider: &dyn Provider,
) -> Outcome {
    if exchange.end == End::Cancelled && !is_over(seen) {
        return nobody(Category::ClientCancelled);
    }
    let response = &seen.response;
    if response.error.is_some() || response.status.is_some_and(failure::is_failure) {
        let (category, error, unclassified) = failure::judge(provider, response);
        return Outcome { category: Some(category), error: Some(error), unclassified };
    }
    if let Some(failure) = exchange.failure {
        return failed(failure);
    }
    if is_cut(exchange, seen, facts) {
        return failed(Failure::StreamCut);
    }
    let inference = exchange.operation.is_inference();
    match response.status {
        Some(status) if status.is_success() && facts.malformed => Outcome {
            category: Some(Category::MalformedResponse),
            error: Some(ErrorType::fixed("malformed_response")),
            unclassified: false,
        },
        Some(status) if status.is_success() && inference => meaning(seen, facts),
        _ => Outcome::default(),
    }
}

/// The provider had said its last word before the client left.
fn is_over(seen: &Observation) -> bool {
    match seen.response.terminated {
        Some(terminated) => terminated,
        None => seen.stream && !seen.response.finish_reasons.is_empty(),
    }
}

/// The stream ended well on the wire, but neither with its mark nor with a finish reason.
fn is_cut(exchange: &Exchange, seen: &Observation, facts: Facts) -> bool {
    let response = &seen.response;
    let unmarked = response.terminated == Some(false) && response.finish_reasons.is_empty();
    let success = response.status.is_some_and(|status| status.is_success());
    exchange.end == End::Complete && seen.stream && success && unmarked && facts.readable
}

/// What a success means.
fn meaning(seen: &Observation, facts: Facts) -> Outcome {
    let response = &seen.response;
    let ended_by = |words: &[&str]| {
        response.finish_reasons.iter().any(|reason| words.contains(&reason.as_str()))
    };
    let empty = !response.output && facts.understood && !facts.pending;
    let no_content = response.status == Some(StatusCode::NO_CONTENT);
    if response.content_filter {
        nobody(Category::ContentFilter)
    } else if response.refusal {
        nobody(Category::Refusal)
    } else if ended_by(&["model_context_window_exceeded"]) {
        nobody(Category::ContextOverflow)
    } else if facts.truncated || ended_by(TRUNCATED) {
        nobody(Category::Truncated)
    } else if response.bad_tool_calls > 0 {
        nobody(Category::ToolFailure)
    } else if empty && !no_content {
        nobody(Category::Empty)
    } else {
        Outcome::default()
    }
}

/// Finish reasons that say the output hit its limit.
const TRUNCATED: &[&str] =
    &["length", "max_tokens", "MAX_TOKENS", "max_output_tokens", "model_length", "LENGTH"];

/// It matters, but nothing failed.
fn nobody(category: Category) -> Outcome {
    Outcome { category: Some(category), error: None, unclassified: false }
}

fn failed(failure: Failure) -> Outcome {
    let error: ErrorType = failure.error_type();
    Outcome { category: Some(failure.category()), error: Some(error), unclassified: false }
}
