//! The load generator: many connections, open loop or saturated.
//!
//! In an open loop request `n` is due at `start + n / rate`, whether or not earlier requests are answered. Connection
//! `n modulo connections` sends it. A connection that still waits for an answer sends it late, and its latency counts from
//! the time at which it was due, so that no wait is omitted.
//!
//! The generator's own delay is measured for each request: the time from when it was due and its connection was free until
//! it is sent.

use crate::cli::bench::{
    connection::{Answer, Connection, OpenStream, ServerAddress},
    latency::Latencies,
    pacer::Pacer,
};
use anyhow::Context;
use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{runtime::Runtime, task::LocalSet};

/// What is sent over one connection.
pub(super) trait Caller: Send + 'static {
    /// Replaces the contents of `request` with the next request. Returns its class, from zero; `None`: there is none.
    fn next(&mut self, request: &mut Vec<u8>) -> Option<usize>;
    /// Takes the answer to the last request.
    ///
    /// # Errors
    /// The answer makes the whole run useless.
    fn answered(&mut self, answer: Answer<'_>) -> anyhow::Result<()>;
}

/// When requests are sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So many requests a second for a time.
    Open { rate: u64, duration: Duration },
    /// Each connection sends when its last request is answered, for a time.
    Saturated { duration: Duration },
    /// The same, until no caller has a request.
    Exhausted,
}

/// How long requests that are due may still be sent after the end of an open loop.
const GRACE: Duration = Duration::from_secs(5);

/// What a run measured.
#[derive(Debug)]
pub(super) struct Measurement {
    /// From when a request was due to its answer, by class.
    pub(super) latency: Vec<Latencies>,
    /// From when a request was sent to its answer.
    pub(super) service: Latencies,
    /// From when a request could be sent until it was sent.
    pub(super) lag: Latencies,
    /// Requests that were answered.
    pub(super) answered: u64,
    /// Requests that were due and not sent within the grace period.
    pub(super) unsent: u64,
    /// From the start to the last answer.
    pub(super) elapsed: Duration,
}

impl Measurement {
    fn new(classes: usize) -> anyhow::Result<Self> {
        Ok(Self {
            latency: (0..classes).map(|_| Latencies::new()).collect::<Result<_, _>>()?,
            service: Latencies::new()?,
            lag: Latencies::new()?,
            answered: 0,
            unsent: 0,
            elapsed: Duration::ZERO,
        })
    }

    fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latency.iter_mut().zip(&other.latency).try_for_each(|(all, more)| all.add(more))?;
        self.service.add(&other.service)?;
        self.lag.add(&other.lag)?;
        self.answered += other.answered;
        self.unsent += other.unsent;
        self.elapsed = self.elapsed.max(other.elapsed);
        Ok(())
    }
}

/// A connection and what is sent over it.
struct Line<C> {
    stream: OpenStream,
    caller: C,
}

/// Open connections with their callers.
pub(super) struct Generator<C> {
    lines: Vec<Line<C>>,
    threads: usize,
    classes: usize,
}

impl<C: Caller> Generator<C> {
    /// Opens a connection for each caller. `classes` is the number of classes of requests.
    ///
    /// # Errors
    /// A connection cannot be opened.
    pub(super) fn connect(
        address: &ServerAddress,
        callers: Vec<C>,
        threads: usize,
        classes: usize,
    ) -> anyhow::Result<Self> {
        let lines = callers.into_iter().map(|caller| Ok(Line { stream: OpenStream::connect(address)?, caller }));
        Ok(Self { lines: lines.collect::<anyhow::Result<_>>()?, threads, classes })
    }

    /// The callers, in the order of their connections.
    pub(super) fn callers(&mut self) -> impl Iterator<Item = &mut C> {
        self.lines.iter_mut().map(|line| &mut line.caller)
    }

    /// Runs the load.
    ///
    /// # Errors
    /// A connection broke, or a caller ended the run.
    pub(super) fn run(&mut self, pace: Pace) -> anyhow::Result<Measurement> {
        let threads = self.threads.clamp(1, self.lines.len().max(1));
        let mut shares: Vec<Vec<Line<C>>> = (0..threads).map(|_| Vec::new()).collect();
        for (number, line) in std::mem::take(&mut self.lines).into_iter().enumerate() {
            if let Some(share) = shares.get_mut(number % threads) {
                share.push(line);
            }
        }
        let connections = shares.iter().map(Vec::len).sum();
        // The histograms are large. They are made before the start, so that no request waits for them.
        let measurements: Vec<_> =
            shares.iter().map(|_| Measurement::new(self.classes)).collect::<anyhow::Result<_>>()?;
        let mut whole = Measurement::new(self.classes)?;
        // All threads begin at the same time.
        let start = Instant::now() + Duration::from_millis(5);
        let workers = shares.into_iter().zip(measurements).enumerate().map(|(thread, (lines, measured))| {
            let share = Share { thread, threads, connections, start, pace };
            std::thread::spawn(move || share.run(lines, measured))
        });
        let workers: Vec<_> = workers.collect();
        let (mut lines, mut failed) = (Vec::new(), None);
        for worker in workers {
            let joined = worker.join().map_err(|_| anyhow::anyhow!("a thread of the generator panicked"));
            match joined.and_then(|done| done) {
                Ok((part, back)) => {
                    whole.add(&part)?;
                    lines.push(back);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        self.lines = in_order(lines);
        Ok(whole)
    }
}

/// The lines of all threads in the order of their numbers: thread `t` of `T` has every `T`-th one, from `t` on.
fn in_order<T>(shares: Vec<Vec<T>>) -> Vec<T> {
    let mut shares: Vec<_> = shares.into_iter().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    loop {
        let before = all.len();
        all.extend(shares.iter_mut().filter_map(Iterator::next));
        if all.len() == before {
            return all;
        }
    }
}

/// One thread of a run.
#[derive(Debug, Clone, Copy)]
struct Share {
    thread: usize,
    threads: usize,
    connections: usize,
    start: Instant,
    pace: Pace,
}

impl Share {
    fn run<C: Caller>(self, lines: Vec<Line<C>>, measured: Measurement) -> anyhow::Result<(Measurement, Vec<Line<C>>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let measured = Rc::new(RefCell::new(measured));
        let lines = self.drive_all(&runtime, lines, &measured)?;
        Ok((Rc::into_inner(measured).context("a connection goes on")?.into_inner(), lines))
    }

    /// Sends the requests of all connections.
    fn drive_all<C: Caller>(
        self,
        runtime: &Runtime,
        lines: Vec<Line<C>>,
        measured: &Rc<RefCell<Measurement>>,
    ) -> anyhow::Result<Vec<Line<C>>> {
        LocalSet::new().block_on(runtime, async move {
            let pacer = match self.pace {
                Pace::Open { rate, .. } => {
                    let interval = Duration::from_nanos(1_000_000_000 / rate.max(1));
                    Some(Rc::new(Pacer::new(self.start, rate, self.connections)?))
                        .map(|pacer| (Rc::clone(&pacer), tokio::task::spawn_local(pacer.run(interval))))
                }
                Pace::Saturated { .. } | Pace::Exhausted => None,
            };
            let tasks: Vec<_> = lines
                .into_iter()
                .enumerate()
                .map(|(place, line)| {
                    let number = place * self.threads + self.thread;
                    let pacer = pacer.as_ref().map(|(pacer, _)| Rc::clone(pacer));
                    tokio::task::spawn_local(self.drive(number, line, pacer, Rc::clone(measured)))
                })
                .collect();
            let all = async {
                let mut lines = Vec::new();
                for task in tasks {
                    lines.push(task.await.context("a connection's task panicked")??);
                }
                Ok(lines)
            };
            let Some((_, mut pacing)) = pacer else { return all.await };
            tokio::select! {
                done = all => {
                    pacing.abort();
                    done
                }
                // It runs until it is aborted.
                failed = &mut pacing => Err(failed.context("the pacer panicked")?.err().context("the pacer ended")?),
            }
        })
    }

    /// Sends the requests of one connection.
    async fn drive<C: Caller>(
        self,
        number: usize,
        line: Line<C>,
        pacer: Option<Rc<Pacer>>,
        measured: Rc<RefCell<Measurement>>,
    ) -> anyhow::Result<Line<C>> {
        let Line { stream, mut caller } = line;
        let mut connection = Connection::new(stream)?;
        let (mut next, mut free_at, mut request) = (number as u64, self.start, Vec::with_capacity(1_024));
        let (end, total) = match self.pace {
            Pace::Open { rate, duration } => (self.start + duration + GRACE, total_requests(rate, duration)),
            Pace::Saturated { duration } => (self.start + duration, u64::MAX),
            Pace::Exhausted => (self.start + Duration::from_secs(86_400), u64::MAX),
        };
        if pacer.is_none() {
            tokio::time::sleep_until(self.start.into()).await;
        }
        while next < total {
            let due = match &pacer {
                Some(pacer) => {
                    pacer.wait_for(next, number).await;
                    pacer.due(next)
                }
                None => Instant::now(),
            };
            if Instant::now() > end {
                let unsent = if pacer.is_some() { (total - next).div_ceil(self.connections as u64) } else { 0 };
                measured.borrow_mut().unsent += unsent;
                break;
            }
            let Some(class) = caller.next(&mut request) else { break };
            let sent = Instant::now();
            let answer = connection.call(&request).await?;
            let done = Instant::now();
            caller.answered(answer)?;
            let mut measured = measured.borrow_mut();
            measured.answered += 1;
            measured.service.record(nanoseconds(done, sent));
            if let Some(latency) = measured.latency.get_mut(class) {
                latency.record(nanoseconds(done, due));
            }
            if pacer.is_some() {
                measured.lag.record(nanoseconds(sent, due.max(free_at)));
            }
            measured.elapsed = measured.elapsed.max(done.saturating_duration_since(self.start));
            free_at = Instant::now();
            next += self.connections as u64;
        }
        Ok(Line { stream: connection.into_stream()?, caller })
    }
}

/// The requests of an open loop.
pub(super) fn total_requests(rate: u64, duration: Duration) -> u64 {
    let total = u128::from(rate) * duration.as_nanos() / 1_000_000_000;
    u64::try_from(total).unwrap_or(u64::MAX)
}

fn nanoseconds(later: Instant, earlier: Instant) -> u64 {
    u64::try_from(later.saturating_duration_since(earlier).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_return_in_the_order_of_their_numbers() {
        assert_eq!(in_order(vec![vec![0, 3, 6], vec![1, 4], vec![2, 5]]), [0, 1, 2, 3, 4, 5, 6]);
        assert!(in_order::<u8>(Vec::new()).is_empty());
    }

    #[test]
    fn an_open_loop_has_rate_times_duration_requests() {
        assert_eq!(total_requests(500, Duration::from_secs(2)), 1_000);
        assert_eq!(total_requests(3, Duration::from_millis(500)), 1);
    }
}
