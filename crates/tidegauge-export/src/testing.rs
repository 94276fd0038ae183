//! Exports that panic on demand. Tests only.

use std::sync::{Mutex, PoisonError};

/// Exporters whose next export panics.
static BREAKING: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Lets the next export of that exporter panic.
pub fn break_next(exporter: &str) {
    BREAKING.lock().unwrap_or_else(PoisonError::into_inner).push(exporter.to_owned());
}

/// Panics if [`break_next`] was called for that exporter, once for each call.
pub(crate) fn break_here(exporter: &str) {
    let broken = {
        let mut breaking = BREAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let place = breaking.iter().position(|one| one == exporter);
        place.map(|place| breaking.swap_remove(place))
    };
    assert_eq!(broken, None, "as the test wants it");
}
