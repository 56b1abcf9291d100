//! Groups that have begun and not ended.

use crate::storage::journal::{
    format::frame::{Body, Framed},
    model::ids::Lsn,
};
use std::collections::HashMap;

/// The groups that have begun and not ended. The parts of groups that are left at the end do not count.
#[derive(Debug, Default)]
pub(in crate::storage) struct Groups {
    /// The number of parts so far, by the number of the begin; `None` if the begin is before the read records.
    open: HashMap<Lsn, Option<u32>>,
    read_from: Lsn,
}

impl Groups {
    pub(in crate::storage) fn reading_from(read_from: Lsn) -> Self {
        Self { open: HashMap::new(), read_from }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The record is invalid.
    pub(in crate::storage) fn add(&mut self, framed: &Framed<'_>) -> Result<(), &'static str> {
        let (group, ends) = match framed.body {
            Body::Events(_) | Body::Batch { .. } => return Ok(()),
            Body::Begin => {
                self.open.insert(framed.head.lsn, Some(0));
                return Ok(());
            }
            Body::Part { group, .. } => (group, None),
            Body::End { group, parts } => (group, Some(parts)),
        };
        let read_from = self.read_from;
        let unseen = || if group < read_from { Ok(None) } else { Err("its group has not begun") };
        let parts = self.open.get(&group).map_or_else(unseen, |parts| Ok(*parts))?;
        match ends {
            None => {
                self.open.insert(group, parts.map(|parts| parts.saturating_add(1)));
            }
            Some(expected) if parts.is_some_and(|parts| parts != expected) => {
                return Err("it ends a group with another number of parts");
            }
            Some(_) => {
                self.open.remove(&group);
            }
        }
        Ok(())
    }

    /// Whether the group has not ended.
    pub(in crate::storage) fn is_open(&self, group: Lsn) -> bool {
        self.open.contains_key(&group)
    }
}
