"""The part of the contract of an index that is about fuzzy matching of names (PS3.18 8.3.4.2)."""

from __future__ import annotations

import pytest

from dicom_common.core import AnyOf, Database, Fuzzy, Level, Match, OneOf, PersonName, Query, QueryError
from dicom_common.dicom import parse_query
from dicom_common.testing._instances import make_entry, make_instance

__all__ = ["FuzzyContract"]

_NAMES = {
    "anna": "Müller^Jörg-Peter^Anna^Dr.",
    "strasse": "Straße^Bj\u00f8rn",
    "lodz": "Łódzki^Michał",
    "brien": "O'Brien^Seán",
    "curly": "O\u2019Connor^Ruairí",
    "de": "De la Cruz^María José",
    "wild": "Wild%_[x]^A*B",
    "yamada": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "yamada-half": "Suzuki^Hanako==\uff94\uff8f\uff80\uff9e^\uff8a\uff85\uff7a",
    "hong": "Hong^Gildong=洪^吉洞=홍^길동",
    "wang": "Wang^XiaoDong=王^小東=",
    "zhang": "Zhang^XiaoDong=张^小东=",
    "arabic": "قباني^نزار",
    "hamza": "أحمد^فاطمة",
    "cyrillic": "Чайкин^Йосиф",
    "wide": "\uff34\uff41\uff4e\uff41\uff4b\uff41^Ken",
    "marks": "Nguye\u0302\u0303n^Va\u0306n",
    "turkish": "İNANÇ^IŞIL",
    "empty": "",
}
"""Made-up names of many scripts, some composed and some in parts."""

_SEARCHES = {
    "muller": "anna",
    "MÜLLER": "anna",
    "Mu\u0308ller": "anna",
    "jorg muller": "anna",
    "peter^mull": "anna",
    "anna, muller": "anna",
    "müller dr": "anna",
    "ller": "",
    "muller x": "",
    "strasse": "strasse",
    "STRASSE^BJORN": "strasse",
    "Bjørn": "strasse",
    "lodzki": "lodz",
    "michal łód": "lodz",
    "o brien": "brien",
    "O\u2019Brien": "brien",
    "sean": "brien",
    "o'connor": "curly",
    "o": "brien curly",
    "cruz maria": "de",
    "la jose de": "de",
    "yamada": "yamada",
    "tarou 山田": "yamada",
    "太": "yamada",
    "やまだ": "yamada",
    "ヤマダ": "yamada-half",
    "\uff94\uff8f\uff80\uff9e": "yamada-half",
    "ヤマタ": "",
    "=山田": "yamada",
    "홍": "hong",
    "길": "hong",
    "\u1112\u1169\u11bc": "hong",
    "洪^吉洞": "hong",
    "王": "wang",
    "xiaodong": "wang zhang",
    "xiao w": "wang",
    "张": "zhang",
    "نزار": "arabic",
    "قباني نزار": "arabic",
    "احمد": "hamza",
    "فاطمه": "hamza",
    "йосиф ЧАЙ": "cyrillic",
    "иосиф": "cyrillic",
    "tanaka": "wide",
    "\uff2b\uff25\uff2e": "wide",
    "nguyen van": "marks",
    "Nguyễn": "marks",
    "inanc isil": "turkish",
    "\u0131nan\u00e7": "turkish",
    "wild": "wild",
    "%": "",
    "wil[x]": "wild",
    "wil[a-z]": "",
    "b a": "wild",
}
"""What is searched, and who is found. `_`, `[` and the like stand between words."""


class FuzzyContract:
    """Fuzzy matching of names."""

    @pytest.fixture
    def named(self, database: Database) -> Database:
        """Return the database with a study of each name, once the patient's and once the referring physician's."""
        database.add(
            [
                make_entry(
                    make_instance(
                        1,
                        study=study,
                        patient_id=who,
                        study_id=who,
                        patient_name=PersonName(*name.split("=")) if name else None,
                        referring_physician_name=PersonName(*name.split("=")) if name else None,
                    )
                )
                for study, (who, name) in enumerate(_NAMES.items())
            ]
        )
        database.add([make_entry(make_instance(1, patient_name=PersonName("Muller^Jorg")), tenant="other")])
        return database

    @pytest.mark.parametrize("case_keyword", ["PatientName", "ReferringPhysicianName"])
    def test_names_are_found_by_their_words(self, named: Database, case_keyword: str) -> None:
        differences = []
        for text, expected in _SEARCHES.items():
            for level in Level:
                query = parse_query("local", level, {case_keyword: text}, fuzzy=True)
                found = sorted(str(one["PatientID"]) for one in named.find(query))
                if found != sorted(expected.split()) or named.count(query) != len(found):
                    differences.append(f"{text} at the level {level.name}: {found}")
        assert differences == []

    def test_a_wildcard_is_matched_literally(self, named: Database) -> None:
        for text, expected in (("mull*", ""), ("m\u00fcll*", "anna"), ("*Jörg?Peter*", "anna"), ("xiao*", "")):
            query = parse_query("local", Level.STUDY, {"PatientName": text}, fuzzy=True)
            assert [one["PatientID"] for one in named.find(query)] == expected.split(), text

    def test_fuzzy_matching_is_for_names_only(self, named: Database) -> None:
        query = parse_query("local", Level.STUDY, {"PatientID": "ANN", "PatientName": "muller"}, fuzzy=True)
        assert named.find(query) == []
        query = parse_query("local", Level.STUDY, {"PatientID": "anna", "PatientName": "muller"}, fuzzy=True)
        assert named.count(query) == 1
        assert named.count(parse_query("local", Level.STUDY, {"PatientName": "muller"})) == 0
        for keyword in ("PatientID", "StudyDescription", "Nothing"):
            with pytest.raises(QueryError, match=keyword):
                named.find(Query(tenant="local", level=Level.STUDY, conditions=(Fuzzy(keyword, "a"),)))

    def test_several_names_and_other_conditions(self, named: Database) -> None:
        query = parse_query("local", Level.STUDY, {"PatientName": "jorg\\xiaodong 王\\o?brien*"}, fuzzy=True)
        assert sorted(str(one["PatientID"]) for one in named.find(query)) == ["anna", "brien", "wang"]
        both = parse_query(
            "local", Level.STUDY, {"PatientName": "xiaodong", "ReferringPhysicianName": "wang"}, fuzzy=True, limit=3
        )
        assert [one["PatientID"] for one in named.find(both)] == ["wang"]
        mixed = AnyOf((Fuzzy("PatientName", "mul"), OneOf("PatientName", ("hong^gildong",))))
        query = Query(tenant="local", level=Level.SERIES, conditions=(mixed, OneOf("Modality", ("CT",))))
        assert sorted(str(one["PatientID"]) for one in named.find(query)) == ["anna", "hong"]

    def test_a_name_without_words_holds_for_every_row(self, named: Database) -> None:
        for text in ("^", "=", "^^=^", "-", "''"):
            query = parse_query("local", Level.STUDY, {"PatientName": text}, fuzzy=True)
            assert named.count(query) == len(_NAMES), text

    def test_words_follow_the_name_that_counts(self, database: Database) -> None:
        first = make_instance(1, patient_name=PersonName("Before^Marriage"))
        database.add([make_entry(first)])
        query = parse_query("local", Level.PATIENT, {"PatientName": "marr"}, fuzzy=True)
        assert database.count(query) == 1
        changed = make_instance(1, revision=1, patient_name=PersonName("After^Marvel"))
        database.add([make_entry(changed, replace=True)])
        assert database.count(query) == 0
        assert database.count(parse_query("local", Level.PATIENT, {"PatientName": "marv"}, fuzzy=True)) == 1

    def test_long_names_are_found_by_their_first_words(self, database: Database) -> None:
        words = [f"word{n}x" for n in range(30)]
        database.add([make_entry(make_instance(1, patient_name=PersonName(" ".join(words)[:250], "長" * 250)))])
        for text in ("word0x", "word20", " ".join(reversed(words[:20])), "長" * 64, "長" * 250):
            query = parse_query("local", Level.STUDY, {"PatientName": text}, fuzzy=True)
            assert database.count(query) == 1, text

    @pytest.mark.parametrize("case_keyword", ["PatientName", "ReferringPhysicianName"])
    def test_pages_of_a_rare_and_of_a_common_name_are_parts_of_the_whole(
        self, database: Database, case_keyword: str
    ) -> None:
        names = [f"{'Rare' if study % 17 == 3 else 'Common'}^N{study}" for study in range(48)]
        made = [
            make_instance(
                1,
                study=study,
                patient_id=f"p{study}",
                patient_name=PersonName(name),
                referring_physician_name=PersonName(name),
            )
            for study, name in enumerate(names)
        ]
        database.add([make_entry(one) for one in made])
        database.add([make_entry(one, tenant="other") for one in made])
        for name, number in (("rare", 3), ("common", 45), ("n1 com", 11), ("n47 com", 1), ("none", 0)):
            for level in Level:
                keys = {case_keyword: name}
                whole = database.find(parse_query("local", level, keys, fuzzy=True))
                pages = list[Match]()
                while page := database.find(parse_query("local", level, keys, fuzzy=True, limit=2, offset=len(pages))):
                    pages += page
                assert pages == whole, (name, level)
                assert len(whole) == number, (name, level)
