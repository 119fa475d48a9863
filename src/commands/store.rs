//! Where a store is, as it was typed.

use crate::server::{PostgresAddress, ServerError, try_store};
use anyhow::Context;

/// The variable in which posthaste hands an address on to its servers: their
/// arguments stand in the list of processes.
pub const HANDED_ON: &str = "POSTHASTE_STORE";

/// The database that `--store` names. The error repeats nothing of a password.
pub fn address(store: &str, schema: &str) -> anyhow::Result<PostgresAddress> {
    let url = url(store)?;
    let password = std::env::var("PGPASSWORD").ok();
    PostgresAddress::parse(&url, schema, password.as_deref()).context("--store, --schema")
}

/// The URL that `--store` names, or that is in the variable which it names.
pub fn url(store: &str) -> anyhow::Result<String> {
    match store.strip_prefix("env:") {
        Some(name) => std::env::var(name).with_context(|| format!("--store env:{name}")),
        None => Ok(store.to_owned()),
    }
}

/// Connects once: what is wrong is said before anything is started.
pub fn reach(address: &PostgresAddress) -> anyhow::Result<()> {
    try_store(address).map_err(|reason| ServerError::Store { address: address.clone(), reason }.into())
}

/// The database of PostgreSQL that `--serve store=URL` names.
pub fn named_by(options: &[String]) -> Option<&str> {
    options.iter().rev().find_map(|option| option.strip_prefix("store="))
}

/// Whether an option of `--serve` names one.
pub fn is_store(option: &str) -> bool {
    option.starts_with("store=")
}

/// An option as it may be shown: an address may have a password in it.
pub fn shown(option: &str) -> &str {
    if is_store(option) { "store=…" } else { option }
}
