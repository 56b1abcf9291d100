//! Transactions read back: one by its id, and many for reconciliation.

use serde_json::{Value, json};

use support::answer::Answer;
use support::daemon::Daemon;
use support::fixtures::{HOUR, MINUTE, at, gold, pay, tick, when, with, without};

/// The list inside an answer, under any name.
#[track_caller]
fn listed(answer: &Value) -> &[Value] {
    let mut lists = answer.as_object().into_iter().flat_map(|o| o.values()).filter_map(Value::as_array);
    let list = lists.next().unwrap_or_else(|| panic!("a list of transactions: {answer}"));
    assert!(lists.next().is_none(), "one list: {answer}");
    list
}

/// The ids of a list's transactions, sorted.
#[track_caller]
fn ids(answer: &Answer) -> Vec<String> {
    let answer = answer.ok();
    let text = |t: &Value| t["transaction_id"].as_str().unwrap_or_else(|| panic!("an id: {answer}")).to_owned();
    let mut ids: Vec<String> = listed(&answer).iter().map(text).collect();
    ids.sort();
    ids
}

/// Some transactions of alice and bob in several states; the clock ends at half past ten.
fn shop() -> (Daemon, String) {
    let daemon = Daemon::timed(gold("window = \"lifetime\"; amount_limit = \"1000.00\""));
    let alice = daemon.reserve(&with(pay("reserved", "10.00"), &when(0))).ok();
    daemon.reserve(&with(pay("approved", "10.00"), &when(10 * MINUTE))).ok();
    daemon.step("approved", "approve", &json!({})).ok();
    daemon.reserve(&with(pay("flagged", "10.00"), &when(20 * MINUTE))).ok();
    daemon.step("flagged", "approve", &json!({ "amount": "20.00" })).ok();
    daemon.reserve(&with(pay("denied", "1000.00"), &when(30 * MINUTE))).ok();
    let bob = json!({ "merchant_customer_identifier": "bob" });
    daemon.reserve(&with(pay("bob", "10.00"), &bob)).ok();
    daemon.step("bob", "decline", &json!({})).ok();
    let id = alice["customer"]["customer_id"].as_str().expect("an id").to_owned();
    (daemon, id)
}

#[test]
fn a_transaction_is_shown_with_its_transitions_and_flags() {
    let (daemon, alice) = shop();
    let answer = daemon.fetch("flagged").ok();
    for (member, value) in [
        ("transaction_id", json!("flagged")),
        ("status", json!("approved")),
        ("direction", json!("deposit")),
        ("currency", json!("EUR")),
        ("flags", json!(["over_limit"])),
    ] {
        assert_eq!(answer[member], value, "`{member}` of {answer}");
    }
    let text = answer.to_string();
    for part in ["\"gold\"", "\"web\"", "\"web-eur\"", &format!("\"{alice}\""), &at(20 * MINUTE), "approve", "20.00"] {
        assert!(text.contains(part), "{part} is shown: {answer}");
    }
    daemon.step("flagged", "cancel", &json!({ "cancel_id": "cancel-77", "amount": "5.00" })).ok();
    daemon.step("flagged", "refund", &json!({ "refund_id": "refund-88", "amount": "5.00" })).ok();
    let attempt = json!({ "attempt": 1, "gate": "gate-b", "outcome": "declined" });
    daemon.step("flagged", "attempts", &attempt).ok();
    let answer = daemon.fetch("flagged").ok();
    assert_eq!((&answer["cancelled"], &answer["refunded"]), (&json!("5.00"), &json!("5.00")), "{answer}");
    let text = answer.to_string();
    for part in ["cancel-77", "refund-88", "gate-b"] {
        assert!(text.contains(part), "{part} is shown: {answer}");
    }
    assert_eq!(daemon.fetch("denied").ok()["status"], "denied");
    assert_eq!(daemon.fetch("bob").ok()["status"], "declined");
}

#[test]
fn unknown_transactions_and_merchants_are_404_for_every_call() {
    let (daemon, _) = shop();
    daemon.fetch("nobody").problem(404);
    let steps = [
        ("approve", json!({})),
        ("decline", json!({})),
        ("cancel", json!({})),
        ("cancel", json!({ "cancel_id": "x", "amount": "1.00" })),
        ("refund", json!({ "refund_id": "r", "amount": "1.00" })),
        ("chargeback", json!({ "chargeback_id": "c", "amount": "1.00" })),
        ("extend", json!({ "until": at(5 * HOUR) })),
        ("attempts", json!({ "attempt": 1, "gate": "gate-a", "outcome": "declined" })),
    ];
    for (operation, body) in steps {
        daemon.step("nobody", operation, &body).problem(404);
        let path = format!("/v1/merchants/nowhere/transactions/reserved/{operation}");
        daemon.post(&path, &body).problem(404);
    }
    daemon.get("/v1/merchants/nowhere/transactions/reserved").problem(404);
    for path in ["transactions", "decisions"] {
        daemon.post(&format!("/v1/merchants/nowhere/{path}"), &pay("t", "1.00")).problem(404);
    }
    let form = without(pay("t", "1.00"), &["amount"]);
    daemon.post("/v1/merchants/nowhere/payment-form", &form).problem(404);
    assert_eq!(daemon.fetch("reserved").ok()["status"], "reserved", "and nothing was touched");
}

#[test]
fn reconciliation_filters_by_status_flag_time_and_customer() {
    let (daemon, alice) = shop();
    let list = |query: &str| ids(&daemon.get(&format!("/v1/merchants/acme/transactions{query}")));
    assert_eq!(list(""), ["approved", "bob", "denied", "flagged", "reserved"]);
    assert_eq!(list("?status=reserved"), ["reserved"]);
    assert_eq!(list("?status=approved"), ["approved", "flagged"]);
    assert_eq!(list("?status=denied"), ["denied"]);
    assert_eq!(list("?status=declined"), ["bob"]);
    assert_eq!(list("?status=cancelled"), Vec::<String>::new());
    assert_eq!(list("?flag=over_limit"), ["flagged"]);
    assert_eq!(list("?flag=late"), Vec::<String>::new());
    assert_eq!(list(&format!("?customer_id={alice}")), ["approved", "denied", "flagged", "reserved"]);
    let span = format!("?from={}&to={}", at(5 * MINUTE), at(25 * MINUTE));
    assert_eq!(list(&span), ["approved", "flagged"]);
    assert_eq!(list(&format!("{span}&flag=over_limit&customer_id={alice}&status=approved")), ["flagged"]);
    daemon.reserve(&tick(HOUR)).ok();
    assert_eq!(list("?status=expired"), ["reserved"], "the status is as it is now");
    daemon.get("/v1/merchants/nowhere/transactions").problem(404);
    for bad in ["?status=paid", "?from=yesterday", "?stauts=approved"] {
        daemon.get(&format!("/v1/merchants/acme/transactions{bad}")).problem(400);
    }
}

#[test]
fn reconciliation_is_paged_by_a_cursor_without_loss_or_repetition() {
    let daemon = Daemon::timed(gold("window = \"lifetime\"; amount_limit = \"1000.00\""));
    daemon.reserve(&tick(0)).ok();
    let mut expected = vec!["tick-0".to_owned()];
    for number in 0..25 {
        let id = format!("t{number:02}");
        daemon.reserve(&pay(&id, "1.00")).ok();
        expected.push(id);
    }
    expected.sort();
    let mut found = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..10 {
        let next = cursor.as_ref().map(|c| format!("&cursor={c}")).unwrap_or_default();
        let page = daemon.get(&format!("/v1/merchants/acme/transactions?limit=10{next}"));
        let page_ids = ids(&page);
        assert!(page_ids.len() <= 10, "no more than asked for: {}", page.body);
        found.extend(page_ids);
        let page = page.json();
        let members = page.as_object().expect("an object");
        let named = members.iter().find(|(name, _)| name.contains("cursor"));
        cursor = named.and_then(|(_, value)| value.as_str().map(str::to_owned));
        if cursor.is_none() {
            break;
        }
    }
    assert!(cursor.is_none(), "the pages come to an end");
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn the_order_is_that_of_the_parameter() {
    let (daemon, alice) = shop();
    // Placed before all but one of the others.
    daemon.reserve(&with(pay("early", "1.00"), &json!({ "occurred_at": at(29 * MINUTE) }))).ok();
    let list = |query: &str| -> Vec<String> {
        let answer = daemon.get(&format!("/v1/merchants/acme/{query}")).ok();
        let text = |t: &Value| t["transaction_id"].as_str().expect("an id").to_owned();
        listed(&answer).iter().map(text).collect()
    };
    let of_alice = format!("customers/{alice}/transactions");
    let oldest = ["reserved", "approved", "flagged", "denied", "early"];
    let newest = ["denied", "early", "flagged", "approved", "reserved"];
    for (query, want) in [("", oldest), ("?order=oldest", oldest), ("?order=newest", newest)] {
        assert_eq!(list(&format!("{of_alice}{query}")), want, "{query}");
    }
    assert_eq!(list(&format!("transactions?customer_id={alice}&order=newest")), newest);
    let of_all = ["early", "bob", "denied", "flagged", "approved", "reserved"];
    assert_eq!(list("transactions?order=newest"), of_all);
    assert_eq!(list("transactions?order=newest&status=approved"), ["flagged", "approved"]);
    let from = at(15 * MINUTE);
    assert_eq!(list(&format!("{of_alice}?order=newest&from={from}")), ["denied", "early", "flagged"]);
    assert_eq!(list(&format!("transactions?order=newest&to={from}")), ["approved", "reserved"]);
    // A cursor is one of its order and of its list.
    for (path, order) in [(of_alice.as_str(), "oldest"), (&of_alice, "newest"), ("transactions", "newest")] {
        let page = daemon.get(&format!("/v1/merchants/acme/{path}?order={order}&limit=2")).ok();
        let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
        assert_eq!(list(&format!("{path}?order={order}&limit=1&cursor={cursor}")).len(), 1);
        let other = if order == "oldest" { "newest" } else { "oldest" };
        let problem = daemon.get(&format!("/v1/merchants/acme/{path}?order={other}&cursor={cursor}")).problem(400);
        assert_eq!(problem["field"], "cursor", "{problem}");
    }
    let problem = daemon.get("/v1/merchants/acme/transactions?order=last").problem(400);
    assert_eq!(problem["field"], "order", "{problem}");
}
