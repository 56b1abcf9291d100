//! One identifier is one customer however it is written, in every call, table and line: white space at the ends, blank
//! texts, control characters, phone numbers and e-mail addresses in many forms.

use serde_json::{Value, json};

use crate::decisions::{assert_allowed, assert_denied};
use crate::staff_calls::{CUSTOMERS, amend, kept, look, of, register};
use support::daemon::{Daemon, Settings};
use support::fixtures::{CRM, GATEWAY, acme, filter, level, pay, with, without};
use support::raw_http;

const TABLE: &str = "/v1/merchants/acme/customers.csv";
const TRANSACTIONS: &str = "/v1/merchants/acme/transactions";

/// A deposit of one euro without an identifier.
fn anonymous(id: &str, members: &Value) -> Value {
    with(without(pay(id, "1.00"), &["merchant_customer_identifier", "customer_level"]), members)
}

/// Reserves; returns the customer's id.
#[track_caller]
fn who(daemon: &Daemon, body: &Value) -> Value {
    assert_allowed(daemon.reserve(body).ok())["customer"]["customer_id"].clone()
}

/// How many customers a query finds.
#[track_caller]
fn count(daemon: &Daemon, query: &str) -> usize {
    daemon.get(&format!("{CUSTOMERS}{query}")).ok()["customers"].as_array().expect("customers").len()
}

fn upload(daemon: &Daemon, table: &str) -> support::answer::Answer {
    raw_http::send(daemon.port(), "POST", TABLE, table.as_bytes())
}

#[test]
fn white_space_at_the_ends_of_an_identifier_does_not_count() {
    let daemon = Daemon::live(acme(&format!("{CRM}[registration]\nexternal_id = {{ unique = true }}\n"), &[]));
    let named = |id: &str, name: &str| anonymous(id, &json!({ "merchant_customer_identifier": name }));
    let alice = who(&daemon, &named("t1", "alice"));
    for (nth, name) in [" alice", "alice\t", "\u{a0}alice\u{3000}", "\u{2003}\nalice"].iter().enumerate() {
        let answer = assert_allowed(daemon.reserve(&named(&format!("u{nth}"), name)).ok());
        assert_eq!(answer["customer"]["customer_id"], alice, "{name:?}");
        assert_eq!(answer["customer"]["merchant_customer_identifier"], "alice", "{name:?}");
    }
    // The same payment, with and without the white space, is one.
    assert!(daemon.reserve(&named("t1", " alice ")).is_replay());
    // A blank identifier is an absent one: the client definition decides.
    let blank = json!({ "merchant_customer_identifier": " \u{2003}", "customer": { "email": "b@example.com" } });
    let bob = who(&daemon, &anonymous("t2", &blank));
    assert_eq!(who(&daemon, &anonymous("t3", &json!({ "customer": { "email": "b@example.com" } }))), bob);
    let refused = daemon.reserve(&named("t4", " ")).problem(422);
    assert_eq!(refused["code"], "customer_unidentifiable", "{refused}");

    // Staff: registering, looking for, tables.
    let taken = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": " alice " })).problem(409);
    assert_eq!(taken["customer_id"].as_str().or(alice.as_str()), alice.as_str(), "{taken}");
    let carol = register(&daemon, &json!({ "merchant_customer_identifier": " carol\u{a0}", "external_id": " x1 " }));
    let shown = look(&daemon, &carol);
    assert_eq!((&shown["merchant_customer_identifier"], &shown["external_id"]), (&json!("carol"), &json!("x1")));
    let other = json!({ "merchant_customer_identifier": "dan", "external_id": "x1\u{2003}" });
    assert_eq!(daemon.post(CUSTOMERS, &other).problem(409)["field"], "external_id");
    for query in ["merchant_customer_identifier=%20carol", "external_id=x1%E2%80%83"] {
        assert_eq!(count(&daemon, &format!("?{query}")), 1, "{query}");
    }
    assert_eq!(count(&daemon, &format!("?customer_id=%20{carol}%20")), 1);
    assert_eq!(count(&daemon, "?merchant_customer_identifier=%20"), 0, "a blank filter finds no customer");
    assert_eq!(look(&daemon, &format!("%20{carol}"))["customer_id"], json!(carol));
    let into =
        daemon.post(&of(&carol, "/merge"), &json!({ "into": format!(" {} ", alice.as_str().expect("an id")) })).ok();
    assert_eq!(into["customer_id"], alice);
    let rows = format!(
        "merchant_customer_identifier,customer_id,external_id,city\r\n alice ,,,Wien\r\n, {} , ,Rom\r\n",
        bob.as_str().expect("an id")
    );
    let taken = upload(&daemon, &rows).ok();
    assert_eq!((&taken["created"], &taken["changed"], &taken["bad"]), (&json!(0), &json!(2), &json!(0)), "{taken}");
    let twice = "merchant_customer_identifier,city\r\neve,Wien\r\n eve,Rom\r\n";
    assert_eq!(upload(&daemon, twice).problem(422)["bad_rows"][0]["line"], 3);
}

#[test]
fn a_customer_id_is_trimmed_and_a_transaction_id_is_opaque() {
    let daemon = Daemon::live(acme(GATEWAY, &[]));
    let by = |id: &str, customer: &str| anonymous(id, &json!({ "customer_id": customer }));
    let one = who(&daemon, &anonymous("t1", &json!({ "customer": { "email": "a@example.com" } })));
    let padded = format!("\u{3000}{} ", one.as_str().expect("an id"));
    let answer = daemon.reserve(&by("t2", &padded)).ok();
    assert_eq!((&answer["customer"]["customer_id"], &answer["customer"]["resolution"]), (&one, &json!("found")));
    assert_eq!(daemon.reserve(&by("t3", " ")).ok()["customer"]["resolution"], "created", "blank is absent");
    // White space is part of a transaction's id.
    assert!(!daemon.reserve(&by(" t2", &padded)).is_replay());
    assert!(daemon.reserve(&by("t2", one.as_str().expect("an id"))).is_replay());
    assert_eq!(daemon.fetch("%20t2").ok()["transaction_id"], " t2");
    // A stranger is linked to a customer whose id is padded.
    daemon.reserve(&by("t5", "555 ")).ok();
    let linked = daemon.post(&format!("{TRANSACTIONS}/t5/customer"), &json!({ "customer_id": padded })).ok();
    assert_eq!(linked["customer"]["customer_id"], one, "{linked}");
    assert_eq!(
        daemon.post(&format!("{TRANSACTIONS}/t5/customer"), &json!({ "customer_id": " " })).problem(400)["field"],
        "customer_id"
    );
    let listed = daemon.get(&format!("{TRANSACTIONS}?customer_id=%20{}", one.as_str().expect("an id"))).ok();
    assert!(listed["transactions"].as_array().expect("a list").len() >= 3, "{listed}");
}

#[test]
fn padded_instrument_tokens_are_equal() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let with_token = |id: &str, token: &str| with(pay(id, "1.00"), &json!({ "payment_instrument": token }));
    let alice = who(&daemon, &with_token("t1", " tok_1"));
    let alice = alice.as_str().expect("an id");
    let signal = |body: &Value| daemon.post(&of(alice, "/signals"), body);
    signal(&json!({ "signal": "card_stolen", "payment_instrument": "tok_1\u{a0}" })).ok();
    for (nth, token) in ["tok_1", " tok_1", "tok_1\t"].iter().enumerate() {
        let answer = daemon.reserve(&with_token(&format!("u{nth}"), token)).ok();
        assert_denied(&answer, &["19106 payment_instrument_blocked -"]);
    }
    let attribute = json!({ "customer": { "payment_instrument": " tok_1 " }, "payment_instrument": "tok_2" });
    assert_denied(&daemon.reserve(&with(pay("t2", "1.00"), &attribute)).ok(), &["19106 payment_instrument_blocked -"]);
    signal(&json!({ "signal": "cleared", "payment_instrument": " tok_1" })).ok();
    assert_allowed(daemon.reserve(&with_token("t3", "tok_1 ")).ok());
    assert_allowed(daemon.reserve(&with_token("t4", " ")).ok());
    daemon.send("PUT", &of(alice, "/instruments/%20tok_1"), &json!({ "default": true })).ok();
    let shown = look(&daemon, alice);
    let ids: Vec<&Value> = shown["payment_instruments"]
        .as_array()
        .expect("instruments")
        .iter()
        .map(|one| &one["payment_instrument"])
        .collect();
    assert_eq!(ids, [&json!("tok_1")], "{shown}");
    assert_eq!(
        daemon.send("PUT", &of(alice, "/instruments/%20"), &json!({})).problem(400)["field"],
        "payment_instrument"
    );
    assert_eq!(daemon.step("t1", "approve", &json!({ "payment_instrument": " tok_1 " })).status, 200);
    assert_eq!(daemon.fetch("t1").ok()["transitions"][0]["payment_instrument"], "tok_1");
}

#[test]
fn a_control_character_in_an_identifier_is_refused_wherever_it_is_sent() {
    let daemon = Daemon::live(acme(CRM, &[]));
    let id = who(&daemon, &pay("t1", "1.00"));
    let id = id.as_str().expect("an id");
    let bad = "a\u{7}b";
    let form = "/v1/merchants/acme/payment-form";
    let check = "/v1/merchants/acme/decisions";
    for (field, members) in [
        ("merchant_customer_identifier", json!({ "merchant_customer_identifier": bad })),
        ("customer_id", json!({ "customer_id": bad })),
        ("payment_instrument", json!({ "payment_instrument": bad })),
        ("external_id", json!({ "customer": { "external_id": bad } })),
        ("payment_instrument", json!({ "customer": { "payment_instrument": bad } })),
        ("transaction_id", json!({ "transaction_id": bad })),
    ] {
        let body = with(pay("t2", "1.00"), &members);
        let line = with(body.clone(), &json!({ "op": "reserve", "merchant": "acme" }));
        let batch = raw_http::post_streamed(daemon.port(), "/v1/batch", format!("{line}\n").into_bytes());
        let answers = [
            daemon.reserve(&body).problem(400),
            daemon.post(check, &body).problem(400),
            serde_json::from_str(batch.body.trim()).expect("a document"),
        ];
        for problem in answers {
            assert_eq!((&problem["field"], &problem["code"]), (&json!(field), &json!("name_invalid")), "{problem}");
        }
        if field != "transaction_id" {
            let shown = without(body, &["amount", "transaction_id"]);
            assert_eq!(daemon.post(form, &shown).problem(400)["field"], field);
        }
    }
    for (operation, body, field) in [
        ("approve", json!({ "payment_instrument": bad }), "payment_instrument"),
        ("approve", json!({ "capture_id": bad }), "capture_id"),
        ("cancel", json!({ "amount": "1.00", "cancel_id": bad }), "cancel_id"),
        ("refund", json!({ "amount": "1.00", "refund_id": bad }), "refund_id"),
        ("chargeback", json!({ "amount": "1.00", "chargeback_id": bad }), "chargeback_id"),
    ] {
        assert_eq!(daemon.step("t1", operation, &body).problem(400)["field"], field, "{operation}");
    }
    for (method, path, body, field) in [
        ("POST", CUSTOMERS.to_owned(), json!({ "merchant_customer_identifier": bad }), "merchant_customer_identifier"),
        ("POST", CUSTOMERS.to_owned(), json!({ "external_id": bad }), "external_id"),
        ("PATCH", of(id, ""), json!({ "external_id": bad }), "external_id"),
        ("PATCH", of(id, ""), json!({ "payment_instrument": bad }), "payment_instrument"),
        ("PUT", of(id, "/instruments/a%07b"), json!({}), "payment_instrument"),
        (
            "POST",
            of(id, "/signals"),
            json!({ "signal": "card_stolen", "payment_instrument": bad }),
            "payment_instrument",
        ),
        ("POST", of(id, "/merge"), json!({ "into": bad }), "into"),
        (
            "POST",
            format!("{CUSTOMERS}/bulk"),
            json!({ "select": { "ids": [bad] }, "set": { "status": "member" } }),
            "ids",
        ),
        ("POST", format!("{TRANSACTIONS}/t1/customer"), json!({ "customer_id": bad }), "customer_id"),
        (
            "POST",
            format!("{CUSTOMERS}/bulk"),
            json!({ "select": { "external_id": bad }, "set": { "status": "member" } }),
            "external_id",
        ),
    ] {
        assert_eq!(daemon.send(method, &path, &body).problem(400)["field"], field, "{method} {path} {body}");
    }
    for field in ["merchant_customer_identifier", "customer_id", "external_id"] {
        assert_eq!(daemon.get(&format!("{CUSTOMERS}?{field}=a%07b")).problem(400)["field"], field);
    }
    assert_eq!(daemon.get(&format!("{TRANSACTIONS}?customer_id=a%07b")).problem(400)["field"], "customer_id");
    for column in ["merchant_customer_identifier", "customer_id", "external_id"] {
        let table = format!(
            "merchant_customer_identifier,{column}\r\n",
            column = if column == "merchant_customer_identifier" { "city" } else { column }
        );
        let row =
            if column == "merchant_customer_identifier" { format!("{bad},Wien\r\n") } else { format!("new,{bad}\r\n") };
        let upload_problem = upload(&daemon, &(table + &row)).problem(422);
        assert_eq!(
            (&upload_problem["bad_rows"][0]["line"], &upload_problem["bad_rows"][0]["column"]),
            (&json!(2), &json!(column)),
            "{upload_problem}"
        );
    }
    assert_eq!(count(&daemon, ""), 1, "a refusal creates no customer");
}

/// The number of the small input, in forms that one person types.
const FORMS: [&str; 9] = [
    "+919123456789",
    "9123456789",
    "91234 56789",
    "09123456789",
    "919123456789",
    "00 91 91234 56789",
    "+91 91234-56789 ext. 12",
    "tel:+91-91234-56789",
    "\u{966}\u{96f}\u{967}\u{968}\u{969}\u{96a}\u{96b}\u{96c}\u{96d}\u{96e}\u{96f}",
];

#[test]
fn phone_number_spellings_identify_one_customer() {
    let policy = "[registration]\ndefault_country = \"IN\"\nallow_any_identifier = true\nphone = { unique = true, allow_update = false }\n";
    let unknown = level("unknown", &filter("window = \"daily\"; amount_limit = \"1.00\""));
    let daemon = Daemon::live(acme(&format!("{CRM}{policy}"), &[unknown]));
    let by = |id: &str, phone: &str| anonymous(id, &json!({ "customer": { "phone": phone } }));
    let first = who(&daemon, &by("t0", FORMS[0]));
    for (nth, form) in FORMS.iter().enumerate() {
        let answer = daemon.reserve(&by(&format!("u{nth}"), form)).ok();
        assert_eq!((&answer["customer"]["customer_id"], &answer["decision"]), (&first, &json!("deny")), "{form}");
        assert!(daemon.reserve(&by("t0", form)).is_replay(), "{form}");
        assert_eq!(daemon.post(CUSTOMERS, &json!({ "phone": form })).problem(409)["code"], "already_taken", "{form}");
        let query: String = form_urlencoded::byte_serialize(form.as_bytes()).collect();
        assert_eq!(count(&daemon, &format!("?phone={query}")), 1, "{form}");
        // The same number is no other number.
        amend(&daemon, first.as_str().expect("an id"), &json!({ "phone": form }));
    }
    let fixed = daemon.send("PATCH", &of(first.as_str().expect("an id"), ""), &json!({ "phone": "9123456780" }));
    assert_eq!(fixed.problem(422)["code"], "identifier_fixed");
    let table = "phone,city\r\n091234 56789,Wien\r\n";
    assert_eq!(upload(&daemon, table).ok()["changed"], 1);
    assert_eq!(count(&daemon, ""), 1);
    // A text that is no phone number is compared as written, trimmed.
    let odd = register(&daemon, &json!({ "phone": " 1-800-FLOWERS " }));
    assert_eq!(who(&daemon, &by("t1", "1-800-FLOWERS\u{a0}")), json!(odd));
    assert_ne!(who(&daemon, &by("t2", "1-800-356-9377")), json!(odd));
}

#[test]
fn email_spellings_identify_one_customer() {
    let daemon = Daemon::live(acme(&format!("{CRM}[registration]\nemail = {{ unique = true }}\n"), &[]));
    let by = |id: &str, email: &str| anonymous(id, &json!({ "customer": { "email": email } }));
    let first = who(&daemon, &by("t0", "Jos\u{e9}@b\u{fc}cher.example"));
    for (nth, form) in [
        "JOSE\u{301}@B\u{dc}CHER.EXAMPLE.",
        " jos\u{e9}@xn--bcher-kva.example",
        "jo\u{ad}s\u{e9}@b\u{fc}cher.example\u{200b}",
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(who(&daemon, &by(&format!("u{nth}"), form)), first, "{form}");
        assert!(daemon.reserve(&by("t0", form)).is_replay(), "{form}");
        let taken = daemon.post(CUSTOMERS, &json!({ "merchant_customer_identifier": "bob", "email": form }));
        assert_eq!(taken.problem(409)["code"], "identifier_duplicate", "{form}");
        let query: String = form_urlencoded::byte_serialize(form.as_bytes()).collect();
        assert_eq!(count(&daemon, &format!("?email={query}")), 1, "{form}");
    }
    assert_eq!(
        look(&daemon, first.as_str().expect("an id"))["email"],
        "Jos\u{e9}@b\u{fc}cher.example",
        "stored as written"
    );
}

#[test]
fn a_default_country_that_comes_with_a_reload_makes_one_customer_of_two() {
    let mut daemon = kept(&Settings::SYSTEM, acme(CRM, &[]));
    let by = |id: &str, phone: &str| anonymous(id, &json!({ "customer": { "phone": phone } }));
    let first = who(&daemon, &by("t1", "030 1234502"));
    let second = who(&daemon, &by("t2", "+49 30 1234502"));
    assert_ne!(first, second, "the country of the first is unknown");
    daemon.folder.write("merchants/acme.toml", &acme(&format!("{CRM}[registration]\ndefault_country = \"DE\"\n"), &[]));
    daemon.post_nothing("/v1/reload").ok();
    assert_eq!(who(&daemon, &by("t3", "+49 30 1234502")), first, "the older one is found");
    assert_eq!(who(&daemon, &by("t4", "(030) 123 45 02")), first);
    assert_eq!(count(&daemon, "?phone=030%2F1234502"), 2, "both remain");
    assert_eq!(look(&daemon, first.as_str().expect("an id"))["phone"], "030 1234502", "what is stored stays");
    daemon.kill_and_start();
    assert!(daemon.log().contains("default_country): 1;"), "{}", daemon.log());
    assert_eq!(who(&daemon, &by("t5", "030 1234502")), first);
    assert!(daemon.reserve(&by("t1", "030 1234502")).is_replay(), "recorded in the form of its time");
    assert!(daemon.reserve(&by("t2", "+49 30 1234502")).is_replay());
}
