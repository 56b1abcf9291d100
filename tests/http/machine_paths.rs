//! Paths of the machine are shown to operators of all merchants alone: every answer to a token for one merchant is searched
//! for them, and for the other merchant, while everything that can name a path is broken.

use serde_json::{Value, json};

use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, acme, pay};
use support::process::eventually;

fn token_of(name: &str) -> String {
    format!("token-{name}-0123456789")
}

/// Two merchants and a disk that has no room for snapshots and uploads.
fn daemon() -> Daemon {
    let store = "kind = \"disk\"\nsnapshot_interval_s = 1\nmin_free_bytes = 1125899906842624";
    let settings = Settings { store, ..Settings::SYSTEM };
    let globex = acme(CRM, &[]).replace("\"acme\"", "\"globex\"").replace("Acme Games", "globex games");
    let folder = ConfigFolder::new(&settings, &[("acme", acme(CRM, &[])), ("globex", globex)]);
    let data = folder.path().join("data").display().to_string();
    let mut text = settings.text().replace("kind = \"disk\"", &format!("kind = \"disk\"\npath = {data:?}"));
    text.push_str("\n[auth]\ntokens = [\n");
    for (name, role, merchants) in [
        ("all", "operator", ""),
        ("operator", "operator", ", merchants = [\"acme\"]"),
        ("viewer", "viewer", ", merchants = [\"acme\"]"),
        ("gateway", "gateway", ", merchants = [\"acme\"]"),
    ] {
        folder.write(&format!("{name}.token"), &token_of(name));
        let file = folder.path().join(format!("{name}.token")).display().to_string();
        text.push_str(&format!("  {{ name = {name:?}, role = {role:?}, token_file = {file:?}{merchants} }},\n"));
    }
    text.push_str("]\n");
    folder.write("levelgate.toml", &text);
    Daemon::start(folder)
}

/// The operations of the table, as method and path, without the guides.
fn operations() -> Vec<(&'static str, &'static str)> {
    let table = include_str!("../../src/http/operations/golden.txt").lines().filter(|line| !line.starts_with('#'));
    let operation = |line: &'static str| {
        let mut words = line.split_whitespace();
        (words.next().expect("a method"), words.next().expect("a path"))
    };
    table.map(operation).filter(|(_, path)| !path.starts_with("/docs") && *path != "/openapi.json").collect()
}

/// A path with names in the place of its parameters.
fn filled(path: &str) -> String {
    let values = [
        ("{merchant}", "acme"),
        ("{customer}", "1000001"),
        ("{transaction}", "t1"),
        ("{direction}", "deposit"),
        ("{currency}", "EUR"),
        ("{name}", "unknown"),
        ("{level}", "unknown"),
        ("{instrument}", "tok"),
        ("{job}", "spring"),
        ("{guide}", "errors"),
    ];
    values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// A body that reaches the handler of an operation.
fn body_of(path: &str) -> String {
    match path.rsplit('/').next() {
        Some("customers.csv") => "merchant_customer_identifier\nann\n".to_owned(),
        Some("bulk") => json!({ "select": { "all": true }, "set": { "status": "deny" } }).to_string(),
        Some("batch") => json!({ "op": "check", "merchant": "acme" }).to_string(),
        Some("mock") => json!({ "count": 2, "seed": 1 }).to_string(),
        Some("decisions" | "payment-form" | "transactions") => pay("t2", "1.00").to_string(),
        _ => "{}".to_owned(),
    }
}

#[test]
fn a_token_for_one_merchant_is_shown_no_path_and_no_other_merchant() {
    let daemon = daemon();
    let ok = |path: &str, body: &Value| {
        let (status, answer) = call(&daemon, "POST", path, &token_of("all"), &body.to_string());
        assert!((200..300).contains(&status), "{path}: {answer}");
    };
    ok("/v1/merchants/acme/transactions", &pay("t1", "1.00"));
    // Both files are wrong now: a value, a table that is cut off, a second definition of a name in another place.
    let wrong = "reset_individual_settings_on_level_change = 7\n[[gates]]\nid = \"gate-a\"\n";
    for merchant in ["acme", "globex"] {
        let file = daemon.folder.path().join(format!("merchants/{merchant}.toml"));
        let text = std::fs::read_to_string(&file).expect("the merchant");
        daemon.folder.write(&format!("merchants/{merchant}.toml"), &format!("{text}\n{wrong}"));
    }
    let (status, refused) = call(&daemon, "POST", "/v1/reload", &token_of("all"), "");
    let folder = daemon.folder.path().display().to_string();
    assert!(status == 422 && refused.contains(&folder) && refused.contains("globex"), "{status} {refused}");
    let status_of = |name: &str| call(&daemon, "GET", "/v1/status", &token_of(name), "").1;
    eventually("a snapshot was refused", || status_of("all").contains(" must stay free for the journal"));
    assert!(status_of("all").contains(&format!("{folder}/data")), "{}", status_of("all"));

    let (mut full, mut shown) = (0, 0);
    for (method, path) in operations() {
        let (at, body) = (filled(path), if method == "GET" { String::new() } else { body_of(path) });
        for name in ["operator", "viewer", "gateway"] {
            let (_, answer) = call(&daemon, method, &at, &token_of(name), &body);
            assert!(!answer.contains(&folder), "{method} {at} by {name} shows a path: {answer}");
            assert!(!answer.contains("globex"), "{method} {at} by {name} shows the other merchant: {answer}");
            full += u64::from(answer.contains("storage_full"));
            shown += u64::from(answer.contains("merchants/acme.toml"));
        }
    }
    // The upload and the change in bulk, with the cause; the status, with the place in the file.
    assert_eq!(full, 2);
    assert!(shown >= 3, "{}", status_of("viewer"));
    let (_, refused) =
        call(&daemon, "POST", "/v1/merchants/acme/customers.csv", &token_of("operator"), &body_of("/customers.csv"));
    assert!(refused.contains("the disk has ") && refused.contains(" must stay free for the journal"), "{refused}");
    assert!(daemon.log().contains(&format!("{folder}/data has ")), "the log has the path: {}", daemon.log());
}
