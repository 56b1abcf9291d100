//! The store in memory.

use crate::storage::fs::{
    memory::{
        faults::{Fault, Keep, Unsynced},
        file::MemoryFile,
        stall::{StallGuard, StalledCalls},
        state::{Change, Node, Shared, State},
    },
    store::{File, FileId, Space, Store, folder_of},
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, io, sync::Arc};

/// Files in memory. A clone is the same store.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Shared>);

impl Memory {
    /// A store without files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with_state(state: State) -> Self {
        Self(Arc::new(Shared { state: Mutex::new(state), barrier: Arc::default() }))
    }

    /// How many calls of the store and of its files were made.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.0.state.lock().calls
    }

    /// Makes the n-th call fail, counted from 1 since the store was created.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.0.state.lock().faults.insert(call, fault);
    }

    /// Makes every creation of a file fail with this error number of the system; `None` ends that.
    pub fn fail_creations(&self, number: Option<i32>) {
        self.0.state.lock().creations_fail = number;
    }

    /// Makes every call from the n-th on fail and change nothing, as if the process had died before it.
    pub fn freeze_at(&self, call: u64) {
        self.0.state.lock().frozen_from = Some(call);
    }

    /// The files that a killed process leaves: all written bytes, durable or not. Calls count from 0 and none fails.
    #[must_use]
    pub fn kill_image(&self) -> Self {
        let state = self.0.state.lock().clone();
        Self::with_state(State { calls: 0, faults: BTreeMap::new(), frozen_from: None, ..state })
    }

    /// The files that a power cut leaves: all durable bytes, and of each unsynced change the part that `choice` returns.
    /// It is called in the order of the changes.
    pub fn crash_image(&self, choice: &mut dyn FnMut(Unsynced) -> Keep) -> Self {
        let state = self.0.state.lock();
        let mut names = state.durable.clone();
        for change in &state.unsynced {
            if choice(Unsynced::Name) != Keep::Nothing {
                change.apply(&mut names);
            }
        }
        let mut image = |node: &Node| {
            let mut bytes = node.durable.clone();
            for change in &node.unsynced {
                let kind = match change {
                    Change::Write { offset, bytes } => {
                        Unsynced::Write { offset: u64::try_from(*offset).unwrap_or(u64::MAX), bytes: bytes.len() }
                    }
                    Change::Truncate(_) => Unsynced::Length,
                };
                change.apply_part(choice(kind), &mut bytes);
            }
            Node { live: bytes.clone(), durable: bytes, unsynced: Vec::new() }
        };
        let nodes = state.nodes.iter().map(&mut image).collect();
        Self::with_state(State { nodes, live: names.clone(), durable: names, ..State::default() })
    }

    /// Sets the size of the disk in bytes. A write that needs more fails with [`ENOSPC`](super::ENOSPC) and changes
    /// nothing. `None`: the disk reports no size and is never full.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.state.lock().capacity = bytes;
    }

    /// Bytes of all files.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.state.lock().used_bytes()
    }

    /// Blocks calls until the returned guard is dropped. Only one guard may exist at a time.
    #[must_use]
    pub fn stall(&self, calls: StalledCalls) -> StallGuard {
        self.0.barrier.close(calls)
    }

    /// All paths, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        self.0.state.lock().live.keys().cloned().collect()
    }

    /// The live bytes of a file; `None` if there is no such file.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let state = self.0.state.lock();
        state.live.get(path).and_then(|node| state.nodes.get(*node)).map(|node| node.live.clone())
    }

    /// Adds a durable file.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.0.state.lock();
        let node = state.nodes.len();
        state.nodes.push(Node { live: bytes.to_vec(), durable: bytes.to_vec(), unsynced: Vec::new() });
        state.live.insert(path.to_owned(), node);
        state.durable.insert(path.to_owned(), node);
    }

    /// Flips one bit of a file in its durable, unsynced and live bytes. Returns whether the file has that byte.
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
        // A disk without a size makes no call, so that adding a size does not set_number the calls of a workload.
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
        Ok(Arc::new(MemoryFile { shared: Arc::clone(&self.0), node }))
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn File>> {
        self.0.barrier.pass(|stalled| stalled == StalledCalls::Names);
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
        Ok(Arc::new(MemoryFile { shared: Arc::clone(&self.0), node }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.barrier.pass(|stalled| stalled == StalledCalls::Names);
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
        self.0.barrier.pass(|stalled| matches!(stalled, StalledCalls::Syncs(stalled) if stalled == folder));
        let mut state = self.0.state.lock();
        // A folder whose sync failed keeps its changes unsynced: its file system has stopped writing.
        state.plain_call()?;
        let State { unsynced, durable, .. } = &mut *state;
        unsynced.retain_mut(|change| {
            change.unsynced_folders.remove(folder);
            if change.unsynced_folders.is_empty() {
                change.apply(durable);
            }
            !change.unsynced_folders.is_empty()
        });
        Ok(())
    }

    fn id(&self, path: &str) -> io::Result<Option<FileId>> {
        let state = self.0.state.lock();
        let node = if path.is_empty() { usize::MAX } else { state.node_of(path)? };
        Ok(Some(state.id_of(node)))
    }
}
