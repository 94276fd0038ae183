//! Where a body can be read in two ways: the reading that was chosen. The reasons stand in
//! `docs/judgement-calls.md`, under the same names.

use serde_json::{Value, json};

use super::{JSON, LINES, Row, SSE, check};

fn ask(
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    response: &'static str,
    want: Value,
) -> Row<'static> {
    let headers = match response.as_bytes() {
        [b'e' | b'd', ..] => SSE,
        _ if response.contains("event_type") => LINES,
        _ => JSON,
    };
    let request = r#"{"model":"m","message":"x","prompt":"x"}"#;
    Row { name, kind, path, request, status: 200, headers, response: response.as_bytes(), want }
}

/// Every call of the page has a case here, and every case a call.
#[test]
fn calls() {
    let rows = rows();
    check(&rows);
    let page = std::fs::read_to_string(
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/judgement-calls.md"),
    )
    .expect("the page");
    let told: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    for row in &rows {
        assert!(told.contains(&row.name), "the page does not tell of {:?}", row.name);
    }
    for name in told {
        assert!(rows.iter().any(|row| row.name == name), "no case for {name:?}");
    }
}

fn rows() -> Vec<Row<'static>> {
    vec![
        ask(
            "A tool call that was given up",
            "cohere",
            "/v2/chat",
            "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"c\"}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"usage\":{},\"error\":\"invalid tool generation\",\"error_type\":\"INVALID_TOOL_GENERATION\"}}\n\ndata: [DONE]\n\n",
            json!({"finish": ["ERROR"], "category": "empty", "error": "INVALID_TOOL_GENERATION"}),
        ),
        ask(
            "Reasoning inside the output",
            "cohere",
            "/v2/chat",
            r#"{"id":"c","finish_reason":"COMPLETE","message":{"content":[{"type":"text","text":"x"}]},"usage":{"tokens":{"input_tokens":5,"output_tokens":90,"reasoning_tokens":80}}}"#,
            json!({"in": 5, "out": 90, "thought": null}),
        ),
        ask(
            "Tokens seen and tokens billed",
            "cohere",
            "/v2/chat",
            r#"{"id":"c","finish_reason":"COMPLETE","message":{"content":[{"type":"text","text":"x"}]},"usage":{"billed_units":{"input_tokens":2,"output_tokens":9},"tokens":{"input_tokens":500,"output_tokens":90}}}"#,
            json!({"in": 500, "out": 90, "billed": [[null, {"input": 2, "output": 9}]]}),
        ),
        ask(
            "Steps that the totals leave out",
            "anthropic",
            "/v1/messages",
            r#"{"id":"m","type":"message","model":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":5,"output_tokens":3,"iterations":[{"type":"compaction","input_tokens":90,"output_tokens":4},{"type":"message","input_tokens":5,"output_tokens":3}]}}"#,
            json!({"in": 5, "out": 3,
                "billed": [[null, {"input": 90, "output": 4}], [null, {"input": 5, "output": 3}]]}),
        ),
        ask(
            "Why a retired completion ended",
            "cohere",
            "/v1/generate",
            r#"{"id":"g","generations":[{"id":"h","text":"x","finish_reason":"COMPLETE"}],"meta":{"billed_units":{"input_tokens":2,"output_tokens":3}}}"#,
            json!({"finish": [], "in": 2, "out": 3}),
        ),
        ask(
            "Why a legacy completion ended",
            "anthropic",
            "/v1/complete",
            r#"{"type":"completion","id":"compl_1","completion":"x","stop_reason":"stop_sequence","model":"m"}"#,
            json!({"finish": [], "id": null, "answered_by": null, "operation": "text_completion"}),
        ),
        ask(
            "A ranking in a vendor's own body",
            "bedrock",
            "/model/cohere.rerank-v3-5:0/invoke",
            r#"{"results":[{"index":0,"relevance_score":0.9}]}"#,
            json!({"operation": "chat", "category": null}),
        ),
        ask(
            "A vector in a vendor's own body",
            "bedrock",
            "/model/amazon.titan-embed-text-v2:0/invoke",
            r#"{"embedding":[0.1,0.2],"inputTextTokenCount":3}"#,
            json!({"operation": "embeddings", "in": 3, "dimensions": 2}),
        ),
        ask(
            "A filled gap",
            "mistral",
            "/v1/fim/completions",
            r#"{"id":"f","choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#,
            json!({"operation": "text_completion", "finish": ["stop"]}),
        ),
        ask(
            "A total that says more",
            "gemini",
            "/v1beta/openai/chat/completions",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":112}}"#,
            json!({"in": 5, "out": 7, "thought": null}),
        ),
        ask(
            "A tool of the provider's own that failed",
            "anthropic",
            "/v1/messages",
            r#"{"type":"message","content":[{"type":"web_fetch_tool_result","content":{"type":"web_fetch_tool_result_error","error_code":"url_not_accessible"}},{"type":"text","text":"x"}],"stop_reason":"end_turn"}"#,
            json!({"category": "tool_failure", "error": null, "finish": ["end_turn"]}),
        ),
        ask(
            "An end that is an error",
            "mistral",
            "/v1/chat/completions",
            r#"{"choices":[{"message":{"content":""},"finish_reason":"error"}]}"#,
            json!({"finish": ["error"], "category": "server_error"}),
        ),
        ask(
            "A quota of a day among others",
            "gemini",
            "/v1beta/models/m:generateContent",
            r#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"x","details":[{"violations":[{"quotaId":"RequestsPerMinute"},{"quotaId":"RequestsPerDay"}]}]}}"#,
            json!({"category": "quota"}),
        ),
        ask(
            "Thinking beside the answer",
            "perplexity",
            "/chat/completions",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":7,"total_tokens":10,"reasoning_tokens":700}}"#,
            json!({"out": 7, "thought": 700, "odd": true}),
        ),
        ask(
            "A bare total beside a bill",
            "openrouter",
            "/api/v1/rerank",
            r#"{"results":[{"index":0,"relevance_score":0.8}],"usage":{"total_tokens":17,"cost":3.4e-7}}"#,
            json!({"in": null, "usd": "3.4e-7"}),
        ),
        ask(
            "A forecast of the prompt",
            "gemini",
            "/v1beta/openai/chat/completions",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"usage\":{\"completion_tokens\":0,\"prompt_tokens\":4,\"total_tokens\":4}}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"completion_tokens\":11,\"prompt_tokens\":3,\"total_tokens\":14}}\n\ndata: [DONE]\n\n",
            json!({"in": 3, "out": 11}),
        ),
        ask(
            "Searches that are listed as calls",
            "xai",
            "/v1/responses",
            r#"{"status":"completed","output":[{"type":"custom_tool_call","name":"x_keyword_search","input":"{}"},{"type":"message","content":[{"text":"x"}]}],"usage":{"input_tokens":5,"output_tokens":2,"server_side_tool_usage_details":{"x_search_calls":1}}}"#,
            json!({"calls": 1, "searches": 1}),
        ),
        ask(
            "A stream without its end",
            "openai",
            "/v1/chat/completions",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
            json!({"category": "stream_cut", "terminated": false}),
        ),
    ]
}
