"""The patients of a made-up hospital, in any number, always the same from a seed: entries as an ingest hands them on.

A hundred instances a study on average, very unevenly: of ten studies in a row, one has a single image and one has 400.
What the index does is measured, not the making of entries: so what instances have in common is made once, and an
instance costs a few microseconds. The first studies of a large population are those of a small one.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate, islice
from typing import Any, NamedTuple

from dicom_common.core import Entry, Instance, PersonName, RequestAttributes

__all__ = ["DAYS", "FIRST_DAY", "PER_STUDY", "TENANT", "Study", "batches", "entries_of", "population", "thin"]

TENANT = "local"
PER_STUDY = 100
"""Instances a study has on average; exactly so over every ten studies from the first one on."""
FIRST_DAY, DAYS = date(2014, 1, 1), 3650
"""Study Dates are spread evenly over so many days."""

_SIZES = ((1, 1), (4, 2), (20, 1), (30, 2), (50, 3), (75, 5), (100, 1), (120, 4), (200, 2), (400, 8))
"""Instances and series of ten studies in a row, before they are shuffled."""
_MODALITIES = {1: ("DX", "CR"), 4: ("DX", "MG"), 20: ("US", "XA"), 30: ("US", "RF"), 50: ("MR",), 75: ("MR",)}
_RARE = ("ES", "OPT", "NM", "PT", "IVUS", "SM")
_RARE_EVERY = 160
"""One study of so many has a series of a rare modality, behind its others; six of them, the first the most often."""
_FAMILY_NAMES = (
    "Schmidt Müller Smith Schneider Garcia Schmitt Johnson Schulz Nguyen Schmitz Martin Schwarz Kim Schubert"
    " Santos Schröder Silva Schumacher Sato Sanchez Schulze Singh Schuster Svensson Sanders Santoro Sauer Schäfer Meyer"
    " Maier Mayer Martinez Marin Martini Martins Maurer McCarthy McDonald McGregor Mendes Moreau Morel Moretti Morris"
    " Bauer Baumann Beck Becker Bernard Bianchi Brown Braun Brandt Bruno Andersen Anderson Andersson Alonso Alvarez"
    " Lee Le Lehmann Lefebvre Leroy Lewis Lindberg Lindgren Lopez Ludwig VanDenBerg VanDerMeer VanDijk Vogel Vogt"
    " Ivanov Ivanova Iversen Jansen Janssen Jensen Jones Jung Kaiser Keller Klein Koch Kowalski Krause Kruger Kumar"
    " Dubois Dupont Durand Diaz Doe Fischer Fernandez Ferrari Fontana Hansen Hartmann Hernandez Hoffmann Huber"
    " OBrien OConnor OReilly Olsen Peters Petrov Petit Popov Ramos Ricci Richter Rossi Robert Roux Tanaka Taylor"
    " Thomas Torres Wagner Walter Weber Weiss White Williams Wilson Winter Wolf Wright Yamada Yilmaz Zhang Zimmermann"
)
_GIVEN_NAMES = (
    "Anna Andrea Andreas Anton Ben Bernd Carla Carlos Chen Clara Daniel Diana Elena Emil Eva Felix Frank Greta Hanna"
    " Hugo Ida Ines Jan Jana Jonas Julia Karl Klara Lars Laura Lena Leo Lisa Luca Lukas Maria Marie Mario Mark Marta"
    " Max Mia Mohammed Nina Noah Olga Oscar Paul Paula Peter Petra Rosa Sara Simon Sofia Stefan Tim Tom Uwe Vera Yuki"
)
_FAMILIES, _GIVEN = _FAMILY_NAMES.split(), _GIVEN_NAMES.split()
_IDEOGRAPHIC = ("山田^太郎", "田中^花子", "佐藤^健", "鈴木^美咲")
_PHONETIC = ("やまだ^たろう", "たなか^はなこ", "さとう^けん", "すずき^みさき")
_SOP_CLASSES = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
}
_OTHER_CLASS = "1.2.840.10008.5.1.4.1.1.7"
_RECEIVED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_PHYSICIANS = 300
_METADATA = b'{"00080018":{"vr":"UI","Value":["%s"]},"00091001":{"vr":"LT","Value":["' + b"x" * 500 + b'"]}}'
"""Less than the DICOM JSON of a real image has, so that three servers with a million of them fit on one disk."""


class Study(NamedTuple):
    """One study, before its instances are made."""

    number: int
    patient: int
    name: PersonName
    day: date
    series: tuple[tuple[str, int], ...]
    """Modality and number of instances of each."""

    @property
    def uid(self) -> str:
        """Its Study Instance UID."""
        return f"1.2.276.0.7230010.{self.number + 1}"

    @property
    def patient_id(self) -> str:
        """The Patient ID."""
        return f"PAT{self.patient:08}"

    @property
    def instances(self) -> int:
        """How many instances it has."""
        return sum(count for _, count in self.series)


def population(seed: int = 1) -> Iterator[Study]:
    """Make studies without end."""
    chance = random.Random(seed)
    weights = [1 / (rank + 2) for rank in range(len(_FAMILIES))]  # the rank-frequency law that names follow
    cumulative = list(accumulate(weights))
    names: list[PersonName] = []
    number = 0
    while True:
        sizes = list(_SIZES)
        chance.shuffle(sizes)
        for instances, series in sizes:
            if not names or chance.random() < 0.4:
                names.append(_name(chance, cumulative))
                patient = len(names) - 1
            else:
                patient = chance.randrange(len(names))
            day = FIRST_DAY + timedelta(days=chance.randrange(DAYS))
            yield Study(number, patient, names[patient], day, _series(chance, instances, series))
            number += 1


def _name(chance: random.Random, cumulative: list[float]) -> PersonName:
    family = chance.choices(_FAMILIES, cum_weights=cumulative)[0]
    alphabetic = f"{family}^{chance.choice(_GIVEN)}^{chance.choice('ABCDEFGHIJKLMNOPRSTW')}"
    if chance.random() < 0.95:
        return PersonName(alphabetic)
    at = chance.randrange(len(_IDEOGRAPHIC))
    return PersonName(alphabetic, _IDEOGRAPHIC[at], _PHONETIC[at])


def _series(chance: random.Random, instances: int, series: int) -> tuple[tuple[str, int], ...]:
    modality = chance.choice(_MODALITIES.get(instances, ("CT", "CT", "MR")))
    rare = chance.randrange(_RARE_EVERY) == 0
    cuts = sorted(chance.sample(range(1, instances), series - 1))
    counts = [upper - lower for lower, upper in zip([0, *cuts], [*cuts, instances], strict=True)]
    modalities = [modality] * series
    if rare:
        modalities[-1] = chance.choices(_RARE, weights=[32, 16, 8, 4, 2, 1])[0]
    return tuple(zip(modalities, counts, strict=True))


def batches(instances: int, size: int = 1000, *, start: int = 0, seed: int = 1) -> Iterator[list[Entry]]:
    """Make a population of so many instances in batches, from instance `start` on."""
    waiting = _entries(instances, start, seed)
    while batch := list(islice(waiting, size)):
        yield batch


def _entries(instances: int, start: int, seed: int) -> Iterator[Entry]:
    done = 0
    for study in population(seed):
        if done >= instances:
            return
        if done + study.instances > start:
            begin, end = max(start - done, 0), instances - done
            yield from islice(entries_of(study), begin, end)
        done += study.instances


def entries_of(study: Study) -> Iterator[Entry]:
    """Make the entries of a study."""
    patient = {
        "study_uid": study.uid,
        "patient_id": study.patient_id,
        "patient_name": study.name,
        "patient_birth_date": date(1930 + study.patient * 7 % 90, study.patient % 12 + 1, study.patient % 28 + 1),
        "patient_sex": "MF"[study.patient % 2],
        "study_date": study.day,
        "study_time": time(7 + study.number % 12, study.number * 7 % 60, study.number * 13 % 60),
        "accession_number": f"ACC{study.number:09}",
        "study_id": f"S{study.number:07}",
        "referring_physician_name": _physician(study.number % _PHYSICIANS),
        "study_description": f"Examination {study.number % 200}",
        "institution_name": "Nowhere General",
    }
    for at, (modality, count) in enumerate(study.series):
        yield from _entries_of_series(study, patient, at, modality, count)


@cache
def _physician(number: int) -> PersonName:
    return PersonName(f"{_FAMILIES[number * 17 % len(_FAMILIES)]}^{_GIVEN[number * 5 % len(_GIVEN)]}^^Dr")


def _entries_of_series(study: Study, patient: dict[str, Any], at: int, modality: str, count: int) -> Iterator[Entry]:
    series_uid = f"{study.uid}.{at + 1}"
    common = patient | {
        "series_uid": series_uid,
        "sop_class_uid": _SOP_CLASSES.get(modality, _OTHER_CLASS),
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "size": 525_312,
        "modality": modality,
        "manufacturer": "Nobody",
        "station_name": f"{modality}{study.number % 5}",
        "series_description": f"{modality} {at}",
        "body_part_examined": ("HEAD", "CHEST", "ABDOMEN", "KNEE")[study.number % 4],
        "protocol_name": f"Protocol {study.number % 50}",
        "series_number": at + 1,
        "series_date": study.day,
        "performed_procedure_step_start_date": study.day,
        "performed_procedure_step_start_time": time(8 + at, study.number % 60),
        "request_attributes": (RequestAttributes(f"SPS{study.number:07}", f"RP{study.number:07}"),),
        "instance_creation_date": study.day,
        "image_type": ("ORIGINAL", "PRIMARY"),
        "slice_thickness": 1.25,
        "image_orientation_patient": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "rows": 512,
        "columns": 512,
        "bits_allocated": 16,
        "bits_stored": 12,
        "high_bit": 11,
        "pixel_representation": 0,
        "window_center": (40.0,),
        "window_width": (400.0,),
    }
    folder = f"{TENANT}/{study.day:%Y%m%d}/{study.uid}/{series_uid}"
    identity = (study.number + 1) << 24 | at << 16
    for number in range(1, count + 1):
        sop_uid = f"{series_uid}.{number}"
        instance = Instance(
            **common,
            sop_uid=sop_uid,
            sha256=f"{identity | number:064x}",  # unlike all others, which is all that the index asks
            instance_number=number,
            instance_creation_time=time(9 + number // 3600, number // 60 % 60, number % 60),
            image_position_patient=(-125.0, -125.0, number * 1.25),
            slice_location=number * 1.25,
        )
        yield Entry(
            tenant=TENANT,
            key=f"{folder}/{sop_uid}.dcm",
            instance=instance,
            metadata=_METADATA % sop_uid.encode(),
            received=_RECEIVED,
        )


def thin(study: Study) -> Study:
    """Leave one instance in each series: where plans are looked at, it is the number of studies that matters."""
    return study._replace(series=tuple((modality, 1) for modality, _ in study.series))
