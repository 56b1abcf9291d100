//! The bytes of changes, and a generator of changes.

use super::{arbitrary::*, *};
use crate::domain::{
    customer::{
        audit::{AuditEntry, ChangeSource},
        change::CustomerChange,
        individual_settings::{IndividualMethod, IndividualSettings},
        instruments::{CardOnFile, CardOnFileType, Instrument, InstrumentState, InstrumentType},
        own_limits::{OwnLimits, PendingRaise},
        status::{CustomerStatus, StatusFactors, Suspicion},
        stored_identifier::StoredIdentifier,
    },
    rules::{
        filter::{Filter, FilterMode, FilterScope, WindowClass},
        rates::OwnRate,
    },
    vocabulary::{
        calendar::{WeekStart, Window, month::Month},
        money::Decimal,
    },
};
use proptest::{collection::vec, option, prelude::*};

/// The digest of sealed identifiers.
const DIGEST: u128 = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;

fn filter(window: Window) -> Filter {
    Filter {
        name: name("f"),
        class: WindowClass::Daily,
        window,
        amount_limit: None,
        quantity_limit: None,
        scope: FilterScope::Customer,
        subtract_cancels: false,
        mode: FilterMode::Enforce,
        warn_at: None,
    }
}

const WINDOWS: [Window; 7] = [
    Window::Rolling(86_400_000),
    Window::RollingMonth,
    Window::Lifetime,
    Window::Day,
    Window::Week(WeekStart::Monday),
    Window::Week(WeekStart::Sunday),
    Window::Month,
];

/// With every option.
fn full_filter() -> Filter {
    Filter {
        class: WindowClass::Other,
        amount_limit: Some(300),
        quantity_limit: Some(2),
        scope: FilterScope::Merchant,
        subtract_cancels: true,
        mode: FilterMode::Shadow,
        warn_at: Some(8_000),
        ..filter(Window::Day)
    }
}

fn limits(own: Vec<Filter>) -> OwnLimits {
    OwnLimits { own, ..OwnLimits::none(Direction::Deposit, eur()) }
}

/// Every change and each of its variants and options, with its bytes.
pub(super) fn golden() -> Vec<(&'static str, RecordedEvent, &'static str)> {
    let changed = |change| RecordedEvent::Customer(CustomerEvent::CustomerChanged(change));
    let audit_entry_of = |by: Option<&str>, previous: Option<u64>, source, job| {
        let (by, previous) = (by.map(name), previous.map(LogOffset));
        RecordedEvent::Customer(CustomerEvent::AuditEntry(AuditEntry { at: Millis(1), source, by, previous, job }))
    };
    let audit_entry = |by, previous, source| audit_entry_of(by, previous, source, None);
    let created =
        |identifier| RecordedEvent::Customer(CustomerEvent::Created { merchant: name("m"), identifier, at: Millis(1) });
    let standing =
        |consent, suspicion| changed(CustomerChange::StatusFactors(StatusFactors::new(consent, suspicion).unwrap()));
    let settings = IndividualSettings {
        direction: Direction::Deposit,
        currency: eur(),
        level: name("gold"),
        methods: Vec::new(),
        global_min: None,
        global_max: None,
    };
    let own = |show_in_form, min_amount, max_amount, gates| IndividualMethod {
        method: name("card"),
        show_in_form,
        min_amount,
        max_amount,
        gates,
    };
    let methods = vec![
        own(Some(true), None, Some(5), Some(vec![name("g")])),
        own(Some(false), Some(300), None, None),
        own(None, None, None, Some(Vec::new())),
    ];
    let bare = Instrument::bare("tok", Millis(1));
    let whole = Instrument {
        kind: InstrumentType::Card,
        masked: Some("411111******1111".into()),
        expires: Some(Month(24_323)),
        last_success_at: Some(Millis(2)),
        successes: 300,
        recorded_state: InstrumentState::Expired,
        is_default: true,
        on_file: CardOnFile::OfUnknownType,
        is_stored: true,
        ..bare.clone()
    };
    let with_brand = Instrument {
        on_file: CardOnFile::OfType(CardOnFileType::Recurring),
        sent_brand: Some("visa".into()),
        ..whole.clone()
    };
    let rate = Decimal { mantissa: 10_872, scale: 4 };
    let rates =
        vec![OwnRate { from: eur(), to: Currency::parse("USD").unwrap(), rate, units: 100, valid_from: Millis(1) }];
    let full = full_filter();
    let raise = |confirm_until| PendingRaise { from: Millis(2), confirm_until, filters: vec![full.clone()] };
    vec![
        ("audit_entry", audit_entry(None, None, ChangeSource::Payment), "09000201"),
        ("audit_entry by a token", audit_entry(Some("ops"), Some(300), ChangeSource::Api), "09030202036f7073ac02"),
        ("audit_entry, upload", audit_entry(None, Some(0), ChangeSource::Upload), "0902020300"),
        ("audit_entry of a job", audit_entry_of(None, None, ChangeSource::Upload, Some(300)), "09040203ac02"),
        (
            "audit_entry of a job, with all",
            audit_entry_of(Some("x"), Some(1), ChangeSource::Api, Some(2)),
            "0907020201780102",
        ),
        ("audit_entry, system", audit_entry(Some("x"), None, ChangeSource::System), "090102040178"),
        (
            "attributes",
            changed(CustomerChange::Attributes { set: attributes(), removed: AttributeSet(0) }),
            "0a000aa5fffc9ebf9df3fd9b9a",
        ),
        (
            "attributes gone",
            changed(CustomerChange::Attributes { set: Attributes::default(), removed: AttributeSet(0x1fff) }),
            "0aff3f00",
        ),
        (
            "attributes of staff gone",
            changed(CustomerChange::Attributes { set: Attributes::default(), removed: AttributeSet(0x3_e000) }),
            "0a80c00f00",
        ),
        ("status", changed(CustomerChange::Status(CustomerStatus::Deny)), "0b04"),
        ("standing", standing(CustomerStatus::Member, None), "210002"),
        ("standing, suspicious", standing(CustomerStatus::New, Some(Suspicion::Flagged)), "21010105"),
        ("standing, fraud", standing(CustomerStatus::Deny, Some(Suspicion::CustomerFraud)), "21010406"),
        ("standing, fraud of instruments", standing(CustomerStatus::New, Some(Suspicion::InstrumentFraud)), "21030106"),
        ("labels", changed(CustomerChange::Labels(vec![name("vip"), name("x")])), "0c02037669700178"),
        ("labels gone", changed(CustomerChange::Labels(Vec::new())), "0c00"),
        ("settings gone", changed(CustomerChange::Settings(settings.clone())), "0d000145555204676f6c6400"),
        (
            "settings",
            changed(CustomerChange::Settings(IndividualSettings {
                methods,
                global_min: Some(1),
                global_max: Some(300),
                ..settings
            })),
            "0d030145555204676f6c6401ac02031b046361726405010167050463617264ac0210046361726400",
        ),
        ("limits removed", changed(CustomerChange::Limits(limits(Vec::new()))), "1c00014555520000"),
        (
            "limits",
            changed(CustomerChange::Limits(limits(WINDOWS.map(filter).to_vec()))),
            "1c000145555207000166010180f0b252030100016601020301000166010303010001660104030100016601050301000166010603010001660107030100",
        ),
        (
            "limits, all",
            changed(CustomerChange::Limits(OwnLimits {
                pending: Some(raise(None)),
                operator: vec![full.clone()],
                until: Some(Millis(3)),
                ..limits(Vec::new())
            })),
            "1c05014555520004010f016604040202ac0202c03e010f016604040202ac0202c03e06",
        ),
        (
            "limits, a raise to be confirmed",
            changed(CustomerChange::Limits(OwnLimits {
                pending: Some(raise(Some(Millis(300)))),
                ..limits(vec![filter(Window::Day)])
            })),
            "1c0301455552010001660104030104d804010f016604040202ac0202c03e00",
        ),
        (
            "limits, confirmed",
            changed(CustomerChange::Limits(OwnLimits {
                until: Some(Millis(3)),
                confirmed_at: Some(Millis(4)),
                ..limits(Vec::new())
            })),
            "1c0c0145555200000608",
        ),
        ("switched off", changed(CustomerChange::DisabledProjects(vec![name("web")])), "0f0103776562"),
        ("rates", changed(CustomerChange::Rates(rates)), "1001455552555344782a0000000000000000000000000000046402"),
        ("instrument, bare", changed(CustomerChange::Instrument(bare.clone())), "110003746f6b03020001"),
        (
            "instrument, stored and bare",
            changed(CustomerChange::Instrument(Instrument { is_stored: true, ..bare.clone() })),
            "11800103746f6b03020001",
        ),
        (
            "instrument, not stored and invalid",
            changed(CustomerChange::Instrument(Instrument { recorded_state: InstrumentState::Invalid, ..bare })),
            "11800103746f6b03020003",
        ),
        (
            "instrument, whole",
            changed(CustomerChange::Instrument(whole)),
            "111f03746f6b01103431313131312a2a2a2a2a2a3131313183be010204ac0202",
        ),
        (
            "instrument, with brand and type on file",
            changed(CustomerChange::Instrument(with_brand)),
            "117f03746f6b01103431313131312a2a2a2a2a2a3131313183be010204ac0202047669736102",
        ),
        ("instrument removed", changed(CustomerChange::InstrumentRemoved("tok".into())), "2303746f6b"),
        ("deletion due", changed(CustomerChange::DeletionDue(Some(Millis(1)))), "120102"),
        ("deletion not due", changed(CustomerChange::DeletionDue(None)), "1200"),
        ("erased", changed(CustomerChange::Erased), "13"),
        ("merged into", changed(CustomerChange::MergedInto(1_000_001)), "15c1843d"),
        ("merged", changed(CustomerChange::Merged(vec![5, 300])), "160205ac02"),
        ("merged, nobody", changed(CustomerChange::Merged(Vec::new())), "1600"),
        ("identifiers", changed(CustomerChange::Identifiers(vec!["bob".into(), "x".into()])), "170203626f620178"),
        ("identifiers gone", changed(CustomerChange::Identifiers(Vec::new())), "1700"),
        (
            "identifiers, one sealed",
            changed(CustomerChange::Identifiers(vec!["bob".into(), StoredIdentifier::sealed("x", DIGEST)])),
            "1d02 00 03626f62 01 ffeeddccbbaa99887766554433221100 03 a50087",
        ),
        (
            "identifiers, one forgotten",
            changed(CustomerChange::Identifiers(vec![StoredIdentifier::forgotten(DIGEST), "bob".into()])),
            "1d02 01 ffeeddccbbaa99887766554433221100 00 00 03626f62",
        ),
        (
            "created, sealed",
            created(Some(StoredIdentifier::sealed("i", DIGEST))),
            "1a03 016d ffeeddccbbaa99887766554433221100 03 a50096 02",
        ),
        (
            "created, forgotten",
            created(Some(StoredIdentifier::forgotten(DIGEST))),
            "1a03 016d ffeeddccbbaa99887766554433221100 00 02",
        ),
    ]
}

/// Changes that an older version wrote in another form, with those bytes.
pub(super) fn older() -> Vec<(&'static str, RecordedEvent, &'static str)> {
    let changed = |limits| RecordedEvent::Customer(CustomerEvent::CustomerChanged(CustomerChange::Limits(limits)));
    let full = full_filter();
    vec![
        ("limits removed", changed(limits(Vec::new())), "0e00014555520000"),
        (
            "limits",
            changed(limits(WINDOWS.map(filter).to_vec())),
            "0e000145555207000166010180f0b252030100016601020301000166010303010001660104030100016601050301000166010603010001660107030100",
        ),
        (
            "limits, all",
            changed(OwnLimits {
                pending: Some(PendingRaise { from: Millis(2), confirm_until: None, filters: vec![full.clone()] }),
                operator: vec![full],
                until: Some(Millis(3)),
                ..limits(Vec::new())
            }),
            "0e03014555520004010f016604040202ac0202c03e010f016604040202ac0202c03e06",
        ),
    ]
}

fn some_filter() -> impl Strategy<Value = Filter> {
    let window = prop_oneof![
        any::<i64>().prop_map(Window::Rolling),
        Just(Window::RollingMonth),
        Just(Window::Lifetime),
        Just(Window::Day),
        Just(Window::Week(WeekStart::Monday)),
        Just(Window::Week(WeekStart::Sunday)),
        Just(Window::Month),
    ];
    let limits = (option::of(number()), option::of(number()), option::of(any::<u32>()), any::<bool>());
    (names(), word(), window, word(), word(), limits).prop_map(|(name, class, window, scope, mode, limits)| {
        let (amount_limit, quantity_limit, warn_at, subtract_cancels) = limits;
        Filter { name, class, window, amount_limit, quantity_limit, scope, subtract_cancels, mode, warn_at }
    })
}

fn some_settings() -> impl Strategy<Value = IndividualSettings> {
    let gates = option::of(vec(names(), 0..4));
    let method = (names(), option::of(any::<bool>()), option::of(number()), option::of(number()), gates);
    let method = method.prop_map(|(method, show_in_form, min_amount, max_amount, gates)| IndividualMethod {
        method,
        show_in_form,
        min_amount,
        max_amount,
        gates,
    });
    let key = (word(), currency(), names());
    (key, vec(method, 0..5), option::of(number()), option::of(number())).prop_map(
        |((direction, currency, level), methods, global_min, global_max)| IndividualSettings {
            direction,
            currency,
            level,
            methods,
            global_min,
            global_max,
        },
    )
}

fn some_instrument() -> impl Strategy<Value = Instrument> {
    let first = (text(), word(), option::of(text()), option::of(any::<u32>()), time());
    let on_file =
        prop_oneof![Just(CardOnFile::No), Just(CardOnFile::OfUnknownType), word().prop_map(CardOnFile::OfType),];
    let last = (word(), any::<bool>(), on_file, option::of(text()));
    let used = (option::of(time()), number(), any::<bool>());
    (first, used, last).prop_map(|(first, (last_success_at, successes, is_stored), last)| {
        let (id, kind, masked, expires, saved_at) = first;
        let (recorded_state, is_default, on_file, sent_brand) = last;
        Instrument {
            id,
            kind,
            masked,
            expires: expires.map(Month),
            is_stored,
            saved_at,
            last_success_at,
            successes,
            recorded_state,
            is_default,
            on_file,
            sent_brand,
        }
    })
}

/// The events of the history.
pub(super) fn some_change() -> BoxedStrategy<CustomerEvent> {
    let filters = || vec(some_filter(), 0..4);
    let raise = (time(), option::of(time()), filters());
    let raise = raise.prop_map(|(from, confirm_until, filters)| PendingRaise { from, confirm_until, filters });
    let times = (option::of(time()), option::of(time()));
    let limits = (word(), currency(), filters(), option::of(raise), filters(), times).prop_map(
        |(direction, currency, own, pending, operator, (until, confirmed_at))| OwnLimits {
            direction,
            currency,
            own,
            pending,
            confirmed_at,
            operator,
            until,
        },
    );
    let rate = (currency(), currency(), any::<u128>(), any::<u8>(), any::<u32>(), time()).prop_map(
        |(from, to, mantissa, scale, units, valid_from)| OwnRate {
            from,
            to,
            rate: Decimal { mantissa, scale },
            units,
            valid_from,
        },
    );
    let suspicion =
        prop_oneof![Just(Suspicion::Flagged), Just(Suspicion::InstrumentFraud), Just(Suspicion::CustomerFraud)];
    let removed = (0..0x4_0000_u32).prop_map(AttributeSet);
    let change = prop_oneof![
        (some_attributes(), removed).prop_map(|(set, removed)| CustomerChange::Attributes { set, removed }),
        word().prop_map(CustomerChange::Status),
        (word(), option::of(suspicion)).prop_map(|(status, suspicion)| {
            let standing =
                StatusFactors::new(status, suspicion).or_else(|| StatusFactors::new(CustomerStatus::New, suspicion));
            CustomerChange::StatusFactors(standing.unwrap())
        }),
        vec(names(), 0..5).prop_map(CustomerChange::Labels),
        some_settings().prop_map(CustomerChange::Settings).boxed(),
        limits.prop_map(CustomerChange::Limits).boxed(),
        vec(names(), 0..5).prop_map(CustomerChange::DisabledProjects),
        vec(rate, 0..4).prop_map(CustomerChange::Rates).boxed(),
        some_instrument().prop_map(CustomerChange::Instrument).boxed(),
        text().prop_map(CustomerChange::InstrumentRemoved),
        option::of(time()).prop_map(CustomerChange::DeletionDue),
        Just(CustomerChange::Erased),
        any::<u64>().prop_map(CustomerChange::MergedInto),
        vec(any::<u64>(), 0..4).prop_map(CustomerChange::Merged),
        vec(some_identifier(), 0..4).prop_map(CustomerChange::Identifiers),
    ];
    let audit_entry =
        (time(), word(), option::of(names()), option::of(any::<u64>()), option::of(any::<u64>())).prop_map(
            |(at, source, by, previous, job)| AuditEntry { at, source, by, previous: previous.map(LogOffset), job },
        );
    prop_oneof![4 => change.prop_map(CustomerEvent::CustomerChanged), 1 => audit_entry.prop_map(CustomerEvent::AuditEntry)]
        .boxed()
}
