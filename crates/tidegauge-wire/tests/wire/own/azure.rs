//! Deployments, filters and the older versions of the API.

use http::Method;
use serde_json::json;
use tidegauge_core::{Head, Operation};

use super::{JSON, Row, SSE, check};
use crate::exchange::headers;

const CHAT: &str = "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21";

fn ask(
    path: &'static str,
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    response: &'static str,
    want: serde_json::Value,
) -> Row<'static> {
    let request = r#"{"messages":[{"role":"user","content":"x"}]}"#;
    Row {
        name: response,
        kind: "azure",
        path,
        request,
        status,
        headers,
        response: response.as_bytes(),
        want,
    }
}

#[test]
fn deployments() {
    check(&[
        ask(
            CHAT,
            200,
            SSE,
            "data: {\"id\":\"\",\"model\":\"\",\"object\":\"\",\"created\":0,\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{\"hate\":{\"filtered\":false}}}]}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-2024\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":null,\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"}}}]}\n\ndata: {\"id\":\"chatcmpl-1\",\"model\":\"gpt-4o-2024\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            json!({"operation": "chat", "route": "/openai/deployments/{deployment}/chat/completions", "model": "my gpt",
                "id": "chatcmpl-1", "answered_by": "gpt-4o-2024", "finish": ["stop"], "category": null, "source": "missing"}),
        ),
        ask(
            CHAT,
            200,
            JSON,
            r#"{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"content_filter","content_filter_results":{"violence":{"filtered":true,"severity":"high"}}}],"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}"#,
            json!({"category": "content_filter", "error": null, "in": 3}),
        ),
        ask(
            "/openai/deployments/ada/embeddings?api-version=2023-05-15",
            200,
            JSON,
            r#"{"object":"list","data":[{"embedding":[1,2],"index":0}],"model":"text-embedding-ada-002","usage":{"prompt_tokens":3,"total_tokens":3}}"#,
            json!({"operation": "embeddings", "model": "ada", "answered_by": "text-embedding-ada-002", "in": 3}),
        ),
        ask(
            "/anthropic/v1/messages",
            200,
            JSON,
            r#"{"id":"msg_1","type":"message","model":"claude","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_read_input_tokens":5,"output_tokens":4}}"#,
            json!({"operation": "chat", "id": "msg_1", "in": 8, "out": 4, "finish": ["end_turn"]}),
        ),
    ]);
}

#[test]
fn errors() {
    check(&[
        ask(
            CHAT,
            400,
            JSON,
            r#"{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#,
            json!({"category": "content_filter", "error": "content_filter"}),
        ),
        ask(
            CHAT,
            401,
            JSON,
            r#"{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint."}}"#,
            json!({"category": "auth", "error": "401"}),
        ),
        ask(
            CHAT,
            429,
            &[("retry-after", "7")],
            r#"{"error":{"code":"429","message":"Requests to the ChatCompletions_Create Operation have exceeded call rate limit."}}"#,
            json!({"category": "rate_limit", "retry_after": 7}),
        ),
        ask(
            CHAT,
            404,
            JSON,
            r#"{"error":{"code":"404","message":"Resource not found"}}"#,
            json!({"category": "not_found"}),
        ),
        ask(
            CHAT,
            404,
            JSON,
            r#"{"error":{"code":"unknown_model","message":"Unknown model: gpt-9"}}"#,
            json!({"category": "model_not_found"}),
        ),
        ask(
            CHAT,
            400,
            JSON,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            json!({"category": "context_overflow"}),
        ),
    ]);
}

#[test]
fn usage_is_asked_for_where_the_version_knows_how() {
    let azure = tidegauge_wire::provider("azure").expect("a provider");
    let fields = headers(JSON.iter().copied());
    for (query, want) in [
        (Some("api-version=2023-07-01-preview"), false),
        (Some("x=1&api-version=2024-06-01"), false),
        (Some("api-version=2024-09-01-preview"), true),
        (Some("api-version=2025-01-01"), true),
        (Some("api-version=preview"), true),
        (None, true),
    ] {
        let path = "/openai/deployments/d/chat/completions";
        let head = Head { method: &Method::POST, path, query, headers: &fields };
        assert_eq!(azure.may_splice(Operation::Chat, head), want, "{query:?}");
    }
}
