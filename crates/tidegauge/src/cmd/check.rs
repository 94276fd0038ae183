//! `tidegauge check`: every mistake of a configuration, or what would run.

use std::io::Write;

use crate::config::{Outside, Source, load};

use crate::welcome::destination;

use super::Exit;

/// Prints the resolved configuration, or one line per mistake.
pub(crate) fn run(source: &Source, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let loaded = match load(source, &Outside::real()) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            writeln!(out, "{mistakes}")?;
            return Ok(Exit::Bad);
        }
    };
    match &loaded.file {
        Some(file) => writeln!(out, "# {} is well. This runs:", file.display())?,
        None => writeln!(out, "# No configuration file: these are the defaults.")?,
    }
    for warning in &loaded.resolved.warnings {
        writeln!(out, "# warning: {}", warning.0)?;
    }
    writeln!(out, "# Telemetry goes {}.", destination(&loaded.resolved))?;
    out.write_all(loaded.resolved.config.print()?.as_bytes())?;
    Ok(Exit::Well)
}
