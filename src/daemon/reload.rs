//! The configuration of a running daemon: reloads, and what operators say of levels and rates through the API. One thing
//! at a time; the rules are made whole off the hot path and swapped in one step.

use crate::{
    config::{self, Complaint, Loaded, Settings, parse::body},
    domain::{
        decision::refusal::Refusal,
        events::global_event::GlobalEvent,
        rules::{
            configuration::{Direction, Rules, UNKNOWN_LEVEL},
            overrides::{LevelKey, Overlay},
        },
        vocabulary::{names::Name, time::Millis},
    },
    http::{
        Access, Health,
        dto::problem::Problem,
        handlers::levels::{Asked, Change, Done},
    },
    ledger::{Countries, Sealing},
    service::payments::PaymentService,
};
use parking_lot::Mutex;
use std::{path::PathBuf, sync::Arc};

/// The most bytes of the bodies of a level that is renamed, over all currencies: they stand in one record.
const RENAMED_BYTES_MAX: usize = 8 << 20;

/// A level's names, the old and the new.
#[derive(Clone, Copy)]
struct Names {
    merchant: Name,
    direction: Direction,
    from: Name,
    to: Name,
}

/// What a reload shares with those who answer.
pub(crate) struct Shared {
    pub(crate) desk: Arc<PaymentService>,
    pub(crate) access: Arc<Access>,
    pub(crate) health: Arc<Mutex<Health>>,
}

/// What makes the rules in force.
pub(crate) struct Reloader {
    folder: PathBuf,
    /// As of the start: some take effect only then.
    settings: Settings,
    desk: Arc<PaymentService>,
    access: Arc<Access>,
    health: Arc<Mutex<Health>>,
    /// The files in force. Whoever changes rules holds it from looking to swapping.
    files: Mutex<Loaded>,
}

impl Reloader {
    /// Puts what stands beside the files in force together with them, before anybody is answered.
    ///
    /// # Errors
    /// What was said through the API does not go together with these files; one problem each.
    pub(crate) fn begin(
        folder: PathBuf,
        settings: Settings,
        files: Loaded,
        Shared { desk, access, health }: Shared,
    ) -> Result<Self, Vec<Complaint>> {
        files.token_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let reloader = Self { folder, settings, desk, access, health, files: Mutex::new(files) };
        let files = reloader.files.lock();
        reloader.file(&files)?;
        drop(files);
        metrics::gauge!("levelgate_config_failed").set(0);
        Ok(reloader)
    }

    /// Reads and checks off the hot path, then swaps in one step; a bad configuration changes nothing.
    ///
    /// # Errors
    /// Every problem, each in words.
    pub(crate) fn reload(&self) -> Result<(), Vec<String>> {
        let mut files = self.files.lock();
        let read = config::load_with_tokens(&self.folder, self.desk.clock.wall());
        let done = read
            .map_err(|problems| problems.complaints(&files.owners))
            .and_then(|loaded| self.take(&mut files, loaded));
        let now = self.desk.clock.wall();
        match &done {
            Ok(()) => {
                *self.health.lock() = Health { applied_at: now, failed: None };
                metrics::gauge!("levelgate_config_failed").set(0);
                tracing::info!("the configuration was reloaded: version {}", self.desk.rules.load().version);
            }
            Err(problems) => {
                {
                    // Not held while the log is written: health is asked for under this lock.
                    let mut health = self.health.lock();
                    let since = health.failed.as_ref().map_or(now, |(since, _)| *since);
                    health.failed = Some((since, problems.clone()));
                }
                metrics::gauge!("levelgate_config_failed").set(1);
                for problem in problems {
                    tracing::error!("the configuration was not reloaded, and the tokens stay as they were: {problem}");
                }
            }
        }
        done.map_err(texts)
    }

    fn take(&self, files: &mut Loaded, loaded: Loaded) -> Result<(), Vec<Complaint>> {
        let changed = config::changed_minor_units(&self.desk.rules.load().currencies, &loaded.rules.currencies);
        let held = self.desk.ledger.currencies_held();
        let held = changed.into_iter().filter(|currency| held.contains(currency));
        let held: Vec<Complaint> = held
            .map(|currency| Complaint {
                merchant: None,
                text: format!("[currencies] {currency}: its minor units cannot change while amounts in it are held"),
            })
            .collect();
        if !held.is_empty() {
            return Err(held);
        }
        self.file(&loaded)?;
        for difference in self.access.replace(&loaded.credentials) {
            tracing::info!("{difference}");
        }
        loaded.token_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        for name in config::incompatible(&self.settings, &loaded.settings) {
            tracing::warn!("{name} changed; it takes effect at the next start");
        }
        *files = loaded;
        Ok(())
    }

    /// Puts files in force with what stands beside them, and records which of their entries are others than before.
    fn file(&self, files: &Loaded) -> Result<(), Vec<Complaint>> {
        let overlay = self.desk.ledger.overlay();
        let filed = files.filed(&overlay, self.desk.clock.own());
        let superseded = config::superseded(&filed, &overlay);
        self.put_in_force(files, overlay, &filed)?;
        superseded.iter().for_each(|told| tracing::warn!("{told}"));
        Ok(())
    }

    /// Validates, records, swaps.
    fn put_in_force(&self, files: &Loaded, mut overlay: Overlay, events: &[GlobalEvent]) -> Result<(), Vec<Complaint>> {
        events.iter().for_each(|event| overlay.apply(event));
        let rules = files.in_force(&overlay)?;
        self.desk.ledger.say(events);
        let countries = Countries::of(&rules);
        self.desk.ledger.seal_identifiers(Sealing::of(&rules));
        let mut rules = Some(Arc::new(rules));
        let mut swap = || rules.take().into_iter().for_each(|rules| self.desk.rules.store(rules));
        // A default country that changes is another reading of phone numbers: rules and index change in one step.
        if self.desk.ledger.reads_phones_with(&countries) {
            swap();
        } else {
            self.desk.ledger.read_phones_with(countries, &mut swap);
        }
        Ok(())
    }

    /// Does what an operator asks for.
    ///
    /// # Errors
    /// It cannot be, and changes nothing.
    pub(crate) fn change(&self, change: &Change) -> Result<Done, Problem> {
        let files = self.files.lock();
        let (rules, overlay) = (self.desk.rules(), self.desk.ledger.overlay());
        let (events, done) = match &change.asked {
            Asked::PutLevel(key, body) => self.put_level(*key, body, &rules, &overlay, change)?,
            Asked::DeleteLevel(key) => {
                let is_there = self.first_there(key, &rules).is_some();
                // The level `unknown` is always there; it may be bare already.
                if !is_there && key.name.as_str() != UNKNOWN_LEVEL {
                    return Err(Refusal::UnknownLevel(key.to_string()).into());
                }
                deleted(if is_there { vec![*key] } else { Vec::new() }, change)
            }
            Asked::DeleteCurrency { merchant, direction, currency } => {
                let id = *merchant;
                let known = rules.merchant(id.as_str()).ok_or_else(|| Refusal::UnknownMerchant(id.to_string()))?;
                let configured = known.levels.iter().map(|level| (level.direction, level.currency, level.name));
                let made = self.desk.ledger.made_levels(id).into_iter();
                let all = configured.chain(made.map(|made| (made.direction, made.currency, made.name)));
                let of_it = all.filter(|(of, held, _)| (of, held) == (direction, currency));
                let key = |(direction, currency, name)| LevelKey { merchant: id, direction, currency, name };
                let mut keys: Vec<LevelKey> = of_it.map(key).collect();
                keys.sort_unstable();
                keys.dedup();
                deleted(keys, change)
            }
            Asked::Rename { merchant, direction, from, to } => {
                let names = Names { merchant: *merchant, direction: *direction, from: *from, to: *to };
                return self.rename(names, &files, overlay, change);
            }
            Asked::PutRates(body) => put_rates(body, &rules, &overlay, change)?,
        };
        if events.is_empty() {
            return Ok(done);
        }
        self.put_in_force(&files, overlay, &events).map_err(refused)?;
        self.tell(change);
        Ok(done)
    }

    fn tell(&self, change: &Change) {
        self.health.lock().applied_at = self.desk.clock.wall();
        let by = change.by.map_or_else(String::new, |by| format!(" by {by}"));
        tracing::info!("{}{by}: version {}", change.asked, self.desk.rules.load().version);
    }

    /// A level under its new name says what it said; the old one is deleted, and stands in no file's way.
    fn rename(&self, names: Names, files: &Loaded, mut overlay: Overlay, change: &Change) -> Result<Done, Problem> {
        let Names { merchant, direction, from, to } = names;
        let not_allowed = |field, reason: &str| Refusal::NotAllowed { field, reason: reason.to_owned() };
        if [from, to].iter().any(|name| name.as_str() == UNKNOWN_LEVEL) {
            return Err(not_allowed("to", "cannot be: the level `unknown` is always there, under this name").into());
        }
        let rules = self.desk.rules();
        let known = rules.merchant(merchant.as_str()).ok_or_else(|| Refusal::UnknownMerchant(merchant.to_string()))?;
        let made = self.desk.ledger.made_levels(merchant);
        let configured = |name| known.levels.iter().filter(move |l| l.direction == direction && l.name == name);
        let made_of = |name| made.iter().filter(move |l| l.direction == direction && l.name == name);
        let called = |name| format!("level `{name}` for {}s of merchant `{merchant}`", direction.word());
        if configured(to).next().is_some() || made_of(to).next().is_some() {
            return Err(Refusal::LevelExists(called(to)).into());
        }
        let (at, by) = (change.at, change.by);
        let key = |currency, name| LevelKey { merchant, direction, currency, name };
        let (mut besides, mut currencies, mut bytes) = (Vec::new(), Vec::new(), 0);
        for level in configured(from) {
            let old = key(level.currency, from);
            let said = overlay.level(&old).and_then(|beside| beside.said.as_ref()?.body.as_deref());
            let entry = || files.entries.iter().find(|entry| entry.key == old).map(|entry| entry.body.as_str());
            let body = said.or_else(entry).ok_or_else(|| Refusal::UnknownLevel(old.to_string()))?;
            bytes += body.len();
            let created = level.known.created.unwrap_or(at);
            let new = key(level.currency, to);
            besides.push(GlobalEvent::LevelPut { key: new, body: body.into(), created, at, by });
            currencies.push(level.currency);
        }
        for made in made_of(from) {
            let (currency, at) = (made.currency, made.created);
            if currencies.contains(&currency) {
                continue;
            }
            besides.push(GlobalEvent::LevelMade { merchant, name: to, direction, currency, at });
            currencies.push(currency);
        }
        if currencies.is_empty() {
            return Err(Refusal::UnknownLevel(called(from)).into());
        }
        if bytes > RENAMED_BYTES_MAX {
            return Err(not_allowed(
                "to",
                "cannot be: the level says more, over all currencies, than one record holds",
            )
            .into());
        }
        besides.extend(currencies.iter().map(|currency| GlobalEvent::LevelDeleted {
            key: key(*currency, from),
            at,
            by,
        }));
        besides.iter().for_each(|event| overlay.apply(event));
        let mut rules = Some(Arc::new(files.in_force(&overlay).map_err(refused)?));
        let renamed = GlobalEvent::LevelRenamed { merchant, direction, from, to, at, by };
        let mut swap = || rules.take().into_iter().for_each(|rules| self.desk.rules.store(rules));
        let (customers, _) = self.desk.ledger.rename(&renamed, &besides, &mut swap);
        self.tell(change);
        Ok(Done { currencies, customers, ..Done::default() })
    }

    /// When a level was first there that a file, the API or a request has made; `None`: there is none.
    fn first_there(&self, key: &LevelKey, rules: &Rules) -> Option<Option<Millis>> {
        let LevelKey { merchant, direction, currency, name } = *key;
        let configured = rules.merchant(merchant.as_str()).and_then(|m| m.level(direction, currency, name));
        let is_it =
            |made: &crate::ledger::MadeLevel| (made.direction, made.currency, made.name) == (direction, currency, name);
        let made = || self.desk.ledger.made_levels(merchant).into_iter().find(is_it).map(|made| Some(made.created));
        configured.map(|level| level.known.created).or_else(made)
    }

    fn put_level(
        &self,
        key: LevelKey,
        body: &[u8],
        rules: &Rules,
        overlay: &Overlay,
        change: &Change,
    ) -> Result<(Vec<GlobalEvent>, Done), Problem> {
        let merchant = rules.merchant(key.merchant.as_str());
        let merchant = merchant.ok_or_else(|| Refusal::UnknownMerchant(key.merchant.to_string()))?;
        body::level(body, &key, merchant, &rules.currencies, true)?;
        let text = text_of(body);
        let there = self.first_there(&key, rules);
        let done = Done { is_new: there.is_none(), ..Done::default() };
        let said = overlay.level(&key).and_then(|beside| beside.said.as_ref()?.body.as_deref());
        if said == Some(&text) {
            return Ok((Vec::new(), done));
        }
        let (at, by) = (change.at, change.by);
        let created = there.flatten().unwrap_or(at);
        Ok((vec![GlobalEvent::LevelPut { key, body: text.into(), created, at, by }], done))
    }
}

fn texts(complaints: Vec<Complaint>) -> Vec<String> {
    complaints.into_iter().map(|complaint| complaint.text).collect()
}

fn refused(complaints: Vec<Complaint>) -> Problem {
    Problem::bad_configuration(texts(complaints))
}

fn deleted(keys: Vec<LevelKey>, change: &Change) -> (Vec<GlobalEvent>, Done) {
    let events = keys.iter().map(|key| GlobalEvent::LevelDeleted { key: *key, at: change.at, by: change.by }).collect();
    (events, Done { deleted: keys.into_iter().map(|key| key.name).collect(), ..Done::default() })
}

fn put_rates(
    body: &[u8],
    rules: &Rules,
    overlay: &Overlay,
    change: &Change,
) -> Result<(Vec<GlobalEvent>, Done), Problem> {
    let done = Done::default();
    let rates = body::rates(body, &rules.currencies)?;
    if rates.as_of < rules.rates.as_of {
        let in_force = rules.rates.as_of.map_or_else(String::new, |as_of| as_of.to_string());
        let reason = format!("lies before that of the table in force, {in_force}: the later of two tables counts");
        return Err(Refusal::NotAllowed { field: "as_of", reason }.into());
    }
    let text = text_of(body);
    let is_known = overlay.rates().is_some_and(|said| *said.body == *text) && rates.version == rules.rates.version;
    let event = GlobalEvent::RatesPut { body: text.into(), at: change.at, by: change.by };
    Ok((if is_known { Vec::new() } else { vec![event] }, done))
}

/// A body that was read as JSON, which is UTF-8.
fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(body.trim_ascii()).into_owned()
}
