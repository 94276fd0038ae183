//! Turns the bytes of an exchange into an [`Observation`](tidegauge_core::Observation).
//!
//! Sans IO: times and bytes are arguments. [`Observer`] is the only state machine; a provider is one
//! file in `providers/`, a host that speaks another's format one row in `providers/compatible.rs`.
//! Wrong input is data: nothing here fails, panics, or grows without bound. This crate must not know
//! an HTTP client, a runtime, the clock, or a price.

mod answer;
mod background;
mod base64;
mod body;
mod content;
mod eventstream;
mod failure;
mod field;
mod figures;
mod finish;
mod form;
mod framing;
mod jsonarray;
mod observer;
mod outcome;
mod percent;
mod prompt;
mod provider;
mod providers;
mod results;
mod said;
mod session;
mod skim;
mod socket;
mod splice;
mod spoken;
mod sse;
#[cfg(feature = "testing")]
pub mod testing;
mod timeline;
mod tools;
mod transcript;
mod turn;
mod work;
mod ws;

pub use answer::Answer;
pub use background::{Background, Spent, Stage};
pub use field::{Items, Json, Members};
pub use observer::{Concluded, Observer};
pub use provider::{
    Asked, Event, PROVIDERS, Provider, Reader, Streams, default_provider, provider,
};
pub use providers::{credential_owner, price_id_of};
pub use socket::Socket;
pub use transcript::{Prompt, Wanted};
pub use turn::Turn;
