//! Both forms say the same, and the text is JSON whatever was said.

use proptest::prelude::*;
use tidegauge_core::Modality;

use super::*;
use crate::attribute::AttributeLimits;
use crate::testing::{plain, records};

fn attributes(record: &Record, write: fn(&mut Attributes<'_>, &Record)) -> Vec<(String, Any)> {
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;
    let mut bytes = Vec::new();
    write(&mut Attributes::new(&mut bytes, 9, AttributeLimits::default()), record);
    let span = Span::decode(bytes.as_slice()).expect("attributes");
    let value = |value: Option<AnyValue>| value.and_then(|value| value.value).expect("a value");
    span.attributes.into_iter().map(|pair| (pair.key, value(pair.value))).collect()
}

fn both(record: &Record) -> [Vec<(String, serde_json::Value)>; 2] {
    let on_span = attributes(record, on_span).into_iter().map(|(key, value)| match value {
        Any::StringValue(text) => (key, serde_json::from_str(&text).expect("JSON")),
        other => (key, plain(&other)),
    });
    let on_event = attributes(record, on_event);
    [on_span.collect(), on_event.into_iter().map(|(key, value)| (key, plain(&value))).collect()]
}

#[test]
fn both_forms_say_the_same() {
    let [on_span, on_event] = both(&records::spoken());
    assert_eq!(on_span, on_event);
    let names: Vec<_> = on_span.iter().map(|(key, _)| key.as_str()).collect();
    let want = [
        "gen_ai.system_instructions",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.definitions",
        "tidegauge.content.truncated",
    ];
    assert_eq!(names, want);
    assert_eq!(both(&records::unary()), [vec![], vec![]]);
}

/// Long content is not cut like other values: what is left would be no JSON.
#[test]
fn long_texts_stay_whole() {
    let mut record = records::unary();
    let long = "word \"\u{1}".repeat(20_000);
    let part = Part::Text { content: long.clone() };
    let content = Content { system: vec![part], ..Content::default() };
    record.observation.content = Some(Box::new(content));
    let [on_span, on_event] = both(&record);
    assert_eq!(on_span, on_event);
    assert_eq!(on_span[0].1[0]["content"], long);
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Whole),
        any::<i32>().prop_map(|number| Value::Real(f64::from(number) / 4.0)),
        any::<String>().prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| Value::Map(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn anything_can_be_said(text in any::<String>(), response in values()) {
        let parts = vec![
            Part::Other { kind: text.clone(), content: Some(text.clone()) },
            Part::ToolCallResponse { id: Some(text.clone()), response },
            Part::Uri { modality: Modality::Image, mime_type: None, uri: text.clone() },
        ];
        let mut record = records::unary();
        let message = Message { role: text, parts, ..Message::default() };
        let content = Content { input: vec![message], ..Content::default() };
        record.observation.content = Some(Box::new(content));
        let [on_span, on_event] = both(&record);
        prop_assert_eq!(on_span, on_event);
    }
}
