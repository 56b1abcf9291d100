//! One page of the audit.

use crate::{
    domain::{customer::aggregate::Customer, transaction::log_offset::LogOffset, vocabulary::time::Millis},
    ledger::{
        queries::{
            audit::{
                entry::{AuditEntry, AuditPage, AuditQuery, CustomerStepView},
                window::{Candidate, CandidateContent, Window, record_time},
            },
            history::HistoryStep,
        },
        state::ledger::Ledger,
    },
    storage::{
        encoding,
        journal::{AuditSpan, FollowError, Lsn, UnreadableRecords, Visited},
    },
};
use std::{
    collections::{HashMap, HashSet},
    ops::ControlFlow,
};

/// The most records that one page reads backwards, and the rest of the last window. A window counts as some
/// records in addition.
pub const AUDIT_READS_MAX: usize = 16_384;
/// The cost of finding the first record of a window, in records.
const WINDOW_READS: usize = 128;
/// The most earlier steps of customers that one page reads, and the rest of the last customer.
const STEP_READS_MAX: usize = 2_048;
/// The most steps of one customer that a page reads. Of an older value of a longer history it is not known what it was.
const CUSTOMER_STEPS_MAX: usize = 2_048;
/// The number of records of a window whose entries are not known.
const WINDOW_RECORDS: u64 = 4_096;
/// Records that are written within this time may be in another order than their times. The changes of a bulk job have the
/// time at which the job began; uploads, which can run longer, are left out ([`record_time`]).
const ORDER_SKEW_MS: i64 = 600_000;

/// A step of a customer that was replayed.
struct ReplayedStep {
    step: HistoryStep,
    before: Customer,
    after: Customer,
    is_partial: bool,
}

/// Receives entries. Returns whether to continue.
type ShowEntry<'a> = dyn FnMut(AuditEntry<'_>) -> ControlFlow<()> + 'a;

/// The state of one call.
struct AuditReader<'a, 't> {
    ledger: &'a Ledger,
    query: &'a AuditQuery<'a>,
    show: &'t mut ShowEntry<'t>,
    records_read: usize,
    windows_read: usize,
    steps_read: usize,
}

/// What happened to a candidate.
enum Outcome {
    /// The page continues.
    Continue,
    /// The page ends after the candidate.
    End,
    /// The page ends before the candidate.
    Postponed,
}

impl Ledger {
    /// Calls `show` with the entries of a merchant's audit, the newest first, until it breaks or the page has read enough.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub fn read_audit(&self, query: &AuditQuery<'_>, show: &mut ShowEntry<'_>) -> Result<AuditPage, FollowError> {
        let (begins_at, committed) = (self.journal.begins_at(), self.journal.last_committed());
        let page = |next, records_read| AuditPage { next, begins_at, records_read };
        let mut high = query.before.map_or(committed, |before| committed.min(Lsn(before.0.saturating_sub(1))));
        let are_times_ordered = self.clocks.all().iter().all(|(_, step)| step.after >= step.before);
        if let Some(to) = query.to.filter(|_| are_times_ordered) {
            high = self.last_before_time(begins_at, high, to.plus(ORDER_SKEW_MS));
        }
        let mut reader = AuditReader { ledger: self, query, show, records_read: 0, windows_read: 0, steps_read: 0 };
        while let Some(span) = self.next_span(query, begins_at, high) {
            high = span.high;
            let low = span.low.unwrap_or(Lsn(high.0.saturating_sub(WINDOW_RECORDS - 1))).max(begins_at);
            let window = reader.read_window(low, high)?;
            if span.low.is_none() && window.is_complete(query) {
                self.journal.note_audited(low, high, &window.audited);
            }
            let Window { mut found, first_time, is_cut, .. } = window;
            let oldest = found.front().map(|candidate| candidate.lsn);
            let places = places_by_customer(found.iter());
            let mut replayed: HashMap<LogOffset, ReplayedStep> = HashMap::new();
            while let Some(candidate) = found.pop_back() {
                let lsn = candidate.lsn;
                match reader.show(&candidate, &places, &mut replayed) {
                    Outcome::Continue => {}
                    Outcome::End => return Ok(page((lsn > begins_at).then_some(lsn), reader.records_read)),
                    Outcome::Postponed => return Ok(page(Some(Lsn(lsn.0 + 1)), reader.records_read)),
                }
            }
            if is_cut {
                return Ok(page(oldest, reader.records_read));
            }
            let is_before = |from: Millis| first_time.is_some_and(|first| first.plus(ORDER_SKEW_MS) < from);
            if low == begins_at || (are_times_ordered && query.from.is_some_and(is_before)) {
                break;
            }
            high = Lsn(low.0 - 1);
            if reader.records_read + reader.windows_read * WINDOW_READS >= AUDIT_READS_MAX {
                return Ok(page(Some(low), reader.records_read));
            }
        }
        Ok(page(None, reader.records_read))
    }

    /// The records up to `high` that a page reads next. `None`: there is nothing more to read.
    fn next_span(&self, query: &AuditQuery<'_>, begins_at: Lsn, high: Lsn) -> Option<AuditSpan> {
        let span = match query.with_payments {
            true => Some(AuditSpan { low: None, high }),
            false => self.journal.audit_span(high),
        };
        span.filter(|span| span.high >= begins_at && span.high > Lsn::NONE)
    }

    /// A record up to which all records before a time are found, by bisection. The last window can contain later ones.
    fn last_before_time(&self, first: Lsn, last: Lsn, time: Millis) -> Lsn {
        let (mut low, mut high) = (first.0, last.0);
        while high.saturating_sub(low) > WINDOW_RECORDS {
            let middle = low + (high - low) / 2;
            match self.time_from(Lsn(middle)) {
                Some(at) if at < time => low = middle,
                Some(_) => high = middle,
                // It has no record with a time after it, or is among lost records: nothing is excluded.
                None => return Lsn(high),
            }
        }
        Lsn(high)
    }

    /// The time of the first record with a time from a record on.
    fn time_from(&self, lsn: Lsn) -> Option<Millis> {
        let mut found = None;
        let visit = &mut |visited: Visited<'_>| {
            if let Visited::Records(records) = visited {
                found = records.iter().find_map(|record| {
                    let events = encoding::decode(record.events, &mut |_| Ok(None)).ok()?;
                    record_time(&events)
                });
            }
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        self.journal.follow_committed(Lsn(lsn.0.saturating_sub(1)), visit).ok()?;
        found
    }
}

/// The offsets of the candidates of each customer.
fn places_by_customer<'c>(candidates: impl Iterator<Item = &'c Candidate>) -> HashMap<u64, HashSet<LogOffset>> {
    let mut places: HashMap<u64, HashSet<LogOffset>> = HashMap::new();
    for candidate in candidates {
        if let CandidateContent::Customer { number, offset, .. } = candidate.content {
            places.entry(number).or_default().insert(offset);
        }
    }
    places
}

impl AuditReader<'_, '_> {
    /// Finds the candidates in a window of records.
    fn read_window(&mut self, low: Lsn, high: Lsn) -> Result<Window, FollowError> {
        let (mut window, ledger) = (Window::new(low, high, self.query.limit), self.ledger);
        ledger.read_window(low, high, &mut |visited| match visited {
            Visited::Records(records) => window.add_records(ledger, self.query, records),
            Visited::Unreadable(unreadable) => window.add_unreadable(unreadable),
        })?;
        self.records_read += window.records_read;
        self.windows_read += 1;
        Ok(window)
    }

    fn show(
        &mut self,
        candidate: &Candidate,
        places: &HashMap<u64, HashSet<LogOffset>>,
        replayed: &mut HashMap<LogOffset, ReplayedStep>,
    ) -> Outcome {
        let flow = match &candidate.content {
            CandidateContent::Unreadable(unreadable) => (self.show)(AuditEntry::Unreadable(unreadable)),
            CandidateContent::Global { head, events } => (self.show)(AuditEntry::Global(*head, events)),
            CandidateContent::Customer { head, number, offset, instrument } => {
                if !replayed.contains_key(offset) {
                    if self.steps_read >= STEP_READS_MAX {
                        return Outcome::Postponed;
                    }
                    let of_customer = places.get(number).cloned().unwrap_or_default();
                    self.replay(*number, *offset, &of_customer, replayed);
                }
                match replayed.remove(offset) {
                    Some(ReplayedStep { step, before, after, is_partial }) => {
                        let (number, instrument) = (*number, instrument.as_deref());
                        let (step, before, after) = (&step, &before, &after);
                        let view = CustomerStepView { number, step, before, after, is_partial, instrument };
                        (self.show)(AuditEntry::Customer(*head, view))
                    }
                    None => {
                        let reason = format!("the step of customer {number} cannot be read");
                        let (first, last) = (head.lsn, head.lsn);
                        (self.show)(AuditEntry::Unreadable(&UnreadableRecords { first, last, reason }))
                    }
                }
            }
        };
        if flow.is_break() { Outcome::End } else { Outcome::Continue }
    }

    /// Replays the steps of a customer up to one, and keeps those at some offsets.
    fn replay(
        &mut self,
        number: u64,
        last: LogOffset,
        wanted: &HashSet<LogOffset>,
        replayed: &mut HashMap<LogOffset, ReplayedStep>,
    ) {
        let Some(steps) = self.ledger.customer_steps(number, last, CUSTOMER_STEPS_MAX) else { return };
        self.steps_read += steps.len();
        let is_partial = !steps.is_whole();
        steps.replay(self.ledger, &mut |offset, step, before, after| {
            if wanted.contains(&offset) {
                let (step, before, after) = (step.clone(), before.clone(), after.clone());
                replayed.insert(offset, ReplayedStep { step, before, after, is_partial });
            }
        });
    }
}
