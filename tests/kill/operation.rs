//! What a client sends: the next operation of a seeded mix, with what must be answered to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::chance::Chance;
use crate::model::{Decided, LEVELS, Person, Rules, Tx, WAYS, money};

/// The customers of one client, whom no other client pays for, so that the order of their operations is known.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub(crate) people: Vec<Person>,
    pub(crate) blocked: BTreeSet<String>,
    /// The configuration by which the next operations are judged.
    pub(crate) rules: Arc<Rules>,
    name: String,
    sent: u64,
}

/// What must be answered.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// A decision, and how the customer was found.
    Decision(Decided, &'static str),
    /// A transition, and how the transaction stands behind it.
    Moved(Stand),
    /// The customer's status behind a signal.
    Status(&'static str),
    /// A refusal that changes nothing.
    Refused(u16),
}

/// A transaction as a transition tells of it: status, amount, cancelled, refunded.
pub(crate) type Stand = (&'static str, String, String, String);

/// How a transaction stands.
pub(crate) fn stand(tx: &Tx) -> Stand {
    let amount = if tx.approved > 0 { tx.approved } else { tx.asked };
    (tx.status(), money(amount), money(tx.cancelled), money(tx.refunded))
}

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// As a batch names it; `signal` is none of a batch.
    pub(crate) kind: &'static str,
    pub(crate) person: usize,
    pub(crate) tx: usize,
    /// The fields beside `transaction_id`.
    pub(crate) body: Value,
    pub(crate) expected: Expected,
    /// What was answered of what stays as it was.
    pub(crate) told: Option<Value>,
}

impl Operation {
    /// Whether it asks for a decision.
    pub(crate) fn decides(&self) -> bool {
        matches!(self.kind, "reserve" | "payment")
    }
}

const SIGNALS: [&str; 6] =
    ["consent_given", "consent_refused", "fraud_suspected", "fraud_confirmed", "card_stolen", "cleared"];

impl Book {
    /// So many customers at each merchant, and somebody whom nobody knows.
    pub(crate) fn new(name: &str, each: usize) -> Book {
        let person = |merchant: &'static str, number: usize| {
            let name = format!("{name}-{merchant}-{number}");
            Person { merchant, email: format!("{name}@example.com"), name, ..Person::default() }
        };
        let mut people: Vec<Person> = ["acme", "globex"]
            .iter()
            .flat_map(|m| (0..each).map(move |n| (*m, n)))
            .map(|(m, n)| person(m, n))
            .collect();
        let id =
            Some(format!("8{:012}", name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte)) % 1_000_000_007));
        people.push(Person { stranger: true, id, ..person("globex", each) });
        Book { people, blocked: BTreeSet::new(), rules: Arc::new(Rules::first()), name: name.to_owned(), sent: 0 }
    }

    /// The path of a single call, and its body.
    pub(crate) fn call(&self, operation: &Operation) -> (String, Value) {
        let person = &self.people[operation.person];
        let base = format!("/v1/merchants/{}", person.merchant);
        let mut body = operation.body.clone();
        match operation.kind {
            "signal" => {
                let id = person.id.as_deref().expect("a customer who is signalled has a number");
                (format!("{base}/customers/{id}/signals"), body)
            }
            "reserve" | "payment" => {
                body["transaction_id"] = json!(person.txs[operation.tx].id);
                body.as_object_mut().expect("an object").remove("outcome");
                (format!("{base}/transactions"), body)
            }
            kind => {
                let step = if kind == "attempt" { "attempts" } else { kind };
                (format!("{base}/transactions/{}/{step}", person.txs[operation.tx].id), body)
            }
        }
    }

    /// The same as a line of a batch.
    pub(crate) fn line(&self, operation: &Operation) -> String {
        let person = &self.people[operation.person];
        let mut line = operation.body.clone();
        line["op"] = json!(operation.kind);
        line["merchant"] = json!(person.merchant);
        line["transaction_id"] = json!(person.txs[operation.tx].id);
        line.to_string()
    }

    /// The next operation. The model counts it at once: one that gets no answer is sent again until it has one.
    pub(crate) fn next(&mut self, chance: &mut Chance, in_batch: bool) -> Operation {
        self.sent += 1;
        let place = chance.place(self.people.len());
        let person = &self.people[place];
        let is_known = person.exists && person.id.is_some();
        match chance.between(1, 100) {
            1..=5 if !in_batch && is_known && !person.stranger => self.signal(chance, place),
            6..=9 if is_known && !person.stranger => self.approve_unreserved(chance, place),
            10..=45 if !person.txs.is_empty() => {
                let recent = person.txs.len().saturating_sub(6);
                let tx = recent + chance.place(person.txs.len() - recent);
                self.transition(chance, place, tx).unwrap_or_else(|| self.pay(chance, place, in_batch))
            }
            _ => self.pay(chance, place, in_batch),
        }
    }

    /// What names a customer, how that customer will be found, and whether the e-mail address was sent.
    fn naming(&self, chance: &mut Chance, place: usize) -> (Value, &'static str, bool) {
        let person = &self.people[place];
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

    fn pay(&mut self, chance: &mut Chance, place: usize, in_batch: bool) -> Operation {
        let way = if chance.percent(60) { WAYS[0] } else { chance.pick(WAYS) };
        // A gateway's customer gets a number by a call of its own, which the next ones name.
        let creates = !self.people[place].exists;
        let (mut body, resolution, sends_email) = self.naming(chance, place);
        let sent = chance.percent(50).then(|| chance.pick(LEVELS));
        let amount = chance.between(100, 4_000);
        let instrument = chance.percent(40).then(|| self.instrument(chance));
        body["direction"] = json!(way.0);
        body["currency"] = json!(way.1);
        body["amount"] = json!(money(amount));
        if let Some(level) = sent {
            body["customer_level"] = json!(level);
        }
        if let Some(id) = &instrument {
            body["payment_instrument"] = json!(id);
        }
        let person = &self.people[place];
        let decided = person.decide(&self.rules, way, amount, sent, instrument.as_deref(), &self.blocked);
        let denied = !decided.codes.is_empty();
        let level = decided.level.map_or("", |(name, _)| name);
        let mut tx = Tx { id: self.fresh(), way, level, asked: amount, denied, ..Tx::default() };
        tx.passes_by = person.stranger;
        let is_payment = in_batch && !creates && chance.percent(60);
        if is_payment {
            let approved = chance.percent(75);
            body["outcome"] = json!(if approved { "approved" } else { "declined" });
            if !denied {
                tx.facts = 1;
                tx.approved = if approved { amount } else { 0 };
                tx.declined = !approved;
            }
        }
        let held = instrument.as_deref().filter(|_| !denied);
        let person = &mut self.people[place];
        person.learn(way, sent, held, sends_email);
        person.txs.push(tx);
        let kind = if is_payment { "payment" } else { "reserve" };
        let expected = Expected::Decision(decided, resolution);
        Operation { kind, person: place, tx: person.txs.len() - 1, body, expected, told: None }
    }

    /// Money that moved without a question before it.
    fn approve_unreserved(&mut self, chance: &mut Chance, place: usize) -> Operation {
        let way = chance.pick(WAYS);
        let sent = chance.percent(50).then(|| chance.pick(LEVELS));
        let amount = chance.between(100, 2_000);
        let id = self.fresh();
        let person = &mut self.people[place];
        let mut body = json!({ "direction": way.0, "currency": way.1, "amount": money(amount) });
        match person.merchant {
            "acme" => body["merchant_customer_identifier"] = json!(person.name),
            _ => body["customer_id"] = json!(person.id),
        }
        if let Some(level) = sent {
            body["customer_level"] = json!(level);
        }
        let level =
            person.decide(&self.rules, way, amount, sent, None, &self.blocked).level.map_or("", |(name, _)| name);
        person.learn(way, sent, None, false);
        person.txs.push(Tx { id, way, level, approved: amount, facts: 1, ..Tx::default() });
        let tx = person.txs.len() - 1;
        let expected = Expected::Moved(stand(&person.txs[tx]));
        Operation { kind: "approve", person: place, tx, body, expected, told: None }
    }

    /// Something that may happen to a transaction as it stands; a refusal among it, now and then.
    fn transition(&mut self, chance: &mut Chance, place: usize, at: usize) -> Option<Operation> {
        let sent = self.sent;
        let tx = &mut self.people[place].txs[at];
        let part = |chance: &mut Chance, of: u64| chance.between(1, of);
        let mut refused = false;
        let (kind, body) = match (tx.status(), chance.between(0, 9)) {
            ("reserved", 0..=2) if tx.cancelled == 0 => {
                tx.approved = tx.asked;
                ("approve", json!({ "gate": "gate-a" }))
            }
            ("reserved" | "approved" | "denied" | "declined", 3..=4) => {
                let amount = part(chance, 3_000);
                tx.approved += amount;
                ("approve", json!({ "capture_id": format!("c{sent}"), "amount": money(amount), "gate": "gate-b" }))
            }
            ("reserved", 5) => {
                tx.declined = true;
                ("decline", json!({}))
            }
            ("reserved", 6) => {
                let until = format!("2030-{:02}-01T00:00:00.000Z", 1 + tx.facts.min(11));
                if tx.until.as_ref().is_some_and(|now| *now >= until) {
                    return None;
                }
                tx.until = Some(until.clone());
                ("extend", json!({ "until": until }))
            }
            ("reserved", 7) => ("attempt", json!({ "attempt": tx.facts + 1, "gate": "gate-a", "outcome": "declined" })),
            ("reserved" | "approved", 8) if tx.left() > 0 => {
                let amount = part(chance, tx.left());
                tx.cancelled += amount;
                ("cancel", json!({ "cancel_id": format!("x{sent}"), "amount": money(amount) }))
            }
            ("reserved" | "approved", 9) => {
                refused = true;
                ("cancel", json!({ "cancel_id": format!("x{sent}"), "amount": money(tx.left() + 1) }))
            }
            ("approved", 0..=1) if tx.left() > 0 => {
                let amount = part(chance, tx.left());
                tx.refunded += amount;
                ("refund", json!({ "refund_id": format!("r{sent}"), "amount": money(amount) }))
            }
            ("approved", 2) if tx.left() > 0 => {
                tx.cancelled += tx.left();
                ("cancel", json!({ "cancel_id": format!("x{sent}") }))
            }
            _ => return None,
        };
        tx.facts += usize::from(!refused);
        let expected = if refused { Expected::Refused(422) } else { Expected::Moved(stand(tx)) };
        Some(Operation { kind, person: place, tx: at, body, expected, told: None })
    }

    fn signal(&mut self, chance: &mut Chance, place: usize) -> Operation {
        let signal = if chance.percent(60) { chance.pick(&SIGNALS[2..]) } else { chance.pick(&SIGNALS) };
        // What blocks comes seldom, and what clears often, so that most payments go on.
        let signal =
            if chance.percent(50) && signal.contains('_') && !signal.contains("consent") { "cleared" } else { signal };
        let mut body = json!({ "signal": signal });
        let mut reached = vec![place];
        if chance.percent(70) {
            let id = self.instrument(chance);
            if matches!(signal, "fraud_suspected" | "fraud_confirmed" | "card_stolen") {
                reached.extend((0..self.people.len()).filter(|n| *n != place && self.people[*n].holds(&id)));
            }
            match signal {
                "fraud_confirmed" | "card_stolen" => drop(self.blocked.insert(id.clone())),
                "cleared" => drop(self.blocked.remove(&id)),
                _ => {}
            }
            body["payment_instrument"] = json!(id);
        }
        for reached in reached {
            self.people[reached].signalled(signal);
        }
        let expected = Expected::Status(self.people[place].status());
        Operation { kind: "signal", person: place, tx: 0, body, expected, told: None }
    }

    fn instrument(&self, chance: &mut Chance) -> String {
        format!("tok-{}-{}", self.name, chance.place(40))
    }

    fn fresh(&self) -> String {
        format!("{}-{}", self.name, self.sent)
    }
}
