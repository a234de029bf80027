//! The real channels over the simulated platform, on a line that refuses, delays and loses answers; and a look at
//! everything that the platform takes.

use std::sync::Arc;

use async_trait::async_trait;
use whisp::channel::{Capabilities, Channel, ChannelError, ChannelErrorKind, Outbound, OutboundBody, SendReceipt};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::meta::simulator::{Accepted, Fault};
use whisp::model::{Author, ChannelKind, Connection, ConnectionState, Handle};

use crate::invariants::pace::Limited;
use crate::invariants::{pace, sends};
use crate::model::Out;
use crate::mutation::Mutation;
use crate::network::{self, Cargo};
use crate::sim::Sim;

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) sim: Arc<Sim>,
    pub(crate) inner: Arc<dyn Channel>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Line {
    /// Arranges that something goes wrong with the next call.
    fn trouble(&self) {
        let sim = &self.sim;
        let refuse = |status, code| Fault::Refuse { status, code, subcode: None };
        let fault = if sim.fault(25, "sends: answer lost, taken") {
            Fault::NoAnswer { accepted: true }
        } else if sim.fault(30, "sends: answer lost, not taken") {
            Fault::Cut { accepted: false }
        } else if sim.fault(40, "sends: answer garbled") {
            Fault::Garbled { status: 502 }
        } else if sim.fault(25, "sends: rate limited") {
            Fault::Limited { regain_minutes: pace::REGAIN.num_minutes().unsigned_abs() }
        } else if sim.fault(25, "sends: 5xx") {
            refuse(500, 2)
        } else if sim.fault(40, "sends: refused") {
            refuse(400, 100)
        } else if sim.fault(150, "sends: token revoked") {
            refuse(401, 190)
        } else {
            return;
        };
        sim.platform.fail_next(1, fault);
    }

    fn took(&self, connection: &Connection, message: &Outbound, accepted: &Accepted) {
        let sim = &self.sim;
        let running = sim.running();
        let out = {
            let mut model = sim.model();
            let shop = model.shop_of(connection);
            let out = Out {
                at: sim.now(),
                tick: sim.tick(),
                process: running.process,
                begun: running.begun,
                begun_at: running.begun_at,
                shop,
                person: model.person_of(shop, accepted.to.expose()),
                tag: message.tag.clone(),
                by_engine: matches!(message.author, Author::Engine { .. }),
                automatic: message.author.is_automatic(),
                text: accepted.text.as_ref().map(|text| text.expose().to_string()).unwrap_or_default(),
                told: false,
            };
            sends::all(sim, &model, &out, accepted.failed);
            pace::sent(sim, &model, &out);
            model.outs.push(out.clone());
            out
        };
        sim.count("sends");
        sim.note(|| {
            let text: String = out.text.chars().filter(|c| *c != '\n').take(300).collect();
            format!("{} SENT to {:?} by {:?}: {}", out.process, out.person, message.author, tail(&text))
        });
        let place = sim.model().outs.len() - 1;
        network::post(sim, out.shop, Cargo::News(place));
    }

    fn limited(&self, connection: &Connection, error: &mut ChannelError) {
        let sim = &self.sim;
        let mut model = sim.model();
        let limited = Limited::now(sim, model.shop_of(connection));
        model.limited.push(limited);
        if sim.mutation == Some(Mutation::RestsTooLittle) {
            *error = ChannelError::new("send", ChannelErrorKind::RateLimited, Retry::After(None));
        }
    }

    async fn call(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let sim = &self.sim;
        let before = sim.platform.accepted().len();
        let result = self.inner.send(connection, message).await;
        for accepted in sim.platform.accepted().iter().skip(before) {
            self.took(connection, message, accepted);
        }
        if result.as_ref().is_err_and(|error| error.kind() == ChannelErrorKind::WindowClosed) {
            sim.violated("nothing is sent outside the window", "the platform refused a message: the window was closed");
        }
        result
    }
}

fn tail(text: &str) -> &str {
    text.char_indices().rev().nth(79).map_or(text, |(place, _)| &text[place..])
}

#[async_trait]
impl Channel for Line {
    fn kind(&self) -> ChannelKind {
        self.inner.kind()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.inner.capabilities();
        if self.sim.mutation == Some(Mutation::KnowsNoWindow) {
            capabilities.window = None;
        }
        if self.sim.slow && self.sim.mutation != Some(Mutation::KnowsNoPace) {
            capabilities.pace = pace::slow();
        }
        capabilities
    }

    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let sim = &self.sim;
        sim.delay(3).await;
        // Only a call that is made can go wrong on its way.
        let made = message.release(self.clock.now()).is_ok() && connection.state == ConnectionState::Live;
        if made {
            let model = sim.model();
            pace::call(sim, &model, model.shop_of(connection));
            drop(model);
            self.trouble();
        }
        let mut result = self.call(connection, message).await;
        if sim.mutation == Some(Mutation::SendsAgain)
            && result.as_ref().is_err_and(|error| error.retry() == Retry::OutcomeUnknown)
        {
            result = self.call(connection, message).await;
        }
        sim.delay(3).await;
        if let Err(error) = &mut result {
            if error.kind() == ChannelErrorKind::RateLimited {
                self.limited(connection, error);
            }
            sim.note(|| format!("not sent: {error}"));
            if sim.is_calm() && error.kind() != ChannelErrorKind::Denied {
                let body = message.release(self.clock.now()).map(OutboundBody::content);
                let text = body.ok().and_then(|content| content.readable().map(str::to_owned));
                sim.violated("a calm world works", format!("send of {text:?}: {error}"));
            }
        }
        result
    }

    async fn forget(&self, connection: &Connection, handle: &Handle) -> Result<(), ChannelError> {
        let sim = &self.sim;
        sim.delay(3).await;
        if connection.state == ConnectionState::Live {
            self.trouble();
        }
        let result = self.inner.forget(connection, handle).await;
        sim.delay(3).await;
        sim.note(|| format!("forget: {result:?}"));
        match &result {
            Ok(()) => sim.count("forgotten by the platform"),
            Err(error) if sim.is_calm() => sim.violated("a calm world works", format!("forget: {error}")),
            Err(_) => {}
        }
        result
    }
}
