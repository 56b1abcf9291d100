//! Bits that turned over, everywhere.

use crate::storage::{
    fs::memory::Memory,
    journal::{
        model::{error::OpenError, ids::Lsn, options::Sync},
        tests::{Workload, live, open, open_store, options},
    },
};
use std::sync::Arc;

/// Opens it with a bit turned, and holds what is found against the workload: a prefix, or a refusal.
fn hunt(store: &Memory, workload: &Workload, known: Lsn, sync: Sync) -> (usize, usize) {
    let (mut refused, mut cut) = (0, 0);
    // Flips in the file of the synced number have a test of their own.
    for path in store.paths().into_iter().filter(|path| path.ends_with(".log")) {
        for offset in 0..store.bytes(&path).unwrap().len() {
            let image = store.kill_image();
            let bit = u8::try_from(offset % 8).unwrap();
            assert!(image.flip_bit(&path, offset, bit));
            let before: Vec<_> = image.paths().iter().map(|path| image.bytes(path).unwrap()).collect();
            match open_store(Arc::new(image.clone()), options(sync), Lsn(0), known) {
                Ok(opened) => {
                    let about = format!("{path} bit {bit} of byte {offset}");
                    assert_eq!(opened.found, workload.records(opened.recovery.last), "{about}");
                    assert!(opened.recovery.last >= known && opened.recovery.cut_bytes > 0, "{about}: not noticed");
                    cut += 1;
                }
                Err(error) => {
                    assert!(!matches!(error, OpenError::Io { .. } | OpenError::Replay { .. }), "{path}: {error}");
                    let after: Vec<_> = image.paths().iter().map(|path| image.bytes(path).unwrap()).collect();
                    assert!(before == after, "{path} bit {bit} of byte {offset}: it was changed and refused");
                    refused += 1;
                }
            }
        }
    }
    (refused, cut)
}

#[test]
fn a_bit_in_every_byte_is_refused_or_cut() {
    for sync in [Sync::Always, Sync::Interval, Sync::Never] {
        let (store, mut workload) = (Memory::new(), Workload::default());
        let opened = open(&store, sync).unwrap();
        live(&opened.journal, &mut workload, 21, 30);
        workload.commit(&opened.journal, opened.journal.last());
        drop(opened);
        let image = store.kill_image();
        let (refused, cut) = hunt(&image, &workload, Lsn(0), sync);
        assert!(refused > 0 && cut > 0, "{sync:?}: {refused} refused, {cut} cut");
        let (_, cut) = hunt(&image, &workload, Lsn(workload.steps.last().unwrap().lsn.0), sync);
        assert_eq!(cut, 0, "what a snapshot knows to be synced is never cut");
    }
}

#[test]
fn a_batch_header_after_damage_states_that_it_was_synced() {
    let store = Memory::new();
    let opened = open(&store, Sync::Interval).unwrap();
    opened.journal.append(1, b"on the medium");
    opened.journal.sync().unwrap();
    let written = store.bytes("journal/00000000000000000001.log").unwrap().len();
    let last = opened.journal.append(1, b"with the system").lsn;
    opened.journal.commit(last).unwrap();
    drop(opened);
    for offset in 60..store.bytes("journal/00000000000000000001.log").unwrap().len() {
        for bit in 0..8 {
            let image = store.kill_image();
            assert!(image.flip_bit("journal/00000000000000000001.log", offset, bit));
            match open(&image, Sync::Interval) {
                Ok(opened) => {
                    assert!(offset >= written, "bit {bit} of byte {offset} was synced and is cut");
                    assert_eq!(opened.recovery.last, Lsn(1));
                }
                Err(error) => assert!(offset < written, "bit {bit} of byte {offset}: {error}"),
            }
        }
    }
}

#[test]
fn of_several_damages_the_first_is_reported() {
    let (store, mut workload) = (Memory::new(), Workload::default());
    let opened = open(&store, Sync::Always).unwrap();
    live(&opened.journal, &mut workload, 21, 60);
    workload.sync(&opened.journal);
    let last = opened.journal.last();
    drop(opened);
    let mut paths = store.paths();
    paths.retain(|path| path.ends_with(".log"));
    paths.sort_by_key(|path| path.rsplit('/').next().unwrap().to_owned());
    assert!(paths.len() > 3, "{paths:?}");
    for (place, first) in paths.iter().enumerate() {
        for second in &paths[place + 1..] {
            let image = store.kill_image();
            for path in [first, second] {
                assert!(image.flip_bit(path, store.bytes(path).unwrap().len() / 2, 3));
            }
            match open_store(Arc::new(image), options(Sync::Always), Lsn(0), last) {
                Err(OpenError::Corrupt { file, .. }) => assert_eq!(&file, first, "and {second}"),
                Err(other) => panic!("{first}, {second}: {other}"),
                Ok(_) => panic!("{first}, {second}: not noticed"),
            }
        }
    }
}
