//! The schema of a word of a closed vocabulary.

use crate::domain::vocabulary::words::Word;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, marker::PhantomData};

/// A word of a vocabulary as a text: the schema lists all words. It has no values.
#[derive(Debug)]
pub(crate) struct WordOf<W>(PhantomData<W>);

impl<W: Word> JsonSchema for WordOf<W> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        word_schema::<W>()
    }
}

/// The schema of a word.
pub(crate) fn word_schema<W: Word>() -> Schema {
    let words: Vec<&str> = W::WORDS.iter().map(|(word, _)| *word).collect();
    json_schema!({ "type": "string", "enum": words, "examples": [words.first()] })
}
