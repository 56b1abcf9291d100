//! The event feed contains every answered fact once and in order, across kills.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answer_fields::text;
use crate::daemon::Daemon;
use crate::model::Tx;
use crate::worker::Worker;
use support::process::PATIENCE;

/// The whole feed, up to all that was answered.
fn feed(daemon: &Daemon) -> Vec<Value> {
    let mut wire = daemon.wire();
    let lsn = wire.get("/v1/status").expect("an answer").ok()["lsn"].as_u64().expect("a number");
    let (mut events, mut after, begun) = (Vec::new(), 0, Instant::now());
    while after < lsn {
        assert!(begun.elapsed() < PATIENCE, "the feed ends at {after}, and the journal at {lsn}");
        let page = wire.get(&format!("/v1/events?after={after}&limit=1000&wait=5")).expect("an answer").ok();
        after = page["next"].as_u64().expect("a number");
        events.extend(page["events"].as_array().expect("events").iter().cloned());
        if page["events"].as_array().is_some_and(Vec::is_empty) {
            thread::sleep(Duration::from_millis(5));
        }
    }
    events
}

/// Holds the feed to what the clients have.
pub(crate) fn assert_feed(daemon: &Daemon, workers: &[Worker], context: &str) {
    let events = feed(daemon);
    assert!(events.windows(2).all(|two| two[0]["lsn"].as_u64() <= two[1]["lsn"].as_u64()), "{context}: in order");
    let mut told: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for event in &events {
        told.entry((text(event, "merchant"), text(event, "transaction_id"))).or_default().push(event);
    }
    for person in workers.iter().flat_map(|worker| &worker.book.people.all) {
        for tx in &person.txs {
            let of_it = told.remove(&(person.merchant, tx.id.as_str())).unwrap_or_default();
            assert!(is_told(tx, &of_it), "{context}: {tx:?}\n{of_it:#?}");
        }
    }
    assert!(told.is_empty(), "{context}: no client has these: {told:#?}");
}

fn is_told(tx: &Tx, events: &[&Value]) -> bool {
    let facts = events.iter().filter(|event| event.get("transition").is_some()).count();
    let is_reserved = tx.asked > 0;
    facts == tx.facts
        && events.len() == facts + usize::from(is_reserved)
        && events.first().is_some_and(|first| first.get("transition").is_some() != is_reserved)
        && events.last().is_some_and(|last| text(last, "status") == tx.status())
}
