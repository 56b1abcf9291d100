//! The store for tests: a disk in memory that keeps live and durable bytes apart, counts its calls, fails on demand,
//! and gives images of what a power cut would have left.
//!
//! Writes that do not overlap are kept or lost each for itself, so any subset is any order. Overlapping ones meet in
//! one page of the system's cache, where the later one wins; they are applied in the order of the calls.

mod capacity;
mod file;
mod stall;

use crate::storage::fs::memory::file::InMemory;
use crate::storage::fs::memory::stall::Gate;
pub use crate::storage::fs::memory::stall::{Stall, Stalls};
use crate::storage::fs::{File, FileId, Space, Store, folder_of};
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
    /// The size of the disk in bytes; `None`: it does not tell, and is never full.
    capacity: Option<u64>,
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
    fn space(&self) -> io::Result<Option<Space>> {
        let mut state = self.0.state.lock();
        // Without a size nothing is asked of the disk, so the calls of a workload are numbered as before.
        if state.capacity.is_some() {
            state.plain_call()?;
        }
        Ok(state.space())
    }

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

#[cfg(test)]
pub(crate) mod tests;
