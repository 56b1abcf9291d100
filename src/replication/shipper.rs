//! The shipper: it sends the records of the journal to Redis, in order, and the keys that they need before them.
//!
//! A batch is read first, then all keys that exist are sent, then the batch: a record is sealed with a key that exists when
//! it is appended. A command that failed may have run. The same batch is sent again, which changes nothing if it is the tip.
//! If the stream ends with an earlier record of the journal, a failover has lost its tail, and shipping continues there. If
//! it ends with a record that the journal does not have, this daemon is fenced out.

use crate::{
    config::{Ack, OnOutage},
    replication::{
        establish::{EstablishError, establish, has_record},
        format::{Batch, WrapError, encode_batch},
        key_sender::{KeySendError, send_keys},
        model::{
            answers::Appended,
            error::RedisError,
            head::{Fence, Tip},
            requests::BatchToAppend,
        },
        redis_store::RedisStore,
        retry::Retry,
        shared::Shared,
    },
    storage::{
        journal::{Failed, FollowError, Lsn, RawRecords, ReadError},
        keys::KeysError,
    },
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// The most bytes of a batch, unless one record is longer.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Records for which no answer waits are shipped after this time at the latest.
const IDLE_MAX: Duration = Duration::from_millis(500);

/// Why the shipper has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShipperEnd {
    /// Another daemon has taken over, or Redis has records that the journal does not have.
    FencedOut,
    /// The journal has failed; the daemon stops.
    JournalFailed,
}

#[derive(Debug, thiserror::Error)]
enum ShipError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Establish(#[from] EstablishError),
    #[error("only {confirmed} of {wanted} replicas have confirmed")]
    Replicas { confirmed: u32, wanted: u32 },
    #[error("{0}")]
    Journal(#[from] Failed),
    #[error("the journal cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("the journal cannot be read: {0}")]
    Follow(#[from] FollowError),
    #[error("{0}")]
    Wrap(#[from] WrapError),
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("a thread ended early: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<KeySendError> for ShipError {
    fn from(error: KeySendError) -> Self {
        match error {
            KeySendError::Redis(error) => Self::Redis(error),
            KeySendError::Wrap(error) => Self::Wrap(error),
            KeySendError::Keys(error) => Self::Keys(error),
            KeySendError::Thread(error) => Self::Thread(error),
        }
    }
}

/// Where the stream ends, as the shipper knows it.
#[derive(Debug, Clone, Copy)]
struct Position {
    fence: Fence,
    tip: Option<Tip>,
    /// The first slot whose key was not sent.
    next_slot: u32,
}

/// Sends the journal.
pub(super) struct Shipper {
    shared: Arc<Shared>,
    store: RedisStore,
    /// `None`: the fence is not taken yet, or was lost with the data of Redis.
    position: Option<Position>,
    /// The connection whose server is known, and what identifies the data of that server.
    server: (Option<u64>, String),
    /// When Redis last confirmed that the stream still ends with the tip.
    compared_at: Option<Instant>,
    /// The tip of an earlier process, until the replicas that `ack` demands have confirmed it.
    unconfirmed: Option<Tip>,
    retry: Retry,
}

impl Shipper {
    pub(super) fn new(shared: Arc<Shared>, store: RedisStore) -> Self {
        let (server, compared_at) = ((None, String::new()), None);
        Self { shared, store, position: None, server, compared_at, unconfirmed: None, retry: Retry::new() }
    }

    /// Takes the fence once, without trying again.
    pub(super) async fn establish(&mut self) -> Result<(), EstablishError> {
        let established = establish(&self.shared, &mut self.store).await?;
        tracing::info!(
            "redis: this daemon has fence {}; the stream ends with record {}",
            established.fence,
            established.tip.map_or(Lsn::NONE, |tip| tip.lsn)
        );
        self.position = Some(Position { fence: established.fence, tip: established.tip, next_slot: 0 });
        self.shared.set_sent_slots(0);
        self.shared.set_confirmed(established.tip.map_or(Lsn::NONE, |tip| tip.lsn));
        // What Redis has from an earlier start is shipped already. Its replicas may lack it.
        match self.shared.parts.settings.ack {
            Ack::Replicas(_) => self.unconfirmed = established.tip,
            Ack::Local | Ack::Redis => self.note_shipped(established.tip),
        }
        Ok(())
    }

    fn note_shipped(&self, tip: Option<Tip>) {
        if let Some(tip) = tip {
            let parts = &self.shared.parts;
            parts.journal.set_shipped(tip.lsn);
            parts.state.note_lag(tip.lsn, parts.journal.last(), Instant::now());
        }
    }

    /// Ships until another daemon has taken over or the journal has failed.
    pub(super) async fn run(&mut self) -> ShipperEnd {
        loop {
            let began = Instant::now();
            match self.ship_next().await {
                Ok(true) => self.note_success(),
                Ok(false) => {
                    self.note_success();
                    self.note_caught_up();
                    if self.wait_for_records().await.is_err() {
                        return ShipperEnd::JournalFailed;
                    }
                }
                Err(error) => {
                    if let Some(end) = self.note_failure(began, &error) {
                        return end;
                    }
                    self.retry.pause().await;
                }
            }
        }
    }

    /// Waits until there may be records to ship.
    async fn wait_for_records(&self) -> Result<(), Failed> {
        let parts = &self.shared.parts;
        let shipped = parts.journal.shipped();
        tokio::select! {
            more = parts.journal.lasting_after(shipped) => more,
            () = parts.state.when_wanted() => Ok(()),
            () = tokio::time::sleep(IDLE_MAX) => Ok(()),
        }
    }

    /// Ships the next batch. Returns false if there is none.
    async fn ship_next(&mut self) -> Result<bool, ShipError> {
        let position = match self.position {
            Some(position) => position,
            None => {
                self.establish().await?;
                return Ok(true);
            }
        };
        self.look_at_server().await?;
        let newest = self.shared.parts.journal.last();
        if let Some(tip) = self.unconfirmed {
            self.confirm_again(position.fence, tip).await?;
            return Ok(true);
        }
        let Some(records) = self.read(position.tip).await? else {
            // Keys of records that are not durable yet can wait.
            return self.compare_tip(position).await;
        };
        let fence = position.fence;
        if let Some(position) = &mut self.position {
            let sent = send_keys(&self.shared, &mut self.store, fence, &mut position.next_slot).await;
            self.shared.set_sent_slots(position.next_slot);
            sent?;
        }
        let last = Tip { lsn: records.last, epoch: records.epoch, crc: records.last_crc, end: records.end() };
        let frame = encode_batch(
            self.shared.parts.instance.id,
            &Batch {
                epoch: records.epoch,
                first: records.first,
                last: records.last,
                begin: records.begin,
                crc_before: position.tip.map_or(0, |tip| tip.crc),
                bytes: &records.bytes,
            },
        );
        let batch = BatchToAppend { previous: position.tip, first: records.first, last, frame: &frame };
        match self.store.append(fence, batch).await? {
            Appended::Yes | Appended::Already => {}
            Appended::EndsWith(tip) => {
                self.continue_at(tip)?;
                return Ok(true);
            }
        }
        self.confirm_replicas().await?;
        if let Some(position) = &mut self.position {
            position.tip = Some(last);
        }
        let counts = &self.shared.parts.state.counts;
        counts.batches.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(u64::try_from(records.bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.compared_at = Some(Instant::now());
        self.shared.set_confirmed(last.lsn);
        self.note_shipped(Some(last));
        // Under load there are always more records. An outage is over once Redis has what was there before this batch.
        if last.lsn >= newest {
            self.note_caught_up();
        }
        Ok(true)
    }

    /// With nothing to ship, asks from time to time whether the stream still ends with the tip: Redis may have lost its data,
    /// and another daemon may have taken over. Returns true if there is something to ship again. The script that appends the
    /// last record again changes nothing.
    async fn compare_tip(&mut self, Position { fence, tip, .. }: Position) -> Result<bool, ShipError> {
        let now = Instant::now();
        let was_compared = self.compared_at.is_some_and(|at| now.saturating_duration_since(at) < IDLE_MAX);
        let (false, Some(tip)) = (was_compared, tip) else { return Ok(false) };
        // An error leaves the time as it was, so that no outage ends without an answer of Redis.
        self.compared_at = None;
        let again = BatchToAppend { previous: Some(tip), first: tip.lsn, last: tip, frame: &[] };
        if let Appended::EndsWith(tip) = self.store.append(fence, again).await? {
            self.continue_at(tip)?;
            return Ok(true);
        }
        self.compared_at = Some(now);
        Ok(false)
    }

    /// Learns about the server of a new connection. If it is another one, or has started again, it may lack keys and erasures
    /// that the stream does not show: all are sent again. Without the permission to ask, each connection counts as another
    /// server.
    async fn look_at_server(&mut self) -> Result<(), ShipError> {
        if self.server.0.is_some() && self.server.0 == self.store.connection() {
            return Ok(());
        }
        let data = match self.store.server().await {
            Ok(facts) => {
                if facts.may_evict() && facts.data != self.server.1 {
                    tracing::warn!(
                        "redis: the server deletes data when its memory is short (maxmemory-policy {}): a deleted key of the \
                         copy cannot be restored; set `maxmemory-policy noeviction`",
                        facts.eviction_policy
                    );
                }
                facts.data
            }
            Err(RedisError::NotPermitted(_) | RedisError::Refused(_)) => String::new(),
            Err(error) => return Err(error.into()),
        };
        if let Some(position) = &mut self.position
            && (data.is_empty() || data != self.server.1)
        {
            position.next_slot = 0;
            self.shared.set_sent_slots(0);
        }
        self.server = (self.store.connection(), data);
        Ok(())
    }

    /// The next records that no power cut removes; `None`: there are none.
    async fn read(&self, tip: Option<Tip>) -> Result<Option<RawRecords>, ShipError> {
        let journal = Arc::clone(&self.shared.parts.journal);
        let waits = self.shared.parts.state.rules().waits_for_redis;
        // It may wait for the disk, which must not delay the renewal of the lease.
        let read = tokio::task::spawn_blocking(move || {
            // An answer waits for Redis, so its record is synced now with every setting of `sync`.
            if waits && journal.lasting() < journal.last() {
                journal.sync()?;
            }
            let after = tip.map_or_else(|| Lsn(journal.begins_at().0.saturating_sub(1)), |tip| tip.lsn);
            match journal.raw_after(after, BATCH_BYTES_MAX) {
                // An empty stream begins after records that are lost. A snapshot contains what came of them.
                Err(FollowError::Gone { begins_at, .. }) if tip.is_none() => {
                    Ok(journal.raw_after(Lsn(begins_at.0.saturating_sub(1)), BATCH_BYTES_MAX)?)
                }
                read => Ok::<_, ShipError>(read?),
            }
        });
        read.await?
    }

    /// Waits until the replicas have the tip of an earlier process. An answer that repeats one of its records depends on it.
    /// Appending the last record again changes nothing.
    async fn confirm_again(&mut self, fence: Fence, tip: Tip) -> Result<(), ShipError> {
        let batch = BatchToAppend { previous: Some(tip), first: tip.lsn, last: tip, frame: &[] };
        match self.store.append(fence, batch).await? {
            Appended::Yes | Appended::Already => {
                self.confirm_replicas().await?;
                self.note_shipped(Some(tip));
            }
            // The records after it are sent again, and then confirmed.
            Appended::EndsWith(tip) => self.continue_at(tip)?,
        }
        self.unconfirmed = None;
        Ok(())
    }

    /// Waits until as many replicas have the batch as `ack` says.
    async fn confirm_replicas(&mut self) -> Result<(), ShipError> {
        let Ack::Replicas(wanted) = self.shared.parts.settings.ack else { return Ok(()) };
        let confirmed = self.store.wait_replicas(wanted).await?;
        if confirmed >= wanted { Ok(()) } else { Err(ShipError::Replicas { confirmed, wanted }) }
    }

    /// The stream ends with another record than expected: continues there if the journal has it.
    fn continue_at(&mut self, tip: Option<Tip>) -> Result<(), ShipError> {
        let journal = &self.shared.parts.journal;
        if let Some(tip) = tip
            && !has_record(journal, tip)?
        {
            return Err(EstablishError::NotLocal { tip, common: None }.into());
        }
        let lsn = tip.map_or(Lsn::NONE, |tip| tip.lsn);
        let expected = self.position.and_then(|position| position.tip).map_or(Lsn::NONE, |tip| tip.lsn);
        // A batch whose confirmation did not arrive has run, and more records have come since. The next batch confirms it.
        let has_run = lsn > expected;
        if !has_run {
            tracing::warn!(
                "redis: the stream ends with record {lsn}, although Redis had confirmed up to {expected}: a failover or a \
                 restart of Redis lost its tail; the records are sent again"
            );
            self.shared.set_confirmed(lsn);
        }
        if let Some(position) = &mut self.position {
            position.tip = tip;
            if !has_run {
                // The keys and erasures of the lost tail may be lost too.
                position.next_slot = 0;
                self.shared.set_sent_slots(0);
            }
        }
        Ok(())
    }

    fn note_success(&mut self) {
        self.retry.reset();
    }

    /// Redis has every durable record.
    fn note_caught_up(&self) {
        let parts = &self.shared.parts;
        parts.state.note_lag(parts.journal.shipped(), parts.journal.last(), Instant::now());
        if let Some(outage) = parts.state.note_caught_up() {
            tracing::warn!(
                "redis: the outage of {} s is over after {} failures; Redis has every record up to {}",
                outage.since.elapsed().as_secs(),
                outage.failures,
                parts.journal.shipped()
            );
        }
    }

    /// Notes a failure; the end if shipping cannot go on.
    fn note_failure(&mut self, began: Instant, error: &ShipError) -> Option<ShipperEnd> {
        let parts = &self.shared.parts;
        match error {
            ShipError::Journal(_) => return Some(ShipperEnd::JournalFailed),
            // A failover has lost the acquisition of this fence.
            ShipError::Redis(RedisError::FencedOut { fence, .. })
                if self.shared.fence().is_some_and(|own| own > *fence) =>
            {
                tracing::warn!("redis: a failover lost the fence of this daemon; it takes another one");
                self.position = None;
                return None;
            }
            ShipError::Redis(RedisError::FencedOut { .. })
            | ShipError::Redis(RedisError::OtherInstance(_))
            | ShipError::Establish(
                EstablishError::NotLocal { .. }
                | EstablishError::OtherInstance { .. }
                | EstablishError::OtherSecret
                | EstablishError::Redis(RedisError::FencedOut { .. } | RedisError::OtherInstance(_)),
            ) => {
                tracing::error!("fenced out: {error}");
                return Some(ShipperEnd::FencedOut);
            }
            // A daemon that has answered is fenced out by a lease of another one. Before that, it waits until it expires.
            ShipError::Establish(EstablishError::Held(held))
                if self.shared.fence().is_some() || parts.settings.on_outage == OnOutage::Continue =>
            {
                tracing::error!("fenced out: {} has taken over with fence {}", held.owner, held.fence);
                return Some(ShipperEnd::FencedOut);
            }
            // Redis was emptied: the fence is taken again, and everything is sent again.
            ShipError::Redis(RedisError::Empty) => {
                tracing::warn!("redis: Redis has lost its data; the whole journal and a snapshot are sent again");
                self.position = None;
                self.shared.set_confirmed(Lsn::NONE);
                parts.state.set_snapshot(Lsn::NONE);
                return None;
            }
            _ => {}
        }
        parts.state.counts.failures.fetch_add(1, Ordering::Relaxed);
        parts.state.note_lag(parts.journal.shipped(), parts.journal.last(), Instant::now());
        let outage = parts.state.note_failure(began, error.to_string());
        if self.retry.is_logged(Instant::now()) {
            let shipped = parts.journal.shipped();
            tracing::warn!(
                "redis: Redis does not confirm for {} s: {error}; {}; it has records up to {shipped}, the journal up to {}",
                outage.since.elapsed().as_secs(),
                consequence(parts.state.rules()),
                parts.journal.last()
            );
        }
        None
    }
}

/// Describes the effect of an outage.
fn consequence(rules: crate::replication::shipping_state::ShippingRules) -> &'static str {
    match (rules.continues_without, rules.waits_for_redis || rules.needs_lease) {
        (true, _) => "decisions continue from the journal",
        (false, true) => "writes are refused while it lasts",
        (false, false) => "decisions continue",
    }
}
