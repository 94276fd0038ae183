//! The fuzz targets of what is read beside bodies, on what the fuzzer has found worth keeping. Those of
//! the readers run with their crate's own tests.

use std::path::Path;

#[expect(unreachable_pub, reason = "a library of its own elsewhere")]
#[path = "../fuzz/src/house.rs"]
mod targets;

type Target = (&'static str, fn(&[u8]));

const TARGETS: &[Target] = &[
    ("head", targets::head),
    ("route", targets::route),
    ("configuration", targets::configuration),
    ("spool", targets::spool),
];

#[test]
fn what_the_fuzzer_kept_does_no_harm() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    for (name, target) in TARGETS {
        let mut inputs: Vec<_> =
            std::fs::read_dir(corpora.join(name)).expect("a corpus").flatten().collect();
        inputs.sort_by_key(std::fs::DirEntry::file_name);
        for input in inputs {
            println!("{name}/{}", input.file_name().display());
            let bytes = std::fs::read(input.path()).expect("an input");
            target(&bytes);
            // Cut short, too.
            for at in (0..bytes.len()).step_by(7) {
                target(&bytes[..at]);
            }
        }
    }
}

#[test]
fn every_target_is_run_by_a_test_and_has_a_corpus() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz");
    let readers =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tidegauge-wire/tests/wire/fuzz.rs");
    let readers = std::fs::read_to_string(readers).expect("the other half");
    for file in std::fs::read_dir(here.join("fuzz_targets")).expect("targets").flatten() {
        let name = file.path().file_stem().expect("a name").to_string_lossy().into_owned();
        let run = TARGETS.iter().any(|(known, _)| *known == name)
            || readers.contains(&format!("(\"{name}\", targets::{name})"));
        assert!(run, "{name} is run by no test");
        assert!(here.join("corpus").join(&name).is_dir(), "{name} has no corpus");
    }
}
