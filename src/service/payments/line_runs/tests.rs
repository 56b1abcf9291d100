//! Streams on several threads give the answers and the state of the same lines one after the other.

use super::*;
use crate::{
    clock::{Clock, Source},
    config,
    domain::{
        decision::clock_skew::ClockSkew,
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{Ledger, LedgerLimits, LedgerStorage},
    service::{
        commit::AnswerGate,
        error::ServiceError,
        payments::{PaymentService, lines::answer_line},
    },
    telemetry::metrics::Meters,
};
use arc_swap::ArcSwap;
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

const START: i64 = 1_790_000_000_000;
const HOUR: i64 = 3_600_000;

/// What the merchants have in common.
const PLACES: &str = r#"
add_all_projects_to_unknown_level = true
time_zone = "Europe/Nicosia"
[[gates]]
id = "gate-a"
[[gates]]
id = "gate-b"
max_amount = "30.00"
[[projects]]
id = "web"
client_definition = ["email", "phone", "external_id", "payment_instrument"]
  [[projects.endpoints]]
  id = "web-eur"
  currency = "EUR"
  gates = ["gate-a", "gate-b"]
  [[projects.endpoints]]
  id = "web-usd"
  currency = "USD"
  gates = ["gate-a"]
[[levels]]
name = "gold"
direction = "deposit"
currency = "EUR"
projects = ["web"]
  [[levels.filters]]
  window = "daily"
  amount_limit = "60.00"
  quantity_limit = 5
  subtract_cancel_transactions = true
  [[levels.filters]]
  window = "weekly"
  calendar = true
  amount_limit = "400.00"
[[levels]]
name = "silver"
direction = "deposit"
currency = "EUR"
projects = ["web"]
  [[levels.filters]]
  window = "6h"
  amount_limit = "60.00"
[[levels]]
name = "unknown"
direction = "deposit"
currency = "EUR"
projects = ["web"]
  [[levels.filters]]
  window = "daily"
  quantity_limit = 4
"#;

/// The merchants, each with its own way to recognise and to number customers.
const MERCHANTS: [(&str, &str, &str); 4] = [
    ("shop", "crm", ""),
    ("bank", "payment_gateway", ""),
    (
        "club",
        "crm",
        "[registration]\nemail = { unique = true }\n[registration.external_id]\nunique = true\nlength = 6\noffset = 1\n\
         checksum = \"auto_inc\"\n",
    ),
    ("wary", "payment_gateway", "[registration]\nfrom_payments = \"match\"\nphone = { unique = true }\n"),
];

fn service(transactions_max: u64) -> PaymentService {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    for (id, mode, registration) in MERCHANTS {
        let (top, tables) = PLACES.split_once("[[gates]]").unwrap();
        let text = format!("id = \"{id}\"\noperation_mode = \"{mode}\"\n{top}\n{registration}[[gates]]{tables}");
        std::fs::write(folder.path().join(format!("merchants/{id}.toml")), text).unwrap();
    }
    let loaded = config::load(folder.path()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let skew = ClockSkew { past_ms: 300_000, future_ms: 5_000 };
    PaymentService {
        ledger: Ledger::new(LedgerLimits { transactions_max, skew }, LedgerStorage::in_memory((7, 9))),
        rules: ArcSwap::from_pointee(loaded.rules),
        clock: Clock::new(Source::Requests),
        meters: Meters::new(),
        body_bytes_max: 2_000,
        gate: AnswerGate::local(),
    }
}

/// A portable random generator.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[usize::try_from(self.below(list.len() as u64)).unwrap()]
    }
}

/// How a stream is made.
#[derive(Debug, Clone, Copy)]
struct Shape {
    lines: u64,
    ids: u64,
    customers: u64,
    /// One line in so many names a new level, is malformed, or repeats another one.
    odd_one_in: u64,
}

fn add(body: &mut Value, members: Value) {
    let (Value::Object(body), Value::Object(members)) = (body, members) else { panic!("two objects") };
    body.extend(members);
}

fn at(moment: i64) -> String {
    Millis(START + moment).to_string()
}

fn payment(random: &mut Random, shape: Shape, merchant: &str, seed: u64) -> Value {
    let mut body = json!({
        "direction": random.pick(&["deposit", "deposit", "deposit", "withdrawal"]),
        "currency": random.pick(&["EUR", "EUR", "EUR", "USD", "SEK"]),
        "amount": format!("{}.{:02}", random.below(20), 1 + random.below(99)),
    });
    let customer = random.below(shape.customers);
    let is_crm = matches!(merchant, "shop" | "club");
    match random.below(8) {
        0 => add(&mut body, json!({ "customer": { "email": format!("c{customer}@example.com") } })),
        1 => add(&mut body, json!({ "customer": { "phone": format!("+49301234{:03}", customer % 7) } })),
        2 => add(&mut body, json!({ "payment_instrument": format!("tok-{}", customer % 5) })),
        _ if is_crm => add(&mut body, json!({ "merchant_customer_identifier": format!("c{customer}") })),
        _ => add(&mut body, json!({ "customer_id": format!("{}", 1_000_001 + customer) })),
    }
    if random.below(6) == 0 {
        let email = format!("c{}@example.com", random.below(shape.customers));
        let external_id = format!("{:06}", random.below(40));
        add(
            &mut body,
            match random.below(2) {
                0 => json!({ "customer": { "email": email, "first_name": "Ann" } }),
                _ => json!({ "customer": { "external_id": external_id } }),
            },
        );
    }
    match random.below(8) {
        0 => add(&mut body, json!({ "customer_level": "" })),
        1..4 => add(&mut body, json!({ "customer_level": random.pick(&["gold", "silver", "unknown"]) })),
        4 if random.below(shape.odd_one_in) == 0 => {
            let (level, method) = (format!("made-{seed}-{}", random.below(9)), format!("method-{seed}"));
            add(&mut body, json!({ "customer_level": level, "payment_method": method }));
        }
        _ => {}
    }
    if random.below(9) == 0 {
        add(&mut body, json!({ "payment_instrument": format!("tok-{}", random.below(5)) }));
    }
    if random.below(20) == 0 {
        add(&mut body, json!({ "explain": true }));
    }
    body
}

/// A stream of varied lines.
fn stream(seed: u64, shape: Shape) -> Vec<String> {
    let mut random = Random(seed);
    let (mut lines, mut now) = (Vec::<String>::new(), 0);
    while (lines.len() as u64) < shape.lines {
        now += match random.below(30) {
            0 => 3 * HOUR,
            1..10 => 0,
            _ => i64::try_from(random.below(3_000)).unwrap(),
        };
        if random.below(shape.odd_one_in) == 0 && !lines.is_empty() {
            let earlier = usize::try_from(random.below(lines.len() as u64)).unwrap();
            lines.push(lines[earlier].clone());
            continue;
        }
        if random.below(shape.odd_one_in) == 0 {
            let id = random.below(shape.ids);
            lines.push(match random.below(6) {
                0 => "{".to_owned(),
                1 => format!("{{\"op\": \"approve\", \"merchant\": \"shop\", \"transaction_id\": \"t{id}\", \"amount\": \"1e3\"}}"),
                2 => format!("{{\"op\": \"cancel\", \"merchant\": \"shop\", \"transaction_id\": \"t{id}\", \"at\": \"noon\"}}"),
                3 => format!("{{\"op\": \"reserve\", \"merchant\": \"nobody\", \"transaction_id\": \"t{id}\"}}"),
                4 => format!("{{\"op\": \"decline\", \"merchant\": \"sh\\u006fp\", \"transaction_id\": \"t{id}\"}}"),
                _ => "x".repeat(3_000),
            });
            continue;
        }
        let merchant = random.pick(&["shop", "shop", "bank", "club", "wary"]);
        let mut line = json!({
            "merchant": merchant,
            "transaction_id": format!("t{}", random.below(shape.ids)),
            "at": at(now - if random.below(12) == 0 { 120_000 } else { 0 }),
        });
        let (operation, members) = match random.below(16) {
            0..7 => ("reserve", payment(&mut random, shape, merchant, seed)),
            7 => ("payment", payment(&mut random, shape, merchant, seed)),
            8 => ("check", payment(&mut random, shape, merchant, seed)),
            9 => ("approve", payment(&mut random, shape, merchant, seed)),
            10 => ("approve", json!({})),
            11 => ("approve", json!({ "amount": "3.00", "capture_id": random.pick(&["k1", "k2"]), "final": false })),
            12 => ("decline", json!({})),
            13 => ("cancel", json!({ "cancel_id": random.pick(&["x1", "x2"]), "amount": "1.00" })),
            14 => ("refund", json!({ "refund_id": "r1", "amount": "1.00" })),
            _ => ("extend", json!({ "until": at(now + 9 * HOUR) })),
        };
        add(&mut line, members);
        add(&mut line, json!({ "op": operation }));
        lines.push(line.to_string());
    }
    lines
}

/// No merchant `locked` may be entered by the caller.
fn may_enter(merchant: &str) -> Result<(), ServiceError> {
    if merchant == "locked" { Err(ServiceError::forbidden("locked")) } else { Ok(()) }
}

fn one_after_the_other(service: &PaymentService, lines: &[String]) -> String {
    let mut out = Vec::new();
    for line in lines {
        let line = if line.len() > service.body_bytes_max { Err(service.body_bytes_max) } else { Ok(line.as_bytes()) };
        answer_line(service, line, &mut out, may_enter);
    }
    String::from_utf8(out).unwrap()
}

/// Answers the lines in runs of up to `run_lines` lines on so many threads.
fn in_runs(service: &PaymentService, lines: &[String], run_lines: u64, threads: usize) -> String {
    let (mut random, mut runs, mut rest) = (Random(run_lines), Vec::new(), lines);
    while !rest.is_empty() {
        let mut run = RunSplitter::new(service.body_bytes_max);
        let (now, later) = rest.split_at(rest.len().min(1 + usize::try_from(random.below(run_lines)).unwrap()));
        now.iter().for_each(|line| _ = run.feed(format!("{line}\n").as_bytes()));
        runs.push(run.take().unwrap());
        rest = later;
    }
    let answers = Mutex::new(vec![Vec::new(); runs.len()]);
    let (next, order) = (AtomicU64::new(0), LineOrder::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(run) = usize::try_from(number).ok().and_then(|place| runs.get(place)) else { return };
                    let stream = LineStream { service, order: &order, may_enter: &may_enter };
                    let answered = stream.answer(number, run);
                    assert_eq!(answered.ends.len(), run.len());
                    assert_eq!(answered.ends.last(), Some(&answered.bytes.len()));
                    answers.lock().unwrap()[usize::try_from(number).unwrap()] = answered.bytes;
                }
            });
        }
    });
    String::from_utf8(answers.into_inner().unwrap().concat()).unwrap()
}

/// The state, as far as a caller can see it: every customer's usage and numbers, every transaction, the made levels.
fn state_of(service: &PaymentService, lines: &[String], shape: Shape) -> String {
    let mut state = format!("next customer {}\n", service.ledger.next_customer());
    for (id, mode, _) in MERCHANTS {
        let _ = writeln!(state, "{id}: {:?}", service.ledger.made_levels(Name::parse(id).unwrap()));
        let mut questions = Vec::new();
        for customer in 0..shape.customers.min(40) {
            let mut ask = |member: Value| {
                let mut line = json!({
                    "op": "check", "merchant": id, "direction": "deposit", "currency": "EUR", "amount": "1.00",
                    "customer_level": "gold", "explain": true,
                });
                add(&mut line, member);
                questions.push(line.to_string());
            };
            ask(json!({ "customer": { "email": format!("c{customer}@example.com") } }));
            ask(json!({ "customer": { "external_id": format!("{customer:06}") } }));
            match mode {
                "crm" => ask(json!({ "merchant_customer_identifier": format!("c{customer}") })),
                _ => ask(json!({ "customer_id": format!("{}", 1_000_001 + customer) })),
            }
        }
        state += &one_after_the_other(service, &questions);
    }
    // Each line again shows its transaction as it is now.
    state + &one_after_the_other(service, lines)
}

#[track_caller]
fn assert_equal_lines(got: &str, want: &str, lines: &[String], case: &str) {
    for (number, (got, want)) in got.lines().zip(want.lines()).enumerate() {
        assert_eq!(got, want, "{case}, line {number}: {}", lines.get(number).map_or("", String::as_str));
    }
    assert!(got == want, "{case}");
}

#[track_caller]
fn assert_equal(seed: u64, shape: Shape, transactions_max: u64) -> String {
    let lines = stream(seed, shape);
    // First: names that nothing has used yet are new once in a process.
    let cases = [(4, 3), (2, 40), (3, 12), (1, 20), (8, 2)];
    let results = cases.map(|(threads, run_lines)| {
        let service = service(transactions_max);
        let answers = in_runs(&service, &lines, run_lines, threads);
        (answers, state_of(&service, &lines, shape))
    });
    let service = service(transactions_max);
    let answers = one_after_the_other(&service, &lines);
    let state = state_of(&service, &lines, shape);
    for ((threads, run_lines), result) in cases.iter().zip(&results) {
        let case = format!("seed {seed}, {shape:?}, {threads} threads, runs of up to {run_lines} lines");
        assert_equal_lines(&result.0, &answers, &lines, &case);
        assert_equal_lines(&result.1, &state, &[], &format!("{case}, the state after it"));
    }
    answers
}

/// A stream without these would compare little.
#[track_caller]
fn assert_varied(answers: &str) {
    for word in ["\"reserved\"", "\"denied\"", "\"created\"", "\"found\"", "\"bypassed\"", "\"replay\":true"] {
        assert!(answers.contains(word), "no {word}");
    }
    for status in [400, 404, 409, 413, 422] {
        assert!(answers.contains(&format!("\"status\":{status}")), "no {status}");
    }
}

#[test]
fn lines_in_runs_are_answered_as_one_after_the_other() {
    let shapes = [
        Shape { lines: 400, ids: 200, customers: 5, odd_one_in: 15 },
        Shape { lines: 400, ids: 400, customers: 60, odd_one_in: 12 },
        Shape { lines: 400, ids: 60, customers: 20, odd_one_in: 200 },
        Shape { lines: 500, ids: 5_000, customers: 300, odd_one_in: 40 },
    ];
    let mut answers = String::new();
    for (number, shape) in shapes.into_iter().enumerate() {
        for seed in 0..3 {
            answers += &assert_equal(seed * 10 + number as u64, shape, u64::MAX);
        }
    }
    assert_varied(&answers);
}

#[test]
fn lines_near_the_limit_on_transactions_are_answered_as_one_after_the_other() {
    let shape = Shape { lines: 500, ids: 300, customers: 30, odd_one_in: 30 };
    for seed in 100..102 {
        let answers = assert_equal(seed, shape, 120);
        assert!(answers.contains("\"status\":503"), "the limit is not reached");
    }
}

#[test]
fn a_run_whose_thread_has_panicked_does_not_stop_the_runs_after_it() {
    let service = service(u64::MAX);
    let order = LineOrder::default();
    let run = |text: &str| {
        let mut lines = RunSplitter::new(2_000);
        lines.feed(text.as_bytes());
        lines.take().unwrap()
    };
    let line =
        "{\"op\": \"decline\", \"merchant\": \"shop\", \"transaction_id\": \"t1\", \"at\": \"2026-11-20T10:00:00Z\"}\n";
    let panics = |_: &str| -> Result<(), ServiceError> { panic!("a fault") };
    let stream = LineStream { service: &service, order: &order, may_enter: &may_enter };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        LineStream { may_enter: &panics, ..stream }.answer(0, &run(line))
    }));
    assert!(outcome.is_err());
    let answered = stream.answer(1, &run(line));
    assert_eq!((answered.problems.len(), answered.problems[0].1.status), (1, 404));
}
