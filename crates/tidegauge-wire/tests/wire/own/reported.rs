//! What providers say that a call cost.

use http::{HeaderMap, Method, StatusCode};

use super::JSON;
use crate::exchange::{Case, headers};

fn reported(kind: &str, usage: &str) -> Option<String> {
    let body =
        format!(r#"{{"object":"chat.completion","model":"m","choices":[],"usage":{usage}}}"#);
    let case = Case {
        kind: kind.to_owned(),
        method: Method::POST,
        path: "/v1/chat/completions".to_owned(),
        query: None,
        request_headers: HeaderMap::new(),
        request: Vec::new(),
        status: StatusCode::OK,
        headers: headers(JSON.iter().copied()),
        response: body.into_bytes(),
    };
    case.observe(|rest| rest).usage.reported_usd
}

#[test]
fn a_figure_is_kept_as_it_is_written() {
    let cases = [
        ("openrouter", r#"{"prompt_tokens":1,"cost":0.000229}"#, Some("0.000229")),
        ("openrouter", r#"{"prompt_tokens":1,"cost":2.29e-4,"is_byok":false}"#, Some("2.29e-4")),
        ("openrouter", r#"{"prompt_tokens":1,"cost":0.00001,"is_byok":true}"#, None),
        (
            "perplexity",
            r#"{"prompt_tokens":1,"cost":{"input_tokens_cost":0.1,"total_cost":0.3}}"#,
            Some("0.3"),
        ),
        ("vercel", r#"{"prompt_tokens":1,"cost":"free"}"#, None),
        ("openai", r#"{"prompt_tokens":1}"#, None),
    ];
    for (kind, usage, expected) in cases {
        assert_eq!(reported(kind, usage).as_deref(), expected, "{kind} {usage}");
    }
}
