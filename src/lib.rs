//! levelgate answers one question inline on a payment gateway's hot path: may this customer's payment pass, and
//! through which gates?
//!
//! # The rooms
//!
//! | Room | Knows | Never does |
//! |---|---|---|
//! | [`domain`] | the language: money, time, windows, levels, filters, customers, transactions, the decision | read a clock, do IO, log, draw random numbers, use a float |
//! | [`ledger`] | the state: customers, and their transactions in brief, in memory behind locks | read a clock, know a wire or a file |
//! | [`storage::journal`] | history: events as bytes, committed in groups, recovered by named cases; keys; snapshots | know a lock of the ledger, a rule, a clock |
//! | [`storage::fs`] | where bytes lie: a data folder, and a disk in memory that fails on demand | know an event |
//! | [`storage::archive`] | the past: an index over sealed segments, which can be built again | know what a record means for a counter |
//! | [`config`] | the files as written, and their one fallible step into rules and settings | answer a request |
//! | [`mod@csv`] | rows of a table of customers: read, written, made up | know a customer, a lock, a file's path |
//! | [`http`] | the wire: routes, shapes, status codes | decide anything |
//! | [`cli`] | the commands and the wiring of the daemon | get imported |
//! | [`docs`] | the guides | anything else |
//! | [`clock`], [`metrics`] | one thing each | anything else |
//!
//! # One reserve, in and out
//!
//! Bytes become [`http`]'s fields, and those a [`domain::decision::payment::Payment`], parsed once and trusted from then on. The
//! rules are one atomic load, so a request sees one configuration. The [`ledger`] claims the transaction id, finds the
//! customer, locks the customer's shard; [`domain::decision::decide::decide`] reads customer, rules, payment and time and says
//! what happens; the [`ledger`] appends it to the [`storage::journal`] and [`domain::customer::aggregate::Customer::apply`] writes it, and
//! neither can fail; the lock is left; the answer waits until the journal holds the record that it rests on, and is
//! written. There is no queue and no other thread on the way, but for the one that syncs with `sync = "always"`.
//! `replay` and `/v1/batch` go the same way from the fields on, which is why they give the same bytes; recovery goes it
//! from `apply` on.
//!
//! # Six things that are hard to change later
//!
//! **The record's bytes** are drawn in [`storage::journal`], those of events in [`storage::encoding`], those of snapshots in
//! [`storage::snapshot`]. Events are facts in the past tense, each of one customer and each with all that applying it
//! needs, so that recovery is only applying. Whatever depended on a rule of the day when it happened stands in the fact
//! itself: whether a refund gives usage back, whether a change of level dropped settings, when a hold ends, by which
//! attributes a repetition is to be recognised. What happens to one customer in one step is one record. A fact about a
//! transaction also says what the transaction has come to by it, and where the record before it lies: so a state is set
//! and never added to, and whoever needs the whole story reads it backwards.
//!
//! *Format 2.* A record of format 1 is never rewritten, and it is never judged anew: it holds the state that its
//! transaction had by the meaning of then, and usage holds the same. The next fact about the transaction is judged by the
//! meaning of today and records the new state. So a change of meaning moves a counter only by a record, and a journal of
//! both formats gives one state, however it is cut into snapshots. What leaves memory and what comes back to it therefore
//! goes by the recorded state ([`domain::transaction::outcome::TransactionOutcome`]) and never by the facts. A transaction that has left memory
//! counts as after the end of its hold, because no queue watches that hold. Group numbers have their shape in format 2 and
//! are refused in words until they are written, so that they need no third format.
//!
//! **What in them is personal.** Attributes of a customer (e-mail, phone, names) stand in
//! [`domain::customer::aggregate::CustomerEvent::AttributesFilled`] and in the head of a snapshot, sealed with a key of that customer; the
//! keys lie in a file of their own ([`storage::keys`]). Transactions hold a keyed digest of the customer as sent, indexes
//! hold keyed digests of identifiers and attributes. A payment instrument's token, the ids of transactions and the unknown
//! `customer_id` of a payment that bypassed the rules are the caller's names for things, kept in clear. So is a
//! `merchant_customer_identifier`, unless the merchant has `seal_identifiers`. The secret of the digests lies in the data
//! folder's `instance` file: a reader of both can test a guess against a digest, also of a customer whose key is erased.
//!
//! *Sealed identifiers* ([`domain::customer::stored_identifier`]). A record that names an identifier of a customer whose merchant
//! has `seal_identifiers` holds its keyed digest, which is the digest of the customer as sent of a transaction, and its
//! text, sealed with that customer's key. Only two events name identifiers: the one that makes a customer and the one that
//! lists the identifiers of merged customers. So a reserve of a known customer seals nothing. In memory an identifier
//! keeps its text and its digest. The record says whether it is sealed, so a start reads any mixture, and the setting acts
//! from the next record on. Switched off, it unseals nothing: a sealed identifier stays sealed in every later record and
//! snapshot. Switched on, it rewrites no record, but each customer's identifiers are sealed in the next snapshot and from
//! then on. Erasure forgets the text of each identifier that is sealed, or whose merchant seals at that time, and keeps
//! the digest; the record of an erasure names the identifiers once more, by digest alone, so that older records and
//! snapshots give the same state. The index finds a forgotten customer by the digest: the identifier stays taken. The key
//! of a sealed identifier is covered by the rule for attributes ([`crate::storage::journal::Companion::covers`]): after a power cut that
//! took the key, the record is cut with it. The length of a text shows in the length of its seal, and equal identifiers
//! have equal digests, at every merchant of the folder.
//! A table that is uploaded, and who was chosen for a bulk change, lie sealed with a key of their own until that is done
//! ([`storage::jobs`]); then the file goes, and the key.
//!
//! **The lock order**, for ever: the stripe of the transaction id, the stripes of identities (identifiers, attributes,
//! instruments) in ascending order, customers by ascending shard, the journal's buffer. Before all of them stands the
//! gate through which operations on payments enter, closed only while a level gets another name
//! ([`ledger::Ledger::rename`]) or an operator accepts the clock ([`ledger::Ledger::accept_clock`]). No guard of a map is held while another lock is taken; maps are leaves. An id is
//! claimed by holding its stripe until the answer is known, so the same id sent meanwhile waits for that answer, and a
//! claim that records nothing leaves nothing behind. Facts are read from the journal under the stripe alone, never
//! under a customer's lock.
//!
//! **What may block whom.** A thread that polls tasks waits for no lock that another thread holds across a call of the
//! system. Of all the locks above only a stripe is held while a file is read, for facts that have left the journal's
//! tail: requests for ids of the same stripe wait with it, nothing else. The journal's own locks, who writes, and what
//! happens while a disk is slow are in `crate::storage::journal::log`. What only reads memory or health waits for no disk; a read of one
//! customer or transaction waits for the records that it shows ([`ledger::CustomerWithUsage::depends_on_lsn`]).
//!
//! **The shard count** is 4,096 for customers, for stripes and for each index: two requests on different customers
//! seldom meet, and a table that grows moves one shard's share at a time. It is in no file and can be changed.
//!
//! **What lives in memory and what on disk.** In memory: customers, the usage of each, and of each transaction a
//! [`domain::transaction::summary::TransactionSummary`] of 64 bytes with the place of its last record. On disk: every fact, in the
//! journal. A brief leaves memory by the retention rule once the [`storage::archive`] knows its segment; what it counted for stays
//! in its book. Segments leave the disk, the oldest first: what must outlive them is written once more, whole, before.
//! With `kind = "memory"` the journal is in memory too, and nothing ever leaves.
//!
//! *The archive is part of exactly-once.* An id that has left memory is known by the archive alone. So each snapshot lists
//! the segments that no start replays ([`storage::archive_list`]), a start is refused where one is missing and was neither
//! let go by retention nor accepted as lost, and the index verifies what it finds and what it denies ([`storage::archive`]). How far
//! the journal went is also kept outside its tail ([`storage::journal::synced_file`]).
//!
//! **Who may answer while Redis is away** is nobody's question yet: `[redis]` is refused at start rather than ignored.
//!
//! # Usage
//!
//! A customer's usage is one [`domain::usage::series::UsageSeries`] for each (direction, currency, level): one entry a counting
//! transaction, in chunks of at most 64 that know the sum of everything before them. Any range of time is the
//! difference of two prefix sums. The gain over buckets is exactness to the millisecond; over a running sum for each
//! filter, that a filter, a time zone or an instant nobody thought of costs nothing to add. The cost is one binary
//! search over chunks for each bound of a window, and on a change far in the past one addition for each later chunk.
//!
//! Customers who have become one stay where they are, each with its books and transactions; a decision locks them all, in
//! the order of their shards, and reads all books ([`domain::customer::merge`]). Only they pay for it. A transaction that passed by
//! the rules belongs to nobody and counts in no book; linked to a customer it is written there once more, whole, and the
//! record behind it where it was says so ([`ledger::Ledger::link`]).
//!
//! Holds end by a queue in each customer ([`domain::transaction::holds`]), looked at when the customer is touched: that a hold has run
//! out is no event and needs no scan. A customer who waited for a lock is never seen at an earlier time than whoever held it before
//! ([`domain::customer::aggregate::Customer::settle`]), unless an operator has accepted a clock that went back since.

pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod docs;
pub mod domain;
pub mod http;
pub mod ledger;
pub mod service;
pub mod storage;
pub mod telemetry;
