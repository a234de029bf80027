//! The outside of the chaos: seeded numbers, and a platform that loses answers and refuses messages.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use whisp::channel::{
    Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt, TextLimit,
};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::model::{Author, ChannelKind, Connection, PlatformMessageId};
use whisp::testing::ManualClock;

use crate::yielding::pause;

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Debug, Clone)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// The platform got a message; its answer may have been lost.
    Sent {
        worker: usize,
        to: String,
        engine: bool,
        automatic: bool,
        text: String,
        tag: String,
        id: String,
        at: DateTime<Utc>,
    },
    /// Done: a stop was taken in by this worker.
    Stopped {
        contact: usize,
        worker: usize,
        at: DateTime<Utc>,
    },
    Resumed {
        contact: usize,
    },
    TakenOver {
        contact: usize,
    },
    HandedBack {
        contact: usize,
    },
    Erased {
        contact: usize,
    },
    /// Something else, for the trace.
    Did(String),
}

pub(super) type Log = Arc<Mutex<Vec<Event>>>;

/// The platform, as one worker reaches it.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) worker: usize,
    pub(super) clock: Arc<ManualClock>,
    pub(super) log: Log,
    pub(super) rng: Mutex<Rng>,
}

#[async_trait]
impl Channel for Wire {
    fn kind(&self) -> ChannelKind {
        ChannelKind::WhatsApp
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::text_only(TextLimit::Chars(120));
        capabilities.window = Some(chrono::TimeDelta::hours(24));
        capabilities.human_window = Some(chrono::TimeDelta::days(7));
        capabilities
    }

    async fn send(&self, _connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        pause().await;
        let roll = self.rng.lock().unwrap().below(12);
        let refusal = match roll {
            0 => Some((ChannelErrorKind::RateLimited, Retry::After(None))),
            1 => Some((ChannelErrorKind::Recipient, Retry::Never)),
            _ => None,
        };
        if let Some((kind, retry)) = refusal {
            return Err(ChannelError::new("send", kind, retry));
        }
        let body = message
            .release(self.clock.now())
            .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))?;
        let id = {
            let mut log = self.log.lock().unwrap();
            let id = format!("out.{}", log.len());
            log.push(Event::Sent {
                worker: self.worker,
                to: message.to.value.expose().to_string(),
                engine: matches!(message.author, Author::Engine { .. }),
                automatic: message.author.is_automatic(),
                text: OutboundBody::content(body).readable().unwrap_or_default().to_owned(),
                tag: message.tag.clone(),
                id: id.clone(),
                at: self.clock.now(),
            });
            id
        };
        pause().await;
        if roll <= 3 {
            return Err(ChannelError::new("send", ChannelErrorKind::Unknown, Retry::OutcomeUnknown));
        }
        Ok(SendReceipt::new(Some(PlatformMessageId::new(&id))))
    }
}
