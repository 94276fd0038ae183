//! Sends a request to its upstream and hands back the answer.
//!
//! A request is sent once. It is sent again in two cases only: a kept connection closed before it
//! took any of it, or the upstream refused, unread, the field that we spliced in.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tidegauge_core::{
    Attempt, Failure, Filter, Operation, Policy, SpanId, Splice, Trace, Upstream, UsagePolicy,
};

use crate::body::Reply;
use crate::caller::Caller;
use crate::failure::{self, Unanswered};
use crate::headers::{self, Inward, Outward};
use crate::link::Peer;
use crate::open::{Guard, Open};
use crate::route;
use crate::shared::Shared;
use crate::tap::{Front, Tap, Tapped};
use crate::trace;
use crate::tunnel::{self, Tunnel};
use crate::upload::{Payload, Upload};
use crate::upstream::Client;

/// How often a request is sent again because a kept connection was closed. Each of them may be one
/// of many that an upstream closed at the same moment.
const RESENDS: usize = 4;
/// How long to wait for a body to come back from a connection that is gone.
const RETURN: Duration = Duration::from_secs(1);
/// How long a request may be without a connection before it counts as lost.
const LOST: Duration = Duration::from_millis(500);
/// Bytes of an answer to a spliced request that are read before it is passed on, if it is an error.
const REFUSAL: usize = 64 * 1024;
/// And for how long.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

/// A routed request.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) policy: &'a Policy,
    pub(crate) upstream: &'a Arc<Upstream>,
    pub(crate) operation: Operation,
    /// The path for the upstream.
    pub(crate) path: &'a str,
    pub(crate) parts: &'a Parts,
    pub(crate) trace: &'a Trace,
    /// When the route was known, since the exchange began.
    pub(crate) routed: Duration,
    pub(crate) caller: &'a Arc<Caller>,
}

/// An answer on its way.
pub(crate) struct Forwarded {
    response: Response<Incoming>,
    tapped: Tapped,
    inward: Inward,
    tunnel: Option<Tunnel>,
}

impl Forwarded {
    /// The response for the client. From here on `open` ends with the response's body.
    pub(crate) fn respond(self, open: Guard) -> Response<Reply> {
        let Self { response, tapped, inward, tunnel } = self;
        let (head, body) = response.into_parts();
        let mut response = Response::new(Reply::Own(Bytes::new()));
        *response.status_mut() = head.status;
        *response.headers_mut() = headers::inward(&head.headers, inward);
        // Name case and reason phrase travel here.
        *response.extensions_mut() = head.extensions;
        let (_, upload_over) = open.upload();
        if head.status.as_u16() >= 400 && !upload_over {
            let close = header::HeaderValue::from_static("close");
            response.headers_mut().insert(header::CONNECTION, close);
        }
        match tunnel {
            Some(tunnel) => tunnel::run(tunnel, open),
            None => *response.body_mut() = Reply::Relay(Box::new(Tap::new(body, tapped, open))),
        }
        response
    }
}

/// Forwards one request.
///
/// # Errors
/// When there is no answer to pass on.
pub(crate) async fn forward(
    call: &Call<'_>,
    open: &Arc<Open>,
    payload: Payload,
    upgrade: Option<OnUpgrade>,
) -> Result<Forwarded, Failure> {
    let client = call.shared.upstreams.client(call.policy, call.upstream)?;
    let upgrade = upgrade.filter(|_| asks_websocket(call.parts));
    let prepared = prepare(call, open, &client, payload).await?;
    let Prepared { payload, spliced, waited } = prepared;
    let admission = open.now().saturating_sub(call.routed).saturating_sub(waited);
    open.note(|exchange| exchange.overhead.admission = admission);

    let sending = Sending { call, open, client: &client, upgrade: upgrade.is_some() };
    let Some(original) = spliced else {
        let response = sending.send(payload, None).await?;
        return pass(call, open, response, upgrade, Front::new(), None);
    };
    let length = payload.front.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
    let response = sending.send(payload, Some(length)).await?;
    match refused(call, response).await {
        ControlFlow::Continue((response, front)) => {
            open.note(|exchange| exchange.injected = true);
            let plain = headers::is_plain(response.headers()) && response.status().is_success();
            let filter = plain.then(|| call.upstream.dialect.filter());
            pass(call, open, response, upgrade, front, filter)
        }
        ControlFlow::Break(()) => {
            client.refuses_splice.store(true, Relaxed);
            call.shared.health.splice_refused();
            let payload = Payload { front: VecDeque::from([original]), rest: None };
            let response = sending.send(payload, None).await?;
            pass(call, open, response, upgrade, Front::new(), None)
        }
    }
}

/// A body that is ready to be sent.
struct Prepared {
    payload: Payload,
    /// The client's body, if something was spliced into it.
    spliced: Option<Bytes>,
    /// Time that went by waiting for the client.
    waited: Duration,
}

/// Holds a body back where, and only where, usage may have to be asked for in it. Of any other body
/// the first piece is awaited: a client that leaves before it has cost no upstream call, and it goes
/// out together with the head.
async fn prepare(
    call: &Call<'_>,
    open: &Arc<Open>,
    client: &Client,
    payload: Payload,
) -> Result<Prepared, Failure> {
    let Some(body) = payload.rest.filter(|body| !body.is_end_stream()) else {
        open.upload_over();
        return Ok(Prepared { payload: Payload::default(), spliced: None, waited: Duration::ZERO });
    };
    let splices = may_splice(call, client);
    let fits = body.size_hint().lower() <= call.policy.hold as u64;
    let bound = if splices && fits { call.policy.hold } else { 0 };
    let Held { whole, front, rest, waited } = hold(open, body, bound).await?;
    if splices && !whole {
        call.shared.health.hold_exceeded();
    }
    if !splices || !whole {
        return Ok(Prepared { payload: Payload { front, rest }, spliced: None, waited });
    }
    let body = joined(front);
    let payload = |front| Payload { front, rest: None };
    Ok(match call.upstream.dialect.splice(&body) {
        Some(Splice { at, insert }) if at <= body.len() => {
            let front = VecDeque::from([body.slice(..at), insert, body.slice(at..)]);
            Prepared { payload: payload(front), spliced: Some(body), waited }
        }
        _ => Prepared { payload: payload(VecDeque::from([body])), spliced: None, waited },
    })
}

fn may_splice(call: &Call<'_>, client: &Client) -> bool {
    let asked = route::Asked {
        method: &call.parts.method,
        path: call.path,
        query: call.parts.uri.query(),
        headers: &call.parts.headers,
    };
    call.upstream.usage == UsagePolicy::Inject
        && !client.refuses_splice.load(Relaxed)
        && headers::is_plain(&call.parts.headers)
        && call.upstream.dialect.may_splice(call.operation, asked.head(call.path))
}

/// As much of a body as was at hand.
struct Held {
    whole: bool,
    front: VecDeque<Bytes>,
    rest: Option<Incoming>,
    waited: Duration,
}

/// Reads until there is more than `bound`, or all of it.
async fn hold(open: &Open, mut body: Incoming, bound: usize) -> Result<Held, Failure> {
    let mut held =
        Held { whole: false, front: VecDeque::new(), rest: None, waited: Duration::ZERO };
    let mut bytes = 0;
    loop {
        let before = open.now();
        let frame = body.frame().await;
        held.waited += open.now().saturating_sub(before);
        match frame {
            None => {
                open.upload_over();
                return Ok(Held { whole: true, ..held });
            }
            Some(Err(_)) => return Err(Failure::RequestAborted),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                open.uploaded(&data);
                bytes += data.len();
                held.front.push_back(data);
                if bytes > bound {
                    let rest = Some(body).filter(|body| !body.is_end_stream());
                    if rest.is_none() {
                        open.upload_over();
                    }
                    return Ok(Held { rest, ..held });
                }
            }
        }
    }
}

fn joined(mut frames: VecDeque<Bytes>) -> Bytes {
    if frames.len() <= 1 {
        return frames.pop_front().unwrap_or_default();
    }
    let mut joined = BytesMut::with_capacity(frames.iter().map(Bytes::len).sum());
    frames.iter().for_each(|frame| joined.extend_from_slice(frame));
    joined.freeze()
}

/// What all tries of one request have in common.
struct Sending<'a> {
    call: &'a Call<'a>,
    open: &'a Arc<Open>,
    client: &'a Client,
    upgrade: bool,
}

impl Sending<'_> {
    /// One attempt, with its silent repetitions. `length`: of a spliced body.
    async fn send(
        &self,
        mut payload: Payload,
        length: Option<u64>,
    ) -> Result<Response<Incoming>, Failure> {
        let span = trace::fresh_span();
        let started = self.open.now();
        self.open.note(|exchange| {
            exchange.times.sent.get_or_insert(started);
            exchange.attempts.push(attempt(span, started));
        });
        for _ in 0..=RESENDS {
            let (upload, returned) = Upload::new(payload, Arc::clone(self.open));
            let request = self.request(upload, span, length)?;
            match self.issue(request).await {
                Ok(response) => {
                    self.answered(&response);
                    return Ok(response);
                }
                Err(Unanswered::Failed(failure)) => return Err(self.failed(failure)),
                Err(Unanswered::NotTaken) => {
                    payload = match returned {
                        None => Payload::default(),
                        Some(returned) => match tokio::time::timeout(RETURN, returned).await {
                            Ok(Ok(payload)) => payload,
                            // Too long to be remembered.
                            _ => break,
                        },
                    };
                }
            }
        }
        Err(self.failed(Failure::ClosedEarly))
    }

    fn request(
        &self,
        upload: Upload,
        span: SpanId,
        length: Option<u64>,
    ) -> Result<Request<Upload>, Failure> {
        let Call { parts, upstream, trace, .. } = *self.call;
        let outward = Outward {
            version: parts.version,
            upstream,
            trace,
            span,
            spliced: length.is_some(),
            length,
            upgrade: self.upgrade,
            hop: &self.call.shared.hop,
        };
        let mut request = Request::new(upload);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = self.uri().ok_or(Failure::Internal)?;
        *request.version_mut() = Version::HTTP_11;
        *request.headers_mut() = headers::outward(&parts.headers, outward);
        *request.extensions_mut() = parts.extensions.clone();
        Ok(request)
    }

    /// Scheme and authority from configuration, path and query from the client.
    fn uri(&self) -> Option<Uri> {
        let Call { parts, upstream, path, .. } = *self.call;
        let prefix = &upstream.origin.prefix;
        let query = parts.uri.query();
        let mut target = String::with_capacity(
            prefix.len() + path.len() + query.map_or(0, |query| query.len() + 1),
        );
        target.push_str(prefix);
        target.push_str(path);
        if let Some(query) = query {
            target.push('?');
            target.push_str(query);
        }
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.client.scheme.clone());
        uri.authority = Some(self.client.authority.clone());
        uri.path_and_query = Some(PathAndQuery::from_maybe_shared(Bytes::from(target)).ok()?);
        Uri::from_parts(uri).ok()
    }

    /// Until the response head. Dropped in between, the request is cancelled.
    async fn issue(&self, mut request: Request<Upload>) -> Result<Response<Incoming>, Unanswered> {
        let issued = self.open.now();
        let captured = capture_connection(&mut request);
        let client = if self.upgrade { &self.client.sockets } else { &self.client.http };
        let mut response = client.request(request);
        let mut polled = false;
        let mut connected = false;
        let mut late = pin!(self.late());
        let mut losing = pin!(None);
        poll_fn(|cx| {
            let answer = Pin::new(&mut response).poll(cx);
            if !connected && let Some(peer) = peer(&captured) {
                connected = true;
                // A kept connection is there at once.
                self.connected(issued, if polled { self.open.now() } else { issued }, peer.addr);
                losing.set(Some(lost(&captured, peer)));
            }
            polled = true;
            if let Poll::Ready(answer) = answer {
                return Poll::Ready(answer.map_err(|error| failure::classify(&error)));
            }
            if late.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(Unanswered::Failed(Failure::HeadTimeout)));
            }
            match losing.as_mut().as_pin_mut() {
                Some(losing) => losing.poll(cx).map(|()| Err(Unanswered::NotTaken)),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Resolves when the upstream has had the whole request for too long.
    async fn late(&self) {
        let Some(limit) = self.call.upstream.timeouts.head else {
            return std::future::pending().await;
        };
        let clock = &self.call.shared.config.clock;
        let begun = self.open.now();
        let mut wait = limit;
        loop {
            tokio::time::sleep(wait).await;
            let (moved, over) = self.open.upload();
            let since = if over { moved.max(begun) } else { self.open.now() };
            let waited = clock.real_time(self.open.now().saturating_sub(since));
            wait = limit.saturating_sub(waited);
            if wait.is_zero() {
                return;
            }
        }
    }

    fn connected(&self, issued: Duration, now: Duration, peer: Option<SocketAddr>) {
        self.open.note(|exchange| exchange.overhead.connect += now.saturating_sub(issued));
        self.open.note_attempt(|attempt| {
            attempt.started = now;
            attempt.peer = peer;
        });
    }

    fn answered(&self, response: &Response<Incoming>) {
        let now = self.open.now();
        self.open.note_attempt(|attempt| {
            attempt.ended = now;
            attempt.status = Some(response.status());
            attempt.version = Some(response.version());
        });
    }

    fn failed(&self, failure: Failure) -> Failure {
        let now = self.open.now();
        self.open.note_attempt(|attempt| {
            attempt.ended = now;
            attempt.failure = Some(failure);
        });
        failure
    }
}

/// The connection that a request was put on, the latest if there were several.
fn peer(captured: &CaptureConnection) -> Option<Peer> {
    let mut extensions = http::Extensions::new();
    captured.connection_metadata().as_ref()?.get_extras(&mut extensions);
    extensions.remove()
}

/// Resolves when the connection is gone and the request has neither an answer nor an error nor
/// another connection.
///
/// A connection that closes while a request is being put on it can lose that request: it stays in a
/// queue that nobody reads any more, and the HTTP client waits for ever. Nothing of it was sent.
async fn lost(captured: &CaptureConnection, mut on: Peer) {
    loop {
        on.gone.given().await;
        tokio::time::sleep(LOST).await;
        match peer(captured).filter(|latest| !latest.gone.is_given()) {
            Some(latest) => on = latest,
            None => return,
        }
    }
}

fn attempt(span: SpanId, started: Duration) -> Attempt {
    Attempt {
        span,
        started,
        ended: started,
        status: None,
        failure: None,
        version: None,
        peer: None,
    }
}

/// Whether an answer to a spliced request says that the splice is not understood (`Break`). If not,
/// the answer and what was read of it.
async fn refused(
    call: &Call<'_>,
    mut response: Response<Incoming>,
) -> ControlFlow<(), (Response<Incoming>, Front)> {
    let status = response.status();
    let mut front = Front::new();
    if !status.is_client_error() || !headers::is_plain(response.headers()) {
        return ControlFlow::Continue((response, front));
    }
    let mut bytes = 0;
    let mut whole = false;
    let reading = async {
        while bytes <= REFUSAL {
            match response.body_mut().frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        bytes += data.len();
                        front.push_back(Ok(data));
                    }
                }
                Some(Err(_)) => return front.push_back(Err(Failure::StreamCut)),
                None => {
                    whole = true;
                    return;
                }
            }
        }
    };
    let _in_time = tokio::time::timeout(REFUSAL_WAIT, reading).await;
    let body = joined(front.iter().flatten().cloned().collect());
    if whole && call.upstream.dialect.refuses_splice(status, &body) {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue((response, front))
}

/// The answer as it will be passed on, and shown as such.
fn pass(
    call: &Call<'_>,
    open: &Open,
    mut response: Response<Incoming>,
    upgrade: Option<OnUpgrade>,
    front: Front,
    filter: Option<Box<dyn Filter>>,
) -> Result<Forwarded, Failure> {
    let status = response.status();
    let switching = status == StatusCode::SWITCHING_PROTOCOLS;
    let tunnel = match upgrade {
        Some(client) if switching && is_websocket(response.headers()) => {
            let upstream = hyper::upgrade::on(&mut response);
            Some(Tunnel { client, upstream, caller: Arc::clone(call.caller) })
        }
        // Nobody asked for it, or for something else.
        _ if switching => {
            open.note_attempt(|attempt| attempt.failure = Some(Failure::Protocol));
            return Err(Failure::Protocol);
        }
        _ => None,
    };
    open.head(open.now(), status, response.headers());
    let h2 = call.parts.version == Version::HTTP_2;
    let tapped = Tapped {
        front,
        idle: call.upstream.timeouts.idle,
        trailers: h2 && headers::wants_trailers(&call.parts.headers),
        status,
        filter,
    };
    let inward = Inward { filtered: tapped.filter.is_some(), upgrade: tunnel.is_some() };
    Ok(Forwarded { response, tapped, inward, tunnel })
}

/// The one protocol that is switched to.
fn asks_websocket(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && headers::asks_upgrade(&parts.headers)
        && is_websocket(&parts.headers)
}

fn is_websocket(headers: &HeaderMap) -> bool {
    let websocket =
        |value: &header::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    headers.get(header::UPGRADE).is_some_and(websocket)
}
