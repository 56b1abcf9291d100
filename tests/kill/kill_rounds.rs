//! Rounds of load, each ended by `kill -9` at another kind of moment, and the next start held to every answer.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::daemon::{Daemon, inspect};
use crate::event_feed::assert_feed;
use crate::folders::{Settings, TestFolders, names};
use crate::reload::InForce;
use crate::worker::{Totals, Worker};
use support::{environment::number, random::Random};

/// Clients at once.
const WORKERS: usize = 4;
/// Customers of a client at each merchant.
const CUSTOMERS: usize = 30;
/// Rounds on one folder, before the next begins with an empty one.
const ROUNDS_A_FOLDER: u64 = 25;
/// The longest load of a round.
const LOAD_MAX: Duration = Duration::from_millis(1_500);

/// When a daemon is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KillMoment {
    /// After so many answers.
    Answers(u64),
    /// While snapshots are taken one after another.
    Snapshot(u64),
    /// As soon as so many more segments have begun.
    Rotation(u64),
}

fn moment(random: &mut Random) -> KillMoment {
    match random.between(0, 9) {
        0..=4 => KillMoment::Answers(random.between(20, 500)),
        5 => KillMoment::Answers(random.between(800, 1_500)),
        6..=7 => KillMoment::Snapshot(random.between(20, 300)),
        _ => KillMoment::Rotation(random.between(1, 3)),
    }
}

fn settings(random: &mut Random) -> Settings {
    Settings {
        sync: random.word(&["interval", "interval", "interval", "always", "never"]),
        segment_bytes: *random.pick(&[4_096, 16_384, 65_536, 65_536]),
        ..Settings::BUSY
    }
}

fn segments(data: &Path) -> usize {
    names(&data.join("journal"), ".log").len() + names(&data.join("archive"), ".log").len()
}

/// What the load of a round needs besides its clients.
struct Load<'a> {
    folders: &'a TestFolders,
    in_force: &'a InForce,
    seed: u64,
}

/// Loads the daemon and kills it at the moment; every operation is answered or pending afterwards.
fn load_and_kill(daemon: &mut Daemon, workers: &mut [Worker], moment: KillMoment, load: &Load<'_>) {
    let Load { folders, in_force, seed } = *load;
    let (data, ending) = (&folders.data(), AtomicBool::new(false));
    let (stop, answered, started) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let (mut client, stop, answered) = (daemon.client(), &stop, &answered);
            scope.spawn(move || worker.load(&mut client, stop, answered));
        }
        if let KillMoment::Snapshot(_) = moment {
            let (mut client, stop) = (daemon.client(), &stop);
            scope.spawn(
                move || while !stop.load(Ordering::Relaxed) && client.call("POST", "/v1/snapshot", "").is_some() {},
            );
        }
        scope.spawn({
            let (mut client, ending, mut random) = (daemon.client(), &ending, Random::seeded(seed));
            move || {
                while !ending.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_micros(random.between(1_000, 60_000)));
                    in_force.reload(folders, &mut random, &mut client, || ending.load(Ordering::SeqCst));
                }
            }
        });
        let before = segments(data);
        let is_due = || match moment {
            KillMoment::Answers(count) | KillMoment::Snapshot(count) => answered.load(Ordering::Relaxed) >= count,
            KillMoment::Rotation(count) => (segments(data) - before) as u64 >= count,
        };
        while !is_due() && started.elapsed() < LOAD_MAX {
            thread::sleep(Duration::from_micros(500));
        }
        // Set before the kill: an operation that is sent without a possible reload must not be followed by one.
        ending.store(true, Ordering::SeqCst);
        daemon.kill();
        stop.store(true, Ordering::Relaxed);
    });
}

/// Says whether the folder is whole; else it must end in what a killed process leaves and the next start cuts off.
#[track_caller]
fn assert_whole(data: &Path, context: &str) -> bool {
    let ended = inspect(data);
    let printed = &ended.text;
    if ended.code == Some(0) {
        assert!(printed.contains("nothing is damaged"), "{context}: {printed}");
        return true;
    }
    let problems: Vec<&str> = printed.lines().filter(|line| line.starts_with("levelgate: ")).collect();
    let is_cut = |line: &&str| line.contains("never whole") && line.contains("`cut`");
    assert!(ended.code == Some(1) && problems.len() == 1 && problems.iter().all(is_cut), "{context}: {ended:?}");
    false
}

/// Starts the daemon, killing it some times on its way up.
fn start_again(folders: &TestFolders, random: &mut Random, early_kills: u64) -> Daemon {
    for _ in 0..early_kills {
        let mut daemon = Daemon::launch(folders);
        // How far a start comes by then is left to chance; that it is a random moment is the point.
        thread::sleep(Duration::from_micros(random.between(0, 90_000)));
        daemon.kill();
    }
    Daemon::start(folders)
}

/// Asserts that the daemon has the transactions of all clients: none twice, none missing.
pub(crate) fn assert_totals(daemon: &Daemon, workers: &[Worker], context: &str) {
    let status = daemon.client().get("/v1/status").expect("an answer").ok();
    let wanted = workers.iter().map(Worker::totals).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let shown_totals = (status["customers"].as_u64().unwrap_or(0), status["transactions"].as_u64().unwrap_or(0));
    assert_eq!(shown_totals, wanted, "{context}: customers and transactions held");
}

/// Has every client work at once.
pub(crate) fn each(
    daemon: &Daemon,
    workers: &mut [Worker],
    work: impl Fn(&mut Worker, &mut crate::client::Client) + Sync,
) {
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let (mut client, work) = (daemon.client(), &work);
            scope.spawn(move || work(worker, &mut client));
        }
    });
}

#[test]
fn answered_operations_survive_sigkill() {
    let (rounds, first_seed) = (number("LEVELGATE_ROUNDS", 50), number("LEVELGATE_SEED", 1));
    let (mut counted, mut torn, mut begun, mut went_on) = (Totals::default(), 0, 0, 0);
    for (seed, from) in (first_seed..).zip((0..rounds).step_by(usize::try_from(ROUNDS_A_FOLDER).expect("small"))) {
        let count = ROUNDS_A_FOLDER.min(rounds - from);
        let mut random = Random::seeded(seed);
        let mut workers: Vec<Worker> =
            (0..WORKERS).map(|n| Worker::new(&format!("w{n}"), seed * 1_000 + n as u64, CUSTOMERS)).collect();
        let folders = TestFolders::new(&settings(&mut random));
        let data = folders.data();
        let mut daemon = Daemon::start(&folders);
        let in_force = Arc::new(InForce::first());
        in_force.started(&mut daemon.client());
        for worker in &mut workers {
            worker.in_force = Some(Arc::clone(&in_force));
            (worker.records.sends_jobs, worker.records.forgets) = (true, true);
        }
        for round in 0..count {
            let (moment, early_kills) =
                (moment(&mut random), if random.percent(30) { random.between(1, 3) } else { 0 });
            let now = settings(&mut random);
            let context = format!(
                "LEVELGATE_SEED={seed}, round {round}: killed at {moment:?}, {early_kills} times in recovery, then sync {} \
                 and segments of {}",
                now.sync, now.segment_bytes
            );
            println!("{context}");
            workers.iter_mut().for_each(|worker| worker.context.clone_from(&context));
            let load = Load { folders: &folders, in_force: &in_force, seed: random.next() };
            load_and_kill(&mut daemon, &mut workers, moment, &load);
            torn += u64::from(!assert_whole(&data, &context));
            folders.settle(&now, &data);
            workers.iter_mut().for_each(|worker| worker.started = Some(Timestamp::now()));
            daemon = start_again(&folders, &mut random, early_kills);
            begun += early_kills + 1;
            each(&daemon, &mut workers, Worker::settle);
            in_force.started(&mut daemon.client());
            went_on += daemon.log().matches("continues after step").count();
            let last = round + 1 == count;
            each(&daemon, &mut workers, |worker, client| worker.verify(client, last));
            assert_totals(&daemon, &workers, &context);
            if last {
                assert_feed(&daemon, &workers, &context);
            }
        }
        workers.iter().for_each(|worker| counted.add(worker.counted));
    }
    println!("{rounds} rounds, {begun} starts, {torn} torn tails, {went_on} changes went on, {counted:?}");
}
