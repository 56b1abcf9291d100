//! Tables of customers.

use crate::edits::{Edits, TIME_MS, edited, pick};
use levelgate::service::csv::{Expected, Reader};
use std::time::Duration;

const TABLES: [&str; 4] = [
    "merchant_customer_identifier,email,phone,deposit_level,labels\nalice,alice@example.com,+4930123456,gold,\"vip;new\"\nbob,,,,\n",
    "\u{feff}merchant_customer_identifier;email;status\r\n\"a\"\"b\";x@example.com;active\r\nc;;\r\n",
    "merchant_customer_identifier\temail\n1,5\t\"two\nlines@example.com\"\n=1+1\t'0123\n",
    "external_id,first_name\n007,\"O'Neil, Ann\"\n1E+05,Zoë\n,\n",
];

/// A table is read to its end, and every fault has its line.
#[test]
fn tables_are_read_to_their_end() {
    bolero::check!().with_test_time(Duration::from_millis(TIME_MS)).with_type::<(u8, Edits)>().for_each(
        |(number, edits)| {
            let table = edited(pick(&TABLES, *number).as_bytes(), edits);
            let lines = 1 + table.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
            let mut reader = match Reader::new(table.as_slice(), Expected::default()) {
                Ok(reader) => reader,
                Err(faults) => {
                    assert!(!faults.is_empty());
                    return;
                }
            };
            let mut rows = 0;
            for row in reader.by_ref() {
                rows += 1;
                assert!(rows <= lines, "{rows} rows of {lines} lines");
                if let Err(fault) = row {
                    assert!((1..=lines as u64).contains(&fault.line), "line {} of {lines}", fault.line);
                    assert!(!fault.reason.to_string().is_empty());
                }
            }
            assert!(reader.bytes() <= table.len() as u64);
        },
    );
}
