//! The sessions of people who signed in with a token. They are in memory only, so a restart ends them.
//!
//! A session ends after 30 minutes without a request, 12 hours after it began, with its token, and when the person signs
//! out. Times are milliseconds of a clock that never goes back.

use crate::service::access::access_tokens::AccessToken;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::{collections::HashMap, sync::Arc};

/// A session without a request for this long ends.
pub(super) const IDLE_MAX_MS: i64 = 30 * 60_000;
/// A session ends at this age.
pub(super) const AGE_MAX_MS: i64 = 12 * 3_600_000;
/// The most sessions. A further one ends the session whose last request is the longest ago.
pub(super) const SESSIONS_MAX: usize = 1_024;
const ID_BYTES: usize = 32;

/// Who has signed in.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) token: Arc<AccessToken>,
    /// The person whom the proxy named; `None`: no proxy names people.
    pub(super) person: Option<String>,
}

struct Session {
    signed_in: SignedIn,
    begun_ms: i64,
    used_ms: i64,
}

impl Session {
    fn has_ended(&self, now_ms: i64) -> bool {
        now_ms - self.used_ms >= IDLE_MAX_MS || now_ms - self.begun_ms >= AGE_MAX_MS
    }
}

/// All sessions, by the digest of their id: the time of a look-up says nothing about an id.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

fn digest(id: &str) -> [u8; 32] {
    Sha256::digest(id.as_bytes()).into()
}

impl Sessions {
    /// Begins a session; returns its id, which is random.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub(super) fn begin(&self, signed_in: SignedIn, now_ms: i64) -> Result<String, getrandom::Error> {
        let mut random = [0; ID_BYTES];
        getrandom::fill(&mut random)?;
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut sessions = self.0.lock();
        sessions.retain(|_, session| !session.has_ended(now_ms));
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.used_ms).map(|(id, _)| *id);
            oldest.map(|oldest| sessions.remove(&oldest));
        }
        sessions.insert(digest(&id), Session { signed_in, begun_ms: now_ms, used_ms: now_ms });
        Ok(id)
    }

    /// Uses a session. Returns the token and the person that began it; `None`: there is no such session, or it has ended.
    pub(super) fn signed_in(&self, id: &str, now_ms: i64) -> Option<SignedIn> {
        let mut sessions = self.0.lock();
        let session = sessions.get_mut(&digest(id))?;
        if session.has_ended(now_ms) {
            sessions.remove(&digest(id));
            return None;
        }
        session.used_ms = session.used_ms.max(now_ms);
        Some(session.signed_in.clone())
    }

    /// The same without using the session.
    pub(super) fn peek(&self, id: &str, now_ms: i64) -> Option<SignedIn> {
        let sessions = self.0.lock();
        sessions.get(&digest(id)).filter(|session| !session.has_ended(now_ms)).map(|session| session.signed_in.clone())
    }

    /// Ends a session.
    pub(super) fn end(&self, id: &str) {
        self.0.lock().remove(&digest(id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::vocabulary::names::Name,
        service::access::access_tokens::{CredentialKind, Role},
    };

    fn vera() -> SignedIn {
        let name = Name::parse("vera").unwrap();
        let token = Arc::new(AccessToken {
            kind: CredentialKind::Token,
            role: Role::Viewer,
            name,
            digest: [7; 32],
            merchants: None,
            expires: None,
            limit: None,
            certificate_ends: None,
        });
        SignedIn { token, person: None }
    }

    #[test]
    fn a_session_ends_when_it_is_idle_old_or_signed_out() {
        let sessions = Sessions::default();
        let id = sessions.begin(vera(), 0).unwrap();
        assert!(sessions.signed_in(&id, IDLE_MAX_MS - 1).is_some());
        assert!(sessions.signed_in(&id, 2 * IDLE_MAX_MS - 2).is_some(), "a request keeps it");
        assert!(sessions.signed_in(&id, 3 * IDLE_MAX_MS - 2).is_none(), "30 minutes without a request end it");
        assert!(sessions.signed_in(&id, 0).is_none(), "an ended session stays ended");
        let id = sessions.begin(vera(), 0).unwrap();
        assert!(sessions.peek(&id, IDLE_MAX_MS - 1).is_some());
        assert!(sessions.peek(&id, IDLE_MAX_MS).is_none(), "a refresh does not keep it");
        let id = sessions.begin(vera(), 0).unwrap();
        let used = (0..AGE_MAX_MS).step_by(60_000).all(|now| sessions.signed_in(&id, now).is_some());
        assert!(used && sessions.signed_in(&id, AGE_MAX_MS).is_none(), "12 hours end a session that is used");
        let id = sessions.begin(vera(), 0).unwrap();
        sessions.end(&id);
        assert!(sessions.signed_in(&id, 0).is_none());
    }

    #[test]
    fn ids_are_long_and_differ_and_the_number_of_sessions_is_bounded() {
        let sessions = Sessions::default();
        let begun = i64::try_from(SESSIONS_MAX).unwrap();
        let ids: Vec<String> = (0..=begun).map(|now| sessions.begin(vera(), now).unwrap()).collect();
        assert!(ids.iter().all(|id| id.len() == 2 * ID_BYTES));
        let alive = ids.iter().filter(|id| sessions.signed_in(id, begun).is_some()).count();
        assert_eq!(alive, SESSIONS_MAX);
        assert!(sessions.signed_in(&ids[0], begun).is_none(), "the one that was idle for the longest time ends first");
    }
}
