//! The file `configuration` of a data folder: what the configuration in force had that a later one must not lose
//! silently.
//!
//! It is written at a start, before and after a reload, and after a snapshot where the state has changed. It is one line of JSON and a
//! line with the CRC-32C of the first. It contains names and counts, and no value of a setting.

use crate::{
    config::{PriorConfiguration, PriorMerchant, RecordedState, configured_minor_units},
    domain::vocabulary::{
        money::{Currencies, Currency},
        names::Name,
    },
    ledger::Ledger,
    storage::{
        fs::{Store, Unfinished, read_full},
        journal::JournalId,
    },
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, sync::Arc};

/// The file, in the data folder.
pub(crate) const PATH: &str = "configuration";
const UNFINISHED: &str = "configuration.new";
const FORMAT: u32 = 1;
/// The longest file: a million merchants with long names fit.
const BYTES_MAX: u64 = 256 << 20;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationFileError {
    /// The file cannot be read.
    #[error("the file `configuration` of the data folder cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is damaged.
    #[error(
        "the file `configuration` of the data folder is damaged; bring it back from a backup of this folder, or remove it: \
         then the next start cannot tell whether the configuration has lost its tokens, levels or projects"
    )]
    Damaged,
    /// A newer version wrote it.
    #[error(
        "the file `configuration` of the data folder has format {0}, which is newer than this program; start the newer \
         levelgate"
    )]
    Newer(u32),
    /// It belongs to another data folder.
    #[error(
        "the file `configuration` belongs to journal {0}, and this data folder to another one; bring the file of this \
         folder back from its backup, or remove it"
    )]
    Foreign(String),
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Document {
    format: u32,
    journal: String,
    tokens: usize,
    has_file_rates: bool,
    minor_units: BTreeMap<String, u8>,
    /// Earlier versions did not write it.
    #[serde(default)]
    configured_minor_units: BTreeMap<String, u8>,
    merchants: BTreeMap<String, MerchantDocument>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MerchantDocument {
    has_state: bool,
    projects: usize,
    levels: usize,
    filters: usize,
    /// Whether it is a test merchant. Earlier versions had none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sandbox: bool,
}

/// The file of an open data folder.
pub(crate) struct ConfigurationFile {
    store: Arc<dyn Store>,
    journal: JournalId,
    known: Mutex<Known>,
}

/// The content of the file.
struct Known {
    /// `None`: there is no file.
    prior: Option<PriorConfiguration>,
    /// Whether the file contains it; else the next write tries again.
    is_written: bool,
}

impl ConfigurationFile {
    /// Reads the file of a folder.
    ///
    /// # Errors
    /// The file exists and cannot be used.
    pub(super) fn open(store: Arc<dyn Store>, journal: JournalId) -> Result<Self, ConfigurationFileError> {
        let known = Mutex::new(Known { prior: read(&*store, Some(journal))?, is_written: true });
        Ok(Self { store, journal, known })
    }

    /// The content that the file is to have; `None`: there is no file.
    pub(crate) fn prior(&self) -> Option<PriorConfiguration> {
        self.known.lock().prior.clone()
    }

    /// Whether the file contains [`ConfigurationFile::prior`]. A failed write is tried again later.
    pub(crate) fn is_written(&self) -> bool {
        self.known.lock().is_written
    }

    /// Writes the file, unless it contains this already.
    ///
    /// # Errors
    /// It cannot be written; the old one remains, and the next write tries again.
    pub(crate) fn write(&self, prior: PriorConfiguration) -> io::Result<()> {
        self.write_locked(&mut self.known.lock(), prior)
    }

    fn write_locked(&self, known: &mut Known, prior: PriorConfiguration) -> io::Result<()> {
        if known.is_written && known.prior.as_ref() == Some(&prior) {
            return Ok(());
        }
        let bytes = encode(&prior, self.journal)?;
        *known = Known { prior: Some(prior), is_written: false };
        let unfinished = Unfinished::create(&*self.store, UNFINISHED)?;
        unfinished.file().write_at(&bytes, 0)?;
        unfinished.finish(PATH)?;
        known.is_written = true;
        Ok(())
    }

    /// Writes the minor units of every currency, before amounts are recorded with them: so a start after a kill knows the
    /// minor units of every recorded amount. A folder without the file gets one that contains nothing else.
    ///
    /// # Errors
    /// The file cannot be written; the old one remains.
    pub(crate) fn write_minor_units(&self, currencies: &Currencies) -> io::Result<()> {
        let units = configured_minor_units(currencies);
        let mut known = self.known.lock();
        let before = known.prior.clone();
        if before.as_ref().is_some_and(|prior| prior.configured_minor_units == units) {
            return Ok(());
        }
        let prior = PriorConfiguration { configured_minor_units: units, ..before.clone().unwrap_or_default() };
        let written = self.write_locked(&mut known, prior);
        if written.is_err() {
            known.prior = before;
        }
        written
    }

    /// Adds the merchants and currencies that the state has now. Logs a failure: the next call tries again.
    pub(crate) fn update_state(&self, ledger: &Ledger) {
        let state = recorded_state(ledger);
        // Locked from here on: a reload that writes in between is not overwritten.
        let mut known = self.known.lock();
        let Some(mut prior) = known.prior.clone() else { return };
        prior.set_state(&state);
        log_failure(self.write_locked(&mut known, prior));
    }

    /// Writes the file. Logs a failure.
    pub(crate) fn write_or_log(&self, prior: PriorConfiguration) {
        log_failure(self.write(prior));
    }
}

fn log_failure(written: io::Result<()>) {
    if let Err(error) = written {
        tracing::error!(
            "the file `configuration` of the data folder cannot be written: {error}; a start after a broken \
             configuration may not notice what it lost; check the disk"
        );
    }
}

/// What the state shows: merchants with customers or transactions, currencies with amounts.
pub(crate) fn recorded_state(ledger: &Ledger) -> RecordedState {
    RecordedState { merchants: ledger.merchants_with_state(), currencies: ledger.recorded_currencies() }
}

/// Reads the file of a folder; `None`: there is none. `journal`: the id of the folder's journal, where it is known.
pub(super) fn read(
    store: &dyn Store,
    journal: Option<JournalId>,
) -> Result<Option<PriorConfiguration>, ConfigurationFileError> {
    let file = match store.open(PATH) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = file.len()?;
    let length = usize::try_from(length).ok().filter(|_| length <= BYTES_MAX).ok_or(ConfigurationFileError::Damaged)?;
    let mut bytes = vec![0; length];
    let read = read_full(&*file, &mut bytes, 0)?;
    bytes.truncate(read);
    decode(&bytes, journal).map(Some)
}

fn encode(prior: &PriorConfiguration, journal: JournalId) -> io::Result<Vec<u8>> {
    let PriorConfiguration { tokens, has_file_rates, minor_units, configured_minor_units, merchants } = prior;
    let units = |known: &BTreeMap<Currency, u8>| known.iter().map(|(code, units)| (code.to_string(), *units)).collect();
    let merchant = |known: &PriorMerchant| {
        let PriorMerchant { has_state, projects, levels, filters, sandbox } = *known;
        MerchantDocument { has_state, projects, levels, filters, sandbox: sandbox.unwrap_or(false) }
    };
    let document = Document {
        format: FORMAT,
        journal: journal.to_string(),
        tokens: *tokens,
        has_file_rates: *has_file_rates,
        minor_units: units(minor_units),
        configured_minor_units: units(configured_minor_units),
        merchants: merchants.iter().map(|(id, known)| (id.to_string(), merchant(known))).collect(),
    };
    let mut bytes = serde_json::to_vec(&document)?;
    let check = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(format!("\ncrc32c {check:08x}\n").as_bytes());
    Ok(bytes)
}

fn decode(bytes: &[u8], journal: Option<JournalId>) -> Result<PriorConfiguration, ConfigurationFileError> {
    let damaged = || ConfigurationFileError::Damaged;
    let text = std::str::from_utf8(bytes).map_err(|_| damaged())?;
    let (line, check) = text.split_once('\n').ok_or_else(damaged)?;
    if check != format!("crc32c {:08x}\n", crc32c::crc32c(line.as_bytes())) {
        return Err(damaged());
    }
    let values: serde_json::Value = serde_json::from_str(line).map_err(|_| damaged())?;
    let format = values.get("format").and_then(serde_json::Value::as_u64).ok_or_else(damaged)?;
    if format != u64::from(FORMAT) {
        return Err(ConfigurationFileError::Newer(u32::try_from(format).unwrap_or(u32::MAX)));
    }
    let document: Document = serde_json::from_value(values).map_err(|_| damaged())?;
    if journal.is_some_and(|journal| journal.to_string() != document.journal) {
        return Err(ConfigurationFileError::Foreign(document.journal));
    }
    let Document { tokens, has_file_rates, minor_units, configured_minor_units, merchants, .. } = document;
    let minor_units = read_units(minor_units).ok_or_else(damaged)?;
    let configured_minor_units = read_units(configured_minor_units).ok_or_else(damaged)?;
    let merchant = |(id, known): (String, MerchantDocument)| {
        let MerchantDocument { has_state, projects, levels, filters, sandbox } = known;
        let sandbox = Some(sandbox);
        Some((Name::parse(&id).ok()?, PriorMerchant { has_state, projects, levels, filters, sandbox }))
    };
    let merchants = merchants.into_iter().map(|one| merchant(one).ok_or_else(damaged)).collect::<Result<_, _>>()?;
    Ok(PriorConfiguration { tokens, has_file_rates, minor_units, configured_minor_units, merchants })
}

fn read_units(written: BTreeMap<String, u8>) -> Option<BTreeMap<Currency, u8>> {
    written.into_iter().map(|(code, units)| Some((Currency::parse(&code)?, units))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::fs::memory::Memory;

    const JOURNAL: JournalId = JournalId([7; 16]);

    fn prior() -> PriorConfiguration {
        let merchant = PriorMerchant { has_state: true, projects: 1, levels: 2, filters: 3, sandbox: Some(false) };
        PriorConfiguration {
            tokens: 2,
            has_file_rates: true,
            minor_units: [(Currency::parse("EUR").unwrap(), 2)].into(),
            configured_minor_units: [("EUR", 2), ("JPY", 0)]
                .map(|(code, units)| (Currency::parse(code).unwrap(), units))
                .into(),
            merchants: [(Name::parse("acme").unwrap(), merchant)].into(),
        }
    }

    #[test]
    fn the_file_is_read_as_it_was_written() {
        let store = Arc::new(Memory::new());
        let file = ConfigurationFile::open(Arc::clone(&store) as _, JOURNAL).unwrap();
        assert_eq!(file.prior(), None);
        file.write(prior()).unwrap();
        assert_eq!(read(&*store, Some(JOURNAL)).unwrap(), Some(prior()));
        assert_eq!(
            store.bytes(PATH).unwrap(),
            b"{\"format\":1,\"journal\":\"07070707070707070707070707070707\",\"tokens\":2,\"has_file_rates\":true,\
              \"minor_units\":{\"EUR\":2},\"configured_minor_units\":{\"EUR\":2,\"JPY\":0},\"merchants\":{\"acme\":{\"has_state\":true,\"projects\":1,\"levels\":2,\
              \"filters\":3}}}\ncrc32c 150a8b48\n",
            "the bytes of the file are read by later versions"
        );
    }

    #[test]
    fn a_test_merchant_is_remembered() {
        let mut prior = prior();
        prior.merchants.values_mut().for_each(|merchant| merchant.sandbox = Some(true));
        let bytes = encode(&prior, JOURNAL).unwrap();
        assert_eq!(decode(&bytes, Some(JOURNAL)).unwrap(), prior);
    }

    #[test]
    fn a_file_of_an_earlier_version_is_read() {
        let line = "{\"format\":1,\"journal\":\"07070707070707070707070707070707\",\"tokens\":2,\"has_file_rates\":true,\
                    \"minor_units\":{\"EUR\":2},\"merchants\":{\"acme\":{\"has_state\":true,\"projects\":1,\"levels\":2,\
                    \"filters\":3}}}";
        let bytes = format!("{line}\ncrc32c {:08x}\n", crc32c::crc32c(line.as_bytes()));
        let expected = PriorConfiguration { configured_minor_units: BTreeMap::new(), ..prior() };
        assert_eq!(decode(bytes.as_bytes(), Some(JOURNAL)).unwrap(), expected);
    }

    #[test]
    fn minor_units_are_written_before_their_first_amount_or_not_at_all() {
        let store = Arc::new(Memory::new());
        let file = ConfigurationFile::open(Arc::clone(&store) as _, JOURNAL).unwrap();
        let eur = Currency::parse("EUR").unwrap();
        let on_disk = || read(&*store, Some(JOURNAL)).unwrap().unwrap();
        for units in [2, 3] {
            let mut currencies = Currencies::default();
            currencies.set(eur, units);
            file.write_minor_units(&currencies).unwrap();
            assert_eq!(on_disk().configured_minor_units[&eur], units);
            assert_eq!(on_disk().minor_units, BTreeMap::new(), "no amount is recorded yet");
        }
        let mut after_a_kill = on_disk();
        let state = RecordedState { currencies: [eur].into(), ..RecordedState::default() };
        after_a_kill.set_state(&state);
        assert_eq!(after_a_kill.minor_units, [(eur, 3)].into());
    }

    #[test]
    fn a_changed_byte_another_journal_and_a_newer_format_are_refused() {
        let bytes = encode(&prior(), JOURNAL).unwrap();
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            assert!(matches!(decode(&damaged, None), Err(ConfigurationFileError::Damaged)), "byte {at}");
        }
        assert!(matches!(decode(&bytes, Some(JournalId([8; 16]))), Err(ConfigurationFileError::Foreign(_))));
        let line = "{\"format\":2}";
        let newer = format!("{line}\ncrc32c {:08x}\n", crc32c::crc32c(line.as_bytes()));
        assert!(matches!(decode(newer.as_bytes(), None), Err(ConfigurationFileError::Newer(2))));
    }
}
