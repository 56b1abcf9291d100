//! Sealed identifiers on the disk: what files hold, what comes back of it, and what an erasure leaves, with the setting
//! on, off, and switched on the way.

use crate::configurations::Form;
use crate::harness::{Indexes, Stage};
use crate::instrument_model;
use levelgate::{
    domain::{
        customer::{
            attributes::Attributes,
            profile::{Author, Source},
            update,
        },
        vocabulary::{names::Name, time::Millis},
    },
    ledger::{Find, Sealing},
    storage::{
        fs::memory::{Keep, Memory, Unsynced},
        journal::Sync,
    },
};
use serde_json::Value;
use std::path::Path;

const MERCHANT: &str = "side";
const NOW: &str = "2026-03-10T12:00:00.000Z";
const AUTHOR: Author = Author { source: Source::Api, by: None };

/// The configuration in which the merchant's identifiers are sealed, or are not.
fn form(seals: bool) -> Form {
    let config = tempfile::tempdir().expect("a temporary folder");
    std::fs::create_dir(config.path().join("merchants")).expect("a folder");
    instrument_model::configure(config.path());
    let path = config.path().join("merchants").join(format!("{MERCHANT}.toml"));
    let file = std::fs::read_to_string(&path).expect("a file");
    let head = format!("seal_identifiers = {seals}\ndeletion_grace = \"1s\"");
    let file = file.replace("seal_identifiers = false", &head);
    std::fs::write(&path, file).expect("a file");
    Form::read(config.path(), format!("seal_identifiers = {seals}"), "sealing")
}

fn open(store: &Memory, index: &Path, sync: Sync, form: &Form) -> Stage {
    Stage::open(store, index, sync, &form.rules, Some(now().0)).expect("a start")
}

fn now() -> Millis {
    Millis(support::model::calendar::instant(NOW).expect("a time"))
}

/// Asks or pays; what is answered.
fn say(stage: &Stage, op: &str, merchant: &str, who: &str) -> Value {
    let mut line = instrument_model::line(op, NOW, merchant, who, None);
    if op == "payment" {
        line.text("transaction_id", &format!("t-{merchant}-{}", stage.journal().last()));
    }
    let said = stage.line(&line.line());
    assert!(!said.refused, "{who}: {}", said.text);
    stage.journal().commit(said.rests_on).expect("a commit");
    serde_json::from_str(&said.text).expect("JSON")
}

/// The number of a customer who must be known by this identifier.
fn found(stage: &Stage, who: &str, about: &str) -> String {
    let answer = say(stage, "check", MERCHANT, who);
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
    let (clear, sealed) = (form(false), form(true));
    let stage = open(&store, &indexes.fresh(), Sync::Always, &clear);
    say(&stage, "payment", MERCHANT, "anna.secret");
    stage.keep(false, false).expect("a snapshot");
    assert!(count(&store, "journal/", "anna.secret") == 1 && count(&store, "snapshots/", "anna.secret") == 1);
    stage.reload(&sealed);
    say(&stage, "payment", MERCHANT, "bert.secret");
    // Known customers pay on, and no record of theirs names an identifier.
    say(&stage, "payment", MERCHANT, "anna.secret");
    for _ in 0..2 {
        say(&stage, "payment", MERCHANT, "bert.secret");
        stage.keep(false, false).expect("a snapshot");
    }
    assert_eq!(count(&store, "", "bert.secret"), 0, "sealed in every file");
    assert_eq!(count(&store, "journal/", "anna.secret"), 1, "a record from before stays as it is");
    assert_eq!(count(&store, "snapshots/", "anna.secret"), 0, "a snapshot seals it");
    let both = |stage: &Stage, about: &str| ["anna.secret", "bert.secret"].map(|who| found(stage, who, about));
    let known = both(&stage, "at first");
    drop(stage);
    for (form, what) in [(&clear, "off"), (&sealed, "on")] {
        let index = indexes.fresh();
        let stage = open(&store.kill_image(), &index, Sync::Always, form);
        assert_eq!(both(&stage, what), known, "with a snapshot, {what}");
        let stage = open(&without_snapshots(&store), &indexes.fresh(), Sync::Always, form);
        assert_eq!(both(&stage, what), known, "by the records alone, {what}");
    }
    // Switched off: the next records contain plain text, and sealed ones stay sealed.
    let stage = open(&store, &indexes.fresh(), Sync::Always, &clear);
    say(&stage, "payment", MERCHANT, "carl.secret");
    for n in 0..2 {
        say(&stage, "payment", MERCHANT, if n == 0 { "anna.secret" } else { "carl.secret" });
        stage.keep(false, false).expect("a snapshot");
    }
    assert!(count(&store, "journal/", "carl.secret") == 1 && count(&store, "snapshots/", "carl.secret") == 2);
    assert_eq!(count(&store, "", "bert.secret") + count(&store, "snapshots/", "anna.secret"), 0, "nothing is unsealed");
}

#[test]
fn snapshot_syncs_keys_of_newly_sealed_records() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let (store, indexes) = (Memory::new(), Indexes::new());
        let stage = open(&store, &indexes.fresh(), sync, &form(false));
        say(&stage, "payment", MERCHANT, "anna.secret");
        stage.journal().sync().expect("a sync");
        stage.reload(&form(true));
        // The snapshot makes the key of this customer, and no record follows.
        stage.keep(false, false).expect("a snapshot");
        assert_eq!(count(&store, "snapshots/", "anna.secret"), 0);
        for (image, what) in [(store.kill_image(), "killed"), (store.crash_image(&mut |_| Keep::Nothing), "power cut")]
        {
            let stage = open(&image, &indexes.fresh(), sync, &form(true));
            assert!(stage.folder().begun_from().0 > 0, "{what}, {sync:?}: the start did not use the snapshot");
            found(&stage, "anna.secret", what);
        }
    }
}

/// What is shown of the identifiers of a customer, and of the history.
fn shown(stage: &Stage, number: &str) -> String {
    let look = |customer: &levelgate::domain::customer::aggregate::Customer, _| {
        let texts: Vec<_> = customer.all_identifiers().map(|identifier| identifier.text().map(str::to_owned)).collect();
        format!("{:?} {texts:?} {}", customer.shown_identifier(), customer.is_erased())
    };
    let mut text = stage.desk.ledger.look(MERCHANT, number, now(), look).expect("a customer");
    let tell = &mut |chapter: &levelgate::ledger::Chapter, _: &_, _: &_| text += &format!("\n{:?}", chapter.events);
    stage.desk.ledger.history(MERCHANT, number, now(), tell).expect("a history");
    text
}

/// Merges the first into the second, asks to forget both, and forgets them.
fn merge_and_forget(stage: &Stage, [from, into]: [&str; 2]) -> String {
    let (ledger, rules) = (&stage.desk.ledger, stage.desk.rules.load());
    let merchant = rules.merchant(MERCHANT).expect("the merchant");
    let [from, into] = [from, into].map(|who| found(stage, who, "to be merged"));
    ledger.merge(merchant, &from, &into, (AUTHOR, now())).expect("merged");
    let mut ask = |customer: &levelgate::domain::customer::aggregate::Customer, now| {
        Ok(update::deletion(customer, merchant, now))
    };
    ledger.change(merchant.id, &into, (AUTHOR, now()), &Attributes::default(), &mut ask).expect("asked");
    let long_after = now().plus(merchant.deletion_grace_ms);
    assert_eq!(ledger.erase_due(&rules, long_after, 9).expect("erased"), 1);
    stage.journal().commit(stage.journal().last()).expect("a commit");
    into
}

#[test]
fn erased_sealed_identifiers_are_hidden_and_stay_reserved() {
    for starts_clear in [false, true] {
        let about = format!("recorded {} at first", if starts_clear { "in clear" } else { "sealed" });
        let (store, indexes) = (Memory::new(), Indexes::new());
        let (first, sealed) = (form(!starts_clear), form(true));
        let stage = open(&store, &indexes.fresh(), Sync::Always, &first);
        ["anna.secret", "bert.secret", "dora.secret"]
            .iter()
            .for_each(|who| drop(say(&stage, "payment", MERCHANT, who)));
        stage.keep(false, false).expect("a snapshot");
        let before = store.kill_image();
        stage.reload(&sealed);
        let named = count(&store, "", "secret");
        assert_eq!(named > 0, starts_clear, "{about}");
        let into = merge_and_forget(&stage, ["anna.secret", "bert.secret"]);
        assert_eq!(count(&store, "", "secret"), named, "{about}: neither a merge nor an erasure names them");
        let agrees = |stage: &Stage, how: &str| {
            let about = format!("{about}, {how}");
            let text = shown(stage, &into);
            assert!(text.starts_with("None [None, None] true") && !text.contains("secret"), "{about}: {text}");
            for who in ["anna.secret", "bert.secret"] {
                // No new customer gets the identifier of an erased one, and no answer contains the name.
                let answer = say(stage, "check", MERCHANT, who);
                assert_eq!(answer["customer"]["customer_id"], into.as_str(), "{about}: {answer}");
                assert!(answer["decision"] == "deny" && !answer.to_string().contains("secret"), "{about}: {answer}");
                let find = Find { identifier: Some(who.to_owned()), limit: 9, ..Find::default() };
                let merchant = Name::parse(MERCHANT).expect("a name");
                let page = stage.desk.ledger.find_customers(merchant, &find, now(), |one, _| one.number().to_string());
                assert_eq!(page.customers, [into.as_str()], "{about}");
            }
            assert_eq!(say(stage, "check", MERCHANT, "dora.secret")["decision"], "allow", "{about}");
        };
        agrees(&stage, "at once");
        drop(stage);
        let restart = |store: &Memory, form: &Form| open(store, &indexes.fresh(), Sync::Always, form);
        agrees(&restart(&store.kill_image(), &sealed), "after a start");
        agrees(&restart(&store.kill_image(), &first), "after a start with the first setting");
        agrees(&restart(&without_snapshots(&store), &first), "by the records alone");
        let stage = restart(&store, &sealed);
        // The answer to a payment is built of what was sent, in another place.
        let denied = say(&stage, "payment", MERCHANT, "bert.secret");
        assert!(denied["decision"] == "deny" && !denied.to_string().contains("secret"), "{about}: {denied}");
        for _ in 0..2 {
            say(&stage, "payment", MERCHANT, "dora.secret");
            stage.keep(false, false).expect("a snapshot");
        }
        drop(stage);
        agrees(&restart(&store.kill_image(), &first), "by a new snapshot");
        assert_eq!(count(&store, "snapshots/", "secret"), 0, "{about}");
        // A backup from before gives what it held, unless its keys are those of today.
        let keys = store.bytes("keys").expect("keys");
        before.put("keys", &keys);
        let stage = restart(&before, &first);
        let answer = say(&stage, "check", MERCHANT, "anna.secret");
        assert_eq!(answer["customer"]["resolution"], "found", "{about}: {answer}");
        let shown = &answer["customer"]["merchant_customer_identifier"];
        assert_eq!(shown.is_null(), !starts_clear, "{about}: {answer}");
    }
}

#[test]
fn without_sealing_an_erasure_keeps_identifiers() {
    let (store, indexes, clear) = (Memory::new(), Indexes::new(), form(false));
    let stage = open(&store, &indexes.fresh(), Sync::Always, &clear);
    ["anna.secret", "bert.secret"].iter().for_each(|who| drop(say(&stage, "payment", MERCHANT, who)));
    let into = merge_and_forget(&stage, ["anna.secret", "bert.secret"]);
    let want = r#"Some("bert.secret") [Some("bert.secret"), Some("anna.secret")] true"#;
    assert!(shown(&stage, &into).starts_with(want), "{}", shown(&stage, &into));
    let stage = open(&store.kill_image(), &indexes.fresh(), Sync::Always, &clear);
    assert!(shown(&stage, &into).starts_with(want), "{}", shown(&stage, &into));
    // Switched on, the next snapshot seals what it can, and an erased customer has no key.
    stage.desk.ledger.seal_identifiers(Sealing::of(&form(true).rules));
    stage.keep(false, false).expect("a snapshot");
    assert!(shown(&stage, &into).starts_with("None [None, None] true"), "{}", shown(&stage, &into));
    assert_eq!(found(&stage, "anna.secret", "erased"), into);
}

#[test]
fn power_cut_that_loses_an_identifier_key_loses_its_record() {
    let key_lost = |change: Unsynced| match change {
        Unsynced::Write { bytes: levelgate::storage::keys::ENTRY_BYTES, .. } => Keep::Nothing,
        _ => Keep::All,
    };
    // Of a merchant without sealed identifiers a plain customer needs no key.
    for (seals, is_there) in [(true, false), (false, true)] {
        let (store, indexes, form) = (Memory::new(), Indexes::new(), form(seals));
        let stage = open(&store, &indexes.fresh(), Sync::Interval, &form);
        say(&stage, "payment", MERCHANT, "anna.secret");
        stage.journal().sync().expect("a sync");
        say(&stage, "payment", MERCHANT, "bert.secret");
        let whole = open(&store.crash_image(&mut |_| Keep::All), &indexes.fresh(), Sync::Interval, &form);
        found(&whole, "bert.secret", "with the key");
        let stage = open(&store.crash_image(&mut |change| key_lost(change)), &indexes.fresh(), Sync::Interval, &form);
        found(&stage, "anna.secret", "synced before");
        let answer = say(&stage, "check", MERCHANT, "bert.secret");
        let resolution = if is_there { "found" } else { "created" };
        assert_eq!(answer["customer"]["resolution"], resolution, "sealed: {seals}");
        // The identifier is free again, and the customer can be created again.
        say(&stage, "payment", MERCHANT, "bert.secret");
        found(&stage, "bert.secret", "made again");
    }
}
