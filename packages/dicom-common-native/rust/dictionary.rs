//! The VRs of the data dictionary (PS3.6) and of private creators, from tables that `tools/native_tables.py` makes.

use crate::bytes::{le16, le32};
use crate::vr::Vr;

/// Rows of a tag and the letters of its VR, by tag.
static STANDARD: &[u8] = include_bytes!("tables/dictionary.bin");
/// Rows of a mask, a value and the letters of the VR, for repeating groups (PS3.5 7.6).
static REPEATERS: &[u8] = include_bytes!("tables/repeaters.bin");
/// Private creators by their bytes: each its length, its bytes, the number of its rows, and the rows: group, element
/// and the letters of the VR.
static PRIVATE: &[u8] = include_bytes!("tables/private.bin");
/// Where each creator begins in `PRIVATE`, in the order of their bytes.
static CREATORS: &[u8] = include_bytes!("tables/creators.bin");

const ROW: usize = 6;
const REPEATER: usize = 10;
const PRIVATE_ROW: usize = 5;

fn vr_of(letters: &[u8]) -> Vr {
    match letters {
        b"xs" => Vr::UsOrSs,
        _ => Vr::of(letters[0], letters[1]).unwrap_or(Vr::UN),
    }
}

/// The VR of an element whose own bytes tell none: that of the dictionary, and UN for private ones.
pub fn standard_vr(tag: u32) -> Vr {
    if tag >> 16 & 1 == 1 || tag >> 16 == 0xFFFE {
        return Vr::UN;
    }
    let (mut low, mut high) = (0, STANDARD.len() / ROW);
    while low < high {
        let middle = (low + high) / 2;
        let found = le32(STANDARD, middle * ROW);
        if found == tag {
            return vr_of(&STANDARD[middle * ROW + 4..middle * ROW + 6]);
        }
        if found < tag {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for row in REPEATERS.chunks_exact(REPEATER) {
        if tag & le32(row, 0) == le32(row, 4) {
            return vr_of(&row[8..10]);
        }
    }
    Vr::UN
}

/// The VR of a private element by its private creator; UN where that is not known.
pub fn private_vr(creator: &[u8], tag: u32) -> Vr {
    let (mut low, mut high) = (0, CREATORS.len() / 4);
    while low < high {
        let middle = (low + high) / 2;
        let at = le32(CREATORS, middle * 4) as usize;
        let length = usize::from(PRIVATE[at]);
        let name = &PRIVATE[at + 1..at + 1 + length];
        if name == creator {
            return private_row(at + 1 + length, tag);
        }
        if name < creator {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Vr::UN
}

fn private_row(at: usize, tag: u32) -> Vr {
    let count = usize::from(le16(PRIVATE, at));
    let rows = &PRIVATE[at + 2..at + 2 + count * PRIVATE_ROW];
    rows.chunks_exact(PRIVATE_ROW)
        .find(|row| u32::from(le16(row, 0)) == tag >> 16 && u32::from(row[2]) == tag & 0xFF)
        .map_or(Vr::UN, |row| vr_of(&row[3..5]))
}
