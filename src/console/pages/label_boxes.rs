//! The choice of a merchant's labels.

use crate::{
    console::document::spaced,
    domain::rules::{
        labels::{Label, LabelKind},
        merchant::Merchant,
    },
};
use maud::{Markup, html};

/// The effects of a label in words: its kind, if it is not the usual one, and its restrictions.
fn effects(merchant: &Merchant, label: &Label) -> String {
    if label.kind == LabelKind::Deleted {
        return "blocks everything".to_owned();
    }
    let kind = Some(label.kind.word()).filter(|_| label.kind != LabelKind::Active);
    let all = kind.into_iter().chain(merchant.restrictions(&[label.name])).map(spaced);
    all.collect::<Vec<_>>().join(", ")
}

/// A box for each label of the merchant, with what the label does.
pub(super) fn label_boxes(merchant: &Merchant, field: &str, chosen: &[&str]) -> Markup {
    html! {
        @for label in &merchant.labels {
            @let (name, effects) = (label.name.as_str(), effects(merchant, label));
            label class="check" {
                input type="checkbox" name=(field) value=(name) checked[chosen.contains(&name)];
                " " (name) @if !effects.is_empty() { " " span class="quiet" { "(" (effects) ")" } }
            }
        }
    }
}
