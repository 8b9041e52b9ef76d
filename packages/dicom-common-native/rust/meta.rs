//! Preamble and File Meta Information (PS3.10 7.1), where they are as they should be.

use crate::bytes::{bare, le16, le32, Order};
use crate::scan::{is_plain, Encoding};
use crate::uid::is_uid;
use crate::vr::Vr;
use crate::{Limits, NotMine, Taken};

const START: usize = 132;
const MOST: usize = 1 << 20;
const STANDARD: &[u8] = b"1.2.840.10008.1.2";
const BIG: &[u8] = b"1.2.840.10008.1.2.2";
const DEFLATED: [&[u8]; 3] = [b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.95", b"1.2.840.10008.1.2.4.205"];
const MEDIA_DIRECTORY: &[u8] = b"1.2.840.10008.1.3.10";

pub struct Meta<'a> {
    pub transfer_syntax: &'a [u8],
    pub encoding: Encoding,
    pub data_set: usize,
    pub sop_uid: &'a [u8],
    /// Whether the group length is that of the group.
    pub length_is_right: bool,
}

pub fn read_meta<'a>(data: &'a [u8], size: usize, limits: &Limits) -> Taken<Meta<'a>> {
    if data.len() < START || &data[128..START] != b"DICM" {
        return Err(NotMine("no preamble"));
    }
    let mut position = START;
    let mut last = -1;
    let mut declared_end = 0;
    let (mut sop_class, mut sop_uid, mut transfer_syntax): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
    loop {
        if position + 12 > data.len() {
            return Err(NotMine("the end of the File Meta"));
        }
        if le16(data, position) != 2 {
            break;
        }
        let element = le16(data, position + 2);
        if i32::from(element) <= last {
            return Err(NotMine("the order of the File Meta"));
        }
        let vr = Vr::of(data[position + 4], data[position + 5]).ok_or(NotMine("letters that are no VR"))?;
        let (begin, length) = if vr.is_long() {
            (position + 12, le32(data, position + 8) as usize)
        } else {
            (position + 8, usize::from(le16(data, position + 6)))
        };
        let end = begin + length;
        if end > data.len() || end > START + MOST {
            return Err(NotMine("the end of the File Meta"));
        }
        let value = &data[begin..end];
        match element {
            0x0000 if last < 0 && length == 4 => declared_end = end + le32(value, 0) as usize,
            0x0002 => sop_class = bare(value),
            0x0003 => sop_uid = bare(value),
            0x0010 => transfer_syntax = bare(value),
            _ => (),
        }
        last = i32::from(element);
        position = end;
    }
    if sop_class == MEDIA_DIRECTORY || !sop_uid.is_ascii() {
        return Err(NotMine("a media directory, or an odd UID in the File Meta"));
    }
    if DEFLATED.contains(&transfer_syntax) {
        return Err(NotMine("a deflated data set"));
    }
    if !transfer_syntax.starts_with(STANDARD) || !is_uid(transfer_syntax) {
        return Err(NotMine("a transfer syntax that is not of the standard"));
    }
    let order = if transfer_syntax == BIG { Order::Big } else { Order::Little };
    let encoding = Encoding { implicit: transfer_syntax == STANDARD, order };
    if encoding.implicit && !limits.dictionary {
        return Err(NotMine("another edition of the dictionary"));
    }
    if !is_plain(data, size, position, encoding) {
        return Err(NotMine("a data set that does not begin as most do"));
    }
    Ok(Meta { transfer_syntax, encoding, data_set: position, sop_uid, length_is_right: position == declared_end })
}
