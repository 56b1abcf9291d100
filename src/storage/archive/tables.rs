//! The tables of the index, and the checks by which damage in them is noticed.
//!
//! The database does not verify what it reads: a changed byte can hide an entry, or lead to another one. So the index
//! keeps sums of its own. Keys are divided into 65,536 buckets by their first bits. For each bucket a table holds
//! how many entries it has, the sum of a digest of each (key, seat), and the sum of a digest of each (key, seat, place).
//! Sums are commutative, so one entry more or less changes them without a look at the others, and they change in the
//! transaction that changes the entries. Whoever looks up a key reads its whole bucket and compares.

use crate::domain::transaction::record::LogOffset;
use redb::{Database, MultimapTable, MultimapTableDefinition, ReadableDatabase, ReadableTable, Table, TableDefinition};
use std::collections::HashMap;

/// Customer and slot.
pub(super) type TransactionSlotKey = (u64, u32);

/// A transaction by its seat: the place of its last record, the key of its id, and a check of all four numbers.
const SEATS: TableDefinition<'_, TransactionSlotKey, (u64, u64, u32)> = TableDefinition::new("seats");
/// TransactionSlots by the key of the transaction's id. Two ids may share a key; whoever finds several looks at each.
const IDS: MultimapTableDefinition<'_, u64, TransactionSlotKey> = MultimapTableDefinition::new("ids");
/// By bucket: how many entries, the sum of their seats, the sum of their places.
const SUMS: TableDefinition<'_, u32, (u64, u64, u64)> = TableDefinition::new("sums");
/// Segments by the place where they end: the newest time in each, milliseconds since 1970, and a check of both.
const SEGMENTS: TableDefinition<'_, u64, (i64, u32)> = TableDefinition::new("segments");
/// What the index is of, where it begins and how far it goes.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// The version of the tables.
const FORMAT: &[u8] = b"3";

/// Bits of a key that name its bucket: with ten million transactions a bucket has about 150.
const BUCKET_BITS: u32 = 16;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    /// The database says so, or its file.
    #[error(transparent)]
    Database(#[from] redb::Error),
    /// What stands in it is not what was written.
    #[error("{0}")]
    Damaged(String),
    /// It came to a stop over what it read.
    #[error("the database cannot make sense of its file")]
    Senseless,
}

macro_rules! from_redb {
    ($($error:ty),*) => { $(impl From<$error> for Flaw {
        fn from(error: $error) -> Self {
            Self::Database(error.into())
        }
    })* };
}
from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::DatabaseError);

/// Numbers spread over all bits, each step by the finalizer of SplitMix64.
fn digest(numbers: [u64; 4]) -> u64 {
    numbers.into_iter().fold(0x9e37_79b9_7f4a_7c15, |all: u64, number| {
        let mixed = (all ^ number).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 27)
    })
}

fn seat_digest(key: u64, (customer, slot): TransactionSlotKey) -> u64 {
    digest([key, customer, u64::from(slot), u64::MAX])
}

fn entry_digest(key: u64, (customer, slot): TransactionSlotKey, place: u64) -> u64 {
    digest([key, customer, u64::from(slot), place])
}

/// The check of an entry.
fn check(key: u64, transaction_slot: TransactionSlotKey, place: u64) -> u32 {
    u32::try_from(entry_digest(key, transaction_slot, place) >> 32).unwrap_or(0)
}

fn segment_check(end: u64, newest: i64) -> u32 {
    u32::try_from(digest([end, newest.cast_unsigned(), 1, 2]) >> 32).unwrap_or(0)
}

fn bucket_of(key: u64) -> u32 {
    u32::try_from(key >> (u64::BITS - BUCKET_BITS)).unwrap_or(0)
}

fn keys_of(bucket: u32) -> std::ops::RangeInclusive<u64> {
    let first = u64::from(bucket) << (u64::BITS - BUCKET_BITS);
    first..=first | (u64::MAX >> BUCKET_BITS)
}

fn damaged(what: impl Into<String>) -> Flaw {
    Flaw::Damaged(what.into())
}

/// An entry of a seat, which must be as it was written.
fn seat_entry(
    transaction_slot: TransactionSlotKey,
    (place, key, written): (u64, u64, u32),
) -> Result<(u64, u64), Flaw> {
    if check(key, transaction_slot, place) == written {
        return Ok((place, key));
    }
    Err(damaged(format!("the entry of customer {}, slot {} is damaged", transaction_slot.0, transaction_slot.1)))
}

/// What changes in the sums of buckets, until it is written.
#[derive(Default)]
pub(super) struct Changes(HashMap<u32, (u64, u64, u64)>);

impl Changes {
    fn add(&mut self, key: u64, transaction_slot: TransactionSlotKey, place: u64) {
        let (count, transaction_slots, places) = self.0.entry(bucket_of(key)).or_default();
        *count = count.wrapping_add(1);
        *transaction_slots = transaction_slots.wrapping_add(seat_digest(key, transaction_slot));
        *places = places.wrapping_add(entry_digest(key, transaction_slot, place));
    }

    fn remove(&mut self, key: u64, transaction_slot: TransactionSlotKey, place: u64) {
        let (count, transaction_slots, places) = self.0.entry(bucket_of(key)).or_default();
        *count = count.wrapping_sub(1);
        *transaction_slots = transaction_slots.wrapping_sub(seat_digest(key, transaction_slot));
        *places = places.wrapping_sub(entry_digest(key, transaction_slot, place));
    }
}

/// The tables, open to be changed in one transaction.
pub(super) struct Writing<'t> {
    transaction_slots: Table<'t, TransactionSlotKey, (u64, u64, u32)>,
    ids: MultimapTable<'t, u64, TransactionSlotKey>,
    changes: Changes,
}

impl Writing<'_> {
    /// The place of a seat's last record and the key of its id.
    pub(super) fn get(&self, transaction_slot: TransactionSlotKey) -> Result<Option<(u64, u64)>, Flaw> {
        let known = self.transaction_slots.get(transaction_slot)?.map(|known| known.value());
        known.map(|known| seat_entry(transaction_slot, known)).transpose()
    }

    /// Sets where the last record of a seat lies, and by which key it is found.
    pub(super) fn set(&mut self, transaction_slot: TransactionSlotKey, place: u64, key: u64) -> Result<(), Flaw> {
        if let Some((place, key)) = self.get(transaction_slot)? {
            self.changes.remove(key, transaction_slot, place);
            self.ids.remove(key, transaction_slot)?;
        }
        self.transaction_slots.insert(transaction_slot, (place, key, check(key, transaction_slot, place)))?;
        self.ids.insert(key, transaction_slot)?;
        self.changes.add(key, transaction_slot, place);
        Ok(())
    }

    /// Sets where the last record of a seat lies that is known by a key.
    pub(super) fn move_to(
        &mut self,
        transaction_slot: TransactionSlotKey,
        (before, key): (u64, u64),
        place: u64,
    ) -> Result<(), Flaw> {
        self.transaction_slots.insert(transaction_slot, (place, key, check(key, transaction_slot, place)))?;
        self.changes.remove(key, transaction_slot, before);
        self.changes.add(key, transaction_slot, place);
        Ok(())
    }

    /// Forgets a seat.
    pub(super) fn remove(&mut self, transaction_slot: TransactionSlotKey) -> Result<(), Flaw> {
        if let Some((place, key)) = self.get(transaction_slot)? {
            self.transaction_slots.remove(transaction_slot)?;
            self.ids.remove(key, transaction_slot)?;
            self.changes.remove(key, transaction_slot, place);
        }
        Ok(())
    }
}

fn write_sums(writing: &redb::WriteTransaction, changes: Changes) -> Result<(), Flaw> {
    let mut sums = writing.open_table(SUMS)?;
    for (bucket, (count, transaction_slots, places)) in changes.0 {
        let known = sums.get(bucket)?.map(|sum| sum.value()).unwrap_or_default();
        let sum = (known.0.wrapping_add(count), known.1.wrapping_add(transaction_slots), known.2.wrapping_add(places));
        sums.insert(bucket, sum)?;
    }
    Ok(())
}

/// Where the index begins and how far it goes, with a check of both.
fn reach_bytes(from: u64, before: u64) -> [u8; 20] {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&from.to_le_bytes());
    bytes[8..16].copy_from_slice(&before.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..16]);
    bytes[16..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

fn reach_of(bytes: &[u8]) -> Option<(u64, u64)> {
    let word = |at: usize| bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes);
    let (from, before) = (word(0)?, word(8)?);
    (reach_bytes(from, before) == bytes).then_some((from, before))
}

/// Changes entries in one transaction, with the sums and the reach.
pub(super) fn change<T>(
    index: &Database,
    (from, before): (u64, u64),
    segment: (u64, Option<i64>),
    work: impl FnOnce(&mut Writing<'_>) -> Result<(T, i64), Flaw>,
) -> Result<T, Flaw> {
    let writing = index.begin_write()?;
    let (done, newest, changes) = {
        let (transaction_slots, ids) = (writing.open_table(SEATS)?, writing.open_multimap_table(IDS)?);
        let mut tables = Writing { transaction_slots, ids, changes: Changes::default() };
        let (done, newest) = work(&mut tables)?;
        (done, newest, tables.changes)
    };
    write_sums(&writing, changes)?;
    {
        let mut segments = writing.open_table(SEGMENTS)?;
        match segment {
            (end, None) => _ = segments.remove(end)?,
            (end, Some(least)) => {
                let newest = newest.max(least);
                segments.insert(end, (newest, segment_check(end, newest)))?;
            }
        }
        writing.open_table(ABOUT)?.insert("reach", reach_bytes(from, before).as_slice())?;
    }
    writing.commit()?;
    Ok(done)
}

/// The newest time in the segment that ends at a place.
pub(super) fn newest_in(index: &Database, end: LogOffset) -> Result<Option<i64>, Flaw> {
    let segments = index.begin_read()?.open_table(SEGMENTS)?;
    let Some((newest, written)) = segments.get(end.0)?.map(|newest| newest.value()) else { return Ok(None) };
    if segment_check(end.0, newest) != written {
        return Err(damaged("the time of a segment is damaged"));
    }
    Ok(Some(newest))
}

/// The seats and places of a key. Its whole bucket must be as it was written.
pub(super) fn look_up(index: &Database, key: u64) -> Result<Vec<(TransactionSlotKey, u64)>, Flaw> {
    let (reading, bucket) = (index.begin_read()?, bucket_of(key));
    let (ids, transaction_slots) = (reading.open_multimap_table(IDS)?, reading.open_table(SEATS)?);
    let (mut found, mut sum) = (Vec::new(), (0_u64, 0_u64, 0_u64));
    for entry in ids.range(keys_of(bucket))? {
        let (of, entries) = entry?;
        for transaction_slot in entries {
            let transaction_slot = transaction_slot?.value();
            sum = (sum.0.wrapping_add(1), sum.1.wrapping_add(seat_digest(of.value(), transaction_slot)), sum.2);
            let known = transaction_slots
                .get(transaction_slot)?
                .ok_or_else(|| damaged("an id leads to no transaction"))?
                .value();
            let (place, known) = seat_entry(transaction_slot, known)?;
            sum.2 = sum.2.wrapping_add(entry_digest(known, transaction_slot, place));
            if of.value() == key {
                found.push((transaction_slot, place));
            }
        }
    }
    let written = reading.open_table(SUMS)?.get(bucket)?.map(|sum| sum.value()).unwrap_or_default();
    if written == sum {
        Ok(found)
    } else {
        Err(damaged(format!("the entries of bucket {bucket} are not those written")))
    }
}

/// The keys in a range of whole buckets, each as it was written.
pub(super) fn keys_in(index: &Database, keys: &std::ops::RangeInclusive<u64>) -> Result<Vec<u64>, Flaw> {
    let reading = index.begin_read()?;
    let mut sums: HashMap<u32, (u64, u64)> = HashMap::new();
    let mut found = Vec::new();
    for entry in reading.open_multimap_table(IDS)?.range(keys.clone())? {
        let (key, transaction_slots) = entry?;
        let key = key.value();
        found.push(key);
        for transaction_slot in transaction_slots {
            let (count, sum) = sums.entry(bucket_of(key)).or_default();
            *count = count.wrapping_add(1);
            *sum = sum.wrapping_add(seat_digest(key, transaction_slot?.value()));
        }
    }
    for entry in reading.open_table(SUMS)?.range(bucket_of(*keys.start())..=bucket_of(*keys.end()))? {
        let (bucket, written) = entry?;
        let (count, transaction_slots, _) = written.value();
        if sums.remove(&bucket.value()).unwrap_or_default() != (count, transaction_slots) {
            return Err(damaged(format!("the entries of bucket {} are not those written", bucket.value())));
        }
    }
    if sums.is_empty() { Ok(found) } else { Err(damaged("entries have no sum")) }
}

/// The seats of a customer in slots `from..to`, with the places of their last records.
pub(super) fn of_customer(index: &Database, customer: u64, from: u32, to: u32) -> Result<Vec<(u32, u64)>, Flaw> {
    let transaction_slots = index.begin_read()?.open_table(SEATS)?;
    let mut found = Vec::new();
    for entry in transaction_slots.range((customer, from)..(customer, to))? {
        let (transaction_slot, known) = entry?;
        let (place, _) = seat_entry(transaction_slot.value(), known.value())?;
        found.push((transaction_slot.value().1, place));
    }
    Ok(found)
}

/// How many transactions there are.
pub(super) fn transactions_len(index: &Database) -> Result<u64, Flaw> {
    use redb::ReadableTableMetadata;
    Ok(index.begin_read()?.open_table(SEATS)?.len()?)
}

/// Forgets everything, and begins at a place.
pub(super) fn begin_at(index: &Database, id: &[u8; 16], place: u64) -> Result<(), Flaw> {
    let writing = index.begin_write()?;
    writing.delete_table(SEATS)?;
    writing.delete_table(SEGMENTS)?;
    writing.delete_table(SUMS)?;
    writing.delete_multimap_table(IDS)?;
    {
        writing.open_table(SEATS)?;
        writing.open_table(SEGMENTS)?;
        writing.open_table(SUMS)?;
        writing.open_multimap_table(IDS)?;
        let mut about = writing.open_table(ABOUT)?;
        about.insert("format", FORMAT)?;
        about.insert("journal", id.as_slice())?;
        about.insert("reach", reach_bytes(place, place).as_slice())?;
    }
    Ok(writing.commit()?)
}

/// Where an index begins and how far it goes; `None`: it is new.
///
/// # Errors
/// It is of another journal or version, or a table is missing or damaged.
pub(super) fn reach(index: &Database, id: &[u8; 16]) -> Result<Option<(u64, u64)>, Flaw> {
    let reading = index.begin_read()?;
    if reading.list_tables()?.next().is_none() {
        return Ok(None);
    }
    let about = reading.open_table(ABOUT)?;
    let is = |name: &str, want: &[u8]| -> Result<bool, Flaw> {
        Ok(about.get(name)?.is_some_and(|value| value.value() == want))
    };
    if !is("format", FORMAT)? {
        return Err(damaged("it was written by another version"));
    }
    if !is("journal", id)? {
        return Err(damaged("it belongs to another journal"));
    }
    reading.open_table(SEATS)?;
    reading.open_table(SEGMENTS)?;
    reading.open_table(SUMS)?;
    reading.open_multimap_table(IDS)?;
    let reach = about.get("reach")?.and_then(|reach| reach_of(reach.value()));
    reach.map(Some).ok_or_else(|| damaged("how far it goes is damaged"))
}
