//! What `/v1/status` says of the archive.

use crate::http::dto::answers::Shows;
use crate::{domain::vocabulary::time::Millis, storage::archive_list::AcceptedLoss};
use serde::{Serialize, Serializer, ser::SerializeSeq};

/// The archive's files and its index.
#[derive(Debug, Serialize)]
pub struct ArchiveHealth {
    /// How many segments are listed.
    pub segments: usize,
    /// `ready`, or `rebuilding`: ids that memory does not know may be refused with 503 meanwhile.
    pub index: &'static str,
    /// Files whose check failed, and what is wrong with each.
    pub damaged: Vec<String>,
    /// Losses that an operator has accepted.
    #[serde(serialize_with = "losses")]
    pub lost: Vec<AcceptedLoss>,
}

#[derive(Serialize)]
struct LossOut {
    first_record: u64,
    last_record: u64,
    accepted_at: Shows<Millis>,
}

fn losses<S: Serializer>(lost: &[AcceptedLoss], serializer: S) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_seq(Some(lost.len()))?;
    for loss in lost {
        let accepted_at = Shows(loss.at);
        out.serialize_element(&LossOut { first_record: loss.first.0, last_record: loss.last.0, accepted_at })?;
    }
    out.end()
}
