//! Answers in OpenAI's formats: chat completions, responses, embeddings, errors.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use super::{Reply, Wanted, at_end, at_error, at_head, at_token, created, data, event, id};
use crate::demo::script::{Answer, Case, MODELS, Surface};
use crate::demo::text::TOKENS_PER_EVENT;

/// A refusal in the pieces it is streamed in.
const REFUSAL: [&str; 3] = ["I'm sorry, ", "but I can't ", "help with that."];

/// What a visible answer is made of.
enum Said<'a> {
    Text(&'a [String]),
    Refusal,
    /// Arguments in the pieces they are streamed in.
    Tool(&'static [&'static str]),
}

pub(super) fn chat(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    if let Some(error) = error(wanted, case) {
        return error;
    }
    let reply = if wanted.stream {
        chat_stream(wanted, case, words)
    } else {
        chat_json(wanted, case, words)
    };
    broken(wanted, case, reply.with(headers(case)))
}

pub(super) fn responses(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    if let Some(error) = error(wanted, case) {
        return error;
    }
    let reply = if wanted.stream {
        responses_stream(wanted, case, words)
    } else {
        Reply::json(StatusCode::OK, at_end(case), &response(wanted, case, words, "completed"))
    };
    broken(wanted, case, reply.with(headers(case)))
}

pub(super) fn embeddings(wanted: &Wanted, case: &Case, rng: &mut SmallRng) -> Reply {
    if let Some(error) = error(wanted, case) {
        return error;
    }
    let vector = |rng: &mut SmallRng| -> Vec<Value> {
        let value = |rng: &mut SmallRng| json!(f64::from(rng.random_range(-999..1000)) / 10_000.0);
        (0..wanted.dimensions).map(|_| value(rng)).collect()
    };
    let items: Vec<Value> = (0..wanted.inputs)
        .map(|index| json!({ "object": "embedding", "index": index, "embedding": vector(rng) }))
        .collect();
    let body = json!({
        "object": "list",
        "data": items,
        "model": wanted.answered(),
        "usage": { "prompt_tokens": case.input, "total_tokens": case.input },
    });
    Reply::json(StatusCode::OK, at_end(case), &body).with(headers(case))
}

pub(super) fn models() -> Reply {
    let model = |name| json!({ "id": name, "object": "model", "created": 1_795_176_000, "owned_by": "demo" });
    let data: Vec<Value> = MODELS.iter().map(|known| model(known.name)).collect();
    Reply::json(
        StatusCode::OK,
        Duration::from_millis(40),
        &json!({ "object": "list", "data": data }),
    )
}

pub(super) fn not_found() -> Reply {
    refuse(
        StatusCode::NOT_FOUND,
        Duration::from_millis(20),
        "Invalid URL",
        "invalid_request_error",
        None,
    )
}

pub(super) fn unknown_model(case: &Case, name: &str) -> Reply {
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    let (kind, code) = ("invalid_request_error", Some("model_not_found"));
    refuse(StatusCode::NOT_FOUND, at_error(case), &message, kind, code).with(headers(case))
}

/// What is turned away before a model sees it.
fn error(wanted: &Wanted, case: &Case) -> Option<Reply> {
    let name = &wanted.model;
    let filter =
        "The response was filtered due to the prompt triggering our content management policy.";
    let (status, message, kind, code) = match case.answer {
        Answer::RateLimit => (
            StatusCode::TOO_MANY_REQUESTS,
            format!(
                "Rate limit reached for {name} on tokens per min (TPM): Limit 200000, Used 199412, Requested {}. Please try again in 2s.",
                case.input
            ),
            "tokens",
            Some("rate_limit_exceeded"),
        ),
        Answer::Quota => (
            StatusCode::TOO_MANY_REQUESTS,
            "You exceeded your current quota, please check your plan and billing details."
                .to_owned(),
            "insufficient_quota",
            Some("insufficient_quota"),
        ),
        Answer::Overflow => (
            StatusCode::BAD_REQUEST,
            format!(
                "This model's maximum context length is {} tokens. However, your messages resulted in {} tokens. Please reduce the length of the messages.",
                case.model.window,
                case.model.window + case.input
            ),
            "invalid_request_error",
            Some("context_length_exceeded"),
        ),
        Answer::Key => (
            StatusCode::UNAUTHORIZED,
            "Incorrect API key provided.".to_owned(),
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        Answer::ServerError => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "The server had an error while processing your request. Sorry about that!".to_owned(),
            "server_error",
            None,
        ),
        Answer::Overloaded => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The engine is currently overloaded, please try again later.".to_owned(),
            "server_error",
            None,
        ),
        // Chat says it in its finish reason; the others turn the call away.
        Answer::ContentFilter if wanted.surface != Surface::Chat => (
            StatusCode::BAD_REQUEST,
            filter.to_owned(),
            "invalid_request_error",
            Some("content_filter"),
        ),
        Answer::Text
        | Answer::Tool
        | Answer::BadTool
        | Answer::Refusal
        | Answer::ContentFilter
        | Answer::Truncated
        | Answer::Cut
        | Answer::BrokenStream => return None,
    };
    let mut reply = refuse(status, at_error(case), &message, kind, code).with(headers(case));
    if case.answer == Answer::RateLimit {
        reply.headers.push(("retry-after", "2".to_owned()));
        reply.headers.push(("retry-after-ms", "2000".to_owned()));
        reply.headers.push(("x-ratelimit-remaining-tokens", "588".to_owned()));
    }
    Some(reply)
}

fn refuse(
    status: StatusCode,
    at: Duration,
    message: &str,
    kind: &str,
    code: Option<&str>,
) -> Reply {
    let error = json!({ "message": message, "type": kind, "param": null, "code": code });
    Reply::json(status, at, &json!({ "error": error }))
}

fn broken(wanted: &Wanted, case: &Case, reply: Reply) -> Reply {
    match case.answer {
        Answer::Cut if wanted.stream => reply.break_off(None),
        Answer::BrokenStream if wanted.stream => {
            let message =
                "The server had an error while processing your request. Sorry about that!";
            let last = if wanted.surface == Surface::Responses {
                let error = json!({
                    "type": "error", "code": "server_error", "message": message, "param": null,
                    "sequence_number": 9_999,
                });
                event("error", &error)
            } else {
                let error = json!({ "message": message, "type": "server_error", "param": null, "code": null });
                data(&json!({ "error": error }))
            };
            reply.break_off(Some(last))
        }
        _ => reply,
    }
}

fn said<'a>(case: &Case, words: &'a [String]) -> Said<'a> {
    match case.answer {
        Answer::Tool => Said::Tool(&["{\"berth\":", "7,\"vessel\":", "\"Maren\"", "}"]),
        Answer::BadTool => Said::Tool(&["{\"berth\":", "7,\"vessel\":", "\"Mar"]),
        Answer::Refusal => Said::Refusal,
        _ => Said::Text(words),
    }
}

fn finish_reason(case: &Case) -> &'static str {
    match case.answer {
        Answer::Tool | Answer::BadTool => "tool_calls",
        Answer::ContentFilter => "content_filter",
        Answer::Truncated => "length",
        _ => "stop",
    }
}

fn chat_json(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    let (mut content, mut refusal) = (Value::Null, Value::Null);
    let mut message = json!({ "role": "assistant", "annotations": [] });
    match said(case, words) {
        Said::Text(words) => content = json!(words.concat()),
        Said::Refusal => refusal = json!(REFUSAL.concat()),
        Said::Tool(arguments) => {
            set(&mut message, "tool_calls", json!([tool(case, &arguments.concat())]));
        }
    }
    set(&mut message, "content", content);
    set(&mut message, "refusal", refusal);
    let body = json!({
        "id": id("chatcmpl-", case),
        "object": "chat.completion",
        "created": created(case),
        "model": wanted.answered(),
        "choices": [{ "index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason(case) }],
        "usage": chat_usage(case),
        "service_tier": "default",
        "system_fingerprint": "fp_demo",
    });
    Reply::json(StatusCode::OK, at_end(case), &body)
}

fn chat_stream(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    let chunk = |choices: Value, usage: Value| {
        let mut chunk = json!({
            "id": id("chatcmpl-", case),
            "object": "chat.completion.chunk",
            "created": created(case),
            "model": wanted.answered(),
            "service_tier": "default",
            "system_fingerprint": "fp_demo",
            "choices": choices,
        });
        if wanted.include_usage {
            set(&mut chunk, "usage", usage);
        }
        data(&chunk)
    };
    let delta = |delta: Value, finish: Option<&str>| {
        chunk(
            json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]),
            Value::Null,
        )
    };
    let mut pieces = vec![(
        at_head(case),
        delta(json!({ "role": "assistant", "content": "", "refusal": null }), None),
    )];
    let said = said(case, words);
    if let Said::Tool(_) = said {
        let call = json!({ "tool_calls": [with(tool(case, ""), "index", json!(0))] });
        pieces.push((case.first, delta(call, None)));
    }
    pieces.extend(timed(case, &said).map(|(at, piece)| {
        let content = match said {
            Said::Text(_) => json!({ "content": piece }),
            Said::Refusal => json!({ "refusal": piece }),
            Said::Tool(_) => {
                json!({ "tool_calls": [{ "index": 0, "function": { "arguments": piece } }] })
            }
        };
        (at, delta(content, None))
    }));
    let end = pieces.last().map_or(case.first, |(at, _)| *at);
    pieces.push((end, delta(json!({}), Some(finish_reason(case)))));
    if wanted.include_usage {
        pieces.push((end, chunk(json!([]), chat_usage(case))));
    }
    pieces.push((end, Bytes::from_static(b"data: [DONE]\n\n")));
    Reply::events(pieces)
}

/// The pieces of an answer and when they are out.
fn timed<'a>(
    case: &'a Case,
    said: &Said<'a>,
) -> impl Iterator<Item = (Duration, &'a str)> + use<'a> {
    let (words, fixed): (&[String], &[&str]) = match said {
        Said::Text(words) => (words, &[]),
        Said::Refusal => (&[], &REFUSAL),
        Said::Tool(arguments) => (&[], arguments),
    };
    let pieces = words.iter().map(String::as_str).chain(fixed.iter().copied());
    pieces.enumerate().map(|(index, piece)| (at_token(case, index * TOKENS_PER_EVENT), piece))
}

fn tool(case: &Case, arguments: &str) -> Value {
    json!({
        "id": id("call_", case),
        "type": "function",
        "function": { "name": "assign_berth", "arguments": arguments },
    })
}

fn chat_usage(case: &Case) -> Value {
    let output = case.output + case.reasoning;
    json!({
        "prompt_tokens": case.input,
        "completion_tokens": output,
        "total_tokens": case.input + output,
        "prompt_tokens_details": { "cached_tokens": case.cached, "audio_tokens": 0 },
        "completion_tokens_details": {
            "reasoning_tokens": case.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}

/// A response object; only one that is `completed` has usage and output.
fn response(wanted: &Wanted, case: &Case, words: &[String], status: &str) -> Value {
    let over = status == "completed";
    let output = case.output + case.reasoning;
    let truncated = over && case.answer == Answer::Truncated;
    let status = if truncated { "incomplete" } else { status };
    json!({
        "id": id("resp_", case),
        "object": "response",
        "created_at": created(case),
        "status": status,
        "error": null,
        "incomplete_details": if truncated { json!({ "reason": "max_output_tokens" }) } else { Value::Null },
        "instructions": null,
        "max_output_tokens": null,
        "model": wanted.answered(),
        "output": if over { output_items(case, words) } else { json!([]) },
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": { "effort": null, "summary": null },
        "service_tier": "default",
        "store": false,
        "temperature": 1.0,
        "text": { "format": { "type": "text" } },
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": if over { json!({
            "input_tokens": case.input,
            "input_tokens_details": { "cached_tokens": case.cached },
            "output_tokens": output,
            "output_tokens_details": { "reasoning_tokens": case.reasoning },
            "total_tokens": case.input + output,
        }) } else { Value::Null },
        "user": null,
        "metadata": {},
    })
}

fn output_items(case: &Case, words: &[String]) -> Value {
    let thought = (case.reasoning > 0)
        .then(|| json!({ "id": id("rs_", case), "type": "reasoning", "summary": [] }));
    let item = match said(case, words) {
        Said::Tool(arguments) => call_item(case, &arguments.concat(), "completed"),
        Said::Text(words) => message_item(case, "completed", Some(text_part(&words.concat()))),
        Said::Refusal => message_item(case, "completed", Some(refusal_part(&REFUSAL.concat()))),
    };
    Value::Array(thought.into_iter().chain([item]).collect())
}

fn responses_stream(wanted: &Wanted, case: &Case, words: &[String]) -> Reply {
    let said = said(case, words);
    let index = usize::from(case.reasoning > 0);
    let place = json!({ "item_id": item_id(case, &said), "output_index": index });
    let part = |mut value: Value| {
        if let Some(fields) = place.as_object() {
            fields.iter().for_each(|(name, field)| set(&mut value, name, field.clone()));
        }
        if !matches!(said, Said::Tool(_)) {
            set(&mut value, "content_index", json!(0));
        }
        value
    };
    let whole: String = timed(case, &said).map(|(_, piece)| piece).collect();
    let (open, done) = match said {
        Said::Tool(_) => (call_item(case, "", "in_progress"), call_item(case, &whole, "completed")),
        Said::Text(_) => (
            message_item(case, "in_progress", None),
            message_item(case, "completed", Some(text_part(&whole))),
        ),
        Said::Refusal => (
            message_item(case, "in_progress", None),
            message_item(case, "completed", Some(refusal_part(&whole))),
        ),
    };
    let (kind, empty, full, name) = match said {
        Said::Tool(_) => ("response.function_call_arguments", None, None, "arguments"),
        Said::Text(_) => {
            ("response.output_text", Some(text_part("")), Some(text_part(&whole)), "text")
        }
        Said::Refusal => {
            ("response.refusal", Some(refusal_part("")), Some(refusal_part(&whole)), "refusal")
        }
    };
    let begin = at_head(case);
    let mut events = vec![
        (
            begin,
            "response.created".to_owned(),
            json!({ "response": response(wanted, case, words, "in_progress") }),
        ),
        (
            begin,
            "response.in_progress".to_owned(),
            json!({ "response": response(wanted, case, words, "in_progress") }),
        ),
        (
            begin,
            "response.output_item.added".to_owned(),
            json!({ "output_index": index, "item": open }),
        ),
    ];
    events.extend(empty.map(|empty| {
        (begin, "response.content_part.added".to_owned(), part(json!({ "part": empty })))
    }));
    events.extend(timed(case, &said).map(|(at, piece)| {
        let mut delta = part(json!({ "delta": piece }));
        if matches!(said, Said::Text(_)) {
            set(&mut delta, "logprobs", json!([]));
        }
        (at, format!("{kind}.delta"), delta)
    }));
    let end = events.last().map_or(case.first, |(at, ..)| *at);
    let mut whole_event = part(with(json!({}), name, json!(whole)));
    if matches!(said, Said::Text(_)) {
        set(&mut whole_event, "logprobs", json!([]));
    }
    events.push((end, format!("{kind}.done"), whole_event));
    events.extend(
        full.map(|full| {
            (end, "response.content_part.done".to_owned(), part(json!({ "part": full })))
        }),
    );
    events.push((
        end,
        "response.output_item.done".to_owned(),
        json!({ "output_index": index, "item": done }),
    ));
    let last =
        if case.answer == Answer::Truncated { "response.incomplete" } else { "response.completed" };
    events.push((
        end,
        last.to_owned(),
        json!({ "response": response(wanted, case, words, "completed") }),
    ));
    let numbered = events.into_iter().enumerate().map(|(number, (at, kind, body))| {
        let body = with(with(body, "type", json!(kind)), "sequence_number", json!(number));
        (at, event(&kind, &body))
    });
    Reply::events(numbered.collect())
}

fn item_id(case: &Case, said: &Said<'_>) -> String {
    id(if matches!(said, Said::Tool(_)) { "fc_" } else { "msg_" }, case)
}

fn message_item(case: &Case, status: &str, part: Option<Value>) -> Value {
    let content: Vec<Value> = part.into_iter().collect();
    json!({ "id": id("msg_", case), "type": "message", "status": status, "role": "assistant", "content": content })
}

fn call_item(case: &Case, arguments: &str, status: &str) -> Value {
    json!({
        "id": id("fc_", case), "type": "function_call", "status": status,
        "call_id": id("call_", case), "name": "assign_berth", "arguments": arguments,
    })
}

fn text_part(text: &str) -> Value {
    json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
}

fn refusal_part(text: &str) -> Value {
    json!({ "type": "refusal", "refusal": text })
}

fn headers(case: &Case) -> Vec<(&'static str, String)> {
    vec![
        ("x-request-id", id("req_", case)),
        ("openai-processing-ms", at_error(case).as_millis().to_string()),
        ("openai-version", "2020-10-01".to_owned()),
        ("x-ratelimit-limit-requests", "10000".to_owned()),
        ("x-ratelimit-remaining-requests", "9999".to_owned()),
        ("x-ratelimit-limit-tokens", "200000".to_owned()),
        ("x-ratelimit-remaining-tokens", (200_000 - case.input.min(200_000)).to_string()),
    ]
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    set(&mut object, name, value);
    object
}
