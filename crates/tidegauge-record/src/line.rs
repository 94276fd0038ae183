//! A record as one line of text, in which nothing hides.
//!
//! JSON demands an escape for the first 32 control characters only. A line is also read by people, in
//! terminals and editors, and by programs that split text at every kind of line end; so whatever moves,
//! turns or ends a line is escaped too. It is the same JSON.

use std::io;

use serde::Serialize as _;
use serde_json::Serializer;
use serde_json::ser::Formatter;
use tidegauge_core::Record;

use crate::RecordJson;

/// The record as JSON with a line feed at its end, and no other.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn line(record: &Record) -> serde_json::Result<Vec<u8>> {
    RecordJson::of(record).to_line()
}

impl RecordJson<'_> {
    /// As JSON with a line feed at its end, and no other.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn to_line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = Vec::with_capacity(1024);
        self.serialize(&mut Serializer::with_formatter(&mut line, Visible))?;
        line.push(b'\n');
        Ok(line)
    }
}

/// Compact JSON in which every character is shown where it stands.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        to: &mut W,
        text: &str,
    ) -> io::Result<()> {
        let mut rest = text;
        while let Some((at, hidden)) = rest.char_indices().find(|(_, one)| is_hidden(*one)) {
            let (shown, from) = rest.split_at(at);
            // All of them are in the first plane, so one escape is enough.
            write!(to, "{shown}\\u{:04x}", u32::from(hidden))?;
            rest = from.get(hidden.len_utf8()..).unwrap_or_default();
        }
        to.write_all(rest.as_bytes())
    }
}

/// Whether it controls how a line is shown, and shows nothing: controls, marks and overrides of the
/// direction of writing, and ends of lines that are not ASCII.
fn is_hidden(one: char) -> bool {
    one.is_control()
        || matches!(
            one,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}
