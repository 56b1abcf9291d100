//! The status of a level: who has it, who is above its limits, what is probably wrong with it, and where it comes from.

use crate::{
    config::{
        body,
        lint::request,
        schema::{
            texts::{NameText, SentenceText},
            words::WordOf,
        },
    },
    domain::{
        rules::{
            configuration::Rules,
            filter::FilterMode,
            level::{Level, LevelKey},
            merchant::Merchant,
            provenance::Provenance,
        },
        vocabulary::{
            direction::Direction,
            money::Currency,
            names::{Name, UNKNOWN_LEVEL},
        },
    },
    ledger::LimitQuestion,
    service::{
        documents::{
            as_text::AsText,
            configuration::{level::LevelDocument, provenance::ProvenanceDocument},
        },
        payments::PaymentService,
        reply::{Answered, Reply},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

/// The status of a level.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LevelStatus")]
pub(crate) struct LevelStatusDocument {
    /// The name of the level.
    #[schemars(with = "NameText")]
    name: &'static str,
    /// The direction of payments.
    #[schemars(with = "WordOf<Direction>")]
    direction: &'static str,
    /// The currency of payments.
    currency: AsText<Currency>,
    /// Whether the level applies to payments.
    #[schemars(extend("enum" = ["active", "disabled"]))]
    status: &'static str,
    /// `false`: a payment named it, and it has no settings.
    is_configured: bool,
    /// The customers whose stored level it is.
    customers: u64,
    /// The customers with individual settings for it.
    individual_settings: u64,
    /// The customers above its limits now.
    above_limits: AboveLimits,
    /// What is valid and probably a mistake.
    #[schemars(with = "Vec<SentenceText>")]
    warnings: Vec<String>,
    /// Where it comes from.
    #[serde(flatten)]
    provenance: ProvenanceDocument,
}

/// The customers above the limits of a level now.
#[derive(Serialize, JsonSchema)]
struct AboveLimits {
    /// The counts for each filter that is not `off`.
    filters: Vec<FilterExceeded>,
    /// How often a customer was read for the counts.
    customers_read: u64,
    /// The most such reads of one answer.
    customers_read_max: u64,
}

/// The customers above a limit of one filter.
#[derive(Serialize, JsonSchema)]
struct FilterExceeded {
    /// The name of the filter.
    #[schemars(with = "NameText")]
    filter: &'static str,
    /// Whether the filter denies payments.
    #[schemars(with = "WordOf<FilterMode>")]
    mode: &'static str,
    /// How many customers with this stored level are above it. `null`: counting them would read more than
    /// `customers_read_max` customers.
    customers: Option<u64>,
}

/// The most customers that one answer reads to count those above a limit.
const READS_MAX: u64 = 100_000;

impl PaymentService {
    /// The status of a level. It visits all customers of the merchant, and reads the usage of those with the level once for
    /// each filter. `shows_name` selects the token that the document names.
    ///
    /// # Errors
    /// There is no such level.
    pub(crate) fn level_status(
        &self,
        (rules, merchant): (&Rules, &Merchant),
        key: LevelKey,
        shows_name: &dyn Fn(Name) -> bool,
    ) -> Answered {
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
            above_limits: self.above_limits(rules, configured, key),
            warnings: self.level_warnings(rules, merchant, key),
            provenance: provenance.with_shown_author(shows_name),
        }))
    }

    /// Counts the customers above a limit of each filter, until the next filter would exceed the reads of one answer.
    fn above_limits(&self, rules: &Rules, level: Option<&Level>, key: LevelKey) -> AboveLimits {
        let now = self.time().unwrap_or_else(|_| self.clock.recording_time());
        let mut reads_left = READS_MAX;
        let evaluated =
            level.into_iter().flat_map(|level| &level.filters).filter(|filter| filter.mode != FilterMode::Off);
        let filters = evaluated.map(|filter| {
            let question = LimitQuestion { level: key, filter: filter.name, by_amount: true, by_quantity: true };
            FilterExceeded {
                filter: filter.name.as_str(),
                mode: filter.mode.word(),
                customers: self.ledger.customers_above(rules, &question, now, &mut reads_left),
            }
        });
        let filters = filters.collect();
        AboveLimits { filters, customers_read: READS_MAX - reads_left, customers_read_max: READS_MAX }
    }

    /// The warnings about a configured level: those that a PUT of its document has.
    fn level_warnings(&self, rules: &Rules, merchant: &Merchant, key: LevelKey) -> Vec<String> {
        let LevelKey { direction, currency, name, .. } = key;
        let Some(level) = merchant.level(direction, currency, name) else { return Vec::new() };
        let document = serde_json::to_vec(&LevelDocument::of(rules, merchant, level)).unwrap_or_default();
        let body = body::level(&document, &key, merchant, &rules.currencies, false);
        body.map_or_else(|_| Vec::new(), |body| request::level_warnings(body, merchant, rules))
    }
}
