//! From a request head to an exchange: checked, routed, labelled, then forwarded.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper::upgrade::OnUpgrade;
use tidegauge_core::{
    Begin, End, Exchange, ExchangeId, Failure, Operation, Overhead, Rejected, Times, Trace,
    Upstream,
};

use crate::body::Reply;
use crate::call::Call;
use crate::caller::{Busy, Caller};
use crate::check::{self, Bounds};
use crate::forward::{self, Unforwarded};
use crate::open::Open;
use crate::shared::Shared;
use crate::{attribution, headers, redact, rescue, route, trace};

/// Answers the requests of one connection.
#[derive(Clone)]
pub(crate) struct Answers {
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    requests: Arc<AtomicU64>,
    h2: bool,
}

impl Answers {
    pub(crate) fn new(shared: Arc<Shared>, caller: Arc<Caller>, h2: bool) -> Self {
        Self { shared, caller, requests: Arc::default(), h2 }
    }

    /// How many requests have come.
    pub(crate) fn served(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.requests)
    }
}

impl Service<Request<Incoming>> for Answers {
    type Response = Response<Reply>;
    type Error = Infallible;
    /// Boxed, so that a connection does not keep the room for it while a response streams.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Reply>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let number = self.requests.fetch_add(1, Relaxed) + 1;
        let shared = Arc::clone(&self.shared);
        let caller = Arc::clone(&self.caller);
        let busy = self.h2.then(|| self.caller.begin());
        Box::pin(async move { Ok(answer(shared, caller, request, number, busy).await) })
    }
}

async fn answer(
    shared: Arc<Shared>,
    caller: Arc<Caller>,
    mut request: Request<Incoming>,
    number: u64,
    busy: Option<Busy>,
) -> Response<Reply> {
    let began = Moment { since: shared.base.clock.now(), wall: shared.base.clock.wall() };
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let (parts, body) = request.into_parts();
    let page = parts.headers.contains_key(header::ORIGIN);
    if let Err(refusal) = check(&shared, &caller, &parts, number) {
        shared.base.health.request_rejected(refusal.reason, 1);
        let mut response = rescue::refused(refusal);
        if page {
            rescue::readable(&mut response);
        }
        return unread(response, &body, parts.version);
    }
    if is_health_check(&parts) {
        return Response::new(Reply::Own("ok\n".into()));
    }
    let policy = shared.policy.load_full();
    let asked = route::Asked {
        method: &parts.method,
        path: parts.uri.path(),
        query: parts.uri.query(),
        headers: &parts.headers,
    };
    let Some(route) = route::find(&policy, asked) else {
        shared.base.health.request_rejected(Rejected::Route, 1);
        let mut response = rescue::unrouted(&policy, shared.local, page);
        if page {
            rescue::readable(&mut response);
        }
        return unread(response, &body, parts.version);
    };
    let accept = shared.base.clock.now().saturating_sub(began.since);
    let placed = trace::place(&parts.headers, &policy, began.wall);
    let exchange = Exchange {
        overhead: Overhead { accept, ..Overhead::default() },
        route: route.matched.route.clone(),
        ..exchange(&began, &parts, &caller, route.upstream, route.matched.operation, &placed)
    };
    let open = Open::begin(&shared.base, began.since, exchange, busy, |exchange| {
        let begin = Begin {
            exchange,
            upstream: route.upstream,
            operation: route.matched.operation,
            head: asked.head(route.path),
        };
        shared.observers.begin(begin)
    });
    let call = Call {
        shared: &shared,
        policy: &policy,
        upstream: route.upstream,
        operation: route.matched.operation,
        path: route.path,
        parts: &parts,
        trace: &placed,
        routed: accept,
        caller: &caller,
    };
    let mut response = match forward::forward(&call, &open.share(), body, upgrade).await {
        Ok(forwarded) => forwarded.respond(open),
        Err(unforwarded) => {
            let (failure, mut response) = match &unforwarded {
                Unforwarded::Failed(failure) => {
                    (*failure, rescue::failed(*failure, route.upstream.dialect))
                }
                Unforwarded::Refused(refused) => {
                    (refused.failure, rescue::denied(refused, route.upstream.dialect))
                }
            };
            if page {
                rescue::readable(&mut response);
            }
            open.note(|exchange| exchange.status = Some(response.status()));
            if failure == Failure::RequestStalled {
                shared.base.health.upload_stalled();
            }
            // A body that breaks off is a client that leaves, whatever it still hears.
            let left = matches!(failure, Failure::RequestAborted | Failure::RequestStalled);
            open.end(if left { End::Cancelled } else { End::Failed }, Some(failure));
            response
        }
    };
    if policy.trace_header
        && let Some(id) = trace::header(placed.trace_id)
    {
        response.headers_mut().insert(headers::TRACE_ID, id);
    }
    response
}

/// When a request head was read.
struct Moment {
    since: Duration,
    wall: SystemTime,
}

fn check(
    shared: &Shared,
    caller: &Caller,
    parts: &Parts,
    number: u64,
) -> Result<(), check::Refusal> {
    let asked = check::Asked {
        method: &parts.method,
        uri: &parts.uri,
        version: parts.version,
        headers: &parts.headers,
        bad: caller.bad(number),
    };
    let limits = &shared.base.limits;
    let bounds = Bounds { target: limits.target_bytes, headers: limits.headers };
    check::check(asked, bounds, &shared.hop)
}

/// The one page of our own on this listener.
fn is_health_check(parts: &Parts) -> bool {
    parts.uri.path() == "/healthz" && matches!(parts.method, Method::GET | Method::HEAD)
}

/// A response to a request whose body nobody will read: on HTTP/1 the connection ends with it, so
/// that the body is never taken for the next request.
fn unread(mut response: Response<Reply>, body: &Incoming, version: Version) -> Response<Reply> {
    let refused = response.status() == StatusCode::BAD_REQUEST;
    if version < Version::HTTP_2 && (refused || !body.is_end_stream()) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn exchange(
    began: &Moment,
    parts: &Parts,
    caller: &Caller,
    upstream: &Arc<Upstream>,
    operation: Operation,
    trace: &Trace,
) -> Exchange {
    let text = |name: header::HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let millis = began.wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let millis = u64::try_from(millis).unwrap_or(u64::MAX);
    Exchange {
        id: ExchangeId::new(millis, fastrand::u128(..)),
        started: began.wall,
        trace: trace.clone(),
        to: upstream.destination(),
        operation,
        route: "".into(),
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(redact::query),
        secure: caller.secure,
        client: Some(caller.addr),
        host: parts.uri.authority().map(|host| host.as_str().to_owned()).or(text(header::HOST)),
        version: parts.version,
        user_agent: text(header::USER_AGENT),
        labels: attribution::labels(&parts.headers),
        attempts: Vec::with_capacity(1),
        status: None,
        request_bytes: 0,
        upstream_bytes: 0,
        response_bytes: 0,
        times: Times::default(),
        overhead: Overhead::default(),
        end: End::Cancelled,
        failure: None,
        injected: false,
    }
}
