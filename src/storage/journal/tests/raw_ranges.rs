//! Raw ranges: together they are the bytes of the segments, from memory and from files, of any sizes.

use crate::{
    domain::transaction::log_offset::LogOffset,
    storage::{
        fs::memory::{EIO, Fault, Memory},
        journal::{
            follow::FollowError,
            format::{
                frame::{self, BATCH_BYTES, Body},
                segment_head::RECORDS_FROM,
            },
            log::Journal,
            model::{
                ids::{JournalId, Lsn},
                options::{Options, Sync},
            },
            raw::{
                raw_reader::RawReader,
                raw_records::{RawFlaw, RawRecords},
            },
            tests::{ID, Opened, Random, RecordCopy, Workload, live, open_store, options},
        },
    },
};
use std::sync::Arc;

fn opened(store: &Memory, sync: Sync, tail_bytes: usize) -> Opened {
    let options = Options { tail_bytes, segment_bytes: 2_000, ..options(sync) };
    open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)).unwrap()
}

/// All ranges after a number.
pub(super) fn ranges(journal: &Journal, mut after: Lsn, mut bytes: impl FnMut() -> usize) -> Vec<RawRecords> {
    let mut found = Vec::new();
    while let Some(raw) = journal.raw_after(after, bytes()).unwrap() {
        assert_eq!(raw.first, Lsn(after.0 + 1));
        raw.verify(ID).unwrap();
        after = raw.last;
        found.push(raw);
    }
    assert_eq!(after, journal.lasting());
    found
}

/// The bytes of all segments without their heads, up to a record.
fn bytes_of_segments(store: &Memory, journal: &Journal, last: Lsn) -> Vec<u8> {
    let mut all = Vec::new();
    for segment in journal.segments() {
        let bytes = store.bytes(&segment.path).unwrap();
        let mut rest = &bytes[usize::try_from(RECORDS_FROM).unwrap()..];
        if segment.sealed {
            all.extend_from_slice(rest);
            continue;
        }
        let mut kept = 0;
        let whole = rest;
        while let Ok(framed) = frame::parse(rest) {
            if framed.head.lsn > last {
                break;
            }
            rest = &rest[framed.bytes..];
            if !matches!(framed.body, Body::Batch { .. }) {
                kept = whole.len() - rest.len();
            }
        }
        all.extend_from_slice(&whole[..kept]);
    }
    all
}

fn concat(ranges: &[RawRecords]) -> Vec<u8> {
    let mut end = None;
    for raw in ranges {
        assert!(end.is_none_or(|end| end == raw.begin), "no gap: {end:?} {:?}", raw.begin);
        end = Some(raw.end());
    }
    ranges.iter().flat_map(|raw| raw.bytes.clone()).collect()
}

/// The records that a reader passes on.
pub(super) fn read_all(reader: &mut RawReader, ranges: &[RawRecords]) -> Vec<RecordCopy> {
    let mut found = Vec::new();
    for raw in ranges {
        let read = reader.read(raw, &mut |records| {
            found.extend(records.iter().map(|record| RecordCopy {
                lsn: record.lsn,
                owner: record.owner,
                offset: record.offset,
                events: record.events.to_vec(),
            }));
        });
        read.unwrap();
    }
    found
}

#[test]
fn ranges_of_any_sizes_are_the_bytes_of_the_segments() {
    for seed in 1..=8_u64 {
        for (sync, tail_bytes) in [(Sync::Always, 0), (Sync::Interval, usize::MAX), (Sync::Never, 300_000)] {
            let (store, mut workload, mut random) = (Memory::new(), Workload::default(), Random::new(seed));
            for start in 0..3 {
                let about = format!("seed {seed}, {sync:?}, tail {tail_bytes}, start {start}");
                let opened = opened(&store, sync, tail_bytes);
                let journal = &opened.journal;
                let mut continued = journal.lasting();
                for part in 0..4 {
                    live(journal, &mut workload, seed * 100 + start * 10 + part, 40);
                    // A shipper that continues where it ended.
                    while let Some(raw) = journal.raw_after(continued, 1 + random.below(900)).unwrap() {
                        raw.verify(ID).unwrap();
                        assert!(raw.last <= journal.lasting());
                        continued = raw.last;
                    }
                }
                if let Some(sealed) = journal.segments().into_iter().find(|segment| segment.sealed) {
                    journal.archive(sealed.first_lsn).unwrap();
                }
                if sync == Sync::Always {
                    journal.commit(journal.last()).unwrap();
                }
                let want = bytes_of_segments(&store, journal, journal.lasting());
                assert!(concat(&ranges(journal, Lsn(0), || usize::MAX)) == want, "{about}: whole segments");
                let pieces = ranges(journal, Lsn(0), || random.below(700));
                assert!(concat(&pieces) == want, "{about}: in pieces");
                let found = read_all(&mut RawReader::new(ID, Lsn(0)), &pieces);
                assert!(found == workload.records(journal.lasting()), "{about}: the records of the ranges");
                let mut found = RawReader::new(ID, Lsn(0));
                let _all = read_all(&mut found, &pieces);
                // The mark of a record is what the range says that ends with it.
                for raw in &pieces {
                    let mark = journal.record_mark(raw.last).unwrap().unwrap();
                    assert_eq!((mark.epoch, mark.crc, mark.end), (raw.epoch, raw.last_crc, raw.end()), "{about}");
                }
                for _ in 0..20 {
                    let after = Lsn(random.next() % (journal.lasting().0 + 1));
                    let rest = concat(&ranges(journal, after, || 1 + random.below(5_000)));
                    assert!(want.ends_with(&rest), "{about}: from {after}");
                    let mark = journal.record_mark(after).unwrap();
                    assert_eq!(mark.is_some(), after > Lsn(0));
                    let first = Lsn(after.0 + 1);
                    if let (Some(mark), Some(raw)) = (mark, journal.raw_after(after, 1).unwrap()) {
                        assert_eq!((mark.end, raw.first, raw.last), (raw.begin, first, first), "{about}: one record");
                    }
                }
                journal.close().unwrap();
            }
        }
    }
}

#[test]
fn a_range_in_the_tail_reads_no_file() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Always, usize::MAX);
    let (journal, mut workload) = (&opened.journal, Workload::default());
    let mut after = Lsn(0);
    for part in 0..20 {
        live(journal, &mut workload, part, 20);
        journal.commit(journal.last()).unwrap();
        // No other thread may call the store from here on.
        let _syncing = journal.files.as_ref().unwrap().syncing.lock();
        let calls = store.calls();
        while let Some(raw) = journal.raw_after(after, 1_000).unwrap() {
            after = raw.last;
        }
        if part > 0 {
            assert_eq!(store.calls(), calls, "part {part}");
        }
    }
}

#[test]
fn records_that_are_not_durable_or_deleted_or_damaged_are_in_no_range() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Interval, 0);
    let journal = &opened.journal;
    assert_eq!(journal.raw_after(Lsn(0), 9).unwrap(), None);
    let appended = journal.append(1, b"one");
    journal.commit(appended.lsn).unwrap();
    assert_eq!((journal.raw_after(Lsn(0), 9).unwrap(), journal.record_mark(Lsn(1)).unwrap()), (None, None));
    assert!(matches!(journal.raw_after(Lsn(2), 9), Err(FollowError::Ahead { last: Lsn(1), .. })));
    journal.sync().unwrap();
    assert_eq!(journal.raw_after(Lsn(0), 9).unwrap().unwrap().last, Lsn(1), "a longer record is returned whole");
    journal.rotate().unwrap();
    journal.append(2, b"two");
    journal.sync().unwrap();
    let first = journal.segments().remove(0);
    journal.archive(first.first_lsn).unwrap();
    journal.remove_oldest(first.first_lsn).unwrap();
    assert!(matches!(journal.raw_after(Lsn(0), 9), Err(FollowError::Gone { begins_at: Lsn(2), .. })));
    assert_eq!(journal.record_mark(Lsn(1)).unwrap(), None);
    assert_eq!(journal.raw_after(Lsn(1), 9).unwrap().unwrap().first, Lsn(2));
    journal.close().unwrap();
    let image = store.kill_image();
    // The first start of the image removes nothing, since the rest is not needed: record 1 is in no snapshot.
    let again = open_store(Arc::new(image.clone()), options(Sync::Interval), Lsn(1), Lsn(1)).unwrap();
    let path = again.journal.segments()[0].path.clone();
    assert!(image.flip_bit(&path, image.bytes(&path).unwrap().len() - 6, 1));
    let error = again.journal.raw_after(Lsn(1), 1_000).unwrap_err().to_string();
    assert!(error.contains("checksum") && error.contains(&path), "{error}");
    image.fail_at(image.calls() + 1, Fault::Error(EIO));
    assert!(again.journal.raw_after(Lsn(1), 1_000).is_err());
}

/// A power cut or a kill may end the file anywhere. The next segment begins where the last record ends, so that the ranges
/// of a copy that has this record already go on.
#[test]
fn a_journal_that_was_cut_anywhere_goes_on_without_a_gap() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Interval, 0);
    for n in 0..3 {
        opened.journal.append(n, b"some events");
        opened.journal.commit(Lsn(n + 1)).unwrap();
    }
    opened.journal.append_group(&[(1, b"one part".to_vec()), (2, b"another part".to_vec())]);
    opened.journal.commit(Lsn(7)).unwrap();
    let (before, image) = (opened.journal.end(), store.kill_image());
    drop(opened);
    let path = "journal/00000000000000000001.log";
    let bytes = image.bytes(path).unwrap();
    let mut headers = 0;
    for len in usize::try_from(RECORDS_FROM).unwrap()..=bytes.len() {
        let cut = image.kill_image();
        cut.put(path, &bytes[..len]);
        let opened = self::opened(&cut, Sync::Interval, 0);
        let (journal, last) = (&opened.journal, opened.recovery.last);
        assert_eq!(len == bytes.len(), journal.end() == before);
        let mark = journal.record_mark(last).unwrap().map_or(LogOffset(0), |mark| mark.end);
        assert_eq!(mark, journal.end(), "cut at {len}");
        headers += usize::from(opened.recovery.cut_bytes == u64::try_from(BATCH_BYTES).unwrap());
        let appended = journal.append(9, b"the next one");
        journal.sync().unwrap();
        let raw = journal.raw_after(last, 1_000).unwrap().unwrap();
        assert_eq!((raw.first, raw.begin, raw.epoch), (appended.lsn, mark, 2), "cut at {len}");
        assert!(concat(&ranges(journal, Lsn(0), || 100)) == bytes_of_segments(&cut, journal, appended.lsn));
    }
    // Without a record, the first header is removed with its segment.
    assert_eq!(headers, 3, "headers without a record were cut");
}

/// An earlier version left the batch header of a torn record where it was, and continued after it.
#[test]
fn a_batch_header_without_a_record_belongs_to_the_range_before_it() {
    let store = Memory::new();
    let first = opened(&store, Sync::Interval, 0);
    first.journal.append(1, b"one");
    first.journal.close().unwrap();
    drop(first);
    let path = "journal/00000000000000000001.log";
    let mut bytes = store.bytes(path).unwrap();
    frame::put_batch(&mut bytes, Lsn(2), 1, &ID, Lsn(1));
    store.put(path, &bytes);
    let end = u64::try_from(bytes.len()).unwrap() - RECORDS_FROM;
    let head = crate::storage::journal::format::segment_head::SegmentHead {
        epoch: 2,
        id: ID,
        first_lsn: Lsn(2),
        first_offset: LogOffset(end),
        synced: Lsn(1),
    };
    let mut second = head.encode().to_vec();
    frame::put_batch(&mut second, Lsn(2), 2, &ID, Lsn(1));
    let record = frame::Head { lsn: Lsn(2), epoch: 2, kind: frame::Kind::Events, owner: 1 };
    frame::put(&mut second, &record, &[b"two"]);
    store.put("journal/00000000000000000002.log", &second);
    let again = opened(&store, Sync::Interval, 0);
    assert_eq!((again.recovery.last, again.recovery.cut_bytes), (Lsn(2), 0));
    let pieces = ranges(&again.journal, Lsn(0), || 1);
    assert_eq!(concat(&pieces), bytes_of_segments(&store, &again.journal, Lsn(2)));
    assert_eq!(again.journal.record_mark(Lsn(1)).unwrap().unwrap().end, LogOffset(end));
    assert_eq!(again.journal.raw_after(Lsn(1), 1).unwrap().unwrap().begin, LogOffset(end));
    assert_eq!(read_all(&mut RawReader::new(ID, Lsn(0)), &pieces).len(), 2);
}

#[test]
fn a_changed_range_is_refused() {
    let store = Memory::new();
    let (opened, mut workload) = (opened(&store, Sync::Always, 0), Workload::default());
    live(&opened.journal, &mut workload, 3, 30);
    opened.journal.commit(opened.journal.last()).unwrap();
    let raw = opened.journal.raw_after(Lsn(0), 1_500).unwrap().unwrap();
    for at in 0..raw.bytes.len() {
        let mut changed = raw.clone();
        changed.bytes[at] ^= 1 << (at % 8);
        assert!(changed.verify(ID).is_err(), "byte {at}");
        changed.bytes.truncate(at);
        assert!(changed.verify(ID).is_err(), "cut at {at}");
    }
    let changes: [(RawRecords, &str); 5] = [
        (RawRecords { epoch: 2, ..raw.clone() }, "is of start 1, and start 2 is expected"),
        (RawRecords { first: Lsn(2), ..raw.clone() }, "record 1 is where record 2 is expected"),
        (RawRecords { last: Lsn(raw.last.0 + 1), ..raw.clone() }, "is expected"),
        (RawRecords { last_crc: raw.last_crc ^ 1, ..raw.clone() }, "another checksum"),
        (RawRecords { bytes: Vec::new(), ..raw }, "is expected"),
    ];
    for (changed, words) in changes {
        let flaw = changed.verify(ID).unwrap_err().to_string();
        assert!(flaw.contains(words), "{flaw}");
    }
    assert!(matches!(raw.verify(JournalId([1; 16])), Err(RawFlaw::Foreign(ID))));
    // A reader refuses what does not follow, and is unchanged by it.
    let next = opened.journal.raw_after(raw.last, 500).unwrap().unwrap();
    let mut reader = RawReader::at(ID, Lsn(0), LogOffset(0), 0);
    assert!(matches!(reader.read(&next, &mut |_| {}), Err(RawFlaw::Number { .. })));
    let moved = RawRecords { begin: LogOffset(7), ..raw.clone() };
    assert!(matches!(reader.read(&moved, &mut |_| {}), Err(RawFlaw::Offset { .. })));
    let both = [raw.clone(), raw, next.clone()];
    let found = read_all(&mut reader, &both);
    let mut twice = RawReader::new(ID, Lsn(0));
    assert_eq!(
        (reader.last(), found),
        (
            next.last,
            read_all(&mut twice, &ranges(&opened.journal, Lsn(0), || 1)[..usize::try_from(next.last.0).unwrap()])
        )
    );
}

#[test]
fn a_group_without_its_end_is_dropped_when_the_next_epoch_begins() {
    let store = Memory::new();
    let first = opened(&store, Sync::Interval, 0);
    let mut workload = Workload::default();
    workload.append(&first.journal, 1, b"one");
    first.journal.append_group(&[(1, b"part".to_vec()), (2, b"of it".to_vec())]);
    first.journal.commit(Lsn(5)).unwrap();
    drop(first);
    let path = "journal/00000000000000000001.log";
    let mut bytes = store.bytes(path).unwrap();
    // The end of the group is lost.
    bytes.truncate(bytes.len() - 48);
    let cut = store.kill_image();
    cut.put(path, &bytes);
    let again = opened(&cut, Sync::Interval, 0);
    assert_eq!(again.journal.last(), Lsn(4));
    workload.append(&again.journal, 3, b"five");
    let end = workload.append_group(&again.journal, &[(1, b"six".to_vec()), (2, b"seven".to_vec())]);
    again.journal.sync().unwrap();
    for bytes in [1, 130, usize::MAX] {
        let pieces = ranges(&again.journal, Lsn(0), || bytes);
        let mut reader = RawReader::new(ID, Lsn(0));
        assert_eq!(read_all(&mut reader, &pieces), workload.records(end), "{bytes}");
        assert!(!reader.has_open_group() && reader.epoch() == 2);
    }
    // A reader that begins inside a group passes on the rest of it, as recovery does after a snapshot.
    let inside = Lsn(end.0 - 2);
    let found = read_all(&mut RawReader::new(ID, inside), &ranges(&again.journal, inside, || 1));
    assert_eq!(found, workload.records(end).split_off(3));
}
