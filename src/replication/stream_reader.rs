//! Reads the stream for a standby: batches as raw ranges, and the keys that they need.

use crate::{
    domain::transaction::log_offset::LogOffset,
    replication::{
        establish::has_record,
        format::{Batch, FormatError, WrapError, WrappingKey, decode_batch, key_field, unwrap_key, unwrap_secret},
        model::{
            error::RedisError,
            head::{Fence, Head, Lease, Tip},
            pages::StreamEntry,
        },
        redis_store::RedisStore,
    },
    storage::{
        journal::{Instance, Journal, JournalId, Lsn, RawRecords, ReadError, frame},
        keys::KeyEntry,
    },
};

/// The most entries and bytes that one read returns.
const ENTRIES_MAX: u32 = 64;
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Why the stream cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Redis does not answer, or refuses the command.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// An entry is no batch of this instance.
    #[error("the entry of the stream that ends with record {last} cannot be read: {cause}")]
    Batch {
        /// The last record of the entry, by its id.
        last: Lsn,
        /// The cause.
        cause: String,
    },
    /// Entries were trimmed before the standby read them.
    #[error(
        "the stream begins with record {begin}, and this standby has the records up to {last}: those between them have \
         left Redis; stop it, move its data folder away, and start it again: it restores into the empty folder"
    )]
    Trimmed {
        /// The first record of the stream.
        begin: Lsn,
        /// The last record of the standby.
        last: Lsn,
    },
    /// The stream has another record than the journal.
    #[error(
        "record {lsn} of this data folder is not the record {lsn} of Redis: the folder is of another lineage; move it away \
         and start again: a standby restores into an empty folder"
    )]
    OtherLineage {
        /// The record.
        lsn: Lsn,
    },
    /// The copy belongs to another instance, or has another digest secret.
    #[error(
        "Redis has the data of another instance than this data folder; move the folder away, or name another `prefix`"
    )]
    OtherInstance,
    /// A wrapped value does not open.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The local journal cannot be read.
    #[error("the journal cannot be compared with Redis: {0}")]
    Journal(#[from] ReadError),
}

impl StreamError {
    /// Whether a later read may succeed.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        // A server that was emptied gets its data again from the primary.
        matches!(self, Self::Redis(error) if error.is_outage() || *error == RedisError::Empty)
    }
}

/// What one read returns.
#[derive(Debug)]
pub struct StreamRead {
    /// The batches after the ones before, in order.
    pub batches: Vec<RawRecords>,
    /// The last record of the stream at that instant.
    pub tip: Option<Tip>,
    /// The owner's lease at that instant.
    pub lease: Option<Lease>,
    /// When the owner renewed its lease last, in milliseconds of the server's clock.
    pub renewed_at_ms: Option<u64>,
    /// The newest fence at that instant.
    pub fence: Fence,
    /// The number of the connection: another one may lead to another server.
    pub connection: Option<u64>,
}

/// Reads the stream after a record.
#[derive(Debug)]
pub struct StreamReader {
    store: RedisStore,
    instance: Instance,
    wrapping: WrappingKey,
    last: Lsn,
    /// The checksum of the last record; `None`: it is not known.
    crc: Option<u32>,
    /// The tip that was found in the journal.
    checked: Option<Tip>,
}

impl StreamReader {
    /// A reader that continues after the last record of the journal.
    ///
    /// # Errors
    /// The last record cannot be read.
    pub fn new(
        mut store: RedisStore,
        instance: Instance,
        wrapping: WrappingKey,
        journal: &Journal,
    ) -> Result<Self, ReadError> {
        store.expect_instance(instance.id);
        let last = journal.last();
        let crc = journal.record_mark(last)?.map(|mark| mark.crc);
        Ok(Self { store, instance, wrapping, last, crc, checked: None })
    }

    /// The connection, for commands between two reads.
    pub fn store(&mut self) -> &mut RedisStore {
        &mut self.store
    }

    /// The last record that was read.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.last
    }

    /// The head, whose instance and secret are those of the data folder.
    ///
    /// # Errors
    /// Redis has no copy, or that of another instance.
    pub async fn head(&mut self) -> Result<Head, StreamError> {
        let head = self.store.head().await?.ok_or(RedisError::Empty)?;
        let secret = unwrap_secret(&self.wrapping, self.instance.id, &head.secret)?;
        if head.instance != self.instance.id || secret != self.instance.secret {
            return Err(StreamError::OtherInstance);
        }
        Ok(head)
    }

    /// The next batches; none: nothing is after the last one. The journal contains the batches of the reads before.
    ///
    /// # Errors
    /// See [`StreamError`]. Batches before an invalid one are not returned either.
    pub async fn read(&mut self, journal: &Journal) -> Result<StreamRead, StreamError> {
        let page = self.store.read_stream(self.last, ENTRIES_MAX, BYTES_MAX).await?;
        if let Some(tip) = page.tip {
            self.check_tip(tip, journal)?;
        }
        let mut batches = Vec::with_capacity(page.entries.len());
        let (mut last, mut crc) = (self.last, self.crc);
        for entry in &page.entries {
            let batch = raw_records(self.instance.id, entry)?;
            let next = last.0.saturating_add(1);
            if batch.1.first.0 > next {
                let begin = page.begin.filter(|begin| begin.0 > next).unwrap_or(batch.1.first);
                return Err(StreamError::Trimmed { begin, last });
            }
            if batch.1.first.0 == next && crc.is_some_and(|crc| crc != batch.0) {
                return Err(StreamError::OtherLineage { lsn: last });
            }
            (last, crc) = (batch.1.last, Some(batch.1.last_crc));
            batches.push(batch.1);
        }
        (self.last, self.crc) = (last, crc);
        let (renewed_at_ms, connection) = (page.renewed_at_ms, self.store.connection());
        Ok(StreamRead { batches, tip: page.tip, lease: page.lease, renewed_at_ms, fence: page.fence, connection })
    }

    /// Refuses a stream that ends with another record than the journal has there. A record that is not synced yet is compared
    /// later.
    fn check_tip(&mut self, tip: Tip, journal: &Journal) -> Result<(), StreamError> {
        let is_known = tip.lsn == self.last && self.crc == Some(tip.crc);
        if is_known || self.checked == Some(tip) || tip.lsn > journal.lasting() {
            return Ok(());
        }
        if !has_record(journal, tip)? {
            return Err(StreamError::OtherLineage { lsn: tip.lsn });
        }
        self.checked = Some(tip);
        Ok(())
    }

    /// The keys with these numbers, live or erased. A key that Redis does not have is missing in the result.
    ///
    /// # Errors
    /// Redis does not answer, or a key does not open.
    pub async fn keys(&mut self, numbers: &[u64]) -> Result<Vec<KeyEntry>, StreamError> {
        // An erasure moves a key from one hash to the other, so a key is in the second if it is not in the first.
        let live = self.store.read_keys_of(numbers).await?;
        let mut entries = Vec::with_capacity(live.len());
        for wrapped in &live {
            let field = key_field(wrapped.number);
            let key = unwrap_key(&self.wrapping, self.instance.id, &field, &wrapped.wrapped)?;
            entries.push(KeyEntry { number: key.number, customer: key.customer, key: Some(key.key) });
        }
        let is_live = |number: &u64| live.iter().any(|key| key.number == *number);
        let others: Vec<u64> = numbers.iter().copied().filter(|number| !is_live(number)).collect();
        if !others.is_empty() {
            let erased = self.store.read_erased_of(&others).await?;
            entries.extend(erased.iter().map(|key| KeyEntry { number: key.number, customer: key.customer, key: None }));
        }
        Ok(entries)
    }

    /// All erased keys.
    ///
    /// # Errors
    /// Redis does not answer.
    pub async fn erased_keys(&mut self) -> Result<Vec<KeyEntry>, StreamError> {
        let (mut entries, mut cursor) = (Vec::new(), 0);
        loop {
            let page = self.store.read_erased(cursor).await?;
            let erased = page.keys.iter();
            entries.extend(erased.map(|key| KeyEntry { number: key.number, customer: key.customer, key: None }));
            cursor = page.cursor;
            if cursor == 0 {
                return Ok(entries);
            }
        }
    }
}

/// The records of an entry, and the checksum of the record before them.
fn raw_records(instance: JournalId, entry: &StreamEntry) -> Result<(u32, RawRecords), StreamError> {
    let unreadable = |cause: String| StreamError::Batch { last: entry.last, cause };
    let batch = decode_batch(instance, &entry.frame).map_err(|error: FormatError| unreadable(error.to_string()))?;
    if batch.last != entry.last {
        return Err(unreadable(format!("the batch in it ends with record {}", batch.last)));
    }
    let last_crc = last_crc(&batch).ok_or_else(|| unreadable("its records are damaged".to_owned()))?;
    let Batch { epoch, first, last, begin, crc_before, bytes } = batch;
    let begin: LogOffset = begin;
    Ok((crc_before, RawRecords { epoch, first, last, begin, bytes: bytes.to_vec(), last_crc }))
}

/// The checksum of the last record of a batch.
fn last_crc(batch: &Batch<'_>) -> Option<u32> {
    let (mut rest, mut last) = (batch.bytes, None);
    while !rest.is_empty() {
        let record = rest.get(..frame::length(rest).ok()?)?;
        last = Some(u32::from_le_bytes(*record.split_last_chunk::<4>()?.1));
        rest = rest.get(record.len()..)?;
    }
    last
}
