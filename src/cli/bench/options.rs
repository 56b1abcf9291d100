//! The arguments of `bench`.

use crate::cli::{
    bench::{
        child::StoreChoice,
        compare::Peer,
        disturbance::{Disturbance, DisturbanceSizes},
        figures::read_time,
        find_max::Objective,
        hostile::{HostileKind, HostileSizes},
        session::LoadSettings,
        workload::Mix,
    },
    support::client_files::ClientFiles,
};
use std::{path::PathBuf, time::Duration};

/// The rate of an open loop if the arguments name none.
const RATE: u64 = 10_000;
/// The rates of `--during` and `--hostile` if the arguments name none.
const RATES_DURING: [u64; 4] = [1_000, 10_000, 20_000, 30_000];

/// The arguments of `bench`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Measure a running daemon instead of one that the bench starts. Needs --merchant
    #[arg(long, value_name = "URL", requires = "merchant", conflicts_with_all = ["store", "during"])]
    pub(super) url: Option<String>,
    // With `url`. The token or certificate has the role operator, or gateway for the merchant.
    #[command(flatten)]
    pub(super) files: ClientFiles,
    /// A merchant of the daemon whose file says `benchmark = true`. No other merchant is accepted
    #[arg(long, value_name = "ID", requires = "url")]
    pub(super) merchant: Option<String>,
    /// The process of the daemon, if it runs on this machine: its processor time is measured
    #[arg(long, value_name = "PID", requires = "url")]
    pub(super) pid: Option<u32>,
    /// How the daemon that the bench starts stores its records
    #[arg(long, value_enum, default_value = "interval")]
    pub(super) store: StoreChoice,

    /// The seed of the workload; the same seed and sizes give the same requests
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of customers. Customer k pays with a probability proportional to 1/k
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=50_000_000))]
    customers: u32,
    /// The number of connections, each with one request at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// The threads of the generator
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    threads: u32,
    /// The weights of the operations
    #[arg(long, value_name = "OPERATION=WEIGHT,...", default_value_t = Mix::DEFAULT)]
    mix: Mix,

    /// Requests offered a second, whether or not earlier ones are answered; several rates are measured one after the other
    /// [default: 10000; with --during and --hostile 1000,10000,20000,30000]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    rate: Vec<u64>,
    /// Offer no rate: each connection sends when its last request is answered. Measures throughput
    #[arg(long)]
    saturate: bool,
    /// Find the highest rate that meets --slo
    #[arg(long, requires = "slo", conflicts_with_all = ["rate", "saturate", "compare", "during"])]
    pub(super) find_max: bool,
    /// The bound of --find-max on a percentile of the latency
    #[arg(long, value_name = "PERCENTILE=TIME", requires = "find_max")]
    pub(super) slo: Option<Objective>,
    /// The measured time of a run
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// The time before it that is not measured
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    warm_up: u64,
    /// Reserves of each customer before the first run. From two on, bytes a customer and a transaction are printed
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub(super) fill: u32,
    /// A run is invalid if the p99 of the generator's own delay is longer
    #[arg(long, value_name = "TIME", default_value = "1ms", value_parser = read_time)]
    lag_max: Duration,

    /// Compare in turns with a server that decides nothing, or with a daemon over its Unix socket (without --url)
    #[arg(long, value_enum, conflicts_with = "during")]
    pub(super) compare: Option<Peer>,
    /// Turns of --compare
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(super) turns: u32,
    /// Measure while this work runs in a loop, each against a quiet daemon
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WORK,...")]
    pub(super) during: Vec<Disturbance>,
    /// Rows of the tables of --during upload and download
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    rows: u64,
    /// Merchants with 20 levels each, which --during reload reads besides that of the bench
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    merchants: u32,

    /// Measure while hostile clients of each kind attack the daemon, after a run without them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KIND,...", conflicts_with_all = ["during", "compare", "find_max", "saturate"])]
    pub(super) hostile: Vec<HostileKind>,
    /// The clients of a kind of --hostile
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    hostile_clients: u32,
    /// The bytes, requests or handshakes that the clients of a kind of --hostile send in a second
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    hostile_rate: u32,

    /// Write all results to this file as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Write the latencies to this file in the text form of HdrHistogram; with several runs, one file for each
    #[arg(long, value_name = "FILE")]
    pub(super) hgrm: Option<PathBuf>,
    /// Print the changes between the figures of two files of --json or of the benches, and measure nothing
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], exclusive = true)]
    pub(super) diff: Option<Vec<PathBuf>>,
    /// Print the first requests of the workload, and measure nothing
    #[arg(long, value_name = "N", conflicts_with_all = ["url", "compare", "during", "find_max", "hostile"])]
    pub(super) show: Option<u64>,
    /// Print the file of a merchant that can be measured with --url, and measure nothing
    #[arg(long, exclusive = true)]
    pub(super) print_merchant: bool,
    /// Serve the floor of --compare. The bench starts itself with it
    #[arg(long, hide = true, exclusive = true)]
    pub(super) serve_floor: bool,
}

impl Options {
    /// What all runs have in common.
    pub(super) fn load(&self) -> LoadSettings {
        LoadSettings {
            seed: self.seed,
            customers: self.customers,
            connections: self.connections,
            threads: self.threads,
            mix: self.mix,
            warm_up: Duration::from_secs(self.warm_up),
            duration: Duration::from_secs(self.seconds),
            lag_max: self.lag_max,
        }
    }

    /// The loads to measure; `None`: saturated.
    pub(super) fn offered(&self) -> Vec<Option<u64>> {
        let mut offered: Vec<Option<u64>> = self.rate.iter().copied().map(Some).collect();
        if self.saturate || (self.compare.is_some() && offered.is_empty()) {
            offered.push(None);
        }
        if offered.is_empty() || (self.compare.is_some() && self.rate.is_empty() && !self.saturate) {
            offered.push(Some(RATE));
        }
        offered
    }

    /// The rates of `--during` and `--hostile`.
    pub(super) fn rates_during(&self) -> Vec<u64> {
        if self.rate.is_empty() { RATES_DURING.to_vec() } else { self.rate.clone() }
    }

    /// The sizes of `--hostile`.
    pub(super) fn hostile_sizes(&self) -> HostileSizes {
        HostileSizes { clients: self.hostile_clients, rate: self.hostile_rate }
    }

    /// The sizes of `--during`.
    pub(super) fn sizes(&self) -> DisturbanceSizes {
        DisturbanceSizes { rows: self.rows, other_merchants: self.merchants }
    }
}
