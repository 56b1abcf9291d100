//! Which customers may pay and are registered: `from_payments`, and merchants in `payment_gateway` mode without a policy.

use serde_json::{Value, json};

use crate::staff_calls::{CUSTOMERS, kept, look, register};
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, GATEWAY, acme, at, pay, when, with, without};
use support::raw_http;

const TABLE: &str = "/v1/merchants/acme/customers.csv";
const TRANSACTIONS: &str = "/v1/merchants/acme/transactions";
const FORM: &str = "/v1/merchants/acme/payment-form";

/// A merchant's file in a mode, with `from_payments = "match"`.
fn matching(mode: &str, keys: &str) -> String {
    acme(&format!("{mode}[registration]\nfrom_payments = \"match\"\n{keys}\n"), &[])
}

/// A payment without a name for its customer.
fn anonymous(id: &str, members: &Value) -> Value {
    with(without(pay(id, "1.00"), &["merchant_customer_identifier", "customer_level"]), members)
}

fn customers(daemon: &Daemon) -> usize {
    daemon.get(CUSTOMERS).ok()["customers"].as_array().expect("customers").len()
}

#[track_caller]
fn assert_not_registered(problem: &Value, field: &str) {
    assert_eq!((&problem["code"], &problem["field"]), (&json!("customer_not_registered"), &json!(field)), "{problem}");
    let detail = problem["detail"].as_str().expect("a detail");
    assert!(detail.contains("register the customer first"), "{detail}");
}

#[test]
fn a_gateway_merchant_without_a_policy_registers_customers() {
    let daemon = Daemon::live(acme(GATEWAY, &[]));
    // The daemon gives the id, and nothing need be sent.
    let first = register(&daemon, &json!({}));
    let second = register(&daemon, &json!({ "email": "a@example.com", "first_name": "Ann" }));
    assert_ne!(first, second);
    let paid = daemon.reserve(&anonymous("t1", &json!({ "customer_id": first }))).ok();
    assert_eq!((&paid["customer"]["customer_id"], &paid["customer"]["resolution"]), (&json!(first), &json!("found")));
    let found = daemon.check(&anonymous("t2", &json!({ "customer": { "email": "A@example.com" } }))).ok();
    assert_eq!(found["customer"]["customer_id"], second.as_str(), "{found}");

    let table = "email,first_name\nb@example.com,Bea\n,Zoe\n";
    let upload = |query: &str, table: &str| {
        raw_http::send(daemon.port(), "POST", &format!("{TABLE}{query}"), table.as_bytes()).ok()
    };
    let tried = upload("?mode=trial", table);
    assert_eq!((&tried["created"], &tried["bad"]), (&json!(2), &json!(0)), "{tried}");
    assert_eq!(upload("", table)["created"], 2);
    assert_eq!(customers(&daemon), 4);
    let downloaded = daemon.get(TABLE).body;
    assert_eq!(upload("", &downloaded)["unchanged"], 4, "{downloaded}");

    // An identifier of the merchant names one customer here too.
    let named = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
    let again = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": "alice" })).problem(409);
    assert_eq!((&again["code"], &again["field"]), (&json!("already_taken"), &json!("merchant_customer_identifier")));
    let row = upload("", "merchant_customer_identifier,city\nalice,Wien\n");
    assert_eq!(row["changed"], 1, "{row}");
    assert_eq!(look(&daemon, &named)["city"], "Wien");
}

#[test]
fn the_policy_of_a_gateway_merchant_judges_what_is_sent() {
    let with_policy = |keys: &str| Daemon::live(acme(&format!("{GATEWAY}[registration]\n{keys}\n"), &[]));
    let email = json!({ "email": "a@example.com" });
    for (keys, second, status, code) in [
        ("email = { required = true }", json!({}), 422, "identifier_required"),
        ("email = { unique = true }", email.clone(), 409, "identifier_duplicate"),
        ("strict_primary_check = true", email.clone(), 409, "identifier_of_another"),
        ("allow_any_identifier = true", email.clone(), 409, "already_taken"),
        ("primary_identifier = \"merchant_customer_identifier\"", email.clone(), 422, "identifier_required"),
        (
            "min_registration_date = 2020-01-01",
            json!({ "created_at": "2019-01-01T00:00:00Z" }),
            422,
            "registered_too_early",
        ),
    ] {
        let daemon = with_policy(keys);
        if !keys.starts_with("primary") {
            register(&daemon, &email);
        }
        assert_eq!(daemon.post(CUSTOMERS, &second).problem(status)["code"], code, "{keys}");
    }
    let daemon = with_policy("skip_secondary_on_primary_mismatch = true");
    register(&daemon, &email);
    let second = register(&daemon, &email);
    assert_eq!(look(&daemon, &second)["email"], Value::Null);
    let daemon = with_policy("");
    register(&daemon, &email);
    register(&daemon, &email);
    assert_eq!(customers(&daemon), 2, "an identifier that is not unique is shared");
}

#[test]
fn with_match_only_registered_customers_pay() {
    for (mode, unknown, field) in [
        (CRM, json!({ "merchant_customer_identifier": "bob" }), "merchant_customer_identifier"),
        (CRM, json!({ "customer": { "email": "b@example.com" } }), "customer"),
        (GATEWAY, json!({ "customer_id": "555" }), "customer_id"),
        (GATEWAY, json!({ "customer_id": "1000999" }), "customer_id"),
        (GATEWAY, json!({ "customer": { "email": "b@example.com" } }), "customer"),
        (GATEWAY, json!({}), "customer_id"),
    ] {
        let daemon = Daemon::live(matching(mode, "allow_any_identifier = true"));
        let id = register(&daemon, &json!({ "email": "a@example.com" }));
        let lsn = || daemon.get("/v1/status").ok()["lsn"].clone();
        let before = lsn();
        assert_not_registered(&daemon.reserve(&anonymous("t1", &unknown)).problem(422), field);
        assert_not_registered(&daemon.check(&anonymous("t1", &unknown)).problem(422), field);
        let form = without(anonymous("t1", &unknown), &["amount"]);
        assert_not_registered(&daemon.post(FORM, &form).problem(422), field);
        let line = |op: &str| format!("{}\n", with(anonymous(op, &unknown), &json!({ "op": op, "merchant": "acme" })));
        let answers = daemon.post_text("/v1/batch", &(line("reserve") + &line("payment") + &line("check"))).body;
        let problems: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(problems.len(), 3, "{answers}");
        problems.iter().for_each(|problem| assert_not_registered(problem, field));
        assert_eq!((lsn(), customers(&daemon)), (before, 1), "{mode}: no customer is created and no record is written");

        let known = json!({ "customer": { "email": "A@example.com", "city": "Wien" } });
        let paid = daemon.reserve(&anonymous("t1", &known)).ok();
        assert_eq!((&paid["customer"]["customer_id"], &paid["decision"]), (&json!(id), &json!("allow")), "{paid}");
        assert_eq!(look(&daemon, &id)["city"], "Wien", "a payment fills what the customer lacks");
        daemon.post(FORM, &without(anonymous("t1", &known), &["amount"])).ok();
    }
    let daemon = Daemon::live(matching(CRM, ""));
    let nothing = daemon.reserve(&anonymous("t1", &json!({}))).problem(422);
    assert_eq!(
        nothing["code"], "customer_unidentifiable",
        "a payment without any identifier is refused first: {nothing}"
    );
}

#[test]
fn a_payment_is_answered_as_recorded_after_match_is_switched_on() {
    let mut daemon = kept(&Settings::SYSTEM, acme(CRM, &[]));
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.folder.write("merchants/acme.toml", &matching(CRM, ""));
    daemon.kill_and_start();
    assert!(daemon.reserve(&pay("t1", "1.00")).is_replay());
    assert_eq!(daemon.reserve(&pay("t2", "1.00")).ok()["customer"]["resolution"], "found");
    let bob = json!({ "merchant_customer_identifier": "bob" });
    assert_not_registered(&daemon.reserve(&with(pay("t3", "1.00"), &bob)).problem(422), "merchant_customer_identifier");
}

#[test]
fn an_approval_of_nobody_known_is_recorded_and_linked_by_staff() {
    for (mode, unknown, sent) in [
        (CRM, json!({ "merchant_customer_identifier": "bob" }), ("merchant_customer_identifier", "bob")),
        (CRM, json!({ "customer": { "email": "b@example.com" } }), ("", "")),
        (GATEWAY, json!({ "customer_id": "555" }), ("customer_id", "555")),
    ] {
        let mut daemon = kept(&Settings::SYSTEM, matching(mode, "allow_any_identifier = true"));
        let approval = without(anonymous("t1", &unknown), &["transaction_id"]);
        let approved = daemon.step("t1", "approve", &approval).ok();
        assert_eq!(
            (&approved["status"], &approved["flags"]),
            (&json!("approved"), &json!(["unreserved"])),
            "{approved}"
        );
        assert_eq!(customers(&daemon), 0, "it creates no customer");
        for _ in 0..2 {
            let shown = daemon.fetch("t1").ok();
            assert_eq!(
                (&shown["level"], &shown["customer"]["resolution"]),
                (&Value::Null, &json!("bypassed")),
                "{shown}"
            );
            for key in ["customer_id", "merchant_customer_identifier"] {
                let want = if sent.0 == key { json!(sent.1) } else { Value::Null };
                assert_eq!(shown["customer"][key], want, "{shown}");
            }
            let listed = daemon.get(&format!("{TRANSACTIONS}?flag=unreserved")).ok();
            assert_eq!(listed["transactions"][0]["transaction_id"], "t1", "{listed}");
            assert_eq!(listed["transactions"][0]["customer"], shown["customer"], "{listed}");
            daemon.kill_and_start();
        }
        let event = daemon.get("/v1/events?after=0").ok()["events"][0].clone();
        let want = if sent.0 == "customer_id" { json!("555") } else { Value::Null };
        assert_eq!(event["customer_id"], want, "{event}");
        assert!(daemon.step("t1", "approve", &approval).is_replay());
        // The reserve that arrives late belongs to the same fact.
        let late = daemon.reserve(&anonymous("t1", &unknown)).ok();
        assert_eq!((&late["decision"], &late["flags"]), (&json!("allow"), &json!(["unreserved"])), "{late}");

        let id = register(&daemon, &json!({ "merchant_customer_identifier": "rob", "email": "r@example.com" }));
        let linked = daemon.post(&format!("{TRANSACTIONS}/t1/customer"), &json!({ "customer_id": id })).ok();
        assert_eq!(linked["customer"]["customer_id"], id.as_str(), "{linked}");
        let totals = daemon.get(&format!("{CUSTOMERS}/{id}/usage")).ok()["totals"][0]["net"].clone();
        assert_eq!((&totals["amount"], &totals["quantity"]), (&json!("1.00"), &json!(1)));
    }
}

#[test]
fn a_sealed_identifier_of_nobody_known_is_not_recorded() {
    let daemon = Daemon::live(matching(&format!("seal_identifiers = true\n{CRM}"), ""));
    let bob = without(with(pay("t1", "1.00"), &json!({ "merchant_customer_identifier": "bob" })), &["transaction_id"]);
    daemon.step("t1", "approve", &bob).ok();
    let shown = daemon.fetch("t1").ok();
    assert_eq!(shown["customer"]["merchant_customer_identifier"], Value::Null, "no key could seal it: {shown}");
    let new = daemon.post(&format!("{TRANSACTIONS}/t1/customer"), &json!({ "merchant_customer_identifier": "bob" }));
    assert_eq!(new.status, 201, "{}", new.body);
    assert_eq!(daemon.fetch("t1").ok()["customer"]["merchant_customer_identifier"], "bob");
}

#[test]
fn replay_registers_nobody_either() {
    let folder = ConfigFolder::new(&Settings::REQUEST, &[("acme", matching(CRM, ""))]);
    let line = |op: &str, id: &str, ms: i64| {
        let place = json!({ "op": op, "merchant": "acme", "at": at(ms) });
        format!("{}\n", with(without(pay(id, "1.00"), &[]), &place))
    };
    folder.write("ops.ndjson", &(line("reserve", "t1", 0) + &line("approve", "t2", 1) + &line("reserve", "t2", 2)));
    let path = |name: &str| folder.path().join(name).to_str().expect("a path").to_owned();
    let (config, input, output) = (path(""), path("ops.ndjson"), path("answers.ndjson"));
    let ended = run(&folder, &["replay", "--config", &config, &input, "--out", &output]);
    let answers = std::fs::read_to_string(&output).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let answers: Vec<Value> = answers.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_not_registered(&answers[0], "merchant_customer_identifier");
    assert_eq!((&answers[1]["status"], &answers[1]["flags"]), (&json!("approved"), &json!(["unreserved"])));
    assert_eq!(answers[2]["customer"]["resolution"], "bypassed", "{}", answers[2]);
    // The daemon gives the same answers.
    let daemon = Daemon::start(ConfigFolder::new(&Settings::REQUEST, &[("acme", matching(CRM, ""))]));
    let refused = daemon.reserve(&with(pay("t1", "1.00"), &when(0))).problem(422);
    assert_eq!(refused["detail"], answers[0]["detail"]);
}
