//! The cloud platform's paths, and other vendors behind them.

use serde_json::json;

use super::{JSON, Row, SSE, check};

/// What the platform says of its traffic, in words or in numbers, is the tier that served the call.
#[test]
fn traffic() {
    let path =
        "/v1/projects/p/locations/l/publishers/google/models/gemini-2.5-flash:generateContent";
    for (told, tier) in [
        (r#""ON_DEMAND""#, json!("standard")),
        ("1", json!("standard")),
        (r#""PROVISIONED_THROUGHPUT""#, json!("provisioned_throughput")),
        ("2", json!("provisioned_throughput")),
        (r#""ON_DEMAND_PRIORITY""#, json!("priority")),
        (r#""ON_DEMAND_FLEX""#, json!("flex")),
        (r#""TRAFFIC_TYPE_UNSPECIFIED""#, json!(null)),
        ("0", json!(null)),
        ("99999999999999999999", json!(null)),
    ] {
        let response = format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":4,"trafficType":{told}}}}}"#
        );
        check(&[Row {
            name: told,
            kind: "vertex",
            path,
            request: r#"{"contents":[]}"#,
            status: 200,
            headers: JSON,
            response: response.as_bytes(),
            want: json!({"tier": tier, "in": 3, "out": 4}),
        }]);
    }
}

#[test]
fn publishers() {
    let ask = |path: &'static str, headers, response: &'static str, want| Row {
        name: path,
        kind: "vertex",
        path,
        request: r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
        status: 200,
        headers,
        response: response.as_bytes(),
        want,
    };
    check(&[
        ask(
            "/v1/projects/p/locations/us-east5/publishers/anthropic/models/claude-x@2025:streamRawPredict",
            SSE,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_vrtx_1\",\"model\":\"claude-x\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            json!({"operation": "chat", "model": "claude-x@2025", "asked_stream": true, "answered_by": "claude-x",
                "route": "/v1/projects/{project}/locations/{location}/publishers/{publisher}/models/{model}:streamRawPredict",
                "max_tokens": 9, "in": 3, "out": 5, "finish": ["end_turn"], "terminated": true}),
        ),
        ask(
            "/v1/projects/p/locations/l/publishers/anthropic/models/count-tokens:rawPredict",
            JSON,
            r#"{"input_tokens":14}"#,
            json!({"operation": "count_tokens", "counted": 14}),
        ),
        ask(
            "/v1/projects/p/locations/l/publishers/mistralai/models/mistral-large:rawPredict",
            JSON,
            r#"{"id":"c","model":"mistral-large","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
            json!({"operation": "chat", "id": "c", "finish": ["stop"], "in": 3, "out": 4}),
        ),
        ask(
            "/v1beta1/projects/p/locations/l/endpoints/openapi/chat/completions",
            JSON,
            r#"{"id":"c","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}"#,
            json!({"operation": "chat", "id": "c"}),
        ),
        ask(
            "/v1/projects/p/locations/l/endpoints/123:generateContent",
            JSON,
            r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":10}]}"#,
            json!({"operation": "generate_content", "model": "123", "category": "content_filter"}),
        ),
        ask(
            "/v1/projects/p/locations/l/publishers/google/models/text-embedding-005:predict",
            JSON,
            r#"{"predictions":[{"embeddings":{"values":[1,2],"statistics":{"token_count":4}}},{"embeddings":{"values":[1,2],"statistics":{"token_count":5.0}}}]}"#,
            json!({"operation": "embeddings", "dimensions": 2, "in": 9, "source": "provider"}),
        ),
    ]);
}
