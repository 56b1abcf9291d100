//! Background threads: their priority, and the pauses in which payments run first.
//!
//! A thread that answers a payment waits for a processor until the time slice of a busy thread ends, some milliseconds,
//! even where the busy thread has a lower priority. So a background thread has a lower priority and also gives way
//! ([`give_way`]) between the pieces of its work. Where payments leave no processor free, it still gets about a quarter of
//! one, so that what it has locked becomes free and its work ends.

pub(crate) mod background;

use std::{
    cell::Cell,
    thread,
    time::{Duration, Instant},
};

/// How much the nice value of a background thread is higher than that of the process.
const NICE_ADDED: i32 = 5;

/// How long a background thread works before it gives way.
const PIECE: Duration = Duration::from_micros(50);

thread_local! {
    /// When this thread last gave way; `None`: it is no background thread.
    static GAVE_WAY: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Makes this thread a background thread, for as long as it lives. Threads that it starts have its priority.
pub fn become_background_thread() {
    GAVE_WAY.set(Some(Instant::now()));
    let thread = Some(rustix::thread::gettid());
    // A thread begins with the priority of the one that starts it, which may be a background thread.
    let lowered = rustix::process::getpriority_process(Some(rustix::process::getpid()))
        .and_then(|nice| rustix::process::setpriority_process(thread, nice + NICE_ADDED));
    if let Err(error) = lowered {
        tracing::debug!(%error, "a background thread keeps its priority");
    }
}

/// Whether this is a background thread.
pub(crate) fn is_background_thread() -> bool {
    GAVE_WAY.get().is_some()
}

/// Lets other threads run first, if this is a background thread that has worked for 50 us. To be called between two pieces
/// of work that is long as a whole, and while no lock is held that a payment waits for.
pub fn give_way() {
    if GAVE_WAY.get().is_some_and(|last| last.elapsed() >= PIECE) {
        thread::yield_now();
        GAVE_WAY.set(Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nice() -> i32 {
        rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap()
    }

    #[test]
    fn a_background_thread_has_a_lower_priority_and_leaves_others_alone() {
        let before = nice();
        let lowered = thread::spawn(|| {
            become_background_thread();
            give_way();
            let started = thread::spawn(|| {
                become_background_thread();
                nice()
            });
            (nice(), started.join().unwrap())
        });
        let lowest = (before + NICE_ADDED).min(19);
        assert_eq!(lowered.join().unwrap(), (lowest, lowest), "a thread of a background thread has no lower one");
        assert_eq!(nice(), before);
    }

    #[test]
    fn a_background_thread_gives_way_once_it_has_worked() {
        let gave_way = |begun| {
            GAVE_WAY.set(Some(begun));
            give_way();
            GAVE_WAY.get() != Some(begun)
        };
        assert!(gave_way(Instant::now().checked_sub(PIECE).unwrap()));
        // However slow the machine is, no time has passed since then.
        assert!(!gave_way(Instant::now() + Duration::from_secs(3_600)));
        GAVE_WAY.set(None);
        give_way();
        assert_eq!(GAVE_WAY.get(), None);
    }
}
