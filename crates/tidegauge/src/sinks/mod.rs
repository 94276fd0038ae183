//! Where records go besides telemetry.

mod live;
mod recorder;

pub use live::Live;
pub use recorder::Recorder;
pub(crate) use recorder::last_ids;
