//! `tidegauge check`: every mistake of a configuration, or what it sets and what is odd about it; and
//! whether telemetry arrives where it is sent.

use std::io::Write;
use std::time::SystemTime;

use tidegauge_export::TrialResult;

use crate::config::{Loaded, Outside, Source, load};
use crate::telemetry::try_exporters;
use crate::welcome::destination;

use super::Exit;

/// How much is shown, and what is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Show {
    /// Every setting, and not only those that are set.
    pub(crate) all: bool,
    /// Variables are looked at.
    pub(crate) variables: bool,
}

/// Prints what a configuration sets, after warnings, or one line per mistake.
pub(crate) fn run(source: &Source, show: Show, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let outside = if show.variables { Outside::real() } else { Outside::without_variables() };
    let Some(loaded) = read(source, &outside, out)? else { return Ok(Exit::Bad) };
    let Loaded { resolved, file } = &loaded;
    let file = file.as_ref().map(|file| file.display());
    match &file {
        Some(file) if !show.variables => {
            writeln!(out, "# {file} is well; what it takes from variables was not looked at.")?;
        }
        Some(file) => writeln!(out, "# {file} is well.")?,
        None => writeln!(out, "# No configuration file.")?,
    }
    for warning in &resolved.warnings {
        writeln!(out, "# warning: {}", warning.0)?;
    }
    if !show.variables {
        return Ok(Exit::Well);
    }
    writeln!(out, "# Telemetry goes {}.", destination(resolved))?;
    if show.all {
        writeln!(out, "# This runs:")?;
        out.write_all(resolved.config.print()?.as_bytes())?;
        return Ok(Exit::Well);
    }
    match resolved.config.print_set(&resolved.set)? {
        Some(set) => {
            writeln!(out, "# This is set; --all shows the rest:")?;
            out.write_all(set.as_bytes())?;
        }
        None => writeln!(out, "# Nothing is set; --all shows the defaults.")?,
    }
    Ok(Exit::Well)
}

/// Sends a sample to every exporter and prints a line for each signal: where it went and what came
/// back. Exit 0 when all of them were taken.
#[expect(clippy::disallowed_methods, reason = "a receiver may refuse what is not of now")]
pub(crate) fn send(source: &Source, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let Some(loaded) = read(source, &Outside::real(), out)? else { return Ok(Exit::Bad) };
    for warning in &loaded.resolved.warnings {
        writeln!(out, "# warning: {}", warning.0)?;
    }
    let results = try_exporters(&loaded.resolved.exporter, SystemTime::now())?;
    if results.is_empty() {
        writeln!(out, "nothing to try: telemetry goes {}", destination(&loaded.resolved))?;
        return Ok(Exit::Bad);
    }
    for result in &results {
        writeln!(out, "{}", line(result))?;
    }
    let all = results.iter().all(|result| result.delivered);
    Ok(if all { Exit::Well } else { Exit::Bad })
}

/// The configuration, or its mistakes to `out`.
fn read(
    source: &Source,
    outside: &Outside<'_>,
    out: &mut dyn Write,
) -> anyhow::Result<Option<Loaded>> {
    match load(source, outside) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(mistakes) => {
            writeln!(out, "{mistakes}")?;
            Ok(None)
        }
    }
}

/// `default  traces  collector:4317  grpc  delivered, gRPC Ok, 12 ms`, with the reason and the receiver's
/// own words where it failed.
fn line(result: &TrialResult) -> String {
    let TrialResult { exporter, signal, receiver, protocol, rejected, .. } = result;
    let protocol = protocol.map_or("-", |protocol| protocol.name());
    let outcome = match &result.error {
        Some(error) => format!("FAILED: {error}"),
        None if *rejected > 0 => format!("FAILED: the receiver took all but {rejected}"),
        None => "delivered".to_owned(),
    };
    // The error may be the status itself.
    let status = result.status.as_deref().filter(|_| result.error.is_none());
    let status = status.map(|status| format!(", {status}")).unwrap_or_default();
    let words = &result.message;
    let words = if words.is_empty() { String::new() } else { format!("; it says: {words}") };
    let ms = result.latency.as_millis();
    format!(
        "{exporter:<16} {:<8} {receiver:<28} {protocol:<14} {outcome}{status}, {ms} ms{words}",
        signal.name()
    )
}
