//! Golden bytes, damage, newer versions, and what belongs elsewhere.

use super::*;
use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::journal::{JournalId, Lsn},
};
use proptest::prelude::*;

const INSTANCE: JournalId = JournalId([0xab; 16]);
const OTHER: JournalId = JournalId([0xac; 16]);
const WRAPPING: WrappingKey = WrappingKey([7; KEY_BYTES]);
const NONCE: [u8; NONCE_BYTES] = [9; NONCE_BYTES];
const KEY: CustomerKey = CustomerKey { number: 0x0123_4567_89ab_cdef, customer: 42, key: [3; KEY_BYTES] };
const SECRET: (u64, u64) = (0x1111_2222_3333_4444, 0x5555_6666_7777_8888);

fn batch() -> Batch<'static> {
    Batch { epoch: 5, first: Lsn(7), last: Lsn(9), begin: LogOffset(600), crc_before: 0xdead_beef, bytes: b"records" }
}

fn chunk() -> Chunk<'static> {
    Chunk { begin: Lsn(77), index: 3, bytes: b"pieces" }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_a_batch_are_golden() {
    let frame = encode_batch(INSTANCE, &batch());
    assert_eq!(hex(&frame), GOLDEN_BATCH);
    assert_eq!(decode_batch(INSTANCE, &frame), Ok(batch()));
    assert_eq!(batch().end(), LogOffset(607));
}

#[test]
fn the_bytes_of_a_chunk_are_golden() {
    let frame = encode_chunk(INSTANCE, &chunk());
    assert_eq!(hex(&frame), GOLDEN_CHUNK);
    assert_eq!(decode_chunk(INSTANCE, &frame), Ok(chunk()));
}

#[test]
fn the_bytes_of_a_wrapped_key_are_golden() {
    let wrapped = wrap_key(&WRAPPING, INSTANCE, &KEY, NONCE);
    assert_eq!(hex(&wrapped), GOLDEN_KEY);
    let opened = unwrap_key(&WRAPPING, INSTANCE, "0123456789abcdef", &wrapped).ok();
    assert!(opened == Some(KEY));
}

#[test]
fn the_bytes_of_the_wrapped_secret_are_golden() {
    let wrapped = wrap_secret(&WRAPPING, INSTANCE, SECRET, NONCE);
    assert_eq!(hex(&wrapped), GOLDEN_SECRET);
    assert_eq!(unwrap_secret(&WRAPPING, INSTANCE, &wrapped), Ok(SECRET));
}

/// Calls `check` with every variant of the bytes that has one bit flipped or ends early.
fn for_each_damage(bytes: &[u8], check: impl Fn(&[u8], &str)) {
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << bit;
            check(&damaged, &format!("bit {bit} of byte {at}"));
        }
        check(&bytes[..at], &format!("{at} bytes"));
    }
    check(&[bytes, &[0]].concat(), "a byte more");
}

#[test]
fn a_flipped_bit_or_a_cut_is_refused() {
    for_each_damage(&encode_batch(INSTANCE, &batch()), |damaged, what| {
        let error = decode_batch(INSTANCE, damaged).expect_err(what);
        assert!(matches!(error, FormatError::Magic(_) | FormatError::Checksum(_)), "{what}: {error}");
    });
    for_each_damage(&encode_chunk(INSTANCE, &chunk()), |damaged, what| {
        let error = decode_chunk(INSTANCE, damaged).expect_err(what);
        assert!(matches!(error, FormatError::Magic(_) | FormatError::Checksum(_)), "{what}: {error}");
    });
    let field = key_field(KEY.number);
    for_each_damage(&wrap_key(&WRAPPING, INSTANCE, &KEY, NONCE), |damaged, what| {
        assert!(unwrap_key(&WRAPPING, INSTANCE, &field, damaged).is_err(), "{what}");
    });
    for_each_damage(&wrap_secret(&WRAPPING, INSTANCE, SECRET, NONCE), |damaged, what| {
        assert!(unwrap_secret(&WRAPPING, INSTANCE, damaged).is_err(), "{what}");
    });
}

/// A frame with another version and a matching checksum.
fn with_version(mut frame: Vec<u8>, version: u32) -> Vec<u8> {
    frame[8..12].copy_from_slice(&version.to_le_bytes());
    frame.truncate(frame.len() - 4);
    frame::end(frame)
}

#[test]
fn a_newer_version_is_refused_in_words() {
    let newer = with_version(encode_batch(INSTANCE, &batch()), 2);
    let error = decode_batch(INSTANCE, &newer).expect_err("newer");
    assert_eq!(
        error.to_string(),
        "the batch has version 2, which is newer than this program; start the version of levelgate that wrote it, or a \
         later one"
    );
    let newer = with_version(encode_chunk(INSTANCE, &chunk()), 2);
    let error = decode_chunk(INSTANCE, &newer).expect_err("newer");
    assert_eq!(error, FormatError::Newer { what: "chunk of a snapshot", version: 2 });
    let mut newer = wrap_secret(&WRAPPING, INSTANCE, SECRET, NONCE);
    newer[0] = 2;
    let error = unwrap_secret(&WRAPPING, INSTANCE, &newer).expect_err("newer");
    assert_eq!(error, WrapError::Newer { field: "secret".to_owned(), version: 2 });
    let zero = with_version(encode_batch(INSTANCE, &batch()), 0);
    assert!(matches!(decode_batch(INSTANCE, &zero), Err(FormatError::Invalid(..))));
}

#[test]
fn what_belongs_elsewhere_is_refused() {
    assert!(matches!(decode_batch(OTHER, &encode_batch(INSTANCE, &batch())), Err(FormatError::Foreign { .. })));
    assert!(matches!(decode_chunk(OTHER, &encode_chunk(INSTANCE, &chunk())), Err(FormatError::Foreign { .. })));
    assert!(matches!(decode_chunk(INSTANCE, &encode_batch(INSTANCE, &batch())), Err(FormatError::Magic(_))));
    let wrapped = wrap_key(&WRAPPING, INSTANCE, &KEY, NONCE);
    let field = key_field(KEY.number);
    assert!(unwrap_key(&WRAPPING, OTHER, &field, &wrapped).is_err(), "another instance");
    assert!(unwrap_key(&WRAPPING, INSTANCE, &key_field(1), &wrapped).is_err(), "another field");
    assert!(unwrap_key(&WrappingKey([8; KEY_BYTES]), INSTANCE, &field, &wrapped).is_err(), "another key_file");
    assert!(unwrap_secret(&WRAPPING, INSTANCE, &wrapped).is_err(), "a key is no secret");
    assert_eq!(format!("{WRAPPING:?}"), "WrappingKey");
}

#[test]
fn numbers_that_are_not_in_order_are_refused() {
    for (first, last) in [(0, 0), (0, 5), (6, 5)] {
        let frame = encode_batch(INSTANCE, &Batch { first: Lsn(first), last: Lsn(last), ..batch() });
        assert!(matches!(decode_batch(INSTANCE, &frame), Err(FormatError::Invalid(..))), "{first} to {last}");
    }
}

proptest! {
    #[test]
    fn every_batch_is_read_as_it_was_written(
        epoch: u32,
        first in 1..=u64::MAX / 2,
        more in 0..1_000_u64,
        begin in 0..u64::MAX / 2,
        crc_before: u32,
        bytes: Vec<u8>,
    ) {
        let batch = Batch {
            epoch, first: Lsn(first), last: Lsn(first + more), begin: LogOffset(begin), crc_before, bytes: &bytes,
        };
        let frame = encode_batch(INSTANCE, &batch);
        prop_assert_eq!(decode_batch(INSTANCE, &frame), Ok(batch));
    }

    #[test]
    fn every_chunk_is_read_as_it_was_written(begin: u64, index: u32, bytes: Vec<u8>) {
        let chunk = Chunk { begin: Lsn(begin), index, bytes: &bytes };
        let frame = encode_chunk(INSTANCE, &chunk);
        prop_assert_eq!(decode_chunk(INSTANCE, &frame), Ok(chunk));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes: Vec<u8>) {
        let _ = decode_batch(INSTANCE, &bytes);
        let _ = decode_chunk(INSTANCE, &bytes);
        let _ = unwrap_key(&WRAPPING, INSTANCE, "0123456789abcdef", &bytes);
        let _ = unwrap_secret(&WRAPPING, INSTANCE, &bytes);
    }
}

const GOLDEN_BATCH: &str = "4c4742415443480001000000abababababababababababababababab05000000070000000000000009000000000000005802000000000000efbeadde070000007265636f726473fca74c17";
const GOLDEN_CHUNK: &str =
    "4c474348554e4b0001000000abababababababababababababababab4d0000000000000003000000060000007069656365731ae26cdd";
// The next two do not come from this program alone. libsodium (PyNaCl 1.6.2) returns the same bytes:
//
//     seal = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt
//     wrap = lambda name, plain: b"\x01" + nonce + seal(plain, b"\x01" + instance + name, nonce, key)
//     key, nonce, instance = b"\x07" * 32, b"\x09" * 24, b"\xab" * 16
//     wrap(b"0123456789abcdef", struct.pack("<QQ", 0x0123456789abcdef, 42) + b"\x03" * 32)
//     wrap(b"secret", struct.pack("<QQ", 0x1111222233334444, 0x5555666677778888))
const GOLDEN_KEY: &str = "0109090909090909090909090909090909090909090909090951bf49031bef5a63de12083c687307eb29f0b49943629ee2a58e1b5fd0255058812943d8d188b6570f76bfd40bdda984fc9f80a7769670ac87f7b892e0959a7a";
const GOLDEN_SECRET: &str = "01090909090909090909090909090909090909090909090909fa36d1b95e8868737c9a7f4b0e1552be38bc9ca6b696888f0ad371d239eebacb";
