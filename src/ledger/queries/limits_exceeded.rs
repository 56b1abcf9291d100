//! Questions about all customers of a level: how many there are, and how many are above a limit.

use crate::domain::{
    decision::{
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
        names::{Name, UNKNOWN_LEVEL},
        time::Millis,
    },
};
use crate::ledger::{
    index::search_index::{SearchKey, SearchQuery},
    state::{ledger::Ledger, merge_group::MergeGroup},
};

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

/// A question with what it refers to.
struct Asked<'a> {
    rules: &'a Rules,
    merchant: &'a Merchant,
    level: &'a Level,
    filter: &'a Filter,
    question: &'a LimitQuestion,
}

impl Ledger {
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
        let LevelKey { merchant, direction, currency, name } = question.level;
        let merchant = &**rules.merchant(merchant.as_str())?;
        let level = merchant.level(direction, currency, name)?;
        let filter = level.filters.iter().find(|filter| filter.name == question.filter)?;
        let asked = Asked { rules, merchant, level, filter, question };
        // Customers without a stored level get the level `unknown`.
        let is_default = name.as_str() == UNKNOWN_LEVEL && merchant.default_behaviour == DefaultBehaviour::UnknownLevel;
        let stored = [Some(name)].into_iter().chain(is_default.then_some(None));
        let keys: Vec<SearchKey> = stored.map(|level| SearchKey::Level(direction, level)).collect();
        let customers: u64 = keys.iter().map(|key| self.search.count(merchant.id, *key)).sum();
        *visits_left = visits_left.checked_sub(customers)?;
        Some(keys.iter().map(|key| self.count_above(&asked, *key, now)).sum())
    }

    fn count_above(&self, asked: &Asked<'_>, key: SearchKey, now: Millis) -> u64 {
        let (mut above, mut after) = (0, None);
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
            let page = self.search.candidates(asked.merchant.id, &query);
            let Some(last) = page.last() else { return above };
            after = Some(*last);
            for number in page {
                let mut locked = self.lock_merge_group(u64::from(number));
                let members = locked.members().filter(|members| members.head.number() == u64::from(number));
                above += u64::from(members.is_some_and(|mut group| self.is_above(asked, &mut group, now)));
            }
        }
    }

    fn is_above(&self, asked: &Asked<'_>, merge_group: &mut MergeGroup<'_>, now: Millis) -> bool {
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
        let gauges = measure.read_gauges(now, false);
        gauges.iter().filter(|gauge| gauge.filter.name == filter.name).any(|gauge| {
            let amount = gauge.amount_used().and_then(Result::ok);
            let by_amount = filter.amount_limit.zip(amount).is_some_and(|(limit, used)| used > u128::from(limit));
            let by_quantity = filter.quantity_limit.is_some_and(|limit| gauge.quantity_used > limit);
            (question.by_amount && by_amount) || (question.by_quantity && by_quantity)
        })
    }
}
