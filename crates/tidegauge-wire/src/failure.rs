//! Reads providers' error objects, of any shape, and finds their place in the closed list.
//!
//! Patterns are matched against error objects only, never against what a model said.

use http::StatusCode;
use tidegauge_core::{Category, ErrorType, ProviderError, Response};

use crate::field::{Json, clip};
use crate::provider::Provider;

/// How much of an error text is kept to be understood.
const MAX_MESSAGE: usize = 2048;

/// Whether a body or an event that need not be an error carries one.
pub(crate) fn is_told(body: Json<'_>) -> bool {
    let error = body.get("error");
    error.has_text() || error.members().next().is_some()
}

/// The error object that a body or an event carries: `{"error": {...}}`, `{"error": "text"}`, flat,
/// `{"detail": ...}`, or any of these as the only element of an array.
pub(crate) fn read(body: Json<'_>) -> Option<ProviderError> {
    let body = if body.is_array() { body.items().next()? } else { body };
    let inner = body.get("error");
    let error = if inner.is_object() {
        nested(inner)
    } else if inner.has_text() {
        ProviderError { message: inner.kept(MAX_MESSAGE), ..codes(body) }
    } else {
        flat(body)
    };
    (error != ProviderError::default()).then_some(error)
}

fn nested(error: Json<'_>) -> ProviderError {
    let told = codes(error);
    let deeper = error.get("innererror").get("code").kept(64);
    let reason = error.get("details").items().find_map(|detail| detail.get("reason").kept(64));
    let message = error.get("message").kept(MAX_MESSAGE);
    // A router wraps the error of the provider behind it, and its own reasons to refuse.
    let wrapped = error.get("metadata");
    let flagged = wrapped.get("reasons").items().next().and_then(|reason| reason.kept(64));
    let flagged = flagged.map(|reason| format!("flagged for {reason}"));
    let told_by = [message, wrapped.get("raw").kept(MAX_MESSAGE), flagged];
    let texts: Vec<String> = told_by.into_iter().flatten().collect();
    ProviderError {
        kind: deeper.or(reason).or(told.kind),
        code: told.code,
        message: (!texts.is_empty()).then(|| texts.join(" ")),
    }
}

fn flat(body: Json<'_>) -> ProviderError {
    let told = codes(body);
    let detail = body.get("detail");
    let first = detail.items().next().map(|first| first.get("msg"));
    let message = body
        .get("message")
        .kept(MAX_MESSAGE)
        .or_else(|| detail.kept(MAX_MESSAGE))
        .or_else(|| first.and_then(|first| first.kept(MAX_MESSAGE)));
    let kind = told.kind.or_else(|| body.get("error_type").kept(64));
    ProviderError { kind, code: told.code, message }
}

/// The kind is a word; the code may be a word or a number.
fn codes(error: Json<'_>) -> ProviderError {
    let word = |name: &str| error.get(name).kept(64);
    let code =
        word("code").or_else(|| error.get("code").number().map(|code| clip(code, 64).to_owned()));
    let status = error.get("status_code").number().map(str::to_owned);
    ProviderError {
        kind: word("type").or_else(|| word("status")),
        code: code.or(status),
        message: None,
    }
}

/// The error that a status object beside the answer carries, as one host states it: `{"status_code",
/// "status_msg"}`, of which 0 means success.
pub(crate) fn of_status(status: Json<'_>) -> Option<ProviderError> {
    let code = status.get("status_code").size().filter(|code| *code > 0)?;
    let kind = STATUS_CODES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
    Some(ProviderError {
        kind: kind.map(str::to_owned),
        code: Some(code.to_string()),
        message: status.get("status_msg").kept(MAX_MESSAGE),
    })
}

/// The codes of such a status, by the words that the rules below know.
const STATUS_CODES: &[(u64, &str)] = &[
    (1001, "timeout"),
    (1002, "rate_limit"),
    (1004, "authentication"),
    (1008, "insufficient_quota"),
    (1013, "server_error"),
    (1024, "server_error"),
    (1026, "content_filter"),
    (1027, "content_filter"),
    (1039, "too_many_tokens"),
    (2013, "invalid_request"),
    (2045, "rate_limit"),
    (2049, "invalid_api_key"),
    (2056, "quota_exceeded"),
];

/// An error text that is not JSON.
pub(crate) fn of_text(text: &[u8]) -> Option<ProviderError> {
    let text = String::from_utf8_lossy(text);
    let message = clip(text.trim(), MAX_MESSAGE);
    (!message.is_empty())
        .then(|| ProviderError { message: Some(message.to_owned()), ..ProviderError::default() })
}

/// What a failed answer comes to: its place in the closed list, its `error.type`, and whether only a
/// status told.
pub(crate) fn judge(provider: &dyn Provider, response: &Response) -> (Category, ErrorType, bool) {
    let none = ProviderError::default();
    let error = response.error.as_ref().unwrap_or(&none);
    let status = status(response, error);
    let error_type = error_type(error, status);
    if let Some(category) = provider.classify(response, error) {
        return (category, error_type, false);
    }
    let text = Text::of(error);
    match RULES.iter().find(|rule| (rule.says)(status, &text)) {
        Some(rule) => (rule.category, error_type, false),
        None => (by_status(status), error_type, true),
    }
}

/// The status of the answer; inside a stream the one that the error object states, 0 if none.
fn status(response: &Response, error: &ProviderError) -> u16 {
    let of_answer =
        response.status.filter(|status| is_failure(*status)).map(|status| status.as_u16());
    let stated = || error.code.as_deref().and_then(|code| code.parse().ok());
    of_answer.or_else(stated).filter(|status| (400..600).contains(status)).unwrap_or(0)
}

/// Whether a status says that the call failed.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// The provider's code, else its word for the kind, else the status. A number of three digits repeats
/// the status; one of four or more is a code of the provider's own.
fn error_type(error: &ProviderError, status: u16) -> ErrorType {
    let is_word = |code: &&String| {
        !code.bytes().all(|byte| byte.is_ascii_digit()) || (4..=6).contains(&code.len())
    };
    let told = error.code.as_ref().filter(is_word).or(error.kind.as_ref().filter(is_word));
    match told {
        Some(word) => ErrorType::of_provider(word),
        None if status > 0 => ErrorType::of_provider(&status.to_string()),
        None => ErrorType::OTHER,
    }
}

/// What an error says, in lower case.
struct Text {
    codes: String,
    message: String,
}

impl Text {
    fn of(error: &ProviderError) -> Self {
        let lower =
            |part: &Option<String>| part.as_deref().unwrap_or_default().to_ascii_lowercase();
        let codes = format!("{} {}", lower(&error.code), lower(&error.kind));
        Self { codes, message: lower(&error.message) }
    }

    fn code(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.codes.contains(word))
    }

    fn message(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.message.contains(word))
    }

    /// Whether the message says of a model, named right behind the word, that it is not supported.
    fn unsupported_model(&self) -> bool {
        let behind = self.message.split_once("model ").map(|(_, rest)| rest);
        let said = behind.and_then(|rest| rest.split_once(' ')).map(|(_, said)| said);
        said.is_some_and(|said| said.starts_with("is not supported"))
    }

    /// Whether the message says one of `words` somewhere behind `subject`.
    fn message_on(&self, subject: &str, words: &[&str]) -> bool {
        let rest = self.message.split_once(subject).map(|(_, rest)| rest);
        rest.is_some_and(|rest| words.iter().any(|word| rest.contains(word)))
    }
}

struct Rule {
    category: Category,
    says: fn(u16, &Text) -> bool,
}

/// In the order in which they are asked: the narrower meaning first, since a status or a general
/// code often accompanies a precise text.
const RULES: &[Rule] = &[
    Rule { category: Category::ContextOverflow, says: context_overflow },
    Rule { category: Category::Quota, says: quota },
    Rule { category: Category::ContentFilter, says: content_filter },
    Rule { category: Category::Overloaded, says: overloaded },
    Rule { category: Category::RateLimit, says: rate_limit },
    Rule { category: Category::ToolFailure, says: tool_failure },
    Rule { category: Category::Auth, says: auth },
    Rule { category: Category::ModelNotFound, says: model_not_found },
    Rule { category: Category::Permission, says: permission },
    Rule { category: Category::Timeout, says: timeout },
    Rule { category: Category::NotFound, says: not_found },
    Rule { category: Category::RequestTooLarge, says: request_too_large },
    Rule { category: Category::ServerError, says: server_error },
    Rule { category: Category::InvalidRequest, says: invalid_request },
];

fn context_overflow(status: u16, text: &Text) -> bool {
    // A limit of tokens per minute is said in similar words.
    status != 429
        && (text.code(&[
            "context_length_exceeded",
            "context_window_exceeded",
            "too_many_tokens",
            "too_many_prompt_tokens",
            "exceed_context_size",
            "string_above_max_length",
        ]) || text.message(&[
            "maximum context length",
            "prompt is too long",
            "prompt too long",
            "input is too long",
            "input tokens exceeded",
            "exceeds the available context size",
            "exceeds the context window",
            "too many tokens:",
            "exceeds max length",
            "reduce the length of the messages",
        ]) || text.message_on("input token count", &["exceeds"]))
}

fn quota(status: u16, text: &Text) -> bool {
    status == 402
        || text.code(&[
            "insufficient_quota",
            "billing",
            "servicequotaexceeded",
            "insufficient_credits",
            "exceeded_current_quota",
            "quota_exceeded",
        ])
        || text.message(&[
            "credit balance is too low",
            "insufficient balance",
            "insufficient credits",
            "requires more credits",
            "perday",
        ])
        // Elsewhere the word also says that one has to wait a minute.
        || status == 403 && text.message(&["call volume quota", "exceeded your", "quota exceeded"])
}

fn content_filter(_status: u16, text: &Text) -> bool {
    text.code(&[
        "content_filter",
        "content_policy",
        "moderation_blocked",
        "responsibleaipolicyviolation",
        "content_blocked",
        "bio_policy",
    ]) || text.message(&[
        "content filtering policy",
        "content management policy",
        "input was flagged",
        "flagged for",
        "violates usage guidelines",
        "safety_check_type",
    ])
}

fn overloaded(status: u16, text: &Text) -> bool {
    status == 529
        || text.code(&["overloaded", "unavailable", "capacity_exceeded", "system_resource"])
        || matches!(status, 0 | 500..)
            && text.message(&["overloaded", "over capacity", "over_capacity"])
}

fn rate_limit(status: u16, text: &Text) -> bool {
    let says = text.code(&[
        "rate_limit",
        "ratelimit",
        "throttling",
        "resource_exhausted",
        "too_many_requests",
    ]);
    let words = ["rate limit", "rate-limit", "rate_limit", "too many requests", "throttl", "quota"];
    says || matches!(status, 0 | 429) && text.message(&words)
}

fn tool_failure(_status: u16, text: &Text) -> bool {
    text.code(&["tool_use_failed", "malformed_tool_use", "malformed_function_call"])
}

fn auth(status: u16, text: &Text) -> bool {
    let code = text.code(&[
        "invalid_api_key",
        "authentication",
        "unauthenticated",
        "unauthorized",
        "api_key_invalid",
        "expiredtoken",
        "unrecognizedclient",
        "invalidsignature",
    ]);
    let words = text.message(&[
        "api key",
        "api-key",
        "unauthorized",
        "authentication",
        "unregistered callers",
        "security token",
        "signature expired",
        "credentials",
    ]);
    let wrong = [
        "incorrect api key",
        "invalid api key",
        "api key not valid",
        "api key expired",
        "invalid x-api-key",
    ];
    code || matches!(status, 401 | 403) && words || status == 400 && text.message(&wrong)
}

fn model_not_found(status: u16, text: &Text) -> bool {
    let missing = [
        "not found",
        "is not a valid model",
        "is invalid",
        "not exist",
        "end of its life",
        "no longer available",
        "decommissioned",
    ];
    let refused = matches!(status, 0 | 400 | 404 | 422);
    let codes = [
        "model_not_found",
        "deploymentnotfound",
        "invalid_model",
        "model_not_supported",
        "model_decommissioned",
        "unknown_model",
    ];
    text.code(&codes)
        || refused
            && (text.message_on("model", &missing)
                || text.message(&[
                    "not a valid model",
                    "supported api model names",
                    "invalid model",
                    "unknown model",
                ])
                || text.message.starts_with("model:")
                || text.unsupported_model())
}

fn permission(_status: u16, text: &Text) -> bool {
    text.code(&["permission", "accessdenied", "access_denied", "forbidden", "unsupported_country"])
}

fn timeout(_status: u16, text: &Text) -> bool {
    text.code(&["timeout", "timed_out", "deadline_exceeded"])
}

fn not_found(_status: u16, text: &Text) -> bool {
    text.code(&["not_found", "notfound"])
}

fn request_too_large(_status: u16, text: &Text) -> bool {
    text.code(&["request_too_large", "payload_too_large"])
}

fn server_error(status: u16, text: &Text) -> bool {
    let words = ["server_error", "api_error", "internal", "server error", "bad_gateway"];
    // Some statuses say more than such a word does.
    matches!(status, 0 | 500..) && !matches!(status, 503 | 504) && text.code(&words)
}

fn invalid_request(status: u16, text: &Text) -> bool {
    let words = [
        "invalid",
        "bad_request",
        "badrequest",
        "validation",
        "unsupported",
        "user_error",
        "mismatch",
        "image_too_large",
        "image_too_small",
        "image_parse_error",
        "image_file",
        "failed_to_download_image",
    ];
    matches!(status, 0 | 400 | 405 | 415 | 422) && text.code(&words)
}

/// What a status means when nothing else does.
fn by_status(status: u16) -> Category {
    match status {
        401 => Category::Auth,
        402 => Category::Quota,
        403 => Category::Permission,
        404 | 410 => Category::NotFound,
        408 | 504 => Category::Timeout,
        413 => Category::RequestTooLarge,
        429 => Category::RateLimit,
        // The client went away; the host tells whoever is left.
        499 => Category::ClientCancelled,
        // How one host says that it has no capacity for work that may wait.
        498 => Category::Overloaded,
        503 | 529 => Category::Overloaded,
        400..=499 => Category::InvalidRequest,
        _ => Category::ServerError,
    }
}

#[cfg(test)]
mod tests;
