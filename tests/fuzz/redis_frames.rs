//! What Redis contains: batches and chunks of snapshots.

use crate::edits::{Edits, TIME_MS, edited};
use levelgate::{
    domain::transaction::log_offset::LogOffset,
    replication::format::{Batch, Chunk, decode_batch, decode_chunk, encode_batch, encode_chunk},
    storage::journal::{JournalId, Lsn},
};
use std::time::Duration;

const INSTANCE: JournalId = JournalId([7; 16]);

/// A frame with a checksum that is right for its bytes.
fn with_checksum(mut frame: Vec<u8>) -> Vec<u8> {
    if let Some(end) = frame.len().checked_sub(4) {
        let checksum = crc32c::crc32c(&frame[..end]).to_le_bytes();
        frame[end..].copy_from_slice(&checksum);
    }
    frame
}

/// A frame that is read is, byte for byte, the frame that its parts are written as.
#[test]
fn frames_of_redis_are_read_exactly_or_refused() {
    let batch = Batch {
        epoch: 3,
        first: Lsn(10),
        last: Lsn(12),
        begin: LogOffset(4_096),
        crc_before: 77,
        bytes: b"records of the journal",
    };
    let batch = encode_batch(INSTANCE, &batch);
    let chunk = encode_chunk(INSTANCE, &Chunk { begin: Lsn(10), index: 2, bytes: b"bytes of a snapshot" });
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(bool, bool, Edits)>().for_each(
        |(is_batch, is_checksum_right, edits)| {
            let frame = edited(if *is_batch { &batch } else { &chunk }, edits);
            let frame = if *is_checksum_right { with_checksum(frame) } else { frame };
            if let Ok(read) = decode_batch(INSTANCE, &frame) {
                assert_eq!(encode_batch(INSTANCE, &read), frame);
            }
            if let Ok(read) = decode_chunk(INSTANCE, &frame) {
                assert_eq!(encode_chunk(INSTANCE, &read), frame);
            }
        },
    );
}
