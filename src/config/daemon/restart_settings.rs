//! What a reload cannot change: settings that take effect at a start, and the minor units of amounts in memory.

use crate::config::daemon::settings::Settings;
use crate::domain::vocabulary::money::{Currencies, Currency};

/// The name of a setting in the file, and whether two configurations have different values.
type Setting = (&'static str, fn(&Settings, &Settings) -> bool);

macro_rules! settings {
    ($($name:literal: $section:ident . $field:ident),+ $(,)?) => {
        [$(($name, |old, new| old.$section.$field != new.$section.$field)),+]
    };
}

/// The settings that are read only at the start. Rules, rates, minor units and tokens are not listed: a reload changes them.
const RESTART_SETTINGS: [Setting; 28] = settings![
    "[http] listen": http.listen,
    "[http] unix_socket": http.unix_socket,
    "[http] tls": http.tls,
    "[http] max_connections": http.max_connections,
    "[http] max_body_bytes": http.max_body_bytes,
    "[http] listen_backlog": http.listen_backlog,
    "[http] max_header_bytes": http.max_header_bytes,
    "[http] header_timeout_s": http.header_timeout_s,
    "[http] body_timeout_s": http.body_timeout_s,
    "[http] min_upload_bytes_per_s": http.min_upload_bytes_per_s,
    "[http] max_inflight_bytes": http.max_inflight_bytes,
    "[http] max_batches": http.max_batches,
    "[admin] listen": admin.listen,
    "[clock] source": clock.source,
    "[clock] max_past_seconds": clock.max_past_ms,
    "[clock] max_future_seconds": clock.max_future_ms,
    "[store] kind": store.kind,
    "[store] path": store.path,
    "[store] sync": store.sync,
    "[store] sync_interval_ms": store.sync_interval_ms,
    "[store] snapshot_interval_s": store.snapshot_interval_s,
    "[store] snapshot_records": store.snapshot_records,
    "[store] segment_bytes": store.segment_bytes,
    "[store] min_free_bytes": store.min_free_bytes,
    "[store] stop_snapshot_s": store.stop_snapshot_s,
    "[memory] retention_days": memory.retention_days,
    "[memory] max_transactions": memory.max_transactions,
    "[memory] archive_days": memory.archive_days,
];

/// The names in `levelgate.toml` of changed settings that take effect only at the next start.
#[must_use]
pub fn changed_restart_settings(old: &Settings, new: &Settings) -> Vec<String> {
    let differing = RESTART_SETTINGS.iter().filter(|(_, differ)| differ(old, new)).map(|(name, _)| (*name).to_owned());
    let redis = (old.redis != new.redis).then(|| "[redis]".to_owned());
    differing.chain(redis).collect()
}

/// The currencies whose minor units differ, so that an amount in memory would change its value.
///
/// A currency that only `old` defines is included. One that only `new` defines is not, because no amount can be in it.
#[must_use]
pub fn changed_minor_units(old: &Currencies, new: &Currencies) -> Vec<Currency> {
    let letters = || b'A'..=b'Z';
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let currencies = codes.filter_map(|code| Currency::parse(std::str::from_utf8(&code).ok()?));
    let units = |currency| (old.minor_units(currency), new.minor_units(currency));
    currencies.filter(|&currency| matches!(units(currency), (Some(old), new) if new != Some(old))).collect()
}
