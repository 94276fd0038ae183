//! What is billed apart from tokens, usage in unusual places, and answers that are none.

use serde_json::{Value, json};

use super::{JSON, Row, SSE, check};

const CHAT: &str = "/v1/chat/completions";
const RESPONSES: &str = "/v1/responses";

#[test]
fn searches() {
    let items = |more: &str| {
        format!(
            r#"{{"id":"r","status":"completed","output":[{{"type":"web_search_call","action":{{"type":"search"}}}},{{"type":"web_search_call","action":{{"type":"search"}}}},{{"type":"web_search_call","action":{{"type":"open_page"}}}},{{"type":"file_search_call"}},{{"type":"message","content":[{{"type":"output_text","text":"x"}}]}}],"usage":{{"input_tokens":100,"output_tokens":10,"total_tokens":110}}{more}}}"#
        )
    };
    let shown = items("");
    let stated = items(r#","tool_usage":{"web_search":{"num_requests":3}}"#);
    let streamed = format!(
        "data: {{\"type\":\"response.output_item.done\",\"item\":{{\"type\":\"web_search_call\",\"action\":{{\"type\":\"search\"}}}}}}\n\ndata: {{\"type\":\"response.completed\",\"response\":{shown}}}\n\n"
    );
    let grounded = |queries: &str| {
        format!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"x"}}]}},"finishReason":"STOP","groundingMetadata":{{"webSearchQueries":{queries}}}}}],"usageMetadata":{{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}}}}"#
        )
    };
    let (once, none) = (grounded(r#"["a","b","a"]"#), grounded("[]"));
    let gemini = "/v1beta/models/gemini-3-flash:generateContent";
    check(&[
        ask("items show them", "openai", RESPONSES, &shown, json!({"searches": 2, "files": 1})),
        ask("the answer states them", "openai", RESPONSES, &stated, json!({"searches": 3})),
        ask(
            "a stream counts them once",
            "openai",
            RESPONSES,
            &streamed,
            json!({"searches": 2, "files": 1}),
        ),
        ask(
            "a host states them with the usage",
            "xai",
            RESPONSES,
            r#"{"output":[{"type":"web_search_call","action":{"type":"open_page"}},{"type":"message","content":[{"text":"x"}]}],"status":"completed","usage":{"input_tokens":10,"output_tokens":5,"server_side_tool_usage_details":{"web_search_calls":1,"x_search_calls":2}}}"#,
            json!({"searches": 3}),
        ),
        ask(
            "a router states them with the usage",
            "openrouter",
            "/api/v1/chat/completions",
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"server_tool_use_details":{"web_search_requests":1}}}"#,
            json!({"searches": 1}),
        ),
        ask(
            "queries of a grounded prompt",
            "gemini",
            gemini,
            &once,
            json!({"searches": 2, "grounded": 1}),
        ),
        ask(
            "a prompt that is not grounded",
            "gemini",
            gemini,
            &none,
            json!({"searches": null, "grounded": null}),
        ),
    ]);
}

#[test]
fn pictures_of_a_tool() {
    check(&[ask(
        "they are billed to the model that made them",
        "openai",
        RESPONSES,
        r#"{"status":"completed","tools":[{"type":"image_generation","model":"gpt-image-2"}],"output":[{"type":"image_generation_call","result":"x"}],"usage":{"input_tokens":1820,"output_tokens":210,"total_tokens":2030},"tool_usage":{"image_gen":{"input_tokens":50,"input_tokens_details":{"text_tokens":50,"image_tokens":0},"output_tokens":7024,"output_tokens_details":{"image_tokens":7024}}}}"#,
        json!({"in": 1820, "out": 210, "billed": [[null, {"input": 1820, "output": 210}], ["gpt-image-2", {"input": 50, "output_image": 7024}]]}),
    )]);
}

#[test]
fn usage_in_unusual_places() {
    check(&[
        ask(
            "inside the last choice",
            "moonshot",
            CHAT,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\",\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":13,\"total_tokens\":32,\"cached_tokens\":12}}]}\n\ndata: [DONE]\n\n",
            json!({"in": 19, "out": 13, "cached": 12, "source": "provider"}),
        ),
        ask(
            "a length beside a transcript",
            "groq",
            "/openai/v1/audio/transcriptions",
            r#"{"task":"transcribe","duration":27.3,"text":"x","segments":[]}"#,
            json!({"seconds": 27.3, "source": "provider"}),
        ),
        ask(
            "zeros beside an answer are none",
            "openai",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}"#,
            json!({"in": null, "out": null, "source": "missing"}),
        ),
        ask(
            "a later 0 takes nothing away",
            "anthropic",
            "/v1/messages",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":15,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":0,\"output_tokens\":20}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            json!({"in": 15, "out": 20}),
        ),
        ask(
            "the tier of a Converse answer",
            "bedrock",
            "/model/m/converse",
            r#"{"output":{"message":{"content":[{"text":"x"}]}},"stopReason":"end_turn","serviceTier":{"type":"flex"},"usage":{"inputTokens":3,"outputTokens":2}}"#,
            json!({"tier": "flex"}),
        ),
    ]);
}

#[test]
fn apis_beside_the_usual() {
    let interaction = r#"{"id":"i","status":"completed","model":"gemini-2.5-flash","steps":[{"type":"thought"},{"type":"model_output","content":[{"type":"text","text":"x"}]}],"usage":{"total_tokens":78,"total_input_tokens":8,"total_cached_tokens":3,"total_output_tokens":11,"total_tool_use_tokens":2,"total_thought_tokens":59}}"#;
    let events = "event: step.start\ndata: {\"index\":0,\"step\":{\"id\":\"c\",\"type\":\"function_call\",\"name\":\"f\",\"arguments\":{}},\"event_type\":\"step.start\"}\n\nevent: step.delta\ndata: {\"index\":0,\"delta\":{\"arguments\":\"{\\\"a\\\":1}\",\"type\":\"arguments_delta\"},\"event_type\":\"step.delta\"}\n\nevent: interaction.completed\ndata: {\"interaction\":{\"id\":\"i\",\"status\":\"requires_action\",\"model\":\"m\",\"usage\":{\"total_input_tokens\":53,\"total_output_tokens\":15,\"total_thought_tokens\":65}},\"event_type\":\"interaction.completed\"}\n\n";
    check(&[
        ask(
            "an interaction",
            "gemini",
            "/v1beta/interactions",
            interaction,
            json!({"operation": "generate_content", "id": null, "finish": [], "in": 10, "cached": 3, "out": 70, "thought": 59, "category": null}),
        ),
        ask(
            "an interaction, streamed",
            "gemini",
            "/v1beta/interactions",
            events,
            json!({"stream": true, "calls": 1, "bad_calls": 0, "in": 53, "out": 80, "terminated": true, "category": null}),
        ),
        ask(
            "a conversation summed up",
            "openai",
            "/v1/responses/compact",
            r#"{"object":"response.compaction","output":[{"type":"compaction","encrypted_content":"x"}],"usage":{"input_tokens":139000,"output_tokens":438,"total_tokens":139438}}"#,
            json!({"operation": "chat", "route": "/v1/responses/compact", "in": 139_000, "out": 438, "category": null}),
        ),
        ask(
            "chat in OpenAI's shape",
            "anthropic",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6}}"#,
            json!({"operation": "chat", "in": 4, "out": 2}),
        ),
        ask(
            "entries of a conversation",
            "mistral",
            "/v1/conversations",
            r#"{"conversation_id":"c","outputs":[{"type":"tool.execution","name":"web_search"},{"type":"message.output","model":"m","content":[{"type":"text","text":"x"}]}],"usage":{"prompt_tokens":40,"completion_tokens":20,"total_tokens":60,"connectors":{"web_search":1}}}"#,
            json!({"operation": "chat", "id": "c", "in": 40, "out": 20, "searches": 1, "category": null}),
        ),
        ask(
            "pictures of a router",
            "openrouter",
            "/api/v1/images",
            r#"{"data":[{"b64_json":"x"}],"usage":{"prompt_tokens":1125,"completion_tokens":1120,"total_tokens":2245,"cost":0.03388125,"completion_tokens_details":{"image_tokens":1120}}}"#,
            json!({"operation": "image_generation", "in": 1125, "out": 1120, "image_out": 1120, "usd": "0.03388125"}),
        ),
        ask(
            "documents in order, in another list",
            "openai-compatible",
            "/v1/rerank",
            r#"{"data":[{"relevance_score":0.4,"index":0}],"usage":{"total_tokens":26}}"#,
            json!({"in": 26, "category": null}),
        ),
        ask(
            "calls of built-in tools for the client to run",
            "openai",
            RESPONSES,
            r#"{"status":"completed","output":[{"type":"shell_call","action":{"commands":["ls"]}},{"type":"apply_patch_call","operation":{}},{"type":"shell_call","environment":{"type":"container_auto"}}],"usage":{"input_tokens":1,"output_tokens":1}}"#,
            json!({"calls": 2}),
        ),
        ask(
            "the message wins over an empty piece of one",
            "perplexity",
            "/chat/completions",
            r#"{"choices":[{"message":{"role":"assistant","content":"x"},"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}"#,
            json!({"category": null, "output": true}),
        ),
        ask(
            "an object as content",
            "openai-compatible",
            CHAT,
            r#"{"choices":[{"message":{"content":{"a":1}},"finish_reason":"stop"}]}"#,
            json!({"category": null, "output": true}),
        ),
    ]);
}

#[test]
fn answers_that_are_none() {
    const HTML: &[(&str, &str)] = &[("content-type", "text/html")];
    const PLAIN: &[(&str, &str)] = &[("content-type", "text/plain")];
    let row = |name, path, status, headers, response| Row {
        status,
        headers,
        ..ask(
            name,
            "openai",
            path,
            response,
            json!({"category": "malformed_response", "output": false}),
        )
    };
    let chat = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#;
    check(&[
        row("a page", CHAT, 200, HTML, "<!doctype html><title>Sign in</title>"),
        row("a page where a vector was asked for", "/v1/embeddings", 200, HTML, "<!doctype html>"),
        row("a word", RESPONSES, 200, PLAIN, "OK"),
        row("a redirect to a login page", CHAT, 302, HTML, ""),
        row("a status of no protocol", CHAT, 999, JSON, ""),
        Row {
            headers: PLAIN,
            ..ask(
                "JSON by another name",
                "openai",
                CHAT,
                chat,
                json!({"category": null, "output": true}),
            )
        },
        Row {
            status: 403,
            ..ask(
                "a safety block is no wrong key",
                "xai",
                CHAT,
                r#"{"code":"The caller does not have permission","error":"Content violates usage guidelines. Team: t, API key ID: k, Model: m, Failed check: SAFETY_CHECK_TYPE_DATA_LEAKAGE"}"#,
                json!({"category": "content_filter"}),
            )
        },
        Row {
            status: 400,
            ..ask(
                "a model that is not supported",
                "openai-compatible",
                "/v1/embeddings",
                r#"{"detail":"Model voyage-9 is not supported. Supported models are x."}"#,
                json!({"category": "model_not_found"}),
            )
        },
        ask(
            "an error with a code of the host's own inside a success",
            "zai",
            "/api/paas/v4/chat/completions",
            r#"{"error":{"code":"1302","message":"High concurrency"}}"#,
            json!({"category": "rate_limit", "error": "1302"}),
        ),
        ask(
            "a status object beside no answer",
            "openai-compatible",
            CHAT,
            r#"{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            json!({"category": "quota", "error": "1008"}),
        ),
        Row {
            status: 400,
            ..ask(
                "a key in place of a code",
                "openai",
                CHAT,
                r#"{"error":{"message":"no","type":"Zm9vYmFyQmF6UXV4MTIzNDU2Nzg5MEFiQ2RFZkdoSWpLbE1uT3A","code":"sk-abcdefgh"}}"#,
                json!({"category": "invalid_request", "error": "_OTHER"}),
            )
        },
    ]);
}

#[test]
fn who_calls() {
    let ask = |name, user: &'static str, want| Row {
        request: user,
        ..ask(
            name,
            "anthropic",
            "/v1/messages",
            r#"{"type":"message","content":[{"type":"text","text":"x"}]}"#,
            want,
        )
    };
    check(&[
        ask(
            "an object of ids",
            r#"{"model":"m","metadata":{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"a\",\"session_id\":\"s\"}"}}"#,
            json!({"user": "a", "session": "s"}),
        ),
        ask(
            "ids joined by their names",
            r#"{"model":"m","metadata":{"user_id":"user_0aff_account_1-2_session_3-4"}}"#,
            json!({"user": "1-2", "session": "3-4"}),
        ),
        ask(
            "without an account the device stands for the user",
            r#"{"model":"m","metadata":{"user_id":"user_0aff_account__session_3-4"}}"#,
            json!({"user": "0aff", "session": "3-4"}),
        ),
        ask(
            "an id of the caller's own",
            r#"{"model":"m","metadata":{"user_id":"user_7"}}"#,
            json!({"user": "user_7", "session": null}),
        ),
    ]);
}

fn ask<'a>(name: &'a str, kind: &'a str, path: &'a str, response: &'a str, want: Value) -> Row<'a> {
    let stream = ["data:", "event:"].iter().any(|start| response.starts_with(start));
    Row {
        name,
        kind,
        path,
        request: r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#,
        status: 200,
        headers: if stream { SSE } else { JSON },
        response: response.as_bytes(),
        want,
    }
}
