//! How many customers a page looks at, and that it finds those whom a scan finds.

use super::*;
use crate::{
    domain::{
        customer::{
            aggregate::CustomerEvent,
            profile::{Author, Change},
        },
        decision::decide::Skew,
        rules::configuration::{Attribute, Direction},
    },
    ledger::{Bounds, Ground, state::search_index::NEIGHBOURS},
};

const MANY: u64 = 100_000;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// A hundred thousand customers: every second one bears `half`, one of them all `one`; each has an e-mail address that
/// nine others have too.
fn many() -> Ledger {
    let bounds = Bounds { transactions_max: 1, skew: Skew { past_ms: 0, future_ms: 0 } };
    let ledger = Ledger::new(bounds, Ground::memory((1, 2)));
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
            CustomerEvent::Changed(Change::Labels(labels)),
        ];
        let mut customer = Customer::new(number, name("m"), None, at);
        ledger.record(&mut customer, 0, (Author::SYSTEM, at), &events);
        ledger.identities.insert_all(ledger.identities.of_customer(&customer), number);
        ledger.customers.lock(number).insert(number, customer);
    }
    ledger
}

#[test]
fn a_page_looks_at_as_many_customers_as_it_shows() {
    let ledger = many();
    let label = |text: &str| vec![Mark::Label(name(text))];
    let both = vec![Mark::Label(name("half")), Mark::Level(Direction::Deposit, None)];
    let mut email = Attributes::default();
    email.set(Attribute::Email, "7@example.com");
    let (from, to) = (Some(Millis(50_000)), Some(Millis(50_100)));
    // The time of each is in no index.
    let about_its_ends = 2 << NEIGHBOURS;
    for (about, find, all, most) in [
        ("one of all", Find { marks: label("one"), ..Find::default() }, 1, 1),
        ("one of all, among others", Find { marks: [label("one"), both.clone()].concat(), ..Find::default() }, 1, 1),
        ("half of all", Find { marks: label("half"), ..Find::default() }, 50_000, 51),
        ("half of all by two marks", Find { marks: both, ..Find::default() }, 50_000, 51),
        ("everybody", Find::default(), MANY, 51),
        ("nobody", Find { marks: label("none"), ..Find::default() }, 0, 0),
        ("an address", Find { attributes: email.clone(), ..Find::default() }, 10, 10),
        ("an address and a label", Find { attributes: email, marks: label("half"), ..Find::default() }, 0, 10),
        ("a span", Find { created_from: from, created_to: to, ..Find::default() }, 100, 51 + about_its_ends),
        (
            "half of a span",
            Find { created_from: from, created_to: to, marks: label("half"), ..Find::default() },
            50,
            51 + about_its_ends,
        ),
    ] {
        for descending in [false, true] {
            let mut find = Find { limit: 50, descending, ..find.clone() };
            let mut found = Vec::new();
            loop {
                let page = ledger.find_customers(name("m"), &find, Millis(200_000), |customer, _| customer.number());
                assert!(page.visited <= most, "{about}: {} looked at for {}", page.visited, page.customers.len());
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
fn a_long_span_is_found_by_its_neighbourhoods_and_loses_nobody() {
    let ledger = many();
    // More were made within it than are gathered.
    let find = Find {
        created_from: Some(Millis(60_000)),
        marks: vec![Mark::Label(name("one"))],
        limit: 50,
        ..Find::default()
    };
    let page = ledger.find_customers(name("m"), &find, Millis(200_000), |customer, _| customer.number());
    assert_eq!((page.customers.len(), page.next, page.visited), (1, None, 1), "what is rare is looked for first");
    for (from, to, descending) in [(60_000, 300_000, false), (-1, 60_000, true), (30_000, 77_777, false)] {
        let (created_from, created_to) = (Some(Millis(from)), Some(Millis(to)));
        let mut find = Find { created_from, created_to, descending, limit: 50, ..Find::default() };
        let (mut found, mut visited) = (Vec::new(), 0);
        loop {
            let page = ledger.find_customers(name("m"), &find, Millis(200_000), |customer, _| customer.created.0);
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
        // Two neighbourhoods lie half inside.
        assert!(visited <= found.len() as u64 + 2 * 1_024, "{from}..{to}: {visited}");
    }
}
