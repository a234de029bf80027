//! Names of files in a package, which whoever sent the file chose.

use crate::id::RecordId;

/// The most letters that are left of a name.
const LETTERS_MAX: usize = 80;

/// Returns where a file is in a package: under its id, so that no two meet and no name leads elsewhere, and then what is
/// harmless of the name that it came with. Letters and digits of every script stay; what a shell, a path, a table or a
/// screen reads as something else becomes `_`.
pub(super) fn in_package(id: RecordId, filename: Option<&str>) -> String {
    let safe = |letter: char| if letter.is_alphanumeric() || matches!(letter, '.' | '-') { letter } else { '_' };
    let name: String = filename.unwrap_or_default().chars().map(safe).collect();
    let name = name.trim_matches(['.', '_', '-']);
    if name.is_empty() {
        return format!("files/{id}");
    }
    // Of a long name its end says most: the type of the file.
    let skip = name.chars().count().saturating_sub(LETTERS_MAX);
    let tail: String = name.chars().skip(skip).collect();
    format!("files/{id}-{}", tail.trim_start_matches(['.', '_', '-']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i38_no_name_leads_elsewhere_or_does_anything() {
        let id = RecordId::from_bytes([7; 16]);
        let named = |name: &str| in_package(id, Some(name)).strip_prefix(&format!("files/{id}")).unwrap().to_owned();
        for (name, expected) in [
            ("menu.pdf", "-menu.pdf"),
            ("мәзір 2026.pdf", "-мәзір_2026.pdf"),
            ("../../etc/passwd", "-etc_passwd"),
            ("..\\..\\autoexec.bat", "-autoexec.bat"),
            ("=HYPERLINK(\"http://a\")", "-HYPERLINK__http___a"),
            ("+1-2", "-1-2"),
            ("@cmd|' /C calc'!A0", "-cmd____C_calc__A0"),
            ("<script>.html", "-script_.html"),
            ("a\u{202e}fdp.exe", "-a_fdp.exe"),
            ("a\0b\nc", "-a_b_c"),
            (".htaccess", "-htaccess"),
            ("...", ""),
            ("", ""),
        ] {
            assert_eq!(named(name), expected, "{name:?}");
        }
        let long = named(&("x".repeat(500) + ".pdf"));
        assert!(long.ends_with("x.pdf") && long.chars().count() == LETTERS_MAX + 1, "{long}");
        assert_eq!(in_package(id, None), format!("files/{id}"));
    }
}
