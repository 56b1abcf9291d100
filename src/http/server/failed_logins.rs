//! Failed attempts to get in: counted, logged, and delayed by the address that they come from.
//!
//! Only the answer to a failed attempt waits; a correct token is answered at once, whatever came from its address. The
//! table of addresses and the answers that wait are bounded: beyond the second bound an attempt is answered at once.

use crate::http::server::{grants::Rejected, listen::Caller};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

/// The most addresses whose failed attempts are remembered.
const ADDRESSES_MAX: usize = 4_096;
/// The most answers that wait at a time.
const WAITING_MAX: usize = 256;
/// How long the answer to a first failed attempt waits; each later one waits twice as long as the one before.
const DELAY_MIN: Duration = Duration::from_millis(16);
/// How long an answer waits at most.
const DELAY_MAX: Duration = Duration::from_secs(1);
/// An address that fails no more for so long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// Of the failed attempts of so long one is logged, with the number of the others.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    /// A TCP connection.
    Ip(IpAddr),
    /// The Unix socket: all its callers count as one address.
    Unix,
    /// Not known.
    Unknown,
}

impl Peer {
    /// Of a connection's caller; `None`: the request came by no connection.
    pub(crate) fn of(caller: Option<Caller>) -> Self {
        match caller {
            Some(Caller(Some(address))) => Self::Ip(address.ip()),
            Some(Caller(None)) => Self::Unix,
            None => Self::Unknown,
        }
    }

    /// What counts as one address: of IPv6 the network of 64 bits, of which every host has a whole one.
    fn counted(self) -> Self {
        match self {
            Self::Ip(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(mapped) => Self::Ip(mapped.into()),
                None => Self::Ip(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()),
            },
            other => other,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix => f.write_str("the Unix socket"),
            Self::Unknown => f.write_str("an unknown address"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Attempts {
    failed: u32,
    last: Instant,
}

/// The addresses in two halves: a half that is full replaces the older one, so that the longest silent ones go.
#[derive(Debug, Default)]
struct Addresses {
    young: HashMap<Peer, Attempts>,
    old: HashMap<Peer, Attempts>,
}

impl Addresses {
    /// Counts a failed attempt; returns how many have come from the address.
    fn count(&mut self, peer: Peer, now: Instant) -> u32 {
        let known = self.young.get(&peer).or_else(|| self.old.get(&peer));
        let known = known.filter(|known| now.saturating_duration_since(known.last) < FORGET_AFTER);
        let failed = known.map_or(1, |known| known.failed.saturating_add(1));
        if self.young.len() >= ADDRESSES_MAX / 2 && !self.young.contains_key(&peer) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(peer, Attempts { failed, last: now });
        failed
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

/// When the last line was logged, and how many attempts came since.
#[derive(Debug, Default)]
struct Logged {
    last: Option<Instant>,
    silent: u64,
}

/// All failed attempts.
#[derive(Debug)]
pub struct Failures {
    addresses: Mutex<Addresses>,
    waiting: Semaphore,
    logged: Mutex<Logged>,
}

impl Default for Failures {
    fn default() -> Self {
        Self { addresses: Mutex::default(), waiting: Semaphore::new(WAITING_MAX), logged: Mutex::default() }
    }
}

impl Failures {
    /// Counts and logs a request without a valid token. Returns when it may be answered.
    pub(crate) async fn rejected(&self, peer: Peer, rejected: Rejected) {
        self.note(peer, rejected.word());
        // Who sends no token guesses none.
        if rejected == Rejected::Missing {
            return;
        }
        let failed = self.addresses.lock().count(peer.counted(), Instant::now());
        let Ok(_place) = self.waiting.try_acquire() else {
            metrics::counter!("levelgate_auth_failures_not_delayed_total").increment(1);
            return;
        };
        sleep(delay(failed)).await;
    }

    /// Counts and logs a request that is refused for what it says of itself.
    pub(crate) fn note(&self, peer: Peer, reason: &'static str) {
        metrics::counter!("levelgate_auth_failures_total", "reason" => reason).increment(1);
        let now = Instant::now();
        let mut logged = self.logged.lock();
        if logged.last.is_some_and(|last| now.saturating_duration_since(last) < LOG_EVERY) {
            logged.silent += 1;
            return;
        }
        let silent = std::mem::take(&mut logged.silent);
        logged.last = Some(now);
        drop(logged);
        tracing::warn!(
            "a request from {peer} was refused: {}; {silent} others since the last such line",
            words(reason)
        );
    }
}

fn words(reason: &str) -> &str {
    match reason {
        "missing" => "it sent no token",
        "malformed" => "its Authorization header is no bearer token",
        "unknown" => "its token is not configured",
        "expired" => "its token has expired",
        "host" => "its Host is no name of this machine",
        "origin" => "a browser sent it from a page of another site",
        other => other,
    }
}

/// How long the answer to the so-many-th failed attempt of an address waits.
fn delay(failed: u32) -> Duration {
    let doublings = failed.saturating_sub(1).min(16);
    DELAY_MIN.saturating_mul(1 << doublings).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(n: u32) -> Peer {
        Peer::Ip(IpAddr::V4(n.into()))
    }

    #[tokio::test(start_paused = true)]
    async fn the_answers_of_one_address_wait_longer_and_longer_up_to_a_second() {
        let failures = Failures::default();
        let mut waited = Vec::new();
        for _ in 0..9 {
            let begun = Instant::now();
            failures.rejected(peer(1), Rejected::Unknown).await;
            waited.push(begun.elapsed().as_millis());
        }
        assert_eq!(waited, [16, 32, 64, 128, 256, 512, 1_000, 1_000, 1_000]);
        let begun = Instant::now();
        failures.rejected(peer(2), Rejected::Unknown).await;
        failures.rejected(peer(2), Rejected::Missing).await;
        assert_eq!(begun.elapsed().as_millis(), 16, "another address, and one without a token");
        sleep(FORGET_AFTER).await;
        let begun = Instant::now();
        failures.rejected(peer(1), Rejected::Unknown).await;
        assert_eq!(begun.elapsed().as_millis(), 16, "it is forgotten after a while");
    }

    #[test]
    fn the_table_is_bounded_and_the_longest_silent_addresses_go_first() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        for n in 0..100_000 {
            addresses.count(peer(n), now);
            addresses.count(peer(0), now);
            assert!(addresses.len() <= ADDRESSES_MAX);
        }
        assert_eq!(addresses.count(peer(0), now), 100_002, "one that goes on is remembered");
        assert_eq!(addresses.count(peer(1), now), 1, "one that went away is not");
        assert_eq!(addresses.count(peer(99_999), now), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_wait_are_bounded_and_the_next_one_goes_out_at_once() {
        let failures = std::sync::Arc::new(Failures::default());
        let (mut tasks, begun) = (Vec::new(), Instant::now());
        for n in 0..300 {
            let failures = std::sync::Arc::clone(&failures);
            tasks.push(tokio::spawn(async move {
                failures.rejected(peer(n), Rejected::Unknown).await;
                Instant::now()
            }));
        }
        let mut at_once = 0;
        for task in tasks {
            at_once += usize::from(task.await.unwrap() == begun);
        }
        assert_eq!(at_once, 300 - WAITING_MAX);
    }

    #[test]
    fn a_network_of_ipv6_and_an_address_in_both_forms_count_as_one() {
        let counted = |text: &str| Peer::Ip(text.parse().unwrap()).counted();
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:2"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("::ffff:10.0.0.1"), counted("10.0.0.1"));
    }
}
