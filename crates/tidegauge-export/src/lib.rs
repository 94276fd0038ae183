//! Encoded telemetry, delivered: over OTLP, by way of a bounded queue in memory and one on disk.
//!
//! In: pieces of telemetry, through the [`Outbox`](tidegauge_core::Outbox)es of a [`Delivery`]. Out:
//! exports to each receiver, and a ledger that balances. Every receiver has queues, a thread and a
//! runtime of its own. Must not know what a piece means: no record, span, metric or provider.

mod answer;
mod delivery;
mod disk_queue;
mod envelope;
mod exporter;
mod queue;
mod sender;
#[cfg(feature = "testing")]
pub mod testing;
mod transport;
mod trial;

pub use delivery::{Delivery, Outboxes, Pauses};
pub use disk_queue::DiskQueueOptions;
pub use exporter::{ExporterOptions, StartError};
pub use queue::QueueOptions;
pub use transport::{Compression, Identity, Protocol, Target, TlsError, can_use_tls};
pub use trial::{TrialResult, try_exporters};
