//! One table per format. Every body here is made up after the formats; none was recorded.

use serde_json::{Value, json};

use super::{FRAMES, JSON, LINES, Row, SSE, check, data, lines, named, said, text};
use crate::own::messages::{chunks, events};

fn row(
    name: &'static str,
    (kind, path): (&'static str, &'static str),
    request: Value,
    (as_type, response): (&'static str, Vec<u8>),
    want: Value,
) -> Row {
    Row { name, kind, path, request, as_type, response, want }
}

fn whole(value: &Value) -> (&'static str, Vec<u8>) {
    (JSON, value.to_string().into_bytes())
}

fn user(content: &str) -> Value {
    json!([{"role": "user", "parts": [text(content)]}])
}

fn call(id: &str, name: &str, arguments: &Value) -> Value {
    json!({"type": "tool_call", "id": id, "name": name, "arguments": arguments})
}

const CHAT: (&str, &str) = ("openai", "/v1/chat/completions");

fn chat_request() -> Value {
    json!({"model": "m", "messages": [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            {"type": "input_audio", "input_audio": {"data": "BBBB", "format": "wav"}},
            {"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "assistant", "content": null, "reasoning_content": "A cat?", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\": [1, 2.5, null]}"}},
            {"id": "c2", "type": "function", "function": {"name": "odd", "arguments": "{not json"}}]},
        {"role": "tool", "tool_call_id": "c1", "content": "{\"is\": \"cat\"}"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": null, "refusal": "No."}],
      "tools": [
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object", "required": ["at"]}}},
        {"type": "custom", "custom": {"name": "sql"}}]})
}

fn chat_said() -> Value {
    json!([
        {"role": "developer", "parts": [text("Be brief.")]},
        {"role": "user", "name": "ann", "parts": [
            text("What is this?"),
            {"type": "uri", "modality": "image", "uri": "https://example.com/cat.png"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
            {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": "BBBB"},
            {"type": "file", "modality": "document", "file_id": "file-1"}]},
        {"role": "assistant", "parts": [
            {"type": "reasoning", "content": "A cat?"},
            call("c1", "look", &json!({"at": [1, 2.5, null]})),
            call("c2", "odd", &json!("{not json"))]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "{\"is\": \"cat\"}"}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c2", "response": "ab"}]},
        {"role": "assistant", "parts": [{"type": "refusal", "content": "No."}]}])
}

fn chat_tools() -> Value {
    json!([{"type": "function", "name": "look", "description": "Looks.",
            "parameters": {"type": "object", "required": ["at"]}},
           {"type": "custom", "name": "sql"}])
}

#[test]
fn chat_completions() {
    let calls = json!([
        {"role": "assistant", "finish_reason": "tool_call", "parts": [
            {"type": "reasoning", "content": "Let me look."}, text("Looking."),
            call("c1", "look", &json!({"at": "x"})), call("c2", "wait", &json!({}))]},
        {"role": "assistant", "finish_reason": "length", "parts": [text("Other")]}]);
    let unary = json!({"id": "x", "choices": [
        {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
            "content": "Looking.", "reasoning_content": "Let me look.", "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":\"x\"}"}},
            {"id": "c2", "type": "function", "function": {"name": "wait", "arguments": "{}"}}]}},
        {"index": 1, "finish_reason": "length", "message": {"role": "assistant", "content": "Other"}}]});
    let delta = |index: u64, delta: Value| json!({"choices": [{"index": index, "delta": delta}]});
    let piece = |index: u64, id: Value, function: Value| {
        delta(0, json!({"tool_calls": [{"index": index, "id": id, "function": function}]}))
    };
    let stream = data(&[
        delta(0, json!({"role": "assistant", "content": ""})),
        delta(0, json!({"reasoning_content": "Let me "})),
        delta(0, json!({"reasoning_content": "look."})),
        delta(1, json!({"role": "assistant", "content": "Oth"})),
        delta(0, json!({"content": "Look"})),
        delta(0, json!({"content": "ing."})),
        piece(0, json!("c1"), json!({"name": "look", "arguments": ""})),
        piece(0, Value::Null, json!({"arguments": "{\"at\":"})),
        piece(1, json!("c2"), json!({"name": "wait", "arguments": "{"})),
        piece(0, Value::Null, json!({"arguments": "\"x\"}"})),
        piece(1, Value::Null, json!({"arguments": "}"})),
        delta(1, json!({"content": "er"})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 1}}),
    ]);
    let want = json!({"input": chat_said(), "tools": chat_tools(), "output": calls});
    let audio = json!({"choices": [{"message": {"role": "assistant", "content": null,
        "audio": {"id": "a", "data": "CCCC", "transcript": "Hello"}}, "finish_reason": "stop"}]});
    let legacy = json!({"choices": [{"message": {"role": "assistant", "content": null,
        "function_call": {"name": "f", "arguments": "{}"}}, "finish_reason": "function_call"}]});
    check(&[
        row("unary", CHAT, chat_request(), whole(&unary), want.clone()),
        row("stream", CHAT, chat_request(), (SSE, stream.clone()), want.clone()),
        row("compatible", ("vllm", CHAT.1), chat_request(), (SSE, stream.clone()), want.clone()),
        row(
            "a deployment",
            ("azure", "/openai/deployments/d/chat/completions"),
            chat_request(),
            (SSE, stream),
            want,
        ),
        row(
            "refusal",
            CHAT,
            json!({"messages": [{"role": "user", "content": "Hi"}]}),
            whole(&json!({"choices": [{"message": {"role": "assistant", "content": null,
                "refusal": "I cannot."}, "finish_reason": "stop"}]})),
            json!({"input": user("Hi"), "output": [{"role": "assistant", "finish_reason": "stop",
                "parts": [{"type": "refusal", "content": "I cannot."}]}]}),
        ),
        row(
            "sound",
            CHAT,
            json!({}),
            whole(&audio),
            json!({"output": [{"role": "assistant", "finish_reason": "stop", "parts": [
                {"type": "blob", "modality": "audio", "content": "CCCC"}, text("Hello")]}]}),
        ),
        row(
            "functions",
            CHAT,
            json!({"functions": [{"name": "f"}]}),
            whole(&legacy),
            json!({"tools": [{"type": "function", "name": "f"}], "output": [{"role": "assistant",
                "finish_reason": "tool_call",
                "parts": [{"type": "tool_call", "name": "f", "arguments": {}}]}]}),
        ),
        row(
            "thoughts as parts",
            ("mistral", CHAT.1),
            json!({"messages": [{"role": "user", "content": "Hi"}]}),
            whole(&json!({"choices": [{"finish_reason": "stop", "message": {"role": "assistant",
                "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                            {"type": "text", "text": "Hello"}]}}]})),
            json!({"input": user("Hi"), "output": [{"role": "assistant", "finish_reason": "stop",
                "parts": [{"type": "reasoning", "content": "Hm."}, text("Hello")]}]}),
        ),
    ]);
}

#[test]
fn completions() {
    let at = ("openai", "/v1/completions");
    let answer = json!({"choices": [{"index": 0, "text": "Hello", "finish_reason": "length"}]});
    let stream = data(&[
        json!({"choices": [{"index": 0, "text": "Hel", "finish_reason": null}]}),
        json!({"choices": [{"index": 0, "text": "lo", "finish_reason": "length"}]}),
    ]);
    let want = json!({"input": user("Say hello"), "output": said("Hello", "length")});
    let several = json!({"input": [user("a")[0], user("b")[0]], "output": said("Hello", "length")});
    check(&[
        row("unary", at, json!({"prompt": "Say hello"}), whole(&answer), want.clone()),
        row("stream", at, json!({"prompt": "Say hello"}), (SSE, stream), want),
        row("several", at, json!({"prompt": ["a", "b"]}), whole(&answer), several),
    ]);
}

#[test]
fn responses() {
    let at = ("openai", "/v1/responses");
    let request = json!({"instructions": "Be brief.", "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Look"},
            {"type": "input_image", "image_url": "https://example.com/a.png"},
            {"type": "input_file", "file_id": "file-1"}]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"a\":1}"},
        {"type": "function_call_output", "call_id": "c1", "output": "seen"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ok."}]}],
        "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}, {"type": "web_search"}]});
    let asked = json!([
        {"role": "user", "parts": [text("Look"),
            {"type": "uri", "modality": "image", "uri": "https://example.com/a.png"},
            {"type": "file", "modality": "document", "file_id": "file-1"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}]},
        {"role": "assistant", "parts": [call("c1", "look", &json!({"a": 1}))]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "seen"}]},
        {"role": "assistant", "parts": [text("Ok.")]}]);
    let tools = json!([{"type": "function", "name": "look", "parameters": {"type": "object"}},
        {"type": "web_search", "name": "web_search"}]);
    let search = json!({"type": "web_search_call", "id": "ws", "status": "completed", "action": {"query": "x"}});
    let output = json!([
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm."}]},
        search,
        {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "Hello"}]},
        {"type": "function_call", "id": "fc", "call_id": "c2", "name": "look", "arguments": "{\"b\":2}"}]);
    let answered = json!([{"role": "assistant", "finish_reason": "tool_call", "parts": [
        {"type": "reasoning", "content": "Hm."},
        {"type": "server_tool_call", "id": "ws", "name": "web_search", "server_tool_call": search},
        text("Hello"), call("c2", "look", &json!({"b": 2}))]}]);
    let object = json!({"id": "resp", "status": "completed", "output": output});
    let item = |kind: &str, place: usize, item: &Value| json!({"type": kind, "output_index": place, "item": item});
    let piece = |kind: &str, place: usize, delta: &str| json!({"type": kind, "output_index": place, "delta": delta});
    let opened = json!({"type": "function_call", "id": "fc", "call_id": "c2", "name": "look", "arguments": ""});
    let stream = named(&[
        json!({"type": "response.created", "response": {"id": "resp", "status": "in_progress", "output": []}}),
        piece("response.reasoning_summary_text.delta", 0, "H"),
        piece("response.reasoning_summary_text.delta", 0, "m."),
        item("response.output_item.done", 0, &output[0]),
        item("response.output_item.added", 1, &search),
        item("response.output_item.done", 1, &search),
        piece("response.output_text.delta", 2, "Hel"),
        piece("response.output_text.delta", 2, "lo"),
        item("response.output_item.done", 2, &output[2]),
        item("response.output_item.added", 3, &opened),
        piece("response.function_call_arguments.delta", 3, "{\"b\""),
        piece("response.function_call_arguments.delta", 3, ":2}"),
        item("response.output_item.done", 3, &output[3]),
        json!({"type": "response.completed", "response": object}),
    ]);
    let done_only = named(&[
        item("response.output_item.done", 0, &output[0]),
        item("response.output_item.done", 1, &search),
        item("response.output_item.done", 2, &output[2]),
        item("response.output_item.added", 3, &opened),
        item("response.output_item.done", 3, &output[3]),
        json!({"type": "response.completed", "response": object}),
    ]);
    let end_only = named(&[json!({"type": "response.completed", "response": object})]);
    let want =
        json!({"system": [text("Be brief.")], "input": asked, "tools": tools, "output": answered});
    let cut = json!({"id": "r", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"},
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "He"}]}]});
    check(&[
        row("unary", at, request.clone(), whole(&object), want.clone()),
        row("stream", at, request.clone(), (SSE, stream), want.clone()),
        row("without pieces", at, request.clone(), (SSE, done_only), want.clone()),
        row("the end alone", at, request, (SSE, end_only), want),
        row(
            "a text",
            at,
            json!({"input": "Hi"}),
            whole(&cut),
            json!({"input": user("Hi"), "output": said("He", "length")}),
        ),
    ]);
}

#[test]
fn messages() {
    let at = ("anthropic", "/v1/messages");
    let request = json!({"system": [{"type": "text", "text": "Be brief."}], "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "xyz"},
            {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": "x"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "a cat"}]},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}}]}],
        "tools": [{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}},
            {"type": "web_search_20250305", "name": "web_search"}]});
    let asked = json!([
        {"role": "user", "parts": [text("Hi")]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}, {"type": "redacted_thinking"},
            call("t1", "look", &json!({"at": "x"}))]},
        {"role": "user", "parts": [
            {"type": "tool_call_response", "id": "t1", "response": "a cat"},
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
            {"type": "uri", "modality": "document", "uri": "https://example.com/a.pdf"},
            {"type": "file", "modality": "document", "file_id": "file_1"}]}]);
    let tools = json!([{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}},
        {"type": "web_search_20250305", "name": "web_search"}]);
    let found = json!({"type": "web_search_tool_result", "tool_use_id": "s1", "content": []});
    let message = json!({"id": "msg", "role": "assistant", "content": [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "Hello"},
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        found,
        {"type": "tool_use", "id": "t2", "name": "look", "input": {"at": "y"}}],
        "stop_reason": "tool_use"});
    let answered = json!([{"role": "assistant", "finish_reason": "tool_call", "parts": [
        {"type": "reasoning", "content": "Hm."}, text("Hello"),
        {"type": "server_tool_call", "id": "s1", "name": "web_search",
            "server_tool_call": {"type": "web_search", "input": {"query": "x"}}},
        {"type": "server_tool_call_response", "id": "s1", "server_tool_call_response": found},
        call("t2", "look", &json!({"at": "y"}))]}]);
    let begin = |index: u64, block: Value| json!({"type": "content_block_start", "index": index, "content_block": block});
    let delta = |index: u64, delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let json_delta = |index: u64, piece: &str| {
        delta(index, json!({"type": "input_json_delta", "partial_json": piece}))
    };
    let stream = named(&[
        json!({"type": "message_start", "message": {"id": "msg", "role": "assistant", "content": [], "stop_reason": null}}),
        begin(0, json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, json!({"type": "thinking_delta", "thinking": "Hm."})),
        delta(0, json!({"type": "signature_delta", "signature": "s"})),
        begin(1, json!({"type": "text", "text": ""})),
        delta(1, json!({"type": "text_delta", "text": "Hel"})),
        delta(1, json!({"type": "text_delta", "text": "lo"})),
        begin(2, json!({"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}})),
        json_delta(2, "{\"query\":"),
        json_delta(2, " \"x\"}"),
        begin(3, found.clone()),
        begin(4, json!({"type": "tool_use", "id": "t2", "name": "look", "input": {}})),
        json_delta(4, ""),
        json_delta(4, "{\"at\":\"y\"}"),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}}),
        json!({"type": "message_stop"}),
    ]);
    let want =
        json!({"system": [text("Be brief.")], "input": asked, "tools": tools, "output": answered});
    let raw = (
        "vertex",
        "/v1/projects/p/locations/l/publishers/anthropic/models/claude-x:streamRawPredict",
    );
    let legacy = ("anthropic", "/v1/complete");
    check(&[
        row("unary", at, request.clone(), whole(&message), want.clone()),
        row("stream", at, request.clone(), (SSE, stream.clone()), want.clone()),
        row("on a platform", raw, request.clone(), (SSE, stream), want),
        row(
            "plain system",
            at,
            json!({"system": "Be brief.", "messages": []}),
            whole(&json!({"role": "assistant", "content": [], "stop_reason": "refusal"})),
            json!({"system": [text("Be brief.")],
                "output": [{"role": "assistant", "parts": [], "finish_reason": "content_filter"}]}),
        ),
        row(
            "legacy",
            legacy,
            json!({"prompt": "\n\nHuman: Hi"}),
            whole(&json!({"completion": "Hello", "stop_reason": "stop_sequence"})),
            json!({"input": user("\n\nHuman: Hi"), "output": said("Hello", "stop")}),
        ),
    ]);
}

#[test]
fn generate_content() {
    let at = ("gemini", "/v1beta/models/gemini-x:generateContent");
    let request = json!({"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [
        {"role": "user", "parts": [{"text": "Look"}, {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://example.com/v"}}]},
        {"role": "model", "parts": [{"text": "Hm.", "thought": true}, {"functionCall": {"name": "look", "args": {"at": "x"}}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"is": "cat"}}}]}],
        "tools": [{"functionDeclarations": [{"name": "look", "description": "Looks.", "parameters": {"type": "OBJECT"}}]},
            {"googleSearch": {}}]});
    let asked = json!([
        {"role": "user", "parts": [text("Look"),
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
            {"type": "uri", "modality": "video", "mime_type": "video/mp4", "uri": "https://example.com/v"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."},
            {"type": "tool_call", "name": "look", "arguments": {"at": "x"}}]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "look", "response": {"is": "cat"}}]}]);
    let tools = json!([{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "OBJECT"}},
        {"type": "googleSearch", "name": "googleSearch"}]);
    let candidate = |parts: Value, finish: Value| {
        json!({"candidates": [{"content": {"role": "model", "parts": parts},
        "finishReason": finish, "index": 0}]})
    };
    let code = json!({"executableCode": {"language": "PYTHON", "code": "1"}});
    let result = json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}});
    let unary = candidate(
        json!([{"text": "Hm.", "thought": true}, {"text": "Hello"}, code, result,
        {"functionCall": {"id": "f1", "name": "look", "args": {"at": "y"}}}]),
        json!("STOP"),
    );
    let pieces = [
        candidate(json!([{"text": "H", "thought": true}]), Value::Null),
        candidate(json!([{"text": "m.", "thought": true}, {"text": "Hel"}]), Value::Null),
        candidate(json!([{"text": "lo"}, code]), Value::Null),
        candidate(
            json!([result, {"functionCall": {"id": "f1", "name": "look", "args": {"at": "y"}}}]),
            json!(1),
        ),
    ];
    let events: String = pieces.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect();
    let list =
        format!("[{}]", pieces.iter().map(Value::to_string).collect::<Vec<_>>().join("\n,\r\n"));
    let answered = json!([{"role": "assistant", "finish_reason": "stop", "parts": [
        {"type": "reasoning", "content": "Hm."}, text("Hello"),
        {"type": "server_tool_call", "name": "code_execution",
            "server_tool_call": {"type": "code_execution", "language": "PYTHON", "code": "1"}},
        {"type": "server_tool_call_response",
            "server_tool_call_response": {"type": "code_execution", "outcome": "OUTCOME_OK", "output": "1"}},
        call("f1", "look", &json!({"at": "y"}))]}]);
    let want =
        json!({"system": [text("Be brief.")], "input": asked, "tools": tools, "output": answered});
    let stream = ("gemini", "/v1beta/models/gemini-x:streamGenerateContent");
    let platform =
        ("vertex", "/v1/projects/p/locations/l/publishers/google/models/gemini-x:generateContent");
    check(&[
        row("unary", at, request.clone(), whole(&unary), want.clone()),
        row("events", stream, request.clone(), (SSE, events.into_bytes()), want.clone()),
        row("a list", stream, request.clone(), (JSON, list.into_bytes()), want.clone()),
        row("on a platform", platform, request, whole(&unary), want),
        row(
            "blocked",
            at,
            json!({"contents": {"parts": {"text": "Hi"}}}),
            whole(&json!({"promptFeedback": {"blockReason": "SAFETY"}})),
            json!({"input": user("Hi"),
                "output": [{"role": "assistant", "parts": [], "finish_reason": "content_filter"}]}),
        ),
    ]);
}

#[test]
fn converse() {
    let at = ("bedrock", "/model/m/converse");
    let request = json!({"system": [{"text": "Be brief."}, {"cachePoint": {"type": "default"}}], "messages": [
        {"role": "user", "content": [{"text": "Look"}, {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
            {"document": {"format": "pdf", "name": "d", "source": {"s3Location": {"uri": "s3://b/d.pdf"}}}}]},
        {"role": "assistant", "content": [{"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "s"}}},
            {"toolUse": {"toolUseId": "t1", "name": "look", "input": {"at": "x"}}}]},
        {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"json": {"is": "cat"}}]}}]}],
        "toolConfig": {"tools": [{"toolSpec": {"name": "look", "description": "Looks.", "inputSchema": {"json": {"type": "object"}}}}]}});
    let asked = json!([
        {"role": "user", "parts": [text("Look"),
            {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"},
            {"type": "uri", "modality": "document", "mime_type": "application/pdf", "uri": "s3://b/d.pdf"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."}, call("t1", "look", &json!({"at": "x"}))]},
        {"role": "user", "parts": [{"type": "tool_call_response", "id": "t1", "response": {"is": "cat"}}]}]);
    let tools = json!([{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}]);
    let unary = json!({"output": {"message": {"role": "assistant", "content": [
        {"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Hello"},
        {"toolUse": {"toolUseId": "t2", "name": "look", "input": {"at": "y"}}}]}}, "stopReason": "tool_use"});
    let stream = events(&[
        ("messageStart", r#"{"role":"assistant"}"#),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm."}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"Hel"}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"text":"lo"}}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t2","name":"look"}}}"#,
        ),
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"at\":"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"\"y\"}"}}}"#),
        ("messageStop", r#"{"stopReason":"tool_use"}"#),
    ]);
    let answered = json!([{"role": "assistant", "finish_reason": "tool_call", "parts": [
        {"type": "reasoning", "content": "Hm."}, text("Hello"), call("t2", "look", &json!({"at": "y"}))]}]);
    let want =
        json!({"system": [text("Be brief.")], "input": asked, "tools": tools, "output": answered});
    check(&[
        row("unary", at, request.clone(), whole(&unary), want.clone()),
        row("stream", ("bedrock", "/model/m/converse-stream"), request, (FRAMES, stream), want),
    ]);
}

#[test]
fn invoked_bodies() {
    let at = ("bedrock", "/model/m/invoke");
    let stream = ("bedrock", "/model/m/invoke-with-response-stream");
    let ask = json!({"prompt": "Hi"});
    let heard = json!({"input": user("Hi"), "output": said("Hello", "stop")});
    let messages = json!({"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": "Hi"}]});
    let answers = [
        json!({"generation": "Hello", "stop_reason": "stop"}),
        json!({"outputs": [{"text": "Hello", "stop_reason": "stop"}]}),
        json!({"completions": [{"data": {"text": "Hello"}, "finishReason": {"reason": "stop"}}]}),
        json!({"generations": [{"text": "Hello", "finish_reason": "COMPLETE"}]}),
        json!({"completion": "Hello", "stop_reason": "stop_sequence"}),
        json!({"choices": [{"message": {"role": "assistant", "content": "Hello"}, "stop_reason": "stop"}]}),
        json!({"results": [{"outputText": "Hello", "completionReason": "FINISH"}]}),
    ];
    let mut rows: Vec<Row> = answers
        .iter()
        .map(|answer| row("a vendor's", at, ask.clone(), whole(answer), heard.clone()))
        .collect();
    let pieces = [r#"{"generation":"Hel"}"#, r#"{"generation":"lo","stop_reason":"stop"}"#];
    rows.push(row("chunks", stream, ask, (FRAMES, chunks(&pieces)), heard.clone()));
    rows.push(row(
        "messages",
        at,
        messages.clone(),
        whole(&json!({"type": "message", "role": "assistant", "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn"})),
        heard.clone(),
    ));
    let pieces = [
        r#"{"type":"message_start","message":{"role":"assistant","content":[]}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
    ];
    rows.push(row(
        "messages in chunks",
        stream,
        messages,
        (FRAMES, chunks(&pieces)),
        heard.clone(),
    ));
    let nova = json!({"schemaVersion": "messages-v1", "messages": [{"role": "user", "content": [{"text": "Hi"}]}]});
    let answer = json!({"output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}}, "stopReason": "end_turn"});
    rows.push(row("as in Converse", at, nova, whole(&answer), heard));
    check(&rows);
}

#[test]
fn both_generations_of_chat() {
    let second = ("cohere", "/v2/chat");
    let first = ("cohere", "/v1/chat");
    let ask = json!({"messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "look"}}]});
    let answered = json!([{"role": "assistant", "finish_reason": "tool_call", "parts": [
        {"type": "reasoning", "content": "I look."}, text("Hello"), call("t1", "look", &json!({"at": "x"}))]}]);
    let want = json!({"input": user("Hi"), "tools": [{"type": "function", "name": "look"}], "output": answered});
    let unary = json!({"id": "x", "finish_reason": "TOOL_CALL", "message": {"role": "assistant", "tool_plan": "I look.",
        "content": [{"type": "text", "text": "Hello"}],
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "look", "arguments": "{\"at\":\"x\"}"}}]}});
    let delta = |kind: &str, message: Value| json!({"type": kind, "index": 0, "delta": {"message": message}});
    let stream = named(&[
        json!({"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}}),
        delta("tool-plan-delta", json!({"tool_plan": "I "})),
        delta("tool-plan-delta", json!({"tool_plan": "look."})),
        delta("content-start", json!({"content": {"type": "text", "text": ""}})),
        delta("content-delta", json!({"content": {"text": "Hello"}})),
        delta(
            "tool-call-start",
            json!({"tool_calls": {"id": "t1", "function": {"name": "look", "arguments": ""}}}),
        ),
        delta(
            "tool-call-delta",
            json!({"tool_calls": {"function": {"arguments": "{\"at\":\"x\"}"}}}),
        ),
        json!({"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
    ]);
    let old = json!({"preamble": "Be brief.", "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}],
        "message": "Hi", "tools": [{"name": "look", "parameter_definitions": {"at": {"type": "str"}}}],
        "tool_results": [{"call": {"name": "look", "parameters": {}}, "outputs": [{"is": "cat"}]}]});
    let old_said = json!({"system": [text("Be brief.")], "input": [
        {"role": "user", "parts": [text("a")]}, {"role": "assistant", "parts": [text("b")]},
        {"role": "user", "parts": [text("Hi")]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "look", "response": [{"is": "cat"}]}]}],
        "tools": [{"type": "function", "name": "look", "parameters": {"at": {"type": "str"}}}],
        "output": [{"role": "assistant", "finish_reason": "stop", "parts": [text("Hello"),
            {"type": "tool_call", "name": "look", "arguments": {"at": "x"}}]}]});
    let answer = json!({"text": "Hello", "tool_calls": [{"name": "look", "parameters": {"at": "x"}}], "finish_reason": "COMPLETE"});
    let old_stream = lines(&[
        json!({"event_type": "stream-start", "generation_id": "g"}),
        json!({"event_type": "text-generation", "text": "Hel"}),
        json!({"event_type": "text-generation", "text": "lo"}),
        json!({"event_type": "stream-end", "response": answer}),
    ]);
    check(&[
        row("unary", second, ask.clone(), whole(&unary), want.clone()),
        row("stream", second, ask, (SSE, stream), want),
        row("first, unary", first, old.clone(), whole(&answer), old_said.clone()),
        row("first, stream", first, old, (LINES, old_stream), old_said),
        row(
            "generate",
            ("cohere", "/v1/generate"),
            json!({"prompt": "Hi"}),
            whole(&json!({"generations": [{"text": "Hello", "finish_reason": "COMPLETE"}]})),
            json!({"input": user("Hi"), "output": said("Hello", "stop")}),
        ),
    ]);
}

#[test]
fn a_server_of_ones_own() {
    let chat = ("ollama", "/api/chat");
    let ask = json!({"messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Look", "images": ["AAAA"]},
        {"role": "assistant", "content": "", "thinking": "Hm.", "tool_calls": [{"function": {"name": "look", "arguments": {"at": "x"}}}]},
        {"role": "tool", "tool_name": "look", "content": "cat"}],
        "tools": [{"type": "function", "function": {"name": "look"}}]});
    let asked = json!([
        {"role": "system", "parts": [text("Be brief.")]},
        {"role": "user", "parts": [text("Look"), {"type": "blob", "modality": "image", "content": "AAAA"}]},
        {"role": "assistant", "parts": [{"type": "reasoning", "content": "Hm."},
            {"type": "tool_call", "name": "look", "arguments": {"at": "x"}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "look", "response": "cat"}]}]);
    let unary = json!({"message": {"role": "assistant", "thinking": "Hm.", "content": "Hello",
        "tool_calls": [{"function": {"name": "look", "arguments": {"at": "y"}}}]}, "done": true, "done_reason": "stop"});
    let piece = |message: Value| json!({"message": message, "done": false});
    let stream = lines(&[
        piece(json!({"role": "assistant", "content": "", "thinking": "Hm."})),
        piece(json!({"role": "assistant", "content": "Hel"})),
        piece(json!({"role": "assistant", "content": "lo"})),
        piece(
            json!({"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "look", "arguments": {"at": "y"}}}]}),
        ),
        json!({"message": {"role": "assistant", "content": ""}, "done": true, "done_reason": "stop"}),
    ]);
    let answered = json!([{"role": "assistant", "finish_reason": "stop", "parts": [
        {"type": "reasoning", "content": "Hm."}, text("Hello"),
        {"type": "tool_call", "name": "look", "arguments": {"at": "y"}}]}]);
    let want = json!({"input": asked, "tools": [{"type": "function", "name": "look"}], "output": answered});
    check(&[
        row("unary", chat, ask.clone(), whole(&unary), want.clone()),
        row("stream", chat, ask, (LINES, stream), want),
        row(
            "generate",
            ("ollama", "/api/generate"),
            json!({"system": "Be brief.", "prompt": "Hi"}),
            whole(&json!({"response": "Hello", "done": true, "done_reason": "length"})),
            json!({"system": [text("Be brief.")], "input": user("Hi"), "output": said("Hello", "length")}),
        ),
    ]);
}
