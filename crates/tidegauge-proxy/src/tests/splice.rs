//! Asking for usage: a splice in the request, a chunk out of the answer, and one retry.

use tidegauge_core::{End, Failure, UsagePolicy};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::fixture::{INSERTED, Rig, body, config, dechunk, read_request, status};

/// A rig whose upstream tells what it got and answers what `answer` says.
async fn rig(
    answer: impl Fn(&str) -> String + Clone + Send + Sync + 'static,
) -> (Rig, mpsc::Receiver<(String, String)>) {
    let (tell, told) = mpsc::channel(16);
    let rig = Rig::with(
        config(),
        |upstream| upstream.usage = UsagePolicy::Inject,
        move |mut tcp, _| {
            let (tell, answer) = (tell.clone(), answer.clone());
            async move {
                while let Some((head, body)) = read_request(&mut tcp).await {
                    let body = String::from_utf8(body).unwrap();
                    let answer = answer(&body);
                    tell.send((head, body)).await.unwrap();
                    tcp.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        },
    )
    .await;
    (rig, told)
}

fn post(body: &str, more: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /up/chat HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip\r\n{more}Content-Length: {length}\r\n\
        Connection: close\r\n\r\n{body}"
    )
    .into()
}

fn stream(_: &str) -> String {
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let text: String = ["one\ntw", "o\nusa", "ge\nthree"].into_iter().map(chunk).collect();
    format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{text}0\r\n\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_is_asked_for_and_taken_out_again() {
    let (rig, mut told) = rig(stream).await;
    let sent = r#"{"stream":true}"#;
    let response = rig.raw(&post(sent, "")).await;
    let (head, got) = told.recv().await.unwrap();
    assert_eq!(got, format!("{{{INSERTED}{}", &sent[1..]));
    let head = head.to_lowercase();
    assert!(head.contains(&format!("content-length: {}\r\n", got.len())), "{head}");
    assert!(head.contains("accept-encoding: identity\r\n") && !head.contains("gzip"), "{head}");
    assert_eq!(dechunk(body(&response)), b"one\ntwo\nthree");
    let seen = rig.one().await;
    assert_eq!(seen.request, sent.as_bytes(), "the client's body, not ours");
    assert_eq!(seen.response, b"one\ntwo\nusage\nthree", "the upstream's body, not the client's");
    let exchange = seen.exchange();
    assert!(exchange.injected && exchange.end == End::Complete);
    assert_eq!((exchange.upstream_bytes, exchange.response_bytes), (19, 13));
}

/// A filter that breaks may have lost bytes, so its stream is cut where it broke, and told as that; the
/// next one is well (F-47).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f47_a_broken_filter_cuts_its_stream_and_no_other() {
    let (rig, _told) = rig(|body| {
        let text = if body.contains("broken") { "one\nbreak\ntwo\n" } else { "one\ntwo\n" };
        let length = text.len();
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{head}{length:x}\r\n{text}\r\n0\r\n\r\n")
    })
    .await;
    let response = rig.raw(&post(r#"{"stream":true,"model":"broken"}"#, "")).await;
    assert!(!response.ends_with(b"0\r\n\r\n"), "a cut stays a cut");
    let seen = rig.one().await;
    assert_eq!(seen.response, b"one\nbreak\ntwo\n", "the observer is not the filter");
    assert_eq!(
        (seen.exchange().end, seen.exchange().failure),
        (End::Failed, Some(Failure::Internal))
    );
    assert_eq!(rig.health.panics(tidegauge_core::Task::Observer), 1);
    assert_eq!(rig.health.records_lost(tidegauge_core::Dropped::Panic), 0, "it has a record");

    let response = rig.raw(&post(r#"{"stream":true}"#, "")).await;
    assert_eq!(dechunk(body(&response)), b"one\ntwo\n");
    assert_eq!(rig.seen(2).await[1].exchange().end, End::Complete);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_to_be_touched_is_not() {
    let long = format!(r#"{{"stream":true,"x":"{}"}}"#, "x".repeat(2000));
    let (rig, mut told) = rig(stream).await;
    for (number, (sent, more, exceeded)) in [
        (r#"{"other":true}"#, "", 0),
        (r#"{"stream":true,"usage":0}"#, "", 0),
        (r#"{"stream":true}"#, "Content-Encoding: gzip\r\n", 0),
        (&*long, "", 1),
    ]
    .into_iter()
    .enumerate()
    {
        let response = rig.raw(&post(sent, more)).await;
        let (head, got) = told.recv().await.unwrap();
        assert_eq!(got, sent);
        assert!(head.contains("Accept-Encoding: gzip\r\n"), "{head}");
        assert_eq!(dechunk(body(&response)), b"one\ntwo\nusage\nthree");
        let seen = rig.seen(number + 1).await.pop().unwrap();
        assert!(!seen.exchange().injected);
        assert_eq!(seen.request, sent.as_bytes());
        assert_eq!(rig.health.holds_exceeded(), exceeded);
    }
}

/// A body of unknown length is held back as far as allowed, and no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_of_unknown_length_are_held_within_bounds() {
    let (rig, mut told) = rig(stream).await;
    for (number, length) in [500, 5000].into_iter().enumerate() {
        let sent = format!(r#"{{"stream":true,"x":"{}"}}"#, "x".repeat(length));
        let mut request =
            b"POST /up/chat HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                .to_vec();
        for piece in sent.as_bytes().chunks(300) {
            request.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
            request.extend_from_slice(piece);
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"0\r\n\r\n");
        let response = rig.raw(&request).await;
        assert_eq!(status(&response), 200);
        let (head, got) = told.recv().await.unwrap();
        let spliced = length == 500;
        assert_eq!(got.contains(INSERTED), spliced, "{head}");
        assert_eq!(got.replace(INSERTED, ""), sent);
        assert_eq!(head.to_lowercase().contains("content-length: "), spliced, "{head}");
        let seen = rig.seen(number + 1).await.pop().unwrap();
        assert_eq!((seen.exchange().injected, seen.request), (spliced, sent.into_bytes()));
    }
    assert_eq!(rig.health.holds_exceeded(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_tried_once_without_and_remembered() {
    let (rig, mut told) = rig(|body| {
        if body.contains("usage") {
            "HTTP/1.1 400 Bad Request\r\ncontent-length: 14\r\n\r\nwhat is usage?".to_owned()
        } else {
            stream(body)
        }
    })
    .await;
    let sent = r#"{"stream":true}"#;
    for number in 0..2 {
        let response = rig.raw(&post(sent, "")).await;
        assert_eq!(status(&response), 200);
        assert_eq!(dechunk(body(&response)), b"one\ntwo\nusage\nthree", "nothing is taken out");
        if number == 0 {
            assert!(told.recv().await.unwrap().1.contains("usage"));
        }
        assert_eq!(told.recv().await.unwrap().1, sent);
        let seen = rig.seen(number + 1).await.pop().unwrap();
        let exchange = seen.exchange();
        let statuses = exchange.attempts.iter().map(|attempt| attempt.status.unwrap().as_u16());
        let expected: &[u16] = if number == 0 { &[400, 200] } else { &[200] };
        assert_eq!(statuses.collect::<Vec<_>>(), expected);
        assert_eq!((exchange.injected, seen.head.unwrap().0.as_u16()), (false, 200));
        assert_eq!(seen.request, sent.as_bytes());
    }
    assert_eq!(rig.health.splices_refused(), 1);
}

/// Any other error is the client's to see, byte for byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_errors_pass() {
    let (rig, _told) = rig(|_| {
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 21\r\nX-A: b\r\n\r\nsomething else\nusage\n"
            .to_owned()
    })
    .await;
    let response = rig.raw(&post(r#"{"stream":true}"#, "")).await;
    assert_eq!(body(&response), b"something else\nusage\n");
    assert!(String::from_utf8_lossy(&response).contains("Content-Length: 21\r\n"));
    let seen = rig.one().await;
    assert_eq!(seen.response, b"something else\nusage\n");
    assert_eq!((seen.exchange().attempts.len(), seen.exchange().end), (1, End::Complete));
}

/// F-08: an error that breaks off while it is looked at breaks off for the client too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_error_stays_cut() {
    let rig = Rig::with(
        config(),
        |upstream| upstream.usage = UsagePolicy::Inject,
        |mut tcp, _| async move {
            read_request(&mut tcp).await.unwrap();
            let start =
                b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
            tcp.write_all(start).await.unwrap();
        },
    )
    .await;
    let response = rig.raw(&post(r#"{"stream":true}"#, "")).await;
    assert_eq!(status(&response), 400);
    assert_eq!(body(&response), b"3\r\nabc\r\n", "what came, and no end");
    let seen = rig.one().await;
    let exchange = seen.exchange();
    assert_eq!(seen.response, b"abc");
    assert_eq!((exchange.end, exchange.failure), (End::Failed, Some(Failure::StreamCut)));
}
