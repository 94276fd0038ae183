//! Requests that could mean two things, written by hand to a raw connection (rows ).
//! Whatever we make of them, the upstream must see no more requests than were judged valid.

use std::net::SocketAddr;

use crate::support::answers;
use crate::support::client::Client;
use crate::support::program::Start;
use crate::support::upstream::{Seen, Upstream};

/// What must come of a probe.
enum Verdict {
    /// Answered with one of these statuses, or closed without an answer where none is listed; the
    /// upstream sees nothing of it.
    Refused(&'static [u16]),
    /// Passed on, as one request with this target and body.
    Passed(&'static str, &'static str),
    /// Passed on until its body broke: answered 400, and the upstream sees no whole request.
    Broken,
}

use Verdict::{Broken, Passed, Refused};

/// The row it belongs to, the bytes, and the verdict. `{S}` stands for a request to be smuggled in,
/// `{N}` for its length.
const PROBES: &[(&str, &str, Verdict)] = &[
    (
        "A-00 an ordinary request",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nok",
        Passed("/v1/p", "ok"),
    ),
    (
        "A-01 length, then coding",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: {N}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-01 coding, then length",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-02 two lengths",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: {N}\r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-02 two equal lengths",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        Refused(&[400]),
    ),
    (
        "A-02 a list of lengths",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\n\r\nok{S}",
        Refused(&[400]),
    ),
    (
        "A-02 a signed length",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\nok{S}",
        Refused(&[400]),
    ),
    (
        "A-02 a negative length",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-02 a length in hex",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: 0x2\r\n\r\nok{S}",
        Refused(&[400]),
    ),
    (
        "A-02 a length past 64 bits",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551617\r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-02 an empty length",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length: \r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-03 coding twice",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400, 501]),
    ),
    (
        "A-03 chunked in chunked",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400, 501]),
    ),
    (
        "A-03 gzip in chunked",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400, 501]),
    ),
    (
        "A-03 an unknown coding",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400, 501]),
    ),
    (
        "A-03 a vertical tab",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400, 501]),
    ),
    (
        "A-03 identity",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n{S}",
        Refused(&[400, 501]),
    ),
    (
        "A-04 coding on HTTP/1.0",
        "POST /openai/v1/p HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{S}",
        Refused(&[400, 505]),
    ),
    (
        "A-05 a folded line",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nX-A: a\r\n b\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-05 a blank before the colon",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent-Length : {N}\r\n\r\n{S}",
        Refused(&[400]),
    ),
    (
        "A-05 a bare CR",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nX-A: a\rb\r\n\r\n",
        Refused(&[400]),
    ),
    ("A-05 a NUL", "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nX-A: a\0b\r\n\r\n", Refused(&[400])),
    (
        "A-05 a blank in a name",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nX A: a\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-05 a name that is none",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-06 bare LF everywhere",
        "POST /openai/v1/p HTTP/1.1\nHost: x\nContent-Length: 2\n\nok",
        Passed("/v1/p", "ok"),
    ),
    ("A-07 no host", "GET /openai/v1/p HTTP/1.1\r\n\r\n", Refused(&[400])),
    ("A-07 two hosts", "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", Refused(&[400])),
    (
        "A-07 two equal hosts",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-07 a host that is a path",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x/../@evil\r\n\r\n",
        Refused(&[400]),
    ),
    ("A-07 a host with a user", "GET /openai/v1/p HTTP/1.1\r\nHost: u@x\r\n\r\n", Refused(&[400])),
    ("A-07 a host with a blank", "GET /openai/v1/p HTTP/1.1\r\nHost: x y\r\n\r\n", Refused(&[400])),
    (
        "A-07 a host with a bad port",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x:99999\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-08 an absolute target",
        "GET http://evil.test/openai/v1/p HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        Passed("/v1/p", ""),
    ),
    (
        "A-08 another host in the target",
        "GET http://evil.test/openai/v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-08 a user in the target",
        "GET http://u:p@x/openai/v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    ("A-08 a fragment", "GET /openai/v1/p#f HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[400])),
    (
        "A-09 CONNECT",
        "CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test:443\r\n\r\n",
        Refused(&[405]),
    ),
    ("A-09 TRACE", "TRACE /openai/v1/p HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[405])),
    ("A-09 lower case", "get /openai/v1/p HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[405])),
    ("A-09 unknown", "BREW /openai/v1/p HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[405])),
    ("A-09 an asterisk", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[400])),
    ("A-10 dots", "GET /openai/../anthropic/v1/p HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[400])),
    ("A-10 one dot", "GET /openai/./v1/p HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[400])),
    (
        "A-10 escaped dots",
        "GET /openai/%2e%2e/anthropic/v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-10 half escaped dots",
        "GET /openai/.%2E/v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-10 dots escaped twice",
        "GET /openai/%252e%252e/v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-10 dots behind an escaped slash",
        "GET /openai/v1/a%2f..%2fp HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    ("A-10 a backslash", "GET /openai\\..\\v1/p HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[400])),
    (
        "A-10 an escaped backslash",
        "GET /openai/%5c../v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    ("A-10 an escaped NUL", "GET /openai/v1/p%00 HTTP/1.1\r\nHost: x\r\n\r\n", Refused(&[400])),
    (
        "A-10 over-long UTF-8",
        "GET /openai/%c0%ae%c0%ae/v1/p HTTP/1.1\r\nHost: x\r\n\r\n",
        Refused(&[400]),
    ),
    (
        "A-10 an escaped slash in a name",
        "GET /openai/v1/models/org%2Fm HTTP/1.1\r\nHost: x\r\n\r\n",
        Passed("/v1/models/org%2Fm", ""),
    ),
    (
        "A-10 doubled slashes",
        "GET /openai//v1//p HTTP/1.1\r\nHost: x\r\n\r\n",
        Passed("//v1//p", ""),
    ),
    (
        "A-11 a nominated credential",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nConnection: Authorization\r\nAuthorization: Bearer k\r\n\r\n",
        Passed("/v1/p", ""),
    ),
    (
        "A-13 an underscore twin",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nContent_Length: 5\r\n\r\n",
        Passed("/v1/p", ""),
    ),
    (
        "A-17 too many like us",
        "GET /openai/v1/p HTTP/1.1\r\nHost: x\r\nVia: 1.1 tidegauge-a\r\nVia: 1.1 tidegauge-b, 1.1 tidegauge-c, 1.1 tidegauge-d, 1.1 tidegauge-e\r\n\r\n",
        Refused(&[508]),
    ),
    (
        "F-31 an unknown expectation",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nExpect: 200-maybe\r\nContent-Length: 2\r\n\r\nok",
        Refused(&[417]),
    ),
    ("F-12 another protocol", "HELO x\r\n\r\n", Refused(&[400])),
    ("F-12 a later version", "GET /openai/v1/p HTTP/1.7\r\nHost: x\r\n\r\n", Refused(&[400, 505])),
    ("F-12 no version", "GET /openai/v1/p\r\n\r\n", Refused(&[400])),
    (
        "F-10 a chunk size that is none",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n{S}",
        Broken,
    ),
    (
        "F-10 a chunk size that overflows",
        "POST /openai/v1/p HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n\r\n{S}",
        Broken,
    ),
];

#[tokio::test]
async fn no_request_means_two_things() {
    let upstream = Upstream::start(|seen| answers::whole(200, &[], seen.target.as_bytes())).await;
    let origin = upstream.origin();
    let program = Start::upstreams(&[("openai", &origin), ("anthropic", &origin)]).run().await;
    let mut wrong = Vec::new();
    let (mut valid, mut broken) = (0, 0);
    for (name, raw, verdict) in PROBES {
        let smuggled = "GET /openai/v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
        let raw = raw.replace("{S}", smuggled).replace("{N}", &smuggled.len().to_string());
        let before = upstream.seen().len();
        let statuses = probe(program.listen, raw.as_bytes()).await;
        let seen = upstream.seen().split_off(before);
        if let Some(said) = judge(verdict, &statuses, &seen) {
            wrong.push(format!("{name}: {said}; answers {statuses:?}, upstream {seen:?}"));
        }
        valid += usize::from(matches!(verdict, Passed(..)));
        broken += usize::from(matches!(verdict, Broken));
        if seen.iter().any(|seen| seen.raw.windows(2).any(|w| w[1] == b'\n' && w[0] != b'\r')) {
            wrong.push(format!("{name}: a bare LF reached the upstream"));
        }
        if name.starts_with("A-11") && seen.iter().any(|s| s.header("authorization").is_none()) {
            wrong.push(format!("{name}: a client took out a credential by naming it"));
        }
    }
    assert!(wrong.is_empty(), "{} probes:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(upstream.seen().len(), valid, "the upstream saw what was judged valid");
    let page = program.metrics().await;
    let rejected = page.total("tidegauge_requests_rejected_total");
    let refused = PROBES.len() - valid - broken;
    assert_eq!(rejected as usize, refused, "each refusal is counted once: {page:?}");
    assert_eq!(page.total("tidegauge_requests_accepted_total") as usize, valid + broken);
}

/// Writes a probe, ends the connection on our side, and returns the statuses of what comes back.
async fn probe(addr: SocketAddr, raw: &[u8]) -> Vec<u16> {
    let mut client = Client::connect(addr).await;
    let _ = client.try_write(raw).await;
    let mut statuses = Vec::new();
    while statuses.is_empty() {
        let Some(answer) = client.try_answer(false).await else { return statuses };
        statuses.push(answer.status);
    }
    // A second answer would be one to what was smuggled in.
    client.finish().await;
    while let Some(answer) = client.try_answer(false).await {
        statuses.push(answer.status);
    }
    statuses
}

fn judge(verdict: &Verdict, statuses: &[u16], seen: &[Seen]) -> Option<String> {
    match verdict {
        Refused(allowed) => {
            let answered = matches!(statuses, [status] if allowed.contains(status));
            let quiet = seen.iter().all(|seen| !seen.target.contains("smuggled"));
            (!answered || !quiet || !seen.is_empty())
                .then(|| format!("is to be refused {allowed:?}"))
        }
        Broken => {
            let quiet = seen.is_empty();
            (statuses != [400] || !quiet).then(|| "is to be answered 400 and not passed".to_owned())
        }
        Passed(target, body) => {
            let one = matches!(seen, [seen] if seen.target == *target && seen.body == *body);
            (!one || statuses != [200]).then(|| format!("is to be passed as {target}"))
        }
    }
}

#[tokio::test]
async fn heads_have_bounds() {
    let upstream = Upstream::always(answers::whole(200, &[], b"ok")).await;
    let origin = upstream.origin();
    let program = Start::upstreams(&[("openai", &origin)]).run().await;
    let head = |target: &str, rest: &str| {
        format!("GET {target} HTTP/1.1\r\nHost: x\r\n{rest}\r\n").into_bytes()
    };
    let long_target = format!("/openai/v1/{}", "a".repeat(17 << 10));
    let many = (0..101).map(|n| format!("X-{n}: a\r\n")).collect::<String>();
    let large = format!("X-A: {}\r\n", "a".repeat(70 << 10));
    let fits = format!("X-A: {}\r\n", "a".repeat(30 << 10));
    for (raw, allowed) in [
        (head(&long_target, ""), &[414][..]),
        (head("/openai/v1/p", &many), &[431]),
        (head("/openai/v1/p", &large), &[431]),
        (head("/openai/v1/p", &fits), &[200]),
    ] {
        let statuses = probe(program.listen, &raw).await;
        assert!(allowed.contains(statuses.first().unwrap_or(&0)), "{allowed:?}: {statuses:?}");
    }
    assert_eq!(upstream.seen().len(), 1);
}

#[tokio::test]
async fn a_head_that_dribbles_is_given_up() {
    let upstream = Upstream::always(answers::whole(200, &[], b"ok")).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())])
        .and("limits: { head_timeout: 300ms }\n")
        .run()
        .await;
    let mut slow = Client::connect(program.listen).await;
    slow.write(b"GET /openai/v1/p HTTP/1.1\r\nHost:").await;
    let answer = slow.try_answer(false).await;
    assert!(answer.is_none_or(|answer| answer.status == 408), "closed, or told why");
    assert!(slow.closed().await);
    assert_eq!(probe(program.listen, b"GET /openai/v1/p HTTP/1.1\r\nHost: x\r\n\r\n").await, [200]);
}

#[tokio::test]
async fn an_answer_of_ours_leaves_no_body_behind() {
    // the unread body of a refused request must not become the next request.
    let upstream = Upstream::always(answers::whole(200, &[], b"ok")).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let inner = "GET /openai/v1/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in
        ["BREW /openai/v1/p HTTP/1.1\r\nHost: x\r\n", "POST /openai/../p HTTP/1.1\r\nHost: x\r\n"]
    {
        let raw = format!("{head}Content-Length: {}\r\n\r\n{inner}", inner.len());
        let statuses = probe(program.listen, raw.as_bytes()).await;
        assert_eq!(statuses.len(), 1, "one request, one answer: {statuses:?}");
    }
    assert!(upstream.seen().is_empty());
}
