//! Answers behind a good status that are no delivery, and protocols that nobody named.

use super::*;

/// Three spans to something that answers so; what was taken, and what counts as rejected.
fn exported_to(kind: Option<&'static str>, body: &'static [u8]) -> (u64, u64) {
    let collector = Collector::start();
    collector.always(Some(Reply::Body(kind, body)));
    let (telemetry, health) = start(traces_only(&collector, Protocol::HttpProtobuf));
    telemetry.record(&records::unary());
    telemetry.shutdown(LONG);
    assert_books(&health);
    (health.spans_acked(), health.spans_dropped(Dropped::RejectedByCollector))
}

#[test]
fn only_an_answer_of_otlp_is_a_delivery() {
    let protobuf = Some("application/x-protobuf");
    // partial_success { rejected_spans: 2 }
    let two = b"\x0a\x02\x08\x02";
    for (kind, body, taken) in [
        (None, b"" as &[u8], 3),
        (protobuf, b"", 3),
        (protobuf, two, 1),
        (protobuf, b"\xff\xff\xff\xff", 0),
        (Some("text/html"), b"<!doctype html><title>Log in</title>", 0),
        (Some("text/html; charset=utf-8"), b"<p>It works!</p>", 0),
        (Some("TEXT/HTML"), b"x", 0),
        (Some("text/html"), b"", 3),
        (Some("text/plain"), b"\n <!DOCTYPE HTML><p>Log in</p>", 0),
        (None, b"<html><body>nginx</body></html>", 0),
        (Some("text/plain"), b"OK", 3),
        (Some("application/json"), b"{}", 3),
        (Some("application/json"), br#"{"partialSuccess":{"rejectedSpans":"2"}}"#, 1),
        (Some("application/json; charset=utf-8"), br#"{"partialSuccess":{"rejectedSpans":2}}"#, 1),
        (Some("application/json"), br#"{"partialSuccess":{"errorMessage":"slow down"}}"#, 3),
        (Some("application/json"), b"ok", 3),
    ] {
        let text = String::from_utf8_lossy(body);
        assert_eq!(exported_to(kind, body), (taken, 3 - taken), "{kind:?} {text}");
    }
}

/// Neither a setting nor the port says which protocol a receiver speaks.
fn unnamed(url: String) -> Config {
    let otlp = Receiver { endpoint: Some(url), ..Receiver::default() };
    let config = Config::from_env(&Settings { otlp, ..Settings::default() }, &|_| None);
    let mut config = config.unwrap();
    (config.exporters[0].options.metrics, config.exporters[0].options.logs) = (None, None);
    config.exporters[0].options.trace_queue.delay = Duration::from_millis(10);
    config
}

#[test]
fn the_protocol_is_found_by_trying_and_kept() {
    let collector = Collector::start();
    let (telemetry, health) = start(unnamed(collector.url()));
    for _ in 0..2 {
        let before = health.spans_acked();
        telemetry.record(&records::unary());
        wait_for(|| health.spans_acked() == before + 3);
    }
    telemetry.shutdown(LONG);
    let paths: Vec<_> = collector.seen().requests.into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/v1/traces"; 2]);

    // Speaks gRPC alone.
    let collector = Collector::start();
    collector.only_grpc();
    let (telemetry, health) = start(unnamed(collector.url()));
    for _ in 0..2 {
        let before = health.spans_acked();
        telemetry.record(&records::unary());
        wait_for(|| health.spans_acked() == before + 3);
    }
    telemetry.shutdown(LONG);
    assert_eq!((health.spans_acked(), dropped(&health)), (6, 0));
    assert_eq!(collector.seen().spans.len(), 6);
    let over_http = collector.seen().requests.into_iter().any(|(path, _)| path == "/v1/traces");
    assert!(!over_http, "HTTP/1.1 is not even read there");
}

#[test]
fn a_receiver_that_is_away_at_first_is_found_later() {
    let collector = Collector::start();
    collector.script([Reply::Http(502, None), Reply::Http(502, None)]);
    let (telemetry, health) = start(unnamed(collector.url()));
    telemetry.record(&records::unary());
    wait_for(|| health.spans_acked() == 3);
    telemetry.shutdown(LONG);
    assert_eq!(dropped(&health), 0);
}

/// What came back for each signal: protocol, delivered, rejected, status, error, message.
fn tried(config: &Config) -> Vec<String> {
    let results = crate::telemetry::try_exporters(config, std::time::UNIX_EPOCH).unwrap();
    let line = |one: &tidegauge_export::TrialResult| {
        assert!(one.latency < LONG && one.receiver.starts_with("127.0.0.1:"));
        let protocol = one.protocol.map_or("none", Protocol::name);
        let (status, error) = (one.status.as_deref(), one.error.as_deref());
        let end = format!("{} {:?} {:?} {}", one.rejected, status, error, one.message);
        format!("{} {} {protocol} {} {end}", one.exporter, one.signal.name(), one.delivered)
    };
    results.iter().map(line).collect()
}

#[test]
fn receivers_can_be_tried_once() {
    for protocol in BOTH {
        let collector = Collector::start();
        let name = protocol.name();
        let status = if protocol == Protocol::Grpc { "gRPC Ok" } else { "HTTP 200" };
        let signals = ["traces", "metrics", "logs"];
        let well = |signal| format!("default {signal} {name} true 0 Some({status:?}) None ");
        assert_eq!(tried(&config(&collector, protocol)), signals.map(well));
        let seen = collector.seen();
        assert_eq!(seen.spans[0].1.name, "tidegauge.check");
        assert_eq!((seen.spans.len(), seen.metrics.len(), seen.logs.len()), (1, 1, 1));

        collector.script([Reply::Reject(1)]);
        let partly = tried(&traces_only(&collector, protocol));
        let begin = format!("default traces {name} false 1 Some({status:?}) None ");
        assert!(partly[0].starts_with(&begin), "{partly:?}");
    }
    let collector = Collector::start();
    let grpc = traces_only(&collector, Protocol::Grpc);
    collector.script([Reply::Grpc(Status::unauthenticated("no\nkey"))]);
    let expected = "default traces grpc false 0 Some(\"gRPC Unauthenticated\") \
                    Some(\"gRPC status Unauthenticated\") no key";
    assert_eq!(tried(&grpc), [expected]);

    let http = traces_only(&collector, Protocol::HttpProtobuf);
    collector.script([Reply::Http(401, None)]);
    let expected = "default traces http/protobuf false 0 Some(\"HTTP 401\") Some(\"HTTP status 401 Unauthorized\") ";
    assert_eq!(tried(&http), [expected]);
    collector.script([Reply::Body(Some("text/html"), b"<html>")]);
    let expected = "default traces http/protobuf false 0 Some(\"HTTP 200\") \
                    Some(\"it answers with a web page\") ";
    assert_eq!(tried(&http), [expected]);

    let mut nobody = unnamed("http://127.0.0.1:1".to_owned());
    nobody.exporters[0].options.name = "two".to_owned();
    assert_eq!(tried(&nobody), ["two traces none false 0 None Some(\"no connection\") "]);
}
