//! A provider that does not exist, written as one that does would be: a file that implements
//! [`Provider`], and a test that it is read like the others. In the house it would stand under
//! `providers/`, with one `mod` line and one slot in the list.

use http::{Method, StatusCode};
use serde_json::json;
use tidegauge_core::{Dialect, Head, Matched, Operation, Part, Source};
use tidegauge_wire::{Answer, Asked, Event, Json, Observer, Prompt, Provider, Reader};

use crate::exchange::{Case, headers};
use crate::properties::timeless;
use crate::words::ALL;

/// What stands in its public file.
#[derive(Debug)]
struct Tideline;

static TIDELINE: Tideline = Tideline;

impl Dialect for Tideline {
    fn kind(&self) -> &'static str {
        "tideline"
    }

    fn provider(&self) -> &'static str {
        "tideline"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        head.path.starts_with("/tide/")
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        let (operation, route) = match (head.method, head.path) {
            (&Method::POST, "/tide/say") => (Operation::Chat, "/tide/say"),
            _ => (Operation::Other, "/{path}"),
        };
        Matched { operation, route: route.into() }
    }

    fn error_body(&self, _status: StatusCode, kind: &str, message: &str) -> bytes::Bytes {
        json!({"wrong": {"what": kind, "text": message}}).to_string().into()
    }
}

impl Provider for Tideline {
    fn upstream(&self) -> Option<&'static str> {
        Some("https://api.tideline.example")
    }

    fn client_variable(&self) -> Option<(&'static str, &'static str)> {
        Some(("TIDELINE_URL", ""))
    }

    fn reader(&self, head: Head<'_>) -> Option<&'static dyn Reader> {
        (self.matched(head).operation == Operation::Chat).then_some(&Say as &dyn Reader)
    }
}

/// `POST /tide/say`: `{"engine", "ask", "flow"}`, answered with `{"ref", "engine", "words", "spent":
/// {"read", "written"}, "why"}`, or with events of kind `piece` and, last, one of kind `end` that says
/// the rest.
struct Say;

impl Reader for Say {
    fn read_request(&self, _head: &Asked, body: Json<'_>, into: &mut Prompt) {
        into.request.model = body.get("engine").kept(256);
        into.request.stream = body.get("flow").bool() == Some(true);
        into.request.messages = body.get("ask").len();
        body.get("ask").items().for_each(|asked| into.text("user", asked));
        for tool in body.get("tools").items() {
            into.function(tool.get("tool"), Json::ABSENT, tool.get("takes"));
        }
    }

    fn read_event(&self, event: Event<'_>, into: &mut Answer) {
        let body = event.data;
        into.id(body.get("ref"));
        into.model(body.get("engine"));
        into.text(0, None, body.get("words"));
        for call in body.get("errands").items() {
            into.call(0, None, call.get("slip"), call.get("tool"), call.get("with"));
        }
        into.finish(0, body.get("why"));
        into.ended |= event.name == Some("end");
        let spent = body.get("spent");
        if spent.is_object() {
            into.usage.input = spent.get("read").size();
            into.usage.output = spent.get("written").size();
            into.usage.source = Source::Provider;
        }
    }
}

fn case(kind: &str, request: &str, status: u16, response: &str) -> Case {
    Case {
        kind: "tideline".to_owned(),
        method: Method::POST,
        path: "/tide/say".to_owned(),
        query: None,
        request_headers: headers([("content-type", "application/json")]),
        request: request.as_bytes().to_vec(),
        status: StatusCode::from_u16(status).expect("a status"),
        headers: headers([("content-type", kind)]),
        response: response.as_bytes().to_vec(),
    }
}

fn observe(kind: &str, request: &str, status: u16, response: &str) -> tidegauge_core::Observation {
    let case = case(kind, request, status, response);
    let whole = timeless(case.observe_by(&TIDELINE, &mut |left| left, |_| {}));
    assert_eq!(timeless(case.observe_by(&TIDELINE, &mut |_| 3, |_| {})), whole);
    whole
}

const ASKED: &str = r#"{"engine":"spring","ask":["when","where"],"flow":true}"#;

#[test]
fn it_is_read_whole() {
    let answer = r#"{"ref":"t-1","engine":"spring-2","words":"at noon","why":"said","spent":{"read":5,"written":3}}"#;
    let seen = observe("application/json", ASKED, 200, answer);
    assert_eq!(seen.request.model.as_deref(), Some("spring"));
    assert_eq!(seen.request.messages, Some(2));
    assert_eq!(seen.response.id.as_deref(), Some("t-1"));
    assert_eq!(seen.response.model.as_deref(), Some("spring-2"));
    assert_eq!(seen.response.finish_reasons, ["said"]);
    assert_eq!((seen.usage.input_tokens(), seen.usage.output_tokens()), (Some(5), Some(3)));
    assert_eq!((seen.outcome.category, seen.stream, seen.partial), (None, false, false));
}

/// What is said needs no other table: text and calls, of the request and of the answer.
#[test]
fn its_words_are_written_down() {
    let answer =
        r#"{"words":"at noon","errands":[{"slip":"a","tool":"row","with":{"x":1}}],"why":"stop"}"#;
    let case = case("application/json", ASKED, 200, answer);
    let (_, words) = case.overhear_by(&TIDELINE, ALL);
    let words = words.expect("words");
    let texts: Vec<_> = words.input.iter().map(|message| message.parts.clone()).collect();
    let said = |content: &str| vec![Part::Text { content: content.to_owned() }];
    assert_eq!(texts, [said("when"), said("where")]);
    let [message] = words.output.as_slice() else { panic!("one message") };
    assert_eq!(message.parts.len(), 2);
    assert!(matches!(&message.parts[1], Part::ToolCall { name, .. } if name == "row"));
    assert_eq!(message.finish_reason.as_deref(), Some("stop"));
}

#[test]
fn it_is_read_in_a_stream() {
    let events = "event: piece\ndata: {\"ref\":\"t-1\",\"words\":\"at \"}\n\n\
        event: piece\ndata: {\"words\":\"noon\",\"errands\":[{\"slip\":\"a\",\"with\":{\"x\":1}}]}\n\n\
        event: end\ndata: {\"engine\":\"spring-2\",\"why\":\"said\",\"spent\":{\"read\":5,\"written\":3}}\n\n";
    let seen = observe("text/event-stream", ASKED, 200, events);
    assert_eq!((seen.response.events, seen.response.tool_calls), (3, 1));
    assert_eq!((seen.response.terminated, seen.stream), (Some(true), true));
    assert_eq!((seen.usage.input_tokens(), seen.usage.output_tokens()), (Some(5), Some(3)));
    let cut = observe("text/event-stream", ASKED, 200, &events[..60]);
    assert_eq!(cut.outcome.category.map(|category| category.name()), Some("stream_cut"));
}

#[test]
fn its_failures_are_understood() {
    for (status, answer, category) in [
        (429, r#"{"error":{"code":"rate_limit","message":"slower"}}"#, "rate_limit"),
        (401, "", "auth"),
        (400, r#"{"message":"maximum context length is 9"}"#, "context_overflow"),
    ] {
        let seen = observe("application/json", ASKED, status, answer);
        assert_eq!(seen.outcome.category.map(|category| category.name()), Some(category));
        assert!(seen.stream, "a stream was asked for");
    }
}

/// An observer needs no list to know it.
#[test]
fn it_needs_no_other_place() {
    assert!(tidegauge_wire::provider("tideline").is_none());
    let head = Head {
        method: &Method::GET,
        path: "/tide/else",
        query: None,
        headers: &http::HeaderMap::new(),
    };
    let observer = Observer::new(&TIDELINE, Operation::Other, head);
    assert_eq!(format!("{observer:?}"), "Observer(tideline)");
}
