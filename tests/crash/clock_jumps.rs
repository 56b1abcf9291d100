//! A clock that is accepted forward and back at random moments, with and without moving what is from the future, between
//! snapshots, kills and power cuts: all customers count what a naive model counts.

use crate::disk_images::ImageKind;
use crate::harness::{Harness, Indexes};
use levelgate::clock::{Clock, Source};
use levelgate::domain::vocabulary::names::Name;
use levelgate::domain::vocabulary::time::{DAY_MS, Millis};
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use serde_json::{Value, json};
use std::sync::Arc;
use support::environment::seeds;
use support::random::Random;

const HOUR: i64 = 3_600_000;
const HOLD: i64 = HOUR;
const WHO: [&str; 3] = ["anna", "bert", "carl"];
/// 2026-03-10T12:00:00Z.
const FIRST: i64 = 1_773_144_000_000;
const SHOP: &str = "id = \"shop\"\nname = \"Shop\"\noperation_mode = \"crm\"\nhold = { deposit = \"1h\" }\n[[gates]]\nid = \"g\"\n\
                    [[projects]]\nid = \"web\"\n  [[projects.endpoints]]\n  id = \"web\"\n  currency = \"EUR\"\n  gates = [\"g\"]\n\
                    [[levels]]\nname = \"open\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]\n\
                    [[levels.filters]]\n  window = \"6h\"\n  amount_limit = \"100000.00\"\n  quantity_limit = 10000\n\
                    [[levels.filters]]\n  window = \"daily\"\n  calendar = true\n  amount_limit = \"100000.00\"\n  quantity_limit = 10000\n\
                    [[levels.filters]]\n  window = \"lifetime\"\n  amount_limit = \"100000.00\"\n  quantity_limit = 10000\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Reserved,
    Approved,
    Declined,
}

/// A transaction as the model knows it.
#[derive(Debug, Clone)]
struct ModelTransaction {
    who: &'static str,
    amount: i64,
    at: i64,
    hold_until: i64,
    state: State,
}

impl ModelTransaction {
    fn is_open(&self, now: i64) -> bool {
        self.state == State::Reserved && self.hold_until > now
    }

    fn counts(&self, now: i64) -> bool {
        self.state == State::Approved || self.is_open(now)
    }

    fn word(&self, now: i64) -> &'static str {
        match self.state {
            State::Reserved if self.is_open(now) => "reserved",
            State::Reserved => "expired",
            State::Approved => "approved",
            State::Declined => "declined",
        }
    }
}

/// The naive model: a list and the time.
struct Model {
    now: i64,
    /// The newest time of a record since the clock was last accepted.
    recorded: Option<i64>,
    paid: Vec<ModelTransaction>,
}

impl Model {
    /// What is used in a window that contains now: all from its start on, because what is later counts as now.
    fn used(&self, who: &str, start: i64) -> (i64, i64) {
        let inside = self.paid.iter().filter(|p| p.who == who && p.at >= start && p.counts(self.now));
        inside.fold((0, 0), |(amount, count), paid| (amount + paid.amount, count + 1))
    }

    fn accept(&mut self, to: i64, moves: bool) -> (u64, u64, u64) {
        let mut found = (0, 0, 0);
        for paid in self.paid.iter_mut().filter(|paid| paid.at > to) {
            found.0 += 1;
            found.1 += u64::from(paid.counts(to));
            found.2 += u64::from(paid.is_open(to));
            if moves {
                (paid.hold_until, paid.at) = (to + (paid.hold_until - paid.at), to);
            }
        }
        (self.now, self.recorded) = (to, Some(to));
        found
    }
}

struct ClockRun {
    about: String,
    harness: Option<Harness>,
    store: Memory,
    indexes: Indexes,
    rules: Arc<levelgate::domain::rules::configuration::Rules>,
    model: Model,
}

impl ClockRun {
    fn harness(&self) -> &Harness {
        self.harness.as_ref().expect("a stage")
    }

    fn say(&self, mut line: Value) -> Value {
        line["at"] = Millis(self.model.now).to_string().into();
        line["merchant"] = "shop".into();
        let reply = self.harness().line(&line.to_string());
        assert!(!reply.refused, "{}: {line}\n{}", self.about, reply.text);
        self.harness().journal().commit(reply.depends_on_lsn).expect("a commit");
        serde_json::from_str(&reply.text).expect("JSON")
    }

    fn pay(&mut self, who: &'static str, amount: i64, is_paid: bool) {
        let id = format!("t{}", self.model.paid.len());
        self.say(json!({
            "op": if is_paid { "payment" } else { "reserve" }, "transaction_id": id, "direction": "deposit",
            "currency": "EUR", "amount": format!("{amount}.00"), "customer_level": "open",
            "merchant_customer_identifier": who,
        }));
        let (at, state) = (self.model.now, if is_paid { State::Approved } else { State::Reserved });
        self.model.paid.push(ModelTransaction { who, amount, at, hold_until: at + HOLD, state });
        self.model.recorded = self.model.recorded.max(Some(at));
    }

    /// Sends the outcome of a transaction that waits for one.
    fn outcome(&mut self, place: usize, approves: bool) {
        let now = self.model.now;
        let Some(paid) = self.model.paid.get_mut(place).filter(|paid| paid.state == State::Reserved) else { return };
        if !approves && !paid.is_open(now) {
            return;
        }
        paid.state = if approves { State::Approved } else { State::Declined };
        self.say(json!({ "op": if approves { "approve" } else { "decline" }, "transaction_id": format!("t{place}") }));
        self.model.recorded = self.model.recorded.max(Some(now));
    }

    /// Puts the hold further: the moved end must not come back with the next record.
    fn extend(&mut self, place: usize) {
        let now = self.model.now;
        let Some(paid) = self.model.paid.get_mut(place).filter(|paid| paid.is_open(now)) else { return };
        paid.hold_until += HOLD;
        let until = Millis(paid.hold_until).to_string();
        self.say(json!({ "op": "extend", "transaction_id": format!("t{place}"), "until": until }));
        self.model.recorded = self.model.recorded.max(Some(now));
    }

    fn accept(&mut self, to: i64, moves: bool) {
        let before = self.model.now;
        let by = Some(Name::parse("ops").expect("a name"));
        let harness = self.harness.as_mut().expect("a stage");
        let (accepted, lsn) = harness.desk.ledger.accept_clock(moves, by, &mut || (Millis(before), Millis(to)));
        harness.desk.clock = Clock::new(Source::Requests);
        harness.journal().commit(lsn).expect("a commit");
        let found = accepted.from_future;
        let want = self.model.accept(to, moves);
        assert_eq!((found.transactions, found.entries, found.holds), want, "{}", self.about);
    }

    fn open(&mut self, image: Memory) {
        self.harness = None;
        let harness = Harness::open(&image, &self.indexes.fresh(), Sync::Always, &self.rules, None);
        let mut harness = harness.unwrap_or_else(|error| panic!("{}: {error:#}", self.about));
        let newest = harness.folder().newest_time().map(|newest| newest.0);
        // A snapshot may also contain the time of a read.
        let least = self.model.recorded.unwrap_or(i64::MIN);
        assert!(newest >= self.model.recorded, "{}: {newest:?} {least}", self.about);
        assert!(newest <= Some(self.model.now), "{}: {newest:?} {}", self.about, self.model.now);
        harness.desk.clock = Clock::new(Source::Requests);
        harness.desk.clock.resume(newest.map(Millis));
        (self.harness, self.store) = (Some(harness), image);
    }

    /// Holds what all customers have used, and what became of all transactions, against the model.
    fn check(&self) {
        let now = self.model.now;
        for who in WHO {
            let answer = self.say(json!({
                "op": "check", "direction": "deposit", "currency": "EUR", "amount": "1.00", "customer_level": "open",
                "merchant_customer_identifier": who, "explain": true,
            }));
            assert_eq!(answer["server_time"], Millis(now).to_string(), "{}: {who} is seen at another time", self.about);
            let starts = [now - 6 * HOUR + 1, now - now.rem_euclid(DAY_MS), i64::MIN];
            for (limit, start) in answer["limits"].as_array().expect("limits").iter().zip(starts) {
                let (amount, count) = self.model.used(who, start);
                let used = (&limit["amount"]["used"], &limit["quantity"]["used"]);
                // The question itself counts as one more.
                let want = (&Value::from(format!("{}.00", amount + 1)), &Value::from(count + 1));
                assert_eq!(used, want, "{}: {who} at {}\n{answer}", self.about, Millis(now));
            }
        }
        for (place, paid) in self.model.paid.iter().enumerate() {
            let shown = self.harness().transaction("shop", &format!("t{place}")).expect("a transaction");
            let shown: Value = serde_json::from_slice(&shown).expect("JSON");
            assert_eq!(shown["status"], paid.word(now), "{}: t{place}\n{shown}", self.about);
        }
        let listed = self.harness().listed_if("shop", false);
        assert_eq!(listed.matches(", ").count() + 1, self.model.paid.len().max(1), "{}: {listed}", self.about);
    }

    fn step(&mut self, random: &mut Random) {
        let place = random.place(self.model.paid.len().max(1));
        match random.between(0, 99) {
            0..=34 => self.pay(WHO[random.place(3)], random.between(1, 9), random.percent(30)),
            35..=44 => self.outcome(place, random.percent(60)),
            45..=48 => self.extend(place),
            49..=74 => self.model.now += random.between(0, 2 * HOUR),
            75..=84 => {
                let far = *random.pick(&[HOUR / 2, 5 * HOUR, DAY_MS, 40 * DAY_MS]);
                self.accept(self.model.now + random.between(-far, far), random.percent(50));
            }
            85..=90 => self.harness().keep(random.percent(50), false).expect("a snapshot"),
            91..=93 => {
                // Between what a snapshot goes on from and its first piece.
                let begin = self.harness().journal().last();
                self.accept(self.model.now + random.between(-DAY_MS, DAY_MS), random.percent(70));
                self.pay(WHO[random.place(3)], 1, false);
                self.harness().snapshot_from(begin, &self.store, || {});
            }
            n => {
                let image =
                    if n < 97 { ImageKind::Killed } else { ImageKind::of(u64::try_from(place).expect("a place")) };
                let image = image.of_store(&self.store);
                self.open(image);
            }
        }
    }
}

#[test]
fn accepting_a_clock_keeps_every_counter() {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    std::fs::write(config.path().join("merchants/shop.toml"), SHOP).expect("a file");
    let rules = Arc::new(levelgate::config::load(config.path()).expect("a configuration").rules);
    for seed in seeds(40) {
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (mut random, store, indexes) = (Random::seeded(seed), Memory::new(), Indexes::new());
        let model = Model { now: FIRST, recorded: None, paid: Vec::new() };
        let mut run =
            ClockRun { about, harness: None, store: store.clone(), indexes, rules: Arc::clone(&rules), model };
        run.open(store);
        for n in 0..90 {
            run.about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, step {n}");
            run.step(&mut random);
            if n % 3 == 0 {
                run.check();
            }
        }
        run.open(ImageKind::Killed.of_store(&run.store));
        run.check();
    }
}
