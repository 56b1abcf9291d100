//! Allocations of the decision core, counted by the allocator of this program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, unreachable_pub, reason = "nothing outside of this program sees the test")]

use levelgate::{
    config,
    domain::{
        customer::aggregate::Customer,
        decision::{
            decide::{DecisionInput, decide},
            opening::{OpeningInput, opening, preceding_events},
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        events::customer_event::RecordPosition,
        rules::configuration::Rules,
        transaction::{
            log_offset::LogOffset,
            opening::{CustomerResolution, OpeningKind},
        },
        usage::series_set::UsageSeriesSet,
        vocabulary::{attributes::Attributes, contact::phone, time::Millis},
    },
};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};
use std::borrow::Cow;
use support::fixtures::{GATES_AND_CARD, UNREACHED, one_level};

/// Top-level keys of the merchant.
const HEAD: &str =
    "default_behaviour = \"unknown_level\"\ntime_zone = \"Europe/Nicosia\"\nhold = { deposit = \"7d\" }\n";

const START: i64 = 1_790_000_000_000;

/// The time between two payments: about four hours, so that windows begin among the payments, and with each payment the
/// hold of an earlier one ends.
const STEP_MS: i64 = 4 * 3_600_000 + 17;

fn rules() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), one_level(HEAD, GATES_AND_CARD, &UNREACHED)).unwrap();
    config::load(folder.path()).unwrap().rules
}

fn payment(rules: &Rules) -> Payment<'_> {
    let some = |text: &'static str| Some(Cow::Borrowed(text));
    let request = PaymentRequest {
        transaction_id: some("t"),
        direction: some("deposit"),
        amount: some("12.50"),
        currency: some("EUR"),
        payment_method: some("card"),
        merchant_customer_identifier: some("c"),
        customer_level: some("gold"),
        ..PaymentRequest::default()
    };
    Payment::admit(rules, "acme", request, PaymentPurpose::Record).unwrap()
}

/// Decides and applies one reserve, as the ledger does between the look-up of the customer and the journal.
fn decide_and_apply(rules: &Rules, customer: &mut Customer, payment: &Payment<'_>, now: Millis) {
    let (now, _) = customer.expire_holds(now);
    let question = DecisionInput { rules, payment, now, at: now, instrument_blocked: false, counts_future: true };
    let decision = decide(&question, Some(customer), UsageSeriesSet::new(customer.usage_series(), &[]));
    assert!(decision.is_allowed());
    let recording = OpeningInput {
        opened: OpeningKind::Reserved,
        resolution: CustomerResolution::Found,
        identity: 0,
        bypassed_id: None,
    };
    let before = preceding_events(&question, Some(customer), &decision, recording.resolution, &Attributes::default());
    let opening = opening(&question, Some(customer), &decision, recording);
    let slot = customer.summaries().next_slot();
    let number = customer.applied + 1;
    let recorded =
        RecordPosition { number, offset: LogOffset(number * 210), key: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) };
    before.iter().for_each(|event| customer.apply(recorded, event));
    customer.apply_opened(recorded, slot, &opening);
}

/// A reserve allocates only where a list of its customer grows, and a list grows seldom.
#[test]
fn deciding_and_applying_a_reserve_allocates_nothing_but_the_growth_of_lists() {
    let rules = rules();
    let payment = payment(&rules);
    let merchant = rules.merchant("acme").unwrap();
    let mut customer = Customer::with_default_label(1_000_000, merchant, Millis(START));
    let (mut reserves, mut growths) = (0, 0);
    for n in 0..1_000 {
        let (memory, now) = (customer.memory(), Millis(START + n * STEP_MS));
        let allocated = allocation_counter::measure(|| decide_and_apply(&rules, &mut customer, &payment, now));
        // The first payment makes the customer a paying one, and sets the level.
        if n < 20 {
            continue;
        }
        reserves += 1;
        let has_grown = customer.memory() != memory;
        assert!(allocated.count_total == 0 || has_grown, "reserve {n} allocates {allocated:?} and no list grows");
        growths += usize::from(has_grown);
    }
    assert!(growths * 4 <= reserves, "lists grow in {growths} of {reserves} reserves");
}

/// A compiled pattern allocates thousands of times, and a number needs several patterns.
#[test]
fn no_pattern_of_a_phone_number_is_compiled_twice() {
    let national = |region: rlibphonenumber::Region| {
        let number = PHONE_NUMBER_UTIL.get_example_number(region).ok()?;
        let country = phone::Country::parse(&region.to_string())?;
        Some((country, PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National).into_owned()))
    };
    let examples: Vec<_> = PHONE_NUMBER_UTIL.get_supported_regions().filter_map(national).collect();
    assert!(examples.len() > 200, "{}", examples.len());
    let count_round = || {
        let counted = allocation_counter::measure(|| {
            for (country, text) in &examples {
                assert!(phone::valid(Some(*country), text).is_some(), "{text}");
            }
        });
        counted.count_total
    };
    let (first, second) = (count_round(), count_round());
    assert!(second < first / 10, "{first} allocations, then {second}");
}
