//! `levelgate check`: the very code of a reload, over a folder.

use crate::{
    clock::{Clock, Source},
    config::{self, Settings, StoreKind},
    domain::rules::configuration::Rules,
    storage::journal::FOLDER,
};
use std::{path::PathBuf, process::ExitCode};

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder
    #[arg(default_value_os_t = super::default_config())]
    folder: PathBuf,
    /// Take warnings for errors
    #[arg(long)]
    strict: bool,
}

/// Prints every problem, then what it comes to.
pub(super) fn run(options: &Options) -> ExitCode {
    let checked = config::load_with_tokens(&options.folder, Clock::new(Source::System).wall());
    let checked = if options.strict { checked.and_then(config::Loaded::strict) } else { checked };
    let problems = match &checked {
        Ok(loaded) => &loaded.warnings,
        Err(problems) => &problems.list,
    };
    eprint!("{}", config::render(problems, super::style()));
    let (folder, tally) = (options.folder.display(), config::tally(problems));
    match &checked {
        Ok(loaded) => {
            let (merchants, version) = (loaded.rules.merchants.len(), &loaded.rules.version);
            let plural = if merchants == 1 { "" } else { "s" };
            eprintln!("{folder}: valid: {merchants} merchant{plural}, {tally}, version {version}");
            for line in crate::daemon::memory_estimate::lines(&loaded.settings, &loaded.rules) {
                eprintln!("{line}");
            }
            if let Some(note) = sealing(&loaded.rules) {
                eprintln!("{note}");
            }
            if let Some(note) = beside(&loaded.settings) {
                eprintln!("{note}");
            }
            ExitCode::SUCCESS
        }
        Err(_) => {
            eprintln!("{folder}: not valid: {tally}");
            ExitCode::FAILURE
        }
    }
}

/// Where merchants seal identifiers: what stays readable all the same. No folder is looked at.
fn sealing(rules: &Rules) -> Option<String> {
    let sealing = rules.merchants.values().filter(|merchant| merchant.seal_identifiers);
    let mut names: Vec<&str> = sealing.map(|merchant| merchant.id.as_str()).collect();
    names.sort_unstable();
    (!names.is_empty()).then(|| {
        format!(
            "seal_identifiers ({}): new records only; identifiers in records from before it was switched on stay in clear in \
             the journal and the archive for archive_days, and in older backups; snapshots from now on seal them all",
            names.join(", ")
        )
    })
}

/// A word about what no file says: whether anything stands beside the files is known to the daemon that serves the folder.
fn beside(settings: &Settings) -> Option<String> {
    let has_journal = settings.store.kind == StoreKind::Disk && settings.store.path.join(FOLDER).is_dir();
    has_journal.then(|| {
        let data = settings.store.path.display();
        format!(
            "this is what the files say; levels and rates that were set through the API lie in {data}, and are shown with \
             their origin by GET /v1/merchants/{{m}}/levels and GET /v1/rates of the daemon"
        )
    })
}
