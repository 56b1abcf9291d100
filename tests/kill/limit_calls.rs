//! What staff send of limits of one customer: the customer's own, whose raises wait, and an operator's, which end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{CustomerLimits, ErasureState, Filter, WAYS, Way, codes_of, money};
use crate::operation::{ClientRecords, CustomerPart, Expected, Operation, StaffCall};
use support::random::Random;

/// What own limits measure: few enough that the same ones are raised and cut.
const NAMES: &[(&str, bool)] = &[("mine", true), ("spare", false)];
/// What an operator's measure.
const OPERATORS: &[(&str, bool)] = &[("theirs", true), ("lent", false)];
const WINDOWS: &[&str] = &["daily", "monthly", "lifetime"];
/// When an operator's limits end: after any run.
const ENDS: &[&str] = &["2031-03-01T00:00:00.000Z", "2032-07-01T12:30:00.000Z", "2040-01-01T00:00:00.000Z"];
/// The time after an end by which every clock shows that it has passed: clocks are read to the millisecond.
const MARGIN: Duration = Duration::from_millis(5);

impl ClientRecords {
    pub(crate) fn set_limits(&mut self, random: &mut Random, place: usize) -> Operation {
        if let Some((place, way)) = self.awaiting_confirmation(random).filter(|_| random.percent(60)) {
            return self.confirm(place, way);
        }
        // Mostly the same way, so that limits meet limits.
        let way = if random.percent(60) { WAYS[0] } else { *random.pick(WAYS) };
        let path = format!("/limits/{}/{}", way.0, way.1);
        if random.percent(20) {
            return self.set_operators_limits(random, place, (way, path));
        }
        let rules = Arc::clone(&self.rules);
        let own: &mut CustomerLimits = self.customers.head_mut(place).limits.entry(way).or_default();
        let (method, path, body) = match random.between(1, 12) {
            1 => {
                own.asked(Vec::new(), &rules);
                ("DELETE", path, Value::Null)
            }
            2 => {
                own.waits = None;
                ("DELETE", path + "/pending", Value::Null)
            }
            3 => return self.confirm(place, way),
            _ => {
                let filters = own_filters(random, way, own);
                let body = body_of(&filters);
                own.asked(filters, &rules);
                ("PUT", path, body)
            }
        };
        ClientRecords::by_staff(place, StaffCall { method, path, of: CustomerPart::Limits(way) }, body, None)
    }

    /// One of the customers whose raise can be confirmed, and which way it goes.
    fn awaiting_confirmation(&self, random: &mut Random) -> Option<(usize, Way)> {
        let customers = self.customers.all.iter().enumerate();
        let heads = customers.filter(|(_, customer)| customer.into.is_none() && customer.is_known());
        let stay = heads.filter(|(_, customer)| customer.fate == ErasureState::Stays);
        let limits =
            stay.flat_map(|(place, customer)| customer.limits.iter().map(move |(way, own)| (place, *way, own)));
        let ready: Vec<(usize, Way)> =
            limits.filter(|(_, _, own)| own.awaits_confirmation()).map(|(place, way, _)| (place, way)).collect();
        (!ready.is_empty()).then(|| *random.pick(&ready))
    }

    /// The confirmation of a raise, whether one can be confirmed or not.
    fn confirm(&mut self, place: usize, way: Way) -> Operation {
        let own: &mut CustomerLimits = self.customers.head_mut(place).limits.entry(way).or_default();
        let refused = (!own.confirm()).then_some(422);
        let path = format!("/limits/{}/{}/pending/confirm", way.0, way.1);
        ClientRecords::by_staff(
            place,
            StaffCall { method: "POST", path, of: CustomerPart::Limits(way) },
            Value::Null,
            refused,
        )
    }

    /// An operator's limits, which stand until they are over or taken away; some are over at once.
    fn set_operators_limits(&mut self, random: &mut Random, place: usize, (way, path): (Way, String)) -> Operation {
        let own: &mut CustomerLimits = self.customers.head_mut(place).limits.entry(way).or_default();
        let staff = |method, path| StaffCall { method, path, of: CustomerPart::Limits(way) };
        if random.percent(15) {
            own.operator = None;
            return ClientRecords::by_staff(place, staff("DELETE", path + "?operator=true"), Value::Null, None);
        }
        let filters = some_filters(random, way, OPERATORS);
        let mut body = body_of(&filters);
        // Over others it would matter whether it came in time.
        if own.operator.is_none() && random.percent(25) {
            let end = Timestamp::now() + Duration::from_millis(random.between(10, 60));
            body["until"] = json!(format!("{end:.3}"));
            let operation = ClientRecords::by_staff(place, staff("PUT", path), body, None);
            return Operation { expected: Expected::Over(end), ..operation };
        }
        let until = *random.pick(ENDS);
        body["until"] = json!(until);
        own.lent(filters, until);
        ClientRecords::by_staff(place, staff("PUT", path), body, None)
    }
}

/// Waits until something is over.
pub(crate) fn outlast(end: Timestamp) {
    let left = Duration::try_from(end.duration_since(Timestamp::now())).unwrap_or_default();
    std::thread::sleep(left + MARGIN);
}

fn body_of(filters: &[Filter]) -> Value {
    json!({ "filters": filters.iter().map(filter_body).collect::<Vec<_>>() })
}

/// Some limits: the pending ones again, the current ones with changed bounds, or others.
fn own_filters(random: &mut Random, way: Way, own: &CustomerLimits) -> Vec<Filter> {
    // Of one name there may be one; of two customers who became one there may be two.
    let named_once = |mut filters: Vec<Filter>| {
        filters.dedup_by_key(|filter| filter.name);
        filters
    };
    if let Some(raise) = own.waits.as_ref().filter(|_| random.percent(25)) {
        return named_once(raise.then.clone());
    }
    if random.percent(35) && !own.own_limits.is_empty() {
        let by = *random.pick(&[50, 80, 100, 120, 300]);
        let moved = |filter: &Filter| Filter {
            amount: filter.amount.map(|most| most * by / 100),
            quantity: filter.quantity.map(|most| most * by / 100),
            ..filter.clone()
        };
        return named_once(own.own_limits.iter().map(moved).collect());
    }
    some_filters(random, way, NAMES)
}

/// Filters under some of these names, each with whether it subtracts what is cancelled.
fn some_filters(random: &mut Random, way: Way, names: &[(&'static str, bool)]) -> Vec<Filter> {
    let mut filters = Vec::new();
    for &(name, subtract) in names {
        if random.percent(60) {
            let window = *random.pick(WINDOWS);
            // Narrow enough to be met, wide enough to pay on.
            let (amount, quantity) = (random.between(5_000, 60_000), random.between(5, 40));
            let bounds = *random.pick(&[(true, true), (true, false), (false, true)]);
            filters.push(Filter {
                name,
                window,
                level: "",
                direction: way.0,
                currency: way.1,
                codes: codes_of(window),
                amount: Some(amount).filter(|_| bounds.0),
                quantity: Some(quantity).filter(|_| bounds.1),
                all: random.percent(40),
                subtract,
            });
        }
    }
    filters
}

fn filter_body(filter: &Filter) -> Value {
    json!({
        "name": filter.name, "window": filter.window, "amount_limit": filter.amount.map(money),
        "quantity_limit": filter.quantity, "for_all_merchant_currencies": filter.all,
        "subtract_cancel_transactions": filter.subtract,
    })
}
