//! Instruments and signals, which the model of payments leaves out: two merchants whose customers share instruments,
//! and a model of them that is as naive.

use crate::fields::Fields;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub const MERCHANTS: [&str; 2] = ["side", "other"];
pub const INSTRUMENTS: [&str; 3] = ["tok_a", "tok_b", "tok_c"];

/// Adds the two merchants to a configuration. Each has one level whose limits nobody reaches.
pub fn configure(folder: &Path) {
    for merchant in MERCHANTS {
        let file = format!(
            "id = {merchant:?}\nname = {merchant:?}\noperation_mode = \"crm\"\n[[gates]]\nid = \"g\"\n\
             [[projects]]\nid = \"web\"\n  [[projects.endpoints]]\n  id = \"web\"\n  currency = \"EUR\"\n  gates = [\"g\"]\n\
             [[levels]]\nname = \"open\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]\n\
             [[levels.filters]]\n  window = \"lifetime\"\n  amount_limit = \"100000.00\"\n  quantity_limit = 10000\n"
        );
        std::fs::write(folder.join("merchants").join(format!("{merchant}.toml")), file).expect("a file");
    }
}

/// A payment of one euro, or the question whether it may pass.
pub fn line(op: &str, at: &str, merchant: &str, who: &str, instrument: Option<&str>) -> Fields {
    let mut fields = Fields::default();
    for (key, value) in [("op", op), ("at", at), ("merchant", merchant), ("direction", "deposit"), ("currency", "EUR")]
    {
        fields.text(key, value);
    }
    fields.text("amount", "1.00");
    fields.text("customer_level", "open");
    fields.text("merchant_customer_identifier", who);
    if let Some(instrument) = instrument {
        fields.text("payment_instrument", instrument);
    }
    if op == "check" {
        fields.set("explain", "true".into());
    }
    fields
}

#[derive(Clone, Debug, Default)]
pub struct Person {
    pub number: String,
    consent: Option<&'static str>,
    suspicion: Option<&'static str>,
    held: BTreeSet<String>,
    paid: i64,
}

impl Person {
    pub fn status(&self) -> &'static str {
        self.suspicion.or(self.consent).unwrap_or("new")
    }
}

/// Who has paid by what, and what became known of whom.
#[derive(Clone, Debug, Default)]
pub struct Side {
    pub people: BTreeMap<(String, String), Person>,
    pub blocked: BTreeSet<String>,
}

impl Side {
    pub fn allows(&self, merchant: &str, who: &str, instrument: Option<&str>) -> bool {
        let person = self.people.get(&(merchant.to_owned(), who.to_owned()));
        let fraud = person.is_some_and(|person| person.status() == "fraud");
        instrument.map_or(!fraud, |instrument| !self.blocked.contains(instrument))
    }

    /// Takes a payment; `number` is the `customer_id` that its customer has.
    pub fn pay(&mut self, merchant: &str, who: &str, instrument: Option<&str>, number: &str) {
        let passes = self.allows(merchant, who, instrument);
        let person = self.people.entry((merchant.to_owned(), who.to_owned())).or_default();
        number.clone_into(&mut person.number);
        if passes {
            person.paid += 1;
            person.held.extend(instrument.map(str::to_owned));
        }
    }

    pub fn signal(&mut self, number: &str, signal: &str, instrument: Option<&str>) {
        match signal {
            "fraud_confirmed" | "card_stolen" => self.blocked.extend(instrument.map(str::to_owned)),
            "cleared" => self.blocked.retain(|blocked| Some(blocked.as_str()) != instrument),
            _ => {}
        }
        let reaches = matches!(signal, "fraud_suspected" | "fraud_confirmed" | "card_stolen");
        for person in self.people.values_mut() {
            let holds = instrument.is_some_and(|instrument| person.held.contains(instrument));
            if person.number == number || (reaches && holds) {
                match signal {
                    "consent_given" => person.consent = Some("member"),
                    "consent_refused" => person.consent = Some("deny"),
                    "fraud_suspected" => person.suspicion = person.suspicion.or(Some("suspicious")),
                    "cleared" => person.suspicion = None,
                    _ => person.suspicion = Some("fraud"),
                }
            }
        }
    }

    /// What a check by this instrument must say: whether it passes, the status, the amount used so far.
    pub fn expects(&self, merchant: &str, who: &str, instrument: Option<&str>) -> (bool, &'static str, i64) {
        let person = self.people.get(&(merchant.to_owned(), who.to_owned()));
        let passes = self.allows(merchant, who, instrument);
        let paid = person.map_or(0, |person| person.paid) + i64::from(passes);
        (passes, person.map_or("new", Person::status), paid)
    }
}
