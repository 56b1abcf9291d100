//! A workload, and the answer to each of its operations without failures: by a ledger in memory alone,
//! which the naive model has agreed with line by line.

use crate::configurations::Configuration;
use crate::harness::{Harness, Reply};
use crate::instrument_model::{self, InstrumentModel};
use crate::staff_calls::{self, StaffCall};
use serde_json::Value;
use std::path::Path;
use std::rc::Rc;
use support::model::calendar::{instant, written};
use support::model::compare;
use support::model::generate::Generator;
use support::model::ledger::Customer;
use support::model::oracle::{Answer, Oracle};
use support::model::random_configuration::{Setup, configure};
use support::model::request::time_of;
use support::random::Random;

/// One thing that is done.
#[derive(Debug, Clone)]
pub enum Action {
    /// A line as in a batch.
    Line(String),
    /// Something becomes known of a customer, and perhaps of an instrument.
    Signal {
        merchant: String,
        customer: String,
        signal: &'static str,
        instrument: Option<String>,
        /// The merchants of the caller's token; none: all.
        reach: &'static [&'static str],
        at: String,
    },
    /// Staff do something with a customer.
    Staff { staff_call: StaffCall, at: String },
    /// A snapshot; then the archive takes sealed segments, and old transactions leave memory, as requested.
    Keep { archives: bool, retires: bool },
    /// The medium gets what the system has.
    Sync,
    /// The daemon is stopped and started.
    Restart,
    /// Another configuration comes in force.
    Reload(Configuration),
}

impl Action {
    /// The time that it comes with.
    fn time(&self) -> Option<i64> {
        match self {
            Self::Line(line) => time_of(line),
            Self::Signal { at, .. } | Self::Staff { at, .. } => instant(at),
            Self::Keep { .. } | Self::Sync | Self::Restart | Self::Reload(_) => None,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Step {
    pub act: Action,
    /// Whether its answer is waited for before the next one comes.
    pub waits: bool,
    /// The answer to it; none to maintenance.
    pub reply: Option<Reply>,
    /// The number of the journal's last record after it.
    pub last: u64,
    /// Whether it was recorded.
    pub recorded: bool,
    /// The time of the daemon after it.
    pub clock: i64,
    /// The configuration in force after it.
    pub configuration: Configuration,
}

pub struct Workload {
    pub seed: u64,
    /// The configuration at the beginning.
    pub first: Configuration,
    pub merchants: Vec<(String, bool)>,
    pub steps: Vec<Step>,
    config: tempfile::TempDir,
}

/// What is to happen how often, in a hundred steps.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    pub steps: usize,
    pub side: i64,
    pub staff: i64,
    pub keeps: i64,
    pub syncs: i64,
    pub restarts: i64,
    pub reloads: i64,
    /// How often an answer is waited for before the next operation comes.
    pub waits: i64,
}

/// What the twin, the model of payments and that of instruments have come to.
pub struct Models {
    pub twin: Harness,
    pub oracle: Oracle,
    pub side: InstrumentModel,
}

impl Models {
    pub fn nothing(workload: &Workload) -> Self {
        let Configuration { rules, model, .. } = &workload.first;
        Self { twin: Harness::memory(rules), oracle: Oracle::new((**model).clone()), side: InstrumentModel::default() }
    }

    /// Plays one action; the models must agree with its answer.
    pub fn tell(&mut self, act: &Action, about: &str) -> Option<(Reply, Option<Answer>)> {
        let reply = match act {
            Action::Line(_) | Action::Signal { .. } | Action::Staff { .. } => self.twin.act(act),
            Action::Keep { .. } | Action::Sync | Action::Restart => return None,
            Action::Reload(configuration) => {
                self.twin.reload(configuration);
                self.oracle.rules = Rc::clone(&configuration.model);
                return None;
            }
        };
        // Every line moves the daemon's clock forward.
        self.oracle.hear(act.time());
        let got: Value = serde_json::from_str(&reply.text).unwrap_or_default();
        let mut answer = None;
        match act {
            Action::Line(line) if is_of_staff(line) => self.count_staff(),
            Action::Staff { .. } => self.count_staff(),
            Action::Line(line) if is_of_side(line) => {
                let fields: Value = serde_json::from_str(line).expect("a line");
                let text = |key: &str| fields[key].as_str();
                let (merchant, who) = (text("merchant").unwrap(), text("merchant_customer_identifier").unwrap());
                let instrument = text("payment_instrument");
                let (passes, ..) = self.side.expects(merchant, who, instrument);
                assert_eq!(got["decision"], if passes { "allow" } else { "deny" }, "{about}: {line}\n{got}");
                if text("op") == Some("payment") {
                    let number = got["customer"]["customer_id"].as_str().expect("a number");
                    self.side.pay(merchant, who, instrument, number);
                    // The model of payments knows no instruments; it only counts that this customer is there.
                    let mut plain = fields.clone();
                    plain.as_object_mut().unwrap().remove("payment_instrument");
                    self.oracle.answer(&plain.to_string());
                }
            }
            Action::Line(line) => {
                let want = self.oracle.answer(line);
                let found = compare::differences(&want, &got);
                assert!(found.is_empty(), "{about}: {found:#?}\n{line}\n{got}");
                answer = Some(want);
            }
            Action::Signal { customer, signal, instrument, reach, .. } => {
                let is_taken = self.side.signal(customer, signal, instrument.as_deref(), reach);
                assert_eq!(is_taken, !reply.refused, "{about}: {act:?}\n{}", reply.text);
                let person = self.side.people.values().find(|person| person.number == *customer);
                let status = person.map_or("nobody", |person| person.status());
                assert!(reply.refused || got["status"] == status, "{about}: {act:?}, not {status}: {got}");
            }
            _ => {}
        }
        assert_eq!(self.oracle.clock, self.clock(), "{about}: the time of the model after {act:?}");
        Some((reply, answer))
    }

    /// The time of the twin; the least one before it knows any.
    fn clock(&self) -> i64 {
        self.twin.desk.clock.now(None).map_or(i64::MIN, |now| now.0)
    }

    /// Lets the model of payments know of every number that a customer of the staff's has.
    fn count_staff(&mut self) {
        let next = |customers: usize| 1_000_001 + customers as u64;
        for number in staff_calls::numbers(&self.twin) {
            if number == next(self.oracle.customers.len()) {
                let merchant = staff_calls::MERCHANT.to_owned();
                self.oracle.customers.push(Customer { merchant, number, ..Customer::default() });
            }
        }
    }
}

/// Whether a line pays for a customer whom staff look after, of whom the models know no more than the number.
pub fn is_of_staff(line: &str) -> bool {
    line.contains(&format!("\"merchant\": {:?}", staff_calls::MERCHANT))
}

/// Whether the staff's merchant names customers by its own identifier: in every second workload.
fn is_staff_crm(seed: u64) -> bool {
    seed.is_multiple_of(2)
}

pub fn is_of_side(line: &str) -> bool {
    instrument_model::MERCHANTS.iter().any(|merchant| line.contains(&format!("\"merchant\": {merchant:?}")))
}

impl Workload {
    /// Makes a workload of a seed.
    pub fn write(seed: u64, mix: Mix) -> Self {
        let mut random = Random::seeded(seed);
        let config = tempfile::tempdir().expect("a temporary folder");
        let setup: Setup = configure(&mut random, config.path());
        instrument_model::configure(config.path());
        let is_crm = is_staff_crm(seed);
        staff_calls::configure(config.path(), is_crm, seed % 4 < 2);
        let first = Configuration::read(config.path(), "the first".to_owned(), &format!("seed {seed}"));
        let mut merchants: Vec<(String, bool)> = setup.merchants.iter().map(|m| (m.id.clone(), m.crm)).collect();
        merchants.extend(instrument_model::MERCHANTS.map(|merchant| (merchant.to_owned(), true)));
        merchants.push((staff_calls::MERCHANT.to_owned(), is_crm));
        let mut forms = vec![first.clone()];
        let mut workload = Self { seed, first, merchants, steps: Vec::new(), config };
        let mut models = Models::nothing(&workload);
        let mut generator = Generator::new(random, setup, mix.steps);
        for n in 0..mix.steps {
            let about =
                format!("seed {seed}, operation {n}, with nothing gone wrong, under {:?}", workload.configuration(n));
            let act = if generator.random.percent(mix.reloads) {
                Action::Reload(reload(&mut generator, &mut forms, workload.config.path(), &about))
            } else {
                next(&mut generator, &models, mix, (n, is_crm))
            };
            let last = models.twin.journal().last().0;
            let reply = models.tell(&act, &about).map(|(reply, answer)| {
                answer.iter().for_each(|answer| generator.learn(answer));
                reply
            });
            let now = models.twin.journal().last().0;
            let clock = models.clock();
            let waits = generator.random.percent(mix.waits);
            let configuration = match &act {
                Action::Reload(configuration) => configuration.clone(),
                _ => workload.configuration(n).clone(),
            };
            workload.steps.push(Step { act, waits, reply, last: now, recorded: now > last, clock, configuration });
        }
        workload
    }

    /// The configuration in force after so many steps.
    pub fn configuration(&self, steps: usize) -> &Configuration {
        steps.checked_sub(1).map_or(&self.first, |n| &self.steps[n].configuration)
    }
}

/// Another configuration, or now and then one that was in force before.
fn reload(generator: &mut Generator, forms: &mut Vec<Configuration>, config: &Path, about: &str) -> Configuration {
    let random = &mut generator.random;
    if random.percent(20) {
        return random.pick(forms).clone();
    }
    let merchant = &random.pick(&generator.setup.merchants).id;
    let configuration = Configuration::changed(random, config, merchant, &generator.setup.zones, about);
    forms.push(configuration.clone());
    configuration
}

/// What comes next.
fn next(generator: &mut Generator, models: &Models, mix: Mix, (n, is_crm): (usize, bool)) -> Action {
    let mut left = generator.random.between(1, 100);
    let mut is = |share: i64| {
        left -= share;
        left <= 0
    };
    if is(mix.restarts) {
        return Action::Restart;
    }
    if is(mix.syncs) {
        return Action::Sync;
    }
    if is(mix.keeps) {
        let archives = generator.random.percent(75);
        return Action::Keep { archives, retires: archives && generator.random.percent(75) };
    }
    let (is_staff, is_side) = (is(mix.staff), is(mix.side));
    if !is_staff && !is_side {
        return Action::Line(generator.next_line());
    }
    generator.newest = generator.newest.max(generator.clock);
    let (now, at) = (generator.newest, written(generator.newest));
    let random = &mut generator.random;
    if is_staff {
        return match staff_calls::next(random, (n, is_crm), &at, now, &staff_calls::numbers(&models.twin)) {
            Ok(staff_call) => Action::Staff { staff_call, at },
            Err(line) => Action::Line(line),
        };
    }
    let side = &models.side;
    let people: Vec<_> = side.people.iter().map(|((merchant, _), person)| (merchant, &person.number)).collect();
    if people.is_empty() || random.percent(65) {
        let who = format!("s{}", random.between(0, 3));
        let instrument = random.percent(80).then(|| *random.pick(&instrument_model::INSTRUMENTS));
        let mut line =
            instrument_model::line("payment", &at, random.word(&instrument_model::MERCHANTS), &who, instrument);
        line.text("transaction_id", &format!("s{n}"));
        return Action::Line(line.line());
    }
    let (merchant, customer) = *random.pick(&people);
    let signals =
        ["consent_given", "consent_refused", "fraud_suspected", "fraud_confirmed", "card_stolen", "cleared", "cleared"];
    let signal = *random.pick(&signals);
    let instrument = random.percent(70).then(|| (*random.pick(&instrument_model::INSTRUMENTS)).to_owned());
    let reach = *random.pick(&instrument_model::reaching(merchant));
    Action::Signal { merchant: merchant.clone(), customer: customer.clone(), signal, instrument, reach, at }
}
