//! The configuration of a running daemon: reloads of the files, combined with the levels and rates that were set through
//! the API. New rules are built off the threads that answer requests and are swapped in one step.

use crate::{
    config::{
        self, DaemonFile, Loaded, LogLevel, Occasion, PriorConfiguration, PriorMerchant, Problem, ProblemText,
        Problems, Settings, Severity, diff::differences, loss_of_merchants, losses,
    },
    daemon::{
        data_folder::{ConfigurationFile, recorded_state},
        reload::{
            audited_changes::audited_reload,
            differences::{ComparedRules, add_affected_customers},
        },
        service_manager::ReloadNotice,
    },
    domain::{
        customer::audit::Author,
        events::{global_event::GlobalEvent, overrides::Overrides},
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    http::{AccessTokens, TlsAcceptor},
    ledger::{DefaultCountries, Ledger, SealedMerchants, TestMerchants},
    service::{
        configuration::reload::{RefusedReload, ReloadReport},
        daemon_status::ConfigurationHealth,
        documents::configuration::differences::first_lines,
        payments::PaymentService,
    },
    telemetry::{
        latency::{RELOAD_APPLIED, RELOAD_REFUSED},
        log,
        traces::in_span,
    },
};
use parking_lot::Mutex;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// What a [`Reloader`] is made of.
pub(crate) struct ReloaderParts {
    pub(crate) config_folder: PathBuf,
    /// Whether the folder has to contain `levelgate.toml`.
    pub(crate) daemon_file: DaemonFile,
    /// The settings of the start; some take effect only at a start.
    pub(crate) settings: Settings,
    pub(crate) payments: Arc<PaymentService>,
    pub(crate) access: Arc<AccessTokens>,
    /// TLS of the listener; `None`: it is plain, also after a reload.
    pub(crate) tls: Option<Arc<TlsAcceptor>>,
    pub(crate) health: Arc<Mutex<ConfigurationHealth>>,
    /// The file that remembers the configuration in force; `None`: there is no data folder.
    pub(crate) memory: Option<Arc<ConfigurationFile>>,
}

/// Builds the rules in force. One change at a time: each holds the lock of the files from reading to swapping.
pub(crate) struct Reloader {
    pub(super) parts: ReloaderParts,
    /// The files in force.
    pub(super) files: Mutex<Loaded>,
    /// Held for a whole reload, so that reports follow each other in the order of the reloads.
    reloads: Mutex<()>,
    /// Whether the daemon is a standby, which records nothing.
    is_standby: AtomicBool,
}

/// Files that took effect.
struct Applied {
    before: Arc<Rules>,
    report: ReloadReport,
}

impl Reloader {
    /// Puts the files in force together with the overrides of the API, before the first request is answered.
    ///
    /// # Errors
    /// The files lose what the data folder remembers, levels and rates that were set through the API do not fit them, or
    /// the data folder cannot note the minor units of its amounts.
    pub(crate) fn start(parts: ReloaderParts, files: Loaded) -> anyhow::Result<Self> {
        let ledger = &parts.payments.ledger;
        let mut is_first_start = false;
        if let Some(memory) = &parts.memory {
            let remembered = memory.prior();
            is_first_start = remembered.is_none();
            refuse_losses(&prior_at_start(remembered, ledger), &files)?;
        }
        files.token_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let is_standby = AtomicBool::new(parts.payments.gate.standby().is_some());
        let reloader = Self { parts, files: Mutex::new(files), reloads: Mutex::default(), is_standby };
        let files = reloader.files.lock();
        reloader.remember_minor_units(&files.rules).map_err(|problem| anyhow::anyhow!("{problem}"))?;
        reloader.apply_files(&files).map_err(|problems| conflict(&problems))?;
        reloader.remember(&files);
        let is_known = reloader.parts.memory.as_ref().is_none_or(|memory| memory.is_written());
        anyhow::ensure!(
            is_known || !is_first_start,
            "the file `configuration` of the data folder cannot be written; check the disk"
        );
        drop(files);
        show_outcome(Ok(reloader.parts.payments.clock.wall()), &[]);
        Ok(reloader)
    }

    /// Follows the levels and rates that a primary has recorded. Rules that are not valid with the files of this machine
    /// leave the earlier ones in force.
    pub(crate) fn follow_overrides(&self) {
        let files = self.files.lock();
        if let Err(problems) = self.apply_files(&files) {
            tracing::error!(
                "standby: the levels and rates of the primary conflict with the files of this machine, so the earlier rules \
                 stay in force, and a take-over is not possible: {}",
                texts(problems).join("; ")
            );
        }
    }

    /// Whether the files and the recorded levels and rates are valid together.
    ///
    /// # Errors
    /// They are not.
    pub(crate) fn check_overrides(&self) -> anyhow::Result<()> {
        let files = self.files.lock();
        let mut overrides = self.parts.payments.ledger.overrides();
        let changed = files.changed_entries(&overrides, self.parts.payments.clock.recording_time());
        changed.iter().for_each(|event| overrides.apply(event));
        files.effective_rules(&overrides).map(drop).map_err(|problems| conflict(&problems))
    }

    /// From now on changes are recorded, because the daemon is a primary: first those of the files.
    ///
    /// # Errors
    /// The files conflict with the recorded levels and rates.
    pub(crate) fn begin_recording(&self) -> anyhow::Result<()> {
        let files = self.files.lock();
        self.is_standby.store(false, Ordering::Release);
        self.apply_files(&files).map(drop).map_err(|problems| conflict(&problems))?;
        self.remember(&files);
        Ok(())
    }

    /// Reads and checks the files, then swaps the rules in one step. An invalid configuration changes nothing.
    ///
    /// # Errors
    /// Every problem, in words.
    pub(crate) fn reload(&self, author: Author) -> Result<ReloadReport, RefusedReload> {
        let _one_at_a_time = self.reloads.lock();
        let began = Instant::now();
        let _notice = ReloadNotice::begin();
        let reloaded = in_span("reload", |span| {
            let reloaded = self.reload_files(author);
            span.set_word("levelgate.outcome", if reloaded.is_ok() { "applied" } else { "refused" });
            span.note(&reloaded);
            reloaded
        });
        if reloaded.is_ok() { &RELOAD_APPLIED } else { &RELOAD_REFUSED }.record(began.elapsed());
        reloaded
    }

    fn reload_files(&self, author: Author) -> Result<ReloadReport, RefusedReload> {
        let applied = {
            let mut files = self.files.lock();
            let loaded = config::load_with_tokens(&self.parts.config_folder, self.parts.payments.clock.wall());
            loaded
                .map_err(|problems| self.with_loss_of_merchants(problems, &files).texts(&files.owners))
                .and_then(|loaded| self.replace_files(&mut files, loaded))
        };
        match applied {
            Ok(applied) => {
                // Recorded first: the report visits customers, and a kill in between must not lose who reloaded.
                let payments = &self.parts.payments;
                if !self.is_standby.load(Ordering::Acquire) {
                    let audited = audited_reload(&applied.report, author, payments.clock.recording_time());
                    payments.ledger.record_overrides(&audited);
                }
                Ok(self.report(applied))
            }
            Err(problems) => Err(self.report_refusal(problems)),
        }
    }

    /// Puts the loss of all merchants before the problems that follow from it, such as tokens for them.
    pub(super) fn with_loss_of_merchants(&self, mut problems: Problems, files: &Loaded) -> Problems {
        if problems.settings_without_merchants.is_some() {
            let payments = &self.parts.payments;
            let prior = self.prior(files, &payments.rules());
            problems.list.splice(0..0, loss_of_merchants(&prior, &self.parts.config_folder));
        }
        problems
    }

    /// Adds the affected customers to the differences of a reload, and reports it in the log and the status.
    fn report(&self, Applied { before, mut report }: Applied) -> ReloadReport {
        let payments = &self.parts.payments;
        show_outcome(Ok(report.at), &report.warnings);
        let rules = payments.rules();
        let now = payments.time().unwrap_or_else(|_| payments.clock.recording_time());
        let rules = ComparedRules { old: &before, new: &rules, now };
        add_affected_customers(&mut report.differences, rules, &payments.ledger);
        tracing::info!("the configuration was reloaded: version {}", report.version);
        for line in first_lines(report.differences.iter()) {
            tracing::info!("reload: {line}");
        }
        let last_reload = Some(Arc::new(report.clone()));
        // Health requests take this lock, so the earlier report is dropped after it.
        let _earlier = {
            let mut health = self.parts.health.lock();
            health.applied_at = report.at;
            (health.failed.take(), std::mem::replace(&mut health.last_reload, last_reload))
        };
        report
    }

    fn report_refusal(&self, problems: Vec<ProblemText>) -> RefusedReload {
        let refused = RefusedReload { at: self.parts.payments.clock.wall(), problems };
        {
            // Released before the log is written: health requests take this lock.
            let mut health = self.parts.health.lock();
            let since = health.failed.as_ref().map_or(refused.at, |(since, _)| *since);
            health.failed = Some((since, Arc::new(refused.clone())));
        }
        show_outcome(Err(()), &refused.problems);
        for problem in refused.of(Severity::Error) {
            tracing::error!("the configuration was not reloaded, and the tokens stay as they were: {problem}");
        }
        for problem in refused.of(Severity::Warning) {
            tracing::warn!("a warning about the configuration that was not reloaded: {problem}");
        }
        tracing::error!("the configuration was not reloaded: {}", config::tally_texts(&refused.problems));
        refused
    }

    fn replace_files(&self, files: &mut Loaded, loaded: Loaded) -> Result<Applied, Vec<ProblemText>> {
        let payments = &self.parts.payments;
        let before = payments.rules();
        self.check_losses(files, &before, &loaded)?;
        let superseded = self.apply_files(&loaded)?;
        self.parts.access.replace(&loaded.credentials, &loaded.settings.auth);
        // Without the files, the listener keeps its certificate until the restart that the report asks for.
        if let (Some(tls), Some(files)) = (&self.parts.tls, &loaded.tls_files) {
            tls.replace(files);
        }
        log::set_level(loaded.settings.log.level.map(LogLevel::word));
        loaded.token_warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let restart_needed = config::changed_restart_settings(&self.parts.settings, &loaded.settings);
        for name in &restart_needed {
            tracing::warn!("{name} changed; it takes effect at the next start");
        }
        self.remember(&loaded);
        let rules = payments.rules();
        let differences = differences(files.compared(&before), loaded.compared(&rules));
        let of_files = Problems::new(loaded.warnings.clone(), loaded.owners.clone()).texts(&files.owners);
        let warnings = of_files.into_iter().chain(superseded).collect();
        let (at, version) = (payments.clock.wall(), rules.version.clone());
        *files = loaded;
        Ok(Applied { before, report: ReloadReport { at, version, differences, warnings, restart_needed } })
    }

    /// Whether new files keep what must not be lost silently.
    ///
    /// # Errors
    /// What they lose, and their warnings.
    pub(super) fn check_losses(&self, files: &Loaded, before: &Rules, loaded: &Loaded) -> Result<(), Vec<ProblemText>> {
        let prior = self.prior(files, before);
        let mut losses_found: Vec<Problem> = self.parts.daemon_file.problem(loaded).into_iter().collect();
        losses_found.extend(losses(&prior, loaded, Occasion::Reload));
        if losses_found.is_empty() {
            return Ok(());
        }
        losses_found.extend(loaded.warnings.iter().cloned());
        Err(Problems::new(losses_found, loaded.owners.clone()).texts(&files.owners))
    }

    /// What these files in force, the rules of them and the state have.
    fn prior(&self, files: &Loaded, rules: &Rules) -> PriorConfiguration {
        let mut prior = PriorConfiguration::new(files, rules, &recorded_state(&self.parts.payments.ledger));
        let earlier = self.parts.memory.as_ref().and_then(|memory| memory.prior());
        earlier.iter().for_each(|earlier| prior.add_sandboxes_of(earlier));
        prior.add_recorded_sandboxes(&self.parts.payments.ledger.overrides());
        prior
    }

    /// Notes in the data folder what later configurations must not lose silently.
    fn remember(&self, files: &Loaded) {
        if let Some(memory) = &self.parts.memory {
            let payments = &self.parts.payments;
            let mut prior = self.prior(files, &payments.rules());
            // A reload may take every token away. A start without tokens still needs the statement.
            if prior.tokens == 0 && !files.statements.has_no_tokens {
                prior.tokens = memory.prior().map_or(0, |before| before.tokens);
            }
            memory.write_or_log(prior);
        }
    }

    /// Notes the minor units of the rules in the data folder, before an amount is recorded with them. A folder without the
    /// file gets it from [`Reloader::remember`].
    fn remember_minor_units(&self, rules: &Rules) -> Result<(), ProblemText> {
        let Some(memory) = self.parts.memory.as_ref().filter(|memory| memory.prior().is_some()) else { return Ok(()) };
        memory.write_minor_units(&rules.currencies).map_err(|error| ProblemText {
            merchant: None,
            severity: Severity::Error,
            text: format!(
                "the file `configuration` of the data folder cannot be written: {error}; a later start would not know the \
                 minor units of amounts; check the disk"
            ),
            folder: String::new(),
        })
    }

    /// Puts files in force together with the overrides of the API. Records which of their level entries have changed.
    /// Returns what the files supersede.
    fn apply_files(&self, files: &Loaded) -> Result<Vec<ProblemText>, Vec<ProblemText>> {
        let overrides = self.parts.payments.ledger.overrides();
        let changed = files.changed_files(&overrides, self.parts.payments.clock.recording_time());
        let superseded = config::superseded_overrides(&changed, &overrides);
        self.put_in_force(files, overrides, &changed)?;
        superseded.iter().for_each(|warning| tracing::warn!("{warning}"));
        Ok(superseded)
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
        self.remember_minor_units(&rules).map_err(|problem| vec![problem])?;
        // A standby has the rules that it would have as the primary.
        if !self.is_standby.load(Ordering::Acquire) {
            payments.ledger.record_overrides(events);
        }
        payments.ledger.note_merchants(&rules);
        payments.ledger.separate_test_merchants(TestMerchants::of(&rules));
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

/// Sets the metrics of the last reload: when it was applied, or that it was refused, and its problems.
fn show_outcome(outcome: Result<Millis, ()>, problems: &[ProblemText]) {
    metrics::gauge!("levelgate_config_failed").set(f64::from(u8::from(outcome.is_err())));
    metrics::gauge!("levelgate_config_last_reload_successful").set(f64::from(u8::from(outcome.is_ok())));
    if let Ok(Millis(at)) = outcome {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; seconds since 1970 fit it")]
        metrics::gauge!("levelgate_config_last_reload_success_timestamp_seconds").set((at / 1_000) as f64);
    }
    for (severity, word) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let count = problems.iter().filter(|problem| problem.severity == severity).count();
        metrics::gauge!("levelgate_config_problems", "severity" => word)
            .set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
}

/// The configuration that a start must not lose: the data folder remembers it, and the state adds to it. A folder of an earlier version remembers
/// nothing; it has the level entries that were applied last.
pub(crate) fn prior_at_start(remembered: Option<PriorConfiguration>, ledger: &Ledger) -> PriorConfiguration {
    let mut prior = remembered.unwrap_or_else(|| {
        let mut prior = PriorConfiguration::default();
        for (key, _) in ledger.overrides().levels().filter(|(_, level)| level.file_entry.is_some()) {
            let merchant: &mut PriorMerchant = prior.merchants.entry(key.merchant).or_default();
            merchant.levels += 1;
        }
        prior
    });
    prior.set_state(&recorded_state(ledger));
    prior.add_recorded_sandboxes(&ledger.overrides());
    prior
}

fn conflict(problems: &[ProblemText]) -> anyhow::Error {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    anyhow::anyhow!(
        "the configuration files conflict with levels or rates that were set through the API:\n{}",
        problems.join("\n")
    )
}

fn refuse_losses(prior: &PriorConfiguration, files: &Loaded) -> anyhow::Result<()> {
    let losses: Vec<Problem> = losses(prior, files, Occasion::Start);
    let texts: Vec<String> = losses.iter().map(ToString::to_string).collect();
    anyhow::ensure!(losses.is_empty(), "the configuration has lost what was in force before:\n{}", texts.join("\n"));
    Ok(())
}

/// The texts of problems.
pub(super) fn texts(problems: Vec<ProblemText>) -> Vec<String> {
    problems.into_iter().map(|problem| problem.text).collect()
}
