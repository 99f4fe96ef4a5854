"""Text → a tree in which every key and value knows its place. YAML 1.2 core, and less: nothing is guessed.

Built from the parser's events, not from its composer: the depth, the number of nodes that aliases unfold to
and the tags are checked before anything is built, and no step recurses. Never constructs an object of a tag.
"""

from typing import Any

from msgspec import Struct

from callgate.diagnostics import Source
from callgate.policy.findings import Findings
from callgate.policy.scalars import Kind, Value, resolve
from callgate.policy.source_text import SourceText
from callgate.text import quote

MAX_DEPTH = 64
"""Levels of nesting, aliases unfolded."""

MAX_NODES = 200_000
"""Nodes of the tree, aliases unfolded: a few kilobytes of aliases cannot stand for millions of nodes."""


class ScalarNode(Struct, frozen=True):
    """A single value. `text` is what was written, without quotes; `plain` says that it had none."""

    source: Source
    kind: Kind
    value: Value
    text: str
    plain: bool


class ListNode(Struct, frozen=True):
    """A sequence."""

    source: Source
    items: "tuple[Node, ...]"


class MapNode(Struct, frozen=True):
    """A mapping; its keys are strings, each at most once, in the order of the file."""

    source: Source
    entries: "tuple[tuple[ScalarNode, Node], ...]"


Node = ScalarNode | ListNode | MapNode


class _Refused(Exception):
    """The file is refused as a whole; the finding has been recorded."""


class _Open:
    """A list or mapping whose end has not been read. `depth` is its own level, `height` what it holds."""

    __slots__ = ("anchor", "height", "is_map", "items", "key", "keys", "size", "start", "waits_for_value")

    def __init__(self, is_map: bool, start: Any, anchor: str | None) -> None:
        self.is_map = is_map
        self.start = start
        self.anchor = anchor
        self.items: list[Any] = []
        self.keys: dict[str, Source] = {}
        self.key: ScalarNode | None = None
        self.waits_for_value = False
        self.size = 1
        self.height = 1


class _Anchored(Struct, frozen=True):
    node: Node
    size: int
    height: int


def parse(text: SourceText, findings: Findings) -> Node | None:
    """Return the tree of the file's single document, or None if it has none or cannot be read.

    Findings are recorded; with errors the tree may lack what they speak of.
    """
    import yaml

    try:
        return _Builder(text, findings).build(_parser(text.text))
    except _Refused:
        return None
    except yaml.YAMLError as error:
        from callgate.policy.yaml_syntax import syntax_error

        syntax_error(error, text, findings)
        return None


def _parser(text: str) -> Any:
    """Return PyYAML's event source over `text`: the C one, or the Python one where it was not built."""
    try:
        from yaml._yaml import CParser
    except ImportError:
        from callgate.policy.yaml_fallback import PythonParser

        return PythonParser(text)
    return CParser(text)


class _Builder:
    def __init__(self, text: SourceText, findings: Findings) -> None:
        self._text = text
        self._findings = findings
        self._open: list[_Open] = []
        self._anchors: dict[str, _Anchored | None] = {}
        self._root: Node | None = None
        self._documents = 0
        self._nodes = 0

    def build(self, parser: Any) -> Node | None:
        import yaml

        while True:
            event = parser.get_event()
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._start(event, kind is yaml.MappingStartEvent)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._end(event)
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self._document(event)
            elif event is None or kind is yaml.StreamEndEvent:
                return self._root

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            self._stop("POL015", "the file holds more than one document", self._span(event), "keep one")
        if event.tags or (event.version is not None and tuple(event.version) != (1, 2)):
            source = self._span(event)
            self._stop("POL026", "the file has a directive", source, "delete it: this is read as YAML 1.2")

    def _scalar(self, event: Any) -> None:
        source = self._span(event)
        self._check_tag(event, source)
        plain = event.style is None or event.style == ""
        kind: Kind = "string"
        value: Value = event.value
        if plain:
            kind, value = resolve(event.value)
        self._count(1, source)
        if not event.value and plain and self._open and self._open[-1].key is not None:
            # Nothing was written: the key is what a person can see.
            source = self._open[-1].key.source
        node = ScalarNode(source, kind, value, event.value, plain)
        self._add(node, 1, 0)
        if event.anchor is not None:
            self._anchors[event.anchor] = _Anchored(node, 1, 0)

    def _start(self, event: Any, is_map: bool) -> None:
        source = self._span(event)
        self._check_tag(event, source)
        self._count(1, source)
        if len(self._open) >= MAX_DEPTH:
            self._too_deep(source)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open.append(_Open(is_map, event.start_mark, event.anchor))

    def _end(self, event: Any) -> None:
        ended = self._open.pop()
        source = self._between(ended.start, event.end_mark)
        node: Node = (MapNode if ended.is_map else ListNode)(source, tuple(ended.items))
        if ended.anchor is not None:
            self._anchors[ended.anchor] = _Anchored(node, ended.size, ended.height)
        self._add(node, ended.size, ended.height)

    def _alias(self, event: Any) -> None:
        source = self._span(event)
        name = event.anchor
        if name not in self._anchors:
            self._stop("POL018", f"no anchor {quote('&' + name)} comes before this alias", source)
        anchored = self._anchors[name]
        if anchored is None:
            self._stop("POL018", f"the alias {quote('*' + name)} stands inside its own anchor", source)
            return
        self._count(anchored.size, source)
        if len(self._open) + anchored.height > MAX_DEPTH:
            self._too_deep(source)
        self._add(anchored.node, anchored.size, anchored.height)

    def _add(self, node: Node, size: int, height: int) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += size
        parent.height = max(parent.height, height + 1)
        if not parent.is_map:
            parent.items.append(node)
        elif not parent.waits_for_value:
            parent.waits_for_value = True
            parent.key = self._key(node, parent)
        else:
            parent.waits_for_value = False
            if parent.key is not None:
                parent.items.append((parent.key, node))
            parent.key = None

    def _key(self, node: Node, parent: _Open) -> ScalarNode | None:
        """Return the key if it can be one; else record why not, and the pair is left out."""
        if not isinstance(node, ScalarNode):
            self._findings.error("POL021", "a key must be a string", node.source, "write a plain word")
            return None
        if node.plain and node.text == "<<":
            self._findings.error(
                "POL020", "merge keys are not read", node.source, "repeat the keys, or alias a whole value"
            )
            return None
        if node.kind != "string":
            what = (
                f"the key {quote(node.text)} is a {node.kind}, not a string" if node.text else "an empty key"
            )
            self._findings.error("POL021", what, node.source, "quote it to make it a string")
            return None
        first = parent.keys.get(node.text)
        if first is not None:
            self._findings.error(
                "POL022",
                f"duplicate key {quote(node.text)}",
                node.source,
                f"it is already given on line {first.line}",
            )
            return None
        parent.keys[node.text] = node.source
        return node

    def _check_tag(self, event: Any, source: Source) -> None:
        if event.tag is None:
            return
        written = _tag_as_written(event.tag)
        column = self._text.line(source.line).find(written, source.column - 1) + 1
        if column > 0:
            source = Source(source.file, source.line, column, len(written))
        help = "delete it; quote a value to make it a string"
        self._findings.error("POL019", f"the tag {quote(written)} is not read", source, help)

    def _count(self, nodes: int, source: Source) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._stop(
                "POL017", f"the file unfolds to more than {MAX_NODES} values", source, "use fewer aliases"
            )

    def _too_deep(self, source: Source) -> None:
        self._stop("POL016", f"nested more than {MAX_DEPTH} levels deep", source, "use fewer levels")

    def _stop(self, code: str, message: str, source: Source, help: str | None = None) -> None:
        self._findings.error(code, message, source, help)
        raise _Refused

    def _span(self, event: Any) -> Source:
        return self._between(event.start_mark, event.end_mark)

    def _between(self, start: Any, end: Any) -> Source:
        line, column = start.line + 1, start.column + 1
        if end.line == start.line:
            length = end.column - start.column
        else:
            length = len(self._text.line(line).rstrip()) - start.column
        return Source(self._text.file, line, column, max(length, 1))


def _tag_as_written(tag: str) -> str:
    prefix = "tag:yaml.org,2002:"
    return f"!!{tag.removeprefix(prefix)}" if tag.startswith(prefix) else tag
