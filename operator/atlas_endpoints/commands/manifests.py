"""Read manifests: from files, folders and the standard input to resources as the operator reads them."""

import os
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from typing_extensions import override

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.commands import crd_rules
from atlas_endpoints.commands.bounded_yaml import load
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.names import is_name, is_namespace
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.resource import REQUEST_ANNOTATIONS, Resource
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Status

STANDARD_INPUT = "-"

ENDINGS = (".json", ".yaml", ".yml")
"""The suffixes of the files that are read in a folder, as in kubectl."""

UNRENDERED = frozenset({"Chart.yaml", "kustomization.yaml", "kustomization.yml"})
"""Files from which Helm or Kustomize render manifests."""

RENDER_FIRST = "Render them with helm template or kubectl kustomize, and pass the output with -f -"
"""The remedy for the sources of Helm or Kustomize."""

LARGEST_FILE = 8 << 20
"""Bytes of a file."""

NO_KIND = "without a kind"
"""The kind of a document that is no Kubernetes object, such as the values of a chart."""

UID = "<uid>"
"""In the place of the uid of a resource, which it gets when it is created."""

_WRITTEN_BY_THE_API_SERVER = ("deletionTimestamp", "creationTimestamp", "managedFields", "ownerReferences")


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an object: a file, a document in it with its first line, and an item of a List; from 1, and 0 is none."""

    file: str
    document: int = 0
    line: int = 0
    item: int = 0

    @override
    def __str__(self) -> str:
        file = "the standard input" if self.file == STANDARD_INPUT else self.file
        document = f", document {self.document}" if self.document else ""
        line = f", from line {self.line}" if self.document > 1 and self.line else ""
        return f"{file}{document}{line}{f', item {self.item}' if self.item else ''}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A resource that the operator can work on, with its object as it is right after its creation.

    ``exported`` is the status in an export that is believed; beside one, the object is an edit of it.
    """

    place: Place
    kind: KindWithCommands[Any]
    body: Mapping[str, Any]
    resource: Resource
    exported: Status | None = None

    @property
    def key(self) -> Key:
        """Return the key of the resource."""
        return self.resource.key


@dataclass(frozen=True, slots=True)
class Invalid:
    """A file that cannot be read, or an object for the operator that is not valid; the field comes first in a problem."""

    place: Place
    problems: tuple[str, ...]
    key: Key | None = None
    exported: Status | None = None

    @override
    def __str__(self) -> str:
        return f"{self.place}: {'; '.join(self.problems)}"


@dataclass(frozen=True, slots=True)
class Other:
    """An object of another kind, named with its group, to which a resource may refer; empty if it is no Kubernetes object."""

    kind: str
    body: Mapping[str, Any] = field(default_factory=dict, compare=False)


Document: TypeAlias = Manifest | Invalid | Other


class ManifestReader:
    """Reads manifests of some kinds.

    Args:
        namespace: of resources without one.
        recursive: read the subfolders of folders, too.
        others: the kinds of other objects that are wanted, with their groups; their names are checked, too.
        use_statuses: believe the statuses in the files, which anybody who may change these can forge.

    Attributes:
        warnings: for users.
    """

    def __init__(
        self,
        kinds: Sequence[KindWithCommands[Any]],
        *,
        namespace: str,
        recursive: bool = False,
        others: Collection[str] = (),
        use_statuses: bool = False,
    ) -> None:
        self._kinds = {kind.names.kind: kind for kind in kinds}
        self._namespace = namespace
        self._recursive = recursive
        self._others = others
        self._use_statuses = use_statuses
        self._unused_statuses = 0
        self.warnings: list[str] = []

    def find(self, names: Iterable[str]) -> list[Document]:
        """Return the documents of files, folders and ``-``; what cannot be read, or has no manifests, is ``Invalid``."""
        names = list(dict.fromkeys(names))
        documents: list[Document] = []
        files: dict[str, str | None] = {}
        for name in names:
            if name == STANDARD_INPUT or not os.path.isdir(name):  # noqa: PTH112  # unlike pathlib's, it raises nothing
                files[name] = None
                continue
            found, unreadable = self._files_in(name)
            files |= {each: name for each in found if each not in files}
            documents += unreadable or ([] if found else [self._nothing(name)])
        unrendered = [place_of(each).file for each in files if Path(each).name in UNRENDERED]
        if unrendered:
            self.warnings.append(f"These files are not rendered: {', '.join(unrendered)}. {RENDER_FIRST}.")
        for file, folder in files.items():
            text = text_in(file, folder=folder)
            documents += [text] if isinstance(text, Invalid) else self.read(place_of(file).file, text)
        if self._unused_statuses:
            self.warnings.append(
                f"Statuses in the files are not used: {self._unused_statuses}. Anybody who may change the files can forge them. If"
                " the files are an export of the cluster, use --use-statuses."
            )
        if all(isinstance(each, Other) and each.kind not in self._others for each in documents):
            documents += [self._nothing(name) for name in names]
        return documents

    def _files_in(self, folder: str) -> tuple[Sequence[str], Sequence[Invalid]]:
        """Return the files of a folder, sorted, and what cannot be read of it. Links to folders are not followed."""
        files: list[str] = []
        unreadable: list[OSError] = []
        for here, folders, names in os.walk(folder, onerror=unreadable.append):
            files += [os.path.join(here, name) for name in names if name.endswith(ENDINGS)]  # noqa: PTH118  # plain text
            if not self._recursive:
                if any(not each.startswith(".") for each in folders):
                    self.warnings.append(f"Subfolders of {place_of(folder)} are read with -R (--recursive) only.")
                break
        return sorted(files), [_unreadable(each.filename, each) for each in unreadable]

    def _nothing(self, name: str) -> Invalid:
        """Return the problem of a name without manifests."""
        wanted = [f"{each.names.kind}.{each.names.group}" for each in self._kinds.values()] + [*self._others]
        pairs = (each.partition(".") for each in wanted)
        return Invalid(place_of(name), (f"contains no {' or '.join(f'{kind} ({group})' for kind, _, group in pairs)}",))

    def read(self, file: str, text: str) -> list[Document]:
        """Return the documents in the text of a file: YAML or JSON."""
        try:
            documents = load(text)
        except ValueError as error:
            hint = f". {RENDER_FIRST}" if "{{" in text else ""
            return [Invalid(Place(file), (f"{error}{hint}",))]
        numbered = enumerate(documents, start=1)
        return [one for number, (line, each) in numbered for one in self._documents(each, Place(file, number, line))]

    def _documents(self, document: Any, place: Place) -> Iterator[Document]:
        if document is None:
            return
        if not isinstance(document, Mapping):
            yield Invalid(place, ("is no Kubernetes object: remove or correct it",))
            return
        kind, version = document.get("kind"), str(document.get("apiVersion") or "nothing")
        group = version.rpartition("/")[0]
        if not isinstance(kind, str) or not kind:
            yield Other(NO_KIND)
        elif isinstance(document.get("items"), list) and kind.endswith("List"):
            for number, item in enumerate(document["items"], start=1):
                yield from self._documents(item, replace(place, item=number))
        elif ours := self._kinds.get(kind):
            expected = f"{ours.names.group}/{ours.names.version}"
            if version == expected:
                yield self._resource(ours, document, place)
            else:
                shown = one_line(version, limit=80)
                yield Invalid(place, (f"apiVersion: Unsupported value: {shown!r}: must be {expected}",))
        elif alike := [name for name, each in self._kinds.items() if each.names.group == group]:
            problem = f"kind: Unsupported value: {one_line(kind, limit=80)!r}: must be {' or '.join(alike)}"
            yield Invalid(place, (problem,))
        else:
            full, body = f"{kind}.{group}" if group else kind, self._in_namespace(document)
            problems = _misnamed(body["metadata"]) if body and full in self._others else ()
            yield Invalid(place, problems) if problems else Other(full, body)

    def _resource(self, kind: KindWithCommands[Any], document: Mapping[str, Any], place: Place) -> Document:
        body = self._in_namespace(document)
        if not body:
            return Invalid(place, ("metadata: Required value: add it, with a name",))
        exported = None
        if self._use_statuses and (body["metadata"].get("uid") or document.get("status")):
            exported = kind.resource.status_in(document)
        elif document.get("status"):
            self._unused_statuses += 1
        if problems := _misnamed(body["metadata"]):
            return Invalid(place, problems, exported=exported)
        body = _as_created(body)
        try:
            resource = kind.resource.parse(body)
        except InvalidSpecError as error:
            problems = tuple(crd_rules.problems(kind.crd, body, refusal=error))
        else:
            problems = tuple(crd_rules.problems(kind.crd, body))
            if not problems:
                return Manifest(place, kind, body, resource, exported)
        key = Key(kind.names.kind, body["metadata"]["namespace"], body["metadata"]["name"])
        return Invalid(place, problems, key, exported)

    def _in_namespace(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return an object with a namespace, and without a status that is not believed; empty: it has no metadata."""
        metadata = document.get("metadata")
        if not isinstance(metadata, Mapping):
            return {}
        if not self._use_statuses:
            document = {name: value for name, value in document.items() if name != "status"}
        return {**document, "metadata": {"namespace": self._namespace, **metadata}}


def text_in(file: str, *, folder: str | None = None) -> str | Invalid:
    """Return the text of a file that the user names, or that is in a folder; or why it is not read."""
    place = place_of(file)
    try:
        if folder is not None:
            # Whoever may change the folder may not read whatever this machine has.
            if not Path(os.path.realpath(file)).is_relative_to(os.path.realpath(folder)):
                return Invalid(place, ("is a link to a file outside of the folder: pass that file itself with -f",))
            # A pipe would block, and a device has no end.
            if not stat.S_ISREG(Path(file).stat().st_mode):
                return Invalid(place, ("is neither a file nor a folder: remove or rename it",))
        with nullcontext(sys.stdin.buffer) if file == STANDARD_INPUT else Path(file).open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        return _unreadable(file, error)
    if len(data) > LARGEST_FILE:
        return Invalid(place, (f"is larger than {LARGEST_FILE >> 20} MiB: split it",))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Invalid(place, ("is not encoded in UTF-8",))


def _unreadable(path: str, error: OSError) -> Invalid:
    return Invalid(place_of(path), (f"cannot be read: {error.strerror or type(error).__name__}",))


def place_of(path: str) -> Place:
    """Return the place of a file. Bytes of its name that are no text are escaped."""
    return Place(path.encode("utf-8", "backslashreplace").decode())


def _misnamed(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the problem of a name that no API server accepts."""
    name, namespace = metadata.get("name") or "", metadata["namespace"]
    if not name:
        return ("metadata.name: Required value: add it (generateName is not supported, because it names no resource)",)
    if not isinstance(name, str) or not is_name(name):
        must = "must consist of lower-case letters, digits, `-` and `.`, and begin and end with a letter or digit"
        return (f"metadata.name: Invalid value: {one_line(str(name), limit=80)!r}: {must}",)
    if not isinstance(namespace, str) or not is_namespace(namespace):
        return ("metadata.namespace: Invalid value: must be the name of a namespace",)
    return ()


def _as_created(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object as it is right after its creation, without what an export adds.

    Requests for an immediate reconcile are dropped: the operator may have handled them long ago.
    """
    metadata = {name: each for name, each in document["metadata"].items() if name not in _WRITTEN_BY_THE_API_SERVER}
    annotations = metadata.pop("annotations", None) or {}
    if isinstance(annotations, Mapping):
        annotations = {name: value for name, value in annotations.items() if name not in REQUEST_ANNOTATIONS}
    metadata |= {"uid": UID, "generation": 1, "resourceVersion": "", "annotations": annotations}
    return {**{name: each for name, each in document.items() if name != "status"}, "metadata": metadata}
