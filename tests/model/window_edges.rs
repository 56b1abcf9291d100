//! Streams that probe the edges of every kind of window in zones whose clocks change: payments a millisecond before, at
//! and after the start, each of a different amount, questions a millisecond around the end, and payments placed in the
//! past across an edge. Every case has its own customer.

use jiff::tz::TimeZone;
use std::fmt::Write as _;
use std::path::Path;
use support::model::calendar::{DAY, SECOND, Window, instant, written};
use support::model::fields::Fields;
use support::model::random_configuration::ZONES;
use support::random::Random;

/// Every kind of window, as the file says it and as the model knows it.
const WINDOWS: [(&str, Window); 11] = [
    ("window = \"daily\"\ncalendar = true", Window::CalendarDay),
    ("window = \"weekly\"\ncalendar = true", Window::CalendarWeek { sunday: false }),
    ("window = \"weekly\"\ncalendar = true\nweek_starts_on = \"sunday\"", Window::CalendarWeek { sunday: true }),
    ("window = \"monthly\"\ncalendar = true", Window::CalendarMonth),
    ("window = \"monthly\"\nmonth = \"same_day\"", Window::SameDay),
    ("window = \"monthly\"", Window::Rolling(30 * DAY)),
    ("window = \"weekly\"", Window::Rolling(7 * DAY)),
    ("window = \"daily\"", Window::Rolling(DAY)),
    ("window = \"2m\"", Window::Rolling(120 * SECOND)),
    ("window = \"45m\"", Window::Rolling(2_700 * SECOND)),
    ("window = \"lifetime\"", Window::Lifetime),
];

/// Zones whose last recorded change is none of their rule: of Nuuk it changes no offset, of Ciudad Juárez it comes at a
/// different time.
const RULED: [(&str, &[&str]); 2] =
    [("America/Nuuk", &["2023-03-24", "2023-10-27"]), ("America/Ciudad_Juarez", &["2022-10-28", "2022-11-28"])];

fn zones() -> Vec<(&'static str, &'static [&'static str])> {
    ZONES.into_iter().chain(RULED).collect()
}

/// One merchant a zone; for each window a wide level, whose limits no customer reaches, and a tight one.
pub fn configure(folder: &Path) {
    std::fs::create_dir_all(folder.join("merchants")).expect("a folder for merchants");
    std::fs::write(folder.join("levelgate.toml"), "[memory]\nretention_days = 5000\n").expect("a file");
    let rates = "base = \"EUR\"\nas_of = 2011-01-01T00:00:00Z\n[rates]\nUSD = \"1.1\"\n";
    std::fs::write(folder.join("rates.toml"), rates).expect("a file");
    for (n, (zone, _)) in zones().iter().enumerate() {
        let mut file = format!("id = \"z{n}\"\nname = \"z{n}\"\ntime_zone = {zone:?}\n[[gates]]\nid = \"g\"\n");
        file.push_str("[[projects]]\nid = \"web\"\nclient_definition = [\"email\"]\n[[projects.endpoints]]\n");
        file.push_str("id = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n");
        for (kind, limits) in [("wide", (100_000, 1_000)), ("tight", (100, 4))] {
            for (w, (window, _)) in WINDOWS.iter().enumerate() {
                writeln!(file, "[[levels]]\nname = \"{kind}{w}\"\ndirection = \"deposit\"\ncurrency = \"EUR\"")
                    .expect("a string");
                writeln!(file, "projects = [\"web\"]\n[[levels.filters]]\n{window}").expect("a string");
                writeln!(file, "amount_limit = \"{}.00\"\nquantity_limit = {}", limits.0, limits.1).expect("a string");
            }
        }
        std::fs::write(folder.join("merchants").join(format!("z{n}.toml")), file).expect("a file");
    }
}

/// The lines of a stream, in the order of the clock.
pub fn stream(random: &mut Random, cases: usize) -> Vec<String> {
    let mut timed: Vec<(i64, Fields)> = Vec::new();
    let zones = zones();
    for case in 0..cases {
        let n = random.place(zones.len());
        let (name, days) = zones[n];
        let zone = TimeZone::get(name).expect("a known time zone");
        let around = instant(&format!("{}T00:00:00Z", random.pick(days))).expect("a day");
        let w = if random.percent(30) { 4 } else { random.place(WINDOWS.len()) };
        let mut one = Case { random, zone, around, window: WINDOWS[w].1, case, fields: Fields::default() };
        one.fields.text("merchant", &format!("z{n}"));
        if one.random.percent(60) {
            one.fields.text("customer_level", &format!("wide{w}"));
            timed.extend(one.probe());
        } else {
            one.fields.text("customer_level", &format!("tight{w}"));
            timed.extend(one.placed_in_the_past());
        }
    }
    timed.sort_by_key(|(clock, _)| *clock);
    timed.into_iter().map(|(_, fields)| fields.line()).collect()
}

struct Case<'a> {
    random: &'a mut Random,
    zone: TimeZone,
    around: i64,
    window: Window,
    case: usize,
    fields: Fields,
}

impl Case<'_> {
    /// An instant worth asking at: near a change of the clocks, near a local midnight, or anywhere in some days.
    fn moment(&mut self) -> i64 {
        let somewhen = self.around + self.random.between(0, 5 * 96) * 900 * SECOND;
        let change = self
            .zone
            .following(support::model::calendar::timestamp(self.around))
            .next()
            .map(|c| c.timestamp().as_millisecond());
        let near = match self.random.between(1, 10) {
            1..=5 => {
                change.filter(|c| c - self.around < 40 * DAY).unwrap_or(somewhen)
                    + self.random.between(-8, 8) * 900 * SECOND
            }
            6..=7 => Window::CalendarDay.at(somewhen, &self.zone).end,
            // A month and some days after a change, for windows that look back at it.
            8 => change.unwrap_or(somewhen) + self.random.between(28 * 96, 32 * 96) * 900 * SECOND,
            _ => somewhen,
        };
        near + self.random.between(-1, 1)
    }

    fn line(&self, op: &str, at: i64, cents: i64) -> Fields {
        let mut fields = self.fields.clone();
        fields.text("op", op);
        fields.text("at", &written(at));
        for (key, value) in [("project", "web"), ("direction", "deposit"), ("currency", "EUR")] {
            fields.text(key, value);
        }
        fields.text("merchant_customer_identifier", &format!("c{}", self.case));
        fields.text("amount", &format!("{}.{:02}", cents / 100, cents % 100));
        if op == "check" {
            fields.set("explain", "true".into());
        }
        fields
    }

    fn named(&self, op: &str, at: i64, cents: i64, n: usize) -> Fields {
        let mut fields = self.line(op, at, cents);
        fields.text("transaction_id", &format!("t{}-{n}", self.case));
        fields
    }

    fn probe(&mut self) -> Vec<(i64, Fields)> {
        let moment = self.moment();
        let bounds = self.window.at(moment, &self.zone);
        let start = bounds.start.max(moment - 62 * DAY);
        let mut lines = Vec::new();
        let mut cents = 1;
        for offset in [-1, 0, 1, -3_600 * SECOND, 3_600 * SECOND, -1_800 * SECOND, 1_800 * SECOND] {
            if start + offset <= moment {
                lines.push((start + offset, self.named("payment", start + offset, cents, lines.len())));
                cents *= 7;
            }
        }
        let ends = if self.window.is_calendar() { bounds.end } else { moment };
        for at in [moment - 1, moment, moment + 1, ends - 1, ends, ends + 1, moment + 3_600 * SECOND] {
            lines.push((at, self.line("check", at, 1)));
        }
        lines
    }

    /// Usage just below the limit on either side of an edge, then a payment that is placed before the edge after it.
    fn placed_in_the_past(&mut self) -> Vec<(i64, Fields)> {
        let moment = self.moment();
        let bounds = self.window.at(moment, &self.zone);
        let edge = if self.window.is_calendar() && self.random.percent(80) { bounds.start } else { moment };
        let mut lines = Vec::new();
        for offset in [-240, -121, -90, 0, 20] {
            if self.random.percent(55) {
                let cents = self.random.between(4, 10) * 1_000 - self.random.between(0, 3) * 100;
                let at = edge + offset * SECOND;
                lines.push((at, self.named("payment", at, cents, lines.len())));
            }
        }
        for op in ["check", "reserve", "check", "payment", "check"] {
            let clock = edge + self.random.between(25, 200) * SECOND;
            let back = self.random.between(0, 240) * SECOND;
            let amount = self.random.between(1, 30) * 100;
            let mut fields = self.named(op, clock - back, amount, lines.len());
            if back > 0 {
                fields.drop("explain");
            }
            lines.push((clock, fields));
        }
        lines
    }
}
