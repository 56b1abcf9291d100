//! Lines of a batch, which have the fields of the single calls.

use crate::edits::{Edits, TIME_MS, edited, pick};
use arc_swap::ArcSwap;
use levelgate::{
    clock::{Clock, Source},
    config,
    domain::{decision::clock_skew::ClockSkew, rules::configuration::Rules},
    ledger::{Ledger, LedgerLimits, LedgerStorage},
    service::{
        commit::AnswerGate,
        payments::{PaymentService, lines::answer_line},
    },
    telemetry::metrics::Meters,
};
use serde_json::Value;
use std::{sync::LazyLock, time::Duration};
use support::fixtures::{RATES, gold};

pub(crate) const LINES: [&str; 8] = [
    r#"{"op":"reserve","merchant":"acme","transaction_id":"t-1","project":"web","endpoint":"web-eur","direction":"deposit","amount":"125.50","currency":"EUR","payment_method":"card","merchant_customer_identifier":"alice","customer_level":"gold","customer":{"email":"alice@example.com","phone":"+4930123456"},"payment_instrument":"tok_81","occurred_at":"2026-11-20T10:00:00Z","explain":false}"#,
    r#"{"op":"reserve","merchant":"acme","transaction_id":"t-2","direction":"deposit","amount":1.5e1,"currency":"EUR","merchant_customer_identifier":null,"customer_level":""}"#,
    r#"{"op":"check","merchant":"acme","direction":"deposit","amount":"10","currency":"USD","explain":true,"as_of":"2026-11-20T10:00:00.123Z"}"#,
    r#"{"op":"payment","merchant":"acme","transaction_id":"t-3","direction":"withdrawal","amount":"7.00","currency":"JPY","merchant_customer_identifier":"bob","at":"2026-11-20T10:00:00Z"}"#,
    r#"{"op":"approve","merchant":"acme","transaction_id":"t-1","amount":"25.00","capture_id":"c-1","final":false,"gate":"gate-a"}"#,
    r#"{"op":"cancel","merchant":"acme","transaction_id":"t-1","amount":"5.00","cancel_id":"x-1","of":"reservation"}"#,
    r#"{"op":"attempt","merchant":"acme","transaction_id":"t-1","attempt":1,"gate":"gate-a","outcome":"declined"}"#,
    r#"{"op":"extend","merchant":"acme","transaction_id":"t-1","until":"2026-11-20T12:00:00+01:00"}"#,
];

/// The rules of a merchant whose level has a daily limit.
pub(crate) fn rules(daily_limit: &str) -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("rates.toml"), RATES).unwrap();
    let merchant = gold(&format!("window = \"daily\"; amount_limit = \"{daily_limit}\"; quantity_limit = 10"));
    std::fs::write(folder.path().join("merchants/acme.toml"), merchant).unwrap();
    config::load(folder.path()).unwrap().rules
}

pub(crate) fn service() -> PaymentService {
    let limits =
        LedgerLimits { transactions_max: u64::MAX, skew: ClockSkew { past_ms: i64::MAX / 4, future_ms: i64::MAX / 4 } };
    PaymentService {
        ledger: Ledger::new(limits, LedgerStorage::in_memory((7, 7))),
        rules: ArcSwap::from_pointee(rules("500.00")),
        clock: Clock::new(Source::Requests),
        meters: Meters::new(),
        body_bytes_max: 65_536,
        gate: AnswerGate::local(),
    }
}

/// Each line gets one line of JSON, and a refusal is the caller's fault.
#[test]
fn payment_lines_get_one_answer_each() {
    // The state grows with the inputs. What is checked does not depend on it.
    static SERVICE: LazyLock<PaymentService> = LazyLock::new(service);
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let line = edited(pick(&LINES, *number).as_bytes(), edits);
            let mut out = Vec::new();
            let problem = answer_line(&SERVICE, Ok(&line), &mut out, |_| Ok(()));
            let text = String::from_utf8(out).expect("UTF-8");
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            let answer: Value = serde_json::from_str(&text).expect("JSON");
            match problem {
                Some(problem) => {
                    assert!((400..500).contains(&problem.status), "{text}");
                    assert_eq!(answer["code"], problem.code.as_ref(), "{text}");
                    assert!(!problem.detail.is_empty(), "{text}");
                }
                None => assert!(answer["status"].is_string(), "{text}"),
            }
        },
    );
}
