"""What must not be in code that handles patients' images, whatever a comment says beside it; read from its syntax."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from _workspace import ROOT
from source_files import code

FORBIDDEN_KEYWORDS = (
    ("verify", False),
    ("verify_signature", False),
    ("shell", True),
    ("check_hostname", False),
    ("assert_hostname", False),
    ("ssl_verify", False),
)
FORBIDDEN_ATTRIBUTES = {"CERT_NONE", "_create_unverified_context", "_create_default_https_context"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "joblib", "xmlrpc"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}
CONTEXTS = {"SSLContext", "create_default_context", "wrap_socket"}
"""Who makes a TLS context decides what is verified: one module does; beside it a server that tests start."""
MAKES_CONTEXTS = {
    "dicom_common/core/tls.py",
    "dicom_common/host/_server_tls.py",
    "dicom_common/testing/_authenticator/_identity_provider.py",
}
SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|CREATE|ALTER|DROP|TRUNCATE|PRAGMA|COPY|LOCK|SET|GRANT|MERGE|CALL)\s"
)
OUR_OWN = {
    "broker/sqlite/_schema.py": {"_APPLICATION", "VERSION", "table"},
    "broker/sqlite/_store.py": {"','.join('?' * len(ids))", "','.join('?' * len(names))"},
    "db/mysql/_driver.py": {
        "', '.join((f'{name} = {value}' for name, value in variables.items()))",
        "_LOCK",
        "math.ceil(self._settings.lock_timeout)",
    },
    "db/mysql/_dialect.py": {"table"},
    "db/mysql/_session.py": {"first", "own", "values", "changes"},
    "db/postgres/_dialect.py": {
        "table",
        "listed",
        "changes",
        "arrays",
        "', '.join(('pk', *names, *plus))",
        "'' if exclusive else '_shared'",
        "name",
    },
    "db/postgres/_health.py": {"_LOCKED"},
    "db/sql/_migrate.py": {"VERSION_TABLE"},
    "db/sql/_schema_contract.py": {"_versions.VERSION_TABLE"},
    "db/sql/migrations/versions/v0005_sources.py": {"names"},
    "db/sqlite/_connections.py": {
        "settings.synchronous",
        "-1024 * settings.cache_mb",
        "int(seconds * 1000)",
        "int(self._settings.busy_timeout * 1000)",
    },
    "db/sqlite/_dialect.py": {"table"},
    "pipeline/_copy/_journal.py": {"marks"},
    "pipeline/_journal_file.py": {"columns", "name", "version"},
    "pipeline/_reconcile/_journal.py": {"table", "columns"},
}
"""What is put into the text of SQL, by module: names of our own tables, numbers, and marks for bound parameters. Each
was looked at. Nothing that a caller, a data set or a message says belongs here: that is bound."""

SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"),
    "a key of Amazon": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token": re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"),
    "a key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a key of an account": re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}={0,2}"),
    "a URL with a password": re.compile(
        r"\b[a-z][a-z0-9+]*://[^\s/:@{}<>\"']*:[^\s/@{}<>$\"']+@(?!127\.)[a-z0-9]", re.IGNORECASE
    ),
}
ASSIGNED = re.compile(
    r"""(?i)\b\w*(?:password|passwd|secret|token|api_key|access_key|account_key|private_key)\w*["']?\s*[=:]\s*["']([A-Za-z0-9+/=_-]{12,})["']"""
)
MANY_BITS = 3.6
"""Bits for each character: English words and names of settings have fewer, random text has more."""


def samples() -> list[Path]:
    """What people copy from: documents, configurations and templates."""
    endings = {".md", ".toml", ".json", ".yml", ".yaml", ".xml", ".properties", ".mjs"}
    found = (path for top in ("packages", "tools", "README.md", "pyproject.toml") for path in below(ROOT / top))
    return [path for path in found if path.suffix in endings]


def below(top: Path) -> list[Path]:
    return sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]


def module_of(path: Path) -> str:
    """The module's path from `dicom_common` on; that of the repository for a script."""
    text = path.relative_to(ROOT).as_posix()
    return text.partition("/src/")[2] or text


def dangers(tree: ast.AST, module: str = "") -> Iterator[str]:
    """Give every place of a module that must not be there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant):
            if (node.arg, node.value.value) in FORBIDDEN_KEYWORDS:
                yield ast.unparse(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (name for name in names if name.partition(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES:
            yield node.attr
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            named = [target.attr for target in node.targets if isinstance(target, ast.Attribute)]
            yield from (ast.unparse(node) for name in named if (name, node.value.value) in FORBIDDEN_KEYWORDS)
        elif isinstance(node, ast.Call):
            yield from dangerous_call(node, module)
        elif (isinstance(node, ast.JoinedStr | ast.BinOp)) and not allowed(placed_in_sql(node), module):
            yield f"SQL made of text: {ast.unparse(node)[:60]}"


def dangerous_call(node: ast.Call, module: str) -> Iterator[str]:
    if isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
        yield f"{node.func.id}()"
    if not isinstance(node.func, ast.Attribute):
        return
    owner, name = node.func.value, node.func.attr
    if name == "load" and isinstance(owner, ast.Name) and owner.id == "yaml":
        yield "yaml.load"
    if name in CONTEXTS and isinstance(owner, ast.Name) and owner.id == "ssl" and module not in MAKES_CONTEXTS:
        yield f"ssl.{name}: dicom_common.core.tls and dicom_common.host make the contexts"
    if name == "format" and isinstance(owner, ast.Constant) and isinstance(owner.value, str) and SQL.match(owner.value):
        yield f"SQL made of text: {ast.unparse(node)[:60]}"


def placed_in_sql(node: ast.expr) -> list[str]:
    """What an f-string, a `+` or a `%` puts into a text that begins as SQL does; nothing for any other text."""
    if isinstance(node, ast.JoinedStr):
        first = node.values[0] if node.values else None
        if not (isinstance(first, ast.Constant) and SQL.match(str(first.value))):
            return []
        return [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
    assert isinstance(node, ast.BinOp)
    begins = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str) and SQL.match(node.left.value)
    if not begins or isinstance(node.right, ast.Constant | ast.JoinedStr):
        return []
    return [ast.unparse(node.right)]


def allowed(placed: list[str], module: str) -> bool:
    return set(placed) <= OUR_OWN.get(module.removeprefix("dicom_common/"), set())


def secrets(text: str) -> Iterator[str]:
    """Tell what in a sample looks like a secret that somebody might use."""
    yield from (what for what, pattern in SECRETS.items() if pattern.search(text))
    for found in ASSIGNED.finditer(text):
        if bits(found[1]) > MANY_BITS and any(character.isdigit() for character in found[1]):
            yield "a random text given to a secret's name"


def bits(text: str) -> float:
    """Entropy (Shannon) of a text's characters, for each of them."""
    return -sum(n / len(text) * math.log2(n / len(text)) for n in Counter(text).values())


@pytest.mark.parametrize(
    "line",
    [
        "f(verify=False)",
        "f(shell=True)",
        "f(check_hostname=False)",
        "context.check_hostname = False",
        "ssl.CERT_NONE",
        "ssl._create_unverified_context()",
        "ssl.SSLContext()",
        "ssl.create_default_context()",
        "import pickle",
        "from pickle import loads",
        "yaml.load(f)",
        "eval(text)",
        "cursor.execute(f'SELECT * FROM study WHERE name = {name}')",
        "cursor.execute('DELETE FROM study WHERE name = ' + name)",
        "cursor.execute('SELECT * FROM study WHERE name = %s' % name)",
        "cursor.execute('UPDATE study SET name = {}'.format(name))",
    ],
)
def test_a_danger_is_seen(line: str) -> None:
    assert len(list(dangers(ast.parse(line)))) == 1


@pytest.mark.parametrize(
    "line", ["f(verify=True)", "f'Selected {count} files'", "'With ' + name", "cursor.execute(S, (name,))"]
)
def test_what_is_harmless_is_let_through(line: str) -> None:
    assert list(dangers(ast.parse(line))) == []


def test_no_code_switches_a_protection_off() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {danger}"
        for path in code()
        for danger in dangers(ast.parse(path.read_text(encoding="utf-8")), module_of(path))
    ]
    assert found == []


def test_every_exception_is_still_in_use() -> None:
    used: dict[str, set[str]] = {}
    for path in code():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr | ast.BinOp) and (placed := placed_in_sql(node)):
                used.setdefault(module_of(path).removeprefix("dicom_common/"), set()).update(placed)
    assert used == OUR_OWN


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN PRIVATE" + " KEY-----\n" + "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj" * 2,
        "AKIA" + "IOSFODNN7EXAMPLE",
        "eyJhbGciOiJSUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTY3ODkwIn0" + ".c2lnbmF0dXJlLWhlcmU",
        "postgresql://admin:" + "hunter22@db.example/pacs",
        'password = "' + 'x7Kq9vRt2LmZp4Wd"',
        '"client_secret": "' + 'f3A9c1E7b5D2a8C6"',
    ],
)
def test_a_secret_is_seen(text: str) -> None:
    assert list(secrets(text))


@pytest.mark.parametrize(
    "text", ['password = "..."', 'password = { env = "DB_PASSWORD" }', 'token_url = "https://login.example/token"']
)
def test_a_place_for_a_secret_is_none(text: str) -> None:
    assert list(secrets(text)) == []


def test_no_sample_and_no_code_holds_a_secret() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {what}"
        for path in [*samples(), *code()]
        for what in secrets(path.read_text(encoding="utf-8"))
    ]
    assert found == []
