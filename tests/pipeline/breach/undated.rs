//! A breach whose dates can't be told.

use std::sync::Arc;

use whisp::assistant::{AssistantError, Config, DueWhat};
use whisp::model::AutomationMode;
use whisp::privacy::{Audience, BreachError, BreachEvent, Law, LawError, ProfileId, Urgency};
use whisp::stores::MemoryStore;

use super::{breaches, new, suspected};
use crate::world::{World, parrot};

#[tokio::test]
async fn p27_a_breach_under_a_law_that_nobody_knows_any_more_keeps_no_other_from_being_told() {
    let law = Law::built_in();
    let mut gone = law.profile(&ProfileId::new("eu-gdpr")).unwrap().clone();
    gone.id = ProfileId::new("gone");
    let mut config = Config::default();
    config.profiles = vec![gone.id.clone()];
    config.law = law.with_profile(gone).unwrap();
    let store = Arc::new(MemoryStore::new());
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await;
    let confirm = BreachEvent::Confirm { aware_at: world.now() };
    let old = suspected(&world).await;
    breaches(&world).apply(old, confirm.clone()).await.unwrap();

    // A later version of the host does not bring that law with it.
    let mut config = Config::default();
    config.profiles = vec![ProfileId::new("eu-gdpr")];
    let later = world.another(parrot(), 8, |builder| builder.config(config));
    let register = later.desk(world.tenant).breaches();
    let fresh = register.suspect(new(&world)).await.unwrap().id;
    register.apply(fresh, confirm).await.unwrap();
    let what = DueWhat::Breach { breach: fresh, audience: Audience::Authority };
    for told in [vec![(what, Urgency::Half)], Vec::new()] {
        world.later(40 * 3_600 * i64::from(!told.is_empty()));
        let report = later.sweep(1_000).await.unwrap();
        assert_eq!(report.due.iter().map(|each| (each.what, each.urgency)).collect::<Vec<_>>(), told);
        let unknown = LawError::UnknownProfile(ProfileId::new("gone"));
        assert!(
            matches!(&report.errors[..], [AssistantError::Breach(BreachError::Law(error))] if *error == unknown),
            "and that the other one can't be dated is told each time: {report:?}"
        );
    }
}
