//! Turns what was typed (file, environment, flags) into what runs, or into every mistake at once.
//!
//! Flags win over `TIDEGAUGE_*`, which win over the file, which wins over defaults. Must not open a
//! socket or start anything: `check` calls this too.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use tidegauge_core::{Capture, Trust};
use tidegauge_measure::redact::Redactor;
use tidegauge_measure::{OwnPrice, Prices};
use tidegauge_otel::MetricOptions;
use tidegauge_wire::default_provider;

use crate::telemetry::TelemetryConfig;

use super::file::{
    Capture as CaptureWords, CaptureSetting, ConsoleWord, File, Limits as LimitsWord,
    Log as LogWord, LogFormat, RecordFileWord, Telemetry as TelemetryWord,
};
use super::mistake::{At, Mistake, Mistakes, Place, nearest, shown};
use super::outside::Outside;
use super::schema::schema;
use super::secret::Secret;
use super::shape::{has_variable, listed, shape};
use super::tree::{self, Node};
use super::upstream::{self, Upstream};
use super::value::Size;
use super::{
    CaptureSettings, Config, Console, Limits, ListenTls, Log, Overrides, RecordFile, Telemetry,
};
use super::{advice, pricing, telemetry};

/// The least that a request head may be limited to, in bytes: the HTTP parser's own floor.
const LEAST_HEAD: u64 = 8 << 10;

/// The least size at which a record file is put aside: a few large records.
const LEAST_FILE: u64 = 1 << 20;

/// What was typed.
#[derive(Clone, Copy)]
pub struct Typed<'a> {
    /// Name and text of the configuration file, if there is one.
    pub file: Option<(&'a str, &'a str)>,
    /// The command line.
    pub flags: &'a Overrides,
}

/// Something that works but should not stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning(pub String);

/// A configuration that can run.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What runs.
    pub config: Config,
    /// What the exporter is told: the same, and what the `OTEL_*` variables say over it.
    pub exporter: TelemetryConfig,
    /// What works but should not stay, in no particular order.
    pub warnings: Vec<Warning>,
    /// There is no file, or it sets nothing: what runs is what would run without it.
    pub empty: bool,
    /// What was set, in the file or over it.
    pub(crate) set: File,
}

/// Resolves a configuration.
///
/// # Errors
/// Every mistake there is.
pub fn resolve(typed: Typed<'_>, outside: &Outside<'_>) -> Result<Resolved, Mistakes> {
    let mut mistakes = Vec::new();
    let (name, text) = typed.file.unwrap_or(("", ""));
    let tree = tree::parse(text, name, &mut mistakes);
    let file = tree.as_ref().map(|tree| read(tree, name, outside, &mut mistakes));
    let mut resolver = Resolver::new(name, tree, outside, mistakes);
    let mut file = file.unwrap_or_default();
    resolver.lay_over(&mut file, &environment(outside), |name| Place::Env(name.to_owned()));
    resolver.lay_over(&mut file, typed.flags, |name| Place::Flag(flag_of(name)));
    let config = resolver.config(&file);
    let empty = resolver.is_empty(typed.flags, &config);
    match (resolver.exporter(&config), resolver.mistakes) {
        (Some(exporter), mistakes) if mistakes.is_empty() => {
            let mut warnings = resolver.warnings;
            warnings.extend(advice::warnings(&config, &exporter, outside));
            Ok(Resolved { config, exporter, warnings, empty, set: file })
        }
        (_, mistakes) => Err(Mistakes::new(mistakes)),
    }
}

fn read(tree: &Node, name: &str, outside: &Outside<'_>, mistakes: &mut Vec<Mistake>) -> File {
    let value = shape(tree, &schema(), name, outside, mistakes);
    serde_json::from_value(value).unwrap_or_else(|error| {
        let place = Place::File { file: name.to_owned(), at: At::default() };
        mistakes.push(Mistake {
            place,
            path: String::new(),
            message: error.to_string(),
            hint: None,
        });
        File::default()
    })
}

/// The `TIDEGAUGE_*` variables with the names of the flags.
fn environment(outside: &Outside<'_>) -> Overrides {
    let text = |name: &str| (outside.env)(&format!("TIDEGAUGE_{name}"));
    let upstreams = text("UPSTREAM").unwrap_or_default();
    Overrides {
        listen: text("LISTEN"),
        console: text("CONSOLE"),
        upstreams: upstreams.split(',').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
        record_file: text("RECORD_FILE").map(PathBuf::from),
        data_dir: text("DATA_DIR").map(PathBuf::from),
        log: text("LOG"),
    }
}

fn flag_of(variable: &str) -> &'static str {
    match variable {
        "TIDEGAUGE_LISTEN" => "--listen",
        "TIDEGAUGE_CONSOLE" => "--console",
        "TIDEGAUGE_UPSTREAM" => "--upstream",
        "TIDEGAUGE_RECORD_FILE" => "--record-file",
        "TIDEGAUGE_DATA_DIR" => "--data-dir",
        _ => "--log",
    }
}

/// One pass over a configuration: what it is about, and what was found wrong so far.
pub(super) struct Resolver<'a> {
    name: &'a str,
    tree: Option<Node>,
    pub(super) outside: &'a Outside<'a>,
    /// Settings that do not come from the file, by path.
    overridden: BTreeMap<String, Place>,
    pub(super) mistakes: Vec<Mistake>,
    pub(super) warnings: Vec<Warning>,
}

impl<'a> Resolver<'a> {
    fn new(
        name: &'a str,
        tree: Option<Node>,
        outside: &'a Outside<'a>,
        mistakes: Vec<Mistake>,
    ) -> Self {
        let overridden = BTreeMap::new();
        Self { name, tree, outside, overridden, mistakes, warnings: Vec::new() }
    }
}

impl Resolver<'_> {
    /// Puts one layer over the file and remembers whose word each setting now is.
    fn lay_over(&mut self, file: &mut File, layer: &Overrides, place: impl Fn(&str) -> Place) {
        if let Some(listen) = &layer.listen {
            file.listen = Some(listen.clone());
            self.overridden.insert("listen".to_owned(), place("TIDEGAUGE_LISTEN"));
        }
        if let Some(console) = &layer.console {
            self.overridden.insert("console".to_owned(), place("TIDEGAUGE_CONSOLE"));
            match &mut file.console {
                Some(ConsoleWord::Map(map)) => map.listen = Some(console.clone()),
                other => *other = Some(ConsoleWord::Address(console.clone())),
            }
        }
        for word in &layer.upstreams {
            let place = place("TIDEGAUGE_UPSTREAM");
            match word.split_once('=') {
                Some((name, origin)) if !name.is_empty() && !origin.is_empty() => {
                    let upstreams = file.upstreams.get_or_insert_default();
                    upstreams.entry(name.to_owned()).or_default().base_url =
                        Some(origin.to_owned());
                    self.overridden.insert(format!("upstreams.{name}"), place);
                }
                _ => self.mistakes.push(Mistake {
                    place,
                    path: "upstreams".to_owned(),
                    message: format!("expected NAME=ORIGIN, found `{}`", shown(word)),
                    hint: None,
                }),
            }
        }
        if let Some(path) = &layer.record_file {
            self.overridden.insert("record_file".to_owned(), place("TIDEGAUGE_RECORD_FILE"));
            match &mut file.record_file {
                Some(RecordFileWord::Map(map)) => map.path = path.clone(),
                other => *other = Some(RecordFileWord::Path(path.clone())),
            }
        }
        if let Some(path) = &layer.data_dir {
            file.data_dir = Some(path.clone());
        }
        if let Some(level) = &layer.log {
            file.log.get_or_insert_default().level = Some(level.clone());
            self.overridden.insert("log.level".to_owned(), place("TIDEGAUGE_LOG"));
        }
    }

    /// Whether the file sets nothing. A key may do something without a value behind it
    /// (`journal: {}`), so the result is held against that of no file at all.
    fn is_empty(&self, flags: &Overrides, config: &Config) -> bool {
        if self.tree.as_ref().is_some_and(|tree| !tree.is_empty()) {
            return false;
        }
        let mut without = Resolver::new(self.name, None, self.outside, Vec::new());
        let mut file = File::default();
        without.lay_over(&mut file, &environment(self.outside), |_| self.place(&[]));
        without.lay_over(&mut file, flags, |_| self.place(&[]));
        without.config(&file) == *config
    }

    fn config(&mut self, file: &File) -> Config {
        let upstreams = upstream::resolve(self, file);
        let default_upstream = self.default_upstream(file, &upstreams);
        self.words_without_capture(&upstreams);
        let listen = self.address("listen", file.listen.as_deref(), 4310);
        Config {
            listen,
            listen_tls: self.listen_tls(file),
            console: self.console(file, listen),
            telemetry: self
                .telemetry(file.telemetry.clone().unwrap_or_default(), file.data_dir.as_deref()),
            capture: self.capture(file),
            prices: self.prices(file, &upstreams),
            aliases: file.pricing.as_ref().and_then(|p| p.aliases.clone()).unwrap_or_default(),
            price_file: file.pricing.as_ref().and_then(|pricing| pricing.file.clone()),
            limits: self.limits(&file.limits.clone().unwrap_or_default()),
            log: self.log(file.log.clone().unwrap_or_default()),
            record_file: file.record_file.as_ref().and_then(|word| self.record_file(word)),
            data_dir: file.data_dir.clone(),
            upstreams,
            default_upstream,
        }
    }

    fn default_upstream(&mut self, file: &File, upstreams: &[Upstream]) -> String {
        let Some(name) = &file.default_upstream else {
            return default_provider().kind().to_owned();
        };
        self.known_upstream(&["default_upstream"], name, file, upstreams);
        name.clone()
    }

    /// An upstream that the file names is known, with mistakes in it too: those are told elsewhere.
    fn known_upstream(&mut self, path: &[&str], name: &str, file: &File, upstreams: &[Upstream]) {
        let good = upstreams.iter().map(|upstream| upstream.name.as_str());
        let written = file.upstreams.iter().flat_map(BTreeMap::keys).map(String::as_str);
        let all: BTreeSet<&str> = good.chain(written).collect();
        if all.contains(name) {
            return;
        }
        let names = || all.iter().copied();
        let hint = nearest(name, names());
        let message = match &hint {
            Some(_) => format!("no upstream is called `{}`", shown(name)),
            None => {
                format!("no upstream is called `{}`; there are {}", shown(name), listed(names()))
            }
        };
        self.wrong(path, message, hint);
    }

    fn address(&mut self, key: &str, text: Option<&str>, port: u16) -> SocketAddr {
        let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let Some(text) = text else { return default };
        parse_address(text).unwrap_or_else(|| {
            let found = shown(text);
            let message = format!("expected an address such as {default}, found `{found}`");
            self.wrong(&key.split('.').collect::<Vec<_>>(), message, None);
            default
        })
    }

    fn listen_tls(&mut self, file: &File) -> Option<ListenTls> {
        let word = file.listen_tls.as_ref()?;
        let cert = self.pem(&["listen_tls", "cert"], &word.cert)?;
        if (self.outside.public)(&word.key) {
            let shown = word.key.display();
            let message = format!(
                "everybody on this machine can read {shown}, and be taken for this proxy: chmod 600 {shown}"
            );
            self.wrong(&["listen_tls", "key"], message, None);
            return None;
        }
        let key = self.private_pem(&["listen_tls", "key"], &word.key)?;
        Some(ListenTls { cert_file: word.cert.clone(), key_file: word.key.clone(), cert, key })
    }

    fn console(&mut self, file: &File, proxy: SocketAddr) -> Option<Console> {
        let (listen, token, key) = match &file.console {
            None => (None, None, "console"),
            Some(ConsoleWord::Address(address)) => (Some(address.as_str()), None, "console"),
            Some(ConsoleWord::Map(map)) => {
                (map.listen.as_deref(), map.token.as_ref(), "console.listen")
            }
        };
        if listen == Some("off") {
            return None;
        }
        let key = if self.overridden.contains_key("console") { "console" } else { key };
        let listen = self.address(key, listen, 4311);
        let path: Vec<&str> = key.split('.').collect();
        if listen == proxy && proxy.port() != 0 {
            self.wrong(&path, format!("the proxy listens on {proxy} already"), None);
        }
        let named = token.is_some();
        let token = token.and_then(|word| self.secret(&["console", "token"], word, true));
        if !named && !listen.ip().is_loopback() {
            let message = format!(
                "{listen} can be reached from other machines: set `console: {{ listen, token }}` \
                 with a token, or use a loopback address"
            );
            self.wrong(&path, message, None);
        }
        Some(Console { listen, token })
    }

    fn record_file(&mut self, word: &RecordFileWord) -> Option<RecordFile> {
        let (path, max_bytes, keep) = match word {
            RecordFileWord::Path(path) => (path, None, None),
            RecordFileWord::Map(map) => (&map.path, map.max_bytes, map.keep),
        };
        let file = RecordFile {
            path: path.clone(),
            max_bytes: max_bytes.map(|size| size.0),
            keep: keep.unwrap_or(5),
        };
        let mut wrong = |key: &str, message: &str| {
            self.wrong(&["record_file", key], message.to_owned(), None);
        };
        if file.path.as_os_str().is_empty() {
            wrong("path", "expected a path, or `-` for standard output");
            return None;
        }
        if file.max_bytes.is_some_and(|most| most < LEAST_FILE) {
            wrong("max_bytes", &format!("expected {} or more", Size(LEAST_FILE)));
        }
        if file.keep == 0 {
            wrong("keep", "expected 1 or more, found `0`");
        }
        if file.is_stdout() && file.max_bytes.is_some() {
            wrong("max_bytes", "standard output has no size");
        }
        Some(file)
    }

    fn telemetry(&mut self, word: TelemetryWord, data_dir: Option<&Path>) -> Telemetry {
        let sampling = word.sampling.unwrap_or_default();
        self.share(&["telemetry", "sampling", "ratio"], sampling.ratio);
        let disk_queue = word.disk_queue.and_then(|word| {
            self.disk_queue(&["telemetry", "disk_queue"], word, data_dir, "queue")
        });
        let compat = word.compat.unwrap_or_default();
        let semconv = word.semconv.unwrap_or_default();
        let spans = word.spans.unwrap_or_default();
        let journal = word.journal.map(|word| self.journal(word, data_dir));
        Telemetry {
            journal,
            otlp: self.otlp(&["telemetry", "otlp"], word.otlp.unwrap_or_default()),
            exporters: self.exporters(
                word.exporters.unwrap_or_default(),
                data_dir,
                disk_queue.as_ref(),
            ),
            service_name: word.service_name,
            resource: word.resource.unwrap_or_default(),
            sample_ratio: sampling.ratio,
            parent_based: sampling.parent_based,
            metric_interval: word.metric_interval.map(|time| time.0),
            diagnostics: word.diagnostics,
            histograms: word.histograms.map(Into::into).unwrap_or_default(),
            page_buckets: word.page_buckets.unwrap_or_default(),
            trust: word.trust.map_or(Trust::Continue, Into::into),
            trace_header: word.trace_header.unwrap_or(true),
            metric_tags: word.metric_tags.unwrap_or_else(|| MetricOptions::default().tags),
            estimate_usage: word.estimate_usage.unwrap_or(true),
            usage_cost: compat.usage_cost.unwrap_or(true),
            openinference: compat.openinference.unwrap_or(false),
            names: semconv.genai.unwrap_or_default().into(),
            cache_write: semconv.cache_write.unwrap_or_default().into(),
            call_span: spans.genai.unwrap_or_default().into(),
            sessions: spans.sessions.unwrap_or_default(),
            disk_queue,
        }
    }

    /// A share is from 0 to 1.
    fn share(&mut self, path: &[&str], share: Option<f64>) {
        if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
            self.wrong(path, format!("expected a number from 0 to 1, found `{share}`"), None);
        }
    }

    /// What the exporter makes of it; its mistakes are ours.
    fn exporter(&mut self, config: &Config) -> Option<TelemetryConfig> {
        let error = match telemetry::exporter(config, self.outside) {
            Ok(exporter) => {
                let ignored = exporter.ignored.iter();
                self.warnings.extend(ignored.map(|one| Warning(format!("{one}; it is ignored"))));
                self.calls_without_words(config, &exporter);
                return Some(exporter);
            }
            Err(error) => error,
        };
        for mistake in error.mistakes {
            let message = format!("expected {}", mistake.expected);
            let path = telemetry::place(&mistake);
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            // Always a mistake: without an exporter there is nothing to show.
            self.note(&path, message, None);
        }
        None
    }

    /// A receiver may take no call without what was said in it.
    fn calls_without_words(&mut self, config: &Config, exporter: &TelemetryConfig) {
        if config.upstreams.iter().any(|upstream| upstream.capture != Capture::Off) {
            return;
        }
        for plan in exporter.exporters.iter().filter(|plan| plan.preset.wants_content()) {
            let (name, preset) = (&plan.options.name, plan.preset.name());
            self.warnings.push(Warning(format!(
                "exporter `{name}`: {preset} takes no call without input and output, and `capture` is off"
            )));
        }
    }

    /// Where the words of calls go says a standard variable; whether any are kept says `capture`.
    fn words_without_capture(&mut self, upstreams: &[Upstream]) {
        const WHERE: &str = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT";
        let told = (self.outside.env)(WHERE).unwrap_or_default().to_ascii_uppercase();
        let wanted = !matches!(told.trim(), "" | "NO_CONTENT" | "FALSE");
        if wanted && upstreams.iter().all(|upstream| upstream.capture == Capture::Off) {
            let told = format!("{WHERE} has nothing to send: `capture` is off");
            self.warnings.push(Warning(told));
        }
    }

    fn capture(&mut self, file: &File) -> CaptureSettings {
        let map = match &file.capture {
            Some(CaptureSetting::Map(map)) => map.clone(),
            Some(CaptureSetting::Word(_)) | None => CaptureWords::default(),
        };
        let patterns = map.patterns.unwrap_or_default();
        // Only to hear what is wrong with them: whoever redacts compiles them again.
        for bad in Redactor::new(&patterns).err().unwrap_or_default() {
            let index = bad.index.to_string();
            self.wrong(&["capture", "patterns", &index], bad.reason.to_string(), None);
        }
        let tool_schemas = map.tool_schemas.unwrap_or(false);
        CaptureSettings { level: upstream::level(file), patterns, tool_schemas }
    }

    fn prices(&mut self, file: &File, upstreams: &[Upstream]) -> Vec<OwnPrice> {
        let words = file.pricing.as_ref().and_then(|pricing| pricing.models.as_deref());
        let words = words.unwrap_or_default();
        for (index, word) in words.iter().enumerate() {
            if let Some(name) = &word.upstream {
                let path = ["pricing", "models", &index.to_string(), "upstream"];
                self.known_upstream(&path, name, file, upstreams);
            }
        }
        let prices: Vec<OwnPrice> = words.iter().map(pricing::own).collect();
        // Only to hear what is wrong with them: whoever needs prices reads them again.
        for error in Prices::bundled().with_overlay(prices.clone()).err().unwrap_or_default() {
            let (index, message) = pricing::told(&error);
            let index = index.to_string();
            // What is there and wrong is told already.
            let there = |key: &&str| self.written(&["pricing", "models", &index, key]).is_some();
            if message == pricing::EMPTY && pricing::PARTS.iter().any(there) {
                continue;
            }
            self.wrong(&["pricing", "models", &index], message.to_owned(), None);
        }
        prices
    }

    fn limits(&mut self, word: &LimitsWord) -> Limits {
        let default = Limits::default();
        let limits = Limits {
            connections: word.connections.unwrap_or(default.connections),
            head_bytes: word.head_bytes.map_or(default.head_bytes, |size| size.0),
            headers: word.headers.unwrap_or(default.headers),
            head_timeout: word.head_timeout.map_or(default.head_timeout, |time| time.0),
            keep_alive: word.keep_alive.map_or(default.keep_alive, |time| time.0),
            hold: word.hold.map_or(default.hold, |size| size.0),
            held_bytes: word.held_bytes.map_or(default.held_bytes, |size| size.0),
            body_idle: upstream::bound(word.body_idle, default.body_idle),
            drain_delay: word.drain_delay.map_or(default.drain_delay, |time| time.0),
            drain: word.drain.map_or(default.drain, |time| time.0),
            records: word.records.unwrap_or(default.records),
            telemetry_queue: word.telemetry_queue.map_or(default.telemetry_queue, |size| size.0),
            metric_sets: word.metric_sets.unwrap_or(default.metric_sets),
        };
        let counts = [
            ("connections", limits.connections),
            ("headers", limits.headers),
            ("records", limits.records),
            ("metric_sets", limits.metric_sets),
        ];
        for (key, _) in counts.iter().filter(|(_, count)| *count == 0) {
            self.wrong(&["limits", key], "expected 1 or more, found `0`".to_owned(), None);
        }
        if limits.head_bytes < LEAST_HEAD {
            let message = format!("expected {} or more", Size(LEAST_HEAD));
            self.wrong(&["limits", "head_bytes"], message, None);
        }
        for (key, time) in [
            ("head_timeout", Some(limits.head_timeout)),
            ("keep_alive", Some(limits.keep_alive)),
            ("body_idle", limits.body_idle),
        ] {
            if time.is_some_and(|time| time.is_zero()) {
                let message = "expected more than nothing, found `0ms`".to_owned();
                self.wrong(&["limits", key], message, None);
            }
        }
        limits
    }

    fn log(&mut self, word: LogWord) -> Log {
        let level = word.level.unwrap_or_else(|| "info".to_owned());
        if crate::log::filter(&level).is_err() {
            let message = format!(
                "expected `error`, `warn`, `info`, `debug`, `trace` or directives such as \
                 `info,tidegauge_proxy=debug`, found `{}`",
                shown(&level)
            );
            let hint = nearest(&level, ["error", "warn", "info", "debug", "trace"]);
            self.wrong(&["log", "level"], message, hint);
        }
        self.share(&["log", "access"], word.access);
        let json = word.format.map(|format| format == LogFormat::Json);
        Log { json, level, access: word.access }
    }

    /// Finds a secret; a literal one is refused where `strict`.
    pub(super) fn secret(
        &mut self,
        path: &[&str],
        word: &super::file::SecretWord,
        strict: bool,
    ) -> Option<Secret> {
        if strict && word.is_literal() {
            let message =
                "a secret does not stand in the file: write `${NAME}` or `{ file: PATH }`";
            self.wrong(path, message.to_owned(), None);
            return None;
        }
        if let super::file::SecretWord::Map(of) = word
            && (self.outside.exposed)(&of.file)
        {
            self.readable_by_others(&of.file);
        }
        Secret::find(word, self.outside).map_err(|message| self.wrong(path, message, None)).ok()
    }

    pub(super) fn readable_by_others(&mut self, file: &Path) {
        let shown = file.display();
        self.warnings.push(Warning(format!(
            "{shown} can be read by others than its owner: chmod 600 {shown}"
        )));
    }

    /// Notes a mistake at the setting `path`, wherever that setting was made. Where variables are not
    /// looked at, what is made with one is not judged.
    pub(super) fn wrong(&mut self, path: &[&str], message: String, hint: Option<String>) {
        if self.outside.blind && self.written(path).is_some_and(|it| it.any_text(&has_variable)) {
            return;
        }
        self.note(path, message, hint);
    }

    fn note(&mut self, path: &[&str], message: String, hint: Option<String>) {
        let place = self.place(path);
        self.mistakes.push(Mistake { place, path: path.join("."), message, hint });
    }

    /// The setting as the file has it, good or not.
    fn written(&self, path: &[&str]) -> Option<&Node> {
        let path: Vec<String> = path.iter().map(|key| (*key).to_owned()).collect();
        self.tree.as_ref().and_then(|tree| tree.find(&path))
    }

    /// Where the setting, or else the nearest thing around it, was made.
    fn place(&self, path: &[&str]) -> Place {
        for len in (1..=path.len()).rev() {
            let Some(part) = path.get(..len) else { continue };
            if let Some(place) = self.overridden.get(&part.join(".")) {
                return place.clone();
            }
            if let Some(node) = self.written(part) {
                return Place::File { file: self.name.to_owned(), at: node.at };
            }
        }
        Place::File { file: self.name.to_owned(), at: At::default() }
    }
}

/// `ADDRESS:PORT`, with `localhost` for 127.0.0.1.
fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => port.parse().ok().map(|port| (Ipv4Addr::LOCALHOST, port).into()),
        None => text.parse().ok(),
    }
}

/// Whether the text is an address, for the command line.
pub(crate) fn is_address(text: &str) -> Result<String, String> {
    let address = parse_address(text).map(|_| text.to_owned());
    address.ok_or_else(|| "expected an address such as 127.0.0.1:4310".to_owned())
}

/// Whether the text is an address or `off`, for the command line.
pub(crate) fn is_console(text: &str) -> Result<String, String> {
    if text == "off" { Ok(text.to_owned()) } else { is_address(text) }
}

/// Whether the text is a name and an origin, for the command line.
pub(crate) fn is_upstream(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() => upstream::origin(url).map(|_| text.to_owned()),
        _ => Err("expected NAME=ORIGIN".to_owned()),
    }
}
