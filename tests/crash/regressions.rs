//! Each defect that was found has its smallest story here.

use crate::harness::{Harness, Indexes};
use crate::instrument_model;
use levelgate::storage::fs::memory::{Keep, Memory, Unsynced};
use levelgate::storage::journal::Sync;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

pub type Rules = Arc<levelgate::domain::rules::configuration::Rules>;

pub fn rules() -> Rules {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    Arc::new(levelgate::config::load(config.path()).expect("a configuration").rules)
}

fn open(store: &Memory, index: &Path, rules: &Rules) -> Harness {
    Harness::open(store, index, Sync::Always, rules, None).expect("a start")
}

const THEN: &str = "2026-03-10T12:00:00.000Z";
const LONG_AFTER: &str = "2027-03-10T12:00:00.000Z";

fn pay(harness: &Harness, at: &str, id: &str) {
    let mut line = instrument_model::line("payment", at, "side", "anna", None);
    line.text("transaction_id", id);
    let reply = harness.line(&line.line());
    assert!(!reply.refused, "{}", reply.text);
    harness.journal().commit(reply.depends_on_lsn).expect("a commit");
}

/// Gives a cent back; whether that was known already.
fn cancel(harness: &Harness, n: u32) -> bool {
    let reply = harness.line(&format!(
        "{{\"op\": \"cancel\", \"at\": {LONG_AFTER:?}, \"merchant\": \"side\", \"transaction_id\": \"t\", \
         \"amount\": \"0.01\", \"cancel_id\": \"c{n}\"}}"
    ));
    assert!(!reply.refused, "{}", reply.text);
    reply.replay
}

/// A stage on which the transaction `t` has left memory.
fn with_one_that_left(store: &Memory, index: &Path, rules: &Rules) -> Harness {
    let harness = open(store, index, rules);
    pay(&harness, THEN, "t");
    drop(harness);
    let harness = open(store, index, rules);
    harness.line(&instrument_model::line("check", LONG_AFTER, "side", "anna", None).line());
    harness.keep(true, true).expect("a snapshot");
    assert!(harness.desk.ledger.has_evicted());
    harness
}

#[test]
fn late_fact_during_a_snapshot_is_recovered() {
    let (indexes, rules) = (Indexes::new(), rules());
    for after in 0..2 {
        let (store, index) = (Memory::new(), indexes.fresh());
        let harness = with_one_that_left(&store, &index, &rules);
        assert!(!cancel(&harness, 0));
        let mut pieces = 0;
        harness.snapshot_interleaved(&store, || {
            assert!(pieces != after || !cancel(&harness, 1));
            pieces += 1;
        });
        assert!(pieces > after);
        drop(harness);
        let harness = open(&store, &index, &rules);
        harness.line(&instrument_model::line("check", LONG_AFTER, "side", "anna", None).line());
        for n in 0..2 {
            assert!(cancel(&harness, n), "the cancel {n} is accepted as new; the last came after piece {after}");
        }
    }
}

#[test]
fn list_shows_late_facts() {
    let (store, indexes, rules) = (Memory::new(), Indexes::new(), rules());
    let harness = with_one_that_left(&store, &indexes.fresh(), &rules);
    assert!(!cancel(&harness, 0));
    // The list and what is shown are compared with each other there.
    assert_eq!(harness.listed("side"), "t approved");
}

/// Some lines, all answered with 200; what the last one answers.
fn play(harness: &Harness, lines: &[String]) -> Value {
    let mut last = Value::Null;
    for line in lines {
        let reply = harness.line(line);
        assert!(!reply.refused, "{line}\n{}", reply.text);
        harness.journal().commit(reply.depends_on_lsn).expect("a commit");
        last = serde_json::from_str(&reply.text).expect("JSON");
    }
    last
}

#[test]
fn reserve_of_an_evicted_approval_is_accepted_without_a_hold() {
    let (indexes, rules) = (Indexes::new(), rules());
    let approval = |is_final: &str| {
        let mut line = instrument_model::line("approve", THEN, "side", "anna", None);
        line.text("transaction_id", "t");
        line.set("final", is_final.to_owned());
        line.line()
    };
    let cancel = format!(
        "{{\"op\": \"cancel\", \"at\": {THEN:?}, \"merchant\": \"side\", \"transaction_id\": \"t\", \"of\": \"approved\"}}"
    );
    let reserve = {
        let mut line = instrument_model::line("reserve", LONG_AFTER, "side", "anna", None);
        line.text("transaction_id", "t");
        line.text("amount", "3.00");
        line.line()
    };
    let attempt = format!(
        "{{\"op\": \"attempt\", \"at\": {LONG_AFTER:?}, \"merchant\": \"side\", \"transaction_id\": \"t\", \
         \"attempt\": 1, \"gate\": \"g\", \"outcome\": \"declined\"}}"
    );
    let check = instrument_model::line("check", LONG_AFTER, "side", "anna", None).line();
    let mut found = Vec::new();
    for (is_final, cancels, status, held_amount, used) in [
        ("false", true, "cancelled", "0.00", "2.00"),
        ("false", false, "approved", "0.00", "2.00"),
        ("true", true, "cancelled", "0.00", "2.00"),
        ("true", false, "approved", "0.00", "2.00"),
    ] {
        let (store, index) = (Memory::new(), indexes.fresh());
        let mut harness = open(&store, &index, &rules);
        let begin: Vec<String> = [approval(is_final)].into_iter().chain(cancels.then(|| cancel.clone())).collect();
        play(&harness, &begin);
        drop(harness);
        harness = open(&store, &index, &rules);
        play(&harness, std::slice::from_ref(&check));
        harness.keep(true, true).expect("a snapshot");
        let has_left = harness.desk.ledger.has_evicted();
        let mut found_states = vec![play(&harness, std::slice::from_ref(&reserve))["status"].clone()];
        let mut wanted = vec![Value::from(status)];
        for round in ["at once", "after a snapshot", "after a restart"] {
            let stands = play(&harness, std::slice::from_ref(&attempt));
            // The question's own euro is among what is used.
            let usage = play(&harness, std::slice::from_ref(&check))["limits"][0]["amount"]["used"].clone();
            found_states.extend([stands["status"].clone(), stands["held"].clone(), usage]);
            wanted.extend([status, held_amount, used].map(Value::from));
            harness.keep(true, true).expect("a snapshot");
            if round == "after a snapshot" {
                drop(harness);
                harness = open(&store, &index, &rules);
            }
        }
        if found_states != wanted {
            found.push(format!("final {is_final}, cancelled {cancels}, has left: {has_left}: {found_states:?}"));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn key_lost_in_a_power_cut_truncates_the_records_it_sealed() {
    let (store, indexes, rules) = (Memory::new(), Indexes::new(), rules());
    let index = indexes.fresh();
    let harness = open(&store, &index, &rules);
    pay(&harness, THEN, "t");
    let mut line = instrument_model::line("reserve", THEN, "side", "bert", None);
    line.text("transaction_id", "u");
    line.set("customer", "{\"email\": \"bert@example.com\"}".into());
    let reply = harness.line(&line.line());
    // Key and record are written; the first sync, that of the keys, does not come any more.
    store.freeze_at(store.calls() + 3);
    harness.journal().commit(reply.depends_on_lsn).expect_err("no sync");
    drop(harness);
    // Of two writes that were not synced the medium has the later one alone.
    let image = store.crash_image(&mut |change| match change {
        Unsynced::Write { bytes: 64, .. } => Keep::Nothing,
        _ => Keep::All,
    });
    let harness = open(&image, &indexes.fresh(), &rules);
    harness.line(&instrument_model::line("check", THEN, "side", "anna", None).line());
    assert!(harness.transaction("side", "u").is_err());
    let shown: Value =
        serde_json::from_slice(&harness.transaction("side", "t").expect("it was acknowledged")).expect("JSON");
    assert_eq!(shown["status"], "approved");
}
