//! Providers' error answers and what they mean.

use http::StatusCode;
use tidegauge_core::{Category as C, Response};

use super::{judge, of_text, read};
use crate::field::Doc;
use crate::provider::provider;

fn meaning(status: u16, body: &str) -> (C, String, bool) {
    let mut doc = Doc::default();
    let error = if doc.parse(body.as_bytes()) {
        read(doc.root(body.as_bytes()))
    } else {
        of_text(body.as_bytes())
    };
    let status = StatusCode::from_u16(status).ok();
    let response = Response { status, error, ..Response::default() };
    let (category, error, unclassified) = judge(provider("openai").unwrap(), &response);
    (category, error.as_str().to_owned(), unclassified)
}

#[test]
fn errors_are_understood() {
    let cases: &[(u16, &str, C, &str)] = &[
        (
            400,
            r#"{"error":{"code":"context_length_exceeded"}}"#,
            C::ContextOverflow,
            "context_length_exceeded",
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}"#,
            C::ContextOverflow,
            "invalid_request_error",
        ),
        (
            429,
            r#"{"error":{"code":"rate_limit_exceeded","type":"tokens","message":"Request too large: maximum context length"}}"#,
            C::RateLimit,
            "rate_limit_exceeded",
        ),
        (
            429,
            r#"{"error":{"code":"insufficient_quota","type":"insufficient_quota","message":"You exceeded your current quota"}}"#,
            C::Quota,
            "insufficient_quota",
        ),
        (
            429,
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota"}}"#,
            C::RateLimit,
            "RESOURCE_EXHAUSTED",
        ),
        (402, r#"{"error":{"message":"Insufficient Balance"}}"#, C::Quota, "402"),
        (
            400,
            r#"{"error":{"code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#,
            C::ContentFilter,
            "content_filter",
        ),
        (
            529,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            C::Overloaded,
            "overloaded_error",
        ),
        (
            200,
            r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
            C::Overloaded,
            "overloaded_error",
        ),
        (
            200,
            r#"{"error":{"code":502,"message":"Provider returned error"}}"#,
            C::ServerError,
            "502",
        ),
        (
            400,
            r#"{"error":{"code":"tool_use_failed","failed_generation":"insufficient_quota"}}"#,
            C::ToolFailure,
            "tool_use_failed",
        ),
        (
            400,
            r#"{"code":"invalid-argument","error":"Incorrect API key provided."}"#,
            C::Auth,
            "invalid-argument",
        ),
        (401, r#"{"detail":"Invalid API Key"}"#, C::Auth, "401"),
        (
            404,
            r#"{"error":{"type":"not_found_error","message":"model: nope"}}"#,
            C::ModelNotFound,
            "not_found_error",
        ),
        (
            400,
            r#"{"error":{"message":"The model `x` does not exist","type":"invalid_request_error"}}"#,
            C::ModelNotFound,
            "invalid_request_error",
        ),
        (
            404,
            r#"{"error":{"type":"not_found_error","message":"file: nope"}}"#,
            C::NotFound,
            "not_found_error",
        ),
        (
            403,
            r#"{"error":{"type":"permission_error","message":"no"}}"#,
            C::Permission,
            "permission_error",
        ),
        (
            413,
            r#"{"error":{"type":"request_too_large","message":"big"}}"#,
            C::RequestTooLarge,
            "request_too_large",
        ),
        (
            504,
            r#"{"error":{"type":"timeout_error","message":"slow"}}"#,
            C::Timeout,
            "timeout_error",
        ),
        (500, r#"{"error":{"type":"api_error","message":"oops"}}"#, C::ServerError, "api_error"),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","code":null,"message":"no"}}"#,
            C::InvalidRequest,
            "invalid_request_error",
        ),
        (
            422,
            r#"{"detail":[{"msg":"field required","type":"missing"}]}"#,
            C::InvalidRequest,
            "422",
        ),
        // What one host or another says of the same.
        (
            400,
            r#"{"message":"too many tokens: total number of tokens in the prompt cannot exceed 9"}"#,
            C::ContextOverflow,
            "400",
        ),
        (
            403,
            r#"{"error":{"code":403,"message":"x requires moderation","metadata":{"reasons":["harassment"],"flagged_input":"x"}}}"#,
            C::ContentFilter,
            "403",
        ),
        (403, r#"{"error":{"code":403,"message":"no such plan"}}"#, C::Permission, "403"),
        (403, r#"{"error":{"code":"403","message":"Out of call volume quota."}}"#, C::Quota, "403"),
        (
            403,
            r#"{"error":{"status":"PERMISSION_DENIED","message":"The API requires a quota project, which is not set"}}"#,
            C::Permission,
            "PERMISSION_DENIED",
        ),
        (
            429,
            r#"{"error":{"type":"exceeded_current_quota_error","message":"no"}}"#,
            C::Quota,
            "exceeded_current_quota_error",
        ),
        (
            400,
            r#"{"error":{"code":"model_not_supported","message":"not by any provider"}}"#,
            C::ModelNotFound,
            "model_not_supported",
        ),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","message":"The model `x` has been decommissioned"}}"#,
            C::ModelNotFound,
            "invalid_request_error",
        ),
        (
            400,
            r#"{"error":{"type":"invalid_request_error","message":"For this model temperature is no longer supported"}}"#,
            C::InvalidRequest,
            "invalid_request_error",
        ),
        (400, r#"{"error":{"message":"Model Not Exist"}}"#, C::ModelNotFound, "400"),
        (498, r#"{"error":{"code":"capacity_exceeded"}}"#, C::Overloaded, "capacity_exceeded"),
        (
            503,
            r#"{"error":{"type":"server_error","message":"try again"}}"#,
            C::Overloaded,
            "server_error",
        ),
        (504, r#"{"error":{"type":"server_error","message":"slow"}}"#, C::Timeout, "server_error"),
        (
            502,
            r#"{"error":{"type":"server_error","message":"no"}}"#,
            C::ServerError,
            "server_error",
        ),
        (
            500,
            r#"{"error":{"type":"server_error","message":"no"}}"#,
            C::ServerError,
            "server_error",
        ),
        // Inside a success: what a response object may say.
        (
            200,
            r#"{"error":{"code":"invalid_prompt","message":"x"}}"#,
            C::InvalidRequest,
            "invalid_prompt",
        ),
        (
            200,
            r#"{"error":{"code":"data_residency_mismatch","message":"x"}}"#,
            C::InvalidRequest,
            "data_residency_mismatch",
        ),
        (
            200,
            r#"{"error":{"code":"vector_store_timeout","message":"x"}}"#,
            C::Timeout,
            "vector_store_timeout",
        ),
        (
            200,
            r#"{"error":{"code":"image_content_policy_violation","message":"x"}}"#,
            C::ContentFilter,
            "image_content_policy_violation",
        ),
        (200, r#"{"error":{"code":"bio_policy","message":"x"}}"#, C::ContentFilter, "bio_policy"),
        (
            200,
            r#"{"error":{"code":"rate_limit_exceeded","message":"x"}}"#,
            C::RateLimit,
            "rate_limit_exceeded",
        ),
        (200, r#"{"error":{"code":"server_error","message":"x"}}"#, C::ServerError, "server_error"),
        (
            200,
            r#"{"error":{"code":"image_too_large","message":"x"}}"#,
            C::InvalidRequest,
            "image_too_large",
        ),
    ];
    for (status, body, category, error) in cases {
        let (got, kind, _) = meaning(*status, body);
        assert_eq!((got, kind.as_str()), (*category, *error), "{status} {body}");
    }
}

#[test]
fn a_status_alone_is_unclassified() {
    let cases = [
        (400, C::InvalidRequest),
        (401, C::Auth),
        (403, C::Permission),
        (404, C::NotFound),
        (408, C::Timeout),
        (504, C::Timeout),
        (498, C::Overloaded),
        (499, C::ClientCancelled),
        (413, C::RequestTooLarge),
        (429, C::RateLimit),
        (500, C::ServerError),
        (502, C::ServerError),
        (503, C::Overloaded),
    ];
    for (status, category) in cases {
        let want = (category, status.to_string(), true);
        assert_eq!(meaning(status, ""), want);
        assert_eq!(meaning(status, "<html>Bad day</html>"), want);
        assert_eq!(meaning(status, r#"{"weird":1}"#), want);
    }
}

#[test]
fn error_types_are_identifiers() {
    let odd = r#"{"error":{"code":"sk-abc leaked <b>","message":"x"}}"#;
    assert_eq!(meaning(400, odd).1, "_OTHER");
}
