//! Clients: one that writes raw bytes and keeps when each piece of the answer came, one that speaks
//! HTTP/2 without TLS.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::upstream::header;
use super::wait::within;

/// How a response body ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// As its framing says it should.
    Clean,
    /// The connection ended first.
    Cut,
}

/// A response, whole or as much as came of it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In order, names as written.
    pub(crate) headers: Vec<(String, String)>,
    /// Without transfer coding.
    pub(crate) body: Vec<u8>,
    pub(crate) ended: Ended,
}

impl Answer {
    /// The first header of that name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request in raw bytes.
pub(crate) fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut raw = format!("{method} {target} HTTP/1.1\r\nhost: rig.test\r\n").into_bytes();
    for (name, value) in headers {
        raw.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    if !body.is_empty() || method == "POST" {
        raw.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
    }
    raw.extend_from_slice(b"\r\n");
    raw.extend_from_slice(body);
    raw
}

/// A `POST` of JSON in raw bytes.
pub(crate) fn post(target: &str, body: &serde_json::Value) -> Vec<u8> {
    let headers = [("content-type", "application/json"), ("authorization", "Bearer rig-key")];
    request("POST", target, &headers, body.to_string().as_bytes())
}

/// Sends one request on a connection of its own and reads the whole answer.
pub(crate) async fn call(addr: SocketAddr, raw: &[u8]) -> Answer {
    let mut client = Client::connect(addr).await;
    client.write(raw).await;
    client.answer().await
}

/// `GET` of one of our own pages.
pub(crate) async fn get(addr: SocketAddr, target: &str) -> Answer {
    call(addr, &request("GET", target, &[], b"")).await
}

/// A raw connection.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    over: bool,
}

impl Client {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        let stream = within("a connection", TcpStream::connect(addr)).await.expect("connected");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::new(), over: false }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.expect("written");
    }

    /// For bytes that the other side may well refuse by closing.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        within("bytes to be written", self.stream.write_all(bytes)).await
    }

    /// Ends our half of the connection.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    async fn fill(&mut self) -> bool {
        let read = within("bytes to read", self.stream.read_buf(&mut self.buffer)).await;
        self.over = !matches!(read, Ok(count) if count > 0);
        !self.over
    }

    /// The next response head: status and headers. `None` when the connection ended before it.
    pub(crate) async fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                let (status, headers) = parse_head(&head);
                if status == 100 {
                    continue;
                }
                return Some((status, headers));
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next bytes of what follows, framing and all, as soon as there are any. Empty at the end.
    pub(crate) async fn piece(&mut self) -> (Instant, Bytes) {
        if self.buffer.is_empty() {
            self.fill().await;
        }
        (Instant::now(), std::mem::take(&mut self.buffer).into())
    }

    /// Reads until `text` has come, and returns everything up to there.
    pub(crate) async fn read_to(&mut self, text: &str) -> Vec<u8> {
        loop {
            let found = self.buffer.windows(text.len()).position(|part| part == text.as_bytes());
            if let Some(at) = found {
                return self.buffer.drain(..at + text.len()).collect();
            }
            assert!(
                self.fill().await,
                "the connection ended before {text:?}: {}",
                String::from_utf8_lossy(&self.buffer)
            );
        }
    }

    /// The next response, to a request that was not `HEAD`.
    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer(false).await.expect("an answer")
    }

    /// The next response. `None` when the connection ended before its head was whole.
    pub(crate) async fn try_answer(&mut self, bodiless: bool) -> Option<Answer> {
        let (status, headers) = self.head().await?;
        let chunked = header(&headers, "transfer-encoding").is_some();
        let length = header(&headers, "content-length").and_then(|text| text.parse().ok());
        let (body, ended) = if bodiless || status == 204 || status == 304 {
            (Vec::new(), Ended::Clean)
        } else if chunked {
            self.chunks().await
        } else if let Some(length) = length {
            self.exactly(length).await
        } else {
            while self.fill().await {}
            (std::mem::take(&mut self.buffer), Ended::Clean)
        };
        Some(Answer { status, headers, body, ended })
    }

    async fn exactly(&mut self, length: usize) -> (Vec<u8>, Ended) {
        while self.buffer.len() < length {
            if !self.fill().await {
                return (std::mem::take(&mut self.buffer), Ended::Cut);
            }
        }
        (self.buffer.drain(..length).collect(), Ended::Clean)
    }

    async fn chunks(&mut self) -> (Vec<u8>, Ended) {
        let mut body = Vec::new();
        loop {
            let Some(size) = self.chunk_size().await else { return (body, Ended::Cut) };
            let (chunk, ended) = self.exactly(size + 2).await;
            body.extend_from_slice(&chunk[..chunk.len().min(size)]);
            if ended == Ended::Cut || size == 0 {
                return (body, ended);
            }
        }
    }

    async fn chunk_size(&mut self) -> Option<usize> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line: Vec<u8> = self.buffer.drain(..at + 2).collect();
                let text = String::from_utf8_lossy(&line);
                return usize::from_str_radix(text.split([';', '\r']).next()?, 16).ok();
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// Whether the other side has closed, or closes before patience ends.
    pub(crate) async fn closed(&mut self) -> bool {
        while self.fill().await {}
        self.over
    }
}

fn parse_head(head: &[u8]) -> (u16, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|s| s.parse().ok());
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    (status.unwrap_or(0), headers)
}

/// Sends one request by HTTP/2 without TLS, known to be spoken, and reads the whole answer.
pub(crate) async fn call_h2(addr: SocketAddr, request: http::Request<Bytes>) -> Answer {
    let stream = within("a connection", TcpStream::connect(addr)).await.expect("connected");
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let sent = sender.send_request(request.map(Full::new));
    let response = within("an HTTP/2 answer", sent).await.expect("an answer");
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
        .collect();
    let (body, ended) = match within("an HTTP/2 body", response.into_body().collect()).await {
        Ok(body) => (body.to_bytes().to_vec(), Ended::Clean),
        Err(_) => (Vec::new(), Ended::Cut),
    };
    connection.abort();
    Answer { status, headers, body, ended }
}
