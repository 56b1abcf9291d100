//! Tests of reading a file: order, repeated rows and memory.

use crate::{
    config::{self, Loaded},
    domain::vocabulary::{time::Millis, words::Word},
    service::{
        csv::cell::{escaped_text, understood_text},
        transaction_history::{
            check::{CheckOptions, CheckedHistory, check_history},
            column::{HistoryColumn, TextRow},
            row::RowContext,
            stored_row::{decode_row, encode_row},
        },
    },
};
use proptest::prelude::*;
use std::fs;

const MERCHANT: &str = "id = \"m\"\noperation_mode = \"crm\"\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
                        [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";
const HEAD: &str = "id,customer,customer_id,direction,currency,amount,level,time,outcome\n";

fn loaded() -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("merchants")).unwrap();
    fs::write(folder.path().join("merchants/m.toml"), MERCHANT).unwrap();
    config::load(folder.path()).map_err(|problems| problems.list.len()).unwrap()
}

fn checked(loaded: &Loaded, table: &str, memory_bytes: usize) -> CheckedHistory {
    checked_bytes(loaded, table.as_bytes(), memory_bytes)
}

fn checked_bytes(loaded: &Loaded, table: &[u8], memory_bytes: usize) -> CheckedHistory {
    let now = Millis::parse("2026-11-20T10:00:00Z").unwrap();
    let context = RowContext { rules: &loaded.rules, merchant: Some("m"), project: None, now };
    let temporary = std::env::temp_dir();
    let options = CheckOptions { context, temporary: &temporary, memory_bytes, ledger: None };
    check_history(table, &options, &mut || {}).unwrap()
}

fn lines(mut checked: CheckedHistory) -> Vec<u64> {
    std::iter::from_fn(|| checked.next_row().unwrap().map(|row| row.line)).collect()
}

#[test]
fn rows_come_in_the_order_of_time_and_line_and_repeated_ones_once() {
    let loaded = loaded();
    let row = |id: &str, time: &str| format!("{id},ann,,deposit,EUR,1.00,,{time},approved\n");
    let table = [
        HEAD.to_owned(),
        row("a", "2020-01-02T00:00:00Z"),
        row("b", "1965-01-01T00:00:00Z"),
        row("c", "2020-01-02T00:00:00Z"),
        // The same instant and the same content, written in another way.
        row("a", "2020-01-02T02:00:00+02:00"),
        row("d", "1999-12-31T23:59:59.999Z"),
        row("b", "1965-01-01T00:00:00Z"),
    ];
    for memory_bytes in [0, 1_000_000] {
        let checked = checked(&loaded, &table.concat(), memory_bytes);
        assert_eq!((checked.rows, checked.repeated, checked.bad.count), (6, 2, 0), "{:?}", checked.bad);
        assert_eq!(lines(checked), [3, 6, 2, 4]);
    }
}

#[test]
fn a_customer_number_belongs_to_one_customer_and_a_customer_has_one_number() {
    let loaded = loaded();
    let row = |id: &str, customer: &str, number: &str| {
        format!("{id},{customer},{number},deposit,EUR,1.00,,2020-01-02T00:00:00Z,approved\n")
    };
    let table = [
        HEAD.to_owned(),
        row("a", "ann", "1000005"),
        row("b", "ann", ""),
        row("c", "ben", "1000005"),
        row("d", "ann", "1000006"),
        row("e", "", "1000007"),
        row("f", "", "17"),
        row("g", "", "200000000"),
    ];
    let checked = checked(&loaded, &table.concat(), 1_000_000);
    let reasons: Vec<(u64, &str)> = checked.bad.listed.iter().map(|bad| (bad.line, bad.reason.as_str())).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(reasons[0], (4, "an earlier row has the customer_id 1000005 for another customer"));
    assert_eq!(reasons[1], (5, "an earlier row has the customer_id 1000005 for this customer"));
    assert!(reasons[2].0 == 7 && reasons[2].1.contains("is no customer_id of levelgate"), "{reasons:?}");
    assert!(reasons[3].0 == 8 && reasons[3].1.contains("is no customer_id of levelgate"), "{reasons:?}");
}

proptest! {
    #[test]
    fn every_text_is_read_back_from_its_cell(text in "[ \t'=+@0-9a-zA-Z.\"/E-]{0,12}|.{0,8}") {
        let cell = escaped_text(&text);
        prop_assert_eq!(understood_text(&cell), Ok(text.as_str().into()), "{}", cell);
    }

    #[test]
    fn no_bytes_make_the_check_panic_or_go_on_for_ever(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        is_ndjson in any::<bool>(),
    ) {
        let loaded = loaded();
        let line = "{\"id\": \"a\", \"customer\": \"ann\", \"direction\": \"deposit\", \"currency\": \"EUR\", \"amount\": 1, \"time\": \"2020-01-02T00:00:00Z\", \"outcome\": \"approved\"}\n";
        let mut valid = match is_ndjson {
            true => line.as_bytes().to_vec(),
            false => format!("{HEAD}a,ann,,deposit,EUR,1.00,,2020-01-02T00:00:00Z,approved\n").into_bytes(),
        };
        let whole = checked_bytes(&loaded, &valid, 1_000);
        prop_assert_eq!((whole.rows, whole.bad.count), (1, 0));
        for (place, byte) in changes {
            let place = place.index(valid.len());
            valid[place] = byte;
        }
        for input in [bytes, valid] {
            let checked = checked_bytes(&loaded, &input, 1_000);
            prop_assert!(checked.bad.count <= checked.rows + 30);
            lines(checked);
        }
    }

    #[test]
    fn stored_rows_are_read_back_and_sort_by_time_and_line(
        rows in proptest::collection::vec(
            (any::<i32>(), any::<u32>(), proptest::collection::vec(proptest::option::of(".{0,9}"), HistoryColumn::WORDS.len())),
            1..20,
        ),
    ) {
        let mut stored: Vec<(i64, TextRow, Vec<u8>)> = Vec::new();
        for (at, line, cells) in rows {
            let mut row = TextRow::at(u64::from(line));
            for ((_, column), cell) in HistoryColumn::WORDS.iter().zip(cells) {
                cell.into_iter().for_each(|text| row.set(*column, text));
            }
            let mut bytes = Vec::new();
            encode_row(&row, Millis(i64::from(at)), &mut bytes);
            prop_assert_eq!(decode_row(&bytes), Some(row.clone()));
            stored.push((i64::from(at), row, bytes));
        }
        let mut by_bytes = stored.clone();
        by_bytes.sort_by(|one, other| one.2.cmp(&other.2));
        stored.sort_by_key(|(at, row, _)| (*at, row.line));
        let keys = |rows: &[(i64, TextRow, Vec<u8>)]| -> Vec<(i64, u64)> {
            rows.iter().map(|(at, row, _)| (*at, row.line)).collect()
        };
        prop_assert_eq!(keys(&by_bytes), keys(&stored));
    }
}
