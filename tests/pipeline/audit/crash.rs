//! A process that dies between any two commits, before or after the last one took effect, leaves a log that goes on: every
//! event that was committed is in it once.

use std::collections::BTreeSet;

use whisp::assistant::{Assistant, AssistantError};
use whisp::id::{RecordId, TenantId};
use whisp::model::AutomationMode;
use whisp::store::{Kind, ListOrder, ListQuery, Records};

use crate::tap::{Fate, Tap, puts};
use crate::world::{World, parrot};

/// Changes and sequencing in turns.
async fn live(world: &World, assistant: &Assistant) -> Result<(), AssistantError> {
    assistant.set_automation(world.tenant, false).await?;
    assistant.set_mode(world.tenant, world.connection, AutomationMode::Suggest).await?;
    assistant.audit(world.tenant).sequence(2).await?;
    assistant.set_automation(world.tenant, true).await?;
    assistant.sweep(10).await?.into_result()?;
    assistant.set_mode(world.tenant, world.connection, AutomationMode::Automatic).await?;
    assistant.sweep(10).await?.into_result()?;
    Ok(())
}

#[tokio::test]
async fn every_committed_event_is_logged_once_wherever_a_process_dies() {
    for fate in [Fate::Lost, Fate::Mute] {
        let mut survived = false;
        let mut place = 0;
        while !survived {
            let tap = Tap::new();
            let world = World::over(tap.store(), parrot(), AutomationMode::Automatic).await;
            let mut count = 0;
            tap.ask(move |_| {
                count += 1;
                match count - 1 {
                    n if n < place => Fate::Done,
                    n if n == place => fate,
                    // It is dead.
                    _ => Fate::Lost,
                }
            });
            survived = live(&world, &world.assistant).await.is_ok();
            tap.heal();
            let next = world.second(parrot());
            live(&world, &next).await.unwrap();
            check(&world, &tap, &next).await;
            place += 1;
            assert!(place < 100, "it has an end");
        }
        assert!(place > 10, "{place} commits");
    }
}

async fn check(world: &World, tap: &Tap, assistant: &Assistant) {
    let audit = assistant.audit(world.tenant);
    assert_eq!(audit.waiting().await.unwrap(), []);
    let check = audit.verify(None).await.unwrap();
    assert_eq!(check.faults, []);
    let log = audit.events(None, 1_000).await.unwrap().0;
    let logged: BTreeSet<RecordId> = log.iter().map(|entry| entry.event.id).collect();
    assert_eq!(logged.len(), log.len(), "none is there twice");
    let done = tap.done();
    let committed: BTreeSet<RecordId> = done.iter().flat_map(|batch| puts(batch, Kind::AUDIT)).map(|r| r.id).collect();
    assert_eq!(logged, committed);
    let query = ListQuery {
        tenant: TenantId::DIRECTORY,
        kind: Kind::AUDIT,
        parent: world.tenant.into(),
        order: ListOrder::Ascending,
        after: None,
        limit: 10,
    };
    assert_eq!(tap.list(&query).await.unwrap().records, [], "nothing stays in the directory");
}
