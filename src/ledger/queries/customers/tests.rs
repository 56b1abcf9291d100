//! A page reads few customers, and finds those that a scan finds.

use super::*;
use crate::{
    domain::{
        customer::change::CustomerChange,
        decision::clock_skew::ClockSkew,
        events::customer_event::{CustomerEvent, RecordPosition},
        transaction::log_offset::LogOffset,
        vocabulary::{
            attributes::{Attribute, Attributes},
            direction::Direction,
            text::prefix::TextPrefix,
        },
    },
    ledger::{
        LedgerLimits, LedgerStorage,
        index::{
            creation_times::{NUMBER_BLOCK_BITS, PERIOD_BITS},
            search_index::{SearchEntry, SearchKey, SearchKeys},
        },
        payments::record::{Actor, RecordEvents},
        queries::{
            customer_query::{AnyOf, CustomerCriterion},
            customer_reader::VISITS_MAX,
        },
    },
};

const MANY: u64 = 100_000;

fn of(attribute: Attribute, value: &str) -> AnyOf {
    AnyOf { by: CustomerCriterion::Attribute(attribute), values: vec![value.to_owned()] }
}

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
    let email = vec![of(Attribute::Email, "7@example.com")];
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
        ("an address", CustomerQuery { any_of: email.clone(), ..CustomerQuery::default() }, 10, 10),
        (
            "an address and a label",
            CustomerQuery { any_of: email, keys: label("half"), ..CustomerQuery::default() },
            0,
            0,
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
                    .find_customers(name("m"), &find, LocalTime::utc(Millis(200_000)), |customer, _| customer.number())
                    .unwrap();
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
    let page = ledger
        .find_customers(name("m"), &find, LocalTime::utc(Millis(200_000)), |customer, _| customer.number())
        .unwrap();
    assert_eq!((page.customers.len(), page.next, page.visited), (1, None, 1), "the rare key is looked up first");
    for (from, to, descending) in [(60_000, 300_000, false), (-1, 60_000, true), (30_000, 77_777, false)] {
        let (created_from, created_to) = (Some(Millis(from)), Some(Millis(to)));
        let mut find = CustomerQuery { created_from, created_to, descending, limit: 50, ..CustomerQuery::default() };
        let (mut found, mut visited) = (Vec::new(), 0);
        loop {
            let page = ledger
                .find_customers(name("m"), &find, LocalTime::utc(Millis(200_000)), |customer, _| customer.created.0)
                .unwrap();
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

/// A customer that is in memory and in the indexes, and in no journal.
fn place(ledger: &Ledger, created: Millis, events: &[CustomerEvent], digests: &[u128]) -> u64 {
    let number = ledger.next_number().unwrap();
    let mut customer = Customer::new(number, name("m"), None, created);
    let recorded = RecordPosition { number: 0, offset: LogOffset::default(), key: 0 };
    events.iter().for_each(|event| customer.apply(recorded, event));
    for instrument in customer.instruments() {
        ledger.index_holder(&instrument.id, number);
    }
    digests.iter().for_each(|digest| ledger.identities.insert(*digest, number));
    let keys = SearchKeys::of(&customer);
    ledger.search.insert_all(&[vec![SearchEntry { merchant: name("m"), number, keys }]]);
    ledger.customers.lock(number).insert(number, customer);
    number
}

fn empty() -> Ledger {
    let bounds = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
    Ledger::new(bounds, LedgerStorage::in_memory((1, 2)))
}

/// All pages of a query, the most customers that a page read, and how many pages there were.
fn pages(ledger: &Ledger, find: &CustomerQuery) -> (Vec<u64>, u64, usize) {
    let (mut find, mut found, mut visited_max, mut count) = (find.clone(), Vec::new(), 0, 0);
    loop {
        let page = ledger
            .find_customers(name("m"), &find, LocalTime::utc(Millis(1 << 50)), |customer, _| customer.number())
            .unwrap();
        assert!(page.customers.len() <= find.limit);
        found.extend(page.customers);
        (visited_max, count) = (visited_max.max(page.visited), count + 1);
        match page.next {
            Some(next) => find.after = Some(next),
            None => return (found, visited_max, count),
        }
    }
}

#[test]
fn a_page_of_what_two_hundred_thousand_share_reads_what_it_shows() {
    const SHARING: u64 = 200_000;
    let ledger = empty();
    let (email, phone, token) = ("all@example.com", "+49301234502", "tok");
    let attributes: Attributes = [(Attribute::Email, email), (Attribute::Phone, phone)].into_iter().collect();
    let digests = ledger.identities.of_identities(name("m"), None, &attributes);
    let at = Millis(1);
    for n in 0..SHARING {
        let mut labels = vec![name("all")];
        labels.extend((n == 150_000).then(|| name("one")));
        let events = [
            CustomerEvent::AttributesFilled { attributes: attributes.clone(), at },
            CustomerEvent::InstrumentAdded { id: token.into(), at },
            CustomerEvent::CustomerChanged(CustomerChange::Labels(labels)),
        ];
        place(&ledger, at, &events, &digests);
    }
    // A customer of another merchant holds the instrument too, and merged customers have the attributes.
    ledger.index_holder(token, 5);
    let phone_digest = digests[1];
    let owners = ledger.identities.first_two_with(name("m"), Attribute::Phone, phone);
    assert_eq!(owners.len(), 2, "a registration looks at two owners of a shared attribute");
    let label = |text: &str| SearchKey::Label(name(text));
    let instrument = AnyOf { by: CustomerCriterion::Instrument, values: vec![token.to_owned()] };
    let (email, phone) = (of(Attribute::Email, email), of(Attribute::Phone, phone));
    let all = [email, phone, instrument];
    let without_level = SearchKey::Level(Direction::Deposit, None);
    let mut queries: Vec<(CustomerQuery, u64)> = Vec::new();
    for any in &all {
        queries.push((CustomerQuery { any_of: vec![any.clone()], ..CustomerQuery::default() }, SHARING));
        let one = CustomerQuery { any_of: vec![any.clone()], keys: vec![label("one")], ..CustomerQuery::default() };
        queries.push((one, 1));
    }
    for key in [label("all"), without_level] {
        queries.push((CustomerQuery { keys: vec![key], ..CustomerQuery::default() }, SHARING));
    }
    let (any_of, keys) = (all.to_vec(), vec![label("all"), without_level]);
    queries.push((CustomerQuery { any_of, keys, ..CustomerQuery::default() }, SHARING));
    for (query, count) in &queries {
        for descending in [false, true] {
            let mut find = CustomerQuery { descending, limit: 50, ..query.clone() };
            // The first page, one in the middle, and the last one.
            for after in [None, Some(1_100_000), Some(if descending { 1_000_010 } else { 1_199_990 })] {
                find.after = after.map(|number| CustomerPosition { number, at: None });
                let page = ledger
                    .find_customers(name("m"), &find, LocalTime::utc(at), |customer, _| customer.number())
                    .unwrap();
                assert!(page.visited <= 51, "{find:?}: {} read", page.visited);
                assert!(*count == 1 || !page.customers.is_empty(), "{find:?}");
            }
            // Sorted by creation, a page also reads the number blocks at its ends.
            let find = CustomerQuery { sort: CustomerSort::Created, after: None, ..find };
            let page =
                ledger.find_customers(name("m"), &find, LocalTime::utc(at), |customer, _| customer.number()).unwrap();
            assert!(page.visited <= 51 + (2 << NUMBER_BLOCK_BITS), "{find:?}: {} read", page.visited);
            let find = CustomerQuery { sort: CustomerSort::LastPayment, ..find };
            let page = ledger.find_customers(name("m"), &find, LocalTime::utc(at), |customer, _| customer.number());
            match (count, page) {
                (1, page) => assert_eq!(page.unwrap().customers, [1_150_001]),
                (_, Err(refusal)) => assert_eq!((refusal.code(), refusal.field()), ("not_allowed", Some("sort"))),
                (_, Ok(page)) => panic!("{} of too many are sorted", page.customers.len()),
            }
        }
    }
    // A removal from a shared attribute and a merge change one entry.
    ledger.identities.remove(phone_digest, 1_000_001);
    ledger.identities.merge_targets.set(1_000_002, 1_000_100);
    let found = ledger.identities.all_with(name("m"), Attribute::Phone, "+49301234502");
    assert_eq!((found.len(), found.min()), (SHARING - 2, Some(1_000_003)));
}

#[test]
fn the_order_of_creation_is_that_of_a_sorted_list() {
    let ledger = empty();
    let mut created: Vec<(Millis, u64)> = Vec::new();
    let mut add = |at: i64| {
        let labels = if at % 3 == 0 { vec![name("third")] } else { Vec::new() };
        let label = CustomerEvent::CustomerChanged(CustomerChange::Labels(labels));
        created.push((Millis(at), place(&ledger, Millis(at), &[label], &[])));
    };
    // Years of creation times in no order, as an import brings them, with some before 1970.
    (0..6_000_i64).for_each(|n| add((n * 7_919 % 6_000 - 100) << 19));
    // Many in one hour: in the order of their numbers, in no order, and all at once.
    let hour = 900_000_i64 << PERIOD_BITS;
    (0..6_000_i64).for_each(|n| add(hour + n * 100));
    (0..5_000_i64).for_each(|n| add((hour << 1) + n * 7_919 % 5_000));
    (0..5_000_i64).for_each(|_| add(hour * 3));
    created.sort_unstable();
    for (about, keys, from, to) in [
        ("all", Vec::new(), None, None),
        ("a third", vec![SearchKey::Label(name("third"))], None, None),
        ("a span", Vec::new(), Some(Millis(1_000 << 19)), Some(Millis(hour + 5_000))),
        ("a part of an hour", Vec::new(), Some(Millis(hour + 1)), Some(Millis(hour + 500_000))),
    ] {
        let is_third = |at: &Millis| keys.is_empty() || at.0 % 3 == 0;
        let is_within = |at: &Millis| from.is_none_or(|from| *at >= from) && to.is_none_or(|to| *at < to);
        let wanted = created.iter().filter(|(at, _)| is_third(at) && is_within(at)).map(|(_, number)| *number);
        let mut wanted: Vec<u64> = wanted.collect();
        for (descending, limit) in [(false, 1_000), (true, 777)] {
            let sort = CustomerSort::Created;
            let (created_from, created_to, keys) = (from, to, keys.clone());
            let find =
                CustomerQuery { sort, descending, limit, keys, created_from, created_to, ..CustomerQuery::default() };
            let (mut found, visited, _) = pages(&ledger, &find);
            if descending {
                found.reverse();
            }
            assert!(found == wanted, "{about}, {descending}: {} of {}", found.len(), wanted.len());
            assert!(visited <= 5_000 + 3 * 1_000, "{about}: {visited} read");
            wanted.dedup();
        }
    }
}

#[test]
fn a_search_by_the_beginning_of_a_name_reads_a_bounded_number_a_page() {
    let ledger = empty();
    let (many, every) = (VISITS_MAX * 2 + 1_000, 40_000);
    let mut wanted = Vec::new();
    for n in 0..many {
        let full = if n % every == 7 { "Zo\u{eb} Zimmer".to_owned() } else { format!("Person {n}") };
        let email = format!("{}@example.com", full.replace(' ', "."));
        let attributes = [(Attribute::Email, email.as_str()), (Attribute::Name, &full)].into_iter().collect();
        let number = place(&ledger, Millis(1), &[CustomerEvent::AttributesFilled { attributes, at: Millis(1) }], &[]);
        wanted.extend((n % every == 7).then_some(number));
    }
    for (by_name, by_email) in [(Some("zimm"), None), (None, Some("ZO\u{cb}.zi")), (Some("zo\u{eb}"), Some("zo\u{eb}"))]
    {
        for descending in [false, true] {
            let parse = |text: Option<&str>| text.and_then(TextPrefix::parse);
            let (name, email) = (parse(by_name), parse(by_email));
            let find = CustomerQuery { name, email, limit: 10, descending, ..CustomerQuery::default() };
            let (mut found, visited, count) = pages(&ledger, &find);
            if descending {
                found.reverse();
            }
            assert_eq!((found, count), (wanted.clone(), 3), "an empty or short page has a cursor");
            assert!(visited <= VISITS_MAX, "{visited} read");
        }
    }
}

#[test]
fn several_values_of_one_filter_find_the_customers_of_each_once() {
    let ledger = empty();
    let mut numbers = Vec::new();
    for n in 0..10 {
        let id = format!("x{n}");
        let attributes: Attributes = [(Attribute::ExternalId, id.as_str())].into_iter().collect();
        let digests = ledger.identities.of_identities(name("m"), None, &attributes);
        let added = CustomerEvent::InstrumentAdded { id: format!("tok{}", n % 2).into(), at: Millis(1) };
        let filled = CustomerEvent::AttributesFilled { attributes, at: Millis(1) };
        numbers.push(place(&ledger, Millis(1), &[filled, added], &digests));
    }
    let any = |by, values: &[&str]| AnyOf { by, values: values.iter().map(|value| (*value).to_owned()).collect() };
    let external = CustomerCriterion::Attribute(Attribute::ExternalId);
    let [third, eighth] = [2, 7].map(|n: usize| numbers[n].to_string());
    for (any_of, wanted) in [
        (vec![any(external, &["x7", "x2", "x7", "unknown"])], vec![2, 7]),
        (vec![any(CustomerCriterion::CustomerId, &[&eighth, &third, "alice", "1"])], vec![2, 7]),
        (vec![any(CustomerCriterion::Instrument, &["tok0"])], vec![0, 2, 4, 6, 8]),
        (vec![any(CustomerCriterion::Instrument, &["tok0", "tok1"])], (0..10).collect()),
        (vec![any(CustomerCriterion::Instrument, &["tok0"]), any(external, &["x7", "x2"])], vec![2]),
        (vec![any(external, &["x1"]), any(CustomerCriterion::CustomerId, &[&third])], vec![]),
        (vec![any(CustomerCriterion::Instrument, &["no"])], vec![]),
    ] {
        let find = CustomerQuery { any_of, limit: 3, ..CustomerQuery::default() };
        let wanted: Vec<u64> = wanted.into_iter().map(|n: usize| numbers[n]).collect();
        assert_eq!(pages(&ledger, &find).0, wanted, "{find:?}");
    }
}
