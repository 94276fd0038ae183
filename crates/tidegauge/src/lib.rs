//! The roof: a command line and a YAML file into a running process.

pub mod config;
mod log;
