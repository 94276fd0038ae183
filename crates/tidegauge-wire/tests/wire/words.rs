//! What is said, in every format: bodies in, messages out, in the form in which they are written.

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tidegauge_core::{Content, End, Field, Fields, Part, StreamTimes};
use tidegauge_wire::{Concluded, Wanted};

use crate::cassettes::{folders, load};
use crate::exchange::{Case, headers};

mod bodies;
mod bounds;

/// The halves and the schemas of tools: everything.
pub(crate) const ALL: Wanted = Wanted { request: true, response: true, schemas: true };

/// One exchange and what is said in it.
struct Row {
    name: &'static str,
    kind: &'static str,
    path: &'static str,
    request: Value,
    /// Its content type tells how it is framed.
    as_type: &'static str,
    response: Vec<u8>,
    want: Value,
}

impl Row {
    fn case(&self) -> Case {
        Case {
            kind: self.kind.to_owned(),
            method: Method::POST,
            path: self.path.to_owned(),
            query: None,
            request_headers: headers([("content-type", "application/json")]),
            request: self.request.to_string().into_bytes(),
            status: StatusCode::OK,
            headers: headers([("content-type", self.as_type)]),
            response: self.response.clone(),
        }
    }
}

/// Shows each exchange in pieces of several sizes: what is said is the same and as wanted, and what
/// is observed is the same as without listening.
fn check(rows: &[Row]) {
    for row in rows {
        let case = row.case();
        let timeless = |mut seen: tidegauge_core::Observation| {
            seen.times = StreamTimes::default();
            seen
        };
        let (plain, texts) = case.observe_with_texts(&mut |left| left, |_| {});
        let plain = timeless(plain);
        for size in [usize::MAX, 1, 7, 100] {
            let Concluded { observation, words, texts: again, .. } =
                case.watch(case.provider(), ALL, &mut |_| size, |_| {});
            let words = written(&words.expect(row.name));
            assert_eq!(words, row.want, "{} in pieces of {size}: {words:#}", row.name);
            assert_eq!(timeless(observation), plain, "{}", row.name);
            assert!(again == texts, "{}: samples are the same with and without words", row.name);
        }
        let asked = |wanted| case.overhear(wanted, &mut |left| left, |_| {}).1;
        assert_eq!(asked(Wanted::default()), None, "{}: unasked", row.name);
        let only = |request, response| {
            let words = asked(Wanted { request, response, schemas: true }).unwrap_or_default();
            let Content { system, input, output, tools, .. } = *words;
            (system.len() + input.len() + tools.len() > 0, !output.is_empty())
        };
        assert!(!only(true, false).1 && !only(false, true).0, "{}: one half", row.name);
    }
}

/// As it is written, without what is empty.
pub(crate) fn written(content: &Content) -> Value {
    let Content { system, input, output, tools, truncated } = content;
    let list =
        |list: Vec<Fields<'_>>| Value::from(list.into_iter().map(object).collect::<Vec<_>>());
    let mut value = json!({
        "system": list(system.iter().map(Part::fields).collect()),
        "input": list(input.iter().map(|message| message.fields()).collect()),
        "output": list(output.iter().map(|message| message.fields()).collect()),
        "tools": list(tools.iter().map(|tool| tool.fields()).collect()),
        "truncated": truncated,
    });
    let members = value.as_object_mut().expect("an object");
    members.retain(|_, member| *member != json!([]) && *member != json!(false));
    value
}

fn object(fields: Fields<'_>) -> Value {
    let member = |(name, field): (&'static str, Field<'_>)| {
        let value = match field {
            Field::Text(text) => json!(text),
            Field::Value(value) => plain(value),
            Field::Parts(parts) => parts.iter().map(|part| object(part.fields())).collect(),
        };
        (name.to_owned(), value)
    };
    Value::Object(fields.into_iter().map(member).collect())
}

fn plain(value: &tidegauge_core::Value) -> Value {
    use tidegauge_core::Value as Told;
    match value {
        Told::Null => Value::Null,
        Told::Bool(truth) => json!(truth),
        Told::Whole(whole) => json!(whole),
        Told::Real(real) => json!(real),
        Told::Text(text) => json!(text),
        Told::List(values) => values.iter().map(plain).collect(),
        Told::Map(members) => Value::Object(
            members.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>(),
        ),
    }
}

/// Events with data and no name.
fn data(events: &[Value]) -> Vec<u8> {
    let events = events.iter().map(|event| format!("data: {event}\n\n"));
    (events.collect::<String>() + "data: [DONE]\n\n").into_bytes()
}

/// Events named by their type.
fn named(events: &[Value]) -> Vec<u8> {
    let name = |event: &Value| event["type"].as_str().expect("a type").to_owned();
    let events = events.iter().map(|event| format!("event: {}\ndata: {event}\n\n", name(event)));
    events.collect::<String>().into_bytes()
}

/// A line a value.
fn lines(values: &[Value]) -> Vec<u8> {
    values.iter().map(|value| format!("{value}\n")).collect::<String>().into_bytes()
}

const JSON: &str = "application/json";
const SSE: &str = "text/event-stream";
const LINES: &str = "application/x-ndjson";
const FRAMES: &str = "application/vnd.amazon.eventstream";

/// What a text becomes.
fn text(content: &str) -> Value {
    json!({"type": "text", "content": content})
}

fn said(content: &str, finish: &str) -> Value {
    json!([{"role": "assistant", "parts": [text(content)], "finish_reason": finish}])
}

#[test]
fn how_it_ended_is_told() {
    let row = Row {
        name: "an answer without a reason",
        kind: "openai",
        path: "/v1/chat/completions",
        request: json!({"messages": []}),
        as_type: SSE,
        response: b"data: {\"choices\":[{\"delta\":{\"content\":\"He\"}}]}\n\n".to_vec(),
        want: json!({}),
    };
    for (end, reason) in
        [(End::Complete, "stop"), (End::Failed, "error"), (End::Cancelled, "cancelled")]
    {
        let heard = row.case().overhear(ALL, &mut |left| left, |exchange| exchange.end = end);
        assert_eq!(written(&heard.1.expect("words")), json!({"output": said("He", reason)}));
    }
}

/// What was really answered once: the same words and the same observation at any cut.
#[test]
fn cassettes_say_the_same_in_any_pieces() {
    let mut heard = 0;
    for folder in folders() {
        let case = load(&folder);
        let timeless = |mut seen: tidegauge_core::Observation| {
            seen.times = StreamTimes::default();
            seen
        };
        let plain = timeless(case.observe(|left| left));
        let whole = case.overhear(ALL, &mut |left| left, |_| {}).1;
        heard += usize::from(whole.is_some());
        for size in [3, 64] {
            let (seen, words) = case.overhear(ALL, &mut |_| size, |_| {});
            assert_eq!((timeless(seen), words), (plain.clone(), whole.clone()), "{folder:?}");
        }
    }
    assert!(heard > 10, "{heard}");
}

/// An error may repeat what was asked; the request is told all the same.
#[test]
fn nothing_is_said_in_an_error() {
    let case = Case {
        status: StatusCode::BAD_REQUEST,
        ..Row {
            name: "",
            kind: "openai",
            path: "/v1/chat/completions",
            request: json!({"messages": [{"role": "user", "content": "Hi"}]}),
            as_type: JSON,
            response:
                json!({"error": {"message": "no"}, "choices": [{"message": {"content": "no"}}]})
                    .to_string()
                    .into_bytes(),
            want: json!({}),
        }
        .case()
    };
    let heard = case.overhear(ALL, &mut |left| left, |_| {}).1.expect("words");
    assert_eq!(written(&heard), json!({"input": [{"role": "user", "parts": [text("Hi")]}]}));
}

/// How the users of another proxy say that nothing is to be kept.
#[test]
fn a_body_may_decline() {
    for (declines, stream) in [(true, false), (true, true), (false, false)] {
        let answer = json!({"choices": [{"delta": {"content": "He"}, "finish_reason": "stop"}]});
        let row = Row {
            name: "no-log",
            kind: "openai",
            path: "/v1/chat/completions",
            request: json!({"no-log": declines, "messages": [{"role": "user", "content": "Hi"}]}),
            as_type: if stream { SSE } else { JSON },
            response: if stream { data(&[answer]) } else { answer.to_string().into_bytes() },
            want: json!({}),
        };
        let only = Wanted { request: false, response: true, schemas: false };
        for wanted in [ALL, only] {
            let words = row.case().overhear(wanted, &mut |left| left, |_| {}).1;
            assert_eq!(words.is_none(), declines);
        }
    }
}

/// What a reason means is the same in the category and in the message.
#[test]
fn filters_are_filters_in_messages_too() {
    let reasons =
        ["SAFETY", "LANGUAGE", "IMAGE_RECITATION", "IMAGE_OTHER", "IMAGE_PROHIBITED_CONTENT"];
    for reason in reasons {
        let answer = json!({"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]});
        let row = Row {
            name: reason,
            kind: "gemini",
            path: "/v1beta/models/m:generateContent",
            request: json!({"contents": []}),
            as_type: JSON,
            response: answer.to_string().into_bytes(),
            want: json!({}),
        };
        let (seen, words) = row.case().overhear(ALL, &mut |left| left, |_| {});
        let category = seen.outcome.category.map(|category| category.name());
        let finish = words.and_then(|words| words.output.first()?.finish_reason.clone());
        assert_eq!((category, finish.as_deref()), (Some("content_filter"), Some("content_filter")));
    }
}

#[test]
fn nothing_is_kept_where_nothing_is_said_in_words() {
    let rows = [
        ("/v1/embeddings", json!({"input": "Hi"}), json!({"data": [{"embedding": [0.1]}]})),
        ("/v1/images/generations", json!({"prompt": "a cat"}), json!({"data": [{"url": "x"}]})),
        ("/v1/moderations", json!({"input": "Hi"}), json!({"results": [{"flagged": false}]})),
        ("/v1/unknown", json!({"messages": []}), json!({})),
    ];
    for (path, request, response) in rows {
        let row = Row {
            name: path,
            kind: "openai",
            path,
            request,
            as_type: JSON,
            response: response.to_string().into_bytes(),
            want: json!({}),
        };
        assert_eq!(row.case().overhear(ALL, &mut |left| left, |_| {}).1, None, "{path}");
    }
}
