//! A record as one line of text, in which nothing hides.
//!
//! JSON demands an escape for the first 32 control characters only. A line is also read by people, in
//! terminals and editors, and by programs that split text at every kind of line end; so whatever moves,
//! turns or ends a line is escaped too. It is the same JSON.

use std::io;

use serde_json::Serializer;
use serde_json::ser::Formatter;
use tidegauge_core::Record;

use super::RecordJson;

/// The record as JSON with a line feed at its end, and no other.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn line(record: &Record) -> serde_json::Result<Vec<u8>> {
    let mut line = Vec::with_capacity(1024);
    let mut to = Serializer::with_formatter(&mut line, Visible);
    serde::Serialize::serialize(&RecordJson::of(record), &mut to)?;
    line.push(b'\n');
    Ok(line)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn what_hides_in_a_name_is_escaped_and_the_same_text() {
        let hidden = "\u{0}\u{1b}\u{7f}\u{85}\u{9b}\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\
                      \u{202a}\u{202e}\u{2066}\u{2069}";
        let name = format!("gpt-{hidden}4o-\u{5d0}\u{1f600}");
        let mut record = record();
        record.observation.request.model = Some(name.clone());
        record.exchange.labels.tags.insert(name.clone(), name.clone());
        let line = String::from_utf8(line(&record).unwrap()).unwrap();
        assert!(!line.trim_end_matches('\n').contains(|one| hidden.contains(one)), "{line}");
        assert!(line.contains("\\u202e") && line.contains("\u{5d0}\u{1f600}"), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["request"]["model"], *name);
        assert_eq!(read["tags"][&name], *name);
    }

    #[test]
    fn a_plain_record_is_plain_json() {
        let expected = serde_json::to_string(&RecordJson::of(&record())).unwrap() + "\n";
        assert_eq!(String::from_utf8(line(&record()).unwrap()).unwrap(), expected);
    }
}
