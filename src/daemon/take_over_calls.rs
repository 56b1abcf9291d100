//! The calls by which a person makes a standby take over.

use crate::service::{daemon_status::TakeOverReport, error::ServiceError};
use std::sync::mpsc as blocking_mpsc;
use tokio::sync::mpsc;

/// A person's call to take over, and where its outcome goes.
pub(crate) type TakeOverCall = blocking_mpsc::SyncSender<Result<TakeOverReport, ServiceError>>;

/// Makes a standby take over.
#[derive(Clone)]
pub(crate) struct TakeOverCalls(mpsc::Sender<TakeOverCall>);

/// Receives the calls.
pub(crate) struct TakeOverReceiver(pub(crate) mpsc::Receiver<TakeOverCall>);

impl TakeOverCalls {
    /// Both ends.
    pub(crate) fn new() -> (Self, TakeOverReceiver) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), TakeOverReceiver(receiver))
    }

    /// Takes over, and returns once writes are answered. Blocks the thread.
    ///
    /// # Errors
    /// The daemon is no standby any more, or could not take over.
    pub(crate) fn take_over(&self) -> Result<TakeOverReport, ServiceError> {
        let (done, outcome) = blocking_mpsc::sync_channel(1);
        self.0.blocking_send(done).map_err(|_| ServiceError::not_standby())?;
        // A thread that takes over by itself ends without an answer.
        outcome.recv().map_err(|_| ServiceError::not_standby())?
    }
}
