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
    /// The owner that is replaced although it has a lease.
    pub replaces: Replaces<'a>,
    /// The copy with which the fence is taken.
    pub expected: ExpectedCopy,
    /// The new fence is higher than this one. A daemon passes its last fence, because Redis may have lost its own.
    pub above: Fence,
    /// The behaviour of the owner while Redis is unavailable.
    pub on_outage: OnOutage,
    /// How long the lease lasts, with `on_outage = "refuse"`.
    pub lease_ms: u64,
}

/// The owner of a lease that is no obstacle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces<'a> {
    /// None.
    Nobody,
    /// This one: an earlier process of the caller's data folder.
    Owner {
        /// Its fence.
        fence: Fence,
        /// Its name.
        owner: &'a str,
    },
    /// Every one: a person said so.
    Anybody,
}

/// The copy that the caller has compared with its journal. The fence is not taken if it has changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpectedCopy {
    /// Any: the caller reads the rest of the stream with the fence.
    Any,
    /// There is no copy.
    Nothing,
    /// The stream ends with this record. `None`: it has none.
    EndsWith(Option<Tip>),
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
