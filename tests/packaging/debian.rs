//! The Debian package: built from the built binary, installed, upgraded, removed. It is installed on this machine, and
//! nothing of it is left. The test needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use crate::{printed, run_system};
use support::process::program_path;

/// Runs `dpkg`, and requires that it succeeds.
fn dpkg(arguments: &[&str]) -> String {
    let output = run_system("dpkg", arguments, "");
    assert!(output.status.success(), "dpkg {arguments:?}:\n{}", printed(&output));
    printed(&output)
}

fn build(folder: &Path, version: &str) -> String {
    let binary = program_path();
    let mut command = Command::new(support::environment::repository().join("packaging/build-deb"));
    command.arg(&binary).arg(folder).arg(version).env("LEVELGATE_DEB_COMPRESSION", "none");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", printed(&output));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The versions that the test installs. No release has them.
const VERSIONS: [&str; 2] = ["0.0.1", "0.0.2"];

/// Removes the package, and the folder of data if it has no file: the test leaves it empty.
fn remove_what_is_left() {
    let _ = run_system("dpkg", &["--purge", "levelgate"], "");
    let _ = fs::remove_dir("/var/lib/levelgate/data");
    let _ = fs::remove_dir("/var/lib/levelgate");
}

/// Removes the package at the end of the test, however it ends.
struct Installed;

impl Drop for Installed {
    fn drop(&mut self) {
        remove_what_is_left();
    }
}

/// Removes what a killed run of the test has left. If someone else installed the package, it stays, and the test fails.
fn require_a_machine_without_levelgate() {
    let known = run_system("dpkg-query", &["-W", "-f=${Status} ${Version}", "levelgate"], "");
    let known = String::from_utf8(known.stdout).unwrap();
    let version = known.split(' ').next_back().unwrap_or_default();
    if VERSIONS.contains(&version) {
        let _ = fs::remove_file("/etc/levelgate/merchants/shop.toml");
    }
    if version.is_empty() || VERSIONS.contains(&version) {
        remove_what_is_left();
    }
    for path in ["/usr/bin/levelgate", "/etc/levelgate", "/var/lib/levelgate"] {
        assert!(!Path::new(path).exists(), "levelgate is installed on this machine already ({known}): {path} is there");
    }
}

#[test]
fn the_package_is_installed_upgraded_and_removed() {
    require_a_machine_without_levelgate();
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = VERSIONS.map(|version| build(folder.path(), version));
    let listed = String::from_utf8(run_system("dpkg-deb", &["--contents", &first], "").stdout).unwrap();
    for path in [
        "./usr/bin/levelgate",
        "./lib/systemd/system/levelgate.service",
        "./usr/share/man/man1/levelgate-serve.1.gz",
        "./usr/share/doc/levelgate/sbom.cdx.json",
    ] {
        let line = listed.lines().find(|line| line.ends_with(path)).unwrap_or_else(|| panic!("{path} in\n{listed}"));
        assert!(line.contains("root/root"), "{line}");
    }

    let installed = Installed;
    dpkg(&["--install", &first]);
    let checked = run_system("/usr/bin/levelgate", &["check", "/etc/levelgate"], "");
    assert!(checked.status.success(), "{}", printed(&checked));
    let owner = fs::metadata("/var/lib/levelgate").unwrap();
    assert_eq!(owner.permissions().mode() & 0o7777, 0o700);
    let user = String::from_utf8(run_system("id", &["-u", "levelgate"], "").stdout).unwrap();
    assert_eq!(owner.uid().to_string(), user.trim());
    // The daemon's user reads the configuration and writes the data, and other users do neither.
    let by_user = |user: &str, command: &str| run_system("runuser", &["-u", user, "--", "sh", "-c", command], "");
    assert!(
        by_user(
            "levelgate",
            "cat /etc/levelgate/levelgate.toml && touch /var/lib/levelgate/x && rm /var/lib/levelgate/x"
        )
        .status
        .success()
    );
    assert!(!by_user("nobody", "cat /etc/levelgate/levelgate.toml").status.success());
    assert!(!by_user("nobody", "ls /var/lib/levelgate").status.success());
    let doctor = by_user("levelgate", "cd /var/lib/levelgate && levelgate doctor --config /etc/levelgate");
    assert!(printed(&doctor).contains("ok       folder"), "{}", printed(&doctor));
    let units = ["/lib/systemd/system/levelgate.service", "/lib/systemd/system/levelgate.socket"];
    let verified = run_system("systemd-analyze", &[&["verify", "--man=no"], &units[..]].concat(), "");
    assert!(verified.status.success() && !printed(&verified).contains("levelgate."), "{}", printed(&verified));

    // An upgrade keeps the files of an operator.
    fs::write("/etc/levelgate/merchants/shop.toml", "id = \"shop\"\n").unwrap();
    let settings = fs::read_to_string("/etc/levelgate/levelgate.toml").unwrap();
    fs::write("/etc/levelgate/levelgate.toml", format!("{settings}# mine\n")).unwrap();
    fs::create_dir("/var/lib/levelgate/data").unwrap();
    dpkg(&["--install", &second]);
    let version = run_system("dpkg-query", &["-W", "-f=${Version}", "levelgate"], "");
    assert_eq!(version.stdout, VERSIONS[1].as_bytes());
    assert!(fs::read_to_string("/etc/levelgate/levelgate.toml").unwrap().ends_with("# mine\n"));
    assert_eq!(fs::read_to_string("/etc/levelgate/merchants/shop.toml").unwrap(), "id = \"shop\"\n");

    dpkg(&["--remove", "levelgate"]);
    assert!(!Path::new("/usr/bin/levelgate").exists() && Path::new("/etc/levelgate/levelgate.toml").exists());
    fs::remove_file("/etc/levelgate/merchants/shop.toml").unwrap();
    let told = dpkg(&["--purge", "levelgate"]);
    assert!(!Path::new("/etc/levelgate").exists(), "{told}");
    assert!(told.contains("has the record of every payment and is kept"), "{told}");
    drop(installed);
    assert!(!Path::new("/var/lib/levelgate").exists());
}
