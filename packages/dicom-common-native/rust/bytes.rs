//! Numbers in little-endian bytes, and padding.

use std::borrow::Cow;

pub fn le16(data: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([data[at], data[at + 1]])
}

pub fn le32(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

pub fn le64(data: &[u8], at: usize) -> u64 {
    u64::from(le32(data, at)) | u64::from(le32(data, at + 4)) << 32
}

/// The two byte orders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Little,
    Big,
}

impl Order {
    pub fn u16(self, data: &[u8], at: usize) -> u16 {
        match self {
            Order::Little => le16(data, at),
            Order::Big => le16(data, at).swap_bytes(),
        }
    }

    pub fn u32(self, data: &[u8], at: usize) -> u32 {
        match self {
            Order::Little => le32(data, at),
            Order::Big => le32(data, at).swap_bytes(),
        }
    }

    /// Group and element, as one number.
    pub fn tag(self, data: &[u8], at: usize) -> u32 {
        u32::from(self.u16(data, at)) << 16 | u32::from(self.u16(data, at + 2))
    }

    /// Words of so many bytes in little endian; those of a wrong length stay as they are.
    pub fn little(self, value: &[u8], width: usize) -> Cow<'_, [u8]> {
        if self == Order::Little || width == 1 || value.len() % width > 0 {
            return Cow::Borrowed(value);
        }
        Cow::Owned(value.chunks_exact(width).flat_map(|word| word.iter().rev()).copied().collect())
    }
}

/// The bytes without those of a kind at both ends.
pub fn strip(value: &[u8], is_padding: fn(u8) -> bool) -> &[u8] {
    let begin = value.iter().position(|&byte| !is_padding(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|&byte| !is_padding(byte)).map_or(begin, |last| last + 1);
    &value[begin..end]
}

pub fn is_space(byte: u8) -> bool {
    byte == b' '
}

pub fn is_padding(byte: u8) -> bool {
    byte == b' ' || byte == 0
}

/// A UID without its padding, which is behind it, and spaces before it.
pub fn bare(value: &[u8]) -> &[u8] {
    let end = value.iter().rposition(|&byte| !is_padding(byte)).map_or(0, |last| last + 1);
    let begin = value[..end].iter().position(|&byte| byte != b' ').unwrap_or(end);
    &value[begin..end]
}
