//! A page reads few customers, and finds those that a scan finds.

use super::*;
use crate::{
    domain::{
        customer::change::CustomerChange,
        decision::clock_skew::ClockSkew,
        events::customer_event::CustomerEvent,
        vocabulary::{attributes::Attribute, direction::Direction},
    },
    ledger::{
        LedgerLimits, LedgerStorage,
        index::search_index::NUMBER_BLOCK_BITS,
        payments::record::{Actor, RecordEvents},
    },
};

const MANY: u64 = 100_000;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A hundred thousand customers: every second one has the label `half`, a single one has `one`; each shares its e-mail
/// address with nine others.
fn many() -> Ledger {
    let bounds = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, LedgerStorage::in_memory((1, 2)));
    for n in 0..MANY {
        let number = ledger.next_number().unwrap();
        let at = Millis(i64::try_from(n).unwrap());
        let mut attributes = Attributes::default();
        attributes.set(Attribute::Email, &format!("{}@example.com", n % 10_000));
        let mut labels = vec![name("all")];
        labels.extend((n % 2 == 0).then(|| name("half")));
        labels.extend((n == 70_000).then(|| name("one")));
        let events = [
            CustomerEvent::Created { merchant: name("m"), identifier: None, at },
            CustomerEvent::AttributesFilled { attributes, at },
            CustomerEvent::CustomerChanged(CustomerChange::Labels(labels)),
        ];
        let mut customer = Customer::new(number, name("m"), None, at);
        ledger.record(&mut customer, Actor::system(at), RecordEvents { after: &events, ..RecordEvents::default() });
        ledger.identities.insert_all(ledger.identities.of_customer(&customer), number);
        ledger.customers.lock(number).insert(number, customer);
    }
    ledger
}

#[test]
fn a_page_reads_about_as_many_customers_as_it_shows() {
    let ledger = many();
    let label = |text: &str| vec![SearchKey::Label(name(text))];
    let both = vec![SearchKey::Label(name("half")), SearchKey::Level(Direction::Deposit, None)];
    let mut email = Attributes::default();
    email.set(Attribute::Email, "7@example.com");
    let (from, to) = (Some(Millis(50_000)), Some(Millis(50_100)));
    // The index does not contain the exact time of a customer.
    let at_its_ends = 2 << NUMBER_BLOCK_BITS;
    for (about, find, all, most) in [
        ("one of all", CustomerQuery { keys: label("one"), ..CustomerQuery::default() }, 1, 1),
        (
            "one of all, among others",
            CustomerQuery { keys: [label("one"), both.clone()].concat(), ..CustomerQuery::default() },
            1,
            1,
        ),
        ("half of all", CustomerQuery { keys: label("half"), ..CustomerQuery::default() }, 50_000, 51),
        ("half of all by two keys", CustomerQuery { keys: both, ..CustomerQuery::default() }, 50_000, 51),
        ("all", CustomerQuery::default(), MANY, 51),
        ("none", CustomerQuery { keys: label("none"), ..CustomerQuery::default() }, 0, 0),
        ("an address", CustomerQuery { attributes: email.clone(), ..CustomerQuery::default() }, 10, 10),
        (
            "an address and a label",
            CustomerQuery { attributes: email, keys: label("half"), ..CustomerQuery::default() },
            0,
            10,
        ),
        (
            "a span",
            CustomerQuery { created_from: from, created_to: to, ..CustomerQuery::default() },
            100,
            51 + at_its_ends,
        ),
        (
            "half of a span",
            CustomerQuery { created_from: from, created_to: to, keys: label("half"), ..CustomerQuery::default() },
            50,
            51 + at_its_ends,
        ),
    ] {
        for descending in [false, true] {
            let mut find = CustomerQuery { limit: 50, descending, ..find.clone() };
            let mut found = Vec::new();
            loop {
                let page = ledger
                    .find_customers(name("m"), &find, LocalTime::utc(Millis(200_000)), |customer, _| customer.number());
                assert!(page.visited <= most, "{about}: {} read for {}", page.visited, page.customers.len());
                found.extend(page.customers);
                match page.next {
                    Some(next) => find.after = Some(next),
                    None => break,
                }
            }
            assert_eq!(found.len() as u64, all, "{about}");
            assert!(found.is_sorted_by(|one, next| if descending { one > next } else { one < next }), "{about}");
        }
    }
}

#[test]
fn a_long_span_is_found_by_number_blocks_and_loses_no_customer() {
    let ledger = many();
    // The span contains more customers than are collected exactly.
    let find = CustomerQuery {
        created_from: Some(Millis(60_000)),
        keys: vec![SearchKey::Label(name("one"))],
        limit: 50,
        ..CustomerQuery::default()
    };
    let page =
        ledger.find_customers(name("m"), &find, LocalTime::utc(Millis(200_000)), |customer, _| customer.number());
    assert_eq!((page.customers.len(), page.next, page.visited), (1, None, 1), "the rare key is looked up first");
    for (from, to, descending) in [(60_000, 300_000, false), (-1, 60_000, true), (30_000, 77_777, false)] {
        let (created_from, created_to) = (Some(Millis(from)), Some(Millis(to)));
        let mut find = CustomerQuery { created_from, created_to, descending, limit: 50, ..CustomerQuery::default() };
        let (mut found, mut visited) = (Vec::new(), 0);
        loop {
            let page = ledger
                .find_customers(name("m"), &find, LocalTime::utc(Millis(200_000)), |customer, _| customer.created.0);
            assert!(page.visited <= 50 + 1_024, "{from}..{to}: {}", page.visited);
            visited += page.visited;
            found.extend(page.customers);
            match page.next {
                Some(next) => find.after = Some(next),
                None => break,
            }
        }
        found.sort_unstable();
        let made = i64::try_from(MANY).unwrap();
        assert!(found.iter().copied().eq(from.max(0)..to.min(made)), "{from}..{to}: {}", found.len());
        // Two blocks overlap the ends of the span.
        assert!(visited <= found.len() as u64 + 2 * 1_024, "{from}..{to}: {visited}");
    }
}
