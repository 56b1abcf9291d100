//! Bodies of levels, rates, limits and settings, and their readers alone.

use crate::edits::{Edits, TIME_MS, edited, pick};
use levelgate::{
    config::{self, body},
    domain::{
        rules::level::LevelKey,
        vocabulary::{
            direction::Direction,
            money::{Currencies, Currency},
            names::Name,
        },
    },
};
use std::time::Duration;
use support::fixtures::{RATES, gold};

const BODIES: [&str; 7] = [
    r#"{"status":"active","projects":["web"],"gates":["gate-a"],"routing":"weighted","methods":[{"method":"card","max_amount":"90.00","gates":["gate-a"]}],"filters":[{"window":"daily","amount_limit":"500.00","mode":"shadow","warn_at":"80%","for_all_merchant_currencies":true},{"window":"monthly","month":"same_day","quantity_limit":3}]}"#,
    r#"{"projects":"all","filters":[{"window":"weekly","calendar":true,"week_starts_on":"sunday","amount_limit":1.5,"name":null}],"by":null,"origin":"api"}"#,
    r#"{"base":"EUR","as_of":"2026-11-20T00:00:00Z","max_age":"24h","rates":{"USD":"1.1","JPY":160}}"#,
    r#"{"filters":[{"window":"daily","amount_limit":"50.00","quantity_limit":3,"kind":"deposit_limit"},{"window":"90d","amount_limit":0}],"until":"2027-01-01T00:00:00Z"}"#,
    r#"{"methods":[{"method":"card","show_in_form":true,"min_amount":"1.00","max_amount":50,"gates":["gate-a"]}],"global_limit":{"min_amount":"1","max_amount":null}}"#,
    r#"{"to":"platinum"}"#,
    r#"{"min_amount":"1.00","max_amount":"2"}"#,
];

/// A body is read, or every problem has words. The stored form of a body that was read is read again, as a start does.
#[test]
fn bodies_of_the_configuration_are_read_or_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("rates.toml"), RATES).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), gold("window = \"daily\"; amount_limit = \"50.00\""))
        .unwrap();
    let rules = config::load(folder.path()).unwrap().rules;
    let merchant = rules.merchant("acme").unwrap();
    let (currency, currencies) = (Currency::parse("EUR").unwrap(), &rules.currencies);
    let key =
        LevelKey { merchant: merchant.id, direction: Direction::Deposit, currency, name: Name::parse("gold").unwrap() };
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let sent = edited(pick(&BODIES, *number).as_bytes(), edits);
            let mut problems = Vec::new();
            match body::level(&sent, &key, merchant, currencies, false) {
                Ok(read) => {
                    let again = body::level(read.text.as_bytes(), &key, merchant, currencies, false).unwrap();
                    assert_eq!((again.text, format!("{:?}", again.level)), (read.text, format!("{:?}", read.level)));
                }
                Err(invalid) => problems.extend(invalid.problems),
            }
            match body::rates(&sent, currencies) {
                Ok(read) => {
                    let again = body::rates(read.text.as_bytes(), &Currencies::default()).unwrap();
                    assert!(again.rates.is_table_of(&read.rates), "{}", read.text);
                }
                Err(invalid) => problems.extend(invalid.problems),
            }
            problems.extend(body::limits(&sent, currency, currencies, merchant.id).err().unwrap_or_else(none).problems);
            problems
                .extend(body::settings(&sent, currency, currencies, merchant.id).err().unwrap_or_else(none).problems);
            problems.extend(body::new_name(&sent, merchant.id).err().unwrap_or_else(none).problems);
            assert!(!problems.is_empty(), "no body is all of these");
            assert!(problems.iter().all(|problem| !problem.is_empty()), "{problems:?}");
        },
    );
}

fn none() -> body::InvalidBody {
    body::InvalidBody { problems: Vec::new(), field: None }
}
