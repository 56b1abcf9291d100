//! A table of customers while it arrives: it is written to a sealed file piece by piece, and counts in the limits of jobs.
//! The API and the console receive tables with it.

use crate::{
    domain::{
        request::refusal::Refusal,
        vocabulary::{names::Name, text::suggest::did_you_mean},
    },
    ledger::Digester,
    scheduling::background,
    service::{
        error::ServiceError,
        import_export::{
            import_job::{UploadedTable, import_table},
            outcome::ImportMode,
            row::ImportTarget,
        },
        jobs::{
            Jobs,
            limits::JobPermit,
            registry::{file_failed, parse_job_id},
            tracked_job::JobReply,
        },
        payments::PaymentService,
    },
    storage::jobs::Draft,
};
use axum::body::Bytes;
use std::{io::Write, sync::Arc};
use tokio::sync::watch;

/// What a caller wants of an upload.
#[derive(Debug, Clone)]
pub(crate) struct UploadRequest {
    pub(crate) mode: ImportMode,
    pub(crate) job_id: Option<String>,
    pub(crate) by: Option<Name>,
}

impl UploadRequest {
    /// An upload of all rows or none.
    pub(crate) fn by(by: Option<Name>) -> Self {
        Self { mode: ImportMode::AllOrNothing, job_id: None, by }
    }

    /// Sets the option of a name: `job`, or `mode`.
    ///
    /// # Errors
    /// The value is none of the option.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ServiceError> {
        if name == "job" {
            self.job_id = Some(parse_job_id(value.to_owned())?);
            return Ok(());
        }
        let modes = [ImportMode::AllOrNothing, ImportMode::Partial, ImportMode::Trial];
        let known = modes.into_iter().find(|mode| mode.word() == value);
        self.mode = known.ok_or_else(|| {
            let near = did_you_mean(value, modes.map(ImportMode::word));
            ServiceError::unknown_value("mode", &format!("is all (the default), partial or trial{near}"))
        })?;
        Ok(())
    }
}

/// A table that arrives. If it is dropped, its file is removed.
pub(crate) struct ArrivingTable {
    merchant: Name,
    permit: JobPermit,
    /// `None` once the import has taken it. It is dropped off the threads that answer payments, because its file is
    /// removed then.
    draft: Option<Draft>,
    digester: Digester,
}

impl Drop for ArrivingTable {
    fn drop(&mut self) {
        if let Some(draft) = self.draft.take() {
            background::run(move || drop(draft));
        }
    }
}

impl ArrivingTable {
    /// Admits an upload for a merchant and creates its file. `announced`: the bytes that the caller announced, or 0.
    ///
    /// # Errors
    /// The merchant is not known; a limit on uploads is reached; the disk has no room; the daemon stops.
    pub(crate) async fn begin(
        payments: &Arc<PaymentService>,
        jobs: &Arc<Jobs>,
        merchant: &str,
        announced: u64,
    ) -> Result<Self, ServiceError> {
        let (payments, jobs, merchant) = (Arc::clone(payments), Arc::clone(jobs), merchant.to_owned());
        let begun = background::run(move || Self::create(&payments, &jobs, &merchant, announced));
        begun.await.map_err(|error| ServiceError::unfinished(&error))?
    }

    fn create(payments: &PaymentService, jobs: &Jobs, merchant: &str, announced: u64) -> Result<Self, ServiceError> {
        let known = payments.rules().merchant(merchant).map(|merchant| merchant.id);
        let merchant = known.ok_or_else(|| Refusal::UnknownMerchant(merchant.to_owned()))?;
        let permit = jobs.limits().arrive(merchant)?;
        let now = payments.time()?;
        jobs.check_room(announced)?;
        let draft = Some(jobs.draft(now).map_err(file_failed)?);
        Ok(Self { merchant, permit, draft, digester: payments.ledger.digester() })
    }

    /// Adds a piece. It is encrypted and written on a background thread.
    ///
    /// # Errors
    /// The table is too long; a limit on the bytes of uploads is reached; the disk has no room; the daemon stops. The table
    /// is dropped.
    pub(crate) async fn take(mut self, piece: Bytes) -> Result<Self, ServiceError> {
        let taken = background::run(move || {
            self.permit.hold(piece.len() as u64)?;
            self.digester.take(&piece);
            self.draft.iter_mut().try_for_each(|draft| draft.write_all(&piece)).map_err(file_failed)?;
            Ok(self)
        });
        taken.await.map_err(|error| ServiceError::unfinished(&error))?
    }

    /// Waits for a slot of a job once the table has arrived, for a bounded time.
    ///
    /// # Errors
    /// As many jobs are under way as may be.
    pub(crate) async fn wait_for_slot(&mut self, stopping: watch::Receiver<bool>) -> Result<(), ServiceError> {
        self.permit.work(stopping).await
    }

    /// Tries and imports the table. It can take long.
    ///
    /// # Errors
    /// Those of [`import_table`].
    pub(crate) fn import(
        mut self,
        payments: &PaymentService,
        jobs: &Jobs,
        upload: &UploadRequest,
    ) -> Result<JobReply, ServiceError> {
        let rules = payments.rules();
        let id = self.merchant.as_str();
        let merchant = rules.merchant(id).ok_or_else(|| Refusal::UnknownMerchant(id.to_owned()))?;
        let (ledger, now) = (&payments.ledger, payments.time()?);
        let target = ImportTarget {
            ledger,
            merchant,
            by: upload.by,
            job: None,
            now,
            new_from: ledger.next_customer(),
            resumed_after: None,
        };
        let draft = self.draft.take().ok_or_else(ServiceError::internal)?;
        let (mode, job_id, digest) = (upload.mode, upload.job_id.as_deref(), self.digester.digest());
        import_table(jobs, &target, UploadedTable { mode, job_id, draft, digest })
    }
}
