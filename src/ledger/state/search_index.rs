//! Finding customers: which of a merchant have a level, a status, a label, and when they were made. Never stored; built
//! again from the customers.
//!
//! A set of customers is a bitmap of their numbers, so that what several filters have in common costs one step for each
//! 65,536 customers, and a page costs as many steps as it has rows. Numbers grow in the order in which customers are
//! made, and pages follow them: who comes or goes meanwhile moves nobody else.

use crate::domain::{
    customer::{aggregate::Customer, status::CustomerStatus},
    rules::configuration::Direction,
    vocabulary::{
        names::{Map, Name},
        time::Millis,
    },
};
use dashmap::DashMap;
use parking_lot::Mutex;
use roaring::RoaringBitmap;
use smallvec::SmallVec;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// About the most customers made within a span of time that are gathered before a page is looked for; of more, those are
/// candidates whose neighbours by number were made within it.
const GATHERED_MAX: u64 = 20_000;
/// Customers are kept together who were made in the same 2^22 milliseconds, some seventy minutes: a set of numbers takes
/// two bytes a customer and less, where the time of each would take thirty.
const HOUR: u32 = 22;
/// So many numbers, as a power of two, are neighbours: numbers grow with time, so that few neighbourhoods lie half inside
/// a span.
pub(in crate::ledger) const NEIGHBOURS: u32 = 8;

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
    /// By when they were made; see [`HOUR`].
    created: BTreeMap<i64, RoaringBitmap>,
    /// Between which times the customers of each neighbourhood were made, or once were.
    spans: BTreeMap<u32, (Millis, Millis)>,
}

fn hour(at: Millis) -> i64 {
    at.0 >> HOUR
}

impl Catalogue {
    fn made(&mut self, number: u32, at: Millis) {
        self.created.entry(hour(at)).or_default().insert(number);
        let (first, last) = self.spans.entry(number >> NEIGHBOURS).or_insert((at, at));
        (*first, *last) = (at.min(*first), at.max(*last));
    }

    fn unmade(&mut self, number: u32, at: Millis) {
        if self.created.get_mut(&hour(at)).is_some_and(|set| is_emptied(set, number)) {
            self.created.remove(&hour(at));
        }
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

    /// Those made within the span, and some neighbours of these that were made about its ends; where they are many, also
    /// such as were made anywhere. `None`: no span.
    fn made_within(&self, sought: &Sought<'_>) -> Option<RoaringBitmap> {
        if sought.created_from.is_none() && sought.created_to.is_none() {
            return None;
        }
        let from = sought.created_from.unwrap_or(Millis(i64::MIN));
        let last = Millis(sought.created_to.map_or(i64::MAX, |to| to.0.saturating_sub(1)));
        if from > last {
            return Some(RoaringBitmap::new());
        }
        let near = self.near(from, last);
        let mut within = RoaringBitmap::new();
        for set in self.created.range(hour(from)..=hour(last)).map(|(_, set)| set) {
            within |= set & &near;
            if within.len() > GATHERED_MAX {
                return Some(near);
            }
        }
        Some(within)
    }

    /// Those whose neighbours were made from one time to another.
    fn near(&self, from: Millis, last: Millis) -> RoaringBitmap {
        let mut near = RoaringBitmap::new();
        for (place, (earliest, latest)) in &self.spans {
            if *latest >= from && *earliest <= last {
                let begin = place << NEIGHBOURS;
                near.insert_range(begin..=begin | ((1 << NEIGHBOURS) - 1));
            }
        }
        near & &self.all
    }
}

/// Takes a number out of a set, and says whether nothing is left in it.
fn is_emptied(set: &mut RoaringBitmap, number: u32) -> bool {
    set.remove(number);
    set.is_empty()
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
        before.iter().for_each(|marks| catalogue.unmade(number, marks.created));
        now.iter().for_each(|marks| catalogue.made(number, marks.created));
        let Catalogue { all, by, .. } = &mut *catalogue;
        let marks = |marks: Option<&Marks>| marks.map(|marks| marks.marks.clone()).unwrap_or_default();
        let (old, new) = (marks(before), marks(now));
        for mark in old.iter().filter(|mark| !new.contains(mark)) {
            if by.get_mut(mark).is_some_and(|set| is_emptied(set, number)) {
                by.remove(mark);
            }
        }
        for mark in new.iter().filter(|mark| !old.contains(mark)) {
            by.entry(*mark).or_default().insert(number);
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
            let Catalogue { all, by, .. } = &mut *catalogue;
            for (_, number, marks) in of_merchant {
                all.insert(small(*number));
                marks.marks.iter().for_each(|mark| _ = by.entry(*mark).or_default().insert(small(*number)));
            }
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

    /// A time on the edge of what is kept together: what is made between two of these is found as a scan finds it.
    fn edge(number: i64) -> i64 {
        number << HOUR
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
                let now = now.map(|(created, level, label)| marks(edge(created), level, label));
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
            let (created_from, created_to) = (from.map(edge).map(Millis), to.map(edge).map(Millis));
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
    fn whoever_was_made_within_a_span_is_a_candidate_and_whoever_was_made_far_from_it_is_none() {
        let (search, merchant) = (Search::default(), name("m"));
        let made: Vec<i64> = (0..100).map(|nth| nth * (edge(1) / 10 + 7)).collect();
        for (number, at) in (0..).zip(&made) {
            search.moved(merchant, number, None, Some(&marks(*at, None, None)));
        }
        for (from, to) in [(made[3], made[4]), (made[15], made[60]), (made[99], i64::MAX), (i64::MIN, made[1])] {
            let (created_from, created_to) = (Some(Millis(from)), Some(Millis(to)));
            let sought = Sought { created_from, created_to, at_most: 1_000, ..Sought::default() };
            let candidates = search.candidates(merchant, &sought);
            for (number, at) in (0..).zip(&made) {
                let is_candidate = candidates.contains(&number);
                assert!(is_candidate || *at < from || *at >= to, "{at} of {from}..{to}");
                let is_far = *at < from.saturating_sub(edge(1)) || *at >= to.saturating_add(edge(1));
                assert!(!(is_candidate && is_far), "{at} of {from}..{to}");
            }
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
