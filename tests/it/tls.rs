//! TLS on both sides: the listener's own, and what an upstream shows (row F-04). Never a way round a
//! certificate that does not hold, never plain text instead.

use serde_json::json;

use crate::support::answers;
use crate::support::client::{Client, call, post};
use crate::support::program::{Program, Start};
use crate::support::tls::{self, Authority, Front, Identity};
use crate::support::upstream::{Step, Upstream};

const CHAT: &str = "/openai/v1/chat/completions";

/// A program whose upstream is behind `origin`, trusting the authority if there is one.
async fn towards(origin: &str, trusted: Option<&Authority>) -> (Program, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let tls = trusted.map_or(String::new(), |authority| {
        format!(", tls: {{ ca: \"{}\" }}", authority.write(folder.path()).display())
    });
    let config = format!(
        "upstreams:\n  openai: {{ base_url: \"{origin}\", timeouts: {{ connect: 2s }}{tls} }}\n"
    );
    (Start::with(config).run().await, folder)
}

async fn ask(program: &Program) -> (u16, String) {
    let body = json!({"model": "gpt-4o-mini", "messages": []});
    let answer = call(program.listen, &post(CHAT, &body)).await;
    (answer.status, answer.header("proxy-status").unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_upstream_is_believed_only_with_a_certificate_that_holds() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let good = |authority: &Authority| authority.vouch(&["localhost", "127.0.0.1"], 2099);
    let cases: [(&str, Identity, Option<&str>); 4] = [
        ("good", good(&known), None),
        ("an unknown authority", good(&unknown), Some("tls_certificate_error")),
        ("another name", known.vouch(&["other.test"], 2099), Some("tls_certificate_error")),
        ("expired", known.vouch(&["localhost"], 2021), Some("tls_certificate_error")),
    ];
    for (name, identity, error) in cases {
        let upstream = Upstream::start(answers::provider).await;
        let front = Front::start(&identity, upstream.addr).await;
        let origin = format!("https://localhost:{}", front.addr.port());
        let (program, _folder) = towards(&origin, Some(&known)).await;
        let (status, told) = ask(&program).await;
        let record = program.record().await;
        match error {
            None => {
                assert_eq!(status, 200, "{name}: {told}");
                assert_eq!(upstream.only().await.header("host"), Some(&origin["https://".len()..]));
            }
            Some(error) => {
                assert_eq!((status, upstream.seen().len()), (502, 0), "{name}");
                assert!(told.contains(error), "{name}: {told}");
                assert_eq!((&record["error"], &record["category"]), (&json!(error), &json!("tls")));
                assert_eq!(record["domain"], "network", "{name}: {record}");
            }
        }
    }
}

#[tokio::test]
async fn an_authority_nobody_named_is_not_believed() {
    let authority = Authority::new();
    let upstream = Upstream::start(answers::provider).await;
    let front = Front::start(&authority.vouch(&["localhost"], 2099), upstream.addr).await;
    let (program, _folder) =
        towards(&format!("https://localhost:{}", front.addr.port()), None).await;
    assert_eq!(ask(&program).await.0, 502);
    assert!(upstream.seen().is_empty());
}

#[tokio::test]
async fn plain_text_is_no_answer_to_a_handshake() {
    let upstream = Upstream::always(answers::whole(200, &[], b"plain")).await;
    let origin = format!("https://localhost:{}", upstream.addr.port());
    let (program, _folder) = towards(&origin, None).await;
    // The fault box waits for the end of a head that a handshake never has: it never answers, and
    // the time to connect runs out. One that answers at once is no TLS either.
    let (status, told) = ask(&program).await;
    assert_eq!(status, 504, "{told}");
    assert!(upstream.seen().is_empty(), "nothing was sent in plain text");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let speaking = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 No\r\n\r\n").await;
        }
    });
    let (program, _folder) = towards(&origin, None).await;
    let (status, told) = ask(&program).await;
    assert_eq!(status, 502, "{told}");
    assert_eq!(program.record().await["error"], "tls_protocol_error");
    speaking.abort();
}

#[tokio::test]
async fn the_listener_speaks_tls_and_agrees_on_a_protocol() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let listen = authority.vouch(&["localhost"], 2099).listen(folder.path());
    let upstream = Upstream::start(answers::provider).await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).and(&listen).run().await;
    let raw = b"GET /openai/v1/models HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (said, _) = tls::call(program.listen, &authority, &["http/1.1"], raw).await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    let (_, agreed) = tls::call(program.listen, &authority, &["h2", "http/1.1"], b"").await;
    assert_eq!(agreed.as_deref(), Some("h2"));
    let mut plain = Client::connect(program.listen).await;
    let _ = plain.try_write(raw).await;
    assert!(plain.try_answer(false).await.is_none_or(|answer| answer.status == 400));
    assert_eq!(upstream.seen().len(), 1, "nothing passes in plain text");
}

#[tokio::test]
async fn a_switch_of_protocols_is_a_tunnel_only_after_101() {
    // F-32: what follows an upgrade request is not passed on before the upstream agreed.
    let agreed = answers::head(101, &[("upgrade", "websocket"), ("connection", "upgrade")]);
    let upstream = Upstream::start(move |seen| {
        if seen.target.ends_with("refuse") {
            return answers::whole(403, &[], b"no");
        }
        vec![Step::Send(agreed.clone()), Step::Send("from upstream".into()), Step::Hang]
    })
    .await;
    let program = Start::upstreams(&[("openai", &upstream.origin())]).run().await;
    let ask = |target: &str| {
        format!(
            "GET /openai/v1/realtime?{target} HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
             upgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let mut client = Client::connect(program.listen).await;
    client.write(ask("model=m").as_bytes()).await;
    assert_eq!(client.head().await.map(|head| head.0), Some(101));
    assert_eq!(client.read_to("upstream").await, b"from upstream");
    client.write(b"from client").await;
    drop(client);
    let seen = upstream.only().await;
    assert_eq!(seen.header("upgrade"), Some("websocket"));
    seen.closed().await;
    let record = program.record().await;
    assert_eq!(
        (&record["operation"], &record["response"]["status"]),
        (&json!("realtime"), &json!(101))
    );
    assert_eq!(record["response"]["bytes"], "from upstream".len(), "{record}");

    let mut client = Client::connect(program.listen).await;
    let smuggled = "GET /openai/v1/smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    client.write(format!("{}{smuggled}", ask("refuse")).as_bytes()).await;
    assert_eq!(client.answer().await.status, 403);
    client.finish().await;
    client.closed().await;
    let smuggled =
        upstream.seen().iter().filter(|seen| seen.raw.windows(8).any(|w| w == b"smuggled")).all(
            |seen| seen.method == "GET" && seen.target == "/v1/smuggled" && seen.body.is_empty(),
        );
    assert!(smuggled, "as a request of its own or not at all");
}
