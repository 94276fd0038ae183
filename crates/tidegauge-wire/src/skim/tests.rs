//! Valid JSON stays valid, bounded, and the same at any cut.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Limits, Skim, Skimmed};

const SMALL: Limits = Limits { string: 24, soft: 200, hard: 2000, ..Limits::ANSWER };
const WORDS: Limits = Limits { string: 300, data: 100, ..Limits::WORDS };

fn skim(limits: Limits, pieces: &[&[u8]]) -> Skimmed {
    let mut skim = Skim::new(limits);
    pieces.iter().for_each(|piece| skim.push(piece));
    skim.finish()
}

fn value(skimmed: &Skimmed) -> Value {
    serde_json::from_slice(&skimmed.json)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&skimmed.json)))
}

#[test]
fn small_texts_stay_as_they_are() {
    for text in [
        r#"{"a":[1,-2.5e3,true,false,null,"x\"\\\u00e9"],"b":{},"c":[]}"#,
        r#""word""#,
        "17",
        "[]",
        "[[[]],[{}]]",
    ] {
        let skimmed = skim(Limits::ANSWER, &[text.as_bytes()]);
        assert_eq!(String::from_utf8_lossy(&skimmed.json), text);
        assert!(!skimmed.lossy, "{text}");
    }
    let spaced = skim(Limits::ANSWER, &[b"  \r\n { \"a\" : [ 1 , 2 ] } \n "]);
    assert_eq!(spaced.json, br#"{"a":[1,2]}"#);
}

/// A picture among texts leaves the room to the texts, wherever it is cut.
#[test]
fn data_is_told_from_text() {
    let data = "iVBORw0KGgo".repeat(20);
    let rows = [
        (data.clone(), data[..64].to_owned() + "\u{1a}"),
        (
            format!("data:image/png;base64,{data}"),
            format!("data:image/png;base64,{}\u{1a}", &data[..42]),
        ),
        (
            format!("data:image\\/png;base64,{data}"),
            format!("data:image/png;base64,{}\u{1a}", &data[..41]),
        ),
        (format!("{}\\/{data}", "A".repeat(63)), "A".repeat(63) + "\u{1a}"),
        (data[..99].to_owned(), data[..99].to_owned()),
        ("a word ".repeat(20), "a word ".repeat(20)),
        ("é".repeat(60), "é".repeat(60)),
        ("so it goes ".repeat(60), "so it goes ".repeat(60)[..300].to_owned() + "\u{1a}"),
    ];
    for (said, kept) in rows {
        let text = format!(r#"{{"a":["{said}"],"b":1}}"#);
        let want = json!({"a": [kept], "b": 1});
        for size in [1, 7, 50, 1000] {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(value(&skim(WORDS, &pieces)), want, "in pieces of {size}");
        }
    }
}

#[test]
fn long_parts_are_marked() {
    let floats = vec!["0.125"; 5000].join(",");
    let text = format!(r#"{{"s":"{}","v":[{floats}],"usage":{{"n":1}}}}"#, "é".repeat(40_000));
    let skimmed = skim(Limits::ANSWER, &[text.as_bytes()]);
    let value = value(&skimmed);
    let string = value["s"].as_str().unwrap();
    assert!(string.ends_with("é\u{1a}") && string.len() <= 16_384 + 1, "{}", string.len());
    assert_eq!(value["v"].as_array().unwrap().len(), 9);
    assert_eq!(value["v"][8], json!({"\u{1a}": 4992}));
    assert_eq!(value["usage"], json!({"n": 1}));
    assert!(!skimmed.lossy);
}

#[test]
fn the_end_of_a_large_answer_is_read_in_bounded_memory() {
    let mut skim = Skim::new(Limits::ANSWER);
    skim.push(br#"{"data":[{"b64_json":""#);
    let piece = vec![b'A'; 1 << 20];
    (0..30).for_each(|_| skim.push(&piece));
    skim.push(br#""}"#);
    for _ in 0..20_000 {
        skim.push(br#",{"embedding":[0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9],"object":"embedding"}"#);
    }
    skim.push(br#"],"usage":{"total_tokens":9}}"#);
    assert!(skim.out.capacity() < 2 << 20);
    let skimmed = skim.finish();
    let value = value(&skimmed);
    assert_eq!(value["usage"]["total_tokens"], 9);
    let data = value["data"].as_array().unwrap();
    let left_out = data.last().unwrap()["\u{1a}"].as_u64().unwrap();
    assert_eq!(data.len() as u64 - 1 + left_out, 20_001);
}

#[test]
fn what_is_not_json_keeps_its_head() {
    let page = "<html>".to_owned() + &"x".repeat(10_000);
    let skimmed = skim(Limits::ANSWER, &[page.as_bytes()]);
    assert!(skimmed.json.is_empty());
    assert_eq!(skimmed.head, &page.as_bytes()[..4096]);
    assert!(skimmed.lossy);
    for text in ["not found", "nothing", "{oops}", "[1,2", r#"{"a":"#, "{]", "[}", "tru", "+1"] {
        let skimmed = skim(Limits::ANSWER, &[text.as_bytes()]);
        assert!(skimmed.lossy, "{text}");
        assert!(skimmed.json.is_empty() || serde_json::from_slice::<Value>(&skimmed.json).is_ok());
    }
}

#[test]
fn requests_are_not_read_deeper_than_needed() {
    let nested = |inside: &str| {
        let depth = Limits::REQUEST.depth - 1;
        format!(r#"{{"a":{}{inside}{},"model":"m"}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    let skimmed = skim(Limits::REQUEST, &[nested(r#"{"e":[1]}"#).as_bytes()]);
    assert_eq!(String::from_utf8_lossy(&skimmed.json), nested("null"));
    assert!(!skimmed.lossy);
}

/// Long texts share a sample; of what is left out the length is kept.
#[test]
fn requests_keep_a_sample_and_the_length_of_the_rest() {
    let (first, second) = ("one ".repeat(5_000), "zwei ".repeat(1_000));
    let text = format!(r#"{{"a":"{first}","b":"{second}","c":"{second}"}}"#);
    for size in [1, 7, 1000, 100_000] {
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let skimmed = skim(Limits::REQUEST, &pieces);
        let mut doc = crate::field::Doc::default();
        assert!(doc.parse(&skimmed.json));
        let root = doc.root(&skimmed.json);
        for (name, whole, kept) in
            [("a", &first, 512 + 8192), ("b", &second, 512), ("c", &second, 512)]
        {
            let (raw, left_out) = root.get(name).raw().expect("a string");
            assert_eq!((raw.len(), left_out), (kept, (whole.len() - kept) as u64), "{name} {size}");
            assert!(whole.as_bytes().starts_with(raw) && root.get(name).is_cut());
        }
    }
}

#[test]
fn what_breaks_off_is_closed() {
    let text = r#"{"id":"x","choices":[{"index":0,"text":"abc"#;
    let skimmed = skim(Limits::ANSWER, &[text.as_bytes()]);
    assert_eq!(value(&skimmed), json!({"id": "x", "choices": [{"index": 0}]}));
    assert!(skimmed.lossy);
}

#[test]
fn bombs_are_bounded() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let skimmed = skim(Limits::ANSWER, &[deep.as_bytes()]);
    assert!(skimmed.lossy && skimmed.json.len() < 1000);
    assert!(serde_json::from_slice::<Value>(&skimmed.json).is_ok());

    let mut many = Skim::new(Limits::ANSWER);
    many.push(b"{");
    for key in 0..200_000 {
        many.push(format!(r#""k{key}":{key},"#).as_bytes());
    }
    many.push(br#""z":1}"#);
    let skimmed = many.finish();
    assert!(skimmed.lossy && skimmed.json.len() < 2 << 20);
    assert!(serde_json::from_slice::<Value>(&skimmed.json).is_ok());

    let number = "1".repeat(1 << 20);
    assert_eq!(skim(Limits::ANSWER, &[number.as_bytes()]).json, b"null");
    let escapes = format!("\"{}\"", r"\ud83d\ude00".repeat(10_000));
    let skimmed = skim(Limits::ANSWER, &[escapes.as_bytes()]);
    assert!(value(&skimmed).is_string() && skimmed.json.len() < 17_000);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
        "\\PC{0,60}".prop_map(Value::from),
        "[\\x00-\\x20\u{1f600}é\"\\\\]{0,30}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 120, 30, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::from),
            prop::collection::btree_map("\\PC{0,8}", inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Whether the skimmed value has the shape of the whole one.
fn reduces(whole: &Value, skimmed: &Value) -> bool {
    match (whole, skimmed) {
        (Value::Object(whole), Value::Object(skimmed)) => {
            whole.len() == skimmed.len()
                && whole.iter().zip(skimmed).all(|((a, v), (b, w))| a == b && reduces(v, w))
        }
        (Value::Array(whole), Value::Array(skimmed)) => {
            let left_out = skimmed.last().and_then(|last| last.get("\u{1a}")?.as_u64());
            let kept = skimmed.len() - usize::from(left_out.is_some());
            kept + left_out.unwrap_or(0) as usize == whole.len()
                && whole.iter().zip(&skimmed[..kept]).all(|(v, w)| reduces(v, w))
        }
        (Value::String(whole), Value::String(skimmed)) => {
            whole == skimmed
                || skimmed.strip_suffix('\u{1a}').is_some_and(|kept| whole.starts_with(kept))
        }
        (whole, skimmed) => whole == skimmed,
    }
}

proptest! {
    #[test]
    fn valid_stays_valid_and_of_one_shape(whole in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&whole) } else { serde_json::to_string(&whole) };
        let text = text.unwrap();
        for limits in [SMALL, Limits::ANSWER] {
            let skimmed = skim(limits, &[text.as_bytes()]);
            let value = value(&skimmed);
            prop_assert!(skimmed.json.len() <= limits.hard + 400 + limits.string);
            if skimmed.json.len() < limits.hard {
                prop_assert!(reduces(&whole, &value), "{} {}", text, value);
            }
        }
    }

    #[test]
    fn any_pieces_give_the_same(whole in any_json(), size in 1usize..9) {
        let text = serde_json::to_string(&whole).unwrap();
        let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
        let (one, many) = (skim(SMALL, &[text.as_bytes()]), skim(SMALL, &pieces));
        prop_assert_eq!(one.json, many.json);
        prop_assert_eq!(one.lossy, many.lossy);
    }

    #[test]
    fn any_bytes_give_json_or_nothing(bytes in "[\\[\\]{}:,\"\\\\a0tnu \\-]{0,60}", size in 1usize..5) {
        let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(size).collect();
        let (one, many) = (skim(SMALL, &[bytes.as_bytes()]), skim(SMALL, &pieces));
        prop_assert_eq!(&one.json, &many.json);
        // Escapes and numbers are not checked, so only the shape is sure.
        let mut doc = crate::field::Doc::default();
        prop_assert!(one.json.is_empty() || doc.parse(&one.json), "{:?}", String::from_utf8_lossy(&one.json));
    }
}

/// What was left out is counted the same however a malformed list is cut.
#[test]
fn malformed_lists_are_reduced_the_same_at_any_cut() {
    let kept = "0,".repeat(9);
    for end in [
        "false0e",
        "true5,6]",
        "5x,6]",
        "5 x",
        "-,e]",
        "nul1,2]",
        "7,truefalse,8]",
        "5 5,6]",
        "5 , 6,7]",
        "5,,6]",
        "5, ]",
    ] {
        let text = format!("{{\"a\":[{kept}{end}");
        let whole = reduced(&[text.as_bytes()]);
        for cut in 0..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            assert_eq!(reduced(&[head, tail]), whole, "{text} at {cut}");
        }
    }
}

fn reduced(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
    let mut skim = Skim::new(Limits::ANSWER);
    pieces.iter().for_each(|piece| skim.push(piece));
    let skimmed = skim.finish();
    (skimmed.json, skimmed.lossy)
}
