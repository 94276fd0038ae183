//! What must hold for any bytes that come by another way than a body: heads, files, configuration.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use tidegauge::config::{self, Outside, Overrides, Typed};
use tidegauge_core::testing::{self, Mute};
use tidegauge_core::{Policy, Trust};
use tidegauge_proxy::testing as doors;
use tidegauge_spool::{KINDS, Spool, SpoolBounds};

use crate::pieces::Input;

/// Where a request's headers place it in a trace, and who they say is calling.
pub fn head(data: &[u8]) {
    let mut input = Input(data);
    let trust = input.choose(&[Trust::Continue, Trust::Link, Trust::Ignore]);
    let policy = Policy { trust, ..policy() };
    let headers = header_lines(input.0);
    let trace = doors::place(&headers, &policy);
    assert!(trace.state.len() <= 512 && trace.trace_id.0 != [0; 16]);
    let written = doors::traceparent(&trace).expect("a traceparent");
    assert_eq!(written.len(), 55);
    let again = HeaderMap::from_iter([(HeaderName::from_static("traceparent"), written)]);
    let there = doors::place(&again, &Policy { trust: Trust::Continue, ..policy });
    assert_eq!((there.trace_id, there.sampled), (trace.trace_id, trace.sampled));
    let labels = doors::labels(&headers);
    assert!(labels.tags.len() <= 64, "{} tags", labels.tags.len());
    let values = labels.tags.values().chain(&labels.session).chain(&labels.user);
    assert!(values.map(String::len).max().unwrap_or(0) <= 1024);
}

/// `name: value` a line, as far as it is valid.
fn header_lines(bytes: &[u8]) -> HeaderMap {
    let field = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..at]).ok()?;
        Some((name, HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in bytes.split(|byte| *byte == b'\n').filter_map(field) {
        headers.append(name, value);
    }
    headers
}

fn policy() -> Policy {
    static ALPHA: Mute = Mute("alpha");
    static BETA: Mute = Mute("v1");
    let upstreams = [&ALPHA, &BETA].map(|dialect| Arc::new(testing::upstream(dialect)));
    Policy {
        default_upstream: upstreams.first().cloned(),
        upstreams: upstreams.into(),
        trust: Trust::Ignore,
        sample_ratio: 1.0,
        owner: tidegauge_wire::credential_owner,
        parent_based: true,
        session_traces: false,
        trace_header: false,
        hold: 1024,
        admit: None,
    }
}

/// Where a path leads: the upstream sees the same bytes, without that upstream's name.
pub fn route(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let headers = HeaderMap::new();
    if let Some((upstream, seen)) =
        doors::route(&policy(), &Method::POST, path, Some(query), &headers)
    {
        let named = format!("/{upstream}{seen}");
        assert!(path == seen || path == named || named.strip_suffix('/') == Some(path), "{path}");
    }
    let kept = doors::redacted(query);
    assert_eq!(kept.matches('&').count(), query.matches('&').count());
}

/// A configuration is understood or told what is wrong with it; what is printed of it says the same.
pub fn configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (no_env, no_file) = (|_: &str| None, |_: &Path| Err(io::ErrorKind::NotFound.into()));
    let outside = Outside {
        env: &no_env,
        read: &no_file,
        exposed: &|_| false,
        public: &|_| false,
        blind: false,
    };
    let flags = Overrides::default();
    let read =
        |text: &str| config::resolve(Typed { file: Some(("f", text)), flags: &flags }, &outside);
    match read(text) {
        Ok(resolved) => {
            let printed = resolved.config.print().expect("a configuration can be printed");
            let again = read(&printed).expect("what is printed is understood");
            assert_eq!(again.config.print().expect("printed"), printed);
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
    }
}

/// A queue directory with any files in it opens, gives what is sound, and its books balance.
pub fn spool(data: &[u8]) {
    let folder = Folder::new();
    let mut input = Input(data);
    let settings = SpoolBounds {
        cap_bytes: 1 << 16,
        segment_bytes: 1 << 12,
        fsync_every: Duration::from_secs(3600),
    };
    // A sound queue first, so that there is something to damage.
    let sound = input.byte() % 4;
    if sound > 0 {
        let (mut spool, _) = Spool::open(&folder.0, settings).expect("opened");
        for n in 0..u32::from(sound) * 7 {
            let _ = spool.push((n % KINDS as u32) as u8, n, &vec![n as u8; n as usize * 17]);
        }
    }
    damage(&folder.0, &mut input);
    let (mut spool, _) = Spool::open(&folder.0, settings).expect("any content can be opened");
    for kind in 0..KINDS as u8 {
        for _ in 0..1000 {
            let batch = spool.peek(kind, 1 << 12).expect("read");
            if batch.is_empty() {
                break;
            }
            spool.ack(batch).expect("acknowledged");
        }
        let _ = spool.push(kind, 1, b"more");
        assert!(!spool.peek(kind, 1).expect("read").is_empty(), "what is pushed is there");
    }
}

/// Overwrites, cuts and adds files.
fn damage(folder: &Path, input: &mut Input<'_>) {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder").flatten().map(|file| file.path()).collect();
    files.push(folder.join("00000000000000000001.seg"));
    files.push(folder.join("ledger"));
    files.sort();
    while !input.0.is_empty() {
        let path = input.choose(&files.iter().collect::<Vec<_>>());
        let mut bytes = std::fs::read(path).unwrap_or_default();
        let at = usize::from(input.byte()) * 16 + usize::from(input.byte());
        let at = at.min(bytes.len());
        let end = bytes.len();
        match input.byte() % 4 {
            0 => bytes.truncate(at),
            1 => drop(bytes.splice(at..at, input.part().iter().copied())),
            2 => {
                let part = input.part();
                drop(bytes.splice(at..(at + part.len()).min(end), part.iter().copied()));
            }
            _ => bytes = input.part().to_vec(),
        }
        if path.file_name().is_some_and(|name| name != "lock") {
            let _ = std::fs::write(path, bytes);
        }
    }
}

/// A folder of one's own, in memory where there is such a place, that goes when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        use std::sync::atomic::{AtomicU64, Ordering};
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = base.join(format!("tidegauge-fuzz-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
