//! The rules in force: the files, and what operators have said of levels and rates beside them.

use crate::config::{Loaded, parse::body, report::problem::Complaint, version};
use crate::domain::{
    events::global_event::GlobalEvent,
    rules::{
        configuration::{Merchant, Rules},
        overrides::{Beside, LevelKey, Origin, Overlay, OverrideCommand, Provenance, SaidRates},
    },
    usage::conversion::Rates,
    vocabulary::{
        money::Currencies,
        names::{Map, Name},
        time::Millis,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

impl Loaded {
    /// What is to be recorded when these files come into force: every entry of a level that is another than the one that
    /// was applied last. A merchant of whom the files know nothing keeps what was said of it, until they do again.
    #[must_use]
    pub fn filed(&self, overlay: &Overlay, at: Millis) -> Vec<GlobalEvent> {
        let entries: HashMap<LevelKey, u128> = self.entries.iter().map(|entry| (entry.key, entry.digest())).collect();
        let applied = |key: &LevelKey| overlay.level(key).and_then(|beside| beside.filed).map(|filed| filed.digest);
        let of_files = self.entries.iter().map(|entry| entry.key);
        let gone = overlay.levels().map(|(key, _)| *key).filter(|key| {
            !entries.contains_key(key) && applied(key).is_some() && self.rules.merchant(key.merchant.as_str()).is_some()
        });
        let differing = of_files.chain(gone).filter(|key| applied(key) != entries.get(key).copied());
        let event = |key: LevelKey| {
            let created = overlay.level(&key).and_then(first_there).unwrap_or(at);
            GlobalEvent::LevelFiled { key, digest: entries.get(&key).copied(), created, at }
        };
        differing.map(event).collect()
    }

    /// The rules of these files and of what stands beside them.
    ///
    /// # Errors
    /// What was said through the API and does not go together with these files.
    pub fn in_force(&self, overlay: &Overlay) -> Result<Rules, Vec<Complaint>> {
        let mut joined = Joined { files: self, merchants: BTreeMap::new(), said: Vec::new(), problems: Vec::new() };
        for (key, beside) in overlay.levels() {
            joined.level(key, beside);
        }
        let rates = joined.rates(overlay.rates());
        if !joined.problems.is_empty() {
            return Err(joined.problems);
        }
        let files = &self.rules;
        let mut merchants: Map<&'static str, Arc<Merchant>> =
            files.merchants.iter().map(|(id, merchant)| (*id, Arc::clone(merchant))).collect();
        for (id, Levels { mut merchant, gone }) in joined.merchants {
            let mut place = 0;
            merchant.levels.retain(|_| {
                place += 1;
                !gone.contains(&(place - 1))
            });
            merchant.index();
            merchants.insert(id.as_str(), Arc::new(merchant));
        }
        // Where nothing is said beside them, the files alone name the rules, as `check` does.
        let version = match joined.said.as_slice() {
            [] => files.version.clone(),
            said => {
                let said = said.iter().map(|(what, body)| (what.as_str(), body.as_bytes()));
                version::of(std::iter::once(("files", files.version.as_bytes())).chain(said))
            }
        };
        Ok(Rules { version, currencies: files.currencies.clone(), rates, merchants })
    }
}

/// When a level was first there that is still there.
fn first_there(beside: &Beside) -> Option<Millis> {
    match (&beside.said, beside.filed) {
        (Some(OverrideCommand { body: None, .. }), _) => None,
        (Some(said), _) => Some(said.created),
        (None, filed) => filed.map(|filed| filed.created),
    }
}

/// What was said through the API and is superseded because the files have changed, in words for the log.
#[must_use]
pub fn superseded(filed: &[GlobalEvent], overlay: &Overlay) -> Vec<String> {
    let told = |event: &GlobalEvent| {
        let GlobalEvent::LevelFiled { key, digest, .. } = event else { return None };
        let said = overlay.level(key)?.said.as_ref()?;
        let what = if said.body.is_some() { "what was set" } else { "its deletion" };
        let file = if digest.is_some() { "its entry in the file has changed" } else { "the file has it no more" };
        Some(format!("{key}: {file}; {what} through the API {} is superseded", when(said.at, said.by)))
    };
    filed.iter().filter_map(told).collect()
}

fn when(at: Millis, by: Option<Name>) -> String {
    by.map_or_else(|| format!("at {at}"), |by| format!("at {at} by {by}"))
}

/// A merchant of the files whose levels are being replaced.
struct Levels {
    merchant: Merchant,
    /// Places of levels that are deleted.
    gone: BTreeSet<usize>,
}

struct Joined<'a> {
    files: &'a Loaded,
    merchants: BTreeMap<Name, Levels>,
    /// What is in force of what was said, in the order of the keys.
    said: Vec<(String, String)>,
    problems: Vec<Complaint>,
}

impl Joined<'_> {
    fn level(&mut self, key: &LevelKey, beside: &Beside) {
        let Some(of_file) = self.files.rules.merchant(key.merchant.as_str()) else { return };
        let LevelKey { direction, currency, name, .. } = *key;
        let place = of_file.level_places.get(&(direction, currency, name)).copied();
        let joined = || Levels { merchant: Merchant::clone(of_file), gone: BTreeSet::new() };
        let Levels { merchant, gone } = self.merchants.entry(key.merchant).or_insert_with(joined);
        match (&beside.said, beside.filed) {
            (None, None) => {}
            (None, Some(filed)) => {
                if let Some(level) = place.and_then(|place| merchant.levels.get_mut(place)) {
                    let (created, modified) = (Some(filed.created), Some(filed.modified));
                    level.known = Provenance { origin: Origin::File, created, modified, by: None };
                }
            }
            (Some(OverrideCommand { body: None, .. }), _) => {
                if let Some(place) = place {
                    gone.insert(place);
                    self.said.push((key.to_string(), "deleted".to_owned()));
                }
            }
            (Some(OverrideCommand { body: Some(body), created, at, by }), _) => {
                match body::level(body.as_bytes(), key, of_file, &self.files.rules.currencies, false) {
                    Ok(mut level) => {
                        let (created, modified) = (Some(*created), Some(*at));
                        level.known = Provenance { origin: Origin::Api, created, modified, by: *by };
                        match place.and_then(|place| merchant.levels.get_mut(place)) {
                            Some(known) => *known = level,
                            None => merchant.levels.push(level),
                        }
                        self.said.push((key.to_string(), body.to_string()));
                    }
                    Err(refused) => {
                        let help = "bring back what it needs, or write the level into the file, which then counts";
                        let set = format!("{key}, set through the API {}", when(*at, *by));
                        let merchant = Some(key.merchant);
                        let texts = refused.problems.iter().map(|problem| format!("{set}: {problem}; {help}"));
                        self.problems.extend(texts.map(|text| Complaint { merchant, text }));
                    }
                }
            }
        }
    }

    /// The table with the later `as_of`; of two of the same time the one that was set through the API, because whoever set
    /// it knew the file's.
    fn rates(&mut self, said: Option<&SaidRates>) -> Arc<Rates> {
        let of_file = Arc::clone(&self.files.rules.rates);
        let Some(SaidRates { body, at, by }) = said else { return of_file };
        match read_rates(body, *at, *by, &self.files.rules.currencies) {
            Ok(rates) if rates.as_of >= of_file.as_of => {
                self.said.push(("rates".to_owned(), body.to_string()));
                Arc::new(rates)
            }
            Ok(_) => of_file,
            Err(refused) => {
                let set = format!("the rates, set through the API {}", when(*at, *by));
                let help = "bring back what they need, or set the rates anew through the API";
                let texts = refused.problems.iter().map(|problem| format!("{set}: {problem}; {help}"));
                self.problems.extend(texts.map(|text| Complaint { merchant: None, text }));
                of_file
            }
        }
    }
}

fn read_rates(body: &str, at: Millis, by: Option<Name>, currencies: &Currencies) -> Result<Rates, body::Refused> {
    let known = Provenance { origin: Origin::Api, created: Some(at), modified: Some(at), by };
    Ok(Rates { known, ..body::rates(body.as_bytes(), currencies)? })
}
