//! What all connections of one server share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use arc_swap::ArcSwap;
use tidegauge_core::{Health, Observers, Policy};

use crate::Config;
use crate::hops::Hop;
use crate::tasks::Tasks;
use crate::upstream::Upstreams;

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) observers: Arc<dyn Observers>,
    pub(crate) health: Arc<Health>,
    pub(crate) upstreams: Upstreams,
    /// Connections of clients, the streams on them, and tunnels.
    pub(crate) tasks: Tasks,
    pub(crate) local: SocketAddr,
    pub(crate) hop: Hop,
    /// Client connections that are open.
    pub(crate) connections: AtomicUsize,
    /// Exchanges that have begun and not ended.
    pub(crate) open: AtomicUsize,
    /// What ends now is cut by us.
    pub(crate) aborting: AtomicBool,
}
