//! The fault box: an HTTP/1.1 upstream that follows a script byte by byte and keeps what it saw.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;

use super::wait::{until, within};

/// One thing the upstream does. A script that runs out leaves the connection open for the next
/// request.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes the bytes in one call.
    Send(Bytes),
    /// Writes the bytes in pieces of that many.
    Split(Bytes, usize),
    /// Lets time pass.
    Sleep(Duration),
    /// Waits until the test opens the gate.
    Wait(Gate),
    /// Breaks the connection off: a reset, no clean end.
    Rst,
    /// Ends the connection in the ordinary way.
    Fin,
    /// Says nothing more and keeps the connection open until the peer closes it.
    Hang,
}

/// What the upstream does for one request.
pub(crate) type Script = Vec<Step>;

/// Something a script waits at until the test opens it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets one waiting script pass.
    pub(crate) fn open(&self) {
        self.0.add_permits(1);
    }

    /// Lets so many waiting scripts pass.
    pub(crate) fn open_for(&self, scripts: usize) {
        self.0.add_permits(scripts);
    }

    async fn pass(&self) {
        self.0.acquire().await.expect("a gate is never closed").forget();
    }
}

/// One request as it came over the wire.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// In order, names as written.
    pub(crate) headers: Vec<(String, String)>,
    /// The body without its transfer coding; empty where it was not read.
    pub(crate) body: Bytes,
    /// Head and framed body, byte for byte.
    pub(crate) raw: Bytes,
    /// Which connection it came over, counted from 0.
    pub(crate) connection: usize,
    closed: watch::Receiver<Option<Instant>>,
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({} body bytes)", self.method, self.target, self.body.len())
    }
}

impl Seen {
    /// The first header of that name, whatever its case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// When the peer closed the connection this request came over.
    pub(crate) async fn closed(&self) -> Instant {
        let mut closed = self.closed.clone();
        let at = within("the connection to the upstream to be closed", async {
            closed.wait_for(Option::is_some).await.map(|at| *at)
        })
        .await;
        at.ok().flatten().expect("the connection outlives its requests")
    }
}

/// The first header of that name, whatever its case.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// How a request is taken in, decided on its head alone.
pub(crate) enum Take {
    /// The body is read, then the script is asked for.
    Whole,
    /// Answered at once; the body is left in the socket.
    Head(Script),
}

type Answer = dyn Fn(&Seen) -> Script + Send + Sync;
type Taking = dyn Fn(&Seen) -> Take + Send + Sync;

struct Shared {
    answer: Box<Answer>,
    taking: Box<Taking>,
    seen: Mutex<Vec<Seen>>,
    connections: Mutex<usize>,
}

/// A running fault box.
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Answers every request by asking `answer` once the whole request is in.
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Script + Send + Sync + 'static) -> Self {
        Self::taking(|_| Take::Whole, answer).await
    }

    /// As [`Upstream::start`], but `taking` may answer on the head and leave the body unread.
    pub(crate) async fn taking(
        taking: impl Fn(&Seen) -> Take + Send + Sync + 'static,
        answer: impl Fn(&Seen) -> Script + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            answer: Box::new(answer),
            taking: Box::new(taking),
            seen: Mutex::default(),
            connections: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, shared, task }
    }

    /// Gives every request the same script.
    pub(crate) async fn always(script: Script) -> Self {
        Self::start(move |_| script.clone()).await
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Everything seen so far, in the order of arrival.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The only request there is, once it is there.
    pub(crate) async fn only(&self) -> Seen {
        self.first(1).await;
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "one request reaches the upstream: {seen:?}");
        seen.into_iter().next().unwrap()
    }

    /// Waits until `count` requests have come.
    pub(crate) async fn first(&self, count: usize) -> Vec<Seen> {
        until(&format!("{count} requests at the upstream"), || {
            Some(self.seen()).filter(|seen| seen.len() >= count)
        })
        .await
    }

    /// How many connections were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let number = {
            let mut connections = shared.connections.lock().unwrap();
            *connections += 1;
            *connections - 1
        };
        tasks.spawn(connection(stream, number, shared.clone()));
        while tasks.try_join_next().is_some() {}
    }
}

/// Reads requests on one task and plays scripts on this one, so that a script notices the peer
/// leaving while it sleeps.
async fn connection(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let (scripts, mut due) = mpsc::channel(64);
    let (closed, mut gone) = watch::channel(None);
    let mut reader = tokio::task::JoinSet::new();
    reader.spawn(requests(read, number, shared, scripts, closed));
    while let Some(script) = due.recv().await {
        let over = tokio::select! {
            over = play(&mut write, script) => over,
            _ = gone.wait_for(Option::is_some) => Over::Closed,
        };
        match over {
            Over::Next => {}
            Over::Closed => break,
            Over::Reset => {
                reader.shutdown().await;
                let _ = write.as_ref().set_zero_linger();
                write.forget();
                return;
            }
        }
    }
    drop(write);
    reader.join_next().await;
}

enum Over {
    Next,
    Closed,
    Reset,
}

async fn play(write: &mut OwnedWriteHalf, script: Script) -> Over {
    for step in script {
        let sent = match step {
            Step::Send(bytes) => write.write_all(&bytes).await,
            Step::Split(bytes, size) => {
                let mut all = Ok(());
                for piece in bytes.chunks(size.max(1)) {
                    all = write.write_all(piece).await;
                    if all.is_err() {
                        break;
                    }
                    tokio::task::yield_now().await;
                }
                all
            }
            Step::Sleep(time) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Step::Wait(gate) => {
                gate.pass().await;
                Ok(())
            }
            Step::Rst => return Over::Reset,
            Step::Fin => {
                let _ = write.shutdown().await;
                return Over::Closed;
            }
            Step::Hang => std::future::pending().await,
        };
        if sent.is_err() {
            return Over::Closed;
        }
    }
    Over::Next
}

async fn requests(
    mut read: OwnedReadHalf,
    number: usize,
    shared: Arc<Shared>,
    scripts: mpsc::Sender<Script>,
    closed: watch::Sender<Option<Instant>>,
) {
    let mut buffer = Vec::new();
    while let Some(head) = take_head(&mut read, &mut buffer).await {
        let (method, target, headers) = parse_head(&head);
        let mut seen = Seen {
            method,
            target,
            headers,
            body: Bytes::new(),
            raw: Bytes::from(head.clone()),
            connection: number,
            closed: closed.subscribe(),
        };
        let script = match (shared.taking)(&seen) {
            Take::Head(script) => {
                shared.seen.lock().unwrap().push(seen);
                let _ = scripts.send(script).await;
                // The rest of the body stays where it is: whoever wants to see a stalled upload
                // must not have it read away.
                std::future::pending().await
            }
            Take::Whole => {
                let Some((body, framed)) = take_body(&mut read, &mut buffer, &seen.headers).await
                else {
                    break;
                };
                seen.body = Bytes::from(body);
                seen.raw = Bytes::from([head, framed].concat());
                let script = (shared.answer)(&seen);
                shared.seen.lock().unwrap().push(seen);
                script
            }
        };
        if scripts.send(script).await.is_err() {
            break;
        }
    }
    closed.send_replace(Some(Instant::now()));
}

async fn fill(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> bool {
    matches!(read.read_buf(buffer).await, Ok(count) if count > 0)
}

async fn take_head(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
            return Some(buffer.drain(..at + 4).collect());
        }
        if !fill(read, buffer).await {
            return None;
        }
    }
}

fn parse_head(head: &[u8]) -> (String, String, Vec<(String, String)>) {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target = first.next().unwrap_or_default().to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    (method, target, headers)
}

/// The body, without and with its transfer coding. `None` when the peer left in the middle.
async fn take_body(
    read: &mut OwnedReadHalf,
    buffer: &mut Vec<u8>,
    headers: &[(String, String)],
) -> Option<(Vec<u8>, Vec<u8>)> {
    if header(headers, "transfer-encoding").is_some_and(|coding| coding.contains("chunked")) {
        return take_chunks(read, buffer).await;
    }
    let length = header(headers, "content-length").and_then(|length| length.parse().ok());
    let body = take(read, buffer, length.unwrap_or(0)).await?;
    Some((body.clone(), body))
}

async fn take_chunks(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
    let (mut body, mut framed) = (Vec::new(), Vec::new());
    loop {
        let line = take_line(read, buffer).await?;
        let text = String::from_utf8_lossy(&line);
        let size = text.split([';', '\r']).next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        framed.extend_from_slice(&line);
        let chunk = take(read, buffer, size).await?;
        framed.extend_from_slice(&chunk);
        body.extend_from_slice(&chunk);
        let end = take_line(read, buffer).await?;
        framed.extend_from_slice(&end);
        if size == 0 {
            return Some((body, framed));
        }
    }
}

async fn take_line(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(at) = buffer.windows(2).position(|two| two == b"\r\n") {
            return Some(buffer.drain(..at + 2).collect());
        }
        if !fill(read, buffer).await {
            return None;
        }
    }
}

async fn take(read: &mut OwnedReadHalf, buffer: &mut Vec<u8>, size: usize) -> Option<Vec<u8>> {
    while buffer.len() < size {
        if !fill(read, buffer).await {
            return None;
        }
    }
    Some(buffer.drain(..size).collect())
}
