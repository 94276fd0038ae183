//! An OTLP collector in the test's process: gRPC through the generated services, and HTTP.
//!
//! Each request takes the next reply of a script; without one it is taken whole.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::task::JoinSet;
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service as _;
use tonic::{Request, Status};

/// What a collector answers.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    /// Takes all but so many.
    Reject(i64),
    /// Refuses with a gRPC status.
    Grpc(Status),
    /// Refuses with an HTTP status and perhaps `retry-after`.
    Http(u16, Option<&'static str>),
    /// Takes all and answers with so many bytes that mean nothing.
    Garbage(usize),
    /// Takes nothing and answers over HTTP with status 200, this content type and this body.
    Body(Option<&'static str>, &'static [u8]),
    /// Never answers.
    Hang,
    /// Takes at most so many spans in one request, else says too large.
    AtMost(usize),
}

/// What came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Spans with the name of their scope, of requests that were taken.
    pub(super) spans: Vec<(String, Span)>,
    /// Metrics with the name of their scope.
    pub(super) metrics: Vec<(String, Metric)>,
    /// Log records.
    pub(super) logs: Vec<(String, LogRecord)>,
    /// Path and headers of every request, taken or not.
    pub(super) requests: Vec<(String, HeaderMap)>,
    /// Resources of the requests that were taken.
    pub(super) resources: Vec<Resource>,
}

/// A running collector; it ends with the test's process.
#[derive(Clone)]
pub(super) struct Collector(Arc<Inner>);

struct Inner {
    script: Mutex<VecDeque<Reply>>,
    always: Mutex<Option<Reply>>,
    seen: Mutex<Seen>,
    changed: Condvar,
    /// HTTP/1.1 is not spoken.
    only_grpc: AtomicBool,
    address: SocketAddr,
}

impl Collector {
    /// On a free port of the loopback.
    pub(super) fn start() -> Self {
        Self::start_with(None)
    }

    /// With TLS.
    pub(super) fn start_with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let collector = Self(Arc::new(Inner {
            script: Mutex::default(),
            always: Mutex::default(),
            seen: Mutex::default(),
            changed: Condvar::new(),
            only_grpc: AtomicBool::new(false),
            address: listener.local_addr().unwrap(),
        }));
        let serving = collector.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                serving.serve(listener, tls).await;
            });
        });
        collector
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.0.address.port()
    }

    /// From now on whoever connects has to speak HTTP/2.
    pub(super) fn only_grpc(&self) {
        self.0.only_grpc.store(true, Relaxed);
    }

    /// Replies for the next requests, in order.
    pub(super) fn script(&self, replies: impl IntoIterator<Item = Reply>) {
        self.0.script.lock().unwrap().extend(replies);
    }

    /// The reply when the script is at its end.
    pub(super) fn always(&self, reply: Option<Reply>) {
        *self.0.always.lock().unwrap() = reply;
    }

    pub(super) fn seen(&self) -> Seen {
        self.0.seen.lock().unwrap().clone()
    }

    /// Waits until what was seen satisfies `enough`.
    pub(super) fn wait(&self, enough: impl Fn(&Seen) -> bool) -> Seen {
        let mut seen = self.0.seen.lock().unwrap();
        for _ in 0..600 {
            if enough(&seen) {
                return seen.clone();
            }
            seen = self.0.changed.wait_timeout(seen, Duration::from_millis(100)).unwrap().0;
        }
        panic!("the collector never saw enough: {} requests", seen.requests.len());
    }

    async fn serve(
        self,
        listener: tokio::net::TcpListener,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) {
        let tls = tls.map(tokio_rustls::TlsAcceptor::from);
        let mut tasks = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (collector, tls) = (self.clone(), tls.clone());
            tasks.spawn(async move {
                match tls {
                    None => collector.connection(stream).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            collector.connection(stream).await;
                        }
                    }
                }
            });
        }
    }

    async fn connection(
        self,
        stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    ) {
        let only_grpc = self.0.only_grpc.load(Relaxed);
        let service = hyper::service::service_fn(move |request| {
            let collector = self.clone();
            async move { Ok::<_, Infallible>(collector.answer(request).await) }
        });
        let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
        let server = if only_grpc { server.http2_only() } else { server };
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(
        &self,
        request: http::Request<hyper::body::Incoming>,
    ) -> Response<tonic::body::Body> {
        let path = request.uri().path().to_owned();
        {
            let mut seen = self.0.seen.lock().unwrap();
            seen.requests.push((path.clone(), request.headers().clone()));
            self.0.changed.notify_all();
        }
        if path.contains("Service/")
            && let Some(Reply::Http(status, after)) = self.on_the_way()
        {
            return self.only_http(status, after);
        }
        let gzip = CompressionEncoding::Gzip;
        let zstd = CompressionEncoding::Zstd;
        let answer = match path.as_str() {
            path if path.contains("TraceService") => {
                let service = TraceServiceServer::new(self.clone());
                service.accept_compressed(gzip).accept_compressed(zstd).call(request).await
            }
            path if path.contains("MetricsService") => {
                let service = MetricsServiceServer::new(self.clone());
                service.accept_compressed(gzip).accept_compressed(zstd).call(request).await
            }
            path if path.contains("LogsService") => {
                let service = LogsServiceServer::new(self.clone());
                service.accept_compressed(gzip).accept_compressed(zstd).call(request).await
            }
            _ => return self.http(&path, request).await,
        };
        answer.unwrap()
    }

    async fn http(
        &self,
        path: &str,
        request: http::Request<hyper::body::Incoming>,
    ) -> Response<tonic::body::Body> {
        let encoding = request.headers().get("content-encoding").cloned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let body = match encoding.as_ref().map(|encoding| encoding.as_bytes()) {
            None => body.to_vec(),
            Some(b"gzip") => {
                let mut plain = Vec::new();
                flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
                plain
            }
            Some(_) => zstd::stream::decode_all(&body[..]).unwrap(),
        };
        let rejected = match self.reply(spans_in(path, &body)).await {
            Ok(rejected) => rejected,
            Err(Reply::Http(status, after)) => return self.only_http(status, after),
            Err(Reply::Body(kind, body)) => {
                let mut response = Response::new(tonic::body::Body::new(Full::new(body.into())));
                if let Some(kind) = kind {
                    response.headers_mut().insert("content-type", kind.parse().unwrap());
                }
                return response;
            }
            Err(Reply::Garbage(length)) => {
                self.take_traces(Message::decode(&body[..]).unwrap());
                let garbage = Full::new(Bytes::from(vec![0xff; length]));
                return Response::new(tonic::body::Body::new(garbage));
            }
            Err(other) => panic!("no HTTP reply: {other:?}"),
        };
        match path.rsplit('/').next() {
            Some("traces") => self.take_traces(Message::decode(&body[..]).unwrap()),
            Some("metrics") => self.take_metrics(Message::decode(&body[..]).unwrap()),
            Some("logs") => self.take_logs(Message::decode(&body[..]).unwrap()),
            other => panic!("no such signal: {other:?}"),
        }
        let answer = ExportTraceServiceResponse { partial_success: partial(rejected) };
        Response::new(tonic::body::Body::new(Full::new(Bytes::from(answer.encode_to_vec()))))
    }

    /// An HTTP answer to a gRPC call, if that is next: it comes from something before the collector.
    fn on_the_way(&self) -> Option<Reply> {
        self.0.script.lock().unwrap().pop_front_if(|next| matches!(next, Reply::Http(..)))
    }

    fn only_http(&self, status: u16, after: Option<&str>) -> Response<tonic::body::Body> {
        let mut response = Response::new(tonic::body::Body::empty());
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        if let Some(after) = after {
            response.headers_mut().insert("retry-after", after.parse().unwrap());
        }
        if status / 100 == 3 {
            let elsewhere = format!("{}/elsewhere", self.url());
            response.headers_mut().insert("location", elsewhere.parse().unwrap());
        }
        response
    }

    /// The next reply: units to reject, or how to refuse.
    async fn reply(&self, spans: usize) -> Result<i64, Reply> {
        let next = self.0.script.lock().unwrap().pop_front();
        let next = next.or_else(|| self.0.always.lock().unwrap().clone());
        match next {
            None => Ok(0),
            Some(Reply::Reject(rejected)) => Ok(rejected),
            Some(Reply::Hang) => std::future::pending().await,
            Some(Reply::AtMost(most)) if spans <= most => Ok(0),
            Some(Reply::AtMost(_)) => Err(Reply::Http(413, None)),
            Some(other) => Err(other),
        }
    }

    async fn grpc(&self, spans: usize) -> Result<i64, Status> {
        self.reply(spans).await.map_err(|reply| match reply {
            Reply::Grpc(status) => status,
            Reply::Http(413, _) => {
                Status::out_of_range("decoded message length too large: found 9 bytes")
            }
            other => panic!("no gRPC reply: {other:?}"),
        })
    }

    fn take_traces(&self, request: ExportTraceServiceRequest) {
        let mut seen = self.0.seen.lock().unwrap();
        for group in request.resource_spans {
            seen.resources.extend(group.resource);
            for scope in group.scope_spans {
                let name = scope.scope.unwrap().name;
                seen.spans.extend(scope.spans.into_iter().map(|span| (name.clone(), span)));
            }
        }
        self.0.changed.notify_all();
    }

    fn take_metrics(&self, request: ExportMetricsServiceRequest) {
        let mut seen = self.0.seen.lock().unwrap();
        for group in request.resource_metrics {
            seen.resources.extend(group.resource);
            for scope in group.scope_metrics {
                let name = scope.scope.unwrap().name;
                seen.metrics.extend(scope.metrics.into_iter().map(|metric| (name.clone(), metric)));
            }
        }
        self.0.changed.notify_all();
    }

    fn take_logs(&self, request: ExportLogsServiceRequest) {
        let mut seen = self.0.seen.lock().unwrap();
        for group in request.resource_logs {
            seen.resources.extend(group.resource);
            for scope in group.scope_logs {
                let name = scope.scope.unwrap().name;
                seen.logs.extend(scope.log_records.into_iter().map(|log| (name.clone(), log)));
            }
        }
        self.0.changed.notify_all();
    }
}

fn spans_in(path: &str, body: &[u8]) -> usize {
    if !path.ends_with("traces") {
        return 0;
    }
    count(&ExportTraceServiceRequest::decode(body).unwrap())
}

fn count(request: &ExportTraceServiceRequest) -> usize {
    let scopes = request.resource_spans.iter().flat_map(|group| &group.scope_spans);
    scopes.map(|scope| scope.spans.len()).sum()
}

fn partial(rejected: i64) -> Option<ExportTracePartialSuccess> {
    (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: "some text of the collector".to_owned(),
    })
}

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let request = request.into_inner();
        let rejected = self.grpc(count(&request)).await?;
        self.take_traces(request);
        let partial_success = partial(rejected);
        Ok(tonic::Response::new(ExportTraceServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl MetricsService for Collector {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let rejected = self.grpc(0).await?;
        self.take_metrics(request.into_inner());
        let partial_success = (rejected > 0).then(|| ExportMetricsPartialSuccess {
            rejected_data_points: rejected,
            error_message: String::new(),
        });
        Ok(tonic::Response::new(ExportMetricsServiceResponse { partial_success }))
    }
}

#[tonic::async_trait]
impl LogsService for Collector {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, Status> {
        let rejected = self.grpc(0).await?;
        self.take_logs(request.into_inner());
        let partial_success = (rejected > 0).then(|| ExportLogsPartialSuccess {
            rejected_log_records: rejected,
            error_message: String::new(),
        });
        Ok(tonic::Response::new(ExportLogsServiceResponse { partial_success }))
    }
}
