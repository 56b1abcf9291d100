//! Random numbers of the operating system.

/// A random number.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn random_u64() -> anyhow::Result<u64> {
    getrandom::u64().map_err(|error| anyhow::anyhow!("the system returns no random numbers: {error}"))
}

/// A random key for digests that are valid only in this process.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn random_key() -> anyhow::Result<(u64, u64)> {
    Ok((random_u64()?, random_u64()?))
}
