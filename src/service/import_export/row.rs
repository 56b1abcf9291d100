//! One row of a table of customers: written from a customer, imported into one.

use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            audit::{Author, ChangeSource},
            status::CustomerStatus,
            update::CustomerUpdate,
            updated_fields::UpdatedFields,
        },
        request::{
            attribute_value,
            fields::{parse_time, parse_word},
            identifier_text,
            refusal::Refusal,
        },
        rules::{merchant::Merchant, registration::identifier::RegistrationSource},
        vocabulary::{
            attributes::{Attribute, AttributeSet},
            calendar::LocalTime,
            card_numbers::masked,
            direction::Direction,
            names::Name,
            time::Millis,
            words::Word,
        },
    },
    ledger::{Actor, Amendment, Ledger, Registration, RegistrationOutcome},
    service::{
        csv::{
            Column, Row,
            cell::{join_labels, split_labels},
            read::FAULTS_A_ROW_MAX,
        },
        import_export::{
            outcome::{BadRow, RemovedValue},
            repeated_row::{CreatingRow, is_imported},
        },
    },
};
use std::borrow::Cow;

/// The merchant and the rules for which rows are imported.
#[derive(Clone, Copy)]
pub struct ImportTarget<'a> {
    /// The state.
    pub ledger: &'a Ledger,
    /// The merchant whose customers the rows are.
    pub merchant: &'a Merchant,
    /// The name of the token that sends the table.
    pub by: Option<Name>,
    /// The number of the job that imports them; `None`: none does, or it is only tried.
    pub job: Option<u64>,
    /// The time.
    pub now: Millis,
    /// Customers with this number or a higher one were created after the table was tried, by this import or by payments.
    /// For them an empty cell means no change, as for every new customer. So a row that is imported twice has no effect
    /// the second time.
    pub new_from: u64,
    /// An interrupted import continues, and its next row may have created a customer with a number above this one.
    pub resumed_after: Option<u64>,
}

/// The effect of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowEffect {
    /// It creates the customer of this number; 0 in a trial.
    Created(u64),
    Changed {
        /// The customer.
        number: u64,
        /// The attributes whose cell repeats what is stored.
        kept: AttributeSet,
        /// The fields that change; `None`: not known, so each column of the table counts as changed.
        fields: Option<UpdatedFields>,
        /// In a trial: the values that empty cells remove.
        removed: Vec<RemovedValue>,
    },
    Unchanged,
}

/// The row of a customer at a time.
pub(super) fn row_of(customer: &Customer, local: LocalTime<'_>) -> Row {
    let mut row = Row::default();
    row.set(Column::CustomerId, customer.number().to_string());
    row.set(Column::MerchantCustomerIdentifier, customer.shown_identifier().unwrap_or_default());
    let level = |direction: Direction| customer.levels[direction as usize].map_or("", Name::as_str);
    row.set(Column::DepositLevel, level(Direction::Deposit));
    row.set(Column::WithdrawalLevel, level(Direction::Withdrawal));
    row.set(Column::Status, customer.status(local).word());
    row.set(Column::Labels, join_labels(customer.labels().iter().map(|label| label.as_str())));
    for (column, attribute) in attributes() {
        row.set(column, customer.attributes.value(attribute).unwrap_or_default());
    }
    row.set(Column::CreatedAt, customer.created.to_string());
    row.set(Column::ModifiedAt, customer.modified.to_string());
    row
}

/// The columns that contain attributes.
fn attributes() -> impl Iterator<Item = (Column, Attribute)> {
    Column::WORDS.iter().filter_map(|(word, column)| Some((*column, Attribute::parse(word)?)))
}

/// Imports one row, or tries it.
///
/// # Errors
/// The faults of the row, at least one and at most [`FAULTS_A_ROW_MAX`].
pub(super) fn import_row(target: &ImportTarget<'_>, row: &Row, is_trial: bool) -> Result<RowEffect, Vec<BadRow>> {
    // A row of nothing but delimiters, as spreadsheets write them below a table.
    if row.is_blank() {
        return Ok(RowEffect::Unchanged);
    }
    let ImportTarget { ledger, merchant, by, job, now, new_from, resumed_after } = *target;
    let author = Author { source: ChangeSource::Upload, by, job };
    let fault = |refusal: Refusal| {
        let column = refusal.field().filter(|field| Column::parse(field).is_some()).map(str::to_owned);
        BadRow { line: row.line, column, reason: masked(&refusal.to_string()).into_owned() }
    };
    let bad = |refusal: Refusal| vec![fault(refusal)];
    let bad_cells = |refusals: Vec<Refusal>| refusals.into_iter().take(FAULTS_A_ROW_MAX).map(fault).collect::<Vec<_>>();
    let cell = |column: Column| row.cell(column).filter(|text| !text.is_empty());
    let id_of = |column: Column| {
        let text = row.cell(column).unwrap_or_default();
        identifier_text::parse(column.word(), text)
    };
    let mut faults = Vec::new();
    let customer_id = take_or_note(id_of(Column::CustomerId), &mut faults).flatten();
    let identifier = take_or_note(id_of(Column::MerchantCustomerIdentifier), &mut faults).flatten();
    let created = take_or_note(parse_time("created_at", cell(Column::CreatedAt)), &mut faults).flatten();
    if !faults.is_empty() {
        return Err(bad_cells(faults));
    }
    let amend = |id: &str, is_new: bool| {
        let compare = |customer: &Customer, _| {
            let same_time = is_new || created.is_none_or(|created| created == customer.created);
            let same_id = identifier.is_none_or(|id| ledger.has_identifier(customer, id));
            let is_stored = |(column, attribute): &(Column, Attribute)| {
                row.cell(*column).is_some_and(|text| text == customer.attributes.value(*attribute).unwrap_or_default())
            };
            let kept: Vec<Attribute> = attributes().filter(is_stored).map(|(_, attribute)| attribute).collect();
            let removed = if is_trial && !is_new { removed_values(row, customer) } else { Vec::new() };
            (customer.number(), (same_id, same_time), AttributeSet::of(&kept), removed)
        };
        let compared = ledger.with_customer(merchant.id.as_str(), id, now, compare);
        let (number, (same_id, same_time), kept, removed) = compared.map_err(|refusal| vec![refusal])?;
        let fixed = [(same_id, "merchant_customer_identifier"), (same_time, "created_at")];
        if let Some((_, field)) = fixed.into_iter().find(|(same, _)| !same) {
            let reason = format!("of customer {id} is different, and never changes");
            return Err(vec![Refusal::NotAllowed { field, reason }]);
        }
        let mut update = update_of(row, is_new, kept)?;
        // The customer that this table created has a generated id in place of the one in the row.
        if is_new && merchant.registration.replaces_external_id(RegistrationSource::Import) {
            update.attributes.retain(|(attribute, _)| *attribute != Attribute::ExternalId);
        }
        let actor = Actor { author, now };
        let (fields, _) = apply_update(&mut update, is_trial, &mut |update| {
            ledger.amend(&Amendment { merchant, customer_id: id, update, actor, is_trial })
        })?;
        Ok(match fields.is_empty() {
            true => RowEffect::Unchanged,
            false => RowEffect::Changed { number, kept, fields: Some(fields), removed },
        })
    };
    if let Some(id) = customer_id {
        return amend(id, false).map_err(bad_cells);
    }
    if let Some(id) = identifier.filter(|_| is_trial && !row.is_literal(Column::MerchantCustomerIdentifier)) {
        refuse_lost_zeros(target, id).map_err(bad)?;
    }
    let mut update = update_of(row, true, AttributeSet::default()).map_err(bad_cells)?;
    let creating = |newest| CreatingRow { identifier, created, update: &update, newest };
    if resumed_after.is_some_and(|newest| is_imported(ledger, merchant, &creating(newest), now)) {
        return Ok(RowEffect::Unchanged);
    }
    let registered = apply_update(&mut update, is_trial, &mut |update| {
        ledger.register(&Registration { merchant, identifier, update, created, author, is_trial }, now)
    });
    match registered.map_err(bad_cells)? {
        (RegistrationOutcome::Created(number), _) => Ok(RowEffect::Created(number)),
        (RegistrationOutcome::Merged(number), _) => {
            Ok(RowEffect::Changed { number, kept: AttributeSet::default(), fields: None, removed: Vec::new() })
        }
        (RegistrationOutcome::Existing(number, _), _) => {
            amend(&number.to_string(), number >= new_from).map_err(bad_cells)
        }
    }
}

/// Refuses an unknown identifier of digits where a known one has zeros before the same digits: a spreadsheet has cut them
/// off, and the row would create a second customer. Only a trial asks, because a table may create both.
fn refuse_lost_zeros(target: &ImportTarget<'_>, id: &str) -> Result<(), Refusal> {
    const FIELD: &str = "merchant_customer_identifier";
    /// The longest identifier that is tried.
    const DIGITS_MAX: usize = 20;
    let (ledger, merchant) = (target.ledger, target.merchant.id);
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit()) && !id.starts_with('0');
    if !is_number || ledger.knows_identifier(merchant, id) {
        return Ok(());
    }
    let padded = (id.len() + 1..=DIGITS_MAX).map(|width| format!("{id:0>width$}"));
    match padded.into_iter().find(|padded| ledger.knows_identifier(merchant, padded)) {
        None => Ok(()),
        Some(known) => {
            let reason = format!(
                "{id:?} is of no customer, and {known:?} is: a spreadsheet has cut off its leading zeros; format the column \
                 as text and write it again; to create {id:?}, write an apostrophe before it"
            );
            Err(Refusal::NotAllowed { field: FIELD, reason })
        }
    }
}

/// The update that the cells of a row describe. Attributes that the row repeats as they are stored (`kept`) are left out:
/// what an earlier version stored stays, even where it could not be set now.
fn update_of(row: &Row, is_new: bool, kept: AttributeSet) -> Result<CustomerUpdate, Vec<Refusal>> {
    let mut faults = Vec::new();
    let cell_of = |column: Column| row.cell(column).filter(|text| !(is_new && text.is_empty()));
    let mut update = CustomerUpdate::default();
    for (column, attribute) in attributes().filter(|(_, attribute)| !kept.contains(*attribute)) {
        if let Some(text) = cell_of(column) {
            let value = take_or_note(attribute_value::parse(attribute, text), &mut faults);
            update.attributes.extend(value.map(|value| (attribute, value.into())));
        }
    }
    let levels = [
        (Direction::Deposit, Column::DepositLevel, "deposit_level"),
        (Direction::Withdrawal, Column::WithdrawalLevel, "withdrawal_level"),
    ];
    for (direction, column, field) in levels {
        if let Some(text) = cell_of(column) {
            let named = if text.is_empty() { None } else { take_or_note(update.name(field, text), &mut faults) };
            update.levels[direction as usize] = Some(named);
        }
    }
    let status = row.cell(Column::Status).filter(|text| !text.is_empty());
    let status = status.map(|text| parse_word::<CustomerStatus>("status", text)).transpose();
    update.status = take_or_note(status, &mut faults).flatten();
    update.repeats_status = true;
    if let Some(text) = cell_of(Column::Labels) {
        let labels = split_labels(text);
        let labels = labels.iter().map(|text| update.name("labels", text)).collect::<Result<_, _>>();
        update.labels = take_or_note(labels, &mut faults);
    }
    if faults.is_empty() { Ok(update) } else { Err(faults) }
}

/// Applies an update. A trial that is refused because of a level, the labels or the status is repeated without them, so
/// that it finds what else is wrong.
fn apply_update<T>(
    update: &mut CustomerUpdate,
    is_trial: bool,
    apply: &mut dyn FnMut(&CustomerUpdate) -> Result<T, Refusal>,
) -> Result<T, Vec<Refusal>> {
    let mut faults = Vec::new();
    loop {
        match apply(update) {
            Ok(applied) if faults.is_empty() => return Ok(applied),
            Ok(_) => return Err(faults),
            Err(refusal) => {
                let is_left_out = is_trial && leave_out(update, refusal.field());
                faults.push(refusal);
                if !is_left_out {
                    return Err(faults);
                }
            }
        }
    }
}

/// Removes a field from an update, if the others do not depend on it.
fn leave_out(update: &mut CustomerUpdate, field: Option<&str>) -> bool {
    match field {
        Some("deposit_level") => update.levels[Direction::Deposit as usize].take().is_some(),
        Some("withdrawal_level") => update.levels[Direction::Withdrawal as usize].take().is_some(),
        Some("labels") => update.labels.take().is_some(),
        Some("status") => update.status.take().is_some(),
        _ => false,
    }
}

/// The value, or `None` with its fault added to the others.
fn take_or_note<T>(read: Result<T, Refusal>, faults: &mut Vec<Refusal>) -> Option<T> {
    read.map_err(|refusal| faults.push(refusal)).ok()
}

/// The stored values that the empty cells of a row remove.
fn removed_values(row: &Row, customer: &Customer) -> Vec<RemovedValue> {
    let is_emptied = |column: Column| row.cell(column).is_some_and(|text| text.trim().is_empty());
    let level = |direction: Direction| customer.levels[direction as usize].map_or("", Name::as_str).into();
    let of_staff: [(Column, Cow<'_, str>); 3] = [
        (Column::DepositLevel, level(Direction::Deposit)),
        (Column::WithdrawalLevel, level(Direction::Withdrawal)),
        (Column::Labels, join_labels(customer.labels().iter().map(|label| label.as_str())).into()),
    ];
    let stored = attributes()
        .map(|(column, attribute)| (column, Cow::from(customer.attributes.value(attribute).unwrap_or_default())));
    let emptied = of_staff.into_iter().chain(stored).filter(|(column, value)| is_emptied(*column) && !value.is_empty());
    emptied.map(|(column, value)| RemovedValue::new((row.line, column), customer.number(), &value)).collect()
}
