//! What was said through the API, beside what the files say.

use super::*;
use crate::{
    config::{effective::superseded, parse::body},
    domain::{
        events::global_event::GlobalEvent,
        rules::overrides::{LevelKey, Origin, Overlay},
    },
};

#[test]
fn what_stands_beside_the_files_is_joined_with_them() {
    let file = format!("{MERCHANT}{LEVEL}");
    let loaded = load_merchant(&file).unwrap();
    let mut overlay = Overlay::default();
    let filed = loaded.filed(&overlay, Millis(1));
    let key = LevelKey { merchant: name("m"), direction: Direction::Deposit, currency: eur(), name: name("gold") };
    assert!(matches!(filed.as_slice(), [GlobalEvent::LevelFiled { key: of, digest: Some(_), .. }] if *of == key));
    assert_eq!(loaded.in_force(&overlay).unwrap().version, loaded.rules.version, "the files alone name themselves");
    filed.iter().for_each(|event| overlay.apply(event));
    assert_eq!(load_merchant(&file).unwrap().filed(&overlay, Millis(2)), [], "nothing has changed");
    assert_eq!(loaded.in_force(&overlay).unwrap().version, loaded.rules.version);

    // The entry as JSON is the level that the file makes.
    let entry = &loaded.entries[0];
    let of_file = merchant(&loaded, "m");
    let of_body = body::level(entry.body.as_bytes(), &key, &of_file, &loaded.rules.currencies, false).unwrap();
    assert_eq!(format!("{of_body:?}"), format!("{:?}", of_file.levels[0]));

    let put = |key: LevelKey, body: &str| GlobalEvent::LevelPut {
        key,
        body: body.into(),
        created: Millis(1),
        at: Millis(3),
        by: Some(name("ops")),
    };
    let silver = LevelKey { name: name("silver"), ..key };
    overlay.apply(&put(key, r#"{"status": "disabled"}"#));
    overlay.apply(&put(silver, r#"{"projects": ["p"], "gates": ["g"]}"#));
    let rules = loaded.in_force(&overlay).unwrap();
    assert_ne!(rules.version, loaded.rules.version);
    let m = rules.merchant("m").unwrap();
    let of = |key: LevelKey| m.level(key.direction, key.currency, key.name);
    assert!(of(key).is_some_and(|level| !level.active && level.known.origin == Origin::Api));
    assert!(of(silver).is_some_and(|level| level.gates == Some(vec![GateItem::Gate(0)])));
    assert!(m.names_level(name("silver")));

    // A gate that goes: the files that do not have it are refused in words.
    let other = load_merchant(&file.replace("\"g\"", "\"h\"")).unwrap();
    let problems = other.in_force(&overlay).unwrap_err();
    assert!(
        problems.len() == 1 && problems[0].text.contains("level `silver`") && problems[0].text.contains("`g`"),
        "{problems:?}"
    );

    // The file wins where its entry says something else, and says so.
    let changed = load_merchant(&format!("{file}status = \"active\"\n")).unwrap();
    let filed = changed.filed(&overlay, Millis(4));
    let told = superseded(&filed, &overlay);
    assert!(told.len() == 1 && told[0].contains("level `gold`") && told[0].contains("by ops"), "{told:?}");
    filed.iter().for_each(|event| overlay.apply(event));
    let rules = changed.in_force(&overlay).unwrap();
    let gold = rules.merchant("m").unwrap().level(key.direction, key.currency, key.name).unwrap();
    assert_eq!(
        (gold.known.origin, gold.known.created, gold.known.modified),
        (Origin::File, Some(Millis(1)), Some(Millis(4)))
    );

    // A merchant of whom the files know nothing keeps what was said.
    let without = load_files([("merchants/n.toml", MERCHANT.replace("\"m\"", "\"n\""))]).unwrap();
    assert_eq!(without.filed(&overlay, Millis(5)), []);
    assert!(without.in_force(&overlay).is_ok());

    // Deletions, one in the middle of the list.
    let three = format!("{file}{}{}", LEVEL.replace("gold", "a"), LEVEL.replace("gold", "b"));
    let loaded = load_merchant(&three).unwrap();
    overlay = Overlay::default();
    overlay.apply(&GlobalEvent::LevelDeleted { key: LevelKey { name: name("a"), ..key }, at: Millis(1), by: None });
    let rules = loaded.in_force(&overlay).unwrap();
    let names: Vec<&str> = rules.merchant("m").unwrap().levels.iter().map(|level| level.name.as_str()).collect();
    assert_eq!(names, ["gold", "b"]);
    assert!(rules.merchant("m").unwrap().level(key.direction, key.currency, name("b")).is_some());
}
