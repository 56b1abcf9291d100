//! The event feed contains every answered fact once and in order, across kills.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::answer_fields::text;
use crate::daemon::Daemon;
use crate::model::Transaction;
use crate::worker::Worker;
use support::process::PATIENCE;

/// The whole feed, up to all that was answered.
fn feed(daemon: &Daemon) -> Vec<Value> {
    let mut client = daemon.client();
    let lsn = client.get("/v1/status").expect("an answer").ok()["lsn"].as_u64().expect("a number");
    let (mut events, mut after, begun) = (Vec::new(), 0, Instant::now());
    while after < lsn {
        assert!(begun.elapsed() < PATIENCE, "the feed ends at {after}, and the journal at {lsn}");
        let page = client.get(&format!("/v1/events?after={after}&limit=1000&wait=5")).expect("an answer").ok();
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
    let mut events_of: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for event in &events {
        events_of.entry((text(event, "merchant"), text(event, "transaction_id"))).or_default().push(event);
    }
    for customer in workers.iter().flat_map(|worker| &worker.records.customers.all) {
        for transaction in &customer.transactions {
            let of_it = events_of.remove(&(customer.merchant, transaction.id.as_str())).unwrap_or_default();
            assert!(is_told(transaction, &of_it), "{context}: {transaction:?}\n{of_it:#?}");
        }
    }
    assert!(events_of.is_empty(), "{context}: no client has these: {events_of:#?}");
}

fn is_told(transaction: &Transaction, events: &[&Value]) -> bool {
    let facts = events.iter().filter(|event| event.get("transition").is_some()).count();
    let is_reserved = transaction.asked > 0;
    facts == transaction.facts
        && events.len() == facts + usize::from(is_reserved)
        && events.first().is_some_and(|first| first.get("transition").is_some() != is_reserved)
        && events.last().is_some_and(|last| text(last, "status") == transaction.status())
}
