//! What staff send about a customer, limits apart: settings, labels, statuses, levels, projects, rates, merges.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::{BEGINNINGS, GATES, LABELS, MARKS, METHODS, Method, OwnRate, PROJECTS, Rate, Settings, WAYS, money};
use crate::operation::{Book, Expected, Operation, Part, Staff};
use support::random::Random;

/// How many of each merchant's customers are changed most of the time, so that changes meet.
pub(crate) const OFTEN: usize = 10;
/// The most customers who become one.
const MERGED_MAX: usize = 5;
/// Own rates: near the common one, and such by which sums come to thirds.
const RATES: &[(Rate, u64)] = &[
    (("1.1", 11, 10), 1),
    (("0.9", 9, 10), 1),
    (("1.5", 3, 2), 1),
    (("0.75", 3, 4), 1),
    (("8.4", 42, 5), 7),
    (("250", 250, 1), 300),
];

impl Book {
    /// One of those who are often changed, or the one given.
    pub(crate) fn often_changed(&self, chance: &mut Random, place: usize) -> usize {
        let each = self.each;
        let other = chance.place(2) * each + chance.place(OFTEN.min(each));
        if chance.percent(25) || !self.people.stays(other) { place } else { other }
    }

    /// A change by staff, some of which are refused.
    pub(crate) fn staff(&mut self, chance: &mut Random, place: usize) -> Operation {
        match chance.between(1, 100) {
            1..=30 => self.set_settings(chance, place),
            31..=60 => self.set_limits(chance, place),
            61..=86 => self.amend(chance, place),
            87..=92 if self.may_be_forgotten(place) => self.ask_to_be_forgotten(chance, place),
            _ => self.merge(chance, place),
        }
    }

    pub(crate) fn by_staff(place: usize, staff: Staff, body: Value, refused: Option<u16>) -> Operation {
        let expected = refused.map_or(Expected::Shown, Expected::Refused);
        Operation { kind: "staff", person: place, tx: 0, body, expected, told: None, staff: Some(staff) }
    }

    fn set_settings(&mut self, chance: &mut Random, place: usize) -> Operation {
        let way = *chance.pick(WAYS);
        let level = *chance.pick(&self.rules.levels(way.0));
        let path = format!("/settings/{}/{}/{level}", way.0, way.1);
        let is_reset = chance.percent(15);
        let settings = if is_reset { Settings::default() } else { settings(chance) };
        let body = if is_reset { Value::Null } else { body_of(&settings) };
        let all = &mut self.people.head_mut(place).settings;
        all.insert((way, level), settings);
        all.retain(|_, settings| !settings.is_empty());
        let method = if is_reset { "DELETE" } else { "PUT" };
        Book::by_staff(place, Staff { method, path, of: Part::Settings(way, level) }, body, None)
    }

    /// One or two things at once; where one is refused nothing of it happens.
    fn amend(&mut self, chance: &mut Random, place: usize) -> Operation {
        let (mut body, before) = (json!({}), self.people.head_of(place).clone());
        let mut head = before.clone();
        for _ in 0..chance.between(1, 2) {
            match chance.between(0, 12) {
                0..=3 => {
                    head.labels = self.labels(chance, head.merchant);
                    body["labels"] = json!(head.labels);
                }
                4..=5 if body["status"].is_null() => {
                    let status = *chance.pick(&["new", "member", "member", "deny", "suspicious", "fraud"]);
                    body["status"] = json!(status);
                    head.stands(status);
                }
                6..=7 => {
                    let direction = chance.pick(WAYS).0;
                    let level = Some(*chance.pick(&self.rules.levels(direction))).filter(|_| !chance.percent(15));
                    let key = format!("{direction}_level");
                    if body[&key].is_null() {
                        body[&key] = json!(level.unwrap_or_default());
                        head.store(direction, level);
                    }
                }
                8..=10 => {
                    head.rates = rates(chance);
                    let one = |own: &OwnRate| {
                        json!({ "from": own.from, "to": own.to, "rate": own.rate.0, "units": own.units,
                            "valid_from": own.valid_from })
                    };
                    body["rates"] = head.rates.iter().map(one).collect();
                }
                _ => {
                    head.off = PROJECTS.iter().copied().filter(|_| chance.percent(30)).collect();
                    body["disabled_projects"] = json!(head.off);
                }
            }
        }
        // Labels before the call decide whether it is forbidden: those in the call take effect after it.
        let is_stuck = before.bears("block_level_change") && head.stored != before.stored;
        let waits = self.people.txs(place).any(|tx| tx.status() == "reserved");
        let is_paid_in = waits && head.off.contains(&"web") && !before.off.contains(&"web");
        let refused = (is_stuck || is_paid_in).then_some(422);
        if refused.is_none() {
            *self.people.head_mut(place) = head;
        }
        Book::by_staff(place, Staff { method: "PATCH", path: String::new(), of: Part::Document }, body, refused)
    }

    /// A merge, mostly with a customer that is often changed too. A merged customer is merged again,
    /// or into another one, and sometimes a customer into itself: that is refused, or changes nothing.
    fn merge(&mut self, chance: &mut Random, place: usize) -> Operation {
        let (people, each) = (&self.people, self.each);
        let fits = |n: usize| {
            let (one, other, is_gone) = (&people.all[place], &people.all[n], people.head(place) != place);
            let is_small = is_gone || people.members(place).count() + people.members(n).count() <= MERGED_MAX;
            n != place && other.is_known() && people.stays(n) && other.merchant == one.merchant && is_small
        };
        let all: Vec<usize> = (0..people.all.len()).filter(|n| fits(*n)).collect();
        let often: Vec<usize> = all.iter().copied().filter(|n| n % each < OFTEN).collect();
        let from = if chance.percent(70) && !often.is_empty() { often } else { all };
        let again = from.is_empty() || chance.percent(10);
        let into = if again { people.head(place) } else { from[chance.place(from.len())] };
        let refused = self.people.merge(place, into).err();
        let body = json!({ "into": self.people.all[into].id });
        let staff = Staff { method: "POST", path: "/merge".to_owned(), of: Part::Document };
        Book::by_staff(place, staff, body, refused)
    }

    /// Few labels, of which most forbid nothing, and often the one by which this client chooses.
    pub(crate) fn labels(&self, chance: &mut Random, merchant: &str) -> Vec<&'static str> {
        let share = *chance.pick(&[5, 15, 30]);
        // No customer is erased by chance.
        let may_ask = |kind: &str| kind != "deleted" && (kind != "pending_deletion" || merchant == "acme");
        let all =
            LABELS.iter().filter(|(name, kind, _)| !MARKS.contains(name) && may_ask(kind)).map(|(name, _, _)| *name);
        let mut labels: Vec<&str> = all.filter(|_| chance.percent(share)).collect();
        labels.extend(self.mark.filter(|_| chance.percent(40)));
        if chance.percent(50) {
            labels.reverse();
        }
        labels
    }
}

/// A few own rates, some of them of the pair read the other way round.
fn rates(chance: &mut Random) -> Vec<OwnRate> {
    let mut rates = Vec::new();
    for valid_from in BEGINNINGS {
        if chance.percent(35) {
            let (from, to) = *chance.pick(&[("EUR", "USD"), ("USD", "EUR")]);
            let (rate, units) = *chance.pick(RATES);
            rates.push(OwnRate { from, to, rate, units, valid_from });
        }
    }
    if chance.percent(50) {
        rates.reverse();
    }
    rates
}

pub(crate) fn bounds(chance: &mut Random) -> (Option<u64>, Option<u64>) {
    let (least, most) = (chance.between(1, 900), chance.between(900, 6_000));
    (Some(least).filter(|_| chance.percent(40)), Some(most).filter(|_| chance.percent(60)))
}

/// Settings of methods and of all of them; sometimes none.
fn settings(chance: &mut Random) -> Settings {
    let mut methods = BTreeMap::new();
    for (method, _, _) in METHODS {
        if chance.percent(50) {
            let (least, most) = bounds(chance);
            let shown = chance.percent(30).then(|| chance.percent(60));
            let gates = chance.percent(25).then(|| vec![*chance.pick(&GATES)]);
            if least.is_some() || most.is_some() || shown.is_some() || gates.is_some() {
                methods.insert(*method, Method { shown, least, most, gates });
            }
        }
    }
    let global = if chance.percent(50) { bounds(chance) } else { (None, None) };
    Settings { methods, global }
}

fn body_of(settings: &Settings) -> Value {
    let method = |(name, of): (&&str, &Method)| {
        let mut body = json!({ "method": name, "min_amount": of.least.map(money), "max_amount": of.most.map(money) });
        if let Some(shown) = of.shown {
            body["show_in_form"] = json!(shown);
        }
        if let Some(gates) = &of.gates {
            body["gates"] = json!(gates);
        }
        body
    };
    let (least, most) = settings.global;
    json!({
        "methods": settings.methods.iter().map(method).collect::<Vec<_>>(),
        "global_limit": { "min_amount": least.map(money), "max_amount": most.map(money) },
    })
}
