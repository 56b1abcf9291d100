//! What the scripts take.

use crate::{
    config::OnOutage,
    replication::model::head::{Fence, Tip},
    storage::journal::Lsn,
};

/// Taking the fence.
#[derive(Debug, Clone, Copy)]
pub struct AcquireRequest<'a> {
    /// The wrapped digest secret, which is stored if Redis is empty.
    pub secret: &'a [u8],
    /// Takes the fence although another owner has a lease.
    pub forced: bool,
    /// The new fence is higher than this one. A daemon passes its last fence, because Redis may have lost its own.
    pub above: Fence,
    /// The behaviour of the owner while Redis is unavailable.
    pub on_outage: OnOutage,
    /// How long the lease lasts, with `on_outage = "refuse"`.
    pub lease_ms: u64,
}

/// A batch for the end of the stream.
#[derive(Debug, Clone, Copy)]
pub struct BatchToAppend<'a> {
    /// The record before the batch. `None`: the batch begins the stream.
    pub previous: Option<Tip>,
    /// The first record of the batch.
    pub first: Lsn,
    /// The last record of the batch, and the offset after it.
    pub last: Tip,
    /// The framed batch.
    pub frame: &'a [u8],
}

/// A customer's wrapped key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The number of the key.
    pub number: u64,
    /// The wrapped entry.
    pub wrapped: Vec<u8>,
}

/// A key that is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErasedKey {
    /// The number of the key.
    pub number: u64,
    /// The number of the customer.
    pub customer: u64,
}

/// A snapshot whose chunks are all sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotToFinish {
    /// The number that the snapshot was begun with.
    pub begin: Lsn,
    /// The last record that a part of the snapshot contains.
    pub end: Lsn,
    /// The number of its chunks.
    pub chunks: u64,
    /// The bytes of its chunks, without their frames.
    pub bytes: u64,
}
