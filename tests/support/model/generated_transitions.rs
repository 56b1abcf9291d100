//! Generated transitions of known transactions.

use crate::model::calendar::{SECOND, written};
use crate::model::fields::Fields;
use crate::model::generate::{Generator, KnownTransaction};
use crate::model::random_configuration::step;
use crate::random::Random;

impl Generator {
    pub fn approve_unreserved(&mut self) -> Fields {
        let merchant = self.random.place(self.setup.merchants.len());
        let mut fields = self.body(merchant);
        fields.text("op", "approve");
        if self.random.percent(50) {
            fields.text("capture_id", "k0");
        }
        self.capture(&mut fields);
        match self.random.between(1, 30) {
            1 => fields.drop("amount"),
            2 => fields.drop("direction"),
            3 => fields.drop("currency"),
            4 => ["merchant_customer_identifier", "customer_id", "customer"].iter().for_each(|key| fields.drop(key)),
            _ => {}
        }
        self.pending = Some((merchant, fields.clone()));
        fields
    }

    /// The optional fields of a capture.
    fn capture(&mut self, fields: &mut Fields) {
        match self.random.between(1, 10) {
            1..=4 => fields.set("final", "false".into()),
            5 => fields.set("final", "true".into()),
            _ => {}
        }
        if self.random.percent(20) {
            fields.text("gate", self.random.word(&["g0", "g1", "g2", "no-such-gate"]));
        }
        self.instrument(fields, 8);
    }

    /// A transaction to act on: mostly one of the newest.
    pub fn a_known(&mut self) -> usize {
        let count = self.known.len();
        if self.random.percent(75) { count - 1 - self.random.place(count.min(12)) } else { self.random.place(count) }
    }

    /// One of the newest of which something may still be held, where there is one.
    fn an_open_hold(&mut self) -> usize {
        let open = |k: &KnownTransaction| k.holds && k.hold_ends.is_none_or(|end| end + SECOND > self.clock);
        let places: Vec<usize> = (0..self.known.len()).filter(|n| open(&self.known[*n])).collect();
        match places.len().min(10) {
            0 => self.a_known(),
            near => places[places.len() - 1 - self.random.place(near)],
        }
    }

    pub fn transition(&mut self) -> Fields {
        let place = if self.random.percent(60) { self.an_open_hold() } else { self.a_known() };
        let extended = self.known[place].sent.iter().any(|line| line.string("op") == "extend");
        let (merchant, id, currency, asked) = {
            let known = &self.known[place];
            (known.merchant, known.id.clone(), known.currency.clone(), known.asked)
        };
        let mut fields = Fields::default();
        let op = match self.random.between(1, 100) {
            1..=25 if extended => "extend",
            1..=42 => "approve",
            43..=47 => "decline",
            48..=70 => "cancel",
            71..=79 => "refund",
            80..=85 => "chargeback",
            86..=95 => "extend",
            _ if !self.known[place].denied => "attempt",
            _ => "approve",
        };
        fields.text("op", op);
        fields.text("merchant", &self.setup.merchants[merchant].id.clone());
        fields.text("transaction_id", &id);
        let share = |random: &mut Random| {
            let part = step(&currency) * i128::from(random.between(1, 4));
            if random.percent(40) { asked.max(1) } else { part }
        };
        match op {
            "approve" => {
                if self.random.percent(12) {
                    fields = self.known[place].made.clone();
                    ["outcome", "capture_id", "final", "gate"].iter().for_each(|key| fields.drop(key));
                    fields.text("op", op);
                    match self.random.between(1, 8) {
                        1 => fields.text("direction", self.random.word(&["deposit", "withdrawal"])),
                        2 => fields.text("customer_level", "silver"),
                        3 => fields.drop("currency"),
                        _ => {}
                    }
                }
                if self.random.percent(55) {
                    let minor = share(&mut self.random);
                    let amount = self.amount(minor, &currency);
                    fields.set("amount", amount);
                } else {
                    fields.drop("amount");
                }
                if self.random.percent(55) {
                    let capture = self.random.between(0, 3);
                    fields.text("capture_id", &format!("k{capture}"));
                }
                self.capture(&mut fields);
            }
            "cancel" | "refund" | "chargeback" => {
                if self.random.percent(60) {
                    let minor = share(&mut self.random);
                    let amount = self.amount(minor, &currency);
                    fields.set("amount", amount);
                    let name = self.random.between(0, 5);
                    fields.text(&format!("{op}_id"), &format!("x{name}"));
                } else if self.random.percent(20) {
                    let name = self.random.between(6, 7);
                    fields.text(&format!("{op}_id"), &format!("y{name}"));
                }
                if op == "cancel" && self.random.percent(50) {
                    fields.text("of", self.random.word(&["reservation", "approved"]));
                }
            }
            "extend" => {
                let end = self.known[place].hold_ends.unwrap_or(self.clock);
                let until =
                    end + *self.random.pick(&[0, 1, -1, 1_800 * SECOND, 1_800 * SECOND, 600 * SECOND, -600 * SECOND]);
                fields.text("until", &written(until));
            }
            "attempt" => {
                let number = self.random.between(1, 3);
                fields.set("attempt", number.to_string());
                fields.text("gate", self.random.word(&["g0", "g1", "g1", "no-such-gate"]));
                fields.text("outcome", "declined");
            }
            _ => {}
        }
        self.pending = Some((merchant, fields.clone()));
        fields
    }
}
