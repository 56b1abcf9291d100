//! Every decision code that configuration and the hot path can reach, with its reason, the filter it names, and its
//! place among others. The remaining codes (19100, 19106) need a customer's status and instruments.

use serde_json::{Value, json};

use support::daemon::{ConfigFolder, Daemon, Settings};
use support::fixtures::{CRM, RATES, acme, filter, gold, level, level_in, pay, with, without};

/// The violations of a denial, one a line: code, reason, filter or `-`.
#[track_caller]
pub(crate) fn codes(answer: &Value) -> Vec<String> {
    let codes = answer["codes"].as_array().unwrap_or_else(|| panic!("`codes` is a list: {answer}"));
    let lines = codes.iter().map(|entry| {
        let code = entry["code"].as_u64().unwrap_or_else(|| panic!("a code is a number: {answer}"));
        let reason = entry["reason"].as_str().unwrap_or_else(|| panic!("a reason is a text: {answer}"));
        format!("{code} {reason} {}", entry["filter"].as_str().unwrap_or("-"))
    });
    let lines: Vec<String> = lines.collect();
    let first = codes.first().cloned().unwrap_or_default();
    assert_eq!(answer["code"], first["code"], "`code` is the first of `codes`: {answer}");
    assert_eq!(answer["reason"], first["reason"], "`reason` is that of the first: {answer}");
    lines
}

/// Asserts a denial with exactly these violations in this order.
#[track_caller]
pub(crate) fn assert_denied(answer: &Value, expected: &[&str]) {
    assert_eq!(codes(answer), expected, "{answer}");
    assert_eq!(answer["decision"], "deny", "{answer}");
    assert!(matches!(answer["status"].as_str(), Some("denied" | "checked")), "{answer}");
    assert_eq!(answer["gates"], json!([]), "a denial has no gates: {answer}");
}

/// Asserts an allowance and hands the answer back.
#[track_caller]
pub(crate) fn assert_allowed(answer: Value) -> Value {
    assert_eq!(codes(&answer), Vec::<String>::new(), "{answer}");
    assert_eq!(answer["decision"], "allow", "{answer}");
    answer
}

/// A deposit by a customer of one's own at a level of one's own.
fn by(customer: &str, level: &str, id: &str, amount: &str) -> Value {
    with(pay(id, amount), &json!({ "merchant_customer_identifier": customer, "customer_level": level }))
}

/// Window, the codes and reasons of its amount and of its quantity.
const WINDOWS: [(&str, &str, &str); 8] = [
    ("daily", "19000 daily_amount_limit_exceeded", "19001 daily_quantity_limit_exceeded"),
    ("weekly", "19002 weekly_amount_limit_exceeded", "19003 weekly_quantity_limit_exceeded"),
    ("monthly", "19004 monthly_amount_limit_exceeded", "19005 monthly_quantity_limit_exceeded"),
    ("45m", "19006 amount_limit_exceeded", "19007 quantity_limit_exceeded"),
    ("6h", "19006 amount_limit_exceeded", "19007 quantity_limit_exceeded"),
    ("30d", "19006 amount_limit_exceeded", "19007 quantity_limit_exceeded"),
    ("90d", "19006 amount_limit_exceeded", "19007 quantity_limit_exceeded"),
    ("lifetime", "19006 amount_limit_exceeded", "19007 quantity_limit_exceeded"),
];

#[test]
fn every_window_passes_up_to_its_limit_and_denies_beyond_with_its_own_code() {
    let mut levels = Vec::new();
    for (window, ..) in WINDOWS {
        let keys = format!("window = \"{window}\"");
        levels.push(level(&format!("amount-{window}"), &filter(&format!("{keys}; amount_limit = \"100.00\""))));
        levels.push(level(&format!("count-{window}"), &filter(&format!("{keys}; quantity_limit = 2"))));
    }
    let daemon = Daemon::live(acme(CRM, &levels));
    for (window, amount_code, quantity_code) in WINDOWS {
        let amount = |id: &str, value: &str| by(&format!("a-{window}"), &format!("amount-{window}"), id, value);
        assert_allowed(daemon.reserve(&amount(&format!("{window}-1"), "60.00")).ok());
        let over = daemon.reserve(&amount(&format!("{window}-2"), "40.01")).ok();
        assert_denied(&over, &[&format!("{amount_code} {window}")]);
        let whole = assert_allowed(daemon.reserve(&amount(&format!("{window}-3"), "40.00")).ok());
        assert_eq!(whole["remaining"]["amount"], "0.00", "{whole}");
        let least = daemon.reserve(&amount(&format!("{window}-4"), "0.01")).ok();
        assert_denied(&least, &[&format!("{amount_code} {window}")]);

        let count = |id: &str| by(&format!("c-{window}"), &format!("count-{window}"), id, "7.00");
        assert_allowed(daemon.reserve(&count(&format!("{window}-5"))).ok());
        let second = assert_allowed(daemon.reserve(&count(&format!("{window}-6"))).ok());
        assert_eq!(second["remaining"]["quantity"], 0, "{second}");
        let third = daemon.reserve(&count(&format!("{window}-7"))).ok();
        assert_denied(&third, &[&format!("{quantity_code} {window}")]);
    }
}

#[test]
fn calendar_windows_carry_the_same_codes_and_a_limit_of_nothing_blocks_the_first_payment() {
    let mut levels = Vec::new();
    for (window, ..) in &WINDOWS[..3] {
        let keys = format!("window = \"{window}\"; calendar = true; name = \"cal\"");
        levels.push(level(&format!("amount-{window}"), &filter(&format!("{keys}; amount_limit = \"0\""))));
        levels.push(level(&format!("count-{window}"), &filter(&format!("{keys}; quantity_limit = 0"))));
    }
    let daemon = Daemon::live(acme(CRM, &levels));
    for (window, amount_code, quantity_code) in &WINDOWS[..3] {
        let amount = daemon.reserve(&by("anna", &format!("amount-{window}"), &format!("{window}-a"), "0.01")).ok();
        assert_denied(&amount, &[&format!("{amount_code} cal")]);
        assert_eq!(amount["remaining"], json!({"amount": "0.00", "quantity": null, "currency": "EUR"}));
        let count = daemon.reserve(&by("anna", &format!("count-{window}"), &format!("{window}-c"), "0.01")).ok();
        assert_denied(&count, &[&format!("{quantity_code} cal")]);
        assert_eq!(count["remaining"], json!({"amount": null, "quantity": 0, "currency": "EUR"}));
    }
}

#[test]
fn methods_are_checked_against_the_endpoint_and_the_level_field_by_field() {
    let levels = [
        level("capped", "  [[levels.methods]]\n  method = \"card\"\n  max_amount = \"50.00\"\n"),
        level(
            "raised",
            "  [[levels.methods]]\n  method = \"card\"\n  min_amount = \"5.00\"\n  max_amount = \"2000.00\"\n",
        ),
        level("shown", "  [[levels.methods]]\n  method = \"voucher\"\n  show_in_form = true\n"),
        level("hiding", "  [[levels.methods]]\n  method = \"card\"\n  show_in_form = false\n"),
    ];
    const ABSENT: &str = "19101 payment_method_not_available -";
    const BELOW: &str = "19102 amount_below_minimum -";
    const ABOVE: &str = "19103 amount_above_maximum -";
    let rows: [(&str, &str, &str, Option<&str>); 20] = [
        ("none", "card", "1.00", None),
        ("none", "card", "0.99", Some(BELOW)),
        ("none", "card", "1000.00", None),
        ("none", "card", "1000.01", Some(ABOVE)),
        ("none", "cash", "0.01", None),
        ("none", "cash", "99999.00", None),
        ("none", "wire", "10.00", Some(ABSENT)),
        ("none", "wire", "0.01", Some(ABSENT)),
        ("none", "voucher", "10.00", Some(ABSENT)),
        ("capped", "card", "50.00", None),
        ("capped", "card", "50.01", Some(ABOVE)),
        ("capped", "card", "0.99", Some(BELOW)),
        ("capped", "cash", "50.01", None),
        ("raised", "card", "2000.00", None),
        ("raised", "card", "2000.01", Some(ABOVE)),
        ("raised", "card", "4.99", Some(BELOW)),
        ("shown", "voucher", "200.00", None),
        ("shown", "voucher", "200.01", Some(ABOVE)),
        ("hiding", "card", "10.00", Some(ABSENT)),
        ("capped", "", "0.01", None),
    ];
    let daemon = Daemon::live(acme(CRM, &levels));
    for (row, (level, method, amount, expected)) in rows.into_iter().enumerate() {
        let body = by("anna", level, &format!("row-{row}"), amount);
        let body = if method.is_empty() { body } else { with(body, &json!({ "payment_method": method })) };
        let answer = daemon.reserve(&body).ok();
        match expected {
            None => drop(assert_allowed(answer)),
            Some(line) => assert_denied(&answer, &[line]),
        }
    }
}

#[test]
fn a_merchant_who_only_hides_methods_is_paid_by_hidden_ones_all_the_same() {
    let levels = [level("hiding", "  [[levels.methods]]\n  method = \"card\"\n  show_in_form = false\n")];
    let daemon = Daemon::live(acme(&format!("{CRM}hidden_methods = \"hide_only\"\n"), &levels));
    let body = |id: &str, method: &str| with(by("anna", "hiding", id, "10.00"), &json!({ "payment_method": method }));
    assert_allowed(daemon.reserve(&body("hidden-by-level", "card")).ok());
    assert_allowed(daemon.reserve(&body("hidden-by-endpoint", "voucher")).ok());
    assert_denied(&daemon.reserve(&body("unknown", "wire")).ok(), &["19101 payment_method_not_available -"]);
}

#[test]
fn a_method_that_is_not_offered_keeps_its_gate_list() {
    let methods = "  [[levels.methods]]\n  method = \"wire\"\n  gates = [\"gate-b\"]\n  [[levels.methods]]\n  method = \"cheque\"\n  gates = [\"gate-off\"]\n";
    let daemon = Daemon::live(acme(CRM, &[level("gold", &format!("gates = [\"gate-off\"]\n{methods}"))]));
    let answer = |method: &str| daemon.check(&with(pay("t", "10.00"), &json!({ "payment_method": method }))).ok();
    assert_denied(&answer("wire"), &["19101 payment_method_not_available -"]);
    assert_denied(&answer("cheque"), &["19101 payment_method_not_available -", "19105 no_gate_available -"]);
    assert_denied(&answer("barter"), &["19101 payment_method_not_available -", "19105 no_gate_available -"]);
    // The customer's own list comes before the level's.
    assert_allowed(daemon.reserve(&with(pay("t1", "10.00"), &json!({ "customer_level": "silver" }))).ok());
    let own = json!({ "methods": [{ "method": "cheque", "gates": ["gate-a"] }] });
    assert_eq!(daemon.send("PUT", "/v1/merchants/acme/customers/1000001/settings/deposit/EUR/gold", &own).status, 200);
    assert_denied(&answer("cheque"), &["19101 payment_method_not_available -"]);
}

#[test]
fn a_payment_that_no_gate_takes_is_denied_and_every_skipped_gate_has_its_reason() {
    let gates = |list: &str| format!("gates = [{list}]\n");
    let levels = [
        level("closed", &gates(r#""gate-off", "gate-out", "gate-usd", "gate-cash", "gate-big", "gate-small""#)),
        level("some", &gates(r#""gate-off", "gate-b", "gate-big", "gate-a""#)),
    ];
    let daemon = Daemon::live(acme(CRM, &levels));
    let card = json!({ "payment_method": "card", "explain": true });
    let answer = daemon.reserve(&with(by("anna", "closed", "t1", "100.00"), &card)).ok();
    assert_denied(&answer, &["19105 no_gate_available -"]);
    let skipped = answer["skipped_gates"].as_array().expect("the skipped gates are listed");
    let names: Vec<&str> = skipped.iter().filter_map(|s| s["gate"].as_str()).collect();
    assert_eq!(names, ["gate-off", "gate-out", "gate-usd", "gate-cash", "gate-big", "gate-small"], "{answer}");
    assert_eq!(skipped[0]["reason"], "disabled", "{answer}");
    let mut reasons: Vec<&str> = skipped.iter().filter_map(|s| s["reason"].as_str()).collect();
    assert_eq!(reasons.len(), 6, "every skipped gate has its reason: {answer}");
    reasons[..5].sort_unstable();
    assert!(reasons[..5].windows(2).all(|pair| pair[0] != pair[1]), "different causes read differently: {answer}");

    let answer = assert_allowed(daemon.reserve(&with(by("anna", "some", "t2", "100.00"), &card)).ok());
    assert_eq!(answer["gates"], json!(["gate-b", "gate-a"]), "in the order listed: {answer}");
    assert_eq!(answer["skipped_gates"].as_array().map(Vec::len), Some(2), "{answer}");
    let answer = assert_allowed(daemon.reserve(&by("anna", "some", "t3", "500.00")).ok());
    assert_eq!(answer["gates"], json!(["gate-b", "gate-big", "gate-a"]), "a minimum is inclusive: {answer}");
    let answer = assert_allowed(daemon.reserve(&by("anna", "closed", "t4", "20.00")).ok());
    assert_eq!(answer["gates"], json!(["gate-cash", "gate-small"]), "no method, no look at methods: {answer}");
}

#[test]
fn several_violations_are_all_reported_in_the_order_of_the_table() {
    let both = |window: &str| filter(&format!("window = \"{window}\"; amount_limit = \"10.00\"; quantity_limit = 0"));
    let filters: String = ["lifetime", "6h", "monthly", "weekly", "daily"].map(both).concat();
    let filters = filters
        + &filter("name = \"world\"; window = \"90d\"; amount_limit = \"10.00\"; for_all_merchant_currencies = true")
        + &filter("name = \"today\"; window = \"daily\"; calendar = true; amount_limit = \"10.00\"");
    let levels = [level(
        "strict",
        &format!(
            "gates = [\"gate-off\"]\n  [[levels.methods]]\n  method = \"card\"\n  min_amount = \"60.00\"\n  max_amount = \"70.00\"\n{filters}"
        ),
    )];
    let daemon = Daemon::live(acme(CRM, &levels));
    // Usage in a currency without a rate makes the filter over all currencies unanswerable.
    let dinars = json!({ "currency": "BHD", "customer_level": null });
    assert_allowed(daemon.reserve(&with(by("anna", "strict", "dinars", "1.000"), &dinars)).ok());
    let limits = [
        "19000 daily_amount_limit_exceeded daily",
        "19000 daily_amount_limit_exceeded today",
        "19001 daily_quantity_limit_exceeded daily",
        "19002 weekly_amount_limit_exceeded weekly",
        "19003 weekly_quantity_limit_exceeded weekly",
        "19004 monthly_amount_limit_exceeded monthly",
        "19005 monthly_quantity_limit_exceeded monthly",
        "19006 amount_limit_exceeded lifetime",
        "19006 amount_limit_exceeded 6h",
        "19007 quantity_limit_exceeded lifetime",
        "19007 quantity_limit_exceeded 6h",
        "19104 rate_unavailable world",
        "19105 no_gate_available -",
    ];
    let rows = [
        ("wire", "50.00", Some("19101 payment_method_not_available -")),
        ("card", "50.00", Some("19102 amount_below_minimum -")),
        ("card", "80.00", Some("19103 amount_above_maximum -")),
        ("card", "65.00", None),
    ];
    for (row, (method, amount, first)) in rows.into_iter().enumerate() {
        let body = with(by("anna", "strict", &format!("row-{row}"), amount), &json!({ "payment_method": method }));
        let expected: Vec<&str> = first.into_iter().chain(limits).collect();
        assert_denied(&daemon.reserve(&body).ok(), &expected);
        assert_denied(&daemon.check(&body).ok(), &expected);
    }
}

#[test]
fn a_rate_that_is_missing_or_stale_denies_only_where_it_is_needed_and_says_which_pair() {
    let world = "window = \"daily\"; amount_limit = \"100.00\"; quantity_limit = 5; for_all_merchant_currencies = true";
    let levels =
        [level("gold", &filter(world)), level("plain", &filter("window = \"daily\"; amount_limit = \"100.00\""))];
    let stale = RATES.replace("2026-11-20T00:00:00Z", "2020-01-01T00:00:00Z\nmax_age = \"24h\"");
    for (rates, currency, amount) in [(RATES, "BHD", "1.000"), (stale.as_str(), "USD", "1.00")] {
        let folder = ConfigFolder::new(&Settings::SYSTEM, &[("acme", acme(CRM, &levels))]);
        folder.write("rates.toml", rates);
        let daemon = Daemon::start(folder);
        assert_allowed(daemon.reserve(&pay("own-currency", "10.00")).ok());
        let foreign = json!({ "currency": currency, "customer_level": null });
        assert_allowed(daemon.reserve(&with(pay("foreign", amount), &foreign)).ok());
        let answer = daemon.reserve(&pay("mixed", "1.00")).ok();
        assert_denied(&answer, &["19104 rate_unavailable daily"]);
        let entry = answer["codes"][0].to_string();
        assert!(entry.contains(currency) && entry.contains("EUR"), "the pair is named: {answer}");
        assert_eq!(answer["remaining"]["amount"], Value::Null, "an unknown amount is left out: {answer}");
        let other = with(pay("level-scope", "1.00"), &json!({ "customer_level": "plain" }));
        assert_allowed(daemon.reserve(&other).ok());
        let clean = with(pay("another-customer", "1.00"), &json!({ "merchant_customer_identifier": "bob" }));
        assert_allowed(daemon.reserve(&clean).ok());
    }
}

#[test]
fn a_shadow_filter_is_reported_but_never_denies_and_one_that_is_off_does_neither() {
    let filters = filter("window = \"daily\"; amount_limit = \"100.00\"; quantity_limit = 9")
        + &filter(
            "name = \"trial\"; window = \"weekly\"; amount_limit = \"10.00\"; quantity_limit = 1; mode = \"shadow\"",
        )
        + &filter("name = \"gone\"; window = \"monthly\"; amount_limit = \"0\"; quantity_limit = 0; mode = \"off\"");
    let daemon = Daemon::live(acme(CRM, &[level("gold", &filters)]));
    let body = |id: &str, amount: &str| with(pay(id, amount), &json!({ "explain": true }));
    assert_allowed(daemon.reserve(&body("t1", "60.00")).ok());
    let answer = assert_allowed(daemon.reserve(&body("t2", "30.00")).ok());
    assert_eq!(answer["remaining"], json!({"amount": "10.00", "quantity": 7, "currency": "EUR"}), "{answer}");
    let limits = answer["limits"].as_array().expect("the limits are explained");
    let trial = limits.iter().find(|l| l["filter"] == "trial").expect("a shadow filter is reported");
    assert_eq!(trial["mode"], "shadow");
    assert_eq!(trial["amount"], json!({"limit": "10.00", "used": "90.00", "remaining": "0.00"}), "{answer}");
    assert_eq!(trial["quantity"], json!({"limit": 1, "used": 2, "remaining": 0}), "{answer}");
    assert_denied(&daemon.reserve(&body("t3", "10.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
}

#[test]
fn a_share_to_warn_at_is_reported_by_the_payment_that_reaches_it() {
    let daemon =
        Daemon::live(gold("name = \"watched\"; window = \"daily\"; amount_limit = \"100.00\"; warn_at = \"80%\""));
    let quiet = assert_allowed(daemon.reserve(&pay("t1", "79.99")).ok());
    assert!(!quiet.to_string().contains("watched"), "nothing to warn of yet: {quiet}");
    let loud = assert_allowed(daemon.reserve(&pay("t2", "0.01")).ok());
    assert!(loud.to_string().contains("watched"), "the filter that warns is named: {loud}");
}

#[test]
fn a_filter_over_all_currencies_counts_every_level_and_compares_without_rounding() {
    let world = |limit: &str| {
        filter(&format!("window = \"daily\"; amount_limit = \"{limit}\"; for_all_merchant_currencies = true"))
    };
    let levels = [
        level("gold", &world("2.01")),
        level("silver", &world("2.00")),
        level_in("deposit", "USD", "gold", &world("100.00")),
    ];
    let daemon = Daemon::live(acme(CRM, &levels));
    // Three times one unit at 1.5 to the euro is two euro exactly, and not a cent's fraction more.
    for currency in ["GBP", "CAD", "CHF"] {
        let body = with(pay(currency, "1.00"), &json!({ "currency": currency, "customer_level": null }));
        assert_allowed(daemon.reserve(&body).ok());
    }
    let silver = with(pay("silver", "0.01"), &json!({ "customer_level": "silver" }));
    assert_denied(&daemon.reserve(&silver).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    let gold = assert_allowed(daemon.reserve(&pay("gold", "0.01")).ok());
    assert_eq!(gold["remaining"]["amount"], "0.00", "{gold}");
    assert_denied(&daemon.reserve(&pay("more", "0.01")).ok(), &["19000 daily_amount_limit_exceeded daily"]);
    // 2.01 EUR is 2.5125 USD: shown used rounds up, shown remaining rounds down.
    let dollars = with(pay("dollars", "1.00"), &json!({ "currency": "USD", "explain": true }));
    let answer = assert_allowed(daemon.reserve(&dollars).ok());
    let expected = json!({"limit": "100.00", "used": "3.52", "remaining": "96.48"});
    assert_eq!(answer["limits"][0]["amount"], expected, "{answer}");
    // Withdrawals are another direction, also under a level of the same name.
    let out = without(with(pay("out", "5.00"), &json!({ "direction": "withdrawal" })), &["customer_level"]);
    assert_allowed(daemon.reserve(&out).ok());
}
