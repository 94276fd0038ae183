//! Makes binary messages.

/// A message of an event stream with that type, in that header.
pub(crate) fn message(header: &str, kind: &str, payload: &str) -> Vec<u8> {
    let message_type = if header == ":event-type" { "event" } else { "exception" };
    let fields =
        [(header, kind), (":content-type", "application/json"), (":message-type", message_type)];
    let mut head = Vec::new();
    for (name, value) in fields {
        head.push(name.len() as u8);
        head.extend_from_slice(name.as_bytes());
        head.push(7);
        head.extend_from_slice(&(value.len() as u16).to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let total = (12 + head.len() + payload.len() + 4) as u32;
    let mut out = [total.to_be_bytes(), (head.len() as u32).to_be_bytes()].concat();
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(payload.as_bytes());
    out.extend_from_slice(&crc32fast::hash(&out).to_be_bytes());
    out
}

/// Messages that carry events.
pub(crate) fn events(events: &[(&str, &str)]) -> Vec<u8> {
    events.iter().flat_map(|(kind, payload)| message(":event-type", kind, payload)).collect()
}

/// Messages that carry chunks of a vendor's own body.
pub(crate) fn chunks(bodies: &[&str]) -> Vec<u8> {
    let wrap = |body: &&str| format!(r#"{{"bytes":"{}","p":"abcdef"}}"#, base64(body.as_bytes()));
    bodies.iter().flat_map(|body| message(":event-type", "chunk", &wrap(body))).collect()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * place)) as usize & 63]));
        }
        text.push_str(&"=".repeat(3 - group.len()));
    }
    text
}
