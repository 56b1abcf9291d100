//! Tests of the search index.

use super::*;
use crate::ledger::index::creation_times::PERIOD_BITS;
use proptest::prelude::*;

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

const MONTH: Month = Month(12);

fn keys(created: i64, level: Option<u8>, label: Option<u8>) -> SearchKeys {
    let level = level.map(|level| name(&format!("level {level}")));
    let mut keys = SmallVec::from_slice(&[SearchKey::Level(Direction::Deposit, level)]);
    keys.extend(label.map(|label| SearchKey::Label(name(&format!("label {label}")))));
    SearchKeys { created: Millis(created), keys, last_month: None, deletion_due: None }
}

/// The start of a period: a query between two of these returns exactly what a scan returns.
fn period_start(number: i64) -> i64 {
    number << PERIOD_BITS
}

proptest! {
    #[test]
    fn a_query_returns_what_a_scan_returns(
        moves in prop::collection::vec((0..40_u64, prop::option::weighted(0.9, (0..50_i64, prop::option::of(0..3_u8), prop::option::of(0..2_u8)))), 0..120),
        level in prop::option::of(prop::option::of(0..3_u8)),
        label in prop::option::of(0..2_u8),
        from in prop::option::of(0..50_i64),
        to in prop::option::of(0..50_i64),
        after in prop::option::of(0..40_u32),
        descending in any::<bool>(),
        limit in 1..50_usize,
    ) {
        let (search, merchant) = (SearchIndex::default(), name("m"));
        let mut all: std::collections::BTreeMap<u32, SearchKeys> = std::collections::BTreeMap::new();
        for (number, now) in moves {
            let now = now.map(|(created, level, label)| keys(period_start(created), level, label));
            let small = u32::try_from(number).unwrap();
            search.update(merchant, number, all.get(&small), now.as_ref());
            match now {
                Some(now) => _ = all.insert(small, now),
                None => _ = all.remove(&small),
            }
        }
        let mut wanted: Vec<SearchKey> = Vec::new();
        wanted.extend(level.map(|level| keys(0, level, None).keys[0]));
        wanted.extend(label.map(|label| keys(0, None, Some(label)).keys[1]));
        let (created_from, created_to) = (from.map(period_start).map(Millis), to.map(period_start).map(Millis));
        let query = SearchQuery { keys: &wanted, within: &[], month: MONTH, created_from, created_to, after, descending, limit };
        let mut scanned: Vec<u32> = all
            .iter()
            .filter(|(_, keys)| wanted.iter().all(|key| keys.contains(*key, MONTH)))
            .filter(|(_, keys)| created_from.is_none_or(|from| keys.created >= from))
            .filter(|(_, keys)| created_to.is_none_or(|to| keys.created < to))
            .map(|(number, _)| *number)
            .filter(|number| after.is_none_or(|after| if descending { *number < after } else { *number > after }))
            .collect();
        if descending {
            scanned.reverse();
        }
        scanned.truncate(limit);
        prop_assert_eq!(search.candidates(merchant, &query), scanned);
    }
}

proptest! {
    #[test]
    fn a_status_that_follows_from_the_month_is_found_as_it_is_shown(
        moves in prop::collection::vec((0..30_u64, prop::option::weighted(0.9, (0..3_usize, prop::option::of(9..15_u32)))), 0..100),
        month in 9..16_u32,
        is_restored in any::<bool>(),
    ) {
        let statuses = [CustomerStatus::New, CustomerStatus::Member, CustomerStatus::NotActive];
        let (mut search, merchant) = (SearchIndex::default(), name("m"));
        let mut all: BTreeMap<u64, SearchKeys> = BTreeMap::new();
        for (number, now) in moves {
            let now = now.map(|(status, last_month)| SearchKeys {
                created: Millis(0),
                keys: SmallVec::from_slice(&[SearchKey::Status(statuses[status])]),
                // Only a status that the instruments decide depends on the month.
                last_month: last_month.filter(|_| status < 2).map(Month),
                deletion_due: None,
            });
            search.update(merchant, number, all.get(&number), now.as_ref());
            match now {
                Some(now) => _ = all.insert(number, now),
                None => _ = all.remove(&number),
            }
        }
        if is_restored {
            search = SearchIndex::default();
            search.insert_all(&[all.iter().map(|(number, keys)| SearchEntry { merchant, number: *number, keys: keys.clone() }).collect()]);
        }
        for status in statuses {
            let keys = [SearchKey::Status(status)];
            let month = Month(month);
            let query = SearchQuery {
                keys: &keys, month, created_from: None, created_to: None, after: None, descending: false, limit: 100,
                within: &[],
            };
            let scanned: Vec<u32> =
                all.iter().filter(|(_, known)| known.contains(keys[0], month)).map(|(number, _)| to_u32(*number)).collect();
            prop_assert_eq!(search.candidates(merchant, &query), scanned, "{:?}", status);
        }
    }
}

#[test]
fn candidates_contain_a_time_span_and_nothing_far_from_it() {
    let (search, merchant) = (SearchIndex::default(), name("m"));
    let made: Vec<i64> = (0..100).map(|nth| nth * (period_start(1) / 10 + 7)).collect();
    for (number, at) in (0..).zip(&made) {
        search.update(merchant, number, None, Some(&keys(*at, None, None)));
    }
    for (from, to) in [(made[3], made[4]), (made[15], made[60]), (made[99], i64::MAX), (i64::MIN, made[1])] {
        let (created_from, created_to) = (Some(Millis(from)), Some(Millis(to)));
        let query = SearchQuery {
            keys: &[],
            within: &[],
            month: MONTH,
            created_from,
            created_to,
            after: None,
            descending: false,
            limit: 1_000,
        };
        let candidates = search.candidates(merchant, &query);
        for (number, at) in (0..).zip(&made) {
            let is_candidate = candidates.contains(&number);
            assert!(is_candidate || *at < from || *at >= to, "{at} of {from}..{to}");
            let is_far = *at < from.saturating_sub(period_start(1)) || *at >= to.saturating_add(period_start(1));
            assert!(!(is_candidate && is_far), "{at} of {from}..{to}");
        }
    }
}

#[test]
fn a_removed_customer_leaves_no_entries() {
    let (search, merchant) = (SearchIndex::default(), name("m"));
    let present = SearchKeys { last_month: Some(MONTH), ..keys(1, Some(1), Some(1)) };
    search.update(merchant, 7, None, Some(&present));
    search.update(merchant, 7, Some(&present), None);
    let index = search.of_merchant(merchant);
    let index = index.lock();
    assert!(index.all.is_empty() && index.by_key.is_empty() && index.created.has_no_period());
    assert!(index.by_last_month.is_empty());
}
