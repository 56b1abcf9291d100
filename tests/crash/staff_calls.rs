//! Staff calls about the customers of a separate merchant, between their payments. No model predicts the result: a second
//! ledger without failures does.

use crate::harness::{Harness, Reply};
use crate::instrument_model;
use levelgate::{
    config::body,
    domain::{
        customer::{
            aggregate::Customer,
            audit::{Author, ChangeSource},
            change::CustomerChange,
            erasure,
            individual_settings::IndividualSettings,
            instrument_blocks::MerchantScope,
            instruments::{CardOnFile, CardOnFileType, Instrument, InstrumentState},
            own_limits::{OwnLimits, RaiseTerms},
            status::{CustomerStatus, Signal},
            stored_identifier::StoredIdentifier,
            update::CustomerUpdate as Update,
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::rates::OwnRate,
        vocabulary::{
            attributes::{Attribute, Attributes},
            calendar::{Calendar, LocalTime, month::Month},
            direction::Direction,
            money::{Currency, Decimal},
            names::Name,
            time::Millis,
            words::Word,
        },
    },
    ledger::{
        Actor, Amendment, CustomerQuery, CustomerRef, CustomerWithUsage, LinkTarget, Registration, RegistrationOutcome,
        SearchKey, SentSignal,
    },
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
pub enum StaffCall {
    Register {
        who: Option<String>,
        update: Update,
        created: Option<i64>,
    },
    Amend {
        customer: String,
        update: Update,
    },
    Delete {
        customer: String,
    },
    Set {
        customer: String,
        change: CustomerChange,
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

impl StaffCall {
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
    random: &mut Random,
    (n, is_crm): (usize, bool),
    at: &str,
    now: i64,
    customers: &[u64],
) -> Result<StaffCall, String> {
    let who = format!("w{}", random.between(0, 5));
    if random.percent(30) {
        let instrument = random.percent(60).then(|| *random.pick(&INSTRUMENTS));
        let op = random.word(&["payment", "payment", "reserve"]);
        let mut line = instrument_model::line(op, at, MERCHANT, &who, instrument);
        line.text("transaction_id", &format!("w{n}"));
        if !is_crm {
            line.drop("merchant_customer_identifier");
            let known = customers.iter().filter(|_| random.percent(40)).last();
            line.text("customer_id", &known.map_or("7".to_owned(), u64::to_string));
        }
        line.text("customer_level", random.word(&["open", "gold"]));
        if random.percent(40) {
            let mail = format!("{{\"email\": \"m{}@example.com\", \"city\": \"Wien\"}}", random.between(0, 7));
            line.set("customer", mail);
        }
        return Err(line.line());
    }
    if customers.is_empty() || random.percent(12) {
        let created = random.percent(30).then(|| now - random.between(1, 1_000_000));
        return Ok(StaffCall::Register {
            who: random.percent(85).then_some(who),
            update: random_update(random),
            created,
        });
    }
    let customer = random.pick(customers).to_string();
    if !is_crm && random.percent(30) {
        // Most often one of the last payments by an unknown customer, if there was one.
        let back = usize::try_from(random.between(1, 60)).expect("a number");
        return Ok(StaffCall::Link { transaction: format!("w{}", n.saturating_sub(back)), customer });
    }
    Ok(match random.between(1, 100) {
        1..=8 => StaffCall::Merge { customer, into: random.pick(customers).to_string() },
        9..=40 => StaffCall::Amend { customer, update: random_update(random) },
        41..=44 => StaffCall::Delete { customer },
        45..=58 => StaffCall::Set { customer, change: CustomerChange::Settings(settings(random)) },
        59..=69 => StaffCall::Set { customer, change: CustomerChange::Instrument(instrument(random, now)) },
        70..=72 => {
            let id = random.word(&INSTRUMENTS);
            StaffCall::Set { customer, change: CustomerChange::InstrumentRemoved(id.into()) }
        }
        73..=86 => {
            let until = random.percent(30).then(|| format!(", \"until\": {:?}", Millis(now + 3_600_000).to_string()));
            let windows = ["daily", "weekly"].into_iter().take(random.place(3));
            let filters: Vec<String> = windows
                .map(|window| format!("{{\"window\": {window:?}, \"amount_limit\": {}}}", random.between(2, 9)))
                .collect();
            if until.is_none() && random.percent(30) {
                return Ok(StaffCall::Confirm { customer });
            }
            StaffCall::Limits {
                customer,
                asked: format!("{{\"filters\": [{}]{}}}", filters.join(", "), until.unwrap_or_default()),
            }
        }
        _ => {
            let (_, signal) = *random.pick(Signal::WORDS);
            let instrument = random.percent(60).then(|| *random.pick(&INSTRUMENTS));
            StaffCall::Signal { customer, signal, instrument }
        }
    })
}

fn random_update(random: &mut Random) -> Update {
    let mut update = Update::default();
    if random.percent(50) {
        let value = if random.percent(20) { String::new() } else { format!("m{}@example.com", random.between(0, 7)) };
        update.attributes.push((Attribute::Email, value.into()));
    }
    if random.percent(30) {
        update.attributes.push((Attribute::FirstName, format!("Name {}", random.between(0, 3)).into()));
    }
    if random.percent(25) {
        update.levels[Direction::Deposit as usize] = Some(random.percent(80).then(|| name(random.word(&LEVELS))));
    }
    if random.percent(20) {
        update.status = Some(random.pick(CustomerStatus::WORDS).1);
    }
    if random.percent(25) {
        update.labels = Some(random.some(&LABELS).into_iter().map(name).collect());
    }
    if random.percent(15) {
        update.disabled_projects = Some(if random.percent(50) { vec![name("web")] } else { Vec::new() });
    }
    if random.percent(15) {
        let dollar = Currency::parse("USD").expect("a currency");
        let rate = Decimal::parse(&format!("1.{}", random.between(1, 99))).expect("a rate");
        let rate = OwnRate { from: euro(), to: dollar, rate, units: 1, valid_from: Millis(random.between(0, 9)) };
        update.rates = Some(vec![rate; usize::from(random.percent(70))]);
    }
    update
}

fn settings(random: &mut Random) -> IndividualSettings {
    let amount = |random: &mut Random| random.percent(60).then(|| random.between(100, 900));
    IndividualSettings {
        direction: Direction::Deposit,
        currency: euro(),
        level: name(random.word(&LEVELS)),
        methods: Vec::new(),
        global_min: None,
        global_max: amount(random),
    }
}

fn on_file(random: &mut Random) -> CardOnFile {
    match random.between(1, 3) {
        1 => CardOnFile::No,
        2 => CardOnFile::OfUnknownType,
        _ => CardOnFile::OfType(random.pick(CardOnFileType::WORDS).1),
    }
}

fn instrument(random: &mut Random, now: i64) -> Instrument {
    let this_month = LocalTime::utc(Millis(now)).month().0;
    let month = |later: i64| Month(this_month.saturating_add_signed(i32::try_from(later).expect("a month")));
    Instrument {
        masked: Some("411111******1111".into()),
        // Some are expired already.
        expires: random.percent(70).then(|| month(random.between(-1, 2))),
        recorded_state: if random.percent(70) {
            InstrumentState::Active
        } else {
            random.pick(InstrumentState::WORDS).1
        },
        is_default: random.percent(50),
        on_file: on_file(random),
        sent_brand: random.percent(30).then(|| "own brand".into()),
        ..Instrument::bare(random.word(&INSTRUMENTS), Millis(now)).stored_at(Millis(now))
    }
}

/// Makes the call, and shows the customer; stored transactions are read last.
pub fn act(harness: &Harness, staff_call: &StaffCall, now: Millis) -> Reply {
    let (text, refused, depends_on_lsn) = match done(harness, staff_call, now) {
        Ok((customer, depends_on_lsn)) => {
            let look = harness.desk.ledger.with_customer(MERCHANT, &customer, now, shown);
            (look.expect("a customer"), false, depends_on_lsn)
        }
        // A fact that could not be read is requested again.
        Err(Refusal::Unreadable(why)) => (format!("503 {why}"), true, harness.journal().last()),
        Err(refusal) => (format!("{refusal:?}"), true, harness.journal().last()),
    };
    Reply { text, replay: false, refused, depends_on_lsn }
}

fn done(harness: &Harness, staff_call: &StaffCall, now: Millis) -> Result<(String, Lsn), Refusal> {
    let (ledger, rules) = (&harness.desk.ledger, harness.desk.rules.load());
    let merchant = rules.merchant(MERCHANT).expect("the merchant");
    let author = Author { source: ChangeSource::Api, by: Some(name("olga")), job: None };
    let actor = Actor { author, now };
    let change = |customer: &str, make: &mut levelgate::domain::customer::aggregate::customer::DecideEvents<'_>| {
        ledger.change(CustomerRef { merchant: merchant.id, customer_id: customer }, actor, &Attributes::default(), make)
    };
    match staff_call {
        StaffCall::Register { who, update, created } => {
            let (identifier, created) = (who.as_deref(), created.map(Millis));
            let (admitted, lsn) = ledger
                .register(&Registration { merchant, identifier, update, created, author, is_trial: false }, now)?;
            let (RegistrationOutcome::Created(number)
            | RegistrationOutcome::Existing(number, _)
            | RegistrationOutcome::Merged(number)) = admitted;
            Ok((number.to_string(), lsn))
        }
        StaffCall::Amend { customer, update } => Ok((
            customer.clone(),
            ledger.amend(&Amendment { merchant, customer_id: customer, update, actor, is_trial: false })?.1,
        )),
        StaffCall::Merge { customer, into } => {
            let (number, lsn) = ledger.merge(merchant, customer, into, actor)?;
            Ok((number.to_string(), lsn))
        }
        StaffCall::Link { transaction, customer } => {
            let _inside = ledger.block_renames();
            let lsn = ledger.link(merchant, transaction, LinkTarget::Known(customer), actor)?.1;
            Ok((customer.clone(), lsn))
        }
        StaffCall::Delete { customer } => {
            let lsn = change(customer, &mut |customer, now| Ok(erasure::deletion_events(customer, merchant, now)))?;
            Ok((customer.clone(), lsn))
        }
        StaffCall::Set { customer, change: set } => {
            let lsn = change(customer, &mut |_, _| Ok(vec![CustomerEvent::CustomerChanged(set.clone())]))?;
            Ok((customer.clone(), lsn))
        }
        StaffCall::Limits { customer, asked } => {
            let asked = body::limits(asked.as_bytes(), euro(), &rules.currencies, merchant.id).expect("limits");
            let none = OwnLimits::none(Direction::Deposit, euro());
            let lsn = change(customer, &mut |customer, now| {
                let known = customer.limits_for(none.direction, none.currency).unwrap_or(&none);
                let limits = match asked.until {
                    Some(_) => OwnLimits { operator: asked.filters.clone(), until: asked.until, ..known.clone() },
                    None => known.request(&asked.filters, now, &RaiseTerms::of(merchant)),
                };
                Ok(vec![CustomerEvent::CustomerChanged(CustomerChange::Limits(limits))])
            })?;
            Ok((customer.clone(), lsn))
        }
        StaffCall::Confirm { customer } => {
            let none = OwnLimits::none(Direction::Deposit, euro());
            let lsn = change(customer, &mut |customer, now| {
                let known = customer.limits_for(none.direction, none.currency).unwrap_or(&none);
                let limits = known.confirm(now).map_err(Refusal::ConfirmationError)?;
                Ok(if limits == *known {
                    Vec::new()
                } else {
                    vec![CustomerEvent::CustomerChanged(CustomerChange::Limits(limits))]
                })
            })?;
            Ok((customer.clone(), lsn))
        }
        StaffCall::Signal { customer, signal, instrument } => {
            let (signal, instrument, by, reach) = (*signal, *instrument, author.by, &MerchantScope::All);
            let sent = SentSignal {
                merchant: MERCHANT,
                customer_id: customer,
                signal,
                instrument,
                by,
                reach,
                trusts_blocks: false,
                calendar: Calendar::utc(),
            };
            let lsn = ledger.signal(&sent, now)?.depends_on_lsn;
            Ok((customer.clone(), lsn))
        }
    }
}

/// Everything that is kept of a customer, and the history.
fn document(harness: &Harness, customer: &str, now: Millis) -> String {
    let ledger = &harness.desk.ledger;
    let used = |whole: CustomerWithUsage<'_>| {
        let books = whole.usage.iter().map(|series| format!("{:?} {:?}", series.key, series.total()));
        books.collect::<Vec<_>>().join(", ")
    };
    let look = |whole: CustomerWithUsage<'_>, now| format!("{} {}", shown(whole.customer, now), used(whole));
    let shown = ledger.with_customer_usage(MERCHANT, customer, now, look).expect("a customer");
    let mut steps = String::new();
    let read = ledger.history(MERCHANT, customer, now, &mut |chapter, before, after| {
        let entry = &chapter.audit_entry;
        // The location of the previous step differs between folders.
        let events = chapter.events.iter().filter(|event| !matches!(event, CustomerEvent::AuditEntry(_)));
        let events: Vec<String> = events.map(|event| format!("{:?}", plain_event(event))).collect();
        let moves = shown_short(before) != shown_short(after);
        steps += &format!(
            "\n  {} {:?} {:?} {:?} {events:?} {moves}",
            entry.at, entry.source, entry.by, chapter.transaction_id
        );
        steps += if chapter.is_link { " linked" } else { "" };
    });
    match read {
        Ok(unreadable) if unreadable.is_empty() => shown + &steps,
        Ok(unreadable) => format!("{unreadable:?}"),
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
        CustomerEvent::CustomerChanged(CustomerChange::Identifiers(identifiers)) => {
            identifiers.iter_mut().for_each(|id| *id = plain(id));
        }
        _ => {}
    }
    event
}

fn shown_short(customer: &Customer) -> String {
    let mut customer = customer.clone();
    customer.map_identifiers(plain);
    let profile = customer.profile().cloned().unwrap_or_default();
    let (levels, standing) = (customer.levels, customer.status_factors);
    format!("{:?} {:?} {levels:?} {standing:?} {profile:?}", customer.identifier, customer.attributes)
}

fn shown(customer: &Customer, now: Millis) -> String {
    let (status, created, modified) =
        (customer.status(LocalTime::utc(now)).word(), customer.created, customer.modified);
    format!("{} {} {status} {created} {modified}", customer.number(), shown_short(customer))
}

/// All customers with their histories, and whom each filter finds.
pub fn all(harness: &Harness) -> String {
    let now = harness.desk.clock.now(None).expect("a time");
    let found = |keys: Vec<SearchKey>, limit: usize| -> Vec<u64> {
        let (mut numbers, mut find) = (Vec::new(), CustomerQuery { keys, limit, ..CustomerQuery::default() });
        loop {
            let page = harness
                .desk
                .ledger
                .find_customers(name(MERCHANT), &find, LocalTime::utc(now), |customer, _| customer.number());
            let page = page.expect("a page");
            numbers.extend(page.customers);
            match page.next {
                Some(next) => find.after = Some(next),
                None => return numbers,
            }
        }
    };
    let mut text: Vec<String> =
        found(Vec::new(), 3).into_iter().map(|number| document(harness, &number.to_string(), now)).collect();
    let deposit = |level: &str| SearchKey::Level(Direction::Deposit, Some(name(level)));
    let marks =
        LABELS.iter().map(|label| SearchKey::Label(name(label))).chain(LEVELS.iter().map(|level| deposit(level)));
    let marks = marks.chain(CustomerStatus::WORDS.iter().map(|(_, status)| SearchKey::Status(*status)));
    text.extend(marks.map(|mark| format!("{mark:?}: {:?}", found(vec![mark], 2))));
    text.join("\n")
}

/// The numbers of all customers.
pub fn numbers(harness: &Harness) -> Vec<u64> {
    let now = harness.desk.clock.now(None).unwrap_or(Millis(0));
    let find = CustomerQuery { limit: 1_000, ..CustomerQuery::default() };
    harness
        .desk
        .ledger
        .find_customers(name(MERCHANT), &find, LocalTime::utc(now), |customer, _| customer.number())
        .expect("a page")
        .customers
}
