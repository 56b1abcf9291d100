//! Authorities and certificates, made by `openssl`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/// A certificate and its private key.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// An authority that signs certificates.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Its certificate.
    pub ca: PathBuf,
    key: PathBuf,
}

impl Authority {
    /// Makes an authority; its files have this name.
    pub fn make(folder: &Path, name: &str) -> Authority {
        let (ca, key) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key")));
        let subject = format!("/CN={name}");
        let made = ["req", "-x509", "-days", "2", "-subj", &subject, "-keyout", text(&key), "-out", text(&ca)];
        openssl(&[&made, &NEW_KEY[..]]);
        Authority { ca, key }
    }

    /// Signs a certificate of a server at 127.0.0.1, which is valid for so many days; its files have this name.
    pub fn server(&self, name: &str, days: i32) -> KeyPair {
        let uses =
            "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n";
        self.sign((name, days), "/CN=server", uses)
    }

    /// Signs a certificate of a client with this subject, such as `/CN=till`; its files have this name.
    pub fn client(&self, name: &str, subject: &str, days: i32) -> KeyPair {
        self.sign((name, days), subject, "basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
    }

    fn sign(&self, (name, days): (&str, i32), subject: &str, extensions: &str) -> KeyPair {
        let at = |end: &str| self.ca.with_file_name(format!("{name}.{end}"));
        let (certificate, key, request, file) = (at("pem"), at("key"), at("csr"), at("cnf"));
        std::fs::write(&file, extensions).expect("a file of extensions");
        let asked = ["req", "-utf8", "-subj", subject, "-keyout", text(&key), "-out", text(&request)];
        openssl(&[&asked, &NEW_KEY[..]]);
        let days = days.to_string();
        let signed = ["x509", "-req", "-in", text(&request), "-out", text(&certificate), "-days", &days];
        let by = ["-CA", text(&self.ca), "-CAkey", text(&self.key), "-CAcreateserial", "-extfile", text(&file)];
        openssl(&[&signed, &by[..]]);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
        KeyPair { certificate, key }
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

fn openssl(arguments: &[&[&str]]) {
    let mut command = Command::new("openssl");
    command.args(arguments.concat()).stdin(Stdio::null());
    let output = command.output().expect("`openssl` is installed: see tests/run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
