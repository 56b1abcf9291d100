//! Following the journal: everything that counts and lasts is handed over once, in order, wherever one begins.

use crate::storage::{
    fs::memory::Memory,
    journal::{
        follow::{FollowError, Followed, UnreadableRecords, Visited},
        format::segment_head::RECORDS_FROM,
        log::Journal,
        model::{
            ids::Lsn,
            options::{Options, Sync},
            record::Record,
        },
        tests::{Opened, Random, RecordCopy, Workload, live, open_store, options},
    },
};
use std::{ops::ControlFlow, sync::Arc};

/// One call, which stops after `most` records.
fn look(journal: &Journal, after: Lsn, most: usize, into: &mut Vec<RecordCopy>) -> Result<Followed, FollowError> {
    let mut count = 0;
    journal.follow(after, &mut |visited| {
        let Visited::Records(records) = visited else { panic!("nothing is damaged: {visited:?}") };
        into.extend(records.iter().map(|Record { lsn, owner, offset, events, .. }| RecordCopy {
            lsn: *lsn,
            owner: *owner,
            offset: *offset,
            events: events.to_vec(),
        }));
        count += records.len();
        if count >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
}

/// All of it, in calls of so many.
fn follow(journal: &Journal, mut after: Lsn, mut most: impl FnMut() -> usize) -> Vec<RecordCopy> {
    let mut found = Vec::new();
    loop {
        let followed = look(journal, after, most(), &mut found).unwrap();
        assert!(followed.next >= after && followed.next <= followed.last, "{followed:?} after {after}");
        assert!(!followed.was_cut || followed.next > after, "it goes on: {followed:?} after {after}");
        if !followed.was_cut {
            return found;
        }
        after = followed.next;
    }
}

fn opened(store: &Memory, sync: Sync, tail_bytes: usize) -> Opened {
    let options = Options { tail_bytes, segment_bytes: 2_000, ..options(sync) };
    open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)).unwrap()
}

#[test]
fn whoever_follows_in_calls_of_any_size_from_anywhere_hears_of_all_that_lasts() {
    for seed in 1..=12_u64 {
        for sync in [Sync::Always, Sync::Interval, Sync::Never] {
            for tail_bytes in [0, usize::MAX] {
                let (store, mut workload, mut random) = (Memory::new(), Workload::default(), Random::new(seed));
                for start in 0..3 {
                    let about = format!("seed {seed}, {sync:?}, tail {tail_bytes}, start {start}");
                    let opened = opened(&store, sync, tail_bytes);
                    let journal = &opened.journal;
                    live(journal, &mut workload, seed * 10 + start, 120);
                    if let Some(sealed) = journal.segments().into_iter().find(|segment| segment.sealed) {
                        journal.archive(sealed.first_lsn).unwrap();
                    }
                    if sync == Sync::Always {
                        // Its thread also syncs records that no caller waits for.
                        journal.commit(journal.last()).unwrap();
                    }
                    let want = workload.records(journal.lasting());
                    assert!(follow(journal, Lsn(0), || usize::MAX) == want, "{about}: at once");
                    assert!(follow(journal, Lsn(0), || 1 + random.below(9)) == want, "{about}: in pieces");
                    for _ in 0..20 {
                        let after = Lsn(random.next() % (journal.lasting().0 + 1));
                        let want_after: Vec<RecordCopy> =
                            want.iter().filter(|kept| kept.lsn > after).cloned().collect();
                        let found = follow(journal, after, || 1 + random.below(30));
                        assert!(found == want_after, "{about}: from {after}, {} of {}", found.len(), want_after.len());
                    }
                    journal.close().unwrap();
                }
            }
        }
    }
}

#[test]
fn a_journal_in_memory_is_followed_too() {
    let (journal, mut workload, mut random) = (Journal::in_memory(), Workload::default(), Random::new(7));
    assert_eq!(follow(&journal, Lsn(0), || 1), vec![]);
    live(&journal, &mut workload, 3, 400);
    workload.append(&journal, 5, &vec![9; 700_000]);
    live(&journal, &mut workload, 4, 50);
    let want = workload.records(journal.last());
    assert!(follow(&journal, Lsn(0), || usize::MAX) == want);
    for _ in 0..50 {
        let after = Lsn(random.next() % (journal.last().0 + 1));
        let want_after: Vec<RecordCopy> = want.iter().filter(|kept| kept.lsn > after).cloned().collect();
        assert!(follow(&journal, after, || 1 + random.below(50)) == want_after, "from {after}");
    }
}

#[test]
fn a_record_in_a_large_segment_is_found_without_reading_to_it() {
    let (store, mut workload) = (Memory::new(), Workload::default());
    let options = Options { segment_bytes: u64::MAX, ..options(Sync::Interval) };
    let opened = open_store(Arc::new(store.clone()), options, Lsn(0), Lsn(0)).unwrap();
    for n in 0..600_u64 {
        let body = vec![u8::try_from(n % 251).unwrap(); 20_000];
        let lsn = match n % 5 {
            0 => workload.append_group(&opened.journal, &[(1, body), (2, vec![1])]),
            _ => workload.append(&opened.journal, 3, &body),
        };
        if n % 3 == 0 {
            opened.journal.commit(lsn).unwrap();
        }
    }
    opened.journal.close().unwrap();
    let want = workload.records(opened.journal.last());
    for (reads_on, after) in [(false, 1), (false, 400), (true, 401), (false, 700), (true, 900), (true, 3)] {
        // A start knows of no call before it.
        let again = open_store(Arc::new(store.kill_image()), options, Lsn(0), Lsn(0)).unwrap();
        if reads_on {
            let _page = follow(&again.journal, Lsn(after / 2), || 7);
        }
        let want_after: Vec<RecordCopy> = want.iter().filter(|kept| kept.lsn > Lsn(after)).cloned().collect();
        let mut found = Vec::new();
        let followed = look(&again.journal, Lsn(after), 3, &mut found).unwrap();
        assert!(found[..] == want_after[..found.len()], "behind {after}");
        assert!(found.len() >= 3 || !followed.was_cut);
        assert!(follow(&again.journal, Lsn(after), || usize::MAX) == want_after, "behind {after}");
    }
    let mut found = Vec::new();
    let again = open_store(Arc::new(store.kill_image()), options, Lsn(0), Lsn(0)).unwrap();
    let followed = look(&again.journal, Lsn(0), usize::MAX, &mut found).unwrap();
    assert!(followed.was_cut && found.len() < want.len(), "one call looks at so many bytes and no more");
}

#[test]
fn unsynced_records_and_unended_groups_are_not_delivered() {
    let store = Memory::new();
    let first = opened(&store, Sync::Interval, 0);
    let mut workload = Workload::default();
    workload.append(&first.journal, 1, b"one");
    first.journal.commit(Lsn(1)).unwrap();
    assert_eq!(follow(&first.journal, Lsn(0), || 9), vec![], "written, and not synced");
    assert_eq!(look(&first.journal, Lsn(1), 9, &mut Vec::new()).unwrap().next, Lsn(1), "it may be asked about");
    first.journal.sync().unwrap();
    assert_eq!(follow(&first.journal, Lsn(0), || 9), workload.records(Lsn(1)));
    assert!(matches!(look(&first.journal, Lsn(2), 9, &mut Vec::new()), Err(FollowError::Ahead { last: Lsn(1), .. })));
    // The group's end is lost, and so the group.
    let end = workload.append_group(&first.journal, &[(1, b"part".to_vec()), (2, b"of it".to_vec())]);
    first.journal.commit(end).unwrap();
    drop(first);
    let cut = store.kill_image();
    let path = "journal/00000000000000000001.log";
    let mut bytes = cut.bytes(path).unwrap();
    bytes.truncate(bytes.len() - 48);
    cut.put(path, &bytes);
    let again = opened(&cut, Sync::Interval, 0);
    assert_eq!(again.journal.last(), Lsn(4), "what is left of it keeps its numbers");
    let mut found = Vec::new();
    let followed = look(&again.journal, Lsn(0), 9, &mut found).unwrap();
    assert_eq!((found.len(), found[0].events.as_slice(), followed.was_cut), (1, &b"one"[..], false));
    let next = again.journal.append(3, b"behind it");
    again.journal.sync().unwrap();
    let mut found = Vec::new();
    let followed = look(&again.journal, followed.next, 9, &mut found).unwrap();
    assert_eq!((found.len(), found[0].lsn, followed.next), (1, next.lsn, next.lsn));
    assert_eq!(again.journal.read(found[0].offset, &mut Vec::new()).unwrap().lsn, next.lsn);
}

#[test]
fn a_reader_before_deleted_records_is_refused() {
    let store = Memory::new();
    let opened = opened(&store, Sync::Always, 0);
    let journal = &opened.journal;
    for n in 0..200 {
        let appended = journal.append(n, &[1; 50]);
        journal.commit(appended.lsn).unwrap();
    }
    assert_eq!(journal.begins_at(), Lsn(1));
    let oldest = journal.segments().remove(0);
    journal.archive(oldest.first_lsn).unwrap();
    journal.remove_oldest(oldest.first_lsn).unwrap();
    let first = Lsn(oldest.last.0 + 1);
    for after in [1, oldest.last.0 - 1] {
        let answer = look(journal, Lsn(after), 9, &mut Vec::new());
        assert!(matches!(&answer, Err(FollowError::Gone { begins_at, .. }) if *begins_at == first), "{answer:?}");
    }
    for after in [Lsn(0), oldest.last] {
        let mut found = Vec::new();
        let followed = look(journal, after, 5, &mut found).unwrap();
        assert_eq!((found[0].lsn, found.len(), followed.begins_at), (first, 5, first));
    }
}

#[tokio::test]
async fn whoever_waits_is_woken_when_more_lasts_and_when_the_journal_fails() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let store = Memory::new();
        let opened = opened(&store, sync, 0);
        let journal = Arc::clone(&opened.journal);
        let waiting = tokio::spawn(async move { journal.lasting_after(Lsn(0)).await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "{sync:?}");
        let appended = opened.journal.append(1, b"one");
        opened.journal.commit(appended.lsn).unwrap();
        if sync == Sync::Interval {
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished(), "it is not synced");
            opened.journal.sync().unwrap();
        }
        waiting.await.unwrap().unwrap();
        let journal = Arc::clone(&opened.journal);
        let waiting = tokio::spawn(async move { journal.lasting_after(Lsn(1)).await });
        tokio::task::yield_now().await;
        opened.journal.fail("a test");
        assert!(waiting.await.unwrap().is_err(), "{sync:?}");
    }
    let journal = Arc::new(Journal::in_memory());
    let other = Arc::clone(&journal);
    let waiting = tokio::spawn(async move { other.lasting_after(Lsn(0)).await });
    tokio::task::yield_now().await;
    journal.append(1, b"one");
    waiting.await.unwrap().unwrap();
}

/// All records in calls of so many, and those that are reported as unreadable, in order.
fn follow_damaged(journal: &Journal, mut most: impl FnMut() -> usize) -> (Vec<RecordCopy>, Vec<UnreadableRecords>) {
    let (mut found, mut unreadable, mut after): (Vec<RecordCopy>, Vec<UnreadableRecords>, _) = (vec![], vec![], Lsn(0));
    loop {
        let (mut count, most, mut newest) = (0, most(), after);
        let followed = journal.follow(after, &mut |visited| {
            let lsns: Vec<(Lsn, Lsn)> = match visited {
                Visited::Records(records) => {
                    found.extend(records.iter().map(|Record { lsn, owner, offset, events, .. }| RecordCopy {
                        lsn: *lsn,
                        owner: *owner,
                        offset: *offset,
                        events: events.to_vec(),
                    }));
                    records.iter().map(|record| (record.lsn, record.lsn)).collect()
                }
                Visited::Unreadable(records) => {
                    unreadable.push(records.clone());
                    vec![(records.first, records.last)]
                }
            };
            for (first, last) in lsns {
                assert!(first > newest && last >= first, "{first} to {last} after {newest}");
                newest = last;
            }
            count += 1;
            if count >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let followed = followed.unwrap();
        assert!(!followed.was_cut || followed.next > after, "the call makes progress: {followed:?} after {after}");
        if !followed.was_cut {
            return (found, unreadable);
        }
        after = followed.next;
    }
}

#[test]
fn a_damaged_record_is_reported_and_ends_no_call() {
    for seed in 1..=6_u64 {
        let (store, mut workload, mut random) = (Memory::new(), Workload::default(), Random::new(seed));
        let opened = opened(&store, Sync::Always, 0);
        let journal = &opened.journal;
        live(journal, &mut workload, seed, 150);
        journal.commit(journal.last()).unwrap();
        let (want, mut damaged) = (workload.records(journal.lasting()), 0);
        for round in 0..60 {
            let segments = journal.segments();
            let segment = &segments[random.below(segments.len())];
            let bytes = store.bytes(&segment.path).unwrap().len();
            // One bit of a head, of a batch header or of a record, or many bits.
            let flips: Vec<(usize, u8)> = (0..1 + random.below(4) / 3 * 40)
                .map(|_| (random.below(bytes), u8::try_from(random.below(8)).unwrap()))
                .collect();
            flips.iter().for_each(|(at, bit)| assert!(store.flip_bit(&segment.path, *at, *bit)));
            let about = format!("seed {seed}, round {round}, {}", segment.path);
            let (found, unreadable) = follow_damaged(journal, || 1 + random.below(20));
            let covered = |lsn: Lsn| unreadable.iter().any(|records| (records.first..=records.last).contains(&lsn));
            // Every record is delivered, or is reported as unreadable.
            for record in &want {
                assert!(found.contains(record) || covered(record.lsn), "{about}: record {} is missing", record.lsn);
                assert!(!(found.contains(record) && covered(record.lsn)), "{about}: record {} is both", record.lsn);
            }
            assert!(found.iter().all(|record| want.contains(record)), "{about}: nothing else is delivered");
            damaged += unreadable.len();
            flips.iter().for_each(|(at, bit)| assert!(store.flip_bit(&segment.path, *at, *bit)));
        }
        assert!(damaged > 20, "seed {seed}: {damaged} ranges were unreadable");
        // One record is damaged: it alone is unreadable.
        let victim = want.iter().find(|record| record.owner > 0 && record.lsn > Lsn(20)).unwrap();
        let segment = journal.segments().into_iter().rfind(|segment| segment.first_offset <= victim.offset).unwrap();
        let at = usize::try_from(RECORDS_FROM + victim.offset.0 - segment.first_offset.0).unwrap() + 30;
        assert!(store.flip_bit(&segment.path, at, 0));
        let (found, unreadable) = follow_damaged(journal, || usize::MAX);
        let lsns: Vec<(Lsn, Lsn)> = unreadable.iter().map(|records| (records.first, records.last)).collect();
        assert_eq!(lsns, [(victim.lsn, victim.lsn)], "seed {seed}: {unreadable:?}");
        assert!(unreadable[0].reason.contains("checksum"), "{unreadable:?}");
        let others: Vec<RecordCopy> = want.iter().filter(|record| record.lsn != victim.lsn).cloned().collect();
        assert!(found == others, "seed {seed}: {} of {}", found.len(), others.len());
    }
}
