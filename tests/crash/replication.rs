//! A standby applies the records of a primary to a live ledger, in random portions, from the first record or from a
//! snapshot, while it is read and evicts transactions by itself. It answers what the primary would have answered, takes
//! over at any step, and contains what a recovery from the same journal contains.

use crate::expected_state::{Expected, disagreement};
use crate::harness::{BOUNDS, Harness, Indexes};
use crate::instrument_model;
use crate::parallel_recovery::pieces;
use crate::staff_calls;
use crate::workload::{Action, Mix, Workload};
use levelgate::clock::{Clock, Source};
use levelgate::config::load;
use levelgate::domain::events::global_event::{ClockStep, GlobalEvent};
use levelgate::domain::rules::{configuration::Rules, level::LevelKey};
use levelgate::domain::vocabulary::{
    direction::Direction,
    money::Currency,
    names::Name,
    time::{DAY_MS, Millis},
};
use levelgate::ledger::{Ledger, Retention, StateRecovery};
use levelgate::storage::fs::{Store, memory::Memory};
use levelgate::storage::journal::{Instance, Lsn, Sync, Visited};
use levelgate::storage::snapshot;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};
use support::environment::seeds_from;
use support::random::Random;

const MIX: Mix = Mix { steps: 220, side: 20, keeps: 4, syncs: 8, restarts: 0, waits: 60, reloads: 4, staff: 25 };

/// A standby, and the last record that it was given.
struct Standby {
    harness: Harness,
    after: Lsn,
    changes_rules: bool,
    accepted: Option<ClockStep>,
}

impl Standby {
    /// An empty one.
    fn empty(primary: &Harness) -> Self {
        let ledger = Ledger::new(BOUNDS, primary.desk.ledger.storage());
        Self::of(ledger, primary, Lsn::NONE)
    }

    /// One that begins with the newest snapshot of the primary.
    fn from_snapshot(primary: &Harness, store: &Memory) -> Self {
        let mut names = store.list("snapshots").unwrap().into_iter();
        let Some(name) = names.rfind(|name| name.ends_with(".snap")) else { return Self::empty(primary) };
        let storage = primary.desk.ledger.storage();
        let mut recovery = StateRecovery::with_threads(storage.secret, &storage.keys, 2).unwrap();
        let id = Instance::known(store).unwrap().unwrap().id;
        let mut reader = snapshot::Reader::open(store.open(&format!("snapshots/{name}")).unwrap(), id.0).unwrap();
        let begin = Lsn(reader.header().begin_lsn);
        while let Some(frame) = reader.next_frame().unwrap() {
            recovery.restore(&frame).unwrap();
        }
        Self::of(recovery.finish(BOUNDS, storage).0, primary, begin)
    }

    fn of(ledger: Ledger, primary: &Harness, after: Lsn) -> Self {
        ledger.begin_replication(after);
        let harness = Harness::of(ledger, &primary.desk.rules.load());
        Self { harness, after, changes_rules: false, accepted: None }
    }

    /// Applies so many steps of the journal; returns whether any is left.
    fn follow(&mut self, mut steps: usize, about: &str) -> bool {
        let ledger = &self.harness.desk.ledger;
        let (changes_rules, accepted) = (&mut self.changes_rules, &mut self.accepted);
        let journal = Arc::clone(ledger.journal());
        let followed = journal.follow_committed(self.after, &mut |visited| {
            let Visited::Records(records) = visited else { panic!("{about}: {visited:?}") };
            let replicated = ledger.apply_replicated(records).unwrap_or_else(|error| panic!("{about}: {error}"));
            *changes_rules |= replicated.changes_rules;
            *accepted = replicated.accepted_clock.or(*accepted);
            steps = steps.saturating_sub(1);
            if steps == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.after = followed.expect("the records").next;
        self.after < journal.last_committed()
    }

    fn follow_all(&mut self, about: &str) {
        self.harness.journal().sync().expect("a sync");
        while self.follow(usize::MAX, about) {}
        assert!(self.harness.desk.ledger.contained_lsn() <= self.harness.journal().last(), "{about}");
    }

    /// Evicts by itself.
    fn evict(&self, now: i64) -> usize {
        let ledger = &self.harness.desk.ledger;
        let retention = Retention::new(1, &self.harness.desk.rules.load());
        (0..Ledger::shard_count()).map(|shard| ledger.evict(shard, &retention, Millis(now))).sum()
    }
}

#[test]
fn a_standby_takes_over_at_any_step_and_answers_as_the_primary() {
    let (mut evicted, mut took_over) = (0, 0);
    for seed in seeds_from(9_001, 6) {
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (workload, indexes, store) = (Workload::write(seed, MIX), Indexes::new(), Memory::new());
        let mut random = Random::seeded(seed);
        let primary =
            Harness::open(&store, &indexes.fresh(), Sync::Interval, &workload.first.rules, None).expect("a start");
        let change = random.place(workload.steps.len());
        // No reader is later than the take-over: what a customer answers is never as of an earlier time than before.
        let last_clock = change.checked_sub(1).map_or(i64::MIN, |n| workload.steps[n].clock);
        let mut standby = Standby::empty(&primary);
        for (n, step) in workload.steps[..change].iter().enumerate() {
            let about = format!("{about}, operation {n}");
            match &step.act {
                Action::Line(_) | Action::Signal { .. } | Action::Staff { .. } => {
                    let reply = primary.act(&step.act);
                    assert_eq!(reply.text, step.reply.as_ref().unwrap().text, "{about}");
                    if step.waits {
                        primary.journal().commit(reply.depends_on_lsn).unwrap();
                    }
                }
                Action::Keep { archives, retires } => {
                    primary.keep(*archives, *retires && random.percent(50)).expect("a snapshot");
                    if random.percent(30) {
                        standby = Standby::from_snapshot(&primary, &store);
                    } else if random.percent(30) && standby.after > Lsn::NONE {
                        // A snapshot of the standby is one of the same journal.
                        primary.folder().snapshot(&standby.harness.desk.ledger, step.clock).expect("a snapshot");
                    }
                }
                Action::Reload(configuration) => {
                    primary.reload(configuration);
                    standby.harness.reload(configuration);
                }
                Action::Sync | Action::Restart => _ = primary.journal().sync(),
            }
            if random.percent(40) {
                let steps = 1 + random.place(12);
                standby.follow(steps, &about);
            }
            // It is read, and evicts, as of later times than those of its records.
            if random.percent(15) && step.clock > i64::MIN {
                let now = random.between(step.clock, last_clock.max(step.clock));
                let _totals = standby.harness.desk.ledger.lifetime_totals(Millis(now));
                evicted += standby.evict(now);
            }
        }
        standby.follow_all(&about);
        let image = store.kill_image();
        let configuration = workload.configuration(change);
        let clock = change.checked_sub(1).map(|n| workload.steps[n].clock).filter(|clock| *clock > i64::MIN);
        // What a recovery finds, from whichever snapshot was the last one.
        let recovered = Harness::open(&image, &indexes.fresh(), Sync::Interval, &configuration.rules, clock);
        let recovered = recovered.unwrap_or_else(|error| panic!("{about}: {error:#}"));
        standby.harness.reload(configuration);
        standby.harness.desk.ledger.end_replication();
        if let Some(clock) = clock {
            standby.harness.desk.clock.now(Some(Millis(clock))).unwrap();
            let totals = |harness: &Harness| format!("{:?}", harness.desk.ledger.lifetime_totals(Millis(clock)));
            assert_eq!(totals(&standby.harness), totals(&recovered), "{about}: lifetime totals");
            let counts = |harness: &Harness| {
                let ledger = &harness.desk.ledger;
                (ledger.customers_len(), ledger.opened_transactions())
            };
            assert_eq!(counts(&standby.harness), counts(&recovered), "{about}");
        }
        drop(recovered);
        // It takes over: the primary does nothing any more.
        for (n, step) in workload.steps.iter().enumerate().skip(change) {
            match &step.act {
                Action::Line(_) | Action::Signal { .. } | Action::Staff { .. } => {
                    let reply = standby.harness.act(&step.act);
                    let wanted = step.reply.as_ref().unwrap();
                    assert_eq!(reply.text, wanted.text, "{about}, taken over after {change}, operation {n}: {step:?}");
                    assert_eq!(reply.replay, wanted.replay, "{about}, operation {n}");
                }
                Action::Reload(configuration) => standby.harness.reload(configuration),
                Action::Keep { .. } | Action::Sync | Action::Restart => {}
            }
        }
        let expected = Expected::after(&workload, workload.steps.len());
        let found = disagreement(&expected, &standby.harness, 0, &about);
        assert_eq!(found, None, "{about}, taken over after {change}");
        took_over += 1;
    }
    println!("{took_over} take-overs; the standbys evicted {evicted} transactions by themselves");
}

const FIRST: i64 = 1_773_144_000_000;
const BODY: &str = r#"{"projects": ["web"], "filters": [{"window": "daily", "amount_limit": "50.00"}]}"#;
const WHO: [&str; 4] = ["anna", "bert", "carl", "dora"];
const LEVELS: [&str; 3] = ["open", "best", "gold"];

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn rules() -> Arc<Rules> {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    staff_calls::configure(config.path(), true, false);
    Arc::new(load(config.path()).expect("a configuration").rules)
}

fn key(level: &str) -> LevelKey {
    let (direction, currency) = (Direction::Deposit, Currency::parse("EUR").expect("a currency"));
    LevelKey { merchant: name("side"), direction, currency, name: name(level) }
}

/// Does something that concerns all customers, or one that pays.
fn change(primary: &mut Harness, random: &mut Random, now: &mut i64, n: usize) {
    let ledger = &primary.desk.ledger;
    *now += random.between(1, 3_600_000);
    let at = Millis(*now);
    let _moved = primary.desk.clock.now(Some(at));
    match random.between(1, 100) {
        1..=50 => {
            let instrument = random.percent(50).then(|| *random.pick(&instrument_model::INSTRUMENTS));
            let op = random.word(&["payment", "reserve"]);
            let mut line = instrument_model::line(op, &at.to_string(), "side", random.word(&WHO), instrument);
            line.text("transaction_id", &format!("t{n}"));
            primary.line(&line.line());
        }
        51..=58 => {
            let event =
                GlobalEvent::LevelPut { key: key(random.word(&LEVELS)), body: BODY.into(), created: at, at, by: None };
            ledger.record_overrides(&[event]);
        }
        59..=62 => {
            ledger.record_overrides(&[GlobalEvent::LevelDeleted { key: key(random.word(&LEVELS)), at, by: None }]);
        }
        63..=66 => {
            let body = r#"{"EUR": {"USD": "1.1"}}"#.into();
            ledger.record_overrides(&[GlobalEvent::RatesPut { body, at, by: Some(name("olga")) }]);
        }
        67..=76 => {
            let (from, to) = (random.word(&LEVELS), random.word(&LEVELS));
            let (merchant, direction) = (name("side"), Direction::Deposit);
            let rename =
                GlobalEvent::LevelRenamed { merchant, direction, from: name(from), to: name(to), at, by: None };
            let put = GlobalEvent::LevelPut { key: key(to), body: BODY.into(), created: at, at, by: None };
            if from != to {
                ledger.rename_level(&rename, &[put], &mut || {});
            }
        }
        77..=86 => {
            let to = at.plus(*random.pick(&[-2 * DAY_MS, -3_600_000, -1_000, 0, 1_000, 3_600_000]));
            ledger.accept_clock(random.percent(50), None, &mut || (at, to));
            *now = to.0;
            primary.desk.clock = Clock::new(Source::Requests);
        }
        87..=93 => {
            let numbers = staff_calls::numbers(primary);
            let staff_call = staff_calls::next(random, (n, true), &at.to_string(), *now, &numbers);
            match staff_call {
                Ok(call) => _ = staff_calls::act(primary, &call, at),
                Err(line) => _ = primary.line(&line),
            }
        }
        _ => _ = ledger.erase_due(&primary.desk.rules(), at.plus(40 * DAY_MS), 10).expect("erased"),
    }
}

#[test]
fn a_standby_contains_what_a_recovery_contains() {
    let (rules, mut changed_rules, mut accepted_clocks) = (rules(), 0, 0);
    for seed in seeds_from(9_501, 12) {
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (store, indexes, mut random) = (Memory::new(), Indexes::new(), Random::seeded(seed));
        let mut primary =
            Harness::open(&store, &indexes.fresh(), Sync::Interval, &rules, Some(FIRST)).expect("a start");
        let (mut standby, mut now) = (Standby::empty(&primary), FIRST);
        for n in 0..150 {
            change(&mut primary, &mut random, &mut now, n);
            if random.percent(30) {
                primary.journal().sync().unwrap();
                let steps = 1 + random.place(20);
                standby.follow(steps, &about);
                // A reader leaves a transaction in the cache of its stripe.
                standby.harness.desk.clock = Clock::new(Source::Requests);
                standby.harness.desk.clock.now(Some(Millis(now))).unwrap();
                let _found = standby.harness.transaction("side", &format!("t{}", random.place(n + 1)));
            }
            if random.percent(3) {
                primary.keep(false, false).expect("a snapshot");
                standby = Standby::from_snapshot(&primary, &store);
            }
        }
        standby.follow_all(&about);
        changed_rules += u32::from(standby.changes_rules);
        accepted_clocks += u32::from(standby.accepted.is_some());
        let image = store.kill_image();
        for snapshot in image.list("snapshots").unwrap() {
            image.remove(&format!("snapshots/{snapshot}")).unwrap();
        }
        let recovered = Harness::open(&image, &indexes.fresh(), Sync::Interval, &rules, Some(now)).expect("a start");
        // A snapshot leaves out the deletion of a level that is in no file.
        let overrides = |harness: &Harness| harness.desk.ledger.overrides().events();
        assert_eq!(overrides(&standby.harness), overrides(&recovered), "{about}");
        standby.harness.desk.ledger.end_replication();
        standby.harness.desk.clock = Clock::new(Source::Requests);
        standby.harness.desk.clock.now(Some(Millis(now))).unwrap();
        // All holds are ended as of one time.
        let later = Millis(now + 60 * DAY_MS);
        let [one, other] = [&standby.harness, &recovered].map(|harness| {
            let totals = format!("{:?}", harness.desk.ledger.lifetime_totals(later));
            (totals, pieces(&harness.desk.ledger))
        });
        assert_eq!(one.0, other.0, "{about}");
        for (one, other) in one.1.iter().zip(&other.1) {
            assert_eq!(one, other, "{about}");
        }
        assert_eq!(one.1.len(), other.1.len(), "{about}");
        let answers = |harness: &Harness| {
            let ledger = &harness.desk.ledger;
            let mut answers = vec![harness.listed_if("side", false), staff_calls::all(harness)];
            for level in LEVELS {
                answers.push(format!("{level}: {}", ledger.customers_with_level(&key(level))));
            }
            for (who, n) in WHO.iter().zip(10_000..) {
                let at = Millis(later.0 + 1).to_string();
                for op in ["check", "payment"] {
                    for instrument in instrument_model::INSTRUMENTS {
                        let mut line = instrument_model::line(op, &at, "side", who, Some(instrument));
                        if op == "payment" {
                            line.text("transaction_id", &format!("later {n} {instrument}"));
                        }
                        answers.push(harness.line(&line.line()).text);
                    }
                }
            }
            for n in 0..150 {
                let shown = harness.transaction("side", &format!("t{n}"));
                answers.push(shown.map_or_else(|error| format!("{error:?}"), |shown| format!("{shown:?}")));
            }
            answers.push(format!("{} {}", ledger.customers_len(), ledger.opened_transactions()));
            answers
        };
        let [standby, recovered] = [&standby.harness, &recovered].map(answers);
        for (one, other) in standby.iter().zip(&recovered) {
            assert_eq!(one, other, "{about}");
        }
    }
    println!("{changed_rules} standbys saw changed rules, {accepted_clocks} an accepted clock");
}

#[test]
fn a_fact_about_a_transaction_that_one_side_evicted_counts_the_same() {
    const YEAR_LATER: i64 = FIRST + 365 * DAY_MS;
    let rules = rules();
    for (primary_evicts, standby_evicts) in [(false, true), (true, false), (true, true), (false, false)] {
        let about = format!("the primary evicts: {primary_evicts}, the standby evicts: {standby_evicts}");
        let (store, indexes) = (Memory::new(), Indexes::new());
        let index = indexes.fresh();
        let open = || Harness::open(&store, &index, Sync::Always, &rules, None).expect("a start");
        let say = |harness: &Harness, line: &str| {
            let reply = harness.line(line);
            assert!(!reply.refused, "{about}: {line}\n{}", reply.text);
            harness.journal().commit(reply.depends_on_lsn).expect("a commit");
        };
        let first = open();
        for n in 0..6 {
            let at = Millis(FIRST + n).to_string();
            let mut line = instrument_model::line("payment", &at, "side", WHO[usize::from(n % 2 == 1)], None);
            line.text("transaction_id", &format!("old{n}"));
            say(&first, &line.line());
        }
        // A start begins a segment, so that the one before can be archived.
        drop(first);
        let primary = open();
        let mut standby = Standby::empty(&primary);
        standby.follow_all(&about);
        let later = Millis(YEAR_LATER).to_string();
        let mut line = instrument_model::line("payment", &later, "side", "carl", None);
        line.text("transaction_id", "new");
        say(&primary, &line.line());
        primary.keep(true, primary_evicts).expect("a snapshot");
        assert_eq!(standby.evict(if standby_evicts { YEAR_LATER } else { FIRST }), if standby_evicts { 6 } else { 0 });
        for (n, id) in ["old1", "old4", "old1"].into_iter().enumerate() {
            say(
                &primary,
                &format!(
                    "{{\"op\": \"cancel\", \"at\": {later:?}, \"merchant\": \"side\", \"transaction_id\": {id:?}, \
                     \"amount\": \"0.01\", \"cancel_id\": \"c{n}\"}}"
                ),
            );
            standby.follow_all(&about);
        }
        standby.harness.desk.clock.now(Some(Millis(YEAR_LATER))).unwrap();
        let totals = |harness: &Harness| format!("{:?}", harness.desk.ledger.lifetime_totals(Millis(YEAR_LATER)));
        assert_eq!(totals(&standby.harness), totals(&primary), "{about}");
        for id in (0..6).map(|n| format!("old{n}")) {
            let [one, other] = [&standby.harness, &primary].map(|harness| harness.transaction("side", &id).unwrap());
            assert_eq!(String::from_utf8(one), String::from_utf8(other), "{about}: {id}");
        }
        // Those that returned leave again.
        primary.keep(true, primary_evicts).expect("a snapshot");
        standby.evict(YEAR_LATER + DAY_MS);
        primary.retire();
        assert_eq!(totals(&standby.harness), totals(&primary), "{about}");
    }
}

/// A primary with all that concerns all customers, and the time after it.
fn busy_primary(seed: u64, steps: usize, store: &Memory, index: &std::path::Path) -> (Harness, i64) {
    let (mut random, mut now) = (Random::seeded(seed), FIRST);
    let mut primary = Harness::open(store, index, Sync::Interval, &rules(), Some(FIRST)).expect("a start");
    for n in 0..steps {
        change(&mut primary, &mut random, &mut now, n);
    }
    primary.journal().sync().unwrap();
    (primary, now)
}

/// Reads a standby until it has every record. Nothing that was seen disappears or becomes less.
fn read_while_it_applies(standby: &Harness, is_done: &AtomicBool, mut random: Random, about: &str) -> u64 {
    let ledger = &standby.desk.ledger;
    let (mut facts, mut counts, mut reads) = (HashMap::<usize, usize>::new(), (0, 0, Lsn::NONE), 0);
    loop {
        let is_last = is_done.load(Ordering::Acquire);
        for _ in 0..20 {
            let n = random.place(STEPS);
            let shown = standby.transaction("side", &format!("t{n}")).ok();
            let shown: Option<serde_json::Value> = shown.map(|body| serde_json::from_slice(&body).expect("JSON"));
            let found = shown.as_ref().and_then(|shown| shown["transitions"].as_array()).map(|facts| facts.len() + 1);
            let seen = facts.entry(n).or_default();
            assert!(found.unwrap_or(0) >= *seen, "{about}: t{n} had {seen} facts and then {found:?}: {shown:?}");
            *seen = found.unwrap_or(0);
            reads += 1;
        }
        let found = (ledger.customers_len(), ledger.opened_transactions(), ledger.contained_lsn());
        assert!(found.0 >= counts.0 && found.1 >= counts.1 && found.2 >= counts.2, "{about}: {counts:?}, {found:?}");
        counts = found;
        // A check locks what a payment locks, and records nothing.
        let at = standby.desk.clock.now(None).expect("a time").to_string();
        let line = instrument_model::line("check", &at, "side", random.word(&WHO), None);
        let _answer = standby.line(&line.line());
        let _totals = ledger.lifetime_totals(standby.desk.clock.now(None).expect("a time"));
        if is_last {
            return reads;
        }
    }
}

const STEPS: usize = 400;

#[test]
fn a_standby_is_read_while_it_applies() {
    for seed in seeds_from(9_701, 4) {
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (store, indexes) = (Memory::new(), Indexes::new());
        let (primary, now) = busy_primary(seed, STEPS, &store, &indexes.fresh());
        let standby = Standby::empty(&primary);
        standby.harness.desk.clock.now(Some(Millis(now))).unwrap();
        let (is_done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
        let ledger = &standby.harness.desk.ledger;
        std::thread::scope(|scope| {
            for reader in 0..3 {
                let (standby, is_done, reads, about) = (&standby.harness, &is_done, &reads, &about);
                scope.spawn(move || {
                    let random = Random::seeded(seed * 10 + reader);
                    reads.fetch_add(read_while_it_applies(standby, is_done, random, about), Ordering::Relaxed);
                });
            }
            let applied = primary.journal().follow_committed(Lsn::NONE, &mut |visited| {
                let Visited::Records(records) = visited else { panic!("{about}: {visited:?}") };
                ledger.apply_replicated(records).unwrap_or_else(|error| panic!("{about}: {error}"));
                ControlFlow::Continue(())
            });
            is_done.store(true, Ordering::Release);
            assert_eq!(applied.expect("the records").next, primary.journal().last_committed(), "{about}");
        });
        let image = store.kill_image();
        let recovered = Harness::open(&image, &indexes.fresh(), Sync::Interval, &rules(), Some(now)).expect("a start");
        ledger.end_replication();
        let later = Millis(now + 60 * DAY_MS);
        let totals = |harness: &Harness| format!("{:?}", harness.desk.ledger.lifetime_totals(later));
        assert_eq!(totals(&standby.harness), totals(&recovered), "{about}");
        for (one, other) in pieces(ledger).iter().zip(&pieces(&recovered.desk.ledger)) {
            assert_eq!(one, other, "{about}");
        }
        println!("seed {seed}: {} reads", reads.into_inner());
    }
}

#[test]
fn a_snapshot_of_a_standby_contains_what_its_records_contain() {
    for seed in seeds_from(9_801, 6) {
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (store, indexes) = (Memory::new(), Indexes::new());
        let (primary, now) = busy_primary(seed, 150, &store, &indexes.fresh());
        let mut standby = Standby::empty(&primary);
        let steps = 1 + Random::seeded(seed).place(150);
        standby.follow(steps, &about);
        let contained = standby.harness.desk.ledger.contained_lsn();
        assert!(contained > Lsn::NONE && contained == standby.after, "{about}");
        // It is ahead of what memory contains.
        let taken = primary.folder().snapshot(&standby.harness.desk.ledger, now).expect("a snapshot");
        assert_eq!(taken.true_up_to, contained, "{about}");
        let with = store.kill_image();
        let names: Vec<String> = with.list("snapshots").unwrap().into_iter().filter(|n| n.ends_with(".snap")).collect();
        assert_eq!(names, [format!("{:020}.snap", contained.0)], "{about}");
        let without = store.kill_image();
        names.iter().for_each(|name| without.remove(&format!("snapshots/{name}")).unwrap());
        let [one, other] = [&with, &without].map(|image| {
            let opened = Harness::open(image, &indexes.fresh(), Sync::Interval, &rules(), Some(now)).expect("a start");
            let later = Millis(now + 60 * DAY_MS);
            let totals = format!("{:?}", opened.desk.ledger.lifetime_totals(later));
            (totals, pieces(&opened.desk.ledger), opened.listed_if("side", false))
        });
        assert_eq!(one.0, other.0, "{about}");
        for (one, other) in one.1.iter().zip(&other.1) {
            assert_eq!(one, other, "{about}");
        }
        assert_eq!((one.1.len(), one.2), (other.1.len(), other.2), "{about}");
    }
}
