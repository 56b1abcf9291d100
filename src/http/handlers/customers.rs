//! Customers over the wire: lists, lookups, and what staff change.

use crate::{
    config::parse::body,
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent, Make},
            attributes::Attributes,
            profile::{Change, IndividualSettings, SETTINGS_MAX},
            status::CustomerStatus,
            update,
        },
        decision::{
            payment::{time, word},
            refusal::Refusal,
        },
        rules::configuration::{Attribute, Direction, Merchant, Word},
        vocabulary::{
            identifier_text::{is_identifier, no_control},
            names::Name,
            time::Millis,
        },
    },
    ledger::{Find, Mark, PAGE_MAX, Whole},
};
use crate::{
    http::{
        dto::{
            customer,
            problem::{Problem, Told},
        },
        handlers::{admin_request::Staff, history, lists::page_of, usage},
    },
    service::payments::render,
};
use axum::response::Response;
use serde_json::{Value, json};
use std::{collections::BTreeMap, str::FromStr};

impl Staff {
    /// The customer whom the path names.
    pub(crate) fn customer_id(&self) -> &str {
        self.named(0)
    }

    /// The customer's document as it stands.
    fn document(&self) -> Result<Told, Problem> {
        self.tell_of(|customer, now| self.document_of(customer, now))
    }

    pub(crate) fn document_of(&self, customer: &Customer, now: Millis) -> Value {
        self.shown(now).customer(customer)
    }

    pub(crate) fn look<T>(&self, look: impl FnOnce(&Customer, Millis) -> T) -> Result<T, Problem> {
        let ledger = &self.daemon.desk.ledger;
        Ok(ledger.look(self.merchant.id.as_str(), self.customer_id(), self.now()?, look)?)
    }

    /// What is shown of the customer alone, and rests on no other's records.
    pub(crate) fn tell_of(&self, show: impl FnOnce(&Customer, Millis) -> Value) -> Result<Told, Problem> {
        self.tell_of_whole(|whole, now| show(whole.customer, now))
    }

    fn tell_of_whole<T: serde::Serialize>(&self, show: impl FnOnce(Whole<'_>, Millis) -> T) -> Result<Told, Problem> {
        let (ledger, merchant) = (&self.daemon.desk.ledger, self.merchant.id.as_str());
        let show = |whole: Whole<'_>, now| (whole.rests_on, show(whole, now));
        let (rests_on, shown) = ledger.look_whole(merchant, self.customer_id(), self.now()?, show)?;
        Ok(Told::resting_on(render(&shown), rests_on))
    }

    pub(crate) fn change(&self, make: &mut Make<'_>) -> Result<(), Problem> {
        let (ledger, hand) = (&self.daemon.desk.ledger, (self.author, self.now()?));
        ledger.change(self.merchant.id, self.customer_id(), hand, &Attributes::default(), make)?;
        Ok(())
    }
}

/// `GET /v1/merchants/{m}/customers`.
pub(crate) async fn list(staff: Staff) -> Response {
    staff.aside(find).await
}

fn find(staff: &Staff) -> Result<Told, Problem> {
    let wanted = wanted(&staff.query, &staff.merchant)?;
    // Paging through all customers is a download of their table, which a gateway has no need of.
    let names_one = |find: &Find| {
        find.customer_id.is_some() || find.identifier.is_some() || find.attributes.iter().any(|(a, _)| is_identifier(a))
    };
    if staff.is_gateway() && wanted.as_ref().is_some_and(|find| !names_one(find)) {
        let detail = "the role gateway looks customers up and does not list them: name one by customer_id, \
                      merchant_customer_identifier, email, phone or external_id; a list takes the role viewer or operator";
        return Err(Problem::forbidden(detail));
    }
    let ledger = &staff.daemon.desk.ledger;
    let found = match wanted {
        Some(find) => ledger.find_customers(staff.merchant.id, &find, staff.now()?, |c, now| staff.document_of(c, now)),
        None => return Ok(Told::of(render(&json!({ "customers": [], "next_cursor": null })))),
    };
    let next = found.next.map(|number| number.to_string());
    Ok(Told::of(render(&json!({ "customers": found.customers, "next_cursor": next }))))
}

/// What a query asks for; `None`: nobody can have it.
pub(crate) fn wanted(query: &str, merchant: &Merchant) -> Result<Option<Find>, Problem> {
    const TAKEN: [&str; 14] = [
        "customer_id",
        "merchant_customer_identifier",
        "deposit_level",
        "withdrawal_level",
        "email",
        "phone",
        "external_id",
        "status",
        "label",
        "created_from",
        "created_to",
        "sort",
        "limit",
        "cursor",
    ];
    let mut find = Find { limit: 100, ..Find::default() };
    let mut is_nobody = false;
    for (field, value) in once_each(query, &TAKEN)? {
        let bad = |what: &str| Problem::malformed("value_unknown", format!("`{field}` {what}")).at(field);
        // A text that was never a name is nobody's, and need not become one.
        let mut mark = |of: fn(Name) -> Mark| match Name::known(&value) {
            Some(name) => find.marks.push(of(name)),
            None => is_nobody = true,
        };
        match field {
            // No customer has a blank identifier.
            "customer_id" => {
                no_control(field, value.trim())?;
                find.customer_id = Some(value.trim().to_owned());
            }
            "merchant_customer_identifier" => {
                no_control(field, value.trim())?;
                is_nobody |= value.trim().is_empty();
                find.identifier = Some(value.trim().to_owned());
            }
            "deposit_level" if value.is_empty() => find.marks.push(Mark::Level(Direction::Deposit, None)),
            "withdrawal_level" if value.is_empty() => find.marks.push(Mark::Level(Direction::Withdrawal, None)),
            "deposit_level" => mark(|name| Mark::Level(Direction::Deposit, Some(name))),
            "withdrawal_level" => mark(|name| Mark::Level(Direction::Withdrawal, Some(name))),
            "label" => mark(Mark::Label),
            "status" => find.marks.push(Mark::Status(word::<CustomerStatus>("status", &value)?)),
            "created_from" => find.created_from = time("created_from", Some(&value))?,
            "created_to" => find.created_to = time("created_to", Some(&value))?,
            "sort" => {
                find.descending = match value.as_str() {
                    "customer_id" => false,
                    "-customer_id" => true,
                    _ => return Err(bad("is customer_id (the oldest first) or -customer_id")),
                }
            }
            "limit" => find.limit = limit(&value)?,
            "cursor" => {
                let after = value.parse().map_err(|_| bad("is a `next_cursor` of an earlier page"))?;
                find.after = Some(after);
            }
            _ => {
                if let Some(attribute) = Attribute::parse(field) {
                    if is_identifier(attribute) {
                        no_control(field, value.trim())?;
                    }
                    find.attributes.set(attribute, &merchant.registration.normalised(attribute, &value));
                    is_nobody |= value.trim().is_empty();
                }
            }
        }
    }
    Ok((!is_nobody).then_some(find))
}

/// How many a page may have.
pub(crate) fn limit(value: &str) -> Result<usize, Problem> {
    let limit = usize::from_str(value).ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    let detail = format!("`limit` is a number from 1 to {PAGE_MAX}");
    limit.ok_or_else(|| Problem::malformed("value_unknown", detail).at("limit"))
}

/// The fields of a query, each taken and each once.
pub(crate) fn once_each<'t>(query: &str, taken: &[&'t str]) -> Result<Vec<(&'t str, String)>, Problem> {
    let mut seen: BTreeMap<&'t str, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(field) = taken.iter().copied().find(|taken| *taken == name) else {
            let detail = format!("`{name}` is not taken here; taken are {}", taken.join(", "));
            return Err(Problem::malformed("unknown_field", detail).at(&name));
        };
        if seen.insert(field, value.into_owned()).is_some() {
            return Err(Problem::malformed("duplicate_field", format!("`{field}` comes twice")).at(field));
        }
    }
    Ok(seen.into_iter().collect())
}

/// `POST /v1/merchants/{m}/customers`.
pub(crate) async fn create(staff: Staff) -> Response {
    let made = register(&staff);
    staff.tell(made).await
}

fn register(staff: &Staff) -> Result<Told, Problem> {
    let sent = customer::read(&staff.body, &staff.rules, true)?;
    let now = staff.now()?;
    let ledger = &staff.daemon.desk.ledger;
    let (admitted, _) = ledger.register(&sent.applying(&staff.merchant, staff.author), now)?;
    let (number, is_new) = admitted.newly()?;
    let merchant = staff.merchant.id.as_str();
    let document = ledger.look(merchant, &number.to_string(), now, |c, now| staff.document_of(c, now))?;
    Ok(if is_new { Told::created(render(&document)) } else { Told::of(render(&document)) })
}

/// `GET /v1/merchants/{m}/customers/{customer_id}`.
pub(crate) async fn show(staff: Staff) -> Response {
    let shown = staff.document();
    staff.tell(shown).await
}

/// `PATCH /v1/merchants/{m}/customers/{customer_id}`.
pub(crate) async fn amend(staff: Staff) -> Response {
    let done = customer::read(&staff.body, &staff.rules, false).and_then(|sent| {
        let ledger = &staff.daemon.desk.ledger;
        let now = staff.now()?;
        ledger.amend(&staff.merchant, staff.customer_id(), &sent.said, (staff.author, now), false)?;
        staff.document()
    });
    staff.tell(done).await
}

/// `DELETE /v1/merchants/{m}/customers/{customer_id}`: asks for deletion.
pub(crate) async fn delete(staff: Staff) -> Response {
    let done = staff
        .change(&mut |customer, now| Ok(update::deletion(customer, &staff.merchant, now)))
        .and_then(|()| staff.document());
    staff.tell(done).await
}

/// `GET .../customers/{customer_id}/usage`.
pub(crate) async fn usage(staff: Staff) -> Response {
    let read = read_usage(&staff);
    staff.tell(read).await
}

fn read_usage(staff: &Staff) -> Result<Told, Problem> {
    staff.tell_of_whole(|whole, now| usage::of(whole, &staff.rules, &staff.merchant, now))
}

/// `GET .../customers/{customer_id}/transactions`.
pub(crate) async fn transactions(staff: Staff) -> Response {
    let read = |staff: &Staff| {
        staff.look(|_, _| ())?;
        page_of(&staff.daemon, staff.merchant.id.as_str(), &staff.query, Some(staff.customer_id())).map(Told::of)
    };
    staff.aside(read).await
}

/// `GET .../customers/{customer_id}/history`.
pub(crate) async fn history(staff: Staff) -> Response {
    staff.aside(|staff| history::of(staff).map(Told::of)).await
}

/// `GET .../settings/{direction}/{currency}/{level}`.
pub(crate) async fn settings(staff: Staff) -> Response {
    let read = read_settings(&staff);
    staff.tell(read).await
}

fn read_settings(staff: &Staff) -> Result<Told, Problem> {
    let none = none_of(staff)?;
    let (direction, currency, level) = (none.direction, none.currency, none.level);
    staff.tell_of(|customer, now| {
        let mut shown = staff.shown(now).settings(customer.settings_for(direction, currency, level).unwrap_or(&none));
        if level == Name::unrecorded() {
            shown["level"] = staff.named(3).into();
        }
        shown
    })
}

/// Settings that say nothing, of the place that the path names.
fn none_of(staff: &Staff) -> Result<IndividualSettings, Problem> {
    Ok(IndividualSettings {
        direction: staff.direction(1)?,
        currency: staff.currency(2)?,
        level: staff.name(3, "level")?,
        methods: Vec::new(),
        global_min: None,
        global_max: None,
    })
}

/// `PUT .../settings/{direction}/{currency}/{level}`.
pub(crate) async fn set_settings(staff: Staff) -> Response {
    let done = put_settings(&staff).and_then(|()| read_settings(&staff));
    staff.tell(done).await
}

fn put_settings(staff: &Staff) -> Result<(), Problem> {
    let none = none_of(staff)?;
    let sent = body::settings(&staff.body, none.currency, &staff.rules.currencies, staff.merchant.id)?;
    if !staff.daemon.desk.ledger.knows_level(&staff.merchant, none.direction, none.level) {
        return Err(update::no_level("level", none.direction, staff.named(3)).into());
    }
    let gates = sent.methods.iter().flat_map(|method| method.gates.iter().flatten());
    if let Some(unknown) = gates.into_iter().find(|gate| staff.merchant.gate_item(**gate).is_none()) {
        let (merchant, known) = (&staff.merchant, |id: &Name| id.as_str());
        let gates =
            merchant.gates.iter().map(|gate| known(&gate.id)).chain(merchant.routes.iter().map(|r| known(&r.id)));
        let candidates = gates.collect::<Vec<_>>().join(", ");
        return Err(Refusal::UnknownPlace { field: "gates", value: unknown.to_string(), candidates }.into());
    }
    let (global_min, global_max) = (sent.global_min, sent.global_max);
    let settings = IndividualSettings { methods: sent.methods, global_min, global_max, ..none };
    staff.change(&mut |customer, _| {
        let IndividualSettings { direction, currency, level, .. } = settings;
        let known = customer.settings_for(direction, currency, level);
        if known == Some(&settings) || (known.is_none() && settings.is_empty()) {
            return Ok(Vec::new());
        }
        if known.is_none() && customer.profile().is_some_and(|profile| profile.settings.len() >= SETTINGS_MAX) {
            return Err(Refusal::TooMany { field: "settings", most: SETTINGS_MAX });
        }
        Ok(vec![CustomerEvent::Changed(Change::Settings(settings.clone()))])
    })
}

/// `DELETE .../settings/{direction}/{currency}/{level}`: reset to default.
pub(crate) async fn reset_settings(staff: Staff) -> Response {
    let done = none_of(&staff).and_then(|none| {
        staff.change(&mut |customer, _| {
            let known = customer.settings_for(none.direction, none.currency, none.level);
            Ok(known.map(|_| CustomerEvent::Changed(Change::Settings(none.clone()))).into_iter().collect())
        })
    });
    let done = done.and_then(|()| read_settings(&staff));
    staff.tell(done).await
}
