//! Tells a service manager what the process is at (`NOTIFY_SOCKET`, as systemd describes it).
//!
//! A datagram each; nobody waits for it, and where nobody listens nothing happens.

/// What the process is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// It serves, with the configuration as it is now.
    Ready,
    /// It reads its configuration again.
    Reloading,
    /// It ends.
    Stopping,
}

impl State {
    fn message(self) -> String {
        match self {
            Self::Ready => "READY=1\n".to_owned(),
            Self::Reloading => format!("RELOADING=1\n{}", monotonic()),
            Self::Stopping => "STOPPING=1\n".to_owned(),
        }
    }
}

/// Tells whoever started us.
pub(crate) fn tell(state: State) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return;
    };
    if let Err(error) = send(&name, state.message().as_bytes()) {
        tracing::debug!(error = %error.kind(), "the service manager cannot be told");
    }
}

#[cfg(unix)]
fn send(name: &std::ffi::OsStr, message: &[u8]) -> std::io::Result<()> {
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message, &address(name)?).map(|_| ())
}

#[cfg(not(unix))]
fn send(_: &std::ffi::OsStr, _: &[u8]) -> std::io::Result<()> {
    Ok(())
}

/// A path, or on Linux a name that begins with `@`.
#[cfg(unix)]
fn address(name: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::SocketAddr> {
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        if let Some(abstract_name) = name.as_bytes().strip_prefix(b"@") {
            return std::os::unix::net::SocketAddr::from_abstract_name(abstract_name);
        }
    }
    std::os::unix::net::SocketAddr::from_pathname(name)
}

/// When it is told, on the clock that a manager compares with.
#[cfg(unix)]
fn monotonic() -> String {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    format!(
        "MONOTONIC_USEC={}\n",
        i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000
    )
}

#[cfg(not(unix))]
fn monotonic() -> String {
    String::new()
}
