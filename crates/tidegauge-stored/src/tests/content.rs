//! What was said comes back word by word, and what nests too deep does not make a record unreadable.

use proptest::option::of;
use proptest::prelude::*;
use tidegauge_core::{Content, Message, Modality, Part, ToolDefinition, Value};

use super::{one_of, sample, text, world};
use crate::{DEEPEST, Words, proto, read, read_record, record};

fn value() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Whole),
        any::<f64>().prop_filter("finite", |real| real.is_finite()).prop_map(Value::Real),
        text().prop_map(Value::Text),
    ];
    let nested = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::List),
            proptest::collection::vec((text(), inner), 0..3).prop_map(Value::Map),
        ]
    });
    nested.boxed()
}

fn part() -> BoxedStrategy<Part> {
    let data = || (one_of(&Modality::ALL), of(text()), text());
    let parts = prop_oneof![
        text().prop_map(|content| Part::Text { content }),
        text().prop_map(|content| Part::Reasoning { content }),
        (of(text()), text(), of(value())).prop_map(|(id, name, arguments)| Part::ToolCall {
            id,
            name,
            arguments
        }),
        (of(text()), value()).prop_map(|(id, response)| Part::ToolCallResponse { id, response }),
        (of(text()), text(), value()).prop_map(|(id, name, call)| Part::ServerToolCall {
            id,
            name,
            call
        }),
        (of(text()), value())
            .prop_map(|(id, response)| Part::ServerToolCallResponse { id, response }),
        data().prop_map(|(modality, mime_type, content)| Part::Blob {
            modality,
            mime_type,
            content
        }),
        data().prop_map(|(modality, mime_type, uri)| Part::Uri { modality, mime_type, uri }),
        data().prop_map(|(modality, mime_type, file_id)| Part::File {
            modality,
            mime_type,
            file_id
        }),
        (of(text()), of(text())).prop_map(|(id, content)| Part::Compaction { id, content }),
        (text(), of(text())).prop_map(|(kind, content)| Part::Other { kind, content }),
    ];
    parts.boxed()
}

fn parts() -> BoxedStrategy<Vec<Part>> {
    proptest::collection::vec(part(), 0..3).boxed()
}

prop_compose! {
    fn message()(role in text(), parts in parts(), name in of(text()), finish_reason in of(text())) -> Message {
        Message { role, parts, name, finish_reason }
    }
}

prop_compose! {
    fn tool()(kind in text(), name in text(), description in of(text()), parameters in of(value())) -> ToolDefinition {
        ToolDefinition { kind, name, description, parameters }
    }
}

prop_compose! {
    pub(super) fn content()(
        system in parts(), input in proptest::collection::vec(message().boxed(), 0..3),
        output in proptest::collection::vec(message().boxed(), 0..3),
        tools in proptest::collection::vec(tool().boxed(), 0..3), truncated in any::<bool>(),
    ) -> Content {
        Content { system, input, output, tools, truncated }
    }
}

/// Containers in containers, so many, of either kind.
fn nested(depth: usize, map: bool) -> Value {
    (0..depth).fold(Value::Bool(true), |inner, _| {
        if map { Value::Map(vec![("a".to_owned(), inner)]) } else { Value::List(vec![inner]) }
    })
}

fn stored_and_read(response: Value) -> Content {
    let parts = vec![Part::ToolCallResponse { id: None, response }];
    let input = vec![Message { parts, ..Message::default() }];
    let mut it = sample();
    it.observation.content = Some(Box::new(Content { input, ..Content::default() }));
    let back = read_record(&record(&it), &world, &Words::default()).unwrap();
    *back.observation.content.unwrap()
}

fn response(content: &Content) -> &Value {
    let [Part::ToolCallResponse { response, .. }] = content.input[0].parts.as_slice() else {
        panic!("one response")
    };
    response
}

#[test]
fn a_value_is_cut_where_no_reader_would_follow() {
    for map in [true, false] {
        let whole = stored_and_read(nested(DEEPEST, map));
        assert_eq!((response(&whole), whole.truncated), (&nested(DEEPEST, map), false));
        for deeper in [DEEPEST + 1, DEEPEST * 40] {
            let cut = stored_and_read(nested(deeper, map));
            assert!(cut.truncated);
            let shown = format!("{:?}", response(&cut));
            let name = if map { "Map(" } else { "List(" };
            assert_eq!(shown.matches(name).count(), DEEPEST);
            assert!(shown.contains("Null"), "{shown}");
        }
    }
}

#[test]
fn what_of_a_content_is_not_understood_is_left_out_and_said() {
    use proto::part::Part as Stored;
    use proto::value::Value as Number;
    let odd = || Some(proto::Value { value: Some(Number::Real(f64::NAN)) });
    let cases = [
        (None, vec![]),
        (
            Some(Stored::Blob(proto::Data { modality: "smell".to_owned(), ..Default::default() })),
            vec![],
        ),
        (Some(Stored::ToolCallResponse(proto::ToolResponse::default())), vec![]),
        (Some(Stored::ServerToolCall(proto::ToolCall::default())), vec![]),
        (
            Some(Stored::ToolCallResponse(proto::ToolResponse { id: None, response: odd() })),
            vec![Part::ToolCallResponse { id: None, response: Value::Null }],
        ),
    ];
    for (part, system) in cases {
        let stored = proto::Content { system: vec![proto::Part { part }], ..Default::default() };
        let expected = Content { system, truncated: true, ..Content::default() };
        assert_eq!(read::content(stored), expected);
    }
}
