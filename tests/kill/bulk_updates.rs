//! Bulk updates of customers: the selection, the changes, and the counts.
//!
//! Each is a job with its own id. A job without an answer was completed, or continues after the next start, or never
//! began: sent again with its id it is applied once.

use serde_json::{Value, json};

use crate::model::{BulkChange, BulkCounts, GlobalLimit, LEVELS, WAYS, money};
use crate::operation::{ClientRecords, CustomerPart, Expected, Operation, StaffCall};
use crate::staff_calls::{OFTEN, bounds};
use support::random::Random;

/// The most who are chosen by their ids: enough that many a kill comes in the middle.
const CHOSEN_MAX: u64 = 40;
/// The highest count of different times between two of them.
const NOBODIES_MAX: u64 = 40;
/// The most refusals that are reported individually.
const TOLD_MAX: usize = 100;
/// A number that no customer has.
const NOBODY: &str = "4000000001";
/// Levels that each configuration has in both directions, so that whenever a change goes on it is taken.
const SET: &[Option<&str>] = &[Some("gold"), Some("unknown"), None];

/// Ids, and whose they are.
type Selection = Vec<(String, Option<usize>)>;

impl ClientRecords {
    /// A change of some of one merchant's customers.
    pub(crate) fn bulk(&mut self, random: &mut Random, place: usize) -> Operation {
        let (select, chosen) = self.choose(random, place);
        let (sets, set) = self.sets(random, self.customers.all[place].merchant);
        let is_trial = random.percent(10);
        let tally = self.customers.set(&chosen, &sets, is_trial);
        let mut body = json!({ "select": select, "set": set });
        if is_trial {
            body["dry_run"] = json!(true);
        }
        let path = format!("/bulk?job={}", self.fresh());
        let staff = StaffCall { method: "POST", path, of: CustomerPart::Many };
        let expected = Expected::Totals(tally);
        Operation {
            kind: "bulk",
            customer: place,
            transaction: 0,
            body,
            expected,
            first_answer: None,
            staff: Some(staff),
        }
    }

    /// Whom: by ids, by what they have, or by what leads to one.
    fn choose(&self, random: &mut Random, place: usize) -> (Value, Selection) {
        let merchant = self.customers.all[place].merchant;
        let known = |n: &usize| {
            self.customers.all[*n].is_known() && self.customers.all[*n].merchant == merchant && self.customers.stays(*n)
        };
        let id = |n: usize| self.customers.all[n].id.clone().expect("a known one has a number");
        let one = &self.customers.all[place];
        let head = self.customers.head(place);
        match random.between(0, 9) {
            0..=2 if self.mark.is_some() => {
                let level = random.percent(40).then(|| *random.pick(LEVELS));
                let status = random.percent(30).then(|| *random.pick(&["new", "member", "deny"]));
                let mut select = json!({ "label": self.mark });
                level.iter().for_each(|level| select["deposit_level"] = json!(level));
                status.iter().for_each(|status| select["status"] = json!(status));
                let is_chosen = |n: &usize| {
                    let customer = &self.customers.all[*n];
                    customer.into.is_none()
                        && self.mark.is_some_and(|mark| customer.labels.contains(&mark))
                        && level.is_none_or(|level| customer.stored[0] == Some(level))
                        && status.is_none_or(|status| customer.status() == status)
                };
                let mut chosen: Selection =
                    (0..self.customers.all.len()).filter(known).filter(is_chosen).map(|n| (id(n), Some(n))).collect();
                chosen.sort_by_key(|(id, _)| id.parse::<u64>().ok());
                (select, chosen)
            }
            3 if merchant == "acme" => {
                (json!({ "merchant_customer_identifier": one.name }), vec![(id(head), Some(head))])
            }
            4 if one.has_email => (json!({ "email": one.email }), vec![(id(head), Some(head))]),
            _ => {
                let all: Vec<usize> = (0..self.customers.all.len()).filter(known).collect();
                let often: Vec<usize> = all.iter().copied().filter(|n| n % self.each < OFTEN).collect();
                let from = if often.is_empty() || random.percent(60) { all } else { often };
                let count = random.between(1, CHOSEN_MAX);
                let mut chosen: Selection = Vec::new();
                // Between the others it makes the way long, so that a kill comes in the middle.
                let nobodies = if random.percent(40) { random.between(1, NOBODIES_MAX) } else { 0 };
                for n in (0..count).map(|_| from[random.place(from.len())]) {
                    chosen.push((id(n), Some(n)));
                    chosen.extend((0..nobodies).map(|_| (NOBODY.to_owned(), None)));
                }
                // A customer of another merchant is unknown to a merchant.
                let other =
                    self.customers.all.iter().find(|customer| customer.is_known() && customer.merchant != merchant);
                let other = other.filter(|_| random.percent(20)).and_then(|customer| customer.id.clone());
                chosen.extend(other.map(|id| (id, None)));
                let ids: Vec<&String> = chosen.iter().map(|(id, _)| id).collect();
                (json!({ "ids": ids }), chosen)
            }
        }
    }

    /// What is set of them: one or two things.
    fn sets(&self, random: &mut Random, merchant: &str) -> (BulkChange, Value) {
        let (mut sets, mut body) = (BulkChange::default(), json!({}));
        for _ in 0..random.between(1, 2) {
            match random.between(0, 9) {
                0..=2 => {
                    let side = random.place(2);
                    let level = *random.pick(SET);
                    sets.levels[side] = Some(level);
                    body[["deposit_level", "withdrawal_level"][side]] = json!(level);
                }
                3..=4 => {
                    // Blocking changes are rare, because many customers are selected.
                    let status = *random.pick(&["new", "member", "member", "deny", "deny", "suspicious"]);
                    sets.status = Some(status);
                    body["status"] = json!(status);
                }
                5..=6 => {
                    let labels = self.labels(random, merchant);
                    body["labels"] = json!(labels);
                    sets.labels = Some(labels);
                }
                _ => {
                    let (way, bounds) = (*random.pick(WAYS), bounds(random));
                    // The level that every configuration has: a limit for one that does not exist is refused.
                    let level = random.percent(50).then_some("gold");
                    let (least, most) = (bounds.0.map(money), bounds.1.map(money));
                    body["global_limit"] = json!({
                        "direction": way.0, "currency": way.1, "level": level, "min_amount": least, "max_amount": most,
                    });
                    sets.limit = Some(GlobalLimit { way, level, bounds });
                }
            }
        }
        (sets, body)
    }
}

/// The counts of an answer; `None`: they differ from the model.
pub(crate) fn counts(tally: &BulkCounts, answer: &Value) -> Option<Value> {
    let number = |member: &str| answer[member].as_u64();
    let (changed, unchanged) = (number("changed")?, number("unchanged")?);
    let refused = tally.refused.len() as u64;
    let is_whole = number("selected") == Some(tally.selected)
        && number("refused") == Some(refused)
        && changed + unchanged + refused == tally.selected;
    let may_lack = u64::from(tally.was_cut);
    let is_counted = changed == tally.changed || changed + may_lack == tally.changed;
    // Refusals name the id that was sent. A daemon that resumes a job reports its own refusals only.
    let refused_lines: Vec<&str> =
        answer["refusals"].as_array()?.iter().filter_map(|refusal| refusal["customer_id"].as_str()).collect();
    let first_told = if tally.was_cut { tally.refused.len() } else { 0 };
    let are_told = (0..=first_told).any(|from| tally.refused[from..].iter().take(TOLD_MAX).eq(&refused_lines));
    let job = &answer["job"];
    let is_done = job["state"] == "done" && job["rows"] == tally.selected && job["rows_done"] == tally.selected;
    let is_job = if tally.is_trial { job.is_null() } else { is_done };
    let same = is_whole && is_counted && are_told && is_job && answer["dry_run"] == tally.is_trial;
    same.then(|| json!([tally.selected, changed, unchanged, refused]))
}
