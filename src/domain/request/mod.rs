//! Fields of a request, and the refusals that name them.

pub(crate) mod attribute_value;
pub(crate) mod card_number;
pub(crate) mod field_names;
pub mod fields;
pub(crate) mod identifier_text;
pub mod refusal;
