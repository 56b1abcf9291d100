//! The room as a whole: what is written is read back, what is spoilt is refused with its place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use super::*;
use crate::domain::vocabulary::words::Word;
use crate::domain::{
    rules::registration::{
        external_id::{Checksum, ExternalIdFormat, ExternalIds},
        policy::RegistrationPolicy,
    },
    vocabulary::{
        contact::phone::{self, Country},
        names::Name,
    },
};
use proptest::prelude::*;
use std::{collections::HashSet, io::Read};

mod spreadsheets;

fn rows_of(text: impl AsRef<[u8]>, expected: Expected) -> Vec<Result<Row, String>> {
    match Reader::new(text.as_ref(), expected) {
        Ok(reader) => reader.map(|row| row.map_err(|error| error.to_string())).collect(),
        Err(errors) => errors.into_iter().map(|error| Err(error.to_string())).collect(),
    }
}

fn rows(text: impl AsRef<[u8]>) -> Vec<Result<Row, String>> {
    rows_of(text, Expected::default())
}

/// The problem of a table, in short: up to the colon after the line and column, and the beginning of the rest.
fn refused(text: impl AsRef<[u8]>) -> Vec<String> {
    rows(text).into_iter().filter_map(Result::err).collect()
}

fn cells(row: &Row) -> Vec<Option<&str>> {
    Column::WORDS.iter().map(|(_, column)| row.cell(*column)).collect()
}

fn written(columns: &[Column], rows: &[Row], expected: Expected) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), columns.to_vec(), expected).unwrap();
    rows.iter().for_each(|row| writer.write(row).unwrap());
    writer.finish().unwrap()
}

#[test]
fn headers_are_free_in_order_and_dialect() {
    for text in [
        "email,customer_id\na@b.example,7\n",
        "\u{feff}email,customer_id\r\na@b.example,7\r\n",
        "email;customer_id\na@b.example;7",
        "\r\n\"email\"; customer_id \r\"a@b.example\";7\r",
        "\n\nemail,\"customer_id\"\n\n\na@b.example,7\n\n",
    ] {
        let read = rows(text);
        let row = read[0].as_ref().unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(read.len(), 1, "{text:?}");
        assert_eq!((row.cell(Column::Email), row.cell(Column::CustomerId)), (Some("a@b.example"), Some("7")));
        assert_eq!(row.cell(Column::Phone), None, "a column that is absent");
    }
    let row = rows("email,phone\n,\"\"\n").remove(0).unwrap();
    assert_eq!((row.cell(Column::Email), row.cell(Column::Phone)), (Some(""), Some("")), "cells that are empty");
    assert!(rows("email,phone\n").is_empty());
}

#[test]
fn headers_that_are_wrong_are_refused_with_everything_that_is() {
    assert_eq!(
        refused("\nemial,phone,e-mail,phone,,nothing like it\n"),
        [
            "line 2, column emial: unknown column \"emial\"; did you mean `email`?".to_owned(),
            "line 2, column e-mail: unknown column \"e-mail\"; did you mean `email`?".to_owned(),
            "line 2, column phone: the column is twice in the header; keep one of the two".to_owned(),
            format!("line 2, column : unknown column \"\"; known are {}", known()),
            format!("line 2, column nothing like it: unknown column \"nothing like it\"; known are {}", known()),
        ]
    );
    for (bytes, reason) in [
        (b"".as_slice(), "the table is empty"),
        (b"\r\n\n", "the table is empty"),
        (b"\xff\xfee\0m\0", "UTF-16"),
        (b"email\tphone\n", "separated by tabs"),
    ] {
        let refused = refused(bytes);
        assert!(refused.len() == 1 && refused[0].starts_with("line 1: ") && refused[0].contains(reason), "{refused:?}");
    }
}

fn known() -> String {
    Column::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

#[test]
fn rows_that_do_not_fit_are_refused_with_their_lines_and_the_others_are_read() {
    let long = "x".repeat(ROW_BYTES_MAX);
    for (text, reasons, good) in [
        ("email,phone\n1,2,3\n4,5\n".to_owned(), vec!["line 2: the row has 3 cells, and the header names 2"], 1),
        ("email,phone\r\n1\r\n\r\n4,5\r\n6,7,8\r\n".to_owned(), vec!["line 5: the row has 3"], 2),
        ("email,phone\r1,2\r\r3\t4\r4,5\r".to_owned(), vec!["line 4: the row has 1"], 2),
        ("email;phone\n1,2\n3;4\n".to_owned(), vec!["line 2: the row has 1 cells"], 1),
        ("email,phone\n\"a\nb\",2\n4,5\" screen\n6,7\n".to_owned(), vec!["line 4: a quotation mark does not pair"], 2),
        ("email,phone\n1,2\n\"3\"x,4\n5,6\n".to_owned(), vec!["line 3: a quotation mark does not pair"], 2),
        ("email,phone\n1,2\n3,\"4\n5,6\n".to_owned(), vec!["line 3: a quotation mark opens here"], 1),
        ("email,phone\n1,2\n3,\"4\n5,6".to_owned(), vec!["line 3: a quotation mark opens here"], 1),
        (format!("email,phone\n1,{long}\n3,4\n"), vec!["line 2: the row is longer than 65536 bytes"], 1),
        (format!("email,phone\n1,2\n3,\"{long}{long}\n5,6\n"), vec!["line 3: the row is longer than 65536 bytes"], 1),
    ] {
        let read = rows(&text);
        let refused: Vec<&String> = read.iter().filter_map(|row| row.as_ref().err()).collect();
        let begin = &text[..text.len().min(60)];
        assert_eq!(refused.len(), reasons.len(), "{begin:?}: {refused:?}");
        assert!(
            refused.iter().zip(&reasons).all(|(error, reason)| error.starts_with(reason)),
            "{begin:?}: {refused:?}"
        );
        assert_eq!(read.len() - refused.len(), good, "{begin:?}: {read:?}");
    }
    let refused = refused(b"email,phone\n1,2\n\xe9,4\n");
    assert!(refused[0].starts_with("line 3, column email: the text is not UTF-8"), "{refused:?}");
}

#[test]
fn a_row_of_just_the_limit_is_taken_and_knows_its_line() {
    let name = "x".repeat(ROW_BYTES_MAX - 2);
    let text = format!("email,phone\r\n\r\n\"a\r\nb\",1\r\n{name},1\r\n2,3\r\n");
    let lines: Vec<u64> = rows(text).into_iter().map(|row| row.unwrap().line).collect();
    assert_eq!(lines, [3, 5, 6]);
    let refused = refused(format!("email,phone\r\n{name}x,1\r\n2,3\r\n"));
    assert!(refused.len() == 1 && refused[0].starts_with("line 2: the row is longer"), "{refused:?}");
}

/// Gives out as few bytes at a time as it likes, and then no more.
struct Failing<'b>(&'b [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else {
            return Err(std::io::ErrorKind::ConnectionReset.into());
        };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn an_input_that_breaks_off_ends_the_table_with_an_error() {
    let whole = b"email,phone\n1,2\n3,4\n";
    let mut reader = Reader::new(Failing(whole), Expected::default());
    // The header is looked at in whole chunks: what breaks off within the first one is the whole table.
    assert!(matches!(reader, Err(ref errors) if matches!(errors[0].reason, Reason::Io(_))));
    let long: Vec<u8> = [b"email,phone\n".to_vec(), b"1,2\n".repeat(2_000)].concat();
    reader = Reader::new(Failing(&long), Expected::default());
    let read: Vec<_> = reader.unwrap_or_else(|errors| panic!("{errors:?}")).collect();
    let (last, rows) = read.split_last().unwrap();
    assert!(rows.iter().all(Result::is_ok) && rows.len() >= 1_999);
    assert_eq!(last.as_ref().unwrap_err().reason, Reason::Io(std::io::ErrorKind::ConnectionReset));
}

#[test]
fn nothing_that_a_spreadsheet_would_run_is_written_bare() {
    for text in ["=1", "+1", "-1", "@x", "\tx", "\rx", "\n=x", "＝1"] {
        for &(_, column) in Column::WORDS {
            let mut row = Row::default();
            row.set(column, text);
            let bytes = written(&[column], &[row], Expected::default());
            let table = String::from_utf8(bytes).unwrap();
            let cell = table.split_once("\r\n").unwrap().1.trim_start_matches('"');
            assert!(cell.starts_with('\''), "{text:?} as {table:?}");
        }
    }
}

#[test]
fn zeros_are_missed_where_the_policy_makes_ids_that_begin_with_them() {
    let digits = |prefix: &str| {
        let shape = ExternalIdFormat {
            length: 8,
            prefix: prefix.to_owned(),
            suffix: String::new(),
            offset: 0,
            checksum: Checksum::Mod7,
            checksum_includes: None,
            replace: false,
            sources: None,
        };
        let external_ids = Some(ExternalIds::new(shape).unwrap());
        Expected::of(&RegistrationPolicy { external_ids, ..RegistrationPolicy::default() }).external_id_digits
    };
    assert_eq!((digits(""), digits("01"), digits("10")), (Some(8), Some(8), None));
    assert_eq!(Expected::of(&RegistrationPolicy::default()).external_id_digits, None);
}

#[test]
fn made_up_customers_are_the_same_for_the_same_seed_and_unique() {
    let name = |text| Name::parse(text).unwrap();
    let levels = Levels { deposit: vec![name("gold"), name("silver")], withdrawal: Vec::new() };
    let all: Vec<Column> = Column::WORDS.iter().map(|(_, column)| *column).collect();
    let bytes = |count, seed| {
        let rows: Vec<Row> = Mock::new(count, seed, levels.clone()).collect();
        written(&all, &rows, Expected::default())
    };
    assert_eq!(bytes(500, 7), bytes(500, 7));
    assert!(bytes(500, 7).starts_with(&bytes(400, 7)), "more of the same");
    assert_ne!(bytes(500, 7), bytes(500, 8));
    let table = bytes(100_000, 42);
    let mut known_ids: [HashSet<String>; 3] = Default::default();
    let mut count = 0;
    for (row, made) in rows(&table).into_iter().zip(Mock::new(100_000, 42, levels.clone())) {
        let row = row.unwrap();
        let of = |column| row.cell(column).unwrap().to_owned();
        for &(_, column) in Column::WORDS {
            assert_eq!(row.cell(column), Some(made.cell(column).unwrap_or_default()));
        }
        let identifiers = [Column::MerchantCustomerIdentifier, Column::Email, Column::Phone];
        for (set, column) in known_ids.iter_mut().zip(identifiers) {
            assert!(set.insert(of(column)), "{column:?} twice: {row:?}");
        }
        assert!(
            ["gold", "silver"].contains(&of(Column::DepositLevel).as_str()) && of(Column::WithdrawalLevel).is_empty()
        );
        if count % 500 == 0 {
            assert!(phone::valid(None, &of(Column::Phone)).is_some(), "{}", of(Column::Phone));
            assert!(of(Column::Email).is_ascii() && !of(Column::Email).contains(".."), "{}", of(Column::Email));
        }
        count += 1;
    }
    assert_eq!(count, 100_000);
}

#[test]
fn a_seed_goes_on_meaning_the_same_rows() {
    let row = Mock::new(1, 1, Levels::default()).next().unwrap();
    let cells: Vec<&str> = cells(&row).into_iter().flatten().filter(|cell| !cell.is_empty()).collect();
    let known = "mock-05e5-0000001 member chloe.coppola.1@example.org +393332382188 Chloe Coppola IT it \
                 2025-06-21T21:41:53.819Z";
    assert_eq!(cells.join(" "), known);
}

/// Texts that hit every rule of the cells more often than chance would.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "'{0,3}[=+@\t\r-]?[0-9]{0,12}",
        "'{0,2}[0-9](\\.[0-9]{1,5})?E[+-][0-9]{1,3}",
        "'{0,2}[0-9]{1,4}[-/.]([0-9]{1,2}|Jan|Mrz)[-/.]?[0-9]{0,4}",
        "'{0,2}(#REF!|#N/A|#{1,5}|)",
        " {0,2}'{0,2}[a-z=]{0,3}[ \u{a0}]{0,2}",
        "'?=\"[0-9\"]{0,5}\"",
        "[\",;'\r\n \u{feff}a]{0,8}",
    ]
}

proptest! {
    #[test]
    fn every_text_is_read_back_as_it_was_written_unless_it_is_a_card_number(
        texts in proptest::collection::vec(proptest::collection::vec(text(), COLUMNS), 1..4),
        columns in proptest::sample::subsequence(Column::WORDS.iter().map(|(_, column)| *column).collect::<Vec<_>>(), 1..=COLUMNS),
        german in any::<bool>(), digits in proptest::option::of(4_usize..12),
    ) {
        let expected = Expected {
            default_country: Country::parse("DE").filter(|_| german),
            external_id_digits: digits,
        };
        let made: Vec<Row> = texts.iter().map(|cells| {
            let mut row = Row::default();
            columns.iter().zip(cells).for_each(|(column, text)| row.set(*column, text.as_str()));
            row
        }).collect();
        let bytes = written(&columns, &made, expected);
        let read = rows_of(&bytes, expected);
        prop_assert_eq!(read.len(), made.len(), "{:?}", String::from_utf8_lossy(&bytes));
        for (row, made) in read.iter().zip(&made) {
            match row {
                Ok(row) => prop_assert_eq!(cells(row), cells(made)),
                Err(error) => prop_assert!(error.contains("full card number"), "{}", error),
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_go_on_for_ever(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let table = [b"email;phone\n".to_vec(), bytes].concat();
        let lines = table.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        prop_assert!(rows(&table).len() <= lines + 1);
    }

    #[test]
    fn every_row_and_every_refusal_has_its_line(
        head in proptest::sample::select(vec!["email,phone", "customer_id;email;labels", "status", "external_id,created_at"]),
        body in proptest::collection::vec(proptest::sample::select(b"ab1,;\"'\r\n\t=+\0\xff\xc3\xa9 .-E#\n,\"".to_vec()), 0..300),
    ) {
        let text = [head.as_bytes(), b"\n", &body].concat();
        let ends = text.iter().enumerate().filter(|&(at, &byte)| {
            byte == b'\r' || (byte == b'\n' && (at == 0 || text[at - 1] != b'\r'))
        });
        let lines = ends.count() as u64 + 1;
        let known = head.split([',', ';']).collect::<Vec<_>>();
        let mut read = 0;
        for row in Reader::new(&text[..], Expected::default()).unwrap() {
            read += 1;
            let line = row.as_ref().map_or_else(|error| error.line, |row| row.line);
            prop_assert!((2..=lines).contains(&line), "line {} of {}", line, lines);
            if let Err(error) = row {
                let is_whole = matches!(
                    error.reason,
                    Reason::TooLong | Reason::Unclosed | Reason::Io(_) | Reason::StrayQuote | Reason::Cells { .. }
                );
                prop_assert_eq!(error.column.is_none(), is_whole, "{}", error);
                prop_assert!(error.column.is_none_or(|column| known.contains(&&*column)));
            }
        }
        prop_assert!(read <= lines);
    }

    #[test]
    fn labels_are_split_as_they_were_joined(names in proptest::collection::vec("[a|\\\\ é]{1,6}", 0..5)) {
        let cell = join_labels(names.iter().map(String::as_str));
        prop_assert_eq!(split_labels(&cell), names);
    }
}
