//! What the fuzz targets check, so that ordinary tests can check it too.

#[cfg(feature = "house")]
pub mod house;
pub mod pieces;
pub mod wire;
