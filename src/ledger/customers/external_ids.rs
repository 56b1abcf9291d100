//! External ids that a merchant's policy makes: each once, also across restarts.

use crate::ledger::Ledger;
use crate::{
    domain::{
        decision::refusal::Refusal,
        events::global_event::GlobalEvent,
        rules::{
            configuration::{Attribute, Merchant},
            registration::Source,
        },
        vocabulary::names::Name,
    },
    storage::encoding,
};
use parking_lot::MutexGuard;
use std::collections::HashMap;

/// How often an external id is made anew because somebody has it already, before the policy is taken to be used up.
const TRIES_MAX: u64 = 10_000;

/// An external id that nobody had when it was made. While it is held nobody else makes one; until it is used, nothing
/// remembers it. Taken before the stripes of identities.
pub(in crate::ledger) struct MadeId<'l> {
    counted: MutexGuard<'l, HashMap<Name, u64>>,
    merchant: Name,
    number: u64,
    pub(in crate::ledger) id: String,
}

impl Ledger {
    /// The next external id for somebody who comes this way without one, where the policy makes one.
    ///
    /// # Errors
    /// The policy's numbers are used up, or the next [`TRIES_MAX`] are somebody's already.
    pub(in crate::ledger) fn make_external_id(
        &self,
        merchant: &Merchant,
        source: Source,
    ) -> Result<Option<MadeId<'_>>, Refusal> {
        let Some(ids) = merchant.registration.external_ids.as_ref().filter(|ids| ids.made_for(source)) else {
            return Ok(None);
        };
        let counted = self.external_ids.lock();
        let made = counted.get(&merchant.id).copied().unwrap_or(0);
        for number in made..made.saturating_add(TRIES_MAX) {
            let refused = |error: crate::domain::rules::external_id::NoExternalId| {
                let reason = format!("cannot be made: {error}");
                Refusal::NotAllowed { field: "external_id", reason }
            };
            let id = ids.nth(number).map_err(refused)?;
            if !self.is_taken(merchant.id, &id) {
                return Ok(Some(MadeId { counted, merchant: merchant.id, number, id }));
            }
        }
        let reason = format!("cannot be made: the next {TRIES_MAX} are somebody's already");
        Err(Refusal::NotAllowed { field: "external_id", reason })
    }

    /// Whether somebody has an external id.
    pub(in crate::ledger) fn is_taken(&self, merchant: Name, id: &str) -> bool {
        !self.identities.first_having(merchant, Attribute::ExternalId, id).is_empty()
    }

    /// Records that an id was made, before anybody has it: after a crash it may lie idle, and never comes twice.
    pub(in crate::ledger) fn use_external_id(&self, mut made: MadeId<'_>) {
        made.counted.insert(made.merchant, made.number + 1);
        let mut body = Vec::with_capacity(64);
        encoding::encode_common(&GlobalEvent::Counted { merchant: made.merchant, made: made.number + 1 }, &mut body);
        self.journal.append(0, &body);
    }

    /// How many external ids were made, by merchant.
    pub(in crate::ledger) fn counted(&self) -> Vec<(Name, u64)> {
        let mut counted: Vec<(Name, u64)> =
            self.external_ids.lock().iter().map(|(name, made)| (*name, *made)).collect();
        counted.sort_unstable();
        counted
    }
}
