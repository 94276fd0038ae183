//! The door: what is permitted, what a request takes away, and what never gets through.

use http::{HeaderName, HeaderValue};
use tidegauge_core::{Message, Modality, ToolDefinition, Value};

use super::*;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        let name = HeaderName::try_from(*name).unwrap();
        map.append(name, HeaderValue::try_from(*value).unwrap());
    }
    map
}

#[test]
fn a_request_may_only_ask_for_less() {
    use Capture::{Full, Off, Redacted};
    let (both, none) = ((true, true), (false, false));
    let (only_request, only_response) = ((true, false), (false, true));
    type Row<'a> = (Capture, &'a [(&'a str, &'a str)], Capture, (bool, bool));
    let rows: &[Row<'_>] = &[
        (Off, &[], Off, none),
        (Off, &[("x-tidegauge-capture", "full")], Off, none),
        (Redacted, &[], Redacted, both),
        (Redacted, &[("x-tidegauge-capture", "full")], Redacted, both),
        (Redacted, &[("x-tidegauge-capture", "off")], Off, none),
        (Full, &[("x-tidegauge-capture", "redacted")], Redacted, both),
        (Full, &[("x-tidegauge-capture", "full")], Full, both),
        (Full, &[("x-tidegauge-capture", "never")], Off, none),
        (Full, &[("x-tidegauge-capture", "full"), ("x-tidegauge-capture", "off")], Off, none),
        (Full, &[("helicone-omit-request", "true")], Full, only_response),
        (Full, &[("helicone-omit-response", "TRUE")], Full, only_request),
        (Full, &[("helicone-omit-request", "1"), ("helicone-omit-response", "yes")], Full, none),
        (Full, &[("helicone-omit-request", "false")], Full, both),
        (Full, &[("cf-aig-collect-log", "false")], Full, none),
        (Full, &[("cf-aig-collect-log", "true")], Full, both),
        (Full, &[("cf-aig-collect-log-payload", "false")], Full, none),
        (Full, &[("x-portkey-debug", "False")], Full, none),
        (Full, &[("x-portkey-debug", "true")], Full, both),
        (Full, &[("x-litellm-enable-message-redaction", "true")], Full, none),
        (Full, &[("litellm-enable-message-redaction", "true")], Full, none),
        (Full, &[("litellm-disable-message-redaction", "true")], Full, both),
    ];
    for (permitted, fields, level, halves) in rows {
        let permit = Permit::of(*permitted, &headers(fields));
        let told = (permit.level, (permit.request, permit.response));
        assert_eq!(told, (*level, *halves), "{permitted:?} {fields:?}");
    }
}

const SECRET: &str = "ann@example.com";

/// A content with the secret in every place that can hold a text.
fn said() -> Box<Content> {
    let text = || format!("write to {SECRET} now");
    let value = || {
        let list = Value::List(vec![Value::Text(text()), Value::Whole(7)]);
        Value::Map(vec![
            (text(), list),
            ("password".to_owned(), Value::Text("correct-horse-9".to_owned())),
        ])
    };
    let parts = vec![
        Part::Text { content: text() },
        Part::Reasoning { content: text() },
        Part::ToolCall { id: Some(text()), name: text(), arguments: Some(value()) },
        Part::ToolCallResponse { id: Some(text()), response: value() },
        Part::ServerToolCall { id: Some(text()), name: text(), call: value() },
        Part::ServerToolCallResponse { id: Some(text()), response: value() },
        Part::Blob { modality: Modality::Image, mime_type: None, content: "QUFB".to_owned() },
        Part::Uri { modality: Modality::Image, mime_type: Some(text()), uri: text() },
        Part::File { modality: Modality::Image, mime_type: None, file_id: text() },
        Part::Compaction { id: Some(text()), content: Some(text()) },
        Part::Other { kind: text(), content: Some(text()) },
    ];
    let message = Message {
        role: text(),
        parts: parts.clone(),
        name: Some(text()),
        finish_reason: Some(text()),
    };
    let tool = ToolDefinition {
        kind: text(),
        name: text(),
        description: Some(text()),
        parameters: Some(value()),
    };
    let (input, output) = (vec![message.clone()], vec![message]);
    Box::new(Content { system: parts, input, output, tools: vec![tool], truncated: false })
}

#[test]
fn what_is_redacted_holds_no_secret_anywhere() {
    let health = Health::default();
    let rules = Rules::new(&[], true).unwrap();
    let admitted = rules.admit(Some(said()), Capture::Redacted, &health).unwrap();
    let shown = format!("{admitted:?}");
    for secret in [SECRET, "correct-horse-9", "QUFB"] {
        assert!(format!("{:?}", said()).contains(secret));
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(admitted.truncated && shown.contains("write to ") && shown.contains("Whole(7)"));
    assert_eq!(rules.admit(Some(said()), Capture::Full, &health), Some(said()));
    assert_eq!(rules.admit(Some(said()), Capture::Off, &health), None);
    assert_eq!(rules.admit(None, Capture::Full, &health), None);
    assert!(Withheld::ALL.iter().all(|why| health.contents_dropped(*why) == 0));
}

#[test]
fn patterns_of_ones_own_count() {
    let rules = Rules::new(&["write to".to_owned()], false).unwrap();
    let admitted = rules.admit(Some(said()), Capture::Redacted, &Health::default()).unwrap();
    assert!(!format!("{admitted:?}").contains("write to"));
    assert!(Rules::new(&["(".to_owned()], false).is_err());
}

/// Fails or panics at the first text that it is to find nothing in but once.
struct Broken(fn() -> Failed);

impl Redact for Broken {
    fn redact<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Failed> {
        if text.contains("parameters") { Err((self.0)()) } else { Ok(text.into()) }
    }
}

#[test]
fn what_cannot_be_redacted_is_dropped_and_counted() {
    let mut late = said();
    late.tools[0].description = Some("the parameters".to_owned());
    type Row = (fn() -> Failed, Withheld, u64);
    let rows: [Row; 2] = [
        (|| Failed::TooLong, Withheld::Redaction, 0),
        (|| panic!("a redactor breaks"), Withheld::Panic, 1),
    ];
    for (breaks, why, panics) in rows {
        let health = Health::default();
        let rules = Rules::with(Box::new(Broken(breaks)), false);
        assert_eq!(rules.admit(Some(late.clone()), Capture::Redacted, &health), None);
        assert_eq!((health.contents_dropped(why), health.panics(Task::Pipeline)), (1, panics));
        // What need not be redacted is not lost to a broken redactor.
        assert!(rules.admit(Some(late.clone()), Capture::Full, &health).is_some());
    }
}

#[test]
fn waiting_words_are_bounded() {
    let waiting = Waiting::default();
    let first = waiting.room(MAX_WAITING - 10);
    assert!(first.is_some() && waiting.room(10).is_some() && waiting.room(11).is_none());
    drop(first);
    assert!(waiting.room(MAX_WAITING).is_some());
    assert_eq!(waiting.0.load(Relaxed), 0);
}
