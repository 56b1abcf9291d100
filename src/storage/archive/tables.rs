//! The tables of the index, and the checks that detect damage in them.
//!
//! The database does not verify the bytes that it reads: a changed byte can hide an entry, or lead to another one. So the
//! index has its own sums. The first bits of a key select one of 65,536 buckets. For each bucket a table contains the number
//! of entries, the sum of a digest of each (key, transaction slot), and the sum of a digest of each (key, transaction slot,
//! place). Sums are commutative, so adding or removing an entry needs no other entry, and they change in the transaction that
//! changes the entries. A look-up reads the whole bucket of the key and compares.

use crate::domain::{
    transaction::{log_offset::LogOffset, summaries::newest::TimedSlot},
    vocabulary::time::Millis,
};
use redb::{Database, MultimapTable, MultimapTableDefinition, ReadableDatabase, ReadableTable, Table, TableDefinition};
use std::collections::HashMap;

/// Customer and slot.
pub(super) type TransactionSlotKey = (u64, u32);

/// A transaction by its slot: the place of its last record, the key of its id, its time, and a check of all five numbers.
/// The table has the name `seats` in the file.
const TRANSACTION_SLOTS: TableDefinition<'_, TransactionSlotKey, (u64, u64, i64, u32)> = TableDefinition::new("seats");
/// The transactions of each customer in the order of their times: customer, time and slot, with a check of the three.
const TIMES: TableDefinition<'_, (u64, i64, u32), u32> = TableDefinition::new("times");
/// Transaction slots by the key of the transaction's id. Two ids may have the same key, so a reader compares each.
const IDS: MultimapTableDefinition<'_, u64, TransactionSlotKey> = MultimapTableDefinition::new("ids");
/// By bucket: the number of entries, the sum of their slots, the sum of their places.
const SUMS: TableDefinition<'_, u32, (u64, u64, u64)> = TableDefinition::new("sums");
/// Segments by the place at which they end: the newest time in each, milliseconds since 1970, and a check of both.
const SEGMENTS: TableDefinition<'_, u64, (i64, u32)> = TableDefinition::new("segments");
/// The format, the journal, and the begin and end of the index.
const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// The version of the tables.
const FORMAT: &[u8] = b"4";

/// Bits of a key that select its bucket. With ten million transactions a bucket has about 150.
const BUCKET_BITS: u32 = 16;

/// Why the index cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Flaw {
    /// An error of the database or of its file.
    #[error(transparent)]
    Database(#[from] redb::Error),
    /// A check does not match.
    #[error("{0}")]
    Damaged(String),
    /// The database panicked over damaged bytes.
    #[error("the database panicked while it used its file")]
    Panicked,
}

macro_rules! from_redb {
    ($($error:ty),*) => { $(impl From<$error> for Flaw {
        fn from(error: $error) -> Self {
            Self::Database(error.into())
        }
    })* };
}
from_redb!(redb::StorageError, redb::TableError, redb::TransactionError, redb::CommitError, redb::DatabaseError);

/// A digest of numbers; each step is the finalizer of SplitMix64.
fn digest(numbers: [u64; 4]) -> u64 {
    numbers.into_iter().fold(0x9e37_79b9_7f4a_7c15, |all: u64, number| {
        let mixed = (all ^ number).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 27)
    })
}

fn slot_digest(key: u64, (customer, slot): TransactionSlotKey) -> u64 {
    digest([key, customer, u64::from(slot), u64::MAX])
}

fn entry_digest(key: u64, (customer, slot): TransactionSlotKey, offset: u64) -> u64 {
    digest([key, customer, u64::from(slot), offset])
}

/// What the index knows about a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct IndexedTransaction {
    /// The place of its last record.
    pub(super) offset: u64,
    /// The key of its id.
    pub(super) key: u64,
    /// Its time, milliseconds since 1970.
    pub(super) at: i64,
}

impl IndexedTransaction {
    /// As it is stored: with a check.
    fn stored(self, transaction_slot: TransactionSlotKey) -> (u64, u64, i64, u32) {
        let Self { offset, key, at } = self;
        let numbers = [entry_digest(key, transaction_slot, offset), at.cast_unsigned(), 3, 4];
        (offset, key, at, u32::try_from(digest(numbers) >> 32).unwrap_or(0))
    }

    /// Verifies what is stored for a slot.
    fn verify(transaction_slot: TransactionSlotKey, stored: (u64, u64, i64, u32)) -> Result<Self, Flaw> {
        let (offset, key, at, _) = stored;
        let known = Self { offset, key, at };
        if known.stored(transaction_slot) == stored {
            return Ok(known);
        }
        Err(damaged(format!("the entry of customer {}, slot {} is damaged", transaction_slot.0, transaction_slot.1)))
    }
}

fn time_check((customer, at, slot): (u64, i64, u32)) -> u32 {
    u32::try_from(digest([customer, at.cast_unsigned(), u64::from(slot), 5]) >> 32).unwrap_or(0)
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

/// Changes of the sums of buckets that are not written yet.
#[derive(Default)]
struct SumChanges(HashMap<u32, (u64, u64, u64)>);

impl SumChanges {
    fn add(&mut self, key: u64, transaction_slot: TransactionSlotKey, offset: u64) {
        let (count, transaction_slots, places) = self.0.entry(bucket_of(key)).or_default();
        *count = count.wrapping_add(1);
        *transaction_slots = transaction_slots.wrapping_add(slot_digest(key, transaction_slot));
        *places = places.wrapping_add(entry_digest(key, transaction_slot, offset));
    }

    fn remove(&mut self, key: u64, transaction_slot: TransactionSlotKey, offset: u64) {
        let (count, transaction_slots, places) = self.0.entry(bucket_of(key)).or_default();
        *count = count.wrapping_sub(1);
        *transaction_slots = transaction_slots.wrapping_sub(slot_digest(key, transaction_slot));
        *places = places.wrapping_sub(entry_digest(key, transaction_slot, offset));
    }
}

/// The tables, open for changes in one transaction.
pub(super) struct TableWriter<'t> {
    transaction_slots: Table<'t, TransactionSlotKey, (u64, u64, i64, u32)>,
    times: Table<'t, (u64, i64, u32), u32>,
    ids: MultimapTable<'t, u64, TransactionSlotKey>,
    changes: SumChanges,
}

impl TableWriter<'_> {
    /// The transaction in a slot.
    pub(super) fn get(&self, transaction_slot: TransactionSlotKey) -> Result<Option<IndexedTransaction>, Flaw> {
        let known = self.transaction_slots.get(transaction_slot)?.map(|known| known.value());
        known.map(|known| IndexedTransaction::verify(transaction_slot, known)).transpose()
    }

    /// Sets the transaction in a slot.
    pub(super) fn set(
        &mut self,
        transaction_slot: TransactionSlotKey,
        transaction: IndexedTransaction,
    ) -> Result<(), Flaw> {
        self.remove(transaction_slot)?;
        let IndexedTransaction { offset, key, at } = transaction;
        self.transaction_slots.insert(transaction_slot, transaction.stored(transaction_slot))?;
        let time = (transaction_slot.0, at, transaction_slot.1);
        self.times.insert(time, time_check(time))?;
        self.ids.insert(key, transaction_slot)?;
        self.changes.add(key, transaction_slot, offset);
        Ok(())
    }

    /// Changes the place of the last record of a slot that is indexed.
    pub(super) fn move_to(
        &mut self,
        transaction_slot: TransactionSlotKey,
        before: IndexedTransaction,
        offset: u64,
    ) -> Result<(), Flaw> {
        let moved = IndexedTransaction { offset, ..before };
        self.transaction_slots.insert(transaction_slot, moved.stored(transaction_slot))?;
        self.changes.remove(before.key, transaction_slot, before.offset);
        self.changes.add(before.key, transaction_slot, offset);
        Ok(())
    }

    /// Removes a slot.
    pub(super) fn remove(&mut self, transaction_slot: TransactionSlotKey) -> Result<(), Flaw> {
        if let Some(IndexedTransaction { offset, key, at }) = self.get(transaction_slot)? {
            self.transaction_slots.remove(transaction_slot)?;
            self.times.remove((transaction_slot.0, at, transaction_slot.1))?;
            self.ids.remove(key, transaction_slot)?;
            self.changes.remove(key, transaction_slot, offset);
        }
        Ok(())
    }
}

fn write_sums(writing: &redb::WriteTransaction, changes: SumChanges) -> Result<(), Flaw> {
    let mut sums = writing.open_table(SUMS)?;
    for (bucket, (count, transaction_slots, places)) in changes.0 {
        let known = sums.get(bucket)?.map(|sum| sum.value()).unwrap_or_default();
        let sum = (known.0.wrapping_add(count), known.1.wrapping_add(transaction_slots), known.2.wrapping_add(places));
        sums.insert(bucket, sum)?;
    }
    Ok(())
}

/// The begin and the end of the index, with a check of both.
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

/// Changes entries in one transaction, together with the sums, the newest time of a segment, and the reach of the index.
pub(super) fn change<T>(
    index: &Database,
    (from, before): (u64, u64),
    segment: (u64, Option<i64>),
    work: impl FnOnce(&mut TableWriter<'_>) -> Result<(T, i64), Flaw>,
) -> Result<T, Flaw> {
    let writing = index.begin_write()?;
    let (done, newest, changes) = {
        let (transaction_slots, times) = (writing.open_table(TRANSACTION_SLOTS)?, writing.open_table(TIMES)?);
        let (ids, changes) = (writing.open_multimap_table(IDS)?, SumChanges::default());
        let mut tables = TableWriter { transaction_slots, times, ids, changes };
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
        return Err(damaged("the newest time of a segment is damaged"));
    }
    Ok(Some(newest))
}

/// The slots and places of a key. Verifies the whole bucket.
pub(super) fn look_up(index: &Database, key: u64) -> Result<Vec<(TransactionSlotKey, u64)>, Flaw> {
    let (reading, bucket) = (index.begin_read()?, bucket_of(key));
    let (ids, transaction_slots) = (reading.open_multimap_table(IDS)?, reading.open_table(TRANSACTION_SLOTS)?);
    let (mut found, mut sum) = (Vec::new(), (0_u64, 0_u64, 0_u64));
    for entry in ids.range(keys_of(bucket))? {
        let (of, entries) = entry?;
        for transaction_slot in entries {
            let transaction_slot = transaction_slot?.value();
            sum = (sum.0.wrapping_add(1), sum.1.wrapping_add(slot_digest(of.value(), transaction_slot)), sum.2);
            let known =
                transaction_slots.get(transaction_slot)?.ok_or_else(|| damaged("an id has no transaction"))?.value();
            let IndexedTransaction { offset, key: known, .. } = IndexedTransaction::verify(transaction_slot, known)?;
            sum.2 = sum.2.wrapping_add(entry_digest(known, transaction_slot, offset));
            if of.value() == key {
                found.push((transaction_slot, offset));
            }
        }
    }
    let written = reading.open_table(SUMS)?.get(bucket)?.map(|sum| sum.value()).unwrap_or_default();
    if written == sum {
        Ok(found)
    } else {
        Err(damaged(format!("the entries of bucket {bucket} do not match their sum")))
    }
}

/// The keys in a range of whole buckets. Verifies each bucket.
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
            *sum = sum.wrapping_add(slot_digest(key, transaction_slot?.value()));
        }
    }
    for entry in reading.open_table(SUMS)?.range(bucket_of(*keys.start())..=bucket_of(*keys.end()))? {
        let (bucket, written) = entry?;
        let (count, transaction_slots, _) = written.value();
        if sums.remove(&bucket.value()).unwrap_or_default() != (count, transaction_slots) {
            return Err(damaged(format!("the entries of bucket {} do not match their sum", bucket.value())));
        }
    }
    if sums.is_empty() { Ok(found) } else { Err(damaged("entries have no sum")) }
}

/// The transactions of a customer in slots `from..to`, with the places of their last records.
pub(super) fn of_customer(index: &Database, customer: u64, from: u32, to: u32) -> Result<Vec<(u32, u64)>, Flaw> {
    let transaction_slots = index.begin_read()?.open_table(TRANSACTION_SLOTS)?;
    let mut found = Vec::new();
    for entry in transaction_slots.range((customer, from)..(customer, to))? {
        let (transaction_slot, known) = entry?;
        let known = IndexedTransaction::verify(transaction_slot.value(), known.value())?;
        found.push((transaction_slot.value().1, known.offset));
    }
    Ok(found)
}

/// The newest transactions of a customer before a place in the order of time, the newest first, with the places of their
/// last records.
pub(super) fn newest_of_customer(
    index: &Database,
    customer: u64,
    before: Option<TimedSlot>,
    limit: usize,
) -> Result<Vec<(TimedSlot, u64)>, Flaw> {
    let reading = index.begin_read()?;
    let (times, transaction_slots) = (reading.open_table(TIMES)?, reading.open_table(TRANSACTION_SLOTS)?);
    let first = (customer, i64::MIN, 0);
    let range = match before {
        Some(TimedSlot { at, slot }) => times.range(first..(customer, at.0, slot))?,
        None => times.range(first..=(customer, i64::MAX, u32::MAX))?,
    };
    let mut found = Vec::new();
    for entry in range.rev().take(limit) {
        let (time, written) = entry?;
        let (_, at, slot) = time.value();
        let is_damaged = || damaged(format!("the time of customer {customer}, slot {slot} is damaged"));
        if time_check(time.value()) != written.value() {
            return Err(is_damaged());
        }
        let known = transaction_slots.get((customer, slot))?.ok_or_else(is_damaged)?.value();
        let known = IndexedTransaction::verify((customer, slot), known)?;
        if known.at != at {
            return Err(is_damaged());
        }
        found.push((TimedSlot { at: Millis(at), slot }, known.offset));
    }
    Ok(found)
}

/// How many transactions there are.
pub(super) fn transactions_len(index: &Database) -> Result<u64, Flaw> {
    use redb::ReadableTableMetadata;
    Ok(index.begin_read()?.open_table(TRANSACTION_SLOTS)?.len()?)
}

/// Removes everything, and begins at a place.
pub(super) fn begin_at(index: &Database, id: &[u8; 16], offset: u64) -> Result<(), Flaw> {
    let writing = index.begin_write()?;
    writing.delete_table(TRANSACTION_SLOTS)?;
    writing.delete_table(TIMES)?;
    writing.delete_table(SEGMENTS)?;
    writing.delete_table(SUMS)?;
    writing.delete_multimap_table(IDS)?;
    {
        writing.open_table(TRANSACTION_SLOTS)?;
        writing.open_table(TIMES)?;
        writing.open_table(SEGMENTS)?;
        writing.open_table(SUMS)?;
        writing.open_multimap_table(IDS)?;
        let mut about = writing.open_table(ABOUT)?;
        about.insert("format", FORMAT)?;
        about.insert("journal", id.as_slice())?;
        about.insert("reach", reach_bytes(offset, offset).as_slice())?;
    }
    Ok(writing.commit()?)
}

/// The begin and the end of an index; `None`: it is new.
///
/// # Errors
/// It belongs to another journal or version, or a table is missing or damaged.
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
    reading.open_table(TRANSACTION_SLOTS)?;
    reading.open_table(TIMES)?;
    reading.open_table(SEGMENTS)?;
    reading.open_table(SUMS)?;
    reading.open_multimap_table(IDS)?;
    let reach = about.get("reach")?.and_then(|reach| reach_of(reach.value()));
    reach.map(Some).ok_or_else(|| damaged("the begin and end of the index are damaged"))
}
