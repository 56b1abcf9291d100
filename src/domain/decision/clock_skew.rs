//! How far from now a payment or a fact may be placed.

use crate::domain::{request::refusal::Refusal, vocabulary::time::Millis};

/// How far from now a payment or a fact may be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockSkew {
    /// Milliseconds back.
    pub past_ms: i64,
    /// Milliseconds ahead.
    pub future_ms: i64,
}

impl ClockSkew {
    /// The time at which a payment counts: a past time stays, and a time slightly in the future becomes `now`.
    ///
    /// # Errors
    /// The time is further from now than allowed.
    pub fn place(&self, occurred_at: Option<Millis>, now: Millis, field: &'static str) -> Result<Millis, Refusal> {
        let Some(occurred) = occurred_at else { return Ok(now) };
        let behind_ms = now.since(occurred);
        if behind_ms > self.past_ms {
            return Err(Refusal::TooFarBack { field, behind_ms, max_ms: self.past_ms });
        }
        self.refuse_future(occurred, now, field)?;
        Ok(occurred.min(now))
    }

    /// Refuses a time that is too far ahead of now.
    ///
    /// # Errors
    /// The time is further ahead than allowed.
    pub fn refuse_future(&self, at: Millis, now: Millis, field: &'static str) -> Result<(), Refusal> {
        let ahead_ms = at.since(now);
        match ahead_ms > self.future_ms {
            true => Err(Refusal::TooFarAhead { field, ahead_ms, max_ms: self.future_ms }),
            false => Ok(()),
        }
    }
}
