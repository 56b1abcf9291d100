//! The reads of [`RedisStore`]: the stream, the keys and the snapshot. They need no fence.

use crate::{
    replication::{
        answer::{Answer, Parts, key_number_of, number_of, unexpected},
        model::{
            error::RedisError,
            head::Fence,
            pages::{ErasedPage, KeyPage, StreamEntry, StreamPage},
            requests::{ErasedKey, WrappedKey},
        },
        redis_store::RedisStore,
        scripts,
    },
    storage::journal::Lsn,
};
use redis::Value;

/// The number of entries that one step of a scan of keys looks at.
const SCAN_COUNT: u32 = 1_000;

impl RedisStore {
    /// The entries whose last record is after `after`: at most `count`, and no more after `bytes` bytes are reached. Needs no
    /// fence and works on a replica.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_stream(&mut self, after: Lsn, count: u32, bytes: u64) -> Result<StreamPage, RedisError> {
        let (count, bytes) = (count.to_string(), bytes.to_string());
        // The number takes the place of the fence, which a read does not have.
        let arguments = [count.as_bytes(), bytes.as_bytes()];
        let Answer { mut parts, .. } = self.run(&scripts::READ_STREAM, Fence(after.0), None, &arguments).await?;
        let entries = parts.list()?.map(stream_entry).collect::<Result<_, _>>()?;
        Ok(StreamPage {
            entries,
            tip: parts.tip()?,
            begin: parts.optional_number()?.map(Lsn),
            fence: Fence(parts.number()?),
            lease: parts.lease()?,
            renewed_at_ms: parts.optional_number()?,
        })
    }

    /// One step of a scan of a hash: the next cursor, and pairs.
    async fn scan(&mut self, key: &str, cursor: u64) -> Result<(u64, Vec<(Vec<u8>, Vec<u8>)>), RedisError> {
        let mut command = redis::cmd("HSCAN");
        command.arg(format!("{}{key}", self.prefix)).arg(cursor).arg("COUNT").arg(SCAN_COUNT);
        let ms = self.connection.response_ms();
        let mut parts = Parts::of(self.connection.query(&command, "reading keys", ms).await?)?;
        let next = parts.number()?;
        let (mut fields, mut pairs) = (parts.list()?, Vec::new());
        while !fields.is_empty() {
            pairs.push((fields.bytes()?, fields.bytes()?));
        }
        Ok((next, pairs))
    }

    /// Keys from a cursor; 0 begins.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_keys(&mut self, cursor: u64) -> Result<KeyPage, RedisError> {
        let (cursor, pairs) = self.scan("keys", cursor).await?;
        let key = |(number, wrapped): (Vec<u8>, _)| Ok(WrappedKey { number: key_number_of(&number)?, wrapped });
        Ok(KeyPage { cursor, keys: pairs.into_iter().map(key).collect::<Result<_, RedisError>>()? })
    }

    /// Erased keys from a cursor; 0 begins.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_erased(&mut self, cursor: u64) -> Result<ErasedPage, RedisError> {
        let (cursor, pairs) = self.scan("erased", cursor).await?;
        let key = |(number, customer): (Vec<u8>, Vec<u8>)| {
            let customer = number_of(&String::from_utf8_lossy(&customer))?;
            Ok(ErasedKey { number: key_number_of(&number)?, customer })
        };
        Ok(ErasedPage { cursor, keys: pairs.into_iter().map(key).collect::<Result<_, RedisError>>()? })
    }

    /// The values of these fields of a hash; a field that it does not have is left out.
    async fn fields(&mut self, key: &str, numbers: &[u64]) -> Result<Vec<(u64, Vec<u8>)>, RedisError> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let mut command = redis::cmd("HMGET");
        command.arg(format!("{}{key}", self.prefix));
        numbers.iter().for_each(|number| _ = command.arg(format!("{number:016x}")));
        let ms = self.connection.response_ms();
        let Value::Array(values) = self.connection.query(&command, "reading keys", ms).await? else {
            return Err(unexpected("no list where keys belong"));
        };
        let mut found = Vec::new();
        for (number, value) in numbers.iter().zip(values) {
            match value {
                Value::Nil => {}
                Value::BulkString(bytes) => found.push((*number, bytes)),
                _ => return Err(unexpected("no text where a key belongs")),
            }
        }
        Ok(found)
    }

    /// The keys with these numbers that are not erased.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_keys_of(&mut self, numbers: &[u64]) -> Result<Vec<WrappedKey>, RedisError> {
        let found = self.fields("keys", numbers).await?;
        Ok(found.into_iter().map(|(number, wrapped)| WrappedKey { number, wrapped }).collect())
    }

    /// The keys with these numbers that are erased.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_erased_of(&mut self, numbers: &[u64]) -> Result<Vec<ErasedKey>, RedisError> {
        let found = self.fields("erased", numbers).await?;
        let key = |(number, customer): (u64, Vec<u8>)| {
            let customer = number_of(&String::from_utf8_lossy(&customer))?;
            Ok(ErasedKey { number, customer })
        };
        found.into_iter().map(key).collect()
    }

    /// A framed chunk of the snapshot that was begun with `begin`. `None`: there is no such chunk.
    ///
    /// # Errors
    /// See [`RedisError`].
    pub async fn read_chunk(&mut self, begin: Lsn, index: u64) -> Result<Option<Vec<u8>>, RedisError> {
        let mut command = redis::cmd("LINDEX");
        command.arg(self.snapshot_key(begin)).arg(index);
        let ms = self.connection.response_ms();
        match self.connection.query(&command, "reading a snapshot", ms).await? {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes)),
            _ => Err(unexpected("no text where a chunk belongs")),
        }
    }
}

fn stream_entry(entry: Value) -> Result<StreamEntry, RedisError> {
    let mut parts = Parts::of(entry)?;
    let id = parts.text()?;
    let lsn = id.strip_suffix("-0").ok_or_else(|| unexpected("an entry whose id does not end with -0"))?;
    Ok(StreamEntry { last: Lsn(number_of(lsn)?), frame: parts.bytes()? })
}
