//! Stored payment instruments: shown, changed, removed, expired by time, and offered in the payment form.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{CUSTOMERS, kept, look, of, register, steps};
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, acme, pay, with, without};

fn shop() -> String {
    acme(CRM, &[])
}

fn alice(daemon: &Daemon) -> String {
    register(daemon, &json!({ "merchant_customer_identifier": "alice" }))
}

fn path(id: &str, token: &str) -> String {
    of(id, &format!("/instruments/{token}"))
}

#[track_caller]
fn put(daemon: &Daemon, id: &str, token: &str, body: &Value) -> Value {
    daemon.send("PUT", &path(id, token), body).ok()
}

fn lsn(daemon: &Daemon) -> Value {
    daemon.get("/v1/status").ok()["lsn"].clone()
}

fn signal(daemon: &Daemon, id: &str, body: &Value) -> Value {
    daemon.post(&of(id, "/signals"), body).ok()
}

/// A payment of alice by an instrument.
fn by(id: &str, token: &str) -> Value {
    with(pay(id, "1.00"), &json!({ "payment_instrument": token }))
}

/// The question whether alice may pay by an instrument.
fn asks(token: &str) -> Value {
    without(by("", token), &["transaction_id"])
}

/// The payment form of alice.
fn form(daemon: &Daemon, more: &Value) -> Value {
    let body = without(pay("", "1.00"), &["transaction_id", "amount"]);
    daemon.post("/v1/merchants/acme/payment-form", &with(body, more)).ok()
}

/// The tokens of a list of instruments.
fn tokens(list: &Value) -> Vec<String> {
    let token = |one: &Value| one["payment_instrument"].as_str().expect("a token").to_owned();
    list.as_array().expect("instruments").iter().map(token).collect()
}

fn ids(page: &Value) -> Vec<String> {
    let transactions = page["transactions"].as_array().expect("transactions").iter();
    transactions.map(|one| one["transaction_id"].as_str().expect("an id").to_owned()).collect()
}

/// How many customers a search by status finds.
fn found(daemon: &Daemon, status: &str) -> usize {
    let page = daemon.get(&format!("{CUSTOMERS}?status={status}&merchant_customer_identifier=alice")).ok();
    let listed = daemon.get(&format!("{CUSTOMERS}?status={status}")).ok();
    let is_alice = |one: &&Value| one["merchant_customer_identifier"] == "alice";
    let listed = listed["customers"].as_array().expect("customers").iter().filter(is_alice).count();
    assert_eq!(page["customers"].as_array().map(Vec::len), Some(listed), "a look-up and a list agree");
    listed
}

#[test]
fn an_instrument_is_shown_with_all_its_members_and_put_takes_what_get_answers() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    daemon.get(&path(&id, "tok")).problem(404);
    let body = json!({
        "type": "card", "masked_number": "411111******1111", "expires": "2031-04", "default": true,
        "card_on_file_type": "recurring",
    });
    let stored = put(&daemon, &id, "tok", &body);
    for (member, want) in [
        ("payment_instrument", json!("tok")),
        ("type", json!("card")),
        ("masked_number", json!("411111******1111")),
        ("brand", json!("visa")),
        ("expires", json!("2031-04")),
        ("last_success_at", Value::Null),
        ("successful_payments", json!(0)),
        ("order", json!(1)),
        ("state", json!("active")),
        ("default", json!(true)),
        ("card_on_file", json!(true)),
        ("card_on_file_type", json!("recurring")),
    ] {
        assert_eq!(stored[member], want, "{member} of {stored}");
    }
    assert_allowed(daemon.reserve(&by("t1", "tok")).ok());
    daemon.step("t1", "approve", &json!({})).ok();
    assert_allowed(daemon.reserve(&by("t2", "other")).ok());
    daemon.get(&path(&id, "other")).problem(404);
    daemon.step("t2", "approve", &json!({})).ok();
    let shown = daemon.get(&path(&id, "tok")).ok();
    assert_eq!(
        look(&daemon, &id)["payment_instruments"]
            .as_array()
            .expect("a list")
            .iter()
            .find(|one| one["payment_instrument"] == "tok"),
        Some(&shown)
    );
    let before = lsn(&daemon);
    for token in ["tok", "other"] {
        let shown = daemon.get(&path(&id, token)).ok();
        assert_eq!(put(&daemon, &id, token, &shown), shown, "sent back, it is no change");
    }
    assert_eq!(lsn(&daemon), before, "and leaves no record");
    // A derived member is accepted only with its value in force.
    for (member, other) in [
        ("payment_instrument", json!("other")),
        ("saved_at", json!("2026-01-01T00:00:00Z")),
        ("last_success_at", json!("yesterday")),
        ("successful_payments", json!(9)),
        ("order", json!(9)),
        ("order", json!("1")),
        ("state", json!("blocked")),
    ] {
        let refused =
            daemon.send("PUT", &path(&id, "tok"), &with(shown.clone(), &json!({ member: other }))).problem(422);
        assert_eq!((&refused["code"], &refused["field"]), (&json!("not_allowed"), &json!(member)), "{refused}");
    }
    for (member, bad, code) in [
        ("brand", json!(7), "wrong_type"),
        ("brand", json!("x".repeat(65)), "text_too_long"),
        ("brand", json!("vi\nsa"), "name_invalid"),
        ("expires", json!("04/27"), "value_unknown"),
        ("card_on_file_type", json!("always"), "value_unknown"),
        ("colour", json!("red"), "unknown_field"),
    ] {
        let refused = daemon.send("PUT", &path(&id, "tok"), &json!({ member: bad })).problem(400);
        assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &json!(member)), "{refused}");
    }
    assert_eq!(lsn(&daemon), before, "refusals leave no record");
}

#[test]
fn brand_and_card_on_file_are_as_sent_or_follow_from_what_is_known() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    for (body, member, want) in [
        (json!({ "type": "card" }), "brand", Value::Null),
        (json!({ "masked_number": "555555******4444" }), "brand", json!("mastercard")),
        (json!({ "brand": "own brand" }), "brand", json!("own brand")),
        (json!({ "masked_number": "411111******1111" }), "brand", json!("own brand")),
        (json!({ "brand": null }), "brand", json!("visa")),
        (json!({ "brand": "Visa" }), "brand", json!("visa")),
        (json!({ "masked_number": "555555******4444" }), "brand", json!("mastercard")),
        (json!({ "masked_number": null }), "brand", Value::Null),
        (json!({ "brand": "MIR" }), "brand", json!("mir")),
        (json!({}), "card_on_file", json!(false)),
        (json!({ "card_on_file": true }), "card_on_file_type", Value::Null),
        (json!({ "card_on_file_type": "installment" }), "card_on_file_type", json!("installment")),
        (json!({ "card_on_file": true }), "card_on_file_type", json!("installment")),
        (json!({ "card_on_file_type": null }), "card_on_file", json!(true)),
        (json!({ "card_on_file_type": "unscheduled" }), "card_on_file", json!(true)),
        (json!({ "card_on_file": false }), "card_on_file_type", Value::Null),
        (json!({ "card_on_file_type": null }), "card_on_file", json!(false)),
    ] {
        assert_eq!(put(&daemon, &id, "tok", &body)[member], want, "{body}");
    }
    let both = json!({ "card_on_file": false, "card_on_file_type": "recurring" });
    assert_eq!(daemon.send("PUT", &path(&id, "tok"), &both).problem(422)["field"], "card_on_file");
    let mut daemon = daemon;
    let before = look(&daemon, &id)["payment_instruments"].clone();
    daemon.kill_and_start();
    assert_eq!(look(&daemon, &id)["payment_instruments"], before, "after kill -9");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(look(&daemon, &id)["payment_instruments"], before, "after a snapshot");
}

#[test]
fn a_card_expires_with_its_last_month_wherever_it_is_read() {
    // The month ends at 22:00 UTC.
    let mut daemon = kept(&Settings::REQUEST, format!("time_zone = \"Europe/Nicosia\"\n{}", shop()));
    let tick = |daemon: &Daemon, time: &str| {
        let body = with(by(&format!("at-{time}"), "old"), &json!({ "occurred_at": time }));
        daemon.reserve(&body).ok()["customer"].clone()
    };
    let id = tick(&daemon, "2026-11-29T10:00:00Z")["customer_id"].as_str().expect("an id").to_owned();
    put(&daemon, &id, "old", &json!({ "type": "card", "expires": "2026-11" }));
    put(&daemon, &id, "older", &json!({ "type": "card", "expires": "2026-10" }));
    assert_eq!(daemon.get(&path(&id, "older")).ok()["state"], "expired", "it was over when it was stored");
    let expect = |daemon: &Daemon, status: &str, state: &str, why: &str| {
        let shown = look(daemon, &id);
        assert_eq!(shown["status"], status, "{why}: the customer");
        assert_eq!(daemon.get(&path(&id, "old")).ok()["state"], state, "{why}: the instrument");
        for other in ["new", "not_active"] {
            assert_eq!(found(daemon, other), usize::from(other == status), "{why}: found by {other}");
        }
        let table = daemon.get("/v1/merchants/acme/customers.csv");
        assert!(table.body.contains(status), "{why}: the table: {}", table.body);
        let form = form(daemon, &json!({}));
        let want: &[&str] = if state == "active" { &["old"] } else { &[] };
        assert_eq!(tokens(&form["payment_instruments"]), want, "{why}: the form");
        assert_eq!(form["customer"]["status"], status, "{why}: the form");
        assert_eq!(daemon.check(&asks("old")).ok()["customer"]["status"], status, "{why}: a check");
        assert_eq!(daemon.fetch("at-2026-11-29T10:00:00Z").ok()["customer"]["status"], status, "{why}: a transaction");
    };
    assert_eq!(tick(&daemon, "2026-11-30T21:59:59.999Z")["status"], "new");
    expect(&daemon, "new", "active", "in the last month");
    let history = steps(&daemon, &id);
    assert_eq!(tick(&daemon, "2026-11-30T22:00:00Z")["status"], "not_active", "the answer of a payment");
    expect(&daemon, "not_active", "expired", "after the last month");
    assert_eq!(steps(&daemon, &id), history, "the end of a month is no step of the history");
    daemon.kill_and_start();
    expect(&daemon, "not_active", "expired", "after kill -9");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    expect(&daemon, "not_active", "expired", "after a snapshot");
    let before = lsn(&daemon);
    assert_eq!(daemon.send("PATCH", &of(&id, ""), &json!({ "status": "not_active" })).ok()["status"], "not_active");
    assert_eq!(lsn(&daemon), before, "setting the status that is shown is no change");
    let active = daemon.send("PUT", &path(&id, "old"), &json!({ "state": "active" })).problem(422);
    assert_eq!((&active["code"], &active["field"]), (&json!("not_allowed"), &json!("state")));
    assert!(active["detail"].as_str().is_some_and(|detail| detail.contains("2026-11")), "{active}");
    let shown = daemon.get(&path(&id, "old")).ok();
    let renewed = put(&daemon, &id, "old", &with(shown, &json!({ "expires": "2031-11" })));
    assert_eq!(renewed["state"], "active", "a later month renews the card");
    expect(&daemon, "new", "active", "renewed");
    // A signal is recorded and outlives a later month.
    signal(&daemon, &id, &json!({ "signal": "card_expired", "payment_instrument": "old" }));
    put(&daemon, &id, "old", &json!({ "expires": "2032-11" }));
    expect(&daemon, "not_active", "expired", "by a signal");
    signal(&daemon, &id, &json!({ "signal": "cleared", "payment_instrument": "old" }));
    expect(&daemon, "new", "active", "cleared");
}

#[test]
fn the_form_shows_the_instruments_that_may_pay_the_default_first() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    assert_eq!(form(&daemon, &json!({}))["payment_instruments"], json!([]));
    for (token, body) in [
        ("first", json!({})),
        ("usual", json!({ "default": true })),
        ("invalid", json!({ "state": "invalid" })),
        ("expired", json!({ "expires": "2020-01" })),
        ("stolen", json!({})),
    ] {
        put(&daemon, &id, token, &body);
    }
    for token in ["first", "last"] {
        assert_allowed(daemon.reserve(&by(token, token)).ok());
        daemon.step(token, "approve", &json!({})).ok();
    }
    let stolen = json!({ "signal": "card_stolen", "payment_instrument": "stolen" });
    assert_eq!(signal(&daemon, &id, &stolen)["status"], "fraud");
    // A payment without an instrument is denied now, and so is the form.
    assert_eq!(form(&daemon, &json!({}))["payment_instruments"], json!([]));
    let shown = form(&daemon, &json!({ "payment_instrument": "last" }));
    assert_eq!(tokens(&shown["payment_instruments"]), ["usual", "last", "first"]);
    assert_eq!(shown["payment_instruments"][0], daemon.get(&path(&id, "usual")).ok());
    let nobody = form(&daemon, &json!({ "merchant_customer_identifier": "nobody" }));
    assert_eq!(nobody["payment_instruments"], json!([]));
    // No method, no instrument; where the endpoint has no methods, they are offered.
    let named = json!({ "payment_instrument": "last", "payment_method": "voucher" });
    assert_eq!(form(&daemon, &named)["payment_instruments"], json!([]));
    let dollars = form(&daemon, &json!({ "payment_instrument": "last", "currency": "USD" }));
    assert_eq!(tokens(&dollars["payment_instruments"]), ["usual", "last", "first"]);
}

#[test]
fn a_removed_instrument_leaves_its_history_its_blocks_and_its_transactions() {
    let mut daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    let card = json!({ "type": "card", "masked_number": "411111******1111", "default": true });
    let stored = put(&daemon, &id, "tok", &card);
    daemon.delete(&path(&id, "nowhere")).problem(404);
    let removed = daemon.delete(&path(&id, "tok")).ok();
    assert_eq!(removed, stored, "it answers what it removed");
    assert_eq!(daemon.delete(&path(&id, "tok")).problem(404)["code"], "instrument_not_found");
    daemon.get(&path(&id, "tok")).problem(404);
    assert_eq!(look(&daemon, &id)["payment_instruments"], json!([]));
    let step = steps(&daemon, &id)[0].clone();
    assert_eq!(
        (&step["source"], &step["changes"][0]["field"]),
        (&json!("api"), &json!("payment_instruments")),
        "{step}"
    );
    assert_eq!(step["changes"][0]["old"][0]["masked_number"], "411111******1111");
    let history = daemon.get(&path(&id, "tok/history")).ok()["history"].clone();
    let changes = history[0]["changes"].as_array().expect("changes").clone();
    let was = |field: &str| changes.iter().find(|change| change["field"] == field).map(|change| change["old"].clone());
    assert_eq!(was("payment_instrument"), Some(json!("tok")), "{history}");
    assert_eq!(was("masked_number"), Some(json!("411111******1111")), "{history}");
    assert!(changes.iter().all(|change| change["new"].is_null()), "{history}");

    // A block is the instrument's: it stays.
    put(&daemon, &id, "bad", &json!({}));
    signal(&daemon, &id, &json!({ "signal": "card_stolen", "payment_instrument": "bad" }));
    assert_eq!(daemon.delete(&path(&id, "bad")).ok()["state"], "blocked");
    for round in ["at once", "after kill -9", "after a snapshot"] {
        assert_eq!(look(&daemon, &id)["payment_instruments"], json!([]), "{round}");
        assert_eq!(look(&daemon, &id)["status"], "fraud", "{round}");
        assert_denied(&daemon.check(&asks("bad")).ok(), &["19106 payment_instrument_blocked -"]);
        match round {
            "at once" => daemon.kill_and_start(),
            _ => {
                daemon.post_nothing("/v1/snapshot").ok();
                daemon.kill_and_start();
            }
        }
    }
    assert_eq!(put(&daemon, &id, "bad", &json!({}))["state"], "blocked");
}

#[test]
fn a_signal_reaches_only_those_who_hold_the_instrument_still() {
    let mut daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    let carol = register(&daemon, &json!({ "merchant_customer_identifier": "carol" }));
    for who in [&id, &bob, &carol] {
        put(&daemon, who, "shared", &json!({}));
    }
    // The instruments of a merged customer are the target's, and are removed there.
    let dora = register(&daemon, &json!({ "merchant_customer_identifier": "dora" }));
    put(&daemon, &dora, "shared", &json!({}));
    daemon.post(&of(&dora, "/merge"), &json!({ "into": carol })).ok();
    daemon.delete(&path(&dora, "shared")).ok();
    daemon.delete(&path(&bob, "shared")).ok();
    for round in ["at once", "after kill -9"] {
        signal(&daemon, &id, &json!({ "signal": "fraud_suspected", "payment_instrument": "shared" }));
        for (who, want) in [(&id, "suspicious"), (&bob, "new"), (&carol, "new"), (&dora, "new")] {
            assert_eq!(look(&daemon, who)["status"], want, "{round}: {who}");
        }
        daemon.kill_and_start();
    }
}

#[test]
fn an_approval_stores_a_removed_instrument_again_only_where_it_names_it() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    put(&daemon, &id, "tok", &json!({}));
    for transaction in ["t1", "t2"] {
        assert_allowed(daemon.reserve(&by(transaction, "tok")).ok());
    }
    daemon.delete(&path(&id, "tok")).ok();
    daemon.step("t1", "approve", &json!({})).ok();
    daemon.get(&path(&id, "tok")).problem(404);
    daemon.step("t2", "approve", &json!({ "payment_instrument": "tok" })).ok();
    assert_eq!(daemon.get(&path(&id, "tok")).ok()["successful_payments"], 1);
    daemon.delete(&path(&id, "tok")).ok();
    assert_allowed(daemon.reserve(&by("t3", "tok")).ok());
    daemon.get(&path(&id, "tok")).problem(404);
    daemon.step("t3", "approve", &json!({})).ok();
    assert_eq!(daemon.get(&path(&id, "tok")).ok()["successful_payments"], 1, "a new payment stores it again");
}

#[test]
fn an_instrument_is_stored_and_offered_only_after_an_approval() {
    let mut daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    put(&daemon, &bob, "tok", &json!({}));
    assert_allowed(daemon.reserve(&by("t1", "tok")).ok());
    let stored = |daemon: &Daemon, want: &[&str], why: &str| {
        assert_eq!(tokens(&look(daemon, &id)["payment_instruments"]), want, "{why}: the document");
        assert_eq!(tokens(&form(daemon, &json!({}))["payment_instruments"]), want, "{why}: the form");
        let found = daemon.get(&format!("{CUSTOMERS}?payment_instrument=tok")).ok();
        assert_eq!(found["customers"].as_array().map(Vec::len), Some(2), "{why}: who used it is found");
        if want.is_empty() {
            daemon.get(&path(&id, "tok")).problem(404);
            daemon.delete(&path(&id, "tok")).problem(404);
        }
    };
    stored(&daemon, &[], "reserved");
    daemon.step("t1", "decline", &json!({})).ok();
    stored(&daemon, &[], "declined");
    // Its state is recorded. The customer has no stored card, so the status is not `not_active`.
    let invalid = json!({ "signal": "card_invalid", "payment_instrument": "tok" });
    assert_eq!(signal(&daemon, &id, &invalid)["status"], "new");
    for round in ["at once", "after kill -9", "after a snapshot"] {
        stored(&daemon, &[], round);
        let history = daemon.get(&path(&id, "tok/history")).ok()["history"].clone();
        let first = history.as_array().and_then(|steps| steps.last()).cloned().expect("a step");
        assert_eq!(first["transaction_id"], "t1", "{history}");
        let export = daemon.get(&of(&id, "/export")).ok();
        let exported = &export["customer"]["payment_instruments"][0];
        assert_eq!((&exported["stored"], &exported["state"]), (&json!(false), &json!("invalid")), "{round}: {export}");
        if round == "after kill -9" {
            daemon.post_nothing("/v1/snapshot").ok();
        }
        daemon.kill_and_start();
    }
    // A signal about another customer's card reaches who tried it.
    signal(&daemon, &bob, &json!({ "signal": "fraud_suspected", "payment_instrument": "tok" }));
    assert_eq!(look(&daemon, &id)["status"], "suspicious");
    signal(&daemon, &id, &json!({ "signal": "cleared", "payment_instrument": "tok" }));
    assert_allowed(daemon.reserve(&by("t2", "tok")).ok());
    daemon.step("t2", "approve", &json!({ "amount": "0.40", "capture_id": "one", "final": false })).ok();
    stored(&daemon, &["tok"], "approved");
    let history = daemon.get(&path(&id, "tok/history")).ok()["history"].clone();
    let change = json!({ "field": "stored", "old": false, "new": true });
    assert!(history[0]["changes"].as_array().is_some_and(|changes| changes.contains(&change)), "{history}");
    assert_eq!(history[0]["transaction_id"], "t2");
    // A later capture by another card stores it too, and is no second success.
    daemon.step("t2", "approve", &json!({ "capture_id": "two", "payment_instrument": "other" })).ok();
    for round in ["at once", "after kill -9"] {
        let other = daemon.get(&path(&id, "other")).ok();
        assert_eq!((&other["successful_payments"], other["last_success_at"].is_string()), (&json!(0), true), "{round}");
        daemon.kill_and_start();
    }
}

#[test]
fn transactions_of_an_instrument_are_listed_in_pages() {
    let daemon = kept(&Settings::SYSTEM, shop());
    for (transaction, token) in [("t1", "tok"), ("t2", "other"), ("t3", "tok"), ("t4", "other"), ("t5", "tok")] {
        assert_allowed(daemon.reserve(&by(transaction, token)).ok());
    }
    daemon.step("t1", "approve", &json!({})).ok();
    // The instrument that paid in place of the first one.
    daemon.step("t4", "approve", &json!({ "payment_instrument": "tok" })).ok();
    let id = daemon.fetch("t1").ok()["customer"]["customer_id"].as_str().expect("an id").to_owned();
    let list = |query: &str| daemon.get(&path(&id, &format!("tok/transactions{query}"))).ok();
    assert_eq!(ids(&list("")), ["t1", "t3", "t4", "t5"]);
    assert_eq!(ids(&list("?status=approved")), ["t1", "t4"]);
    let (mut all, mut query) = (Vec::new(), "?limit=1".to_owned());
    loop {
        let page = list(&query);
        assert!(ids(&page).len() <= 1, "{page}");
        all.extend(ids(&page));
        match page["next_cursor"].as_str() {
            Some(next) => query = format!("?limit=1&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(all, ["t1", "t3", "t4", "t5"]);
    assert_eq!(ids(&daemon.get(&path(&id, "never/transactions")).ok()), Vec::<String>::new());
    daemon.get("/v1/merchants/acme/customers/999/instruments/tok/transactions").problem(404);
    assert_eq!(daemon.get(&path(&id, "tok/transactions?colour=red")).problem(400)["code"], "unknown_field");
    // A merged customer's count too, and those of a removed instrument.
    let bob = with(by("b1", "tok"), &json!({ "merchant_customer_identifier": "bob" }));
    let bob = daemon.reserve(&bob).ok()["customer"]["customer_id"].as_str().expect("an id").to_owned();
    daemon.post(&of(&bob, "/merge"), &json!({ "into": id })).ok();
    daemon.delete(&path(&id, "tok")).ok();
    assert_eq!(ids(&list("")), ["t1", "t3", "t4", "t5", "b1"]);
    assert_eq!(ids(&daemon.get(&path(&bob, "tok/transactions")).ok()), ids(&list("")));
}

#[test]
fn a_signal_about_a_merged_customer_answers_with_the_target() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    let bob = register(&daemon, &json!({ "merchant_customer_identifier": "bob" }));
    daemon.post(&of(&bob, "/merge"), &json!({ "into": id })).ok();
    let answer = signal(&daemon, &bob, &json!({ "signal": "consent_given" }));
    assert_eq!(answer, json!({ "customer_id": id, "status": "member" }));
}

#[test]
fn a_blocked_instrument_is_not_made_active_by_hand() {
    let daemon = kept(&Settings::SYSTEM, shop());
    let id = alice(&daemon);
    put(&daemon, &id, "tok", &json!({}));
    signal(&daemon, &id, &json!({ "signal": "card_stolen", "payment_instrument": "tok" }));
    let shown = daemon.get(&path(&id, "tok")).ok();
    assert_eq!(shown["state"], "blocked");
    let before = lsn(&daemon);
    assert_eq!(put(&daemon, &id, "tok", &shown), shown, "the state that is in force is taken");
    let refused = daemon.send("PUT", &path(&id, "tok"), &json!({ "state": "active" })).problem(422);
    assert_eq!((&refused["field"], &refused["code"]), (&json!("state"), &json!("not_allowed")), "{refused}");
    assert_eq!(lsn(&daemon), before);
    assert_eq!(put(&daemon, &id, "tok", &json!({ "state": "invalid" }))["state"], "blocked");
    signal(&daemon, &id, &json!({ "signal": "cleared", "payment_instrument": "tok" }));
    assert_eq!(daemon.get(&path(&id, "tok")).ok()["state"], "active", "cleared");
}
