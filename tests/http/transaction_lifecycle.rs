//! The life of a transaction: approvals, captures, cancels, declines, refunds, chargebacks, extensions, attempts and
//! expiry; what each answers, which flags it leaves, and what it does to the usage.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::answer::Answer;
use support::daemon::Daemon;
use support::fixtures::{CRM, DAY, HOUR, MINUTE, acme, at, filter, gold, level, pay, tick, when, with, without};

/// A daemon whose level `gold` allows 1000.00 and 20 payments in all, cancelled ones subtracted.
fn shop() -> Daemon {
    let keys =
        "window = \"lifetime\"; amount_limit = \"1000.00\"; quantity_limit = 20; subtract_cancel_transactions = true";
    let daemon = Daemon::timed(gold(keys));
    daemon.reserve(&tick(0)).ok();
    daemon
}

/// Reserves 100.00 by alice.
fn reserved(daemon: &Daemon, id: &str) {
    assert_allowed(daemon.reserve(&pay(id, "100.00")).ok());
}

/// Status, amount, cancelled, refunded and flags of a transition's answer on one line, as the tables below have them.
#[track_caller]
fn state(answer: &Value) -> String {
    let text = |member: &str| answer[member].as_str().unwrap_or_else(|| panic!("`{member}` is a text: {answer}"));
    let flags = answer["flags"].as_array().unwrap_or_else(|| panic!("`flags` is a list: {answer}"));
    let flags: Vec<&str> = flags.iter().filter_map(Value::as_str).collect();
    assert!(answer["remaining"].is_object(), "`remaining` is present: {answer}");
    assert!(answer["transaction_id"].is_string(), "`transaction_id` is present: {answer}");
    let line = [text("status"), text("amount"), text("cancelled"), text("refunded"), &flags.join("+")].join(" ");
    line.trim_end().to_owned()
}

/// What is left of amount and quantity for alice at `gold`, as a check of one cent sees it.
fn left(daemon: &Daemon) -> (String, u64) {
    let answer = assert_allowed(daemon.check(&pay("probe", "0.01")).ok());
    let amount = answer["remaining"]["amount"].as_str().expect("an amount").to_owned();
    (amount, answer["remaining"]["quantity"].as_u64().expect("a quantity"))
}

#[track_caller]
fn fresh(answer: &Answer) -> Value {
    assert!(!answer.is_replay(), "said for the first time: {}", answer.body);
    answer.ok()
}

/// One transition: operation, body, and the state expected, or the status of the refusal.
type Step = (&'static str, Value, Result<&'static str, u16>);

#[track_caller]
fn run_steps(daemon: &Daemon, id: &str, steps: &[Step]) {
    for (number, (operation, body, expected)) in steps.iter().enumerate() {
        let answer = daemon.step(id, operation, body);
        match expected {
            Ok(line) => assert_eq!(state(&fresh(&answer)), *line, "step {number}, {operation} {body} of {id}"),
            Err(status) => drop(answer.problem(*status)),
        }
    }
}

#[test]
fn an_approval_is_whole_partial_or_in_captures() {
    let daemon = shop();
    for id in ["whole", "part", "parts"] {
        reserved(&daemon, id);
    }
    run_steps(&daemon, "whole", &[("approve", json!({}), Ok("approved 100.00 0.00 0.00"))]);
    run_steps(&daemon, "part", &[("approve", json!({ "amount": "60.00" }), Ok("approved 60.00 0.00 0.00"))]);
    assert_eq!(left(&daemon), ("739.99".into(), 16), "a partial approval counts what was approved");
    let capture = |id: &str, amount: &str| json!({ "capture_id": id, "amount": amount, "final": false });
    run_steps(
        &daemon,
        "parts",
        &[
            ("approve", capture("c1", "30.00"), Ok("approved 30.00 0.00 0.00")),
            ("approve", capture("c2", "30.00"), Ok("approved 60.00 0.00 0.00")),
            ("approve", json!({ "amount": 40, "gate": "gate-a" }), Ok("approved 100.00 0.00 0.00")),
        ],
    );
    assert_eq!(left(&daemon), ("739.99".into(), 16));
    let answer = daemon.step("parts", "approve", &capture("c3", "1.00")).ok();
    assert_eq!(state(&answer), "approved 101.00 0.00 0.00 over_limit+conflict", "the last capture was the final one");
    assert_eq!(answer["transaction_id"], "parts");
    assert_eq!(answer["remaining"], json!({"amount": "739.00", "quantity": 17, "currency": "EUR"}), "{answer}");
}

#[test]
fn an_approval_beyond_what_was_reserved_is_recorded_counted_and_flagged() {
    let daemon = shop();
    for id in ["more", "creep"] {
        reserved(&daemon, id);
    }
    run_steps(
        &daemon,
        "more",
        &[("approve", json!({ "amount": "900.00" }), Ok("approved 900.00 0.00 0.00 over_limit"))],
    );
    let full = daemon.check(&pay("probe", "0.01")).ok();
    assert_denied(&full, &["19006 amount_limit_exceeded lifetime"]);
    assert_eq!(full["remaining"]["amount"], "0.00", "{full}");
    let capture = |id: &str| json!({ "capture_id": id, "amount": "80.00", "final": false });
    run_steps(
        &daemon,
        "creep",
        &[
            ("approve", capture("c1"), Ok("approved 80.00 0.00 0.00")),
            ("approve", capture("c2"), Ok("approved 160.00 0.00 0.00 over_limit")),
        ],
    );
    assert_eq!(daemon.check(&pay("probe", "0.01")).ok()["remaining"]["amount"], "0.00", "never below nothing");
}

#[test]
fn money_that_moved_after_a_decline_a_denial_or_expiry_is_a_fact_with_a_flag() {
    let daemon = shop();
    reserved(&daemon, "declined");
    reserved(&daemon, "expired");
    assert_denied(&daemon.reserve(&pay("denied", "1000.01")).ok(), &["19006 amount_limit_exceeded lifetime"]);
    run_steps(
        &daemon,
        "declined",
        &[
            ("decline", json!({}), Ok("declined 100.00 0.00 0.00")),
            ("approve", json!({}), Ok("approved 100.00 0.00 0.00 conflict")),
        ],
    );
    run_steps(
        &daemon,
        "denied",
        &[
            ("decline", json!({}), Err(422)),
            ("cancel", json!({}), Err(422)),
            ("approve", json!({ "amount": "10.00" }), Ok("approved 10.00 0.00 0.00 conflict")),
        ],
    );
    assert_eq!(left(&daemon), ("789.99".into(), 16));
    daemon.reserve(&tick(HOUR)).ok();
    run_steps(&daemon, "expired", &[("approve", json!({}), Ok("approved 100.00 0.00 0.00 late"))]);
    assert_eq!(left(&daemon), ("789.99".into(), 16));
}

#[test]
fn an_approval_without_a_reservation_needs_the_reserve_s_fields_and_the_reserve_may_come_later() {
    let daemon = shop();
    daemon.step("late-reserve", "approve", &json!({})).problem(404);
    daemon.step("late-reserve", "approve", &json!({ "amount": "70.00" })).problem(404);
    let fields = without(pay("", "70.00"), &["transaction_id"]);
    let answer = fresh(&daemon.step("late-reserve", "approve", &fields));
    assert_eq!(state(&answer), "approved 70.00 0.00 0.00 unreserved");
    assert_eq!(left(&daemon), ("929.99".into(), 18));
    let answer = daemon.reserve(&pay("late-reserve", "80.00"));
    let answer = assert_allowed(fresh(&answer));
    assert_eq!(answer["flags"], json!(["unreserved"]), "{answer}");
    assert_eq!(answer["status"], "approved", "{answer}");
    assert_eq!(
        answer["remaining"],
        json!({"amount": "930.00", "quantity": 19, "currency": "EUR"}),
        "counted once: {answer}"
    );
    assert_eq!(left(&daemon), ("929.99".into(), 18));
}

#[test]
fn a_decline_after_an_approval_is_kept_and_flagged_and_changes_nothing() {
    let daemon = shop();
    reserved(&daemon, "t1");
    run_steps(
        &daemon,
        "t1",
        &[
            ("approve", json!({}), Ok("approved 100.00 0.00 0.00")),
            ("decline", json!({}), Ok("approved 100.00 0.00 0.00 conflict")),
        ],
    );
    assert_eq!(left(&daemon), ("899.99".into(), 18));
    assert_eq!(daemon.fetch("t1").ok()["status"], "approved");
}

#[test]
fn cancels_are_whole_or_partial_with_an_id_and_never_more_than_is_left() {
    let daemon = shop();
    for id in ["hold", "paid", "bit", "grown", "gone"] {
        reserved(&daemon, id);
    }
    let cancel = |id: &str, amount: &str| json!({ "cancel_id": id, "amount": amount });
    run_steps(
        &daemon,
        "hold",
        &[
            ("cancel", cancel("x1", "30.00"), Ok("reserved 100.00 0.00 0.00")),
            ("cancel", json!({ "amount": "10.00" }), Err(400)),
            ("cancel", cancel("x2", "70.01"), Err(422)),
            ("cancel", cancel("x3", "70.00"), Ok("cancelled 100.00 0.00 0.00")),
            ("cancel", cancel("x4", "0.01"), Err(422)),
        ],
    );
    run_steps(
        &daemon,
        "paid",
        &[
            ("approve", json!({}), Ok("approved 100.00 0.00 0.00")),
            ("cancel", json!({}), Ok("cancelled 100.00 100.00 0.00")),
            ("cancel", json!({ "cancel_id": "x1" }), Err(422)),
        ],
    );
    run_steps(
        &daemon,
        "bit",
        &[
            ("approve", json!({ "amount": "80.00" }), Ok("approved 80.00 0.00 0.00")),
            ("cancel", cancel("x1", "80.01"), Err(422)),
            ("cancel", cancel("x1", "20.00"), Ok("approved 80.00 20.00 0.00")),
            ("cancel", json!({ "cancel_id": "x2" }), Ok("cancelled 80.00 80.00 0.00")),
        ],
    );
    run_steps(
        &daemon,
        "grown",
        &[
            ("approve", json!({ "amount": "40.00", "capture_id": "c1" }), Ok("approved 40.00 0.00 0.00")),
            ("cancel", json!({}), Ok("cancelled 40.00 40.00 0.00")),
            ("approve", json!({ "amount": "60.00", "capture_id": "c2" }), Ok("approved 100.00 40.00 0.00 conflict")),
            ("cancel", cancel("x1", "60.00"), Ok("cancelled 100.00 100.00 0.00 conflict")),
        ],
    );
    run_steps(
        &daemon,
        "gone",
        &[("decline", json!({}), Ok("declined 100.00 0.00 0.00")), ("cancel", json!({}), Err(422))],
    );
    assert_eq!(left(&daemon), ("999.99".into(), 19), "everything was given back");
    reserved(&daemon, "too-late");
    daemon.reserve(&tick(HOUR)).ok();
    run_steps(&daemon, "too-late", &[("cancel", json!({}), Err(422))]);
}

#[test]
fn a_cancel_gives_back_what_was_paid_only_where_the_filter_says_so_but_a_hold_always() {
    for (subtract, after_part, after_whole) in
        [(true, ("929.99", 18), ("999.99", 19)), (false, ("899.99", 18), ("899.99", 18))]
    {
        let daemon = Daemon::timed(gold(&format!(
            "window = \"daily\"; amount_limit = \"1000.00\"; quantity_limit = 20; subtract_cancel_transactions = {subtract}"
        )));
        daemon.reserve(&tick(0)).ok();
        let expect = |(amount, quantity): (&str, u64)| (amount.to_owned(), quantity);
        reserved(&daemon, "hold");
        daemon.step("hold", "cancel", &json!({ "amount": "30.00", "cancel_id": "x1" })).ok();
        assert_eq!(left(&daemon), expect(("929.99", 18)), "subtract {subtract}: a part of a hold is released");
        daemon.step("hold", "cancel", &json!({})).ok();
        assert_eq!(left(&daemon), expect(("999.99", 19)), "subtract {subtract}: nothing was ever paid");
        reserved(&daemon, "paid");
        daemon.step("paid", "approve", &json!({})).ok();
        daemon.step("paid", "cancel", &json!({ "amount": "30.00", "cancel_id": "x1" })).ok();
        assert_eq!(left(&daemon), expect(after_part), "subtract {subtract}: a part of what was paid");
        daemon.step("paid", "cancel", &json!({})).ok();
        assert_eq!(left(&daemon), expect(after_whole), "subtract {subtract}: all of what was paid");
    }
}

#[test]
fn a_cancel_acts_on_the_window_of_the_transaction_itself() {
    let daemon = Daemon::timed(gold(
        "window = \"daily\"; amount_limit = \"100.00\"; calendar = true; subtract_cancel_transactions = true",
    ));
    daemon.reserve(&tick(0)).ok();
    reserved(&daemon, "yesterday");
    daemon.step("yesterday", "approve", &json!({})).ok();
    daemon.reserve(&tick(DAY)).ok();
    assert_allowed(daemon.reserve(&pay("today", "100.00")).ok());
    daemon.step("yesterday", "cancel", &json!({})).ok();
    let answer = daemon.reserve(&pay("more", "0.01")).ok();
    assert_denied(&answer, &["19000 daily_amount_limit_exceeded daily"]);
}

#[test]
fn refunds_give_usage_back_only_where_the_merchant_says_original() {
    for (refunds, after) in [("none", "899.99"), ("original", "939.99")] {
        let keys = "window = \"daily\"; amount_limit = \"1000.00\"; subtract_cancel_transactions = true";
        let head = format!("{CRM}refunds = \"{refunds}\"\n");
        let daemon = Daemon::timed(acme(&head, &[level("gold", &filter(keys))]));
        daemon.reserve(&tick(0)).ok();
        reserved(&daemon, "t1");
        let refund = |id: &str, amount: &str| json!({ "refund_id": id, "amount": amount });
        run_steps(
            &daemon,
            "t1",
            &[
                ("refund", refund("r0", "1.00"), Err(422)),
                ("approve", json!({}), Ok("approved 100.00 0.00 0.00")),
                ("refund", refund("r1", "40.00"), Ok("approved 100.00 0.00 40.00")),
                ("refund", json!({ "amount": "1.00" }), Err(400)),
                ("refund", refund("r2", "60.01"), Err(422)),
            ],
        );
        let answer = assert_allowed(daemon.check(&pay("probe", "0.01")).ok());
        assert_eq!(answer["remaining"]["amount"], after, "refunds {refunds}: {answer}");
        daemon.step("t1", "cancel", &json!({ "cancel_id": "x1", "amount": "10.00" })).ok();
        daemon.step("t1", "refund", &refund("r3", "50.01")).problem(422);
        let rest = daemon.step("t1", "refund", &refund("r4", "50.00")).ok();
        assert_eq!(rest["refunded"], "90.00", "B - C - R is the most: {rest}");
        daemon.step("t1", "refund", &refund("r5", "0.01")).problem(422);
    }
}

#[test]
fn a_chargeback_is_recorded_once_and_gives_nothing_back() {
    let daemon = shop();
    reserved(&daemon, "t1");
    let body = json!({ "chargeback_id": "cb-1", "amount": "40.00" });
    daemon.step("t1", "chargeback", &body).problem(422);
    daemon.step("t1", "approve", &json!({})).ok();
    daemon.step("t1", "chargeback", &json!({ "amount": "40.00" })).problem(400);
    let answer = fresh(&daemon.step("t1", "chargeback", &body));
    assert_eq!(answer["status"], "approved", "{answer}");
    assert_eq!(answer["amount"], "100.00", "{answer}");
    assert!(daemon.step("t1", "chargeback", &body).is_replay());
    assert_eq!(left(&daemon), ("899.99".into(), 18));
}

#[test]
fn a_hold_expires_at_its_instant_and_an_extension_moves_it() {
    let daemon = shop();
    reserved(&daemon, "short");
    reserved(&daemon, "long");
    let until = |ms: i64| json!({ "until": at(ms) });
    run_steps(
        &daemon,
        "long",
        &[
            ("extend", until(HOUR), Err(422)),
            ("extend", until(HOUR - 1), Err(422)),
            ("extend", until(2 * HOUR), Ok("reserved 100.00 0.00 0.00")),
            ("extend", until(90 * MINUTE), Err(422)),
        ],
    );
    assert!(daemon.step("long", "extend", &until(2 * HOUR)).is_replay());
    let status = |id: &str| daemon.fetch(id).ok()["status"].clone();
    daemon.reserve(&tick(HOUR - 1)).ok();
    assert_eq!((status("short"), status("long")), (json!("reserved"), json!("reserved")));
    assert_eq!(left(&daemon), ("799.99".into(), 17));
    daemon.reserve(&tick(HOUR)).ok();
    assert_eq!((status("short"), status("long")), (json!("expired"), json!("reserved")), "the instant is included");
    assert_eq!(left(&daemon), ("899.99".into(), 18), "what has expired does not count");
    daemon.reserve(&tick(2 * HOUR - 1)).ok();
    assert_eq!(status("long"), "reserved");
    daemon.reserve(&tick(2 * HOUR)).ok();
    assert_eq!(status("long"), "expired");
    assert_eq!(left(&daemon), ("999.99".into(), 19));
    assert_eq!(daemon.step("short", "decline", &json!({})).ok()["status"], "declined", "a decline outranks the clock");
}

#[test]
fn attempts_are_reported_and_never_count() {
    let daemon = shop();
    reserved(&daemon, "t1");
    let attempt = |number: u32, gate: &str, outcome: &str| json!({"attempt": number, "gate": gate, "outcome": outcome});
    fresh(&daemon.step("t1", "attempts", &attempt(1, "gate-a", "declined")));
    fresh(&daemon.step("t1", "attempts", &attempt(2, "gate-b", "approved")));
    assert!(daemon.step("t1", "attempts", &attempt(1, "gate-a", "declined")).is_replay());
    daemon.step("t1", "attempts", &attempt(1, "gate-b", "declined")).problem(409);
    assert_eq!(left(&daemon), ("899.99".into(), 18));
    assert_eq!(daemon.fetch("t1").ok()["status"], "reserved");
}

#[test]
fn usage_follows_the_transaction_s_own_time_to_the_millisecond() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
    assert_allowed(daemon.reserve(&with(pay("t1", "100.00"), &when(0))).ok());
    daemon.step("t1", "approve", &json!({})).ok();
    let early = daemon.reserve(&with(pay("t2", "0.01"), &when(DAY - 1))).ok();
    assert_denied(&early, &["19000 daily_amount_limit_exceeded daily"]);
    let whole = assert_allowed(daemon.reserve(&with(pay("t3", "100.00"), &when(DAY))).ok());
    assert_eq!(whole["remaining"]["amount"], "0.00", "one exactly a day old is out: {whole}");
}
