//! `levelgate bench`: measures a daemon under a seeded load, and checks what it recorded.

mod child;
mod compare;
mod connection;
mod diff;
mod disturbance;
mod expected_usage;
mod figures;
mod find_max;
mod floor;
mod generator;
mod hostile;
mod latency;
mod options;
mod pacer;
mod payer;
mod process_usage;
mod read_back;
mod report;
mod requests;
mod session;
mod table;
mod tail_table;
mod target;
#[cfg(test)]
mod tests;
mod workload;
mod zipf;

pub(super) use crate::cli::bench::options::Options;

use crate::cli::{
    bench::{
        child::{DaemonOrder, MERCHANT, OwnDaemon},
        compare::Peer,
        disturbance::{Disturbance, Disturber},
        figures::show_ns,
        hostile::{HostileClients, HostileKind},
        report::{BenchReport, SettingsReport},
        requests::WorkloadRequests,
        session::{RunReport, Session},
        table::{RUN_HEAD, print_generator, print_operations, print_table, run_row},
        tail_table::print_tail,
        target::{RemoteOrder, SocketChoice, fill_own, open_remote, start_own},
        workload::Workload,
        zipf::Zipf,
    },
    support::print::print_line,
};
use std::{process::ExitCode, sync::Arc};

/// Measures, or does one of the small works of the command.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    if options.serve_floor {
        return floor::run();
    }
    if let Some([old, new]) = options.diff.as_deref() {
        diff::run(old, new)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.print_merchant {
        print_line!("{}", MERCHANT.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(requests) = options.show {
        show(options, requests);
        return Ok(ExitCode::SUCCESS);
    }
    anyhow::ensure!(
        options.url.is_none() || options.compare != Some(Peer::Unix),
        "--compare unix compares two daemons with the same settings and starts both: leave out --url"
    );
    let target = match &options.url {
        Some(url) => url.clone(),
        None => format!("a daemon that the bench starts, store {}", options.store.word()),
    };
    let settings = SettingsReport::new(target, &options.load());
    settings.print();
    let mut report = BenchReport::new(settings);
    if !options.during.is_empty() {
        measure_during(options, &mut report)?;
    } else if !options.hostile.is_empty() {
        measure_hostile(options, &mut report)?;
    } else {
        measure(options, &mut report)?;
    }
    report.finish(options.json.as_deref(), options.hgrm.as_deref(), options.find_max)
}

/// Prints the first requests of the first run.
fn show(options: &Options, requests: u64) {
    let load = options.load();
    let workload = Workload { seed: load.seed, run: 1, mix: load.mix, zipf: Arc::new(Zipf::new(load.customers)) };
    let (mut all, mut request) = (WorkloadRequests::new(&workload, load.connections), Vec::new());
    for _ in 0..requests {
        all.write_next(&mut request);
        let text = String::from_utf8_lossy(&request);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1");
        print_line!("{line} {body}");
    }
    print_line!(
        "hash of these {requests} requests: {}",
        WorkloadRequests::new(&workload, load.connections).hash(requests)
    );
}

/// Opens the daemon of the arguments, and fills it. The daemon that the bench started ends when it is dropped.
fn open(options: &Options, report: &mut BenchReport) -> anyhow::Result<(Option<OwnDaemon>, Session)> {
    let load = options.load();
    if let Some((url, merchant)) = options.url.as_deref().zip(options.merchant.as_deref()) {
        let order = RemoteOrder { url, files: &options.files, merchant, pid: options.pid };
        let mut session = open_remote(&order, &load)?;
        (0..options.fill).try_for_each(|_| session.fill())?;
        return Ok((None, session));
    }
    let (daemon, mut session) = start_own(own_order(options), SocketChoice::Tcp, &load)?;
    report.memory = fill_own(&daemon, &mut session, load.customers, options.fill)?;
    if let Some(memory) = &report.memory {
        memory.print();
    }
    Ok((Some(daemon), session))
}

/// The daemon that the bench starts without `--during`.
fn own_order(options: &Options) -> DaemonOrder {
    DaemonOrder { store: options.store, segment_bytes: None, other_merchants: 0 }
}

/// The loads of the arguments one after the other, or the search for the highest rate, or turns with a peer.
fn measure(options: &Options, report: &mut BenchReport) -> anyhow::Result<()> {
    let (daemon, mut session) = open(options, report)?;
    if let Some(peer) = options.compare {
        let (offered, turns) = (options.offered(), options.turns);
        let (runs, ratios) = match peer {
            Peer::Floor => {
                let (_process, mut floor) = compare::start_floor(&options.load())?;
                compare::compare(&mut session, (peer, &mut floor), &offered, turns)?
            }
            Peer::Unix => {
                let load = options.load();
                let (other, mut over_unix) = start_own(own_order(options), SocketChoice::Unix, &load)?;
                fill_own(&other, &mut over_unix, load.customers, options.fill)?;
                let compared = compare::compare(&mut session, (peer, &mut over_unix), &offered, turns)?;
                report.usage.push(over_unix.read_back()?);
                compared
            }
        };
        print_runs(&runs);
        compare::print_ratios(peer, &ratios);
        (report.runs, report.ratios) = (runs, ratios);
    } else if let Some(objective) = options.slo.as_ref().filter(|_| options.find_max) {
        let (max_rate, runs) = find_max::find_max(&mut session, objective)?;
        print_runs(&runs);
        print_line!("\nhighest rate with {}: {max_rate}/s", objective.text());
        (report.runs, report.max_rate) = (runs, Some(max_rate));
    } else {
        let runs = options.offered().into_iter().map(|rate| session.run("levelgate", rate));
        let runs = runs.collect::<anyhow::Result<Vec<_>>>()?;
        print_runs(&runs);
        runs.iter().for_each(print_operations);
        report.runs = runs;
    }
    report.usage.push(session.read_back()?);
    drop(daemon);
    Ok(())
}

fn print_runs(runs: &[RunReport]) {
    for run in runs {
        print_line!("hash         {} of {} {}", run.workload_hash, run.label, run.offered_text());
    }
    print_line!("\nLatency from when a request was due to its answer");
    print_table(&RUN_HEAD, &runs.iter().map(run_row).collect::<Vec<_>>());
    print_generator(&runs.iter().collect::<Vec<_>>());
}

/// Measures each rate with a quiet daemon, then with each disturbance. Each disturbance gets a new daemon.
fn measure_during(options: &Options, report: &mut BenchReport) -> anyhow::Result<()> {
    let (load, sizes) = (options.load(), options.sizes());
    let kinds = std::iter::once(None).chain(options.during.iter().copied().map(Some));
    for kind in kinds {
        let order = DaemonOrder {
            store: options.store,
            segment_bytes: kind.and_then(Disturbance::segment_bytes),
            other_merchants: if kind == Some(Disturbance::Reload) { sizes.other_merchants } else { 0 },
        };
        let (daemon, mut session) = start_own(order, SocketChoice::Tcp, &load)?;
        let memory = fill_own(&daemon, &mut session, load.customers, options.fill)?;
        report.memory = report.memory.take().or(memory);
        let disturber = kind.map(|kind| Disturber::prepare(kind, &daemon, sizes)).transpose()?;
        for rate in options.rates_during() {
            let running = disturber.as_ref().map(Disturber::start);
            let run = session.run(kind.map_or("quiet", Disturbance::word), Some(rate))?;
            if let Some(running) = running {
                let key = format!("{} {}", run.label, run.offered_text());
                report.disturbances.insert(key, running.stop()?);
            }
            eprintln!("{} {}: p99 {}", run.label, run.offered_text(), show_ns(run.latency.p99));
            report.runs.push(run);
        }
        report.usage.push(session.read_back()?);
    }
    print_tail(report);
    Ok(())
}

/// Measures each rate without hostile clients, then with those of each kind, all at one daemon.
fn measure_hostile(options: &Options, report: &mut BenchReport) -> anyhow::Result<()> {
    let (daemon, mut session) = open(options, report)?;
    let kinds = std::iter::once(None).chain(options.hostile.iter().copied().map(Some));
    for kind in kinds {
        for rate in options.rates_during() {
            let clients = kind.map(|kind| HostileClients::start(kind, options.hostile_sizes(), session.endpoint()));
            let clients = clients.transpose()?;
            let run = session.run(kind.map_or("quiet", HostileKind::word), Some(rate))?;
            if let Some(clients) = clients {
                report.disturbances.insert(format!("{} {}", run.label, run.offered_text()), clients.stop()?);
            }
            eprintln!("{} {}: p99 {}", run.label, run.offered_text(), show_ns(run.latency.p99));
            report.runs.push(run);
        }
    }
    report.usage.push(session.read_back()?);
    print_tail(report);
    drop(daemon);
    Ok(())
}
