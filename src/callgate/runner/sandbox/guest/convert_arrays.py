"""Values of numpy and pandas as JSON values, known by the modules the script has imported; imports neither itself.

A table is a list of records, with the index's levels as columns where they have names (what `groupby` leaves there);
declared as `dict` it is column → list. A series is a list; declared as `dict` it is index → value. What pandas calls
missing is null in them; NaN in a numpy array is refused as any NaN is.
"""

from __future__ import annotations

import sys

from .convert_scalars import Path, Unfit, describe, short, spell_path
from .output_types import ANY, Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .convert import Converter


def composite(to: Converter, value: Any, kind: Type, path: Path) -> Any:
    """The value as a JSON value. Raises Unfit and TooLarge."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _numpy(to, numpy, value, kind, path)
    pandas = sys.modules.get("pandas")
    if pandas is not None:
        if value is pandas.NA:
            to.take(4)
            return None
        if isinstance(value, pandas.DataFrame):
            return _table(to, value, kind, path)
        if isinstance(value, pandas.Series):
            return _series(to, value, kind, path)
        if isinstance(value, (pandas.Index, pandas.api.extensions.ExtensionArray)):
            return to.sequence(_column(to, value), kind, path)
        if isinstance(value, (pandas.Period, pandas.Interval)):
            return str(value)
    hint = "; make a list of it" if hasattr(value, "__next__") or hasattr(value, "__iter__") else ""
    raise Unfit(f"`{spell_path(path)}` is {describe(value)}, which cannot be written as JSON{hint}")


def _numpy(to: Converter, numpy: Any, value: Any, kind: Type, path: Path) -> Any:
    if isinstance(value, numpy.ndarray):
        to.expect(int(value.size))
        if value.ndim == 0:
            return to.convert(value[()], kind, path)
        if value.ndim == 1 and value.dtype.kind in "biuf" and value.dtype.itemsize <= 8:
            return to.sequence(value.tolist(), kind, path)
        return to.sequence(value, kind, path)
    if isinstance(value, numpy.datetime64):
        return None if numpy.isnat(value) else str(value)
    if isinstance(value, numpy.timedelta64):
        return None if numpy.isnat(value) else float(value / numpy.timedelta64(1, "s"))
    if isinstance(value, numpy.floating):
        return to.convert(float(value), kind, path)
    if isinstance(value, numpy.bool_):
        return bool(value)
    if isinstance(value, numpy.integer):
        return int(value)
    plain = value.item()  # a structured record is a tuple, a void is bytes, a complex number is refused
    return to.convert(plain, kind, path)


def _wants_dict(kind: Type) -> bool:
    names = {alternative.name for alternative in kind}
    return "dict" in names and "list" not in names


def _column(to: Converter, values: Any) -> list[Any]:
    """A column's values as Python's own, what is missing as None."""
    to.expect(len(values))
    plain = values.tolist()
    missing = values.isna() if hasattr(values, "isna") else [False] * len(plain)
    return [None if gone else value for value, gone in zip(plain, missing, strict=True)]


def _series(to: Converter, series: Any, kind: Type, path: Path) -> Any:
    values = _column(to, series)
    if _wants_dict(kind):
        return to.mapping(zip(_labels(series.index), values, strict=True), kind, path)
    return to.sequence(values, kind, path)


def _labels(index: Any) -> list[Any]:
    return [_label(label) for label in index.tolist()]


def _label(label: Any) -> Any:
    """One text for the label of several levels."""
    return " / ".join(str(part) for part in label) if isinstance(label, tuple) else label


def _table(to: Converter, table: Any, kind: Type, path: Path) -> Any:
    to.expect(int(table.size))
    named = [name for name in table.index.names if name is not None]
    if named and not _wants_dict(kind):
        levels = [place for place, name in enumerate(table.index.names) if name is not None]
        table = table.reset_index(level=levels)
    names = [_label(name) for name in table.columns.tolist()]
    columns = [_column(to, table.iloc[:, place]) for place in range(len(names))]
    if _wants_dict(kind):
        return to.mapping(zip(names, columns, strict=True), kind, path)
    if not names:
        return to.sequence([{} for _ in range(len(table))], kind, path)
    texts = [str(name) for name in names]
    repeated = {name for name in texts if texts.count(name) > 1} if len(set(texts)) < len(texts) else set()
    if repeated:
        raise Unfit(f"`{spell_path(path)}` has two columns that are both called {short(min(repeated))}")
    to.take(sum(len(name) + 3 for name in texts) * len(table))
    plain = [to.sequence(column, ANY, (path, name)) for name, column in zip(texts, columns, strict=True)]
    records = [dict(zip(texts, row, strict=True)) for row in zip(*plain, strict=True)]
    holds = [alternative.item for alternative in kind if alternative.item is not None]
    # the columns are plain by now: only where the items' type was declared each record is looked at again
    return to.sequence(records, kind, path) if holds else records
