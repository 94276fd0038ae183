//! Lists taken from files and addresses, and refused.

use std::io::Read as _;
use std::net::TcpListener;

use super::*;

const LIST: &str = r#"{"m":{"litellm_provider":"openai","input_cost_per_token":1.5e-07}}"#;

fn update(from: &str, to: &Path) -> (Result<Exit, String>, String) {
    let args = UpdateArgs { from: from.to_owned(), to: Some(to.to_owned()), config: None };
    let mut out = Vec::new();
    let done = run(&args, &mut out).map_err(|error| format!("{error:#}"));
    (done, String::from_utf8(out).unwrap())
}

/// Answers one request with these bytes; its address.
fn answering(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut piece = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut piece).unwrap();
            request.extend_from_slice(&piece[..read]);
        }
        // The asking side may have heard enough.
        let _ = stream.write_all(&answer);
    });
    format!("http://user:secret@{address}/list.json?key=secret")
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn a_list_is_taken_from_a_file_and_from_an_address() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("list.json"), dir.path().join("deep/prices.json"));
    std::fs::write(&from, LIST).unwrap();
    let (done, text) = update(from.to_str().unwrap(), &to);
    assert_eq!(done, Ok(Exit::Well), "{text}");
    assert!(text.starts_with("1 models of litellm, "), "{text}");
    // What was written can be taken again, with its words.
    let again = dir.path().join("again.json");
    assert_eq!(update(to.to_str().unwrap(), &again).0, Ok(Exit::Well));
    assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(&again).unwrap());
    let (done, text) = update(&answering(ok(LIST)), &to);
    assert_eq!(done, Ok(Exit::Well), "{text}");
    let written = std::fs::read_to_string(&to).unwrap();
    assert!(written.contains("/list.json\"") && !written.contains("secret"), "{written}");
}

#[test]
fn what_is_no_good_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("list.json"), dir.path().join("prices.json"));
    std::fs::write(&to, "old").unwrap();
    std::fs::write(&from, r#"{"a":{"input_cost_per_token":-1},"b":{"output_cost_per_token":"x"}}"#)
        .unwrap();
    let (done, text) = update(from.to_str().unwrap(), &to);
    assert_eq!(done, Ok(Exit::Bad));
    assert!(
        text.contains("a.input_cost_per_token: ") && text.contains("b.output_cost_per_token: ")
    );
    let redirect = b"HTTP/1.1 302 Found\r\nlocation: /x\r\ncontent-length: 0\r\n\r\n".to_vec();
    let cases = [
        (answering(redirect), "give the address"),
        (answering(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec()), "404"),
        (
            answering(
                b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n".to_vec(),
            ),
            "encoding",
        ),
        (
            answering(
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", u64::MAX / 2).into_bytes(),
            ),
            "",
        ),
        ("http://example.invalid/list.json".to_owned(), "only https"),
        ("/no/such/file".to_owned(), "cannot open"),
    ];
    for (from, told) in cases {
        let error = update(&from, &to).0.unwrap_err();
        assert!(error.contains(told) && !error.contains("secret"), "{from}: {error}");
    }
    assert_eq!(std::fs::read_to_string(&to).unwrap(), "old");
}

#[test]
fn without_a_place_nothing_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("c.yaml");
    std::fs::write(&config, "").unwrap();
    let args = UpdateArgs { from: "-".to_owned(), to: None, config: Some(config) };
    assert!(run(&args, &mut Vec::new()).unwrap_err().to_string().contains("nowhere to put it"));
}
