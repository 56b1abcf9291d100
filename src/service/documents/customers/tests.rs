//! A document that is sent back has the meaning that it had.

use crate::{
    config::body::{self, object},
    domain::{
        customer::{
            individual_settings::IndividualSettings,
            instruments::Instrument,
            own_limits::{LimitKind, OwnLimits},
        },
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
    },
    service::documents::{
        customers::{
            instrument::{InstrumentDocument, read_instrument},
            limits::LimitsDocument,
            own_rate::{OwnRateDocument, own_rates},
            settings::SettingsDocument,
        },
        description::Description,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn euro() -> Currency {
    Currency::parse("EUR").unwrap()
}

fn merchant() -> Name {
    Name::parse("m").unwrap()
}

/// The merchant of a file that has its id alone.
fn acme() -> Merchant {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), "id = \"acme\"\n").unwrap();
    let loaded = crate::config::load(folder.path()).unwrap();
    Merchant::clone(loaded.rules.merchant("acme").unwrap())
}

fn amount() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        (1_u32..9_999_999).prop_map(|minor| json!(format!("{}.{:02}", minor / 100, minor % 100)))
    ]
}

/// A filter as it is sent. Only calendar weeks have a first day.
fn filter() -> impl Strategy<Value = Value> {
    let window = prop_oneof![
        Just(json!({ "window": "daily" })),
        Just(json!({ "window": "daily", "calendar": true })),
        Just(json!({ "window": "weekly" })),
        Just(json!({ "window": "weekly", "calendar": true, "week_starts_on": "monday" })),
        Just(json!({ "window": "weekly", "calendar": true, "week_starts_on": "sunday" })),
        Just(json!({ "window": "monthly" })),
        Just(json!({ "window": "monthly", "calendar": true })),
        Just(json!({ "window": "monthly", "month": "same_day" })),
        Just(json!({ "window": "lifetime" })),
        Just(json!({ "window": "90d" })),
        Just(json!({ "window": "36h" })),
    ];
    (window, amount(), 0_u64..1_000, any::<bool>(), any::<bool>(), proptest::option::of(1_u32..=10_000)).prop_map(
        |(mut filter, amount, quantity, is_of_merchant, subtracts, warn_at)| {
            filter["amount_limit"] = amount;
            filter["quantity_limit"] = json!(quantity);
            filter["for_all_merchant_currencies"] = json!(is_of_merchant);
            filter["subtract_cancel_transactions"] = json!(subtracts);
            filter["mode"] = json!(if subtracts == is_of_merchant { "shadow" } else { "enforce" });
            filter["warn_at"] = json!(warn_at.map(|share| format!("{}.{:02}%", share / 100, share % 100)));
            filter
        },
    )
}

proptest! {
    #[test]
    fn limits_that_are_sent_back_are_the_same(
        first in filter(), second in filter(), is_deposit in any::<bool>(), is_confirmed in any::<bool>(),
    ) {
        let (rules, merchant) = (Rules::default(), acme());
        let read = |body: &Value| body::limits(body.to_string().as_bytes(), euro(), &rules.currencies, merchant.id);
        let mut second = second;
        second["name"] = json!("second");
        let sent = read(&json!({ "filters": [first, second] })).map_err(|invalid| invalid.problems);
        prop_assert!(sent.is_ok(), "{:?}", sent.err());
        let sent = sent.unwrap_or_else(|_| unreachable!()).filters;
        let direction = if is_deposit { Direction::Deposit } else { Direction::Withdrawal };
        let limits = OwnLimits {
            own: sent.clone(),
            operator: sent[..1].to_vec(),
            until: Some(Millis(2_000)),
            confirmed_at: is_confirmed.then_some(Millis(1_000)),
            ..OwnLimits::none(direction, euro())
        };
        let shown = json!(LimitsDocument::of(&limits, &rules, &merchant, Millis(1_500)));
        let again = read(&shown).map_err(|invalid| invalid.problems);
        prop_assert!(again.is_ok(), "{shown}: {:?}", again.err());
        let again = again.unwrap_or_else(|_| unreachable!());
        prop_assert_eq!(&again.filters, &sent);
        let kind = |filter| Some(LimitKind::of(filter, direction, merchant.refunds).word().to_owned());
        prop_assert_eq!(again.kinds, sent.iter().map(kind).collect::<Vec<_>>());
        let description = Description::read(shown.to_string().as_bytes(), &body::LIMITS_DESCRIPTION).unwrap();
        prop_assert!(description.check(&shown).is_ok() && description.has("operator"), "{}", shown);
    }

    #[test]
    fn settings_that_are_sent_back_are_the_same(
        low in 1_u64..500, high in 500_u64..9_000, shows in proptest::option::of(any::<bool>()), has_gates in any::<bool>(),
    ) {
        let rules = Rules::default();
        let gates = if has_gates { json!(["a", "b"]) } else { Value::Null };
        let sent = json!({
            "methods": [{
                "method": "card", "min_amount": low, "max_amount": high, "show_in_form": shows, "gates": gates,
            }],
            "global_limit": { "min_amount": low, "max_amount": null },
        });
        let read = |body: &Value| {
            let read = body::settings(body.to_string().as_bytes(), euro(), &rules.currencies, merchant()).unwrap();
            IndividualSettings {
                direction: Direction::Deposit,
                currency: euro(),
                level: merchant(),
                methods: read.methods,
                global_min: read.global_min,
                global_max: read.global_max,
            }
        };
        let settings = read(&sent);
        prop_assert_eq!(read(&json!(SettingsDocument::of(&settings, &rules))), settings);
    }

    #[test]
    fn instruments_that_are_sent_back_are_the_same(
        is_card in any::<bool>(), month in 1_u32..=12, is_default in any::<bool>(), is_on_file in any::<bool>(),
    ) {
        let bare = Instrument::bare("token", Millis(0));
        let read = |body: &Value| read_instrument(body.to_string().as_bytes()).unwrap().applied_to(bare.clone()).unwrap();
        let stored = read(&json!({
            "type": if is_card { "card" } else { "bank_account" },
            "masked_number": "****1111",
            "expires": format!("2031-{month:02}"),
            "default": is_default,
            "card_on_file": is_on_file,
        }));
        let mut shown = json!(InstrumentDocument::of(&stored, false));
        // These members are in the path, or follow from payments.
        for key in ["payment_instrument", "saved_at", "last_success_at", "successful_payments"] {
            shown.as_object_mut().unwrap().remove(key);
        }
        prop_assert_eq!(read(&shown), stored);
    }

    #[test]
    fn own_rates_that_are_sent_back_are_the_same(mantissa in 1_u64..9_999_999, units in 1_u32..=1_000_000, at in 0_i64..4_000_000) {
        let rules = Rules::default();
        let read = |rate: &Value| {
            let body = json!({ "rates": [rate] }).to_string();
            own_rates(object(body.as_bytes()).unwrap().0[0].1, &rules).unwrap()
        };
        let valid_from = Millis(at * 1_000).to_string();
        let rate = format!("{}.{:04}", mantissa / 10_000, mantissa % 10_000);
        let sent = read(&json!({ "from": "EUR", "to": "USD", "rate": rate, "units": units, "valid_from": valid_from }));
        prop_assert_eq!(read(&json!(OwnRateDocument::of(&sent[0]))), sent);
    }
}
