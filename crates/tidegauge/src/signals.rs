//! What the system tells the process by signals: to stop, to read its files again, to open them anew.
//!
//! Signals are heard from [`Signals::listen`] on, before anything else is done: what comes while the
//! process starts is obeyed as soon as it has started.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::serve::Stopper;
use crate::sinks::Recorder;

/// Who is told.
pub(crate) struct Heard {
    /// What stops.
    pub(crate) stopper: Stopper,
    /// What reads the configuration again.
    pub(crate) reload: Arc<Notify>,
    /// What has a file that others rename.
    pub(crate) recorder: Option<Arc<Recorder>>,
    /// Whether there is a configuration file, so that reading it again means something.
    pub(crate) configured: bool,
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    Stop,
    /// Of a terminal that is closed, or of whoever wants files to be read again.
    HangUp,
    Reopen,
}

impl Heard {
    /// Obeys until `end`: SIGTERM and SIGINT stop gracefully, a second one at once. SIGHUP reads the
    /// configuration again and opens the record file anew, SIGUSR1 only that. A SIGHUP because the
    /// terminal is gone stops.
    pub(crate) async fn obey(self, signals: std::io::Result<Signals>, end: CancellationToken) {
        let Ok(mut signals) = signals else {
            return tracing::error!("signals cannot be heard");
        };
        let mut told = false;
        loop {
            let asked = tokio::select! {
                () = end.cancelled() => return,
                asked = signals.next() => asked,
            };
            match asked {
                Asked::HangUp if signals.terminal.is_gone(self.configured) => self.stop(&mut told),
                Asked::HangUp => {
                    self.reload.notify_one();
                    self.reopen();
                }
                Asked::Reopen => self.reopen(),
                Asked::Stop => self.stop(&mut told),
            }
        }
    }

    fn stop(&self, told: &mut bool) {
        if std::mem::replace(told, true) {
            tracing::warn!("stopping at once");
            self.stopper.abort();
        } else {
            tracing::info!(
                "stopping: no new connections; what runs may end. Once more stops at once"
            );
            self.stopper.graceful();
        }
    }

    fn reopen(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.reopen();
        }
    }
}

/// Whether the process was started at a terminal.
struct Terminal(bool);

impl Terminal {
    fn now() -> Self {
        use std::io::IsTerminal as _;
        Self(std::io::stderr().is_terminal())
    }

    /// Whether a hang-up is one in fact: the terminal is closed, or nobody who has no configuration
    /// file can mean anything else.
    fn is_gone(&self, configured: bool) -> bool {
        self.0 && (!configured || !Self::now().0)
    }
}

/// The signals that are heard.
#[cfg(unix)]
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    user: tokio::signal::unix::Signal,
    terminal: Terminal,
}

#[cfg(unix)]
impl Signals {
    /// From here on. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn listen() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
            terminal: Terminal::now(),
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::HangUp,
            _ = self.user.recv() => Asked::Reopen,
        }
    }
}

/// Ctrl-C alone.
#[cfg(not(unix))]
pub(crate) struct Signals {
    terminal: Terminal,
}

#[cfg(not(unix))]
impl Signals {
    /// From here on.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { terminal: Terminal::now() })
    }

    async fn next(&mut self) -> Asked {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Asked::Stop,
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Terminal;

    #[test]
    fn a_hang_up_is_one_only_where_there_was_a_terminal() {
        assert!(!Terminal(false).is_gone(true));
        assert!(!Terminal(false).is_gone(false));
        assert!(Terminal(true).is_gone(false));
    }
}
