//! Raises of a customer's own limits that need the customer's confirmation, and those that wait for a period's end.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{kept, look, of, register, steps};
use crate::token_access::call;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, DAY, HOUR, acme, at, filter, level, pay, tick, with};

/// Raises wait for a day and can be confirmed within two.
const CONFIRMED: &str = "raise_confirm = true\nconfirm_within = \"2d\"\n";

fn shop(keys: &str) -> String {
    acme(&format!("{keys}{CRM}"), &[level("gold", &filter("window = \"lifetime\"; quantity_limit = 1000"))])
}

/// A daemon on the clock of the requests at 10:00, and alice with a daily limit of 50 euros.
fn alice(keys: &str) -> (Daemon, String) {
    let daemon = kept(&Settings::REQUEST, shop(keys));
    daemon.reserve(&tick(0)).ok();
    let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice", "deposit_level": "gold" }));
    set(&daemon, &id, &daily("50.00"));
    (daemon, id)
}

fn daily(amount: &str) -> Value {
    json!({ "filters": [{ "window": "daily", "amount_limit": amount, "for_all_merchant_currencies": true }] })
}

fn path(id: &str) -> String {
    of(id, "/limits/deposit/EUR")
}

fn confirmation(id: &str) -> String {
    of(id, "/limits/deposit/EUR/pending/confirm")
}

#[track_caller]
fn set(daemon: &Daemon, id: &str, body: &Value) -> Value {
    daemon.send("PUT", &path(id), body).ok()
}

fn limits(daemon: &Daemon, id: &str) -> Value {
    daemon.get(&path(id)).ok()
}

fn move_to(daemon: &Daemon, ms: i64) {
    daemon.reserve(&tick(ms)).ok();
}

fn records(daemon: &Daemon) -> Value {
    daemon.get("/v1/status").ok()["lsn"].clone()
}

/// The amount in force, and the state and times of the pending raise.
fn stand(limits: &Value) -> Value {
    let pending = &limits["pending"];
    let raise = (!pending.is_null()).then(|| {
        json!([pending["state"], pending["from"], pending["lapses_at"], pending["filters"][0]["amount_limit"]])
    });
    json!([limits["filters"][0]["amount_limit"], raise])
}

/// Why the confirmation is refused: the code, after a look at what the sentence names.
#[track_caller]
fn refused(daemon: &Daemon, id: &str, names: &str) -> String {
    let before = records(daemon);
    let problem = daemon.post_nothing(&confirmation(id)).problem(422);
    let detail = problem["detail"].as_str().expect("a sentence");
    assert!(detail.contains(names), "{names:?} is named: {detail}");
    assert_eq!(records(daemon), before, "nothing is recorded");
    problem["code"].as_str().expect("a code").to_owned()
}

#[test]
fn a_raise_takes_effect_only_once_it_is_confirmed() {
    let (daemon, id) = alice(CONFIRMED);
    assert_eq!(refused(&daemon, &id, "no raise is pending"), "nothing_pending");
    let raised = set(&daemon, &id, &daily("80.00"));
    assert_eq!(stand(&raised), json!(["50.00", ["waiting", at(DAY), at(3 * DAY), "80.00"]]));
    assert_eq!(refused(&daemon, &id, &at(DAY)), "raise_too_early");
    move_to(&daemon, DAY - 1);
    assert_eq!(refused(&daemon, &id, &at(DAY)), "raise_too_early");

    // The wait is over, and nothing is raised; the same request again is no confirmation.
    move_to(&daemon, DAY);
    let awaiting = json!(["50.00", ["awaiting_confirmation", at(DAY), at(3 * DAY), "80.00"]]);
    let shown = limits(&daemon, &id);
    assert_eq!(stand(&shown), awaiting);
    assert_eq!(look(&daemon, &id)["limits"], json!([shown]), "the customer shows the same");
    let before = records(&daemon);
    assert_eq!(stand(&set(&daemon, &id, &daily("80.00"))), awaiting);
    assert_eq!(records(&daemon), before);
    let too_much = with(pay("t", "50.01"), &json!({ "explain": true }));
    let denied = daemon.check(&too_much).ok();
    assert_denied(&denied, &["19000 daily_amount_limit_exceeded daily"]);
    let later = with(too_much, &json!({ "as_of": at(90 * DAY) }));
    assert_denied(&daemon.check(&later).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    let usage = daemon.get(&of(&id, "/usage")).ok();
    let euro = usage["usage"].as_array().expect("usage").iter().find(|u| u["currency"] == "EUR").expect("euro");
    let bounds: Vec<&Value> =
        euro["limits"].as_array().expect("limits").iter().map(|l| &l["amount"]["limit"]).collect();
    assert!(bounds.contains(&&json!("50.00")) && !bounds.contains(&&json!("80.00")), "{usage}");

    // Confirmed, it acts on the next decision; confirmed again, nothing changes.
    let confirmed = daemon.post_nothing(&confirmation(&id)).ok();
    assert_eq!((stand(&confirmed), &confirmed["confirmed_at"]), (json!(["80.00", null]), &json!(at(DAY))));
    assert_allowed(daemon.check(&pay("t", "80.00")).ok());
    let before = records(&daemon);
    for ms in [DAY, 3 * DAY, 9 * DAY] {
        move_to(&daemon, ms);
        let before = records(&daemon);
        assert_eq!(daemon.post(&confirmation(&id), &json!({})).ok(), confirmed);
        assert_eq!(records(&daemon), before);
    }
    assert_ne!(records(&daemon), before, "the clock moved");

    // The history has the request and the confirmation.
    let shown_steps: Vec<Value> = steps(&daemon, &id)
        .iter()
        .take(2)
        .map(|step| json!([step["at"], stand(&step["changes"][0]["old"][0]), stand(&step["changes"][0]["new"][0])]))
        .collect();
    let waiting = json!(["50.00", ["waiting", at(DAY), at(3 * DAY), "80.00"]]);
    assert_eq!(shown_steps, [json!([at(DAY), awaiting, ["80.00", null]]), json!([at(0), ["50.00", null], waiting])]);
}

#[test]
fn a_raise_that_is_not_confirmed_in_time_lapses() {
    let (daemon, id) = alice(CONFIRMED);
    set(&daemon, &id, &daily("80.00"));
    move_to(&daemon, 3 * DAY - 1);
    assert_eq!(limits(&daemon, &id)["pending"]["state"], "awaiting_confirmation");
    move_to(&daemon, 3 * DAY);
    let lapsed = limits(&daemon, &id);
    assert_eq!(stand(&lapsed), json!(["50.00", null]), "the old limit stays");
    assert_eq!(refused(&daemon, &id, "request it again"), "raise_lapsed");
    assert_denied(&daemon.check(&pay("t", "50.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    assert_eq!(steps(&daemon, &id).len(), 3, "registered, limited, asked: the lapse is no step");
    let before = records(&daemon);
    assert_eq!(daemon.delete(&of(&id, "/limits/deposit/EUR/pending")).ok(), lapsed, "there is nothing to cancel");
    assert_eq!(records(&daemon), before);
    // It is requested again, and waits anew.
    let again = set(&daemon, &id, &daily("80.00"));
    assert_eq!(stand(&again), json!(["50.00", ["waiting", at(4 * DAY), at(6 * DAY), "80.00"]]));
    move_to(&daemon, 6 * DAY - 1);
    assert_eq!(stand(&daemon.post_nothing(&confirmation(&id)).ok()), json!(["80.00", null]));
}

#[test]
fn a_removed_limit_is_confirmed_and_a_cancelled_or_lowered_one_is_not() {
    let (daemon, id) = alice(CONFIRMED);
    daemon.delete(&path(&id)).ok();
    move_to(&daemon, DAY);
    daemon.delete(&of(&id, "/limits/deposit/EUR/pending")).ok();
    assert_eq!(refused(&daemon, &id, "no raise is pending"), "nothing_pending");
    daemon.delete(&path(&id)).ok();
    move_to(&daemon, 2 * DAY);
    let lower = set(&daemon, &id, &daily("40.00"));
    assert_eq!(stand(&lower), json!(["40.00", null]), "a cut acts at once and takes the raise back");
    assert_eq!(refused(&daemon, &id, "no raise is pending"), "nothing_pending");
    daemon.delete(&path(&id)).ok();
    assert_eq!(refused(&daemon, &id, &at(3 * DAY)), "raise_too_early");
    move_to(&daemon, 3 * DAY);
    let gone = daemon.post_nothing(&confirmation(&id)).ok();
    assert_eq!((&gone["filters"], &gone["pending"]), (&json!([]), &Value::Null));
    assert_eq!(daemon.post_nothing(&confirmation(&id)).ok(), gone, "a retry is answered the same");
    assert_allowed(daemon.check(&pay("t", "900.00")).ok());
    // New limits act at once and clear the confirmation.
    assert_eq!(stand(&set(&daemon, &id, &daily("10.00"))), json!(["10.00", null]));
    assert_eq!(refused(&daemon, &id, "no raise is pending"), "nothing_pending");
}

#[test]
fn a_confirmation_has_no_fields_and_names_a_customer() {
    let (daemon, id) = alice(CONFIRMED);
    for (path, body, status) in [
        (confirmation(&id), "{\"filters\": []}", 400),
        (confirmation(&id), "[]", 400),
        (confirmation(&id) + "?now=true", "", 400),
        (of("99", "/limits/deposit/EUR/pending/confirm"), "", 404),
        (of(&id, "/limits/sideways/EUR/pending/confirm"), "", 400),
        (of(&id, "/limits/deposit/XXQ/pending/confirm"), "", 400),
        (of(&id, "/limits/withdrawal/EUR/pending/confirm"), "", 422),
    ] {
        daemon.send_text("POST", &path, body).problem(status);
    }
    daemon.get(&confirmation(&id)).problem(405);
}

/// A raise keeps the times of its request after a change of the policy, and over restarts from the journal and from a
/// snapshot.
#[test]
fn a_pending_raise_survives_restarts_and_other_policies() {
    let (mut daemon, id) = alice(CONFIRMED);
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    set(&daemon, &bob, &daily("50.00"));
    set(&daemon, &id, &daily("80.00"));
    let rewrite = |daemon: &Daemon, keys: &str| {
        daemon.folder.write("merchants/acme.toml", &shop(keys));
        daemon.post_nothing("/v1/reload").ok();
    };
    rewrite(&daemon, "raise_delay = \"1h\"\n");
    set(&daemon, &bob, &daily("80.00"));
    rewrite(&daemon, "raise_confirm = true\nraise_delay = \"0s\"\n");
    let waiting = json!(["50.00", ["waiting", at(DAY), at(3 * DAY), "80.00"]]);
    let by_itself = json!(["50.00", ["waiting", at(HOUR), null, "80.00"]]);
    for from_snapshot in [false, true] {
        if from_snapshot {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
        assert_eq!((stand(&limits(&daemon, &id)), stand(&limits(&daemon, &bob))), (waiting.clone(), by_itself.clone()));
    }
    assert_eq!(refused(&daemon, &bob, &at(HOUR)), "confirmation_not_needed");
    move_to(&daemon, HOUR);
    assert_eq!(stand(&limits(&daemon, &bob)), json!(["80.00", null]), "it takes effect by itself");
    assert_eq!(refused(&daemon, &bob, "no raise is pending"), "nothing_pending");
    move_to(&daemon, DAY);
    assert_denied(&daemon.check(&pay("t", "50.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    daemon.kill_and_start();
    let confirmed = daemon.post_nothing(&confirmation(&id)).ok();
    assert_eq!(stand(&confirmed), json!(["80.00", null]));
    for from_snapshot in [false, true] {
        if from_snapshot {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
        assert_eq!(daemon.post_nothing(&confirmation(&id)).ok(), confirmed, "a retry over a restart");
    }
    // With a delay of none it can be confirmed at once, and not without.
    let at_once = set(&daemon, &id, &daily("90.00"));
    assert_eq!(stand(&at_once), json!(["80.00", ["awaiting_confirmation", at(DAY), at(8 * DAY), "90.00"]]));
    assert_eq!(stand(&daemon.post_nothing(&confirmation(&id)).ok()), json!(["90.00", null]));
}

#[test]
fn merge_applies_no_unconfirmed_raise() {
    let (daemon, id) = alice(CONFIRMED);
    let other = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    set(&daemon, &other, &daily("60.00"));
    set(&daemon, &id, &daily("80.00"));
    move_to(&daemon, HOUR);
    set(&daemon, &other, &daily("90.00"));
    daemon.post(&of(&other, "/merge"), &json!({ "into": id })).ok();
    let shown = limits(&daemon, &id);
    // Both wait, the later begin and the earlier end count.
    assert_eq!(stand(&shown), json!(["50.00", ["waiting", at(DAY + HOUR), at(3 * DAY), "80.00"]]));
    assert_eq!(refused(&daemon, &id, &at(DAY + HOUR)), "raise_too_early");
    move_to(&daemon, DAY + HOUR);
    assert_denied(&daemon.check(&pay("t", "50.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    assert_eq!(stand(&daemon.post_nothing(&confirmation(&other)).ok()), json!(["80.00", null]), "by either's number");
}

#[test]
fn a_raise_waits_for_the_period_s_end_and_is_confirmed_then() {
    let keys = "raise_delay = \"72h\"\nraise_not_before = \"period_end\"\ntime_zone = \"Europe/Stockholm\"\n";
    let monthly =
        |amount: &str| json!({ "filters": [{ "window": "monthly", "calendar": true, "amount_limit": amount }] });
    let month_end = "2026-11-30T23:00:00.000Z";
    let (daemon, id) = alice(keys);
    // The period of a rolling day ends before the delay is over.
    let gone = daemon.delete(&path(&id)).ok();
    assert_eq!(gone["pending"]["from"], at(3 * DAY));
    move_to(&daemon, 3 * DAY);
    set(&daemon, &id, &monthly("100.00"));
    let raised = set(&daemon, &id, &monthly("200.00"));
    assert_eq!(stand(&raised), json!(["100.00", ["waiting", month_end, null, "200.00"]]));
    move_to(&daemon, 3 * DAY);
    assert_denied(&daemon.check(&pay("t", "150.00")).ok(), &["19004 monthly_amount_limit_exceeded monthly"]);
    daemon.reserve(&with(tick(9 * DAY), &json!({ "occurred_at": "2026-11-30T22:59:59.999Z" }))).ok();
    assert_eq!(limits(&daemon, &id)["pending"]["state"], "waiting");
    daemon.reserve(&with(tick(10 * DAY), &json!({ "occurred_at": month_end }))).ok();
    assert_eq!(stand(&limits(&daemon, &id)), json!(["200.00", null]), "both the delay and the period are over");

    let (daemon, id) = alice(&format!("{keys}{CONFIRMED}"));
    set(&daemon, &id, &monthly("100.00"));
    let raised = set(&daemon, &id, &monthly("200.00"));
    let times = (&raised["pending"]["from"], &raised["pending"]["lapses_at"]);
    assert_eq!(times, (&json!(month_end), &json!("2026-12-02T23:00:00.000Z")));
    assert_eq!(refused(&daemon, &id, month_end), "raise_too_early");
}

#[test]
fn each_limit_has_one_confirmation_kind() {
    let filter = |net: bool| json!({ "window": "daily", "amount_limit": "9.00", "subtract_cancel_transactions": net });
    for (keys, direction, net, kind) in [
        ("", "deposit", false, "deposit_limit"),
        ("", "deposit", true, "net_deposit_limit"),
        ("", "withdrawal", false, "withdrawal_limit"),
        ("", "withdrawal", true, "net_withdrawal_limit"),
        ("refunds = \"original\"\n", "deposit", false, "net_deposit_limit"),
        ("refunds = \"original\"\n", "withdrawal", true, "net_withdrawal_limit"),
    ] {
        let daemon = kept(&Settings::REQUEST, shop(keys));
        daemon.reserve(&tick(0)).ok();
        let id = register(&daemon, &json!({ "merchant_customer_identifier": "alice" }));
        let path = of(&id, &format!("/limits/{direction}/EUR"));
        let named = |kind: &Value| json!({ "filters": [with(filter(net), &json!({ "kind": kind }))] });
        for wrong in ["deposit_limit", "net_deposit_limit", "withdrawal_limit", "net_withdrawal_limit", "limit", ""] {
            if wrong != kind {
                let problem = daemon.send("PUT", &path, &named(&json!(wrong))).problem(422);
                assert_eq!(problem["field"], "kind");
                assert!(problem["detail"].as_str().expect("words").contains(kind), "{problem}");
            }
        }
        daemon.send("PUT", &path, &named(&json!(1))).problem(400);
        daemon.send("PUT", &path, &json!({ "filters": [filter(net)] })).ok();
        let raise = json!({ "filters": [with(filter(net), &json!({ "amount_limit": "10.00" }))] });
        daemon.send("PUT", &path, &raise).ok();
        let lent = json!({ "filters": [filter(net)], "until": at(DAY) });
        let shown = daemon.send("PUT", &path, &lent).ok();
        for list in [&shown["filters"], &shown["pending"]["filters"], &shown["operator"]["filters"]] {
            assert_eq!(list[0]["kind"], kind, "{shown}");
        }
        // The answer is sent again unchanged.
        let again = daemon.send("PUT", &path, &json!({ "filters": shown["pending"]["filters"] })).ok();
        assert_eq!(again, shown);
    }
}

#[test]
fn where_raises_are_confirmed_limits_that_are_net_or_of_one_currency_are_warned_of() {
    let one = |name: &str, net: bool, all: bool| {
        json!({
            "name": name, "window": "daily", "amount_limit": "9.00", "subtract_cancel_transactions": net,
            "for_all_merchant_currencies": all,
        })
    };
    // A rate for each currency of the shop: without it, limits that count all currencies are warned of too.
    let with_rates = |(daemon, id): (Daemon, String)| {
        let mut rates = daemon.get("/v1/rates").ok();
        rates["rates"]["BHD"] = json!("0.4");
        daemon.send("PUT", "/v1/rates", &rates).ok();
        (daemon, id)
    };
    let (daemon, id) = with_rates(alice(CONFIRMED));
    let filters =
        [one("good", false, true), one("net", true, true), one("one", false, false), one("both", true, false)];
    let answer = set(&daemon, &id, &json!({ "filters": filters }));
    let warnings: Vec<&str> =
        answer["warnings"].as_array().expect("warnings").iter().filter_map(Value::as_str).collect();
    let named = |name: &str| warnings.iter().filter(|words| words.contains(&format!("`{name}`"))).count();
    assert_eq!(["good", "net", "one", "both"].map(named), [0, 1, 1, 2], "{warnings:?}");
    assert!(warnings[0].contains("net_deposit_limit") && warnings[1].contains("EUR"), "{warnings:?}");
    assert_eq!(set(&daemon, &id, &daily("9.00"))["warnings"], json!([]));
    // An operator's limits are not the customer's.
    let lent = json!({ "filters": [one("net", true, false)], "until": at(DAY) });
    assert_eq!(set(&daemon, &id, &lent)["warnings"], json!([]));
    assert!(limits(&daemon, &id).get("warnings").is_none());
    let (daemon, id) = with_rates(alice(""));
    let answer = set(&daemon, &id, &json!({ "filters": filters }));
    assert_eq!(answer["warnings"], json!([]), "raises take effect by themselves");
}

/// A gateway sets a player's own limits, but not an operator's.
#[test]
fn an_operator_s_limits_are_set_and_removed_by_operators_alone() {
    const GATEWAY: &str = "gateway-token-0123456789";
    const OPERATOR: &str = "operator-token-0123456789";
    let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", shop(""))]);
    let mut text = Settings::SYSTEM.text() + "\n[auth]\ntokens = [\n";
    for (role, token) in [("gateway", GATEWAY), ("operator", OPERATOR)] {
        folder.write(&format!("{role}.token"), token);
        let file = folder.path().join(format!("{role}.token"));
        text.push_str(&format!("  {{ role = \"{role}\", token_file = {:?} }},\n", file.display().to_string()));
    }
    folder.write("levelgate.toml", &(text + "]\n"));
    let daemon = Daemon::start(folder);
    let made =
        call(&daemon, "POST", crate::staff_calls::CUSTOMERS, OPERATOR, "{\"merchant_customer_identifier\": \"alice\"}");
    assert_eq!(made.0, 201, "{}", made.1);
    let path = path("1000001");
    let lent = with(daily("10.00"), &json!({ "until": "2090-01-01T00:00:00Z" })).to_string();
    for (method, path, body) in [("PUT", path.clone(), lent.as_str()), ("DELETE", path + "?operator=true", "")] {
        for (token, want) in [(GATEWAY, 403), (OPERATOR, 200)] {
            let (status, answer) = call(&daemon, method, &path, token, body);
            assert_eq!(status, want, "{method} {path}: {answer}");
        }
    }
}
