//! Doors to what stands between bytes and readers, for tests and fuzzing: bytes in pieces go in, what
//! they were taken for comes out, with what it cost.
//!
//! Only built with the feature `testing`. Must not hold logic of its own.

use http::{HeaderMap, HeaderValue, header};

use crate::content::Content;
use crate::eventstream::EventStream;
use crate::field::{Doc, Json};
use crate::form::Form;
use crate::framing::Framing;
use crate::jsonarray::JsonArray;
use crate::provider::Streams;
use crate::skim::{Limits, Skim};
use crate::sse::Sse;
use crate::work;
use crate::{base64, percent};

/// What came of some bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Passed {
    /// What was given out, piece by piece: events with their names, fields, decoded bytes.
    pub out: Vec<(String, Vec<u8>)>,
    /// Parts could not be read or were left out.
    pub lossy: bool,
}

/// What it cost to read some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cost {
    /// The most bytes that were held at any time between two pieces.
    pub held: usize,
    /// Bytes that were looked at or copied, each as often as it was.
    pub work: u64,
}

/// Server-sent events.
pub fn events(pieces: &[&[u8]]) -> (Passed, Cost) {
    framed(Framing::Sse(Box::<Sse>::default()), pieces)
}

/// Binary messages.
pub fn messages(pieces: &[&[u8]]) -> (Passed, Cost) {
    framed(Framing::Messages(Box::<EventStream>::default()), pieces)
}

/// The elements of a JSON list.
pub fn elements(pieces: &[&[u8]]) -> (Passed, Cost) {
    framed(Framing::Elements(Box::<JsonArray>::default()), pieces)
}

/// A body with that content type, of an API that streams in lines.
pub fn lines(content_type: &str, pieces: &[&[u8]]) -> (Passed, Cost) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(content_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    framed(Framing::new(&headers, Streams::Lines, &Limits::ANSWER), pieces)
}

fn framed(mut framing: Framing, pieces: &[&[u8]]) -> (Passed, Cost) {
    let (mut passed, mut held) = (Passed::default(), 0);
    work::take();
    for piece in pieces {
        framing.push(piece, &mut |event| {
            passed.out.push((event.name.to_owned(), event.data.to_vec()));
            passed.lossy |= event.lossy;
        });
        held = held.max(framing.held());
    }
    let rest = framing.finish(&mut |event| {
        passed.out.push((event.name.to_owned(), event.data.to_vec()));
        passed.lossy |= event.lossy;
    });
    if let Some(rest) = rest {
        let rest = rest.read(&mut Doc::default());
        passed.lossy |= rest.lossy;
        passed.out.push((String::new(), rest.json));
    }
    (passed, Cost { held, work: work::take() })
}

/// The fields of a form, or nothing where the content type is not that of one.
pub fn form(content_type: &str, pieces: &[&[u8]]) -> Option<(Vec<u8>, Cost)> {
    let (mut form, mut held) = (Form::new(content_type)?, 0);
    work::take();
    for piece in pieces {
        form.push(piece);
        held = held.max(form.held());
    }
    let json = form.finish();
    Some((json, Cost { held, work: work::take() }))
}

/// The decoded bytes of a body with these content codings.
pub fn decoded(codings: &str, pieces: &[&[u8]]) -> Passed {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(codings) {
        headers.insert(header::CONTENT_ENCODING, value);
    }
    let (mut content, mut bytes) = (Content::new(&headers), Vec::new());
    for piece in pieces {
        content.push(piece, |decoded| bytes.extend_from_slice(decoded));
    }
    Passed { out: vec![(String::new(), bytes)], lossy: content.has_failed() }
}

/// A text reduced as an answer's or a request's is.
pub fn skimmed(request: bool, pieces: &[&[u8]]) -> (Passed, Cost) {
    let mut skim = Skim::new(if request { Limits::REQUEST } else { Limits::ANSWER });
    let mut held = 0;
    work::take();
    for piece in pieces {
        skim.push(piece);
        held = held.max(skim.held());
    }
    let skimmed = skim.finish();
    let passed = Passed { out: vec![(String::new(), skimmed.json)], lossy: skimmed.lossy };
    (passed, Cost { held, work: work::take() })
}

/// How many values a text holds, each of them looked at in every way; `None` if it is not JSON.
pub fn values(text: &[u8]) -> Option<u64> {
    let mut doc = Doc::default();
    doc.parse(text).then(|| walk(doc.root(text)))
}

fn walk(value: Json<'_>) -> u64 {
    let mut odd = false;
    let _ = (value.kept(16), value.number(), value.float(), value.integer(), value.bool());
    let _ = (value.count(&mut odd), value.size(), value.len(), value.is_cut(), value.span());
    let _ = (value.get("usage").exists(), value.text().is_some_and(|text| value.is(&text)));
    let items: u64 = value.items().map(walk).sum();
    let members: u64 = value.members().map(|(name, value)| walk(name) + walk(value)).sum();
    1 + items + members
}

/// The bytes that a text in base64 stands for.
pub fn of_base64(text: &[u8]) -> Option<Vec<u8>> {
    base64::decode(text)
}

/// A path segment without its percent encoding.
pub fn of_percent(segment: &str) -> String {
    percent::decode(segment).into_owned()
}

/// A frame of a websocket with these first four bits and this kind, masked as a client's or not
/// (RFC 6455, 5.2).
pub fn frame(bits: u8, opcode: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mask_bit = if masked { 0x80 } else { 0 };
    let mut out = vec![bits | opcode];
    match payload.len() {
        small @ 0..=125 => out.push(mask_bit | small as u8),
        medium @ 126..=0xffff => {
            out.push(mask_bit | 126);
            out.extend((medium as u16).to_be_bytes());
        }
        large => {
            out.push(mask_bit | 127);
            out.extend((large as u64).to_be_bytes());
        }
    }
    let key = [0x37, 0xfa, 0x21, 0x3d];
    if masked {
        out.extend(key);
        out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    } else {
        out.extend(payload);
    }
    out
}
