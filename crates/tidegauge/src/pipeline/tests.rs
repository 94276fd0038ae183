//! Every exchange becomes a record or a counted loss.

use std::sync::Mutex;
use std::sync::mpsc::SyncSender as Gate;

use http::Method;
use tidegauge_core::{Head, Operation};

use super::*;
use crate::testing::{exchange, upstream};

/// Notes what it is shown; waits for the gate, if there is one, each time.
#[derive(Default)]
struct Notes {
    seen: Mutex<Vec<Record>>,
    entered: AtomicBool,
    gate: Option<Mutex<Receiver<()>>>,
}

impl Sink for Notes {
    fn record(&self, record: &Record) {
        self.entered.store(true, Ordering::Relaxed);
        if let Some(gate) = &self.gate {
            let _ = gate.lock().unwrap().recv();
        }
        self.seen.lock().unwrap().push(record.clone());
    }
}

struct Broken;

impl Sink for Broken {
    fn record(&self, _: &Record) {
        panic!("a sink breaks");
    }
}

fn gated() -> (Arc<Notes>, Gate<()>) {
    let (open, gate) = sync_channel(0);
    (Arc::new(Notes { gate: Some(Mutex::new(gate)), ..Notes::default() }), open)
}

fn pipeline(capacity: usize, sinks: Vec<Arc<dyn Sink>>) -> (Arc<Pipeline>, Arc<Health>) {
    let health = Arc::new(Health::default());
    let prices = Arc::new(ArcSwap::from_pointee(Prices::bundled()));
    let rules = Arc::new(ArcSwap::from_pointee(Rules::new(&[], false).unwrap()));
    let counted = Arc::clone(&health);
    let pipeline = Pipeline::start(Plant {
        capacity,
        estimates: true,
        prices,
        rules,
        sinks,
        journal: None,
        health: counted,
    })
    .unwrap();
    (pipeline, health)
}

fn begin(pipeline: &Pipeline) -> Box<dyn Observe> {
    let upstream = upstream();
    let headers = HeaderMap::new();
    let head = Head {
        method: &Method::POST,
        path: "/v1/chat/completions",
        query: None,
        headers: &headers,
    };
    let exchange = exchange();
    let operation = Operation::Chat;
    pipeline.begin(Begin { exchange: &exchange, upstream: &upstream, operation, head })
}

fn lost(health: &Health) -> Vec<(&'static str, u64)> {
    let counted = Dropped::ALL.iter().map(|why| (why.name(), health.records_lost(*why)));
    counted.filter(|(_, count)| *count > 0).collect()
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn every_exchange_becomes_a_record_for_every_sink() {
    let (one, two) = (Arc::new(Notes::default()), Arc::new(Notes::default()));
    let (pipeline, health) = pipeline(16, vec![Arc::clone(&one) as _, Arc::clone(&two) as _]);
    for _ in 0..10 {
        begin(&pipeline).end(exchange());
    }
    pipeline.shutdown(LONG);
    assert_eq!((health.records(), lost(&health)), (10, vec![]));
    assert_eq!((one.seen.lock().unwrap().len(), two.seen.lock().unwrap().len()), (10, 10));
}

/// SDKs close a stream when they have read its last event, which may be before its last byte.
#[test]
fn who_leaves_behind_the_last_event_had_all_of_it() {
    let notes = Arc::new(Notes::default());
    let (pipeline, _) = pipeline(16, vec![Arc::clone(&notes) as _]);
    let mut ends = Vec::new();
    let chunk = r#"data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#;
    for (events, end) in [
        (chunk.to_owned() + "\n\ndata: [DONE]\n\n", End::Complete),
        (chunk.to_owned() + "\n\n", End::Cancelled),
    ] {
        let mut observe = begin(&pipeline);
        let headers = HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("text/event-stream"),
        )]);
        observe.response_head(Duration::ZERO, StatusCode::OK, &headers);
        observe.response(Duration::ZERO, &Bytes::from(events));
        observe.end(Exchange { end: End::Cancelled, ..exchange() });
        ends.push(end);
    }
    pipeline.shutdown(LONG);
    let seen: Vec<_> = notes.seen.lock().unwrap().iter().map(|r| r.exchange.end).collect();
    assert_eq!(seen, ends);
}

#[test]
fn a_full_channel_loses_records_and_counts_them() {
    let (notes, open) = gated();
    let (pipeline, health) = pipeline(2, vec![Arc::clone(&notes) as _]);
    // One is with the sink, two wait, and there is no room for the others.
    for _ in 0..10 {
        begin(&pipeline).end(exchange());
    }
    drop(open);
    pipeline.shutdown(LONG);
    let (made, gone) = (health.records(), health.records_lost(Dropped::QueueFull));
    assert_eq!(lost(&health), [("queue_full", gone)]);
    assert_eq!(made + gone, 10);
    assert!((2..=3).contains(&made), "{made}");
    assert_eq!(notes.seen.lock().unwrap().len() as u64, made);
}

#[test]
fn a_panic_costs_one_record_and_is_counted() {
    let notes = Arc::new(Notes::default());
    let health = Arc::new(Health::default());
    let make = |finished: Finished, tools: &Tools<'_>| {
        assert!(finished.exchange.request_bytes != 13, "the reader breaks");
        records(finished, tools)
    };
    let rules = Arc::new(ArcSwap::from_pointee(Rules::new(&[], false).unwrap()));
    let prices = Arc::new(ArcSwap::from_pointee(Prices::bundled()));
    let sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(Broken), Arc::clone(&notes) as _];
    let (capacity, estimates, journal) = (16, true, None);
    let counted = Arc::clone(&health);
    let plant = Plant { capacity, estimates, prices, rules, sinks, journal, health: counted };
    let pipeline = Pipeline::start_with(make, plant).unwrap();
    for bytes in [1, 13, 2] {
        begin(&pipeline).end(Exchange { request_bytes: bytes, ..exchange() });
    }
    pipeline.shutdown(LONG);
    assert_eq!((health.records(), lost(&health)), (2, vec![("panic", 1)]));
    assert_eq!((health.panics(Task::Pipeline), health.panics(Task::Sink)), (1, 2));
    assert_eq!(notes.seen.lock().unwrap().len(), 2);
}

#[test]
fn what_is_not_settled_by_the_deadline_is_counted() {
    let (notes, open) = gated();
    let (pipeline, health) = pipeline(16, vec![Arc::clone(&notes) as _]);
    for _ in 0..5 {
        begin(&pipeline).end(exchange());
    }
    while !notes.entered.load(Ordering::Relaxed) {
        thread::yield_now();
    }
    let late = begin(&pipeline);
    let closing = {
        let pipeline = Arc::clone(&pipeline);
        thread::spawn(move || pipeline.shutdown(Duration::ZERO))
    };
    // The sink comes back only after the deadline.
    while !pipeline.late.load(Ordering::Relaxed) {
        thread::yield_now();
    }
    drop(open);
    closing.join().unwrap();
    late.end(exchange());
    begin(&pipeline).end(exchange());
    // The one with the sink is made; four waited, one was open, one came after.
    while health.records() + health.records_lost(Dropped::ShutdownDeadline) < 7 {
        thread::yield_now();
    }
    assert_eq!((health.records(), lost(&health)), (1, vec![("shutdown_deadline", 6)]));
}

#[test]
fn what_headers_tell_wins_over_what_the_body_tells() {
    let notes = Arc::new(Notes::default());
    let (pipeline, _) = pipeline(16, vec![Arc::clone(&notes) as _]);
    let mut observe = begin(&pipeline);
    let body = br#"{"model":"gpt-4o-mini","user":"from-body","messages":[]}"#;
    observe.request(Duration::ZERO, &Bytes::from_static(body));
    let mut seen = exchange();
    seen.labels.session = Some("from-header".to_owned());
    observe.end(seen);
    pipeline.shutdown(LONG);
    let seen = notes.seen.lock().unwrap();
    let labels = &seen[0].who;
    assert_eq!(labels.session.as_deref(), Some("from-header"));
    assert_eq!(labels.user.as_deref(), Some("from-body"));
}

/// A session with one turn that is over and one that is open.
fn session(pipeline: &Pipeline) -> Box<dyn Observe> {
    let upstream = upstream();
    let headers = HeaderMap::new();
    let head = Head {
        method: &Method::GET,
        path: "/v1/realtime",
        query: Some("model=gpt-realtime"),
        headers: &headers,
    };
    let operation = Operation::Realtime;
    let exchange = Exchange { operation, ..exchange() };
    let begin = Begin { exchange: &exchange, upstream: &upstream, operation, head };
    let mut observe = pipeline.begin(begin);
    observe.response_head(Duration::ZERO, StatusCode::SWITCHING_PROTOCOLS, &headers);
    assert!(observe.switched(&exchange));
    let say = |observe: &mut Box<dyn Observe>, text: &str| {
        let frame = [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        observe.response(Duration::from_millis(5), &Bytes::from(frame));
    };
    say(&mut observe, r#"{"type":"response.created","response":{"id":"r1"}}"#);
    say(&mut observe, r#"{"type":"response.done","response":{"id":"r1","status":"completed"}}"#);
    say(&mut observe, r#"{"type":"response.created","response":{"id":"r2"}}"#);
    say(&mut observe, "no json");
    observe
}

fn turns(health: &Health) -> (u64, u64, u64) {
    let lost = Dropped::ALL.iter().map(|why| health.turns_lost(*why)).sum();
    (health.turns(), health.turns_recorded(), lost)
}

#[test]
fn a_turn_is_a_record_before_its_session_is() {
    let notes = Arc::new(Notes::default());
    let (pipeline, health) = pipeline(16, vec![Arc::clone(&notes) as _]);
    let open = session(&pipeline);
    while notes.seen.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    assert_eq!((health.records(), health.turns(), health.messages_skipped()), (0, 1, 1));
    open.end(Exchange { operation: Operation::Realtime, ..exchange() });
    pipeline.shutdown(LONG);
    assert_eq!((health.records(), turns(&health)), (1, (2, 2, 0)));
    let seen = notes.seen.lock().unwrap();
    let ids: Vec<_> = seen.iter().map(|one| one.observation.response.id.as_deref()).collect();
    assert_eq!(ids, [Some("r1"), Some("r2"), None]);
    assert_eq!((seen[2].observation.turns, seen[2].session()), (Some(2), None));
    let spans: Vec<_> = seen.iter().map(|one| one.exchange.trace.inference).collect();
    assert!(spans[0] != spans[1] && spans[1] != spans[2] && spans[0] != spans[2]);
    for turn in &seen[..2] {
        let kind = RecordKind::Turn { of: seen[2].exchange.id, parent: spans[2] };
        assert_eq!(turn.kind, kind);
        assert_eq!((turn.exchange.operation, turn.exchange.attempts.len()), (Operation::Chat, 0));
        assert_eq!(turn.exchange.trace.trace_id, seen[2].exchange.trace.trace_id);
    }
}

#[test]
fn lost_turns_are_counted_apart() {
    let (notes, open) = gated();
    let (pipeline, health) = pipeline(1, vec![Arc::clone(&notes) as _]);
    // One waits in the channel at most, and one is with the sink.
    for _ in 0..5 {
        session(&pipeline).end(Exchange { operation: Operation::Realtime, ..exchange() });
    }
    drop(open);
    pipeline.shutdown(LONG);
    session(&pipeline).end(Exchange { operation: Operation::Realtime, ..exchange() });
    let (over, made, lost) = turns(&health);
    assert_eq!((over, made + lost), (12, 12));
    let records_lost: u64 = Dropped::ALL.iter().map(|why| health.records_lost(*why)).sum();
    assert_eq!(health.records() + records_lost, 6);
    assert!(lost > 0 && records_lost > 0);
}
