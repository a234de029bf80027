//! Where a person stands: the fold of what was said about the use of their data.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use crate::privacy::{
    Act, ConsentState, DeniedReason, LawfulBasis, Purpose, RestrictionGround, Statement, StatementEvent,
};

/// Where a person stands: the fold of the log of [`StatementEvent`]s about them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    consents: BTreeMap<Purpose, Said>,
    objections: BTreeSet<Purpose>,
    restrictions: BTreeSet<RestrictionGround>,
    minor: bool,
    /// Of which versions of the notice they were told.
    told: BTreeSet<String>,
    /// What closes something here and was said elsewhere alone: it may be taken back there too.
    elsewhere: Vec<Statement>,
}

/// The last word about a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// A yes that can carry the ground of consent.
    Yes {
        until: Option<DateTime<Utc>>,
        /// The version of what they were told.
        version: String,
    },
    /// A yes that nobody was told enough for, or that the person did not say.
    WeakYes,
    No,
}

impl Standing {
    /// Folds a log, oldest entry first. For each purpose the last entry holds.
    ///
    /// # Examples
    /// ```
    /// use chrono::DateTime;
    /// use whisp_core::privacy::{LawfulBasis, Purpose, Standing};
    /// let standing = Standing::fold([]);
    /// let now = DateTime::UNIX_EPOCH;
    /// assert!(standing.check(Purpose::AutomatedReplies, &LawfulBasis::Contract, now).is_ok());
    /// assert!(standing.check(Purpose::AutomatedReplies, &LawfulBasis::Consent, now).is_err());
    /// ```
    pub fn fold(events: impl IntoIterator<Item = StatementEvent>) -> Self {
        let mut standing = Self::default();
        for event in events {
            standing.add(&event);
        }
        standing
    }

    /// Adds the next entry.
    pub fn add(&mut self, event: &StatementEvent) {
        if !self.counts(event) {
            return;
        }
        match &event.statement {
            Statement::Consent { purpose, state, notice, until } => {
                let said = match (state, notice) {
                    (ConsentState::Given, Some(notice)) if event.act.is_the_persons() => {
                        Said::Yes { until: *until, version: notice.version.clone() }
                    }
                    (ConsentState::Given, _) => Said::WeakYes,
                    (ConsentState::Invalidated | ConsentState::Refused | ConsentState::Withdrawn, _) => Said::No,
                };
                self.consents.insert(*purpose, said);
                // Who says yes after an objection has thought again.
                if *state == ConsentState::Given && event.act.is_the_persons() {
                    self.objections.remove(purpose);
                }
            }
            Statement::Objection { purpose, stands: true } => drop(self.objections.insert(*purpose)),
            Statement::Objection { purpose, stands: false } => drop(self.objections.remove(purpose)),
            Statement::Restriction { ground, stands: true } => drop(self.restrictions.insert(*ground)),
            Statement::Restriction { ground, stands: false } => drop(self.restrictions.remove(ground)),
            Statement::Age { signal } => self.minor = signal.suspects(),
            Statement::Policy { notice, .. } => drop(self.told.insert(notice.version.clone())),
            // Where it stands is in the connection.
            Statement::Account { .. } => {}
        }
    }

    /// Returns whether an entry changes something: what was said elsewhere closes, and opens nothing but what was closed there.
    fn counts(&mut self, event: &StatementEvent) -> bool {
        let known = self.elsewhere.len();
        self.elsewhere.retain(|other| !other.is_about_the_same(&event.statement));
        if event.act != Act::Imported {
            return true;
        }
        if matches!(event.statement, Statement::Policy { .. } | Statement::Account { .. }) {
            // Of our notices nobody was told there, and no account was connected here.
            return false;
        }
        if event.statement.closes() {
            if self.elsewhere.len() < known || !self.is_closed(&event.statement) {
                self.elsewhere.push(event.statement.clone());
            }
            return true;
        }
        if self.elsewhere.len() < known {
            match &event.statement {
                Statement::Consent { purpose, .. } => drop(self.consents.remove(purpose)),
                Statement::Objection { purpose, .. } => drop(self.objections.remove(purpose)),
                Statement::Restriction { ground, .. } => drop(self.restrictions.remove(ground)),
                Statement::Age { .. } => self.minor = false,
                // They close nothing.
                Statement::Policy { .. } | Statement::Account { .. } => {}
            }
        }
        false
    }

    /// Returns whether what a statement is about is closed.
    fn is_closed(&self, about: &Statement) -> bool {
        match about {
            Statement::Consent { purpose, .. } => self.consents.get(purpose) == Some(&Said::No),
            Statement::Objection { purpose, .. } => self.objections.contains(purpose),
            Statement::Restriction { ground, .. } => self.restrictions.contains(ground),
            Statement::Age { .. } => self.minor,
            Statement::Policy { .. } | Statement::Account { .. } => false,
        }
    }

    /// Checks whether a purpose may be followed on a ground, as far as the person is concerned. Deny overrides.
    ///
    /// # Errors
    /// The first reason why not.
    pub fn check(&self, purpose: Purpose, basis: &LawfulBasis, now: DateTime<Utc>) -> Result<(), DeniedReason> {
        if self.minor && purpose.is_closed_to_minors() {
            return Err(DeniedReason::Minor);
        }
        if !self.restrictions.is_empty() && !purpose.survives_restriction() {
            return Err(DeniedReason::Restricted);
        }
        if !purpose.is_optional() {
            return Ok(());
        }
        if self.objections.contains(&purpose) {
            return Err(DeniedReason::Objected);
        }
        match self.consents.get(&purpose) {
            Some(Said::No) => Err(DeniedReason::Withdrawn),
            Some(Said::Yes { until: Some(until), .. }) if now >= *until => Err(DeniedReason::NoConsent),
            Some(Said::Yes { .. }) => Ok(()),
            Some(Said::WeakYes) | None if *basis == LawfulBasis::Consent => Err(DeniedReason::NoConsent),
            Some(Said::WeakYes) | None => Ok(()),
        }
    }

    /// Returns whether the person said yes to a purpose after they were told of one of these versions, and still does. What
    /// they were told of and did not answer, and what others say that they said, is no yes.
    pub(super) fn agreed(&self, purpose: Purpose, versions: &[&str], now: DateTime<Utc>) -> bool {
        match self.consents.get(&purpose) {
            Some(Said::Yes { until, version }) => {
                until.is_none_or(|until| now < until) && versions.contains(&version.as_str())
            }
            _ => false,
        }
    }

    /// Returns whether the person was told of a version of the notice.
    #[must_use]
    pub fn was_told(&self, version: &str) -> bool {
        self.told.contains(version)
    }

    /// Returns whether the person seems to be a minor.
    #[must_use]
    pub const fn is_minor(&self) -> bool {
        self.minor
    }

    /// Lists why the use of the person's data is restricted; empty where it is not.
    pub fn restrictions(&self) -> impl Iterator<Item = RestrictionGround> {
        self.restrictions.iter().copied()
    }

    /// Lists to what the person objects.
    pub fn objections(&self) -> impl Iterator<Item = Purpose> {
        self.objections.iter().copied()
    }

    /// Lists from what the person withdrew, or what they refused.
    pub fn refused(&self) -> impl Iterator<Item = Purpose> {
        self.consents.iter().filter(|(_, said)| **said == Said::No).map(|(purpose, _)| *purpose)
    }
}
