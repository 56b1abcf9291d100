//! The keys of all customers: sealing, opening, erasing, and writing new keys to the file.

use crate::storage::{
    fs::store::{File, Store},
    keys::{
        entry::{ENTRY_BYTES, EntryState, KeyEntry},
        error::KeysError,
        key_file::{KeyFile, PATH, create, offset_of, read},
        key_table::{KeyTable, number_of},
    },
};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockUpgradableReadGuard};
use siphasher::sip128::SipHasher24;
use std::{io, sync::Arc};

/// The number of shards. With 100 million customers, growing one shard takes less than a millisecond.
const SHARDS: usize = 4_096;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 8 + NONCE_BYTES;

/// The result of opening sealed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed {
    /// The plaintext.
    Plain(Vec<u8>),
    /// The key is erased, so the plaintext is lost.
    Erased,
}

/// Entries that are not in the file yet.
pub(super) struct PendingEntries {
    /// The slot of the first one.
    pub(super) first: u32,
    pub(super) entries: Vec<KeyEntry>,
}

/// How many keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyCounts {
    /// Keys that seal and open.
    pub live: usize,
    /// Keys that are erased.
    pub erased: usize,
}

/// The keys of all customers.
///
/// Lock order: `syncing`, `file`, a shard, `pending`. Only `syncing` is held while the file is synced, and only `syncing`
/// and `file` while bytes are written. So creating or using a key waits for no system call, and [`Keys::try_write`] waits
/// for no other thread.
pub struct Keys {
    journal: [u8; 16],
    pub(super) shards: Box<[RwLock<KeyTable>]>,
    pub(super) pending: Mutex<PendingEntries>,
    pub(super) file: Option<Mutex<KeyFile>>,
    /// The open file, readable without the lock of `file`.
    open_file: Option<Arc<dyn File>>,
    /// Held for the whole of a sync, so that a second sync returns only after the first one has succeeded.
    pub(super) syncing: Mutex<()>,
    dropped_entries: u32,
}

impl Keys {
    /// Keys without a file. They end with the process.
    #[must_use]
    pub fn in_memory(journal: [u8; 16]) -> Self {
        Self {
            journal,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            pending: Mutex::new(PendingEntries { first: 0, entries: Vec::new() }),
            file: None,
            open_file: None,
            syncing: Mutex::new(()),
            dropped_entries: 0,
        }
    }

    /// Reads the keys of a data folder, and creates an empty file if there is none. An existing file is not changed.
    ///
    /// # Errors
    /// See the table in `keys/entry.rs`; or the file cannot be read, synced or created.
    pub fn open(store: &dyn Store, journal: [u8; 16]) -> Result<Self, KeysError> {
        let file = match store.open(PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(store, journal)?,
            opened => opened?,
        };
        // A process that died may have left bytes in the system's cache alone.
        file.sync()?;
        let entries = read(file.as_ref(), journal)?;
        let must_be_whole =
            entries.iter().map(|entry| if let EntryState::Whole(_, synced) = entry { *synced } else { 0 }).max();
        let must_be_whole = must_be_whole.unwrap_or(0);
        // Damaged entries after the last whole one are overwritten by new entries. Those before it are filled as holes.
        let len = entries.iter().rposition(|entry| !matches!(entry, EntryState::Damaged)).map_or(0, |last| last + 1);
        let truncate_to = (entries.len() > len).then_some((len as u64 + 1) * ENTRY_BYTES as u64);
        let (mut keys, mut repairs, mut synced) = (Self::in_memory(journal), Vec::new(), None);
        for (index, entry) in entries.into_iter().enumerate() {
            let slot = u32::try_from(index).map_err(|_| KeysError::Full)?;
            keys.dropped_entries += u32::from(matches!(entry, EntryState::Damaged));
            match entry {
                EntryState::Whole(entry, _) => keys.load(slot, &entry),
                EntryState::Torn(entry) => {
                    keys.load(slot, &entry);
                    repairs.push((slot, entry));
                }
                EntryState::Damaged if slot < must_be_whole => {
                    return Err(KeysError::Damaged { offset: offset_of(slot) });
                }
                EntryState::Damaged if index < len => {
                    synced = synced.or(Some(slot));
                    repairs.push((slot, KeyEntry::HOLE));
                }
                EntryState::Damaged => {}
            }
        }
        keys.shards.iter_mut().for_each(|shard| shard.get_mut().sort());
        let len = u32::try_from(len).map_err(|_| KeysError::Full)?;
        if len < must_be_whole {
            return Err(KeysError::Damaged { offset: offset_of(len) });
        }
        keys.pending.get_mut().first = len;
        let synced = synced.unwrap_or(len);
        keys.open_file = Some(Arc::clone(&file));
        keys.file =
            Some(Mutex::new(KeyFile { file, synced, is_dirty: false, sync_failed: false, repairs, truncate_to }));
        Ok(keys)
    }

    /// How many keys there are.
    #[must_use]
    pub fn counts(&self) -> KeyCounts {
        self.shards.iter().map(|shard| shard.read().counts()).fold(KeyCounts::default(), |sum, (live, erased)| {
            KeyCounts { live: sum.live + live, erased: sum.erased + erased }
        })
    }

    /// How many entries a power cut had damaged, so that opening dropped them. The caller logs it.
    #[must_use]
    pub fn dropped_entries(&self) -> u32 {
        self.dropped_entries
    }

    /// Appends the sealed form of `plain` to `out` and returns true. Returns false and appends nothing for a customer whose
    /// keys are erased; the caller must drop `plain`. A customer without a key gets one, which the next [`Keys::write`]
    /// writes to the file.
    ///
    /// # Errors
    /// There are no random bytes, or no free slot for a key. Nothing is appended.
    pub fn seal(&self, customer: u64, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, KeysError> {
        let Some((number, key)) = self.key_to_seal(customer)? else { return Ok(false) };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(KeysError::Random)?;
        let bound = self.associated_data(customer, number);
        let cipher = XChaCha20Poly1305::new(&Key::from(key));
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &bound })
            .map_err(|_| KeysError::Io(io::Error::new(io::ErrorKind::InvalidInput, "too long to be sealed")))?;
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(true)
    }

    /// Opens bytes that were sealed for a customer.
    ///
    /// # Errors
    /// [`KeysError::Missing`] and [`KeysError::Tampered`].
    pub fn unseal(&self, customer: u64, sealed: &[u8]) -> Result<Unsealed, KeysError> {
        let Some((head, body)) = sealed.split_at_checked(HEAD_BYTES) else {
            return Err(KeysError::Tampered { customer, key: 0 });
        };
        let (mut number, mut nonce) = ([0; 8], [0; NONCE_BYTES]);
        number.copy_from_slice(&head[..8]);
        nonce.copy_from_slice(&head[8..]);
        let number = u64::from_le_bytes(number);
        let key = {
            let shard = self.shard(customer).read();
            let Some(found) = shard.keys_of(customer).find(|key| key.number == number) else {
                return Err(KeysError::Missing { customer, key: number });
            };
            let Some(key) = found.key else { return Ok(Unsealed::Erased) };
            key
        };
        let payload = Payload { msg: body, aad: &self.associated_data(customer, number) };
        let plain = XChaCha20Poly1305::new(&Key::from(key)).decrypt(&XNonce::from(nonce), payload);
        plain.map(Unsealed::Plain).map_err(|_| KeysError::Tampered { customer, key: number })
    }

    /// The number of the key that sealed bytes of a customer need, if there is no key with this number, live or erased.
    #[must_use]
    pub fn missing_key(&self, customer: u64, sealed: &[u8]) -> Option<u64> {
        let number = u64::from_le_bytes(*sealed.first_chunk()?);
        let is_known = self.shard(customer).read().keys_of(customer).any(|key| key.number == number);
        (!is_known).then_some(number)
    }

    /// Keys a digest so that it can be compared only while the customer's key lives: SipHash-2-4-128 of the digest with the
    /// last 16 bytes of the customer's oldest live key. Without a live key it is the digest itself: a customer without a
    /// key has no sealed data, and for an erased customer the result must differ from the one before the erasure.
    #[must_use]
    pub fn keyed_digest(&self, customer: u64, digest: u128) -> u128 {
        let shard = self.shard(customer).read();
        let Some((_, oldest)) = shard.live_keys_of(customer).next() else { return digest };
        let mut key = [0; 16];
        key.copy_from_slice(&oldest[16..]);
        SipHasher24::new_with_key(&key).hash(&digest.to_le_bytes()).as_u128()
    }

    /// Erases all keys of a customer in memory and in the file. When it returns, the medium has none of them. A customer
    /// without a key is also recorded as erased, and never gets a key.
    ///
    /// # Errors
    /// The keys are erased in memory; whether they are on the medium is unknown. Repeating the call is safe.
    pub fn erase(&self, customer: u64) -> Result<(), KeysError> {
        let syncing = self.syncing.lock();
        let mut file = self.file.as_ref().map(Mutex::lock);
        let mut slots = Vec::new();
        {
            let mut shard = self.shard(customer).write();
            let mut pending = self.pending.lock();
            if shard.keys_of(customer).next().is_none() {
                let entry = KeyEntry { number: random_number()?, customer, key: None };
                self.add(&mut shard, &mut pending, entry)?;
            }
            for (slot, erased) in shard.erase(customer) {
                match slot.checked_sub(pending.first).and_then(|index| pending.entries.get_mut(index as usize)) {
                    Some(entry) => entry.key = None,
                    None => slots.push((slot, erased)),
                }
            }
        }
        if let Some(file) = &mut file {
            self.write_to(file)?;
            for (slot, entry) in slots {
                file.overwrite(slot, &entry)?;
            }
        }
        drop(file);
        Ok(self.sync_locked(&syncing)?)
    }

    /// Whether the keys of a customer were erased.
    #[must_use]
    pub fn is_erased(&self, customer: u64) -> bool {
        let shard = self.shard(customer).read();
        shard.keys_of(customer).next().is_some() && shard.live_keys_of(customer).next().is_none()
    }

    /// Writes new keys to the file. Must be called before the records that they sealed are written.
    ///
    /// # Errors
    /// The entries that are in the file are unknown; the journal must stop.
    pub fn write(&self) -> io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        self.write_to(&mut file.lock())
    }

    /// [`Keys::write`] without waiting for another thread. Returns whether the keys were written.
    ///
    /// # Errors
    /// As [`Keys::write`].
    pub fn try_write(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        match file.try_lock() {
            Some(mut file) => self.write_to(&mut file).map(|()| true),
            None => Ok(false),
        }
    }

    /// The open file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<Arc<dyn File>> {
        self.open_file.clone()
    }

    /// Makes written entries durable; a no-op if there are none.
    ///
    /// # Errors
    /// The entries that are durable are unknown; the journal must stop.
    pub fn sync(&self) -> io::Result<()> {
        self.sync_locked(&self.syncing.lock())
    }

    pub(super) fn sync_locked(&self, _syncing: &MutexGuard<'_, ()>) -> io::Result<()> {
        let Some(locked) = &self.file else { return Ok(()) };
        let (file, first) = {
            let mut file = locked.lock();
            file.check()?;
            if !std::mem::take(&mut file.is_dirty) {
                return Ok(());
            }
            (file.file.clone(), self.pending.lock().first)
        };
        // The lock is released, so that the next batch can be written during the sync.
        let synced = file.sync();
        let mut file = locked.lock();
        file.note_sync(synced)?;
        file.synced = file.synced.max(first);
        Ok(())
    }

    pub(super) fn write_to(&self, file: &mut KeyFile) -> io::Result<()> {
        file.repair()?;
        let (first, count, bytes) = {
            let pending = self.pending.lock();
            let bytes: Vec<u8> = pending.entries.iter().flat_map(|entry| entry.bytes(file.synced)).collect();
            (pending.first, pending.entries.len(), bytes)
        };
        if count == 0 {
            return Ok(());
        }
        file.write(first, &bytes)?;
        // Entries that were added during the write follow the written ones.
        let mut pending = self.pending.lock();
        pending.entries.drain(..count);
        pending.first = pending.first.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        Ok(())
    }

    pub(super) fn shard(&self, customer: u64) -> &RwLock<KeyTable> {
        let [low, high, ..] = customer.to_le_bytes();
        &self.shards[usize::from(u16::from_le_bytes([low, high])) % SHARDS]
    }

    fn associated_data(&self, customer: u64, number: u64) -> [u8; 32] {
        let mut bound = [0; 32];
        bound[..16].copy_from_slice(&self.journal);
        bound[16..24].copy_from_slice(&customer.to_le_bytes());
        bound[24..].copy_from_slice(&number.to_le_bytes());
        bound
    }

    /// The newest live key of a customer, created if the customer never had one; `None` if all are erased.
    fn key_to_seal(&self, customer: u64) -> Result<Option<(u64, [u8; 32])>, KeysError> {
        let shard = self.shard(customer).upgradable_read();
        if let Some(newest) = shard.live_keys_of(customer).next_back() {
            return Ok(Some(newest));
        }
        if shard.keys_of(customer).next().is_some() {
            return Ok(None);
        }
        let (mut number, mut key) = (0, [0; 32]);
        // A number is never 0.
        while number == 0 {
            getrandom::fill(&mut key).map_err(KeysError::Random)?;
            number = number_of(&key);
        }
        let mut shard = RwLockUpgradableReadGuard::upgrade(shard);
        self.add(&mut shard, &mut self.pending.lock(), KeyEntry { number, customer, key: Some(key) })?;
        Ok(Some((number, key)))
    }

    pub(super) fn add(
        &self,
        table: &mut KeyTable,
        pending: &mut PendingEntries,
        entry: KeyEntry,
    ) -> Result<(), KeysError> {
        let slot = pending.next_slot().ok_or(KeysError::Full)?;
        table.add(slot, &entry);
        match self.file {
            Some(_) => pending.entries.push(entry),
            // Without a file no entry is ever written.
            None => pending.first = slot + 1,
        }
        Ok(())
    }

    fn load(&self, slot: u32, entry: &KeyEntry) {
        if *entry != KeyEntry::HOLE {
            self.shard(entry.customer).write().add_unsorted(slot, entry);
        }
    }
}

impl PendingEntries {
    /// The slot of the next entry; `None`: all slots are used.
    pub(super) fn next_slot(&self) -> Option<u32> {
        self.first.checked_add(u32::try_from(self.entries.len()).ok()?).filter(|slot| *slot < u32::MAX)
    }
}

fn random_number() -> Result<u64, KeysError> {
    loop {
        match getrandom::u64().map_err(KeysError::Random)? {
            0 => {}
            number => return Ok(number),
        }
    }
}

#[cfg(test)]
mod tests;
