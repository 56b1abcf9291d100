//! Renames of levels through the API: usage, stored names and settings go to the new name.

use serde_json::{Value, json};

use crate::configuration_overrides::{
    DISK, FULL, GOLD, call, daily, daily_in_file, delete, listed, put, reload, start, version, write,
};
use crate::decisions::{assert_allowed, assert_denied};
use support::answer::Answer;
use support::daemon::{ConfigFolder, Daemon};
use support::fixtures::{CRM, acme, filter, level_in, pay, with};

const RENAME: &str = "/v1/merchants/acme/levels/deposit/gold/rename";

fn rename(daemon: &Daemon, path: &str, to: &str) -> Answer {
    call(daemon, "POST", path, &json!({ "to": to }))
}

#[test]
fn level_rename_moves_usage_stored_names_and_settings() {
    let in_dollars = level_in("deposit", "USD", "gold", &filter("window = \"daily\"; amount_limit = \"10.00\""));
    let out = level_in("withdrawal", "EUR", "gold", "");
    let mut daemon = start(&[daily_in_file("100.00"), in_dollars, out]);
    let who = assert_allowed(daemon.reserve(&pay("t1", "60.00")).ok())["customer"]["customer_id"].clone();
    let who = format!("/v1/merchants/acme/customers/{}", who.as_str().expect("an id"));
    daemon.reserve(&with(pay("t2", "1.00"), &json!({ "direction": "withdrawal" }))).ok();
    let own = json!({ "methods": [], "global_limit": { "max_amount": "35.00" } });
    put(&daemon, &format!("{who}/settings/deposit/EUR/gold"), &own).ok();
    let created = listed(&daemon, "gold")["created"].clone();
    let reply = rename(&daemon, RENAME, "platinum").ok();
    assert_eq!((&reply["currencies"], &reply["customers"]), (&json!(["EUR", "USD"]), &json!(1)));
    let stored =
        |id: &str, amount: &str| with(pay(id, amount), &json!({ "customer_level": null, "payment_method": "card" }));
    let holds = |daemon: &Daemon, left: &str| {
        let answer = daemon.check(&stored("probe", "1.00")).ok();
        assert_eq!(answer["level"], json!({ "name": "platinum", "source": "stored" }), "{answer}");
        assert_eq!(answer["remaining"]["amount"], left, "{answer}");
        assert_denied(&daemon.check(&stored("probe", "36.00")).ok(), &["19103 amount_above_maximum -"]);
        let named = with(pay("probe", "1.00"), &json!({ "customer_level": "platinum" }));
        assert_eq!(daemon.check(&named).ok()["remaining"]["amount"], left);
        // A transaction of before is shown and counted under the new name, and its retry recognised.
        let shown = daemon.fetch("t1").ok();
        assert_eq!(shown["level"]["name"], "platinum", "{shown}");
        let again = daemon.reserve(&pay("t1", "60.00"));
        assert!(again.is_replay(), "{again:?}");
        assert_eq!(again.ok()["level"]["name"], "platinum");
        let row = listed(daemon, "platinum");
        assert_eq!((&row["created"], &row["origin"]), (&created, &json!("api")));
        assert_eq!(listed(daemon, "gold"), Value::Null);
        let customer = daemon.get(&who).ok();
        assert_eq!((&customer["deposit_level"], &customer["withdrawal_level"]), (&json!("platinum"), &json!("gold")));
        let of_level = |name: &str| daemon.get(&format!("/v1/merchants/acme/customers?deposit_level={name}")).ok();
        let found = |name: &str| of_level(name)["customers"].as_array().map_or(0, Vec::len);
        assert_eq!((found("platinum"), found("gold")), (1, 0));
        let settings = |name: &str| {
            daemon.get(&format!("{who}/settings/deposit/EUR/{name}")).json()["global_limit"]["max_amount"].clone()
        };
        assert_eq!((settings("platinum"), settings("gold")), (json!("35.00"), Value::Null));
    };
    holds(&daemon, "39.00");
    daemon.kill_and_start();
    holds(&daemon, "39.00");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    holds(&daemon, "39.00");
    // What happens to it now gives back where it lies.
    daemon.step("t1", "cancel", &json!({})).ok();
    holds(&daemon, "99.00");
    assert_allowed(daemon.reserve(&stored("t3", "30.00")).ok());
    daemon.kill_and_start();
    holds(&daemon, "69.00");
    let history = daemon.get(&format!("{who}/history")).ok();
    assert_eq!(call(&daemon, "PATCH", &who, &json!({ "deposit_level": "unknown" })).status, 200);
    let after = daemon.get(&format!("{who}/history")).ok();
    let change = &after["history"][0]["changes"][0];
    assert_eq!((&change["old"], &change["new"]), (&json!("platinum"), &json!("unknown")), "{history} became {after}");
}

#[test]
fn level_rename_refuses_taken_reserved_and_unknown_names() {
    let mut daemon = start(&[
        daily_in_file("100.00"),
        level_in("deposit", "USD", "silver", ""),
        level_in("withdrawal", "EUR", "out", ""),
    ]);
    let before = version(&daemon);
    let path = |direction: &str, name: &str| format!("/v1/merchants/acme/levels/{direction}/{name}/rename");
    for (path, to, status, code) in [
        (path("deposit", "gold"), "silver", 409, "level_exists"),
        (path("deposit", "gold"), "gold", 409, "level_exists"),
        (path("deposit", "gold"), "unknown", 422, "not_allowed"),
        (path("deposit", "unknown"), "gold", 422, "not_allowed"),
        (path("deposit", "out"), "best", 404, "level_not_found"),
        (path("withdrawal", "gold"), "best", 404, "level_not_found"),
        (path("sideways", "gold"), "best", 400, "value_unknown"),
        (path("deposit", "gold"), "", 400, "body_invalid"),
        ("/v1/merchants/acme/levels/deposit/EUR/gold".to_owned(), "best", 405, "method_not_allowed"),
    ] {
        assert_eq!(rename(&daemon, &path, to).problem(status)["code"], code, "{path} to {to:?}");
    }
    for body in [json!({}), json!({ "to": "best", "from": "gold" }), json!({ "to": 5 })] {
        assert_eq!(call(&daemon, "POST", RENAME, &body).problem(400)["code"], "body_invalid", "{body}");
    }
    assert_eq!(version(&daemon), before);
    // One that a payment made has nothing but its name.
    daemon.reserve(&with(pay("t1", "1.00"), &json!({ "customer_level": "made" }))).ok();
    assert_eq!(rename(&daemon, &path("deposit", "gold"), "made").problem(409)["code"], "level_exists");
    rename(&daemon, &path("deposit", "made"), "rename").ok();
    daemon.kill_and_start();
    assert_eq!((&listed(&daemon, "made"), &listed(&daemon, "rename")["origin"]), (&Value::Null, &json!("request")));
    put(&daemon, "/v1/merchants/acme/levels/deposit/EUR/rename", &daily("3.00")).ok();
    assert_eq!(listed(&daemon, "rename")["origin"], "api");
}

#[test]
fn renamed_level_in_the_file_keeps_usage_and_frees_the_old_name() {
    let mut daemon = start(&[daily_in_file("100.00")]);
    daemon.reserve(&pay("t1", "60.00")).ok();
    rename(&daemon, RENAME, "platinum").ok();
    reload(&daemon);
    assert_eq!(listed(&daemon, "gold"), Value::Null, "the file's entry is as it was");
    write(&daemon, &[daily_in_file("200.00").replace("\"gold\"", "\"platinum\"")]);
    reload(&daemon);
    let left_at = |daemon: &Daemon, name: &str| {
        let answer = daemon.check(&with(pay("probe", "1.00"), &json!({ "customer_level": name }))).ok();
        (answer["level"]["name"].clone(), answer["remaining"]["amount"].clone())
    };
    assert_eq!(left_at(&daemon, "platinum"), (json!("platinum"), json!("139.00")));
    assert_eq!(listed(&daemon, "platinum")["origin"], "file");
    // A new level of the old name has counted nothing; renamed too, it adds up with what lies under a name of before.
    put(&daemon, GOLD, &daily("50.00")).json();
    assert_eq!(left_at(&daemon, "gold"), (json!("gold"), json!("49.00")));
    daemon.reserve(&pay("t2", "7.00")).ok();
    delete(&daemon, "/v1/merchants/acme/levels/deposit/EUR/platinum").ok();
    rename(&daemon, RENAME, "platinum").ok();
    daemon.kill_and_start();
    let answer = daemon.check(&with(pay("probe", "1.00"), &json!({ "customer_level": "platinum" }))).ok();
    assert_denied(&answer, &[FULL]);
    daemon.step("t1", "cancel", &json!({})).ok();
    for _ in 0..2 {
        assert_eq!(left_at(&daemon, "platinum"), (json!("platinum"), json!("42.00")));
        daemon.post_nothing("/v1/snapshot").ok();
        daemon.kill_and_start();
    }
}

#[test]
fn payments_during_a_level_rename_all_count() {
    let folder = ConfigFolder::new(&DISK, &[("acme", acme(CRM, &[daily_in_file("50.00")]))]);
    let mut daemon = Daemon::start(folder);
    let names = ["gold", "a", "b", "c", "d", "e"];
    let allowed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        assert_allowed(daemon.reserve(&pay("first", "1.00")).ok());
        for thread in 0..4 {
            let (daemon, allowed) = (&daemon, &allowed);
            scope.spawn(move || {
                for n in 0..60 {
                    let body = with(pay(&format!("t{thread}-{n}"), "1.00"), &json!({ "customer_level": null }));
                    let answer = daemon.reserve(&body).ok();
                    assert_eq!(
                        answer["level"]["source"], "stored",
                        "the customer is on the level under any name: {answer}"
                    );
                    if answer["decision"] == "allow" {
                        allowed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                }
            });
        }
        for pair in names.windows(2) {
            let [from, to] = pair else { unreachable!() };
            rename(&daemon, &format!("/v1/merchants/acme/levels/deposit/{from}/rename"), to).ok();
        }
    });
    assert_eq!(allowed.into_inner(), 49, "fifty, with the first");
    daemon.kill_and_start();
    let answer = daemon.check(&with(pay("probe", "1.00"), &json!({ "customer_level": null }))).ok();
    assert_eq!(answer["level"]["name"], "e");
    assert_denied(&answer, &[FULL]);
}
