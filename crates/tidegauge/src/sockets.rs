//! Listeners that a service manager opened and hands over (`LISTEN_FDS`): they stay open while one
//! process ends and the next one starts, so that a restart refuses no connection.

use std::io;
use std::net::TcpListener as Listener;

use listenfd::ListenFd;
use tokio::net::TcpListener;

/// What was handed over.
#[derive(Debug, Default)]
pub struct Sockets {
    /// For the proxy.
    pub(crate) proxy: Option<Listener>,
    /// For the console.
    pub(crate) console: Option<Listener>,
}

impl Sockets {
    /// Takes what this process was given. By its name (`LISTEN_FDNAMES`) one is the console's; of the
    /// others the first is the proxy's, and the second the console's.
    ///
    /// # Errors
    /// When something else than TCP listeners was given, or more than two.
    pub(crate) fn take() -> io::Result<Self> {
        let mut given = ListenFd::from_env();
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut sockets = Self::default();
        for index in 0..given.len() {
            let Some(listener) = given.take_tcp_listener(index)? else { continue };
            listener.set_nonblocking(true)?;
            let is_console = names.next() == Some("console");
            let place = match &sockets {
                Self { proxy: None, .. } if !is_console => &mut sockets.proxy,
                Self { console: None, .. } => &mut sockets.console,
                _ => return Err(io::Error::other("more sockets than there are listeners")),
            };
            *place = Some(listener);
        }
        Ok(sockets)
    }
}

/// The same, for the runtime.
pub(crate) fn listener(given: Listener) -> io::Result<TcpListener> {
    TcpListener::from_std(given)
}
