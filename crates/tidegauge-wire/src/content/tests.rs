//! Every encoding at every cut, and the bounds.

use std::io::Write;

use http::{HeaderMap, HeaderValue, header};

use super::{Content, MAX_DECODED};

const TEXT: &[u8] = b"data: {\"a\":1}\n\ndata: {\"a\":2}\n\n";

fn headers(encoding: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(header::CONTENT_ENCODING, HeaderValue::from_str(encoding).unwrap());
    map
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let level = flate2::Compression::default();
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::stream::encode_all(bytes, 3).unwrap()
}

/// One uncompressed meta-block after another (RFC 7932, 9.2): a decoder is all we link.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0, 1); // window of 16 bits
    bits.push(0, 1); // not the last block
    bits.push(0, 2); // length in four nibbles
    bits.push(bytes.len() as u32 - 1, 16);
    bits.push(1, 1); // uncompressed
    bits.align();
    bits.bytes.extend_from_slice(bytes);
    bits.bytes.push(3); // the last block, empty
    bits.bytes
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, value: u32, count: u32) {
        for bit in 0..count {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= ((value >> bit & 1) as u8) << (self.used % 8);
            self.used += 1;
        }
    }

    fn align(&mut self) {
        self.used = self.used.next_multiple_of(8);
    }
}

fn decode(encoding: &str, pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut content = Content::new(&headers(encoding));
    let mut out = Vec::new();
    for piece in pieces {
        content.push(piece, |bytes| out.extend_from_slice(bytes));
    }
    (out, content.has_failed())
}

fn encodings() -> Vec<(&'static str, Vec<u8>)> {
    let members = [gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat();
    vec![
        ("identity", TEXT.to_vec()),
        ("gzip", gzip(TEXT)),
        ("x-gzip", members),
        ("deflate", zlib(TEXT)),
        ("Deflate", deflate(TEXT)),
        ("br", brotli(TEXT)),
        ("zstd", zstd(TEXT)),
        ("gzip, zstd", zstd(&gzip(TEXT))),
        ("deflate,identity,gzip", gzip(&zlib(TEXT))),
    ]
}

#[test]
fn every_encoding_at_every_cut() {
    for (encoding, encoded) in encodings() {
        for cut in 0..=encoded.len() {
            let (head, tail) = encoded.split_at(cut);
            assert_eq!(decode(encoding, &[head, tail]), (TEXT.to_vec(), false), "{encoding} {cut}");
        }
        let bytes: Vec<&[u8]> = encoded.chunks(1).collect();
        assert_eq!(decode(encoding, &bytes), (TEXT.to_vec(), false), "{encoding}");
    }
}

#[test]
fn an_encoding_that_breaks_off_fails() {
    let ends = |encoding: &str, bytes: &[u8]| {
        let mut content = Content::new(&headers(encoding));
        content.push(bytes, |_| {});
        content
    };
    for (encoding, encoded) in encodings().into_iter().filter(|(name, _)| *name != "identity") {
        assert!(!ends(encoding, &encoded).ends_failed(true), "{encoding}, whole");
        // Behind the first member of two a body could end.
        let first = gzip(&TEXT[..9]).len();
        for cut in (1..encoded.len()).filter(|cut| encoding != "x-gzip" || *cut != first) {
            assert!(ends(encoding, &encoded[..cut]).ends_failed(true), "{encoding}, {cut}");
            assert!(!ends(encoding, &encoded[..cut]).ends_failed(false), "{encoding}, {cut}");
        }
        assert!(!ends(encoding, b"").ends_failed(true), "{encoding}, empty");
    }
}

#[test]
fn what_was_flushed_is_read_at_once() {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut content = Content::new(&headers("gzip"));
    let mut sent = 0;
    for _ in 0..5 {
        encoder.write_all(TEXT).unwrap();
        encoder.flush().unwrap();
        let mut out = Vec::new();
        content.push(&encoder.get_ref()[sent..], |bytes| out.extend_from_slice(bytes));
        sent = encoder.get_ref().len();
        assert_eq!(out, TEXT);
    }
}

#[test]
fn corrupt_and_mislabelled_bodies_stop_f_19() {
    let mut broken = gzip(&[TEXT; 100].concat());
    let middle = broken.len() / 2;
    broken[middle] ^= 0xff;
    assert!(decode("gzip", &[&broken]).1);
    for encoding in ["gzip", "br", "zstd", "deflate", "mystery", "gzip,gzip,gzip,gzip"] {
        let (out, failed) = decode(encoding, &[b"x = a text that is not encoded at all"]);
        assert!(failed && out.is_empty(), "{encoding}");
    }
}

#[test]
fn bombs_stop_at_the_bound_f_19() {
    let zeros = vec![0; 34 << 20];
    for (encoding, bomb) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        let mut content = Content::new(&headers(encoding));
        let (mut decoded, mut largest) = (0, 0);
        content.push(&bomb, |bytes| {
            decoded += bytes.len() as u64;
            largest = largest.max(bytes.len());
        });
        assert!(content.has_failed(), "{encoding}");
        assert!(decoded <= MAX_DECODED && largest <= 2 << 20, "{encoding} {decoded} {largest}");
    }
}
