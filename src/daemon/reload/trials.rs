//! Trials of changes: the same plan as a change, compared with the rules in force and not recorded.

use crate::{
    config::{
        self, ProblemText, Problems, Severity,
        diff::{Difference, differences},
    },
    daemon::reload::{
        differences::{ComparedRules, add_affected_customers},
        level_changes::{ChangeContext, refused},
        reloader::Reloader,
    },
    domain::{
        events::global_event::GlobalEvent,
        request::refusal::Refusal,
        rules::{configuration::Rules, level::LevelKey},
        vocabulary::{card_numbers::masked, names::Name},
    },
    ledger::Ledger,
    service::{
        configuration::{
            change::ConfigurationChange,
            trial::{ConfigurationTrial, MerchantFile},
        },
        error::ServiceError,
    },
};
use std::{collections::BTreeSet, fs, path::Path};

/// The most bytes of a file that are shown.
const TEXT_BYTES_MAX: usize = 1 << 20;

impl Reloader {
    /// What a change would do. It can read many customers, and must not run on a thread that answers payments.
    ///
    /// # Errors
    /// The change would be refused.
    pub(crate) fn try_change(&self, change: &ConfigurationChange) -> Result<ConfigurationTrial, ServiceError> {
        let payments = &self.parts.payments;
        let (rules, after, events, outcome, found) = {
            let files = self.files.lock();
            let (rules, mut overrides) = (payments.rules(), payments.ledger.overrides());
            let (events, outcome) =
                self.plan(&ChangeContext { change, rules: &rules, overrides: &overrides, files: &files })?;
            events.iter().for_each(|event| overrides.apply(event));
            let after = files.effective_rules(&overrides).map_err(refused)?;
            let found = differences(files.compared(&rules), files.compared(&after));
            (rules, after, events, outcome, found)
        };
        let version = rules.version.clone();
        let customers = customers_decided_by(&events, &rules, &payments.ledger);
        let differences = self.with_affected_customers(found, &rules, &after);
        Ok(ConfigurationTrial { outcome, differences, customers, version })
    }

    /// The file of a merchant, and what a reload would change there.
    ///
    /// # Errors
    /// No file defines the merchant.
    pub(crate) fn merchant_file(&self, merchant: Name) -> Result<MerchantFile, ServiceError> {
        let folder = &self.parts.config_folder;
        let loaded = config::load_with_tokens(folder, self.parts.payments.clock.wall());
        let files = self.files.lock();
        let owner = files.owners.iter().find(|(_, owner)| **owner == merchant);
        let (path, _) = owner.ok_or_else(|| Refusal::UnknownMerchant(merchant.to_string()))?;
        let (bytes, path) = (fs::read(path).unwrap_or_default(), Path::new(path));
        let text = String::from_utf8_lossy(bytes.get(..TEXT_BYTES_MAX).unwrap_or(&bytes));
        let name = path.strip_prefix(folder).unwrap_or(path).display().to_string();
        let file = MerchantFile { path: name, text: masked(&text).into_owned(), ..MerchantFile::default() };
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(problems) => {
                return Ok(MerchantFile { errors: errors_of(&problems.texts(&files.owners), merchant), ..file });
            }
        };
        let payments = &self.parts.payments;
        let (rules, mut overrides) = (payments.rules(), payments.ledger.overrides());
        let changed = loaded.changed_entries(&overrides, payments.clock.recording_time());
        let superseded = config::superseded_overrides(&changed, &overrides);
        changed.iter().for_each(|event| overrides.apply(event));
        let after = match loaded.effective_rules(&overrides) {
            Ok(after) => after,
            Err(problems) => return Ok(MerchantFile { errors: errors_of(&problems, merchant), ..file }),
        };
        let found = differences(files.compared(&rules), loaded.compared(&after));
        let of_files = Problems::new(loaded.warnings, loaded.owners).texts(&files.owners);
        drop(files);
        let found = found.into_iter().filter(|difference| difference.merchant == Some(merchant)).collect();
        let warnings = of_files.iter().chain(&superseded).filter(|problem| problem.merchant == Some(merchant));
        let warnings = warnings.map(|problem| problem.without_folder().into_owned()).collect();
        let differences = self.with_affected_customers(found, &rules, &after);
        Ok(MerchantFile { differences, warnings, ..file })
    }

    /// The differences in the words of one merchant, with the customers whom they affect.
    fn with_affected_customers(&self, mut found: Vec<Difference>, old: &Rules, new: &Rules) -> Vec<Difference> {
        let payments = &self.parts.payments;
        let now = payments.time().unwrap_or_else(|_| payments.clock.recording_time());
        add_affected_customers(&mut found, ComparedRules { old, new, now }, &payments.ledger);
        found.into_iter().map(|difference| Difference { merchant: None, ..difference }).collect()
    }
}

/// The errors that concern a merchant. Those of other merchants and of the daemon are not shown to the staff of one.
fn errors_of(problems: &[ProblemText], merchant: Name) -> Vec<String> {
    let of_merchant = problems.iter().filter(|problem| problem.merchant == Some(merchant));
    let errors = of_merchant.filter(|problem| problem.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|problem| problem.without_folder().into_owned()).collect();
    if errors.is_empty() {
        return vec!["another file of the configuration has errors; `levelgate check` names them".to_owned()];
    }
    errors
}

/// The number of customers whose payments the levels of these events decide today.
fn customers_decided_by(events: &[GlobalEvent], rules: &Rules, ledger: &Ledger) -> u64 {
    // A level of several currencies has one set of customers in a direction.
    let mut names = BTreeSet::new();
    let keys = events.iter().filter_map(level_of).filter(|key| names.insert((key.direction.word(), key.name)));
    keys.filter_map(|key| Some(ledger.customers_decided_by(rules.merchant(key.merchant.as_str())?, &key))).sum()
}

fn level_of(event: &GlobalEvent) -> Option<LevelKey> {
    match event {
        GlobalEvent::LevelPut { key, .. }
        | GlobalEvent::LevelDeleted { key, .. }
        | GlobalEvent::LevelFileApplied { key, .. } => Some(*key),
        GlobalEvent::RatesPut { .. }
        | GlobalEvent::InstrumentBlocks { .. }
        | GlobalEvent::InstrumentBlocked { .. }
        | GlobalEvent::LevelCreated { .. }
        | GlobalEvent::ExternalIdsGenerated { .. }
        | GlobalEvent::ConfigurationApplied { .. }
        | GlobalEvent::RatesFileApplied { .. }
        | GlobalEvent::MerchantFileApplied { .. }
        | GlobalEvent::LevelRenamed { .. }
        | GlobalEvent::SegmentsReleased { .. }
        | GlobalEvent::ArchiveLossAccepted { .. }
        | GlobalEvent::ClockAccepted { .. }
        | GlobalEvent::OperationAudited(_) => None,
    }
}
