//! The effect of a renamed level on one customer.

use crate::domain::{
    customer::aggregate::{
        customer::{Customer, CustomerState},
        paying::PayingCustomer,
    },
    customer::individual_settings::IndividualSettings,
    usage::{
        contribution::Sums,
        series::{UsageSeries, UsageSeriesKey},
    },
    vocabulary::{direction::Direction, names::Name, time::Millis},
};
impl Customer {
    /// Whether the customer has a stored level, usage or settings under a level name in a direction.
    #[must_use]
    pub fn uses_level(&self, direction: Direction, name: Name) -> bool {
        self.levels[direction as usize] == Some(name)
            || self
                .usage_series()
                .iter()
                .any(|series| (series.key.direction, series.key.level) == (direction, Some(name)))
            || self.profile().is_some_and(|profile| {
                profile.settings.iter().any(|settings| settings.direction == direction && settings.level == name)
            })
    }

    /// Renames the level of a direction in the stored level, the usage and the individual settings. Usage that exists
    /// under the new name is added up; settings that exist under it are replaced.
    ///
    /// Usage series keep their indexes, because summaries refer to them.
    pub fn rename_level(&mut self, direction: Direction, from: Name, to: Name) {
        if from == to {
            return;
        }
        let stored = &mut self.levels[direction as usize];
        if *stored == Some(from) {
            *stored = Some(to);
        }
        if let Some(profile) = &mut self.profile {
            let renamed = |settings: &IndividualSettings| settings.direction == direction && settings.level == from;
            let currencies: Vec<_> = profile
                .settings
                .iter()
                .filter(|settings| renamed(settings))
                .map(|settings| settings.currency)
                .collect();
            profile.settings.retain(|settings| {
                (settings.direction, settings.level) != (direction, to) || !currencies.contains(&settings.currency)
            });
            profile.settings.iter_mut().filter(|settings| renamed(settings)).for_each(|settings| settings.level = to);
        }
        let (now, CustomerState::Paying(paying)) = (self.settled_at, &mut self.0) else { return };
        for place in 0..paying.series.len() {
            let key = paying.series[place].key;
            if (key.direction, key.level) != (direction, Some(from)) {
                continue;
            }
            let renamed = UsageSeriesKey { level: Some(to), ..key };
            match paying.series.iter().position(|series| series.key == renamed) {
                None => paying.series[place].key = renamed,
                Some(other) => paying.join(place, other, now),
            }
        }
    }
}

impl PayingCustomer {
    /// Moves everything from one usage series into another and leaves the first empty.
    fn join(&mut self, from: usize, into: usize, now: Millis) {
        let places = [from, into].map(|place| u16::try_from(place).unwrap_or(u16::MAX));
        let [one, other] = [from, into].map(|place| self.series[place].evicted());
        let evicted = Sums {
            gross: one.gross + other.gross,
            net: one.net + other.net,
            gross_count: one.gross_count + other.gross_count,
            net_count: one.net_count + other.net_count,
        };
        let mut joined = UsageSeries::with_evicted(self.series[into].key, evicted);
        let slots: Vec<u32> = self.summaries.starting_at(0).map(|(slot, _)| slot).collect();
        for slot in slots {
            let Some(mut summary) = self.summaries.get(slot) else { continue };
            if summary.series().is_some_and(|series| places.contains(&series)) {
                summary.set_series(places[1]);
                self.summaries.replace(slot, summary);
                joined.set(summary.at, slot, summary.contribution(now));
            }
        }
        self.series[into] = joined;
        self.series[from] = UsageSeries::new(self.series[from].key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        customer::{change::CustomerChange, individual_settings::IndividualSettings},
        events::customer_event::{CustomerEvent, RecordPosition},
        transaction::{
            log_offset::LogOffset,
            outcome::TransactionOutcome,
            status::{Flags, Status},
            summary::TransactionSummary,
        },
        usage::contribution::Contribution,
        vocabulary::{calendar::TimeRange, money::Currency},
    };

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn key(direction: Direction, level: &str) -> UsageSeriesKey {
        UsageSeriesKey { direction, currency: Currency::parse("EUR").unwrap(), level: Some(name(level)) }
    }

    /// Adds a payment under a level.
    fn pay(customer: &mut Customer, at: i64, key: UsageSeriesKey, amount: u64) {
        let (slot, series) = (customer.summaries().next_slot(), customer.series_index(key));
        let counts = Contribution::of_amount(amount);
        let (status, flags) = (Status::Approved, Flags::default());
        let outcome =
            TransactionOutcome { status, counts, held_amount: 0, counts_after_hold: true, hold_until: None, flags };
        customer.restore_summary(slot, TransactionSummary::new(Millis(at), Some(series), 1, LogOffset(0), &outcome));
    }

    fn used(customer: &Customer, key: UsageSeriesKey, from: i64) -> (u128, u64) {
        let range = TimeRange { from, to: i64::MAX };
        let series = customer.usage_series().iter().find(|series| series.key == key);
        series.map_or((0, 0), |series| series.used(range, true))
    }

    #[test]
    fn a_level_rename_moves_usage_stored_names_and_settings() {
        let (gold, best) = (key(Direction::Deposit, "gold"), key(Direction::Deposit, "best"));
        let out = key(Direction::Withdrawal, "gold");
        for has_been_there in [false, true] {
            let mut customer = Customer::new(1_000_001, name("m"), None, Millis(0));
            customer.expire_holds(Millis(10_000));
            for at in 0..100 {
                pay(&mut customer, at, gold, 1);
                pay(&mut customer, at, out, 7);
                if has_been_there {
                    pay(&mut customer, at, best, 100);
                }
            }
            customer.evict(Millis(40), usize::MAX, |_| true);
            let settings = |level, global_max| IndividualSettings {
                direction: Direction::Deposit,
                currency: gold.currency,
                level: name(level),
                methods: Vec::new(),
                global_min: None,
                global_max,
            };
            let events = [
                CustomerEvent::LevelSet {
                    direction: Direction::Deposit,
                    level: Some(name("gold")),
                    drops_settings: false,
                    at: Millis(1),
                },
                CustomerEvent::LevelSet {
                    direction: Direction::Withdrawal,
                    level: Some(name("gold")),
                    drops_settings: false,
                    at: Millis(1),
                },
                CustomerEvent::CustomerChanged(CustomerChange::Settings(settings("gold", Some(5)))),
                CustomerEvent::CustomerChanged(CustomerChange::Settings(settings("best", Some(6)))),
            ];
            let recorded = RecordPosition { number: 1, offset: LogOffset(0), key: 0 };
            events.iter().for_each(|event| customer.apply(recorded, event));
            assert!(customer.uses_level(Direction::Deposit, name("gold")));
            customer.rename_level(Direction::Deposit, name("gold"), name("best"));
            // A repetition changes nothing, as recovery may apply it twice.
            customer.rename_level(Direction::Deposit, name("gold"), name("best"));
            assert_eq!(customer.levels, [Some(name("best")), Some(name("gold"))]);
            let each = if has_been_there { 101 } else { 1 };
            let many = if has_been_there { 2 } else { 1 };
            assert_eq!(used(&customer, best, i64::MIN), (100 * each, 100 * many));
            assert_eq!(used(&customer, best, 50), (50 * each, 50 * many), "each at its time");
            assert_eq!(used(&customer, gold, i64::MIN), (0, 0));
            assert_eq!(used(&customer, out, i64::MIN), (700, 100), "the other direction is unchanged");
            assert_eq!(customer.settings_for(best.direction, best.currency, name("best")).unwrap().global_max, Some(5));
            assert!(customer.settings_for(best.direction, best.currency, name("gold")).is_none());
            assert!(has_been_there || !customer.uses_level(Direction::Deposit, name("gold")));
            // A later change of a payment still counts in its series.
            let all = customer.usage_series_at(Millis(10_000));
            assert!(all.iter().zip(customer.usage_series()).all(|(then, now)| then.total() == now.total()));
            pay(&mut customer, 200, gold, 3);
            assert_eq!(used(&customer, gold, i64::MIN), (3, 1), "a level of the old name starts empty");
        }
    }
}
