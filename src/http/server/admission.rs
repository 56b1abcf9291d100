//! The token and the operation of an admitted request. The token is checked again when the body has arrived.

use crate::http::{
    dto::card_guard::decoded,
    operations::operation::{AccessRule, MerchantScope, Operation, RequiredRole, merchant_segment},
    state::AppState,
};
use crate::service::{access::access_tokens::AccessToken, error::ServiceError};
use axum::{extract::OptionalFromRequestParts, http::request::Parts};
use std::{convert::Infallible, sync::Arc};

/// The token of an admitted request and the operation that it calls. Without tokens a request has none.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    pub(crate) token: Arc<AccessToken>,
    pub(crate) operation: &'static Operation,
}

impl<S: Sync> OptionalFromRequestParts<S> for Admission {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.remove::<Self>())
    }
}

/// Refuses a token that a rule does not allow on a path.
pub(crate) fn permit(token: &AccessToken, rule: AccessRule, path: &str) -> Result<(), ServiceError> {
    if !rule.role.allows(token.role) {
        return Err(wrong_role(rule.role, token));
    }
    match rule.merchants {
        MerchantScope::All if token.merchants.is_some() => {
            let kind = token.kind.word();
            Err(ServiceError::forbidden(format!("this is for all merchants, and this {kind} reaches only some")))
        }
        MerchantScope::All | MerchantScope::OfToken => Ok(()),
        MerchantScope::OfPath => merchant_segment(path).map_or(Ok(()), |merchant| token.reaches(&decoded(merchant))),
    }
}

/// The refusal of a token with another role.
fn wrong_role(needed: RequiredRole, token: &AccessToken) -> ServiceError {
    let (needed, kind, role) = (needed.word().replace(',', " or "), token.kind.word(), token.role.word());
    ServiceError::forbidden(format!("this needs a {kind} of role {needed}; the role of this {kind} is {role}"))
}

impl AppState {
    /// Checks the token of a request again when its body has arrived: it may have been revoked or changed, or have expired
    /// while the body was sent. `None`: the request was admitted without a token.
    pub(crate) fn readmit(&self, admission: Option<&Admission>, path: &str) -> Result<(), ServiceError> {
        match (self.current_token(admission)?, admission) {
            (Some(now), Some(admission)) if *now != *admission.token => {
                permit(&now, admission.operation.access_rule(), path)
            }
            _ => Ok(()),
        }
    }

    /// The same for a line of a batch, about a merchant.
    pub(crate) fn readmit_line(&self, admission: Option<&Admission>, merchant: &str) -> Result<(), ServiceError> {
        let (Some(now), Some(admission)) = (self.current_token(admission)?, admission) else { return Ok(()) };
        if *now != *admission.token {
            permit(&now, admission.operation.access_rule(), admission.operation.path)?;
        }
        now.reaches(merchant)
    }

    /// The current entry of the token of an admitted request. `None`: the request was admitted without a token.
    pub(crate) fn current_token(
        &self,
        admission: Option<&Admission>,
    ) -> Result<Option<Arc<AccessToken>>, ServiceError> {
        let token = admission.map(|admission| &*admission.token);
        Ok(self.access.current(token, self.payments.clock.wall())?)
    }
}
