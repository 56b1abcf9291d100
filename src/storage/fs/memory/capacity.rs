//! The size of the disk in memory, and what happens when it is full.

use crate::storage::fs::memory::{Memory, Space, State};

impl State {
    /// Bytes of the files that have a name.
    fn used(&self) -> u64 {
        let nodes = self.live.values().filter_map(|node| self.nodes.get(*node));
        nodes.map(|node| u64::try_from(node.live.len()).unwrap_or(u64::MAX)).sum()
    }

    /// The space of the disk, if it has a size.
    pub(super) fn space(&self) -> Option<Space> {
        self.capacity.map(|total| Space { free: total.saturating_sub(self.used()), total })
    }

    /// Whether a write up to `end` of a file needs more space than the disk has.
    pub(super) fn overflows(&self, node: usize, end: usize) -> bool {
        let Some(Space { free, .. }) = self.space() else { return false };
        let len = self.nodes.get(node).map_or(0, |node| node.live.len());
        u64::try_from(end.saturating_sub(len)).unwrap_or(u64::MAX) > free
    }
}

impl Memory {
    /// Sets the size of the disk in bytes: a write that needs more fails with [`ENOSPC`](super::ENOSPC) and changes
    /// nothing. `None`: the disk does not tell its size and is never full.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.0.state.lock().capacity = bytes;
    }

    /// Bytes of all files.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.state.lock().used()
    }
}
