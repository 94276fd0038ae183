//! Against a simple reader of whole streams, at every cut.

use proptest::prelude::*;

use super::{MAX_EVENT, Sse};

type Owned = (String, Vec<u8>);

/// The standard's algorithm on a whole stream, as plainly as it can be written. It gives out the
/// last event too.
fn reference(stream: &[u8]) -> Vec<Owned> {
    let stream = stream.strip_prefix(b"\xef\xbb\xbf").unwrap_or(stream);
    let text: Vec<u8> = stream.to_vec();
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\r' | b'\n' => {
                if text[at] == b'\r' && text.get(at + 1) == Some(&b'\n') {
                    at += 1;
                }
                lines.push(Vec::new());
            }
            byte => lines.last_mut().unwrap().push(byte),
        }
        at += 1;
    }
    lines.push(Vec::new());
    let (mut events, mut name, mut data) = (Vec::new(), String::new(), Vec::<Vec<u8>>::new());
    for line in lines {
        if line.is_empty() {
            if !data.is_empty() {
                events.push((name.clone(), data.join(&b"\n"[..])));
            }
            name.clear();
            data.clear();
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (field, value) = match colon {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => data.push(value.to_vec()),
            b"event" => name = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
    events
}

fn parse(pieces: &[&[u8]]) -> Vec<Owned> {
    let mut sse = Sse::default();
    let mut events = Vec::new();
    for piece in pieces {
        sse.push(piece, |event| events.push((event.name.to_owned(), event.data.to_vec())));
    }
    sse.finish(|event| events.push((event.name.to_owned(), event.data.to_vec())));
    events
}

#[test]
fn the_rules_of_the_standard() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("data: a\n\n", &[("", "a")]),
        ("data:a\r\rdata:  b\r\r", &[("", "a"), ("", " b")]),
        ("event: x\r\ndata: a\r\ndata: b\r\n\r\n", &[("x", "a\nb")]),
        ("\u{feff}data: a\n\n", &[("", "a")]),
        (": comment\n\ndata: a\n\n: [DONE]\n\n", &[("", "a")]),
        ("data: last", &[("", "last")]),
        ("event: lost\n\ndata: a\n\n", &[("", "a")]),
        ("data\ndata\n\n", &[("", "\n")]),
        ("id: 1\nretry: 5\nother: z\ndata: a\n\n", &[("", "a")]),
    ];
    for (stream, want) in cases {
        let want: Vec<Owned> =
            want.iter().map(|(n, d)| ((*n).to_owned(), d.as_bytes().to_vec())).collect();
        assert_eq!(parse(&[stream.as_bytes()]), want, "{stream:?}");
        assert_eq!(reference(stream.as_bytes()), want, "{stream:?}");
        for cut in 0..=stream.len() {
            let (head, tail) = stream.as_bytes().split_at(cut);
            assert_eq!(parse(&[head, tail]), want, "{stream:?} cut at {cut}");
        }
    }
}

#[test]
fn an_event_that_is_too_large_is_reduced_alike_at_any_cut() {
    let event = format!("data: {{\"a\":\"{}\",\n", "x".repeat(3 * MAX_EVENT));
    let stream = format!("{event}data: \"usage\":{{\"n\":7}}}}\n\ndata: next\n\n");
    let whole = parse(&[stream.as_bytes()]);
    assert_eq!(whole.len(), 2);
    assert!(whole[0].1.len() < MAX_EVENT, "{}", whole[0].1.len());
    assert!(whole[0].1.ends_with(br#""usage":{"n":7}}"#));
    for size in [1, 7, 1000, MAX_EVENT - 1, MAX_EVENT, MAX_EVENT + 1] {
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(size).collect();
        assert_eq!(parse(&pieces), whole, "pieces of {size}");
    }
}

#[test]
fn endless_lines_are_not_held() {
    let mut sse = Sse::default();
    for _ in 0..1000 {
        sse.push(&[b'x'; 4096], |_| panic!("no event"));
    }
    sse.push(b"\ndata: a\n\n", |event| assert_eq!(event.data, b"a"));
    sse.push(b"data: \"", |_| panic!("no event"));
    for _ in 0..1000 {
        sse.push(&[b'x'; 4096], |_| panic!("no event"));
    }
    let mut sizes = Vec::new();
    sse.push(b"\"\n\n", |event| sizes.push(event.data.len()));
    assert_eq!(sizes.len(), 1);
    assert!(sizes[0] < MAX_EVENT);
}

fn any_stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("data: "),
        Just("data:"),
        Just("data"),
        Just("event: "),
        Just(": c"),
        Just("\n"),
        Just("\r"),
        Just("\r\n"),
        Just("\u{feff}"),
        Just("{\"a\":1}"),
        Just("é"),
        Just(" "),
        Just("[DONE]"),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_pieces_are_the_reference(stream in any_stream(), sizes in prop::collection::vec(1usize..6, 1..20)) {
        let want = reference(&stream);
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        prop_assert_eq!(parse(&pieces), want);
    }

    #[test]
    fn any_bytes_do_no_harm(stream in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(parse(&[&stream]), reference(&stream));
    }
}
