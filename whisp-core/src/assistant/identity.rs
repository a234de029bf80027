//! Whose a handle is, and whose it was: people change their numbers, and numbers change their people.
//!
//! WhatsApp tells a change of number or BSUID in a system message with the old and the new ids, in no order with the
//! messages around it; what comes late comes within seven days (Meta, business-scoped user ids and webhooks overview,
//! 2026). So:
//! 1. From the time of the change on, by the platform's clock, the old handles lead nowhere: whoever writes under them
//!    is somebody else. They are given up whole: with a number each of its spellings goes, and a BSUID that the change
//!    does not name stays.
//! 2. What was written under an old handle up to that time still finds its person, whenever it comes. Whose the handle
//!    was is remembered for nine days for that, and no reply goes there any more.
//! 3. A new handle that led to somebody else leads to the person from now on. But where that conversation began after
//!    the change, it is the person's own, who was faster than the notice: it goes on, and the one from before, whose
//!    messages stay where they are, can no longer be answered. Withdrawals hold for both, and it is noted that the two are
//!    one person: whoever erases one of them, or puts a hold on it, means both.
//! 4. A BSUID is one person's and is made anew with the number (same source), so a known number that comes with another
//!    BSUID is somebody else's by now, even if no change was told; and a number that comes with a known BSUID is its
//!    person's.
//! 5. An older change undoes nothing of a newer one, and one that comes again changes nothing. Of a person whom we do not
//!    know it is only remembered that the old handles were given up, as long: what comes late under them is kept in a
//!    conversation of its own that nobody answers to.
//! 6. When a person is erased their handles are remembered as long, without them: what they wrote before and comes late is
//!    dropped. Whoever writes later is somebody new.

use chrono::{DateTime, TimeDelta, Utc};

use crate::assistant::AssistantError;
use crate::assistant::ingest::Account;
use crate::assistant::stage::{LATE_MAX, Stage};
use crate::entity::{Alias, Entities, Former, Holder};
use crate::id::{ContactId, RecordId};
use crate::model::{Handle, HandleKind};
use crate::privacy::StatementEvent;
use crate::store::{Kind, Version, WriteOp};

/// The least difference of two times: what happens at the time of a change is told of the new handle and of the old one.
const INSTANT: TimeDelta = TimeDelta::microseconds(1);

/// Whose a handle is and was, as the batch leaves it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    holder: Option<Holder>,
    former: Option<(Former, Version)>,
}

impl Held {
    /// Returns whether nobody has the handle.
    pub(super) const fn is_free(&self) -> bool {
        self.holder.is_none()
    }
}

/// What is left of the handle of somebody who was erased. Who had it before and was erased too stays fenced off, also
/// where the clock has gone back between the two.
pub(super) fn fence(since: Option<DateTime<Utc>>, until: DateTime<Utc>, before: Option<Former>) -> Former {
    let (since, until) = match before.filter(|before| before.erased) {
        Some(before) => (before.since, until.max(before.until)),
        None => (since, until),
    };
    Former { alias: None, since, until, erased: true }
}

/// Who was found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) alias: Alias,
    /// By a handle that has been given up since.
    pub(super) late: bool,
}

impl Stage<'_> {
    /// Finds who had a handle at a time.
    async fn leads_to(
        &mut self,
        account: &Account,
        handle: &Handle,
        at: DateTime<Utc>,
    ) -> Result<Option<Found>, AssistantError> {
        let (_, held) = self.held(account, handle).await?;
        let after = |since: Option<DateTime<Utc>>| since.is_none_or(|since| at > since);
        let found = match held {
            Held { holder: Some(holder), .. } if after(holder.since) => Found { alias: holder.alias, late: false },
            Held { former: Some((Former { alias: Some(alias), since, until, .. }, _)), .. }
                if at <= until && after(since) =>
            {
                Found { alias, late: true }
            }
            _ => return Ok(None),
        };
        Ok((!self.gone.contains(&found.alias.contact)).then_some(found))
    }

    /// Finds who is named by the handle at `place`, unless a handle before it says that the number is somebody else's
    /// by now.
    pub(super) async fn found_by(
        &mut self,
        account: &Account,
        handles: &[Handle],
        place: usize,
        at: DateTime<Utc>,
    ) -> Result<Option<Found>, AssistantError> {
        let Some(handle) = handles.get(place) else { return Ok(None) };
        let Some(found) = self.leads_to(account, handle, at).await? else { return Ok(None) };
        let ids: Vec<&Handle> = handles.iter().take(place).filter(|id| id.kind != HandleKind::Phone).collect();
        if handle.kind != HandleKind::Phone || ids.is_empty() {
            return Ok(Some(found));
        }
        if found.late {
            // The change told the BSUID that went with the number, so one that nobody knows came in between.
            return Ok(None);
        }
        let Some((person, _)) = self.person(found.alias.contact).await? else { return Ok(Some(found)) };
        let other = |id: &&Handle| person.handles.iter().any(|own| own.kind == id.kind);
        Ok((!ids.iter().any(other)).then_some(found))
    }

    /// Reads whose a handle is and was. The batch will hold only if nobody changes it meanwhile, and nobody is erased.
    async fn held(&mut self, account: &Account, handle: &Handle) -> Result<(RecordId, Held), AssistantError> {
        let tenant = self.staged.batch.tenant;
        let entities = &self.inner.entities;
        let keys = entities.alias_keys(tenant, account.connection, &account.handles, handle).await?;
        if let Some(held) = self.handles.get(&keys.newest) {
            return Ok((keys.newest, *held));
        }
        let stored = entities.stored_handle(tenant, keys).await?;
        let held = Held { holder: stored.holder, former: stored.former };
        stored.expects.into_iter().for_each(|expect| self.expect(expect));
        stored.moves.into_iter().for_each(|op| self.op(op));
        self.handles.insert(keys.newest, held);
        Ok((keys.newest, held))
    }

    /// Makes a handle lead to a contact, as something from `at` tells; returns whether it did not before. Somebody else
    /// loses it, but not to something older than their having it. `fresh` says that the contact has just got it: what is
    /// older than `at` is somebody else's.
    pub(super) async fn take(
        &mut self,
        account: &Account,
        handle: &Handle,
        alias: Alias,
        at: DateTime<Utc>,
        fresh: bool,
    ) -> Result<bool, AssistantError> {
        let (key, mut held) = self.held(account, handle).await?;
        match held.holder {
            Some(holder) if holder.alias == alias => return Ok(false),
            Some(holder) if self.gone.contains(&holder.alias.contact) => {
                held = self.fence_off(key, held, holder).await?;
            }
            Some(holder) if holder.since.is_some_and(|since| at <= since) => return Ok(false),
            Some(holder) if !self.began_before(holder.alias, at).await? => return Ok(false),
            Some(holder) => {
                self.leave(account, holder.alias, std::slice::from_ref(handle), at).await?;
                held = self.held(account, handle).await?.1;
            }
            None => {}
        }
        // Given up since. At the very time of a change it may be the one who gets it.
        let given_up = |former: Former| {
            at < former.until || (at == former.until && former.alias.is_none_or(|former| former == alias))
        };
        if held.former.is_some_and(|(former, _)| given_up(former)) {
            return Ok(false);
        }
        let since = if fresh { Some(at - INSTANT) } else { held.former.map(|(former, _)| former.until) };
        let holder = Holder { alias, since };
        self.op(WriteOp::Put(Entities::new_holder(key, &holder)?));
        self.handles.insert(key, Held { holder: Some(holder), ..held });
        Ok(true)
    }

    /// Ends the way from a handle to somebody whose erasure is under way, as the erasure would.
    async fn fence_off(&mut self, key: RecordId, held: Held, holder: Holder) -> Result<Held, AssistantError> {
        let tenant = self.staged.batch.tenant;
        self.op(WriteOp::Delete(Kind::ALIAS, key, 1));
        let Some(until) = self.inner.erased_at(tenant, holder.alias.contact).await? else {
            return Ok(Held { holder: None, ..held });
        };
        let version = held.former.map_or(1, |(_, version)| version + 1);
        let fence = fence(holder.since, until, held.former.map(|(former, _)| former));
        self.op(WriteOp::Put(Entities::put_former(key, &fence, version, Some(self.now + LATE_MAX))?));
        Ok(Held { holder: None, former: Some((fence, version)) })
    }

    /// Returns whether something from `at` was written by somebody who was erased after they wrote it.
    pub(super) async fn is_fenced(
        &mut self,
        account: &Account,
        handles: &[Handle],
        at: DateTime<Utc>,
    ) -> Result<bool, AssistantError> {
        for handle in handles {
            let (_, held) = self.held(account, handle).await?;
            let before =
                |former: Former| former.erased && at <= former.until && former.since.is_none_or(|since| at > since);
            if held.former.is_some_and(|(former, _)| before(former)) {
                return Ok(true);
            }
            if let Some(holder) = held.holder.filter(|holder| self.gone.contains(&holder.alias.contact)) {
                let tenant = self.staged.batch.tenant;
                let erased_at = self.inner.erased_at(tenant, holder.alias.contact).await?;
                if erased_at.is_some_and(|until| before(fence(holder.since, until, None))) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Takes handles from a contact, which had them up to a time.
    async fn leave(
        &mut self,
        account: &Account,
        alias: Alias,
        handles: &[Handle],
        until: DateTime<Utc>,
    ) -> Result<(), AssistantError> {
        let mut left = Vec::new();
        for handle in handles {
            if self.end(account, handle, Some(alias), until).await? {
                left.push(handle);
            }
        }
        if left.is_empty() {
            return Ok(());
        }
        self.edit(alias.contact, |contact| contact.handles.retain(|handle| !left.contains(&handle))).await
    }

    /// Ends the way from a handle to a contact, or to somebody whom we do not know; returns whether it was not ended yet.
    async fn end(
        &mut self,
        account: &Account,
        handle: &Handle,
        alias: Option<Alias>,
        until: DateTime<Utc>,
    ) -> Result<bool, AssistantError> {
        let (key, held) = self.held(account, handle).await?;
        let known = held.former.map(|(former, _)| former);
        match held.holder {
            // Theirs again, by something newer.
            Some(holder) if holder.since.is_some_and(|since| since >= until) => return Ok(false),
            Some(holder) if Some(holder.alias) == alias => self.op(WriteOp::Delete(Kind::ALIAS, key, 1)),
            Some(_) => return Ok(false),
            None if known.is_some_and(|former| former.until >= until) => return Ok(false),
            None => {}
        }
        let since = match known {
            Some(former) if former.alias == alias => former.since,
            Some(former) => Some(former.until),
            None => held.holder.and_then(|holder| holder.since),
        };
        let former = Former { alias, since, until, erased: false };
        let version = held.former.map_or(1, |(_, version)| version + 1);
        let record = Entities::put_former(key, &former, version, Some(self.now + LATE_MAX))?;
        self.op(WriteOp::Put(record));
        self.handles.insert(key, Held { holder: None, former: Some((former, version)) });
        Ok(true)
    }

    /// Takes in that a person's handles changed; returns whether there was anything to write.
    pub(super) async fn changed(
        &mut self,
        account: &Account,
        old: &[Handle],
        new: &[Handle],
        at: DateTime<Utc>,
    ) -> Result<bool, AssistantError> {
        let before = self.staged.batch.ops.len();
        let mut leaving: Vec<Handle> = old.iter().filter(|handle| !new.contains(handle)).cloned().collect();
        let kinds: Vec<HandleKind> = leaving.iter().map(|handle| handle.kind).collect();
        let moved = |handle: &Handle| kinds.contains(&handle.kind);
        let was = self.find(account, &leaving, at).await?.map(|found| found.alias);
        let mut is = None;
        for (place, handle) in new.iter().enumerate() {
            let Some(Found { alias, late }) = self.found_by(account, new, place, at).await? else { continue };
            if was == Some(alias) {
                is = is.or(was);
            } else if !late && moved(handle) && self.began_before(alias, at).await? {
                self.leave(account, alias, std::slice::from_ref(handle), at).await?;
            } else if !late {
                is = is.or(Some(alias));
            }
        }
        if let Some(was) = was {
            if let Some(is) = is.filter(|is| *is != was) {
                self.carry_refusals(was.contact, is.contact).await?;
                self.same_person(was.contact, is.contact).await?;
            }
            if let Some((person, _)) = self.person(was.contact).await? {
                let other = |handle: &Handle| moved(handle) && !new.contains(handle) && !leaving.contains(handle);
                let others: Vec<Handle> = person.handles.into_iter().filter(other).collect();
                leaving.extend(others);
            }
            self.leave(account, was, &leaving, at).await?;
        } else {
            for handle in &leaving {
                // Whoever had it before the one who gave it up has it no longer.
                if let Some(Found { alias, late: false }) = self.leads_to(account, handle, at).await?
                    && self.began_before(alias, at).await?
                {
                    self.leave(account, alias, std::slice::from_ref(handle), at).await?;
                }
                self.end(account, handle, None, at).await?;
            }
        }
        if let Some(who) = is.or(was) {
            let mut theirs = Vec::new();
            for handle in new {
                self.take(account, handle, who, at, moved(handle)).await?;
                if self.held(account, handle).await?.1.holder.is_some_and(|holder| holder.alias == who) {
                    theirs.push(handle.clone());
                }
            }
            self.edit(who.contact, |contact| {
                let rest = contact.handles.drain(..).filter(|handle| !theirs.contains(handle)).collect::<Vec<_>>();
                contact.handles = theirs.into_iter().chain(rest).collect();
            })
            .await?;
        }
        Ok(self.staged.batch.ops.len() > before)
    }

    /// Returns whether a conversation is older than a time: by its first message, because that may have come late; by our
    /// clock only where its messages are past their time.
    pub(super) async fn began_before(&self, alias: Alias, at: DateTime<Utc>) -> Result<bool, AssistantError> {
        let tenant = self.staged.batch.tenant;
        let entities = &self.inner.entities;
        if let Some(began) = self.begun.get(&alias.conversation) {
            return Ok(*began < at);
        }
        if let Some(first) = entities.first_message(tenant, alias.conversation).await? {
            return Ok(first.clear.at < at);
        }
        let row = entities.conversation_row(tenant, alias.conversation.into()).await?;
        Ok(row.is_some_and(|row| row.conversation.created_at < at))
    }

    /// What a person refused as one contact holds for the other one, unless that one has said something about it.
    async fn carry_refusals(&mut self, from: ContactId, to: ContactId) -> Result<(), AssistantError> {
        let tenant = self.staged.batch.tenant;
        let said = self.inner.entities.statements(tenant, from.0).await?;
        let own = self.inner.entities.statements(tenant, to.0).await?;
        for (place, event) in said.iter().enumerate() {
            let same = |other: &StatementEvent| event.statement.is_about_the_same(&other.statement);
            let is_last = !said.iter().skip(place + 1).any(same);
            if is_last && event.statement.closes() && !own.iter().any(same) {
                self.state(to.0, event.statement.clone(), event.act).await?;
            }
        }
        Ok(())
    }
}
