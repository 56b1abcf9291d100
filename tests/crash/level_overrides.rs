//! Level overrides on a disk that fails at any call: each change is recovered completely or not at all,
//! and all customers of a level are known under one name.

use crate::disk_images::ImageKind;
use crate::harness::{Harness, Indexes};
use crate::instrument_model;
use levelgate::config::{Loaded, load};
use levelgate::domain::events::global_event::GlobalEvent;
use levelgate::domain::rules::level::LevelKey;
use levelgate::domain::vocabulary::direction::Direction;
use levelgate::domain::vocabulary::money::Currency;
use levelgate::domain::vocabulary::names::Name;
use levelgate::domain::vocabulary::time::Millis;
use levelgate::storage::fs::memory::Memory;
use levelgate::storage::journal::Sync;
use std::path::Path;
use std::sync::Arc;

const THEN: &str = "2026-03-10T12:00:00.000Z";
const BODY: &str = r#"{"projects": ["web"], "filters": [{"window": "daily", "amount_limit": "50.00"}]}"#;

/// One thing that is done.
#[derive(Debug, Clone, Copy)]
enum Action {
    Pay(&'static str, &'static str),
    Cancel(&'static str),
    Filed,
    Put(&'static str),
    Delete(&'static str),
    Rename(&'static str, &'static str),
    Keep,
}

/// Two customers at the level of the file; it is noted, renamed, set again under the old name, and renamed to a name that
/// was in use before.
const STORY: [Action; 20] = [
    Action::Filed,
    Action::Pay("anna", "t1"),
    Action::Pay("bert", "t2"),
    Action::Rename("open", "best"),
    Action::Pay("anna", "t3"),
    Action::Keep,
    Action::Put("open"),
    Action::Cancel("t1"),
    Action::Rename("best", "gold"),
    Action::Pay("bert", "t4"),
    Action::Delete("open"),
    Action::Put("best"),
    Action::Keep,
    Action::Delete("best"),
    Action::Rename("gold", "best"),
    Action::Cancel("t2"),
    Action::Pay("anna", "t5"),
    Action::Rename("best", "open"),
    Action::Keep,
    Action::Pay("bert", "t6"),
];

fn key(name: &str) -> LevelKey {
    let currency = Currency::parse("EUR").expect("a currency");
    LevelKey { merchant: of("side"), direction: Direction::Deposit, currency, name: of(name) }
}

fn of(name: &str) -> Name {
    Name::parse(name).expect("a name")
}

fn files() -> Loaded {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    load(config.path()).expect("a configuration")
}

/// Puts the overrides in force, as a start does.
fn stand(harness: &Harness, files: &Loaded) {
    let rules = files.effective_rules(&harness.desk.ledger.overrides()).expect("it goes together with the files");
    harness.desk.rules.store(Arc::new(rules));
}

fn put(name: &str) -> GlobalEvent {
    GlobalEvent::LevelPut { key: key(name), body: BODY.into(), created: Millis(1), at: Millis(2), by: None }
}

fn deleted(name: &str) -> GlobalEvent {
    GlobalEvent::LevelDeleted { key: key(name), at: Millis(3), by: None }
}

fn say(harness: &Harness, files: &Loaded, events: &[GlobalEvent]) {
    harness.desk.ledger.record_overrides(events);
    stand(harness, files);
}

fn line(op: &str, who: &str, id: Option<&str>) -> String {
    let mut line = instrument_model::line(op, THEN, "side", who, None);
    line.text("customer_level", "open");
    if let Some(id) = id {
        line.text("transaction_id", id);
    }
    line.line()
}

/// A payment or a check at the level that is stored.
fn stored(op: &str, who: &str, id: Option<&str>) -> String {
    line(op, who, id).replace("\"customer_level\": \"open\"", "\"customer_level\": null")
}

fn play(harness: &Harness, files: &Loaded, act: Action) {
    let reply = match act {
        Action::Pay(who, id @ ("t1" | "t2")) => harness.line(&line("payment", who, Some(id))),
        Action::Pay(who, id) => harness.line(&stored("payment", who, Some(id))),
        Action::Cancel(id) => harness.line(&format!(
            "{{\"op\": \"cancel\", \"at\": {THEN:?}, \"merchant\": \"side\", \"transaction_id\": {id:?}}}"
        )),
        Action::Filed => {
            let filed = files.changed_entries(&harness.desk.ledger.overrides(), Millis(1));
            return say(harness, files, &filed);
        }
        Action::Put(name) => return say(harness, files, &[put(name)]),
        Action::Delete(name) => return say(harness, files, &[deleted(name)]),
        Action::Rename(from, to) => {
            let (merchant, direction) = (of("side"), Direction::Deposit);
            let (from_name, to_name) = (of(from), of(to));
            let renamed = GlobalEvent::LevelRenamed {
                merchant,
                direction,
                from: from_name,
                to: to_name,
                at: Millis(4),
                by: None,
            };
            let besides = [put(to), deleted(from)];
            let mut overlay = harness.desk.ledger.overrides();
            besides.iter().for_each(|event| overlay.apply(event));
            let rules = Arc::new(files.effective_rules(&overlay).expect("rules"));
            harness.desk.ledger.rename_level(&renamed, &besides, &mut || harness.desk.rules.store(Arc::clone(&rules)));
            return;
        }
        Action::Keep => {
            let _tried = harness.keep(true, true);
            return;
        }
    };
    assert!(!reply.refused || reply.text.contains("503"), "{act:?}: {}", reply.text);
}

/// All that can be asked about.
fn state_of(harness: &Harness) -> String {
    let mut state = format!("{:?}\n", harness.desk.ledger.overrides().events());
    for who in ["anna", "bert"] {
        state += &harness.line(&stored("check", who, None)).text;
        for level in ["open", "best", "gold"] {
            let named = line("check", who, None).replace("\"open\"", &format!("{level:?}"));
            state += &harness.line(&named).text;
        }
        state.push('\n');
    }
    for id in ["t1", "t2", "t3", "t4", "t5", "t6"] {
        match harness.transaction("side", id) {
            Ok(shown) => state += &String::from_utf8(shown).expect("UTF-8"),
            Err(problem) => state += &problem.code,
        }
        state.push('\n');
    }
    state
}

fn open(store: &Memory, index: &Path, files: &Loaded) -> Option<Harness> {
    let now = levelgate::domain::vocabulary::time::Millis::parse(THEN).expect("a time");
    let rules =
        Arc::new(files.effective_rules(&levelgate::domain::events::overrides::Overrides::default()).expect("rules"));
    let harness = Harness::open(store, index, Sync::Always, &rules, Some(now.0)).ok()?;
    stand(&harness, files);
    Some(harness)
}

#[test]
fn level_changes_are_atomic_across_crashes() {
    let (files, indexes) = (files(), Indexes::new());
    // A run without a failure: the state after each step, and its last record.
    let (store, index) = (Memory::new(), indexes.fresh());
    let harness = open(&store, &index, &files).expect("a start");
    let mut after_steps = vec![(harness.journal().last().0, state_of(&harness))];
    for act in STORY {
        play(&harness, &files, act);
        harness.journal().commit(harness.journal().last()).expect("a commit");
        after_steps.push((harness.journal().last().0, state_of(&harness)));
    }
    drop(harness);
    let last = &after_steps[STORY.len()].1;
    assert!(last.contains("\"level\":{\"name\":\"open\",\"source\":\"stored\"}"), "{last}");
    assert!(!last.contains("\"name\":\"gold\""), "everything is called as it was last: {last}");
    let (calls, mut images) = (store.calls(), 0);
    for call in 1..=calls + 1 {
        let (store, index) = (Memory::new(), indexes.fresh());
        store.freeze_at(call);
        let (mut committed, mut begun) = (0, 0);
        if let Some(harness) = open(&store, &index, &files) {
            for act in STORY {
                begun += 1;
                play(&harness, &files, act);
                let last = harness.journal().last();
                match harness.journal().commit(last) {
                    Ok(()) => committed = last.0,
                    Err(_) => break,
                }
            }
        }
        for number in 0..3 {
            let kind = ImageKind::of(call * 3 + number);
            let about = format!("frozen at call {call}, image {kind:?}, {begun} steps begun");
            let image = kind.of_store(&store);
            images += 1;
            let harness =
                open(&image, &indexes.fresh(), &files).unwrap_or_else(|| panic!("{about}: it does not start"));
            let last = harness.journal().last().0;
            assert!(last >= committed, "{about}: record {committed} was promised, the journal ends with {last}");
            let found = state_of(&harness);
            let is_it = |(of, state): &(u64, String)| *of == last && *state == found;
            let wanted: Vec<&String> =
                after_steps.iter().filter(|(of, _)| *of == last).map(|(_, state)| state).collect();
            assert!(
                after_steps[..=begun].iter().any(is_it),
                "{about}, record {last}:\n{found}\nis none of\n{wanted:#?}"
            );
        }
    }
    println!("{calls} calls, {images} images");
}
