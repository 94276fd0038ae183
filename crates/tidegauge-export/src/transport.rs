//! One export request to a receiver, over HTTP or gRPC, and its answer.
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
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, TE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse as Response;
use prost::Message;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tidegauge_core::Signal;
use tonic::{Code, Status};

use crate::answer::{
    Answer, AnswerStatus, FailureReason, Received, error_text, judge_body, judge_grpc, judge_http,
    partial_text, rejected, shown,
};

/// Most of an answer that is read.
const ANSWER: usize = 4 << 20;
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
    /// Host and port of the receiver, for our own log: no path, no query, no credentials.
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
    /// Zstandard; not every receiver takes it.
    Zstd,
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
    /// Whether the receiver's own words are read, for somebody who tries a configuration.
    trial: bool,
}

impl Transport {
    /// Sets the connections up without opening one.
    pub(crate) fn new(signal: Signal, target: Target) -> Result<Self, TlsError> {
        let tls = tls(&target)?;
        let client = |protocol| client(protocol, tls.clone(), target.timeout);
        let (http, grpc) = (client(Protocol::HttpProtobuf), client(Protocol::Grpc));
        Ok(Self { http, grpc, target, found: OnceLock::new(), signal, trial: false })
    }

    /// The same, but that the receiver's own words are read.
    pub(crate) fn for_trial(signal: Signal, target: Target) -> Result<Self, TlsError> {
        Ok(Self { trial: true, ..Self::new(signal, target)? })
    }

    /// The signal that is sent.
    pub(crate) fn signal(&self) -> Signal {
        self.signal
    }

    /// The protocol that is spoken; `None` while it is to be found.
    pub(crate) fn protocol(&self) -> Option<Protocol> {
        self.target.protocol.or_else(|| self.found.get().copied())
    }

    /// Sends one encoded request.
    pub(crate) async fn send(&self, request: Bytes) -> Answer {
        self.receive(request).await.answer
    }

    /// The same, with what the answer was read from.
    pub(crate) async fn receive(&self, request: Bytes) -> Received {
        match self.protocol() {
            Some(protocol) => self.send_by(protocol, request).await,
            None => self.find_protocol(request).await,
        }
    }

    async fn send_by(&self, protocol: Protocol, request: Bytes) -> Received {
        let sent = async {
            match protocol {
                Protocol::Grpc => self.grpc(request).await,
                Protocol::HttpProtobuf => self.http(request).await,
            }
        };
        let late = Answer::Retry { after: None, why: FailureReason::Timeout };
        tokio::time::timeout(self.target.timeout, sent).await.unwrap_or(late.into())
    }

    /// Sends by HTTP, and by gRPC where no receiver of OTLP answers. What a receiver answers to is
    /// kept; where neither is answered both are tried again next time.
    async fn find_protocol(&self, request: Bytes) -> Received {
        let over_http = self.send_by(Protocol::HttpProtobuf, request.clone()).await;
        if over_http.answer.is_otlp() {
            let _ = self.found.set(Protocol::HttpProtobuf);
            return over_http;
        }
        // A server that speaks gRPC alone ends such a connection at once.
        if matches!(over_http.answer, Answer::Retry { why: FailureReason::Timeout, .. }) {
            return over_http;
        }
        let over_grpc = self.send_by(Protocol::Grpc, request).await;
        if over_grpc.answer.is_otlp() {
            let _ = self.found.set(Protocol::Grpc);
            return over_grpc;
        }
        over_http
    }

    /// One unary call, by the protocol of gRPC over HTTP/2. The message is sent as it lies in memory.
    async fn grpc(&self, message: Bytes) -> Received {
        let request = match self.grpc_request(message) {
            Ok(request) => request,
            Err(answer) => return answer.into(),
        };
        let broken = Answer::Retry { after: None, why: FailureReason::Connection };
        let Ok(response) = self.grpc.request(request).await else { return broken.into() };
        let status = response.status();
        if !status.is_success() {
            let answer = judge_http(status, response.headers());
            let status = Some(AnswerStatus::Http(status));
            return Received { answer, status, message: String::new() };
        }
        // A call that fails at once may say so in the head.
        let at_once = Status::from_header_map(response.headers());
        let body = Limited::new(response.into_body(), ANSWER).collect().await.ok();
        let trailers = body.as_ref().and_then(Collected::trailers);
        let Some(status) = at_once.or_else(|| Status::from_header_map(trailers?)) else {
            // Cut off by something on the way: nobody has acknowledged it.
            return broken.into();
        };
        let answer = if status.code() == Code::Ok {
            let mut answer = body.map(Collected::to_bytes).unwrap_or_default();
            answer.advance(PREFIX.min(answer.len()));
            // An answer that cannot be read is still an acknowledgement.
            Answer::Delivered { rejected: Response::decode(answer).map_or(0, rejected) }
        } else {
            judge_grpc(&status)
        };
        let message = if self.trial { shown(status.message()) } else { String::new() };
        Received { answer, status: Some(AnswerStatus::Grpc(status.code())), message }
    }

    /// The request of a call, or why there is none.
    fn grpc_request(&self, message: Bytes) -> Result<Request<Body>, Answer> {
        let wrong = Answer::Refused(FailureReason::Grpc(Code::Internal));
        let (encoding, message) = self.encoded(message).ok_or(wrong)?;
        let prefix = prefix(encoding.is_some(), message.len()).ok_or(Answer::TooLarge)?;
        let mut request = self.request(prefix, message, "application/grpc");
        if let Some(encoding) = encoding {
            request.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static(encoding));
        }
        request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));
        *request.uri_mut() = of_service(&self.target.endpoint, self.signal).ok_or(wrong)?;
        Ok(request)
    }

    async fn http(&self, message: Bytes) -> Received {
        let Some((encoding, message)) = self.encoded(message) else {
            return Answer::Refused(FailureReason::Http(StatusCode::BAD_REQUEST)).into();
        };
        let mut request = self.request(Bytes::new(), message, "application/x-protobuf");
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(encoding) = encoding {
            request.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let broken = Answer::Retry { after: None, why: FailureReason::Connection };
        let Ok(response) = self.http.request(request).await else { return broken.into() };
        let (head, body) = response.into_parts();
        let status = Some(AnswerStatus::Http(head.status));
        if !head.status.is_success() {
            let answer = judge_http(head.status, &head.headers);
            // What went wrong is only read where somebody looks at it.
            let message = if self.trial { words(body).await } else { String::new() };
            return Received { answer, status, message };
        }
        let kind = head.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let kind = kind.unwrap_or_default().to_ascii_lowercase();
        // An answer that breaks off is still an acknowledgement.
        let body = Limited::new(body, ANSWER).collect().await.map(Collected::to_bytes);
        let body = body.unwrap_or_default();
        let message = if self.trial { partial_text(&kind, &body) } else { String::new() };
        Received { answer: judge_body(&kind, body), status, message }
    }

    /// The part of a request that both protocols have.
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

    /// Host and port of the receiver.
    pub(crate) fn place(&self) -> String {
        self.target.place()
    }
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

/// The receiver's own words in a body that is an error, as far as 4 KiB tell.
async fn words(body: Incoming) -> String {
    let body = Limited::new(body, 4 << 10).collect().await.map(Collected::to_bytes);
    body.map(|body| error_text(&body)).unwrap_or_default()
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

/// Whether a receiver can be trusted by these PEM certificates and shown this identity. Opens no
/// connection.
///
/// # Errors
/// What is wrong with either.
pub fn can_use_tls(ca: Option<&[u8]>, identity: Option<&Identity>) -> Result<(), TlsError> {
    tls_with(RootCertStore::empty(), ca, identity).map(drop)
}

/// Trusts the platform's and Mozilla's roots and the configured ones.
fn tls(target: &Target) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    if target.endpoint.scheme_str() == Some("https") {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    tls_with(roots, target.ca.as_deref(), target.identity.as_ref())
}

fn tls_with(
    mut roots: RootCertStore,
    ca: Option<&[u8]>,
    identity: Option<&Identity>,
) -> Result<ClientConfig, TlsError> {
    for certificate in certificates(ca.unwrap_or_default())? {
        roots.add(certificate).map_err(|_| TlsError::Certificates)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsError::Setup)?
        .with_root_certificates(roots);
    let Some(identity) = identity else { return Ok(builder.with_no_client_auth()) };
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
