//! Reads a data folder for a command that compares a configuration with it. It takes no lock and changes nothing, so a
//! daemon may serve the folder.

use crate::{
    config::{Loaded, PriorConfiguration, Settings},
    daemon::{
        data_folder::{
            configuration_file::{ConfigurationFileError, read, recorded_state},
            parts::check_parts,
            start_check::load_folder,
        },
        memory_ledger::ledger_bounds,
    },
    domain::vocabulary::time::Millis,
    ledger::{DefaultCountries, Ledger, LedgerStorage, ShadowLedger},
    storage::{
        fs::{Store, disk::Disk},
        journal::{History, Instance, Journal, Lsn},
    },
};
use anyhow::Context;
use std::{path::Path, sync::Arc};

/// The state of a data folder, and what it remembers of the configuration in force.
pub(crate) struct RecordedFolder {
    /// The state. What is recorded in it is not written to the folder.
    pub(crate) ledger: Ledger,
    /// The newest recorded time; `None`: no time was recorded.
    pub(crate) newest_time: Option<Millis>,
    /// `None`: the folder was never served by a version that remembers.
    pub(crate) prior: Option<PriorConfiguration>,
}

/// Loads the state of a folder. It needs as much memory as a start.
///
/// # Errors
/// A start would be refused, for this reason.
pub(crate) fn read_folder(
    path: &Path,
    settings: &Settings,
    countries: DefaultCountries,
) -> anyhow::Result<RecordedFolder> {
    let in_folder = || format!("the data folder {}", path.display());
    let store: Arc<dyn Store> = Arc::new(Disk::open_unlocked(path));
    let mut loaded = load_folder(&store).with_context(in_folder)?;
    let prior = read(&*store, Some(loaded.instance.id)).with_context(in_folder)?;
    loaded.state.set_default_countries(countries);
    let storage = LedgerStorage {
        journal: Arc::new(Journal::in_memory()),
        keys: loaded.keys,
        archive: None,
        secret: loaded.instance.secret,
    };
    let (ledger, newest_time) = loaded.state.finish(ledger_bounds(settings), storage);
    Ok(RecordedFolder { ledger, newest_time, prior })
}

/// A history that can be replayed, and the empty ledger to replay it in.
pub(crate) struct ReadHistory {
    /// The records.
    pub(crate) history: History,
    /// The empty ledger.
    pub(crate) shadow: ShadowLedger,
}

/// Opens the history of a folder, to replay it under other settings. It needs as much memory as a start, to check the folder
/// and to read what is known at its end.
///
/// # Errors
/// A start would be refused, for this reason; records in the middle are lost; or the files give a currency of recorded amounts
/// other minor units.
pub(crate) fn read_history(path: &Path, files: &Loaded) -> anyhow::Result<ReadHistory> {
    let in_folder = || format!("the data folder {}", path.display());
    let store: Arc<dyn Store> = Arc::new(Disk::open_unlocked(path));
    let loaded = load_folder(&store).with_context(in_folder)?;
    let prior = read(&*store, Some(loaded.instance.id)).with_context(in_folder)?;
    let history = History::open(Arc::clone(&store), loaded.instance.id, loaded.verdict.last)
        .map_err(anyhow::Error::from)
        .with_context(in_folder)?;
    let limits = ledger_bounds(&files.settings);
    let (keys, secret) = (Arc::clone(&loaded.keys), loaded.instance.secret);
    let storage =
        || LedgerStorage { journal: Arc::new(Journal::in_memory()), keys: Arc::clone(&keys), archive: None, secret };
    let shadow_storage = storage();
    let (last, _) = loaded.state.finish(limits, storage());
    if let Some(prior) = prior {
        let currencies = &files.rules.currencies;
        let known = recorded_state(&last).currencies;
        let changed = prior
            .configured_minor_units
            .iter()
            .find(|(currency, units)| known.contains(currency) && currencies.minor_units(**currency) != Some(**units));
        if let Some((currency, units)) = changed {
            anyhow::bail!(
                "amounts in {currency} are recorded with {units} minor units, and the configuration has others:                  set them in [currencies]"
            );
        }
    }
    let shadow = ShadowLedger::new(limits, shadow_storage, &files.rules, &last, history.first() > Lsn(1));
    Ok(ReadHistory { history, shadow })
}

/// What a folder remembers of the configuration in force, without loading its state; `None`: there is no folder, or it
/// remembers nothing.
///
/// # Errors
/// The folder's parts do not belong together, or the file cannot be read.
pub(crate) fn read_configuration(path: &Path) -> anyhow::Result<Option<PriorConfiguration>> {
    if !path.is_dir() {
        return Ok(None);
    }
    let store = Disk::open_unlocked(path);
    let read = || -> anyhow::Result<Option<PriorConfiguration>> {
        check_parts(&store)?;
        let id = Instance::known(&store)?.map(|instance| instance.id);
        let prior: Result<_, ConfigurationFileError> = read(&store, id);
        Ok(prior?)
    };
    read().with_context(|| format!("the data folder {}", path.display()))
}
