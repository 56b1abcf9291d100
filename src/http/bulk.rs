//! Many customers at once: chosen by filters or by ids, each changed as one call would change it.
//!
//! Each customer is one step of its own: an end in the middle leaves some changed and some not, and the same call again
//! changes the rest, because what is so already is no change.

use super::{
    customer,
    customers::wanted,
    desk::render,
    problem::{Problem, Told},
    staff::Staff,
};
use crate::{
    config::body::{Object, object, settings},
    domain::{
        customer::{Customer, Event},
        identity::Attributes,
        money::Currency,
        name::Name,
        payment::{currency, word},
        profile::{Change, IndividualSettings},
        refusal::Refusal,
        rules::Direction,
        said::Said,
        time::Millis,
    },
    ledger::{Find, PAGE_MAX},
};
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

/// The most refusals that are told one by one.
const REFUSALS_MAX: usize = 100;
/// What a bulk change may set, the global limit apart.
const TAKEN: [&str; 4] = ["deposit_level", "withdrawal_level", "status", "labels"];

/// A global limit of individual settings; without a level, under the one that each customer has.
struct GlobalLimit {
    direction: Direction,
    currency: Currency,
    level: Option<Name>,
    min: Option<u64>,
    max: Option<u64>,
}

struct Asked {
    /// `None`: nobody.
    ids: Option<Vec<String>>,
    find: Option<Find>,
    said: Said,
    limit: Option<GlobalLimit>,
    is_trial: bool,
}

#[derive(Default, Serialize)]
struct Counts {
    dry_run: bool,
    selected: u64,
    changed: u64,
    unchanged: u64,
    refused: u64,
    refusals: Vec<RefusedOut>,
}

#[derive(Serialize)]
struct RefusedOut {
    customer_id: String,
    code: &'static str,
    detail: String,
}

/// `POST /v1/merchants/{m}/customers/bulk`.
pub(crate) async fn bulk(staff: Staff) -> Response {
    staff.aside(|staff| run(staff, &read(staff)?)).await
}

fn read(staff: &Staff) -> Result<Asked, Problem> {
    let body = object(&staff.body)?;
    let part = |name: &str| body.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
    if let Some((key, _)) = body.0.iter().find(|(key, _)| !["select", "set", "dry_run"].contains(&key.as_str())) {
        let detail = format!("`{key}` is not taken here; taken are select, set, dry_run");
        return Err(Problem::malformed("unknown_field", detail).at(key));
    }
    let needed = |name: &'static str| part(name).ok_or(Refusal::Missing(name));
    let select = object(needed("select")?.get().as_bytes())?;
    let set = object(needed("set")?.get().as_bytes())?;
    let wrong = |field: &str, what: &str| Problem::malformed("wrong_type", format!("`{field}` is {what}")).at(field);
    let is_trial = match part("dry_run") {
        None => false,
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| wrong("dry_run", "true or false"))?,
    };
    let (mut ids, mut query) = (None, form_urlencoded::Serializer::new(String::new()));
    for (key, raw) in &select.0 {
        match key.as_str() {
            "ids" => {
                let listed: Vec<String> =
                    serde_json::from_str(raw.get()).map_err(|_| wrong("ids", "a list of customer ids"))?;
                ids = Some(listed);
            }
            // How a page is cut is no part of a choice.
            "limit" | "cursor" | "sort" => {
                return Err(Problem::malformed("unknown_field", format!("`{key}` chooses nobody")).at(key));
            }
            _ => {
                let value: String = serde_json::from_str(raw.get()).map_err(|_| wrong(key, "a string"))?;
                query.append_pair(key, &value);
            }
        }
    }
    if ids.is_some() && select.0.len() > 1 {
        return Err(Problem::malformed("value_unknown", "`select` has either `ids` or filters").at("select"));
    }
    let find = wanted(&query.finish(), &staff.merchant)?.map(|find| Find { limit: PAGE_MAX, ..find });
    let (said, limit) = changes(staff, &set)?;
    Ok(Asked { ids, find, said, limit, is_trial })
}

fn changes(staff: &Staff, set: &Object<'_>) -> Result<(Said, Option<GlobalLimit>), Problem> {
    let mut limit = None;
    let mut rest: Vec<String> = Vec::new();
    for (key, raw) in &set.0 {
        if key == "global_limit" {
            limit = Some(global_limit(staff, raw)?);
        } else if TAKEN.contains(&key.as_str()) {
            rest.push(format!("\"{key}\":{raw}"));
        } else {
            let detail = format!("`{key}` is not set in bulk; taken are {}, global_limit", TAKEN.join(", "));
            return Err(Problem::malformed("unknown_field", detail).at(key));
        }
    }
    if set.0.is_empty() {
        return Err(Problem::malformed("field_missing", "`set` says nothing").at("set"));
    }
    let said = customer::read(format!("{{{}}}", rest.join(",")).as_bytes(), &staff.rules, false)?.said;
    Ok((said, limit))
}

fn global_limit(staff: &Staff, raw: &RawValue) -> Result<GlobalLimit, Problem> {
    let fields = object(raw.get().as_bytes())?;
    let text = |name: &'static str| -> Result<Option<String>, Problem> {
        let Some((_, raw)) = fields.0.iter().find(|(key, _)| key == name) else { return Ok(None) };
        let wrong = |_| Problem::malformed("wrong_type", format!("`{name}` is a string")).at(name);
        serde_json::from_str(raw.get()).map_err(wrong)
    };
    let direction = word::<Direction>("direction", &text("direction")?.ok_or(Refusal::Missing("direction"))?)?;
    let currency = currency(&staff.rules, &text("currency")?.ok_or(Refusal::Missing("currency"))?)?;
    let level = crate::domain::payment::name("level", text("level")?.as_deref())?;
    let rest = fields.0.iter().filter(|(key, _)| !["direction", "currency", "level"].contains(&key.as_str()));
    let rest: Vec<String> = rest.map(|(key, raw)| format!("\"{key}\":{raw}")).collect();
    let body = format!("{{\"global_limit\":{{{}}}}}", rest.join(","));
    let sent = settings(body.as_bytes(), currency, &staff.rules.currencies)?;
    Ok(GlobalLimit { direction, currency, level, min: sent.global_min, max: sent.global_max })
}

fn run(staff: &Staff, asked: &Asked) -> Result<Told, Problem> {
    let now = staff.now()?;
    let mut counts = Counts { dry_run: asked.is_trial, ..Counts::default() };
    let mut each = |id: &str| {
        counts.selected += 1;
        match change(staff, asked, id, now) {
            Ok(true) => counts.changed += 1,
            Ok(false) => counts.unchanged += 1,
            Err(refusal) => {
                counts.refused += 1;
                if counts.refusals.len() < REFUSALS_MAX {
                    let (code, detail) = (refusal.code(), refusal.to_string());
                    counts.refusals.push(RefusedOut { customer_id: id.to_owned(), code, detail });
                }
            }
        }
    };
    if let Some(ids) = &asked.ids {
        ids.iter().for_each(|id| each(id));
    } else if let Some(find) = &asked.find {
        let mut find = find.clone();
        loop {
            let ledger = &staff.daemon.desk.ledger;
            let found = ledger.find_customers(staff.merchant.id, &find, now, |customer, _| customer.number.to_string());
            found.customers.iter().for_each(|id| each(id));
            // What changes may leave the choice; the next page begins behind the last number all the same.
            match found.next {
                Some(next) => find.after = Some(next),
                None => break,
            }
        }
    }
    Ok(Told::of(render(&counts)))
}

/// Whether anything changes.
fn change(staff: &Staff, asked: &Asked, id: &str, now: Millis) -> Result<bool, Refusal> {
    let ledger = &staff.daemon.desk.ledger;
    let (changed, _) = ledger.amend(&staff.merchant, id, &asked.said, (staff.author, now), asked.is_trial)?;
    let Some(limit) = &asked.limit else { return Ok(changed) };
    let mut limited = false;
    ledger.change(staff.merchant.id, id, (staff.author, now), &Attributes::default(), &mut |customer, _| {
        let events = limit.events(customer);
        limited = !events.is_empty();
        Ok(if asked.is_trial { Vec::new() } else { events })
    })?;
    Ok(changed || limited)
}

impl GlobalLimit {
    fn events(&self, customer: &Customer) -> Vec<Event> {
        let Some(level) = self.level.or(customer.levels[self.direction as usize]) else { return Vec::new() };
        let known = customer.settings_for(self.direction, self.currency, level);
        let settings = IndividualSettings {
            direction: self.direction,
            currency: self.currency,
            level,
            methods: known.map(|known| known.methods.clone()).unwrap_or_default(),
            global_min: self.min,
            global_max: self.max,
        };
        let same = known == Some(&settings) || (known.is_none() && settings.is_empty());
        if same { Vec::new() } else { vec![Event::Changed(Change::Settings(settings))] }
    }
}
