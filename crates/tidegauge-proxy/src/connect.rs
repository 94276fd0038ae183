//! Makes connections to one upstream: name, address, TLS, all within one time.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tidegauge_core::Failure;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use crate::alive;
use crate::descriptors;
use crate::link::Link;
use crate::multiplex::StreamLimit;
use crate::stream::Stream;

/// How long an address that once was good is used while its name does not resolve.
const STALE: Duration = Duration::from_secs(60);

/// Why there is no connection.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no connection to the upstream")]
pub(crate) struct NotConnected(pub(crate) Failure);

#[derive(Clone)]
pub(crate) struct Connector {
    tcp: HttpConnector<Resolver>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    within: Duration,
    /// Who wants to know what HTTP/2 connections say.
    limit: Option<Arc<StreamLimit>>,
}

impl Connector {
    pub(crate) fn new(tls: Option<(TlsConnector, ServerName<'static>)>, within: Duration) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::default());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        alive::watch_upstreams(&mut tcp);
        tcp.set_connect_timeout(Some(within));
        Self { tcp, tls, within, limit: None }
    }

    /// The same, for one connection at a time that tells how many streams it takes.
    pub(crate) fn telling(&self, limit: Arc<StreamLimit>) -> Self {
        Self { limit: Some(limit), ..self.clone() }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Link>;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Link>, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Self { mut tcp, tls, within, limit } = self.clone();
        Box::pin(async move {
            let connecting = async {
                let tcp = tcp.call(to).await.map_err(|error| without_tcp(&error))?.into_inner();
                match tls {
                    None => Ok(Stream::Plain(tcp)),
                    Some((tls, name)) => {
                        let tls = tls.connect(name, tcp).await.map_err(|error| without_tls(&error));
                        tls.map(|tls| Stream::Tls(Box::new(tls.into())))
                    }
                }
            };
            let connected = tokio::time::timeout(within, connecting).await;
            let stream = connected.unwrap_or(Err(Failure::ConnectTimeout));
            stream.map(|stream| TokioIo::new(Link::new(stream, limit))).map_err(NotConnected)
        })
    }
}

fn without_tcp(error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Unresolved>() {
            return Failure::Dns;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.get_ref().is_some_and(|inner| inner.is::<Unresolved>()) {
                return Failure::Dns;
            }
            if descriptors::are_gone(error) {
                return Failure::Descriptors;
            }
            if error.kind() == io::ErrorKind::TimedOut {
                return Failure::ConnectTimeout;
            }
        }
        cause = error.source();
    }
    Failure::ConnectRefused
}

fn without_tls(error: &io::Error) -> Failure {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match error {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
            Failure::TlsCertificate
        }
        _ => Failure::TlsProtocol,
    }
}

/// Looks names up with the system's resolver. One for each upstream, so it remembers one answer.
#[derive(Clone, Default, Debug)]
pub(crate) struct Resolver {
    known: Arc<Mutex<Option<Answer>>>,
}

#[derive(Debug)]
struct Answer {
    when: Instant,
    addrs: Vec<SocketAddr>,
}

/// The name does not resolve.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the name does not resolve")]
struct Unresolved;

impl Resolver {
    fn remember(&self, addrs: &[SocketAddr]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Answer { when: Instant::now(), addrs: addrs.to_vec() });
    }

    fn remembered(&self) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = known.as_ref()?;
        (answer.when.elapsed() <= STALE).then(|| answer.addrs.clone())
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let resolver = self.clone();
        Box::pin(async move {
            let missing = match tokio::net::lookup_host((name.as_str(), 0)).await {
                Ok(addrs) => {
                    let found = addrs.take(32).collect::<Vec<_>>();
                    if !found.is_empty() {
                        resolver.remember(&found);
                        return Ok(found.into_iter());
                    }
                    io::Error::other(Unresolved)
                }
                Err(error) if descriptors::are_gone(&error) => error,
                Err(_) => io::Error::other(Unresolved),
            };
            resolver.remembered().map(Vec::into_iter).ok_or(missing)
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Why there is no connection is told apart by the system's number, however it is wrapped.
    #[test]
    fn a_missing_descriptor_is_our_own_fault() {
        for (number, expected) in [
            (23, Failure::Descriptors),
            (24, Failure::Descriptors),
            (110, Failure::ConnectTimeout),
            (111, Failure::ConnectRefused),
        ] {
            let error = io::Error::from_raw_os_error(number);
            assert_eq!(without_tcp(&error), expected, "{number}");
            assert_eq!(without_tcp(&Wrapped(error)), expected, "{number}");
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("tcp connect error")]
    struct Wrapped(#[source] io::Error);
}
