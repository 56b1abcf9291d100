//! A part of the journal that is read on the way backwards.

use crate::{
    ledger::state::ledger::Ledger,
    storage::journal::{FollowError, Lsn, Visited},
};
use std::ops::ControlFlow;

impl Ledger {
    /// Calls `visit` with the committed records from `low` to `high`, both included, in order. The records of a group come
    /// together, also those of them that are outside.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub(in crate::ledger) fn read_window(
        &self,
        low: Lsn,
        high: Lsn,
        visit: &mut dyn FnMut(Visited<'_>),
    ) -> Result<(), FollowError> {
        let mut after = Lsn(low.0.saturating_sub(1));
        while after < high {
            let followed = self.journal.follow_groups(after, &mut |visited| {
                let last = match visited {
                    Visited::Records(records) => records.last().map_or(after, |record| record.lsn),
                    Visited::Unreadable(unreadable) => unreadable.last,
                };
                visit(visited);
                if last >= high { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            });
            after = match followed {
                Ok(followed) if followed.was_cut => followed.next.max(Lsn(after.0 + 1)),
                Ok(_) => break,
                // Lost records, or records that were deleted during the call.
                Err(FollowError::Gone { begins_at, .. }) if begins_at.0 > after.0 + 1 => Lsn(begins_at.0 - 1),
                Err(error) => return Err(error),
            };
        }
        Ok(())
    }
}
