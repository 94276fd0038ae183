//! `tidegauge serve`: the proxy, until a signal.

use std::io::Write;
use std::sync::Arc;

use anyhow::Context as _;
use tidegauge_core::{Dropped, Health};
use tidegauge_proxy::Clock;
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::config::{Loaded, Outside, RecordFile, Source, load};
use crate::reload::Reload;
use crate::serve::{Plane, StartError, Stopper, start};
use crate::signals::{Heard, Signals};
use crate::sockets::Sockets;
use crate::supervisor::State;
use crate::{core_files, log, supervisor, welcome};

use super::Exit;

/// Runs until it is told to stop and everything has ended.
pub(crate) fn run(source: Source, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let runtime = runtime()?;
    // Before anything else: the first process of a container is deaf to what it does not listen for.
    let signals = {
        let _inside = runtime.enter();
        Signals::listen()
    };
    let loaded = match load(&source, &Outside::real()) {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            let mut err = std::io::stderr();
            writeln!(err, "{mistakes}\ntidegauge: not started; `tidegauge check` explains")?;
            return Ok(Exit::Bad);
        }
    };
    core_files::forbid();
    let mut plane = Plane::start(&loaded.resolved)?;
    plane.sockets = Sockets::take().map_err(StartError::Sockets)?;
    log::start(&loaded.resolved.config.log, &plane.telemetry);
    for warning in &loaded.resolved.warnings {
        tracing::warn!("{}", warning.0);
    }
    // What is on standard output alone can be read by a program.
    let piped = loaded.resolved.config.record_file.as_ref().is_some_and(RecordFile::is_stdout);
    let out: &mut dyn Write = if piped { &mut std::io::stderr() } else { out };
    runtime.block_on(serve(source, loaded, plane, signals, out))
}

/// The runtime of the data plane: a worker for each core.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(cores).thread_name("data-plane").enable_all();
    builder.build().context("cannot start threads")
}

async fn serve(
    source: Source,
    loaded: Loaded,
    plane: Plane,
    signals: std::io::Result<Signals>,
    out: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let running = start(&loaded.resolved, plane, Clock::real()).await?;
    let (asked, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let reload = Reload::new(source, &loaded, running.reloader());
    running.spawn(reload.run(Arc::clone(&asked), stop.clone()));
    running.spawn(tell_supervisor(running.stopper(), stop.clone()));
    let heard = Heard {
        stopper: running.stopper(),
        reload: asked,
        recorder: running.recorder(),
        configured: loaded.file.is_some(),
    };
    running.spawn(heard.obey(signals, stop.clone()));
    // Whoever reads that it runs may send a signal at once.
    if welcome::print(&running, &loaded.resolved, out).is_err() {
        tracing::info!(proxy = %running.proxy_addr(), "started; standard output is closed");
    }
    supervisor::tell(State::Ready);
    let health = Arc::clone(running.health());
    let Ok(drained) = running.wait_with(stop).await else {
        tracing::error!("the data plane broke");
        return Ok(Exit::Internal);
    };
    if drained.cut > 0 {
        tracing::warn!(cut = drained.cut, "stopped; exchanges had to be cut");
    } else {
        tracing::info!("stopped");
    }
    tell_lost(&health);
    Ok(Exit::Well)
}

/// Tells that the end has begun.
async fn tell_supervisor(stopper: Stopper, end: CancellationToken) {
    tokio::select! {
        () = stopper.asked() => supervisor::tell(State::Stopping),
        () = end.cancelled() => {}
    }
}

/// What the end itself cost: nobody can ask for the counters any more.
fn tell_lost(health: &Health) {
    let late = Dropped::ShutdownDeadline;
    let records = health.records_lost(late);
    let lines = health.lines_dropped(late);
    // What a stop at once left in the queue is lost as well.
    let queued = u64::try_from(health.spans_queued()).unwrap_or(0);
    let spans = health.spans_dropped(late) + queued;
    let logs = health.logs_dropped(late);
    if records + lines + spans + logs > 0 {
        tracing::warn!(records, lines, spans, logs, "not delivered before the end, and lost");
    }
}
