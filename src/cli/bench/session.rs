//! Runs against one server, and the sum of what they did.

use crate::cli::bench::{
    expected_usage::ExpectedUsage,
    figures::{Figure, per_second, show_ns},
    generator::{Generator, Measurement, Pace, total_requests},
    latency::{Latencies, Percentiles},
    payer::{Fill, Outcomes, Payer, Steps},
    process_usage::processor_time,
    read_back::{ReadBack, read_back},
    requests::{Endpoint, RequestWriter, WorkloadRequests},
    workload::{Mix, Operation, Workload},
    zipf::Zipf,
};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// The number of requests that the hash of a saturated run covers. Its length is not known before it.
const HASHED_SATURATED: u64 = 100_000;

/// What all runs of a bench have in common.
#[derive(Debug, Clone)]
pub(super) struct LoadSettings {
    pub(super) seed: u64,
    pub(super) customers: u32,
    pub(super) connections: u32,
    pub(super) threads: u32,
    pub(super) mix: Mix,
    pub(super) warm_up: Duration,
    pub(super) duration: Duration,
    /// The p99 of the generator's own delay beyond which a run is invalid.
    pub(super) lag_max: Duration,
}

/// What one run measured. Latencies are in nanoseconds.
#[derive(Debug, Serialize)]
pub(super) struct RunReport {
    /// What ran, such as `levelgate`, `floor`, or the disturbance.
    pub(super) label: String,
    /// Requests offered a second; `None`: saturated.
    pub(super) offered: Option<u64>,
    pub(super) workload_hash: String,
    pub(super) milliseconds: u64,
    pub(super) requests: u64,
    /// Requests answered a second.
    pub(super) throughput: u64,
    /// From when a request was due to its answer.
    pub(super) latency: Percentiles,
    /// From when a request was sent to its answer.
    pub(super) service: Percentiles,
    /// The generator's own delay.
    pub(super) lag: Percentiles,
    /// The latency of each operation.
    pub(super) operations: BTreeMap<&'static str, Percentiles>,
    /// Requests answered with 200, by operation, without denied reserves.
    pub(super) done: BTreeMap<&'static str, u64>,
    pub(super) denied: u64,
    /// Requests with another answer, by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// Requests that were due and not sent.
    pub(super) unsent: u64,
    /// Processor time of the server for a request; `None`: its process is not on this machine.
    pub(super) server_cpu_ns: Option<u64>,
    /// Processor time of the generator for a request.
    pub(super) generator_cpu_ns: u64,
    /// Why the run is invalid; empty: it is valid.
    pub(super) invalid: Vec<String>,
    #[serde(skip)]
    pub(super) histogram: Latencies,
}

impl RunReport {
    /// The load in words: `10000/s`, or `saturated`.
    pub(super) fn offered_text(&self) -> String {
        self.offered.map_or_else(|| "saturated".to_owned(), |rate| format!("{rate}/s"))
    }

    /// What later runs can be compared with.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let figure = |what: &str, unit: &str, median, p99| Figure {
            name: format!("bench {} {}: {what}", self.label, self.offered_text()),
            unit: unit.to_owned(),
            median,
            p99,
            n: self.requests,
            machine: None,
        };
        let mut figures = vec![
            figure("throughput", "requests/s", self.throughput, None),
            figure("latency", "ns", self.latency.p50, Some(self.latency.p99)),
            figure("service time", "ns", self.service.p50, Some(self.service.p99)),
        ];
        figures.extend(self.server_cpu_ns.map(|ns| figure("CPU of the server a request", "ns", ns, None)));
        figures
    }
}

/// A server under load.
pub(super) struct Session {
    endpoint: Endpoint,
    server: Option<u32>,
    load: LoadSettings,
    expected: Arc<ExpectedUsage>,
    zipf: Arc<Zipf>,
    runs: u32,
    fills: u32,
}

impl Session {
    /// A session without runs. `server` is the process whose processor time is read.
    pub(super) fn new(endpoint: Endpoint, server: Option<u32>, load: LoadSettings) -> Self {
        let expected = Arc::new(ExpectedUsage::new(load.customers));
        let zipf = Arc::new(Zipf::new(load.customers));
        Self { endpoint, server, load, expected, zipf, runs: 0, fills: 0 }
    }

    /// The server.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The workload of a run.
    fn workload(&self, run: u32) -> Workload {
        Workload { seed: self.load.seed, run, mix: self.load.mix, zipf: Arc::clone(&self.zipf) }
    }

    /// Reserves one transaction of each customer.
    ///
    /// # Errors
    /// The server does not answer, or refuses one.
    pub(super) fn fill(&mut self) -> anyhow::Result<()> {
        let LoadSettings { customers, connections, threads, .. } = self.load;
        self.fills += 1;
        let payer = |number: u32| {
            let writer = RequestWriter::new(&self.endpoint, &format!("f{}-", self.fills));
            let fill = Fill { customer: number, customers, stride: connections };
            Payer::new(Steps::Fill(fill), writer, Arc::clone(&self.expected))
        };
        let payers = (0..connections).map(payer).collect();
        let mut generator = Generator::connect(&self.endpoint.address, payers, threads as usize, Operation::ALL.len())?;
        generator.run(Pace::Exhausted)?;
        let outcomes = take_outcomes(&mut generator);
        anyhow::ensure!(
            outcomes.refused.is_empty() && outcomes.denied == 0,
            "reserves before the run were not accepted: {} denied, refused by status {:?}; the first: {}",
            outcomes.denied,
            outcomes.refused,
            outcomes.first_refusal.unwrap_or_default()
        );
        Ok(())
    }

    /// Runs the workload once: the warm-up, which is not measured, then the measured time. `rate`: the requests offered a
    /// second; `None`: saturated.
    ///
    /// # Errors
    /// The server does not answer.
    pub(super) fn run(&mut self, label: &str, rate: Option<u64>) -> anyhow::Result<RunReport> {
        self.runs += 1;
        let LoadSettings { connections, threads, warm_up, duration, .. } = self.load;
        let workload = self.workload(self.runs);
        let hashed = match rate {
            Some(rate) => total_requests(rate, warm_up) + total_requests(rate, duration),
            None => HASHED_SATURATED,
        };
        let workload_hash = WorkloadRequests::new(&workload, connections).hash(hashed);
        let payer = |number| {
            let writer = RequestWriter::new(&self.endpoint, &workload.ids(number));
            Payer::new(Steps::Drawn(Box::new(workload.lane(number))), writer, Arc::clone(&self.expected))
        };
        let payers = (0..connections).map(payer).collect();
        let mut generator = Generator::connect(&self.endpoint.address, payers, threads as usize, Operation::ALL.len())?;
        let pace = |duration| rate.map_or(Pace::Saturated { duration }, |rate| Pace::Open { rate, duration });
        if !warm_up.is_zero() {
            generator.run(pace(warm_up))?;
            take_outcomes(&mut generator);
        }
        let server_time = || self.server.map(processor_time).transpose();
        let own_time = || processor_time(std::process::id());
        let before = (server_time()?, own_time()?);
        let measured = generator.run(pace(duration))?;
        let after = (server_time()?, own_time()?);
        let a_request = |after: Duration, before: Duration| {
            let ns = after.saturating_sub(before).as_nanos() / u128::from(measured.answered.max(1));
            u64::try_from(ns).unwrap_or(u64::MAX)
        };
        let outcomes = take_outcomes(&mut generator);
        let mut histogram = Latencies::new()?;
        measured.latency.iter().try_for_each(|one| histogram.add(one))?;
        let operations = Operation::ALL.into_iter().zip(&measured.latency);
        let operations = operations.map(|(operation, one)| (operation.word(), one.percentiles()));
        Ok(RunReport {
            label: label.to_owned(),
            offered: rate,
            workload_hash,
            milliseconds: u64::try_from(measured.elapsed.as_millis()).unwrap_or(u64::MAX),
            requests: measured.answered,
            throughput: per_second(
                measured.answered,
                measured.elapsed.max(if rate.is_some() { duration } else { Duration::ZERO }),
            ),
            latency: histogram.percentiles(),
            service: measured.service.percentiles(),
            lag: measured.lag.percentiles(),
            operations: operations.filter(|(_, found)| found.count > 0).collect(),
            invalid: self.problems(&measured, &outcomes),
            done: outcomes.done,
            denied: outcomes.denied,
            refused: outcomes.refused,
            unsent: measured.unsent,
            server_cpu_ns: after.0.zip(before.0).map(|(after, before)| a_request(after, before)),
            generator_cpu_ns: a_request(after.1, before.1),
            histogram,
        })
    }

    /// Why a run does not measure what it should.
    fn problems(&self, measured: &Measurement, outcomes: &Outcomes) -> Vec<String> {
        let mut problems = Vec::new();
        let (lag, lag_max) = (measured.lag.percentiles().p99, self.load.lag_max);
        if u128::from(lag) > lag_max.as_nanos() {
            problems.push(format!("the generator was late: the p99 of its delay is {}", show_ns(lag)));
        }
        if measured.unsent > 0 {
            problems.push(format!("{} requests were due and not sent: the rate is too high", measured.unsent));
        }
        if !outcomes.refused.is_empty() {
            let first = outcomes.first_refusal.as_deref().unwrap_or_default();
            problems.push(format!("requests were refused, by status {:?}; the first: {first}", outcomes.refused));
        }
        problems
    }

    /// Compares the daemon's usage with the sum of all runs.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub(super) fn read_back(&self) -> anyhow::Result<ReadBack> {
        read_back(&self.endpoint, &self.expected, self.load.connections)
    }
}

fn take_outcomes(generator: &mut Generator<Payer>) -> Outcomes {
    let mut all = Outcomes::default();
    generator.callers().for_each(|payer| all.add(&payer.take_outcomes()));
    all
}
