//! Tables of customers as files: the customers that filters select, and the template of an upload.

use crate::{
    console::{
        page_request::{Download, PageRequest},
        pages::customers::filters::filters,
    },
    service::{error::ServiceError, import_export::export::TableSelection},
};
use std::borrow::Cow;

/// `GET /console/m/{merchant}/customers.csv`: the customers and the columns of the query.
pub(in crate::console) fn customers(request: &PageRequest) -> Result<Download, ServiceError> {
    let merchant = request.merchant()?;
    let columns = request.query("columns");
    let columns = [(Cow::Borrowed("columns"), Cow::Borrowed(columns))].into_iter().filter(|_| !columns.is_empty());
    let selection = TableSelection::read(filters(&request.query).chain(columns), merchant)?;
    let of_thread = request.clone();
    Ok(Download::written_table(format!("{}-customers.csv", merchant.id), move |output| {
        let merchant = of_thread.merchant().map_err(std::io::Error::other)?;
        of_thread.customers(merchant).write_table(selection, output)
    }))
}

/// `GET /console/m/{merchant}/customers/template.csv`
pub(in crate::console) fn template(request: &PageRequest) -> Result<Download, ServiceError> {
    let bytes = request.customers(request.merchant()?).template()?;
    Ok(Download::table("template.csv", bytes))
}
