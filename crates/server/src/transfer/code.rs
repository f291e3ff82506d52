//! The code that two people agree on: three words, which are the name of the room where they meet.

use std::fmt;

/// One word on each line, in the order of the alphabet.
const WORDS: &str = include_str!("words.txt");

/// How many words make a code.
const LENGTH: usize = 3;

/// A code that cannot be one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct BadCode(String);

impl fmt::Display for BadCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no code; a code is three words such as `amber-canoe-violin`", self.0)
    }
}

impl std::error::Error for BadCode {}

/// A new code, from the randomness of the operating system. Each word is as likely as any other.
pub(crate) fn draw() -> String {
    let words: Vec<&str> = WORDS.lines().collect();
    let word = || {
        let count = u32::try_from(words.len()).unwrap_or(u32::MAX);
        // What is left over beyond the last whole multiple would make the first words more likely.
        let fair = u32::MAX - u32::MAX % count;
        loop {
            let drawn = u32::from_be_bytes(crypto::random());
            if drawn < fair {
                return words[(drawn % count) as usize];
            }
        }
    };
    (0..LENGTH).map(|_| word()).collect::<Vec<_>>().join("-")
}

/// A code as a person types it: in any case of letters, with spaces or hyphens.
///
/// # Errors
/// It is not made of three words. Words that are not in the list are taken: another list may have them.
pub(crate) fn read(text: &str) -> Result<String, BadCode> {
    let lower = text.trim().to_lowercase();
    let words: Vec<&str> = lower.split([' ', '-', '_', '.']).filter(|word| !word.is_empty()).collect();
    let code = words.join("-");
    let letters = words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase()));
    if words.len() == LENGTH && letters && code.len() <= 64 {
        Ok(code)
    } else {
        Err(BadCode(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_short_and_large_enough() {
        let words: Vec<&str> = WORDS.lines().collect();
        assert!(words.len() >= 1024, "{}", words.len());
        assert!(words.is_sorted_by(|a, b| a < b));
        for word in words {
            assert!((3..=8).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase()), "{word}");
        }
    }

    #[test]
    fn codes_are_read_as_people_type_them() {
        for (text, wanted) in [
            ("amber-canoe-violin", Some("amber-canoe-violin")),
            ("  Amber Canoe  VIOLIN\n", Some("amber-canoe-violin")),
            ("amber_canoe.violin", Some("amber-canoe-violin")),
            ("amber-canoe", None),
            ("amber-canoe-violin-x", None),
            ("amber-canoe-7", None),
            ("", None),
        ] {
            assert_eq!(read(text).ok().as_deref(), wanted, "{text}");
        }
        let drawn = draw();
        assert_eq!(read(&drawn).as_deref(), Ok(drawn.as_str()));
        assert_ne!(drawn, draw());
    }
}
