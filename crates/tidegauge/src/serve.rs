//! Wires a configuration into a running process, and ends it in order.
//!
//! Bind first, then run: nothing is served until everything could be set up. On the way out the data
//! plane drains first, then the record pipeline, then the sinks, then telemetry, each with a
//! deadline.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tidegauge_core::{Health, Observers, Policy, Sink};
use tidegauge_measure::Prices;
use tidegauge_proxy::{BindError, Certificate, Clock, Drained, Identity, Server, Shutdown};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::capture::Rules;
use crate::config::{Config, ListenTls, Resolved};
use crate::journal::{Around, Journal};
use crate::pipeline::{Pipeline, Plant};
use crate::pricelist;
use crate::sinks::{AccessLog, Live, Recorder, last_ids};
use crate::sockets::Sockets;
use crate::telemetry::Telemetry;
use crate::{console, descriptors, sockets};

/// How long the record pipeline and each sink may take to finish their queues.
const SETTLE: Duration = Duration::from_secs(5);

/// The same, all together, when the stop is to be at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Why nothing was started. Each says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else listens there.
    #[error("{addr} is already in use: stop what listens there, or choose another with {flag}")]
    InUse {
        /// The address.
        addr: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr} ({flag}): {}", .source.kind())]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate of the proxy's address.
    #[error("listen_tls: {0}")]
    Identity(#[source] BindError),
    /// The record file.
    #[error("cannot append to {} (--record-file): {}", .path.display(), .source.kind())]
    RecordFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The telemetry settings.
    #[error("telemetry cannot be set up: {0}")]
    Telemetry(#[from] tidegauge_export::StartError),
    /// The price list.
    #[error("pricing: an entry of `models` cannot be used")]
    Prices,
    /// What is to be taken out of what is captured.
    #[error("capture: an entry of `patterns` cannot be used")]
    Patterns,
    /// What a service manager handed over.
    #[error("LISTEN_FDS: the sockets that were handed over cannot be used: {0}")]
    Sockets(#[source] io::Error),
    /// The system is out of threads.
    #[error("cannot start a thread: {}", .0.kind())]
    Thread(#[from] io::Error),
}

/// A running proxy. Dropping it stops nothing: ask with [`Running::shutdown`], then [`Running::wait`].
pub struct Running {
    proxy_addr: SocketAddr,
    console_addr: Option<SocketAddr>,
    stopper: Stopper,
    server: JoinHandle<Drained>,
    console: CancellationToken,
    tasks: TaskTracker,
    policy: Arc<ArcSwap<Policy>>,
    prices: Arc<ArcSwap<Prices>>,
    rules: Arc<ArcSwap<Rules>>,
    certificate: Option<Certificate>,
    parts: Parts,
}

/// The telemetry plane.
#[derive(Clone)]
struct Parts {
    health: Arc<Health>,
    pipeline: Arc<Pipeline>,
    /// The record file, to be opened anew.
    recorder: Option<Arc<Recorder>>,
    /// Who is shown the records, in this order, and ends in it.
    sinks: Vec<Arc<dyn Sink>>,
    journal: Option<Arc<Journal>>,
    telemetry: Arc<Telemetry>,
    live: Arc<Live>,
}

/// What is there before anything is bound: counters, the exporter with the log lines in it, and
/// listeners that a service manager bound.
pub struct Plane {
    /// Our own counters.
    pub health: Arc<Health>,
    /// The exporter.
    pub telemetry: Arc<Telemetry>,
    /// Listeners that are there already.
    pub sockets: Sockets,
}

impl Plane {
    /// Starts the exporter.
    ///
    /// # Errors
    /// When its certificates cannot be used or there is no thread.
    pub fn start(resolved: &Resolved) -> Result<Self, StartError> {
        let health = Arc::new(Health::default());
        let telemetry = Telemetry::start(resolved.exporter.clone(), Arc::clone(&health))?;
        Ok(Self { health, telemetry, sockets: Sockets::default() })
    }
}

/// Binds, starts and returns at once. Needs a tokio runtime with time and IO around it.
///
/// # Errors
/// When anything at all cannot be set up; nothing stays behind then.
pub async fn start(resolved: &Resolved, plane: Plane, clock: Clock) -> Result<Running, StartError> {
    let Resolved { config, exporter, .. } = resolved;
    let Plane { health, telemetry, sockets } = plane;
    make_data_dir(config);
    let list = pricelist::read_or(config, Prices::bundled, &health);
    let prices = Arc::new(ArcSwap::from_pointee(over(list, config)?));
    let rules = Arc::new(ArcSwap::from_pointee(rules(config)?));
    let policy = Arc::new(ArcSwap::from_pointee(config.policy(exporter.sampler)));
    let live = Arc::new(Live::new(clock));
    let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::clone(&live) as _];
    let recorder = recorder(config, &health)?;
    sinks.extend(recorder.clone().map(|recorder| recorder as _));
    let share = crate::log::access(&config.log);
    if share > 0.0 {
        sinks.push(Arc::new(AccessLog::start(share, Arc::clone(&health))?));
    }
    // Last: its end may wait for a receiver.
    sinks.push(Arc::clone(&telemetry) as _);
    let journal = journal(config, &health, &sinks)?;
    let pipeline = Pipeline::start(Plant {
        capacity: usize::try_from(config.limits.records).unwrap_or(usize::MAX),
        estimates: config.telemetry.estimate_usage,
        prices: Arc::clone(&prices),
        rules: Arc::clone(&rules),
        sinks: sinks.clone(),
        journal: journal.clone(),
        health: Arc::clone(&health),
    })?;

    let observers = Arc::clone(&pipeline) as Arc<dyn Observers>;
    let settings = proxy(config, clock);
    let (shared, counted) = (Arc::clone(&policy), Arc::clone(&health));
    let server = match sockets.proxy {
        Some(given) => {
            let listener = sockets::listener(given).map_err(StartError::Sockets)?;
            Server::on(listener, settings, shared, observers, counted)
        }
        None => Server::bind(settings, shared, observers, counted).await,
    }
    .map_err(refused)?;
    let (proxy_addr, certificate) = (server.local_addr(), server.certificate());
    let listener = match &config.console {
        None => None,
        Some(console) => Some(console::bind(console.listen, sockets.console).await?),
    };
    let console_addr = listener.as_ref().map(|(_, addr)| *addr);

    let records = Arc::clone(&pipeline);
    let parts = Parts { health, pipeline, recorder, sinks, journal, telemetry, live };
    let (tasks, ready) = (TaskTracker::new(), Arc::default());
    let (console, closed) = (CancellationToken::new(), CancellationToken::new());
    if let (Some((listener, addr)), Some(settings)) = (listener, &config.console) {
        let page = console::Console {
            addr,
            proxy: proxy_addr,
            token: settings.token.clone(),
            health: Arc::clone(&parts.health),
            telemetry: Arc::clone(&parts.telemetry),
            page: Arc::default(),
            ready: Arc::clone(&ready),
            prices: Arc::clone(&prices),
        };
        let until = console::Until { closed: closed.clone(), stopped: console.clone() };
        tasks.spawn(console::serve(listener, page, until));
    }
    let shutdown = Shutdown::new();
    let server = tasks.spawn(server.run(shutdown.clone()));
    ready.store(true, Ordering::Relaxed);
    let (asked, aborted) = (CancellationToken::new(), CancellationToken::new());
    let stopper = Stopper { ready, asked, aborted, records };
    let leave = Leave { shutdown, closed, end: console.clone() };
    tasks.spawn(leave.once_asked(stopper.clone(), config.limits.drain_delay));
    Ok(Running {
        proxy_addr,
        console_addr,
        stopper,
        server,
        console,
        tasks,
        policy,
        prices,
        rules,
        certificate,
        parts,
    })
}

/// What closes addresses once a stop was asked for.
struct Leave {
    shutdown: Shutdown,
    /// Closes the console's address, so that the next process can have it.
    closed: CancellationToken,
    /// Everything has ended some other way.
    end: CancellationToken,
}

impl Leave {
    /// Goes on serving for `delay`, while `/readyz` says that others should be asked, and closes then.
    async fn once_asked(self, stopper: Stopper, delay: Duration) {
        tokio::select! {
            () = stopper.asked.cancelled() => {}
            () = self.end.cancelled() => return,
        }
        tokio::select! {
            () = sleep(delay) => self.shutdown.graceful(),
            () = stopper.aborted.cancelled() => self.shutdown.abort(),
        }
        self.closed.cancel();
        tokio::select! {
            () = stopper.aborted.cancelled() => self.shutdown.abort(),
            () = self.end.cancelled() => {}
        }
    }
}

impl Running {
    /// Where the proxy listens.
    pub fn proxy_addr(&self) -> SocketAddr {
        self.proxy_addr
    }

    /// Where the console listens, if it does.
    pub fn console_addr(&self) -> Option<SocketAddr> {
        self.console_addr
    }

    /// Our own counters.
    pub fn health(&self) -> &Arc<Health> {
        &self.parts.health
    }

    /// The rolling windows.
    pub fn live(&self) -> &Arc<Live> {
        &self.parts.live
    }

    /// What appends records to a file, if anything does.
    pub(crate) fn recorder(&self) -> Option<Arc<Recorder>> {
        self.parts.recorder.clone()
    }

    /// What to ask for a stop, from anywhere.
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// What to give a new configuration to, from anywhere.
    pub fn reloader(&self) -> Reloader {
        Reloader {
            policy: Arc::clone(&self.policy),
            prices: Arc::clone(&self.prices),
            rules: Arc::clone(&self.rules),
            certificate: self.certificate.clone(),
            health: Arc::clone(&self.parts.health),
        }
    }

    /// Stops gracefully: no new connections, what runs may end within the drain time.
    pub fn shutdown(&self) {
        self.stopper().graceful();
    }

    /// Runs a task beside the proxy. It must end when a token is cancelled that is given to
    /// [`Running::wait_with`].
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Waits for the end, then lets the telemetry plane finish. Ends only after a stop was asked
    /// for.
    ///
    /// # Errors
    /// When the data plane broke instead of ending.
    pub async fn wait(self) -> Result<Drained, JoinError> {
        self.wait_with(CancellationToken::new()).await
    }

    /// Like [`Running::wait`]; cancels `beside` once everything else has ended.
    ///
    /// # Errors
    /// The same.
    pub async fn wait_with(self, beside: CancellationToken) -> Result<Drained, JoinError> {
        let drained = self.server.await;
        self.parts.settle(&self.stopper).await;
        self.console.cancel();
        beside.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        drained
    }
}

impl Parts {
    /// Lets each part finish its queue, from the data plane's exit to telemetry's. Where the stop is
    /// to be at once, what is here is still written down, but no collector is waited for.
    async fn settle(self, stopper: &Stopper) {
        let (done, settled) = oneshot::channel();
        let telemetry = Arc::clone(&self.telemetry);
        let settle = move || {
            self.pipeline.shutdown(SETTLE);
            for sink in &self.sinks {
                sink.shutdown(SETTLE);
            }
            // Last: what is closed in it is delivered, or on disk, or counted as dropped.
            if let Some(journal) = &self.journal {
                journal.shutdown(SETTLE);
            }
            // Whoever asked may have given up.
            let _ = done.send(());
        };
        // A thread of our own: the runtime waits for its own blocking ones, however late they are.
        if let Err(error) = std::thread::Builder::new().name("settle".to_owned()).spawn(settle) {
            return tracing::error!(error = %error.kind(), "queues are left as they are");
        }
        tokio::select! {
            _ = settled => {}
            () = async {
                stopper.aborted.cancelled().await;
                telemetry.abort_wait();
                sleep(AT_ONCE).await;
            } => {}
        }
    }
}

/// Asks a running proxy to stop.
#[derive(Clone)]
pub struct Stopper {
    asked: CancellationToken,
    aborted: CancellationToken,
    ready: Arc<AtomicBool>,
    records: Arc<Pipeline>,
}

impl Stopper {
    /// Lets exchanges end, as long as the drain time allows.
    pub fn graceful(&self) {
        self.ready.store(false, Ordering::Relaxed);
        self.records.hurry();
        self.asked.cancel();
    }

    /// Cuts what is still open, and waits for no collector.
    pub fn abort(&self) {
        self.ready.store(false, Ordering::Relaxed);
        self.records.hurry();
        self.asked.cancel();
        self.aborted.cancel();
    }

    /// Resolves once a stop was asked for.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }
}

/// Publishes what can change while a proxy runs: upstreams, sampling, capture, prices.
#[derive(Clone)]
pub struct Reloader {
    policy: Arc<ArcSwap<Policy>>,
    prices: Arc<ArcSwap<Prices>>,
    rules: Arc<ArcSwap<Rules>>,
    certificate: Option<Certificate>,
    health: Arc<Health>,
}

impl Reloader {
    /// Publishes a configuration. Exchanges under way keep the one they began with.
    ///
    /// # Errors
    /// When its prices, patterns or certificate cannot be used; nothing has changed then.
    pub fn publish(&self, resolved: &Resolved) -> Result<(), StartError> {
        let Resolved { config, exporter, .. } = resolved;
        let refused = |_: &StartError| self.health.reloaded(false);
        let rules = rules(config).inspect_err(refused)?;
        let prices = self.read_prices(config).inspect_err(refused)?;
        if let (Some(certificate), Some(tls)) = (&self.certificate, &config.listen_tls) {
            certificate
                .replace(&identity(tls))
                .map_err(StartError::Identity)
                .inspect_err(refused)?;
        }
        self.prices.store(Arc::new(prices));
        // Before the policy, which may permit more.
        self.rules.store(Arc::new(rules));
        self.policy.store(Arc::new(config.policy(exporter.sampler)));
        self.health.reloaded(true);
        Ok(())
    }

    /// Reads the price list again and publishes it. A file that is no good leaves the list as it was.
    ///
    /// # Errors
    /// When the configuration's own prices cannot be used; nothing has changed then.
    pub fn publish_prices(&self, config: &Config) -> Result<(), StartError> {
        self.prices.store(Arc::new(self.read_prices(config)?));
        Ok(())
    }

    fn read_prices(&self, config: &Config) -> Result<Prices, StartError> {
        let before = || Prices::clone(&self.prices.load());
        over(pricelist::read_or(config, before, &self.health), config)
    }

    /// Counts a configuration that was not good enough to publish.
    pub fn refuse(&self) {
        self.health.reloaded(false);
    }
}

/// A list with the configuration's own prices and names over it.
pub(crate) fn over(list: Prices, config: &Config) -> Result<Prices, StartError> {
    let prices = list.with_aliases(config.aliases.clone());
    prices.with_overlay(config.prices.clone()).map_err(|_| StartError::Prices)
}

/// How words are let into records.
fn rules(config: &Config) -> Result<Rules, StartError> {
    let capture = &config.capture;
    Rules::new(&capture.patterns, capture.tool_schemas).map_err(|_| StartError::Patterns)
}

/// Opens the journal; the sinks are shown what a killed process had left open.
fn journal(
    config: &Config,
    health: &Arc<Health>,
    sinks: &[Arc<dyn Sink>],
) -> io::Result<Option<Arc<Journal>>> {
    let Some(path) = &config.telemetry.journal else { return Ok(None) };
    let (record_file, sinks) = (config.record_file.clone(), sinks.to_vec());
    let around = Around {
        recorded: Box::new(move || record_file.as_ref().map(last_ids).unwrap_or_default()),
        show: Box::new(move |record| sinks.iter().for_each(|sink| sink.record(record))),
    };
    Journal::start(path, around, Arc::clone(health)).map(Some)
}

/// Makes the directory for files of our own, so that what is put there later is noticed.
fn make_data_dir(config: &Config) {
    let Some(dir) = config.data_dir.as_ref().filter(|dir| !dir.exists()) else { return };
    let mut options = std::fs::DirBuilder::new();
    options.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut options, 0o700);
    if let Err(error) = options.create(dir) {
        tracing::warn!("data_dir {} cannot be made: {}", dir.display(), error.kind());
    }
}

fn recorder(config: &Config, health: &Arc<Health>) -> Result<Option<Arc<Recorder>>, StartError> {
    let Some(file) = &config.record_file else { return Ok(None) };
    let recorder = Recorder::open(file, Arc::clone(health))
        .map_err(|source| StartError::RecordFile { path: file.path.clone(), source })?;
    Ok(Some(Arc::new(recorder)))
}

fn proxy(config: &Config, clock: Clock) -> tidegauge_proxy::Config {
    let descriptors = descriptors::raise();
    let connections = descriptors::fitting(config.limits.connections, descriptors);
    if connections < config.limits.connections {
        tracing::warn!(
            descriptors,
            connections,
            "limits.connections needs more open files than there may be, and is lowered: raise the \
             hard limit (ulimit -Hn, LimitNOFILE)"
        );
    }
    let mut proxy = tidegauge_proxy::Config::new(config.listen);
    let limits = &config.limits;
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    proxy.tls = config.listen_tls.as_ref().map(identity);
    proxy.limits.connections = size(connections.into());
    proxy.limits.head_bytes = size(limits.head_bytes);
    proxy.limits.headers = size(limits.headers.into());
    proxy.limits.head_timeout = limits.head_timeout;
    proxy.limits.keep_alive = limits.keep_alive;
    proxy.limits.held_bytes = size(limits.held_bytes);
    proxy.limits.body_idle = limits.body_idle;
    proxy.drain = limits.drain;
    proxy.clock = clock;
    proxy
}

fn identity(tls: &ListenTls) -> Identity {
    Identity { chain: tls.cert.to_vec(), key: tls.key.to_vec() }
}

fn refused(error: BindError) -> StartError {
    match error {
        BindError::Listen { addr, source } => listen_error(addr, "--listen", source),
        other @ (BindError::Identity(_) | BindError::Pem) => StartError::Identity(other),
    }
}

/// The error of an address that cannot be had.
pub(crate) fn listen_error(addr: SocketAddr, flag: &'static str, source: io::Error) -> StartError {
    if source.kind() == io::ErrorKind::AddrInUse {
        StartError::InUse { addr, flag }
    } else {
        StartError::Listen { addr, flag, source }
    }
}

#[cfg(test)]
mod tests;
