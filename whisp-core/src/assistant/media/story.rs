//! Stories that messages mention or answer: shown straight from the platform, and never kept.
//!
//! A story is somebody's for a day, or until they take it down. Meta allows to keep its address and forbids to keep, or
//! to cache, what is behind it
//! (<https://developers.facebook.com/docs/messenger-platform/instagram/features/story-mention>, read November 2026). So
//! of a story the message holds the id and the address, sealed, for as long as the message itself is kept; its bytes
//! pass through one piece at a time while a member looks, and none of them is written anywhere. What the platform no
//! longer shows is not shown here either.

use zeroize::Zeroizing;

use crate::assistant::AssistantError;
use crate::assistant::desk::Desk;
use crate::error::Retry;
use crate::id::{ContactId, MessageId};
use crate::media::{MediaBody, MediaError, MediaErrorKind, MediaPart, MediaRequest};
use crate::model::{ChannelKind, Content, ContentKind, Message, StoryRef};
use crate::privacy::{About, Denied, Purpose, ServiceProvision};

const OPERATION: &str = "open a story";

impl Desk {
    /// Opens the story that a message mentions or answers, to show it piece by piece. Each call asks the platform: nothing
    /// of a story is kept.
    ///
    /// # Errors
    /// [`AssistantError::Media`] with [`Gone`](MediaErrorKind::Gone) once the story is over or was taken down: show a
    /// placeholder. [`AssistantError::NotFound`] when there is no such message, or no story to it;
    /// [`Denied`](AssistantError::Denied); by the store, the vault and the channel.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn open_story(&self, message: MessageId) -> Result<LiveStory, AssistantError> {
        let inner = &self.assistant.inner;
        let row = inner.entities.message_row(self.tenant, message).await?;
        let row = row.ok_or(AssistantError::NotFound("message"))?;
        let subject = row.record.subjects.first().copied().ok_or(AssistantError::NotFound("contact"))?;
        let (permit, tenant) = self.permit(ContactId(subject)).await?;
        let (message, _) = inner.entities.message(permit.grant(), self.tenant, &row).await?;
        let story = story(&message).ok_or(AssistantError::NotFound("story of the message"))?;
        let conversation = inner.entities.conversation(self.tenant, message.conversation).await?.conversation;
        let row = inner.entities.connection_row(self.tenant, conversation.connection).await?;
        let holder = inner.gate.permit::<ServiceProvision>(&tenant, About::holder(&tenant), inner.clock.now()).await?;
        let connection = inner.entities.connection(&holder, self.tenant, &row).await?;
        let source = inner.source(&connection)?;
        let now = inner.clock.now();
        if now > message.at + source.keeps_for(MediaPart::Story) {
            let over = MediaError::new(OPERATION, MediaErrorKind::Gone, Retry::Never)
                .with_advice("the story is over: show a placeholder");
            return Err(AssistantError::Media(connection.channel, over));
        }
        let request = MediaRequest::story(story, message.platform_id.clone());
        // It is fetched with the business's token, and while a breach is contained nothing is asked with that.
        if let Err(reason) = inner.gate.lets_out(&tenant) {
            return Err(Denied { purpose: Purpose::ServiceProvision, reason }.into());
        }
        permit.grant().recheck(now)?;
        match source.open(&connection, &request).await {
            Ok(body) => {
                let message = (message.id, ContactId(subject));
                Ok(LiveStory { desk: self.clone(), message, channel: connection.channel, body, shown: 0 })
            }
            Err(error) => Err(AssistantError::Media(connection.channel, error)),
        }
    }
}

/// Returns the story of a message: one that it mentions, or one that it answers.
const fn story(message: &Message) -> Option<&StoryRef> {
    match &message.content {
        Content::StoryMention(story) => Some(story),
        _ => message.story.as_ref(),
    }
}

/// A story on its way from the platform to a member. One piece of it is in memory at a time, and none anywhere else.
#[derive(Debug)]
pub struct LiveStory {
    desk: Desk,
    /// The message that it belongs to, and whose that is.
    message: (MessageId, ContactId),
    channel: ChannelKind,
    body: Box<dyn MediaBody>,
    shown: u64,
}

impl LiveStory {
    /// Returns the MIME type that came with it, if one did. Its author chose it: do not trust it.
    #[must_use]
    pub fn mime(&self) -> Option<String> {
        self.body.mime()
    }

    /// Returns the next piece, `None` at the end. Each is shown under a permit of its own: nothing more comes once the
    /// message was taken back or the person erased. Tell the browser not to store it.
    ///
    /// # Errors
    /// [`AssistantError::Denied`]; [`AssistantError::NotFound`], when the message is gone meanwhile; by the store;
    /// [`AssistantError::Media`], when it breaks off or is larger than
    /// [`Config::media_bytes_max`](crate::assistant::Config::media_bytes_max).
    ///
    /// # Cancellation
    /// A piece may be lost: open the story again.
    pub async fn next(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AssistantError> {
        let (message, contact) = self.message;
        self.desk.permit(contact).await?;
        let row = self.desk.assistant.inner.entities.message_row(self.desk.tenant, message).await?;
        if row.is_none_or(|row| row.clear.kind == ContentKind::Unsent) {
            return Err(AssistantError::NotFound("story of the message"));
        }
        let failed = |error| AssistantError::Media(self.channel.clone(), error);
        let Some(piece) = self.body.next().await.map_err(failed)? else { return Ok(None) };
        let piece = Zeroizing::new(piece);
        self.shown = self.shown.saturating_add(piece.len() as u64);
        if self.shown > self.desk.assistant.inner.config.media_bytes_max {
            return Err(failed(MediaError::new(OPERATION, MediaErrorKind::TooLarge, Retry::Never)));
        }
        Ok(Some(piece))
    }
}
