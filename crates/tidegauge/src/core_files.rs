//! Keeps what is in memory, keys and prompts, out of core files.

/// From here on the system writes no core file of this process.
#[cfg(unix)]
pub(crate) fn forbid() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core files cannot be forbidden");
    }
}

/// There are none.
#[cfg(not(unix))]
pub(crate) fn forbid() {}
