//! Names of people: what may be one, and when two are the same.

/// Most characters in a name.
pub const MAX: usize = 64;

/// The name without outer and repeated white space; an error says what is wrong with it.
pub fn clean(name: &str) -> Result<String, String> {
    let cleaned = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = cleaned.chars().count();
    if count == 0 {
        Err("a name has at least one character".to_owned())
    } else if count > MAX {
        Err(format!("this name has {count} characters; at most {MAX} are allowed"))
    } else if cleaned.chars().any(char::is_control) {
        Err("a name has no control characters".to_owned())
    } else {
        Ok(cleaned)
    }
}

/// What two spellings of a name have in common: `Ann  Lee` and `ann lee` are the same.
pub fn fold(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_bounded() {
        assert_eq!(clean("  Ann \t Lee\n").as_deref(), Ok("Ann Lee"));
        assert_eq!(clean(&"é".repeat(64)).as_deref(), Ok("é".repeat(64).as_str()));
        for bad in ["", " \n", "a\u{7}b", &"é".repeat(65)] {
            assert!(clean(bad).is_err(), "{bad:?}");
        }
        assert_eq!(fold(" ÉMILIE  Du "), "émilie du");
    }
}
