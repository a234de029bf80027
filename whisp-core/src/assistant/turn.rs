//! One turn: what the contact wrote since the last answer, and what becomes of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::Sensitive;
use crate::assistant::AssistantError;
use crate::assistant::ask::{by_number, question};
use crate::assistant::lane::LaneRun;
use crate::assistant::requests::CodeVerdict;
use crate::assistant::task::Task;
use crate::channel::Choice;
use crate::detect::{Signal, stronger};
use crate::entity::{By, ConnectionRow, InquiryRow, MessageRow};
use crate::error::Retry;
use crate::find::special;
use crate::id::{InquiryId, MessageId};
use crate::kpi::{Actor, FactKind};
use crate::model::{
    Author, AutomationMode, ConnectionState, Content, ContentKind, HandOffReason, Handling, Inquiry, Message,
    Provenance, SensitivePolicy,
};
use crate::privacy::{About, AutomatedReplies, DeniedReason, LawfulBasis, Purpose, ServiceProvision};
use crate::reply::{Decision, EngineId, Proposal, ReplyContext, ReplyRequest, TURNS_MAX, Turn};
use crate::route::{Route, RouteRequest};
use crate::store::WorkItem;

/// How many of the last messages are read beside those that an engine is shown: reactions and the like among them, which
/// it is not.
const OTHERS: usize = 4;

/// How often an engine that can't be reached is asked again before a person takes over.
const ENGINE_TRIES_MAX: u32 = 3;

/// How long it waits before it asks again, times the number of the try.
const ENGINE_REST: TimeDelta = TimeDelta::seconds(5);

/// How long it waits at most, whatever it says: what the contact writes meanwhile waits with it, so that nothing is
/// answered out of order.
pub(crate) const ENGINE_REST_MAX: TimeDelta = TimeDelta::seconds(60);

/// A turn that was taken in, before anybody thinks about an answer.
pub(crate) struct OpenTurn {
    inquiry: InquiryId,
    /// The last text, to choose the language of our own texts by.
    sample: String,
    signal: Option<Signal>,
    /// What came of a code by which the contact proves who they are.
    code: Option<CodeVerdict>,
    /// Whether something of it can be read beside `resumes`.
    readable: bool,
    /// The messages that say that automatic messages are welcome again, and nothing else.
    resumes: Vec<MessageId>,
    /// Whether something else waits for an answer.
    asks: bool,
}

impl LaneRun<'_> {
    /// Takes a turn in: the messaging window, the inquiry, signals. `None` where nothing waits for an answer.
    pub(crate) async fn open_turn(
        &mut self,
        turns: &[(&WorkItem, MessageId)],
    ) -> Result<Option<OpenTurn>, AssistantError> {
        if self.lane.conversation.engine_handles() {
            // In one read what an engine is shown, and what waits among it.
            self.read_earlier(turns.len()).await?;
        }
        let mut rows = Vec::new();
        for (item, message) in turns {
            self.complete(item);
            if let Some(row) = self.message(*message).await? {
                // An engine may be asked about it in a moment.
                self.known.insert(*message, row.clone());
                rows.push(row);
            }
        }
        rows.sort_by_key(|row| (row.clear.at, row.id()));
        for row in &rows {
            let at = row.clear.at;
            let conversation = self.conversation_mut();
            conversation.contact_wrote_at = conversation.contact_wrote_at.max(Some(at));
            conversation.active_at = conversation.active_at.max(at);
        }
        let wants = |row: &&MessageRow| wants_answer(row.clear.kind) && !row.record.is_past(self.now);
        let wanting: Vec<&MessageRow> = rows.iter().filter(wants).collect();
        let (Some(first), Some(last)) = (wanting.first(), wanting.last()) else { return Ok(None) };
        let inquiry = self.inquiry_for(first.clear.at, last.clear.at)?;
        let tenant = self.tenant.tenant.clone();
        let code = self.try_codes(&wanting).await?;
        let (sample, resumes) = (String::new(), Vec::new());
        let mut open = OpenTurn { inquiry, sample, signal: None, code, readable: false, resumes, asks: false };
        let contact = self.lane.conversation.contact;
        let permit = match self.inner.gate.permit::<ServiceProvision>(&tenant, contact, self.now).await {
            Ok(permit) => permit,
            // Nobody may read it now, and so nobody answers; the person who looks after their rights does.
            Err(denied) if !denied.reason.is_passing() => {
                self.refused(denied.reason);
                return Ok(None);
            }
            Err(denied) => return Err(denied.into()),
        };
        for row in &wanting {
            let (message, _) = self.inner.entities.message(permit.grant(), tenant.id, row).await?;
            let Some(text) = message.content.readable() else { continue };
            let signal = self.inner.detector.detect(text);
            open.signal = open.signal.into_iter().chain(signal).reduce(stronger);
            if signal == Some(Signal::Resume) {
                open.resumes.push(row.id());
            } else {
                open.readable = true;
            }
            // A keyword is often English, whatever the language of the rest.
            if signal != Some(Signal::Resume) || open.sample.is_empty() {
                text.clone_into(&mut open.sample);
            }
        }
        open.asks = wanting.len() > open.resumes.len();
        Ok(Some(open))
    }

    /// Answers a turn, as far as anybody but a person may. Stop, rights and "a person, please" come before any engine.
    pub(crate) async fn answer(
        &mut self,
        open: &OpenTurn,
        turns: &[(&WorkItem, MessageId)],
    ) -> Result<(), AssistantError> {
        let resumed = match open.signal {
            None => false,
            Some(Signal::Resume) => self.resume().await?,
            Some(Signal::Stop) => {
                // The withdrawal itself was committed with the message. Nothing automatic is said about it.
                self.hand_off(None, HandOffReason::OptedOut);
                return Ok(());
            }
            Some(Signal::Person) => {
                return self.hand_off_aloud(HandOffReason::Asked, None, &open.sample, open.inquiry).await;
            }
            Some(Signal::Rights(kind)) => {
                self.take_down(kind).await?;
                return self.hand_off_aloud(HandOffReason::RightsRequest, None, &open.sample, open.inquiry).await;
            }
        };
        if let Some(code) = open.code {
            let mode = self.mode(&*self.connection().await?);
            return self.answer_code(code, open.inquiry, mode).await;
        }
        // Whoever wants to go on has got that; what they ask beside it waits for its answer all the same, unless a member
        // gave it. Of somebody who had stopped nothing it is a text to be answered.
        if !self.lane.conversation.engine_handles() || (resumed && (!open.asks || self.member_wrote)) {
            return Ok(());
        }
        let left_out = |message: &MessageId| resumed && open.resumes.contains(message);
        let asked: Vec<_> = turns.iter().copied().filter(|(_, message)| !left_out(message)).collect();
        self.ask(&asked, open).await
    }

    /// Returns the inquiry that a turn belongs to: the open one, the last one opened again, or a new one.
    pub(super) fn inquiry_for(
        &mut self,
        opened_at: DateTime<Utc>,
        last_at: DateTime<Utc>,
    ) -> Result<InquiryId, AssistantError> {
        let reopen = self.inner.config.reopen_window;
        if let Some(row) = &self.inquiry {
            let id = row.inquiry.id;
            let resolved = row.inquiry.resolved;
            if resolved.is_none_or(|(at, _)| opened_at - at <= reopen) {
                if let Some(inquiry) = self.inquiry_mut() {
                    inquiry.resolved = None;
                    inquiry.active_at = inquiry.active_at.max(last_at);
                }
                if resolved.is_some() {
                    self.fact(FactKind::InquiryReopened, Actor::Contact, opened_at);
                    self.enqueue(&Task::Idle { inquiry: id }, self.now + self.inner.config.inquiry_idle, 0)?;
                }
                return Ok(id);
            }
        }
        let id = InquiryId::from_uuid(self.inner.ids.time_ordered(self.now));
        let inquiry = Inquiry {
            id,
            conversation: self.lane.conversation.id,
            contact: self.lane.conversation.contact,
            opened_at,
            active_at: last_at,
            first_reply_at: None,
            first_member_reply_at: None,
            disclosed_at: None,
            resolved: None,
        };
        self.begin(InquiryRow::new(self.lease.tenant, inquiry));
        self.conversation_mut().inquiry = Some(id);
        self.fact(FactKind::InquiryOpened, Actor::Contact, opened_at);
        self.enqueue(&Task::Idle { inquiry: id }, self.now + self.inner.config.inquiry_idle, 0)?;
        Ok(id)
    }

    /// Gives the conversation back to the engines, where the contact had stopped them; returns whether they had.
    async fn resume(&mut self) -> Result<bool, AssistantError> {
        let opted_out =
            matches!(self.lane.conversation.handling, Handling::Member { reason: HandOffReason::OptedOut, .. });
        // A start that came late is not their last word: then they still want none.
        let resumes = opted_out && self.may_answer().await?;
        if resumes {
            self.hand_back(By::Subject);
            self.fact(FactKind::HandedBack, Actor::Contact, self.now);
        }
        Ok(resumes)
    }

    /// Returns whether the contact lets engines answer.
    async fn may_answer(&self) -> Result<bool, AssistantError> {
        let (tenant, contact) = (&self.tenant.tenant, self.lane.conversation.contact);
        match self.inner.gate.permit::<AutomatedReplies>(tenant, contact, self.now).await {
            Ok(_) => Ok(true),
            Err(denied) if denied.reason.is_passing() => Err(denied.into()),
            // Whether the business has turned engines on is another thing.
            Err(denied) => Ok(denied.reason != DeniedReason::Withdrawn),
        }
    }

    /// Asks the engine, as far as it may be asked.
    async fn ask(&mut self, turns: &[(&WorkItem, MessageId)], open: &OpenTurn) -> Result<(), AssistantError> {
        let OpenTurn { inquiry, sample, readable, resumes, .. } = open;
        let inquiry = *inquiry;
        let readable = *readable || turns.iter().any(|(_, message)| resumes.contains(message));
        let connection = self.connection().await?;
        let mode = self.mode(&connection);
        let request = RouteRequest {
            tenant: self.lease.tenant,
            conversation: self.lane.conversation.clone(),
            mode,
            now: self.now,
        };
        match self.inner.router.route(&request).await? {
            Route::Engine => {}
            Route::Member { member, reason } => {
                self.hand_off(member, reason);
                return Ok(());
            }
            Route::Hold => return Ok(()),
        }
        let Some(engine) = &self.inner.engine else { return Ok(()) };
        if mode == AutomationMode::Off {
            return Ok(());
        }
        if !readable {
            return self.hand_off_aloud(HandOffReason::Unreadable, None, sample, inquiry).await;
        }
        let request = match self.request(turns, inquiry).await {
            Ok(request) => request,
            Err(AssistantError::Denied(denied)) if !denied.reason.is_passing() => {
                self.refused(denied.reason);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let special = self.may_show_special().await?;
        let request = request.through(self.egress(&connection, special));
        let decision = match request.open_turns() {
            Ok(open) if !special && open.iter().any(tells_of_special) => {
                return self.hand_off_aloud(HandOffReason::Sensitive, None, sample, inquiry).await;
            }
            Ok(_) => request.ask(&**engine).await,
            Err(denied) => Err(denied),
        };
        let engine = engine.id().clone();
        self.now = self.inner.clock.now();
        if let Some((processor, refusal)) = request.refused() {
            self.egress_refused(processor, refusal);
        }
        match decision {
            Ok(decision) => self.decide(decision, mode, &engine, sample, inquiry).await,
            Err(error) => {
                let attempts = turns.iter().map(|(item, _)| item.attempts).max().unwrap_or(0) + 1;
                let again = !matches!(error.retry(), Retry::Never) && attempts < ENGINE_TRIES_MAX;
                if again {
                    let rest = match error.retry() {
                        Retry::After(Some(wait)) => TimeDelta::from_std(wait).unwrap_or(ENGINE_REST),
                        _ => ENGINE_REST * i32::try_from(attempts).unwrap_or(1),
                    };
                    let rest = rest.min(ENGINE_REST_MAX);
                    for (_, message) in turns {
                        self.enqueue(&Task::Turn { message: *message }, self.now + rest, attempts)?;
                    }
                } else {
                    self.hand_off_aloud(HandOffReason::EngineFailed, None, sample, inquiry).await?;
                }
                self.report.errors.push(error.into());
                Ok(())
            }
        }
    }

    /// A person takes over from engines that may not go on about somebody. Where the business has no ground for engines at
    /// all, it is as if there were none.
    fn refused(&mut self, reason: DeniedReason) {
        let reason = match reason {
            DeniedReason::NoConsent | DeniedReason::Objected | DeniedReason::Widened | DeniedReason::Withdrawn => {
                HandOffReason::OptedOut
            }
            DeniedReason::Minor => HandOffReason::Minor,
            DeniedReason::Restricted => HandOffReason::Restricted,
            DeniedReason::AssessmentExpired
            | DeniedReason::AutomationOff
            | DeniedReason::Contained
            | DeniedReason::Expired
            | DeniedReason::Unannounced
            | DeniedReason::Unavailable
            | DeniedReason::Unregistered
            | DeniedReason::Voided => return,
        };
        self.hand_off(None, reason);
    }

    /// Returns whether engines may be shown texts that tell of special categories: only where the business has that for its
    /// trade, and the contact agreed.
    async fn may_show_special(&self) -> Result<bool, AssistantError> {
        match self.tenant.tenant.sensitive {
            SensitivePolicy::HandOff => Ok(false),
            SensitivePolicy::WithConsent => {
                let contact = self.lane.conversation.contact.0;
                let standing = self.inner.entities.standing(self.lease.tenant, contact).await?;
                Ok(standing.check(Purpose::AutomatedReplies, &LawfulBasis::Consent, self.now).is_ok())
            }
        }
    }

    /// Returns how far the assistant may go: tenant and connection taken together.
    pub(super) fn mode(&self, connection: &ConnectionRow) -> AutomationMode {
        let off = !self.tenant.tenant.automation || self.is_contained();
        if off || connection.clear.state == ConnectionState::Disconnected {
            return AutomationMode::Off;
        }
        connection.clear.mode
    }

    /// Returns how many turns before those that wait an engine is shown.
    fn earlier(&self) -> usize {
        self.inner.engine.as_ref().map_or(0, |engine| engine.earlier_turns()).min(TURNS_MAX)
    }

    /// Reads the last messages, with so many that wait among them, where an engine looks back at all.
    async fn read_earlier(&mut self, open: usize) -> Result<(), AssistantError> {
        match self.earlier() {
            0 => Ok(()),
            earlier => self.read_tail((earlier + open + OTHERS).min(TURNS_MAX)).await,
        }
    }

    async fn request(
        &mut self,
        open: &[(&WorkItem, MessageId)],
        inquiry: InquiryId,
    ) -> Result<ReplyRequest, AssistantError> {
        let inner = self.inner;
        let tenant = &Arc::clone(&self.tenant).tenant;
        let contact = self.lane.conversation.contact;
        let permit = inner.gate.permit::<AutomatedReplies>(tenant, contact, self.now).await?;
        let opened_at = self.inquiry.as_ref().map_or(self.now, |row| row.inquiry.opened_at);
        self.read_earlier(open.len()).await?;
        let asked: BTreeSet<MessageId> = open.iter().map(|(_, message)| *message).collect();
        let mut unanswered = Vec::with_capacity(asked.len());
        for id in &asked {
            unanswered.extend(self.message(*id).await?.filter(|row| wants_answer(row.clear.kind)));
        }
        unanswered.sort_by_key(|row| (row.clear.at, row.id()));
        // What this step takes back nobody is shown any more. What was said before this inquiry stays out: its context
        // ended with it.
        let mut all: Vec<MessageRow> =
            self.tail().filter(|row| row.clear.at >= opened_at && !row.record.is_past(self.now)).cloned().collect();
        let here = |row: &MessageRow| !matches!(row.clear.provenance, Provenance::History | Provenance::Imported);
        all.retain(|row| here(row) && row.clear.kind != ContentKind::Reaction);
        // A code that proves who somebody is is nobody else's to see.
        all.retain(|row| !asked.contains(&row.id()) && !row.clear.for_rights);
        all.drain(..all.len().saturating_sub(self.earlier()));
        // What waits for an answer comes last, even where the platform's clock puts it before an answer of ours, or it
        // was overtaken on its way.
        let open = unanswered.len();
        all.append(&mut unanswered);
        let mut turns = Vec::with_capacity(all.len());
        for row in &all {
            let (message, _) = inner.entities.message(permit.grant(), tenant.id, row).await?;
            let Message { author, content, at, .. } = message;
            turns.push(Turn { from_contact: author == Author::Contact, content, at });
        }
        if let Some(can) = self.can() {
            by_number(&mut turns, open, &can);
        }
        let holder = inner.gate.permit::<ServiceProvision>(tenant, About::holder(tenant), self.now).await?;
        let name = match self.contact().await? {
            Some(row) => inner.entities.contact(permit.grant(), tenant.id, &row).await?.name,
            None => None,
        };
        let context = ReplyContext {
            tenant: tenant.id,
            conversation: self.lane.conversation.id,
            inquiry,
            channel: self.lane.conversation.channel.clone(),
            business: inner.entities.business_name(holder.grant(), &self.tenant).await?,
            zone: tenant.zone.clone(),
            contact_name: name,
            now: self.now,
            deadline: self.now + inner.config.reply_deadline,
        };
        Ok(ReplyRequest::new(permit.into_grant(), context, turns, open))
    }

    async fn decide(
        &mut self,
        decision: Decision,
        mode: AutomationMode,
        engine: &EngineId,
        sample: &str,
        inquiry: InquiryId,
    ) -> Result<(), AssistantError> {
        let by = |ground: &crate::reply::Ground| ground.engine.clone().unwrap_or_else(|| engine.clone());
        match decision {
            Decision::Reply(Proposal { text, ground }) if mode == AutomationMode::Automatic => {
                let author = Author::Engine { engine: by(&ground) };
                if let Some(parts) = self.parts(text.expose()) {
                    return self.say(parts, author, sample, inquiry).await;
                }
                self.suggest(by(&ground), Content::Text { text }, false).await?;
                self.hand_off_aloud(HandOffReason::NoAnswer, None, sample, inquiry).await
            }
            Decision::Ask { text, choices, ground } if mode == AutomationMode::Automatic => {
                let choose = &self.inner.config.texts.choose;
                let asked = self.can().and_then(|can| question(text.expose(), choices.clone(), &can, choose, sample));
                if let Some(body) = asked {
                    return self.say(vec![body], Author::Engine { engine: by(&ground) }, sample, inquiry).await;
                }
                self.suggest(by(&ground), interactive(text, choices), false).await?;
                self.hand_off_aloud(HandOffReason::NoAnswer, None, sample, inquiry).await
            }
            Decision::Decide(Proposal { text, ground }) => {
                self.suggest(by(&ground), Content::Text { text }, true).await?;
                self.hand_off_aloud(HandOffReason::Decision, None, sample, inquiry).await
            }
            Decision::Reply(Proposal { text, ground }) | Decision::Suggest(Proposal { text, ground }) => {
                self.suggest(by(&ground), Content::Text { text }, false).await?;
                if mode == AutomationMode::Automatic {
                    // Not sure enough to answer: nobody would look at a suggestion in a conversation of the engine's.
                    self.hand_off_aloud(HandOffReason::NoAnswer, None, sample, inquiry).await?;
                }
                Ok(())
            }
            Decision::Ask { text, choices, ground } => {
                self.suggest(by(&ground), interactive(text, choices), false).await
            }
            Decision::HandOff { reason, notice } => {
                let notice = notice.as_ref().map(|text| text.expose().as_str());
                if mode == AutomationMode::Automatic {
                    self.hand_off_aloud(reason, notice, sample, inquiry).await
                } else {
                    self.hand_off(None, reason);
                    Ok(())
                }
            }
            // The last resort: somebody asked and no engine knew.
            Decision::Abstain if mode == AutomationMode::Automatic => {
                self.hand_off_aloud(HandOffReason::NoAnswer, None, sample, inquiry).await
            }
            Decision::Abstain | Decision::Silence => Ok(()),
        }
    }
}

fn interactive(text: Sensitive, choices: Vec<Choice>) -> Content {
    Content::Interactive { text, choices: choices.into_iter().map(|choice| (choice.id, choice.title)).collect() }
}

fn tells_of_special(turn: &Turn) -> bool {
    turn.content.readable().and_then(special).is_some()
}

/// Returns whether somebody waits for an answer to what a contact sent.
pub(super) const fn wants_answer(kind: ContentKind) -> bool {
    !matches!(kind, ContentKind::Reaction | ContentKind::Welcome | ContentKind::Placeholder | ContentKind::Unsent)
}
