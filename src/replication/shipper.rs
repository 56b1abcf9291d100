//! The shipper: it sends the records of the journal to Redis, in order, and the keys that they need before them.
//!
//! A batch is read first, then all keys that exist are sent, then the batch: a record is sealed with a key that exists when
//! it is appended. A command that failed may have run. The same batch is sent again, which changes nothing if it is the tip.
//! If the stream ends with an earlier record of the journal, a failover has lost its tail, and shipping continues there. If
//! it ends with a record that the journal does not have, this daemon is fenced out.
//!
//! A journal whose first segments are deleted begins after record 1. Redis has a whole copy only with a snapshot of the
//! records before the stream. Until that snapshot is complete, nothing counts as shipped.

mod failures;
mod looks;

use crate::{
    config::Ack,
    replication::{
        establish::{EstablishError, establish, has_record},
        format::{Batch, encode_batch},
        key_sender::send_keys,
        model::{
            answers::Appended,
            head::{Fence, Tip},
            requests::BatchToAppend,
        },
        redis_store::RedisStore,
        retry::Retry,
        shared::Shared,
        ship_error::{ShipError, consequence},
    },
    storage::journal::{Failed, FollowError, Lsn, RawRecords},
    telemetry::traces::Span,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// The most bytes of a batch, unless one record is longer.
const BATCH_BYTES_MAX: usize = 1024 * 1024;
/// Why a copy is not whole.
const NO_SNAPSHOT: &str = "no snapshot of the records before the stream is in Redis yet";
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

/// The outcome of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There may be more to ship.
    Shipped,
    /// Redis has every durable record.
    Idle,
    /// Redis has every durable record that the journal has, and lacks a snapshot of the records before them.
    Incomplete,
}

/// Where the stream ends, as the shipper knows it.
#[derive(Debug, Clone, Copy)]
struct Position {
    fence: Fence,
    tip: Option<Tip>,
    /// The first slot whose key was not sent.
    next_slot: u32,
}

/// A batch that takes this long, or fails, has a span. There can be hundreds of batches in a second.
const SLOW_BATCH: Duration = Duration::from_millis(100);

fn trace_slow(began: Instant, shipped: &Result<Step, ShipError>) {
    if matches!(shipped, Ok(Step::Shipped)) && began.elapsed() >= SLOW_BATCH || shipped.is_err() {
        Span::begin_at("redis.ship", began).note(shipped);
    }
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
    /// The tip when the fence was taken or the copy became whole, until what `ack` demands has confirmed it.
    unconfirmed: Option<Tip>,
    /// The snapshot that the last look at the copy found; `None`: it must be looked at.
    looked_at: Option<Lsn>,
    /// Since when the copy has lacked a snapshot.
    incomplete_since: Option<Instant>,
    retry: Retry,
}

impl Shipper {
    pub(super) fn new(shared: Arc<Shared>, store: RedisStore) -> Self {
        Self {
            shared,
            store,
            position: None,
            server: (None, String::new()),
            compared_at: None,
            unconfirmed: None,
            looked_at: None,
            incomplete_since: None,
            retry: Retry::new(),
        }
    }

    /// Takes the fence once, without trying again.
    pub(super) async fn establish(&mut self) -> Result<(), EstablishError> {
        let span = Span::begin("redis.take_fence");
        let established = establish(&self.shared, &mut self.store).await;
        span.note(&established);
        let established = established?;
        tracing::info!(
            "redis: this daemon has fence {}; the stream ends with record {}",
            established.fence,
            established.tip.map_or(Lsn::NONE, |tip| tip.lsn)
        );
        self.position = Some(Position { fence: established.fence, tip: established.tip, next_slot: 0 });
        self.shared.set_sent_slots(0);
        self.shared.set_confirmed(established.tip.map_or(Lsn::NONE, |tip| tip.lsn));
        // What Redis has from an earlier start is shipped already. Its replicas may lack it, and the copy may not be whole.
        self.unconfirmed = established.tip;
        self.looked_at = None;
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
            let shipped = self.ship_next().await;
            trace_slow(began, &shipped);
            match shipped {
                Ok(Step::Shipped) => self.retry.reset(),
                Ok(step) => {
                    self.retry.reset();
                    match step {
                        Step::Incomplete => self.note_incomplete(),
                        Step::Idle | Step::Shipped => self.note_caught_up(),
                    }
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
        let sent = self.position.and_then(|position| position.tip).map_or(Lsn::NONE, |tip| tip.lsn);
        tokio::select! {
            more = parts.journal.lasting_after(sent) => more,
            () = parts.state.when_wanted() => Ok(()),
            () = tokio::time::sleep(IDLE_MAX) => Ok(()),
        }
    }

    /// Ships the next batch.
    async fn ship_next(&mut self) -> Result<Step, ShipError> {
        let position = match self.position {
            Some(position) => position,
            None => {
                self.establish().await?;
                return Ok(Step::Shipped);
            }
        };
        self.look_at_server().await?;
        self.look_at_copy(position.tip).await?;
        let newest = self.shared.parts.journal.last();
        if let Some(tip) = self.unconfirmed.filter(|_| self.shared.is_whole()) {
            self.confirm_again(position.fence, tip).await?;
            return Ok(Step::Shipped);
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
                return Ok(Step::Shipped);
            }
        }
        if self.shared.is_whole() {
            self.confirm_replicas().await?;
        }
        if let Some(position) = &mut self.position {
            position.tip = Some(last);
        }
        let counts = &self.shared.parts.state.counts;
        counts.batches.fetch_add(1, Ordering::Relaxed);
        counts.bytes.fetch_add(u64::try_from(records.bytes.len()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.compared_at = Some(Instant::now());
        self.shared.set_confirmed(last.lsn);
        if position.tip.is_none() {
            // It begins the stream, maybe after records that are lost here.
            self.looked_at = None;
        }
        if position.tip.is_none() || !self.shared.is_whole() {
            self.unconfirmed = Some(last);
            self.note_incomplete();
            return Ok(Step::Shipped);
        }
        self.note_shipped(Some(last));
        // Under load there are always more records. An outage is over once Redis has what was there before this batch.
        if last.lsn >= newest {
            self.note_caught_up();
        }
        Ok(Step::Shipped)
    }

    /// The copy cannot be restored before it has a snapshot. An answer that waits for Redis waits for that too, or for the
    /// outage that this is.
    fn note_incomplete(&mut self) {
        let parts = &self.shared.parts;
        parts.state.note_lag(parts.journal.shipped(), parts.journal.last(), Instant::now());
        if self.shared.is_whole() || !parts.state.rules().waits_for_redis {
            return;
        }
        let since = *self.incomplete_since.get_or_insert_with(Instant::now);
        if parts.state.outage().is_some_and(|outage| outage.cause == NO_SNAPSHOT) {
            return;
        }
        parts.state.note_failure(since, NO_SNAPSHOT.to_owned());
        tracing::warn!(
            "redis: no snapshot of the records before the stream is in Redis yet, so no record counts as confirmed; {}",
            consequence(parts.state.rules())
        );
    }

    /// With nothing to ship, asks from time to time whether the stream still ends with the tip: Redis may have lost its data,
    /// and another daemon may have taken over. The script that appends the last record again changes nothing.
    async fn compare_tip(&mut self, Position { fence, tip, .. }: Position) -> Result<Step, ShipError> {
        let now = Instant::now();
        let idle = if self.shared.is_whole() { Step::Idle } else { Step::Incomplete };
        let was_compared = self.compared_at.is_some_and(|at| now.saturating_duration_since(at) < IDLE_MAX);
        let (false, Some(tip)) = (was_compared, tip) else { return Ok(idle) };
        // An error leaves the time as it was, so that no outage ends without an answer of Redis.
        self.compared_at = None;
        let again = BatchToAppend { previous: Some(tip), first: tip.lsn, last: tip, frame: &[] };
        if let Appended::EndsWith(tip) = self.store.append(fence, again).await? {
            self.continue_at(tip)?;
            return Ok(Step::Shipped);
        }
        self.compared_at = Some(now);
        Ok(idle)
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

    /// Waits until the replicas have the tip of an earlier process, or the snapshot that made the copy whole. An answer that
    /// repeats one of its records depends on it. Appending the last record again changes nothing.
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
                // And the snapshot.
                self.looked_at = None;
                // The keys and erasures of the lost tail may be lost too.
                position.next_slot = 0;
                self.shared.set_sent_slots(0);
            }
        }
        Ok(())
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
}
