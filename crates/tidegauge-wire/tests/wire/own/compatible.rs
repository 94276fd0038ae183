//! What hosts of OpenAI's format do otherwise than it.

use serde_json::{Value, json};

use super::{JSON, Row, SSE, check};

fn ask(
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    response: &'static str,
    want: Value,
) -> Row<'static> {
    let stream = response.starts_with("data:") || response.starts_with(':');
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

const CHAT: &str = "/v1/chat/completions";

/// The prompt in the response head, and what of it was cached.
#[test]
fn usage_in_the_head() {
    const HEAD: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("fireworks-prompt-tokens", "8000"),
        ("fireworks-cached-prompt-tokens", "7500"),
    ];
    const STREAM: &[(&str, &str)] = &[
        ("content-type", "text/event-stream"),
        ("fireworks-prompt-tokens", "8000"),
        ("fireworks-cached-prompt-tokens", "7500"),
    ];
    const ODD: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("fireworks-prompt-tokens", "many"),
        ("fireworks-cached-prompt-tokens", "7500"),
    ];
    let row = |name, headers, status, response, want| Row {
        headers,
        status,
        ..ask(name, "fireworks", "/inference/v1/chat/completions", response, want)
    };
    let plain = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8000,"completion_tokens":10,"total_tokens":8010}}"#;
    let told = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":8000,"completion_tokens":10,"total_tokens":8010,"prompt_tokens_details":{"cached_tokens":0}}}"#;
    check(&[
        row(
            "the body does not tell what was cached",
            HEAD,
            200,
            plain,
            json!({"in": 8000, "cached": 7500, "out": 10}),
        ),
        row("the body tells it too", HEAD, 200, told, json!({"in": 8000, "cached": 0, "out": 10})),
        row(
            "a stream tells no usage",
            STREAM,
            200,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            json!({"in": 8000, "cached": 7500, "out": null, "source": "provider"}),
        ),
        row(
            "each chunk reports usage, the highest figure counts",
            STREAM,
            200,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":8000,\"completion_tokens\":1}}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":8000,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":7400}}}\n\ndata: [DONE]\n\n",
            json!({"in": 8000, "cached": 7500, "out": 2, "source": "provider"}),
        ),
        row("no number", ODD, 200, plain, json!({"in": 8000, "cached": null, "odd": false})),
        row(
            "what was refused used nothing",
            HEAD,
            429,
            r#"{"error":{"message":"slow down","type":"rate_limit"}}"#,
            json!({"in": null, "source": "missing", "category": "rate_limit"}),
        ),
    ]);
}

/// How long a server of one's own read and wrote.
#[test]
fn timings() {
    let timed = |name, response, millis| {
        ask(name, "llamacpp", CHAT, response, json!({"processing_ms": millis, "out": 16}))
    };
    check(&[
        timed(
            "whole",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":2854,"completion_tokens":16},"timings":{"cache_n":2825,"prompt_ms":34.449,"predicted_ms":108.078}}"#,
            Some(142),
        ),
        timed(
            "the last of a stream",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"timings\":{\"prompt_ms\":30,\"predicted_ms\":1.5}}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":16},\"timings\":{\"prompt_ms\":30,\"predicted_ms\":20}}\n\ndata: [DONE]\n\n",
            Some(50),
        ),
        timed(
            "nonsense",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":16},"timings":{"prompt_ms":-1e300,"predicted_ms":"20"}}"#,
            None,
        ),
    ]);
}

#[test]
fn usage() {
    check(&[
        ask(
            "one host states reasoning beside the output, and its total shows it",
            "xai",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":35,"completion_tokens_details":{"reasoning_tokens":20},"cost_in_usd_ticks":37756000}}"#,
            json!({"in": 10, "out": 25, "thought": 20, "odd": false, "usd": "0.0037756000"}),
        ),
        ask(
            "so many dollars",
            "xai",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":1,"cost_in_usd_ticks":120000000001}}"#,
            json!({"usd": "12.0000000001"}),
        ),
        ask(
            "more reasoning than output is all of it, counted by another tokenizer",
            "vercel",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"completion_tokens_details":{"reasoning_tokens":9},"cost":0.01}}"#,
            json!({"in": 10, "out": 5, "thought": 5, "odd": false, "usd": "0.01"}),
        ),
        ask(
            "cached tokens may be pictures",
            "openai",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110,"prompt_tokens_details":{"cached_tokens":90,"image_tokens":80}}}"#,
            json!({"in": 100, "image_in": 10, "cached": 90, "odd": false}),
        ),
        ask(
            "a later report with less in it takes nothing away",
            "openai",
            CHAT,
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":5,\"total_tokens\":105,\"prompt_tokens_details\":{\"cached_tokens\":80}}}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":5,\"total_tokens\":105}}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0,\"total_tokens\":0}}\n\ndata: [DONE]\n\n",
            json!({"in": 100, "cached": 80, "out": 5, "odd": false}),
        ),
        ask(
            "audio may be stated beside the prompt",
            "mistral",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":5,"prompt_tokens_details":{"audio_tokens":375,"cached_tokens":0},"completion_tokens":20,"total_tokens":400}}"#,
            json!({"in": 380, "audio_in": 375, "out": 20, "odd": false}),
        ),
        ask(
            "a total alone is the input",
            "openai-compatible",
            "/v1/embeddings",
            r#"{"data":[{"embedding":[1.0]}],"usage":{"total_tokens":8}}"#,
            json!({"in": 8, "source": "provider"}),
        ),
        ask(
            "on a caller's own key the bill is the fee and what the provider takes",
            "openrouter",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"cost":0.0001,"is_byok":true,"cost_details":{"upstream_inference_cost":0.002}}}"#,
            json!({"usd": "0.002100000000"}),
        ),
        ask(
            "no ticks are no bill",
            "azure",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":10,"completion_tokens":5,"cost_in_usd_ticks":0}}"#,
            json!({"usd": null}),
        ),
        ask(
            "a gateway states the reasoning of one maker's models beside the output",
            "vercel",
            CHAT,
            r#"{"model":"google/gemini-2.5-flash","choices":[{"message":{"content":"x"}}],"usage":{"prompt_tokens":9,"completion_tokens":35,"total_tokens":44,"completion_tokens_details":{"reasoning_tokens":267},"cost":0.003642}}"#,
            json!({"in": 9, "out": 302, "thought": 267, "odd": false}),
        ),
        ask(
            "thinking while searching stands beside the rest",
            "perplexity",
            "/chat/completions",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":33,"completion_tokens":71,"total_tokens":104,"citation_tokens":200,"num_search_queries":18,"reasoning_tokens":739,"cost":{"total_cost":0.82}}}"#,
            json!({"in": 33, "out": 71, "thought": 739, "searches": 18, "usd": "0.82"}),
        ),
        ask(
            "cached at the top of the usage",
            "together",
            CHAT,
            r#"{"choices":[{"text":"","message":{"content":"x"},"finish_reason":"eos"}],"usage":{"prompt_tokens":30,"completion_tokens":2,"total_tokens":32,"cached_tokens":16}}"#,
            json!({"in": 30, "out": 2, "cached": 16, "finish": ["eos"], "category": null}),
        ),
        ask(
            "hits and misses of a cache",
            "deepseek",
            "/chat/completions",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":30,"completion_tokens":2,"total_tokens":32,"prompt_cache_hit_tokens":20,"prompt_cache_miss_tokens":10}}"#,
            json!({"in": 30, "cached": 20, "out": 2}),
        ),
        ask(
            "audio that the prompt does not count",
            "mistral",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":385,"prompt_audio_seconds":15}}"#,
            json!({"in": 7, "out": 3}),
        ),
        ask(
            "the same three times is not three times as much",
            "groq",
            "/openai/v1/chat/completions",
            "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"x_groq\":{\"id\":\"req_1\"}}\n\ndata: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5},\"x_groq\":{\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5}}}\n\ndata: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5}}\n\ndata: [DONE]\n\n",
            json!({"in": 4, "out": 1, "finish": ["stop"], "terminated": true, "id": "c"}),
        ),
        ask(
            "usage in a corner only",
            "groq",
            "/openai/v1/chat/completions",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"req_1\",\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5}}}\n\ndata: [DONE]\n\n",
            json!({"in": 4, "out": 1, "source": "provider"}),
        ),
        ask(
            "usage in every chunk, and no end mark",
            "perplexity",
            "/chat/completions",
            "data: {\"id\":\"p\",\"model\":\"sonar\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1,\"total_tokens\":5}}\r\n\r\ndata: {\"id\":\"p\",\"model\":\"sonar\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":2,\"total_tokens\":6}}\r\n\r\n",
            json!({"in": 4, "out": 2, "finish": ["stop"], "category": null, "source": "provider"}),
        ),
        ask(
            "a comment is no end, and ids come late",
            "azure",
            "/openai/deployments/d/chat/completions",
            ": [DONE]\n\ndata: {\"id\":\"\",\"model\":\"\",\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n",
            json!({"id": "c", "answered_by": "gpt-x", "terminated": false, "category": "stream_cut",
                "source": "missing", "in": null}),
        ),
        ask(
            "an end that is told twice is one",
            "openrouter",
            "/api/v1/chat/completions",
            ": OPENROUTER PROCESSING\n\ndata: {\"id\":\"gen-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\",\"native_finish_reason\":\"STOP\"}]}\n\ndata: {\"id\":\"gen-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4,\"cost\":0.0000021,\"is_byok\":false}}\n\ndata: [DONE]\n\n",
            json!({"finish": ["stop"], "in": 3, "out": 1, "usd": "0.0000021"}),
        ),
    ]);
}

#[test]
fn ends() {
    check(&[
        ask(
            "a filter under another name",
            "zai",
            "/api/paas/v4/chat/completions",
            r#"{"choices":[{"message":{"content":""},"finish_reason":"sensitive"}]}"#,
            json!({"finish": ["sensitive"], "category": "content_filter", "error": null}),
        ),
        ask(
            "no room to go on",
            "deepseek",
            "/chat/completions",
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"insufficient_system_resource"}]}"#,
            json!({"category": "overloaded", "error": "insufficient_system_resource"}),
        ),
        ask(
            "an end that is an error and says no more",
            "mistral",
            CHAT,
            r#"{"choices":[{"message":{"content":"x"},"finish_reason":"error"}]}"#,
            json!({"category": "server_error", "error": "error"}),
        ),
        ask(
            "a stream that was stopped early",
            "groq",
            "/openai/v1/chat/completions",
            "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],\"x_groq\":{\"error\":\"over_capacity\"}}\n\n",
            json!({"category": "overloaded", "output": true}),
        ),
        ask(
            "a provider behind a router that failed half-way",
            "openrouter",
            "/api/v1/chat/completions",
            "data: {\"id\":\"g\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\ndata: {\"id\":\"g\",\"error\":{\"code\":502,\"message\":\"Provider disconnected\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
            json!({"finish": ["error"], "category": "server_error", "error": "502", "output": true}),
        ),
        ask(
            "an answer of agents",
            "mistral",
            "/v1/agents/completions",
            r#"{"id":"a","model":"m","choices":[{"index":0,"message":{"content":"x","tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
            json!({"operation": "chat", "calls": 1, "in": 3, "out": 2}),
        ),
        ask(
            "what is filled in comes as a message",
            "mistral",
            "/v1/fim/completions",
            r#"{"id":"a","model":"m","choices":[{"index":0,"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#,
            json!({"operation": "text_completion", "output": true, "category": null, "in": 3}),
        ),
        ask(
            "thinking is a token and no output",
            "mistral",
            CHAT,
            r#"{"choices":[{"index":0,"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]},"finish_reason":"length"}]}"#,
            json!({"output": false, "category": "truncated"}),
        ),
    ]);
}

#[test]
fn responses() {
    let path = "/v1/responses";
    check(&[
        ask(
            "an error event with its code at the top",
            "openai",
            path,
            "data: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"model\":\"m\",\"status\":\"in_progress\"}}\n\ndata: {\"type\":\"error\",\"sequence_number\":2,\"code\":\"rate_limit_exceeded\",\"message\":\"slow down\",\"param\":null}\n\n",
            json!({"id": "resp_1", "category": "rate_limit", "error": "rate_limit_exceeded"}),
        ),
        ask(
            "an error event around its error",
            "openai",
            path,
            "data: {\"type\":\"error\",\"sequence_number\":2,\"error\":{\"type\":\"server_error\",\"code\":\"server_error\",\"message\":\"x\",\"param\":null}}\n\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"},\"usage\":{\"input_tokens\":9,\"output_tokens\":1,\"total_tokens\":10}}}\n\n",
            json!({"id": "resp_1", "category": "server_error", "error": "server_error", "in": 9, "out": 1,
                "terminated": true}),
        ),
        ask(
            "an end in two marks",
            "openrouter",
            "/api/v1/responses",
            "data: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"m\",\"status\":\"completed\",\"output\":[{\"type\":\"function_call\",\"call_id\":\"a\",\"name\":\"f\",\"arguments\":\"{}\"}],\"usage\":{\"input_tokens\":4,\"output_tokens\":2,\"total_tokens\":6,\"cost\":0.5}}}\n\ndata: [DONE]\n\n",
            json!({"calls": 1, "terminated": true, "in": 4, "out": 2, "usd": "0.5", "finish": []}),
        ),
        ask(
            "an incomplete answer says why",
            "openai",
            path,
            r#"{"id":"r","model":"m","status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}],"usage":{"input_tokens":4,"output_tokens":2,"total_tokens":6}}"#,
            json!({"finish": ["content_filter"], "category": "content_filter"}),
        ),
        ask(
            "one that was blocked for what it asks",
            "openai",
            path,
            r#"{"id":"r","model":"m","status":"failed","error":{"code":"bio_policy","message":"x"},"output":[],"usage":null}"#,
            json!({"category": "content_filter", "error": "bio_policy", "source": "missing"}),
        ),
        ask(
            "a tool of the host that failed",
            "openai",
            path,
            r#"{"id":"r","model":"m","status":"completed","output":[{"type":"mcp_call","name":"f","arguments":"{}","error":{"type":"http_error"}},{"type":"web_search_call","status":"completed"},{"type":"custom_tool_call","name":"g","input":"free"}]}"#,
            json!({"calls": 1, "bad_calls": 1, "category": "tool_failure", "error": null}),
        ),
    ]);
}

#[test]
fn failures() {
    let fail = |name, kind, status, response: &'static str, category: &str| Row {
        status,
        headers: JSON,
        ..ask(name, kind, CHAT, response, json!({"category": category}))
    };
    check(&[
        fail(
            "flagged before it was sent on",
            "openrouter",
            403,
            r#"{"error":{"code":403,"message":"Your chosen model requires moderation","metadata":{"reasons":["harassment"],"flagged_input":"x","provider_name":"P"}}}"#,
            "content_filter",
        ),
        fail(
            "no credit",
            "openrouter",
            402,
            r#"{"error":{"code":402,"message":"Insufficient credits"}}"#,
            "quota",
        ),
        fail(
            "no capacity for what may wait",
            "groq",
            498,
            r#"{"error":{"message":"x","type":"capacity_exceeded"}}"#,
            "overloaded",
        ),
        fail(
            "too much for a minute is no size",
            "groq",
            413,
            r#"{"error":{"message":"Request too large for model `m` on tokens per minute (TPM)","type":"tokens","code":"rate_limit_exceeded"}}"#,
            "rate_limit",
        ),
        fail(
            "an error of a self-hosted server",
            "vllm",
            400,
            r#"{"object":"error","message":"This model's maximum context length is 9 tokens.","type":"BadRequestError","param":null,"code":400}"#,
            "context_overflow",
        ),
        fail(
            "a model that is not served",
            "vllm",
            404,
            r#"{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}"#,
            "model_not_found",
        ),
        fail(
            "a window that is full",
            "llamacpp",
            400,
            r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}"#,
            "context_overflow",
        ),
        fail("nothing is said", "openai", 500, "", "server_error"),
        fail("an edge speaks", "openai", 503, "<html>upstream connect error</html>", "overloaded"),
        fail(
            "flat",
            "mistral",
            400,
            r#"{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500","raw_status_code":400}"#,
            "model_not_found",
        ),
        fail(
            "a model with another's name",
            "zai",
            400,
            r#"{"error":{"code":"1211","message":"Unknown Model, please check the model code."}}"#,
            "model_not_found",
        ),
        fail(
            "nothing left",
            "zai",
            429,
            r#"{"error":{"code":"1113","message":"Insufficient balance or no resource package. Please recharge."}}"#,
            "quota",
        ),
    ]);
}
