//! Turns window rows into a table for people, and keeps it in one place on a terminal.
//!
//! Must not know: where rows come from, what time it is.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use tidegauge_measure::{Percentiles, Row};

/// Categories that a row names before it says "more".
const NAMED: usize = 3;

const HEADER: [&str; 12] = [
    "model",
    "call",
    "requests",
    "failed",
    "P50",
    "P95",
    "P99",
    "TTFT P50",
    "P95",
    "per token",
    "cost",
    "outcomes",
];

/// What stands around the table.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Captions {
    /// Lines above it: where the proxy is, where telemetry goes.
    pub above: Vec<String>,
    /// Lines below it.
    pub below: Vec<String>,
    /// Whether the proxy's own overhead is shown. It means nothing where time is compressed.
    pub overhead: bool,
    /// Columns to fit into, see [`terminal_width`]; `None` takes what it needs.
    pub width: Option<u16>,
}

/// A block of text that is drawn again and again: in place on a terminal, else one after another.
#[derive(Debug)]
pub struct Screen<W> {
    out: W,
    terminal: bool,
    drawn: bool,
}

/// The rows of one span (the total without a key) as text, lines ended.
pub fn render(rows: &[Row], captions: &Captions) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY).force_no_tty();
    if let Some(width) = captions.width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(HEADER);
    table.add_rows(rows.iter().map(cells));
    for index in 2..HEADER.len() - 1 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let table = table.to_string();
    let total = rows.iter().find(|row| row.key.is_none());
    let summary = total.map(|row| summary(row, captions.overhead));
    let lines = captions.above.iter().map(String::as_str).chain(table.lines().map(str::trim_end));
    let below = summary.iter().chain(&captions.below).map(String::as_str);
    lines.chain(below).flat_map(|line| [line, "\n"]).collect()
}

/// Columns of the terminal that standard output is; `None` when it is none.
pub fn terminal_width() -> Option<u16> {
    Table::new().width()
}

impl<W: Write> Screen<W> {
    /// Draws on `out`, which is a `terminal` that knows ANSI or is not.
    pub fn new(out: W, terminal: bool) -> Self {
        Self { out, terminal, drawn: false }
    }

    /// How long to wait between two drawings: a terminal is live, a log is not flooded.
    pub fn interval(&self) -> Duration {
        if self.terminal { Duration::from_millis(500) } else { Duration::from_secs(5) }
    }

    /// Draws a block in place of the one before.
    pub fn draw(&mut self, block: &str) -> io::Result<()> {
        if !self.terminal {
            write!(self.out, "{block}\n\n")?;
            return self.out.flush();
        }
        // Home; the first time with the screen cleared, later line by line, which does not flicker.
        let home = if self.drawn { "\x1b[H" } else { "\x1b[2J\x1b[H" };
        self.drawn = true;
        self.out.write_all(home.as_bytes())?;
        for line in block.lines() {
            writeln!(self.out, "{line}\x1b[K")?;
        }
        self.out.write_all(b"\x1b[J")?;
        self.out.flush()
    }
}

fn cells(row: &Row) -> [String; 12] {
    let (model, call) = match &row.key {
        Some(key) => {
            let stream = if key.stream { " stream" } else { "" };
            (key.model.to_string(), format!("{}{stream}", key.operation.name()))
        }
        None => ("all".to_owned(), String::new()),
    };
    let at = |of: &Option<Percentiles>, pick: fn(&Percentiles) -> Duration| {
        of.as_ref().map_or_else(|| "-".to_owned(), |percentiles| shown(pick(percentiles)))
    };
    [
        model,
        call,
        row.requests.to_string(),
        row.errors.to_string(),
        at(&row.duration, |p| p.p50),
        at(&row.duration, |p| p.p95),
        at(&row.duration, |p| p.p99),
        at(&row.ttft, |p| p.p50),
        at(&row.ttft, |p| p.p95),
        at(&row.tpot, |p| p.p50),
        cost(row),
        outcomes(row),
    ]
}

fn summary(row: &Row, overhead: bool) -> String {
    let share = |part: u64, whole: u64| {
        #[expect(clippy::cast_precision_loss, reason = "for show")]
        let share = if whole == 0 { 0.0 } else { part as f64 / whole as f64 * 100.0 };
        format!("{share:.1} %")
    };
    let mut text = format!(
        "{} requests, {} failed ({}); {} tokens in ({} cached), {} out; {}",
        row.requests,
        row.errors,
        share(row.errors, row.requests),
        row.input_tokens,
        share(row.cached_tokens, row.input_tokens),
        row.output_tokens,
        cost(row),
    );
    if let (true, Some(overhead)) = (overhead, &row.overhead) {
        text.push_str(&format!(
            "; overhead P50 {}, P99 {}",
            shown(overhead.p50),
            shown(overhead.p99)
        ));
    }
    text
}

fn cost(row: &Row) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for show")]
    let usd = row.cost.nanos() as f64 / 1e9;
    match row.unpriced {
        0 => format!("${usd:.4}"),
        unpriced => format!("${usd:.4} + {unpriced} unpriced"),
    }
}

/// Most frequent first.
fn outcomes(row: &Row) -> String {
    let mut categories = row.categories.clone();
    categories.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let more: u64 = categories.iter().skip(NAMED).map(|(_, count)| count).sum();
    let mut named: Vec<String> = categories
        .iter()
        .take(NAMED)
        .map(|(category, count)| format!("{} {count}", category.name()))
        .collect();
    if more > 0 {
        named.push(format!("other {more}"));
    }
    named.join(", ")
}

/// Three digits or so.
fn shown(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds >= 100.0 => format!("{seconds:.0} s"),
        _ if seconds >= 1.0 => format!("{seconds:.2} s"),
        _ if seconds >= 0.1 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds >= 0.001 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.0} us", seconds * 1e6),
    }
}

#[cfg(test)]
mod tests;
