//! The real program in a folder of its own: started, watched, signalled, stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::client::{Answer, call};
use super::metrics::Page;
use super::wait::{until, within};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tidegauge");

/// How to start it.
pub(crate) struct Start {
    config: String,
    env: Vec<(String, String)>,
    through: Vec<String>,
    record_file: Option<PathBuf>,
    listener: Option<std::net::TcpListener>,
}

impl Start {
    /// With this configuration file.
    pub(crate) fn with(config: impl Into<String>) -> Self {
        Self {
            config: config.into(),
            env: Vec::new(),
            through: Vec::new(),
            record_file: None,
            listener: None,
        }
    }

    /// With upstreams of these names at these origins, nothing asked that clients did not ask.
    pub(crate) fn upstreams(upstreams: &[(&str, &str)]) -> Self {
        let lines: Vec<String> = upstreams
            .iter()
            .map(|(name, origin)| {
                format!("  {name}: {{ provider: {name}, base_url: \"{origin}\" }}\n")
            })
            .collect();
        Self::with(format!("upstreams:\n{}", lines.concat()))
    }

    /// Adds lines to the configuration file.
    pub(crate) fn and(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// Appends records there, and not in the program's own folder.
    pub(crate) fn record_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.record_file = Some(path.into());
        self
    }

    /// Hands it a listener, as a service manager does, and keeps it open.
    pub(crate) fn listener(mut self, listener: &std::net::TcpListener) -> Self {
        const HANDED: &str = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\"";
        self.listener = Some(listener.try_clone().expect("another handle"));
        self.through(&["sh", "-c", HANDED])
    }

    /// Starts it by another program, which ends its own arguments with the program's and becomes it.
    pub(crate) fn through(mut self, command: &[&str]) -> Self {
        self.through = command.iter().map(|&part| part.to_owned()).collect();
        self
    }

    /// Exports by gRPC or HTTP to a collector, often.
    pub(crate) fn export(self, origin: &str, protocol: &str) -> Self {
        self.env("OTEL_EXPORTER_OTLP_ENDPOINT", origin)
            .env("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .env("OTEL_METRIC_EXPORT_INTERVAL", "200")
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
    }

    /// Starts it and waits until it says where it listens.
    pub(crate) async fn run(self) -> Program {
        let dir = tempfile::tempdir().expect("a folder");
        let config = dir.path().join("tidegauge.yaml");
        std::fs::write(&config, &self.config).expect("a configuration file");
        let mut command = command_through(&self.through, dir.path());
        command.arg("serve").arg("--config").arg(&config);
        command.args(["--listen", "127.0.0.1:0", "--console", "127.0.0.1:0"]);
        let record_file = self.record_file.unwrap_or_else(|| dir.path().join("records.jsonl"));
        command.arg("--record-file").arg(&record_file).envs(self.env);
        if let Some(listener) = self.listener {
            command.stdin(std::os::fd::OwnedFd::from(listener));
        }
        let mut child = command.spawn().expect("the program starts");
        let stdout = Captured::of(child.stdout.take().expect("piped"));
        let stderr = Captured::of(child.stderr.take().expect("piped"));
        let (listen, console) = until("the program to say where it listens", || {
            let said = stdout.text() + &stderr.text();
            if let Some(found) = addresses(&said) {
                return Some(found);
            }
            if let Ok(Some(status)) = child.try_wait() {
                panic!("the program ended with {status}: {said}");
            }
            None
        })
        .await;
        Program { dir, config, record_file, child, stdout, stderr, listen, console }
    }
}

/// The program as a command with nothing of our environment but the path.
pub(crate) fn command(folder: &Path) -> Command {
    command_through(&[], folder)
}

fn command_through(through: &[String], folder: &Path) -> Command {
    let mut parts = through.iter().map(String::as_str).chain([PROGRAM]);
    let mut command = Command::new(parts.next().unwrap_or(PROGRAM));
    command.args(parts);
    command.env_clear().current_dir(folder).env("HOME", folder).env("TMPDIR", folder);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Runs the program to its end in a folder that holds `config` as `tidegauge.yaml`.
pub(crate) async fn run(config: &str, args: &[&str], env: &[(&str, &str)]) -> Output {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("tidegauge.yaml"), config).expect("a configuration file");
    let mut command = command(dir.path());
    command.args(args).envs(env.iter().copied());
    within("the program to end", command.output()).await.expect("the program runs")
}

/// What a command wrote to its standard output.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What a command wrote to its standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A running program. Killed when dropped.
pub(crate) struct Program {
    dir: TempDir,
    pub(crate) config: PathBuf,
    record_file: PathBuf,
    child: Child,
    stdout: Captured,
    stderr: Captured,
    /// Where it takes LLM traffic.
    pub(crate) listen: SocketAddr,
    /// Where its own pages are.
    pub(crate) console: SocketAddr,
}

impl Program {
    /// `http://127.0.0.1:port` of the proxy.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.listen)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Everything written to standard output and error so far.
    pub(crate) fn said(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// The lines of the record file, whole ones only.
    pub(crate) fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.record_file()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).expect("a record is JSON")).collect()
    }

    pub(crate) fn record_file(&self) -> PathBuf {
        self.record_file.clone()
    }

    /// Everything written to standard output so far.
    pub(crate) fn output(&self) -> String {
        self.stdout.text()
    }

    /// Waits until so many records are written.
    pub(crate) async fn first_records(&self, count: usize) -> Vec<Value> {
        until(&format!("{count} records"), || {
            Some(self.records()).filter(|records| records.len() >= count)
        })
        .await
    }

    /// The only record there is, once it is there.
    pub(crate) async fn record(&self) -> Value {
        let mut records = self.first_records(1).await;
        assert_eq!(records.len(), 1, "one exchange makes one record: {records:?}");
        records.remove(0)
    }

    /// A page of the console's listener.
    pub(crate) async fn page(&self, target: &str) -> Answer {
        self.page_as(target, "*/*").await
    }

    /// A page of the console's listener in a form that is asked for.
    pub(crate) async fn page_as(&self, target: &str, accept: &str) -> Answer {
        let host = self.console;
        let head = format!("GET {target} HTTP/1.1\r\nhost: {host}\r\naccept: {accept}\r\n\r\n");
        call(self.console, head.as_bytes()).await
    }

    pub(crate) async fn metrics(&self) -> Page {
        let answer = self.page("/metrics").await;
        assert_eq!(answer.status, 200, "/metrics answers");
        Page::parse(&answer.text())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// Bytes of memory it holds now (`VmRSS`).
    pub(crate) fn resident(&self) -> usize {
        let pid = self.pid();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("VmRSS");
        let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok());
        kib.expect("a number") << 10
    }

    /// Sends a signal by name, such as `TERM`.
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid();
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().await;
        assert!(sent.expect("a shell").success(), "the signal is sent");
    }

    /// Waits for the program to end by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        within("the program to end", self.child.wait()).await.expect("waited for")
    }

    /// Asks the program to stop and waits until it has.
    pub(crate) async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.ended().await
    }
}

/// What a pipe has carried so far.
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn of(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let kept = text.clone();
        tokio::spawn(async move {
            let mut piece = vec![0; 16 << 10];
            while let Ok(count @ 1..) = pipe.read(&mut piece).await {
                kept.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        Self(text)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// The proxy's and the console's address, from the lines the program starts with.
fn addresses(said: &str) -> Option<(SocketAddr, SocketAddr)> {
    let told = |begin: &str| {
        let line = said.split_inclusive('\n').find(|line| line.starts_with(begin))?;
        let rest = line.strip_suffix('\n')?.split_once("://")?.1;
        rest.split(['/', ' ']).next()?.parse().ok()
    };
    Some((told("point clients at")?, told("look at")?))
}
