//! The command line: one file a command. This file lists them.

mod backtest;
mod backup;
mod bench;
mod check;
mod completions;
mod doctor;
mod export;
mod export_transactions;
mod generate;
mod health;
mod help;
mod import;
mod import_transactions;
mod init;
mod inspect;
mod inspect_redis;
mod mock;
mod redis;
mod reload;
mod replay;
mod restore;
mod serve;
mod snapshot;
mod support;
mod take_over;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// An in-memory limits and routing daemon for payment gateways.
#[derive(Debug, Parser)]
#[command(name = "levelgate", version, long_version = VERSION, about, after_help = EXIT_STATUS, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Options,
}

/// The version, and the features of cargo that the program was built with.
#[cfg(feature = "otlp")]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nfeatures: otlp");
#[cfg(not(feature = "otlp"))]
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nfeatures: none");

const EXIT_STATUS: &str = "Exit status: 0 done, 1 failed or refused, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon (the default command)
    #[command(
        after_help = "Example:\n  levelgate serve --config /etc/levelgate\n\nSIGHUP reloads the configuration. SIGTERM answers the running requests and stops."
    )]
    Serve(serve::Options),
    /// Write a commented configuration to start from
    #[command(
        after_help = "Examples:\n  levelgate init config\n  levelgate init /etc/levelgate --mode crm\n\nExit status: 0 written, 1 refused: the folder contains something."
    )]
    Init(init::Options),
    /// Check a configuration and print all problems
    #[command(
        after_help = "Examples:\n  levelgate check\n  levelgate check /etc/levelgate --strict\n\nExit status: 0 valid, 1 not valid."
    )]
    Check(check::Options),
    /// Run operations from a file and print the answers
    #[command(
        after_help = "Example:\n  levelgate replay --config config operations.ndjson --out answers.ndjson\n\nEach line is an operation as in POST /v1/batch, with the time in `at`. An invalid line is answered with its problem."
    )]
    Replay(replay::Options),
    /// Replay the history of a data folder under another configuration, and print which decisions change
    #[command(
        after_help = "Examples:\n  levelgate backtest --config new-config --data data\n  levelgate backtest --config new-config --data data --from 2026-11-01 --to 2026-11-30 --list changes.csv\n  levelgate backtest --config new-config --data data --format json\n\nThe folder is only read. See \"What would have happened\" in `levelgate help operations`.\nExit status: 0 printed, also where decisions change, 1 the folder or the configuration cannot be used."
    )]
    Backtest(backtest::Options),
    /// Make a running daemon write a snapshot now
    #[command(after_help = "Example:\n  levelgate snapshot --url http://127.0.0.1:7400 --token-file operator.token")]
    Snapshot(support::daemon_client::DaemonAddress),
    /// Make a running daemon reload its configuration; SIGHUP does the same
    #[command(
        after_help = "Example:\n  levelgate reload\n\nExit status: 0 applied, 1 refused: every problem is printed."
    )]
    Reload(support::daemon_client::DaemonAddress),
    /// Ask a running daemon whether it decides, as the health check of a container does
    #[command(
        after_help = "Examples:\n  levelgate health\n  levelgate health --url https://localhost:7400 --ca ca.pem\n\nExit status: 0 it is ready, 1 it is not, or does not answer within 5 s."
    )]
    Health(support::daemon_client::DaemonAddress),
    /// Make a standby the primary
    #[command(
        after_help = "Example:\n  levelgate take-over --url http://standby.internal:7400 --token-file operator.token\n\nExit status: 0 the standby answers writes, 1 it could not take over."
    )]
    TakeOver(support::daemon_client::DaemonAddress),
    /// Print what a data folder contains, and check it for damage
    #[command(
        after_help = "Examples:\n  levelgate inspect data\n  levelgate inspect data --records --customer 1000001\n  levelgate inspect --redis redis://127.0.0.1:6379\n  levelgate inspect --redis --config /etc/levelgate\n\nExit status: 0 nothing is damaged, 1 damaged."
    )]
    Inspect(inspect::Options),
    /// Copy a data folder, also while a daemon serves it
    #[command(after_help = "Example:\n  levelgate backup data /backup/monday --keys /elsewhere/keys-of-monday")]
    Backup(backup::Options),
    /// Make a data folder from a copy, or from the copy in Redis
    #[command(
        after_help = "Examples:\n  levelgate restore /backup/monday data --keys /elsewhere/keys-of-monday --verify\n  levelgate restore --from-redis --config /etc/levelgate"
    )]
    Restore(restore::Options),
    /// Work on the copy in Redis
    Redis(redis::Options),
    /// Import a table of customers, or past payments
    #[command(
        after_help = "Examples:\n  levelgate import customers.csv --merchant acme\n  levelgate import customers.csv --merchant acme --url http://127.0.0.1:7400 --dry-run\n  levelgate import --transactions history.csv --dry-run\n\nWithout --url, the command opens the data folder of the configuration; no daemon may be serving it. Past payments are\nimported into a data folder without transactions; see `levelgate help operations`.\nExit status: 0 imported, 1 refused: every invalid row is printed, and nothing is changed without --partial."
    )]
    Import(import::Options),
    /// Export the table of all customers of a merchant, or all transactions
    #[command(
        after_help = "Examples:\n  levelgate export --merchant acme --out customers.csv\n  levelgate export --transactions --out history.csv"
    )]
    Export(export::Options),
    /// Generate customers for tests; the same seed generates the same customers
    #[command(
        after_help = "Examples:\n  levelgate mock --merchant acme --count 1000 --seed 1\n  levelgate mock --merchant acme --count 1000 --out customers.csv"
    )]
    Mock(mock::Options),
    /// Measure a daemon under a seeded load, and check what it recorded
    #[command(
        after_help = "Examples:\n  levelgate bench\n  levelgate bench --rate 1000,10000,20000 --seconds 30 --json new.json --hgrm new.hgrm\n  levelgate bench --find-max --slo p99=5ms\n  levelgate bench --compare floor --mix reserve=1\n  levelgate bench --during snapshot,reload,archive,upload,download\n  levelgate bench --hostile slow-head,half-open,big-body,bad-json\n  levelgate bench --diff old.json new.json\n  levelgate bench --print-merchant > /etc/levelgate/merchants/bench.toml\n  levelgate bench --url http://10.0.0.5:7400 --token-file bench.token --merchant bench\n  levelgate bench --url https://levelgate.internal:7400 --ca ca.pem --cert bench.pem --key bench.key --merchant bench\n\nWithout --url, the bench starts a daemon with a temporary folder. Latency counts from the time at which a request was\ndue, not from when it was sent. At the end, the usage of all customers is compared with the bench's own sum.\n\nExit status: 0 measured, 1 failed, or the usage differs from what was answered, 3 measured, but a run is invalid."
    )]
    Bench(bench::Options),
    /// Print a guide, or the help of a command
    #[command(
        after_help = "Examples:\n  levelgate help\n  levelgate help getting-started\n  levelgate help check\n\nExit status: 0 printed, 2 no such guide or command."
    )]
    Help(help::Options),
    /// Check this machine for the daemon: configuration, folder, clock, disk, limits, Redis
    #[command(
        after_help = "Examples:\n  levelgate doctor\n  levelgate doctor --config /etc/levelgate\n\nRun it as the user of the daemon, with its limits. It changes nothing.\nExit status: 0 nothing is wrong, 1 something is wrong."
    )]
    Doctor(doctor::Options),
    /// Write what belongs to the program: manual pages, completions, units, dashboard, alerts
    #[command(
        after_help = "Examples:\n  levelgate generate systemd > /etc/systemd/system/levelgate.service\n  levelgate generate man --out /usr/local/share/man/man1\n  levelgate generate alerts --out /etc/prometheus/levelgate-alerts.yml\n\nExit status: 0 written, 1 the output cannot be written."
    )]
    Generate(generate::Options),
    /// Print completions for a shell
    #[command(after_help = "Example:\n  levelgate completions bash > /etc/bash_completion.d/levelgate")]
    Completions(completions::Options),
}

/// Runs the command of the arguments.
#[must_use]
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command.unwrap_or(Command::Serve(arguments.serve)) {
        Command::Serve(options) => serve::run(options),
        Command::Init(options) => init::run(&options),
        Command::Check(options) => Ok(check::run(&options)),
        Command::Replay(options) => replay::run(&options),
        Command::Backtest(options) => backtest::run(&options),
        Command::Snapshot(daemon) => snapshot::run(&daemon),
        Command::Reload(daemon) => reload::run(&daemon),
        Command::Health(daemon) => health::run(&daemon),
        Command::TakeOver(daemon) => take_over::run(&daemon),
        Command::Inspect(options) if options.is_redis() => inspect_redis::run(&options.of_redis),
        Command::Inspect(options) => inspect::run(&options),
        Command::Backup(options) => backup::run(&options),
        Command::Restore(options) => restore::run(&options),
        Command::Redis(options) => redis::run(&options),
        Command::Import(options) => import::run(&options),
        Command::Export(options) => export::run(&options),
        Command::Mock(options) => mock::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Doctor(options) => Ok(doctor::run(&options)),
        Command::Generate(options) => generate::run(&options, Arguments::command()),
        Command::Help(options) => help::run(&options, Arguments::command()),
        Command::Completions(options) => completions::run(&options, &mut Arguments::command()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("levelgate: {error:#}");
        ExitCode::FAILURE
    })
}
