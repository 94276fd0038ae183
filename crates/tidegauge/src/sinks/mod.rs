//! Where records go besides telemetry.

mod access;
mod live;
mod recorder;

pub use access::AccessLog;
pub use live::Live;
pub use recorder::Recorder;
pub(crate) use recorder::last_ids;
