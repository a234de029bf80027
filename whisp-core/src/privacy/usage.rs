//! What a host knows of the use of its own product, kept as small as it serves (the policy: «Usage and Technical Data»).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// How many bits of an IPv4 address are kept: those of its network, as the authorities of the EU count it as truncated
/// (CNIL, guidelines on audience measurement, 2020: the last byte goes).
const IPV4_BITS: u32 = 24;

/// How many bits of an IPv6 address are kept: those that a provider gives to a site (RFC 6177), and no household's.
const IPV6_BITS: u32 = 48;

/// From where something was used, as far as it is kept: the network and not the address.
///
/// # Examples
/// ```
/// use whisp_core::privacy::Network;
/// assert_eq!(Network::of("203.0.113.77".parse().unwrap()).to_string(), "203.0.113.0/24");
/// assert_eq!(Network::of("2001:db8:1:2:3::4".parse().unwrap()).to_string(), "2001:db8:1::/48");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network(IpAddr);

impl Network {
    /// Truncates an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        // An IPv4 address that came over an IPv6 socket is one.
        Self(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << (32 - IPV4_BITS)))),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - IPV6_BITS))))
            }
        })
    }

    const fn bits(self) -> u32 {
        if self.0.is_ipv4() { IPV4_BITS } else { IPV6_BITS }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0, self.bits())
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

impl TryFrom<String> for Network {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let address = text.split_once('/').and_then(|(address, _)| address.parse().ok());
        address.map(Self::of).filter(|network| network.to_string() == text).ok_or("not a truncated address")
    }
}

/// What somebody used, as far as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Device {
    /// A computer, or something else that says nothing of itself.
    Computer,
    /// A telephone.
    Phone,
    /// A tablet.
    Tablet,
}

impl Device {
    /// Reads the kind of a device from a `User-Agent` header, of which nothing else is kept: version and model would tell one
    /// person from another.
    #[must_use]
    pub fn of_agent(agent: &str) -> Self {
        let says = |word: &str| agent.contains(word);
        // On Android a tablet is what does not say that it is mobile (Chrome's documentation of its user agent).
        if says("iPad") || says("Tablet") || (says("Android") && !says("Mobile")) {
            Self::Tablet
        } else if says("Mobi") || says("iPhone") || says("Android") {
            Self::Phone
        } else {
            Self::Computer
        }
    }
}

/// Returns whether the header `Sec-GPC` says that the person wants their data neither shared nor used for anything but what
/// they came for ([Global Privacy Control](https://www.w3.org/TR/gpc/), 3.2: its value is `1`, and no other counts). In
/// California that has to be honored as their word (11 CCR § 7025).
#[must_use]
pub fn global_privacy_control(header: Option<&str>) -> bool {
    header.is_some_and(|value| value.trim() == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_address_the_network_is_kept_and_nothing_else_is_read() {
        for (address, network) in [
            ("203.0.113.255", "203.0.113.0/24"),
            ("::ffff:203.0.113.9", "203.0.113.0/24"),
            ("2001:db8:ffff:ffff::1", "2001:db8:ffff::/48"),
            ("::1", "::/48"),
        ] {
            let kept = Network::of(address.parse().unwrap());
            assert_eq!(kept.to_string(), network, "{address}");
            let json = serde_json::to_string(&kept).unwrap();
            assert_eq!(serde_json::from_str::<Network>(&json).unwrap(), kept);
        }
        for wrong in ["\"203.0.113.9/24\"", "\"203.0.113.0/32\"", "\"203.0.113.0\"", "\"x/24\""] {
            assert!(serde_json::from_str::<Network>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn of_a_browser_the_kind_of_device_is_kept() {
        for (agent, device) in [
            ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/140.0", Device::Computer),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Mobile/15E148 Safari/604.1", Device::Phone),
            ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", Device::Phone),
            ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Safari/537.36", Device::Tablet),
            ("Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) Safari/604.1", Device::Tablet),
            ("", Device::Computer),
        ] {
            assert_eq!(Device::of_agent(agent), device, "{agent}");
        }
    }

    #[test]
    fn the_header_says_one_or_nothing() {
        assert!(global_privacy_control(Some("1")) && global_privacy_control(Some(" 1 ")));
        for no in [None, Some(""), Some("0"), Some("true"), Some("11")] {
            assert!(!global_privacy_control(no), "{no:?}");
        }
    }
}
