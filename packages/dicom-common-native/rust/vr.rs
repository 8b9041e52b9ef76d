//! Value representations (PS3.5 6.2), and how an element is treated by its VR.

macro_rules! vrs {
    ($($name:ident)*) => {
        /// A VR; `UsOrSs` is one that Pixel Representation decides when the value is written.
        #[allow(clippy::upper_case_acronyms)]
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub enum Vr { $($name,)* UsOrSs }

        const NAMES: &[&str] = &[$(stringify!($name),)* "US or SS"];
        const ALL: &[Vr] = &[$(Vr::$name,)* Vr::UsOrSs];
    };
}

vrs!(AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV);

/// For each pair of capital letters the VR's number and one, or 0.
const BY_LETTERS: [u8; 26 * 26] = by_letters();

const fn by_letters() -> [u8; 26 * 26] {
    let mut table = [0; 26 * 26];
    let mut number = 0;
    while number < NAMES.len() - 1 {
        let name = NAMES[number].as_bytes();
        table[(name[0] - b'A') as usize * 26 + (name[1] - b'A') as usize] = number as u8 + 1;
        number += 1;
    }
    table
}

impl Vr {
    /// The VR of two letters, if they are one.
    pub fn of(first: u8, second: u8) -> Option<Vr> {
        if !first.is_ascii_uppercase() || !second.is_ascii_uppercase() {
            return None;
        }
        let number = BY_LETTERS[usize::from(first - b'A') * 26 + usize::from(second - b'A')];
        (number > 0).then(|| ALL[usize::from(number) - 1])
    }

    pub fn name(self) -> &'static str {
        NAMES[self as usize]
    }

    /// Whether its length has 32 bits, behind two reserved bytes (PS3.5 7.1.2).
    pub fn is_long(self) -> bool {
        use Vr::*;
        matches!(self, OB | OD | OF | OL | OV | OW | SQ | SV | UC | UN | UR | UT | UV)
    }

    /// Whether DICOM JSON allows a BulkDataURI for it (PS3.18 F.2.2).
    pub fn is_bulk(self) -> bool {
        use Vr::*;
        matches!(
            self,
            DS | FD
                | FL
                | IS
                | LT
                | OB
                | OD
                | OF
                | OL
                | OV
                | OW
                | SL
                | SS
                | ST
                | SV
                | UC
                | UL
                | UN
                | US
                | UT
                | UV
                | UsOrSs
        )
    }

    /// Bytes of a word, which has a byte order.
    pub fn width(self) -> usize {
        use Vr::*;
        match self {
            US | SS | UsOrSs | AT | OW => 2,
            UL | SL | FL | OL | OF => 4,
            FD | OD | SV | UV | OV => 8,
            _ => 1,
        }
    }

    pub fn is_text(self) -> bool {
        use Vr::*;
        matches!(self, AE | AS | CS | DA | DS | DT | IS | LO | LT | PN | SH | ST | TM | UC | UI | UR | UT)
    }
}
