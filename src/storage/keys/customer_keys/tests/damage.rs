//! Damaged files of keys.

use super::*;

#[test]
fn a_torn_tail_is_dropped_at_every_byte_and_written_again() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let one = sealed(&keys, 1, b"alice");
    write_and_sync(&keys);
    let two = sealed(&keys, 2, b"bob");
    let three = sealed(&keys, 3, b"carol");
    keys.write().unwrap();
    for end in 0..=2 * ENTRY_BYTES {
        for keep in [Keep::Prefix(end), Keep::Length] {
            let image = store.crash_image(&mut |_| keep);
            let before = image.bytes(PATH);
            let keys = Keys::open(&image, JOURNAL).unwrap();
            assert_eq!(image.bytes(PATH), before, "opening changes nothing");
            let whole = if keep == Keep::Length { 0 } else { end / ENTRY_BYTES };
            assert_eq!(plain(&keys, 1, &one).unwrap(), "alice");
            for (place, (customer, sealed)) in [(2, &two), (3, &three)].into_iter().enumerate() {
                assert_eq!(plain(&keys, customer, sealed).is_ok(), place < whole, "{end}");
            }
            let four = sealed(&keys, 4, b"dave");
            write_and_sync(&keys);
            let keys = Keys::open(&image.crash_image(&mut |_| Keep::Nothing), JOURNAL).unwrap();
            assert_eq!(plain(&keys, 1, &one).unwrap(), "alice");
            assert_eq!(plain(&keys, 4, &four).unwrap(), "dave");
            assert_eq!(plain(&keys, 3, &three).is_ok(), whole == 2, "{end}");
        }
    }
}

#[test]
fn sectors_that_a_power_cut_lost_become_holes_and_later_entries_count() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let first = sealed(&keys, 100, b"first");
    write_and_sync(&keys);
    let all: Vec<Vec<u8>> = (0..32_u64).map(|customer| sealed(&keys, customer, b"x")).collect();
    keys.write().unwrap();
    for mask in 0..16 {
        let image = store.crash_image(&mut |_| Keep::Sectors(mask));
        let keys = Keys::open(&image, JOURNAL).unwrap();
        let is_kept = |customer: u64| mask >> (customer / 8) & 1 == 1;
        assert_eq!(keys.dropped_entries(), 8 * (4 - mask.count_ones()));
        // A second power cut during the repair of the first.
        let late = sealed(&keys, 101, b"late");
        keys.write().unwrap();
        for again in [Keep::Nothing, Keep::All, Keep::Prefix(30), Keep::Length] {
            let keys = Keys::open(&image.crash_image(&mut |_| again), JOURNAL).unwrap();
            assert_eq!(plain(&keys, 100, &first).unwrap(), "first");
            for (customer, sealed) in (0..).zip(&all) {
                assert_eq!(plain(&keys, customer, sealed).is_ok(), is_kept(customer), "{mask:b} {customer} {again:?}");
            }
        }
        keys.sync().unwrap();
        sealed(&keys, 102, b"later");
        keys.write().unwrap();
        let keys = Keys::open(&image, JOURNAL).unwrap();
        assert_eq!((plain(&keys, 101, &late).unwrap().as_str(), keys.dropped_entries()), ("late", 0));
    }
}

#[test]
fn an_erasure_torn_at_any_byte_leaves_the_whole_key_or_none() {
    let store = Memory::new();
    let keys = Keys::open(&store, JOURNAL).unwrap();
    let sealed: Vec<Vec<u8>> = (1..=3_u64).map(|customer| sealed(&keys, customer, b"x")).collect();
    write_and_sync(&keys);
    // A later start requires all of them to be whole.
    let keys = Keys::open(&store, JOURNAL).unwrap();
    super::tests::sealed(&keys, 4, b"x");
    write_and_sync(&keys);
    let calls = store.calls();
    store.freeze_at(calls + 2);
    keys.erase(2).unwrap_err();
    assert_eq!(plain(&keys, 2, &sealed[1]).unwrap(), "erased");
    for end in 0..=ENTRY_BYTES {
        let image = store.crash_image(&mut |_| Keep::Prefix(end));
        let keys = Keys::open(&image, JOURNAL).unwrap();
        let found = plain(&keys, 2, &sealed[1]).unwrap();
        assert_eq!(found, if end > 16 { "erased" } else { "x" }, "{end}");
        for customer in [1, 3] {
            assert_eq!(plain(&keys, customer, &sealed[usize::try_from(customer - 1).unwrap()]).unwrap(), "x");
        }
        // The next write completes the erasure.
        write_and_sync(&keys);
        let bytes = image.bytes(PATH).unwrap();
        assert_eq!(bytes[2 * ENTRY_BYTES + 24..][..32] == [0; 32], end > 16, "{end}");
        keys.erase(2).unwrap();
        let keys = Keys::open(&image, JOURNAL).unwrap();
        assert_eq!((plain(&keys, 2, &sealed[1]).unwrap().as_str(), keys.dropped_entries()), ("erased", 0));
    }
}

#[test]
fn any_flipped_bit_is_refused_or_drops_the_last_key_and_opens_for_no_other_customer() {
    let (store, sealed) = store_with_three_keys();
    let len = store.bytes(PATH).unwrap().len();
    assert_eq!(len, 4 * ENTRY_BYTES);
    for bit in 0..len * 8 {
        let (offset, image) = (bit / 8, store.kill_image());
        assert!(image.flip_bit(PATH, offset, u8::try_from(bit % 8).unwrap()));
        let slot = offset / ENTRY_BYTES;
        match Keys::open(&image, JOURNAL) {
            Err(KeysError::Damaged { offset: found }) => {
                assert_eq!(usize::try_from(found).unwrap(), slot * ENTRY_BYTES);
                assert!(slot < 3, "damage in the last entry drops it");
            }
            Err(error) => panic!("{error}"),
            Ok(keys) => {
                // The last entry need not be whole, and the bytes of an erased key are ignored.
                let of_erased = slot == 2 && offset % ENTRY_BYTES > 16;
                assert!(slot == 3 || of_erased, "byte {offset}");
                assert_eq!(plain(&keys, 1, &sealed[0]).unwrap(), "of 1");
                assert_eq!(plain(&keys, 2, &sealed[1]).unwrap(), "erased");
                let last = plain(&keys, 3, &sealed[2]);
                assert_eq!(last.is_err(), slot == 3, "byte {offset}");
                for (customer, theirs) in (1..).zip(&sealed) {
                    for other in (1..=4).filter(|other| *other != customer) {
                        assert!(plain(&keys, other, theirs).is_err());
                    }
                }
            }
        }
    }
}

#[test]
fn a_file_with_a_cut_header_or_of_another_format_is_refused() {
    let (store, _) = store_with_three_keys();
    let whole = store.bytes(PATH).unwrap();
    for end in 0..ENTRY_BYTES {
        let image = Memory::new();
        image.put(PATH, &whole[..end]);
        assert!(matches!(Keys::open(&image, JOURNAL), Err(KeysError::Damaged { offset: 0 })));
    }
    let image = Memory::new();
    image.put(PATH, &Header { format: FORMAT + 1, journal: JOURNAL }.bytes());
    assert!(matches!(Keys::open(&image, JOURNAL), Err(KeysError::Newer(2))));
}
