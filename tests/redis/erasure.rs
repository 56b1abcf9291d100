//! A customer who asks to be forgotten, from the request to what is left a month later: in the answers, in the files, in
//! Redis, and after a restart.

use std::path::Path;

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, run};
use support::fixtures::{DAY, later, pay, with};
use support::moved_clock;
use support::process::eventually;
use support::redis::daemons::{durable, folder_with};
use support::redis::resp::Answer;
use support::redis::server::RedisServer;

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
/// Small segments, so that the customer is in the journal, a snapshot and the archive.
const SMALL: &str = "kind = \"disk\"\npath = \"data\"\nsync = \"always\"\nsegment_bytes = 4096\n\n[memory]\n\
                     retention_days = 1";
const IDENTIFIER: &str = "erika.id@example.org";
const PERSONAL: [(&str, &str); 5] = [
    ("email", "erika.mail@example.net"),
    ("phone", "+493055566677"),
    ("first_name", "Erikafirst"),
    ("city", "Erikacity"),
    ("comment", "Erikacomment"),
];
const PAYMENTS: u64 = 40;

fn folder(server: &RedisServer) -> ConfigFolder {
    let mut folder = folder_with(server, SMALL, "on_outage = \"continue\"");
    let merchant = std::fs::read_to_string(folder.path().join("merchants/acme.toml")).expect("the merchant");
    let head = "deletion_grace = \"30d\"\nseal_identifiers = true\n";
    folder.write("merchants/acme.toml", &merchant.replacen("deletion_grace = \"1s\"\n", head, 1));
    let clock = folder.scratch_path("clock");
    moved_clock::set(&clock, "+0");
    moved_clock::follow(&mut folder, &clock);
    folder
}

/// Moves the clock so far from today, and accepts it.
fn move_to(daemon: &Daemon, days: &str) {
    moved_clock::set(&daemon.folder.scratch_path("clock"), days);
    eventually("the clock is accepted", || {
        daemon.post_nothing("/v1/clock/accept").ok();
        daemon.get("/readyz").status == 200
    });
}

fn reserve(daemon: &Daemon, id: &str) -> Value {
    let erika = json!({ "merchant_customer_identifier": IDENTIFIER, "payment_instrument": "tok-erika" });
    daemon.reserve(&with(pay(id, "2.50"), &erika)).ok()
}

/// Every answer that can show the customer, each with its path.
fn answers(daemon: &Daemon, customer: &str) -> Vec<(String, String)> {
    let of_customer = ["", "/history", "/export", "/usage", "/transactions?limit=1000", "/instruments/tok-erika"];
    let of_merchant =
        ["/customers?limit=100", "/customers.csv", "/transactions?limit=1000", "/audit?limit=1000", "/customers/jobs"];
    let paths = of_customer.iter().map(|path| format!("{customer}{path}"));
    let paths = paths.chain(of_merchant.iter().map(|path| format!("/v1/merchants/acme{path}")));
    let paths = paths.chain(["/v1/events?limit=1000".to_owned(), "/v1/status".to_owned(), "/metrics".to_owned()]);
    paths.map(|path| (daemon.get(&path).body, path)).map(|(body, path)| (path, body)).collect()
}

/// The places that contain a text, in any case of its letters.
fn places<'p>(all: impl IntoIterator<Item = (&'p str, &'p [u8])>, text: &str) -> Vec<&'p str> {
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
    all.into_iter().filter(|(_, bytes)| holds(bytes)).map(|(place, _)| place).collect()
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
        match entry.path().is_dir() {
            true => files(&entry.path(), found),
            // A file may go while it is looked at.
            false => {
                found.extend(std::fs::read(entry.path()).ok().map(|bytes| (entry.path().display().to_string(), bytes)));
            }
        }
    }
}

/// Every key of the copy in Redis with all that it contains.
fn redis_values(server: &RedisServer) -> Vec<(String, Vec<u8>)> {
    fn collect(answer: &Answer, out: &mut Vec<u8>) {
        match answer {
            Answer::Text(text) => {
                out.extend_from_slice(text);
                out.push(b'\n');
            }
            Answer::List(parts) => parts.iter().for_each(|part| collect(part, out)),
            _ => {}
        }
    }
    let keys = server.command("KEYS *");
    let value = |key: String| {
        let read = match server.command(&format!("TYPE {key}")).text().as_str() {
            "hash" => format!("HGETALL {key}"),
            "stream" => format!("XRANGE {key} - +"),
            "set" => format!("SMEMBERS {key}"),
            "zset" => format!("ZRANGE {key} 0 -1"),
            "list" => format!("LRANGE {key} 0 -1"),
            _ => format!("GET {key}"),
        };
        let mut bytes = Vec::new();
        collect(&server.command(&read), &mut bytes);
        (key, bytes)
    };
    keys.list().iter().map(|key| value(key.text())).collect()
}

fn places_of<'p>(all: &'p [(String, Vec<u8>)], text: &str) -> Vec<&'p str> {
    places(all.iter().map(|(place, bytes)| (place.as_str(), bytes.as_slice())), text)
}

/// What counts of the customer: totals and every transaction, without the times of the answers.
fn counted(daemon: &Daemon, customer: &str) -> Value {
    let listed =
        daemon.get(&format!("{customer}/transactions?status=approved&limit=1000")).ok()["transactions"].clone();
    let amounts = listed.as_array().expect("a list").iter();
    let amounts: Vec<Value> =
        amounts.map(|one| json!([one["transaction_id"], one["amount"], one["approved"]])).collect();
    json!([daemon.get(&format!("{customer}/usage")).ok()["totals"], amounts])
}

#[test]
fn after_the_grace_period_nothing_personal_is_left_and_everything_counts() {
    let server = durable();
    let mut daemon = Daemon::start(folder(&server));
    let mut body = json!({ "merchant_customer_identifier": IDENTIFIER });
    for (field, value) in PERSONAL {
        body[field] = json!(value);
    }
    let id = daemon.post(CUSTOMERS, &body).json()["customer_id"].as_str().expect("an id").to_owned();
    let customer = format!("{CUSTOMERS}/{id}");
    for n in 0..PAYMENTS {
        let payment = format!("t{n}");
        assert_eq!(reserve(&daemon, &payment)["decision"], "allow");
        daemon.step(&payment, "approve", &json!({})).ok();
    }
    daemon.post_nothing("/v1/snapshot").ok();
    let requested = daemon.delete(&customer).ok();
    let due = requested["deletion_due"].as_str().expect("a time").to_owned();
    assert_eq!((&requested["erased"], &requested["email"]), (&json!(false), &json!(PERSONAL[0].1)), "{requested}");
    let before = counted(&daemon, &customer);
    assert_eq!(before[1].as_array().map(Vec::len), usize::try_from(PAYMENTS).ok(), "{before}");

    // A day before, nothing is erased: staff still read everything, and may withdraw the request.
    move_to(&daemon, "+29d");
    daemon.post_nothing("/v1/snapshot").ok();
    let shown = daemon.get(&customer).ok();
    assert_eq!((&shown["erased"], &shown["deletion_due"]), (&json!(false), &json!(due)), "{shown}");
    let all = answers(&daemon, &customer);
    let in_answers = |all: &[(String, String)], text: &str| -> Vec<String> {
        let found = places(all.iter().map(|(path, body)| (path.as_str(), body.as_bytes())), text);
        found.into_iter().map(str::to_owned).collect()
    };
    for text in PERSONAL.iter().map(|(_, text)| *text).chain([IDENTIFIER]) {
        assert!(in_answers(&all, text).len() > 2, "{text}: {:?}", in_answers(&all, text));
    }

    move_to(&daemon, "+31d");
    eventually("the customer is erased", || daemon.get(&customer).ok()["erased"] == true);
    daemon.post_nothing("/v1/snapshot").ok();
    let archive = daemon.folder.path().join("data/archive");
    assert!(std::fs::read_dir(&archive).is_ok_and(|files| files.count() > 2), "the customer is in the archive");
    let erased_keys = || server.command("HLEN {levelgate}:erased").number();
    eventually("Redis has the erasure", || erased_keys() == 1);
    for round in ["at once", "after a kill"] {
        let shown = daemon.get(&customer).ok();
        assert_eq!((&shown["erased"], &shown["deletion_due"]), (&json!(true), &Value::Null), "{round}: {shown}");
        let (mut on_disk, in_redis) = (Vec::new(), redis_values(&server));
        files(&daemon.folder.path().join("data"), &mut on_disk);
        let all = answers(&daemon, &customer);
        for text in PERSONAL.iter().map(|(_, text)| *text).chain([IDENTIFIER]) {
            assert_eq!(in_answers(&all, text), [""; 0], "{text} is answered {round}");
            assert_eq!(places_of(&on_disk, text), [""; 0], "{text} is in a file {round}");
            assert_eq!(places_of(&in_redis, text), [""; 0], "{text} is in Redis {round}");
            assert!(!daemon.log().contains(text), "{text} is in the log {round}");
        }
        // The search was by the very values.
        assert!(!places_of(&on_disk, "tok-erika").is_empty() && on_disk.len() > 5, "{}", on_disk.len());
        assert!(in_redis.iter().any(|(_, bytes)| bytes.len() > 100), "the copy has records");
        let found = daemon.get(&format!("{CUSTOMERS}?email={}", PERSONAL[0].1)).ok();
        assert_eq!(found["customers"], json!([]), "{round}");
        assert_eq!(counted(&daemon, &customer), before, "{round}");
        // Who asked and when, and when it was done.
        for path in ["/v1/merchants/acme/audit?kind=erasure".to_owned(), format!("{customer}/history")] {
            let document = daemon.get(&path).ok();
            let steps = document["audit"].as_array().or(document["history"].as_array()).expect("steps");
            let with_change = |field: &str, new: Value| {
                let has = |step: &&Value| {
                    let changes = step["changes"].as_array().expect("changes");
                    changes.iter().any(|change| change["field"] == field && change["new"] == new)
                };
                steps.iter().find(has).unwrap_or_else(|| panic!("{path}: no step sets {field}: {document}")).clone()
            };
            let (asked, done) = (with_change("deletion_due", json!(due)), with_change("erased", json!(true)));
            assert_eq!((&asked["source"], &done["source"]), (&json!("api"), &json!("system")), "{path}");
            let (asked, done) = (asked["at"].as_str().expect("a time"), done["at"].as_str().expect("a time"));
            assert_eq!(later(asked, 30 * DAY), due, "{path}: {document}");
            assert!(done >= due.as_str() && done < later(&due, 2 * DAY).as_str(), "{path}: {done} and not {due}");
        }
        let denied = reserve(&daemon, &format!("denied {round}"));
        assert_eq!((&denied["code"], &denied["customer"]["resolution"]), (&json!(19100), &json!("found")), "{denied}");
        assert_eq!(denied["codes"][0]["blocked_by"][0]["cause"], "erased", "{denied}");
        if round == "at once" {
            // The denial is a transaction of the customer too, and counts nothing.
            daemon.kill_and_start();
            let listed = daemon.get(&format!("{customer}/transactions?status=denied")).ok();
            assert_eq!(listed["transactions"].as_array().map(Vec::len), Some(1), "{listed}");
        }
    }
    assert_eq!(erased_keys(), 1);
    let shown = run(&daemon.folder, &["inspect", "data"]);
    assert!(shown.text.contains("1 erased"), "{}", shown.text);
}
