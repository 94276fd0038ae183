//! The commands, one file each, and how they end.

pub(crate) mod check;
pub(crate) mod demo;
pub(crate) mod healthcheck;
pub(crate) mod live;
pub(crate) mod prices;
pub(crate) mod serve;

use std::io;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Well.
    Well,
    /// It did its work and the verdict is bad; or what it was asked to do cannot be done here.
    Bad,
    /// The command line makes no sense.
    Usage,
    /// A mistake of ours.
    Internal,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Well => 0,
            Exit::Bad => 1,
            Exit::Usage => 2,
            Exit::Internal => 70,
        })
    }
}

/// Tells an error on standard error. Output that nobody reads any more is no error.
pub(crate) fn settle(done: anyhow::Result<Exit>) -> Exit {
    let error = match done {
        Ok(exit) => return exit,
        Err(error) => error,
    };
    let closed = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(closed) {
        return Exit::Well;
    }
    // Nothing is left to try when standard error is gone too.
    let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("tidegauge: {error:#}\n"));
    Exit::Bad
}
