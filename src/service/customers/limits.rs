//! A customer's own limits: what is in force, a pending raise, and an operator's limits.

use crate::{
    config::{
        body::{self, LimitsBody, object},
        lint::request,
    },
    domain::{
        customer::{
            aggregate::Customer,
            change::CustomerChange,
            own_limits::{LimitKind, OWN_FILTERS_MAX, OwnLimits, RaiseTerms},
        },
        events::customer_event::CustomerEvent,
        request::refusal::Refusal,
        rules::filter::{Filter, FilterMode, FilterScope},
        vocabulary::{
            direction::Direction,
            money::{Currency, Minor},
            names::Name,
            time::Millis,
        },
    },
    service::{
        customers::{
            customer_service::{CustomerService, Trial},
            usage::in_force,
        },
        documents::{customers::limits::LimitsDocument, description::Description, json::unknown_key},
        error::ServiceError,
        reply::{Answered, Reply},
    },
};
use serde_json::json;

/// The key of a customer's own limits.
#[derive(Debug, Clone, Copy)]
pub struct LimitsKey {
    /// The direction of payments.
    pub direction: Direction,
    /// The currency of payments.
    pub currency: Currency,
}

impl LimitsKey {
    fn empty(self) -> OwnLimits {
        OwnLimits::none(self.direction, self.currency)
    }
}

impl CustomerService<'_> {
    /// Shows a customer's own limits.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn limits(&self, customer_id: &str, key: LimitsKey) -> Answered {
        self.show(customer_id, |customer, now| {
            let known = customer.limits_for(key.direction, key.currency);
            json!(self.context(now).limits_document(known.unwrap_or(&key.empty())))
        })
    }

    /// The document after a change. It depends on every record so far.
    fn limits_after_change(&self, customer_id: &str, key: LimitsKey) -> Result<LimitsDocument, ServiceError> {
        self.read(customer_id, |customer, now| {
            let known = customer.limits_for(key.direction, key.currency);
            self.context(now).limits_document(known.unwrap_or(&key.empty()))
        })
    }

    /// Sets the limits that a body describes. The limits that the customer has are no change. The answer has `warnings`.
    ///
    /// # Errors
    /// The body is malformed or describes other limits; the customer has too many limits; only an operator may set limits
    /// with `until`.
    pub fn put_limits(&self, customer_id: &str, key: LimitsKey, body: &[u8]) -> Answered {
        self.set_limits(customer_id, key, body, Trial::No)
    }

    /// Answers as [`Self::put_limits`] would, and changes nothing.
    ///
    /// # Errors
    /// Those of [`Self::put_limits`].
    pub fn try_limits(&self, customer_id: &str, key: LimitsKey, body: &[u8]) -> Answered {
        self.set_limits(customer_id, key, body, Trial::Yes)
    }

    fn set_limits(&self, customer_id: &str, key: LimitsKey, body: &[u8], trial: Trial) -> Answered {
        // An unknown customer is refused before a bad body.
        self.read(customer_id, |_, _| ())?;
        let description = Description::read(body, &body::LIMITS_DESCRIPTION)?;
        let sent = body::limits(body, key.currency, &self.rules.currencies, self.merchant.id)?;
        if sent.filters.len() > OWN_FILTERS_MAX {
            return Err(Refusal::TooMany { field: "filters", most: OWN_FILTERS_MAX }.into());
        }
        self.check_kinds(key, &sent)?;
        if sent.until.is_some() {
            self.require_operator("a limit with `until`, which is the operator's,")?;
        }
        let terms = RaiseTerms::of(self.merchant);
        let limits = self.change_limits(customer_id, key, trial, &mut |known, now| {
            description.check(&json!(self.context(now).limits_document(known)))?;
            match sent.until {
                // The pending raise stays if the request repeats it. Without it, the request replaces it.
                None if description.has("pending") => match sent.filters == known.own_at(now) {
                    true => Ok(known.clone()),
                    false => Err(replaced_raise()),
                },
                None => Ok(known.request(&sent.filters, now, &terms)),
                Some(until) if until <= now => Err(Refusal::NotLater(now.to_string())),
                Some(_) => Ok(OwnLimits { operator: sent.filters.clone(), until: sent.until, ..known.clone() }),
            }
        })?;
        let is_confirmed = terms.policy.confirm_within_ms.is_some() && sent.until.is_none();
        let filters = sent.filters.iter().filter(|_| is_confirmed);
        let mut warnings: Vec<String> = filters.flat_map(|filter| self.warnings(key, filter)).collect();
        if sent.until.is_some() {
            warnings.extend(self.read(customer_id, |customer, now| self.raises(key, &sent.filters, customer, now))?);
        }
        warnings.extend(request::limits_warnings(sent, &key.empty(), self.merchant, self.rules));
        let document = match trial {
            Trial::No => self.limits_after_change(customer_id, key)?,
            Trial::Yes => self.context(self.now()?).limits_document(&limits),
        };
        Ok(Reply::new(&document.with_warnings(warnings)))
    }

    /// Requests the removal of the customer's limits, or removes the operator's.
    ///
    /// # Errors
    /// Only an operator may remove the operator's limits.
    pub fn delete_limits(&self, customer_id: &str, key: LimitsKey, of_operator: bool) -> Answered {
        if of_operator {
            self.require_operator("removing the operator's limits")?;
        }
        let terms = RaiseTerms::of(self.merchant);
        self.change_limits(customer_id, key, Trial::No, &mut |known, now| {
            Ok(match of_operator {
                true => OwnLimits { operator: Vec::new(), until: None, ..known.clone() },
                false => known.request(&[], now, &terms),
            })
        })?;
        Ok(Reply::new(&self.limits_after_change(customer_id, key)?))
    }

    /// Cancels the pending raise.
    ///
    /// # Errors
    /// The merchant has no such customer.
    pub fn cancel_raise(&self, customer_id: &str, key: LimitsKey) -> Answered {
        self.change_limits(customer_id, key, Trial::No, &mut |known, now| {
            Ok(OwnLimits { pending: None, ..known.as_of(now) })
        })?;
        Ok(Reply::new(&self.limits_after_change(customer_id, key)?))
    }

    /// Confirms the pending raise, for the customer. The body has no fields.
    ///
    /// # Errors
    /// There is no raise that can be confirmed now.
    pub fn confirm_raise(&self, customer_id: &str, key: LimitsKey, body: &[u8]) -> Answered {
        if !body.trim_ascii().is_empty()
            && let Some(field) = unknown_key(&object(body)?, &[])
        {
            let detail = format!("`{field}` is not taken here: a confirmation has no fields");
            return Err(ServiceError::malformed("unknown_field", detail).at(field));
        }
        self.change_limits(customer_id, key, Trial::No, &mut |known, now| {
            known.confirm(now).map_err(Refusal::ConfirmationError)
        })?;
        Ok(Reply::new(&self.limits_after_change(customer_id, key)?))
    }

    /// Changes the limits to those that `make` returns, unless it is a trial; returns them.
    fn change_limits(
        &self,
        customer_id: &str,
        key: LimitsKey,
        trial: Trial,
        make: &mut dyn FnMut(&OwnLimits, Millis) -> Result<OwnLimits, Refusal>,
    ) -> Result<OwnLimits, ServiceError> {
        let empty = key.empty();
        let mut made = key.empty();
        self.change(customer_id, &mut |customer, now| {
            let known = customer.limits_for(key.direction, key.currency).unwrap_or(&empty);
            let limits = make(known, now)?.as_of(now);
            // Limits stay in force until their removal takes effect. They count together with the new ones, so that
            // their number stays bounded.
            if limits.own.len() > OWN_FILTERS_MAX {
                return Err(Refusal::TooMany { field: "filters", most: OWN_FILTERS_MAX });
            }
            let is_same = limits == known.as_of(now);
            made = limits.clone();
            let changes_nothing = is_same || trial == Trial::Yes;
            Ok(match changes_nothing {
                true => Vec::new(),
                false => vec![CustomerEvent::CustomerChanged(CustomerChange::Limits(limits))],
            })
        })?;
        Ok(made)
    }

    /// Warnings about filters of an operator's limit that allow more than a filter that stays in force and has a window of the
    /// same length.
    fn raises(&self, key: LimitsKey, sent: &[Filter], customer: &Customer, now: Millis) -> Vec<String> {
        let level = in_force(customer, self.merchant, key.direction, key.currency);
        let of_level = level.level.map_or(&[][..], |level| &level.filters);
        let level_name = level.name.map_or("", Name::as_str);
        let direction = key.direction.word();
        let by_level = (
            format!("level `{level_name}`"),
            format!(
                "to let the customer pay more, set `{direction}_level` to a level with higher limits, and to \
                 `{level_name}` again afterwards"
            ),
        );
        let by_own = (
            "the customer's own limits".to_owned(),
            "only the customer's own raise, after `raise_delay`, allows more".to_owned(),
        );
        let own = customer.limits_for(key.direction, key.currency).map_or(&[][..], |limits| limits.own_at(now));
        let units = self.rules.currencies.units(key.currency);
        let amount = |value: u64| Minor { value: u128::from(value), units }.to_string();
        let transactions = |count: u64| format!("{count} transactions");
        let mut warnings = Vec::new();
        for filter in sent.iter().filter(|filter| filter.mode == FilterMode::Enforce) {
            for (others, (owner, remedy)) in [(of_level, &by_level), (own, &by_own)] {
                // A limit of the calendar day also decides next to one of the last 24 hours.
                let measures = |other: &&Filter| {
                    other.mode == FilterMode::Enforce && other.window.usual_ms() == filter.window.usual_ms()
                };
                let lower = others.iter().filter(measures).find_map(|other| {
                    let amount = raised(other.amount_limit, filter.amount_limit, &amount);
                    let limits = amount.or_else(|| raised(other.quantity_limit, filter.quantity_limit, &transactions));
                    limits.map(|limits| (other.name, limits))
                });
                if let Some((other, (known, asked))) = lower {
                    let name = filter.name;
                    warnings.push(format!(
                        "filter `{name}`: {asked} raises nothing: filter `{other}` of {owner} has {known}, and the tighter \
                         of the two decides; {remedy}"
                    ));
                }
            }
        }
        warnings
    }

    fn kind_of(&self, key: LimitsKey, filter: &Filter) -> LimitKind {
        LimitKind::of(filter, key.direction, self.merchant.refunds)
    }

    /// Refuses a `kind` that is not the kind of its filter. A correct one changes nothing.
    fn check_kinds(&self, key: LimitsKey, sent: &LimitsBody) -> Result<(), Refusal> {
        for (filter, sent) in sent.filters.iter().zip(&sent.kinds) {
            let kind = self.kind_of(key, filter).word();
            if let Some(sent) = sent.as_ref().filter(|sent| *sent != kind) {
                let reason = format!(
                    "{sent:?} is not the kind of filter `{}`, which is {kind:?}: send that, or leave `kind` out",
                    filter.name
                );
                return Err(Refusal::NotAllowed { field: "kind", reason });
            }
        }
        Ok(())
    }

    /// The reasons why a regulator that requires confirmed raises would not accept a limit.
    fn warnings(&self, key: LimitsKey, filter: &Filter) -> Vec<String> {
        let (kind, name) = (self.kind_of(key, filter), filter.name);
        let mut warnings = Vec::new();
        if !kind.is_gross() {
            warnings.push(format!(
                "filter `{name}` is a {}: cancels or refunds are subtracted, and a customer must be offered a gross limit",
                kind.word()
            ));
        }
        if filter.scope != FilterScope::Merchant {
            warnings.push(format!(
                "filter `{name}` counts {} alone: write for_all_merchant_currencies = true, so that it counts all currencies",
                key.currency
            ));
        }
        warnings
    }
}

/// A limit that stays in force and a higher one that was sent, in words.
fn raised(known: Option<u64>, sent: Option<u64>, words: &dyn Fn(u64) -> String) -> Option<(String, String)> {
    let (known, sent) = known.zip(sent).filter(|(known, sent)| known < sent)?;
    Some((words(known), words(sent)))
}

/// The request changes the filters and repeats the pending raise, which it would replace.
fn replaced_raise() -> Refusal {
    let reason = "describes the raise that is pending, and other filters replace it: leave it out to replace it, or send \
                  the filters that are in force to keep it";
    Refusal::NotAllowed { field: "pending", reason: reason.to_owned() }
}
