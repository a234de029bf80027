//! What people get who ask for a copy.

use std::collections::BTreeSet;

use super::Parts;
use super::doors::{Person, plant};
use super::world::World;

/// A copy holds all that came in about the person through any door, an entry for each record that is theirs, and nothing that
/// came in about anybody else; so does that of a member (I-29).
pub async fn i29_a_copy_is_whole_and_nobody_elses(parts: &dyn Parts) {
    let world = World::new(parts).await;
    let business = world.business("north").await;
    let (mut anna, mut berik) = (Person::new("anna", 1), Person::new("berik", 2));
    let first = plant(&world, &business, &mut anna).await;
    let second = plant(&world, &business, &mut berik).await;
    for (who, own, other) in [(first, &anna, &berik), (second, &berik, &anna)] {
        let copy = world.lines(business.tenant, who.0).await;
        for canary in own.kept() {
            assert!(copy.contains(canary), "{canary} is missing in\n{copy}");
        }
        let stranger = other.planted().find(|canary| copy.contains(canary));
        assert_eq!(stranger, None, "it is about somebody else");
        let told: BTreeSet<_> =
            world.copy(business.tenant, who.0).await.expect("copies").iter().map(|entry| entry.id).collect();
        let kept: BTreeSet<_> = world.owned(business.tenant, who.0.0).await.iter().map(|record| record.id).collect();
        assert_eq!(told, kept, "each record has an entry");
        let listed = world.listed(business.tenant, who.0.0, who.1).await;
        let lost = listed.iter().find(|record| !told.contains(&record.id));
        assert!(lost.is_none(), "what is listed is in it: {lost:?}");
    }
    let member = world.lines(business.tenant, business.member).await;
    assert!(member.contains("-member-north"), "{member}");
    assert!(!anna.planted().chain(berik.planted()).any(|canary| member.contains(canary)));
}
