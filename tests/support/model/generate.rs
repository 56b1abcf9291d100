//! Random streams of operations. The generator hears what the model answered, so that it can come back to transactions
//! that exist, to the ends of their holds, and to the instants at which they leave a window; it stays clear of what the
//! contract leaves open.

use crate::model::calendar::{SECOND, Window, written};
use crate::model::fields::Fields;
use crate::model::money::{iso_digits, shown};
use crate::model::oracle::Answer;
use crate::model::random_configuration::{CURRENCIES, Setup, step};
use crate::random::Random;
use jiff::tz::TimeZone;

/// A transaction that the stream has made.
pub struct KnownTransaction {
    pub merchant: usize,
    pub id: String,
    /// The line that made it.
    pub made: Fields,
    pub currency: String,
    /// The requested amount, in minor units.
    pub asked: i128,
    pub denied: bool,
    pub unreserved: bool,
    pub hold_ends: Option<i64>,
    /// Whether something of it was held when it was last heard of.
    pub holds: bool,
    /// Transitions sent before, for sending them again.
    pub sent: Vec<Fields>,
}

pub struct Generator {
    pub random: Random,
    pub setup: Setup,
    zones: Vec<TimeZone>,
    pub clock: i64,
    /// The newest time on a line so far: what the daemon takes for now.
    pub newest: i64,
    count: usize,
    length: usize,
    pub known: Vec<KnownTransaction>,
    customer_ids: Vec<(usize, String)>,
    times: Vec<i64>,
    pub pending: Option<(usize, Fields)>,
    /// Every check carries `explain`.
    pub explain_all: bool,
}

impl Generator {
    pub fn new(random: Random, setup: Setup, length: usize) -> Self {
        let zones = setup.zones.iter().map(|z| TimeZone::get(z).expect("a known time zone")).collect();
        let clock = setup.epochs[0];
        Self {
            random,
            setup,
            zones,
            clock,
            newest: clock,
            count: 0,
            length,
            known: Vec::new(),
            customer_ids: Vec::new(),
            times: Vec::new(),
            pending: None,
            explain_all: false,
        }
    }

    /// The next line of the stream.
    pub fn next_line(&mut self) -> String {
        // The first line of all gives the clock its time.
        if self.random.percent(6) && self.count > 0 {
            return self.bad();
        }
        self.advance();
        let fields = match self.random.between(1, 93) {
            1..=53 => self.fresh(),
            54..=78 if !self.known.is_empty() => self.transition(),
            79..=81 => self.approve_unreserved(),
            82..=89 if !self.known.is_empty() => self.again(),
            90..=93 if self.known.iter().any(|k| !k.sent.is_empty()) => self.transition_again(),
            _ => self.fresh(),
        };
        let fields = self.timed(fields);
        fields.line()
    }

    /// Hears how the model answered the line that came last.
    pub fn learn(&mut self, answer: &Answer) {
        let Some((merchant, line)) = self.pending.take() else { return };
        if let Answer::Decided(decided) = answer {
            if let Some(id) = &decided.customer_id {
                let entry = (merchant, id.clone());
                if !self.customer_ids.contains(&entry) {
                    self.customer_ids.push(entry);
                }
            }
            let Some(id) = decided.transaction_id.clone().filter(|_| line.string("op") != "check") else { return };
            let holds = decided.status == "reserved";
            if let Some(known) = self.known.iter_mut().find(|k| k.merchant == merchant && k.id == id) {
                if known.unreserved {
                    known.made = line;
                }
                (known.unreserved, known.hold_ends) = (false, decided.hold_ends);
                known.holds &= holds;
                return;
            }
            self.remember(merchant, id, line, (!decided.allowed, false), decided.hold_ends, holds);
        } else if let Answer::Transitioned(moved) = answer {
            let id = moved.transaction_id.clone();
            match self.known.iter_mut().find(|k| k.merchant == merchant && k.id == id) {
                Some(known) => {
                    known.hold_ends = moved.hold_ends;
                    known.holds = moved.held.bytes().any(|b| (b'1'..=b'9').contains(&b));
                    known.sent.push(line);
                }
                None => self.remember(merchant, id, line, (false, true), None, false),
            }
        }
    }

    fn remember(
        &mut self,
        merchant: usize,
        id: String,
        made: Fields,
        (denied, unreserved): (bool, bool),
        hold_ends: Option<i64>,
        holds: bool,
    ) {
        let currency = made.string("currency");
        let written = made.0.iter().find(|(k, _)| k == "amount").map(|(_, json)| json.trim_matches('"').to_owned());
        let asked = written.and_then(|a| crate::model::money::minor(&a, iso_digits(&currency))).unwrap_or(0);
        self.times.push(self.clock);
        if self.times.len() > 300 {
            self.times.remove(0);
        }
        let sent = Vec::new();
        self.known.push(KnownTransaction {
            merchant,
            id,
            made,
            currency,
            asked,
            denied,
            unreserved,
            hold_ends,
            holds,
            sent,
        });
    }

    /// Moves the clock: mostly a little, often to an instant at which something ends, now and then to the next days
    /// worth dwelling on.
    fn advance(&mut self) {
        self.count += 1;
        let dwell = self.length / self.setup.epochs.len() + 1;
        let epoch = self.setup.epochs[(self.count / dwell).min(self.setup.epochs.len() - 1)];
        if self.clock < epoch {
            self.clock = epoch;
            return;
        }
        let stale_soon = self.setup.fresh_until.filter(|t| (1..7_200 * SECOND).contains(&(t - self.clock)));
        let forward = match (self.random.between(1, 100), stale_soon) {
            (1..=30, _) => 0,
            (31..=45, Some(fresh)) => fresh - self.clock,
            (31..=45, None) => self.random.between(1, 5),
            (46..=82, _) => self.random.between(1, 120) * SECOND,
            (83..=98, _) => match self.an_end() {
                Some(end) => end - self.clock,
                None => 1,
            },
            _ => self.random.between(1, 6) * 3_600 * SECOND,
        };
        self.clock += forward.max(0);
    }

    /// An instant soon after now at which a window turns, a transaction leaves one, or a hold ends; give or take a
    /// millisecond.
    fn an_end(&mut self) -> Option<i64> {
        const HOUR: i64 = 3_600 * SECOND;
        const DAY: i64 = 24 * HOUR;
        let spans = [HOUR / 2, HOUR * 3 / 4, 6 * HOUR, DAY, 2 * DAY, 7 * DAY, 28 * DAY, 29 * DAY, 30 * DAY, 31 * DAY];
        let shifts = [0, HOUR, -HOUR, HOUR / 2, -HOUR / 2];
        let horizon = self.clock + 2 * DAY;
        let mut ends: Vec<i64> = Vec::new();
        for zone in &self.zones {
            ends.push(Window::CalendarDay.at(self.clock, zone).end);
            ends.push(Window::CalendarMonth.at(self.clock, zone).end);
        }
        for time in &self.times {
            for span in spans {
                ends.extend(shifts.iter().filter(|s| **s == 0 || span >= 28 * DAY).map(|s| time + span + s));
            }
        }
        ends.extend(self.known.iter().filter_map(|k| k.hold_ends).chain(self.setup.fresh_until));
        ends.retain(|end| *end > self.clock && *end <= horizon);
        ends.sort_unstable();
        let near = ends.len().min(if self.random.percent(90) { 2 } else { 40 });
        if near == 0 {
            return None;
        }
        Some(*self.random.pick(&ends[..near]) + self.random.between(-1, 1))
    }

    /// Puts the time on a line: the clock's, or now and then one that lies back, within the skew or just beyond it.
    fn timed(&mut self, mut fields: Fields) -> Fields {
        let explain = fields.has("explain");
        let back = match self.random.between(1, 100) {
            1..=7 => self.random.between(1, 300) * SECOND,
            8 => 300 * SECOND,
            9 => 300 * SECOND + 1,
            // Just across the last local midnight, where that is near.
            10..=14 => {
                let zone = self.random.place(self.zones.len());
                let past = self.newest - Window::CalendarDay.at(self.newest, &self.zones[zone]).start;
                if past < 300 * SECOND { past + self.random.between(0, 1) } else { 0 }
            }
            _ => 0,
        };
        let back = if explain { 0 } else { back };
        let at = if back == 0 { self.clock } else { self.newest - back };
        self.newest = self.newest.max(at);
        fields.text("at", &written(at));
        fields
    }

    fn id(&mut self) -> String {
        format!("t{}", self.count)
    }

    fn minor_amount(&mut self, currency: &str) -> i128 {
        let grid = step(currency) * i128::from(self.random.between(1, 5));
        if self.random.percent(12) { grid + i128::from(self.random.between(-120, 120)) } else { grid }
    }

    /// An amount as JSON: a string, or the bare digits.
    pub fn amount(&mut self, minor: i128, currency: &str) -> String {
        let text = shown(minor, iso_digits(currency));
        if self.random.percent(15) { text } else { format!("{text:?}") }
    }

    /// The fields that say who pays: identifier, attributes, level.
    fn who(&mut self, merchant: usize, fields: &mut Fields) {
        let person = self.random.between(0, 2);
        let crm = self.setup.merchants[merchant].crm;
        let named = self.random.percent(70);
        let (mine, theirs) = if crm {
            ("merchant_customer_identifier", "customer_id")
        } else {
            ("customer_id", "merchant_customer_identifier")
        };
        if named && crm {
            fields.text(mine, &format!("c{person}"));
        } else if named {
            let known: Vec<String> =
                self.customer_ids.iter().filter(|(m, _)| *m == merchant).map(|(_, id)| id.clone()).collect();
            if !known.is_empty() && self.random.percent(85) {
                fields.text(mine, &self.random.pick(&known).clone());
            } else {
                fields.text(mine, self.random.word(&["nobody", "1000001", "1000003", "999"]));
            }
        } else if self.random.percent(30) {
            fields.text(mine, "");
        }
        if self.random.percent(5) {
            fields.text(theirs, "");
        }
        if !named || self.random.percent(40) {
            fields.set("customer", self.attributes(person));
        }
        match self.random.between(1, 100) {
            1..=60 => {}
            61..=65 => fields.set("customer_level", "null".into()),
            66..=71 => fields.text("customer_level", ""),
            72..=74 => fields.text("customer_level", "nowhere"),
            75..=80 => fields.text("customer_level", "unknown"),
            _ => fields.text("customer_level", self.random.word(&["bronze", "gold"])),
        }
    }

    /// Attributes of a person, sometimes shared with the next one, sometimes in other clothes.
    fn attributes(&mut self, person: i64) -> String {
        let mut parts = Vec::new();
        let other = if self.random.percent(10) { (person + 1) % 3 } else { person };
        if self.random.percent(70) {
            let email = *self.random.pick(&["p#@example.com", "P#@Example.COM", "  p#@example.com "]);
            parts.push(format!("\"email\": {:?}", email.replace('#', &person.to_string())));
        }
        if self.random.percent(50) {
            let phone = *self.random.pick(&["+4930123450#", "+49 30 123450#", "+49-30-123450#", "ext #"]);
            parts.push(format!("\"phone\": {:?}", phone.replace('#', &other.to_string())));
        }
        if self.random.percent(25) {
            parts.push(format!("\"external_id\": \"e{other}\""));
        } else if self.random.percent(20) {
            parts.push((*self.random.pick(&["\"external_id\": null", "\"external_id\": \"\""])).to_owned());
        }
        format!("{{{}}}", parts.join(", "))
    }

    /// The body of a reserve, apart from operation and time.
    pub fn body(&mut self, merchant: usize) -> Fields {
        let mut fields = Fields::default();
        fields.text("merchant", &self.setup.merchants[merchant].id.clone());
        let id = self.id();
        fields.text("transaction_id", &id);
        let currency = if self.random.percent(60) { "EUR" } else { *self.random.pick(&CURRENCIES) };
        fields.text("currency", currency);
        fields.text("direction", if self.random.percent(80) { "deposit" } else { "withdrawal" });
        match (currency, self.random.between(1, 10)) {
            ("JPY" | "BHD", 1..=4) => {}
            ("EUR", 1..=3) => {
                fields.text("project", "app");
                fields.text("endpoint", self.random.word(&["app-0", "app-1"]));
            }
            ("USD", 1..=2) => fields.text("endpoint", "app-2"),
            ("USD", 3..=4) => fields.text("project", "app"),
            _ => fields.text("project", "web"),
        }
        let minor = self.minor_amount(currency);
        let amount = self.amount(minor, currency);
        fields.set("amount", amount);
        if self.random.percent(35) {
            let methods = ["card", "card", "card", "card", "wallet", "wallet", "bank", "cash"];
            fields.text("payment_method", self.random.word(&methods));
        }
        self.who(merchant, &mut fields);
        self.instrument(&mut fields, 15);
        fields
    }

    /// Names an instrument in so many of a hundred cases.
    pub fn instrument(&mut self, fields: &mut Fields, share: i64) {
        if self.random.percent(share) {
            fields.text("payment_instrument", self.random.word(&["paid_by_a", "paid_by_b"]));
        }
    }

    fn fresh(&mut self) -> Fields {
        let merchant = self.random.place(self.setup.merchants.len());
        let mut fields = self.body(merchant);
        let op = match self.random.between(1, 100) {
            1..=40 => "reserve",
            41..=72 => "payment",
            _ => "check",
        };
        fields.text("op", op);
        if op == "payment" && self.random.percent(30) {
            fields.text("outcome", self.random.word(&["approved", "declined"]));
        }
        if op == "check" && (self.explain_all || self.random.percent(40)) {
            fields.set("explain", "true".into());
        }
        if op == "check" && self.random.percent(30) {
            fields.drop("transaction_id");
        }
        self.pending = Some((merchant, fields.clone()));
        fields
    }
}
