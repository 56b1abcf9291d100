//! Blocks that are announced, in snapshots, and of many holders.

use super::*;

/// While a signal waits for the locks of customers, payments with the instrument are blocked. A snapshot at that time
/// contains neither the block nor its effect on the holders.
#[test]
fn an_announced_block_is_effective_and_in_no_snapshot() {
    let blocked = BlockedInstruments::default();
    let merchant = Name::parse("a").unwrap();
    let block = InstrumentBlock::set_at(merchant, &MerchantScope::All, false);
    blocked.announce("x", block.clone());
    assert!(blocked.is_blocked_at("x", || BlockPlace { merchant, is_sandbox: false }));
    let events = || blocked.events(LogOffset(0));
    assert_eq!((blocked.of("x"), events()), (InstrumentBlocks::default(), Vec::new()));
    let blocks = InstrumentBlocks::default().with(block);
    let set = |blocks: &InstrumentBlocks, at, offset: Option<u64>| {
        let last_record = offset.map(LogOffset);
        blocked.set("x", RecordedBlocks { blocks: blocks.clone(), at, last_record });
    };
    set(&blocks, NOW, Some(100));
    blocked.announce("x", InstrumentBlock::set_at(merchant, &MerchantScope::Some(vec![merchant]), false));
    let previous = Some(LogOffset(100));
    let event = GlobalEvent::InstrumentBlocks { id: "x".into(), blocks: blocks.clone(), by: None, previous, at: NOW };
    assert_eq!((blocked.of("x"), events()), (blocks.clone(), vec![event]));
    set(&blocks, Millis(9), Some(100));
    let at: Vec<_> = events().iter().map(GlobalEvent::recorded_at).collect();
    assert_eq!(at, [Some(NOW)], "setting the same list is a no-op");
    set(&InstrumentBlocks::default(), NOW, Some(200));
    assert!(!blocked.is_blocked_at("x", || BlockPlace { merchant, is_sandbox: false }));
    assert_eq!((events().len(), blocked.last_record("x")), (1, Some(LogOffset(200))), "its history is found");
    assert!(blocked.events(LogOffset(201)).is_empty(), "the records are deleted");
    set(&InstrumentBlocks::default(), NOW, None);
    assert!(events().is_empty());
}

/// Old snapshots contain only the ids of instruments.
#[test]
fn an_instrument_in_an_old_snapshot_is_blocked_at_all_merchants() {
    let ledger = recovered(|take| {
        take(Piece::Global(GlobalDto { blocked: vec!["x".into()], ..GlobalDto::default() })).unwrap();
        Lsn(0)
    });
    for merchant in MERCHANTS {
        assert!(ledger.is_instrument_blocked("x", Name::parse(merchant).unwrap()));
        assert!(!ledger.is_instrument_blocked("y", Name::parse(merchant).unwrap()));
    }
}

/// More holders than one step reaches, of two merchants, and one that is merged into another.
#[test]
fn a_signal_reaches_each_of_many_holders_once() {
    const EACH: usize = 400;
    let (rules, ledger) = (rules(), Ledger::new(BOUNDS, LedgerStorage::in_memory((1, 2))));
    let mut ids: Vec<(&str, String)> = Vec::new();
    for n in 0..EACH {
        for merchant in ["a", "b"] {
            let id = format!("{merchant}{n}");
            let (suspected, holds, stored, authors) =
                (Suspected::Nothing, BTreeSet::new(), BTreeSet::new(), Vec::new());
            let person = Person { merchant, name: id.clone(), id: String::new(), suspected, holds, stored, authors };
            reserve(&ledger, &rules, &person, &id, Some("x"));
            let number = ledger.identities.customer_with_identifier(Name::parse(merchant).unwrap(), &id).unwrap();
            ids.push((merchant, number.to_string()));
        }
    }
    let merchant = rules.merchant("a").unwrap();
    ledger.merge(merchant, &ids[4].1, &ids[2 * EACH - 2].1, ACTOR).unwrap();
    let reach = reach_of(&["a"]);
    let (by, signal) = (Name::parse("token").ok(), Signal::FraudConfirmed);
    let sent = SentSignal {
        merchant: "a",
        customer_id: &ids[600].1,
        signal,
        instrument: Some("x"),
        by,
        reach: &reach,
        trusts_blocks: false,
        calendar: &merchant.calendar,
    };
    let signalled = ledger.signal(&sent, NOW).unwrap();
    assert_eq!((signalled.number.to_string(), signalled.status), (ids[600].1.clone(), CustomerStatus::Fraud));
    assert_eq!(signalled.depends_on_lsn, ledger.journal.last());
    for (merchant, id) in &ids {
        let want = if *merchant == "a" { CustomerStatus::Fraud } else { CustomerStatus::Suspicious };
        let shown =
            ledger.with_customer(merchant, id, NOW, |customer, now| customer.status(LocalTime::utc(now))).unwrap();
        assert_eq!(shown, want, "{id} of {merchant}");
        let mut signals = 0;
        let is_signal = |event: &CustomerEvent| matches!(event, CustomerEvent::SignalReceived { .. });
        let mut count = |step: &HistoryStep, _: &Customer, _: &Customer| {
            signals += usize::from(step.events.iter().any(is_signal));
        };
        ledger.history(merchant, id, NOW, &mut count).unwrap();
        assert_eq!(signals, 1, "{id} of {merchant} is reached once");
    }
    // To lift the block, the holders outside of the token's merchants are looked for, not all holders.
    let outside = |instrument: &str, caller: &[&str]| {
        let found = ledger.find_holder_outside(instrument, &reach_of(caller));
        (found.merchant.map(Name::as_str), found.visited)
    };
    assert_eq!(outside("x", &["a"]), (Some("b"), 1));
    assert_eq!((outside("x", &["a", "b"]), outside("x", &[])), ((None, 0), (None, 0)));
    let numbers = ids.iter().filter(|(merchant, _)| *merchant == "b").map(|(_, id)| id.parse().unwrap());
    // The index keeps holders who have dropped the instrument.
    for (nth, number) in (1..).zip(numbers) {
        ledger.index_holder("dropped", number);
        let want = if nth <= 256 { (None, nth) } else { (Some("b"), 256) };
        assert_eq!(outside("dropped", &["a"]), want, "{nth} holders dropped it");
    }
    let snapshot = snapshot_and_recover(&ledger);
    assert!(snapshot.is_instrument_blocked("x", merchant.id) && snapshot.holders_of("x").len() == 2 * EACH as u64);
}
