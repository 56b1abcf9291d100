//! The records of a window that the audit may show.

use crate::{
    domain::{
        customer::{
            audit::{AuditEntry, ChangeSource},
            change::CustomerChange,
        },
        events::{
            audited_operation::{AuditedOperation, OperationKind},
            customer_event::CustomerEvent,
            global_event::GlobalEvent,
        },
        transaction::log_offset::LogOffset,
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{
        index::customer_numbers::FIRST_CUSTOMER,
        queries::audit::entry::{AuditHead, AuditKind, AuditQuery},
        state::ledger::Ledger,
    },
    storage::{
        encoding,
        journal::{AuditedRecord, Lsn, Record, UnreadableRecords},
    },
};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// The most bytes of records that concern no single customer that a window keeps.
const BYTES_MAX: usize = 8 << 20;

/// A record that the page may show.
pub(super) struct Candidate {
    pub(super) lsn: Lsn,
    pub(super) content: CandidateContent,
}

/// The content of a candidate.
pub(super) enum CandidateContent {
    Customer {
        head: AuditHead,
        number: u64,
        offset: LogOffset,
        /// The instrument of a signal.
        instrument: Option<Box<str>>,
    },
    Global {
        head: AuditHead,
        events: Vec<GlobalEvent>,
    },
    Unreadable(UnreadableRecords),
}

/// The newest candidates of a window of records, the newest last.
pub(super) struct Window {
    low: Lsn,
    high: Lsn,
    limit: usize,
    bytes: VecDeque<usize>,
    bytes_sum: usize,
    pub(super) found: VecDeque<Candidate>,
    /// The records that no payment wrote, of every merchant.
    pub(super) audited: Vec<AuditedRecord>,
    has_unreadable: bool,
    /// The number of records that were read.
    pub(super) records_read: usize,
    /// The time of the first record with a time.
    pub(super) first_time: Option<Millis>,
    /// Whether older candidates were dropped.
    pub(super) is_cut: bool,
}

/// What a group contains about a signal at the merchant: the author, and whether the signal lifts a block.
#[derive(Clone, Copy)]
struct GroupSignal {
    entry: AuditEntry,
    lifts_block: bool,
}

impl Window {
    pub(super) fn new(low: Lsn, high: Lsn, limit: usize) -> Self {
        Self {
            low,
            high,
            limit,
            bytes: VecDeque::new(),
            bytes_sum: 0,
            found: VecDeque::new(),
            audited: Vec::new(),
            has_unreadable: false,
            records_read: 0,
            first_time: None,
            is_cut: false,
        }
    }

    /// Whether `audited` has every record of the window that no payment wrote.
    pub(super) fn is_complete(&self, query: &AuditQuery<'_>) -> bool {
        query.customers.is_none() && !self.has_unreadable
    }

    fn push(&mut self, lsn: Lsn, content: CandidateContent, bytes: usize) {
        self.found.push_back(Candidate { lsn, content });
        self.bytes.push_back(bytes);
        self.bytes_sum += bytes;
        while self.found.len() > 1 && (self.found.len() > self.limit || self.bytes_sum > BYTES_MAX) {
            self.found.pop_front();
            self.bytes_sum -= self.bytes.pop_front().unwrap_or(0);
            self.is_cut = true;
        }
    }

    /// Adds records that cannot be read, as far as they are in the window.
    pub(super) fn add_unreadable(&mut self, unreadable: &UnreadableRecords) {
        self.has_unreadable = true;
        let (first, last) = (unreadable.first.max(self.low), unreadable.last.min(self.high));
        if first <= last {
            let unreadable = UnreadableRecords { first, last, reason: unreadable.reason.clone() };
            self.push(first, CandidateContent::Unreadable(unreadable), 0);
        }
    }

    /// Adds the records of one step that the query selects.
    pub(super) fn add_records(&mut self, ledger: &Ledger, query: &AuditQuery<'_>, records: &[Record<'_>]) {
        self.records_read += records.len();
        let instrument = if records.len() > 1 { blocked_instrument(records) } else { None };
        let mut signal = None;
        for record in records {
            if self.first_time.is_none() && self.contains(record.lsn) {
                self.first_time = decode(record).ok().and_then(|events| record_time(&events));
            }
            let added = match record.owner {
                0 => self.add_global(query, record, signal.as_ref()),
                FIRST_CUSTOMER.. => self.add_customer(ledger, query, record, instrument.as_deref(), &mut signal),
                // A placeholder has transactions only.
                _ => Ok(false),
            };
            match added {
                Ok(true) if self.contains(record.lsn) => {
                    let step = records.first().unwrap_or(record);
                    let (step_lsn, step_offset) = (step.lsn, step.offset);
                    self.audited.push(AuditedRecord { lsn: record.lsn, step_lsn, step_offset });
                }
                Ok(_) => {}
                Err(error) => {
                    let (first, last, reason) = (record.lsn, record.lsn, error.to_string());
                    self.add_unreadable(&UnreadableRecords { first, last, reason });
                }
            }
        }
    }

    fn contains(&self, lsn: Lsn) -> bool {
        (self.low..=self.high).contains(&lsn)
    }

    /// Adds the record of a customer. Returns whether no payment wrote it.
    fn add_customer(
        &mut self,
        ledger: &Ledger,
        query: &AuditQuery<'_>,
        record: &Record<'_>,
        instrument: Option<&str>,
        signal: &mut Option<GroupSignal>,
    ) -> Result<bool, encoding::DecodeError> {
        let number = record.owner;
        let is_selected = query.customers.is_none_or(|customers| customers.contains(&number));
        if !is_selected || (!query.with_payments && encoding::begins_with_transaction(record.events)) {
            return Ok(false);
        }
        let decoded = decode(record)?;
        let events: SmallVec<[&CustomerEvent; 8]> = decoded.iter().filter_map(customer_event).collect();
        let entry = events.iter().find_map(|event| match event {
            CustomerEvent::AuditEntry(entry) => Some(*entry),
            _ => None,
        });
        let Some(entry) = entry else { return Ok(false) };
        let kind = kind_of_step(&events, entry.source);
        let is_audited = kind != AuditKind::Payment;
        if !is_audited && !query.with_payments {
            return Ok(false);
        }
        let merchant = ledger.customers.lock(number).get(number).map(|customer| customer.merchant);
        if merchant != Some(query.merchant) {
            return Ok(is_audited);
        }
        let of_signal = events.iter().find_map(|event| match event {
            CustomerEvent::SignalReceived { signal, names_instrument, .. } => Some((*signal, *names_instrument)),
            _ => None,
        });
        if let Some((received, _)) = of_signal {
            let lifts_block = received.blocks_instrument() == Some(false);
            // The author of a signal is recorded where the token reaches the merchant.
            let known = signal.filter(|known| known.entry.by.is_some());
            *signal = known.or(Some(GroupSignal { entry, lifts_block }));
        }
        let AuditEntry { at, source, by, job, .. } = entry;
        let lifts_block = of_signal.is_some_and(|(received, _)| received.blocks_instrument() == Some(false));
        let is_signal = of_signal.is_some();
        let head = AuditHead { lsn: record.lsn, at, kind, source, by, is_signal, lifts_block, job };
        if self.contains(record.lsn) && is_wanted(query, &head) {
            let names_instrument = of_signal.is_some_and(|(_, names_instrument)| names_instrument);
            let instrument = instrument.filter(|_| names_instrument).map(Into::into);
            let content = CandidateContent::Customer { head, number, offset: record.offset, instrument };
            self.push(record.lsn, content, 0);
        }
        Ok(is_audited)
    }

    /// Adds a record of no customer. Returns whether an audit can show it.
    fn add_global(
        &mut self,
        query: &AuditQuery<'_>,
        record: &Record<'_>,
        signal: Option<&GroupSignal>,
    ) -> Result<bool, encoding::DecodeError> {
        if query.customers.is_some() || !self.contains(record.lsn) {
            return Ok(false);
        }
        let decoded = decode(record)?;
        let made_by_payment = |event: &encoding::RecordedEvent| {
            matches!(event, encoding::RecordedEvent::Global(GlobalEvent::ExternalIdsGenerated { .. }))
        };
        let is_audited = !decoded.iter().all(made_by_payment);
        let events = decoded.into_iter().filter_map(|event| match event {
            encoding::RecordedEvent::Global(event) => event_for(event, query.merchant, signal),
            encoding::RecordedEvent::Customer(_) => None,
        });
        let mut events: Vec<(AuditKind, GlobalEvent)> = events.collect();
        // What these contain, the other events of the step contain too.
        for kind in [AuditKind::Reload, AuditKind::Rename] {
            if events.iter().any(|(known, _)| *known == kind) {
                events.retain(|(known, _)| *known == kind);
            }
        }
        if events.iter().any(|(_, event)| matches!(event, GlobalEvent::OperationAudited(_))) {
            events.retain(|(_, event)| matches!(event, GlobalEvent::OperationAudited(_)));
        }
        let Some((kind, first)) = events.first() else { return Ok(is_audited) };
        let (source, by) = author_of(first, signal);
        let is_signal = *kind == AuditKind::InstrumentBlock;
        let at = first.recorded_at().unwrap_or(Millis(0));
        let lifts_block = signal.is_some_and(|signal| signal.lifts_block);
        let head = AuditHead { lsn: record.lsn, at, kind: *kind, source, by, is_signal, lifts_block, job: None };
        if is_wanted(query, &head) {
            let events = events.into_iter().map(|(_, event)| event).collect();
            self.push(record.lsn, CandidateContent::Global { head, events }, record.events.len());
        }
        Ok(is_audited)
    }
}

type Decoded = SmallVec<[encoding::RecordedEvent; 2]>;

/// Decodes a record. Attributes are not needed here, so nothing is unsealed.
fn decode(record: &Record<'_>) -> Result<Decoded, encoding::DecodeError> {
    encoding::decode(record.events, &mut |_| Ok(None))
}

fn customer_event(event: &encoding::RecordedEvent) -> Option<&CustomerEvent> {
    match event {
        encoding::RecordedEvent::Customer(event) => Some(event),
        encoding::RecordedEvent::Global(_) => None,
    }
}

fn is_wanted(query: &AuditQuery<'_>, head: &AuditHead) -> bool {
    let is_within = query.from.is_none_or(|from| head.at >= from) && query.to.is_none_or(|to| head.at < to);
    is_within && (query.with_payments || head.kind != AuditKind::Payment) && (query.includes)(head)
}

/// The time of a record. Other times in it can be earlier or later: a customer may have been created long ago. A record of
/// an upload has no time here: it has the time at which the upload began.
pub(super) fn record_time(events: &[encoding::RecordedEvent]) -> Option<Millis> {
    let times = events.iter().filter_map(|event| match event {
        encoding::RecordedEvent::Global(event) => event.recorded_at(),
        encoding::RecordedEvent::Customer(event) => match event {
            CustomerEvent::AuditEntry(entry) if entry.source == ChangeSource::Upload => None,
            CustomerEvent::TransactionOpened { .. }
            | CustomerEvent::FactRecorded { .. }
            | CustomerEvent::AuditEntry(_)
            | CustomerEvent::Assigned { .. }
            | CustomerEvent::AssignedElsewhere { .. }
            | CustomerEvent::Compacted { .. } => event.recorded_at(),
            CustomerEvent::Created { .. }
            | CustomerEvent::AttributesFilled { .. }
            | CustomerEvent::LevelSet { .. }
            | CustomerEvent::SignalReceived { .. }
            | CustomerEvent::InstrumentAdded { .. }
            | CustomerEvent::InstrumentUsed { .. }
            | CustomerEvent::CustomerChanged(_) => None,
        },
    });
    times.max()
}

/// The instrument whose blocks a group changes.
fn blocked_instrument(records: &[Record<'_>]) -> Option<Box<str>> {
    records.iter().filter(|record| record.owner == 0).find_map(|record| {
        decode(record).ok()?.into_iter().find_map(|event| match event {
            encoding::RecordedEvent::Global(
                GlobalEvent::InstrumentBlocks { id, .. } | GlobalEvent::InstrumentBlocked { id, .. },
            ) => Some(id),
            _ => None,
        })
    })
}

/// The kind of a customer's step.
fn kind_of_step(events: &[&CustomerEvent], source: ChangeSource) -> AuditKind {
    let by_source = match source {
        ChangeSource::Payment => return AuditKind::Payment,
        ChangeSource::Upload => AuditKind::Upload,
        ChangeSource::Api | ChangeSource::System => AuditKind::Customer,
    };
    events.iter().find_map(|event| special_kind(event)).unwrap_or(by_source)
}

/// The kind of a step with an event, where the event is more than a change of a value.
fn special_kind(event: &CustomerEvent) -> Option<AuditKind> {
    match event {
        CustomerEvent::SignalReceived { .. } => Some(AuditKind::Signal),
        CustomerEvent::Assigned { .. } => Some(AuditKind::Link),
        CustomerEvent::CustomerChanged(change) => match change {
            CustomerChange::Erased | CustomerChange::DeletionDue(_) => Some(AuditKind::Erasure),
            CustomerChange::MergedInto(_) | CustomerChange::Merged(_) => Some(AuditKind::Merge),
            CustomerChange::Attributes { .. }
            | CustomerChange::Status(_)
            | CustomerChange::StatusFactors(_)
            | CustomerChange::Labels(_)
            | CustomerChange::Settings(_)
            | CustomerChange::Limits(_)
            | CustomerChange::DisabledProjects(_)
            | CustomerChange::Rates(_)
            | CustomerChange::Instrument(_)
            | CustomerChange::InstrumentRemoved(_)
            | CustomerChange::Identifiers(_) => None,
        },
        CustomerEvent::Created { .. }
        | CustomerEvent::AttributesFilled { .. }
        | CustomerEvent::LevelSet { .. }
        | CustomerEvent::InstrumentAdded { .. }
        | CustomerEvent::InstrumentUsed { .. }
        | CustomerEvent::AuditEntry(_)
        | CustomerEvent::TransactionOpened { .. }
        | CustomerEvent::FactRecorded { .. }
        | CustomerEvent::Compacted { .. }
        | CustomerEvent::AssignedElsewhere { .. } => None,
    }
}

/// A global event as far as it concerns a merchant, and its kind.
fn event_for(event: GlobalEvent, merchant: Name, signal: Option<&GroupSignal>) -> Option<(AuditKind, GlobalEvent)> {
    let of = |known: Name, kind| (known == merchant).then_some(kind);
    let kind = match &event {
        GlobalEvent::LevelPut { key, .. }
        | GlobalEvent::LevelDeleted { key, .. }
        | GlobalEvent::LevelFileApplied { key, .. } => of(key.merchant, AuditKind::Level)?,
        GlobalEvent::LevelCreated { merchant: known, .. } => of(*known, AuditKind::Level)?,
        GlobalEvent::LevelRenamed { merchant: known, .. } => of(*known, AuditKind::Rename)?,
        GlobalEvent::RatesPut { .. } => AuditKind::Rates,
        GlobalEvent::ClockAccepted { .. } => AuditKind::Clock,
        GlobalEvent::ArchiveLossAccepted { .. } => AuditKind::Archive,
        GlobalEvent::InstrumentBlocks { blocks, .. } => {
            let is_set_here = blocks.0.iter().any(|block| block.merchants.contains(&merchant));
            let is_lifted_here = signal.is_some_and(|signal| signal.lifts_block);
            (is_set_here || is_lifted_here).then_some(AuditKind::InstrumentBlock)?
        }
        GlobalEvent::InstrumentBlocked { .. } => signal.map(|_| AuditKind::InstrumentBlock)?,
        GlobalEvent::OperationAudited(operation) => {
            let details = operation.details.iter().filter(|detail| detail.merchant.is_none_or(|of| of == merchant));
            let details: Vec<_> = details.cloned().collect();
            let kind = match operation.kind {
                OperationKind::Reload => AuditKind::Reload,
                OperationKind::Level => AuditKind::Level,
                OperationKind::Rates => AuditKind::Rates,
                OperationKind::Upload | OperationKind::Bulk | OperationKind::Import => AuditKind::Job,
            };
            let operation = AuditedOperation { details, ..operation.clone() };
            return (!operation.details.is_empty()).then_some((kind, GlobalEvent::OperationAudited(operation)));
        }
        GlobalEvent::ExternalIdsGenerated { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::SegmentsReleased { .. } => return None,
    };
    Some((kind, event))
}

/// The author of a global event. A token that sets rates, accepts a clock or a loss, or reloads acts for all merchants.
fn author_of(event: &GlobalEvent, signal: Option<&GroupSignal>) -> (ChangeSource, Option<Name>) {
    match event {
        GlobalEvent::LevelPut { by, .. }
        | GlobalEvent::LevelDeleted { by, .. }
        | GlobalEvent::LevelRenamed { by, .. }
        | GlobalEvent::RatesPut { by, .. }
        | GlobalEvent::ClockAccepted { by, .. }
        | GlobalEvent::ArchiveLossAccepted { by, .. } => (ChangeSource::Api, *by),
        GlobalEvent::InstrumentBlocks { .. } | GlobalEvent::InstrumentBlocked { .. } => {
            (ChangeSource::Api, signal.and_then(|signal| signal.entry.by))
        }
        GlobalEvent::LevelCreated { .. } | GlobalEvent::ExternalIdsGenerated { .. } => (ChangeSource::Payment, None),
        GlobalEvent::LevelFileApplied { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::SegmentsReleased { .. } => (ChangeSource::System, None),
        GlobalEvent::OperationAudited(operation) => (operation.source, operation.by),
    }
}
