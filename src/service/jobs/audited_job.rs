//! The end of a job, as the audit shows it.

use crate::{
    domain::{
        customer::audit::ChangeSource,
        events::{
            audited_operation::{AuditedOperation, OperationDetail, OperationKind},
            global_event::GlobalEvent,
        },
        vocabulary::{names::Name, time::Millis, words::Word},
    },
    service::jobs::tracked_job::{JobDescription, JobKind},
    storage::{encoding::encode_global, journal::Journal},
};
use serde_json::Value;

/// Records for the audit that a job has ended which changed something. `counts` contain nothing personal. A job that a start
/// ends again is recorded again.
pub(super) fn record_end(journal: &Journal, job: &JobDescription, counts: &Value, at: Millis) {
    let has_changed = |key| counts.get(key).and_then(Value::as_u64).is_some_and(|count| count > 0);
    if !["created", "changed"].into_iter().any(has_changed) {
        return;
    }
    let (kind, source) = match JobKind::parse(&job.kind) {
        Some(JobKind::Upload) => (OperationKind::Upload, ChangeSource::Upload),
        Some(JobKind::Bulk) => (OperationKind::Bulk, ChangeSource::Api),
        None => return,
    };
    // Both are names of this process: a token's, and a merchant's.
    let [by, merchant] = [job.by.as_deref(), Some(job.merchant.as_str())].map(|text| text.and_then(Name::existing));
    let Some(merchant) = merchant else { return };
    let detail = OperationDetail {
        merchant: Some(merchant),
        subject: format!("job {}", job.id).into(),
        old: None,
        new: Some(counts.to_string().into()),
    };
    let operation = AuditedOperation { kind, source, at, by, version: None, details: vec![detail] };
    let mut body = Vec::new();
    encode_global(&GlobalEvent::OperationAudited(operation.bounded()), &mut body);
    journal.append(0, &body);
}
