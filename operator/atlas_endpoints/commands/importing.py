"""``atlas-endpoints import``: write manifests for the endpoints in Atlas, or for exported objects."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atlas_endpoints.atlas.answers import Requester, send_list
from atlas_endpoints.atlas.credentials import Credentials, CredentialsError
from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, NotServerlessError, Wording, one_line
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.clusterless import EnvironmentCredentials, ImportSettings, client_of, with_retries
from atlas_endpoints.commands.manifests import Invalid, ManifestReader, Other
from atlas_endpoints.kinds.importer import Draft, Drafts, Found, Importer, Options

LONGEST_MESSAGE = 2000
"""Characters of a message: it may hold a text of a file."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages for users.

    Attributes:
        remarks: nothing is wrong.
        problems: something is missing.
    """

    remarks: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def run(
    settings: ImportSettings,
    importers: Mapping[str, Importer],
    put: Callable[[str], object],
    say: Callable[[str], object],
) -> bool:
    """Write manifests for the endpoints of a project or for exported objects, and return whether all were written.

    Args:
        importers: by the value of ``settings.target``.
        put: prints a manifest, if the settings name no folder.
        say: prints a line for users.

    Raises:
        ValueError: the CA file or the proxy is not usable.
        OSError: the folder cannot be written.
    """
    importer, messages = importers[settings.target], Messages()
    options = Options(settings.namespace, settings.credentials_secret, settings.region, settings.gcp_project)
    if settings.project is not None:
        drafts = importer.of_entries(await _read(settings, settings.project, importer, messages, say), options)
    else:
        drafts = _of_files(settings, importer, options, messages)
    written = list(_written(drafts, messages))
    count = len(written)
    if settings.output_dir is not None:
        conflicts = list(write(written, settings.output_dir))
        messages.problems.extend(conflicts)
        count -= len(conflicts)
    else:
        for number, each in enumerate(written):
            put(("---\n" if number else "") + each.text.rstrip("\n"))
    for line in (*messages.remarks, *messages.problems):
        say(one_line(line, limit=LONGEST_MESSAGE))
    say(f"{count} {'manifest' if count == 1 else 'manifests'} written.")
    return not messages.problems


def _written(drafts: Drafts, messages: Messages) -> Iterator[Draft]:
    for each in drafts:
        if isinstance(each, Draft):
            yield each
        else:
            lines = messages.remarks if each.expected else messages.problems
            lines.append(f"No manifest for endpoint {each.what}: {each.why}.")


def misuse(settings: ImportSettings, importers: Mapping[str, Importer]) -> tuple[str, str] | None:
    """Return the setting that does not fit the kind to write, and why; None: all do."""
    importer = importers.get(settings.target)
    if importer is None:
        return "target", f"{settings.target}: no such kind of manifest; there are {', '.join(importers)}"
    for flag in sorted({flag for each in importers.values() for flag in each.flags} - {*importer.flags}):
        if getattr(settings, flag):
            others = " or ".join(name for name, each in importers.items() if flag in each.flags)
            return flag, f"is only for --as {others}"
    return None


def _of_files(settings: ImportSettings, importer: Importer, options: Options, messages: Messages) -> Drafts:
    """Return the manifests of the objects in files."""
    namespace = settings.namespace or "default"
    # What an import reads is an export, and it sends nothing.
    reader = ManifestReader(
        (), namespace=namespace, recursive=settings.recursive, others=importer.objects, use_statuses=True
    )
    documents = reader.find(settings.filename)
    for each in documents:
        if isinstance(each, Invalid):
            messages.problems.append(f"{each.place}: {'; '.join(each.problems)}")
    return importer.of_objects([each.body for each in documents if isinstance(each, Other) and each.body], options)


async def _read(
    settings: ImportSettings, project: str, importer: Importer, messages: Messages, say: Callable[[str], object]
) -> list[Found]:
    """Read the endpoints of a project."""
    variables = EnvironmentCredentials()
    try:
        credentials, warnings = variables.parse()
    except CredentialsError as error:
        messages.problems.append(error.message)
        return []
    messages.remarks.extend(warnings)
    client = client_of(settings)
    wording = variables.wording("correct --project or --instance")
    try:
        reading = Reading(client, credentials, importer, project, wording, messages, say)
        return await reading.entries(settings.instance)
    finally:
        await client.aclose()


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads the entries of a project, with messages about what cannot be read.

    Attributes:
        wording: of errors.
        say: prints a line about a wait.
    """

    client: Requester
    credentials: Credentials
    importer: Importer
    project: str
    wording: Wording
    messages: Messages
    say: Callable[[str], object]

    async def entries(self, only: str | None) -> list[Found]:
        """Return the entries of one scope, or of all (None).

        It reads one scope after the other, since others share Atlas's rate limit.
        """
        scopes: Mapping[str, Any] = {}
        if only is None:
            try:
                scopes = await with_retries(
                    lambda: self.importer.list_scopes(self.client, self.credentials, self.project), self.say
                )
            except AtlasError as error:
                self.messages.problems.append(error.explanation.worded(self.wording))
                return []
        found: list[Found] = []
        for name in scopes if only is None else [only]:
            found += await self._entries_of(name, scopes.get(name), is_named=only is not None)
        return found

    async def _entries_of(self, name: str, described: Any | None, *, is_named: bool) -> list[Found]:
        kind = self.importer.kind
        scope = Scope("", self.project, kind.names.kind, name)
        try:
            request = kind.list_request(scope)
            listing = await with_retries(
                lambda: send_list(self.client, self.credentials, request, kind.listed), self.say
            )
        except AtlasError as error:
            if isinstance(error, NotServerlessError) and not is_named:
                self.messages.remarks.append(f"{name} is no longer a serverless instance and has no such endpoints.")
            else:
                self.messages.problems.append(f"{name}: {error.explanation.worded(self.wording)}")
            return []
        found: list[Found] = []
        for value in listing.entries.values():
            parts = {each: await self._part(scope, each) for each in self.importer.parts(value)}
            known = {each: part for each, part in parts.items() if part is not None}
            found.append(Found(self.project, name, described, value, known))
        if listing.skipped:
            self.messages.problems.append(f"{name}: the IDs of {listing.skipped} endpoints are unreadable.")
        return found

    async def _part(self, scope: Scope, entry: str) -> Any | None:
        """Return a part of an entry, or None, with a message."""
        kind = self.importer.kind
        try:
            request = kind.get_request(scope, entry)
            answer = await with_retries(lambda: self.client.request(self.credentials, request), self.say)
        except EndpointAbsentError:
            self.messages.remarks.append(f"{entry} is no longer in Atlas.")
            return None
        except AtlasError as error:
            self.messages.problems.append(f"{entry}: {error.explanation.worded(self.wording)}")
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
        path = folder / f"{each.name}.yaml"
        try:
            with path.open("xb") as file:
                file.write(each.text.encode())
        except FileExistsError:
            if path.read_bytes() != each.text.encode():
                yield f"{path} exists with other content and was not changed. Compare the two, or use another folder."
