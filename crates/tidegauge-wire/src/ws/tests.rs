//! Messages come out whole, whatever the pieces; nonsense ends the reading and nothing else.

use flate2::{Compress, Compression, FlushCompress};
use http::HeaderValue;
use proptest::prelude::*;

use super::*;
use crate::testing::frame;

/// One thing that a direction said.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Heard {
    Message(Vec<u8>, bool),
    Skipped,
    Close(Option<u16>, Vec<u8>),
}

fn read_at(
    coding: Coding,
    bytes: &[u8],
    mut cut: impl FnMut(usize) -> usize,
    mut clock: impl FnMut() -> Duration,
) -> Vec<Heard> {
    let mut frames = Frames::new(coding, Limits::ANSWER);
    let mut heard = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(cut(rest.len()).clamp(1, rest.len()));
        frames.push(clock(), piece, &mut |told| {
            heard.push(match told {
                Told::Message { data, lossy } => Heard::Message(data.to_vec(), lossy),
                Told::Skipped => Heard::Skipped,
                Told::Close(code, reason) => Heard::Close(code, reason.to_vec()),
            });
        });
        rest = tail;
    }
    heard
}

fn read(coding: Coding, bytes: &[u8], cut: impl FnMut(usize) -> usize) -> Vec<Heard> {
    read_at(coding, bytes, cut, || Duration::ZERO)
}

const PLAIN: Coding = Coding::Plain;
const DEFLATE: Coding = Coding::Deflate { takeover: true };
const FRESH: Coding = Coding::Deflate { takeover: false };

const FIN: u8 = 0x80;
const DEFLATED: u8 = 0x40;

fn text(payload: &[u8]) -> Vec<u8> {
    frame(FIN, 1, false, payload)
}

/// The same data deflated as one message, with the memory that `raw` has.
fn deflated(raw: &mut Compress, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 1024);
    let done = raw.total_in();
    raw.compress_vec(data, &mut out, FlushCompress::Sync).unwrap();
    assert_eq!(raw.total_in() - done, data.len() as u64, "the room suffices");
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

fn message(data: &[u8]) -> Heard {
    Heard::Message(data.to_vec(), false)
}

#[test]
fn messages_of_every_length_come_out_whole() {
    for length in [0_usize, 1, 125, 126, 127, 0xffff, 0x1_0000] {
        let data = vec![b'x'; length];
        for masked in [false, true] {
            let bytes = frame(FIN, 1, masked, &data);
            let heard = read(PLAIN, &bytes, |left| left);
            assert_eq!(heard, [message(&data)], "{length} masked: {masked}");
        }
    }
}

#[test]
fn fragments_are_joined_and_control_frames_may_lie_between() {
    let bytes = [
        frame(0, 2, true, b"{\"a\""),
        frame(FIN, 9, true, b"ping"),
        frame(0, 0, true, b":"),
        frame(FIN, 10, true, b""),
        frame(FIN, 0, true, b"1}"),
        text(b"next"),
        frame(FIN, 8, false, &[0x03, 0xe9, b'b', b'y', b'e']),
        text(b"nobody listens"),
    ]
    .concat();
    let heard = read(PLAIN, &bytes, |_| 1);
    let closed = Heard::Close(Some(1001), b"bye".to_vec());
    assert_eq!(heard, [message(b"{\"a\":1}"), message(b"next"), closed]);
}

#[test]
fn a_close_needs_no_code() {
    for (payload, code) in [(&b""[..], None), (b"\x03", None), (b"\x0f\xa0", Some(4000))] {
        let heard = read(PLAIN, &frame(FIN, 8, true, payload), |left| left);
        assert_eq!(heard, [Heard::Close(code, Vec::new())]);
    }
}

#[test]
fn deflated_messages_may_refer_to_those_before() {
    let data: Vec<Vec<u8>> =
        (0..20).map(|n| format!("{{\"type\":\"delta\",\"n\":{n}}}").into()).collect();
    let mut shared = Compress::new(Compression::default(), false);
    let mut bytes = Vec::new();
    for (number, data) in data.iter().enumerate() {
        let body = deflated(&mut shared, data);
        let (first, second) = body.split_at(body.len() / 2);
        bytes.extend(frame(DEFLATED, 1, number % 2 == 0, first));
        bytes.extend(frame(FIN, 0, number % 2 == 0, second));
        // Not every message has to be deflated.
        bytes.extend(text(b"plain"));
    }
    let expected: Vec<Heard> =
        data.iter().flat_map(|data| [message(data), message(b"plain")]).collect();
    assert_eq!(read(DEFLATE, &bytes, |left| left), expected);
    assert_eq!(read(DEFLATE, &bytes, |_| 1), expected);
    // Without the memory the second one makes no sense.
    assert_ne!(read(FRESH, &bytes, |left| left), expected);
}

#[test]
fn deflated_messages_may_stand_alone() {
    let mut bytes = Vec::new();
    for _ in 0..3 {
        let mut fresh = Compress::new(Compression::default(), false);
        bytes.extend(frame(FIN | DEFLATED, 1, true, &deflated(&mut fresh, b"again and again")));
    }
    let expected = vec![message(b"again and again"); 3];
    assert_eq!(read(FRESH, &bytes, |_| 3), expected);
}

/// The examples of RFC 7692, 7.2.3.
#[test]
fn the_examples_of_the_standard_are_read() {
    let hello = message(b"Hello");
    let first = [0xc1, 0x07, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0xc1, 0x05, 0xf2, 0x00, 0x11, 0x00, 0x00];
    let split = [0x41, 0x03, 0xf2, 0x48, 0xcd, 0x80, 0x04, 0xc9, 0xc9, 0x07, 0x00];
    let stored = [0xc1, 0x0b, 0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    // A deflate stream that says it is over.
    let ended = [0xc1, 0x08, 0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(
        read(DEFLATE, &[&first[..], &again].concat(), |_| 1),
        [hello.clone(), hello.clone()]
    );
    for one in [&split[..], &stored, &ended] {
        assert_eq!(read(DEFLATE, one, |left| left), std::slice::from_ref(&hello));
        assert_eq!(read(FRESH, one, |_| 1), std::slice::from_ref(&hello));
    }
}

#[test]
fn what_breaks_the_protocol_ends_the_reading() {
    let nonsense: &[&[u8]] = &[
        &frame(FIN, 0, false, b"continues nothing"),
        &[frame(0, 1, false, b"begins"), text(b"begins again")].concat(),
        &frame(FIN, 3, false, b"unknown kind"),
        &frame(FIN, 11, false, b"unknown kind"),
        &frame(FIN | 0x20, 1, false, b"reserved bit"),
        &frame(FIN | DEFLATED, 1, false, b"not agreed"),
        &frame(0, 9, false, b"a ping in pieces"),
        &frame(FIN, 9, false, &[0; 126]),
        &[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
    ];
    for bytes in nonsense {
        let bytes = [&text(b"before"), *bytes, &text(b"after")].concat();
        assert_eq!(read(PLAIN, &bytes, |_| 1), [message(b"before"), Heard::Skipped]);
        assert_eq!(read(PLAIN, &bytes, |left| left), [message(b"before"), Heard::Skipped]);
    }
    let corrupt = frame(FIN | DEFLATED, 1, false, &[0xff; 64]);
    assert_eq!(read(DEFLATE, &corrupt, |left| left), [Heard::Skipped]);
}

#[test]
fn a_large_message_is_reduced_and_a_huge_one_skipped() {
    let with = |length: usize| format!(r#"{{"audio":"{}","end":true}}"#, "A".repeat(length));
    let large = text(with(500_000).as_bytes());
    let heard = read(PLAIN, &large, |_| 1000);
    let [Heard::Message(data, false)] = &heard[..] else { panic!("{heard:?}") };
    assert!(data.len() < 70_000 && data.ends_with(br#","end":true}"#), "{}", data.len());
    assert_eq!(read(PLAIN, &large, |left| left), heard, "whatever the pieces");
    let huge = [text(with(3 << 20).as_bytes()), text(b"after")].concat();
    assert_eq!(read(PLAIN, &huge, |_| 10_000), [Heard::Skipped, message(b"after")]);
    // What is skipped is still remembered where later messages refer to it.
    let mut shared = Compress::new(Compression::default(), false);
    let noise: String =
        (0..3_u64 << 17).map(|n| format!("{:08x}", n.wrapping_mul(2_654_435_761))).collect();
    let huge = frame(FIN | DEFLATED, 1, true, &deflated(&mut shared, noise.as_bytes()));
    let after = frame(
        FIN | DEFLATED,
        1,
        true,
        &deflated(&mut shared, &noise.as_bytes()[noise.len() - 99..]),
    );
    let heard = read(DEFLATE, &[huge, after].concat(), |_| 7_777);
    assert_eq!(heard, [Heard::Skipped, message(&noise.as_bytes()[noise.len() - 99..])]);
}

#[test]
fn silence_may_deflate_a_thousandfold_but_not_all_at_once() {
    let mut shared = Compress::new(Compression::default(), false);
    let second = vec![b'A'; 128 << 10];
    let bytes: Vec<Vec<u8>> =
        (0..120).map(|_| frame(FIN | DEFLATED, 1, true, &deflated(&mut shared, &second))).collect();
    let count =
        |heard: &[Heard]| heard.iter().filter(|one| matches!(one, Heard::Message(..))).count();
    let bytes = bytes.concat();
    let mut seconds = 0;
    let length = bytes.len() / 120;
    let spoken = read_at(
        DEFLATE,
        &bytes,
        |_| length,
        || {
            seconds += 1;
            Duration::from_secs(seconds)
        },
    );
    assert_eq!(count(&spoken), 120);
    let flood = read(DEFLATE, &bytes, |left| left);
    assert!((30..60).contains(&count(&flood)), "{}", count(&flood));
    assert_eq!(flood.last(), Some(&Heard::Skipped));
}

#[test]
fn what_was_agreed_is_read_from_the_answer() {
    let agreed = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            let value = HeaderValue::from_str(value).unwrap();
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, value);
        }
        let Agreed { client, server } = Agreed::of(&headers);
        (client, server)
    };
    let table: &[(&[&str], (Coding, Coding))] = &[
        (&[], (PLAIN, PLAIN)),
        (&["", " , "], (PLAIN, PLAIN)),
        (&["permessage-deflate"], (DEFLATE, DEFLATE)),
        (&["Permessage-Deflate; client_no_context_takeover"], (FRESH, DEFLATE)),
        (
            &["permessage-deflate;server_no_context_takeover ; server_max_window_bits=10"],
            (DEFLATE, FRESH),
        ),
        (&["permessage-deflate; client_max_window_bits=\"12\""], (DEFLATE, DEFLATE)),
        (&["permessage-deflate; mux"], (Coding::Unknown, Coding::Unknown)),
        (&["permessage-deflate, x-other"], (Coding::Unknown, Coding::Unknown)),
        (&["permessage-deflate", "x-other"], (Coding::Unknown, Coding::Unknown)),
        (&["x-webkit-deflate-frame"], (Coding::Unknown, Coding::Unknown)),
    ];
    for (values, expected) in table {
        assert_eq!(agreed(values), *expected, "{values:?}");
    }
    assert_eq!(read(Coding::Unknown, &text(b"x"), |left| left), []);
}

/// Messages, cut into frames, deflated or not.
fn traffic() -> impl Strategy<Value = (Vec<u8>, Vec<Heard>)> {
    let one =
        (proptest::collection::vec(any::<u8>(), 0..400), 1_usize..4, any::<(bool, bool, bool)>());
    proptest::collection::vec(one, 0..8).prop_map(|all| {
        let mut shared = Compress::new(Compression::fast(), false);
        let (mut bytes, mut heard) = (Vec::new(), Vec::new());
        for (data, parts, (masked, deflate, ping)) in all {
            heard.push(message(&data));
            let body = if deflate { deflated(&mut shared, &data) } else { data };
            let size = body.len() / parts + 1;
            let chunks: Vec<&[u8]> =
                if body.is_empty() { vec![&[]] } else { body.chunks(size).collect() };
            for (number, chunk) in chunks.iter().enumerate() {
                let opcode = if number == 0 { 1 } else { 0 };
                let bits = if number == 0 && deflate { DEFLATED } else { 0 };
                let last = if number + 1 == chunks.len() { FIN } else { 0 };
                bytes.extend(frame(bits | last, opcode, masked, chunk));
                if ping {
                    bytes.extend(frame(FIN, 9, masked, b"are you there"));
                }
            }
        }
        (bytes, heard)
    })
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_messages((bytes, expected) in traffic(), sizes in proptest::collection::vec(1_usize..60, 1..20)) {
        prop_assert_eq!(read(DEFLATE, &bytes, |left| left), expected.clone());
        prop_assert_eq!(read(DEFLATE, &bytes, |_| 1), expected.clone());
        let mut next = sizes.iter().cycle();
        prop_assert_eq!(read(DEFLATE, &bytes, |_| *next.next().unwrap()), expected);
    }

    #[test]
    fn garbage_never_panics_and_reads_the_same_in_any_pieces(
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
        deflate in any::<bool>(),
        size in 1_usize..50,
    ) {
        let coding = if deflate { DEFLATE } else { PLAIN };
        let whole = read(coding, &bytes, |left| left);
        prop_assert_eq!(read(coding, &bytes, |_| size), whole);
    }

    /// Whatever follows what was sound: that stands.
    #[test]
    fn damage_takes_only_what_follows((bytes, expected) in traffic(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut damaged = bytes.clone();
        if bytes.is_empty() {
            return Ok(());
        }
        let at = at.index(bytes.len());
        damaged[at] ^= flip;
        let before = read(DEFLATE, &bytes[..at], |left| left);
        let heard = read(DEFLATE, &damaged, |left| left);
        prop_assert!(heard.starts_with(&before));
        prop_assert!(expected.starts_with(&before));
    }
}
