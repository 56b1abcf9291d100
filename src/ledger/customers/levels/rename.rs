//! Renames of levels: stored names, usage, settings, and transactions in the journal.
//!
//! A rename is one record, which every customer of the merchant applies: all are renamed or none. The rules and the
//! customers change together under [`RenameLock`](crate::ledger::state::rename_lock::RenameLock), which operations on
//! payments hold shared before they read the rules. No payment is therefore decided with rules and usage that use
//! different names. The pause is one pass over the customers in memory.

use crate::ledger::{
    index::customer_numbers::FIRST_CUSTOMER,
    state::{ledger::Ledger, level_renames::LevelRename},
};
use crate::{domain::events::global_event::GlobalEvent, storage::journal::Lsn};

impl Ledger {
    /// Renames a level and everything that is stored under its name. `overrides` are recorded in the same step; `swap` puts
    /// the rules with the new name in force. Returns the number of customers that had data under the old name, and the LSN
    /// that the rename depends on.
    ///
    /// Operations on payments wait during one pass over the customers. The rename itself waits for a running snapshot.
    pub fn rename_level(
        &self,
        rename: &GlobalEvent,
        overrides: &[GlobalEvent],
        swap: &mut dyn FnMut(),
    ) -> (usize, Lsn) {
        let GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } = *rename else {
            return (0, self.record_overrides(overrides));
        };
        let _no_snapshot = self.snapshot_lock.lock();
        let _exclusive = self.rename_lock.write();
        let mut shards = self.customers.all_shards();
        let appended = self.made_levels.record_rename(rename, overrides, &self.journal);
        self.level_renames.add(LevelRename { merchant, direction, from, to, offset: appended.offset });
        let mut renamed = 0;
        for customer in shards.iter_mut().flat_map(|shard| shard.values_mut()) {
            let is_of_merchant = customer.number() >= FIRST_CUSTOMER && customer.merchant == merchant;
            if is_of_merchant && customer.uses_level(direction, from) {
                let old = self.search_keys(customer);
                customer.rename_level(direction, from, to);
                customer.applied = customer.applied.max(appended.lsn.0);
                self.update_search_index(customer, old.as_ref());
                renamed += 1;
            }
        }
        swap();
        drop(shards);
        // Cached transactions contain the old name. Stripes come before shards in the lock order, so they are cleared after
        // the shards are released; no operation reads them before `_exclusive` is dropped.
        self.id_stripes.for_each(|stripe| stripe.cached = None);
        (renamed, appended.lsn)
    }
}
