//! What the sender of snapshots needs of the daemon: the state in pieces, and the copies of transactions that must stay.

use crate::{
    daemon::data_folder::{CopiedParts, CopiedSegment, write_state},
    ledger::Retention,
    replication::{SnapshotSink, SnapshotSource},
    service::payments::PaymentService,
    storage::{
        archive::Archive,
        journal::{ArchivedTransactions, Instance, Journal, Lsn},
    },
};
use std::{
    io,
    sync::{Arc, OnceLock},
};

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
            // The archive of the machine has the transactions that have left memory.
            let copied = CopiedSegment { journal: &self.journal, ledger, segment, now }
                .copy(&|customer, slot| ledger.is_in_memory(customer, slot), &mut |_, _, _| {})?;
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
