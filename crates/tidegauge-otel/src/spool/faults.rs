//! Makes the file system fail on demand, on this thread.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write as _};

/// What can fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Op {
    Open,
    Create,
    Read,
    Write,
    Truncate,
    Sync,
    Remove,
    Rename,
}

type Plan = Box<dyn FnMut(Op) -> Option<io::ErrorKind>>;

thread_local! { static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) } }

/// From now on asks `plan` before each operation; until [`clear`].
pub(crate) fn plan(plan: impl FnMut(Op) -> Option<io::ErrorKind> + 'static) {
    PLAN.set(Some(Box::new(plan)));
}

/// Nothing fails any more.
pub(crate) fn clear() {
    PLAN.set(None);
}

pub(super) fn trip(op: Op) -> io::Result<()> {
    let kind = PLAN.with_borrow_mut(|plan| plan.as_mut().and_then(|plan| plan(op)));
    kind.map_or(Ok(()), |kind| Err(kind.into()))
}

/// A write that fails has half its bytes written; one of nothing does not fail.
pub(super) fn tear(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    trip(Op::Write).inspect_err(|_| drop(file.write_all(&bytes[..bytes.len() / 2])))
}
