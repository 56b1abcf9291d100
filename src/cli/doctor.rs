//! `levelgate doctor`: examines the machine for the daemon, with a verdict on each thing.

use crate::{
    cli::{
        check::data::losses,
        support::{configuration::default_folder, print::print_line},
    },
    clock::{Clock, Source},
    config::{self, Loaded, Problems},
    daemon::doctor::{Finding, Verdict, examine},
};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

const CONFIGURATION: &str = "configuration";

/// The arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = default_folder())]
    config: PathBuf,
}

/// Prints the verdicts. Fails if one of them is an error.
#[must_use]
pub(super) fn run(options: &Options) -> ExitCode {
    let now = Clock::new(Source::System).wall();
    let findings = match config::load_with_tokens(&options.config, now) {
        Ok(loaded) => {
            let mut findings = vec![judge_valid(&loaded, &options.config)];
            findings.extend(examine(&loaded, now));
            findings
        }
        Err(problems) => vec![judge_invalid(&problems, &options.config)],
    };
    for Finding { topic, verdict, text } in &findings {
        print_line!("{:8} {topic:14} {text}", verdict.word());
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let (errors, warnings) = (count(Verdict::Error), count(Verdict::Warning));
    print_line!("errors: {errors}, warnings: {warnings}, checks: {}", findings.len());
    if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn judge_valid(loaded: &Loaded, folder: &Path) -> Finding {
    let shown = folder.display();
    if !loaded.statements.has_daemon_file {
        return Finding::error(
            CONFIGURATION,
            format!("{shown} has no levelgate.toml; restore it, or write an empty one"),
        );
    }
    let losses = losses(loaded, None);
    if let Some(first) = losses.first() {
        let text = format!("{first}; {} in all, levelgate check {shown} prints them", config::tally(&losses));
        return Finding::error(CONFIGURATION, text);
    }
    let merchants = loaded.rules.merchants.len();
    match loaded.warnings.len() + loaded.token_warnings.len() {
        0 => Finding::fine(CONFIGURATION, format!("{shown} is valid: {merchants} merchants")),
        warnings => Finding::warning(
            CONFIGURATION,
            format!("{shown} is valid with {warnings} warnings; levelgate check {shown} prints them"),
        ),
    }
}

fn judge_invalid(problems: &Problems, folder: &Path) -> Finding {
    let shown = folder.display();
    let found = config::tally(&problems.list);
    Finding::error(
        CONFIGURATION,
        format!("{shown} has {found}; levelgate check {shown} prints them. Nothing else was examined"),
    )
}
