//! TLS and HTTP/2, on either side.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tidegauge_core::{End, Failure, Upstream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::fixture::{LONG, Rig, config, read_request, read_to_end, scripted, status};
use crate::Identity;

/// A private authority.
pub(super) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    pub(super) fn issue(&self, name: &str, expired: bool) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: certificate.pem().into(), key: key.serialize_pem().into() }
    }

    fn roots(&self) -> rustls::RootCertStore {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        roots
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(super) fn acceptor(
    identity: &Identity,
    protocols: &[&str],
    clients: Option<&Authority>,
) -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(&identity.chain).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(&identity.key).unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => builder.with_client_cert_verifier(
            rustls::server::WebPkiClientVerifier::builder_with_provider(
                authority.roots().into(),
                provider(),
            )
            .build()
            .unwrap(),
        ),
    };
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

type Body = BoxBody<Bytes, Infallible>;

/// Sends the body back in pieces and, where that is possible, trailers.
async fn echo(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let version = format!("{:?}", request.version());
    let via = request.headers().get("via").cloned();
    let authority = request.uri().authority().map(|authority| authority.to_string());
    let te = request.headers().contains_key("te");
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let mut frames: Vec<Result<Frame<Bytes>, Infallible>> =
        body.chunks(10_000).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-trailer", "1".parse().unwrap());
    frames.push(Ok(Frame::trailers(trailers)));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let mut response = Response::new(BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert("x-version", version.parse().unwrap());
    headers.insert("x-te", te.to_string().parse().unwrap());
    if let (Some(via), Some(authority)) = (via, authority) {
        headers.insert("x-via", via);
        headers.insert("x-authority", authority.parse().unwrap());
    }
    Ok(response)
}

/// An upstream that speaks what was agreed.
async fn serve(tcp: TcpStream, acceptor: TlsAcceptor) {
    let Ok(tls) = acceptor.accept(tcp).await else { return };
    let auto = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    _ = auto.serve_connection(TokioIo::new(tls), service_fn(echo)).await;
}

async fn rig(
    acceptor: TlsAcceptor,
    config: crate::Config,
    adapt: impl FnOnce(&mut Upstream),
) -> Rig {
    let (addr, tasks) = scripted(move |tcp, _| serve(tcp, acceptor.clone())).await;
    before(addr, tasks, config, adapt).await
}

/// A proxy in front of what listens there, with TLS.
pub(super) async fn before(
    addr: std::net::SocketAddr,
    tasks: JoinSet<()>,
    config: crate::Config,
    adapt: impl FnOnce(&mut Upstream),
) -> Rig {
    let mut upstream = super::fixture::upstream(addr);
    Arc::make_mut(&mut upstream.origin).secure = true;
    Arc::make_mut(&mut upstream.origin).host = "localhost".into();
    adapt(&mut upstream);
    Rig::of(config, super::fixture::policy(vec![upstream]), tasks).await
}

pub(super) fn trusting(authority: &Authority) -> impl FnOnce(&mut Upstream) + use<> {
    let pem = authority.pem.clone().into_bytes();
    move |upstream| upstream.ca = Some(pem.into())
}

const POST: &[u8] =
    b"POST /up/chat HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";

/// F-04: only a certificate that holds is talked to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_have_to_hold() {
    let authority = Authority::new();
    let good = authority.issue("localhost", false);
    let cases = [
        ("good", good.clone(), true, None),
        ("expired", authority.issue("localhost", true), true, Some(Failure::TlsCertificate)),
        ("wrong name", authority.issue("elsewhere", false), true, Some(Failure::TlsCertificate)),
        ("unknown authority", good, false, Some(Failure::TlsCertificate)),
    ];
    for (name, identity, trusted, failure) in cases {
        for protocols in [&["h2", "http/1.1"][..], &["http/1.1"], &[]] {
            let trust = trusting(&authority);
            let rig = rig(acceptor(&identity, protocols, None), config(), |upstream| {
                upstream.http2 = true;
                if trusted {
                    trust(upstream);
                }
            })
            .await;
            let response = rig.raw(POST).await;
            let text = String::from_utf8_lossy(&response);
            let seen = rig.one().await;
            let exchange = seen.exchange();
            assert_eq!(exchange.failure, failure, "{name} {protocols:?}: {text}");
            if failure.is_some() {
                assert!(text.starts_with("HTTP/1.1 502 "), "{name}: {text}");
                assert!(text.contains("error=tls_certificate_error\r\n"), "{name}: {text}");
                continue;
            }
            let h2 = protocols.contains(&"h2");
            let version = if h2 { Version::HTTP_2 } else { Version::HTTP_11 };
            assert_eq!(status(&response), 200, "{text}");
            assert!(text.contains(&format!("x-version: {version:?}")), "{text}");
            assert!(text.contains("hello"), "{text}");
            assert_eq!(exchange.attempts[0].version, Some(version));
            assert_eq!(exchange.end, End::Complete);
            assert!(exchange.overhead.connect > Duration::ZERO);
        }
    }
}

/// F-04: what is not TLS, or breaks off in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_handshake_is_no_connection() {
    for text in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let (addr, tasks) = scripted(move |mut tcp, _| async move {
            _ = tcp.write_all(text.as_bytes()).await;
        })
        .await;
        let mut upstream = super::fixture::upstream(addr);
        Arc::make_mut(&mut upstream.origin).secure = true;
        let rig = Rig::of(config(), super::fixture::policy(vec![upstream]), tasks).await;
        let response = rig.raw(POST).await;
        let text = String::from_utf8_lossy(&response);
        assert!(text.contains("error=tls_protocol_error\r\n"), "{text}");
        assert_eq!(rig.one().await.exchange().failure, Some(Failure::TlsProtocol));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_identity_is_shown() {
    let authority = Authority::new();
    let acceptor = acceptor(&authority.issue("localhost", false), &["h2"], Some(&authority));
    for shown in [true, false] {
        let identity = authority.issue("us", false);
        let trust = trusting(&authority);
        let rig = rig(acceptor.clone(), config(), |upstream| {
            trust(upstream);
            upstream.http2 = true;
            if shown {
                upstream.client_identity = Some([identity.chain, identity.key].concat().into());
            }
        })
        .await;
        assert_eq!(status(&rig.raw(POST).await), if shown { 200 } else { 502 });
    }
}

/// HTTP/2 with prior knowledge, and by agreement over TLS: the same as HTTP/1.1 to both ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_may_speak_h2() {
    let authority = Authority::new();
    let identity = authority.issue("localhost", false);
    for (tls, protocols) in [(false, &["h2"][..]), (true, &["h2"]), (true, &["http/1.1"])] {
        let config = crate::Config { tls: tls.then(|| identity.clone()), ..config() };
        let trusting = trusting(&authority);
        let adapt = |upstream: &mut Upstream| {
            trusting(upstream);
            upstream.http2 = true;
        };
        let rig = rig(acceptor(&identity, protocols, None), config, adapt).await;
        let mut tasks = JoinSet::new();
        let (mut sender, connection) = {
            let tcp = TcpStream::connect(rig.addr).await.unwrap();
            let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
            let io: Box<dyn Io> = if tls {
                let mut config = rustls::ClientConfig::builder_with_provider(provider())
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(authority.roots())
                    .with_no_client_auth();
                config.alpn_protocols = vec![b"h2".to_vec()];
                let name = ServerName::try_from("localhost").unwrap();
                Box::new(TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap())
            } else {
                Box::new(tcp)
            };
            builder.handshake::<_, Full<Bytes>>(TokioIo::new(io)).await.unwrap()
        };
        tasks.spawn(async move { drop(connection.await) });
        let sent = Bytes::from(vec![b'x'; 300_000]);
        let mut answers = Vec::new();
        for _ in 0..20 {
            let request = Request::post("http://here/up/chat")
                .header("te", "trailers")
                .body(Full::new(sent.clone()))
                .unwrap();
            answers.push(sender.send_request(request));
        }
        // All at once: they share one connection and its window.
        let answers = answers.into_iter().map(|answer| async {
            let (head, body) = answer.await.unwrap().into_parts();
            (head, body.collect().await.unwrap())
        });
        let answers = futures_util::future::join_all(answers);
        for (head, got) in tokio::time::timeout(LONG, answers).await.expect("answers") {
            assert_eq!(head.status, 200);
            let h2 = protocols.contains(&"h2");
            let headers = head.headers;
            assert_eq!(headers["x-version"], if h2 { "HTTP/2.0" } else { "HTTP/1.1" });
            if h2 {
                let port = rig.policy.load().upstreams[0].origin.port;
                assert_eq!(headers["x-authority"], format!("localhost:{port}"));
                let via = headers["x-via"].to_str().unwrap();
                assert!(via.starts_with("2.0 tidegauge-"), "{via}");
                assert_eq!(headers["x-te"], "true");
            }
            // F-14: trailers survive from end to end where both speak HTTP/2.
            assert_eq!(got.trailers().is_some(), h2);
            assert!(got.to_bytes() == sent);
        }
        for seen in rig.seen(20).await {
            let exchange = seen.exchange();
            assert_eq!((exchange.end, exchange.version), (End::Complete, Version::HTTP_2));
            assert_eq!(exchange.host.as_deref(), Some("here"));
            assert_eq!(exchange.secure, tls);
            assert_eq!(seen.request.len(), sent.len());
        }
    }
}

trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Io for T {}

/// A cut upstream reaches an HTTP/2 client as a reset stream, and one that leaves cancels (F-09).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_h2_end_as_they_should() {
    let rig = Rig::new(|mut tcp, _| async move {
        let (head, _) = read_request(&mut tcp).await.unwrap();
        let start = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
        tcp.write_all(start).await.unwrap();
        if head.starts_with("GET /stay") {
            assert!(read_to_end(&mut tcp).await.is_empty());
        }
    })
    .await;
    let tcp = TcpStream::connect(rig.addr).await.unwrap();
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) =
        builder.handshake::<_, Full<Bytes>>(TokioIo::new(tcp)).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { drop(connection.await) });
    let get = |path: &str| {
        Request::get(format!("http://here/up/{path}")).body(Full::new(Bytes::new())).unwrap()
    };
    let cut = sender.send_request(get("cut")).await.unwrap();
    assert!(cut.into_body().collect().await.is_err());
    assert_eq!(rig.seen(1).await[0].exchange().failure, Some(Failure::StreamCut));
    let mut stay = sender.send_request(get("stay")).await.unwrap();
    assert_eq!(stay.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "hi");
    drop(stay);
    let seen = rig.seen(2).await;
    assert_eq!(seen[1].exchange().end, End::Cancelled);
    // The connection goes on.
    let again = sender.send_request(get("cut")).await.unwrap();
    assert_eq!(again.status(), 200);
}
