//! The daemon against the floor, or against a daemon over its Unix socket, in turns.

use crate::cli::{
    bench::{
        child::ChildProcess,
        connection::ServerAddress,
        figures::{Figure, median, ratio_hundredths, show_hundredths},
        requests::Endpoint,
        session::{LoadSettings, RunReport, Session},
        table::print_table,
    },
    support::print::print_line,
};
use serde::Serialize;

/// The server that the daemon is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Peer {
    /// A bare axum handler that decides nothing
    Floor,
    /// Another daemon with the same settings, over its Unix socket
    Unix,
}

impl Peer {
    /// The name in arguments and tables.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Unix => "unix",
        }
    }
}

/// The median of a ratio over all turns of one load, in hundredths.
#[derive(Debug, Serialize)]
pub(super) struct RatioReport {
    pub(super) peer: &'static str,
    pub(super) offered: String,
    pub(super) figure: &'static str,
    pub(super) hundredths: u64,
    pub(super) turns: u64,
}

/// A figure of a run that is compared.
type FigureOf = fn(&RunReport) -> u64;

const COMPARED: [(&str, FigureOf); 5] = [
    ("throughput", |run| run.throughput),
    ("CPU/request", |run| run.server_cpu_ns.unwrap_or_default()),
    ("p50", |run| run.latency.p50),
    ("p99", |run| run.latency.p99),
    ("p99.9", |run| run.latency.p999),
];

/// Starts the floor.
///
/// # Errors
/// It does not start.
pub(super) fn start_floor(load: &LoadSettings) -> anyhow::Result<(ChildProcess, Session)> {
    let process = ChildProcess::start(&["bench".as_ref(), "--serve-floor".as_ref()])?;
    let address = ServerAddress::plain(process.address.clone());
    let endpoint = Endpoint { address, merchant: "bench".to_owned(), token: None, prefix: String::new() };
    let session = Session::new(endpoint, Some(process.id()), load.clone());
    Ok((process, session))
}

/// Runs both in turns, each load for itself. The side that begins changes with each turn.
///
/// # Errors
/// One of them does not answer.
pub(super) fn compare(
    daemon: &mut Session,
    (peer, other): (Peer, &mut Session),
    offered: &[Option<u64>],
    turns: u32,
) -> anyhow::Result<(Vec<RunReport>, Vec<RatioReport>)> {
    let (mut runs, mut ratios) = (Vec::new(), Vec::new());
    for &rate in offered {
        let mut pairs = Vec::new();
        for turn in 0..turns {
            let pair = if turn % 2 == 0 {
                let own = daemon.run("levelgate", rate)?;
                (own, other.run(peer.word(), rate)?)
            } else {
                let other = other.run(peer.word(), rate)?;
                (daemon.run("levelgate", rate)?, other)
            };
            pairs.push(pair);
        }
        for (figure, of) in COMPARED {
            let of_pair = |(own, other): &(RunReport, RunReport)| ratio_hundredths(of(own), of(other));
            ratios.push(RatioReport {
                peer: peer.word(),
                offered: pairs.first().map(|(own, _)| own.offered_text()).unwrap_or_default(),
                figure,
                hundredths: median(pairs.iter().map(of_pair).collect()),
                turns: u64::from(turns),
            });
        }
        runs.extend(pairs.into_iter().flat_map(|(own, other)| [own, other]));
    }
    Ok((runs, ratios))
}

/// Prints the ratios.
pub(super) fn print_ratios(peer: Peer, ratios: &[RatioReport]) {
    print_line!("\nlevelgate against {}, medians over the turns", peer.word());
    let rows: Vec<Vec<String>> = ratios
        .iter()
        .map(|ratio| vec![ratio.offered.clone(), ratio.figure.to_owned(), show_hundredths(ratio.hundredths)])
        .collect();
    print_table(&["offered", "figure", "ratio"], &rows);
}

impl RatioReport {
    /// What later runs can be compared with.
    pub(super) fn figure(&self) -> Figure {
        Figure {
            name: format!("bench levelgate over {} {}: {}", self.peer, self.offered, self.figure),
            unit: "hundredths".to_owned(),
            median: self.hundredths,
            p99: None,
            n: self.turns,
            machine: None,
        }
    }
}
