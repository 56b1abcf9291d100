//! `levelgate redis`: commands on the copy in Redis.

use crate::{
    cli::support::{
        configuration::{default_folder, load_with_secrets},
        print::print_line,
    },
    daemon::redis_copy::reader,
};
use std::{path::PathBuf, process::ExitCode};

/// The argument instead of the instance if the copy has lost its head.
const UNKNOWN: &str = "unknown";

/// The arguments of `redis`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Delete the copy in Redis. The next start of a daemon sends its journal there again
    #[command(
        after_help = "Example:\n  levelgate redis discard 0123456789abcdef0123456789abcdef --config /etc/levelgate\n\nThe command refuses a copy whose owner has a lease.\nExit status: 0 deleted, 1 refused."
    )]
    Discard(Discard),
}

#[derive(Debug, clap::Args)]
struct Discard {
    /// The instance of the copy, as `levelgate inspect --redis` prints it; `unknown` if the head of the copy is gone
    #[arg(value_name = "INSTANCE")]
    instance: String,
    /// The configuration folder
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = default_folder())]
    config: PathBuf,
    /// Delete it although its owner has a lease. A daemon that still writes the copy stops
    #[arg(long)]
    take_over: bool,
}

/// Runs the command.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let Command::Discard(discard) = &options.command;
    let loaded = load_with_secrets(&discard.config)?;
    let (Some(redis), Some(files)) = (&loaded.settings.redis, &loaded.redis_files) else {
        anyhow::bail!("there is no [redis] in the configuration in {}", discard.config.display());
    };
    let mut reader = reader(redis, files)?;
    let found = reader.head()?.map_or_else(|| UNKNOWN.to_owned(), |head| head.instance.to_string());
    anyhow::ensure!(
        found == discard.instance,
        "Redis has the copy of instance {found} under the prefix {}, and {} is to be deleted: nothing was deleted",
        redis.prefix,
        discard.instance
    );
    if let Some(lease) = reader.discard(discard.take_over)? {
        anyhow::bail!(
            "a daemon has the lease of this copy: {}, fence {}; stop it, or, if it is certain that it does not run any more, \
             add --take-over: nothing was deleted",
            lease.owner,
            lease.fence
        );
    }
    print_line!("deleted the copy of instance {found} under the prefix {}", redis.prefix);
    Ok(ExitCode::SUCCESS)
}
