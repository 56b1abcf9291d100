//! The jobs that a start found unfinished.

use crate::{
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    ledger::Ledger,
    service::{
        bulk_change::bulk_job::resume_bulk_change,
        import_export::import_job::resume_import,
        jobs::{
            registry::Jobs,
            resume_context::ResumeContext,
            tracked_job::{JobDescription, JobKind},
        },
    },
    telemetry::traces::in_span,
};

/// Finishes the jobs that a start found unfinished, one after another.
pub fn resume_unfinished(jobs: &Jobs, ledger: &Ledger, rules: &Rules, now: Millis) {
    let context = ResumeContext { ledger, rules, now };
    for (job, active) in jobs.take_unfinished() {
        let JobDescription { id, merchant, kind, .. } = active.description().clone();
        tracing::info!("job {id} of merchant {merchant} continues after step {}", job.progress.steps_done);
        let is_bulk = kind == JobKind::Bulk.word();
        let resumed = in_span(if is_bulk { "bulk_change" } else { "upload" }, |span| {
            span.set_word("levelgate.job.state", "resumed");
            let resume = if is_bulk { resume_bulk_change } else { resume_import };
            let resumed = resume(&context, job, &active);
            span.note(&resumed);
            resumed
        });
        match resumed {
            Ok(_) => tracing::info!("job {id} of merchant {merchant} is done"),
            Err(error) => tracing::error!("job {id} of merchant {merchant} stays unfinished: {error}"),
        }
    }
}
