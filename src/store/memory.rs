//! The store for tests: a disk in memory that keeps live and durable bytes apart, counts its calls, fails on demand,
//! and gives images of what a power cut would have left.
//!
//! Writes that do not overlap are kept or lost each for itself, so any subset is any order. Overlapping ones meet in
//! one page of the system's cache, where the later one wins; they are applied in the order of the calls.

mod stall;

use super::{File, FileId, Store, folder_of};
use stall::Gate;
pub use stall::{Stall, Stalls};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

/// What one call does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Fails with this number of the system, and changes nothing; a sync that fails loses what it should have kept, and
    /// the next one knows nothing of that.
    Error(i32),
    /// A write that writes half of its bytes and then fails with this number; any other call only fails.
    Short(i32),
}

/// The system's number for a broken medium.
pub const EIO: i32 = 5;
/// The system's number for a full one.
pub const ENOSPC: i32 = 28;

/// A change that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// Bytes written to a file.
    Write {
        /// Where in it.
        offset: u64,
        /// How many.
        bytes: usize,
    },
    /// A length set.
    Length,
    /// A file created, renamed or removed.
    Name,
}

/// What a power cut leaves of an unsynced change. All but the first keep a change of a name or of a length whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// All.
    All,
    /// So many bytes from its start.
    Prefix(usize),
    /// Those sectors of 512 bytes whose bit is set in the mask, modulo 64.
    Sectors(u64),
    /// The file's length, with zeroes in it.
    Length,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => put(to, *offset, bytes),
            Self::Truncate(len) => to.resize(*len, 0),
        }
    }

    fn apply_part(&self, keep: Keep, to: &mut Vec<u8>) {
        let Self::Write { offset, bytes } = self else {
            if keep != Keep::Nothing {
                self.apply(to);
            }
            return;
        };
        match keep {
            Keep::Nothing => {}
            Keep::All => self.apply(to),
            Keep::Prefix(len) => put(to, *offset, bytes.get(..len).unwrap_or(bytes)),
            Keep::Sectors(mask) => {
                to.resize(to.len().max(offset + bytes.len()), 0);
                for (sector, piece) in bytes.chunks(512).enumerate() {
                    if mask >> (sector % 64) & 1 == 1 {
                        put(to, offset + sector * 512, piece);
                    }
                }
            }
            Keep::Length => to.resize(to.len().max(offset + bytes.len()), 0),
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    to.resize(to.len().max(end), 0);
    if let Some(place) = to.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

#[derive(Debug, Clone, Default)]
struct Node {
    live: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

/// Which names a file loses and gets, and the folders that are yet to be synced.
#[derive(Debug, Clone)]
struct Naming {
    node: usize,
    from: Option<String>,
    to: Option<String>,
    waits_for: BTreeSet<String>,
}

impl Naming {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        if let Some(from) = self.from.as_ref().filter(|from| names.get(*from) == Some(&self.node)) {
            names.remove(from);
        }
        if let Some(to) = &self.to {
            names.insert(to.clone(), self.node);
        }
    }
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Never shrinks, so that a handle's number stays good.
    nodes: Vec<Node>,
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
    unsynced: Vec<Naming>,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    frozen_from: Option<u64>,
    creations_fail: Option<i32>,
}

impl State {
    /// Counts a call, and says whether it is to fail.
    fn call(&mut self) -> Result<(), Fault> {
        self.calls += 1;
        if self.frozen_from.is_some_and(|from| self.calls >= from) {
            // A frozen store changes nothing, so a sync loses nothing either.
            return Err(Fault::Short(0));
        }
        self.faults.get(&self.calls).map_or(Ok(()), |fault| Err(*fault))
    }

    fn plain_call(&mut self) -> io::Result<()> {
        self.call().map_err(failure)
    }

    fn rename(&mut self, node: usize, from: Option<&str>, to: Option<&str>) {
        let waits_for = from.iter().chain(to.iter()).map(|path| folder_of(path).to_owned()).collect();
        let naming = Naming { node, from: from.map(str::to_owned), to: to.map(str::to_owned), waits_for };
        naming.apply(&mut self.live);
        self.unsynced.push(naming);
    }

    fn path_of(&self, node: usize) -> Option<String> {
        self.live.iter().find(|(_, named)| **named == node).map(|(path, _)| path.clone())
    }

    /// Not a call of the system's: nothing is changed by it.
    fn id_of(&self, node: usize) -> FileId {
        let links = if node == usize::MAX || self.path_of(node).is_some() { 1 } else { 0 };
        FileId { device: 0, inode: u64::try_from(node).unwrap_or(u64::MAX), links }
    }

    fn node_of(&self, path: &str) -> io::Result<usize> {
        self.live.get(path).copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("no file {path}")))
    }
}

fn failure(fault: Fault) -> io::Error {
    match fault {
        Fault::Short(0) => io::Error::other("the store is frozen"),
        Fault::Error(number) | Fault::Short(number) => io::Error::from_raw_os_error(number),
    }
}

fn bytes_from(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))
}

/// Files in memory. A clone is the same store.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    gate: Gate,
}

impl Memory {
    /// A store without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn of(state: State) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(state), gate: Gate::default() }))
    }

    /// How many calls were made, of the store and of its files.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.state.lock().calls
    }

    /// Lets the n-th call, counted from 1 since the store was made, fail.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.0.state.lock().faults.insert(call, fault);
    }

    /// Lets every creation of a file fail with this number of the system, until it is told otherwise.
    pub fn fail_names(&self, number: Option<i32>) {
        self.0.state.lock().creations_fail = number;
    }

    /// Lets every call from the n-th on fail and change nothing: the process is dead from there on.
    pub fn freeze_at(&self, call: u64) {
        self.0.state.lock().frozen_from = Some(call);
    }

    /// What a killed process leaves: all that the system took, durable or not. Calls count from 0, none fails.
    #[must_use]
    pub fn kill_image(&self) -> Self {
        let state = self.0.state.lock().clone();
        Self::of(State { calls: 0, faults: BTreeMap::new(), frozen_from: None, ..state })
    }

    /// What a power cut leaves: all that is durable, and of each unsynced change, asked for in the order of the calls,
    /// what the choice says.
    pub fn crash_image(&self, choice: &mut dyn FnMut(Unsynced) -> Keep) -> Self {
        let state = self.0.state.lock();
        let mut names = state.durable.clone();
        for naming in &state.unsynced {
            if choice(Unsynced::Name) != Keep::Nothing {
                naming.apply(&mut names);
            }
        }
        let mut image = |node: &Node| {
            let mut bytes = node.durable.clone();
            for change in &node.unsynced {
                let about = match change {
                    Change::Write { offset, bytes } => {
                        Unsynced::Write { offset: u64::try_from(*offset).unwrap_or(u64::MAX), bytes: bytes.len() }
                    }
                    Change::Truncate(_) => Unsynced::Length,
                };
                change.apply_part(choice(about), &mut bytes);
            }
            Node { live: bytes.clone(), durable: bytes, unsynced: Vec::new() }
        };
        let nodes = state.nodes.iter().map(&mut image).collect();
        Self::of(State { nodes, live: names.clone(), durable: names, ..State::default() })
    }

    /// All paths, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.0.state.lock().live.keys().cloned().collect()
    }

    /// The bytes of a file as the system shows them; none where there is no such file.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.state.lock();
        state.live.get(path).and_then(|node| state.nodes.get(*node)).map(|node| node.live.clone())
    }

    /// Puts a file there, durable.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.0.state.lock();
        let node = state.nodes.len();
        state.nodes.push(Node { live: bytes.to_vec(), durable: bytes.to_vec(), unsynced: Vec::new() });
        state.live.insert(path.to_owned(), node);
        state.durable.insert(path.to_owned(), node);
    }

    /// Turns one bit of a file over, wherever its byte lies, durable or not; says whether there is such a byte.
    pub fn flip_bit(&self, path: &str, offset: usize, bit: u8) -> bool {
        let mut state = self.0.state.lock();
        let node = state.live.get(path).copied();
        let Some(node) = node.and_then(|node| state.nodes.get_mut(node)) else { return false };
        let flip = |bytes: &mut Vec<u8>, at: usize| bytes.get_mut(at).map(|byte| *byte ^= 1 << (bit % 8)).is_some();
        flip(&mut node.durable, offset);
        for change in &mut node.unsynced {
            if let Change::Write { offset: from, bytes } = change
                && let Some(at) = offset.checked_sub(*from)
            {
                flip(bytes, at);
            }
        }
        flip(&mut node.live, offset)
    }
}

impl Store for Memory {
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut state = self.0.state.lock();
        state.plain_call()?;
        let inside = state.live.keys().filter(|path| folder_of(path) == folder);
        Ok(inside.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn File>> {
        let mut state = self.0.state.lock();
        state.plain_call()?;
        let node = state.node_of(path)?;
        Ok(Arc::new(InMemory { shared: Arc::clone(&self.0), node }))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.0.gate.pass(|stalled| stalled == Stalls::Names);
        let mut state = self.0.state.lock();
        state.plain_call()?;
        if let Some(number) = state.creations_fail {
            return Err(io::Error::from_raw_os_error(number));
        }
        if state.live.contains_key(path) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{path} exists")));
        }
        let node = state.nodes.len();
        state.nodes.push(Node::default());
        state.rename(node, None, Some(path));
        Ok(Arc::new(InMemory { shared: Arc::clone(&self.0), node }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.gate.pass(|stalled| stalled == Stalls::Names);
        let mut state = self.0.state.lock();
        state.plain_call()?;
        let node = state.node_of(from)?;
        state.rename(node, Some(from), Some(to));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut state = self.0.state.lock();
        state.plain_call()?;
        let node = state.node_of(path)?;
        state.rename(node, Some(path), None);
        Ok(())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        self.0.gate.pass(|stalled| matches!(stalled, Stalls::Syncs(of) if of == folder));
        let mut state = self.0.state.lock();
        // A folder whose sync failed keeps its changes unsynced: its file system has stopped writing.
        state.plain_call()?;
        let State { unsynced, durable, .. } = &mut *state;
        unsynced.retain_mut(|naming| {
            naming.waits_for.remove(folder);
            if naming.waits_for.is_empty() {
                naming.apply(durable);
            }
            !naming.waits_for.is_empty()
        });
        Ok(())
    }

    fn id(&self, path: &str) -> io::Result<Option<FileId>> {
        let state = self.0.state.lock();
        let node = if path.is_empty() { usize::MAX } else { state.node_of(path)? };
        Ok(Some(state.id_of(node)))
    }
}

struct InMemory {
    shared: Arc<Shared>,
    node: usize,
}

impl InMemory {
    /// Waits where such calls on files of this folder are stalled.
    fn pass(&self, stalls: impl Fn(&'static str) -> Stalls) {
        if let Some(folder) = self.shared.gate.folder() {
            let path = self.shared.state.lock().path_of(self.node);
            let is_there = path.is_some_and(|path| folder_of(&path) == folder);
            self.shared.gate.pass(|stalled| is_there && stalled == stalls(folder));
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Node, Result<(), Fault>) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.shared.state.lock();
        let called = state.call();
        match state.nodes.get_mut(self.node) {
            Some(node) => work(node, called),
            None => Err(io::Error::from(io::ErrorKind::NotFound)),
        }
    }
}

impl File for InMemory {
    fn len(&self) -> io::Result<u64> {
        self.with(|node, called| {
            called.map_err(failure)?;
            Ok(u64::try_from(node.live.len()).unwrap_or(u64::MAX))
        })
    }

    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let offset = bytes_from(offset)?;
        self.with(|node, called| {
            called.map_err(failure)?;
            let from = node.live.get(offset..).unwrap_or_default();
            let len = from.len().min(into.len());
            if let (Some(from), Some(into)) = (from.get(..len), into.get_mut(..len)) {
                into.copy_from_slice(from);
            }
            Ok(len)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.pass(Stalls::Writes);
        let offset = bytes_from(offset)?;
        self.with(|node, called| {
            let written = match called {
                Ok(()) => bytes,
                Err(Fault::Short(number)) if number > 0 => bytes.get(..bytes.len() / 2).unwrap_or_default(),
                Err(fault) => return Err(failure(fault)),
            };
            let change = Change::Write { offset, bytes: written.to_vec() };
            change.apply(&mut node.live);
            node.unsynced.push(change);
            called.map_err(failure)
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        let len = bytes_from(len)?;
        self.with(|node, called| {
            called.map_err(failure)?;
            let change = Change::Truncate(len);
            change.apply(&mut node.live);
            node.unsynced.push(change);
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.pass(Stalls::Syncs);
        self.with(|node, called| {
            match called {
                Err(Fault::Short(0)) => {}
                Err(_) => node.unsynced.clear(),
                Ok(()) => {
                    let changes = std::mem::take(&mut node.unsynced);
                    changes.iter().for_each(|change| change.apply(&mut node.durable));
                }
            }
            called.map_err(failure)
        })
    }

    fn id(&self) -> io::Result<Option<FileId>> {
        Ok(Some(self.shared.state.lock().id_of(self.node)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What every store does.
    pub(crate) fn behaves_like_a_store(store: &dyn Store) {
        assert_eq!(store.list("a").unwrap(), Vec::<String>::new());
        store.sync_folder("a").unwrap();
        let file = store.create("a/two").unwrap();
        assert!(store.create("a/two").is_err(), "a file that exists is not made again");
        store.create("a/one").unwrap();
        assert_eq!(store.list("a").unwrap(), ["one", "two"]);
        file.write_at(b"abcdef", 2).unwrap();
        file.sync().unwrap();
        store.sync_folder("a").unwrap();
        assert_eq!(file.len().unwrap(), 8);
        let mut bytes = [9; 10];
        assert_eq!(crate::store::read_full(&*file, &mut bytes, 1).unwrap(), 7);
        assert_eq!(&bytes[..7], b"\0abcdef");
        store.rename("a/two", "b/three").unwrap();
        file.truncate(3).unwrap();
        assert_eq!(store.open("b/three").unwrap().len().unwrap(), 3);
        assert!(store.open("a/two").is_err());
        store.remove("b/three").unwrap();
        assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 3, "an open file is read on");
        assert_eq!(file.read_at(&mut bytes, 3).unwrap(), 0);
        assert_eq!((store.list("a").unwrap(), store.list("b").unwrap()), (vec!["one".to_owned()], vec![]));
        assert!(store.remove("b/three").is_err() && store.rename("b/three", "b/x").is_err());
    }

    fn all(keep: Keep) -> impl FnMut(Unsynced) -> Keep {
        move |_| keep
    }

    #[test]
    fn it_behaves_like_a_store() {
        behaves_like_a_store(&Memory::new());
    }

    #[test]
    fn what_is_not_synced_is_lost_in_parts() {
        let store = Memory::new();
        let file = store.create("a/f").unwrap();
        file.write_at(b"durable", 0).unwrap();
        file.sync().unwrap();
        assert_eq!(store.crash_image(&mut all(Keep::Nothing)).paths(), Vec::<String>::new(), "the name was not synced");
        store.sync_folder("a").unwrap();
        file.write_at(b"lost", 7).unwrap();
        let shown = |keep| store.crash_image(&mut all(keep)).bytes("a/f").unwrap();
        assert_eq!(shown(Keep::Nothing), b"durable");
        assert_eq!(shown(Keep::All), b"durablelost");
        assert_eq!(shown(Keep::Prefix(2)), b"durablelo");
        assert_eq!(shown(Keep::Sectors(1)), b"durablelost");
        assert_eq!(shown(Keep::Sectors(0)), b"durable\0\0\0\0");
        assert_eq!(shown(Keep::Length), b"durable\0\0\0\0");
        assert_eq!(store.kill_image().bytes("a/f").unwrap(), b"durablelost");
    }

    #[test]
    fn a_rename_counts_when_both_folders_are_synced() {
        let store = Memory::new();
        store.put("a/f", b"x");
        store.rename("a/f", "b/f").unwrap();
        store.sync_folder("b").unwrap();
        assert_eq!(store.crash_image(&mut all(Keep::Nothing)).paths(), ["a/f"]);
        assert_eq!(store.crash_image(&mut all(Keep::All)).paths(), ["b/f"]);
        store.sync_folder("a").unwrap();
        assert_eq!(store.crash_image(&mut all(Keep::Nothing)).paths(), ["b/f"]);
    }

    #[test]
    fn a_failed_sync_loses_and_the_next_one_does_not_know() {
        let store = Memory::new();
        store.put("a/f", b"");
        let file = store.open("a/f").unwrap();
        file.write_at(b"x", 0).unwrap();
        store.fail_at(store.calls() + 1, Fault::Error(EIO));
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(EIO));
        file.sync().unwrap();
        assert_eq!(store.bytes("a/f").unwrap(), b"x");
        assert_eq!(store.crash_image(&mut all(Keep::All)).bytes("a/f").unwrap(), b"");
    }

    #[test]
    fn faults_come_at_their_call_and_a_frozen_store_changes_nothing() {
        let store = Memory::new();
        let file = store.create("a/f").unwrap();
        store.fail_at(2, Fault::Short(ENOSPC));
        assert_eq!(file.write_at(b"abcd", 0).unwrap_err().raw_os_error(), Some(ENOSPC));
        assert_eq!(store.bytes("a/f").unwrap(), b"ab");
        store.freeze_at(3);
        assert!(file.write_at(b"abcd", 0).is_err() && file.sync().is_err() && store.remove("a/f").is_err());
        assert_eq!((store.calls(), store.kill_image().calls()), (5, 0));
        assert_eq!(store.crash_image(&mut all(Keep::All)).bytes("a/f").unwrap(), b"ab");
        assert!(store.flip_bit("a/f", 0, 0) && !store.flip_bit("a/f", 9, 0));
    }
}
