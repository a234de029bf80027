//! The limits of the three channels, checked before a call so that a message fails with a clear word instead of a code.
//!
//! WhatsApp: <https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages> and its
//! pages by kind. Instagram:
//! <https://developers.facebook.com/docs/instagram-platform/instagram-api-with-instagram-login/messaging-api>.
//! Messenger: <https://developers.facebook.com/docs/messenger-platform/reference/send-api>. All read November 2026.

use chrono::TimeDelta;
use whisp_core::channel::{ChannelError, ChannelErrorKind, TextLimit};
use whisp_core::error::Retry;

/// How long after a contact's last message anything may be sent, on all three channels
/// (<https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages>,
/// <https://developers.facebook.com/docs/messenger-platform/policy/policy-overview>).
pub const WINDOW: TimeDelta = TimeDelta::hours(24);

/// How long after it a person may still write on Instagram and Messenger, with the tag `HUMAN_AGENT`
/// (<https://developers.facebook.com/docs/messenger-platform/send-messages/message-tags>).
pub const HUMAN_WINDOW: TimeDelta = TimeDelta::days(7);

/// A limit with the words that name it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    what: &'static str,
    unit: &'static str,
    limit: TextLimit,
}

impl Limit {
    const fn chars(what: &'static str, max: usize) -> Self {
        Self { what, unit: "characters", limit: TextLimit::Chars(max) }
    }

    const fn bytes(what: &'static str, max: usize) -> Self {
        Self { what, unit: "bytes of UTF-8", limit: TextLimit::Bytes(max) }
    }

    /// Returns the limit of a text, for the channel's capabilities.
    pub(crate) const fn text(self) -> TextLimit {
        self.limit
    }

    /// Refuses a text that is empty or too long.
    pub(crate) fn check(self, text: &str) -> Result<(), ChannelError> {
        if text.trim().is_empty() {
            return Err(invalid(format!("{} is empty", self.what)));
        }
        if self.limit.fits(text) {
            return Ok(());
        }
        let Self { what, unit, limit } = self;
        Err(invalid(format!("{what} has {} {unit}, the limit is {}", limit.measure(text), limit.max())))
    }
}

/// Refuses a number of things outside 1 to `max`.
pub(crate) fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), ChannelError> {
    match count {
        0 => Err(invalid(format!("there are no {what}"))),
        count if count > max => Err(invalid(format!("there are {count} {what}, the limit is {max}"))),
        _ => Ok(()),
    }
}

/// A message that the platform would refuse, found before the call.
pub(crate) fn invalid(advice: impl Into<std::borrow::Cow<'static, str>>) -> ChannelError {
    ChannelError::new("send", ChannelErrorKind::Invalid, Retry::Never).with_advice(advice)
}

/// A message that the channel can't carry.
pub(crate) fn unsupported(advice: &'static str) -> ChannelError {
    ChannelError::new("send", ChannelErrorKind::Unsupported, Retry::Never).with_advice(advice)
}

/// WhatsApp's limits.
pub(crate) mod whatsapp {
    use super::Limit;

    pub(crate) const TEXT: Limit = Limit::chars("the text", 4_096);
    pub(crate) const CAPTION: Limit = Limit::chars("the caption", 1_024);
    pub(crate) const BUTTONS_TEXT: Limit = Limit::chars("the text above buttons", 1_024);
    pub(crate) const BUTTONS_MAX: usize = 3;
    pub(crate) const BUTTON_ID: Limit = Limit::chars("a button's id", 256);
    pub(crate) const BUTTON_TITLE: Limit = Limit::chars("a button's title", 20);
    pub(crate) const LIST_TEXT: Limit = Limit::chars("the text above a list", 4_096);
    pub(crate) const LIST_BUTTON: Limit = Limit::chars("the list's button", 20);
    pub(crate) const SECTIONS_MAX: usize = 10;
    pub(crate) const SECTION_TITLE: Limit = Limit::chars("a section's title", 24);
    pub(crate) const ROWS_MAX: usize = 10;
    pub(crate) const ROW_ID: Limit = Limit::chars("a row's id", 200);
    pub(crate) const ROW_TITLE: Limit = Limit::chars("a row's title", 24);
    pub(crate) const ROW_DESCRIPTION: Limit = Limit::chars("a row's description", 72);
    pub(crate) const TEMPLATE_NAME: Limit = Limit::chars("the template's name", 512);
    pub(crate) const TEMPLATE_VALUE: Limit = Limit::chars("a template's value", 1_024);
    pub(crate) const TEMPLATE_BUTTONS_MAX: usize = 10;
    pub(crate) const TAG: Limit = Limit::chars("the tag", 512);
}

/// Instagram's and Messenger's limits.
pub(crate) mod pages {
    use super::Limit;

    pub(crate) const INSTAGRAM_TEXT: Limit = Limit::bytes("the text", 1_000);
    pub(crate) const MESSENGER_TEXT: Limit = Limit::chars("the text", 2_000);
    pub(crate) const QUICK_REPLIES_MAX: usize = 13;
    pub(crate) const QUICK_REPLY_TITLE: Limit = Limit::chars("a button's title", 20);
    pub(crate) const QUICK_REPLY_PAYLOAD: Limit = Limit::chars("a button's id", 1_000);
    pub(crate) const TAG: Limit = Limit::chars("the tag", 1_000);
}
