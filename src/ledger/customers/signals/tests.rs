//! Fraud signals about customers and instruments, and blocks by callers with a limited reach, compared with a model that
//! keeps all blocks in one list.

use super::*;
use crate::{
    config,
    domain::{
        customer::{instrument_blocks::InstrumentBlocks, update::CustomerUpdate},
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
        transaction::{
            log_offset::LogOffset,
            transition::{Approval, CaptureAmount, Operation},
        },
        vocabulary::{attributes::Attributes, words::Word},
    },
    ledger::{
        ExpectedContent, HistoryStep, LedgerLimits, LedgerStorage, TransitionRequest,
        customers::{
            registration::{Registration, RegistrationOutcome},
            update::{Amendment, CustomerRef},
        },
        recovery::state::StateRecovery,
        state::blocked_instruments::{BlockedInstruments, RecordedBlocks},
    },
    storage::{
        fs::{Store, memory::Memory},
        journal::Keys,
        snapshot::{GlobalDto, Header, Piece, Reader, Writer},
    },
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;

mod block_records;

const NOW: Millis = Millis(1_700_000_000_000);
const ACTOR: Actor = Actor { author: Author { source: ChangeSource::Upload, by: None, job: None }, now: NOW };
/// The last one sets `trust_blocks`.
const MERCHANTS: [&str; 3] = ["a", "b", "trusted"];
/// The merchants that each caller reaches; empty: all.
const CALLERS: [&[&str]; 6] = [&[], &["a"], &["b"], &["a", "b"], &["trusted"], &["b", "trusted"]];
const INSTRUMENTS: [&str; 2] = ["x", "y"];
const PEOPLE: usize = 2;
const BOUNDS: LedgerLimits = LedgerLimits { transactions_max: 10_000, skew: ClockSkew { past_ms: 0, future_ms: 0 } };

fn rules() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    for id in MERCHANTS {
        let shop = format!(
            "id = {id:?}\nname = {id:?}\noperation_mode = \"crm\"\ntrust_blocks = {}\n[[gates]]\nid = \"g\"\n\
             [[projects]]\nid = \"p\"\n[[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n",
            id == "trusted"
        );
        std::fs::write(folder.path().join(format!("merchants/{id}.toml")), shop).unwrap();
    }
    config::load(folder.path()).unwrap().rules
}

/// The suspicion against a customer; a more serious one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Suspected {
    Nothing,
    Flagged,
    ByInstrument,
    CustomerWithUsage,
}

struct Person {
    merchant: &'static str,
    name: String,
    id: String,
    suspected: Suspected,
    holds: BTreeSet<&'static str>,
    /// Those of them that an approval stored, or that were stored by hand.
    stored: BTreeSet<&'static str>,
    /// The author of each step of the history.
    authors: Vec<Option<String>>,
}

impl Person {
    fn step_by(&mut self, by: Option<String>) {
        self.authors.push(by);
    }
}

/// A block as one signal set it.
struct Set {
    instrument: &'static str,
    by_all: bool,
    everywhere: bool,
    merchants: BTreeSet<&'static str>,
}

impl Set {
    fn acts_at(&self, merchant: &str) -> bool {
        self.everywhere || self.merchants.contains(merchant)
    }
}

struct Model {
    people: Vec<Person>,
    blocks: Vec<Set>,
}

impl Model {
    fn names_blocked_instrument(&self, instrument: &str, merchant: &str) -> bool {
        self.blocks.iter().any(|block| block.instrument == instrument && block.acts_at(merchant))
    }

    fn signal(
        &mut self,
        who: usize,
        signal: &str,
        instrument: Option<&'static str>,
        caller: &[&'static str],
    ) -> Result<(), ()> {
        let merchant = self.people[who].merchant;
        let is_all = caller.is_empty();
        let reaches = |merchant: &str| is_all || caller.contains(&merchant);
        let by = |merchant: &str| reaches(merchant).then(|| name_of(caller));
        if signal == "cleared" {
            if let Some(instrument) = instrument {
                let holders: Vec<&str> =
                    self.people.iter().filter(|p| p.holds.contains(instrument)).map(|p| p.merchant).collect();
                let is_meant = |block: &Set| block.instrument == instrument && block.acts_at(merchant);
                let may = |block: &&Set| {
                    let where_set = block.merchants.iter().all(|merchant| reaches(merchant));
                    let is_own = !block.by_all && block.merchants.contains(merchant);
                    where_set && (is_own || holders.iter().all(|merchant| reaches(merchant)))
                };
                if !self.blocks.iter().filter(|block| is_meant(block)).all(|block| may(&block)) {
                    return Err(());
                }
                self.blocks.retain(|block| !is_meant(block));
            }
            self.people[who].suspected = Suspected::Nothing;
            self.people[who].step_by(by(merchant));
            return Ok(());
        }
        let is_fraud = signal != "fraud_suspected";
        let everywhere = is_all || merchant == "trusted";
        let acts_at = |merchant: &str| everywhere || caller.contains(&merchant);
        if let Some(instrument) = instrument.filter(|_| is_fraud) {
            let merchants = if is_all { BTreeSet::from([merchant]) } else { caller.iter().copied().collect() };
            self.blocks.push(Set { instrument, by_all: is_all, everywhere, merchants });
        }
        for (n, person) in self.people.iter_mut().enumerate() {
            if n != who && !instrument.is_some_and(|instrument| person.holds.contains(instrument)) {
                continue;
            }
            let suspected = match (is_fraud, instrument) {
                (false, _) => Suspected::Flagged,
                (true, None) => Suspected::CustomerWithUsage,
                (true, Some(_)) if acts_at(person.merchant) => Suspected::ByInstrument,
                (true, Some(_)) => Suspected::Flagged,
            };
            person.suspected = person.suspected.max(suspected);
            let by = by(person.merchant);
            person.step_by(by);
        }
        Ok(())
    }

    fn hold(&mut self, who: usize, instrument: &'static str) {
        let names_blocked_instrument = self.names_blocked_instrument(instrument, self.people[who].merchant);
        let person = &mut self.people[who];
        if person.holds.insert(instrument) {
            if names_blocked_instrument {
                person.suspected = person.suspected.max(Suspected::ByInstrument);
            }
            person.step_by(None);
        }
    }

    /// An approval by an instrument, which stores it.
    fn approved(&mut self, who: usize, instrument: &'static str) {
        let is_held = self.people[who].holds.contains(instrument);
        self.hold(who, instrument);
        let person = &mut self.people[who];
        // One that is not held yet is stored in the step that adds it.
        if person.stored.insert(instrument) && is_held {
            person.step_by(None);
        }
    }

    fn by_hand(&mut self, who: usize, status: &str, is_table: bool) {
        let person = &mut self.people[who];
        let shown = shown(person.suspected);
        let then = match status {
            "new" => Suspected::Nothing,
            "suspicious" => Suspected::Flagged,
            _ => Suspected::CustomerWithUsage,
        };
        let repeats = shown == status && (status != "fraud" || is_table);
        if !repeats && then != person.suspected {
            person.suspected = then;
            person.step_by(None);
        }
    }

    fn codes(&self, who: usize, instrument: Option<&str>) -> Vec<u16> {
        let person = &self.people[who];
        let is_stopped = person.suspected == Suspected::CustomerWithUsage
            || person.suspected == Suspected::ByInstrument && instrument.is_none();
        let names_blocked_instrument = instrument.is_some_and(|id| self.names_blocked_instrument(id, person.merchant));
        let codes = [is_stopped.then_some(19_100), names_blocked_instrument.then_some(19_106)];
        codes.into_iter().flatten().collect()
    }
}

fn shown(suspected: Suspected) -> &'static str {
    match suspected {
        Suspected::Nothing => "new",
        Suspected::Flagged => "suspicious",
        Suspected::ByInstrument | Suspected::CustomerWithUsage => "fraud",
    }
}

fn name_of(caller: &[&str]) -> String {
    format!("token of {}", if caller.is_empty() { "all".to_owned() } else { caller.join(" and ") })
}

fn reach_of(caller: &[&str]) -> MerchantScope {
    if caller.is_empty() {
        return MerchantScope::All;
    }
    MerchantScope::Some(caller.iter().map(|merchant| Name::parse(merchant).unwrap()).collect())
}

fn request(person: &Person, id: &str, instrument: Option<&str>) -> PaymentRequest<'static> {
    PaymentRequest {
        transaction_id: Some(id.to_owned().into()),
        direction: Some("deposit".into()),
        amount: Some("1.00".into()),
        currency: Some("EUR".into()),
        merchant_customer_identifier: Some(person.name.clone().into()),
        payment_instrument: instrument.map(|id| id.to_owned().into()),
        ..PaymentRequest::default()
    }
}

fn codes(ledger: &Ledger, rules: &Rules, person: &Person, instrument: Option<&str>) -> Vec<u16> {
    let payment =
        Payment::admit(rules, person.merchant, request(person, "t", instrument), PaymentPurpose::Check).unwrap();
    let answer = ledger.check(rules, &payment, NOW, None).unwrap();
    answer.violations.iter().map(|violation| violation.code.number()).collect()
}

/// A payment that names an instrument; whether it passes.
fn reserve(ledger: &Ledger, rules: &Rules, person: &Person, id: &str, instrument: Option<&str>) -> bool {
    let payment =
        Payment::admit(rules, person.merchant, request(person, id, instrument), PaymentPurpose::Record).unwrap();
    ledger.reserve(rules, &payment, None, NOW).unwrap().violations.is_empty()
}

/// An approval with an instrument, of an allowed or a denied payment.
fn approve(ledger: &Ledger, rules: &Rules, person: &Person, id: &str, instrument: &str) {
    let operation =
        Operation::Approve(Approval { instrument: Some(instrument.into()), ..Approval::of(CaptureAmount::Left) });
    let (merchant, says) = (person.merchant, ExpectedContent::default());
    let step = TransitionRequest {
        merchant,
        transaction_id: id,
        operation: &operation,
        occurred_at: None,
        expected: says,
        in_stream: false,
    };
    ledger.transition(rules, &step, None, NOW).unwrap();
}

/// A ledger that is recovered from a snapshot of the written pieces.
fn recovered(write: impl FnOnce(&mut dyn FnMut(Piece) -> std::io::Result<()>) -> Lsn) -> Ledger {
    let (store, id, mut bytes) = (Memory::new(), [7; 16], Vec::new());
    let header = Header { journal: id, begin_lsn: 0, created_at: 0 };
    let mut writer = Writer::begin(&header, |piece: &[u8]| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    let end = write(&mut |piece| writer.put(&piece));
    writer.end(end.0).unwrap();
    store.put("s", &bytes);
    let mut recovery = StateRecovery::with_threads((1, 2), &Arc::new(Keys::in_memory(id)), 2).unwrap();
    let mut reader = Reader::open(store.open("s").unwrap(), id).unwrap();
    while let Some(frame) = reader.next_frame().unwrap() {
        recovery.restore(&frame).unwrap();
    }
    recovery.finish(BOUNDS, LedgerStorage::in_memory((1, 2))).0
}

/// The same state after a snapshot and its recovery.
fn snapshot_and_recover(ledger: &Ledger) -> Ledger {
    recovered(|take| ledger.snapshot(take).unwrap())
}

fn agree(ledger: &Ledger, rules: &Rules, model: &Model) -> Result<(), TestCaseError> {
    for (who, person) in model.people.iter().enumerate() {
        let status = ledger
            .with_customer(person.merchant, &person.id, NOW, |customer, _| customer.status(LocalTime::utc(NOW)).word())
            .unwrap();
        prop_assert_eq!(status, shown(person.suspected), "the status of {} at {}", &person.name, person.merchant);
        for instrument in [None, Some("x"), Some("y"), Some("clean")] {
            let (got, want) = (codes(ledger, rules, person, instrument), model.codes(who, instrument));
            prop_assert_eq!(got, want, "{} at {} with {:?}", &person.name, person.merchant, instrument);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn blocks_are_effective_and_lifted_within_the_reach_of_their_callers(
        steps in proptest::collection::vec((0..10_u8, 0..6_usize, 0..6_usize, 0..5_usize, 0..4_usize), 1..60),
    ) {
        let (ledger, rules) = (Ledger::new(BOUNDS, LedgerStorage::in_memory((1, 2))), rules());
        let mut model = Model { people: Vec::new(), blocks: Vec::new() };
        for merchant in MERCHANTS {
            for n in 0..PEOPLE {
                let (name, update) = (format!("w{n}"), CustomerUpdate::default());
                let of = rules.merchant(merchant).unwrap();
                let (identifier, author) = (Some(name.as_str()), ACTOR.author);
                let applying = Registration { merchant: of, identifier, update: &update, created: None, author, is_trial: false };
                let RegistrationOutcome::Created(number) = ledger.register(&applying, NOW).unwrap().0 else { panic!("a customer") };
                let (id, suspected) = (number.to_string(), Suspected::Nothing);
                let (holds, stored) = (BTreeSet::new(), BTreeSet::new());
                model.people.push(Person { merchant, name, id, suspected, holds, stored, authors: vec![None] });
            }
        }
        for (n, (what, who, caller, signal, instrument)) in steps.into_iter().enumerate() {
            let (merchant, id) = (model.people[who].merchant, model.people[who].id.clone());
            let named = INSTRUMENTS.get(instrument).copied();
            match what {
                0..=5 => {
                    let caller = CALLERS[caller];
                    // The API refuses a call for a merchant outside of the reach of the caller.
                    if !caller.is_empty() && !caller.contains(&merchant) {
                        continue;
                    }
                    let word = ["fraud_suspected", "fraud_confirmed", "card_stolen", "cleared", "cleared"][signal];
                    let sent = SentSignal {
                        merchant,
                        customer_id: &id,
                        signal: Signal::parse(word).unwrap(),
                        instrument: named,
                        by: Some(Name::parse(&name_of(caller)).unwrap()),
                        reach: &reach_of(caller),
                        trusts_blocks: rules.merchant(merchant).unwrap().trust_blocks,
                        calendar: Calendar::utc(),
                    };
                    let last = ledger.journal().last();
                    let got = ledger.signal(&sent, NOW).map(|_| ());
                    match model.signal(who, word, named, caller) {
                        Ok(()) => prop_assert_eq!(got, Ok(())),
                        Err(()) => {
                            prop_assert_eq!(got, Err(Refusal::BlockOutOfReach));
                            prop_assert_eq!(ledger.journal().last(), last, "a refusal records nothing");
                        }
                    }
                }
                6..=7 if caller == 0 => {
                    let Some(named) = named else { continue };
                    let passes = reserve(&ledger, &rules, &model.people[who], &format!("t{n}"), Some(named));
                    prop_assert_eq!(passes, model.codes(who, Some(named)).is_empty());
                    if passes {
                        model.hold(who, named);
                    }
                }
                6..=7 if caller == 1 => {
                    let Some(named) = named else { continue };
                    let (person, id) = (&model.people[who], format!("t{n}"));
                    reserve(&ledger, &rules, person, &id, None);
                    approve(&ledger, &rules, person, &id, named);
                    model.approved(who, named);
                }
                6..=7 if caller == 2 => {
                    let Some(named) = named else { continue };
                    let customer = CustomerRef { merchant: Name::parse(merchant).unwrap(), customer_id: &id };
                    let removed = CustomerEvent::CustomerChanged(CustomerChange::InstrumentRemoved(named.into()));
                    let mut make = |customer: &Customer, _| {
                        let is_held = customer.has_instrument(named);
                        Ok(is_held.then(|| removed.clone()).into_iter().collect())
                    };
                    ledger.change(customer, ACTOR, &Attributes::default(), &mut make).unwrap();
                    model.people[who].stored.remove(named);
                    if model.people[who].holds.remove(named) {
                        model.people[who].step_by(None);
                    }
                }
                6..=7 => {
                    let Some(named) = named else { continue };
                    let customer = CustomerRef { merchant: Name::parse(merchant).unwrap(), customer_id: &id };
                    let stored = Instrument::bare(named, NOW).stored_at(NOW);
                    let stored = CustomerEvent::CustomerChanged(CustomerChange::Instrument(stored));
                    let mut make = |customer: &Customer, _| {
                        let is_new = !customer.has_instrument(named);
                        Ok(is_new.then(|| stored.clone()).into_iter().collect())
                    };
                    ledger.change(customer, ACTOR, &Attributes::default(), &mut make).unwrap();
                    if !model.people[who].holds.contains(named) {
                        model.people[who].stored.insert(named);
                    }
                    model.hold(who, named);
                }
                _ => {
                    let status = ["new", "suspicious", "fraud", "fraud", "fraud"][signal];
                    let repeats_status = caller % 2 == 0;
                    let update = CustomerUpdate { status: CustomerStatus::parse(status), repeats_status, ..CustomerUpdate::default() };
                    let merchant = rules.merchant(merchant).unwrap();
                    let amendment = Amendment { merchant, customer_id: &id, update: &update, actor: ACTOR, is_trial: false };
                    ledger.amend(&amendment).unwrap();
                    model.by_hand(who, status, repeats_status);
                }
            }
            agree(&ledger, &rules, &model)?;
        }
        for person in &model.people {
            let mut authors = Vec::new();
            ledger.history(person.merchant, &person.id, NOW, &mut |chapter, _, _| {
                authors.push(chapter.audit_entry.by.map(|by| by.to_string()));
            }).unwrap();
            prop_assert_eq!(&authors, &person.authors, "the history of {} at {}", &person.name, person.merchant);
        }
        let again = snapshot_and_recover(&ledger);
        agree(&again, &rules, &model)?;
        agree(&snapshot_and_recover(&again), &rules, &model)?;
    }
}
