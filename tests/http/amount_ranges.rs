//! The amount range of a payment that names no method: some method on offer must take it, and the customer's global
//! limit holds all the same.

use serde_json::{Value, json};

use crate::decisions::codes;
use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{pay, with, without};

/// `acme` with one endpoint whose methods have these keys, one method each, and a level `gold` with these.
fn shop(head: &str, methods: &[&str], of_level: &[&str]) -> Daemon {
    let mut text = format!("id = \"acme\"\nname = \"Acme Games\"\n{head}\n[[gates]]\nid = \"gate-a\"\n");
    text.push_str("[[projects]]\nid = \"web\"\nclient_definition = [\"email\"]\n[[projects.endpoints]]\n");
    text.push_str("id = \"web-eur\"\ncurrency = \"EUR\"\ngates = [\"gate-a\"]\n");
    methods.iter().for_each(|keys| text.push_str(&format!("[[projects.endpoints.methods]]\n{}\n", lines(keys))));
    text.push_str("[[levels]]\nname = \"gold\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"web\"]\n");
    of_level.iter().for_each(|keys| text.push_str(&format!("[[levels.methods]]\n{}\n", lines(keys))));
    Daemon::start(ConfigFolder::new(&Settings::SYSTEM, &[("acme", text)]))
}

fn lines(keys: &str) -> String {
    keys.replace("; ", "\n")
}

const CARD: &str = "method = \"card\"; min_amount = \"5.00\"; max_amount = \"20.00\"";
const BANK: &str = "method = \"bank\"; min_amount = \"50.00\"; max_amount = \"100.00\"";
const CASH: &str = "method = \"cash\"";
const HIDDEN: &str = "method = \"voucher\"; show_in_form = false; max_amount = \"1000.00\"";
const BELOW: &str = "19102 amount_below_minimum -";
const ABOVE: &str = "19103 amount_above_maximum -";
const NONE: &str = "19101 payment_method_not_available -";

#[test]
fn amount_without_method_must_fit_some_offered_method() {
    type Row<'a> = (&'a str, &'a [&'a str], &'a [&'a str], &'a [(&'a str, &'a [&'a str])]);
    let no_card = "method = \"card\"; show_in_form = false";
    let wide_card = "method = \"card\"; max_amount = \"60.00\"";
    let high_card = "method = \"card\"; min_amount = \"30.00\"";
    let rows: [Row<'_>; 10] = [
        ("", &[CARD], &[], &[("4.99", &[BELOW]), ("5.00", &[]), ("20.00", &[]), ("20.01", &[ABOVE])]),
        (
            "",
            &[CARD, BANK],
            &[],
            &[
                ("4.99", &[BELOW]),
                ("5.00", &[]),
                ("20.01", &[ABOVE]),
                ("49.99", &[ABOVE]),
                ("50.00", &[]),
                ("100.01", &[ABOVE]),
            ],
        ),
        ("", &[CARD, CASH], &[], &[("0.01", &[]), ("100000.00", &[])]),
        ("", &[], &[], &[("0.01", &[]), ("100000.00", &[])]),
        ("", &[CARD, HIDDEN], &[], &[("4.99", &[BELOW]), ("20.01", &[ABOVE])]),
        (
            "hidden_methods = \"hide_only\"",
            &[CARD, HIDDEN],
            &[],
            &[("0.01", &[]), ("20.01", &[]), ("1000.01", &[ABOVE])],
        ),
        ("", &[HIDDEN], &[], &[("5.00", &[NONE])]),
        ("", &[CARD, BANK], &[no_card], &[("5.00", &[BELOW]), ("50.00", &[])]),
        ("", &[CARD, BANK], &[wide_card], &[("60.00", &[]), ("60.01", &[])]),
        // The level's own method that the endpoint does not offer opens nothing; the layers may leave nothing.
        ("", &[CARD], &[high_card, CASH], &[("29.99", &[BELOW]), ("30.00", &[ABOVE])]),
    ];
    for (head, methods, of_level, amounts) in rows {
        let daemon = shop(head, methods, of_level);
        for (amount, expected) in amounts {
            let answer = daemon.check(&pay("probe", amount)).ok();
            assert_eq!(codes(&answer), *expected, "{amount} of {methods:?} and {of_level:?}: {answer}");
        }
    }
    // With the method named, a range that its layers have crossed is missed at both ends.
    let daemon = shop("", &[CARD], &[high_card]);
    let named = with(pay("probe", "25.00"), &json!({ "payment_method": "card" }));
    assert_eq!(codes(&daemon.check(&named).ok()), [BELOW, ABOVE]);
    assert_eq!(codes(&daemon.check(&without(named, &["payment_method"])).ok()), [BELOW]);
}

/// The global limit, the amount, and what is refused at an endpoint with methods and at one without.
#[test]
fn the_customers_global_limit_holds_without_a_method_and_without_any_methods() {
    type Row<'a> = (Value, &'a str, &'a [&'a str], &'a [&'a str]);
    let rows: [Row<'_>; 7] = [
        (json!({ "max_amount": "15.00" }), "15.00", &[], &[]),
        (json!({ "max_amount": "15.00" }), "15.01", &[ABOVE], &[ABOVE]),
        (json!({ "max_amount": "75.00" }), "75.00", &[], &[]),
        (json!({ "max_amount": "75.00" }), "75.01", &[ABOVE], &[ABOVE]),
        (json!({ "min_amount": "10.00" }), "9.99", &[BELOW], &[BELOW]),
        (json!({ "min_amount": "10.00", "max_amount": "60.00" }), "10.00", &[], &[]),
        (json!({ "min_amount": "10.00", "max_amount": "60.00" }), "60.01", &[ABOVE], &[ABOVE]),
    ];
    for (number, methods) in [&[CARD, BANK][..], &[]].into_iter().enumerate() {
        let daemon = shop("", methods, &[]);
        let first = daemon.reserve(&pay("first", if number == 0 { "5.00" } else { "1.00" })).ok();
        let id = first["customer"]["customer_id"].as_str().expect("a number").to_owned();
        for (limit, amount, with_methods, without_methods) in &rows {
            let path = format!("/v1/merchants/acme/customers/{id}/settings/deposit/EUR/gold");
            daemon.send("PUT", &path, &json!({ "global_limit": limit })).ok();
            let expected = if number == 0 { with_methods } else { without_methods };
            let answer = daemon.check(&pay("probe", amount)).ok();
            assert_eq!(codes(&answer), **expected, "{amount} with {limit} and {methods:?}: {answer}");
        }
    }
}
