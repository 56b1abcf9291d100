//! Keys for a copy in another place: listing them, and adding those that a copy has.

use crate::storage::{
    fs::store::{File, read_full},
    keys::{
        customer_keys::Keys,
        entry::{ENTRY_BYTES, EntryState, KeyEntry},
        error::KeysError,
        key_file::{KeyFile, offset_of},
    },
};

/// The most entries that are read from the file at once.
const READ_MAX: u32 = 4_096;

impl Keys {
    /// The number of used slots. Entries get consecutive slots, counted from 0.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.pending.lock().next_slot().unwrap_or(u32::MAX)
    }

    /// At most `count_max` entries after the first `slot` slots, in the order of their slots, erased ones included. A slot
    /// whose entry a power cut has damaged has none. Empty: there is no later entry.
    ///
    /// A key that is sealed with when the call begins is among them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn entries_after(&self, slot: u32, count_max: usize) -> Result<Vec<(u32, KeyEntry)>, KeysError> {
        // The usual case: nothing is new.
        if self.slots() <= slot {
            return Ok(Vec::new());
        }
        let Some(file) = &self.file else { return Ok(self.entries_in_memory(slot, count_max)) };
        // An erasure holds this lock until the file has what memory has.
        let file = file.lock();
        let (mut next, mut entries) = (slot, Vec::new());
        let pending_from = self.pending.lock().first;
        while next < pending_from && entries.len() < count_max {
            let left = u32::try_from(count_max - entries.len()).unwrap_or(u32::MAX);
            let count = left.min(pending_from - next).min(READ_MAX);
            read_entries(&file, next, count, &mut entries)?;
            next += count;
        }
        let pending = self.pending.lock();
        let unwritten = (pending.first..).zip(pending.entries.iter().copied());
        let unwritten = unwritten.filter(|(unwritten, _)| *unwritten >= next);
        entries.extend(unwritten.take(count_max.saturating_sub(entries.len())));
        Ok(entries)
    }

    fn entries_in_memory(&self, slot: u32, count_max: usize) -> Vec<(u32, KeyEntry)> {
        let mut entries = Vec::new();
        for shard in &self.shards {
            entries.extend(shard.read().entries().filter(|(found, _)| *found >= slot));
        }
        entries.sort_unstable_by_key(|(slot, _)| *slot);
        entries.truncate(count_max);
        entries
    }

    /// The numbers of a customer's keys that are erased. After [`Keys::erase`] these are all keys of the customer.
    #[must_use]
    pub fn erased_numbers(&self, customer: u64) -> Vec<u64> {
        let shard = self.shard(customer).read();
        shard.keys_of(customer).filter(|key| key.key.is_none()).map(|key| key.number).collect()
    }

    /// Adds entries that a copy has, unless they are there. An erased entry erases the key with its number; an erased key
    /// never becomes live again. The next [`Keys::write`] and [`Keys::sync`] make them durable.
    ///
    /// # Errors
    /// There is no free slot, or an erasure cannot be written. Repeating the call is safe.
    pub fn insert(&self, entries: &[KeyEntry]) -> Result<(), KeysError> {
        let _syncing = self.syncing.lock();
        let mut file = self.file.as_ref().map(parking_lot::Mutex::lock);
        let mut overwritten = Vec::new();
        for entry in entries.iter().filter(|entry| **entry != KeyEntry::HOLE) {
            let mut shard = self.shard(entry.customer).write();
            let mut pending = self.pending.lock();
            let known = shard.keys_of(entry.customer).any(|key| key.number == entry.number);
            if !known {
                self.add(&mut shard, &mut pending, *entry)?;
            } else if entry.key.is_none()
                && let Some((slot, erased)) = shard.erase_key(entry.customer, entry.number)
            {
                let at = slot.checked_sub(pending.first).and_then(|at| usize::try_from(at).ok());
                match at.and_then(|at| pending.entries.get_mut(at)) {
                    Some(entry) => entry.key = None,
                    None => overwritten.push((slot, erased)),
                }
            }
        }
        if let Some(file) = &mut file {
            for (slot, entry) in overwritten {
                file.overwrite(slot, &entry)?;
            }
        }
        Ok(())
    }
}

fn read_entries(file: &KeyFile, first: u32, count: u32, into: &mut Vec<(u32, KeyEntry)>) -> Result<(), KeysError> {
    let bytes = usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(ENTRY_BYTES);
    let mut buffer = vec![0; bytes];
    let open: &dyn File = file.file.as_ref();
    let read = read_full(open, &mut buffer, offset_of(first))?;
    for (slot, bytes) in (first..).zip(buffer.get(..read).unwrap_or_default().chunks(ENTRY_BYTES)) {
        match EntryState::of(bytes) {
            EntryState::Whole(entry, _) | EntryState::Torn(entry) if entry != KeyEntry::HOLE => {
                into.push((slot, entry));
            }
            _ => {}
        }
    }
    Ok(())
}
