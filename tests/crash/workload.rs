//! A workload, and the answer to each of its operations without failures: by a ledger in memory alone,
//! which the naive model has agreed with line by line.

use crate::configurations::Form;
use crate::harness::{Said, Stage};
use crate::instrument_model::{self, Side};
use crate::staff_calls::{self, Deed};
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
pub enum Act {
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
    Staff { deed: Deed, at: String },
    /// A snapshot; then the archive takes sealed segments, and old transactions leave memory, as requested.
    Keep { archives: bool, retires: bool },
    /// The medium gets what the system has.
    Sync,
    /// The daemon is stopped and started.
    Restart,
    /// Another configuration comes in force.
    Reload(Form),
}

impl Act {
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
    pub act: Act,
    /// Whether its answer is waited for before the next one comes.
    pub waits: bool,
    /// The answer to it; none to maintenance.
    pub said: Option<Said>,
    /// The number of the journal's last record after it.
    pub last: u64,
    /// Whether it was recorded.
    pub recorded: bool,
    /// The time of the daemon after it.
    pub clock: i64,
    /// The configuration in force after it.
    pub form: Form,
}

pub struct Story {
    pub seed: u64,
    /// The configuration at the beginning.
    pub first: Form,
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
pub struct Told {
    pub twin: Stage,
    pub oracle: Oracle,
    pub side: Side,
}

impl Told {
    pub fn nothing(story: &Story) -> Self {
        let Form { rules, model, .. } = &story.first;
        Self { twin: Stage::memory(rules), oracle: Oracle::new((**model).clone()), side: Side::default() }
    }

    /// Plays one action; the models must agree with its answer.
    pub fn tell(&mut self, act: &Act, about: &str) -> Option<(Said, Option<Answer>)> {
        let said = match act {
            Act::Line(_) | Act::Signal { .. } | Act::Staff { .. } => self.twin.act(act),
            Act::Keep { .. } | Act::Sync | Act::Restart => return None,
            Act::Reload(form) => {
                self.twin.reload(form);
                self.oracle.rules = Rc::clone(&form.model);
                return None;
            }
        };
        // Every line moves the daemon's clock forward.
        self.oracle.hear(act.time());
        let got: Value = serde_json::from_str(&said.text).unwrap_or_default();
        let mut answer = None;
        match act {
            Act::Line(line) if is_of_staff(line) => self.count_staff(),
            Act::Staff { .. } => self.count_staff(),
            Act::Line(line) if is_of_side(line) => {
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
            Act::Line(line) => {
                let want = self.oracle.answer(line);
                let found = compare::differences(&want, &got);
                assert!(found.is_empty(), "{about}: {found:#?}\n{line}\n{got}");
                answer = Some(want);
            }
            Act::Signal { customer, signal, instrument, reach, .. } => {
                let is_taken = self.side.signal(customer, signal, instrument.as_deref(), reach);
                assert_eq!(is_taken, !said.refused, "{about}: {act:?}\n{}", said.text);
                let person = self.side.people.values().find(|person| person.number == *customer);
                let status = person.map_or("nobody", |person| person.status());
                assert!(said.refused || got["status"] == status, "{about}: {act:?}, not {status}: {got}");
            }
            _ => {}
        }
        assert_eq!(self.oracle.clock, self.clock(), "{about}: the time of the model after {act:?}");
        Some((said, answer))
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

impl Story {
    /// Makes a workload of a seed.
    pub fn write(seed: u64, mix: Mix) -> Self {
        let mut chance = Random::seeded(seed);
        let config = tempfile::tempdir().expect("a temporary folder");
        let setup: Setup = configure(&mut chance, config.path());
        instrument_model::configure(config.path());
        let is_crm = is_staff_crm(seed);
        staff_calls::configure(config.path(), is_crm, seed % 4 < 2);
        let first = Form::read(config.path(), "the first".to_owned(), &format!("seed {seed}"));
        let mut merchants: Vec<(String, bool)> = setup.merchants.iter().map(|m| (m.id.clone(), m.crm)).collect();
        merchants.extend(instrument_model::MERCHANTS.map(|merchant| (merchant.to_owned(), true)));
        merchants.push((staff_calls::MERCHANT.to_owned(), is_crm));
        let mut forms = vec![first.clone()];
        let mut story = Self { seed, first, merchants, steps: Vec::new(), config };
        let mut told = Told::nothing(&story);
        let mut generator = Generator::new(chance, setup, mix.steps);
        for n in 0..mix.steps {
            let about = format!("seed {seed}, operation {n}, with nothing gone wrong, under {:?}", story.form(n));
            let act = if generator.chance.percent(mix.reloads) {
                Act::Reload(reload(&mut generator, &mut forms, story.config.path(), &about))
            } else {
                next(&mut generator, &told, mix, (n, is_crm))
            };
            let last = told.twin.journal().last().0;
            let said = told.tell(&act, &about).map(|(said, answer)| {
                answer.iter().for_each(|answer| generator.learn(answer));
                said
            });
            let now = told.twin.journal().last().0;
            let clock = told.clock();
            let waits = generator.chance.percent(mix.waits);
            let form = match &act {
                Act::Reload(form) => form.clone(),
                _ => story.form(n).clone(),
            };
            story.steps.push(Step { act, waits, said, last: now, recorded: now > last, clock, form });
        }
        story
    }

    /// The configuration in force after so many steps.
    pub fn form(&self, steps: usize) -> &Form {
        steps.checked_sub(1).map_or(&self.first, |n| &self.steps[n].form)
    }
}

/// Another configuration, or now and then one that was in force before.
fn reload(generator: &mut Generator, forms: &mut Vec<Form>, config: &Path, about: &str) -> Form {
    let chance = &mut generator.chance;
    if chance.percent(20) {
        return chance.pick(forms).clone();
    }
    let merchant = &chance.pick(&generator.setup.merchants).id;
    let form = Form::changed(chance, config, merchant, &generator.setup.zones, about);
    forms.push(form.clone());
    form
}

/// What comes next.
fn next(generator: &mut Generator, told: &Told, mix: Mix, (n, is_crm): (usize, bool)) -> Act {
    let mut left = generator.chance.between(1, 100);
    let mut is = |share: i64| {
        left -= share;
        left <= 0
    };
    if is(mix.restarts) {
        return Act::Restart;
    }
    if is(mix.syncs) {
        return Act::Sync;
    }
    if is(mix.keeps) {
        let archives = generator.chance.percent(75);
        return Act::Keep { archives, retires: archives && generator.chance.percent(75) };
    }
    let (is_staff, is_side) = (is(mix.staff), is(mix.side));
    if !is_staff && !is_side {
        return Act::Line(generator.next_line());
    }
    generator.seen = generator.seen.max(generator.clock);
    let (now, at) = (generator.seen, written(generator.seen));
    let chance = &mut generator.chance;
    if is_staff {
        return match staff_calls::next(chance, (n, is_crm), &at, now, &staff_calls::numbers(&told.twin)) {
            Ok(deed) => Act::Staff { deed, at },
            Err(line) => Act::Line(line),
        };
    }
    let side = &told.side;
    let people: Vec<_> = side.people.iter().map(|((merchant, _), person)| (merchant, &person.number)).collect();
    if people.is_empty() || chance.percent(65) {
        let who = format!("s{}", chance.between(0, 3));
        let instrument = chance.percent(80).then(|| *chance.pick(&instrument_model::INSTRUMENTS));
        let mut line =
            instrument_model::line("payment", &at, chance.word(&instrument_model::MERCHANTS), &who, instrument);
        line.text("transaction_id", &format!("s{n}"));
        return Act::Line(line.line());
    }
    let (merchant, customer) = *chance.pick(&people);
    let signals =
        ["consent_given", "consent_refused", "fraud_suspected", "fraud_confirmed", "card_stolen", "cleared", "cleared"];
    let signal = *chance.pick(&signals);
    let instrument = chance.percent(70).then(|| (*chance.pick(&instrument_model::INSTRUMENTS)).to_owned());
    let reach = *chance.pick(&instrument_model::reaching(merchant));
    Act::Signal { merchant: merchant.clone(), customer: customer.clone(), signal, instrument, reach, at }
}
