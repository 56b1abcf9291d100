//! Level overrides on a disk that fails at any call: each change is recovered completely or not at all,
//! and all customers of a level are known under one name.

use crate::disk_images::Kind;
use crate::harness::{Indexes, Stage};
use crate::instrument_model;
use levelgate::config::{Loaded, load};
use levelgate::domain::events::global_event::GlobalEvent;
use levelgate::domain::rules::configuration::Direction;
use levelgate::domain::rules::overrides::LevelKey;
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
enum Act {
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
const STORY: [Act; 20] = [
    Act::Filed,
    Act::Pay("anna", "t1"),
    Act::Pay("bert", "t2"),
    Act::Rename("open", "best"),
    Act::Pay("anna", "t3"),
    Act::Keep,
    Act::Put("open"),
    Act::Cancel("t1"),
    Act::Rename("best", "gold"),
    Act::Pay("bert", "t4"),
    Act::Delete("open"),
    Act::Put("best"),
    Act::Keep,
    Act::Delete("best"),
    Act::Rename("gold", "best"),
    Act::Cancel("t2"),
    Act::Pay("anna", "t5"),
    Act::Rename("best", "open"),
    Act::Keep,
    Act::Pay("bert", "t6"),
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
fn stand(stage: &Stage, files: &Loaded) {
    let rules = files.in_force(&stage.desk.ledger.overlay()).expect("it goes together with the files");
    stage.desk.rules.store(Arc::new(rules));
}

fn put(name: &str) -> GlobalEvent {
    GlobalEvent::LevelPut { key: key(name), body: BODY.into(), created: Millis(1), at: Millis(2), by: None }
}

fn deleted(name: &str) -> GlobalEvent {
    GlobalEvent::LevelDeleted { key: key(name), at: Millis(3), by: None }
}

fn say(stage: &Stage, files: &Loaded, events: &[GlobalEvent]) {
    stage.desk.ledger.say(events);
    stand(stage, files);
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

fn play(stage: &Stage, files: &Loaded, act: Act) {
    let said = match act {
        Act::Pay(who, id @ ("t1" | "t2")) => stage.line(&line("payment", who, Some(id))),
        Act::Pay(who, id) => stage.line(&stored("payment", who, Some(id))),
        Act::Cancel(id) => stage.line(&format!(
            "{{\"op\": \"cancel\", \"at\": {THEN:?}, \"merchant\": \"side\", \"transaction_id\": {id:?}}}"
        )),
        Act::Filed => {
            let filed = files.filed(&stage.desk.ledger.overlay(), Millis(1));
            return say(stage, files, &filed);
        }
        Act::Put(name) => return say(stage, files, &[put(name)]),
        Act::Delete(name) => return say(stage, files, &[deleted(name)]),
        Act::Rename(from, to) => {
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
            let mut overlay = stage.desk.ledger.overlay();
            besides.iter().for_each(|event| overlay.apply(event));
            let rules = Arc::new(files.in_force(&overlay).expect("rules"));
            stage.desk.ledger.rename(&renamed, &besides, &mut || stage.desk.rules.store(Arc::clone(&rules)));
            return;
        }
        Act::Keep => {
            let _tried = stage.keep(true, true);
            return;
        }
    };
    assert!(!said.refused || said.text.contains("503"), "{act:?}: {}", said.text);
}

/// All that can be asked about.
fn seen(stage: &Stage) -> String {
    let mut seen = format!("{:?}\n", stage.desk.ledger.overlay().events());
    for who in ["anna", "bert"] {
        seen += &stage.line(&stored("check", who, None)).text;
        for level in ["open", "best", "gold"] {
            let named = line("check", who, None).replace("\"open\"", &format!("{level:?}"));
            seen += &stage.line(&named).text;
        }
        seen.push('\n');
    }
    for id in ["t1", "t2", "t3", "t4", "t5", "t6"] {
        match stage.desk.show("side", id) {
            Ok(shown) => seen += &String::from_utf8(shown).expect("UTF-8"),
            Err(problem) => seen += &problem.code,
        }
        seen.push('\n');
    }
    seen
}

fn open(store: &Memory, index: &Path, files: &Loaded) -> Option<Stage> {
    let now = levelgate::domain::vocabulary::time::Millis::parse(THEN).expect("a time");
    let rules = Arc::new(files.in_force(&levelgate::domain::rules::overrides::Overlay::default()).expect("rules"));
    let stage = Stage::open(store, index, Sync::Always, &rules, Some(now.0)).ok()?;
    stand(&stage, files);
    Some(stage)
}

#[test]
fn level_changes_are_atomic_across_crashes() {
    let (files, indexes) = (files(), Indexes::new());
    // A run without a failure: the state after each step, and its last record.
    let (store, index) = (Memory::new(), indexes.fresh());
    let stage = open(&store, &index, &files).expect("a start");
    let mut behind = vec![(stage.journal().last().0, seen(&stage))];
    for act in STORY {
        play(&stage, &files, act);
        stage.journal().commit(stage.journal().last()).expect("a commit");
        behind.push((stage.journal().last().0, seen(&stage)));
    }
    drop(stage);
    let last = &behind[STORY.len()].1;
    assert!(last.contains("\"level\":{\"name\":\"open\",\"source\":\"stored\"}"), "{last}");
    assert!(!last.contains("\"name\":\"gold\""), "everything is called as it was last: {last}");
    let (calls, mut images) = (store.calls(), 0);
    for call in 1..=calls + 1 {
        let (store, index) = (Memory::new(), indexes.fresh());
        store.freeze_at(call);
        let (mut committed, mut begun) = (0, 0);
        if let Some(stage) = open(&store, &index, &files) {
            for act in STORY {
                begun += 1;
                play(&stage, &files, act);
                let last = stage.journal().last();
                match stage.journal().commit(last) {
                    Ok(()) => committed = last.0,
                    Err(_) => break,
                }
            }
        }
        for number in 0..3 {
            let kind = Kind::of(call * 3 + number);
            let about = format!("frozen at call {call}, image {kind:?}, {begun} steps begun");
            let image = kind.of_store(&store);
            images += 1;
            let stage = open(&image, &indexes.fresh(), &files).unwrap_or_else(|| panic!("{about}: it does not start"));
            let last = stage.journal().last().0;
            assert!(last >= committed, "{about}: record {committed} was promised, the journal ends with {last}");
            let found = seen(&stage);
            let is_it = |(of, seen): &(u64, String)| *of == last && *seen == found;
            let wanted: Vec<&String> = behind.iter().filter(|(of, _)| *of == last).map(|(_, seen)| seen).collect();
            assert!(behind[..=begun].iter().any(is_it), "{about}, record {last}:\n{found}\nis none of\n{wanted:#?}");
        }
    }
    println!("{calls} calls, {images} images");
}
