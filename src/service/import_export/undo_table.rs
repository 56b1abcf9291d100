//! The table whose upload undoes a job: the customers that the job changed, with the values before it, from the audit.
//!
//! A customer whom the job created is not in it, and a customer's individual settings are in no table. A column of the
//! table that the job did not change of a customer contains the present value, because an empty cell removes a value.

use crate::{
    domain::vocabulary::{calendar::LocalTime, words::Word},
    ledger::PAGE_MAX,
    service::{
        csv::{
            Column, Row,
            cell::{Expected, join_labels},
            write::Writer,
        },
        customers::{CustomerService, audit::AuditRequest},
        error::{ErrorKind, ServiceError},
        import_export::row::row_of,
    },
};
use serde_json::Value;
use std::{
    borrow::Cow,
    io::{self, Write},
};

/// What a job changed of a customer: the columns, with the texts before it.
struct UndoneRow {
    customer_id: String,
    cells: Vec<(Column, String)>,
}

/// A column that a table can set back.
fn column_of(field: &str) -> Option<Column> {
    let column = Column::parse(field)?;
    let is_fixed = matches!(
        column,
        Column::CustomerId | Column::MerchantCustomerIdentifier | Column::CreatedAt | Column::ModifiedAt
    );
    (!is_fixed).then_some(column)
}

/// The cell of a value of a customer's document.
fn cell_of(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(names) => join_labels(names.iter().filter_map(Value::as_str)),
        other => other.to_string(),
    }
}

/// The row of a step; `None`: it created the customer, or changed nothing that a table contains.
///
/// # Errors
/// The audit does not know all values before the step.
fn row_of_step(step: &Value) -> Result<Option<UndoneRow>, ServiceError> {
    let changes = step["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let field = |change: &Value| change["field"].as_str().map(str::to_owned).unwrap_or_default();
    let Some(customer_id) = step["customer_id"].as_str().filter(|_| !changes.iter().any(|c| field(c) == "created_at"))
    else {
        return Ok(None);
    };
    let changed = changes.iter().filter_map(|change| Some((column_of(&field(change))?, cell_of(&change["old"]))));
    let cells: Vec<(Column, String)> = changed.collect();
    if cells.is_empty() {
        return Ok(None);
    }
    if step["old_is_partial"] == true {
        let detail = format!(
            "the values of customer {customer_id} before the job are not known any more, so that no table undoes it"
        );
        return Err(ServiceError::new(ErrorKind::Gone, "values_gone", detail));
    }
    Ok(Some(UndoneRow { customer_id: customer_id.to_owned(), cells }))
}

impl CustomerService<'_> {
    /// Calls `each` with the rows of a job, the last changed customer first.
    fn each_undone_row(
        &self,
        job: &str,
        each: &mut dyn FnMut(UndoneRow) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let limit = PAGE_MAX.to_string();
        let mut cursor = String::new();
        loop {
            let pairs = [("job", job), ("limit", &limit), ("cursor", &cursor)].into_iter();
            let pairs = pairs.filter(|(_, value)| !value.is_empty());
            let request = AuditRequest::read(pairs.map(|(key, value)| (Cow::from(key), Cow::from(value))), None)?;
            let reply = self.audit(&request, &|_, _| false)?;
            let page: Value = serde_json::from_slice(&reply.body).map_err(|_| ServiceError::internal())?;
            for step in page["audit"].as_array().into_iter().flatten() {
                row_of_step(step)?.map_or(Ok(()), &mut *each)?;
            }
            match page["next_cursor"].as_str() {
                Some(next) => next.clone_into(&mut cursor),
                None => return Ok(()),
            }
        }
    }

    /// The columns of the table that undoes a job; none: no table undoes it. It can read many records.
    ///
    /// # Errors
    /// The merchant has no such job; not all values before it are known.
    pub(crate) fn undo_columns(&self, job: &str) -> Result<Vec<Column>, ServiceError> {
        let mut changed: Vec<Column> = Vec::new();
        self.each_undone_row(job, &mut |row| {
            let new = row.cells.iter().map(|(column, _)| *column).filter(|column| !changed.contains(column));
            changed.extend(new.collect::<Vec<_>>());
            Ok(())
        })?;
        changed.sort_unstable_by_key(|column| *column as usize);
        let id = (!changed.is_empty()).then_some(Column::CustomerId);
        Ok(id.into_iter().chain(changed).collect())
    }

    /// Writes the table that undoes a job, with the columns of [`Self::undo_columns`].
    ///
    /// # Errors
    /// Those of [`Self::undo_columns`] and of the output.
    pub(crate) fn write_undo_table(&self, job: &str, columns: Vec<Column>, output: impl Write) -> io::Result<()> {
        let mut writer = Writer::new(output, columns, Expected::of(&self.merchant.registration))?;
        self.each_undone_row(job, &mut |undone| {
            let calendar = &self.merchant.calendar;
            let row = |customer: &_, now| row_of(customer, LocalTime { calendar, now });
            let now = self.service.time()?;
            let shown = self.service.ledger.with_customer(self.merchant.id.as_str(), &undone.customer_id, now, row);
            let mut row: Row = shown?;
            undone.cells.into_iter().for_each(|(column, text)| row.set(column, text));
            writer.write(&row).map_err(|error| {
                tracing::debug!(%error, "the reader of an undo table has gone");
                ServiceError::internal()
            })
        })
        .map_err(io::Error::other)?;
        writer.finish()?.flush()
    }
}
