//! Global events as bytes and back.

use crate::{
    domain::{
        customer::instrument_blocks::{InstrumentBlock, InstrumentBlocks},
        events::{
            audited_operation::{AuditedOperation, OperationDetail},
            global_event::{ClockStep, GlobalEvent},
        },
        rules::level::LevelKey,
        transaction::log_offset::LogOffset,
    },
    storage::encoding::{
        bytes::{Bytes, DecodeError, Put},
        tags,
    },
};

/// Appends a global event.
pub fn encode_global(event: &GlobalEvent, out: &mut Vec<u8>) {
    match event {
        GlobalEvent::InstrumentBlocks { id, blocks: InstrumentBlocks(blocks), by, previous, at } => {
            if by.is_none() && previous.is_none() {
                out.push(tags::INSTRUMENT_BLOCKS);
            } else {
                out.push(tags::INSTRUMENT_BLOCKS_CHANGED);
                out.put_bits([by.is_some(), previous.is_some()]);
            }
            out.put_text(id);
            out.put_number(blocks.len() as u64);
            for InstrumentBlock { everywhere, by_all, merchants } in blocks {
                out.put_bits([*everywhere, *by_all]);
                out.put_number(merchants.len() as u64);
                merchants.iter().for_each(|merchant| out.put_name(*merchant));
            }
            out.put_time(*at);
            by.iter().for_each(|by| out.put_name(*by));
            previous.iter().for_each(|previous| out.put_number(previous.0));
        }
        GlobalEvent::InstrumentBlocked { id, blocked, at } => {
            out.push(tags::INSTRUMENT_BLOCKED);
            out.put_bits([*blocked]);
            out.put_text(id);
            out.put_time(*at);
        }
        GlobalEvent::LevelCreated { merchant, name, direction, currency, at } => {
            out.push(tags::LEVEL_MADE);
            out.put_name(*merchant);
            out.put_name(*name);
            out.put_word(*direction);
            out.put_currency(*currency);
            out.put_time(*at);
        }
        GlobalEvent::ExternalIdsGenerated { merchant, made } => {
            out.push(tags::COUNTED);
            out.put_name(*merchant);
            out.put_number(*made);
        }
        GlobalEvent::ConfigurationApplied { version, at } => {
            out.push(tags::CONFIGURED);
            out.put_text(version);
            out.put_time(*at);
        }
        GlobalEvent::LevelPut { key, body, created, at, by } => {
            out.push(tags::LEVEL_PUT);
            out.put_bits([by.is_some()]);
            put_level_key(key, out);
            out.put_text(body);
            out.put_time(*created);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::LevelDeleted { key, at, by } => {
            out.push(tags::LEVEL_DELETED);
            out.put_bits([by.is_some()]);
            put_level_key(key, out);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::LevelFileApplied { key, digest, created, at } => {
            out.push(tags::LEVEL_FILED);
            out.put_bits([digest.is_some()]);
            put_level_key(key, out);
            digest.iter().for_each(|digest| out.extend_from_slice(&digest.to_le_bytes()));
            out.put_time(*created);
            out.put_time(*at);
        }
        GlobalEvent::RatesFileApplied { body, at } => {
            out.push(tags::RATES_FILED);
            out.put_bits([body.is_some()]);
            out.put_text_if(body.as_deref());
            out.put_time(*at);
        }
        GlobalEvent::MerchantFileApplied { merchant, is_sandbox, at } => {
            out.push(tags::MERCHANT_FILED);
            out.put_bits([*is_sandbox]);
            out.put_name(*merchant);
            out.put_time(*at);
        }
        GlobalEvent::LevelRenamed { merchant, direction, from, to, at, by } => {
            out.push(tags::LEVEL_RENAMED);
            out.put_bits([by.is_some()]);
            out.put_name(*merchant);
            out.put_word(*direction);
            out.put_name(*from);
            out.put_name(*to);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::ClockAccepted { step: ClockStep { before, after, moves_entries }, by } => {
            out.push(tags::CLOCK_ACCEPTED);
            out.put_bits([by.is_some(), *moves_entries]);
            out.put_time(*before);
            out.put_time(*after);
            out.put_name_if(*by);
        }
        GlobalEvent::SegmentsReleased { last, at } => {
            out.push(tags::SEGMENTS_LET_GO);
            out.put_number(*last);
            out.put_time(*at);
        }
        GlobalEvent::ArchiveLossAccepted { first, last, at, by } => {
            out.push(tags::ARCHIVE_LOSS_ACCEPTED);
            out.put_bits([by.is_some()]);
            out.put_number(*first);
            out.put_number(*last);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::RatesPut { body, at, by } => {
            out.push(tags::RATES_PUT);
            out.put_bits([by.is_some()]);
            out.put_text(body);
            out.put_time(*at);
            out.put_name_if(*by);
        }
        GlobalEvent::OperationAudited(AuditedOperation { kind, source, at, by, version, details }) => {
            out.push(tags::OPERATION_AUDITED);
            out.put_bits([by.is_some(), version.is_some()]);
            out.put_word(*kind);
            out.put_word(*source);
            out.put_time(*at);
            out.put_text_if(version.as_deref());
            out.put_name_if(*by);
            out.put_number(details.len() as u64);
            for OperationDetail { merchant, subject, old, new } in details {
                out.put_bits([merchant.is_some(), old.is_some(), new.is_some()]);
                out.put_name_if(*merchant);
                out.put_text(subject);
                out.put_text_if(old.as_deref());
                out.put_text_if(new.as_deref());
            }
        }
    }
}

fn put_level_key(LevelKey { merchant, direction, currency, name }: &LevelKey, out: &mut Vec<u8>) {
    out.put_name(*merchant);
    out.put_word(*direction);
    out.put_currency(*currency);
    out.put_name(*name);
}

/// The bits of a change of blocks. At least one bit is set: a record without both has another tag.
fn read_changed_bits(bytes: &mut Bytes<'_>) -> Result<[bool; 2], DecodeError> {
    const WHAT: &str = "option of InstrumentBlocks";
    let at = bytes.at();
    let bits = bytes.bits(WHAT)?;
    if bits == [false; 2] { Err(DecodeError::Word { what: WHAT, number: 0, at }) } else { Ok(bits) }
}

/// Reads the event of a tag that was read at byte `at`.
///
/// # Errors
/// See [`DecodeError`].
pub(super) fn read_global(tag: u8, at: usize, bytes: &mut Bytes<'_>) -> Result<GlobalEvent, DecodeError> {
    Ok(match tag {
        tags::INSTRUMENT_BLOCKS | tags::INSTRUMENT_BLOCKS_CHANGED => {
            let bits = if tag == tags::INSTRUMENT_BLOCKS { [false; 2] } else { read_changed_bits(bytes)? };
            let [has_author, has_previous] = bits;
            let id = bytes.text()?.into();
            let blocks = (0..bytes.number()?).map(|_| read_block(bytes)).collect::<Result<_, _>>()?;
            GlobalEvent::InstrumentBlocks {
                id,
                blocks: InstrumentBlocks(blocks),
                at: bytes.time()?,
                by: if has_author { Some(bytes.name()?) } else { None },
                previous: if has_previous { Some(LogOffset(bytes.number()?)) } else { None },
            }
        }
        tags::INSTRUMENT_BLOCKED => {
            let [blocked] = bytes.bits("option of InstrumentBlocked")?;
            GlobalEvent::InstrumentBlocked { blocked, id: bytes.text()?.into(), at: bytes.time()? }
        }
        tags::LEVEL_MADE => GlobalEvent::LevelCreated {
            merchant: bytes.name()?,
            name: bytes.name()?,
            direction: bytes.word()?,
            currency: bytes.currency()?,
            at: bytes.time()?,
        },
        tags::COUNTED => GlobalEvent::ExternalIdsGenerated { merchant: bytes.name()?, made: bytes.number()? },
        tags::CONFIGURED => GlobalEvent::ConfigurationApplied { version: bytes.text()?.into(), at: bytes.time()? },
        tags::LEVEL_PUT => {
            let [has_author] = bytes.bits("option of LevelPut")?;
            let (key, body) = (read_level_key(bytes)?, bytes.text()?.into());
            GlobalEvent::LevelPut {
                key,
                body,
                created: bytes.time()?,
                at: bytes.time()?,
                by: bytes.name_if(has_author)?,
            }
        }
        tags::LEVEL_DELETED => {
            let [has_author] = bytes.bits("option of LevelDeleted")?;
            GlobalEvent::LevelDeleted { key: read_level_key(bytes)?, at: bytes.time()?, by: bytes.name_if(has_author)? }
        }
        tags::LEVEL_FILED => {
            let [has_digest] = bytes.bits("option of LevelFiled")?;
            let key = read_level_key(bytes)?;
            let digest = if has_digest { Some(u128::from_le_bytes(bytes.array()?)) } else { None };
            GlobalEvent::LevelFileApplied { key, digest, created: bytes.time()?, at: bytes.time()? }
        }
        tags::RATES_FILED => {
            let [has_body] = bytes.bits("option of RatesFiled")?;
            GlobalEvent::RatesFileApplied { body: bytes.text_if(has_body)?, at: bytes.time()? }
        }
        tags::MERCHANT_FILED => {
            let [is_sandbox] = bytes.bits("option of MerchantFiled")?;
            GlobalEvent::MerchantFileApplied { is_sandbox, merchant: bytes.name()?, at: bytes.time()? }
        }
        tags::LEVEL_RENAMED => {
            let [has_author] = bytes.bits("option of LevelRenamed")?;
            let (merchant, direction) = (bytes.name()?, bytes.word()?);
            let (from, to, at) = (bytes.name()?, bytes.name()?, bytes.time()?);
            GlobalEvent::LevelRenamed { merchant, direction, from, to, at, by: bytes.name_if(has_author)? }
        }
        tags::CLOCK_ACCEPTED => {
            let [has_author, moves_entries] = bytes.bits("option of ClockAccepted")?;
            let step = ClockStep { before: bytes.time()?, after: bytes.time()?, moves_entries };
            GlobalEvent::ClockAccepted { step, by: bytes.name_if(has_author)? }
        }
        tags::SEGMENTS_LET_GO => GlobalEvent::SegmentsReleased { last: bytes.number()?, at: bytes.time()? },
        tags::ARCHIVE_LOSS_ACCEPTED => {
            let [has_author] = bytes.bits("option of ArchiveLossAccepted")?;
            let (first, last) = (bytes.number()?, bytes.number()?);
            GlobalEvent::ArchiveLossAccepted { first, last, at: bytes.time()?, by: bytes.name_if(has_author)? }
        }
        tags::RATES_PUT => {
            let [has_author] = bytes.bits("option of RatesPut")?;
            GlobalEvent::RatesPut { body: bytes.text()?.into(), at: bytes.time()?, by: bytes.name_if(has_author)? }
        }
        tags::OPERATION_AUDITED => {
            let [has_author, has_version] = bytes.bits("option of OperationAudited")?;
            let (kind, source, at) = (bytes.word()?, bytes.word()?, bytes.time()?);
            let (version, by) = (bytes.text_if(has_version)?, bytes.name_if(has_author)?);
            let details = (0..bytes.number()?).map(|_| read_detail(bytes)).collect::<Result<_, _>>()?;
            GlobalEvent::OperationAudited(AuditedOperation { kind, source, at, by, version, details })
        }
        _ => return Err(DecodeError::Tag { tag, at }),
    })
}

fn read_detail(bytes: &mut Bytes<'_>) -> Result<OperationDetail, DecodeError> {
    let [has_merchant, has_old, has_new] = bytes.bits("option of a detail")?;
    let (merchant, subject) = (bytes.name_if(has_merchant)?, bytes.text()?.into());
    Ok(OperationDetail { merchant, subject, old: bytes.text_if(has_old)?, new: bytes.text_if(has_new)? })
}

fn read_block(bytes: &mut Bytes<'_>) -> Result<InstrumentBlock, DecodeError> {
    let [everywhere, by_all] = bytes.bits("option of a block")?;
    let merchants = (0..bytes.number()?).map(|_| bytes.name()).collect::<Result<_, _>>()?;
    Ok(InstrumentBlock { everywhere, by_all, merchants })
}

fn read_level_key(bytes: &mut Bytes<'_>) -> Result<LevelKey, DecodeError> {
    Ok(LevelKey { merchant: bytes.name()?, direction: bytes.word()?, currency: bytes.currency()?, name: bytes.name()? })
}
