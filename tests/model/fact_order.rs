//! Sets of facts in several orders that are all legal. Each order gets its own customer in one stream, so that one
//! replay and one question a customer at the end show whether the counters depend on anything but the set.

use std::collections::VecDeque;
use std::path::Path;
use support::model::calendar::{SECOND, instant, written};
use support::model::fields::Fields;
use support::model::oracle::{Answer, Oracle};
use support::model::rules::Rules;
use support::random::Random;

pub const MERCHANTS: [&str; 2] = ["gives", "keeps"];

const TRANSACTIONS: usize = 4;

/// Two merchants that differ in what a refund gives back, and a level whose limits no customer reaches.
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

/// The facts of four transactions. Every cancel names its money and every capture its amount: without that a
/// fact depends on what came before it.
fn steps(random: &mut Random, merchant: &str, now: i64) -> Vec<Step> {
    let mut steps = Vec::new();
    for transaction in 0..TRANSACTIONS {
        let mut whole = Fields::default();
        whole.text("at", &written(now - random.between(0, 240) * SECOND));
        whole.text("merchant", merchant);
        whole.text("project", "web");
        whole.text("direction", "deposit");
        whole.text("currency", random.word(&["EUR", "EUR", "USD"]));
        whole.text("customer_level", "gold");
        let mut part = Fields::default();
        part.text("at", &written(now));
        part.text("merchant", merchant);
        let mut add = |fields: &Fields, op: &str, amount: Option<i64>, others: &[(&str, &str)]| {
            let mut fields = fields.clone();
            fields.text("op", op);
            if let Some(units) = amount {
                fields.text("amount", &format!("{units}.50"));
            }
            for (key, value) in others {
                fields.text(key, value);
            }
            steps.push(Step { transaction, fields });
        };
        add(&whole, "reserve", Some(random.between(5, 30)), &[("payment_instrument", "tok_a")]);
        let announces = random.percent(60);
        for n in 0..random.between(0, 3) {
            let mut fields = if random.percent(60) { whole.clone() } else { part.clone() };
            if announces && random.percent(85) {
                fields.set("final", "false".into());
            }
            let gate = random.word(&["g", "g", "no-such-gate"]);
            add(&fields, "approve", Some(random.between(2, 12)), &[("capture_id", &format!("k{n}")), ("gate", gate)]);
        }
        for n in 0..random.between(0, 4) {
            let of = random.word(&["reservation", "approved"]);
            add(&part, "cancel", Some(random.between(1, 6)), &[("cancel_id", &format!("x{n}")), ("of", of)]);
        }
        for (op, most) in [("refund", 2), ("chargeback", 1)] {
            for n in 0..random.between(0, most) {
                add(&part, op, Some(random.between(1, 6)), &[(&format!("{op}_id"), &format!("x{n}"))]);
            }
        }
        if random.percent(20) {
            add(&part, "decline", None, &[]);
        }
        if random.percent(30) {
            add(&part, "extend", None, &[("until", &written(now + 5_400 * SECOND))]);
        }
    }
    steps
}

/// Plays the steps in a random order, putting off those that are not legal yet; returns the lines in that order, and
/// the steps that never became legal.
fn play(random: &mut Random, oracle: &mut Oracle, steps: &[Step], customer: &str) -> (Vec<String>, Vec<Step>) {
    let mut waiting = steps.to_vec();
    random.shuffle(&mut waiting);
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

/// The same question about every customer, of whom each had the same facts in another order.
pub struct Round {
    pub lines: Vec<String>,
    /// The fields in which the answers must agree.
    pub same: &'static [&'static str],
}

const DECISION: [&str; 3] = ["decision", "remaining", "limits"];
const QUANTITIES: [&str; 8] =
    ["status", "amount", "held", "cancelled", "released", "refunded", "charged_back", "remaining"];

/// The questions of one instant. An attempt changes nothing and returns the state of a transaction.
fn rounds(at: i64, merchant: &str, orders: usize) -> Vec<Round> {
    let of_each = |line: &dyn Fn(&str) -> Fields, same| Round {
        lines: (0..orders).map(|order| line(&format!("c{order}")).line()).collect(),
        same,
    };
    let checks = ["EUR", "USD"]
        .map(|currency| of_each(&|customer| ask("check", &written(at), merchant, currency, customer), &DECISION));
    let attempts = (0..TRANSACTIONS).map(|transaction| {
        let attempt = |customer: &str| {
            let mut fields = Fields::default();
            for (key, value) in [("op", "attempt"), ("at", &written(at)), ("merchant", merchant)] {
                fields.text(key, value);
            }
            fields.text("transaction_id", &format!("{customer}-{transaction}"));
            fields.set("attempt", "1".into());
            fields.text("gate", "g");
            fields.text("outcome", "declined");
            fields
        };
        of_each(&attempt, &QUANTITIES)
    });
    checks.into_iter().chain(attempts).collect()
}

/// A stream in which the same set of facts happens to several customers in different orders, and the questions at the
/// end: while holds last, when those have ended that nothing extended, and when all have.
pub fn stream(random: &mut Random, config: &Path, orders: usize) -> (Vec<String>, Vec<Round>) {
    let now = instant("2016-03-10T12:00:00Z").expect("an instant");
    let merchant = *random.pick(&MERCHANTS);
    let mut oracle = Oracle::new(Rules::read(config));
    // The clock stands still from the first line on; every transaction lies a little back, in any order.
    let mut lines = vec![ask("check", &written(now), merchant, "EUR", "nobody").line()];
    oracle.answer(&lines[0]);
    let steps = steps(random, merchant, now);
    // Facts that the first order could not apply are left out of the set.
    let (_, impossible) = play(random, &mut oracle.clone(), &steps, "first");
    let same = |a: &Step, b: &Step| a.transaction == b.transaction && a.fields.line() == b.fields.line();
    let set: Vec<Step> = steps.into_iter().filter(|s| !impossible.iter().any(|i| same(s, i))).collect();
    for order in 0..orders {
        let customer = format!("c{order}");
        // Transactions do not depend on each other: each gets its order, and the orders are mixed.
        let mut orders: Vec<VecDeque<String>> = (0..TRANSACTIONS)
            .map(|transaction| {
                let own: Vec<Step> = set.iter().filter(|s| s.transaction == transaction).cloned().collect();
                let played = (0..1_000).find_map(|_| {
                    let (lines, left) = play(random, &mut oracle.clone(), &own, &customer);
                    left.is_empty().then_some(lines)
                });
                played.expect("an order that is legal from start to end").into()
            })
            .collect();
        while !orders.is_empty() {
            let place = random.place(orders.len());
            match orders[place].pop_front() {
                Some(line) => {
                    oracle.answer(&line);
                    lines.push(line);
                }
                None => _ = orders.remove(place),
            }
        }
    }
    let times = [now, now + 3_600 * SECOND, now + 5_400 * SECOND];
    (lines, times.into_iter().flat_map(|at| rounds(at, merchant, orders)).collect())
}
