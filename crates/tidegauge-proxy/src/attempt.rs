//! One request to its upstream, until the head of an answer, with its silent repetitions.
//!
//! A request is sent once. It is sent again only if a connection closed before it took any of it.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use tidegauge_core::{Attempt, Failure, SpanId};

use crate::call::Call;
use crate::failure::{self, Unanswered};
use crate::headers::{self, Outward};
use crate::link::Peer;
use crate::multiplex::{Multiplex, StreamPermit, Taken};
use crate::open::Open;
use crate::trace;
use crate::upload::{Payload, Upload};
use crate::upstream::{Client, Http, Way};

/// How often a request is sent again because a kept connection was closed. Each of them may be one
/// of many that an upstream closed at the same moment, so the last one is a new one.
const RESENDS: usize = 4;
/// How long to wait for a body to come back from a connection that is gone.
const RETURN: Duration = Duration::from_secs(1);
/// How long a request may be without a connection before it counts as lost.
const LOST: Duration = Duration::from_millis(500);

/// The head of an answer, and its body to come.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    /// To be kept until the body is over.
    pub(crate) stream: Option<StreamPermit<Http>>,
}

/// What all tries of one request have in common.
pub(crate) struct Sending<'a> {
    pub(crate) call: &'a Call<'a>,
    pub(crate) open: &'a Arc<Open>,
    pub(crate) client: &'a Client,
    /// For a protocol that leaves HTTP.
    pub(crate) upgrade: bool,
}

impl Sending<'_> {
    /// One attempt, with its silent repetitions. `length`: of a spliced body.
    pub(crate) async fn send(
        &self,
        mut payload: Payload,
        length: Option<u64>,
    ) -> Result<Answer, Failure> {
        let span = trace::fresh_span();
        let started = self.open.now();
        self.open.note(|exchange| {
            exchange.times.sent.get_or_insert(started);
            exchange.attempts.push(attempt(span, started));
        });
        for resend in 0..=RESENDS {
            let (upload, returned) = Upload::new(payload, Arc::clone(self.open));
            let request = self.request(upload, span, length)?;
            match self.issue(request, resend == RESENDS).await {
                Ok(answer) => {
                    self.answered(&answer.response);
                    if headers::is_ambiguous(answer.response.headers()) {
                        return Err(self.failed(Failure::Protocol));
                    }
                    return Ok(answer);
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
    ) -> Result<Request<Box<Upload>>, Failure> {
        let Call { parts, upstream, trace, .. } = *self.call;
        let outward = Outward {
            version: parts.version,
            upstream,
            trace,
            span,
            spliced: length.is_some(),
            length,
            upgrade: self.upgrade,
            via: self.call.shared.hop.via(parts.version),
        };
        let mut request = Request::new(Box::new(upload));
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
    /// `fresh`: on a connection of its own, as far as the upstream speaks HTTP/1.1.
    async fn issue(
        &self,
        request: Request<Box<Upload>>,
        fresh: bool,
    ) -> Result<Answer, Unanswered> {
        match &self.client.http {
            Way::Alone(_) if fresh => self.issue_by(&self.client.sockets, request, None).await,
            _ if self.upgrade => self.issue_by(&self.client.sockets, request, None).await,
            Way::Alone(client) => self.issue_by(client, request, None).await,
            Way::Together(all) => {
                let Taken { client, permit } = match all.take() {
                    Some(taken) => taken,
                    None => self.stream(all).await,
                };
                self.issue_by(&client, request, Some(permit)).await
            }
        }
    }

    /// Waits for a stream, which is our time and not the upstream's.
    async fn stream(&self, all: &Arc<Multiplex<Http>>) -> Taken<Http> {
        self.open.base().health.stream_waited();
        let wanted = self.open.now();
        let taken = all.wait().await;
        let waited = self.open.now().saturating_sub(wanted);
        self.open.note(|exchange| exchange.overhead.connect += waited);
        taken
    }

    async fn issue_by(
        &self,
        client: &Http,
        mut request: Request<Box<Upload>>,
        stream: Option<StreamPermit<Http>>,
    ) -> Result<Answer, Unanswered> {
        let issued = self.open.now();
        let captured = capture_connection(&mut request);
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
                let answer = answer.map_err(|error| failure::classify(&error));
                return Poll::Ready(answer);
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
        .map(|response| Answer { response, stream })
    }

    /// Resolves when the upstream has had the whole request for too long.
    async fn late(&self) {
        let Some(limit) = self.call.upstream.timeouts.head else {
            return std::future::pending().await;
        };
        let clock = &self.call.shared.base.clock;
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
        // A body that did not come to its end is why, whatever the connection made of it.
        let failure = self.open.upload_failure().unwrap_or(failure);
        if failure == Failure::Descriptors {
            let base = self.open.base();
            base.shortage.note(&base.health, &base.clock, "an upstream");
        }
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
