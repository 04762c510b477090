"""``atlas-endpoints import``: write manifests for the endpoints in Atlas, for exported objects, or for a state of Terraform."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
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
from atlas_endpoints.kinds.importer import Found, Importer, Options
from atlas_endpoints.telemetry.causes import words_of

LONGEST_MESSAGE = 2000
"""Characters of a message: it may hold a text of a file."""


@dataclass(slots=True)
class Messages:
    """Prints lines for users; ``are_expected`` if none of them is about a problem."""

    say: Callable[[str], object]
    are_expected: bool = True

    def add(self, text: str, *, expected: bool = False) -> None:
        self.are_expected &= expected
        self.say(one_line(text, limit=LONGEST_MESSAGE))


async def run(
    settings: ImportSettings,
    importers: Mapping[str, Importer],
    put: Callable[[str], object],
    say: Callable[[str], object],
) -> bool:
    """Write manifests into a folder, or put them, say what there is to say, and return whether all were written.

    Raises:
        ValueError: the credentials, the CA file or the proxy are not usable.
        OSError: the folder cannot be written.
    """
    wanted, messages = chosen(settings, importers), Messages(say)
    options = Options(settings.namespace, settings.credentials_secret_name, settings.region, settings.gcp_project)
    if settings.filename:
        bodies = _bodies(settings, wanted, messages)
        made = [importer.of_objects(bodies, options) for importer in wanted]
    else:
        if settings.project is not None:
            found = await _in_project(settings, settings.project, wanted, messages)
        else:
            found = _in_terraform(settings.terraform or "", wanted, messages)
        made = [importer.of_entries(entries, options) for importer, entries in zip(wanted, found, strict=True)]
    drafts: list[Draft] = []
    for importer, manifests in zip(wanted, made, strict=True):
        for each in drafts_of(importer.kind, manifests):
            if isinstance(each, Draft):
                drafts.append(each)
            else:
                messages.add(each.text, expected=each.expected)
    count = len(drafts)
    if settings.output_dir is not None:
        for conflict in write(drafts, settings.output_dir):
            messages.add(conflict)
            count -= 1
    elif drafts:
        put("---\n".join(each.text for each in drafts).rstrip("\n"))
    if count and settings.terraform is not None:
        say(HAND_OVER)
    say(f"{count} {'manifest' if count == 1 else 'manifests'} written.")
    return messages.are_expected


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
    namespace, kinds = settings.namespace or "default", [each for one in importers for each in one.objects]
    # What an import reads is an export, and it sends nothing.
    reader = ManifestReader((), namespace=namespace, recursive=settings.recursive, others=kinds, use_statuses=True)
    documents = reader.find(settings.filename)
    for warning in reader.warnings:
        messages.add(warning, expected=True)
    for each in documents:
        if isinstance(each, Invalid):
            messages.add(str(each))
    return [each.body for each in documents if isinstance(each, Other) and each.body]


def _in_terraform(file: str, importers: Sequence[Importer], messages: Messages) -> Sequence[Sequence[Found]]:
    """Return the entries in a state, for each importer."""
    resources = resources_in(file, {each for importer in importers for each in importer.terraform})
    if isinstance(resources, Invalid):
        messages.add(str(resources))
        resources = ()
    found: list[list[Found]] = [[] for _ in importers]
    for importer, entries in zip(importers, found, strict=True):
        for each in importer.of_terraform([each for each in resources if each.type in importer.terraform]):
            if isinstance(each, Found):
                entries.append(each)
            else:
                messages.add(each.text, expected=each.expected)
    return found


async def _in_project(
    settings: ImportSettings, project: str, importers: Sequence[Importer], messages: Messages
) -> Sequence[Sequence[Found]]:
    """Return the entries in Atlas, for each importer: those that were read, if others cannot be."""
    variables, until = EnvironmentCredentials(), asyncio.get_running_loop().time() + WITHIN
    wording = variables.wording("correct --project or --instance")
    try:
        credentials = variables.parse()
    except CredentialsError as error:
        raise ValueError(error.message) from error
    found: list[list[Found]] = [[] for _ in importers]
    async with aclosing(client_of(settings)) as client:
        patient = PatientClient(client, messages.say, until=until)
        reader = Reader(patient, credentials, project, settings, wording, messages)
        try:
            async with asyncio.timeout_at(until):
                for importer, entries in zip(importers, found, strict=True):
                    async for each in reader.entries(importer):
                        entries.append(each)  # an error ends the loop
        except TimeoutError:
            messages.add(f"The import did not end within {WITHIN:.0f} s: import a part with --as or --instance.")
        except AtlasError as error:
            messages.add(error.explanation.worded(wording))
    for refusal, names in reader.refusals.items():
        messages.add(f"{', '.join(names)}: {refusal}")
    return found


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads a project in Atlas, with messages about what cannot be read; raises the errors that would meet every call.

    ``refusals`` has the names of what Atlas refuses, by its words.
    """

    client: Requester
    credentials: Credentials
    project: str
    settings: ImportSettings
    wording: Wording
    messages: Messages
    refusals: dict[str, list[str]] = field(default_factory=dict)

    async def entries(self, importer: Importer) -> AsyncIterator[Found]:
        """Yield the entries of a kind, one scope after the other, since others share Atlas's rate limit."""
        kind, only = importer.kind, self.settings.instance
        scopes: Mapping[str, Any] = dict.fromkeys(kind.scopes if only is None else (only,))
        if only is None and importer.list_scopes is not None:
            try:
                scopes = await importer.list_scopes(self.client, self.credentials, self.project)
            except AtlasError as error:
                self._refused(importer, f"project {self.project}", error)
        for name, described in scopes.items():
            scope, shown = Scope("", self.project, kind.names.kind, name), kind.shown_scope(name)
            try:
                listing = await send_list(self.client, self.credentials, kind.list_request(scope), kind.listed)
            except AtlasError as error:
                self._refused(importer, shown, error)
                continue
            for value in listing.entries.values():
                parts = {each: await self._part(importer, scope, each) for each in importer.parts(value)}
                known = {each: part for each, part in parts.items() if part is not None}
                yield Found(self.project, name, described, value, known)
            if listing.skipped:
                self.messages.add(f"{shown}: the IDs of {listing.skipped} endpoints are unreadable.")

    async def _part(self, importer: Importer, scope: Scope, entry: str) -> Any | None:
        """Return a part of an entry, or None, with a message."""
        found = None
        try:
            answer = await self.client.request(self.credentials, importer.kind.get_request(scope, entry))
            found = importer.kind.got(entry, answer.json)
            if found is None:
                self.messages.add(f"{entry}: the answer of Atlas is unreadable.")
        except EndpointAbsentError:
            self.messages.add(f"{entry} is no longer in Atlas.", expected=True)
        except AtlasError as error:
            self._refused(importer, entry, error)
        return found

    def _refused(self, importer: Importer, name: str, error: AtlasError) -> None:
        if is_hopeless(error):
            raise error
        if self.settings.instance is None and (without := importer.without.get(type(error))) is not None:
            self.messages.add(f"{name} {without}.", expected=True)
        elif importer.owners_only and self.settings.target is None and isinstance(error, MissingRoleError):
            why = f"only to credentials with the role Project Owner, so no {importer.kind.names.kind} is written"
            self.messages.add(f"{name}: Atlas shows these endpoints {why}.", expected=True)
        else:
            self.refusals.setdefault(error.explanation.worded(self.wording), []).append(name)


def write(drafts: Iterable[Draft], folder: Path) -> Iterator[str]:
    """Write each manifest into a file of its name, and yield the problems. Files that exist are not changed.

    Raises:
        OSError: the folder or a file cannot be written.
    """
    for each in drafts:
        folder.mkdir(parents=True, exist_ok=True)
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
