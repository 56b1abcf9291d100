//! One client: it sends its mix until the daemon dies, keeps the answers, and compares the next daemon with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::answer_fields::{self, codes, gates, line_status, text};
use crate::client::Client;
use crate::limit_calls;
use crate::model::Rules;
use crate::operation::{ClientRecords, Expected, Operation};
use crate::reload::InForce;
use support::answer::Answer;
use support::process::eventually;
use support::random::Random;

/// What load and its end have come to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Totals {
    pub(crate) answered: u64,
    pub(crate) unanswered: u64,
    /// Of those without an answer: had happened all the same.
    pub(crate) happened: u64,
    pub(crate) replayed: u64,
    pub(crate) checked: u64,
    /// Changes by staff, and of them merges and confirmed raises.
    pub(crate) changed: u64,
    pub(crate) merged: u64,
    pub(crate) confirmed: u64,
    /// Changes of many at once, and of them such as had begun when the daemon was killed.
    pub(crate) jobs: u64,
    pub(crate) taken_up: u64,
    /// Customers.
    pub(crate) forgotten: u64,
    /// Were decided by a configuration that came while they were under way.
    pub(crate) met_a_reload: u64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Totals) {
        self.answered += other.answered;
        self.unanswered += other.unanswered;
        self.happened += other.happened;
        self.replayed += other.replayed;
        self.checked += other.checked;
        self.changed += other.changed;
        self.merged += other.merged;
        self.confirmed += other.confirmed;
        self.jobs += other.jobs;
        self.taken_up += other.taken_up;
        self.forgotten += other.forgotten;
        self.met_a_reload += other.met_a_reload;
    }
}

/// A client with its customers.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) records: ClientRecords,
    pub(crate) random: Random,
    /// Everything that was answered, in order.
    pub(crate) log: Vec<Operation>,
    /// How much of the log is known to have outlived a kill.
    pub(crate) judged: usize,
    /// What was sent and not answered, in order.
    pending: Vec<Operation>,
    /// The place that a failure names.
    pub(crate) context: String,
    pub(crate) counted: Totals,
    /// An answer that says that the outcome is unknown, where one came.
    pub(crate) unknown: Option<Answer>,
    /// How many of a hundred exchanges are batches.
    pub(crate) batches: i64,
    /// The configurations that come, where they change under load.
    pub(crate) in_force: Option<Arc<InForce>>,
    /// Whether the daemon may answer for some time that an outcome is unknown or that it decides nothing: then what it
    /// answers so is sent again until it is known.
    pub(crate) waits_for_outcomes: bool,
    /// When the daemon was started, where that matters.
    pub(crate) started: Option<Timestamp>,
    /// The state before a reserve without an answer that may have met a reload.
    before: Option<(ClientRecords, Random)>,
}

impl Worker {
    pub(crate) fn new(name: &str, seed: u64, each: usize) -> Worker {
        Worker {
            records: ClientRecords::new(name, each),
            random: Random::seeded(seed),
            log: Vec::new(),
            judged: 0,
            pending: Vec::new(),
            context: format!("seed {seed}"),
            counted: Totals::default(),
            unknown: None,
            batches: 30,
            in_force: None,
            waits_for_outcomes: false,
            started: None,
            before: None,
        }
    }

    #[track_caller]
    pub(crate) fn expect(&self, holds: bool, what: impl FnOnce() -> String) {
        assert!(holds, "{}: {}", self.context, what());
    }

    /// Sends the mix until it must stop or an answer is missing; `answered` counts the answers of all clients.
    pub(crate) fn load(&mut self, client: &mut Client, stop: &AtomicBool, answered: &AtomicU64) {
        let begun = self.log.len();
        while !stop.load(Ordering::Relaxed) && self.pending.is_empty() {
            self.exchange(client, answered);
        }
        self.counted.answered += (self.log.len() - begun) as u64;
        self.counted.unanswered += self.pending.len() as u64;
    }

    /// Sends one batch or one call.
    fn exchange(&mut self, client: &mut Client, answered: &AtomicU64) {
        let known = self.log.len();
        let in_force = self.in_force.clone();
        let stays = in_force.as_ref().map(|in_force| in_force.stays());
        if let Some(in_force) = &in_force {
            self.records.rules = in_force.newest();
        }
        if self.random.percent(self.batches) {
            let lines = self.random.between(2, 12);
            let operations: Vec<Operation> = (0..lines).map(|_| self.records.next(&mut self.random, true)).collect();
            let lines: Vec<String> = operations.iter().map(|operation| self.records.line(operation)).collect();
            let mut answers = client.batch(&lines).into_iter();
            for operation in operations {
                match answers.next() {
                    Some(answer) => self.take(operation, line_status(&answer), &answer),
                    None => self.pending.push(operation),
                }
            }
        } else {
            let may_meet = in_force.as_ref().filter(|_| self.random.percent(40));
            let before = may_meet.map(|_| (self.records.clone(), self.random.clone()));
            let mut operation = self.records.next(&mut self.random, false);
            let (method, path, body) = self.records.call(&operation);
            let before = before.filter(|_| operation.kind == "reserve");
            let _stays = stays.filter(|_| before.is_none());
            if before.is_some() && self.random.percent(15) {
                // It comes some time after it was thought of, so that more than a few meet a reload.
                std::thread::sleep(Duration::from_micros(self.random.between(0, 20_000)));
            }
            match client.call(method, &path, &body) {
                // A failing journal answers that the outcome is unknown.
                Some(answer) if answer.status == 503 => {
                    (self.unknown, self.before) = (Some(answer), before);
                    self.pending.push(operation);
                }
                Some(answer) => {
                    self.expect(!answer.is_replay(), || format!("an id is new: {operation:?} {answer:?}"));
                    if let (Some(before), Some(in_force)) = (&before, &in_force) {
                        let reply = answer.json();
                        let rules = in_force.of(text(&reply, "config_version"));
                        self.expect(rules.is_some(), || format!("no such configuration was written: {reply}"));
                        let rules = rules.expect("one");
                        self.counted.met_a_reload += u64::from(!Arc::ptr_eq(&rules, &before.0.rules));
                        operation = self.again(before, &rules);
                    }
                    self.take(operation, answer.status, &answer.json());
                }
                None => {
                    self.before = before;
                    self.pending.push(operation);
                }
            }
        }
        answered.fetch_add((self.log.len() - known) as u64, Ordering::Relaxed);
    }

    /// The reserve after this, decided by another configuration.
    fn again(&mut self, before: &(ClientRecords, Random), rules: &Arc<Rules>) -> Operation {
        (self.records, self.random) = before.clone();
        self.records.rules = Arc::clone(rules);
        self.records.next(&mut self.random, false)
    }

    /// A reserve that got no answer was decided by a configuration that was in force then, or is by that of now.
    fn settled(&mut self, asked: Operation, answer: &Answer) -> Operation {
        let (Some(before), Some(in_force)) = (self.before.take(), self.in_force.clone()) else { return asked };
        let then = if answer.is_replay() { in_force.since(&before.0.rules) } else { vec![in_force.newest()] };
        let reply = answer.json();
        let fits = |operation: &Operation| match &operation.expected {
            Expected::Decision(decided, _) => {
                let level = decided.level.map_or(("", ""), |level| level);
                codes(&reply) == decided.codes
                    && gates(&reply) == decided.gates
                    && level == (text(&reply["level"], "name"), text(&reply["level"], "source"))
            }
            _ => false,
        };
        let mut tried = then.iter().map(|rules| self.again(&before, rules));
        let found = tried.find(fits);
        self.records.rules = in_force.newest();
        found.unwrap_or(asked)
    }

    /// Sends at least so many operations, each of which must be answered.
    pub(crate) fn send(&mut self, client: &mut Client, count: usize) {
        let (goal, answered) = (self.log.len() + count, AtomicU64::new(0));
        while self.log.len() < goal {
            self.exchange(client, &answered);
            self.expect(self.pending.is_empty(), || "an answer stayed away".to_owned());
        }
    }

    /// Judges a first answer and keeps it.
    fn take(&mut self, mut operation: Operation, status: u16, answer: &Value) {
        if let Expected::Moved(stand) = &operation.expected {
            let same = status == 200 && answer_fields::stand(answer) == *stand;
            self.expect(same, || format!("wanted {stand:?}: {operation:?}\n{answer}"));
        }
        self.judge(&mut operation, status, answer);
        if matches!(operation.expected, Expected::Shown) {
            let ends = |end: &str| operation.staff.as_ref().is_some_and(|staff| staff.path.ends_with(end));
            self.counted.changed += 1;
            self.counted.merged += u64::from(ends("/merge"));
            self.counted.confirmed += u64::from(ends("/pending/confirm"));
        }
        self.counted.jobs += u64::from(operation.kind == "bulk");
        if let Expected::Over(end) = operation.expected {
            limit_calls::outlast(end);
        }
        self.log.push(operation);
    }

    /// Finds out what became of the operations that got no answer: each is sent again and counts from then on.
    pub(crate) fn settle(&mut self, client: &mut Client) {
        let mut first_missing = None;
        if let Some(in_force) = &self.in_force {
            self.records.rules = in_force.newest();
        }
        for mut operation in std::mem::take(&mut self.pending) {
            match operation.expected {
                // One that is refused leaves nothing, and might pass after what was sent later.
                Expected::Refused(_) => continue,
                // Nor does one that is over, whether it was there or not.
                Expected::Over(end) => {
                    limit_calls::outlast(end);
                    continue;
                }
                _ => {}
            }
            let (method, path, body) = self.records.call(&operation);
            let happened = match operation.kind {
                "payment" => self.was_paid(client, &operation),
                _ => None,
            };
            if operation.kind == "payment" && happened.is_none() {
                // A one-step payment can be repeated in a batch only.
                let answers = client.batch(&[self.records.line(&operation)]);
                self.expect(answers.len() == 1, || format!("no answer to {operation:?}"));
                first_missing = first_missing.or(Some(operation.clone()));
                self.take(operation, line_status(&answers[0]), &answers[0]);
                continue;
            }
            let answer = self.outcome(client, (method, &path, &body));
            let answer = answer.unwrap_or_else(|| panic!("{}: no answer to {operation:?}", self.context));
            operation = self.settled(operation, &answer);
            if answer.is_replay() {
                let missing = &first_missing;
                self.expect(missing.is_none(), || format!("{operation:?} is there, {missing:?} before it is not"));
                if let Expected::Totals(tally) = &mut operation.expected {
                    tally.was_cut = true;
                    self.counted.taken_up += 1;
                    self.counted.jobs += 1;
                } else {
                    self.counted.happened += 1;
                }
                self.judge(&mut operation, answer.status, &answer.json());
                self.log.push(operation);
            } else {
                self.expect(happened.is_none(), || format!("it was there, and no replay: {operation:?} {answer:?}"));
                if !operation.is_about_the_customer() {
                    first_missing = first_missing.or(Some(operation.clone()));
                }
                self.take(operation, answer.status, &answer.json());
            }
        }
    }

    /// Sends a call, again and again while the daemon says that the outcome is unknown, if it may do so for some time.
    pub(crate) fn outcome(&self, client: &mut Client, (method, path, body): (&str, &str, &str)) -> Option<Answer> {
        let mut answer = client.call(method, path, body);
        if self.waits_for_outcomes {
            eventually("the outcome is known", || {
                let is_unknown = answer.as_ref().is_some_and(|answer| answer.status == 503);
                if is_unknown {
                    answer = client.call(method, path, body);
                }
                !is_unknown
            });
        }
        answer
    }

    /// A payment's reserve and outcome happen in one step: both are there or none.
    fn was_paid(&self, client: &mut Client, operation: &Operation) -> Option<()> {
        let transaction = &self.records.customers.all[operation.customer].transactions[operation.transaction];
        let merchant = self.records.customers.all[operation.customer].merchant;
        let answer =
            client.get(&format!("/v1/merchants/{merchant}/transactions/{}", transaction.id)).expect("an answer");
        if answer.status == 404 {
            return None;
        }
        self.expect(text(&answer.ok(), "status") != "reserved", || format!("half of it is there: {operation:?}"));
        Some(())
    }

    /// Asserts that what a copy has of this client is a beginning of it: nothing is missing before what is there.
    pub(crate) fn assert_prefix(&self, client: &mut Client) {
        let mut missing: Option<&Operation> = None;
        for operation in self.log.iter().filter(|operation| operation.decides()) {
            let customer = &self.records.customers.all[operation.customer];
            let path = format!(
                "/v1/merchants/{}/transactions/{}",
                customer.merchant, customer.transactions[operation.transaction].id
            );
            let answer = client.get(&path).expect("an answer");
            let is_there = answer.status == 200;
            self.expect(is_there || answer.status == 404, || format!("{answer:?}"));
            self.expect(!is_there || missing.is_none(), || format!("{operation:?} is there, and {missing:?} is not"));
            missing = if is_there { None } else { missing.or(Some(operation)) };
        }
    }

    /// How many customers the daemon must have of this client, and how many transactions.
    pub(crate) fn totals(&self) -> (u64, u64) {
        let customers =
            self.records.customers.all.iter().filter(|customer| customer.exists && !customer.is_bypassed).count();
        let transactions: usize = self.records.customers.all.iter().map(|customer| customer.transactions.len()).sum();
        (customers as u64, transactions as u64)
    }
}
