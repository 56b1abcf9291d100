//! The start of a daemon whose customers have phone numbers and never paid.
//!
//! `cargo bench --bench start` prints one table: the start from the journal alone and from a snapshot, for customers without
//! phones, with numbers in international form, and with numbers as dialled in the merchant's country.
//! `LEVELGATE_CUSTOMERS` (1,000,000) makes it smaller. Each start is timed three times, and the median printed. All files
//! are in a temporary folder.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::float_arithmetic,
    reason = "a bench prints, and fails loudly"
)]

use levelgate::{
    config::{self, Settings},
    daemon::data_folder::{ArchiveLosses, DataFolder, open},
    domain::{
        customer::{
            audit::{Author, ChangeSource},
            update::CustomerUpdate,
        },
        rules::configuration::Rules,
        vocabulary::{attributes::Attribute, time::Millis},
    },
    ledger::{Ledger, Registration},
};
use std::{path::Path, time::Instant};
use support::figures::record_number;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MERCHANT: &str = r#"
id = "acme"
name = "Acme"
operation_mode = "crm"
[registration]
default_country = "DE"
phone = { unique = true }
[[gates]]
id = "gate-a"
[[projects]]
id = "web"
  [[projects.endpoints]]
  id = "web-eur"
  currency = "EUR"
  gates = ["gate-a"]
"#;

const NOW: i64 = 1_790_000_000_000;

/// How often a start is timed; the median counts.
const STARTS: usize = 3;

/// The phone number of a customer; `None`: none.
type PhoneOf = fn(u64) -> Option<String>;

fn configuration(data: &Path) -> (Settings, Rules) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("merchants")).unwrap();
    std::fs::write(folder.path().join("merchants/acme.toml"), MERCHANT).unwrap();
    let store = format!("[store]\nkind = \"disk\"\nsync = \"never\"\npath = {:?}\n", data.display());
    std::fs::write(folder.path().join("levelgate.toml"), store).unwrap();
    let loaded = config::load(folder.path()).unwrap();
    (loaded.settings, loaded.rules)
}

fn register(rules: &Rules, ledger: &Ledger, customers: u64, phone: PhoneOf) {
    let (merchant, author) =
        (rules.merchant("acme").unwrap(), Author { source: ChangeSource::Api, by: None, job: None });
    for n in 0..customers {
        let attributes = phone(n).into_iter().map(|phone| (Attribute::Phone, phone.into())).collect();
        let (identifier, update) = (format!("c{n}"), CustomerUpdate { attributes, ..CustomerUpdate::default() });
        let identifier = Some(identifier.as_str());
        let applying = Registration { merchant, identifier, update: &update, created: None, author, is_trial: false };
        ledger.register(&applying, Millis(NOW)).unwrap();
        // As a daemon under load does: many records a batch.
        if n % 1_024 == 0 {
            ledger.journal().commit(ledger.journal().last()).unwrap();
        }
    }
    ledger.journal().sync().unwrap();
}

fn opened(settings: &Settings, rules: &Rules) -> (Ledger, DataFolder) {
    let opened = open(settings, Some(rules), ArchiveLosses::Refuse).unwrap();
    (opened.ledger, opened.folder.unwrap())
}

/// The median of some starts, seconds.
fn start(settings: &Settings, rules: &Rules) -> f64 {
    let mut took: Vec<f64> = (0..STARTS)
        .map(|_| {
            let started = Instant::now();
            let (_, folder) = opened(settings, rules);
            let took = started.elapsed().as_secs_f64();
            folder.journal().close().unwrap();
            took
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[STARTS / 2]
}

fn main() {
    let customers: u64 = std::env::var("LEVELGATE_CUSTOMERS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    println!("{:<40} {:>14} {:>14}", format!("start with {customers} customers, seconds"), "journal", "snapshot");
    let parts: [(&str, PhoneOf); 3] = [
        ("without phones", |_| None),
        ("phones as +49301234567", |n| Some(format!("+4930{:07}", 1_000_000 + n % 9_000_000))),
        ("phones as 030 1234567", |n| Some(format!("030 {:07}", 1_000_000 + n % 9_000_000))),
    ];
    for (what, phone) in parts {
        let data = tempfile::tempdir().unwrap();
        let (settings, rules) = configuration(data.path());
        let (ledger, folder) = opened(&settings, &rules);
        register(&rules, &ledger, customers, phone);
        folder.journal().close().unwrap();
        drop((ledger, folder));
        let from_journal = start(&settings, &rules);
        let (ledger, folder) = opened(&settings, &rules);
        folder.snapshot(&ledger, NOW).unwrap();
        folder.journal().close().unwrap();
        drop((ledger, folder));
        let from_snapshot = start(&settings, &rules);
        println!("{what:<40} {from_journal:>14.2} {from_snapshot:>14.2}");
        for (source, seconds) in [("journal", from_journal), ("snapshot", from_snapshot)] {
            record_number(&format!("start, {what}, {source}, seconds"), &format!("{seconds:.2}"));
        }
    }
}
