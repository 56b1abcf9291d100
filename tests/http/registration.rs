//! The merchant's registration policy, key by key, over the wire.

use serde_json::{Value, json};

use crate::concurrency::at_once;
use crate::staff_calls::{CUSTOMERS, amend, kept, look, register};
use support::answer::Answer;
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, GATEWAY, acme, pay, with, without};

/// A daemon whose merchant registers by these keys of `[registration]`.
fn policy(keys: &str) -> Daemon {
    Daemon::live(acme(&format!("{CRM}[registration]\n{keys}\n"), &[]))
}

fn alice(rest: &Value) -> Value {
    with(json!({ "merchant_customer_identifier": "alice" }), rest)
}

fn bob(rest: &Value) -> Value {
    with(json!({ "merchant_customer_identifier": "bob" }), rest)
}

#[test]
fn each_policy_key_refuses_violations() {
    let mail = json!({ "email": "a@example.com" });
    let same_mail = json!({ "email": " A@Example.com" });
    for (keys, first, second, status, code, field) in [
        ("email = { required = true }", None, bob(&json!({})), 422, "identifier_required", "email"),
        ("email = { required = true }", None, bob(&json!({ "email": " " })), 422, "identifier_required", "email"),
        ("phone = { required = true }", None, bob(&mail), 422, "identifier_required", "phone"),
        ("external_id = { required = true }", None, bob(&mail), 422, "identifier_required", "external_id"),
        ("", None, mail.clone(), 422, "identifier_required", "merchant_customer_identifier"),
        ("allow_any_identifier = true", None, json!({}), 422, "identifier_required", "merchant_customer_identifier"),
        ("allow_any_identifier = true", Some(&mail), same_mail.clone(), 409, "already_taken", ""),
        ("primary_identifier = \"email\"", None, bob(&json!({})), 422, "identifier_required", "email"),
        ("primary_identifier = \"email\"", Some(&alice(&mail)), same_mail.clone(), 409, "already_taken", "email"),
        ("email = { unique = true }", Some(&alice(&mail)), bob(&same_mail), 409, "identifier_duplicate", "email"),
        ("strict_primary_check = true", Some(&alice(&mail)), bob(&same_mail), 409, "identifier_of_another", "email"),
        (
            "min_registration_date = 2020-01-01",
            None,
            bob(&json!({ "created_at": "2019-12-31T23:59:59.999Z" })),
            422,
            "registered_too_early",
            "created_at",
        ),
        (
            "default_country = \"DE\"\nphone = { unique = true }",
            Some(&alice(&json!({ "phone": "030 1234502" }))),
            bob(&json!({ "phone": "+49 30 1234502" })),
            409,
            "identifier_duplicate",
            "phone",
        ),
    ] {
        let daemon = policy(keys);
        first.iter().for_each(|first| _ = register(&daemon, first));
        let count = || daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len);
        let before = count();
        let problem = daemon.post(CUSTOMERS, &second).problem(status);
        let fits = problem["code"] == code && (field.is_empty() || problem["field"] == field);
        assert!(fits, "{keys}: {code} of {field} was expected, and not {problem}");
        if matches!(code, "identifier_duplicate" | "identifier_of_another") {
            let detail = problem["detail"].as_str().expect("words");
            assert!(detail.contains("another customer, 1000001"), "{keys}: {problem}");
        }
        assert_eq!(count(), before, "{keys}: a refusal creates no customer");
    }
}

#[test]
fn customers_within_the_policy_are_registered() {
    let daemon = policy("min_registration_date = 2020-01-01\nskip_secondary_on_primary_mismatch = true");
    let created_at = json!({ "created_at": "2020-01-01T00:00:00.000Z", "email": "a@example.com" });
    let first = register(&daemon, &alice(&created_at));
    assert_eq!(look(&daemon, &first)["created_at"], created_at["created_at"]);
    let second = register(&daemon, &bob(&json!({ "email": "a@example.com", "phone": "+49301234502" })));
    let second = look(&daemon, &second);
    assert_eq!((&second["email"], &second["phone"]), (&Value::Null, &json!("+49301234502")), "{second}");

    let daemon = policy("email = { unique = true }");
    register(&daemon, &alice(&json!({ "email": "a@example.com" })));
    let bob_id = register(&daemon, &bob(&json!({ "email": "b@example.com" })));
    let taken = daemon.send("PATCH", &format!("{CUSTOMERS}/{bob_id}"), &json!({ "email": "A@example.com" }));
    assert_eq!(taken.problem(409)["code"], "identifier_duplicate");
    amend(&daemon, &bob_id, &json!({ "email": "c@example.com" }));
    register(&daemon, &json!({ "merchant_customer_identifier": "carol", "email": "b@example.com" }));

    let daemon = policy("email = { allow_update = false }");
    let id = register(&daemon, &alice(&json!({})));
    amend(&daemon, &id, &json!({ "email": "a@example.com" }));
    for value in [json!("b@example.com"), Value::Null] {
        let fixed = daemon.send("PATCH", &format!("{CUSTOMERS}/{id}"), &json!({ "email": value }));
        assert_eq!(fixed.problem(422)["code"], "identifier_fixed", "{value}");
    }
}

#[test]
fn duplicate_unique_identifier_merges_where_the_policy_allows() {
    let daemon = policy("email = { unique = true }\nmerge_on_duplicate = true");
    let id = register(&daemon, &alice(&json!({ "email": "a@example.com", "city": "Wien" })));
    let merged = daemon.post(CUSTOMERS, &bob(&json!({ "email": "A@example.com", "city": "Rom", "language": "it" })));
    let merged = merged.ok();
    assert_eq!(merged["customer_id"], id.as_str());
    assert_eq!((&merged["city"], &merged["language"]), (&json!("Wien"), &json!("it")), "filled, not overwritten");
    assert_eq!(daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn label_can_forbid_merges_into_its_customer() {
    let label = "[[labels]]\nname = \"alone\"\nrestrictions = [\"block_merge\"]";
    let daemon = policy(&format!("email = {{ unique = true }}\nmerge_on_duplicate = true\n{label}"));
    register(&daemon, &alice(&json!({ "email": "a@example.com" })));
    let refused = daemon.post(CUSTOMERS, &bob(&json!({ "email": "a@example.com", "city": "Rom" }))).problem(422);
    assert_eq!(refused["code"], "not_allowed", "{refused}");
    assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("the label \"alone\"")), "{refused}");
    let all = daemon.get(CUSTOMERS).ok();
    assert_eq!((all["customers"].as_array().map(Vec::len), &all["customers"][0]["city"]), (Some(1), &Value::Null));
}

#[test]
fn merged_applicant_adds_no_label_of_new_customers() {
    let label = "[[labels]]\nname = \"checked\"\n[[labels]]\nname = \"other\"\n";
    let label = label.replacen("name = \"checked\"", "name = \"fresh\"\nrestrictions = [\"block_withdrawals\"]", 1);
    let unique = "email = { unique = true }\nphone = { unique = true }\nmerge_on_duplicate = true\n";
    let daemon = policy(&format!("{unique}{label}"));
    let phone = json!({ "phone": "+49301234502" });
    let id = register(&daemon, &alice(&with(phone.clone(), &json!({ "email": "a@example.com", "labels": ["other"] }))));
    daemon.post(CUSTOMERS, &bob(&with(phone, &json!({ "email": "b@example.com" })))).ok();
    assert_eq!(look(&daemon, &id)["labels"], json!(["other"]));
    assert_eq!(look(&daemon, &id)["other_identifiers"], json!(["bob"]));
}

#[test]
fn unique_identifier_stays_with_one_customer() {
    let daemon = policy("email = { unique = true }");
    let id = register(&daemon, &alice(&json!({ "email": "a@example.com" })));
    let mail = json!({ "customer": { "email": "A@example.com", "phone": "+49301234502" } });
    let by = |id: &str, who: &str| {
        with(pay(id, "1.00"), &with(mail.clone(), &json!({ "merchant_customer_identifier": who })))
    };
    daemon.post(CUSTOMERS, &bob(&json!({}))).json();
    for (transaction, who) in [("t1", "bob"), ("t2", "carol")] {
        let paid = daemon.reserve(&by(transaction, who)).ok();
        assert_eq!(paid["decision"], "allow", "a payment is not refused for it: {paid}");
        let other = look(&daemon, paid["customer"]["customer_id"].as_str().expect("an id"));
        assert_eq!((&other["email"], &other["phone"]), (&Value::Null, &json!("+49301234502")), "{who}: {other}");
    }
    let again = daemon.reserve(&by("t3", "alice")).ok();
    assert_eq!(again["customer"]["customer_id"], id.as_str());
    let mut nobody = without(by("t4", "x"), &["merchant_customer_identifier"]);
    nobody["customer"] = json!({ "email": "a@example.com" });
    assert_eq!(daemon.check(&nobody).ok()["customer"]["customer_id"], id.as_str());
}

#[test]
fn a_phone_number_without_a_country_is_one_number_wherever_it_comes_from() {
    let daemon = policy("default_country = \"DE\"");
    let id = register(&daemon, &alice(&json!({ "phone": "(030) 123 45 02" })));
    assert_eq!(look(&daemon, &id)["phone"], "+49301234502");
    for phone in ["030 1234502", "+49 30 1234502", "0301234502"] {
        let body = with(
            without(pay("t1", "1.00"), &["merchant_customer_identifier"]),
            &json!({ "customer": { "phone": phone } }),
        );
        assert_eq!(daemon.check(&body).ok()["customer"]["customer_id"], id.as_str(), "a payment with {phone}");
        let query = phone.replace('+', "%2B").replace(' ', "%20");
        let found = daemon.get(&format!("{CUSTOMERS}?phone={query}")).ok();
        assert_eq!(found["customers"].as_array().map(Vec::len), Some(1), "a search for {phone}");
    }
    let body = with(
        pay("t2", "1.00"),
        &json!({ "merchant_customer_identifier": "bob", "customer": { "phone": "030 99887766" } }),
    );
    let bob = daemon.reserve(&body).ok()["customer"]["customer_id"].clone();
    assert_eq!(look(&daemon, bob.as_str().expect("an id"))["phone"], "+493099887766");
}

#[test]
fn made_external_ids_are_the_golden_ones_and_none_comes_twice() {
    let shape = "[registration.external_id]\nlength = 15\nprefix = \"1112\"\noffset = 3000\nchecksum = \"mod7\"\n\
                 checksum_includes = \"none\"\n";
    let mut daemon = kept(&Settings::SYSTEM, acme(&format!("{CRM}{shape}"), &[]));
    let make = |daemon: &Daemon, who: &str| {
        let id = register(daemon, &json!({ "merchant_customer_identifier": who }));
        look(daemon, &id)["external_id"].as_str().expect("an external id").to_owned()
    };
    assert_eq!(make(&daemon, "a"), "111200000030004");
    // A refusal uses none up, and leaves no record.
    let lsn = daemon.get("/v1/status").ok()["lsn"].clone();
    daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": "a" })).problem(409);
    assert_eq!(daemon.get("/v1/status").ok()["lsn"], lsn, "a refusal stores nothing");
    assert_eq!(make(&daemon, "b"), "111200000030015");
    daemon.kill_and_start();
    // An id that a customer has already is skipped.
    register(&daemon, &json!({ "merchant_customer_identifier": "c", "external_id": "111200000030030" }));
    assert_eq!(make(&daemon, "d"), "111200000030026");
    assert_eq!(make(&daemon, "e"), "111200000030041");
    daemon.post_nothing("/v1/snapshot").ok();
    daemon.kill_and_start();
    assert_eq!(make(&daemon, "f"), "111200000030052");
    let own = register(&daemon, &json!({ "merchant_customer_identifier": "g", "external_id": "own" }));
    assert_eq!(look(&daemon, &own)["external_id"], "own");
}

#[test]
fn external_ids_are_made_for_the_sources_that_are_named() {
    let made = |sources: &str| {
        let shape = "length = 12\nprefix = \"1234\"\nsuffix = \"3401\"\noffset = 3000\nchecksum = \"auto_inc\"\n";
        let daemon = Daemon::live(acme(&format!("{CRM}[registration.external_id]\n{shape}{sources}\n"), &[]));
        let api = register(&daemon, &json!({ "merchant_customer_identifier": "api" }));
        let paid = daemon.reserve(&with(pay("t1", "1.00"), &json!({ "merchant_customer_identifier": "paid" }))).ok();
        let paid = paid["customer"]["customer_id"].as_str().expect("an id").to_owned();
        [api, paid].map(|id| look(&daemon, &id)["external_id"].clone())
    };
    let (first, second) = (json!("123430003401"), json!("123430013401"));
    assert_eq!(made(""), [first.clone(), second]);
    assert_eq!(made("sources = [\"api\"]"), [first.clone(), Value::Null]);
    assert_eq!(made("sources = [\"payment\"]"), [Value::Null, first]);
}

/// A daemon that makes external ids by these keys.
fn making(keys: &str) -> Daemon {
    Daemon::live(acme(&format!("{CRM}[registration.external_id]\n{keys}\n"), &[]))
}

#[test]
fn made_external_ids_may_hold_letters() {
    let daemon = making("length = 13\nprefix = \"BRAND\"\noffset = 20000017");
    for (who, want) in [("a", "BRAND20000017"), ("b", "BRAND20000018")] {
        let id = register(&daemon, &json!({ "merchant_customer_identifier": who }));
        assert_eq!(look(&daemon, &id)["external_id"], want);
        assert_eq!(
            daemon.get(&format!("{CUSTOMERS}?external_id={want}")).ok()["customers"][0]["customer_id"],
            id.as_str()
        );
    }
    let daemon = making("length = 12\nprefix = \"1234\"\nsuffix = \"EU\"\noffset = 3000\nchecksum = \"auto_inc\"");
    let id = register(&daemon, &alice(&json!({})));
    assert_eq!(look(&daemon, &id)["external_id"], "1234003000EU");
    // An id of digits alone is not made by this policy, and has lost no zero.
    let table = "merchant_customer_identifier,external_id\nbob,77\n";
    assert_eq!(daemon.post_text(&format!("{CUSTOMERS}.csv"), table).ok()["created"], 1);
}

#[test]
fn made_external_ids_replace_sent_ones() {
    let shape = "length = 8\nprefix = \"X\"\noffset = 1\nreplace = true\n";
    let daemon = making(shape);
    let external_id = |id: &str| look(&daemon, id)["external_id"].clone();
    let own = json!({ "external_id": "own" });
    let first = register(&daemon, &alice(&own));
    assert_eq!(external_id(&first), "X0000001");
    let paid = |daemon: &Daemon, id: &str, who: &str| {
        let body = json!({ "merchant_customer_identifier": who, "customer": { "external_id": "own", "city": "Wien" } });
        let paid = daemon.reserve(&with(pay(id, "1.00"), &body)).ok();
        paid["customer"]["customer_id"].as_str().expect("an id").to_owned()
    };
    let second = paid(&daemon, "t1", "bob");
    assert_eq!((external_id(&second), look(&daemon, &second)["city"].clone()), (json!("X0000002"), json!("Wien")));
    let upload = |table: &str| daemon.post_text(&format!("{CUSTOMERS}.csv"), table).ok();
    let table = "merchant_customer_identifier,external_id\ncarol,own\n";
    assert_eq!(upload(table)["created"], 1);
    let carol = daemon.get(&format!("{CUSTOMERS}?merchant_customer_identifier=carol")).ok()["customers"][0].clone();
    assert_eq!(carol["external_id"], "X0000003");
    let trial =
        daemon.post_text(&format!("{CUSTOMERS}.csv?mode=trial"), "merchant_customer_identifier,external_id\ne,own\n");
    assert_eq!(trial.ok()["created"], 1);
    // Staff may still give a customer another one.
    let changed = amend(&daemon, &first, &own);
    assert_eq!(changed["external_id"], "own");
    assert_eq!(daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len), Some(3));

    // A source that makes none replaces none.
    let limited = making(&format!("{shape}sources = [\"api\"]"));
    let kept = paid(&limited, "t1", "bob");
    assert_eq!(look(&limited, &kept)["external_id"], "own");
    assert_eq!(look(&limited, &register(&limited, &alice(&own)))["external_id"], "X0000001");
}

#[test]
fn an_external_id_that_recognises_the_payer_is_not_replaced() {
    let head = format!("{CRM}[registration.external_id]\nlength = 8\nprefix = \"X\"\nreplace = true\n");
    let file = acme(&head, &[]).replace("[\"email\", \"phone\"]", "[\"external_id\"]");
    let daemon = Daemon::live(file);
    let body = |id: &str| {
        let body = without(pay(id, "1.00"), &["merchant_customer_identifier"]);
        with(body, &json!({ "customer": { "external_id": "own" } }))
    };
    let first = daemon.reserve(&body("t1")).ok();
    let second = daemon.reserve(&body("t2")).ok();
    assert_eq!(first["customer"]["customer_id"], second["customer"]["customer_id"], "one customer, one limit");
    let id = first["customer"]["customer_id"].as_str().expect("an id");
    assert_eq!(look(&daemon, id)["external_id"], "own");
}

#[test]
fn a_registered_customer_is_found_by_payments_in_both_modes() {
    for mode in [CRM, GATEWAY] {
        let daemon = Daemon::live(acme(&format!("{mode}[registration]\nallow_any_identifier = true\n"), &[]));
        let id = register(&daemon, &json!({ "email": "A@example.com", "deposit_level": "unknown" }));
        let anonymous = without(pay("t", "1.00"), &["merchant_customer_identifier", "customer_level"]);
        let by_mail = with(anonymous.clone(), &json!({ "customer": { "email": " a@EXAMPLE.com" } }));
        let found = daemon.check(&by_mail).ok();
        assert_eq!(found["customer"]["customer_id"], id.as_str(), "{mode}: {found}");
        assert_eq!(found["customer"]["resolution"], "client_definition", "{mode}: {found}");
        assert_eq!(found["level"]["source"], "stored", "{mode}: {found}");
        if mode == GATEWAY {
            let by_id = daemon.check(&with(anonymous, &json!({ "customer_id": id }))).ok();
            assert_eq!(by_id["customer"]["resolution"], "found", "{by_id}");
        }
    }
}

#[test]
fn concurrent_registrations_create_one_customer_per_unique_identifier() {
    let shape = "[registration.external_id]\nlength = 8\nchecksum = \"luhn\"\nsources = [\"api\", \"payment\"]\n";
    let daemon = Daemon::live(acme(&format!("{CRM}[registration]\nemail = {{ unique = true }}\n{shape}"), &[]));
    let made = |answers: &[Answer]| answers.iter().filter(|answer| answer.status == 201).count();
    let same = at_once(16, 1, |_| daemon.post(CUSTOMERS, &alice(&json!({}))));
    assert_eq!(made(&same), 1, "of one identifier");
    let mail = json!({ "email": "a@example.com" });
    let same = at_once(16, 1, |n| {
        daemon.post(CUSTOMERS, &with(mail.clone(), &json!({ "merchant_customer_identifier": format!("r{n}") })))
    });
    assert_eq!(made(&same), 1, "of one unique e-mail");
    let paid = at_once(16, 1, |n| {
        let body =
            json!({ "merchant_customer_identifier": format!("p{}", n / 2), "customer": { "email": "b@example.com" } });
        daemon.reserve(&with(pay(&format!("t{n}"), "1.00"), &body))
    });
    paid.iter().for_each(|answer| assert_eq!(answer.ok()["decision"], "allow"));
    let shown = daemon.get(CUSTOMERS).ok();
    let all = shown["customers"].as_array().expect("customers");
    assert_eq!(all.len(), 10, "alice, one of r, and the eight of p");
    assert_eq!(all.iter().filter(|customer| customer["email"] == "b@example.com").count(), 1, "{shown}");
    let mut external: Vec<&str> = all.iter().filter_map(|customer| customer["external_id"].as_str()).collect();
    external.sort_unstable();
    external.dedup();
    assert_eq!(external.len(), 10, "an external id each: {shown}");
}

#[test]
fn merged_customer_is_found_by_every_identifier() {
    let policy = "[registration]\nemail = { unique = true }\nphone = { unique = true }\nmerge_on_duplicate = true\n";
    let mut daemon = kept(&Settings::SYSTEM, acme(&format!("{CRM}{policy}"), &[]));
    let phone = json!({ "phone": "+49301234502" });
    let id = register(&daemon, &alice(&with(phone.clone(), &json!({ "email": "a@example.com", "city": "Wien" }))));
    let merged =
        daemon.post(CUSTOMERS, &bob(&with(phone, &json!({ "email": "b@example.com", "language": "it" })))).ok();
    assert_eq!((&merged["customer_id"], &merged["email"]), (&json!(id), &json!("a@example.com")), "{merged}");
    assert_eq!((&merged["language"], &merged["other_identifiers"]), (&json!("it"), &json!(["bob"])));
    for other in ["carol", "dora"] {
        for email in ["a@example.com", "B@example.com"] {
            let mut body = without(pay("t1", "1.00"), &["merchant_customer_identifier"]);
            body["customer"] = json!({ "email": email });
            assert_eq!(daemon.check(&body).ok()["customer"]["customer_id"], id.as_str(), "{email}");
            let found = daemon.get(&format!("{CUSTOMERS}?email={email}")).ok();
            assert_eq!(found["customers"][0]["customer_id"], id.as_str(), "{email}: {found}");
        }
        let again = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": other, "email": "b@example.com" }));
        assert_eq!(again.ok()["customer_id"], id.as_str(), "what leads there is a duplicate of it");
        assert_eq!(daemon.get(CUSTOMERS).ok()["customers"].as_array().map(Vec::len), Some(1));
        daemon.kill_and_start();
    }
}

#[test]
fn known_customer_is_recognised_before_required_fields_are_checked() {
    let daemon = policy("allow_any_identifier = true\nemail = { unique = true }\nphone = { required = true }");
    register(&daemon, &alice(&json!({ "email": "a@example.com", "phone": "+49301234502" })));
    let known = daemon.post(CUSTOMERS, &json!({ "email": "a@example.com" })).problem(409);
    assert_eq!((&known["code"], &known["field"]), (&json!("already_taken"), &json!("email")), "{known}");
    // A row of a table changes whom it names, and need not bring what the customer has.
    let table = "merchant_customer_identifier,city\nalice,Rom\n";
    assert_eq!(daemon.post_text(&format!("{CUSTOMERS}.csv"), table).ok()["changed"], 1);
}
