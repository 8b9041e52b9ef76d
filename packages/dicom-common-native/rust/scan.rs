//! The one pass over a data set, as long as it is ordinary: from bytes to nodes.

use std::collections::HashSet;

use std::borrow::Cow;

use crate::bytes::{is_padding, strip, Order};
use crate::dictionary::{private_vr, standard_vr};
use crate::vr::Vr;
use crate::{Limits, NotMine, Taken};

const UNDEFINED: u32 = 0xFFFF_FFFF;
const ITEM: u32 = 0xFFFE_E000;
const ITEM_END: u32 = 0xFFFE_E00D;
const SEQUENCE_END: u32 = 0xFFFE_E0DD;
const FAR: usize = usize::MAX;
const CHARACTER_SET: u32 = 0x0008_0005;
const LONGEST_CREATOR: usize = 64;
const HOLD_INDEXED: usize = 4096;
pub const SIGNATURE: usize = 64;

/// Elements that the Python reader takes without a look at their tags; how many different ones, and how deep, are
/// never too many for it.
const MANY: usize = 50_000;
const FEW_TAGS: usize = 1000;
const FEW_LEVELS: usize = 16;

/// What a node of the data set is. The nodes of a sequence are behind it, those of an item behind that.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// An element whose value is at `start`, `length` bytes.
    Value,
    /// One whose value is not held.
    Bulk,
    /// A sequence; `length` is the number of the node behind it.
    Sequence,
    /// An item; `length` is the number of the node behind it.
    Item,
}

#[derive(Clone, Copy)]
pub struct Node {
    pub tag: u32,
    pub vr: Vr,
    pub form: Form,
    pub start: usize,
    pub length: usize,
}

impl Node {
    /// The value as it is written.
    pub fn bytes<'a>(&self, data: &'a [u8]) -> &'a [u8] {
        &data[self.start..self.start + self.length]
    }
}

/// The first pixel data of the top level.
#[derive(Clone, Copy)]
pub struct Pixels {
    pub tag: u32,
    pub vr: Vr,
    pub start: usize,
    /// None for fragments.
    pub length: Option<usize>,
}

pub struct Scan {
    pub nodes: Vec<Node>,
    order: Order,
    pub pixels: Option<Pixels>,
    /// How deep sequences are nested.
    pub depth: usize,
    /// Whether Pixel Representation decides about a VR.
    pub has_choice: bool,
}

impl Scan {
    /// The value of an element in little endian.
    pub fn value<'a>(&self, node: &Node, data: &'a [u8]) -> Cow<'a, [u8]> {
        self.order.little(node.bytes(data), node.vr.width())
    }
}

/// How elements are written (PS3.5 7.1).
#[derive(Clone, Copy)]
pub struct Encoding {
    pub implicit: bool,
    pub order: Order,
}

/// What is around an open sequence, and where that ends.
struct Level<'a> {
    last: i64,
    stop: usize,
    open_item: bool,
    creators: Vec<(u32, &'a [u8])>,
    item: usize,
    sequence: usize,
    sequence_stop: usize,
    open_sequence: bool,
}

struct Scanner<'a> {
    data: &'a [u8],
    size: usize,
    implicit: bool,
    order: Order,
    limits: &'a Limits,
    scan: Scan,
    stack: Vec<Level<'a>>,
    position: usize,
    last: i64,
    stop: usize,
    open_item: bool,
    creators: Vec<(u32, &'a [u8])>,
    item: usize,
    elements: usize,
    items: usize,
    passed_over: usize,
    tags: HashSet<u32>,
}

/// Scans the data set from `start` to the end of the object.
///
/// `data` may be its beginning only, `size` is that of the whole.
pub fn scan(data: &[u8], size: usize, start: usize, encoding: Encoding, limits: &Limits) -> Taken<Scan> {
    let mut scanner = Scanner {
        data,
        size,
        implicit: encoding.implicit,
        order: encoding.order,
        limits,
        scan: Scan { nodes: Vec::with_capacity(256), order: encoding.order, pixels: None, depth: 0, has_choice: false },
        stack: Vec::new(),
        position: start,
        last: -1,
        stop: FAR,
        open_item: false,
        creators: Vec::new(),
        item: 0,
        elements: 0,
        items: 0,
        passed_over: 0,
        tags: HashSet::new(),
    };
    scanner.run()?;
    let parsed = size - start - scanner.passed_over;
    if parsed > limits.max_header / 2 {
        return Err(NotMine("a long header"));
    }
    Ok(scanner.scan)
}

impl<'a> Scanner<'a> {
    fn run(&mut self) -> Taken<()> {
        loop {
            if self.stack.is_empty() {
                if self.position == self.size {
                    return Ok(());
                }
            } else if self.position == self.stop && !self.open_item {
                self.end_item();
                self.next_item()?;
                continue;
            }
            if self.position + 8 > self.stop.min(self.data.len()) {
                return Err(NotMine("the end of the data or of an item"));
            }
            let tag = self.order.tag(self.data, self.position);
            if tag == ITEM_END && self.open_item {
                self.count(tag)?;
                self.position += 8;
                self.end_item();
                self.next_item()?;
                continue;
            }
            if i64::from(tag) <= self.last || tag == 0 || tag >> 16 >= 0xFE00 && is_delimiter(tag) {
                return Err(NotMine("the order of the elements"));
            }
            self.count(tag)?;
            self.element(tag)?;
        }
    }

    /// Counts an element or a delimiter; where there are very many, few tags have to come again and again.
    fn count(&mut self, tag: u32) -> Taken<()> {
        self.elements += 1;
        if self.elements > self.limits.max_elements {
            return Err(NotMine("very many elements"));
        }
        if self.elements >= MANY {
            if self.elements == MANY {
                self.tags = self.scan.nodes.iter().map(|node| node.tag).collect();
            }
            self.tags.insert(tag);
            if self.tags.len() > FEW_TAGS || self.scan.depth > FEW_LEVELS {
                return Err(NotMine("very many elements"));
            }
        }
        Ok(())
    }

    fn element(&mut self, tag: u32) -> Taken<()> {
        let (data, at) = (self.data, self.position);
        let (mut vr, header, length) = if self.implicit {
            (standard_vr(tag), 8, self.order.u32(data, at + 4))
        } else {
            let vr = Vr::of(data[at + 4], data[at + 5]).ok_or(NotMine("letters that are no VR"))?;
            if !vr.is_long() {
                (vr, 8, u32::from(self.order.u16(data, at + 6)))
            } else if at + 12 <= data.len() {
                (vr, 12, self.order.u32(data, at + 8))
            } else {
                return Err(NotMine("the end of the data or of an item"));
            }
        };
        let begin = at + header;
        if begin > self.stop {
            return Err(NotMine("a length beyond what is left"));
        }
        let is_unknown = !self.implicit && vr == Vr::UN;
        if is_unknown {
            vr = standard_vr(tag);
        }
        if (self.implicit || is_unknown) && !self.limits.dictionary && tag >> 16 & 1 == 0 {
            return Err(NotMine("another edition of the dictionary"));
        }
        let (group, element) = (tag >> 16, tag & 0xFFFF);
        if group == 0x0000 || group == 0x0002 {
            return Err(NotMine("an element of the command or the File Meta"));
        }
        if element == 0 {
            return self.pass_over_group_length(begin, length);
        }
        if (0x7FE0_0008..=0x7FE0_0010).contains(&tag) && matches!(element, 8 | 9 | 0x10) {
            return self.pixel_data(tag, vr, begin, length);
        }
        let mut creator = false;
        if group & 1 == 1 && (vr == Vr::UN || vr == Vr::LO) {
            if (0x10..=0xFF).contains(&element) {
                creator = true;
                vr = Vr::LO;
            } else if vr == Vr::UN && length != UNDEFINED {
                vr = self.private(tag)?;
            }
        }
        if is_unknown && (vr == Vr::SQ && length > 0 || length == UNDEFINED) {
            return Err(NotMine("a sequence under VR UN"));
        }
        if vr == Vr::SQ || self.implicit && vr == Vr::UN && length == UNDEFINED && !creator {
            return self.sequence(tag, begin, length);
        }
        if length == UNDEFINED {
            return Err(NotMine("a value of undefined length"));
        }
        self.value(tag, vr, begin, length as usize, creator)
    }

    fn private(&self, tag: u32) -> Taken<Vr> {
        let creator = self.creators.iter().rev().find(|(block, _)| *block == tag >> 8).map(|(_, name)| *name);
        match creator {
            Some(name) if !name.is_empty() && name.len() <= LONGEST_CREATOR => {
                if !self.limits.dictionary {
                    return Err(NotMine("another edition of the dictionary"));
                }
                Ok(private_vr(name, tag))
            }
            _ => Ok(Vr::UN),
        }
    }

    fn value(&mut self, tag: u32, vr: Vr, begin: usize, length: usize, creator: bool) -> Taken<()> {
        let end = begin + length;
        if end > self.stop || end > self.size {
            return Err(NotMine("a length beyond what is left"));
        }
        let is_kept = self.limits.is_kept(tag);
        if is_kept && vr == Vr::UsOrSs {
            return Err(NotMine("an indexed attribute of no certain VR"));
        }
        let mut hold = if vr.is_bulk() { self.limits.bulk_data_threshold } else { self.limits.max_element_value };
        // Bulk data goes out in the character set of the data set, DICOM JSON in UTF-8.
        if matches!(vr, Vr::LT | Vr::ST | Vr::UC | Vr::UT) {
            hold = hold.max(self.limits.max_element_value);
        }
        if is_kept {
            hold = hold.max(HOLD_INDEXED);
        }
        let form = if length <= hold {
            if end > self.data.len() {
                return Err(NotMine("a value that is not in memory"));
            }
            Form::Value
        } else {
            // Before a long value of unknown structure the Python reader doubts the length of an element of known one.
            let doubted = self.implicit && vr == Vr::UN && self.is_behind_known();
            if doubted || is_kept || tag == CHARACTER_SET || !vr.is_bulk() {
                return Err(NotMine("a long value"));
            }
            self.passed_over += length;
            Form::Bulk
        };
        if creator && form == Form::Value {
            let name = strip(&self.data[begin..end], is_padding);
            self.creators.push((tag >> 16 << 8 | tag & 0xFF, name));
        }
        let vr = if vr == Vr::UsOrSs && form == Form::Bulk { Vr::US } else { vr };
        self.scan.has_choice |= vr == Vr::UsOrSs;
        self.add(Node { tag, vr, form, start: begin, length });
        self.position = end;
        Ok(())
    }

    /// Whether the element before has a value of a known VR, by whose length the next one was found.
    fn is_behind_known(&self) -> bool {
        if self.last < 0 {
            return false;
        }
        self.scan.nodes.last().map_or(false, |node| {
            let private =
                node.tag >> 16 & 1 == 1 && (node.vr == Vr::UN || (0x10..=0xFF).contains(&(node.tag & 0xFFFF)));
            matches!(node.form, Form::Value | Form::Bulk) && !private && node.length > 0
        })
    }

    fn add(&mut self, node: Node) {
        self.last = i64::from(node.tag);
        self.scan.nodes.push(node);
    }

    fn pass_over_group_length(&mut self, begin: usize, length: u32) -> Taken<()> {
        let end = begin + length as usize;
        if length == UNDEFINED || end > self.stop || end > self.size {
            return Err(NotMine("a length beyond what is left"));
        }
        self.passed_over += length as usize;
        self.position = end;
        Ok(())
    }

    fn pixel_data(&mut self, tag: u32, vr: Vr, begin: usize, length: u32) -> Taken<()> {
        if !matches!(vr, Vr::OB | Vr::OW | Vr::OF | Vr::OD) {
            return Err(NotMine("pixel data of another VR"));
        }
        if length == 0 {
            self.add(Node { tag, vr, form: Form::Value, start: begin, length: 0 });
            self.position = begin;
            return Ok(());
        }
        let vr = if self.implicit && length == UNDEFINED { Vr::OB } else { vr };
        let length = if length == UNDEFINED { None } else { Some(length as usize) };
        if self.stack.is_empty() && self.scan.pixels.is_none() {
            if begin + length.unwrap_or(0).min(SIGNATURE) > self.data.len() {
                return Err(NotMine("pixel data that is not in memory"));
            }
            self.scan.pixels = Some(Pixels { tag, vr, start: begin, length });
        }
        let end = match length {
            Some(length) => begin + length,
            None if self.order == Order::Big => return Err(NotMine("fragments in big endian")),
            None => self.behind_fragments(begin)?,
        };
        if end > self.stop || end > self.size {
            return Err(NotMine("a length beyond what is left"));
        }
        self.passed_over += end - begin;
        self.add(Node { tag, vr, form: Form::Bulk, start: begin, length: end - begin });
        self.position = end;
        Ok(())
    }

    /// Passes over the fragments of encapsulated pixel data (PS3.5 A.4).
    fn behind_fragments(&mut self, mut position: usize) -> Taken<usize> {
        loop {
            if position + 8 > self.data.len() {
                return Err(NotMine("fragments that are not in memory"));
            }
            let (tag, length) = (self.order.tag(self.data, position), self.order.u32(self.data, position + 4));
            if tag == SEQUENCE_END {
                return Ok(position + 8);
            }
            if tag != ITEM || length == UNDEFINED {
                return Err(NotMine("pixel data that is no fragments"));
            }
            self.count_item()?;
            position += 8 + length as usize;
        }
    }

    fn count_item(&mut self) -> Taken<()> {
        self.items += 1;
        if self.items > self.limits.max_items {
            return Err(NotMine("very many items"));
        }
        Ok(())
    }

    fn sequence(&mut self, tag: u32, begin: usize, length: u32) -> Taken<()> {
        let number = self.scan.nodes.len();
        self.add(Node { tag, vr: Vr::SQ, form: Form::Sequence, start: begin, length: number + 1 });
        self.position = begin;
        if length == 0 {
            return Ok(());
        }
        let open = length == UNDEFINED;
        let end = if open { self.stop } else { begin + length as usize };
        if end > self.stop || self.stack.len() >= self.limits.max_depth {
            return Err(NotMine("a length beyond what is left, or deep sequences"));
        }
        self.stack.push(Level {
            last: self.last,
            stop: self.stop,
            open_item: self.open_item,
            creators: std::mem::take(&mut self.creators),
            item: self.item,
            sequence: number,
            sequence_stop: end,
            open_sequence: open,
        });
        self.scan.depth = self.scan.depth.max(self.stack.len());
        self.next_item()
    }

    /// Goes on between items: into the next one, or behind the sequence.
    fn next_item(&mut self) -> Taken<()> {
        let (bound, open) = match self.stack.last() {
            Some(level) => (level.sequence_stop, level.open_sequence),
            None => return Err(NotMine("an item of no sequence")),
        };
        if !open && self.position == bound {
            self.leave();
            return Ok(());
        }
        if self.position >= bound || self.position + 8 > self.data.len() {
            return Err(NotMine("the end of the data or of an item"));
        }
        let (tag, length) = (self.order.tag(self.data, self.position), self.order.u32(self.data, self.position + 4));
        if tag == SEQUENCE_END && open {
            self.position += 8;
            self.leave();
            return Ok(());
        }
        if tag != ITEM {
            return Err(NotMine("a sequence that holds what is not an item"));
        }
        self.count_item()?;
        self.position += 8;
        self.open_item = length == UNDEFINED;
        self.stop = if self.open_item { bound } else { self.position + length as usize };
        if self.stop > bound {
            return Err(NotMine("a length beyond what is left"));
        }
        self.last = -1;
        self.creators.clear();
        self.item = self.scan.nodes.len();
        self.scan.nodes.push(Node { tag: 0, vr: Vr::UN, form: Form::Item, start: self.position, length: 0 });
        Ok(())
    }

    fn end_item(&mut self) {
        let behind = self.scan.nodes.len();
        self.scan.nodes[self.item].length = behind;
    }

    fn leave(&mut self) {
        if let Some(level) = self.stack.pop() {
            let behind = self.scan.nodes.len();
            self.scan.nodes[level.sequence].length = behind;
            self.last = level.last;
            self.stop = level.stop;
            self.open_item = level.open_item;
            self.creators = level.creators;
            self.item = level.item;
        }
    }
}

/// Whether a tag is of items and delimiters, in either byte order.
fn is_delimiter(tag: u32) -> bool {
    tag >> 16 == 0xFFFE || matches!(tag, 0xFEFF_00E0 | 0xFEFF_0DE0 | 0xFEFF_DDE0)
}

/// Tells whether the first elements at `position` are as they should be in the encoding that is declared.
///
/// Then the Python reader finds nothing that contradicts it, either.
pub fn is_plain(data: &[u8], size: usize, mut position: usize, encoding: Encoding) -> bool {
    let order = encoding.order;
    let mut last = -1;
    for _ in 0..4 {
        if position == size {
            return true;
        }
        if position + 12 > data.len() {
            return false;
        }
        let tag = order.tag(data, position);
        let (header, length) = if encoding.implicit {
            let length = order.u32(data, position + 4);
            if !is_sure(tag, length) {
                return false;
            }
            (8, length as usize)
        } else {
            match Vr::of(data[position + 4], data[position + 5]) {
                Some(vr) if !vr.is_long() => (8, usize::from(order.u16(data, position + 6))),
                Some(_) if order.u16(data, position + 6) == 0 => (12, order.u32(data, position + 8) as usize),
                _ => return false,
            }
        };
        if i64::from(tag) <= last || tag == 0 || tag >> 16 == 0xFFFE || length == UNDEFINED as usize {
            return false;
        }
        last = i64::from(tag);
        position += header + length;
    }
    position <= size
}

/// Whether the dictionary allows an element of this tag to have this length.
fn is_sure(tag: u32, length: u32) -> bool {
    if tag >> 16 & 1 == 1 {
        return false;
    }
    if tag & 0xFFFF == 0 {
        return length == 4;
    }
    let vr = standard_vr(tag);
    if vr == Vr::UN || length == UNDEFINED || (!vr.is_long() && vr != Vr::UsOrSs && length > 0xFFFE) {
        return false;
    }
    let width = match vr {
        Vr::UL | Vr::SL | Vr::FL | Vr::AT => 4,
        Vr::FD => 8,
        _ => 2,
    };
    length % width == 0
}
