//! An authority and the certificate of a server at 127.0.0.1, made by `openssl`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The files of a server with TLS.
#[derive(Debug, Clone)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The server's certificate, which the authority signed.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes the files in a folder.
    pub fn make(folder: &Path) -> Certificates {
        let at = |name: &str| folder.join(name);
        let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let text = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let (ca, ca_key) = (text(&at("ca.pem")), text(&at("ca.key")));
        let (certificate, key, request) = (text(&at("server.pem")), text(&at("server.key")), text(&at("server.csr")));
        let names = text(&at("names.cnf"));
        std::fs::write(&names, "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
        openssl(&[&["req", "-x509", "-days", "2", "-subj", "/CN=ca", "-keyout", &ca_key, "-out", &ca], &new_key[..]]);
        openssl(&[&["req", "-subj", "/CN=server", "-keyout", &key, "-out", &request], &new_key[..]]);
        let signed_by = ["-CA", ca.as_str(), "-CAkey", &ca_key, "-CAcreateserial", "-days", "2", "-extfile", &names];
        openssl(&[&["x509", "-req", "-in", &request, "-out", &certificate], &signed_by[..]]);
        Certificates { ca: at("ca.pem"), certificate: at("server.pem"), key: at("server.key") }
    }
}

fn openssl(arguments: &[&[&str]]) {
    let mut command = Command::new("openssl");
    command.args(arguments.concat()).stdin(Stdio::null());
    let output = command.output().expect("`openssl` is installed: see tests/run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
