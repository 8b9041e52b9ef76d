//! The fragments of encapsulated pixel data (PS3.5 A.4), found by their item headers and first bytes.

use crate::bytes::{le32, Order};

const ITEM: u32 = 0xFFFE_E000;
const DELIMITER: u32 = 0xFFFE_E0DD;
const UNDEFINED: u32 = 0xFFFF_FFFF;
const LOOK: usize = 64;
/// The first bytes of compressed images; the last one, of RLE, is told by its header.
const STARTS: [&[u8]; 5] = [b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ", b"\0\0\0\x0cJXL ", b"\xff\x0a"];
const RLE: &[u8] = b"RLE";
const MOST_SEGMENTS: usize = 15;

#[derive(Default)]
pub struct Fragments {
    pub offsets: Vec<u64>,
    pub lengths: Vec<u64>,
    /// For each fragment 1 where an image begins, of the kind that the first one is.
    pub images: Vec<u8>,
    pub signature: Option<&'static [u8]>,
}

/// Finds all items from `position` to the sequence delimiter; None where they are not as they should be.
pub fn walk(data: &[u8], mut position: usize, limit: usize) -> Option<Fragments> {
    let mut found = Fragments::default();
    loop {
        let end = position.checked_add(8)?;
        if end > data.len() {
            return None;
        }
        let (tag, length) = (Order::Little.tag(data, position), le32(data, position + 4));
        if tag == DELIMITER {
            return Some(found);
        }
        let behind = end.checked_add(length as usize)?;
        if tag != ITEM || length == UNDEFINED || behind > data.len() || found.offsets.len() > limit {
            return None;
        }
        let image = signature(&data[end..behind.min(end + LOOK)]);
        found.signature = found.signature.or(image);
        found.images.push(u8::from(image.is_some() && image == found.signature));
        found.offsets.push(end as u64);
        found.lengths.push(u64::from(length));
        position = behind;
    }
}

fn signature(head: &[u8]) -> Option<&'static [u8]> {
    STARTS.iter().copied().find(|start| head.starts_with(start)).or_else(|| is_rle(head).then(|| RLE))
}

/// The header of an RLE frame (PS3.5 G.5): the number of segments, where each begins, and zeros.
fn is_rle(head: &[u8]) -> bool {
    if head.len() < LOOK {
        return false;
    }
    let word = |index: usize| le32(head, index * 4) as usize;
    let segments = word(0);
    (1..=MOST_SEGMENTS).contains(&segments)
        && word(1) == LOOK
        && (1..segments).all(|index| word(index) < word(index + 1))
        && (segments + 1..=MOST_SEGMENTS).all(|index| word(index) == 0)
}
