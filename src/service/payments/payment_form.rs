//! The payment form: what a cashier page needs to show one customer, in one call.

use crate::{
    domain::{
        customer::aggregate::Customer,
        decision::{
            decide::layers,
            gauge::Headroom,
            method_settings::MethodSettingLayers,
            payment::{Payment, PaymentPurpose},
        },
        routing::{gates::RoutingRequest, strategies::select_gates},
        rules::configuration::Rules,
        vocabulary::{denial_codes::DenialCode, money::Minor, names::Name},
    },
    ledger::{CustomerView, DryRunTime, PaymentAnswer},
    service::{
        documents::{
            as_text::AsText,
            customers::{customer::CustomerContext, instrument::InstrumentDocument},
            payments::{
                decision::{AppliedLevel, CustomerReference, RemainingDocument},
                fields::{PaymentFields, RESERVE_FIELDS},
                form::{MethodDocument, PaymentFormDocument},
            },
        },
        payments::{
            operation::PaymentOperation,
            payment_service::PaymentService,
            precedence::{CallTarget, first_error},
            reserve::request,
        },
        reply::{Answered, Reply},
    },
};
use serde_json::{Value, json};

impl PaymentService {
    /// What a cashier page needs to show this customer.
    ///
    /// # Errors
    /// Those of a check.
    pub fn payment_form(&self, merchant: &str, body: &[u8]) -> Answered {
        let target =
            CallTarget { operation: Some(PaymentOperation::Check), merchant: Some(merchant), transaction: None };
        let shown = self.show_form(merchant, body);
        let state = (&self.ledger, &self.rules);
        shown.map_err(|error| first_error(state, target, body, error, |_| Ok(())))
    }

    fn show_form(&self, merchant: &str, body: &[u8]) -> Answered {
        let _inside = self.ledger.block_renames();
        let rules = self.rules.load();
        const TAKEN: [&[&str]; 2] = [RESERVE_FIELDS, &["transaction_id"]];
        let fields = PaymentFields::read(body, || TAKEN.concat())?;
        self.refuse_card_numbers(&fields, merchant)?;
        fields.only(&TAKEN)?;
        let mut payment = Payment::admit(&rules, merchant, request(fields)?, PaymentPurpose::Form)?;
        // The form shows every method, or only the one that the request names.
        let only = payment.method.take();
        payment.unrecorded.method = None;
        let now = self.clock.now(payment.occurred_at)?;
        let form = self.ledger.dry_run(&rules, &payment, DryRunTime { now, as_of: None }, |dry_run| {
            let (stored_by, at) = (dry_run.customer, dry_run.now);
            let layers = layers(&payment, dry_run.customer.map(|customer| &**customer), dry_run.decision.level);
            let blocked =
                dry_run.decision.violations.iter().any(|violation| violation.code == DenialCode::CustomerBlocked);
            let answer = PaymentAnswer::of_dry_run(&payment, dry_run);
            let methods =
                if blocked { Vec::new() } else { self.methods(&rules, &payment, &layers, &answer.headroom, only) };
            // Without a method that may pay, no instrument may pay either.
            let may_pay = !blocked && (!methods.is_empty() || payment.endpoint.methods.is_empty());
            let context =
                CustomerContext { rules: &rules, merchant: payment.merchant, ledger: Some(&self.ledger), now: at };
            let instruments = stored_by.filter(|_| may_pay).map(|customer| instruments(&context, customer));
            (methods, instruments.unwrap_or_default(), answer)
        })?;
        let (methods, payment_instruments, answer) = form;
        let customer: &CustomerView<'_> = &answer.customer;
        Ok(Reply::new(&PaymentFormDocument {
            methods,
            payment_instruments,
            customer: CustomerReference::of(customer, &rules),
            level: answer.level.map(|(name, source)| AppliedLevel::of(name, source)),
            remaining: RemainingDocument::of(&answer.headroom, answer.currency, &rules),
            config_version: &rules.version,
            server_time: AsText(answer.now),
        }))
    }

    fn methods(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        layers: &MethodSettingLayers<'_>,
        headroom: &Headroom,
        only: Option<Name>,
    ) -> Vec<MethodDocument> {
        let units = rules.currencies.units(payment.currency);
        let show = |value: u64| AsText(Minor { value: u128::from(value), units });
        let offered = payment.endpoint.methods.iter().map(|setting| setting.method);
        let mut methods = Vec::new();
        for method in offered.filter(|method| only.is_none_or(|only| only == *method)) {
            let Some(effective) = layers.method(method).filter(|effective| effective.show_in_form) else { continue };
            let (list, routing) = layers.gates(Some(method));
            let routed = RoutingRequest {
                direction: payment.direction,
                currency: payment.currency,
                minor_units: units,
                amount: None,
                method: Some(method),
                transaction_id: &payment.transaction_id,
                explain: false,
            };
            let gates = select_gates(payment.merchant, &list.of(payment.merchant), routing, &routed).ordered;
            // Without a gate the method would be denied for every amount.
            if gates.is_empty() {
                continue;
            }
            let available = if headroom.quantity == Some(0) { Some(0) } else { headroom.amount };
            let max = effective.max.map(|(value, _)| value);
            methods.push(MethodDocument {
                method: method.as_str(),
                min: effective.min.map(|(value, _)| show(value)),
                max: max.into_iter().chain(available).min().map(show),
                gates: gates.iter().map(|gate| gate.as_str()).collect(),
                edited: effective.edited,
            });
        }
        methods
    }
}

/// The stored instruments that may pay, the default first, then the last used one.
fn instruments(context: &CustomerContext<'_>, customer: &Customer) -> Vec<Value> {
    let stored = customer.instruments().iter().filter(|instrument| instrument.is_stored);
    let mut usable: Vec<InstrumentDocument<'_>> = stored
        .map(|instrument| context.instrument_document(customer, instrument))
        .filter(InstrumentDocument::may_pay)
        .collect();
    usable.sort_by_key(InstrumentDocument::form_order);
    usable.iter().map(|instrument| json!(instrument)).collect()
}
