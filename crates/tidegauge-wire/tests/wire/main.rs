//! Whole exchanges through the public door: bytes in, observation out.

mod cassettes;
mod exchange;
mod properties;
mod recordings;
