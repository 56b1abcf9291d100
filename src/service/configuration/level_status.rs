//! The status of a level: who has it, and where it comes from.

use crate::{
    domain::{
        rules::{level::LevelKey, merchant::Merchant, provenance::Provenance},
        vocabulary::{money::Currency, names::UNKNOWN_LEVEL},
    },
    service::{
        documents::{as_text::AsText, configuration::provenance::ProvenanceDocument},
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use serde::Serialize;

#[derive(Serialize)]
struct LevelStatusDocument {
    name: &'static str,
    direction: &'static str,
    currency: AsText<Currency>,
    status: &'static str,
    is_configured: bool,
    customers: u64,
    individual_settings: u64,
    #[serde(flatten)]
    provenance: ProvenanceDocument,
}

impl PaymentService {
    /// The status of a level. It visits all customers of the merchant.
    ///
    /// # Errors
    /// There is no such level.
    pub(crate) fn level_status(&self, merchant: &Merchant, key: LevelKey) -> Answered {
        let LevelKey { direction, currency, name, .. } = key;
        let configured = merchant.level(direction, currency, name);
        let made = || {
            let mut made = self.ledger.made_levels(merchant.id).into_iter();
            made.find(|made| (made.direction, made.currency, made.name) == (direction, currency, name))
        };
        let (is_active, provenance) = match configured {
            Some(level) => (level.active, ProvenanceDocument::of(&level.known)),
            None => match made() {
                Some(made) => (true, ProvenanceDocument::of(&Provenance::made_at(made.created))),
                // The level `unknown` always exists, with or without settings.
                None if name.as_str() == UNKNOWN_LEVEL => (true, ProvenanceDocument::default()),
                None => return Err(self.unknown_level(merchant, &key).into()),
            },
        };
        let counts = self.ledger.count_level(key);
        Ok(Reply::new(&LevelStatusDocument {
            name: name.as_str(),
            direction: direction.word(),
            currency: AsText(currency),
            status: if is_active { "active" } else { "disabled" },
            is_configured: configured.is_some(),
            customers: counts.customers,
            individual_settings: counts.individual_settings,
            provenance,
        }))
    }
}
