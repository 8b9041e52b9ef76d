//! The DICOM JSON of a data set (PS3.18 Annex F), from its nodes.

use crate::character_sets::CharacterSet;
use crate::findings::Found;
use crate::scan::{Form, Node, Scan};
use crate::values::Values;
use crate::vr::Vr;
use crate::{Limits, NotMine, Taken};

const CHARACTER_SET: u32 = 0x0008_0005;
const PIXEL_REPRESENTATION: u32 = 0x0028_0103;
const MOST_COPIES: usize = 8;

struct Writer<'a> {
    data: &'a [u8],
    scan: &'a Scan,
    found: &'a mut Found,
    base: &'a [u8],
    values: Values,
    /// The tags of the open sequences.
    tags: Vec<u32>,
    /// The number of the open item of each.
    places: Vec<usize>,
}

/// Writes the data set as one JSON object; gives it, and how many values were written one by one.
pub fn encode(data: &[u8], scan: &Scan, base: &[u8], limits: &Limits, found: &mut Found) -> Taken<(Vec<u8>, usize)> {
    let capacity = scan.nodes.len() * 64 + 256;
    let values = Values::new(Vec::with_capacity(capacity.min(limits.max_json)), limits);
    let mut writer = Writer { data, scan, found, base, values, tags: Vec::new(), places: Vec::new() };
    writer.object(0, scan.nodes.len())?;
    let out = writer.values.out;
    // Copies are counted by the Python reader: each sequence copies what is in it.
    if out.len() > limits.max_json / 2 || out.len() * scan.depth > MOST_COPIES * limits.max_json / 2 {
        return Err(NotMine("long JSON"));
    }
    Ok((out, writer.values.spent))
}

impl Writer<'_> {
    /// Writes the elements from one node up to another.
    fn object(&mut self, begin: usize, end: usize) -> Taken<()> {
        let before = (self.values.set, self.values.signed);
        self.enter(begin, end)?;
        self.values.out.push(b'{');
        let mut number = begin;
        while number < end {
            if number > begin {
                self.values.out.push(b',');
            }
            let node = self.scan.nodes[number];
            let first = number + 1;
            number = if node.form == Form::Sequence { node.length } else { number + 1 };
            self.attribute(&node)?;
            if node.form == Form::Sequence {
                self.sequence(node.tag, first, number)?;
            }
        }
        self.values.out.push(b'}');
        self.values.set = before.0;
        self.values.signed = before.1;
        Ok(())
    }

    /// Takes over what the data set or item says of its values (PS3.3 C.12.1.1.2, C.7.6.3.1.1).
    fn enter(&mut self, begin: usize, end: usize) -> Taken<()> {
        let mut number = begin;
        while number < end {
            let node = &self.scan.nodes[number];
            if node.tag == CHARACTER_SET {
                let (set, terms) = CharacterSet::declared(&self.scan.value(node, self.data))?;
                self.values.set = set;
                self.values.spend(terms * 4)?;
            }
            if node.tag == PIXEL_REPRESENTATION && node.length > 0 {
                self.values.signed = node.form == Form::Value && self.scan.value(node, self.data)[0] == 1;
            }
            if node.tag >= CHARACTER_SET && (!self.scan.has_choice || node.tag >= PIXEL_REPRESENTATION) {
                break;
            }
            number = if node.form == Form::Sequence { node.length } else { number + 1 };
        }
        Ok(())
    }

    fn attribute(&mut self, node: &Node) -> Taken<()> {
        let values = &mut self.values;
        values.out.push(b'"');
        hex(node.tag, &mut values.out);
        values.out.extend_from_slice(b"\":{\"vr\":\"");
        if node.tag == CHARACTER_SET {
            values.out.extend_from_slice(b"CS\",\"Value\":[\"ISO_IR 192\"]}");
            return Ok(());
        }
        let vr = match node.vr {
            Vr::UsOrSs if values.signed => Vr::SS,
            Vr::UsOrSs => Vr::US,
            vr => vr,
        };
        values.out.extend_from_slice(vr.name().as_bytes());
        values.out.push(b'"');
        match node.form {
            Form::Value => {
                values.write(vr, &self.scan.value(node, self.data))?;
                self.note(node.tag)
            }
            Form::Bulk => {
                self.uri(node.tag);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Notes what was wrong with the value that was written.
    fn note(&mut self, tag: u32) -> Taken<()> {
        for flaw in std::mem::take(&mut self.values.flaws) {
            self.tags.push(tag);
            self.found.add(&self.tags, flaw)?;
            self.tags.pop();
        }
        Ok(())
    }

    /// Writes the items that are the nodes from `begin` to `end`.
    fn sequence(&mut self, tag: u32, begin: usize, end: usize) -> Taken<()> {
        if begin == end {
            self.values.out.push(b'}');
            return Ok(());
        }
        self.values.out.extend_from_slice(b",\"Value\":[");
        self.tags.push(tag);
        self.places.push(0);
        let mut number = begin;
        while number < end {
            if number > begin {
                self.values.out.push(b',');
            }
            if let Some(place) = self.places.last_mut() {
                *place += 1;
            }
            let behind = self.scan.nodes[number].length;
            self.object(number + 1, behind)?;
            number = behind;
        }
        self.places.pop();
        self.tags.pop();
        self.values.out.extend_from_slice(b"]}");
        Ok(())
    }

    /// Where the value can be fetched (F.2.2), relative to the root of the DICOMweb service.
    fn uri(&mut self, tag: u32) {
        let out = &mut self.values.out;
        out.extend_from_slice(b",\"BulkDataURI\":\"");
        out.extend_from_slice(self.base);
        out.extend_from_slice(b"/bulkdata/");
        for (tag, place) in self.tags.iter().zip(&self.places) {
            hex(*tag, out);
            out.push(b'.');
            out.extend_from_slice(place.to_string().as_bytes());
            out.push(b'.');
        }
        hex(tag, out);
        out.extend_from_slice(b"\"}");
    }
}

fn hex(tag: u32, out: &mut Vec<u8>) {
    for digit in (0..8).rev() {
        out.push(b"0123456789ABCDEF"[(tag >> (4 * digit) & 15) as usize]);
    }
}
