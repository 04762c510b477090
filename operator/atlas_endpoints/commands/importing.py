"""``atlas-endpoints import``: write manifests for the endpoints in Atlas, for exported objects, or for a state of Terraform."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atlas_endpoints.atlas.answers import Requester, send_list
from atlas_endpoints.atlas.credentials import Credentials, CredentialsError
from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, MissingRoleError, Wording, one_line
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.interview import is_hopeless
from atlas_endpoints.commands.clusterless import (
    WITHIN,
    EnvironmentCredentials,
    ImportSettings,
    PatientClient,
    client_of,
)
from atlas_endpoints.commands.drafts import Draft, drafts_of
from atlas_endpoints.commands.manifests import Invalid, ManifestReader, Other
from atlas_endpoints.commands.terraform import HAND_OVER, resources_in
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.importer import Found, Importer, LeftOut, Options
from atlas_endpoints.telemetry.causes import words_of

LONGEST_MESSAGE = 2000
"""Characters of a message: it may hold a text of a file."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages for users.

    Attributes:
        remarks: nothing is wrong.
        problems: something is missing.
        refusals: the refusals of Atlas, with the names of what it refuses.
    """

    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refusals: dict[str, list[str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        yield from (*self.remarks, *self.problems)
        for refusal, names in self.refusals.items():
            yield f"{', '.join(names)}: {refusal}"


async def run(
    settings: ImportSettings,
    importers: Mapping[str, Importer],
    put: Callable[[str], object],
    say: Callable[[str], object],
) -> bool:
    """Write manifests for what a project or files have, and return whether all were written.

    Args:
        importers: by the values of ``settings.target``.
        put: prints a manifest, if the settings name no folder.
        say: prints a line for users.

    Raises:
        ValueError: the CA file or the proxy is not usable.
        OSError: the folder cannot be written.
    """
    wanted, messages = chosen(settings, importers), Messages()
    options = Options(settings.namespace, settings.credentials_secret_name, settings.region, settings.gcp_project)
    drafts: list[Draft | LeftOut] = []
    if settings.project is not None:
        for importer, found in await _read(settings, settings.project, wanted, messages, say):
            drafts += drafts_of(importer.kind, importer.of_entries(found, options))
    elif settings.terraform is not None:
        drafts += _of_terraform(settings.terraform, wanted, options, messages)
    else:
        bodies = _bodies(settings, wanted, messages)
        for importer in wanted:
            drafts += drafts_of(importer.kind, importer.of_objects(bodies, options))
    written = list(_written(drafts, messages))
    if written and settings.terraform is not None:
        messages.remarks.append(HAND_OVER)
    count = len(written)
    if settings.output_dir is not None:
        conflicts = list(write(written, settings.output_dir))
        messages.problems.extend(conflicts)
        count -= len(conflicts)
    else:
        for number, each in enumerate(written):
            put(("---\n" if number else "") + each.text.rstrip("\n"))
    for line in messages:
        say(one_line(line, limit=LONGEST_MESSAGE))
    say(f"{count} {'manifest' if count == 1 else 'manifests'} written.")
    return not (messages.problems or messages.refusals)


def _written(drafts: Iterable[Draft | LeftOut], messages: Messages) -> Iterator[Draft]:
    for each in drafts:
        if isinstance(each, Draft):
            yield each
        else:
            lines = messages.remarks if each.expected else messages.problems
            lines.append(each.text)


def _of_terraform(
    file: str, importers: Iterable[Importer], options: Options, messages: Messages
) -> Iterator[Draft | LeftOut]:
    resources = resources_in(file, {each for importer in importers for each in importer.terraform})
    if isinstance(resources, Invalid):
        messages.problems.append(f"{resources.place}: {'; '.join(resources.problems)}")
        return
    for importer in importers:
        found = [*importer.of_terraform([each for each in resources if each.type in importer.terraform])]
        yield from (each for each in found if isinstance(each, LeftOut))
        entries = (each for each in found if isinstance(each, Found))
        yield from drafts_of(importer.kind, importer.of_entries(entries, options))


def chosen(settings: ImportSettings, importers: Mapping[str, Importer]) -> Sequence[Importer]:
    """Return the importer of the kind to write, or those of all kinds that what is to be read may have."""
    if settings.target is not None:
        return [importers[settings.target]]
    sources = {name for each in importers.values() for name in each.sources if getattr(settings, name)}
    return [each for each in importers.values() if sources <= {*each.sources}]


def misuse(settings: ImportSettings, importers: Mapping[str, Importer]) -> tuple[str, str] | None:
    """Return the setting that does not fit the kind to write, and why; None: all do."""
    if settings.target not in {None, *importers}:
        return "target", f"{settings.target}: no such kind of manifest; there are {', '.join(importers)}"
    taken = {flag for each in chosen(settings, importers) for flag in each.flags}
    for flag in sorted({flag for each in importers.values() for flag in each.flags} - taken):
        if getattr(settings, flag):
            others = " or ".join(name for name, each in importers.items() if flag in each.flags)
            return flag, f"is only for --as {others}"
    return None


def _bodies(settings: ImportSettings, importers: Iterable[Importer], messages: Messages) -> Sequence[Body]:
    """Return the objects in files."""
    namespace, others = settings.namespace or "default", [each for one in importers for each in one.objects]
    # What an import reads is an export, and it sends nothing.
    reader = ManifestReader((), namespace=namespace, recursive=settings.recursive, others=others, use_statuses=True)
    documents = reader.find(settings.filename)
    messages.remarks.extend(reader.warnings)
    for each in documents:
        if isinstance(each, Invalid):
            messages.problems.append(f"{each.place}: {'; '.join(each.problems)}")
    return [each.body for each in documents if isinstance(each, Other) and each.body]


async def _read(
    settings: ImportSettings,
    project: str,
    importers: Iterable[Importer],
    messages: Messages,
    say: Callable[[str], object],
) -> Sequence[tuple[Importer, Sequence[Found]]]:
    """Return the entries of a project in Atlas by the importers of their kinds."""
    variables = EnvironmentCredentials()
    try:
        credentials = variables.parse()
    except CredentialsError as error:
        messages.problems.append(error.message)
        return []
    client, wording = client_of(settings), variables.wording("correct --project or --instance")
    found: list[tuple[Importer, list[Found]]] = [(importer, []) for importer in importers]
    until = asyncio.get_running_loop().time() + WITHIN
    patient = PatientClient(client, say, until=until)
    try:
        async with asyncio.timeout_at(until):
            for importer, entries in found:
                reading = Reading(
                    patient,
                    credentials,
                    importer,
                    project,
                    settings.instance,
                    wording,
                    messages,
                    may_be_unread=importer.owners_only and settings.target is None,
                )
                async for each in reading.entries():
                    entries.append(each)
    except TimeoutError:
        messages.problems.append(
            f"The import did not end within {WITHIN:.0f} s: import a part with --as or --instance."
        )
    except AtlasError as error:
        messages.problems.append(error.explanation.worded(wording))
    finally:
        await client.aclose()
    if not any((messages.problems, messages.refusals, *(entries for _, entries in found))):
        kinds = " or ".join(importer.kind.names.kind for importer in importers)
        messages.remarks.append(f"{settings.instance or f'Project {project}'} has nothing to import as {kinds}.")
    return found


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the entries of a kind in a project, with messages about what cannot be read.

    Its methods raise an ``AtlasError`` if every other call would end in it, too.

    Attributes:
        only: the only scope to read; None: all of the project.
        wording: of errors.
        may_be_unread: it is no problem if the credentials lack the role to read the entries.
    """

    client: Requester
    credentials: Credentials
    importer: Importer
    project: str
    only: str | None
    wording: Wording
    messages: Messages
    may_be_unread: bool = False

    async def entries(self) -> AsyncIterator[Found]:
        """Yield the entries of one scope after the other, since others share Atlas's rate limit."""
        list_scopes, names = self.importer.list_scopes, self.importer.kind.scopes
        scopes: Mapping[str, Any] = dict.fromkeys(names if self.only is None else (self.only,))
        if self.only is None and list_scopes is not None:
            try:
                scopes = await list_scopes(self.client, self.credentials, self.project)
            except AtlasError as error:
                self._refused(f"project {self.project}", error)
        for name, described in scopes.items():
            async for found in self._entries_of(name, described):
                yield found

    async def _entries_of(self, name: str, described: Any | None) -> AsyncIterator[Found]:
        kind = self.importer.kind
        scope = Scope("", self.project, kind.names.kind, name)
        try:
            request = kind.list_request(scope)
            listing = await send_list(self.client, self.credentials, request, kind.listed)
        except AtlasError as error:
            self._refused(kind.shown_scope(name), error)
            return
        for value in listing.entries.values():
            parts = {each: await self._part(scope, each) for each in self.importer.parts(value)}
            known = {each: part for each, part in parts.items() if part is not None}
            yield Found(self.project, name, described, value, known)
        if listing.skipped:
            self.messages.problems.append(
                f"{kind.shown_scope(name)}: the IDs of {listing.skipped} endpoints are unreadable."
            )

    def _refused(self, name: str, error: AtlasError) -> None:
        if is_hopeless(error):
            raise error
        if self.only is None and (without := self.importer.without.get(type(error))) is not None:
            self.messages.remarks.append(f"{name} {without}.")
        elif self.may_be_unread and isinstance(error, MissingRoleError):
            kind, why = self.importer.kind.names.kind, "only to credentials with the role Project Owner"
            self.messages.remarks.append(f"{name}: Atlas shows these endpoints {why}, so no {kind} is written.")
        else:
            self.messages.refusals.setdefault(error.explanation.worded(self.wording), []).append(name)

    async def _part(self, scope: Scope, entry: str) -> Any | None:
        """Return a part of an entry, or None, with a message."""
        kind = self.importer.kind
        try:
            request = kind.get_request(scope, entry)
            answer = await self.client.request(self.credentials, request)
        except EndpointAbsentError:
            self.messages.remarks.append(f"{entry} is no longer in Atlas.")
            return None
        except AtlasError as error:
            self._refused(entry, error)
            return None
        if (found := kind.got(entry, answer.json)) is None:
            self.messages.problems.append(f"{entry}: the answer of Atlas is unreadable.")
        return found


def write(drafts: Iterable[Draft], folder: Path) -> Iterator[str]:
    """Write each manifest into a file of its name, and yield the problems. Files that exist are not changed.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for each in drafts:
        path, content = folder / f"{each.name}.yaml", each.text.encode()
        try:
            with path.open("xb") as file:
                file.write(content)
        except FileExistsError:
            # A pipe would block, and a device has no end.
            if not (path.is_file() and path.read_bytes() == content):
                yield f"{path} exists with other content and was not changed. Compare the two, or use another folder."
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OSError(f"{path} cannot be written: {words_of(error)}") from error
