//! levelgate answers one question inline on a payment gateway's hot path: may this customer's payment pass, and
//! through which gates?
//!
//! # The rooms
//!
//! | Room | Knows | Never does |
//! |---|---|---|
//! | [`domain`] | the language: money, time, windows, levels, filters, customers, transactions, the decision | read a clock, do IO, log, draw random numbers, use a float |
//! | [`ledger`] | the state: customers and transactions in memory, behind locks | read a clock, know a wire or a file |
//! | [`config`] | the files as written, and their one fallible step into rules and settings | answer a request |
//! | [`http`] | the wire: routes, shapes, status codes | decide anything |
//! | [`cli`] | the commands and the wiring of the daemon | get imported |
//! | [`clock`], [`metrics`] | one thing each | anything else |
//!
//! # One reserve, in and out
//!
//! Bytes become [`http`]'s fields, and those a [`domain::payment::Payment`], parsed once and trusted from then on. The
//! rules are one atomic load, so a request sees one configuration. The [`ledger`] claims the transaction id, finds the
//! customer, locks the customer's shard; [`domain::decide::decide`] reads customer, rules, payment and time and says
//! what happens; [`domain::customer::Customer::apply`] writes it, and cannot fail; the lock is left; the answer is
//! written. There is no queue and no other thread on the way. `replay` and `/v1/batch` go the same way from the fields
//! on, which is why they give the same bytes.
//!
//! # Six things that are hard to change later
//!
//! **The record's bytes.** Nothing is recorded outside memory yet. What will be are the events of
//! [`domain::customer::Event`]: facts in the past tense, each of one customer and each with all that applying it
//! needs, so that recovery is only applying. Whatever depended on a rule of the day when it happened stands in the
//! fact itself: whether a refund gives usage back, whether a change of level dropped settings, when a hold ends.
//!
//! **What in them is personal.** Attributes of a customer (e-mail, phone, names) stand in
//! [`domain::customer::Event::AttributesFilled`] and nowhere else: transactions hold a keyed digest of the customer as
//! sent, indexes hold keyed digests of identifiers and attributes. A `merchant_customer_identifier` and a payment
//! instrument's token are the caller's names for things, kept in clear.
//!
//! **The lock order**, for ever: the stripe of the transaction id, the stripes of identities in ascending order,
//! customers in ascending order of their number, the journal's buffer. No guard of a map is held while another lock is
//! taken; maps are leaves. An id is claimed by holding its stripe until the answer is known, so the same id sent
//! meanwhile waits for that answer, and a claim that records nothing leaves nothing behind.
//!
//! **The shard count** is 4,096 for customers, for stripes and for each index: two requests on different customers
//! seldom meet, and a table that grows moves one shard's share at a time. It is in no file and can be changed.
//!
//! **What lives in memory and what on disk.** Everything lives in memory today; the daemon says so at start and in
//! `/v1/status`. The split to come is drawn: usage and identities in memory, a transaction's facts readable from the
//! journal by its place, the past in the archive.
//!
//! **Who may answer while Redis is away** is nobody's question yet: `[redis]` is refused at start rather than ignored.
//!
//! # Usage
//!
//! A customer's usage is one [`domain::usage::Book`] for each (direction, currency, level): one entry a counting
//! transaction, in chunks of at most 64 that know the sum of everything before them. Any range of time is the
//! difference of two prefix sums. The gain over buckets is exactness to the millisecond; over a running sum for each
//! filter, that a filter, a time zone or an instant nobody thought of costs nothing to add. The cost is one binary
//! search over chunks for each bound of a window, and on a change far in the past one addition for each later chunk.
//!
//! Holds end by a heap in each customer, looked at when the customer is touched: that a hold has run out is no event
//! and needs no scan. A customer who waited for a lock is never seen at an earlier time than whoever held it before;
//! see [`domain::customer::Customer::settle`].

pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod ledger;
pub mod metrics;
