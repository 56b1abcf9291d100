//! What the sender of snapshots needs of the daemon: the state in pieces, and the copies of transactions that must stay.

use crate::{
    daemon::data_folder::{CopiedParts, write_state},
    domain::{events::customer_event::CustomerEvent, vocabulary::time::Millis},
    ledger::{CompactionOutcome, Ledger, Retention},
    replication::{SnapshotSink, SnapshotSource},
    service::payments::PaymentService,
    storage::{
        archive::Archive,
        encoding,
        journal::{ArchivedTransactions, Instance, Journal, LogOffset, Lsn, Record, SegmentInfo},
    },
};
use std::{
    io,
    sync::{Arc, OnceLock},
};

/// Copied transactions are committed in groups of this size, so that the write backlog stays small.
const COPIES_A_COMMIT: u32 = 256;

/// The state of the daemon for the copy in Redis.
pub(super) struct RedisSnapshots {
    journal: Arc<Journal>,
    archive: Arc<Archive>,
    instance: Instance,
    retention_days: i64,
    /// Set before the first snapshot is due.
    pub(super) payments: OnceLock<Arc<PaymentService>>,
}

impl RedisSnapshots {
    pub(super) fn new(parts: &CopiedParts, retention_days: i64) -> Self {
        let (journal, archive) = (Arc::clone(&parts.journal), Arc::clone(&parts.archive));
        let instance = parts.instance;
        Self { journal, archive, instance, retention_days, payments: OnceLock::new() }
    }

    fn payments(&self) -> io::Result<&Arc<PaymentService>> {
        self.payments.get().ok_or_else(|| io::Error::other("the daemon is still starting"))
    }

    /// Copies the transactions in memory that a segment opened or copied.
    fn copy_forward(&self, ledger: &Ledger, segment: &SegmentInfo, now: Millis) -> anyhow::Result<u32> {
        let end: LogOffset = segment.end_offset;
        let mut copied = 0_u32;
        let mut visit = |record: &Record<'_>| {
            for event in encoding::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
                let encoding::RecordedEvent::Customer(
                    CustomerEvent::TransactionOpened { slot, opening }
                    | CustomerEvent::Compacted { slot, opening, .. }
                    | CustomerEvent::Assigned { slot, opening, .. },
                ) = event
                else {
                    continue;
                };
                // The archive of the machine has the others.
                if !ledger.is_in_memory(record.owner, slot) {
                    continue;
                }
                let outcome = ledger.compact(end, (record.owner, slot), &opening, now);
                if let CompactionOutcome::Copied(lsn) = outcome.map_err(|refusal| format!("{refusal:?}"))? {
                    copied += 1;
                    if copied.is_multiple_of(COPIES_A_COMMIT) {
                        self.journal.commit(lsn).map_err(|failed| failed.to_string())?;
                    }
                }
            }
            Ok(())
        };
        if self.journal.is_accepted_as_lost(segment) {
            self.journal.scan_readable(segment, &mut visit)?;
        } else {
            self.journal.scan(segment, &mut visit)?;
        }
        Ok(copied)
    }
}

impl SnapshotSource for RedisSnapshots {
    fn write(&self, begin: Lsn, sink: &mut SnapshotSink<'_>) -> io::Result<Lsn> {
        let payments = self.payments()?;
        let created_at = payments.clock.wall().0;
        write_state((&self.instance, &self.journal), &payments.ledger, (begin, created_at), &|| Ok(()), sink)
    }

    fn trimmable(&self, contained: Lsn, stream_begin: Lsn) -> anyhow::Result<Option<Lsn>> {
        let payments = self.payments()?;
        let ledger = &payments.ledger;
        // Without an accepted clock nothing leaves the stream.
        let Ok(now) = payments.clock.now(None) else { return Ok(None) };
        let retention = Retention::new(self.retention_days, &payments.rules.load());
        let before = now.plus(-retention.longest());
        let mut through = None;
        for segment in self.journal.segments().iter().filter(|segment| segment.last >= stream_begin) {
            let is_indexed = segment.sealed && segment.end_offset <= self.archive.archived_before();
            if !is_indexed || segment.last > contained {
                break;
            }
            let newest = self.archive.newest_in(segment.end_offset)?;
            if newest.is_none_or(|newest| ledger.corrected_time(segment.end_offset, newest) >= before) {
                break;
            }
            let copied = self.copy_forward(ledger, segment, now)?;
            self.journal.sync()?;
            tracing::info!(
                "redis: records {} to {} leave the stream: {copied} of their transactions were copied",
                segment.first_lsn,
                segment.last
            );
            through = Some(segment.last);
        }
        Ok(through)
    }
}
