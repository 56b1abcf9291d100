//! Counts the customers of a merchant and of a level.

use crate::domain::{
    customer::status::CustomerStatus,
    rules::level::LevelKey,
    vocabulary::{names::Name, words::Word},
};
use crate::ledger::{
    index::{customer_numbers::FIRST_CUSTOMER, search_index::SearchKey, sharding::SHARDS},
    state::ledger::Ledger,
};
use crate::scheduling::give_way;

/// The customers of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelCounts {
    /// Customers whose stored level of the direction has the name.
    pub customers: u64,
    /// Customers with individual settings for the direction, currency and level.
    pub individual_settings: u64,
}

impl Ledger {
    /// Counts the customers of a merchant, by the index of their status.
    #[must_use]
    pub fn count_customers(&self, merchant: Name) -> u64 {
        CustomerStatus::WORDS.iter().map(|(_, status)| self.search.count(merchant, SearchKey::Status(*status))).sum()
    }

    /// Counts the customers of a level. It visits all customers, and locks one shard at a time.
    #[must_use]
    pub fn count_level(&self, key: LevelKey) -> LevelCounts {
        let LevelKey { merchant, direction, currency, name } = key;
        let customers = self.search.count(merchant, SearchKey::Level(direction, Some(name)));
        let mut individual_settings = 0;
        for shard in 0..SHARDS {
            give_way();
            let shard = self.customers.shard(shard);
            let with_settings = shard.values().filter(|customer| {
                customer.number() >= FIRST_CUSTOMER
                    && customer.merchant == merchant
                    && customer.merged_into().is_none()
                    && customer.settings_for(direction, currency, name).is_some()
            });
            individual_settings += with_settings.count() as u64;
        }
        LevelCounts { customers, individual_settings }
    }
}
