//! The events of a record's body: decoded one by one, or all.

use crate::{
    domain::{
        events::{customer_event::CustomerEvent, global_event::GlobalEvent},
        vocabulary::time::Millis,
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError},
        customer_event::read_customer,
        global_event::read_global,
        seal::Open,
        tags,
    },
};
use smallvec::SmallVec;

/// A recorded event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordedEvent {
    /// An event of one customer.
    Customer(CustomerEvent),
    /// An event of no customer.
    Global(GlobalEvent),
}

impl RecordedEvent {
    /// When it was recorded.
    #[must_use]
    pub fn at(&self) -> Option<Millis> {
        match self {
            Self::Customer(event) => event.recorded_at(),
            Self::Global(event) => event.recorded_at(),
        }
    }
}

/// Whether a body concerns all customers: it begins with the renaming of a level or with an accepted clock.
#[must_use]
pub fn is_for_all(body: &[u8]) -> bool {
    matches!(body.first(), Some(&(tags::LEVEL_RENAMED | tags::CLOCK_ACCEPTED)))
}

/// Whether a body concerns the segments of the archive.
#[must_use]
pub fn is_of_archive(body: &[u8]) -> bool {
    matches!(body.first(), Some(&(tags::SEGMENTS_LET_GO | tags::ARCHIVE_LOSS_ACCEPTED)))
}

/// Whether a body begins with a fact about a transaction. Only a payment, or the rewriting of a transaction, writes such
/// records.
#[must_use]
pub fn begins_with_transaction(body: &[u8]) -> bool {
    matches!(
        body.first(),
        Some(
            &(tags::OPENED
                | tags::OPENED_V1
                | tags::OPENED_EXPLAINED
                | tags::FACT_RECORDED
                | tags::FACT_RECORDED_V1
                | tags::COMPACTED
                | tags::COMPACTED_V1
                | tags::COMPACTED_EXPLAINED)
        )
    )
}

/// The events of a body, one by one.
#[derive(Debug, Clone)]
pub struct Events<'a>(Bytes<'a>);

/// Decodes all events of a body. Attributes whose key is erased are decoded as none, identifiers as forgotten.
///
/// # Errors
/// See [`DecodeError`]: bytes that [`encode`](super::encode) and [`encode_global`](super::encode_global) do not write,
/// sealed bytes that `open` refuses, or a name for which the process has no room.
pub fn decode(body: &[u8], open: &mut Open<'_>) -> Result<SmallVec<[RecordedEvent; 2]>, DecodeError> {
    let (mut events, mut found) = (Events::of(body), SmallVec::new());
    while let Some(event) = events.next(open)? {
        found.push(event);
    }
    if found.is_empty() { Err(DecodeError::Empty) } else { Ok(found) }
}

impl<'a> Events<'a> {
    /// The events of this body.
    #[must_use]
    pub fn of(body: &'a [u8]) -> Self {
        Self(Bytes::of(body))
    }

    /// The next event; `None` after the last one.
    ///
    /// # Errors
    /// As [`decode`]. After an error nothing more can be read.
    pub fn next(&mut self, open: &mut Open<'_>) -> Result<Option<RecordedEvent>, DecodeError> {
        let bytes = &mut self.0;
        if bytes.is_at_end() {
            return Ok(None);
        }
        let (at, tag) = (bytes.at(), bytes.byte()?);
        let event = match read_customer(tag, bytes, open)? {
            Some(event) => RecordedEvent::Customer(event),
            None => RecordedEvent::Global(read_global(tag, at, bytes)?),
        };
        Ok(Some(event))
    }
}

#[cfg(test)]
pub(crate) mod tests;
