//! Snapshots are taken while several threads reserve and approve, and then the process is killed or the power cut.

use crate::disk_images::ImageKind;
use crate::harness::{Harness, Indexes};
use crate::instrument_model;
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use support::environment::seeds;

const AT: &str = "2026-03-10T12:00:00.000Z";
const THREADS: usize = 3;
/// More than a snapshot copies under one lock, several times.
const BEFORE: usize = 1_050;
const DURING: usize = 220;

/// The answers that a thread got: for each customer, the number of transactions by status.
#[derive(Default, Clone)]
struct Acknowledged {
    statuses: BTreeMap<String, &'static str>,
}

fn reserve(harness: &Harness, id: &str, who: &str) -> bool {
    let mut line = instrument_model::line("reserve", AT, "side", who, Some("tok_a"));
    line.text("transaction_id", id);
    committed(harness, &line.line())
}

fn step(harness: &Harness, op: &str, id: &str) -> bool {
    committed(
        harness,
        &format!("{{\"op\": {op:?}, \"at\": {AT:?}, \"merchant\": \"side\", \"transaction_id\": {id:?}}}"),
    )
}

fn committed(harness: &Harness, line: &str) -> bool {
    let reply = harness.line(line);
    assert!(!reply.refused, "{line}\n{}", reply.text);
    harness.journal().commit(reply.depends_on_lsn).is_ok()
}

/// The load of one thread while snapshots are taken: payments of one shared large customer and of a private one.
fn work(harness: &Harness, thread: usize) -> Acknowledged {
    let mut acknowledged = Acknowledged::default();
    for n in 0..DURING {
        let (id, who) =
            (format!("w{thread}-{n}"), if n % 3 == 0 { format!("own{thread}") } else { "large".to_owned() });
        if reserve(harness, &id, &who) {
            acknowledged.statuses.insert(id.clone(), "reserved");
        }
        let op = ["approve", "cancel", "decline"][n % 3];
        if n % 4 != 0 && step(harness, op, &id) {
            acknowledged.statuses.insert(id, ["approved", "cancelled", "declined"][n % 3]);
        }
        // An old one changes as well, which a snapshot may just have passed.
        let old = format!("old{}", (n * THREADS + thread) * 5 % BEFORE);
        if n % 2 == 0 && step(harness, "approve", &old) {
            acknowledged.statuses.insert(old, "approved");
        }
    }
    acknowledged
}

#[test]
fn concurrent_snapshots_contain_acknowledged_operations() {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    let rules = Arc::new(levelgate::config::load(config.path()).expect("a configuration").rules);
    for seed in seeds(2) {
        let sync = if seed % 2 == 0 { Sync::Always } else { Sync::Interval };
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, {sync:?}");
        let (store, indexes) = (Memory::new(), Indexes::new());
        let harness = Harness::open(&store, &indexes.fresh(), sync, &rules, None).expect("a start");
        let mut acknowledged = Acknowledged::default();
        for n in 0..BEFORE {
            let line = instrument_model::line("reserve", AT, "side", "large", Some("tok_a"));
            let mut line = line;
            line.text("transaction_id", &format!("old{n}"));
            harness.line(&line.line());
            acknowledged.statuses.insert(format!("old{n}"), "reserved");
        }
        harness.journal().sync().expect("a sync");
        let (done, mut images) = (AtomicBool::new(false), Vec::new());
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..THREADS)
                .map(|thread| {
                    scope.spawn({
                        let harness = &harness;
                        move || work(harness, thread)
                    })
                })
                .collect();
            let keeper = scope.spawn(|| {
                let (mut taken, mut images) = (0, Vec::new());
                while !done.load(Ordering::Acquire) {
                    harness.keep(true, taken % 2 == 0).expect("a snapshot");
                    taken += 1;
                    images.push(ImageKind::of(seed + taken).of_store(&store));
                }
                (taken, images)
            });
            for worker in workers {
                acknowledged.statuses.append(&mut worker.join().expect("a worker").statuses);
            }
            done.store(true, Ordering::Release);
            let (taken, found) = keeper.join().expect("the keeper");
            images = found;
            println!("seed {seed}, {sync:?}: {taken} snapshots under load");
        });
        let last = harness.journal().last();
        drop(harness);
        let killed = ImageKind::Killed.of_store(&store);
        let again = Harness::open(&killed, &indexes.fresh(), sync, &rules, None);
        let again = again.unwrap_or_else(|error| panic!("{about}: {error:#}"));
        assert_eq!(again.journal().last(), last, "{about}: all was written");
        agrees(&again, &acknowledged, true, &about);
        // A state that is cut in the middle is consistent: shown transactions add up to the counters.
        images.truncate(12);
        for (n, image) in images.iter().enumerate() {
            let about = format!("{about}, image {n}");
            let harness = Harness::open(image, &indexes.fresh(), sync, &rules, None);
            let harness = harness.unwrap_or_else(|error| panic!("{about}: {error:#}"));
            agrees(&harness, &acknowledged, false, &about);
        }
    }
}

/// Asserts that each customer's transactions add up to its counters; with `all`, that they are those acknowledged.
fn agrees(harness: &Harness, acknowledged: &Acknowledged, all: bool, about: &str) {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    harness.line(&instrument_model::line("check", AT, "side", "large", None).line());
    for (id, status) in &acknowledged.statuses {
        let Ok(shown) = harness.transaction("side", id) else {
            assert!(!all, "{about}: {id} is lost");
            continue;
        };
        let shown: Value = serde_json::from_slice(&shown).expect("JSON");
        assert!(!all || shown["status"] == *status, "{about}: {id} was {status}\n{shown}");
        let who = shown["customer"]["merchant_customer_identifier"].as_str().expect("an identifier");
        *counted.entry(who.to_owned()).or_default() += u64::from(counts(&shown));
    }
    for (who, counted) in counted {
        let answer = harness.line(&instrument_model::line("check", AT, "side", &who, None).line()).text;
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        let used = (&answer["limits"][0]["amount"]["used"], &answer["limits"][0]["quantity"]["used"]);
        // The question itself counts as one more.
        let want = (&Value::from(format!("{}.00", counted + 1)), &Value::from(counted + 1));
        assert_eq!(used, want, "{about}: {who}\n{answer}");
    }
}

/// Whether a transaction counts where cancels are not subtracted: for as long as it is held, and once it is paid.
fn counts(shown: &Value) -> bool {
    shown["status"] == "reserved" || shown["approved"] != "0.00"
}
