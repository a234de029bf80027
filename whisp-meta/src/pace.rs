//! How fast Meta lets messages go, with where it says so and when that was read.
//!
//! What is here is what a new account may do. A host whose account may do more, or less, says so for that connection with
//! [`Assistant::set_rate`](whisp_core::assistant::Assistant::set_rate), with one of these or a rate of its own:
//! ```
//! assert_eq!(whisp_meta::pace::WHATSAPP_UPGRADED.count, 1_000);
//! let rate = whisp_meta::pace::WHATSAPP_UPGRADED.rate();
//! ```

use chrono::TimeDelta;
use whisp_core::channel::{Pace, Rate};

/// A limit that Meta publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// What it is about.
    pub what: &'static str,
    /// So many messages.
    pub count: u32,
    /// In such a time.
    pub period: TimeDelta,
    /// How many may go at once, where Meta names a number; they are borrowed from the time after.
    pub burst: Option<u32>,
    /// Where Meta says so.
    pub source: &'static str,
    /// When it was read: year and month.
    pub read: &'static str,
}

impl Published {
    /// Returns the rate that keeps to it.
    #[must_use]
    pub fn rate(&self) -> Rate {
        match self.burst {
            Some(burst) => Rate::new(burst, self.period / i32::try_from(self.count.max(1)).unwrap_or(i32::MAX)),
            None => Rate::within(self.count, self.period),
        }
    }
}

const fn a_second(what: &'static str, count: u32, source: &'static str) -> Published {
    Published { what, count, period: TimeDelta::seconds(1), burst: None, source, read: "2026-11" }
}

const THROUGHPUT: &str = "https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput";
const INSTAGRAM: &str = "https://developers.facebook.com/docs/instagram-platform/overview";
const MESSENGER: &str = "https://developers.facebook.com/docs/messenger-platform/overview/rate-limiting";

/// Messages of one WhatsApp number, in and out; over it code 130429.
pub const WHATSAPP: Published = a_second("messages of one WhatsApp number", 80, THROUGHPUT);

/// Messages of one WhatsApp number that Meta has upgraded, as it does by itself where the number reaches many people.
pub const WHATSAPP_UPGRADED: Published = a_second("messages of one upgraded WhatsApp number", 1_000, THROUGHPUT);

/// Messages of one WhatsApp number that the WhatsApp Business app uses too.
pub const WHATSAPP_COEXISTENCE: Published = a_second("messages of one WhatsApp number in coexistence", 20, THROUGHPUT);

/// Messages of one WhatsApp number to one person; over it code 131056.
pub const WHATSAPP_PAIR: Published = Published {
    what: "messages of one WhatsApp number to one person",
    count: 1,
    period: TimeDelta::seconds(6),
    burst: Some(45),
    source: "https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform",
    read: "2026-11",
};

/// Messages of one Instagram account that was connected with Instagram Login.
pub const INSTAGRAM_LOGIN: Published = a_second("messages of one Instagram account", 100, INSTAGRAM);

/// Messages of one Instagram account that was connected through its Facebook Page.
pub const INSTAGRAM_PAGE: Published = a_second("messages of one Instagram account of a Page", 300, INSTAGRAM);

/// Audio and video of one Instagram account.
pub const INSTAGRAM_MEDIA: Published = a_second("audio and video of one Instagram account", 10, INSTAGRAM);

/// Messages of one Page.
pub const MESSENGER_TEXT: Published = a_second("messages of one Page", 300, MESSENGER);

/// Media of one Page.
pub const MESSENGER_MEDIA: Published = a_second("media of one Page", 10, MESSENGER);

/// All of them.
pub const ALL: [Published; 9] = [
    WHATSAPP,
    WHATSAPP_UPGRADED,
    WHATSAPP_COEXISTENCE,
    WHATSAPP_PAIR,
    INSTAGRAM_LOGIN,
    INSTAGRAM_PAGE,
    INSTAGRAM_MEDIA,
    MESSENGER_TEXT,
    MESSENGER_MEDIA,
];

/// The pace of WhatsApp.
pub(crate) fn whatsapp() -> Pace {
    let mut pace = Pace::UNLIMITED;
    pace.connection = Some(WHATSAPP.rate());
    pace.pair = Some(WHATSAPP_PAIR.rate());
    pace
}

/// The pace of Instagram: the lower of the two, because the channel does not know how an account was connected before a
/// message goes.
pub(crate) fn instagram() -> Pace {
    let mut pace = Pace::UNLIMITED;
    pace.connection = Some(INSTAGRAM_LOGIN.rate());
    pace.media = Some(INSTAGRAM_MEDIA.rate());
    pace
}

/// The pace of Messenger. The calls of a day, 200 times the people who wrote, are not counted here: the platform tells
/// with each answer how much of them is used up, and sending slows down by that.
pub(crate) fn messenger() -> Pace {
    let mut pace = Pace::UNLIMITED;
    pace.connection = Some(MESSENGER_TEXT.rate());
    pace.media = Some(MESSENGER_MEDIA.rate());
    pace
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_says_where_it_is_from_and_when_that_was_read() {
        for limit in ALL {
            assert!(limit.source.starts_with("https://developers.facebook.com/"), "{}", limit.what);
            let (year, month) = limit.read.split_once('-').unwrap();
            assert!(year.parse::<u32>().unwrap() >= 2026 && (1..=12).contains(&month.parse::<u32>().unwrap()));
        }
    }

    #[test]
    fn a_pair_borrows_from_the_time_after() {
        assert_eq!(WHATSAPP_PAIR.rate(), Rate::new(45, TimeDelta::seconds(6)));
        assert_eq!(WHATSAPP.rate(), Rate::within(80, TimeDelta::seconds(1)));
    }
}
