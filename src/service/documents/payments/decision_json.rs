//! The answer to a payment as JSON, written field by field.
//!
//! The bytes are those of [`DecisionDocument`], as a property test holds. What is rare is left to serde: `codes` of a
//! denial, and the whole answer with `explain`.

use crate::{
    domain::rules::configuration::Rules,
    ledger::{CustomerId, PaymentAnswer},
    service::{
        documents::{
            json_text::JsonText,
            payments::{
                code::{CodeDocument, DeniedPayment},
                decision::{DecisionDocument, invalid_attribute_words, restrictions},
            },
        },
        reply::render,
    },
};
use smallvec::SmallVec;

/// The bytes for which an answer has room at first. Most answers are shorter.
pub(crate) const ANSWER_BYTES: usize = 768;

/// The answer to a reserve, a payment or a check as JSON.
pub(crate) fn decision_json(answer: &PaymentAnswer<'_>, rules: &Rules, in_stream: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(ANSWER_BYTES);
    append_decision_json(&mut out, answer, rules, in_stream);
    out
}

/// Appends [`decision_json`] to `out`.
pub(crate) fn append_decision_json(out: &mut Vec<u8>, answer: &PaymentAnswer<'_>, rules: &Rules, in_stream: bool) {
    let begin = out.len();
    let mut json = JsonText::after(std::mem::take(out));
    let is_written = answer.explanation.is_none() && write_decision(&mut json, answer, rules, in_stream).is_ok();
    *out = json.into_bytes();
    if !is_written {
        out.truncate(begin);
        // It also reports what cannot be written.
        out.extend_from_slice(&render(&DecisionDocument::of(answer, rules, in_stream)));
    }
}

fn write_decision(
    json: &mut JsonText,
    answer: &PaymentAnswer<'_>,
    rules: &Rules,
    in_stream: bool,
) -> serde_json::Result<()> {
    let first = answer.violations.first().map(|violation| violation.code);
    json.raw(if first.is_none() { r#"{"decision":"allow""# } else { r#"{"decision":"deny""# });
    json.raw(r#","transaction_id":"#);
    json.optional_string(Some(answer.transaction_id).filter(|id| !id.is_empty()))?;
    json.raw(r#","status":"#);
    json.string(answer.status.map_or("checked", |status| status.word()))?;
    match first {
        None => json.raw(r#","code":null,"reason":null,"codes":[]"#),
        Some(code) => {
            json.raw(r#","code":"#);
            json.number(u64::from(code.number()));
            json.raw(r#","reason":"#);
            json.string(code.reason())?;
            json.raw(r#","codes":"#);
            let payment = DeniedPayment::of_answer(answer, rules);
            let codes = answer.violations.iter().map(|violation| CodeDocument { violation, payment });
            json.document(&codes.collect::<SmallVec<[CodeDocument<'_>; 2]>>())?;
        }
    }
    json.raw(r#","customer":"#);
    write_customer(json, answer, rules)?;
    match answer.level {
        None => json.raw(r#","level":null"#),
        Some((name, source)) => {
            json.raw(r#","level":{"name":"#);
            json.optional_string(name.map(|name| name.as_str()))?;
            json.raw(r#","source":"#);
            json.string(source.word())?;
            json.raw("}");
        }
    }
    json.raw(r#","gates":"#);
    json.strings(answer.gates.iter().map(|gate| gate.as_str()))?;
    json.raw(r#","remaining":{"amount":"#);
    match answer.headroom.amount {
        None => json.raw("null"),
        Some(amount) => json.amount(amount, rules.currencies.units(answer.currency))?,
    }
    json.raw(r#","quantity":"#);
    match answer.headroom.quantity {
        None => json.raw("null"),
        Some(quantity) => json.number(quantity),
    }
    json.raw(r#","currency":"#);
    json.currency(answer.currency);
    json.raw(r#"},"expires_at":"#);
    match answer.expires_at {
        None => json.raw("null"),
        Some(at) => json.time(at)?,
    }
    if !answer.flags.is_empty() {
        json.raw(r#","flags":"#);
        json.strings(answer.flags.iter().map(|flag| flag.word()))?;
    }
    if !answer.warnings.is_empty() || !answer.invalid_attributes.is_empty() {
        let warnings = answer.warnings.iter().map(|name| name.as_str());
        json.raw(r#","warnings":"#);
        json.strings(warnings.chain(invalid_attribute_words(answer.invalid_attributes)))?;
    }
    json.raw(r#","config_version":"#);
    json.string(&rules.version)?;
    json.raw(r#","server_time":"#);
    json.time(answer.now)?;
    json.raw(if in_stream && answer.replay { r#","replay":true}"# } else { "}" });
    Ok(())
}

fn write_customer(json: &mut JsonText, answer: &PaymentAnswer<'_>, rules: &Rules) -> serde_json::Result<()> {
    let customer = &answer.customer;
    json.raw(r#"{"customer_id":"#);
    match &customer.customer_id {
        None => json.raw("null"),
        Some(CustomerId::Number(number)) => json.number_string(*number),
        Some(CustomerId::Sent(id)) => json.string(id)?,
    }
    json.raw(r#","merchant_customer_identifier":"#);
    json.optional_string(customer.identifier.as_deref())?;
    json.raw(r#","resolution":"#);
    json.string(customer.resolution.word())?;
    json.raw(r#","status":"#);
    json.optional_string(customer.status.map(|status| status.word()))?;
    if !customer.labels.is_empty() {
        json.raw(r#","labels":"#);
        json.strings(customer.labels.iter().map(|label| label.as_str()))?;
        let restrictions = restrictions(customer, rules);
        if !restrictions.is_empty() {
            json.raw(r#","restrictions":"#);
            json.strings(restrictions)?;
        }
    }
    json.raw("}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        domain::{
            customer::status::CustomerStatus,
            decision::{explanation::Explanation, gauge::Headroom},
            rules::{filter::FilterScope, labels::Restriction},
            transaction::{
                opening::{CustomerResolution, LevelSource},
                status::{Flag, Status},
                violation::{CustomerBlocks, LimitFigures, LimitOwner, Violation, ViolationDetail},
            },
            vocabulary::{
                attributes::AttributeSet, calendar::Window, denial_codes::DENIAL_CODES, money::Currency, names::Name,
                time::Millis, words::Word,
            },
        },
        ledger::CustomerView,
        storage::journal::Lsn,
    };
    use proptest::{collection::vec, option, prelude::*, sample::select};
    use std::{borrow::Cow, path::Path, sync::LazyLock};

    /// The rules of the example configuration: a label of `acme` has restrictions.
    static RULES: LazyLock<Rules> = LazyLock::new(|| {
        let loaded = config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"));
        loaded.unwrap_or_else(|_| panic!("the example configuration is valid")).rules
    });

    fn word<W: Word + Copy + std::fmt::Debug + 'static>() -> impl Strategy<Value = W> {
        select(W::WORDS).prop_map(|(_, value)| value)
    }

    /// Names with characters that JSON escapes, and without.
    fn name() -> impl Strategy<Value = Name> {
        select(vec!["gold", "a \"quoted\" name", "back\\slash", "für später", "vip", "on hold"])
            .prop_map(|text| Name::parse(text).unwrap())
    }

    fn time() -> impl Strategy<Value = Millis> {
        (Millis::MIN.0..=Millis::MAX.0).prop_map(Millis)
    }

    fn currency() -> impl Strategy<Value = Currency> {
        select(vec!["EUR", "JPY", "BHD", "CLF", "QQQ"]).prop_map(|code| Currency::parse(code).unwrap())
    }

    fn violation() -> impl Strategy<Value = Violation> {
        let limit = (word::<LimitOwner>(), word::<FilterScope>(), any::<u64>(), option::of(any::<u64>()), time())
            .prop_map(|(owner, scope, limit, used, end)| {
                let window = Window::Day;
                ViolationDetail::Limit(LimitFigures { owner, scope, limit, used, window, start: None, end })
            });
        let bound =
            (word::<LimitOwner>(), any::<u64>()).prop_map(|(owner, bound)| ViolationDetail::Bound { owner, bound });
        let label = option::of((name(), word::<Restriction>()));
        let block = (any::<bool>(), label).prop_map(|(fraud, label)| {
            ViolationDetail::Block(CustomerBlocks { fraud, label, ..CustomerBlocks::default() })
        });
        let detail = option::of(prop_oneof![limit, bound, block]);
        (select(DENIAL_CODES.to_vec()), option::of(name()), detail)
            .prop_map(|((code, _, _), filter, detail)| Violation { code, filter, pair: None, detail })
    }

    fn customer() -> impl Strategy<Value = CustomerView<'static>> {
        let id = prop_oneof![
            any::<u64>().prop_map(CustomerId::Number),
            any::<String>().prop_map(|id| CustomerId::Sent(Cow::Owned(id)))
        ];
        let known = (option::of(id), option::of(any::<String>().prop_map(Cow::Owned)));
        (known, word::<CustomerResolution>(), option::of(word::<CustomerStatus>()), vec(name(), 0..3)).prop_map(
            |((customer_id, identifier), resolution, status, labels)| CustomerView {
                customer_id,
                identifier,
                resolution,
                status,
                labels: labels.into_iter().collect(),
                merchant: Name::parse("acme").unwrap(),
            },
        )
    }

    proptest! {
        #[test]
        fn the_bytes_are_those_of_the_document(
            (transaction_id, instrument) in (any::<String>(), option::of(any::<String>())),
            status in option::of(word::<Status>()),
            violations in vec(violation(), 0..3),
            customer in customer(),
            level in option::of((option::of(name()), word::<LevelSource>())),
            (gates, warnings, flags) in (vec(name(), 0..4), vec(name(), 0..3), vec(word::<Flag>(), 0..3)),
            (amount, quantity, asked) in (option::of(any::<u64>()), option::of(any::<u64>()), any::<u64>()),
            (currency, now, expires_at) in (currency(), time(), option::of(time())),
            (invalid, replay, in_stream, is_explained) in (0_u32..8, any::<bool>(), any::<bool>(), any::<bool>()),
        ) {
            let answer = PaymentAnswer {
                transaction_id: &transaction_id,
                status,
                violations: violations.into_iter().collect(),
                customer,
                level,
                gates: gates.into_iter().collect(),
                headroom: Headroom { amount, quantity },
                currency,
                asked,
                project: Name::parse("web").unwrap(),
                instrument: instrument.as_deref(),
                expires_at,
                flags: flags.into_iter().collect(),
                warnings: warnings.into_iter().collect(),
                shadow_denials: SmallVec::new(),
                invalid_attributes: AttributeSet(invalid),
                explanation: is_explained.then(Box::<Explanation>::default),
                now,
                replay,
                depends_on_lsn: Lsn::NONE,
            };
            let direct = String::from_utf8(decision_json(&answer, &RULES, in_stream)).unwrap();
            prop_assert_eq!(direct, serde_json::to_string(&DecisionDocument::of(&answer, &RULES, in_stream)).unwrap());
        }
    }
}
