//! Overrides of the API combined with the files.

use super::*;
use crate::{
    config::{body, effective::superseded_overrides},
    domain::{
        events::{global_event::GlobalEvent, overrides::Overrides},
        rules::{level::LevelKey, provenance::Origin},
    },
};

#[test]
fn overrides_are_combined_with_the_files() {
    let file = format!("{MERCHANT}{LEVEL}");
    let loaded = load_merchant(&file).unwrap();
    let mut overlay = Overrides::default();
    let filed = loaded.changed_entries(&overlay, Millis(1));
    let key = LevelKey { merchant: name("m"), direction: Direction::Deposit, currency: eur(), name: name("gold") };
    assert!(matches!(filed.as_slice(), [GlobalEvent::LevelFileApplied { key: of, digest: Some(_), .. }] if *of == key));
    assert_eq!(
        loaded.effective_rules(&overlay).unwrap().version,
        loaded.rules.version,
        "without overrides the version is that of the files"
    );
    filed.iter().for_each(|event| overlay.apply(event));
    assert_eq!(load_merchant(&file).unwrap().changed_entries(&overlay, Millis(2)), [], "nothing has changed");
    assert_eq!(loaded.effective_rules(&overlay).unwrap().version, loaded.rules.version);

    // The JSON of the entry compiles to the same level as the file.
    let entry = &loaded.level_entries[0];
    let of_file = merchant(&loaded, "m");
    let of_body = body::level(entry.body.as_bytes(), &key, &of_file, &loaded.rules.currencies, false)
        .map(|body| body.level)
        .unwrap();
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
    let rules = loaded.effective_rules(&overlay).unwrap();
    assert_ne!(rules.version, loaded.rules.version);
    let m = rules.merchant("m").unwrap();
    let of = |key: LevelKey| m.level(key.direction, key.currency, key.name);
    assert!(of(key).is_some_and(|level| !level.active && level.known.origin == Origin::Api));
    assert!(of(silver).is_some_and(|level| level.gates == Some(vec![GateItem::Gate(0)])));
    assert!(m.has_level(name("silver")));

    // A record of an earlier version has the rates as they were sent, and keeps their version.
    let sent = "{ \"rates\": {\"USD\": 1.10},\n \"base\": \"EUR\" }";
    let mut with_rates = overlay.clone();
    with_rates.apply(&GlobalEvent::RatesPut { body: sent.into(), at: Millis(4), by: None });
    let rates = loaded.effective_rules(&with_rates).unwrap().rates;
    assert_eq!(rates.version, crate::config::version::version_of([("rates", sent.as_bytes())]));
    assert_eq!(rates.rates.get(&Currency::parse("USD").unwrap()), Decimal::parse("1.10").ok().as_ref());

    // Files without a gate that an override uses are refused.
    let other = load_merchant(&file.replace("\"g\"", "\"h\"")).unwrap();
    let problems = other.effective_rules(&overlay).unwrap_err();
    assert!(
        problems.len() == 1 && problems[0].text.contains("level `silver`") && problems[0].text.contains("`g`"),
        "{problems:?}"
    );

    // A changed entry of the file supersedes the override, and a warning reports it.
    let changed = load_merchant(&format!("{file}status = \"active\"\n")).unwrap();
    let filed = changed.changed_entries(&overlay, Millis(4));
    let warnings = superseded_overrides(&filed, &overlay);
    assert!(
        warnings.len() == 1 && warnings[0].text.contains("level `gold`") && warnings[0].text.contains("by ops"),
        "{warnings:?}"
    );
    filed.iter().for_each(|event| overlay.apply(event));
    let rules = changed.effective_rules(&overlay).unwrap();
    let gold = rules.merchant("m").unwrap().level(key.direction, key.currency, key.name).unwrap();
    assert_eq!(
        (gold.known.origin, gold.known.created, gold.known.modified),
        (Origin::File, Some(Millis(1)), Some(Millis(4)))
    );

    // The overrides of a merchant that the files do not define are kept.
    let without = load_files([("merchants/n.toml", MERCHANT.replace("\"m\"", "\"n\""))]).unwrap();
    assert_eq!(without.changed_entries(&overlay, Millis(5)), []);
    assert!(without.effective_rules(&overlay).is_ok());

    // Deletions, one in the middle of the list.
    let three = format!("{file}{}{}", LEVEL.replace("gold", "a"), LEVEL.replace("gold", "b"));
    let loaded = load_merchant(&three).unwrap();
    overlay = Overrides::default();
    overlay.apply(&GlobalEvent::LevelDeleted { key: LevelKey { name: name("a"), ..key }, at: Millis(1), by: None });
    let rules = loaded.effective_rules(&overlay).unwrap();
    let names: Vec<&str> = rules.merchant("m").unwrap().levels.iter().map(|level| level.name.as_str()).collect();
    assert_eq!(names, ["gold", "b"]);
    assert!(rules.merchant("m").unwrap().level(key.direction, key.currency, name("b")).is_some());
}
