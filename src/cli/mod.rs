//! The commands. Everything is wired here; nobody imports this room.

mod backup;
mod check;
mod copying;
mod help;
pub(crate) mod import_export;
mod init;
mod inspect;
mod remote;
mod replay;

use clap::{CommandFactory, Parser, Subcommand};
use std::{
    io::{ErrorKind, Write},
    path::PathBuf,
    process::ExitCode,
};

/// An in-memory limits and routing daemon for payment gateways.
#[derive(Debug, Parser)]
#[command(name = "levelgate", version, about, after_help = EXIT_STATUS, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: crate::daemon::start::Options,
}

const EXIT_STATUS: &str = "Exit status: 0 done, 1 failed or refused, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests (the default command)
    #[command(
        after_help = "Example:\n  levelgate serve --config /etc/levelgate\n\nSIGHUP reloads, SIGTERM drains and stops."
    )]
    Serve(crate::daemon::start::Options),
    /// Write a commented configuration to start from
    #[command(
        after_help = "Examples:\n  levelgate init config\n  levelgate init /etc/levelgate --mode crm\n\nExit status: 0 written, 1 refused: the folder contains something."
    )]
    Init(init::Options),
    /// Check a configuration: every problem at once
    #[command(
        after_help = "Examples:\n  levelgate check\n  levelgate check /etc/levelgate --strict\n\nExit status: 0 valid, 1 not."
    )]
    Check(check::Options),
    /// Run a file of operations through the same decisions, with the time taken from the data
    #[command(
        after_help = "Example:\n  levelgate replay --config config operations.ndjson --out answers.ndjson\n\nEach line is an operation as in POST /v1/batch, with `at`. A bad line is answered with its problem."
    )]
    Replay(replay::Options),
    /// Have a running daemon save its state now
    #[command(after_help = "Example:\n  levelgate snapshot --url http://127.0.0.1:7400 --token-file operator.token")]
    Snapshot(remote::Options),
    /// Have a running daemon read its configuration again; SIGHUP does the same
    #[command(
        after_help = "Example:\n  levelgate reload\n\nExit status: 0 applied, 1 refused: every problem is printed."
    )]
    Reload(remote::Options),
    /// Say what stands in a data folder, and whether it is whole
    #[command(
        after_help = "Examples:\n  levelgate inspect data\n  levelgate inspect data --records --customer 1000001\n\nExit status: 0 whole, 1 damaged."
    )]
    Inspect(inspect::Options),
    /// Copy a data folder, also while it is served
    #[command(after_help = "Example:\n  levelgate backup data /backup/monday --keys /elsewhere/keys-of-monday")]
    Backup(backup::Backup),
    /// Make a data folder of a copy
    #[command(
        after_help = "Example:\n  levelgate restore /backup/monday data --keys /elsewhere/keys-of-monday --verify"
    )]
    Restore(backup::Restore),
    /// Read a table of customers
    #[command(
        after_help = "Examples:\n  levelgate import customers.csv --merchant acme\n  levelgate import customers.csv --merchant acme --url http://127.0.0.1:7400 --dry-run\n\nWithout --url the data folder of the configuration is opened; nobody may be serving it.\nExit status: 0 taken, 1 refused: every bad row is printed, and nothing is changed unless --partial says so."
    )]
    Import(crate::cli::import_export::Import),
    /// Write the table of all customers
    #[command(after_help = "Example:\n  levelgate export --merchant acme --out customers.csv")]
    Export(crate::cli::import_export::Export),
    /// Make up customers, the same for the same seed
    #[command(
        after_help = "Examples:\n  levelgate mock --merchant acme --count 1000 --seed 1\n  levelgate mock --merchant acme --count 1000 --out customers.csv"
    )]
    Mock(crate::cli::import_export::MockOptions),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  levelgate completions bash > /etc/bash_completion.d/levelgate")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a guide, or the help of a command
    #[command(
        after_help = "Examples:\n  levelgate help\n  levelgate help getting-started\n  levelgate help check\n\nExit status: 0 printed, 2 no such guide or command."
    )]
    Help(help::Options),
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(options) => crate::daemon::start::run(&options),
        Command::Init(options) => init::run(&options),
        Command::Check(options) => Ok(check::run(&options)),
        Command::Replay(options) => replay::run(&options),
        Command::Snapshot(options) => remote::snapshot(&options),
        Command::Reload(options) => remote::reload(&options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Backup(options) => backup::backup(&options),
        Command::Restore(options) => backup::restore(&options),
        Command::Import(options) => crate::cli::import_export::import(&options),
        Command::Export(options) => crate::cli::import_export::export(&options),
        Command::Mock(options) => crate::cli::import_export::mock(&options),
        Command::Help(options) => help::run(&options),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "levelgate", &mut script);
            // Whoever reads no further has enough; a disk that is full has half a script.
            let mut out = std::io::stdout();
            match out.write_all(&script).and_then(|()| out.flush()) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
                _ => Ok(ExitCode::SUCCESS),
            }
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("levelgate: {error:#}");
        ExitCode::FAILURE
    })
}

/// What a command says to whoever called it. What it does is done all the same where nobody listens any more.
macro_rules! say {
    ($($words:tt)*) => {
        let _ = std::io::Write::write_fmt(&mut std::io::stdout(), format_args!("{}\n", format_args!($($words)*)));
    };
}
use say;

/// Where the configuration lies unless somebody says otherwise.
pub(crate) fn default_config() -> PathBuf {
    PathBuf::from("config")
}

/// How problems are printed: with colours where a terminal watches.
pub(crate) fn style() -> crate::config::Style {
    use crate::config::Style;
    if std::io::IsTerminal::is_terminal(&std::io::stderr()) { Style::Coloured } else { Style::Plain }
}

/// What bounds a ledger under these settings.
pub(crate) fn bounds(settings: &crate::config::Settings) -> crate::ledger::Bounds {
    let skew = crate::domain::decision::decide::Skew {
        past_ms: settings.clock.max_past_ms,
        future_ms: settings.clock.max_future_ms,
    };
    crate::ledger::Bounds { transactions_max: settings.memory.max_transactions, skew }
}

/// The words of a random key, for digests that live no longer than the process.
pub(crate) fn random_key() -> anyhow::Result<(u64, u64)> {
    let word = || getrandom::u64().map_err(|error| anyhow::anyhow!("no random numbers: {error}"));
    Ok((word()?, word()?))
}
