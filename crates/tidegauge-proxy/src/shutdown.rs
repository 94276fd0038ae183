//! How a server is told to stop, and what it says when it has.

use tokio_util::sync::CancellationToken;

/// Asks a running server to stop: first gracefully, then at once. Clones ask the same server.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    graceful: CancellationToken,
    abort: CancellationToken,
}

impl Shutdown {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Refuse new connections and let exchanges end, as long as the configured drain allows.
    pub fn graceful(&self) {
        self.graceful.cancel();
    }

    /// Cut what is still open, now.
    pub fn abort(&self) {
        self.graceful.cancel();
        self.abort.cancel();
    }

    /// Resolves once stopping was asked for.
    pub(crate) async fn asked(&self) {
        self.graceful.cancelled().await;
    }

    /// Resolves once cutting was asked for.
    pub(crate) async fn aborted(&self) {
        self.abort.cancelled().await;
    }
}

/// How a shutdown went.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Drained {
    /// Exchanges that were cut because they had not ended in time.
    pub cut: usize,
}
