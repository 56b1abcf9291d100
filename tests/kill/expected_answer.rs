//! The expected content of an answer and of its repetitions.

use serde_json::{Value, json};

use crate::answer_fields::{self, codes, gates, lasting, text};
use crate::model::Raise;
use crate::operation::{CustomerPart, Expected, Operation};
use crate::worker::Worker;
use crate::{bulk_updates, erasure};

impl Worker {
    /// Judges what holds of every answer to an operation, the first and those that repeat it.
    pub(crate) fn judge(&mut self, operation: &mut Operation, status: u16, answer: &Value) {
        let wanted_status = match operation.expected {
            Expected::Refused(status) => status,
            // It may have come too late to be set at all.
            Expected::Over(_) if status == 422 => status,
            _ => 200,
        };
        self.expect(status == wanted_status, || format!("wanted {wanted_status}: {operation:?}\n{answer}"));
        match &operation.expected {
            Expected::Decision(decided, resolution) => {
                let decision = if decided.codes.is_empty() { "allow" } else { "deny" };
                let same = codes(answer) == decided.codes && gates(answer) == decided.gates;
                self.expect(same, || format!("wanted {decided:?}: {operation:?}\n{answer}"));
                let level = decided
                    .level
                    .map(|(name, source)| json!({ "name": (!name.is_empty()).then_some(name), "source": source }));
                let got = (text(answer, "decision"), &answer["level"], text(&answer["customer"], "resolution"));
                let wanted = (decision, &level.unwrap_or(Value::Null), *resolution);
                self.expect(got == wanted, || format!("wanted {wanted:?}: {operation:?}\n{answer}"));
                let got = lasting(answer);
                if let Some(before) = &operation.first_answer {
                    self.expect(got == *before, || format!("expected {before}: {operation:?}\n{answer}"));
                }
                operation.first_answer = Some(got);
                self.learn(operation.customer, answer);
            }
            Expected::Status(status) => {
                self.expect(text(answer, "status") == *status, || format!("wanted {status}: {operation:?}\n{answer}"));
            }
            Expected::Shown => self.compare_shown(operation, answer),
            Expected::Totals(tally) => {
                let got = bulk_updates::counts(tally, answer);
                self.expect(got.is_some(), || format!("wanted {tally:?}: {operation:?}\n{answer}"));
                let same = operation.first_answer.is_none() || operation.first_answer == got;
                self.expect(same, || format!("expected {:?}: {operation:?}\n{answer}", operation.first_answer));
                operation.first_answer = got;
            }
            Expected::Leaves => {
                self.expect(erasure::leaves(answer), || format!("{operation:?} asked to be forgotten: {answer}"));
            }
            Expected::Moved(_) | Expected::Refused(_) | Expected::Over(_) => {}
        }
    }

    /// Changes by staff are shown from now on. The daemon sets the time of a raise, which does not change.
    fn compare_shown(&mut self, operation: &Operation, answer: &Value) {
        if answer.get("deletion_due").is_some() {
            let is_due = self.records.customers.is_due(operation.customer, answer["deletion_due"].as_str());
            self.expect(is_due, || format!("forgotten at another time: {operation:?}\n{answer}"));
        }
        let head = self.records.customers.head_mut(operation.customer);
        let part = operation.staff.as_ref().map_or(CustomerPart::Document, |staff| staff.of);
        let (got, wanted) = match part {
            CustomerPart::Document | CustomerPart::Many => {
                (answer_fields::document(answer), self.records.customers.document(operation.customer))
            }
            CustomerPart::Settings(way, level) => {
                (answer_fields::settings(answer), head.settings.get(&(way, level)).cloned().unwrap_or_default().shown())
            }
            CustomerPart::Limits(way) => {
                let own = head.limits.entry(way).or_default();
                if let Some(Raise { times: times @ None, .. }) = &mut own.waits {
                    let time = |name: &str| answer["pending"][name].as_str().map(str::to_owned);
                    *times = time("from").map(|from| (from, time("lapses_at")));
                }
                (answer_fields::limits(answer), own.shown())
            }
        };
        self.expect(got == wanted, || format!("wanted {wanted}: {operation:?}\n{answer}"));
    }

    /// A customer keeps its number, and a merged one is shown as its target.
    fn learn(&mut self, place: usize, answer: &Value) {
        let (customer, shown) = (&self.records.customers.all[place], &answer["customer"]);
        if customer.id.is_none() {
            self.records.customers.all[place].id = shown["customer_id"].as_str().map(str::to_owned);
        }
        let head = self.records.customers.head_of(place);
        let named = (head.merchant == "acme").then_some(head.name.as_str());
        let got = (shown["customer_id"].as_str(), shown["merchant_customer_identifier"].as_str());
        let wanted = (head.id.as_deref(), named);
        self.expect(got == wanted && got.0.is_some(), || format!("wanted {wanted:?}: {answer}"));
    }
}
