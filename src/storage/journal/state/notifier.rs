//! WakeOnDrop the threads of the journal.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// WakeOnDrop a thread of the journal.
#[derive(Default)]
pub(in crate::storage) struct Notifier {
    rung: Mutex<Signal>,
    wakes: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Signal {
    #[default]
    No,
    Yes,
    /// The thread ends, or has ended.
    Stop,
}

/// Why a thread of the journal woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum WakeReason {
    /// It was notified.
    Signal,
    /// The time has passed.
    Time,
    /// The thread ends.
    Stop,
}

impl Notifier {
    /// Notifies the thread. Returns false if the thread has ended.
    pub(in crate::storage) fn notify(&self) -> bool {
        let mut rung = self.rung.lock();
        if *rung == Signal::No {
            *rung = Signal::Yes;
            self.wakes.notify_one();
        }
        *rung != Signal::Stop
    }

    pub(in crate::storage) fn stop(&self) {
        *self.rung.lock() = Signal::Stop;
        self.wakes.notify_all();
    }

    /// Waits for a notification, at most for a time.
    pub(in crate::storage) fn wait(&self, most: Option<Duration>) -> WakeReason {
        let mut rung = self.rung.lock();
        match most {
            None => self.wakes.wait_while(&mut rung, |rung| *rung == Signal::No),
            Some(most) => {
                self.wakes.wait_while_for(&mut rung, |rung| *rung == Signal::No, most);
            }
        }
        match *rung {
            Signal::No => WakeReason::Time,
            Signal::Yes => {
                *rung = Signal::No;
                WakeReason::Signal
            }
            Signal::Stop => WakeReason::Stop,
        }
    }
}
