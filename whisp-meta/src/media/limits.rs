//! How large a file may be that comes in.

use whisp_core::error::Retry;
use whisp_core::media::{MediaError, MediaErrorKind};
use whisp_core::model::{ChannelKind, MediaKind};

/// How large the files of one kind may be that come in on one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileLimit {
    /// The name of the channel.
    pub channel: &'static str,
    /// What kind of file.
    pub kind: MediaKind,
    /// So many bytes.
    pub bytes: u64,
    /// Who says so, and when it was read.
    pub source: &'static str,
}

const MB: u64 = 1_000_000;

const WHATSAPP: &str =
    "WhatsApp's error 131052: what is larger than 100 MB is not handed over (error codes, November 2026)";
const PAGES: &str = "no limit of incoming files is documented; four times what may be sent (Send API, November 2026)";

const fn row(channel: &'static str, kind: MediaKind, megabytes: u64, source: &'static str) -> FileLimit {
    FileLimit { channel, kind, bytes: megabytes * MB, source }
}

/// The limits. A host that wants less says so in `Config::media_bytes_max`.
pub const FILE_LIMITS: &[FileLimit] = &[
    row("whatsapp", MediaKind::Audio, 100, WHATSAPP),
    row("whatsapp", MediaKind::Document, 100, WHATSAPP),
    row("whatsapp", MediaKind::Image, 100, WHATSAPP),
    row("whatsapp", MediaKind::Sticker, 100, WHATSAPP),
    row("whatsapp", MediaKind::Video, 100, WHATSAPP),
    row("instagram", MediaKind::Audio, 100, PAGES),
    row("instagram", MediaKind::Document, 100, PAGES),
    row("instagram", MediaKind::Image, 32, PAGES),
    row("instagram", MediaKind::Sticker, 32, PAGES),
    row("instagram", MediaKind::Video, 100, PAGES),
    row("messenger", MediaKind::Audio, 100, PAGES),
    row("messenger", MediaKind::Document, 100, PAGES),
    row("messenger", MediaKind::Image, 100, PAGES),
    row("messenger", MediaKind::Sticker, 100, PAGES),
    row("messenger", MediaKind::Video, 100, PAGES),
];

/// Returns the limit of a kind of file on a channel.
pub(super) fn of(channel: &ChannelKind, kind: MediaKind) -> Result<u64, MediaError> {
    let row = FILE_LIMITS.iter().find(|row| row.channel == channel.as_str() && row.kind == kind);
    row.map(|row| row.bytes).ok_or_else(|| {
        MediaError::new(super::OPERATION, MediaErrorKind::Refused, Retry::Never)
            .with_advice("the channel has no such files")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_each_channel_has_one_limit() {
        let kinds = [MediaKind::Audio, MediaKind::Document, MediaKind::Image, MediaKind::Sticker, MediaKind::Video];
        let channels = [ChannelKind::Instagram, ChannelKind::Messenger, ChannelKind::WhatsApp];
        for channel in &channels {
            for kind in kinds {
                assert!(of(channel, kind).unwrap() >= 32 * MB, "{channel} {kind:?}");
            }
        }
        assert_eq!(FILE_LIMITS.len(), channels.len() * kinds.len());
    }
}
