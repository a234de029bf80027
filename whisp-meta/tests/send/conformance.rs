//! The three channels keep the contracts of `Channel`.

use chrono::{DateTime, Utc};
use whisp_core::channel::Channel;
use whisp_core::clock::Clock;
use whisp_core::model::{Connection, Handle, HandleKind};
use whisp_core::testing::channel_conformance::{ChannelHarness, Failure, check_all};
use whisp_meta::simulator::Fault;

use crate::world::{BSUID, CHANNELS, World};

impl ChannelHarness for World {
    fn channel(&self) -> &dyn Channel {
        &*self.channel
    }

    fn connection(&self) -> &Connection {
        &self.connection
    }

    fn recipient(&self) -> Handle {
        self.persona.handle(&self.account)
    }

    fn entry(&self) -> Handle {
        Handle::new(HandleKind::Bsuid, BSUID)
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn requests(&self) -> usize {
        self.simulator.requests().len()
    }

    fn fail_next(&self, failure: Failure) {
        let refuse = |code| Fault::Refuse { status: 400, code, subcode: None };
        let fault = match failure {
            Failure::Refused => refuse(100),
            Failure::Limited => refuse(130_429),
            Failure::Unanswered => Fault::Cut { accepted: true },
        };
        self.simulator.fail_next(1, fault);
    }
}

#[tokio::test]
async fn the_three_channels_pass_the_suite() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        check_all(&world).await.unwrap_or_else(|violation| panic!("{kind}: {violation}"));
    }
}
