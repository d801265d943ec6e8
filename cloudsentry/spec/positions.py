"""YAML to plain data that remembers where everything stood.

Only what JSON knows is made of it (text, numbers, true, false, null, lists, mappings with text
keys); dates stay text. Anchors, aliases and merge keys (``<<``) work; no tag ever constructs an
object. What a file may cost is bounded: its size, its depth, and what its aliases unfold to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.composer import MaxDepthExceededError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from cloudsentry.errors import Fault, SpecError

SIZE_MAX = 256 * 1024
"""Bytes of a file; the largest real event files are a few KiB and some user data."""

DEPTH_MAX = 32
VALUES_MAX = 20_000
"""Values after aliases are unfolded: 1000 pins need fewer, a nest of aliases soon has more."""

Path = tuple[str | int, ...]
Spot = tuple[int, int]
"""Line and column, both from 1."""

_YAML = "tag:yaml.org,2002:"
_TRUTH = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
"""Resolved as a truth value by YAML 1.2 (true, false) or, where a file asks for it, by 1.1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A file's data, where each part stood, and what was wrong with the YAML itself."""

    file: str
    data: object
    keys: dict[Path, Spot]
    values: dict[Path, Spot]
    faults: tuple[Fault, ...]

    def fault(self, path: Path, message: str, *, at_key: bool = False) -> Fault:
        """A fault at ``path``'s value or key, or at the nearest part around it that the file has."""
        line, column = _nearest(path, self.keys if at_key else self.values) or _nearest(path, self.values) or (1, 1)
        return Fault(file=self.file, line=line, column=column, message=message)


def _nearest(path: Path, spots: dict[Path, Spot]) -> Spot | None:
    return next((spots[path[:end]] for end in range(len(path), -1, -1) if path[:end] in spots), None)


def parse(text: str, file: str) -> Tree:
    """The tree of ``text``. Raises SpecError where it is no YAML, or beyond the limits."""
    if len(text.encode("utf-8", "surrogatepass")) > SIZE_MAX:
        raise too_large(file)
    root = _compose(text, file)
    if root is None:
        raise SpecError((Fault(file=file, line=1, column=1, message="the file is empty: expected an event"),))
    reading = _Reading(file=file)
    data = reading.value(root, ())
    return Tree(file=file, data=data, keys=reading.keys, values=reading.values, faults=tuple(reading.faults))


def too_large(file: str) -> SpecError:
    """What is said of a file beyond `SIZE_MAX`."""
    return SpecError((Fault(file=file, line=1, column=1, message=f"the file is larger than {SIZE_MAX // 1024} KiB"),))


def _compose(text: str, file: str) -> Node | None:
    yaml = YAML(typ="safe", pure=True)
    yaml.max_depth = DEPTH_MAX
    yaml.composer.warn_double_anchors = False  # YAML allows it, and a warning has no place in front of the faults
    try:
        root: Node | None = yaml.compose(text)
    except YAMLError as error:
        line, column = _spot_of(error, text)
        raise SpecError((Fault(file=file, line=line, column=column, message=_said(error)),)) from error
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, AssertionError) as error:
        # The parser's own slips on broken input, such as an escape beyond Unicode; they carry no position.
        raise SpecError((Fault(file=file, line=1, column=1, message=f"not YAML: {error}"),)) from error
    return root


def _spot_of(error: YAMLError, text: str) -> Spot:
    if isinstance(error, ReaderError):
        before = text[: error.position]
        return before.count("\n") + 1, len(before) - before.rfind("\n")
    mark = None
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _said(error: YAMLError) -> str:
    if isinstance(error, MaxDepthExceededError):
        return f"nested deeper than {DEPTH_MAX} levels"
    if isinstance(error, ReaderError):
        return f"the character U+{_code(error.character):04X} is not allowed in YAML"
    problem = str(getattr(error, "problem", None) or error)
    context = getattr(error, "context", None)
    if "'\\t'" in problem:
        return "a tab: YAML is indented with spaces"
    if "another document" in problem:
        return "a second document begins here: expected one event per file"
    if "<" in problem:  # the parser's names for its tokens
        return "not YAML from here on: is a colon, a bracket or some indentation missing?"
    return f"not YAML: {problem}" + (f" ({context})" if context else "")


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[0])


def _spot(node: Node) -> Spot:
    return node.start_mark.line + 1, node.start_mark.column + 1


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One walk over the nodes; faults are gathered, but a limit or a loop ends it."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    keys: dict[Path, Spot] = field(default_factory=dict)
    values: dict[Path, Spot] = field(default_factory=dict)
    around: list[Node] = field(default_factory=list)
    spent: int = 0

    def value(self, node: Node, path: Path) -> object:
        """Plain data of ``node``."""
        self.values[path] = _spot(node)
        with self._inside(node):
            if isinstance(node, MappingNode):
                self._tagged(node, "map", "mapping")
                return {key: self.value(part, (*path, key)) for key, part in self._pairs(node, path).items()}
            if isinstance(node, SequenceNode):
                self._tagged(node, "seq", "list")
                return [self.value(part, (*path, index)) for index, part in enumerate(node.value)]
            return self._scalar(node)

    def _pairs(self, node: MappingNode, path: Path) -> dict[str, Node]:
        """A mapping's own keys, then what is merged into it and it has not itself."""
        own: dict[str, Node] = {}
        merged: list[Node] = []
        for key, part in node.value:
            name = self._key(key)
            if name in own:
                first = self.keys[(*path, name)][0]
                self._fault(key, f"the key '{name}' is here twice (first in line {first})")
            elif str(key.tag) == f"{_YAML}merge":
                merged += part.value if isinstance(part, SequenceNode) else [part]
            elif name is not None:
                own[name] = part
                self.keys[(*path, name)] = _spot(key)
        for other in merged:
            self._merge(other, path, own)
        return own

    def _merge(self, other: Node, path: Path, own: dict[str, Node]) -> None:
        if not isinstance(other, MappingNode):
            self._fault(other, "expected a mapping, or a list of mappings, to merge by '<<'")
            return
        mine = {(*path, name): self.keys[(*path, name)] for name in own}
        with self._inside(other):
            pairs = self._pairs(other, path)
        self.keys.update(mine)  # a key that the mapping has itself stands where it stands there
        for name, part in pairs.items():
            own.setdefault(name, part)

    def _key(self, key: Node) -> str | None:
        """A key's text, whatever it looks like: ``on`` and ``1`` are names here."""
        if isinstance(key, ScalarNode):
            return self._text(key)
        self._fault(key, "expected a name as the key, found a list or a mapping")
        return None

    def _scalar(self, node: Node) -> object:
        text, tag = self._text(node), str(node.tag)
        try:
            match tag.removeprefix(_YAML):
                case "str" | "timestamp":
                    return text
                case "null":
                    return None
                case "bool":
                    return _TRUTH[text.lower()]
                case "int":
                    return _integer(text)
                case "float":
                    return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
        except (ValueError, KeyError):
            self._fault(node, f"expected a value of the kind {_short(tag)}, found '{text[:60]}'")
            return None
        self._fault(node, f"the tag {_short(tag)} is not known here")
        return None

    def _text(self, node: Node) -> str:
        text = str(node.value)
        if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
            self._fault(node, "a character that no text can hold (NUL or half of a surrogate pair)")
            return ""
        return text

    def _tagged(self, node: Node, kind: str, word: str) -> None:
        if str(node.tag) != f"{_YAML}{kind}":
            self._fault(node, f"the tag {_short(str(node.tag))} is not known here: expected a plain {word}")

    @contextmanager
    def _inside(self, node: Node) -> Iterator[None]:
        """Count one value more, one level deeper. Raises SpecError where that is too much."""
        self.spent += 1
        if node in self.around:
            self._stop(node, "an alias that contains itself")
        if self.spent > VALUES_MAX:
            self._stop(node, f"more than {VALUES_MAX} values once all aliases are unfolded")
        if len(self.around) >= DEPTH_MAX:
            self._stop(node, f"nested deeper than {DEPTH_MAX} levels")
        self.around.append(node)
        yield
        self.around.pop()

    def _fault(self, node: Node, message: str) -> None:
        line, column = _spot(node)
        self.faults.append(Fault(file=self.file, line=line, column=column, message=message))

    def _stop(self, node: Node, message: str) -> NoReturn:
        self._fault(node, message)
        raise SpecError(tuple(self.faults))


def _integer(text: str) -> int:
    plain = text.replace("_", "")
    try:
        return int(plain, 0)
    except ValueError:
        return int(plain, 10)  # leading zeros


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(_YAML)}" if tag.startswith(_YAML) else tag
