//! Proves that a channel keeps the contracts of [`Channel`]. Run it against your own.
//!
//! A harness says how to reach the channel and how to make its other side go wrong; each function here checks the
//! contract of its number, [`CASES`] lists them and [`check_all`] runs all. Cases may be added in a minor release: pin the
//! version.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use crate::channel::{
    Channel, ChannelError, ChannelErrorKind, Choice, ListSection, Outbound, OutboundBody, SendReceipt, Template,
};
use crate::error::{ErrorChain, Retry};
use crate::id::{ConnectionId, SubjectId, TenantId};
use crate::model::{
    AccountId, Author, AutomationMode, ChannelKind, Connection, ConnectionState, Handle, HandleKind, Media, MediaKind,
    PlatformMessageId,
};
use crate::privacy::{Grant, PERMIT_LIFE, Purpose};
use crate::testing::case::{Case, Violation, cases, ensure};

/// A channel with the other side that it talks to: a simulator, a stub server.
pub trait ChannelHarness: Send + Sync {
    /// Returns the channel.
    fn channel(&self) -> &dyn Channel;

    /// Returns a connection through which it can send. Its token must be a word of its own, so that a leak is found.
    fn connection(&self) -> &Connection;

    /// Returns somebody who can be written to now. The handle must be a word of its own, too.
    fn recipient(&self) -> Handle;

    /// Returns by what the platform's contact book has somebody; asked for where the channel lists one
    /// ([`Capabilities::contact_book`](crate::channel::Capabilities::contact_book)). A word of its own, too.
    fn entry(&self) -> Handle {
        self.recipient()
    }

    /// Returns the time of the channel's clock.
    fn now(&self) -> DateTime<Utc>;

    /// Returns how many requests, to send or to forget, have come to the other side so far, taken or not.
    fn requests(&self) -> usize;

    /// Makes the other side fail the next request so.
    fn fail_next(&self, failure: Failure);
}

/// How the other side fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It refuses the message for good, with a code of its own.
    Refused,
    /// It refuses because too much came in too short a time.
    Limited,
    /// It takes the message, but its answer never arrives: the connection breaks.
    Unanswered,
}

/// The text of every message of the suite, which must not be printed anywhere.
const TEXT: &str = "conformance-canary-text";

/// Runs a case.
pub type Run = for<'a> fn(&'a dyn ChannelHarness) -> BoxFuture<'a, Result<(), Violation>>;

/// All cases, in the order of the contract. Without a contact book the last one tries that nobody can be forgotten.
pub const CASES: &[Case<Run>] = cases![async
    1 one_attempt_a_send,
    2 no_permit_no_egress,
    3 an_unseen_answer_is_unknown,
    4 a_refusal_carries_its_code,
    5 capabilities_hold,
    6 nothing_is_printed,
    7 a_message_is_not_the_connection,
    8 the_contact_book_forgets,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn check_all(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    for case in CASES {
        (case.run)(harness).await?;
    }
    Ok(())
}

/// Contract 1: one request a send, whether it is taken, refused, or never answered.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn one_attempt_a_send(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    for failure in [None, Some(Failure::Limited), Some(Failure::Unanswered)] {
        let before = harness.requests();
        if let Some(failure) = failure {
            harness.fail_next(failure);
        }
        let outcome = send(harness, &text(harness)).await;
        ensure(1, outcome.is_ok() == failure.is_none(), || format!("with {failure:?} it returned {outcome:?}"))?;
        let sent = harness.requests() - before;
        ensure(1, sent == 1, || format!("with {failure:?} it called {sent} times"))?;
    }
    Ok(())
}

/// Contract 2: a permit that was voided, or that is too old, sends nothing.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn no_permit_no_egress(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    let void = grant(harness, harness.now());
    void.void_for_tests();
    let old = grant(harness, harness.now() - PERMIT_LIFE - TimeDelta::seconds(1));
    for (what, grant) in [("a void permit", void), ("an old permit", old)] {
        let message = outbound(harness, grant, OutboundBody::text(TEXT));
        refused(2, harness, &message, ChannelErrorKind::Denied, what).await?;
    }
    Ok(())
}

/// Contract 3: an answer that was never seen leaves the outcome unknown.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn an_unseen_answer_is_unknown(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    harness.fail_next(Failure::Unanswered);
    let error = failed(3, send(harness, &text(harness)).await)?;
    ensure(3, error.retry() == Retry::OutcomeUnknown, || format!("it advises {:?}", error.retry()))
}

/// Contract 4: a refusal carries the platform's code and says whether to try again.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn a_refusal_carries_its_code(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    for failure in [Failure::Refused, Failure::Limited] {
        harness.fail_next(failure);
        let error = failed(4, send(harness, &text(harness)).await)?;
        ensure(4, error.code().is_some(), || format!("{failure:?} carries no code"))?;
        let right = match failure {
            Failure::Limited => matches!(error.retry(), Retry::After(_)),
            _ => error.retry() == Retry::Never,
        };
        ensure(4, right, || format!("{failure:?} advises {:?}", error.retry()))?;
    }
    Ok(())
}

/// Contract 5: the capabilities stay as they are; what they do not list, a text over the limit, and a machine's message
/// outside the window are refused before any call.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn capabilities_hold(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    let capabilities = harness.channel().capabilities();
    let unsupported = ChannelErrorKind::Unsupported;
    let bodies = [
        ("media", capabilities.media, media()),
        ("buttons", capabilities.buttons_max > 0, buttons()),
        ("a list", capabilities.rows_max > 0, list()),
        ("a template", capabilities.templates, template()),
        ("a reaction", capabilities.reactions, OutboundBody::Reaction { target: target(), emoji: None }),
        ("a read mark", capabilities.signals, OutboundBody::Seen { target: target(), typing: false }),
    ];
    for (what, listed, body) in bodies {
        if !listed {
            refused(5, harness, &granted(harness, body), unsupported, what).await?;
        }
    }
    if !capabilities.replies {
        let mut quoting = text(harness);
        quoting.reply_to = Some(target());
        refused(5, harness, &quoting, unsupported, "a quote").await?;
    }
    let long = "x".repeat(capabilities.text.max() + 1);
    let long = granted(harness, OutboundBody::text(&long));
    refused(5, harness, &long, ChannelErrorKind::Invalid, "a text over the limit").await?;
    if capabilities.window.is_some() {
        let mut late = text(harness);
        late.outside_window = true;
        refused(5, harness, &late, ChannelErrorKind::WindowClosed, "a machine outside the window").await?;
    }
    ensure(5, harness.channel().capabilities() == capabilities, || "the capabilities changed".to_owned())
}

/// Contract 6: no error and no `Debug` holds the token, the text or the handle.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn nothing_is_printed(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    let mut printed = format!("{:?}", harness.channel());
    for failure in [Failure::Refused, Failure::Limited, Failure::Unanswered] {
        harness.fail_next(failure);
        let error = failed(6, send(harness, &text(harness)).await)?;
        printed += &format!("{error} {error:?} {}", ErrorChain(&error));
    }
    let receipt =
        send(harness, &text(harness)).await.map_err(|error| Violation::new(6, format!("it failed: {error}")))?;
    printed += &format!("{receipt:?}");
    let recipient = harness.recipient();
    let token = harness.connection().token.expose_secret();
    for (what, secret) in [("the token", token), ("the text", TEXT), ("the handle", recipient.value.expose())] {
        ensure(6, !printed.contains(secret), || format!("{what} is printed"))?;
    }
    Ok(())
}

/// Contract 7: what is wrong with one message is not told as what is wrong with the connection, and too much in too short
/// a time is told as such.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it sends no more.
pub async fn a_message_is_not_the_connection(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    use ChannelErrorKind as Kind;
    harness.fail_next(Failure::Refused);
    let refused = failed(7, send(harness, &text(harness)).await)?.kind();
    let blamed = matches!(refused, Kind::Auth | Kind::RateLimited | Kind::Unavailable);
    ensure(7, !blamed, || format!("a message that is refused for good is told as {refused:?}"))?;
    harness.fail_next(Failure::Limited);
    let limited = failed(7, send(harness, &text(harness)).await)?.kind();
    let told = matches!(limited, Kind::RateLimited | Kind::PairLimited);
    ensure(7, told, || format!("too much in too short a time is told as {limited:?}"))
}

/// Contract 8: somebody is deleted from the contact book by one request, and again without an error; what went wrong is told
/// and nothing else; without a book, and by any other handle, nobody is asked.
///
/// # Errors
/// [`Violation`].
///
/// # Cancellation
/// Dropping it asks no more.
pub async fn the_contact_book_forgets(harness: &dyn ChannelHarness) -> Result<(), Violation> {
    let (entry, book) = (harness.entry(), harness.channel().capabilities().contact_book);
    let others = [HandleKind::Custom, HandleKind::ParentBsuid].into_iter().filter(|kind| Some(*kind) != book);
    for kind in others {
        let before = harness.requests();
        let outcome =
            harness.channel().forget(harness.connection(), &Handle { kind, value: entry.value.clone() }).await;
        ensure(8, harness.requests() == before, || format!("it asked by {kind:?}"))?;
        let found = outcome.err().map(|error| error.kind());
        let unsupported = Some(ChannelErrorKind::Unsupported);
        ensure(8, found == unsupported, || format!("by {kind:?} gave {found:?}, not {unsupported:?}"))?;
    }
    if book != Some(entry.kind) {
        return ensure(8, book.is_none(), || format!("the harness's entry is {:?}, not {book:?}", entry.kind));
    }
    for failure in [None, None, Some(Failure::Limited), Some(Failure::Unanswered), None] {
        let before = harness.requests();
        if let Some(failure) = failure {
            harness.fail_next(failure);
        }
        let outcome = harness.channel().forget(harness.connection(), &entry).await;
        let asked = harness.requests() - before;
        ensure(8, asked == 1, || format!("with {failure:?} it asked {asked} times"))?;
        let Err(error) = outcome else {
            ensure(8, failure.is_none(), || format!("it took {failure:?} for a success"))?;
            continue;
        };
        let right = match failure {
            None => false,
            Some(Failure::Limited) => matches!(error.retry(), Retry::After(_)),
            Some(_) => error.retry() != Retry::Never,
        };
        ensure(8, right, || format!("with {failure:?} it advises {:?}", error.retry()))?;
        let printed = format!("{error} {error:?} {}", ErrorChain(&error));
        for (what, secret) in
            [("the token", harness.connection().token.expose_secret()), ("the handle", entry.value.expose())]
        {
            ensure(8, !printed.contains(secret), || format!("{what} is printed"))?;
        }
    }
    Ok(())
}

/// Makes a live connection for a harness, for channels that need nothing particular of it.
#[must_use]
pub fn connection(channel: ChannelKind, token: SecretString) -> Connection {
    Connection {
        id: ConnectionId::from_uuid(Uuid::from_u128(1)),
        tenant: TenantId::from_uuid(Uuid::from_u128(1)),
        channel,
        account: AccountId::new("conformance"),
        token,
        scopes: Vec::new(),
        mode: AutomationMode::Off,
        state: ConnectionState::Live,
        connected_at: DateTime::UNIX_EPOCH,
    }
}

async fn send(harness: &dyn ChannelHarness, message: &Outbound) -> Result<SendReceipt, ChannelError> {
    harness.channel().send(harness.connection(), message).await
}

/// Checks that a message is refused with `kind`, before any call.
async fn refused(
    contract: u8,
    harness: &dyn ChannelHarness,
    message: &Outbound,
    kind: ChannelErrorKind,
    what: &str,
) -> Result<(), Violation> {
    let before = harness.requests();
    let outcome = send(harness, message).await;
    ensure(contract, harness.requests() == before, || format!("{what} was sent"))?;
    let found = outcome.as_ref().err().map(ChannelError::kind);
    ensure(contract, found == Some(kind), || format!("{what} gave {found:?}, not {kind:?}"))
}

fn failed(contract: u8, outcome: Result<SendReceipt, ChannelError>) -> Result<ChannelError, Violation> {
    outcome.err().ok_or_else(|| Violation::new(contract, "it took a failure for a success".to_owned()))
}

fn grant(harness: &dyn ChannelHarness, now: DateTime<Utc>) -> Grant {
    let subject = SubjectId::from_uuid(Uuid::from_u128(1));
    Grant::for_tests(harness.connection().tenant, subject, Purpose::ServiceProvision, now)
}

fn text(harness: &dyn ChannelHarness) -> Outbound {
    granted(harness, OutboundBody::text(TEXT))
}

fn granted(harness: &dyn ChannelHarness, body: OutboundBody) -> Outbound {
    outbound(harness, grant(harness, harness.now()), body)
}

fn outbound(harness: &dyn ChannelHarness, grant: Grant, body: OutboundBody) -> Outbound {
    Outbound::new(grant, harness.recipient(), Author::System, body, "conformance".to_owned())
}

fn target() -> PlatformMessageId {
    PlatformMessageId::new("a-message")
}

fn choice() -> Choice {
    Choice { id: "1".into(), title: "one".into(), description: None }
}

fn media() -> OutboundBody {
    OutboundBody::Media { media: Media::link(MediaKind::Image, "https://example.test/1.png"), caption: None }
}

fn buttons() -> OutboundBody {
    OutboundBody::Buttons { text: TEXT.into(), buttons: vec![choice()] }
}

fn list() -> OutboundBody {
    let sections = vec![ListSection { title: None, rows: vec![choice()] }];
    OutboundBody::List { text: TEXT.into(), button: "choose".to_owned(), sections }
}

fn template() -> OutboundBody {
    OutboundBody::Template(Template {
        name: "none".to_owned(),
        language: "en".to_owned(),
        header: Vec::new(),
        body: Vec::new(),
        buttons: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
