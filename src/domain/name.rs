//! Names: ids of merchants, projects, gates, levels, methods, filters.
//!
//! A name is written once and compared by address from then on. It knows nothing of what it names.

use parking_lot::Mutex;
use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt, hash,
    sync::LazyLock,
};

/// A map whose keys nobody outside can choose so that they meet: names, and what is made of them. Its hasher is seeded
/// and costs a tenth of the standard one's, which counts where every request looks into several.
pub type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
/// A set likewise.
pub type Set<K> = HashSet<K, foldhash::fast::RandomState>;

/// The most distinct names that a process holds; configuration and requests together stay far below it.
pub const NAMES_MAX: usize = 1_000_000;
/// The most bytes of one name.
pub const NAME_BYTES_MAX: usize = 128;

static NAMES: LazyLock<Mutex<HashMap<&'static str, Name>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// Each thread remembers the names that it has met, so that a request takes no lock to recognise one.
    static MET: RefCell<Map<&'static [u8], Name>> = RefCell::default();
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
    /// The process holds [`NAMES_MAX`] names already.
    #[error("the daemon holds {NAMES_MAX} names already")]
    TooMany,
}

impl Name {
    /// The name of this text; new texts are kept for the life of the process.
    ///
    /// # Errors
    /// Empty, over-long or unprintable texts, and new ones beyond [`NAMES_MAX`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        Self::parse_within(text, NAMES_MAX)
    }

    fn parse_within(text: &str, names_max: usize) -> Result<Self, NameError> {
        if let Some(name) = Self::met(text.as_bytes()) {
            return Ok(name);
        }
        let name = Self::parse_new(text, names_max)?;
        MET.with_borrow_mut(|met| met.insert(name.as_str().as_bytes(), name));
        Ok(name)
    }

    /// The name of these bytes, where this thread has parsed it before: that they are text need not be asked again.
    #[must_use]
    pub fn met(text: &[u8]) -> Option<Self> {
        MET.with_borrow(|met| met.get(text).copied())
    }

    fn parse_new(text: &str, names_max: usize) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        Self::intern(text, names_max)
    }

    /// As [`Name::parse`], for requests: they may fill half of the table, so that configurations always find room.
    ///
    /// # Errors
    /// As [`Name::parse`].
    pub fn parse_sent(text: &str) -> Result<Self, NameError> {
        Self::parse_within(text, NAMES_MAX / 2)
    }

    /// The name of a text that was a name before; `None`: nothing is called so.
    #[must_use]
    pub fn known(text: &str) -> Option<Self> {
        NAMES.lock().get(text).copied()
    }

    /// The name of a literal, which is kept whatever the number of names.
    pub(super) fn constant(text: &'static str) -> Self {
        let mut names = NAMES.lock();
        *names.entry(text).or_insert_with(|| Self(Box::leak(Box::new(Kept::new(text)))))
    }

    fn intern(text: &str, names_max: usize) -> Result<Self, NameError> {
        let mut names = NAMES.lock();
        if let Some(found) = names.get(text) {
            return Ok(*found);
        }
        if names.len() >= names_max {
            return Err(NameError::TooMany);
        }
        let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
        let name = Self(Box::leak(Box::new(Kept::new(kept))));
        names.insert(kept, name);
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
}
