//! The configuration in force, while it changes under load.
//!
//! Each operation is decided by one configuration. Operations whose answer does not name it are sent while no reload can
//! come; a single reserve names it, and may meet a reload.

use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use crate::client::Client;
use crate::folders::TestFolders;
use crate::model::Rules;
use support::random::Random;

/// Configurations in the order in which they came since the daemon started, the newest being that of the files. Each
/// has the version that the daemon gave it, once that is known.
#[derive(Debug)]
pub(crate) struct InForce {
    came: Mutex<Vec<(Arc<Rules>, Option<String>)>>,
    reloading: RwLock<()>,
}

impl InForce {
    /// The one of a new folder.
    pub(crate) fn first() -> InForce {
        InForce { came: Mutex::new(vec![(Arc::new(Rules::first()), None)]), reloading: RwLock::default() }
    }

    /// As long as this is held no reload begins; none is under way.
    pub(crate) fn stays(&self) -> RwLockReadGuard<'_, ()> {
        self.reloading.read().unwrap()
    }

    /// The newest.
    pub(crate) fn newest(&self) -> Arc<Rules> {
        Arc::clone(&self.came.lock().unwrap().last().expect("one is there").0)
    }

    /// The configuration of a version in an answer. Only the newest can be unknown: its reload has no answer yet.
    pub(crate) fn of(&self, version: &str) -> Option<Arc<Rules>> {
        let came = self.came.lock().unwrap();
        let known = came.iter().rev().find(|(_, known)| known.as_deref() == Some(version));
        known.or(came.last().filter(|(_, known)| known.is_none())).map(|(rules, _)| Arc::clone(rules))
    }

    /// A configuration that was in force, and all later ones.
    pub(crate) fn since(&self, rules: &Arc<Rules>) -> Vec<Arc<Rules>> {
        let came = self.came.lock().unwrap();
        let from = came.iter().rposition(|(of, _)| Arc::ptr_eq(of, rules)).expect("it was in force");
        came[from..].iter().map(|(rules, _)| Arc::clone(rules)).collect()
    }

    /// A daemon has started with the newest: those before it are no more.
    pub(crate) fn started(&self, client: &mut Client) {
        let version = reloaded(client).expect("an answer");
        let mut came = self.came.lock().unwrap();
        let newest = came.pop().expect("one is there");
        *came = vec![(newest.0, Some(version))];
    }

    /// Writes another configuration and has it read, unless everything `ends`. A daemon that is killed during the reload has
    /// read it or not; the next one does.
    pub(crate) fn reload(
        &self,
        folders: &TestFolders,
        random: &mut Random,
        client: &mut Client,
        ends: impl Fn() -> bool,
    ) {
        let _alone = self.reloading.write().unwrap();
        if ends() {
            return;
        }
        let rules = Rules::another(random);
        folders.configure(&rules);
        self.came.lock().unwrap().push((Arc::new(rules), None));
        let version = reloaded(client);
        self.came.lock().unwrap().last_mut().expect("one is there").1 = version;
    }
}

/// Has the files read; the version that they have. `None`: no answer.
fn reloaded(client: &mut Client) -> Option<String> {
    let answer = client.call("POST", "/v1/reload", "")?.ok();
    Some(answer["config_version"].as_str().expect("a version").to_owned())
}
