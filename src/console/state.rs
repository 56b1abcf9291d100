//! What all pages share.

use crate::{
    config::FourEyesWrite,
    console::{pending_changes::PendingChanges, sessions::Sessions},
    service::{
        access::{access_tokens::AccessTokens, failed_logins::FailedLogins, proxy_users::ProxyUsers},
        jobs::Jobs,
        monitoring::status::StatusSource,
        payments::PaymentService,
        sender_pace::UploadLimits,
    },
};
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// The most pages that are made at a time; more wait. Each takes a thread of those that may block.
const PAGES_AT_A_TIME: usize = 16;

/// What the console shares with the API.
pub struct ConsoleParts {
    /// The state, as the API sees it.
    pub payments: Arc<PaymentService>,
    /// The tokens in force.
    pub access: Arc<AccessTokens>,
    /// Requests without a valid token.
    pub failed_logins: Arc<FailedLogins>,
    /// Uploads and bulk changes, whose ids histories show.
    pub jobs: Arc<Jobs>,
    /// The time limits of uploads.
    pub upload_limits: UploadLimits,
    /// The permits of downloads, which the API shares.
    pub downloads: Arc<Semaphore>,
    /// Whether the daemon is stopping.
    pub stopping: watch::Receiver<bool>,
    /// The state of the daemon, and its reloads, changes and snapshots.
    pub status: Arc<StatusSource>,
    /// Whether browsers send the cookie of a session over TLS only.
    pub secure_cookie: bool,
    /// The people whom a proxy names; `None`: people act under the names of their tokens.
    pub proxy_users: Option<ProxyUsers>,
    /// The writes that need a second person.
    pub four_eyes: Vec<FourEyesWrite>,
}

/// What all pages share.
pub struct Console {
    pub(super) parts: ConsoleParts,
    pub(super) sessions: Sessions,
    pub(super) page_permits: Semaphore,
    /// The writes that wait for a second person.
    pub(super) pending: PendingChanges,
}

impl Console {
    /// A console without sessions.
    #[must_use]
    pub fn new(parts: ConsoleParts) -> Arc<Self> {
        Arc::new(Self {
            parts,
            sessions: Sessions::default(),
            page_permits: Semaphore::new(PAGES_AT_A_TIME),
            pending: PendingChanges::default(),
        })
    }
}
