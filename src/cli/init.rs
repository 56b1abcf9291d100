//! `levelgate init`: a commented configuration to start from.
//!
//! The daemon's file and the rates are the sample's (`config/`); the merchant's file is one of the two below.

use crate::cli::support::print::print_line;
use anyhow::Context as _;
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// What `init` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// A new or empty folder
    folder: PathBuf,
    /// Who names the customers: the gateway, by customer_id, or the merchant's CRM, by its own identifier
    #[arg(long, value_enum, default_value = "payment_gateway")]
    mode: Mode,
}

/// The operation mode of the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
enum Mode {
    PaymentGateway,
    Crm,
}

const DAEMON: &str = include_str!("../../config/levelgate.toml");
const RATES: &str = include_str!("../../config/rates.toml");

/// The merchant's file up to its levels. `@` marks what differs by mode.
const MERCHANT: &str = r#"# A merchant to start from. Change the texts and amounts, then run:  levelgate check @FOLDER@
# The file's name is free; `id` is what appears in addresses and in the journal, so choose it before the first payment.
id = "acme"
name = "Acme"
@MODE@
time_zone = "Etc/UTC"                       # where its days, weeks and months begin, for example "Europe/Nicosia"
hold = { deposit = "1h", withdrawal = "7d" } # how long a reservation holds
refunds = "none"                            # none | original: a refund gives usage back
# sandbox = true                            # a test merchant: a transaction_id that ends in -19000 is denied with 19000
# seal_identifiers = true                   # new records hold customers' identifiers sealed, and a keyed digest

# --- Gates: the ways to processor accounts. Absent directions, currencies or methods: all.

[[gates]]
id = "gate-a"
methods = ["card"]
max_amount = "2500.00"                      # larger payments go through the other gate

[[gates]]
id = "gate-b"
methods = ["card"]

# --- Projects and the ways into them: one currency an endpoint.

[[projects]]
id = "web"
client_definition = ["email", "phone"]      # the first that matches recognises a customer without an identifier
  [[projects.endpoints]]
  id = "web-eur"
  currency = "EUR"
  gates = ["gate-a", "gate-b"]              # tried in this order
    [[projects.endpoints.methods]]
    method = "card"
    min_amount = "1.00"
    max_amount = "5000.00"

# --- Levels: name, direction and currency together are the key. A filter is one limit of a level.
@LEVELS@"#;

/// The first filter of a merchant's file, which explains the keys of a filter.
const FIRST_FILTER: &str = r#"  [[levels.filters]]
  window = "daily"                          # daily | weekly | monthly | lifetime | a span: 45m, 6h, 90d
  amount_limit = "@AMOUNT@"                   # the most in the window; absent: no limit on the amount
  quantity_limit = @QUANTITY@# the most payments in the window
  calendar = true                           # from local midnight; false: the last 24 hours
"#;

/// The level for withdrawals, up to the keys that only one mode needs.
const WITHDRAWALS: &str = r#"
[[levels]]
name = "@NAME@"
direction = "withdrawal"
currency = "EUR"
projects = ["web"]
  [[levels.filters]]
  window = "weekly"
  amount_limit = "1000.00"
  quantity_limit = 2
"#;

const CRM: &str = r#"operation_mode = "crm"                      # the CRM names the customers: merchant_customer_identifier
default_behaviour = "unknown_level"         # without a configured level, the level `unknown` applies
add_all_projects_to_unknown_level = true"#;

const CRM_LEVELS: &str = r#"# A request may name another level at any time, so these limits count over all levels and currencies of the customer
# (for_all_merchant_currencies): a change of level does not start them again.

[[levels]]
name = "unknown"                            # customers without a configured level
direction = "deposit"
currency = "EUR"
@FIRST_FILTER@  for_all_merchant_currencies = true

[[levels]]
name = "gold"
direction = "deposit"
currency = "EUR"
projects = ["web"]
  [[levels.filters]]
  window = "daily"
  amount_limit = "500.00"
  quantity_limit = 10
  calendar = true
  for_all_merchant_currencies = true
  [[levels.filters]]
  window = "monthly"
  amount_limit = "6000.00"
  calendar = true
  for_all_merchant_currencies = true
  warn_at = "75%"                           # answers and metrics report when this share is reached
@WITHDRAWALS@  for_all_merchant_currencies = true
"#;

const GATEWAY: &str = r#"operation_mode = "payment_gateway"          # the gateway names the customers: customer_id
default_behaviour = "project"               # without a configured level, the endpoint's settings alone apply"#;

const GATEWAY_LEVELS: &str = r#"
[[levels]]
name = "standard"
direction = "deposit"
currency = "EUR"
projects = ["web"]
@FIRST_FILTER@  [[levels.filters]]
  window = "monthly"
  amount_limit = "6000.00"
  warn_at = "75%"                           # answers and metrics report when this share is reached
@WITHDRAWALS@"#;

/// Writes the files and prints the next steps.
///
/// # Errors
/// The folder contains something, or cannot be written.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let folder = &options.folder;
    if let Some(found) = occupant(folder)? {
        anyhow::bail!(
            "{} exists: init writes into a new or empty folder and changes no file; name another folder",
            found.display()
        );
    }
    let merchants = folder.join("merchants");
    fs::create_dir_all(&merchants).with_context(|| format!("{} cannot be created", merchants.display()))?;
    let shown = folder.display().to_string();
    for (path, text) in [
        (folder.join("levelgate.toml"), DAEMON.replace("levelgate check config", &format!("levelgate check {shown}"))),
        (folder.join("rates.toml"), RATES.to_owned()),
        (merchants.join("acme.toml"), merchant(options.mode, &shown)),
    ] {
        write_new(&path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
        print_line!("wrote {}", path.display());
    }
    print_line!(
        "\nNext:\n  1. Edit {} and {}.\n  2. Check them:       levelgate check {shown} --strict\n  \
         3. Start the daemon: levelgate serve --config {shown}\n  \
         4. Read the guides:  levelgate help getting-started, or /docs of the running daemon\n\n\
         Without tokens the daemon listens on loopback only: levelgate help configuration describes [auth].",
        merchants.join("acme.toml").display(),
        folder.join("rates.toml").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// What a folder contains that keeps `init` from writing there: a configuration first, hidden files not at all.
fn occupant(folder: &Path) -> anyhow::Result<Option<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("{} cannot be read", folder.display())),
    };
    let mut names: Vec<_> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect::<Result<_, _>>()?;
    names.retain(|name| !name.to_string_lossy().starts_with('.'));
    names.sort();
    let of_configuration = ["levelgate.toml", "merchants", "rates.toml"];
    let found = names.iter().find(|name| of_configuration.iter().any(|known| *name == known)).or(names.first());
    Ok(found.map(|name| folder.join(name)))
}

/// What differs by mode in a merchant's file.
struct ModeTexts {
    keys: &'static str,
    levels: &'static str,
    first_amount: &'static str,
    first_quantity: u32,
    withdrawal_level: &'static str,
}

impl ModeTexts {
    const CRM: Self =
        Self { keys: CRM, levels: CRM_LEVELS, first_amount: "100.00", first_quantity: 3, withdrawal_level: "gold" };
    const GATEWAY: Self = Self {
        keys: GATEWAY,
        levels: GATEWAY_LEVELS,
        first_amount: "500.00",
        first_quantity: 10,
        withdrawal_level: "standard",
    };

    fn levels(&self) -> String {
        // The width aligns the comment with those of the other keys.
        let quantity = format!("{:<25}", self.first_quantity);
        let filter = FIRST_FILTER.replace("@AMOUNT@", self.first_amount).replace("@QUANTITY@", &quantity);
        let withdrawals = WITHDRAWALS.replace("@NAME@", self.withdrawal_level);
        self.levels.replace("@FIRST_FILTER@", &filter).replace("@WITHDRAWALS@", &withdrawals)
    }
}

fn merchant(mode: Mode, folder: &str) -> String {
    let texts = match mode {
        Mode::Crm => ModeTexts::CRM,
        Mode::PaymentGateway => ModeTexts::GATEWAY,
    };
    MERCHANT.replace("@FOLDER@", folder).replace("@MODE@", texts.keys).replace("@LEVELS@", &texts.levels())
}

/// Writes a file that must not exist yet.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}
