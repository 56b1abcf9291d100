//! The quantities of a transaction: what each step of its life makes of them, and what they put into usage.

use serde_json::{Value, json};

use support::daemon::Daemon;
use support::fixtures::{CRM, HOUR, acme, at, filter, level, pay, tick, with, without};

/// Two levels that see all payments: one with cancels subtracted, one without.
fn shop(head: &str) -> Daemon {
    let keys =
        "window = \"lifetime\"; amount_limit = \"1000.00\"; quantity_limit = 20; for_all_merchant_currencies = true";
    let gross = level("gross", &filter(keys));
    let net = level("net", &filter(&format!("{keys}; subtract_cancel_transactions = true")));
    let daemon = Daemon::timed(acme(&format!("{CRM}{head}"), &[level("gold", ""), gross, net]));
    daemon.reserve(&tick(0)).ok();
    daemon
}

/// Status, B or A, H, V, C, R, K and the flags.
fn quantities(answer: &Value) -> String {
    let members = ["status", "amount", "held", "released", "cancelled", "refunded", "charged_back"];
    let short = |text: &str| text.strip_suffix(".00").unwrap_or(text).to_owned();
    let mut words: Vec<String> = members.iter().map(|m| short(answer[m].as_str().unwrap_or("none"))).collect();
    let mut flags: Vec<&str> = answer["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    flags.sort_unstable();
    words.push(flags.join("+"));
    words.join(" ").trim_end().to_owned()
}

/// What is used gross and net by alice: amounts and quantities.
fn used(daemon: &Daemon) -> String {
    let of = |level: &str| {
        let probe = with(pay("probe", "0.01"), &json!({ "customer_level": level }));
        let left = daemon.check(&probe).ok()["remaining"].clone();
        let amount: u64 = left["amount"].as_str().and_then(|a| a.replace('.', "").parse().ok()).expect("an amount");
        let quantity = left["quantity"].as_u64().expect("a quantity");
        format!("{} {}", (99_999 - amount) / 100, 19 - quantity)
    };
    format!("{} / {}", of("gross"), of("net"))
}

enum Effect {
    /// A transition, the quantities that it answers with, and what is used then.
    Step(&'static str, Value, &'static str, &'static str),
    /// A transition that is refused.
    Refused(&'static str, Value, u16),
    /// The clock goes forward to this; what is used then.
    Waits(i64, &'static str),
}
use Effect::{Refused, Step, Waits};

/// A capture without an end to the captures, and the last one.
fn more(id: &str, amount: &str) -> Value {
    json!({ "capture_id": id, "amount": amount, "final": false })
}

fn last(id: &str, amount: &str) -> Value {
    json!({ "capture_id": id, "amount": amount })
}

fn of(part: &str, id: &str, amount: &str) -> Value {
    json!({ "cancel_id": id, "amount": amount, "of": part })
}

/// Plays a life that begins with a reserve of 100.
#[track_caller]
fn live(head: &str, steps: Vec<Effect>) {
    let daemon = shop(head);
    daemon.reserve(&pay("t", "100.00")).ok();
    assert_eq!(used(&daemon), "100 1 / 100 1");
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step(operation, body, want, usage) => {
                let answer = daemon.step("t", operation, &body).ok();
                assert_eq!((quantities(&answer), used(&daemon)), (want.into(), usage.into()), "step {number}: {body}");
                let shown = daemon.fetch("t").ok();
                for member in ["status", "held", "released", "cancelled", "refunded", "charged_back", "flags"] {
                    assert_eq!(shown[member], answer[member], "`{member}` of {shown}");
                }
            }
            Refused(operation, body, status) => {
                let before = (daemon.fetch("t").ok()["transitions"].clone(), used(&daemon));
                daemon.step("t", operation, &body).problem(status);
                assert_eq!((daemon.fetch("t").ok()["transitions"].clone(), used(&daemon)), before, "step {number}");
            }
            Waits(moment, usage) => {
                daemon.reserve(&tick(moment)).ok();
                assert_eq!(used(&daemon), usage, "step {number}");
            }
        }
    }
}

#[test]
fn captures_that_more_follow_keep_the_rest_until_the_last_one_or_the_end_of_the_hold() {
    live(
        "",
        vec![
            Step("approve", more("k1", "30.00"), "approved 30 70 0 0 0 0", "100 1 / 100 1"),
            Step("approve", more("k2", "30.00"), "approved 60 40 0 0 0 0", "100 1 / 100 1"),
            Step("approve", last("k3", "10.00"), "approved 70 0 0 0 0 0", "70 1 / 70 1"),
            Step("approve", more("k4", "5.00"), "approved 75 0 0 0 0 0 conflict", "75 1 / 75 1"),
            Refused("extend", json!({ "until": at(2 * HOUR) }), 422),
        ],
    );
    live(
        "",
        vec![
            Step("approve", more("k1", "30.00"), "approved 30 70 0 0 0 0", "100 1 / 100 1"),
            Step("extend", json!({ "until": at(2 * HOUR) }), "approved 30 70 0 0 0 0", "100 1 / 100 1"),
            Waits(2 * HOUR - 1, "100 1 / 100 1"),
            Waits(2 * HOUR, "30 1 / 30 1"),
            Refused("extend", json!({ "until": at(3 * HOUR) }), 422),
            Refused("cancel", json!({ "of": "reservation" }), 422),
            Step("approve", more("k2", "20.00"), "approved 50 0 0 0 0 0 late", "50 1 / 50 1"),
        ],
    );
    live(
        "",
        vec![
            Step("approve", more("k1", "30.00"), "approved 30 70 0 0 0 0", "100 1 / 100 1"),
            Step("approve", json!({ "capture_id": "k2" }), "approved 100 0 0 0 0 0", "100 1 / 100 1"),
            Refused("approve", json!({ "capture_id": "k3" }), 422),
        ],
    );
    live(
        "",
        vec![
            Step("approve", more("k1", "130.00"), "approved 130 0 0 0 0 0 over_limit", "130 1 / 130 1"),
            Refused("approve", json!({}), 422),
            Step("decline", json!({}), "approved 130 0 0 0 0 0 conflict+over_limit", "130 1 / 130 1"),
        ],
    );
}

#[test]
fn a_cancel_takes_what_is_held_before_what_was_paid_and_states_what_it_took() {
    live(
        "",
        vec![
            Step("cancel", of("reservation", "x1", "60.00"), "reserved 100 40 60 0 0 0", "40 1 / 40 1"),
            Refused("cancel", of("approved", "x2", "1.00"), 422),
            Refused("cancel", of("reservation", "x2", "40.01"), 422),
            Step("approve", json!({}), "approved 40 0 60 0 0 0", "40 1 / 40 1"),
            Step("cancel", json!({}), "cancelled 40 0 60 40 0 0", "40 1 / 0 0"),
        ],
    );
    live(
        "",
        vec![
            Step("approve", more("k1", "40.00"), "approved 40 60 0 0 0 0", "100 1 / 100 1"),
            Step("cancel", of("approved", "x1", "10.00"), "approved 40 60 0 10 0 0", "100 1 / 90 1"),
            Step("cancel", json!({ "cancel_id": "x2", "amount": "20.00" }), "approved 40 40 20 10 0 0", "80 1 / 70 1"),
            Refused("cancel", json!({ "cancel_id": "x3", "amount": "40.01" }), 422),
            Step("cancel", json!({ "of": "approved" }), "approved 40 40 20 40 0 0", "80 1 / 40 1"),
            Step("cancel", json!({ "cancel_id": "x4" }), "cancelled 40 0 60 40 0 0", "40 1 / 0 0"),
            Refused("cancel", json!({ "cancel_id": "x5" }), 422),
            Step("approve", last("k2", "5.00"), "approved 45 0 60 40 0 0 over_limit", "45 1 / 5 1"),
        ],
    );
    live(
        "",
        vec![
            Step("cancel", json!({}), "cancelled 100 0 100 0 0 0", "0 0 / 0 0"),
            Step("approve", json!({}), "approved 100 0 100 0 0 0 conflict+over_limit", "100 1 / 100 1"),
            Step(
                "cancel",
                json!({ "cancel_id": "x" }),
                "cancelled 100 0 100 100 0 0 conflict+over_limit",
                "100 1 / 0 0",
            ),
        ],
    );
}

#[test]
fn refunds_and_chargebacks_share_what_was_paid() {
    let steps = |gross: [&'static str; 3]| {
        vec![
            Step("approve", json!({}), "approved 100 0 0 0 0 0", "100 1 / 100 1"),
            Step("refund", json!({ "refund_id": "r1", "amount": "30.00" }), "approved 100 0 0 0 30 0", gross[0]),
            Step("cancel", json!({ "cancel_id": "x1", "amount": "20.00" }), "approved 100 0 0 20 30 0", gross[1]),
            Refused("refund", json!({ "refund_id": "r2", "amount": "50.01" }), 422),
            Step(
                "chargeback",
                json!({ "chargeback_id": "b1", "amount": "50.00" }),
                "approved 100 0 0 20 30 50",
                gross[1],
            ),
            Refused("refund", json!({}), 422),
            Refused("cancel", json!({}), 422),
            Refused("chargeback", json!({ "chargeback_id": "b2", "amount": "50.01" }), 422),
            Step("chargeback", json!({}), "approved 100 0 0 20 30 100 conflict", gross[1]),
            Refused("chargeback", json!({ "chargeback_id": "b3" }), 422),
            Step("approve", last("k", "10.00"), "approved 110 0 0 20 30 100 conflict+over_limit", gross[2]),
        ]
    };
    live("refunds = \"none\"\n", steps(["100 1 / 100 1", "100 1 / 80 1", "110 1 / 90 1"]));
    live("refunds = \"original\"\n", steps(["70 1 / 70 1", "70 1 / 50 1", "80 1 / 60 1"]));
    // Paying and refunding in turns does not escape a limit of quantities.
    live(
        "refunds = \"original\"\n",
        vec![
            Step("approve", json!({}), "approved 100 0 0 0 0 0", "100 1 / 100 1"),
            Step("refund", json!({}), "approved 100 0 0 0 100 0", "0 1 / 0 1"),
        ],
    );
}

#[test]
fn a_reserve_that_comes_after_its_approval_holds_from_then_on() {
    let daemon = shop("");
    let fields = without(pay("t", "40.00"), &["transaction_id"]);
    let open = with(fields.clone(), &json!({ "capture_id": "k1", "final": false }));
    assert_eq!(quantities(&daemon.step("t", "approve", &open).ok()), "approved 40 0 0 0 0 0 unreserved");
    daemon.step("t", "extend", &json!({ "until": at(HOUR) })).problem(422);
    daemon.reserve(&tick(HOUR)).ok();
    let answer = daemon.reserve(&pay("t", "100.00"));
    assert!(!answer.is_replay());
    assert_eq!((&answer.ok()["status"], used(&daemon).as_str()), (&json!("approved"), "100 1 / 100 1"));
    let attempt = json!({ "attempt": 1, "gate": "gate-a", "outcome": "approved" });
    assert_eq!(quantities(&daemon.step("t", "attempts", &attempt).ok()), "approved 40 60 0 0 0 0 unreserved");
    daemon.reserve(&tick(2 * HOUR - 1)).ok();
    assert_eq!(used(&daemon), "100 1 / 100 1");
    daemon.reserve(&tick(2 * HOUR)).ok();
    assert_eq!(used(&daemon), "40 1 / 40 1");
    // The excess over a later reserve is shown then.
    daemon.step("u", "approve", &fields).ok();
    assert_eq!(daemon.fetch("u").ok()["flags"], json!(["unreserved"]));
    daemon.reserve(&pay("u", "39.99")).ok();
    assert_eq!(daemon.fetch("u").ok()["flags"], json!(["over_limit", "unreserved"]));
    // Without direction and currency it is unknown; without an amount or a customer it is impossible.
    for (missing, status) in [
        (&["direction"][..], 404),
        (&["currency"], 404),
        (&["direction", "currency"], 404),
        (&["amount"], 422),
        (&["merchant_customer_identifier"], 422),
    ] {
        daemon.step("v", "approve", &without(fields.clone(), missing)).problem(status);
    }
    daemon.fetch("v").problem(404);
}

#[test]
fn a_gate_that_the_merchant_does_not_have_is_recorded_and_flagged() {
    let daemon = shop("");
    let attempt = |number: u32, gate: &str| json!({ "attempt": number, "gate": gate, "outcome": "declined" });
    let flags = |id: &str| daemon.fetch(id).ok()["flags"].clone();
    for id in ["known", "approved", "attempted"] {
        daemon.reserve(&pay(id, "10.00")).ok();
    }
    for gate in ["gate-a", "gate-off"] {
        daemon.step("known", "attempts", &attempt(if gate == "gate-a" { 1 } else { 2 }, gate)).ok();
    }
    daemon.step("known", "approve", &json!({ "gate": "gate-a" })).ok();
    assert_eq!(flags("known"), json!([]), "one that is switched off is one that there is");
    // A repetition is not held against the gate, and records none.
    daemon.step("known", "approve", &json!({ "gate": "gate-x" })).ok();
    assert_eq!(flags("known"), json!([]));
    let answer = daemon.step("approved", "approve", &json!({ "gate": "gate-x" })).ok();
    assert_eq!(answer["flags"], json!(["unknown_gate"]), "{answer}");
    let answer = daemon.step("attempted", "attempts", &attempt(1, "gate-x")).ok();
    assert_eq!((&answer["flags"], &answer["status"]), (&json!(["unknown_gate"]), &json!("reserved")), "{answer}");
    let fields = with(without(pay("", "10.00"), &["transaction_id"]), &json!({ "gate": "gate-x" }));
    let answer = daemon.step("unreserved", "approve", &fields).ok();
    assert_eq!(quantities(&answer), "approved 10 0 0 0 0 0 unknown_gate+unreserved", "{answer}");
    for id in ["approved", "attempted", "unreserved"] {
        let shown = daemon.fetch(id).ok();
        assert!(shown["flags"].as_array().is_some_and(|flags| flags.contains(&json!("unknown_gate"))), "{shown}");
        let last = shown["transitions"].as_array().and_then(|all| all.last()).expect("a transition");
        assert_eq!(last["gate"], "gate-x", "{shown}");
    }
    let listed = daemon.get("/v1/merchants/acme/transactions?flag=unknown_gate").ok();
    assert_eq!(listed["transactions"].as_array().map(Vec::len), Some(3), "{listed}");
}

#[test]
fn of_several_refusals_the_first_in_the_contract_s_order_is_answered() {
    let daemon = shop("");
    daemon.reserve(&pay("t", "100.00")).ok();
    daemon.step("t", "cancel", &json!({ "cancel_id": "x", "amount": "10.00" })).ok();
    let (at_acme, elsewhere) = ("/v1/merchants/acme/transactions", "/v1/merchants/nowhere/transactions");
    let mut found = Vec::new();
    for (base, path, body, status) in [
        // An unknown field, with any other fault.
        (elsewhere, "", with(pay("a", "ten"), &json!({ "amuont": "1" })), 400),
        (elsewhere, "/t/cancel", json!({ "amuont": "1" }), 400),
        (at_acme, "/nothing/cancel", json!({ "amuont": "1" }), 400),
        // Then the merchant and the transaction.
        (elsewhere, "", pay("a", "ten"), 404),
        (elsewhere, "", with(pay("a", "1.00"), &json!({ "direction": "sideways" })), 404),
        (elsewhere, "", with(pay("a", "1.00"), &json!({ "explain": "yes" })), 404),
        (elsewhere, "/t/cancel", json!({ "amount": "ten" }), 404),
        (at_acme, "/nothing/cancel", json!({ "amount": "ten", "cancel_id": "x" }), 404),
        (at_acme, "/nothing/cancel", json!({ "amount": "1.00" }), 404),
        (at_acme, "/nothing/cancel", json!({ "of": "sideways" }), 404),
        (at_acme, "/nothing/approve", json!({ "final": "sideways" }), 404),
        (at_acme, "/nothing/extend", json!({}), 404),
        (at_acme, "/nothing/attempts", json!({}), 404),
        // Then a value that no field takes.
        (at_acme, "/t/cancel", json!({ "amount": "ten", "cancel_id": "x" }), 400),
        (at_acme, "/t/cancel", json!({ "amount": "0.00", "cancel_id": "x" }), 400),
        (at_acme, "/t/cancel", json!({ "amount": "1.00" }), 400),
        (at_acme, "", pay("t", "ten"), 400),
        // Then other content, before what is impossible.
        (at_acme, "/t/cancel", json!({ "cancel_id": "x", "amount": "1000.00" }), 409),
        (at_acme, "", with(pay("t", "100.00"), &json!({ "endpoint": "nowhere" })), 409),
        (at_acme, "", with(pay("t", "100.00"), &json!({ "project": "nowhere" })), 409),
        (at_acme, "", with(pay("t", "100.00"), &json!({ "currency": "SEK" })), 409),
        (at_acme, "/t/cancel", json!({ "cancel_id": "y", "amount": "1000.00" }), 422),
    ] {
        let answer = daemon.post(&format!("{base}{path}"), &body);
        if answer.status != status {
            found.push(format!("{base}{path} {body}: {status} was expected: {} {}", answer.status, answer.body));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    // A repetition comes before what is impossible by now.
    daemon.reserve(&tick(2 * HOUR)).ok();
    daemon.step("t", "cancel", &json!({ "cancel_id": "z" })).problem(422);
    assert!(daemon.step("t", "cancel", &json!({ "cancel_id": "x", "amount": "10.00" })).is_replay());
}
