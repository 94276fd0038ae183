//! Its own API, with and without a content type, and the compatible ones.

use serde_json::{Value, json};

use super::{JSON, LINES, Row, check};

fn ask(
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    response: &'static str,
    want: Value,
) -> Row<'static> {
    let request = r#"{"model":"qwen3","messages":[{"role":"user","content":"x"}],"options":{"num_predict":9,"stop":["a"]},"format":"json"}"#;
    Row {
        name: response,
        kind: "ollama",
        path,
        request,
        status: 200,
        headers,
        response: response.as_bytes(),
        want,
    }
}

const TALK: &str = "{\"model\":\"qwen3:4b\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}\n{\"model\":\"qwen3:4b\",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{}}}]},\"done\":false}\n{\"model\":\"qwen3:4b\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"total_duration\":2000000,\"prompt_eval_count\":5,\"eval_count\":6}";

#[test]
fn own_api() {
    let talk = json!({"operation": "chat", "route": "/api/chat", "stream": true, "asked_stream": true, "model": "qwen3",
        "answered_by": "qwen3:4b", "max_tokens": 9, "stops": ["a"], "output_type": "json", "calls": 1, "finish": ["stop"],
        "in": 5, "out": 6, "processing_ms": 2, "terminated": true, "category": null, "partial": false});
    check(&[
        ask("/api/chat", LINES, TALK, talk.clone()),
        ask("/api/chat", &[], TALK, talk),
        ask(
            "/api/generate",
            JSON,
            r#"{"model":"m","response":"x","done":true,"done_reason":"length","eval_count":6}"#,
            json!({"operation": "text_completion", "stream": false, "in": null, "out": 6, "category": "truncated"}),
        ),
        ask(
            "/api/generate",
            JSON,
            r#"{"model":"m","response":"","done":true,"done_reason":"load"}"#,
            json!({"finish": ["load"], "category": null}),
        ),
        ask(
            "/api/embed",
            JSON,
            r#"{"model":"m","embeddings":[[1,2],[1,2]],"prompt_eval_count":4}"#,
            json!({"operation": "embeddings", "dimensions": 2, "in": 4, "out": null, "category": null}),
        ),
        ask(
            "/api/embeddings",
            JSON,
            r#"{"embedding":[1,2,3]}"#,
            json!({"dimensions": 3, "source": "missing"}),
        ),
        ask(
            "/api/chat",
            LINES,
            "{\"model\":\"m\",\"message\":{\"content\":\"x\"},\"done\":false}\n{\"error\":\"an error was encountered while running the model: CUDA\"}\n",
            json!({"category": "server_error", "output": true}),
        ),
        ask(
            "/api/chat",
            LINES,
            "{\"model\":\"m\",\"message\":{\"content\":\"x\"},\"done\":false}\n",
            json!({"category": "stream_cut"}),
        ),
    ]);
}

#[test]
fn compatible_apis() {
    check(&[
        ask(
            "/v1/chat/completions",
            JSON,
            r#"{"id":"c","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}"#,
            json!({"operation": "chat", "id": "c"}),
        ),
        ask(
            "/v1/messages",
            JSON,
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}}"#,
            json!({"operation": "chat", "id": "msg_1", "in": 3}),
        ),
    ]);
}

#[test]
fn errors() {
    let error = |status, response, want| Row { status, ..ask("/api/chat", JSON, response, want) };
    check(&[
        error(
            404,
            r#"{"error":"model \"x\" not found, try pulling it first"}"#,
            json!({"category": "model_not_found"}),
        ),
        error(
            400,
            r#"{"error":"prompt too long; exceeded max context length by 5 tokens"}"#,
            json!({"category": "context_overflow"}),
        ),
        error(
            400,
            r#"{"error":"registry.ollama.ai/library/x does not support tools"}"#,
            json!({"category": "invalid_request"}),
        ),
        error(
            500,
            r#"{"error":"model requires more system memory"}"#,
            json!({"category": "server_error"}),
        ),
        error(401, r#"{"error":"unauthorized"}"#, json!({"category": "auth"})),
    ]);
}

/// White space of any kind may stand around and inside a value.
#[test]
fn carriage_returns_end_no_line() {
    let lines = "\r{\"model\":\"q\",\"response\":\r\"x\"}\r\n \r\r\n{\"done\":true,\r\"done_reason\":\"stop\",\"eval_count\":2}\r";
    check(&[Row {
        name: "carriage returns",
        kind: "ollama",
        path: "/api/generate",
        request: r#"{"model":"q","prompt":"x"}"#,
        status: 200,
        headers: LINES,
        response: lines.as_bytes(),
        want: json!({"stream": true, "answered_by": "q", "out": 2, "finish": ["stop"],
            "partial": false, "terminated": true}),
    }]);
}
