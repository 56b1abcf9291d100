//! Tests of the keys: sealed bytes, and the bytes of the file.

use super::*;
use crate::storage::{
    fs::memory::{Fault, Keep, Memory, StalledCalls},
    keys::entry::{FORMAT, Header},
};

mod damage;

const JOURNAL: [u8; 16] = *b"0123456789abcdef";

const KEYED_DIGEST: u128 = 99_268_862_706_284_601_598_352_737_280_135_702_244;
const HEADER: &str = "4c474b45595300000100000000000000303132333435363738396162636465660000000000000000000000000000000000000000000000000000000067c04748";
const LIVE: &str = "0807060504030201090000000000000001000000d37074e3abababababababababababababababababababababababababababababababab03000000f36a6778";
const ERASED: &str = "0807060504030201090000000000000002000000d37074e3000000000000000000000000000000000000000000000000000000000000000003000000e3e820f8";

fn sealed(keys: &Keys, customer: u64, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(keys.seal(customer, plain, &mut out).unwrap());
    out
}

fn plain(keys: &Keys, customer: u64, sealed: &[u8]) -> Result<String, KeysError> {
    Ok(match keys.unseal(customer, sealed)? {
        Unsealed::Plain(plain) => String::from_utf8(plain).unwrap(),
        Unsealed::Erased => "erased".to_owned(),
    })
}

fn write_and_sync(keys: &Keys) {
    keys.write().unwrap();
    keys.sync().unwrap();
}

/// A store with keys of customers 1 to 3, each written and synced on its own, and their sealed bytes. The key of 2 is
/// erased.
fn store_with_three_keys() -> (Memory, Vec<Vec<u8>>) {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let sealed = (1..=3_u64)
        .map(|customer| {
            let sealed = sealed(&keys, customer, format!("of {customer}").as_bytes());
            write_and_sync(&keys);
            sealed
        })
        .collect();
    keys.erase(2).unwrap();
    (store, sealed)
}

#[test]
fn sealed_bytes_open_only_for_their_customer_in_their_journal() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let (one, again, two) = (sealed(&keys, 1, b"alice"), sealed(&keys, 1, b"alice"), sealed(&keys, 2, b""));
    assert_ne!(one, again);
    assert_eq!(one[..8], again[..8]);
    assert_eq!(two.len(), HEAD_BYTES + 16);
    write_and_sync(&keys);
    for keys in [&keys, &Keys::open(&store, JOURNAL).unwrap()] {
        assert_eq!(plain(keys, 1, &one).unwrap(), "alice");
        assert_eq!(plain(keys, 1, &again).unwrap(), "alice");
        assert_eq!(plain(keys, 2, &two).unwrap(), "");
        assert!(matches!(plain(keys, 2, &one), Err(KeysError::Missing { customer: 2, .. })));
        assert_eq!((keys.missing_key(1, &one), keys.missing_key(1, b"short")), (None, None));
        assert!(keys.missing_key(2, &one).is_some());
        // Sealed bytes with the key number of another customer do not open.
        let moved = [&two[..8], &one[8..]].concat();
        assert!(matches!(plain(keys, 2, &moved), Err(KeysError::Tampered { customer: 2, .. })));
        for bit in 0..one.len() * 8 {
            let mut flipped = one.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = plain(keys, 1, &flipped).unwrap_err();
            assert!(matches!(error, KeysError::Missing { customer: 1, .. } | KeysError::Tampered { customer: 1, .. }));
        }
        for end in 0..one.len() {
            assert!(matches!(plain(keys, 1, &one[..end]), Err(KeysError::Tampered { customer: 1, .. })));
        }
    }
    // The same key does not open in another journal.
    let other = Keys { journal: [7; 16], ..Keys::open(&store, JOURNAL).unwrap() };
    assert!(matches!(plain(&other, 1, &one), Err(KeysError::Tampered { customer: 1, .. })));
    assert!(matches!(Keys::open(&store, [7; 16]), Err(KeysError::Foreign)));
}

#[test]
fn keys_without_a_file_have_no_pending_entries() {
    let keys = Keys::in_memory(JOURNAL);
    for customer in 1..=3 {
        let sealed = sealed(&keys, customer, b"alice");
        assert!(keys.pending.lock().entries.is_empty());
        assert_eq!(plain(&keys, customer, &sealed).unwrap(), "alice");
    }
    keys.erase(2).unwrap();
    assert_eq!((keys.counts(), keys.is_erased(2)), (KeyCounts { live: 2, erased: 1 }, true));
}

#[test]
fn the_next_write_adds_a_new_key_to_the_file() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    assert_eq!(store.paths(), [PATH]);
    let one = sealed(&keys, 1, b"alice");
    assert_eq!(store.bytes(PATH).unwrap().len(), ENTRY_BYTES);
    keys.write().unwrap();
    assert_eq!(store.bytes(PATH).unwrap().len(), 2 * ENTRY_BYTES);
    assert_eq!(plain(&Keys::open(&store.kill_image(), JOURNAL).unwrap(), 1, &one).unwrap(), "alice");
    let cut = Keys::open(&store.crash_image(&mut |_| Keep::Nothing), JOURNAL).unwrap();
    assert!(matches!(plain(&cut, 1, &one), Err(KeysError::Missing { .. })));
    keys.sync().unwrap();
    let cut = Keys::open(&store.crash_image(&mut |_| Keep::Nothing), JOURNAL).unwrap();
    assert_eq!(plain(&cut, 1, &one).unwrap(), "alice");
    // Without a new key there is no call.
    let calls = store.calls();
    write_and_sync(&keys);
    sealed(&keys, 1, b"bob");
    write_and_sync(&keys);
    assert_eq!(store.calls(), calls);
}

#[test]
fn an_erased_customer_stays_erased_and_gets_no_new_key() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let (one, two, three) = (sealed(&keys, 1, b"alice"), sealed(&keys, 2, b"bob"), sealed(&keys, 3, b"carol"));
    keys.write().unwrap();
    let key_of_four = sealed(&keys, 4, b"dave");
    keys.erase(1).unwrap();
    keys.erase(4).unwrap();
    keys.erase(9).unwrap();
    keys.erase(9).unwrap();
    let reopened = Keys::open(&store.crash_image(&mut |_| Keep::Nothing), JOURNAL).unwrap();
    for keys in [&keys, &reopened] {
        for (customer, sealed) in [(1, &one), (4, &key_of_four)] {
            assert_eq!(plain(keys, customer, sealed).unwrap(), "erased");
        }
        assert_eq!(plain(keys, 2, &two).unwrap(), "bob");
        assert_eq!(plain(keys, 3, &three).unwrap(), "carol");
        for erased in [1, 4, 9] {
            let mut out = vec![7];
            assert!(!keys.seal(erased, b"alice", &mut out).unwrap());
            assert_eq!((out, keys.keyed_digest(erased, 5)), (vec![7], 5));
        }
    }
    let bytes = store.bytes(PATH).unwrap();
    assert_eq!(bytes.len(), 6 * ENTRY_BYTES);
    assert_eq!(bytes[ENTRY_BYTES + 24..][..32], [0; 32]);
    let memory = Keys::in_memory(JOURNAL);
    let one = sealed(&memory, 1, b"alice");
    write_and_sync(&memory);
    assert_eq!(plain(&memory, 1, &one).unwrap(), "alice");
    memory.erase(1).unwrap();
    assert_eq!(plain(&memory, 1, &one).unwrap(), "erased");
}

#[test]
fn a_digest_is_keyed_with_the_oldest_key() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    assert_eq!(keys.keyed_digest(1, 5), 5);
    sealed(&keys, 1, b"");
    sealed(&keys, 2, b"");
    let keyed = keys.keyed_digest(1, 5);
    assert!(keyed != 5 && keyed != keys.keyed_digest(2, 5) && keyed != keys.keyed_digest(1, 6));
    let second = KeyEntry { number: 77, customer: 1, key: Some([9; 32]) };
    keys.add(&mut keys.shard(1).write(), &mut keys.pending.lock(), second).unwrap();
    write_and_sync(&keys);
    let reopened = Keys::open(&store, JOURNAL).unwrap();
    for keys in [&keys, &reopened] {
        assert_eq!(keys.keyed_digest(1, 5), keyed);
        // The newest key seals.
        assert_eq!(sealed(keys, 1, b"")[..8], 77_u64.to_le_bytes());
    }
    // The function must never change: stored digests are compared with it.
    let keys = Keys::in_memory(JOURNAL);
    keys.load(0, &KeyEntry { number: 1, customer: 1, key: Some([9; 32]) });
    assert_eq!(keys.keyed_digest(1, 5), KEYED_DIGEST);
}

#[test]
fn the_bytes_of_the_file_never_change() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let entry = KeyEntry { number: 0x0102_0304_0506_0708, customer: 9, key: Some([0xAB; 32]) };
    assert_eq!(hex(&Header { format: FORMAT, journal: JOURNAL }.bytes()), HEADER);
    assert_eq!(hex(&entry.bytes(3)), LIVE);
    assert_eq!(hex(&KeyEntry { key: None, ..entry }.bytes(3)), ERASED);
}

/// Sealed bytes open with any key number that the file gives, and are erased with that key.
#[test]
fn a_key_is_found_by_the_number_that_the_file_gives_it() {
    let store = Memory::new();
    drop(Keys::open(&store, JOURNAL).unwrap());
    let large = 1 << 63 | 9;
    for (place, customer) in [9, large].into_iter().enumerate() {
        let entry = KeyEntry { number: 77 + customer, customer, key: Some([0xAB; 32]) };
        let at = ((place + 1) * ENTRY_BYTES) as u64;
        store.open(PATH).unwrap().write_at(&entry.bytes(0), at).unwrap();
    }
    let keys = Keys::open(&store, JOURNAL).unwrap();
    for customer in [9, large] {
        let sealed = sealed(&keys, customer, b"alice");
        assert_eq!(sealed[..8], (77 + customer).to_le_bytes());
        assert_eq!(plain(&keys, customer, &sealed).unwrap(), "alice");
        keys.erase(customer).unwrap();
        for keys in [&keys, &Keys::open(&store, JOURNAL).unwrap()] {
            assert_eq!(plain(keys, customer, &sealed).unwrap(), "erased");
        }
    }
    assert_eq!(Keys::open(&store, JOURNAL).unwrap().counts(), KeyCounts { live: 0, erased: 2 });
}

#[test]
fn a_failed_call_leaves_a_file_that_opens_again() {
    for call in 1..30 {
        for fault in [Fault::Error(5), Fault::Short(28)] {
            let store = Memory::new();
            store.fail_at(call, fault);
            let mut kept: Vec<(u64, Vec<u8>)> = Vec::new();
            let run = (|| -> Result<(), KeysError> {
                let keys = Keys::open(&store, JOURNAL)?;
                for customer in 1..=4 {
                    let sealed = sealed(&keys, customer, b"x");
                    keys.write()?;
                    keys.sync()?;
                    kept.push((customer, sealed));
                }
                keys.erase(2)
            })();
            // Acknowledged keys are there, whichever part of the others was lost.
            for keep in [Keep::Nothing, Keep::All, Keep::Prefix(40)] {
                let keys = Keys::open(&store.crash_image(&mut |_| keep), JOURNAL).unwrap();
                for (customer, sealed) in &kept {
                    let found = plain(&keys, *customer, sealed).unwrap();
                    assert!(found == "x" || (*customer == 2 && kept.len() == 4), "call {call} {fault:?} {keep:?}");
                    assert!(run.is_err() || found == if *customer == 2 { "erased" } else { "x" });
                }
            }
        }
    }
}

#[test]
fn concurrent_sealing_writing_syncing_and_erasing_lose_no_key() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let sealed: Vec<(u64, Vec<u8>)> = std::thread::scope(|scope| {
        let sealers: Vec<_> = (0..4_u64)
            .map(|thread| {
                let keys = &keys;
                scope.spawn(move || {
                    let customers = (0..500).map(|n| 1 + thread * 1_000 + n);
                    let all = customers.map(|customer| {
                        let sealed = sealed(keys, customer, b"x");
                        if customer % 10 == 0 {
                            keys.erase(customer).unwrap();
                        }
                        (customer, sealed)
                    });
                    all.collect::<Vec<_>>()
                })
            })
            .collect();
        for _ in 0..200 {
            write_and_sync(&keys);
        }
        sealers.into_iter().flat_map(|sealer| sealer.join().unwrap()).collect()
    });
    write_and_sync(&keys);
    let reopened = Keys::open(&store.crash_image(&mut |_| Keep::Nothing), JOURNAL).unwrap();
    for (customer, sealed) in &sealed {
        let want = if customer % 10 == 0 { "erased" } else { "x" };
        assert_eq!(plain(&reopened, *customer, sealed).unwrap(), want);
    }
}

#[test]
fn a_failed_sync_is_not_repeated() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    sealed(&keys, 1, b"x");
    keys.write().unwrap();
    store.fail_at(store.calls() + 1, Fault::Error(5));
    assert!(keys.sync().is_err());
    // A second sync would succeed although the key is lost.
    assert!(keys.sync().is_err());
    sealed(&keys, 2, b"y");
    assert!(keys.write().is_err() && keys.erase(1).is_err());
    assert_eq!(Keys::open(&store.crash_image(&mut |_| Keep::All), JOURNAL).unwrap().counts(), KeyCounts::default());
}

#[test]
fn while_the_file_stalls_keys_are_created_and_no_task_waits() {
    for stalls in [StalledCalls::Writes(""), StalledCalls::Syncs("")] {
        let store = Memory::new();
        let keys = Keys::open(&store, JOURNAL).unwrap();
        sealed(&keys, 1, b"x");
        keys.write().unwrap();
        std::thread::scope(|scope| {
            let stall = store.stall(stalls);
            let erasing = scope.spawn(|| keys.erase(1));
            stall.until_a_call_waits();
            let other = sealed(&keys, 2, b"y");
            assert_eq!(plain(&keys, 2, &other).unwrap(), "y");
            // A write waits for another write, but not for a sync.
            let is_sync = stalls == StalledCalls::Syncs("");
            assert_eq!(keys.try_write().unwrap(), is_sync, "{stalls:?}");
            assert!(!erasing.is_finished());
            drop(stall);
            erasing.join().unwrap().unwrap();
        });
        keys.write().unwrap();
        keys.sync().unwrap();
        let image = store.crash_image(&mut |_| Keep::Nothing);
        assert_eq!(Keys::open(&image, JOURNAL).unwrap().counts(), KeyCounts { live: 1, erased: 1 });
    }
}

#[test]
fn entries_are_listed_in_slot_order_from_the_file_and_from_memory() {
    let store = Memory::new();
    let in_file = Keys::open(&store, JOURNAL).unwrap();
    let in_memory = Keys::in_memory(JOURNAL);
    for keys in [&in_file, &in_memory] {
        assert_eq!((keys.slots(), keys.entries_after(0, 9).unwrap()), (0, Vec::new()));
        for customer in 1..=9 {
            sealed(keys, customer, b"x");
            if customer == 4 {
                write_and_sync(keys);
                keys.erase(2).unwrap();
            }
        }
        keys.erase(20).unwrap();
        sealed(keys, 1 << 40, b"the key of a job");
        assert_eq!(keys.slots(), 11);
        let all = keys.entries_after(0, usize::MAX).unwrap();
        let listed: Vec<(u32, u64, bool)> =
            all.iter().map(|(slot, entry)| (*slot, entry.customer, entry.key.is_some())).collect();
        let want: Vec<(u32, u64, bool)> = [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 1 << 40]
            .into_iter()
            .zip(0..)
            .map(|(customer, slot)| (slot, customer, ![2, 20].contains(&customer)))
            .collect();
        assert_eq!(listed, want);
        for count in 1..12 {
            let (mut next, mut found) = (0, Vec::new());
            loop {
                let some = keys.entries_after(next, count).unwrap();
                assert!(some.len() <= count);
                let Some((last, _)) = some.last() else { break };
                next = last + 1;
                found.extend(some);
            }
            assert!(found == all, "{count} at once");
        }
        let numbers = |customer| -> Vec<u64> {
            let of = all.iter().filter(|(_, entry)| entry.customer == customer);
            of.map(|(_, entry)| entry.number).collect()
        };
        assert_eq!((keys.erased_numbers(2), keys.erased_numbers(20)), (numbers(2), numbers(20)));
        assert!(keys.erased_numbers(1).is_empty());
        assert!(!format!("{all:?}").contains(&format!("{:?}", all[0].1.key.unwrap())), "a key is in no log");
    }
    // What is listed after a start, and after damage in the middle.
    write_and_sync(&in_file);
    let all = in_file.entries_after(0, 99).unwrap();
    drop(in_file);
    assert!(Keys::open(&store, JOURNAL).unwrap().entries_after(0, 99).unwrap() == all);
}

#[test]
fn entries_of_a_copy_open_what_they_sealed_and_an_erased_key_stays_erased() {
    let origin = Keys::in_memory(JOURNAL);
    let secrets: Vec<Vec<u8>> = (1..=4).map(|customer| sealed(&origin, customer, b"x")).collect();
    let before: Vec<KeyEntry> = origin.entries_after(0, 99).unwrap().into_iter().map(|(_, entry)| entry).collect();
    origin.erase(2).unwrap();
    origin.erase(7).unwrap();
    let after: Vec<KeyEntry> = origin.entries_after(0, 99).unwrap().into_iter().map(|(_, entry)| entry).collect();
    for written_between in [false, true] {
        for parts in [[&before, &after], [&after, &before], [&after, &after]] {
            let store = Memory::new();
            let copy = Keys::open(&store, JOURNAL).unwrap();
            for part in parts {
                copy.insert(part).unwrap();
                if written_between {
                    write_and_sync(&copy);
                }
            }
            write_and_sync(&copy);
            drop(copy);
            for image in [store.kill_image(), store.crash_image(&mut |_| Keep::Nothing)] {
                let copy = Keys::open(&image, JOURNAL).unwrap();
                assert_eq!((copy.counts(), copy.slots()), (KeyCounts { live: 3, erased: 2 }, 5));
                for (customer, secret) in (1..).zip(&secrets) {
                    let want = if customer == 2 { "erased" } else { "x" };
                    assert_eq!(plain(&copy, customer, secret).unwrap(), want);
                }
                assert!(copy.is_erased(2) && copy.is_erased(7) && !copy.is_erased(1));
                assert_eq!(copy.erased_numbers(2), origin.erased_numbers(2));
                assert!(sealed(&copy, 1, b"y").starts_with(&before[0].number.to_le_bytes()), "no second key");
            }
        }
    }
}
