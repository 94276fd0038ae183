//! Lines of the journal into bytes and back.
//!
//! In: the beginning or the end of an [`Exchange`]. Out: protocol buffers as
//! `proto/tidegauge/v1/journal.proto` describes them, and the same again from bytes that anything may
//! have happened to. Must not know a file, a clock, a runtime or a provider.
//!
//! A line holds the ids, the time and the way of an exchange and nothing that a caller wrote. Readers use
//! memory in proportion to the bytes, whose number is for the caller to bound.

use prost::Message as _;
use tidegauge_core::{Dialect, Exchange, ExchangeId};

mod read;
mod write;

#[cfg(test)]
mod fresh;
#[cfg(test)]
mod tests;

/// Made from `proto/tidegauge/v1/journal.proto`; a test compares them.
#[expect(
    unreachable_pub,
    clippy::large_enum_variant,
    reason = "made by prost-build"
)]
#[rustfmt::skip]
mod proto;

/// Why bytes are no line of a journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not the encoding, or of something else.
    #[error("this is no line of a journal")]
    Encoding,
    /// A part is missing without which there is no line.
    #[error("the line has no {0}")]
    Missing(&'static str),
    /// A word or number means nothing to this version.
    #[error("the line has an unknown {0}")]
    Unknown(&'static str),
}

/// Finds the protocol of an upstream by the word a configuration uses for it.
pub type Dialects<'a> = &'a dyn Fn(&str) -> Option<&'static dyn Dialect>;

/// One line of a journal.
#[derive(Clone, Debug)]
pub enum Entry {
    /// This exchange begins: what is kept of it is there, all else is empty.
    Open(Box<Exchange>),
    /// This one has become a record, or a counted loss.
    Close(ExchangeId),
    /// This one is over; whether a record of it is kept will be known soon.
    Over(ExchangeId),
}

/// The line for an exchange that begins. Who calls, and what the path and query say, is left out.
pub fn opening(exchange: &Exchange) -> Vec<u8> {
    let entry = Some(proto::journal_entry::Entry::Open(write::opening(exchange)));
    proto::JournalEntry { entry }.encode_to_vec()
}

/// The line for an exchange that is over.
pub fn closing(id: ExchangeId) -> Vec<u8> {
    let entry = Some(proto::journal_entry::Entry::Close(id.bits().to_be_bytes().to_vec()));
    proto::JournalEntry { entry }.encode_to_vec()
}

/// The line for an exchange that is over, before its record is known to be kept.
pub fn over(id: ExchangeId) -> Vec<u8> {
    let entry = Some(proto::journal_entry::Entry::Over(id.bits().to_be_bytes().to_vec()));
    proto::JournalEntry { entry }.encode_to_vec()
}

/// A line from bytes.
///
/// # Errors
/// When the bytes are no line, or one that this version cannot understand.
pub fn read_entry(bytes: &[u8], dialects: Dialects<'_>) -> Result<Entry, Unreadable> {
    let stored = proto::JournalEntry::decode(bytes).map_err(|_| Unreadable::Encoding)?;
    match stored.entry.ok_or(Unreadable::Missing("entry"))? {
        proto::journal_entry::Entry::Open(exchange) => {
            Ok(Entry::Open(Box::new(read::opening(exchange, dialects)?)))
        }
        proto::journal_entry::Entry::Close(id) => Ok(Entry::Close(read::id(&id)?)),
        proto::journal_entry::Entry::Over(id) => Ok(Entry::Over(read::id(&id)?)),
    }
}
