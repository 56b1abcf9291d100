//! The summaries of a customer, held to a list without packing.

use super::{newest::TimedSlot, *};
use crate::domain::{
    transaction::{
        log_offset::LogOffset,
        outcome::TransactionOutcome,
        status::{Flags, Status},
    },
    usage::contribution::Contribution,
    vocabulary::{time::Millis, words::Word},
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const START: i64 = 1_790_000_000_000;

/// Mostly numbers of one size, seldom any number.
fn number(usual: std::ops::Range<u64>) -> impl Strategy<Value = u64> {
    prop_oneof![8 => usual, 1 => any::<u64>(), 1 => Just(0), 1 => Just(u64::MAX)]
}

fn time() -> impl Strategy<Value = i64> {
    prop_oneof![8 => START..START + 1_000_000, 1 => any::<i64>(), 1 => Just(0)]
}

/// Any summary, also one that no facts give.
fn summary() -> impl Strategy<Value = TransactionSummary> {
    let amounts = (number(0..100_000), number(0..100_000), number(0..100_000), any::<bool>());
    let times = (time(), prop::option::of(time()));
    let rest = (
        0..6_usize,
        any::<(bool, bool, bool)>(),
        any::<u8>(),
        prop::option::of(0..u16::MAX),
        0..4_u64,
        number(0..9_999),
    );
    (amounts, times, rest).prop_map(|((gross, net, held_amount, is_equal), (at, hold_until), rest)| {
        let (status, (gross_counts, net_counts, counts_after_hold), flags, series, key, offset) = rest;
        let (net, held_amount) = if is_equal { (gross, gross) } else { (net, held_amount) };
        let outcome = TransactionOutcome {
            status: Status::WORDS[status].1,
            counts: Contribution { gross, net, gross_counts, net_counts },
            held_amount,
            counts_after_hold,
            // The largest time is none.
            hold_until: hold_until.filter(|until| *until != i64::MAX).map(Millis),
            flags: Flags(flags),
        };
        TransactionSummary::new(Millis(at), series, key, LogOffset(offset), &outcome)
    })
}

#[derive(Debug, Clone)]
enum Step {
    Push(TransactionSummary),
    Update(prop::sample::Index, TransactionSummary),
    /// Evicts the first one, or pins it.
    TakeOldest(bool),
    TakePinned,
    Pin(prop::sample::Index, TransactionSummary),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => summary().prop_map(Step::Push),
        4 => (any::<prop::sample::Index>(), summary()).prop_map(|(place, summary)| Step::Update(place, summary)),
        8 => prop::bool::weighted(0.9).prop_map(Step::TakeOldest),
        1 => Just(Step::TakePinned),
        1 => (any::<prop::sample::Index>(), summary()).prop_map(|(place, summary)| Step::Pin(place, summary)),
    ]
}

proptest! {
    #[test]
    fn a_packed_summary_returns(summary in summary()) {
        prop_assert_eq!(TransactionSummary::from_row(summary.to_row()), summary);
    }

    #[test]
    fn summaries_contain_what_a_map_contains(steps in proptest::collection::vec(step(), 0..600), is_full in any::<bool>()) {
        let (mut summaries, mut map) = (TransactionSummaries::default(), BTreeMap::new());
        let (mut first, mut next) = (0_u32, 0_u32);
        for step in steps {
            match step {
                Step::Push(summary) => {
                    prop_assert_eq!(summaries.push(summary), next);
                    map.insert(next, summary);
                    next += 1;
                }
                Step::Update(place, summary) => {
                    let slot = u32::try_from(place.index(next as usize + 2)).unwrap();
                    let changed = summaries.update(slot, |known| *known = summary);
                    prop_assert_eq!(changed.is_some(), map.contains_key(&slot));
                    map.entry(slot).and_modify(|known| *known = summary);
                }
                Step::TakeOldest(leaves) => {
                    // Half of the lists stay full, so that they have several chunks.
                    if is_full && next - first < 200 {
                        continue;
                    }
                    let taken = summaries.take_oldest(|_| Some(leaves));
                    let is_there = first < next;
                    let want = (is_there && leaves).then(|| (first, map[&first]));
                    prop_assert_eq!(taken, is_there.then_some(want));
                    if let Some((slot, _)) = want {
                        map.remove(&slot);
                    }
                    first += u32::from(is_there);
                }
                Step::TakePinned => {
                    let want = map.range(..first).next().map(|(slot, summary)| (*slot, *summary));
                    prop_assert_eq!(summaries.take_pinned(|_| true), want);
                    want.into_iter().for_each(|(slot, _)| _ = map.remove(&slot));
                }
                Step::Pin(place, summary) => {
                    let slot = u32::try_from(place.index(first.max(1) as usize)).unwrap();
                    if slot < first {
                        summaries.pin(slot, summary);
                        map.insert(slot, summary);
                    }
                }
            }
            prop_assert_eq!((summaries.first_slot(), summaries.next_slot(), summaries.len()), (first, next, map.len()));
        }
        for slot in 0..next + 3 {
            prop_assert_eq!(summaries.get(slot), map.get(&slot).copied());
            prop_assert_eq!(summaries.contains(slot), map.contains_key(&slot));
        }
        for from in [0, first / 2, first, next.midpoint(first), next] {
            let all: Vec<_> = summaries.starting_at(from).collect();
            prop_assert_eq!(all, map.range(from..).map(|(slot, summary)| (*slot, *summary)).collect::<Vec<_>>());
        }
        let mut places: Vec<TimedSlot> = map.iter().map(|(slot, known)| TimedSlot { at: known.at, slot: *slot }).collect();
        places.sort_unstable_by_key(|place| std::cmp::Reverse(*place));
        for limit in [1, 7, 100, 1_000] {
            for before in [None, places.first(), places.get(places.len() / 2), places.last()] {
                let found: Vec<u32> =
                    summaries.newest_before(before.copied(), limit).iter().map(|(slot, _)| *slot).collect();
                let is_before = |place: &&TimedSlot| before.is_none_or(|before| *place < before);
                let want: Vec<u32> = places.iter().filter(is_before).take(limit).map(|place| place.slot).collect();
                prop_assert_eq!(found, want);
            }
        }
        prop_assert!(summaries.keys().eq(map.iter().map(|(slot, summary)| (*slot, summary.key))));
        for (slot, summary) in &map {
            let found = summaries.slots_of_key(summary.key, slot.to_le_bytes()[0]);
            let with_key = map.iter().filter(|(other, known)| known.key == summary.key && *other % 256 == slot % 256);
            let mut want: Vec<u32> = with_key.map(|(slot, _)| *slot).collect();
            want.sort_unstable_by_key(|slot| (*slot < first, std::cmp::Reverse(*slot)));
            prop_assert_eq!(found.as_slice(), want.as_slice());
        }
    }
}

/// The transactions of one customer, one each few hours, with amounts of some digits and held for an hour.
#[test]
fn usual_transactions_take_little_memory() {
    let mut summaries = TransactionSummaries::default();
    for n in 0..1_000_u64 {
        let counts = Contribution::of_amount(500 + n * 7_919 % 50_000);
        let at = START + i64::try_from(n * 10_000_019 + n * n % 5_000_011).unwrap();
        let hold_until = Some(Millis(at + 3_600_000));
        let (status, flags, held_amount) = match n % 3 {
            0 => (Status::Reserved, Flags::NONE, counts.gross),
            _ => (Status::Approved, Flags::NONE, 0),
        };
        let outcome =
            TransactionOutcome { status, counts, held_amount, counts_after_hold: n % 3 != 0, hold_until, flags };
        let (key, offset) = (n.wrapping_mul(0x9e37_79b9_7f4a_7c15), LogOffset(n * 80_000_000));
        summaries.push(TransactionSummary::new(Millis(at), Some(0), key, offset, &outcome));
    }
    let bytes = summaries.heap_bytes() / 1_000;
    assert!(bytes <= 24, "a summary takes {bytes} bytes, with the slack of the list");
}
