//! The suite finds each broken contract.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use super::*;
use crate::channel::{Capabilities, MockChannel, TextLimit};
use crate::clock::Clock;
use crate::model::HandleKind;
use crate::testing::ManualClock;
use crate::testing::case::assert_complete;

/// What a channel does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Nothing,
    Retries,
    IgnoresPermit,
    CallsItFailed,
    ForgetsCode,
    SendsAnything,
    PrintsHandle,
    BlamesTheConnection,
    ForgetsNobody,
    ForgetsByAnything,
    AsksAgain,
}

struct Harness {
    channel: TextOnly,
    connection: Connection,
    clock: ManualClock,
}

/// A channel and its other side in one.
struct TextOnly {
    fault: Fault,
    requests: AtomicUsize,
    failures: Mutex<VecDeque<Failure>>,
}

impl fmt::Debug for TextOnly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.fault == Fault::PrintsHandle { "TextOnly(+555-handle)" } else { "TextOnly" })
    }
}

impl TextOnly {
    fn call(&self) -> Result<SendReceipt, ChannelError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let code = |error: ChannelError| if self.fault == Fault::ForgetsCode { error } else { error.with_code(7) };
        let error = |kind, retry| ChannelError::new("send", kind, retry);
        match self.failures.lock().unwrap().pop_front() {
            None => Ok(SendReceipt::new(None)),
            Some(Failure::Refused) if self.fault == Fault::BlamesTheConnection => {
                Err(code(error(ChannelErrorKind::Auth, Retry::Never)))
            }
            Some(Failure::Refused) => Err(code(error(ChannelErrorKind::Invalid, Retry::Never))),
            Some(Failure::Limited) => Err(code(error(ChannelErrorKind::RateLimited, Retry::After(None)))),
            Some(Failure::Unanswered) if self.fault == Fault::CallsItFailed => {
                Err(error(ChannelErrorKind::Unavailable, Retry::After(None)))
            }
            Some(Failure::Unanswered) => Err(error(ChannelErrorKind::Unknown, Retry::OutcomeUnknown)),
        }
    }
}

#[async_trait]
impl Channel for TextOnly {
    fn kind(&self) -> ChannelKind {
        ChannelKind::custom("text-only")
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::text_only(TextLimit::Chars(100));
        capabilities.contact_book = Some(HandleKind::Custom);
        capabilities
    }

    async fn send(&self, _: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let refuse = |kind| Err(ChannelError::new("send", kind, Retry::Never));
        let body = match message.release(ManualClock::default().now()) {
            Ok(body) => body,
            Err(_) if self.fault == Fault::IgnoresPermit => return self.call(),
            Err(_) => return refuse(ChannelErrorKind::Denied),
        };
        if self.fault != Fault::SendsAnything {
            match body {
                OutboundBody::Text { text } if !self.capabilities().text.fits(text.expose()) => {
                    return refuse(ChannelErrorKind::Invalid);
                }
                OutboundBody::Text { .. } if message.reply_to.is_none() => {}
                _ => return refuse(ChannelErrorKind::Unsupported),
            }
        }
        let outcome = self.call();
        if outcome.is_err() && self.fault == Fault::Retries { self.call() } else { outcome }
    }

    async fn forget(&self, _: &Connection, handle: &Handle) -> Result<(), ChannelError> {
        let known = self.capabilities().contact_book == Some(handle.kind) || self.fault == Fault::ForgetsByAnything;
        if self.fault == Fault::ForgetsNobody || !known {
            return Err(ChannelError::new("forget", ChannelErrorKind::Unsupported, Retry::Never));
        }
        let outcome = self.call();
        let again = outcome.is_err() && self.fault == Fault::AsksAgain;
        if again { self.call() } else { outcome }.map(|_| ())
    }
}

impl ChannelHarness for Harness {
    fn channel(&self) -> &dyn Channel {
        &self.channel
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn recipient(&self) -> Handle {
        Handle::new(HandleKind::Custom, "+555-handle")
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn requests(&self) -> usize {
        self.channel.requests.load(Ordering::Relaxed)
    }

    fn fail_next(&self, failure: Failure) {
        self.channel.failures.lock().unwrap().push_back(failure);
    }
}

fn any_connection() -> Connection {
    connection(ChannelKind::custom("text-only"), "secret-token".to_owned().into())
}

fn harness(fault: Fault) -> Harness {
    let channel = TextOnly { fault, requests: AtomicUsize::new(0), failures: Mutex::default() };
    Harness { channel, connection: any_connection(), clock: ManualClock::default() }
}

#[tokio::test]
async fn a_channel_that_keeps_all_contracts_passes() {
    check_all(&harness(Fault::Nothing)).await.unwrap();
}

#[tokio::test]
async fn each_broken_contract_is_found() {
    let faults = [
        (Fault::Retries, 1),
        (Fault::IgnoresPermit, 2),
        (Fault::CallsItFailed, 3),
        (Fault::ForgetsCode, 4),
        (Fault::SendsAnything, 5),
        (Fault::PrintsHandle, 6),
        (Fault::BlamesTheConnection, 7),
        (Fault::ForgetsNobody, 8),
        (Fault::ForgetsByAnything, 8),
        (Fault::AsksAgain, 8),
    ];
    for (fault, contract) in faults {
        assert_eq!(check_all(&harness(fault)).await.unwrap_err().contract, contract, "{fault:?}");
    }
    let found = faults.map(|(_, contract)| contract);
    assert_complete(CASES, include_str!("../../channel.rs"), "Channel", &found);
}

#[tokio::test]
async fn the_mock_of_a_channel_is_told_what_to_answer() {
    let mut mock = MockChannel::new();
    mock.expect_send()
        .times(1)
        .returning(|_, _| Err(ChannelError::new("send", ChannelErrorKind::Unavailable, Retry::After(None))));
    let message = text(&harness(Fault::Nothing));
    let channel: &dyn Channel = &mock;
    let error = channel.send(&any_connection(), &message).await.unwrap_err();
    assert_eq!(error.kind(), ChannelErrorKind::Unavailable);
}
