//! The threads of a running journal.

use crate::storage::journal::state::notifier::Notifier;
use parking_lot::Mutex;
use std::{sync::Arc, thread::JoinHandle};

/// The threads of a journal, and what wakes them.
#[derive(Default)]
pub(in crate::storage) struct Threads {
    /// Wakes the thread that syncs.
    pub(in crate::storage) sync: Arc<Notifier>,
    /// Wakes the thread that writes and rotates.
    pub(in crate::storage) write: Arc<Notifier>,
    pub(in crate::storage) started: Mutex<Vec<JoinHandle<()>>>,
}
