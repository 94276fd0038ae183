//! HTTP/2 clients that send frames of their own making.

use std::time::Duration;

use tidegauge_core::Rejected;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::fixture::{LONG, Rig, config, read_request, until};
use crate::Config;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END: u8 = 0b101;

fn frame(kind: u8, flags: u8, stream: u32, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
    [&head, content].concat()
}

/// `GET /up/x`, and fields after it.
fn get(path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(u8::try_from(text.len()).unwrap());
        out.extend_from_slice(text.as_bytes());
    };
    let mut block = vec![0x82, 0x86, 0x04];
    text(&mut block, path);
    block.push(0x01);
    text(&mut block, "h");
    for (name, value) in fields {
        block.push(0);
        text(&mut block, name);
        text(&mut block, value);
    }
    block
}

/// Reads one frame: its kind, flags and content. `None`: the connection is over.
async fn read(tcp: &mut TcpStream) -> Option<(u8, u8, Vec<u8>)> {
    let reading = async {
        let mut head = [0; 9];
        tcp.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut content = vec![0; length];
        tcp.read_exact(&mut content).await.ok()?;
        Some((head[3], head[4], content))
    };
    tokio::time::timeout(LONG, reading).await.expect("a frame or an end")
}

async fn rig(adapt: impl FnOnce(&mut Config)) -> Rig {
    let mut config = config();
    adapt(&mut config);
    Rig::with(
        config,
        |_| {},
        |mut tcp, _| async move {
            while read_request(&mut tcp).await.is_some() {
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        },
    )
    .await
}

async fn greeted(rig: &Rig) -> TcpStream {
    let mut client = rig.connect().await;
    client.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, b"")].concat()).await.unwrap();
    client
}

/// Reads to the end, answering as `answer` says; the kinds of frames that came.
async fn to_the_end(
    client: &mut TcpStream,
    answer: impl Fn(u8, u8, &[u8]) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((kind, flags, content)) = read(client).await {
        kinds.push(kind);
        if let Some(answer) = answer(kind, flags, &content)
            && client.write_all(&answer).await.is_err()
        {
            break;
        }
    }
    kinds
}

/// The time for a head is the same as over HTTP/1.1: for the preface, a frame, and a header block.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_heads_of_h2_are_closed() {
    let rig = rig(|config| config.limits.head_timeout = Duration::from_millis(100)).await;
    let head = frame(HEADERS, END, 1, &get("/up/x", &[]));
    let block = frame(HEADERS, 0, 1, &get("/up/x", &[]));
    for (count, begun) in [&b""[..], &head[..12], &head[..5], &block].into_iter().enumerate() {
        let mut client = rig.connect().await;
        let settings = frame(SETTINGS, 0, 0, b"");
        let settings = if begun.is_empty() { b"" } else { &*settings };
        client.write_all(&[PREFACE, settings, begun].concat()).await.unwrap();
        to_the_end(&mut client, |_, _, _| None).await;
        let counted = || rig.health.rejected(Rejected::HeadTimeout) == count as u64 + 1;
        until(|| counted().then_some(())).await;
    }
    assert_eq!(rig.health.accepted(), 0);
}

/// A frame that dribbles is no faster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_of_h2_that_dribbles_is_given_up() {
    let rig = rig(|config| config.limits.head_timeout = Duration::from_millis(200)).await;
    let mut client = greeted(&rig).await;
    let head = frame(HEADERS, END, 1, &get(&format!("/up/{}", "x".repeat(100)), &[]));
    let dribble = async {
        for byte in &head {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if client.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        panic!("it is closed before its end");
    };
    tokio::time::timeout(LONG, dribble).await.unwrap();
    assert_eq!(rig.health.rejected(Rejected::HeadTimeout), 1);
}

/// Answering pings keeps nothing open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_of_h2_is_closed_though_it_answers() {
    let rig = rig(|config| config.limits.keep_alive = Duration::from_millis(150)).await;
    let mut client = greeted(&rig).await;
    let mut ask = frame(HEADERS, END, 1, &get("/up/x", &[]));
    ask.extend(frame(PING, 0, 0, b"whatever"));
    client.write_all(&ask).await.unwrap();
    let kinds = to_the_end(&mut client, |kind, flags, content| match (kind, flags) {
        (SETTINGS, 0) => Some(frame(SETTINGS, 1, 0, b"")),
        (PING, 0) => Some(frame(PING, 1, 0, content)),
        _ => None,
    })
    .await;
    assert!(kinds.contains(&DATA) && kinds.contains(&GOAWAY), "{kinds:?}");
    until(|| (rig.health.connections() == 0).then_some(())).await;
    assert_eq!((rig.health.accepted(), rig.health.rejected(Rejected::HeadTimeout)), (1, 0));

    // Nor does hearing nothing.
    let mut client = greeted(&rig).await;
    to_the_end(&mut client, |_, _, _| None).await;
    until(|| (rig.health.connections() == 0).then_some(())).await;
}

/// While a response goes on, the connection is not idle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_answer_is_not_an_idle_connection() {
    let mut config = config();
    config.limits.keep_alive = Duration::from_millis(50);
    let rig = Rig::with(
        config,
        |_| {},
        |mut tcp, _| async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no").await.unwrap();
            tokio::time::sleep(Duration::from_millis(400)).await;
            tcp.write_all(b"k").await.unwrap();
        },
    )
    .await;
    let mut client = greeted(&rig).await;
    client.write_all(&frame(HEADERS, END, 1, &get("/up/x", &[]))).await.unwrap();
    let mut got = Vec::new();
    while let Some((kind, _, content)) = read(&mut client).await {
        if kind == DATA {
            got.extend(content);
        }
    }
    assert_eq!(got, b"ok");
    assert_eq!(rig.one().await.exchange().end, tidegauge_core::End::Complete);
}

/// Frames that ask for nothing have a limit; as many as an ordinary client sends have not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn floods_of_frames_are_closed() {
    let rig = rig(|_| {}).await;
    let mut client = greeted(&rig).await;
    client.write_all(&frame(PING, 0, 0, b"12345678").repeat(900)).await.unwrap();
    client.write_all(&frame(HEADERS, END, 1, &get("/up/x", &[]))).await.unwrap();
    while read(&mut client).await.expect("it is answered").0 != DATA {}
    assert_eq!(rig.health.connections_flooded(), 0);

    let floods = [frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0, b""), frame(77, 0, 0, b"")];
    for (count, flood) in floods.iter().enumerate() {
        let mut client = greeted(&rig).await;
        let (mut reading, mut writing) = client.split();
        let flood = flood.repeat(100);
        let write = async {
            // More than any buffers on the way.
            for _ in 0..100_000 {
                if writing.write_all(&flood).await.is_err() {
                    return;
                }
            }
            panic!("10,000,000 frames are too many");
        };
        let read = async {
            let mut answers = [0; 4096];
            while reading.read(&mut answers).await.is_ok_and(|count| count > 0) {}
        };
        let both = futures_util::future::join(write, read);
        tokio::time::timeout(LONG, both).await.unwrap();
        let flooded = || rig.health.connections_flooded() == count as u64 + 1;
        until(|| flooded().then_some(())).await;
    }
}

/// Every stream is a request or counted: what HTTP/2 itself refuses, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_no_request_are_counted() {
    let rig = rig(|_| {}).await;
    let bad = [("connection", "close"), ("x", "a\r\nb"), ("X-Upper", "a"), (":odd", "a")];
    for (count, field) in bad.into_iter().enumerate() {
        let mut client = greeted(&rig).await;
        client.write_all(&frame(HEADERS, END, 1, &get("/up/x", &[("fine", "a")]))).await.unwrap();
        while read(&mut client).await.expect("an answer").0 != DATA {}
        client.write_all(&frame(HEADERS, END, 3, &get("/up/x", &[field]))).await.unwrap();
        // Reset, or with the whole connection.
        while read(&mut client).await.is_some_and(|(kind, ..)| kind != RST_STREAM) {}
        drop(client);
        let refused = || rig.health.rejected(Rejected::Stream) == count as u64 + 1;
        until(|| refused().then_some(())).await;
    }
    assert_eq!(rig.health.accepted(), 4);
}
