//! What staff send about a customer, limits apart: settings, labels, statuses, levels, projects, rates, merges.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::{
    BEGINNINGS, CustomerRate, GATES, LABELS, MARKS, METHODS, Method, PROJECTS, Rate, Settings, WAYS, money,
};
use crate::operation::{ClientRecords, CustomerPart, Expected, Operation, StaffCall};
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

impl ClientRecords {
    /// One of those who are often changed, or the one given.
    pub(crate) fn often_changed(&self, random: &mut Random, place: usize) -> usize {
        let each = self.each;
        let other = random.place(2) * each + random.place(OFTEN.min(each));
        if random.percent(25) || !self.customers.stays(other) { place } else { other }
    }

    /// A change by staff, some of which are refused.
    pub(crate) fn staff(&mut self, random: &mut Random, place: usize) -> Operation {
        match random.between(1, 100) {
            1..=30 => self.set_settings(random, place),
            31..=60 => self.set_limits(random, place),
            61..=86 => self.amend(random, place),
            87..=92 if self.may_be_forgotten(place) => self.ask_to_be_forgotten(random, place),
            _ => self.merge(random, place),
        }
    }

    pub(crate) fn by_staff(place: usize, staff: StaffCall, body: Value, refused: Option<u16>) -> Operation {
        let expected = refused.map_or(Expected::Shown, Expected::Refused);
        Operation {
            kind: "staff",
            customer: place,
            transaction: 0,
            body,
            expected,
            first_answer: None,
            staff: Some(staff),
        }
    }

    fn set_settings(&mut self, random: &mut Random, place: usize) -> Operation {
        let way = *random.pick(WAYS);
        let level = *random.pick(&self.rules.levels(way.0));
        let path = format!("/settings/{}/{}/{level}", way.0, way.1);
        let is_reset = random.percent(15);
        let settings = if is_reset { Settings::default() } else { settings(random) };
        let body = if is_reset { Value::Null } else { body_of(&settings) };
        let all = &mut self.customers.head_mut(place).settings;
        all.insert((way, level), settings);
        all.retain(|_, settings| !settings.is_empty());
        let method = if is_reset { "DELETE" } else { "PUT" };
        ClientRecords::by_staff(place, StaffCall { method, path, of: CustomerPart::Settings(way, level) }, body, None)
    }

    /// One or two things at once; where one is refused nothing of it happens.
    fn amend(&mut self, random: &mut Random, place: usize) -> Operation {
        let (mut body, before) = (json!({}), self.customers.head_of(place).clone());
        let mut head = before.clone();
        for _ in 0..random.between(1, 2) {
            match random.between(0, 12) {
                0..=3 => {
                    head.labels = self.labels(random, head.merchant);
                    body["labels"] = json!(head.labels);
                }
                4..=5 if body["status"].is_null() => {
                    let status = *random.pick(&["new", "member", "member", "deny", "suspicious", "fraud"]);
                    body["status"] = json!(status);
                    head.stands(status);
                }
                6..=7 => {
                    let direction = random.pick(WAYS).0;
                    let level = Some(*random.pick(&self.rules.levels(direction))).filter(|_| !random.percent(15));
                    let key = format!("{direction}_level");
                    if body[&key].is_null() {
                        body[&key] = json!(level.unwrap_or_default());
                        head.store(direction, level);
                    }
                }
                8..=10 => {
                    head.rates = rates(random);
                    let one = |own: &CustomerRate| {
                        json!({ "from": own.from, "to": own.to, "rate": own.rate.0, "units": own.units,
                            "valid_from": own.valid_from })
                    };
                    body["rates"] = head.rates.iter().map(one).collect();
                }
                _ => {
                    head.off = PROJECTS.iter().copied().filter(|_| random.percent(30)).collect();
                    body["disabled_projects"] = json!(head.off);
                }
            }
        }
        // Labels before the call decide whether it is forbidden: those in the call take effect after it.
        let is_stuck = before.bears("block_level_change") && head.stored != before.stored;
        let waits = self.customers.transactions(place).any(|transaction| transaction.status() == "reserved");
        let is_paid_in = waits && head.off.contains(&"web") && !before.off.contains(&"web");
        let refused = (is_stuck || is_paid_in).then_some(422);
        if refused.is_none() {
            *self.customers.head_mut(place) = head;
        }
        ClientRecords::by_staff(
            place,
            StaffCall { method: "PATCH", path: String::new(), of: CustomerPart::Document },
            body,
            refused,
        )
    }

    /// A merge, mostly with a customer that is often changed too. A merged customer is merged again,
    /// or into another one, and sometimes a customer into itself: that is refused, or changes nothing.
    fn merge(&mut self, random: &mut Random, place: usize) -> Operation {
        let (customers, each) = (&self.customers, self.each);
        let fits = |n: usize| {
            let (one, other, is_gone) = (&customers.all[place], &customers.all[n], customers.head(place) != place);
            let is_small = is_gone || customers.members(place).count() + customers.members(n).count() <= MERGED_MAX;
            n != place && other.is_known() && customers.stays(n) && other.merchant == one.merchant && is_small
        };
        let all: Vec<usize> = (0..customers.all.len()).filter(|n| fits(*n)).collect();
        let often: Vec<usize> = all.iter().copied().filter(|n| n % each < OFTEN).collect();
        let from = if random.percent(70) && !often.is_empty() { often } else { all };
        let again = from.is_empty() || random.percent(10);
        let into = if again { customers.head(place) } else { from[random.place(from.len())] };
        let refused = self.customers.merge(place, into).err();
        let body = json!({ "into": self.customers.all[into].id });
        let staff = StaffCall { method: "POST", path: "/merge".to_owned(), of: CustomerPart::Document };
        ClientRecords::by_staff(place, staff, body, refused)
    }

    /// Few labels, of which most forbid nothing, and often the one by which this client chooses.
    pub(crate) fn labels(&self, random: &mut Random, merchant: &str) -> Vec<&'static str> {
        let share = *random.pick(&[5, 15, 30]);
        // No customer is erased by chance.
        let may_ask = |kind: &str| kind != "deleted" && (kind != "pending_deletion" || merchant == "acme");
        let all =
            LABELS.iter().filter(|(name, kind, _)| !MARKS.contains(name) && may_ask(kind)).map(|(name, _, _)| *name);
        let mut labels: Vec<&str> = all.filter(|_| random.percent(share)).collect();
        labels.extend(self.mark.filter(|_| random.percent(40)));
        if random.percent(50) {
            labels.reverse();
        }
        labels
    }
}

/// A few own rates, some of them of the pair read the other way round.
fn rates(random: &mut Random) -> Vec<CustomerRate> {
    let mut rates = Vec::new();
    for valid_from in BEGINNINGS {
        if random.percent(35) {
            let (from, to) = *random.pick(&[("EUR", "USD"), ("USD", "EUR")]);
            let (rate, units) = *random.pick(RATES);
            rates.push(CustomerRate { from, to, rate, units, valid_from });
        }
    }
    if random.percent(50) {
        rates.reverse();
    }
    rates
}

pub(crate) fn bounds(random: &mut Random) -> (Option<u64>, Option<u64>) {
    let (least, most) = (random.between(1, 900), random.between(900, 6_000));
    (Some(least).filter(|_| random.percent(40)), Some(most).filter(|_| random.percent(60)))
}

/// Settings of methods and of all of them; sometimes none.
fn settings(random: &mut Random) -> Settings {
    let mut methods = BTreeMap::new();
    for (method, _, _) in METHODS {
        if random.percent(50) {
            let (least, most) = bounds(random);
            let shown = random.percent(30).then(|| random.percent(60));
            let gates = random.percent(25).then(|| vec![*random.pick(&GATES)]);
            if least.is_some() || most.is_some() || shown.is_some() || gates.is_some() {
                methods.insert(*method, Method { shown, least, most, gates });
            }
        }
    }
    let global = if random.percent(50) { bounds(random) } else { (None, None) };
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
