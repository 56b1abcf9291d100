//! The form in which e-mail addresses are compared.

use icu_normalizer::ComposingNormalizerBorrowed;
use std::borrow::Cow;

/// The form in which addresses are compared: Unicode NFC, lower case, without invisible characters and white space at the
/// ends, the domain in its ASCII form (IDNA, UTS 46) and without a trailing dot. A domain that has no ASCII form stays as
/// it is.
#[must_use]
pub fn compared(text: &str) -> Cow<'_, str> {
    let is_compared = |byte: u8| byte.is_ascii_graphic() && !byte.is_ascii_uppercase();
    if text.bytes().all(is_compared) && !text.ends_with('.') {
        return text.into();
    }
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let visible = visible.trim();
    // An address without visible characters is compared as written.
    let text = if visible.is_empty() { text.trim() } else { visible };
    const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
    // Lower case may take a composed character apart.
    let lower = NFC.normalize(&NFC.normalize(text).to_lowercase()).into_owned();
    let Some((local, domain)) = lower.rsplit_once('@') else { return lower.into() };
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    format!("{local}@{}", ascii.trim_end_matches('.')).into()
}

/// Whether a character is invisible: control characters, and those that Unicode lets renderers ignore
/// (`Default_Ignorable_Code_Point`).
fn is_invisible(c: char) -> bool {
    let is_white = matches!(c, '\t'..='\r' | '\u{85}');
    (c.is_control() && !is_white)
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_are_compared_in_their_visible_form() {
        for (text, want) in [
            ("alice@example.com", "alice@example.com"),
            ("Alice@Example.COM.", "alice@example.com"),
            ("  Alice@Example.COM\u{3000}", "alice@example.com"),
            ("alice@example.com..", "alice@example.com"),
            ("alice@example.com.\u{200b} ", "alice@example.com"),
            ("\u{feff}alice@example.com", "alice@example.com"),
            ("al\u{200b}ice@exa\u{ad}mple.com", "alice@example.com"),
            ("al\u{200d}ice\u{2060}@example.com\u{202c}", "alice@example.com"),
            ("\u{202e}alice@example.com", "alice@example.com"),
            ("alice\0@example.com", "alice@example.com"),
            ("jose\u{301}@example.com", "jos\u{e9}@example.com"),
            ("JOSE\u{301}@example.com", "jos\u{e9}@example.com"),
            ("user@bücher.example", "user@xn--bcher-kva.example"),
            ("user@BU\u{308}CHER.example.", "user@xn--bcher-kva.example"),
            ("user@XN--BCHER-KVA.example", "user@xn--bcher-kva.example"),
            ("user@bücher\u{3002}example\u{3002}", "user@xn--bcher-kva.example"),
            ("user@\u{ff45}xample.com", "user@example.com"),
            ("user@xn--a.example", "user@xn--a.example"),
            ("User@XN--A.example.", "user@xn--a.example"),
            // Turkish: the capital of a dotless i is I, whose small letter is i here, as in other languages.
            ("I@example.com", "i@example.com"),
            ("\u{131}@example.com", "\u{131}@example.com"),
            ("\u{130}@example.com", "i\u{307}@example.com"),
            ("i\u{307}@example.com", "i\u{307}@example.com"),
            ("STRASSE@example.com", "strasse@example.com"),
            ("\"a@b\"@Example.com", "\"a@b\"@example.com"),
            ("alice@[127.0.0.1]", "alice@[127.0.0.1]"),
            ("Not An Address.", "not an address."),
            ("Alice@", "alice@"),
            (" \u{200b} ", "\u{200b}"),
            ("  ", ""),
            ("", ""),
        ] {
            assert_eq!(compared(text), want, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(text in "\\PC{0,12}@?[a-zA-Zü.\u{ad}]{0,12}") {
            let form = compared(&text).into_owned();
            prop_assert_eq!(compared(&form), form.as_str());
        }
    }
}
