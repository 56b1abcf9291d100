//! The checks of a client, above all after a restart: the daemon repeats every answer, and agrees with the model about its
//! customers.

use serde_json::{Value, json};

use crate::answer_fields::{self, codes, gates, text};
use crate::client::Client;
use crate::model::{METHODS, Payment, Way, in_order, money};
use crate::operation::{Expected, stand};
use crate::worker::Worker;

/// What is asked of every customer: each level that has filters, by a name that leads to it.
const ASKED: &[(&str, Way)] = &[
    ("gold", ("deposit", "EUR")),
    ("silver", ("deposit", "EUR")),
    ("bronze", ("deposit", "EUR")),
    ("gold", ("deposit", "USD")),
    ("gold", ("withdrawal", "EUR")),
];

impl Worker {
    /// Holds the daemon to everything that was answered since it was last held to it, and to some of what was before.
    pub(crate) fn verify(&mut self, client: &mut Client, everything: bool) {
        let from = if everything { 0 } else { self.judged };
        let older: Vec<usize> = (0..40).filter(|_| from > 0).map(|_| self.random.place(from)).collect();
        for at in older.into_iter().chain(from..self.log.len()) {
            self.repeat(client, at);
        }
        self.judged = self.log.len();
        self.forgotten(client);
        self.usage(client);
        self.documents(client);
        self.orders(client, if everything { 20 } else { 3 });
        self.transactions(client, if everything { 400 } else { 40 });
    }

    /// Sends an answered operation again: it is answered as it was, and as something remembered.
    fn repeat(&mut self, client: &mut Client, at: usize) {
        let mut operation = self.log[at].clone();
        match &mut operation.expected {
            Expected::Refused(_) | Expected::Status(_) | Expected::Shown | Expected::Over(_) | Expected::Leaves => {
                return;
            }
            Expected::Totals(tally) if tally.is_trial => return,
            // Reports about refused ones need not outlive the daemon.
            Expected::Totals(tally) => tally.was_cut = true,
            Expected::Decision(..) | Expected::Moved(_) => {}
        }
        let (method, path, body) = self.records.call(&operation);
        let answer = self.outcome(client, (method, &path, &body));
        let answer = answer.unwrap_or_else(|| panic!("{}: no answer to {operation:?}", self.context));
        self.expect(answer.is_replay(), || format!("it was answered and is not there: {operation:?}\n{answer:?}"));
        let reply = answer.json();
        self.judge(&mut operation, answer.status, &reply);
        self.counted.replayed += 1;
        if operation.kind == "bulk" {
            return;
        }
        let stand = stand(&self.records.customers.all[operation.customer].transactions[operation.transaction]);
        let same =
            if operation.decides() { text(&reply, "status") == stand.0 } else { answer_fields::stand(&reply) == stand };
        self.expect(same, || format!("it stands as {stand:?}: {operation:?}\n{reply}"));
    }

    /// Compares the usage of every filter of every customer with the sum over the list, and what a payment would meet.
    fn usage(&mut self, client: &mut Client) {
        let (mut lines, mut asked) = (Vec::new(), Vec::new());
        let customers = &self.records.customers;
        let all =
            customers.all.iter().enumerate().filter(|(place, p)| p.exists && !p.is_bypassed && customers.stays(*place));
        for (place, customer) in all {
            for (number, (level, way)) in ASKED.iter().enumerate() {
                // The first check has the smallest amount, so that the whole headroom is seen; the others meet ranges too.
                let method = (number > 0).then(|| METHODS[(number + place) % METHODS.len()].0);
                let amount = if number == 0 { 1 } else { 2_000 };
                let mut line = json!({ "op": "check", "merchant": customer.merchant, "direction": way.0, "currency": way.1,
                    "amount": money(amount), "payment_method": method, "customer_level": level, "explain": true });
                // Attributes are found again too, with what they are sealed with.
                if number == 0 && customer.has_email {
                    line["customer"] = json!({ "email": customer.email });
                } else if customer.merchant == "acme" {
                    line["merchant_customer_identifier"] = json!(customer.name);
                } else {
                    line["customer_id"] = json!(customer.id);
                }
                lines.push(line.to_string());
                asked.push((place, Payment { way: *way, amount, level: Some(level), instrument: None, method }));
            }
        }
        let answers = client.batch(&lines);
        self.expect(answers.len() == lines.len(), || format!("{} answers to {} checks", answers.len(), lines.len()));
        for ((place, payment), answer) in asked.into_iter().zip(&answers) {
            self.compare(place, &payment, answer);
        }
        self.counted.checked += answers.len() as u64;
    }

    fn compare(&self, place: usize, payment: &Payment<'_>, answer: &Value) {
        let (customers, rules) = (&self.records.customers, &self.records.rules);
        let head = customers.head_of(place);
        let decided = customers.decide(place, rules, payment);
        let more = decided.codes.is_empty().then_some(payment.amount);
        let applied = decided.level.map_or("", |(name, _)| name);
        let limit = |limit: &Value| {
            let [amount, quantity] = [&limit["amount"], &limit["quantity"]];
            json!([limit["filter"], amount["limit"], amount["used"], quantity["limit"], quantity["used"]])
        };
        let used = in_order(answer["limits"].as_array().into_iter().flatten().map(limit));
        let range = &answer["amount_range"];
        // The shown range is not checked where no method is named and there are several.
        let range = (!range.is_null() && payment.method.is_some()).then(|| json!([range["min"], range["max"]]));
        let rates = answer_fields::rates(&answer["rates"]["own"]);
        let level = &answer["level"];
        let shown_values = json!([used, codes(answer), gates(answer), range, level["name"], level["source"], rates]);
        let payable = customers.effective(place, rules, payment).filter(|of| of.shown);
        let range = payable.map(|of| json!([of.least.map(money), of.most.map(money)]));
        let usage = customers.usage(place, rules, applied, payment.way, more);
        let rates = customers.counted_by(place, rules, applied, payment.way);
        let level = decided.level.unwrap_or_default();
        let wanted = json!([
            usage,
            decided.codes,
            decided.gates,
            range,
            (!level.0.is_empty()).then_some(level.0),
            level.1,
            rates
        ]);
        let who = &answer["customer"];
        let same = shown_values == wanted && text(who, "status") == head.status();
        let same = same && who["customer_id"].as_str() == head.id.as_deref();
        self.expect(same, || {
            let (name, status, transactions) =
                (&self.records.customers.all[place].name, head.status(), customers.transactions(place));
            format!(
                "{name}, {payment:?}: wanted {wanted} {status}\n{shown_values}\n{answer}\n{:#?}",
                transactions.collect::<Vec<_>>()
            )
        });
    }

    /// Compares the document of every customer with the model. The id of a merged customer shows the target, and so do its
    /// identifiers.
    fn documents(&mut self, client: &mut Client) {
        let customers = &self.records.customers;
        let known: Vec<usize> =
            (0..customers.all.len()).filter(|n| customers.all[*n].is_known() && customers.stays(*n)).collect();
        for place in known {
            let customer = &self.records.customers.all[place];
            let wanted = self.records.customers.document(place);
            let mut compare = |path: String, shown: fn(Value) -> Value| {
                let path = format!("/v1/merchants/{}/customers{path}", customer.merchant);
                let shown = shown(client.get(&path).expect("an answer").ok());
                let shown_values = answer_fields::document(&shown);
                self.expect(shown_values == wanted, || format!("{path}: wanted {wanted}\n{shown_values}\n{shown}"));
                shown
            };
            let shown =
                compare(format!("/{}", customer.id.as_deref().expect("a known one has a number")), |shown| shown);
            // A list of one is that customer, and any other list is no document.
            let alone = |mut shown: Value| match shown["customers"].as_array_mut() {
                Some(list) if list.len() == 1 => list.remove(0),
                _ => shown,
            };
            if customer.into.is_some() && customer.merchant == "acme" {
                compare(format!("?merchant_customer_identifier={}", customer.name), alone);
            }
            if customer.into.is_some() && customer.has_email {
                compare(format!("?email={}", customer.email), alone);
            }
            let is_due = self.records.customers.is_due(place, shown["deletion_due"].as_str());
            self.expect(is_due, || format!("forgotten at another time: {shown}"));
        }
    }

    /// Compares the orders that are shown of some customers: one's own, and those of all who are one with it.
    fn orders(&mut self, client: &mut Client, count: usize) {
        for _ in 0..count {
            let place = self.random.place(self.records.customers.all.len());
            let customer = &self.records.customers.all[place];
            if !customer.is_known() {
                continue;
            }
            let id = customer.id.as_deref().expect("a known one has a number");
            let path = format!("/v1/merchants/{}/customers/{id}/transactions?limit=100", customer.merchant);
            let (mut shown_values, mut cursor) = (Vec::new(), String::new());
            loop {
                let page = client.get(&format!("{path}{cursor}")).expect("an answer").ok();
                let ids = page["transactions"].as_array().into_iter().flatten();
                shown_values.extend(ids.map(|shown| text(shown, "transaction_id").to_owned()));
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            let mut wanted: Vec<&str> =
                self.records.customers.transactions(place).map(|transaction| transaction.id.as_str()).collect();
            shown_values.sort_unstable();
            wanted.sort_unstable();
            self.expect(shown_values == wanted, || format!("{}: wanted {wanted:?}\n{shown_values:?}", customer.name));
        }
    }

    /// Looks at some transactions as they are kept: every fact once.
    fn transactions(&mut self, client: &mut Client, count: usize) {
        for _ in 0..count {
            let customer = &self.records.customers.all[self.random.place(self.records.customers.all.len())];
            if customer.transactions.is_empty() {
                continue;
            }
            let transaction = &customer.transactions[self.random.place(customer.transactions.len())];
            let answer = client
                .get(&format!("/v1/merchants/{}/transactions/{}", customer.merchant, transaction.id))
                .expect("an answer");
            let shown = answer.ok();
            let amounts = [
                ("approved", transaction.approved),
                ("held", transaction.held_amount()),
                ("released", transaction.released),
                ("cancelled", transaction.cancelled),
                ("refunded", transaction.refunded),
                ("charged_back", transaction.charged_back),
            ];
            let same = amounts.iter().all(|(member, wanted)| text(&shown, member) == money(*wanted));
            let same = same && text(&shown, "status") == transaction.status();
            let facts = shown["transitions"].as_array().map(Vec::len);
            let until = transaction.until.as_deref().filter(|_| transaction.held_amount() > 0);
            let is_outlier = shown["flags"].as_array().is_some_and(|flags| flags.contains(&json!("outlier")));
            let same = same && facts == Some(transaction.facts) && is_outlier == transaction.outlier;
            let same = same && (until.is_none() || shown["expires_at"].as_str() == until);
            self.expect(same, || format!("wanted {transaction:?}\n{shown}"));
        }
    }
}
