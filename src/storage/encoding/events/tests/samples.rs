//! Events that tests encode.

use super::*;

pub(super) fn opening() -> Opening {
    Opening {
        id: "t1".into(),
        merchant: name("m"),
        at: Millis(1_000),
        recorded_at: Millis(1_001),
        opened: OpeningKind::Reserved,
        content: PaymentContent {
            direction: Direction::Deposit,
            currency: eur(),
            amount: 12_550,
            identity: 0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10,
            defined_by: AttributeSet::default(),
            level: SentLevel::Absent,
            method: None,
            project: name("p"),
            endpoint: name("e"),
        },
        hold_until: None,
        level: None,
        level_source: LevelSource::Stored,
        resolution: CustomerResolution::Found,
        names: ExplicitFields::BOTH,
        bypassed_id: None,
        violations: SmallVec::new(),
        gates: SmallVec::new(),
        instrument: None,
        suspicious: false,
        outlier: false,
    }
}

pub(super) fn opened(change: impl FnOnce(&mut Opening)) -> RecordedEvent {
    let mut opening = opening();
    change(&mut opening);
    RecordedEvent::Customer(CustomerEvent::TransactionOpened { slot: 300, opening })
}

/// An outcome in which all numbers differ.
pub(super) fn outcome() -> TransactionOutcome {
    let counts = Contribution { gross: 5, net: 300, gross_counts: true, net_counts: false };
    let (status, flags) = (Status::Approved, Flags::default());
    TransactionOutcome { status, counts, held_amount: 4, counts_after_hold: false, hold_until: None, flags }
}

pub(super) fn fact_recorded(fact: Fact) -> RecordedEvent {
    let outcome = outcome();
    let recorded_fact = RecordedFact { at: Millis(-1), fact };
    RecordedEvent::Customer(CustomerEvent::FactRecorded {
        slot: 1,
        previous: LogOffset(9),
        recorded_fact,
        outcome,
        left: None,
    })
}

pub(super) fn compacted(all: bool, facts: &[Fact]) -> RecordedEvent {
    let hold_until = all.then_some(Millis(3));
    let outcome = TransactionOutcome { hold_until, flags: Flags(u8::from(all)), ..outcome() };
    let facts = facts.iter().map(|fact| RecordedFact { at: Millis(-1), fact: fact.clone() }).collect();
    RecordedEvent::Customer(CustomerEvent::Compacted {
        slot: 300,
        opening: opening(),
        facts,
        outcome,
        left: all,
        at: Millis(4),
    })
}

/// An assigned transaction; its bytes differ from those of [`compacted`] only at their beginning.
pub(super) fn assigned(all: bool, facts: &[Fact]) -> RecordedEvent {
    let RecordedEvent::Customer(CustomerEvent::Compacted { slot, opening, facts, outcome, at, .. }) =
        compacted(all, facts)
    else {
        unreachable!("it is a compacted transaction")
    };
    RecordedEvent::Customer(CustomerEvent::Assigned { slot, opening, facts, outcome, at })
}

pub(super) fn attributes() -> Attributes {
    let mut attributes = Attributes::default();
    attributes.set(Attribute::Email, "a@b");
    attributes.set(Attribute::Language, "de");
    attributes
}

pub(super) fn audited(version_and_author: Option<(&str, Name)>, details: Vec<OperationDetail>) -> RecordedEvent {
    let (version, by) = version_and_author.map(|(version, by)| (version.into(), by)).unzip();
    let (kind, source, at) = (OperationKind::Reload, ChangeSource::Api, Millis(1));
    RecordedEvent::Global(GlobalEvent::OperationAudited(AuditedOperation { kind, source, at, by, version, details }))
}

pub(super) fn capture(is_final: Option<bool>) -> Fact {
    let flags = Flags::NONE;
    Fact::Approved { capture_id: None, amount: 1, all: false, is_final, gate: None, instrument: None, flags }
}

pub(super) fn cancel(of: Option<CancelOf>, names_of: bool) -> Fact {
    Fact::Cancelled { cancel_id: None, amount: 1, all: false, of, names_of }
}

pub(super) fn reserved_late() -> Fact {
    let content = PaymentContent { amount: 127, method: Some(name("card")), ..opening().content };
    let content = LateReserveContent { content, instrument: Some("tok".into()) };
    Fact::ReservedLate { amount: 127, hold_until: Some(Millis(3)), content: Some(Box::new(content)) }
}

pub(super) fn left_under_no_level() -> Option<EvictedTransaction> {
    let series = UsageSeriesKey { direction: Direction::Deposit, currency: eur(), level: None };
    Some(EvictedTransaction { key: 300, series: Some(series), at: Some(Millis(-2)), was: Contribution::of_amount(1) })
}

/// What a transaction left that bypassed the rules; its record does not have its time.
pub(super) fn left_of_bypassed() -> Option<EvictedTransaction> {
    Some(EvictedTransaction { key: 300, series: None, at: None, was: Contribution::NONE })
}

pub(super) fn accepted(before: i64, after: i64, moves_entries: bool, by: Option<Name>) -> GlobalEvent {
    GlobalEvent::ClockAccepted { step: ClockStep { before: Millis(before), after: Millis(after), moves_entries }, by }
}

pub(super) fn renamed(by: Option<Name>) -> GlobalEvent {
    let (direction, from, to) = (Direction::Withdrawal, name("gold"), name("best"));
    GlobalEvent::LevelRenamed { merchant: name("m"), direction, from, to, at: Millis(1), by }
}

pub(super) fn key() -> LevelKey {
    LevelKey { merchant: name("m"), direction: Direction::Withdrawal, currency: eur(), name: name("gold") }
}
