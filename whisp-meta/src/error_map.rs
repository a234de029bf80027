//! What Meta's error codes mean: one table for all three channels.
//!
//! Sources: WhatsApp's error codes
//! (<https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes>), the Graph API's
//! error handling (<https://developers.facebook.com/docs/graph-api/guides/error-handling>) and the Send API's errors
//! (<https://developers.facebook.com/docs/messenger-platform/error-codes>), read November 2026.

use std::time::Duration;

use serde_json::Value;
use whisp_core::channel::{ChannelError, ChannelErrorKind};
use whisp_core::error::Retry;

use crate::client::{WaitHints, malformed};

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// What went wrong.
    pub kind: ChannelErrorKind,
    /// Whether and when the same call may be repeated.
    pub retry: Retry,
    /// What to do about it.
    pub advice: &'static str,
}

/// Explains a code of Meta's: one of an answer, or one of a status webhook, which carries no subcode. `None` for a code
/// that is not in the table.
///
/// # Examples
/// ```
/// use whisp_core::channel::ChannelErrorKind;
/// let meaning = whisp_meta::explain(131_047, None).unwrap();
/// assert_eq!(meaning.kind, ChannelErrorKind::WindowClosed);
/// ```
#[must_use]
pub fn explain(code: i64, subcode: Option<i64>) -> Option<Meaning> {
    let exact = subcode.and_then(|subcode| SUBCODES.iter().find(|rule| (rule.0, rule.1) == (code, subcode)));
    if let Some(rule) = exact {
        return Some(rule.2);
    }
    CODES.iter().find(|(codes, _)| codes.contains(&code)).map(|(_, meaning)| *meaning)
}

/// The longest wait that is taken from an answer's headers.
const WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// One message to one person each 6 seconds:
/// <https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform>.
const PAIR_WAIT: Duration = Duration::from_secs(6);
/// A number's maintenance and a template's syncing take "a few minutes".
const MINUTE: Duration = Duration::from_secs(60);
const TEN_MINUTES: Duration = Duration::from_secs(10 * 60);
/// The limit of people reached moves over 24 hours; registration limits over 72. For a person who is written to too much
/// Meta names no time, and threatens to restrict the Page: it is to be a long one.
const HOUR: Duration = Duration::from_secs(60 * 60);

use ChannelErrorKind as Kind;

const fn never(kind: Kind, advice: &'static str) -> Meaning {
    Meaning { kind, retry: Retry::Never, advice }
}

const fn again(kind: Kind, wait: Option<Duration>, advice: &'static str) -> Meaning {
    Meaning { kind, retry: Retry::After(wait), advice }
}

const RECONNECT: &str = "the business must connect the account again";
const PERMISSION: &str = "grant the permission, then connect the account again";
const LIMITED: &str = "stop calling for a while; each further call makes the wait longer";
const WINDOW: &str = "wait for the contact to write, or send a template where the channel has them";
const REQUEST: &str = "the request is wrong; the same one will always be refused";
const TEMPLATE: &str = "compare the template's parameters with the approved template";
const LOOK: &str = "somebody must look at the account in Meta's Business Manager";
const GONE: &str = "the contact can't be reached on this channel";
const SERVICE: &str = "Meta's service failed; it says that nothing was sent";
const APPROVAL: &str = "Meta must approve the app for Human Agent first; until then wait for the contact to write";
const STOPPED: &str = "the contact stopped marketing messages; never send them again";

/// Nobody knows whether the message went out.
const UNKNOWN: Meaning = Meaning {
    kind: Kind::Unknown,
    retry: Retry::OutcomeUnknown,
    advice: "wait for a receipt or an echo, or let a member decide",
};

/// Codes that a subcode decides. Some codes of a missing permission are about one contact with it, and must not stop the
/// whole account.
const SUBCODES: &[(i64, i64, Meaning)] = &[
    // "The messages are all sent successfully, but the endpoint returns an error", whatever the HTTP status.
    (1, 1_357_046, UNKNOWN),
    (10, 2_018_108, never(Kind::Recipient, GONE)),
    (10, 1_893_015, never(Kind::OptedOut, STOPPED)),
    (10, 2_018_278, never(Kind::WindowClosed, WINDOW)),
    (10, 2_534_022, never(Kind::WindowClosed, WINDOW)),
    (10, 1_893_063, never(Kind::Blocked, "the Page is temporarily restricted; look at its Support Inbox")),
    (100, 33, never(Kind::Auth, "the token can't see this account; connect it again")),
    (100, 2_018_001, never(Kind::Recipient, GONE)),
    (100, 2_534_014, never(Kind::Recipient, GONE)),
    (200, 1_545_041, never(Kind::Recipient, GONE)),
    (551, 1_545_041, never(Kind::Recipient, GONE)),
    (613, 2_018_338, again(Kind::PairLimited, Some(HOUR), "write to this one contact much less often")),
];

/// All other codes; the first line that holds one decides.
const CODES: &[(&[i64], Meaning)] = &[
    (&[0, 102, 104, 190], never(Kind::Auth, RECONNECT)),
    (&[230], never(Kind::Recipient, "the contact has not consented to this")),
    (&[3, 10, 131_005], never(Kind::Auth, PERMISSION)),
    // "Possibly temporary", to be tried again. That nothing was sent it does not say: with the subcode above and with
    // HTTP 5xx (see `refusal`) that is unknown. Any other 4xx is taken for a refusal, as with all codes.
    (&[1], again(Kind::Unavailable, None, "Meta's service failed, perhaps for a moment only")),
    // These say in words that the message was not sent or the service was down, though they come with HTTP 5xx.
    (&[2, 131_000, 131_016, 133_004], again(Kind::Unavailable, None, SERVICE)),
    (&[4, 17, 32, 341, 613], again(Kind::RateLimited, None, LIMITED)),
    (&[130_429], again(Kind::RateLimited, None, "the number sends more than its throughput allows")),
    (&[131_056], again(Kind::PairLimited, Some(PAIR_WAIT), "too many messages to this one contact")),
    // It counts people reached outside their window: answers inside it still go, so the number itself must not rest.
    (&[131_064], again(Kind::PairLimited, Some(HOUR), "too many people written to outside the window in 24 hours")),
    (&[131_057], again(Kind::Unavailable, Some(MINUTE), "the number is in maintenance")),
    // The matter of one template: a kind that rests neither the connection nor the pair, so the message alone waits.
    (&[134_101], again(Kind::Unsupported, Some(TEN_MINUTES), "the template is still syncing")),
    (&[133_016], again(Kind::RateLimited, Some(HOUR), "the number was registered too often")),
    (&[131_048], never(Kind::Blocked, "the number is limited for spam; stop marketing and look at its quality")),
    (&[368, 131_031, 130_497], never(Kind::Blocked, LOOK)),
    (&[33, 131_037, 131_042, 131_044, 131_045, 134_011], never(Kind::Blocked, LOOK)),
    (&[133_000, 133_005, 133_006, 133_008, 133_009, 133_010, 133_015], never(Kind::Blocked, "register the number")),
    (&[2_494_191], never(Kind::Blocked, "another app holds the thread")),
    (&[131_021, 131_026, 131_030, 551, 9_010], never(Kind::Recipient, GONE)),
    (&[130_472, 131_049], never(Kind::Recipient, "Meta keeps this message from this contact; do not send it again")),
    (&[131_062], never(Kind::Recipient, "such a message needs the contact's phone number")),
    (&[137_000], never(Kind::Recipient, "the contact's identity changed; a member must look")),
    (&[131_050], never(Kind::OptedOut, STOPPED)),
    (&[131_047], never(Kind::WindowClosed, WINDOW)),
    (&[131_051, 131_055, 131_063, 134_100, 134_102], never(Kind::Unsupported, "the account can't send such messages")),
    (&[131_052, 131_053], never(Kind::Invalid, "the media can't be fetched or has a wrong format")),
    (&[132_000, 132_001, 132_005, 132_007, 132_008, 132_012], never(Kind::Invalid, TEMPLATE)),
    (&[132_015, 132_016, 132_068, 132_069], never(Kind::Invalid, "the template is paused or disabled; use another")),
    (&[100, 131_008, 131_009, 131_060, 135_000, 2_500], never(Kind::Invalid, REQUEST)),
];

/// "Application does not have permission for this action" (the Send API's errors).
const NO_PERMISSION: i64 = 10;
/// Codes of calls that lack a permission: 200 to 299 (Graph API's error handling).
const PERMISSIONS: std::ops::RangeInclusive<i64> = 200..=299;
/// Codes of rate limits by business use case: 80000 to 80014
/// (<https://developers.facebook.com/docs/graph-api/overview/rate-limiting>).
const USE_CASES: std::ops::RangeInclusive<i64> = 80_000..=80_014;

/// Turns a refusal into an error: an answer whose status is not a success.
pub(crate) fn refusal(status: u16, hints: &WaitHints, answer: Option<&Value>) -> ChannelError {
    let Some(envelope) = answer.and_then(|answer| answer.get("error")) else {
        return by_status(status, hints);
    };
    let Some(code) = envelope.get("code").and_then(integer) else {
        return by_status(status, hints);
    };
    let subcode = envelope.get("error_subcode").and_then(integer);
    let Some(meaning) = meaning(code, subcode, envelope) else {
        return by_status(status, hints).with_code(code);
    };
    // "Unknown error" on a server that failed says nothing about the message.
    let retry = if code == 1 && status >= 500 { Retry::OutcomeUnknown } else { wait(meaning, hints) };
    ChannelError::new("send", meaning.kind, retry).with_code(code).with_advice(meaning.advice)
}

fn meaning(code: i64, subcode: Option<i64>, envelope: &Value) -> Option<Meaning> {
    if says_window_closed(envelope) {
        return Some(never(Kind::WindowClosed, WINDOW));
    }
    if code == NO_PERMISSION && says_human_agent(envelope) {
        return Some(never(Kind::WindowClosed, APPROVAL));
    }
    explain(code, subcode)
        .or_else(|| PERMISSIONS.contains(&code).then_some(never(Kind::Auth, PERMISSION)))
        .or_else(|| USE_CASES.contains(&code).then_some(again(Kind::RateLimited, None, LIMITED)))
}

/// Outside the window, some answers carry a general code and say it only in words.
fn says_window_closed(envelope: &Value) -> bool {
    let closed = ["outside of allowed window", "outside the 24-hour window"];
    words(envelope).any(|words| closed.iter().any(|closed| words.contains(*closed)))
}

/// Whether the app lacks Meta's approval for the tag `HUMAN_AGENT`. Inside the window nothing needs it, so the token is good
/// and the account goes on. Meta's pages don't list the answer; in 2026 it is: "(#10) To use 'Human Agent', your use of this
/// endpoint must be reviewed and approved by Facebook."
fn says_human_agent(envelope: &Value) -> bool {
    words(envelope).any(|words| words.contains("human agent") && words.contains("must be reviewed"))
}

/// Returns what an answer says in words, in lower case. `error_data` is an object with `details`, or a string.
fn words(envelope: &Value) -> impl Iterator<Item = String> {
    let data = envelope.get("error_data");
    let details = data.and_then(|data| data.get("details")).or(data);
    [envelope.get("message"), details].into_iter().flatten().filter_map(Value::as_str).map(str::to_ascii_lowercase)
}

/// A code comes as a number; some proxies write it as a string.
fn integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn wait(meaning: Meaning, hints: &WaitHints) -> Retry {
    let Retry::After(own) = meaning.retry else { return meaning.retry };
    let regain = hints.regain_minutes.filter(|_| meaning.kind == Kind::RateLimited);
    let told = hints.retry_after.or(regain.map(|minutes| minutes.saturating_mul(60)));
    Retry::After(told.map(Duration::from_secs).or(own).map(|wait| wait.min(WAIT_MAX)))
}

/// What an answer means whose code says nothing.
///
/// A send is not idempotent: after a 5xx, a 408 or a redirect the message may be on its way, so the outcome is unknown;
/// a 4xx was refused before anything was done.
fn by_status(status: u16, hints: &WaitHints) -> ChannelError {
    let meaning = match status {
        401 => never(Kind::Auth, RECONNECT),
        // Without a code of the table it need not be about the token: a policy, a firewall on the way.
        403 => never(Kind::Blocked, LOOK),
        429 => again(Kind::RateLimited, None, LIMITED),
        408 | 500.. => UNKNOWN,
        400..500 => never(Kind::Invalid, REQUEST),
        _ => return malformed(status),
    };
    ChannelError::new("send", meaning.kind, wait(meaning, hints))
        .with_code(i64::from(status))
        .with_advice(meaning.advice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16, error: Value) -> ChannelError {
        refusal(status, &WaitHints::default(), Some(&json!({ "error": error })))
    }

    #[test]
    fn each_code_has_its_kind_and_its_advice_for_a_retry() {
        let soon = Retry::After(None);
        let table: &[(u16, i64, Option<i64>, Kind, Retry)] = &[
            (401, 0, None, Kind::Auth, Retry::Never),
            (401, 190, Some(463), Kind::Auth, Retry::Never),
            (403, 10, None, Kind::Auth, Retry::Never),
            (403, 10, Some(2_534_022), Kind::WindowClosed, Retry::Never),
            (403, 10, Some(2_018_278), Kind::WindowClosed, Retry::Never),
            (400, 10, Some(1_893_063), Kind::Blocked, Retry::Never),
            (403, 10, Some(2_018_108), Kind::Recipient, Retry::Never),
            (403, 10, Some(1_893_015), Kind::OptedOut, Retry::Never),
            (403, 200, None, Kind::Auth, Retry::Never),
            (403, 200, Some(1_545_041), Kind::Recipient, Retry::Never),
            (403, 230, None, Kind::Recipient, Retry::Never),
            (403, 299, None, Kind::Auth, Retry::Never),
            (400, 1, None, Kind::Unavailable, soon),
            (400, 1, Some(99), Kind::Unavailable, soon),
            (400, 1, Some(1_357_046), Kind::Unknown, Retry::OutcomeUnknown),
            (500, 1, Some(1_357_046), Kind::Unknown, Retry::OutcomeUnknown),
            (500, 1, None, Kind::Unavailable, Retry::OutcomeUnknown),
            (503, 2, None, Kind::Unavailable, soon),
            (500, 131_000, None, Kind::Unavailable, soon),
            (500, 131_016, None, Kind::Unavailable, soon),
            (500, 131_057, None, Kind::Unavailable, Retry::After(Some(MINUTE))),
            (400, 4, None, Kind::RateLimited, soon),
            (400, 80_001, None, Kind::RateLimited, soon),
            (400, 80_007, None, Kind::RateLimited, soon),
            (400, 130_429, None, Kind::RateLimited, soon),
            (400, 131_056, None, Kind::PairLimited, Retry::After(Some(PAIR_WAIT))),
            (400, 131_064, None, Kind::PairLimited, Retry::After(Some(HOUR))),
            (400, 613, None, Kind::RateLimited, soon),
            (400, 613, Some(2_018_338), Kind::PairLimited, Retry::After(Some(HOUR))),
            (400, 134_101, None, Kind::Unsupported, Retry::After(Some(TEN_MINUTES))),
            (400, 131_048, None, Kind::Blocked, Retry::Never),
            (403, 368, None, Kind::Blocked, Retry::Never),
            (400, 100, None, Kind::Invalid, Retry::Never),
            (400, 100, Some(33), Kind::Auth, Retry::Never),
            (400, 100, Some(2_534_014), Kind::Recipient, Retry::Never),
            (400, 551, Some(1), Kind::Recipient, Retry::Never),
            (400, 131_026, None, Kind::Recipient, Retry::Never),
            (400, 131_047, None, Kind::WindowClosed, Retry::Never),
            (400, 131_050, None, Kind::OptedOut, Retry::Never),
            (404, 132_001, None, Kind::Invalid, Retry::Never),
            // Unknown codes fall to the status.
            (400, 987_654, None, Kind::Invalid, Retry::Never),
            (403, 987_654, None, Kind::Blocked, Retry::Never),
            (429, 987_654, None, Kind::RateLimited, soon),
            (500, 987_654, None, Kind::Unknown, Retry::OutcomeUnknown),
        ];
        for &(status, code, subcode, kind, retry) in table {
            let error = refused(status, json!({ "code": code, "error_subcode": subcode }));
            assert_eq!((error.kind(), error.retry(), error.code()), (kind, retry, Some(code)), "{status} {code}");
        }
    }

    #[test]
    fn no_code_stands_twice() {
        let mut codes: Vec<i64> = CODES.iter().flat_map(|(codes, _)| *codes).copied().collect();
        codes.sort_unstable();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }

    #[test]
    fn a_status_without_an_envelope_is_enough() {
        for (status, kind, retry) in [
            (302, Kind::Malformed, Retry::OutcomeUnknown),
            (400, Kind::Invalid, Retry::Never),
            (401, Kind::Auth, Retry::Never),
            (403, Kind::Blocked, Retry::Never),
            (408, Kind::Unknown, Retry::OutcomeUnknown),
            (429, Kind::RateLimited, Retry::After(None)),
            (502, Kind::Unknown, Retry::OutcomeUnknown),
        ] {
            let error = refusal(status, &WaitHints::default(), None);
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{status}");
        }
    }

    #[test]
    fn error_data_may_be_a_string_and_the_words_may_say_it() {
        let words = "Cannot send non-template messages outside the 24-hour window.";
        for error in [
            json!({ "code": 100, "error_data": words }),
            json!({ "code": 100, "error_data": { "details": words } }),
            json!({ "code": 131_000, "message": words }),
        ] {
            assert_eq!(refused(400, error).kind(), Kind::WindowClosed);
        }
        let other = json!({ "code": 100, "error_data": "Param to must be a phone number" });
        assert_eq!(refused(400, other).kind(), Kind::Invalid);
    }

    #[test]
    fn an_app_that_is_not_approved_for_human_agent_meets_a_closed_window() {
        let refused_for = |code: i64, feature: &str| {
            let rest = "your use of this endpoint must be reviewed and approved by Facebook.";
            refused(403, json!({ "code": code, "message": format!("(#{code}) To use '{feature}', {rest}") }))
        };
        let error = refused_for(10, "Human Agent");
        assert_eq!((error.kind(), error.retry(), error.code()), (Kind::WindowClosed, Retry::Never, Some(10)));
        // Any other permission is the account's.
        assert_eq!(refused_for(10, "pages_messaging").kind(), Kind::Auth);
        assert_eq!(refused_for(190, "Human Agent").kind(), Kind::Auth);
    }

    #[test]
    fn headers_say_when_to_come_back_and_a_bound_holds() {
        let answer = json!({ "error": { "code": 80_007 } });
        let wait = |hints| refusal(400, &hints, Some(&answer)).retry();
        let regain = WaitHints { regain_minutes: Some(19), ..WaitHints::default() };
        assert_eq!(wait(regain), Retry::After(Some(Duration::from_secs(19 * 60))));
        let both = WaitHints { retry_after: Some(7), ..regain };
        assert_eq!(wait(both), Retry::After(Some(Duration::from_secs(7))));
        let mad = WaitHints { retry_after: Some(u64::MAX), ..WaitHints::default() };
        assert_eq!(wait(mad), Retry::After(Some(WAIT_MAX)));
    }

    #[test]
    fn nothing_of_the_answer_is_printed() {
        let error =
            refused(400, json!({ "code": 100, "message": "canary", "error_data": "canary", "fbtrace_id": "canary" }));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    proptest::proptest! {
        #[test]
        fn no_answer_whatever_panics(status: u16, text: String, code in proptest::option::of(proptest::num::i64::ANY)) {
            let answers = [
                serde_json::from_str(&text).ok(),
                Some(json!({ "error": text })),
                Some(json!({ "error": { "code": code, "error_subcode": text, "error_data": [text], "message": code } })),
            ];
            for answer in answers {
                let _ = refusal(status, &WaitHints::default(), answer.as_ref());
            }
        }
    }
}
