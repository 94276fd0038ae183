//! Requests meant to be read in two ways: the verdict, and what the upstream saw.

use tidegauge_core::Rejected;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use super::fixture::{Rig, read_request, status};

/// Refused by us, refused by the parser, or forwarded as that request line.
enum Verdict {
    Refused(u16, Rejected),
    Forwarded(&'static str),
}
use Verdict::{Forwarded, Refused};

const FRAMING: Verdict = Refused(400, Rejected::Framing);
const PARSE: Verdict = Refused(400, Rejected::Parse);
const HOST: Verdict = Refused(400, Rejected::Host);
const PATH: Verdict = Refused(400, Rejected::Path);
const ROOT: Verdict = Forwarded("POST /x HTTP/1.1");

/// Each request is followed by `GET /up/smuggled` inside its body or after it; no upstream may see
/// that one unless it is a request of its own, which none here is.
const PROBES: &[(&str, &str, Verdict)] = &[
    ("plain", "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", ROOT),
    (
        "A-01 length and coding",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /up/smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
        FRAMING,
    ),
    (
        "A-01 coding and length",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /up/smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
        FRAMING,
    ),
    (
        "A-02 differing lengths",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        PARSE,
    ),
    (
        "A-02 the same length twice",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        FRAMING,
    ),
    ("A-02 a list", "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 3, 3\r\n\r\nabc", PARSE),
    ("A-02 a sign", "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: +3\r\n\r\nabc", PARSE),
    ("A-02 negative", "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\nabc", PARSE),
    ("A-02 hex", "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 0x3\r\n\r\nabc", PARSE),
    (
        "A-02 overflow",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
        PARSE,
    ),
    (
        "A-03 coding twice",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        FRAMING,
    ),
    (
        "A-03 chunked, chunked",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        FRAMING,
    ),
    (
        "A-03 gzip, chunked",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        FRAMING,
    ),
    (
        "A-03 xchunked",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        PARSE,
    ),
    (
        "A-03 vertical tab",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        PARSE,
    ),
    (
        "A-04 coding on HTTP/1.0",
        "POST /up/x HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        PARSE,
    ),
    ("A-05 folded", "GET /up/x HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", PARSE),
    ("A-05 space before colon", "GET /up/x HTTP/1.1\r\nHost : h\r\n\r\n", PARSE),
    ("A-05 bare CR", "GET /up/x HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", PARSE),
    ("A-05 NUL", "GET /up/x HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n", PARSE),
    // Bare LF ends a line for us; the upstream gets what we read, line by line.
    ("A-06 bare LF", "POST /up/x HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc", ROOT),
    (
        "A-06 bare LF hides a coding",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nA: b\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        FRAMING,
    ),
    ("A-07 no host", "GET /up/x HTTP/1.1\r\n\r\n", HOST),
    ("A-07 two hosts", "GET /up/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", HOST),
    ("A-07 the same host twice", "GET /up/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", HOST),
    ("A-07 a path in it", "GET /up/x HTTP/1.1\r\nHost: x/../@evil\r\n\r\n", HOST),
    ("A-07 a user in it", "GET /up/x HTTP/1.1\r\nHost: u@h\r\n\r\n", HOST),
    ("A-07 empty", "GET /up/x HTTP/1.1\r\nHost:\r\n\r\n", HOST),
    ("A-07 a bad port", "GET /up/x HTTP/1.1\r\nHost: h:99999\r\n\r\n", HOST),
    ("A-07 IPv6", "POST /up/x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", ROOT),
    (
        "A-08 absolute form",
        "POST http://evil/up/x HTTP/1.1\r\nHost: evil\r\nContent-Length: 0\r\n\r\n",
        ROOT,
    ),
    ("A-08 another host", "POST http://evil/up/x HTTP/1.1\r\nHost: h\r\n\r\n", HOST),
    ("A-08 userinfo", "POST http://u:p@h/up/x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-08 fragment", "POST /up/x#y HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    (
        "A-08 two slashes",
        "POST /up//evil/a HTTP/1.1\r\nHost: h\r\n\r\n",
        Forwarded("POST //evil/a HTTP/1.1"),
    ),
    ("A-09 CONNECT", "CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", Refused(405, Rejected::Method)),
    ("A-09 TRACE", "TRACE /up/x HTTP/1.1\r\nHost: h\r\n\r\n", Refused(405, Rejected::Method)),
    ("A-09 lower case", "get /up/x HTTP/1.1\r\nHost: h\r\n\r\n", Refused(405, Rejected::Method)),
    ("A-09 unknown", "BREW /up/x HTTP/1.1\r\nHost: h\r\n\r\n", Refused(405, Rejected::Method)),
    ("A-10 dot segments", "GET /up/../x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 one dot", "GET /up/./x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 escaped dots", "GET /up/%2e%2E/x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 twice escaped", "GET /up/%252e%252e/x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 escaped slash", "GET /up/..%2fx HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 backslash", "GET /up\\..\\x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 escaped backslash", "GET /up/%5c..%5cx HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 NUL", "GET /up/x%00y HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 over-long", "GET /up/%c0%ae%c0%ae/x HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    ("A-10 no escape", "GET /up/%zz HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    (
        "A-10 a slash in a name",
        "POST /up/model%2Fname/x%20y HTTP/1.1\r\nHost: h\r\n\r\n",
        Forwarded("POST /model%2Fname/x%20y HTTP/1.1"),
    ),
    (
        "A-10 not at a boundary",
        "GET /upx/y HTTP/1.1\r\nHost: h\r\n\r\n",
        Refused(404, Rejected::Route),
    ),
    (
        "A-10 an escaped name",
        "GET /%75p/x HTTP/1.1\r\nHost: h\r\n\r\n",
        Refused(404, Rejected::Route),
    ),
    ("A-10 asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", PATH),
    (
        "A-16 refused with a body",
        "POST /nowhere HTTP/1.1\r\nHost: h\r\nContent-Length: 40\r\n\r\nGET /up/smuggled HTTP/1.1\r\nHost: h\r\n\r\n..",
        Refused(404, Rejected::Route),
    ),
    (
        "A-17 another instance",
        "GET /up/x HTTP/1.1\r\nHost: h\r\nVia: 1.0 a, 1.1 tidegauge-0a\r\n\r\n",
        Forwarded("GET /x HTTP/1.1"),
    ),
    (
        "A-17 a long chain",
        "GET /up/x HTTP/1.1\r\nHost: h\r\nVia: 1.1 tidegauge, 1.1 tidegauge-1, 1.1 tidegauge-2\r\n\
        Via: 1.1 a\r\nVia: 2.0 tidegauge-3, 1.1 tidegauge-4\r\n\r\n",
        Refused(508, Rejected::Loop),
    ),
    (
        "F-31 an expectation",
        "POST /up/x HTTP/1.1\r\nHost: h\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\nx",
        Refused(417, Rejected::Expectation),
    ),
    ("HTTP/1.0 without a host", "POST /up/x HTTP/1.0\r\nContent-Length: 0\r\n\r\n", ROOT),
    ("not HTTP", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", PARSE),
    ("no version", "GET /up/x\r\n\r\n", PARSE),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_read_in_two_ways() {
    let (tell, mut told) = mpsc::channel(4);
    let rig = Rig::new(move |mut tcp, _| {
        let tell = tell.clone();
        async move {
            while let Some((head, _)) = read_request(&mut tcp).await {
                tell.send(head.lines().next().unwrap().to_owned()).await.unwrap();
                tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            }
        }
    })
    .await;
    let mut refused = 0;
    for (name, probe, verdict) in PROBES {
        let mut client = rig.connect().await;
        client.write_all(probe.as_bytes()).await.unwrap();
        client.shutdown_reading_answer().await;
        let answer = client.answer().await;
        let text = String::from_utf8_lossy(&answer);
        match verdict {
            Forwarded(line) => {
                assert_eq!(status(&answer), 200, "{name}: {text}");
                assert_eq!(told.recv().await.unwrap(), *line, "{name}");
            }
            Refused(code, reason) => {
                refused += 1;
                assert_eq!(status(&answer), *code, "{name}: {text}");
                let counted =
                    || Rejected::ALL.iter().map(|by| rig.health.rejected(*by)).sum::<u64>();
                super::fixture::until(|| (counted() == refused).then_some(())).await;
                let all = Rejected::ALL.iter().map(|by| (by.name(), rig.health.rejected(*by)));
                let expected = PROBES
                    .iter()
                    .take_while(|(other, ..)| other != name)
                    .filter(|(.., verdict)| matches!(verdict, Refused(_, by) if by == reason))
                    .count() as u64;
                assert_eq!(
                    rig.health.rejected(*reason),
                    expected + 1,
                    "{name}: {:?}",
                    all.collect::<Vec<_>>()
                );
            }
        }
        assert!(told.try_recv().is_err(), "{name}: the upstream saw more than that");
    }
    let forwarded = PROBES.iter().filter(|(.., verdict)| matches!(verdict, Forwarded(_))).count();
    assert_eq!(rig.health.accepted(), forwarded as u64);
    assert_eq!(rig.health.panics(tidegauge_core::Task::Connection), 0);
}

/// Reads one answer: to its end, or until the proxy waits for more.
trait Answer {
    async fn shutdown_reading_answer(&mut self);
    async fn answer(&mut self) -> Vec<u8>;
}

impl Answer for tokio::net::TcpStream {
    async fn shutdown_reading_answer(&mut self) {
        self.flush().await.unwrap();
    }

    async fn answer(&mut self) -> Vec<u8> {
        use tokio::io::AsyncReadExt;
        let mut bytes = Vec::new();
        let reading = async {
            while self.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
                let Some(end) = super::fixture::find(&bytes, b"\r\n\r\n") else { continue };
                let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
                let length = head.split("content-length: ").nth(1);
                let length =
                    length.map_or(0, |rest| rest.split("\r\n").next().unwrap().parse().unwrap());
                if bytes.len() >= end + 4 + length {
                    return;
                }
            }
        };
        tokio::time::timeout(super::fixture::LONG, reading).await.expect("an answer");
        bytes
    }
}

/// Bounds of a request head.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_have_bounds() {
    let rig = Rig::new(|mut tcp, _| async move {
        while read_request(&mut tcp).await.is_some() {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    })
    .await;
    let request = |target: usize, fields: usize, size: usize| {
        let field = |n: usize| format!("x-{n}: {}\r\n", "v".repeat(size));
        let fields: String = (0..fields).map(field).collect();
        let target = "t".repeat(target);
        format!("GET /up/{target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n")
    };
    for (target, fields, size, expected) in [
        (16_000, 0, 0, 200),
        (17_000, 0, 0, 414),
        (70_000, 0, 0, 431),
        (1, 98, 100, 200),
        (1, 99, 1, 431),
        (1, 50, 2000, 431),
    ] {
        let answer = rig.raw(request(target, fields, size).as_bytes()).await;
        assert_eq!(status(&answer), expected, "{target} {fields} {size}");
    }
    // The parser's refusals are counted once their connections are over.
    super::fixture::until(|| (rig.health.rejected(Rejected::Parse) == 4).then_some(())).await;
}

/// A limit above the HTTP/1 parser's own holds, too.
#[tokio::test]
async fn the_number_of_fields_may_be_raised() {
    let mut config = super::fixture::config();
    config.limits.headers = 150;
    let answer = async |mut tcp: tokio::net::TcpStream, _| {
        while read_request(&mut tcp).await.is_some() {
            tcp.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        }
    };
    let rig = Rig::with(config, |_| {}, answer).await;
    for (fields, expected) in [(140, 200), (160, 431)] {
        let fields: String = (0..fields).map(|n| format!("x-{n}: v\r\n")).collect();
        let request = format!("GET /up/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n");
        assert_eq!(status(&rig.raw(request.as_bytes()).await), expected);
    }
}
