//! What is set of many customers at once, and how many of them it changes.

use super::{Customer, Customers, LEAVING, Way};

/// What is set; `None` says nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct BulkChange {
    /// Stored levels: of deposits, of withdrawals; `Some(None)`: empty from now on.
    pub(crate) levels: [Option<Option<&'static str>>; 2],
    pub(crate) status: Option<&'static str>,
    pub(crate) labels: Option<Vec<&'static str>>,
    pub(crate) limit: Option<GlobalLimit>,
}

/// The least and the most by any method, of one way and level.
#[derive(Debug, Clone)]
pub(crate) struct GlobalLimit {
    pub(crate) way: Way,
    /// `None`: the one that each customer has.
    pub(crate) level: Option<&'static str>,
    pub(crate) bounds: (Option<u64>, Option<u64>),
}

/// What became of those who were chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct BulkCounts {
    pub(crate) selected: u64,
    pub(crate) changed: u64,
    /// By the ids by which they were chosen.
    pub(crate) refused: Vec<String>,
    pub(crate) is_trial: bool,
    /// Whether a stop may have come between a change and its mark, so that one was changed and is counted as unchanged.
    pub(crate) was_cut: bool,
}

impl Customers {
    /// Applies it to every selected customer in order; an unknown id is refused.
    pub(crate) fn set(&mut self, chosen: &[(String, Option<usize>)], sets: &BulkChange, is_trial: bool) -> BulkCounts {
        let mut tally = BulkCounts { is_trial, ..BulkCounts::default() };
        for (id, place) in chosen {
            tally.selected += 1;
            let head = place.map(|place| self.head(place));
            match head.and_then(|head| Some((head, self.all[head].with(sets)?))) {
                None => tally.refused.push(id.clone()),
                Some((head, then)) => {
                    tally.changed += u64::from(then.differs(&self.all[head]));
                    if !is_trial {
                        self.all[head] = then;
                    }
                }
            }
        }
        tally
    }
}

impl Customer {
    /// The customer as it is set; `None`: a label that it has forbids that.
    fn with(&self, sets: &BulkChange) -> Option<Customer> {
        let mut then = self.clone();
        for (direction, level) in ["deposit", "withdrawal"].into_iter().zip(sets.levels) {
            if let Some(level) = level.filter(|level| then.stored[Customer::side(direction)] != *level) {
                if self.bears("block_level_change") {
                    return None;
                }
                then.store(direction, level);
            }
        }
        // Fraud that is known through instruments becomes the customer's.
        if let Some(status) = sets.status.filter(|status| *status == "fraud" || *status != self.status()) {
            then.stands(status);
        }
        if let Some(labels) = &sets.labels {
            then.labels.clone_from(labels);
            // Taken back; asked for again, it begins anew.
            then.due = then.due.filter(|_| labels.contains(&LEAVING));
        }
        if let Some(GlobalLimit { way, level, bounds }) = &sets.limit {
            // A customer without a level pays under the level `unknown`.
            let level = level.or(then.stored[Customer::side(way.0)]).unwrap_or("unknown");
            then.settings.entry((*way, level)).or_default().global = *bounds;
            then.settings.retain(|_, settings| !settings.is_empty());
        }
        Some(then)
    }

    /// Whether anything that can be set in bulk differs.
    fn differs(&self, other: &Customer) -> bool {
        let stands = |of: &Customer| (of.consent.unwrap_or("new"), of.suspected);
        self.stored != other.stored
            || stands(self) != stands(other)
            || self.labels != other.labels
            || self.settings != other.settings
    }
}
