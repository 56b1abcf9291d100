//! Files of a data folder, and the bodies of records.

use crate::edits::{Edits, TIME_MS, edited, pick};
use levelgate::{
    config,
    daemon::data_folder::recover,
    domain::{
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    ledger::LedgerLimits,
    storage::{
        encoding::decode,
        fs::{Store, memory::Memory},
        journal::{Lsn, Options, Sync, Visited},
    },
};
use std::{borrow::Cow, ops::ControlFlow, sync::Arc, time::Duration};
use support::fixtures::{RATES, gold};

pub const START: i64 = 1_790_000_000_000;

/// A data folder.
struct Sample {
    /// Its files by their paths.
    files: Vec<(String, Vec<u8>)>,
    /// The bodies of the records.
    bodies: Vec<Vec<u8>>,
}

pub fn options() -> Options {
    Options {
        sync: Sync::Always,
        sync_interval: Duration::from_millis(100),
        segment_bytes: 1 << 16,
        tail_bytes: 1 << 16,
    }
}

pub const LIMITS: LedgerLimits =
    LedgerLimits { transactions_max: u64::MAX, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };

/// A merchant with one level.
pub fn rules_of_gold() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("rates.toml"), RATES).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), gold("window = \"daily\"; amount_limit = \"50.00\""))
        .unwrap();
    config::load(folder.path()).unwrap().rules
}

/// A folder with payments before and after a snapshot.
fn sample() -> Sample {
    let rules = rules_of_gold();
    let folder = tempfile::tempdir().unwrap();
    let store = Memory::new();
    let opened: Arc<dyn Store> = Arc::new(store.clone());
    let (ledger, files) = recover(opened, &folder.path().join("index.redb"), options(), LIMITS).unwrap();
    let some = |text: &'static str| Some(Cow::Borrowed(text));
    for n in 0..12 {
        let request = PaymentRequest {
            transaction_id: Some(Cow::Owned(format!("t-{n}"))),
            direction: some("deposit"),
            amount: some("12.50"),
            currency: some("EUR"),
            payment_method: some("card"),
            merchant_customer_identifier: Some(Cow::Owned(format!("c{}", n % 2))),
            customer_level: some("gold"),
            ..PaymentRequest::default()
        };
        let payment = Payment::admit(&rules, "acme", request, PaymentPurpose::Record).unwrap();
        let answer = ledger.reserve(&rules, &payment, None, Millis(START + n)).unwrap();
        ledger.journal().commit(answer.depends_on_lsn).unwrap();
        if n == 7 {
            files.snapshot(&ledger, START + n).unwrap();
        }
    }
    ledger.journal().sync().unwrap();
    let mut bodies = Vec::new();
    let followed = ledger.journal().follow(Lsn::NONE, &mut |visited| {
        let Visited::Records(step) = visited else { panic!("unreadable records") };
        bodies.extend(step.iter().map(|record| record.events.to_vec()));
        ControlFlow::Continue(())
    });
    followed.unwrap();
    assert!(!bodies.is_empty());
    let paths = store.paths().into_iter().filter(|path| !path.ends_with("next.new"));
    let files = paths.map(|path| (path.clone(), store.bytes(&path).unwrap())).collect();
    Sample { files, bodies }
}

/// The body of a record is decoded or refused.
#[test]
fn bodies_of_records_are_decoded_or_refused() {
    let bodies = sample().bodies;
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits, bool)>().for_each(
        |(number, edits, is_key_erased)| {
            let body = edited(pick::<Vec<u8>>(&bodies, *number), edits);
            let mut open = |sealed: &[u8]| Ok((!is_key_erased).then(|| sealed.to_vec()));
            match decode(&body, &mut open) {
                Ok(events) => assert!(!events.is_empty()),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        },
    );
}

/// A start from damaged files succeeds, or is refused with words that name a file.
#[test]
fn damaged_folders_start_or_are_refused_by_name() {
    let files = sample().files;
    let indexes = tempfile::tempdir().unwrap();
    let index = indexes.path().join("index.redb");
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let (damaged, _) = pick::<(String, Vec<u8>)>(&files, *number);
            let image = Memory::new();
            for (path, bytes) in &files {
                image.put(path, &if path == damaged { edited(bytes, edits) } else { bytes.clone() });
            }
            let _ = std::fs::remove_file(&index);
            if let Err(refused) = recover(Arc::new(image), &index, options(), LIMITS) {
                let words = format!("{refused:#}");
                let names = ["journal/", "archive/", "keys", "instance", "snapshot", "synced"];
                assert!(names.iter().any(|name| words.contains(name)), "{damaged}: {words}");
            }
        },
    );
}
