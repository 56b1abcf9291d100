//! Replays a history under other configuration files.

use crate::{
    config::{Loaded, recorded_rates_file},
    domain::{
        rules::{configuration::Rules, rates::Rates},
        vocabulary::{time::Millis, words::words},
    },
    ledger::{Replayed, ReplicatedError, ShadowLedger},
    service::backtest::{change_list::ChangeList, report::BacktestReport},
    storage::journal::{History, HistoryError},
};
use std::{io, sync::Arc};

words! {
    /// The rates of a replay.
    RatesChoice {
        /// Those that were in force at the time, as they are recorded; those of the files where none are.
        Recorded = "recorded",
        /// Those of the files, throughout.
        New = "new",
    }
}

/// How a history is replayed.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOptions {
    /// Only decisions from this time on count. The state is built from the beginning.
    pub from: Option<Millis>,
    /// Only decisions before this time count.
    pub to: Option<Millis>,
    /// The rates.
    pub rates: RatesChoice,
}

impl ReplayOptions {
    fn contains(&self, at: Millis) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

/// Why a history cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// The journal cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A record does not continue the state.
    #[error("record {}: {}", .0.lsn, .0.what)]
    Record(#[from] ReplicatedError),
    /// The levels or rates in force at that time do not fit the configuration.
    #[error(
        "before record {record}, levels or rates that were set through the API, or earlier rates of the files, do not fit the \
         configuration:\n{problems}"
    )]
    Rules {
        /// The record.
        record: u64,
        /// The problems, one a line.
        problems: String,
    },
    /// The list of changes cannot be written.
    #[error("the list cannot be written: {0}")]
    List(#[from] io::Error),
}

/// The configuration files, and the rules that they give at each time of the history.
struct Files {
    files: Loaded,
    /// The table of `rates.toml`.
    rates: Arc<Rates>,
    choice: RatesChoice,
    /// Whether the table of the files was quoted by the time of the last record.
    knows_rates: bool,
}

impl Files {
    fn new(files: Loaded, choice: RatesChoice) -> Self {
        let rates = Arc::clone(&files.rules.rates);
        Self { knows_rates: rates.as_of.is_none(), files, rates, choice }
    }

    /// Notes the time of the last record. Returns whether other rules follow from it.
    fn note_time(&mut self, newest: Option<Millis>) -> bool {
        let knows_rates = self.rates.as_of.is_none_or(|as_of| newest.is_some_and(|newest| newest >= as_of));
        std::mem::replace(&mut self.knows_rates, knows_rates) != knows_rates
    }

    /// The rules after the records so far: as after a reload of these files at that time.
    fn rules(&mut self, shadow: &ShadowLedger, record: u64) -> Result<Rules, BacktestError> {
        let mut overrides = shadow.overrides().clone();
        let at = shadow.newest_time().unwrap_or_default();
        self.files.changed_entries(&overrides, at).iter().for_each(|event| overrides.apply(event));
        // A table that was quoted later was not in force.
        let is_later = !self.knows_rates && overrides.rates().is_some();
        self.files.rules.rates = match overrides.rates_file().filter(|_| self.choice == RatesChoice::Recorded) {
            Some(recorded) => {
                Arc::new(recorded_rates_file(recorded, &self.files.rules.currencies).map_err(|invalid| {
                    let problem = |problem: &String| format!("the recorded rates of the files: {problem}");
                    let problems = invalid.problems.iter().map(problem).collect::<Vec<_>>().join("\n");
                    BacktestError::Rules { record, problems }
                })?)
            }
            None if is_later => Arc::default(),
            None => Arc::clone(&self.rates),
        };
        let rules = self.files.effective_rules(&overrides).map_err(|problems| BacktestError::Rules {
            record,
            problems: problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        })?;
        Ok(match self.choice {
            RatesChoice::Recorded => rules,
            RatesChoice::New => Rules { rates: Arc::clone(&self.rates), ..rules },
        })
    }
}

/// How far a replay has come.
#[derive(Debug, Clone, Copy)]
pub struct ReplayProgress {
    /// The number of the last record.
    pub record: u64,
    /// The number of transactions in memory.
    pub transactions: u64,
}

/// Replays a history and returns what differs. `progress` is called after each step.
///
/// # Errors
/// See [`BacktestError`].
pub fn replay(
    history: &History,
    mut shadow: ShadowLedger,
    files: Loaded,
    options: &ReplayOptions,
    mut list: Option<&mut ChangeList<'_>>,
    progress: &mut dyn FnMut(ReplayProgress),
) -> Result<BacktestReport, BacktestError> {
    let mut files = Files::new(files, options.rates);
    let (first_record, last_record) = (history.first().0, history.last().0);
    let mut report = BacktestReport { first_record, last_record, ..BacktestReport::default() };
    let mut rules = files.rules(&shadow, first_record)?;
    history.visit(|records| {
        let mut written = Ok(());
        let changes = shadow.apply(&rules, records, &mut |replayed| match replayed {
            Replayed::Decision(decision) => {
                let counts = options.contains(decision.recorded.recorded_at);
                if counts
                    && let Some(change) = report.count(&decision)
                    && let Some(list) = list.as_mut()
                    && written.is_ok()
                {
                    written = list.write(change, &decision, &rules.currencies);
                }
                counts
            }
            Replayed::RefusedApproval(approval) => {
                report.count_approval(&approval);
                true
            }
            Replayed::Reload(at) => {
                report.reloads += u64::from(options.contains(at));
                true
            }
        })?;
        written?;
        let lsn = records.last().map_or(0, |record| record.lsn.0);
        let is_other_time = files.note_time(shadow.newest_time());
        if changes || is_other_time {
            rules = files.rules(&shadow, lsn)?;
        }
        progress(ReplayProgress { record: lsn, transactions: shadow.transactions_len() });
        Ok::<(), BacktestError>(())
    })?;
    Ok(report)
}
