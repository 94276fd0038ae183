//! Responses that last longer than the call that asks for them: what each exchange says of them.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::{End, Exchange, Operation, Source};
use tidegauge_wire::{Background, Concluded, Spent, Wanted};

use crate::exchange::{Case, headers};

fn response(status: &str, more: &Value) -> Value {
    let mut response = json!({"id": "resp_1", "object": "response", "status": status, "background": true,
        "model": "o3-2025-04-16", "error": null, "incomplete_details": null, "output": [], "usage": null});
    let members = response.as_object_mut().expect("an object");
    members.extend(more.as_object().cloned().unwrap_or_default());
    response
}

fn used() -> Value {
    json!({"input_tokens": 30, "output_tokens": 9, "total_tokens": 39,
        "output_tokens_details": {"reasoning_tokens": 4}})
}

fn said() -> Value {
    json!({"usage": used(), "output": [{"type": "message", "role": "assistant",
        "content": [{"type": "output_text", "text": "hello"}]}]})
}

/// Events, each with the response in that state.
fn stream(states: &[(&str, Value)]) -> Vec<u8> {
    let event = |(kind, response): &(&str, Value)| {
        format!("event: {kind}\ndata: {}\n\n", json!({"type": kind, "response": response}))
    };
    states.iter().map(event).collect::<String>().into_bytes()
}

fn case(method: Method, path: &str, response: Vec<u8>) -> Case {
    let kind =
        if response.starts_with(b"event") { "text/event-stream" } else { "application/json" };
    Case {
        kind: "openai".to_owned(),
        method,
        path: path.to_owned(),
        query: None,
        request_headers: headers([("content-type", "application/json")]),
        request: Vec::new(),
        status: StatusCode::OK,
        headers: headers([("content-type", kind)]),
        response,
    }
}

fn ask(response: Vec<u8>) -> Case {
    let request = br#"{"model":"o3","input":"hi","background":true}"#.to_vec();
    Case { request, ..case(Method::POST, "/v1/responses", response) }
}

fn fetch(response: Vec<u8>) -> Case {
    case(Method::GET, "/v1/responses/resp_1", response)
}

/// What comes of it, the same in pieces of several sizes.
fn conclude(case: &Case, change: impl Fn(&mut Exchange) + Copy) -> Concluded {
    let provider = case.provider();
    let whole = case.watch(provider, Wanted::default(), &mut |rest| rest, change);
    for size in [1, 7, 100] {
        let again = case.watch(provider, Wanted::default(), &mut |rest| rest.min(size), change);
        assert_eq!(again.background, whole.background, "in pieces of {size}");
        assert_eq!(again.observation.outcome, whole.observation.outcome, "in pieces of {size}");
    }
    whole
}

fn spent(background: Option<Background>) -> Spent {
    match background {
        Some(Background::Over(spent)) => *spent,
        other => panic!("it is over: {other:?}"),
    }
}

/// How the exchange went otherwise.
type Change = fn(&mut Exchange);

fn left(exchange: &mut Exchange) {
    exchange.end = End::Cancelled;
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[test]
fn what_is_not_over_when_it_is_asked_for_is_begun() {
    let none = Value::Null;
    let begun = [("response.created", response("queued", &none))];
    let over = [begun[0].clone(), ("response.completed", response("completed", &said()))];
    let own = json!({"background": false});
    let foreground = [("response.created", response("in_progress", &own))];
    let stays: Change = |_| {};
    let rows = [
        ("queued", bytes(&response("queued", &none)), stays, true),
        // A host that does not repeat what was asked.
        ("in progress", bytes(&response("in_progress", &json!({"background": null}))), stays, true),
        ("at once", bytes(&response("completed", &said())), stays, false),
        ("the client leaves its stream", stream(&begun), left, true),
        ("the client stays", stream(&over), stays, false),
        ("a stream that ends with its client", stream(&foreground), left, false),
    ];
    for (name, answer, change, begun) in rows {
        let seen = conclude(&ask(answer), change);
        assert_eq!(seen.background, begun.then_some(Background::Begun), "{name}");
        assert_eq!(seen.observation.response.id.as_deref(), Some("resp_1"), "{name}");
        if begun {
            assert!(!seen.observation.usage.is_known() && seen.texts.answered.is_none(), "{name}");
        }
    }
}

#[test]
fn a_fetch_tells_usage_and_outcome_apart() {
    let rows = [
        ("completed", said(), None, None, Some(30)),
        (
            "failed",
            json!({"error": {"code": "server_error", "message": "x"}, "usage": null}),
            Some("server_error"),
            Some("server_error"),
            None,
        ),
        (
            "incomplete",
            json!({"incomplete_details": {"reason": "max_output_tokens"}, "usage": used()}),
            Some("truncated"),
            None,
            Some(30),
        ),
        (
            "incomplete",
            json!({"incomplete_details": {"reason": "content_filter"}, "usage": used()}),
            Some("content_filter"),
            None,
            Some(30),
        ),
        ("cancelled", json!({}), Some("client_cancelled"), None, None),
    ];
    for (status, more, category, error, input) in rows {
        let body = bytes(&response(status, &more));
        let cancel = case(Method::POST, "/v1/responses/resp_1/cancel", body.clone());
        for case in [fetch(body.clone()), cancel] {
            let Concluded { observation: seen, background, .. } = conclude(&case, |_| {});
            assert_eq!(seen.usage.source, Source::Missing, "{status}");
            assert!(!seen.usage.is_known() && seen.outcome.category.is_none(), "{status}");
            assert_eq!(seen.request.api, Some("responses"), "{status}");
            let Spent { usage, outcome } = spent(background);
            assert_eq!(usage.input_tokens(), input, "{status}");
            assert_eq!(outcome.category.map(|one| one.name()), category, "{status}");
            assert_eq!(outcome.error.as_ref().map(|one| one.as_str()), error, "{status}");
            if input.is_some() {
                assert_eq!(
                    (usage.source, usage.reasoning),
                    (Source::Provider, Some(4)),
                    "{status}"
                );
            }
        }
    }
}

#[test]
fn a_fetch_of_what_is_not_over_tells_nothing() {
    for status in ["queued", "in_progress", "something new"] {
        let seen = conclude(&fetch(bytes(&response(status, &Value::Null))), |_| {});
        assert_eq!(seen.background, Some(Background::Open), "{status}");
        assert_eq!(seen.observation.outcome.category, None, "{status}");
    }
}

#[test]
fn a_stream_that_is_resumed_tells_it_with_its_last_event() {
    let delta = b"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"lo\"}\n\n";
    let end = stream(&[("response.completed", response("completed", &said()))]);
    let whole = [delta.as_slice(), &end].concat();
    // SDKs leave behind the last event.
    for change in [|_: &mut Exchange| {}, left] {
        let seen = conclude(&fetch(whole.clone()), change);
        assert_eq!(spent(seen.background).usage.output_tokens(), Some(9));
        assert!(seen.observation.stream && seen.observation.outcome.category.is_none());
        // The words are old: they have no time to the first of them.
        assert_eq!(seen.observation.times.first_token, None);
    }
    let cut = conclude(&fetch(delta.to_vec()), |_| {});
    assert_eq!(cut.background, Some(Background::Open));
    let category = cut.observation.outcome.category.map(|category| category.name());
    assert_eq!(category, Some("stream_cut"));
}

#[test]
fn a_fetch_that_fails_is_its_own_failure() {
    let error = br#"{"error":{"message":"Response with id 'resp_1' not found.","type":"invalid_request_error","code":null}}"#;
    let case = Case { status: StatusCode::NOT_FOUND, ..fetch(error.to_vec()) };
    let seen = conclude(&case, |_| {});
    assert_eq!(seen.background, Some(Background::Open));
    assert!(seen.observation.outcome.error.is_some());
    assert_eq!(seen.observation.response.id.as_deref(), Some("resp_1"), "the id of the request");
    let broken = conclude(&fetch(bytes(&response("completed", &said()))[..100].to_vec()), left);
    assert_eq!(broken.background, Some(Background::Open), "usage may come with another fetch");
}

/// Whoever serves the format.
#[test]
fn stored_responses_are_fetched_from_every_host_of_the_format() {
    for (kind, method, path, operation) in [
        ("openai", Method::GET, "/v1/responses/resp_1", Operation::FetchResponse),
        ("openai", Method::DELETE, "/v1/responses/resp_1", Operation::Other),
        ("openai", Method::GET, "/v1/responses/resp_1/input_items", Operation::Other),
        ("openai", Method::POST, "/v1/responses/resp_1/cancel", Operation::FetchResponse),
        ("azure", Method::GET, "/openai/v1/responses/resp_1", Operation::FetchResponse),
        ("vllm", Method::POST, "/v1/responses/resp_1/cancel", Operation::FetchResponse),
    ] {
        let case = Case { kind: kind.to_owned(), ..case(method, path, Vec::new()) };
        assert_eq!(case.provider().matched(case.head()).operation, operation, "{kind} {path}");
    }
}
