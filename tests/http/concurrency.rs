//! Many at once: the check and the record are one step, an id is one transaction, an attribute is one customer.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::idempotency::timeless;
use support::answer::Answer;
use support::daemon::Daemon;
use support::fixtures::{CRM, acme, gold, pay, with, without};

/// Calls from several threads at once, each with its number, and collects what they hand back.
pub(crate) fn at_once<T: Send>(threads: usize, calls: usize, call: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(threads);
    let (barrier, call) = (&barrier, &call);
    thread::scope(|scope| {
        let run = |thread: usize| {
            move || {
                barrier.wait();
                (0..calls).map(|n| call(thread * calls + n)).collect::<Vec<T>>()
            }
        };
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(run(thread))).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    })
}

fn is_allowed(answer: &Answer) -> bool {
    answer.ok()["decision"] == "allow"
}

#[test]
fn of_400_reserves_of_1_against_50_exactly_50_pass() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"50.00\""));
    let answers = at_once(8, 50, |n| daemon.reserve(&pay(&format!("t{n}"), "1.00")));
    assert_eq!(answers.iter().filter(|a| is_allowed(a)).count(), 50);
    let lefts: Vec<String> =
        answers.iter().filter(|a| is_allowed(a)).map(|a| a.ok()["remaining"].to_string()).collect();
    let distinct: BTreeSet<&String> = lefts.iter().collect();
    assert_eq!(distinct.len(), 50, "each allowance saw a different state");
    let probe = daemon.check(&pay("probe", "0.01")).ok();
    assert_denied(&probe, &["19000 daily_amount_limit_exceeded daily"]);
    assert_eq!(probe["remaining"]["amount"], "0.00", "{probe}");
}

#[test]
fn of_reserves_at_once_as_many_pass_as_the_quantity_allows() {
    let daemon = Daemon::live(gold("window = \"daily\"; quantity_limit = 7"));
    let answers = at_once(8, 10, |n| daemon.reserve(&pay(&format!("t{n}"), "1.00")));
    assert_eq!(answers.iter().filter(|a| is_allowed(a)).count(), 7);
}

#[test]
fn one_id_sent_100_times_at_once_is_one_reserve_and_100_equal_answers() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"50.00\"; quantity_limit = 9"));
    let answers = at_once(20, 5, |_| daemon.reserve(&pay("same", "30.00")));
    let first = timeless(&answers[0]);
    for answer in &answers {
        assert_eq!(timeless(answer), first);
    }
    assert_eq!(first["decision"], "allow");
    assert_eq!(answers.iter().filter(|a| !a.is_replay()).count(), 1, "one was the first");
    let probe = assert_allowed(daemon.check(&pay("probe", "1.00")).ok());
    assert_eq!(probe["remaining"], json!({"amount": "19.00", "quantity": 7, "currency": "EUR"}), "{probe}");
}

#[test]
fn one_id_with_two_contents_at_once_is_one_of_them_and_the_other_is_refused() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"50.00\""));
    let answers = at_once(10, 4, |n| daemon.reserve(&pay("same", if n % 2 == 0 { "10.00" } else { "20.00" })));
    let good = answers.iter().filter(|a| a.status == 200).count();
    assert_eq!(good, 20, "one content was taken, and every time");
    for answer in answers.iter().filter(|a| a.status != 200) {
        answer.problem(409);
    }
    let left = daemon.check(&pay("probe", "0.01")).ok()["remaining"]["amount"].clone();
    assert!(left == "39.99" || left == "29.99", "counted once: {left}");
}

#[test]
fn customers_created_at_once_by_the_same_e_mail_are_one() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let body = |n: usize| {
        let members = json!({ "customer": {"email": "one@example.com"} });
        with(without(pay(&format!("t{n}"), "1.00"), &["merchant_customer_identifier", "customer_level"]), &members)
    };
    let answers: Vec<Value> = at_once(10, 5, |n| daemon.reserve(&body(n)).ok());
    let ids: BTreeSet<String> = answers.iter().map(|a| a["customer"]["customer_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let created = answers.iter().filter(|a| a["customer"]["resolution"] == "created").count();
    assert_eq!(created, 1, "one created, the others found");
}

#[test]
fn customers_created_at_once_by_the_same_identifier_are_one() {
    let daemon = Daemon::live(gold("window = \"daily\"; amount_limit = \"1000.00\""));
    let answers: Vec<Value> = at_once(10, 5, |n| daemon.reserve(&pay(&format!("t{n}"), "1.00")).ok());
    let ids: BTreeSet<String> = answers.iter().map(|a| a["customer"]["customer_id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(answers.iter().filter(|a| a["customer"]["resolution"] == "created").count(), 1);
    assert_eq!(daemon.check(&pay("probe", "1.00")).ok()["remaining"]["amount"], "949.00");
}

#[test]
fn cancels_at_once_never_give_back_more_than_was_paid() {
    let daemon =
        Daemon::live(gold("window = \"daily\"; amount_limit = \"100.00\"; subtract_cancel_transactions = true"));
    daemon.reserve(&pay("t1", "100.00")).ok();
    let approvals = at_once(8, 2, |_| daemon.step("t1", "approve", &json!({})));
    assert_eq!(approvals.iter().filter(|a| a.status == 200 && !a.is_replay()).count(), 1);
    let cancel = |n: usize| json!({ "cancel_id": format!("x{n}"), "amount": "10.00" });
    let answers = at_once(8, 4, |n| daemon.step("t1", "cancel", &cancel(n)).status);
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 10);
    assert_eq!(answers.iter().filter(|status| **status == 422).count(), 22);
    let answer = daemon.fetch("t1").ok();
    assert_eq!((&answer["status"], &answer["cancelled"]), (&json!("cancelled"), &json!("100.00")), "{answer}");
    assert_allowed(daemon.reserve(&pay("t2", "100.00")).ok());
}
