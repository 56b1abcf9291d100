//! The forms of phone numbers that one pass over a table read, for the next pass over the same table.

use std::{cell::RefCell, collections::VecDeque};

/// A form that the library returned for the phone number of a row.
#[derive(Debug, Clone, Copy)]
struct ReadForm {
    row: u64,
    /// The hash of the country and the text.
    text: u64,
    /// The digits of the form; `None`: the text is not a phone number.
    digits: Option<u64>,
}

/// The forms of the rows of a table, in the order of the rows: 32 bytes for each row whose number the library read.
#[derive(Debug, Default)]
pub struct ReadForms(VecDeque<ReadForm>);

thread_local! {
    /// The form of the row that this thread is about to read.
    static EXPECTED: RefCell<Option<ReadForm>> = const { RefCell::new(None) };
}

impl ReadForms {
    /// Adds the form of a row, with the hash of its country and its text. A form that is not a plus and at most 19 digits is
    /// left out. Rows are added in their order.
    pub(super) fn add(&mut self, row: u64, text: u64, form: Option<&str>) {
        let digits = form.map(|form| form.strip_prefix('+').unwrap_or(form).parse());
        let Ok(digits) = digits.transpose() else { return };
        let read = ReadForm { row, text, digits };
        if read.form().as_deref() == form {
            self.0.push_back(read);
        }
    }

    /// Makes the form of a row known to this thread before it reads the row, and forgets those of earlier rows.
    pub fn expect(&mut self, row: u64) {
        while self.0.front().is_some_and(|read| read.row < row) {
            self.0.pop_front();
        }
        let expected = self.0.front().filter(|read| read.row == row).copied();
        EXPECTED.set(expected);
    }
}

impl ReadForm {
    fn form(&self) -> Option<String> {
        self.digits.map(|digits| format!("+{digits}"))
    }
}

/// The form that an earlier pass read of a country and a text with this hash; `None`: it is not known.
pub(super) fn expected(text: u64) -> Option<Option<String>> {
    EXPECTED.with_borrow(|expected| expected.as_ref().filter(|read| read.text == text).map(ReadForm::form))
}
