//! One piece as a record of the spool: version, scope, length of the resource, resource, message.
//!
//! The resource is written with each piece, because another process may be the one that sends it.

use bytes::Bytes;
use tidegauge_core::Scope;
use tidegauge_spool::Stored;
use tokio::time::Instant;

use crate::queue::Pending;

/// Of this layout. A record of another one is not understood.
const VERSION: u8 = 1;
/// Bytes before the resource.
const HEAD: usize = 1 + 1 + 4;

pub(super) fn encode(resource: &[u8], piece: &Pending) -> Vec<u8> {
    // Resources are some hundred bytes; one that long would not fit in a record anyway.
    let length = u32::try_from(resource.len()).unwrap_or(u32::MAX);
    let mut record = Vec::with_capacity(HEAD + resource.len() + piece.bytes.len());
    record.extend_from_slice(&[VERSION, scope_number(piece.scope)]);
    record.extend_from_slice(&length.to_le_bytes());
    record.extend_from_slice(resource);
    record.extend_from_slice(&piece.bytes);
    record
}

/// The encoded resource and the piece.
pub(super) fn decode(stored: &Stored, now: Instant) -> Option<(Bytes, Pending)> {
    let (&[version, scope], rest) = stored.payload.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (resource, message) = rest.split_at_checked(length)?;
    let scope = Scope::ALL.into_iter().find(|known| scope_number(*known) == scope)?;
    let piece = Pending {
        scope,
        bytes: stored.payload.slice_ref(message),
        units: u64::from(stored.units),
        born: now,
    };
    (version == VERSION).then(|| (stored.payload.slice_ref(resource), piece))
}

/// Never to be changed: it is in files.
fn scope_number(scope: Scope) -> u8 {
    match scope {
        Scope::Http => 0,
        Scope::GenAi => 1,
        Scope::Own => 2,
    }
}
