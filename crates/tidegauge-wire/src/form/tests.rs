//! Fields in any order, files of any size, any cut.

use super::Form;

const KIND: &str = "multipart/form-data; boundary=\"--xYz\"";

fn read(kind: &str, pieces: &[&[u8]]) -> String {
    let mut form = Form::new(kind).expect("a form");
    pieces.iter().for_each(|piece| form.push(piece));
    String::from_utf8(form.finish()).unwrap()
}

fn body(file: &[u8]) -> Vec<u8> {
    let mut body =
        b"----xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\
        Content-Type: audio/wav\r\n\r\n"
            .to_vec();
    body.extend_from_slice(file);
    body.extend_from_slice(
        b"\r\n----xYz\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n\
        ----xYz\r\nContent-Disposition: form-data; name=\"empty\"\r\n\r\n\r\n\
        ----xYz\r\nContent-Type: text/plain\r\nContent-Disposition: form-data; name=stream\r\n\r\ntrue\r\n\
        ----xYz--\r\n",
    );
    body
}

const WANT: &str = r#"{"model":"whisper-1","empty":"","stream":"true"}"#;

#[test]
fn fields_come_out_at_any_cut() {
    let body = body(b"RIFF\r\n--\r\n----xY\r\n\0\xff");
    for cut in 0..=body.len() {
        let (head, tail) = body.split_at(cut);
        assert_eq!(read(KIND, &[head, tail]), WANT, "{cut}");
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(read(KIND, &bytes), WANT);
}

#[test]
fn what_is_too_long_is_so_at_any_cut() {
    for size in (1020..1040).chain(4060..4110).chain([15_000]) {
        let long = "x".repeat(size);
        let part = |head: &str, value: &str| {
            format!("----xYz\r\ncontent-disposition: form-data; name=a{head}\r\n\r\n{value}\r\n")
        };
        for document in [
            part("", &long),
            part(&format!("\r\nx: {long}"), "v"),
            format!("----xYz{long}\r\ncontent-disposition: form-data; name=a\r\n\r\nv\r\n"),
        ] {
            let document = document + "----xYz--\r\n";
            let whole = read(KIND, &[document.as_bytes()]);
            let pieces: Vec<&[u8]> = document.as_bytes().chunks(1).collect();
            assert_eq!(read(KIND, &pieces), whole, "{size}");
        }
    }
}

#[test]
fn files_are_not_held() {
    let mut form = Form::new(KIND).unwrap();
    form.push(&body(&vec![b'-'; 8 << 20]));
    assert!(form.held.capacity() < 256 << 10, "{}", form.held.capacity());
    assert_eq!(String::from_utf8(form.finish()).unwrap(), WANT);
}

#[test]
fn what_is_no_form_is_none() {
    for kind in [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "text/plain; boundary=x",
    ] {
        assert!(Form::new(kind).is_none(), "{kind}");
    }
    for text in ["", "garbage", "----xYz", "----xYz--", "----xYz\r\nno head"] {
        assert_eq!(read(KIND, &[text.as_bytes()]), "{}", "{text}");
    }
    let endless = vec![b'x'; 1 << 20];
    assert_eq!(read(KIND, &[b"----xYz\r\n", &endless]), "{}");
}

/// Many small parts cost no more than a few large ones.
#[test]
fn parts_are_looked_at_once() {
    let parts = "----xYz\r\n\r\n\r\n".repeat(10_000);
    for size in [100, 1 << 20] {
        let pieces: Vec<&[u8]> = parts.as_bytes().chunks(size).collect();
        let (_, cost) = crate::testing::form(KIND, &pieces).expect("a form");
        assert!(cost.work < 4 * parts.len() as u64, "{} for {}", cost.work, parts.len());
    }
}
