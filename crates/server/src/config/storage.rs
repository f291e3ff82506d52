//! The types of values that say what is kept: where, how much, for how long.

use std::path::PathBuf;

use super::value::{Value, single};

/// A folder, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder(pub Option<PathBuf>);

impl Value for Folder {
    const ALLOWED: &'static str = "a folder, from the data folder if it does not begin with `/`, or `off`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        match single(texts)? {
            "" => Err("it is empty".into()),
            "off" => Ok(Self(None)),
            text => Ok(Self(Some(text.into()))),
        }
    }
}

/// A number of days or hours, in seconds; `None` is for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep(pub Option<u64>);

impl Value for Keep {
    const ALLOWED: &'static str = "a time from 1h to 3650d, such as `12h` or `30d`, or `forever`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        if text == "forever" {
            return Ok(Self(None));
        }
        let (number, scale) = match text.char_indices().next_back() {
            Some((i, 'h')) => (&text[..i], 3600),
            Some((i, 'd')) => (&text[..i], 86_400),
            _ => return Err("it does not end with h or d".into()),
        };
        let number: u64 = number.trim().parse().map_err(|_| "it is not a number with h or d after it")?;
        match number.checked_mul(scale) {
            Some(seconds @ 3600..=315_360_000) => Ok(Self(Some(seconds))),
            _ => Err("it is out of range".into()),
        }
    }
}

/// Bytes; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Size(pub Option<u64>);

impl Value for Size {
    const ALLOWED: &'static str = "bytes such as `500M`, `10G` or `2T`, or `unlimited`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        if text == "unlimited" {
            return Ok(Self(None));
        }
        let (number, scale) = match text.char_indices().next_back() {
            Some((i, 'M')) => (&text[..i], 1_000_000),
            Some((i, 'G')) => (&text[..i], 1_000_000_000),
            Some((i, 'T')) => (&text[..i], 1_000_000_000_000),
            _ => (text, 1),
        };
        let number: u64 = number.trim().parse().map_err(|_| "it is not a number with M, G or T after it")?;
        number.checked_mul(scale).map(|bytes| Self(Some(bytes))).ok_or("it is out of range".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Value + PartialEq + std::fmt::Debug>(text: &str, expected: Option<T>) {
        assert_eq!(T::parse(&[text.to_owned()]).ok(), expected, "{text:?}");
    }

    #[test]
    fn sizes_times_and_folders_are_read() {
        check("unlimited", Some(Size(None)));
        check("500M", Some(Size(Some(500_000_000))));
        check("2T", Some(Size(Some(2_000_000_000_000))));
        check("7", Some(Size(Some(7))));
        check::<Size>("99999999999T", None);
        check::<Size>("much", None);
        check("forever", Some(Keep(None)));
        check("1h", Some(Keep(Some(3600))));
        check("3650d", Some(Keep(Some(315_360_000))));
        check::<Keep>("3651d", None);
        check::<Keep>("30", None);
        check("off", Some(Folder(None)));
        check("/srv/films", Some(Folder(Some("/srv/films".into()))));
        check::<Folder>("", None);
    }
}
