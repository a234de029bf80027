//! Who is responsible for the data, and to whom people may complain (promises P54 and P67).

use serde::{Deserialize, Serialize};

/// Who decides why and how data are used (Art. 4(7) GDPR), as people are told it. Nothing of it is checked: what the host
/// writes here stands in each document.
///
/// # Examples
/// ```
/// use whisp_core::privacy::Controller;
/// let controller = Controller::new("Coffee & Co", "1 Abay Avenue, Almaty, Kazakhstan", "privacy@coffee.example");
/// assert!(controller.is_complete());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controller {
    /// The business, as it is registered.
    pub name: String,
    /// Where it is.
    pub address: String,
    /// How it is reached about data: an address of mail, a telephone number, a page.
    pub contact: String,
    /// Who represents it where it has no seat of its own (Art. 27 GDPR), and how they are reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representative: Option<String>,
    /// How its data protection officer is reached, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_protection_officer: Option<String>,
}

impl Controller {
    /// A controller without a representative and without an officer.
    #[must_use]
    pub fn new(name: &str, address: &str, contact: &str) -> Self {
        let (name, address, contact) = (name.to_owned(), address.to_owned(), contact.to_owned());
        Self { name, address, contact, representative: None, data_protection_officer: None }
    }

    /// Returns whether it says who that is, where, and how they are reached.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [&self.name, &self.address, &self.contact].iter().all(|field| !field.trim().is_empty())
    }
}

/// To whom people may complain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// Which authority.
    pub name: String,
    /// Where a complaint is made: a page, or an address.
    pub contact: String,
    /// Whether it only leads to the one that is meant, because a law has one in each country and the host has not said
    /// which leads for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub general: bool,
}

/// What a law wants people to be told besides what every notice says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeItem {
    /// That somebody else may ask in the person's name.
    AuthorizedAgent,
    /// To which other countries data go.
    CrossBorder,
    /// That nobody is served worse who uses a right.
    NoRetaliation,
    /// That data are neither sold nor shared for advertising, and were not.
    NoSale,
}
