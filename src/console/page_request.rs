//! An admitted request for a page: what its handler needs.

use crate::{
    config::FourEyesWrite,
    console::{layout::Content, links::Links, state::Console},
    domain::{
        customer::audit::{Author, ChangeSource},
        request::{
            fields::{look_up_name, parse_currency, parse_word},
            refusal::Refusal,
        },
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    service::{
        access::access_tokens::{AccessToken, Role},
        customers::CustomerService,
        error::ServiceError,
        reply::Answered,
    },
    storage::journal::Lsn,
};
use serde_json::Value;
use std::{borrow::Cow, cell::Cell, io, sync::Arc};

/// What a handler returns.
#[derive(Debug)]
pub(super) enum Outcome {
    /// A page.
    Page(Content),
    /// A change was made, or the address is another one: the browser loads this address.
    Redirect(String),
    /// The change was not made, because it needs a second person: see [`PageRequest::requires_second_person`].
    NeedsSecondPerson(FourEyesWrite),
}

/// A file that the browser stores.
pub(super) struct Download {
    /// The name of the file. It has no character that a header would have to escape.
    pub(super) file_name: String,
    pub(super) media_type: &'static str,
    pub(super) content: DownloadContent,
}

/// What a download contains.
pub(super) enum DownloadContent {
    /// These bytes.
    Bytes(Vec<u8>),
    /// A function writes the content while it is sent.
    Written(WriteFile),
}

/// Writes the content of a file.
pub(super) type WriteFile = Box<dyn FnOnce(&mut dyn io::Write) -> io::Result<()> + Send>;

impl Download {
    /// A table with these bytes.
    pub(super) fn table(file_name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { content: DownloadContent::Bytes(bytes), ..Self::written_table(file_name, |_| Ok(())) }
    }

    /// A table that a function writes.
    pub(super) fn written_table(
        file_name: impl Into<String>,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let (file_name, media_type) = (file_name.into(), "text/csv; charset=utf-8");
        Self { file_name, media_type, content: DownloadContent::Written(Box::new(write)) }
    }
}

/// A page, or why there is none.
pub(super) type Paged = Result<Outcome, ServiceError>;

/// An admitted request.
#[derive(Clone)]
pub(super) struct PageRequest {
    pub(super) console: Arc<Console>,
    /// The configuration that the whole page shows.
    pub(super) rules: Arc<Rules>,
    /// The token of the session; `None` without tokens.
    pub(super) token: Option<Arc<AccessToken>>,
    pub(super) links: Links,
    /// The parameters of the path.
    pub(super) parameters: Vec<(String, String)>,
    /// The query of the address.
    pub(super) query: Vec<(String, String)>,
    /// The fields of the form that a `POST` sends.
    pub(super) form: Vec<(String, String)>,
    /// The newest record that the page shows.
    pub(super) depends_on: Cell<Lsn>,
    /// Whether this is the second person, who looks at the write of another person or confirms it.
    pub(super) has_second_person: bool,
}

fn value_of<'p>(pairs: &'p [(String, String)], key: &str) -> &'p str {
    pairs.iter().find(|(known, _)| known == key).map_or("", |(_, value)| value.trim())
}

impl PageRequest {
    /// A parameter of the path.
    pub(super) fn parameter(&self, name: &str) -> &str {
        self.parameters.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// A value of the query; empty where it has none.
    pub(super) fn query(&self, key: &str) -> &str {
        value_of(&self.query, key)
    }

    /// The pairs of the query that have a value, for the service. An empty field of a form is no filter.
    pub(super) fn filters(&self) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
        let filled = self.query.iter().filter(|(_, value)| !value.trim().is_empty());
        filled.map(|(key, value)| (Cow::Borrowed(key.as_str()), Cow::Borrowed(value.trim())))
    }

    /// The query that the next page of a list has too: all but the cursor, without empty fields.
    pub(super) fn query_of_next_page(&self) -> Vec<(&str, &str)> {
        let kept = self.query.iter().filter(|(key, value)| key != "cursor" && !value.trim().is_empty());
        kept.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    /// A field of the form; empty where it has none.
    pub(super) fn field(&self, key: &str) -> &str {
        value_of(&self.form, key)
    }

    /// All values of a field of the form.
    pub(super) fn fields<'p>(&'p self, key: &'p str) -> impl Iterator<Item = &'p str> {
        self.form.iter().filter(move |(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// Whether the person may change something. Pages show forms to these people only.
    pub(super) fn may_write(&self) -> bool {
        self.token.as_ref().is_none_or(|token| token.role == Role::Operator)
    }

    /// Whether the person may change what concerns the daemon and all merchants.
    pub(super) fn may_operate_daemon(&self) -> bool {
        self.token.as_ref().is_none_or(|token| token.role == Role::Operator && token.merchants.is_none())
    }

    /// Whether a write that the person has confirmed must wait for a second person. The handler then returns
    /// [`Outcome::NeedsSecondPerson`] in place of the write. It is called again for the second person, with the same form:
    /// for the preview, and with the form of that preview for the write.
    pub(super) fn requires_second_person(&self, write: FourEyesWrite) -> bool {
        !self.has_second_person && self.console.parts.four_eyes.contains(&write)
    }

    /// The first of several kinds of a write for which it must wait for a second person: see
    /// [`Self::requires_second_person`].
    pub(super) fn second_person_for(&self, writes: impl IntoIterator<Item = FourEyesWrite>) -> Option<FourEyesWrite> {
        writes.into_iter().find(|write| self.requires_second_person(*write))
    }

    /// Whether a field of the first person, such as the number that was typed, has another value now. The first person has
    /// not confirmed the new value, so the second person cannot confirm the change any more.
    pub(super) fn is_confirmed_value_outdated(&self, field: &str, now: &str) -> bool {
        self.has_second_person && self.field(field) != now
    }

    /// The merchant of the path.
    ///
    /// # Errors
    /// There is no such merchant.
    pub(super) fn merchant(&self) -> Result<&Merchant, ServiceError> {
        let id = self.parameter("merchant");
        Ok(self.rules.merchant(id).ok_or_else(|| Refusal::UnknownMerchant(id.to_owned()))?)
    }

    /// The direction and the currency of the path.
    ///
    /// # Errors
    /// They are no direction or no currency.
    pub(super) fn direction_and_currency(&self) -> Result<(Direction, Currency), ServiceError> {
        let direction = parse_word::<Direction>("direction", self.parameter("direction"))?;
        Ok((direction, parse_currency(&self.rules, self.parameter("currency"))?))
    }

    /// The name of a level in the path; a text that was never a name becomes [`Name::unrecorded`].
    ///
    /// # Errors
    /// The text cannot be a name.
    pub(super) fn level_name(&self) -> Result<Name, ServiceError> {
        Ok(look_up_name("level", self.parameter("level"))?)
    }

    /// The customers of a merchant, for this person.
    pub(super) fn customers<'a>(&'a self, merchant: &'a Merchant) -> CustomerService<'a> {
        let parts = &self.console.parts;
        let by = self.token.as_ref().map(|token| token.name);
        CustomerService {
            service: &parts.payments,
            jobs: &parts.jobs,
            rules: &self.rules,
            merchant,
            author: Author { source: ChangeSource::Api, by, job: None },
            lesser: self.token.as_ref().and_then(|token| token.lesser()),
        }
    }

    /// Whether the person is shown the name of a token in a history of a merchant.
    pub(super) fn names_author(&self, merchant: Name, author: Name, is_signal: bool) -> bool {
        self.console.parts.access.names_author(self.token.as_deref(), merchant, (author, is_signal))
    }

    /// Whether the person is shown the name of a token.
    pub(super) fn shows_name(&self, name: Name) -> bool {
        self.console.parts.access.shows_name(self.token.as_deref(), name)
    }

    /// The document of an answer. The page leaves once every record that the answer depends on is committed.
    ///
    /// # Errors
    /// That of the answer.
    pub(super) fn read(&self, answered: Answered) -> Result<Value, ServiceError> {
        let lsn = self.console.parts.payments.depends_on_lsn(&answered);
        self.depends_on.set(self.depends_on.get().max(lsn));
        let reply = answered?;
        serde_json::from_slice(&reply.body).map_err(|error| {
            tracing::error!("a page cannot read the document of the service: {error}");
            ServiceError::internal()
        })
    }
}
