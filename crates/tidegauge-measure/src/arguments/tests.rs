//! What matches, what does not, and what is left alone.

use tidegauge_core::Tool;

use super::*;

const WEATHER: &str = r#"{"type":"object","properties":{"city":{"type":"string","minLength":1},
    "days":{"type":"integer","minimum":1},"unit":{"enum":["C","F"]}},"required":["city"],"additionalProperties":false}"#;

fn texts(schema: &str, arguments: &str) -> Texts {
    let tool = Tool { name: "t".to_owned(), schema: schema.to_owned() };
    let call = Call { name: "t".to_owned(), arguments: arguments.to_owned() };
    Texts { tools: vec![tool], calls: vec![call], ..Texts::default() }
}

/// How many mismatches, and how many schemas were of no use.
fn check(schema: &str, arguments: &str) -> (u64, u64) {
    let health = Health::default();
    (Schemas::default().mismatches(&texts(schema, arguments), &health), health.schemas_unusable())
}

#[test]
fn arguments_match_or_do_not() {
    let cases = [
        (r#"{"city":"Oslo"}"#, 0),
        (r#"{"city":"Oslo","days":2,"unit":"C"}"#, 0),
        ("{}", 1),
        ("[]", 1),
        (r#"{"city":""}"#, 1),
        (r#"{"city":"Oslo","days":"2"}"#, 1),
        (r#"{"city":"Oslo","unit":"K"}"#, 1),
        (r#"{"city":"Oslo","more":1}"#, 1),
    ];
    for (arguments, wrong) in cases {
        assert_eq!(check(WEATHER, arguments), (wrong, 0), "{arguments}");
    }
}

#[test]
fn what_cannot_be_checked_is_no_failure() {
    let twice = |to: usize| {
        format!(
            r##""d{to}":{{"allOf":[{{"$ref":"#/$defs/d{0}"}},{{"$ref":"#/$defs/d{0}"}}]}}"##,
            to + 1
        )
    };
    let doubling: Vec<String> = (0..40).map(twice).collect();
    let doubling = format!(
        r##"{{"$ref":"#/$defs/d0","$defs":{{{},"d40":{{"type":"null"}}}}}}"##,
        doubling.join(",")
    );
    let schemas = [
        r#"{"type":"STRING"}"#,
        "",
        r#"{"type":"#,
        r#"{"$ref":"https://example.com/schema.json"}"#,
        r#"{"$ref":"other.json"}"#,
        r##"{"$ref":"#"}"##,
        r##"{"$ref":"#/$defs/none"}"##,
        r##"{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/a"}]}}}"##,
        r#"{"properties":{"a":{"pattern":"(a)\\1"}}}"#,
        &doubling,
    ];
    for schema in schemas {
        assert_eq!(check(schema, r#"{"a":1}"#), (0, 1), "{schema}");
    }
    // A call of a tool that was not declared, or of one without schema.
    let mut other = texts(WEATHER, "{}");
    other.tools.clear();
    assert_eq!(Schemas::default().mismatches(&other, &Health::default()), 0);
}

#[test]
fn references_inside_a_schema_are_followed() {
    let schema = r##"{"$ref":"#/$defs/p","$defs":{"p":{"type":"object","required":["x"]}}}"##;
    assert_eq!(check(schema, "{}"), (1, 0));
    assert_eq!(check(schema, r#"{"x":1}"#), (0, 0));
}

#[test]
fn patterns_take_no_longer_than_the_text() {
    let schema = r#"{"properties":{"a":{"type":"string","pattern":"^(a+)+$"}}}"#;
    let arguments = format!(r#"{{"a":"{}b"}}"#, "a".repeat(50_000));
    assert_eq!(check(schema, &arguments), (1, 0));
}

#[test]
fn a_check_that_would_take_too_long_is_counted() {
    let members: Vec<String> =
        (0..2_000).map(|n| format!(r#""p{n}":{{"type":"string"}}"#)).collect();
    let schema = format!(r#"{{"properties":{{{}}},"required":["x"]}}"#, members.join(","));
    let long = format!(r#"{{"a":[{}]}}"#, vec!["1"; 20_000].join(","));
    assert_eq!(check(&schema, &long), (0, 1));
    assert_eq!(check(&schema, "{}"), (1, 0));
}

#[test]
fn schemas_are_compiled_once_and_bounded() {
    let (schemas, health) = (Schemas::default(), Health::default());
    for _ in 0..3 {
        assert_eq!(schemas.mismatches(&texts(WEATHER, "{}"), &health), 1);
    }
    assert_eq!(schemas.compiled.lock().expect("whole").len(), 1);
    for number in 0..MAX_COMPILED + 10 {
        let schema = format!(r#"{{"const":{number}}}"#);
        assert_eq!(schemas.mismatches(&texts(&schema, &number.to_string()), &health), 0);
    }
    assert!(schemas.compiled.lock().expect("whole").len() <= MAX_COMPILED);
}
