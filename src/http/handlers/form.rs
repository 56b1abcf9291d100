//! The payment form: what a cashier page needs to show one customer, in one call.

use crate::{
    domain::{
        decision::{
            decide::layers,
            denial_codes::Code,
            payment::{Asks, Payment},
        },
        routing::{Routed, route},
        rules::{configuration::Rules, settings::Layers},
        usage::limits::Headroom,
        vocabulary::{money::Minor, names::Name},
    },
    ledger::{Answer, CustomerShown},
};
use crate::{
    http::dto::{
        answers::{CustomerOut, FormOut, LevelOut, MethodOut, RemainingOut, Shows},
        card_guard::Whose,
        fields::PAYMENT,
        precedence::Called,
        problem::Problem,
    },
    service::payments::{Op, PaymentService, render, request},
};

impl PaymentService {
    /// What a cashier page needs to show this customer.
    ///
    /// # Errors
    /// As a check.
    pub fn payment_form(&self, merchant: &str, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let called = Called { op: Some(Op::Check), merchant: Some(merchant), transaction: None };
        let shown = self.show_form(merchant, body);
        shown.map_err(|problem| self.first_refusal(called, body, problem, |_| Ok(())))
    }

    fn show_form(&self, merchant: &str, body: &[u8]) -> Result<Vec<u8>, Problem> {
        let _inside = self.ledger.enter();
        let rules = self.rules.load();
        let fields = self.read(body, Whose::OfPath(merchant))?.only(&[PAYMENT, &["transaction_id"]])?;
        let mut payment = Payment::admit(&rules, merchant, request(fields)?, Asks::ToShow)?;
        // The form is about every method; one that is named is shown alone.
        let only = payment.method.take();
        payment.unrecorded.method = None;
        let now = self.clock.now(payment.occurred_at)?;
        let form = self.ledger.ask(&rules, &payment, now, None, |customer, decision, resolution, now| {
            let layers = layers(&payment, customer.map(|customer| &**customer), decision.level);
            let blocked = decision.violations.iter().any(|violation| violation.code == Code::CustomerBlocked);
            let answer = Answer::checked(&payment, decision, customer, resolution, now);
            let methods =
                if blocked { Vec::new() } else { self.methods(&rules, &payment, &layers, &answer.headroom, only) };
            (methods, answer)
        })?;
        let (methods, answer) = form;
        let customer: &CustomerShown<'_> = &answer.customer;
        Ok(render(&FormOut {
            methods,
            customer: CustomerOut::of(customer, &rules),
            level: answer.level.map(|(name, source)| LevelOut::of(name, source)),
            remaining: RemainingOut::of(&answer.headroom, answer.currency, &rules),
            config_version: &rules.version,
            server_time: Shows(answer.now),
        }))
    }

    fn methods(
        &self,
        rules: &Rules,
        payment: &Payment<'_>,
        layers: &Layers<'_>,
        headroom: &Headroom,
        only: Option<Name>,
    ) -> Vec<MethodOut> {
        let units = rules.currencies.units(payment.currency);
        let show = |value: u64| Shows(Minor { value: u128::from(value), units });
        let offered = payment.endpoint.methods.iter().map(|setting| setting.method);
        let mut methods = Vec::new();
        for method in offered.filter(|method| only.is_none_or(|only| only == *method)) {
            let Some(effective) = layers.method(method).filter(|effective| effective.show_in_form) else { continue };
            let (list, routing) = layers.gates(Some(method));
            let routed = Routed {
                direction: payment.direction,
                currency: payment.currency,
                minor_units: units,
                amount: None,
                method: Some(method),
                transaction_id: &payment.transaction_id,
                explain: false,
            };
            let gates = route(payment.merchant, &list.of(payment.merchant), routing, &routed).ordered;
            // A method that no gate takes would be denied, whatever the amount.
            if gates.is_empty() {
                continue;
            }
            let room = if headroom.quantity == Some(0) { Some(0) } else { headroom.amount };
            let max = effective.max.map(|(value, _)| value);
            methods.push(MethodOut {
                method: method.as_str(),
                min: effective.min.map(|(value, _)| show(value)),
                max: max.into_iter().chain(room).min().map(show),
                gates: gates.iter().map(|gate| gate.as_str()).collect(),
                edited: effective.edited,
            });
        }
        methods
    }
}
