//! Snapshots that are cut, changed or invalid.

use super::*;

#[test]
fn invalid_values_are_refused_although_the_checksum_holds() {
    let head = CustomerDto::of(&customer(), &mut invert_bits);
    let refused = |change: fn(&mut CustomerDto)| {
        let mut head = head.clone();
        change(&mut head);
        head.customer(&mut invert_bits_back).unwrap_err().to_string()
    };
    for (found, want) in [
        (refused(|head| head.merchant = "".into()), "\"\" is not a name: it is empty"),
        (refused(|head| head.levels[0] = Some("\n".into())), "\"\\n\" is not a name: it holds a control character"),
        (refused(|head| head.number = 1 << 32), "the number of customer 4294967296 is larger than 4294967295"),
        (refused(|head| head.consent = 0), "0 is not a customer status"),
        (refused(|head| head.suspicion = Some(9)), "9 is not a customer status"),
        (refused(|head| head.suspicion = Some(2)), "Member and Some(Member) are not the standing of a customer"),
        (refused(|head| head.consent = 6), "Fraud and Some(Suspicious) are not the standing of a customer"),
        (refused(|head| head.profile = vec![4, 1, 2]), "the profile of customer 3 contains another event"),
        (refused(|head| head.series[0].currency = *b"eur"), "[101, 117, 114] is not a currency"),
        (refused(|head| head.series[0].direction = 3), "3 is not a direction"),
        (refused(|head| head.next_slot = 1), "the slots or usage series of customer 3 are out of bounds"),
    ] {
        assert_eq!(found, format!("the snapshot contains an invalid value: {want}"));
    }
    assert!(refused(|head| head.attributes.truncate(3)).contains("ends within"));
    let good = TransactionSummaryDto::of(&summary(Status::Approved, 1, Some(0)));
    for (slot, summary) in [
        (9, good),
        (71, good),
        (10, TransactionSummaryDto { series: Some(2), ..good }),
        (10, TransactionSummaryDto { status: 0, ..good }),
        (10, TransactionSummaryDto { flags: 0x80, ..good }),
        (10, TransactionSummaryDto { flags: 0x100, ..good }),
        (10, TransactionSummaryDto { counts: 8, ..good }),
    ] {
        let mut customer = head.clone().customer(&mut invert_bits_back).unwrap();
        let is_pinned = slot == 9;
        assert_eq!(summary.resume_in(&mut customer, slot).is_ok(), is_pinned, "{slot}");
        assert!(!is_pinned || summary.resume_in(&mut customer, slot).is_err());
    }
}

#[test]
fn a_snapshot_cut_anywhere_is_refused() {
    let bytes = file_of(&pieces());
    for end in 0..bytes.len() {
        assert!(matches!(read(&bytes[..end]), Err(SnapshotError::Unfinished)), "{end}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(read(&longer), Err(SnapshotError::Damaged { .. })));
    // Whole frames, of which one is missing.
    let mut writer = Writer::begin(&header(), |_: &[u8]| Ok(()));
    writer.put(&pieces()[0]).unwrap();
    let counts = writer.end(1).unwrap();
    assert_eq!(counts, Counts { pieces: 1, customers: 0, summaries: 0 });
    let end = file_of(&[]).split_off(HEADER_BYTES);
    let one = file_of(&pieces()[..1]);
    let one_end = one.len() - end.len();
    assert!(matches!(read(&[&one[..one_end], &end].concat()), Err(SnapshotError::Damaged { .. })));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let mut bytes = file_of(&pieces());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&bytes).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn a_body_that_is_no_piece_is_refused_without_a_panic() {
    let bytes = file_of(&pieces());
    let frame = |body: &[u8]| {
        let len = u32::try_from(body.len()).unwrap().to_le_bytes();
        [&bytes[..HEADER_BYTES], &len, &frame_crc(len, body).to_le_bytes(), body].concat()
    };
    let head = HEADER_BYTES + 8;
    let body = &bytes[head..head + usize::try_from(u32_at(&bytes, HEADER_BYTES)).unwrap()];
    for end in 0..body.len() {
        assert!(matches!(read(&frame(&body[..end])), Err(SnapshotError::Damaged { .. })), "{end}");
    }
    for place in 0..body.len() {
        // Some of them are lengths of eight bytes 0xFF. Nothing is allocated for those.
        for many in 1..=8.min(body.len() - place) {
            let mut body = body.to_vec();
            body[place..place + many].fill(0xFF);
            assert!(read(&frame(&body)).is_err());
        }
    }
    for len in [u32::MAX, FRAME_BYTES_MAX + 1, FRAME_BYTES_MAX] {
        let long = [&bytes[..HEADER_BYTES], &len.to_le_bytes(), &[0; 100]].concat();
        assert!(read(&long).is_err());
    }
}

#[test]
fn snapshots_of_other_journals_and_newer_formats_are_refused() {
    let bytes = file_of(&[]);
    let with = |at: usize, new: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + new.len()].copy_from_slice(new);
        let crc = crc32c::crc32c(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        read(&bytes).unwrap_err()
    };
    assert!(matches!(with(8, &[2]), SnapshotError::Newer { format: 2, codec: CODEC }));
    assert!(matches!(with(12, &[9]), SnapshotError::Newer { format: 1, codec: 9 }));
    assert!(matches!(with(16, &[9]), SnapshotError::Foreign));
    assert!(matches!(with(0, &[9]), SnapshotError::Damaged { offset: 0 }));
    assert!(matches!(with(50, &[9]), SnapshotError::Damaged { offset: 0 }));
}
