//! Sets of facts in several orders that are all legal. Each order gets a customer of its own in one stream, so that one
//! replay and one question a customer at the end show whether the counters depend on anything but the set.

use crate::calendar::{SECOND, instant, written};
use crate::chance::Chance;
use crate::fields::Fields;
use crate::oracle::{Answer, Oracle};
use crate::rules::Rules;
use std::path::Path;

pub const MERCHANTS: [&str; 2] = ["gives", "keeps"];

/// Two merchants that differ in what a refund gives back, and a level whose limits nobody reaches.
pub fn configure(folder: &Path) {
    std::fs::create_dir_all(folder.join("merchants")).expect("a folder for merchants");
    std::fs::write(folder.join("levelgate.toml"), "[memory]\nretention_days = 400\n").expect("a file");
    let rates = "base = \"EUR\"\nas_of = 2016-03-10T11:30:00Z\nmax_age = \"1h\"\n[rates]\nUSD = \"1.0872\"\n";
    std::fs::write(folder.join("rates.toml"), rates).expect("a file");
    for (merchant, refunds) in MERCHANTS.iter().zip(["original", "none"]) {
        let mut file =
            format!("id = {merchant:?}\nname = {merchant:?}\nrefunds = {refunds:?}\ntime_zone = \"Europe/Berlin\"\n");
        file.push_str("[[gates]]\nid = \"g\"\n[[projects]]\nid = \"web\"\nclient_definition = [\"email\"]\n");
        for currency in ["EUR", "USD"] {
            file.push_str(&format!(
                "  [[projects.endpoints]]\n  id = {currency:?}\n  currency = {currency:?}\n  gates = [\"g\"]\n"
            ));
        }
        for currency in ["EUR", "USD"] {
            file.push_str(&format!(
                "[[levels]]\nname = \"gold\"\ndirection = \"deposit\"\ncurrency = {currency:?}\nprojects = [\"web\"]\n"
            ));
            let filters = [
                ("daily", "calendar = true\n  subtract_cancel_transactions = true"),
                ("weekly", "calendar = true"),
                ("2m", "subtract_cancel_transactions = true"),
                ("6h", ""),
                ("lifetime", "for_all_merchant_currencies = true\n  subtract_cancel_transactions = true"),
            ];
            for (window, options) in filters {
                file.push_str(&format!("  [[levels.filters]]\n  window = {window:?}\n  amount_limit = \"100000.00\"\n  quantity_limit = 1000\n  {options}\n"));
            }
        }
        std::fs::write(folder.join("merchants").join(format!("{merchant}.toml")), file).expect("a file");
    }
}

/// A payment of next to nothing, or the question whether it may pass.
fn ask(op: &str, at: &str, merchant: &str, currency: &str, customer: &str) -> Fields {
    let mut fields = Fields::default();
    for (key, value) in [("op", op), ("at", at), ("merchant", merchant), ("project", "web"), ("direction", "deposit")] {
        fields.text(key, value);
    }
    fields.text("currency", currency);
    fields.text("amount", "0.01");
    fields.text("customer_level", "gold");
    fields.text("merchant_customer_identifier", customer);
    if op == "check" {
        fields.set("explain", "true".into());
    } else {
        fields.text("transaction_id", at);
    }
    fields
}

/// Dollars paid, then questions in euros around the end of the time for which the rates are fresh.
pub fn questions_while_rates_age() -> Vec<String> {
    let mut lines = vec![ask("payment", "2016-03-10T11:29:00.000Z", "gives", "USD", "dora").line()];
    for at in
        ["2016-03-10T11:29:00.001Z", "2016-03-10T11:30:00.000Z", "2016-03-10T12:30:00.000Z", "2016-03-10T12:30:00.001Z"]
    {
        lines.push(ask("check", at, "gives", "EUR", "dora").line());
    }
    lines
}

/// A fact whose line still lacks what differs from one order to the next: whose transaction it is of.
#[derive(Clone)]
struct Step {
    transaction: usize,
    fields: Fields,
}

fn steps(chance: &mut Chance, merchant: &str, now: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    for transaction in 0..4 {
        let mut whole = Fields::default();
        whole.text("at", &written(now - chance.between(0, 240) * SECOND));
        whole.text("merchant", merchant);
        whole.text("project", "web");
        whole.text("direction", "deposit");
        whole.text("currency", chance.word(&["EUR", "EUR", "USD"]));
        whole.text("customer_level", "gold");
        let mut part = Fields::default();
        part.text("at", &written(now));
        part.text("merchant", merchant);
        let mut add = |fields: &Fields, op: &str, units: i64, id: Option<(String, String)>| {
            let mut fields = fields.clone();
            fields.text("op", op);
            if units > 0 {
                fields.text("amount", &format!("{units}.50"));
            }
            if let Some((key, value)) = id {
                fields.text(&key, &value);
            }
            steps.push(Step { transaction, fields });
        };
        add(&whole, "reserve", chance.between(5, 20), None);
        for n in 0..chance.between(0, 3) {
            add(&whole, "approve", chance.between(2, 12), Some(("capture_id".into(), format!("k{n}"))));
        }
        for (op, most) in [("cancel", 3), ("refund", 2), ("chargeback", 1)] {
            for n in 0..chance.between(0, most) {
                add(&part, op, chance.between(1, 6), Some((format!("{op}_id"), format!("x{n}"))));
            }
        }
        if chance.percent(30) {
            add(&part, "decline", 0, None);
        }
    }
    steps
}

/// Plays the steps in a random order, putting off those that are not legal yet; returns the lines in that order, and
/// the steps that never became legal.
fn play(chance: &mut Chance, oracle: &mut Oracle, steps: &[Step], customer: &str) -> (Vec<String>, Vec<Step>) {
    let mut waiting = steps.to_vec();
    chance.shuffle(&mut waiting);
    let mut lines = Vec::new();
    loop {
        let before = lines.len();
        let mut left = Vec::new();
        for step in waiting {
            let mut fields = step.fields.clone();
            fields.text("transaction_id", &format!("{customer}-{}", step.transaction));
            if fields.has("customer_level") {
                fields.text("merchant_customer_identifier", customer);
            }
            let mut tried = oracle.clone();
            if matches!(tried.answer(&fields.line()), Answer::Refused(_)) {
                left.push(step);
            } else {
                *oracle = tried;
                lines.push(fields.line());
            }
        }
        if left.is_empty() || lines.len() == before {
            return (lines, left);
        }
        waiting = left;
    }
}

/// A stream in which the same set of facts happens to several customers in different orders, and the question at the
/// end for each of them.
pub fn stream(chance: &mut Chance, config: &Path, orders: usize) -> (Vec<String>, Vec<String>) {
    let now = instant("2016-03-10T12:00:00Z").expect("an instant");
    let merchant = *chance.pick(&MERCHANTS);
    let mut oracle = Oracle::new(Rules::read(config));
    // The clock stands still from the first line on; every transaction lies a little back, in whatever order it comes.
    let mut lines = vec![ask("check", &written(now), merchant, "EUR", "nobody").line()];
    let mut questions = Vec::new();
    oracle.answer(&lines[0]);
    let steps = steps(chance, merchant, now);
    // What the first order could not do at all is left out of the set.
    let (_, impossible) = play(chance, &mut oracle.clone(), &steps, "first");
    let same = |a: &Step, b: &Step| a.transaction == b.transaction && a.fields.line() == b.fields.line();
    let set: Vec<Step> = steps.into_iter().filter(|s| !impossible.iter().any(|i| same(s, i))).collect();
    for order in 0..orders {
        let customer = format!("c{order}");
        let played = (0..1_000).find_map(|_| {
            let mut tried = oracle.clone();
            let (lines, left) = play(chance, &mut tried, &set, &customer);
            left.is_empty().then_some((lines, tried))
        });
        let (ordered, after) = played.expect("an order that is legal from start to end");
        lines.extend(ordered);
        oracle = after;
        questions.push(ask("check", &written(now), merchant, "EUR", &customer).line());
    }
    (lines, questions)
}
