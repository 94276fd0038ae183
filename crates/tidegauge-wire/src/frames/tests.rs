//! Frames at any cut, and broken ones.

use flate2::Crc;

use super::Frames;

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

fn frame(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut headers = vec![5];
    headers.extend_from_slice(b"extra\x04\0\0\0\x01");
    headers.push(11);
    headers.extend_from_slice(b":event-type\x07");
    headers.extend_from_slice(&(kind.len() as u16).to_be_bytes());
    headers.extend_from_slice(kind.as_bytes());
    let mut frame = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(&(headers.len() as u32).to_be_bytes());
    frame.extend_from_slice(&crc(&frame));
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&crc(&frame));
    frame
}

fn split(pieces: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, bool) {
    let mut frames = Frames::default();
    let (mut found, mut lossy) = (Vec::new(), false);
    for piece in pieces {
        frames.push(piece, &mut |event| {
            lossy |= event.lossy;
            found.push((event.name.to_owned(), event.data.to_vec()));
        });
    }
    (found, lossy)
}

#[test]
fn frames_come_out_at_any_cut() {
    let body = [frame("a", b"{}"), frame("metadata", b""), frame("b", b"{\"x\":1}")].concat();
    let want = vec![
        ("a".to_owned(), b"{}".to_vec()),
        ("metadata".to_owned(), Vec::new()),
        ("b".to_owned(), b"{\"x\":1}".to_vec()),
    ];
    for cut in 0..=body.len() {
        let (head, tail) = body.split_at(cut);
        assert_eq!(split(&[head, tail]), (want.clone(), false), "{cut}");
    }
}

#[test]
fn a_damaged_frame_ends_the_reading() {
    let good = frame("a", b"{}");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let body = [good.clone(), bad, good.clone()].concat();
        let (found, lossy) = split(&[&body]);
        assert!(lossy && found.len() == 2, "{at}: {found:?}");
        assert_eq!(found[1], (String::new(), Vec::new()));
    }
}
