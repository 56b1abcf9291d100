//! A document that is sent back has the meaning that it had.

use crate::{
    config::body::{self, object},
    domain::{
        customer::{
            individual_settings::IndividualSettings,
            instruments::{CardOnFile, CardOnFileType, Instrument, InstrumentState, InstrumentType},
            own_limits::{LimitKind, OwnLimits},
        },
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{
            calendar::{LocalTime, month::Month},
            direction::Direction,
            money::Currency,
            names::Name,
            time::Millis,
            words::Word,
        },
    },
    service::documents::{
        customers::{
            instrument::{InstrumentContext, InstrumentDocument, read_instrument},
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

/// Months around the expiry of [`instrument`].
fn month_before_or_after() -> impl Strategy<Value = Month> {
    (24_320_u32..24_330).prop_map(Month)
}

/// A stored instrument, also with what earlier versions recorded.
fn instrument() -> impl Strategy<Value = Instrument> {
    let masked =
        prop_oneof![Just(None), Just(Some("411111******1111")), Just(Some("555555******4444")), Just(Some("****1111"))];
    let brand = prop_oneof![Just(None), Just(Some("visa")), Just(Some("own brand"))];
    let on_file = prop_oneof![
        Just(CardOnFile::No),
        Just(CardOnFile::OfUnknownType),
        prop::sample::select(CardOnFileType::WORDS).prop_map(|(_, known)| CardOnFile::OfType(known)),
    ];
    let state = prop::sample::select(InstrumentState::WORDS).prop_map(|(_, state)| state);
    let expires = prop::option::of(month_before_or_after());
    let used = prop::option::of(0_i64..5_000);
    (masked, brand, on_file, state, expires, used, any::<bool>()).prop_map(
        |(masked, brand, on_file, recorded_state, expires, used, is_default)| Instrument {
            kind: InstrumentType::Card,
            masked: masked.map(Into::into),
            sent_brand: brand.map(Into::into),
            on_file,
            recorded_state,
            expires,
            last_success_at: used.map(Millis),
            successes: u64::from(used.is_some()),
            is_default,
            ..Instrument::bare("token", Millis(1)).stored_at(Millis(1))
        },
    )
}

/// Some members of an update.
fn instrument_body() -> impl Strategy<Value = Value> {
    let word = |words: &'static [&'static str]| prop::sample::select(words).prop_map(|word| json!(word));
    let members: Vec<(&'static str, BoxedStrategy<Value>)> = vec![
        ("masked_number", prop_oneof![Just(Value::Null), word(&["411111******1111", "555555******4444"])].boxed()),
        ("brand", word(&["visa", "mastercard", "own brand"]).boxed()),
        (
            "expires",
            prop_oneof![Just(Value::Null), month_before_or_after().prop_map(|month| json!(month.to_string()))].boxed(),
        ),
        ("state", word(&["active", "expired", "invalid", "blocked"]).boxed()),
        ("default", any::<bool>().prop_map(Value::from).boxed()),
        ("card_on_file_type", word(&["unscheduled", "recurring", "installment"]).boxed()),
    ];
    let members: Vec<_> = members
        .into_iter()
        .map(|(key, value)| prop::option::of(value).prop_map(move |value| value.map(|value| (key.to_owned(), value))))
        .collect();
    members.prop_map(|members| Value::Object(members.into_iter().flatten().collect()))
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
        stored in instrument(), sent in instrument_body(), is_blocked in any::<bool>(), order in 1_usize..100,
        now in month_before_or_after(),
    ) {
        let local = LocalTime::utc(Millis::parse(&format!("{now}-15T12:00:00Z")).unwrap());
        let context = InstrumentContext { local, is_blocked, order };
        let read = |body: &Value| read_instrument(body.to_string().as_bytes()).unwrap();
        let shown = json!(InstrumentDocument::of(&stored, &context));
        prop_assert_eq!(read(&shown).applied_to(stored.clone(), &context), Ok(stored.clone()), "{}", shown);
        // The same after a change, and every member of the change is in force.
        let Ok(changed) = read(&sent).applied_to(stored, &context) else { return Ok(()) };
        let shown = json!(InstrumentDocument::of(&changed, &context));
        for (member, value) in sent.as_object().unwrap() {
            let is_state_of_month = member == "state" && value != &shown["state"];
            prop_assert!(is_state_of_month || shown[member] == *value, "{} of {}", member, shown);
        }
        prop_assert_eq!(read(&shown).applied_to(changed.clone(), &context), Ok(changed), "{}", shown);
    }

    #[test]
    fn members_that_follow_from_payments_are_refused_by_name(stored in instrument(), order in 1_usize..100) {
        let context = InstrumentContext { local: LocalTime::utc(Millis(0)), is_blocked: false, order };
        for (member, other) in [
            ("payment_instrument", json!("another")),
            ("saved_at", json!("2026-01-01T00:00:00Z")),
            ("last_success_at", json!("2026-01-01T00:00:00Z")),
            ("successful_payments", json!(7_000)),
            ("order", json!(7_000)),
            ("order", json!(order.to_string())),
            ("state", json!("blocked")),
        ] {
            let update = read_instrument(json!({ member: other }).to_string().as_bytes()).unwrap();
            let refused = update.applied_to(stored.clone(), &context).unwrap_err();
            prop_assert_eq!(refused.field(), Some(member), "{}", refused);
        }
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
