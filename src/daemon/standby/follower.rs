//! Applies what the stream contains: keys first, then the bytes of the journal, then the state in memory.

use crate::{
    daemon::{control::ControlledParts, data_folder::CopiedParts},
    domain::vocabulary::time::Millis,
    ledger::{Replicated, ReplicatedError},
    replication::{StandbyState, StreamError, StreamReader},
    service::payments::PaymentService,
    storage::{
        encoding,
        journal::{Failed, IngestError, Lsn, RawFlaw, RawReader, RawRecords, Record},
        keys::{KeyEntry, KeysError},
    },
};
use std::{collections::BTreeSet, io, sync::Arc, time::Duration};

/// The pause before keys are requested again.
const KEYS_PAUSE: Duration = Duration::from_millis(50);

/// Why following has ended. The state contains nothing of the batch that caused it, or a part of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum StandbyError {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Flaw(#[from] RawFlaw),
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error(transparent)]
    Apply(#[from] ReplicatedError),
    #[error("the customers' keys: {0}")]
    Keys(#[from] KeysError),
    #[error("the file of keys: {0}")]
    KeyFile(#[from] io::Error),
    #[error(transparent)]
    Journal(#[from] Failed),
    #[error(
        "Redis has no key {number:016x} of customer {customer}, with which record {lsn} is sealed: keys were deleted by hand"
    )]
    KeyMissing { number: u64, customer: u64, lsn: Lsn },
}

/// A record of a batch, with its bytes.
type OwnedRecord = (Record<'static>, Vec<u8>);

/// Follows a primary.
pub(super) struct Follower {
    pub(super) parts: CopiedParts,
    pub(super) payments: Arc<PaymentService>,
    pub(super) control: Arc<ControlledParts>,
    pub(super) state: Arc<StandbyState>,
    records: RawReader,
    /// The newest time of the records; after an accepted clock it may be earlier than before.
    newest_time: Option<Millis>,
}

impl Follower {
    /// Continues after the last record of the journal.
    pub(super) fn new(
        parts: CopiedParts,
        payments: Arc<PaymentService>,
        control: Arc<ControlledParts>,
        state: Arc<StandbyState>,
    ) -> Self {
        let records = RawReader::new(parts.instance.id, parts.journal.last());
        Self { parts, payments, control, state, records, newest_time: None }
    }

    /// The newest time of the records that were applied; `None`: none had a time.
    pub(super) fn newest_time(&self) -> Option<Millis> {
        self.newest_time
    }

    /// Applies a batch.
    ///
    /// # Errors
    /// See [`StandbyError`].
    pub(super) async fn apply(&mut self, batch: &RawRecords, reader: &mut StreamReader) -> Result<(), StandbyError> {
        let mut steps: Vec<Vec<OwnedRecord>> = Vec::new();
        self.records.read(batch, &mut |records| {
            let owned = |record: &Record<'_>| (Record { events: &[], ..*record }, record.events.to_vec());
            steps.push(records.iter().map(owned).collect());
        })?;
        self.fetch_keys(&steps, reader).await?;
        self.parts.journal.ingest(batch)?;
        let ledger = &self.payments.ledger;
        let mut all = Replicated::default();
        for step in &steps {
            let records: Vec<Record<'_>> = step.iter().map(|(record, events)| Record { events, ..*record }).collect();
            let replicated = ledger.apply_replicated(&records)?;
            if let Some(step) = replicated.accepted_clock {
                self.payments.clock.replace_newest(step.after);
                self.newest_time = Some(step.after);
            }
            if let Some(newest) = replicated.newest_time {
                self.newest_time = Some(self.newest_time.map_or(newest, |known| known.max(newest)));
                self.payments.clock.note_time(newest);
            }
            all.changes_rules |= replicated.changes_rules;
            all.released = replicated.released.or(all.released);
        }
        self.parts.journal.set_shipped(self.parts.journal.last());
        if all.changes_rules {
            self.control.reloader.follow_overrides();
        }
        if let (Some(released), Some(maintenance)) = (all.released, &self.control.maintenance) {
            maintenance.note_released(released);
        }
        Ok(())
    }

    /// Reads the keys that records need and this standby does not have. They are durable before the records are.
    async fn fetch_keys(&self, steps: &[Vec<OwnedRecord>], reader: &mut StreamReader) -> Result<(), StandbyError> {
        let missing = self.missing_keys(steps);
        if missing.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u64> = missing.iter().map(|(number, ..)| *number).collect();
        // The batch was read already, so an outage is waited for here.
        let entries = loop {
            match reader.keys(&numbers).await {
                Ok(entries) => break entries,
                Err(error) if error.is_outage() => {
                    self.state.note_failure(error.to_string());
                    tokio::time::sleep(KEYS_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        };
        self.insert_keys(&entries)?;
        match self.missing_keys(steps).into_iter().next() {
            None => Ok(()),
            Some((number, customer, lsn)) => Err(StandbyError::KeyMissing { number, customer, lsn: Lsn(lsn) }),
        }
    }

    /// The numbers of the keys that are missing, their customers, and the records that need them.
    fn missing_keys(&self, steps: &[Vec<OwnedRecord>]) -> BTreeSet<(u64, u64, u64)> {
        let mut missing = BTreeSet::new();
        for (record, events) in steps.iter().flatten() {
            // Events that cannot be decoded for another reason are refused when they are applied.
            let _read = encoding::decode(events, &mut |sealed| {
                let number = self.parts.keys.missing_key(record.owner, sealed);
                missing.extend(number.map(|number| (number, record.owner, record.lsn.0)));
                Ok(None)
            });
        }
        missing
    }

    fn insert_keys(&self, entries: &[KeyEntry]) -> Result<(), StandbyError> {
        self.parts.keys.insert(entries)?;
        self.parts.keys.write()?;
        Ok(())
    }

    /// Erases the keys that are erased in Redis.
    ///
    /// # Errors
    /// The file of keys cannot be written.
    pub(super) fn erase_keys(&self, erased: &[KeyEntry]) -> Result<(), StandbyError> {
        let keys = &self.parts.keys;
        self.insert_keys(erased)?;
        for entry in erased {
            // A snapshot of this standby may have created another key of the customer.
            if !keys.is_erased(entry.customer) {
                keys.erase(entry.customer)?;
            }
        }
        keys.sync()?;
        Ok(())
    }
}
