//! The shapes of the state that belongs to no customer.

use super::*;

#[test]
fn events_are_split_into_pieces_and_read_again() {
    let long = "x".repeat(200_000);
    let put = |at| GlobalEvent::RatesPut { body: long.as_str().into(), at: Millis(at), by: None };
    let events: Vec<GlobalEvent> = (0..20).map(put).collect();
    let worlds = GlobalDto::pieces_of(&events);
    assert!(worlds.len() > 1 && worlds.iter().all(|world| world.overlay.len() < 2_000_000));
    let read: Vec<GlobalEvent> = worlds.iter().flat_map(|world| world.events().unwrap()).collect();
    assert_eq!(read, events);
    assert_eq!(GlobalDto::pieces_of(&[]), []);
    let of_a_customer = GlobalDto { overlay: vec![4, 1, 2], ..GlobalDto::default() };
    assert!(of_a_customer.events().is_err());
    assert!(GlobalDto { overlay: vec![71], ..GlobalDto::default() }.events().is_err());
}

#[test]
fn the_bytes_of_accepted_clocks_never_change() {
    let clock = ClockDto { before: 2, after: -1, moves_entries: true, offset: 3 };
    let world = Piece::Global(GlobalDto { clocks: vec![clock], ..GlobalDto::default() });
    let bytes = file_of(std::slice::from_ref(&world));
    let clocks = [vec![1, 0, 0, 0, 0, 0, 0, 0], vec![2, 0, 0, 0, 0, 0, 0, 0], vec![0xff; 8], vec![1, 3]].concat();
    assert!(bytes.windows(clocks.len()).any(|part| part == clocks), "{}", hex(&bytes));
    assert_eq!(read(&bytes).unwrap(), [world]);
    let step = ClockStep { before: Millis(2), after: Millis(-1), moves_entries: true };
    assert_eq!((clock.step(), ClockDto::of(&step, LogOffset(3))), (step, clock));
}

#[test]
fn the_bytes_of_the_archive_list_never_change() {
    let segment = SegmentDto { first_lsn: 1, last_lsn: 2, bytes: 3, crc: 4 };
    let world = Piece::Global(GlobalDto { archive: vec![segment], ..GlobalDto::default() });
    let bytes = file_of(std::slice::from_ref(&world));
    let (empty, one) = ("0000000000000000", "0100000000000000");
    let nine_fields = format!("02000000{}00{}", empty.repeat(5), empty.repeat(3));
    let golden = format!("{nine_fields}{one}{one}0200000000000000030000000000000004000000{empty}");
    let from = HEADER_BYTES + FRAME_HEAD_BYTES;
    let body: String = bytes[from..from + golden.len() / 2].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(body, golden);
    assert_eq!(read(&bytes).unwrap(), [world]);
}
