//! Words of a closed vocabulary, as written on the wire and in files.

/// A word of a closed vocabulary, as written on the wire and in files.
pub trait Word: Copy + Sized + 'static {
    /// All words with their meanings.
    const WORDS: &'static [(&'static str, Self)];

    /// The meaning of a word.
    #[must_use]
    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
    }
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant),+ }
        impl $crate::domain::vocabulary::words::Word for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),+];
        }
        impl $name {
            /// The word on the wire.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}
pub(crate) use words;
