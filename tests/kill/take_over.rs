//! Take-overs under load: a primary is killed or stopped, and its standby has every answer and every counter.
//!
//! `LEVELGATE_ROUNDS` sets how many times a standby takes over (5), `LEVELGATE_SEED` the first seed.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use support::process::{PATIENCE, eventually};
use support::redis::server::{RedisOptions, RedisServer};
use support::{environment::number, random::Random};

use crate::daemon::Daemon;
use crate::event_feed::assert_feed;
use crate::folders::{Settings, TestFolders};
use crate::kill_rounds::{assert_totals, each};
use crate::worker::{Totals, Worker};

const WORKERS: usize = 4;
const CUSTOMERS: usize = 30;
/// The longest load of a round.
const LOAD_MAX: Duration = Duration::from_millis(1_500);
/// The lease, and how soon after the last renewal a standby serves, in milliseconds.
const LEASE_MS: u64 = 600;
const SERVES_WITHIN_MS: u64 = 1_000;

/// Folders whose daemon has its copy in the server.
fn folders(server: &RedisServer, random: &mut Random) -> TestFolders {
    let settings = Settings {
        sync: random.word(&["interval", "always"]),
        segment_bytes: *random.pick(&[16_384, 65_536]),
        ..Settings::BUSY
    };
    let folders = TestFolders::new(&settings);
    let key = folders.scratch_path("key");
    fs::write(&key, [7; 32]).expect("the key file is written");
    let path = folders.config().join("levelgate.toml");
    let text = fs::read_to_string(&path).expect("the settings");
    let redis = format!(
        "[redis]\nurl = \"{}\"\nkey_file = \"{}\"\nack = \"redis\"\non_outage = \"refuse\"\nlease_ms = {LEASE_MS}\n\
         renew_ms = 100\n",
        server.url(),
        key.display()
    );
    fs::write(path, text + &redis).expect("a file");
    folders
}

/// Starts a standby, and waits until it has what the primary has.
fn standby(folders: &TestFolders) -> Daemon {
    let mut daemon = Daemon::launch_with(folders, &["--standby"]);
    daemon.wait_until_listening();
    let mut client = daemon.client();
    eventually("the standby has caught up", || {
        let answer = client.get("/healthz");
        answer.is_some_and(|answer| answer.header("levelgate-lag-ms") == Some("0"))
    });
    daemon
}

/// The milliseconds between the last renewal of the lease and now. The server has the same clock.
fn since_renewal(renewed_at: i64) -> u64 {
    u64::try_from(Timestamp::now().as_millisecond() - renewed_at).unwrap_or(0)
}

/// Loads the primary, ends it, and waits until the standby serves. Returns the milliseconds from the last renewal on.
fn lose_primary(
    server: &RedisServer,
    (primary, standby): (&mut Daemon, &Daemon),
    workers: &mut [Worker],
    (answers, is_killed): (u64, bool),
) -> u64 {
    let (stop, answered, started) = (AtomicBool::new(false), AtomicU64::new(0), Instant::now());
    thread::scope(|scope| {
        for worker in workers.iter_mut() {
            let (mut client, stop, answered) = (primary.client(), &stop, &answered);
            scope.spawn(move || worker.load(&mut client, stop, answered));
        }
        while answered.load(Ordering::Relaxed) < answers && started.elapsed() < LOAD_MAX {
            thread::sleep(Duration::from_micros(500));
        }
        if is_killed {
            primary.kill();
        } else {
            primary.signal("STOP");
        }
        stop.store(true, Ordering::Relaxed);
        let renewed_at = server.command("HGET {levelgate}:head renewed_at").number();
        let mut client = standby.client();
        let lost = Instant::now();
        while client.get("/readyz").is_none_or(|answer| answer.status != 200) {
            assert!(lost.elapsed() < PATIENCE, "no take-over:\n{}", standby.log());
            thread::sleep(Duration::from_millis(2));
        }
        let served_after = since_renewal(renewed_at);
        if !is_killed {
            primary.signal("CONT");
            // What it answers now, the clients compare with the standby.
            assert_eq!(primary.wait().code(), Some(4), "{}", primary.log());
        }
        served_after
    })
}

#[test]
fn a_standby_takes_over_with_every_answer() {
    let (rounds, seed) = (number("LEVELGATE_ROUNDS", 5), number("LEVELGATE_SEED", 1));
    let server = RedisServer::with(RedisOptions { durable: true, ..RedisOptions::default() });
    let mut random = Random::seeded(seed);
    let mut workers: Vec<Worker> =
        (0..WORKERS).map(|n| Worker::new(&format!("w{n}"), seed * 1_000 + n as u64, CUSTOMERS)).collect();
    // A line of a batch that is refused while the lease is in doubt is no missing answer.
    workers.iter_mut().for_each(|worker| worker.batches = 0);
    let mut folders_of_primary = folders(&server, &mut random);
    let mut primary = Daemon::start(&folders_of_primary);
    let (mut served_after, mut counted) = (Vec::new(), Totals::default());
    for round in 0..rounds {
        let folders_of_standby = folders(&server, &mut random);
        let standby = standby(&folders_of_standby);
        let (answers, is_killed) = (random.between(20, 500), random.percent(50));
        let how = if is_killed { "killed" } else { "stopped" };
        let context = format!("LEVELGATE_SEED={seed}, round {round}: {how} after {answers} answers");
        println!("{context}");
        workers.iter_mut().for_each(|worker| worker.context.clone_from(&context));
        served_after.push(lose_primary(&server, (&mut primary, &standby), &mut workers, (answers, is_killed)));
        each(&standby, &mut workers, Worker::settle);
        let is_last = round + 1 == rounds;
        each(&standby, &mut workers, |worker, client| worker.verify(client, is_last));
        assert_totals(&standby, &workers, &context);
        if is_last {
            assert_feed(&standby, &workers, &context);
        }
        (primary, folders_of_primary) = (standby, folders_of_standby);
    }
    drop((primary, folders_of_primary));
    workers.iter().for_each(|worker| counted.add(worker.counted));
    println!("{rounds} take-overs; served {served_after:?} ms after the last renewal; {counted:?}");
    // Other processes of the machine delay some of them.
    assert!(served_after.iter().min().is_some_and(|ms| *ms < SERVES_WITHIN_MS), "{served_after:?}");
}
