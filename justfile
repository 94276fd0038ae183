# `just` lists what there is; every line is an ordinary command.

_list:
    @just --list --unsorted

# Everything a change must pass.
ci:
    .ci/run

# The tests, as the README runs them.
test *args:
    cargo test --workspace {{args}}

# One crate's tests: `just crate wire`.
crate name *args:
    cargo test -p tidegauge-{{name}} {{args}}

# The integration tests alone.
it *args:
    cargo test -p tidegauge --test it {{args}}

# Format and lint.
tidy:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings

# The first screen: a made-up provider, traffic, the proxy and the console.
demo *args:
    cargo run --release -- demo {{args}}

# The program as it is published.
dist:
    cargo build --profile dist --locked
