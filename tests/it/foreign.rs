//! Back ends that nobody of us wrote take what the program gives out, and tell through their own
//! interfaces what they understood. Each is skipped, and says so, where its program is not installed.

mod jaeger;
mod phoenix;
mod prometheus;
mod rotel;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::client::call;
use crate::support::say;

/// The program that an environment variable names; says why not where it names none.
fn installed(variable: &str, what: &str) -> Option<String> {
    let program = std::env::var(variable).ok();
    if program.is_none() {
        say(&format!("skipped: {variable} names no {what}"));
    }
    program
}

/// A port nobody listens on.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

/// Starts a program that writes what it says into `said.txt` of `folder` and ends with the test.
fn spawn(command: &mut Command, folder: &Path) -> Child {
    let output = std::fs::File::create(folder.join("said.txt")).expect("a file");
    let errors = output.try_clone().expect("the same file");
    command.stdin(Stdio::null()).stdout(output).stderr(errors).kill_on_drop(true);
    command.spawn().expect("it starts")
}

/// What a program started by [`spawn`] has said so far.
fn said(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("said.txt")).unwrap_or_default()
}

/// JSON from a back end; nothing as long as it does not answer well.
async fn get(addr: SocketAddr, target: &str) -> Option<Value> {
    // It may not listen yet.
    TcpStream::connect(addr).await.ok()?;
    let raw = format!("GET {target} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n\r\n");
    let answer = call(addr, raw.as_bytes()).await;
    (answer.status == 200).then(|| answer.json())
}

/// `text` as a value in a query.
fn escaped(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let escape =
        |byte: u8| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(escape).collect()
}
