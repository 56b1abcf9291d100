//! The audit of a merchant: who changed what, when, from what to what; over customers, levels, rates and the configuration.

use serde_json::{Value, json};

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, DAY, acme, filter, later, level, pay, with};
use support::process::eventually;

const ACME: &str = "/v1/merchants/acme";
/// Name, role and merchants of each token; none: all merchants.
const TOKENS: [(&str, &str, &[&str]); 4] = [
    ("olga", "operator", &["acme"]),
    ("otto", "operator", &[]),
    ("gina", "operator", &["globex"]),
    ("till", "gateway", &["acme"]),
];

fn daemon() -> Daemon {
    let levels = [level("gold", &filter("window = \"daily\"; amount_limit = \"100.00\"")), level("silver", "")];
    let merchant = |id: &str| acme(CRM, &levels).replacen("id = \"acme\"", &format!("id = {id:?}"), 1);
    let settings = Settings { store: "kind = \"disk\"\nsync = \"interval\"\nsegment_bytes = 4096", ..Settings::SYSTEM };
    let folder = ConfigFolder::new(&settings, &[("acme", merchant("acme")), ("globex", merchant("globex"))]);
    let mut text = format!("{}\n[auth]\ntokens = [\n", settings.text());
    for (name, role, merchants) in TOKENS {
        folder.write(&format!("{name}.token"), &secret(name));
        let file = folder.path().join(format!("{name}.token")).display().to_string();
        let some = if merchants.is_empty() { String::new() } else { format!(", merchants = {merchants:?}") };
        text.push_str(&format!("  {{ name = {name:?}, role = {role:?}, token_file = {file:?}{some} }},\n"));
    }
    folder.write("levelgate.toml", &(text + "]\n"));
    Daemon::start(folder)
}

fn secret(name: &str) -> String {
    format!("{name}-token-0123456789")
}

/// The document of a call that must succeed.
#[track_caller]
fn ok(daemon: &Daemon, token: &str, method: &str, path: &str, body: &Value) -> Value {
    let body = match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (status, answer) = call(daemon, method, path, &secret(token), &body);
    assert!(status == 200 || status == 201, "{method} {path}: {answer}");
    let document = answer.split_once("\r\n\r\n").expect("a body").1;
    serde_json::from_str(document).unwrap_or_else(|_| panic!("{method} {path}: {answer}"))
}

fn audit(daemon: &Daemon, token: &str, merchant: &str, query: &str) -> Value {
    ok(daemon, token, "GET", &format!("/v1/merchants/{merchant}/audit{query}"), &Value::Null)
}

fn entries(page: &Value) -> &[Value] {
    page["audit"].as_array().expect("entries")
}

/// All entries in pages of this size, the newest first.
fn whole(daemon: &Daemon, token: &str, merchant: &str, filter: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = audit(daemon, token, merchant, &format!("?limit={limit}{filter}{cursor}"));
        assert!(entries(&page).len() <= limit, "{page}");
        all.extend(entries(&page).iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The kind and the author of each entry.
fn brief(entries: &[Value]) -> Vec<String> {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    entries.iter().map(|entry| format!("{} {}", word(&entry["kind"]), word(&entry["by"]))).collect()
}

/// The old and the new value of a field in an entry.
#[track_caller]
fn change<'e>(entry: &'e Value, field: &str) -> (&'e Value, &'e Value) {
    let changes = entry["changes"].as_array().expect("changes");
    let found = changes.iter().find(|change| change["field"] == field);
    let found = found.unwrap_or_else(|| panic!("no {field} in {entry}"));
    (&found["old"], &found["new"])
}

#[track_caller]
fn id_of(document: &Value) -> String {
    document["customer_id"].as_str().expect("an id").to_owned()
}

/// What staff, a gateway and another merchant do. Returns the ids of two customers.
fn work(daemon: &Daemon) -> [String; 2] {
    let customers = format!("{ACME}/customers");
    let alice = id_of(&ok(daemon, "olga", "POST", &customers, &json!({ "merchant_customer_identifier": "alice" })));
    let of_alice = |below: &str| format!("{customers}/{alice}{below}");
    ok(daemon, "olga", "PATCH", &of_alice(""), &json!({ "deposit_level": "gold", "email": "alice@example.com" }));
    ok(daemon, "otto", "PATCH", &of_alice(""), &json!({ "deposit_level": "silver" }));
    let paid = with(pay("t1", "1.00"), &json!({ "merchant_customer_identifier": "bob" }));
    ok(daemon, "till", "POST", &format!("{ACME}/transactions"), &paid);
    ok(daemon, "olga", "PUT", &of_alice("/instruments/tok_1"), &json!({ "type": "card" }));
    let signal = |word: &str| json!({ "signal": word, "payment_instrument": "tok_1" });
    ok(daemon, "till", "POST", &of_alice("/signals"), &signal("card_stolen"));
    ok(daemon, "olga", "POST", &of_alice("/signals"), &signal("cleared"));
    let gold = format!("{ACME}/levels/deposit/EUR/gold");
    ok(daemon, "olga", "PUT", &gold, &json!({ "projects": ["web"], "status": "active" }));
    ok(daemon, "otto", "PUT", &gold, &json!({ "projects": ["web"], "status": "disabled" }));
    ok(daemon, "olga", "DELETE", &format!("{ACME}/levels/deposit/EUR/silver"), &Value::Null);
    ok(daemon, "olga", "POST", &format!("{ACME}/levels/deposit/gold/rename"), &json!({ "to": "platinum" }));
    let dora = json!({ "merchant_customer_identifier": "dora" });
    ok(daemon, "gina", "POST", "/v1/merchants/globex/customers", &dora);
    let rates = json!({ "base": "EUR", "as_of": "2026-11-21T00:00:00Z", "rates": { "USD": "1.2" } });
    ok(daemon, "otto", "PUT", "/v1/rates", &rates);
    let carol = id_of(&ok(daemon, "olga", "POST", &customers, &json!({ "merchant_customer_identifier": "carol" })));
    ok(daemon, "olga", "POST", &format!("{customers}/{carol}/merge"), &json!({ "into": alice }));
    let bulk = json!({ "select": { "ids": [alice] }, "set": { "status": "member" } });
    ok(daemon, "olga", "POST", &format!("{customers}/bulk?job=spring"), &bulk);
    let table = json!("merchant_customer_identifier\nerin\n");
    ok(daemon, "olga", "POST", &format!("{customers}.csv?job=table"), &table);
    ok(daemon, "olga", "DELETE", &of_alice(""), &Value::Null);
    [alice, carol]
}

#[test]
fn audit_contains_every_change_with_its_author_and_values() {
    let mut daemon = daemon();
    let [alice, carol] = work(&daemon);
    let all = whole(&daemon, "otto", "acme", "", 1_000);
    let wanted = [
        "erasure olga",
        "job olga",
        "upload olga",
        "job olga",
        "customer olga",
        "merge olga",
        "merge olga",
        "customer olga",
        "rates otto",
        "rename olga",
        "level olga",
        "level otto",
        "level olga",
        "instrument_block olga",
        "signal olga",
        "instrument_block till",
        "signal till",
        "customer olga",
        "customer otto",
        "customer olga",
        "customer olga",
        "level -",
    ];
    assert_eq!(brief(&all), wanted);

    let [second, first, created] = [&all[18], &all[19], &all[20]];
    assert_eq!(change(second, "deposit_level"), (&json!("gold"), &json!("silver")));
    assert_eq!(change(first, "email"), (&Value::Null, &json!("alice@example.com")));
    assert_eq!(change(created, "merchant_customer_identifier"), (&Value::Null, &json!("alice")));
    for entry in [second, first, created] {
        assert_eq!((&entry["customer_id"], &entry["source"]), (&json!(alice), &json!("api")), "{entry}");
        assert!(entry.get("old_is_partial").is_none(), "{entry}");
    }
    // The entries of a customer are the steps of its history.
    let history = ok(&daemon, "olga", "GET", &format!("{ACME}/customers/{alice}/history?limit=1000"), &Value::Null);
    let steps: Vec<&Value> =
        history["history"].as_array().expect("steps").iter().map(|step| &step["changes"]).collect();
    let ours = whole(&daemon, "olga", "acme", &format!("&customer_id={alice}"), 1_000);
    assert_eq!(ours.iter().map(|entry| &entry["changes"]).collect::<Vec<_>>(), steps);
    let ids: Vec<&str> = ours.iter().filter_map(|entry| entry["customer_id"].as_str()).collect();
    assert!(ids.contains(&alice.as_str()) && ids.contains(&carol.as_str()), "merged customers belong to it: {ids:?}");

    let [set, again, deleted, renamed] = [&all[12], &all[11], &all[10], &all[9]];
    let gold = "level deposit/EUR/gold";
    let (old, new) = change(set, gold);
    assert_eq!(old["filters"][0]["amount_limit"], "100.00", "the entry of the file: {old}");
    assert_eq!(new, &json!({ "projects": ["web"], "status": "active" }));
    assert_eq!(change(again, gold), (new, &json!({ "projects": ["web"], "status": "disabled" })));
    assert_eq!(change(deleted, "level deposit/EUR/silver").1, &Value::Null);
    assert_ne!(change(deleted, "level deposit/EUR/silver").0, &Value::Null);
    assert_eq!(change(renamed, "level deposit"), (&json!("gold"), &json!("platinum")));
    let (old, new) = change(&all[8], "rates");
    assert_eq!((&old["rates"]["USD"], &new["rates"]["USD"]), (&json!("1.25"), &json!("1.2")));

    let [stolen, cleared] = [&all[15], &all[13]];
    let blocked = |is_blocked: bool| json!({ "payment_instrument": "tok_1", "is_blocked": is_blocked });
    assert_eq!(change(stolen, "instrument_block"), (&blocked(false), &blocked(true)));
    assert_eq!(change(cleared, "instrument_block"), (&blocked(true), &blocked(false)));
    assert!([stolen, cleared].iter().all(|entry| entry.get("old_is_partial").is_none()), "{stolen} {cleared}");
    assert_eq!((&all[16]["payment_instrument"], &all[14]["payment_instrument"]), (&json!("tok_1"), &json!("tok_1")));

    let [upload, bulk] = [&all[1], &all[3]];
    assert_eq!((&upload["operation"], &bulk["operation"]), (&json!("upload"), &json!("bulk")));
    assert_eq!(change(bulk, "job spring").1["changed"], json!(1));
    assert_eq!(change(upload, "job table").1["created"], json!(1));
    assert_eq!(all[2]["source"], "upload");
    // At the start, the entries of the file took effect.
    assert_eq!((&all[21]["source"], change(&all[21], gold).1), (&json!("system"), &json!("the entry of the file")));

    for limit in [1, 2, 7] {
        assert_eq!(whole(&daemon, "otto", "acme", "", limit), all, "pages of {limit}");
    }
    daemon.kill_and_start();
    // The first pages after a start read what the later ones know.
    for limit in [5, 1, 5] {
        assert_eq!(whole(&daemon, "otto", "acme", "", limit), all, "after a restart, pages of {limit}");
    }
}

#[test]
fn audit_names_nothing_of_other_merchants() {
    let daemon = daemon();
    work(&daemon);
    let ours = json!(whole(&daemon, "olga", "acme", "", 1_000)).to_string();
    for foreign in ["gina", "dora", "globex", "otto"] {
        assert!(!ours.contains(foreign), "{foreign} is in {ours}");
    }
    let theirs = whole(&daemon, "gina", "globex", "", 1_000);
    assert_eq!(brief(&theirs), ["rates -", "customer gina", "level -"], "a token for all merchants is not named");
    let theirs = json!(theirs).to_string();
    for foreign in ["olga", "till", "alice", "acme", "tok_1"] {
        assert!(!theirs.contains(foreign), "{foreign} is in {theirs}");
    }
    let path = format!("{ACME}/audit");
    for (token, want) in [("olga", 200), ("otto", 200), ("gina", 403), ("till", 403)] {
        assert_eq!(call(&daemon, "GET", &path, &secret(token), "").0, want, "{token}");
    }
}

#[test]
fn signal_at_another_merchant_names_no_token_of_that_merchant() {
    let daemon = daemon();
    for (token, merchant) in [("olga", "acme"), ("gina", "globex")] {
        let customers = format!("/v1/merchants/{merchant}/customers");
        let id = id_of(&ok(&daemon, token, "POST", &customers, &json!({ "merchant_customer_identifier": "x" })));
        ok(&daemon, token, "PUT", &format!("{customers}/{id}/instruments/tok_9"), &json!({ "type": "card" }));
        if merchant == "globex" {
            let stolen = json!({ "signal": "card_stolen", "payment_instrument": "tok_9" });
            ok(&daemon, token, "POST", &format!("{customers}/{id}/signals"), &stolen);
        }
    }
    let ours = whole(&daemon, "olga", "acme", "&kind=signal", 10);
    assert_eq!(brief(&ours), ["signal -"], "the customer became suspicious: {ours:?}");
    assert!(whole(&daemon, "olga", "acme", "&by=gina", 10).is_empty(), "a filter reveals no token either");
    assert_eq!(brief(&whole(&daemon, "olga", "acme", "&kind=instrument_block", 10)), Vec::<String>::new());
    let theirs = whole(&daemon, "gina", "globex", "&by=gina", 10);
    assert_eq!(brief(&theirs)[..2], ["instrument_block gina", "signal gina"]);
}

/// The names under `by` anywhere in a document.
fn authors(document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = vec![document];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("by").and_then(Value::as_str).map(str::to_owned));
                rest.extend(fields.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    found
}

#[test]
fn a_token_for_some_merchants_is_shown_no_name_of_a_token_for_all() {
    let daemon = daemon();
    let [alice, _] = work(&daemon);
    let customers = format!("{ACME}/customers");
    ok(
        &daemon,
        "otto",
        "POST",
        &format!("{customers}/bulk?job=autumn"),
        &json!({
            "select": { "ids": [alice] }, "set": { "status": "new" }
        }),
    );
    let level = format!("{ACME}/levels/deposit/EUR/platinum");
    ok(&daemon, "otto", "PUT", &level, &json!({ "projects": ["web"] }));
    for path in [
        format!("{ACME}/audit?limit=1000"),
        format!("{customers}/{alice}/history?limit=1000"),
        format!("{customers}/jobs"),
        format!("{customers}/jobs/autumn"),
        format!("{ACME}/levels"),
        level.clone(),
        format!("{level}/status"),
        ACME.to_owned(),
        "/v1/rates".to_owned(),
    ] {
        let read = |token| authors(&ok(&daemon, token, "GET", &path, &Value::Null));
        let (limited, all) = (read("olga"), read("otto"));
        assert!(all.iter().any(|by| by == "otto"), "{path}: {all:?}");
        assert!(!limited.iter().any(|by| by == "otto"), "{path}: {limited:?}");
        let others: Vec<&String> = all.iter().filter(|by| *by != "otto").collect();
        assert_eq!(limited.iter().collect::<Vec<_>>(), others, "{path}: other names stay");
    }
    // An export is sent in chunks.
    let export = |token| call(&daemon, "GET", &format!("{customers}/{alice}/export"), &secret(token), "").1;
    assert!(export("otto").contains("\"by\":\"otto\"") && !export("olga").contains("otto"));
    assert!(whole(&daemon, "olga", "acme", "&by=otto", 10).is_empty(), "a filter reveals no token either");
    assert!(!whole(&daemon, "otto", "acme", "&by=otto", 10).is_empty());
}

#[test]
fn dates_in_the_zone_of_the_merchant_select_entries() {
    let daemon = daemon();
    work(&daemon);
    let all = whole(&daemon, "otto", "acme", "", 1_000);
    let day = |entry: &Value, days: i64| later(entry["at"].as_str().expect("a time"), days * DAY)[..10].to_owned();
    let (first, last) = (day(&all[all.len() - 1], -1), day(&all[0], 1));
    let select = |filter: &str| whole(&daemon, "otto", "acme", filter, 1_000);
    // `to` includes its date. A date of UTC and the same date of a merchant are at most 14 hours apart.
    assert_eq!(select(&format!("&from={first}&to={last}")), all);
    assert!(select("&to=2020-01-01").is_empty() && select("&from=2100-01-01").is_empty());
    let (status, answer) = call(&daemon, "GET", &format!("{ACME}/audit?from=2026-02-30"), &secret("otto"), "");
    assert!(status == 400 && answer.contains("is a date in the merchant's time zone"), "{answer}");
}

#[test]
fn filters_select_entries() {
    let daemon = daemon();
    work(&daemon);
    let all = whole(&daemon, "otto", "acme", "", 1_000);
    let select = |filter: &str| whole(&daemon, "otto", "acme", filter, 3);
    let of_kind = |kind: &str| all.iter().filter(|entry| entry["kind"] == kind).cloned().collect::<Vec<_>>();
    for kind in ["customer", "merge", "level", "job", "rates", "upload"] {
        assert_eq!(select(&format!("&kind={kind}")), of_kind(kind), "{kind}");
    }
    let by_otto: Vec<Value> = all.iter().filter(|entry| entry["by"] == "otto").cloned().collect();
    assert_eq!(select("&by=otto"), by_otto);
    assert_eq!(select("&by=nobody"), Vec::<Value>::new());
    // Changes by payments have to be selected.
    let payments = select("&kind=payment");
    assert_eq!(brief(&payments), ["payment -"]);
    assert_eq!(change(&payments[0], "merchant_customer_identifier").1, &json!("bob"));
    // The times of the entries select them.
    let at = |index: usize| all[index]["at"].as_str().expect("a time").to_owned();
    let (newest, oldest) = (at(5), at(15));
    let within: Vec<Value> = all
        .iter()
        .filter(|entry| (oldest.as_str()..newest.as_str()).contains(&entry["at"].as_str().expect("a time")))
        .cloned()
        .collect();
    assert!(within.len() > 3 && within.len() < all.len());
    assert_eq!(select(&format!("&from={oldest}&to={newest}")), within);
    assert!(select("&to=2020-01-01T00:00:00Z").is_empty() && select("&from=2100-01-01T00:00:00Z").is_empty());
    for (query, field) in [("kind=all", "kind"), ("limit=0", "limit"), ("cursor=x", "cursor"), ("from=now", "from")] {
        let (status, answer) = call(&daemon, "GET", &format!("{ACME}/audit?{query}"), &secret("olga"), "");
        assert!(status == 400 && answer.contains(&format!("\"field\":\"{field}\"")), "{query}: {answer}");
    }
    let (status, _) = call(&daemon, "GET", &format!("{ACME}/audit?customer_id=9999999"), &secret("olga"), "");
    assert_eq!(status, 404);
}

#[test]
fn a_reload_is_audited_with_its_author_where_it_changes_something() {
    let daemon = daemon();
    let file = daemon.folder.path().join("merchants/acme.toml");
    let text = std::fs::read_to_string(file).expect("a file");
    let write = |amount: &str| daemon.folder.write("merchants/acme.toml", &text.replace("\"100.00\"", amount));
    ok(&daemon, "otto", "POST", "/v1/reload", &Value::Null);
    assert!(whole(&daemon, "olga", "acme", "&kind=reload", 10).is_empty(), "nothing has changed");
    write("\"50.00\"");
    let answer = ok(&daemon, "otto", "POST", "/v1/reload", &Value::Null);
    write("\"60.00\"");
    daemon.signal("HUP");
    let reloads = || whole(&daemon, "otto", "acme", "&kind=reload", 10);
    eventually("the second reload is audited", || reloads().len() == 2);
    let found = reloads();
    assert_eq!(brief(&found), ["reload -", "reload otto"]);
    assert_eq!((&found[0]["source"], &found[1]["source"]), (&json!("system"), &json!("api")));
    assert_eq!(found[1]["config_version"], answer["config_version"]);
    let changes = found[1]["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{changes:?}");
    let values = (changes[0]["old"].to_string(), changes[0]["new"].to_string());
    assert!(values.0.contains("100.00") && values.1.contains("50.00"), "{changes:?}");
    assert!(changes[0]["field"].as_str().is_some_and(|field| field.contains("gold")), "{changes:?}");
    assert!(whole(&daemon, "gina", "globex", "&kind=reload", 10).is_empty(), "it changed nothing of globex");
}
