"""The languages components are written in. To add one: a module here that ends in a `LANGUAGE`, and a line below."""

from collections.abc import Mapping

from languages import c, go, javascript, python, rust, wat
from languages.language import Language

LANGUAGES: Mapping[str, Language] = {
    "c": c.LANGUAGE,
    "go": go.LANGUAGE,
    "javascript": javascript.LANGUAGE,
    "python": python.LANGUAGE,
    "rust": rust.LANGUAGE,
    "wat": wat.LANGUAGE,
}
