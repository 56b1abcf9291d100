//! The text of a file, with lines and columns of byte offsets.

use crate::domain::vocabulary::card_numbers::masked;
use std::ops::Range;

/// A range of bytes in the text of a file.
pub(in crate::config) type Span = Range<usize>;

/// The text of a file.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Source {
    /// The path, as the user named the folder.
    pub(in crate::config) path: String,
    /// The text; bytes that are not UTF-8 are replacement characters.
    pub(in crate::config) text: String,
}

impl Source {
    /// The line of a span, and the part of the span that is in it, cut to whole characters.
    pub(in crate::config) fn line_of(&self, span: &Span) -> Line<'_> {
        let start = self.char_start(span.start);
        let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let line_end = if self.text[line_start..line_end].ends_with('\r') { line_end - 1 } else { line_end };
        let start = start.min(line_end);
        let end = self.char_start(span.end).clamp(start, line_end);
        Line {
            number: self.text[..line_start].bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: self.text[line_start..start].chars().count() + 1,
            start: line_start,
            text: &self.text[line_start..line_end],
            within: start - line_start..end - line_start,
        }
    }

    /// The offset of the start of the character that contains it; at most the length of the text.
    fn char_start(&self, offset: usize) -> usize {
        self.text.floor_char_boundary(offset)
    }

    /// The text of a span.
    pub(in crate::config) fn slice(&self, span: &Span) -> &str {
        let start = self.char_start(span.start);
        &self.text[start..self.char_start(span.end).max(start)]
    }
}

/// One line of a file and a range in it.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::config) struct Line<'s> {
    /// The line number, counted from 1.
    pub(in crate::config) number: usize,
    /// The column of the start of the range in characters, counted from 1.
    pub(in crate::config) column: usize,
    /// The offset of the line in the file.
    pub(in crate::config) start: usize,
    /// The text without the line end.
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

/// Replaces the user and password of every URL, and the middle digits of every card number, with asterisks. The text keeps
/// its length, so that spans stay valid.
///
/// Problems are logged and pasted into tickets, which must not contain the password of `[redis]`.
pub(in crate::config) fn mask_secrets(text: &str) -> String {
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
    fn the_password_of_a_url_is_masked_and_the_length_stays() {
        for (text, want) in [
            ("url = \"redis://me:secret@host:1/0\" # x@y", "url = \"redis://*********@host:1/0\" # x@y"),
            ("url = \"redis://host:1\"", "url = \"redis://host:1\""),
            ("a = \"b@c\"", "a = \"b@c\""),
            ("redis://:p@ss@h", "redis://*****@h"),
            ("id = \"4111111111111111\" # x", "id = \"411111******1111\" # x"),
        ] {
            assert_eq!(mask_secrets(text), want);
        }
    }
}
