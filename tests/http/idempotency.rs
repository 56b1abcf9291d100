//! The same request again: answered from the record, with the replay header; and the same id with other
//! content: refused, naming what differs.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use support::answer::Answer;
use support::daemon::Daemon;
use support::fixtures::{CRM, DAY, HOUR, acme, at, filter, gold, level, pay, tick, when, with, without};

/// The body without the one member that two equal answers may differ in.
#[track_caller]
pub(crate) fn timeless(answer: &Answer) -> Value {
    without(answer.ok(), &["server_time"])
}

#[track_caller]
fn assert_replay(again: &Answer, first: &Answer) {
    assert!(again.is_replay(), "the header says that it is remembered: {again:?}");
    assert!(!first.is_replay(), "the first answer is none: {first:?}");
    assert_eq!(timeless(again), timeless(first));
}

#[test]
fn repeated_reserve_counts_once_with_the_same_answer() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"100.00\"; quantity_limit = 3"));
    let body = with(pay("t1", "60.00"), &json!({ "payment_method": "card", "explain": false }));
    let first = daemon.reserve(&body);
    assert_replay(&daemon.reserve(&body), &first);
    let same = [
        with(body.clone(), &json!({ "amount": "60" })),
        with(body.clone(), &json!({ "amount": 60 })),
        with(body.clone(), &json!({ "amount": "60.0" })),
        with(
            body.clone(),
            &json!({ "customer_id": null, "payment_instrument": null, "project": null, "endpoint": null }),
        ),
        with(body.clone(), &json!({ "customer": {"email": "alice@example.com"} })),
    ];
    for body in same {
        assert_replay(&daemon.reserve(&body), &first);
    }
    let answer = daemon.reserve(&pay("t2", "10.00"));
    assert!(!answer.is_replay());
    assert_eq!(answer.ok()["remaining"], json!({"amount": "30.00", "quantity": 1, "currency": "EUR"}));
    // The decision stays; the transaction is shown in its current state.
    let again = daemon.reserve(&body).ok();
    assert_eq!(again["remaining"], json!({"amount": "30.00", "quantity": 1, "currency": "EUR"}), "{again}");
    assert_eq!(again["customer"]["resolution"], "created", "as it was: {again}");
    daemon.step("t1", "approve", &json!({ "amount": "50.00" })).ok();
    let again = daemon.reserve(&body);
    assert!(again.is_replay());
    let again = assert_allowed(again.ok());
    assert_eq!(again["status"], "approved", "as it is now: {again}");
    assert_eq!(again["remaining"]["amount"], "40.00", "{again}");
    assert_eq!(again["gates"], json!(["gate-a", "gate-b"]), "{again}");
}

#[test]
fn repeated_denied_reserve_stays_denied() {
    let daemon = Daemon::timed(gold("window = \"daily\"; amount_limit = \"100.00\""));
    daemon.reserve(&with(pay("t1", "100.00"), &when(0))).ok();
    let body = with(pay("t2", "50.00"), &when(0));
    let line = "19000 daily_amount_limit_exceeded daily";
    assert_denied(&daemon.reserve(&body).ok(), &[line]);
    daemon.step("t1", "decline", &json!({})).ok();
    let again = daemon.reserve(&body);
    assert!(again.is_replay());
    let again = again.ok();
    assert_denied(&again, &[line]);
    assert_eq!(again["status"], "denied");
    assert_eq!(again["remaining"]["amount"], "100.00", "the current headroom is shown: {again}");
    daemon.reserve(&tick(2 * DAY)).ok();
    let late = daemon.reserve(&without(body, &["occurred_at"]));
    assert!(late.is_replay(), "days later too");
    assert_allowed(daemon.reserve(&pay("t3", "50.00")).ok());
}

#[test]
fn the_level_that_was_sent_is_answered_again_and_not_stored_again() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", ""), level("silver", "")]));
    daemon.reserve(&pay("t1", "1.00")).ok();
    daemon.reserve(&with(pay("t2", "1.00"), &json!({ "customer_level": "silver" }))).ok();
    let again = daemon.reserve(&pay("t1", "1.00"));
    assert!(again.is_replay());
    assert_eq!(again.ok()["level"], json!({"name": "gold", "source": "request"}));
    let stored = daemon.reserve(&without(pay("t3", "1.00"), &["customer_level"])).ok();
    assert_eq!(stored["level"], json!({"name": "silver", "source": "stored"}), "{stored}");
}

#[test]
fn the_same_id_with_other_content_is_refused_and_every_difference_is_named() {
    let mut text = acme(CRM, &[level("gold", ""), level("silver", "")]);
    text.push_str(
        "\n[[projects]]\nid = \"app\"\nclient_definition = [\"email\"]\n  [[projects.endpoints]]\n  id = \"app-eur\"\n  currency = \"EUR\"\n  gates = [\"gate-a\"]\n",
    );
    let daemon = Daemon::live(text);
    let body = with(pay("t1", "10.00"), &json!({ "payment_method": "card", "project": "web", "endpoint": "web-eur" }));
    daemon.reserve(&body).ok();
    let rows: [(Value, &[&str]); 9] = [
        (json!({ "amount": "10.01" }), &["amount"]),
        (json!({ "direction": "withdrawal" }), &["direction"]),
        (json!({ "currency": "USD", "endpoint": "web-usd" }), &["currency", "endpoint"]),
        (json!({ "merchant_customer_identifier": "bob" }), &["customer"]),
        (json!({ "customer_level": "silver" }), &["customer_level"]),
        (json!({ "customer_level": null }), &["customer_level"]),
        (json!({ "payment_method": "cash" }), &["payment_method"]),
        (json!({ "payment_method": null, "amount": "11.00" }), &["payment_method", "amount"]),
        (json!({ "project": "app", "endpoint": "app-eur" }), &["project", "endpoint"]),
    ];
    for (members, names) in rows {
        let problem = daemon.reserve(&with(body.clone(), &members)).problem(409).to_string();
        for name in names {
            assert!(problem.contains(name), "`{name}` differs and is named: {problem}");
        }
    }
    let again = daemon.reserve(&body);
    assert!(again.is_replay(), "nothing was changed by the refusals");
    assert_eq!(again.ok()["status"], "reserved");
}

/// What becomes of a request that comes again with one thing changed.
#[derive(Debug, Clone, Copy)]
enum Repetition {
    /// It is the same.
    Replay,
    /// The request differs, and this field is named.
    Differs(&'static str),
}

/// The fault of the answer, if it has one.
fn wrong(again: &Answer, expected: Repetition, what: &str) -> Option<String> {
    let problem: Value = serde_json::from_str(&again.body).unwrap_or_default();
    let is_right = match expected {
        Repetition::Replay => again.is_replay() && again.status == 200,
        Repetition::Differs(field) => again.status == 409 && problem["field"] == field,
    };
    (!is_right).then(|| format!("{what}: {expected:?} was expected: {} {}", again.status, again.body))
}

/// `acme` with a second project and levels in both directions.
fn two_projects() -> Daemon {
    let mut text = acme(CRM, &[level("gold", ""), level("silver", "")]);
    text.push_str(
        "\n[[projects]]\nid = \"app\"\nclient_definition = [\"email\"]\n  [[projects.endpoints]]\n  id = \"app-eur\"\n  \
         currency = \"EUR\"\n  gates = [\"gate-a\"]\n  [[projects.endpoints]]\n  id = \"web-eur-2\"\n  \
         currency = \"EUR\"\n  gates = [\"gate-a\"]\n",
    );
    Daemon::timed(text)
}

#[test]
fn each_field_of_a_reserve_is_compared_or_not() {
    use Repetition::{Differs, Replay};
    let daemon = two_projects();
    daemon.reserve(&tick(0)).ok();
    let whole = with(
        pay("whole", "10.00"),
        &json!({ "project": "web", "endpoint": "web-eur", "payment_method": "card", "payment_instrument": "tok-1",
            "customer": { "email": "alice@example.com" }, "occurred_at": at(-1000), "explain": false }),
    );
    let bare = json!({ "transaction_id": "bare", "project": "app", "endpoint": "app-eur", "direction": "deposit",
        "amount": "10.00", "currency": "EUR", "customer": { "email": "a@example.com", "first_name": "Ada" } });
    assert_allowed(daemon.reserve(&whole).ok());
    assert_allowed(daemon.reserve(&bare).ok());
    let rows: [(&Value, Value, Repetition); 40] = [
        (&whole, json!({}), Replay),
        (&whole, json!({ "direction": "withdrawal" }), Differs("direction")),
        (&whole, json!({ "amount": "10" }), Replay),
        (&whole, json!({ "amount": 10.0 }), Replay),
        (&whole, json!({ "amount": "10.01" }), Differs("amount")),
        (&whole, json!({ "currency": "USD", "endpoint": null }), Differs("currency")),
        (&whole, json!({ "merchant_customer_identifier": "bob" }), Differs("merchant_customer_identifier")),
        (&whole, json!({ "merchant_customer_identifier": null }), Differs("customer")),
        (&whole, json!({ "merchant_customer_identifier": "" }), Differs("customer")),
        (&whole, json!({ "customer_id": null }), Replay),
        (&whole, json!({ "customer_id": "" }), Replay),
        (&whole, json!({ "customer": { "email": "other@example.com" } }), Replay),
        (&whole, json!({ "customer": null }), Replay),
        (&whole, json!({ "customer_level": "silver" }), Differs("customer_level")),
        (&whole, json!({ "customer_level": null }), Differs("customer_level")),
        (&whole, json!({ "customer_level": "" }), Differs("customer_level")),
        (&whole, json!({ "payment_method": "cash" }), Differs("payment_method")),
        (&whole, json!({ "payment_method": null }), Differs("payment_method")),
        (&whole, json!({ "payment_method": "" }), Differs("payment_method")),
        (&whole, json!({ "payment_instrument": "tok-2" }), Differs("payment_instrument")),
        (&whole, json!({ "payment_instrument": null }), Differs("payment_instrument")),
        (&whole, json!({ "payment_instrument": "" }), Differs("payment_instrument")),
        (&whole, json!({ "project": "app", "endpoint": "app-eur" }), Differs("project")),
        (&whole, json!({ "endpoint": null }), Replay),
        (&bare, json!({ "endpoint": "web-eur-2" }), Differs("endpoint")),
        (&whole, json!({ "occurred_at": at(-2000) }), Replay),
        (&whole, json!({ "occurred_at": null }), Replay),
        (&whole, json!({ "explain": true }), Replay),
        (&bare, json!({}), Replay),
        (&bare, json!({ "merchant_customer_identifier": "alice" }), Differs("merchant_customer_identifier")),
        (&bare, json!({ "merchant_customer_identifier": "" }), Replay),
        (&bare, json!({ "customer": { "email": "b@example.com", "first_name": "Ada" } }), Differs("customer")),
        (&bare, json!({ "customer": { "email": "A@Example.com" } }), Replay),
        (&bare, json!({ "customer": { "email": "a@example.com", "first_name": "Eve" } }), Replay),
        (&bare, json!({ "customer_level": "gold" }), Differs("customer_level")),
        (&bare, json!({ "customer_level": "" }), Differs("customer_level")),
        (&bare, json!({ "customer_level": null }), Replay),
        (&bare, json!({ "payment_method": "card" }), Differs("payment_method")),
        (&bare, json!({ "payment_method": "" }), Replay),
        (&bare, json!({ "payment_instrument": "tok-1" }), Differs("payment_instrument")),
    ];
    let found = rows.into_iter().filter_map(|(body, change, expected)| {
        wrong(&daemon.reserve(&with(body.clone(), &change)), expected, &format!("{} {change}", body["transaction_id"]))
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "{found:#?}");
    // A place that does not exist is not the recorded one: that comes before 422.
    daemon.reserve(&with(whole.clone(), &json!({ "project": "nowhere", "endpoint": null }))).problem(409);
    // Of several endpoints that fit, one that is left out is the recorded one.
    assert_eq!(wrong(&daemon.reserve(&with(bare, &json!({ "endpoint": null }))), Replay, "left out"), None);
    assert_eq!(wrong(&daemon.reserve(&whole), Replay, "as it was"), None);
}

#[test]
fn reserve_after_its_approval_is_compared_with_the_approval() {
    use Repetition::{Differs, Replay};
    let all = with(
        without(pay("", "10.00"), &["transaction_id"]),
        &json!({ "project": "web", "endpoint": "web-eur", "payment_method": "card", "payment_instrument": "tok-1" }),
    );
    let few = without(all.clone(), &["customer_level", "payment_method", "payment_instrument", "project", "endpoint"]);
    let rows: [(&Value, Value, Repetition); 16] = [
        (&all, json!({}), Replay),
        (&all, json!({ "amount": "25.00" }), Replay),
        (&all, json!({ "payment_instrument": "tok-2" }), Replay),
        (&all, json!({ "payment_instrument": null }), Replay),
        (&all, json!({ "customer": { "email": "alice@example.com" } }), Replay),
        (&all, json!({ "direction": "withdrawal" }), Differs("direction")),
        (&all, json!({ "currency": "USD", "endpoint": null }), Differs("currency")),
        (&all, json!({ "merchant_customer_identifier": "bob" }), Differs("merchant_customer_identifier")),
        (&all, json!({ "customer_level": "silver" }), Differs("customer_level")),
        (&all, json!({ "customer_level": null }), Differs("customer_level")),
        (&all, json!({ "payment_method": "cash" }), Differs("payment_method")),
        (&all, json!({ "payment_method": null }), Differs("payment_method")),
        (&few, json!({ "customer_level": "gold" }), Replay),
        (&few, json!({ "payment_method": "card", "payment_instrument": "tok-1" }), Replay),
        (&few, json!({ "project": "web", "endpoint": "web-eur" }), Replay),
        (&few, json!({ "customer_level": "gold", "payment_method": "card", "project": "web" }), Replay),
    ];
    let daemon = Daemon::timed(acme(CRM, &[level("gold", ""), level("silver", "")]));
    daemon.reserve(&tick(0)).ok();
    for (number, (approval, change, expected)) in rows.into_iter().enumerate() {
        let id = format!("t{number}");
        daemon.step(&id, "approve", approval).ok();
        let reserve = with(with(approval.clone(), &json!({ "transaction_id": id })), &change);
        let answer = daemon.reserve(&reserve);
        if let Differs(_) = expected {
            assert_eq!(wrong(&answer, expected, &format!("{approval} {change}")), None);
            continue;
        }
        assert!(!answer.is_replay(), "it sets what was reserved: {answer:?}");
        assert_eq!((&answer.ok()["decision"], &answer.ok()["flags"]), (&json!("allow"), &json!(["unreserved"])));
        assert_eq!(daemon.fetch(&id).ok()["asked"], reserve["amount"], "{change}");
        // From now on it is compared whole.
        assert_eq!(wrong(&daemon.reserve(&reserve), Replay, &change.to_string()), None);
        let other = with(reserve.clone(), &json!({ "amount": "77.00" }));
        assert_eq!(wrong(&daemon.reserve(&other), Differs("amount"), &change.to_string()), None);
        let other = with(reserve, &json!({ "payment_instrument": "tok-3" }));
        assert_eq!(wrong(&daemon.reserve(&other), Differs("payment_instrument"), &change.to_string()), None);
    }
}

#[test]
fn each_field_of_a_transition_is_compared_or_not() {
    use Repetition::{Differs, Replay};
    let approved = [("approve", json!({ "amount": "60.00" }))];
    let capture = json!({ "capture_id": "k", "amount": "60.00", "gate": "gate-a", "payment_instrument": "tok-1" });
    let more = with(capture.clone(), &json!({ "final": false }));
    let rest = json!({ "capture_id": "k" });
    let (cancel, release) = (json!({ "cancel_id": "x", "amount": "20.00" }), json!({ "of": "reservation" }));
    let attempt = json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" });
    let refund = json!({ "refund_id": "r", "amount": "20.00" });
    let chargeback = json!({ "chargeback_id": "b", "amount": "20.00" });
    type Row<'a> = (&'a [(&'a str, Value)], &'a str, &'a Value, Value, Repetition);
    let (all_back, all_charged) = (json!({ "refund_id": "r" }), json!({ "chargeback_id": "b" }));
    let (part_of, all_of) = (with(cancel.clone(), &release), json!({ "cancel_id": "x" }));
    let (nothing, until) = (json!({}), json!({ "until": at(2 * HOUR) }));
    let rows: [Row<'_>; 52] = [
        (&[], "approve", &capture, json!({ "amount": 60 }), Replay),
        (&[], "approve", &capture, json!({ "amount": "61.00" }), Differs("amount")),
        (&[], "approve", &capture, json!({ "amount": null }), Differs("amount")),
        (&[], "approve", &capture, json!({ "final": true }), Replay),
        (&[], "approve", &capture, json!({ "final": null }), Replay),
        (&[], "approve", &capture, json!({ "final": false }), Differs("final")),
        (&[], "approve", &more, json!({}), Replay),
        (&[], "approve", &more, json!({ "final": true }), Differs("final")),
        (&[], "approve", &more, json!({ "final": null }), Differs("final")),
        (&[], "approve", &capture, json!({ "gate": "gate-b" }), Replay),
        (&[], "approve", &capture, json!({ "gate": null }), Replay),
        (&[], "approve", &capture, json!({ "payment_instrument": "tok-2" }), Replay),
        (&[], "approve", &capture, json!({ "direction": "deposit", "currency": "EUR" }), Replay),
        (&[], "approve", &capture, json!({ "direction": "withdrawal" }), Differs("direction")),
        (&[], "approve", &capture, json!({ "currency": "USD" }), Differs("currency")),
        (&[], "approve", &capture, json!({ "merchant_customer_identifier": "bob" }), Replay),
        (&[], "approve", &capture, json!({ "customer": { "email": "b@example.com" } }), Replay),
        (&[], "approve", &capture, json!({ "customer_level": "silver" }), Replay),
        (&[], "approve", &capture, json!({ "payment_method": "cash" }), Replay),
        (&[], "approve", &capture, json!({ "project": "web", "endpoint": "web-eur" }), Replay),
        (&[], "approve", &rest, json!({}), Replay),
        (&[], "approve", &rest, json!({ "amount": "100.00" }), Replay),
        (&[], "approve", &rest, json!({ "amount": "99.00" }), Differs("amount")),
        (&[], "approve", &nothing, json!({}), Replay),
        (&[], "approve", &nothing, json!({ "amount": "100.00" }), Replay),
        (&[], "approve", &nothing, json!({ "final": false }), Differs("final")),
        (&[], "cancel", &cancel, json!({ "amount": "20" }), Replay),
        (&[], "cancel", &cancel, json!({ "amount": "21.00" }), Differs("amount")),
        (&[], "cancel", &cancel, json!({ "amount": null }), Differs("amount")),
        (&[], "cancel", &cancel, json!({ "of": null }), Replay),
        (&[], "cancel", &cancel, release.clone(), Differs("of")),
        (&[], "cancel", &cancel, json!({ "of": "approved" }), Differs("of")),
        (&[], "cancel", &part_of, json!({}), Replay),
        (&[], "cancel", &part_of, json!({ "of": "approved" }), Differs("of")),
        (&[], "cancel", &part_of, json!({ "of": null }), Differs("of")),
        (&[], "cancel", &all_of, json!({ "amount": "100.00" }), Differs("amount")),
        (&[], "cancel", &nothing, json!({}), Replay),
        (&[], "cancel", &nothing, release, Differs("of")),
        (&approved, "cancel", &cancel, json!({}), Replay),
        (&approved, "cancel", &cancel, json!({ "of": "approved" }), Differs("of")),
        (&approved, "refund", &refund, json!({ "amount": 20 }), Replay),
        (&approved, "refund", &refund, json!({ "amount": "21.00" }), Differs("amount")),
        (&approved, "refund", &refund, json!({ "amount": null }), Differs("amount")),
        (&approved, "refund", &all_back, json!({ "amount": "60.00" }), Differs("amount")),
        (&approved, "chargeback", &chargeback, json!({ "amount": "20.0" }), Replay),
        (&approved, "chargeback", &chargeback, json!({ "amount": "21.00" }), Differs("amount")),
        (&approved, "chargeback", &all_charged, json!({ "amount": "60.00" }), Differs("amount")),
        (&[], "attempts", &attempt, json!({}), Replay),
        (&[], "attempts", &attempt, json!({ "gate": "gate-b" }), Differs("gate")),
        (&[], "attempts", &attempt, json!({ "outcome": "approved" }), Differs("outcome")),
        (&[], "decline", &nothing, json!({}), Replay),
        (&[], "extend", &until, json!({ "until": "2026-11-20T13:00:00+01:00" }), Replay),
    ];
    let daemon = Daemon::timed(acme(CRM, &[level("gold", "")]));
    daemon.reserve(&tick(0)).ok();
    let mut found = Vec::new();
    for (number, (before, operation, body, change, expected)) in rows.into_iter().enumerate() {
        let id = format!("t{number}");
        assert_allowed(daemon.reserve(&pay(&id, "100.00")).ok());
        before.iter().for_each(|(operation, body)| drop(daemon.step(&id, operation, body).ok()));
        let first = daemon.step(&id, operation, body);
        assert!(!first.is_replay() && first.status == 200, "{operation} {body}: {first:?}");
        let what = format!("{operation} {body}, then {change}");
        found.extend(wrong(&daemon.step(&id, operation, &with(body.clone(), &change)), expected, &what));
        let again = daemon.step(&id, operation, body);
        if wrong(&again, Replay, &what).is_none() {
            assert_replay(&again, &first);
        } else {
            found.push(format!("{what}, then as it was: {again:?}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn where_no_identifier_was_sent_the_attributes_of_the_client_definition_are_compared() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let body = |mail: &str, country: &str| {
        let members = json!({ "customer": {"email": mail, "country": country} });
        with(without(pay("t1", "10.00"), &["merchant_customer_identifier"]), &members)
    };
    let first = daemon.reserve(&body("a@example.com", "CY"));
    assert_replay(&daemon.reserve(&body("a@example.com", "DE")), &first);
    let problem = daemon.reserve(&body("b@example.com", "CY")).problem(409);
    assert_eq!(problem["field"], "customer", "{problem}");
}

#[test]
fn transitions_sent_again_are_answered_again_and_other_content_is_refused() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", &filter("window = \"daily\"; amount_limit = \"1000.00\""))]));
    let rows: [(&str, Value, Option<Value>); 8] = [
        ("approve", json!({ "capture_id": "c1", "amount": "40.00" }), Some(json!({ "amount": "41.00" }))),
        ("approve", json!({ "amount": "50.00" }), Some(json!({ "amount": "51.00" }))),
        ("cancel", json!({ "cancel_id": "x1", "amount": "10.00" }), Some(json!({ "amount": "11.00" }))),
        ("refund", json!({ "refund_id": "r1", "amount": "10.00" }), Some(json!({ "amount": "11.00" }))),
        ("chargeback", json!({ "chargeback_id": "b1", "amount": "10.00" }), Some(json!({ "amount": "11.00" }))),
        (
            "attempts",
            json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" }),
            Some(json!({ "gate": "gate-b" })),
        ),
        ("decline", json!({}), None),
        ("cancel", json!({}), None),
    ];
    daemon.reserve(&pay("t1", "100.00")).ok();
    for (operation, body, other) in rows {
        let first = daemon.step("t1", operation, &body);
        assert_replay(&daemon.step("t1", operation, &body), &first);
        if let Some(other) = other {
            let problem = daemon.step("t1", operation, &with(body.clone(), &other)).problem(409).to_string();
            for name in other.as_object().expect("members").keys() {
                assert!(problem.contains(name), "`{name}` differs and is named: {problem}");
            }
            assert!(daemon.step("t1", operation, &body).is_replay(), "{operation} stays as it was");
        }
    }
    let whole = daemon.step("t1", "approve", &json!({}));
    let problem = whole.problem(409);
    assert!(problem.to_string().contains("amount"), "the unnamed capture was of another amount: {problem}");
}

#[test]
fn a_whole_cancel_sent_again_is_a_replay_even_with_nothing_left() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"1000.00\""));
    daemon.reserve(&pay("t1", "100.00")).ok();
    let first = daemon.step("t1", "cancel", &json!({}));
    assert_eq!(first.ok()["status"], "cancelled");
    assert_replay(&daemon.step("t1", "cancel", &json!({})), &first);
    // Money that moved afterwards is not swallowed by the cancel that came before.
    daemon.step("t1", "approve", &json!({ "amount": "150.00" })).ok();
    let again = daemon.step("t1", "cancel", &json!({}));
    assert!(again.is_replay(), "one without an id is one a transaction");
    assert_eq!(again.ok()["status"], "approved", "the status is as it is now");
    let rest = daemon.step("t1", "cancel", &json!({ "cancel_id": "x1" })).ok();
    assert_eq!((&rest["status"], &rest["cancelled"]), (&json!("cancelled"), &json!("150.00")), "{rest}");
}

#[test]
fn only_answers_of_200_are_remembered() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"1000.00\""));
    daemon.reserve(&with(pay("t1", "100.00"), &json!({ "currency": "SEK" }))).problem(422);
    let good = daemon.reserve(&pay("t1", "100.00"));
    assert!(!good.is_replay(), "the id was never taken");
    assert_allowed(good.ok());
    daemon.step("t1", "cancel", &json!({ "cancel_id": "x1", "amount": "100.01" })).problem(422);
    let good = daemon.step("t1", "cancel", &json!({ "cancel_id": "x1", "amount": "100.00" }));
    assert!(!good.is_replay(), "nor was the cancel's");
    assert_eq!(good.ok()["status"], "cancelled");
    for check in [daemon.check(&pay("t1", "100.00")), daemon.check(&pay("t9", "1.00")), daemon.fetch("t1")] {
        assert!(!check.is_replay(), "a question is never a replay: {check:?}");
    }
}

#[test]
fn changed_client_definition_keeps_replays_recognised() {
    let daemon = Daemon::live(acme(CRM, &[level("gold", "")]));
    let by = |id: &str, customer: Value| {
        with(without(pay(id, "5.00"), &["merchant_customer_identifier"]), &json!({ "customer": customer }))
    };
    let both = by("both", json!({ "email": "a@example.com", "phone": "+49301234502" }));
    let one = by("one", json!({ "email": "b@example.com" }));
    for body in [&both, &one] {
        assert!(!daemon.reserve(body).is_replay());
    }
    for definition in ["\"email\"", "\"phone\", \"external_id\"", "\"external_id\", \"email\", \"phone\""] {
        let changed = acme(CRM, &[level("gold", "")]).replace("\"email\", \"phone\"", definition);
        daemon.folder.write("merchants/acme.toml", &changed);
        daemon.post_nothing("/v1/reload").ok();
        assert!(daemon.reserve(&both).is_replay(), "recognised by [{definition}]");
        let other = by("both", json!({ "email": "other@example.com", "phone": "+49301234502" }));
        assert_eq!(daemon.reserve(&other).problem(409)["field"], "customer", "another customer is another content");
    }
    // Attributes are compared by the client definition of that time; other attributes may differ.
    assert!(daemon.reserve(&with(one, &json!({ "customer": { "email": "b@example.com", "name": "B" } }))).is_replay());
}
