//! How the assistant behaves, with defaults that need no thought.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::assistant::epoch::EPOCH_LENGTH;
use crate::assistant::handle_keys::HANDLE_KEY_LENGTH;
use crate::detect::script_language;
use crate::model::TenantRetention;
use crate::privacy::{Controller, Law, Processors, ProfileId, Register};

/// How the assistant behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long a contact must be quiet before a burst of short messages is answered.
    pub burst_quiet: TimeDelta,
    /// How long a burst is waited out at most.
    pub burst_max: TimeDelta,
    /// How long an engine may think.
    pub reply_deadline: TimeDelta,
    /// How long a lease of a bucket lasts. Longer than an engine may think.
    pub lease: TimeDelta,
    /// How many buckets one worker leases at most. 0 is taken as 1: a process that is to work on none does not step.
    pub leases_max: usize,
    /// After how much silence, once answered, an inquiry counts as resolved.
    pub inquiry_idle: TimeDelta,
    /// How long after its end an inquiry goes on when the contact writes again; later a new one begins.
    pub reopen_window: TimeDelta,
    /// After how long without a receipt a message in doubt goes to a member.
    pub settle_after: TimeDelta,
    /// How many bytes a file that came with a message may have; larger ones are not kept. The channels have limits of
    /// their own besides.
    pub media_bytes_max: u64,
    /// With what the names of the audit logs begin; the tenant's id follows. A name of the host's own, as a URL without
    /// `https://`, keeps them apart from everybody else's. It stays for ever: a log under another name is another log.
    pub audit_origin: String,
    /// How long an epoch of a tenant's key lasts: then every key is wrapped anew, and the old one destroyed. The shorter, the
    /// sooner an erasure is final for copies of the key table too.
    pub epoch: TimeDelta,
    /// How long the key by which the handles of a connection are found is used: then a new one takes its place, and it is
    /// destroyed nine days after everybody is found by that. No longer than copies of the data are kept: whoever has the key
    /// can tell by an old copy whether somebody whose number they know was a client, also after that person was erased.
    pub handle_key: TimeDelta,
    /// How long things are kept.
    pub retention: Retention,
    /// Who is responsible for the data. Without it there is no notice and no record of processing.
    pub controller: Option<Controller>,
    /// For whom the controller runs the assistant, if it does that for other businesses: each is the controller of the data
    /// of its contacts and of its team. Empty where the business itself runs it.
    pub served: Vec<Controller>,
    /// What data is used for, about whom, on what ground. What is not in it is denied.
    pub register: Register,
    /// How soon people have to be answered who ask about their data.
    pub law: Law,
    /// Which profiles of it apply to new requests: the policy's, the platform's, the business's, and the people's countries'.
    /// The earliest date of them all counts, so where it is not known who lives where, all of them.
    pub profiles: Vec<ProfileId>,
    /// Who else may be given data, for what, and where. Who is not in it gets nothing.
    pub processors: Processors,
    /// What the assistant says by itself.
    pub texts: Texts,
}

impl Default for Config {
    /// A quiet time of 3 seconds (at most 15), 30 seconds to think, inquiries idle after 24 hours and open again within
    /// 24 hours, files of up to 100 MiB, epochs of 7 days and keys of handles of 30, every law that is built in.
    fn default() -> Self {
        let law = Law::built_in();
        Self {
            burst_quiet: TimeDelta::seconds(3),
            burst_max: TimeDelta::seconds(15),
            reply_deadline: TimeDelta::seconds(30),
            lease: TimeDelta::seconds(60),
            leases_max: 256,
            inquiry_idle: TimeDelta::hours(24),
            reopen_window: TimeDelta::hours(24),
            settle_after: TimeDelta::minutes(5),
            media_bytes_max: 100 * 1024 * 1024,
            audit_origin: "whisp/audit".to_owned(),
            epoch: EPOCH_LENGTH,
            handle_key: HANDLE_KEY_LENGTH,
            retention: Retention::default(),
            controller: None,
            served: Vec::new(),
            register: Register::standard(),
            profiles: law.profiles().iter().map(|profile| profile.id.clone()).collect(),
            law,
            processors: Processors::default(),
            texts: Texts::default(),
        }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// Messages.
    pub messages: TimeDelta,
    /// The files that came with them, which go with their message at the latest.
    pub files: TimeDelta,
    /// Messages of contacts in which something tells of their health, beliefs and the like
    /// ([`SpecialKind`](crate::find::SpecialKind); promise P4), and their files, if that is shorter. A rule that gets shorter takes
    /// hold of what comes from then on: of what is there nothing notes that it tells of such things.
    pub special: TimeDelta,
    /// Suggestions that nobody used.
    pub suggestions: TimeDelta,
    /// What a webhook held that we could not read: hours (promise P1). A rule that gets shorter takes hold of what comes from then
    /// on.
    pub raw: TimeDelta,
    /// What could not be done.
    pub dead_letters: TimeDelta,
    /// That data went to a processor; or as long as the processor keeps them, if that is longer.
    pub disclosures: TimeDelta,
    /// What more is known of an event of the audit log. The event itself names nobody and stays.
    pub audit_details: TimeDelta,
    /// Requests about data and what a platform told of them, and holds, once they have ended. California wants requests kept
    /// for 24 months at least (11 CCR § 7101(a)).
    pub requests: TimeDelta,
    /// What people gave when they asked for help ([`Support`](crate::assistant::Support)).
    pub support: TimeDelta,
    /// What was noted of the use of the host's product ([`UsageLog`](crate::assistant::UsageLog)). Longer than a few months is
    /// more than finding a fault or an attack needs.
    pub usage: TimeDelta,
    /// People with whom nobody has spoken, and all that is left of them: they are erased as if they had asked. `None` to keep
    /// them as long as the business is served. Three years from the last contact is what France's CNIL recommends for clients
    /// and prospects who are silent (its reference for the management of commercial activities).
    pub contacts: Option<TimeDelta>,
    /// Facts: the events without content that KPIs fold over. Once they are so old, whole days of them become
    /// [figures](crate::kpi::Figures) about at least [`GROUP_MIN`](crate::kpi::GROUP_MIN) people, and the facts go. Where fewer
    /// people wrote they wait for others, at most as long again. `None` to keep them as long as the business is served.
    pub facts: Option<TimeDelta>,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            messages: TimeDelta::days(365),
            files: TimeDelta::days(365),
            special: TimeDelta::days(90),
            suggestions: TimeDelta::days(30),
            raw: TimeDelta::hours(72),
            dead_letters: TimeDelta::days(30),
            disclosures: TimeDelta::days(365),
            audit_details: TimeDelta::days(365),
            requests: TimeDelta::days(731),
            support: TimeDelta::days(365),
            usage: TimeDelta::days(30),
            contacts: Some(TimeDelta::days(3 * 365)),
            // A year, and the one before to compare it with.
            facts: Some(TimeDelta::days(731)),
        }
    }
}

impl Retention {
    /// Returns how long things of one business are kept: by its own rule, where that is shorter.
    ///
    /// # Examples
    /// ```
    /// use chrono::TimeDelta;
    /// use whisp_core::{assistant::Retention, model::TenantRetention};
    /// let own = TenantRetention { messages: Some(30), suggestions: Some(60), ..TenantRetention::default() };
    /// let keeps = Retention::default().of(&own);
    /// assert_eq!((keeps.messages, keeps.files), (TimeDelta::days(30), TimeDelta::days(30)));
    /// assert_eq!(keeps.suggestions, Retention::default().suggestions, "not longer than the host");
    /// ```
    #[must_use]
    pub fn of(&self, own: &TenantRetention) -> Self {
        let days = |days: u16| TimeDelta::days(days.into());
        let shorter = |host: TimeDelta, own: Option<u16>| own.map_or(host, |own| host.min(days(own)));
        let messages = shorter(self.messages, own.messages);
        Self {
            messages,
            files: shorter(self.files, own.files).min(messages),
            special: shorter(self.special, own.special).min(messages),
            suggestions: shorter(self.suggestions, own.suggestions),
            contacts: self.contacts.into_iter().chain(own.contacts.map(days)).min(),
            ..*self
        }
    }

    /// Returns since when somebody must have been silent to be erased; `None` if nobody is.
    pub(crate) fn silent_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.contacts.and_then(|keep| now.checked_sub_signed(keep))
    }

    /// Returns until when what is said now is kept, and until when its files are.
    pub(crate) fn until(&self, now: DateTime<Utc>, special: bool) -> (DateTime<Utc>, DateTime<Utc>) {
        let messages = if special { self.special.min(self.messages) } else { self.messages };
        (now + messages, now + self.files.min(messages))
    }
}

/// What the assistant says by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Texts {
    /// Says, before the first automatic answer of an inquiry, that answers are automatic. Meta's developer policy asks
    /// for it where the law does, and Art. 50(1) of Regulation (EU) 2024/1689 does from 2 August 2026. `None` where the
    /// host says it in another way.
    pub disclosure: Option<LocalText>,
    /// Says that a person will answer. `None` to hand over silently.
    pub hand_off: Option<LocalText>,
    /// What the button says that opens a list of choices, where a question has too many for buttons. At most 20 characters
    /// (WhatsApp's limit); where it is longer the choices are numbered instead.
    pub choose: LocalText,
    /// Asks somebody who wants something done with their data to send a code back; `{code}` stands for the code.
    pub code: LocalText,
    /// Says that the code was right. `None` to say nothing.
    pub code_right: Option<LocalText>,
    /// Says that the code was wrong. `None` to say nothing.
    pub code_wrong: Option<LocalText>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            disclosure: Some(LocalText::new(&[
                ("en", "This is an automatic answer. Write \"operator\" to talk to a person."),
                ("ru", "Это автоматический ответ. Напишите «оператор», чтобы поговорить с человеком."),
                ("kk", "Бұл автоматты жауап. Адаммен сөйлесу үшін «оператор» деп жазыңыз."),
            ])),
            hand_off: Some(LocalText::new(&[
                ("en", "Thank you. A person from our team will answer you here."),
                ("ru", "Спасибо. Вам ответит сотрудник нашей команды."),
                ("kk", "Рақмет. Сізге біздің команданың қызметкері жауап береді."),
            ])),
            choose: LocalText::new(&[("en", "Choose"), ("ru", "Выбрать"), ("kk", "Таңдау")]),
            code: LocalText::new(&[
                (
                    "en",
                    "You asked about your data. To confirm that it was you, send this code back here within 15 minutes: \
                     {code}. If it was not you, do nothing.",
                ),
                (
                    "ru",
                    "Вы обратились по поводу своих данных. Чтобы подтвердить, что это были вы, пришлите сюда этот код в \
                     течение 15 минут: {code}. Если это были не вы, ничего не делайте.",
                ),
                (
                    "kk",
                    "Сіз өз деректеріңіз туралы жүгіндіңіз. Бұл сіз екеніңізді растау үшін осы кодты 15 минут ішінде \
                     осында жіберіңіз: {code}. Егер бұл сіз болмасаңыз, ештеңе істемеңіз.",
                ),
            ]),
            code_right: Some(LocalText::new(&[
                ("en", "Thank you, that is confirmed. We will deal with your request."),
                ("ru", "Спасибо, подтверждено. Мы займёмся вашим запросом."),
                ("kk", "Рақмет, расталды. Өтінішіңізді қарастырамыз."),
            ])),
            code_wrong: Some(LocalText::new(&[
                ("en", "This code is not right."),
                ("ru", "Этот код неверный."),
                ("kk", "Бұл код дұрыс емес."),
            ])),
        }
    }
}

/// A text in several languages.
///
/// # Examples
/// It is chosen by the letters of what the contact wrote, the first one if none fits:
/// ```
/// use whisp_core::assistant::LocalText;
/// let text = LocalText::new(&[("en", "Hello"), ("ru", "Здравствуйте")]);
/// assert_eq!(text.like("Сколько стоит доставка?"), "Здравствуйте");
/// assert_eq!(text.like("¿Cuánto cuesta?"), "Hello");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LocalText(Vec<(String, String)>);

impl LocalText {
    /// Makes a text of `(language, text)` pairs, the default first.
    #[must_use]
    pub fn new(texts: &[(&str, &str)]) -> Self {
        Self(texts.iter().map(|(language, text)| ((*language).to_owned(), (*text).to_owned())).collect())
    }

    /// Returns the text in the language that `sample` seems to be written in.
    #[must_use]
    pub fn like(&self, sample: &str) -> &str {
        self.in_language(script_language(sample).unwrap_or_default())
    }

    /// Returns the text in a language by its tag, the first one if there is none.
    #[must_use]
    pub fn in_language(&self, language: &str) -> &str {
        let fits = self.0.iter().find(|(tag, _)| tag == language);
        fits.or_else(|| self.0.first()).map_or("", |(_, text)| text)
    }
}
