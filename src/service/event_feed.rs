//! The feed of events: a page of it, and the wait for events to come.

use crate::{
    domain::{
        customer::instrument_blocks::MerchantScope,
        request::{fields::parse_word, refusal::Refusal},
        transaction::status::Flag,
        vocabulary::names::Name,
    },
    ledger::{FeedEntry, FeedQuery as LedgerFeedQuery},
    scheduling::background,
    service::{
        access::access_tokens::unreached,
        documents::{
            payments::event::{EventDocument, UnreadableDocument},
            query::page_limit,
        },
        error::ServiceError,
        payments::PaymentService,
        reply::{Answered, Reply, render},
    },
    storage::journal::Lsn,
};
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{Instant, sleep_until},
};

/// The longest time that a call waits, in seconds.
const WAIT_S_MAX: u64 = 30;
/// The shortest time between two reads of a waiting call: under load it would read at every commit.
const PAUSE: Duration = Duration::from_millis(20);
/// The most pages that are read at a time: each takes some megabytes.
const READERS_MAX: usize = 4;
static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

/// The keys of a feed query.
pub(crate) const FEED_KEYS: [&str; 5] = ["after", "limit", "wait", "merchant", "flag"];

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedQuery {
    /// Those after this record.
    pub after: Lsn,
    /// About this many: the events of one record stay together.
    pub limit: usize,
    /// How long to wait where there is none.
    pub wait: Duration,
    /// Those of this merchant; `None`: of every merchant that the caller reaches.
    pub merchant: Option<String>,
    /// Those of transactions that had this flag then.
    pub flag: Option<Flag>,
}

impl Default for FeedQuery {
    fn default() -> Self {
        Self { after: Lsn::NONE, limit: 100, wait: Duration::ZERO, merchant: None, flag: None }
    }
}

impl FeedQuery {
    /// The query that pairs of a key and a text describe, each key at most once.
    ///
    /// # Errors
    /// A key or a value is not taken.
    pub fn read<'p>(pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>) -> Result<Self, ServiceError> {
        let mut query = Self::default();
        for (key, value) in pairs {
            match &*key {
                "after" => {
                    let expected = "is the `next` of an earlier answer, or 0";
                    let after = value.parse().map(Lsn);
                    query.after = after.map_err(|_| ServiceError::unknown_value("after", expected))?;
                }
                "limit" => query.limit = page_limit(&value)?,
                "wait" => {
                    let expected = format!("is a number of seconds from 0 to {WAIT_S_MAX}");
                    let wait = value.parse().ok().filter(|wait| *wait <= WAIT_S_MAX);
                    let wait = wait.ok_or_else(|| ServiceError::unknown_value("wait", &expected))?;
                    query.wait = Duration::from_secs(wait);
                }
                "flag" => query.flag = Some(parse_word::<Flag>("flag", &value)?),
                "merchant" => query.merchant = Some(value.into_owned()),
                other => return Err(ServiceError::unknown_field(other, &FEED_KEYS.join(", "))),
            }
        }
        Ok(query)
    }
}

/// A page of the feed.
#[derive(Debug)]
pub struct FeedPage {
    /// JSON: `{"events": [...], "next": ..., "begins_at": ...}`.
    pub body: Vec<u8>,
    /// Whether the page has no event and every record up to the last one was read.
    pub is_at_end: bool,
    /// The next page begins after this record.
    pub next: Lsn,
    /// The last record that was there to be read.
    last: Lsn,
}

impl PaymentService {
    /// A page of the feed for a caller who reaches some merchants. It does not wait, and can read from the disk.
    ///
    /// # Errors
    /// The feed does not have what the query names, or the caller does not reach the merchant.
    pub fn events(&self, query: &FeedQuery, reach: &MerchantScope) -> Result<FeedPage, ServiceError> {
        let rules = self.rules();
        let named = query.merchant.as_deref();
        if let Some(named) = named.filter(|named| !reaches(reach, named)) {
            return Err(unreached("caller", named, reach.listed()));
        }
        let is_selected =
            |merchant: Name| named.is_none_or(|named| named == merchant.as_str()) && reach.contains(merchant);
        let is_restricted = named.is_some() || *reach != MerchantScope::All;
        let merchants: Option<&dyn Fn(Name) -> bool> = is_restricted.then_some(&is_selected as _);
        let (mut body, mut is_empty, mut has_events) = (b"{\"events\":[".to_vec(), true, false);
        let through = self.gate.feed_through(self.ledger.journal());
        let listening =
            LedgerFeedQuery { after: query.after, through, limit: query.limit, merchants, flag: query.flag };
        let followed = self.ledger.read_feed(&listening, &mut |entry| {
            if !is_empty {
                body.push(b',');
            }
            is_empty = false;
            has_events |= matches!(entry, FeedEntry::Event(_));
            body.extend_from_slice(&match entry {
                FeedEntry::Event(event) => render(&EventDocument::of(event, &rules)),
                FeedEntry::Unreadable(unreadable) => render(&UnreadableDocument::of(unreadable)),
            });
        });
        let followed = followed.map_err(|error| ServiceError::not_in_the_feed(&error))?;
        // A merchant that is no longer configured can have events. A name that no merchant ever had is a mistake.
        let is_unknown = |named: &&str| !has_events && !self.is_or_was_configured(named);
        if let Some(unknown) = named.filter(is_unknown) {
            return Err(Refusal::UnknownMerchant(unknown.to_owned()).into());
        }
        body.extend_from_slice(b"],\"next\":");
        body.extend_from_slice(followed.next.to_string().as_bytes());
        body.extend_from_slice(b",\"begins_at\":");
        body.extend_from_slice(followed.begins_at.to_string().as_bytes());
        body.push(b'}');
        let is_at_end = is_empty && !followed.was_cut;
        Ok(FeedPage { body, is_at_end, next: followed.next, last: followed.last })
    }
}

fn reaches(reach: &MerchantScope, merchant: &str) -> bool {
    match reach {
        MerchantScope::All => true,
        MerchantScope::Some(_) => Name::existing(merchant).is_some_and(|merchant| reach.contains(merchant)),
    }
}

/// Counts a waiting call in the metrics until it is dropped.
struct WaitingCall;

impl WaitingCall {
    fn begin() -> Self {
        metrics::gauge!("levelgate_events_waiting").increment(1.0);
        Self
    }
}

impl Drop for WaitingCall {
    fn drop(&mut self) {
        metrics::gauge!("levelgate_events_waiting").decrement(1.0);
    }
}

/// Waits for the turn to read a page of records; the turn ends when the value is dropped.
pub(crate) async fn reader_turn() -> Option<SemaphorePermit<'static>> {
    READERS.acquire().await.ok()
}

/// A page with an event, or an empty one when the time of the query is over or the daemon stops. `reach` returns what the
/// caller reaches now.
///
/// # Errors
/// Those of [`PaymentService::events`] and of `reach`.
pub async fn wait_for_events(
    service: &Arc<PaymentService>,
    mut query: FeedQuery,
    mut stopping: watch::Receiver<bool>,
    reach: impl Fn() -> Result<MerchantScope, ServiceError>,
) -> Answered {
    let journal = Arc::clone(service.ledger.journal());
    let ends = Instant::now() + query.wait;
    loop {
        // The rights of a token can change while its call waits.
        let reach = reach()?;
        let turn = reader_turn().await;
        let reader = Arc::clone(service);
        // It can read much, and from the disk: not on the threads that answer payments.
        let reading = background::run(move || {
            let page = reader.events(&query, &reach);
            (query, page)
        });
        let (read_query, page) = reading.await.map_err(|error| ServiceError::unfinished(&error))?;
        // A waiting call occupies no reader.
        drop(turn);
        let page = page?;
        query = read_query;
        if !page.is_at_end || Instant::now() >= ends || *stopping.borrow() {
            return Ok(Reply::from_body(page.body));
        }
        query.after = page.next;
        let (begun, _waiting) = (Instant::now(), WaitingCall::begin());
        let has_more = tokio::select! {
            // A journal that has failed is reported by the wait for the commit of the answer.
            more = service.gate.when_in_feed(&journal, page.last) => more.is_ok(),
            () = sleep_until(ends) => false,
            _ = stopping.wait_for(|stop| *stop) => false,
        };
        if !has_more {
            return Ok(Reply::from_body(page.body));
        }
        // The first record can be an event of the query: only the next read waits.
        sleep_until((begun + PAUSE).min(ends)).await;
    }
}
