//! Counts what reading costs, in bytes looked at or copied, so that a test can tell linear from worse.
//!
//! Nothing at all unless the feature `testing` is on.

#[cfg(feature = "testing")]
thread_local! {
    static DONE: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// So many bytes are looked at once more.
#[inline]
pub(crate) fn count(bytes: usize) {
    #[cfg(feature = "testing")]
    DONE.with(|done| done.set(done.get() + bytes as u64));
    #[cfg(not(feature = "testing"))]
    let _ = bytes;
}

/// How many were on this thread since this was asked last.
#[cfg(feature = "testing")]
pub(crate) fn take() -> u64 {
    DONE.take()
}
