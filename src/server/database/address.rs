//! Where a store in PostgreSQL is. The password in it is shown to nobody.

use super::super::apps::poster::is_near;
use postgres::Config;
use postgres::config::Host;
use postgres::config::SslMode;
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for a connection where the address does not say it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what was sent may stay without a sign of the other side: a
/// connection that is dead must show, for a commit waits on it.
const SILENCE: Duration = Duration::from_secs(10);
/// PostgreSQL cuts longer names.
const SCHEMA_BYTES: usize = 63;

/// A database of PostgreSQL, and the schema in it that holds the tables.
#[derive(Clone)]
pub struct PostgresAddress {
    config: Arc<Config>,
    schema: String,
}

/// Why an address is none that a store can be at. It repeats nothing of the
/// address but the host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// It is no URL of PostgreSQL.
    #[error("write postgres://USER@HOST:PORT/DATABASE, the password in it or in PGPASSWORD; a SQLite file is --db")]
    Scheme,
    /// A part of it is wrong.
    #[error("the address of the database: {0}")]
    Part(String),
    /// It asks for TLS.
    #[error("posthaste speaks no TLS to a database: write sslmode=disable, or lead a tunnel to it")]
    Tls,
    /// Neither loopback nor private.
    #[error("{0} is neither loopback nor private, and posthaste speaks no TLS to a database: lead a tunnel to it")]
    Public(String),
    /// The host has no address.
    #[error("the database's host {0} is not known: {1}")]
    Unknown(String, String),
    /// No name of a schema.
    #[error("{0:?} is no name of a schema: up to 63 small letters, digits and _, no digit first")]
    Schema(String),
}

impl PostgresAddress {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`. The password is used
    /// where the URL has none.
    ///
    /// # Errors
    /// [`AddressError`] where there can be no store.
    pub fn parse(url: &str, schema: &str, password: Option<&str>) -> Result<Self, AddressError> {
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(AddressError::Scheme);
        }
        let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_';
        let begins = schema.starts_with(|letter: char| !letter.is_ascii_digit());
        if !begins || schema.len() > SCHEMA_BYTES || !schema.chars().all(is_plain) || schema.starts_with("pg_") {
            return Err(AddressError::Schema(schema.to_owned()));
        }
        // What the parser finds wrong may be a part of the password.
        let wrong = |_| AddressError::Part("it cannot be read; write % before what has a meaning in URLs".to_owned());
        let mut config: Config = url.parse().map_err(wrong)?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(AddressError::Tls);
        }
        if config.get_password().is_none() {
            password.map(|password| config.password(password));
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(AddressError::Part("it names no host".to_owned()));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_TIMEOUT);
        }
        config.tcp_user_timeout(SILENCE).keepalives_idle(SILENCE).keepalives_interval(SILENCE / 3);
        config.keepalives_retries(3).application_name(&format!("posthaste {schema}"));
        let address = Self { config: Arc::new(config), schema: schema.to_owned() };
        address.check_hosts()?;
        Ok(address)
    }

    /// Messages and tokens go there in the clear.
    fn check_hosts(&self) -> Result<(), AddressError> {
        for host in self.config.get_hosts() {
            let Host::Tcp(host) = host else { continue };
            let unknown = |error: std::io::Error| AddressError::Unknown(host.clone(), error.to_string());
            let mut found = (host.trim_matches(['[', ']']), 0).to_socket_addrs().map_err(unknown)?;
            if found.any(|found| !is_near(found.ip())) {
                return Err(AddressError::Public(host.clone()));
            }
        }
        match self.config.get_hostaddrs().iter().find(|address| !is_near(**address)) {
            Some(public) => Err(AddressError::Public(public.to_string())),
            None => Ok(()),
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn schema(&self) -> &str {
        &self.schema
    }

    /// The channel of the store's notifications.
    pub(super) fn channel(&self) -> String {
        format!("posthaste_{:016x}", self.lock("channel"))
    }

    /// The advisory lock that a transaction of the store takes, and holds until it
    /// ends.
    pub fn turn(&self) -> i64 {
        self.lock("turn")
    }

    /// The number of a lock that all servers of the store know.
    pub(super) fn lock(&self, of: &str) -> i64 {
        let digest = Sha256::digest(format!("posthaste {of} {}", self.schema));
        let first = digest.first_chunk().copied().unwrap_or_default();
        i64::from_be_bytes(first)
    }
}

/// Without the password.
impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => self.config.get_hostaddrs().first().map_or_else(String::new, ToString::to_string),
        };
        let port = self.config.get_ports().first().unwrap_or(&5432);
        let (user, database) = (self.config.get_user(), self.config.get_dbname());
        let user = user.map_or_else(String::new, |user| format!("{user}@"));
        write!(f, "postgres://{user}{host}:{port}/{} (schema {})", database.unwrap_or_default(), self.schema)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_or_refused_and_never_shows_a_password() {
        let parse = |url| PostgresAddress::parse(url, "posthaste", Some("canary"));
        for (url, shown) in [
            ("postgres://me:canary@127.0.0.1/chat", "postgres://me@127.0.0.1:5432/chat (schema posthaste)"),
            ("postgresql://me@localhost:7/chat", "postgres://me@localhost:7/chat (schema posthaste)"),
            ("postgres://me@%2Frun%2Fpg/chat", "postgres://me@/run/pg:5432/chat (schema posthaste)"),
            ("postgres://me:canary@[::1]/chat?sslmode=prefer", "postgres://me@::1:5432/chat (schema posthaste)"),
        ] {
            let address = parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!((address.to_string().as_str(), format!("{address:?}").as_str()), (shown, shown));
            assert_eq!(address.config().get_password(), Some(&b"canary"[..]));
        }
        for (url, says) in [
            ("mysql://me:canary@127.0.0.1/chat", "write postgres://"),
            ("x.db", "a SQLite file is --db"),
            ("postgres://me:canary@127.0.0.1:canary/chat", "cannot be read"),
            ("postgres://me:canary@127.0.0.1/chat?canary=1", "cannot be read"),
            ("postgres://me:canary@127.0.0.1/chat?sslmode=require", "sslmode=disable"),
            ("postgres://me:canary@8.8.8.8/chat", "8.8.8.8 is neither loopback nor private"),
            ("postgres:///chat", "names no host"),
        ] {
            let error = parse(url).unwrap_err().to_string();
            assert!(error.contains(says) && !error.contains("canary"), "{url}: {error}");
        }
        for schema in ["", "1st", "Chat", "a b", "a\"b", "pg_own", &"x".repeat(64)] {
            let parsed = PostgresAddress::parse("postgres://me@127.0.0.1/chat", schema, None);
            assert_eq!(parsed.unwrap_err(), AddressError::Schema(schema.to_owned()));
        }
    }
}
