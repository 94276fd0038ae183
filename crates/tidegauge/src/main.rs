//! The program: a command line in, an exit code out.

use std::panic::catch_unwind;
use std::process::ExitCode;

use mimalloc::MiMalloc;
use tidegauge::{Exit, log_panics, run};

/// Much of what a request needs is made on one thread and given back on another, which the system's
/// allocator serialises.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    log_panics();
    let done = catch_unwind(|| run(std::env::args_os(), &mut std::io::stdout()));
    done.unwrap_or(Exit::Internal).into()
}
