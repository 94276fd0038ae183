//! The disk queue from end to end: what a collector does not take is there, and arrives later.

use std::collections::BTreeSet;
use std::path::Path;

use tempfile::TempDir;
use tidegauge_export::{DiskQueueOptions, StartError};
use tidegauge_spool::SpoolBounds;

use super::*;

fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// Spans only, to a collector spoken to over HTTP, with a disk queue there.
fn with_disk(collector: &Collector, dir: &Path) -> Config {
    over(collector, Protocol::HttpProtobuf, dir)
}

fn over(collector: &Collector, protocol: Protocol, dir: &Path) -> Config {
    let mut config = traces_only(collector, protocol);
    config.exporters[0].options.disk_queue =
        Some(DiskQueueOptions { dir: dir.to_owned(), bounds: SpoolBounds::default() });
    config
}

fn down(collector: &Collector) {
    collector.always(Some(Reply::Http(503, None)));
}

/// Records of three spans each, told apart by their trace.
fn record(telemetry: &Telemetry, ids: std::ops::Range<u16>) {
    for id in ids {
        let mut record = records::unary();
        let mut trace = [7; 16];
        trace[..2].copy_from_slice(&id.to_be_bytes());
        record.exchange.trace.trace_id = tidegauge_core::TraceId(trace);
        telemetry.record(&record);
    }
}

/// The records of which all three spans arrived.
fn arrived(seen: &Seen) -> BTreeSet<u16> {
    let spans: BTreeSet<_> =
        seen.spans.iter().map(|(_, span)| (&span.trace_id, &span.span_id)).collect();
    let id = |trace: &[u8]| u16::from_be_bytes([trace[0], trace[1]]);
    let ids: BTreeSet<_> = spans.iter().map(|(trace, _)| id(trace)).collect();
    let whole = |wanted: &u16| spans.iter().filter(|(t, _)| id(t) == *wanted).count() == 3;
    ids.into_iter().filter(whole).collect()
}

#[track_caller]
fn all(ids: std::ops::Range<u16>) -> BTreeSet<u16> {
    ids.collect()
}

#[test]
fn f37_an_outage_loses_nothing() {
    for protocol in BOTH {
        let (collector, dir) = (Collector::start(), scratch());
        collector.always(Some(unavailable(protocol)));
        let (telemetry, health) = start(over(&collector, protocol, dir.path()));
        record(&telemetry, 0..40);
        wait_for(|| health.spans_queued_disk() == 120);
        record(&telemetry, 40..60);
        wait_for(|| health.spans_queued_disk() == 180);
        assert_eq!((health.spans_queued(), health.spans_acked(), dropped(&health)), (0, 0, 0));
        assert_books(&health);
        collector.always(None);
        collector.wait(|seen| arrived(seen) == all(0..60));
        record(&telemetry, 60..70);
        telemetry.shutdown(LONG);
        assert_eq!(arrived(&collector.seen()), all(0..70), "{protocol:?}");
        assert_eq!((health.spans_acked(), dropped(&health)), (210, 0));
        assert_eq!((health.spans_queued_disk(), health.spans_recovered()), (0, 0));
        assert_books(&health);
    }
}

#[test]
fn f37_the_newest_do_not_wait_for_the_oldest() {
    let (collector, dir) = (Collector::start(), scratch());
    down(&collector);
    let mut config = with_disk(&collector, dir.path());
    config.exporters[0].options.trace_queue.batch_pieces = 1;
    let (telemetry, health) = start(config);
    record(&telemetry, 0..400);
    wait_for(|| health.spans_queued_disk() == 1200);
    collector.always(None);
    collector.wait(|seen| seen.spans.len() > 2);
    record(&telemetry, 999..1000);
    wait_for(|| health.spans_acked() == 1203);
    let seen = collector.seen();
    let newest = |span: &opentelemetry_proto::tonic::trace::v1::Span| span.trace_id[0] == 3;
    let place = seen.spans.iter().position(|(_, span)| newest(span)).unwrap();
    assert!(place < 1200 - 3, "{place}");
    telemetry.shutdown(LONG);
    assert_books(&health);
}

#[test]
fn f45_a_restart_during_an_outage_loses_nothing() {
    // How the first life ends.
    let ends: [fn(&Telemetry); 3] =
        [|_| (), |telemetry| telemetry.shutdown(LONG), |telemetry| telemetry.abort_wait()];
    for end in ends {
        let (collector, dir) = (Collector::start(), scratch());
        down(&collector);
        let mut config = with_disk(&collector, dir.path());
        config.encoder.resource.set("service.instance.id", "one");
        let (telemetry, first) = start(config.clone());
        record(&telemetry, 0..40);
        end(&telemetry);
        drop(telemetry);
        assert_eq!((first.spans(), first.spans_queued_disk(), dropped(&first)), (120, 120, 0));
        assert_books(&first);

        collector.always(None);
        config.encoder.resource.set("service.instance.id", "two");
        let (telemetry, second) = start(config);
        let seen = collector.wait(|seen| arrived(seen) == all(0..40));
        let instance = |resource| shown(resource, "service.instance.id").unwrap();
        assert!(seen.resources.iter().all(|from| instance(&from.attributes) == "one"));
        record(&telemetry, 40..41);
        telemetry.shutdown(LONG);
        let seen = collector.seen();
        assert_eq!(instance(&seen.resources.last().unwrap().attributes), "two");
        assert_eq!((second.spans(), second.spans_recovered()), (3, 120));
        assert_eq!((second.spans_acked(), second.spans_queued_disk()), (123, 0));
        assert_books(&second);
    }
}

#[test]
fn a_collector_that_hangs_at_the_end_loses_nothing() {
    let (collector, dir) = (Collector::start(), scratch());
    collector.always(Some(Reply::Hang));
    let (telemetry, health) = start(with_disk(&collector, dir.path()));
    record(&telemetry, 0..10);
    collector.wait(|seen| !seen.requests.is_empty());
    record(&telemetry, 10..20);
    telemetry.shutdown(Duration::from_secs(4));
    assert_eq!((health.spans_queued_disk(), health.spans_queued(), dropped(&health)), (60, 0, 0));
    assert_books(&health);
}

#[test]
fn without_it_the_same_is_lost_and_counted() {
    let collector = Collector::start();
    down(&collector);
    let mut config = traces_only(&collector, Protocol::HttpProtobuf);
    config.exporters[0].options.trace_queue.pieces = 30;
    let (telemetry, health) = start(config);
    record(&telemetry, 0..40);
    telemetry.shutdown(Duration::from_millis(200));
    assert_eq!(health.spans_dropped(Dropped::QueueFull), 90);
    assert_eq!(health.spans_dropped(Dropped::ShutdownDeadline), 30);
    assert_books(&health);
}

#[test]
fn f38_an_outage_longer_than_the_disk_costs_the_oldest() {
    let (collector, dir) = (Collector::start(), scratch());
    down(&collector);
    let mut config = with_disk(&collector, dir.path());
    let bounds =
        SpoolBounds { cap_bytes: 64 << 10, segment_bytes: 16 << 10, ..SpoolBounds::default() };
    config.exporters[0].options.disk_queue.as_mut().unwrap().bounds = bounds;
    let (telemetry, health) = start(config);
    for id in 0..100 {
        record(&telemetry, id..id + 1);
        // One that is tried from memory comes to the disk after those that are made meanwhile. So there
        // is one at a time, and the order on disk is that of their making.
        wait_for(|| health.spans_queued() == 0);
    }
    let lost = health.spans_dropped(Dropped::DiskFull);
    assert!(lost > 0 && lost == dropped(&health));
    assert_books(&health);
    // One export may still be on its way with spans that were dropped from the disk since; it is
    // refused like all others. There is one at a time, so the second to come is of what is left.
    let before = collector.seen().requests.len();
    collector.wait(|seen| seen.requests.len() >= before + 2);
    collector.always(None);
    wait_for(|| health.spans_queued_disk() == 0);
    telemetry.shutdown(LONG);
    assert_eq!(health.spans_acked(), 300 - lost);
    let oldest = u16::try_from(lost.div_ceil(3)).unwrap();
    assert_eq!(arrived(&collector.seen()), all(oldest..100));
    assert_books(&health);
}

#[test]
fn f40_a_directory_that_cannot_be_used_is_tried_again() {
    let (collector, outer) = (Collector::start(), scratch());
    down(&collector);
    let dir = outer.path().join("queue");
    std::fs::write(&dir, "in the way").unwrap();
    let mut config = with_disk(&collector, &dir);
    config.exporters[0].options.trace_queue.pieces = 60;
    let (telemetry, health) = start(config);
    record(&telemetry, 0..40);
    collector.wait(|seen| seen.requests.len() > 2);
    // Some may have gone for want of room before it was known that the disk does not help.
    let early = health.spans_dropped(Dropped::QueueFull);
    assert_eq!(early + health.spans_dropped(Dropped::DiskIo), 60);
    assert_eq!((health.spans_queued(), health.spans_queued_disk()), (60, 0));
    record(&telemetry, 40..60);
    assert_eq!(health.spans_dropped(Dropped::QueueFull), early);
    assert_eq!(health.spans_dropped(Dropped::DiskIo), 120 - early);
    assert_books(&health);

    std::fs::remove_file(&dir).unwrap();
    wait_for(|| health.spans_queued_disk() == 60);
    collector.always(None);
    collector.wait(|seen| seen.spans.len() == 60);
    telemetry.shutdown(LONG);
    assert_eq!((health.spans_acked(), health.spans_queued_disk()), (60, 0));
    assert_books(&health);
}

#[test]
fn two_processes_on_one_directory_are_told_at_the_start() {
    let (collector, dir) = (Collector::start(), scratch());
    let config = with_disk(&collector, dir.path());
    let (first, _) = start(config.clone());
    let error = Telemetry::start(config.clone(), Arc::default()).unwrap_err();
    assert!(matches!(error, StartError::Disk { .. }));
    assert_eq!(
        error.to_string(),
        format!(
            "disk queue {}: the queue directory is in use by another process",
            dir.path().display()
        )
    );
    drop(first);
    start(config);
}

#[test]
fn answers_to_what_was_on_disk_are_booked_as_they_are_meant() {
    // reply, spans acked, refused, too large
    let table = [
        (None, 24, 0, 0),
        (Some(Reply::AtMost(3)), 24, 0, 0),
        (Some(Reply::AtMost(0)), 0, 0, 24),
        (Some(Reply::Reject(2)), 22, 2, 0),
        (Some(Reply::Http(400, None)), 0, 24, 0),
    ];
    for (reply, acked, refused, large) in table {
        let case = format!("{reply:?}");
        let (collector, dir) = (Collector::start(), scratch());
        down(&collector);
        let (telemetry, health) = start(with_disk(&collector, dir.path()));
        record(&telemetry, 0..8);
        wait_for(|| health.spans_queued_disk() == 24);
        collector.always(reply);
        wait_for(|| health.spans_queued_disk() == 0);
        telemetry.shutdown(LONG);
        assert_eq!(health.spans_acked(), acked, "{case}");
        assert_eq!(health.spans_dropped(Dropped::RejectedByCollector), refused, "{case}");
        assert_eq!(health.spans_dropped(Dropped::TooLarge), large, "{case}");
        assert_books(&health);
    }
}

/// Events and the last sums of a process survive it as spans do.
#[test]
fn every_signal_is_kept() {
    let (collector, dir) = (Collector::start(), scratch());
    down(&collector);
    let mut config = config(&collector, Protocol::HttpProtobuf);
    let disk_queue = with_disk(&collector, dir.path()).exporters.remove(0).options.disk_queue;
    config.exporters[0].options.disk_queue = disk_queue;
    let (telemetry, health) = start(config.clone());
    telemetry.record(&records::rate_limited());
    telemetry.shutdown(LONG);
    drop(telemetry);
    let lost = |health: &Health| {
        let all = |count: &dyn Fn(Dropped) -> u64| Dropped::ALL.iter().map(|r| count(*r)).sum();
        let logs: u64 = all(&|reason| health.logs_dropped(reason));
        let points: u64 = all(&|reason| health.points_dropped(reason));
        logs + points + dropped(health)
    };
    assert_eq!(lost(&health), 0);
    collector.always(None);
    let (telemetry, _) = start(config);
    collector.wait(|seen| {
        let cost = seen.metrics.iter().any(|(_, metric)| metric.name == "tidegauge.requests");
        cost && seen.logs.len() == 1 && seen.spans.len() == 3
    });
    telemetry.shutdown(LONG);
}

/// P5: a process that is killed while a collector is well, or hangs, leaves everything behind.
#[test]
fn p5_what_is_sent_is_on_disk_until_it_is_taken() {
    let (collector, dir) = (Collector::start(), scratch());
    collector.always(Some(Reply::Hang));
    let mut config = with_disk(&collector, dir.path());
    // What comes meanwhile does not wait for the end of the export.
    config.exporters[0].options.traces.as_mut().unwrap().timeout = Duration::from_secs(3600);
    let (telemetry, health) = start(config);
    record(&telemetry, 0..10);
    collector.wait(|seen| !seen.requests.is_empty());
    record(&telemetry, 10..20);
    wait_for(|| health.spans_queued_disk() == 60);
    assert_eq!((health.spans_queued(), health.spans_acked(), dropped(&health)), (0, 0, 0));

    // What a kill would leave: the files as they are now.
    let left = scratch();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), left.path().join(file.file_name())).unwrap();
    }
    let (other, next) = (Collector::start(), with_disk(&collector, left.path()));
    let mut next = next;
    next.exporters[0].options.traces =
        with_disk(&other, left.path()).exporters.remove(0).options.traces;
    let (second, after) = start(next);
    other.wait(|seen| arrived(seen) == all(0..20));
    second.shutdown(LONG);
    assert_eq!((after.spans_recovered(), after.spans_acked()), (60, 60));
    assert_books(&after);
    telemetry.shutdown(Duration::from_millis(200));
    assert_books(&health);
}

/// While all is well an export out of the disk waits for more as one out of memory does.
#[test]
fn what_is_fresh_on_disk_gathers_into_batches() {
    let (collector, dir) = (Collector::start(), scratch());
    let mut config = with_disk(&collector, dir.path());
    config.exporters[0].options.trace_queue.delay = LONG;
    let (telemetry, health) = start(config);
    for id in 0..20 {
        record(&telemetry, id..id + 1);
        wait_for(|| health.spans_queued_disk() == 3 * i64::from(id + 1));
    }
    assert_eq!(collector.seen().requests.len(), 0);
    telemetry.shutdown(LONG);
    assert_eq!((collector.seen().requests.len(), health.spans_acked()), (1, 60));
    assert_books(&health);
}
