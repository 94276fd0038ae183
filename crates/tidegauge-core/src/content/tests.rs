//! No text of a content can be overlooked.

use super::*;

fn owned(text: &str) -> String {
    text.to_owned()
}

/// One of everything, each text another letter.
fn everything() -> Content {
    let value = Value::Map(vec![
        (owned("a"), Value::List(vec![Value::Text(owned("b")), Value::Whole(1), Value::Null])),
        (owned("c"), Value::Real(0.5)),
    ]);
    let (id, mime_type) = (Some(owned("d")), Some(owned("e")));
    let parts = vec![
        Part::Text { content: owned("f") },
        Part::Reasoning { content: owned("g") },
        Part::ToolCall { id: id.clone(), name: owned("h"), arguments: Some(value.clone()) },
        Part::ToolCallResponse { id: id.clone(), response: value.clone() },
        Part::ServerToolCall { id: id.clone(), name: owned("i"), call: value.clone() },
        Part::ServerToolCallResponse { id: id.clone(), response: value.clone() },
        Part::Blob { modality: Modality::Image, mime_type: mime_type.clone(), content: owned("j") },
        Part::Uri { modality: Modality::Audio, mime_type: mime_type.clone(), uri: owned("k") },
        Part::File { modality: Modality::Document, mime_type, file_id: owned("l") },
        Part::Compaction { id, content: Some(owned("m")) },
        Part::Other { kind: owned("n"), content: Some(owned("o")) },
    ];
    let message = |finish_reason| Message {
        role: owned("p"),
        parts: parts.clone(),
        name: Some(owned("q")),
        finish_reason,
    };
    Content {
        system: parts.clone(),
        input: vec![message(None)],
        output: vec![message(Some(owned("r")))],
        tools: vec![ToolDefinition {
            kind: owned("s"),
            name: owned("t"),
            description: Some(owned("u")),
            parameters: Some(value),
        }],
        truncated: true,
    }
}

/// As the debug form shows them, which knows nothing of how they are visited.
#[test]
fn every_text_is_shown() {
    let mut content = everything();
    let texts = format!("{content:?}").matches('"').count() / 2;
    let mut seen = 0;
    let visited: Result<(), ()> = content.each_text(&mut |text| {
        seen += 1;
        text.clear();
        Ok(())
    });
    assert_eq!((visited, seen), (Ok(()), texts));
    assert_eq!(format!("{content:?}").replace("\"\"", "").matches('"').count(), 0);
}

#[test]
fn the_first_error_ends_it() {
    let mut left = 3;
    let mut content = everything();
    let stopped = content.each_text(&mut |_| {
        left -= 1;
        if left == 0 { Err("no") } else { Ok(()) }
    });
    assert_eq!((stopped, left), (Err("no"), 0));
}

#[test]
fn what_is_absent_is_not_written() {
    let part = Part::ToolCall { id: None, name: owned("x"), arguments: None };
    let names = |fields: Fields<'_>| fields.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names(part.fields()), ["type", "name"]);
    assert_eq!(names(Message::default().fields()), ["role", "parts"]);
    assert_eq!(names(ToolDefinition::default().fields()), ["type", "name"]);
    assert!(Content { truncated: true, ..Content::default() }.is_empty());
    assert!(!everything().is_empty());
}

#[test]
fn more_is_permitted_by_a_later_word() {
    assert!(Capture::Off < Capture::Redacted && Capture::Redacted < Capture::Full);
    assert_eq!(Capture::default(), Capture::Off);
}
