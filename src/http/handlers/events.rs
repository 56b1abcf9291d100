//! The feed of facts: a page of it, and the wait for what is to come.

use crate::{
    domain::{
        decision::{payment::word, refusal::Refusal},
        rules::configuration::Rules,
        transaction::{
            record::{Fact, Flag, Opened},
            summary,
        },
        vocabulary::{
            money::{Currency, Minor},
            names::Name,
        },
    },
    ledger::{CustomerId, Listening, PAGE_MAX, Told, What},
    storage::journal::Lsn,
};
use crate::{
    http::{
        dto::{
            answers::{Amount, LevelOut, Shows, Time},
            facts::FactOut,
            problem::Problem,
        },
        handlers::{
            customers::once_each,
            handlers::{Daemon, told},
        },
        server::grants::Grant,
    },
    service::payments::PaymentService,
};
use axum::{
    Extension,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use smallvec::SmallVec;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep_until},
};

/// For how long a call may wait, seconds.
const WAIT_MAX_S: u64 = 30;
/// After something came that was not wanted, a waiting call looks again no sooner than this: under load it would look at
/// every batch.
const PAUSE: Duration = Duration::from_millis(20);
/// So many pages are read at a time: each takes some megabytes while it is, and whoever reads much is in no hurry.
const READERS_MAX: usize = 4;
static READERS: Semaphore = Semaphore::const_new(READERS_MAX);

/// One fact.
#[derive(Debug, Serialize)]
struct EventOut<'a> {
    lsn: u64,
    event: &'static str,
    merchant: &'static str,
    transaction_id: &'a str,
    at: Time,
    status: &'static str,
    direction: &'static str,
    currency: Shows<Currency>,
    amount: Amount,
    flags: SmallVec<[&'static str; 2]>,
    level: Option<LevelOut>,
    customer_id: Option<Shows<&'a CustomerId<'a>>>,
    resolution: &'static str,
    expires_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transition: Option<FactOut<'a>>,
}

impl<'a> EventOut<'a> {
    fn of(told: &'a Told<'_>, rules: &Rules) -> Self {
        let opening = told.opening;
        let units = rules.currencies.units(opening.content.currency);
        let denied = opening.violations.first().filter(|_| told.what == What::Opened).map(|violation| violation.code);
        Self {
            lsn: told.lsn.0,
            event: event_word(told),
            merchant: opening.merchant.as_str(),
            transaction_id: &opening.id,
            at: Shows(told.at),
            status: told.status().word(),
            direction: opening.content.direction.word(),
            currency: Shows(opening.content.currency),
            amount: Shows(Minor { value: u128::from(told.amount), units }),
            flags: summary::shown(told.outcome.flags).iter().map(|flag| flag.word()).collect(),
            level: LevelOut::of_opening(opening),
            customer_id: told.customer.as_ref().map(Shows),
            resolution: opening.resolution.word(),
            expires_at: told.expires_at().map(Shows),
            code: denied.map(|code| code.number()),
            reason: denied.map(|code| code.reason()),
            transition: match told.what {
                What::RecordedFact(recorded_fact) => Some(FactOut::of(recorded_fact, units)),
                What::Opened | What::Linked => None,
            },
        }
    }
}

fn event_word(told: &Told<'_>) -> &'static str {
    match told.what {
        What::Opened if told.opening.opened == Opened::Denied => "denied",
        What::Opened => "reserved",
        What::Linked => "linked",
        What::RecordedFact(recorded_fact) => match recorded_fact.fact {
            Fact::Approved { .. } => "approved",
            Fact::Declined { .. } => "declined",
            Fact::Cancelled { .. } => "cancelled",
            Fact::Refunded { .. } => "refunded",
            Fact::ChargedBack { .. } => "charged_back",
            Fact::Extended { .. } => "extended",
            Fact::Attempted { .. } => "attempted",
            Fact::Asked { .. } => "reserved",
        },
    }
}

/// What a query asks for.
#[derive(Debug)]
struct Wanted {
    after: Lsn,
    limit: usize,
    wait: Duration,
    merchant: Option<String>,
    flag: Option<Flag>,
}

impl Wanted {
    fn of(query: &str) -> Result<Self, Problem> {
        let mut wanted = Self { after: Lsn::NONE, limit: 100, wait: Duration::ZERO, merchant: None, flag: None };
        for (field, value) in once_each(query, &["after", "limit", "wait", "merchant", "flag"])? {
            let bad = |what: String| Problem::malformed("value_unknown", format!("`{field}` {what}")).at(field);
            match field {
                "after" => {
                    let after = value.parse().map(Lsn);
                    wanted.after = after.map_err(|_| bad("is the `next` of an earlier answer, or 0".to_owned()))?;
                }
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                    wanted.limit = limit.ok_or_else(|| bad(format!("is a number from 1 to {PAGE_MAX}")))?;
                }
                "wait" => {
                    let wait = value.parse().ok().filter(|wait| *wait <= WAIT_MAX_S);
                    let wait = wait.ok_or_else(|| bad(format!("is a number of seconds from 0 to {WAIT_MAX_S}")))?;
                    wanted.wait = Duration::from_secs(wait);
                }
                "flag" => wanted.flag = Some(word::<Flag>("flag", &value)?),
                _ => wanted.merchant = Some(value),
            }
        }
        Ok(wanted)
    }
}

/// A page of the feed.
#[derive(Debug)]
pub struct Heard {
    /// JSON: `{"events": [...], "next": ..., "begins_at": ...}`.
    pub body: Vec<u8>,
    /// Whether there is nothing to say, though all was looked at that there is.
    pub is_over: bool,
    /// Behind this record the next page begins.
    pub next: Lsn,
    /// Up to here there was something to look at.
    last: Lsn,
}

impl PaymentService {
    /// A page of the feed of facts, as the query of `GET /v1/events` asks for it, of the merchants that a grant reaches;
    /// it does not wait.
    ///
    /// # Errors
    /// The query cannot be read, or asks for what is not there or not allowed.
    pub fn events(&self, query: &str, grant: Option<&Grant>) -> Result<Heard, Problem> {
        self.hear(&Wanted::of(query)?, grant)
    }

    fn hear(&self, wanted: &Wanted, grant: Option<&Grant>) -> Result<Heard, Problem> {
        let rules = self.rules();
        let (grant, named) = (grant.filter(|grant| grant.merchants.is_some()), wanted.merchant.as_deref());
        if let (Some(grant), Some(named)) = (grant, named) {
            grant.reaches(named)?;
        }
        let is_one = |merchant: Name| {
            let merchant = merchant.as_str();
            named.is_none_or(|named| named == merchant) && grant.is_none_or(|grant| grant.reaches(merchant).is_ok())
        };
        let merchants: Option<&dyn Fn(Name) -> bool> = (named.is_some() || grant.is_some()).then_some(&is_one as _);
        let (mut body, mut told_any) = (b"{\"events\":[".to_vec(), false);
        let listening = Listening { after: wanted.after, limit: wanted.limit, merchants, flag: wanted.flag };
        let followed = self.ledger.feed(&listening, &mut |told| {
            if told_any {
                body.push(b',');
            }
            told_any = true;
            body.extend_from_slice(&crate::service::payments::render(&EventOut::of(told, &rules)));
        });
        let followed = followed.map_err(|error| Problem::not_in_the_feed(&error))?;
        // One that is in no file any more may still be told of; a name that nothing ever had is a mistake.
        let is_unknown = |named: &&str| !told_any && rules.merchant(named).is_none() && Name::known(named).is_none();
        if let Some(unknown) = named.filter(is_unknown) {
            return Err(Refusal::UnknownMerchant(unknown.to_owned()).into());
        }
        let end = format!("],\"next\":{},\"begins_at\":{}}}", followed.next, followed.begins_at);
        body.extend_from_slice(end.as_bytes());
        let is_over = !told_any && !followed.was_cut;
        Ok(Heard { body, is_over, next: followed.next, last: followed.last })
    }
}

/// Shows operators how many calls wait.
struct Waiting;

impl Waiting {
    fn begun() -> Self {
        metrics::gauge!("levelgate_events_waiting").increment(1.0);
        Self
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        metrics::gauge!("levelgate_events_waiting").decrement(1.0);
    }
}

/// `GET /v1/events`.
pub(crate) async fn events(
    State(daemon): State<Arc<Daemon>>,
    grant: Option<Extension<Grant>>,
    RawQuery(query): RawQuery,
) -> Response {
    let wanted = match Wanted::of(query.as_deref().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(problem) => return problem.into_response(),
    };
    let heard = hear(&daemon, grant.map(|Extension(grant)| grant), wanted).await;
    told(&daemon.desk, heard.map(|heard| heard.body)).await
}

/// A page with something on it, or an empty one when the time is over or the daemon stops.
async fn hear(daemon: &Arc<Daemon>, grant: Option<Grant>, mut wanted: Wanted) -> Result<Heard, Problem> {
    let journal = Arc::clone(daemon.desk.ledger.journal());
    let (ends, mut stopping) = (Instant::now() + wanted.wait, daemon.stopping.clone());
    loop {
        // Whoever waits is told by what the token may do then.
        let (desk, grant) = (Arc::clone(&daemon.desk), daemon.granted_now(grant.as_ref())?);
        let turn = READERS.acquire().await;
        // It may look at many, and at what lies on the disk: not on the threads that answer payments.
        let reading = tokio::task::spawn_blocking(move || {
            let heard = desk.hear(&wanted, grant.as_deref());
            (wanted, heard)
        });
        let (asked, heard) = reading.await.map_err(|error| Problem::unfinished(&error))?;
        // Whoever waits reads nothing meanwhile.
        drop(turn);
        let heard = heard?;
        wanted = asked;
        if !heard.is_over || Instant::now() >= ends || *stopping.borrow() {
            return Ok(heard);
        }
        wanted.after = heard.next;
        let (begun, _waiting) = (Instant::now(), Waiting::begun());
        let has_more = tokio::select! {
            // One that has failed is told of by whoever sends the answer.
            more = journal.lasting_behind(heard.last) => more.is_ok(),
            () = sleep_until(ends) => false,
            _ = stopping.wait_for(|stop| *stop) => false,
        };
        if !has_more {
            return Ok(heard);
        }
        // What came first may be what is waited for; only then it takes its time.
        sleep_until((begun + PAUSE).min(ends)).await;
    }
}
