//! The fuzz targets of the readers, on what the fuzzer has found worth keeping and on made-up bytes.

use std::path::Path;

use proptest::prelude::*;

use crate::targets;

type Check = fn(&[u8]);
type Target = (&'static str, Check);

const TARGETS: &[Target] = &[
    ("sse", targets::sse),
    ("eventstream", targets::eventstream),
    ("elements", targets::elements),
    ("lines", targets::lines),
    ("form", targets::form),
    ("skim", targets::skim),
    ("json", targets::json),
    ("content", targets::content),
    ("splice", targets::splice),
    ("observe", targets::observe),
    ("socket", targets::socket),
    ("matched", targets::matched),
];

/// What was kept for a target, by file name.
fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus").join(target);
    let mut found: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .expect("a corpus")
        .flatten()
        .map(|file| {
            let bytes = std::fs::read(file.path()).expect("an input");
            (file.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{target} has a corpus");
    found
}

#[test]
fn what_the_fuzzer_kept_does_no_harm() {
    for (name, target) in TARGETS {
        for (file, bytes) in kept(name) {
            println!("{name}/{file}");
            target(&bytes);
        }
    }
}

/// Cut, doubled and with bytes changed, it does none either.
#[test]
fn nor_does_what_is_made_of_it() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below.max(1)
    };
    for (name, target) in TARGETS {
        for (file, bytes) in kept(name).iter().filter(|(_, bytes)| !bytes.is_empty()) {
            println!("{name}/{file}");
            for _ in 0..6 {
                let mut made = bytes.clone();
                for _ in 0..=random(4) {
                    let at = random(made.len());
                    match random(4) {
                        0 => made[at] ^= 1 << random(8),
                        1 => made.truncate(at.max(1)),
                        2 => made = [&made[..at], &made].concat(),
                        _ => made[at] = b"\r\n{}[]\",:\\\0\xff"[random(12)],
                    }
                }
                target(&made);
            }
        }
    }
}

/// Ten times the length is some ten times the work, for the worst that was thought of.
#[test]
fn work_grows_with_length() {
    let worst: &[(&str, Check, &str)] = &[
        ("one line", targets::sse, "\u{1}data: aaaaaaaa"),
        ("lines", targets::sse, "\u{1}data:\n"),
        ("events", targets::sse, "\u{1}data:\n\n"),
        ("carriage returns", targets::lines, "\u{5}\u{1}\r{}\n"),
        ("brackets", targets::elements, "\u{1}[{[{"),
        ("strings", targets::elements, "\u{1}{\"\\\"\""),
        ("parts", targets::form, "\u{1}\u{1}\r\n--X\r\n\r\n\r\n"),
        ("line ends", targets::form, "\u{1}\u{1}\r\n\r"),
        ("a deep text", targets::skim, "\u{1}\u{1}{\"a\":["),
        ("numbers", targets::skim, "\u{1}\u{1}[1,2,-"),
        ("escapes", targets::skim, "\u{1}\u{1}\"\\ud800\\"),
    ];
    for (name, target, text) in worst {
        for times in [1, 100, 20_000] {
            println!("{name} {times}");
            // The targets themselves count the work and what is held.
            let (choices, rest) = text.split_at(text.find(|c| c >= ' ').unwrap_or(2).min(2));
            target([choices.as_bytes(), rest.repeat(times).as_bytes()].concat().as_slice());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_do_none(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }

    #[test]
    fn nor_does_any_text(text in "[\\[\\]{}\",:\\\\ \r\na-e0-9.-]{0,200}") {
        for (_, target) in TARGETS {
            for choice in [0, 1, 7] {
                target([&[choice, 1], text.as_bytes()].concat().as_slice());
            }
        }
    }
}
