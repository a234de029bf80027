//! The documents of this assistant, from the values by which it decides.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::assistant::breaches::Breaches;
use crate::assistant::requests::Requests;
use crate::assistant::{Assistant, AssistantError, Inner};
use crate::documents::{
    Answer, BreachNotice, Language, Measure, NoController, Person, PrivacyNotice, Ropa, Source, Stale, summary_text,
};
use crate::entity::Entities;
use crate::id::{BreachId, RequestId, TenantId};
use crate::privacy::{About, Controller, ProcessorRole, Rights};
use crate::store::{Kind, PAGE_MAX, SubjectQuery};

/// Why an answer or a summary can't be written.
pub(super) const NO_CONTROLLER: AssistantError =
    AssistantError::Invalid("nobody is named who is responsible for the data: see `Config::controller`");

impl Assistant {
    /// Writes the record of processing activities (Art. 30 GDPR), as this assistant is put together.
    ///
    /// # Errors
    /// [`NoController`].
    pub fn ropa(&self) -> Result<Ropa, NoController> {
        Ropa::of(&self.inner.documented())
    }

    /// Writes the privacy notice that holds from a day on, as this assistant is put together. Another configuration makes
    /// another [`version`](PrivacyNotice::version).
    ///
    /// # Errors
    /// [`NoController`].
    ///
    /// # Examples
    /// ```no_run
    /// # use whisp_core::{assistant::Assistant, documents::{Language, NoController}};
    /// # fn publish(assistant: &Assistant) -> Result<(), NoController> {
    /// let notice = assistant.notice(assistant.now().date_naive())?;
    /// for language in Language::ALL {
    ///     println!("{}", notice.to_markdown(language));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn notice(&self, effective: NaiveDate) -> Result<PrivacyNotice, NoController> {
        PrivacyNotice::of(&self.inner.documented(), effective)
    }

    /// Lists what of the configuration has become stale, or is missing.
    #[must_use]
    pub fn stale(&self) -> Stale {
        Stale::of(&self.inner.documented())
    }

    /// Lists the same, whether the notice that was [published](Self::publish) last says what the program does, and the holds of
    /// a tenant that were to be looked at by now.
    ///
    /// # Errors
    /// By the store.
    ///
    /// # Cancellation
    /// No effect.
    pub async fn stale_in(&self, tenant: TenantId) -> Result<Stale, AssistantError> {
        let (mut stale, mut after) = (self.stale(), None);
        let last = self.inner.entities.policies().await?.pop();
        let day = last.as_ref().map_or(stale.at.date_naive(), |last| last.notice.effective.max(stale.at.date_naive()));
        // Without somebody responsible there is none, and that was found.
        if let Ok(notice) = self.notice(day) {
            stale = stale.with_policy(last.as_ref(), &notice);
        }
        loop {
            let (rows, next) = self.inner.entities.open_holds(tenant, after, PAGE_MAX).await?;
            stale = stale.with_holds(rows.iter().map(|row| &row.hold));
            // The first one to be looked at comes first.
            match next.filter(|_| rows.iter().all(|row| row.hold.review_by <= stale.at)) {
                Some(next) => after = Some(next),
                None => return Ok(stale),
            }
        }
    }

    /// Explains a copy to the person whose data it holds, in a language: how much of what is kept, who was given it, for what
    /// data are used and on what ground, how long they are kept, the person's rights, and to whom they may complain. As
    /// Markdown. It works under restriction too. It goes with [`export`](Self::export), and never in its place.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] if nobody is named who is responsible; as [`export`](Self::export).
    ///
    /// # Cancellation
    /// No effect.
    pub async fn summary(
        &self,
        tenant: TenantId,
        about: impl Into<About> + Send,
        language: Language,
    ) -> Result<String, AssistantError> {
        let (inner, about) = (&self.inner, about.into());
        let (subject, kind, now) = (about.subject, about.kind, inner.clock.now());
        let settings = inner.entities.tenant(tenant).await?.tenant;
        inner.gate.permit::<Rights>(&settings, about, now).await?;
        let mut person = Person { given: inner.recipients(tenant, subject).await?, ..Person::default() };
        let mut query = SubjectQuery { tenant, subject, after: None, limit: PAGE_MAX };
        loop {
            let page = inner.entities.store.of_subject(&query).await?;
            for record in page.records.iter().filter(|record| !record.is_past(now)) {
                if record.kind == Kind::DISCLOSURE && !Entities::disclosure(record)?.is_told(now) {
                    continue;
                }
                *person.records.entry(record.kind.name()).or_default() += 1;
            }
            match page.next {
                Some(next) => query.after = Some(next),
                None => return summary_text(&inner.documented(), kind, &person, language).map_err(|_| NO_CONTROLLER),
            }
        }
    }
}

impl Requests {
    /// Writes what the person is to be told of their request: what came of it, what is withheld and why, and where they may
    /// complain. Send it, then [`answer`](Self::answer).
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] before it is decided, and if nobody is named who is responsible; as [`get`](Self::get).
    ///
    /// # Cancellation
    /// No effect.
    pub async fn answer_text(&self, id: RequestId, language: Language) -> Result<String, AssistantError> {
        let answer = Answer::of(&self.get(id).await?);
        let answer = answer.ok_or(AssistantError::Invalid("there is nothing to tell yet: decide the request first"))?;
        let inner = self.inner();
        Ok(answer.to_text(language, inner.responsible()?, &inner.authorities()))
    }
}

/// Why nothing can be told of a breach.
const UNCONFIRMED: AssistantError = AssistantError::Invalid("there is nothing to tell yet: confirm the breach first");

impl Breaches {
    /// Writes what the authority is told of a breach, as far as it is known. Send it, then note `Tell`.
    ///
    /// # Errors
    /// [`AssistantError::Invalid`] before it is confirmed, and if nobody is named who is responsible; as [`get`](Self::get).
    ///
    /// # Cancellation
    /// No effect.
    pub async fn authority_text(&self, id: BreachId, language: Language) -> Result<String, AssistantError> {
        let breach = self.get(id).await?;
        let notice = BreachNotice::of(&breach).ok_or(UNCONFIRMED)?;
        Ok(notice.to_authority(language, self.inner().responsible()?))
    }

    /// Writes what the people are told whose data they are. Send it, then note `Tell`.
    ///
    /// # Errors
    /// As [`authority_text`](Self::authority_text).
    ///
    /// # Cancellation
    /// No effect.
    pub async fn people_text(&self, id: BreachId, language: Language) -> Result<String, AssistantError> {
        let breach = self.get(id).await?;
        let notice = BreachNotice::of(&breach).ok_or(UNCONFIRMED)?;
        Ok(notice.to_people(language, self.inner().responsible()?, &self.inner().authorities()))
    }
}

impl Inner {
    /// Returns who is responsible.
    fn responsible(&self) -> Result<&Controller, AssistantError> {
        self.config.controller.as_ref().filter(|controller| controller.is_complete()).ok_or(NO_CONTROLLER)
    }

    /// Returns what documents are made of.
    fn documented(&self) -> Source<'_> {
        let config = &self.config;
        let horizon = self.erasure_horizon();
        let mut measures = BTreeSet::from(Measure::ALWAYS);
        let models = self.processors.list().iter().any(|each| each.role == ProcessorRole::LanguageModel);
        let more = [
            (horizon.is_ok(), Measure::EpochsDestroyed),
            (self.signer.is_some(), Measure::AuditSigned),
            (self.signer.is_some() && self.anchor.is_some(), Measure::AuditAnchored),
            (self.media.is_some(), Measure::SealedFiles),
            (models, Measure::Masking),
        ];
        measures.extend(more.into_iter().filter(|(there, _)| *there).map(|(_, measure)| measure));
        Source {
            controller: config.controller.as_ref(),
            served: &config.served,
            register: self.gate.register(),
            retention: &config.retention,
            processors: &self.processors,
            law: &config.law,
            profiles: &config.profiles,
            horizon,
            channels: self.channels.keys().cloned().collect(),
            disclosure: config.texts.disclosure.as_ref(),
            measures,
            at: self.clock.now(),
        }
    }
}
