//! Lines that can only be refused: wrong in form, or about what does not exist.

use crate::model::calendar::{SECOND, written};
use crate::model::fields::Fields;
use crate::model::generate::Generator;

impl Generator {
    /// A line that can only be refused. It does not advance the clock, so that nothing hangs on whether a refused line
    /// moves it.
    pub fn bad(&mut self) -> String {
        let merchant = self.random.place(self.setup.merchants.len());
        let mut fields = self.body(merchant);
        fields.text("op", self.random.word(&["reserve", "payment", "check"]));
        fields.text("at", &written(self.newest));
        let crm = self.setup.merchants[merchant].crm;
        match self.random.between(1, 24) {
            1..=5 => {
                let amounts = [
                    "\"\"",
                    "\"0\"",
                    "\"0.00\"",
                    "\"-1\"",
                    "\"+1\"",
                    "\"1e2\"",
                    "\"1,0\"",
                    "\".5\"",
                    "\"5.\"",
                    "\" 5\"",
                    "\"1.2345\"",
                    "1e2",
                    "-5",
                    "0",
                    "1.2345",
                    "\"ten\"",
                ];
                fields.set("amount", (*self.random.pick(&amounts)).to_owned());
            }
            6 => fields.text("merchant", "nowhere"),
            7 => fields.drop("direction"),
            8 => fields.text("direction", "sideways"),
            9 => fields.drop("currency"),
            10 => fields.drop("amount"),
            11 => fields.text("custmer_level", "gold"),
            12 => {
                fields.text("project", "nowhere");
                fields.drop("endpoint");
            }
            13 => {
                fields.text("project", "web");
                fields.text("endpoint", "nowhere");
            }
            14 => fields.text(if crm { "customer_id" } else { "merchant_customer_identifier" }, "1"),
            15 => {
                // Two endpoints of this project take euros.
                fields.text("currency", "EUR");
                fields.text("amount", "5.00");
                fields.text("project", "app");
                fields.drop("endpoint");
            }
            16 => {
                // The endpoint takes euros.
                fields.text("currency", "USD");
                fields.text("amount", "5.00");
                fields.text("project", "web");
                fields.text("endpoint", "web-0");
            }
            17 if crm => {
                fields.drop("merchant_customer_identifier");
                fields.set("customer", "{\"email\": \"\"}".into());
            }
            18 => fields.text("op", "refnd"),
            19 => {
                let op = *self.random.pick(&["approve", "decline", "cancel", "refund", "extend"]);
                fields = self.of_nothing(op, merchant);
                if op == "extend" {
                    fields.text("until", &written(self.newest + SECOND));
                }
            }
            21 => {
                // The lookup comes before the content, and unknown fields come first of all.
                fields.text("merchant", "nowhere");
                fields.set("amount", "\"ten\"".into());
                if self.random.percent(50) {
                    fields.text("custmer_level", "gold");
                }
            }
            22 => {
                let (op, field) = *self.random.pick(&[
                    ("cancel", "capture_id"),
                    ("refund", "of"),
                    ("decline", "amount"),
                    ("approve", "cancel_id"),
                    ("extend", "final"),
                ]);
                fields = self.of_nothing(op, merchant);
                fields.text(field, "x");
            }
            23 => {
                let (op, field) = *self.random.pick(&[("cancel", "of"), ("approve", "final"), ("extend", "until")]);
                fields = self.of_nothing(op, merchant);
                fields.text(field, "sideways");
                if !self.known.is_empty() && self.random.percent(70) {
                    let place = self.a_known();
                    fields.text("merchant", &self.setup.merchants[self.known[place].merchant].id.clone());
                    fields.text("transaction_id", &self.known[place].id.clone());
                }
            }
            20 if !self.known.is_empty() => {
                let place = self.a_known();
                let op = *self.random.pick(&["cancel", "refund", "chargeback"]);
                fields = Fields::default();
                fields.text("op", op);
                fields.text("at", &written(self.newest));
                fields.text("merchant", &self.setup.merchants[self.known[place].merchant].id.clone());
                fields.text("transaction_id", &self.known[place].id.clone());
                match self.random.between(1, 3) {
                    1 => fields.text("amount", "5"),
                    2 => {
                        fields.text("amount", "1.23456");
                        fields.text(&format!("{op}_id"), "z");
                    }
                    _ => {
                        fields.text("amount", "-5");
                        fields.text(&format!("{op}_id"), "z");
                    }
                }
            }
            _ => {
                fields.text("op", "reserve");
                fields.drop("transaction_id");
            }
        }
        fields.line()
    }

    /// A transition of a transaction that there is not.
    fn of_nothing(&self, op: &str, merchant: usize) -> Fields {
        let mut fields = Fields::default();
        fields.text("op", op);
        fields.text("at", &written(self.newest));
        fields.text("merchant", &self.setup.merchants[merchant].id);
        fields.text("transaction_id", "never-seen");
        fields
    }
}
