//! An OTLP receiver in this process: gRPC and HTTP/protobuf on one port. Keeps what it took, decoded
//! and as bytes, and can be told to be slow or to refuse.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{
    LogsService, LogsServiceServer,
};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tonic::codec::CompressionEncoding;
use tonic::codegen::Service;

use super::wait::until;

/// What the receiver does with what it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Takes everything.
    Take,
    /// Refuses with this HTTP status, or the gRPC code that means the same.
    Refuse(u16),
    /// Takes traces but says that so many spans of each request were rejected.
    RejectSpans(i64),
    /// Never answers.
    Hang,
}

type Attributes = BTreeMap<String, Value>;

/// One span, with the attributes of its resource beside its own.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) name: String,
    /// As the protocol numbers them: 1 internal, 2 server, 3 client.
    pub(crate) kind: i32,
    /// 0 unset, 1 ok, 2 error.
    pub(crate) status: i32,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) state: String,
    pub(crate) links: Vec<(String, String)>,
    pub(crate) attributes: Attributes,
    pub(crate) resource: Attributes,
    pub(crate) scope: String,
}

impl Span {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_str()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.attributes.get(name)?.as_i64()
    }
}

/// One data point of a metric.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) unit: String,
    /// `sum`, `gauge`, `histogram` or `exponential`.
    pub(crate) instrument: &'static str,
    pub(crate) attributes: Attributes,
    /// The value, or the sum of a histogram.
    pub(crate) value: f64,
    /// How many were measured, in a histogram.
    pub(crate) count: u64,
    /// Trace ids of the exemplars.
    pub(crate) exemplars: Vec<String>,
}

impl Point {
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)?.as_str()
    }
}

/// One log record.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) event: String,
    pub(crate) trace: String,
    pub(crate) span: String,
    pub(crate) attributes: Attributes,
}

#[derive(Default)]
struct Taken {
    raw: Vec<Bytes>,
    headers: Vec<(String, String)>,
    paths: Vec<String>,
    traces: Vec<ExportTraceServiceRequest>,
    metrics: Vec<ExportMetricsServiceRequest>,
    logs: Vec<ExportLogsServiceRequest>,
}

struct Shared {
    mood: Mutex<Mood>,
    taken: Mutex<Taken>,
}

/// A running receiver.
pub(crate) struct Collector {
    pub(crate) addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    /// For a receiver that comes up after the program did.
    pub(crate) async fn start_at(addr: SocketAddr) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a port");
        let addr = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared { mood: Mutex::new(Mood::Take), taken: Mutex::default() });
        let task = tokio::spawn(accept(listener, shared.clone()));
        Self { addr, shared, task }
    }

    /// `http://127.0.0.1:port`
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// Every byte that came, decompressed where it was compressed, and the headers beside it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let taken = self.shared.taken.lock().unwrap();
        let mut all = taken.raw.concat();
        for (name, value) in &taken.headers {
            all.extend_from_slice(format!("\n{name}: {value}").as_bytes());
        }
        for request in &taken.traces {
            all.extend(request.encode_to_vec());
        }
        for request in &taken.metrics {
            all.extend(request.encode_to_vec());
        }
        for request in &taken.logs {
            all.extend(request.encode_to_vec());
        }
        all
    }

    /// How many requests came, taken or not.
    pub(crate) fn requests(&self) -> usize {
        self.shared.taken.lock().unwrap().paths.len()
    }

    /// Headers of every request, in order.
    pub(crate) fn headers(&self) -> Vec<(String, String)> {
        self.shared.taken.lock().unwrap().headers.clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        let taken = self.shared.taken.lock().unwrap();
        let resources = taken.traces.iter().flat_map(|request| &request.resource_spans);
        let mut spans = Vec::new();
        for resource in resources {
            let about = resource.resource.as_ref().map(|r| attributes(&r.attributes));
            for scope in &resource.scope_spans {
                let name = scope.scope.as_ref().map(|s| s.name.clone()).unwrap_or_default();
                spans.extend(scope.spans.iter().map(|span| {
                    Span {
                        trace: hex(&span.trace_id),
                        id: hex(&span.span_id),
                        parent: hex(&span.parent_span_id),
                        name: span.name.clone(),
                        kind: span.kind,
                        status: span.status.as_ref().map_or(0, |status| status.code),
                        start: span.start_time_unix_nano,
                        end: span.end_time_unix_nano,
                        state: span.trace_state.clone(),
                        links: span
                            .links
                            .iter()
                            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                            .collect(),
                        attributes: attributes(&span.attributes),
                        resource: about.clone().unwrap_or_default(),
                        scope: name.clone(),
                    }
                }));
            }
        }
        spans
    }

    /// Waits for a span that `wanted` likes.
    pub(crate) async fn span(&self, what: &str, wanted: impl Fn(&Span) -> bool) -> Span {
        until(&format!("the span {what}"), || self.spans().into_iter().find(&wanted)).await
    }

    /// Waits until so many spans have come.
    pub(crate) async fn first_spans(&self, count: usize) -> Vec<Span> {
        until(&format!("{count} spans"), || Some(self.spans()).filter(|spans| spans.len() >= count))
            .await
    }

    /// The points of the newest export that holds the metric, oldest export first.
    pub(crate) fn points(&self, name: &str) -> Vec<Point> {
        let taken = self.shared.taken.lock().unwrap();
        let requests = taken.metrics.iter().rev();
        requests
            .map(|request| points(request, name))
            .find(|points| !points.is_empty())
            .unwrap_or_default()
    }

    /// Of each point of a sum or a distribution that ever came: its metric, when it began and when it
    /// was told, in nanoseconds since 1970.
    pub(crate) fn intervals(&self) -> Vec<(String, u64, u64)> {
        let taken = self.shared.taken.lock().unwrap();
        let resources = taken.metrics.iter().flat_map(|request| &request.resource_metrics);
        let scopes = resources.flat_map(|resource| &resource.scope_metrics);
        let mut all = Vec::new();
        for metric in scopes.flat_map(|scope| &scope.metrics) {
            let mut add = |since, now| all.push((metric.name.clone(), since, now));
            match &metric.data {
                Some(metric::Data::Sum(sum)) => sum
                    .data_points
                    .iter()
                    .for_each(|point| add(point.start_time_unix_nano, point.time_unix_nano)),
                Some(metric::Data::Histogram(histogram)) => histogram
                    .data_points
                    .iter()
                    .for_each(|point| add(point.start_time_unix_nano, point.time_unix_nano)),
                Some(metric::Data::ExponentialHistogram(histogram)) => histogram
                    .data_points
                    .iter()
                    .for_each(|point| add(point.start_time_unix_nano, point.time_unix_nano)),
                _ => {}
            }
        }
        all
    }

    /// The trace ids that exemplars of a metric ever led to: each export tells only the new ones.
    pub(crate) fn exemplars(&self, name: &str) -> Vec<String> {
        let taken = self.shared.taken.lock().unwrap();
        let points = taken.metrics.iter().flat_map(|request| points(request, name));
        points.flat_map(|point| point.exemplars).collect()
    }

    /// The names of every metric that ever came.
    pub(crate) fn metric_names(&self) -> Vec<String> {
        let taken = self.shared.taken.lock().unwrap();
        let metrics = taken.metrics.iter().flat_map(|request| &request.resource_metrics);
        let metrics = metrics.flat_map(|resource| &resource.scope_metrics);
        let mut names: Vec<String> =
            metrics.flat_map(|scope| &scope.metrics).map(|metric| metric.name.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    pub(crate) fn logs(&self) -> Vec<Log> {
        let taken = self.shared.taken.lock().unwrap();
        let resources = taken.logs.iter().flat_map(|request| &request.resource_logs);
        let records =
            resources.flat_map(|resource| &resource.scope_logs).flat_map(|s| &s.log_records);
        records
            .map(|record| Log {
                event: record.event_name.clone(),
                trace: hex(&record.trace_id),
                span: hex(&record.span_id),
                attributes: attributes(&record.attributes),
            })
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tasks.spawn(async move {
            let service = service_fn(|request| answer(request, shared.clone()));
            let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
        while tasks.try_join_next().is_some() {}
    }
}

async fn answer(
    request: Request<Incoming>,
    shared: Arc<Shared>,
) -> Result<Response<tonic::body::Body>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let path = head.uri.path().to_owned();
    let grpc = head.headers.get("content-type").is_some_and(|t| t == "application/grpc");
    {
        let mut taken = shared.taken.lock().unwrap();
        taken.raw.push(body.clone());
        taken.paths.push(path.clone());
        taken.headers.extend(head.headers.iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into())
        }));
    }
    let mood = *shared.mood.lock().unwrap();
    if mood == Mood::Hang {
        std::future::pending::<()>().await;
    }
    let taker = Taker { shared, mood };
    if grpc {
        let request = Request::from_parts(head, Full::new(body));
        return Ok(grpc_answer(&path, request, taker).await);
    }
    let zipped = head.headers.get("content-encoding").is_some_and(|coding| coding == "gzip");
    Ok(http_answer(&path, if zipped { gunzip(&body) } else { body }, &taker))
}

async fn grpc_answer(
    path: &str,
    request: Request<Full<Bytes>>,
    taker: Taker,
) -> Response<tonic::body::Body> {
    let gzip = CompressionEncoding::Gzip;
    let zstd = CompressionEncoding::Zstd;
    let answer = if path.contains(".TraceService/") {
        let server = TraceServiceServer::new(taker).accept_compressed(gzip);
        server.accept_compressed(zstd).call(request).await
    } else if path.contains(".MetricsService/") {
        let server = MetricsServiceServer::new(taker).accept_compressed(gzip);
        server.accept_compressed(zstd).call(request).await
    } else {
        let server = LogsServiceServer::new(taker).accept_compressed(gzip);
        server.accept_compressed(zstd).call(request).await
    };
    answer.unwrap_or_else(|never| match never {})
}

fn http_answer(path: &str, body: Bytes, taker: &Taker) -> Response<tonic::body::Body> {
    let answer = match path {
        "/v1/traces" => ExportTraceServiceRequest::decode(body)
            .map(|request| taker.traces(request).map(|answer| answer.encode_to_vec())),
        "/v1/metrics" => ExportMetricsServiceRequest::decode(body)
            .map(|request| taker.metrics(request).map(|answer| answer.encode_to_vec())),
        "/v1/logs" => ExportLogsServiceRequest::decode(body)
            .map(|request| taker.logs(request).map(|answer| answer.encode_to_vec())),
        _ => Ok(Err(404)),
    };
    let (status, body) = match answer {
        Ok(Ok(body)) => (200, body),
        Ok(Err(status)) => (status, Vec::new()),
        Err(_) => (400, Vec::new()),
    };
    let mut response = Response::new(tonic::body::Body::new(Full::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert("content-type", "application/x-protobuf".parse().unwrap());
    response
}

/// Takes one request, or refuses it with an HTTP status.
struct Taker {
    shared: Arc<Shared>,
    mood: Mood,
}

impl Taker {
    fn traces(
        &self,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, u16> {
        if let Mood::Refuse(status) = self.mood {
            return Err(status);
        }
        self.shared.taken.lock().unwrap().traces.push(request);
        let Mood::RejectSpans(rejected_spans) = self.mood else {
            return Ok(ExportTraceServiceResponse::default());
        };
        let error_message = "rejected by the rig".to_owned();
        let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
        Ok(ExportTraceServiceResponse { partial_success })
    }

    fn metrics(
        &self,
        request: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, u16> {
        if let Mood::Refuse(status) = self.mood {
            return Err(status);
        }
        self.shared.taken.lock().unwrap().metrics.push(request);
        Ok(ExportMetricsServiceResponse::default())
    }

    fn logs(&self, request: ExportLogsServiceRequest) -> Result<ExportLogsServiceResponse, u16> {
        if let Mood::Refuse(status) = self.mood {
            return Err(status);
        }
        self.shared.taken.lock().unwrap().logs.push(request);
        Ok(ExportLogsServiceResponse::default())
    }
}

fn refused(status: u16) -> tonic::Status {
    match status {
        400 => tonic::Status::invalid_argument("refused by the rig"),
        401 => tonic::Status::unauthenticated("refused by the rig"),
        _ => tonic::Status::unavailable("refused by the rig"),
    }
}

#[tonic::async_trait]
impl TraceService for Taker {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.traces(request.into_inner()).map(tonic::Response::new).map_err(refused)
    }
}

#[tonic::async_trait]
impl MetricsService for Taker {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        self.metrics(request.into_inner()).map(tonic::Response::new).map_err(refused)
    }
}

#[tonic::async_trait]
impl LogsService for Taker {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        self.logs(request.into_inner()).map(tonic::Response::new).map_err(refused)
    }
}

fn gunzip(body: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
    plain.into()
}

fn points(request: &ExportMetricsServiceRequest, name: &str) -> Vec<Point> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics).filter(|metric| metric.name == name);
    let mut points = Vec::new();
    for metric in metrics {
        let blank = Point {
            unit: metric.unit.clone(),
            instrument: "sum",
            attributes: Attributes::new(),
            value: 0.0,
            count: 0,
            exemplars: Vec::new(),
        };
        let number = |point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint,
                      instrument| Point {
            instrument,
            attributes: attributes(&point.attributes),
            value: match point.value {
                Some(number_data_point::Value::AsDouble(value)) => value,
                Some(number_data_point::Value::AsInt(value)) => value as f64,
                None => 0.0,
            },
            exemplars: point.exemplars.iter().map(|e| hex(&e.trace_id)).collect(),
            ..blank.clone()
        };
        match &metric.data {
            Some(metric::Data::Sum(sum)) => {
                points.extend(sum.data_points.iter().map(|point| number(point, "sum")));
            }
            Some(metric::Data::Gauge(gauge)) => {
                points.extend(gauge.data_points.iter().map(|point| number(point, "gauge")));
            }
            Some(metric::Data::Histogram(histogram)) => {
                points.extend(histogram.data_points.iter().map(|point| Point {
                    instrument: "histogram",
                    attributes: attributes(&point.attributes),
                    value: point.sum.unwrap_or(0.0),
                    count: point.count,
                    exemplars: point.exemplars.iter().map(|e| hex(&e.trace_id)).collect(),
                    ..blank.clone()
                }));
            }
            Some(metric::Data::ExponentialHistogram(histogram)) => {
                points.extend(histogram.data_points.iter().map(|point| Point {
                    instrument: "exponential",
                    attributes: attributes(&point.attributes),
                    value: point.sum.unwrap_or(0.0),
                    count: point.count,
                    exemplars: point.exemplars.iter().map(|e| hex(&e.trace_id)).collect(),
                    ..blank.clone()
                }));
            }
            Some(metric::Data::Summary(_)) | None => {}
        }
    }
    points
}

fn attributes(pairs: &[KeyValue]) -> Attributes {
    pairs.iter().map(|pair| (pair.key.clone(), plain(pair.value.as_ref()))).collect()
}

fn plain(value: Option<&AnyValue>) -> Value {
    use any_value::Value as Any;
    match value.and_then(|value| value.value.as_ref()) {
        None => Value::Null,
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::BoolValue(value)) => json!(value),
        Some(Any::IntValue(value)) => json!(value),
        Some(Any::DoubleValue(value)) => json!(value),
        Some(Any::ArrayValue(array)) => array.values.iter().map(|v| plain(Some(v))).collect(),
        Some(Any::KvlistValue(list)) => json!(attributes(&list.values)),
        Some(Any::BytesValue(bytes)) => json!(hex(bytes)),
        Some(_) => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
