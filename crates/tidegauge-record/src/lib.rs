//! The one written form of a record, both ways.
//!
//! In: a [`Record`](tidegauge_core::Record), or a line of JSON that was written from one, by this version or
//! another. Out: [`RecordJson`], which borrows from the record it is written from and owns what it was
//! read into; its text in one [`line`], and what each [field](FIELDS) means. Absent means unknown, never a
//! filler. Adding a field keeps `v`; changing or removing one does not. Must not know files, the clock,
//! providers or prices.

mod content;
mod counts;
mod field;
mod form;
mod line;
mod read;
mod time;
mod write;

pub use content::{ContentJson, Item, Json};
pub use counts::Counts;
pub use field::{CONTENT, FIELDS, FieldDoc};
pub use form::{
    BatchJson, BatchModelJson, BilledJson, CostJson, EstimateJson, LineJson, PromptJson, Reason,
    RecordJson, RequestJson, ResponseJson, TimingJson, UsageJson, VERSION,
};
pub use line::line;
pub use read::{Unreadable, read};
pub use time::{from_rfc3339, rfc3339};

#[cfg(test)]
mod tests;
