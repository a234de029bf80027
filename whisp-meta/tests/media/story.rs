//! Stories: shown while they live, gone once they are over or were taken down.

use chrono::TimeDelta;
use whisp_core::media::{MediaErrorKind, MediaPart, MediaRequest};
use whisp_core::model::{ChannelKind, MediaKind, StoryRef};
use whisp_meta::simulator::Upload;

use crate::world::{CHANNELS, World, picture};

fn picture_of_a_day() -> Upload {
    Upload::new(MediaKind::Image, "image/jpeg", picture(5_000))
}

#[tokio::test]
async fn a_story_is_shown_by_its_address_or_by_its_message() {
    for answered in [false, true] {
        let world = World::open(&ChannelKind::Instagram).await;
        let story = world.simulator.upload_story(&world.account, picture_of_a_day());
        let request = world.story(story, answered);
        assert!(request.media.url.is_some());
        assert_eq!(world.fetch(&request).await.unwrap(), picture(5_000));
        let by_message = MediaRequest::story(&StoryRef { id: None, url: None }, request.message.clone());
        assert_eq!(world.fetch(&by_message).await.unwrap(), picture(5_000), "answered: {answered}");
    }
}

#[tokio::test]
async fn a_story_that_is_over_or_was_taken_down_is_gone() {
    for answered in [false, true] {
        let world = World::open(&ChannelKind::Instagram).await;
        let over = world.story(world.simulator.upload_story(&world.account, picture_of_a_day()), answered);
        world.clock.advance(TimeDelta::hours(24));
        let down = world.simulator.upload_story(&world.account, picture_of_a_day());
        let down_request = world.story(down.clone(), answered);
        world.simulator.take_down(&down);
        for request in [over, down_request] {
            let error = world.fetch(&request).await.unwrap_err();
            assert_eq!(error.kind(), MediaErrorKind::Gone);
            assert!(error.to_string().contains("show a placeholder"), "{error}");
        }
    }
}

#[tokio::test]
async fn only_instagram_has_stories_and_only_for_a_day() {
    for channel in CHANNELS {
        let world = World::open(&channel).await;
        let day = if channel == ChannelKind::Instagram { TimeDelta::hours(24) } else { TimeDelta::zero() };
        assert_eq!(world.source.keeps_for(MediaPart::Story), day);
        assert_eq!(world.source.keeps_for(MediaPart::File(0)), TimeDelta::days(7));
    }
}
