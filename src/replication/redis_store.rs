//! One logical connection to the copy in Redis, with one method for each script and each read.
//!
//! A method connects if there is no connection, sends its command once, and waits for at most the configured times. After a
//! failure the connection is dropped, and the next call resolves the master anew, after a delay that grows with each failure
//! to at most two seconds. No method resends: a command that timed out may have run. The reads are in `redis_reads`.

use crate::{
    config::{OnOutage, Redis, RedisFiles},
    replication::{
        answer::{Answer, number_of, unexpected},
        client::connection::Connection,
        copied_head,
        model::{
            answers::{Acquired, Appended, Begun, ChunkPut, Finished, HeldLease, ReplacedOwner},
            error::RedisError,
            head::{FORMAT, Fence, Head, Tip},
            requests::{
                AcquireRequest, BatchToAppend, ErasedKey, ExpectedCopy, Replaces, SnapshotToFinish, WrappedKey,
            },
            server::ServerFacts,
        },
        scripts::{self, Script},
    },
    storage::journal::{JournalId, Lsn},
};
use redis::FromRedisValue as _;

/// One logical connection. Calls run one at a time; use [`RedisStore::separate`] for another connection.
#[derive(Debug)]
pub struct RedisStore {
    pub(super) connection: Connection,
    pub(super) prefix: String,
    /// In 32 hex digits; empty: any instance.
    instance: String,
    owner: String,
    /// The connection that appended last, which is the only one that `WAIT` may use.
    appended_on: Option<u64>,
}

impl RedisStore {
    /// A store that is not connected yet. `owner` names this process: host, process, start time. Scripts compare it.
    #[must_use]
    pub fn new(settings: &Redis, files: &RedisFiles, owner: &str) -> Self {
        let prefix = format!("{{{}}}:", settings.prefix);
        Self {
            connection: Connection::new(settings, files, format!("{prefix}head")),
            prefix,
            instance: String::new(),
            owner: owner.to_owned(),
            appended_on: None,
        }
    }

    /// Another connection to the same server for the same instance and owner.
    #[must_use]
    pub fn separate(&self) -> Self {
        Self {
            connection: self.connection.separate(),
            prefix: self.prefix.clone(),
            instance: self.instance.clone(),
            owner: self.owner.clone(),
            appended_on: None,
        }
    }

    /// The number of the open connection; `None`: there is none.
    #[must_use]
    pub fn connection(&self) -> Option<u64> {
        self.connection.number()
    }

    /// Compares the instance of the copy with this one in every later call. Changes need it.
    pub fn expect_instance(&mut self, instance: JournalId) {
        self.instance = instance.to_string();
    }

    /// Runs a script with the arguments that all scripts share and these ones. A script about a snapshot gets its key.
    pub(super) async fn run(
        &mut self,
        script: &Script,
        fence: Fence,
        snapshot: Option<Lsn>,
        arguments: &[&[u8]],
    ) -> Result<Answer, RedisError> {
        let mut keys: Vec<String> =
            ["head", "stream", "keys", "erased", "lease"].iter().map(|key| format!("{}{key}", self.prefix)).collect();
        keys.extend(snapshot.map(|begin| self.snapshot_key(begin)));
        let (format, fence) = (FORMAT.to_string(), fence.to_string());
        let mut all: Vec<&[u8]> =
            vec![format.as_bytes(), self.instance.as_bytes(), fence.as_bytes(), self.owner.as_bytes()];
        all.extend(arguments);
        Answer::read(self.connection.run(script, &keys, &all).await?)
    }

    pub(super) fn snapshot_key(&self, begin: Lsn) -> String {
        format!("{}snapshot:{begin}", self.prefix)
    }

    /// The head. `None`: Redis has no copy under this prefix.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn head(&mut self) -> Result<Option<Head>, RedisError> {
        match self.run(&scripts::HEAD, Fence::default(), None, &[]).await {
            Ok(mut answer) => copied_head::read(&mut answer.parts).map(Some),
            Err(RedisError::Empty) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What the server says about itself: its version, its limit of memory and what it does there, its replicas.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn server(&mut self) -> Result<ServerFacts, RedisError> {
        let ms = self.connection.response_ms();
        let answer = self.connection.query(&redis::cmd("INFO"), "asking the server about itself", ms).await?;
        let info = String::from_redis_value(answer).map_err(|error| unexpected(&error.to_string()))?;
        Ok(ServerFacts::read(&info))
    }

    /// Takes the fence and the lease. Creates the head if Redis is empty. A lease of the same owner is taken again.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn acquire(&mut self, request: AcquireRequest<'_>) -> Result<Acquired, RedisError> {
        let lease = match request.on_outage {
            OnOutage::Continue => String::new(),
            OnOutage::Refuse => request.lease_ms.to_string(),
        };
        let (replaces, replaced, owner) = match request.replaces {
            Replaces::Nobody => ("", String::new(), ""),
            Replaces::Owner { fence, owner } => ("owner", fence.to_string(), owner),
            Replaces::Anybody => ("any", String::new(), ""),
        };
        let (expected, tip) = match request.expected {
            ExpectedCopy::Any => ("any", None),
            ExpectedCopy::Nothing => ("none", None),
            ExpectedCopy::EndsWith(tip) => ("tip", tip),
        };
        let tip = tip.map(|tip| [tip.lsn.to_string(), tip.epoch.to_string(), tip.crc.to_string()]).unwrap_or_default();
        let on_outage = request.on_outage.word();
        let mut arguments = vec![request.secret];
        arguments.extend([replaces, on_outage, &lease, &replaced, owner, expected].map(str::as_bytes));
        arguments.extend(tip.iter().map(String::as_bytes));
        let mut answer = self.run(&scripts::ACQUIRE, request.above, None, &arguments).await?;
        match answer.name.as_str() {
            "ok" => {
                let (fence, created) = (Fence(answer.parts.number()?), answer.parts.number::<u8>()? == 1);
                let tip = answer.parts.tip()?;
                let (replaced, owner) = (answer.parts.text()?, answer.parts.text()?);
                let replaced = if replaced.is_empty() { None } else { Some(Fence(number_of(&replaced)?)) };
                let replaced = replaced.map(|fence| ReplacedOwner { fence, owner });
                Ok(Acquired::Yes { fence, tip, created, replaced })
            }
            "held" => Ok(Acquired::Held(answer.parts.held()?)),
            "moved" => Ok(Acquired::Moved(answer.parts.tip()?)),
            _ => Err(answer.unknown()),
        }
    }

    /// Sets the lease again, for `lease_ms`. `None`: it never expires, as with `on_outage = "continue"`.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn renew(&mut self, fence: Fence, lease_ms: Option<u64>) -> Result<(), RedisError> {
        let lease = lease_ms.map_or_else(String::new, |ms| ms.to_string());
        self.run(&scripts::RENEW, fence, None, &[lease.as_bytes()]).await?.ok()
    }

    /// Appends a batch if the stream ends with the record before it.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn append(&mut self, fence: Fence, batch: BatchToAppend<'_>) -> Result<Appended, RedisError> {
        self.appended_on = None;
        let fields =
            |tip: Tip| [tip.lsn.to_string(), tip.epoch.to_string(), tip.crc.to_string(), tip.end.0.to_string()];
        let previous = batch.previous.map(fields).unwrap_or_default();
        let (first, last) = (batch.first.to_string(), fields(batch.last));
        let mut arguments: Vec<&[u8]> = previous.iter().take(3).map(String::as_bytes).collect();
        arguments.push(first.as_bytes());
        arguments.extend(last.iter().map(String::as_bytes));
        arguments.push(batch.frame);
        let mut answer = self.run(&scripts::APPEND, fence, None, &arguments).await?;
        let appended = match answer.name.as_str() {
            "ok" => Appended::Yes,
            "already" => Appended::Already,
            "ends_with" => return Ok(Appended::EndsWith(answer.parts.tip()?)),
            _ => return Err(answer.unknown()),
        };
        self.appended_on = self.connection.number();
        Ok(appended)
    }

    /// Waits until `replicas` replicas have everything that this connection has appended, at most for the response time-out.
    /// Returns how many have it.
    ///
    /// # Errors
    /// See [`RedisError`]. [`RedisError::NothingToConfirm`] after a reconnection: append the batch again first.
    pub async fn wait_replicas(&mut self, replicas: u32) -> Result<u32, RedisError> {
        // WAIT counts the writes of the connection that sends it. A new connection has none, and the answer would be a success.
        if self.appended_on.is_none() || self.appended_on != self.connection.number() {
            return Err(RedisError::NothingToConfirm);
        }
        let ms = self.connection.response_ms();
        let mut command = redis::cmd("WAIT");
        command.arg(replicas).arg(ms);
        // The server answers after `ms` at the latest; the answer itself takes time too.
        let answer = self.connection.query(&command, "waiting for replicas", ms.saturating_mul(2)).await?;
        u32::from_redis_value(answer).map_err(|error| unexpected(&error.to_string()))
    }

    /// Writes keys. A key that is erased stays erased.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn put_keys(&mut self, fence: Fence, keys: &[WrappedKey]) -> Result<(), RedisError> {
        let numbers: Vec<String> = keys.iter().map(|key| format!("{:016x}", key.number)).collect();
        let pairs = numbers.iter().zip(keys).flat_map(|(number, key)| [number.as_bytes(), key.wrapped.as_slice()]);
        self.run(&scripts::PUT_KEYS, fence, None, &pairs.collect::<Vec<_>>()).await?.ok()
    }

    /// Deletes keys, and records that they are erased.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn erase_keys(&mut self, fence: Fence, keys: &[ErasedKey]) -> Result<(), RedisError> {
        let fields = keys.iter().flat_map(|key| [format!("{:016x}", key.number), key.customer.to_string()]);
        let fields: Vec<String> = fields.collect();
        let arguments: Vec<&[u8]> = fields.iter().map(String::as_bytes).collect();
        self.run(&scripts::ERASE_KEYS, fence, None, &arguments).await?.ok()
    }

    /// Begins a snapshot that contains all records up to `begin`. An unfinished one is deleted, also of the same number.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn begin_snapshot(&mut self, fence: Fence, begin: Lsn) -> Result<Begun, RedisError> {
        let number = begin.to_string();
        let answer = self.run(&scripts::BEGIN_SNAPSHOT, fence, Some(begin), &[number.as_bytes()]).await?;
        match answer.name.as_str() {
            "ok" => Ok(Begun::Yes),
            "finished" => Ok(Begun::AlreadyFinished),
            _ => Err(answer.unknown()),
        }
    }

    /// Adds a framed chunk if it is the next one.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn put_chunk(
        &mut self,
        fence: Fence,
        begin: Lsn,
        index: u64,
        frame: &[u8],
    ) -> Result<ChunkPut, RedisError> {
        let (number, index) = (begin.to_string(), index.to_string());
        let arguments = [number.as_bytes(), index.as_bytes(), frame];
        let mut answer = self.run(&scripts::PUT_CHUNK, fence, Some(begin), &arguments).await?;
        match answer.name.as_str() {
            "ok" => Ok(ChunkPut::Yes),
            "next" => Ok(ChunkPut::Expected { next: answer.parts.number()? }),
            "not_begun" => Ok(ChunkPut::NotBegun),
            _ => Err(answer.unknown()),
        }
    }

    /// Names the snapshot in the head, if all chunks are there and the stream has reached its end. Deletes the one before.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn finish_snapshot(&mut self, fence: Fence, snapshot: SnapshotToFinish) -> Result<Finished, RedisError> {
        let SnapshotToFinish { begin, end, chunks, bytes } = snapshot;
        let fields = [begin.0, end.0, chunks, bytes].map(|number| number.to_string());
        let arguments: Vec<&[u8]> = fields.iter().map(String::as_bytes).collect();
        let mut answer = self.run(&scripts::FINISH_SNAPSHOT, fence, Some(begin), &arguments).await?;
        match answer.name.as_str() {
            "ok" => Ok(Finished::Yes),
            "chunks" => Ok(Finished::Chunks(answer.parts.number()?)),
            "not_reached" if answer.parts.is_empty() => Ok(Finished::NotReached(None)),
            "not_reached" => Ok(Finished::NotReached(answer.parts.optional_number()?.map(Lsn))),
            "not_begun" => Ok(Finished::NotBegun),
            _ => Err(answer.unknown()),
        }
    }

    /// Removes the batches whose records are all at or before `through`, but never the last one. The finished snapshot must
    /// contain `through`. Returns the first record of the stream after it; 0: the stream has none.
    ///
    /// # Errors
    /// See [`RedisError`]; [`RedisError::Refused`] if no finished snapshot contains `through`.
    pub async fn trim(&mut self, fence: Fence, through: Lsn) -> Result<Lsn, RedisError> {
        let number = through.to_string();
        let mut answer = self.run(&scripts::TRIM, fence, None, &[number.as_bytes()]).await?;
        match answer.name.as_str() {
            "ok" => Ok(Lsn(answer.parts.number()?)),
            "uncovered" => {
                let snapshot = answer.parts.text()?;
                Err(RedisError::Refused(format!("no snapshot contains record {through}; the newest one: {snapshot}")))
            }
            _ => Err(answer.unknown()),
        }
    }

    /// Deletes the lease.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn release(&mut self, fence: Fence) -> Result<(), RedisError> {
        self.run(&scripts::RELEASE, fence, None, &[]).await?.ok()
    }

    /// Deletes the copy of any instance. The fence stays and increases, so that a daemon that wrote the copy
    /// learns that it is fenced out. Unless forced, a lease prevents it: then the answer names its owner.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn discard(&mut self, forced: bool) -> Result<Option<HeldLease>, RedisError> {
        let forced: &[u8] = if forced { b"forced" } else { b"" };
        let mut answer = self.run(&scripts::DISCARD, Fence::default(), None, &[forced]).await?;
        match answer.name.as_str() {
            "ok" => Ok(None),
            "held" => answer.parts.held().map(Some),
            _ => Err(answer.unknown()),
        }
    }
}
