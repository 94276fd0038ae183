//! Records into their stored form and back: the bytes that journal and capture files hold.
//!
//! In: a [`Record`], or the opening of one. Out: protocol buffers as `proto/tidegauge/v1` describes
//! them, and the same again from bytes that anything may have happened to. Must not know a file, a
//! clock, a runtime or a provider.
//!
//! What does not come back, because it may be secret or is of no use later: of an upstream its headers,
//! keys, certificates, timeouts and policies; of a provider's error its text. What was said is stored as
//! far as the record holds it; who captures it has taken out what must not be kept. Readers use memory
//! in proportion to the bytes, whose number is for the caller to bound.

use prost::Message as _;
use tidegauge_core::{Dialect, Exchange, ExchangeId, Record};

mod read;
mod words;
mod write;

#[cfg(test)]
mod fresh;
#[cfg(test)]
mod tests;

/// Made from `proto/tidegauge/v1/record.proto`; a test compares them.
#[expect(
    unreachable_pub,
    clippy::large_enum_variant,
    reason = "made by prost-build"
)]
#[rustfmt::skip]
mod proto;

pub use words::Words;

/// How many lists and maps of a stored value may be inside each other. More than what is captured has;
/// with up to three messages for each, and those around them, still below the hundred that decoders of
/// protocol buffers follow by default.
const DEEPEST: usize = 24;

/// Why bytes are no record.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unreadable {
    /// Not the encoding, or of something else.
    #[error("this is no stored record")]
    Encoding,
    /// A part is missing without which there is no record.
    #[error("the stored record has no {0}")]
    Missing(&'static str),
    /// A word or number means nothing to this version.
    #[error("the stored record has an unknown {0}")]
    Unknown(&'static str),
}

/// What a reader of stored records is told about the world.
pub trait World {
    /// The protocol of an upstream, by the word a configuration uses for it.
    fn dialect(&self, kind: &str) -> Option<&'static dyn Dialect>;
}

impl<F: Fn(&str) -> Option<&'static dyn Dialect>> World for F {
    fn dialect(&self, kind: &str) -> Option<&'static dyn Dialect> {
        self(kind)
    }
}

/// One line of a journal.
#[derive(Clone, Debug)]
pub enum Entry {
    /// This exchange begins: what was known of it then.
    Open(Box<Exchange>),
    /// This one has become a record, or a counted loss.
    Close(ExchangeId),
    /// This one is over; whether a record of it is kept will be known soon.
    Over(ExchangeId),
}

/// A record as bytes.
pub fn record(record: &Record) -> Vec<u8> {
    write::record(record).encode_to_vec()
}

/// A record from bytes.
///
/// # Errors
/// When the bytes are no record, or one that this version cannot understand.
pub fn read_record(bytes: &[u8], world: &dyn World, words: &Words) -> Result<Record, Unreadable> {
    let stored = proto::Record::decode(bytes).map_err(|_| Unreadable::Encoding)?;
    read::record(stored, world, words)
}

/// The journal's line for an exchange that begins. Who calls, and what the path and query say, is left
/// out.
pub fn opening(exchange: &Exchange) -> Vec<u8> {
    let entry = Some(proto::journal_entry::Entry::Open(write::opening(exchange)));
    proto::JournalEntry { entry }.encode_to_vec()
}

/// The journal's line for an exchange that is over.
pub fn closing(id: ExchangeId) -> Vec<u8> {
    let entry = Some(proto::journal_entry::Entry::Close(id.bits().to_be_bytes().to_vec()));
    proto::JournalEntry { entry }.encode_to_vec()
}

/// The journal's line for an exchange that is over, before its record is known to be kept.
pub fn over(id: ExchangeId) -> Vec<u8> {
    let entry = Some(proto::journal_entry::Entry::Over(id.bits().to_be_bytes().to_vec()));
    proto::JournalEntry { entry }.encode_to_vec()
}

/// A line of a journal from bytes.
///
/// # Errors
/// When the bytes are no such line, or one that this version cannot understand.
pub fn read_entry(bytes: &[u8], world: &dyn World) -> Result<Entry, Unreadable> {
    let stored = proto::JournalEntry::decode(bytes).map_err(|_| Unreadable::Encoding)?;
    match stored.entry.ok_or(Unreadable::Missing("entry"))? {
        proto::journal_entry::Entry::Open(exchange) => {
            Ok(Entry::Open(Box::new(read::exchange(exchange, world)?)))
        }
        proto::journal_entry::Entry::Close(id) => Ok(Entry::Close(read::id(&id)?)),
        proto::journal_entry::Entry::Over(id) => Ok(Entry::Over(read::id(&id)?)),
    }
}
