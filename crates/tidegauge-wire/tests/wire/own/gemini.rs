//! Generation in its shapes, the arithmetic of its usage, vectors and errors.

use serde_json::{Value, json};

use super::{JSON, Row, SSE, check};

const ASK: &str = r#"{"contents":[{"role":"user","parts":[{"text":"x"}]},
    {"role":"user","parts":[{"functionResponse":{"name":"f","response":{"error":"no"}}}]}],
    "tools":[{"functionDeclarations":[{"name":"f"},{"name":"g"}]},{"googleSearch":{}}],
    "generationConfig":{"maxOutputTokens":64,"stopSequences":["a"],"responseMimeType":"application/json"},
    "labels":{"team":"sea"}}"#;

fn generate(name: &'static str, response: &'static str, want: Value) -> Row<'static> {
    Row {
        name,
        kind: "gemini",
        path: "/v1beta/models/gemini-3-pro:generateContent",
        request: ASK,
        status: 200,
        headers: JSON,
        response: response.as_bytes(),
        want,
    }
}

fn stream(
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    response: &'static str,
    want: Value,
) -> Row<'static> {
    let path = "/v1beta/models/gemini-3-pro:streamGenerateContent";
    Row { path, headers, ..generate(name, response, want) }
}

#[test]
fn answers() {
    check(&[
        generate(
            "request",
            r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}]}"#,
            json!({"operation": "generate_content", "route": "/v1beta/models/{model}:generateContent",
                "model": "gemini-3-pro", "asked_stream": false, "messages": 2, "tools": 3, "tool_errors": 1, "max_tokens": 64,
                "stops": ["a"], "output_type": "json", "tags": {"team": "sea"}, "source": "missing", "category": null}),
        ),
        generate(
            "every figure",
            r#"{"candidates":[{"content":{"parts":[{"thought":true,"text":"hm"},{"text":"hi"}]},"finishReason":"STOP","index":0},
                {"finishReason":"MAX_TOKENS","index":1}],
                "usageMetadata":{"promptTokenCount":1000,"toolUsePromptTokenCount":50,"candidatesTokenCount":70,"thoughtsTokenCount":30,
                "cachedContentTokenCount":400,"totalTokenCount":1150,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":100},{"modality":"AUDIO","tokenCount":600},{"modality":"IMAGE","tokenCount":300}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":350},{"modality":"IMAGE","tokenCount":50}],
                "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":60}],"serviceTier":"flex"},
                "modelVersion":"gemini-3-pro-001","responseId":"r"}"#,
            json!({"id": "r", "answered_by": "gemini-3-pro-001", "finish": ["STOP", "MAX_TOKENS"], "category": "truncated",
                "in": 1050, "out": 100, "cached": 400, "thought": 30, "audio_in": 250, "image_in": 250, "image_out": 60,
                "tier": "flex", "odd": false}),
        ),
        generate(
            "blocked prompt",
            r#"{"promptFeedback":{"blockReason":"PROHIBITED_CONTENT"},"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9}}"#,
            json!({"category": "content_filter", "error": null, "finish": [], "in": 9, "out": null}),
        ),
        generate(
            "blocked prompt, as a number, with nothing counted",
            r#"{"promptFeedback":{"blockReason":1},"usageMetadata":{"trafficType":1}}"#,
            json!({"category": "content_filter", "source": "missing"}),
        ),
        generate(
            "all output was thought",
            r#"{"candidates":[{"finishReason":"MAX_TOKENS"}],"usageMetadata":{"promptTokenCount":9,"thoughtsTokenCount":64,"totalTokenCount":73}}"#,
            json!({"in": 9, "out": 64, "thought": 64, "category": "truncated"}),
        ),
        generate(
            "number: filter",
            r#"{"candidates":[{"finishReason":8}]}"#,
            json!({"finish": ["8"], "category": "content_filter"}),
        ),
        generate(
            "number: limit",
            r#"{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":2}]}"#,
            json!({"finish": ["2"], "category": "truncated"}),
        ),
        generate(
            "number: tool",
            r#"{"candidates":[{"finishReason":12}]}"#,
            json!({"category": "tool_failure"}),
        ),
        generate(
            "malformed call",
            r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#,
            json!({"category": "tool_failure"}),
        ),
        generate(
            "a picture",
            r#"{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},"finishReason":"STOP"}]}"#,
            json!({"output": true, "category": null}),
        ),
        generate(
            "odd figures",
            r#"{"usageMetadata":{"promptTokenCount":-1,"candidatesTokenCount":1.5,"totalTokenCount":"4"}}"#,
            json!({"in": null, "out": null, "source": "missing"}),
        ),
        generate("not JSON", "<html>", json!({"in": null})),
    ]);
}

#[test]
fn streams() {
    const TWO: &str = "[{\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"h]{\\\"\"}]}}],\n\"usageMetadata\": {\"promptTokenCount\": 3}}\n,\r\n{\"candidates\": [{\"content\": {\"parts\": [{\"functionCall\": {\"name\": \"f\", \"args\": {\"a\": 1}}}]}, \"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 3, \"candidatesTokenCount\": 4, \"totalTokenCount\": 7}}\n]";
    let want = json!({"stream": true, "asked_stream": true, "finish": ["STOP"], "calls": 1, "in": 3, "out": 4,
        "terminated": true, "category": null, "partial": false});
    check(&[
        stream("a list", JSON, TWO, want.clone()),
        stream("a list without content type", &[], TWO, want.clone()),
        stream(
            "events",
            SSE,
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\"}]}}]}\r\n\r\ndata: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\",\"args\":{}}}]},\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":4}}\r\n\r\n",
            want,
        ),
        stream(
            "broken off",
            SSE,
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\"}]}}],\"usageMetadata\":{\"promptTokenCount\":3,\"candidatesTokenCount\":1}}\r\n\r\n",
            json!({"category": "stream_cut", "terminated": false, "out": 1, "source": "partial"}),
        ),
        stream(
            "fails in the middle",
            JSON,
            "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\"}]}}]}\n,\n{\"error\":{\"code\":503,\"message\":\"The model is overloaded.\",\"status\":\"UNAVAILABLE\"}}]",
            json!({"category": "overloaded", "error": "UNAVAILABLE", "output": true}),
        ),
        Row {
            status: 429,
            ..stream(
                "refused in a list",
                JSON,
                "[{\"error\":{\"code\":429,\"message\":\"Quota exceeded\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\",\"retryDelay\":\"1.2s\"}]}}]",
                json!({"category": "rate_limit", "error": "RESOURCE_EXHAUSTED", "retry_after": 2}),
            )
        },
        stream(
            "a call in pieces",
            JSON,
            r#"[{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","willContinue":true}}]}}]},
                {"candidates":[{"content":{"parts":[{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x"}],"willContinue":true}}]}}]},
                {"candidates":[{"content":{"parts":[{"functionCall":{}}]},"finishReason":"STOP"}]}]"#,
            json!({"calls": 1, "bad_calls": 0, "category": null}),
        ),
    ]);
}

#[test]
fn the_rest_of_the_api() {
    let ask = |path: &'static str, response: &'static str, want| Row {
        path,
        request: r#"{"requests":[{"outputDimensionality":3},{}]}"#,
        ..generate(path, response, want)
    };
    check(&[
        ask(
            "/v1beta/models/gemini-embedding-001:batchEmbedContents",
            r#"{"embeddings":[{"values":[1,2,3]},{"values":[1,2,3]}],"usageMetadata":{"promptTokenCount":8}}"#,
            json!({"operation": "embeddings", "model": "gemini-embedding-001", "messages": 2, "dimensions": 3, "in": 8, "out": null}),
        ),
        ask(
            "/v1beta/models/m:embedContent",
            r#"{"embedding":{"values":[1,2]}}"#,
            json!({"dimensions": 2, "source": "missing"}),
        ),
        ask(
            "/v1beta/models/m:countTokens",
            r#"{"totalTokens":5}"#,
            json!({"operation": "count_tokens", "counted": 5, "in": null}),
        ),
        ask(
            "/v1beta/models/imagen-4:predict",
            r#"{"predictions":[{"bytesBase64Encoded":"aGk="}]}"#,
            json!({"operation": "image_generation", "output": true, "category": null}),
        ),
        ask(
            "/v1beta/models/veo-3:predictLongRunning",
            r#"{"name":"models/veo-3/operations/x"}"#,
            json!({"operation": "video_generation", "model": "veo-3", "category": null}),
        ),
        ask(
            "/v1beta/models/m:somethingNew",
            "{}",
            json!({"operation": "other", "route": "/v1beta/models/{model}:{method}"}),
        ),
        ask(
            "/v1beta/openai/chat/completions",
            r#"{"id":"c","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}]}"#,
            json!({"operation": "chat", "id": "c", "finish": ["stop"]}),
        ),
        ask("/upload/v1beta/files", "{}", json!({"operation": "other", "route": "/{path}"})),
    ]);
}

#[test]
fn errors() {
    let error =
        |status, response: &'static str, want| Row { status, ..generate(response, response, want) };
    check(&[
        error(
            400,
            r#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
            json!({"category": "auth", "error": "API_KEY_INVALID"}),
        ),
        error(
            400,
            r#"{"error":{"code":400,"message":"Unknown name \"x\"","status":"INVALID_ARGUMENT"}}"#,
            json!({"category": "invalid_request"}),
        ),
        error(
            403,
            r#"{"error":{"code":403,"message":"Permission denied on resource project x.","status":"PERMISSION_DENIED"}}"#,
            json!({"category": "permission"}),
        ),
        error(
            401,
            r#"{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}"#,
            json!({"category": "auth"}),
        ),
        error(
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"48s"}]}}"#,
            json!({"category": "quota", "retry_after": 48}),
        ),
        error(
            429,
            r#"{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 0, model: m","status":"RESOURCE_EXHAUSTED"}}"#,
            json!({"category": "quota"}),
        ),
        error(
            429,
            r#"{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 1000, model: m","status":"RESOURCE_EXHAUSTED"}}"#,
            json!({"category": "rate_limit"}),
        ),
        error(
            429,
            r#"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"},{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}]}}"#,
            json!({"category": "quota"}),
        ),
        error(
            429,
            r#"{"error":{"code":429,"message":"Quota exceeded for metric: x, limit: 0","status":"RESOURCE_EXHAUSTED"}}"#,
            json!({"category": "quota"}),
        ),
        error(
            503,
            r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#,
            json!({"category": "overloaded"}),
        ),
        error(
            504,
            r#"{"error":{"code":504,"message":"x","status":"DEADLINE_EXCEEDED"}}"#,
            json!({"category": "timeout"}),
        ),
        error(
            500,
            r#"{"error":{"code":500,"message":"x","status":"INTERNAL"}}"#,
            json!({"category": "server_error"}),
        ),
        error(
            404,
            r#"{"error":{"code":404,"message":"Requested entity was not found.","status":"NOT_FOUND"}}"#,
            json!({"category": "not_found"}),
        ),
    ]);
}
