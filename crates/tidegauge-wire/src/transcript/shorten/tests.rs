//! What is cut is the longest, and what comes out fits.

use proptest::prelude::*;
use tidegauge_core::{Message, ToolDefinition};

use super::*;

fn text(length: usize) -> Part {
    Part::Text { content: "a".repeat(length) }
}

fn of(parts: Vec<Part>) -> Content {
    let message = Message { role: "user".to_owned(), parts, ..Message::default() };
    Content { input: vec![message], ..Content::default() }
}

fn lengths(content: &mut Content) -> Vec<usize> {
    let mut sizes = Vec::new();
    each(content, &mut |unit| sizes.push(unit.size()));
    sizes
}

#[test]
fn the_longest_gives_way() {
    let rows: [(&[usize], usize, &[usize]); 5] = [
        (&[10, 20], 1000, &[10, 20]),
        (&[10, 2000], 500, &[10, 394]),
        (&[900, 10, 900], 500, &[173, 10, 173]),
        (&[300, 300, 300], 144, &[0, 0, 0]),
        (&[], 0, &[]),
    ];
    for (said, room, kept) in rows {
        let mut content = of(said.iter().map(|length| text(*length)).collect());
        assert_eq!(to(&mut content, room), said != kept, "{said:?}");
        assert_eq!(lengths(&mut content), kept);
    }
}

#[test]
fn what_is_cut_is_still_text_and_values() {
    let long = |text: &str| text.repeat(400);
    let value = Value::Map(vec![
        ("type".to_owned(), Value::Text("search".to_owned())),
        ("query".to_owned(), Value::Text(long("\"é"))),
        ("more".to_owned(), Value::List(vec![Value::Whole(1); 400])),
    ]);
    let mut content = of(vec![
        Part::Text { content: long("é\n") },
        Part::ServerToolCall { id: None, name: "search".to_owned(), call: value.clone() },
        Part::Blob {
            modality: tidegauge_core::Modality::Image,
            mime_type: None,
            content: long("AAAA"),
        },
    ]);
    content.tools.push(ToolDefinition { parameters: Some(value), ..ToolDefinition::default() });
    assert!(to(&mut content, 600));
    let parts = &content.input[0].parts;
    assert!(
        matches!(&parts[0], Part::Text { content } if content.ends_with('\n') || content.ends_with('é'))
    );
    let Part::ServerToolCall { call: Value::Map(members), .. } = &parts[1] else {
        panic!("a call")
    };
    assert_eq!(members[0], ("type".to_owned(), Value::Text("search".to_owned())));
    assert!(matches!(&parts[2], Part::Blob { content, .. } if content.is_empty()));
    assert!(lengths(&mut content).iter().sum::<usize>() <= 600);
}

proptest! {
    #[test]
    fn it_fits(said in prop::collection::vec(0usize..3000, 0..40), room in 4000usize..20_000) {
        let mut content = of(said.iter().map(|length| text(*length)).collect());
        let cut = to(&mut content, room);
        let kept: usize = lengths(&mut content).iter().sum();
        prop_assert!(kept + FRAME * said.len() <= room);
        prop_assert_eq!(cut, kept < said.iter().sum());
    }
}
