//! The parts of the journal in which an audit has something to read.

#[cfg(test)]
use crate::storage::journal::state::audited_blocks::AuditedBlocks;
use crate::storage::journal::{
    log::Journal,
    model::{ids::Lsn, record::Appended},
    state::{
        audited_blocks::{AuditSpan, AuditedRecord},
        positions::RecordPosition,
    },
};

impl Journal {
    /// Marks the records of a step, up to one. The caller holds the buffer, so that no reader knows them yet.
    pub(super) fn mark_audited(&self, first: Appended, last: Lsn) {
        let Appended { lsn, offset } = first;
        self.audited.lock().mark(RecordPosition { lsn, offset }, last);
    }

    /// The records up to `high` that an audit without payments reads next on its way backwards. `None`: it has nothing to
    /// read there.
    #[must_use]
    pub fn audit_span(&self, high: Lsn) -> Option<AuditSpan> {
        let (span, first) = self.audited.lock().span_up_to(high)?;
        if let Some(first) = first {
            self.spots.note(first);
        }
        Some(span)
    }

    /// Adds what an audit has found in a part of the journal that it has read whole: the records that no payment wrote, in
    /// order.
    pub fn note_audited(&self, low: Lsn, high: Lsn, found: &[AuditedRecord]) {
        self.audited.lock().add_earlier(low, high, found);
    }

    /// Nothing is known, as after a start.
    #[cfg(test)]
    pub(crate) fn forget_audited(&self) {
        *self.audited.lock() = AuditedBlocks::after(self.last());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::journal::Visited;
    use std::ops::ControlFlow;

    /// The numbers of the records that a reader gets, by step.
    fn steps(journal: &Journal, after: u64, whole: bool) -> Vec<Vec<u64>> {
        let mut found = Vec::new();
        let mut visit = |visited: Visited<'_>| {
            if let Visited::Records(records) = visited {
                found.push(records.iter().map(|record| record.lsn.0).collect());
            }
            ControlFlow::Continue(())
        };
        let read = if whole { Journal::follow_groups } else { Journal::follow_committed };
        read(journal, Lsn(after), &mut visit).unwrap();
        found
    }

    #[test]
    fn a_group_is_read_whole_from_each_of_its_records_on() {
        let journal = Journal::in_memory();
        journal.append(1, b"before");
        let (parts, end) = journal.append_group(&[(1, b"a".to_vec()), (2, b"b".to_vec()), (0, b"c".to_vec())]);
        journal.append_unaudited(1, b"after");
        let numbers: Vec<u64> = parts.iter().map(|part| part.lsn.0).collect();
        let after = vec![end.0 + 1];
        assert_eq!(steps(&journal, 0, true), [vec![1], numbers.clone(), after.clone()]);
        for first in numbers[0]..=end.0 {
            assert_eq!(steps(&journal, first - 1, true), [numbers.clone(), after.clone()], "from {first}");
            let rest: Vec<u64> = numbers.iter().copied().filter(|lsn| *lsn >= first).collect();
            let want: Vec<Vec<u64>> = [rest, after.clone()].into_iter().filter(|step| !step.is_empty()).collect();
            assert_eq!(steps(&journal, first - 1, false), want, "from {first}");
        }
        assert_eq!(steps(&journal, end.0, true), [after]);
    }

    #[test]
    fn what_payments_append_is_no_part_of_a_span() {
        let journal = Journal::in_memory();
        (0..1_000).for_each(|_| _ = journal.append_unaudited(7, b"a payment"));
        assert_eq!(journal.audit_span(journal.last()), None);
        let marked = journal.append(7, b"a change").lsn;
        (0..1_000).for_each(|_| _ = journal.append_unaudited(7, b"a payment"));
        let span = journal.audit_span(journal.last()).unwrap();
        assert_eq!(span.low, Some(marked));
        assert!(span.high >= marked && span.high.0 < marked.0 + 256);
        assert_eq!(journal.audit_span(Lsn(marked.0 - 1)), None);
    }
}
