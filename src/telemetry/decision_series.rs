//! Counts of decisions over time, for each merchant: allowed payments, and denied ones by their first code. They are in
//! memory only, and begin empty at each start.
//!
//! Counting is one relaxed atomic addition to a cell of the calling thread's shard: no lock, no allocation, one cache line
//! that other processors seldom write. A cell contains a second and its count. The first decision of another second moves
//! the count to the rings, so a ring is written about once a second for each shard. The first decision of a merchant
//! allocates its cells, and the first one with an outcome allocates the rings of that outcome. A reader moves the counts of
//! all cells to the rings before it reads them.
//!
//! Memory: 3 KiB for each merchant with decisions, and 40 KiB for each of its outcomes (allowed, or a code) that has
//! occurred.

use crate::domain::vocabulary::{
    denial_codes::{DENIAL_CODES, DenialCode},
    names::{NAMES_MAX, Name},
    time::Millis,
    words::words,
};
use std::{
    ops::Range,
    sync::{
        OnceLock,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

words! {
    /// The length of a period.
    Resolution {
        /// One second.
        Second = "1s",
        /// One minute.
        Minute = "1m",
    }
}

impl Resolution {
    /// The length of a period in milliseconds.
    #[must_use]
    pub fn period_ms(self) -> i64 {
        match self {
            Self::Second => 1_000,
            Self::Minute => 60_000,
        }
    }

    /// The number of periods that are kept.
    #[must_use]
    pub const fn periods_max(self) -> u32 {
        match self {
            Self::Second => 3_600,
            Self::Minute => 1_440,
        }
    }

    /// The number of the period that contains a time.
    #[must_use]
    pub fn period_of(self, at: Millis) -> u32 {
        u32::try_from(at.0.div_euclid(self.period_ms()).max(0)).unwrap_or(u32::MAX)
    }

    /// The begin of a period.
    #[must_use]
    pub fn begin_of(self, period: u32) -> Millis {
        Millis(i64::from(period) * self.period_ms())
    }
}

/// Allowed, or one of the codes.
const OUTCOMES: usize = 1 + DENIAL_CODES.len();
/// Threads count in different shards, as far as there are shards.
const SHARDS: usize = 16;
/// Merchants are found by the numbers of their names, in chunks of this many.
const CHUNK: usize = 256;

/// A period and a count in one atomic value.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PeriodCount {
    period: u32,
    count: u32,
}

impl PeriodCount {
    fn pack(self) -> u64 {
        u64::from(self.period) << 32 | u64::from(self.count)
    }

    fn unpack(packed: u64) -> Self {
        let [period, count] = [packed >> 32, packed & u64::from(u32::MAX)];
        Self { period: u32::try_from(period).unwrap_or(0), count: u32::try_from(count).unwrap_or(0) }
    }
}

/// The counts of the present second, one for each outcome, in the cache lines of one shard.
#[repr(align(128))]
#[derive(Default)]
struct Cells([AtomicU64; OUTCOMES]);

/// The last periods of one resolution. The slot of a period is its number modulo the length.
struct Ring(Box<[AtomicU64]>);

impl Ring {
    fn new(resolution: Resolution) -> Self {
        Self((0..resolution.periods_max()).map(|_| AtomicU64::default()).collect())
    }

    fn slot(&self, period: u32) -> Option<&AtomicU64> {
        self.0.get(usize::try_from(period).ok()? % self.0.len().max(1))
    }

    /// Adds a count to a period. `present`: the period of the present time.
    fn add(&self, added: PeriodCount, present: u32) {
        let Some(slot) = self.slot(added.period) else { return };
        let mut packed = slot.load(Ordering::Relaxed);
        loop {
            let known = PeriodCount::unpack(packed);
            let next = if known.period == added.period {
                PeriodCount { count: known.count.saturating_add(added.count), ..added }
            } else if known.period < added.period || known.period > present {
                // The slot contains a period that has left the ring, or a time before the clock was set back.
                added
            } else {
                // The period itself has left the ring.
                return;
            };
            match slot.compare_exchange_weak(packed, next.pack(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(other) => packed = other,
            }
        }
    }

    fn count_of(&self, period: u32) -> u32 {
        let known = self.slot(period).map(|slot| PeriodCount::unpack(slot.load(Ordering::Relaxed)));
        known.filter(|known| known.period == period).map_or(0, |known| known.count)
    }
}

/// The rings of one outcome.
struct Rings {
    seconds: Ring,
    minutes: Ring,
}

impl Rings {
    fn new() -> Self {
        Self { seconds: Ring::new(Resolution::Second), minutes: Ring::new(Resolution::Minute) }
    }

    /// Adds the count of a second. `present`: the present second.
    fn add(&self, added: PeriodCount, present: u32) {
        self.seconds.add(added, present);
        self.minutes.add(PeriodCount { period: added.period / 60, ..added }, present / 60);
    }

    fn of(&self, resolution: Resolution) -> &Ring {
        match resolution {
            Resolution::Second => &self.seconds,
            Resolution::Minute => &self.minutes,
        }
    }
}

/// The counts of one merchant.
struct MerchantSeries {
    cells: [Cells; SHARDS],
    rings: [OnceLock<Box<Rings>>; OUTCOMES],
}

impl MerchantSeries {
    fn new() -> Box<Self> {
        Box::new(Self {
            cells: std::array::from_fn(|_| Cells::default()),
            rings: std::array::from_fn(|_| OnceLock::new()),
        })
    }

    fn count(&self, outcome: usize, second: u32) {
        let Some(cell) = self.cells.get(shard()).and_then(|cells| cells.0.get(outcome)) else { return };
        if PeriodCount::unpack(cell.load(Ordering::Relaxed)).period == second {
            cell.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // Each count is moved by the one thread that takes it out of the cell.
        let begun = PeriodCount { period: second, count: 1 };
        let old = PeriodCount::unpack(cell.swap(begun.pack(), Ordering::Relaxed));
        self.add_to_rings(outcome, old, second);
    }

    fn add_to_rings(&self, outcome: usize, added: PeriodCount, present: u32) {
        if added.count > 0
            && let Some(rings) = self.rings.get(outcome)
        {
            rings.get_or_init(|| Box::new(Rings::new())).add(added, present);
        }
    }

    /// Moves the counts of all cells to the rings.
    fn drain(&self, present: u32) {
        for cells in &self.cells {
            for (outcome, cell) in cells.0.iter().enumerate() {
                let known = PeriodCount::unpack(cell.load(Ordering::Relaxed));
                if known.count > 0 {
                    let emptied = PeriodCount { count: 0, ..known };
                    let old = PeriodCount::unpack(cell.swap(emptied.pack(), Ordering::Relaxed));
                    self.add_to_rings(outcome, old, present);
                }
            }
        }
    }
}

/// The bytes of the counts of a merchant with decisions, without those of its outcomes.
pub const MERCHANT_BYTES: u64 = size_of::<MerchantSeries>() as u64;

/// The bytes of the counts of one outcome of a merchant.
pub const OUTCOME_BYTES: u64 = {
    const PERIODS: u32 = Resolution::Second.periods_max() + Resolution::Minute.periods_max();
    size_of::<Rings>() as u64 + PERIODS as u64 * size_of::<AtomicU64>() as u64
};

/// The most bytes of the counts of a merchant: every outcome has occurred.
pub const MERCHANT_BYTES_MAX: u64 = MERCHANT_BYTES + OUTCOMES as u64 * OUTCOME_BYTES;

/// The shard of the calling thread.
fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: usize = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
    }
    SHARD.with(|shard| *shard)
}

fn outcome_of(denied: Option<DenialCode>) -> usize {
    denied.map_or(0, |code| 1 + code as usize)
}

/// The counts of one outcome, one for each period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeCounts {
    /// `None`: allowed; otherwise the first code of the denials.
    pub denied: Option<DenialCode>,
    /// In the order of the periods.
    pub counts: Vec<u32>,
}

type Chunk = Box<[OnceLock<Box<MerchantSeries>>]>;

/// The counts of all merchants.
pub struct DecisionSeries {
    chunks: Box<[OnceLock<Chunk>]>,
    /// When counting began; the least value: it has not begun.
    since: AtomicI64,
}

impl Default for DecisionSeries {
    fn default() -> Self {
        let chunks = (0..NAMES_MAX.div_ceil(CHUNK) + 1).map(|_| OnceLock::new()).collect();
        Self { chunks, since: AtomicI64::new(i64::MIN) }
    }
}

impl DecisionSeries {
    /// Notes when counting begins, unless it has begun.
    pub fn begin(&self, at: Millis) {
        // It has begun if this fails.
        _ = self.since.compare_exchange(i64::MIN, at.0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// When counting began.
    #[must_use]
    pub fn since(&self) -> Option<Millis> {
        Some(self.since.load(Ordering::Relaxed)).filter(|since| *since != i64::MIN).map(Millis)
    }

    /// Counts a decision of a merchant. `denied`: its first code.
    pub fn count(&self, merchant: Name, at: Millis, denied: Option<DenialCode>) {
        let Some(slot) = self.slot(merchant) else { return };
        let series = match slot.get() {
            Some(series) => series,
            None => {
                self.begin(at);
                slot.get_or_init(MerchantSeries::new)
            }
        };
        series.count(outcome_of(denied), Resolution::Second.period_of(at));
    }

    fn slot(&self, merchant: Name) -> Option<&OnceLock<Box<MerchantSeries>>> {
        let chunk = self.chunks.get(merchant.number() / CHUNK)?;
        chunk.get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect()).get(merchant.number() % CHUNK)
    }

    /// The counts of a merchant in some periods, for each outcome that has occurred since the start. `now`: the present
    /// time.
    #[must_use]
    pub fn read(&self, merchant: Name, resolution: Resolution, periods: Range<u32>, now: Millis) -> Vec<OutcomeCounts> {
        let Some(series) = self.slot(merchant).and_then(OnceLock::get) else { return Vec::new() };
        series.drain(Resolution::Second.period_of(now));
        let denials = DENIAL_CODES.into_iter().map(|(code, ..)| Some(code));
        let outcomes = std::iter::once(None).chain(denials);
        let counted = outcomes.filter_map(|denied| {
            let ring = series.rings.get(outcome_of(denied))?.get()?.of(resolution);
            Some(OutcomeCounts { denied, counts: periods.clone().map(|period| ring.count_of(period)).collect() })
        });
        counted.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_the_guides_are_those_of_the_types() {
        assert_eq!((MERCHANT_BYTES.div_ceil(1_024), OUTCOME_BYTES.div_ceil(1_024)), (3, 40));
        let rings = Rings::new();
        let periods = rings.seconds.0.len() + rings.minutes.0.len();
        assert_eq!(OUTCOME_BYTES, (size_of::<Rings>() + 8 * periods) as u64);
    }

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    /// The counts of the seconds from `from` on, allowed and denied with one code.
    fn seconds(series: &DecisionSeries, merchant: Name, periods: Range<u32>, now: u32) -> (Vec<u32>, Vec<u32>) {
        let now = Resolution::Second.begin_of(now);
        let read = series.read(merchant, Resolution::Second, periods, now);
        let of =
            |denied| read.iter().find(|row| row.denied == denied).map(|row| row.counts.clone()).unwrap_or_default();
        (of(None), of(Some(DenialCode::AmountLimitExceeded)))
    }

    #[test]
    fn a_decision_counts_in_its_second_and_in_its_minute() {
        let (series, merchant) = (DecisionSeries::default(), name("series-a"));
        let denied = Some(DenialCode::AmountLimitExceeded);
        for (at, denied) in [(0, None), (999, None), (1_000, denied), (2_500, None), (60_000, None), (61_000, denied)] {
            series.count(merchant, Millis(1_000_000_000 + at), denied);
        }
        assert_eq!(series.since(), Some(Millis(1_000_000_000)));
        let first = 1_000_000;
        let (allowed, denied_counts) = seconds(&series, merchant, first..first + 4, first + 61);
        assert_eq!((allowed, denied_counts), (vec![2, 0, 1, 0], vec![0, 1, 0, 0]));
        let minute = first / 60;
        let read = series.read(merchant, Resolution::Minute, minute..minute + 2, Millis(1_000_061_000));
        // The first second is the fortieth of its minute.
        let counts: Vec<(Option<DenialCode>, Vec<u32>)> =
            read.into_iter().map(|row| (row.denied, row.counts)).collect();
        assert_eq!(counts, [(None, vec![3, 1]), (denied, vec![1, 1])]);
        assert_eq!(series.read(name("series-b"), Resolution::Minute, minute..minute + 2, Millis(0)), []);
    }

    #[test]
    fn a_ring_keeps_its_last_periods_alone() {
        let (series, merchant) = (DecisionSeries::default(), name("series-c"));
        let count = |second: u32| series.count(merchant, Resolution::Second.begin_of(second), None);
        count(10_000);
        count(13_599);
        assert_eq!(seconds(&series, merchant, 10_000..10_001, 13_599).0, [1], "it is the oldest second of the ring");
        count(13_600);
        let (counts, _) = seconds(&series, merchant, 10_000..10_001, 13_600);
        assert_eq!(counts, [0]);
        assert_eq!(seconds(&series, merchant, 13_599..13_601, 13_600).0, [1, 1]);
        count(20_000);
        assert_eq!(seconds(&series, merchant, 13_600..13_601, 20_000).0, [1]);
        let minutes = series.read(merchant, Resolution::Minute, 10_000 / 60..20_000 / 60 + 1, Millis(20_000_000));
        assert_eq!(minutes[0].counts.iter().sum::<u32>(), 4);
    }

    #[test]
    fn a_clock_that_was_set_back_counts_again() {
        let (series, merchant) = (DecisionSeries::default(), name("series-d"));
        let count = |second: u32| series.count(merchant, Resolution::Second.begin_of(second), None);
        count(50_000);
        assert_eq!(seconds(&series, merchant, 50_000..50_001, 50_000).0, [1]);
        count(46_400);
        count(46_400);
        assert_eq!(seconds(&series, merchant, 46_400..46_401, 46_400).0, [2], "the slot had a second of the future");
    }

    #[test]
    fn no_count_is_lost_or_doubled_where_threads_count_and_read() {
        const THREADS: usize = 8;
        const EACH: u32 = 20_000;
        let (series, merchant) = (DecisionSeries::default(), name("series-e"));
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let series = &series;
                scope.spawn(move || {
                    for n in 0..EACH {
                        // The threads cross the seconds at different times.
                        let at = Millis(1_000_000 + i64::from(n) / 7 + i64::try_from(thread).unwrap());
                        series.count(merchant, at, (n % 3 == 0).then_some(DenialCode::NoGateAvailable));
                    }
                });
            }
            for _ in 0..200 {
                let read = series.read(merchant, Resolution::Second, 1_000..1_010, Millis(1_005_000));
                let total: u32 = read.iter().flat_map(|row| &row.counts).sum();
                assert!(total <= EACH * u32::try_from(THREADS).unwrap());
            }
        });
        let read = series.read(merchant, Resolution::Second, 1_000..1_010, Millis(1_005_000));
        let total: u32 = read.iter().flat_map(|row| &row.counts).sum();
        assert_eq!(total, EACH * u32::try_from(THREADS).unwrap());
        let denied = read.iter().find(|row| row.denied.is_some()).map(|row| row.counts.iter().sum::<u32>());
        assert_eq!(denied, Some(EACH.div_ceil(3) * u32::try_from(THREADS).unwrap()));
    }
}
