//! The event feed: it is the same in pages of any size, it agrees with each transaction, and it never contains a fact that
//! a power cut loses.

use crate::disk_images::ImageKind;
use crate::harness::{Harness, Indexes};
use crate::power_cuts::degree;
use crate::run::run_steps;
use crate::workload::{Mix, Workload};
use levelgate::domain::customer::instrument_blocks::MerchantScope;
use levelgate::domain::vocabulary::calendar::LocalTime;
use levelgate::ledger::TransactionQuery;
use levelgate::service::event_feed::FeedQuery;
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use serde_json::Value;
use std::collections::BTreeMap;
use support::environment::seeds_from;
use support::random::Random;

/// One workload has more staff calls, another only staff calls and payments.
fn mix(seed: u64) -> Mix {
    let (staff, side) = [(25, 20), (30, 20), (50, 0)][(seed % 3) as usize];
    Mix { steps: 160, side, staff, keeps: 6, syncs: 3, restarts: 1, reloads: 5, waits: 65 }
}

/// The whole feed, read in pages of this query, and its end.
fn heard(harness: &Harness, filter: &str, mut limit: impl FnMut() -> usize) -> (Vec<Value>, u64) {
    let (mut events, mut after) = (Vec::new(), 0);
    loop {
        let query = format!("after={after}&limit={}{filter}", limit());
        let pairs =
            query.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.into(), value.into()));
        let parsed = FeedQuery::read(pairs).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let page =
            harness.desk.events(&parsed, &MerchantScope::All).unwrap_or_else(|error| panic!("{query}: {error:?}"));
        let body: Value = serde_json::from_slice(&page.body).expect("JSON");
        events.extend(body["events"].as_array().expect("events").iter().cloned());
        assert_eq!(body["next"], page.next.0, "{query}");
        if page.is_at_end {
            return (events, after);
        }
        assert!(page.next.0 > after, "{query} goes on");
        after = page.next.0;
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

/// Asserts that the feed contains the facts of each transaction, each once and in order.
fn agrees(harness: &Harness, merchants: &[(String, bool)], events: &[Value], about: &str) {
    let key = |merchant: &str, id: &str| (merchant.to_owned(), id.to_owned());
    let mut events_of: BTreeMap<(String, String), Vec<&Value>> = BTreeMap::new();
    for event in events {
        events_of.entry(key(text(event, "merchant"), text(event, "transaction_id"))).or_default().push(event);
    }
    let now = harness.desk.clock.now(None).expect("a time");
    for (merchant, _) in merchants {
        let mut wanted = TransactionQuery { limit: 500, ..TransactionQuery::default() };
        loop {
            let page = harness.desk.ledger.list_transactions(merchant, &wanted, LocalTime::utc(now)).expect("a page");
            for listed in &page.transactions {
                let id = listed.transaction.opening.id.as_ref();
                let shown: Value =
                    serde_json::from_slice(&harness.transaction(merchant, id).expect("shown")).expect("JSON");
                let of_it = events_of.remove(&key(merchant, id)).unwrap_or_default();
                let transitions: Vec<Value> = of_it
                    .iter()
                    .filter(|event| event.get("transition").is_some())
                    .map(|event| event["transition"].clone())
                    .collect();
                let context = || format!("{about}: {merchant} {id}\n{shown:#}\n{of_it:#?}");
                assert_eq!(Value::from(transitions), shown["transitions"], "{}", context());
                let is_opening =
                    |event: &&&Value| event.get("transition").is_none() && text(event, "event") != "linked";
                let unreserved = shown["flags"].as_array().expect("flags").contains(&Value::from("unreserved"));
                assert_eq!(of_it.iter().filter(is_opening).count(), usize::from(!unreserved), "{}", context());
                let last = of_it.last().unwrap_or_else(|| panic!("{}", context()));
                for member in ["amount", "flags", "level", "direction", "currency"] {
                    assert_eq!(last[member], shown[member], "{member}: {}", context());
                }
                // The feed showed the end of a hold that has ended since then.
                let has_ended = last["expires_at"].as_str().is_some_and(|end| end <= text(&shown, "server_time"));
                if !has_ended {
                    assert_eq!(
                        (&last["status"], &last["expires_at"]),
                        (&shown["status"], &shown["expires_at"]),
                        "{}",
                        context()
                    );
                }
                let numbers = of_it.iter().map(|event| event["lsn"].as_u64());
                assert!(numbers.is_sorted(), "{}", context());
            }
            match page.next {
                Some(next) => wanted.after = Some(next),
                None => break,
            }
        }
    }
    assert!(events_of.is_empty(), "{about}: no customer has these transactions: {events_of:#?}");
}

#[test]
fn feed_is_independent_of_page_size_and_agrees_with_transactions() {
    let mut facts = 0;
    for seed in seeds_from(8_001, 6) {
        let (workload, indexes, store) = (Workload::write(seed, mix(seed)), Indexes::new(), Memory::new());
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1");
        let (_, harness) =
            run_steps(&workload, 0..workload.steps.len(), &store, &indexes.fresh(), degree(seed), &about);
        let harness = harness.expect("a life");
        harness.journal().sync().expect("a sync");
        let (all, end) = heard(&harness, "", || 1_000);
        assert!(all.windows(2).all(|two| two[0]["lsn"].as_u64() <= two[1]["lsn"].as_u64()), "{about}: in order");
        assert_eq!(end, harness.journal().last().0, "{about}: it goes to the end");
        agrees(&harness, &workload.merchants, &all, &about);
        facts += all.len();
        let mut random = Random::seeded(seed);
        for most in [1, 3, 40] {
            let (paged, _) = heard(&harness, "", || 1 + random.place(most));
            assert!(paged == all, "{about}: pages of up to {most} are another feed");
        }
        for (merchant, _) in &workload.merchants {
            let of_it: Vec<Value> = all.iter().filter(|event| event["merchant"] == **merchant).cloned().collect();
            let (paged, _) = heard(&harness, &format!("&merchant={merchant}"), || 1 + random.place(9));
            assert!(paged == of_it, "{about}: {merchant} alone");
        }
        for flag in ["over_limit", "late", "conflict", "unreserved", "unknown_gate", "suspicious", "outlier"] {
            let has = |event: &&Value| event["flags"].as_array().expect("flags").contains(&Value::from(flag));
            let flagged: Vec<Value> = all.iter().filter(has).cloned().collect();
            let (paged, _) = heard(&harness, &format!("&flag={flag}"), || 1 + random.place(9));
            assert!(paged == flagged, "{about}: {flag} alone");
        }
    }
    assert!(facts > 500, "{facts} facts");
}

#[test]
fn feed_never_shows_a_fact_that_a_power_cut_loses() {
    for seed in seeds_from(8_101, 7) {
        let (workload, indexes, store) = (Workload::write(seed, mix(seed)), Indexes::new(), Memory::new());
        let sync = degree(seed);
        let mut random = Random::seeded(seed);
        let to = 60 + random.place(workload.steps.len() - 60);
        let about = format!("LEVELGATE_SEED={seed} LEVELGATE_SEEDS=1, {sync:?}, up to step {to}");
        let index = indexes.fresh();
        let (_, harness) = run_steps(&workload, 0..to, &store, &index, sync, &about);
        let harness = harness.expect("a life");
        let (before, next) = heard(&harness, "", || 1_000);
        let kinds: Vec<ImageKind> = match sync {
            // The content of the medium is unknown.
            Sync::Never => vec![ImageKind::Killed],
            Sync::Always | Sync::Interval => (0..8).map(|n| ImageKind::of(seed * 8 + n)).collect(),
        };
        let images: Vec<Memory> = kinds.iter().map(|kind| kind.of_store(&store)).collect();
        drop(harness);
        for (kind, image) in kinds.iter().zip(&images) {
            let about = format!("{about}, {kind:?}");
            let again = Harness::open(image, &indexes.copy_of(&index), sync, &workload.configuration(to).rules, None);
            let again = again.unwrap_or_else(|error| panic!("{about}: {error:#}"));
            again
                .desk
                .clock
                .now(Some(levelgate::domain::vocabulary::time::Millis(workload.steps[to - 1].clock)))
                .expect("a time");
            let (after, _) = heard(&again, "", || 1_000);
            assert!(after.len() >= before.len(), "{about}: {} facts, and the feed had {}", after.len(), before.len());
            for (events_of, found) in before.iter().zip(&after) {
                // A level may have been renamed by what was lost.
                let but_level = |event: &Value| {
                    let mut event = event.clone();
                    event["level"] = Value::Null;
                    event
                };
                assert_eq!(but_level(events_of), but_level(found), "{about}");
            }
            assert!(again.journal().last().0 >= next, "{about}: a reader that continues after {next} misses nothing");
            agrees(&again, &workload.merchants, &after, &about);
        }
    }
}
