//! What Cohere's second API answers: made here, shaped as it is documented and as real traffic looks.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{HELLO, Said, named, stream, value};
use crate::support::upstream::{Script, Seen};

/// Plays the API for `/v2/...`; `None` for any other path.
pub(super) fn answer(seen: &Seen) -> Option<Script> {
    let path = seen.target.strip_prefix("/v2/")?;
    let body = seen.json();
    let model = body["model"].as_str().unwrap_or_default();
    let said = Said { model, ..HELLO };
    if let Some((status, message)) = failure(model) {
        return Some(value(status, &json!({"id": "err-rig", "message": message})));
    }
    Some(match path {
        "chat" if body["stream"] == json!(true) => stream(&events(&said)),
        "chat" => value(200, &chat(&said)),
        "embed" => value(
            200,
            &json!({"id": "embed-rig", "response_type": "embeddings_by_type",
                "texts": ["one", "two"], "embeddings": {"float": [[1.0, 2.0], [2.0, 1.0]]},
                "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 7}}}),
        ),
        "rerank" => value(
            200,
            &json!({"id": "rerank-rig", "results": [{"index": 1, "relevance_score": 0.9},
                {"index": 0, "relevance_score": 0.1}],
                "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}),
        ),
        _ => value(404, &json!({"message": "no such path"})),
    })
}

/// Figures of two kinds: what the model saw, and what is billed.
fn usage(said: &Said<'_>) -> Value {
    json!({"billed_units": {"input_tokens": 4, "output_tokens": said.output},
        "tokens": {"input_tokens": said.input, "output_tokens": said.output},
        "cached_tokens": 0})
}

fn chat(said: &Said<'_>) -> Value {
    json!({"id": "chat-rig", "finish_reason": "COMPLETE", "usage": usage(said),
        "message": {"role": "assistant", "content": [{"type": "text", "text": said.text()}]}})
}

fn events(said: &Said<'_>) -> Vec<Bytes> {
    let mut values = vec![
        json!({"id": "chat-rig", "type": "message-start", "delta": {"message":
            {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [],
             "citations": []}}}),
        json!({"type": "content-start", "index": 0, "delta": {"message": {"content":
            {"type": "text", "text": ""}}}}),
    ];
    for word in said.words {
        values.push(json!({"type": "content-delta", "index": 0,
            "delta": {"message": {"content": {"text": word}}}}));
    }
    values.push(json!({"type": "content-end", "index": 0}));
    values.push(json!({"type": "message-end",
        "delta": {"finish_reason": "COMPLETE", "usage": usage(said)}}));
    let mut events: Vec<Bytes> = values.iter().map(named).collect();
    events.push("data: [DONE]\n\n".into());
    events
}

/// Models that fail: the name says how.
fn failure(model: &str) -> Option<(u16, &'static str)> {
    Some(match model {
        "fails-auth" => (401, "invalid api token"),
        "fails-missing" => (
            404,
            "model 'fails-missing' not found, make sure the correct model ID was used and that you \
             have access to the model.",
        ),
        "fails-limited" => (429, "You are past the per minute request limit, please wait."),
        "fails-inside" => (500, "internal server error"),
        _ => return None,
    })
}
