//! The table of all pages: path, role, handler. The router and the authorisation come from it, and a test walks it.

use crate::{
    console::{
        page_request::{Download, PageRequest, Paged},
        pages::{
            change_customer, change_limits,
            customer::{
                self, change_instrument, edit, erase, instrument, merge, raise, rates, remove_instrument, settings,
                signals,
            },
            customers::{self, bulk, create, mock, tables, upload},
            decide, jobs, levels, merchant, merchants, operator, transactions,
        },
    },
    service::error::ServiceError,
};

/// The method of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageMethod {
    /// Reads.
    Get,
    /// Changes something, or previews a change. Its `Origin` is checked.
    Post,
}

/// Who may see a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PageRole {
    /// Everyone.
    Public,
    /// Roles `viewer` and `operator`.
    Staff,
    /// Role `operator`.
    Operator,
    /// Role `operator`, for all merchants: what concerns the daemon.
    DaemonOperator,
}

/// What answers a row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Handler {
    /// A page about the state, made on a thread that may block.
    Page(fn(&PageRequest) -> Paged),
    /// A file about the state, made on a thread that may block.
    Download(fn(&PageRequest) -> Result<Download, ServiceError>),
    /// Receives an uploaded table.
    Upload,
    /// The form for a token.
    SignInForm,
    /// Begins a session.
    SignIn,
    /// Ends the session.
    SignOut,
    /// A file of the pages.
    File,
    /// The writes that wait for a second person.
    Confirmations,
    /// One of them, or its confirmation.
    Confirmation,
    /// The answer to an unknown address.
    Unknown,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageRow {
    pub(super) method: PageMethod,
    pub(super) path: &'static str,
    pub(super) role: PageRole,
    pub(super) handler: Handler,
}

const fn public(method: PageMethod, path: &'static str, handler: Handler) -> PageRow {
    PageRow { method, path, role: PageRole::Public, handler }
}

const fn read(path: &'static str, page: fn(&PageRequest) -> Paged) -> PageRow {
    PageRow { method: PageMethod::Get, path, role: PageRole::Staff, handler: Handler::Page(page) }
}

const fn for_operators(method: PageMethod, path: &'static str, handler: Handler) -> PageRow {
    PageRow { method, path, role: PageRole::Operator, handler }
}

const fn form(path: &'static str, page: fn(&PageRequest) -> Paged) -> PageRow {
    PageRow { method: PageMethod::Get, path, role: PageRole::Operator, handler: Handler::Page(page) }
}

const fn write(path: &'static str, page: fn(&PageRequest) -> Paged) -> PageRow {
    PageRow { method: PageMethod::Post, path, role: PageRole::Operator, handler: Handler::Page(page) }
}

const fn download(path: &'static str, file: fn(&PageRequest) -> Result<Download, ServiceError>) -> PageRow {
    PageRow { method: PageMethod::Get, path, role: PageRole::Staff, handler: Handler::Download(file) }
}

const fn daemon_form(path: &'static str, page: fn(&PageRequest) -> Paged) -> PageRow {
    PageRow { method: PageMethod::Get, path, role: PageRole::DaemonOperator, handler: Handler::Page(page) }
}

const fn daemon_write(path: &'static str, page: fn(&PageRequest) -> Paged) -> PageRow {
    PageRow { method: PageMethod::Post, path, role: PageRole::DaemonOperator, handler: Handler::Page(page) }
}

const CHANGE: &str = "/console/m/{merchant}/customers/{customer}/change";

const LIMITS: &str = "/console/m/{merchant}/customers/{customer}/limits/change";

const LEVELS: &str = "/console/m/{merchant}/levels";
const NEW_LEVEL: &str = "/console/m/{merchant}/levels/new";
const DELETE_CURRENCY: &str = "/console/m/{merchant}/levels/delete/{direction}/{currency}";
const EDIT_LEVEL: &str = "/console/m/{merchant}/levels/{direction}/{currency}/{level}/edit";
const RENAME_LEVEL: &str = "/console/m/{merchant}/levels/{direction}/{currency}/{level}/rename";
const RESET_LEVEL: &str = "/console/m/{merchant}/levels/{direction}/{currency}/{level}/reset";
const DELETE_LEVEL: &str = "/console/m/{merchant}/levels/{direction}/{currency}/{level}/delete";
const CHANGE_METHOD: &str = "/console/m/{merchant}/levels/{direction}/{currency}/{level}/methods/change";
const CHANGE_FILTER: &str = "/console/m/{merchant}/levels/{direction}/{currency}/{level}/filters/change";

const LINK: &str = "/console/m/{merchant}/transactions/{transaction}/link";

const NEW: &str = "/console/m/{merchant}/customers/new";
const BULK: &str = "/console/m/{merchant}/customers/bulk";
const MOCK: &str = "/console/m/{merchant}/customers/mock";
/// An upload has the last segment of the API's: the server lets bodies of such a path be streamed.
const TABLE: &str = "/console/m/{merchant}/customers.csv";
const EDIT: &str = "/console/m/{merchant}/customers/{customer}/edit";
const SIGNALS: &str = "/console/m/{merchant}/customers/{customer}/signals";
const MERGE: &str = "/console/m/{merchant}/customers/{customer}/merge";
const ERASE: &str = "/console/m/{merchant}/customers/{customer}/erase";
const SETTINGS: &str = "/console/m/{merchant}/customers/{customer}/settings/change";
const RATES: &str = "/console/m/{merchant}/customers/{customer}/rates/change";
const INSTRUMENT: &str = "/console/m/{merchant}/customers/{customer}/wallet/{instrument}/change";
const REMOVE_INSTRUMENT: &str = "/console/m/{merchant}/customers/{customer}/wallet/{instrument}/remove";
const RAISE: &str = "/console/m/{merchant}/customers/{customer}/limits/raise";

const CONFIRMATION: &str = "/console/m/{merchant}/confirmations/{change}";

/// All pages.
pub(super) static PAGES: &[PageRow] = &[
    public(PageMethod::Get, "/console/login", Handler::SignInForm),
    public(PageMethod::Post, "/console/login", Handler::SignIn),
    public(PageMethod::Post, "/console/logout", Handler::SignOut),
    public(PageMethod::Get, "/console/assets/{file}", Handler::File),
    read("/console", merchants::list_merchants),
    read("/console/m/{merchant}", merchant::overview),
    read("/console/m/{merchant}/customers", customers::search),
    form(NEW, create::show),
    write(NEW, create::create),
    form(BULK, bulk::show),
    write(BULK, bulk::change),
    form(MOCK, mock::show),
    write(MOCK, mock::generate),
    form("/console/m/{merchant}/customers/upload", upload::show),
    download(TABLE, tables::customers),
    PageRow { method: PageMethod::Post, path: TABLE, role: PageRole::Operator, handler: Handler::Upload },
    download("/console/m/{merchant}/customers/template.csv", tables::template),
    read("/console/m/{merchant}/jobs", jobs::list_jobs),
    read("/console/m/{merchant}/jobs/{job}", jobs::show),
    download("/console/m/{merchant}/jobs/{job}/bad_rows.csv", jobs::bad_rows),
    download("/console/m/{merchant}/jobs/{job}/result.json", jobs::result),
    download("/console/m/{merchant}/jobs/{job}/undo.csv", jobs::undo),
    read("/console/m/{merchant}/customers/{customer}", customer::overview),
    form(EDIT, edit::show),
    write(EDIT, edit::change),
    form(SIGNALS, signals::show),
    write(SIGNALS, signals::send),
    form(MERGE, merge::show),
    write(MERGE, merge::change),
    form(ERASE, erase::show),
    write(ERASE, erase::change),
    read("/console/m/{merchant}/customers/{customer}/usage", customer::usage),
    read("/console/m/{merchant}/customers/{customer}/limits", customer::limits),
    read("/console/m/{merchant}/customers/{customer}/settings", settings::show),
    form(SETTINGS, settings::form_page_of),
    write(SETTINGS, settings::change),
    read("/console/m/{merchant}/customers/{customer}/rates", rates::show),
    form(RATES, rates::form_page_of),
    write(RATES, rates::change),
    read("/console/m/{merchant}/customers/{customer}/orders", customer::orders),
    read("/console/m/{merchant}/customers/{customer}/wallet", customer::wallet),
    read("/console/m/{merchant}/customers/{customer}/wallet/{instrument}", instrument::show),
    form(INSTRUMENT, change_instrument::show),
    write(INSTRUMENT, change_instrument::change),
    form(REMOVE_INSTRUMENT, remove_instrument::show),
    write(REMOVE_INSTRUMENT, remove_instrument::remove),
    read("/console/m/{merchant}/customers/{customer}/history", customer::history),
    form(CHANGE, change_customer::show),
    write(CHANGE, change_customer::change),
    form(LIMITS, change_limits::show),
    write(LIMITS, change_limits::change),
    form(RAISE, raise::show),
    write(RAISE, raise::change),
    for_operators(PageMethod::Get, "/console/confirmations", Handler::Confirmations),
    for_operators(PageMethod::Get, CONFIRMATION, Handler::Confirmation),
    for_operators(PageMethod::Post, CONFIRMATION, Handler::Confirmation),
    read("/console/m/{merchant}/transactions", transactions::search),
    read("/console/m/{merchant}/transactions/{transaction}", transactions::show),
    form(LINK, transactions::show_link),
    write(LINK, transactions::link),
    read(LEVELS, levels::list_levels),
    read("/console/m/{merchant}/levels/file", levels::file),
    form(NEW_LEVEL, levels::show_add),
    write(NEW_LEVEL, levels::add),
    form(DELETE_CURRENCY, levels::show_delete_currency),
    write(DELETE_CURRENCY, levels::delete_currency),
    read("/console/m/{merchant}/levels/{direction}/{currency}/{level}", levels::overview),
    read("/console/m/{merchant}/levels/{direction}/{currency}/{level}/methods", levels::methods),
    read("/console/m/{merchant}/levels/{direction}/{currency}/{level}/gates", levels::gates),
    read("/console/m/{merchant}/levels/{direction}/{currency}/{level}/filters", levels::filters),
    read("/console/m/{merchant}/levels/{direction}/{currency}/{level}/above", levels::above),
    form(EDIT_LEVEL, levels::show_edit),
    write(EDIT_LEVEL, levels::edit),
    form(RENAME_LEVEL, levels::show_rename),
    write(RENAME_LEVEL, levels::rename),
    form(RESET_LEVEL, levels::show_reset),
    write(RESET_LEVEL, levels::reset),
    form(DELETE_LEVEL, levels::show_delete),
    write(DELETE_LEVEL, levels::delete),
    form(CHANGE_METHOD, levels::show_method),
    write(CHANGE_METHOD, levels::change_method),
    form(CHANGE_FILTER, levels::show_filter),
    write(CHANGE_FILTER, levels::change_filter),
    read("/console/m/{merchant}/decide", decide::ask),
    read("/console/", merchants::list_merchants),
    read("/console/live", operator::live::show),
    read("/console/gates", operator::gates::show),
    read("/console/rates", operator::rates::show),
    read("/console/events", operator::events::show),
    read("/console/audit", operator::audit::show),
    read("/console/system", operator::system::show),
    daemon_form("/console/rates/change", operator::change_rates::show),
    daemon_write("/console/rates/change", operator::change_rates::change),
    daemon_form("/console/system/reload", operator::reload::show),
    daemon_write("/console/system/reload", operator::reload::reload),
    daemon_write("/console/system/snapshot", operator::system::snapshot),
    PageRow { method: PageMethod::Get, path: "/console/{*rest}", role: PageRole::Staff, handler: Handler::Unknown },
];

/// The paths of the pages that a browser opens, with their parameters in braces.
pub fn page_paths() -> impl Iterator<Item = &'static str> {
    let is_page = |row: &&PageRow| !matches!(row.handler, Handler::Download(_) | Handler::File | Handler::Unknown);
    PAGES.iter().filter(|row| row.method == PageMethod::Get).filter(is_page).map(|row| row.path)
}
