//! Pages of the audit contain each step once, at every size of a page, among many other records.

use crate::{
    domain::{
        customer::{aggregate::Customer, audit::Author, change::CustomerChange, status::CustomerStatus},
        decision::clock_skew::ClockSkew,
        events::{
            customer_event::CustomerEvent,
            global_event::{ClockStep, GlobalEvent},
        },
        transaction::log_offset::LogOffset,
        vocabulary::{calendar::LocalTime, names::Name, time::Millis},
    },
    ledger::{
        LedgerLimits, LedgerStorage,
        payments::record::{Actor, RecordEvents},
        queries::audit::{
            entry::{AuditEntry, AuditQuery},
            page::AUDIT_READS_MAX,
        },
        state::ledger::Ledger,
    },
    storage::{encoding, journal::Lsn},
};
use std::ops::ControlFlow;

/// The records that one page reads at most, with the rest of its last window.
const PAGE_READS: usize = AUDIT_READS_MAX + 4_096;
/// More records than one page reads.
const RECORDS: u64 = 105_000;
/// A step after this many records.
const EVERY: u64 = 700;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A step as a test expects it: its record, its time, the customer, and the status before and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    lsn: Lsn,
    at: Millis,
    number: u64,
    old: CustomerStatus,
    new: CustomerStatus,
}

/// Customers of `m` and of another merchant whose status changes now and then, among many other records.
fn ledger() -> (Ledger, Vec<Step>) {
    ledger_with(false)
}

/// As [`ledger`]; `by_payments`: the other records are those of payments.
fn ledger_with(by_payments: bool) -> (Ledger, Vec<Step>) {
    let bounds = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, LedgerStorage::in_memory((1, 2)));
    let mut filler = Vec::new();
    encoding::encode_global(&GlobalEvent::ExternalIdsGenerated { merchant: name("m"), made: 1 }, &mut filler);
    let (mut customers, mut steps) = (Vec::new(), Vec::new());
    for n in 0..6_u64 {
        let number = ledger.next_number().unwrap();
        let merchant = if n % 3 == 2 { name("other") } else { name("m") };
        ledger.customers.lock(number).insert(number, Customer::new(number, merchant, None, Millis(0)));
        customers.push((number, merchant));
    }
    for n in 0..RECORDS {
        if n % EVERY != 0 {
            match by_payments {
                true => ledger.journal.append_unaudited(0, &filler),
                false => ledger.journal.append(0, &filler),
            };
            continue;
        }
        let (number, merchant) = customers[usize::try_from(n / EVERY).unwrap() % customers.len()];
        let at = Millis(i64::try_from(n).unwrap() * 1_000);
        let mut shard = ledger.customers.lock(number);
        let customer = shard.get_mut(number).unwrap();
        let old = customer.status(LocalTime::utc(at));
        let new = if old == CustomerStatus::Member { CustomerStatus::Deny } else { CustomerStatus::Member };
        let is_first = customer.last_audit_offset().is_none();
        let created = CustomerEvent::Created { merchant, identifier: None, at };
        let changed = CustomerEvent::CustomerChanged(CustomerChange::Status(new));
        let events = if is_first { vec![created, changed] } else { vec![changed] };
        let actor = Actor { author: Author { by: Some(name("olga")), ..Author::SYSTEM }, now: at };
        let recorded = ledger.record(customer, actor, RecordEvents { after: &events, ..RecordEvents::default() });
        if merchant == name("m") {
            steps.push(Step { lsn: Lsn(recorded.number), at, number, old, new });
        }
    }
    (ledger, steps)
}

/// All pages of a query, and the number of records that they read.
fn pages(ledger: &Ledger, from: Option<Millis>, to: Option<Millis>, limit: usize) -> (Vec<Step>, usize) {
    let (mut found, mut before, mut reads): (Vec<Step>, Option<Lsn>, usize) = (Vec::new(), None, 0);
    loop {
        let merchant = name("m");
        let (customers, with_payments, includes) = (None, false, &|_: &_| true);
        let query = AuditQuery { merchant, before, from, to, customers, with_payments, limit, includes };
        let mut shown = 0;
        let page = ledger.read_audit(&query, &mut |entry| {
            let AuditEntry::Customer(head, view) = entry else { panic!("there are only steps of customers") };
            assert_eq!(head.by, Some(name("olga")));
            let (old, new) = (view.before.status(LocalTime::utc(head.at)), view.after.status(LocalTime::utc(head.at)));
            found.push(Step { lsn: head.lsn, at: head.at, number: view.number, old, new });
            shown += 1;
            if shown == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let page = page.unwrap();
        assert!(page.records_read <= PAGE_READS, "a page reads {} records", page.records_read);
        reads += page.records_read;
        match page.next {
            Some(next) => before = Some(next),
            None => return (found, reads),
        }
    }
}

#[test]
fn pages_contain_each_step_once_with_its_values() {
    let (ledger, steps) = ledger();
    let wanted = |from: Option<Millis>, to: Option<Millis>| {
        let is_within = |step: &&Step| from.is_none_or(|from| step.at >= from) && to.is_none_or(|to| step.at < to);
        steps.iter().rev().filter(is_within).copied().collect::<Vec<_>>()
    };
    for limit in [1_000, 7, 2] {
        assert_eq!(pages(&ledger, None, None, limit).0, wanted(None, None), "pages of {limit}");
    }
    let at = |record: i64| Some(Millis(record * 1_000));
    for (from, to) in [
        (at(60_000), at(61_000)),
        (at(60_000), at(60_001)),
        (None, at(2_000)),
        (at(104_000), None),
        (at(20_000), at(90_000)),
        (at(70_000), at(60_000)),
        (at(-5), at(0)),
        (at(500_000), None),
    ] {
        let (found, reads) = pages(&ledger, from, to, 1_000);
        let expected = wanted(from, to);
        assert_eq!(found, expected, "{from:?} to {to:?}");
        let is_narrow = expected.len() < 20;
        assert!(!is_narrow || reads < 40_000, "{from:?} to {to:?}: {reads} records were read");
    }
}

#[test]
fn what_payments_recorded_is_not_read_again() {
    let (ledger, steps) = ledger_with(true);
    let wanted: Vec<Step> = steps.iter().rev().copied().collect();
    let entries = RECORDS.div_ceil(EVERY);
    let near = usize::try_from(entries * 256).unwrap();
    for limit in [1_000, 7] {
        let (found, reads) = pages(&ledger, None, None, limit);
        assert_eq!(found, wanted, "pages of {limit}");
        assert!(reads <= near, "{reads} of {RECORDS} records were read");
    }
    // After a start it is not known. The first pages read everything, and those after them do not.
    ledger.journal.forget_audited();
    for (most, least) in [(usize::MAX, usize::try_from(RECORDS).unwrap()), (near, 0)] {
        let (found, reads) = pages(&ledger, None, None, 1_000);
        assert_eq!(found, wanted);
        assert!((least..=most).contains(&reads), "{reads} records were read");
    }
    // An entry that is recorded between is found.
    let step = steps.last().unwrap();
    let mut shard = ledger.customers.lock(step.number);
    let changed = [CustomerEvent::CustomerChanged(CustomerChange::Status(CustomerStatus::Suspicious))];
    let actor = Actor { author: Author { by: Some(name("olga")), ..Author::SYSTEM }, now: step.at };
    let events = RecordEvents { after: &changed, ..RecordEvents::default() };
    let recorded = ledger.record(shard.get_mut(step.number).unwrap(), actor, events);
    drop(shard);
    let (found, reads) = pages(&ledger, None, None, 1_000);
    assert_eq!((found.len(), found[0].lsn), (wanted.len() + 1, Lsn(recorded.number)));
    assert!(reads <= near + 256);
}

#[test]
fn a_filter_that_matches_nothing_costs_each_page_a_bounded_part() {
    let (ledger, _) = ledger();
    let (mut before, mut read) = (None, 0);
    loop {
        let (merchant, customers) = (name("m"), None);
        let (with_payments, includes) = (false, &|_: &_| false);
        let (from, to, limit) = (None, None, 50);
        let query = AuditQuery { merchant, before, from, to, customers, with_payments, limit, includes };
        let page = ledger.read_audit(&query, &mut |_| panic!("nothing matches")).unwrap();
        assert!(page.records_read <= PAGE_READS, "a page reads {} records", page.records_read);
        read += page.records_read;
        match page.next {
            Some(next) => {
                assert!(before.is_none_or(|before| next < before), "each page goes on");
                before = Some(next);
            }
            None => break,
        }
    }
    assert!(read as u64 >= RECORDS, "every record was read: {read}");
}

#[test]
fn a_clock_that_went_back_hides_no_step() {
    let (ledger, steps) = ledger();
    let step = ClockStep { before: Millis(9), after: Millis(1), moves_entries: false };
    ledger.clocks.add(LogOffset(5), step);
    let (from, to) = (Some(Millis(60_000_000)), Some(Millis(61_000_000)));
    let (found, reads) = pages(&ledger, from, to, 1_000);
    let wanted = steps.iter().rev().filter(|step| Some(step.at) >= from && Some(step.at) < to);
    assert_eq!(found, wanted.copied().collect::<Vec<_>>());
    assert!(reads as u64 >= RECORDS, "all records are read: {reads}");
}
