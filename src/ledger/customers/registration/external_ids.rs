//! External ids that a merchant's policy generates. Each is generated once, also across restarts.

use crate::ledger::state::ledger::Ledger;
use crate::{
    domain::{
        events::global_event::GlobalEvent,
        request::refusal::Refusal,
        rules::{
            merchant::Merchant,
            registration::{external_id::ExternalIdError, identifier::RegistrationSource},
        },
        vocabulary::{attributes::Attribute, names::Name},
    },
    storage::encoding,
};
use parking_lot::MutexGuard;
use std::collections::HashMap;

/// How many generated ids may be in use already before generation is refused.
const TRIES_MAX: u64 = 10_000;

/// A generated external id that was free when it was generated. It holds the lock of the counters, so that no other
/// thread generates ids; the counter changes only when the id is used. It is taken before the stripes of identities.
pub(in crate::ledger) struct GeneratedId<'l> {
    counters: MutexGuard<'l, HashMap<Name, u64>>,
    merchant: Name,
    number: u64,
    pub(in crate::ledger) id: String,
}

impl Ledger {
    /// Generates the next external id for a new customer, where the policy generates ids for this source.
    ///
    /// # Errors
    /// The policy's numbers are used up, or the next [`TRIES_MAX`] ids are in use.
    pub(in crate::ledger) fn generate_external_id(
        &self,
        merchant: &Merchant,
        source: RegistrationSource,
    ) -> Result<Option<GeneratedId<'_>>, Refusal> {
        let Some(ids) = merchant.registration.external_ids.as_ref().filter(|ids| ids.covers_source(source)) else {
            return Ok(None);
        };
        let counters = self.external_ids.lock();
        let first = counters.get(&merchant.id).copied().unwrap_or(0);
        for number in first..first.saturating_add(TRIES_MAX) {
            let refused = |error: ExternalIdError| {
                let reason = format!("cannot be generated: {error}");
                Refusal::NotAllowed { field: "external_id", reason }
            };
            let id = ids.nth(number).map_err(refused)?;
            if !self.is_external_id_taken(merchant.id, &id) {
                return Ok(Some(GeneratedId { counters, merchant: merchant.id, number, id }));
            }
        }
        let reason = format!("cannot be generated: the next {TRIES_MAX} ids are in use");
        Err(Refusal::NotAllowed { field: "external_id", reason })
    }

    /// Whether a customer of the merchant has an external id.
    pub(in crate::ledger) fn is_external_id_taken(&self, merchant: Name, id: &str) -> bool {
        !self.identities.first_two_with(merchant, Attribute::ExternalId, id).is_empty()
    }

    /// Records that an id is used, before a customer gets it. After a crash it may be unused; it is never generated twice.
    pub(in crate::ledger) fn use_external_id(&self, mut generated: GeneratedId<'_>) {
        let (merchant, made) = (generated.merchant, generated.number + 1);
        generated.counters.insert(merchant, made);
        let mut body = Vec::with_capacity(64);
        encoding::encode_global(&GlobalEvent::ExternalIdsGenerated { merchant, made }, &mut body);
        self.journal.append_unaudited(0, &body);
    }

    /// The number of generated external ids, by merchant.
    pub(in crate::ledger) fn generated_id_counts(&self) -> Vec<(Name, u64)> {
        let mut counts: Vec<(Name, u64)> =
            self.external_ids.lock().iter().map(|(name, count)| (*name, *count)).collect();
        counts.sort_unstable();
        counts
    }
}
