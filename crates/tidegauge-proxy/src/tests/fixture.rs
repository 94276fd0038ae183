//! A proxy in front of a scripted upstream, both on loopback, and an observer that remembers.

use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use tidegauge_core::{
    Begin, Dialect, Exchange, Filter, Head, Health, Matched, Observe, Observers, Operation, Origin,
    Peek, Policy, Splice, Timeouts, Trust, Upstream, testing,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::shared::Shared;
use crate::{Config, Drained, Server, Shutdown};

/// Longer than anything may take on a loaded machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A protocol nobody speaks: `POST /chat` is a conversation, `claimed` at the root is its own.
#[derive(Debug)]
pub(crate) struct Fake;

pub(crate) const INSERTED: &str = r#""usage":1,"#;

impl Dialect for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    fn provider(&self) -> &'static str {
        "fake"
    }

    fn claims(&self, head: Head<'_>) -> bool {
        head.path.starts_with("/claimed")
    }

    fn matched(&self, head: Head<'_>) -> Matched {
        let chat = head.method == Method::POST && head.path.ends_with("/chat");
        let operation = if chat { Operation::Chat } else { Operation::Other };
        let route = if chat { "/chat" } else { "/{path}" };
        Matched { operation, route: Cow::Borrowed(route) }
    }

    fn peek(&self, _: Head<'_>, body: &[u8]) -> Option<Peek> {
        let max_tokens = std::str::from_utf8(body).ok()?.parse().ok();
        max_tokens.is_some().then(|| Peek { max_tokens, ..Peek::default() })
    }

    fn may_splice(&self, operation: Operation, _: Head<'_>) -> bool {
        operation == Operation::Chat
    }

    fn splice(&self, body: &[u8]) -> Option<Splice> {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let wanted = text.contains("stream") && !text.contains("usage");
        wanted.then(|| Splice { at: 1, insert: Bytes::from_static(INSERTED.as_bytes()) })
    }

    fn refuses_splice(&self, status: StatusCode, body: &[u8]) -> bool {
        status == 400 && body == b"what is usage?"
    }

    fn filter(&self) -> Box<dyn Filter> {
        Box::new(Lines(Vec::new()))
    }

    fn error_body(&self, _: StatusCode, kind: &str, message: &str) -> Bytes {
        format!(r#"{{"fake":{{"kind":"{kind}","message":"{message}"}}}}"#).into()
    }
}

/// Removes lines that say `usage`.
struct Lines(Vec<u8>);

impl Filter for Lines {
    fn push(&mut self, bytes: &Bytes, out: &mut Vec<Bytes>) {
        self.0.extend_from_slice(bytes);
        while let Some(end) = self.0.iter().position(|byte| *byte == b'\n') {
            let line = self.0.drain(..=end).collect::<Vec<_>>();
            assert!(line != b"break\n", "a bug in a filter");
            if line != b"usage\n" {
                out.push(line.into());
            }
        }
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) {
        if !self.0.is_empty() {
            out.push(std::mem::take(&mut self.0).into());
        }
    }
}

/// What an observer was told about one exchange.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) request: Vec<u8>,
    pub(crate) head: Option<(StatusCode, HeaderMap)>,
    pub(crate) response: Vec<u8>,
    /// Pieces with nothing in them: directions of a tunnel that ended.
    pub(crate) closed: usize,
    /// All ends: there must be exactly one.
    pub(crate) ends: Vec<Exchange>,
}

impl Seen {
    pub(crate) fn exchange(&self) -> &Exchange {
        assert_eq!(self.ends.len(), 1, "an exchange ends exactly once");
        &self.ends[0]
    }
}

/// A call of an observer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Begin,
    Request,
    Head,
    Response,
    End,
    Drop,
}

#[derive(Default)]
pub(crate) struct Recorder {
    seen: Mutex<Vec<Seen>>,
    /// Where observers panic.
    pub(crate) panics: Mutex<Option<Place>>,
    /// Observers want to be shown what passes after a switch.
    pub(crate) wants_tunnels: AtomicBool,
}

struct Recording(Arc<Recorder>, usize);

impl Recorder {
    fn reach(&self, place: Place) {
        // Not held while panicking.
        let panics = *self.panics.lock().unwrap();
        assert!(panics != Some(place), "a bug in an observer");
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.reach(Place::Drop);
        }
    }
}

impl Recording {
    fn note(&self, note: impl FnOnce(&mut Seen)) {
        note(&mut self.0.seen.lock().unwrap()[self.1]);
    }
}

struct Recorders(Arc<Recorder>);

impl Observers for Recorders {
    fn begin(&self, _: Begin<'_>) -> Box<dyn Observe> {
        self.0.reach(Place::Begin);
        let mut seen = self.0.seen.lock().unwrap();
        seen.push(Seen::default());
        Box::new(Recording(Arc::clone(&self.0), seen.len() - 1))
    }
}

impl Observe for Recording {
    fn request(&mut self, _: Duration, bytes: &Bytes) {
        self.0.reach(Place::Request);
        self.note(|seen| {
            seen.request.extend_from_slice(bytes);
            seen.closed += usize::from(bytes.is_empty());
        });
    }

    fn response_head(&mut self, _: Duration, status: StatusCode, headers: &HeaderMap) {
        self.0.reach(Place::Head);
        self.note(|seen| {
            assert!(seen.head.is_none(), "one response is passed on");
            seen.head = Some((status, headers.clone()));
        });
    }

    fn response(&mut self, _: Duration, bytes: &Bytes) {
        self.0.reach(Place::Response);
        self.note(|seen| {
            seen.response.extend_from_slice(bytes);
            seen.closed += usize::from(bytes.is_empty());
        });
    }

    fn switched(&mut self, _: &Exchange) -> bool {
        self.0.wants_tunnels.load(SeqCst)
    }

    fn end(self: Box<Self>, exchange: Exchange) {
        self.0.reach(Place::End);
        self.note(|seen| seen.ends.push(exchange));
    }
}

/// A running proxy.
pub(crate) struct Rig {
    pub(crate) addr: SocketAddr,
    pub(crate) health: Arc<Health>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) shutdown: Shutdown,
    pub(crate) running: JoinHandle<Drained>,
    _tasks: JoinSet<()>,
}

/// An upstream named `up` there.
pub(crate) fn upstream(addr: SocketAddr) -> Upstream {
    let (host, port) = (addr.ip().to_string(), addr.port());
    Upstream {
        name: "up".into(),
        origin: Origin { secure: false, host, port, prefix: String::new() }.into(),
        timeouts: Timeouts { connect: LONG, head: None, idle: None },
        ..testing::upstream(&Fake)
    }
}

pub(crate) fn policy(upstreams: Vec<Upstream>) -> Policy {
    Policy {
        upstreams: upstreams.into_iter().map(Arc::new).collect(),
        default_upstream: None,
        trust: Trust::Ignore,
        sample_ratio: 1.0,
        parent_based: true,
        owner: |_| None,
        trace_header: false,
        session_traces: false,
        hold: 1024,
        admit: None,
    }
}

pub(crate) fn config() -> Config {
    Config::new(([127, 0, 0, 1], 0).into())
}

impl Rig {
    /// A proxy in front of a scripted upstream: `script` gets each connection and its number.
    pub(crate) async fn new<F>(script: impl Fn(TcpStream, usize) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(config(), |_| {}, script).await
    }

    pub(crate) async fn with<F>(
        config: Config,
        adapt: impl FnOnce(&mut Upstream),
        script: impl Fn(TcpStream, usize) -> F + Send + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (addr, tasks) = scripted(script).await;
        let mut upstream = upstream(addr);
        adapt(&mut upstream);
        Self::of(config, policy(vec![upstream]), tasks).await
    }

    pub(crate) async fn of(config: Config, policy: Policy, tasks: JoinSet<()>) -> Self {
        let health = Arc::new(Health::default());
        let recorder = Arc::new(Recorder::default());
        let policy = Arc::new(ArcSwap::from_pointee(policy));
        let observers = Arc::new(Recorders(Arc::clone(&recorder)));
        let server = Server::bind(config, Arc::clone(&policy), observers, Arc::clone(&health))
            .await
            .unwrap();
        let addr = server.local_addr();
        let shared = server.shared();
        let shutdown = Shutdown::new();
        let mut serving = JoinSet::new();
        let (tell, told) = tokio::sync::oneshot::channel();
        let asked = shutdown.clone();
        serving.spawn(async move {
            _ = tell.send(server.run(asked).await);
        });
        let running = tokio::task::spawn_blocking(move || told.blocking_recv().unwrap_or_default());
        serving.detach_all();
        Self { addr, health, recorder, policy, shared, shutdown, running, _tasks: tasks }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.unwrap()
    }

    /// Sends bytes on a fresh connection and reads until the proxy closes it.
    pub(crate) async fn raw(&self, request: &[u8]) -> Vec<u8> {
        let mut client = self.connect().await;
        client.write_all(request).await.unwrap();
        read_to_end(&mut client).await
    }

    /// What was seen once `count` exchanges have ended.
    pub(crate) async fn seen(&self, count: usize) -> Vec<Seen> {
        let ended = || {
            let seen = self.recorder.seen.lock().unwrap().clone();
            let ended = seen.iter().filter(|seen| !seen.ends.is_empty()).count();
            (ended >= count).then_some(seen)
        };
        until(ended).await
    }

    pub(crate) async fn one(&self) -> Seen {
        let seen = self.seen(1).await;
        assert_eq!(seen.len(), 1);
        seen.into_iter().next().unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.abort();
    }
}

/// Looks again until there is something.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, looking).await.expect("something that should happen")
}

type Scripted = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Accepts connections and runs the script on each.
pub(crate) async fn scripted<F>(
    script: impl Fn(TcpStream, usize) -> F + Send + 'static,
) -> (SocketAddr, JoinSet<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::<()>::new();
        let mut number = 0;
        loop {
            let Ok((tcp, _)) = listener.accept().await else { continue };
            tcp.set_nodelay(true).unwrap();
            let scripted: Scripted = Box::pin(script(tcp, number));
            connections.spawn(scripted);
            number += 1;
        }
    });
    (addr, tasks)
}

/// A request as it came, head and body; `None` when the connection is over.
pub(crate) async fn read_request(tcp: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if tcp.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut body = bytes[end..].to_vec();
    let lower = head.to_lowercase();
    if let Some(length) = lower.split("content-length: ").nth(1) {
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        while body.len() < length {
            if tcp.read_buf(&mut body).await.ok()? == 0 {
                return None;
            }
        }
    } else if lower.contains("transfer-encoding: chunked") {
        while !body.ends_with(b"0\r\n\r\n") {
            if tcp.read_buf(&mut body).await.ok()? == 0 {
                return None;
            }
        }
        body = dechunk(&body);
    }
    Some((head, body))
}

/// The data of a complete chunked body.
pub(crate) fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Some(end) = find(bytes, b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).unwrap();
        let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        data.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    data
}

pub(crate) fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// Everything until the end; an error is an end, too.
pub(crate) async fn read_to_end(tcp: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let reading = async {
        loop {
            match tcp.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    tokio::time::timeout(LONG, reading).await.expect("the connection ends");
    bytes
}

/// Reads until `what` has come.
pub(crate) async fn read_until(tcp: &mut TcpStream, what: &str) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while find(&bytes, what.as_bytes()).is_none() {
            if tcp.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(LONG, reading).await.unwrap_or_else(|_| panic!("{what:?} comes"));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains(what), "{text:?} should have {what:?}");
    text
}

pub(crate) fn status(response: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(response);
    text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// A text without the number of an instance in it.
pub(crate) fn unnumbered(text: &str) -> String {
    let (before, after) = text.split_once("tidegauge-").unwrap_or((text, ""));
    let after = after.trim_start_matches(|c: char| c.is_ascii_hexdigit());
    if before.len() == text.len() { text.to_owned() } else { format!("{before}tidegauge{after}") }
}

/// The body of a raw response with a head.
pub(crate) fn body(response: &[u8]) -> &[u8] {
    &response[find(response, b"\r\n\r\n").expect("a head") + 4..]
}
