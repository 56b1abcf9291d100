//! Addresses with placeholders: where an operator's terminal shows a customer.

use crate::domain::vocabulary::words::{Word, words};
words! {
    /// A placeholder in braces.
    Placeholder {
        /// The merchant's id.
        Merchant = "merchant",
        /// The internal id.
        CustomerId = "customer_id",
        /// The merchant's identifier of the customer.
        MerchantCustomerIdentifier = "merchant_customer_identifier",
    }
}

/// A part of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplatePart<'t> {
    /// Literal text.
    Text(&'t str),
    /// A placeholder.
    Value(Placeholder),
    /// An unmatched brace or an unknown placeholder. A checked template contains none.
    Unknown(&'t str),
}

/// The parts of a template, in order.
#[must_use]
pub fn template_parts(template: &str) -> Vec<TemplatePart<'_>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            pieces.push(TemplatePart::Text(&rest[..at]));
        }
        // An unmatched brace is a part of one byte.
        let closed = rest[at..].find('}').filter(|&length| length > 0).map_or(at + 1, |length| at + length + 1);
        let braced = &rest[at..closed];
        let named = braced.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        pieces.push(named.and_then(Placeholder::parse).map_or(TemplatePart::Unknown(braced), TemplatePart::Value));
        rest = &rest[closed..];
    }
    if !rest.is_empty() {
        pieces.push(TemplatePart::Text(rest));
    }
    pieces
}

/// The address: every placeholder filled with its value, in which all but the unreserved characters of RFC 3986
/// (section 2.3) are percent-encoded, so that no value adds a part to the address. `None` where a value is missing.
#[must_use]
pub fn fill<'v>(template: &str, value: impl Fn(Placeholder) -> Option<&'v str>) -> Option<String> {
    let mut filled = String::with_capacity(template.len() + 32);
    for piece in template_parts(template) {
        match piece {
            TemplatePart::Text(text) | TemplatePart::Unknown(text) => filled.push_str(text),
            TemplatePart::Value(placeholder) => {
                encode(value(placeholder).filter(|text| !text.is_empty())?, &mut filled);
            }
        }
    }
    Some(filled)
}

fn encode(value: &str, filled: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            filled.push(char::from(byte));
        } else {
            let hex = |digit: u8| char::from(HEX[usize::from(digit)]);
            filled.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_encoded_and_nothing_else_is() {
        let value = |placeholder| match placeholder {
            Placeholder::Merchant => Some("acme"),
            Placeholder::CustomerId => Some("../a b?é"),
            Placeholder::MerchantCustomerIdentifier => None,
        };
        for (template, want) in [
            ("https://t/{merchant}/{customer_id}", Some("https://t/acme/..%2Fa%20b%3F%C3%A9")),
            ("https://t/{merchant_customer_identifier}", None),
            ("https://t/{customer}", Some("https://t/{customer}")),
            ("https://t/", Some("https://t/")),
        ] {
            assert_eq!(fill(template, value).as_deref(), want, "{template}");
        }
    }

    #[test]
    fn unknown_placeholders_and_unmatched_braces_are_reported() {
        let unknown = |template| -> Vec<String> {
            let of = |piece| match piece {
                TemplatePart::Unknown(text) => Some(str::to_owned(text)),
                _ => None,
            };
            template_parts(template).into_iter().filter_map(of).collect()
        };
        assert!(unknown("a{merchant}b{customer_id}").is_empty());
        assert_eq!(unknown("{a}{}x{merchant"), ["{a}", "{}", "{"]);
        assert_eq!(unknown("}{{merchant}é}"), ["}", "{{merchant}", "}"]);
    }
}
