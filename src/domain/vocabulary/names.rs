//! Names: ids of merchants, projects, gates, levels, methods, filters.
//!
//! A name is interned: stored once and compared by address.

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

/// The name of the level that always exists.
pub const UNKNOWN_LEVEL: &str = "unknown";

/// A map with a fast seeded hasher, for keys that callers cannot choose to collide: names, and values made of them. The
/// hasher costs a tenth of the standard one, and each request reads several maps.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// A set with the same hasher.
pub type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// The most distinct names that a process holds.
pub const NAMES_MAX: usize = 1_000_000;

/// The most names that requests of all merchants may add: the rest of the table is for configuration files.
pub const NAMES_SENT_MAX: usize = NAMES_MAX / 2;

/// The most new names that the requests of one merchant may add between two starts.
pub const NAMES_OF_MERCHANT_MAX: usize = 10_000;

/// The most bytes of one name.
pub const NAME_BYTES_MAX: usize = 128;

/// The most names in the cache of one thread; a full cache is cleared.
const CACHED_MAX: usize = 16_384;

/// All names of the process.
#[derive(Default)]
struct Table {
    names: HashMap<&'static str, Name>,
    /// The number of new names that the requests of each merchant have added.
    added: HashMap<Name, usize>,
}

static NAMES: LazyLock<RwLock<Table>> = LazyLock::new(|| {
    let mut table = Table::default();
    // Texts that the rules use themselves are names from the start, so that a lookup finds them.
    for text in [UNKNOWN_LEVEL, UNRECORDED] {
        let number = table.names.len();
        table.names.insert(text, Name(Box::leak(Box::new(InternedText::new(text, number)))));
    }
    RwLock::new(table)
});

/// The text of [`Name::unrecorded`]. No name can have it.
const UNRECORDED: &str = "\0unrecorded";

/// How often a new name was refused.
static REFUSED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The names that this thread has looked up, so that a lookup takes no lock.
    static CACHED: RefCell<Map<&'static [u8], Name>> = RefCell::default();
}

/// How many names the process holds, and how often a new one found no room since the start.
#[must_use]
pub fn statistics() -> (usize, u64) {
    (NAMES.read().names.len(), REFUSED.load(Ordering::Relaxed))
}

/// Bounds of the table for new names.
#[derive(Clone, Copy)]
struct Bounds {
    /// In the whole table.
    names_max: usize,
    /// For one merchant.
    of_merchant_max: usize,
}

/// An interned text of 1 to [`NAME_BYTES_MAX`] bytes: eight bytes, compared and hashed by address.
///
/// Equal texts are equal names, and no answer depends on an address.
#[derive(Clone, Copy)]
pub struct Name(&'static InternedText);

/// The most bytes of a name that is copied in one piece; see [`Name::length_prefixed`].
const SHORT_BYTES_MAX: usize = 16;

struct InternedText {
    text: &'static str,
    /// See [`Name::number`].
    number: usize,
    /// The length in bytes, and the first bytes.
    length_prefixed: [u8; 1 + SHORT_BYTES_MAX],
}

impl InternedText {
    fn new(text: &'static str, number: usize) -> Self {
        let mut length_prefixed = [0; 1 + SHORT_BYTES_MAX];
        length_prefixed[0] = u8::try_from(text.len()).unwrap_or(u8::MAX);
        length_prefixed[1..].iter_mut().zip(text.as_bytes()).for_each(|(to, from)| *to = *from);
        Self { text, number, length_prefixed }
    }
}

/// Why a text is not a valid name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("it is empty")]
    Empty,
    /// It is longer than [`NAME_BYTES_MAX`].
    #[error("it is longer than {NAME_BYTES_MAX} bytes")]
    TooLong,
    /// It contains a control character.
    #[error("it holds a control character")]
    Control,
    /// The table of names is full.
    #[error(
        "the name table is full (limits: {NAMES_MAX} in all, {NAMES_SENT_MAX} from requests); only known names are accepted"
    )]
    TooMany,
    /// The requests of a merchant have added [`NAMES_OF_MERCHANT_MAX`] new names.
    #[error(
        "requests have added {NAMES_OF_MERCHANT_MAX} new names for this merchant since the start, the limit for one \
         merchant; only known names are accepted"
    )]
    TooManyOfMerchant,
}

impl NameError {
    /// Whether the text is valid but the table is full.
    #[must_use]
    pub fn is_full(self) -> bool {
        matches!(self, Self::TooMany | Self::TooManyOfMerchant)
    }
}

impl Name {
    /// The name of this text; a new text is interned for the life of the process. For configuration files and recorded
    /// texts.
    ///
    /// # Errors
    /// Empty, over-long or unprintable texts, and new ones beyond [`NAMES_MAX`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_within(text, None, Bounds { names_max: NAMES_MAX, of_merchant_max: 0 })
    }

    /// As [`Name::parse`], for a text of a merchant's request that is about to be recorded.
    ///
    /// # Errors
    /// As [`Name::parse`], and new texts beyond [`NAMES_SENT_MAX`] and [`NAMES_OF_MERCHANT_MAX`].
    pub fn intern_for(merchant: Self, text: &str) -> Result<Self, NameError> {
        let bounds = Bounds { names_max: NAMES_SENT_MAX, of_merchant_max: NAMES_OF_MERCHANT_MAX };
        Self::parse_within(text, Some(merchant), bounds)
    }

    /// Looks a text up without interning it: the existing name, or [`Name::unrecorded`].
    ///
    /// # Errors
    /// Empty, over-long or unprintable texts.
    pub fn look_up(text: &str) -> Result<Self, NameError> {
        if let Some(name) = Self::existing(text) {
            return Ok(name);
        }
        check_form(text)?;
        Ok(Self::unrecorded())
    }

    /// The placeholder for every text that is not interned. It equals no name of the rules, of a customer or of a record,
    /// is never recorded, and no text is parsed to it.
    #[must_use]
    pub fn unrecorded() -> Self {
        static NAME: LazyLock<Name> = LazyLock::new(|| Name::constant(UNRECORDED));
        *NAME
    }

    fn parse_within(text: &str, merchant: Option<Self>, bounds: Bounds) -> Result<Self, NameError> {
        if let Some(name) = Self::cached(text.as_bytes()) {
            return Ok(name);
        }
        check_form(text)?;
        let name = Self::intern(text, merchant, bounds)?;
        name.add_to_cache();
        Ok(name)
    }

    /// The name of these bytes from the cache of this thread, without a check that they are text.
    #[must_use]
    pub fn cached(text: &[u8]) -> Option<Self> {
        CACHED.with_borrow(|met| met.get(text).copied())
    }

    /// Adds the name to the cache of this thread.
    fn add_to_cache(self) {
        CACHED.with_borrow_mut(|met| {
            if met.len() >= CACHED_MAX {
                met.clear();
            }
            met.insert(self.as_str().as_bytes(), self);
        });
    }

    /// The name of a text that is interned already; `None`: it is not.
    #[must_use]
    pub fn existing(text: &str) -> Option<Self> {
        if let Some(name) = Self::cached(text.as_bytes()) {
            return Some(name);
        }
        // The text of a constant may be one that cannot be sent.
        let name = NAMES.read().names.get(text).copied().filter(|_| check_form(text).is_ok())?;
        name.add_to_cache();
        Some(name)
    }

    /// The name of a literal, interned regardless of the bounds. A literal that requests may send is in the table from the
    /// start.
    pub(in crate::domain) fn constant(text: &'static str) -> Self {
        let mut table = NAMES.write();
        let number = table.names.len();
        *table.names.entry(text).or_insert_with(|| Self(Box::leak(Box::new(InternedText::new(text, number)))))
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
            let added = table.added.entry(merchant).or_default();
            if *added >= bounds.of_merchant_max {
                return refused(NameError::TooManyOfMerchant);
            }
            *added += 1;
        }
        let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let number = table.names.len();
        let name = Self(Box::leak(Box::new(InternedText::new(kept, number))));
        table.names.insert(kept, name);
        Ok(name)
    }

    /// The text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.text
    }

    /// The number of the name in this process: distinct, below the number of names, and different after each start. An
    /// index for what is in memory; it is never recorded and never shown.
    #[must_use]
    pub fn number(self) -> usize {
        self.0.number
    }

    /// A short name as its length in bytes and its text, padded with zeroes, and the number of bytes without the padding.
    /// A copy of constant length costs a few instructions. `None`: the name is longer than 16 bytes.
    #[must_use]
    pub fn length_prefixed(self) -> Option<(&'static [u8; 1 + SHORT_BYTES_MAX], usize)> {
        let len = usize::from(self.0.length_prefixed[0]);
        (len <= SHORT_BYTES_MAX).then_some((&self.0.length_prefixed, 1 + len))
    }
}

/// Checks that a text may be a name.
fn check_form(text: &str) -> Result<(), NameError> {
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
    /// By text, not by address, so that the order is the same in every process.
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
    fn equal_texts_are_one_name_and_invalid_ones_are_refused() {
        let (a, b) = (Name::parse("gold").unwrap(), Name::parse(&String::from("gold")).unwrap());
        assert_eq!(a, b);
        assert_ne!(a, Name::parse("Gold").unwrap());
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse(&"x".repeat(129)), Err(NameError::TooLong));
        assert_eq!(Name::parse("a\nb"), Err(NameError::Control));
    }

    #[test]
    fn the_level_unknown_is_a_name_from_the_start() {
        // Looked up before another test interns it.
        let asked = Name::look_up(UNKNOWN_LEVEL).unwrap();
        assert_eq!(asked.as_str(), UNKNOWN_LEVEL);
        assert_eq!(asked, crate::domain::decision::level_choice::unknown_level());
    }

    #[test]
    fn a_lookup_interns_nothing() {
        let text = "a name that is only looked up";
        assert_eq!(Name::look_up(text), Ok(Name::unrecorded()));
        assert_eq!(Name::existing(text), None);
        assert_eq!(Name::look_up("a\nb"), Err(NameError::Control));
        let kept = Name::parse(text).unwrap();
        assert_eq!(Name::look_up(text), Ok(kept));
        // The placeholder is no text that can be sent.
        assert_eq!(Name::existing(Name::unrecorded().as_str()), None);
        assert_eq!(Name::look_up(Name::unrecorded().as_str()), Err(NameError::Control));
        assert_eq!(Name::parse(Name::unrecorded().as_str()), Err(NameError::Control));
    }

    #[test]
    fn one_merchant_fills_its_own_share_and_known_names_are_accepted() {
        let (one, other) = (Name::parse("merchant one").unwrap(), Name::parse("merchant other").unwrap());
        let bounds = Bounds { names_max: NAMES_SENT_MAX, of_merchant_max: 3 };
        let keep = |merchant, n: usize| Name::parse_within(&format!("added {n}"), Some(merchant), bounds);
        let refused = || REFUSED.load(Ordering::Relaxed);
        for n in 0..3 {
            keep(one, n).unwrap();
        }
        let before = refused();
        assert_eq!(keep(one, 3), Err(NameError::TooManyOfMerchant));
        assert!(refused() > before, "it is counted");
        assert_eq!(keep(one, 2), Ok(Name::existing("added 2").unwrap()), "a known one");
        keep(other, 4).unwrap();
        assert_eq!(keep(one, 4), Ok(Name::existing("added 4").unwrap()), "one that another merchant added");
        Name::parse("added by a file").unwrap();
        let full = Bounds { names_max: 0, of_merchant_max: 3 };
        assert_eq!(Name::parse_within("added 5", Some(other), full), Err(NameError::TooMany));
    }

    #[test]
    fn the_cache_of_a_thread_is_bounded() {
        for n in 0..CACHED_MAX + 10 {
            Name::parse(&format!("remembered {n}")).unwrap();
            assert!(CACHED.with_borrow(|met| met.len() <= CACHED_MAX));
        }
        assert_eq!(Name::cached(b"remembered 0"), None);
        assert_eq!(Name::parse("remembered 0").unwrap(), Name::existing("remembered 0").unwrap());
    }
}
