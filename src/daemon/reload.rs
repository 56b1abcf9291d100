//! The configuration of a running daemon: reloads of the files, combined with the levels and rates that were set through
//! the API. New rules are built off the threads that answer requests and are swapped in one step.

use crate::{
    config::{self, Loaded, ProblemText, Settings},
    domain::{
        events::{global_event::GlobalEvent, overrides::Overrides},
        rules::configuration::Rules,
    },
    http::AccessTokens,
    ledger::{DefaultCountries, SealedMerchants},
    service::{daemon_status::ConfigurationHealth, payments::PaymentService},
};
use parking_lot::Mutex;
use std::{path::PathBuf, sync::Arc};

/// What a [`Reloader`] is made of.
pub(crate) struct ReloaderParts {
    pub(crate) config_folder: PathBuf,
    /// The settings of the start; some take effect only at a start.
    pub(crate) settings: Settings,
    pub(crate) payments: Arc<PaymentService>,
    pub(crate) access: Arc<AccessTokens>,
    pub(crate) health: Arc<Mutex<ConfigurationHealth>>,
}

/// Builds the rules in force. One change at a time: each holds the lock of the files from reading to swapping.
pub(crate) struct Reloader {
    pub(super) parts: ReloaderParts,
    /// The files in force.
    pub(super) files: Mutex<Loaded>,
}

impl Reloader {
    /// Puts the files in force together with the overrides of the API, before the first request is answered.
    ///
    /// # Errors
    /// Levels or rates that were set through the API do not fit these files; one problem each.
    pub(crate) fn start(parts: ReloaderParts, files: Loaded) -> Result<Self, Vec<ProblemText>> {
        files.token_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let reloader = Self { parts, files: Mutex::new(files) };
        let files = reloader.files.lock();
        reloader.apply_files(&files)?;
        drop(files);
        metrics::gauge!("levelgate_config_failed").set(0);
        Ok(reloader)
    }

    /// Reads and checks the files, then swaps the rules in one step. An invalid configuration changes nothing.
    ///
    /// # Errors
    /// Every problem, in words.
    pub(crate) fn reload(&self) -> Result<(), Vec<String>> {
        let mut files = self.files.lock();
        let loaded = config::load_with_tokens(&self.parts.config_folder, self.parts.payments.clock.wall());
        let applied = loaded
            .map_err(|problems| problems.texts(&files.owners))
            .and_then(|loaded| self.replace_files(&mut files, loaded));
        let now = self.parts.payments.clock.wall();
        match &applied {
            Ok(()) => {
                *self.parts.health.lock() = ConfigurationHealth { applied_at: now, failed: None };
                metrics::gauge!("levelgate_config_failed").set(0);
                tracing::info!("the configuration was reloaded: version {}", self.parts.payments.rules.load().version);
            }
            Err(problems) => {
                {
                    // Released before the log is written: health requests take this lock.
                    let mut health = self.parts.health.lock();
                    let since = health.failed.as_ref().map_or(now, |(since, _)| *since);
                    health.failed = Some((since, problems.clone()));
                }
                metrics::gauge!("levelgate_config_failed").set(1);
                for problem in problems {
                    tracing::error!("the configuration was not reloaded, and the tokens stay as they were: {problem}");
                }
            }
        }
        applied.map_err(texts)
    }

    fn replace_files(&self, files: &mut Loaded, loaded: Loaded) -> Result<(), Vec<ProblemText>> {
        self.refuse_changed_minor_units(&loaded.rules)?;
        self.apply_files(&loaded)?;
        for difference in self.parts.access.replace(&loaded.credentials) {
            tracing::info!("{difference}");
        }
        loaded.token_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        for name in config::changed_restart_settings(&self.parts.settings, &loaded.settings) {
            tracing::warn!("{name} changed; it takes effect at the next start");
        }
        *files = loaded;
        Ok(())
    }

    /// Refuses rules that would change the value of amounts in memory.
    fn refuse_changed_minor_units(&self, rules: &Rules) -> Result<(), Vec<ProblemText>> {
        let ledger = &self.parts.payments.ledger;
        let changed = config::changed_minor_units(&self.parts.payments.rules.load().currencies, &rules.currencies);
        let held = ledger.recorded_currencies();
        let problem = |currency| ProblemText {
            merchant: None,
            text: format!("[currencies] {currency}: its minor units cannot change while amounts in it are held"),
        };
        let problems: Vec<ProblemText> =
            changed.into_iter().filter(|currency| held.contains(currency)).map(problem).collect();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Puts files in force together with the overrides of the API. Records which of their level entries have changed.
    fn apply_files(&self, files: &Loaded) -> Result<(), Vec<ProblemText>> {
        let overrides = self.parts.payments.ledger.overrides();
        let changed = files.changed_entries(&overrides, self.parts.payments.clock.recording_time());
        let superseded = config::superseded_overrides(&changed, &overrides);
        self.put_in_force(files, overrides, &changed)?;
        superseded.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(())
    }

    /// Builds the rules of the files and the overrides after these events, records the events, and swaps the rules.
    ///
    /// # Errors
    /// The rules are not valid; nothing is recorded.
    pub(super) fn put_in_force(
        &self,
        files: &Loaded,
        mut overrides: Overrides,
        events: &[GlobalEvent],
    ) -> Result<(), Vec<ProblemText>> {
        let payments = &self.parts.payments;
        events.iter().for_each(|event| overrides.apply(event));
        let rules = files.effective_rules(&overrides)?;
        payments.ledger.record_overrides(events);
        payments.ledger.note_merchants(&rules);
        let countries = DefaultCountries::of(&rules);
        payments.ledger.seal_identifiers(SealedMerchants::of(&rules));
        let mut rules = Some(Arc::new(rules));
        let mut swap = || rules.take().into_iter().for_each(|rules| payments.rules.store(rules));
        // A new default country changes how phone numbers are read: rules and index change in one step.
        if payments.ledger.has_default_countries(&countries) {
            swap();
        } else {
            payments.ledger.set_default_countries(countries, &mut swap);
        }
        Ok(())
    }
}

/// The texts of problems.
pub(super) fn texts(problems: Vec<ProblemText>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.text).collect()
}
