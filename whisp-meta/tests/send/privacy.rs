//! No permit, no egress; and nothing secret or personal is printed.

use std::error::Error;

use whisp_core::channel::{ChannelErrorKind, OutboundBody};
use whisp_core::error::ErrorChain;
use whisp_core::privacy::PERMIT_LIFE;
use whisp_meta::simulator::Fault;

use crate::world::{CHANNELS, PHONE, SCOPED, TOKEN, World};

#[tokio::test]
async fn a_void_or_old_permit_sends_nothing() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let grant = world.grant();
        grant.void_for_tests();
        let to = world.persona.handle(&world.account);
        let void = whisp_core::channel::Outbound::new(
            grant,
            to,
            crate::world::member(),
            OutboundBody::text("x"),
            "t".to_owned(),
        );
        assert_eq!(world.send(&void).await.unwrap_err().kind(), ChannelErrorKind::Denied);
        let old = world.outbound(OutboundBody::text("x"));
        world.clock.advance(PERMIT_LIFE);
        assert_eq!(world.send(&old).await.unwrap_err().kind(), ChannelErrorKind::Denied);
        assert!(world.simulator.requests().is_empty());
    }
}

#[tokio::test]
async fn nothing_secret_or_personal_is_printed() {
    const TEXT: &str = "canary text about the visit";
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        let outbound = world.outbound(OutboundBody::text(TEXT));
        let mut printed = format!("{:?} {:?} {outbound:?} {:?}", world.channel, world.simulator, world.connection);
        for fault in [
            Fault::Refuse { status: 400, code: 100, subcode: None },
            Fault::Cut { accepted: true },
            Fault::Garbled { status: 200 },
        ] {
            world.simulator.fail_next(1, fault);
            let error = world.send(&outbound).await.unwrap_err();
            let source: Option<&dyn Error> = error.source();
            printed += &format!("{error} {error:?} {} {source:?}", ErrorChain(&error));
        }
        let receipt = world.send(&outbound).await.unwrap();
        printed += &format!("{receipt:?} {:?} {:?}", world.simulator.requests(), world.simulator.accepted());
        printed += &format!("{:?} {:?}", world.simulator.state(), world.persona);
        for canary in [TOKEN, TEXT, PHONE, SCOPED, "app-secret"] {
            assert!(!printed.contains(canary), "{kind} printed {canary}: {printed}");
        }
    }
}

#[tokio::test]
async fn the_token_travels_in_the_header_only() {
    for kind in CHANNELS {
        let world = World::open(&kind).await;
        world.send_text("x").await.unwrap();
        for request in world.simulator.requests() {
            assert!(!request.path.contains(TOKEN) && !request.body.expose().to_string().contains(TOKEN));
        }
    }
}
