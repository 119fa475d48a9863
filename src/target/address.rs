//! Where a target is, and whether posthaste may send load there: a load tool
//! is a weapon pointed by a typo.

use std::net::{IpAddr, Ipv6Addr};
use url::{Host, Url};

/// The base address of a target's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path before the API's own, without a trailing slash: "" or "/slack".
    pub prefix: String,
}

/// Why an address is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL that posthaste can use.
    #[error("--url {url}: {reason}")]
    Invalid {
        /// As given.
        url: String,
        /// Why.
        reason: String,
    },
    /// Not loopback, not private, not allowed by name.
    #[error(
        "{host} resolves to {ip}, which is neither loopback nor private; to send load there, say so with --allow-host {host} and --ceiling RATE"
    )]
    Public {
        /// The host of the URL.
        host: String,
        /// The address that is not allowed.
        ip: IpAddr,
    },
}

impl Address {
    /// Parses the value of `--url`.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let invalid = |reason: &str| AddressError::Invalid { url: text.to_owned(), reason: reason.to_owned() };
        let url =
            Url::parse(text).map_err(|error| invalid(&format!("{error}; write http://HOST:PORT or https://HOST")))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(invalid("the scheme must be http or https")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(invalid("a user or password in the URL is not used; remove it"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(invalid("a query or fragment is not used; remove it"));
        }
        let host = match url.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(ip)) => ip.to_string(),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            None => return Err(invalid("the host is missing")),
        };
        let port = url.port_or_known_default().ok_or_else(|| invalid("the port is missing"))?;
        Ok(Self { tls, host, port, prefix: url.path().trim_end_matches('/').to_owned() })
    }

    /// `host:port` as a `Host` header has it; without the port where it is the
    /// scheme's own.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// Scheme and authority: what a path of the API is put behind.
    pub fn origin(&self) -> String {
        format!("http{}://{}", if self.tls { "s" } else { "" }, self.authority())
    }

    /// The same for a WebSocket.
    pub fn socket_origin(&self) -> String {
        format!("ws{}://{}", if self.tls { "s" } else { "" }, self.authority())
    }

    /// The base URL.
    pub fn url(&self) -> String {
        format!("{}{}", self.origin(), self.prefix)
    }

    /// Whether load may go to a resolved address of this host.
    pub fn permit(&self, ip: IpAddr, allowed_hosts: &[String]) -> Result<(), AddressError> {
        if is_near(ip) || allowed_hosts.iter().any(|host| host.eq_ignore_ascii_case(&self.host)) {
            return Ok(());
        }
        Err(AddressError::Public { host: self.host.clone(), ip })
    }
}

/// Whether load may go to an address that the target has named, and that is none
/// of its own: a host that is allowed by its name does not allow those.
pub fn permit_named(ip: IpAddr, allowed_hosts: &[String]) -> Result<(), AddressError> {
    let text = ip.to_string();
    if is_near(ip) || allowed_hosts.contains(&text) {
        return Ok(());
    }
    Err(AddressError::Public { host: text, ip })
}

/// Loopback, private and link-local addresses.
fn is_near(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(mapped) => is_near(IpAddr::V4(mapped)),
            None => ip == Ipv6Addr::LOCALHOST || ip.is_unique_local() || ip.is_unicast_link_local(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_parsed_or_refused_with_a_reason() {
        let parsed = Address::parse("http://127.0.0.1:8065/slack/").unwrap();
        assert_eq!(parsed, Address { tls: false, host: "127.0.0.1".into(), port: 8065, prefix: "/slack".into() });
        for (url, origin, socket_origin) in [
            ("http://[::1]:9", "http://[::1]:9", "ws://[::1]:9"),
            ("http://chat.example:80/", "http://chat.example", "ws://chat.example"),
            ("http://chat.example:443", "http://chat.example:443", "ws://chat.example:443"),
            ("https://chat.example/", "https://chat.example", "wss://chat.example"),
            ("https://127.0.0.1:8443", "https://127.0.0.1:8443", "wss://127.0.0.1:8443"),
        ] {
            let parsed = Address::parse(url).unwrap();
            assert_eq!((parsed.url().as_str(), parsed.socket_origin().as_str()), (origin, socket_origin));
        }
        for (url, reason) in [
            ("127.0.0.1:80", "write http://HOST:PORT"),
            ("ftp://a", "scheme must be http or https"),
            ("http://me:secret@a", "user or password"),
            ("http://a?x=1", "query or fragment"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn what_a_target_names_is_not_allowed_by_the_targets_name() {
        let allowed = ["chat.example".to_owned(), "203.0.113.9".to_owned()];
        for (ip, permitted) in [("10.0.0.1", true), ("203.0.113.9", true), ("203.0.113.10", false), ("::1", true)] {
            assert_eq!(permit_named(ip.parse().unwrap(), &allowed).is_ok(), permitted, "{ip}");
        }
    }

    #[test]
    fn only_near_addresses_are_permitted_unless_allowed_by_name() {
        let address = Address::parse("http://chat.example:80").unwrap();
        for (ip, near) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("169.254.0.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("::ffff:10.0.0.1", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2606:4700::1111", false),
            ("::ffff:8.8.8.8", false),
            ("0.0.0.0", false),
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            assert_eq!(address.permit(ip, &[]).is_ok(), near, "{ip}");
            assert!(address.permit(ip, &["chat.example".into()]).is_ok());
            assert_eq!(address.permit(ip, &["other.example".into()]).is_ok(), near);
        }
    }
}
