//! The identity of an instance: four UIDs, and the Patient ID.

use crate::bytes::bare;
use crate::findings::{Flaw, Found};
use crate::scan::{Form, Scan};
use crate::uid::{is_strict_uid, is_uid};
use crate::vr::Vr;
use crate::{Limits, NotMine, Taken};

const UIDS: [u32; 4] = [0x0008_0016, 0x0008_0018, 0x0020_000D, 0x0020_000E];
const PATIENT_ID: u32 = 0x0010_0020;
const ISSUER: u32 = 0x0010_0021;

/// SOP Class, SOP Instance, Study and Series Instance UID.
pub type Uids<'a> = [&'a [u8]; 4];

pub fn identity<'a>(data: &'a [u8], scan: &Scan, limits: &Limits, found: &mut Found) -> Taken<Uids<'a>> {
    let nodes = &scan.nodes;
    let mut uids: Uids = [b""; 4];
    let mut has_patient_id = false;
    let mut has_it_inside = false;
    let mut number = 0;
    while number < nodes.len() {
        let node = &nodes[number];
        number = if node.form == Form::Sequence { node.length } else { number + 1 };
        if let Some(place) = UIDS.iter().position(|&tag| tag == node.tag) {
            if node.vr != Vr::UI || node.form != Form::Value {
                return Err(NotMine("an identity that is not one"));
            }
            let uid = bare(node.bytes(data));
            if !is_strict_uid(uid) {
                if limits.strict_uids || !is_uid(uid) {
                    return Err(NotMine("an identity that is not one"));
                }
                found.add(&[node.tag], Flaw::LenientUid)?;
            }
            uids[place] = uid;
        } else if node.tag == PATIENT_ID || node.tag == ISSUER {
            has_patient_id |= node.tag == PATIENT_ID;
            if !node.vr.is_text() || node.form != Form::Value {
                return Err(NotMine("an identity that is not one"));
            }
        }
        if node.form == Form::Value && node.vr.is_text() {
            has_it_inside |= holds_patient_id(node.bytes(data));
        }
    }
    if uids.iter().any(|uid| uid.is_empty()) || (has_it_inside && !has_patient_id) {
        return Err(NotMine("an identity that is not one"));
    }
    Ok(uids)
}

/// Whether a text has the tag of Patient ID in it: its length may be wrong.
fn holds_patient_id(value: &[u8]) -> bool {
    value.contains(&0) && value.windows(4).any(|four| four == b"\x10\0\x20\0" || four == b"\0\x10\0\x20")
}
