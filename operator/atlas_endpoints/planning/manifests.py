"""Parse manifests: from the text of a file to resources as the operator reads them. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml
from typing_extensions import override

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVED
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.kinds.serverless_private_endpoint.resource import entry_of as endpoint_of
from atlas_endpoints.reconcile.ownership import is_owner
from atlas_endpoints.reconcile.resource import REQUEST_ANNOTATIONS
from atlas_endpoints.reconcile.spec import InvalidSpecError

GROUP, VERSION, KIND = "atlas-endpoints.dev", "v1alpha1", "ServerlessPrivateEndpoint"

NO_KIND = "without a kind"
"""The kind of a document that is no Kubernetes object, such as the values of a chart."""

RENDER_FIRST = "Render it first: helm template … (or kubectl kustomize …), and give the result to plan -f -"
"""The remedy for the sources of Helm or Kustomize."""

_IN_ENGLISH = {str: "plain text", list: "a list", bool: "true or false", int: "a number", float: "a number"}

MOST_NODES = 100_000
"""Values of a document with its aliases resolved; a resource with its status has about 200."""

MOST_LEVELS = 100
"""Levels of nested values; a CRD with the schema of a Pod has 40."""

LONG_TEXT = 64
"""Characters of a text that count as one more value."""

LONGEST_NUMBER = 64
"""Characters of a number."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_WRITTEN_BY_THE_API_SERVER = ("deletionTimestamp", "creationTimestamp", "managedFields", "ownerReferences")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an object; numbers begin with 1, and 0 is unknown or none.

    Attributes:
        file: its name as it was given; ``-`` for the standard input.
        document: its number in the file; 0 for the whole file.
        line: where the document begins.
        item: its number in a List.
    """

    file: str
    document: int = 0
    line: int = 0
    item: int = 0

    @override
    def __str__(self) -> str:
        parts = ["the standard input" if self.file == "-" else self.file]
        if self.document:
            parts.append(f"document {self.document}")
        if self.document > 1 and self.line:
            parts.append(f"from line {self.line}")
        if self.item:
            parts.append(f"item {self.item}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A resource that the operator can work on.

    Attributes:
        body: the object as it is right after its creation; beside an export, as an edit of that.
        exported: the status in an export, or None.
    """

    place: Place
    body: Mapping[str, Any]
    resource: ServerlessPrivateEndpoint
    exported: Status | None = None

    @property
    def key(self) -> Key:
        """Return the key of the resource."""
        return self.resource.key


@dataclass(frozen=True, slots=True)
class Invalid:
    """An object for the operator that is not valid.

    Attributes:
        problems: one line each, the field first.
        key: of the resource, if it could be read.
        exported: as in ``Manifest``.
    """

    place: Place
    problems: tuple[str, ...]
    key: Key | None = None
    exported: Status | None = None


@dataclass(frozen=True, slots=True)
class Other:
    """An object of another kind, to which a resource may refer.

    Attributes:
        kind: with its group, or ``NO_KIND``.
        body: empty if it is no Kubernetes object.
    """

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)


Document: TypeAlias = Manifest | Invalid | Other


@dataclass(slots=True)
class Budget:
    """What one run may still read, since a pull request may bring anything into a pipeline.

    Attributes:
        size: bytes.
        nodes: scalars, lists and objects.
    """

    size: int = 32 << 20
    nodes: int = 300_000


def read(file: str, text: str, *, namespace: str, budget: Budget | None = None) -> list[Document]:
    """Return the documents of a file.

    Args:
        text: YAML or JSON.
        namespace: of resources without one.
        budget: which the files of a run share; None for its own.
    """
    found: list[Document] = []
    place = Place(file, 1)
    try:
        for line, document in _load(text, budget or Budget()):
            place = replace(place, line=line)
            found += _documents(document, place, namespace)
            place = Place(file, place.document + 1)
    except yaml.YAMLError as error:
        hint = f". {RENDER_FIRST}" if "{{" in text else ""
        found.append(Invalid(place, (_of_yaml(error) + hint,)))
    return found


def merged(documents: Iterable[Document]) -> list[Document]:
    """Move the status of each export into the manifest of the same resource, if there is one."""
    documents = list(documents)
    ours = [each for each in documents if not isinstance(each, Other) and each.key is not None]
    statuses = {each.key: each.exported for each in ours if each.exported is not None}
    written = {each.key for each in ours if each.exported is None}
    found: list[Document] = []
    for each in documents:
        if isinstance(each, Manifest) and each.exported is None and (status := statuses.get(each.key)):
            found.append(replace(each, exported=status, body={**each.body, "status": _before_an_edit(status)}))
        elif isinstance(each, Other) or each.exported is None or each.key not in written:
            found.append(each)
    return found


def _before_an_edit(status: Status) -> dict[str, Any]:
    """Return the part of a status with which an edit is compared: the confirmed values, and the reserved endpoint."""
    applied, reservation = status.applied, status.reservation
    return Status(
        observed_generation=0,
        applied=applied and applied.model_copy(update={"generation": 0}),
        # An adopted one needs no record of the uid, which no manifest has.
        reservation=reservation
        and (reservation.model_copy(update={"adopted": True}) if reservation.endpoint_id else None),
    ).to_json()


def duplicates(documents: Iterable[Document]) -> list[str]:
    """Return warnings about resources with several manifests, of which the last one that is applied wins."""
    places: dict[Key, list[Place]] = {}
    for each in documents:
        if isinstance(each, Manifest):
            places.setdefault(each.key, []).append(each.place)
    return [
        f"{key} stands in several places, of which the one that is applied last counts: {'; '.join(map(str, found))}."
        for key, found in places.items()
        if len(found) > 1
    ]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Resources that would manage the same endpoint.

    Attributes:
        owner: by an exported status; else None, and the one that is created first will own it.
    """

    endpoint_id: str
    resources: Mapping[Place, Key]
    owner: Key | None

    @property
    def warning(self) -> str:
        """Return the warning for users."""
        named = " and ".join(f"{key} ({place})" for place, key in self.resources.items())
        owner = f"{self.owner} owns it" if self.owner is not None else "The one that is created first will own it"
        return (
            f"{named} name the same endpoint {self.endpoint_id}. {owner}; the others say Conflict, and nothing is sent for"
            " them. Remove all but one."
        )


def conflicts(documents: Iterable[Document]) -> list[Conflict]:
    """Return the conflicts between the resources."""
    named: dict[tuple[str | None, str, str], dict[Place, Key]] = {}
    owners: dict[str, set[Key]] = {}
    for each in documents:
        if not isinstance(each, Manifest):
            continue
        spec, status = each.resource.spec, each.exported.to_json() if each.exported is not None else {}
        body = {**each.body, "status": status}
        endpoint_id = endpoint_of(body)
        if endpoint_id is None or spec.management_policy != "Manage" or each.resource.suspended_by:
            continue
        named.setdefault((spec.project_id, spec.instance_name, endpoint_id), {})[each.place] = each.key
        if is_owner(SERVED, body, endpoint_id):
            owners.setdefault(endpoint_id, set()).add(each.key)
    found = []
    for (_, _, endpoint_id), resources in named.items():
        owning = owners.get(endpoint_id, set()).intersection(resources.values())
        if len(set(resources.values())) > 1:
            found.append(Conflict(endpoint_id, resources, owning.pop() if len(owning) == 1 else None))
    return found


def _documents(document: Any, place: Place, namespace: str) -> Iterator[Document]:
    if document is None:
        return
    if not isinstance(document, Mapping):
        yield Invalid(
            place, (f"is {_IN_ENGLISH.get(type(document), 'a value')} and no Kubernetes object: remove or correct it",)
        )
        return
    kind, version = document.get("kind"), document.get("apiVersion")
    if not isinstance(kind, str) or not kind:
        yield Other(NO_KIND)
    elif isinstance(document.get("items"), list) and kind.endswith("List"):
        for number, item in enumerate(document["items"], start=1):
            yield from _documents(item, replace(place, item=number), namespace)
    elif kind != KIND and isinstance(version, str) and version.partition("/")[0] == GROUP:
        yield Invalid(place, (f"kind: Unsupported value: {one_line(kind, limit=80)!r}: must be {KIND}",))
    elif kind != KIND:
        group = str(version).rpartition("/")[0] if version else ""
        yield Other(f"{kind}.{group}" if group else kind, _in_namespace(document, namespace))
    elif version != f"{GROUP}/{VERSION}":
        shown = one_line(str(version or "nothing"), limit=80)
        yield Invalid(place, (f"apiVersion: Unsupported value: {shown!r}: must be {GROUP}/{VERSION}",))
    else:
        yield _resource(document, place, namespace)


def _resource(document: Mapping[str, Any], place: Place, namespace: str) -> Document:
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping):
        return Invalid(place, ("metadata: Required value: add it, with a name",))
    body = _as_created(_in_namespace(document, namespace))
    name, namespace = body["metadata"].get("name"), body["metadata"]["namespace"]
    key = Key(KIND, namespace, name) if isinstance(name, str) and isinstance(namespace, str) else None
    problems = [*_misnamed(name, namespace)]
    is_export = metadata.get("uid") or document.get("status")
    exported = Status.parse(document.get("status")) if is_export else None
    try:
        resource = ServerlessPrivateEndpoint.parse(body)
    except InvalidSpecError as error:
        others = [each for each in error.problems if not (problems and each.startswith("metadata.name"))]
        return Invalid(place, (*problems, *others), key, exported)
    return Invalid(place, tuple(problems), key, exported) if problems else Manifest(place, body, resource, exported)


def _in_namespace(document: Mapping[str, Any], namespace: str) -> Mapping[str, Any]:
    """Return an object with a namespace, by default this one."""
    metadata = document.get("metadata")
    return {**document, "metadata": {"namespace": namespace, **metadata}} if isinstance(metadata, Mapping) else {}


def _misnamed(name: object, namespace: object) -> Iterator[str]:
    """Yield the problems of a name that no API server accepts."""
    if not isinstance(name, str) or not name:
        yield "metadata.name: Required value: add it (`generateName` names no resource that could be compared)"
    elif _NAME.fullmatch(name) is None:
        yield (
            f"metadata.name: Invalid value: {one_line(name, limit=80)!r}: must consist of lower-case letters, digits, `-` and"
            " `.`, and begin and end with a letter or digit"
        )
    if not isinstance(namespace, str) or _NAMESPACE.fullmatch(namespace) is None:
        yield "metadata.namespace: Invalid value: must be the name of a namespace"


def _as_created(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as it is right after its creation, without what an export adds.

    Requests for an immediate reconcile are dropped: the operator may have handled them long ago.
    """
    metadata = {
        name: value for name, value in document["metadata"].items() if name not in _WRITTEN_BY_THE_API_SERVER
    } | {"uid": "", "generation": 1, "resourceVersion": ""}
    annotations = metadata.pop("annotations", None)
    if isinstance(annotations, Mapping):
        annotations = {name: value for name, value in annotations.items() if name not in REQUEST_ANNOTATIONS}
    if annotations:
        metadata["annotations"] = annotations
    rest = {name: value for name, value in document.items() if name not in {"metadata", "status"}}
    return {**rest, "metadata": metadata}


def _load(text: str, budget: Budget) -> Iterator[tuple[int, Any]]:
    """Yield each document of a text with its first line.

    Raises:
        yaml.YAMLError: the text is no YAML, or is more than a manifest may hold.
    """
    loader = None
    try:
        loader = _Loader(text, budget)
        while loader.check_node() and (node := loader.get_node()) is not None:
            yield node.start_mark.line + 1, loader.construct_document(node)
    except _OTHER_ERRORS as error:
        raise yaml.MarkedYAMLError(problem=str(error), problem_mark=loader.get_mark() if loader else None) from error


_OTHER_ERRORS = (ArithmeticError, AttributeError, LookupError, ValueError)
"""PyYAML's other errors for an invalid escape, directive or tag."""


class _Loader(yaml.SafeLoader):
    """Parses YAML as kubectl does: dates and keys are texts, and keys are unique.

    By aliases, a few hundred bytes may expand to billions of values, or contain themselves. So values are counted,
    with aliases resolved, before any is made.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str, budget: Budget) -> None:
        super().__init__(text)
        self._budget = budget
        self._size = self._depth = self._deepest = 0
        self._anchored: dict[str, tuple[int, int]] = {}

    @override
    def compose_document(self) -> yaml.Node | None:
        self._size = self._depth = self._deepest = 0
        self._anchored = {}
        return super().compose_document()

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # of the stubs
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if event.anchor not in self._anchored:
                problem = f"the alias *{event.anchor} is within what it stands for"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
            size, height = self._anchored[event.anchor]
            self._count(size, 1 + height, mark)
            return node
        size, deepest = self._size, self._deepest
        self._depth += 1
        self._deepest = self._depth
        self._budget.nodes -= 1
        self._count(1 + len(getattr(event, "value", "")) // LONG_TEXT, 0, mark)
        node = super().compose_node(parent, index)
        if event.anchor is not None:
            self._anchored[event.anchor] = (self._size - size, self._deepest - self._depth)
        self._deepest = max(self._deepest, deepest)
        self._depth -= 1
        if node is not None:
            node.end_mark = None  # unused, and a third of a node's memory
        return node

    def _count(self, size: int, height: int, mark: yaml.Mark) -> None:
        """Add values, and levels below the current one; raise an error beyond a limit."""
        self._size += size
        self._deepest = max(self._deepest, self._depth + height)
        if self._deepest > MOST_LEVELS:
            problem = f"it is nested more than {MOST_LEVELS} levels deep"
        elif self._size > MOST_NODES:
            problem = f"it holds more than {MOST_NODES} values, aliases resolved: split it"
        elif self._budget.nodes < 0:
            problem = "the files before it hold so much already: plan some of them at a time"
        else:
            return
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {key.value!r} stands there twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        self.flatten_mapping(node)
        node.value = [(_as_text(key), value) for key, value in node.value]
        return super().construct_mapping(node, deep=deep)

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            return super().construct_object(node, deep=deep)
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        if tag in {"!!int", "!!float"} and len(node.value) > LONGEST_NUMBER:
            problem = f"a number of {len(node.value)} characters: put it in quotes if it is a text"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
        try:
            return super().construct_object(node, deep=deep)
        except _OTHER_ERRORS as error:
            problem = f"{one_line(node.value[:80], limit=40)!r} is no value of the tag {tag}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    @override
    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        # JSON writes a character beyond U+FFFF as two escapes; one of them alone is invalid.
        return str(super().construct_scalar(node)).encode("utf-16", "surrogatepass").decode("utf-16")


def _as_text(key: yaml.Node) -> yaml.Node:
    if not isinstance(key, yaml.ScalarNode):
        return key
    return yaml.ScalarNode("tag:yaml.org,2002:str", key.value, key.start_mark, key.end_mark)


def _of_yaml(error: yaml.YAMLError) -> str:
    match error:
        case yaml.MarkedYAMLError(problem_mark=mark, problem=problem) if mark is not None:
            what = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
        case _:
            what = str(error)
    problem_text = f"is no YAML that can be read, and what follows in the file is not looked at: {what}"
    return one_line(problem_text, limit=400)
