//! An estimate of the memory that transactions need: for one transaction a second, and for the traffic that the newest
//! records of the journal show; and that of the counts over time.

use crate::{
    config::{Settings, StoreKind},
    domain::{
        events::customer_event::CustomerEvent,
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::time::{DAY_MS, show_span},
    },
    ledger::{BYTES_PER_HOLD, BYTES_PER_TRANSACTION, Retention},
    storage::{
        encoding,
        fs::{Store, disk::Disk},
        journal::{
            ARCHIVE, FOLDER,
            frame::Body,
            segment_reader::{SegmentReader, Step},
        },
    },
    telemetry::decision_series::{MERCHANT_BYTES_MAX, OUTCOME_BYTES},
};
use std::{collections::BTreeMap, io};

/// How many segments are read, the newest first.
const SEGMENTS_MAX: usize = 4;

/// Records of a shorter time give no rate.
const SPAN_MIN_MS: i64 = 3_600_000;

/// The transactions of a merchant in the records that were read.
#[derive(Debug, Clone, Copy, Default)]
struct Traffic {
    transactions: u64,
    first_ms: i64,
    last_ms: i64,
}

/// The estimate in words: one line a merchant, then one for the counts over time.
pub(crate) fn estimate_lines(settings: &Settings, rules: &Rules) -> Vec<String> {
    let retention = Retention::new(settings.memory.retention_days, rules);
    // An unreadable folder shows no traffic; a start reports what is wrong with it.
    let traffic = match settings.store.kind {
        StoreKind::Disk => read_traffic(&Disk::open_unlocked(&settings.store.path)).unwrap_or_default(),
        StoreKind::Memory => BTreeMap::new(),
    };
    let mut merchants: Vec<_> = rules.merchants.values().collect();
    merchants.sort_by_key(|merchant| merchant.id);
    let mut lines: Vec<String> = merchants
        .into_iter()
        .map(|merchant| line(merchant, &retention, traffic.get(merchant.id.as_str()).copied()))
        .collect();
    if settings.store.kind == StoreKind::Memory {
        lines.push("[store] kind = \"memory\": transactions stay in memory until the daemon stops".to_owned());
    }
    if !rules.merchants.is_empty() {
        lines.push(series_line(rules.merchants.len()));
    }
    lines
}

/// The memory of the counts over time.
fn series_line(merchants: usize) -> String {
    let bytes_max = u64::try_from(merchants).unwrap_or(u64::MAX).saturating_mul(MERCHANT_BYTES_MAX);
    let plural = if merchants == 1 { "" } else { "s" };
    format!(
        "counts over time: {} KiB for each outcome (allowed, or a denial code) of a merchant, at most {} MB for {merchants} \
         merchant{plural}",
        OUTCOME_BYTES.div_ceil(1_024),
        bytes_max.div_ceil(1_000_000)
    )
}

fn line(merchant: &Merchant, retention: &Retention, traffic: Option<Traffic>) -> String {
    let kept_ms = retention.of(merchant.id);
    let days = kept_ms / DAY_MS;
    // The longest hold; one that never ends lasts as long as the transaction.
    let holds = merchant.hold_ms.iter().map(|hold_ms| hold_ms.unwrap_or(kept_ms).min(kept_ms));
    let hold_ms = holds.max().unwrap_or(0);
    let one_a_second = Memory { transactions: u64::try_from(kept_ms / 1_000).unwrap_or(0), hold_ms, kept_ms };
    let mut line = format!(
        "{}: transactions stay in memory for {days} days: each one a second costs {}",
        merchant.id,
        one_a_second.megabytes()
    );
    if let Some(traffic) = traffic.filter(|traffic| traffic.last_ms - traffic.first_ms >= SPAN_MIN_MS) {
        let span_ms = u128::from(traffic.last_ms.abs_diff(traffic.first_ms));
        let expected_count = u128::from(traffic.transactions) * u128::from(kept_ms.unsigned_abs()) / span_ms;
        let expected_count = u64::try_from(expected_count).unwrap_or(u64::MAX);
        line.push_str(&format!(
            "; at the traffic seen, {} in {}, that is {expected_count} transactions and {}",
            traffic.transactions,
            show_span(i64::try_from(span_ms).unwrap_or(i64::MAX)),
            Memory { transactions: expected_count, hold_ms, kept_ms }.megabytes()
        ));
    }
    line
}

/// Transactions in memory, of which a share is held: those of the last `hold_ms`.
struct Memory {
    transactions: u64,
    hold_ms: i64,
    kept_ms: i64,
}

impl Memory {
    fn megabytes(&self) -> String {
        let (hold_ms, kept_ms) = (self.hold_ms.max(0).cast_unsigned(), self.kept_ms.max(1).cast_unsigned());
        let transactions = u128::from(self.transactions);
        let held = transactions * u128::from(hold_ms) / u128::from(kept_ms);
        let bytes = transactions * u128::from(BYTES_PER_TRANSACTION) + held * u128::from(BYTES_PER_HOLD);
        format!("{} MB", bytes.div_ceil(1_000_000))
    }
}

/// Reads the newest segments. Returns the traffic by merchant.
fn read_traffic(store: &dyn Store) -> io::Result<BTreeMap<String, Traffic>> {
    let mut paths = Vec::new();
    for folder in [ARCHIVE, FOLDER] {
        let names = store.list(folder)?.into_iter().filter(|name| name.ends_with(".log"));
        paths.extend(names.map(|name| format!("{folder}/{name}")));
    }
    let mut traffic: BTreeMap<String, Traffic> = BTreeMap::new();
    for path in paths.iter().rev().take(SEGMENTS_MAX) {
        let Ok(mut reader) = SegmentReader::open(store, path) else { continue };
        while let Step::Record(record) = reader.step()? {
            let Body::Events(events) = record.framed.body else { continue };
            for event in encoding::decode(events, &mut |_| Ok(None)).into_iter().flatten() {
                let encoding::RecordedEvent::Customer(CustomerEvent::TransactionOpened { opening, .. }) = event else {
                    continue;
                };
                let at = opening.recorded_at.0;
                let first = Traffic { transactions: 0, first_ms: at, last_ms: at };
                let traffic = traffic.entry(opening.merchant.to_string()).or_insert(first);
                traffic.transactions += 1;
                (traffic.first_ms, traffic.last_ms) = (traffic.first_ms.min(at), traffic.last_ms.max(at));
            }
        }
    }
    Ok(traffic)
}
