//! What a client sends: the next operation of a seeded mix, with what must be answered to it.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{
    BulkCounts, Customer, Customers, Decided, LABELS, LEVELS, MARKS, METHODS, Payment, Rules, Transaction, WAYS, Way,
    money,
};
use support::random::Random;

/// The customers of one client, whom no other client pays for, so that the order of their operations is known.
#[derive(Debug, Clone)]
pub(crate) struct ClientRecords {
    pub(crate) customers: Customers,
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
    Moved(TransactionState),
    /// The customer's status after a signal.
    Status(&'static str),
    /// A change by staff, as the model has it.
    Shown,
    /// The customer is forgotten, at once or at some time.
    Leaves,
    /// An effect that has ended when the next operation is sent.
    Over(Timestamp),
    /// How many were changed.
    Totals(BulkCounts),
    /// A refusal that changes nothing.
    Refused(u16),
}

/// What a transition reports of a transaction in addition to its status.
pub(crate) const QUANTITIES: [&str; 6] = ["amount", "held", "cancelled", "released", "refunded", "charged_back"];

/// A transaction as a transition reports it: status and quantities.
pub(crate) type TransactionState = (String, [String; 6]);

/// How a transaction stands.
pub(crate) fn stand(transaction: &Transaction) -> TransactionState {
    let amount = if transaction.approved > 0 { transaction.approved } else { transaction.asked };
    let quantities = [
        amount,
        transaction.held_amount(),
        transaction.cancelled,
        transaction.released,
        transaction.refunded,
        transaction.charged_back,
    ];
    (transaction.status().to_owned(), quantities.map(money))
}

/// What of a customer staff change, and by which call.
#[derive(Debug, Clone)]
pub(crate) struct StaffCall {
    pub(crate) method: &'static str,
    /// The path after the customer.
    pub(crate) path: String,
    pub(crate) of: CustomerPart,
}

/// A part of a customer that an answer shows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CustomerPart {
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
    pub(crate) customer: usize,
    pub(crate) transaction: usize,
    /// The fields in addition to `transaction_id`.
    pub(crate) body: Value,
    pub(crate) expected: Expected,
    /// What was answered of what stays as it was.
    pub(crate) first_answer: Option<Value>,
    /// The call, where it is one of staff's.
    pub(crate) staff: Option<StaffCall>,
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

impl ClientRecords {
    /// So many customers at each merchant, and an unknown one.
    pub(crate) fn new(name: &str, each: usize) -> ClientRecords {
        let customer = |merchant: &'static str, number: usize| {
            let name = format!("{name}-{merchant}-{number}");
            let labels = vec![LABELS[0].0];
            Customer { merchant, email: format!("{name}@example.com"), name, labels, ..Customer::default() }
        };
        let mut all: Vec<Customer> = ["acme", "globex"]
            .iter()
            .flat_map(|m| (0..each).map(move |n| (*m, n)))
            .map(|(m, n)| customer(m, n))
            .collect();
        let id =
            Some(format!("8{:012}", name.bytes().fold(0_u64, |sum, byte| sum * 31 + u64::from(byte)) % 1_000_000_007));
        all.push(Customer { is_bypassed: true, id, labels: Vec::new(), ..customer("globex", each) });
        let customers = Customers { all, ..Customers::default() };
        let mark = MARKS.into_iter().find(|mark| mark.ends_with(&format!(" {name}")));
        let (name, rules) = (name.to_owned(), Arc::new(Rules::first()));
        ClientRecords { customers, rules, name, sent: 0, each, mark, sends_jobs: false, forgets: false }
    }

    /// The method of a single call, its path and its body.
    pub(crate) fn call(&self, operation: &Operation) -> (&'static str, String, String) {
        let customer = &self.customers.all[operation.customer];
        let base = format!("/v1/merchants/{}", customer.merchant);
        let mut body = operation.body.clone();
        let customer_path = || {
            let id = customer.id.as_deref().expect("a customer who is spoken of has a number");
            format!("{base}/customers/{id}")
        };
        if let Some(staff) = &operation.staff {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let whose = if let CustomerPart::Many = staff.of { format!("{base}/customers") } else { customer_path() };
            return (staff.method, whose + &staff.path, body);
        }
        let (path, body) = match operation.kind {
            "signal" => (customer_path() + "/signals", body),
            "reserve" | "payment" => {
                body["transaction_id"] = json!(customer.transactions[operation.transaction].id);
                body.as_object_mut().expect("an object").remove("outcome");
                (format!("{base}/transactions"), body)
            }
            kind => {
                let step = if kind == "attempt" { "attempts" } else { kind };
                (format!("{base}/transactions/{}/{step}", customer.transactions[operation.transaction].id), body)
            }
        };
        ("POST", path, body.to_string())
    }

    /// The same as a line of a batch.
    pub(crate) fn line(&self, operation: &Operation) -> String {
        let customer = &self.customers.all[operation.customer];
        let mut line = operation.body.clone();
        line["op"] = json!(operation.kind);
        line["merchant"] = json!(customer.merchant);
        line["transaction_id"] = json!(customer.transactions[operation.transaction].id);
        line.to_string()
    }

    /// The next operation. The model counts it at once: one that gets no answer is sent again until it has one.
    pub(crate) fn next(&mut self, random: &mut Random, in_batch: bool) -> Operation {
        self.sent += 1;
        let stay: Vec<usize> = (0..self.customers.all.len()).filter(|place| self.customers.stays(*place)).collect();
        let place = stay[random.place(stay.len())];
        let customer = &self.customers.all[place];
        match random.between(1, 100) {
            1..=5 if !in_batch && customer.is_known() => self.signal(random, place),
            6..=9 if customer.is_known() => self.approve_unreserved(random, place),
            10..=45 if !customer.transactions.is_empty() => {
                let recent = customer.transactions.len().saturating_sub(6);
                let transaction = recent + random.place(customer.transactions.len() - recent);
                self.transition(random, place, transaction).unwrap_or_else(|| self.pay(random, place, in_batch))
            }
            46..=70 if !in_batch => {
                let place = self.often_changed(random, place);
                let is_known = self.customers.all[place].is_known();
                if is_known { self.staff(random, place) } else { self.pay(random, place, false) }
            }
            71..=76 if !in_batch && self.sends_jobs && customer.is_known() => self.bulk(random, place),
            _ => self.pay(random, place, in_batch),
        }
    }

    /// What names a customer, how that customer will be found, and whether the e-mail address was sent.
    fn naming(&self, random: &mut Random, place: usize) -> (Value, &'static str, bool) {
        let customer = &self.customers.all[place];
        let by_email = !customer.is_bypassed && customer.has_email && random.percent(15);
        let mut body = json!({});
        let resolution = match (customer.merchant, &customer.id) {
            _ if by_email => "client_definition",
            ("acme", _) => {
                body["merchant_customer_identifier"] = json!(customer.name);
                if customer.exists { "found" } else { "created" }
            }
            (_, Some(id)) => {
                body["customer_id"] = json!(id);
                if customer.is_bypassed { "bypassed" } else { "found" }
            }
            (_, None) if customer.exists => "client_definition",
            (_, None) => "created",
        };
        let needed = by_email || (customer.merchant == "globex" && customer.id.is_none());
        let sends = !customer.is_bypassed && (needed || random.percent(25));
        if sends {
            body["customer"] = json!({ "email": customer.email, "first_name": "Ada" });
        }
        (body, resolution, sends)
    }

    fn pay(&mut self, random: &mut Random, place: usize, in_batch: bool) -> Operation {
        let way = if random.percent(60) { WAYS[0] } else { *random.pick(WAYS) };
        // A gateway's customer gets a number by a separate call, and the next calls name it.
        let creates = !self.customers.all[place].exists;
        let (mut body, resolution, sends_email) = self.naming(random, place);
        let sent = random.percent(50).then(|| *random.pick(LEVELS));
        let amount = random.between(100, 4_000);
        let instrument = random.percent(40).then(|| self.instrument(random));
        let method = random.percent(40).then(|| random.pick(METHODS).0);
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
        let decided = self.customers.decide(place, &self.rules, &payment);
        let denied = !decided.codes.is_empty();
        let level = decided.level.map_or("", |(name, _)| name);
        let outlier = self.customers.head_of(place).bears("mark_outlier");
        let mut transaction =
            Transaction { id: self.fresh(), way, level, asked: amount, denied, outlier, ..Transaction::default() };
        transaction.passes_by = self.customers.all[place].is_bypassed;
        transaction.instrument.clone_from(&instrument);
        let is_payment = in_batch && !creates && random.percent(60);
        if is_payment {
            let approved = random.percent(75);
            body["outcome"] = json!(if approved { "approved" } else { "declined" });
            if !denied {
                transaction.facts = 1;
                transaction.approved = if approved { amount } else { 0 };
                (transaction.is_closed, transaction.declined) = (approved, !approved);
            }
        }
        self.customers.learn(place, &payment, !denied, sends_email);
        let customer = &mut self.customers.all[place];
        customer.transactions.push(transaction);
        let kind = if is_payment { "payment" } else { "reserve" };
        let expected = Expected::Decision(decided, resolution);
        Operation {
            kind,
            customer: place,
            transaction: customer.transactions.len() - 1,
            body,
            expected,
            first_answer: None,
            staff: None,
        }
    }

    /// Money that moved without a question before it.
    fn approve_unreserved(&mut self, random: &mut Random, place: usize) -> Operation {
        let way = *random.pick(WAYS);
        let sent = random.percent(50).then(|| *random.pick(LEVELS));
        let amount = random.between(100, 2_000);
        let id = self.fresh();
        let customer = &self.customers.all[place];
        let mut body = json!({ "direction": way.0, "currency": way.1, "amount": money(amount) });
        match customer.merchant {
            "acme" => body["merchant_customer_identifier"] = json!(customer.name),
            _ => body["customer_id"] = json!(customer.id),
        }
        if let Some(level) = sent {
            body["customer_level"] = json!(level);
        }
        let is_closed = random.percent(70);
        if !is_closed {
            body["final"] = json!(false);
        }
        let payment = Payment { way, amount, level: sent, instrument: None, method: None };
        let level = self.customers.decide(place, &self.rules, &payment).level.map_or("", |(name, _)| name);
        let outlier = self.customers.head_of(place).bears("mark_outlier");
        self.customers.learn(place, &payment, false, false);
        let customer = &mut self.customers.all[place];
        customer.transactions.push(Transaction {
            id,
            way,
            level,
            approved: amount,
            is_closed,
            facts: 1,
            outlier,
            ..Transaction::default()
        });
        let transaction = customer.transactions.len() - 1;
        let expected = Expected::Moved(stand(&customer.transactions[transaction]));
        Operation { kind: "approve", customer: place, transaction, body, expected, first_answer: None, staff: None }
    }

    /// Something that may happen to a transaction as it stands; a refusal among it, now and then.
    fn transition(&mut self, random: &mut Random, place: usize, at: usize) -> Option<Operation> {
        let sent = self.sent;
        let transaction = &mut self.customers.all[place].transactions[at];
        let part = |random: &mut Random, of: u64| random.between(1, of);
        let mut refused = false;
        let (kind, body) = match (transaction.status(), random.between(0, 13)) {
            // A capture without an amount takes the rest of the reservation.
            ("reserved" | "approved", 0..=2)
                if transaction.approved == 0 || (transaction.is_open() && transaction.unpaid() > 0) =>
            {
                transaction.approved += transaction.unpaid();
                ("approve", capture(random, transaction, json!({ "capture_id": format!("c{sent}"), "gate": "gate-a" })))
            }
            ("reserved" | "approved" | "denied" | "declined", 3..=5) => {
                let amount = part(random, 3_000);
                transaction.approved += amount;
                let body = json!({ "capture_id": format!("c{sent}"), "amount": money(amount), "gate": "gate-b" });
                ("approve", capture(random, transaction, body))
            }
            ("reserved", 6) => {
                transaction.declined = true;
                ("decline", json!({}))
            }
            ("reserved" | "approved", 7)
                if transaction.asked > 0 && (transaction.approved == 0 || transaction.is_open()) =>
            {
                let until = format!("2030-{:02}-01T00:00:00.000Z", 1 + transaction.facts.min(11));
                if transaction.until.as_ref().is_some_and(|now| *now >= until) {
                    return None;
                }
                transaction.until = Some(until.clone());
                ("extend", json!({ "until": until }))
            }
            ("reserved", 8) => {
                ("attempt", json!({ "attempt": transaction.facts + 1, "gate": "gate-a", "outcome": "declined" }))
            }
            ("reserved" | "approved", 9..=10) if transaction.held_amount() > 0 => {
                let amount = part(random, transaction.held_amount());
                transaction.released += amount;
                ("cancel", cancel(random, sent, Some(amount), "reservation"))
            }
            ("reserved" | "approved", 11) => {
                refused = true;
                let more = transaction.held_amount().max(transaction.left()) + 1;
                ("cancel", json!({ "cancel_id": format!("x{sent}"), "amount": money(more) }))
            }
            ("approved", 0) if transaction.charged_back < transaction.approved => {
                let amount = part(random, transaction.approved - transaction.charged_back);
                transaction.charged_back += amount;
                ("chargeback", json!({ "chargeback_id": format!("b{sent}"), "amount": money(amount) }))
            }
            ("approved", 1) if transaction.left() > 0 => {
                let amount = part(random, transaction.left());
                transaction.refunded += amount;
                ("refund", json!({ "refund_id": format!("r{sent}"), "amount": money(amount) }))
            }
            // Without a word of what it is of, a cancel takes what is held first.
            ("approved", 2) if transaction.held_amount() > 0 => {
                transaction.released += transaction.held_amount();
                ("cancel", cancel(random, sent, None, "reservation"))
            }
            ("approved", 12..=13) if transaction.left() > 0 => {
                let amount = random.percent(60).then(|| part(random, transaction.left()));
                let is_held = transaction.held_amount() > 0;
                transaction.cancelled += amount.unwrap_or(transaction.left());
                let mut body = cancel(random, sent, amount, "approved");
                if is_held {
                    body["of"] = json!("approved");
                }
                ("cancel", body)
            }
            _ => return None,
        };
        transaction.facts += usize::from(!refused);
        let expected = if refused { Expected::Refused(422) } else { Expected::Moved(stand(transaction)) };
        let paid_by = transaction.instrument.clone().filter(|_| kind == "approve" && !transaction.passes_by);
        paid_by.iter().for_each(|id| self.customers.pays_by(place, id));
        Some(Operation { kind, customer: place, transaction: at, body, expected, first_answer: None, staff: None })
    }

    fn signal(&mut self, random: &mut Random, place: usize) -> Operation {
        let signal = if random.percent(60) { *random.pick(&SIGNALS[2..]) } else { *random.pick(&SIGNALS) };
        // What blocks comes seldom, and what clears often, so that most payments go on.
        let signal =
            if random.percent(50) && signal.contains('_') && !signal.contains("consent") { "cleared" } else { signal };
        let mut body = json!({ "signal": signal });
        let instrument = random.percent(70).then(|| self.instrument(random));
        if let Some(id) = &instrument {
            body["payment_instrument"] = json!(id);
        }
        self.customers.signal(place, signal, instrument.as_deref());
        let expected = Expected::Status(self.customers.head_of(place).status());
        Operation { kind: "signal", customer: place, transaction: 0, body, expected, first_answer: None, staff: None }
    }

    fn instrument(&self, random: &mut Random) -> String {
        format!("tok-{}-{}", self.name, random.place(40))
    }

    pub(crate) fn fresh(&self) -> String {
        format!("{}-{}", self.name, self.sent)
    }
}

/// A capture, which says in some cases whether more follow.
fn capture(random: &mut Random, transaction: &mut Transaction, mut body: Value) -> Value {
    let is_final = random.percent(50);
    if !is_final || random.percent(30) {
        body["final"] = json!(is_final);
    }
    transaction.is_closed |= is_final;
    body
}

/// A cancel of a part or of all that is left, which says in some cases what it is of.
fn cancel(random: &mut Random, sent: u64, amount: Option<u64>, of: &str) -> Value {
    let mut body = json!({ "cancel_id": format!("x{sent}") });
    if let Some(amount) = amount {
        body["amount"] = json!(money(amount));
    }
    if random.percent(50) {
        body["of"] = json!(of);
    }
    body
}
