//! Numbers as DICOM JSON has them (PS3.18 F.2): the same characters that Python writes.

use std::fmt::Write;

const LONGEST: usize = 64;
const SAFE_DIGITS: usize = 15;
const MOST_EXPONENT_DIGITS: usize = 4;

/// A finite number in its shortest digits, as Python's `repr` writes it.
pub fn double_json(number: f64, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(not_finite(number));
        return;
    }
    let mut text = Text::default();
    let _ = write!(text, "{number:e}");
    text.lay_out(16, true, out);
}

/// The shortest decimal of 6 to 9 digits that gives the same 32 bits again, as `%g` writes it.
pub fn single_json(number: f32, out: &mut Vec<u8>) {
    if !number.is_finite() {
        out.extend_from_slice(not_finite(f64::from(number)));
        return;
    }
    if number.fract() == 0.0 && number.abs() < 1e6 && (number != 0.0 || number.is_sign_positive()) {
        let _ = write!(Bytes(out), "{}", number as i32);
        return;
    }
    for digits in 6..=9 {
        let mut text = Text::default();
        let _ = write!(text, "{:.*e}", digits - 1, f64::from(number));
        let same = digits == 9 || text.as_f64().map_or(false, |read| (read as f32).to_bits() == number.to_bits());
        if same {
            text.lay_out(digits as i32, false, out);
            return;
        }
    }
}

fn not_finite(number: f64) -> &'static [u8] {
    if number.is_nan() {
        b"\"NaN\""
    } else if number > 0.0 {
        b"\"inf\""
    } else {
        b"\"-inf\""
    }
}

/// What a DS or IS is in DICOM JSON.
pub enum Number {
    /// It is what was written behind the rest.
    Written,
    /// It is a number that JSON would change, and stays a string.
    Text,
    /// It is not a number.
    Illegal,
    /// It is for the Python reader.
    Odd,
}

/// Whether a value stands in the JSON as it is.
pub fn is_plain_decimal(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let whole = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let fraction = match text.get(whole) {
        None => None,
        Some(b'.') => Some(&text[whole + 1..]),
        _ => return false,
    };
    if whole == 0 || whole > 9 || (text[0] == b'0' && whole > 1) {
        return false;
    }
    fraction.map_or(true, |digits| {
        let most = if whole == 1 { 14 } else { 6 };
        !digits.is_empty() && digits.len() <= most && digits.iter().all(u8::is_ascii_digit)
    })
}

/// Whether a value stands in the JSON as it is.
pub fn is_plain_integer(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    matches!(text.len(), 1..=9) && text.iter().all(u8::is_ascii_digit) && (text[0] != b'0' || text.len() == 1)
}

/// Writes an IS as a number, if it is one.
pub fn integer_json(text: &[u8], out: &mut Vec<u8>) -> Number {
    let digits = match text {
        [b'+' | b'-', rest @ ..] => rest,
        _ => text,
    };
    if digits.is_empty() || digits.len() > LONGEST || !digits.iter().all(u8::is_ascii_digit) {
        return Number::Illegal;
    }
    let mut number: i64 = 0;
    for digit in digits {
        number = number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    }
    if text[0] == b'-' {
        number = -number;
    }
    if i32::try_from(number).is_err() {
        return Number::Text;
    }
    let _ = write!(Bytes(out), "{number}");
    Number::Written
}

/// Writes a DS as a number of the same value, if it is one.
pub fn decimal_json(text: &[u8], out: &mut Vec<u8>) -> Number {
    let parts = match Decimal::of(text) {
        Some(parts) => parts,
        None => return Number::Illegal,
    };
    if parts.exponent.is_none() && text.len() <= SAFE_DIGITS && parts.is_json {
        out.extend_from_slice(text);
        return Number::Written;
    }
    if text.len() > LONGEST {
        return Number::Text;
    }
    if parts.exponent.map_or(0, <[u8]>::len) > MOST_EXPONENT_DIGITS {
        return Number::Odd;
    }
    let number = match std::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok()) {
        Some(number) => number,
        None => return Number::Odd,
    };
    if !number.is_finite() {
        return Number::Text;
    }
    let mut written = Vec::new();
    double_json(number, &mut written);
    let same = Decimal::of(&written).map_or(false, |other| other.significant() == parts.significant());
    if !same {
        return Number::Text;
    }
    out.extend_from_slice(&written);
    Number::Written
}

/// The finite number that a DS is.
pub fn decimal(text: &[u8]) -> Option<f64> {
    Decimal::of(text)?;
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    number.is_finite().then(|| number)
}

/// A decimal string (DS, PS3.5 6.2), taken apart.
struct Decimal<'a> {
    negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: Option<&'a [u8]>,
    exponent_negative: bool,
    /// Whether JSON writes numbers so, too.
    is_json: bool,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a [u8]) -> Option<Decimal<'a>> {
        let (sign, rest) = match text {
            [sign @ (b'+' | b'-'), rest @ ..] => (Some(*sign), rest),
            _ => (None, text),
        };
        let (whole, rest) = digits(rest);
        let (has_point, fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = digits(rest);
                (true, fraction, rest)
            }
            _ => (false, &rest[..0], rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (exponent, exponent_negative) = match rest {
            [] => (None, false),
            [b'e' | b'E', rest @ ..] => {
                let (negative, rest) = match rest {
                    [sign @ (b'+' | b'-'), rest @ ..] => (*sign == b'-', rest),
                    _ => (false, rest),
                };
                let (found, behind) = digits(rest);
                if found.is_empty() || !behind.is_empty() {
                    return None;
                }
                (Some(found), negative)
            }
            _ => return None,
        };
        let is_json = sign != Some(b'+')
            && !whole.is_empty()
            && (whole.len() == 1 || whole[0] != b'0')
            && has_point != fraction.is_empty();
        Some(Decimal { negative: sign == Some(b'-'), whole, fraction, exponent, exponent_negative, is_json })
    }

    /// The sign, the digits without zeros at the ends, and the power of ten of the last one; of zero, no digits.
    fn significant(&self) -> (bool, Vec<u8>, i64) {
        let all: Vec<u8> = self.whole.iter().chain(self.fraction).copied().collect();
        let begin = all.iter().position(|&digit| digit != b'0').unwrap_or(all.len());
        let end = all.iter().rposition(|&digit| digit != b'0').map_or(begin, |last| last + 1);
        if begin == end {
            return (false, Vec::new(), 0);
        }
        let mut power = 0;
        for digit in self.exponent.unwrap_or(b"") {
            power = power * 10 + i64::from(digit - b'0');
        }
        if self.exponent_negative {
            power = -power;
        }
        power += (all.len() - end) as i64 - self.fraction.len() as i64;
        (self.negative, all[begin..end].to_vec(), power)
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count())
}

/// Writes into bytes.
pub struct Bytes<'a>(pub &'a mut Vec<u8>);

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// A number as Rust writes it with an exponent: `-d.ddde-d`.
struct Text {
    bytes: [u8; 40],
    length: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text { bytes: [0; 40], length: 0 }
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl Text {
    fn as_f64(&self) -> Option<f64> {
        std::str::from_utf8(&self.bytes[..self.length]).ok()?.parse().ok()
    }

    /// Writes it as Python does: without an exponent where that is -4 or more, and below `most`.
    fn lay_out(&self, most: i32, point: bool, out: &mut Vec<u8>) {
        let text = &self.bytes[..self.length];
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, text),
        };
        let at = text.iter().position(|&byte| byte == b'e').unwrap_or(text.len());
        let exponent: i32 = std::str::from_utf8(text.get(at + 1..).unwrap_or(b"0"))
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let mut found = [b'0'; 40];
        let mut count = 0;
        for &byte in text[..at].iter().filter(|byte| byte.is_ascii_digit()) {
            found[count] = byte;
            count += 1;
        }
        while count > 1 && found[count - 1] == b'0' {
            count -= 1;
        }
        let found = &found[..count];
        if negative {
            out.push(b'-');
        }
        if exponent < -4 || exponent >= most {
            out.push(found[0]);
            if count > 1 {
                out.push(b'.');
                out.extend_from_slice(&found[1..]);
            }
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(Bytes(out), "e{sign}{:02}", exponent.abs());
        } else if exponent < 0 {
            out.extend_from_slice(b"0.");
            out.extend(std::iter::repeat(b'0').take((-exponent - 1) as usize));
            out.extend_from_slice(found);
        } else {
            let whole = exponent as usize + 1;
            out.extend_from_slice(&found[..whole.min(count)]);
            out.extend(std::iter::repeat(b'0').take(whole.saturating_sub(count)));
            if count > whole {
                out.push(b'.');
                out.extend_from_slice(&found[whole..]);
            } else if point {
                out.extend_from_slice(b".0");
            }
        }
    }
}
