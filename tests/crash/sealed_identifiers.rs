//! Sealed identifiers on the disk: what files hold, what comes back of it, and what an erasure leaves, with the setting
//! on, off, and switched on the way.

use crate::configurations::Configuration;
use crate::harness::{Harness, Indexes};
use crate::instrument_model;
use levelgate::{
    domain::{
        customer::{
            audit::{Author, ChangeSource},
            erasure,
        },
        vocabulary::{attributes::Attributes, calendar::LocalTime, names::Name, time::Millis},
    },
    ledger::{Actor, AnyOf, CustomerCriterion, CustomerQuery, CustomerRef, SealedMerchants},
    storage::{
        fs::memory::{Keep, Memory, Unsynced},
        journal::Sync,
    },
};
use serde_json::Value;
use std::path::Path;

const MERCHANT: &str = "side";
const NOW: &str = "2026-03-10T12:00:00.000Z";
const AUTHOR: Author = Author { source: ChangeSource::Api, by: None, job: None };

/// The configuration in which the merchant's identifiers are sealed, or are not.
fn configuration(seals: bool) -> Configuration {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    let path = config.path().join("merchants").join(format!("{MERCHANT}.toml"));
    let file = std::fs::read_to_string(&path).expect("a file");
    let head = format!("seal_identifiers = {seals}\ndeletion_grace = \"1s\"");
    let file = file.replace("seal_identifiers = false", &head);
    std::fs::write(&path, file).expect("a file");
    Configuration::read(config.path(), format!("seal_identifiers = {seals}"), "sealing")
}

fn open(store: &Memory, index: &Path, sync: Sync, configuration: &Configuration) -> Harness {
    Harness::open(store, index, sync, &configuration.rules, Some(now().0)).expect("a start")
}

fn now() -> Millis {
    Millis(support::model::calendar::instant(NOW).expect("a time"))
}

/// Asks or pays; what is answered.
fn say(harness: &Harness, op: &str, merchant: &str, who: &str) -> Value {
    let mut line = instrument_model::line(op, NOW, merchant, who, None);
    if op == "payment" {
        line.text("transaction_id", &format!("t-{merchant}-{}", harness.journal().last()));
    }
    let reply = harness.line(&line.line());
    assert!(!reply.refused, "{who}: {}", reply.text);
    harness.journal().commit(reply.depends_on_lsn).expect("a commit");
    serde_json::from_str(&reply.text).expect("JSON")
}

/// The number of a customer who must be known by this identifier.
fn found(harness: &Harness, who: &str, about: &str) -> String {
    let answer = say(harness, "check", MERCHANT, who);
    assert_eq!(answer["customer"]["resolution"], "found", "{who}, {about}: {answer}");
    answer["customer"]["customer_id"].as_str().expect("a number").to_owned()
}

/// How often a text is in the files whose paths begin so.
fn count(store: &Memory, folder: &str, text: &str) -> usize {
    let of = |bytes: Vec<u8>| bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    let paths = store.paths().into_iter().filter(|path| path.starts_with(folder));
    paths.map(|path| of(store.bytes(&path).expect("a file"))).sum()
}

fn without_snapshots(store: &Memory) -> Memory {
    let image = store.kill_image();
    let snapshots = image.paths().into_iter().filter(|path| path.starts_with("snapshots/"));
    snapshots.for_each(|path| levelgate::storage::fs::Store::remove(&image, &path).expect("removed"));
    image
}

#[test]
fn files_hold_identifiers_sealed_from_the_switch_on_and_every_start_reads_the_mixture() {
    let (store, indexes) = (Memory::new(), Indexes::new());
    let (clear, sealed) = (configuration(false), configuration(true));
    let harness = open(&store, &indexes.fresh(), Sync::Always, &clear);
    say(&harness, "payment", MERCHANT, "anna.secret");
    harness.keep(false, false).expect("a snapshot");
    assert!(count(&store, "journal/", "anna.secret") == 1 && count(&store, "snapshots/", "anna.secret") == 1);
    harness.reload(&sealed);
    say(&harness, "payment", MERCHANT, "bert.secret");
    // Known customers pay on, and no record of theirs names an identifier.
    say(&harness, "payment", MERCHANT, "anna.secret");
    for _ in 0..2 {
        say(&harness, "payment", MERCHANT, "bert.secret");
        harness.keep(false, false).expect("a snapshot");
    }
    assert_eq!(count(&store, "", "bert.secret"), 0, "sealed in every file");
    assert_eq!(count(&store, "journal/", "anna.secret"), 1, "a record from before stays as it is");
    assert_eq!(count(&store, "snapshots/", "anna.secret"), 0, "a snapshot seals it");
    let both = |harness: &Harness, about: &str| ["anna.secret", "bert.secret"].map(|who| found(harness, who, about));
    let known = both(&harness, "at first");
    drop(harness);
    for (configuration, what) in [(&clear, "off"), (&sealed, "on")] {
        let index = indexes.fresh();
        let harness = open(&store.kill_image(), &index, Sync::Always, configuration);
        assert_eq!(both(&harness, what), known, "with a snapshot, {what}");
        let harness = open(&without_snapshots(&store), &indexes.fresh(), Sync::Always, configuration);
        assert_eq!(both(&harness, what), known, "by the records alone, {what}");
    }
    // Switched off: the next records contain plain text, and sealed ones stay sealed.
    let harness = open(&store, &indexes.fresh(), Sync::Always, &clear);
    say(&harness, "payment", MERCHANT, "carl.secret");
    for n in 0..2 {
        say(&harness, "payment", MERCHANT, if n == 0 { "anna.secret" } else { "carl.secret" });
        harness.keep(false, false).expect("a snapshot");
    }
    assert!(count(&store, "journal/", "carl.secret") == 1 && count(&store, "snapshots/", "carl.secret") == 2);
    assert_eq!(count(&store, "", "bert.secret") + count(&store, "snapshots/", "anna.secret"), 0, "nothing is unsealed");
}

#[test]
fn snapshot_syncs_keys_of_newly_sealed_records() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let (store, indexes) = (Memory::new(), Indexes::new());
        let harness = open(&store, &indexes.fresh(), sync, &configuration(false));
        say(&harness, "payment", MERCHANT, "anna.secret");
        harness.journal().sync().expect("a sync");
        harness.reload(&configuration(true));
        // The snapshot makes the key of this customer, and no record follows.
        harness.keep(false, false).expect("a snapshot");
        assert_eq!(count(&store, "snapshots/", "anna.secret"), 0);
        for (image, what) in [(store.kill_image(), "killed"), (store.crash_image(&mut |_| Keep::Nothing), "power cut")]
        {
            let harness = open(&image, &indexes.fresh(), sync, &configuration(true));
            assert!(harness.folder().loaded_snapshot().0 > 0, "{what}, {sync:?}: the start did not use the snapshot");
            found(&harness, "anna.secret", what);
        }
    }
}

/// What is shown of the identifiers of a customer, and of the history.
fn shown(harness: &Harness, number: &str) -> String {
    let look = |customer: &levelgate::domain::customer::aggregate::Customer, _| {
        let texts: Vec<_> = customer.all_identifiers().map(|identifier| identifier.text().map(str::to_owned)).collect();
        format!("{:?} {texts:?} {}", customer.shown_identifier(), customer.is_erased())
    };
    let mut text = harness.desk.ledger.with_customer(MERCHANT, number, now(), look).expect("a customer");
    let tell = &mut |chapter: &levelgate::ledger::HistoryStep, _: &_, _: &_| text += &format!("\n{:?}", chapter.events);
    harness.desk.ledger.history(MERCHANT, number, now(), tell).expect("a history");
    text
}

/// Merges the first into the second, asks to forget both, and forgets them.
fn merge_and_forget(harness: &Harness, [from, into]: [&str; 2]) -> String {
    let (ledger, rules) = (&harness.desk.ledger, harness.desk.rules.load());
    let merchant = rules.merchant(MERCHANT).expect("the merchant");
    let [from, into] = [from, into].map(|who| found(harness, who, "to be merged"));
    let actor = Actor { author: AUTHOR, now: now() };
    ledger.merge(merchant, &from, &into, actor).expect("merged");
    let mut ask = |customer: &levelgate::domain::customer::aggregate::Customer, now| {
        Ok(erasure::deletion_events(customer, merchant, now))
    };
    ledger
        .change(CustomerRef { merchant: merchant.id, customer_id: &into }, actor, &Attributes::default(), &mut ask)
        .expect("asked");
    let long_after = now().plus(merchant.deletion_grace_ms);
    assert_eq!(ledger.erase_due(&rules, long_after, 9).expect("erased"), 1);
    harness.journal().commit(harness.journal().last()).expect("a commit");
    into
}

#[test]
fn erased_sealed_identifiers_are_hidden_and_stay_reserved() {
    for starts_clear in [false, true] {
        let about = format!("recorded {} at first", if starts_clear { "in clear" } else { "sealed" });
        let (store, indexes) = (Memory::new(), Indexes::new());
        let (first, sealed) = (configuration(!starts_clear), configuration(true));
        let harness = open(&store, &indexes.fresh(), Sync::Always, &first);
        ["anna.secret", "bert.secret", "dora.secret"]
            .iter()
            .for_each(|who| drop(say(&harness, "payment", MERCHANT, who)));
        harness.keep(false, false).expect("a snapshot");
        let before = store.kill_image();
        harness.reload(&sealed);
        let named = count(&store, "", "secret");
        assert_eq!(named > 0, starts_clear, "{about}");
        let into = merge_and_forget(&harness, ["anna.secret", "bert.secret"]);
        assert_eq!(count(&store, "", "secret"), named, "{about}: neither a merge nor an erasure names them");
        let agrees = |harness: &Harness, how: &str| {
            let about = format!("{about}, {how}");
            let text = shown(harness, &into);
            assert!(text.starts_with("None [None, None] true") && !text.contains("secret"), "{about}: {text}");
            for who in ["anna.secret", "bert.secret"] {
                // No new customer gets the identifier of an erased one, and no answer contains the name.
                let answer = say(harness, "check", MERCHANT, who);
                assert_eq!(answer["customer"]["customer_id"], into.as_str(), "{about}: {answer}");
                assert!(answer["decision"] == "deny" && !answer.to_string().contains("secret"), "{about}: {answer}");
                let named = AnyOf { by: CustomerCriterion::Identifier, values: vec![who.to_owned()] };
                let find = CustomerQuery { any_of: vec![named], limit: 9, ..CustomerQuery::default() };
                let merchant = Name::parse(MERCHANT).expect("a name");
                let page = harness
                    .desk
                    .ledger
                    .find_customers(merchant, &find, LocalTime::utc(now()), |one, _| one.number().to_string());
                assert_eq!(page.expect("a page").customers, [into.as_str()], "{about}");
            }
            assert_eq!(say(harness, "check", MERCHANT, "dora.secret")["decision"], "allow", "{about}");
        };
        agrees(&harness, "at once");
        drop(harness);
        let restart =
            |store: &Memory, configuration: &Configuration| open(store, &indexes.fresh(), Sync::Always, configuration);
        agrees(&restart(&store.kill_image(), &sealed), "after a start");
        agrees(&restart(&store.kill_image(), &first), "after a start with the first setting");
        agrees(&restart(&without_snapshots(&store), &first), "by the records alone");
        let harness = restart(&store, &sealed);
        // The answer to a payment is built of what was sent, in another place.
        let denied = say(&harness, "payment", MERCHANT, "bert.secret");
        assert!(denied["decision"] == "deny" && !denied.to_string().contains("secret"), "{about}: {denied}");
        for _ in 0..2 {
            say(&harness, "payment", MERCHANT, "dora.secret");
            harness.keep(false, false).expect("a snapshot");
        }
        drop(harness);
        agrees(&restart(&store.kill_image(), &first), "by a new snapshot");
        assert_eq!(count(&store, "snapshots/", "secret"), 0, "{about}");
        // A backup from before gives what it held, unless its keys are those of today.
        let keys = store.bytes("keys").expect("keys");
        before.put("keys", &keys);
        let harness = restart(&before, &first);
        let answer = say(&harness, "check", MERCHANT, "anna.secret");
        assert_eq!(answer["customer"]["resolution"], "found", "{about}: {answer}");
        let shown = &answer["customer"]["merchant_customer_identifier"];
        assert_eq!(shown.is_null(), !starts_clear, "{about}: {answer}");
    }
}

#[test]
fn without_sealing_an_erasure_keeps_identifiers() {
    let (store, indexes, clear) = (Memory::new(), Indexes::new(), configuration(false));
    let harness = open(&store, &indexes.fresh(), Sync::Always, &clear);
    ["anna.secret", "bert.secret"].iter().for_each(|who| drop(say(&harness, "payment", MERCHANT, who)));
    let into = merge_and_forget(&harness, ["anna.secret", "bert.secret"]);
    let want = r#"Some("bert.secret") [Some("bert.secret"), Some("anna.secret")] true"#;
    assert!(shown(&harness, &into).starts_with(want), "{}", shown(&harness, &into));
    let harness = open(&store.kill_image(), &indexes.fresh(), Sync::Always, &clear);
    assert!(shown(&harness, &into).starts_with(want), "{}", shown(&harness, &into));
    // Switched on, the next snapshot seals what it can, and an erased customer has no key.
    harness.desk.ledger.seal_identifiers(SealedMerchants::of(&configuration(true).rules));
    harness.keep(false, false).expect("a snapshot");
    assert!(shown(&harness, &into).starts_with("None [None, None] true"), "{}", shown(&harness, &into));
    assert_eq!(found(&harness, "anna.secret", "erased"), into);
}

#[test]
fn power_cut_that_loses_an_identifier_key_loses_its_record() {
    let key_lost = |change: Unsynced| match change {
        Unsynced::Write { bytes: levelgate::storage::keys::ENTRY_BYTES, .. } => Keep::Nothing,
        _ => Keep::All,
    };
    // Of a merchant without sealed identifiers a plain customer needs no key.
    for (seals, is_there) in [(true, false), (false, true)] {
        let (store, indexes, configuration) = (Memory::new(), Indexes::new(), configuration(seals));
        let harness = open(&store, &indexes.fresh(), Sync::Interval, &configuration);
        say(&harness, "payment", MERCHANT, "anna.secret");
        harness.journal().sync().expect("a sync");
        say(&harness, "payment", MERCHANT, "bert.secret");
        let whole = open(&store.crash_image(&mut |_| Keep::All), &indexes.fresh(), Sync::Interval, &configuration);
        found(&whole, "bert.secret", "with the key");
        let harness =
            open(&store.crash_image(&mut |change| key_lost(change)), &indexes.fresh(), Sync::Interval, &configuration);
        found(&harness, "anna.secret", "synced before");
        let answer = say(&harness, "check", MERCHANT, "bert.secret");
        let resolution = if is_there { "found" } else { "created" };
        assert_eq!(answer["customer"]["resolution"], resolution, "sealed: {seals}");
        // The identifier is free again, and the customer can be created again.
        say(&harness, "payment", MERCHANT, "bert.secret");
        found(&harness, "bert.secret", "made again");
    }
}
