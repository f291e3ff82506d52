//! The types of values that say what is kept: where, how much, for how long.

use std::fmt;
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

/// A bucket of an S3-compatible store, and what the names of its objects begin with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Its name.
    pub name: String,
    /// Without `/` at its ends; may be empty.
    pub prefix: String,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{slash}{}", self.name, self.prefix)
    }
}

/// Where something is kept that is finished; `None` is the disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Storage(pub Option<Bucket>);

impl Value for Storage {
    const ALLOWED: &'static str =
        "`disk`, or `s3://BUCKET` or `s3://BUCKET/PREFIX` with letters, digits and `. - _`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        let text = single(texts)?;
        if text == "disk" {
            return Ok(Self(None));
        }
        let place = text.strip_prefix("s3://").ok_or("it does not begin with `s3://`")?;
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if !(3..=63).contains(&name.len()) || !name.bytes().all(plain) {
            return Err(format!("`{name}` is no name of a bucket"));
        }
        let prefix = prefix.trim_end_matches('/');
        let step = |step: &str| !matches!(step, "" | "." | "..") && step.bytes().all(plain);
        if !prefix.is_empty() && !prefix.split('/').all(step) {
            return Err(format!("`{prefix}` is no prefix of names"));
        }
        Ok(Self(Some(Bucket { name: name.to_owned(), prefix: prefix.to_owned() })))
    }
}

/// The address of a store, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(pub Option<String>);

impl Value for Endpoint {
    const ALLOWED: &'static str = "an address such as `https://s3.example.org` or `http://127.0.0.1:9000`";

    fn parse(texts: &[String]) -> Result<Self, String> {
        if texts.is_empty() {
            return Ok(Self(None));
        }
        let text = single(texts)?.trim_end_matches('/');
        let uri: axum::http::Uri = text.parse().map_err(|_| "it is no address")?;
        if !matches!(uri.scheme_str(), Some("https" | "http")) || uri.host().unwrap_or_default().is_empty() {
            return Err("it does not begin with `https://` or `http://` and a host".into());
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) || uri.query().is_some()
        {
            return Err(
                "it has a user or a `?` in it: credentials are read from the environment (`AWS_ACCESS_KEY_ID`)".into(),
            );
        }
        Ok(Self(Some(text.to_owned())))
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

    #[test]
    fn stores_are_read() {
        let at = |name: &str, prefix: &str| {
            Some(Storage(Some(Bucket { name: name.to_owned(), prefix: prefix.to_owned() })))
        };
        check("disk", Some(Storage(None)));
        check("s3://films", at("films", ""));
        check("s3://films/", at("films", ""));
        check("s3://films/of/2026/", at("films", "of/2026"));
        for wrong in [
            "",
            "s3:films",
            "https://films",
            "s3://",
            "s3://a",
            "s3://a b c",
            "s3://films/../x",
            "s3://films//x",
        ] {
            check::<Storage>(wrong, None);
        }
        check("http://127.0.0.1:9000/", Some(Endpoint(Some("http://127.0.0.1:9000".into()))));
        check("https://s3.example.org/x", Some(Endpoint(Some("https://s3.example.org/x".into()))));
        for wrong in [
            "",
            "s3.example.org",
            "ftp://example.org",
            "https://",
            "https://a:b@example.org",
            "https://a.org/?x=1",
        ] {
            check::<Endpoint>(wrong, None);
        }
    }
}
