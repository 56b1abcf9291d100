//! What a reload of the files would do now. Nothing is changed and nothing is recorded.

use crate::{
    config::{
        self, Loaded, ProblemText,
        diff::{StartSetting, differences},
    },
    daemon::reload::{
        differences::{ComparedRules, add_affected_customers},
        reloader::Reloader,
    },
    domain::{rules::configuration::Rules, vocabulary::names::Name},
    service::{
        configuration::reload::{RefusedReload, ReloadReport},
        monitoring::{
            reload_preview::{MerchantFile, ReloadPreview},
            settings::{LimitUse, SettingInForce},
        },
    },
};
use std::{fs::File, io::Read, path::Path};

/// The most bytes of a file that are shown.
const TEXT_BYTES_MAX: u64 = 256 * 1_024;

impl Reloader {
    /// Reads and checks the files as a reload does. `merchant`: the one whose file is shown too. It reads customers one at a
    /// time, so it must not run on a thread that answers payments.
    pub(crate) fn preview(&self, merchant: Option<Name>) -> ReloadPreview {
        let payments = &self.parts.payments;
        let before = payments.rules();
        let files = self.files.lock();
        let loaded = config::load_with_tokens(&self.parts.config_folder, payments.clock.wall());
        let owners = match &loaded {
            Ok(loaded) => loaded.owners.clone(),
            Err(problems) => problems.owners.clone(),
        };
        let planned = loaded
            .map_err(|problems| self.with_loss_of_merchants(problems, &files).texts(&files.owners))
            .and_then(|loaded| self.planned_report(&files, &loaded));
        drop(files);
        let outcome = match planned {
            Ok((mut report, rules)) => {
                let now = payments.time().unwrap_or_else(|_| payments.clock.recording_time());
                let compared = ComparedRules { old: &before, new: &rules, now };
                add_affected_customers(&mut report.differences, compared, &payments.ledger);
                Ok(report)
            }
            Err(problems) => Err(RefusedReload { at: payments.clock.wall(), problems }),
        };
        let wanted = owners.iter().find(|(_, owner)| Some(**owner) == merchant);
        let text = wanted.and_then(|(path, _)| text_of(Path::new(path)));
        let file = |(path, owner): (&String, &Name)| MerchantFile { merchant: owner.as_str(), file: path.clone() };
        ReloadPreview { outcome, files: owners.iter().map(file).collect(), text }
    }

    /// The settings in force without secrets: those of the start, and the level of the log.
    pub(crate) fn settings_in_force(&self) -> Vec<SettingInForce> {
        let of_start = config::start_settings(&self.parts.settings).into_iter();
        let of_start =
            of_start.map(|StartSetting { name, value, is_secret }| SettingInForce { name, value, is_secret });
        let level = self.files.lock().settings.log.level.map(|level| level.word().to_owned());
        let level = SettingInForce { name: "[log] level".to_owned(), value: level, is_secret: false };
        of_start.chain([level]).collect()
    }

    /// The limit of transactions in memory.
    pub(crate) fn limits(&self) -> [LimitUse; 1] {
        let used = self.parts.payments.ledger.transactions_len();
        [LimitUse { limit: "transactions", used, max: self.parts.settings.memory.max_transactions }]
    }

    /// The report of files that are valid by themselves, and the rules that they would make.
    fn planned_report(&self, files: &Loaded, loaded: &Loaded) -> Result<(ReloadReport, Rules), Vec<ProblemText>> {
        let payments = &self.parts.payments;
        let before = payments.rules();
        self.check_losses(files, &before, loaded)?;
        let mut overrides = payments.ledger.overrides();
        let changed = loaded.changed_entries(&overrides, payments.clock.recording_time());
        let superseded = config::superseded_overrides(&changed, &overrides);
        changed.iter().for_each(|event| overrides.apply(event));
        let rules = loaded.effective_rules(&overrides)?;
        let of_files = config::Problems::new(loaded.warnings.clone(), loaded.owners.clone()).texts(&files.owners);
        let report = ReloadReport {
            at: payments.clock.wall(),
            version: rules.version.clone(),
            differences: differences(files.compared(&before), loaded.compared(&rules)),
            warnings: of_files.into_iter().chain(superseded).collect(),
            restart_needed: config::changed_restart_settings(&self.parts.settings, &loaded.settings),
        };
        Ok((report, rules))
    }
}

/// The begin of a file as text; `None`: it cannot be read.
fn text_of(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
