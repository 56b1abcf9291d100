//! What a job needs that a start finishes.

use crate::{
    domain::{
        request::refusal::Refusal,
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{names::Name, time::Millis},
    },
    ledger::Ledger,
    service::jobs::tracked_job::JobDescription,
};
use std::sync::Arc;

/// What a job needs that a start finishes.
pub(crate) struct ResumeContext<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) rules: &'a Rules,
    pub(crate) now: Millis,
}

impl<'a> ResumeContext<'a> {
    /// The merchant of a job, and the name of the token that requested it.
    pub(crate) fn merchant_and_caller(
        &self,
        job: &JobDescription,
    ) -> Result<(&'a Arc<Merchant>, Option<Name>), Refusal> {
        let unknown = || Refusal::UnknownMerchant(job.merchant.clone());
        let by = job.by.as_deref().and_then(|by| Name::parse(by).ok());
        Ok((self.rules.merchant(&job.merchant).ok_or_else(unknown)?, by))
    }
}
