//! The customers that a command reads or writes: those of a running daemon, or of a data folder.

use crate::{
    cli::support::{
        client_files::ClientFiles,
        configuration::{self, default_folder},
    },
    clock::{Clock, Source},
    config,
    daemon::data_folder::{self, ArchiveLosses, OpenedFolder},
    domain::{
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::{text::suggest::did_you_mean, time::Millis},
    },
    service::{
        import_export::row::ImportTarget,
        jobs::{Jobs, resume::resume_unfinished},
    },
};
use anyhow::Context;
use std::{path::PathBuf, sync::Arc};

/// Which merchant's customers, and where they are.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CustomerSource {
    /// The merchant; optional if the configuration has one merchant
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) merchant: Option<String>,
    /// The configuration folder of a data folder that no daemon serves
    #[arg(long, value_name = "DIR", env = "LEVELGATE_CONFIG", default_value_os_t = default_folder())]
    pub(in crate::cli) config: PathBuf,
    /// The address of a running daemon, instead of a data folder
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) url: Option<String>,
    // With `url`.
    #[command(flatten)]
    files: ClientFiles,
}

impl CustomerSource {
    /// The files of a request to the daemon.
    pub(in crate::cli) fn client_files(&self) -> &ClientFiles {
        &self.files
    }

    /// The merchant's id, which a request to a daemon needs.
    pub(in crate::cli) fn merchant_id(&self) -> anyhow::Result<&str> {
        self.merchant.as_deref().context("--merchant is needed with --url: name the merchant of the customers")
    }

    /// The merchant in a configuration.
    pub(in crate::cli) fn merchant_in(&self, rules: &Rules) -> anyhow::Result<Arc<Merchant>> {
        let merchants = &rules.merchants;
        let known = || rules.merchant_ids().join(", ");
        match &self.merchant {
            Some(id) => merchants.get(id.as_str()).cloned().with_context(|| {
                let near = did_you_mean(id, rules.merchant_ids());
                format!("the configuration has no merchant {id:?}; it has {}{near}", known())
            }),
            None => {
                let mut all = merchants.values();
                match (all.next(), all.next()) {
                    (Some(only), None) => Ok(Arc::clone(only)),
                    _ => anyhow::bail!("--merchant is needed: the configuration has {}", known()),
                }
            }
        }
    }

    /// Opens the data folder as a daemon does, finishes its unfinished jobs, runs `work`, and makes everything durable.
    ///
    /// # Errors
    /// The configuration is invalid, the folder cannot be opened, or `work` fails.
    pub(in crate::cli) fn with_data_folder<T>(
        &self,
        work: impl FnOnce(&ImportTarget<'_>, &Jobs) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let loaded = configuration::load(&self.config)?;
        configuration::require_daemon_file(&loaded)?;
        let settings = &loaded.settings;
        anyhow::ensure!(
            settings.store.kind == config::StoreKind::Disk,
            "[store] kind is \"memory\": there is no data folder; name a running daemon with --url"
        );
        let mut opened = data_folder::open(settings, Some(&loaded.rules), ArchiveLosses::Refuse).context(
            "the data folder cannot be opened; if a daemon serves it, do not stop it: name it with --url http://...",
        )?;
        let jobs = opened.jobs()?;
        let OpenedFolder { ledger, newest_time, .. } = opened;
        let clock = Clock::new(Source::System);
        clock.resume(newest_time);
        let now: Millis = clock.stamp(None)?.at;
        // The levels and rates that operators set through the API apply here too.
        let rules = loaded.effective_rules(&ledger.overrides()).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("{}", texts.join("; "))
        })?;
        let merchant = self.merchant_in(&rules)?;
        resume_unfinished(&jobs, &ledger, &rules, now);
        let new_from = ledger.next_customer();
        let done = work(
            &ImportTarget {
                ledger: &ledger,
                merchant: &merchant,
                by: None,
                job: None,
                now,
                new_from,
                resumed_after: None,
            },
            &jobs,
        )?;
        ledger.journal().mark_clean_stop()?;
        Ok(done)
    }
}
