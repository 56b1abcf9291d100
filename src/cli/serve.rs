//! `levelgate serve`: runs the daemon.

use crate::{
    cli::support::configuration::{default_folder, print_problems},
    clock::{Clock, Source},
    config,
    daemon::{
        data_folder::ArchiveLosses,
        start::{self, StartOptions},
    },
};
use std::{path::PathBuf, process::ExitCode};

/// The arguments of `serve`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The configuration folder
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = default_folder())]
    config: PathBuf,
    /// Start although segments of the archive are missing or damaged, and accept the loss. The loss is logged, recorded
    /// and shown in /v1/status
    #[arg(long)]
    accept_lost_archive: bool,
}

/// Runs the daemon until a signal stops it.
pub(super) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options { config: config_folder, accept_lost_archive } = options;
    match config::load_with_tokens(&config_folder, Clock::new(Source::System).wall()) {
        Ok(loaded) => {
            let archive_losses = if accept_lost_archive { ArchiveLosses::Accept } else { ArchiveLosses::Refuse };
            start::run(StartOptions { config_folder, archive_losses }, loaded)
        }
        Err(problems) => {
            print_problems(&problems.list, false);
            eprintln!(
                "levelgate: the configuration in {} is not valid: {}",
                config_folder.display(),
                config::tally(&problems.list)
            );
            Ok(ExitCode::FAILURE)
        }
    }
}
