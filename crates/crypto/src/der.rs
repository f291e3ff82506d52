//! The little of DER (X.690) that certificates need: writers that build from the inside out, and a parser that
//! walks tags and lengths.

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const BIT_STRING: u8 = 0x03;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const EXPLICIT_0: u8 = 0xa0;
const UTF8_STRING: u8 = 0x0c;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SET: u8 = 0x31;

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = vec![tag];
    let bytes = len.to_be_bytes();
    let significant = &bytes[bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len() - 1)..];
    if len >= 0x80 {
        out.push(0x80 | u8::try_from(significant.len()).expect("a length has at most eight bytes"));
    }
    out.extend(significant);
    for part in parts {
        out.extend(*part);
    }
    out
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

pub(crate) fn set(parts: &[&[u8]]) -> Vec<u8> {
    element(SET, parts)
}

pub(crate) fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    element(EXPLICIT_0 + number, &[content])
}

pub(crate) fn oid(encoded: &[u8]) -> Vec<u8> {
    element(OID, &[encoded])
}

pub(crate) fn utf8(text: &str) -> Vec<u8> {
    element(UTF8_STRING, &[text.as_bytes()])
}

/// A positive integer: no superfluous zeroes, and one where the first bit would mean a sign.
pub(crate) fn integer(big_endian: &[u8]) -> Vec<u8> {
    let start = big_endian.iter().position(|b| *b != 0).unwrap_or(big_endian.len().saturating_sub(1));
    let digits = &big_endian[start..];
    let sign: &[u8] = if digits.first().is_none_or(|b| *b >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, digits])
}

pub(crate) fn bit_string(bytes: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], bytes])
}

/// A time of RFC 5280 §4.1.2.5: two digits of the year until 2049, four from 2050, and at most 9999.
pub(crate) fn time(unix_seconds: u64) -> Vec<u8> {
    const LAST: u64 = 253_402_300_799; // 9999-12-31 23:59:59
    let seconds = unix_seconds.min(LAST);
    let (year, month, day) = civil(seconds / 86_400);
    let rest = seconds % 86_400;
    let clock = format!("{month:02}{day:02}{:02}{:02}{:02}Z", rest / 3600, rest / 60 % 60, rest % 60);
    if year < 2050 {
        element(UTC_TIME, &[format!("{:02}{clock}", year % 100).as_bytes()])
    } else {
        element(GENERALIZED_TIME, &[format!("{year:04}{clock}").as_bytes()])
    }
}

/// (year, month, day) of a number of days since 1970-01-01 in the Gregorian calendar.
fn civil(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut rest) = (1970, days);
    while rest >= 365 + u64::from(leap(year)) {
        rest -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if rest < length {
            break;
        }
        rest -= length;
        month += 1;
    }
    (year, month, rest + 1)
}

/// Walks a sequence of elements.
#[derive(Clone)]
pub(crate) struct Parser<'a>(&'a [u8]);

impl<'a> Parser<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, if it has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&[found, first], rest) = self.0.split_first_chunk()?;
        if found != tag {
            return None;
        }
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81 => (usize::from(*rest.first()?), &rest[1..]),
            0x82 => {
                let (len, rest) = rest.split_first_chunk()?;
                (usize::from(u16::from_be_bytes(*len)), rest)
            }
            _ => return None, // no certificate of a handshake is that long
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        Some(content)
    }

    /// A parser inside the next element, if it has this tag.
    pub(crate) fn enter(&mut self, tag: u8) -> Option<Self> {
        self.take(tag).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let check = |seconds: u64, expected: &str| {
            assert_eq!(String::from_utf8_lossy(&time(seconds)[2..]), expected);
        };
        check(0, "700101000000Z");
        check(951_782_400, "000229000000Z");
        check(1_767_225_599, "251231235959Z");
        check(2_524_607_999, "491231235959Z");
        check(2_524_608_000, "20500101000000Z");
        check(u64::MAX, "99991231235959Z");
    }

    #[test]
    fn integers_are_positive_and_short() {
        assert_eq!(integer(&[0, 0, 5]), [2, 1, 5]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0]), [2, 1, 0]);
    }

    #[test]
    fn lengths_of_every_form_are_read_back_and_lies_are_not() {
        for len in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let content = vec![7; len];
            let written = sequence(&[&content]);
            assert_eq!(Parser::new(&written).take(SEQUENCE), Some(&content[..]));
            assert_eq!(Parser::new(&written[..written.len() - 1]).take(SEQUENCE), None);
            assert_eq!(Parser::new(&written).take(INTEGER), None);
        }
    }
}
