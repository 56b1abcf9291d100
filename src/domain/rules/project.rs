//! Projects of a merchant, their endpoints, and the payment methods of an endpoint or a level.

use crate::domain::{
    rules::gates::GateItem,
    vocabulary::{attributes::Attribute, money::Currency, names::Name},
};

/// A project of a merchant, such as a shop.
#[derive(Debug, Clone)]
pub struct Project {
    /// Unique in the merchant.
    pub id: Name,
    /// The attributes by which the project recognises a customer. Each endpoint has those that apply to it.
    pub client_definition: Vec<Attribute>,
    /// Its endpoints.
    pub endpoints: Vec<Endpoint>,
}

/// An endpoint of a project; it has one currency.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Unique in the project.
    pub id: Name,
    /// Its currency.
    pub currency: Currency,
    /// The base gates.
    pub gates: Vec<GateItem>,
    /// The base payment methods.
    pub methods: Vec<MethodSetting>,
    /// The attributes by which a customer is recognised: the endpoint's, else the project's.
    pub client_definition: Vec<Attribute>,
}

/// The settings of a payment method in one layer; `None`: the layer does not set the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MethodSetting {
    /// The method.
    pub method: Name,
    /// Whether the form shows it.
    pub show_in_form: Option<bool>,
    /// Minor units.
    pub min_amount: Option<u64>,
    /// Minor units.
    pub max_amount: Option<u64>,
    /// Its own gate list.
    pub gates: Option<Vec<GateItem>>,
}
