//! Changes of levels and rates through the API. Each is validated against the files in force, recorded, and put in force.

use crate::{
    config::{
        Loaded, ProblemText,
        body::{self, RatesBody},
        lint::request,
    },
    daemon::reload::{
        audited_changes::ConfigurationBefore,
        reloader::{Reloader, texts},
    },
    domain::{
        events::{global_event::GlobalEvent, overrides::Overrides},
        request::refusal::Refusal,
        rules::{
            configuration::Rules,
            level::{Level, LevelKey},
            merchant::Merchant,
        },
        vocabulary::{
            direction::Direction,
            money::Currency,
            names::{Name, UNKNOWN_LEVEL},
            time::Millis,
        },
    },
    ledger::MadeLevel,
    service::{
        configuration::change::{ConfigurationAction, ConfigurationChange, ConfigurationOutcome},
        documents::{configuration::rates::RatesDocument, description::Description},
        error::ServiceError,
    },
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The most bytes of the bodies of a renamed level, over all currencies: they are stored in one record.
const RENAMED_BYTES_MAX: usize = 8 << 20;

/// What a change records, and what it returns.
pub(super) type Planned = (Vec<GlobalEvent>, ConfigurationOutcome);

/// A change, and the configuration that it is applied to.
pub(super) struct ChangeContext<'a> {
    pub(super) change: &'a ConfigurationChange,
    pub(super) rules: &'a Rules,
    pub(super) overrides: &'a Overrides,
    pub(super) files: &'a Loaded,
}

/// A new name for a level, in all currencies.
#[derive(Clone, Copy)]
struct LevelRename {
    merchant: Name,
    direction: Direction,
    from: Name,
    to: Name,
}

impl LevelRename {
    /// The rename of a change; `None`: it is another change.
    fn of(action: &ConfigurationAction) -> Option<Self> {
        let ConfigurationAction::Rename { merchant, direction, from, to } = *action else { return None };
        Some(Self { merchant, direction, from, to })
    }

    fn key(&self, currency: Currency, name: Name) -> LevelKey {
        LevelKey { merchant: self.merchant, direction: self.direction, currency, name }
    }

    fn level_text(&self, name: Name) -> String {
        format!("level `{name}` for {}s of merchant `{}`", self.direction.word(), self.merchant)
    }
}

impl Reloader {
    /// Applies a change of an operator.
    ///
    /// # Errors
    /// The change is refused; nothing has changed.
    pub(crate) fn change(&self, change: &ConfigurationChange) -> Result<ConfigurationOutcome, ServiceError> {
        let files = self.files.lock();
        let (rules, overrides) = (self.parts.payments.rules(), self.parts.payments.ledger.overrides());
        let context = ChangeContext { change, rules: &rules, overrides: &overrides, files: &files };
        if let Some(rename) = LevelRename::of(&change.action) {
            return self.rename(rename, &context);
        }
        let (mut events, done) = self.plan(&context)?;
        if events.is_empty() {
            return Ok(done);
        }
        let before = ConfigurationBefore { files: &files, overrides: &overrides, rates: &rules.rates };
        events.extend(before.audited(change, &events));
        self.put_in_force(&files, overrides, &events).map_err(refused)?;
        self.log_change(change);
        Ok(done)
    }

    /// What a change records and returns. It changes nothing.
    ///
    /// # Errors
    /// The change is refused.
    pub(super) fn plan(&self, context: &ChangeContext<'_>) -> Result<Planned, ServiceError> {
        match &context.change.action {
            ConfigurationAction::PutLevel(key, body) => self.put_level(*key, body, context),
            ConfigurationAction::DeleteLevel(key) => self.delete_level(*key, context),
            ConfigurationAction::ResetLevel(key) => self.reset_level(*key, context),
            ConfigurationAction::DeleteCurrency { merchant, direction, currency } => {
                self.delete_currency(*merchant, *direction, *currency, context)
            }
            ConfigurationAction::Rename { merchant, direction, from, to } => {
                let rename = LevelRename { merchant: *merchant, direction: *direction, from: *from, to: *to };
                let PlannedRename { events, currencies } = self.plan_rename(rename, context)?;
                Ok((events, ConfigurationOutcome { currencies, ..ConfigurationOutcome::default() }))
            }
            ConfigurationAction::PutRates(body) => self.put_rates(body, context),
        }
    }

    /// Removes what the API set, so that the entry of the file is in force again.
    fn reset_level(&self, key: LevelKey, context: &ChangeContext<'_>) -> Result<Planned, ServiceError> {
        let ChangeContext { change, rules, overrides, files } = *context;
        let Some(entry) = files.level_entries.iter().find(|entry| entry.key == key) else {
            let merchant = merchant(rules, key.merchant)?;
            if self.level_created(&key, rules).is_none() {
                return Err(self.parts.payments.unknown_level(merchant, &key).into());
            }
            let reason = format!("cannot be reset: the merchant's file has no entry of {key}; delete it instead");
            return Err(Refusal::NotAllowed { field: "name", reason }.into());
        };
        let state = overrides.level(&key);
        let Some(set) = state.and_then(|state| state.api_override.as_ref()) else { return Ok(Planned::default()) };
        let created = state.and_then(|state| state.file_entry).map_or(set.created, |entry| entry.created);
        let event = GlobalEvent::LevelFileApplied { key, digest: Some(entry.digest()), created, at: change.at };
        Ok((vec![event], ConfigurationOutcome::default()))
    }

    fn log_change(&self, change: &ConfigurationChange) {
        self.parts.health.lock().applied_at = self.parts.payments.clock.wall();
        let by = change.by.map_or_else(String::new, |by| format!(" by {by}"));
        tracing::info!("{}{by}: version {}", change.action, self.parts.payments.rules.load().version);
    }

    fn put_level(&self, key: LevelKey, body: &[u8], context: &ChangeContext<'_>) -> Result<Planned, ServiceError> {
        let ChangeContext { change, rules, .. } = *context;
        let merchant = merchant(rules, key.merchant)?;
        let description = Description::read(body, &body::LEVEL_DESCRIPTION)?;
        let sent = body::level(body, &key, merchant, &rules.currencies, true)?;
        let in_force = self.parts.payments.level_in_force(rules, merchant, &key);
        let shown = in_force.as_ref().map(|known| json!(known.document));
        description.check(&shown.unwrap_or_else(|| level_identity(&key)))?;
        let is_in_force = in_force.is_some_and(|known| known.level.has_settings_of(&sent.level));
        let (text, warnings) = (sent.text.clone(), request::level_warnings(sent, merchant, rules));
        if is_in_force {
            return Ok((Vec::new(), ConfigurationOutcome { warnings, ..ConfigurationOutcome::default() }));
        }
        let known = self.level_created(&key, rules);
        let done = ConfigurationOutcome { is_new: known.is_none(), warnings, ..ConfigurationOutcome::default() };
        let (at, by) = (change.at, change.by);
        let created = known.flatten().unwrap_or(at);
        Ok((vec![GlobalEvent::LevelPut { key, body: text.into(), created, at, by }], done))
    }

    fn put_rates(&self, body: &[u8], context: &ChangeContext<'_>) -> Result<Planned, ServiceError> {
        let ChangeContext { change, rules, .. } = *context;
        let description = Description::read(body, &body::RATES_DESCRIPTION)?;
        let RatesBody { rates, text, mut warnings } = body::rates(body, &rules.currencies)?;
        description.check(&json!(RatesDocument::of(&rules.rates)))?;
        warnings.extend(request::rates_warnings(&rates, rules));
        let done = ConfigurationOutcome { warnings, ..ConfigurationOutcome::default() };
        if rates.is_table_of(&rules.rates) {
            return Ok((Vec::new(), done));
        }
        if let Some(as_of) = rates.as_of {
            // A table ahead of the clock would outlive every later one.
            self.parts.payments.ledger.clock_skew().refuse_future(as_of, change.at, "as_of")?;
        }
        if rates.as_of < rules.rates.as_of {
            let in_force = rules.rates.as_of.map_or_else(String::new, |as_of| as_of.to_string());
            let what =
                if rates.as_of.is_some() { "is before that of" } else { "is missing, which is earlier than that of" };
            let reason = format!("{what} the table in force, {in_force}: the later of two tables is used");
            return Err(Refusal::NotAllowed { field: "as_of", reason }.into());
        }
        Ok((vec![GlobalEvent::RatesPut { body: text.into(), at: change.at, by: change.by }], done))
    }

    fn delete_level(&self, key: LevelKey, context: &ChangeContext<'_>) -> Result<Planned, ServiceError> {
        let exists = self.level_created(&key, context.rules).is_some();
        // The level `unknown` always exists, with or without settings.
        if !exists && key.name.as_str() != UNKNOWN_LEVEL {
            let merchant = merchant(context.rules, key.merchant)?;
            return Err(self.parts.payments.unknown_level(merchant, &key).into());
        }
        Ok(deletions(if exists { vec![key] } else { Vec::new() }, context.change))
    }

    fn delete_currency(
        &self,
        id: Name,
        direction: Direction,
        currency: Currency,
        context: &ChangeContext<'_>,
    ) -> Result<Planned, ServiceError> {
        let levels = merchant(context.rules, id)?.levels.iter();
        let configured = levels.map(|level| (level.direction, level.currency, level.name));
        let made = self.parts.payments.ledger.made_levels(id).into_iter();
        let levels = configured.chain(made.map(|made| (made.direction, made.currency, made.name)));
        let of_currency = levels.filter(|level| (level.0, level.1) == (direction, currency));
        let mut keys: Vec<LevelKey> =
            of_currency.map(|(.., name)| LevelKey { merchant: id, direction, currency, name }).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(deletions(keys, context.change))
    }

    /// When a level was created by a file, the API or a request: the outer `None` means that there is no such level, the
    /// inner `None` that the time is not known.
    fn level_created(&self, key: &LevelKey, rules: &Rules) -> Option<Option<Millis>> {
        let LevelKey { merchant, direction, currency, name } = *key;
        let configured = rules.merchant(merchant.as_str()).and_then(|m| m.level(direction, currency, name));
        let is_it = |made: &MadeLevel| (made.direction, made.currency, made.name) == (direction, currency, name);
        let made =
            || self.parts.payments.ledger.made_levels(merchant).into_iter().find(is_it).map(|made| Some(made.created));
        configured.map(|level| level.known.created).or_else(made)
    }

    /// Renames a level in all currencies: the new level gets the old one's body, and the old one is deleted, also where a
    /// file defines it.
    fn rename(&self, rename: LevelRename, context: &ChangeContext<'_>) -> Result<ConfigurationOutcome, ServiceError> {
        let ChangeContext { change, files, .. } = *context;
        let planned = self.plan_rename(rename, context)?;
        let mut overrides = context.overrides.clone();
        planned.events.iter().for_each(|event| overrides.apply(event));
        let mut rules = Some(Arc::new(files.effective_rules(&overrides).map_err(refused)?));
        let LevelRename { merchant, direction, from, to } = rename;
        let renamed = GlobalEvent::LevelRenamed { merchant, direction, from, to, at: change.at, by: change.by };
        let mut swap = || rules.take().into_iter().for_each(|rules| self.parts.payments.rules.store(rules));
        let (customers, _) = self.parts.payments.ledger.rename_level(&renamed, &planned.events, &mut swap);
        self.log_change(change);
        Ok(ConfigurationOutcome { currencies: planned.currencies, customers, ..ConfigurationOutcome::default() })
    }

    fn plan_rename(&self, rename: LevelRename, context: &ChangeContext<'_>) -> Result<PlannedRename, ServiceError> {
        let ChangeContext { change, rules, overrides, files } = *context;
        let LevelRename { merchant: id, direction, from, to } = rename;
        if [from, to].iter().any(|name| name.as_str() == UNKNOWN_LEVEL) {
            return Err(not_allowed("cannot be: the level `unknown` always exists under this name"));
        }
        let merchant = merchant(rules, id)?;
        let made = self.parts.payments.ledger.made_levels(id);
        let configured =
            |name| merchant.levels.iter().filter(move |l: &&Level| l.direction == direction && l.name == name);
        let made_of = |name| made.iter().filter(move |l| l.direction == direction && l.name == name);
        if configured(to).next().is_some() || made_of(to).next().is_some() {
            return Err(Refusal::LevelExists(rename.level_text(to)).into());
        }
        let (at, by) = (change.at, change.by);
        let (mut events, mut currencies, mut bytes) = (Vec::new(), Vec::new(), 0);
        for level in configured(from) {
            let old = rename.key(level.currency, from);
            let set = overrides.level(&old).and_then(|level| level.api_override.as_ref()?.body.as_deref());
            let in_file = || files.level_entries.iter().find(|entry| entry.key == old).map(|entry| entry.body.as_str());
            let body = set.or_else(in_file).ok_or_else(|| Refusal::UnknownLevel(old.to_string()))?;
            bytes += body.len();
            let created = level.known.created.unwrap_or(at);
            let new = rename.key(level.currency, to);
            events.push(GlobalEvent::LevelPut { key: new, body: body.into(), created, at, by });
            currencies.push(level.currency);
        }
        for made in made_of(from) {
            let (currency, at) = (made.currency, made.created);
            if !currencies.contains(&currency) {
                events.push(GlobalEvent::LevelCreated { merchant: id, name: to, direction, currency, at });
                currencies.push(currency);
            }
        }
        if currencies.is_empty() {
            let known = self.parts.payments.ledger.level_list(merchant, (direction, None), from.as_str());
            return Err(Refusal::UnknownLevel(format!("{}; it has {known}", rename.level_text(from))).into());
        }
        if bytes > RENAMED_BYTES_MAX {
            return Err(not_allowed(
                "cannot be: the level's entries of all currencies are longer than one record may be",
            ));
        }
        let deleted = |currency: &Currency| GlobalEvent::LevelDeleted { key: rename.key(*currency, from), at, by };
        events.extend(currencies.iter().map(deleted));
        Ok(PlannedRename { events, currencies })
    }
}

/// What a rename records, and in which currencies.
struct PlannedRename {
    events: Vec<GlobalEvent>,
    currencies: Vec<Currency>,
}

fn merchant(rules: &Rules, id: Name) -> Result<&Arc<Merchant>, ServiceError> {
    rules.merchant(id.as_str()).ok_or_else(|| Refusal::UnknownMerchant(id.to_string()).into())
}

fn not_allowed(reason: &str) -> ServiceError {
    Refusal::NotAllowed { field: "to", reason: reason.to_owned() }.into()
}

pub(super) fn refused(problems: Vec<ProblemText>) -> ServiceError {
    ServiceError::bad_configuration(texts(problems))
}

fn deletions(keys: Vec<LevelKey>, change: &ConfigurationChange) -> Planned {
    let events = keys.iter().map(|key| GlobalEvent::LevelDeleted { key: *key, at: change.at, by: change.by }).collect();
    (
        events,
        ConfigurationOutcome {
            deleted: keys.into_iter().map(|key| key.name).collect(),
            ..ConfigurationOutcome::default()
        },
    )
}

/// The members that the document of a new level would have from its path.
fn level_identity(key: &LevelKey) -> Value {
    let LevelKey { direction, currency, name, .. } = key;
    json!({ "name": name.as_str(), "direction": direction.word(), "currency": currency.to_string() })
}
