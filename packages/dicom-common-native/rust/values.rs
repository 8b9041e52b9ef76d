//! One value as DICOM JSON (PS3.18 F.2): what stands behind the `vr` of an attribute, with the closing brace.

use std::borrow::Cow;
use std::fmt::Write;

use crate::bytes::{is_padding, is_space, le16, le32, le64, strip};
use crate::character_sets::CharacterSet;
use crate::findings::Flaw;
use crate::numbers::{
    decimal_json, double_json, integer_json, is_plain_decimal, is_plain_integer, single_json, Bytes, Number,
};
use crate::vr::Vr;
use crate::{Limits, NotMine, Taken};

const EXACT: u64 = (1 << 53) - 1;
const LONG: usize = 32;
const GROUPS: [&[u8]; 3] = [b"Alphabetic", b"Ideographic", b"Phonetic"];
const BASE_64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes values, and keeps what they are read with.
pub struct Values {
    pub out: Vec<u8>,
    pub set: CharacterSet,
    /// Pixel Representation (0028,0103).
    pub signed: bool,
    /// How many values were written one by one, counted as the Python reader does.
    pub spent: usize,
    /// What was wrong with the last value.
    pub flaws: Vec<Flaw>,
    most_values: usize,
    most_json: usize,
    numbers: bool,
}

impl Values {
    pub fn new(out: Vec<u8>, limits: &Limits) -> Values {
        Values {
            out,
            set: CharacterSet::DEFAULT,
            signed: false,
            spent: 0,
            flaws: Vec::new(),
            most_values: limits.max_values / 2,
            most_json: limits.max_json / 2,
            numbers: limits.numbers,
        }
    }

    pub fn spend(&mut self, values: usize) -> Taken<()> {
        self.spent += values;
        if self.spent > self.most_values || self.out.len() > self.most_json {
            return Err(NotMine("very many values"));
        }
        Ok(())
    }

    pub fn write(&mut self, vr: Vr, value: &[u8]) -> Taken<()> {
        if self.out.len() > self.most_json {
            return Err(NotMine("long JSON"));
        }
        match vr {
            Vr::AE | Vr::AS | Vr::CS | Vr::DA | Vr::DT | Vr::TM => self.strings(repertoire(value)?),
            Vr::UI => self.uid(value),
            Vr::LO | Vr::SH | Vr::UC => self.texts(strip(value, is_padding)),
            Vr::PN => self.person_name(strip(value, is_padding)),
            Vr::LT | Vr::ST | Vr::UT => {
                let text = self.set.decode(value)?;
                self.one_text(&text, false)
            }
            Vr::UR => self.one_text(repertoire(value)?, true),
            Vr::DS => self.number_strings(value, is_plain_decimal, decimal_json),
            Vr::IS => self.number_strings(value, is_plain_integer, integer_json),
            Vr::US => self.integers(value, 2, |value, at| i64::from(le16(value, at))),
            Vr::SS => self.integers(value, 2, |value, at| i64::from(le16(value, at) as i16)),
            Vr::UL => self.integers(value, 4, |value, at| i64::from(le32(value, at))),
            Vr::SL => self.integers(value, 4, |value, at| i64::from(le32(value, at) as i32)),
            Vr::UV => self.long_integers(value, |bits| (false, bits)),
            Vr::SV => self.long_integers(value, |bits| ((bits as i64) < 0, (bits as i64).unsigned_abs())),
            Vr::FL => self.floats(value, 4, 2, |value, at, out| single_json(f32::from_bits(le32(value, at)), out)),
            Vr::FD => self.floats(value, 8, 1, |value, at, out| double_json(f64::from_bits(le64(value, at)), out)),
            Vr::AT => self.tags(value),
            Vr::OB | Vr::OD | Vr::OF | Vr::OL | Vr::OV | Vr::OW | Vr::UN => {
                self.inline(value);
                Ok(())
            }
            Vr::SQ | Vr::UsOrSs => {
                self.nothing();
                Ok(())
            }
        }
    }

    fn nothing(&mut self) {
        self.out.push(b'}');
    }

    fn begin(&mut self) {
        self.out.extend_from_slice(b",\"Value\":[");
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"]}");
    }

    /// Writes the values of a text; padding, before as well as behind, is not significant (PS3.5 6.2).
    fn strings(&mut self, text: &[u8]) -> Taken<()> {
        let text = self.cut_at_nul(text, true);
        if !text.contains(&b'\\') {
            return self.one_or_nothing(strip(&text, is_space));
        }
        let count = text.split(|&byte| byte == b'\\').count();
        self.spend(count)?;
        if text.iter().all(|&byte| byte == b'\\' || byte == b' ') {
            self.nothing();
            return Ok(());
        }
        self.begin();
        for (index, part) in text.split(|&byte| byte == b'\\').enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let part = strip(part, is_space);
            if part.is_empty() {
                self.out.extend_from_slice(b"null");
            } else {
                quote(part, &mut self.out);
            }
        }
        self.end();
        Ok(())
    }

    fn one_or_nothing(&mut self, text: &[u8]) -> Taken<()> {
        if text.is_empty() {
            self.nothing();
        } else {
            self.begin();
            quote(text, &mut self.out);
            self.end();
        }
        Ok(())
    }

    fn texts(&mut self, value: &[u8]) -> Taken<()> {
        let text = self.set.decode(value)?;
        self.strings(&text)
    }

    fn uid(&mut self, value: &[u8]) -> Taken<()> {
        let plain = strip(value, is_padding);
        if !plain.is_empty() && plain.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
            return self.one_or_nothing(plain);
        }
        self.strings(repertoire(value)?)?;
        if !value.iter().all(|byte| byte.is_ascii_digit() || b".\\ \0".contains(byte)) {
            self.flaws.push(Flaw::UidCharacters);
        }
        Ok(())
    }

    fn one_text(&mut self, text: &[u8], leading: bool) -> Taken<()> {
        let text = self.cut_at_nul(text, false);
        let end = text.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
        let text = &text[..end];
        self.one_or_nothing(if leading { strip(text, is_space) } else { text })
    }

    /// Takes away what stands behind a NUL, which ends a value.
    fn cut_at_nul<'a>(&mut self, text: &'a [u8], several: bool) -> Cow<'a, [u8]> {
        if !text.contains(&0) {
            return Cow::Borrowed(text);
        }
        let mut kept = Vec::with_capacity(text.len());
        let (mut behind, mut lost) = (false, false);
        for &byte in text {
            if several && byte == b'\\' {
                behind = false;
            }
            behind |= byte == 0;
            if !behind {
                kept.push(byte);
            } else if !is_padding(byte) {
                lost = true;
            }
        }
        if lost {
            self.flaws.push(Flaw::Nul);
        }
        Cow::Owned(kept)
    }

    fn person_name(&mut self, value: &[u8]) -> Taken<()> {
        let text = self.set.decode(value)?;
        let text = self.cut_at_nul(&text, true);
        let count = text.split(|&byte| byte == b'\\').count();
        if count > 1 {
            self.spend(count * 2)?;
        }
        if !text.split(|&byte| byte == b'\\').any(has_group) {
            self.nothing();
        } else {
            self.begin();
            for (index, name) in text.split(|&byte| byte == b'\\').enumerate() {
                if index > 0 {
                    self.out.push(b',');
                }
                self.groups(name);
            }
            self.end();
        }
        if text.split(|&byte| byte == b'\\').any(|name| name.iter().filter(|&&byte| byte == b'=').count() > 2) {
            self.flaws.push(Flaw::GroupsLost);
        }
        Ok(())
    }

    /// Writes the component groups of a name, leaving out empty ones.
    fn groups(&mut self, name: &[u8]) {
        if !has_group(name) {
            self.out.extend_from_slice(b"null");
            return;
        }
        let mut before = b'{';
        for (key, group) in GROUPS.iter().zip(name.split(|&byte| byte == b'=')) {
            let group = strip(group, is_space);
            if !group.is_empty() {
                self.out.push(before);
                self.out.push(b'"');
                self.out.extend_from_slice(key);
                self.out.extend_from_slice(b"\":");
                quote(group, &mut self.out);
                before = b',';
            }
        }
        self.out.push(b'}');
    }

    /// DS and IS: as numbers, where the settings say so and JSON can say the same number.
    fn number_strings(
        &mut self,
        value: &[u8],
        is_plain: fn(&[u8]) -> bool,
        written: fn(&[u8], &mut Vec<u8>) -> Number,
    ) -> Taken<()> {
        let plain = strip(value, is_padding);
        if self.numbers && plain.split(|&byte| byte == b'\\').all(is_plain) {
            self.begin();
            self.out.extend(plain.iter().map(|&byte| if byte == b'\\' { b',' } else { byte }));
            self.end();
            return Ok(());
        }
        let text = self.cut_at_nul(repertoire(value)?, true);
        let count = text.split(|&byte| byte == b'\\').count();
        self.spend(count + 1 + text.len() / LONG)?;
        if text.iter().all(|&byte| matches!(byte, b'\\' | b' ')) {
            self.nothing();
            return Ok(());
        }
        let mut is_bad = false;
        self.begin();
        for (index, part) in text.split(|&byte| byte == b'\\').enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            let part = strip(part, is_space);
            if part.is_empty() {
                self.out.extend_from_slice(b"null");
                continue;
            }
            let before = self.out.len();
            let number = written(part, &mut self.out);
            match number {
                Number::Odd => return Err(NotMine("an odd number")),
                Number::Illegal => is_bad = true,
                Number::Written | Number::Text => (),
            }
            if !matches!(number, Number::Written) || !self.numbers {
                self.out.truncate(before);
                quote(part, &mut self.out);
            }
        }
        self.end();
        if is_bad {
            self.flaws.push(Flaw::Number);
        }
        Ok(())
    }

    /// How many values of a size there are; None, and what to write, where there are none.
    fn count(&mut self, value: &[u8], size: usize) -> Option<usize> {
        if value.is_empty() || value.len() % size > 0 {
            if !value.is_empty() {
                self.flaws.push(Flaw::WrongLength);
            }
            self.nothing();
            return None;
        }
        self.begin();
        Some(value.len() / size)
    }

    fn integers(&mut self, value: &[u8], size: usize, at: fn(&[u8], usize) -> i64) -> Taken<()> {
        if let Some(count) = self.count(value, size) {
            if count > 1 {
                self.spend(count / 4)?;
            }
            for index in 0..count {
                if index > 0 {
                    self.out.push(b',');
                }
                integer(at(value, index * size), &mut self.out);
            }
            self.end();
        }
        Ok(())
    }

    /// Integers of 64 bits: strings where a double could not hold them.
    fn long_integers(&mut self, value: &[u8], signed: fn(u64) -> (bool, u64)) -> Taken<()> {
        if let Some(count) = self.count(value, 8) {
            for index in 0..count {
                let (negative, number) = signed(le64(value, index * 8));
                let (comma, sign) = (if index > 0 { "," } else { "" }, if negative { "-" } else { "" });
                let quotes = if number > EXACT { "\"" } else { "" };
                let _ = write!(Bytes(&mut self.out), "{comma}{quotes}{sign}{number}{quotes}");
            }
            self.end();
        }
        Ok(())
    }

    fn floats(&mut self, value: &[u8], size: usize, cost: usize, write: fn(&[u8], usize, &mut Vec<u8>)) -> Taken<()> {
        if let Some(count) = self.count(value, size) {
            if count > 1 {
                self.spend(count * cost)?;
            }
            for index in 0..count {
                if index > 0 {
                    self.out.push(b',');
                }
                write(value, index * size, &mut self.out);
            }
            self.end();
        }
        Ok(())
    }

    fn tags(&mut self, value: &[u8]) -> Taken<()> {
        if let Some(count) = self.count(value, 4) {
            for index in 0..count {
                let comma = if index > 0 { "," } else { "" };
                let (group, element) = (le16(value, index * 4), le16(value, index * 4 + 2));
                let _ = write!(Bytes(&mut self.out), "{comma}\"{group:04X}{element:04X}\"");
            }
            self.end();
        }
        Ok(())
    }

    fn inline(&mut self, value: &[u8]) {
        if value.is_empty() {
            self.nothing();
            return;
        }
        self.out.extend_from_slice(b",\"InlineBinary\":\"");
        let threes = value.chunks_exact(3);
        let rest = threes.remainder();
        for three in threes {
            self.out.extend_from_slice(&base_64(three[0], three[1], three[2]));
        }
        if !rest.is_empty() {
            let mut four = base_64(rest[0], rest.get(1).copied().unwrap_or(0), 0);
            four[rest.len() + 1..].fill(b'=');
            self.out.extend_from_slice(&four);
        }
        self.out.extend_from_slice(b"\"}");
    }
}

fn base_64(one: u8, two: u8, three: u8) -> [u8; 4] {
    let bits = u32::from(one) << 16 | u32::from(two) << 8 | u32::from(three);
    [18, 12, 6, 0].map(|shift| BASE_64[(bits >> shift & 63) as usize])
}

/// Text that should be of the default repertoire; where it is not, the Python reader guesses.
fn repertoire(value: &[u8]) -> Taken<&[u8]> {
    if value.is_ascii() {
        Ok(value)
    } else {
        Err(NotMine("a code that is not ASCII"))
    }
}

/// Whether one of the first three component groups has a character.
fn has_group(name: &[u8]) -> bool {
    name.split(|&byte| byte == b'=').take(3).any(|group| !strip(group, is_space).is_empty())
}

fn integer(number: i64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes a JSON string.
fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut begin = 0;
    for (index, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[begin..index]);
        begin = index + 1;
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0C => b'f',
            _ => 0,
        };
        out.push(b'\\');
        if short > 0 {
            out.push(short);
        } else {
            let _ = write!(Bytes(out), "u{byte:04x}");
        }
    }
    out.extend_from_slice(&text[begin..]);
    out.push(b'"');
}
