//! Undoes the content encodings of a copied body, piece by piece and within bounds.
//!
//! Past a bound, or where the data is corrupt, decoding stops for good: what was decoded until then
//! stands, and the observation is partial. It must not know what the body means.

use std::io::{self, Write};

use brotli_decompressor::DecompressorWriter;
use flate2::write::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header};
use zstd::stream::zio::Writer;

/// The most that is decoded of one body.
const MAX_DECODED: u64 = 32 << 20;
/// So much may be decoded whatever the ratio.
const FREE: u64 = 1 << 20;
/// The largest ratio of decoded to encoded bytes past that.
const MAX_RATIO: u64 = 100;
/// How many encodings may be stacked.
const MAX_STACK: usize = 3;
/// How much is decoded in one step, so that what one step yields stays small.
const STEP: usize = 4096;

/// Decodes one body.
pub(crate) struct Content {
    /// Outermost first: the last encoding that was applied is undone first.
    stack: Vec<Decoder>,
    encoded: u64,
    failed: bool,
}

enum Decoder {
    Gzip(Box<MultiGzDecoder<Bounded>>),
    /// Which of its two forms a deflated body has, its first byte tells.
    UnknownDeflate,
    Zlib(Box<ZlibDecoder<Bounded>>),
    Deflate(Box<DeflateDecoder<Bounded>>),
    Brotli(Box<DecompressorWriter<Bounded>>),
    Zstd(Box<Writer<Bounded, zstd::stream::raw::Decoder<'static>>>),
    /// An encoding that is not known.
    Unknown,
}

/// Takes decoded bytes until the body has had its share.
#[derive(Debug, Default)]
struct Bounded {
    bytes: Vec<u8>,
    taken: u64,
    allowed: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.taken += bytes.len() as u64;
        if self.taken > self.allowed {
            return Err(io::Error::other("over the bound"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Content {
    /// A decoder for a body with these headers.
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let codings = headers.get_all(header::CONTENT_ENCODING);
        let names = codings.iter().flat_map(|value| value.to_str().unwrap_or("?").split(','));
        let mut stack: Vec<Decoder> = names.filter_map(|name| Decoder::new(name.trim())).collect();
        stack.reverse();
        let failed = stack.len() > MAX_STACK;
        Self { stack, encoded: 0, failed }
    }

    /// Whether decoding has stopped before the end of the body.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The body is over. Whether decoding stopped before its end, or the body, of which nothing more is
    /// to come if it is `whole`, ended inside an encoding.
    pub(crate) fn ends_failed(mut self, whole: bool) -> bool {
        self.failed || whole && self.encoded > 0 && self.stack.iter_mut().any(Decoder::is_open)
    }

    /// The next piece of the body; decoded pieces are given to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], mut out: impl FnMut(&[u8])) {
        if self.failed {
            return;
        }
        if self.stack.is_empty() {
            return out(bytes);
        }
        for step in bytes.chunks(STEP) {
            self.encoded += step.len() as u64;
            let ratio = self.encoded.saturating_mul(MAX_RATIO).max(FREE);
            let allowed = ratio.min(MAX_DECODED);
            if decode(&mut self.stack, step, allowed, &mut out).is_err() {
                self.failed = true;
                return;
            }
        }
    }
}

/// Decodes by the first of the stack, and what it yields by the others. What was yielded before an
/// error is given out.
fn decode(
    stack: &mut [Decoder],
    bytes: &[u8],
    allowed: u64,
    out: &mut dyn FnMut(&[u8]),
) -> io::Result<()> {
    let Some((first, others)) = stack.split_first_mut() else {
        out(bytes);
        return Ok(());
    };
    let result = first.write(bytes, allowed);
    let decoded = first.take();
    let passed = decoded.chunks(STEP).try_for_each(|step| decode(others, step, allowed, out));
    result.and(passed)
}

impl Decoder {
    /// `None` for the encoding that is none.
    fn new(name: &str) -> Option<Self> {
        let sink = Bounded::default;
        Some(match name.to_ascii_lowercase().as_str() {
            "" | "identity" => return None,
            "gzip" | "x-gzip" => Self::Gzip(Box::new(MultiGzDecoder::new(sink()))),
            "deflate" => Self::UnknownDeflate,
            "br" => Self::Brotli(Box::new(DecompressorWriter::new(sink(), STEP))),
            "zstd" => match zstd::stream::raw::Decoder::new() {
                Ok(decoder) => Self::Zstd(Box::new(Writer::new(sink(), decoder))),
                Err(_) => Self::Unknown,
            },
            _ => Self::Unknown,
        })
    }

    fn write(&mut self, bytes: &[u8], allowed: u64) -> io::Result<()> {
        if matches!(self, Self::UnknownDeflate) {
            let Some(first) = bytes.first() else { return Ok(()) };
            // The low half of a zlib header's first byte is always 8.
            *self = if first & 0x0f == 8 {
                Self::Zlib(Box::new(ZlibDecoder::new(Bounded::default())))
            } else {
                Self::Deflate(Box::new(DeflateDecoder::new(Bounded::default())))
            };
        }
        if let Some(sink) = self.sink() {
            sink.allowed = allowed;
        }
        let writer: &mut dyn Write = match self {
            Self::Gzip(decoder) => decoder,
            Self::Zlib(decoder) => decoder,
            Self::Deflate(decoder) => decoder,
            Self::Brotli(decoder) => decoder,
            Self::Zstd(decoder) => decoder,
            Self::UnknownDeflate | Self::Unknown => return Err(io::Error::other("not known")),
        };
        writer.write_all(bytes)?;
        writer.flush()
    }

    /// Whether more bytes are needed before the encoding ends.
    fn is_open(&mut self) -> bool {
        match self {
            Self::Gzip(decoder) => decoder.try_finish().is_err(),
            // Behind its end a deflated body takes no byte more.
            Self::Zlib(decoder) => decoder.write(&[0]).map_or(true, |taken| taken > 0),
            Self::Deflate(decoder) => decoder.write(&[0]).map_or(true, |taken| taken > 0),
            Self::Brotli(decoder) => decoder.close().is_err(),
            Self::Zstd(decoder) => decoder.finish().is_err(),
            Self::UnknownDeflate | Self::Unknown => true,
        }
    }

    fn take(&mut self) -> Vec<u8> {
        self.sink().map(|sink| std::mem::take(&mut sink.bytes)).unwrap_or_default()
    }

    fn sink(&mut self) -> Option<&mut Bounded> {
        match self {
            Self::Gzip(decoder) => Some(decoder.get_mut()),
            Self::Zlib(decoder) => Some(decoder.get_mut()),
            Self::Deflate(decoder) => Some(decoder.get_mut()),
            Self::Brotli(decoder) => Some(decoder.get_mut()),
            Self::Zstd(decoder) => Some(decoder.writer_mut()),
            Self::UnknownDeflate | Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
