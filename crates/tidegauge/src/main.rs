//! The program: a command line in, an exit code out.

use std::panic::catch_unwind;
use std::process::ExitCode;

use tidegauge::{Exit, log_panics, run};

fn main() -> ExitCode {
    log_panics();
    let done = catch_unwind(|| run(std::env::args_os(), &mut std::io::stdout()));
    done.unwrap_or(Exit::Internal).into()
}
