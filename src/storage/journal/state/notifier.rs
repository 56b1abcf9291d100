//! Wakes the threads of the journal.

use parking_lot::{Condvar, Mutex};
use std::time::Duration;

/// Wakes a thread of the journal.
#[derive(Default)]
pub(in crate::storage) struct Notifier {
    rung: Mutex<Signal>,
    wakes: Condvar,
}

/// The tasks of a thread. A later one includes the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Signal {
    #[default]
    Nothing,
    Prepare,
    Work,
    /// The thread ends, or has ended.
    Stop,
}

/// Why a thread of the journal woke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum WakeReason {
    /// It was notified to do its work.
    Signal,
    /// It was notified to prepare what others will need soon.
    Prepare,
    /// The time has passed.
    Time,
    /// The thread ends.
    Stop,
}

impl Notifier {
    /// Notifies the thread to do its work. Returns false if the thread has ended.
    pub(in crate::storage) fn notify(&self) -> bool {
        self.raise(Signal::Work)
    }

    /// Notifies the thread to prepare what others will need soon. Returns false if the thread has ended.
    pub(in crate::storage) fn notify_to_prepare(&self) -> bool {
        self.raise(Signal::Prepare)
    }

    fn raise(&self, signal: Signal) -> bool {
        let mut rung = self.rung.lock();
        if *rung < signal {
            *rung = signal;
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
            None => self.wakes.wait_while(&mut rung, |rung| *rung == Signal::Nothing),
            Some(most) => {
                self.wakes.wait_while_for(&mut rung, |rung| *rung == Signal::Nothing, most);
            }
        }
        let signal = *rung;
        if signal != Signal::Stop {
            *rung = Signal::Nothing;
        }
        match signal {
            Signal::Nothing => WakeReason::Time,
            Signal::Prepare => WakeReason::Prepare,
            Signal::Work => WakeReason::Signal,
            Signal::Stop => WakeReason::Stop,
        }
    }
}
