//! Staff calls about the customers of a separate merchant, between their payments. No model predicts the result: a second
//! ledger without failures does.

use crate::harness::{Said, Stage};
use crate::instrument_model;
use levelgate::{
    config::parse::body,
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::Attributes,
            instrument_blocks::Reach,
            own_limits::{OwnLimits, OwnRate, RaiseTerms},
            profile::{Author, Change, IndividualSettings, Instrument, InstrumentState, Source},
            status::{CustomerStatus, Signal},
            stored_identifier::StoredIdentifier,
            update::{self, CustomerUpdate as Says},
        },
        decision::refusal::Refusal,
        rules::configuration::{Attribute, Direction, Word},
        vocabulary::{
            money::{Currency, Decimal},
            names::Name,
            time::Millis,
        },
    },
    ledger::{Admitted, Applying, Find, Mark, SentSignal, Whole, Whose},
    storage::journal::Lsn,
};
use std::path::Path;
use support::random::Random;

pub const MERCHANT: &str = "staff";
/// No customer of another merchant holds it.
const INSTRUMENTS: [&str; 3] = ["st_a", "st_b", "st_c"];
const LABELS: [&str; 4] = ["plain", "vip", "stopped", "leaving"];
const LEVELS: [&str; 3] = ["open", "gold", "unknown"];

/// Adds the merchant to a configuration; `is_crm`: payments name customers by the merchant's identifier, and not by ours;
/// `seals`: that identifier is sealed.
pub fn configure(folder: &Path, is_crm: bool, seals: bool) {
    let mode = if is_crm { "crm" } else { "payment_gateway" };
    // Raises that take effect by themselves, and such as can be confirmed at once.
    let raises = if is_crm { "raise_delay = \"2h\"" } else { "raise_delay = \"0s\"\nraise_confirm = true" };
    let mut file = format!(
        "id = {MERCHANT:?}\nname = {MERCHANT:?}\noperation_mode = {mode:?}\n{raises}\nseal_identifiers = {seals}\n\
         reset_individual_settings_on_level_change = true\n[registration]\nallow_any_identifier = true\n\
         email = {{ unique = true }}\nmerge_on_duplicate = true\n[[gates]]\nid = \"g\"\n\
         [[projects]]\nid = \"web\"\n  [[projects.endpoints]]\n  id = \"web\"\n  currency = \"EUR\"\n  gates = [\"g\"]\n"
    );
    for (label, kind, restrictions) in [
        (LABELS[0], "active", ""),
        (LABELS[1], "internal", ""),
        (LABELS[2], "suspended", "\"block_deposits\""),
        (LABELS[3], "pending_deletion", ""),
    ] {
        file += &format!("[[labels]]\nname = {label:?}\nkind = {kind:?}\nrestrictions = [{restrictions}]\n");
    }
    for level in ["open", "gold"] {
        file += &format!(
            "[[levels]]\nname = {level:?}\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]\n\
             [[levels.filters]]\n  window = \"daily\"\n  amount_limit = \"9.00\"\n"
        );
    }
    std::fs::write(folder.join("merchants").join(format!("{MERCHANT}.toml")), file).expect("a file");
}

/// One thing that staff do.
#[derive(Debug, Clone)]
pub enum Deed {
    Register {
        who: Option<String>,
        said: Says,
        created: Option<i64>,
    },
    Amend {
        customer: String,
        said: Says,
    },
    Delete {
        customer: String,
    },
    Set {
        customer: String,
        change: Change,
    },
    /// Own limits as asked for, until a time where they are an operator's.
    Limits {
        customer: String,
        asked: String,
    },
    /// The pending raise is confirmed, where one can be.
    Confirm {
        customer: String,
    },
    Signal {
        customer: String,
        signal: Signal,
        instrument: Option<&'static str>,
    },
    /// Two customers become one.
    Merge {
        customer: String,
        into: String,
    },
    /// An unassigned transaction is assigned to a customer.
    Link {
        transaction: String,
        customer: String,
    },
}

impl Deed {
    /// Whether it makes more than one record.
    pub fn reaches_many(&self) -> bool {
        matches!(self, Self::Signal { instrument: Some(_), .. } | Self::Merge { .. } | Self::Link { .. })
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("a name")
}

fn euro() -> Currency {
    Currency::parse("EUR").expect("a currency")
}

/// What comes next: something that staff do with one of so many customers, or a payment as a line.
pub fn next(
    chance: &mut Random,
    (n, is_crm): (usize, bool),
    at: &str,
    now: i64,
    customers: &[u64],
) -> Result<Deed, String> {
    let who = format!("w{}", chance.between(0, 5));
    if chance.percent(30) {
        let instrument = chance.percent(60).then(|| *chance.pick(&INSTRUMENTS));
        let op = chance.word(&["payment", "payment", "reserve"]);
        let mut line = instrument_model::line(op, at, MERCHANT, &who, instrument);
        line.text("transaction_id", &format!("w{n}"));
        if !is_crm {
            line.drop("merchant_customer_identifier");
            let known = customers.iter().filter(|_| chance.percent(40)).last();
            line.text("customer_id", &known.map_or("7".to_owned(), u64::to_string));
        }
        line.text("customer_level", chance.word(&["open", "gold"]));
        if chance.percent(40) {
            let mail = format!("{{\"email\": \"m{}@example.com\", \"city\": \"Wien\"}}", chance.between(0, 7));
            line.set("customer", mail);
        }
        return Err(line.line());
    }
    if customers.is_empty() || chance.percent(12) {
        let created = chance.percent(30).then(|| now - chance.between(1, 1_000_000));
        return Ok(Deed::Register { who: chance.percent(85).then_some(who), said: says(chance), created });
    }
    let customer = chance.pick(customers).to_string();
    if !is_crm && chance.percent(30) {
        // Most often one of the last payments by an unknown customer, if there was one.
        let back = usize::try_from(chance.between(1, 60)).expect("a number");
        return Ok(Deed::Link { transaction: format!("w{}", n.saturating_sub(back)), customer });
    }
    Ok(match chance.between(1, 100) {
        1..=8 => Deed::Merge { customer, into: chance.pick(customers).to_string() },
        9..=40 => Deed::Amend { customer, said: says(chance) },
        41..=44 => Deed::Delete { customer },
        45..=58 => Deed::Set { customer, change: Change::Settings(settings(chance)) },
        59..=72 => Deed::Set { customer, change: Change::Instrument(instrument(chance, now)) },
        73..=86 => {
            let until = chance.percent(30).then(|| format!(", \"until\": {:?}", Millis(now + 3_600_000).to_string()));
            let windows = ["daily", "weekly"].into_iter().take(chance.place(3));
            let filters: Vec<String> = windows
                .map(|window| format!("{{\"window\": {window:?}, \"amount_limit\": {}}}", chance.between(2, 9)))
                .collect();
            if until.is_none() && chance.percent(30) {
                return Ok(Deed::Confirm { customer });
            }
            Deed::Limits {
                customer,
                asked: format!("{{\"filters\": [{}]{}}}", filters.join(", "), until.unwrap_or_default()),
            }
        }
        _ => {
            let (_, signal) = *chance.pick(Signal::WORDS);
            let instrument = chance.percent(60).then(|| *chance.pick(&INSTRUMENTS));
            Deed::Signal { customer, signal, instrument }
        }
    })
}

fn says(chance: &mut Random) -> Says {
    let mut said = Says::default();
    if chance.percent(50) {
        let value = if chance.percent(20) { String::new() } else { format!("m{}@example.com", chance.between(0, 7)) };
        said.attributes.push((Attribute::Email, value.into()));
    }
    if chance.percent(30) {
        said.attributes.push((Attribute::FirstName, format!("Name {}", chance.between(0, 3)).into()));
    }
    if chance.percent(25) {
        said.levels[Direction::Deposit as usize] = Some(chance.percent(80).then(|| name(chance.word(&LEVELS))));
    }
    if chance.percent(20) {
        said.status = Some(chance.pick(CustomerStatus::WORDS).1);
    }
    if chance.percent(25) {
        said.labels = Some(chance.some(&LABELS).into_iter().map(name).collect());
    }
    if chance.percent(15) {
        said.switched_off = Some(if chance.percent(50) { vec![name("web")] } else { Vec::new() });
    }
    if chance.percent(15) {
        let dollar = Currency::parse("USD").expect("a currency");
        let rate = Decimal::parse(&format!("1.{}", chance.between(1, 99))).expect("a rate");
        let rate = OwnRate { from: euro(), to: dollar, rate, units: 1, valid_from: Millis(chance.between(0, 9)) };
        said.rates = Some(vec![rate; usize::from(chance.percent(70))]);
    }
    said
}

fn settings(chance: &mut Random) -> IndividualSettings {
    let amount = |chance: &mut Random| chance.percent(60).then(|| chance.between(100, 900));
    IndividualSettings {
        direction: Direction::Deposit,
        currency: euro(),
        level: name(chance.word(&LEVELS)),
        methods: Vec::new(),
        global_min: None,
        global_max: amount(chance),
    }
}

fn instrument(chance: &mut Random, now: i64) -> Instrument {
    Instrument {
        masked: Some("411111******1111".into()),
        expires: chance.percent(50).then_some(24_360),
        state: chance.pick(InstrumentState::WORDS).1,
        is_default: chance.percent(50),
        on_file: chance.percent(50),
        ..Instrument::bare(chance.word(&INSTRUMENTS), Millis(now))
    }
}

/// Makes the call, and shows the customer; stored transactions are read last.
pub fn act(stage: &Stage, deed: &Deed, now: Millis) -> Said {
    let (text, refused, rests_on) = match done(stage, deed, now) {
        Ok((customer, rests_on)) => {
            let look = stage.desk.ledger.look(MERCHANT, &customer, now, |customer, _| shown(customer));
            (look.expect("a customer"), false, rests_on)
        }
        // A fact that could not be read is requested again.
        Err(Refusal::Unreadable(why)) => (format!("503 {why}"), true, stage.journal().last()),
        Err(refusal) => (format!("{refusal:?}"), true, stage.journal().last()),
    };
    CustomerUpdate { text, replay: false, refused, rests_on }
}

fn done(stage: &Stage, deed: &Deed, now: Millis) -> Result<(String, Lsn), Refusal> {
    let (ledger, rules) = (&stage.desk.ledger, stage.desk.rules.load());
    let merchant = rules.merchant(MERCHANT).expect("the merchant");
    let author = Author { source: Source::Api, by: Some(name("olga")) };
    let hand = (author, now);
    let change = |customer: &str, make: &mut levelgate::domain::customer::aggregate::Make<'_>| {
        ledger.change(merchant.id, customer, hand, &Attributes::default(), make)
    };
    match deed {
        Deed::Register { who, said, created } => {
            let (identifier, created) = (who.as_deref(), created.map(Millis));
            let (admitted, lsn) =
                ledger.register(&Applying { merchant, identifier, said, created, author, is_trial: false }, now)?;
            let (Admitted::Made(number) | Admitted::Known(number, _) | Admitted::Merged(number)) = admitted;
            Ok((number.to_string(), lsn))
        }
        Deed::Amend { customer, said } => {
            Ok((customer.clone(), ledger.amend(merchant, customer, said, (author, now), false)?.1))
        }
        Deed::Merge { customer, into } => {
            let (number, lsn) = ledger.merge(merchant, customer, into, hand)?;
            Ok((number.to_string(), lsn))
        }
        Deed::Link { transaction, customer } => {
            let _inside = ledger.enter();
            let lsn = ledger.link(merchant, transaction, Whose::Known(customer), hand)?.1;
            Ok((customer.clone(), lsn))
        }
        Deed::Delete { customer } => {
            let lsn = change(customer, &mut |customer, now| Ok(update::deletion(customer, merchant, now)))?;
            Ok((customer.clone(), lsn))
        }
        Deed::Set { customer, change: set } => {
            let lsn = change(customer, &mut |_, _| Ok(vec![CustomerEvent::Changed(set.clone())]))?;
            Ok((customer.clone(), lsn))
        }
        Deed::Limits { customer, asked } => {
            let asked = body::limits(asked.as_bytes(), euro(), &rules.currencies, merchant.id).expect("limits");
            let none = OwnLimits::none(Direction::Deposit, euro());
            let lsn = change(customer, &mut |customer, now| {
                let known = customer.limits_for(none.direction, none.currency).unwrap_or(&none);
                let limits = match asked.until {
                    Some(_) => OwnLimits { operator: asked.filters.clone(), until: asked.until, ..known.clone() },
                    None => known.asked(&asked.filters, now, &RaiseTerms::of(merchant)),
                };
                Ok(vec![CustomerEvent::Changed(Change::Limits(limits))])
            })?;
            Ok((customer.clone(), lsn))
        }
        Deed::Confirm { customer } => {
            let none = OwnLimits::none(Direction::Deposit, euro());
            let lsn = change(customer, &mut |customer, now| {
                let known = customer.limits_for(none.direction, none.currency).unwrap_or(&none);
                let limits = known.confirmed(now).map_err(Refusal::NotConfirmed)?;
                Ok(if limits == *known { Vec::new() } else { vec![CustomerEvent::Changed(Change::Limits(limits))] })
            })?;
            Ok((customer.clone(), lsn))
        }
        Deed::Signal { customer, signal, instrument } => {
            let (signal, instrument, by, reach) = (*signal, *instrument, author.by, &Reach::All);
            let sent = SentSignal {
                merchant: MERCHANT,
                customer_id: customer,
                signal,
                instrument,
                by,
                reach,
                trusts_blocks: false,
            };
            let (_, lsn) = ledger.signal(&sent, now)?;
            Ok((customer.clone(), lsn))
        }
    }
}

/// Everything that is kept of a customer, and the history.
fn document(stage: &Stage, customer: &str, now: Millis) -> String {
    let ledger = &stage.desk.ledger;
    let used = |whole: Whole<'_>| {
        let books = whole.books.iter().map(|series| format!("{:?} {:?}", series.key, series.total()));
        books.collect::<Vec<_>>().join(", ")
    };
    let look = |whole: Whole<'_>, _| format!("{} {}", shown(whole.customer), used(whole));
    let shown = ledger.look_whole(MERCHANT, customer, now, look).expect("a customer");
    let mut steps = String::new();
    let read = ledger.history(MERCHANT, customer, now, &mut |chapter, before, behind| {
        let told = &chapter.chronicle;
        // The location of the previous step differs between folders.
        let events = chapter.events.iter().filter(|event| !matches!(event, Event::Chronicled(_)));
        let events: Vec<String> = events.map(|event| format!("{:?}", plain_event(event))).collect();
        let moves = shown_short(before) != shown_short(behind);
        steps +=
            &format!("\n  {} {:?} {:?} {:?} {events:?} {moves}", told.at, told.source, told.by, chapter.transaction_id);
        steps += if chapter.is_link { " linked" } else { "" };
    });
    match read {
        Ok(()) => shown + &steps,
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// Each folder has its own digests, and a snapshot may have sealed what a record contains as plain text.
fn plain(identifier: &StoredIdentifier) -> StoredIdentifier {
    StoredIdentifier::clear(identifier.text().unwrap_or("forgotten"))
}

fn plain_event(event: &CustomerEvent) -> CustomerEvent {
    let mut event = event.clone();
    match &mut event {
        CustomerEvent::Created { identifier: Some(identifier), .. } => *identifier = plain(identifier),
        CustomerEvent::Changed(Change::Identifiers(identifiers)) => {
            identifiers.iter_mut().for_each(|id| *id = plain(id))
        }
        _ => {}
    }
    event
}

fn shown_short(customer: &Customer) -> String {
    let mut customer = customer.clone();
    customer.keep_identifiers(plain);
    let profile = customer.profile().cloned().unwrap_or_default();
    let (levels, standing) = (customer.levels, customer.standing);
    format!("{:?} {:?} {levels:?} {standing:?} {profile:?}", customer.identifier, customer.attributes)
}

fn shown(customer: &Customer) -> String {
    let (status, created, modified) = (customer.status().word(), customer.created, customer.modified);
    format!("{} {} {status} {created} {modified}", customer.number(), shown_short(customer))
}

/// All customers with their histories, and whom each filter finds.
pub fn all(stage: &Stage) -> String {
    let now = stage.desk.clock.now(None).expect("a time");
    let found = |marks: Vec<Mark>, limit: usize| -> Vec<u64> {
        let (mut numbers, mut find) = (Vec::new(), Find { marks, limit, ..Find::default() });
        loop {
            let page = stage.desk.ledger.find_customers(name(MERCHANT), &find, now, |customer, _| customer.number());
            numbers.extend(page.customers);
            match page.next {
                Some(next) => find.after = Some(next),
                None => return numbers,
            }
        }
    };
    let mut text: Vec<String> =
        found(Vec::new(), 3).into_iter().map(|number| document(stage, &number.to_string(), now)).collect();
    let deposit = |level: &str| Mark::Level(Direction::Deposit, Some(name(level)));
    let marks = LABELS.iter().map(|label| Mark::Label(name(label))).chain(LEVELS.iter().map(|level| deposit(level)));
    let marks = marks.chain(CustomerStatus::WORDS.iter().map(|(_, status)| Mark::Status(*status)));
    text.extend(marks.map(|mark| format!("{mark:?}: {:?}", found(vec![mark], 2))));
    text.join("\n")
}

/// The numbers of all customers.
pub fn numbers(stage: &Stage) -> Vec<u64> {
    let now = stage.desk.clock.now(None).unwrap_or(Millis(0));
    let find = Find { limit: 1_000, ..Find::default() };
    stage.desk.ledger.find_customers(name(MERCHANT), &find, now, |customer, _| customer.number()).customers
}
