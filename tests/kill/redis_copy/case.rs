//! One case: a daemon with a copy in Redis under load, and the judgement of everything that it has answered.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use jiff::Timestamp;
use serde_json::Value;
use support::process::eventually;

use crate::client::Client;
use crate::daemon::Daemon;
use crate::folders::{Settings, TestFolders};
use crate::redis_copy::copied_state::restore;
use crate::worker::Worker;

/// Clients at once.
const WORKERS: u64 = 2;
/// Customers of a client at each merchant.
const CUSTOMERS: usize = 6;
/// Answers before and after what happens to Redis.
pub(crate) const SOME: u64 = 40;

/// `on_outage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    Continue,
    Refuse,
}

/// Runs a case with each rule, side by side.
pub(crate) fn with_both(case: impl Fn(Rule) + Sync) {
    thread::scope(|scope| {
        scope.spawn(|| case(Rule::Continue));
        case(Rule::Refuse);
    });
}

/// `[redis.timeouts]` and the lease.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    response_ms: u64,
    total_ms: u64,
    lease_ms: u64,
}

impl Times {
    /// An outage is established soon.
    pub(crate) const SHORT: Times = Times { response_ms: 300, total_ms: 600, lease_ms: 1_500 };
    /// No outage is established, and no lease ends, by the slowness of the machine.
    pub(crate) const LONG: Times = Times { response_ms: 5_000, total_ms: 60_000, lease_ms: 60_000 };
}

/// What a case varies of `[redis]`.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) ack: &'static str,
    pub(crate) rule: Rule,
    pub(crate) times: Times,
    pub(crate) kind: &'static str,
}

impl Options {
    pub(crate) fn of(rule: Rule) -> Options {
        Options { ack: "redis", rule, times: Times::SHORT, kind: "disk" }
    }
}

/// A daemon, its clients, and what they recorded.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) folders: TestFolders,
    options: Options,
    url: String,
    pub(crate) daemon: Daemon,
    pub(crate) workers: Vec<Worker>,
    name: String,
}

impl Case {
    /// Starts a daemon that is ready.
    pub(crate) fn start(name: &str, url: &str, options: Options) -> Case {
        let folders = TestFolders::new(&Settings { kind: options.kind, ..Settings::CALM });
        fs::write(folders.scratch_path("key"), [7; 32]).expect("the key file is written");
        let name = format!("{name}, {:?}", options.rule);
        let workers = (0..WORKERS).map(|n| {
            let mut worker = Worker::new(&format!("w{n}"), 7 + n, CUSTOMERS);
            worker.context.clone_from(&name);
            worker.waits_for_outcomes = true;
            if options.rule == Rule::Refuse || options.kind == "memory" {
                // Refused lines could be followed by others in one batch, so that their order would be unknown.
                worker.batches = 0;
            }
            worker
        });
        let workers = workers.collect();
        let url = url.to_owned();
        configure(&folders, &options, &url);
        let daemon = Daemon::start(&folders);
        Case { folders, options, url, daemon, workers, name }
    }

    /// Writes the settings of the daemon with `[redis]`.
    pub(crate) fn configure(&self) {
        configure(&self.folders, &self.options, &self.url);
    }

    /// Loads the daemon. `during` runs after some answers; the load ends after some more.
    pub(crate) fn load(&mut self, during: impl FnOnce(&Daemon)) {
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let daemon = &self.daemon;
        thread::scope(|scope| {
            // Also when `during` panics, the clients end.
            let _stops = Stop(&stop);
            for worker in &mut self.workers {
                let (mut client, stop, answered) = (daemon.client(), &stop, &answered);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        worker.load(&mut client, stop, answered);
                        // It has ended at an unknown outcome.
                        if !stop.load(Ordering::Relaxed) {
                            worker.settle(&mut client);
                        }
                    }
                });
            }
            let more = |what: &str| {
                let from = answered.load(Ordering::Relaxed);
                eventually(what, || answered.load(Ordering::Relaxed) >= from + SOME);
            };
            more("the daemon answers");
            during(daemon);
            more("the daemon answers again");
        });
    }

    /// Loads the daemon and kills it at a number of answers.
    pub(crate) fn load_and_kill(&mut self, answers: u64) {
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            let _stops = Stop(&stop);
            for worker in &mut self.workers {
                let (mut client, stop, answered) = (self.daemon.client(), &stop, &answered);
                scope.spawn(move || worker.load(&mut client, stop, answered));
            }
            eventually("the daemon answers", || answered.load(Ordering::Relaxed) >= answers);
            self.daemon.kill();
        });
    }

    /// Finds out what became of the operations without an answer.
    pub(crate) fn settle(&mut self) {
        self.wait_until_ready();
        each(&self.daemon, &mut self.workers, Worker::settle);
    }

    pub(crate) fn wait_until_ready(&self) {
        let mut client = self.daemon.client();
        eventually("the daemon is ready", || client.get("/readyz").is_some_and(|answer| answer.status == 200));
    }

    /// Waits until Redis has every record.
    pub(crate) fn wait_until_shipped(&self) {
        eventually("Redis has every record", || {
            let status = status(&self.daemon);
            status["redis"]["state"] == "shipping" && status["redis"]["lag_records"] == 0
        });
    }

    /// Compares all answers and all counters with the model, on the daemon, on the daemon started again, and on a daemon
    /// whose folder is made of what Redis has.
    pub(crate) fn judge(&mut self) {
        self.settle();
        verify(&self.daemon, &mut self.workers, &self.name);
        self.wait_until_shipped();
        self.daemon.kill();
        let url = self.url.clone();
        self.judge_copy(&url);
        if self.options.kind == "disk" {
            self.restart();
            verify(&self.daemon, &mut self.workers, &self.name);
        }
    }

    /// The killed daemon starts again.
    pub(crate) fn restart(&mut self) {
        self.configure();
        self.daemon = Daemon::start(&self.folders);
        self.workers.iter_mut().for_each(|worker| worker.started = Some(Timestamp::now()));
        self.settle();
    }

    /// Compares a daemon whose folder is made of what the server at this address has. The daemon of the case does not run.
    pub(crate) fn judge_copy(&self, url: &str) {
        let data = self.folders.scratch_path("copy");
        let last = restore(url, &data);
        assert!(last > 0, "{}: Redis has records", self.name);
        self.folders.settle(&Settings::CALM, &data);
        let daemon = Daemon::start(&self.folders);
        let mut workers = self.workers.clone();
        for worker in &mut workers {
            worker.context = format!("{}: restored from Redis", self.name);
            worker.started = Some(Timestamp::now());
        }
        each(&daemon, &mut workers, Worker::settle);
        verify(&daemon, &mut workers, &format!("{}: restored from Redis", self.name));
    }

    /// The name of the case.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Ends the load when it is dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn configure(folders: &TestFolders, options: &Options, url: &str) {
    let Options { ack, rule, times: Times { response_ms, total_ms, lease_ms }, kind } = options;
    folders.settle(&Settings { kind, ..Settings::CALM }, &folders.data());
    let path = folders.config().join("levelgate.toml");
    let text = fs::read_to_string(&path).expect("the settings");
    let on_outage = match rule {
        Rule::Continue => "continue",
        Rule::Refuse => "refuse",
    };
    let text = format!(
        "{text}\n[redis]\nurl = \"{url}\"\nkey_file = \"{}\"\nack = \"{ack}\"\non_outage = \"{on_outage}\"\n\
         lease_ms = {lease_ms}\nrenew_ms = 150\nsnapshot_interval_s = 1\n[redis.timeouts]\n\
         connect_ms = 300\nresponse_ms = {response_ms}\ntotal_ms = {total_ms}\n",
        folders.scratch_path("key").display()
    );
    fs::write(path, text).expect("the settings are written");
}

/// `/v1/status`.
pub(crate) fn status(daemon: &Daemon) -> Value {
    daemon.client().get("/v1/status").expect("an answer").ok()
}

/// Waits until the daemon says that Redis is away.
pub(crate) fn wait_for_outage(daemon: &Daemon) {
    eventually("the outage is established", || {
        matches!(status(daemon)["redis"]["state"].as_str(), Some("outage" | "no_lease"))
    });
}

fn each(daemon: &Daemon, workers: &mut [Worker], work: impl Fn(&mut Worker, &mut Client) + Sync) {
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let (mut client, work) = (daemon.client(), &work);
            scope.spawn(move || work(worker, &mut client));
        }
    });
}

/// Compares everything that was answered, all counters of all customers, and the totals.
pub(crate) fn verify(daemon: &Daemon, workers: &mut [Worker], context: &str) {
    each(daemon, workers, |worker, client| worker.verify(client, true));
    let shown = status(daemon);
    let wanted = workers.iter().map(Worker::totals).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let shown = (shown["customers"].as_u64().unwrap_or(0), shown["transactions"].as_u64().unwrap_or(0));
    assert_eq!(shown, wanted, "{context}: customers and transactions held");
}
