//! What spreadsheets add to cells, and cells that they have damaged.

use super::*;
use crate::service::csv::read::FAULTS_A_ROW_MAX;

#[test]
fn what_spreadsheets_add_is_understood() {
    for text in [
        "sep=;\r\nemail;phone\r\na@b.example;12\r\n",
        "\u{feff}sep=,\nemail,phone\na@b.example,12\n",
        "\"sep=;\"\r\nemail;phone\r\na@b.example;12\r\n",
        "SEP=;\r\n;;\r\nemail;phone\r\na@b.example;12\r\n",
        "email,phone,\r\na@b.example,12,\r\n",
        "email,phone,,,\r\na@b.example,12,\r\n",
        "email,phone\r\na@b.example,12,,\r\n",
        "email , phone\r\n a@b.example\t, 12 \r\n",
        "email,phone\r\na@b.example,=\"12\"\r\n",
        "email,phone\r\n=\"a@b.example\",\"=\"\"12\"\"\"\r\n",
        ",\r\nemail,phone\r\na@b.example,12\r\n",
    ] {
        let read = rows(text);
        let row = read[0].as_ref().unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(read.len(), 1, "{text:?}");
        assert_eq!((row.cell(Column::Email), row.cell(Column::Phone)), (Some("a@b.example"), Some("12")), "{text:?}");
    }
    for (text, blank) in [("email,phone\n,,,,\n \t,\n,\na@b.example,1\n,\n", 4), ("email\n\"\"\na@b.example\n", 1)] {
        let read: Vec<Row> = rows(text).into_iter().map(Result::unwrap).collect();
        assert_eq!(read.iter().filter(|row| row.is_blank()).count(), blank, "{text:?}");
        assert_eq!(read.len(), blank + 1, "{text:?}");
    }
    for (text, refusal) in [
        ("sep=|\nemail|phone\n", "line 1: the first line says that \"|\" separates the columns"),
        ("sep=\t\nemail\tphone\n", "line 1: the columns are separated by tabs"),
        ("email,phone\na,1,2\n", "line 2: the row has 3 cells"),
        ("email,phone\n=\"a,1\n2,3\n", "line 2: a quotation mark does not pair"),
        ("email,phone\n=\"a\"b,1\n2,3\n", "line 2: a quotation mark does not pair"),
    ] {
        let refused = refused(text);
        assert!(refused.first().is_some_and(|error| error.starts_with(refusal)), "{text:?}: {refused:?}");
    }
}

#[test]
fn missing_cells_at_the_end_of_a_row_are_empty() {
    let read: Vec<Row> =
        rows("email,phone,city\na@b.example\nb@b.example,12\n\"c,d\",1,x\n").into_iter().map(Result::unwrap).collect();
    let texts =
        |row: &Row| [Column::Email, Column::Phone, Column::City].map(|column| row.cell(column).map(str::to_owned));
    let some = |cells: [&str; 3]| cells.map(|cell| Some(cell.to_owned()));
    let wanted = [["a@b.example", "", ""], ["b@b.example", "12", ""], ["c,d", "1", "x"]].map(some);
    assert_eq!(read.iter().map(texts).collect::<Vec<_>>(), wanted);
}

#[test]
fn every_damaged_cell_of_a_row_is_a_fault() {
    let cells = "#REF!,1.23457E+15,ok,3-Jan\n";
    let table = format!("name,email,city,deposit_level\n{cells}a,b,c,d\n{cells}");
    let mut reader = Reader::new(table.as_bytes(), Expected::default()).unwrap();
    let mut faults = |is_bad: bool| {
        let first = reader.next().unwrap();
        assert_eq!(first.is_err(), is_bad);
        let all = first.err().into_iter().chain(reader.take_further_faults());
        all.map(|error| error.column.unwrap().into_string()).collect::<Vec<_>>()
    };
    for is_bad in [true, false, true] {
        let wanted: &[&str] = if is_bad { &["name", "email", "deposit_level"] } else { &[] };
        assert_eq!(faults(is_bad), wanted);
    }
    let columns: Vec<&str> = Column::WORDS.iter().map(|(word, _)| *word).collect();
    let table = format!("{}\n{}\n", columns.join(","), vec!["#REF!"; columns.len()].join(","));
    let mut reader = Reader::new(table.as_bytes(), Expected::default()).unwrap();
    assert!(reader.next().unwrap().is_err());
    assert_eq!(1 + reader.take_further_faults().len(), FAULTS_A_ROW_MAX, "a row reports a bounded number");
}

#[test]
fn a_cell_that_is_marked_is_literal() {
    for (cell, text, is_literal) in [
        ("0123", "0123", false),
        ("'0123", "0123", true),
        ("=\"0123\"", "0123", true),
        ("=\"a\"\"b\"", "a\"b", true),
        ("=\"\"", "", true),
        ("=\"a\"b\"", "=\"a\"b\"", false),
        ("' x ", " x ", true),
        (" x ", "x", false),
        (" '3-Jan", "3-Jan", true),
        ("'=\"1\"", "=\"1\"", true),
    ] {
        let quoted = format!("merchant_customer_identifier,email\n\"{}\",e\n", cell.replace('"', "\"\""));
        let row = rows(quoted).remove(0).unwrap();
        let column = Column::MerchantCustomerIdentifier;
        assert_eq!((row.cell(column), row.is_literal(column)), (Some(text), is_literal), "{cell}");
    }
}

#[test]
fn phone_numbers_that_have_lost_their_start_are_refused() {
    let country = |code| Expected { default_country: Country::parse(code), external_id_digits: None };
    for (expected, cell, refusal) in [
        (country("IT"), "0669821", ""),
        (country("IT"), "669821", "lost its leading zero"),
        (country("DE"), "301234502", ""),
        (country("IN"), "442079460018", "lost its plus"),
        (country("CY"), "35799123456", ""),
        (Expected::default(), "669821", ""),
        (country("DE"), "12", ""),
    ] {
        let read = rows_of(format!("phone\n{cell}\n"), expected).remove(0);
        match refusal {
            "" => assert!(read.is_ok(), "{cell}: {read:?}"),
            _ => assert!(read.as_ref().is_err_and(|error| error.contains(refusal)), "{cell}: {read:?}"),
        }
        let meant = rows_of(format!("phone\n'{cell}\n"), expected).remove(0).unwrap();
        assert_eq!(meant.cell(Column::Phone), Some(cell), "meant as it is");
    }
}

#[test]
fn cells_that_a_spreadsheet_has_damaged_are_refused() {
    let expected = Expected { default_country: None, external_id_digits: Some(6) };
    for (column, cell, reason) in [
        ("customer_id", "1.23457E+15", "shortened"),
        ("email", "1,23457E+15", "shortened"),
        ("postal_code", "5E-07", "shortened"),
        ("external_id", "1E5", ""),
        ("external_id", "12E+05", ""),
        ("name", "#REF!", "has no value"),
        ("city", "#NAME?", "has no value"),
        ("phone", "########", "has no value"),
        ("city", "#1", ""),
        ("merchant_customer_identifier", "3-Jan", "is a date"),
        ("external_id", "Jan-24", "is a date"),
        ("phone", "2024/01/05", "is a date"),
        ("phone", "1/5/24", "is a date"),
        ("phone", "05.01.2024", "is a date"),
        ("deposit_level", "2-Feb", "is a date"),
        ("customer_id", "2024-01-05", "is a date"),
        ("customer_id", "03. Mrz", "is a date"),
        ("external_id", "05.01.2024 00:00", "is a date"),
        ("phone", "2024-01-05 0:00:00", "is a date"),
        ("external_id", "12 0:00", ""),
        ("phone", "12-34-56", ""),
        ("merchant_customer_identifier", "3-jane", ""),
        ("merchant_customer_identifier", "1-2-3", ""),
        ("merchant_customer_identifier", "2024-13-45", ""),
        ("date_of_birth", "1990-05-17", ""),
        ("date_of_birth", "17/05/1990", "such as 1990-12-31"),
        ("date_of_birth", "05.17.1990", "day and month can be mistaken"),
        ("date_of_birth", "17.05.1990", "day and month can be mistaken"),
        ("date_of_birth", "17-May-90", "such as 1990-12-31"),
        ("date_of_birth", "33010", "by which a spreadsheet stores a date"),
        ("created_at", "45321.5", "write a time with its zone, such as 2026-11-20T10:00:00Z"),
        ("created_at", "2026-11-20 10:00", "write a time with its zone"),
        ("created_at", "2026-11-20", "write a time with its zone"),
        ("created_at", "2026-11-20T10:00:00Z", ""),
        ("city", "3-Jan", ""),
        ("external_id", "12345", "leading zeros"),
        ("external_id", "012345", ""),
        ("external_id", "a2345", ""),
        ("phone", "35799123456", "lost its plus"),
        ("phone", "+35799123456", ""),
        ("phone", "035799123456", ""),
        ("phone", "5551234", ""),
        ("name", "4111 1111 1111 1111", "full card number"),
        ("merchant_customer_identifier", "4111111111111111", "full card number"),
        ("merchant_customer_identifier", "'4111111111111111", "full card number"),
        ("phone", "4111111111111111", "full card number"),
        ("address", "caf\u{e9}", ""),
    ] {
        let read = rows_of(format!("status,{column}\nnew,x\nnew,\"{cell}\"\n"), expected);
        // The first row shows that the column takes other things; an external id may be anything that is no number.
        assert!(read[0].is_ok(), "{column} {cell}");
        match (&read[1], reason.is_empty()) {
            (Ok(_), true) => {}
            (Err(error), false) => {
                assert!(error.starts_with(&format!("line 3, column {column}: ")), "{error}");
                assert!(error.contains(reason), "{error}");
                assert!(error.contains(';'), "no remedy: {error}");
            }
            (other, _) => panic!("{column} {cell}: {other:?}"),
        }
    }
}

#[test]
fn a_number_of_the_merchants_own_country_has_lost_nothing() {
    let german = Expected { default_country: Country::parse("DE"), external_id_digits: None };
    // The same digits: an international number of Cyprus, or one of a German town.
    assert!(rows_of("phone\n15112345678\n", german)[0].is_ok());
    assert!(rows_of("phone\n4915112345678\n", Expected::default())[0].is_err());
}

#[test]
fn an_apostrophe_says_that_a_cell_is_meant() {
    for (cell, meant) in [
        ("'3-Jan", "3-Jan"),
        ("'=1+2", "=1+2"),
        ("''=1+2", "'=1+2"),
        ("=1+2", "=1+2"),
        ("'#REF!", "#REF!"),
        ("'35799123456", "35799123456"),
        ("'0123", "0123"),
        ("'t Hooft", "'t Hooft"),
        ("'", "'"),
        ("''", "''"),
    ] {
        let row = rows(format!("phone\n\"{cell}\"\n")).remove(0).unwrap();
        assert_eq!(row.cell(Column::Phone), Some(meant), "{cell}");
    }
}
