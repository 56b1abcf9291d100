//! Reads the answers of scripts.

use crate::{
    replication::model::{
        answers::HeldLease,
        error::RedisError,
        head::{Fence, Lease, Tip},
    },
    storage::journal::{JournalId, LogOffset, Lsn},
};
use redis::Value;
use std::{str::FromStr, vec};

/// The parts of an answer, read one after the other.
#[derive(Debug)]
pub(in crate::replication) struct Parts(vec::IntoIter<Value>);

/// The name of an answer, and what follows it.
#[derive(Debug)]
pub(in crate::replication) struct Answer {
    pub(in crate::replication) name: String,
    pub(in crate::replication) parts: Parts,
}

pub(in crate::replication) fn unexpected(what: &str) -> RedisError {
    RedisError::Protocol(what.to_owned())
}

impl Answer {
    /// Reads the answer of a script. The refusals that all scripts share are errors.
    pub(in crate::replication) fn read(value: Value) -> Result<Self, RedisError> {
        let mut parts = Parts::of(value)?;
        let name = parts.text()?;
        match name.as_str() {
            "empty" => Err(RedisError::Empty),
            "format" => Err(RedisError::NewerFormat { found: parts.number()? }),
            "instance" => Err(RedisError::OtherInstance(parts.instance()?)),
            "fenced" => Err(RedisError::FencedOut { fence: Fence(parts.number()?), owner: parts.text()? }),
            "changed" => Err(RedisError::StreamChanged { found: parts.text()?, expected: parts.text()? }),
            _ => Ok(Self { name, parts }),
        }
    }

    /// The error for an answer that the script never gives.
    pub(in crate::replication) fn unknown(&self) -> RedisError {
        RedisError::Protocol(format!("the answer `{}`", self.name))
    }

    /// Reads an answer that has only the name `ok`.
    pub(in crate::replication) fn ok(&self) -> Result<(), RedisError> {
        if self.name == "ok" { Ok(()) } else { Err(self.unknown()) }
    }
}

impl Parts {
    pub(in crate::replication) fn of(value: Value) -> Result<Self, RedisError> {
        match value {
            Value::Array(parts) => Ok(Self(parts.into_iter())),
            _ => Err(unexpected("no list where a list belongs")),
        }
    }

    fn next(&mut self) -> Result<Value, RedisError> {
        self.0.next().ok_or_else(|| unexpected("a list that is too short"))
    }

    pub(in crate::replication) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }

    pub(in crate::replication) fn list(&mut self) -> Result<Self, RedisError> {
        Self::of(self.next()?)
    }

    pub(in crate::replication) fn optional_bytes(&mut self) -> Result<Option<Vec<u8>>, RedisError> {
        match self.next()? {
            // A script answers `false` for a missing value, which is nil on the wire.
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes)),
            Value::SimpleString(text) => Ok(Some(text.into_bytes())),
            Value::Int(number) => Ok(Some(number.to_string().into_bytes())),
            _ => Err(unexpected("a list where a text belongs")),
        }
    }

    pub(in crate::replication) fn bytes(&mut self) -> Result<Vec<u8>, RedisError> {
        self.optional_bytes()?.ok_or_else(|| unexpected("nothing where a text belongs"))
    }

    pub(in crate::replication) fn text(&mut self) -> Result<String, RedisError> {
        String::from_utf8(self.bytes()?).map_err(|_| unexpected("a text that is not UTF-8"))
    }

    pub(in crate::replication) fn number<N: FromStr>(&mut self) -> Result<N, RedisError> {
        number_of(&self.text()?)
    }

    pub(in crate::replication) fn optional_number<N: FromStr>(&mut self) -> Result<Option<N>, RedisError> {
        let text = self.optional_bytes()?.map(String::from_utf8).transpose();
        text.map_err(|_| unexpected("a number that is not UTF-8"))?.map(|text| number_of(&text)).transpose()
    }

    pub(in crate::replication) fn instance(&mut self) -> Result<JournalId, RedisError> {
        instance_of(&self.text()?)
    }

    /// A tip, which is a list; an empty list is none.
    pub(in crate::replication) fn tip(&mut self) -> Result<Option<Tip>, RedisError> {
        let mut parts = self.list()?;
        if parts.is_empty() {
            return Ok(None);
        }
        let lsn = Lsn(parts.number()?);
        Ok(Some(Tip { lsn, epoch: parts.number()?, crc: parts.number()?, end: LogOffset(parts.number()?) }))
    }

    /// A lease: its fence, and the time that it still lasts.
    pub(in crate::replication) fn lease(&mut self) -> Result<Option<Lease>, RedisError> {
        let (fence, ms) = (self.optional_number()?, self.number::<i64>()?);
        Ok(fence.map(|fence| Lease { fence: Fence(fence), expires_in_ms: u64::try_from(ms).ok() }))
    }

    /// The lease of another owner.
    pub(in crate::replication) fn held(&mut self) -> Result<HeldLease, RedisError> {
        let owner = self.text()?;
        let Lease { fence, expires_in_ms } = self.lease()?.ok_or_else(|| unexpected("no lease where one belongs"))?;
        Ok(HeldLease { owner, fence, expires_in_ms })
    }
}

impl Iterator for Parts {
    type Item = Value;

    fn next(&mut self) -> Option<Value> {
        self.0.next()
    }
}

pub(in crate::replication) fn number_of<N: FromStr>(text: &str) -> Result<N, RedisError> {
    text.parse().map_err(|_| RedisError::Protocol(format!("`{}` where a number belongs", text.escape_debug())))
}

pub(in crate::replication) fn instance_of(text: &str) -> Result<JournalId, RedisError> {
    let wrong = || RedisError::Protocol(format!("`{}` where an instance belongs", text.escape_debug()));
    let digits = text.as_bytes();
    let is_valid = digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit);
    let number = is_valid.then(|| u128::from_str_radix(text, 16).ok()).flatten().ok_or_else(wrong)?;
    Ok(JournalId(number.to_be_bytes()))
}

/// The number of a key, in 16 hex digits.
pub(in crate::replication) fn key_number_of(text: &[u8]) -> Result<u64, RedisError> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 16 && !text.starts_with('+'));
    let number = text.and_then(|text| u64::from_str_radix(text, 16).ok());
    number.ok_or_else(|| unexpected("a field that is no number of a key"))
}
