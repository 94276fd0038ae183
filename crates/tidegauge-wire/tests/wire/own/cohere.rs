//! Both generations of chat, vectors, ranking and errors.

use serde_json::{Value, json};

use super::{JSON, LINES, Row, SSE, check};

fn ask(
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    response: &'static str,
    want: Value,
) -> Row<'static> {
    let request = r#"{"model":"command-r","message":"x","chat_history":[{},{}],"p":0.5,"k":3,"stream":true,
        "texts":["a","b"],"documents":["a","b","c"],"tools":[{}]}"#;
    Row {
        name: response,
        kind: "cohere",
        path,
        request,
        status: 200,
        headers,
        response: response.as_bytes(),
        want,
    }
}

#[test]
fn chat() {
    const FIRST: &str = "{\"is_finished\":false,\"event_type\":\"stream-start\",\"generation_id\":\"g\"}\n{\"is_finished\":false,\"event_type\":\"tool-calls-chunk\",\"tool_call_delta\":{\"index\":0,\"parameters\":\"{\"}}\n{\"is_finished\":false,\"event_type\":\"tool-calls-generation\",\"tool_calls\":[{\"name\":\"f\",\"parameters\":{\"a\":1}}]}\n{\"is_finished\":true,\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"response\":{\"response_id\":\"r\",\"generation_id\":\"g\",\"text\":\"\",\"tool_calls\":[{\"name\":\"f\",\"parameters\":{\"a\":1}}],\"finish_reason\":\"COMPLETE\",\"meta\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":6},\"tokens\":{\"input_tokens\":50,\"output_tokens\":60}}}}\n";
    let first = json!({"operation": "chat", "route": "/v1/chat", "model": "command-r", "messages": 3, "stream": true, "id": "g",
        "calls": 1, "finish": ["COMPLETE"], "in": 50, "out": 60, "terminated": true, "category": null,
        "billed": [[null, {"input": 5, "output": 6}]]});
    check(&[
        ask("/v1/chat", LINES, FIRST, first.clone()),
        ask("/v1/chat", &[], FIRST, first),
        ask(
            "/v1/chat",
            &[],
            "{\"generation_id\":\"g\",\"text\":\"x\",\"finish_reason\":\"ERROR_TOXIC\",\"meta\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":6}}}",
            json!({"stream": false, "id": "g", "category": "content_filter", "in": 5, "out": 6, "billed": []}),
        ),
        ask(
            "/v1/chat",
            &[],
            "{\n  \"generation_id\": \"g\",\n  \"text\": \"x\"\n}\n",
            json!({"stream": false, "id": "g", "partial": false, "output": true}),
        ),
        ask(
            "/v2/chat",
            SSE,
            "event: message-start\ndata: {\"type\":\"message-start\",\"id\":\"m\",\"delta\":{\"message\":{\"role\":\"assistant\"}}}\n\nevent: tool-call-start\ndata: {\"type\":\"tool-call-start\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"\"}}}}}\n\nevent: tool-call-delta\ndata: {\"type\":\"tool-call-delta\",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":{\"function\":{\"arguments\":\"{\\\"a\\\":\"}}}}}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"MAX_TOKENS\",\"usage\":{\"tokens\":{\"input_tokens\":50,\"output_tokens\":60},\"cached_tokens\":40}}}\n\ndata: [DONE]\n\n",
            json!({"id": "m", "calls": 1, "bad_calls": 1, "finish": ["MAX_TOKENS"], "in": 50, "out": 60, "cached": 40, "category": "truncated", "billed": []}),
        ),
        ask(
            "/v2/chat",
            JSON,
            r#"{"id":"m","message":{"role":"assistant","content":[{"type":"text","text":"x"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":15,"search_units":1},"tokens":{"input_tokens":92,"output_tokens":17}}}"#,
            json!({"in": 92, "out": 17, "searches": 1, "billed": [[null, {"input": 15, "output": 17}]]}),
        ),
        ask(
            "/v2/chat",
            JSON,
            r#"{"id":"m","message":{"role":"assistant","content":[{"type":"text","text":"x"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":0,"output_tokens":1.5},"tokens":{"input_tokens":92,"output_tokens":17}}}"#,
            json!({"in": 92, "out": 17, "odd": true, "billed": [[null, {"input": 0, "output": 17}]]}),
        ),
        ask(
            "/v2/chat",
            SSE,
            "data: {\"type\":\"message-start\",\"id\":\"m\"}\n\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"the model is overloaded\"}}\n\n",
            json!({"finish": ["ERROR"], "category": "overloaded"}),
        ),
        ask(
            "/v2/chat",
            SSE,
            "data: {\"type\":\"message-start\",\"id\":\"m\"}\n\n",
            json!({"category": "stream_cut", "terminated": false}),
        ),
        ask(
            "/compatibility/v1/chat/completions",
            JSON,
            r#"{"id":"c","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}"#,
            json!({"operation": "chat", "id": "c"}),
        ),
    ]);
}

#[test]
fn the_rest_of_the_api() {
    check(&[
        ask(
            "/v2/embed",
            JSON,
            r#"{"id":"e","embeddings":{"int8":[[1,2,3]]},"meta":{"billed_units":{"input_tokens":7}}}"#,
            json!({"operation": "embeddings", "id": "e", "messages": 2, "dimensions": 3, "in": 7, "out": null}),
        ),
        ask(
            "/v2/embed",
            JSON,
            r#"{"id":"e","embeddings":{"float":[[1,2]]},"meta":{"billed_units":{"input_tokens":3,"image_tokens":1200,"images":1}}}"#,
            json!({"in": 1203, "image_in": 1200, "billed": [], "source": "provider"}),
        ),
        ask(
            "/v1/embed",
            JSON,
            r#"{"id":"e","embeddings":[[1,2]],"meta":{"billed_units":{"images":1}}}"#,
            json!({"dimensions": 2, "source": "missing", "category": null}),
        ),
        ask(
            "/v2/rerank",
            JSON,
            r#"{"id":"r","results":[{"index":0,"relevance_score":0.5}],"meta":{"billed_units":{"search_units":2}}}"#,
            json!({"operation": "rerank", "id": "r", "messages": 3, "searches": 2, "category": null}),
        ),
        ask(
            "/v1/tokenize",
            JSON,
            r#"{"tokens":[1,2,3,4,5,6,7,8,9,10],"token_strings":[]}"#,
            json!({"operation": "count_tokens", "counted": 10}),
        ),
        ask("/v1/models", JSON, "{}", json!({"operation": "other"})),
    ]);
}

#[test]
fn errors() {
    let error = |status, response, want| Row { status, ..ask("/v2/chat", JSON, response, want) };
    check(&[
        error(
            404,
            r#"{"id":"x","message":"model 'command-r' was removed on September 15, 2025."}"#,
            json!({"category": "model_not_found"}),
        ),
        error(401, r#"{"id":"x","message":"invalid api token"}"#, json!({"category": "auth"})),
        error(
            429,
            r#"{"id":"x","message":"You are using a Trial key, which is limited to 20 API calls / minute."}"#,
            json!({"category": "rate_limit"}),
        ),
        error(
            400,
            r#"{"id":"x","message":"invalid request: message must be at least 1 token long"}"#,
            json!({"category": "invalid_request"}),
        ),
        // A word that is not allowed, asked or answered.
        error(
            498,
            r#"{"id":"x","message":"blocked input"}"#,
            json!({"category": "content_filter", "error": "498"}),
        ),
        error(498, "", json!({"category": "content_filter", "error": "498"})),
        error(503, r#"{"id":"x","message":"try again"}"#, json!({"category": "overloaded"})),
    ]);
}
