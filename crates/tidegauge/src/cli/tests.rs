//! Command lines and what they mean.

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn serve_is_the_default_and_takes_the_same_flags() {
    let flags = "--listen 127.0.0.1:1 --console off --upstream a=http://b --record-file f --data-dir d --config c";
    let plain = parse(&format!("tidegauge {flags}")).unwrap().serve.source();
    let Some(Command::Serve(args)) = parse(&format!("tidegauge serve {flags}")).unwrap().command
    else {
        panic!("not serve")
    };
    assert_eq!(plain, args.source());
    assert_eq!(plain.file, Some("c".into()));
    assert_eq!(plain.flags.upstreams, ["a=http://b"]);
}

#[test]
fn bad_values_are_mistakes_of_usage() {
    for line in [
        "tidegauge --listen nowhere",
        "tidegauge --console 4311",
        "tidegauge --upstream openai",
        "tidegauge --nonsense",
        "tidegauge demo --rate 0",
        "tidegauge completions klingon",
    ] {
        let args = line.split(' ').map(OsString::from);
        assert_eq!(run(args, &mut Vec::new()), Exit::Usage, "{line}");
    }
}

#[test]
fn completions_are_printed() {
    let mut out = Vec::new();
    let args = ["tidegauge", "completions", "bash"].map(OsString::from);
    assert_eq!(run(args, &mut out), Exit::Well);
    assert!(String::from_utf8(out).unwrap().contains("--record-file"));
}
