//! However much is said, little of it is kept, and it is said that there was more.

use serde_json::{Value, json};

use super::{ALL, JSON, Row, SSE, data, written};

/// The most that is kept of one body, and what its frames may take.
const MOST: usize = (256 << 10) + 4096;

fn row(request: Value, as_type: &'static str, response: Vec<u8>) -> Row {
    let (kind, path) = ("openai", "/v1/chat/completions");
    Row { name: "", kind, path, request, as_type, response, want: Value::Null }
}

fn heard(row: &Row) -> Value {
    let words = |size| row.case().overhear(ALL, &mut |_| size, |_| {}).1.expect("words");
    let value = written(&words(usize::MAX));
    assert_eq!(written(&words(1000)), value, "in pieces");
    value
}

#[test]
fn the_longest_texts_of_a_request_are_shortened() {
    let long = "word \" ".repeat(40_000);
    let ask = |content: &str| json!({"role": "user", "content": content});
    let request =
        json!({"messages": [ask("first"), ask(&long), ask("between"), ask(&long), ask("last")]});
    let value = heard(&row(request, JSON, b"{}".to_vec()));
    assert_eq!(value["truncated"], true);
    assert!(value.to_string().len() <= MOST, "{}", value.to_string().len());
    let said = |place: usize| value["input"][place]["parts"][0]["content"].as_str().expect("text");
    assert_eq!((said(0), said(2), said(4)), ("first", "between", "last"));
    assert!(said(1).len() > 90_000 && said(1) == said(3) && long.starts_with(said(1)));
}

#[test]
fn an_answer_is_kept_as_far_as_there_is_room() {
    let long = "word ".repeat(80_000);
    let body = json!({"choices": [{"message": {"content": long}, "finish_reason": "stop"}]});
    let events: Vec<Value> = (0..400)
        .map(|_| json!({"choices": [{"delta": {"content": "word ".repeat(200)}}]}))
        .collect();
    let ask = json!({"messages": []});
    for row in [row(ask.clone(), JSON, body.to_string().into_bytes()), row(ask, SSE, data(&events))]
    {
        let value = heard(&row);
        let text = value["output"][0]["parts"][0]["content"].as_str().expect("text");
        assert!(text.len() > 250_000 && long.starts_with(text), "{}", text.len());
        assert!(value["truncated"] == true && value.to_string().len() <= MOST);
    }
}

/// A conversation with pictures keeps its texts.
#[test]
fn pictures_leave_room() {
    let picture = format!("data:image/png;base64,{}", "iVBORw0KGgoA".repeat(80_000));
    let mut messages = Vec::new();
    for turn in 0..8 {
        messages.push(json!({"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": picture}},
            {"type": "text", "text": format!("look at {turn}")},
        ]}));
    }
    let value = heard(&row(json!({"messages": messages}), JSON, b"{}".to_vec()));
    for turn in 0..8 {
        let parts = &value["input"][turn]["parts"];
        let blob =
            json!({"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""});
        assert_eq!(parts[0], blob);
        assert_eq!(parts[1]["content"], format!("look at {turn}"));
    }
    assert_eq!(value["truncated"], true);
}

#[test]
fn many_and_deep_things_are_bounded() {
    let many = vec![json!({"role": "user", "content": "a"}); 20_000];
    let value = heard(&row(json!({"messages": many}), JSON, b"{}".to_vec()));
    let kept = value["input"].as_array().expect("messages").len();
    assert!((1000..=4096).contains(&kept) && value["truncated"] == true, "{kept}");

    let deep = "{\"a\":".repeat(60) + "1" + &"}".repeat(60);
    let call = json!({"choices": [{"message": {"tool_calls": [
        {"id": "c", "function": {"name": "f", "arguments": deep}}]}}]});
    let value = heard(&row(json!({}), JSON, call.to_string().into_bytes()));
    let arguments = value["output"][0]["parts"][0]["arguments"].to_string();
    assert_eq!(arguments.matches("\"a\"").count(), 20);
    assert_eq!(value["truncated"], true);
}

/// Bodies that are cut anywhere still give what came before.
#[test]
fn a_cut_body_gives_what_came() {
    let whole = json!({"messages": [{"role": "user", "content": "first"},
        {"role": "user", "content": "second"}]})
    .to_string();
    for end in 0..whole.len() {
        let mut case = row(json!({}), JSON, b"{}".to_vec()).case();
        case.request = whole.as_bytes()[..end].to_vec();
        let words = case.overhear(ALL, &mut |left| left, |_| {}).1;
        if let Some(words) = words {
            assert!(written(&words)["truncated"] == true, "{end}");
        }
    }
}
