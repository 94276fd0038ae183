//! Elements at any cut.

use super::Elements;
use crate::sse::MAX_EVENT;

fn split(pieces: &[&[u8]]) -> Vec<String> {
    let mut elements = Elements::default();
    let mut found = Vec::new();
    for piece in pieces {
        elements.push(piece, &mut |event| found.push(String::from_utf8_lossy(event.data).into()));
    }
    found
}

#[test]
fn elements_come_out_at_any_cut() {
    let text = b" [{\"a\":\"]}\\\"\"}\n,\r\n{\"b\":[{},[]]}]\n";
    let want = [r#"{"a":"]}\""}"#, r#"{"b":[{},[]]}"#];
    for cut in 0..=text.len() {
        let (head, tail) = text.split_at(cut);
        assert_eq!(split(&[head, tail]), want, "{cut}");
    }
    assert_eq!(split(&[b"{\"error\":{}}"]), [r#"{"error":{}}"#]);
}

#[test]
fn large_elements_are_reduced() {
    let text = format!("[{{\"a\":\"{}\",\"n\":1}}]", "x".repeat(2 * MAX_EVENT));
    let found = split(&text.as_bytes().chunks(1000).collect::<Vec<_>>());
    assert_eq!(found.len(), 1);
    assert!(found[0].len() < MAX_EVENT && found[0].ends_with(r#","n":1}"#));
}
