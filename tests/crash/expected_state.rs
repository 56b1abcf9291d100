//! What is to be asked of a ledger that holds the first so many operations, and what it must say.

use crate::harness::Harness;
use crate::instrument_model;
use crate::staff_calls;
use crate::workload::{Action, Models, Workload, is_of_side, is_of_staff};
use levelgate::service::documents::problem::ProblemDocument;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use support::model::calendar::{DAY, SECOND, written};
use support::model::compare;
use support::model::fields::Fields;
use support::model::money::shown;
use support::model::oracle::Oracle;

/// One thing to ask.
#[derive(Debug, Clone)]
pub enum Query {
    /// A line; whether it is an operation that was recorded and must be answered as a repetition.
    Line { line: String, repeats: bool },
    /// A transaction as it is shown.
    Show { merchant: String, id: String },
    /// All transactions of a merchant, and the levels that its requests have made.
    List { merchant: String },
}

/// The questions in their order and the answers to them.
pub struct Expected {
    pub asks: Vec<Query>,
    pub answers: Vec<String>,
    /// From where on they can be asked again later: all of one instant, after all others.
    pub again_from: usize,
    pub clock: i64,
}

/// The instants at which usage is asked about, in milliseconds from the last operation on.
const LATER: [i64; 3] = [1_801 * SECOND, DAY + 1, 33 * DAY];

pub fn answer(harness: &Harness, ask: &Query, about: &str) -> String {
    match ask {
        Query::Line { line, repeats } => {
            let reply = harness.line(line);
            assert!(reply.replay || !repeats, "{about}: a repetition is taken for new: {line}\n{}", reply.text);
            reply.text
        }
        Query::Show { merchant, id } => match harness.transaction(merchant, id) {
            Ok(shown) => String::from_utf8(shown).expect("UTF-8"),
            Err(problem) => serde_json::to_string(&ProblemDocument::from(problem)).expect("JSON"),
        },
        Query::List { merchant } => {
            if merchant == staff_calls::MERCHANT {
                return format!("{} {}", harness.listed(merchant), staff_calls::all(harness));
            }
            let name = levelgate::domain::vocabulary::names::Name::parse(merchant).expect("a name");
            format!("{} {:?}", harness.listed(merchant), harness.desk.ledger.made_levels(name))
        }
    }
}

impl Expected {
    /// Of a ledger that holds the first so many steps.
    pub fn after(workload: &Workload, steps: usize) -> Self {
        let about = format!("seed {}, the first {steps} operations, with nothing gone wrong", workload.seed);
        let mut models = Models::nothing(workload);
        for step in &workload.steps[..steps] {
            models.tell(&step.act, &about);
        }
        let clock = steps.checked_sub(1).map_or(i64::MIN, |n| workload.steps[n].clock);
        let mut this = Self { asks: Vec::new(), answers: Vec::new(), again_from: 0, clock };
        if clock == i64::MIN {
            return this;
        }
        this.shows_and_lists(workload, &models, &about);
        this.checks(&models, clock, true, &about);
        this.repeats(workload, steps, &mut models, &about);
        for later in LATER {
            this.again_from = this.asks.len();
            this.checks(&models, clock + later, false, &about);
        }
        this.shows_and_lists(workload, &models, &about);
        this
    }

    fn ask(&mut self, models: &Models, ask: Query, about: &str) -> Value {
        let text = answer(&models.twin, &ask, about);
        let value = serde_json::from_str(&text).unwrap_or_default();
        self.asks.push(ask);
        self.answers.push(text);
        value
    }

    fn shows_and_lists(&mut self, workload: &Workload, models: &Models, about: &str) {
        let now = models.twin.desk.clock.now(None).expect("a time").0;
        let mut ids: Vec<_> = models.oracle.by_id.iter().collect();
        ids.sort();
        for ((merchant, id), place) in ids {
            let got = self.ask(models, Query::Show { merchant: merchant.clone(), id: id.clone() }, about);
            if !instrument_model::MERCHANTS.contains(&merchant.as_str()) {
                let found = differs(&models.oracle, *place, now, &got);
                assert_eq!(found, None, "{about}: {merchant} {id}\n{got}");
            }
        }
        for (merchant, _) in &workload.merchants {
            self.ask(models, Query::List { merchant: merchant.clone() }, about);
        }
    }

    /// Every filter of every customer: of all levels, or of those under which something counts.
    fn checks(&mut self, models: &Models, at: i64, all: bool, about: &str) {
        let mut oracle = models.oracle.clone();
        for line in questions(&models.oracle, at, all) {
            let got = self.ask(models, Query::Line { line: line.clone(), repeats: false }, about);
            let found = compare::differences(&oracle.answer(&line), &got);
            assert!(found.is_empty(), "{about}: {found:#?}\n{line}\n{got}");
        }
        for (merchant, who) in models.side.people.keys() {
            for instrument in instrument_model::INSTRUMENTS.iter().map(|token| Some(*token)).chain([None]) {
                let line = instrument_model::line("check", &written(at), merchant, who, instrument).line();
                let got = self.ask(models, Query::Line { line: line.clone(), repeats: false }, about);
                let (passes, status, used) = models.side.expects(merchant, who, instrument);
                let want = json!([if passes { "allow" } else { "deny" }, status, format!("{used}.00")]);
                let reply = json!([got["decision"], got["customer"]["status"], got["limits"][0]["amount"]["used"]]);
                assert_eq!(reply, want, "{about}: {line}\n{got}");
            }
        }
    }

    /// Every recorded operation, sent again.
    fn repeats(&mut self, workload: &Workload, steps: usize, models: &mut Models, about: &str) {
        let last = models.twin.journal().last();
        for step in workload.steps[..steps].iter().filter(|step| step.recorded) {
            let Action::Line(line) = &step.act else { continue };
            let got = self.ask(models, Query::Line { line: line.clone(), repeats: true }, about);
            let before: Value = serde_json::from_str(&step.reply.as_ref().expect("an answer").text).unwrap();
            // An assigned transaction names its customer, and the level under which it counts.
            let is_linked = before["level"].is_null() && is_of_staff(line);
            let fields = ["decision", "codes", "gates", "transaction_id"].iter();
            for field in fields.chain((!is_linked).then_some(&"level")) {
                assert_eq!(got[field], before[field], "{about}: {field} of the repetition of {line}\n{got}");
            }
            if !is_of_staff(line) && !is_of_side(line) {
                let found = compare::differences(&models.oracle.answer(line), &got);
                assert!(found.is_empty(), "{about}: {found:#?}\n{line}\n{got}");
            }
        }
        assert_eq!(models.twin.journal().last(), last, "{about}: a repetition was recorded");
    }
}

/// What a transaction shows that the model sees otherwise.
fn differs(oracle: &Oracle, place: usize, now: i64, got: &Value) -> Option<String> {
    let transaction = &oracle.transactions[place];
    let digits = oracle.rules.digits(&transaction.sent.currency);
    let amount = |minor: i128| json!(shown(minor, digits));
    let flags: Vec<&str> = transaction.all_flags().into_iter().collect();
    let mut reply: Vec<&str> = got["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    reply.sort_unstable();
    let customer = transaction.customer.map(|place| oracle.customers[place].number.to_string());
    let level = got["level"].as_object().map_or(Value::Null, |l| json!([l.get("name"), l.get("source")]));
    let facts = [
        ("status", json!(transaction.status(now)), got["status"].clone()),
        ("approved", amount(transaction.approved().unwrap_or(0)), got["approved"].clone()),
        ("held", amount(transaction.held_amount(now)), got["held"].clone()),
        ("released", amount(transaction.released()), got["released"].clone()),
        ("cancelled", amount(transaction.cancelled()), got["cancelled"].clone()),
        ("refunded", amount(transaction.refunded()), got["refunded"].clone()),
        ("charged_back", amount(transaction.charged_back()), got["charged_back"].clone()),
        ("flags", json!(flags), json!(reply)),
        ("level", json!(transaction.level.as_ref().map(|(name, source)| [name.as_deref(), Some(source)])), level),
        ("resolution", json!(transaction.resolution), got["customer"]["resolution"].clone()),
        ("customer", json!(customer), json!(customer.as_ref().and(got["customer"]["customer_id"].as_str()))),
    ];
    facts.into_iter().find(|(_, want, got)| want != got).map(|(field, want, got)| format!("{field}: {want}, not {got}"))
}

/// Questions about the usage of every customer of the model, at an instant.
fn questions(oracle: &Oracle, at: i64, all: bool) -> Vec<String> {
    let mut used: BTreeMap<usize, Vec<(String, String, String)>> = BTreeMap::new();
    for transaction in &oracle.transactions {
        if let (Some(customer), Some((Some(level), _))) = (transaction.customer, &transaction.level) {
            let key = (transaction.sent.direction.clone(), transaction.sent.currency.clone(), level.clone());
            let keys = used.entry(customer).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    let mut lines = Vec::new();
    for (place, customer) in oracle.customers.iter().enumerate() {
        if instrument_model::MERCHANTS.contains(&customer.merchant.as_str())
            || customer.merchant == staff_calls::MERCHANT
        {
            continue;
        }
        let mut keys = used.get(&place).cloned().unwrap_or_default();
        for direction in ["deposit", "withdrawal"] {
            // No level is named: then the stored one speaks.
            keys.push((direction.to_owned(), "EUR".to_owned(), String::new()));
            let every =
                ["EUR", "USD", "JPY", "BHD"].into_iter().flat_map(|c| ["gold", "bronze", "unknown"].map(|l| (c, l)));
            keys.extend(every.filter(|_| all).map(|(c, l)| (direction.to_owned(), c.to_owned(), l.to_owned())));
        }
        for (direction, currency, level) in keys {
            let mut fields = Fields::default();
            fields.text("op", "check");
            fields.text("at", &written(at));
            fields.text("merchant", &customer.merchant);
            fields.text("project", "web");
            fields.text("direction", &direction);
            fields.text("currency", &currency);
            fields.text("amount", "1");
            fields.set("explain", "true".into());
            if !level.is_empty() {
                fields.text("customer_level", &level);
            }
            if oracle.rules.merchants[&customer.merchant].crm {
                match &customer.identifier {
                    Some(identifier) => fields.text("merchant_customer_identifier", identifier),
                    // It is found by the first attribute of the project's client definition that it has.
                    None => fields.set("customer", json!(customer.attributes).to_string()),
                }
            } else {
                fields.text("customer_id", &customer.number.to_string());
            }
            lines.push(fields.line());
        }
    }
    lines
}

/// Asks for all; the first answer that differs.
pub fn disagreement(expected: &Expected, harness: &Harness, from: usize, about: &str) -> Option<String> {
    for (ask, want) in expected.asks.iter().zip(&expected.answers).skip(from) {
        let got = answer(harness, ask, about);
        if got != *want {
            return Some(format!("{ask:?}\n  must say {want}\n  and says  {got}"));
        }
    }
    None
}
