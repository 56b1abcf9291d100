//! The whole ledger over a disk that loses what was not synced: at every call the power is cut, the process killed or
//! the call fails, and what comes back must be what the operations up to some point had made of it, every acknowledged
//! one among them, in the eyes of the naive model.
//!
//! `LEVELGATE_SEEDS` sets how many workloads each test plays, `LEVELGATE_SEED` the first of their seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test says what it has tried")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "numbers of a test are small")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "the model is shared with another program of tests")]

#[path = "model/again.rs"]
mod again;
#[path = "model/calendar.rs"]
mod calendar;
#[path = "model/chance.rs"]
mod chance;
#[path = "model/compare.rs"]
mod compare;
#[path = "model/configure.rs"]
mod configure;
#[path = "model/decide.rs"]
mod decide;
#[path = "model/fields.rs"]
mod fields;
#[path = "model/generate.rs"]
mod generate;
#[path = "model/ledger.rs"]
mod ledger;
#[path = "model/money.rs"]
mod money;
#[path = "model/oracle.rs"]
mod oracle;
#[path = "model/request.rs"]
mod request;
#[path = "model/resolve.rs"]
mod resolve;
#[path = "model/rules.rs"]
mod rules;
#[path = "model/spoil.rs"]
mod spoil;
#[path = "model/transition.rs"]
mod transition;

#[path = "crash/expected.rs"]
mod expected;
#[path = "crash/images.rs"]
mod images;
#[path = "crash/life.rs"]
mod life;
#[path = "crash/reload.rs"]
mod reload;
#[path = "crash/side.rs"]
mod side;
#[path = "crash/staff.rs"]
mod staff;
#[path = "crash/stage.rs"]
mod stage;
#[path = "crash/story.rs"]
mod story;

#[path = "crash/amid.rs"]
mod amid;
#[path = "crash/behind.rs"]
mod behind;
#[path = "crash/clock.rs"]
mod clock;
#[path = "crash/cuts.rs"]
mod cuts;
#[path = "crash/faults.rs"]
mod faults;
#[path = "crash/feed.rs"]
mod feed;
#[path = "crash/flips.rs"]
mod flips;
#[path = "crash/forgetting.rs"]
mod forgetting;
#[path = "crash/levels.rs"]
mod levels;
#[path = "crash/meanwhile.rs"]
mod meanwhile;
#[path = "crash/regressions.rs"]
mod regressions;
#[path = "crash/sealing.rs"]
mod sealing;
#[path = "crash/space.rs"]
mod space;
#[path = "crash/threads.rs"]
mod threads;

/// The seeds of a test that plays so many workloads unless it is told otherwise.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a whole number")),
        Err(_) => default,
    };
    let first = number("LEVELGATE_SEED", 1);
    first..first + number("LEVELGATE_SEEDS", default)
}
