"""JSON Schemas of answers: how they are written, whether they are any, and whether an answer fits.

A schema is read once (:func:`read_schema`) and is JSON text from then on. It is one of draft
2020-12 (json-schema.org/draft/2020-12, read 2026-11-30), and nothing it refers to is fetched.
"""

from __future__ import annotations

from mediasense.schemas.checking import first_misfit, misfits, require_schema
from mediasense.schemas.reading import read_schema, read_schema_file

__all__ = ["first_misfit", "misfits", "read_schema", "read_schema_file", "require_schema"]
