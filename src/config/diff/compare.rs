//! Compares two items and everything in them.

use crate::config::diff::{
    difference::{Difference, DifferenceKind, DifferenceSubject, LimitMeasure},
    item::{Field, Item, ItemList, ItemRole, shown_list},
};
use crate::domain::{rules::level::LevelKey, vocabulary::names::Name};
use crate::scheduling::give_way;

/// The field of a filter that limits the sum of amounts.
pub(super) const AMOUNT: &str = "amount";
/// The field of a filter that limits the number of transactions.
pub(super) const QUANTITY: &str = "quantity";
/// The field of a filter that says whether it denies.
pub(super) const MODE: &str = "mode";

/// The place of a comparison.
#[derive(Clone, Default)]
struct Place {
    merchant: Option<Name>,
    /// The titles of the items around, joined.
    item: String,
    level: Option<LevelKey>,
    filter: Option<Name>,
    /// Before the names of fields: the title of a filter.
    prefix: String,
    is_read_at_start: bool,
}

impl Place {
    fn within(&self, item: &Item) -> Self {
        let mut place = self.clone();
        match item.role {
            ItemRole::Merchant(merchant) => {
                place.merchant = Some(merchant);
                return place;
            }
            ItemRole::Filter(filter) => {
                place.filter = Some(filter);
                place.prefix = format!("{} ", item.title);
                return place;
            }
            ItemRole::Level(level) => place.level = Some(level),
            ItemRole::RestartSettings => place.is_read_at_start = true,
            ItemRole::Other => {}
        }
        if !item.title.is_empty() {
            let before = if place.item.is_empty() { String::new() } else { format!("{}, ", place.item) };
            place.item = before + &item.title;
        }
        place
    }

    fn limit(&self, measure: LimitMeasure) -> Option<DifferenceSubject> {
        Some(DifferenceSubject::Limit { level: self.level?, filter: self.filter?, measure })
    }

    fn difference(&self, kind: DifferenceKind, part: String, values: (Option<String>, Option<String>)) -> Difference {
        let (before, after) = values;
        let (subject, note) = match self.is_read_at_start {
            true => (DifferenceSubject::RestartSetting, "takes effect at the next start".to_owned()),
            false => (DifferenceSubject::Other, String::new()),
        };
        Difference { kind, merchant: self.merchant, item: self.item.clone(), part, before, after, subject, note }
    }

    /// An item that only one side has.
    fn whole(&self, item: &Item, kind: DifferenceKind) -> Difference {
        let place = self.within(item);
        let part = match item.role {
            ItemRole::Merchant(_) => "merchant".to_owned(),
            ItemRole::Filter(_) => format!("filter {}", item.title),
            _ => String::new(),
        };
        let content = Some(item.content());
        let values = if kind == DifferenceKind::Added { (None, content) } else { (content, None) };
        let subject = match item.role {
            ItemRole::Level(level) => Some(DifferenceSubject::Level(level)),
            ItemRole::Filter(_) => place.limit(LimitMeasure::Both),
            _ => None,
        };
        let difference = place.difference(kind, part, values);
        Difference { subject: subject.unwrap_or(difference.subject), ..difference }
    }
}

/// All differences of two items: first those of the item itself, then those of its lists.
pub(super) fn compare(old: &Item, new: &Item) -> Vec<Difference> {
    let mut found = Vec::new();
    compare_at(&Place::default(), old, new, &mut found);
    found
}

fn compare_at(around: &Place, old: &Item, new: &Item, found: &mut Vec<Difference>) {
    let place = around.within(new);
    compare_fields(&place, &old.fields, &new.fields, found);
    for list in &new.lists {
        let before = old.lists.iter().find(|known| known.name == list.name);
        compare_lists(&place, before.map_or(&[][..], |list| &list.items), list, found);
    }
    for list in old.lists.iter().filter(|list| !new.lists.iter().any(|known| known.name == list.name)) {
        found.extend(list.items.iter().map(|item| place.whole(item, DifferenceKind::Removed)));
    }
}

fn compare_fields(place: &Place, old: &[Field], new: &[Field], found: &mut Vec<Difference>) {
    let of = |fields: &[Field], name: &str| fields.iter().find(|f| f.name == name).and_then(|f| f.value.clone());
    let only_old = old.iter().filter(|field| !new.iter().any(|known| known.name == field.name));
    for field in new.iter().chain(only_old) {
        let (before, after) = (of(old, &field.name), of(new, &field.name));
        if before == after {
            continue;
        }
        let values = if field.is_secret { (None, None) } else { (before, after) };
        let part = format!("{}{}", place.prefix, field.name);
        let difference = place.difference(DifferenceKind::Changed, part, values);
        let measure = match field.name.as_str() {
            AMOUNT => Some(LimitMeasure::Amount),
            QUANTITY => Some(LimitMeasure::Quantity),
            MODE => Some(LimitMeasure::Both),
            _ => None,
        };
        let subject = measure.and_then(|measure| place.limit(measure)).unwrap_or(difference.subject);
        found.push(Difference { subject, ..difference });
    }
}

fn compare_lists(place: &Place, old: &[Item], new: &ItemList, found: &mut Vec<Difference>) {
    // Lists are sorted by key before they are searched: a configuration may have thousands of merchants.
    let mut by_key: Vec<&Item> = old.iter().collect();
    by_key.sort_by(|a, b| a.key.cmp(&b.key));
    let before = |key: &str| by_key.binary_search_by(|item| item.key.as_str().cmp(key)).ok().map(|at| by_key[at]);
    let mut common: Vec<&str> = Vec::new();
    for item in &new.items {
        give_way();
        match before(&item.key) {
            Some(known) => {
                common.push(&item.key);
                compare_at(place, known, item, found);
            }
            None => found.push(place.whole(item, DifferenceKind::Added)),
        }
    }
    let mut kept = common.clone();
    kept.sort_unstable();
    let is_kept = |item: &&Item| kept.binary_search(&item.key.as_str()).is_ok();
    let order: Vec<&str> = old.iter().filter(is_kept).map(|item| item.key.as_str()).collect();
    if order != common {
        let values = (Some(shown_list(order)), Some(shown_list(common)));
        let part = format!("{}order of {}", place.prefix, new.name);
        found.push(place.difference(DifferenceKind::Changed, part, values));
    }
    let removed = old.iter().filter(|item| !is_kept(item));
    found.extend(removed.map(|item| place.whole(item, DifferenceKind::Removed)));
}
