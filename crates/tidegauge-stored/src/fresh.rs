//! Compares the committed code with what the description makes, or writes it.

use std::path::PathBuf;

const HEAD: &str = "//! The journal, as code. Made by `UPDATE=1 cargo test -p tidegauge-stored fresh` from\n//! `proto/tidegauge/v1/journal.proto`; never edited by hand.\n\n";

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect()
}

#[test]
fn the_code_is_fresh() {
    let proto = root().join("proto");
    let described = protox::compile(["tidegauge/v1/journal.proto"], [&proto]).unwrap();
    let mut config = prost_build::Config::new();
    config.btree_map(["."]).format(true);
    let module = prost_build::Module::from_protobuf_package_name("tidegauge.v1");
    let requests = described.file.into_iter().map(|file| (module.clone(), file)).collect();
    let made = config.generate(requests).unwrap().remove(&module).unwrap();
    let made = format!("{HEAD}{made}");
    let path = root().join("crates/tidegauge-stored/src/proto.rs");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, made).unwrap();
        return;
    }
    let there = std::fs::read_to_string(&path).unwrap();
    assert!(there == made, "run: UPDATE=1 cargo test -p tidegauge-stored fresh");
}
