//! Tests of the archive index: added transactions are found again after restarts and losses of the index, with and without
//! the filter.

use super::*;
use crate::{
    domain::{
        transaction::opening::{
            CustomerResolution, ExplicitFields, LevelSource, Opening, OpeningKind, PaymentContent, SentLevel,
        },
        vocabulary::{attributes::AttributeSet, direction::Direction, money::Currency, names::Name, time::Millis},
    },
    storage::{archive::guarded_database::tests::damage_for_closing, encoding, journal::model::ids::Lsn},
};
use proptest::prelude::*;
use smallvec::SmallVec;
use tempfile::TempDir;

/// An opened transaction.
#[derive(Debug, Clone)]
struct OpenedTransaction {
    id: String,
    customer: u64,
    slot: u32,
    offset: u64,
}

/// When a transaction was made: nearly in the order of recording, and some at the same time.
fn time_of(id: &str) -> Millis {
    let number: i64 = id[1..].parse().unwrap();
    Millis(1_000 + number / 3 - (number % 7) * 40)
}

fn opening(id: &str) -> Opening {
    let name = |text| Name::parse(text).unwrap();
    Opening {
        id: id.into(),
        merchant: name("acme"),
        at: time_of(id),
        recorded_at: Millis(1),
        opened: OpeningKind::Reserved,
        content: PaymentContent {
            direction: Direction::Deposit,
            currency: Currency::parse("EUR").unwrap(),
            amount: 1,
            identity: 1,
            defined_by: AttributeSet::default(),
            level: SentLevel::Absent,
            method: None,
            project: name("web"),
            endpoint: name("web-eur"),
        },
        hold_until: None,
        level: None,
        level_source: LevelSource::Default,
        resolution: CustomerResolution::Found,
        names: ExplicitFields::BOTH,
        bypassed_id: None,
        violations: SmallVec::new(),
        gates: SmallVec::new(),
        instrument: None,
        suspicious: false,
        outlier: false,
    }
}

/// A digest of few values for some ids, so that several transactions share a key.
fn key(_merchant: &str, id: &str) -> u64 {
    let spread = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |all, byte| {
        (all ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    });
    if id.ends_with('7') { spread & (7 << 54) } else { spread }
}

/// An archive, and the segments that it was given.
struct Stage {
    folder: TempDir,
    archive: Option<Archive>,
    segments: Vec<Vec<OpenedTransaction>>,
    gone: Vec<OpenedTransaction>,
    opened: u64,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut stage = Self { folder, archive: None, segments: Vec::new(), gone: Vec::new(), opened: 0 };
        stage.open();
        stage
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("index.redb")
    }

    fn open(&mut self) {
        self.archive = None;
        self.archive = Some(Archive::open(&self.path(), &JournalId([7; 16])).unwrap());
    }

    fn archive(&self) -> &Archive {
        self.archive.as_ref().unwrap()
    }

    fn end(segment: &[OpenedTransaction]) -> LogOffset {
        LogOffset(segment.last().unwrap().offset + 100)
    }

    fn give(&self, segment: &[OpenedTransaction]) {
        let taken = self.archive().add(Self::end(segment), true, &key, |visit| {
            for known in segment {
                let mut events = Vec::new();
                encoding::encode_opened(known.slot, &opening(&known.id), &mut events);
                let (lsn, offset) = (Lsn(known.offset), LogOffset(known.offset));
                let record = Record { lsn, epoch: 1, owner: known.customer, offset, events: &events };
                visit(&record).unwrap();
            }
            Ok(())
        });
        taken.unwrap();
    }

    fn add(&mut self, count: u64) {
        let known = (self.opened..self.opened + count).map(|n| OpenedTransaction {
            id: format!("t{n}"),
            customer: 1_000_001 + n % 5,
            slot: u32::try_from(n / 5).unwrap(),
            offset: 1 + n * 100,
        });
        let segment: Vec<OpenedTransaction> = known.collect();
        self.opened += count;
        self.give(&segment);
        self.segments.push(segment);
    }

    /// The index is lost, and built again.
    fn lose(&mut self) {
        self.archive = None;
        std::fs::remove_file(self.path()).unwrap();
        self.open();
        let first = self.segments.first().map_or(1 + self.opened * 100, |segment| segment[0].offset);
        self.archive().begin_at(LogOffset(first)).unwrap();
        self.segments.iter().for_each(|segment| self.give(segment));
    }

    /// The oldest segment is deleted, and nothing must stay of it.
    fn forget(&mut self) {
        if self.segments.is_empty() {
            return;
        }
        let segment = self.segments.remove(0);
        let end = Self::end(&segment);
        assert_eq!(self.archive().newest_in(end).unwrap(), Some(Millis(1)));
        let gone: Vec<_> = segment.iter().map(|known| (known.customer, known.slot, key("acme", &known.id))).collect();
        self.archive().forget(end, &gone).unwrap();
        assert_eq!((self.archive().newest_in(end).unwrap(), self.archive().begins_at()), (None, end));
        self.gone.extend(segment);
    }

    fn check(&self) {
        for known in &self.gone {
            let found = self.archive().transactions(key("acme", &known.id)).unwrap();
            let is_there = found.iter().any(|(customer, slot, _)| (*customer, *slot) == (known.customer, known.slot));
            assert!(!is_there, "{known:?} is among {found:?}");
        }
        for known in self.segments.iter().flatten() {
            let found = self.archive().transactions(key("acme", &known.id)).unwrap();
            let wanted = (known.customer, known.slot, LogOffset(known.offset));
            assert!(found.contains(&wanted), "{known:?} is not among {found:?}");
        }
    }

    /// The transactions of a customer are found in the order of their times, page by page.
    fn check_times(&self, limit: usize) {
        for customer in 1_000_001..1_000_006 {
            let of_customer = self.segments.iter().flatten().filter(|known| known.customer == customer);
            let place = |known: &OpenedTransaction| {
                (TimedSlot { at: time_of(&known.id), slot: known.slot }, LogOffset(known.offset))
            };
            let mut want: Vec<_> = of_customer.map(place).collect();
            want.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let page = self.archive().newest_of_customer(customer, before, limit).unwrap();
                let Some((last, _)) = page.last() else { break };
                before = Some(*last);
                found.extend(page);
            }
            assert_eq!(found, want, "customer {customer}, pages of {limit}");
        }
    }

    fn build_due_parts(&self) {
        while self.archive().build_filter_part().unwrap() {}
        let excluded_count = (0..2_000).filter(|n| self.archive().excludes(key("acme", &format!("s{n}a")))).count();
        let (bytes, left) = (self.archive().filter_bytes(), self.segments.iter().flatten().count());
        assert!(bytes <= 2 * left + 1_024 * 256, "{bytes} bytes for {left}");
        assert!(
            excluded_count >= 1_980,
            "{excluded_count} of 2,000 unknown ids are excluded; {} are known",
            self.opened
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn what_was_taken_is_found_whatever_became_of_the_index(
        steps in proptest::collection::vec((0_u8..8, 1_u64..300), 1..12),
    ) {
        let mut stage = Stage::new();
        for (what, count) in steps {
            match what {
                0 => stage.open(),
                1 => stage.lose(),
                2 => stage.build_due_parts(),
                3 => _ = stage.archive().build_filter_part().unwrap(),
                4 | 5 => stage.forget(),
                _ => stage.add(count),
            }
            stage.check();
        }
        stage.check_times(1);
        stage.check_times(64);
    }
}

#[test]
fn the_filter_of_an_index_that_was_filled_before_is_built_after_the_start() {
    let mut stage = Stage::new();
    stage.add(5_000);
    stage.open();
    assert!(!stage.archive().excludes(key("acme", "s1")), "nothing is excluded before it is known");
    stage.check();
    stage.build_due_parts();
    stage.check();
    assert!(stage.archive().excludes(key("acme", "s1a")), "an unknown id");
}

/// Every position that is tried: an id that was taken is found, or the index answers nothing and is built again.
#[test]
fn a_flipped_byte_of_the_index_never_hides_an_id() {
    let mut stage = Stage::new();
    for _ in 0..3 {
        stage.add(400);
    }
    let end = Stage::end(stage.segments.last().unwrap());
    stage.archive = None;
    let whole = std::fs::read(stage.path()).unwrap();
    let step = if std::env::var_os("LEVELGATE_SEEDS").is_some() { 13 } else { whole.len() / 150 };
    let (mut found, mut refused, mut anew) = (0, 0, 0);
    for at in (0..whole.len()).step_by(step) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(stage.path(), bytes).unwrap();
        let archive = Archive::open(&stage.path(), &JournalId([7; 16])).unwrap();
        if at.is_multiple_of(2) {
            while archive.build_filter_part().unwrap_or(false) {}
        }
        if archive.archived_before() < end {
            // It was found out as it was opened, or went back by a step: the caller gives the segments again.
            anew += 1;
            continue;
        }
        for known in stage.segments.iter().flatten() {
            match archive.transactions(key("acme", &known.id)) {
                Ok(places) => {
                    assert!(
                        places.contains(&(known.customer, known.slot, LogOffset(known.offset))),
                        "byte {at}: {known:?}"
                    );
                    found += 1;
                }
                Err(_) => {
                    assert!(archive.is_being_built(), "byte {at}");
                    refused += 1;
                }
            }
        }
        // It is mended by what the keeper does.
        if archive.damage().is_some() {
            archive.rebuild_from(LogOffset(0)).unwrap();
            assert!(archive.is_being_built() && archive.transactions(key("acme", "t0")).is_err());
            stage.archive = Some(archive);
            stage.segments.iter().for_each(|segment| stage.give(segment));
            assert!(!stage.archive().is_being_built());
            stage.check();
            stage.archive = None;
        }
    }
    assert!(found > 0 && refused > 0 && anew > 0, "{found} found, {refused} refused, {anew} built anew");
}

#[test]
fn an_index_whose_damage_shows_when_it_closes_is_built_again_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index.redb");
    let open = || Archive::open(&path, &JournalId([7; 16])).unwrap();
    drop(open());
    damage_for_closing(&path);
    drop(open());
    assert!(!path.exists(), "the damaged file stays");
    drop(open());
    assert!(open().take_opening_messages().is_empty(), "the new file is whole");
}

#[test]
fn an_index_that_is_no_index_is_begun_anew_and_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("archive").join("index.redb");
    drop(Archive::open(&path, &JournalId([7; 16])).unwrap());
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    let whole = std::fs::read(&path).unwrap();
    for bytes in [&whole[..whole.len() / 2], &whole[..100], &[7; 5_000], &vec![0; whole.len()]] {
        std::fs::write(&path, bytes).unwrap();
        let archive = Archive::open(&path, &JournalId([7; 16])).unwrap();
        assert_eq!((archive.begins_at(), archive.archived_before()), (LogOffset(0), LogOffset(0)));
        assert!(!archive.take_opening_messages().is_empty(), "{} bytes", bytes.len());
    }
    let other = Archive::open(&path, &JournalId([8; 16])).unwrap().take_opening_messages();
    assert!(other.iter().any(|what| what.contains("another journal")), "{other:?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::set_permissions(path.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mended = Archive::open(&path, &JournalId([8; 16])).unwrap().take_opening_messages();
    assert_eq!(mended.len(), 2, "{mended:?}");
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
}
