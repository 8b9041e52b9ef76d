//! Numbers in little-endian bytes, and padding.

pub fn le16(data: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([data[at], data[at + 1]])
}

pub fn le32(data: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]])
}

pub fn le64(data: &[u8], at: usize) -> u64 {
    u64::from(le32(data, at)) | u64::from(le32(data, at + 4)) << 32
}

/// Group and element, as one number.
pub fn tag_at(data: &[u8], at: usize) -> u32 {
    u32::from(le16(data, at)) << 16 | u32::from(le16(data, at + 2))
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
