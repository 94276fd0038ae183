//! What outlives the program: kills, outages and several receivers, judged by what the collector has
//! in the end.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::answers::{self, HELLO};
use crate::support::client::{Client, Ended, call, request};
use crate::support::collector::{Collector, Mood};
use crate::support::metrics::Page;
use crate::support::program::{Program, Start, run, stdout};
use crate::support::upstream::{Seen, Step, Upstream};
use crate::support::wait::{until, until_async};
use crate::support::{long, say};

/// A call in a trace of its own, so that its span is found again; `hang`: it is never answered.
fn asking(trace: u32, hang: bool) -> Vec<u8> {
    let body: Value = json!({
        "model": if hang { "hang" } else { "gpt-4o-mini" },
        "messages": [{"role": "user", "content": "Hi"}],
    });
    let parent = format!("00-{}-00000000000000aa-01", id(trace));
    let headers = [("content-type", "application/json"), ("traceparent", parent.as_str())];
    request("POST", "/openai/v1/chat/completions", &headers, body.to_string().as_bytes())
}

fn id(trace: u32) -> String {
    format!("{:032x}", u128::from(trace) + (1 << 64))
}

/// Answers, but for calls that are to hang.
async fn upstream() -> Upstream {
    Upstream::start(|seen: &Seen| match seen.json()["model"] == "hang" {
        true => vec![Step::Hang],
        false => answers::value(200, &HELLO.chat()),
    })
    .await
}

/// Traces of which the span of the whole exchange arrived, and those it says were killed.
fn arrived(collector: &Collector) -> (BTreeSet<String>, BTreeSet<String>) {
    let spans = collector.spans();
    let servers = spans.iter().filter(|span| span.kind == 2);
    let killed = servers.clone().filter(|span| span.text("error.type") == Some("proxy_killed"));
    let killed = killed.map(|span| span.trace.clone()).collect();
    (servers.map(|span| span.trace.clone()).collect(), killed)
}

fn number(page: &Page, name: &str) -> u64 {
    page.total(name) as u64
}

/// Waits until everything that was accepted is noted, and everything that was made is delivered or on
/// disk.
async fn is_safe(program: &Program, accepted: u64) {
    until_async("everything to be on disk", || async {
        let page = program.metrics().await;
        let spans = |name: &str| number(&page, &format!("tidegauge_spans_{name}"));
        let made = spans("created_total") + spans("recovered_total");
        let safe = made == spans("acked_total") + spans("queued_disk");
        let noted = number(&page, "tidegauge_journal_opened_total") == accepted;
        Some(()).filter(|()| safe && noted)
    })
    .await;
}

pub(crate) async fn balances(program: &Program) {
    let url = format!("http://{}", program.console);
    let told = run("", &["check", "--live", &url], &[]).await;
    let said = stdout(&told);
    assert!(told.status.success() && said.contains("the books balance"), "{said}");
}

/// F-45, I6, P5: whatever was on disk when the program was killed is at the collector in the end, as
/// its own span or as killed; nothing is reported that never was.
#[tokio::test]
async fn f45_kills_lose_nothing_that_was_written() {
    let kills = if long() { 200 } else { 20 };
    let (upstream, collector) = (upstream().await, Collector::start().await);
    let dir = tempfile::tempdir().expect("a folder");
    let start = || {
        Start::upstreams(&[("openai", &upstream.origin())])
            .and(&format!("data_dir: {}\n", dir.path().display()))
            .and("telemetry: { disk_queue: {}, journal: {} }\n")
            .export(&collector.origin(), "http/protobuf")
    };
    let (mut answered, mut open, mut sent) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut trace = 0;
    for round in 0..kills {
        // The collector comes and goes.
        collector.set(if round % 3 == 1 { Mood::Refuse(503) } else { Mood::Take });
        let mut program = start().run().await;
        let mut hanging = Vec::new();
        for _ in 0..3 {
            trace += 1;
            let answer = call(program.listen, &asking(trace, false)).await;
            assert_eq!((answer.status, answer.ended), (200, Ended::Clean));
            answered.insert(id(trace));
        }
        for _ in 0..2 {
            trace += 1;
            let mut client = Client::connect(program.listen).await;
            client.write(&asking(trace, true)).await;
            hanging.push(client);
            open.insert(id(trace));
        }
        is_safe(&program, 5).await;
        // These may be anywhere when it ends.
        for _ in 0..3 {
            trace += 1;
            let mut client = Client::connect(program.listen).await;
            client.write(&asking(trace, false)).await;
            hanging.push(client);
            sent.insert(id(trace));
        }
        tokio::time::sleep(Duration::from_millis((round * 7) % 40)).await;
        program.signal("KILL").await;
        assert!(!program.ended().await.success());
    }
    collector.set(Mood::Take);
    let mut program = start().run().await;
    let expected: BTreeSet<_> = answered.union(&open).cloned().collect();
    until("everything to arrive", || {
        Some(()).filter(|()| expected.is_subset(&arrived(&collector).0))
    })
    .await;
    balances(&program).await;
    assert!(program.stop().await.success());
    let (all, killed) = arrived(&collector);
    assert!(open.is_subset(&killed), "{:?}", open.difference(&killed));
    let known: BTreeSet<_> = expected.union(&sent).cloned().collect();
    assert!(all.is_subset(&known), "{:?}", all.difference(&known));
    let late = sent.intersection(&all).count();
    println!("of {} requests within 40 ms of a kill {late} are known", sent.len());
}

/// I6: a call whose record is in the record file had ended, and is not told again as killed; each call is
/// in the file once, and what was open is told.
#[tokio::test]
async fn f45_what_has_a_record_is_not_told_as_killed() {
    let kills = if long() { 100 } else { 12 };
    let upstream = upstream().await;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("calls.jsonl");
    let start = || {
        Start::upstreams(&[("openai", &upstream.origin())])
            .and(&format!("data_dir: {}\ntelemetry: {{ journal: {{}} }}\n", dir.path().display()))
            .record_file(&file)
    };
    let (mut trace, mut open) = (0, BTreeSet::new());
    for round in 0..kills {
        let mut program = start().run().await;
        trace += 1;
        let mut hanging = Client::connect(program.listen).await;
        hanging.write(&asking(trace, true)).await;
        open.insert(id(trace));
        until_async("it to be noted", || async {
            let opened = number(&program.metrics().await, "tidegauge_journal_opened_total");
            Some(()).filter(|()| opened == 1)
        })
        .await;
        // The last of these have ended less than a quarter of a second before the kill.
        for _ in 0..20 + round {
            trace += 1;
            assert_eq!(call(program.listen, &asking(trace, false)).await.status, 200);
        }
        // What is not noted yet when the kill comes is known to nobody.
        until_async("each to be noted", || async {
            let opened = number(&program.metrics().await, "tidegauge_journal_opened_total");
            Some(()).filter(|()| opened == 21 + round)
        })
        .await;
        program.signal("KILL").await;
        assert!(!program.ended().await.success());
    }
    let mut program = start().run().await;
    assert!(program.stop().await.success());
    let mut ids = BTreeSet::new();
    let mut killed = BTreeSet::new();
    for record in program.records() {
        let (trace, error) = (record["trace_id"].as_str().expect("a trace"), &record["error"]);
        assert!(ids.insert(record["id"].to_string()), "twice: {record}");
        match error.as_str() {
            // Its record was on the way to the file.
            None | Some("proxy_killed_maybe") => {}
            Some("proxy_killed") => drop(killed.insert(trace.to_owned())),
            Some(other) => panic!("{other}: {record}"),
        }
    }
    assert!(open.is_subset(&killed), "what was open was killed");
    // The last call of a round may have been answered, and killed before a record was made of it.
    assert!(killed.len() <= open.len() + kills as usize, "{} of {kills} kills", killed.len());
    assert_eq!(ids.len(), trace as usize, "each call is there");
}

/// Bytes of the files of a disk queue or a journal.
fn bytes_of(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).expect("a folder").flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    segments.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
}

/// Polls until `grew` says so; how long it took.
async fn time_until(what: &str, grew: impl Fn() -> bool) -> Duration {
    let begin = Instant::now();
    until(what, || grew().then_some(())).await;
    begin.elapsed()
}

/// P5: what exists is handed to the system at once, with nothing else going on that would push it
/// there: neither more traffic, nor a collector, nor an end. How long it takes is told and not judged,
/// a machine may be busy; that what was seen on disk outlives a kill is.
#[tokio::test]
async fn p5_what_exists_is_written_without_waiting() {
    let calls = 40;
    let (upstream, collector) = (upstream().await, Collector::start().await);
    collector.set(Mood::Refuse(503));
    let dir = tempfile::tempdir().expect("a folder");
    let start = || {
        Start::upstreams(&[("openai", &upstream.origin())])
            .and(&format!("data_dir: {}\n", dir.path().display()))
            .and("telemetry: { disk_queue: {}, journal: {} }\n")
            .export(&collector.origin(), "http/protobuf")
    };
    let mut program = start().run().await;
    let (queue, journal) = (dir.path().join("queue"), dir.path().join("journal"));
    // What three spans take on disk, at the least. What the start logged is there besides.
    assert_eq!(call(program.listen, &asking(2000, false)).await.status, 200);
    is_safe(&program, 1).await;
    let before = bytes_of(&queue);
    assert_eq!(call(program.listen, &asking(1, false)).await.status, 200);
    is_safe(&program, 2).await;
    let three = (bytes_of(&queue) - before) * 9 / 10;
    let mut times: [Vec<Duration>; 3] = Default::default();
    for trace in 2..=calls {
        let before = (bytes_of(&journal), bytes_of(&queue), program.records().len());
        // The opening is there before the answer: the upstream never gives one.
        let mut client = Client::connect(program.listen).await;
        client.write(&asking(1000 + trace, true)).await;
        times[0].push(time_until("the journal", || bytes_of(&journal) > before.0).await);
        assert_eq!(call(program.listen, &asking(trace, false)).await.status, 200);
        times[1].push(time_until("the disk queue", || bytes_of(&queue) >= before.1 + three).await);
        times[2].push(time_until("the record", || program.records().len() > before.2).await);
        drop(client);
        // What the client that left makes is not to be taken for the next.
        is_safe(&program, u64::from(2 * trace)).await;
    }
    // And once more, with no time in between.
    let before = bytes_of(&queue);
    assert_eq!(call(program.listen, &asking(calls + 1, false)).await.status, 200);
    until("the last one", || (bytes_of(&queue) >= before + three).then_some(())).await;
    program.signal("KILL").await;
    assert!(!program.ended().await.success());
    for (what, mut times) in
        ["journal, from the request", "disk queue, from the answer", "record file, from then on"]
            .into_iter()
            .zip(times)
    {
        times.sort();
        let (median, last) = (times[times.len() / 2], times[times.len() - 1]);
        say(&format!("written: {what}: median {median:?}, at most {last:?}"));
    }
    collector.set(Mood::Take);
    let mut program = start().run().await;
    let expected: BTreeSet<_> = (1..=calls + 1).map(id).collect();
    until("everything to arrive", || {
        Some(()).filter(|()| expected.is_subset(&arrived(&collector).0))
    })
    .await;
    balances(&program).await;
    let page = program.metrics().await;
    assert_eq!(number(&page, "tidegauge_spans_dropped_total"), 0);
    assert!(program.stop().await.success());
}

/// F-37: an outage under load, with a disk queue, loses nothing, and the newest arrive before the
/// oldest are all through.
#[tokio::test]
async fn f37_an_outage_under_load_loses_nothing() {
    let outage = Duration::from_secs(if long() { 300 } else { 30 });
    let (upstream, collector) = (upstream().await, Collector::start().await);
    let dir = tempfile::tempdir().expect("a folder");
    let mut program = Start::upstreams(&[("openai", &upstream.origin())])
        .and(&format!("data_dir: {}\n", dir.path().display()))
        .and("telemetry: { disk_queue: {}, journal: {} }\n")
        .export(&collector.origin(), "http/protobuf")
        .run()
        .await;
    collector.set(Mood::Refuse(503));
    let begin = Instant::now();
    let mut trace = 0;
    while begin.elapsed() < outage {
        trace += 1;
        assert_eq!(call(program.listen, &asking(trace, false)).await.status, 200);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    collector.set(Mood::Take);
    let expected: BTreeSet<_> = (1..=trace).map(id).collect();
    // The next try may be half a minute away, and then there is much to be sent (L-08).
    let back = Instant::now();
    while arrived(&collector).0 != expected {
        assert!(back.elapsed() < Duration::from_secs(120), "it does not catch up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    balances(&program).await;
    let page = program.metrics().await;
    assert_eq!(number(&page, "tidegauge_spans_dropped_total"), 0);
    assert_eq!(number(&page, "tidegauge_spans_acked_total"), 3 * u64::from(trace));
    assert!(program.stop().await.success());
}

/// F-42: one receiver that hangs costs the other one nothing, in the program as it is configured.
#[tokio::test]
async fn f42_a_receiver_that_hangs_does_not_delay_another() {
    let (upstream, good, bad) =
        (upstream().await, Collector::start().await, Collector::start().await);
    bad.set(Mood::Hang);
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .and(&format!(
            "telemetry:\n  exporters:\n    - {{ name: good, endpoint: '{}', preset: jaeger }}\n    \
             - {{ name: bad, endpoint: '{}', protocol: grpc, signals: [traces] }}\n",
            good.origin(),
            bad.origin()
        ))
        .run()
        .await;
    for trace in 1..=50 {
        assert_eq!(call(program.listen, &asking(trace, false)).await.status, 200);
    }
    let expected: BTreeSet<_> = (1..=50).map(id).collect();
    until("everything to arrive", || Some(()).filter(|()| arrived(&good).0 == expected)).await;
    let books = |page: &Page, metric: &str, name: &str| {
        page.sum(metric, |sample| sample.label("tidegauge_exporter") == name) as u64
    };
    until_async("the acknowledgement", || async {
        let page = program.metrics().await;
        assert_eq!(books(&page, "tidegauge_spans_created_total", "bad"), 150);
        assert_eq!(books(&page, "tidegauge_spans_acked_total", "bad"), 0);
        let acked = books(&page, "tidegauge_spans_acked_total", "good");
        Some(()).filter(|()| acked == 150)
    })
    .await;
    let verbose = program.page("/readyz?verbose").await.json();
    assert_eq!(verbose["exporters"]["bad"]["spans"]["made"], 150);
    assert_eq!(verbose["exporters"]["good"]["spans"]["delivered"], 150);
    balances(&program).await;
}

/// What is no proxy of ours, or none at all, does not balance.
#[tokio::test]
async fn a_proxy_that_does_not_answer_does_not_balance() {
    let told = run("", &["check", "--live", "http://127.0.0.1:1"], &[]).await;
    assert_eq!(told.status.code(), Some(1));
}
