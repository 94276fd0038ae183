//! The command line: what may be typed, and which command it means.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use crate::cmd::{self, Exit};
use crate::config::{Overrides, Source, is_address, is_console, is_upstream};

/// An observability proxy for LLM traffic: forwards byte for byte, measures every call.
///
/// Without a command it serves. Flags win over TIDEGAUGE_* variables of the same names, which win
/// over the configuration file, which wins over defaults.
#[derive(Parser, Debug)]
#[command(name = "tidegauge", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Forward and measure (the default)
    Serve(ServeArgs),
    /// Read a configuration, tell every mistake, or print what would run
    Check(CheckArgs),
    /// Ask a running proxy whether it is well
    Healthcheck(HealthArgs),
    /// Show and explain prices of models
    Prices(PricesArgs),
    /// See it work: a simulated provider, traffic, and the proxy between them
    Demo(DemoArgs),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Settings that the command line can make.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeArgs {
    /// Configuration file [env: TIDEGAUGE_CONFIG; else tidegauge.yaml, if there is one]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Address of the proxy [env: TIDEGAUGE_LISTEN; default: 127.0.0.1:4310]
    #[arg(long, value_name = "ADDR", value_parser = is_address)]
    listen: Option<String>,
    /// Address of console and metrics, or `off` [env: TIDEGAUGE_CONSOLE; default: 127.0.0.1:4311]
    #[arg(long, value_name = "ADDR|off", value_parser = is_console)]
    console: Option<String>,
    /// Forward /NAME/... to ORIGIN; may be repeated [env: TIDEGAUGE_UPSTREAM, with commas]
    #[arg(long = "upstream", value_name = "NAME=ORIGIN", value_parser = is_upstream)]
    upstreams: Vec<String>,
    /// Append one JSON object per exchange to a file [env: TIDEGAUGE_RECORD_FILE]
    #[arg(long, value_name = "PATH")]
    record_file: Option<PathBuf>,
    /// Where the program may keep files of its own [env: TIDEGAUGE_DATA_DIR]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct CheckArgs {
    /// Configuration file
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Ask a running proxy whether its books balance [default: at the configured console]
    #[arg(long, value_name = "CONSOLE_URL", num_args = 0..=1, default_missing_value = "")]
    live: Option<String>,
    /// Print every setting, and not only those that are set
    #[arg(long)]
    all: bool,
    /// Look at the file alone: no variable is read, and each that the file names counts as set
    #[arg(long, conflicts_with_all = ["live", "send", "all"])]
    no_env: bool,
    /// Send every exporter one sample of each signal that it takes, and say what came back
    #[arg(long, conflicts_with_all = ["live", "all"])]
    send: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct HealthArgs {
    /// What to ask [default: /readyz of the configured console; if that is off, /healthz of the proxy]
    #[arg(value_name = "URL")]
    pub(crate) url: Option<String>,
}

#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PricesArgs {
    #[command(subcommand)]
    pub(crate) command: Option<PricesCommand>,
    /// Part of a model's or provider's name
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Configuration file with prices of your own
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How many models to show at most
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: usize,
}

#[derive(Subcommand, Clone, Debug)]
pub(crate) enum PricesCommand {
    /// Say line by line how a record's cost comes about
    Explain(ExplainArgs),
    /// Take a price list from a file or URL, for this program to use from now on
    Update(UpdateArgs),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ExplainArgs {
    /// A file of records, one of its lines, or standard input
    #[arg(value_name = "FILE[:LINE]|-")]
    pub(crate) records: String,
    /// Configuration file with prices of your own
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct UpdateArgs {
    /// The list, as genai-prices or LiteLLM publish theirs
    #[arg(long, value_name = "FILE|URL|-")]
    pub(crate) from: String,
    /// Where it goes [default: `pricing.file`, else prices.json in `data_dir`]
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// Configuration file
    #[arg(long, short, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct DemoArgs {
    /// Makes two runs alike
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Send so many calls, in compressed time, print the summary and end
    #[arg(long, value_name = "N")]
    pub(crate) once: Option<u64>,
    /// Calls a second, in the simulation's time [default: 5, with --once 8]
    #[arg(long, value_parser = is_rate)]
    pub(crate) rate: Option<f64>,
    /// Address of the proxy
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4310", value_parser = is_address)]
    pub(crate) listen: String,
    /// Address of the console, or `off`
    #[arg(long, value_name = "ADDR|off", default_value = "127.0.0.1:4311", value_parser = is_console)]
    pub(crate) console: String,
}

impl ServeArgs {
    /// Where the configuration comes from.
    pub(crate) fn source(self) -> Source {
        let Self { config, listen, console, upstreams, record_file, data_dir } = self;
        let flags = Overrides { listen, console, upstreams, record_file, data_dir, log: None };
        Source { file: config, flags }
    }
}

impl CheckArgs {
    /// Where the configuration comes from.
    pub(crate) fn source(self) -> Source {
        let file = self.file;
        let source = self.serve.source();
        Source { file: file.or(source.file), flags: source.flags }
    }
}

/// Runs a command line to its end. What it says goes to `out`, except for the log and mistakes in
/// the command line itself, which go to standard error.
pub fn run(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write) -> Exit {
    match Cli::try_parse_from(args) {
        Ok(cli) => cli.run(out),
        Err(told) => {
            // Help and version are answers, everything else is a mistake.
            let exit = if told.use_stderr() { Exit::Usage } else { Exit::Well };
            // Nobody may be listening.
            let _ = told.print();
            exit
        }
    }
}

impl Cli {
    fn run(self, out: &mut dyn Write) -> Exit {
        let done = match self.command.unwrap_or(Command::Serve(self.serve)) {
            Command::Serve(args) => cmd::serve::run(args.source(), out),
            Command::Check(args) => match args.live.clone() {
                Some(url) => cmd::live::run(&url, &args.source(), out),
                None if args.send => cmd::check::send(&args.source(), out),
                None => {
                    let show = cmd::check::Show { all: args.all, variables: !args.no_env };
                    cmd::check::run(&args.source(), show, out)
                }
            },
            Command::Healthcheck(args) => cmd::healthcheck::run(&args, out),
            Command::Prices(args) => cmd::prices::run(&args, out),
            Command::Demo(args) => cmd::demo::run(&args, out),
            Command::Completions { shell } => completions(shell, out),
        };
        cmd::settle(done)
    }
}

fn completions(shell: Shell, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidegauge", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Well)
}

fn is_rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.1..=1000.0).contains(rate));
    rate.ok_or_else(|| "expected a number of calls a second, 0.1 to 1000".to_owned())
}

#[cfg(test)]
mod tests;
