//! What a client sends: the next operation of a seeded mix, with what must be answered to it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{
    Decided, LABELS, LEVELS, MARKS, METHODS, Payment, People, Person, Rules, Tally, Tx, WAYS, Way, money,
};
use support::random::Random;

/// The customers of one client, whom no other client pays for, so that the order of their operations is known.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) people: People,
    /// The configuration by which the next operations are judged.
    pub(crate) rules: Arc<Rules>,
    name: String,
    pub(crate) sent: u64,
    /// Customers of a merchant, to begin with.
    pub(crate) each: usize,
    /// The label by which customers are chosen in bulk.
    pub(crate) mark: Option<&'static str>,
    /// Whether many are changed at once: a daemon takes no more than a few such changes at a time.
    pub(crate) sends_jobs: bool,
    /// Whether anybody asks to be forgotten.
    pub(crate) forgets: bool,
}

/// What must be answered.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// A decision, and how the customer was found.
    Decision(Decided, &'static str),
    /// A transition, and the state of the transaction after it.
    Moved(Stand),
    /// The customer's status after a signal.
    Status(&'static str),
    /// A change by staff, as the model has it.
    Shown,
    /// The customer is forgotten, at once or at some time.
    Leaves,
    /// An effect that has ended when the next operation is sent.
    Over(Timestamp),
    /// How many were changed.
    Counted(Tally),
    /// A refusal that changes nothing.
    Refused(u16),
}

/// What a transition reports of a transaction in addition to its status.
pub(crate) const QUANTITIES: [&str; 6] = ["amount", "held", "cancelled", "released", "refunded", "charged_back"];

/// A transaction as a transition reports it: status and quantities.
pub(crate) type Stand = (String, [String; 6]);

/// How a transaction stands.
pub(crate) fn stand(tx: &Tx) -> Stand {
    let amount = if tx.approved > 0 { tx.approved } else { tx.asked };
    let quantities = [amount, tx.held(), tx.cancelled, tx.released, tx.refunded, tx.charged_back];
    (tx.status().to_owned(), quantities.map(money))
}

/// What of a customer staff change, and by which call.
#[derive(Debug, Clone)]
pub(crate) struct Staff {
    pub(crate) method: &'static str,
    /// The path after the customer.
    pub(crate) path: String,
    pub(crate) of: Part,
}

/// A part of a customer that an answer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// Individual settings of a way and a level.
    Settings(Way, &'static str),
    /// Own limits of a way.
    Limits(Way),
    /// Everything.
    Document,
    /// Many at once: none of one customer.
    Many,
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// As a batch names it; `signal`, `staff` and `bulk` are none of a batch.
    pub(crate) kind: &'static str,
    pub(crate) person: usize,
    pub(crate) tx: usize,
    /// The fields in addition to `transaction_id`.
    pub(crate) body: Value,
    pub(crate) expected: Expected,
    /// What was answered of what stays as it was.
    pub(crate) told: Option<Value>,
    /// The call, where it is one of staff's.
    pub(crate) staff: Option<Staff>,
}

impl Operation {
    /// Whether it asks for a decision.
    pub(crate) fn decides(&self) -> bool {
        matches!(self.kind, "reserve" | "payment")
    }

    /// Whether it is about a customer and no transaction: sent again it is done again.
    pub(crate) fn is_about_the_customer(&self) -> bool {
        matches!(self.kind, "signal" | "staff")
    }
}

const SIGNALS: [&str; 6] =
    ["consent_given", "consent_refused", "fraud_suspected", "fraud_confirmed", "card_stolen", "cleared"];

impl Book {
    /// So many customers at each merchant, and an unknown one.
    pub(crate) fn new(name: &str, each: usize) -> Book {
        let person = |merchant: &'static str, number: usize| {
            let name = format!("{name}-{merchant}-{number}");
            let labels = vec![LABELS[0].0];
            Person { merchant, email: format!("{name}@example.com"), name, labels, ..Person::default() }
        };
        let mut all: Vec<Person> = ["acme", "globex"]
            .iter()
            .flat_map(|m| (0..each).map(move |n| (*m, n)))
            .map(|(m, n)| person(m, n))
            .collect();
        let id =
            Some(format!("8{:012}", name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte)) % 1_000_000_007));
        all.push(Person { stranger: true, id, labels: Vec::new(), ..person("globex", each) });
        let people = People { all, ..People::default() };
        let mark = MARKS.into_iter().find(|mark| mark.ends_with(&format!(" {name}")));
        let (name, rules) = (name.to_owned(), Arc::new(Rules::first()));
        Book { people, rules, name, sent: 0, each, mark, sends_jobs: false, forgets: false }
    }

    /// The method of a single call, its path and its body.
    pub(crate) fn call(&self, operation: &Operation) -> (&'static str, String, String) {
        let person = &self.people.all[operation.person];
        let base = format!("/v1/merchants/{}", person.merchant);
        let mut body = operation.body.clone();
        let customer = || {
            let id = person.id.as_deref().expect("a customer who is spoken of has a number");
            format!("{base}/customers/{id}")
        };
        if let Some(staff) = &operation.staff {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let whose = if let Part::Many = staff.of { format!("{base}/customers") } else { customer() };
            return (staff.method, whose + &staff.path, body);
        }
        let (path, body) = match operation.kind {
            "signal" => (customer() + "/signals", body),
            "reserve" | "payment" => {
                body["transaction_id"] = json!(person.txs[operation.tx].id);
                body.as_object_mut().expect("an object").remove("outcome");
                (format!("{base}/transactions"), body)
            }
            kind => {
                let step = if kind == "attempt" { "attempts" } else { kind };
                (format!("{base}/transactions/{}/{step}", person.txs[operation.tx].id), body)
            }
        };
        ("POST", path, body.to_string())
    }

    /// The same as a line of a batch.
    pub(crate) fn line(&self, operation: &Operation) -> String {
        let person = &self.people.all[operation.person];
        let mut line = operation.body.clone();
        line["op"] = json!(operation.kind);
        line["merchant"] = json!(person.merchant);
        line["transaction_id"] = json!(person.txs[operation.tx].id);
        line.to_string()
    }

    /// The next operation. The model counts it at once: one that gets no answer is sent again until it has one.
    pub(crate) fn next(&mut self, chance: &mut Random, in_batch: bool) -> Operation {
        self.sent += 1;
        let stay: Vec<usize> = (0..self.people.all.len()).filter(|place| self.people.stays(*place)).collect();
        let place = stay[chance.place(stay.len())];
        let person = &self.people.all[place];
        match chance.between(1, 100) {
            1..=5 if !in_batch && person.is_known() => self.signal(chance, place),
            6..=9 if person.is_known() => self.approve_unreserved(chance, place),
            10..=45 if !person.txs.is_empty() => {
                let recent = person.txs.len().saturating_sub(6);
                let tx = recent + chance.place(person.txs.len() - recent);
                self.transition(chance, place, tx).unwrap_or_else(|| self.pay(chance, place, in_batch))
            }
            46..=70 if !in_batch => {
                let place = self.often_changed(chance, place);
                let is_known = self.people.all[place].is_known();
                if is_known { self.staff(chance, place) } else { self.pay(chance, place, false) }
            }
            71..=76 if !in_batch && self.sends_jobs && person.is_known() => self.bulk(chance, place),
            _ => self.pay(chance, place, in_batch),
        }
    }

    /// What names a customer, how that customer will be found, and whether the e-mail address was sent.
    fn naming(&self, chance: &mut Random, place: usize) -> (Value, &'static str, bool) {
        let person = &self.people.all[place];
        let by_email = !person.stranger && person.has_email && chance.percent(15);
        let mut body = json!({});
        let resolution = match (person.merchant, &person.id) {
            _ if by_email => "client_definition",
            ("acme", _) => {
                body["merchant_customer_identifier"] = json!(person.name);
                if person.exists { "found" } else { "created" }
            }
            (_, Some(id)) => {
                body["customer_id"] = json!(id);
                if person.stranger { "bypassed" } else { "found" }
            }
            (_, None) if person.exists => "client_definition",
            (_, None) => "created",
        };
        let needed = by_email || (person.merchant == "globex" && person.id.is_none());
        let sends = !person.stranger && (needed || chance.percent(25));
        if sends {
            body["customer"] = json!({ "email": person.email, "first_name": "Ada" });
        }
        (body, resolution, sends)
    }

    fn pay(&mut self, chance: &mut Random, place: usize, in_batch: bool) -> Operation {
        let way = if chance.percent(60) { WAYS[0] } else { *chance.pick(WAYS) };
        // A gateway's customer gets a number by a separate call, and the next calls name it.
        let creates = !self.people.all[place].exists;
        let (mut body, resolution, sends_email) = self.naming(chance, place);
        let sent = chance.percent(50).then(|| *chance.pick(LEVELS));
        let amount = chance.between(100, 4_000);
        let instrument = chance.percent(40).then(|| self.instrument(chance));
        let method = chance.percent(40).then(|| chance.pick(METHODS).0);
        body["direction"] = json!(way.0);
        body["currency"] = json!(way.1);
        body["amount"] = json!(money(amount));
        if let Some(level) = sent {
            body["customer_level"] = json!(level);
        }
        if let Some(id) = &instrument {
            body["payment_instrument"] = json!(id);
        }
        if let Some(method) = method {
            body["payment_method"] = json!(method);
        }
        let payment = Payment { way, amount, level: sent, instrument: instrument.as_deref(), method };
        let decided = self.people.decide(place, &self.rules, &payment);
        let denied = !decided.codes.is_empty();
        let level = decided.level.map_or("", |(name, _)| name);
        let outlier = self.people.head_of(place).bears("mark_outlier");
        let mut tx = Tx { id: self.fresh(), way, level, asked: amount, denied, outlier, ..Tx::default() };
        tx.passes_by = self.people.all[place].stranger;
        tx.instrument.clone_from(&instrument);
        let is_payment = in_batch && !creates && chance.percent(60);
        if is_payment {
            let approved = chance.percent(75);
            body["outcome"] = json!(if approved { "approved" } else { "declined" });
            if !denied {
                tx.facts = 1;
                tx.approved = if approved { amount } else { 0 };
                (tx.is_closed, tx.declined) = (approved, !approved);
            }
        }
        self.people.learn(place, &payment, !denied, sends_email);
        let person = &mut self.people.all[place];
        person.txs.push(tx);
        let kind = if is_payment { "payment" } else { "reserve" };
        let expected = Expected::Decision(decided, resolution);
        Operation { kind, person: place, tx: person.txs.len() - 1, body, expected, told: None, staff: None }
    }

    /// Money that moved without a question before it.
    fn approve_unreserved(&mut self, chance: &mut Random, place: usize) -> Operation {
        let way = *chance.pick(WAYS);
        let sent = chance.percent(50).then(|| *chance.pick(LEVELS));
        let amount = chance.between(100, 2_000);
        let id = self.fresh();
        let person = &self.people.all[place];
        let mut body = json!({ "direction": way.0, "currency": way.1, "amount": money(amount) });
        match person.merchant {
            "acme" => body["merchant_customer_identifier"] = json!(person.name),
            _ => body["customer_id"] = json!(person.id),
        }
        if let Some(level) = sent {
            body["customer_level"] = json!(level);
        }
        let is_closed = chance.percent(70);
        if !is_closed {
            body["final"] = json!(false);
        }
        let payment = Payment { way, amount, level: sent, instrument: None, method: None };
        let level = self.people.decide(place, &self.rules, &payment).level.map_or("", |(name, _)| name);
        let outlier = self.people.head_of(place).bears("mark_outlier");
        self.people.learn(place, &payment, false, false);
        let person = &mut self.people.all[place];
        person.txs.push(Tx { id, way, level, approved: amount, is_closed, facts: 1, outlier, ..Tx::default() });
        let tx = person.txs.len() - 1;
        let expected = Expected::Moved(stand(&person.txs[tx]));
        Operation { kind: "approve", person: place, tx, body, expected, told: None, staff: None }
    }

    /// Something that may happen to a transaction as it stands; a refusal among it, now and then.
    fn transition(&mut self, chance: &mut Random, place: usize, at: usize) -> Option<Operation> {
        let sent = self.sent;
        let tx = &mut self.people.all[place].txs[at];
        let part = |chance: &mut Random, of: u64| chance.between(1, of);
        let mut refused = false;
        let (kind, body) = match (tx.status(), chance.between(0, 13)) {
            // A capture without an amount takes the rest of the reservation.
            ("reserved" | "approved", 0..=2) if tx.approved == 0 || (tx.is_open() && tx.unpaid() > 0) => {
                tx.approved += tx.unpaid();
                ("approve", capture(chance, tx, json!({ "capture_id": format!("c{sent}"), "gate": "gate-a" })))
            }
            ("reserved" | "approved" | "denied" | "declined", 3..=5) => {
                let amount = part(chance, 3_000);
                tx.approved += amount;
                let body = json!({ "capture_id": format!("c{sent}"), "amount": money(amount), "gate": "gate-b" });
                ("approve", capture(chance, tx, body))
            }
            ("reserved", 6) => {
                tx.declined = true;
                ("decline", json!({}))
            }
            ("reserved" | "approved", 7) if tx.asked > 0 && (tx.approved == 0 || tx.is_open()) => {
                let until = format!("2030-{:02}-01T00:00:00.000Z", 1 + tx.facts.min(11));
                if tx.until.as_ref().is_some_and(|now| *now >= until) {
                    return None;
                }
                tx.until = Some(until.clone());
                ("extend", json!({ "until": until }))
            }
            ("reserved", 8) => ("attempt", json!({ "attempt": tx.facts + 1, "gate": "gate-a", "outcome": "declined" })),
            ("reserved" | "approved", 9..=10) if tx.held() > 0 => {
                let amount = part(chance, tx.held());
                tx.released += amount;
                ("cancel", cancel(chance, sent, Some(amount), "reservation"))
            }
            ("reserved" | "approved", 11) => {
                refused = true;
                let more = tx.held().max(tx.left()) + 1;
                ("cancel", json!({ "cancel_id": format!("x{sent}"), "amount": money(more) }))
            }
            ("approved", 0) if tx.charged_back < tx.approved => {
                let amount = part(chance, tx.approved - tx.charged_back);
                tx.charged_back += amount;
                ("chargeback", json!({ "chargeback_id": format!("b{sent}"), "amount": money(amount) }))
            }
            ("approved", 1) if tx.left() > 0 => {
                let amount = part(chance, tx.left());
                tx.refunded += amount;
                ("refund", json!({ "refund_id": format!("r{sent}"), "amount": money(amount) }))
            }
            // Without a word of what it is of, a cancel takes what is held first.
            ("approved", 2) if tx.held() > 0 => {
                tx.released += tx.held();
                ("cancel", cancel(chance, sent, None, "reservation"))
            }
            ("approved", 12..=13) if tx.left() > 0 => {
                let amount = chance.percent(60).then(|| part(chance, tx.left()));
                let is_held = tx.held() > 0;
                tx.cancelled += amount.unwrap_or(tx.left());
                let mut body = cancel(chance, sent, amount, "approved");
                if is_held {
                    body["of"] = json!("approved");
                }
                ("cancel", body)
            }
            _ => return None,
        };
        tx.facts += usize::from(!refused);
        let expected = if refused { Expected::Refused(422) } else { Expected::Moved(stand(tx)) };
        let paid_by = tx.instrument.clone().filter(|_| kind == "approve" && !tx.passes_by);
        paid_by.iter().for_each(|id| self.people.pays_by(place, id));
        Some(Operation { kind, person: place, tx: at, body, expected, told: None, staff: None })
    }

    fn signal(&mut self, chance: &mut Random, place: usize) -> Operation {
        let signal = if chance.percent(60) { *chance.pick(&SIGNALS[2..]) } else { *chance.pick(&SIGNALS) };
        // What blocks comes seldom, and what clears often, so that most payments go on.
        let signal =
            if chance.percent(50) && signal.contains('_') && !signal.contains("consent") { "cleared" } else { signal };
        let mut body = json!({ "signal": signal });
        let instrument = chance.percent(70).then(|| self.instrument(chance));
        if let Some(id) = &instrument {
            body["payment_instrument"] = json!(id);
        }
        self.people.signal(place, signal, instrument.as_deref());
        let expected = Expected::Status(self.people.head_of(place).status());
        Operation { kind: "signal", person: place, tx: 0, body, expected, told: None, staff: None }
    }

    fn instrument(&self, chance: &mut Random) -> String {
        format!("tok-{}-{}", self.name, chance.place(40))
    }

    pub(crate) fn fresh(&self) -> String {
        format!("{}-{}", self.name, self.sent)
    }
}

/// A capture, which says in some cases whether more follow.
fn capture(chance: &mut Random, tx: &mut Tx, mut body: Value) -> Value {
    let is_final = chance.percent(50);
    if !is_final || chance.percent(30) {
        body["final"] = json!(is_final);
    }
    tx.is_closed |= is_final;
    body
}

/// A cancel of a part or of all that is left, which says in some cases what it is of.
fn cancel(chance: &mut Random, sent: u64, amount: Option<u64>, of: &str) -> Value {
    let mut body = json!({ "cancel_id": format!("x{sent}") });
    if let Some(amount) = amount {
        body["amount"] = json!(money(amount));
    }
    if chance.percent(50) {
        body["of"] = json!(of);
    }
    body
}
