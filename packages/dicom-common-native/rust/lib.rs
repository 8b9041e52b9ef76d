//! The native reader: it takes data sets that are as they should be, and leaves all others to the Python reader.
//!
//! Whatever is not ordinary is `NotMine`: damage, limits, and whatever needs a guess. So there is one specification,
//! the Python reader, and no logic of repairs is written twice.

#![forbid(unsafe_code)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("positions in an object are added in 64 bits: on other machines the Python reader reads");

mod bytes;
mod character_sets;
mod dictionary;
mod fields;
mod findings;
mod fragments;
mod identity;
mod json;
mod meta;
mod numbers;
mod scan;
mod uid;
mod values;
mod vr;

use std::panic::{catch_unwind, AssertUnwindSafe};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::fields::{Attribute, Makers};
use crate::findings::{Flaw, Found};
use crate::scan::{Form, Node, Scan, SIGNATURE};

/// Of what is asked and told; the Python side takes no other one.
const INTERFACE: u32 = 1;
const CHARACTER_SET: u32 = 0x0008_0005;
const UIDS: [&str; 4] = ["sop_class_uid", "sop_uid", "study_uid", "series_uid"];

/// Why the Python reader has to read; never a value of the data set.
#[derive(Debug)]
pub struct NotMine(pub &'static str);

pub type Taken<T> = Result<T, NotMine>;

/// The settings of the reader, and what the record needs.
pub struct Limits {
    pub max_depth: usize,
    pub max_elements: usize,
    pub max_items: usize,
    pub max_element_value: usize,
    pub max_values: usize,
    pub max_json: usize,
    pub max_header: usize,
    pub bulk_data_threshold: usize,
    pub numbers: bool,
    pub strict_uids: bool,
    /// Whether the dictionary of the Python reader is the one that the tables were made from.
    pub dictionary: bool,
    /// The tags of indexed attributes and those of the identity, ascending.
    pub kept: Vec<u32>,
    /// The tags that the record has of the items of an indexed sequence.
    pub within: Vec<u32>,
}

impl Limits {
    /// Whether the record needs the attribute.
    pub fn is_kept(&self, tag: u32) -> bool {
        self.kept.binary_search(&tag).is_ok()
    }
}

/// What was read, for the Python side to make the record from.
struct Read<'a> {
    meta: meta::Meta<'a>,
    scan: Scan,
    uids: identity::Uids<'a>,
    json: Vec<u8>,
    spent: usize,
    found: Found,
}

fn read<'a>(data: &'a [u8], size: usize, limits: &Limits) -> Taken<Read<'a>> {
    let meta = meta::read_meta(data, size, limits)?;
    let mut found = Found::default();
    if !meta.length_is_right {
        found.add(&[0x0002_0000], Flaw::GroupLength)?;
    }
    let scan = scan::scan(data, size, meta.data_set, meta.encoding, limits)?;
    let uids = identity::identity(data, &scan, limits, &mut found)?;
    if !meta.sop_uid.is_empty() && meta.sop_uid != uids[1] {
        found.add(&[0x0002_0003], Flaw::FileMeta)?;
    }
    let parts: [&[u8]; 6] = [b"studies/", uids[2], b"/series/", uids[3], b"/instances/", uids[1]];
    let (json, spent) = json::encode(data, &scan, &parts.concat(), limits, &mut found)?;
    Ok(Read { meta, scan, uids, json, spent, found })
}

/// Reads instances with the limits that it was made with.
#[pyclass(frozen)]
struct Reader {
    limits: Limits,
    /// By tag.
    attributes: Vec<Attribute>,
    makers: Makers,
}

#[pymethods]
impl Reader {
    #[new]
    fn new(
        settings: &Bound<'_, PyDict>,
        indexed: Vec<fields::Told>,
        identity: Vec<u32>,
        within: Vec<u32>,
        makers: (Py<PyAny>, Py<PyAny>, Py<PyAny>),
        dictionary: bool,
    ) -> PyResult<Reader> {
        let number = |name: &str| -> PyResult<usize> {
            // Beyond 63 bits no limit is met.
            let value =
                settings.get_item(name)?.ok_or_else(|| pyo3::exceptions::PyKeyError::new_err(name.to_owned()))?;
            Ok(usize::try_from(value.extract::<u64>().unwrap_or(u64::MAX)).unwrap_or(usize::MAX).min(usize::MAX / 16))
        };
        let is = |name: &str, choice: &str| -> PyResult<bool> {
            settings.get_item(name)?.map_or(Ok(false), |value| Ok(value.extract::<String>()? == choice))
        };
        let mut attributes: Vec<Attribute> = indexed.into_iter().map(Attribute::new).collect();
        attributes.sort_unstable_by_key(|attribute| attribute.tag);
        let mut kept: Vec<u32> = attributes.iter().map(|attribute| attribute.tag).chain(identity).collect();
        kept.sort_unstable();
        let limits = Limits {
            max_depth: number("max_depth")?,
            max_elements: number("max_elements")?,
            max_items: number("max_items")?,
            max_element_value: number("max_element_value")?,
            max_values: number("max_values")?,
            max_json: number("max_json")?,
            max_header: number("max_header")?,
            bulk_data_threshold: number("bulk_data_threshold")?,
            numbers: is("numbers_as", "number")?,
            strict_uids: is("uids", "strict")?,
            dictionary,
            kept,
            within,
        };
        let (date, time, name) = makers;
        Ok(Reader { limits, attributes, makers: Makers { date, time, name } })
    }

    /// Reads the instance that begins with `data` and has `size` bytes.
    ///
    /// Gives what the record is made from, or a text: why the Python reader has to read.
    fn read<'py>(&self, py: Python<'py>, data: &Bound<'py, PyBytes>, size: usize) -> PyResult<Bound<'py, PyAny>> {
        let bytes = data.as_bytes();
        let result = py.allow_threads(|| {
            catch_unwind(AssertUnwindSafe(|| read(bytes, size, &self.limits))).unwrap_or(Err(NotMine("a panic")))
        });
        let told = result.map(|found| {
            catch_unwind(AssertUnwindSafe(|| self.told(py, bytes, &found).map(Bound::into_any)))
                .unwrap_or_else(|_| Ok(PyString::intern(py, "a panic").into_any()))
        });
        told.unwrap_or_else(|NotMine(why)| Ok(PyString::intern(py, why).into_any()))
    }
}

impl Reader {
    /// Gives what was read as Python objects.
    fn told<'py>(&self, py: Python<'py>, data: &[u8], read: &Read<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let (fields, elements) = (PyDict::new(py), PyList::empty(py));
        for (name, uid) in UIDS.iter().zip(read.uids) {
            fields.set_item(PyString::intern(py, name), PyString::new(py, &String::from_utf8_lossy(uid)))?;
        }
        let nodes = &read.scan.nodes;
        let mut character_set = None;
        let mut number = 0;
        while number < nodes.len() {
            let (node, first) = (&nodes[number], number + 1);
            number = if node.form == Form::Sequence { node.length } else { first };
            let place = self.attributes.binary_search_by_key(&node.tag, |attribute| attribute.tag);
            let is_set = match (place, node.form) {
                (Ok(_), _) if node.length == 0 => true,
                (Ok(place), Form::Value) => {
                    let attribute = &self.attributes[place];
                    let value = read.scan.value(node, data);
                    fields::set_field(py, &fields, attribute, &self.makers, node, &value)?
                }
                (Ok(_), _) => false,
                (Err(_), _) => true,
            };
            if node.tag == CHARACTER_SET {
                character_set = Some(PyBytes::new(py, &read.scan.value(node, data)));
            }
            if is_set {
                continue;
            }
            elements.append(key(node))?;
            if node.form == Form::Sequence {
                elements.append(items(py, data, &self.limits, &read.scan, first, number)?)?;
            } else {
                elements.append(PyBytes::new(py, &read.scan.value(node, data)))?;
            }
        }
        let pixels = read.scan.pixels.map(|pixels| {
            let end = pixels.start + pixels.length.map_or(0, |length| length.min(SIGNATURE));
            let first = PyBytes::new(py, &data[pixels.start..end]);
            (pixels.tag, pixels.vr.name(), pixels.start, pixels.length, first)
        });
        let found: Vec<(&[u32], u8)> = read.found.0.iter().map(|(tags, flaw)| (&tags[..], *flaw as u8)).collect();
        let all = (
            String::from_utf8_lossy(read.meta.transfer_syntax),
            read.meta.data_set,
            PyBytes::new(py, &read.json),
            fields,
            character_set,
            elements,
            pixels,
            found,
            read.spent,
        );
        all.into_pyobject(py)
    }
}

/// Tag and VR as one number: the letters in the lower two bytes.
fn key(node: &Node) -> u64 {
    let name = node.vr.name().as_bytes();
    u64::from(node.tag) << 16 | u64::from(name[0]) << 8 | u64::from(name[1])
}

/// The items of an indexed sequence, without sequences in them.
fn items<'py>(
    py: Python<'py>,
    data: &[u8],
    limits: &Limits,
    scan: &Scan,
    mut number: usize,
    end: usize,
) -> PyResult<Bound<'py, PyList>> {
    let found = PyList::empty(py);
    let nodes = &scan.nodes;
    while number < end {
        let behind = nodes[number].length;
        let item = PyList::empty(py);
        number += 1;
        while number < behind {
            let node = &nodes[number];
            if node.form == Form::Value && (node.tag == CHARACTER_SET || limits.within.contains(&node.tag)) {
                item.append(key(node))?;
                item.append(PyBytes::new(py, &scan.value(node, data)))?;
            }
            number = if node.form == Form::Sequence { node.length } else { number + 1 };
        }
        found.append(item)?;
    }
    Ok(found)
}

/// Finds the fragments of encapsulated pixel data from `offset` to the sequence delimiter, which is before `end`.
///
/// Gives offsets and lengths as arrays of 64 bits, the images and their signature; None where the Python reader has to
/// look.
#[pyfunction]
fn walk_fragments<'py>(
    py: Python<'py>,
    data: &Bound<'py, PyBytes>,
    offset: usize,
    end: usize,
    limit: usize,
) -> PyResult<Option<Bound<'py, PyTuple>>> {
    let bytes = match data.as_bytes().get(..end) {
        Some(bytes) => bytes,
        None => return Ok(None),
    };
    let found =
        py.allow_threads(|| catch_unwind(AssertUnwindSafe(|| fragments::walk(bytes, offset, limit))).unwrap_or(None));
    let packed = |numbers: &[u64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        PyBytes::new(py, &bytes)
    };
    found
        .map(|found| {
            let signature = found.signature.map(|signature| PyBytes::new(py, signature));
            let images = PyBytes::new(py, &found.images);
            (packed(&found.offsets), packed(&found.lengths), images, signature).into_pyobject(py)
        })
        .transpose()
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // A panic is caught, and its message could have a value of a patient in it.
    std::panic::set_hook(Box::new(|_| ()));
    module.add("INTERFACE", INTERFACE)?;
    module.add_class::<Reader>()?;
    module.add_function(wrap_pyfunction!(walk_fragments, module)?)?;
    module.add("PYDICOM", include_str!("tables/pydicom.txt"))
}
