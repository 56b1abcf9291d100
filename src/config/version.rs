//! The version of a configuration: a digest of its files, and of what stands beside them.

use sha2::{Digest, Sha256};

/// Hex of the first 8 bytes of a SHA-256 over names and contents, each led by its length.
pub(super) fn of<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> String {
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
    let hashed = Sha256::digest(text.as_bytes());
    hashed.iter().take(16).rev().fold(0, |all, byte| all << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn the_version_names_the_bytes_and_where_they_stand() {
        let version = of([("a", b"1".as_slice()), ("b", b"2")]);
        assert_eq!(version.len(), 16);
        assert_eq!(version, of([("a", b"1".as_slice()), ("b", b"2")]));
        assert_ne!(version, of([("a", b"12".as_slice()), ("b", b"")]));
        assert_ne!(version, of([("b", b"2".as_slice()), ("a", b"1")]));
    }
}
