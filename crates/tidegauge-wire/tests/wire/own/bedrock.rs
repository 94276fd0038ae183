//! Converse, invocations in vendors' bodies, exceptions.

use serde_json::json;

use super::messages::{chunks, events, message};
use super::{JSON, Row, check};

const STREAM: &[(&str, &str)] = &[("content-type", "application/vnd.amazon.eventstream")];

fn converse(name: &'static str, response: &'static [u8], want: serde_json::Value) -> Row<'static> {
    Row {
        name,
        kind: "bedrock",
        path: "/model/us.amazon.nova-lite-v1%3A0/converse-stream",
        request: r#"{"messages":[{"role":"user","content":[{"text":"x"}]}]}"#,
        status: 200,
        headers: STREAM,
        response,
        want,
    }
}

fn invoke(
    name: &'static str,
    headers: &'static [(&'static str, &'static str)],
    response: &'static [u8],
    want: serde_json::Value,
) -> Row<'static> {
    let stream = headers == STREAM;
    Row {
        name,
        kind: "bedrock",
        path: if stream {
            "/model/vendor.model-v1:0/invoke-with-response-stream"
        } else {
            "/model/vendor.model-v1:0/invoke"
        },
        request: r#"{"prompt":"x","max_gen_len":64,"temperature":0.5,"stop":["a"]}"#,
        status: 200,
        headers,
        response,
        want,
    }
}

fn leak(bytes: Vec<u8>) -> &'static [u8] {
    bytes.leak()
}

#[test]
fn converse_streams() {
    let start = ("messageStart", r#"{"role":"assistant"}"#);
    let text = ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"Hi"}}"#);
    let usage = (
        "metadata",
        r#"{"usage":{"inputTokens":10,"outputTokens":20,"totalTokens":65,"cacheReadInputTokens":5,
            "cacheWriteInputTokens":30,"cacheDetails":[{"ttl":"1h","inputTokens":12},{"ttl":"5m","inputTokens":18}]},
            "metrics":{"latencyMs":321}}"#,
    );
    let stop = ("messageStop", r#"{"stopReason":"tool_use"}"#);
    let tool = [
        start,
        (
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#,
        ),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
        ("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"1}"}}}"#),
        (
            "contentBlockStart",
            r#"{"contentBlockIndex":2,"start":{"toolUse":{"toolUseId":"t2","name":"f"}}}"#,
        ),
        ("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{\"a\":"}}}"#),
        stop,
        usage,
    ];
    let throttled = [
        events(&[start, text]),
        message(
            ":exception-type",
            "throttlingException",
            r#"{"message":"Too many tokens, slow down"}"#,
        ),
    ];
    let broke = message(":exception-type", "modelStreamErrorException", r#"{"message":"oops"}"#);
    let unmodelled = message(":error-code", "InternalFailure", r#"{"message":"oops"}"#);
    let mut damaged = events(&[start, text, stop, usage]);
    let at = damaged.len() - 20;
    damaged[at] ^= 1;
    let whole = events(&[start, text, stop, usage]);
    let no_reason = leak(events(&[start, text]));
    check(&[
        converse(
            "tools and caches",
            leak(events(&tool)),
            json!({"operation": "chat", "route": "/model/{model}/converse-stream", "stream": true,
                "model": "us.amazon.nova-lite-v1:0", "asked_stream": true, "finish": ["tool_use"], "calls": 2, "bad_calls": 1,
                "in": 45, "out": 20, "cached": 5, "written_5m": 18, "written_1h": 12, "terminated": true,
                "processing_ms": 321, "category": "tool_failure", "partial": false, "source": "provider"}),
        ),
        converse(
            "throttled in the middle",
            leak(throttled.concat()),
            json!({"category": "rate_limit", "error": "throttlingException", "output": true, "source": "missing"}),
        ),
        converse(
            "model broke",
            leak(broke),
            json!({"category": "server_error", "error": "modelStreamErrorException"}),
        ),
        converse(
            "unmodelled",
            leak(unmodelled),
            json!({"category": "server_error", "error": "InternalFailure"}),
        ),
        converse(
            "damaged",
            leak(damaged),
            json!({"partial": true, "finish": ["tool_use"], "in": null}),
        ),
        converse(
            "cut in a message",
            whole[..whole.len() - 9].to_vec().leak(),
            json!({"finish": ["tool_use"], "in": null}),
        ),
        converse(
            "cut between messages",
            no_reason,
            json!({"category": "stream_cut", "terminated": false}),
        ),
    ]);
}

#[test]
fn converse_answers() {
    let request = r#"{"messages":[{"role":"user","content":[{"text":"x"}]},
        {"role":"user","content":[{"toolResult":{"toolUseId":"a","status":"error","content":[]}}]}],
        "inferenceConfig":{"maxTokens":64,"temperature":0.5,"stopSequences":["a","b"]},
        "toolConfig":{"tools":[{"toolSpec":{}},{"toolSpec":{}}]},"requestMetadata":{"team":"sea"}}"#;
    let answer = |response: &'static [u8], want| Row {
        name: "answer",
        kind: "bedrock",
        path: "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc/converse",
        request,
        status: 200,
        headers: JSON,
        response,
        want,
    };
    check(&[
        answer(
            br#"{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm"}}},
                {"toolUse":{"toolUseId":"t","name":"f","input":{"a":1}}}]}},"stopReason":"tool_use",
                "usage":{"inputTokens":1,"outputTokens":2,"totalTokens":3}}"#,
            json!({"model": "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", "messages": 2, "tools": 2,
                "tool_errors": 1, "max_tokens": 64, "stops": ["a", "b"], "tags": {"team": "sea"}, "calls": 1,
                "bad_calls": 0, "in": 1, "out": 2, "cached": null, "category": null}),
        ),
        answer(
            br#"{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"malformed_tool_use",
                "usage":{"inputTokens":1,"outputTokens":0,"totalTokens":1}}"#,
            json!({"category": "tool_failure"}),
        ),
        answer(
            br#"{"output":{"message":{"content":[{"text":"no"}]}},"stopReason":"content_filtered"}"#,
            json!({"category": "content_filter", "source": "missing"}),
        ),
    ]);
}

#[test]
fn invocations_in_vendors_bodies() {
    const COUNTED: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("x-amzn-bedrock-input-token-count", "7"),
        ("x-amzn-bedrock-output-token-count", "3"),
        ("x-amzn-bedrock-cache-read-input-token-count", "2"),
        ("x-amzn-bedrock-invocation-latency", "55"),
    ];
    check(&[
        invoke(
            "titan",
            JSON,
            br#"{"inputTextTokenCount":5,"results":[{"tokenCount":6,"outputText":"hi","completionReason":"FINISH"}]}"#,
            json!({"finish": ["FINISH"], "in": 5, "out": 6, "max_tokens": 64, "stops": ["a"], "category": null}),
        ),
        invoke(
            "a guard that stepped in",
            JSON,
            br#"{"amazon-bedrock-guardrailAction":"INTERVENED","inputTextTokenCount":5,"results":[{"tokenCount":6,"outputText":"Sorry","completionReason":"FINISH"}]}"#,
            json!({"finish": ["FINISH"], "category": "content_filter", "error": null}),
        ),
        invoke(
            "a guard that looked on",
            JSON,
            br#"{"amazon-bedrock-guardrailAction":"NONE","type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}"#,
            json!({"finish": ["end_turn"], "category": null}),
        ),
        invoke(
            "mistral text, counted in the head",
            COUNTED,
            br#"{"outputs":[{"text":"hi","stop_reason":"length"}]}"#,
            json!({"finish": ["length"], "in": 9, "out": 3, "cached": 2, "processing_ms": 55, "category": "truncated"}),
        ),
        invoke(
            "mistral chat",
            COUNTED,
            br#"{"choices":[{"index":0,"message":{"content":"hi","tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},
                "stop_reason":"tool_calls"}]}"#,
            json!({"finish": ["tool_calls"], "calls": 1, "in": 9, "out": 3}),
        ),
        invoke(
            "ai21",
            COUNTED,
            br#"{"id":1,"prompt":{},"completions":[{"data":{"text":"hi"},"finishReason":{"reason":"endoftext"}}]}"#,
            json!({"finish": ["endoftext"], "in": 9, "out": 3, "output": true}),
        ),
        invoke(
            "cohere generation",
            COUNTED,
            br#"{"generations":[{"finish_reason":"COMPLETE","id":"g","text":"hi"}],"id":"x","prompt":"p"}"#,
            json!({"finish": ["COMPLETE"], "in": 9, "out": 3, "output": true}),
        ),
        invoke(
            "legacy completion",
            COUNTED,
            br#"{"type":"completion","completion":" hi","stop_reason":"stop_sequence","stop":"\n\nHuman:"}"#,
            json!({"finish": ["stop_sequence"], "in": 9, "out": 3, "output": true, "category": null}),
        ),
        invoke(
            "vector",
            COUNTED,
            br#"{"embedding":[0.1,0.2,0.3],"inputTextTokenCount":4}"#,
            json!({"dimensions": 3, "output": true, "in": 6}),
        ),
        invoke("pictures", JSON, br#"{"images":["aGk="],"error":null}"#, json!({"output": true, "category": null})),
    ]);
    let embed = Row {
        path: "/model/amazon.titan-embed-text-v2:0/invoke",
        ..invoke("vector", JSON, b"{}", json!({"operation": "embeddings"}))
    };
    check(&[embed]);
}

#[test]
fn invocations_in_streams() {
    let messages = [
        r#"{"type":"message_start","message":{"id":"msg_1","model":"m","usage":{"input_tokens":7,"cache_read_input_tokens":100,"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#,
        r#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":7,"outputTokenCount":8,"cacheWriteInputTokenCount":30,"invocationLatency":77,"firstByteLatency":5}}"#,
    ];
    let nova = [
        r#"{"messageStart":{"role":"assistant"}}"#,
        r#"{"contentBlockDelta":{"delta":{"text":"hi"},"contentBlockIndex":0}}"#,
        r#"{"messageStop":{"stopReason":"end_turn"}}"#,
        r#"{"metadata":{"usage":{"inputTokens":3,"outputTokens":4,"cacheReadInputTokenCount":0},"metrics":{}},"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":4}}"#,
    ];
    let mistral = [
        r#"{"outputs":[{"text":"h","stop_reason":null}]}"#,
        r#"{"outputs":[{"text":"i","stop_reason":"stop"}],"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":4}}"#,
    ];
    let chat = [
        r#"{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}"#,
        r#"{"id":"c","object":"chat.completion.chunk","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":4}}"#,
    ];
    let timeout = message(":exception-type", "modelTimeoutException", r#"{"message":"too slow"}"#);
    check(&[
        invoke(
            "messages",
            STREAM,
            leak(chunks(&messages)),
            json!({"id": "msg_1", "answered_by": "m", "finish": ["end_turn"], "in": 137, "cached": 100, "out": 8, "written_5m": 10, "written_1h": 20,
                "processing_ms": 77, "terminated": true, "asked_stream": true}),
        ),
        invoke(
            "nova",
            STREAM,
            leak(chunks(&nova)),
            json!({"finish": ["end_turn"], "in": 3, "out": 4, "output": true}),
        ),
        invoke(
            "mistral",
            STREAM,
            leak(chunks(&mistral)),
            json!({"finish": ["stop"], "in": 3, "out": 4, "terminated": true}),
        ),
        invoke(
            "chat",
            STREAM,
            leak(chunks(&chat)),
            json!({"id": "c", "finish": ["stop"], "in": 3, "out": 4}),
        ),
        invoke(
            "timeout",
            STREAM,
            leak(timeout),
            json!({"category": "timeout", "error": "modelTimeoutException"}),
        ),
        invoke(
            "not base64",
            STREAM,
            leak(events(&[("chunk", r#"{"bytes":"!!"}"#)])),
            json!({"output": false}),
        ),
    ]);
}

#[test]
fn errors() {
    let error = |status,
                 headers: &'static [(&'static str, &'static str)],
                 response: &'static str,
                 want| Row {
        name: response,
        kind: "bedrock",
        path: "/model/m/converse",
        request: "{}",
        status,
        headers,
        response: response.as_bytes(),
        want,
    };
    const DENIED: &[(&str, &str)] = &[("x-amzn-errortype", "AccessDeniedException")];
    const MODEL: &[(&str, &str)] = &[("x-amzn-errortype", "ModelErrorException:http://x/")];
    const INVALID: &[(&str, &str)] =
        &[("x-amzn-errortype", "com.amazon.coral#ValidationException")];
    check(&[
        error(
            429,
            &[("x-amzn-errortype", "ThrottlingException")],
            r#"{"message":"Too many requests"}"#,
            json!({"category": "rate_limit", "error": "ThrottlingException"}),
        ),
        error(
            429,
            &[("x-amzn-errortype", "ModelNotReadyException")],
            r#"{"message":"wait"}"#,
            json!({"category": "rate_limit"}),
        ),
        error(
            400,
            &[("x-amzn-errortype", "ServiceQuotaExceededException")],
            r#"{"message":"no"}"#,
            json!({"category": "quota"}),
        ),
        error(
            503,
            &[("x-amzn-errortype", "ServiceUnavailableException")],
            r#"{"message":"no"}"#,
            json!({"category": "overloaded"}),
        ),
        error(
            408,
            &[("x-amzn-errortype", "ModelTimeoutException")],
            r#"{"message":"no"}"#,
            json!({"category": "timeout"}),
        ),
        error(
            424,
            MODEL,
            r#"{"message":"no"}"#,
            json!({"category": "server_error", "error": "ModelErrorException"}),
        ),
        error(
            403,
            DENIED,
            r#"{"message":"You don't have access to the model with the specified model ID."}"#,
            json!({"category": "permission"}),
        ),
        error(403, JSON, r#"{"Message":"Bearer Token has expired"}"#, json!({"category": "auth"})),
        error(
            400,
            INVALID,
            r#"{"message":"Input is too long for requested model."}"#,
            json!({"category": "context_overflow", "error": "ValidationException"}),
        ),
        error(
            400,
            INVALID,
            r#"{"message":"Malformed input request"}"#,
            json!({"category": "invalid_request"}),
        ),
        error(
            404,
            JSON,
            r#"{"__type":"ResourceNotFoundException","message":"This model version has reached the end of its life."}"#,
            json!({"category": "model_not_found", "error": "ResourceNotFoundException"}),
        ),
        error(500, JSON, "", json!({"category": "server_error", "error": "500"})),
    ]);
}
