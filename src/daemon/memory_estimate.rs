//! What retention costs: how long transactions stay in memory, and what that comes to at the traffic that the journal's
//! newest records show.

use crate::{
    config::{Settings, StoreKind},
    domain::{customer::aggregate::CustomerEvent, rules::configuration::Rules, vocabulary::time::DAY_MS},
    ledger::{BYTES_A_TRANSACTION, Retention},
    storage::{
        encoding,
        fs::{Store, disk::Disk},
        journal::{
            ARCHIVE, FOLDER,
            frame::Body,
            segment_reader::{Step, Walk},
        },
    },
};
use std::{collections::BTreeMap, io};

/// Segments that are looked at, from the newest back.
const SEGMENTS_MAX: usize = 4;

/// Less than this shows no rate, milliseconds.
const SPAN_MIN_MS: i64 = 3_600_000;

/// What was seen of a merchant.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    transactions: u64,
    first_ms: i64,
    last_ms: i64,
}

/// One line for each merchant, ready to be printed.
pub(crate) fn lines(settings: &Settings, rules: &Rules) -> Vec<String> {
    let retention = Retention::new(settings.memory.retention_days, rules);
    // A folder that cannot be looked at shows no traffic; the daemon will say what is wrong with it.
    let seen = match settings.store.kind {
        StoreKind::Disk => seen(&Disk::look(&settings.store.path)).unwrap_or_default(),
        StoreKind::Memory => BTreeMap::new(),
    };
    let mut merchants: Vec<_> = rules.merchants.values().collect();
    merchants.sort_by_key(|merchant| merchant.id);
    let line = |merchant: &std::sync::Arc<crate::domain::rules::configuration::Merchant>| {
        let kept_ms = retention.of(merchant.id);
        let days = kept_ms / DAY_MS;
        let each_second = u64::try_from(kept_ms / 1_000).unwrap_or(0);
        let mut line = format!(
            "{}: transactions stay in memory for {days} days: each one a second costs {}",
            merchant.id,
            megabytes(each_second)
        );
        if let Some(seen) = seen.get(merchant.id.as_str()).filter(|seen| seen.last_ms - seen.first_ms >= SPAN_MIN_MS) {
            let span_ms = u128::from(seen.last_ms.abs_diff(seen.first_ms));
            let held = u128::from(seen.transactions) * u128::from(kept_ms.unsigned_abs()) / span_ms;
            let held = u64::try_from(held).unwrap_or(u64::MAX);
            line.push_str(&format!(
                "; at the traffic seen, {} in {}, that is {held} transactions and {}",
                seen.transactions,
                crate::domain::vocabulary::time::show_span(i64::try_from(span_ms).unwrap_or(i64::MAX)),
                megabytes(held)
            ));
        }
        line
    };
    let mut lines: Vec<String> = merchants.into_iter().map(line).collect();
    if settings.store.kind == StoreKind::Memory {
        lines.push("[store] kind = \"memory\": nothing leaves memory before the daemon stops".to_owned());
    }
    lines
}

fn megabytes(transactions: u64) -> String {
    format!("{} MB", transactions.saturating_mul(BYTES_A_TRANSACTION).div_ceil(1_000_000))
}

/// What the newest segments show, by merchant.
fn seen(store: &dyn Store) -> io::Result<BTreeMap<String, Seen>> {
    let mut paths = Vec::new();
    for folder in [ARCHIVE, FOLDER] {
        let names = store.list(folder)?.into_iter().filter(|name| name.ends_with(".log"));
        paths.extend(names.map(|name| format!("{folder}/{name}")));
    }
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    for path in paths.iter().rev().take(SEGMENTS_MAX) {
        let Ok(mut walk) = Walk::open(store, path) else { continue };
        while let Step::Record(record) = walk.step()? {
            let Body::Events(events) = record.framed.body else { continue };
            for event in encoding::decode(events, &mut |_| Ok(None)).into_iter().flatten() {
                let encoding::Recorded::Customer(CustomerEvent::Opened { opening, .. }) = event else { continue };
                let at = opening.recorded_at.0;
                let fresh = Seen { transactions: 0, first_ms: at, last_ms: at };
                let seen = seen.entry(opening.merchant.to_string()).or_insert(fresh);
                seen.transactions += 1;
                (seen.first_ms, seen.last_ms) = (seen.first_ms.min(at), seen.last_ms.max(at));
            }
        }
    }
    Ok(seen)
}
