//! Metrics of the name table, and a log line if it refuses new names.

use crate::domain::vocabulary::names;
use std::time::{Duration, Instant};

/// The minimum time between two log lines about refused names.
const LOG_INTERVAL: Duration = Duration::from_secs(3_600);

/// The refused names that were logged last.
#[derive(Debug, Default)]
pub(crate) struct NameTableMonitor {
    refused: u64,
    last_logged: Option<Instant>,
}

impl NameTableMonitor {
    /// Updates the metrics. Logs refused names: the first time, then at most once an hour.
    pub(crate) fn update(&mut self) {
        let (known_count, refused) = names::statistics();
        metrics::gauge!("levelgate_names").set(f64::from(u32::try_from(known_count).unwrap_or(u32::MAX)));
        metrics::counter!("levelgate_names_refused_total").absolute(refused);
        let is_due = self.last_logged.is_none_or(|logged| logged.elapsed() >= LOG_INTERVAL);
        if refused > self.refused && is_due {
            tracing::warn!(
                "{} new names of levels, methods or filters were refused: requests may create {} names for a merchant and \
                 {} in total; the {known_count} known names keep working; add the names that you need to the configuration files",
                refused - self.refused,
                names::NAMES_OF_MERCHANT_MAX,
                names::NAMES_SENT_MAX
            );
            (self.refused, self.last_logged) = (refused, Some(Instant::now()));
        }
    }
}
