//! The program: a command line in, an exit code out.

use std::panic::catch_unwind;
use std::process::ExitCode;

use tidegauge::{Exit, run};

fn main() -> ExitCode {
    let done = catch_unwind(|| run(std::env::args_os(), &mut std::io::stdout()));
    done.unwrap_or(Exit::Internal).into()
}
