r"""Matrices and determinants, in LaTeX environments and as nested lists.

>>> from dqdata_operators.lib.maths.structure import read
>>> read(r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}") == read("[[1, 2], [3, 4]]")
True
>>> read(r"\begin{vmatrix} 1 & 2 \\ 3 & 4 \end{vmatrix}").node.name
'+'
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from dqdata_operators.lib.maths.evaluate import TooLarge, Undefined, symbols, value
from dqdata_operators.lib.maths.expression import Call, Node, Num
from dqdata_operators.lib.maths.notation import top_level
from dqdata_operators.lib.maths.shapes import Answer, Matrix, Opaque, Scalar, Unreadable

_MATRIX = re.compile(
    r"([\[(|]?)\s*\\begin\{([a-zA-Z]*matrix|array)\}(?:\{[lcr|@ ]*\})?(.*?)\\end\{\2\}\s*([\])|]?)"
    r"(?:\s*\^\s*\{?\s*(T|-\s*1)\s*\}?)?",
    re.DOTALL,
)
_ROW = r"\s*-?[0-9./]+(?:\s+-?[0-9./]+)+\s*"
_BLANKS = re.compile(rf"\[{_ROW}(?:;{_ROW})+\]")
"""Rows between semicolons, as numerical languages write them: [1 2; 3 4]."""
LARGEST_DETERMINANT = 5


def matrix(text: str, read: Callable[[str], Answer]) -> Answer | None:
    """A Matrix, the value of a determinant, Opaque for arithmetic with matrices; None where there is no matrix."""
    if "\\begin" not in text:
        if _BLANKS.fullmatch(text):
            return Matrix(tuple(tuple(map(read, row.split())) for row in text[1:-1].split(";")))
        return _nested(text, read)
    head, _, rest = text.partition("\\begin")
    if head.rstrip().endswith("="):
        return None  # a matrix with its name
    if rest and head.strip(" *"):
        factor, inner = head.strip(" *"), matrix("\\begin" + rest, read)
        if isinstance(inner, Matrix) and factor[-1] not in "[(|=+-\\" and isinstance(k := read(factor), Scalar):
            return _scaled(k, inner) or Opaque(text)
    match = _MATRIX.fullmatch(text)
    if match is None or "\\begin" in match[3]:
        return Opaque(text)
    if match[2] == "Vmatrix":
        return Opaque(text)
    body = re.sub(r"\\(?:hline|cline\{[^}]*\})", "", match[3])
    rows = [row for row in re.split(r"\\\\|\\cr", body) if row.strip()]
    cells = [[read(cell) for cell in row.split("&")] for row in rows]
    if not cells or len({len(row) for row in cells}) != 1:
        raise Unreadable("rows of different length")
    if match[5] == "T":
        cells = [list(column) for column in zip(*cells, strict=True)]
    elif match[5]:
        return _inverse(text, cells)
    if match[2] == "vmatrix" or (match[1], match[4]) == ("|", "|"):
        return _determinant(text, cells)
    return Matrix(tuple(tuple(row) for row in cells))


def _scaled(factor: Scalar, inner: Matrix) -> Matrix | None:
    """A number times a matrix."""
    if not all(isinstance(cell, Scalar) for row in inner.rows for cell in row):
        return None
    return Matrix(
        tuple(
            tuple(Scalar("", Call("*", (factor.node, cell.node))) for cell in row if isinstance(cell, Scalar))
            for row in inner.rows
        )
    )


def multiple_of_identity(written: Scalar, shape: tuple[int, ...]) -> Matrix | None:
    """2I, I_3 or -E as a matrix of that shape; None where the value is no multiple of the identity."""
    names = symbols(written.node)
    rows, columns = shape
    if rows != columns or len(names) != 1 or not names <= {"I", "E", f"I_{rows}", f"E_{rows}"}:
        return None
    (name,) = names
    try:
        at = [value(written.node, {name: Fraction(n)}) for n in (0, 1, 2)]
    except (Undefined, TooLarge):
        return None
    if at[0] != 0 or at[2] != 2 * at[1] or not isinstance(at[1], Fraction):
        return None
    diagonal, zero = Scalar("", Num(at[1])), Scalar("0", Num(Fraction(0)))
    return Matrix(tuple(tuple(diagonal if i == j else zero for j in range(columns)) for i in range(rows)))


def _nested(text: str, read: Callable[[str], Answer]) -> Matrix | None:
    """[[1, 2], [3, 4]]"""
    inner = text[1:-1].strip() if text[:1] == "[" and text[-1:] == "]" else ""
    if not inner.startswith("[") or not inner.endswith("]"):
        return None
    rows = [row.strip() for row in top_level(inner, ",;")]
    if not all(row[:1] == "[" and row[-1:] == "]" for row in rows):
        return None
    cells = [tuple(read(cell) for cell in top_level(row[1:-1], ",")) for row in rows]
    if len({len(row) for row in cells}) != 1:
        return None
    return Matrix(tuple(cells))


def _inverse(text: str, cells: list[list[Answer]]) -> Answer:
    """The adjugate over the determinant."""
    nodes = [[cell.node for cell in row if isinstance(cell, Scalar)] for row in cells]
    size = len(nodes)
    if not 2 <= size <= LARGEST_DETERMINANT or any(len(row) != size for row in nodes):
        return Opaque(text)
    whole = _expanded(nodes)
    rows: list[tuple[Answer, ...]] = []
    for i in range(size):
        row: list[Answer] = []
        for j in range(size):
            minor = _expanded([line[:i] + line[i + 1 :] for at, line in enumerate(nodes) if at != j])
            row.append(Scalar("", Call("/", (Call("neg", (minor,)) if (i + j) % 2 else minor, whole))))
        rows.append(tuple(row))
    return Matrix(tuple(rows))


def _determinant(text: str, cells: list[list[Answer]]) -> Answer:
    nodes = [[cell.node for cell in row if isinstance(cell, Scalar)] for row in cells]
    if len(nodes) > LARGEST_DETERMINANT or any(len(row) != len(nodes) for row in nodes):
        return Opaque(text)
    return Scalar(text, _expanded(nodes))


def _expanded(rows: list[list[Node]]) -> Node:
    """Laplace's expansion along the first row."""
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Node] = []
    for at, head in enumerate(rows[0]):
        minor = _expanded([row[:at] + row[at + 1 :] for row in rows[1:]])
        product = Call("*", (head, minor))
        terms.append(Call("neg", (product,)) if at % 2 else product)
    return Call("+", tuple(terms))
