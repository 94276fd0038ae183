//! Sessions over websockets: bytes of both directions in, turns and a session out.

use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tidegauge_core::{End, Exchange, Failure, Observation, Operation};
use tidegauge_wire::testing::frame;
use tidegauge_wire::{Socket, Turn, provider};

use crate::exchange::{Case, exchange, headers};
use crate::recordings::of_kind;

mod words;

/// One thing that happens on a socket.
#[derive(Clone, Debug)]
enum Step {
    Client(Value),
    Server(Value),
    ClientCloses(u16),
    ServerCloses(u16, &'static str),
    ClientEnds,
    ServerEnds,
}

use Step::{Client, ClientCloses, ClientEnds, Server, ServerCloses, ServerEnds};

/// What came of a session.
#[derive(Debug)]
struct Seen {
    turns: Vec<(Turned, Observation)>,
    session: Observation,
    exchange: Exchange,
}

/// What of a turn the data plane is told.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Turned {
    operation: Operation,
    began: u64,
    ended: u64,
    end: End,
}

/// The first bits of a message in one frame.
const WHOLE: u8 = 0x80;

fn close(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes()[..], reason.as_bytes()].concat()
}

fn socket_case(kind: &str, target: &str) -> Case {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Case {
        kind: kind.to_owned(),
        method: Method::GET,
        path: path.to_owned(),
        query,
        request_headers: headers([("upgrade", "websocket")]),
        request: Vec::new(),
        status: StatusCode::SWITCHING_PROTOCOLS,
        headers: HeaderMap::new(),
        response: Vec::new(),
    }
}

/// Plays the steps, a millisecond each, in pieces of `size` bytes.
fn play(kind: &str, target: &str, steps: &[Step], size: usize) -> Seen {
    play_as(kind, target, steps, size, |_| {})
}

fn play_as(
    kind: &str,
    target: &str,
    steps: &[Step],
    size: usize,
    change: impl FnOnce(&mut Exchange),
) -> Seen {
    let provider = provider(kind).expect("a provider");
    let case = socket_case(kind, target);
    let mut exchange = exchange(provider, &case);
    exchange.operation = provider.matched(case.head()).operation;
    exchange.times.ended = Duration::from_millis(steps.len() as u64 + 1);
    let mut socket = Socket::new(provider, case.head()).expect("a socket that is known");
    socket.agreed(&headers([("x-request-id", "req_1")]));
    let mut turns = feed(&mut socket, steps, size);
    change(&mut exchange);
    let (rest, session) = socket.finish(&mut exchange);
    turns.extend(rest);
    let turns = turns.into_iter().map(|turn| conclude(turn, &exchange)).collect();
    Seen { turns, session, exchange }
}

/// Shows a socket the steps; the turns that ended.
fn feed(socket: &mut Socket, steps: &[Step], size: usize) -> Vec<Turn> {
    let mut turns = Vec::new();
    for (step, millis) in steps.iter().zip(1..) {
        let at = Duration::from_millis(millis);
        let (client, bytes) = match step {
            Client(value) => (true, frame(WHOLE, 1, true, value.to_string().as_bytes())),
            Server(value) => (false, frame(WHOLE, 2, false, value.to_string().as_bytes())),
            ClientCloses(code) => (true, frame(WHOLE, 8, true, &close(*code, ""))),
            ServerCloses(code, reason) => (false, frame(WHOLE, 8, false, &close(*code, reason))),
            ClientEnds | ServerEnds => (matches!(step, ClientEnds), Vec::new()),
        };
        let show = if client { Socket::client } else { Socket::server };
        if bytes.is_empty() {
            show(socket, at, &[]);
        }
        bytes.chunks(size).for_each(|piece| show(socket, at, piece));
        turns.extend(socket.turns());
    }
    turns
}

fn conclude(turn: Turn, session: &Exchange) -> (Turned, Observation) {
    let millis = |at: Duration| at.as_millis() as u64;
    let told = Turned {
        operation: turn.operation,
        began: millis(turn.began),
        ended: millis(turn.ended),
        end: turn.end,
    };
    let own = Exchange { end: turn.end, failure: turn.failure, ..session.clone() };
    (told, turn.finish(&own))
}

fn told(seen: &Observation) -> Value {
    let (request, response, usage) = (&seen.request, &seen.response, &seen.usage);
    let millis = |at: Option<Duration>| at.map(|at| at.as_millis() as u64);
    json!({
        "model": request.model, "answered_by": response.model, "id": response.id,
        "finish": response.finish_reasons, "calls": response.tool_calls,
        "bad_calls": response.bad_tool_calls, "output": response.output,
        "output_type": request.output_type.map(|kind| kind.name()), "api": request.api,
        "tools": request.tools, "messages": request.messages, "max_tokens": request.max_tokens,
        "in": usage.input_tokens(), "out": usage.output_tokens(), "cached": usage.cache_read_tokens(),
        "audio_in": usage.input_audio, "audio_out": usage.output_audio, "image_in": usage.input_image,
        "cached_audio": usage.cache_read_audio, "text_in": usage.input, "text_out": usage.output,
        "seconds": usage.audio_seconds, "source": usage.source.name(),
        "first_token": millis(seen.times.first_token), "last_token": millis(seen.times.last_token),
        "category": seen.outcome.category.map(|category| category.name()),
        "error": seen.outcome.error.as_ref().map(|error| error.as_str()),
        "status": response.status.map(|status| status.as_u16()), "partial": seen.partial,
        "turns": seen.turns,
    })
}

/// Plays the steps in pieces of several sizes; what comes of it must be the same, and hold what is
/// wanted of the turns and the session.
#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn check(name: &str, kind: &str, target: &str, steps: &[Step], turns: &[Value], session: Value) {
    let seen = play(kind, target, steps, usize::MAX);
    let all = |seen: &Seen| -> Vec<_> { seen.turns.iter().map(|(_, turn)| told(turn)).collect() };
    for size in [1, 2, 7, 100] {
        let again = play(kind, target, steps, size);
        assert_eq!(all(&again), all(&seen), "{name} in pieces of {size}");
        assert_eq!(told(&again.session), told(&seen.session), "{name} in pieces of {size}");
    }
    assert_eq!(seen.turns.len(), turns.len(), "{name}: {:#?}", all(&seen));
    let hold = |got: &Value, want: &Value| {
        for (field, want) in want.as_object().expect("wanted fields") {
            assert_eq!(&got[field], want, "{name}: {field} in {got:#}");
        }
    };
    for ((_, turn), want) in seen.turns.iter().zip(turns) {
        hold(&told(turn), want);
    }
    let session_told = told(&seen.session);
    hold(
        &session_told,
        &json!({"turns": turns.len(), "source": "missing", "in": null, "out": null}),
    );
    hold(&session_told, &session);
}

fn ask() -> Step {
    Client(json!({"type": "response.create"}))
}

fn created(id: &str) -> Step {
    Server(json!({"type": "response.created", "response": {"id": id, "status": "in_progress"}}))
}

fn delta(id: &str, text: &str) -> Step {
    Server(json!({"type": "response.output_text.delta", "response_id": id, "delta": text}))
}

fn usage(input: u64, output: u64) -> Value {
    json!({"total_tokens": input + output, "input_tokens": input, "output_tokens": output})
}

fn done(id: &str, input: u64, output: u64) -> Step {
    Server(json!({"type": "response.done", "response": {"id": id, "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "hi"}]}],
        "usage": usage(input, output)}}))
}

fn hello() -> Step {
    Server(json!({"type": "session.created", "session": {"id": "sess_1", "model": "gpt-realtime",
        "output_modalities": ["audio"], "max_output_tokens": "inf", "tools": []}}))
}

const REALTIME: &str = "/v1/realtime?model=gpt-realtime-mini";
const BYE: Step = ClientCloses(1000);

#[test]
fn each_response_of_a_conversation_is_a_turn() {
    let steps = [
        hello(),
        ask(),
        created("r1"),
        delta("r1", "hel"),
        delta("r1", "lo"),
        done("r1", 10, 4),
        ask(),
        created("r2"),
        delta("r2", "x"),
        done("r2", 20, 1),
        BYE,
    ];
    let one = json!({"model": "gpt-realtime-mini", "answered_by": "gpt-realtime", "id": "r1",
        "finish": ["completed"], "in": 10, "out": 4, "source": "provider", "category": null,
        "output_type": "speech", "tools": 0, "max_tokens": null, "first_token": 2, "last_token": 3,
        "status": null, "turns": null});
    let two = json!({"id": "r2", "in": 20, "out": 1, "first_token": 2});
    let session = json!({"model": "gpt-realtime-mini", "answered_by": "gpt-realtime",
        "id": "sess_1", "category": null, "status": 101, "partial": false});
    check("two turns", "openai", REALTIME, &steps, &[one, two], session);
    let seen = play("openai", REALTIME, &steps, 9);
    let turned =
        |began, ended| Turned { operation: Operation::Chat, began, ended, end: End::Complete };
    assert_eq!(seen.turns[0].0, turned(2, 6));
    assert_eq!(seen.turns[1].0, turned(7, 10));
    assert_eq!(seen.session.response.request_id.as_deref(), Some("req_1"));
    assert_eq!(seen.exchange.operation, Operation::Realtime);
}

#[test]
fn kinds_of_tokens_are_told_apart() {
    let done = json!({"type": "response.done", "response": {"id": "r", "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_audio", "transcript": "hi"}]}],
        "usage": {"total_tokens": 253, "input_tokens": 132, "output_tokens": 121,
            "input_token_details": {"text_tokens": 60, "audio_tokens": 50, "image_tokens": 22, "cached_tokens": 70,
                "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 20, "image_tokens": 10}},
            "output_token_details": {"text_tokens": 30, "audio_tokens": 91}}}});
    let turn = json!({"in": 132, "out": 121, "text_in": 20, "audio_in": 30, "image_in": 12,
        "cached": 70, "cached_audio": 20, "text_out": 30, "audio_out": 91, "category": null});
    let steps = [ask(), created("r"), Server(done), BYE];
    check("tokens by kind", "openai", REALTIME, &steps, &[turn], json!({"category": null}));
}

/// The beta's names, and a deployment in the query.
#[test]
fn older_names_are_known() {
    let steps = [
        Server(
            json!({"type": "session.created", "session": {"id": "s", "model": "gpt-4o-realtime-preview",
            "modalities": ["text"], "max_response_output_tokens": 100}}),
        ),
        ask(),
        created("r"),
        Server(
            json!({"type": "response.audio_transcript.delta", "response_id": "r", "delta": "a"}),
        ),
        Server(json!({"type": "response.audio.delta", "response_id": "r", "delta": "AAAA"})),
        Server(json!({"type": "response.text.delta", "response_id": "r", "delta": "b"})),
        done("r", 1, 2),
        BYE,
    ];
    let turn = json!({"model": "my voice", "answered_by": "gpt-4o-realtime-preview",
        "output_type": "text", "max_tokens": 100, "first_token": 2, "last_token": 4, "in": 1});
    let path = "/openai/realtime?api-version=2024-10-01-preview&deployment=my%20voice";
    check("the beta", "azure", path, &steps, &[turn], json!({}));
}

/// Nobody asks where the server hears when somebody has spoken: it counts from there.
#[test]
fn a_spoken_turn_counts_from_its_end() {
    let steps = [
        hello(),
        Client(json!({"type": "input_audio_buffer.append", "audio": "AAAA"})),
        Server(json!({"type": "input_audio_buffer.committed", "item_id": "i"})),
        created("r"),
        Server(json!({"type": "response.output_audio.delta", "response_id": "r", "delta": "AAAA"})),
        done("r", 5, 6),
        created("unasked"),
        delta("unasked", "x"),
        done("unasked", 7, 8),
        BYE,
    ];
    let turns = [json!({"first_token": 2}), json!({"first_token": null, "in": 7})];
    check("speech", "openai", REALTIME, &steps, &turns, json!({}));
    let seen = play("openai", REALTIME, &steps, 9);
    assert_eq!((seen.turns[0].0.began, seen.turns[0].0.ended), (3, 6));
    assert_eq!((seen.turns[1].0.began, seen.turns[1].0.ended), (7, 9));
}

/// Another model does it, and counts by itself.
#[test]
fn what_was_heard_is_a_turn_of_its_own_kind() {
    let session = json!({"id": "s", "model": "gpt-realtime",
        "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}}});
    let heard = |usage: Value| {
        Server(json!({"type": "conversation.item.input_audio_transcription.completed",
            "transcript": "hello", "usage": usage}))
    };
    let steps = [
        Server(json!({"type": "session.updated", "session": session})),
        Server(json!({"type": "input_audio_buffer.committed"})),
        heard(json!({"type": "duration", "seconds": 3})),
        heard(json!({"type": "tokens", "total_tokens": 31, "input_tokens": 27, "output_tokens": 4,
            "input_token_details": {"text_tokens": 0, "audio_tokens": 27}})),
        BYE,
    ];
    let turns = [
        json!({"model": "gpt-4o-transcribe", "seconds": 3.0, "in": null, "source": "provider"}),
        json!({"model": "gpt-4o-transcribe", "in": 27, "audio_in": 27, "out": 4}),
    ];
    check("transcription", "openai", REALTIME, &steps, &turns, json!({"category": null}));
    let seen = play("openai", REALTIME, &steps, 9);
    let operations: Vec<_> = seen.turns.iter().map(|(turn, _)| turn.operation).collect();
    assert_eq!(operations, [Operation::Transcription; 2]);
}

#[test]
fn how_a_turn_ends_is_told() {
    let ends = |status: &str, details: Value| {
        let done = json!({"type": "response.done", "response": {"id": "r", "status": status,
            "status_details": details, "output": [], "usage": usage(3, 1)}});
        [ask(), created("r"), delta("r", "x"), Server(done), BYE]
    };
    let rows = [
        (
            "cancelled",
            json!({"reason": "turn_detected"}),
            json!({"finish": ["turn_detected"], "category": "client_cancelled", "error": null}),
        ),
        (
            "cancelled",
            json!({"reason": "client_cancelled"}),
            json!({"finish": ["client_cancelled"], "category": "client_cancelled"}),
        ),
        (
            "incomplete",
            json!({"reason": "max_output_tokens"}),
            json!({"finish": ["max_output_tokens"], "category": "truncated", "error": null}),
        ),
        (
            "incomplete",
            json!({"reason": "content_filter"}),
            json!({"category": "content_filter", "error": null}),
        ),
        (
            "failed",
            json!({"type": "failed", "error": {"type": "server_error", "code": "rate_limit_exceeded"}}),
            json!({"finish": ["failed"], "category": "rate_limit", "error": "rate_limit_exceeded", "in": 3}),
        ),
        ("failed", Value::Null, json!({"category": "server_error"})),
    ];
    for (status, details, want) in rows {
        let steps = ends(status, details);
        check(status, "openai", REALTIME, &steps, &[want], json!({"category": null}));
    }
}

#[test]
fn tool_calls_are_counted_once_and_their_arguments_checked() {
    let item = |arguments: &str| json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments});
    let done = |items: Value| {
        Server(json!({"type": "response.done", "response": {"id": "r", "status": "completed",
            "output": items, "usage": usage(3, 1)}}))
    };
    let piece = Server(
        json!({"type": "response.function_call_arguments.delta", "response_id": "r", "delta": "{"}),
    );
    let item_done = Server(
        json!({"type": "response.output_item.done", "response_id": "r", "item": item("{}")}),
    );
    let streamed = [ask(), created("r"), piece, item_done, done(json!([item("{}")])), BYE];
    let want = json!({"calls": 1, "bad_calls": 0, "category": null, "first_token": 2});
    check("streamed", "openai", REALTIME, &streamed, &[want], json!({}));
    let whole = [ask(), created("r"), done(json!([item("{}"), item("{not json")])), BYE];
    let want = json!({"calls": 2, "bad_calls": 1, "category": "tool_failure"});
    check("whole", "openai", REALTIME, &whole, &[want], json!({}));
}

#[test]
fn an_error_belongs_to_the_message_it_names() {
    let error = |id: Value| {
        Server(json!({"type": "error", "error": {"type": "invalid_request_error",
            "code": "invalid_value", "message": "no", "event_id": id}}))
    };
    let named = Client(json!({"type": "response.create", "event_id": "mine"}));
    let refused = json!({"category": "invalid_request", "error": "invalid_value", "in": null});
    let steps = [named.clone(), error(json!("mine")), ask(), created("r"), done("r", 1, 2), BYE];
    let turns = [refused.clone(), json!({"in": 1, "category": null})];
    check("named", "openai", REALTIME, &steps, &turns, json!({"category": null}));
    let steps = [ask(), error(Value::Null), BYE];
    check("unnamed", "openai", REALTIME, &steps, &[refused], json!({"category": null}));
    // One about something else is no turn's and does not end the session.
    let steps = [named, error(json!("other")), created("r"), done("r", 1, 2), BYE];
    check(
        "another",
        "openai",
        REALTIME,
        &steps,
        &[json!({"in": 1, "category": null})],
        json!({"category": null}),
    );
}

/// Out-of-band responses run beside each other. What finds no room is told by its last event.
#[test]
fn turns_may_overlap_and_none_is_lost() {
    let mut steps = vec![hello()];
    for number in 0..12 {
        steps.push(ask());
        steps.push(created(&format!("r{number}")));
    }
    for number in 0..12 {
        let id = format!("r{number}");
        steps.push(delta(&id, "x"));
        steps.push(done(&id, 100 + number, 1));
    }
    steps.push(BYE);
    let turns: Vec<Value> = (0..12)
        .map(|number| json!({"id": format!("r{number}"), "in": 100 + number, "category": null}))
        .collect();
    check("twelve at once", "openai", REALTIME, &steps, &turns, json!({"partial": false}));
}

#[test]
fn an_end_cuts_what_is_open() {
    let before = [hello(), ask(), created("r"), delta("r", "x")];
    let with = |ends: &[Step]| [&before[..], ends].concat();
    let cut = json!({"category": "stream_cut", "error": "stream_cut", "source": "missing"});
    let left = json!({"category": "client_cancelled", "error": null});
    let fine = json!({"category": null});
    let rows: &[(&str, &[Step], &Value, &Value)] = &[
        (
            "the client closes",
            &[ClientCloses(1000), ServerCloses(1000, ""), ServerEnds, ClientEnds],
            &left,
            &fine,
        ),
        ("the client vanishes", &[ClientEnds, ServerEnds], &left, &left),
        (
            "the server closes",
            &[ServerCloses(1000, ""), ClientCloses(1000), ServerEnds],
            &cut,
            &fine,
        ),
        ("the server goes away", &[ServerCloses(1001, "")], &cut, &fine),
        (
            "the server vanishes",
            &[ServerEnds, ClientEnds],
            &cut,
            &json!({"category": "stream_cut", "error": "stream_cut"}),
        ),
        (
            "the server breaks",
            &[ServerCloses(1011, "")],
            &cut,
            &json!({"category": "server_error", "error": "close_1011"}),
        ),
        (
            "too much",
            &[ServerCloses(1013, "try again later")],
            &cut,
            &json!({"category": "overloaded", "error": "close_1013"}),
        ),
        (
            "too large",
            &[ServerCloses(1009, "")],
            &cut,
            &json!({"category": "request_too_large", "error": "close_1009"}),
        ),
        (
            "its own code",
            &[ServerCloses(4000, "")],
            &cut,
            &json!({"category": "server_error", "error": "close_4000"}),
        ),
        (
            "a reason",
            &[ServerCloses(1008, "Quota exceeded: insufficient_quota")],
            &cut,
            &json!({"error": "close_1008", "category": "rate_limit"}),
        ),
        (
            "a reason",
            &[ServerCloses(1007, "models/x is not found for API version v1beta")],
            &cut,
            &json!({"category": "model_not_found"}),
        ),
    ];
    for (name, ends, turn, session) in rows {
        check(
            name,
            "openai",
            REALTIME,
            &with(ends),
            std::slice::from_ref(turn),
            (*session).clone(),
        );
    }
    // A request that was not answered at all is a turn too.
    check("unanswered", "openai", REALTIME, &[ask(), ServerEnds], &[cut], json!({}));
}

#[test]
fn how_the_connection_ends_counts_where_nobody_closed() {
    let steps = [hello(), ask(), created("r")];
    let reset = |exchange: &mut Exchange| {
        (exchange.end, exchange.failure) = (End::Failed, Some(Failure::StreamCut));
    };
    let seen = play_as("openai", REALTIME, &steps, 9, reset);
    assert_eq!(told(&seen.session)["category"], "stream_cut");
    assert_eq!(told(&seen.turns[0].1)["category"], "stream_cut");
    let left = |exchange: &mut Exchange| exchange.end = End::Cancelled;
    let seen = play_as("openai", REALTIME, &steps, 9, left);
    assert_eq!(told(&seen.session)["category"], "client_cancelled");
    assert_eq!((seen.turns[0].0.end, seen.exchange.end), (End::Cancelled, End::Cancelled));
    // Where somebody closed, it does not.
    let steps = [hello(), BYE];
    let seen = play_as("openai", REALTIME, &steps, 9, reset);
    assert_eq!((seen.exchange.end, seen.exchange.failure), (End::Complete, None));
    assert!(seen.session.outcome.category.is_none());
}

/// A key that is wrong is told on the socket, then it is closed.
#[test]
fn an_error_before_the_end_is_the_sessions() {
    let error = Server(json!({"type": "error", "error": {"type": "invalid_request_error",
        "code": "invalid_api_key", "message": "Incorrect API key provided"}}));
    for end in [ServerCloses(3000, "invalid_request_error"), ServerCloses(1000, ""), ServerEnds] {
        let session = json!({"category": "auth", "error": "invalid_api_key"});
        check("auth", "openai", REALTIME, &[error.clone(), end], &[], session);
    }
}

fn lasting(id: &str, usage: &Value) -> Vec<Step> {
    let response = |status: &str, usage: &Value| {
        json!({"id": id, "model": "gpt-5.5-2026-01-01", "status": status,
        "service_tier": "default", "output": [], "usage": usage})
    };
    vec![
        Server(
            json!({"type": "response.created", "sequence_number": 0, "response": response("in_progress", &Value::Null)}),
        ),
        Server(json!({"type": "response.output_text.delta", "sequence_number": 1, "delta": "hi"})),
        Server(
            json!({"type": "response.output_item.done", "item": {"type": "function_call", "arguments": "{}"}}),
        ),
        Server(
            json!({"type": "response.completed", "sequence_number": 2, "response": response("completed", usage)}),
        ),
    ]
}

#[test]
fn responses_over_a_lasting_socket() {
    let create = |extra: Value| {
        let mut message = json!({"type": "response.create", "model": "gpt-5.5", "input": [{}, {}], "tools": [{}],
            "metadata": {"team": "search"}, "max_output_tokens": 64});
        message.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        Client(message)
    };
    let told = json!({"input_tokens": 30, "output_tokens": 9, "total_tokens": 39,
        "input_tokens_details": {"cached_tokens": 10}, "output_tokens_details": {"reasoning_tokens": 4}});
    let error =
        Server(json!({"type": "error", "status": 400, "error": {"type": "invalid_request_error",
        "code": "previous_response_not_found", "message": "not found"}}));
    let warm = Server(
        json!({"type": "response.completed", "response": {"id": "w", "status": "completed", "output": [],
        "usage": usage(5, 0)}}),
    );
    let mut steps = vec![create(json!({}))];
    steps.extend(lasting("resp_1", &told));
    steps.extend([create(json!({"previous_response_id": "gone"})), error.clone()]);
    steps.extend([create(json!({"generate": false})), warm]);
    steps.extend([create(json!({})), lasting("resp_2", &told).swap_remove(0), error, BYE]);
    let turns = [
        json!({"model": "gpt-5.5", "answered_by": "gpt-5.5-2026-01-01", "id": "resp_1", "in": 30, "cached": 10,
            "out": 9, "calls": 1, "messages": 2, "tools": 1, "max_tokens": 64, "api": "responses",
            "first_token": 2, "category": null, "finish": []}),
        json!({"category": "not_found", "error": "previous_response_not_found", "status": 400, "in": null}),
        json!({"id": "w", "in": 5, "category": null}),
        json!({"id": "resp_2", "status": 400, "category": "not_found"}),
    ];
    let session = json!({"model": "gpt-5.5", "category": null});
    check("lasting", "openai", "/v1/responses", &steps, &turns, session);
    let seen = play("openai", "/v1/responses", &steps, 9);
    assert_eq!(seen.turns[0].1.request.labels.tags["team"], "search");
    assert_eq!(seen.turns[1].1.request.previous_response_id.as_deref(), Some("gone"));
    assert_eq!(seen.exchange.operation, Operation::Realtime);
}

/// Several conversations may share a socket; each has a name of its own.
#[test]
fn lanes_of_a_lasting_socket_are_told_apart() {
    let on = |lane: &str, step: Step| match step {
        Client(mut value) => {
            value["stream_id"] = json!(lane);
            Client(value)
        }
        Server(mut value) => {
            value["stream_id"] = json!(lane);
            Server(value)
        }
        other => other,
    };
    let create = |lane| {
        on(lane, Client(json!({"type": "response.create", "model": "gpt-5.5", "input": "x"})))
    };
    let (one, two) = (lasting("r1", &usage(1, 2)), lasting("r2", &usage(3, 4)));
    let mut steps = vec![create("a"), create("b")];
    for (two, one) in two.into_iter().zip(one) {
        steps.extend([on("b", two), on("a", one)]);
    }
    steps.push(BYE);
    let turns = [json!({"id": "r2", "in": 3}), json!({"id": "r1", "in": 1})];
    check("lanes", "openai", "/v1/responses", &steps, &turns, json!({}));
    let seen = play("openai", "/v1/responses", &steps, 9);
    assert_eq!((seen.turns[0].0.began, seen.turns[1].0.began), (2, 1));
}

const LIVE: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn live(content: Value) -> Step {
    Server(json!({"serverContent": content}))
}

fn setup() -> Step {
    Client(
        json!({"setup": {"model": "models/gemini-live", "generationConfig": {"responseModalities": ["AUDIO"],
        "maxOutputTokens": 99}, "tools": [{"functionDeclarations": [{}, {}]}]}}),
    )
}

fn say() -> Step {
    Client(json!({"clientContent": {"turns": [{"parts": []}], "turnComplete": true}}))
}

fn figures(prompt: u64, response: u64) -> Value {
    json!({"promptTokenCount": prompt, "responseTokenCount": response, "totalTokenCount": prompt + response,
        "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": response - 1}, {"modality": "TEXT", "tokenCount": 1}]})
}

#[test]
fn the_live_api_speaks_in_turns() {
    let audio = json!({"modelTurn": {"parts": [{"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}]}});
    let complete =
        Server(json!({"serverContent": {"turnComplete": true}, "usageMetadata": figures(10, 5)}));
    let call = Server(
        json!({"toolCall": {"functionCalls": [{"id": "1", "name": "f", "args": {"a": 1}}]}}),
    );
    let result =
        Client(json!({"toolResponse": {"functionResponses": [{"id": "1", "response": {}}]}}));
    let steps = [
        setup(),
        Server(json!({"setupComplete": {"sessionId": "sess"}})),
        say(),
        live(audio.clone()),
        live(json!({"generationComplete": true})),
        complete.clone(),
        say(),
        call,
        result,
        live(json!({"outputTranscription": {"text": "hm"}})),
        complete,
        BYE,
    ];
    let turn = json!({"model": "gemini-live", "output_type": "speech", "tools": 2, "max_tokens": 99, "messages": 1,
        "in": 10, "out": 5, "audio_out": 4, "source": "provider", "category": null, "finish": []});
    let turns = [turn.clone(), turn];
    let session = json!({"model": "gemini-live", "id": "sess", "category": null, "partial": false});
    check("live", "gemini", LIVE, &steps, &turns, session.clone());
    let seen = play("gemini", LIVE, &steps, 9);
    assert_eq!(told(&seen.turns[0].1)["first_token"], 1);
    assert_eq!(told(&seen.turns[1].1)["calls"], 1);
    assert_eq!(seen.turns[1].0.operation, Operation::GenerateContent);
    let platform = "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent";
    check("live on the platform", "vertex", platform, &steps, &[json!({}), json!({})], session);
}

#[test]
fn figures_of_the_live_api_may_come_behind_the_end() {
    let late = Server(json!({"usageMetadata": figures(10, 5)}));
    let said = || live(json!({"modelTurn": {"parts": [{"text": "x"}]}}));
    let over = || live(json!({"turnComplete": true}));
    let steps = [
        setup(),
        say(),
        said(),
        over(),
        late.clone(),
        say(),
        said(),
        over(),
        said(),
        over(),
        late,
        BYE,
    ];
    let turns = [
        json!({"in": 10, "source": "provider"}),
        json!({"in": null, "source": "missing", "category": null}),
        json!({"in": 10, "first_token": null}),
    ];
    check("late figures", "gemini", LIVE, &steps, &turns, json!({}));
    // Nothing more comes: what was over stays so.
    let steps = [setup(), say(), said(), over(), ServerCloses(1011, "internal error")];
    let turn = json!({"category": null, "source": "missing"});
    check("no figures", "gemini", LIVE, &steps, &[turn], json!({"category": "server_error"}));
}

#[test]
fn a_live_turn_may_be_interrupted() {
    let steps = [
        setup(),
        Client(json!({"realtimeInput": {"audio": {"data": "AAAA"}}})),
        Client(json!({"realtimeInput": {"activityEnd": {}}})),
        live(json!({"modelTurn": {"parts": [{"text": "x"}]}})),
        live(json!({"interrupted": true})),
        Server(json!({"serverContent": {"turnComplete": true}, "usageMetadata": figures(10, 5)})),
        // Said after the turn, of nothing.
        live(json!({"turnComplete": true})),
        live(json!({"generationComplete": true})),
        BYE,
    ];
    let turn = json!({"finish": ["interrupted"], "category": "client_cancelled", "error": null, "in": 10, "first_token": 1});
    check("interrupted", "gemini", LIVE, &steps, &[turn], json!({}));
}

#[test]
fn what_is_no_message_of_the_protocol_does_no_harm() {
    let steps = [
        Client(json!("just text")),
        Server(json!([1, 2, 3])),
        Server(json!({"type": 7, "response": "x"})),
        Server(json!({"type": "response.created"})),
        Server(json!({"type": "response.done"})),
        Server(json!({"serverContent": [], "usageMetadata": {"promptTokenCount": "many"}})),
        BYE,
    ];
    for (kind, target) in [("openai", REALTIME), ("openai", "/v1/responses"), ("gemini", LIVE)] {
        let seen = play(kind, target, &steps, 3);
        assert!(seen.turns.len() <= 1, "{kind} {target}");
        assert!(!seen.session.partial);
    }
}

#[test]
fn only_known_sockets_are_read() {
    let rows = [
        ("openai", "/v1/realtime", true),
        ("openai", "/v1/responses", true),
        ("openai", "/v1/chat/completions", false),
        ("xai", "/v1/realtime", true),
        ("azure", "/openai/v1/realtime", true),
        ("azure", "/openai/v1/responses", true),
        ("gemini", LIVE, true),
        (
            "gemini",
            "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained",
            true,
        ),
        ("gemini", "/v1beta/models/x:generateContent", false),
        ("anthropic", "/v1/messages", false),
    ];
    for (kind, path, known) in rows {
        let provider = provider(kind).unwrap();
        let case = socket_case(kind, path);
        assert_eq!(Socket::new(provider, case.head()).is_some(), known, "{kind} {path}");
    }
    for (kind, path) in [
        ("gemini", LIVE),
        ("vertex", "/ws/google.cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"),
    ] {
        let case = socket_case(kind, path);
        let claims = |kind: &str| provider(kind).unwrap().claims(case.head());
        assert!(
            claims(kind) && !claims(if kind == "gemini" { "vertex" } else { "gemini" }),
            "{path}"
        );
    }
}

/// What happens in a recorded session, and where.
fn recorded(label: &str, recording: &Value) -> (&'static str, Vec<Step>) {
    let mut steps: Vec<Step> = recording["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let data = message["data"].clone();
            if message["direction"] == "sent" { Client(data) } else { Server(data) }
        })
        .collect();
    steps.push(BYE);
    (if label == "gemini" { LIVE } else { "/v1/realtime" }, steps)
}

/// Recorded sessions of real providers, in pieces of several sizes.
#[test]
fn recorded_sessions_read_as_expected() {
    for (label, recording) in of_kind("websocket") {
        let id = recording["id"].as_str().unwrap_or_default();
        let (target, steps) = recorded(&label, &recording);
        for size in [1, 13, 1400, usize::MAX] {
            let seen = play(&label, target, &steps, size);
            let responses: Vec<&Observation> = seen
                .turns
                .iter()
                .filter(|(turn, _)| turn.operation != Operation::Transcription)
                .map(|(_, turn)| turn)
                .collect();
            let expected = &recording["expected"];
            let wanted = expected["responses"].as_array().unwrap();
            assert_eq!(responses.len(), wanted.len(), "{label}/{id}");
            for (turn, want) in responses.iter().zip(wanted) {
                let got = told(turn);
                let pairs = [
                    ("input_tokens", "in"),
                    ("output_tokens", "out"),
                    ("cached_tokens", "cached"),
                    ("response_id", "id"),
                    ("audio_input_tokens", "audio_in"),
                    ("audio_output_tokens", "audio_out"),
                ];
                for (theirs, ours) in pairs {
                    if want.get(theirs).is_some() {
                        assert_eq!(got[ours], want[theirs], "{label}/{id} {theirs}: {got:#}");
                    }
                }
                if let Some(status) = want.get("status") {
                    assert_eq!(got["finish"], json!([status]), "{label}/{id}");
                }
                assert_eq!(got["answered_by"], expected["response_model"], "{label}/{id}");
                assert_eq!(
                    (&got["category"], &got["partial"]),
                    (&Value::Null, &json!(false)),
                    "{label}/{id}"
                );
                assert_eq!(
                    turn.usage.stated_total,
                    turn.usage.input_tokens().zip(turn.usage.output_tokens()).map(|(a, b)| a + b)
                );
            }
            assert!(
                seen.session.outcome.category.is_none() && !seen.session.partial,
                "{label}/{id}"
            );
        }
    }
}
