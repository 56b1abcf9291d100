//! Digests: the version of a configuration, and the digest of a level's entry.

use sha2::{Digest, Sha256};

/// The version of named contents: hex of the first 8 bytes of a SHA-256 over names and contents, each with its length.
pub(super) fn version_of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> String {
    let mut hasher = Sha256::new();
    for (name, content) in files {
        for part in [name.as_bytes(), content] {
            hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
    }
    hasher.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The first 16 bytes of a SHA-256.
pub(super) fn digest(text: &str) -> u128 {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(16).rev().fold(0, |digest, byte| digest << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn the_version_depends_on_names_and_contents() {
        let version = version_of([("a", b"1".as_slice()), ("b", b"2")]);
        assert_eq!(version.len(), 16);
        assert_eq!(version, version_of([("a", b"1".as_slice()), ("b", b"2")]));
        assert_ne!(version, version_of([("a", b"12".as_slice()), ("b", b"")]));
        assert_ne!(version, version_of([("b", b"2".as_slice()), ("a", b"1")]));
    }
}
