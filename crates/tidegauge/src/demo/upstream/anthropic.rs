//! Answers in Anthropic's format: messages and errors.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::{Reply, Wanted, at_end, at_error, at_head, at_token, event, id};
use crate::demo::script::{Answer, Case};
use crate::demo::text::TOKENS_PER_EVENT;

/// A tool's arguments in the pieces they are streamed in.
const ARGUMENTS: [&str; 4] = ["{\"berth\":", " 7, \"vessel\":", " \"Maren\"", "}"];

pub(super) fn reply(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    if let Some(error) = error(case) {
        return error;
    }
    let reply = if wanted.stream { stream(wanted, case, words) } else { json(wanted, case, words) };
    let reply = reply.with(headers(case));
    match case.answer {
        Answer::Cut if wanted.stream => reply.break_off(None),
        Answer::BrokenStream if wanted.stream => {
            let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
            reply.break_off(Some(event("error", &error)))
        }
        _ => reply,
    }
}

pub(super) fn unknown_model(case: &Case, name: &str) -> Reply {
    refuse(case, 404, "not_found_error", &format!("model: {name}"))
}

/// What is turned away before a model sees it.
fn error(case: &Case) -> Option<Reply> {
    let (status, kind, message) = match case.answer {
        Answer::RateLimit => (
            429,
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 400,000 input tokens per minute.".to_owned(),
        ),
        Answer::Quota => (
            400,
            "invalid_request_error",
            "Your credit balance is too low to access the Anthropic API.".to_owned(),
        ),
        Answer::Overflow => {
            let tokens = case.model.window + case.input;
            let message = format!("prompt is too long: {tokens} tokens > {} maximum", case.model.window);
            (400, "invalid_request_error", message)
        }
        Answer::Key => (401, "authentication_error", "invalid x-api-key".to_owned()),
        Answer::ServerError => (500, "api_error", "Internal server error".to_owned()),
        Answer::Overloaded => (529, "overloaded_error", "Overloaded".to_owned()),
        Answer::ContentFilter => {
            (400, "invalid_request_error", "Output blocked by content filtering policy".to_owned())
        }
        Answer::Text
        | Answer::Tool
        | Answer::BadTool
        | Answer::Refusal
        | Answer::Truncated
        | Answer::Cut
        | Answer::BrokenStream => return None,
    };
    let mut reply = refuse(case, status, kind, &message);
    if case.answer == Answer::RateLimit {
        reply.headers.push(("retry-after", "2".to_owned()));
    }
    Some(reply)
}

fn refuse(case: &Case, status: u16, kind: &str, message: &str) -> Reply {
    let error = json!({ "type": kind, "message": message });
    let body = json!({ "type": "error", "error": error, "request_id": id("req_", case) });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Reply::json(status, at_error(case), &body).with(headers(case))
}

fn stop_reason(case: &Case) -> &'static str {
    match case.answer {
        Answer::Tool | Answer::BadTool => "tool_use",
        Answer::Truncated => "max_tokens",
        Answer::Refusal => "refusal",
        _ => "end_turn",
    }
}

fn is_tool(case: &Case) -> bool {
    matches!(case.answer, Answer::Tool | Answer::BadTool)
}

fn json(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    let content = if is_tool(case) {
        // A document cannot hold arguments that do not parse: what came of them is empty.
        let input = if case.answer == Answer::Tool {
            json!({ "berth": 7, "vessel": "Maren" })
        } else {
            json!({})
        };
        json!({ "type": "tool_use", "id": id("toolu_", case), "name": "assign_berth", "input": input })
    } else {
        json!({ "type": "text", "text": words.concat() })
    };
    let mut body = message(wanted, case, case.output);
    if let Some(body) = body.as_object_mut() {
        body.insert("content".into(), json!([content]));
        body.insert("stop_reason".into(), json!(stop_reason(case)));
    }
    Reply::json(StatusCode::OK, at_end(case), &body)
}

fn stream(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    let head = at_head(case);
    let start = json!({ "type": "message_start", "message": message(wanted, case, 1) });
    let mut pieces = vec![
        (head, event("message_start", &start)),
        (
            head,
            event(
                "content_block_start",
                &json!({ "type": "content_block_start", "index": 0, "content_block": opened(case) }),
            ),
        ),
        (head, event("ping", &json!({ "type": "ping" }))),
    ];
    pieces.extend(deltas(case, words));
    let end = pieces.last().map_or(case.first, |(at, _)| *at);
    let stop = json!({
        "type": "message_delta",
        "delta": { "stop_reason": stop_reason(case), "stop_sequence": null },
        "usage": usage(case, case.output),
    });
    pieces.push((
        end,
        event("content_block_stop", &json!({ "type": "content_block_stop", "index": 0 })),
    ));
    pieces.push((end, event("message_delta", &stop)));
    pieces.push((end, event("message_stop", &json!({ "type": "message_stop" }))));
    Reply::events(pieces)
}

fn opened(case: &Case) -> Value {
    if is_tool(case) {
        json!({ "type": "tool_use", "id": id("toolu_", case), "name": "assign_berth", "input": {} })
    } else {
        json!({ "type": "text", "text": "" })
    }
}

fn deltas(case: &Case, words: &[String]) -> Vec<(Duration, Bytes)> {
    // Arguments that break off do not parse.
    let kept = if case.answer == Answer::BadTool { ARGUMENTS.len() - 1 } else { ARGUMENTS.len() };
    let deltas: Vec<Value> = if is_tool(case) {
        let argument = |piece| json!({ "type": "input_json_delta", "partial_json": piece });
        ARGUMENTS.iter().take(kept).map(argument).collect()
    } else {
        words.iter().map(|piece| json!({ "type": "text_delta", "text": piece })).collect()
    };
    let delta = |(index, delta): (usize, Value)| {
        let body = json!({ "type": "content_block_delta", "index": 0, "delta": delta });
        (at_token(case, index * TOKENS_PER_EVENT), event("content_block_delta", &body))
    };
    deltas.into_iter().enumerate().map(delta).collect()
}

fn message(wanted: &Wanted, case: &Case, output: u64) -> Value {
    json!({
        "id": id("msg_", case),
        "type": "message",
        "role": "assistant",
        "model": wanted.answered(),
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(case, output),
    })
}

fn usage(case: &Case, output: u64) -> Value {
    json!({
        "input_tokens": case.input - case.cached - case.written,
        "cache_creation_input_tokens": case.written,
        "cache_read_input_tokens": case.cached,
        "cache_creation": { "ephemeral_5m_input_tokens": case.written, "ephemeral_1h_input_tokens": 0 },
        "output_tokens": output,
        "service_tier": "standard",
    })
}

fn headers(case: &Case) -> Vec<(&'static str, String)> {
    vec![
        ("request-id", id("req_", case)),
        ("anthropic-organization-id", "00000000-0000-4000-8000-000000000000".to_owned()),
        ("anthropic-ratelimit-requests-limit", "4000".to_owned()),
        ("anthropic-ratelimit-requests-remaining", "3999".to_owned()),
        ("anthropic-ratelimit-input-tokens-limit", "400000".to_owned()),
        (
            "anthropic-ratelimit-input-tokens-remaining",
            (400_000 - case.input.min(400_000)).to_string(),
        ),
    ]
}
