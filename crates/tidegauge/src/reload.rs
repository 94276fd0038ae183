//! Reads the configuration, the certificate and the price list again, on a signal or when their files change, and
//! publishes what is good.
//!
//! Directories are watched and not files, because editors and mounted configurations replace files. A
//! file that is no good changes nothing: its mistakes are logged in the words of `check`. Neither does
//! one that sets nothing any more, which is what a replacement looks like that is under way: without
//! it, requests would go to the providers' public addresses.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegauge_core::Origin;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, Loaded, Outside, Source, Upstream, load};
use crate::pricelist::Place;
use crate::serve::Reloader;
use crate::supervisor::{self, State};

/// How long a file must lie still before it is read: one replacement is several events.
const STILL: Duration = Duration::from_millis(200);

/// The same for a file that is shorter than the one in use: it may still be being written.
const STILL_SHORTER: Duration = Duration::from_secs(2);

/// Where a configuration comes from, and what it was when it was read.
pub(crate) struct Reload {
    source: Source,
    reloader: Reloader,
    /// What the process was started with: the part that cannot change stays this.
    started: Config,
    /// What is in use.
    now: Config,
    /// The file that it was read from sets nothing.
    empty: bool,
    config: Watched,
    prices: Watched,
    /// Of the proxy's address.
    cert: Watched,
    key: Watched,
}

/// A file that is read again when it changes.
struct Watched {
    file: Option<PathBuf>,
    /// Somebody named it, so it should be there.
    named: bool,
    seen: Option<Stamp>,
    /// Bytes of the one in use.
    used: u64,
    changed: Arc<Notify>,
    /// Tells `changed` as long as it lives.
    watcher: Option<RecommendedWatcher>,
}

/// What tells one state of a file from another without reading it.
#[derive(PartialEq, Eq)]
struct Stamp {
    len: u64,
    modified: Option<std::time::SystemTime>,
    inode: u64,
}

impl Watched {
    fn new(file: Option<PathBuf>, named: bool) -> Self {
        let seen = file.as_deref().and_then(stamp);
        let used = seen.as_ref().map_or(0, |seen| seen.len);
        Self { file, named, seen, used, changed: Arc::default(), watcher: None }
    }

    /// The price list of a configuration. Its directory may be the program's own, which then is made:
    /// a list that comes later is to be noticed.
    fn prices(config: &Config) -> Self {
        let place = Place::of(config);
        let named = place.as_ref().is_some_and(|place| place.named);
        if let Some(dir) = config.data_dir.as_deref().filter(|_| place.is_some() && !named) {
            // Where it cannot be made there is nothing to watch.
            let _ = std::fs::create_dir_all(dir);
        }
        Self::new(place.map(|place| place.path), named)
    }

    fn watch(&mut self) {
        let changed = Arc::clone(&self.changed);
        let watched = self.file.as_deref().map(|file| (file, watch(file, changed)));
        let Some((file, watcher)) = watched else { return };
        // Nobody misses a file that is neither named nor there.
        if watcher.is_none() && (self.named || self.seen.is_some()) {
            tracing::warn!(file = %file.display(), "cannot be watched: send SIGHUP to reload it");
        }
        // What changed since it was read, and before it was watched.
        if stamp(file) != self.seen {
            self.changed.notify_one();
        }
        self.watcher = watcher;
    }

    /// Resolves when the file is another than was seen last, and lies still.
    async fn changed(&self) {
        loop {
            self.changed.notified().await;
            let mut now = self.file.as_deref().and_then(stamp);
            loop {
                tokio::time::sleep(stillness(self.used, now.as_ref())).await;
                let later = self.file.as_deref().and_then(stamp);
                if later == now {
                    break;
                }
                now = later;
            }
            // A file that is gone is about to be replaced.
            if now.is_some() && now != self.seen {
                return;
            }
        }
    }

    /// What is there now is about to be read.
    fn see(&mut self) {
        self.seen = self.file.as_deref().and_then(stamp);
    }

    /// What was seen last is in use.
    fn take(&mut self) {
        self.used = self.seen.as_ref().map_or(0, |seen| seen.len);
    }
}

/// The files of the certificate and the key of the proxy's address.
fn identity(config: &Config) -> [Option<PathBuf>; 2] {
    let tls = config.listen_tls.as_ref();
    [tls.map(|tls| tls.cert_file.clone()), tls.map(|tls| tls.key_file.clone())]
}

/// How long a file must lie still, by its length and that of the one in use.
fn stillness(used: u64, now: Option<&Stamp>) -> Duration {
    if now.is_some_and(|now| now.len < used) { STILL_SHORTER } else { STILL }
}

impl Reload {
    /// Of a process that was started with `loaded`.
    pub(crate) fn new(source: Source, loaded: &Loaded, reloader: Reloader) -> Self {
        let started = loaded.resolved.config.clone();
        let prices = Watched::prices(&started);
        let config = Watched::new(loaded.file.clone(), true);
        let [cert, key] = identity(&started).map(|file| Watched::new(file, true));
        let empty = loaded.resolved.empty;
        Self { source, reloader, now: started.clone(), empty, started, config, prices, cert, key }
    }

    /// Reloads whenever `asked` says so or a file has changed, until `stop`.
    pub(crate) async fn run(mut self, asked: Arc<Notify>, stop: CancellationToken) {
        self.config.watch();
        self.prices.watch();
        self.cert.watch();
        self.key.watch();
        loop {
            let read: fn(Self) -> Self = tokio::select! {
                () = stop.cancelled() => return,
                () = asked.notified() => Self::reload,
                () = self.config.changed() => Self::reload,
                () = self.cert.changed() => Self::reload,
                () = self.key.changed() => Self::reload,
                () = self.prices.changed() => Self::reload_prices,
            };
            self = match tokio::task::spawn_blocking(move || read(self)).await {
                Ok(reload) => reload,
                Err(_) => return tracing::error!("reloading broke; restart to change anything"),
            };
        }
    }

    /// Reads the price list, and publishes it if it is good.
    fn reload_prices(mut self) -> Self {
        self.prices.see();
        if let Err(error) = self.reloader.publish_prices(&self.now) {
            tracing::error!("the price list stays as it was: {error}");
        }
        self.prices.take();
        self
    }

    /// Reads, and publishes what is good.
    fn reload(mut self) -> Self {
        supervisor::tell(State::Reloading);
        self.read();
        // Well or not: what serves is ready.
        supervisor::tell(State::Ready);
        self
    }

    fn read(&mut self) {
        for watched in [&mut self.config, &mut self.cert, &mut self.key] {
            watched.see();
        }
        match load(&self.source, &Outside::real()) {
            Err(mistakes) => {
                self.reloader.refuse();
                for mistake in &mistakes.0 {
                    tracing::error!("the configuration stays as it was: {mistake}");
                }
            }
            Ok(loaded) if loaded.resolved.empty && !self.empty => {
                self.reloader.refuse();
                tracing::error!(
                    "the configuration stays as it was: the file {}; to run without it, start again",
                    if loaded.file.is_some() { "sets nothing any more" } else { "is gone" }
                );
            }
            Ok(loaded) => match self.reloader.publish(&loaded.resolved) {
                Err(error) => tracing::error!("the configuration stays as it was: {error}"),
                Ok(()) => {
                    self.tell(&loaded.resolved.config);
                    self.now = loaded.resolved.config;
                    self.empty = loaded.resolved.empty;
                    for watched in [&mut self.config, &mut self.cert, &mut self.key] {
                        watched.take();
                    }
                    self.watch_identity();
                    self.watch_prices();
                }
            },
        }
    }

    /// The certificate has just been read; its files may be others now.
    fn watch_identity(&mut self) {
        for (watched, file) in [&mut self.cert, &mut self.key].into_iter().zip(identity(&self.now))
        {
            if watched.file != file {
                *watched = Watched::new(file, true);
                watched.watch();
            }
        }
    }

    /// The list has just been read; its file may be another now.
    fn watch_prices(&mut self) {
        let file = Place::of(&self.now).map(|place| place.path);
        if file == self.prices.file {
            self.prices.see();
            return self.prices.take();
        }
        self.prices = Watched::prices(&self.now);
        self.prices.watch();
    }

    fn tell(&self, now: &Config) {
        tracing::info!(upstreams = now.upstreams.len(), "configuration reloaded");
        for Moved { name, was, to } in moved(&self.now, now) {
            match to {
                To::Nowhere => tracing::warn!(upstream = name, %was, "this upstream is gone"),
                To::Public(now) => {
                    tracing::warn!(upstream = name, %was, %now, "this upstream is back at its provider's public address");
                }
                To::Elsewhere(now) => {
                    tracing::warn!(upstream = name, %was, %now, "this upstream is elsewhere now");
                }
            }
        }
        for key in needs_restart(&self.started, now) {
            tracing::warn!("`{key}` has changed and takes effect at the next start");
        }
    }
}

/// An upstream that leads elsewhere after a reload: keys and prompts of clients go there.
#[derive(PartialEq, Debug)]
struct Moved<'a> {
    name: &'a str,
    was: &'a Origin,
    to: To<'a>,
}

/// Where an upstream is now.
#[derive(PartialEq, Debug)]
enum To<'a> {
    /// It is not configured any more.
    Nowhere,
    /// Where its provider serves everybody.
    Public(&'a Origin),
    /// Somewhere else.
    Elsewhere(&'a Origin),
}

/// The upstreams of `was` that lead elsewhere in `now`.
fn moved<'a>(was: &'a Config, now: &'a Config) -> Vec<Moved<'a>> {
    let to = |before: &Upstream| match now.upstreams.iter().find(|one| one.name == before.name) {
        None => Some(To::Nowhere),
        Some(now) if now.origin == before.origin => None,
        Some(now) if now.is_public() => Some(To::Public(&now.origin)),
        Some(now) => Some(To::Elsewhere(&now.origin)),
    };
    let moved = |before: &'a Upstream| {
        Some(Moved { name: &before.name, was: &before.origin, to: to(before)? })
    };
    was.upstreams.iter().filter_map(moved).collect()
}

/// The settings that differ and are only read at start.
fn needs_restart(was: &Config, now: &Config) -> Vec<&'static str> {
    let hold = now.limits.hold;
    let limits = crate::config::Limits { hold, ..was.limits.clone() };
    let exporter = |config: &Config| crate::config::Telemetry {
        trust: was.telemetry.trust,
        trace_header: was.telemetry.trace_header,
        sample_ratio: was.telemetry.sample_ratio,
        parent_based: was.telemetry.parent_based,
        ..config.telemetry.clone()
    };
    let all = [
        ("listen", was.listen != now.listen),
        // Another certificate is shown from the next connection on.
        ("listen_tls", was.listen_tls.is_some() != now.listen_tls.is_some()),
        ("console", was.console != now.console),
        ("telemetry", exporter(was) != exporter(now)),
        ("limits", limits != now.limits),
        ("log", was.log != now.log),
        ("record_file", was.record_file != now.record_file),
        ("data_dir", was.data_dir != now.data_dir),
    ];
    all.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

/// Tells `changed` about anything that happens beside the file. `None` when the system does not let
/// us watch; a signal still works then.
fn watch(file: &Path, changed: Arc<Notify>) -> Option<RecommendedWatcher> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = parent.unwrap_or(Path::new("."));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            changed.notify_one();
        }
    });
    let watched =
        watcher.as_mut().map(|watcher| watcher.watch(directory, RecursiveMode::NonRecursive));
    if matches!(watched, Ok(Ok(()))) { watcher.ok() } else { None }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let meta = std::fs::metadata(file).ok()?;
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(&meta);
    #[cfg(not(unix))]
    let inode = 0;
    Some(Stamp { len: meta.len(), modified: meta.modified().ok(), inode })
}

#[cfg(test)]
mod tests;
