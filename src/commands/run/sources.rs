//! The addresses that connections leave from.

use anyhow::{Context, bail};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// Reads `--source`; every error is the user's to mend.
pub fn sources(given: &[String]) -> anyhow::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for text in given {
        addresses.extend(range(text).with_context(|| format!("--source {text}"))?);
    }
    for address in &addresses {
        // A socket that sends nothing: whether the address is one of this machine.
        let bound = UdpSocket::bind((*address, 0));
        bound.with_context(|| format!("--source {address}: connections cannot leave from it"))?;
    }
    Ok(addresses)
}

/// One address, or several that differ in their last number.
fn range(text: &str) -> anyhow::Result<Vec<IpAddr>> {
    const SHAPE: &str = "write an address such as 10.0.0.7, or several such as 127.0.0.2-9";
    let Some((first, last)) = text.split_once('-') else {
        return Ok(vec![text.parse().context(SHAPE)?]);
    };
    let first: Ipv4Addr = first.parse().context(SHAPE)?;
    let last: u8 = last.parse().context(SHAPE)?;
    let [a, b, c, from] = first.octets();
    if last < from {
        bail!("{last} is below {from}; {SHAPE}");
    }
    Ok((from..=last).map(|number| Ipv4Addr::new(a, b, c, number).into()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_or_refused_with_a_reason() {
        let read = |texts: &[&str]| {
            sources(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
                .map(|addresses| addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
                .map_err(|error| format!("{error:#}"))
        };
        assert_eq!(read(&[]).unwrap(), "");
        assert_eq!(read(&["127.0.0.2-4", "127.0.0.9"]).unwrap(), "127.0.0.2 127.0.0.3 127.0.0.4 127.0.0.9");
        for (text, reason) in [
            ("127.0.0.9-2", "2 is below 9"),
            ("127.0.0.2-256", "such as 127.0.0.2-9"),
            ("localhost", "write an address"),
            ("192.0.2.1", "cannot leave from it"),
        ] {
            let error = read(&[text]).unwrap_err();
            assert!(error.contains(reason) && error.starts_with("--source"), "{text}: {error}");
        }
    }
}
