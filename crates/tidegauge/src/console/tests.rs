//! Who may ask the console, and what it says.

use axum::body::to_bytes;
use http::Method;
use hyper::service::Service as _;

use super::*;
use crate::config::{Outside, Overrides, Typed, resolve};
use crate::serve::Plane;

fn console(token: bool) -> Router {
    let outside =
        Outside { env: &|name| (name == "T").then(|| "right".to_owned()), ..Outside::real() };
    let text = if token { "console: {token: '${T}'}" } else { "" };
    let typed = Typed { file: Some(("t", text)), flags: &Overrides::default() };
    let resolved = resolve(typed, &outside).unwrap();
    let Plane { health, telemetry, .. } = Plane::start(&resolved).unwrap();
    health.request_accepted();
    health.request_accepted();
    health.request_accepted();
    health.record_made();
    health.record_lost(Dropped::QueueFull, 1);
    routes(Arc::new(Console {
        addr: ([127, 0, 0, 1], 4311).into(),
        proxy: ([127, 0, 0, 1], 4310).into(),
        token: resolved.config.console.unwrap().token,
        health,
        telemetry,
        page: Arc::default(),
        ready: Arc::new(AtomicBool::new(true)),
        prices: Arc::new(ArcSwap::from_pointee(Prices::bundled())),
    }))
}

async fn ask(routes: &Router, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::builder().method(Method::GET).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let service = TowerToHyperService::new(routes.clone());
    let response = service.call(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn who_may_ask() {
    const HOST: (&str, &str) = ("host", "127.0.0.1:4311");
    let (open, locked) = (console(false), console(true));
    type Case<'a> = (&'a Router, &'a str, &'a [(&'a str, &'a str)], u16);
    let table: [Case<'_>; 18] = [
        (&open, "/", &[HOST], 200),
        (&open, "/", &[("host", "localhost:4311")], 200),
        (&open, "/", &[("host", "[::1]:4311")], 200),
        (&open, "/", &[("host", "evil.example:4311")], 403),
        (&open, "/", &[("host", "127.0.0.1.evil.example")], 403),
        (&open, "/", &[], 403),
        (&open, "/metrics", &[HOST], 200),
        (&open, "/metrics", &[HOST, ("origin", "http://127.0.0.1:4311")], 200),
        (&open, "/metrics", &[HOST, ("origin", "http://evil.example")], 403),
        (&open, "/metrics", &[HOST, ("origin", "null")], 403),
        (&open, "/healthz", &[("host", "10.1.2.3:4311")], 200),
        (&open, "/nothing", &[HOST], 404),
        (&locked, "/", &[HOST], 401),
        (&locked, "/", &[HOST, ("authorization", "Bearer wrong")], 401),
        (&locked, "/", &[HOST, ("authorization", "Bearer rightright")], 401),
        (&locked, "/", &[("host", "any.example"), ("authorization", "Bearer right")], 200),
        (&locked, "/readyz", &[("host", "any.example")], 200),
        (&locked, "/readyz?verbose", &[HOST], 401),
    ];
    for (routes, path, headers, expected) in table {
        let (status, body) = ask(routes, path, headers).await;
        assert_eq!(status, expected, "{path} {headers:?}: {body}");
    }
}

#[tokio::test]
async fn the_books_are_shown_and_balance() {
    let (_, body) = ask(&console(false), "/readyz?verbose", &[("host", "localhost")]).await;
    let books: Value = serde_json::from_str(&body).unwrap();
    let expected =
        json!({ "accepted": 3, "records": 1, "lost": { "queue_full": 1 }, "in_flight": 1 });
    assert_eq!(books["exchanges"], expected);
    assert_eq!(books["reloads"], json!({ "count": 0, "last_was_good": true }));
}

#[tokio::test]
async fn metrics_are_in_the_form_that_is_asked_for() {
    let (routes, host) = (console(false), ("host", "localhost"));
    let (_, plain) = ask(&routes, "/metrics", &[host]).await;
    assert!(plain.contains("\n# TYPE tidegauge_records_total counter\n"), "{plain}");
    let accept = ("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    let (_, open) = ask(&routes, "/metrics", &[host, accept]).await;
    assert!(open.ends_with("# EOF\n"), "{open}");
}

/// P1: the threads that carry streams do not make the metrics page.
#[test]
fn metrics_are_made_elsewhere() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, held) = std::sync::mpsc::sync_channel::<()>(1);
        let elsewhere = tokio::task::spawn_blocking(move || held.recv());
        let routes = console(false);
        let mut page = std::pin::pin!(ask(&routes, "/metrics", &[("host", "127.0.0.1:4311")]));
        let soon = Duration::from_millis(50);
        assert!(tokio::time::timeout(soon, page.as_mut()).await.is_err(), "it was made here");
        release.send(()).unwrap();
        assert_eq!(page.await.0, 200);
        elsewhere.await.unwrap().unwrap();
    });
}
