//! Sealed identifiers over the wire: what a daemon leaves in its data folder and its log after a rich day, and that
//! nothing is answered otherwise.

use std::path::Path;

use serde_json::{Value, json};

use crate::staff_calls::{CUSTOMERS, labels, look, of, register, steps};
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, DAY, GATEWAY, MINUTE, acme, filter, level, pay, tick, when, with, without};
use support::process::eventually;
use support::raw_http;

/// Small segments and a day of retention, so that a run reaches the archive.
const SMALL: &str = "kind = \"disk\"\nsync = \"always\"\nsnapshot_interval_s = 3600\nsegment_bytes = 4096\n\n\
                     [memory]\nretention_days = 1";

/// Sent as identifiers of customers.
const IDENTIFIERS: [&str; 9] = [
    "carla.id@example.org",
    "dora.id@example.org",
    "eva.id@example.org",
    "fred.id@example.org",
    "gina.id@example.org",
    "hans.id@example.org",
    "ivan.id@example.org",
    "jana.id@example.org",
    "+4930777666555",
];
/// Sent as attributes of customers, in every way in which that can be done or fail.
const ATTRIBUTE_VALUES: [&str; 9] = [
    "carla.mail@example.net",
    "+493055566677",
    "Carlafirst",
    "Carlalast",
    "Doraname",
    "eva.mail@example.net",
    "fred.mail@example.net",
    "Ginacity",
    "Stalledfirst",
];
/// Names that callers choose, which are stored as plain text; see the README.
const NAMES_OF_THINGS: [&str; 3] = ["tok_in_clear", "tx-in-clear", "unknown.customer@example.org"];

fn shop(seals: bool) -> Vec<(&'static str, String)> {
    let head = format!("seal_identifiers = {seals}\ndeletion_grace = \"1s\"\nlabels_max = 3\n");
    let policy = labels(&[("plain", "active", &[]), ("leaving", "pending_deletion", &[]), ("gone", "deleted", &[])])
        + "[registration]\nallow_any_identifier = true\nemail = { unique = true }\n";
    let gold = level("gold", &filter("window = \"daily\"; amount_limit = \"10000.00\""));
    let url = "terminal_url = \"https://t.example/{merchant_customer_identifier}\"\n";
    let globex = acme(&format!("{GATEWAY}{head}"), &[]).replacen("id = \"acme\"", "id = \"globex\"", 1);
    vec![("acme", acme(&format!("{CRM}{head}{url}{policy}"), &[gold])), ("globex", globex)]
}

/// Every file below a folder, whole.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, found),
            // A file may go while it is looked at.
            false => found.extend(std::fs::read(&path).ok().map(|bytes| (path.display().to_string(), bytes))),
        }
    }
}

/// The files below a folder in which a text is, in any case of its letters.
fn holding(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    files(folder, &mut found);
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()));
    found.into_iter().filter(|(_, bytes)| holds(bytes)).map(|(path, _)| path).collect()
}

fn of_carla(id: &str, amount: &str) -> Value {
    let carla = json!({ "merchant_customer_identifier": IDENTIFIERS[0], "payment_instrument": NAMES_OF_THINGS[0] });
    with(pay(id, amount), &carla)
}

/// A day of payments, staff, tables, changes in bulk, merges, deletions and failures; then a month passes.
fn rich_day(daemon: &Daemon) {
    let [carla, dora, eva, fred, gina, hans, ivan, jana, phone] = IDENTIFIERS;
    let [mail, number, first, last, name, eva_mail, fred_mail, city, stalled] = ATTRIBUTE_VALUES;
    let customer = json!({ "email": mail, "phone": number, "first_name": first, "last_name": last });
    daemon.reserve(&tick(0)).ok();
    let paid = daemon.reserve(&with(of_carla(NAMES_OF_THINGS[1], "5.00"), &json!({ "customer": customer }))).ok();
    assert_eq!(paid["customer"]["merchant_customer_identifier"], carla, "{paid}");
    daemon.step(NAMES_OF_THINGS[1], "approve", &json!({ "gate": "gate-a" })).ok();
    let dora_id = register(daemon, &json!({ "merchant_customer_identifier": dora, "name": name }));
    register(daemon, &json!({ "merchant_customer_identifier": phone, "phone": number }));
    // Tables: taken, refused whole, tried, taken in part, cut off.
    let head = "merchant_customer_identifier,email,first_name,city,status\n";
    let table = |query: &str, rows: &str| {
        raw_http::send(daemon.port(), "POST", &format!("{CUSTOMERS}.csv{query}"), format!("{head}{rows}").as_bytes())
    };
    assert_eq!(table("?job=taken", &format!("{eva},{eva_mail},,,\n")).status, 200);
    assert_eq!(table("?job=refused", &format!("{fred},{fred_mail},,,\n{gina},,,{city},wrong\n")).status, 422);
    assert_eq!(table("?mode=trial", &format!("{fred},{fred_mail},,,\n")).status, 200);
    assert_eq!(table("?mode=partial", &format!("{gina},,,{city},\n{fred},{fred_mail},,,wrong\n")).status, 200);
    let (mut upload, _) = raw_http::stream(daemon.port(), &format!("{CUSTOMERS}.csv?job=stalled"));
    upload.send(head.as_bytes());
    (0..20_000).for_each(|n| upload.send(format!("{hans}-{n},,{stalled},,\n").as_bytes()));
    upload.abandon();
    daemon.post(&format!("{CUSTOMERS}/mock"), &json!({ "count": 3, "seed": 1 })).ok();
    // Changes in bulk, done and failed.
    let bulk = |job: &str, body: &Value| daemon.post(&format!("{CUSTOMERS}/bulk?job={job}"), body);
    bulk("done", &json!({ "select": { "merchant_customer_identifier": carla }, "set": { "labels": ["plain"] } })).ok();
    bulk("refused", &json!({ "select": { "email": mail }, "set": { "labels": ["none of ours"] } })).problem(422);
    let failed = bulk("failed", &json!({ "select": { "ids": [mail] }, "set": { "labels": ["plain"] } })).ok();
    assert_eq!(failed["refused"], 1, "{failed}");
    // Questions record nothing; refusals name what was wrong.
    daemon.check(&with(pay("asked", "1.00"), &json!({ "merchant_customer_identifier": hans }))).ok();
    let wrong = daemon.reserve(&with(pay("wrong", "-1.00"), &json!({ "merchant_customer_identifier": hans })));
    let taken = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": hans, "email": mail }));
    for refused in [wrong, taken] {
        assert!((400..500).contains(&refused.status), "{refused:?}");
    }
    // An approval of an unknown customer, a merge of two customers with payments, an erasure.
    let late =
        with(without(pay("late", "2.00"), &["transaction_id"]), &json!({ "merchant_customer_identifier": ivan }));
    daemon.step("late", "approve", &late).ok();
    daemon.reserve(&with(pay("jana", "3.00"), &json!({ "merchant_customer_identifier": jana }))).ok();
    let found = daemon.get(&format!("{CUSTOMERS}?merchant_customer_identifier={jana}")).ok();
    let jana_id = found["customers"][0]["customer_id"].as_str().expect("found by the identifier").to_owned();
    daemon.post(&of(&jana_id, "/merge"), &json!({ "into": dora_id })).ok();
    daemon.delete(&of(&dora_id, "")).ok();
    let unknown_payer = without(pay("bypassed", "1.00"), &["merchant_customer_identifier", "customer_level"]);
    let unknown_payer = with(unknown_payer, &json!({ "customer_id": NAMES_OF_THINGS[2] }));
    daemon.post("/v1/merchants/globex/transactions", &unknown_payer).ok();
    // Enough for some segments, and time enough for the archive.
    for n in 0..60 {
        daemon.reserve(&with(of_carla(&format!("more-{n}"), "1.00"), &when(n))).ok();
    }
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.reserve(&tick(MINUTE)).ok();
    eventually("who asked is forgotten", || look(daemon, &dora_id)["erased"] == true);
    daemon.reserve(&tick(30 * DAY)).ok();
    daemon.post_nothing("/v1/snapshot").ok();
    let archive = daemon.folder.path().join("data/archive");
    eventually("segments are archived", || std::fs::read_dir(&archive).is_ok_and(|files| files.count() > 2));
    daemon.reserve(&tick(30 * DAY + 1)).ok();
    daemon.post_nothing("/v1/snapshot").ok();
}

#[test]
fn files_and_logs_contain_no_personal_data() {
    for seals in [true, false] {
        let merchants = shop(seals);
        let mut daemon = Daemon::start(ConfigFolder::new(&Settings { store: SMALL, ..Settings::REQUEST }, &merchants));
        rich_day(&daemon);
        let data = daemon.folder.path().join("data");
        // While it runs, and once it has stopped.
        for runs in [true, false] {
            if !runs {
                daemon.signal("TERM");
                assert!(daemon.wait().success(), "{}", daemon.log());
            }
            for text in ATTRIBUTE_VALUES {
                let holding = holding(&data, text);
                assert!(holding.is_empty(), "{text} is in {holding:?}; sealed: {seals}, running: {runs}");
            }
            for text in IDENTIFIERS {
                let holding = holding(&data, text);
                // Of those, the first was made by a payment, and was not kept by tables that were refused or tried.
                let is_kept = !text.starts_with("fred") && !text.starts_with("hans");
                assert_eq!(!holding.is_empty(), is_kept && !seals, "{text} is in {holding:?}; running: {runs}");
            }
            for text in NAMES_OF_THINGS {
                assert!(!holding(&data, text).is_empty(), "{text} is in no file; sealed: {seals}");
            }
        }
        let in_clear = holding(&data, IDENTIFIERS[0]);
        assert!(seals || ["snapshots", "archive"].iter().all(|folder| in_clear.iter().any(|p| p.contains(folder))));
        for text in IDENTIFIERS.iter().chain(&ATTRIBUTE_VALUES) {
            assert!(
                !daemon.log().to_lowercase().contains(&text.to_lowercase()),
                "{text} is in the log; sealed: {seals}"
            );
        }
        // `inspect` shows the records as sealed, and the files alone do not open them.
        let shown = run(&daemon.folder, &["inspect", "data", "--records"]);
        assert_eq!(shown.code, Some(0), "{shown:?}");
        assert_eq!(shown.text.contains("sealed("), seals, "{}", shown.text);
        assert_eq!(shown.text.contains(IDENTIFIERS[0]), !seals);
        let copied = run(&daemon.folder, &["backup", "data", "copy", "--keys", "keys-apart"]);
        assert_eq!(copied.code, Some(0), "{copied:?}");
        assert_eq!(holding(&daemon.folder.path().join("copy"), IDENTIFIERS[0]).is_empty(), seals);
        let restored = run(&daemon.folder, &["restore", "copy", "restored", "--keys", "keys-apart", "--verify"]);
        assert!(restored.code == Some(0) && restored.text.contains("verified"), "{restored:?}");
        // The archive's index is built again of sealed records too.
        std::fs::remove_file(data.join("archive/index.redb")).expect("the index");
        daemon.kill_and_start();
        daemon.reserve(&tick(31 * DAY)).ok();
        let again = daemon.reserve(&with(of_carla("more-1", "1.00"), &when(1)));
        assert!(again.is_replay(), "{again:?}");
        assert_eq!(again.ok()["customer"]["merchant_customer_identifier"], IDENTIFIERS[0]);
    }
}

/// The answers about customers and payments, without times.
fn shown_documents(daemon: &Daemon) -> Vec<Value> {
    let found = daemon.get(&format!("{CUSTOMERS}?limit=100")).ok()["customers"].clone();
    let ids: Vec<String> = found.as_array().expect("a list").iter().map(|one| one["customer_id"].to_string()).collect();
    let ids = ids.iter().map(|id| id.trim_matches('"'));
    let timeless = |mut step: Value| {
        step.as_object_mut().expect("a step").remove("at");
        step
    };
    let mut all: Vec<Value> = ids.flat_map(|id| steps(daemon, id)).map(timeless).collect();
    all.push(found);
    all.push(json!(daemon.get(&format!("{CUSTOMERS}.csv")).body));
    all.push(daemon.get("/v1/merchants/acme/transactions?limit=1000").ok());
    all.push(daemon.get("/v1/events?limit=1000&merchant=acme").ok());
    all
}

#[test]
fn answers_tables_histories_and_lists_are_the_same_with_sealed_identifiers() {
    let mut all: Vec<Vec<Value>> = Vec::new();
    for seals in [false, true] {
        let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::REQUEST };
        let mut daemon = Daemon::start(ConfigFolder::new(&settings, &shop(seals)));
        daemon.reserve(&with(of_carla("t1", "5.00"), &when(0))).ok();
        let body = json!({ "merchant_customer_identifier": IDENTIFIERS[1], "email": ATTRIBUTE_VALUES[0] });
        let dora = register(&daemon, &body);
        assert_eq!(look(&daemon, &dora)["terminal_url"], "https://t.example/dora.id%40example.org");
        let table = format!("merchant_customer_identifier,city\n{},Wien\n{},Bern\n", IDENTIFIERS[2], IDENTIFIERS[1]);
        daemon.post_text(&format!("{CUSTOMERS}.csv"), &table).ok();
        daemon.post(&of("1000001", "/merge"), &json!({ "into": dora })).ok();
        assert_eq!(look(&daemon, &dora)["other_identifiers"], json!([IDENTIFIERS[0]]));
        // Downloaded and uploaded again, nothing changes.
        let same = daemon.post_text(&format!("{CUSTOMERS}.csv"), &daemon.get(&format!("{CUSTOMERS}.csv")).body).ok();
        assert_eq!((&same["changed"], &same["bad"]), (&json!(0), &json!(0)), "{same}");
        let before = shown_documents(&daemon);
        for keeps in [false, true] {
            if keeps {
                daemon.post_nothing("/v1/snapshot").ok();
            }
            daemon.kill_and_start();
            daemon.reserve(&with(of_carla("t1", "5.00"), &when(0))).ok();
            assert_eq!(shown_documents(&daemon), before, "after a restart, sealed: {seals}, snapshot: {keeps}");
        }
        // Customers are found by their identifiers, and no other customer gets one of these.
        for (who, id) in [(IDENTIFIERS[0], dora.as_str()), (IDENTIFIERS[1], dora.as_str()), (IDENTIFIERS[2], "1000003")]
        {
            let found = daemon.get(&format!("{CUSTOMERS}?merchant_customer_identifier={who}")).ok();
            assert_eq!(found["customers"][0]["customer_id"], id, "{who}: {found}");
            let taken = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": who })).problem(409);
            assert_eq!(taken["code"], "already_taken", "{taken}");
        }
        all.push(before);
    }
    let [clear, sealed] = all.as_slice() else { panic!("two runs") };
    assert_eq!(clear, sealed);
}

#[test]
fn a_reload_switches_sealing_on_and_an_erasure_forgets_what_was_recorded_before() {
    let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM };
    let mut daemon = Daemon::start(ConfigFolder::new(&settings, &shop(false)));
    let data = daemon.folder.path().join("data");
    let of_who = |id: &str, who: &str| with(pay(id, "1.00"), &json!({ "merchant_customer_identifier": who }));
    daemon.reserve(&of_who("t1", IDENTIFIERS[0])).ok();
    for (id, text) in shop(true) {
        daemon.folder.write(&format!("merchants/{id}.toml"), &text);
    }
    daemon.post_nothing("/v1/reload").ok();
    assert_eq!(daemon.get("/v1/merchants/acme").ok()["seal_identifiers"], true);
    let dora = daemon.reserve(&of_who("t2", IDENTIFIERS[1])).ok()["customer"]["customer_id"].clone();
    daemon.post_nothing("/v1/snapshot").ok();
    let (before, after) = (holding(&data, IDENTIFIERS[0]), holding(&data, IDENTIFIERS[1]));
    assert!(before.iter().all(|path| path.contains("journal")) && after.is_empty(), "{before:?} {after:?}");
    daemon.delete(&of("1000001", "")).ok();
    eventually("the customer is forgotten", || look(&daemon, "1000001")["erased"] == true);
    for restarts in 0..3 {
        let shown = look(&daemon, "1000001");
        assert!(shown["merchant_customer_identifier"].is_null() && !shown.to_string().contains("carla"), "{shown}");
        let steps = json!(steps(&daemon, "1000001")).to_string();
        assert!(!steps.contains("carla"), "{restarts} restarts: {steps}");
        assert!(!daemon.get(&format!("{CUSTOMERS}.csv")).body.contains("carla"), "{restarts} restarts");
        // Still taken: found, denied, refused, and no change where a table brings it.
        let denied = daemon.reserve(&of_who(&format!("again-{restarts}"), IDENTIFIERS[0])).ok();
        assert_eq!(
            (&denied["code"], &denied["customer"]["customer_id"]),
            (&json!(19100), &json!("1000001")),
            "{denied}"
        );
        assert!(!denied.to_string().contains("carla"), "{denied}");
        let shown = daemon.fetch(&format!("again-{restarts}")).ok().to_string();
        assert!(!shown.contains("carla"), "{shown}");
        let found = daemon.get(&format!("{CUSTOMERS}?merchant_customer_identifier={}", IDENTIFIERS[0])).ok();
        assert_eq!(found["customers"][0]["customer_id"], "1000001", "{found}");
        let taken = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": IDENTIFIERS[0] })).problem(409);
        assert_eq!(taken["code"], "already_taken", "{taken}");
        let row = format!("customer_id,merchant_customer_identifier\n1000001,{}\n", IDENTIFIERS[0]);
        let same = daemon.post_text(&format!("{CUSTOMERS}.csv"), &row).ok();
        assert_eq!((&same["unchanged"], &same["bad"]), (&json!(1), &json!(0)), "{same}");
        let known = daemon.reserve(&of_who(&format!("dora-{restarts}"), IDENTIFIERS[1])).ok();
        assert_eq!(known["customer"]["customer_id"], dora, "{known}");
        if restarts == 1 {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
}
