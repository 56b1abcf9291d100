//! Tests of the store in memory.

use super::*;
use crate::storage::fs::store::Store;

/// Checks the behaviour of any store.
pub(crate) fn check_store(store: &dyn Store) {
    assert_eq!(store.list("a").unwrap(), Vec::<String>::new());
    store.sync_folder("a").unwrap();
    let file = store.create("a/two").unwrap();
    assert!(store.create("a/two").is_err(), "an existing file is not created again");
    store.create("a/one").unwrap();
    assert_eq!(store.list("a").unwrap(), ["one", "two"]);
    file.write_at(b"abcdef", 2).unwrap();
    file.sync().unwrap();
    store.sync_folder("a").unwrap();
    assert_eq!(file.len().unwrap(), 8);
    let mut bytes = [9; 10];
    assert_eq!(crate::storage::fs::store::read_full(&*file, &mut bytes, 1).unwrap(), 7);
    assert_eq!(&bytes[..7], b"\0abcdef");
    store.rename("a/two", "b/three").unwrap();
    file.truncate(3).unwrap();
    assert_eq!(store.open("b/three").unwrap().len().unwrap(), 3);
    assert!(store.open("a/two").is_err());
    store.remove("b/three").unwrap();
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), 3, "an open file stays readable after its removal");
    assert_eq!(file.read_at(&mut bytes, 3).unwrap(), 0);
    assert_eq!((store.list("a").unwrap(), store.list("b").unwrap()), (vec!["one".to_owned()], vec![]));
    assert!(store.remove("b/three").is_err() && store.rename("b/three", "b/x").is_err());
}

fn all(keep: Keep) -> impl FnMut(Unsynced) -> Keep {
    move |_| keep
}

#[test]
fn it_behaves_like_every_store() {
    check_store(&Memory::new());
}

#[test]
fn a_power_cut_keeps_any_part_of_unsynced_changes() {
    let store = Memory::new();
    let file = store.create("a/f").unwrap();
    file.write_at(b"durable", 0).unwrap();
    file.sync().unwrap();
    assert_eq!(store.crash_image(&mut all(Keep::Nothing)).paths(), Vec::<String>::new(), "the name was not synced");
    store.sync_folder("a").unwrap();
    file.write_at(b"lost", 7).unwrap();
    let after_crash = |keep| store.crash_image(&mut all(keep)).bytes("a/f").unwrap();
    assert_eq!(after_crash(Keep::Nothing), b"durable");
    assert_eq!(after_crash(Keep::All), b"durablelost");
    assert_eq!(after_crash(Keep::Prefix(2)), b"durablelo");
    assert_eq!(after_crash(Keep::Sectors(1)), b"durablelost");
    assert_eq!(after_crash(Keep::Sectors(0)), b"durable\0\0\0\0");
    assert_eq!(after_crash(Keep::Length), b"durable\0\0\0\0");
    assert_eq!(store.kill_image().bytes("a/f").unwrap(), b"durablelost");
}

#[test]
fn a_rename_is_durable_when_both_folders_are_synced() {
    let store = Memory::new();
    store.put("a/f", b"x");
    store.rename("a/f", "b/f").unwrap();
    store.sync_folder("b").unwrap();
    assert_eq!(store.crash_image(&mut all(Keep::Nothing)).paths(), ["a/f"]);
    assert_eq!(store.crash_image(&mut all(Keep::All)).paths(), ["b/f"]);
    store.sync_folder("a").unwrap();
    assert_eq!(store.crash_image(&mut all(Keep::Nothing)).paths(), ["b/f"]);
}

#[test]
fn a_failed_sync_loses_changes_and_the_next_sync_succeeds_without_them() {
    let store = Memory::new();
    store.put("a/f", b"");
    let file = store.open("a/f").unwrap();
    file.write_at(b"x", 0).unwrap();
    store.fail_at(store.calls() + 1, Fault::Error(EIO));
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(EIO));
    file.sync().unwrap();
    assert_eq!(store.bytes("a/f").unwrap(), b"x");
    assert_eq!(store.crash_image(&mut all(Keep::All)).bytes("a/f").unwrap(), b"");
}

#[test]
fn a_fault_hits_its_call_and_a_frozen_store_changes_nothing() {
    let store = Memory::new();
    let file = store.create("a/f").unwrap();
    store.fail_at(2, Fault::Short(ENOSPC));
    assert_eq!(file.write_at(b"abcd", 0).unwrap_err().raw_os_error(), Some(ENOSPC));
    assert_eq!(store.bytes("a/f").unwrap(), b"ab");
    store.freeze_at(3);
    assert!(file.write_at(b"abcd", 0).is_err() && file.sync().is_err() && store.remove("a/f").is_err());
    assert_eq!((store.calls(), store.kill_image().calls()), (5, 0));
    assert_eq!(store.crash_image(&mut all(Keep::All)).bytes("a/f").unwrap(), b"ab");
    assert!(store.flip_bit("a/f", 0, 0) && !store.flip_bit("a/f", 9, 0));
}
