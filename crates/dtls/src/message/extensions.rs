use wire::{Reader, Short};

use super::{Builder, Group, numbers, vec8, vec16};
use crate::{SrtpProfile, Version};

pub(crate) const SUPPORTED_GROUPS: u16 = 10;
pub(crate) const EC_POINT_FORMATS: u16 = 11;
pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
pub(crate) const USE_SRTP: u16 = 14;
pub(crate) const EXTENDED_MASTER_SECRET: u16 = 23;
pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
pub(crate) const COOKIE: u16 = 44;
pub(crate) const KEY_SHARE: u16 = 51;
pub(crate) const RENEGOTIATION_INFO: u16 = 0xff01;

/// The extensions of a hello (RFC 8446 §4.2), none of which occurs twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Extensions<'a>(&'a [u8]);

impl<'a> Extensions<'a> {
    /// Takes the list that ends a hello; a hello of old may have none.
    pub(crate) fn parse(r: &mut Reader<'a>) -> Result<Self, Short> {
        if r.rest().is_empty() {
            return Ok(Self::default());
        }
        let list = vec16(r)?;
        let mut inside = Reader::new(list);
        let mut seen = Vec::new();
        while !inside.rest().is_empty() {
            let kind = inside.u16()?;
            vec16(&mut inside)?;
            // At most 16384 bytes of message bound this.
            if seen.contains(&kind) || seen.len() == 64 {
                return Err(Short);
            }
            seen.push(kind);
        }
        Ok(Self(list))
    }

    /// The content of an extension.
    pub(crate) fn get(&self, wanted: u16) -> Option<&'a [u8]> {
        let mut r = Reader::new(self.0);
        while let (Ok(kind), Ok(content)) = (r.u16(), vec16(&mut r)) {
            if kind == wanted {
                return Some(content);
            }
        }
        None
    }

    pub(crate) fn has(&self, kind: u16) -> bool {
        self.get(kind).is_some()
    }

    /// Whether a list of 16-bit numbers, with its length in front, contains one.
    pub(crate) fn list_has(&self, kind: u16, number: u16) -> bool {
        let Some(content) = self.get(kind) else { return false };
        let list = vec16(&mut Reader::new(content)).and_then(|list| Ok(numbers(list)?.any(|n| n == number)));
        list.unwrap_or(false)
    }

    /// Whether the supported_versions of a ClientHello contain one (RFC 8446 §4.2.1).
    pub(crate) fn offers_version(&self, version: Version) -> bool {
        let Some(content) = self.get(SUPPORTED_VERSIONS) else { return false };
        let list =
            vec8(&mut Reader::new(content)).and_then(|list| Ok(numbers(list)?.any(|n| n == version.code())));
        list.unwrap_or(false)
    }

    /// The key share of a ClientHello for one group (RFC 8446 §4.2.8).
    pub(crate) fn key_share(&self, group: Group) -> Result<Option<&'a [u8]>, Short> {
        let Some(content) = self.get(KEY_SHARE) else { return Ok(None) };
        let mut r = Reader::new(content);
        let mut shares = Reader::new(vec16(&mut r)?);
        while !shares.rest().is_empty() {
            let (code, share) = (shares.u16()?, vec16(&mut shares)?);
            if code == group.code() {
                return Ok(Some(share));
            }
        }
        Ok(None)
    }

    /// The first of `ours` that is among the profiles of use_srtp (RFC 5764 §4.1.1).
    pub(crate) fn srtp_profile(&self, ours: &[SrtpProfile]) -> Result<Option<SrtpProfile>, Short> {
        let Some(content) = self.get(USE_SRTP) else { return Ok(None) };
        let mut r = Reader::new(content);
        let offered = numbers(vec16(&mut r)?)?;
        vec8(&mut r)?; // the MKI, which nobody uses and RFC 8827 does not ask for
        Ok(ours.iter().copied().find(|ours| offered.clone().any(|o| o == ours.code())))
    }

    /// Writes use_srtp.
    pub(crate) fn put_srtp(b: &mut Builder, profiles: &[SrtpProfile]) {
        if profiles.is_empty() {
            return;
        }
        b.extension(USE_SRTP, |b| {
            b.vec(2, |b| {
                for profile in profiles {
                    b.u16(profile.code());
                }
            })
            .vec(1, |_| ());
        });
    }
}
