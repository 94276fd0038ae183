//! Bytes arrive as they were sent, and at once.

use tidegauge_core::End;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::fixture::{LONG, Rig, dechunk, find, read_request, read_until, unnumbered};

/// Sends in random pieces.
async fn write_cut(tcp: &mut tokio::net::TcpStream, bytes: &[u8], random: &mut fastrand::Rng) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(3000)));
        if tcp.write_all(piece).await.is_err() {
            return;
        }
        tokio::task::yield_now().await;
        rest = after;
    }
}

fn chunked(bytes: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(5000)));
        out.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        out.extend_from_slice(piece);
        out.extend_from_slice(b"\r\n");
        rest = after;
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_directions_are_byte_exact_however_they_are_cut() {
    let (tell, mut told) = mpsc::channel(1);
    let rig = Rig::new(move |mut tcp, _| {
        let tell = tell.clone();
        async move {
            while let Some((head, body)) = read_request(&mut tcp).await {
                let seed = head.split("x-seed: ").nth(1).unwrap().split("\r\n").next().unwrap();
                let mut random = fastrand::Rng::with_seed(seed.parse().unwrap());
                let answer: Vec<u8> =
                    (0..random.usize(0..200_000)).map(|_| random.u8(..)).collect();
                let how = match random.u8(0..2) {
                    0 => format!("content-length: {}", answer.len()),
                    _ => "transfer-encoding: chunked".to_owned(),
                };
                let wire = if how.starts_with('t') {
                    chunked(&answer, &mut random)
                } else {
                    answer.clone()
                };
                tell.send((head, body, answer)).await.unwrap();
                write_cut(
                    &mut tcp,
                    format!("HTTP/1.1 200 OK\r\n{how}\r\n\r\n").as_bytes(),
                    &mut random,
                )
                .await;
                write_cut(&mut tcp, &wire, &mut random).await;
            }
        }
    })
    .await;
    let mut client = rig.connect().await;
    for seed in 0..40_u64 {
        let mut random = fastrand::Rng::with_seed(seed ^ 0xabcd);
        let sent: Vec<u8> = (0..random.usize(0..200_000)).map(|_| random.u8(..)).collect();
        let (how, wire) = if seed % 2 == 0 {
            (format!("content-length: {}", sent.len()), sent.clone())
        } else {
            ("transfer-encoding: chunked".to_owned(), chunked(&sent, &mut random))
        };
        let head =
            format!("POST /up/chat?a=b HTTP/1.1\r\nhost: h\r\nx-seed: {seed}\r\n{how}\r\n\r\n");
        let (mut read, mut write) = client.split();
        let sending = async {
            let mut rest = [head.as_bytes(), &wire].concat();
            while !rest.is_empty() {
                let piece: Vec<u8> = rest.drain(..random.usize(1..=rest.len().min(4000))).collect();
                write.write_all(&piece).await.unwrap();
            }
        };
        let reading = async {
            let mut bytes = Vec::new();
            loop {
                read.read_buf(&mut bytes).await.unwrap();
                let Some(end) = find(&bytes, b"\r\n\r\n") else { continue };
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let body = &bytes[end + 4..];
                match head.split("content-length: ").nth(1) {
                    Some(length) => {
                        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                        if body.len() == length {
                            return body.to_vec();
                        }
                    }
                    None if body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n" => {
                        return dechunk(body);
                    }
                    None => {}
                }
            }
        };
        let both = async { tokio::join!(sending, reading) };
        let ((), got) = tokio::time::timeout(LONG, both).await.expect("an answer");
        let (head, came, answer) = told.recv().await.unwrap();
        assert!(head.starts_with("POST /chat?a=b HTTP/1.1\r\n"), "{head}");
        assert!(came == sent, "the request of seed {seed}");
        assert!(got == answer, "the response of seed {seed}");
        let seen = rig.seen(seed as usize + 1).await.pop().unwrap();
        assert!(seen.request == sent && seen.response == answer, "what was shown of seed {seed}");
        let exchange = seen.exchange();
        assert_eq!(exchange.end, End::Complete, "seed {seed}");
        assert_eq!(exchange.request_bytes, sent.len() as u64);
        assert_eq!(exchange.upstream_bytes, answer.len() as u64);
        assert_eq!(exchange.response_bytes, answer.len() as u64);
    }
    assert_eq!((rig.health.accepted(), rig.health.active(), rig.health.streams()), (40, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_byte_is_passed_on_before_the_second_exists() {
    let (go, going) = mpsc::channel::<()>(1);
    let going = std::sync::Arc::new(tokio::sync::Mutex::new(going));
    let rig = Rig::new(move |mut tcp, _| {
        let going = std::sync::Arc::clone(&going);
        async move {
            read_request(&mut tcp).await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.unwrap();
            let mut going = going.lock().await;
            for byte in [b'a', b'b', b'c'] {
                going.recv().await.unwrap();
                tcp.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await.unwrap();
            }
            going.recv().await.unwrap();
            tcp.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let mut client = rig.connect().await;
    client.write_all(b"GET /up/x HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    read_until(&mut client, "\r\n\r\n").await;
    for byte in ["a", "b", "c"] {
        go.send(()).await.unwrap();
        read_until(&mut client, &format!("1\r\n{byte}\r\n")).await;
    }
    go.send(()).await.unwrap();
    read_until(&mut client, "0\r\n\r\n").await;
    let seen = rig.one().await;
    let exchange = seen.exchange();
    let times = exchange.times;
    assert!(times.sent <= times.head && times.head <= times.first_byte);
    assert!(times.first_byte < times.last_byte && times.last_byte <= Some(times.ended));
    assert_eq!(exchange.attempts.len(), 1);
    assert!(exchange.attempts[0].peer.is_some());
}

/// Names keep their case, order and values; nothing is added to the answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_pass_as_they_are() {
    let (tell, mut told) = mpsc::channel(1);
    let rig = Rig::new(move |mut tcp, _| {
        let tell = tell.clone();
        async move {
            let (head, _) = read_request(&mut tcp).await.unwrap();
            tell.send(head).await.unwrap();
            tcp.write_all(
                b"HTTP/1.1 299 Quite Fine\r\nX-B: 1\r\nSet-Cookie: a\r\nx-a: 2\r\nSET-COOKIE: b\r\n\
                Keep-Alive: timeout=5\r\nConnection: close, x-gone\r\nX-Gone: 1\r\nContent-Length: 0\r\n\r\n",
            )
            .await
            .unwrap();
        }
    })
    .await;
    let response = rig
        .raw(
            b"GET /up/a//b/%7Euser?q=%20&&x HTTP/1.1\r\nUser-Agent: Me/1\r\nHost: there:1\r\nX-API-Key: k\r\n\
            accept-ENCODING: gzip\r\nX-Multi: 1\r\nx-multi: 2\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n",
        )
        .await;
    let head = unnumbered(&told.recv().await.unwrap());
    let port = rig.policy.load().upstreams[0].origin.port;
    assert_eq!(
        head,
        format!(
            "GET /a//b/%7Euser?q=%20&&x HTTP/1.1\r\nUser-Agent: Me/1\r\nX-API-Key: k\r\n\
            accept-ENCODING: gzip\r\nX-Multi: 1\r\nx-multi: 2\r\nvia: 1.1 tidegauge\r\n\
            Host: 127.0.0.1:{port}\r\n\r\n"
        )
    );
    assert_eq!(
        String::from_utf8(response).unwrap(),
        "HTTP/1.1 299 Quite Fine\r\nX-B: 1\r\nSet-Cookie: a\r\nSET-COOKIE: b\r\nx-a: 2\r\n\
        Connection: close\r\nContent-Length: 0\r\n\r\n"
    );
}

/// F-15: a body where there cannot be one never becomes the next response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodiless_answers_keep_the_connection_in_step() {
    let rig = Rig::new(|mut tcp, _| async move {
        while let Some((head, _)) = read_request(&mut tcp).await {
            let answer: &[u8] = match head.split(' ').nth(1).unwrap() {
                "/head" => b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                "/204" => b"HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n",
                _ => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend",
            };
            tcp.write_all(answer).await.unwrap();
        }
    })
    .await;
    let response = rig
        .raw(
            b"HEAD /up/head HTTP/1.1\r\nHost: h\r\n\r\nGET /up/204 HTTP/1.1\r\nHost: h\r\n\r\n\
            GET /up/304 HTTP/1.1\r\nHost: h\r\n\r\nGET /up/end HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(
        String::from_utf8(response).unwrap(),
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\
        HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 3\r\nconnection: close\r\n\r\nend"
    );
    for seen in rig.seen(4).await {
        assert_eq!(seen.exchange().end, End::Complete);
    }
}
