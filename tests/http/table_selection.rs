//! Tables of chosen columns and customers: the values before a change, which undo it.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, filter, level};
use support::raw_http;

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
const TABLE: &str = "/v1/merchants/acme/customers.csv";

/// A daemon with the customers a, b and c, of whom a and b are `vip`.
fn shop() -> Daemon {
    let labels = "labels_max = 3\n[[labels]]\nname = \"regular\"\n[[labels]]\nname = \"vip\"\n";
    let daily = filter("window = \"daily\"; amount_limit = \"50.00\"");
    let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM };
    let merchant = acme(&format!("{CRM}{labels}"), &[level("gold", &daily)]);
    let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", merchant)]));
    for (identifier, label, city) in [("a", "vip", "Paris"), ("b", "vip", ""), ("c", "regular", "Rome")] {
        let mut body = json!({ "merchant_customer_identifier": identifier, "labels": [label] });
        if !city.is_empty() {
            body["city"] = json!(city);
        }
        assert_eq!(daemon.post(CUSTOMERS, &body).status, 201);
    }
    daemon
}

fn upload(daemon: &Daemon, table: &str) -> Value {
    raw_http::send(daemon.port(), "POST", TABLE, table.as_bytes()).ok()
}

/// The customers without the time of their last change.
fn customers(daemon: &Daemon) -> Value {
    let mut listed = daemon.get(CUSTOMERS).ok()["customers"].clone();
    for customer in listed.as_array_mut().into_iter().flatten() {
        customer["modified_at"] = Value::Null;
    }
    listed
}

#[test]
fn a_table_has_the_chosen_columns_and_customers() {
    let daemon = shop();
    for (query, want) in [
        ("?columns=city", "customer_id,city\r\n1000001,Paris\r\n1000002,\r\n1000003,Rome\r\n"),
        ("?columns=city,customer_id,city&label=vip", "customer_id,city\r\n1000001,Paris\r\n1000002,\r\n"),
        (
            "?columns=labels&customer_id=1000003&customer_id=1000002",
            "customer_id,labels\r\n1000002,vip\r\n1000003,regular\r\n",
        ),
        ("?columns=city&label=nowhere", "customer_id,city\r\n"),
    ] {
        let table = daemon.get(&format!("{TABLE}{query}"));
        assert_eq!((table.status, &*table.body), (200, want), "{query}");
    }
    assert_eq!(daemon.get(&format!("{TABLE}?label=vip")).body.lines().count(), 3, "all columns of some customers");
    for (query, code, field) in [
        ("?columns=city,town", "value_unknown", "columns"),
        ("?columns=", "value_unknown", "columns"),
        ("?status=nobody", "value_unknown", "status"),
        ("?limit=1", "unknown_field", "limit"),
    ] {
        let problem = daemon.get(&format!("{TABLE}{query}")).problem(400);
        assert_eq!((&problem["code"], &problem["field"]), (&json!(code), &json!(field)), "{query}");
    }
}

#[test]
fn the_table_from_before_undoes_an_upload_and_a_bulk_change() {
    let daemon = shop();
    let before = customers(&daemon);
    let old = daemon.get(&format!("{TABLE}?columns=city,deposit_level")).body;
    let mistaken = "merchant_customer_identifier,city,deposit_level\r\na,,gold\r\nb,Oslo,\r\n";
    assert_eq!(upload(&daemon, mistaken)["changed"], 2);
    assert_ne!(customers(&daemon), before);
    let undone = upload(&daemon, &old);
    assert_eq!((&undone["changed"], &undone["unchanged"], &undone["created"]), (&json!(2), &json!(1), &json!(0)));
    assert_eq!(customers(&daemon), before);

    let old = daemon.get(&format!("{TABLE}?label=vip&columns=status,labels,deposit_level")).body;
    let change = json!({ "select": { "label": "vip" },
        "set": { "status": "fraud", "labels": ["regular"], "deposit_level": "gold" } });
    assert_eq!(daemon.post(&format!("{CUSTOMERS}/bulk"), &change).ok()["changed"], 2);
    // What others change in other columns remains.
    let path = format!("{CUSTOMERS}/1000002");
    raw_http::send(daemon.port(), "PATCH", &path, br#"{"city": "Lima"}"#).ok();
    assert_eq!(upload(&daemon, &old)["changed"], 2);
    let mut want = before;
    want[1]["city"] = json!("Lima");
    assert_eq!(customers(&daemon), want);
}

/// A trial leads to the table from before, and a job to its steps in the audit.
#[test]
fn answers_link_to_what_undoes_a_change() {
    let daemon = shop();
    let link = |answer: &Value| answer["undo"].as_str().map(str::to_owned);
    let trial =
        |table: &str| raw_http::send(daemon.port(), "POST", &format!("{TABLE}?mode=trial"), table.as_bytes()).ok();
    let mistaken = "merchant_customer_identifier,city,created_at\r\na,,\r\nb,Oslo,\r\nnew,Oslo,\r\n";
    let tried = trial(mistaken);
    assert_eq!(link(&tried).expect("a link"), format!("{TABLE}?columns=city&customer_id=1000001&customer_id=1000002"));
    assert_eq!(tried["job"]["audit"], Value::Null);
    for unchanging in ["customer_id,city\r\n1000001,Paris\r\n", "merchant_customer_identifier,city\r\nother,Oslo\r\n"] {
        assert_eq!(link(&trial(unchanging)), None, "{unchanging}");
    }
    // The linked table undoes the upload.
    let before = customers(&daemon);
    let old = daemon.get(&link(&tried).expect("a link")).body;
    let done = upload(&daemon, mistaken);
    assert_eq!((link(&done), &done["created"]), (None, &json!(1)));
    let page = daemon.get(done["job"]["audit"].as_str().expect("a link")).ok();
    assert_eq!(page["audit"].as_array().expect("entries").len(), 3, "{page}");
    assert_eq!(upload(&daemon, &old)["changed"], 2);
    assert_eq!(customers(&daemon).as_array().map(|all| &all[..3]), before.as_array().map(|all| &all[..]));

    let bulk = |select: Value, set: Value, dry_run: bool| {
        let body = json!({ "select": select, "set": set, "dry_run": dry_run });
        daemon.post(&format!("{CUSTOMERS}/bulk"), &body).ok()
    };
    let limit = json!({ "direction": "deposit", "currency": "EUR", "max_amount": "9.00" });
    for (select, set, want) in [
        (
            json!({ "label": "vip" }),
            json!({ "status": "member", "deposit_level": "gold", "withdrawal_level": "" }),
            "deposit_level,status&label=vip",
        ),
        (json!({ "label": "vip" }), json!({ "status": "member", "labels": ["vip"] }), "status&label=vip"),
        (json!({ "ids": ["1000003"] }), json!({ "labels": [] }), "labels&customer_id=1000003"),
        (
            json!({ "merchant_customer_identifier": ["a", "b"] }),
            json!({ "status": "deny", "global_limit": limit }),
            "status&merchant_customer_identifier=a&merchant_customer_identifier=b",
        ),
        (json!({ "all": true }), json!({ "withdrawal_level": "" , "status": "member" }), "status"),
        (json!({ "label": "vip" }), json!({ "global_limit": limit }), ""),
        (json!({ "label": "vip" }), json!({ "labels": ["vip"] }), ""),
    ] {
        let tried = bulk(select.clone(), set.clone(), true);
        let want = (!want.is_empty()).then(|| format!("{TABLE}?columns={want}"));
        assert_eq!(link(&tried), want, "{select} {set}: {tried}");
        if let Some(path) = want {
            let (before, old) = (customers(&daemon), daemon.get(&path).body);
            assert_eq!(old.lines().count() as u64, 1 + tried["selected"].as_u64().expect("a number"), "{path}: {old}");
            // The linked table undoes the change, except for the settings, which the trial counts.
            assert_eq!(bulk(select, set, false)["changed"], tried["changed"]);
            upload(&daemon, &old);
            let [before, after] = [before, customers(&daemon)].map(|mut all| {
                for customer in all.as_array_mut().into_iter().flatten() {
                    customer["settings"] = Value::Null;
                }
                all
            });
            assert_eq!(after, before, "{tried}");
        }
    }
    let done = bulk(json!({ "label": "vip" }), json!({ "status": "member" }), false);
    let page = daemon.get(done["job"]["audit"].as_str().expect("a link")).ok();
    assert_eq!(page["audit"].as_array().expect("entries").len(), 2, "{page}");
    let listed = daemon.get(&format!("{CUSTOMERS}/jobs?limit=1")).ok();
    assert_eq!(listed["jobs"][0]["audit"], done["job"]["audit"]);
}

/// A whole table is downloaded, some cells are changed and it is uploaded: the trial names only the columns whose cells
/// change something, and the table of these columns brings back what was there.
#[test]
fn a_trial_names_the_columns_that_change() {
    let daemon = shop();
    let path = format!("{CUSTOMERS}/1000002");
    let profile = json!({ "phone": "+35799123456", "email": "b@example.com", "deposit_level": "gold", "rating": 7 });
    raw_http::send(daemon.port(), "PATCH", &path, profile.to_string().as_bytes()).ok();
    let whole = daemon.get(TABLE).body;
    let mut undone = 0;
    for (edits, columns, changed) in [
        (&[][..], None, 0),
        (&[("Paris", "Oslo")][..], Some("city&customer_id=1000001"), 1),
        // Spaces around a value change nothing.
        (&[("b@example.com", " b@example.com"), ("vip", " vip ")], None, 0),
        (&[("gold", ""), ("Rome", "Bari"), (",7,", ",8,")], Some("deposit_level,city,rating"), 2),
        (&[("regular", "vip"), ("new", "member")], Some("status,labels"), 3),
        (&[("'+35799123456", "")], Some("phone&customer_id=1000002"), 1),
    ] {
        let edited = edits.iter().fold(whole.clone(), |table, (from, to)| table.replace(from, to));
        let tried = raw_http::send(daemon.port(), "POST", &format!("{TABLE}?mode=trial"), edited.as_bytes()).ok();
        assert_eq!((&tried["changed"], &tried["bad"]), (&json!(changed), &json!(0)), "{edits:?}: {tried}");
        let undo = tried["undo"].as_str();
        let named = undo.map(|undo| undo.strip_prefix(&format!("{TABLE}?columns=")).expect("columns"));
        assert!(columns.is_none_or(|columns| named.is_some_and(|named| named.starts_with(columns))), "{tried}");
        let Some(undo) = undo else { continue };
        let (before, old) = (customers(&daemon), daemon.get(undo).body);
        upload(&daemon, &edited);
        assert_ne!(customers(&daemon), before, "{edits:?}");
        upload(&daemon, &old);
        assert_eq!(customers(&daemon), before, "{edits:?}");
        undone += 1;
    }
    assert_eq!(undone, 4);
}

/// A change of the level removes individual settings, where the merchant is configured so. No table contains them.
#[test]
fn a_trial_counts_the_customers_who_lose_settings() {
    let labels = "labels_max = 3\n[[labels]]\nname = \"regular\"\n[[labels]]\nname = \"vip\"\n";
    for resets in [true, false] {
        let head = format!("{CRM}reset_individual_settings_on_level_change = {resets}\n{labels}");
        let settings = Settings { store: "kind = \"disk\"\nsync = \"always\"", ..Settings::SYSTEM };
        let merchant = acme(&head, &[level("gold", ""), level("silver", "")]);
        let daemon = Daemon::start(ConfigFolder::new(&settings, &[("acme", merchant)]));
        for identifier in ["a", "b"] {
            let body = json!({ "merchant_customer_identifier": identifier, "deposit_level": "silver" });
            assert_eq!(daemon.post(CUSTOMERS, &body).status, 201);
        }
        let limit = json!({ "global_limit": { "max_amount": "30.00" } });
        daemon.send("PUT", &format!("{CUSTOMERS}/1000001/settings/deposit/EUR/silver"), &limit).ok();
        let table = "customer_id,deposit_level,withdrawal_level\r\n1000001,gold,\r\n1000002,gold,\r\n";
        let trial = raw_http::send(daemon.port(), "POST", &format!("{TABLE}?mode=trial"), table.as_bytes()).ok();
        let body = json!({ "select": { "all": true }, "set": { "deposit_level": "gold" }, "dry_run": true });
        let bulk = daemon.post(&format!("{CUSTOMERS}/bulk"), &body).ok();
        let want = if resets { json!(1) } else { Value::Null };
        assert_eq!((&trial["settings_changed"], &bulk["settings_changed"]), (&want, &want), "{trial} {bulk}");
        let limit = json!({ "direction": "deposit", "currency": "EUR", "max_amount": "9.00" });
        let body = json!({ "select": { "all": true }, "set": { "global_limit": limit }, "dry_run": true });
        let bulk = daemon.post(&format!("{CUSTOMERS}/bulk"), &body).ok();
        assert_eq!((&bulk["settings_changed"], &bulk["undo"]), (&json!(2), &Value::Null), "{bulk}");
    }
}

/// Without a table from before, the audit has the old values of a job. A start keeps the job of each step.
#[test]
fn steps_of_a_job_name_it() {
    let mut daemon = shop();
    let table = "merchant_customer_identifier,city\r\na,Oslo\r\nb,Bergen\r\n";
    raw_http::send(daemon.port(), "POST", &format!("{TABLE}?job=spring"), table.as_bytes()).ok();
    let change = json!({ "select": { "label": "vip" }, "set": { "deposit_level": "gold" } });
    let unnamed = daemon.post(&format!("{CUSTOMERS}/bulk"), &change).ok()["job"]["id"].clone();
    let unnamed = unnamed.as_str().expect("an id").to_owned();
    for start in ["the first", "the second"] {
        let of_job = |job: &str| {
            let page = daemon.get(&format!("/v1/merchants/acme/audit?job={job}")).ok();
            let entries = page["audit"].as_array().expect("entries").clone();
            assert!(entries.iter().all(|entry| entry["job"] == json!(job)), "{start} start: {page}");
            entries.iter().map(|entry| json!([entry["customer_id"], entry["changes"]])).collect::<Vec<Value>>()
        };
        let changed =
            |id: &str, field: &str, old: Value, new: &str| json!([id, [{ "field": field, "old": old, "new": new }]]);
        let of_upload =
            [changed("1000002", "city", Value::Null, "Bergen"), changed("1000001", "city", json!("Paris"), "Oslo")];
        let of_bulk = ["1000002", "1000001"].map(|id| changed(id, "deposit_level", Value::Null, "gold"));
        assert_eq!((of_job("spring"), of_job(&unnamed)), (of_upload.to_vec(), of_bulk.to_vec()), "{start} start");
        let unknown = daemon.get("/v1/merchants/acme/audit?job=none").problem(404);
        assert_eq!(
            (&unknown["code"], &unknown["detail"]),
            (&json!("job_not_found"), &json!("the merchant has no job \"none\""))
        );
        let history = daemon.get(&format!("{CUSTOMERS}/1000001/history")).ok()["history"].clone();
        let jobs: Vec<Value> = history.as_array().expect("steps").iter().map(|step| step["job"].clone()).collect();
        assert_eq!(jobs, [json!(unnamed), json!("spring"), Value::Null], "{start} start: {history}");
        daemon.kill_and_start();
    }
}
