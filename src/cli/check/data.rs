//! Compares a configuration with a data folder: what a start on that folder would refuse.

use crate::{
    config::{self, Loaded, Occasion, Problem, Problems, Severity, StoreKind},
    daemon::{
        data_folder::{RecordedFolder, read_configuration, read_folder},
        reload::reloader::prior_at_start,
    },
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    ledger::DefaultCountries,
};
use std::path::Path;

/// What a start with these files would lose or cannot combine with the state. Without `data`, it reads what the data folder
/// of the configuration remembers, and not the state.
pub(in crate::cli) fn losses(files: &Loaded, data: Option<&Path>) -> Vec<Problem> {
    match data {
        Some(path) => match read(files, path) {
            Ok(folder) => losses_of_state(files, &folder, path),
            Err(error) => vec![error],
        },
        None if files.settings.store.kind == StoreKind::Memory => Vec::new(),
        None => match read_configuration(&files.settings.store.path) {
            Ok(prior) => prior.map_or_else(Vec::new, |prior| config::losses(&prior, files, Occasion::Start)),
            Err(error) => vec![unreadable(&error, &files.settings.store.path)],
        },
    }
}

/// Puts the loss of all merchants before the problems that follow from it, such as tokens for them. `data`: the data
/// folder; `None`: that of the settings.
pub(in crate::cli) fn with_loss_of_merchants(mut problems: Problems, folder: &Path, data: Option<&Path>) -> Problems {
    let Some(settings) = &problems.settings_without_merchants else { return problems };
    if data.is_none() && settings.store.kind == StoreKind::Memory {
        return problems;
    }
    let path = data.unwrap_or(&settings.store.path);
    let loss = match read_configuration(path) {
        Ok(prior) => prior.and_then(|prior| config::loss_of_merchants(&prior, folder)),
        Err(error) => Some(unreadable(&error, path)),
    };
    problems.list.splice(0..0, loss);
    problems
}

/// Loads the state of a folder.
///
/// # Errors
/// A start on it would be refused.
pub(super) fn read(files: &Loaded, path: &Path) -> Result<RecordedFolder, Problem> {
    read_folder(path, &files.settings, DefaultCountries::of(&files.rules)).map_err(|error| unreadable(&error, path))
}

fn unreadable(error: &anyhow::Error, path: &Path) -> Problem {
    const HELP: &str = "`levelgate inspect` examines the folder; name another one with --data or [store] path";
    Problem::of_file(Severity::Error, path.display().to_string(), format!("a start is refused: {error:#}"), HELP)
}

fn losses_of_state(files: &Loaded, folder: &RecordedFolder, path: &Path) -> Vec<Problem> {
    let prior = prior_at_start(folder.prior.clone(), &folder.ledger);
    let mut problems = config::losses(&prior, files, Occasion::Start);
    problems.extend(effective_rules(files, folder, path).err().unwrap_or_default());
    problems
}

/// The rules of the files and of the levels and rates that were set through the API.
///
/// # Errors
/// They do not fit the files.
pub(super) fn effective_rules(files: &Loaded, folder: &RecordedFolder, path: &Path) -> Result<Rules, Vec<Problem>> {
    let mut overrides = folder.ledger.overrides();
    let at = folder.newest_time.unwrap_or(Millis(0));
    files.changed_entries(&overrides, at).iter().for_each(|event| overrides.apply(event));
    files.effective_rules(&overrides).map_err(|problems| {
        let problem = |text| Problem::of_file(Severity::Error, path.display().to_string(), text, "");
        problems.into_iter().map(|conflict| problem(conflict.text)).collect()
    })
}
