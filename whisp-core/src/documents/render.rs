//! The documents as Markdown.

use std::collections::BTreeSet;

use super::markdown::{Page, escape};
use super::wording::Wording;
use super::{
    Finding, Keep, Kept, Language, NoticeFacts, PrivacyNotice, Receiver, ReceiverRole, Ropa, RopaEntry, Stale, Use,
};
use crate::model::ChannelKind;
use crate::privacy::{
    Categories, Controller, Ground, NoticeItem, Period, ProcessorRole, ProfileId, Purpose, Region, Right,
};

impl Wording {
    fn purposes<'a>(&self, purposes: impl IntoIterator<Item = &'a Purpose>) -> String {
        purposes.into_iter().map(|each| self.purpose(*each)).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn purpose(&self, purpose: Purpose) -> String {
        match purpose {
            Purpose::Custom(id) => format!("{} ({id})", self.say("purpose", "custom")),
            known => self.say("purpose", known.as_str()).to_owned(),
        }
    }

    pub(super) fn categories(&self, categories: Categories) -> String {
        self.join("category", categories.iter().map(|each| each.as_str()))
    }

    pub(super) fn ground(&self, ground: Ground, detail: Option<&str>) -> String {
        let name = self.say("ground", ground.as_str());
        detail.map_or_else(|| name.to_owned(), |detail| format!("{name}: {detail}"))
    }

    fn channels<'a>(&self, channels: impl IntoIterator<Item = &'a ChannelKind>) -> String {
        let name = |channel: &ChannelKind| match channel {
            ChannelKind::Instagram => "Instagram Direct".to_owned(),
            ChannelKind::Messenger => "Messenger".to_owned(),
            ChannelKind::WhatsApp => "WhatsApp".to_owned(),
            other => escape(&other.to_string()),
        };
        channels.into_iter().map(name).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn period(&self, period: Period) -> String {
        match period {
            Period::Hours(n) => self.count("hour", n.into()),
            Period::Days(n) => self.count("day", n.into()),
            Period::WorkingDays(n) => self.count("working_day", n.into()),
            Period::Months(n) => self.count("month", n.into()),
        }
    }

    pub(super) fn keep(&self, keep: Keep) -> String {
        match keep {
            Keep::Hours(hours) => self.hours(hours),
            Keep::HoursAfterLastContact(hours) => {
                self.fill("time", "after_last_contact", &[("time", &self.hours(hours))])
            }
            Keep::WhileConnected => self.say("time", "while_connected").to_owned(),
            Keep::WhileServed => self.say("time", "while_served").to_owned(),
            Keep::WhileOnTeam => self.say("time", "while_on_team").to_owned(),
        }
    }

    pub(super) fn kept(&self, kept: &Kept) -> String {
        format!("{}: {}", self.say("kept", kept.data.as_str()), self.keep(kept.keep))
    }

    fn controller(&self, controller: &Controller) -> Vec<String> {
        let Controller { name, address, contact, representative, data_protection_officer } = controller;
        let mut lines = vec![format!("**{}**, {}", escape(name), escape(address)), self.labelled("contact", contact)];
        lines.extend(representative.as_ref().map(|who| self.labelled("representative", who)));
        lines.extend(data_protection_officer.as_ref().map(|who| self.labelled("officer", who)));
        lines
    }

    fn labelled(&self, label: &str, value: &str) -> String {
        format!("{}: {}", self.say("label", label), escape(value))
    }

    /// Who else gets data, where, and for how long: an item of a list with a list of its own.
    pub(super) fn receiver(&self, receiver: &Receiver) -> String {
        let Receiver { name, role, purposes, categories, regions, transfers, retention_days, sub_processors } =
            receiver;
        let label = |name: &str, text: &str| format!("{}: {text}", self.say("label", name));
        let list = |all: Vec<&str>| escape(&all.join(", "));
        let mut lines = vec![
            format!("**{}** ({})", escape(name), self.say("role", role_name(*role))),
            label("data", &self.categories(*categories)),
            label("purpose", &self.purposes(purposes)),
        ];
        if *role == ReceiverRole::Platform {
            lines.push(self.say("notice", "platform_terms").to_owned());
        }
        if !regions.is_empty() {
            lines.push(label("where", &list(regions.iter().map(Region::as_str).collect())));
        }
        lines.extend(transfers.iter().map(|transfer| {
            let by = list(transfer.by.iter().map(ProfileId::as_str).collect());
            let none = || self.say("notice", "no_safeguard").to_owned();
            let safeguard = transfer.safeguard.as_deref().map_or_else(none, escape);
            let region = escape(transfer.region.as_str());
            self.fill("notice", "transfer", &[("region", &region), ("laws", &by), ("safeguard", &safeguard)])
        }));
        lines.extend(retention_days.map(|days| label("keeps", &self.count("day", days.into()))));
        if !sub_processors.is_empty() {
            lines.push(label("takes_in", &list(sub_processors.iter().map(String::as_str).collect())));
        }
        lines.join("\n  - ")
    }
}

pub(super) const fn right_name(right: Right) -> &'static str {
    match right {
        Right::Access => "access",
        Right::Rectification => "rectification",
        Right::Erasure => "erasure",
        Right::Restriction => "restriction",
        Right::Portability => "portability",
        Right::Objection => "objection",
        Right::Withdrawal => "withdrawal",
    }
}

const fn role_name(role: ReceiverRole) -> &'static str {
    match role {
        ReceiverRole::Platform => "platform",
        ReceiverRole::Processor(ProcessorRole::Hosting) => "hosting",
        ReceiverRole::Processor(ProcessorRole::KeyManagement) => "key_management",
        ReceiverRole::Processor(ProcessorRole::LanguageModel) => "language_model",
        ReceiverRole::Processor(ProcessorRole::Storage) => "storage",
        ReceiverRole::Processor(ProcessorRole::Support) => "support",
    }
}

impl PrivacyNotice {
    /// Renders it.
    #[must_use]
    pub fn to_markdown(&self, language: Language) -> String {
        let (w, facts) = (language.wording(), &self.facts);
        let say = |name| w.say("notice", name);
        let mut page = Page::default();
        page.title(say("title"));
        let places = [("day", self.effective.to_string()), ("version", self.version.clone())];
        page.paragraph(&w.fill("notice", "holds", &places.each_ref().map(|(name, value)| (*name, value.as_str()))));

        page.heading(say("who"));
        page.list(w.controller(&facts.controller));
        if !facts.served.is_empty() {
            page.paragraph(say("served"));
            page.list(facts.served.iter().map(|each| w.controller(each).join("; ")));
        }
        page.heading(say("what"));
        page.paragraph(say("from_where"));
        if !facts.channels.is_empty() {
            page.list([w.fill("notice", "channels", &[("channels", &w.channels(&facts.channels))])]);
        }
        uses(&mut page, w, &facts.uses);
        page.paragraph(say("not_used"));

        page.heading(say("others"));
        if facts.receivers.is_empty() {
            page.paragraph(say("nobody"));
        }
        page.list(facts.receivers.iter().map(|receiver| w.receiver(receiver)));
        page.paragraph(say("others_besides"));
        if facts.items.contains(&NoticeItem::CrossBorder) {
            let abroad = facts.receivers.iter().any(|receiver| !receiver.transfers.is_empty());
            page.paragraph(say(if abroad { "goes_abroad" } else { "stays" }));
        }
        page.list(facts.kept_in.iter().map(|country| w.fill("notice", "kept_in", &[("country", &escape(country))])));
        if facts.items.contains(&NoticeItem::NoSale) {
            page.paragraph(say("no_sale"));
        }
        page.heading(say("how_long"));
        page.list(facts.kept.iter().map(|kept| w.kept(kept)));
        page.paragraph(say("kept_longer"));
        match facts.horizon_hours {
            Some(hours) => page.paragraph(&w.fill("notice", "horizon", &[("time", &w.hours(hours))])),
            None => page.paragraph(say("no_horizon")),
        }
        automation(&mut page, w, facts);
        rights(&mut page, w, facts);
        page.finish()
    }
}

fn uses(page: &mut Page, w: &Wording, uses: &[Use]) {
    let say = |name| w.say("label", name);
    let head = [say("about"), say("purpose"), say("ground"), say("data")];
    page.table(
        head,
        uses.iter().map(|each| {
            [
                w.say("people", each.about.as_str()).to_owned(),
                w.purpose(each.purpose),
                w.ground(each.basis, each.basis_detail.as_deref().map(escape).as_deref()),
                w.categories(each.categories),
            ]
        }),
    );
}

fn automation(page: &mut Page, w: &Wording, facts: &NoticeFacts) {
    let say = |name| w.say("notice", name);
    page.heading(say("machines"));
    let Some(automation) = &facts.automation else {
        page.paragraph(say("no_machines"));
        return;
    };
    page.paragraph(say("machines_answer"));
    if automation.disclosure.is_some() {
        page.paragraph(say("machines_told"));
    }
    if let Some(said) = &automation.said {
        page.list([format!("“{}”", escape(said.in_language(w.language.tag())))]);
    }
    page.paragraph(say("no_decisions"));
}

fn rights(page: &mut Page, w: &Wording, facts: &NoticeFacts) {
    let say = |name| w.say("notice", name);
    page.heading(say("rights"));
    let all: BTreeSet<Right> = facts.uses.iter().flat_map(|each| each.rights.iter().copied()).collect();
    page.list(all.into_iter().map(|right| {
        let name = right_name(right);
        let of = facts.uses.iter().filter(|each| each.rights.contains(&right)).map(|each| each.purpose);
        let of: BTreeSet<Purpose> = of.collect();
        format!("**{}**: {} ({})", w.say("right", name), w.say("right_means", name), w.purposes(&of))
    }));
    let optional: BTreeSet<Purpose> = facts.uses.iter().filter(|each| each.optional).map(|each| each.purpose).collect();
    if !optional.is_empty() {
        page.paragraph(&w.fill("notice", "say_no", &[("purposes", &w.purposes(&optional))]));
    }
    page.paragraph(&w.fill("notice", "how_to_ask", &[("contact", &escape(&facts.controller.contact))]));
    if facts.items.contains(&NoticeItem::AuthorizedAgent) {
        page.paragraph(say("agent"));
    }
    if facts.items.contains(&NoticeItem::NoRetaliation) {
        page.paragraph(say("no_retaliation"));
    }
    if let Some(age) = facts.min_age {
        page.paragraph(&w.fill("notice", "age", &[("age", &age.to_string())]));
    }
    if !facts.answers.is_empty() {
        page.paragraph(say("answers"));
    }
    page.list(facts.answers.iter().map(|answer| {
        let requests = w.join("request", answer.requests.iter().map(|kind| kind.as_str()));
        let mut text = format!("{}: {requests}: {}", escape(&answer.law), w.period(answer.within));
        if let Some(extension) = answer.extension {
            text += &w.fill("notice", "extension", &[("time", &w.period(extension))]);
        }
        text
    }));
    page.heading(say("complain"));
    page.paragraph(say("complain_to"));
    page.list(facts.authorities.iter().map(|each| {
        format!("{}: {}, {}", escape(&each.law), escape(&each.authority.name), escape(&each.authority.contact))
    }));
}

impl Ropa {
    /// Renders it.
    #[must_use]
    pub fn to_markdown(&self, language: Language) -> String {
        let w = language.wording();
        let say = |name| w.say("ropa", name);
        let mut page = Page::default();
        page.title(say("title"));
        page.paragraph(&w.fill("ropa", "made", &[("at", &self.made_at.format("%F %T UTC").to_string())]));
        page.heading(say("controller"));
        page.list(w.controller(&self.controller));
        if !self.activities.is_empty() {
            page.heading(say("for_itself"));
        }
        self.activities.iter().for_each(|each| entry(&mut page, w, each));
        if !self.activities_for_served.is_empty() {
            page.heading(say("for_others"));
            page.list(self.served.iter().map(|each| w.controller(each).join("; ")));
        }
        self.activities_for_served.iter().for_each(|each| entry(&mut page, w, each));
        page.heading(say("measures"));
        page.list(self.measures.iter().map(|each| w.say("measure", each.as_str()).to_owned()));
        match self.horizon_hours {
            Some(hours) => page.paragraph(&w.fill("notice", "horizon", &[("time", &w.hours(hours))])),
            None => page.paragraph(w.say("notice", "no_horizon")),
        }
        page.finish()
    }
}

fn entry(page: &mut Page, w: &Wording, entry: &RopaEntry) {
    let label = |name: &str, text: &str| format!("{}: {text}", w.say("label", name));
    let about = w.say("people", entry.about.as_str());
    page.paragraph(&format!("### {}: {about}", w.purpose(entry.purpose)));
    let ground = w.ground(entry.basis, entry.basis_detail.as_deref().map(escape).as_deref());
    let mut lines = vec![label("ground", &ground), label("data", &w.categories(entry.categories))];
    lines.extend(entry.channels.as_ref().map(|channels| label("channels", &w.channels(channels))));
    if entry.receivers.is_empty() {
        lines.push(label("receivers", w.say("notice", "nobody")));
    }
    lines.extend(entry.receivers.iter().map(|receiver| label("receivers", &w.receiver(receiver))));
    let kept =
        entry.kept.iter().fold(format!("{}:", w.say("label", "kept")), |all, kept| all + "\n  - " + &w.kept(kept));
    lines.push(kept);
    let reviewed = entry.reviewed_at.map_or_else(|| w.say("ropa", "never").to_owned(), |day| day.to_string());
    lines.push(label("reviewed", &reviewed));
    page.list(lines);
}

impl Stale {
    /// Renders it, in English: it is for who runs the program.
    #[must_use]
    pub fn to_markdown(&self) -> String {
        let mut page = Page::default();
        page.title("What has become stale");
        page.paragraph(&format!("As of {}.", self.at.format("%F %T UTC")));
        if self.findings.is_empty() {
            page.paragraph("Nothing.");
        }
        page.list(self.findings.iter().map(|finding: &Finding| escape(&finding.to_string())));
        page.finish()
    }
}
