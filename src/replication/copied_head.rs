//! Reads the head.

use crate::{
    config::OnOutage,
    domain::vocabulary::words::Word as _,
    replication::{
        answer::{Parts, instance_of, number_of, unexpected},
        model::{
            error::RedisError,
            head::{Fence, Head, SnapshotMark, Tip},
        },
    },
    storage::journal::{LogOffset, Lsn},
};
use std::{collections::BTreeMap, str::FromStr};

/// The fields of the hash.
struct Fields(BTreeMap<String, Vec<u8>>);

impl Fields {
    fn read(parts: &mut Parts) -> Result<Self, RedisError> {
        let (mut list, mut fields) = (parts.list()?, BTreeMap::new());
        while !list.is_empty() {
            fields.insert(list.text()?, list.bytes()?);
        }
        Ok(Self(fields))
    }

    fn bytes(&mut self, name: &str) -> Result<Vec<u8>, RedisError> {
        self.0.remove(name).ok_or_else(|| RedisError::Protocol(format!("the head lacks `{name}`")))
    }

    fn text(&mut self, name: &str) -> Result<String, RedisError> {
        String::from_utf8(self.bytes(name)?).map_err(|_| unexpected("a field of the head is not UTF-8"))
    }

    fn number<N: FromStr>(&mut self, name: &str) -> Result<N, RedisError> {
        number_of(&self.text(name)?)
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

/// Reads the answer of the script: the fields, the lease, and how much each other key contains.
pub(in crate::replication) fn read(parts: &mut Parts) -> Result<Head, RedisError> {
    let mut fields = Fields::read(parts)?;
    let tip = match fields.has("tip_lsn") {
        true => Some(Tip {
            lsn: Lsn(fields.number("tip_lsn")?),
            epoch: fields.number("tip_epoch")?,
            crc: fields.number("tip_crc")?,
            end: LogOffset(fields.number("tip_offset")?),
        }),
        false => None,
    };
    let begin = if tip.is_some() { Some(Lsn(fields.number("begin_lsn")?)) } else { None };
    let snapshot = match fields.has("snapshot") {
        true => Some(SnapshotMark {
            begin: Lsn(fields.number("snapshot")?),
            end: Lsn(fields.number("snapshot_end")?),
            chunks: fields.number("snapshot_chunks")?,
            bytes: fields.number("snapshot_bytes")?,
        }),
        false => None,
    };
    let renewed_at: Option<u64> = if fields.has("renewed_at") { Some(fields.number("renewed_at")?) } else { None };
    let released: Option<u64> = if fields.has("released") { Some(fields.number("released")?) } else { None };
    let on_outage = OnOutage::parse(&fields.text("on_outage")?);
    let mut head = Head {
        format: fields.number("format")?,
        instance: instance_of(&fields.text("instance")?)?,
        secret: fields.bytes("secret")?,
        fence: Fence(fields.number("fence")?),
        owner: fields.text("owner")?,
        on_outage: on_outage.ok_or_else(|| unexpected("an unknown `on_outage` in the head"))?,
        tip,
        begin,
        snapshot,
        lease: parts.lease()?,
        batches: parts.number()?,
        keys: parts.number()?,
        erased: parts.number()?,
        renewed_ago_ms: None,
        renewed_at_ms: renewed_at,
        is_released: false,
    };
    head.is_released = released == Some(head.fence.0);
    let now: u64 = parts.number()?;
    head.renewed_ago_ms = renewed_at.map(|at| now.saturating_sub(at));
    Ok(head)
}
