//! stub

mod eventstream;
mod jsonarray;
mod jsonlines;
