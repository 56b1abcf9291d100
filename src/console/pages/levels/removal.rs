//! Renames, resets and deletes a level, and deletes all levels of a currency.

use crate::{
    console::{
        page_request::{PageRequest, Paged},
        pages::levels::{level_page::LevelPage, preview::LevelWrite},
        parts::text_field,
    },
    domain::{
        request::{fields::intern_name, refusal::Refusal},
        rules::level::LevelKey,
        vocabulary::names::UNKNOWN_LEVEL,
    },
    service::{configuration::change::ConfigurationAction, error::ServiceError},
};
use maud::{Markup, html};

fn rename_form(shown: &LevelPage<'_>, name: &str) -> Markup {
    html! {
        form method="post" class="card narrow" {
            p { "The level gets the new name in all currencies of " (shown.key.direction.word()) "s. Customers, counters and \
                 individual settings keep it." }
            (text_field("to", "New name", name, shown.key.name.as_str()))
            p class="actions" { button name="step" value="preview" { "Show what changes" } " " a href=(shown.to(&[])) { "Cancel" } }
        }
    }
}

/// `GET .../levels/{direction}/{currency}/{level}/rename`
pub(in crate::console) fn show_rename(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    Ok(shown.write("Rename", "Rename the level", "").page(rename_form(&shown, "")))
}

/// `POST .../levels/{direction}/{currency}/{level}/rename`: previews the rename, or makes it.
pub(in crate::console) fn rename(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let form = rename_form(&shown, request.field("to"));
    let write = LevelWrite { done: shown.list(), ..shown.write("Rename", "Rename the level", "") };
    let sent = Some(request.field("to")).filter(|sent| !sent.is_empty()).ok_or(Refusal::Missing("to"));
    let to = match sent.and_then(|sent| intern_name("to", shown.key.merchant, sent)) {
        Ok(to) => to,
        Err(refusal) => return Ok(write.refused(&ServiceError::from(refusal), &form)),
    };
    let LevelKey { merchant, direction, name: from, .. } = shown.key;
    write.preview_or_commit(ConfigurationAction::Rename { merchant, direction, from, to }, &form)
}

/// A form without fields.
fn question(words: &str, back: &str) -> Markup {
    html! {
        form method="post" class="card narrow" {
            p { (words) }
            p class="actions" { button name="step" value="preview" { "Show what changes" } " " a href=(back) { "Cancel" } }
        }
    }
}

fn delete_write<'a>(shown: &LevelPage<'a>) -> (LevelWrite<'a>, Markup) {
    let removes = match shown.key.name.as_str() {
        UNKNOWN_LEVEL => "The level unknown loses its settings. It always exists.".to_owned(),
        name => format!(
            "Level {name} for {}s in {} is deleted. Its customers keep the name; the merchant's default decides for them.",
            shown.key.direction.word(),
            shown.currency()
        ),
    };
    let write = shown.write("Delete", "Delete the level", "");
    let form = question("Delete this level?", &shown.to(&[]));
    (LevelWrite { removes: Some(removes), done: shown.list(), ..write }, form)
}

/// `GET .../levels/{direction}/{currency}/{level}/delete`
pub(in crate::console) fn show_delete(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let (write, form) = delete_write(&shown);
    Ok(write.page(form))
}

/// `POST .../levels/{direction}/{currency}/{level}/delete`: previews the deletion, or makes it.
pub(in crate::console) fn delete(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let (write, form) = delete_write(&shown);
    write.preview_or_commit(ConfigurationAction::DeleteLevel(shown.key), &form)
}

fn reset_form(shown: &LevelPage<'_>) -> Markup {
    question(
        "Forget what was set through the API, so that the entry of the merchant's file is in force again?",
        &shown.to(&[]),
    )
}

/// `GET .../levels/{direction}/{currency}/{level}/reset`
pub(in crate::console) fn show_reset(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    Ok(shown.write("Reset to the file", "Reset the level", "").page(reset_form(&shown)))
}

/// `POST .../levels/{direction}/{currency}/{level}/reset`: previews the reset, or makes it.
pub(in crate::console) fn reset(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let write = shown.write("Reset to the file", "Reset the level", "");
    write.preview_or_commit(ConfigurationAction::ResetLevel(shown.key), &reset_form(&shown))
}

fn currency_write(request: &PageRequest) -> Result<(LevelWrite<'_>, ConfigurationAction, Markup), ServiceError> {
    let merchant = request.merchant()?;
    let (direction, currency) = request.direction_and_currency()?;
    let list = request.links.to(&["m", merchant.id.as_str(), "levels"]);
    let of_currency = format!("{} levels in {currency}", direction.word());
    let action = ConfigurationAction::DeleteCurrency { merchant: merchant.id, direction, currency };
    let write = LevelWrite {
        request,
        title: format!("Delete all {of_currency}"),
        trail: vec![("Levels".to_owned(), list.clone())],
        removes: Some(format!("All {of_currency} are deleted. The level unknown comes back without settings.")),
        button: "Delete the levels",
        done: list.clone(),
    };
    Ok((write, action, question(&format!("Delete all {of_currency}?"), &list)))
}

/// `GET .../levels/delete/{direction}/{currency}`
pub(in crate::console) fn show_delete_currency(request: &PageRequest) -> Paged {
    let (write, _, form) = currency_write(request)?;
    Ok(write.page(form))
}

/// `POST .../levels/delete/{direction}/{currency}`: previews the deletion, or makes it.
pub(in crate::console) fn delete_currency(request: &PageRequest) -> Paged {
    let (write, action, form) = currency_write(request)?;
    write.preview_or_commit(action, &form)
}
