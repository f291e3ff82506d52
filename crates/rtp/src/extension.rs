//! Header extensions (RFC 8285): the one-byte and two-byte forms, and the elements that sessions negotiate.

pub mod dependency;
mod element;
mod map;

pub use element::{AbsSendTime, AudioLevel, Elements, PlayoutDelay, VideoOrientation};
pub use map::{Kind, Map, MapError};

use wire::{Reader, Short, Writer};

/// One element of a header extension, opaque.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element<'a> {
    /// The identifier that the session gave it, 1 to 255; 15 only in the two-byte form.
    pub id: u8,
    /// Its value, at most 255 bytes.
    pub data: &'a [u8],
}

/// Why elements cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExtensionError {
    /// An identifier is 0, which means padding: identifiers are 1 to 255.
    Id,
    /// A value is longer than 255 bytes.
    TooLong,
    /// The buffer is too short for the elements.
    Short,
}

impl From<Short> for ExtensionError {
    fn from(Short: Short) -> Self {
        Self::Short
    }
}

impl std::fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Id => "a header extension has the identifier 0; identifiers are 1 to 255",
            Self::TooLong => "a header extension is longer than the 255 bytes that fit",
            Self::Short => "the buffer is too short for the header extensions",
        })
    }
}

impl std::error::Error for ExtensionError {}

/// The two forms of elements (RFC 8285 §4.2, §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    OneByte,
    TwoByte,
}

impl Form {
    pub(crate) fn of_profile(profile: u16) -> Option<Self> {
        match profile {
            0xbede => Some(Self::OneByte),
            // The low four bits are for the application and are ignored (RFC 8285 §4.3).
            0x1000..=0x100f => Some(Self::TwoByte),
            _ => None,
        }
    }

    pub(crate) fn profile(self) -> u16 {
        match self {
            Self::OneByte => 0xbede,
            Self::TwoByte => 0x1000,
        }
    }

    /// The shorter form that can hold all of the elements.
    pub(crate) fn fitting(elements: &[Element<'_>]) -> Result<Self, ExtensionError> {
        if elements.iter().any(|e| e.id == 0) {
            return Err(ExtensionError::Id);
        }
        if elements.iter().any(|e| e.data.len() > 255) {
            return Err(ExtensionError::TooLong);
        }
        let one_byte = |e: &Element<'_>| e.id < 15 && (1..=16).contains(&e.data.len());
        Ok(if elements.iter().all(one_byte) { Self::OneByte } else { Self::TwoByte })
    }

    pub(crate) fn write(self, element: &Element<'_>, out: &mut Writer<'_>) -> Result<(), Short> {
        let len = u8::try_from(element.data.len()).map_err(|_| Short)?;
        match self {
            Self::OneByte => out.u8(element.id << 4 | (len - 1))?,
            Self::TwoByte => {
                out.u8(element.id)?;
                out.u8(len)?;
            }
        }
        out.put(element.data)
    }
}

/// The elements of one packet, in their order.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    form: Form,
    rest: Reader<'a>,
}

impl<'a> Extensions<'a> {
    pub(crate) fn new(form: Option<Form>, block: &'a [u8]) -> Self {
        let block = if form.is_some() { block } else { &[] };
        Self { form: form.unwrap_or(Form::OneByte), rest: Reader::new(block) }
    }

    fn read(&mut self) -> Result<Element<'a>, Short> {
        loop {
            let first = self.rest.u8()?;
            let (id, len) = match self.form {
                // Identifier 15 ends the block, whatever follows (RFC 8285 §4.2).
                Form::OneByte if first >> 4 == 15 => return Err(Short),
                Form::OneByte if first == 0 => continue,
                Form::OneByte => (first >> 4, usize::from(first & 0x0f) + 1),
                Form::TwoByte if first == 0 => continue,
                Form::TwoByte => (first, usize::from(self.rest.u8()?)),
            };
            let data = self.rest.take(len)?;
            // Padding with a length is not allowed; its bytes are skipped as those of an unknown element.
            if id != 0 {
                return Ok(Element { id, data });
            }
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let element = self.read();
        if element.is_err() {
            self.rest = Reader::new(&[]);
        }
        element.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(form: Form, block: &[u8]) -> Vec<(u8, Vec<u8>)> {
        Extensions::new(Some(form), block).map(|e| (e.id, e.data.to_vec())).collect()
    }

    #[test]
    fn both_forms_are_read_with_padding_anywhere() {
        let one = [0x10, 0xaa, 0, 0, 0x21, 1, 2, 0];
        assert_eq!(read(Form::OneByte, &one), [(1, vec![0xaa]), (2, vec![1, 2])]);
        // RFC 8285 §4.3, the example: an empty element, a byte, four bytes.
        let two = [1, 0, 2, 1, 0xbb, 0, 3, 4, 1, 2, 3, 4];
        assert_eq!(read(Form::TwoByte, &two), [(1, vec![]), (2, vec![0xbb]), (3, vec![1, 2, 3, 4])]);
    }

    #[test]
    fn what_is_behind_the_end_or_a_cut_element_is_not_read() {
        assert_eq!(read(Form::OneByte, &[0x10, 1, 0xf0, 0x20, 2]), [(1, vec![1])]);
        assert_eq!(read(Form::OneByte, &[0x10, 1, 0x23, 2, 3]), [(1, vec![1])]);
        assert_eq!(read(Form::TwoByte, &[7, 9, 1]), []);
        assert_eq!(read(Form::OneByte, &[0x01, 9, 9, 0x10, 5]), [(1, vec![5])]);
    }

    #[test]
    fn the_form_follows_the_elements() {
        let long = [0; 256];
        let form =
            |id, len| Form::fitting(&[Element { id: 1, data: &[0] }, Element { id, data: &long[..len] }]);
        assert_eq!(form(14, 16), Ok(Form::OneByte));
        assert_eq!(form(14, 17), Ok(Form::TwoByte));
        assert_eq!(form(14, 0), Ok(Form::TwoByte));
        assert_eq!(form(15, 1), Ok(Form::TwoByte));
        assert_eq!(form(1, 256), Err(ExtensionError::TooLong));
        assert_eq!(form(0, 1), Err(ExtensionError::Id));
    }
}
