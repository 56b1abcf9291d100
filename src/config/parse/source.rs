//! One file as it was read: its text, and where in it an offset lies.

use crate::domain::vocabulary::card_numbers::masked;
use std::ops::Range;

/// A range of bytes of a file's text.
pub(in crate::config) type Span = Range<usize>;

/// The text of one file, named as the user named the folder.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Source {
    /// The path under the folder as it was typed.
    pub(in crate::config) path: String,
    /// The text; what is no UTF-8 stands as replacement characters.
    pub(in crate::config) text: String,
}

impl Source {
    /// The span, cut to whole characters of one line: what can be underlined.
    pub(in crate::config) fn line_of(&self, span: &Span) -> Line<'_> {
        let start = self.boundary(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line_end = if self.text[line_start..line_end].ends_with('\r') { line_end - 1 } else { line_end };
        let start = start.min(line_end);
        let end = self.boundary(span.end).clamp(start, line_end);
        Line {
            number: self.text[..line_start].bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            start: line_start,
            text: &self.text[line_start..line_end],
            within: start - line_start..end - line_start,
        }
    }

    /// The offset, moved back to the start of its character and into the text.
    fn boundary(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }

    /// What stands at the span.
    pub(in crate::config) fn slice(&self, span: &Span) -> &str {
        let start = self.boundary(span.start);
        &self.text[start..self.boundary(span.end).max(start)]
    }
}

/// One line of a file and a range in it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Line<'s> {
    /// Counted from 1.
    pub(in crate::config) number: usize,
    /// Of the start of the range, in characters, counted from 1.
    pub(in crate::config) column: usize,
    /// The offset of the line in the file.
    pub(in crate::config) start: usize,
    /// Without its end.
    pub(in crate::config) text: &'s str,
    /// The range, as offsets in the line.
    pub(in crate::config) within: Range<usize>,
}

impl Line<'_> {
    /// The range, as offsets in the file.
    pub(in crate::config) fn span(&self) -> Span {
        self.start + self.within.start..self.start + self.within.end
    }
}

/// The text with the user and password of every URL, and the middle of every card number, covered by asterisks, byte for
/// byte, so that spans stay true.
///
/// Problems are logged and pasted into tickets; a password of the `[redis]` section must not travel with them.
pub(in crate::config) fn covered(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let authority = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'')).unwrap_or(after.len());
        let secret = after[..authority].rfind('@').unwrap_or(0);
        shown.extend(std::iter::repeat_n('*', secret));
        rest = &after[secret..];
    }
    shown.push_str(rest);
    masked(&shown).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_cut_to_one_line_and_whole_characters() {
        let source = Source { path: "a".into(), text: "é = 1\r\nzwei = \"ü\"\nend".into() };
        let line = source.line_of(&(1..3));
        assert_eq!((line.number, line.column, line.text, line.within), (1, 1, "é = 1", 0..3));
        let line = source.line_of(&(15..60));
        assert_eq!((line.number, line.column, line.text, line.within), (2, 8, "zwei = \"ü\"", 7..11));
        let line = source.line_of(&(999..1000));
        assert_eq!((line.number, line.column, line.text, line.within), (3, 4, "end", 3..3));
        assert_eq!(source.slice(&(8..12)), "zwei");
    }

    #[test]
    fn the_password_of_a_url_is_covered_and_nothing_moves() {
        for (text, want) in [
            ("url = \"redis://me:secret@host:1/0\" # x@y", "url = \"redis://*********@host:1/0\" # x@y"),
            ("url = \"redis://host:1\"", "url = \"redis://host:1\""),
            ("a = \"b@c\"", "a = \"b@c\""),
            ("redis://:p@ss@h", "redis://*****@h"),
            ("id = \"4111111111111111\" # x", "id = \"411111******1111\" # x"),
        ] {
            assert_eq!(covered(text), want);
        }
    }
}
