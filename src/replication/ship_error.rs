//! Why a batch was not shipped, and what that means for the answers.

use crate::{
    replication::{
        establish::EstablishError, format::WrapError, key_sender::KeySendError, model::error::RedisError,
        shipping_state::ShippingRules,
    },
    storage::{
        journal::{Failed, FollowError, ReadError},
        keys::KeysError,
    },
};

#[derive(Debug, thiserror::Error)]
pub(super) enum ShipError {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Establish(#[from] EstablishError),
    #[error("only {confirmed} of {wanted} replicas have confirmed")]
    Replicas { confirmed: u32, wanted: u32 },
    #[error("{0}")]
    Journal(#[from] Failed),
    #[error("the journal cannot be read: {0}")]
    Read(#[from] ReadError),
    #[error("the journal cannot be read: {0}")]
    Follow(#[from] FollowError),
    #[error("{0}")]
    Wrap(#[from] WrapError),
    #[error("{0}")]
    Keys(#[from] KeysError),
    #[error("a thread ended early: {0}")]
    Thread(#[from] tokio::task::JoinError),
}

impl From<KeySendError> for ShipError {
    fn from(error: KeySendError) -> Self {
        match error {
            KeySendError::Redis(error) => Self::Redis(error),
            KeySendError::Wrap(error) => Self::Wrap(error),
            KeySendError::Keys(error) => Self::Keys(error),
            KeySendError::Thread(error) => Self::Thread(error),
        }
    }
}

/// Describes the effect of an outage.
pub(super) fn consequence(rules: ShippingRules) -> &'static str {
    match (rules.continues_without, rules.waits_for_redis || rules.needs_lease) {
        (true, _) => "decisions continue from the journal",
        (false, true) => "writes are refused while it lasts",
        (false, false) => "decisions continue",
    }
}
