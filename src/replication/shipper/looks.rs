//! Looks at Redis between two batches: which server it is, and whether the copy is whole.

use crate::{
    replication::{
        model::{error::RedisError, head::Tip},
        ship_error::ShipError,
        shipper::Shipper,
    },
    storage::journal::Lsn,
};

impl Shipper {
    /// Looks whether the records before the stream are in a snapshot: after each change that may have lost it, and while it
    /// is missing, after each snapshot.
    pub(super) async fn look_at_copy(&mut self, tip: Option<Tip>) -> Result<(), ShipError> {
        let state = &self.shared.parts.state;
        let is_known = self.looked_at.is_some_and(|snapshot| self.shared.is_whole() || snapshot == state.snapshot());
        if is_known {
            return Ok(());
        }
        let head = self.store.head().await?.ok_or(RedisError::Empty)?;
        let snapshot = head.snapshot.map_or(Lsn::NONE, |snapshot| snapshot.begin);
        // An empty stream begins with the next batch.
        let is_whole = head.begin.is_none_or(|begin| begin.0 <= snapshot.0.saturating_add(1));
        state.set_snapshot(snapshot);
        self.looked_at = Some(snapshot);
        if is_whole && !self.shared.is_whole() {
            self.unconfirmed = tip;
        }
        self.shared.set_whole(is_whole);
        if is_whole {
            self.incomplete_since = None;
        }
        Ok(())
    }

    /// Learns about the server of a new connection. If it is another one, or has started again, it may lack keys and erasures
    /// that the stream does not show: all are sent again. Without the permission to ask, each connection counts as another
    /// server.
    pub(super) async fn look_at_server(&mut self) -> Result<(), ShipError> {
        if self.server.0.is_some() && self.server.0 == self.store.connection() {
            return Ok(());
        }
        let data = match self.store.server().await {
            Ok(facts) => {
                if facts.may_evict() && facts.data != self.server.1 {
                    tracing::warn!(
                        "redis: the server deletes data when its memory is short (maxmemory-policy {}): a deleted key of the \
                         copy cannot be restored; set `maxmemory-policy noeviction`",
                        facts.eviction_policy
                    );
                }
                facts.data
            }
            Err(RedisError::NotPermitted(_) | RedisError::Refused(_)) => String::new(),
            Err(error) => return Err(error.into()),
        };
        if let Some(position) = &mut self.position
            && (data.is_empty() || data != self.server.1)
        {
            position.next_slot = 0;
            self.shared.set_sent_slots(0);
            self.looked_at = None;
        }
        self.server = (self.store.connection(), data);
        Ok(())
    }
}
