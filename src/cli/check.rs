//! `levelgate check`: checks a configuration folder with the code of a start and of a reload, or compares two folders.

pub(in crate::cli) mod data;
mod diff;

use crate::{
    cli::{
        check::diff::DiffOptions,
        support::configuration::{default_folder, print_problems},
    },
    clock::{Clock, Source},
    config::{self, DaemonFile, Problems, Settings, Severity, StoreKind},
    daemon::memory_estimate,
    domain::rules::configuration::Rules,
    storage::journal::FOLDER,
};
use std::{path::PathBuf, process::ExitCode};

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder
    #[arg(default_value_os_t = default_folder())]
    folder: PathBuf,
    /// Treat warnings as errors
    #[arg(long)]
    strict: bool,
    /// Print every problem in full, also many of one kind
    #[arg(long)]
    all: bool,
    /// Compare two configuration folders: print what a reload from OLD to NEW adds, changes and removes
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["folder", "strict"])]
    diff: Option<Vec<PathBuf>>,
    /// Also check against the state of this data folder, as a start does; it needs as much memory as a start
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// State that the folder has no levelgate.toml, as for `levelgate serve`
    #[arg(long)]
    default_settings: bool,
}

/// Prints every problem, then the result.
pub(super) fn run(options: &Options) -> ExitCode {
    let daemon_file = DaemonFile::of_option(options.default_settings);
    match options.diff.as_deref() {
        Some([old, new]) => {
            diff::run(&DiffOptions { old, new, data: options.data.as_deref(), prints_all: options.all, daemon_file })
        }
        _ => check_folder(options, daemon_file),
    }
}

fn check_folder(options: &Options, daemon_file: DaemonFile) -> ExitCode {
    let checked = config::load_with_tokens(&options.folder, Clock::new(Source::System).wall());
    let checked = checked.and_then(|loaded| {
        let mut losses_found: Vec<_> = daemon_file.problem(&loaded).into_iter().collect();
        losses_found.extend(data::losses(&loaded, options.data.as_deref()));
        if losses_found.is_empty() {
            return if options.strict { loaded.strict() } else { Ok(loaded) };
        }
        let mut list = [loaded.warnings, losses_found].concat();
        if options.strict {
            list.iter_mut().for_each(|problem| problem.severity = Severity::Error);
        }
        Err(Problems::new(list, loaded.owners))
    });
    let checked =
        checked.map_err(|problems| data::with_loss_of_merchants(problems, &options.folder, options.data.as_deref()));
    let problems = match &checked {
        Ok(loaded) => &loaded.warnings,
        Err(problems) => &problems.list,
    };
    print_problems(problems, options.all);
    let (folder, tally) = (options.folder.display(), config::tally(problems));
    match &checked {
        Ok(loaded) => {
            let (merchants, version) = (loaded.rules.merchants.len(), &loaded.rules.version);
            let plural = if merchants == 1 { "" } else { "s" };
            eprintln!("{folder}: valid: {merchants} merchant{plural}, {tally}, version {version}");
            for line in memory_estimate::estimate_lines(&loaded.settings, &loaded.rules) {
                eprintln!("{line}");
            }
            let overrides = if options.data.is_none() { overrides_note(&loaded.settings) } else { None };
            let notes = [sandbox_note(&loaded.rules), sealing_note(&loaded.rules), overrides];
            notes.into_iter().flatten().for_each(|note| eprintln!("{note}"));
            ExitCode::SUCCESS
        }
        Err(_) => {
            eprintln!("{folder}: not valid: {tally}");
            ExitCode::FAILURE
        }
    }
}

/// The test merchants.
fn sandbox_note(rules: &Rules) -> Option<String> {
    let test_merchants = rules.merchants.values().filter(|merchant| merchant.sandbox);
    let mut names: Vec<&str> = test_merchants.map(|merchant| merchant.id.as_str()).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| {
        format!(
            "sandbox ({}): test merchants: ids that end in a denial code are denied with it, and no block of an instrument \
             reaches another merchant",
            names.join(", ")
        )
    })
}

/// What stays readable if merchants seal identifiers. No data folder is read.
fn sealing_note(rules: &Rules) -> Option<String> {
    let sealing = rules.merchants.values().filter(|merchant| merchant.seal_identifiers);
    let mut names: Vec<&str> = sealing.map(|merchant| merchant.id.as_str()).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| {
        format!(
            "seal_identifiers ({}): only new records are sealed; identifiers in older records stay readable in the \
             journal and the archive for archive_days, and in older backups; new snapshots seal all identifiers",
            names.join(", ")
        )
    })
}

/// A note that the API may have set levels and rates, which only the state shows.
fn overrides_note(settings: &Settings) -> Option<String> {
    let has_journal = settings.store.kind == StoreKind::Disk && settings.store.path.join(FOLDER).is_dir();
    has_journal.then(|| {
        let data = settings.store.path.display();
        format!(
            "the check covers the files, and what {data} remembers of the configuration before; levels and rates that were \
             set through the API are stored in {data}: `levelgate check --data {data}` reads them, and GET \
             /v1/merchants/{{m}}/levels and GET /v1/rates of the daemon return them with their origin"
        )
    })
}
