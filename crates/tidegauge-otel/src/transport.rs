//! One export request to a collector and what the collector makes of it.
//!
//! gRPC and HTTP share one kind of connection and one meaning of an answer. Follows no redirect
//! (headers may hold keys), reads at most 4 MiB of an answer and never repeats its text. Knows no
//! queue.

use std::io::Write as _;
use std::sync::Arc;
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
use tonic::{Code, Status};

use crate::config::{Compression, Protocol, Target};
use crate::queue::Signal;

/// Most of an answer that is read.
const ANSWER: usize = 4 << 20;
/// Longest time that a collector can make us wait.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// How long the [`prefix`] of a message is.
const PREFIX: usize = 5;
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("tidegauge-otlp/", env!("CARGO_PKG_VERSION")));

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

/// A collector, for one signal. Connects on first use and again when needed.
#[derive(Debug)]
pub(crate) struct Transport {
    client: HttpClient,
    target: Target,
    path: PathAndQuery,
}

impl Transport {
    /// Sets the connection up without opening it.
    pub(crate) fn new(signal: Signal, target: Target) -> Result<Self, TlsError> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(target.timeout));
        let builder = hyper_rustls::HttpsConnectorBuilder::new().with_tls_config(tls(&target)?);
        let builder = builder.https_or_http();
        let grpc = target.protocol == Protocol::Grpc;
        let connector = if grpc {
            builder.enable_http2().wrap_connector(http)
        } else {
            builder.enable_http1().wrap_connector(http)
        };
        // A collector that vanished without closing is noticed by pings, not by the kernel's timers.
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .http2_only(grpc)
            .http2_keep_alive_interval(Duration::from_secs(20))
            .http2_keep_alive_timeout(Duration::from_secs(10))
            .build(connector);
        Ok(Self { client, target, path: PathAndQuery::from_static(service(signal)) })
    }

    /// Sends one encoded request.
    pub(crate) async fn send(&self, request: Bytes) -> Answer {
        let sent = async {
            match self.target.protocol {
                Protocol::Grpc => self.grpc(request).await,
                Protocol::HttpProtobuf => self.http(request).await,
            }
        };
        let late = Answer::Retry { after: None, why: Why::Timeout };
        tokio::time::timeout(self.target.timeout, sent).await.unwrap_or(late)
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
        let Some(uri) = at(&self.target.endpoint, &self.path) else {
            return Answer::Refused(Why::Grpc(Code::Internal));
        };
        *request.uri_mut() = uri;
        let broken = Answer::Retry { after: None, why: Why::Connection };
        let Ok(response) = self.client.request(request).await else { return broken };
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
                Answer::Delivered { rejected: rejected(answer) }
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
        let Ok(response) = self.client.request(request).await else { return broken };
        let status = response.status();
        if !status.is_success() {
            return judge_http(status, response.headers());
        }
        // An answer that cannot be read is still an acknowledgement.
        let body = Limited::new(response.into_body(), ANSWER).collect().await;
        let rejected = body.map_or(0, |body| rejected(body.to_bytes()));
        Answer::Delivered { rejected }
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

    /// Where it goes, for our own log: no path, no query, no credentials.
    pub(crate) fn place(&self) -> String {
        self.target.endpoint.authority().map(ToString::to_string).unwrap_or_default()
    }
}

/// What stands before a message in gRPC: whether it is compressed, and its length. `None` if that is
/// too long to be told.
fn prefix(compressed: bool, length: usize) -> Option<Bytes> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some(Bytes::copy_from_slice(&[u8::from(compressed), a, b, c, d]))
}

/// A service at an endpoint, which may have a path of its own.
fn at(endpoint: &Uri, service: &PathAndQuery) -> Option<Uri> {
    let mut parts = endpoint.clone().into_parts();
    let before = endpoint.path().trim_end_matches('/');
    parts.path_and_query = Some(match before {
        "" => service.clone(),
        before => PathAndQuery::try_from(format!("{before}{service}")).ok()?,
    });
    Uri::from_parts(parts).ok()
}

fn service(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
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

/// Units that a collector says it did not take. The three signals answer in the same shape.
fn rejected(answer: Bytes) -> u64 {
    let partial = Response::decode(answer).ok().and_then(|answer| answer.partial_success);
    partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0))
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
