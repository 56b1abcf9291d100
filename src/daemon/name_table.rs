//! Shows operators how full the table of names is, and logs where new names find no room.

use crate::domain::vocabulary::names;
use std::time::{Duration, Instant};

/// While new names go on finding no room, one line is logged in so long.
const LOG_EVERY: Duration = Duration::from_secs(3_600);

/// What was logged last.
#[derive(Debug, Default)]
pub(crate) struct NamesWatch {
    refused: u64,
    logged: Option<Instant>,
}

impl NamesWatch {
    /// Sets the metrics, and logs that names were refused: the first time, then at most once an hour.
    pub(crate) fn look(&mut self) {
        let (held, refused) = names::figures();
        metrics::gauge!("levelgate_names").set(f64::from(u32::try_from(held).unwrap_or(u32::MAX)));
        metrics::counter!("levelgate_names_refused_total").absolute(refused);
        let is_due = self.logged.is_none_or(|logged| logged.elapsed() >= LOG_EVERY);
        if refused > self.refused && is_due {
            tracing::warn!(
                "{} new names of levels, methods or filters were refused: requests may bring {} for a merchant and {} in \
                 all; {held} names are held and go on working; write the names that are meant into the configuration files",
                refused - self.refused,
                names::NAMES_OF_MERCHANT_MAX,
                names::NAMES_SENT_MAX
            );
            (self.refused, self.logged) = (refused, Some(Instant::now()));
        }
    }
}
