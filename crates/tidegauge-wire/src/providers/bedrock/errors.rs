//! Exceptions: named in a header, in a message of a stream, or in the body.

use bytes::Bytes;
use http::StatusCode;
use tidegauge_core::{Category, ProviderError, Response};

use crate::field::{Json, clip};
use crate::splice::quoted;

/// How much of a message is kept.
const MAX_MESSAGE: usize = 2048;

/// What stands in the body where what answered is not the service itself but in front of it.
pub(super) fn read(body: Json<'_>, into: &mut Response) {
    let error = into.error.get_or_insert_default();
    error.message = error.message.take().or_else(|| body.get("Message").kept(MAX_MESSAGE));
    let kind = body.get("__type").text().map(|written| name(&written));
    error.kind = error.kind.take().or(kind);
}

/// An exception that is a message of a stream.
pub(super) fn of_message(written: &str, data: Json<'_>) -> Option<ProviderError> {
    let message = data.get("message").kept(MAX_MESSAGE);
    let exception = written.ends_with("Exception") || message.is_some();
    exception.then(|| ProviderError { kind: Some(name(written)), code: None, message })
}

/// `ValidationException` of `com.amazon.coral#ValidationException:http://...`
pub(super) fn name(written: &str) -> String {
    let name = written.split(':').next().unwrap_or_default();
    clip(name.rsplit('#').next().unwrap_or_default().trim(), 64).to_owned()
}

/// Where the meaning differs from what status and words say elsewhere.
pub(super) fn classify(error: &ProviderError) -> Option<Category> {
    let kind = error.kind.as_deref().unwrap_or_default();
    let message = error.message.as_deref().unwrap_or_default().to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match kind {
        "IncompleteSignatureException" | "MissingAuthenticationTokenException" => {
            Some(Category::Auth)
        }
        // The key itself is not accepted, not what it asks for.
        "AccessDeniedException" | "" if says(&["bearer token", "api key"]) => Some(Category::Auth),
        // The model behind the service failed, whatever the status.
        "ModelErrorException" | "modelStreamErrorException" => Some(Category::ServerError),
        _ if says(&["could not resolve the foundation model"]) => Some(Category::ModelNotFound),
        _ => None,
    }
}

/// `{"__type", "message"}`: the type is looked for here where no header tells it.
pub(super) fn body(status: StatusCode, kind: &str, message: &str) -> Bytes {
    let exception = match status.as_u16() {
        401 | 403 => "AccessDeniedException",
        404 => "ResourceNotFoundException",
        408 | 504 => "ModelTimeoutException",
        429 => "ThrottlingException",
        500 => "InternalServerException",
        501.. => "ServiceUnavailableException",
        _ => "ValidationException",
    };
    let (message, kind) = (quoted(message), quoted(kind));
    Bytes::from(format!(r#"{{"__type":"{exception}","message":{message},"reason":{kind}}}"#))
}
