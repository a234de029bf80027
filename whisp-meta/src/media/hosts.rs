//! Where files may be fetched from, and which of these hosts may see the token.

use reqwest::Url;
use whisp_core::media::{MediaError, MediaErrorKind};

use super::never;
use crate::client::GraphClient;

/// A host of Meta's that holds files.
struct FileHost {
    /// Its name; with a dot in front also all that ends so.
    name: &'static str,
    /// Whether it asks for the token. The others get none: their addresses are signed.
    takes_token: bool,
}

/// From Meta's pages named in [`super`] and the addresses in recorded webhooks, November 2026.
const HOSTS: &[FileHost] = &[
    FileHost { name: "lookaside.fbsbx.com", takes_token: true },
    FileHost { name: ".fbsbx.com", takes_token: false },
    FileHost { name: ".fbcdn.net", takes_token: false },
    FileHost { name: ".cdninstagram.com", takes_token: false },
    FileHost { name: ".whatsapp.net", takes_token: false },
];

/// An address that may be called.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) url: Url,
    /// Whether the token may go along.
    pub(super) takes_token: bool,
}

/// Checks an address that somebody told us: `https`, on its usual port, a host of Meta's, no name and password in it. So
/// nobody can make us call into our own network, or hand the token to somebody else.
pub(super) fn check(client: &GraphClient, address: &str) -> Result<Address, MediaError> {
    let refused = |advice| never(MediaErrorKind::Refused, advice);
    let url = Url::parse(address).map_err(|_| refused("the address is none"))?;
    if client.is_own_loopback(&url) {
        return Ok(Address { url, takes_token: true });
    }
    if url.scheme() != "https" {
        return Err(refused("the address is not https"));
    }
    let plain = url.port().is_none() && url.username().is_empty() && url.password().is_none();
    let domain = url.domain().filter(|_| plain);
    let host = domain.and_then(|domain| HOSTS.iter().find(|host| host.is(domain)));
    let takes_token = host.ok_or_else(|| refused("the address is not on a host of Meta's"))?.takes_token;
    Ok(Address { url, takes_token })
}

impl FileHost {
    fn is(&self, domain: &str) -> bool {
        if self.name.starts_with('.') { domain.ends_with(self.name) } else { domain == self.name }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::GraphConfig;

    /// One for all cases: reading the root certificates takes its time.
    static CLIENT: LazyLock<GraphClient> = LazyLock::new(|| GraphClient::new(&GraphConfig::default()).unwrap());

    fn checked(address: &str) -> Option<bool> {
        check(&CLIENT, address).ok().map(|address| address.takes_token)
    }

    #[test]
    fn only_metas_own_hosts_are_called() {
        for (address, takes_token) in [
            ("https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1&ext=2", true),
            ("https://LOOKASIDE.fbsbx.com:443/x", true),
            ("https://cdn.fbsbx.com/a.mp4", false),
            ("https://scontent-iad3-1.xx.fbcdn.net/v/t1.jpg?oe=1", false),
            ("https://scontent.cdninstagram.com/v/t1.jpg", false),
            ("https://mmg.whatsapp.net/v/t1", false),
        ] {
            assert_eq!(checked(address), Some(takes_token), "{address}");
        }
        for address in [
            "http://lookaside.fbsbx.com/x",
            "https://lookaside.fbsbx.com.example.test/x",
            "https://evil-fbcdn.net/x",
            "https://fbcdn.net.example.test/",
            "https://fbcdn.net@example.test/",
            "https://user:pass@lookaside.fbsbx.com/x",
            "https://lookaside.fbsbx.com:8443/x",
            "https://127.0.0.1/x",
            "https://[::1]/x",
            "https://169.254.169.254/latest/meta-data/",
            "https://0x7f.1/x",
            "https://localhost/x",
            "http://127.0.0.1:80/x",
            "file:///etc/passwd",
            "ftp://lookaside.fbsbx.com/x",
            "lookaside.fbsbx.com/x",
            "",
        ] {
            assert_eq!(checked(address), None, "{address}");
        }
    }

    #[test]
    fn loopback_is_the_configured_host_and_port_alone() {
        let config = GraphConfig::default()
            .with_hosts("http://127.0.0.1:4000", "http://127.0.0.1:4000")
            .danger_allow_plain_http_to_loopback();
        let client = GraphClient::new(&config).unwrap();
        assert!(check(&client, "http://127.0.0.1:4000/file").unwrap().takes_token);
        for other in ["http://127.0.0.1:4001/file", "http://localhost:4000/file", "https://127.0.0.1:4000/file"] {
            assert!(check(&client, other).is_err(), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_address_whatever_panics(address: String) {
            let _ = checked(&address);
        }
    }
}
