//! Questions about all customers of a level: how many there are, and how many are above a limit.

use crate::domain::{
    decision::{
        explanation::{LimitExplained, explain},
        gauge::Gauge,
        level_choice::EffectiveLevel,
        usage_meter::{OwnTerms, UsageMeter},
    },
    rules::{
        configuration::Rules,
        filter::Filter,
        level::{Level, LevelKey},
        merchant::{DefaultBehaviour, Merchant},
    },
    transaction::opening::LevelSource,
    usage::series_set::UsageSeriesSet,
    vocabulary::{
        calendar::LocalTime,
        direction::Direction,
        names::{Name, UNKNOWN_LEVEL},
        time::Millis,
    },
};
use crate::ledger::{
    index::search_index::{SearchKey, SearchQuery},
    state::{ledger::Ledger, merge_group::MergeGroup},
};
use crate::scheduling::give_way;

use std::ops::ControlFlow;

/// How many customers are listed at a time.
const PAGE: usize = 1_000;

/// A question about a limit of a level.
#[derive(Debug, Clone, Copy)]
pub struct LimitQuestion {
    /// The level.
    pub level: LevelKey,
    /// The name of the filter.
    pub filter: Name,
    /// Whether the sum of amounts is compared.
    pub by_amount: bool,
    /// Whether the number of transactions is compared.
    pub by_quantity: bool,
}

/// A customer above a limit.
#[derive(Debug, Clone)]
pub struct CustomerAbove {
    /// The number of the customer.
    pub customer: u64,
    /// The filter with the customer's usage.
    pub limit: LimitExplained,
}

/// A position in the list of customers above a limit: those with the stored level come before those without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AbovePosition {
    /// Whether it is among the customers without a stored level.
    pub is_without_level: bool,
    /// After the customer of this number; `None`: at the begin.
    pub after: Option<u32>,
}

/// A page of customers above a limit.
#[derive(Debug, Clone, Default)]
pub struct AbovePage {
    /// In the order of their numbers.
    pub customers: Vec<CustomerAbove>,
    /// Where the next page begins; `None`: this is the last page.
    pub next: Option<AbovePosition>,
    /// How many customers were read.
    pub read: u64,
}

/// The bounds of a page.
#[derive(Debug, Clone, Copy)]
pub struct AboveBounds {
    /// Where it begins.
    pub position: AbovePosition,
    /// The most customers on it.
    pub limit: usize,
    /// The most customers that are read for it. A page with few matches ends there, and the next one continues.
    pub reads_max: u64,
}

/// A question with what it refers to.
struct Asked<'a> {
    rules: &'a Rules,
    merchant: &'a Merchant,
    level: &'a Level,
    filter: &'a Filter,
    question: &'a LimitQuestion,
}

impl<'a> Asked<'a> {
    /// `None`: the rules have no such limit.
    fn of(rules: &'a Rules, question: &'a LimitQuestion) -> Option<Self> {
        let LevelKey { merchant, direction, currency, name } = question.level;
        let merchant = &**rules.merchant(merchant.as_str())?;
        let level = merchant.level(direction, currency, name)?;
        let filter = level.filters.iter().find(|filter| filter.name == question.filter)?;
        Some(Self { rules, merchant, level, filter, question })
    }

    /// The index keys of the customers whose payments the level decides.
    fn keys(&self) -> Vec<SearchKey> {
        decided_by(self.merchant, self.level.direction, self.level.name)
    }
}

/// The index keys of the customers whose payments a level decides. Customers without a stored level get the level `unknown`.
fn decided_by(merchant: &Merchant, direction: Direction, name: Name) -> Vec<SearchKey> {
    let is_default = name.as_str() == UNKNOWN_LEVEL && merchant.default_behaviour == DefaultBehaviour::UnknownLevel;
    let stored = [Some(name)].into_iter().chain(is_default.then_some(None));
    stored.map(|level| SearchKey::Level(direction, level)).collect()
}

impl Ledger {
    /// The number of customers whose payments a level decides.
    #[must_use]
    pub fn customers_decided_by(&self, merchant: &Merchant, level: &LevelKey) -> u64 {
        let keys = decided_by(merchant, level.direction, level.name);
        keys.iter().map(|key| self.search.count(merchant.id, *key)).sum()
    }

    /// The number of customers with a stored level.
    #[must_use]
    pub fn customers_with_level(&self, level: &LevelKey) -> u64 {
        self.search.count(level.merchant, SearchKey::Level(level.direction, Some(level.name)))
    }

    /// The number of customers with a level whose usage is above a limit of it. Each is read under its own lock. `None`:
    /// the rules have no such limit, or more customers than `visits_left` have the level; it is reduced by the customers
    /// that were read.
    #[must_use]
    pub fn customers_above(
        &self,
        rules: &Rules,
        question: &LimitQuestion,
        now: Millis,
        visits_left: &mut u64,
    ) -> Option<u64> {
        let asked = Asked::of(rules, question)?;
        let (merchant, keys) = (asked.merchant, asked.keys());
        let customers: u64 = keys.iter().map(|key| self.search.count(merchant.id, *key)).sum();
        *visits_left = visits_left.checked_sub(customers)?;
        Some(keys.iter().map(|key| self.count_above(&asked, *key, now)).sum())
    }

    /// A page of the customers who are above a limit of a level. Each is read under its own lock. `None`: the rules have no
    /// such limit.
    #[must_use]
    pub fn list_above(
        &self,
        rules: &Rules,
        question: &LimitQuestion,
        now: Millis,
        bounds: AboveBounds,
    ) -> Option<AbovePage> {
        let asked = Asked::of(rules, question)?;
        let mut page = AbovePage::default();
        let AbovePosition { is_without_level, mut after } = bounds.position;
        for key in asked.keys().into_iter().skip(usize::from(is_without_level)) {
            let is_without_level = matches!(key, SearchKey::Level(_, None));
            let read = self.each_with_level(&asked, key, (after, now), &mut |number, limit| {
                page.read += 1;
                page.customers.extend(limit.map(|limit| CustomerAbove { customer: u64::from(number), limit }));
                if page.customers.len() < bounds.limit && page.read < bounds.reads_max {
                    return ControlFlow::Continue(());
                }
                page.next = Some(AbovePosition { is_without_level, after: Some(number) });
                ControlFlow::Break(())
            });
            if read.is_break() {
                break;
            }
            after = None;
        }
        Some(page)
    }

    fn count_above(&self, asked: &Asked<'_>, key: SearchKey, now: Millis) -> u64 {
        let mut above = 0;
        let counted = self.each_with_level(asked, key, (None, now), &mut |_, limit| {
            above += u64::from(limit.is_some());
            ControlFlow::Continue(())
        });
        debug_assert!(counted.is_continue(), "all customers are read");
        above
    }

    /// Calls `show` with the customers of an index key after a number, in the order of their numbers, and with the filter
    /// where its usage is above a limit, until it breaks. Each customer is read under its own lock.
    fn each_with_level(
        &self,
        asked: &Asked<'_>,
        key: SearchKey,
        (mut after, now): (Option<u32>, Millis),
        show: &mut dyn FnMut(u32, Option<LimitExplained>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let month = LocalTime { calendar: &asked.merchant.calendar, now }.month();
        loop {
            let query = SearchQuery {
                keys: &[key],
                within: &[],
                month,
                created_from: None,
                created_to: None,
                after,
                descending: false,
                limit: PAGE,
            };
            let candidates = self.search.candidates(asked.merchant.id, &query);
            if candidates.is_empty() {
                return ControlFlow::Continue(());
            }
            for number in candidates {
                after = Some(number);
                let mut locked = self.lock_merge_group(u64::from(number));
                let members = locked.members().filter(|members| members.head.number() == u64::from(number));
                let limit = members.and_then(|mut group| self.limit_above(asked, &mut group, now));
                drop(locked);
                show(number, limit)?;
                give_way();
            }
        }
    }

    /// The usage of the filter, where it is above a limit.
    fn limit_above(&self, asked: &Asked<'_>, merge_group: &mut MergeGroup<'_>, now: Millis) -> Option<LimitExplained> {
        let now = self.settle_group(merge_group, now);
        let (others, customer) = (merge_group.other_usage(), &*merge_group.head);
        let Asked { rules, merchant, level, filter, question } = *asked;
        let measure = UsageMeter {
            rules,
            merchant,
            usage: UsageSeriesSet::new(customer.usage_series(), &others),
            direction: level.direction,
            currency: level.currency,
            level: EffectiveLevel { name: Some(level.name), source: LevelSource::Stored, level: Some(level) },
            own: OwnTerms { limits: None, rates: customer.rates() },
            now,
            counts_future: true,
        };
        let mut gauges = measure.read_gauges(now, false);
        let is_above = |gauge: &Gauge<'_>| {
            let amount = gauge.amount_used().and_then(Result::ok);
            let by_amount = filter.amount_limit.zip(amount).is_some_and(|(limit, used)| used > u128::from(limit));
            let by_quantity = filter.quantity_limit.is_some_and(|limit| gauge.quantity_used > limit);
            (question.by_amount && by_amount) || (question.by_quantity && by_quantity)
        };
        gauges.retain(|gauge| gauge.filter.name == filter.name && is_above(gauge));
        if gauges.is_empty() {
            return None;
        }
        explain(&measure, &gauges, None, now).into_iter().next()
    }
}
