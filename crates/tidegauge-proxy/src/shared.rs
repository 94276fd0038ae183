//! What all connections of one server share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwap;
use tidegauge_core::{Observers, Policy};

use crate::Config;
use crate::base::Base;
use crate::hops::Hop;
use crate::upstream::Upstreams;

pub(crate) struct Shared {
    pub(crate) base: Arc<Base>,
    pub(crate) config: Config,
    pub(crate) policy: Arc<ArcSwap<Policy>>,
    pub(crate) observers: Arc<dyn Observers>,
    pub(crate) upstreams: Upstreams,
    pub(crate) local: SocketAddr,
    pub(crate) hop: Hop,
    /// Client connections that are open.
    pub(crate) connections: AtomicUsize,
}
