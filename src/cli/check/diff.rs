//! `levelgate check --diff OLD NEW`: what a reload from one configuration to the other would change.

use crate::{
    cli::{
        check::data,
        support::{configuration::print_problems, print::print_line},
    },
    clock::{Clock, Source},
    config::{
        self, DaemonFile, Loaded, Occasion, PriorConfiguration, Problem, RecordedState, Severity,
        diff::{ComparedConfiguration, Difference, DifferenceKind, differences},
    },
    daemon::{
        data_folder::{RecordedFolder, recorded_state},
        reload::differences::{ComparedRules, add_affected_customers},
    },
    domain::rules::configuration::Rules,
};
use std::{path::Path, process::ExitCode};

/// The folders to compare.
pub(super) struct DiffOptions<'a> {
    pub(super) old: &'a Path,
    pub(super) new: &'a Path,
    /// A data folder, for the customers and for what the API has set.
    pub(super) data: Option<&'a Path>,
    /// Whether many problems of one kind are printed in full.
    pub(super) prints_all: bool,
    /// Whether NEW has to contain `levelgate.toml`.
    pub(super) daemon_file: DaemonFile,
}

/// Prints the differences, one a line, then what a reload would refuse.
pub(super) fn run(options: &DiffOptions<'_>) -> ExitCode {
    let DiffOptions { old, new, .. } = *options;
    let now = Clock::new(Source::System).wall();
    // The files of the old tokens need not exist any more.
    let (before, after) = match (config::load(old), config::load_with_tokens(new, now)) {
        (Ok(before), Ok(after)) => (before, after),
        (Ok(before), Err(mut problems)) if problems.settings_without_merchants.is_some() => {
            let prior = PriorConfiguration::new(&before, &before.rules, &RecordedState::default());
            problems.list.splice(0..0, config::loss_of_merchants(&prior, new));
            return finish(&problems.list, options);
        }
        (before, after) => {
            for (folder, loaded) in [(old, before), (new, after)] {
                if let Err(problems) = loaded {
                    print_problems(&problems.list, options.prints_all);
                    eprintln!("{}: not valid: {}", folder.display(), config::tally(&problems.list));
                }
            }
            return ExitCode::FAILURE;
        }
    };
    match compare(&before, &after, options) {
        Ok((found, refused)) => {
            for difference in &found {
                print_line!("{difference}");
            }
            let count = |kind| found.iter().filter(|difference| difference.kind == kind).count();
            eprintln!(
                "{} -> {}: {} added, {} changed, {} removed",
                old.display(),
                new.display(),
                count(DifferenceKind::Added),
                count(DifferenceKind::Changed),
                count(DifferenceKind::Removed)
            );
            finish(&refused, options)
        }
        Err(problems) => finish(&problems, options),
    }
}

fn finish(refused: &[Problem], options: &DiffOptions<'_>) -> ExitCode {
    print_problems(refused, options.prints_all);
    if refused.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("a reload is refused: {}", config::tally(refused));
    ExitCode::FAILURE
}

/// The differences, and what a reload would refuse.
///
/// # Errors
/// The data folder cannot be read, or what was set through the API does not fit the files.
fn compare(
    before: &Loaded,
    after: &Loaded,
    options: &DiffOptions<'_>,
) -> Result<(Vec<Difference>, Vec<Problem>), Vec<Problem>> {
    let Some(path) = options.data else {
        let found = differences(compared(before, &before.rules), compared(after, &after.rules));
        let refused = losses(before, after, options.daemon_file, StateBefore { rules: &before.rules, folder: None });
        return Ok((found, refused));
    };
    let folder = data::read(before, path).map_err(|problem| vec![problem])?;
    // Files that are not in force may conflict with the state; the new ones must not.
    let old_rules = data::effective_rules(before, &folder, path)?;
    let new_rules = data::effective_rules(after, &folder, path)?;
    let mut found = differences(compared(before, &old_rules), compared(after, &new_rules));
    let now = folder.newest_time.unwrap_or_else(|| Clock::new(Source::System).wall());
    let rules = ComparedRules { old: &old_rules, new: &new_rules, now };
    add_affected_customers(&mut found, rules, &folder.ledger);
    let state = StateBefore { rules: &old_rules, folder: Some(&folder) };
    let refused = losses(before, after, options.daemon_file, state);
    Ok((found, refused))
}

fn compared<'a>(files: &'a Loaded, rules: &'a Rules) -> ComparedConfiguration<'a> {
    ComparedConfiguration { credentials: None, certificate_end: None, ..files.compared(rules) }
}

/// The rules in force before, and the data folder.
#[derive(Clone, Copy)]
struct StateBefore<'a> {
    rules: &'a Rules,
    folder: Option<&'a RecordedFolder>,
}

/// What a reload would refuse. Without a data folder it is unknown which merchants have customers.
fn losses(before: &Loaded, after: &Loaded, daemon_file: DaemonFile, state: StateBefore<'_>) -> Vec<Problem> {
    let StateBefore { rules, folder } = state;
    let state = folder.map(|folder| recorded_state(&folder.ledger)).unwrap_or_default();
    let mut found = config::losses(&PriorConfiguration::new(before, rules, &state), after, Occasion::Reload);
    found.splice(0..0, daemon_file.problem(after));
    found.sort_by_key(|problem| problem.severity != Severity::Error);
    found
}
