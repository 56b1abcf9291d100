//! Old segments are deleted. Transactions in memory, transactions with later facts and everything that counts for the
//! lifetime are answered as before, at any interruption.

use crate::disk_images::Kind;
use crate::harness::{Indexes, Stage};
use crate::instrument_model;
use levelgate::domain::time::{DAY_MS, Millis};
use levelgate::journal::Sync;
use levelgate::store::memory::Memory;
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

fn now(stage: &Stage) -> Millis {
    stage.desk.clock.now(None).expect("a time")
}

/// Says a line and waits until it is kept; whether it was known already.
fn say(stage: &Stage, line: &str) -> bool {
    let said = stage.line(line);
    assert!(!said.refused, "{line}\n{}", said.text);
    stage.journal().commit(said.rests_on).expect("a commit");
    said.replay
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
struct Grown {
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
    fn of(stage: &Stage) -> Self {
        let check = |who| {
            let said = stage.line(&instrument_model::line("check", THE_DAY_AFTER, "side", who, None).line());
            let said: serde_json::Value = serde_json::from_str(&said.text).expect("JSON");
            said["limits"][0].to_string()
        };
        let used = ["anna", "bert"].map(check).into();
        let ids = old().chain(must_stay());
        let show =
            |id: String| Some((id.clone(), String::from_utf8(stage.desk.show("side", &id).ok()?).expect("UTF-8")));
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

impl Grown {
    fn new() -> Self {
        let (store, indexes, rules) = (Memory::new(), Indexes::new(), rules());
        let index = indexes.fresh();
        let open = || Stage::open(&store, &index, Sync::Always, &rules, None).expect("a start");
        let stage = open();
        for n in 0..OLD {
            say(&stage, &payment(FIRST, &format!("old{n}"), n));
        }
        drop(stage);
        let stage = open();
        stage.line(&instrument_model::line("check", A_YEAR_LATER, "side", "anna", None).line());
        stage.keep(true, true).expect("a snapshot");
        assert_eq!(stage.desk.ledger.transactions_len(), 0, "all have left memory");
        for n in 0..YOUNG {
            say(&stage, &payment(A_YEAR_LATER, &format!("young{n}"), n));
        }
        TOLD_LATER.iter().for_each(|n| assert!(!say(&stage, &cancel(A_YEAR_LATER, &format!("old{n}"), 0))));
        say(&stage, &cancel(A_YEAR_LATER, "young5", 0));
        drop(stage);
        let stage = open();
        stage.line(&instrument_model::line("check", THE_DAY_AFTER, "side", "anna", None).line());
        for _ in 0..2 {
            // Something happens between them, so that they are two.
            say(&stage, &payment(THE_DAY_AFTER, &format!("last{}", stage.journal().last()), 0));
            stage.keep(true, true).expect("a snapshot");
        }
        // The older snapshot still has what was old.
        assert_eq!(stage.desk.ledger.transactions_len(), u64::from(YOUNG) + 2);
        let before = Answers::of(&stage);
        assert_eq!(before.shown.len(), (OLD + YOUNG) as usize);
        drop(stage);
        Self { store, index, rules, indexes, before }
    }

    fn open(&self, store: &Memory, index: &Path) -> Stage {
        let stage = Stage::open(store, index, Sync::Always, &self.rules, None).expect("a start");
        stage.line(&instrument_model::line("check", THE_DAY_AFTER, "side", "anna", None).line());
        stage
    }
}

/// Deletes what is older than half a year; with `all`, everything that snapshots contain.
fn let_go(stage: &Stage, all: bool) -> anyhow::Result<usize> {
    let now = now(stage);
    stage.folder().let_go(&stage.desk.ledger, now.plus(if all { DAY_MS } else { -180 * DAY_MS }), now)
}

fn is_gone(id: &str) -> bool {
    id.starts_with("old") && !TOLD_LATER.iter().any(|n| id == format!("old{n}"))
}

/// A segment was deleted: what must stay stays, what is gone is unknown and may come again.
fn agrees(grown: &Grown, stage: &Stage, about: &str) {
    assert_eq!(Answers::of(stage).differs(&grown.before.without(is_gone)), None, "{about}");
    let listed = stage.listed("side");
    for id in must_stay() {
        assert!(listed.contains(&format!("{id} approved")), "{about}: {id} is not among {listed}");
    }
    assert!(!listed.contains("old2 "), "{about}: {listed}");
}

/// Sends every operation again: known ones are recognised, deleted ones count as new.
fn repeats(stage: &Stage, about: &str) {
    for n in TOLD_LATER {
        let id = format!("old{n}");
        assert!(say(stage, &payment(FIRST, &id, n)), "{about}: {id} is taken for new");
        assert!(say(stage, &cancel(A_YEAR_LATER, &id, 0)), "{about}: the cancel of {id} is accepted as new");
        assert!(!say(stage, &cancel(THE_DAY_AFTER, &id, 1)), "{about}");
        assert!(say(stage, &cancel(THE_DAY_AFTER, &id, 1)), "{about}");
    }
    for n in 0..YOUNG {
        assert!(say(stage, &payment(A_YEAR_LATER, &format!("young{n}"), n)), "{about}: young{n} is taken for new");
    }
    assert!(say(stage, &cancel(A_YEAR_LATER, "young5", 0)), "{about}");
    let unknown = stage.line(&cancel(THE_DAY_AFTER, "old2", 0));
    assert!(unknown.refused && unknown.text.contains("transaction_not_found"), "{about}: {}", unknown.text);
    assert!(!say(stage, &payment(THE_DAY_AFTER, "old2", 2)), "{about}: what is gone counts as new");
    assert!(say(stage, &payment(THE_DAY_AFTER, "old2", 2)), "{about}");
}

#[test]
fn retained_facts_outlive_their_segments() {
    for all in [false, true] {
        let grown = Grown::new();
        let about = format!("deleting {}", if all { "all" } else { "what is old" });
        let stale = grown.indexes.copy_of(&grown.index);
        let stage = grown.open(&grown.store, &grown.index);
        let oldest = stage.journal().segments()[0].first_lsn;
        assert!(let_go(&stage, all).expect("deleted") > 0, "{about}");
        assert!(stage.journal().segments()[0].first_lsn > oldest, "{about}");
        agrees(&grown, &stage, &about);
        assert_eq!(let_go(&stage, false).expect("nothing more"), 0, "{about}");
        drop(stage);
        // An index that was put back from before leads to what is not there any more.
        agrees(&grown, &grown.open(&grown.store.kill_image(), &stale), &format!("{about}, an older index"));
        // After a start, after a second one with new snapshots, and after the loss of the index.
        let stage = grown.open(&grown.store, &grown.index);
        agrees(&grown, &stage, &about);
        stage.keep(true, true).expect("a snapshot");
        drop(stage);
        let stage = grown.open(&grown.store, &grown.indexes.fresh());
        agrees(&grown, &stage, &format!("{about}, the index lost"));
        repeats(&stage, &about);
        let known = Answers::of(&stage);
        drop(stage);
        let stage = grown.open(&grown.store, &grown.indexes.fresh());
        assert_eq!(Answers::of(&stage).differs(&known), None, "{about}: later facts stay");
    }
}

#[test]
fn a_segment_stays_until_both_snapshots_hold_it() {
    let grown = Grown::new();
    let newest = grown.store.paths().into_iter().rfind(|path| path.starts_with("snapshots/"));
    let stage = grown.open(&grown.store, &grown.index);
    levelgate::storage::fs::Store::remove(&grown.store, &newest.expect("a snapshot")).expect("removed");
    assert_eq!(let_go(&stage, true).expect("nothing"), 0, "one snapshot is not enough");
}

#[test]
fn journal_without_its_beginning_needs_a_snapshot() {
    let grown = Grown::new();
    let stage = grown.open(&grown.store, &grown.index);
    assert!(let_go(&stage, false).expect("deleted") > 0);
    drop(stage);
    let snapshots: Vec<String> =
        grown.store.paths().into_iter().filter(|path| path.starts_with("snapshots/")).collect();
    assert_eq!(snapshots.len(), 2);
    // Each alone is enough.
    for lost in &snapshots {
        let store = grown.store.kill_image();
        levelgate::storage::fs::Store::remove(&store, lost).expect("removed");
        agrees(&grown, &grown.open(&store, &grown.indexes.fresh()), &format!("without {lost}"));
    }
    let store = grown.store.kill_image();
    snapshots.iter().for_each(|lost| levelgate::storage::fs::Store::remove(&store, lost).expect("removed"));
    let before = store.paths();
    let opened = Stage::open(&store, &grown.indexes.fresh(), Sync::Always, &grown.rules, None);
    let error = format!("{:#}", opened.err().expect("a refusal"));
    assert!(error.contains("bring a snapshot of this folder back into `snapshots`"), "{error}");
    assert_eq!(store.paths(), before, "nothing was changed");
}

#[test]
fn power_cut_during_segment_deletion_keeps_retained_facts() {
    let grown = Grown::new();
    let calls = {
        let (store, index) = (grown.store.kill_image(), grown.indexes.copy_of(&grown.index));
        let stage = grown.open(&store, &index);
        let before = store.calls();
        assert!(let_go(&stage, true).expect("deleted") > 3);
        store.calls() - before
    };
    let mut cut_short = 0;
    for call in 1..=calls {
        for kind in [Kind::of(call), Kind::of(call * 5 + 3)] {
            let about = format!("cut at call {call} of {calls}, image {kind:?}");
            let (store, index) = (grown.store.kill_image(), grown.indexes.copy_of(&grown.index));
            let stage = grown.open(&store, &index);
            store.freeze_at(store.calls() + call);
            cut_short += u64::from(let_go(&stage, true).is_err());
            drop(stage);
            let image = kind.of_store(&store);
            let stage = grown.open(&image, &grown.indexes.copy_of(&index));
            let found = Answers::of(&stage);
            assert_eq!(found.without(is_gone).differs(&grown.before.without(is_gone)), None, "{about}");
            let gone_still_there = found.shown.keys().filter(|id| is_gone(id));
            assert!(gone_still_there.clone().all(|id| found.shown[id] == grown.before.shown[id]), "{about}");
            // The next turn does the rest.
            let_go(&stage, true).unwrap_or_else(|error| panic!("{about}: {error:#}"));
            agrees(&grown, &stage, &about);
            drop(stage);
            if call % 3 == 0 {
                let stage = grown.open(&image, &grown.indexes.fresh());
                agrees(&grown, &stage, &format!("{about}, the index lost"));
                repeats(&stage, &about);
            }
        }
    }
    assert!(cut_short > calls, "{cut_short} of {calls}");
}

#[test]
fn facts_acknowledged_during_deletion_are_kept() {
    for round in 0..4_u32 {
        let grown = Grown::new();
        let stage = grown.open(&grown.store, &grown.index);
        let acknowledged = std::thread::scope(|scope| {
            let tellers = [0, 1].map(|teller| {
                let stage = &stage;
                scope.spawn(move || {
                    let mut acknowledged = Vec::new();
                    let ids: Vec<String> = old().chain(must_stay()).collect();
                    for n in 0..ids.len() {
                        let id = ids[(n * 7 + teller * 29 + round as usize * 13) % ids.len()].clone();
                        let line = cancel(THE_DAY_AFTER, &id, 10 + u32::try_from(teller).unwrap());
                        let said = stage.line(&line);
                        // Deleted transactions are unknown, and no other answer is allowed.
                        assert!(!said.refused || said.text.contains("transaction_not_found"), "{}", said.text);
                        if !said.refused {
                            stage.journal().commit(said.rests_on).expect("a commit");
                            acknowledged.push((id, line));
                        }
                        if n % 8 == 0 {
                            let (merchant, now) = ("side", now(stage));
                            let wanted = levelgate::ledger::Wanted { limit: 1_000, ..Default::default() };
                            stage.desk.ledger.list(merchant, &wanted, now).expect("a list");
                        }
                    }
                    acknowledged
                })
            });
            let_go(&stage, round % 2 == 0).expect("deleted");
            tellers.map(|teller| teller.join().expect("a teller")).concat()
        });
        let known: Vec<&String> = acknowledged.iter().map(|(id, _)| id).collect();
        assert!(must_stay().iter().all(|id| known.contains(&id)), "round {round}: what must stay was refused");
        let all_are_kept = |stage: &Stage, after: &str| {
            for (id, line) in &acknowledged {
                assert!(say(stage, line), "round {round}, {after}: the cancel of {id} is accepted as new");
            }
        };
        all_are_kept(&stage, "at once");
        drop(stage);
        let image = || grown.store.kill_image();
        all_are_kept(&grown.open(&image(), &grown.indexes.copy_of(&grown.index)), "after a restart");
        all_are_kept(&grown.open(&image(), &grown.indexes.fresh()), "after the loss of the index");
    }
}
