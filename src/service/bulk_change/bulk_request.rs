//! The request of a bulk change: which customers, and what changes.

use crate::{
    config::body::{JsonObject, global_limit, object},
    domain::{
        customer::{
            aggregate::Customer, change::CustomerChange, individual_settings::IndividualSettings,
            update::CustomerUpdate, updated_fields::UpdatedFields,
        },
        decision::level_choice,
        events::customer_event::CustomerEvent,
        request::{
            fields::{check_no_control, intern_name, look_up_name, parse_currency, parse_word},
            refusal::Refusal,
        },
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    ledger::{CustomerQuery, Ledger, PAGE_MAX},
    service::{
        documents::{
            customers::{
                search::{SEARCH_KEYS, customer_search},
                update::read_customer_object,
            },
            json::{boolean, member, nested_object, text, text_list, unknown_key},
            links::customer_table,
        },
        error::ServiceError,
    },
};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// What a bulk change can set, besides the global limit.
const SETTABLE: [&str; 4] = ["deposit_level", "withdrawal_level", "status", "labels"];

/// The request of a bulk change.
pub(super) struct BulkRequest {
    pub(super) selection: Selection,
    pub(super) update: CustomerUpdate,
    pub(super) limit: Option<GlobalLimit>,
    pub(super) is_trial: bool,
    /// The customers who must be those that would change, as a trial answers it.
    pub(super) changed_digest: Option<String>,
    /// The filters of a customer list that select the same customers.
    filters: Vec<(String, String)>,
}

/// The chosen customers.
pub(super) enum Selection {
    /// Those with these ids.
    Ids(Vec<String>),
    /// Those that a search finds; a search without filters finds all.
    Search(CustomerQuery),
    /// None: no customer can match.
    Nobody,
}

/// A global limit of individual settings. Without a level it applies under the level that each customer has.
pub(super) struct GlobalLimit {
    direction: Direction,
    currency: Currency,
    level: Option<Name>,
    /// The level as sent.
    level_text: Option<String>,
    min: Option<u64>,
    max: Option<u64>,
}

impl BulkRequest {
    /// Reads a body: `{"select": {...}, "set": {...}, "dry_run": false}`.
    ///
    /// # Errors
    /// The first thing that is wrong with it; the selection is empty.
    pub(super) fn read(rules: &Rules, merchant: &Merchant, body: &[u8]) -> Result<Self, ServiceError> {
        let body = object(body)?;
        if let Some(select) = member(&body, "select") {
            check_selects(&nested_object("select", select)?)?;
        }
        Self::read_object(rules, merchant, &body)
    }

    /// Reads the body of a job that has begun. Its customers are stored with it, and earlier versions took an empty
    /// selection for all customers.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub(super) fn read_stored(rules: &Rules, merchant: &Merchant, body: &[u8]) -> Result<Self, ServiceError> {
        Self::read_object(rules, merchant, &object(body)?)
    }

    /// Refuses levels and labels that the merchant does not have: no customer can get them.
    ///
    /// # Errors
    /// The first name that does not exist.
    pub(super) fn check_names(&self, ledger: &Ledger, merchant: &Merchant) -> Result<(), Refusal> {
        let knows_level = |direction, name| ledger.knows_level(merchant, direction, name);
        let level_list = |direction, sent: &str| ledger.level_list(merchant, (direction, None), sent);
        self.update.check_names(merchant, &knows_level, &level_list)?;
        let Some(limit) = &self.limit else { return Ok(()) };
        match (limit.level, &limit.level_text) {
            (Some(level), Some(text)) if !knows_level(limit.direction, level) => {
                let (direction, known) = (limit.direction.word(), level_list(limit.direction, text));
                let reason = format!("{text:?} is not a level of this merchant for {direction}s; it has {known}");
                Err(Refusal::NotAllowed { field: "level", reason })
            }
            _ => Ok(()),
        }
    }

    fn read_object(rules: &Rules, merchant: &Merchant, body: &JsonObject<'_>) -> Result<Self, ServiceError> {
        if let Some(key) = unknown_key(body, &["select", "set", "dry_run", "changed_digest"]) {
            return Err(ServiceError::unknown_field(key, "select, set, dry_run, changed_digest"));
        }
        let select = nested_object("select", member(body, "select").ok_or_else(empty_selection)?)?;
        let set = nested_object("set", member(body, "set").ok_or(Refusal::Missing("set"))?)?;
        let is_trial = member(body, "dry_run").map_or(Ok(false), |raw| boolean("dry_run", raw))?;
        let digest = |raw| -> Result<String, ServiceError> {
            text("changed_digest", raw)?.ok_or_else(|| ServiceError::wrong_type("changed_digest", "a string"))
        };
        let changed_digest = member(body, "changed_digest").map(digest).transpose()?;
        let (selection, filters) = read_selection(&select, merchant)?;
        let (update, limit) = read_changes(&set, rules, merchant.id, is_trial)?;
        Ok(Self { selection, update, limit, is_trial, changed_digest, filters })
    }

    /// The path of the table that contains the changed fields, as they are now; `None`: no column contains one.
    pub(super) fn table_path(&self, merchant: Name, changed: UpdatedFields) -> Option<String> {
        let columns: Vec<&str> = SETTABLE.into_iter().filter(|column| changed.contains(column)).collect();
        let filters = self.filters.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let path = || customer_table(merchant.as_str(), &columns, filters);
        (!columns.is_empty()).then(path)
    }
}

/// Refuses a selection that states no customer: a filter that was left out by mistake must not change everybody.
fn check_selects(select: &JsonObject<'_>) -> Result<(), ServiceError> {
    if let Some(raw) = member(select, "all") {
        if !boolean("all", raw)? {
            return Err(ServiceError::unknown_value("all", "is true, or is left out"));
        }
        if let Some(other) = unknown_key(select, &["all"]) {
            let detail = format!(
                "`{other}` is not taken together with `all`, which selects every customer; leave one of them out"
            );
            return Err(ServiceError::malformed("value_unknown", detail).at("select"));
        }
        return Ok(());
    }
    if let Some((key, _)) = select.0.iter().find(|(_, raw)| has_long_text(raw)) {
        let detail = format!(
            "`select`: a text of `{key}` is longer than {SELECTION_BYTES_MAX} bytes, so it selects no customer"
        );
        return Err(ServiceError::malformed("text_too_long", detail).at(key));
    }
    let is_empty = |(key, raw): &(String, &RawValue)| match serde_json::from_str(raw.get()) {
        Ok(Value::Null) => true,
        Ok(Value::Array(ids)) => ids.is_empty(),
        // An empty level is a filter: it selects the customers without a level.
        Ok(Value::String(text)) => {
            text.trim().is_empty() && !["deposit_level", "withdrawal_level"].contains(&key.as_str())
        }
        _ => false,
    };
    if select.0.iter().all(is_empty) { Err(empty_selection()) } else { Ok(()) }
}

/// The most bytes of a text that selects customers.
const SELECTION_BYTES_MAX: usize = 256;

fn has_long_text(raw: &RawValue) -> bool {
    match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => text.len() > SELECTION_BYTES_MAX,
        Ok(Value::Array(items)) => items.iter().filter_map(Value::as_str).any(|text| text.len() > SELECTION_BYTES_MAX),
        _ => false,
    }
}

fn empty_selection() -> ServiceError {
    let detail = "`select` is empty and would select no customer in particular; name filters or `ids`, or send \
                  {\"all\": true} to select every customer";
    ServiceError::malformed("field_missing", detail).at("select")
}

/// The chosen customers, and the filters of a customer list that choose them.
fn read_selection(
    select: &JsonObject<'_>,
    merchant: &Merchant,
) -> Result<(Selection, Vec<(String, String)>), ServiceError> {
    let mut ids = None;
    let mut filters: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    for (key, raw) in &select.0 {
        match key.as_str() {
            "ids" => {
                let Some(listed) = text_list("ids", raw)? else {
                    return Err(ServiceError::wrong_type("ids", "a list of customer ids"));
                };
                listed.iter().try_for_each(|id| check_no_control("ids", id.trim()))?;
                ids = Some(listed);
            }
            // The only member: no filter selects all.
            "all" => {}
            // These keys cut a list into pages, and choose no customer.
            "limit" | "cursor" | "sort" => {
                return Err(ServiceError::malformed("unknown_field", format!("`{key}` chooses no customer")).at(key));
            }
            // As in a list, where the key comes once for each value.
            _ if SEARCH_KEYS.repeatable.contains(&key.as_str()) && raw.get().starts_with('[') => {
                let values = text_list(key, raw)?.filter(|values| !values.is_empty());
                let values = values.ok_or_else(|| ServiceError::wrong_type(key, "a string, or a list of strings"))?;
                filters.extend(values.into_iter().map(|value| (Cow::Borrowed(key.as_str()), Cow::Owned(value))));
            }
            _ => {
                let value = text(key, raw)?.ok_or_else(|| ServiceError::wrong_type(key, "a string"))?;
                filters.push((Cow::Borrowed(key.as_str()), Cow::Owned(value)));
            }
        }
    }
    if ids.is_some() && select.0.len() > 1 {
        return Err(ServiceError::unknown_value("select", "has either `ids` or filters"));
    }
    let mut listed: Vec<(String, String)> = Vec::new();
    listed.extend(filters.iter().map(|(key, value)| (key.to_string(), value.to_string())));
    listed.extend(ids.iter().flatten().map(|id| ("customer_id".to_owned(), id.clone())));
    let search = customer_search(filters, merchant)?;
    let selection = match (ids, search) {
        (Some(ids), _) => Selection::Ids(ids),
        (None, Some(search)) => Selection::Search(CustomerQuery { limit: PAGE_MAX, ..search }),
        (None, None) => Selection::Nobody,
    };
    Ok((selection, listed))
}

fn read_changes(
    set: &JsonObject<'_>,
    rules: &Rules,
    merchant: Name,
    is_trial: bool,
) -> Result<(CustomerUpdate, Option<GlobalLimit>), ServiceError> {
    let mut limit = None;
    let mut rest = Vec::new();
    for (key, raw) in &set.0 {
        if key == "global_limit" {
            limit = Some(read_global_limit(raw, rules, merchant, is_trial)?);
        } else if SETTABLE.contains(&key.as_str()) {
            rest.push((key.clone(), *raw));
        } else {
            return Err(ServiceError::unknown_field(key, &format!("{}, global_limit", SETTABLE.join(", "))));
        }
    }
    if set.0.is_empty() {
        return Err(ServiceError::malformed("field_missing", "`set` has no field").at("set"));
    }
    Ok((read_customer_object(&JsonObject(rest), rules, false)?.update, limit))
}

fn read_global_limit(
    raw: &RawValue,
    rules: &Rules,
    merchant: Name,
    is_trial: bool,
) -> Result<GlobalLimit, ServiceError> {
    let fields = nested_object("global_limit", raw)?;
    let text_of = |name: &'static str| member(&fields, name).map_or(Ok(None), |raw| text(name, raw));
    let direction = parse_word::<Direction>("direction", &text_of("direction")?.ok_or(Refusal::Missing("direction"))?)?;
    let currency = parse_currency(rules, &text_of("currency")?.ok_or(Refusal::Missing("currency"))?)?;
    let level_text = text_of("level")?.filter(|level| !level.is_empty());
    let level = level_text.as_deref().map(|level| match is_trial {
        true => look_up_name("level", level),
        false => intern_name("level", merchant, level),
    });
    let level = level.transpose()?;
    let is_amount = |key: &str| !["direction", "currency", "level"].contains(&key);
    let amounts = JsonObject(fields.0.iter().filter(|(key, _)| is_amount(key)).cloned().collect());
    let (min, max) = global_limit(&amounts, raw.get(), currency, &rules.currencies)?;
    Ok(GlobalLimit { direction, currency, level, level_text, min, max })
}

impl GlobalLimit {
    /// The events that give a customer this limit.
    pub(super) fn events(&self, customer: &Customer) -> Vec<CustomerEvent> {
        // A customer without a level pays under the level `unknown`.
        let stored = customer.levels[self.direction as usize];
        let level = self.level.or(stored).unwrap_or_else(level_choice::unknown_level);
        let known = customer.settings_for(self.direction, self.currency, level);
        let settings = IndividualSettings {
            direction: self.direction,
            currency: self.currency,
            level,
            methods: known.map(|known| known.methods.clone()).unwrap_or_default(),
            global_min: self.min,
            global_max: self.max,
        };
        let is_same = known == Some(&settings) || (known.is_none() && settings.is_empty());
        if is_same { Vec::new() } else { vec![CustomerEvent::CustomerChanged(CustomerChange::Settings(settings))] }
    }
}
