//! The archive of a data folder: its segments and its index.

use crate::{
    data_folders::{LIMITS, START, options, rules_of_gold},
    edits::{Edits, TIME_MS, edited, pick},
};
use levelgate::{
    daemon::data_folder::recover,
    domain::{
        decision::payment::{Payment, PaymentPurpose, PaymentRequest},
        rules::configuration::Rules,
        transaction::transition::ProcessorOutcome,
        vocabulary::time::{DAY_MS, Millis},
    },
    ledger::{Ledger, Retention},
    storage::fs::{Store, memory::Memory},
};
use std::{borrow::Cow, sync::Arc, time::Duration};

/// The transactions of the sample.
const COUNT: i64 = 12;
const LATER: Millis = Millis(START + 40 * DAY_MS);

/// A folder whose transactions are in the archive.
struct Archived {
    rules: Rules,
    files: Vec<(String, Vec<u8>)>,
    index: Vec<u8>,
}

fn sample() -> Archived {
    let rules = rules_of_gold();
    let (store, indexes) = (Memory::new(), tempfile::tempdir().unwrap());
    let index = indexes.path().join("index.redb");
    let (ledger, folder) = recover(Arc::new(store.clone()) as Arc<dyn Store>, &index, options(), LIMITS).unwrap();
    let some = |text: &'static str| Some(Cow::Borrowed(text));
    for n in 0..COUNT {
        let request = PaymentRequest {
            transaction_id: Some(Cow::Owned(format!("t-{n}"))),
            direction: some("deposit"),
            amount: some("1.50"),
            currency: some("EUR"),
            payment_method: some("card"),
            merchant_customer_identifier: Some(Cow::Owned(format!("c{}", n % 2))),
            customer_level: some("gold"),
            ..PaymentRequest::default()
        };
        let payment = Payment::admit(&rules, "acme", request, PaymentPurpose::Record).unwrap();
        let answer = ledger.reserve(&rules, &payment, Some(ProcessorOutcome::Approved), Millis(START + n)).unwrap();
        ledger.journal().commit(answer.depends_on_lsn).unwrap();
        if n % 4 == 3 {
            ledger.journal().rotate().unwrap();
        }
    }
    for _ in 0..2 {
        ledger.journal().rotate().unwrap();
        let snapshot = folder.snapshot(&ledger, LATER.0).unwrap();
        folder.archive_segments(&ledger, snapshot.true_up_to).unwrap();
        folder.build_filter(Duration::from_secs(60)).unwrap();
        let retention = Retention::new(1, &rules);
        (0..Ledger::shard_count()).for_each(|shard| _ = ledger.evict(shard, &retention, LATER));
    }
    ledger.journal().sync().unwrap();
    assert!(ledger.has_evicted() && ledger.transactions_len() < 4, "{} are in memory", ledger.transactions_len());
    drop((ledger, folder));
    let paths = store.paths().into_iter().filter(|path| !path.ends_with("next.new"));
    let files: Vec<(String, Vec<u8>)> = paths.map(|path| (path.clone(), store.bytes(&path).unwrap())).collect();
    assert!(files.iter().filter(|(path, _)| path.starts_with("archive/")).count() > 2, "segments are archived");
    Archived { rules, files, index: std::fs::read(index).unwrap() }
}

/// A transaction of a damaged archive is shown as it was, or is refused in words. It is never another one.
#[test]
fn damaged_archives_show_what_was_recorded_or_refuse() {
    let Archived { rules, files, index } = sample();
    let archived: Vec<&(String, Vec<u8>)> = files.iter().filter(|(path, _)| path.starts_with("archive/")).collect();
    let indexes = tempfile::tempdir().unwrap();
    let path = indexes.path().join("index.redb");
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, bool, Edits)>().for_each(
        |(number, is_index, edits)| {
            let (damaged, _) = pick::<&(String, Vec<u8>)>(&archived, *number);
            let image = Memory::new();
            for (path, bytes) in &files {
                image.put(path, &if path == damaged && !is_index { edited(bytes, edits) } else { bytes.clone() });
            }
            std::fs::write(&path, if *is_index { edited(&index, edits) } else { index.clone() }).unwrap();
            let (ledger, _folder) = match recover(Arc::new(image), &path, options(), LIMITS) {
                Ok(opened) => opened,
                Err(refused) => {
                    let words = format!("{refused:#}");
                    assert!(words.contains("archive"), "{damaged}: {words}");
                    return;
                }
            };
            for n in 0..COUNT {
                match ledger.show(&rules, "acme", &format!("t-{n}"), LATER) {
                    Ok(shown) => {
                        let opening = &shown.transaction.opening;
                        assert_eq!((opening.at, opening.content.amount), (Millis(START + n), 150), "t-{n}");
                        assert_eq!(&*opening.id, format!("t-{n}"));
                        assert!(shown.transaction.is_approved());
                    }
                    Err(refused) => assert!(!refused.to_string().is_empty()),
                }
            }
        },
    );
}
