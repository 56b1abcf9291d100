//! Customers as a table, in bulk, and made up: over the wire and by commands.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings, run, run_into};
use support::fixtures::{CRM, acme, filter, level, pay, with};
use support::raw_http;

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
const TABLE: &str = "/v1/merchants/acme/customers.csv";
const HEAD: &str = "merchant_customer_identifier,deposit_level,status,labels,email,first_name\r\n";

fn merchant() -> String {
    let labels = "[[labels]]\nname = \"regular\"\n[[labels]]\nname = \"vip\"\n";
    let email = "[registration]\nemail = { unique = true }\n";
    acme(
        &format!("{CRM}labels_max = 3\n{labels}{email}"),
        &[level("gold", &filter("window = \"daily\"; amount_limit = \"50.00\""))],
    )
}

fn upload(daemon: &Daemon, query: &str, table: &str) -> support::answer::Answer {
    raw_http::send(daemon.port(), "POST", &format!("{TABLE}{query}"), table.as_bytes())
}

fn counts(reply: &Value) -> (u64, u64, u64, u64) {
    let of = |name: &str| reply[name].as_u64().expect("a count");
    (of("created"), of("changed"), of("unchanged"), of("bad"))
}

#[test]
fn import_of_an_export_changes_nothing() {
    let daemon = Daemon::live(merchant());
    let made = daemon.post(&format!("{CUSTOMERS}/mock"), &json!({ "count": 300, "seed": 7 })).ok();
    assert_eq!(counts(&made), (300, 0, 0, 0), "{made}");
    // What a spreadsheet would run or spoil, and what quotes need.
    let odd = [("=cmd()", "+1"), ("0012", "a;b,c\"d\nnext line"), ("3-Jan", "'quoted"), ("1e5", " spaces ")];
    for (place, (identifier, name)) in odd.iter().enumerate() {
        let body = json!({ "merchant_customer_identifier": identifier, "first_name": name,
            "email": format!("odd{place}@example.com"), "labels": ["vip", "regular"] });
        assert_eq!(daemon.post(CUSTOMERS, &body).status, 201);
    }
    let table = daemon.get(TABLE);
    assert_eq!((table.status, table.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let before: Vec<Value> = pages(&daemon);
    let reply = upload(&daemon, "", &table.body).ok();
    assert_eq!(counts(&reply), (0, 0, 304, 0), "{reply}");
    assert_eq!(pages(&daemon), before);
    assert_eq!(daemon.get(TABLE).body, table.body, "to the byte");
    // Semicolons, another order, a byte order mark: the same customers.
    let other = "\u{feff}first_name;customer_id\r\nRenamed;1000001\r\n";
    assert_eq!(counts(&upload(&daemon, "", other).ok()), (0, 1, 0, 0));
    assert_eq!(daemon.get(&format!("{CUSTOMERS}/1000001")).ok()["first_name"], "Renamed");
}

/// A table as a spreadsheet saves one: its first line names the delimiter, an empty column and empty rows follow, and cells
/// have spaces around them.
#[test]
fn tables_are_read_as_spreadsheets_write_them() {
    let daemon = Daemon::live(merchant());
    let table = "\u{feff}sep=;\r\nmerchant_customer_identifier;deposit_level;email;\r\n=\"00123\"; gold ; a@example.com;\r\n\
                 '00456;;;\r\n;;;\r\n;;;;;;\r\n";
    for query in ["?mode=trial", ""] {
        let reply = upload(&daemon, query, table).ok();
        assert_eq!((counts(&reply), reply["rows"].clone()), ((2, 0, 2, 0), json!(4)), "{reply}");
    }
    let shown = daemon.get(&format!("{CUSTOMERS}/1000001")).ok();
    assert_eq!(shown["merchant_customer_identifier"], "00123", "{shown}");
    assert_eq!((&shown["deposit_level"], &shown["email"]), (&json!("gold"), &json!("a@example.com")), "{shown}");
    // A spoilt cell is refused by row, and the reason names the remedy.
    let spoilt = "merchant_customer_identifier,email,phone\r\n1.23457E+15,x@example.com,\r\n123,y@example.com,\r\n\
                  new,z@example.com,05.01.2024 00:00\r\n,,\r\nnewer,n@example.com,35799123456\r\n";
    let problem = upload(&daemon, "", spoilt).problem(422);
    let rows: Vec<(u64, &str, &str)> = problem["bad_rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["column"].as_str().unwrap(), row["reason"].as_str().unwrap()))
        .collect();
    let identifier = "merchant_customer_identifier";
    for (row, want) in rows.iter().zip([
        (2, identifier, "shortened"),
        (3, identifier, "\"00123\" is: a spreadsheet has cut off its leading zeros"),
        (4, "phone", "is a date"),
        (6, "phone", "lost its plus"),
    ]) {
        assert_eq!((row.0, row.1), (want.0, want.1), "{rows:?}");
        assert!(row.2.contains(want.2) && row.2.contains("format the column as text"), "{row:?}");
    }
    assert_eq!(rows.len(), 4, "{rows:?}");
    assert_eq!(daemon.get("/v1/status").ok()["customers"], 2);
}

#[test]
fn the_template_passes_a_trial_of_its_merchant_also_where_its_examples_exist() {
    let registration = "[registration]\nprimary_identifier = \"phone\"\ndefault_country = \"DE\"\n\
                        email = { required = true, unique = true }\nphone = { unique = true }\n\
                        min_registration_date = 2026-01-01T00:00:00Z\n\
                        [registration.external_id]\nlength = 12\nchecksum = \"luhn\"\n";
    let strict = acme(&format!("{CRM}{registration}"), &[level("silver", "")]);
    let gateway = acme(support::fixtures::GATEWAY, &[]);
    for (name, text) in [("plain", merchant()), ("strict", strict), ("gateway", gateway)] {
        let daemon = Daemon::live(text);
        for query in ["?mode=trial", "", "?mode=trial", ""] {
            let template = daemon.get(&format!("{CUSTOMERS}/template.csv"));
            assert_eq!((template.status, template.header("content-type")), (200, Some("text/csv; charset=utf-8")));
            assert_eq!(template.body.lines().count(), 3, "a header and two rows: {}", template.body);
            let reply = upload(&daemon, query, &template.body).ok();
            assert_eq!(counts(&reply), (2, 0, 0, 0), "{name}: {reply} {}", template.body);
        }
        assert_eq!(daemon.get("/v1/status").ok()["customers"], 4);
    }
}

fn pages(daemon: &Daemon) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = daemon.get(&format!("{CUSTOMERS}?limit=100{cursor}")).ok();
        all.extend(page["customers"].as_array().expect("a list").iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[test]
fn import_reports_every_bad_row_and_is_all_or_nothing() {
    let daemon = Daemon::live(merchant());
    let rows = [
        "ann,gold,member,vip,ann@example.com,Ann",
        "ben,goldd,,,ben@example.com,Ben",
        "cat,gold,membre,,cat@example.com,Cat",
        "1.23457E+15,gold,,,dan@example.com,Dan",
        "eve,gold,,,ann@example.com,Eve",
        "ann,,,,other@example.com,Twice",
        "fay,gold,,unknown,fay@example.com,Fay",
        "gus,gold,,,4111111111111111,Gus",
        "hal,gold,,vip,hal@example.com,Hal",
    ];
    let table = format!("{HEAD}{}\r\n", rows.join("\r\n"));
    let refused = upload(&daemon, "", &table).problem(422);
    assert_eq!(refused["code"], "rows_bad");
    let reply: Vec<(u64, &str)> = refused["bad_rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|bad| (bad["line"].as_u64().expect("a line"), bad["column"].as_str().unwrap_or("-")))
        .collect();
    let want = [
        (3, "deposit_level"),
        (4, "status"),
        (5, "merchant_customer_identifier"),
        (6, "email"),
        (7, "merchant_customer_identifier"),
        (8, "labels"),
        (9, "email"),
    ];
    assert_eq!(reply, want, "{refused}");
    assert!(pages(&daemon).is_empty(), "nothing was taken");
    let tried = upload(&daemon, "?mode=trial", &table).ok();
    assert_eq!((counts(&tried), tried["applied"].clone()), ((2, 0, 0, 7), json!(false)));
    assert!(pages(&daemon).is_empty(), "nothing was taken");
    let partial = upload(&daemon, "?mode=partial", &table).ok();
    assert_eq!(counts(&partial), (2, 0, 0, 7), "{partial}");
    let names: Vec<Value> = pages(&daemon).iter().map(|c| c["merchant_customer_identifier"].clone()).collect();
    assert_eq!(names, [json!("ann"), json!("hal")]);
    for (query, table, code) in [("?mode=some", HEAD, "value_unknown"), ("?mod=all", HEAD, "unknown_field")] {
        assert_eq!(upload(&daemon, query, table).problem(400)["code"], code);
    }
    let unknown = upload(&daemon, "", "merchant_customer_identifier,emial\r\n").problem(422);
    assert!(unknown["bad_rows"][0]["reason"].as_str().expect("a reason").contains("email"), "{unknown}");
    // A card's number is in no answer and in no log.
    assert!(!refused.to_string().contains("4111111111111111") && !daemon.log().contains("4111111111111111"));
}

#[test]
fn a_trial_lists_what_empty_cells_would_remove_and_every_fault_of_a_row() {
    let daemon = Daemon::live(merchant());
    let first = format!("{HEAD}ann,gold,member,vip,ann@example.com,Ann\r\nben,gold,,,ben@example.com,Ben\r\n");
    assert_eq!(counts(&upload(&daemon, "", &first).ok()), (2, 0, 0, 0));
    // A spreadsheet leaves out the empty cells at the end of a row: they are empty.
    let emptied = format!("{HEAD}ann,gold,,,\r\nben,,,,ben@example.com,Ben\r\ncat,gold\r\n");
    let tried = upload(&daemon, "?mode=trial", &emptied).ok();
    assert_eq!(counts(&tried), (1, 2, 0, 0), "{tried}");
    let removed: Vec<(u64, &str, &str)> = tried["removed_values"]
        .as_array()
        .expect("values")
        .iter()
        .map(|removed| {
            let text = |member: &str| removed[member].as_str().expect("a text");
            assert!(text("customer_id").starts_with("100000"), "{removed}");
            (removed["line"].as_u64().expect("a line"), text("column"), text("value"))
        })
        .collect();
    let wanted = [
        (2, "labels", "vip"),
        (2, "email", "ann@example.com"),
        (2, "first_name", "Ann"),
        (3, "deposit_level", "gold"),
        (3, "labels", "regular"),
    ];
    assert_eq!(removed, wanted, "{tried}");
    assert_eq!(tried["values_removed"], 5);
    let imported = upload(&daemon, "", &emptied).ok();
    assert_eq!(counts(&imported), (1, 2, 0, 0), "{imported}");
    assert!(imported.get("removed_values").is_none(), "an import that is done lists none: {imported}");
    assert_eq!(pages(&daemon)[0]["email"], Value::Null);

    let unknown = format!("{HEAD}ivy,goldd,,unknown,ann@example.com,Ivy\r\nann,silverr,,unknown,,\r\n");
    let refused = upload(&daemon, "?mode=trial", &unknown).ok();
    let told: Vec<String> = refused["bad_rows"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|bad| format!("{} {}", bad["line"], bad["column"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!((told.len(), counts(&refused).3), (4, 2), "two faults in each of two rows: {refused}");
    for wanted in ["2 deposit_level", "2 labels", "3 deposit_level", "3 labels"] {
        assert!(told.iter().any(|fault| fault == wanted), "{wanted}: {refused}");
    }

    let head = "merchant_customer_identifier,status,rating,phone_verified,registration_ip,date_of_birth,created_at\r\n";
    let rows =
        ["dan,membre,101,yes,x,1990-12-31,", "eve,,,,,17/05/1990,45321", "fay,member,10,true,192.0.2.7,1990-12-31,"];
    let refused = upload(&daemon, "", &format!("{head}{}", rows.join("\r\n"))).problem(422);
    let bad_rows = refused["bad_rows"].as_array().expect("rows");
    let told: Vec<String> =
        bad_rows.iter().map(|bad| format!("{} {}", bad["line"], bad["column"].as_str().unwrap_or("-"))).collect();
    let wanted = ["2 rating", "2 registration_ip", "2 phone_verified", "2 status", "3 date_of_birth", "3 created_at"];
    assert_eq!(told, wanted, "{refused}");
    let reason = |index: usize| bad_rows[index]["reason"].as_str().expect("a reason");
    assert!(reason(4).contains("such as 1990-12-31") && reason(5).contains("a time with its zone"), "{refused}");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("2 of 3")), "rows are counted: {refused}");
}

#[test]
fn upload_is_a_job_with_an_idempotent_id() {
    let daemon = Daemon::live(merchant());
    let jobs = |query: &str| daemon.get(&format!("{CUSTOMERS}/jobs{query}"));
    assert_eq!(jobs("").ok(), json!({ "jobs": [] }));
    assert_eq!(jobs("/none").problem(404)["code"], "job_not_found");
    let table = format!("{HEAD}ann,gold,,,ann@example.com,Ann\r\nben,,,,ben@example.com,Ben\r\n");
    let first = upload(&daemon, "?job=spring", &table);
    let reply = first.ok();
    let job = &reply["job"];
    assert_eq!(
        (&job["id"], &job["kind"], &job["mode"], &job["state"], &job["rows"], &job["rows_done"]),
        (&json!("spring"), &json!("upload"), &json!("all"), &json!("done"), &json!(2), &json!(2)),
        "{reply}"
    );
    assert!(job["begun_at"].is_string() && job["ended_at"].is_string() && !first.is_replay(), "{reply}");
    // Sending the table again does not undo changes by staff.
    let path = format!("{CUSTOMERS}/1000001");
    raw_http::send(daemon.port(), "PATCH", &path, b"{\"first_name\": \"Anna\"}").ok();
    let again = upload(&daemon, "?job=spring", &table);
    assert!(again.is_replay() && again.body == first.body, "{again:?}");
    assert_eq!(daemon.get(&path).ok()["first_name"], "Anna");
    for (query, table) in [("?job=spring", format!("{table}cat,,,,,\r\n")), ("?job=spring&mode=partial", table.clone())]
    {
        assert_eq!(upload(&daemon, query, &table).problem(409)["code"], "job_differs");
    }
    for query in ["?job=", "?job=a%20b", "?job=a%2Fb"] {
        assert_eq!(upload(&daemon, query, &table).problem(400)["field"], "job", "{query}");
    }
    // A refused table, and one that is only tried, leave the id to a better one.
    let bad = table.replace("gold", "goldd");
    assert_eq!(upload(&daemon, "?job=fall", &bad).problem(422)["code"], "rows_bad");
    assert_eq!(upload(&daemon, "?job=fall&mode=trial", &table).ok()["job"]["state"], "tried");
    let taken = upload(&daemon, "?job=fall", &table);
    // An empty cell of `labels` takes away what a new customer got.
    assert!(!taken.is_replay() && taken.ok()["changed"] == 2, "{taken:?}");
    let shown = jobs("/fall").ok();
    assert_eq!((&shown["state"], &shown["answer"]["changed"]), (&json!("done"), &json!(2)), "{shown}");
    // One without an id gets one.
    let named = upload(&daemon, "", &table).ok()["job"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(jobs(&format!("/{named}")).ok()["rows"], 2);
    let bulk = json!({ "select": { "all": true }, "set": { "labels": ["vip"] } });
    let path = format!("{CUSTOMERS}/bulk?job=vips");
    let changed = daemon.post(&path, &bulk).ok();
    assert_eq!((&changed["changed"], &changed["job"]["kind"]), (&json!(2), &json!("bulk")), "{changed}");
    let again = daemon.post(&path, &bulk);
    assert!(again.is_replay() && again.ok() == changed, "{again:?}");
    assert_eq!(daemon.post(&path, &with(bulk, &json!({ "select": { "status": "new" } }))).problem(409)["field"], "job");
    let listed = jobs("?limit=2").ok();
    let ids: Vec<&str> =
        listed["jobs"].as_array().expect("jobs").iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["vips", &named], "the newest first");
    assert_eq!(jobs("?limit=0").problem(400)["field"], "limit");
}

#[test]
fn concurrent_uploads_with_one_id_are_applied_once() {
    let daemon = Daemon::live(merchant());
    let rows: String = (0..2_000).map(|n| format!("row{n},,,,row{n}@example.com,Row\r\n")).collect();
    let table = format!("{HEAD}{rows}");
    let answers: Vec<support::answer::Answer> = std::thread::scope(|scope| {
        let sending: Vec<_> = (0..4).map(|_| scope.spawn(|| upload(&daemon, "?job=once", &table))).collect();
        sending.into_iter().map(|sent| sent.join().expect("it is sent")).collect()
    });
    assert!(answers.iter().all(|answer| answer.ok()["created"] == 2_000), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.is_replay()).count(), 1);
    assert_eq!(daemon.get("/v1/status").ok()["customers"], 2_000);
}

#[test]
fn a_table_acts_on_the_very_next_decision() {
    let daemon = Daemon::live(merchant());
    let plain = |id: &str| {
        let mut body = with(pay(id, "60.00"), &json!({ "merchant_customer_identifier": "ann" }));
        body.as_object_mut().expect("an object").remove("customer_level");
        daemon.reserve(&body).ok()
    };
    assert_eq!(plain("t1")["decision"], "allow", "no level limits");
    upload(&daemon, "", &format!("{HEAD}ann,gold,,,,\r\n")).ok();
    let answer = plain("t2");
    assert_eq!((answer["decision"].clone(), answer["level"]["name"].clone()), (json!("deny"), json!("gold")));
    // An empty cell takes the level away.
    upload(&daemon, "", "merchant_customer_identifier,deposit_level\r\nann,\r\n").ok();
    assert_eq!(plain("t3")["level"]["source"], "default");
}

#[test]
fn a_bulk_change_with_the_digest_of_a_trial_changes_the_customers_of_that_trial_alone() {
    let daemon = Daemon::live(merchant());
    for name in ["ann", "ben", "cat"] {
        let label = if name == "cat" { "regular" } else { "vip" };
        let body = json!({ "merchant_customer_identifier": name, "labels": [label] });
        assert_eq!(daemon.post(CUSTOMERS, &body).status, 201);
    }
    let bulk = format!("{CUSTOMERS}/bulk");
    let status = |id: u64| daemon.get(&format!("{CUSTOMERS}/{id}")).ok()["status"].clone();
    let label = |id: u64, label: &str| {
        daemon.send("PATCH", &format!("{CUSTOMERS}/{id}"), &json!({ "labels": [label] })).ok();
    };
    let vips = json!({ "select": { "label": "vip" }, "set": { "status": "member" } });
    let digest = || daemon.post(&bulk, &with(vips.clone(), &json!({ "dry_run": true }))).ok()["changed_digest"].clone();
    let first = digest();
    assert_eq!(digest(), first, "the same customers");
    let change = |digest: &Value| with(vips.clone(), &json!({ "changed_digest": digest }));
    // Ben leaves and cat enters: as many as before.
    label(1_000_002, "regular");
    label(1_000_003, "vip");
    assert_ne!(digest(), first);
    let refused = daemon.post(&format!("{bulk}?job=vips"), &change(&first)).problem(409);
    assert_eq!((&refused["code"], &refused["field"]), (&json!("selection_changed"), &json!("changed_digest")));
    assert_eq!(daemon.get(&format!("{CUSTOMERS}/jobs/vips")).ok()["state"], "refused");
    let tried = daemon.post(&bulk, &with(change(&first), &json!({ "dry_run": true })));
    assert_eq!(tried.problem(409)["code"], "selection_changed");
    for id in [1_000_001, 1_000_002, 1_000_003] {
        assert_eq!(status(id), "new", "{id}");
    }
    // The id of the refused job is free. A customer whom the change would not change is none of the job.
    daemon.send("PATCH", &format!("{CUSTOMERS}/1000001"), &json!({ "status": "member" })).ok();
    let changed = daemon.post(&format!("{bulk}?job=vips"), &change(&digest())).ok();
    assert_eq!((&changed["selected"], &changed["changed"]), (&json!(1), &json!(1)), "{changed}");
    assert_eq!((status(1_000_002), status(1_000_003)), (json!("new"), json!("member")));
    // An id that leads to another customer since the trial.
    let ids = json!({ "select": { "ids": ["1000002"] }, "set": { "status": "deny" } });
    let tried = daemon.post(&bulk, &with(ids.clone(), &json!({ "dry_run": true }))).ok();
    daemon.post(&format!("{CUSTOMERS}/1000002/merge"), &json!({ "into": "1000001" })).ok();
    let merged = with(ids, &json!({ "changed_digest": tried["changed_digest"] }));
    assert_eq!(daemon.post(&bulk, &merged).problem(409)["code"], "selection_changed");
    for no_text in [json!(7), json!(null)] {
        let refused = daemon.post(&bulk, &with(vips.clone(), &json!({ "changed_digest": no_text }))).problem(400);
        assert_eq!((&refused["code"], &refused["field"]), (&json!("wrong_type"), &json!("changed_digest")));
    }
}

#[test]
fn bulk_update_follows_a_dry_run() {
    let daemon = Daemon::live(merchant());
    for name in ["ann", "ben", "cat"] {
        let level = if name == "cat" { Value::Null } else { json!("gold") };
        let body = json!({ "merchant_customer_identifier": name, "deposit_level": level });
        assert_eq!(daemon.post(CUSTOMERS, &body).status, 201);
    }
    let bulk = |body: &Value| daemon.post(&format!("{CUSTOMERS}/bulk"), body);
    let limit = json!({ "direction": "deposit", "currency": "EUR", "max_amount": "20.00" });
    let golden = json!({ "select": { "deposit_level": "gold" }, "set": { "labels": ["vip"], "global_limit": limit } });
    let tried = bulk(&with(golden.clone(), &json!({ "dry_run": true }))).ok();
    assert_eq!((tried["selected"].clone(), tried["changed"].clone()), (json!(2), json!(2)), "{tried}");
    assert_eq!(daemon.get(&format!("{CUSTOMERS}/1000001")).ok()["labels"], json!(["regular"]), "only tried");
    assert_eq!(bulk(&golden).ok()["changed"], 2);
    let again = bulk(&golden).ok();
    assert_eq!((again["changed"].clone(), again["unchanged"].clone()), (json!(0), json!(2)), "{again}");
    let ann = with(pay("t1", "20.01"), &json!({ "merchant_customer_identifier": "ann", "payment_method": "card" }));
    assert_eq!(daemon.reserve(&ann).ok()["code"], 19103, "over the global limit");
    let ids = json!({ "select": { "ids": ["1000003", "1", "x"] }, "set": { "status": "deny" } });
    let reply = bulk(&ids).ok();
    assert_eq!((reply["changed"].clone(), reply["refused"].clone()), (json!(1), json!(2)), "{reply}");
    for (select, field) in [
        (json!({}), "select"),
        (json!({ "ids": [] }), "select"),
        (json!({ "email": " " }), "select"),
        (json!({ "email": null, "label": "" }), "select"),
        (json!({ "all": false }), "all"),
        (json!({ "all": "true" }), "all"),
        (json!({ "all": true, "status": "new" }), "select"),
        (json!({ "all": true, "ids": ["1000001"] }), "select"),
    ] {
        for more in [json!({}), json!({ "dry_run": true })] {
            let body = with(json!({ "select": select, "set": { "status": "deny" } }), &more);
            let problem = bulk(&body).problem(400);
            assert_eq!(problem["field"], field, "{body}: {problem}");
            let detail = problem["detail"].as_str().expect("a text");
            assert!(field == "all" || detail.contains("every customer"), "{detail}");
        }
    }
    let absent = bulk(&json!({ "set": { "status": "deny" } })).problem(400);
    assert!(absent["detail"].as_str().expect("a text").contains(r#"{"all": true}"#), "{absent}");
    let shown = |id: u64| daemon.get(&format!("{CUSTOMERS}/{id}")).ok()["status"].clone();
    assert_eq!((shown(1_000_001), shown(1_000_002)), (json!("new"), json!("new")), "nothing was changed");
    // An empty level is a filter: those without a level.
    let none = bulk(&json!({ "select": { "deposit_level": "" }, "set": { "status": "member" }, "dry_run": true })).ok();
    assert_eq!(none["selected"], 1, "{none}");
    for body in [
        json!({ "select": { "all": true } }),
        json!({ "select": { "all": true }, "set": {} }),
        json!({ "select": { "limit": "5" }, "set": { "status": "new" } }),
        json!({ "select": { "ids": [], "status": "new" }, "set": { "status": "new" } }),
        json!({ "select": { "all": true }, "set": { "email": "x@example.com" } }),
        json!({ "select": { "all": true }, "set": { "status": "new" }, "all": true }),
    ] {
        bulk(&body).problem(400);
    }
}

#[test]
fn commands_work_on_an_idle_folder_and_a_running_daemon() {
    let on_disk =
        || ConfigFolder::new(&Settings { store: "kind = \"disk\"", ..Settings::SYSTEM }, &[("acme", merchant())]);
    let folder = on_disk();
    let config = folder.path().display().to_string();
    let to = |folder: &ConfigFolder, arguments: &[&str]| run(folder, &[arguments, &["--config", &config]].concat());
    let made = to(&folder, &["mock", "--count", "50", "--seed", "3"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.text.contains("50 created"), "{made:?}");
    // The command finishes although its output is closed, as in `| head`. Half a script is none.
    let nobody = || {
        let (receiver, sender) = std::io::pipe().expect("a pipe");
        drop(receiver);
        sender
    };
    assert_eq!(run_into(&folder, &["mock", "--count", "50", "--seed", "3", "--config", &config], nobody()), Some(0));
    assert_eq!(run_into(&folder, &["completions", "bash"], nobody()), Some(0));
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full disk");
    assert_eq!(run_into(&folder, &["completions", "bash"], full), Some(1));
    let file = folder.scratch_path("customers.csv").display().to_string();
    let written = to(&folder, &["export", "--out", &file]);
    assert_eq!(written.code, Some(0), "{written:?}");
    let again = to(&folder, &["import", &file, "--merchant", "acme"]);
    assert!(again.code == Some(0) && again.text.contains("50 unchanged"), "{again:?}");
    let table = std::fs::read_to_string(&file).expect("the table");
    std::fs::write(&file, table.replacen("@", "", 1).replacen("member", "membre", 1)).expect("written");
    let bad = to(&folder, &["import", &file]);
    assert!(bad.code == Some(1) && bad.text.contains("column status"), "{bad:?}");
    let nobody = to(&folder, &["export", "--merchant", "globex"]);
    assert!(nobody.code == Some(1) && nobody.text.contains("it has acme"), "{nobody:?}");
    // A trial leads to the columns that undo it.
    let changed = folder.scratch_path("changed.csv").display().to_string();
    std::fs::write(&changed, table.replace("member", "deny")).expect("written");
    let tried = to(&folder, &["import", &changed, "--dry-run"]);
    assert!(tried.code == Some(0) && tried.text.contains("levelgate export --columns status --out "), "{tried:?}");
    // Columns and filters are those of the customer list, of a folder as of a daemon.
    let selections: [&[&str]; 4] = [
        &["--columns", "status,labels"],
        &["--columns", "email", "--filter", "status=member", "--filter", "created_from=2020-01-01"],
        &["--filter", "customer_id=1000001", "--filter", "customer_id=1000002"],
        &["--columns", "status", "--filter", "status=fraud"],
    ];
    let part = folder.scratch_path("part.csv").display().to_string();
    let parts = selections.map(|selection| {
        let written = to(&folder, &[&["export", "--out", &part], selection].concat());
        assert_eq!(written.code, Some(0), "{selection:?}: {written:?}");
        std::fs::read_to_string(&part).expect("the table")
    });
    assert!(parts[0].starts_with("customer_id,status,labels\r\n") && parts[0].lines().count() == 51, "{}", parts[0]);
    assert!((2..51).contains(&parts[1].lines().count()), "{}", parts[1]);
    assert_eq!((parts[2].lines().count(), parts[3].as_str()), (3, "customer_id,status\r\n"));
    for wrong in ["sort=created_at", "limit=5", "lable=vip", "status=nobody", "label"] {
        let refused = to(&folder, &["export", "--filter", wrong]);
        let key = wrong.split('=').next().expect("a key");
        assert!(refused.code != Some(0) && refused.text.contains(key), "{wrong}: {refused:?}");
    }
    let refused = to(&folder, &["export", "--columns", "town"]);
    assert!(refused.code == Some(1) && refused.text.contains("columns"), "{refused:?}");
    // The same of a daemon that serves the folder.
    let daemon = Daemon::start(folder);
    let url = format!("http://127.0.0.1:{}", daemon.port());
    let client_folder = on_disk();
    for (selection, want) in selections.iter().zip(&parts) {
        let call = ["export", "--url", &url, "--merchant", "acme", "--out", &part];
        let fetched = run(&client_folder, &[&call, *selection].concat());
        assert_eq!(
            (fetched.code, &std::fs::read_to_string(&part).expect("the table")),
            (Some(0), want),
            "{selection:?}"
        );
    }
    let live = client_folder.scratch_path("live.csv").display().to_string();
    let fetched = run(&client_folder, &["export", "--url", &url, "--merchant", "acme", "--out", &live]);
    assert_eq!(fetched.code, Some(0), "{fetched:?}");
    assert_eq!(std::fs::read_to_string(&live).expect("the table"), table, "what the folder held");
    let sent = run(&client_folder, &["import", &live, "--url", &url, "--merchant", "acme"]);
    assert!(sent.code == Some(0) && sent.text.contains("50 unchanged"), "{sent:?}");
    let refused = run(&client_folder, &["export", "--url", &url, "--merchant", "nobody", "--out", &live]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&live).expect("the table"), table, "it is kept where no new one came");
    let link = client_folder.scratch_path("link.csv");
    std::os::unix::fs::symlink(&live, &link).expect("a link");
    std::fs::write(&live, "old").expect("written");
    let linked =
        run(&client_folder, &["export", "--url", &url, "--merchant", "acme", "--out", &link.display().to_string()]);
    assert_eq!(linked.code, Some(0), "{linked:?}");
    assert!(link.is_symlink() && std::fs::read_to_string(&live).expect("the table") == table, "through the link");
    let to_device = run(&client_folder, &["export", "--url", &url, "--merchant", "acme", "--out", "/dev/stdout"]);
    assert!(to_device.code == Some(0) && to_device.text.contains("merchant_customer_identifier"), "{to_device:?}");
    let to_daemon =
        |arguments: &[&str]| run(&client_folder, &[arguments, &["--url", &url, "--merchant", "acme"]].concat());
    for arguments in [&["import", &file, "--dry-run"][..], &["import", &file, "--partial"], &["import", &file]] {
        let bad = to_daemon(arguments);
        assert!(bad.code == Some(1) && bad.text.contains("column status"), "{arguments:?}: {bad:?}");
    }
    // An error that a retry cannot mend is reported at once.
    let tokenless = to_daemon(&["import", &live, "--token-file", "nowhere"]);
    let schemeless = run(&client_folder, &["import", &live, "--url", "ftp://127.0.0.1", "--merchant", "acme"]);
    for refused in [tokenless, schemeless] {
        assert!(refused.code == Some(1) && !refused.text.contains("taken up again"), "{refused:?}");
    }

    let served = run(&client_folder, &["import", &live, "--config", &config]);
    assert_eq!(served.code, Some(1), "a daemon serves it: {served:?}");
    let made = run(&client_folder, &["mock", "--count", "2", "--seed", "4", "--url", &url, "--merchant", "acme"]);
    assert!(made.code == Some(0) && made.text.contains("2 created"), "{made:?}");
}

/// Of every length about those in which files are read and pieces are sealed.
#[test]
fn a_table_of_any_length_is_a_whole_job_on_a_disk() {
    let folder = ConfigFolder::new(&Settings { store: "kind = \"disk\"", ..Settings::SYSTEM }, &[("acme", merchant())]);
    let config = folder.path().display().to_string();
    let file = folder.scratch_path("one.csv").display().to_string();
    let row = |name: &str| format!("merchant_customer_identifier,email\n{name},{name}@example.com\n");
    std::fs::write(&file, row("offline")).expect("written");
    let done = run(&folder, &["import", &file, "--config", &config]);
    assert!(done.code == Some(0) && done.text.contains("1 created"), "{done:?}");
    let daemon = Daemon::start(folder);
    let mut made = 1;
    for rows in [1, 2, 50, 90, 91, 92, 100, 180, 400, 1_500] {
        let lines: Vec<String> = (0..rows).map(|n| format!("{rows}-{n:04},{rows}-{n:04}@example.com")).collect();
        let table = format!("merchant_customer_identifier,email\n{}\n", lines.join("\n"));
        let reply =
            raw_http::send(daemon.port(), "POST", &format!("{CUSTOMERS}.csv?job=rows-{rows}"), table.as_bytes());
        assert_eq!(reply.ok()["created"], rows, "{} bytes", table.len());
        made += rows;
        assert_eq!(daemon.get(&format!("{CUSTOMERS}/jobs/rows-{rows}")).ok()["state"], "done");
    }
    assert_eq!(daemon.get("/v1/status").ok()["customers"], made);
    let left = std::fs::read_dir(daemon.folder.path().join("data/jobs")).expect("a folder");
    let names: Vec<String> = left.map(|entry| entry.expect("a file").file_name().to_string_lossy().into()).collect();
    assert!(names.iter().all(|name| name.ends_with(".done")), "{names:?}");
}

#[test]
fn erased_customers_are_in_no_file() {
    let text = merchant().replacen("labels_max", "deletion_grace = \"1s\"\nlabels_max", 1);
    let folder = ConfigFolder::new(&Settings { store: "kind = \"disk\"", ..Settings::SYSTEM }, &[("acme", text)]);
    let data = folder.path().to_owned();
    let mut daemon = Daemon::start(folder);
    let body = json!({ "merchant_customer_identifier": "zoe", "email": "zoe.forgotten@example.com", "first_name": "Zoeforgotten" });
    let id = daemon.post(CUSTOMERS, &body).json()["customer_id"].as_str().expect("an id").to_owned();
    let zoe = with(pay("t1", "5.00"), &json!({ "merchant_customer_identifier": "zoe" }));
    assert_eq!(daemon.reserve(&zoe).ok()["decision"], "allow");
    let path = format!("{CUSTOMERS}/{id}");
    let asked = raw_http::send(daemon.port(), "DELETE", &path, b"").ok();
    assert!(asked["deletion_due"].is_string() && asked["email"].is_string(), "{asked}");
    support::process::eventually("the attributes are erased", || daemon.get(&path).ok()["erased"] == true);
    let judge = |daemon: &Daemon| {
        let shown = daemon.get(&path).ok();
        assert_eq!((&shown["email"], &shown["first_name"]), (&Value::Null, &Value::Null), "{shown}");
        let history = daemon.get(&format!("{path}/history")).ok().to_string();
        assert!(!history.contains("forgotten"), "{history}");
        assert!(daemon.get(&format!("{CUSTOMERS}?email=zoe.forgotten@example.com")).ok()["customers"] == json!([]));
        let usage = daemon.get(&format!("{path}/usage")).ok();
        assert_eq!(usage["totals"][0]["gross"]["amount"], "5.00", "amounts and counters stay");
        let denied = daemon.reserve(&with(zoe.clone(), &json!({ "transaction_id": "t2" }))).ok();
        assert_eq!(denied["code"], 19100, "{denied}");
        // A change that cannot be stored is refused or unanswered: no answer shows a state that a restart loses.
        let says = json!({ "first_name": "Zoeforgotten", "deposit_level": "gold" });
        let refused = daemon.send("PATCH", &path, &says).problem(422);
        assert_eq!((&refused["code"], &refused["field"]), (&json!("not_allowed"), &json!("first_name")), "{refused}");
        let row = format!("customer_id,email\n{id},zoe.forgotten@example.com\n");
        let refused = daemon.post_text(&format!("{CUSTOMERS}.csv"), &row).problem(422).to_string();
        assert!(refused.contains("is erased"), "{refused}");
        let email = json!({ "transaction_id": "t3", "customer": { "email": "zoe.forgotten@example.com" } });
        daemon.reserve(&with(zoe.clone(), &email)).ok();
        assert_eq!(daemon.send("PATCH", &path, &json!({ "city": null })).ok()["erased"], true);
        assert_eq!(daemon.get(&path).ok()["email"], Value::Null);
    };
    judge(&daemon);
    daemon.kill_and_start();
    judge(&daemon);
    let other = json!({ "merchant_customer_identifier": "zoe2", "email": "somebody@example.com" });
    let again = json!({ "merchant_customer_identifier": "zoe3", "email": "Zoe.Forgotten@example.com" });
    let made = |body: &Value| daemon.post(CUSTOMERS, body);
    assert_eq!(made(&other).status, 201);
    let newcomer = made(&again);
    assert_eq!(newcomer.status, 201, "the same e-mail is free: {newcomer:?}");
    assert_ne!(newcomer.json()["customer_id"], json!(id));
    let mut folders = vec![data];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).expect("a file");
                let holds =
                    |text: &str| bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
                assert!(!holds("zoe.forgotten") && !holds("zoeforgotten"), "{}", path.display());
            }
        }
    }
}
