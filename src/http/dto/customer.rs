//! A customer as a document, and what a body says of one.

use crate::http::dto::{
    answers::{OwnRateOut, Shows, span_word},
    problem::Problem,
};
use crate::{
    config::parse::body::{Object, object},
    domain::{
        customer::{
            aggregate::Customer,
            attributes::ATTRIBUTE_BYTES_MAX,
            own_limits::{LimitKind, OWN_RATES_MAX, OwnLimits, OwnRate},
            profile::{Author, IndividualSettings, Instrument},
            status::CustomerStatus,
            stored_identifier::StoredIdentifier,
            update::CustomerUpdate,
        },
        decision::{
            payment::{currency, short, time, word},
            refusal::Refusal,
        },
        rules::{
            configuration::{Attribute, Direction, Filter, Merchant, Rules, Scope, WindowClass, Word},
            terminal::{self, Placeholder},
        },
        vocabulary::{
            calendar::{WeekStart, Window},
            identifier_text::{self, is_identifier},
            money::{Decimal, Minor},
            names::Name,
            time::Millis,
        },
    },
    ledger::{Applying, Ledger},
};
use serde_json::{Map, Value, json, value::RawValue};

/// What surrounds a customer who is shown.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) merchant: &'a Merchant,
    /// Where it stands which instruments are blocked; `None`: that is not asked.
    pub(crate) ledger: Option<&'a Ledger>,
    pub(crate) now: Millis,
}

impl Shown<'_> {
    /// The whole document, transactions and usage apart.
    pub(crate) fn customer(&self, customer: &Customer) -> Value {
        let level = |direction: Direction| customer.levels[direction as usize].map(Name::as_str);
        let mut document = Map::new();
        let mut set = |key: &str, value: Value| _ = document.insert(key.to_owned(), value);
        set("customer_id", json!(customer.number().to_string()));
        set("merchant_customer_identifier", json!(customer.shown_identifier()));
        set("other_identifiers", customer.identifiers().iter().filter_map(StoredIdentifier::text).collect());
        set("deposit_level", json!(level(Direction::Deposit)));
        set("withdrawal_level", json!(level(Direction::Withdrawal)));
        set("status", json!(customer.status().word()));
        set("labels", json!(names(customer.labels())));
        set("restrictions", json!(self.merchant.restrictions(customer.labels())));
        for (word, attribute) in Attribute::WORDS {
            set(word, json!(customer.attributes.value(*attribute)));
        }
        let mut instruments: Vec<&Instrument> = customer.instruments().iter().collect();
        // Last used first.
        instruments.sort_by_key(|i| std::cmp::Reverse(i.last_success_at.unwrap_or(i.saved_at)));
        set("payment_instruments", instruments.into_iter().map(|instrument| self.instrument(instrument)).collect());
        let profile = customer.profile();
        let settings = profile.map_or(&[][..], |profile| &profile.settings);
        set("settings", settings.iter().map(|settings| self.settings(settings)).collect());
        let limits = profile.map_or(&[][..], |profile| &profile.limits);
        set("limits", limits.iter().map(|limits| self.limits(limits)).collect());
        set("disabled_projects", json!(names(customer.switched_off())));
        set("rates", customer.rates().iter().map(|rate| json!(OwnRateOut::of(rate))).collect());
        set("deletion_due", json!(profile.and_then(|profile| profile.deletion_due).map(Shows)));
        set("erased", json!(customer.is_erased()));
        set("terminal_url", json!(self.terminal_url(customer)));
        let id = |number: &u64| number.to_string();
        set("merged_customers", customer.merged().iter().map(id).collect());
        set("merged_into", json!(customer.merged_into().as_ref().map(id)));
        set("created_at", json!(Shows(customer.created)));
        set("modified_at", json!(Shows(customer.modified)));
        Value::Object(document)
    }

    fn terminal_url(&self, customer: &Customer) -> Option<String> {
        let number = customer.number().to_string();
        terminal::fill(self.merchant.terminal_url.as_deref()?, |placeholder| match placeholder {
            Placeholder::Merchant => Some(self.merchant.id.as_str()),
            Placeholder::CustomerId => Some(number.as_str()),
            Placeholder::MerchantCustomerIdentifier => customer.shown_identifier(),
        })
    }

    /// A stored payment instrument.
    pub(crate) fn instrument(&self, instrument: &Instrument) -> Value {
        let is_blocked = self.ledger.is_some_and(|ledger| ledger.blocks(&instrument.id, self.merchant.id));
        json!({
            "payment_instrument": instrument.id.trim(),
            "type": instrument.kind.word(),
            "masked_number": instrument.masked,
            "expires": instrument.expires.map(month),
            "saved_at": Shows(instrument.saved_at),
            "last_success_at": instrument.last_success_at.map(Shows),
            "successful_payments": instrument.successes,
            "state": if is_blocked { "blocked" } else { instrument.state.word() },
            "default": instrument.is_default,
            "card_on_file": instrument.on_file,
        })
    }

    /// Individual settings.
    pub(crate) fn settings(&self, settings: &IndividualSettings) -> Value {
        let units = self.rules.currencies.units(settings.currency);
        let amount = |value: Option<u64>| value.map(|value| Shows(Minor { value: u128::from(value), units }));
        let methods: Vec<Value> = settings
            .methods
            .iter()
            .map(|method| {
                json!({
                    "method": method.method.as_str(),
                    "show_in_form": method.show_in_form,
                    "min_amount": amount(method.min_amount),
                    "max_amount": amount(method.max_amount),
                    "gates": method.gates.as_deref().map(names),
                })
            })
            .collect();
        json!({
            "direction": settings.direction.word(),
            "currency": Shows(settings.currency),
            "level": settings.level.as_str(),
            "methods": methods,
            "global_limit": { "min_amount": amount(settings.global_min), "max_amount": amount(settings.global_max) },
        })
    }

    /// Own limits.
    pub(crate) fn limits(&self, limits: &OwnLimits) -> Value {
        let filters =
            |filters: &[Filter]| -> Vec<Value> { filters.iter().map(|filter| self.filter(filter, limits)).collect() };
        let pending = limits.pending_at(self.now).map(|raise| {
            json!({
                "state": raise.state(self.now).word(),
                "from": Shows(raise.from),
                "lapses_at": raise.confirm_until.map(Shows),
                "filters": filters(&raise.filters),
            })
        });
        json!({
            "direction": limits.direction.word(),
            "currency": Shows(limits.currency),
            "filters": filters(limits.own_at(self.now)),
            "pending": pending,
            "confirmed_at": limits.confirmed_at.map(Shows),
            "operator": (!limits.operator_at(self.now).is_empty()).then(|| {
                json!({ "filters": filters(limits.operator_at(self.now)), "until": limits.until.map(Shows) })
            }),
        })
    }

    /// A filter with the keys by which it is sent, so that what is read may be sent again.
    fn filter(&self, filter: &Filter, limits: &OwnLimits) -> Value {
        let units = self.rules.currencies.units(limits.currency);
        let window = match filter.class {
            WindowClass::Other => span_word(filter.window),
            class => class.word().to_owned(),
        };
        let mut shown = json!({
            "name": filter.name.as_str(),
            "kind": LimitKind::of(filter, limits.direction, self.merchant.refunds).word(),
            "window": window,
            "amount_limit": filter.amount_limit.map(|value| Shows(Minor { value: u128::from(value), units })),
            "quantity_limit": filter.quantity_limit,
            "for_all_merchant_currencies": filter.scope == Scope::Merchant,
            "subtract_cancel_transactions": filter.subtract_cancels,
            "mode": filter.mode.word(),
        });
        let mut set = |key: &str, value: Value| {
            if let Some(shown) = shown.as_object_mut() {
                shown.insert(key.to_owned(), value);
            }
        };
        if filter.class != WindowClass::Other {
            set("calendar", json!(matches!(filter.window, Window::Day | Window::Week(_) | Window::Month)));
        }
        match filter.window {
            Window::Week(WeekStart::Monday) => set("week_starts_on", json!("monday")),
            Window::Week(WeekStart::Sunday) => set("week_starts_on", json!("sunday")),
            Window::RollingMonth => set("month", json!("same_day")),
            _ => {}
        }
        if let Some(share) = filter.warn_at {
            set("warn_at", json!(format!("{}%", Minor { value: u128::from(share), units: 2 })));
        }
        shown
    }
}

fn names(names: &[Name]) -> Vec<&'static str> {
    names.iter().map(|name| name.as_str()).collect()
}

/// A month as `2027-04`.
fn month(months: u32) -> String {
    format!("{:04}-{:02}", months / 12, months % 12 + 1)
}

/// A body that says something of a customer.
pub(crate) struct CustomerIn {
    pub(crate) identifier: Option<String>,
    pub(crate) created: Option<Millis>,
    pub(crate) said: CustomerUpdate,
}

impl CustomerIn {
    /// Somebody to be registered by a merchant.
    pub(crate) fn applying<'a>(&'a self, merchant: &'a Merchant, author: Author) -> Applying<'a> {
        let Self { identifier, created, said } = self;
        Applying { merchant, identifier: identifier.as_deref(), said, created: *created, author, is_trial: false }
    }
}

/// Reads a body; `is_new`: it makes a customer, and may say by which identifier and when.
pub(crate) fn read(body: &[u8], rules: &Rules, is_new: bool) -> Result<CustomerIn, Problem> {
    let mut customer = CustomerIn { identifier: None, created: None, said: CustomerUpdate::default() };
    for (key, raw) in object(body)?.0 {
        let said = &mut customer.said;
        if let Some(attribute) = Attribute::parse(&key) {
            let value = text(attribute.word(), raw)?.unwrap_or_default();
            said.attributes.push((attribute, attribute_value(attribute, value)?));
            continue;
        }
        match key.as_str() {
            "merchant_customer_identifier" if is_new => {
                const FIELD: &str = "merchant_customer_identifier";
                let written = text(FIELD, raw)?.unwrap_or_default();
                customer.identifier = identifier_text::parse(FIELD, &written)?.map(str::to_owned);
            }
            "created_at" if is_new => customer.created = time("created_at", text("created_at", raw)?.as_deref())?,
            "deposit_level" => said.levels[Direction::Deposit as usize] = Some(level(said, "deposit_level", raw)?),
            "withdrawal_level" => {
                said.levels[Direction::Withdrawal as usize] = Some(level(said, "withdrawal_level", raw)?);
            }
            "status" => {
                let written = text("status", raw)?;
                said.status = written.map(|status| word::<CustomerStatus>("status", &status)).transpose()?;
            }
            "labels" => said.labels = Some(list(said, "labels", raw)?),
            "disabled_projects" => said.switched_off = Some(list(said, "disabled_projects", raw)?),
            "rates" => said.rates = Some(rates(raw, rules)?),
            _ => {
                let words = Attribute::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
                let also = if is_new { "merchant_customer_identifier, created_at, " } else { "" };
                let detail = format!(
                    "`{key}` is not taken here; taken are {also}deposit_level, withdrawal_level, status, labels, \
                     disabled_projects, rates, {words}"
                );
                return Err(Problem::malformed("unknown_field", detail).at(&key));
            }
        }
    }
    Ok(customer)
}

/// A value as it is kept: what is blank says nothing.
pub(crate) fn attribute_value(attribute: Attribute, value: String) -> Result<Box<str>, Refusal> {
    let field = attribute.word();
    short(field, &value, ATTRIBUTE_BYTES_MAX)?;
    if is_identifier(attribute) {
        return Ok(identifier_text::parse(field, &value)?.unwrap_or_default().into());
    }
    Ok(if value.trim().is_empty() { "".into() } else { value.into() })
}

fn wrong(field: &str, want: &str) -> Problem {
    Problem::malformed("wrong_type", format!("`{field}` is {want}")).at(field)
}

pub(crate) fn text(field: &str, raw: &RawValue) -> Result<Option<String>, Problem> {
    serde_json::from_str(raw.get()).map_err(|_| wrong(field, "a string"))
}

/// The fields of a body that takes nothing but texts, in their order; `None`: absent or `null`.
pub(crate) fn texts<const N: usize>(body: &[u8], taken: [&'static str; N]) -> Result<[Option<String>; N], Problem> {
    let mut found = [const { None }; N];
    for (key, raw) in object(body)?.0 {
        let Some(place) = taken.iter().position(|field| *field == key) else {
            let detail = format!("`{key}` is not taken here; taken: {}", taken.join(", "));
            return Err(Problem::malformed("unknown_field", detail).at(&key));
        };
        found[place] = text(taken[place], raw)?;
    }
    Ok(found)
}

fn level(said: &mut CustomerUpdate, field: &'static str, raw: &RawValue) -> Result<Option<Name>, Problem> {
    let written = text(field, raw)?.filter(|text| !text.is_empty());
    Ok(written.map(|text| said.name(field, &text)).transpose()?)
}

fn list(said: &mut CustomerUpdate, field: &'static str, raw: &RawValue) -> Result<Vec<Name>, Problem> {
    let written: Option<Vec<String>> =
        serde_json::from_str(raw.get()).map_err(|_| wrong(field, "a list of strings"))?;
    Ok(written.unwrap_or_default().iter().map(|text| said.name(field, text)).collect::<Result<_, _>>()?)
}

fn rates(raw: &RawValue, rules: &Rules) -> Result<Vec<OwnRate>, Problem> {
    let items: Option<Vec<&RawValue>> = serde_json::from_str(raw.get()).map_err(|_| wrong("rates", "a list"))?;
    let items = items.unwrap_or_default();
    if items.len() > OWN_RATES_MAX {
        return Err(Refusal::TooMany { field: "rates", most: OWN_RATES_MAX }.into());
    }
    items.into_iter().map(|item| one_rate(&object(item.get().as_bytes())?, rules)).collect()
}

fn one_rate(fields: &Object<'_>, rules: &Rules) -> Result<OwnRate, Problem> {
    const TAKEN: [&str; 5] = ["from", "to", "rate", "units", "valid_from"];
    let bad =
        |field: &str, what: &str| Problem::malformed("value_unknown", format!("`rates`: `{field}` {what}")).at("rates");
    if let Some((unknown, _)) = fields.0.iter().find(|(key, _)| !TAKEN.contains(&key.as_str())) {
        return Err(bad(unknown, "is not taken here; taken are from, to, rate, units, valid_from"));
    }
    let field = |name: &str| fields.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
    let needed = |name: &'static str| field(name).ok_or_else(|| bad(name, "is missing"));
    let code = |name: &'static str| -> Result<_, Problem> {
        let text = text("rates", needed(name)?)?.unwrap_or_default();
        Ok(currency(rules, &text)?)
    };
    let (from, to) = (code("from")?, code("to")?);
    if from == to {
        return Err(bad("to", "is the same currency as `from`"));
    }
    // A number is read from its digits as they are written.
    let digits = needed("rate")?.get().trim_matches('"');
    let rate = Decimal::parse(digits).ok().filter(|rate| rate.mantissa > 0);
    let rate = rate.ok_or_else(|| bad("rate", "is a decimal number above zero, as \"1.0872\""))?;
    let units: Option<u32> = match field("units") {
        None => Some(1),
        Some(raw) => raw.get().parse().ok().filter(|units| (1..=1_000_000).contains(units)),
    };
    let units = units.ok_or_else(|| bad("units", "is a whole number from 1 to 1000000"))?;
    let valid_from = match field("valid_from") {
        None => Millis(0),
        Some(raw) => {
            let written = text("rates", raw)?.unwrap_or_default();
            Millis::parse(&written).ok_or_else(|| bad("valid_from", "is a time, as 2026-11-20T10:00:00Z"))?
        }
    };
    Ok(OwnRate { from, to, rate, units, valid_from })
}
