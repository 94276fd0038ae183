//! Whole exchanges through the public door: bytes in, observation out.

mod cassettes;
mod exchange;
mod own;
mod properties;
mod recordings;
