"""Databases of the tests on the PostgreSQL server: each test has one of its own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from dicom_common.db.postgres import PostgresDatabase, Settings


def bare(settings: Settings, **more: Any) -> psycopg.Connection[Any]:
    """Connect to the database of an index without the plugin."""
    return psycopg.connect(
        host=settings.host, port=settings.port, dbname=settings.database, user=settings.user, autocommit=True, **more
    )


@pytest.fixture(scope="module")
def server(service_finder: Callable[[str], Any]) -> Settings:
    """Where the server is: its first user in its first database."""
    endpoint = service_finder("postgres")
    return Settings(host=endpoint.host, port=endpoint.port, database="postgres", user="postgres")


def _made(server: Settings, template: str | None = None) -> Settings:
    name = f"dicom_common_{uuid.uuid4().hex[:12]}"
    with closing(bare(server)) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template or 'template0'}")
    return Settings(host=server.host, port=server.port, database=name, user=server.user)


def _drop(made: Settings, server: Settings) -> None:
    with closing(bare(server)) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {made.database} WITH (FORCE)")


@pytest.fixture(scope="module")
def template(server: Settings) -> Iterator[Settings]:
    """Make a database with the schema, which others are copied from: a fifth of the time of making the schema."""
    made = _made(server)
    PostgresDatabase(made).close()
    yield made
    _drop(made, server)


@pytest.fixture
def empty(server: Settings) -> Iterator[Settings]:
    """Make a database without tables."""
    made = _made(server)
    yield made
    _drop(made, server)


@pytest.fixture
def index(server: Settings, template: Settings) -> Iterator[Settings]:
    """Make a database with the schema and nothing in it."""
    made = _made(server, template.database)
    yield made
    _drop(made, server)
