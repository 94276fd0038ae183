//! One export request to a collector and what the collector makes of it.
//!
//! gRPC and HTTP share one kind of connection and one meaning of an answer. Follows no redirect
//! (headers may hold keys), reads at most 4 MiB of an answer and never repeats its text. Knows no
//! queue.

use std::fmt;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, TE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse as Response;
use prost::Message;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tidegauge_core::Signal;
use tonic::{Code, Status};

/// Most of an answer that is read.
const ANSWER: usize = 4 << 20;
/// Longest time that a collector can make us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long the [`prefix`] of a message is.
const PREFIX: usize = 5;
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tidegauge-otlp/", env!("CARGO_PKG_VERSION")));

/// Where one signal goes.
#[derive(Clone, Debug)]
pub struct Target {
    /// The protocol; `None`: found by trying, and kept.
    pub protocol: Option<Protocol>,
    /// The full URL for HTTP. For gRPC its origin is used.
    pub endpoint: Uri,
    /// Sent with every export. The values are marked sensitive, so they do not show in debug output.
    pub headers: HeaderMap,
    /// How bodies are compressed.
    pub compression: Option<Compression>,
    /// How long one export may take.
    pub timeout: Duration,
    /// PEM certificates trusted besides the platform's.
    pub ca: Option<Arc<[u8]>>,
    /// PEM certificate chain and key that we show.
    pub identity: Option<Identity>,
}

impl Target {
    /// Where it is, for our own log: no path, no query, no credentials.
    pub fn place(&self) -> String {
        self.endpoint.authority().map(ToString::to_string).unwrap_or_default()
    }
}

/// A client certificate. Its debug output is empty.
#[derive(Clone)]
pub struct Identity {
    /// PEM certificate chain.
    pub chain: Arc<[u8]>,
    /// PEM private key.
    pub key: Arc<[u8]>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// An OTLP transport. `http/json` is not offered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Protobuf over HTTP.
    HttpProtobuf,
}

impl Protocol {
    /// Its name, as it is typed and logged.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        }
    }

    /// The protocol of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [Self::Grpc, Self::HttpProtobuf].into_iter().find(|protocol| protocol.name() == name)
    }
}

/// How bodies are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Compression {
    /// gzip.
    Gzip,
    /// Zstandard; not every collector takes it.
    Zstd,
}

/// A connection pool for one protocol.
fn client(protocol: Protocol, tls: ClientConfig, timeout: Duration) -> HttpClient {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_connect_timeout(Some(timeout));
    let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    let grpc = protocol == Protocol::Grpc;
    let connector = if grpc {
        builder.enable_http2().wrap_connector(http)
    } else {
        builder.enable_http1().wrap_connector(http)
    };
    // A receiver that vanished without closing is noticed by pings, not by the kernel's timers.
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_max_idle_per_host(1)
        .http2_only(grpc)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .build(connector)
}

/// What became of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Taken, but for so many units.
    Delivered {
        /// Units the collector refused.
        rejected: u64,
    },
    /// May work later; the collector may say when.
    Retry {
        /// Not before this has passed.
        after: Option<Duration>,
        /// For our own log.
        why: Why,
    },
    /// Will never work.
    Refused(Why),
    /// May work with less in it.
    TooLarge,
}

impl Answer {
    /// Whether a receiver of OTLP gave it, as far as can be told.
    fn is_otlp(self) -> bool {
        match self {
            Self::Delivered { .. } | Self::TooLarge => true,
            Self::Retry { why, .. } | Self::Refused(why) => match why {
                Why::Grpc(code) => !matches!(code, Code::Unimplemented | Code::Unknown),
                // A receiver that is too busy, or wants other credentials, speaks the protocol.
                Why::Http(status) => matches!(status.as_u16(), 401 | 403 | 429 | 503),
                Why::Timeout | Why::Connection | Why::WebPage | Why::NotOtlp => false,
            },
        }
    }
}

/// Why a request failed: words of ours and codes, never text of the collector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Why {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// No connection, or it broke.
    #[error("no connection")]
    Connection,
    /// An HTTP status.
    #[error("HTTP status {0}")]
    Http(StatusCode),
    /// A gRPC status.
    #[error("gRPC status {0:?}")]
    Grpc(Code),
    /// A web page: something else than a receiver answers there.
    #[error("it answers with a web page")]
    WebPage,
    /// An answer in protobuf that is none of OTLP.
    #[error("its answer is not OTLP")]
    NotOtlp,
}

/// TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A certificate of the configuration cannot be trusted as it is.
    #[error("the configured certificates cannot be used")]
    Certificates,
    /// The client certificate and its key do not fit.
    #[error("the configured client certificate and key cannot be used")]
    Identity,
    /// The library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Setup,
}

/// What goes before a message, and the message.
type Body = Full<Chain<Bytes, Bytes>>;
type HttpClient = Client<HttpsConnector<HttpConnector>, Body>;

/// A receiver, for one signal. Connects on first use and again when needed.
#[derive(Debug)]
pub(crate) struct Transport {
    /// For OTLP over HTTP.
    http: HttpClient,
    /// For gRPC.
    grpc: HttpClient,
    target: Target,
    /// The protocol that worked, where none was set.
    found: OnceLock<Protocol>,
    signal: Signal,
}

impl Transport {
    /// Sets the connections up without opening one.
    pub(crate) fn new(signal: Signal, target: Target) -> Result<Self, TlsError> {
        let tls = tls(&target)?;
        let client = |protocol| client(protocol, tls.clone(), target.timeout);
        let (http, grpc) = (client(Protocol::HttpProtobuf), client(Protocol::Grpc));
        Ok(Self { http, grpc, target, found: OnceLock::new(), signal })
    }

    /// The protocol that is spoken; `None` while it is to be found.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.target.protocol.or_else(|| self.found.get().copied())
    }

    /// Sends one encoded request.
    pub(crate) async fn send(&self, request: Bytes) -> Answer {
        match self.protocol() {
            Some(protocol) => self.send_by(protocol, request).await,
            None => self.find_protocol(request).await,
        }
    }

    async fn send_by(&self, protocol: Protocol, request: Bytes) -> Answer {
        let sent = async {
            match protocol {
                Protocol::Grpc => self.grpc(request).await,
                Protocol::HttpProtobuf => self.http(request).await,
            }
        };
        let late = Answer::Retry { after: None, why: Why::Timeout };
        tokio::time::timeout(self.target.timeout, sent).await.unwrap_or(late)
    }

    /// Sends by HTTP, and by gRPC where no receiver of OTLP answers. What a receiver answers to is
    /// kept; where neither is answered both are tried again next time.
    async fn find_protocol(&self, request: Bytes) -> Answer {
        let over_http = self.send_by(Protocol::HttpProtobuf, request.clone()).await;
        if over_http.is_otlp() {
            let _ = self.found.set(Protocol::HttpProtobuf);
            return over_http;
        }
        // A server that speaks gRPC alone ends such a connection at once.
        if matches!(over_http, Answer::Retry { why: Why::Timeout, .. }) {
            return over_http;
        }
        let over_grpc = self.send_by(Protocol::Grpc, request).await;
        if over_grpc.is_otlp() {
            let _ = self.found.set(Protocol::Grpc);
            return over_grpc;
        }
        over_http
    }

    /// One unary call, by the protocol of gRPC over HTTP/2. The message is sent as it lies in memory.
    async fn grpc(&self, message: Bytes) -> Answer {
        let Some((encoding, message)) = self.encoded(message) else {
            return Answer::Refused(Why::Grpc(Code::Internal));
        };
        let Some(prefix) = prefix(encoding.is_some(), message.len()) else {
            return Answer::TooLarge;
        };
        let mut request = self.request(prefix, message, "application/grpc");
        if let Some(encoding) = encoding {
            request.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static(encoding));
        }
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        let Some(uri) = of_service(&self.target.endpoint, self.signal) else {
            return Answer::Refused(Why::Grpc(Code::Internal));
        };
        *request.uri_mut() = uri;
        let broken = Answer::Retry { after: None, why: Why::Connection };
        let Ok(response) = self.grpc.request(request).await else { return broken };
        let status = response.status();
        if !status.is_success() {
            return judge_http(status, response.headers());
        }
        // A call that fails at once may say so in the head.
        let told = Status::from_header_map(response.headers());
        let Ok(body) = Limited::new(response.into_body(), ANSWER).collect().await else {
            return told.map_or(broken, |status| judge_grpc(&status));
        };
        let told = told.or_else(|| Status::from_header_map(body.trailers()?));
        match told {
            Some(status) if status.code() == Code::Ok => {
                // An answer that cannot be read is still an acknowledgement.
                let mut answer = body.to_bytes();
                answer.advance(PREFIX.min(answer.len()));
                Answer::Delivered { rejected: Response::decode(answer).map_or(0, rejected) }
            }
            Some(status) => judge_grpc(&status),
            // Cut off by something on the way: nobody has acknowledged it.
            None => broken,
        }
    }

    async fn http(&self, message: Bytes) -> Answer {
        let Some((encoding, message)) = self.encoded(message) else {
            return Answer::Refused(Why::Http(StatusCode::BAD_REQUEST));
        };
        let mut request = self.request(Bytes::new(), message, "application/x-protobuf");
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(encoding) = encoding {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let broken = Answer::Retry { after: None, why: Why::Connection };
        let Ok(response) = self.http.request(request).await else { return broken };
        let status = response.status();
        if !status.is_success() {
            return judge_http(status, response.headers());
        }
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        // An answer that breaks off is still an acknowledgement.
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        body.map_or(Answer::Delivered { rejected: 0 }, |body| judge_body(&kind, body.to_bytes()))
    }

    /// What both protocols ask with.
    fn request(&self, prefix: Bytes, message: Bytes, kind: &'static str) -> Request<Body> {
        let mut request = Request::new(Full::new(prefix.chain(message)));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.endpoint.clone();
        let headers = request.headers_mut();
        *headers = self.target.headers.clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(USER_AGENT, AGENT);
        request
    }

    /// A message in its coding, and the name of that.
    fn encoded(&self, message: Bytes) -> Option<(Option<&'static str>, Bytes)> {
        Some(match self.target.compression {
            None => (None, message),
            Some(Compression::Gzip) => (Some("gzip"), gzip(&message)?),
            Some(Compression::Zstd) => (Some("zstd"), zstd(&message)?),
        })
    }

    /// Where it goes, for our own log.
    pub(crate) fn place(&self) -> String {
        self.target.place()
    }
}

/// What stands before a message in gRPC: whether it is compressed, and its length. `None` if that is
/// too long to be told.
fn prefix(compressed: bool, length: usize) -> Option<Bytes> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some(Bytes::copy_from_slice(&[u8::from(compressed), a, b, c, d]))
}

/// The URL of a service: at the endpoint's origin, for gRPC has no other path.
fn of_service(endpoint: &Uri, signal: Signal) -> Option<Uri> {
    let mut parts = endpoint.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_static(match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }));
    Uri::from_parts(parts).ok()
}

/// Trusts the platform's and Mozilla's roots and the configured ones.
fn tls(target: &Target) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    if target.endpoint.scheme_str() == Some("https") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    for certificate in certificates(target.ca.as_deref().unwrap_or_default())? {
        roots.add(certificate).map_err(|_| TlsError::Certificates)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsError::Setup)?
        .with_root_certificates(roots);
    let Some(identity) = &target.identity else { return Ok(builder.with_no_client_auth()) };
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| TlsError::Identity)?;
    let chain = certificates(&identity.chain)?;
    builder.with_client_auth_cert(chain, key).map_err(|_| TlsError::Identity)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read: Result<_, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.map_err(|_| TlsError::Certificates)
}

fn gzip(message: &[u8]) -> Option<Bytes> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(message).ok()?;
    encoder.finish().ok().map(Into::into)
}

fn zstd(message: &[u8]) -> Option<Bytes> {
    zstd::bulk::compress(message, 3).ok().map(Into::into)
}

/// Units that a receiver says it did not take. The three signals answer in the same shape.
fn rejected(answer: Response) -> u64 {
    let partial = answer.partial_success;
    partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
}

/// What a body behind a good status says. An empty one, or one of another kind, is an acknowledgement;
/// a web page comes from something that is no receiver (a login page, a wrong port).
fn judge_body(kind: &str, body: Bytes) -> Answer {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        _ if body.is_empty() => Answer::Delivered { rejected: 0 },
        "text/html" | "application/xhtml+xml" => Answer::Refused(Why::WebPage),
        "application/x-protobuf" | "application/protobuf" => match Response::decode(body) {
            Ok(answer) => Answer::Delivered { rejected: rejected(answer) },
            Err(_) => Answer::Refused(Why::NotOtlp),
        },
        "application/json" => Answer::Delivered { rejected: rejected_json(&body) },
        _ if is_page(&body) => Answer::Refused(Why::WebPage),
        // A receiver that does not name its answer's type still may send protobuf.
        "" => Answer::Delivered { rejected: Response::decode(body).map_or(0, rejected) },
        _ => Answer::Delivered { rejected: 0 },
    }
}

/// Whether a body begins as HTML does.
fn is_page(body: &[u8]) -> bool {
    let begin = body.trim_ascii_start();
    ["<!doctype html", "<html"].iter().any(|head| {
        begin.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head.as_bytes()))
    })
}

/// The same count in an answer in JSON, where 64-bit numbers are texts (OTLP, "JSON Protobuf
/// Encoding").
fn rejected_json(body: &[u8]) -> u64 {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let partial = answer.get("partialSuccess").or(answer.get("partial_success"));
    let Some(partial) = partial.and_then(serde_json::Value::as_object) else { return 0 };
    let counts = partial.iter().filter(|(name, _)| name.starts_with("rejected"));
    let number = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.parse().ok(),
        other => other.as_u64(),
    };
    counts.filter_map(|(_, value)| number(value)).max().unwrap_or(0)
}

/// Only four statuses may be tried again (OTLP, "Retryable Response Codes").
fn judge_http(status: StatusCode, headers: &HeaderMap) -> Answer {
    let why = Why::Http(status);
    match status.as_u16() {
        429 | 502 | 503 | 504 => {
            let after =
                headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let after = after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
            Answer::Retry { after, why }
        }
        413 => Answer::TooLarge,
        _ => Answer::Refused(why),
    }
}

/// OTLP, "Failures": which codes may be tried again.
fn judge_grpc(status: &Status) -> Answer {
    let why = Why::Grpc(status.code());
    let after = retry_delay(status.details());
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if says_too_large(status.message()) => {
            Answer::TooLarge
        }
        Code::ResourceExhausted if after.is_none() => Answer::Refused(why),
        Code::Unavailable
        | Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::DataLoss
        | Code::ResourceExhausted => Answer::Retry { after, why },
        _ => Answer::Refused(why),
    }
}

/// What servers say when a message is over their limit; there is no code of its own for it.
fn says_too_large(message: &str) -> bool {
    ["larger than max", "too large", "exceeds the limit", "exceeds max"]
        .iter()
        .any(|words| message.contains(words))
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, prost::Message)]
struct Details {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Detail>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, prost::Message)]
struct Detail {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The delay in a `RetryInfo`; zero when there is one without a delay.
fn retry_delay(details: &[u8]) -> Option<Duration> {
    let details = Details::decode(details).ok()?.details;
    let info = details.iter().find(|detail| detail.type_url.ends_with("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.delay.unwrap_or_default();
    let seconds = u64::try_from(delay.seconds).unwrap_or(0);
    let nanos = u32::try_from(delay.nanos).unwrap_or(0).min(999_999_999);
    Some(Duration::new(seconds, nanos).min(LONGEST_WAIT))
}
