//! The newest events of the feed, backwards: for people who look at what has just happened. A reader that must not miss an
//! event follows the feed in order: see [`crate::service::event_feed`].

use crate::{
    domain::{
        customer::instrument_blocks::MerchantScope,
        request::{fields::parse_word, refusal::Refusal},
        transaction::status::Flag,
        vocabulary::{names::Name, words::words},
    },
    ledger::{FeedEntry, FeedQuery},
    service::{
        access::access_tokens::unreached,
        documents::{
            payments::event::{EventDocument, UnreadableDocument},
            query::{TakenKeys, page_limit},
        },
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply, render},
    },
    storage::journal::{FollowError, Lsn},
};
use std::borrow::Cow;

words! {
    /// What an event reports.
    EventWord {
        /// A payment was allowed.
        Reserved = "reserved",
        /// A payment was denied.
        Denied = "denied",
        /// A payment was approved.
        Approved = "approved",
        /// A payment was declined.
        Declined = "declined",
        /// A hold or an approval was cancelled.
        Cancelled = "cancelled",
        /// A payment was refunded.
        Refunded = "refunded",
        /// A payment was charged back.
        ChargedBack = "charged_back",
        /// A hold was extended.
        Extended = "extended",
        /// A gate was tried.
        Attempted = "attempted",
        /// A transaction was linked to a customer.
        Linked = "linked",
    }
}

/// The keys of a query for the newest events.
pub(crate) const LATEST_KEYS: TakenKeys = TakenKeys::once(&["before", "limit", "merchant", "flag", "event"]);
/// The records of one step backwards.
const WINDOW_RECORDS: u64 = 500;
/// The most steps of one call. A page can have less events than its limit because of it.
const WINDOWS_MAX: u64 = 20;
/// The same for the newest denials of a merchant, which a page shows among other things.
const DENIAL_WINDOWS_MAX: u64 = 6;

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LatestQuery {
    /// Those before this record; `None`: the newest.
    before: Option<Lsn>,
    /// About this many: the events of one step backwards stay together.
    limit: usize,
    /// Those of this merchant; `None`: of every merchant that the caller reaches.
    merchant: Option<String>,
    /// Those of transactions that had this flag then.
    flag: Option<Flag>,
    /// Those that report this.
    event: Option<EventWord>,
    /// The most steps backwards.
    windows_max: u64,
}

impl LatestQuery {
    /// The newest denials of a merchant.
    pub(crate) fn denials_of(merchant: Name, limit: usize) -> Self {
        let merchant = Some(merchant.as_str().to_owned());
        Self {
            before: None,
            limit,
            merchant,
            flag: None,
            event: Some(EventWord::Denied),
            windows_max: DENIAL_WINDOWS_MAX,
        }
    }

    /// The query that pairs of a key and a text describe.
    ///
    /// # Errors
    /// A key or a value is not taken.
    pub(crate) fn read<'p>(
        pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
    ) -> Result<Self, ServiceError> {
        let mut query =
            Self { before: None, limit: 100, merchant: None, flag: None, event: None, windows_max: WINDOWS_MAX };
        for (key, value) in LATEST_KEYS.read(pairs)? {
            match key {
                "before" => {
                    let before = value.parse().ok().filter(|before| *before > 0).map(Lsn);
                    let expected = "is the `next_before` of an earlier answer";
                    query.before = Some(before.ok_or_else(|| ServiceError::unknown_value("before", expected))?);
                }
                "limit" => query.limit = page_limit(&value)?,
                "merchant" => query.merchant = Some(value),
                "flag" => query.flag = Some(parse_word::<Flag>("flag", &value)?),
                _ => query.event = Some(parse_word::<EventWord>("event", &value)?),
            }
        }
        Ok(query)
    }
}

/// A part of the journal: the records from one to another, both included.
#[derive(Debug, Clone, Copy)]
struct Window {
    first: u64,
    last: u64,
}

impl PaymentService {
    /// The newest events for a caller who reaches some merchants, the newest first. It can read from the disk.
    ///
    /// # Errors
    /// The journal cannot be read, or the caller does not reach the merchant.
    pub(crate) fn latest_events(&self, query: &LatestQuery, reach: &MerchantScope) -> Answered {
        if let Some(named) = query.merchant.as_deref() {
            self.check_reach(named, reach)?;
        }
        let journal = self.ledger.journal();
        let begins_at = journal.begins_at().0;
        let durable = journal.lasting().min(self.gate.feed_through(journal)).0;
        let mut last = query.before.map_or(durable, |before| before.0.saturating_sub(1).min(durable));
        let mut events: Vec<Vec<u8>> = Vec::new();
        let mut windows = 0;
        while last >= begins_at.max(1) && events.len() < query.limit && windows < query.windows_max {
            let first = last.saturating_sub(WINDOW_RECORDS - 1).max(begins_at).max(1);
            match self.events_of_window(query, reach, Window { first, last }) {
                Ok(found) => events.extend(found.into_iter().rev()),
                // Older records were deleted, or are lost.
                Err(FollowError::Gone { .. }) => {
                    last = 0;
                    break;
                }
                Err(error) => return Err(ServiceError::not_in_the_feed(&error)),
            }
            windows += 1;
            last = first - 1;
        }
        let next_before = (last >= begins_at.max(1)).then_some(last.saturating_add(1));
        let mut body = b"{\"events\":[".to_vec();
        body.extend_from_slice(&events.join(&b','));
        body.extend_from_slice(b"],\"next_before\":");
        body.extend_from_slice(next_before.map_or_else(|| "null".to_owned(), |next| next.to_string()).as_bytes());
        body.push(b'}');
        // The records that it read are committed.
        Ok(Reply::from_body(body).depending_on(Lsn::NONE))
    }

    fn check_reach(&self, merchant: &str, reach: &MerchantScope) -> Result<(), ServiceError> {
        let is_reached = match reach {
            MerchantScope::All => true,
            MerchantScope::Some(_) => Name::existing(merchant).is_some_and(|merchant| reach.contains(merchant)),
        };
        if !is_reached {
            return Err(unreached("token", merchant, reach.listed()));
        }
        // A merchant that is no longer configured can have events. A name that no merchant ever had is a mistake.
        if self.is_or_was_configured(merchant) {
            return Ok(());
        }
        Err(Refusal::UnknownMerchant(merchant.to_owned()).into())
    }

    /// The events of a window as documents, the oldest first.
    fn events_of_window(
        &self,
        query: &LatestQuery,
        reach: &MerchantScope,
        window: Window,
    ) -> Result<Vec<Vec<u8>>, FollowError> {
        let rules = self.rules();
        let named = query.merchant.as_deref();
        let is_selected =
            |merchant: Name| named.is_none_or(|named| named == merchant.as_str()) && reach.contains(merchant);
        let is_restricted = named.is_some() || *reach != MerchantScope::All;
        let merchants: Option<&dyn Fn(Name) -> bool> = is_restricted.then_some(&is_selected as _);
        let mut found = Vec::new();
        let mut after = Lsn(window.first.saturating_sub(1));
        while after.0 < window.last {
            let through = Lsn(window.last);
            let reading = FeedQuery { after, through, limit: usize::MAX, merchants, flag: query.flag };
            let followed = self.ledger.read_feed(&reading, &mut |entry| match entry {
                FeedEntry::Event(event) => {
                    let document = EventDocument::of(event, &rules);
                    if query.event.is_none_or(|wanted| document.is(wanted.word())) {
                        found.push(render(&document));
                    }
                }
                FeedEntry::Unreadable(unreadable) => found.push(render(&UnreadableDocument::of(unreadable))),
            })?;
            // One call reads a bounded number of records.
            if followed.next <= after {
                break;
            }
            after = followed.next;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_query_are_checked() {
        let read = |key: &'static str, value: &'static str| LatestQuery::read([(key.into(), value.into())]);
        assert_eq!(read("before", "7").unwrap().before, Some(Lsn(7)));
        assert_eq!(read("event", "denied").unwrap().event, Some(EventWord::Denied));
        for (key, value) in [("before", "0"), ("before", "x"), ("event", "nope"), ("limit", "0"), ("after", "1")] {
            assert!(read(key, value).is_err(), "{key}={value}");
        }
    }
}
