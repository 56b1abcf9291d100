//! Finding customers: which of a merchant have a level, a status, a label, and when they were made. Never stored; built
//! again from the customers.
//!
//! A set of customers is a bitmap of their numbers, so that what several filters have in common costs one step for each
//! 65,536 customers, and a page costs as many steps as it has rows. Numbers grow in the order in which customers are
//! made, and pages follow them: who comes or goes meanwhile moves nobody else.

use crate::domain::{
    customer::Customer,
    name::{Map, Name},
    rules::Direction,
    standing::CustomerStatus,
    time::Millis,
};
use dashmap::DashMap;
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The most customers made within a span of time that are gathered before a page is looked for; of more, those are
/// candidates whose neighbours by number were made within it.
const GATHERED_MAX: usize = 20_000;
/// So many numbers, as a power of two, are neighbours: numbers grow with time, so that few neighbourhoods lie half inside
/// a span.
const NEIGHBOURS: u32 = 10;

/// Something by which customers are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The stored level of a direction; `None`: empty.
    Level(Direction, Option<Name>),
    /// Where they stand.
    Status(CustomerStatus),
    /// One of the labels.
    Label(Name),
}

/// What a customer is found by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marks {
    created: Millis,
    marks: SmallVec<[Mark; 4]>,
    /// When the personal attributes are to be erased.
    due: Option<Millis>,
}

impl Marks {
    pub(crate) fn of(customer: &Customer) -> Self {
        let [deposit, withdrawal] = customer.levels;
        let mut marks: SmallVec<[Mark; 4]> = SmallVec::from_slice(&[
            Mark::Level(Direction::Deposit, deposit),
            Mark::Level(Direction::Withdrawal, withdrawal),
            Mark::Status(customer.status()),
        ]);
        marks.extend(customer.labels().iter().map(|label| Mark::Label(*label)));
        let due = customer.profile().and_then(|profile| profile.deletion_due);
        Self { created: customer.created, marks, due }
    }

    pub(crate) fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }
}

/// A customer of a merchant, and what it is found by.
pub(crate) type Entry = (Name, u64, Marks);

/// A number as the sets hold it. Numbers of customers end at the largest that fits; see `LAST_CUSTOMER`.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Which candidates, of one merchant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sought<'a> {
    /// Each of them.
    pub(crate) marks: &'a [Mark],
    /// Not made earlier.
    pub(crate) created_from: Option<Millis>,
    /// Made earlier.
    pub(crate) created_to: Option<Millis>,
    /// Behind this number in the order of the page.
    pub(crate) after: Option<u32>,
    /// From the newest to the oldest.
    pub(crate) descending: bool,
    /// At most so many.
    pub(crate) at_most: usize,
}

#[derive(Default)]
struct Catalogue {
    all: RoaringBitmap,
    by: Map<Mark, RoaringBitmap>,
    created: BTreeSet<(Millis, u32)>,
    /// Between which times the customers of each neighbourhood were made, or once were.
    spans: BTreeMap<u32, (Millis, Millis)>,
}

impl Catalogue {
    fn made(&mut self, number: u32, at: Millis) {
        let (first, last) = self.spans.entry(number >> NEIGHBOURS).or_insert((at, at));
        (*first, *last) = (at.min(*first), at.max(*last));
    }

    fn candidates(&self, sought: &Sought<'_>) -> Vec<u32> {
        let mut sets: Vec<&RoaringBitmap> = Vec::with_capacity(sought.marks.len());
        for mark in sought.marks {
            match self.by.get(mark) {
                Some(set) => sets.push(set),
                None => return Vec::new(),
            }
        }
        let gathered = self.made_within(sought);
        sets.extend(gathered.as_ref());
        match sets.as_slice() {
            [] => page(&self.all, sought),
            [only] => page(only, sought),
            [first, rest @ ..] => {
                let mut common = (*first).clone();
                rest.iter().for_each(|set| common &= *set);
                page(&common, sought)
            }
        }
    }

    /// Those made within the span; where they are many, also some whose neighbours were. `None`: no span.
    fn made_within(&self, sought: &Sought<'_>) -> Option<RoaringBitmap> {
        if sought.created_from.is_none() && sought.created_to.is_none() {
            return None;
        }
        let from = (sought.created_from.unwrap_or(Millis(i64::MIN)), 0);
        let to = (sought.created_to.unwrap_or(Millis(i64::MAX)), 0);
        if from >= to {
            return Some(RoaringBitmap::new());
        }
        let within = || self.created.range(from..to);
        if within().nth(GATHERED_MAX).is_none() {
            return Some(within().map(|(_, number)| *number).collect());
        }
        let mut near = RoaringBitmap::new();
        for (place, (first, last)) in &self.spans {
            if *last >= from.0 && *first < to.0 {
                let begin = place << NEIGHBOURS;
                near.insert_range(begin..=begin | ((1 << NEIGHBOURS) - 1));
            }
        }
        Some(near & &self.all)
    }
}

fn page(set: &RoaringBitmap, sought: &Sought<'_>) -> Vec<u32> {
    match (sought.descending, sought.after) {
        (false, None) => set.iter().take(sought.at_most).collect(),
        (false, Some(after)) => set.range(after.saturating_add(1)..).take(sought.at_most).collect(),
        (true, None) => set.iter().rev().take(sought.at_most).collect(),
        (true, Some(after)) => set.range(..after).rev().take(sought.at_most).collect(),
    }
}

/// All merchants' customers.
#[derive(Default)]
pub(crate) struct Search {
    merchants: DashMap<Name, Arc<Mutex<Catalogue>>>,
    /// Whose personal attributes are to be erased, and when.
    due: Mutex<BTreeSet<(Millis, u64)>>,
    /// Whose are erased, and whose keys are to follow.
    keys_due: Mutex<BTreeSet<u64>>,
}

impl Search {
    fn of(&self, merchant: Name) -> Arc<Mutex<Catalogue>> {
        // The map is a leaf: nothing is locked while its guard is held.
        if let Some(known) = self.merchants.get(&merchant) {
            return Arc::clone(&known);
        }
        Arc::clone(&self.merchants.entry(merchant).or_default())
    }

    /// Follows a customer from what it was found by to what it is found by now; the caller holds the customer's lock.
    pub(crate) fn moved(&self, merchant: Name, number: u64, before: Option<&Marks>, now: Option<&Marks>) {
        if before == now {
            return;
        }
        let due = |marks: Option<&Marks>| marks.and_then(|marks| marks.due).map(|due| (due, number));
        if due(before) != due(now) {
            let mut all = self.due.lock();
            due(before).iter().for_each(|due| _ = all.remove(due));
            all.extend(due(now));
        }
        let number = small(number);
        let catalogue = self.of(merchant);
        let mut catalogue = catalogue.lock();
        now.iter().for_each(|marks| catalogue.made(number, marks.created));
        let Catalogue { all, by, created, .. } = &mut *catalogue;
        let marks = |marks: Option<&Marks>| marks.map(|marks| marks.marks.clone()).unwrap_or_default();
        let (old, new) = (marks(before), marks(now));
        for mark in old.iter().filter(|mark| !new.contains(mark)) {
            if let Some(set) = by.get_mut(mark) {
                set.remove(number);
                if set.is_empty() {
                    by.remove(mark);
                }
            }
        }
        for mark in new.iter().filter(|mark| !old.contains(mark)) {
            by.entry(*mark).or_default().insert(number);
        }
        let made = |marks: Option<&Marks>| marks.map(|marks| (marks.created, number));
        if made(before) != made(now) {
            made(before).iter().for_each(|made| _ = created.remove(made));
            created.extend(made(now));
        }
        match now {
            Some(_) => _ = all.insert(number),
            None => _ = all.remove(number),
        }
    }

    /// Takes customers who are in it not yet, all at once: what is sorted first goes in without a search.
    pub(crate) fn fill(&self, mut entries: Vec<Entry>) {
        entries.sort_unstable_by_key(|(merchant, number, _)| (*merchant, *number));
        for of_merchant in entries.chunk_by(|(one, ..), (next, ..)| one == next) {
            let catalogue = self.of(of_merchant[0].0);
            let mut catalogue = catalogue.lock();
            of_merchant.iter().for_each(|(_, number, marks)| catalogue.made(small(*number), marks.created));
            let Catalogue { all, by, created, .. } = &mut *catalogue;
            for (_, number, marks) in of_merchant {
                all.insert(small(*number));
                marks.marks.iter().for_each(|mark| _ = by.entry(*mark).or_default().insert(small(*number)));
            }
            // A set is made of a sorted list, and of any other one by one.
            let mut made: Vec<(Millis, u32)> =
                of_merchant.iter().map(|(_, number, marks)| (marks.created, small(*number))).collect();
            made.sort_unstable();
            created.append(&mut made.into_iter().collect());
        }
        let due = entries.iter().filter_map(|(_, number, marks)| marks.due.map(|due| (due, *number)));
        self.due.lock().extend(due);
    }

    /// Customers whose personal attributes are to be erased by now, at most so many.
    pub(crate) fn due(&self, now: Millis, at_most: usize) -> Vec<u64> {
        self.due.lock().range(..=(now, u64::MAX)).take(at_most).map(|(_, number)| *number).collect()
    }

    /// A customer's key is to be erased.
    pub(crate) fn owes_key(&self, number: u64) {
        self.keys_due.lock().insert(number);
    }

    /// A customer's key is erased.
    pub(crate) fn key_is_erased(&self, number: u64) {
        self.keys_due.lock().remove(&number);
    }

    /// Customers whose keys are to be erased.
    pub(crate) fn keys_due(&self) -> Vec<u64> {
        self.keys_due.lock().iter().copied().collect()
    }

    /// Numbers of customers who have all the marks, in the order of the page. Of a span of time that holds many, also
    /// such as were made outside: whoever asks looks at each.
    pub(crate) fn candidates(&self, merchant: Name, sought: &Sought<'_>) -> Vec<u32> {
        let Some(catalogue) = self.merchants.get(&merchant).map(|known| Arc::clone(&known)) else { return Vec::new() };
        let catalogue = catalogue.lock();
        catalogue.candidates(sought)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::parse(text).unwrap()
    }

    fn marks(created: i64, level: Option<u8>, label: Option<u8>) -> Marks {
        let level = level.map(|level| name(&format!("level {level}")));
        let mut marks = SmallVec::from_slice(&[Mark::Level(Direction::Deposit, level)]);
        marks.extend(label.map(|label| Mark::Label(name(&format!("label {label}")))));
        Marks { created: Millis(created), marks, due: None }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_a_scan_finds(
            moves in prop::collection::vec((0..40_u64, prop::option::weighted(0.9, (0..50_i64, prop::option::of(0..3_u8), prop::option::of(0..2_u8)))), 0..120),
            level in prop::option::of(prop::option::of(0..3_u8)),
            label in prop::option::of(0..2_u8),
            from in prop::option::of(0..50_i64),
            to in prop::option::of(0..50_i64),
            after in prop::option::of(0..40_u32),
            descending in any::<bool>(),
            at_most in 1..50_usize,
        ) {
            let (search, merchant) = (Search::default(), name("m"));
            let mut all: std::collections::BTreeMap<u32, Marks> = std::collections::BTreeMap::new();
            for (number, now) in moves {
                let now = now.map(|(created, level, label)| marks(created, level, label));
                let small = u32::try_from(number).unwrap();
                search.moved(merchant, number, all.get(&small), now.as_ref());
                match now {
                    Some(now) => _ = all.insert(small, now),
                    None => _ = all.remove(&small),
                }
            }
            let mut wanted: Vec<Mark> = Vec::new();
            wanted.extend(level.map(|level| marks(0, level, None).marks[0]));
            wanted.extend(label.map(|label| marks(0, None, Some(label)).marks[1]));
            let (created_from, created_to) = (from.map(Millis), to.map(Millis));
            let sought = Sought { marks: &wanted, created_from, created_to, after, descending, at_most };
            let mut scanned: Vec<u32> = all
                .iter()
                .filter(|(_, marks)| wanted.iter().all(|mark| marks.has(*mark)))
                .filter(|(_, marks)| created_from.is_none_or(|from| marks.created >= from))
                .filter(|(_, marks)| created_to.is_none_or(|to| marks.created < to))
                .map(|(number, _)| *number)
                .filter(|number| after.is_none_or(|after| if descending { *number < after } else { *number > after }))
                .collect();
            if descending {
                scanned.reverse();
            }
            scanned.truncate(at_most);
            prop_assert_eq!(search.candidates(merchant, &sought), scanned);
        }
    }

    #[test]
    fn nothing_is_left_of_who_has_gone() {
        let (search, merchant) = (Search::default(), name("m"));
        let here = marks(1, Some(1), Some(1));
        search.moved(merchant, 7, None, Some(&here));
        search.moved(merchant, 7, Some(&here), None);
        let catalogue = search.of(merchant);
        let catalogue = catalogue.lock();
        assert!(catalogue.all.is_empty() && catalogue.by.is_empty() && catalogue.created.is_empty());
    }
}
