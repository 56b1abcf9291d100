//! Adds the records of a segment to the index.

use crate::{
    domain::{
        events::{customer_event::CustomerEvent, global_event::GlobalEvent},
        vocabulary::time::Millis,
    },
    scheduling::give_way,
    storage::{
        archive::tables::{Flaw, IndexedTransaction, TableWriter},
        encoding::{self, RecordedEvent},
        journal::model::record::Record,
    },
};

/// Collects what the records of a segment change in the index.
pub(super) struct SegmentIndexer<'a, 'w, 't> {
    pub(super) key: &'a dyn Fn(&str, &str) -> u64,
    /// Whether no record before the indexed ones was deleted or lost.
    pub(super) is_complete: bool,
    pub(super) writer: &'w mut TableWriter<'t>,
    /// The keys of the added ids.
    pub(super) added_keys: Vec<u64>,
    pub(super) newest: Option<Millis>,
    /// Why the index cannot be changed.
    pub(super) flaw: Option<Flaw>,
}

impl SegmentIndexer<'_, '_, '_> {
    fn note_flaw<T>(&mut self, done: Result<T, Flaw>) -> Result<T, String> {
        done.map_err(|flaw| {
            let what = flaw.to_string();
            self.flaw = Some(flaw);
            what
        })
    }

    /// Indexes the transactions of a record.
    pub(super) fn add(&mut self, record: &Record<'_>) -> Result<(), String> {
        give_way();
        for event in encoding::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
            self.newest = match event {
                // The time continues from the accepted clock; see `Ledger::accept_clock`.
                RecordedEvent::Global(GlobalEvent::ClockAccepted { step, .. }) => Some(step.after),
                _ => self.newest.max(event.at()),
            };
            match event {
                RecordedEvent::Customer(
                    CustomerEvent::TransactionOpened { slot, opening }
                    | CustomerEvent::Compacted { slot, opening, .. }
                    | CustomerEvent::Assigned { slot, opening, .. },
                ) => {
                    let (transaction_slot, key) =
                        ((record.owner, slot), (self.key)(opening.merchant.as_str(), &opening.id));
                    let transaction = IndexedTransaction { offset: record.offset.0, key, at: opening.at.0 };
                    let set = self.writer.set(transaction_slot, transaction);
                    self.note_flaw(set)?;
                    self.added_keys.push(key);
                }
                RecordedEvent::Customer(
                    CustomerEvent::FactRecorded { slot, .. } | CustomerEvent::AssignedElsewhere { slot, .. },
                ) => {
                    let transaction_slot = (record.owner, slot);
                    let known = self.writer.get(transaction_slot);
                    match self.note_flaw(known)? {
                        Some(known) => {
                            let moved = self.writer.move_to(transaction_slot, known, record.offset.0);
                            self.note_flaw(moved)?;
                        }
                        None if self.is_complete => {
                            return Err(format!(
                                "no transaction was opened in slot {slot} of customer {}",
                                record.owner
                            ));
                        }
                        // The opening was deleted after a compaction, whose record comes later, or it is lost.
                        None => {}
                    }
                }
                RecordedEvent::Customer(_) | RecordedEvent::Global(_) => {}
            }
        }
        Ok(())
    }
}
