//! Messages where recordings are few: what tools of its own, other clouds and late figures tell.

use serde_json::{Value, json};

use super::{JSON, Row, SSE, check};

fn ask(name: &'static str, response: &'static str, want: Value) -> Row<'static> {
    Row {
        name,
        kind: "anthropic",
        path: "/v1/messages",
        request: r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#,
        status: 200,
        headers: if response.starts_with("event:") { SSE } else { JSON },
        response: response.as_bytes(),
        want,
    }
}

#[test]
fn answers() {
    check(&[
        ask(
            "a tool of its own that failed",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}},{"type":"web_search_tool_result","tool_use_id":"s","content":{"type":"web_search_tool_result_error","error_code":"max_uses_exceeded"}},{"type":"text","text":"no"}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2,"server_tool_use":{"web_search_requests":1}}}"#,
            json!({"calls": 0, "bad_calls": 1, "category": "tool_failure", "searches": 1, "error": null}),
        ),
        ask(
            "a tool of its own that found something",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"u"}]},{"type":"mcp_tool_result","is_error":false,"content":[]}],"stop_reason":"end_turn","usage":{"input_tokens":9,"output_tokens":2}}"#,
            json!({"calls": 0, "bad_calls": 0, "category": null}),
        ),
        ask(
            "to be continued is neither an error nor empty",
            r#"{"id":"msg_1","type":"message","model":"m","content":[],"stop_reason":"pause_turn","usage":{"input_tokens":9,"output_tokens":2}}"#,
            json!({"finish": ["pause_turn"], "category": null}),
        ),
        ask(
            "thinking is a part of the output, and writes live for two times",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":4,"cache_creation_input_tokens":300,"cache_read_input_tokens":50,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":40,"output_tokens_details":{"thinking_tokens":30}}}"#,
            json!({"in": 354, "out": 40, "thought": 30, "cached": 50, "written_5m": 100, "written_1h": 200}),
        ),
        ask(
            "figures that come late replace, and those that do not come stay",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"cache_read_input_tokens\":5,\"output_tokens\":1}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"input_tokens\":90,\"output_tokens\":7}   }\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"   }\n\n",
            json!({"in": 95, "out": 7, "cached": 5, "calls": 1, "finish": ["tool_use"], "terminated": true}),
        ),
        // Figures of the provider's page on compaction.
        ask(
            "a conversation that was summed up on the way costs that too",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"compaction","content":"s"},{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":23000,"output_tokens":1000,"iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500},{"type":"message","input_tokens":23000,"output_tokens":1000}]}}"#,
            json!({"in": 23000, "out": 1000, "odd": false,
                "billed": [[null, {"input": 180000, "output": 3500}], [null, {"input": 23000, "output": 1000}]]}),
        ),
        ask(
            "a model that helped is billed as itself",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":6,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":4},"output_tokens":20,"iterations":[{"type":"message","model":"m","input_tokens":10,"cache_read_input_tokens":5,"cache_creation_input_tokens":6,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":4},"output_tokens":20},{"type":"advisor_message","model":"big","input_tokens":823,"cache_read_input_tokens":0,"output_tokens":1612}]}}"#,
            json!({"in": 21, "out": 20, "billed": [
                [null, {"input": 10, "cache_read": 5, "cache_write_5m": 2, "cache_write_1h": 4, "output": 20}],
                ["big", {"input": 823, "output": 1612}]]}),
        ),
        ask(
            "steps that are all of it are no bill of their own, and thinking is told of the whole",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":28,\"output_tokens\":5,\"inference_geo\":\"us\"}}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":28,\"output_tokens\":106,\"output_tokens_details\":{\"thinking_tokens\":67},\"iterations\":[{\"type\":\"message\",\"input_tokens\":28,\"output_tokens\":106,\"cache_read_input_tokens\":0}]}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            json!({"in": 28, "out": 106, "thought": 67, "billed": [], "region": "us"}),
        ),
        ask(
            "fast mode is a rate of its own",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":2,"output_tokens":3,"service_tier":"standard","speed":"fast"}}"#,
            json!({"in": 2, "out": 3, "tier": "fast"}),
        ),
        ask(
            "steps of any form",
            r#"{"id":"msg_1","type":"message","model":"m","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":2,"output_tokens":3,"inference_geo":"not_available","iterations":[7,null,{"input_tokens":-1},{"input_tokens":2,"output_tokens":4}]}}"#,
            json!({"in": 2, "out": 3, "odd": true, "region": null,
                "billed": [[null, {"input": 2, "output": 4}]]}),
        ),
        ask(
            "an error after a good beginning",
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"model\":\"m\",\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            json!({"category": "overloaded", "error": "overloaded_error", "in": 9, "source": "partial"}),
        ),
    ]);
}

/// Behind an answer of many parts, a list is only counted: then the totals stand, and are odd.
#[test]
fn steps_behind_a_long_answer() {
    let block = format!(r#"{{"type":"text","text":"{}"}}"#, "x".repeat(9_000));
    let content = vec![block; 60].join(",");
    let response = format!(
        r#"{{"id":"msg_1","type":"message","model":"m","content":[{content}],"stop_reason":"end_turn","usage":{{"input_tokens":5,"output_tokens":3,"iterations":[{{"type":"compaction","input_tokens":90,"output_tokens":4}},{{"type":"message","input_tokens":5,"output_tokens":3}}]}}}}"#
    );
    let want = json!({"in": 5, "out": 3, "billed": [], "odd": true});
    check(&[Row { response: response.as_bytes(), ..ask("a long answer", "", want) }]);
}
