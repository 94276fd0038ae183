//! Where telemetry goes, as typed, into what runs: the receivers and their disk queues.
//!
//! Checks names and bounds; what an endpoint or a protocol means is the exporter's to say.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tidegauge_export::ExporterOptions;
use tidegauge_spool::SpoolBounds;

use super::file::{DiskQueueWord, ExporterWord, JournalWord, Otlp as OtlpWord};
use super::resolve::Resolver;
use super::value::Size;
use super::{DiskQueue, Exporter, Otlp};

/// The least that a file of a disk queue may be limited to, in bytes: it must take the largest span
/// there can be.
const LEAST_SEGMENT: u64 = 4 << 20;
/// Letters in the name of an exporter: it stands in file names and metrics.
const LONGEST_NAME: usize = 32;

impl Resolver<'_> {
    /// The receiver of `telemetry.otlp`, or the same keys of another one.
    pub(super) fn otlp(&mut self, path: &[&str], word: OtlpWord) -> Otlp {
        let headers = word.headers.unwrap_or_default();
        let at = |key| [path, &[key]].concat();
        Otlp {
            endpoint: word.endpoint,
            protocol: word.protocol.map(Into::into),
            headers: self.headers(&at("headers"), &headers),
            compression: word.compression,
            timeout: word.timeout.map(|time| time.0),
            tls: self.tls(&at("tls"), word.tls.unwrap_or_default()),
        }
    }

    /// The receivers of `telemetry.exporters`, each with a name and a directory of its own.
    pub(super) fn exporters(
        &mut self,
        words: Vec<ExporterWord>,
        data_dir: Option<&Path>,
        default: Option<&DiskQueue>,
    ) -> Vec<Exporter> {
        let mut names = BTreeSet::from([ExporterOptions::DEFAULT.to_owned()]);
        let mut dirs: BTreeSet<PathBuf> =
            default.map(|queue| queue.path.clone()).into_iter().collect();
        let mut exporters = Vec::new();
        for (index, word) in words.into_iter().enumerate() {
            let index = index.to_string();
            let path = ["telemetry", "exporters", index.as_str()];
            if !is_name(&word.name) {
                let message = format!(
                    "expected 1 to {LONGEST_NAME} letters, digits, `-` or `_`, found `{}`",
                    word.name
                );
                self.wrong(&[&path[..], &["name"]].concat(), message, None);
            }
            if !names.insert(word.name.clone()) {
                let message = format!("`{}` is the name of another exporter", word.name);
                self.wrong(&[&path[..], &["name"]].concat(), message, None);
            }
            let exporter = self.exporter_of(&path, word, data_dir);
            let dir = exporter.disk_queue.as_ref().map(|queue| queue.path.clone());
            if dir.is_some_and(|dir| !dirs.insert(dir)) {
                let message = "another exporter keeps its telemetry there".to_owned();
                self.wrong(&[&path[..], &["disk_queue", "path"]].concat(), message, None);
            }
            exporters.push(exporter);
        }
        exporters
    }

    fn exporter_of(
        &mut self,
        path: &[&str],
        word: ExporterWord,
        data_dir: Option<&Path>,
    ) -> Exporter {
        if word.signals.as_ref().is_some_and(Vec::is_empty) {
            let message = "expected one or more of `traces`, `metrics` and `logs`".to_owned();
            self.wrong(&[path, &["signals"]].concat(), message, None);
        }
        let otlp = OtlpWord {
            endpoint: word.endpoint,
            protocol: word.protocol,
            headers: word.headers,
            compression: word.compression,
            timeout: word.timeout,
            tls: word.tls,
        };
        let dir = format!("queue-{}", word.name);
        Exporter {
            name: word.name,
            preset: word.preset.unwrap_or_default(),
            signals: word.signals,
            otlp: self.otlp(path, otlp),
            traces_endpoint: word.traces_endpoint,
            metrics_endpoint: word.metrics_endpoint,
            logs_endpoint: word.logs_endpoint,
            spans: word.spans.map(Into::into),
            usage: word.usage.map(Into::into),
            temporality: word.temporality,
            histograms: word.histograms.map(Into::into),
            resource: word.resource.unwrap_or_default(),
            disk_queue: word.disk_queue.and_then(|word| {
                self.disk_queue(&[path, &["disk_queue"]].concat(), word, data_dir, &dir)
            }),
        }
    }

    /// The directory of the journal.
    pub(super) fn journal(&mut self, word: JournalWord, data_dir: Option<&Path>) -> PathBuf {
        let path = word.path.filter(|path| !path.as_os_str().is_empty());
        path.or_else(|| Some(data_dir?.join("journal"))).unwrap_or_else(|| {
            let message = "it has no directory: set its `path`, or `data_dir`";
            self.wrong(&["telemetry", "journal"], message.to_owned(), None);
            PathBuf::new()
        })
    }

    /// A disk queue at `path`, which is in `data_dir` under the name `usual` unless it is said where.
    pub(super) fn disk_queue(
        &mut self,
        at: &[&str],
        word: DiskQueueWord,
        data_dir: Option<&Path>,
        usual: &str,
    ) -> Option<DiskQueue> {
        let wrong = self.mistakes.len();
        let path = word.path.filter(|path| !path.as_os_str().is_empty());
        let path = path.or_else(|| Some(data_dir?.join(usual))).unwrap_or_else(|| {
            let message = "it has no directory: set its `path`, or `data_dir`";
            self.wrong(at, message.to_owned(), None);
            PathBuf::new()
        });
        let default = SpoolBounds::default();
        let max_bytes = word.max_bytes.map_or(default.cap_bytes, |size| size.0);
        // What is not set follows what is.
        let segment_bytes = default.segment_bytes.min(max_bytes / 2);
        let segment_bytes = word.segment_bytes.map_or(segment_bytes, |size| size.0);
        let fsync = word.fsync.map_or(default.fsync_every, |time| time.0);
        let (at_least, at_most) = (Size(LEAST_SEGMENT), Size(max_bytes / 2));
        let whole = Size(2 * LEAST_SEGMENT);
        let mut check = |good: bool, key, message: String| {
            if !good {
                self.wrong(&[at, &[key]].concat(), message, None);
            }
        };
        check(max_bytes >= whole.0, "max_bytes", format!("expected {whole} or more"));
        check(
            max_bytes < whole.0 || (LEAST_SEGMENT..=at_most.0).contains(&segment_bytes),
            "segment_bytes",
            format!("expected {at_least} to {at_most}, half of `max_bytes`"),
        );
        let message = "expected more than nothing, found `0ms`".to_owned();
        check(!fsync.is_zero(), "fsync", message);
        (self.mistakes.len() == wrong).then_some(DiskQueue {
            path,
            max_bytes,
            segment_bytes,
            fsync,
        })
    }
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(plain)
}
