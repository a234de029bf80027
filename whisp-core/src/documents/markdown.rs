//! Markdown in which what others have written stays text.

/// Makes what somebody has written harmless: nothing in it is markup, a link or a new line.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' => {
                out.push('\\');
                out.push(c);
            }
            // A line that begins with one of these is a list or a heading; text that holds a bare address is a link.
            '-' | '+' | '=' if out.is_empty() => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')' if !out.is_empty() && out.bytes().all(|byte| byte.is_ascii_digit()) => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_whitespace() || c.is_control() || is_direction(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out.trim().to_owned()
}

/// Whether a character changes the direction in which others are shown, and so what they seem to say.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A document, line by line.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    pub(super) fn title(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.line(&format!("\n## {text}"));
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.line(&format!("\n{text}"));
    }

    /// A list; nothing if it is empty.
    pub(super) fn list(&mut self, items: impl IntoIterator<Item = String>) {
        let mut first = true;
        for item in items {
            self.line(&format!("{}- {item}", if first { "\n" } else { "" }));
            first = false;
        }
    }

    /// A table; nothing if it has no rows.
    pub(super) fn table<const N: usize>(&mut self, head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
        let mut first = true;
        for row in rows {
            if first {
                self.line(&format!("\n| {} |\n|{}", head.join(" | "), "---|".repeat(N)));
                first = false;
            }
            self.line(&format!("| {} |", row.join(" | ")));
        }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }

    fn line(&mut self, text: &str) {
        self.0.push_str(text);
        self.0.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn what_a_host_writes_stays_text() {
        for (written, shown) in [
            ("Coffee & Co", "Coffee &amp; Co"),
            ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
            ("[click](javascript:x)", "\\[click\\](javascript:x)"),
            ("a | b\n# c", "a \\| b \\# c"),
            ("- an item", "\\- an item"),
            ("1. an item", "1\\. an item"),
            ("v1.2 of a.b@c.example", "v1.2 of a.b@c.example"),
            ("*bold* _it_ `code`", "\\*bold\\* \\_it\\_ \\`code\\`"),
            ("safe\u{202e}txt.exe", "safe txt.exe"),
        ] {
            assert_eq!(escape(written), shown);
        }
    }
}
