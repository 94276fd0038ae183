//! A file system that fails on demand, on the calling thread. Tests only.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write as _};

/// An operation that can be made to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// Opening a file for reading.
    Open,
    /// Opening a file for writing, which makes it.
    Create,
    /// Reading from a file.
    Read,
    /// Writing to a file.
    Write,
    /// Cutting a file short.
    Truncate,
    /// Bringing a file or the names in a directory to the medium.
    Sync,
    /// Removing a file.
    Remove,
    /// Renaming a file.
    Rename,
}

type Plan = Box<dyn FnMut(Op) -> Option<io::ErrorKind>>;

thread_local! { static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) } }

/// From now on asks `plan` before each operation; until [`clear`].
pub fn plan(plan: impl FnMut(Op) -> Option<io::ErrorKind> + 'static) {
    PLAN.set(Some(Box::new(plan)));
}

/// Nothing fails any more.
pub fn clear() {
    PLAN.set(None);
}

pub(crate) fn trip(op: Op) -> io::Result<()> {
    let kind = PLAN.with_borrow_mut(|plan| plan.as_mut().and_then(|plan| plan(op)));
    kind.map_or(Ok(()), |kind| Err(kind.into()))
}

/// A write that fails has half its bytes written; one of nothing does not fail.
pub(crate) fn tear(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
    trip(Op::Write).inspect_err(|_| drop(file.write_all(half)))
}
