//! Fields of protobuf messages, written to the end of a buffer.
//!
//! Only what our own messages need, so that a span is written in one pass and without a struct of
//! texts between. Knows no message.

/// The kinds of field that are written here.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH: u64 = 2;
const FIXED32: u64 = 5;

/// A number in seven bits a byte.
#[inline]
pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    // Lengths and numbers are mostly small.
    while value >= 0x80 {
        out.push(low(value) | 0x80);
        value >>= 7;
    }
    out.push(low(value));
}

/// How many bytes [`varint`] takes.
#[inline]
pub(crate) fn varint_len(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    (bits as usize).div_ceil(7)
}

/// Bytes or text; nothing when empty, as the protocol wants.
#[inline]
pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    if !value.is_empty() {
        length(out, field, value.len());
        out.extend_from_slice(value);
    }
}

/// The head of a field of `len` bytes, which the caller writes next.
#[inline]
pub(crate) fn length(out: &mut Vec<u8>, field: u32, len: usize) {
    key(out, field, LENGTH);
    varint(out, len as u64);
}

/// A whole number; nothing when zero.
#[inline]
pub(crate) fn number(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        key(out, field, VARINT);
        varint(out, value);
    }
}

/// A number of eight bytes; nothing when zero.
#[inline]
pub(crate) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        key(out, field, FIXED64);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// A number of four bytes; nothing when zero.
#[inline]
pub(crate) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    if value != 0 {
        key(out, field, FIXED32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[inline]
fn key(out: &mut Vec<u8>, field: u32, kind: u64) {
    varint(out, u64::from(field) << 3 | kind);
}

#[inline]
fn low(value: u64) -> u8 {
    (value & 0x7f) as u8
}
