//! Framing against messages made here and against damage.

use proptest::prelude::*;

use super::*;

/// A message with text headers, and one header of every other type.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(name.len() as u8);
        block.extend_from_slice(name.as_bytes());
        block.push(7);
        block.extend_from_slice(&(value.len() as u16).to_be_bytes());
        block.extend_from_slice(value.as_bytes());
    }
    for (kind, size) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (5, 8), (8, 8), (9, 16)] {
        block.extend_from_slice(&[1, b'x', kind]);
        block.extend_from_slice(&vec![0; size]);
    }
    block.extend_from_slice(&[1, b'y', 6, 0, 2, 0xff, 0xfe]);
    framed(&block, payload)
}

fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = (PRELUDE + headers.len() + payload.len() + TRAILER) as u32;
    let mut out = total.to_be_bytes().to_vec();
    out.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(headers);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

fn stream() -> Vec<u8> {
    [
        message(&[(":message-type", "event"), (":event-type", "messageStart")], b"{}"),
        message(&[(":event-type", "contentBlockDelta"), (":message-type", "event")], b"{\"a\":1}"),
        message(
            &[(":exception-type", "throttlingException"), (":message-type", "exception")],
            b"{\"message\":\"slow down\"}",
        ),
        message(&[], b""),
    ]
    .concat()
}

type Seen = Vec<(Option<String>, Option<String>, Option<String>, Vec<u8>)>;

fn read(pieces: &[&[u8]]) -> (Seen, EventStream) {
    let (mut seen, mut stream) = (Seen::new(), EventStream::default());
    for piece in pieces {
        stream.push(piece, |message| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            seen.push((
                owned(message.kind),
                owned(message.event),
                owned(message.exception),
                message.payload.to_vec(),
            ));
        });
    }
    (seen, stream)
}

#[test]
fn reads_messages() {
    let (seen, parser) = read(&[&stream()]);
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            (text("event"), text("messageStart"), None, b"{}".to_vec()),
            (text("event"), text("contentBlockDelta"), None, b"{\"a\":1}".to_vec()),
            (
                text("exception"),
                None,
                text("throttlingException"),
                b"{\"message\":\"slow down\"}".to_vec()
            ),
            (None, None, None, Vec::new()),
        ]
    );
    assert!(!parser.is_lossy());
}

#[test]
fn every_pair_of_cuts_gives_the_same() {
    let bytes = stream();
    let whole = read(&[&bytes]).0;
    for first in 0..bytes.len() {
        let (left, rest) = bytes.split_at(first);
        let (middle, right) = rest.split_at(rest.len() / 2);
        assert_eq!(read(&[left, middle, right]).0, whole, "cut at {first}");
    }
    assert_eq!(read(&bytes.chunks(1).collect::<Vec<_>>()).0, whole);
}

#[test]
fn a_cut_message_is_left_out() {
    let bytes = stream();
    let (seen, parser) = read(&[&bytes[..bytes.len() - 1]]);
    assert_eq!(seen.len(), 3);
    assert!(parser.is_lossy(), "what was begun was not read");
}

/// Also where the stream ends with the very bytes that would have shown it.
#[test]
fn a_beginning_without_end_is_the_same_at_any_cut() {
    for size in 1..=PRELUDE {
        let bytes = vec![0x2a; size];
        assert!(read(&[&bytes]).1.is_lossy(), "{size}");
        let pieces: Vec<&[u8]> = bytes.chunks(1).collect();
        assert!(read(&pieces).1.is_lossy(), "{size}");
    }
}

#[test]
fn damage_ends_the_reading_and_keeps_what_was_read() {
    let mut bytes = stream();
    let second =
        message(&[(":message-type", "event"), (":event-type", "messageStart")], b"{}").len();
    bytes[second + PRELUDE + 3] ^= 1;
    let (seen, parser) = read(&[&bytes]);
    assert_eq!(seen.len(), 1);
    assert!(parser.is_lossy());
}

#[test]
fn odd_lengths_are_damage() {
    for (total, headers) in [(0, 0), (15, 0), (16, 1), (u32::MAX, 0), (MAX_DECLARED as u32 + 1, 0)]
    {
        let mut bytes = total.to_be_bytes().to_vec();
        bytes.extend_from_slice(&u32::to_be_bytes(headers));
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend_from_slice(&[0; 64]);
        let (seen, parser) = read(&[&bytes]);
        assert!(seen.is_empty() && parser.is_lossy(), "{total} {headers}");
    }
}

#[test]
fn headers_beyond_their_block_are_damage() {
    for block in [&[200, b'x'][..], &[1, b'x', 7, 9, 9, 0], &[1, b'x', 42], &[1, b'x', 9, 0]] {
        let (seen, parser) = read(&[&framed(block, b"")]);
        assert!(seen.is_empty() && parser.is_lossy(), "{block:?}");
    }
}

#[test]
fn a_long_message_is_stepped_over() {
    let mut bytes = framed(&[], &vec![b'x'; MAX_HELD]);
    bytes.extend_from_slice(&message(&[(":event-type", "metadata")], b"{}"));
    for pieces in [vec![&bytes[..]], bytes.chunks(777).collect(), vec![&bytes[..5], &bytes[5..]]] {
        let (seen, parser) = read(&pieces);
        assert_eq!(seen.len(), 1);
        assert!(parser.is_lossy());
    }
}

proptest! {
    #[test]
    fn flipped_bits_never_panic_nor_invent(at in 0usize..512, bit in 0u8..8, cut in 1usize..64) {
        let mut bytes = stream();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        let whole = read(&[&stream()]).0;
        let (seen, parser) = read(&bytes.chunks(cut).collect::<Vec<_>>());
        prop_assert!(whole.starts_with(&seen));
        prop_assert!(parser.is_lossy() || seen.len() < whole.len());
    }

    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..256), cut in 1usize..32) {
        read(&noise.chunks(cut).collect::<Vec<_>>());
    }
}
