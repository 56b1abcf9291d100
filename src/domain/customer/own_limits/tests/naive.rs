//! Own limits against a naive model, step by step.

use super::*;
use proptest::{collection::vec, option, prelude::*};

/// An independent account of one customer's limits: time goes by one millisecond after another, and each filter is one
/// number.
#[derive(Debug, Clone, Default)]
struct Naive {
    now: i64,
    current: [Option<u64>; 2],
    /// When it comes into force or can be confirmed, when it lapses, and the limits then.
    waits: Option<(i64, Option<i64>, [Option<u64>; 2])>,
    was_confirmed: bool,
}

/// The spans of the two filters.
const SPANS_MS: [i64; 2] = [4, 9];

impl Naive {
    fn tick(&mut self) {
        self.now += 1;
        match self.waits {
            Some((from, None, limits)) if from == self.now => (self.current, self.waits) = (limits, None),
            Some((_, Some(lapses), _)) if lapses == self.now => self.waits = None,
            _ => {}
        }
    }

    fn ask(&mut self, asked: [Option<u64>; 2], policy: RaisePolicy) {
        let no_limit = u64::MAX;
        let raised = [0, 1].map(|n: usize| asked[n].unwrap_or(no_limit) > self.current[n].unwrap_or(no_limit));
        let tighter = [0, 1].map(|n: usize| [self.current[n], asked[n]].into_iter().flatten().min());
        let mut from = self.now + policy.delay_ms;
        if policy.waits_for_period_end {
            for n in [0, 1].into_iter().filter(|n| raised[*n]) {
                from = from.max(self.now + SPANS_MS[n]);
            }
        }
        let before = (self.current, self.waits);
        let is_at_once = from == self.now && policy.confirm_within_ms.is_none();
        if raised == [false, false] || is_at_once {
            (self.current, self.waits) = (asked, None);
        } else {
            self.current = tighter;
            if self.waits.is_none_or(|(_, _, known)| known != asked) {
                self.waits = Some((from, policy.confirm_within_ms.map(|within| from + within), asked));
            }
        }
        self.was_confirmed &= before == (self.current, self.waits);
    }

    /// Whether it is taken.
    fn confirm(&mut self) -> bool {
        match self.waits {
            Some((from, Some(_), limits)) if from <= self.now => {
                (self.current, self.waits, self.was_confirmed) = (limits, None, true);
                true
            }
            Some(_) => false,
            None => self.was_confirmed,
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Wait(u8),
    Ask([Option<u64>; 2], RaisePolicy),
    Confirm,
    Cancel,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let limits = [option::of(1..4_u64), option::of(1..4_u64)];
    let policy =
        (0..6_i64, option::of(1..6_i64), any::<bool>()).prop_map(|(delay_ms, confirm_within_ms, period_end)| {
            RaisePolicy { delay_ms, confirm_within_ms, waits_for_period_end: period_end }
        });
    prop_oneof![
        4 => (1..8_u8).prop_map(Step::Wait),
        5 => (limits, policy).prop_map(|(limits, policy)| Step::Ask(limits, policy)),
        3 => Just(Step::Confirm),
        1 => Just(Step::Cancel),
        1 => Just(Step::Settle),
    ]
}

proptest! {
    #[test]
    fn raises_follow_a_naive_account(steps in vec(step(), 1..60)) {
        let filters = |limits: [Option<u64>; 2]| -> Vec<Filter> {
            let filter = |n: usize, name| Some(Filter {
                name: Name::parse(name).unwrap(),
                window: Window::Rolling(SPANS_MS[n]),
                ..daily(Some(limits[n]?), None)
            });
            [filter(0, "a"), filter(1, "b")].into_iter().flatten().collect()
        };
        let sorted = |filters: &[Filter]| {
            let mut filters = filters.to_vec();
            filters.sort_by_key(|filter| filter.name.as_str());
            filters
        };
        let calendar = utc();
        let (mut naive, mut limits) = (Naive::default(), own(vec![]));
        for step in steps {
            let now = Millis(naive.now);
            match step {
                Step::Wait(ticks) => (0..ticks).for_each(|_| naive.tick()),
                Step::Ask(asked, policy) => {
                    naive.ask(asked, policy);
                    limits = limits.request(&filters(asked), now, &RaiseTerms { policy, calendar: &calendar });
                }
                Step::Confirm => {
                    let confirmed = limits.confirm(now);
                    prop_assert_eq!(confirmed.is_ok(), naive.confirm(), "{:?} {:?}", confirmed, naive);
                    limits = confirmed.unwrap_or(limits);
                }
                Step::Cancel => {
                    naive.waits = None;
                    limits = OwnLimits { pending: None, ..limits.as_of(now) };
                }
                Step::Settle => limits = limits.as_of(now),
            }
            let now = Millis(naive.now);
            prop_assert_eq!(sorted(limits.own_at(now)), filters(naive.current), "{:?}", naive);
            let waits = limits.pending_at(now).map(|r| (r.from.0, r.confirm_until.map(|until| until.0), r.filters.clone()));
            prop_assert_eq!(waits, naive.waits.map(|(from, lapses, then)| (from, lapses, filters(then))));
        }
    }
}
