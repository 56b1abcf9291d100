//! A level gets another name, with everything that is known under the old one: stored names, usage, settings, and the
//! transactions that lie in the journal under it.
//!
//! It is one record, which every customer of the merchant applies, so that all are renamed or none. It happens while
//! nobody is inside: operations on payments enter through a [`Gate`] before they look at the rules, and rules and
//! customers change together while it is closed. So no payment is decided by rules that know one name for a customer
//! whose usage lies under another. The pause is one pass over the customers in memory.

use crate::ledger::{FIRST_CUSTOMER, Ledger};
use crate::{
    domain::{
        events::global_event::GlobalEvent, rules::configuration::Direction, transaction::record::LogOffset,
        vocabulary::names::Name,
    },
    storage::journal::{CachePadded, Lsn},
};
use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::{
    cell::Cell,
    sync::atomic::{AtomicUsize, Ordering},
};

/// How many doors a gate has: threads share one seldom, and never its cache line with another's.
const DOORS: usize = 64;

/// What is open to all, until somebody waits for all to leave.
pub(crate) struct Gate(Box<[CachePadded<RwLock<()>>]>);

impl Default for Gate {
    fn default() -> Self {
        Self((0..DOORS).map(|_| CachePadded::default()).collect())
    }
}

/// Whoever is inside.
pub struct Inside<'a> {
    _door: RwLockReadGuard<'a, ()>,
}

impl Gate {
    fn enter(&self) -> Inside<'_> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static DOOR: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % DOORS));
        Inside { _door: self.0[DOOR.get()].read() }
    }

    pub(in crate::ledger) fn close(&self) -> Vec<RwLockWriteGuard<'_, ()>> {
        self.0.iter().map(|door| door.write()).collect()
    }
}

/// A level's name that has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Renamed {
    pub(crate) merchant: Name,
    pub(crate) direction: Direction,
    pub(crate) from: Name,
    pub(crate) to: Name,
    /// Where the record lies: what lies before it knows the old name.
    pub(crate) place: LogOffset,
}

/// All of them, in the order of their records.
#[derive(Default)]
pub(crate) struct Renames {
    all: RwLock<Vec<Renamed>>,
    /// How many, for whoever need not look.
    len: AtomicUsize,
}

impl Renames {
    /// Takes one; one that is known already is passed over.
    pub(crate) fn add(&self, renamed: Renamed) {
        let mut all = self.all.write();
        if let Err(spot) = all.binary_search_by_key(&renamed.place, |known| known.place) {
            all.insert(spot, renamed);
        }
        self.len.store(all.len(), Ordering::Release);
    }

    pub(crate) fn all(&self) -> Vec<Renamed> {
        self.all.read().clone()
    }

    /// What a level is called now that was called so in a record at this place.
    pub(crate) fn now(&self, merchant: Name, direction: Direction, place: LogOffset, name: Name) -> Name {
        if self.len.load(Ordering::Acquire) == 0 {
            return name;
        }
        let all = self.all.read();
        let since = all.iter().skip(all.partition_point(|renamed| renamed.place <= place));
        let of_it = since.filter(|renamed| (renamed.merchant, renamed.direction) == (merchant, direction));
        of_it.fold(name, |name, renamed| if renamed.from == name { renamed.to } else { name })
    }

    /// Those of a merchant whose records lie behind one place and before another.
    pub(crate) fn between(&self, merchant: Name, from: LogOffset, to: LogOffset) -> Vec<Renamed> {
        let is_there = |renamed: &&Renamed| renamed.merchant == merchant && (from..to).contains(&renamed.place);
        self.all.read().iter().filter(is_there).copied().collect()
    }

    pub(crate) fn knows(&self, merchant: Name, direction: Direction, from: Name) -> bool {
        let is_it =
            |renamed: &Renamed| (renamed.merchant, renamed.direction, renamed.from) == (merchant, direction, from);
        self.len.load(Ordering::Acquire) > 0 && self.all.read().iter().any(is_it)
    }
}

impl Ledger {
    /// Lets an operation in: the rules that it looks at from here on, and the customers, know levels by the same names
    /// until it leaves. Whoever looks for a transaction under the stripe of its id is inside. Nobody enters twice.
    #[must_use]
    pub fn enter(&self) -> Inside<'_> {
        self.made_levels.gate.enter()
    }

    /// Renames a level with all that is known under its name. `besides` is what else is said in the same step; `swap` puts
    /// the rules in force that know the new name. Returns how many customers had anything under the old one, and the
    /// record that it rests on.
    ///
    /// Nobody is decided for meanwhile; it takes one pass over the customers, after a snapshot that is being taken.
    pub fn rename(&self, renamed: &GlobalEvent, besides: &[GlobalEvent], swap: &mut dyn FnMut()) -> (usize, Lsn) {
        let GlobalEvent::LevelRenamed { merchant, direction, from, to, .. } = *renamed else {
            return (0, self.say(besides));
        };
        let _no_snapshot = self.made_levels.keeping.lock();
        let _closed = self.made_levels.gate.close();
        let mut shards: Vec<_> =
            (0..crate::ledger::state::shards::SHARDS).map(|place| self.customers.shard(place)).collect();
        let appended = self.made_levels.say_renamed(renamed, besides, &self.journal);
        let place = appended.place;
        self.made_levels.renames.add(Renamed { merchant, direction, from, to, place });
        let mut reached = 0;
        for customer in shards.iter_mut().flat_map(|shard| shard.values_mut()) {
            let is_it = customer.number() >= FIRST_CUSTOMER && customer.merchant == merchant;
            if is_it && customer.knows_level(direction, from) {
                let before = self.found_by(customer);
                customer.rename_level(direction, from, to);
                customer.applied = customer.applied.max(appended.lsn.0);
                self.now_found_by(customer, before.as_ref());
                reached += 1;
            }
        }
        swap();
        drop(shards);
        // What lies in the stripes was read under the old name. Stripes come before customers, so this comes behind them,
        // and nobody is inside yet who would look there.
        self.id_stripes.each(|stripe| stripe.held = None);
        (reached, appended.lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_followed_through_the_renames_behind_its_record() {
        let name = |text| Name::parse(text).unwrap();
        let renames = Renames::default();
        let add = |from, to, place| {
            let (merchant, direction) = (name("m"), Direction::Deposit);
            renames.add(Renamed { merchant, direction, from: name(from), to: name(to), place: LogOffset(place) });
        };
        let now = |place, text| renames.now(name("m"), Direction::Deposit, LogOffset(place), name(text)).as_str();
        assert_eq!(now(0, "a"), "a");
        add("b", "c", 20);
        add("a", "b", 10);
        add("a", "b", 10);
        add("c", "a", 30);
        assert_eq!(renames.all().len(), 3);
        assert_eq!((now(5, "a"), now(10, "a"), now(15, "b"), now(25, "c"), now(30, "c")), ("a", "a", "a", "a", "c"));
        assert_eq!(now(15, "a"), "a", "one that came later under the old name");
        assert_eq!(renames.now(name("m"), Direction::Withdrawal, LogOffset(5), name("b")), name("b"));
        assert_eq!(renames.now(name("other"), Direction::Deposit, LogOffset(5), name("b")), name("b"));
        assert!(
            renames.knows(name("m"), Direction::Deposit, name("a"))
                && !renames.knows(name("m"), Direction::Deposit, name("z"))
        );
        assert_eq!(renames.between(name("m"), LogOffset(10), LogOffset(30)).len(), 2);
    }
}
