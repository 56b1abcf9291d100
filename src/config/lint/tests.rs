//! Each warning with a configuration that causes it, and similar configurations without a warning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use crate::config::{load, report::problem::Severity};
use std::fs;

/// A merchant in `crm` mode: endpoints in EUR and USD, a gate for everything, rates for USD.
const BASE: &str = r#"id = "m"
operation_mode = "crm"
[[gates]]
id = "g"
[[projects]]
id = "p"
endpoints = [
  { id = "eur", currency = "EUR", gates = ["g"], methods = [{ method = "card", min_amount = "5", max_amount = "100" }] },
  { id = "usd", currency = "USD", gates = ["g"], methods = [{ method = "card" }] },
]
[[projects]]
id = "empty"
"#;

/// The warnings about the base merchant with an addition.
fn warnings(added: &str, rates: &str) -> Vec<String> {
    warnings_of(&format!("{BASE}{added}"), rates)
}

/// The warnings about a merchant.
fn warnings_of(merchant: &str, rates: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("merchants")).unwrap();
    fs::write(folder.path().join("merchants/m.toml"), merchant).unwrap();
    fs::write(folder.path().join("rates.toml"), rates).unwrap();
    let loaded = load(folder.path()).unwrap_or_else(|problems| panic!("{merchant}\n{problems}"));
    assert!(loaded.warnings.iter().all(|warning| warning.severity == Severity::Warning));
    loaded.warnings.into_iter().map(|warning| warning.message).collect()
}

/// Each row: an addition to the merchant, and the expected warning; an empty text: no warning.
fn check(rows: &[(&str, &str)]) {
    for (added, want) in rows {
        let actual = warnings(added, "base = \"EUR\"\n[rates]\nUSD = \"1.1\"\n");
        let expected: Vec<&str> = if want.is_empty() { vec![] } else { vec![want] };
        assert_eq!(actual, expected, "{added}");
    }
}

/// A deposit level of EUR in the project `p`, with more keys.
fn level(name: &str, more: &str) -> String {
    format!("[[levels]]\nname = \"{name}\"\ndirection = \"deposit\"\ncurrency = \"EUR\"\nprojects = [\"p\"]\n{more}\n")
}

#[test]
fn an_unreachable_level() {
    let gold = level("gold", "");
    check(&[
        (&gold, ""),
        (&level("gold", "status = \"disabled\""), "no payment reaches level `gold` (deposit EUR): it is disabled"),
        (
            &gold.replace("projects = [\"p\"]\n", ""),
            "no payment reaches level `gold` (deposit EUR): it lists no project",
        ),
        (
            &gold.replace("\"p\"", "\"empty\""),
            "no payment reaches level `gold` (deposit EUR): no endpoint of its projects has its currency",
        ),
        (
            &gold.replace("\"EUR\"", "\"JPY\""),
            "no payment reaches level `gold` (deposit JPY): no endpoint of its projects has its currency",
        ),
        (&gold.replace("gold", "unknown").replace("projects = [\"p\"]\n", ""), ""),
    ]);
}

#[test]
fn a_level_without_an_eligible_gate() {
    let none = "no gate is eligible under level `gold` (deposit EUR): every payment is denied";
    let with = |gate: &str| format!("[[gates]]\nid = \"h\"\n{gate}\n{}", level("gold", "gates = [\"h\"]"));
    check(&[
        (&with(""), ""),
        (&with("enabled = false"), none),
        (&with("directions = [\"withdrawal\"]"), none),
        (&with("currencies = [\"USD\"]"), none),
        (&with("methods = [\"wallet\"]"), none),
        (&with("min_amount = \"100.01\""), none),
        (&with("min_amount = \"100\""), ""),
        (&with("max_amount = \"4.99\""), none),
        (
            &format!(
                "{}[[routes]]\nid = \"r\"\ngates = [\"h\"]\n",
                with("enabled = false").replace("[\"h\"]", "[\"r\"]")
            ),
            none,
        ),
        (&format!("{}methods = [{{ method = \"card\", gates = [\"g\"] }}]\n", with("enabled = false")), ""),
    ]);
}

#[test]
fn a_minimum_above_the_maximum_of_a_level_and_its_endpoint() {
    let expected = "over endpoint `eur`, `card` under level `gold` (deposit EUR) has its minimum above its maximum";
    let with = |keys: &str| level("gold", &format!("methods = [{{ method = \"card\", {keys} }}]"));
    check(&[
        (&with("min_amount = \"100\""), ""),
        (&with("min_amount = \"100.01\""), expected),
        (&with("max_amount = \"4.99\""), expected),
        (&with("min_amount = \"200\", max_amount = \"300\""), ""),
    ]);
}

#[test]
fn a_setting_for_a_method_that_no_endpoint_offers() {
    let with = |method: &str| level("gold", &format!("methods = [{{ method = \"{method}\" }}]"));
    check(&[(&with("card"), ""), (&with("wallet"), "no endpoint under level `gold` (deposit EUR) offers `wallet`")]);
}

#[test]
fn a_filter_without_a_limit() {
    let with = |filter: &str| level("gold", &format!("filters = [{{ window = \"daily\", {filter} }}]"));
    check(&[
        (&with("amount_limit = \"0\""), ""),
        (&with("quantity_limit = 1"), ""),
        (&with("calendar = true"), "filter `daily` has no limit and never denies"),
        (&with("mode = \"off\""), ""),
    ]);
}

#[test]
fn a_filter_over_currencies_without_a_rate() {
    let filter = |more: &str| format!("filters = [{{ window = \"daily\", {more} }}]");
    let all = level("gold", &filter("amount_limit = \"1\", for_all_merchant_currencies = true"));
    let expected =
        ["filter `daily` of level `gold` (deposit EUR) sums all currencies, and there is no rate from USD to \
                     EUR: it denies with rate_unavailable"];
    assert_eq!(warnings(&all, ""), expected);
    assert_eq!(warnings(&all, "base = \"EUR\"\n[rates]\nJPY = \"160\"\n"), expected);
    assert_eq!(warnings(&all, "base = \"EUR\"\n[rates]\nUSD = \"1.1\"\n"), [""; 0]);
    assert_eq!(warnings(&all, "base = \"USD\"\n[rates]\nEUR = \"0.9\"\n"), [""; 0]);
    assert_eq!(warnings(&level("gold", &filter("amount_limit = \"1\"")), ""), [""; 0]);
    assert_eq!(
        warnings(&level("gold", &filter("quantity_limit = 1, for_all_merchant_currencies = true")), ""),
        [""; 0]
    );
    let aged = "base = \"EUR\"\nmax_age = \"1h\"\n[rates]\nUSD = \"1\"\n";
    assert_eq!(warnings("", aged), ["`max_age` without `as_of`: rates of unknown age are never used"]);
}

#[test]
fn limits_that_restart_with_a_change_of_level() {
    let limited_level = |name: &str, more: &str| {
        level(name, &format!("filters = [{{ window = \"daily\", quantity_limit = 1{more} }}]"))
    };
    let resets = "levels `silver`, `gold` (deposit EUR) each count separately: a change of level restarts the limits";
    let silver = limited_level("silver", "");
    let silver = silver.as_str();
    let all = ", for_all_merchant_currencies = true";
    check(&[
        (silver, ""),
        (&(silver.to_owned() + &limited_level("gold", "")), resets),
        (&(silver.to_owned() + &limited_level("gold", all)), ""),
        (&(silver.to_owned() + &limited_level("gold", ", mode = \"shadow\"")), ""),
        (&(silver.to_owned() + &limited_level("gold", "").replace("EUR", "USD")), ""),
        (&(silver.to_owned() + &limited_level("gold", "").replace("deposit", "withdrawal")), ""),
    ]);
}

#[test]
fn unused_gates_and_routes_and_gates_that_serve_nothing() {
    check(&[
        ("[[gates]]\nid = \"h\"\n", "nothing uses gate `h`"),
        ("[[routes]]\nid = \"r\"\ngates = [\"g\"]\n", "nothing uses route `r`"),
        (&format!("[[gates]]\nid = \"h\"\n{}", level("gold", "gates = [\"h\"]")), ""),
        (
            &format!("[[gates]]\nid = \"h\"\n{}", level("gold", "methods = [{ method = \"card\", gates = [\"h\"] }]")),
            "",
        ),
        (
            &format!("[[gates]]\nid = \"h\"\nmethods = []\n{}", level("gold", "gates = [\"g\", \"h\"]")),
            "a gate with an empty list here serves nothing",
        ),
    ]);
}

#[test]
fn weighted_routing_without_weights() {
    let weightless = "all gates of weighted routing have weight 0: they are tried in the listed order";
    let gates = "[[gates]]\nid = \"h\"\nweight = 0\n[[gates]]\nid = \"i\"\nweight = 0\n";
    let level = |list: &str, routing: &str| {
        gates.to_owned() + &level("gold", &format!("gates = {list}\nrouting = \"{routing}\""))
    };
    let route = "[[routes]]\nid = \"r\"\ngates = [\"h\", \"i\"]\nrouting = \"weighted\"\n";
    check(&[
        (&level("[\"h\", \"i\"]", "weighted"), weightless),
        (&level("[\"h\", \"i\"]", "priority"), ""),
        (&level("[\"h\", \"i\", \"g\"]", "weighted"), ""),
        (&(level("[\"r\"]", "priority") + route), weightless),
    ]);
}

#[test]
fn a_name_that_is_listed_twice() {
    check(&[
        (&level("gold", "gates = [\"g\", \"g\"]"), "`g` is listed twice"),
        (&level("gold", "").replace("[\"p\"]", "[\"p\", \"empty\", \"p\"]"), "`p` is listed twice"),
    ]);
}

/// A label with more keys.
fn label(name: &str, more: &str) -> String {
    format!("[[labels]]\nname = \"{name}\"\n{more}\n")
}

#[test]
fn a_first_label_that_blocks_every_new_customer() {
    let gone = label("gone", "kind = \"deleted\"");
    let held_label = label("held", "restrictions = [\"block_transactions\"]");
    let good = label("good", "restrictions = [\"block_merge\"]");
    check(&[
        (&gone, "every new customer is blocked: label `gone` is the first one"),
        (&format!("{held_label}{good}"), "every new customer is blocked: label `held` is the first one"),
        (&format!("{good}{held_label}{gone}"), ""),
    ]);
}

#[test]
fn a_misspelt_restriction() {
    check(&[
        (
            &label("a", "restrictions = [\"block_deposit\"]"),
            "restriction `block_deposit` is not enforced, only returned",
        ),
        (&label("a", "restrictions = [\"Mark-Outlier\"]"), "restriction `Mark-Outlier` is not enforced, only returned"),
        (&label("a", "restrictions = [\"block_deposits\", \"call_first\"]"), ""),
    ]);
}

#[test]
fn ineffective_merging() {
    let registration = |more: &str| format!("[registration]\nmerge_on_duplicate = true\n{more}\n");
    check(&[
        (&registration("email.unique = true"), ""),
        (&registration("primary_identifier = \"external_id\""), ""),
        (&registration(""), "`merge_on_duplicate` never merges customers: no identifier is `unique`"),
        (
            &registration("email.unique = true\nstrict_primary_check = true"),
            "`merge_on_duplicate` never merges customers: `strict_primary_check` refuses the registration first",
        ),
        (
            &registration("email.unique = true\nskip_secondary_on_primary_mismatch = true"),
            "`merge_on_duplicate` never merges customers: `skip_secondary_on_primary_mismatch` ignores the mismatch first",
        ),
    ]);
}

#[test]
fn customers_without_an_identity() {
    let registration = "[registration]\nprimary_identifier = \"customer_id\"\n";
    let want = "`customer_id` as `primary_identifier` in `crm` mode: a customer who is registered without another \
                identifier is found by no payment";
    check(&[(registration, want)]);
    let gateway = format!("{BASE}{registration}").replace("\"crm\"", "\"payment_gateway\"");
    assert_eq!(warnings_of(&gateway, ""), Vec::<String>::new());
}

#[test]
fn replaced_identities() {
    let project = "[[projects]]\nid = \"ids\"\nclient_definition = [\"external_id\"]\nendpoints = [\n  \
                   { id = \"eur\", currency = \"EUR\", gates = [\"g\"] },\n]\n";
    let ids = |more: &str| format!("[registration.external_id]\nlength = 9\nprefix = \"A\"\n{more}\n");
    let want = "`replace` leaves alone the external ids of payments in project `ids`, whose `client_definition` recognises \
                customers by them";
    check(&[
        (&format!("{project}{}", ids("replace = true")), want),
        (&format!("{project}{}", ids("replace = true\nsources = [\"payment\"]")), want),
        (&format!("{project}{}", ids("replace = true\nsources = [\"api\", \"import\"]")), ""),
        (&format!("{project}{}", ids("replace = false")), ""),
        (&ids("replace = true"), ""),
    ]);
}

#[test]
fn readable_personal_identifiers() {
    let expected = |word| {
        format!(
            "customers are identified by `{word}`: a value that is sent as `merchant_customer_identifier` is readable in the \
             journal, the snapshots and the archive; a value that is sent as `{word}` is sealed"
        )
    };
    let primary = |word| format!("[registration]\nprimary_identifier = \"{word}\"\n");
    check(&[
        (&primary("email"), &expected("email")),
        (&primary("phone"), &expected("phone")),
        (&primary("external_id"), ""),
        (&primary("merchant_customer_identifier"), ""),
    ]);
    // Top-level keys come before all tables.
    let sealed = BASE.replace("id = \"m\"\n", "id = \"m\"\nseal_identifiers = true\n");
    assert_eq!(warnings_of(&format!("{sealed}{}", primary("email")), ""), Vec::<String>::new());
}
