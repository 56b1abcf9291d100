//! Reads the copy in Redis, and verifies every frame, number and checksum on the way. Its methods block the thread.

use crate::{
    config::{OnOutage, Redis, RedisFiles},
    replication::{
        copy_error::CopyError,
        format::{WrappingKey, decode_batch, decode_chunk, key_field, unwrap_key},
        model::{
            answers::HeldLease,
            error::RedisError,
            head::{Head, SnapshotMark, Tip},
            requests::{ErasedKey, WrappedKey},
            server::ServerFacts,
        },
        owner_watch::OwnerWatch,
        redis_store::RedisStore,
        retry::Retry,
    },
    storage::{
        journal::{JournalId, Lsn, RawRecords},
        keys::KeyEntry,
    },
};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Entries and bytes of one read of the stream.
const ENTRIES_MAX: u32 = 64;
const BYTES_MAX: u64 = 4 << 20;
/// A read that an outage interrupts is repeated this often.
const TRIES_MAX: u32 = 10;
/// How often it is looked whether the owner of the copy still lives.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How far the stream was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamPosition {
    /// The last record; `None`: none was read.
    pub tip: Option<Tip>,
    /// The first record that was read.
    pub first: Lsn,
    /// The entries.
    pub entries: u64,
    /// The bytes of their frames.
    pub bytes: u64,
}

impl StreamPosition {
    /// The last record; 0: none was read.
    #[must_use]
    pub fn last(&self) -> Lsn {
        self.tip.map_or(Lsn::NONE, |tip| tip.lsn)
    }
}

/// One connection that only reads.
pub struct CopyReader {
    runtime: Runtime,
    store: RedisStore,
    instance: JournalId,
}

impl CopyReader {
    /// A reader that is not connected yet. `owner` names this process.
    ///
    /// # Errors
    /// There is no thread for the connection.
    pub fn new(settings: &Redis, files: &RedisFiles, owner: &str) -> Result<Self, CopyError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CopyError::Threads)?;
        let store = RedisStore::new(settings, files, owner);
        Ok(Self { runtime, store, instance: JournalId::default() })
    }

    /// The head, at one attempt. `None`: Redis has no copy under this prefix. Later reads must be of its instance.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub fn head(&mut self) -> Result<Option<Head>, RedisError> {
        let head = self.runtime.block_on(self.store.head())?;
        if let Some(head) = &head {
            self.instance = head.instance;
            self.store.expect_instance(head.instance);
        }
        Ok(head)
    }

    /// What the server says about itself.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub fn server(&mut self) -> Result<ServerFacts, RedisError> {
        self.runtime.block_on(self.store.server())
    }

    /// Deletes the copy. Unless forced, a lease prevents it: then the answer names its owner.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub fn discard(&mut self, forced: bool) -> Result<Option<HeldLease>, RedisError> {
        self.runtime.block_on(self.store.discard(forced))
    }

    /// Repeats a read that an outage interrupts.
    fn read<T>(
        &mut self,
        mut call: impl AsyncFnMut(&mut RedisStore) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let Self { runtime, store, .. } = self;
        runtime.block_on(async {
            let mut retry = Retry::new();
            for _ in 1..TRIES_MAX {
                match call(store).await {
                    Err(RedisError::Unreachable(_) | RedisError::TimedOut { .. } | RedisError::Loading) => {
                        retry.pause().await;
                    }
                    answer => return answer,
                }
            }
            call(store).await
        })
    }

    /// The head of the instance that was read before.
    pub(super) fn same_head(&mut self) -> Result<Head, CopyError> {
        match self.read(async |store| store.head().await) {
            Ok(Some(head)) => Ok(head),
            Ok(None) => Err(CopyError::Changed("it was deleted")),
            Err(RedisError::OtherInstance(_)) => Err(CopyError::Changed("it is the one of another instance now")),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits until the owner of the copy may be replaced: it has released its lease, it has none and has renewed none for
    /// `lease_ms`, or with a lease that never expires its heartbeat is older than `lease_ms`. A missing lease is no proof:
    /// a failover may have lost its last renewals.
    ///
    /// # Errors
    /// The owner has renewed its lease, so it lives.
    pub fn wait_for_owner(&mut self, lease_ms: u64) -> Result<(), CopyError> {
        let (mut before, mut watch) = (None::<(Option<u64>, Head)>, OwnerWatch::new(lease_ms));
        loop {
            let head = self.same_head()?;
            let connection = self.store.connection();
            let rest = watch.look(Instant::now(), connection, Some(&head));
            let owner = || head.owner.clone();
            match head.lease {
                None if rest.is_none() || head.is_released || head.on_outage == OnOutage::Continue => return Ok(()),
                Some(lease) if lease.expires_in_ms.is_none() => match head.renewed_ago_ms {
                    None => return Err(CopyError::NoHeartbeat { owner: owner(), fence: head.fence }),
                    Some(age) if age > lease_ms => return Ok(()),
                    Some(_) => {}
                },
                _ => {}
            }
            // After a new connection an older renewal may be found, on a server that had lost the later ones.
            let is_renewed = before.as_ref().is_some_and(|(number, before)| {
                *number == connection && (head.fence, head.renewed_at_ms) != (before.fence, before.renewed_at_ms)
            });
            if is_renewed {
                let expires_in_ms = head.lease.and_then(|lease| lease.expires_in_ms);
                return Err(CopyError::OwnerLives(HeldLease { owner: owner(), fence: head.fence, expires_in_ms }));
            }
            before = Some((connection, head));
            std::thread::sleep(LOOK_INTERVAL);
        }
    }

    /// Reads the entries after a position up to the end of the stream. `take` gets the verified records of each, and the
    /// checksum of the record before them.
    ///
    /// # Errors
    /// An entry is missing or damaged, or `take` fails.
    pub fn read_stream(
        &mut self,
        position: &mut StreamPosition,
        take: &mut dyn FnMut(&RawRecords, u32) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        loop {
            let after = position.last();
            let page = self.read(async |store| store.read_stream(after, ENTRIES_MAX, BYTES_MAX).await)?;
            let first = match (position.tip, page.begin) {
                (None, begin) => begin.unwrap_or(Lsn(1)),
                (Some(tip), begin) => {
                    let next = Lsn(tip.lsn.0.saturating_add(1));
                    if begin.is_some_and(|begin| begin > next) {
                        return Err(CopyError::Changed("records that were not read yet were trimmed"));
                    }
                    next
                }
            };
            if page.entries.is_empty() {
                return match (page.tip, position.tip) {
                    (tip, read) if tip == read => Ok(()),
                    (Some(tip), _) if tip.lsn > after => Err(CopyError::Gap { from: first, to: tip.lsn }),
                    (Some(tip), _) if tip.lsn == after => Err(CopyError::OtherTip { tip, found: after }),
                    _ => Err(CopyError::Changed("its end was lost, as after a failover")),
                };
            }
            let mut next = first;
            for entry in &page.entries {
                self.read_entry((entry.last, &entry.frame), next, position, take)?;
                next = Lsn(entry.last.0.saturating_add(1));
            }
        }
    }

    fn read_entry(
        &self,
        (last, frame): (Lsn, &[u8]),
        next: Lsn,
        position: &mut StreamPosition,
        take: &mut dyn FnMut(&RawRecords, u32) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        let batch = decode_batch(self.instance, frame).map_err(|error| CopyError::Batch { last, error })?;
        if batch.last != last {
            return Err(CopyError::Misplaced { id: last, found: batch.last });
        }
        if batch.first > next {
            return Err(CopyError::Gap { from: next, to: Lsn(batch.first.0.saturating_sub(1)) });
        }
        let continues = position
            .tip
            .is_none_or(|tip| tip.crc == batch.crc_before && tip.end == batch.begin && tip.epoch <= batch.epoch);
        let begins = batch.first != Lsn(1) || (batch.crc_before == 0 && batch.begin.0 == 0);
        if batch.first < next || !continues || !begins {
            return Err(CopyError::OtherLineage { first: batch.first });
        }
        let records = RawRecords::of(batch.epoch, (batch.first, batch.last), batch.begin, batch.bytes.to_vec());
        records.verify(self.instance).map_err(|flaw| CopyError::Records { last, flaw })?;
        take(&records, batch.crc_before)?;
        if position.tip.is_none() {
            position.first = batch.first;
        }
        position.tip = Some(Tip { lsn: last, epoch: batch.epoch, crc: records.last_crc, end: records.end() });
        position.entries = position.entries.saturating_add(1);
        position.bytes = position.bytes.saturating_add(u64::try_from(frame.len()).unwrap_or(u64::MAX));
        Ok(())
    }

    /// The bytes of one chunk of the finished snapshot.
    ///
    /// # Errors
    /// It is missing, damaged, or of another snapshot.
    pub fn read_chunk(&mut self, snapshot: SnapshotMark, index: u64) -> Result<Vec<u8>, CopyError> {
        let frame = self.read(async |store| store.read_chunk(snapshot.begin, index).await)?;
        let Some(frame) = frame else {
            if self.same_head()?.snapshot != Some(snapshot) {
                return Err(CopyError::Changed("a newer snapshot has replaced the one that was read"));
            }
            return Err(CopyError::ChunkMissing { index, chunks: snapshot.chunks });
        };
        let chunk = decode_chunk(self.instance, &frame).map_err(|error| CopyError::Chunk { index, error })?;
        if (chunk.begin, u64::from(chunk.index)) != (snapshot.begin, index) {
            return Err(CopyError::OtherSnapshot("a chunk is at another place than it says"));
        }
        Ok(chunk.bytes.to_vec())
    }

    /// Passes the bytes of the finished snapshot on, chunk by chunk.
    ///
    /// # Errors
    /// As [`CopyReader::read_chunk`]; also if the number of chunks or bytes is another one than the head says.
    pub fn read_snapshot(
        &mut self,
        snapshot: SnapshotMark,
    ) -> impl Iterator<Item = Result<Vec<u8>, CopyError>> + use<'_> {
        let (mut index, mut bytes) = (0, 0_u64);
        std::iter::from_fn(move || {
            if index > snapshot.chunks {
                return None;
            }
            let chunk = index;
            index += 1;
            if chunk < snapshot.chunks {
                let read = self.read_chunk(snapshot, chunk);
                let len = read.as_ref().map_or(0, Vec::len);
                bytes = bytes.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
                return Some(read);
            }
            if bytes != snapshot.bytes {
                return Some(Err(CopyError::OtherSnapshot("its chunks have another length")));
            }
            match self.read(async |store| store.read_chunk(snapshot.begin, chunk).await) {
                Ok(None) => None,
                Ok(Some(_)) => Some(Err(CopyError::OtherSnapshot("it has more chunks"))),
                Err(error) => Some(Err(error.into())),
            }
        })
    }

    fn read_live_keys(
        &mut self,
        wrapping: &WrappingKey,
        take: &mut dyn FnMut(&[KeyEntry]) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        let instance = self.instance;
        let open = |key: &WrappedKey| {
            let opened =
                unwrap_key(wrapping, instance, &key_field(key.number), &key.wrapped).map_err(CopyError::Key)?;
            Ok(KeyEntry { number: opened.number, customer: opened.customer, key: Some(opened.key) })
        };
        let mut cursor = 0;
        loop {
            let page = self.read(async |store| store.read_keys(cursor).await)?;
            take(&page.keys.iter().map(open).collect::<Result<Vec<_>, CopyError>>()?)?;
            cursor = page.cursor;
            if cursor == 0 {
                return Ok(());
            }
        }
    }

    /// Reads all keys, and then all erased ones, in pages. A key may be passed on twice; that it is erased comes last.
    /// Without the wrapping key only the erased ones are passed on.
    ///
    /// # Errors
    /// A key does not open, or `take` fails.
    pub fn read_keys(
        &mut self,
        wrapping: Option<&WrappingKey>,
        take: &mut dyn FnMut(&[KeyEntry]) -> Result<(), CopyError>,
    ) -> Result<(), CopyError> {
        if let Some(wrapping) = wrapping {
            self.read_live_keys(wrapping, take)?;
        }
        let mut cursor = 0;
        loop {
            let page = self.read(async |store| store.read_erased(cursor).await)?;
            let entry = |key: &ErasedKey| KeyEntry { number: key.number, customer: key.customer, key: None };
            take(&page.keys.iter().map(entry).collect::<Vec<_>>())?;
            cursor = page.cursor;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}
