//! The losses of a configuration that are refused.
//!
//! A file that was cut, a folder that was emptied and a link that leads nowhere parse as a smaller configuration. So a
//! configuration is compared with the one before it. A merchant with customers or transactions is removed only by
//! `removed = true` in its file; the last tokens, levels, filters and projects only by an empty list that is written out.
//! Such a merchant does not become a test merchant, and a test merchant does not become a real one.
//! A start, a reload and `levelgate check` use this code.

use crate::config::{
    load::Loaded,
    report::problem::{Problem, Severity},
};
use crate::domain::{
    events::overrides::Overrides,
    rules::{
        configuration::Rules,
        filter::{Filter, FilterMode, FilterScope},
        merchant::Merchant,
        provenance::Origin,
    },
    vocabulary::{
        money::{Currencies, Currency},
        names::Name,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// When a configuration is put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// At a start.
    Start,
    /// In a running daemon, which refuses every call once its last token is gone.
    Reload,
}

/// A merchant that was in force before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PriorMerchant {
    /// Whether it has customers or transactions.
    pub has_state: bool,
    /// How many projects its file had.
    pub projects: usize,
    /// How many levels its file had.
    pub levels: usize,
    /// How many filters the levels of its file had.
    pub filters: usize,
    /// Whether it was a test merchant; `None`: it is not known.
    pub sandbox: Option<bool>,
}

/// The parts of the configuration in force before that a new one must not lose silently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriorConfiguration {
    /// The number of tokens and of certificates.
    pub tokens: usize,
    /// Whether the rates in force came from `rates.toml`.
    pub has_file_rates: bool,
    /// The minor units of the currencies of recorded amounts.
    pub minor_units: BTreeMap<Currency, u8>,
    /// The minor units of every currency that the configuration knew. A currency that is recorded later has these.
    pub configured_minor_units: BTreeMap<Currency, u8>,
    /// The merchants, and those with customers or transactions that are in no file.
    pub merchants: BTreeMap<Name, PriorMerchant>,
}

/// The parts that only the state of the daemon shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedState {
    /// The merchants with customers or transactions.
    pub merchants: BTreeSet<Name>,
    /// The currencies of recorded amounts.
    pub currencies: BTreeSet<Currency>,
}

impl PriorConfiguration {
    /// Files in force, the rules that are made of them, and the state.
    #[must_use]
    pub fn new(files: &Loaded, rules: &Rules, state: &RecordedState) -> Self {
        let merchant = |merchant: &Merchant| PriorMerchant {
            has_state: false,
            projects: merchant.projects.len(),
            levels: merchant.levels.len(),
            filters: merchant.levels.iter().map(|level| level.filters.len()).sum(),
            sandbox: Some(merchant.sandbox),
        };
        let merchants = files.rules.merchants.values().map(|known| (known.id, merchant(known))).collect();
        let mut prior = Self {
            tokens: files.settings.auth.entries(),
            has_file_rates: rules.rates.base.is_some() && rules.rates.known.origin == Origin::File,
            minor_units: BTreeMap::new(),
            configured_minor_units: configured_minor_units(&rules.currencies),
            merchants,
        };
        prior.set_state(state);
        prior
    }

    /// Adds whether merchants that are in no file were test merchants, as an earlier configuration knew it. So a merchant that
    /// is removed and added again remains what it was.
    pub fn add_sandboxes_of(&mut self, earlier: &Self) {
        for (id, merchant) in &mut self.merchants {
            merchant.sandbox = merchant.sandbox.or_else(|| earlier.merchants.get(id)?.sandbox);
        }
    }

    /// Adds whether merchants were test merchants, as the journal contains it: a folder that was restored from Redis has no
    /// other memory of it.
    pub fn add_recorded_sandboxes(&mut self, overrides: &Overrides) {
        for (id, merchant) in &mut self.merchants {
            merchant.sandbox = merchant.sandbox.or_else(|| Some(overrides.merchant_file(*id)?.is_sandbox));
        }
    }

    /// Replaces what is known of customers and transactions. A currency that is recorded since has the minor units of the
    /// configuration in force at that time.
    pub fn set_state(&mut self, state: &RecordedState) {
        self.merchants.values_mut().for_each(|merchant| merchant.has_state = false);
        for id in &state.merchants {
            self.merchants.entry(*id).or_default().has_state = true;
        }
        for currency in &state.currencies {
            if let Some(units) = self.configured_minor_units.get(currency) {
                self.minor_units.entry(*currency).or_insert(*units);
            }
        }
    }
}

/// The minor units of every currency.
#[must_use]
pub fn configured_minor_units(currencies: &Currencies) -> BTreeMap<Currency, u8> {
    Currency::every().filter_map(|currency| Some((currency, currencies.minor_units(currency)?))).collect()
}

/// The losses of a configuration, compared with the one before it. Each is an error with its remedy.
#[must_use]
pub fn losses(prior: &PriorConfiguration, next: &Loaded, occasion: Occasion) -> Vec<Problem> {
    let mut losses = Losses { next, found: Vec::new() };
    losses.tokens(prior, occasion);
    losses.minor_units(prior);
    losses.merchants(prior);
    for (id, before) in prior.merchants.iter().filter(|(_, merchant)| merchant.has_state) {
        if let Some(merchant) = next.rules.merchant(id.as_str()) {
            losses.parts_of_merchant(merchant, before);
            losses.sandbox(merchant, before);
        }
    }
    losses.rates(prior);
    losses.found
}

/// The loss of a folder that defines no merchant; `None`: there was no merchant before.
#[must_use]
pub fn loss_of_merchants(prior: &PriorConfiguration, folder: &Path) -> Option<Problem> {
    if prior.merchants.is_empty() {
        return None;
    }
    let ids: Vec<&str> = prior.merchants.keys().take(5).map(|id| id.as_str()).collect();
    let more = if prior.merchants.len() > ids.len() { ", ..." } else { "" };
    let before = counted(prior.merchants.len(), "merchant");
    let message = format!("there are no merchants, and there were {before} before: {}{more}", ids.join(", "));
    let help = "restore merchants/*.toml; if a merchant is to go, write a file with its id and removed = true";
    Some(Problem::of_file(Severity::Error, folder.join("merchants").display().to_string(), message, help))
}

struct Losses<'a> {
    next: &'a Loaded,
    found: Vec<Problem>,
}

impl Losses<'_> {
    fn add(&mut self, file: String, message: String, help: &str) {
        self.found.push(Problem::of_file(Severity::Error, file, message, help));
    }

    fn path(&self, name: &str) -> String {
        self.next.folder.join(name).display().to_string()
    }

    fn tokens(&mut self, prior: &PriorConfiguration, occasion: Occasion) {
        let statements = &self.next.statements;
        if prior.tokens == 0 || self.next.settings.auth.entries() > 0 {
            return;
        }
        let tokens = counted(prior.tokens, "token");
        let file = self.path("levelgate.toml");
        if !statements.has_daemon_file {
            let message = format!("the file is missing, and the configuration before it had {tokens}");
            let help = "restore the file; if calls are to need no token, write a file with `tokens = []` under [auth]";
            self.add(file, message, help);
        } else if occasion == Occasion::Start && !statements.has_no_tokens {
            let message = format!("no tokens are configured, and the configuration before had {tokens}");
            let help = "restore [auth]; if calls are to need no token, write `tokens = []` under [auth]";
            self.add(file, message, help);
        }
    }

    fn minor_units(&mut self, prior: &PriorConfiguration) {
        for (currency, units) in &prior.minor_units {
            let now = self.next.rules.currencies.minor_units(*currency);
            if now != Some(*units) {
                let message =
                    format!("[currencies] {currency}: its minor units cannot change while amounts in it are held");
                let help = format!("write {currency} = {units} under [currencies]");
                self.add(self.path("levelgate.toml"), message, &help);
            }
        }
    }

    fn merchants(&mut self, prior: &PriorConfiguration) {
        let Loaded { rules, statements, .. } = self.next;
        let is_known = |id: &Name| rules.merchant(id.as_str()).is_some() || statements.removed.contains(id);
        if rules.merchants.is_empty()
            && statements.removed.is_empty()
            && let Some(loss) = loss_of_merchants(prior, &self.next.folder)
        {
            self.found.push(loss);
            return;
        }
        for (id, _) in prior.merchants.iter().filter(|(id, merchant)| merchant.has_state && !is_known(id)) {
            let message = format!("merchant `{id}` has customers or transactions and is in no file any more");
            let help = format!(
                "restore its file; if it is to go, write a file that contains only id = \"{id}\" and removed = true"
            );
            self.add(self.path("merchants"), message, &help);
        }
    }

    fn parts_of_merchant(&mut self, merchant: &Merchant, before: &PriorMerchant) {
        let (id, statements) = (merchant.id, &self.next.statements);
        let filters: usize = merchant.levels.iter().map(|level| level.filters.len()).sum();
        let lost_levels = merchant.levels.is_empty() && before.levels > 0 && !statements.without_levels.contains(&id);
        let lost_filters = filters == 0
            && before.filters > 0
            && !merchant.levels.is_empty()
            && !statements.without_filters.contains(&id);
        let lost_projects =
            merchant.projects.is_empty() && before.projects > 0 && !statements.without_projects.contains(&id);
        let file = self.file_of(id);
        let message = |part: &str, count: usize| {
            let before = counted(count, part);
            format!(
                "merchant `{id}` has customers or transactions, and its file has no {part} any more; it had {before}"
            )
        };
        if lost_projects {
            let help = "the file may be cut: restore it; if there are to be none, write `projects = []` at its top";
            self.add(file.clone(), message("project", before.projects), help);
        }
        if lost_levels {
            let help = "the file may be cut: restore it; if there are to be none, write `levels = []` at its top";
            self.add(file, message("level", before.levels), help);
        } else if lost_filters {
            let help = "the file may be cut: restore it; if there are to be none, write `filters = []` in each level";
            self.add(file, message("filter", before.filters), help);
        }
    }

    /// The recorded payments of a test merchant are no real ones, and the blocks that its real customers caused would end.
    fn sandbox(&mut self, merchant: &Merchant, before: &PriorMerchant) {
        let id = merchant.id;
        let (message, help) = match (before.sandbox, merchant.sandbox) {
            (Some(false), true) => (
                format!(
                    "merchant `{id}` has customers or transactions and cannot become a test merchant: blocks of \
                     instruments at other merchants would no longer reach it, and its payments would be tests"
                ),
                "remove `sandbox`; write a file with another id for the test merchant",
            ),
            (Some(true), false) => (
                format!(
                    "merchant `{id}` is a test merchant with customers or transactions and cannot become a real one: the \
                     usage of its tests would count"
                ),
                "write sandbox = true; write a file with another id for the real merchant",
            ),
            _ => return,
        };
        self.add(self.file_of(id), message, help);
    }

    /// The file of a merchant.
    fn file_of(&self, id: Name) -> String {
        let owner = self.next.owners.iter().find(|(_, owner)| **owner == id).map(|(path, _)| path.clone());
        owner.unwrap_or_else(|| self.path("merchants"))
    }

    fn rates(&mut self, prior: &PriorConfiguration) {
        if !prior.has_file_rates || self.next.rules.rates.base.is_some() {
            return;
        }
        let needing = self.next.rules.merchants.values().filter(|merchant| needs_rates(merchant));
        let mut ids: Vec<&str> = needing.map(|merchant| merchant.id.as_str()).collect();
        ids.sort_unstable();
        if !ids.is_empty() {
            let message = format!(
                "there are no rates any more, and filters of {} sum all currencies: they would deny every payment of a \
                 customer with usage in another currency",
                ids.join(", ")
            );
            let help = "restore the file, or write for_all_merchant_currencies = false in these filters first";
            self.add(self.path("rates.toml"), message, help);
        }
    }
}

/// Whether a filter of the merchant converts amounts.
fn needs_rates(merchant: &Merchant) -> bool {
    let endpoints = merchant.projects.iter().flat_map(|project| &project.endpoints);
    let currencies: BTreeSet<Currency> = endpoints.map(|endpoint| endpoint.currency).collect();
    let converts = |filter: &Filter| {
        filter.scope == FilterScope::Merchant && filter.mode != FilterMode::Off && filter.amount_limit.is_some()
    };
    let levels = || merchant.levels.iter().filter(|level| level.filters.iter().any(converts));
    levels().any(|level| currencies.iter().any(|currency| *currency != level.currency))
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
