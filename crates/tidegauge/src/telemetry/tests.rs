//! Records in at one end, a collector at the other.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::metrics::v1::{exemplar, metric::Data, number_data_point::Value};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use tidegauge_core::{Dropped, Health, Record, Sink, Task};
use tonic::{Code, Status};
use tracing_subscriber::layer::SubscriberExt;

use tidegauge_export::{Compression, Identity, Pauses, Protocol};
use tidegauge_otel::testing::{records, shown};
use tidegauge_otel::{Format, Sums};

use super::{Receiver, Settings, Telemetry, TelemetryConfig as Config};
use collector::{Collector, Reply, Seen};

mod answers;
mod collector;
mod disk;
mod several;

const PAUSE: Duration = Duration::from_millis(20);
const PAUSES: Pauses = Pauses { receiver: PAUSE, disk: Some(PAUSE) };
const LONG: Duration = Duration::from_secs(60);

fn config(collector: &Collector, protocol: Protocol) -> Config {
    let otlp = Receiver {
        endpoint: Some(collector.url()),
        protocol: Some(protocol),
        ..Receiver::default()
    };
    let settings = Settings { otlp, ..Settings::default() };
    let mut config = Config::from_env(&settings, &|_| None).unwrap();
    config.exporters[0].options.trace_queue.delay = Duration::from_millis(10);
    config.exporters[0].options.log_queue.delay = Duration::from_millis(10);
    config
}

/// Only spans, so that a script of replies is for spans.
fn traces_only(collector: &Collector, protocol: Protocol) -> Config {
    let mut config = config(collector, protocol);
    (config.exporters[0].options.metrics, config.exporters[0].options.logs) = (None, None);
    config
}

fn start(config: Config) -> (Arc<Telemetry>, Arc<Health>) {
    let health = Arc::new(Health::default());
    let telemetry = Telemetry::start_with(config, Arc::clone(&health), PAUSES).unwrap();
    (telemetry, health)
}

fn page(telemetry: &Telemetry) -> String {
    String::from_utf8(telemetry.page(Format::OpenMetrics)).unwrap()
}

fn dropped(health: &Health) -> u64 {
    Dropped::ALL.iter().map(|reason| health.spans_dropped(*reason)).sum()
}

#[track_caller]
fn assert_books(health: &Health) {
    let queued = u64::try_from(health.spans_queued()).unwrap();
    let disk = u64::try_from(health.spans_queued_disk()).unwrap();
    let out = health.spans_acked() + dropped(health) + queued + disk;
    assert_eq!(health.spans() + health.spans_recovered(), out);
}

fn wait_for(what: impl Fn() -> bool) {
    for _ in 0..6000 {
        if what() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came to that");
}

const BOTH: [Protocol; 2] = [Protocol::Grpc, Protocol::HttpProtobuf];

#[test]
fn spans_metrics_and_events_arrive_over_both_protocols() {
    for protocol in BOTH {
        let collector = Collector::start();
        let (telemetry, health) = start(config(&collector, protocol));
        telemetry.record(&records::stream());
        telemetry.record(&records::rate_limited());
        telemetry.shutdown(LONG);
        let seen = collector.seen();
        assert_eq!(seen.spans.len(), 6, "{protocol:?}");
        assert_eq!(seen.logs.len(), 1, "{protocol:?}");
        assert_eq!(seen.logs[0].1.event_name, "gen_ai.client.operation.exception");
        assert!(seen.metrics.iter().any(|(_, metric)| metric.name == "tidegauge.cost"));
        assert_eq!((health.spans(), health.spans_acked(), health.spans_queued()), (6, 6, 0));
        assert_books(&health);
        let scopes: Vec<_> = seen.spans.iter().map(|(scope, _)| scope.as_str()).collect();
        assert_eq!(scopes.iter().filter(|scope| **scope == "tidegauge.genai").count(), 2);
        for resource in &seen.resources {
            assert_eq!(shown(&resource.attributes, "service.name").as_deref(), Some("tidegauge"));
        }
        for (path, headers) in &seen.requests {
            assert!(
                headers["user-agent"].to_str().unwrap().starts_with("tidegauge-otlp/"),
                "{path}"
            );
        }
    }
}

#[test]
fn compressed_bodies_are_taken() {
    for protocol in BOTH {
        for (compression, word) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
            let collector = Collector::start();
            let mut config = traces_only(&collector, protocol);
            config.exporters[0].options.traces.as_mut().unwrap().compression = Some(compression);
            let (telemetry, health) = start(config);
            telemetry.record(&records::unary());
            telemetry.shutdown(LONG);
            let seen = collector.seen();
            assert_eq!(seen.spans.len(), 3, "{protocol:?} {word}");
            let header = match protocol {
                Protocol::Grpc => "grpc-encoding",
                Protocol::HttpProtobuf => "content-encoding",
            };
            assert_eq!(seen.requests[0].1[header], word);
            assert_eq!(health.spans_acked(), 3);
        }
    }
}

fn unavailable(protocol: Protocol) -> Reply {
    match protocol {
        Protocol::Grpc => Reply::Grpc(Status::unavailable("not now")),
        Protocol::HttpProtobuf => Reply::Http(503, None),
    }
}

#[test]
fn what_fails_for_a_while_is_delivered_later() {
    for protocol in BOTH {
        let collector = Collector::start();
        collector.script([unavailable(protocol), unavailable(protocol)]);
        let (telemetry, health) = start(traces_only(&collector, protocol));
        telemetry.record(&records::unary());
        let seen = collector.wait(|seen| seen.spans.len() == 3);
        assert_eq!(seen.requests.len(), 3);
        telemetry.shutdown(LONG);
        assert_eq!((health.spans_acked(), dropped(&health)), (3, 0));
        assert_books(&health);
    }
}

#[test]
fn a_collector_that_is_down_at_the_start_gets_everything_once_it_is_up() {
    let collector = Collector::start();
    collector.always(Some(Reply::Http(502, None)));
    let (telemetry, health) = start(traces_only(&collector, Protocol::HttpProtobuf));
    for _ in 0..5 {
        telemetry.record(&records::unary());
    }
    collector.wait(|seen| seen.requests.len() >= 3);
    assert_eq!((health.spans(), health.spans_acked(), health.spans_queued()), (15, 0, 15));
    assert_books(&health);
    collector.always(None);
    collector.wait(|seen| seen.spans.len() == 15);
    telemetry.shutdown(LONG);
    assert_eq!(health.spans_acked(), 15);
    assert_books(&health);
}

#[test]
fn a_collector_that_never_answers_is_asked_again() {
    for protocol in BOTH {
        let collector = Collector::start();
        collector.script([Reply::Hang]);
        let mut config = traces_only(&collector, protocol);
        config.exporters[0].options.traces.as_mut().unwrap().timeout = Duration::from_millis(200);
        let (telemetry, health) = start(config);
        telemetry.record(&records::unary());
        collector.wait(|seen| seen.spans.len() >= 3);
        telemetry.shutdown(LONG);
        assert_eq!((health.spans_acked(), dropped(&health)), (3, 0), "{protocol:?}");
        assert_books(&health);
    }
}

/// Half of F-47: the other panics are tested where they are caught.
#[test]
fn a_panic_costs_one_batch() {
    let collector = Collector::start();
    let mut config = traces_only(&collector, Protocol::Grpc);
    config.exporters[0].options.name = "breaks".to_owned();
    for _ in 0..2 {
        tidegauge_export::testing::break_next("breaks");
    }
    let (telemetry, health) = start(config);
    for made in 1..=4 {
        telemetry.record(&records::unary());
        // One batch after the other.
        while health.spans_dropped(Dropped::Panic) + health.spans_acked() < made * 3 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    telemetry.shutdown(LONG);
    assert_eq!((health.spans_dropped(Dropped::Panic), dropped(&health)), (6, 6));
    assert_eq!((health.spans_acked(), health.panics(Task::Sink)), (6, 2));
    assert_books(&health);
}

/// Taken is taken, whatever the answer says; and no more of it is read than a bound.
#[test]
fn an_answer_that_cannot_be_read_is_an_acknowledgement() {
    for length in [3, 9 << 20] {
        let collector = Collector::start();
        collector.script([Reply::Garbage(length)]);
        let (telemetry, health) = start(traces_only(&collector, Protocol::HttpProtobuf));
        telemetry.record(&records::unary());
        telemetry.shutdown(LONG);
        assert_eq!((health.spans_acked(), collector.seen().requests.len()), (3, 1), "{length}");
        assert_books(&health);
    }
}

#[test]
fn answers_are_booked_as_they_are_meant() {
    let grpc = |code| Reply::Grpc(Status::new(code, "text"));
    let retry_info = || {
        // google.rpc.Status { details: [Any { RetryInfo { delay: 1 ms } }] }
        let info = [0x0a, 0x04, 0x10, 0xc0, 0x84, 0x3d];
        let url = b"type.googleapis.com/google.rpc.RetryInfo";
        let mut any = vec![0x0a, u8::try_from(url.len()).unwrap()];
        any.extend_from_slice(url);
        any.extend_from_slice(&[0x12, u8::try_from(info.len()).unwrap()]);
        any.extend_from_slice(&info);
        let mut details = vec![0x1a, u8::try_from(any.len()).unwrap()];
        details.extend(any);
        Reply::Grpc(Status::with_details(Code::ResourceExhausted, "slow down", details.into()))
    };
    let (g, h) = (Protocol::Grpc, Protocol::HttpProtobuf);
    // protocol, reply, spans acked, spans dropped, requests
    let table = [
        (h, Reply::Http(400, None), 0, 3, 1),
        (h, Reply::Http(401, None), 0, 3, 1),
        (h, Reply::Http(403, None), 0, 3, 1),
        (h, Reply::Http(404, None), 0, 3, 1),
        (h, Reply::Http(500, None), 0, 3, 1),
        (h, Reply::Http(307, None), 0, 3, 1),
        (h, Reply::Http(429, Some("0")), 3, 0, 2),
        (h, Reply::Http(429, None), 3, 0, 2),
        (h, Reply::Http(502, None), 3, 0, 2),
        (h, Reply::Http(503, None), 3, 0, 2),
        (h, Reply::Http(504, None), 3, 0, 2),
        (h, Reply::Reject(2), 1, 2, 1),
        (h, Reply::Reject(99), 0, 3, 1),
        (g, grpc(Code::InvalidArgument), 0, 3, 1),
        (g, grpc(Code::Unauthenticated), 0, 3, 1),
        (g, grpc(Code::PermissionDenied), 0, 3, 1),
        (g, grpc(Code::Unimplemented), 0, 3, 1),
        (g, grpc(Code::Internal), 0, 3, 1),
        (g, grpc(Code::Unknown), 0, 3, 1),
        (g, grpc(Code::ResourceExhausted), 0, 3, 1),
        (g, retry_info(), 3, 0, 2),
        (g, grpc(Code::Unavailable), 3, 0, 2),
        (g, grpc(Code::Cancelled), 3, 0, 2),
        (g, grpc(Code::DeadlineExceeded), 3, 0, 2),
        (g, grpc(Code::Aborted), 3, 0, 2),
        (g, grpc(Code::OutOfRange), 3, 0, 2),
        (g, grpc(Code::DataLoss), 3, 0, 2),
        (g, Reply::Reject(2), 1, 2, 1),
        // From something before the collector; without a status of gRPC nobody has taken anything.
        (g, Reply::Http(404, None), 0, 3, 1),
        (g, Reply::Http(429, Some("0")), 3, 0, 2),
        (g, Reply::Http(503, None), 3, 0, 2),
        (g, Reply::Http(200, None), 3, 0, 2),
    ];
    for (protocol, reply, acked, refused, requests) in table {
        let case = format!("{protocol:?} {reply:?}");
        let collector = Collector::start();
        collector.script([reply]);
        let (telemetry, health) = start(traces_only(&collector, protocol));
        telemetry.record(&records::unary());
        telemetry.shutdown(LONG);
        assert_eq!(health.spans_acked(), acked, "{case}");
        assert_eq!(health.spans_dropped(Dropped::RejectedByCollector), refused, "{case}");
        assert_eq!(dropped(&health), refused, "{case}");
        assert_eq!(collector.seen().requests.len(), requests, "{case}");
        assert_books(&health);
    }
}

#[test]
fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    for protocol in BOTH {
        let collector = Collector::start();
        collector.always(Some(Reply::AtMost(3)));
        let mut config = traces_only(&collector, protocol);
        config.exporters[0].options.trace_queue.delay = LONG;
        let (telemetry, health) = start(config);
        for _ in 0..8 {
            telemetry.record(&records::unary());
        }
        telemetry.shutdown(LONG);
        assert_eq!((health.spans_acked(), dropped(&health)), (24, 0), "{protocol:?}");
        assert_eq!(collector.seen().spans.len(), 24);
        assert_books(&health);
    }
}

#[test]
fn a_span_that_never_fits_is_dropped_alone() {
    let collector = Collector::start();
    collector.always(Some(Reply::AtMost(0)));
    let (telemetry, health) = start(traces_only(&collector, Protocol::Grpc));
    telemetry.record(&records::unary());
    telemetry.shutdown(LONG);
    assert_eq!(health.spans_dropped(Dropped::TooLarge), 3);
    assert_books(&health);
}

#[test]
fn an_overflow_drops_the_oldest_and_counts_exactly() {
    let collector = Collector::start();
    let mut config = traces_only(&collector, Protocol::Grpc);
    config.exporters[0].options.trace_queue.delay = LONG;
    config.exporters[0].options.trace_queue.pieces = 30;
    let (telemetry, health) = start(config);
    for id in 0..20_u8 {
        let mut record = records::unary();
        record.exchange.trace.trace_id = tidegauge_core::TraceId([id + 1; 16]);
        telemetry.record(&record);
    }
    assert_eq!((health.spans(), health.spans_queued()), (60, 30));
    assert_eq!(health.spans_dropped(Dropped::QueueFull), 30);
    assert_books(&health);
    telemetry.shutdown(LONG);
    assert_eq!(health.spans_acked(), 30);
    let oldest = collector.seen().spans.iter().map(|(_, span)| span.trace_id[0]).min();
    assert_eq!(oldest, Some(11));
    assert_books(&health);
}

#[test]
fn the_shutdown_deadline_is_kept_and_what_is_left_is_counted() {
    for protocol in BOTH {
        let collector = Collector::start();
        collector.always(Some(Reply::Hang));
        let (telemetry, health) = start(traces_only(&collector, protocol));
        telemetry.record(&records::unary());
        telemetry.shutdown(Duration::from_millis(200));
        telemetry.record(&records::unary());
        assert_eq!(health.spans_dropped(Dropped::ShutdownDeadline), 6, "{protocol:?}");
        assert_eq!((health.spans(), health.spans_acked(), health.spans_queued()), (6, 0, 0));
        assert_books(&health);
    }
}

#[test]
fn what_cannot_be_delivered_for_too_long_expires() {
    let collector = Collector::start();
    collector.always(Some(Reply::Http(503, None)));
    let mut config = traces_only(&collector, Protocol::HttpProtobuf);
    config.exporters[0].options.trace_queue.max_age = Duration::ZERO;
    let (telemetry, health) = start(config);
    telemetry.record(&records::unary());
    collector.wait(|seen| !seen.requests.is_empty());
    telemetry.shutdown(LONG);
    assert_eq!(health.spans_dropped(Dropped::Expired), 3);
    assert_books(&health);
}

#[test]
fn an_unsampled_exchange_makes_no_span_but_counts() {
    let collector = Collector::start();
    let (telemetry, health) = start(config(&collector, Protocol::Grpc));
    let mut record = records::rate_limited();
    record.exchange.trace.sampled = false;
    telemetry.record(&record);
    telemetry.shutdown(LONG);
    let seen = collector.seen();
    assert_eq!((seen.spans.len(), health.spans()), (0, 0));
    assert_eq!(seen.logs.len(), 1);
    assert_eq!(seen.logs[0].1.flags, 0);
    assert!(page(&telemetry).contains("tidegauge_requests_total{"));
}

#[test]
fn nothing_configured_sends_nothing_and_the_page_works() {
    let config = Config::from_env(&Settings::default(), &|_| None).unwrap();
    let (telemetry, health) = start(config);
    telemetry.record(&records::stream());
    assert!(telemetry.delivery.outboxes().is_empty());
    assert_eq!(health.spans(), 0);
    assert!(page(&telemetry).ends_with("# EOF\n"));
    telemetry.shutdown(Duration::ZERO);
}

#[test]
fn percentiles_of_exponential_histograms_are_right() {
    let collector = Collector::start();
    let (telemetry, _) = start(config(&collector, Protocol::Grpc));
    let record = |ms: u64| {
        let mut record: Record = records::unary();
        record.measurement.duration = Duration::from_millis(ms);
        record
    };
    for ms in 1..=1000 {
        telemetry.record(&record(ms));
    }
    telemetry.shutdown(LONG);
    let seen = collector.seen();
    let duration = seen.metrics.iter().find(|(_, m)| m.name == "gen_ai.client.operation.duration");
    let Some(Data::ExponentialHistogram(histogram)) = &duration.unwrap().1.data else {
        panic!("an exponential histogram");
    };
    assert_eq!(histogram.data_points.len(), 1);
    let point = &histogram.data_points[0];
    assert_eq!(point.count, 1000);
    let buckets = point.positive.as_ref().unwrap();
    let (mut below, mut index) = (0, buckets.offset);
    for count in &buckets.bucket_counts {
        below += count;
        if below >= 950 {
            break;
        }
        index += 1;
    }
    // The bucket holds values above base^index, up to base^(index + 1).
    let bound = |index: i32| 2_f64.powf(f64::from(index) / 2_f64.powi(point.scale));
    assert!(bound(index) < 0.95 && 0.95 <= bound(index + 1) * (1.0 + 1e-9));
    assert!(bound(index + 1) / bound(index) < 1.1, "scale {}", point.scale);
}

#[test]
fn a_percentile_leads_to_traces_that_have_it() {
    let collector = Collector::start();
    let (telemetry, _) = start(config(&collector, Protocol::Grpc));
    for (id, ms, sampled) in [(1, 10, true), (2, 900, true), (3, 20, true), (4, 5000, false)] {
        let mut record = records::unary();
        record.exchange.trace.trace_id = tidegauge_core::TraceId([id; 16]);
        record.exchange.trace.sampled = sampled;
        record.measurement.duration = Duration::from_millis(ms);
        telemetry.record(&record);
    }
    telemetry.shutdown(LONG);
    let seen = collector.seen();
    let duration = seen.metrics.iter().find(|(_, m)| m.name == "gen_ai.client.operation.duration");
    let Some(Data::ExponentialHistogram(data)) = &duration.unwrap().1.data else {
        panic!("an exponential histogram");
    };
    let examples = data.data_points[0].exemplars.iter();
    let examples: Vec<_> = examples.map(|e| (e.trace_id[0], e.span_id[0], e.value)).collect();
    let value = |seconds| Some(exemplar::Value::AsDouble(seconds));
    assert_eq!(examples, [(2, 4, value(0.9)), (3, 4, value(0.02))]);
}

#[test]
fn money_is_exact_as_a_sum() {
    let collector = Collector::start();
    let (telemetry, _) = start(config(&collector, Protocol::Grpc));
    for _ in 0..10 {
        telemetry.record(&records::unary());
    }
    assert!(
        page(&telemetry).lines().any(|line| {
            line.starts_with("tidegauge_cost_total{") && line.ends_with(" 0.00229")
        })
    );
    telemetry.shutdown(LONG);
    let seen = collector.seen();
    let (_, cost) = seen.metrics.iter().find(|(_, m)| m.name == "tidegauge.cost").unwrap();
    let Some(Data::Sum(sum)) = &cost.data else { panic!("a sum") };
    assert_eq!(sum.data_points[0].value, Some(Value::AsDouble(0.00229)));
    assert!(sum.is_monotonic);
}

#[test]
fn metrics_are_pushed_at_every_interval() {
    let collector = Collector::start();
    let mut config = config(&collector, Protocol::Grpc);
    config.metric_interval = Duration::from_millis(20);
    config.exporters[0].options.metric_queue.delay = Duration::ZERO;
    let (telemetry, health) = start(config);
    telemetry.record(&records::unary());
    let pushed =
        |seen: &Seen| seen.metrics.iter().filter(|(_, m)| m.name == "tidegauge.cost").count();
    collector.wait(|seen| pushed(seen) >= 3);
    telemetry.shutdown(LONG);
    assert_eq!(health.points_dropped(Dropped::RejectedByCollector), 0);
}

/// Cumulative sums replace what was not delivered, deltas may not: together they must be the whole.
#[test]
fn no_delta_is_lost_while_the_collector_is_away() {
    let collector = Collector::start();
    collector.always(Some(Reply::Http(503, None)));
    let mut config = config(&collector, Protocol::HttpProtobuf);
    config.exporters[0].options.traces = None;
    config.exporters[0].options.logs = None;
    for exporter in &mut config.exporters {
        exporter.rendering.sums = Sums::Delta;
        exporter.options.sums_replace = false;
    }
    config.metric_interval = Duration::from_millis(5);
    config.exporters[0].options.metric_queue.delay = Duration::ZERO;
    let (telemetry, health) = start(config);
    for round in 1..=5 {
        telemetry.record(&records::unary());
        collector.wait(|seen| seen.requests.len() >= round);
    }
    collector.always(None);
    telemetry.shutdown(LONG);
    let seen = collector.seen();
    let costs = seen.metrics.iter().filter(|(_, metric)| metric.name == "tidegauge.cost");
    let sum = costs.map(|(_, metric)| match &metric.data {
        Some(Data::Sum(sum)) => match sum.data_points[0].value {
            Some(Value::AsDouble(value)) => value,
            _ => panic!("a double"),
        },
        _ => panic!("a sum"),
    });
    assert!((sum.sum::<f64>() - 5.0 * 0.000_229).abs() < 1e-12);
    assert_eq!(Dropped::ALL.iter().map(|r| health.points_dropped(*r)).sum::<u64>(), 0);
}

#[test]
fn tls_trusts_the_configured_certificate_and_shows_ours() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = || {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients.build().unwrap())
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    };
    for protocol in BOTH {
        for (trusted, acked) in [(true, 3), (false, 0)] {
            let collector = Collector::start_with(Some(server()));
            let mut config = traces_only(&collector, protocol);
            let target = config.exporters[0].options.traces.as_mut().unwrap();
            let path = target.endpoint.path();
            target.endpoint =
                format!("https://localhost:{}{path}", collector.port()).parse().unwrap();
            target.identity = Some(Identity {
                chain: pem.clone().into_bytes().into(),
                key: key.clone().into_bytes().into(),
            });
            target.ca = trusted.then(|| pem.clone().into_bytes().into());
            let (telemetry, health) = start(config);
            telemetry.record(&records::unary());
            telemetry.shutdown(if trusted { LONG } else { Duration::from_millis(300) });
            assert_eq!(health.spans_acked(), acked, "{protocol:?} {trusted}");
            assert_eq!(health.spans_dropped(Dropped::ShutdownDeadline), 3 - acked);
            assert_eq!(collector.seen().spans.len() as u64, acked);
        }
    }
}

#[test]
fn our_own_log_lines_are_exported_without_feeding_on_themselves() {
    let collector = Collector::start();
    let (telemetry, _) = start(config(&collector, Protocol::Grpc));
    let subscriber =
        tracing_subscriber::registry().with(tidegauge_otel::layer(telemetry.encoder()));
    tracing::subscriber::with_default(subscriber, || {
        tracing::info!(target: "tidegauge_proxy::server", port = 4310, "listening");
        tracing::debug!(target: "tidegauge_proxy::server", "too fine");
        tracing::error!(target: "h2::client", "would feed on itself");
        tracing::warn!(target: "tidegauge_export::deliver", "from the exporter itself");
        tracing::warn!(target: "tidegauge_otel::encoder", "from the encoder");
    });
    telemetry.shutdown(LONG);
    let logs = collector.seen().logs;
    assert_eq!(logs.len(), 1, "{logs:?}");
    let (scope, log) = &logs[0];
    assert_eq!(
        (scope.as_str(), log.severity_number, log.event_name.as_str()),
        ("tidegauge", 9, "")
    );
    assert_eq!(shown(&log.attributes, "port").as_deref(), Some("4310"));
    let target = shown(&log.attributes, "tidegauge.log.target");
    assert_eq!(target.as_deref(), Some("tidegauge_proxy::server"));
    assert!(format!("{:?}", log.body).contains("listening"));
}

#[test]
fn no_key_leaves_in_any_form() {
    let collector = Collector::start();
    let (telemetry, _) = start(config(&collector, Protocol::HttpProtobuf));
    for (_, record) in records::all() {
        telemetry.record(&record);
    }
    telemetry.shutdown(LONG);
    let everything = format!("{:?}", collector.seen());
    assert!(everything.contains("key=REDACTED"));
    assert!(!everything.contains(records::KEY));
    assert!(!page(&telemetry).contains(records::KEY));
}
