//! Has the platform delete somebody who is erased from the book of contacts that it keeps for the business.
//!
//! By which handle it knows them has to be known when the person's key is gone. So it is written down with the beginning of
//! the erasure, sealed under the account holder's key, and goes with the platform's answer. It is asked last, when nothing of
//! our own is left: again and again where it can't be reached, for [`ASK_FOR`]; then the receipt says that the entry remains.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use lru::LruCache;
use serde::{Deserialize, Serialize};

use crate::assistant::erase::ErasureClear;
use crate::assistant::pace::{Hold, entry, time};
use crate::assistant::{AssistantError, Inner};
use crate::channel::{ChannelError, ChannelErrorKind};
use crate::error::Retry;
use crate::id::{ConnectionId, ContactId, SubjectId, TenantId};
use crate::model::{ChannelKind, ConnectionState, Conversation};
use crate::privacy::{About, ServiceProvision, Storage};
use crate::store::{Record, Sealed};
use crate::vault::VaultErrorKind;

/// For how long after the beginning of an erasure the platform is asked: an outage, and a weekend until the business has
/// connected its account again. The person has to be answered within a month (Art. 12(3) GDPR).
const ASK_FOR: TimeDelta = TimeDelta::days(3);

/// How long a connection is left alone after it failed, doubled with each further failure.
const REST: TimeDelta = TimeDelta::minutes(1);

/// How often that is doubled at most: to a little more than an hour.
const DOUBLINGS_MAX: u32 = 6;

/// How many connections are remembered that failed.
const RESTING_MAX: usize = 10_000;

/// Where the deletion of somebody's entry stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BookEntry {
    /// The platform is to be asked; whom to delete is sealed beside it.
    Ask { channel: ChannelKind, connection: ConnectionId },
    /// The platform said so, then.
    Deleted(DateTime<Utc>),
    /// It stays.
    Remains(ChannelKind),
}

/// The connections that are left alone for a while. Safe to lose.
#[derive(Debug)]
pub(super) struct Resting(LruCache<ConnectionId, Rest>);

#[derive(Debug, Default)]
struct Rest {
    failures: u32,
    hold: Option<Hold>,
}

impl Default for Resting {
    fn default() -> Self {
        Self(LruCache::unbounded())
    }
}

impl Resting {
    /// Returns for how long still.
    fn left(&self, connection: ConnectionId, now: DateTime<Utc>) -> Option<Duration> {
        (self.0.peek(&connection)?.hold?.until(now)? - now).to_std().ok()
    }

    fn failed(&mut self, connection: ConnectionId, told: Option<Duration>, now: DateTime<Utc>) {
        let rest = entry(&mut self.0, connection, RESTING_MAX);
        let own = REST * (1 << rest.failures.min(DOUBLINGS_MAX));
        rest.failures = rest.failures.saturating_add(1);
        rest.hold = Some(Hold { since: now, until: now + own.max(time(told)) });
    }

    fn went_well(&mut self, connection: ConnectionId) {
        self.0.pop(&connection);
    }
}

/// What came of asking the platform.
enum Answer {
    /// The person is not in the book.
    Deleted,
    /// It will never do it, or there is nobody to ask.
    Never,
    /// Another time it may.
    Later(ChannelError),
}

impl Inner {
    /// Looks up by which handle the platform knows somebody whose erasure begins, and seals it for later; nothing where it keeps
    /// no book.
    pub(super) async fn book_entry(
        &self,
        tenant: TenantId,
        subject: SubjectId,
    ) -> Result<Option<(BookEntry, Sealed)>, AssistantError> {
        let Some(row) = self.entities.contact_row(tenant, ContactId(subject)).await? else { return Ok(None) };
        let Some(conversation) = row.conversation else { return Ok(None) };
        // It may have gone with its age: then nobody knows any more by which account the person wrote.
        let Some(conversation) = self.entities.conversation_row(tenant, conversation.into()).await? else {
            return Ok(None);
        };
        let Conversation { channel, connection, .. } = conversation.conversation;
        let Some(way) = self.channels.get(&channel) else {
            // This process does not know whether there is a book.
            return Ok(Some((BookEntry::Remains(channel), Sealed::default())));
        };
        let Some(kind) = way.capabilities().contact_book else { return Ok(None) };
        let settings = self.entities.tenant(tenant).await?.tenant;
        let read = async {
            let permit = self.gate.permit::<Storage>(&settings, ContactId(subject), self.clock.now()).await?;
            let mut handles = self.entities.contact(permit.grant(), tenant, &row).await?.handles;
            handles.retain(|handle| handle.kind == kind);
            if handles.is_empty() {
                return Ok(None);
            }
            self.entities.seal_entry(tenant, settings.account_holder, subject.into(), &handles).await.map(Some)
        };
        Ok(Some(match read.await {
            Ok(Some(sealed)) => (BookEntry::Ask { channel, connection }, sealed),
            // Nothing that the platform knows them by, or nothing that may be read any more.
            Ok(None) => (BookEntry::Remains(channel), Sealed::default()),
            Err(error) if is_closed(&error) => (BookEntry::Remains(channel), Sealed::default()),
            Err(error) => return Err(error),
        }))
    }

    /// Asks the platform to delete somebody, where that is still to be done. Returns whether it came to an end, which is to be
    /// written down.
    pub(super) async fn ask_to_forget(
        &self,
        tenant: TenantId,
        record: &mut Record,
        state: &mut ErasureClear,
    ) -> Result<bool, AssistantError> {
        let Some(BookEntry::Ask { channel, connection }) = &state.book else { return Ok(false) };
        let (channel, connection) = (channel.clone(), *connection);
        let now = self.clock.now();
        let end = match self.forget(tenant, record, &channel, connection).await? {
            Answer::Deleted => BookEntry::Deleted(now),
            Answer::Later(error) if now - state.started_at < ASK_FOR => {
                return Err(AssistantError::Channel(channel, error));
            }
            Answer::Later(_) | Answer::Never => BookEntry::Remains(channel),
        };
        state.book = Some(end);
        record.sealed = Sealed::default();
        Ok(true)
    }

    async fn forget(
        &self,
        tenant: TenantId,
        record: &Record,
        channel: &ChannelKind,
        connection: ConnectionId,
    ) -> Result<Answer, AssistantError> {
        let now = self.clock.now();
        let later = |kind, wait| Ok(Answer::Later(ChannelError::new("forget", kind, Retry::After(wait))));
        if let Some(left) = self.resting().left(connection, now) {
            return later(ChannelErrorKind::Unavailable, Some(left));
        }
        if let Some(until) = self.pace().rests((tenant, connection), now) {
            // The platform wants no call whatever through it.
            return later(ChannelErrorKind::RateLimited, (until - now).to_std().ok());
        }
        let settings = self.entities.tenant(tenant).await?.tenant;
        if self.gate.lets_out(&settings).is_err() {
            // While a breach is being contained nothing leaves.
            return later(ChannelErrorKind::Denied, None);
        }
        let row = match self.entities.connection_row(tenant, connection).await {
            Ok(row) => row,
            Err(AssistantError::NotFound(_)) => return Ok(Answer::Never),
            Err(error) => return Err(error),
        };
        // Another process has it, or this one next time.
        let Some(way) = self.channels.get(channel) else { return later(ChannelErrorKind::Unsupported, None) };
        match row.clear.state {
            ConnectionState::Live => {}
            ConnectionState::Disconnected => return Ok(Answer::Never),
            ConnectionState::Reauthorize => return later(ChannelErrorKind::Auth, None),
        }
        let opened = async {
            let permit = self.gate.permit::<ServiceProvision>(&settings, About::holder(&settings), now).await?;
            let connection = self.entities.connection(&permit, tenant, &row).await?;
            Ok((self.entities.entry(permit.grant(), tenant, record).await?, connection))
        };
        let (handles, connection) = match opened.await {
            Ok(opened) => opened,
            Err(error) if is_closed(&error) => return Ok(Answer::Never),
            Err(error) => return Err(error),
        };
        for handle in &handles {
            if let Err(error) = way.forget(&connection, handle).await {
                let told = match error.retry() {
                    // A token that is refused is not the end: the business connects again.
                    Retry::Never if error.kind() != ChannelErrorKind::Auth => return Ok(Answer::Never),
                    Retry::After(told) => told,
                    _ => None,
                };
                self.resting().failed(connection.id, told, now);
                return Ok(Answer::Later(error));
            }
        }
        self.resting().went_well(connection.id);
        Ok(Answer::Deleted)
    }
}

/// Whether what is sealed can't be opened any more, by anybody, or may not be.
fn is_closed(error: &AssistantError) -> bool {
    match error {
        AssistantError::Denied(denied) => !denied.reason.is_passing(),
        AssistantError::NotFound(_) => true,
        AssistantError::Vault(error) => {
            matches!(error.kind(), VaultErrorKind::Destroyed | VaultErrorKind::Erased | VaultErrorKind::UnknownSubject)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_connection_that_fails_is_left_alone_for_longer_each_time_but_not_for_ever() {
        let (mut resting, mut now) = (Resting::default(), DateTime::UNIX_EPOCH);
        let connection = ConnectionId::from_uuid(Uuid::from_u128(1));
        for minutes in [1_u64, 2, 4, 8, 16, 32, 64, 64] {
            assert_eq!(resting.left(connection, now), None, "{minutes}");
            resting.failed(connection, None, now);
            assert_eq!(resting.left(connection, now), Some(Duration::from_secs(60 * minutes)));
            assert_eq!(resting.left(connection, now - TimeDelta::seconds(1)), None, "the clock went back");
            now += TimeDelta::minutes(64);
        }
        resting.failed(connection, Some(Duration::from_secs(u64::MAX)), now);
        assert_eq!(
            resting.left(connection, now),
            Some(Duration::from_secs(24 * 60 * 60)),
            "no answer makes it wait for longer"
        );
        resting.went_well(connection);
        assert_eq!(resting.left(connection, now), None);
        resting.failed(connection, Some(Duration::from_secs(90)), now);
        assert_eq!(resting.left(connection, now), Some(Duration::from_secs(90)), "the platform's word counts");
    }

    #[test]
    fn it_remembers_so_many_and_no_more() {
        let (mut resting, now) = (Resting::default(), DateTime::UNIX_EPOCH);
        let connection = |place: usize| ConnectionId::from_uuid(Uuid::from_u128(place as u128));
        (0..=RESTING_MAX).for_each(|place| resting.failed(connection(place), None, now));
        assert_eq!(resting.0.len(), RESTING_MAX);
        assert_eq!(resting.left(connection(0), now), None);
        assert!(resting.left(connection(RESTING_MAX), now).is_some());
    }
}
