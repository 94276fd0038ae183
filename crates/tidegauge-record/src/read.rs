//! From text.

use crate::{RecordJson, VERSION};

/// Why a text is no record that can be read here.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Something else than a JSON object.
    #[error("it is no record: not an object")]
    NoObject,
    /// Not JSON, or a field is of another type.
    #[error("it is no record: {0}")]
    Shape(#[from] serde_json::Error),
    /// Written in a form that this version does not know.
    #[error("it is of version {0} of the format, and {VERSION} is the latest known here")]
    Version(u32),
}

/// Reads a record. What is missing is unknown (a number that is always there is 0 then), and fields that
/// are not known are left out.
///
/// # Errors
/// When it is no JSON object, a field has another type than it should, or its version is later than ours.
pub fn read(text: &[u8]) -> Result<RecordJson<'static>, Unreadable> {
    // Lists would be taken for fields in their order.
    if text.trim_ascii_start().first() != Some(&b'{') {
        return Err(Unreadable::NoObject);
    }
    let record: RecordJson<'static> = serde_json::from_slice(text)?;
    if record.v > VERSION {
        return Err(Unreadable::Version(record.v));
    }
    Ok(record)
}
