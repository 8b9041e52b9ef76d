//! Text in its declared character set (PS3.5 6.1), as UTF-8. What is not as declared is for the Python reader.

use std::borrow::Cow;

use crate::bytes::{is_padding, is_space, le16, strip};
use crate::{NotMine, Taken};

/// Terms: each its length, its bytes, and its set.
static TERMS: &[u8] = include_bytes!("tables/terms.bin");
/// For each set of one byte a character, those of the bytes A0 to FF, 0 for none.
static SETS: &[u8] = include_bytes!("tables/sets.bin");

const ASCII: u8 = 0;
const UTF_8: u8 = 1;
const LATIN_1: u8 = 2;
const FIRST_TABLE: u8 = 3;
const OTHER: u8 = 255;
const TABLE: usize = 96 * 2;
const ESCAPE: u8 = 0x1B;
const LONGEST_DECLARED: usize = 512;
const MOST_TERMS: usize = 32;

/// A Specific Character Set (0008,0005).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CharacterSet(u8);

impl CharacterSet {
    pub const DEFAULT: CharacterSet = CharacterSet(ASCII);

    /// The set of a value of Specific Character Set, and how many terms it has.
    pub fn declared(value: &[u8]) -> Taken<(CharacterSet, usize)> {
        if value.len() > LONGEST_DECLARED {
            return Err(NotMine("a long Specific Character Set"));
        }
        let end = value.iter().rposition(|&byte| !is_padding(byte)).map_or(0, |last| last + 1);
        if end == 0 {
            return Ok((CharacterSet::DEFAULT, 0));
        }
        let mut first = OTHER;
        let mut count = 0;
        for term in value[..end].split(|&byte| byte == b'\\') {
            let until = term.iter().position(|&byte| byte == 0).unwrap_or(term.len());
            let number = set_of(strip(&term[..until], is_space)).ok_or(NotMine("an unknown character set"))?;
            if count == 0 {
                first = number;
            }
            count += 1;
        }
        if count > MOST_TERMS {
            return Err(NotMine("a long Specific Character Set"));
        }
        // With code extensions the sets that are switched to matter: only ASCII is the same in all.
        Ok((CharacterSet(if count == 1 { first } else { OTHER }), count))
    }

    /// Decodes text to UTF-8.
    pub fn decode<'a>(self, value: &'a [u8]) -> Taken<Cow<'a, [u8]>> {
        if is_plain_ascii(value) {
            return Ok(Cow::Borrowed(value));
        }
        if value.contains(&ESCAPE) || has_mark(value) {
            return Err(NotMine("text with escapes or a byte order mark"));
        }
        match self.0 {
            UTF_8 if std::str::from_utf8(value).is_ok() => Ok(Cow::Borrowed(value)),
            LATIN_1 => single_bytes(value, |byte| u16::from(byte)),
            number if (FIRST_TABLE..OTHER).contains(&number) => {
                let table = &SETS[usize::from(number - FIRST_TABLE) * TABLE..];
                single_bytes(value, |byte| le16(table, usize::from(byte - 0xA0) * 2))
            }
            _ => Err(NotMine("text in another character set")),
        }
    }
}

fn is_plain_ascii(value: &[u8]) -> bool {
    value.is_ascii() && !value.contains(&ESCAPE)
}

fn has_mark(value: &[u8]) -> bool {
    value.starts_with(b"\xff\xfe")
        || value.starts_with(b"\xfe\xff")
        || value.windows(3).any(|three| three == b"\xef\xbb\xbf")
}

fn set_of(term: &[u8]) -> Option<u8> {
    let mut at = 0;
    while at < TERMS.len() {
        let length = usize::from(TERMS[at]);
        if &TERMS[at + 1..at + 1 + length] == term {
            return Some(TERMS[at + 1 + length]);
        }
        at += length + 2;
    }
    None
}

/// Decodes a set of one byte a character; the controls above 7F are a sign of another one.
fn single_bytes(value: &[u8], character: impl Fn(u8) -> u16) -> Taken<Cow<'static, [u8]>> {
    let mut text = String::with_capacity(value.len() * 2);
    for &byte in value {
        let code = match byte {
            0..=0x7F => u16::from(byte),
            0x80..=0x9F => 0,
            _ => character(byte),
        };
        match char::from_u32(u32::from(code)) {
            Some(found) if code != 0 || byte == 0 => text.push(found),
            _ => return Err(NotMine("text that is not what it is declared as")),
        }
    }
    Ok(Cow::Owned(text.into_bytes()))
}
