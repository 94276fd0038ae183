//! What is given out for counting and checking: declared tools, whole calls, samples of texts.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::{End, Observation, Sample, Texts};

use crate::exchange::{Case, headers};

const STREAM: &str = "text/event-stream";

/// An exchange of these bodies; of events if the answer is a list.
fn case(kind: &str, path: &str, asked: &Value, answer: &Value) -> Case {
    let (content_type, response) = match answer {
        Value::Array(events) => {
            let event = |event: &Value| {
                let name = event["type"].as_str().unwrap_or("message");
                format!("event: {name}\ndata: {event}\n\n")
            };
            (STREAM, events.iter().map(event).collect::<String>())
        }
        whole => ("application/json", whole.to_string()),
    };
    Case {
        kind: kind.to_owned(),
        method: Method::POST,
        path: path.to_owned(),
        query: None,
        request_headers: headers([("content-type", "application/json")]),
        request: asked.to_string().into_bytes(),
        status: StatusCode::OK,
        headers: headers([("content-type", content_type)]),
        response: response.into_bytes(),
    }
}

/// The same whatever the pieces are.
fn texts(case: &Case) -> (Observation, Texts) {
    let whole = case.observe_with_texts(&mut |left| left, |_| {});
    for size in [1, 7, 100] {
        let pieces = case.observe_with_texts(&mut |_| size, |_| {});
        assert!(pieces.1 == whole.1, "{} in pieces of {size}", case.path);
    }
    whole
}

fn schema() -> Value {
    json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
}

/// Every format that declares tools: what is declared, and what is called.
#[test]
fn tools_and_calls_are_given_out_by_every_format() {
    let function = json!({"name": "weather", "description": "of a city", "parameters": schema()});
    let chat = json!({"model": "m", "messages": [], "tools": [{"type": "function", "function": function}]});
    let call = json!({"id": "c", "type": "function", "index": 0, "function": {"name": "weather", "arguments": "{\"city\":\"Oslo\"}"}});
    let message = json!({"content": null, "tool_calls": [call]});
    let (start, rest) = ("{\"city\":", "\"Oslo\"}");
    let piece = |function: Value| json!({"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": function}]}}]});
    let responses = json!({"model": "m", "input": "x", "tools": [
        {"type": "function", "name": "weather", "parameters": schema()}, {"type": "web_search"}]});
    let item = json!({"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{\"city\":\"Oslo\"}"});
    let messages = json!({"model": "m", "messages": [], "tools": [{"name": "weather", "input_schema": schema()}]});
    let block =
        |input: Value| json!({"type": "tool_use", "id": "c", "name": "weather", "input": input});
    let delta = |text: &str| json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}});
    let dialect =
        json!({"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]});
    let gemini = |key: &str, schema: Value| json!({"contents": [], "tools": [{"functionDeclarations": [{"name": "weather", key: schema}]}]});
    let part = json!({"functionCall": {"name": "weather", "args": {"city": "Oslo"}}});
    let candidates =
        json!({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]});
    let converse = json!({"messages": [], "toolConfig": {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema()}}}]}});
    let tool_use =
        json!({"toolUse": {"toolUseId": "c", "name": "weather", "input": {"city": "Oslo"}}});
    let mut invoked = messages.clone();
    invoked["anthropic_version"] = json!("bedrock-2023-05-31");
    let mut both = gemini("parametersJsonSchema", schema());
    both["tools"][0]["functionDeclarations"][0]["parameters"] = json!({"type": "STRING"});
    let rows = [
        ("openai", "/v1/chat/completions", &chat, json!({"choices": [{"message": message}]})),
        (
            "openai",
            "/v1/chat/completions",
            &chat,
            json!([
                piece(json!({"name": "weather", "arguments": start})),
                piece(json!({"arguments": rest}))
            ]),
        ),
        (
            "openai",
            "/v1/chat/completions",
            &json!({"messages": [], "functions": [function]}),
            json!({"choices": [{"message": {"function_call": call["function"]}}]}),
        ),
        ("openai", "/v1/responses", &responses, json!({"output": [item]})),
        (
            "openai",
            "/v1/responses",
            &responses,
            json!([{"type": "response.output_item.done", "item": item}]),
        ),
        (
            "anthropic",
            "/v1/messages",
            &messages,
            json!({"type": "message", "content": [block(json!({"city": "Oslo"}))]}),
        ),
        (
            "anthropic",
            "/v1/messages",
            &messages,
            json!([
            {"type": "content_block_start", "index": 0, "content_block": block(json!({}))}, delta(start), delta(rest)]),
        ),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            &gemini("parameters", dialect),
            candidates.clone(),
        ),
        (
            "gemini",
            "/v1beta/models/m:generateContent",
            &gemini("parametersJsonSchema", schema()),
            json!([candidates]),
        ),
        (
            "bedrock",
            "/model/m/converse",
            &converse,
            json!({"output": {"message": {"content": [tool_use]}}}),
        ),
        (
            "azure",
            "/openai/deployments/d/chat/completions",
            &chat,
            json!({"choices": [{"message": message}]}),
        ),
        (
            "bedrock",
            "/model/m/invoke",
            &invoked,
            json!({"type": "message", "content": [block(json!({"city": "Oslo"}))]}),
        ),
        ("gemini", "/v1beta/models/m:generateContent", &both, candidates.clone()),
        ("cohere", "/v2/chat", &chat, json!({"message": message})),
        (
            "ollama",
            "/api/chat",
            &chat,
            json!({"message": {"tool_calls": [
            {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}]}, "done": true}),
        ),
    ];
    for (kind, path, asked, answer) in rows {
        let (seen, texts) = texts(&case(kind, path, asked, &answer));
        let what = format!("{kind} {path} {answer}");
        assert_eq!(seen.response.tool_calls, 1, "{what}");
        let tools: Vec<_> = texts.tools.iter().map(|tool| (&*tool.name, &*tool.schema)).collect();
        let want = schema().to_string();
        assert_eq!(tools, [("weather", &*want)], "{what}");
        let calls: Vec<_> =
            texts.calls.iter().map(|call| (&*call.name, &*call.arguments)).collect();
        assert_eq!(calls, [("weather", r#"{"city":"Oslo"}"#)], "{what}");
    }
}

/// Of a long request, a schema with long prose is whole, one that was shortened elsewhere is not.
#[test]
fn shortened_schemas_are_not_given_out() {
    let long = "x".repeat(20_000);
    let with = |city: Value| json!({"type": "object", "properties": {"city": city}});
    let declare = |schema: &Value| json!({"messages": [{"role": "user", "content": long}], "tools": [{"function": {"name": "weather", "parameters": schema}}]});
    let call = json!({"function": {"name": "weather", "arguments": ""}});
    let answer = json!({"choices": [{"message": {"tool_calls": [call]}}]});
    let schemas = |city: Value| {
        let asked = declare(&with(city));
        texts(&case("openai", "/v1/chat/completions", &asked, &answer)).1.tools
    };
    let prose = schemas(json!({"type": "string", "description": long}));
    assert_eq!(prose[0].schema, with(json!({"description": "", "type": "string"})).to_string());
    let words: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    for city in [
        json!({"enum": words}),
        json!({"const": long}),
        json!({"enum": [1, 2, 3, 4, 5, 6, 7, 8, 9]}),
    ] {
        let tools = schemas(city);
        assert_eq!((tools.len(), tools[0].schema.as_str()), (1, ""), "it could be what matters");
    }
}

fn text(sample: &Option<Sample>) -> (&str, u64) {
    sample.as_ref().map(|sample| (&*sample.text, sample.bytes)).unwrap_or_default()
}

#[test]
fn texts_are_sampled_where_usage_is_not_told() {
    let asked = json!({"model": "m", "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Who is \u{1f30a}?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]});
    let delta = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let told = json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}});
    let path = "/v1/chat/completions";
    let untold = json!([delta("It is \""), delta("me\"\n"), end]);
    let (_, seen) = texts(&case("openai", path, &asked, &untold));
    assert_eq!(text(&seen.answered), ("It is \"me\"\n", 11));
    let prompt = seen.asked.expect("asked");
    assert_eq!((&*prompt.text.text, prompt.messages), ("Be brief.\nWho is \u{1f30a}?\n", 2));
    let (_, seen) = texts(&case("openai", path, &asked, &json!([delta("It is me"), end, told])));
    assert!(seen == Texts::default(), "nothing is needed where all is told");
}

/// Where a cloud serves a maker's format, the maker's tools add what they add at the maker's.
#[test]
fn tools_add_their_frame_wherever_they_are_served() {
    let answer = json!({"type": "message", "content": [{"type": "text", "text": "x"}]});
    let tools = json!([{"name": "f", "input_schema": schema()}]);
    let asked = json!({"anthropic_version": "v", "messages": [], "tools": tools});
    let paths = [
        ("anthropic", "/v1/messages"),
        ("bedrock", "/model/m/invoke"),
        ("vertex", "/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict"),
    ];
    for (kind, path) in paths {
        let (_, texts) = texts(&case(kind, path, &asked, &answer));
        assert_eq!(texts.asked.map(|asked| asked.frame), Some(346), "{kind}");
    }
}

#[test]
fn a_cut_stream_gives_out_its_answer_alone() {
    let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}});
    let delta = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Well,"}});
    let asked = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
    let (seen, texts) = texts(&case("anthropic", "/v1/messages", &asked, &json!([start, delta])));
    assert_eq!((seen.usage.input_tokens(), seen.usage.output_tokens()), (Some(9), Some(1)));
    assert!(texts.asked.is_none());
    assert_eq!(text(&texts.answered), ("Well,", 5));
}

/// What comes in pieces and then whole is sampled once.
#[test]
fn repeated_texts_are_sampled_once() {
    let asked = json!({"model": "m", "input": "x"});
    let item = json!({"type": "message", "content": [{"type": "output_text", "text": "Hello"}]});
    let done = json!({"type": "response.completed", "response": {"output": [item], "status": "completed"}});
    let piece = |text: &str| json!({"type": "response.output_text.delta", "delta": text});
    let whole = json!({"type": "response.output_item.done", "item": item});
    for events in
        [json!([piece("Hel"), piece("lo"), whole, done]), json!([whole, done]), json!([done])]
    {
        let (_, texts) = texts(&case("openai", "/v1/responses", &asked, &events));
        assert_eq!(text(&texts.answered), ("Hello", 5), "{events}");
    }
}

/// Some hosts send a piece in the shape of a completion and of a chat at once.
#[test]
fn a_piece_in_two_shapes_is_sampled_once() {
    let asked = json!({"model": "m", "prompt": "x", "messages": []});
    let piece = |text: &str| json!({"choices": [{"index": 0, "text": text, "delta": {"role": "assistant", "content": text}}]});
    let events = json!([piece("Hel"), piece("lo")]);
    for path in ["/v1/chat/completions", "/v1/completions"] {
        let case = case("together", path, &asked, &events);
        let (_, texts) =
            case.observe_with_texts(&mut |left| left, |exchange| exchange.end = End::Cancelled);
        assert_eq!(text(&texts.answered), ("Hello", 5), "{path}");
    }
}

#[test]
fn what_has_no_tokens_of_text_or_failed_gives_out_nothing() {
    let asked = json!({"model": "m", "input": "x", "messages": [{"role": "user", "content": "x"}]});
    let error = json!({"error": {"message": "no", "type": "server_error"}});
    let rows = [
        ("openai", "/v1/moderations", json!({"results": [{}]})),
        ("openai", "/v1/audio/speech", json!({})),
        ("openai", "/v1/chat/completions", json!([error])),
        ("openai", "/v1/responses", json!({"status": "queued"})),
    ];
    for (kind, path, answer) in rows {
        let (_, texts) = texts(&case(kind, path, &asked, &answer));
        assert!(texts == Texts::default(), "{path} {answer}");
    }
    let mut refused = case("openai", "/v1/chat/completions", &asked, &error);
    refused.status = StatusCode::BAD_REQUEST;
    assert!(texts(&refused).1 == Texts::default());
}

/// Samples are bounded; the length of the whole is kept.
#[test]
fn samples_are_bounded() {
    let asked =
        json!({"model": "m", "messages": [{"role": "user", "content": "word ".repeat(100_000)}]});
    let delta = json!({"choices": [{"index": 0, "delta": {"content": "0123456789"}}]});
    let events = Value::Array(vec![delta; 2_000]);
    let case = case("openai", "/v1/chat/completions", &asked, &events);
    let (_, texts) =
        case.observe_with_texts(&mut |left| left, |exchange| exchange.end = End::Cancelled);
    let prompt = texts.asked.expect("asked").text;
    assert!(
        prompt.text.len() < 16_384 && prompt.bytes >= 500_000,
        "{} {}",
        prompt.text.len(),
        prompt.bytes
    );
    let (sample, bytes) = text(&texts.answered);
    assert_eq!((sample.len(), bytes), (4096, 20_000));
}
