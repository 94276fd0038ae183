//! What Amazon Bedrock answers: made here, shaped as it is documented and as real traffic looks.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{HELLO, LAST_CHUNK, Said, chunk, head, whole};
use crate::support::upstream::{Script, Seen, Step};

/// Plays the API for `/model/MODEL/action`; `None` for any other path.
pub(super) fn answer(seen: &Seen) -> Option<Script> {
    let (model, action) = seen.target.strip_prefix("/model/")?.rsplit_once('/')?;
    let said = Said { model, ..HELLO };
    if let Some((status, kind, message)) = failure(model) {
        let headers = [
            ("content-type", "application/json"),
            ("x-amzn-requestid", "req-rig"),
            ("x-amzn-errortype", kind),
        ];
        return Some(whole(status, &headers, json!({"message": message}).to_string().as_bytes()));
    }
    Some(match action {
        "converse" => json(&[], &converse(&said)),
        "converse-stream" => frames(&events(&said)),
        "invoke" => json(
            &[
                ("x-amzn-bedrock-input-token-count", "12"),
                ("x-amzn-bedrock-output-token-count", "3"),
                ("x-amzn-bedrock-invocation-latency", "433"),
            ],
            &said.message(),
        ),
        "count-tokens" => json(&[], &json!({"inputTokens": 12})),
        _ => whole(404, &[("x-amzn-errortype", "UnknownOperationException")], b"{}"),
    })
}

fn json(more: &[(&str, &str)], body: &Value) -> Script {
    let mut headers = vec![("content-type", "application/json"), ("x-amzn-requestid", "req-rig")];
    headers.extend(more);
    whole(200, &headers, body.to_string().as_bytes())
}

fn usage(said: &Said<'_>) -> Value {
    json!({"inputTokens": said.input, "outputTokens": said.output,
        "totalTokens": said.input + said.output})
}

fn converse(said: &Said<'_>) -> Value {
    json!({"metrics": {"latencyMs": 433}, "stopReason": "end_turn", "usage": usage(said),
        "output": {"message": {"role": "assistant", "content": [{"text": said.text()}]}}})
}

fn events(said: &Said<'_>) -> Vec<Bytes> {
    let mut events = vec![frame("messageStart", &json!({"p": "abc", "role": "assistant"}))];
    for word in said.words {
        let delta = json!({"contentBlockIndex": 0, "delta": {"text": word}, "p": "abcdefgh"});
        events.push(frame("contentBlockDelta", &delta));
    }
    events.push(frame("contentBlockStop", &json!({"contentBlockIndex": 0, "p": "ab"})));
    events.push(frame("messageStop", &json!({"p": "abcd", "stopReason": "end_turn"})));
    let last = json!({"metrics": {"latencyMs": 433}, "p": "a", "usage": usage(said)});
    events.push(frame("metadata", &last));
    events
}

fn frames(events: &[Bytes]) -> Script {
    let headers = [
        ("content-type", "application/vnd.amazon.eventstream"),
        ("x-amzn-requestid", "req-rig"),
        ("transfer-encoding", "chunked"),
    ];
    let mut script = vec![Step::Send(head(200, &headers))];
    script.extend(events.iter().map(|event| Step::Send(chunk(event))));
    script.push(Step::Send(LAST_CHUNK));
    script
}

/// One frame of the event stream: lengths, their checksum, headers, payload, the checksum of it all.
fn frame(kind: &str, payload: &Value) -> Bytes {
    let mut headers = Vec::new();
    for (name, text) in
        [(":event-type", kind), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(u8::try_from(name.len()).expect("short"));
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(text.len()).expect("short").to_be_bytes());
        headers.extend_from_slice(text.as_bytes());
    }
    let payload = payload.to_string();
    let length = |length: usize| u32::try_from(length).expect("short").to_be_bytes();
    let mut frame = Vec::new();
    frame.extend_from_slice(&length(16 + headers.len() + payload.len()));
    frame.extend_from_slice(&length(headers.len()));
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32(&frame).to_be_bytes());
    frame.into()
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// Models that fail: the name says how.
fn failure(model: &str) -> Option<(u16, &'static str, &'static str)> {
    Some(match model {
        "fails-auth" => (
            403,
            "UnrecognizedClientException:http://internal.amazon.com/coral/",
            "The security token included in the request is invalid.",
        ),
        "fails-missing" => {
            (400, "ValidationException", "The provided model identifier is invalid.")
        }
        "fails-limited" => {
            (429, "ThrottlingException", "Too many requests, please wait before trying again.")
        }
        "fails-permission" => (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        _ => return None,
    })
}
