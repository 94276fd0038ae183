//! The second listener: health, metrics, and a page that says where things are.
//!
//! Meant for this machine. Without a token it answers only callers that name it by a loopback
//! address, so that a web page elsewhere cannot reach it through a name of its own; with a token it
//! answers who shows the token. Nothing here changes anything: every route is a GET.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tidegauge_core::{Dropped, Health, Ledger, Rejected, Task};
use tidegauge_measure::Prices;
use tidegauge_otel::Format;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Secret;
use crate::identities;
use crate::serve::{StartError, listen_error};
use crate::sockets;
use crate::telemetry::Telemetry;

/// Connections at once; one more takes the place of one that asks nothing, or waits.
const CONNECTIONS: usize = 64;

/// How long a request head may take, and the pause after a failed accept.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// What the console shows.
pub(crate) struct Console {
    /// Where it listens.
    pub(crate) addr: SocketAddr,
    /// Where the proxy listens.
    pub(crate) proxy: SocketAddr,
    /// What callers must show, if anything.
    pub(crate) token: Option<Secret>,
    /// Our own counters.
    pub(crate) health: Arc<Health>,
    /// Where metrics come from.
    pub(crate) telemetry: Arc<Telemetry>,
    /// Held while they are made into a page.
    pub(crate) page: Arc<tokio::sync::Mutex<()>>,
    /// Whether the proxy takes requests.
    pub(crate) ready: Arc<AtomicBool>,
    /// The price list in use.
    pub(crate) prices: Arc<ArcSwap<Prices>>,
}

/// Listens, unless somebody has done so for us.
pub(crate) async fn bind(
    addr: SocketAddr,
    given: Option<std::net::TcpListener>,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |source| listen_error(addr, "--console", source);
    let listener = match given {
        Some(given) => sockets::listener(given).map_err(StartError::Sockets)?,
        None => TcpListener::bind(addr).await.map_err(failed)?,
    };
    let local = listener.local_addr().map_err(failed)?;
    Ok((listener, local))
}

/// How long the console serves.
pub(crate) struct Until {
    /// Its address is closed then; connections that are open go on.
    pub(crate) closed: CancellationToken,
    /// Everything is cut then.
    pub(crate) stopped: CancellationToken,
}

/// Serves until it is to stop; what is open then is cut.
pub(crate) async fn serve(listener: TcpListener, console: Console, until: Until) {
    let routes = routes(Arc::new(console));
    let (tasks, seats) = (TaskTracker::new(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut open: VecDeque<Seat> = VecDeque::new();
    loop {
        let accepted = tokio::select! {
            () = until.stopped.cancelled() => break,
            () = until.closed.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        open.retain(|seat| !seat.left.is_cancelled());
        if seats.available_permits() == 0 {
            make_room(&mut open);
        }
        let permit = tokio::select! {
            () = until.stopped.cancelled() => break,
            permit = Arc::clone(&seats).acquire_owned() => permit,
        };
        let seat = Seat::default();
        open.push_back(seat.clone());
        let (routes, stop) = (routes.clone(), until.stopped.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = seat.left.cancelled() => {}
                () = converse(stream, routes, &seat) => {}
            }
            seat.left.cancel();
            drop(permit);
        });
    }
    drop(listener);
    until.stopped.cancelled().await;
    tasks.close();
    tasks.wait().await;
}

/// One connection.
#[derive(Clone, Default)]
struct Seat {
    /// It is over, or is to be.
    left: CancellationToken,
    /// Requests that are being answered on it.
    asking: Arc<AtomicUsize>,
}

/// Ends the connection that has been here for the longest time and asks nothing.
fn make_room(open: &mut VecDeque<Seat>) {
    let idle = open.iter().position(|seat| seat.asking.load(Ordering::Relaxed) == 0);
    if let Some(seat) = idle.and_then(|at| open.remove(at)) {
        seat.left.cancel();
    }
}

async fn converse(stream: TcpStream, routes: Router, seat: &Seat) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(|request| {
        let (routes, asking) = (routes.clone(), Arc::clone(&seat.asking));
        async move {
            asking.fetch_add(1, Ordering::Relaxed);
            let response = routes.call(request).await;
            asking.fetch_sub(1, Ordering::Relaxed);
            response
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(parse = error.is_parse(), "a console connection broke off");
    }
}

pub(crate) fn routes(console: Arc<Console>) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(middleware::from_fn_with_state(Arc::clone(&console), guard))
        .with_state(console)
}

/// Lets through who may ask, and marks every answer as private and inert.
async fn guard(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let mut response = match console.refuses(request.uri(), request.headers()) {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    );
    response
}

impl Console {
    /// The answer to a request that is not to be answered; `None` lets it through.
    fn refuses(&self, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let host = one(headers, HOST);
        if let Some(origin) = headers.get(ORIGIN)
            && !same_place(origin, host)
        {
            return Some(refusal(StatusCode::FORBIDDEN, "requests of other web pages are refused"));
        }
        // A probe needs no secret to hear one bit.
        if matches!(uri.path(), "/healthz" | "/readyz") && uri.query().is_none() {
            return None;
        }
        match &self.token {
            None if host.is_some_and(|host| self.is_own_name(host)) => None,
            None => {
                let message = "ask by 127.0.0.1, [::1] or localhost";
                Some(refusal(StatusCode::FORBIDDEN, message))
            }
            Some(token) if shows(headers, token.expose()) => None,
            Some(_) => {
                let mut response =
                    refusal(StatusCode::UNAUTHORIZED, "send `authorization: Bearer TOKEN`");
                let scheme = HeaderValue::from_static("Bearer");
                response.headers_mut().insert(WWW_AUTHENTICATE, scheme);
                Some(response)
            }
        }
    }

    fn is_own_name(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else { return false };
        let name = authority.host().trim_start_matches('[').trim_end_matches(']');
        name.eq_ignore_ascii_case("localhost")
            || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback() || ip == self.addr.ip())
    }

    fn verbose(&self) -> Value {
        let health = &*self.health;
        let lost: u64 = Dropped::ALL.iter().map(|why| health.records_lost(*why)).sum();
        let dropped = |count: fn(&Health, Dropped) -> u64| {
            by(Dropped::ALL, |why| why.name(), |why| count(health, why))
        };
        let (reloads, reloaded_well) = health.reloads();
        let (reads, read_well) = health.price_list_reads();
        let prices = self.prices.load();
        json!({
            "ready": self.ready.load(Ordering::Relaxed),
            "exchanges": {
                "accepted": health.accepted(),
                "records": health.records(),
                "lost": dropped(Health::records_lost),
                // Not yet a record, nor lost: open, or waiting for the pipeline.
                "in_flight": health.accepted().saturating_sub(health.records() + lost),
            },
            // Of sessions: records beside theirs.
            "turns": {
                "over": health.turns(),
                "records": health.turns_recorded(),
                "lost": dropped(Health::turns_lost),
            },
            "messages_skipped": health.messages_skipped(),
            "rejected": by(Rejected::ALL, |why| why.name(), |why| health.rejected(why)),
            "active": health.active(),
            "streams": health.streams(),
            "connections": health.connections(),
            "disconnects": health.disconnects(),
            "spans": {
                "made": health.spans(),
                "delivered": health.spans_acked(),
                "recovered": health.spans_recovered(),
                "queued": health.spans_queued(),
                "queued_disk": health.spans_queued_disk(),
                "dropped": dropped(Health::spans_dropped),
            },
            "points_dropped": dropped(Health::points_dropped),
            "logs_dropped": dropped(Health::logs_dropped),
            "exporters": health.exporters().iter().map(|of| books(of)).collect::<Map<_, _>>(),
            "record_lines_dropped": dropped(Health::lines_dropped),
            "panics": by(Task::ALL, |task| task.name(), |task| health.panics(task)),
            "partial": health.partial(),
            "unpriced": health.unpriced(),
            "unclassified": health.unclassified(),
            "splices_refused": health.splices_refused(),
            "holds_exceeded": health.holds_exceeded(),
            "schemas_unusable": health.schemas_unusable(),
            // In the background: their usage comes with a later answer, or never.
            "responses": {
                "open": health.responses_open(),
                "forgotten": health.responses_forgotten(),
            },
            "reloads": { "count": reloads, "last_was_good": reloaded_well },
            "prices": {
                "catalogue": &**prices.catalogue(),
                "age_days": age_days(&prices),
                "reads": { "count": reads, "last_was_good": read_well },
            },
            "journal": {
                "opened": health.journal_opened(),
                "closed": health.journal_closed(),
                "killed": health.killed(),
                "lost": dropped(Health::journal_lost),
            },
            "identities": identities::page(health),
        })
    }
}

/// How many whole days old a price list is.
#[expect(clippy::disallowed_methods, reason = "the age of something is asked for now")]
fn age_days(prices: &Prices) -> u64 {
    let age = std::time::SystemTime::now().duration_since(prices.dated());
    age.unwrap_or_default().as_secs() / 86_400
}

/// The books of one exporter, by its name.
fn books(of: &Ledger) -> (String, Value) {
    let dropped = |count: fn(&Ledger, Dropped) -> u64| {
        by(Dropped::ALL, |why| why.name(), |why| count(of, why))
    };
    let books = json!({
        "spans": {
            "made": of.spans(),
            "delivered": of.spans_acked(),
            "recovered": of.spans_recovered(),
            "queued": of.spans_queued(),
            "queued_disk": of.spans_queued_disk(),
            "dropped": dropped(Ledger::spans_dropped),
        },
        "points_dropped": dropped(Ledger::points_dropped),
        "logs_dropped": dropped(Ledger::logs_dropped),
    });
    (of.exporter().to_owned(), books)
}

/// Counters by word, those that are not zero.
fn by<K: Copy>(all: &[K], name: fn(K) -> &'static str, count: impl Fn(K) -> u64) -> Value {
    let counted = all.iter().map(|key| (name(*key), count(*key))).filter(|(_, count)| *count > 0);
    Value::Object(
        counted.map(|(name, count)| (name.to_owned(), count.into())).collect::<Map<_, _>>(),
    )
}

async fn readyz(State(console): State<Arc<Console>>, uri: Uri) -> Response {
    let ready = console.ready.load(Ordering::Relaxed);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if uri.query() == Some("verbose") {
        let body = format!("{:#}\n", console.verbose());
        return (status, [(CONTENT_TYPE, "application/json")], body).into_response();
    }
    (status, if ready { "ready\n" } else { "not ready\n" }).into_response()
}

/// Made on a thread of its own, one page at a time: with thousands of series it takes so long that
/// the streams which share our threads would stand still.
async fn metrics(State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let format = Format::accepted(&accepted.collect::<Vec<_>>().join(","));
    let telemetry = Arc::clone(&console.telemetry);
    let alone = Arc::clone(&console.page).lock_owned().await;
    let page = tokio::task::spawn_blocking(move || {
        let page = telemetry.page(format);
        drop(alone);
        page
    });
    match page.await {
        Ok(page) => ([(CONTENT_TYPE, format.content_type())], page).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn page(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let text = format!(
        "Tidegauge {version}\n\n\
         There is no console yet in this version. What there is:\n\n\
         proxy      http://{proxy}/UPSTREAM/...\n\
         metrics    http://{addr}/metrics (Prometheus, OpenMetrics)\n\
         health     http://{addr}/healthz, http://{addr}/readyz, and the books: http://{addr}/readyz?verbose\n",
        version = env!("CARGO_PKG_VERSION"),
        proxy = console.proxy,
        addr = console.addr,
    );
    ([(CONTENT_TYPE, "text/plain; charset=utf-8")], text)
}

fn refusal(status: StatusCode, message: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{message}\n")));
    *response.status_mut() = status;
    response
}

/// A header that is there exactly once.
fn one(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

/// Whether a page's origin is the place that was asked.
fn same_place(origin: &HeaderValue, host: Option<&str>) -> bool {
    let origin = origin.to_str().ok();
    let authority =
        origin.and_then(|text| text.strip_prefix("http://").or(text.strip_prefix("https://")));
    authority.is_some() && authority == host
}

/// Whether a request shows the token. Takes as long for a wrong one as for the right one.
fn shows(headers: &HeaderMap, token: &str) -> bool {
    let shown = one(headers, AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let (shown, token) = (shown.unwrap_or_default().as_bytes(), token.as_bytes());
    let differs =
        shown.iter().zip(token.iter().cycle()).fold(0, |differs, (a, b)| differs | (a ^ b));
    (differs == 0) & (shown.len() == token.len())
}

#[cfg(test)]
mod tests;
