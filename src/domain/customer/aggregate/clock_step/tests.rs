//! Customers whose clock moves back and forth, compared with a naive list of transactions.

use super::*;
use crate::domain::{
    events::customer_event::{CustomerEvent, RecordPosition},
    transaction::{
        fact::{Fact, RecordedFact},
        log_offset::LogOffset,
        outcome::TransactionOutcome,
        status::{Flags, Status},
    },
    usage::series::UsageSeriesKey,
    vocabulary::{calendar::TimeRange, direction::Direction, money::Currency, names::Name},
};
use proptest::prelude::*;

fn customer() -> Customer {
    Customer::new(1_000_001, Name::parse("m").unwrap(), None, Millis(-1_000_000))
}

fn key() -> UsageSeriesKey {
    let level = Some(Name::parse("gold").unwrap());
    UsageSeriesKey { direction: Direction::Deposit, currency: Currency::parse("EUR").unwrap(), level }
}

fn reserved(amount: u64, hold_until: Option<Millis>) -> TransactionOutcome {
    let (counts, flags) = (Contribution::of_amount(amount), Flags::default());
    TransactionOutcome {
        status: Status::Reserved,
        counts,
        held_amount: amount,
        counts_after_hold: false,
        hold_until,
        flags,
    }
}

fn reserve(customer: &mut Customer, at: i64, amount: u64, hold_until: Option<i64>) {
    let (slot, series) = (customer.summaries().next_slot(), customer.series_index(key()));
    let outcome = reserved(amount, hold_until.map(Millis));
    customer.restore_summary(slot, TransactionSummary::new(Millis(at), Some(series), 1, LogOffset(0), &outcome));
}

fn used(customer: &Customer, from: i64) -> u128 {
    customer.usage_series().iter().map(|series| series.used(TimeRange { from, to: i64::MAX }, false).0).sum()
}

/// A step of a test.
#[derive(Debug, Clone)]
enum Act {
    Reserve {
        amount: u64,
        hold_ms: Option<i64>,
    },
    Approve(usize),
    Wait(i64),
    Accept {
        to: i64,
        moves: bool,
    },
    /// The customer is saved in a snapshot and restored, as of an earlier time.
    Again,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_u64..100, proptest::option::of(1_i64..300))
            .prop_map(|(amount, hold_ms)| Act::Reserve { amount, hold_ms }),
        1 => (0_usize..50).prop_map(Act::Approve),
        3 => (0_i64..200).prop_map(Act::Wait),
        1 => (-2_000_i64..2_000, any::<bool>()).prop_map(|(to, moves)| Act::Accept { to, moves }),
        1 => Just(Act::Again),
    ]
}

/// A transaction of the naive model.
struct Naive {
    at: i64,
    amount: u64,
    hold_until: Option<i64>,
    is_approved: bool,
}

impl Naive {
    fn counts(&self, now: i64) -> u64 {
        let has_ended = !self.is_approved && self.hold_until.is_some_and(|until| until <= now);
        if has_ended { 0 } else { self.amount }
    }
}

proptest! {
    #[test]
    fn a_customer_counts_like_a_list(acts in proptest::collection::vec(act(), 1..150)) {
        let (mut live, mut list, mut now) = (customer(), Vec::<Naive>::new(), 0_i64);
        for (number, act) in (1..).zip(&acts) {
            match *act {
                Act::Reserve { amount, hold_ms } => {
                    let hold_until = hold_ms.map(|hold_ms| now + hold_ms);
                    live.expire_holds(Millis(now));
                    reserve(&mut live, now, amount, hold_until);
                    list.push(Naive { at: now, amount, hold_until, is_approved: false });
                }
                Act::Approve(place) => if let Some(known) = list.get_mut(place) {
                    known.is_approved = true;
                    let slot = u32::try_from(place).unwrap();
                    let before = live.summaries().get(slot).unwrap().outcome();
                    let outcome = TransactionOutcome { status: Status::Approved, held_amount: 0, counts_after_hold: true, ..before };
                    let recorded_fact = RecordedFact { at: Millis(now), fact: Fact::Declined { conflict: false } };
                    let recorded = RecordPosition { number, offset: LogOffset(number), key: 1 };
                    live.apply(recorded, &CustomerEvent::FactRecorded { slot, previous: LogOffset(0), recorded_fact, outcome, left: None });
                },
                Act::Wait(ms) => now += ms,
                Act::Accept { to, moves } => {
                    let step = ClockStep { before: Millis(now), after: Millis(to), moves_entries: moves };
                    let later: Vec<&mut Naive> = list.iter_mut().filter(|known| known.at > to).collect();
                    let mut want = FutureCounts { transactions: later.len() as u64, ..FutureCounts::default() };
                    for known in later {
                        want.entries += u64::from(known.counts(to) > 0);
                        want.holds += u64::from(!known.is_approved && known.hold_until.is_some_and(|end| end > to));
                        if moves {
                            known.hold_until = known.hold_until.map(|until| to + (until - known.at));
                            known.at = to;
                        }
                    }
                    prop_assert_eq!(live.count_future(Millis(to)), want);
                    if step.changes_customers() {
                        prop_assert_eq!(live.apply_clock_step(&step), want);
                        prop_assert!(live.settled_at() <= step.after);
                    }
                    now = to;
                }
                Act::Again => {
                    let mut again = customer();
                    again.restore_usage_series(live.usage_series().iter().map(|series| UsageSeries::with_evicted(series.key, series.evicted())).collect(), 0);
                    live.summaries().starting_at(0).for_each(|(slot, summary)| again.restore_summary(slot, summary));
                    live = again;
                }
            }
            let mut expired = live.clone();
            let (as_of, _) = expired.expire_holds(Millis(now));
            prop_assert_eq!(as_of, Millis(now), "read as of the requested time");
            for from in [i64::MIN, now - 500, now - 50, now] {
                let want: u128 =
                    list.iter().filter(|known| known.at >= from).map(|known| u128::from(known.counts(now))).sum();
                prop_assert_eq!(used(&expired, from), want, "from {} at {}", from, now);
            }
        }
    }
}

#[test]
fn transactions_from_the_future_do_not_prevent_eviction_of_others() {
    let mut customer = customer();
    for at in [9_000, 10, 20, 9_001, 30] {
        reserve(&mut customer, at, 1, Some(at + 5));
    }
    customer.expire_holds(Millis(9_500));
    let step = ClockStep { before: Millis(9_500), after: Millis(100), moves_entries: false };
    assert_eq!(customer.apply_clock_step(&step), FutureCounts { transactions: 2, entries: 2, holds: 2 });
    customer.expire_holds(Millis(1_000));
    let gone: Vec<u32> = customer.evict(Millis(500), 100, |_| true).iter().map(|(slot, _)| *slot).collect();
    assert_eq!(gone, [1, 2, 4]);
    assert_eq!(used(&customer, 900), 2, "they count as long as the clock has not reached them");
    customer.expire_holds(Millis(9_800));
    assert_eq!(customer.evict(Millis(500), 100, |_| true).len(), 0, "and stay until retention is over");
    assert_eq!(customer.evict(Millis(9_700), 100, |_| true).len(), 2);
}
