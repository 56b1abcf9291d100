//! Instruments and signals, which the model of payments leaves out: merchants whose customers share instruments, and a
//! model of them that is as naive.

use levelgate::domain::{customer::instrument_blocks::MerchantScope, vocabulary::names::Name};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use support::model::fields::Fields;

/// The last one is trusted with blocks, and the second one has sealed identifiers.
pub const MERCHANTS: [&str; 3] = ["side", "other", "trusted"];
pub const INSTRUMENTS: [&str; 3] = ["tok_a", "tok_b", "tok_c"];

/// The merchants of each token; none: all.
const CALLERS: [&[&str]; 5] = [&[], &["side"], &["other"], &["trusted"], &["side", "other"]];

/// The tokens that reach a merchant.
pub fn reaching(merchant: &str) -> Vec<&'static [&'static str]> {
    CALLERS.into_iter().filter(|caller| caller.is_empty() || caller.contains(&merchant)).collect()
}

/// The caller with a token for these merchants, and the token's name.
pub fn caller(merchants: &[&str]) -> (MerchantScope, Name) {
    let name = |text: &str| Name::parse(text).expect("a name");
    let reach = || MerchantScope::Some(merchants.iter().map(|merchant| name(merchant)).collect());
    (if merchants.is_empty() { MerchantScope::All } else { reach() }, name(&format!("token {}", merchants.join(" "))))
}

/// Adds the merchants to a configuration. Each has one level whose limits no customer reaches.
pub fn configure(folder: &Path) {
    for merchant in MERCHANTS {
        let file = format!(
            "id = {merchant:?}\nname = {merchant:?}\noperation_mode = \"crm\"\ntrust_blocks = {}\nseal_identifiers = {}\n[[gates]]\nid = \"g\"\n\
             [[projects]]\nid = \"web\"\n  [[projects.endpoints]]\n  id = \"web\"\n  currency = \"EUR\"\n  gates = [\"g\"]\n\
             [[levels]]\nname = \"open\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]\n\
             [[levels.filters]]\n  window = \"lifetime\"\n  amount_limit = \"100000.00\"\n  quantity_limit = 10000\n",
            merchant == "trusted",
            merchant == "other"
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

/// What is suspected of a customer; the graver, the larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Suspected {
    #[default]
    Nothing,
    Flagged,
    /// Fraud with instruments that were named.
    ByInstrument,
    /// Fraud with any instrument.
    Whole,
}

#[derive(Clone, Debug, Default)]
pub struct Person {
    pub number: String,
    consent: Option<&'static str>,
    suspected: Suspected,
    instruments: BTreeSet<String>,
    paid: i64,
}

impl Person {
    pub fn status(&self) -> &'static str {
        match self.suspected {
            Suspected::Nothing => self.consent.unwrap_or("new"),
            Suspected::Flagged => "suspicious",
            Suspected::ByInstrument | Suspected::Whole => "fraud",
        }
    }
}

/// A block as one signal set it.
#[derive(Clone, Debug)]
struct Block {
    instrument: String,
    by_all: bool,
    everywhere: bool,
    merchants: BTreeSet<String>,
}

impl Block {
    fn acts_on(&self, instrument: &str, merchant: &str) -> bool {
        self.instrument == instrument && (self.everywhere || self.merchants.contains(merchant))
    }
}

/// Who has paid by what, and what became known of whom.
#[derive(Clone, Debug, Default)]
pub struct InstrumentModel {
    pub people: BTreeMap<(String, String), Person>,
    blocks: Vec<Block>,
}

impl InstrumentModel {
    pub fn allows(&self, merchant: &str, who: &str, instrument: Option<&str>) -> bool {
        let person = self.people.get(&(merchant.to_owned(), who.to_owned()));
        let suspected = person.map(|person| person.suspected).unwrap_or_default();
        match (suspected, instrument) {
            (Suspected::Whole, _) | (Suspected::ByInstrument, None) => false,
            (_, None) => true,
            (_, Some(instrument)) => !self.blocks.iter().any(|block| block.acts_on(instrument, merchant)),
        }
    }

    /// Takes a payment; `number` is the `customer_id` that its customer has.
    pub fn pay(&mut self, merchant: &str, who: &str, instrument: Option<&str>, number: &str) {
        let passes = self.allows(merchant, who, instrument);
        let person = self.people.entry((merchant.to_owned(), who.to_owned())).or_default();
        number.clone_into(&mut person.number);
        if passes {
            person.paid += 1;
            person.instruments.extend(instrument.map(str::to_owned));
        }
    }

    /// Takes a signal by a caller with a token for these merchants, or for all; `false`: it is not the caller's to send,
    /// and changes nothing.
    pub fn signal(&mut self, number: &str, signal: &str, instrument: Option<&str>, reach: &[&str]) -> bool {
        let known = self.people.iter().find(|(_, person)| person.number == number);
        let Some(merchant) = known.map(|((merchant, _), _)| merchant.clone()) else { return true };
        let reaches = |merchant: &String| reach.is_empty() || reach.contains(&merchant.as_str());
        let is_fraud = matches!(signal, "fraud_confirmed" | "card_stolen");
        let everywhere = reach.is_empty() || merchant == "trusted";
        if let Some(instrument) = instrument.filter(|_| is_fraud) {
            let merchants = if reach.is_empty() {
                BTreeSet::from([merchant.clone()])
            } else {
                reach.iter().map(|merchant| (*merchant).to_owned()).collect()
            };
            let (instrument, by_all) = (instrument.to_owned(), reach.is_empty());
            self.blocks.push(Block { instrument, by_all, everywhere, merchants });
        }
        if let Some(instrument) = instrument.filter(|_| signal == "cleared") {
            let holders = self.people.iter().filter(|(_, person)| person.instruments.contains(instrument));
            let reaches_holders = holders.map(|((merchant, _), _)| merchant).all(reaches);
            let may_lift = |block: &&Block| {
                let is_own = !block.by_all && block.merchants.contains(&merchant);
                block.merchants.iter().all(reaches) && (is_own || reaches_holders)
            };
            if !self.blocks.iter().filter(|block| block.acts_on(instrument, &merchant)).all(|block| may_lift(&block)) {
                return false;
            }
            self.blocks.retain(|block| !block.acts_on(instrument, &merchant));
        }
        let is_about_all = is_fraud || signal == "fraud_suspected";
        for ((at, _), person) in &mut self.people {
            let holds = instrument.is_some_and(|instrument| person.instruments.contains(instrument));
            if person.number != number && !(is_about_all && holds) {
                continue;
            }
            let acts = everywhere || reach.contains(&at.as_str());
            match (signal, instrument) {
                ("consent_given", _) => person.consent = Some("member"),
                ("consent_refused", _) => person.consent = Some("deny"),
                ("cleared", _) => person.suspected = Suspected::Nothing,
                ("fraud_suspected", _) => person.suspected = person.suspected.max(Suspected::Flagged),
                (_, None) => person.suspected = Suspected::Whole,
                (_, Some(_)) if acts => person.suspected = person.suspected.max(Suspected::ByInstrument),
                _ => person.suspected = person.suspected.max(Suspected::Flagged),
            }
        }
        true
    }

    /// The expected answer to a check by this instrument: whether it passes, the status, the amount used so far.
    pub fn expects(&self, merchant: &str, who: &str, instrument: Option<&str>) -> (bool, &'static str, i64) {
        let person = self.people.get(&(merchant.to_owned(), who.to_owned()));
        let passes = self.allows(merchant, who, instrument);
        let paid = person.map_or(0, |person| person.paid) + i64::from(passes);
        (passes, person.map_or("new", Person::status), paid)
    }
}
