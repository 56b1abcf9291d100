//! `levelgate serve`: runs the daemon.

use crate::{
    cli::{
        check::data::{losses, with_loss_of_merchants},
        support::configuration::{default_folder, print_problems},
    },
    clock::{Clock, Source},
    config::{self, DaemonFile, LogFormat, Problems},
    daemon::{
        data_folder::ArchiveLosses,
        start::{self, FolderOrder, StartOptions},
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
    /// State that the folder has no levelgate.toml, and that every setting of the daemon has its default. Without this
    /// option a missing levelgate.toml is an error
    #[arg(long)]
    default_settings: bool,
    /// Replace a daemon that has the lease in Redis, although its lease has not ended. Only if it is certain that the other
    /// daemon does not answer any more
    #[arg(long)]
    take_over: bool,
    /// Restore the empty data folder from Redis, and start with it. A folder with data is never overwritten. Where Redis is
    /// empty too, the daemon starts anew
    #[arg(long)]
    restore: bool,
    /// Follow a primary through Redis: restore into an empty data folder or continue it, answer reads, refuse writes, and
    /// take over. With --take-over it takes over as soon as it has every record that Redis has
    #[arg(long, conflicts_with = "restore")]
    standby: bool,
    /// The form of the lines of the log [default: `format` under [log] in levelgate.toml, else text]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormatWord>,
}

/// The forms of the lines of the log.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LogFormatWord {
    /// For people
    Text,
    /// A JSON object a line
    Json,
}

impl From<LogFormatWord> for LogFormat {
    fn from(word: LogFormatWord) -> Self {
        match word {
            LogFormatWord::Text => Self::Text,
            LogFormatWord::Json => Self::Json,
        }
    }
}

/// Runs the daemon until a signal stops it.
pub(super) fn run(options: Options) -> anyhow::Result<ExitCode> {
    let Options {
        config: config_folder,
        accept_lost_archive,
        default_settings,
        take_over,
        restore,
        standby,
        log_format,
    } = options;
    let daemon_file = DaemonFile::of_option(default_settings);
    let loaded = config::load_with_tokens(&config_folder, Clock::new(Source::System).wall());
    let checked = match loaded {
        Ok(loaded) => match daemon_file.problem(&loaded) {
            None => Ok(loaded),
            // The data folder of the defaults may remember more.
            Some(problem) => Err(Problems::new([vec![problem], losses(&loaded, None)].concat(), loaded.owners)),
        },
        Err(problems) => Err(with_loss_of_merchants(problems, &config_folder, None)),
    };
    match checked {
        Ok(loaded) => {
            let archive_losses = if accept_lost_archive { ArchiveLosses::Accept } else { ArchiveLosses::Refuse };
            anyhow::ensure!(
                !restore || loaded.settings.redis.is_some(),
                "--restore restores the data folder from Redis, and there is no [redis] in the configuration"
            );
            let folder = match (standby, restore) {
                (true, _) => FolderOrder::Follow,
                (false, true) => FolderOrder::Restore,
                (false, false) => FolderOrder::Open,
            };
            let options = StartOptions {
                config_folder,
                daemon_file,
                archive_losses,
                takes_over: take_over,
                folder,
                log_format: log_format.map(LogFormat::from),
            };
            start::run(options, loaded)
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
