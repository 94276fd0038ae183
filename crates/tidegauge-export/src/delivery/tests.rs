//! The end of a delivery.

use tidegauge_core::{Dropped, Emitter, Piece, Scope};

use super::*;
use crate::queue::QueueOptions;
use crate::transport::{Protocol, Target};

/// Spans alone, to a port where nobody listens.
fn options() -> ExporterOptions {
    let target = Target {
        protocol: Some(Protocol::HttpProtobuf),
        endpoint: http::Uri::from_static("http://127.0.0.1:1/v1/traces"),
        headers: http::HeaderMap::new(),
        compression: None,
        timeout: Duration::from_secs(1),
        ca: None,
        identity: None,
    };
    ExporterOptions {
        name: "one".to_owned(),
        traces: Some(target),
        metrics: None,
        logs: None,
        trace_queue: QueueOptions::default(),
        metric_queue: QueueOptions::default(),
        log_queue: QueueOptions::default(),
        disk_queue: None,
        sums_replace: true,
    }
}

fn start(health: &Arc<Health>) -> (Delivery, Arc<dyn Outbox>) {
    let exporters = [(options(), Emitter::default())];
    let delivery = Delivery::start(&exporters, health, Pauses::default()).unwrap();
    let outbox = delivery.outboxes().remove(0).traces.unwrap();
    (delivery, outbox)
}

fn piece() -> Piece {
    Piece { scope: Scope::Http, bytes: vec![7; 100].into(), units: 3 }
}

#[test]
fn what_comes_after_the_end_is_counted() {
    type End = fn(Delivery);
    let ends: [End; 2] = [drop, |delivery| delivery.shutdown(Duration::from_millis(50), || {})];
    for end in ends {
        let health = Arc::new(Health::default());
        let (delivery, outbox) = start(&health);
        outbox.push(vec![piece()]);
        end(delivery);
        assert_eq!(health.spans_dropped(Dropped::ShutdownDeadline), 3, "what waited");
        outbox.push(vec![piece()]);
        assert_eq!(health.spans_dropped(Dropped::ShutdownDeadline), 6, "what came later");
        assert_eq!((health.spans(), health.spans_queued()), (6, 0));
        assert_eq!(health.ledger("one").missing(), 0);
    }
}
