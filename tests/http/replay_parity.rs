//! The daemon and `levelgate replay` are one brain: the same operations at the same times give the same answers, byte
//! for byte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::environment::shared_data;
use support::fixtures::{CRM, GATEWAY, HOUR, MINUTE, acme, at, filter, level, level_in, with};
use support::raw_http;

/// Runs the same lines through both doors and compares; hands back how often each status was answered.
#[track_caller]
fn assert_same(folder: ConfigFolder, ops: &str) -> BTreeMap<String, usize> {
    let (file, out) = (folder.scratch_path("ops.ndjson"), folder.scratch_path("answers.ndjson"));
    std::fs::write(&file, ops).expect("the stream is written");
    let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
    let (config, input, output) = (text(folder.path()), text(&file), text(&out));
    let ended = run(&folder, &["replay", "--config", &config, &input, "--out", &output]);
    assert_eq!(ended.code, Some(0), "{}", ended.text);
    let replayed = std::fs::read_to_string(&out).expect("the answers of the replay");

    let daemon = Daemon::start(folder);
    let answer = raw_http::post_streamed(daemon.port(), "/v1/batch", ops.as_bytes().to_vec());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut served = answer.body.lines();
    let mut statuses = BTreeMap::new();
    for (number, (line, question)) in replayed.lines().zip(ops.lines()).enumerate() {
        assert_eq!(served.next(), Some(line), "line {number}: {question}");
        let status = serde_json::from_str::<Value>(line).expect("an answer is JSON")["status"].to_string();
        *statuses.entry(status).or_insert(0) += 1;
    }
    assert_eq!(replayed.lines().count(), ops.lines().count(), "one answer a line");
    assert!(answer.body == replayed, "the same to the last byte");
    statuses
}

/// A small generator, so that the stream is the same everywhere.
struct SmallRandom(u64);

impl SmallRandom {
    /// A number below `sides`.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// One of a list.
    fn pick<'a>(&mut self, list: &[&'a str]) -> &'a str {
        let sides = u64::try_from(list.len()).expect("a short list");
        list[usize::try_from(self.roll(sides)).expect("a short list")]
    }

    /// The body of a cancel: whole, or a part with an id, or a part without one, which is refused.
    fn cancel(&mut self) -> Value {
        let body = match self.roll(4) {
            0 | 1 => json!({}),
            2 => json!({ "amount": "1.25", "cancel_id": self.pick(&["x1", "x2"]) }),
            _ => json!({ "amount": "1.25" }),
        };
        if self.roll(2) == 0 { body } else { with(body, &json!({ "of": self.pick(&["reservation", "approved"]) })) }
    }

    /// A capture of a part, which more may follow.
    fn capture(&mut self) -> Value {
        let gate = self.pick(&["gate-a", "gate-b", "gate-x"]);
        let body = json!({ "amount": "3.50", "capture_id": self.pick(&["k1", "k2"]), "gate": gate });
        if self.roll(2) == 0 { body } else { with(body, &json!({ "final": false })) }
    }
}

/// The members of a payment: of a reserve, a check, a payment, or an approval that needs no reservation.
fn payment(dice: &mut SmallRandom, merchant: &str) -> Value {
    let currency = dice.pick(&["EUR", "EUR", "EUR", "USD", "JPY", "BHD"]);
    let amount = match currency {
        "JPY" => format!("{}", 1 + dice.roll(9000)),
        _ => format!("{}.{:02}", dice.roll(60), 1 + dice.roll(99)),
    };
    let mut body = json!({ "direction": dice.pick(&["deposit", "deposit", "withdrawal"]), "currency": currency, "amount": amount });
    let customer = format!("c{}", dice.roll(6));
    body = match (merchant, dice.roll(4)) {
        (_, 0) => with(body, &json!({ "customer": {"email": format!("{customer}@example.com")} })),
        ("acme", _) => with(body, &json!({ "merchant_customer_identifier": customer })),
        (_, 1) => with(body, &json!({ "customer_id": dice.pick(&["1000001", "1000003", "77", ""]) })),
        _ => with(body, &json!({ "customer": {"email": format!("{customer}@example.com"), "phone": "+4930123456"} })),
    };
    body = match dice.roll(8) {
        0 => with(body, &json!({ "customer_level": dice.pick(&["gold", "silver", "nosuch", "unknown"]) })),
        1 => with(body, &json!({ "customer_level": "" })),
        2..5 => with(body, &json!({ "customer_level": "gold" })),
        _ => body,
    };
    if dice.roll(3) == 0 {
        body = with(body, &json!({ "payment_method": dice.pick(&["card", "cash", "voucher", "wire"]) }));
    }
    if dice.roll(6) == 0 {
        body = with(body, &json!({ "payment_instrument": dice.pick(&["tok-1", "tok-2"]) }));
    }
    if dice.roll(10) == 0 {
        body = with(body, &json!({ "explain": true }));
    }
    body
}

/// Varied operations of two merchants, good and bad, with repetitions.
fn operations(seed: u64, count: usize) -> String {
    let mut dice = SmallRandom(seed);
    let (mut ops, mut now) = (Vec::<String>::new(), 0_i64);
    while ops.len() < count {
        now += match dice.roll(20) {
            0 => 7 * HOUR,
            1 => 30 * MINUTE,
            2..6 => 0,
            _ => 1 + i64::try_from(dice.roll(20_000)).expect("a short time"),
        };
        if dice.roll(25) == 0 && !ops.is_empty() {
            // The very line again: a replay, or, once the clock has gone on, a refusal.
            let again = usize::try_from(dice.roll(u64::try_from(ops.len()).expect("few"))).expect("few");
            ops.push(ops[again].clone());
            continue;
        }
        if dice.roll(40) == 0 {
            ops.push(
                dice.pick(&["{", "[]", "{}", "{\"op\": \"reserve\"}", "{\"op\": \"steal\", \"merchant\": \"acme\"}"])
                    .into(),
            );
            continue;
        }
        let merchant = dice.pick(&["acme", "zenith"]);
        let id = format!("t{}", dice.roll(u64::try_from(count / 3).expect("few")));
        let past = if dice.roll(15) == 0 { 2 * MINUTE } else { 0 };
        let head = json!({ "merchant": merchant, "transaction_id": id, "at": at(now - past) });
        let (operation, body) = match dice.roll(16) {
            0..5 => ("reserve", payment(&mut dice, merchant)),
            5..7 => ("payment", payment(&mut dice, merchant)),
            7 => ("check", payment(&mut dice, merchant)),
            8 => ("approve", payment(&mut dice, merchant)),
            9..11 => ("approve", json!({})),
            11 => ("approve", dice.capture()),
            12 => ("decline", json!({})),
            13 => ("cancel", dice.cancel()),
            14 => ("refund", json!({ "refund_id": dice.pick(&["r1", "r2"]), "amount": "1.00" })),
            _ => match dice.roll(3) {
                0 => ("extend", json!({ "until": at(now + 9 * HOUR) })),
                1 => ("chargeback", json!({ "chargeback_id": "b1", "amount": "1.00" })),
                _ => (
                    "attempt",
                    json!({ "attempt": 1, "gate": "gate-a", "outcome": dice.pick(&["declined", "approved"]) }),
                ),
            },
        };
        ops.push(with(with(head, &json!({ "op": operation })), &body).to_string());
    }
    ops.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

#[test]
fn varied_operations_are_answered_alike_by_the_daemon_and_by_replay() {
    const SEED: u64 = 20_261_120;
    eprintln!("seed {SEED}");
    let filters = filter(
        "window = \"daily\"; amount_limit = \"120.00\"; quantity_limit = 6; subtract_cancel_transactions = true",
    ) + &filter(
        "window = \"weekly\"; calendar = true; amount_limit = \"400.00\"; for_all_merchant_currencies = true",
    );
    let levels = [
        level("gold", &format!("gates = [\"gate-b\", \"gate-a\", \"gate-off\"]\nrouting = \"weighted\"\n{filters}")),
        level("silver", &filter("window = \"6h\"; amount_limit = \"50.00\"; warn_at = \"80%\"")),
        level("unknown", &filter("window = \"monthly\"; month = \"same_day\"; amount_limit = \"300.00\"")),
        level_in("withdrawal", "EUR", "gold", &filter("window = \"lifetime\"; quantity_limit = 4; mode = \"shadow\"")),
    ];
    let zenith = acme(GATEWAY, &levels).replace("id = \"acme\"", "id = \"zenith\"");
    let crm = acme(&format!("{CRM}refunds = \"original\"\ntime_zone = \"Europe/Nicosia\"\n"), &levels);
    let folder = ConfigFolder::new(&Settings::REQUEST, &[("acme", crm), ("zenith", zenith)]);
    let statuses = assert_same(folder, &operations(SEED, 900));
    // A stream that never denies, approves or refuses would compare little.
    for status in ["\"reserved\"", "\"denied\"", "\"approved\"", "\"checked\"", "400", "404", "409", "422"] {
        assert!(statuses.contains_key(status), "{status} occurs in {statuses:?}");
    }
}

#[test]
fn test_merchants_are_answered_alike_by_the_daemon_and_by_replay() {
    let levels = [level("gold", &filter("window = \"daily\"; amount_limit = \"40.00\""))];
    let merchant = |id: &str, keys: &str| {
        let text = acme(&format!("{CRM}{keys}"), &levels).replace("id = \"acme\"", &format!("id = {id:?}"));
        (id.to_owned(), text)
    };
    let merchants = [merchant("acme", ""), merchant("zenith", "sandbox = true\n")];
    let merchants: Vec<(&str, String)> = merchants.iter().map(|(id, text)| (id.as_str(), text.clone())).collect();
    let mut ops = String::new();
    for merchant in ["acme", "zenith"] {
        for op in ["reserve", "payment", "check"] {
            for (n, id) in ["19000", "19003", "19100", "19102", "19104", "19105", "19106", "1"].into_iter().enumerate()
            {
                let (who, token) = [("alice", "tok"), ("blocked-1", "tok"), ("alice", "stolen-1")][n % 3];
                let line = json!({
                    "op": op, "merchant": merchant, "transaction_id": format!("{op}-{id}"), "at": at(0),
                    "direction": "deposit", "currency": "EUR", "amount": "10.00", "customer_level": "gold",
                    "merchant_customer_identifier": who, "payment_instrument": token, "explain": op == "check",
                });
                let _ = writeln!(ops, "{line}");
            }
        }
    }
    let statuses = assert_same(ConfigFolder::new(&Settings::REQUEST, &merchants), &ops);
    assert_eq!(statuses["\"denied\""], 16 + 8, "the test merchant's all, and the real limit: {statuses:?}");
}

#[test]
fn recorded_streams_are_answered_alike_by_the_daemon_and_by_replay() {
    const LINES: usize = 4_000;
    let Some(data) = shared_data() else { return };
    let folders = std::fs::read_dir(&data).expect("the streams").map(|entry| entry.expect("an entry").path());
    for from in folders.filter(|from| from.join("ops.ndjson").is_file()) {
        let stream = from.file_name().and_then(|n| n.to_str()).expect("a name");
        let merchant = match stream {
            "retail" => "giftware",
            "bank" => "bank",
            _ => "",
        };
        let read = |path: &Path| {
            std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{} cannot be read: {e}", path.display()))
        };
        let folder = ConfigFolder::new(&Settings::REQUEST, &[]);
        let settings = read(&from.join("config/levelgate.toml"));
        folder.write("levelgate.toml", &format!("{}\n{settings}", Settings::REQUEST.text()));
        folder.write("rates.toml", &read(&from.join("config/rates.toml")));
        for entry in std::fs::read_dir(from.join("config/merchants")).expect("the merchants of a stream") {
            let path = entry.expect("a merchant's file").path();
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            folder.write(&format!("merchants/{name}"), &read(&path));
        }
        // A stream of one merchant names neither merchant nor project, which a batch needs.
        let named = |line: &str| match line.strip_prefix('{') {
            Some(rest) if !merchant.is_empty() && line.contains("\"direction\"") => {
                format!("{{\"merchant\": \"{merchant}\", \"project\": \"web\", {rest}\n")
            }
            Some(rest) if !merchant.is_empty() => format!("{{\"merchant\": \"{merchant}\", {rest}\n"),
            _ => format!("{line}\n"),
        };
        let ops: String = read(&from.join("ops.ndjson")).lines().take(LINES).map(named).collect();
        let statuses = assert_same(folder, &ops);
        eprintln!("{stream}: {statuses:?}");
    }
}
