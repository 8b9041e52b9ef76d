//! The fields of the record whose values are as most are; the Python side reads all others.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyString, PyTuple};

use crate::bytes::{is_padding, is_space, le16, strip};
use crate::numbers::decimal;
use crate::scan::Node;
use crate::vr::Vr;

/// Bytes of a value that is looked at; the Python side remembers no longer ones either.
const LONGEST: usize = 128;
const LONGEST_INTEGER: usize = 9;
const STUDY_DATE: u32 = 0x0008_0020;
const STUDY_DATE_AS_WRITTEN: &str = "study_date_origin";

/// An indexed attribute: its tag, the field of the record, its VR, and whether the field takes several values.
pub type Told = (u32, Py<PyString>, String, bool);

pub struct Attribute {
    pub tag: u32,
    field: Py<PyString>,
    vr: Vr,
    multiple: bool,
}

impl Attribute {
    pub fn new((tag, field, letters, multiple): Told) -> Attribute {
        let vr = match letters.as_bytes() {
            [first, second] => Vr::of(*first, *second).unwrap_or(Vr::UN),
            _ => Vr::UN,
        };
        Attribute { tag, field, vr, multiple }
    }
}

/// What makes the values that are no plain text or number: of a DA, of a TM, and of the text of a PN.
pub struct Makers {
    pub date: Py<PyAny>,
    pub time: Py<PyAny>,
    pub name: Py<PyAny>,
}

/// Sets the field of a value; false where the Python side has to read it.
pub fn set_field(
    py: Python<'_>,
    fields: &Bound<'_, PyDict>,
    attribute: &Attribute,
    makers: &Makers,
    node: &Node,
    value: &[u8],
) -> PyResult<bool> {
    if node.vr != attribute.vr || value.len() > LONGEST {
        return Ok(false);
    }
    let found = match (attribute.vr, attribute.multiple) {
        (Vr::AE | Vr::AS | Vr::CS | Vr::LO | Vr::SH, false) => match plain_text(value) {
            Some("") => return Ok(true),
            Some(text) => Some(PyString::new(py, text).into_any()),
            None => None,
        },
        (Vr::CS, true) => texts(py, value)?,
        (Vr::PN, false) => match plain_text(value) {
            Some("") => return Ok(true),
            Some(text) if !text.contains('=') => Some(makers.name.bind(py).call1((text,))?),
            _ => None,
        },
        (Vr::DA, false) => makers.date.bind(py).call1((PyBytes::new(py, value),)).ok(),
        (Vr::TM, false) => makers.time.bind(py).call1((PyBytes::new(py, value),)).ok(),
        (Vr::DS, false) => decimal(strip(value, is_space)).map(|number| PyFloat::new(py, number).into_any()),
        (Vr::DS, true) => decimals(py, value)?,
        (Vr::IS, false) => match integer(value) {
            Some(number) => Some(number.into_pyobject(py)?.into_any()),
            None => None,
        },
        (Vr::US, false) if value.len() == 2 => Some(le16(value, 0).into_pyobject(py)?.into_any()),
        _ => None,
    };
    if attribute.tag == STUDY_DATE && found.is_some() {
        fields.set_item(STUDY_DATE_AS_WRITTEN, String::from_utf8_lossy(value))?;
    }
    match found {
        Some(found) => fields.set_item(attribute.field.bind(py), found).map(|()| true),
        None => Ok(false),
    }
}

/// Text of characters that are the same in every character set, and delimit nothing.
fn plain_text(value: &[u8]) -> Option<&str> {
    let text = strip(value, is_padding);
    let is_plain = text.iter().all(|&byte| matches!(byte, 0x20..=0x7E) && byte != b'"' && byte != b'\\');
    if is_plain {
        std::str::from_utf8(text).ok()
    } else {
        None
    }
}

fn texts<'py>(py: Python<'py>, value: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let text = strip(value, is_padding);
    if text.is_empty() || !text.iter().all(|byte| matches!(byte, 0x20..=0x7E)) {
        return Ok(None);
    }
    let parts = text.split(|&byte| byte == b'\\').map(|part| String::from_utf8_lossy(strip(part, is_space)));
    PyTuple::new(py, parts.collect::<Vec<_>>()).map(|tuple| Some(tuple.into_any()))
}

fn decimals<'py>(py: Python<'py>, value: &[u8]) -> PyResult<Option<Bound<'py, PyAny>>> {
    let parts = value.split(|&byte| byte == b'\\').map(|part| decimal(strip(part, is_space)));
    match parts.collect::<Option<Vec<f64>>>() {
        Some(numbers) => PyTuple::new(py, numbers).map(|tuple| Some(tuple.into_any())),
        None => Ok(None),
    }
}

fn integer(value: &[u8]) -> Option<u32> {
    let text = strip(value, is_padding);
    if text.is_empty() || text.len() > LONGEST_INTEGER || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
