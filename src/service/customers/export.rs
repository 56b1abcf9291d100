//! Everything that is kept about one customer, as one document, for that customer's own request.

use crate::{
    domain::vocabulary::calendar::LocalTime,
    ledger::{TransactionQuery, TransactionView},
    service::{
        customers::{customer_service::CustomerService, history::NamesAuthor, usage::usage_document},
        documents::{as_text::AsText, payments::transaction::TransactionDocument},
        error::ServiceError,
        payments::transactions::UnreadableDocument,
    },
};
use serde::{
    Serialize, Serializer,
    ser::{Error, SerializeMap, SerializeSeq},
};
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    io::{self, Write},
};

/// The most transactions in memory at a time.
const TRANSACTIONS_AT_ONCE: usize = 100;

/// The items of a list, each of which is written before the next one is made. The function calls its argument with each
/// item, and stops when that returns `false`.
struct Items<F>(F);

impl<F: Fn(&mut dyn FnMut(&Value) -> bool) -> Result<(), ServiceError>> Serialize for Items<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut list, mut failed) = (serializer.serialize_seq(None)?, None);
        let made = (self.0)(&mut |item| {
            if failed.is_none() {
                failed = list.serialize_element(item).err();
            }
            failed.is_none()
        });
        match failed {
            Some(error) => Err(error),
            None => made.map_err(S::Error::custom).and_then(|()| list.end()),
        }
    }
}

impl CustomerService<'_> {
    /// Writes everything that is kept about a customer: the document, those of the customers that are merged into it, usage
    /// and totals, all transactions with their facts, and the history. The parts are read one after the other, so a payment
    /// in between is in the later ones. `names_author` says whether the caller is shown a token.
    ///
    /// # Errors
    /// The merchant has no such customer; the archive's index cannot be read; those of the output.
    pub(crate) fn export(
        &self,
        customer_id: &str,
        names_author: &NamesAuthor<'_>,
        output: impl Write,
    ) -> io::Result<()> {
        let head = self.export_head(customer_id).map_err(io::Error::other)?;
        let mut serializer = serde_json::Serializer::new(output);
        let mut document = serializer.serialize_map(None)?;
        for (key, value) in head.as_object().into_iter().flatten() {
            document.serialize_entry(key, value)?;
        }
        let unreadable = RefCell::default();
        let transactions =
            Items(|each: &mut dyn FnMut(&Value) -> bool| self.each_transaction(customer_id, each, &unreadable));
        document.serialize_entry("transactions", &transactions)?;
        document.serialize_entry("unreadable_transactions", &unreadable)?;
        let history = Items(|each: &mut dyn FnMut(&Value) -> bool| {
            self.each_history_step(customer_id, names_author, &mut |step| _ = each(&step))
        });
        document.serialize_entry("history", &history)?;
        SerializeMap::end(document)?;
        serializer.into_inner().flush()
    }

    /// The members before the lists.
    fn export_head(&self, customer_id: &str) -> Result<Value, ServiceError> {
        let merchant = self.merchant.id.as_str();
        let head = self.service.ledger.with_customer_usage(merchant, customer_id, self.now()?, |whole, now| {
            let context = self.context(now);
            let usage = usage_document(whole, self.rules, self.merchant, now);
            let merged: Vec<Value> = whole.merged.iter().map(|merged| context.recorded_document(merged)).collect();
            json!({
                "merchant": merchant,
                "exported_at": AsText(now),
                "customer": context.recorded_document(whole.customer),
                "consent": whole.customer.status_factors.consent().word(),
                "merged_customers": merged,
                "usage": usage["usage"],
                "totals": usage["totals"],
            })
        })?;
        Ok(head)
    }

    /// Calls `each` with all transactions of a customer and of those merged into it, as long as it returns `true`. Adds
    /// those that cannot be read to `unreadable`.
    fn each_transaction(
        &self,
        customer_id: &str,
        each: &mut dyn FnMut(&Value) -> bool,
        unreadable: &RefCell<Vec<Value>>,
    ) -> Result<(), ServiceError> {
        let mut query = TransactionQuery {
            customer_id: Some(customer_id.to_owned()),
            limit: TRANSACTIONS_AT_ONCE,
            ..TransactionQuery::default()
        };
        let document = |shown: &TransactionView| json!(TransactionDocument::of(shown, self.rules));
        loop {
            let local = LocalTime { calendar: &self.merchant.calendar, now: self.now()? };
            let page = self.service.ledger.list_transactions(self.merchant.id.as_str(), &query, local)?;
            unreadable.borrow_mut().extend(page.unreadable.iter().map(|one| json!(UnreadableDocument::of(one))));
            if !page.transactions.iter().all(|shown| each(&document(shown))) || page.next.is_none() {
                return Ok(());
            }
            query.after = page.next;
        }
    }
}
