//! The preview of a change of levels, and its confirmation: what differs, whom it affects, and a button that makes it.

use crate::{
    config::FourEyesWrite,
    console::{
        forms::{CONFIRMED_NUMBER, alert, hidden_fields},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        writes::ConfirmedWrite,
    },
    service::{
        configuration::{change::ConfigurationAction, trial::ConfigurationTrial},
        error::ServiceError,
    },
};
use maud::{Markup, html};

/// The fields that belong to the preview and not to the form.
const PREVIEW_FIELDS: [&str; 3] = ["step", "seen", "count"];

/// A change that a form describes.
pub(super) struct LevelWrite<'a> {
    pub(super) request: &'a PageRequest,
    /// The title of the page.
    pub(super) title: String,
    /// The pages above it, with their addresses.
    pub(super) trail: Vec<(String, String)>,
    /// What a deletion removes, in words; `None`: the change removes no level.
    pub(super) removes: Option<String>,
    /// The words of the button that makes the change.
    pub(super) button: &'static str,
    /// The page after the change.
    pub(super) done: String,
}

impl LevelWrite<'_> {
    /// A page of the change.
    pub(super) fn page(&self, body: Markup) -> Outcome {
        let content = Content::new(self.title.clone(), body);
        Outcome::Page(self.trail.iter().fold(content, |content, (name, to)| content.below(name.clone(), to.clone())))
    }

    /// The form with the reason for which the change is refused.
    pub(super) fn refused(&self, error: &ServiceError, form: &Markup) -> Outcome {
        self.page(html! {
            div class="notice bad" role="alert" {
                p { (error.detail) }
                @if !error.problems.is_empty() { ul { @for problem in &error.problems { li { (problem) } } } }
            }
            (form)
        })
    }

    /// Previews the change, or makes it if it is confirmed and nothing has changed since the preview.
    pub(super) fn preview_or_commit(&self, action: ConfigurationAction, form: &Markup) -> Paged {
        let request = self.request;
        let trial = match request.try_configuration(action.clone()) {
            Ok(trial) => trial,
            Err(error) if error.is_unavailable() => return Err(error),
            Err(error) => return Ok(self.refused(&error, form)),
        };
        if request.field("step") != "confirm" {
            return Ok(self.page(self.preview(&trial, "")));
        }
        if request.field("seen") != trial.version {
            let words = "The configuration has changed since the preview. Look at the change again.";
            return Ok(self.page(self.preview(&trial, words)));
        }
        if self.needs_count(&trial) && request.field("count") != trial.customers.to_string() {
            let words = format!("Nothing has changed. To confirm, type the number of customers: {}.", trial.customers);
            return Ok(self.page(self.preview(&trial, &words)));
        }
        // Any change of a level may allow more.
        if request.requires_second_person(FourEyesWrite::RaiseLimit) {
            return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::RaiseLimit));
        }
        match request.commit(ConfirmedWrite::Configuration(action)) {
            Ok(()) => Ok(Outcome::Redirect(format!("{}?done=1", self.done))),
            Err(error) if error.is_unavailable() => Err(error),
            Err(error) => Ok(self.refused(&error, form)),
        }
    }

    fn needs_count(&self, trial: &ConfigurationTrial) -> bool {
        self.removes.is_some() && trial.customers > 0
    }

    /// The change in words, whom it affects, and the button. `notice`: why it was not made.
    fn preview(&self, trial: &ConfigurationTrial, notice: &str) -> Markup {
        let warnings = &trial.outcome.warnings;
        let is_empty = trial.differences.is_empty() && self.removes.is_none();
        html! {
            @if !notice.is_empty() { div class="notice bad" role="alert" { p { (notice) } } }
            section class="card" {
                h2 { "This will change" }
                @if let Some(removes) = &self.removes { p { strong { (removes) } } }
                @if is_empty { p { "No setting differs: the next decisions are the same." } }
                @if !trial.differences.is_empty() {
                    ul class="changes" { @for difference in &trial.differences { li { (difference.to_string()) } } }
                }
                p { @match trial.customers {
                    0 => "No customer has this level now.",
                    1 => { strong { "1 customer" } " is decided by it now." },
                    count => { strong { (count) " customers" } " are decided by it now." },
                } }
                @if !warnings.is_empty() {
                    h3 { "Probably a mistake" }
                    ul { @for warning in warnings { li { (warning) } } }
                }
                @let count = trial.customers.to_string();
                @if self.needs_count(trial) && self.request.is_confirmed_value_outdated("count", &count) {
                    (alert(CONFIRMED_NUMBER))
                } @else { form method="post" {
                    @for (key, value) in self.request.form.iter().filter(|(key, _)| !PREVIEW_FIELDS.contains(&key.as_str())) {
                        input type="hidden" name=(key) value=(value);
                    }
                    input type="hidden" name="seen" value=(trial.version);
                    @if self.needs_count(trial) && self.request.has_second_person {
                        (hidden_fields([("count", count.as_str())]))
                    } @else if self.needs_count(trial) {
                        label class="field narrow" {
                            span { "Type the number of customers to confirm: " (trial.customers) }
                            input type="text" name="count" inputmode="numeric" autocomplete="off" required;
                        }
                    }
                    p class="actions" {
                        button name="step" value="confirm" { (self.button) } " "
                        a href=(self.done) { "Cancel" }
                    }
                } }
            }
        }
    }
}
