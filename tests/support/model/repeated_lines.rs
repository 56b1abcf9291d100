//! Lines that come again under an id that is known: the same, the same in other clothes, or something else.

use crate::model::fields::Fields;
use crate::model::generate::Generator;
use crate::model::random_configuration::step;

impl Generator {
    /// An earlier transition, sent again; sometimes with a changed field.
    pub fn transition_again(&mut self) -> Fields {
        let with: Vec<usize> = (0..self.known.len()).filter(|k| !self.known[*k].sent.is_empty()).collect();
        let place = with[with.len() - 1 - self.random.place(with.len().min(15))];
        let (merchant, currency, asked) =
            (self.known[place].merchant, self.known[place].currency.clone(), self.known[place].asked);
        let mut fields = self.random.pick(&self.known[place].sent).clone();
        fields.drop("at");
        fields.drop("occurred_at");
        let op = fields.string("op");
        let has_id = ["capture_id", "cancel_id", "refund_id", "chargeback_id"].iter().any(|key| fields.has(key));
        let moves = ["approve", "cancel", "refund", "chargeback"].contains(&op.as_str());
        match self.random.between(1, 12) {
            1 if moves => fields.drop("amount"),
            2..=3 if op == "approve" || (moves && has_id) => {
                let steps = step(&currency) * i128::from(self.random.between(1, 4));
                let minor = if self.random.percent(60) { asked.max(1) } else { steps };
                let amount = self.amount(minor, &currency);
                fields.set("amount", amount);
            }
            4..=5 if op == "approve" => fields.set("final", self.random.word(&["true", "false"]).into()),
            6 if op == "approve" => fields.drop("final"),
            7 if op == "approve" => fields.text("gate", "another-gate"),
            4..=5 if op == "cancel" => fields.text("of", self.random.word(&["reservation", "approved"])),
            6..=7 if op == "cancel" => fields.drop("of"),
            1..=3 if op == "attempt" => fields.text("gate", self.random.word(&["g0", "g1"])),
            _ => {}
        }
        self.pending = Some((merchant, fields.clone()));
        fields
    }

    /// A reserve or payment under an id that is known: the same in other clothes, or something else.
    pub fn again(&mut self) -> Fields {
        let place = self.a_known();
        let (merchant, currency, asked) =
            (self.known[place].merchant, self.known[place].currency.clone(), self.known[place].asked);
        let mut fields = self.known[place].made.clone();
        for key in ["outcome", "capture_id", "final", "gate", "explain"] {
            fields.drop(key);
        }
        let unreserved = self.known[place].unreserved;
        fields.text("op", if self.random.percent(60) { "reserve" } else { "payment" });
        if fields.string("op") == "payment" && self.random.percent(30) {
            fields.text("outcome", self.random.word(&["approved", "declined"]));
        }
        if unreserved {
            // Its amount and instrument are its own; of the rest only what the approval carried is compared.
            let minor = if self.random.percent(50) { asked } else { asked + step(&currency) };
            let more = minor + step(&currency) * i128::from(self.random.between(0, 6));
            let amount = self.amount(more, &currency);
            fields.set("amount", amount);
            fields.drop("payment_instrument");
            self.instrument(&mut fields, 30);
            match self.random.between(1, 10) {
                1 => fields.drop("customer_level"),
                2..=3 => fields.text("customer_level", self.random.word(&["gold", "bronze"])),
                4 => fields.drop("payment_method"),
                5 => fields.text("payment_method", "card"),
                6 if self.setup.merchants[merchant].crm => fields.text("merchant_customer_identifier", "somebody"),
                _ => {}
            }
        } else {
            match self.random.between(1, 15) {
                1 => {
                    let amount = self.amount(asked + 1, &currency);
                    fields.set("amount", amount);
                }
                2 => fields.text("customer_level", "silver"),
                3 => fields.text("payment_method", "other"),
                4 => fields.set("customer_level", if fields.has("customer_level") { "\"\"" } else { "null" }.into()),
                5 => fields.text("direction", self.random.word(&["deposit", "withdrawal"])),
                6 if self.setup.merchants[merchant].crm => fields.text("merchant_customer_identifier", "somebody"),
                7 if !fields.has("payment_method") => fields.set("payment_method", "null".into()),
                8 => fields.text("payment_instrument", "paid_by_a"),
                9 => fields.drop("payment_instrument"),
                10 if !fields.has("payment_instrument") => fields.set("payment_instrument", "null".into()),
                _ => {
                    let amount = self.amount(asked, &currency);
                    fields.set("amount", amount);
                }
            }
        }
        self.pending = Some((merchant, fields.clone()));
        fields
    }
}
