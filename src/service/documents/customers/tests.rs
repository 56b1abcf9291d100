//! A document that is sent back has the meaning that it had.

use crate::{
    config::body::{self, object},
    domain::{
        customer::{
            individual_settings::IndividualSettings,
            instruments::Instrument,
            own_limits::{LimitKind, OwnLimits},
        },
        rules::{configuration::Rules, merchant::RefundPolicy},
        vocabulary::{
            direction::Direction,
            money::{Currencies, Currency},
            names::Name,
            time::Millis,
        },
    },
    service::documents::customers::{
        instrument::{InstrumentDocument, read_instrument},
        limits::filter_document,
        own_rate::{OwnRateDocument, own_rates},
        settings::settings_document,
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
    (window, amount(), 0_u64..1_000, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(mut filter, amount, quantity, is_of_merchant, subtracts, warns)| {
            filter["amount_limit"] = amount;
            filter["quantity_limit"] = json!(quantity);
            filter["for_all_merchant_currencies"] = json!(is_of_merchant);
            filter["subtract_cancel_transactions"] = json!(subtracts);
            filter["mode"] = json!(if warns { "warn" } else { "enforce" });
            filter
        },
    )
}

proptest! {
    #[test]
    fn filters_that_are_sent_back_are_the_same(filter in filter(), is_deposit in any::<bool>()) {
        let read = |body: &Value| {
            let body = json!({ "filters": [body] }).to_string();
            body::limits(body.as_bytes(), euro(), &Currencies::default(), merchant())
        };
        // Some pairs of keys exclude each other.
        let Ok(sent) = read(&filter) else { return Ok(()) };
        let direction = if is_deposit { Direction::Deposit } else { Direction::Withdrawal };
        let units = Currencies::default().units(euro());
        let limits = OwnLimits { own: sent.filters.clone(), ..OwnLimits::none(direction, euro()) };
        let kind = LimitKind::of(&limits.own[0], direction, RefundPolicy::None);
        let shown = filter_document(&limits.own[0], kind, units);
        let again = read(&shown);
        prop_assert!(again.is_ok(), "{shown}: {again:?}");
        let again = again.unwrap();
        prop_assert_eq!(again.filters, sent.filters);
        prop_assert_eq!(again.kinds, vec![Some(kind.word().to_owned())]);
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
        let mut shown = settings_document(&settings, &rules);
        // These members are in the path of a request.
        for key in ["direction", "currency", "level"] {
            shown.as_object_mut().unwrap().remove(key);
        }
        prop_assert_eq!(read(&shown), settings);
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
