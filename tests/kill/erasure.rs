//! Customers who ask to be forgotten: who only asked, who is about to be forgotten, and who is.
//!
//! One merchant's time of grace outlasts any run, so that requests stand and are taken back. The other's is over at once.
//! When the daemon comes to it then is its own affair: nothing is sent of such a customer until it has said so.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::answer_fields::{codes, text};
use crate::client::Client;
use crate::model::{Customer, Customers, ErasureState, LABELS, LEAVING};
use crate::operation::{ClientRecords, CustomerPart, Expected, Operation, StaffCall};
use crate::worker::Worker;
use support::process::eventually;
use support::random::Random;

impl ClientRecords {
    /// A request to be forgotten: this one's, or that of customers who are one.
    pub(crate) fn ask_to_be_forgotten(&mut self, random: &mut Random, place: usize) -> Operation {
        let are_one = |n: &usize| self.customers.all[*n].into.is_some() && self.customers.stays(*n);
        let merged: Vec<usize> =
            (0..self.customers.all.len()).filter(are_one).filter(|n| self.may_be_forgotten(*n)).collect();
        let place = if merged.is_empty() || random.percent(50) { place } else { *random.pick(&merged) };
        let head = self.customers.head_mut(place);
        if !head.labels.contains(&LEAVING) {
            head.labels.push(LEAVING);
        }
        let staff = StaffCall { method: "DELETE", path: String::new(), of: CustomerPart::Document };
        let mut operation = ClientRecords::by_staff(place, staff, Value::Null, None);
        if is_soon_forgotten(head) {
            head.fate = ErasureState::Leaves;
            operation.expected = Expected::Leaves;
        }
        operation
    }

    /// Whether erasure may be requested: a customer that a bulk selection still matches must not change after it.
    pub(crate) fn may_be_forgotten(&self, place: usize) -> bool {
        let head = self.customers.head_of(place);
        self.forgets && !(is_soon_forgotten(head) && self.mark.is_some_and(|mark| head.labels.contains(&mark)))
    }
}

fn is_soon_forgotten(customer: &Customer) -> bool {
    customer.merchant == "globex"
}

/// Whether an answer to a request says that it is known, or done already.
pub(crate) fn leaves(answer: &Value) -> bool {
    answer["erased"] == true || !answer["deletion_due"].is_null()
}

impl Customers {
    /// An erased customer is unknown: the addresses of all customers merged into it lead to new ones from then on.
    fn begin_anew(&mut self, head: usize) {
        let all = (0..self.all.len()).filter(|place| self.head(*place) == head);
        let anew = all.map(|place| {
            let Customer { merchant, name, email, .. } = &self.all[place];
            let (name, email) = (format!("{name}+"), email.clone());
            Customer { merchant, name, email, labels: vec![LABELS[0].0], ..Customer::default() }
        });
        let anew: Vec<Customer> = anew.collect();
        self.all[head].fate = ErasureState::Gone;
        self.all.extend(anew);
    }
}

impl Worker {
    /// Checks customers with a deletion request: those whose grace period was over when the daemon started must be erased,
    /// and erased ones stay so.
    pub(crate) fn forgotten(&mut self, client: &mut Client) {
        let with = |customers: &Customers, fate: ErasureState| -> Vec<usize> {
            (0..customers.all.len()).filter(|place| customers.all[*place].fate == fate).collect()
        };
        for head in with(&self.records.customers, ErasureState::Leaves) {
            let path = self.document_of(head);
            let mut shown = client.get(&path).expect("an answer").ok();
            self.expect(leaves(&shown), || format!("{path} asked to be forgotten: {shown}"));
            let due = shown["deletion_due"].as_str().and_then(|due| due.parse::<Timestamp>().ok());
            if due.zip(self.started).is_some_and(|(due, started)| due <= started) {
                eventually("whose time is over is forgotten", || {
                    shown = client.get(&path).expect("an answer").ok();
                    shown["erased"] == true
                });
            }
            if shown["erased"] == true {
                for email in self.records.customers.members(head).map(|member| &member.email) {
                    let path =
                        format!("/v1/merchants/{}/customers?email={email}", self.records.customers.all[head].merchant);
                    let found = client.get(&path).expect("an answer").ok();
                    self.expect(found["customers"] == json!([]), || format!("{path} finds no customer: {found}"));
                }
                self.records.customers.begin_anew(head);
                self.counted.forgotten += 1;
            }
        }
        for head in with(&self.records.customers, ErasureState::Gone) {
            self.is_gone(client, head);
        }
    }

    fn document_of(&self, place: usize) -> String {
        let customer = &self.records.customers.all[place];
        let id = customer.id.as_deref().expect("the customer has a number");
        format!("/v1/merchants/{}/customers/{id}", customer.merchant)
    }

    /// No personal data is shown under any of its numbers, and no payment passes.
    fn is_gone(&self, client: &mut Client, head: usize) {
        let customers = &self.records.customers;
        let places: Vec<usize> = (0..customers.all.len()).filter(|place| customers.head(*place) == head).collect();
        for place in places.into_iter().filter(|place| customers.all[*place].is_known()) {
            let path = self.document_of(place);
            let shown = client.get(&path).expect("an answer").ok();
            let has = |label: &str| shown["labels"].as_array().is_some_and(|labels| labels.contains(&json!(label)));
            let fields = json!([shown["erased"], shown["deletion_due"], shown["email"], shown["first_name"]]);
            let same = fields == json!([true, null, null, null]) && has("gone") && !has(LEAVING);
            self.expect(same, || format!("{path} is forgotten: {shown}"));
            let asked = json!({ "op": "check", "merchant": customers.all[place].merchant, "direction": "deposit",
                "currency": "EUR", "amount": "1.00", "customer_id": customers.all[place].id });
            let answers = client.batch(&[asked.to_string()]);
            let is_denied = answers.first().is_some_and(|answer| {
                text(answer, "decision") == "deny" && codes(answer).contains(&(19100, String::new()))
            });
            self.expect(is_denied, || format!("{path} is forgotten and pays: {answers:?}"));
        }
    }
}
