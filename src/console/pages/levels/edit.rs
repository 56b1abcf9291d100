//! A level: its status, projects, gates and origin, and the form that changes them.

use crate::{
    console::{
        document::{text, words_at},
        page_request::{PageRequest, Paged},
        pages::levels::level_page::{LevelPage, names, optional},
        parts::{badge, choice, facts, or_dash, text_field, time},
    },
    domain::{
        rules::{gates::RoutingStrategy, merchant::Merchant},
        vocabulary::words::Word,
    },
};
use maud::{Markup, html};
use serde_json::{Value, json};

/// The choice of the projects to which a level applies.
pub(super) fn project_choice(merchant: &Merchant, chosen: &[&str]) -> Markup {
    html! {
        fieldset {
            legend { "Projects" }
            label class="check" {
                input type="checkbox" name="project" value="all" checked[chosen.contains(&"all")];
                " all, also later ones"
            }
            @for project in &merchant.projects {
                @let id = project.id.as_str();
                label class="check" {
                    input type="checkbox" name="project" value=(id) checked[chosen.contains(&id)]; " " (id)
                }
            }
        }
    }
}

/// `GET /console/m/{merchant}/levels/{direction}/{currency}/{level}`
pub(in crate::console) fn overview(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let (level, calendar) = (&shown.level, &shown.merchant.calendar);
    let at = |path: &'static str| or_dash(&words_at(level, path));
    let gates = words_at(level, "/gates");
    let about = [
        ("Status", badge(text(level, "/status"))),
        ("Projects", at("/projects")),
        (
            "Gates, in order",
            if gates.is_empty() {
                html! { "those of the endpoint" }
            } else {
                html! { (gates) }
            },
        ),
        (
            "Routing",
            if level["routing"].is_null() {
                html! { "priority" }
            } else {
                at("/routing")
            },
        ),
        ("Limits", html! { (level["filters"].as_array().map_or(0, Vec::len)) }),
        ("Methods with settings", html! { (level["methods"].as_array().map_or(0, Vec::len)) }),
    ];
    let origin = [
        ("Origin", at("/origin")),
        ("Created", time(calendar, text(level, "/created"))),
        ("Changed", time(calendar, text(level, "/modified"))),
        ("Changed by", at("/by")),
    ];
    let body = html! {
        div class="columns" {
            section class="card" { h2 { "Level" } (facts(&about)) }
            section class="card" { h2 { "Where it comes from" } (facts(&origin)) }
        }
        @if request.may_write() {
            p class="actions" {
                a class="button" href=(shown.to(&["edit"])) { "Change status, projects or gates" } " "
                a class="button plain" href=(shown.to(&["rename"])) { "Rename" } " "
                @if text(level, "/origin") == "api" {
                    a class="button plain" href=(shown.to(&["reset"])) { "Reset to the file" } " "
                }
                a class="button plain" href=(shown.to(&["delete"])) { "Delete" }
            }
        }
    };
    Ok(shown.page("", &body))
}

/// The form with the values of a document.
fn form(shown: &LevelPage<'_>, value: &Value) -> Markup {
    let projects: Vec<&str> = match &value["projects"] {
        Value::Array(listed) => listed.iter().filter_map(Value::as_str).collect(),
        Value::String(all) => vec![all.as_str()],
        _ => Vec::new(),
    };
    let gates = shown.merchant.gates.iter().map(|gate| gate.id.as_str());
    let routes = shown.merchant.routes.iter().map(|route| route.id.as_str());
    let known: Vec<&str> = gates.chain(routes).collect();
    html! {
        form method="post" class="card narrow" {
            (choice("status", "Status", text(value, "/status"), "", ["active", "disabled"]))
            (project_choice(shown.merchant, &projects))
            (text_field("gates", "Gates and routes, in order, with commas", &words_at(value, "/gates"), "those of the endpoint"))
            p class="quiet" { "The merchant has: " (known.join(", ")) }
            (choice("routing", "Routing", text(value, "/routing"), "as listed", RoutingStrategy::WORDS.iter().map(|(word, _)| *word)))
            p class="actions" { button name="step" value="preview" { "Show what changes" } " " a href=(shown.to(&[])) { "Cancel" } }
        }
    }
}

/// `GET .../levels/{direction}/{currency}/{level}/edit`
pub(in crate::console) fn show_edit(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    Ok(shown.write("Change", "Change the level", "").page(form(&shown, &shown.level)))
}

/// `POST .../levels/{direction}/{currency}/{level}/edit`: previews the change, or makes it.
pub(in crate::console) fn edit(request: &PageRequest) -> Paged {
    let shown = LevelPage::of(request)?;
    let mut settings = shown.settings();
    let projects: Vec<&str> = request.fields("project").collect();
    let projects = if projects.contains(&"all") { json!("all") } else { json!(projects) };
    for (key, value) in [
        ("status", json!(request.field("status"))),
        ("projects", projects),
        ("gates", names(request.field("gates"))),
        ("routing", optional(request.field("routing"))),
    ] {
        settings.insert(key.to_owned(), value);
    }
    let form = form(&shown, &Value::Object(settings.clone()));
    shown.write("Change", "Change the level", "").preview_or_commit(shown.put(settings), &form)
}
