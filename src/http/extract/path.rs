//! The parameters of a path, typed and by name.
//!
//! A handler names the type of its path, and that type names the parameters of the row's path. A test sends a request to
//! every row, so that a name that the path does not have is found.

use crate::{
    domain::{
        request::fields::{intern_name, look_up_name, parse_currency, parse_word},
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    http::dto::problem::Problem,
    service::error::ServiceError,
};
use serde::Deserialize;

/// The path of an operation of a merchant.
#[derive(Debug, Deserialize)]
pub(crate) struct MerchantPath {
    pub(crate) merchant: String,
}

/// The path of a transaction.
#[derive(Debug, Deserialize)]
pub(crate) struct TransactionPath {
    pub(crate) merchant: String,
    pub(crate) transaction: String,
}

/// The path of a customer, for calls that do not look the merchant up first.
#[derive(Debug, Deserialize)]
pub(crate) struct SignalPath {
    pub(crate) merchant: String,
    pub(crate) customer: String,
}

/// The parameters of a path after the merchant, as the URL names them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathSegments<'a> {
    pub(crate) named: &'a [(String, String)],
    pub(crate) rules: &'a Rules,
    pub(crate) merchant: &'a Merchant,
}

impl PathSegments<'_> {
    fn text(&self, name: &str) -> Result<&str, ServiceError> {
        let segment = self.named.iter().find(|(known, _)| known == name);
        segment.map(|(_, text)| text.as_str()).ok_or_else(|| {
            tracing::error!("the path has no parameter `{name}`, which its handler reads");
            ServiceError::internal()
        })
    }

    fn owned(&self, name: &str) -> Result<String, ServiceError> {
        self.text(name).map(str::to_owned)
    }

    fn direction(&self) -> Result<Direction, Problem> {
        Ok(parse_word::<Direction>("direction", self.text("direction")?)?)
    }

    fn currency(&self) -> Result<Currency, Problem> {
        Ok(parse_currency(self.rules, self.text("currency")?)?)
    }

    /// The name of a level, reported as `field`. A text that was never a name becomes [`Name::unrecorded`].
    fn level(&self, name: &str, field: &'static str) -> Result<LevelName, Problem> {
        let text = self.owned(name)?;
        let name = look_up_name(field, &text)?;
        Ok(LevelName { text, name })
    }
}

/// The typed parameters of a path after the merchant.
pub(crate) trait PathParameters: Sized + Send + 'static {
    /// Reads the parameters.
    ///
    /// # Errors
    /// A parameter cannot be read.
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem>;
}

/// A level that a path names: its text, and its name where one is known.
#[derive(Debug, Clone)]
pub(crate) struct LevelName {
    pub(crate) text: String,
    pub(crate) name: Name,
}

impl PathParameters for () {
    fn parse(_: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(())
    }
}

/// `.../customers/{customer}`
#[derive(Debug)]
pub(crate) struct CustomerPath {
    pub(crate) customer_id: String,
}

impl PathParameters for CustomerPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self { customer_id: segments.owned("customer")? })
    }
}

/// `.../customers/{customer}/instruments/{instrument}`
#[derive(Debug)]
pub(crate) struct InstrumentPath {
    pub(crate) customer_id: String,
    pub(crate) instrument: String,
}

impl PathParameters for InstrumentPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self { customer_id: segments.owned("customer")?, instrument: segments.owned("instrument")? })
    }
}

/// `.../customers/{customer}/limits/{direction}/{currency}`
#[derive(Debug)]
pub(crate) struct LimitsPath {
    pub(crate) customer_id: String,
    pub(crate) direction: Direction,
    pub(crate) currency: Currency,
}

impl PathParameters for LimitsPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self {
            customer_id: segments.owned("customer")?,
            direction: segments.direction()?,
            currency: segments.currency()?,
        })
    }
}

/// `.../customers/{customer}/settings/{direction}/{currency}/{level}`
#[derive(Debug)]
pub(crate) struct SettingsPath {
    pub(crate) customer_id: String,
    pub(crate) direction: Direction,
    pub(crate) currency: Currency,
    pub(crate) level: LevelName,
}

impl PathParameters for SettingsPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self {
            customer_id: segments.owned("customer")?,
            direction: segments.direction()?,
            currency: segments.currency()?,
            level: segments.level("level", "level")?,
        })
    }
}

/// `.../transactions/{transaction}/customer`
#[derive(Debug)]
pub(crate) struct LinkPath {
    pub(crate) transaction_id: String,
}

impl PathParameters for LinkPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self { transaction_id: segments.owned("transaction")? })
    }
}

/// `.../customers/jobs/{job}`
#[derive(Debug)]
pub(crate) struct JobPath {
    pub(crate) job: String,
}

impl PathParameters for JobPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self { job: segments.owned("job")? })
    }
}

/// `.../levels/{direction}/{currency}`
#[derive(Debug)]
pub(crate) struct LevelCurrencyPath {
    pub(crate) direction: Direction,
    pub(crate) currency: Currency,
}

impl PathParameters for LevelCurrencyPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self { direction: segments.direction()?, currency: segments.currency()? })
    }
}

/// `.../levels/{direction}/{currency}/{name}`
#[derive(Debug)]
pub(crate) struct LevelPath {
    pub(crate) direction: Direction,
    pub(crate) currency: Currency,
    pub(crate) level: LevelName,
}

impl PathParameters for LevelPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self {
            direction: segments.direction()?,
            currency: segments.currency()?,
            level: segments.level("name", "name")?,
        })
    }
}

/// The same path for a call that may create the level: its name is recorded.
#[derive(Debug)]
pub(crate) struct NewLevelPath {
    pub(crate) direction: Direction,
    pub(crate) currency: Currency,
    pub(crate) name: Name,
}

impl PathParameters for NewLevelPath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        Ok(Self {
            direction: segments.direction()?,
            currency: segments.currency()?,
            name: intern_name("name", segments.merchant.id, segments.text("name")?)?,
        })
    }
}

/// `.../levels/{direction}/{name}/rename`
///
/// A level may be called `rename`, so the router registers this path as that of a level; see
/// [`crate::http::router`]. The parameters have the names of the level's path here.
#[derive(Debug)]
pub(crate) struct RenamePath {
    pub(crate) direction: Direction,
    pub(crate) level: LevelName,
}

impl PathParameters for RenamePath {
    fn parse(segments: &PathSegments<'_>) -> Result<Self, Problem> {
        if segments.text("name")? != "rename" {
            return Err(Problem::method_not_allowed());
        }
        Ok(Self { direction: segments.direction()?, level: segments.level("currency", "name")? })
    }
}
