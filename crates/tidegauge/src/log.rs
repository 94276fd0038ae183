//! The program's own log: tracing events to lines on standard error.
//!
//! Text for people, JSON for machines. A value is cut at [`LONGEST`] bytes and control characters
//! are escaped, so that what a client sends cannot forge or flood lines.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;

use serde_json::{Map, Value};
use tidegauge_record::rfc3339;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::format::{FormatEvent, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::Log;
use crate::telemetry::Telemetry;

/// The longest value in a line, in bytes.
const LONGEST: usize = 256;

/// Reads a level or filter directives.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::builder().parse(level)
}

/// Whether lines are JSON.
fn is_json(log: &Log) -> bool {
    log.json.unwrap_or_else(|| !std::io::stderr().is_terminal())
}

/// The share of calls that have a line of their own, 0 to 1.
pub(crate) fn access(log: &Log) -> f64 {
    log.access.unwrap_or(if is_json(log) { 0.0 } else { 1.0 })
}

/// Sends log lines to standard error, and to the exporter if it wants them. Once per process; a
/// second time nothing changes.
pub(crate) fn start(log: &Log, telemetry: &Telemetry) {
    let Ok(filter) = filter(&log.level) else { return };
    let json = is_json(log);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = if json {
        lines.event_format(Json).boxed()
    } else {
        lines
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .fmt_fields(debug_fn(|writer, field, value| text(writer, field, value)))
            .boxed()
    };
    let exported = tidegauge_otel::layer(telemetry.encoder());
    // Another subscriber is there already only in a test.
    let _ = tracing_subscriber::registry().with(exported).with(lines).with(filter).try_init();
    telemetry.log_opening();
}

/// Makes a panic a line of the log like any other, once there is a log.
pub fn log_panics() {
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !tracing::dispatcher::has_been_set() {
            return plain(panic);
        }
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let what = panic.payload().downcast_ref::<&str>().copied();
        let what = what.or(panic.payload().downcast_ref::<String>().map(String::as_str));
        tracing::error!(place, what, "a panic");
    }));
}

/// One field of a text line.
fn text(writer: &mut Writer<'_>, field: &Field, value: &dyn fmt::Debug) -> fmt::Result {
    let value = bounded(value);
    match field.name() {
        "message" => write!(writer, "{value} "),
        name => write!(writer, "{name}={value} "),
    }
}

/// A value, no longer than allowed, without control characters.
fn bounded(value: &dyn fmt::Debug) -> String {
    struct Bounded(String);
    impl fmt::Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for c in text.chars() {
                if self.0.len() >= LONGEST {
                    return Err(fmt::Error);
                }
                if c.is_control() { self.0.extend(c.escape_default()) } else { self.0.push(c) }
            }
            Ok(())
        }
    }
    let mut bounded = Bounded(String::new());
    if write!(bounded, "{value:?}").is_err() {
        bounded.0.push_str("...");
    }
    bounded.0
}

/// One JSON object a line: `time`, `level`, `target`, `message` and the fields.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    #[expect(clippy::disallowed_methods, reason = "a log line tells the wall clock")]
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        let meta = event.metadata();
        event.record(&mut fields);
        let time = rfc3339(std::time::SystemTime::now());
        write!(
            writer,
            r#"{{"time":"{time}","level":"{}","target":"{}""#,
            meta.level(),
            meta.target()
        )?;
        let message = fields.0.remove_entry("message");
        for (name, value) in message.into_iter().chain(fields.0) {
            write!(writer, ",{}:{value}", Value::String(name))?;
        }
        writeln!(writer, "}}")
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), bounded(value).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_and_cannot_break_a_line() {
        assert_eq!(bounded(&format_args!("a\nb\u{1b}[31m")), "a\\nb\\u{1b}[31m");
        let long = "x".repeat(1 << 20);
        assert_eq!(bounded(&format_args!("{long}")).len(), LONGEST + 3);
    }
}
