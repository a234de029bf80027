//! The fields that Meta documents and that are not part of a conversation: accounts, templates, calls, groups, flows.
//! The host gets them raw.

use whisp_core::model::ChannelKind;

/// WhatsApp. Source: WhatsApp Business Platform, Webhooks, Overview (29 Apr 2026), and the reference of each field.
/// `tracking_events` is sent without a page of its own.
const WHATSAPP: &[&str] = &[
    "account_alerts",
    "account_review_update",
    "account_settings_update",
    "account_update",
    "automatic_events",
    "business_capability_update",
    "business_status_update",
    "business_username_update",
    "calls",
    "flows",
    "group_lifecycle_update",
    "group_participants_update",
    "group_settings_update",
    "group_status_update",
    "message_template_components_update",
    "message_template_quality_update",
    "message_template_status_update",
    "partner_solutions",
    "payment_configuration_update",
    "phone_number_name_update",
    "phone_number_quality_update",
    "security",
    "template_category_update",
    "template_correct_category_detection",
    "tracking_events",
];

/// Instagram. Source: Instagram Platform, Webhooks.
const INSTAGRAM: &[&str] = &[
    "app_roles",
    "creator_marketplace_invited_creator_onboarding",
    "creator_marketplace_projects",
    "onsite_conversion_event",
    "optin",
    "request_thread_control",
    "share_to_feed",
    "story_insights",
    "story_reactions",
];

/// Messenger. Source: Messenger Platform, Webhook Events (the last six are of earlier versions), and the Graph API's
/// reference of the Page webhook.
const MESSENGER: &[&str] = &[
    "account_linking",
    "app_roles",
    "business_integrity",
    "conversations",
    "feed",
    "in_thread_lead_form_submit",
    "leadgen",
    "live_videos",
    "mention",
    "messaging_customer_information",
    "messaging_feedback",
    "optin",
    "policy_enforcement",
    "ratings",
    "request_thread_control",
    "response_feedback",
    "send_cart",
    "branded_camera",
    "checkout_update",
    "game_play",
    "group_feed",
    "payment",
    "pre_checkout",
];

/// The topic of a field that is documented, `None` if it is not.
///
/// Messenger writes `policy-enforcement` with a hyphen and everything else with underscores; recordings made through
/// some client libraries have the same names in camel case. One spelling comes out.
pub(super) fn topic(channel: &ChannelKind, field: &str) -> Option<&'static str> {
    let topics = match channel {
        ChannelKind::Instagram => INSTAGRAM,
        ChannelKind::Messenger => MESSENGER,
        ChannelKind::WhatsApp => WHATSAPP,
        _ => return None,
    };
    topics.iter().find(|topic| same(topic, field)).copied()
}

fn same(topic: &str, field: &str) -> bool {
    fn letters(text: &str) -> impl Iterator<Item = u8> {
        text.bytes().filter(|byte| !matches!(byte, b'_' | b'-')).map(|byte| byte.to_ascii_lowercase())
    }
    letters(topic).eq(letters(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_comes_out() {
        for field in ["policy-enforcement", "policy_enforcement", "policyEnforcement"] {
            assert_eq!(topic(&ChannelKind::Messenger, field), Some("policy_enforcement"));
        }
        assert_eq!(topic(&ChannelKind::Messenger, "policy_enforcements"), None);
        assert_eq!(topic(&ChannelKind::WhatsApp, "policy_enforcement"), None);
    }
}
