//! The wall clock jumps while the monotonic one goes on (F-43): when something began is told by the
//! one, how long it took by the other.
//!
//! libfaketime between the program and the system moves the wall clock, by a file that says how far.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::durable::balances;
use crate::support::answers::{HELLO, LAST_CHUNK, chunk, stream_head};
use crate::support::client::{Client, post};
use crate::support::collector::{Collector, Span};
use crate::support::metrics::Page;
use crate::support::program::{Program, Start};
use crate::support::say;
use crate::support::upstream::{Gate, Step, Upstream};

const HOUR: i64 = 3600;

/// The library that moves the clock; says why not where there is none.
fn faketime() -> Option<PathBuf> {
    let told = std::env::var_os("TIDEGAUGE_FAKETIME").map(PathBuf::from);
    let usual = std::env::consts::ARCH;
    let usual = format!("/usr/lib/{usual}-linux-gnu/faketime/libfaketimeMT.so.1");
    let library = told.unwrap_or_else(|| usual.into());
    if !library.is_file() {
        say("skipped: TIDEGAUGE_FAKETIME names no libfaketimeMT.so.1");
        return None;
    }
    Some(library)
}

/// A wall clock that is so many seconds off.
struct Wall(PathBuf);

impl Wall {
    fn of(folder: &Path) -> Self {
        let wall = Self(folder.join("wall"));
        wall.set(0);
        wall
    }

    /// The file is replaced and never half written.
    fn set(&self, off: i64) {
        let new = self.0.with_extension("new");
        std::fs::write(&new, format!("{off:+}\n")).expect("a file");
        std::fs::rename(new, &self.0).expect("a file");
    }
}

/// What the oracle knows of an exchange.
#[derive(Debug)]
struct Known {
    /// The true time before and after the request was sent.
    sent: (Duration, Duration),
    /// How far the program's wall clock was off then.
    off: i64,
    /// No less and no more than it took.
    took: (Duration, Duration),
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

/// One stream that begins when the wall clock is `off` and ends when it is `then` off.
async fn stream(program: &Program, clock: &Wall, gate: &Gate, off: i64, then: i64) -> Known {
    clock.set(off);
    let begin = Instant::now();
    let before = wall();
    let mut client = Client::connect(program.listen).await;
    let body = json!({"model": "gpt-4o-mini", "stream": true, "messages": []});
    client.write(&post("/openai/v1/chat/completions", &body)).await;
    client.read_to("Hello").await;
    // The request was read at some time up to here.
    let (after, read) = (wall(), Instant::now());
    clock.set(then);
    tokio::time::sleep(Duration::from_millis(120)).await;
    let least = read.elapsed();
    gate.open();
    client.read_to("0\r\n\r\n").await;
    Known { sent: (before, after), off, took: (least, begin.elapsed()) }
}

/// Nanoseconds since 1970 of a true time on a clock that is off.
fn nanos(time: Duration, off: i64) -> i128 {
    i128::try_from(time.as_nanos()).expect("it fits") + i128::from(off) * 1_000_000_000
}

fn is_true(span: &Span, known: &Known) {
    let (start, end) = (i128::from(span.start), i128::from(span.end));
    let begun = nanos(known.sent.0, known.off)..=nanos(known.sent.1, known.off);
    assert!(begun.contains(&start), "{start} in {begun:?}: {span:?}");
    let took = known.took.0.as_nanos()..=known.took.1.as_nanos();
    let lasted = u128::try_from(end - start).expect("it ends after it began");
    assert!(took.contains(&lasted), "{lasted} in {took:?}: {span:?}");
}

fn is_told(record: &Value, known: &Known) {
    let timing = &record["timing"];
    let number = |name: &str| timing[name].as_f64().unwrap_or_else(|| panic!("{name}: {record}"));
    let took = known.took.1.as_secs_f64() * 1e3;
    assert!((known.took.0.as_secs_f64() * 1e3..=took).contains(&number("duration_ms")), "{record}");
    for name in ["ttfb_ms", "time_to_first_chunk_ms", "ttft_ms", "overhead_ms"] {
        assert!((0.0..=took).contains(&number(name)), "{name}: {record}");
    }
}

/// What the histograms say of all exchanges: their sums cannot be more than the clock on the wall of
/// the oracle.
fn are_counted(page: &Page, known: &[Known]) {
    let most: f64 = known.iter().map(|known| known.took.1.as_secs_f64()).sum();
    for (name, least) in [
        ("http_server_request_duration_seconds", true),
        ("gen_ai_client_operation_duration_seconds", true),
        ("gen_ai_client_operation_time_to_first_chunk_seconds", false),
    ] {
        let count = page.total(&format!("{name}_count"));
        assert_eq!(count as usize, known.len(), "{name}");
        let least = known.iter().map(|known| known.took.0.as_secs_f64()).sum::<f64>()
            * f64::from(u8::from(least));
        let sum = page.total(&format!("{name}_sum"));
        assert!((least..=most).contains(&sum), "{name}: {sum} in {least}..{most}");
    }
}

#[tokio::test]
async fn f43_a_wall_clock_that_jumps_changes_no_duration() {
    let Some(library) = faketime() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Wall::of(folder.path());
    let (gate, collector) = (Gate::new(), Collector::start().await);
    let mut script = vec![Step::Send(stream_head())];
    let events = HELLO.chat_events(true);
    let (first, rest) = events.split_at(2);
    script.extend(first.iter().map(|event| Step::Send(chunk(event))));
    script.push(Step::Wait(gate.clone()));
    script.extend(rest.iter().map(|event| Step::Send(chunk(event))));
    script.push(Step::Send(LAST_CHUNK));
    let upstream = Upstream::always(script).await;
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .export(&collector.origin(), "http/protobuf")
        .env("LD_PRELOAD", library.to_string_lossy())
        .env("FAKETIME_TIMESTAMP_FILE", clock.0.to_string_lossy())
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .run()
        .await;
    let mut known = Vec::new();
    for (off, then) in [(0, HOUR), (HOUR, -HOUR), (-HOUR, 0), (0, -HOUR), (-HOUR, HOUR), (0, 0)] {
        known.push(stream(&program, &clock, &gate, off, then).await);
    }
    let records = program.first_records(known.len()).await;
    for (record, known) in records.iter().zip(&known) {
        is_told(record, known);
    }
    let spans = collector.first_spans(3 * known.len()).await;
    for (record, known) in records.iter().zip(&known) {
        let of_it = |span: &&Span| record["trace_id"] == span.trace;
        let all: Vec<_> = spans.iter().filter(of_it).collect();
        let server = all.iter().find(|span| span.kind == 2).expect("the span of the exchange");
        assert_eq!(all.len(), 3, "{record}");
        is_true(server, known);
        for span in &all {
            assert!(server.start <= span.start && span.start <= span.end, "{span:?}");
            assert!(span.end <= server.end, "{span:?}");
        }
    }
    are_counted(&program.metrics().await, &known);
    clock.set(-HOUR);
    balances(&program).await;
    assert!(program.stop().await.success(), "{}", program.said());
    // No sum begins after it ends, even one that was begun an hour from now.
    for (name, since, now) in collector.intervals() {
        assert!(since <= now, "{name}: {since} to {now}");
    }
    let said = program.said();
    assert!(!said.contains("panic"), "{said}");
}
