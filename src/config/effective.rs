//! The effective configuration: the files combined with the levels and rates that were set through the API.

use crate::config::{
    body::{self, InvalidBody, LevelBody},
    document,
    load::Loaded,
    report::problem::{ProblemText, Severity},
    version,
};
use crate::domain::{
    events::{
        global_event::GlobalEvent,
        overrides::{LevelOverride, LevelState, Overrides, RatesFile, RatesOverride},
    },
    rules::{
        configuration::Rules,
        level::LevelKey,
        merchant::Merchant,
        provenance::{Origin, Provenance},
        rates::Rates,
    },
    vocabulary::{
        money::Currencies,
        names::{Map, Name},
        time::Millis,
    },
};
use crate::scheduling::give_way;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

impl Loaded {
    /// The events to record when these files take effect: those of [`Loaded::changed_entries`], the rate table if it
    /// differs from the one that was applied last, and each merchant that is new or became a test merchant or a real one.
    #[must_use]
    pub fn changed_files(&self, overrides: &Overrides, at: Millis) -> Vec<GlobalEvent> {
        let mut events = self.changed_entries(overrides, at);
        let body = rates_file_body(&self.rules.rates);
        let is_applied = match overrides.rates_file() {
            Some(applied) => applied.body == body,
            // Nothing is recorded of files that never had a table.
            None => body.is_none(),
        };
        if !is_applied {
            events.push(GlobalEvent::RatesFileApplied { body, at });
        }
        let mut merchants: Vec<(Name, bool)> =
            self.rules.merchants.values().map(|merchant| (merchant.id, merchant.sandbox)).collect();
        merchants.retain(|(id, is_sandbox)| {
            overrides.merchant_file(*id).is_none_or(|applied| applied.is_sandbox != *is_sandbox)
        });
        merchants.sort_unstable_by_key(|(id, _)| id.as_str());
        let event = |(merchant, is_sandbox)| GlobalEvent::MerchantFileApplied { merchant, is_sandbox, at };
        events.extend(merchants.into_iter().map(event));
        events
    }

    /// The events of levels to record when these files take effect: one for each level whose entry differs from the entry that was
    /// applied last. The overrides of a merchant that the files do not define are kept until the files define it again.
    #[must_use]
    pub fn changed_entries(&self, overrides: &Overrides, at: Millis) -> Vec<GlobalEvent> {
        let entries: HashMap<LevelKey, u128> =
            self.level_entries.iter().map(|entry| (entry.key, entry.digest())).collect();
        let applied =
            |key: &LevelKey| overrides.level(key).and_then(|level| level.file_entry).map(|filed| filed.digest);
        let in_files = self.level_entries.iter().map(|entry| entry.key);
        let removed = overrides.levels().map(|(key, _)| *key).filter(|key| {
            !entries.contains_key(key) && applied(key).is_some() && self.rules.merchant(key.merchant.as_str()).is_some()
        });
        let changed = in_files.chain(removed).filter(|key| applied(key) != entries.get(key).copied());
        let event = |key: LevelKey| {
            let created = overrides.level(&key).and_then(created_at).unwrap_or(at);
            GlobalEvent::LevelFileApplied { key, digest: entries.get(&key).copied(), created, at }
        };
        changed.map(event).collect()
    }

    /// The rules of these files and the overrides.
    ///
    /// # Errors
    /// Levels or rates that were set through the API and are not valid with these files.
    pub fn effective_rules(&self, overrides: &Overrides) -> Result<Rules, Vec<ProblemText>> {
        let mut combined =
            Combined { files: self, merchants: BTreeMap::new(), applied: Vec::new(), problems: Vec::new() };
        for (key, level) in overrides.levels() {
            give_way();
            combined.level(key, level);
        }
        let rates = combined.rates(overrides.rates());
        if !combined.problems.is_empty() {
            return Err(combined.problems);
        }
        let files = &self.rules;
        let mut merchants: Map<&'static str, Arc<Merchant>> =
            files.merchants.iter().map(|(id, merchant)| (*id, Arc::clone(merchant))).collect();
        for (id, CombinedMerchant { mut merchant, deleted }) in combined.merchants {
            let mut place = 0;
            merchant.levels.retain(|_| {
                place += 1;
                !deleted.contains(&(place - 1))
            });
            merchant.build_indexes();
            merchants.insert(id.as_str(), Arc::new(merchant));
        }
        // Without overrides the version is that of the files, as `check` prints it.
        let version = match combined.applied.as_slice() {
            [] => files.version.clone(),
            applied => {
                let applied = applied.iter().map(|(name, body)| (name.as_str(), body.as_bytes()));
                version::version_of(std::iter::once(("files", files.version.as_bytes())).chain(applied))
            }
        };
        Ok(Rules { version, currencies: files.currencies.clone(), rates, merchants })
    }
}

/// When a level was created; `None`: it does not exist.
fn created_at(level: &LevelState) -> Option<Millis> {
    match (&level.api_override, level.file_entry) {
        (Some(LevelOverride { body: None, .. }), _) => None,
        (Some(set), _) => Some(set.created),
        (None, filed) => filed.map(|filed| filed.created),
    }
}

/// The overrides that changed file entries supersede, in words.
#[must_use]
pub fn superseded_overrides(changed: &[GlobalEvent], overrides: &Overrides) -> Vec<ProblemText> {
    let warning = |event: &GlobalEvent| {
        let GlobalEvent::LevelFileApplied { key, digest, .. } = event else { return None };
        let set = overrides.level(key)?.api_override.as_ref()?;
        let what = if set.body.is_some() { "the version" } else { "the deletion" };
        let file = if digest.is_some() { "its entry in the file has changed" } else { "the file no longer has it" };
        let text = format!("{key}: {file}; {what} set through the API {} is superseded", at_by(set.at, set.by));
        Some(ProblemText { merchant: Some(key.merchant), severity: Severity::Warning, text, folder: String::new() })
    };
    changed.iter().filter_map(warning).collect()
}

fn at_by(at: Millis, by: Option<Name>) -> String {
    by.map_or_else(|| format!("at {at}"), |by| format!("at {at} by {by}"))
}

/// A merchant of the files with its levels replaced by overrides.
struct CombinedMerchant {
    merchant: Merchant,
    /// The places of levels that an override deletes.
    deleted: BTreeSet<usize>,
}

struct Combined<'a> {
    files: &'a Loaded,
    merchants: BTreeMap<Name, CombinedMerchant>,
    /// The overrides in force, each with its name and body, in the order of the keys.
    applied: Vec<(String, String)>,
    problems: Vec<ProblemText>,
}

impl Combined<'_> {
    fn level(&mut self, key: &LevelKey, level: &LevelState) {
        let Some(in_file) = self.files.rules.merchant(key.merchant.as_str()) else { return };
        let LevelKey { direction, currency, name, .. } = *key;
        let place = in_file.level_indexes.get(&(direction, currency, name)).copied();
        let unchanged = || CombinedMerchant { merchant: Merchant::clone(in_file), deleted: BTreeSet::new() };
        let CombinedMerchant { merchant, deleted } = self.merchants.entry(key.merchant).or_insert_with(unchanged);
        match (&level.api_override, level.file_entry) {
            (None, None) => {}
            (None, Some(filed)) => {
                if let Some(level) = place.and_then(|place| merchant.levels.get_mut(place)) {
                    let (created, modified) = (Some(filed.created), Some(filed.modified));
                    level.known = Provenance { origin: Origin::File, created, modified, by: None };
                }
            }
            (Some(LevelOverride { body: None, .. }), _) => {
                if let Some(place) = place {
                    deleted.insert(place);
                    self.applied.push((key.to_string(), "deleted".to_owned()));
                }
            }
            (Some(LevelOverride { body: Some(body), created, at, by }), _) => {
                match body::level(body.as_bytes(), key, in_file, &self.files.rules.currencies, false) {
                    Ok(LevelBody { mut level, .. }) => {
                        let (created, modified) = (Some(*created), Some(*at));
                        level.known = Provenance { origin: Origin::Api, created, modified, by: *by };
                        match place.and_then(|place| merchant.levels.get_mut(place)) {
                            Some(known) => *known = level,
                            None => merchant.levels.push(level),
                        }
                        self.applied.push((key.to_string(), body.to_string()));
                    }
                    Err(invalid) => {
                        let name = format!("{key}, set through the API {}", at_by(*at, *by));
                        let help =
                            "restore what it needs in the files, or add the level to the file, which replaces it";
                        self.add_problems(Some(key.merchant), &name, &invalid, help);
                    }
                }
            }
        }
    }

    /// The table with the later `as_of`. Of two tables with the same time it is the one of the API, which was set when the
    /// table of the file was known.
    fn rates(&mut self, set: Option<&RatesOverride>) -> Arc<Rates> {
        let in_file = Arc::clone(&self.files.rules.rates);
        let Some(set) = set else { return in_file };
        match read_rates(set, &self.files.rules.currencies) {
            Ok(rates) if rates.as_of >= in_file.as_of => {
                self.applied.push(("rates".to_owned(), set.body.to_string()));
                Arc::new(rates)
            }
            Ok(_) => in_file,
            Err(invalid) => {
                let name = format!("the rates, set through the API {}", at_by(set.at, set.by));
                let help = "restore what they need in the files, or set the rates again through the API";
                self.add_problems(None, &name, &invalid, help);
                in_file
            }
        }
    }

    fn add_problems(&mut self, merchant: Option<Name>, name: &str, invalid: &InvalidBody, help: &str) {
        let texts = invalid.problems.iter().map(|problem| format!("{name}: {problem}; {help}"));
        let problem = |text| ProblemText { merchant, severity: Severity::Error, text, folder: String::new() };
        self.problems.extend(texts.map(problem));
    }
}

/// The table of `rates.toml` as a record contains it; `None`: there is no table.
fn rates_file_body(rates: &Rates) -> Option<Box<str>> {
    let is_table =
        rates.base.is_some() || rates.as_of.is_some() || rates.max_age_ms.is_some() || !rates.rates.is_empty();
    is_table.then(|| serde_json::json!(document::rates(rates)).to_string().into())
}

/// The rate table of the files that a record contains.
///
/// # Errors
/// The table does not fit the currencies, in words.
pub fn recorded_rates_file(file: &RatesFile, currencies: &Currencies) -> Result<Rates, InvalidBody> {
    match &file.body {
        Some(body) => Ok(body::recorded_rates(body.as_bytes(), currencies)?.rates),
        None => Ok(Rates::default()),
    }
}

fn read_rates(set: &RatesOverride, currencies: &Currencies) -> Result<Rates, InvalidBody> {
    let known = Provenance { origin: Origin::Api, created: Some(set.at), modified: Some(set.at), by: set.by };
    // A record of an earlier version has the body as it was sent. Its version stays.
    let version = version::version_of([("rates", set.body.as_bytes())]);
    Ok(Rates { known, version, ..body::rates(set.body.as_bytes(), currencies)?.rates })
}
