//! What every part of one server stands on: its clock, its bounds, its counters, its tasks. It
//! knows none of those parts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};

use tidegauge_core::Health;

use crate::budget::Budget;
use crate::descriptors::Shortage;
use crate::tasks::Tasks;
use crate::{Clock, Limits};

pub(crate) struct Base {
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    pub(crate) health: Arc<Health>,
    /// Connections of clients, the streams on them, and tunnels.
    pub(crate) tasks: Tasks,
    /// File descriptors that were missing.
    pub(crate) shortage: Shortage,
    /// What request bodies may take of memory until an upstream answers.
    pub(crate) held: Arc<Budget>,
    /// Exchanges that have begun and not ended.
    pub(crate) open: AtomicUsize,
    /// What ends now is cut by us.
    pub(crate) aborting: AtomicBool,
}

impl Base {
    pub(crate) fn new(clock: Clock, limits: Limits, health: Arc<Health>) -> Self {
        Self {
            clock,
            limits,
            tasks: Tasks::new(Arc::clone(&health)),
            health,
            shortage: Shortage::default(),
            held: Budget::new(limits.held_bytes),
            open: AtomicUsize::new(0),
            aborting: AtomicBool::new(false),
        }
    }
}
