//! The customers' keys, and what is sealed with them. This file knows no event and no attribute: it seals bytes.
//!
//! Whatever in a record or a snapshot tells of a person is sealed with a key of that customer alone. The keys lie in
//! one file of the data folder; erasing a customer overwrites the key there, and with it erases what it sealed wherever
//! a copy of that lies. The file is in no backup unless asked for.
//!
//! **What is sealed** is the key's number (8 bytes, little-endian), a random nonce (24), and the plain bytes encrypted
//! by XChaCha20-Poly1305, 16 longer than before. The journal's id, the customer's number and the key's number are bound
//! in: what is moved to another customer or another journal does not open.
//!
//! # The file
//!
//! Little-endian; a header and entries of [`ENTRY_BYTES`] each.
//!
//! ```text
//!  0                8        12       16              32                                        60     64
//! +----------------+--------+--------+---------------+-----------------------------------------+------+
//! | "LGKEYS\0\0"   | format | 0      | journal's id  | 0                                       | CRC  |  header
//! +----------------+--------+--+--+--+-------+-------+------------------------------+----------+------+
//! | key's number   | customer  |s |0 | check | key                                  | synced   | CRC  |  entry
//! +----------------+-----------+--+--+-------+--------------------------------------+----------+------+
//!  0                8           16 17 20      24                                     56         60     64
//! ```
//!
//! The number of a key is a digest of it, random as it is, and never 0; whoever reads takes it as it stands, so that it
//! outlives the key. The state `s` is 1 (live) or 2 (erased: the key is zeroes). The check is
//! CRC-32C of the two numbers before it, CRC that of the 60 bytes before it. *Synced* is how many entries were known to
//! be on the medium when this one was written. An erased entry of customer 0 with number 0 fills a hole.
//!
//! # What is found on opening
//!
//! The highest *synced* of any whole entry is how many must be whole.
//!
//! | Found | Then |
//! |---|---|
//! | a damaged header, another journal's id, a newer format | refuse |
//! | an entry whose CRC fails, whose check holds, and that says that it is erased | an erasure that was torn: it is erased |
//! | any other damage among those that must be whole | corruption: refuse, with the offset; nothing is changed |
//! | damage behind them, whole entries following or not | a power cut within a write: the damaged ones are dropped |
//!
//! It is assumed that a medium tears an overwritten entry, which lies in one sector, at most between two bytes: what is
//! before is new and what is behind is old. What was dropped or torn is put in order by the first [`Keys::write`].

mod disk;
mod entry;
mod error;
pub(crate) mod key_table;
#[cfg(test)]
mod tests;

use crate::storage::fs::{File, Store};
use crate::storage::keys::disk::{Disk, create, offset_of, read};
use crate::storage::keys::entry::{Entry, Found};
pub use crate::storage::keys::error::KeysError;
use crate::storage::keys::key_table::{Ring, number_of};
use chacha20poly1305::{
    Key, KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockUpgradableReadGuard};
use siphasher::sip128::SipHasher24;
use std::{io, sync::Arc};

/// The file, in the data folder.
pub const PATH: &str = "keys";
/// The version of the file's format.
pub const FORMAT: u32 = 1;
/// Of the header and of each entry.
pub const ENTRY_BYTES: usize = 64;

/// So many that a shard of 100 million customers is moved in less than a millisecond when it grows.
const SHARDS: usize = 4_096;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 8 + NONCE_BYTES;

/// What was under a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsealed {
    /// What was sealed.
    Plain(Vec<u8>),
    /// Nothing any more: the key is erased.
    Erased,
}

/// Entries that are to be in the file and are not yet, from a slot on.
struct Pending {
    first: u32,
    entries: Vec<Entry>,
}

/// All customers' keys.
///
/// Locks are taken in this order: a sync, the file, a shard, what is pending. Only the first is held while the file is
/// synced, and only the first two while bytes are written. So making a key for a customer, or using one, waits for no
/// call of the system; and [`Keys::try_write`] waits for no other thread.
pub struct Keys {
    journal: [u8; 16],
    shards: Box<[RwLock<Ring>]>,
    pending: Mutex<Pending>,
    disk: Option<Mutex<Disk>>,
    /// The file, to be asked for without its lock.
    file: Option<Arc<dyn File>>,
    /// Held for the whole of a sync, so that nobody is told that what another is still syncing is durable.
    syncing: Mutex<()>,
    dropped: u32,
}

impl Keys {
    /// Keys that are in no file: they are gone with the process.
    #[must_use]
    pub fn in_memory(journal: [u8; 16]) -> Self {
        Self {
            journal,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            pending: Mutex::new(Pending { first: 0, entries: Vec::new() }),
            disk: None,
            file: None,
            syncing: Mutex::new(()),
            dropped: 0,
        }
    }

    /// The keys of a data folder; an empty file is made where there is none. One that is there is not changed.
    ///
    /// # Errors
    /// As the table above says; and where the file cannot be read, synced or made.
    pub fn open(store: &dyn Store, journal: [u8; 16]) -> Result<Self, KeysError> {
        let file = match store.open(PATH) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(store, journal)?,
            found => found?,
        };
        // Nothing is acted on that a dead process left in the system's cache alone.
        file.sync()?;
        let found = read(file.as_ref(), journal)?;
        let must_be_whole =
            found.iter().map(|found| if let Found::Whole(_, synced) = found { *synced } else { 0 }).max();
        let must_be_whole = must_be_whole.unwrap_or(0);
        // What is damaged behind the last whole one is overwritten by what comes; before it, a hole must be filled.
        let len = found.iter().rposition(|found| !matches!(found, Found::Damaged)).map_or(0, |last| last + 1);
        let cut_at = (found.len() > len).then_some((len as u64 + 1) * ENTRY_BYTES as u64);
        let (mut keys, mut repairs, mut synced) = (Self::in_memory(journal), Vec::new(), None);
        for (place, found) in found.into_iter().enumerate() {
            let slot = u32::try_from(place).map_err(|_| KeysError::Full)?;
            keys.dropped += u32::from(matches!(found, Found::Damaged));
            match found {
                Found::Whole(entry, _) => keys.keep(slot, &entry),
                Found::Torn(entry) => {
                    keys.keep(slot, &entry);
                    repairs.push((slot, entry));
                }
                Found::Damaged if slot < must_be_whole => {
                    return Err(KeysError::Damaged { offset: offset_of(slot) });
                }
                Found::Damaged if place < len => {
                    synced = synced.or(Some(slot));
                    repairs.push((slot, Entry::HOLE));
                }
                Found::Damaged => {}
            }
        }
        keys.shards.iter_mut().for_each(|shard| shard.get_mut().sort());
        let len = u32::try_from(len).map_err(|_| KeysError::Full)?;
        if len < must_be_whole {
            return Err(KeysError::Damaged { offset: offset_of(len) });
        }
        keys.pending.get_mut().first = len;
        let synced = synced.unwrap_or(len);
        keys.file = Some(Arc::clone(&file));
        keys.disk = Some(Mutex::new(Disk { file, synced, dirty: false, sync_failed: false, repairs, cut_at }));
        Ok(keys)
    }

    /// How many keys there are, live and erased.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let counts = self.shards.iter().map(|shard| shard.read().counts());
        counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// How many entries opening found damaged by a power cut and dropped: to be logged.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// Appends the sealed form of `plain` to `out`, and says whether it did: for a customer whose keys are erased it
    /// does not, and what was to be sealed is to be dropped. A customer who has no key gets one, which is in the file
    /// from the next [`Keys::write`] on.
    ///
    /// # Errors
    /// No random bytes, or no room for a key; nothing is appended.
    pub fn seal(&self, customer: u64, plain: &[u8], out: &mut Vec<u8>) -> Result<bool, KeysError> {
        let Some((number, key)) = self.key_to_seal(customer)? else { return Ok(false) };
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(KeysError::Random)?;
        let bound = self.bound_in(customer, number);
        let cipher = XChaCha20Poly1305::new(&Key::from(key));
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &bound })
            .map_err(|_| KeysError::Io(io::Error::new(io::ErrorKind::InvalidInput, "too long to be sealed")))?;
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(true)
    }

    /// Opens what was sealed for a customer.
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
            let Some(known) = shard.of(customer).find(|known| known.number == number) else {
                return Err(KeysError::Missing { customer, key: number });
            };
            let Some(key) = known.key else { return Ok(Unsealed::Erased) };
            key
        };
        let payload = Payload { msg: body, aad: &self.bound_in(customer, number) };
        let plain = XChaCha20Poly1305::new(&Key::from(key)).decrypt(&XNonce::from(nonce), payload);
        plain.map(Unsealed::Plain).map_err(|_| KeysError::Tampered { customer, key: number })
    }

    /// A digest that can be compared only for as long as the customer's key lives: SipHash-2-4-128 of it, keyed with
    /// the last 16 bytes of the customer's oldest live key. Where there is none it is the digest itself: of customers
    /// without a key, nothing that is sealed is known; of erased ones, nothing is to be recognised that was said
    /// before, and what is bound now has another value than then.
    #[must_use]
    pub fn bind(&self, customer: u64, digest: u128) -> u128 {
        let shard = self.shard(customer).read();
        let Some((_, oldest)) = shard.live(customer).next() else { return digest };
        let mut key = [0; 16];
        key.copy_from_slice(&oldest[16..]);
        SipHasher24::new_with_key(&key).hash(&digest.to_le_bytes()).as_u128()
    }

    /// Erases all keys of a customer, in memory and in the file, for good: when it returns, the medium has none of
    /// them. A customer without a key is remembered as erased too, and gets none.
    ///
    /// # Errors
    /// In memory they are erased all the same; on the medium it is not known. Repeating it is safe.
    pub fn erase(&self, customer: u64) -> Result<(), KeysError> {
        let syncing = self.syncing.lock();
        let mut disk = self.disk.as_ref().map(Mutex::lock);
        let mut slots = Vec::new();
        {
            let mut shard = self.shard(customer).write();
            let mut pending = self.pending.lock();
            if shard.of(customer).next().is_none() {
                let entry = Entry { number: random_number()?, customer, key: None };
                self.add(&mut shard, &mut pending, entry)?;
            }
            for (slot, erased) in shard.erase(customer) {
                match slot.checked_sub(pending.first).and_then(|place| pending.entries.get_mut(place as usize)) {
                    Some(entry) => entry.key = None,
                    None => slots.push((slot, erased)),
                }
            }
        }
        if let Some(disk) = &mut disk {
            self.write_to(disk)?;
            for (slot, entry) in slots {
                disk.overwrite(slot, &entry)?;
            }
        }
        drop(disk);
        Ok(self.sync_alone(&syncing)?)
    }

    /// Whether a customer had keys, or was to have none, and all of them are erased.
    #[must_use]
    pub fn is_erased(&self, customer: u64) -> bool {
        let shard = self.shard(customer).read();
        shard.of(customer).next().is_some() && shard.live(customer).next().is_none()
    }

    /// RecoveryWorkers to the system the keys that were made since the last time: to be called before what they sealed is.
    ///
    /// # Errors
    /// It is not known which of them are in the file; the journal must not go on.
    pub fn write(&self) -> io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        self.write_to(&mut disk.lock())
    }

    /// The same where that waits for no other thread; says whether it was done.
    ///
    /// # Errors
    /// As [`Keys::write`].
    pub fn try_write(&self) -> io::Result<bool> {
        let Some(disk) = &self.disk else { return Ok(true) };
        match disk.try_lock() {
            Some(mut disk) => self.write_to(&mut disk).map(|()| true),
            None => Ok(false),
        }
    }

    /// The file, where there is one.
    #[must_use]
    pub fn file(&self) -> Option<Arc<dyn File>> {
        self.file.clone()
    }

    /// Makes durable what was written, if anything was.
    ///
    /// # Errors
    /// It is not known what is durable; the journal must not go on.
    pub fn sync(&self) -> io::Result<()> {
        self.sync_alone(&self.syncing.lock())
    }

    fn sync_alone(&self, _syncing: &MutexGuard<'_, ()>) -> io::Result<()> {
        let Some(disk) = &self.disk else { return Ok(()) };
        let (file, first) = {
            let mut disk = disk.lock();
            disk.check()?;
            if !std::mem::take(&mut disk.dirty) {
                return Ok(());
            }
            (disk.file.clone(), self.pending.lock().first)
        };
        // Without the lock: the next batch may be written meanwhile.
        let synced = file.sync();
        let mut disk = disk.lock();
        disk.note_sync(synced)?;
        disk.synced = disk.synced.max(first);
        Ok(())
    }

    fn write_to(&self, disk: &mut Disk) -> io::Result<()> {
        disk.repair()?;
        let (first, count, bytes) = {
            let pending = self.pending.lock();
            let bytes: Vec<u8> = pending.entries.iter().flat_map(|entry| entry.bytes(disk.synced)).collect();
            (pending.first, pending.entries.len(), bytes)
        };
        if count == 0 {
            return Ok(());
        }
        disk.write(first, &bytes)?;
        // Others may have come meanwhile; they stand behind.
        let mut pending = self.pending.lock();
        pending.entries.drain(..count);
        pending.first = pending.first.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        Ok(())
    }

    fn shard(&self, customer: u64) -> &RwLock<Ring> {
        let [low, high, ..] = customer.to_le_bytes();
        &self.shards[usize::from(u16::from_le_bytes([low, high])) % SHARDS]
    }

    fn bound_in(&self, customer: u64, number: u64) -> [u8; 32] {
        let mut bound = [0; 32];
        bound[..16].copy_from_slice(&self.journal);
        bound[16..24].copy_from_slice(&customer.to_le_bytes());
        bound[24..].copy_from_slice(&number.to_le_bytes());
        bound
    }

    /// The newest live key of a customer, made where the customer never had one; `None` where all are erased.
    fn key_to_seal(&self, customer: u64) -> Result<Option<(u64, [u8; 32])>, KeysError> {
        let shard = self.shard(customer).upgradable_read();
        if let Some(newest) = shard.live(customer).next_back() {
            return Ok(Some(newest));
        }
        if shard.of(customer).next().is_some() {
            return Ok(None);
        }
        let (mut number, mut key) = (0, [0; 32]);
        // A number is never 0.
        while number == 0 {
            getrandom::fill(&mut key).map_err(KeysError::Random)?;
            number = number_of(&key);
        }
        let mut shard = RwLockUpgradableReadGuard::upgrade(shard);
        self.add(&mut shard, &mut self.pending.lock(), Entry { number, customer, key: Some(key) })?;
        Ok(Some((number, key)))
    }

    fn add(&self, ring: &mut Ring, pending: &mut Pending, entry: Entry) -> Result<(), KeysError> {
        let slot = pending.next().ok_or(KeysError::Full)?;
        ring.add(slot, &entry);
        match self.disk {
            Some(_) => pending.entries.push(entry),
            // Nobody will ever write it.
            None => pending.first = slot + 1,
        }
        Ok(())
    }

    fn keep(&self, slot: u32, entry: &Entry) {
        if *entry != Entry::HOLE {
            self.shard(entry.customer).write().add_unsorted(slot, entry);
        }
    }
}

impl Pending {
    /// The slot that the next one gets.
    fn next(&self) -> Option<u32> {
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
