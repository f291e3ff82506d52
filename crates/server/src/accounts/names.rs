//! Names: which are allowed, and which two look the same.

use unicode_normalization::UnicodeNormalization as _;
use unicode_security::confusable_detection::skeleton;

/// The longest name, in characters.
pub const LONGEST: usize = 64;

/// The name as it is kept (trimmed, composed: Unicode NFC), or what is wrong with it.
///
/// # Errors
/// A sentence for the person who chose the name.
pub fn check(name: &str) -> Result<String, &'static str> {
    // Bounds the work before anything else: no character of a name takes more than four bytes, twice decomposed.
    if name.len() > LONGEST * 16 {
        return Err("a name has at most 64 characters");
    }
    let name: String = name.trim().nfc().collect();
    if name.is_empty() {
        return Err("a name has at least one character");
    }
    if name.chars().count() > LONGEST {
        return Err("a name has at most 64 characters");
    }
    if name.chars().any(|c| c.is_control() || is_invisible(c)) {
        return Err("a name has no control characters and no invisible ones");
    }
    if key(&name).is_empty() {
        return Err("a name has at least one letter, digit or sign that can be seen");
    }
    Ok(name)
}

/// What two names have in common that a person could take for each other: case does not count, nor do spaces, nor
/// which of the characters that look alike is used (Unicode TS 39 §4), nor `i`, `l` and `1`, whose cases look alike.
pub fn key(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace()).collect();
    let alike: String = skeleton(&folded).flat_map(char::to_lowercase).collect();
    alike.chars().filter(|c| !is_invisible(*c)).map(|c| if c == 'i' { 'l' } else { c }).collect()
}

/// Characters that take no room or turn the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        for (name, kept) in [
            ("  Anna  ", Some("Anna")),
            ("Zo\u{65}\u{308}", Some("Zoë")),
            ("李小龍", Some("李小龍")),
            ("", None),
            ("   ", None),
            ("a\u{202e}b", None),
            ("a\nb", None),
            ("\u{200b}", None),
        ] {
            assert_eq!(check(name).ok().as_deref(), kept, "{name:?}");
        }
        assert!(check(&"x".repeat(64)).is_ok());
        assert!(check(&"x".repeat(65)).is_err());
    }

    #[test]
    fn names_that_look_the_same_have_one_key() {
        for (a, b, same) in [
            ("Anna", "anna", true),
            ("Anna", "Аnnа", true),   // Cyrillic А and а
            ("Alice", "AIice", true), // capital i for l
            ("Alice", "A1ice", true),
            ("bob", "b0b", true),
            ("Anna Bell", "AnnaBell", true),
            ("ＡＮＮＡ", "anna", true), // full width
            ("Anna", "Hanna", false),
            ("Zoë", "Zoe", false),
        ] {
            assert_eq!(key(a) == key(b), same, "{a} and {b}: {} and {}", key(a), key(b));
        }
    }
}
