//! Accepts connections and lets them end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegauge_core::{Health, Observers, Policy, Rejected};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::base::Base;
use crate::hops::Hop;
use crate::shared::Shared;
use crate::signal::Signal;
use crate::tasks::Tasks;
use crate::upstream::Upstreams;
use crate::{Config, Drained, Identity, Shutdown, alive, connection, descriptors};

/// How long accepting rests when the system has no descriptor to give.
const BACK_OFF: Duration = Duration::from_millis(50);
/// Connections that may wait to be accepted as a listener closes.
const QUEUE: usize = 1024;
/// How long tasks that were told to stop may take to.
const STOPPING: Duration = Duration::from_secs(5);
/// What one connection too many is told.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nproxy-status: tidegauge; \
error=connection_limit_reached\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// What a health check is told then: it asks whether the process lives.
const WELL: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nok\n";
/// Connections over the limit that are listened to, in case they only ask for that.
const RESERVE: usize = 32;
/// And for how long.
const ASIDE: Duration = Duration::from_secs(1);

/// Why a server could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address asked for.
        addr: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate or key cannot be read.
    #[error("the certificate or its key is not PEM")]
    Pem,
    /// The certificate or key cannot be used.
    #[error("the certificate and its key cannot be used")]
    Identity(#[source] rustls::Error),
}

/// The certificate that a listener shows. Clones are of the same listener.
#[derive(Clone)]
pub struct Certificate(Arc<ArcSwap<ServerConfig>>);

impl Certificate {
    fn new(identity: &Identity) -> Result<Self, BindError> {
        Ok(Self(Arc::new(ArcSwap::new(server_config(identity)?))))
    }

    /// Shows another one from the next connection on.
    ///
    /// # Errors
    /// When it cannot be used; the one before stays then.
    pub fn replace(&self, identity: &Identity) -> Result<(), BindError> {
        self.0.store(server_config(identity)?);
        Ok(())
    }

    fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.load_full())
    }
}

/// A bound listener with everything its connections share.
pub struct Server {
    listener: TcpListener,
    tls: Option<Certificate>,
    shared: Arc<Shared>,
    /// Connections to upstreams, which outlive the exchanges on them.
    background: Tasks,
}

impl Server {
    /// Listens. From here on clients can connect; they are served once [`Server::run`] is polled.
    /// Needs a tokio runtime with IO and time.
    ///
    /// # Errors
    /// When the address is taken or not ours, or the TLS identity is not usable.
    pub async fn bind(
        config: Config,
        policy: Arc<ArcSwap<Policy>>,
        observers: Arc<dyn Observers>,
        health: Arc<Health>,
    ) -> Result<Self, BindError> {
        let failed = |source| BindError::Listen { addr: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        Self::on(listener, config, policy, observers, health)
    }

    /// Like [`Server::bind`], on a listener that is there; [`Config::listen`] counts for nothing.
    ///
    /// # Errors
    /// When it has no address, or the TLS identity is not usable.
    pub fn on(
        listener: TcpListener,
        config: Config,
        policy: Arc<ArcSwap<Policy>>,
        observers: Arc<dyn Observers>,
        health: Arc<Health>,
    ) -> Result<Self, BindError> {
        let tls = config.tls.as_ref().map(Certificate::new).transpose()?;
        let failed = |source| BindError::Listen { addr: config.listen, source };
        let local = listener.local_addr().map_err(failed)?;
        let background = Tasks::new(Arc::clone(&health));
        let upstreams = Upstreams::new(config.pool, background.clone());
        upstreams.adopt(&policy.load());
        let shared = Arc::new(Shared {
            base: Arc::new(Base::new(config.clock, config.limits, health)),
            config,
            policy,
            observers,
            upstreams,
            local,
            hop: Hop::new(),
            connections: AtomicUsize::new(0),
        });
        Ok(Self { listener, tls, shared, background })
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.shared.local
    }

    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// The certificate, if TLS is spoken.
    pub fn certificate(&self) -> Option<Certificate> {
        self.tls.clone()
    }

    /// Serves until `shutdown` asks to stop and everything has ended or was cut.
    ///
    /// Asked gracefully, the listener closes, idle connections close, and exchanges go on to their
    /// end for as long as [`Config::drain`] says. Asked to abort, or after that time, what is left
    /// is cut and counted. Every exchange has been handed to its observer when this returns.
    pub async fn run(self, shutdown: Shutdown) -> Drained {
        let Self { listener, tls, shared, background } = self;
        let draining = Arc::new(Signal::default());
        tokio::select! {
            () = accept(&listener, &tls, &shared, &draining) => {}
            () = shutdown.asked() => {}
        }
        // Whoever is in the queue has connected, and would be reset with it.
        for (tcp, addr) in waiting(listener) {
            let tls = tls.as_ref().map(Certificate::acceptor);
            begin(tcp, addr, tls, &shared, Arc::clone(&draining));
        }
        draining.give();
        let drained = tokio::select! {
            () = shared.base.tasks.ended() => true,
            () = tokio::time::sleep(shared.config.drain) => false,
            () = shutdown.aborted() => false,
        };
        let mut cut = 0;
        if !drained {
            shared.base.aborting.store(true, Relaxed);
            cut = shared.base.open.load(Relaxed);
            shared.base.tasks.stop();
            _ = tokio::time::timeout(STOPPING, shared.base.tasks.ended()).await;
        }
        shared.upstreams.close();
        background.stop();
        _ = tokio::time::timeout(STOPPING, background.ended()).await;
        Drained { cut }
    }
}

/// Accepts for ever. Running out of descriptors is survived: somebody will close one.
async fn accept(
    listener: &TcpListener,
    tls: &Option<Certificate>,
    shared: &Arc<Shared>,
    draining: &Arc<Signal>,
) {
    loop {
        match listener.accept().await {
            Ok((tcp, addr)) => {
                let tls = tls.as_ref().map(Certificate::acceptor);
                begin(tcp, addr, tls, shared, Arc::clone(draining));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if descriptors::are_gone(&error) {
                    let base = &shared.base;
                    base.shortage.note(&base.health, &base.clock, "a client");
                }
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// The connections that nobody has accepted yet. Closes the listener.
fn waiting(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut waiting = Vec::new();
    let Ok(listener) = listener.into_std() else { return waiting };
    // Not by way of the runtime, which hears of them a moment later.
    while waiting.len() < QUEUE {
        match listener.accept() {
            Ok((tcp, addr)) => {
                let tcp = tcp.set_nonblocking(true).and_then(|()| TcpStream::from_std(tcp));
                waiting.extend(tcp.ok().map(|tcp| (tcp, addr)));
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => break,
        }
    }
    waiting
}

fn begin(
    mut tcp: TcpStream,
    addr: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: &Arc<Shared>,
    draining: Arc<Signal>,
) {
    let open = Connected::new(shared);
    let connections = shared.connections.load(Relaxed);
    let limit = shared.base.limits.connections;
    if connections > limit {
        let health = Arc::clone(&shared.base.health);
        shared.base.tasks.run(async move {
            let _open = open;
            let listens = tls.is_none() && connections <= limit.saturating_add(RESERVE);
            let healthy =
                listens && tokio::time::timeout(ASIDE, asks_for_health(&mut tcp)).await == Ok(true);
            let answer = if healthy {
                WELL
            } else {
                health.request_rejected(Rejected::Connections, 1);
                BUSY
            };
            if tls.is_none() {
                _ = tokio::time::timeout(ASIDE, tcp.write_all(answer)).await;
            }
        });
        return;
    }
    // A socket that refuses serves all the same.
    _ = tcp.set_nodelay(true);
    alive::watch_client(&tcp);
    let serving = Arc::clone(shared);
    shared.base.tasks.run(async move {
        let _open = open;
        connection::serve(serving, tcp, addr, tls, draining).await;
    });
}

/// Reads one request head, or as much of it as matters.
async fn asks_for_health(tcp: &mut TcpStream) -> bool {
    let mut head = [0; 1024];
    let mut filled = 0;
    loop {
        let count = tcp.read(head.get_mut(filled..).unwrap_or_default()).await.unwrap_or(0);
        filled += count;
        let come = head.get(..filled).unwrap_or_default();
        let whole = come.windows(4).any(|end| end == b"\r\n\r\n");
        if count == 0 || whole {
            return come.starts_with(b"GET /healthz ") || come.starts_with(b"HEAD /healthz ");
        }
    }
}

/// Counts a client's connection for as long as it lives.
struct Connected(Arc<Shared>);

impl Connected {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Relaxed);
        shared.base.health.connections_changed(1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Relaxed);
        self.0.base.health.connections_changed(-1);
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

fn server_config(identity: &Identity) -> Result<Arc<ServerConfig>, BindError> {
    let chain = CertificateDer::pem_slice_iter(&identity.chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|_| BindError::Pem)?;
    let key = PrivateKeyDer::from_pem_slice(&identity.key).map_err(|_| BindError::Pem)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BindError::Identity)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(BindError::Identity)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
