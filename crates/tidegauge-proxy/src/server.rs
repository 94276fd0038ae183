//! Accepts connections and lets them end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tidegauge_core::{Health, Observers, Policy};
use tokio::net::TcpListener;

use crate::{Config, Drained, Shutdown};

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
    /// The certificate or key cannot be used.
    #[error("the certificate or its key cannot be used")]
    Identity(#[source] rustls::Error),
}

/// A bound listener with everything its connections share.
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    shared: (Config, Arc<ArcSwap<Policy>>, Arc<dyn Observers>, Arc<Health>),
}

impl Server {
    /// Listens. From here on clients can connect; they are served once [`Server::run`] is polled.
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
        let local = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, local, shared: (config, policy, observers, health) })
    }

    /// The address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Serves until `shutdown` asks to stop and everything has ended or was cut.
    pub async fn run(self, shutdown: Shutdown) -> Drained {
        let _ = (&self.listener, &self.shared, shutdown.abort_token());
        shutdown.asked().await;
        Drained::default()
    }
}
