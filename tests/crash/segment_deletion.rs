//! Old segments are deleted. Transactions in memory, transactions with later facts and everything that counts for the
//! lifetime are answered as before, at any interruption.

use crate::disk_images::ImageKind;
use crate::harness::{Harness, Indexes};
use crate::instrument_model;
use levelgate::domain::vocabulary::calendar::LocalTime;
use levelgate::domain::vocabulary::time::{DAY_MS, Millis};
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

type Rules = Arc<levelgate::domain::rules::configuration::Rules>;

const FIRST: &str = "2026-03-10T12:00:00.000Z";
const A_YEAR_LATER: &str = "2027-03-10T12:00:00.000Z";
const THE_DAY_AFTER: &str = "2027-03-11T11:00:00.000Z";
/// Of anna and bert, in the first segments; every one of these has left memory.
const OLD: u32 = 30;
/// Those of them with a later fact, sent after their eviction.
const TOLD_LATER: [u32; 2] = [3, 17];
/// In later segments, and in memory.
const YOUNG: u32 = 30;

fn rules() -> Rules {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    Arc::new(levelgate::config::load(config.path()).expect("a configuration").rules)
}

fn now(harness: &Harness) -> Millis {
    harness.desk.clock.now(None).expect("a time")
}

/// Says a line and waits until it is kept; whether it was known already.
fn say(harness: &Harness, line: &str) -> bool {
    let reply = harness.line(line);
    assert!(!reply.refused, "{line}\n{}", reply.text);
    harness.journal().commit(reply.depends_on_lsn).expect("a commit");
    reply.replay
}

fn payment(at: &str, id: &str, n: u32) -> String {
    let mut line =
        instrument_model::line("payment", at, "side", if n.is_multiple_of(2) { "anna" } else { "bert" }, None);
    line.text("transaction_id", id);
    line.line()
}

fn cancel(at: &str, id: &str, n: u32) -> String {
    format!(
        "{{\"op\": \"cancel\", \"at\": {at:?}, \"merchant\": \"side\", \"transaction_id\": {id:?}, \"amount\": \"0.01\", \
         \"cancel_id\": \"c{n}\"}}"
    )
}

fn old() -> impl Iterator<Item = String> {
    (0..OLD).map(|n| format!("old{n}"))
}

fn must_stay() -> Vec<String> {
    TOLD_LATER.iter().map(|n| format!("old{n}")).chain((0..YOUNG).map(|n| format!("young{n}"))).collect()
}

/// A folder in which the oldest segments may be deleted: two snapshots hold what they did.
struct AgedFolder {
    store: Memory,
    index: PathBuf,
    rules: Rules,
    indexes: Indexes,
    before: Answers,
}

/// The shown form of each known transaction, and the counters of each customer.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answers {
    shown: BTreeMap<String, String>,
    used: Vec<String>,
}

impl Answers {
    fn of(harness: &Harness) -> Self {
        let check = |who| {
            let reply = harness.line(&instrument_model::line("check", THE_DAY_AFTER, "side", who, None).line());
            let reply: serde_json::Value = serde_json::from_str(&reply.text).expect("JSON");
            reply["limits"][0].to_string()
        };
        let used = ["anna", "bert"].map(check).into();
        let ids = old().chain(must_stay());
        let show =
            |id: String| Some((id.clone(), String::from_utf8(harness.transaction("side", &id).ok()?).expect("UTF-8")));
        Self { shown: ids.filter_map(show).collect(), used }
    }

    /// What is not so here as there, in few words.
    fn differs(&self, there: &Self) -> Option<String> {
        let ids = self.shown.keys().chain(there.shown.keys());
        if let Some(id) = ids.into_iter().find(|id| self.shown.get(*id) != there.shown.get(*id)) {
            return Some(format!("{id} is shown as {:?}\nand not as {:?}", self.shown.get(id), there.shown.get(id)));
        }
        (self.used != there.used).then(|| format!("{:?}\nand not {:?}", self.used, there.used))
    }

    fn without(&self, gone: impl Fn(&str) -> bool) -> Self {
        let mut left = self.clone();
        left.shown.retain(|id, _| !gone(id));
        left
    }
}

impl AgedFolder {
    fn new() -> Self {
        let (store, indexes, rules) = (Memory::new(), Indexes::new(), rules());
        let index = indexes.fresh();
        let open = || Harness::open(&store, &index, Sync::Always, &rules, None).expect("a start");
        let harness = open();
        for n in 0..OLD {
            say(&harness, &payment(FIRST, &format!("old{n}"), n));
        }
        drop(harness);
        let harness = open();
        harness.line(&instrument_model::line("check", A_YEAR_LATER, "side", "anna", None).line());
        harness.keep(true, true).expect("a snapshot");
        assert_eq!(harness.desk.ledger.transactions_len(), 0, "all have left memory");
        for n in 0..YOUNG {
            say(&harness, &payment(A_YEAR_LATER, &format!("young{n}"), n));
        }
        TOLD_LATER.iter().for_each(|n| assert!(!say(&harness, &cancel(A_YEAR_LATER, &format!("old{n}"), 0))));
        say(&harness, &cancel(A_YEAR_LATER, "young5", 0));
        drop(harness);
        let harness = open();
        harness.line(&instrument_model::line("check", THE_DAY_AFTER, "side", "anna", None).line());
        for _ in 0..2 {
            // Something happens between them, so that they are two.
            say(&harness, &payment(THE_DAY_AFTER, &format!("last{}", harness.journal().last()), 0));
            harness.keep(true, true).expect("a snapshot");
        }
        // The older snapshot still has what was old.
        assert_eq!(harness.desk.ledger.transactions_len(), u64::from(YOUNG) + 2);
        let before = Answers::of(&harness);
        assert_eq!(before.shown.len(), (OLD + YOUNG) as usize);
        drop(harness);
        Self { store, index, rules, indexes, before }
    }

    fn open(&self, store: &Memory, index: &Path) -> Harness {
        let harness = Harness::open(store, index, Sync::Always, &self.rules, None).expect("a start");
        harness.line(&instrument_model::line("check", THE_DAY_AFTER, "side", "anna", None).line());
        harness
    }
}

/// Deletes what is older than half a year; with `all`, everything that snapshots contain.
fn let_go(harness: &Harness, all: bool) -> anyhow::Result<usize> {
    let now = now(harness);
    harness.folder().delete_old_segments(&harness.desk.ledger, now.plus(if all { DAY_MS } else { -180 * DAY_MS }), now)
}

fn is_gone(id: &str) -> bool {
    id.starts_with("old") && !TOLD_LATER.iter().any(|n| id == format!("old{n}"))
}

/// A segment was deleted: what must stay stays, what is gone is unknown and may come again.
fn agrees(grown: &AgedFolder, harness: &Harness, about: &str) {
    assert_eq!(Answers::of(harness).differs(&grown.before.without(is_gone)), None, "{about}");
    let listed = harness.listed("side");
    for id in must_stay() {
        assert!(listed.contains(&format!("{id} approved")), "{about}: {id} is not among {listed}");
    }
    assert!(!listed.contains("old2 "), "{about}: {listed}");
}

/// Sends every operation again: known ones are recognised, deleted ones count as new.
fn repeats(harness: &Harness, about: &str) {
    for n in TOLD_LATER {
        let id = format!("old{n}");
        assert!(say(harness, &payment(FIRST, &id, n)), "{about}: {id} is taken for new");
        assert!(say(harness, &cancel(A_YEAR_LATER, &id, 0)), "{about}: the cancel of {id} is accepted as new");
        assert!(!say(harness, &cancel(THE_DAY_AFTER, &id, 1)), "{about}");
        assert!(say(harness, &cancel(THE_DAY_AFTER, &id, 1)), "{about}");
    }
    for n in 0..YOUNG {
        assert!(say(harness, &payment(A_YEAR_LATER, &format!("young{n}"), n)), "{about}: young{n} is taken for new");
    }
    assert!(say(harness, &cancel(A_YEAR_LATER, "young5", 0)), "{about}");
    let unknown = harness.line(&cancel(THE_DAY_AFTER, "old2", 0));
    assert!(unknown.refused && unknown.text.contains("transaction_not_found"), "{about}: {}", unknown.text);
    assert!(!say(harness, &payment(THE_DAY_AFTER, "old2", 2)), "{about}: what is gone counts as new");
    assert!(say(harness, &payment(THE_DAY_AFTER, "old2", 2)), "{about}");
}

#[test]
fn retained_facts_outlive_their_segments() {
    for all in [false, true] {
        let grown = AgedFolder::new();
        let about = format!("deleting {}", if all { "all" } else { "what is old" });
        let stale = grown.indexes.copy_of(&grown.index);
        let harness = grown.open(&grown.store, &grown.index);
        let oldest = harness.journal().segments()[0].first_lsn;
        assert!(let_go(&harness, all).expect("deleted") > 0, "{about}");
        assert!(harness.journal().segments()[0].first_lsn > oldest, "{about}");
        agrees(&grown, &harness, &about);
        assert_eq!(let_go(&harness, false).expect("nothing more"), 0, "{about}");
        drop(harness);
        // An index that was put back from before leads to what is not there any more.
        agrees(&grown, &grown.open(&grown.store.kill_image(), &stale), &format!("{about}, an older index"));
        // After a start, after a second one with new snapshots, and after the loss of the index.
        let harness = grown.open(&grown.store, &grown.index);
        agrees(&grown, &harness, &about);
        harness.keep(true, true).expect("a snapshot");
        drop(harness);
        let harness = grown.open(&grown.store, &grown.indexes.fresh());
        agrees(&grown, &harness, &format!("{about}, the index lost"));
        repeats(&harness, &about);
        let known = Answers::of(&harness);
        drop(harness);
        let harness = grown.open(&grown.store, &grown.indexes.fresh());
        assert_eq!(Answers::of(&harness).differs(&known), None, "{about}: later facts stay");
    }
}

#[test]
fn a_segment_stays_until_both_snapshots_hold_it() {
    let grown = AgedFolder::new();
    let newest = grown.store.paths().into_iter().rfind(|path| path.starts_with("snapshots/"));
    let harness = grown.open(&grown.store, &grown.index);
    levelgate::storage::fs::Store::remove(&grown.store, &newest.expect("a snapshot")).expect("removed");
    assert_eq!(let_go(&harness, true).expect("nothing"), 0, "one snapshot is not enough");
}

#[test]
fn journal_without_its_beginning_needs_a_snapshot() {
    let grown = AgedFolder::new();
    let harness = grown.open(&grown.store, &grown.index);
    assert!(let_go(&harness, false).expect("deleted") > 0);
    drop(harness);
    let snapshots: Vec<String> =
        grown.store.paths().into_iter().filter(|path| path.starts_with("snapshots/")).collect();
    assert_eq!(snapshots.len(), 2);
    // Each alone is enough.
    for missing in &snapshots {
        let store = grown.store.kill_image();
        levelgate::storage::fs::Store::remove(&store, missing).expect("removed");
        agrees(&grown, &grown.open(&store, &grown.indexes.fresh()), &format!("without {missing}"));
    }
    let store = grown.store.kill_image();
    snapshots.iter().for_each(|missing| levelgate::storage::fs::Store::remove(&store, missing).expect("removed"));
    let before = store.paths();
    let opened = Harness::open(&store, &grown.indexes.fresh(), Sync::Always, &grown.rules, None);
    let error = format!("{:#}", opened.err().expect("a refusal"));
    assert!(error.contains("bring a snapshot of this folder back into `snapshots`"), "{error}");
    assert_eq!(store.paths(), before, "nothing was changed");
}

#[test]
fn power_cut_during_segment_deletion_keeps_retained_facts() {
    let grown = AgedFolder::new();
    let calls = {
        let (store, index) = (grown.store.kill_image(), grown.indexes.copy_of(&grown.index));
        let harness = grown.open(&store, &index);
        let before = store.calls();
        assert!(let_go(&harness, true).expect("deleted") > 3);
        store.calls() - before
    };
    let mut cut_short = 0;
    for call in 1..=calls {
        for kind in [ImageKind::of(call), ImageKind::of(call * 5 + 3)] {
            let about = format!("cut at call {call} of {calls}, image {kind:?}");
            let (store, index) = (grown.store.kill_image(), grown.indexes.copy_of(&grown.index));
            let harness = grown.open(&store, &index);
            store.freeze_at(store.calls() + call);
            cut_short += u64::from(let_go(&harness, true).is_err());
            drop(harness);
            let image = kind.of_store(&store);
            let harness = grown.open(&image, &grown.indexes.copy_of(&index));
            let found = Answers::of(&harness);
            assert_eq!(found.without(is_gone).differs(&grown.before.without(is_gone)), None, "{about}");
            let gone_still_there = found.shown.keys().filter(|id| is_gone(id));
            assert!(gone_still_there.clone().all(|id| found.shown[id] == grown.before.shown[id]), "{about}");
            // The next turn does the rest.
            let_go(&harness, true).unwrap_or_else(|error| panic!("{about}: {error:#}"));
            agrees(&grown, &harness, &about);
            drop(harness);
            if call % 3 == 0 {
                let harness = grown.open(&image, &grown.indexes.fresh());
                agrees(&grown, &harness, &format!("{about}, the index lost"));
                repeats(&harness, &about);
            }
        }
    }
    assert!(cut_short > calls, "{cut_short} of {calls}");
}

#[test]
fn facts_acknowledged_during_deletion_are_kept() {
    for round in 0..4_u32 {
        let grown = AgedFolder::new();
        let harness = grown.open(&grown.store, &grown.index);
        let acknowledged = std::thread::scope(|scope| {
            let tellers = [0, 1].map(|teller| {
                let harness = &harness;
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    let ids: Vec<String> = old().chain(must_stay()).collect();
                    for n in 0..ids.len() {
                        let id = ids[(n * 7 + teller * 29 + round as usize * 13) % ids.len()].clone();
                        let line = cancel(THE_DAY_AFTER, &id, 10 + u32::try_from(teller).unwrap());
                        let reply = harness.line(&line);
                        // Deleted transactions are unknown, and no other answer is allowed.
                        assert!(!reply.refused || reply.text.contains("transaction_not_found"), "{}", reply.text);
                        if !reply.refused {
                            harness.journal().commit(reply.depends_on_lsn).expect("a commit");
                            acknowledged.push((id, line));
                        }
                        if n % 8 == 0 {
                            let (merchant, now) = ("side", now(harness));
                            let wanted = levelgate::ledger::TransactionQuery { limit: 1_000, ..Default::default() };
                            harness
                                .desk
                                .ledger
                                .list_transactions(merchant, &wanted, LocalTime::utc(now))
                                .expect("a list");
                        }
                    }
                    acknowledged
                })
            });
            let_go(&harness, round % 2 == 0).expect("deleted");
            tellers.map(|teller| teller.join().expect("a teller")).concat()
        });
        let known: Vec<&String> = acknowledged.iter().map(|(id, _)| id).collect();
        assert!(must_stay().iter().all(|id| known.contains(&id)), "round {round}: what must stay was refused");
        let all_are_kept = |harness: &Harness, after: &str| {
            for (id, line) in &acknowledged {
                assert!(say(harness, line), "round {round}, {after}: the cancel of {id} is accepted as new");
            }
        };
        all_are_kept(&harness, "at once");
        drop(harness);
        let image = || grown.store.kill_image();
        all_are_kept(&grown.open(&image(), &grown.indexes.copy_of(&grown.index)), "after a restart");
        all_are_kept(&grown.open(&image(), &grown.indexes.fresh()), "after the loss of the index");
    }
}
