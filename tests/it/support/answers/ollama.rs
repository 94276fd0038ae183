//! What Ollama's own API answers: made here, shaped as it is documented and as real traffic looks.

use serde_json::{Value, json};

use super::{HELLO, LAST_CHUNK, Said, chunk, head, value};
use crate::support::upstream::{Script, Seen, Step};

/// Plays the API for `/api/...`; `None` for any other path.
pub(super) fn answer(seen: &Seen) -> Option<Script> {
    let path = seen.target.strip_prefix("/api/")?;
    let body = seen.json();
    let model = body["model"].as_str().unwrap_or_default();
    let said = Said { model, ..HELLO };
    let streams = body["stream"] != json!(false);
    if model == "fails-missing" {
        return Some(value(404, &json!({"error": "model 'fails-missing' not found"})));
    }
    Some(match path {
        "chat" | "generate" if streams => lines(&said, path == "chat"),
        "chat" | "generate" => value(200, &last(&said, path == "chat", &said.text())),
        "embed" => value(
            200,
            &json!({"model": model, "embeddings": [[1.0, 2.0], [2.0, 1.0]],
                "total_duration": 14_143_917, "load_duration": 1_019_500,
                "prompt_eval_count": 7}),
        ),
        "tags" => value(200, &json!({"models": [{"model": "qwen3:4b", "size": 1}]})),
        _ => value(404, &json!({"error": "no such path"})),
    })
}

fn piece(said: &Said<'_>, chat: bool, text: &str) -> Value {
    let mut piece = json!({"model": said.model, "created_at": "2026-08-05T08:10:56.372032Z",
        "done": false});
    if chat {
        piece["message"] = json!({"role": "assistant", "content": text});
    } else {
        piece["response"] = json!(text);
    }
    piece
}

fn last(said: &Said<'_>, chat: bool, text: &str) -> Value {
    let mut last = piece(said, chat, text);
    for (name, told) in [
        ("done", json!(true)),
        ("done_reason", json!("stop")),
        ("total_duration", json!(7_577_982_042_u64)),
        ("load_duration", json!(58_847_000)),
        ("prompt_eval_count", json!(said.input)),
        ("prompt_eval_duration", json!(707_514_083)),
        ("eval_count", json!(said.output)),
        ("eval_duration", json!(6_286_536_118_u64)),
    ] {
        last[name] = told;
    }
    last
}

fn lines(said: &Said<'_>, chat: bool) -> Script {
    let headers = [("content-type", "application/x-ndjson"), ("transfer-encoding", "chunked")];
    let mut script = vec![Step::Send(head(200, &headers))];
    let words = said.words.iter().map(|word| piece(said, chat, word));
    for line in words.chain([last(said, chat, "")]) {
        script.push(Step::Send(chunk(format!("{line}\n").as_bytes())));
    }
    script.push(Step::Send(LAST_CHUNK));
    script
}
