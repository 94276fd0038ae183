//! `tidegauge demo`: everything at work, without a key or a network.

use std::io::Write;

use crate::cli::DemoArgs;

use super::Exit;

pub(crate) fn run(_: &DemoArgs, _: &mut dyn Write) -> anyhow::Result<Exit> {
    anyhow::bail!("not there yet")
}
