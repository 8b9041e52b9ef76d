//! What is a UID (PS3.5 9.1).

const LONGEST: usize = 64;

/// Whether it is 1 to 64 digits and dots, with a digit at both ends and between any two dots.
pub fn is_uid(uid: &[u8]) -> bool {
    uid.len() <= LONGEST
        && uid.split(|&byte| byte == b'.').all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit))
}

/// Whether it is one by the standard: two components or more, no leading zeros, and 0, 1 or 2 at the start.
pub fn is_strict_uid(uid: &[u8]) -> bool {
    is_uid(uid)
        && uid.len() > 2
        && matches!(uid[0], b'0'..=b'2')
        && uid[1] == b'.'
        && uid.split(|&byte| byte == b'.').all(|part| part.len() == 1 || part[0] != b'0')
}
