//! The results of a bench: tables, a JSON file, histograms.

use crate::cli::{
    bench::{
        compare::RatioReport,
        disturbance::DisturbanceReport,
        figures::{Figure, Machine},
        read_back::ReadBack,
        session::{LoadSettings, RunReport},
    },
    support::{output_file::write_file, print::print_line},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The exit status where a run is invalid and the usage is right.
const INVALID_STATUS: u8 = 3;

/// The settings of a bench, as its file has them.
#[derive(Debug, Serialize)]
pub(super) struct SettingsReport {
    pub(super) target: String,
    pub(super) seed: u64,
    pub(super) customers: u32,
    pub(super) connections: u32,
    pub(super) threads: u32,
    pub(super) mix: String,
    pub(super) warm_up_milliseconds: u64,
    pub(super) duration_milliseconds: u64,
}

impl SettingsReport {
    /// The settings of a load against a target.
    pub(super) fn new(target: String, load: &LoadSettings) -> Self {
        let ms = |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            target,
            seed: load.seed,
            customers: load.customers,
            connections: load.connections,
            threads: load.threads,
            mix: load.mix.to_string(),
            warm_up_milliseconds: ms(load.warm_up),
            duration_milliseconds: ms(load.duration),
        }
    }

    /// Prints the workload.
    pub(super) fn print(&self) {
        let Self { target, seed, customers, connections, threads, mix, .. } = self;
        print_line!("target       {target}");
        print_line!(
            "workload     seed {seed}, {customers} customers (Zipf), {connections} connections, {threads} generator threads"
        );
        print_line!("operations   {mix}");
    }
}

/// What customers and transactions take in memory.
#[derive(Debug, Serialize)]
pub(super) struct MemoryReport {
    /// Bytes of a customer without transactions.
    pub(super) customer_bytes: u64,
    /// Bytes of a reserved transaction.
    pub(super) transaction_bytes: u64,
    /// Bytes of the journal for a reserve; zero without a disk.
    pub(super) journal_bytes: u64,
    /// Customers that were created, and transactions of each.
    pub(super) customers: u32,
    pub(super) transactions_each: u32,
}

impl MemoryReport {
    /// Prints the figures.
    pub(super) fn print(&self) {
        let Self { customer_bytes, transaction_bytes, journal_bytes, customers, transactions_each } = self;
        print_line!(
            "memory       {customer_bytes} bytes a customer, {transaction_bytes} a transaction ({customers} customers, \
             {transactions_each} transactions each); {journal_bytes} bytes of journal a reserve"
        );
    }

    fn figures(&self) -> [Figure; 3] {
        let figure = |what: &str, median, n| Figure {
            name: format!("bench {what}"),
            unit: "bytes".to_owned(),
            median,
            p99: None,
            n,
            machine: None,
        };
        let (customers, each) = (u64::from(self.customers), u64::from(self.transactions_each));
        [
            figure("memory a customer", self.customer_bytes, customers),
            figure("memory a transaction", self.transaction_bytes, customers * each),
            figure("journal a reserve", self.journal_bytes, customers * each),
        ]
    }
}

/// Everything that a bench measured.
#[derive(Debug, Serialize)]
pub(super) struct BenchReport {
    version: &'static str,
    machine: Machine,
    settings: SettingsReport,
    pub(super) memory: Option<MemoryReport>,
    pub(super) runs: Vec<RunReport>,
    /// What disturbances did, by the label and the load of the run.
    pub(super) disturbances: BTreeMap<String, DisturbanceReport>,
    pub(super) ratios: Vec<RatioReport>,
    /// The highest rate that met the objective.
    pub(super) max_rate: Option<u64>,
    /// One comparison for each daemon that was started.
    pub(super) usage: Vec<ReadBack>,
    /// Whether every run is valid.
    valid: bool,
    figures: Vec<Figure>,
}

impl BenchReport {
    /// A report without results.
    pub(super) fn new(settings: SettingsReport) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine: Machine::this(),
            settings,
            memory: None,
            runs: Vec::new(),
            disturbances: BTreeMap::new(),
            ratios: Vec::new(),
            max_rate: None,
            usage: Vec::new(),
            valid: true,
            figures: Vec::new(),
        }
    }

    /// Prints the comparison of the usage, writes the files, and returns the exit status. `searched`: a missed run is part
    /// of the result.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(super) fn finish(
        mut self,
        json: Option<&Path>,
        hgrm: Option<&Path>,
        searched: bool,
    ) -> anyhow::Result<ExitCode> {
        self.valid = searched || self.runs.iter().all(|run| run.invalid.is_empty());
        self.figures = self.runs.iter().flat_map(RunReport::figures).collect();
        self.figures.extend(self.ratios.iter().map(RatioReport::figure));
        self.figures.extend(self.memory.iter().flat_map(MemoryReport::figures));
        self.figures.extend(self.max_rate.map(|rate| Figure {
            name: "bench highest rate within the objective".to_owned(),
            unit: "requests/s".to_owned(),
            median: rate,
            p99: None,
            n: 1,
            machine: None,
        }));
        let is_equal = self.print_usage();
        if let Some(path) = json {
            write_file(path, &mut |output| {
                serde_json::to_writer_pretty(&mut *output, &self)?;
                writeln!(output)?;
                Ok(true)
            })?;
        }
        if let Some(path) = hgrm {
            for run in &self.runs {
                let path = if self.runs.len() == 1 { path.to_owned() } else { path_of(path, run) };
                write_file(&path, &mut |output| {
                    run.histogram.write_hgrm(output)?;
                    Ok(true)
                })?;
            }
        }
        Ok(match (is_equal, self.valid) {
            (false, _) => ExitCode::FAILURE,
            (true, false) => ExitCode::from(INVALID_STATUS),
            (true, true) => ExitCode::SUCCESS,
        })
    }

    fn print_usage(&self) -> bool {
        for usage in &self.usage {
            let ReadBack { customers, transactions, gross_cents, net_cents, different, uncertain, .. } = usage;
            let amount = |cents: &u64| format!("{}.{:02}", cents / 100, cents % 100);
            print_line!(
                "\nusage        {} of {customers} customers: {transactions} transactions, {} EUR gross, {} EUR net",
                if usage.is_equal() { "equal to the bench's own sum" } else { "DIFFERENT from the bench's own sum" },
                amount(gross_cents),
                amount(net_cents)
            );
            if *uncertain > 0 {
                print_line!("{uncertain} customers were not compared: a request about them failed");
            }
            if *different > 0 {
                eprintln!("levelgate: the usage of {different} customers differs from what was answered");
                usage.differences.iter().for_each(|difference| eprintln!("  {difference}"));
            }
        }
        self.usage.iter().all(ReadBack::is_equal)
    }
}

/// `FILE.hgrm` of several runs: `FILE-LABEL-RATE.hgrm`.
fn path_of(path: &Path, run: &RunReport) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    let rate = run.offered.map_or_else(|| "saturated".to_owned(), |rate| rate.to_string());
    name.push(format!("-{}-{rate}", run.label));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}
