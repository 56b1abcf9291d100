//! The writes that wait for a second person. They are in memory only, so a restart drops them.

use crate::{
    config::FourEyesWrite,
    domain::vocabulary::time::Millis,
    service::{
        access::access_tokens::AccessToken,
        error::{ErrorKind, ServiceError},
    },
};
use parking_lot::Mutex;
use std::sync::Arc;

/// A change that is not confirmed for this long is dropped.
pub(super) const AGE_MAX_MS: i64 = 24 * 3_600_000;
/// The most changes that wait.
const PENDING_MAX: usize = 256;
/// The most changes of one person that wait.
const PENDING_OF_PERSON_MAX: usize = 32;
const ID_BYTES: usize = 16;

/// What the first person sent: the request that is made again for the second one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeptRequest {
    /// The path of the row in the table of pages.
    pub(super) path: &'static str,
    /// The parameters of the path; one is the merchant.
    pub(super) parameters: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
    pub(super) form: Vec<(String, String)>,
}

impl KeptRequest {
    /// A parameter of the path; empty where it has none.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// A write that waits.
#[derive(Debug)]
pub(super) struct PendingChange {
    /// Random, in addresses.
    pub(super) id: String,
    pub(super) write: FourEyesWrite,
    pub(super) request: KeptRequest,
    /// The first person, by the name that tells people apart.
    pub(super) person: String,
    /// The first person, as histories name people.
    pub(super) author: String,
    /// The rights of that person.
    pub(super) token: Option<Arc<AccessToken>>,
    /// The time of the first person's request.
    pub(super) at: Millis,
    /// The same by the clock that never goes back.
    begun_ms: i64,
}

/// A write that is about to wait.
pub(super) struct NewChange {
    pub(super) write: FourEyesWrite,
    pub(super) request: KeptRequest,
    pub(super) person: String,
    pub(super) author: String,
    pub(super) token: Option<Arc<AccessToken>>,
    pub(super) at: Millis,
}

/// All writes that wait, the oldest first.
#[derive(Debug, Default)]
pub(super) struct PendingChanges(Mutex<Vec<Arc<PendingChange>>>);

impl PendingChanges {
    /// Keeps a write; returns its id. What the same person has asked for already is kept once.
    ///
    /// # Errors
    /// Too many wait; the operating system has no random numbers.
    pub(super) fn keep(&self, change: NewChange, now_ms: i64) -> Result<String, ServiceError> {
        let mut random = [0; ID_BYTES];
        getrandom::fill(&mut random).map_err(|_| ServiceError::internal())?;
        let NewChange { write, request, person, author, token, at } = change;
        let mut changes = self.0.lock();
        changes.retain(|change| change.begun_ms.saturating_add(AGE_MAX_MS) > now_ms);
        if let Some(same) = changes.iter().find(|known| known.person == person && known.request == request) {
            return Ok(same.id.clone());
        }
        let of_person = changes.iter().filter(|known| known.person == person).count();
        if changes.len() >= PENDING_MAX || of_person >= PENDING_OF_PERSON_MAX {
            let detail = format!(
                "too many changes wait for a second person (limits: {PENDING_OF_PERSON_MAX} of one person, {PENDING_MAX} in \
                 all); confirm or reject some of them first"
            );
            return Err(ServiceError::new(ErrorKind::TooMany, "too_many_pending", detail));
        }
        let id: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let pending = PendingChange { id: id.clone(), write, request, person, author, token, at, begun_ms: now_ms };
        changes.push(Arc::new(pending));
        Ok(id)
    }

    /// The writes that wait, the oldest first.
    pub(super) fn all(&self, now_ms: i64) -> Vec<Arc<PendingChange>> {
        let mut changes = self.0.lock();
        changes.retain(|change| change.begun_ms.saturating_add(AGE_MAX_MS) > now_ms);
        changes.clone()
    }

    /// Takes a write out, so that only one caller makes it; `None`: it does not wait any more.
    pub(super) fn take(&self, id: &str, now_ms: i64) -> Option<Arc<PendingChange>> {
        let mut changes = self.0.lock();
        changes.retain(|change| change.begun_ms.saturating_add(AGE_MAX_MS) > now_ms);
        let index = changes.iter().position(|change| change.id == id)?;
        Some(changes.remove(index))
    }

    /// Puts a write back that was taken out and not made.
    pub(super) fn put_back(&self, change: Arc<PendingChange>) {
        let mut changes = self.0.lock();
        let index = changes.partition_point(|known| known.begun_ms <= change.begun_ms);
        changes.insert(index, change);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(person: &str, value: usize) -> NewChange {
        let form = vec![("status".to_owned(), value.to_string())];
        let request = KeptRequest { path: "/console/x", parameters: Vec::new(), query: Vec::new(), form };
        let (person, author) = (person.to_owned(), person.to_owned());
        NewChange { write: FourEyesWrite::Unblock, request, person, author, token: None, at: Millis(0) }
    }

    #[test]
    fn a_change_is_taken_once_and_expires() {
        let changes = PendingChanges::default();
        let id = changes.keep(change("ann", 1), 0).unwrap();
        assert_eq!(changes.keep(change("ann", 1), 5).unwrap(), id, "the same again");
        assert_ne!(changes.keep(change("ben", 1), 5).unwrap(), id, "of another person");
        let taken = changes.take(&id, 6).unwrap();
        assert!(changes.take(&id, 6).is_none(), "it is taken once");
        changes.put_back(taken);
        assert_eq!(changes.all(6)[0].id, id, "the oldest first");
        assert!(changes.take(&id, AGE_MAX_MS).is_none(), "it has expired");
        assert_eq!(changes.all(AGE_MAX_MS).len(), 1);
        assert_eq!(changes.all(AGE_MAX_MS + 5).len(), 0);
    }

    #[test]
    fn the_number_of_changes_is_bounded_for_each_person_and_in_all() {
        let changes = PendingChanges::default();
        let mut kept = 0;
        for person in 0..10 {
            for value in 0..40 {
                kept += usize::from(changes.keep(change(&person.to_string(), value), 0).is_ok());
            }
            assert_eq!(kept, PENDING_MAX.min((person + 1) * PENDING_OF_PERSON_MAX));
        }
        changes.keep(change("9", 99), AGE_MAX_MS).expect("expired changes make room");
    }
}
