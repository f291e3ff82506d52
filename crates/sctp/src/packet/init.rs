use super::{Malformed, kind, next_parameter, put_parameter};
use wire::{Reader, Short, Writer};

/// What one side says of itself in INIT or INIT ACK (RFC 9260 §3.3.2, §3.3.3).
///
/// ```text
/// |                         Initiate Tag                          |
/// |           Advertised Receiver Window Credit (a_rwnd)          |
/// |  Number of Outbound Streams   |  Number of Inbound Streams    |
/// |                          Initial TSN                          |
/// \              Optional/Variable-Length Parameters              \
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Init {
    /// The verification tag that the other side shall use, never zero.
    pub tag: u32,
    /// Bytes there is room for.
    pub window: u32,
    /// Streams this side wants to send on, at least one.
    pub outbound: u16,
    /// Streams this side can receive on, at least one.
    pub inbound: u16,
    /// The first TSN this side sends.
    pub tsn: u32,
    /// The extensions it knows.
    pub extensions: Extensions,
}

/// The extensions that matter here.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Extensions {
    /// FORWARD-TSN: partial reliability (RFC 3758 §3.1).
    pub forward_tsn: bool,
    /// RE-CONFIG: stream reset (RFC 6525).
    pub reconfig: bool,
    /// I-DATA and I-FORWARD-TSN: message interleaving (RFC 8260).
    pub interleaving: bool,
    /// Packets without checksum are accepted over DTLS (RFC 9653).
    pub zero_checksum: bool,
}

/// The parameters of INIT and INIT ACK beside the fixed ones.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Parameters<'a> {
    /// The state cookie of an INIT ACK (RFC 9260 §3.3.3.1).
    pub cookie: Option<&'a [u8]>,
    /// A parameter that is not known and whose type says that the chunk must not be used (RFC 9260 §3.2.1).
    pub stop: bool,
    /// The first parameter that is not known and whose type asks for a report, with its header.
    pub unrecognized: Option<(u16, &'a [u8])>,
}

mod parameter {
    pub(super) const STATE_COOKIE: u16 = 7;
    pub(super) const UNRECOGNIZED: u16 = 8;
    pub(super) const ZERO_CHECKSUM: u16 = 0x8001;
    pub(super) const SUPPORTED_EXTENSIONS: u16 = 0x8008;
    pub(super) const FORWARD_TSN: u16 = 0xc000;
    /// Addresses, cookie preservative, host name, ECN, random, chunks, hash algorithms, adaptation layer:
    /// known, and without meaning over DTLS.
    pub(super) const IGNORED: [u16; 9] = [5, 6, 9, 11, 12, 0x8000, 0x8002, 0x8003, 0x8004];
}

/// The error detection method of RFC 9653 that is DTLS.
const EDMID_DTLS: u32 = 1;

impl Init {
    /// Reads the value of an INIT or INIT ACK chunk, and what it says beside.
    pub fn parse(value: &[u8]) -> Result<(Self, Parameters<'_>), Malformed> {
        let mut r = Reader::new(value);
        let (tag, window) = (r.u32()?, r.u32()?);
        let (outbound, inbound, tsn) = (r.u16()?, r.u16()?, r.u32()?);
        if tag == 0 || outbound == 0 || inbound == 0 {
            return Err(Malformed);
        }
        let mut extensions = Extensions::default();
        let mut others = Parameters::default();
        let mut i_forward = false;
        while let Some((kind, value)) = next_parameter(&mut r)? {
            match kind {
                parameter::STATE_COOKIE => others.cookie = Some(value),
                parameter::FORWARD_TSN => extensions.forward_tsn = true,
                parameter::ZERO_CHECKSUM => {
                    extensions.zero_checksum = value == EDMID_DTLS.to_be_bytes();
                }
                parameter::SUPPORTED_EXTENSIONS => {
                    extensions.reconfig |= value.contains(&kind::RE_CONFIG);
                    extensions.forward_tsn |= value.contains(&kind::FORWARD_TSN);
                    extensions.interleaving |= value.contains(&kind::I_DATA);
                    i_forward |= value.contains(&kind::I_FORWARD_TSN);
                }
                parameter::UNRECOGNIZED => {}
                _ if parameter::IGNORED.contains(&kind) => {}
                // The two highest bits say what to do with the unknown (RFC 9260 §3.2.1).
                _ => {
                    if kind & 0x4000 != 0 && others.unrecognized.is_none() {
                        others.unrecognized = Some((kind, value));
                    }
                    if kind & 0x8000 == 0 {
                        others.stop = true;
                        break;
                    }
                }
            }
        }
        // Interleaving is of use to us only with its own way to skip (RFC 8260 §2.3).
        extensions.interleaving &= i_forward || !extensions.forward_tsn;
        Ok((Self { tag, window, outbound, inbound, tsn, extensions }, others))
    }

    /// Appends the value of an INIT, or of an INIT ACK with its cookie and perhaps a report of what was not
    /// understood in the INIT.
    pub fn write(
        &self,
        w: &mut Writer<'_>,
        cookie: Option<&[u8]>,
        unrecognized: Option<(u16, &[u8])>,
    ) -> Result<(), Short> {
        w.u32(self.tag)?;
        w.u32(self.window)?;
        w.u16(self.outbound)?;
        w.u16(self.inbound)?;
        w.u32(self.tsn)?;
        if let Some(cookie) = cookie {
            put_parameter(w, parameter::STATE_COOKIE, cookie)?;
        }
        let mut known = Vec::with_capacity(4);
        let Extensions { forward_tsn, reconfig, interleaving, zero_checksum } = self.extensions;
        if forward_tsn {
            put_parameter(w, parameter::FORWARD_TSN, &[])?;
            known.push(kind::FORWARD_TSN);
        }
        if reconfig {
            known.push(kind::RE_CONFIG);
        }
        if interleaving {
            known.extend([kind::I_DATA, kind::I_FORWARD_TSN]);
        }
        if !known.is_empty() {
            put_parameter(w, parameter::SUPPORTED_EXTENSIONS, &known)?;
        }
        if zero_checksum {
            put_parameter(w, parameter::ZERO_CHECKSUM, &EDMID_DTLS.to_be_bytes())?;
        }
        if let Some((kind, value)) = unrecognized {
            let mut buf = vec![0; value.len() + 8];
            let mut inner = Writer::new(&mut buf);
            put_parameter(&mut inner, kind, value)?;
            put_parameter(w, parameter::UNRECOGNIZED, inner.written())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(extensions: Extensions) -> Init {
        Init { tag: 9, window: 1 << 20, outbound: 65_535, inbound: 1024, tsn: u32::MAX, extensions }
    }

    #[test]
    fn written_is_read_back() {
        for bits in 0..16 {
            let extensions = Extensions {
                forward_tsn: bits & 1 != 0,
                reconfig: bits & 2 != 0,
                interleaving: bits & 4 != 0,
                zero_checksum: bits & 8 != 0,
            };
            let mut buf = [0; 200];
            let mut w = Writer::new(&mut buf);
            init(extensions).write(&mut w, Some(b"cookie"), Some((0xc0de, b"what"))).unwrap();
            let (read, others) = Init::parse(w.written()).unwrap();
            assert_eq!(read, init(extensions));
            assert_eq!(others, Parameters { cookie: Some(b"cookie"), ..Parameters::default() });
        }
    }

    #[test]
    fn the_unknown_is_treated_as_its_type_says() {
        for (kind, stop, report) in
            [(0x3fff, true, false), (0x7fff, true, true), (0xbfff, false, false), (0xffff, false, true)]
        {
            let mut buf = [0; 100];
            let mut w = Writer::new(&mut buf);
            init(Extensions::default()).write(&mut w, None, None).unwrap();
            put_parameter(&mut w, kind, &[1]).unwrap();
            put_parameter(&mut w, parameter::FORWARD_TSN, &[]).unwrap();
            let (read, others) = Init::parse(w.written()).unwrap();
            assert_eq!((others.stop, others.unrecognized.is_some()), (stop, report), "{kind:x}");
            assert_eq!(read.extensions.forward_tsn, !stop);
        }
    }

    #[test]
    fn zeroes_are_malformed() {
        for (tag, outbound, inbound) in [(0, 1, 1), (1, 0, 1), (1, 1, 0)] {
            let mut buf = [0; 100];
            let mut w = Writer::new(&mut buf);
            let init = Init { tag, outbound, inbound, ..init(Extensions::default()) };
            init.write(&mut w, None, None).unwrap();
            assert_eq!(Init::parse(w.written()), Err(Malformed));
        }
    }
}
