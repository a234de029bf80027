//! Stories are shown while they live, and never kept.

use chrono::TimeDelta;
use whisp::assistant::AssistantError;
use whisp::media::MediaErrorKind;
use whisp::meta::simulator::{Hosted, Say, Upload};
use whisp::model::{ChannelKind, Content, MediaKind, Message};

use super::gallery::Gallery;
use super::kit::picture;

fn post(gallery: &Gallery) -> Hosted {
    let upload = Upload::new(MediaKind::Image, "image/jpeg", picture(300_000));
    gallery.simulator.upload_story(&gallery.account, upload)
}

fn mention(story: &Hosted) -> Say {
    Say::StoryMention { story: story.clone() }
}

fn answer(story: &Hosted) -> Say {
    Say::StoryReply { story: story.clone(), text: "Is this one for sale?".into() }
}

async fn look(gallery: &Gallery, message: &Message) -> Result<Vec<u8>, AssistantError> {
    let mut story = gallery.world.assistant.desk(gallery.world.tenant).open_story(message.id).await?;
    assert_eq!(story.mime().as_deref(), Some("image/jpeg"));
    let mut bytes = Vec::new();
    while let Some(piece) = story.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn is_gone(outcome: Result<Vec<u8>, AssistantError>) {
    match outcome {
        Err(AssistantError::Media(ChannelKind::Instagram, error)) => {
            assert_eq!(error.kind(), MediaErrorKind::Gone);
            assert!(error.to_string().contains("show a placeholder"), "{error}");
        }
        other => panic!("it is shown: {:?}", other.map(|bytes| bytes.len())),
    }
}

#[tokio::test]
async fn a_story_is_shown_and_nothing_of_it_is_kept() {
    for say in [mention, answer] {
        let gallery = Gallery::open(&ChannelKind::Instagram).await;
        let message = gallery.says(&say(&post(&gallery))).await;
        assert!(matches!(message.content, Content::StoryMention(_)) != message.story.is_some());
        assert_eq!((gallery.fetch().await.lanes, gallery.asked()), (0, 0), "nobody asks before a member looks");
        for _ in 0..2 {
            assert_eq!(look(&gallery, &message).await.unwrap(), picture(300_000));
        }
        assert_eq!(gallery.asked(), 2, "each look asks the platform");
        assert_eq!((gallery.kept().await.len(), gallery.files(&message).await.len()), (0, 0));
    }
}

#[tokio::test]
async fn a_story_that_was_taken_down_is_not_shown() {
    for say in [mention, answer] {
        let gallery = Gallery::open(&ChannelKind::Instagram).await;
        let story = post(&gallery);
        let message = gallery.says(&say(&story)).await;
        gallery.simulator.take_down(&story);
        is_gone(look(&gallery, &message).await);
        assert_eq!(gallery.asked(), 2, "its address, and its message");
    }
}

#[tokio::test]
async fn after_a_day_nobody_is_asked_for_a_story() {
    let gallery = Gallery::open(&ChannelKind::Instagram).await;
    let message = gallery.says(&mention(&post(&gallery))).await;
    gallery.later(TimeDelta::hours(23));
    assert!(look(&gallery, &message).await.is_ok());
    gallery.later(TimeDelta::minutes(61));
    let asked = gallery.asked();
    is_gone(look(&gallery, &message).await);
    assert_eq!(gallery.asked(), asked);
}

#[tokio::test]
async fn who_is_erased_or_takes_it_back_takes_the_story_along_at_once() {
    let gallery = Gallery::open(&ChannelKind::Instagram).await;
    let message = gallery.says(&mention(&post(&gallery))).await;
    let desk = gallery.world.assistant.desk(gallery.world.tenant);
    let taken_back = gallery.says(&answer(&post(&gallery))).await;
    let mut story = desk.open_story(taken_back.id).await.unwrap();
    assert!(story.next().await.unwrap().is_some());
    let target = taken_back.platform_id.clone().unwrap();
    gallery.tells(&Say::Unsend { target }).await;
    gallery.world.settle_with_errors().await;
    assert!(matches!(story.next().await, Err(AssistantError::NotFound("story of the message"))), "no piece more");
    let mut open = desk.open_story(message.id).await.unwrap();
    assert!(open.next().await.unwrap().is_some());
    gallery.world.assistant.erase(gallery.world.tenant, message.contact).await.unwrap();
    assert!(matches!(open.next().await, Err(AssistantError::NotFound("story of the message"))), "no piece more");
    assert!(matches!(desk.open_story(message.id).await, Err(AssistantError::NotFound("message"))));
}

#[tokio::test]
async fn a_message_without_a_story_has_none() {
    let gallery = Gallery::open(&ChannelKind::Instagram).await;
    let plain = gallery.says(&Say::text("Hello")).await;
    assert!(matches!(look(&gallery, &plain).await, Err(AssistantError::NotFound("story of the message"))));
    assert_eq!(gallery.asked(), 0);
}
