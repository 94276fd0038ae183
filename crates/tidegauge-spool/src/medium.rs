//! A medium that forgets what was not synced, kept beside the real files of this thread: what a power
//! cut would leave of them.
//!
//! In: what `disk` did, in order. Out: a directory as it may be found after the power came back. What
//! was synced is there; of what was not any part may be: a write whole, in part, as zeros of its length
//! or not at all, whatever came before or after it; a name or not. Knows no format.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

thread_local! { static MEDIUM: RefCell<Option<Medium>> = const { RefCell::new(None) } }

#[derive(Default)]
struct Medium {
    /// Steps taken, and how many are taken at most: then the power is gone.
    steps: usize,
    most: usize,
    files: HashMap<u64, Node>,
    /// Names as the program sees them, and as they are on the medium.
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    renamed: Vec<Name>,
}

#[derive(Default)]
struct Node {
    durable: Vec<u8>,
    changed: Vec<Change>,
}

enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Clone)]
enum Name {
    Made(PathBuf, u64),
    Gone(PathBuf),
}

/// From now on follows what this thread does, for so many steps.
pub(crate) fn follow(most: usize) {
    MEDIUM.set(Some(Medium { most, ..Medium::default() }));
}

/// Steps taken so far.
pub(crate) fn steps() -> usize {
    MEDIUM.with_borrow(|medium| medium.as_ref().map_or(0, |medium| medium.steps))
}

/// Whether the power is gone.
pub(crate) fn is_dark() -> bool {
    MEDIUM.with_borrow(|medium| medium.as_ref().is_some_and(|medium| medium.steps >= medium.most))
}

/// Writes into a directory what may be left, one of many ways for each seed.
pub(crate) fn leave(to: &Path, seed: u64) {
    MEDIUM.with_borrow(|medium| medium.as_ref().unwrap().leave(to, &mut Chance(seed)));
}

/// Follows nobody any more.
pub(crate) fn forget() {
    MEDIUM.set(None);
}

fn step(take: impl FnOnce(&mut Medium)) {
    MEDIUM.with_borrow_mut(|medium| {
        if let Some(medium) = medium.as_mut().filter(|medium| medium.steps < medium.most) {
            medium.steps += 1;
            take(medium);
        }
    });
}

#[cfg(not(unix))]
fn inode(_: &File) -> u64 {
    0
}

/// What is the same for a file whatever it is called.
#[cfg(unix)]
fn inode(file: &File) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&file.metadata().unwrap())
}

pub(crate) fn created(path: &Path, file: &File) {
    step(|medium| {
        if !medium.names.contains_key(path) {
            let inode = inode(file);
            medium.files.insert(inode, Node::default());
            medium.names.insert(path.to_owned(), inode);
            medium.renamed.push(Name::Made(path.to_owned(), inode));
        }
    });
}

pub(crate) fn wrote(file: &File, at: u64, bytes: &[u8]) {
    step(|medium| medium.changed(file, Change::Write(at, bytes.to_vec())));
}

pub(crate) fn cut(file: &File, at: u64) {
    step(|medium| medium.changed(file, Change::Cut(at)));
}

pub(crate) fn synced(file: &File) {
    step(|medium| {
        let Node { durable, changed } = medium.files.get_mut(&inode(file)).unwrap();
        changed.drain(..).for_each(|change| apply(durable, &change));
    });
}

pub(crate) fn synced_names() {
    step(|medium| {
        let Medium { renamed, durable, .. } = medium;
        renamed.drain(..).for_each(|name| rename(durable, name));
    });
}

pub(crate) fn removed(path: &Path) {
    step(|medium| {
        medium.names.remove(path);
        medium.renamed.push(Name::Gone(path.to_owned()));
    });
}

pub(crate) fn moved(from: &Path, to: &Path) {
    step(|medium| {
        if let Some(inode) = medium.names.remove(from) {
            medium.names.insert(to.to_owned(), inode);
            medium.renamed.push(Name::Made(to.to_owned(), inode));
            medium.renamed.push(Name::Gone(from.to_owned()));
        }
    });
}

impl Medium {
    fn changed(&mut self, file: &File, change: Change) {
        self.files.get_mut(&inode(file)).unwrap().changed.push(change);
    }

    fn leave(&self, to: &Path, chance: &mut Chance) {
        let mut names = self.durable.clone();
        for name in &self.renamed {
            if chance.below(4) > 0 {
                rename(&mut names, name.clone());
            }
        }
        for (path, inode) in names {
            let node = &self.files[&inode];
            let mut bytes = node.durable.clone();
            for change in &node.changed {
                chance.keep(change).iter().for_each(|kept| apply(&mut bytes, kept));
            }
            fs::write(to.join(path.file_name().unwrap()), bytes).unwrap();
        }
    }
}

fn rename(names: &mut BTreeMap<PathBuf, u64>, name: Name) {
    match name {
        Name::Made(path, inode) => drop(names.insert(path, inode)),
        Name::Gone(path) => drop(names.remove(&path)),
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Cut(at) => content.resize(usize::try_from(*at).unwrap(), 0),
        Change::Write(at, bytes) => {
            let from = usize::try_from(*at).unwrap();
            content.resize(content.len().max(from + bytes.len()), 0);
            content[from..from + bytes.len()].copy_from_slice(bytes);
        }
    }
}

/// Numbers that look random and are the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// What is left of a change that was not synced.
    fn keep(&mut self, change: &Change) -> Option<Change> {
        match (change, self.below(4)) {
            (_, 0) => None,
            (Change::Cut(at), _) => Some(Change::Cut(*at)),
            (Change::Write(at, bytes), 1) => Some(Change::Write(*at, bytes.clone())),
            (Change::Write(at, bytes), 2) => {
                let length = self.below(bytes.len() + 1);
                Some(Change::Write(*at, bytes[..length].to_vec()))
            }
            (Change::Write(at, bytes), _) => Some(Change::Write(*at, vec![0; bytes.len()])),
        }
    }
}
