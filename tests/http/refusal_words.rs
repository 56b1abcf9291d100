//! What a refusal says: what is missing, what exists instead, and what to do; once for a request.

use serde_json::json;

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings, run};
use support::fixtures::{CRM, acme, level, pay, with};

const CUSTOMERS: &str = "/v1/merchants/acme/customers";
const OPERATOR: &str = "operator-secret-0123456789";
const GATEWAY: &str = "gateway-secret-0123456789";
const VIEWER: &str = "viewer-secret-0123456789";

fn shop() -> Daemon {
    let labels = "[[labels]]\nname = \"regular\"\n\n[[labels]]\nname = \"vip\"\n\n";
    let levels = ["bronze", "gold", "silver"].map(|name| level(name, ""));
    let daemon = Daemon::live(acme(CRM, &levels).replacen("[[gates]]", &format!("{labels}[[gates]]"), 1));
    for who in ["ann", "ben"] {
        daemon.reserve(&with(pay(who, "1.00"), &json!({ "merchant_customer_identifier": who }))).ok();
    }
    daemon
}

#[test]
fn a_missing_level_or_label_is_one_refusal_that_lists_what_exists() {
    let daemon = shop();
    let before = daemon.get("/v1/status").ok()["lsn"].clone();
    let levels = "it has bronze, gold, silver, unknown";
    let limit =
        |level: &str| json!({ "direction": "deposit", "currency": "EUR", "level": level, "max_amount": "1.00" });
    for (set, field, words) in [
        (json!({ "deposit_level": "golden" }), "deposit_level", levels),
        (json!({ "withdrawal_level": "gold" }), "withdrawal_level", "it has unknown"),
        (json!({ "labels": ["vip", "vap"] }), "labels", "it has regular, vip"),
        (json!({ "global_limit": limit("golden") }), "level", levels),
    ] {
        for is_trial in [true, false] {
            let body = json!({ "select": { "all": true }, "set": set, "dry_run": is_trial });
            let problem = daemon.post(&format!("{CUSTOMERS}/bulk"), &body).problem(422);
            let detail = problem["detail"].as_str().unwrap();
            assert!(problem["field"] == field && detail.contains(words), "{body}: {problem}");
        }
    }
    let problem = daemon.send("PATCH", &format!("{CUSTOMERS}/1000001"), &json!({ "deposit_level": "x" })).problem(422);
    assert!(problem["detail"].as_str().unwrap().contains(levels), "{problem}");
    assert_eq!(daemon.get("/v1/status").ok()["lsn"], before, "nothing was changed");
}

/// What an integrator meets in the first hour.
#[test]
fn a_wrong_currency_path_or_type_is_answered_with_the_right_one() {
    let daemon = shop();
    for (currency, words) in [
        ("eur", "write it in capitals, EUR"),
        ("EURO", "\"EURO\" is not an ISO 4217 code"),
        ("SEK", "no endpoint takes SEK; the endpoints here take BHD, CAD, CHF, EUR, GBP, JPY, USD"),
    ] {
        let refused = daemon.reserve(&with(pay("t", "1.00"), &json!({ "currency": currency })));
        let detail = refused.json()["detail"].as_str().expect("words").to_owned();
        assert!(detail.contains(words), "{currency}: {detail}");
    }
    assert!(daemon.get("/v1/merchants/acme/transaction/t").body.contains("/docs/api lists every path"));
    // The remedies of a body are JSON.
    let settings = format!("{CUSTOMERS}/1000001/settings/deposit/EUR/gold");
    let limits = format!("{CUSTOMERS}/1000001/limits/deposit/EUR");
    let level = "/v1/merchants/acme/levels/deposit/EUR/gold";
    for (path, body, words) in [
        (
            settings.as_str(),
            json!({ "global_limit": true }),
            "must be an object, not true or false: write \"global_limit\": {",
        ),
        (&limits, json!({ "filters": "daily" }), "must be a list of objects, not a text: write a list of objects"),
        (&limits, json!({ "filters": [{ "amount_limit": "1.00" }] }), "such as \"window\": \"daily\""),
        (
            level,
            json!({ "filters": [{ "window": "daily", "quantity_limit": 1.5 }] }),
            "must be a whole number, not 1.5: write a whole number",
        ),
    ] {
        let problem = daemon.send("PUT", path, &body).problem(400);
        let problems = problem["problems"].to_string().replace("\\\"", "\"");
        assert!(problems.contains(words) && !problems.contains(" = ") && !problems.contains("[["), "{body}: {problem}");
    }
}

#[test]
fn settings_and_limits_of_what_does_not_exist_are_404_by_every_method() {
    let daemon = shop();
    let settings = format!("{CUSTOMERS}/1000001/settings/deposit/EUR/golden");
    for (method, body) in
        [("GET", json!(null)), ("PUT", json!({})), ("PUT", json!({ "x": 1 })), ("DELETE", json!(null))]
    {
        let problem = daemon.send(method, &settings, &body).problem(404);
        assert_eq!(problem["code"], "level_not_found", "{method}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains("bronze, gold, silver, unknown"), "{method}: {problem}");
    }
    for (place, body) in
        [("limits/deposit/EUR", json!({ "filter": 1 })), ("settings/deposit/EUR/gold", json!({ "x": 1 }))]
    {
        let problem = daemon.send("PUT", &format!("{CUSTOMERS}/77/{place}"), &body).problem(404);
        assert_eq!(problem["code"], "customer_not_found", "{place}: {problem}");
    }
    for (method, path) in [
        ("GET", "levels/deposit/EUR/golden"),
        ("GET", "levels/deposit/EUR/golden/status"),
        ("POST", "levels/deposit/golden/rename"),
    ] {
        let problem = daemon.send(method, &format!("/v1/merchants/acme/{path}"), &json!({ "to": "best" })).problem(404);
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.ends_with("it has bronze, gold, silver, unknown; did you mean `gold`?"),
            "{method} {path}: {problem}"
        );
    }
    // Many levels are not all listed.
    let many: Vec<String> = (10..40).map(|n| level(&format!("level-{n}"), "")).collect();
    let daemon = Daemon::live(acme(CRM, &many));
    daemon.reserve(&with(pay("t", "1.00"), &json!({ "customer_level": null }))).ok();
    let problem = daemon.get(&format!("{CUSTOMERS}/1000001/settings/deposit/EUR/golden")).problem(404);
    assert!(problem["detail"].as_str().unwrap().ends_with("level-29 and 11 more"), "{problem}");
}

#[test]
fn a_role_that_is_too_small_is_named_with_the_one_that_is_needed() {
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &[]))]);
    let mut text = Settings::SYSTEM.text() + "\n[auth]\ntokens = [\n";
    for (role, token) in [("operator", OPERATOR), ("viewer", VIEWER), ("gateway", GATEWAY)] {
        folder.write(&format!("{role}.token"), &format!("{token}\n"));
        let file = folder.path().join(format!("{role}.token"));
        text.push_str(&format!("  {{ role = \"{role}\", token_file = {:?} }},\n", file.display().to_string()));
    }
    folder.write("levelgate.toml", &(text + "]\n"));
    let daemon = Daemon::start(folder);
    for (path, needed) in [("/v1/reload", "operator"), ("/v1/merchants/acme/transactions", "gateway or operator")] {
        let (status, answer) = call(&daemon, "POST", path, VIEWER, "{}");
        let words = format!("this needs a token of role {needed}; the role of this token is viewer");
        assert!(status == 403 && answer.contains(&words), "{path}: {answer}");
    }
    // A call that a gateway makes too, with a part of it that only an operator sets.
    let registered =
        call(&daemon, "POST", "/v1/merchants/acme/customers", GATEWAY, r#"{"merchant_customer_identifier": "a"}"#);
    assert_eq!(registered.0, 201, "{}", registered.1);
    let (limits, body) = (
        "/v1/merchants/acme/customers/1000001/limits/deposit/EUR",
        r#"{"filters": [{"window": "daily", "amount_limit": "5.00"}], "until": "2999-01-01T00:00:00Z"}"#,
    );
    for (method, query, body) in [("PUT", "", body), ("DELETE", "?operator=true", "")] {
        let (status, answer) = call(&daemon, method, &format!("{limits}{query}"), GATEWAY, body);
        let words = "needs a token of role operator; the role of this token is gateway";
        assert!(status == 403 && answer.contains(words), "{method}: {answer}");
    }
}

#[test]
fn commands_explain_a_refusal_and_a_trial_in_words() {
    let daemon = shop();
    let url = format!("http://127.0.0.1:{}", daemon.port());
    let scratch = ConfigFolder::new(&Settings::SYSTEM, &[]);
    let told = run(&scratch, &["reload", "--url", &url, "--token-file", "nowhere.token"]);
    assert!(told.code == Some(1) && told.text.contains("cannot read the token file nowhere.token"), "{told:?}");
    assert!(told.text.contains("LEVELGATE_TOKEN_FILE"), "{told:?}");
    let broken = acme(CRM, &[]).replacen("gate-a\"", "gate-a\"\nwait = 1", 1);
    daemon.folder.write("merchants/acme.toml", &broken);
    let told = run(&scratch, &["reload", "--url", &url]);
    assert!(told.code == Some(1) && told.text.contains("unknown key `wait`"), "{told:?}");
    assert!(told.text.contains("1 error; the configuration in force stays"), "{told:?}");
    assert!(!told.text.contains('{'), "no JSON: {told:?}");
    let table = scratch.scratch_path("one.csv");
    let file = table.display().to_string();
    let import = |text: &str, more: &[&str]| {
        std::fs::write(&table, text).expect("written");
        run(&scratch, &[&["import", &file, "--merchant", "acme", "--url", &url], more].concat())
    };
    let row = "merchant_customer_identifier,deposit_level\ncat,gold\n";
    let tried = import(row, &["--dry-run"]);
    let words = "nothing was changed, because this is a trial; the same command without --dry-run imports them";
    assert!(tried.code == Some(0) && tried.text.contains("1 would be created"), "{tried:?}");
    assert!(tried.text.contains(words), "{tried:?}");
    assert!(!import(row, &[]).text.contains("nothing was changed"));
    assert!(import(row, &["--dry-run"]).text.contains("the table changes nothing"));
    let bad = import("merchant_customer_identifier,deposit_level\ndan,golden\n", &["--dry-run"]);
    assert!(bad.code == Some(1) && bad.text.contains("correct the rows above before the import"), "{bad:?}");
}
