//! E-mail addresses: their form, and the form in which they are compared.

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
    let lower = visible_lower_case(text);
    let Some((local, domain)) = lower.rsplit_once('@') else { return lower.into() };
    let ascii = idna::domain_to_ascii(domain).unwrap_or_else(|_| domain.to_owned());
    format!("{local}@{}", ascii.trim_end_matches('.')).into()
}

/// A text in Unicode NFC, lower case, without invisible characters and white space at the ends.
pub(in crate::domain) fn visible_lower_case(text: &str) -> String {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    let visible = visible.trim();
    // A text without visible characters is compared as written.
    let text = if visible.is_empty() { text.trim() } else { visible };
    const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();
    // Lower case may take a composed character apart.
    NFC.normalize(&NFC.normalize(text).to_lowercase()).into_owned()
}

/// The most bytes of the part before the `@`, and of the domain (RFC 5321).
const LOCAL_BYTES_MAX: usize = 64;
const DOMAIN_BYTES_MAX: usize = 253;
/// The most bytes of one label of a domain.
const LABEL_BYTES_MAX: usize = 63;

/// Whether a text is an e-mail address: a local part, an `@`, and a domain of two labels or more, or an address in
/// brackets. It is judged in the form in which it is compared. Letters of every script are allowed (RFC 6531).
#[must_use]
pub fn is_address(text: &str) -> bool {
    let form = compared(text);
    let Some((local, domain)) = form.rsplit_once('@') else { return false };
    is_local_part(local) && (is_domain(domain) || is_address_literal(domain))
}

/// A dot-separated text without empty pieces, or a text in quotation marks.
fn is_local_part(local: &str) -> bool {
    let is_quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let is_atom = |c: char| {
        c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_whitespace())
    };
    let is_atoms = || local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom));
    local.len() <= LOCAL_BYTES_MAX && (is_quoted || is_atoms())
}

/// Two labels or more. The last one is no number, so that four numbers are no domain.
fn is_domain(domain: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || (!c.is_ascii() && !c.is_whitespace());
    let is_label = |label: &str| {
        (1..=LABEL_BYTES_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(is_letter)
    };
    let Some((_, last)) = domain.rsplit_once('.') else { return false };
    domain.len() <= DOMAIN_BYTES_MAX
        && domain.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

/// An address of the internet protocol in brackets.
fn is_address_literal(domain: &str) -> bool {
    let inside = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inside.is_some_and(|address| {
        let address = address.strip_prefix("ipv6:").unwrap_or(address);
        address.parse::<core::net::IpAddr>().is_ok()
    })
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

    #[test]
    fn an_address_has_a_local_part_and_a_domain() {
        for (text, is_one) in [
            ("alice@example.com", true),
            (" Alice.B+tag@Example.COM. ", true),
            ("o'neil@example.co.uk", true),
            ("user@bücher.example", true),
            ("jos\u{e9}@example.com", true),
            ("\"a@b c\"@example.com", true),
            ("alice@[127.0.0.1]", true),
            ("alice@[IPv6:::1]", true),
            ("user@xn--a.example", true),
            ("al\u{200b}ice@example.com", true),
            ("alice", false),
            ("alice@", false),
            ("@example.com", false),
            ("alice@example", false),
            ("alice@example..com", false),
            ("alice@.example.com", false),
            (".alice@example.com", false),
            ("alice.@example.com", false),
            ("al..ice@example.com", false),
            ("alice@-example.com", false),
            ("alice@exa mple.com", false),
            ("alice smith@example.com", false),
            ("alice@example.com, bob@example.com", false),
            ("Alice <alice@example.com>", false),
            ("mailto:alice@example.com", false),
            ("alice@bob@example.com", false),
            ("alice@127.0.0.1", false),
            ("alice@[127.0.0]", false),
            ("alice@exam_ple.com", false),
            ("\"\"@example.com", false),
            ("n/a", false),
            ("", false),
        ] {
            assert_eq!(is_address(text), is_one, "{text:?}");
        }
        let long = "x".repeat(LOCAL_BYTES_MAX);
        assert!(is_address(&format!("{long}@example.com")) && !is_address(&format!("x{long}@example.com")));
        let label = "x".repeat(LABEL_BYTES_MAX);
        assert!(is_address(&format!("a@{label}.com")) && !is_address(&format!("a@x{label}.com")));
        assert!(!is_address(&format!("a@{label}.{label}.{label}.{label}.com")));
    }

    proptest! {
        #[test]
        fn the_form_of_a_form_is_itself(text in "\\PC{0,12}@?[a-zA-Zü.\u{ad}]{0,12}") {
            let form = compared(&text).into_owned();
            prop_assert_eq!(compared(&form), form.as_str());
        }
    }
}
