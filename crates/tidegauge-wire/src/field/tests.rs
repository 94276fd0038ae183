//! Odd fields are absent fields.

use proptest::prelude::*;
use serde_json::Value;

use super::{Doc, Json};

fn with<T>(text: &str, read: impl FnOnce(Json<'_>) -> T) -> T {
    let mut doc = Doc::default();
    assert!(doc.parse(text.as_bytes()), "{text}");
    read(doc.root(text.as_bytes()))
}

#[test]
fn counts_a_40() {
    let cases: &[(&str, Option<u64>, bool)] = &[
        ("0", Some(0), false),
        ("12.0", Some(12), false),
        ("1e3", Some(1000), false),
        ("\"17\"", Some(17), false),
        ("18446744073709551615", Some(u64::MAX), false),
        ("9007199254740993", Some(9_007_199_254_740_993), false),
        ("18446744073709551616", None, true),
        ("-1", None, true),
        ("1.5", None, true),
        ("1e400", None, true),
        ("\"NaN\"", None, true),
        ("\"\"", None, true),
        ("true", None, true),
        ("[]", None, true),
        ("null", None, false),
    ];
    for (text, want, odd) in cases {
        let mut seen = false;
        assert_eq!(with(text, |json| json.count(&mut seen)), *want, "{text}");
        assert_eq!(seen, *odd, "{text}");
    }
    let mut odd = false;
    assert_eq!(Json::ABSENT.count(&mut odd), None);
    assert!(!odd);
}

#[test]
fn the_last_of_two_members_wins() {
    with(r#"{"a":1,"b":{"a":2},"a":3}"#, |json| {
        assert_eq!(json.get("a").size(), Some(3));
        assert_eq!(json.get("b").get("a").size(), Some(2));
        assert!(!json.get("c").exists());
        assert!(!json.get("a").get("x").get("y").exists());
    });
}

#[test]
fn strings_are_decoded() {
    let cases = [
        (r#""plain""#, "plain"),
        (r#""\"\\\/\b\f\n\r\t""#, "\"\\/\u{8}\u{c}\n\r\t"),
        (r#""\u00e9\ud83d\ude00""#, "é😀"),
        (r#""\ud83dx""#, "\u{fffd}x"),
        (r#""\ude00""#, "\u{fffd}"),
    ];
    for (text, want) in cases {
        assert_eq!(with(text, |json| json.str().map(|s| s.into_owned())).as_deref(), Some(want));
    }
    let mut doc = Doc::default();
    let invalid = b"\"a\xffb\"";
    assert!(doc.parse(invalid));
    assert_eq!(doc.root(invalid).str().unwrap(), "a\u{fffd}b");
}

#[test]
fn shortened_lists_keep_their_length() {
    with(r#"[1,2,{"\u001a":40}]"#, |json| {
        assert_eq!(json.len(), Some(42));
        assert_eq!(json.items().count(), 2);
    });
    with("[]", |json| assert_eq!(json.len(), Some(0)));
    with("{}", |json| assert_eq!(json.len(), None));
}

#[test]
fn what_is_not_one_json_value_is_refused() {
    let mut doc = Doc::default();
    let deep = "[".repeat(127) + &"]".repeat(127);
    assert!(doc.parse(deep.as_bytes()));
    let deeper = "[".repeat(128) + &"]".repeat(128);
    for text in
        ["", " ", "{", "[1,]", "{\"a\":}", "{\"a\" 1}", "1 2", "tru", "\"a", "\"a\\", &deeper]
    {
        assert!(!doc.parse(text.as_bytes()), "{text}");
        assert!(!doc.root(text.as_bytes()).exists());
    }
}

/// Whether two readers see the same.
fn agree(json: Json<'_>, value: &Value) -> bool {
    match value {
        Value::Null => json.is_null(),
        Value::Bool(value) => json.bool() == Some(*value),
        Value::Number(value) => json.number() == Some(value.to_string().as_str()),
        Value::String(value) => json.str().as_deref() == Some(value),
        Value::Array(values) => {
            json.is_array()
                && json.items().count() == values.len()
                && json.items().zip(values).all(|(json, value)| agree(json, value))
        }
        Value::Object(members) => {
            json.is_object()
                && json.members().count() == members.len()
                && members.iter().all(|(name, value)| agree(json.get(name), value))
        }
    }
}

proptest! {
    #[test]
    fn another_reader_sees_the_same(
        names in prop::collection::vec("\\PC{0,30}", 1..5),
        text in "\\PC{0,40}",
        number: i64,
    ) {
        let mut object = serde_json::Map::new();
        for name in names {
            object.insert(name, serde_json::json!([text, number, {"x": null, "y": [true, {}]}]));
        }
        let value = Value::Object(object);
        let written = serde_json::to_string(&value).unwrap();
        prop_assert!(with(&written, |json| agree(json, &value)));
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut doc = Doc::default();
        doc.parse(&bytes);
        let root = doc.root(&bytes);
        let _ = (root.get("a").str(), root.len(), root.items().count(), root.float());
    }
}
