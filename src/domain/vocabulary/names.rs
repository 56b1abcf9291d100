//! Names: ids of merchants, projects, gates, levels, methods, filters.
//!
//! A name is written once and compared by address from then on. It knows nothing of what it names.

use crate::domain::rules::configuration::UNKNOWN_LEVEL;
use parking_lot::RwLock;
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt, hash,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A map whose keys nobody outside can choose so that they meet: names, and what is made of them. Its hasher is seeded
/// and costs a tenth of the standard one's, which counts where every request looks into several.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
/// A set likewise.
pub type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// The most distinct names that a process holds.
pub const NAMES_MAX: usize = 1_000_000;
/// The most names that requests may bring, over all merchants: the rest of the table is for configuration files.
pub const NAMES_SENT_MAX: usize = NAMES_MAX / 2;
/// The most new names that the requests of one merchant may bring from one start to the next.
pub const NAMES_OF_MERCHANT_MAX: usize = 10_000;
/// The most bytes of one name.
pub const NAME_BYTES_MAX: usize = 128;
/// The most names that one thread remembers; then it forgets them all and begins again.
const MET_MAX: usize = 16_384;

/// All names of the process.
#[derive(Default)]
struct Table {
    names: HashMap<&'static str, Name>,
    /// How many new names the requests of each merchant have brought.
    brought: HashMap<Name, usize>,
}

static NAMES: LazyLock<RwLock<Table>> = LazyLock::new(|| {
    let mut table = Table::default();
    // A text that the rules know by themselves is a name from the start, whoever asks for it first.
    for text in [UNKNOWN_LEVEL, UNRECORDED] {
        table.names.insert(text, Name(Box::leak(Box::new(Kept::new(text)))));
    }
    RwLock::new(table)
});
/// The text of [`Name::unrecorded`], which is the text of no name.
const UNRECORDED: &str = "\0unrecorded";
/// How often a new name found no room.
static REFUSED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// Each thread remembers names that it has met, so that a request takes no lock to recognise one.
    static MET: RefCell<Map<&'static [u8], Name>> = RefCell::default();
}

/// How many names the process holds, and how often a new one found no room since the start.
#[must_use]
pub fn figures() -> (usize, u64) {
    (NAMES.read().names.len(), REFUSED.load(Ordering::Relaxed))
}

/// How many new names may be kept.
#[derive(Clone, Copy)]
struct Bounds {
    /// In the whole table.
    names_max: usize,
    /// For one merchant.
    of_merchant_max: usize,
}

/// An interned text of 1 to [`NAME_BYTES_MAX`] bytes: eight bytes, compared and hashed by address.
///
/// Interning is invisible: equal texts are equal names, and no answer depends on an address.
#[derive(Clone, Copy)]
pub struct Name(&'static Kept);

/// The most bytes of a name that is copied in one piece; see [`Name::counted`].
const SHORT_BYTES_MAX: usize = 16;

struct Kept {
    text: &'static str,
    /// Its length in bytes and its first bytes.
    counted: [u8; 1 + SHORT_BYTES_MAX],
}

impl Kept {
    fn new(text: &'static str) -> Self {
        let mut counted = [0; 1 + SHORT_BYTES_MAX];
        counted[0] = u8::try_from(text.len()).unwrap_or(u8::MAX);
        counted[1..].iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
        Self { text, counted }
    }
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing is written.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`NAME_BYTES_MAX`].
    #[error("it is longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// It holds a control character.
    #[error("it holds a control character")]
    Control,
    /// The table of names is full.
    #[error(
        "the daemon holds as many names as it may (limits: {NAMES_MAX} in all, {NAMES_SENT_MAX} for requests to bring); \
         only names that it knows go on working"
    )]
    TooMany,
    /// The requests of a merchant have brought [`NAMES_OF_MERCHANT_MAX`] new names.
    #[error(
        "requests have brought {NAMES_OF_MERCHANT_MAX} new names for this merchant since the start, the limit for one \
         merchant; only names that the daemon knows go on working"
    )]
    TooManyOfMerchant,
}

impl NameError {
    /// Whether the text could be a name, but finds no room.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(self, Self::TooMany | Self::TooManyOfMerchant)
    }
}

impl Name {
    /// The name of this text; a new text is kept for the life of the process. For configuration files and for what is
    /// recorded already.
    ///
    /// # Errors
    /// Empty, over-long or unprintable texts, and new ones beyond [`NAMES_MAX`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_within(text, None, Bounds { names_max: NAMES_MAX, of_merchant_max: 0 })
    }

    /// As [`Name::parse`], for a text that is about to be recorded because a request of a merchant brings it.
    ///
    /// # Errors
    /// As [`Name::parse`], and new texts beyond [`NAMES_SENT_MAX`] and [`NAMES_OF_MERCHANT_MAX`].
    pub fn keep(merchant: Self, text: &str) -> Result<Self, NameError> {
        let bounds = Bounds { names_max: NAMES_SENT_MAX, of_merchant_max: NAMES_OF_MERCHANT_MAX };
        Self::parse_within(text, Some(merchant), bounds)
    }

    /// The name of a text that is only asked for: one that is known, or [`Name::unrecorded`]. Nothing is kept.
    ///
    /// # Errors
    /// Empty, over-long or unprintable texts.
    pub fn asked(text: &str) -> Result<Self, NameError> {
        if let Some(name) = Self::known(text) {
            return Ok(name);
        }
        has_the_form(text)?;
        Ok(Self::unrecorded())
    }

    /// The name that stands for every text that is no name yet. It equals no name of the rules, of a customer or of a
    /// record, is never recorded, and no text is parsed to it.
    #[must_use]
    pub fn unrecorded() -> Self {
        static NAME: LazyLock<Name> = LazyLock::new(|| Name::constant(UNRECORDED));
        *NAME
    }

    fn parse_within(text: &str, merchant: Option<Self>, bounds: Bounds) -> Result<Self, NameError> {
        if let Some(name) = Self::met(text.as_bytes()) {
            return Ok(name);
        }
        has_the_form(text)?;
        let name = Self::intern(text, merchant, bounds)?;
        name.is_met();
        Ok(name)
    }

    /// The name of these bytes, where this thread has parsed it before: that they are text need not be asked again.
    #[must_use]
    pub fn met(text: &[u8]) -> Option<Self> {
        MET.with_borrow(|met| met.get(text).copied())
    }

    /// From now on this thread recognises the name without a lock.
    fn is_met(self) {
        MET.with_borrow_mut(|met| {
            if met.len() >= MET_MAX {
                met.clear();
            }
            met.insert(self.as_str().as_bytes(), self);
        });
    }

    /// The name of a text that was a name before; `None`: nothing is called so.
    #[must_use]
    pub fn known(text: &str) -> Option<Self> {
        if let Some(name) = Self::met(text.as_bytes()) {
            return Some(name);
        }
        // The text of a constant may be none that anybody can send.
        let name = NAMES.read().names.get(text).copied().filter(|_| has_the_form(text).is_ok())?;
        name.is_met();
        Some(name)
    }

    /// The name of a literal, which is kept whatever the number of names. One that requests may send is in the table from
    /// the start.
    pub(in crate::domain) fn constant(text: &'static str) -> Self {
        let mut table = NAMES.write();
        *table.names.entry(text).or_insert_with(|| Self(Box::leak(Box::new(Kept::new(text)))))
    }

    fn intern(text: &str, merchant: Option<Self>, bounds: Bounds) -> Result<Self, NameError> {
        if let Some(found) = NAMES.read().names.get(text) {
            return Ok(*found);
        }
        let mut table = NAMES.write();
        if let Some(found) = table.names.get(text) {
            return Ok(*found);
        }
        let refused = |error| {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            Err(error)
        };
        if table.names.len() >= bounds.names_max {
            return refused(NameError::TooMany);
        }
        if let Some(merchant) = merchant {
            let brought = table.brought.entry(merchant).or_default();
            if *brought >= bounds.of_merchant_max {
                return refused(NameError::TooManyOfMerchant);
            }
            *brought += 1;
        }
        let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let name = Self(Box::leak(Box::new(Kept::new(kept))));
        table.names.insert(kept, name);
        Ok(name)
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.text
    }

    /// The length of a short name in bytes and the name itself, and how many bytes that is; behind them stand zeroes. A
    /// copy of always so many bytes costs a few instructions. `None`: the name is longer than 16 bytes.
    #[must_use]
    pub fn counted(self) -> Option<(&'static [u8; 1 + SHORT_BYTES_MAX], usize)> {
        let len = usize::from(self.0.counted[0]);
        (len <= SHORT_BYTES_MAX).then_some((&self.0.counted, 1 + len))
    }
}

/// Whether a text may be a name.
fn has_the_form(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(NameError::Control);
    }
    Ok(())
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for Name {}
impl hash::Hash for Name {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).hash(state);
    }
}
impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Name {
    /// By text, never by address: an order that is the same in every process.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        if self == other { std::cmp::Ordering::Equal } else { self.as_str().cmp(other.as_str()) }
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_one_name_and_bad_ones_are_none() {
        let (a, b) = (Name::parse("gold").unwrap(), Name::parse(&String::from("gold")).unwrap());
        assert_eq!(a, b);
        assert_ne!(a, Name::parse("Gold").unwrap());
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse(&"x".repeat(129)), Err(NameError::TooLong));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Control));
    }

    #[test]
    fn the_level_unknown_is_a_name_from_the_start() {
        // Looked up before anything else makes it one.
        let asked = Name::asked(UNKNOWN_LEVEL).unwrap();
        assert_eq!(asked.as_str(), UNKNOWN_LEVEL);
        assert_eq!(asked, crate::domain::decision::level_choice::unknown());
    }

    #[test]
    fn what_is_only_asked_is_not_kept() {
        let text = "a name that is only asked for";
        assert_eq!(Name::asked(text), Ok(Name::unrecorded()));
        assert_eq!(Name::known(text), None);
        assert_eq!(Name::asked("a\nb"), Err(NameError::Control));
        let kept = Name::parse(text).unwrap();
        assert_eq!(Name::asked(text), Ok(kept));
        // The name of what is unrecorded is no text that anybody can send.
        assert_eq!(Name::known(Name::unrecorded().as_str()), None);
        assert_eq!(Name::asked(Name::unrecorded().as_str()), Err(NameError::Control));
        assert_eq!(Name::parse(Name::unrecorded().as_str()), Err(NameError::Control));
    }

    #[test]
    fn one_merchant_fills_its_own_share_and_what_is_known_goes_on_working() {
        let (one, other) = (Name::parse("merchant one").unwrap(), Name::parse("merchant other").unwrap());
        let bounds = Bounds { names_max: NAMES_SENT_MAX, of_merchant_max: 3 };
        let keep = |merchant, n: usize| Name::parse_within(&format!("brought {n}"), Some(merchant), bounds);
        let refused = || REFUSED.load(Ordering::Relaxed);
        for n in 0..3 {
            keep(one, n).unwrap();
        }
        let before = refused();
        assert_eq!(keep(one, 3), Err(NameError::TooManyOfMerchant));
        assert!(refused() > before, "it is counted");
        assert_eq!(keep(one, 2), Ok(Name::known("brought 2").unwrap()), "a known one");
        keep(other, 4).unwrap();
        assert_eq!(keep(one, 4), Ok(Name::known("brought 4").unwrap()), "one that another merchant brought");
        Name::parse("brought by a file").unwrap();
        let full = Bounds { names_max: 0, of_merchant_max: 3 };
        assert_eq!(Name::parse_within("brought 5", Some(other), full), Err(NameError::TooMany));
    }

    #[test]
    fn what_a_thread_remembers_is_bounded() {
        for n in 0..MET_MAX + 10 {
            Name::parse(&format!("remembered {n}")).unwrap();
            assert!(MET.with_borrow(|met| met.len() <= MET_MAX));
        }
        assert_eq!(Name::met(b"remembered 0"), None);
        assert_eq!(Name::parse("remembered 0").unwrap(), Name::known("remembered 0").unwrap());
    }
}
