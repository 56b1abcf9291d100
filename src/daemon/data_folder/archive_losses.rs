//! Losses of the archive that an operator accepts at a start with `--accept-lost-archive`.

use crate::{
    clock::{Clock, Source},
    daemon::data_folder::folder::DataFolder,
    ledger::Ledger,
    storage::{
        archive_list::Loss,
        journal::{Lsn, ScanError},
    },
};

impl DataFolder {
    /// Records the losses that this start accepts, and waits until the records are durable. Logs all accepted losses.
    ///
    /// # Errors
    /// The journal has failed.
    pub(super) fn record_accepted_losses(&self) -> anyhow::Result<()> {
        for loss in self.journal.losses() {
            if loss.is_new {
                self.record_accepted_loss(&loss)?;
            } else {
                tracing::warn!("the archive misses {}; an earlier start accepted the loss", loss.what);
            }
        }
        Ok(())
    }

    fn record_accepted_loss(&self, loss: &Loss) -> anyhow::Result<()> {
        tracing::error!("the loss of {} was accepted at the start; it is shown in /v1/status", loss.what);
        let lsn = self.journal.accept_loss(loss, Clock::new(Source::System).wall(), None);
        self.journal.commit(lsn)?;
        Ok(())
    }

    /// Adds sealed segments to the archive's index before the first request is answered. `accepts_losses`: segments that
    /// cannot be read are accepted as lost.
    ///
    /// # Errors
    /// As [`DataFolder::archive_segments`].
    pub(super) fn archive_segments_at_start(
        &self,
        ledger: &Ledger,
        snapshot: Lsn,
        accepts_losses: bool,
    ) -> anyhow::Result<()> {
        loop {
            let Err(failed) = self.add_segments(ledger, snapshot) else { return Ok(()) };
            let is_unreadable = failed.error.chain().any(|cause| cause.is::<ScanError>());
            let Some(segment) = failed.segment.filter(|_| is_unreadable) else { return Err(failed.error) };
            if !accepts_losses || self.journal.is_accepted_as_lost(&segment) {
                return Err(failed.error.context(
                    "the archive's index is being rebuilt and needs every segment: restore the file from a backup into \
                     the folder `archive`, or start once with `levelgate serve --accept-lost-archive`",
                ));
            }
            self.journal.lose(&segment, &format!("{:#}", failed.error));
            if let Some(loss) = self.journal.losses().into_iter().find(|loss| loss.first == segment.first_lsn) {
                self.record_accepted_loss(&loss)?;
            }
        }
    }
}
