//! Numbers: what an exchange cost and how long it took, one by one and over rolling windows.
//!
//! In: an exchange and its observation. Out: a [`tidegauge_core::Measurement`], and live percentiles
//! of many. [`redact`] makes of a text one that may be shown. Pure: the clock is an argument, there is
//! no IO. Must not know: bytes, formats, provider names, telemetry.

mod arguments;
mod billed;
mod breakdown;
mod catalogue;
mod decimal;
#[cfg(test)]
mod example;
mod explain;
mod histogram;
mod litellm;
mod load;
mod measure;
mod memo;
mod moved;
mod overlay;
mod price;
pub mod redact;
mod table;
mod tokens;
mod window;

pub use arguments::Schemas;
pub use breakdown::{Breakdown, Why};
pub use explain::{Listed, ListedRate, ListedRates, Tier};
pub use histogram::Percentiles;
pub use load::{CatalogueError, CatalogueMistake, Form};
pub use measure::measure;
pub use overlay::{GpuPrice, OwnPrice, OwnPriceError};
pub use price::{Asked, By, Found, Prices, Unlisted};
pub use tokens::{can_estimate_at_once, estimate};
pub use window::{Bounds, Key, Row, Span, Windows};
