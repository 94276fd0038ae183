//! Numbers: what an exchange cost and how long it took, one by one and over rolling windows.
//!
//! In: an exchange and its observation. Out: a [`tidegauge_core::Measurement`], and live percentiles
//! of many. [`redact`] makes of a text one that may be shown. Pure: the clock is an argument, there is
//! no IO. Must not know: bytes, formats, provider names, telemetry.

mod arguments;
mod asked;
mod billed;
mod breakdown;
mod catalogue;
mod deals;
mod decimal;
#[cfg(test)]
mod example;
mod explain;
mod histogram;
mod litellm;
mod load;
mod measure;
mod memo;
mod mistake;
mod moved;
mod names;
mod overlay;
mod pattern;
mod price;
pub mod redact;
mod rules;
mod second;
mod table;
mod tokens;
mod window;

pub use arguments::Schemas;
pub use asked::{Asked, By};
pub use breakdown::{Breakdown, Why};
pub use explain::{Listed, ListedRate, ListedRates, Tier};
pub use histogram::Percentiles;
pub use load::Form;
pub use measure::measure;
pub use mistake::{CatalogueError, CatalogueMistake};
pub use overlay::{GpuPrice, OwnPrice, OwnPriceError};
pub use price::{Found, Prices};
pub use tokens::{can_estimate_at_once, estimate};
pub use window::{Bounds, Key, Row, Span, Windows};
