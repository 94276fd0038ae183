//! What providers answer, as scripts for the fault box: made here, shaped as their APIs document it.

mod bedrock;
mod cohere;
mod gemini;
mod mistral;
mod ollama;

use bytes::Bytes;
use serde_json::{Value, json};

use super::upstream::{Script, Seen, Step};

/// Ends a chunked body.
pub(crate) const LAST_CHUNK: Bytes = Bytes::from_static(b"0\r\n\r\n");

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Bytes {
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    framed.into()
}

/// A response head with these headers and nothing else.
pub(crate) fn head(status: u16, headers: &[(&str, &str)]) -> Bytes {
    let mut head = format!("HTTP/1.1 {status} Said\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into()
}

/// The head of an event stream.
pub(crate) fn stream_head() -> Bytes {
    head(200, &[("content-type", "text/event-stream"), ("transfer-encoding", "chunked")])
}

/// A whole response with a length.
pub(crate) fn whole(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Script {
    let length = body.len().to_string();
    let mut all = headers.to_vec();
    all.push(("content-length", &length));
    vec![Step::Send(head(status, &all)), Step::Send(Bytes::copy_from_slice(body))]
}

/// A whole JSON response.
pub(crate) fn value(status: u16, value: &Value) -> Script {
    whole(status, &[("content-type", "application/json")], value.to_string().as_bytes())
}

/// A whole event stream, one chunk an event.
pub(crate) fn stream(events: &[Bytes]) -> Script {
    let mut script = vec![Step::Send(stream_head())];
    script.extend(events.iter().map(|event| Step::Send(chunk(event))));
    script.push(Step::Send(LAST_CHUNK));
    script
}

/// The body of an event stream.
pub(crate) fn joined(events: &[Bytes]) -> Vec<u8> {
    events.concat()
}

fn data(value: &Value) -> Bytes {
    format!("data: {value}\n\n").into()
}

fn named(value: &Value) -> Bytes {
    format!("event: {}\ndata: {value}\n\n", value["type"].as_str().unwrap_or_default()).into()
}

/// What a made-up model says and what it used.
#[derive(Clone, Copy)]
pub(crate) struct Said<'a> {
    pub(crate) model: &'a str,
    pub(crate) words: &'a [&'a str],
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// A conversation turn nobody cares about the contents of.
pub(crate) const HELLO: Said<'static> = Said {
    model: "gpt-4o-mini-2024-07-18",
    words: &["Hello", " there", "."],
    input: 12,
    output: 3,
};

impl Said<'_> {
    fn text(&self) -> String {
        self.words.concat()
    }

    fn chat_usage(&self) -> Value {
        json!({
            "prompt_tokens": self.input, "completion_tokens": self.output,
            "total_tokens": self.input + self.output,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0}
        })
    }

    /// `POST /v1/chat/completions`, unary.
    pub(crate) fn chat(&self) -> Value {
        json!({
            "id": "chatcmpl-rig", "object": "chat.completion", "created": 1_700_000_000,
            "model": self.model,
            "choices": [{
                "index": 0, "finish_reason": "stop", "logprobs": null,
                "message": {"role": "assistant", "content": self.text(), "refusal": null}
            }],
            "usage": self.chat_usage(),
            "service_tier": "default", "system_fingerprint": "fp_rig"
        })
    }

    fn chat_chunk(&self, delta: &Value, finish: &Value, asked: bool) -> Value {
        let mut chunk = json!({
            "id": "chatcmpl-rig", "object": "chat.completion.chunk", "created": 1_700_000_000,
            "model": self.model, "system_fingerprint": "fp_rig",
            "choices": [{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]
        });
        if asked {
            chunk["usage"] = Value::Null;
        }
        chunk
    }

    /// The events of a chat stream, with the usage chunk if it was `asked` for.
    pub(crate) fn chat_events(&self, asked: bool) -> Vec<Bytes> {
        let role = json!({"role": "assistant", "content": "", "refusal": null});
        let mut events = vec![data(&self.chat_chunk(&role, &Value::Null, asked))];
        for word in self.words {
            let delta = json!({"content": word});
            events.push(data(&self.chat_chunk(&delta, &Value::Null, asked)));
        }
        events.push(data(&self.chat_chunk(&json!({}), &json!("stop"), asked)));
        if asked {
            let mut last = self.chat_chunk(&Value::Null, &Value::Null, true);
            last["choices"] = json!([]);
            last["usage"] = self.chat_usage();
            events.push(data(&last));
        }
        events.push("data: [DONE]\n\n".into());
        events
    }

    /// `POST /v1/messages`, unary.
    pub(crate) fn message(&self) -> Value {
        json!({
            "id": "msg_rig", "type": "message", "role": "assistant", "model": self.model,
            "content": [{"type": "text", "text": self.text()}],
            "stop_reason": "end_turn", "stop_sequence": null, "usage": self.message_usage()
        })
    }

    fn message_usage(&self) -> Value {
        json!({
            "input_tokens": self.input, "output_tokens": self.output,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0
        })
    }

    /// The events of a message stream.
    pub(crate) fn message_events(&self) -> Vec<Bytes> {
        let mut begun = self.message();
        begun["content"] = json!([]);
        begun["stop_reason"] = Value::Null;
        begun["usage"]["output_tokens"] = json!(1);
        let mut events = vec![
            named(&json!({"type": "message_start", "message": begun})),
            named(&json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "text", "text": ""}})),
            named(&json!({"type": "ping"})),
        ];
        for word in self.words {
            events.push(named(&json!({"type": "content_block_delta", "index": 0,
                "delta": {"type": "text_delta", "text": word}})));
        }
        events.push(named(&json!({"type": "content_block_stop", "index": 0})));
        events.push(named(&json!({"type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": self.output}})));
        events.push(named(&json!({"type": "message_stop"})));
        events
    }

    /// `POST /v1/responses`, unary, `completed` or on the way to it.
    pub(crate) fn response(&self, status: &str) -> Value {
        let done = status == "completed";
        let output = json!([{
            "type": "message", "id": "msg_rig", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": self.text(), "annotations": []}]
        }]);
        let usage = json!({
            "input_tokens": self.input, "output_tokens": self.output,
            "total_tokens": self.input + self.output,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0}
        });
        json!({
            "id": "resp_rig", "object": "response", "created_at": 1_700_000_000, "status": status,
            "model": self.model, "error": null, "incomplete_details": null, "instructions": null,
            "metadata": {}, "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto",
            "tools": [], "top_p": 1.0,
            "output": if done { output } else { json!([]) },
            "usage": if done { usage } else { Value::Null }
        })
    }

    /// The events of a responses stream.
    pub(crate) fn response_events(&self) -> Vec<Bytes> {
        let item = &self.response("completed")["output"][0];
        let part = &item["content"][0];
        let mut values = vec![
            json!({"type": "response.created", "response": self.response("in_progress")}),
            json!({"type": "response.output_item.added", "output_index": 0, "item":
                {"type": "message", "id": "msg_rig", "status": "in_progress", "role": "assistant",
                 "content": []}}),
            json!({"type": "response.content_part.added", "item_id": "msg_rig", "output_index": 0,
                "content_index": 0,
                "part": {"type": "output_text", "text": "", "annotations": []}}),
        ];
        for word in self.words {
            values.push(json!({"type": "response.output_text.delta", "item_id": "msg_rig",
                "output_index": 0, "content_index": 0, "delta": word, "logprobs": []}));
        }
        values.push(json!({"type": "response.output_text.done", "item_id": "msg_rig",
            "output_index": 0, "content_index": 0, "text": self.text(), "logprobs": []}));
        values.push(json!({"type": "response.content_part.done", "item_id": "msg_rig",
            "output_index": 0, "content_index": 0, "part": part}));
        values.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
        values.push(json!({"type": "response.completed", "response": self.response("completed")}));
        let numbered = values.iter_mut().enumerate().map(|(number, value)| {
            value["sequence_number"] = json!(number);
            named(value)
        });
        numbered.collect()
    }
}

/// A chat answer that calls the tool `weather`.
pub(crate) fn chat_tool_call(model: &str) -> Value {
    let mut answer = Said { model, words: &[], input: 40, output: 9 }.chat();
    answer["choices"][0]["finish_reason"] = json!("tool_calls");
    answer["choices"][0]["message"] = json!({
        "role": "assistant", "content": null, "refusal": null,
        "tool_calls": [{"id": "call_rig", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Bergen\"}"}}]
    });
    answer
}

/// A chat answer in which the model declines.
pub(crate) fn chat_refusal(model: &str) -> Value {
    let mut answer = Said { model, words: &[], input: 20, output: 8 }.chat();
    answer["choices"][0]["message"] = json!({
        "role": "assistant", "content": null, "refusal": "I can not help with that."
    });
    answer
}

/// A message that calls the tool `weather`.
pub(crate) fn message_tool_call(model: &str) -> Value {
    let mut answer = Said { model, words: &[], input: 50, output: 21 }.message();
    answer["stop_reason"] = json!("tool_use");
    answer["content"] = json!([
        {"type": "tool_use", "id": "toolu_rig", "name": "weather", "input": {"city": "Bergen"}}
    ]);
    answer
}

/// `POST /v1/embeddings`: two short vectors, as numbers or as base64 of little-endian floats.
pub(crate) fn embeddings(model: &str, base64: bool) -> Value {
    let vector = if base64 { json!("AACAPwAAAEAAAEBA") } else { json!([1.0, 2.0, 3.0]) };
    json!({
        "object": "list", "model": model,
        "data": [{"object": "embedding", "index": 0, "embedding": vector},
                 {"object": "embedding", "index": 1, "embedding": vector}],
        "usage": {"prompt_tokens": 7, "total_tokens": 7}
    })
}

/// An error body as OpenAI's API writes it.
pub(crate) fn openai_error(kind: &str, code: &str, message: &str) -> Value {
    let code = if code.is_empty() { Value::Null } else { json!(code) };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

/// An error body as Anthropic's API writes it.
pub(crate) fn anthropic_error(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_rig"})
}

/// Whether a chat request asks for the usage chunk.
pub(crate) fn asks_usage(body: &Value) -> bool {
    body["stream_options"]["include_usage"] == json!(true)
}

/// Plays every provider, told apart by path and by model; fails by the name of the model.
pub(crate) fn provider(seen: &Seen) -> Script {
    let others = [bedrock::answer, cohere::answer, gemini::answer, mistral::answer, ollama::answer];
    others.iter().find_map(|answer| answer(seen)).unwrap_or_else(|| openai_or_anthropic(seen))
}

fn openai_or_anthropic(seen: &Seen) -> Script {
    let body = seen.json();
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let said = Said { model: &model, ..HELLO };
    let stream = body["stream"] == json!(true);
    let tools = body["tools"].is_array();
    let path = seen.target.split('?').next().unwrap_or_default();
    if let Some(error) = failing(path, &model) {
        return error;
    }
    match path {
        "/v1/chat/completions" if stream => self::stream(&said.chat_events(asks_usage(&body))),
        "/v1/chat/completions" if tools => value(200, &chat_tool_call(&model)),
        "/v1/chat/completions" => value(200, &said.chat()),
        "/v1/responses" if stream => self::stream(&said.response_events()),
        "/v1/responses" if body["background"] == json!(true) => {
            value(200, &said.response("queued"))
        }
        "/v1/responses" => value(200, &said.response("completed")),
        "/v1/responses/resp_rig" => {
            value(200, &Said { model: "gpt-4o-mini", ..HELLO }.response("completed"))
        }
        "/v1/embeddings" => {
            value(200, &embeddings(&model, body["encoding_format"] == json!("base64")))
        }
        "/v1/messages" if stream => self::stream(&said.message_events()),
        "/v1/messages" if tools => value(200, &message_tool_call(&model)),
        "/v1/messages" => value(200, &said.message()),
        "/v1/messages/count_tokens" => value(200, &json!({"input_tokens": 12})),
        "/v1/models" => value(
            200,
            &json!({"object": "list", "data": [
                {"id": "gpt-4o-mini", "object": "model", "created": 1, "owned_by": "rig"}]}),
        ),
        _ => value(404, &openai_error("invalid_request_error", "unknown_url", "no such path")),
    }
}

/// Models that fail: the name says how.
fn failing(path: &str, model: &str) -> Option<Script> {
    let (status, kind, code, anthropic) = match model {
        "fails-auth" => (401, "invalid_request_error", "invalid_api_key", "authentication_error"),
        "fails-permission" => (403, "invalid_request_error", "forbidden", "permission_error"),
        "fails-missing" => (404, "invalid_request_error", "model_not_found", "not_found_error"),
        "fails-invalid" => (400, "invalid_request_error", "", "invalid_request_error"),
        "fails-limited" => (429, "requests", "rate_limit_exceeded", "rate_limit_error"),
        "fails-inside" => (500, "server_error", "", "api_error"),
        "fails-overloaded" => (529, "overloaded", "", "overloaded_error"),
        _ => return None,
    };
    let message = match model {
        "fails-missing" => format!("model: {model}"),
        _ => format!("refused for {model}"),
    };
    let body = if path.starts_with("/v1/messages") {
        anthropic_error(anthropic, &message)
    } else {
        openai_error(kind, code, &message)
    };
    let headers = [("content-type", "application/json"), ("retry-after", "7")];
    Some(whole(status, &headers, body.to_string().as_bytes()))
}
