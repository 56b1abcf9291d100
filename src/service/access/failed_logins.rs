//! Requests without a valid token: counted, logged, and delayed by the address that they come from.
//!
//! Only the answer to a failed attempt is delayed. A valid token is answered at once, even from an address with failed
//! attempts. The table of addresses and the number of delayed answers are bounded: beyond the second bound an attempt is
//! answered at once.

use crate::service::access::{access_tokens::TokenError, peer::Peer};
use parking_lot::Mutex;
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

/// The most addresses whose failed attempts are remembered.
const ADDRESSES_MAX: usize = 4_096;
/// The most answers that are delayed at a time.
const DELAYED_MAX: usize = 256;
/// The delay of the answer to a first failed attempt; each later one is twice as long.
const DELAY_MIN: Duration = Duration::from_millis(16);
/// The longest delay.
const DELAY_MAX: Duration = Duration::from_secs(1);
/// An address without a failed attempt for this long is forgotten.
const FORGET_AFTER: Duration = Duration::from_secs(600);
/// One failed attempt of each such time is logged, with the number of the others.
const LOG_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Attempts {
    failed: u32,
    last: Instant,
}

/// The addresses in two generations: a full young generation replaces the old one, so that the addresses whose last failed
/// attempt is the longest ago are forgotten.
#[derive(Debug, Default)]
struct Addresses {
    young: HashMap<Peer, Attempts>,
    old: HashMap<Peer, Attempts>,
}

impl Addresses {
    /// Counts a failed attempt; returns the number of failed attempts from the address.
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

/// When the last line was logged, and the number of attempts since.
#[derive(Debug, Default)]
struct Logged {
    last: Option<Instant>,
    unlogged: u64,
}

/// The failed attempts of all addresses.
#[derive(Debug)]
pub struct FailedLogins {
    addresses: Mutex<Addresses>,
    delayed: Semaphore,
    logged: Mutex<Logged>,
}

impl Default for FailedLogins {
    fn default() -> Self {
        Self { addresses: Mutex::default(), delayed: Semaphore::new(DELAYED_MAX), logged: Mutex::default() }
    }
}

impl FailedLogins {
    /// Counts and logs a request without a valid token, and waits until it may be answered.
    pub(crate) async fn delay(&self, peer: Peer, error: TokenError) {
        self.record(peer, error.word());
        // A request without a token guesses none.
        if matches!(error, TokenError::Missing | TokenError::UnknownCertificate | TokenError::ExpiredCertificate) {
            return;
        }
        let failed = self.addresses.lock().count(peer.without_port(), Instant::now());
        let Ok(_permit) = self.delayed.try_acquire() else {
            metrics::counter!("levelgate_auth_failures_not_delayed_total").increment(1);
            return;
        };
        sleep(delay_after(failed)).await;
    }

    /// Counts and logs a refused request.
    pub(crate) fn record(&self, peer: Peer, reason: &'static str) {
        metrics::counter!("levelgate_auth_failures_total", "reason" => reason).increment(1);
        let now = Instant::now();
        let mut logged = self.logged.lock();
        if logged.last.is_some_and(|last| now.saturating_duration_since(last) < LOG_EVERY) {
            logged.unlogged += 1;
            return;
        }
        let unlogged = std::mem::take(&mut logged.unlogged);
        logged.last = Some(now);
        drop(logged);
        tracing::warn!(
            "a request from {peer} was refused: {}; {unlogged} others since the last such line",
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
        "certificate" => "it sent no token, and the common name of its certificate is not configured",
        "certificate_expired" => "it sent no token, and its certificate has expired since the handshake",
        "host" => "its Host is no name of this machine",
        "origin" => "a browser sent it from a page of another site",
        "user_untrusted" => "it names a person in [console] user_header, and its address is none of trusted_proxies",
        "user_missing" => "it names no person in [console] user_header, or its address is none of trusted_proxies",
        "user_invalid" => "its [console] user_header was sent twice, or is no name of a person",
        "user_unknown" => "its [console] user_header names a person who is not among users",
        other => other,
    }
}

/// The delay of the answer to the failed attempt with this number of an address.
fn delay_after(failed: u32) -> Duration {
    let doublings = failed.saturating_sub(1).min(16);
    DELAY_MIN.saturating_mul(1 << doublings).min(DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, SocketAddr};

    fn peer(n: u32) -> Peer {
        Peer::Tcp(SocketAddr::new(IpAddr::V4(n.into()), 0))
    }

    #[tokio::test(start_paused = true)]
    async fn the_delay_of_one_address_doubles_up_to_a_second() {
        let failures = FailedLogins::default();
        let mut waited = Vec::new();
        for _ in 0..9 {
            let begun = Instant::now();
            failures.delay(peer(1), TokenError::Unknown).await;
            waited.push(begun.elapsed().as_millis());
        }
        assert_eq!(waited, [16, 32, 64, 128, 256, 512, 1_000, 1_000, 1_000]);
        let begun = Instant::now();
        failures.delay(peer(2), TokenError::Unknown).await;
        failures.delay(peer(2), TokenError::Missing).await;
        assert_eq!(
            begun.elapsed().as_millis(),
            16,
            "another address is not delayed longer, and a missing token is not delayed"
        );
        sleep(FORGET_AFTER).await;
        let begun = Instant::now();
        failures.delay(peer(1), TokenError::Unknown).await;
        assert_eq!(begun.elapsed().as_millis(), 16, "an address is forgotten after ten minutes");
    }

    #[test]
    fn the_table_is_bounded_and_forgets_the_addresses_without_recent_attempts_first() {
        let (mut addresses, now) = (Addresses::default(), Instant::now());
        for n in 0..100_000 {
            addresses.count(peer(n), now);
            addresses.count(peer(0), now);
            assert!(addresses.len() <= ADDRESSES_MAX);
        }
        assert_eq!(addresses.count(peer(0), now), 100_002, "an address with recent attempts is remembered");
        assert_eq!(addresses.count(peer(1), now), 1, "an address without recent attempts is forgotten");
        assert_eq!(addresses.count(peer(99_999), now), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_the_bound_of_delayed_answers_an_attempt_is_answered_at_once() {
        let failures = std::sync::Arc::new(FailedLogins::default());
        let (mut tasks, begun) = (Vec::new(), Instant::now());
        for n in 0..300 {
            let failures = std::sync::Arc::clone(&failures);
            tasks.push(tokio::spawn(async move {
                failures.delay(peer(n), TokenError::Unknown).await;
                Instant::now()
            }));
        }
        let mut at_once = 0;
        for task in tasks {
            at_once += usize::from(task.await.unwrap() == begun);
        }
        assert_eq!(at_once, 300 - DELAYED_MAX);
    }

    #[test]
    fn an_ipv6_network_and_an_ipv4_address_in_both_forms_count_as_one_address() {
        let counted = |text: &str| Peer::Tcp(SocketAddr::new(text.parse().unwrap(), 7)).without_port();
        assert_eq!(counted("2001:db8::1"), counted("2001:db8::ffff:2"));
        assert_ne!(counted("2001:db8::1"), counted("2001:db8:0:1::1"));
        assert_eq!(counted("::ffff:10.0.0.1"), counted("10.0.0.1"));
    }
}
