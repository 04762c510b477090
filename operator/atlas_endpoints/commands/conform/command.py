"""``atlas-endpoints conform``: try in a real project what is not known of Atlas."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

import httpx

from atlas_endpoints import __version__
from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.atlas.errors import AtlasError, Wording
from atlas_endpoints.atlas.requests import Request, path
from atlas_endpoints.atlas.transport import Transports
from atlas_endpoints.commands.clusterless import ConformSettings, EnvironmentCredentials, client_of
from atlas_endpoints.commands.conform import record, report
from atlas_endpoints.commands.conform.life import FamilyLife, LaterError
from atlas_endpoints.commands.conform.rows import families, rows
from atlas_endpoints.commands.conform.traffic import Atlas, Wire
from atlas_endpoints.kinds.conforming import CLOUD, Family, StopError
from atlas_endpoints.kinds.regions import atlas_name

GET_PROJECT = "getGroup"


async def run(
    settings: ConformSettings,
    known: Mapping[str, Family],
    put: Callable[[str], object],
    say: Callable[[str], object],
    ask: Callable[[str], str] | None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> bool:
    """Live the lives of the chosen families, print the report, and return whether all is done and nothing is left.

    Args:
        known: the families, by name.
        put: prints the report.
        say: prints a line for users.
        ask: returns what the user types; None: nobody can type.
        transport: replaces connections in tests.
        sleep: replaces waiting in tests.

    Raises:
        ValueError: a setting or the record is not usable, or the name of the project is another one.
        OSError: the record cannot be read or written.
    """
    if settings.dry_run:
        for line in _announcement(settings):
            put(line)
        return True
    if settings.cleanup and not settings.record.exists():
        raise ValueError(f"There is no record {settings.record}: name that of the run with --record.")

    def tell(line: str) -> object:  # texts from Atlas may control a terminal
        return say("".join(each if each.isprintable() else " " for each in line))

    variables = EnvironmentCredentials()
    try:
        credentials = variables.parse()
    except CredentialsError as error:
        raise ValueError(error.message) from None
    region = atlas_name(CLOUD, settings.region)
    with record.opened(settings.record, settings.project, settings.atlas_url, region) as kept:
        connections = transport or Transports(ca_file=settings.ca_file, max_connections=2, fence=lambda: True)
        wire = Wire(connections, credentials.secret)
        client = client_of(settings, writes=True, transport=wire)
        wording = variables.wording("correct --project")
        atlas = Atlas(client, credentials, wire, replace(wording, retry=""), tell, sleep)
        names = [each for each in known if each in (kept.lives if settings.cleanup else settings.families)]
        try:
            if not (settings.cleanup or kept.lives.keys() >= {*names}):
                await _confirm(settings, atlas, ask)
            lives, are_done = await _live(settings, {each: known[each] for each in names}, kept, atlas)
        except (AtlasError, StopError) as error:  # of the question for the project
            raise ValueError(_why(error, wording)) from error
        else:
            _print(settings, kept, lives, put)
            return are_done and not kept.left
        finally:
            for each in kept.left:
                tell(f"Not yet seen to be gone: {each}")
            await client.aclose()


def _announcement(settings: ConformSettings) -> list[str]:
    """Return what is said before anything is made."""
    tried = [row for row in rows() if not row.reason]
    lines = [
        f"At most {settings.max_endpoints} endpoints and services are made, and removed again. Atlas may charge for them meanwhile.",
        "Calls that Atlas should refuse are sent, too.",
    ]
    for name, words in families().items():
        if name in settings.families:
            lines.append(f"{name}: answers {sum(name in row.families for row in tried)} questions")
            lines += [f"  {verb} {what}" for verb, what in words.items()]
    return lines


async def _confirm(settings: ConformSettings, atlas: Atlas, ask: Callable[[str], str] | None) -> None:
    """Return when the user has typed the project's name; raises ``ValueError`` on another one, or if Atlas shows no project."""
    where = path("/api/atlas/v2/groups/{groupId}", GET_PROJECT, groupId=settings.project)
    found = await atlas.send(GET_PROJECT, Request(GET_PROJECT, "GET", where))
    if not found.is_success:
        raise ValueError(
            f"Atlas does not show project {settings.project} to these credentials ({found.summary}). Correct --project, or grant them"
            " a role in it. This run has made nothing."
        )
    name, typed = found.body.get("name"), settings.project_name
    if typed is None and ask is not None:
        for line in _announcement(settings):
            atlas.say(line)
        typed = ask(f"Type the name of project {settings.project} to begin: ")
    if typed is None:
        raise ValueError("Nobody can type the name of the project here: give it with --project-name.")
    if not name or typed.strip() != name:
        raise ValueError(f"That is not the name of project {settings.project}. This run has made nothing.")


async def _live(
    settings: ConformSettings, known: Mapping[str, Family], kept: record.Record, atlas: Atlas
) -> tuple[Mapping[str, FamilyLife], bool]:
    """Return the lives, and whether all have ended."""
    lives, are_done = dict[str, FamilyLife](), True
    try:
        for name, family in known.items():
            most, within = settings.max_endpoints, settings.wait.total_seconds()
            life = FamilyLife(name, family, kept, atlas, most=most, within=within)
            lives[name] = life
            are_done &= await _ends(life.stop("it was cleaned up") if settings.cleanup else life.run(), name, atlas)
            if life.kept.end and not settings.cleanup:
                again = "" if life.kept.left else " To try it again, use another --record."
                if life.kept.begins_anew:
                    again = " Nothing was made: the next run with this record tries it again."
                atlas.say(f"{name}: it ended early: {life.kept.end.removesuffix('.')}.{again}")
                are_done = False
    except asyncio.CancelledError:
        atlas.say("Interrupted: what was made is removed now. Interrupt again to leave that to --cleanup.")
        for name, life in lives.items():
            await _ends(life.stop("the command was interrupted"), name, atlas)
        raise
    return lives, are_done


async def _ends(life: Awaitable[None], name: str, atlas: Atlas) -> bool:
    """Return whether a life ends, and say why it does not."""
    try:
        await life
    except LaterError:
        atlas.say(f"{name}: --wait is used up before the end. Run the command again with the same record.")
        return False
    except (AtlasError, StopError) as error:
        atlas.say(
            f"{name}: it cannot go on: {_why(error, atlas.wording)} Run the command again with the same record, or with --cleanup."
        )
        return False
    return True


def _why(error: AtlasError | StopError, wording: Wording) -> str:
    return error.explanation.worded(wording) if isinstance(error, AtlasError) else f"{str(error).removesuffix('.')}."


def _print(
    settings: ConformSettings, kept: record.Record, lives: Mapping[str, FamilyLife], put: Callable[[str], object]
) -> None:
    if settings.cleanup:
        if not kept.left:
            put("Atlas shows nothing of this record any more.")
        return
    dates = sorted({each.date[:10] for life in lives.values() for each in life.kept.exchanges})
    about = {"project": kept.project, "version": __version__, "address": kept.atlas, "region": kept.region}
    about |= {"date": " to ".join(dict.fromkeys([*dates[:1], *dates[-1:]])) or "nothing was asked"}
    found = report.results(rows(), settings.families, lives)
    if settings.output == "json":
        document = report.document(about, found, kept.left, lives)
        document = report.redact(document, settings.project) if settings.redact else document
        text = json.dumps(document, indent=1, ensure_ascii=False)
    else:
        text = "\n".join(report.markdown(about, found, kept.left))
        text = report.redact(text, settings.project) if settings.redact else text
    put(text)
