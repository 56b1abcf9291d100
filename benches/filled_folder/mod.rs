//! A data folder with customers who have paid, filled through the ledger without HTTP.

use levelgate::{
    config,
    daemon::data_folder::{DataFolder, recover},
    domain::{
        decision::{
            clock_skew::ClockSkew,
            payment::{Payment, PaymentPurpose, PaymentRequest},
        },
        rules::configuration::Rules,
        vocabulary::time::Millis,
    },
    ledger::{Ledger, LedgerLimits},
    storage::{
        fs::disk::Disk,
        journal::{Options, Sync},
    },
};
use std::{borrow::Cow, path::Path, sync::Arc, time::Duration};
use support::fixtures::{ONE_GATE, one_level};

/// The time of the first payment, milliseconds.
pub(crate) const START: i64 = 1_790_000_000_000;

/// The rules of one merchant.
pub(crate) fn rules() -> Rules {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    let merchant = one_level("", ONE_GATE, &["window = \"daily\"; amount_limit = \"100000000.00\""]);
    std::fs::write(folder.path().join("merchants/acme.toml"), merchant).unwrap();
    config::load(folder.path()).unwrap().rules
}

/// Recovers a data folder, which may be empty.
pub(crate) fn open(folder: &Path) -> (Ledger, DataFolder) {
    let options = Options {
        sync: Sync::Interval,
        sync_interval: Duration::from_millis(100),
        segment_bytes: 64 << 20,
        tail_bytes: 64 << 20,
    };
    let bounds = LedgerLimits { transactions_max: u64::MAX, skew: ClockSkew { past_ms: 300_000, future_ms: 5_000 } };
    let store = Arc::new(Disk::open(folder).unwrap());
    recover(store, &folder.join("archive/index.redb"), options, bounds).unwrap()
}

/// Reserves `rounds` times for each customer, and syncs the journal.
pub(crate) fn fill(rules: &Rules, ledger: &Ledger, customers: u64, rounds: u64) {
    let some = |text: &'static str| Some(Cow::Borrowed(text));
    for round in 0..rounds {
        for n in 0..customers {
            let request = PaymentRequest {
                transaction_id: Some(Cow::Owned(format!("fill-{round}-{n}"))),
                direction: some("deposit"),
                amount: some("12.50"),
                currency: some("EUR"),
                payment_method: some("card"),
                merchant_customer_identifier: Some(Cow::Owned(format!("c{n}"))),
                customer_level: some("gold"),
                ..PaymentRequest::default()
            };
            let payment = Payment::admit(rules, "acme", request, PaymentPurpose::Record).unwrap();
            let now = Millis(START + ((round * customers + n) / 100) as i64);
            let answer = ledger.reserve(rules, &payment, None, now).unwrap();
            // As a daemon under load does: many records a batch.
            if n % 32 == 0 {
                ledger.journal().commit(answer.depends_on_lsn).unwrap();
            }
        }
    }
    ledger.journal().sync().unwrap();
}
