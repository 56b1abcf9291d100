//! Adds a level.

use crate::{
    console::{
        page_request::{PageRequest, Paged},
        pages::levels::{edit::project_choice, list::currencies, preview::LevelWrite},
        parts::{choice, text_field},
    },
    domain::{
        request::{
            fields::{intern_name, parse_currency, parse_word},
            refusal::Refusal,
        },
        rules::{level::LevelKey, merchant::Merchant},
        vocabulary::{direction::Direction, words::Word},
    },
    service::{configuration::change::ConfigurationAction, error::ServiceError},
};
use maud::{Markup, html};
use serde_json::json;

fn form(merchant: &Merchant, value: &dyn Fn(&str) -> String, projects: &[&str]) -> Markup {
    let currencies = currencies(merchant);
    html! {
        form method="post" class="card narrow" {
            (choice("direction", "Direction", &value("direction"), "", Direction::WORDS.iter().map(|(word, _)| *word)))
            label class="field" { span { "Currency" }
                select name="currency" { @for currency in &currencies {
                    option value=(currency) selected[*currency == value("currency")] { (currency) }
                } }
            }
            (text_field("name", "Name", &value("name"), "such as gold"))
            (project_choice(merchant, projects))
            p class="actions" { button name="step" value="preview" { "Show what changes" } " " a href="../levels" { "Cancel" } }
        }
    }
}

fn write<'a>(request: &'a PageRequest, merchant: &Merchant, done: String) -> LevelWrite<'a> {
    let list = request.links.to(&["m", merchant.id.as_str(), "levels"]);
    LevelWrite {
        request,
        title: "Add a level".to_owned(),
        trail: vec![("Levels".to_owned(), list)],
        removes: None,
        button: "Add the level",
        done,
    }
}

/// `GET .../levels/new`
pub(in crate::console) fn show_add(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let form = form(merchant, &|key| request.query(key).to_owned(), &["all"]);
    Ok(write(request, merchant, String::new()).page(form))
}

fn key_of(request: &PageRequest, merchant: &Merchant) -> Result<LevelKey, ServiceError> {
    let direction = parse_word::<Direction>("direction", request.field("direction"))?;
    let currency = parse_currency(&request.rules, request.field("currency"))?;
    let name = request.field("name");
    if name.is_empty() {
        return Err(Refusal::Missing("name").into());
    }
    let name = intern_name("name", merchant.id, name)?;
    if merchant.level(direction, currency, name).is_some() {
        let level = format!("level `{name}` for {}s in {currency}", direction.word());
        return Err(Refusal::LevelExists(level).into());
    }
    Ok(LevelKey { merchant: merchant.id, direction, currency, name })
}

/// `POST .../levels/new`: previews the level, or adds it.
pub(in crate::console) fn add(request: &PageRequest) -> Paged {
    let merchant = request.merchant()?;
    let projects: Vec<&str> = request.fields("project").collect();
    let form = form(merchant, &|key| request.field(key).to_owned(), &projects);
    let key = match key_of(request, merchant) {
        Ok(key) => key,
        Err(error) => return Ok(write(request, merchant, String::new()).refused(&error, &form)),
    };
    let body = match projects.contains(&"all") {
        true => json!({ "projects": "all" }),
        false => json!({ "projects": projects }),
    };
    let currency = key.currency.to_string();
    let base = ["m", merchant.id.as_str(), "levels"];
    let done = request.links.to(&[&base[..], &[key.direction.word(), &currency, key.name.as_str()]].concat());
    let action = ConfigurationAction::PutLevel(key, body.to_string().into_bytes());
    write(request, merchant, done).preview_or_commit(action, &form)
}
