//! The way of one routed request: held back where it must be known, admitted, sent, and its answer
//! passed on.
//!
//! It is sent again in two cases only: a kept connection closed before it took any of it, or the
//! upstream refused, unread, the field that we spliced in.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use bytes::Bytes;
use http::header;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tidegauge_core::{Admit, Failure, Filter, Refused};

use crate::attempt::{Answer, Sending};
use crate::body::Reply;
use crate::call::Call;
use crate::headers::{self, Inward};
use crate::hold::{Held, hold, joined};
use crate::open::{Guard, Open};
use crate::splice;
use crate::tap::{Front, Tap, Tapped};
use crate::tunnel::{self, Tunnel};
use crate::upload::Payload;

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

/// Why there is no answer to pass on.
#[derive(Debug)]
pub(crate) enum Unforwarded {
    /// Something went wrong on the way.
    Failed(Failure),
    /// A rule said no.
    Refused(Box<Refused>),
}

impl From<Failure> for Unforwarded {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Forwards one request.
///
/// # Errors
/// When there is no answer to pass on.
pub(crate) async fn forward(
    call: &Call<'_>,
    open: &Arc<Open>,
    body: Incoming,
    upgrade: Option<OnUpgrade>,
) -> Result<Forwarded, Unforwarded> {
    let client = call.shared.upstreams.client(call.policy, call.upstream)?;
    let upgrade = upgrade.filter(|_| asks_websocket(call.parts));

    let splices = splice::may_splice(call, &client);
    let admit = call.policy.admit.as_deref();
    let looks =
        admit.is_some_and(|admit| open.ask(|exchange| admit.wants_body(exchange)) == Some(true));
    let bound = if splices || looks { call.policy.hold } else { 0 };
    // What the body takes is held until there is an answer.
    let Held { whole, mut front, rest, waited, permit: _permit } = hold(open, body, bound).await?;
    if splices && !whole {
        call.shared.base.health.hold_exceeded();
    }
    let known = if whole && (splices || looks) && !front.is_empty() {
        let body = joined(std::mem::take(&mut front));
        front.push_back(body.clone());
        Some(body)
    } else {
        None
    };
    if let Some(admit) = admit {
        admitted(call, open, admit, known.as_ref().filter(|_| looks))?;
    }
    let spliced = known.as_ref().filter(|_| splices);
    let spliced = spliced.and_then(|body| splice::spliced(call.upstream.dialect, body));
    let admission = open.now().saturating_sub(call.routed).saturating_sub(waited);
    open.note(|exchange| exchange.overhead.admission = admission);

    let sending = Sending { call, open, client: &client, upgrade: upgrade.is_some() };
    let (Some(original), Some(spliced)) = (known, spliced) else {
        let answer = sending.send(Payload { front, rest }, None).await?;
        return Ok(pass(call, open, answer, upgrade, Front::new(), None)?);
    };
    let length = spliced.iter().map(|bytes| bytes.len() as u64).sum::<u64>();
    let answer = sending.send(Payload { front: spliced, rest: None }, Some(length)).await?;
    match splice::refused(call.upstream.dialect, answer).await {
        ControlFlow::Continue((answer, front)) => {
            open.note(|exchange| exchange.injected = true);
            let response = &answer.response;
            let plain = headers::is_plain(response.headers()) && response.status().is_success();
            let filter = plain.then(|| call.upstream.dialect.filter());
            Ok(pass(call, open, answer, upgrade, front, filter)?)
        }
        ControlFlow::Break(()) => {
            client.refuses_splice.store(true, Relaxed);
            call.shared.base.health.splice_refused();
            let payload = Payload { front: VecDeque::from([original]), rest: None };
            let answer = sending.send(payload, None).await?;
            Ok(pass(call, open, answer, upgrade, Front::new(), None)?)
        }
    }
}

/// Asks the rules of this proxy, with what the body asks for where they want to know it.
fn admitted(
    call: &Call<'_>,
    open: &Open,
    admit: &dyn Admit,
    body: Option<&Bytes>,
) -> Result<(), Unforwarded> {
    let peek = body.and_then(|body| call.upstream.dialect.peek(call.head(), body));
    let admitted = open.ask(|exchange| admit.admit(exchange, peek.as_ref()));
    admitted.unwrap_or(Ok(())).map_err(|refused| Unforwarded::Refused(Box::new(refused)))
}

/// The answer as it will be passed on, and shown as such.
fn pass(
    call: &Call<'_>,
    open: &Open,
    Answer { mut response, stream }: Answer,
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
        _stream: stream,
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
